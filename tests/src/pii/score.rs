//! Counts of what was found, missed and made up.

use std::collections::BTreeMap;

use policies::scan::scan;

use super::Sample;

/// Counts of one type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Found with exact span and type.
    pub hit: usize,
    /// In the corpus, not found.
    pub missed: usize,
    /// Found, not in the corpus.
    pub wrong: usize,
}

impl Count {
    /// Share of findings that are right.
    #[must_use]
    pub fn precision(self) -> f64 {
        ratio(self.hit, self.hit + self.wrong)
    }

    /// Share of the corpus that was found.
    #[must_use]
    pub fn recall(self) -> f64 {
        ratio(self.hit, self.hit + self.missed)
    }

    /// Their harmonic mean.
    #[must_use]
    pub fn f1(self) -> f64 {
        let (p, r) = (self.precision(), self.recall());
        if p + r > 0.0 {
            2.0 * p * r / (p + r)
        } else {
            0.0
        }
    }
}

/// `a / b`, 1 if there is nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
pub fn ratio(a: usize, b: usize) -> f64 {
    if b == 0 { 1.0 } else { a as f64 / b as f64 }
}

/// The whole result.
#[derive(Debug, Default)]
pub struct Score {
    /// By type.
    pub types: BTreeMap<String, Count>,
    /// Evasions: trick → caught and all.
    pub tricks: BTreeMap<&'static str, (usize, usize)>,
    /// Negatives: trap → flagged and all.
    pub traps: BTreeMap<&'static str, (usize, usize)>,
    /// Characters in spans of the corpus, and those left uncovered.
    pub sensitive: (usize, usize),
    /// What went wrong, for reading.
    pub failures: Vec<String>,
}

impl Score {
    /// Scores samples with findings.
    pub fn plain(&mut self, samples: &[Sample]) {
        for sample in samples {
            let found: Vec<(String, usize, usize)> = found(&sample.text);
            self.cover(sample, &found);
            for span in &sample.spans {
                let count = self.types.entry(span.0.clone()).or_default();
                if found.contains(span) {
                    count.hit += 1
                } else {
                    count.missed += 1
                }
            }
            for span in &found {
                if !sample.spans.contains(span) {
                    self.types.entry(span.0.clone()).or_default().wrong += 1;
                }
            }
            if found != sample.spans {
                self.fail("plain", sample, &found);
            }
        }
    }

    /// Scores evasions: caught is covered whole, with the right type.
    pub fn evasions(&mut self, samples: &[Sample]) {
        for sample in samples {
            let found = found(&sample.text);
            self.cover(sample, &found);
            let caught = sample.spans.iter().all(|(kind, from, to)| {
                found
                    .iter()
                    .any(|(k, a, b)| k == kind && a <= from && b >= to)
            });
            let entry = self.tricks.entry(sample.trick).or_default();
            entry.1 += 1;
            if caught {
                entry.0 += 1
            } else {
                self.fail(sample.trick, sample, &found)
            }
        }
    }

    /// Scores texts without findings.
    pub fn negatives(&mut self, samples: &[Sample]) {
        for sample in samples {
            let found = found(&sample.text);
            let entry = self.traps.entry(sample.trick).or_default();
            entry.1 += 1;
            if !found.is_empty() {
                entry.0 += 1;
                self.fail(sample.trick, sample, &found);
            }
        }
    }

    fn cover(&mut self, sample: &Sample, found: &[(String, usize, usize)]) {
        for (_, from, to) in &sample.spans {
            for (i, _) in sample.text[*from..*to].char_indices() {
                self.sensitive.0 += 1;
                if !found.iter().any(|(_, a, b)| (*a..*b).contains(&(from + i))) {
                    self.sensitive.1 += 1;
                }
            }
        }
    }

    fn fail(&mut self, why: &str, sample: &Sample, found: &[(String, usize, usize)]) {
        let show = |spans: &[(String, usize, usize)]| {
            spans
                .iter()
                .map(|(k, a, b)| format!("{k}:{:?}", &sample.text[*a..*b]))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let missing: Vec<_> = sample
            .spans
            .iter()
            .filter(|s| !found.contains(s))
            .cloned()
            .collect();
        let extra: Vec<_> = found
            .iter()
            .filter(|s| !sample.spans.contains(s))
            .cloned()
            .collect();
        self.failures.push(format!(
            "[{why}] {:?}\n    missed {}\n    wrong  {}",
            sample.text,
            show(&missing),
            show(&extra)
        ));
    }

    /// All types together.
    #[must_use]
    pub fn micro(&self) -> Count {
        self.types.values().fold(Count::default(), |a, b| Count {
            hit: a.hit + b.hit,
            missed: a.missed + b.missed,
            wrong: a.wrong + b.wrong,
        })
    }

    /// The mean recall of the types.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    pub fn macro_recall(&self) -> f64 {
        let of: Vec<f64> = self
            .types
            .values()
            .filter(|c| c.hit + c.missed > 0)
            .map(|c| c.recall())
            .collect();
        of.iter().sum::<f64>() / of.len().max(1) as f64
    }
}

fn found(text: &str) -> Vec<(String, usize, usize)> {
    scan(text)
        .into_iter()
        .map(|hit| (hit.entity.name().to_owned(), hit.start, hit.end))
        .collect()
}

/// Caught and all, summed.
#[must_use]
pub fn total(of: &BTreeMap<&'static str, (usize, usize)>) -> (usize, usize) {
    of.values().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}
