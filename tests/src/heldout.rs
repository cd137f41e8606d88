//! The held-out corpus: texts with labels that were written by somebody who had not seen the detectors.
//!
//! `tests/heldout/pii.jsonl` has two halves by template, `dev` to learn from and `eval` to be measured on: look at the
//! numbers of `eval`, never at its texts, or it measures nothing any more. A span counts as found if a finding of its
//! type (or one that its label allows) covers it by at least four fifths of their union.

use std::collections::BTreeMap;
use std::path::Path;

use policies::scan::{Finding, Set};
use serde_json::Value;

/// Findings that overlap a label by less are other findings.
const OVERLAP: f64 = 0.8;

/// The figures of one half.
#[derive(Debug, Default)]
pub struct Figures {
    /// By type: labels, found, found without a label.
    pub types: BTreeMap<String, [u32; 3]>,
    /// Labels behind an evasion, and those found.
    pub evasions: [u32; 2],
    /// Texts without a label, and those in which something was found.
    pub negatives: [u32; 2],
    /// Characters of labels, and those that no finding covers.
    pub characters: [usize; 2],
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 1.0 } else { part / whole }
}

impl Figures {
    fn sum(&self, at: usize) -> f64 {
        let column = self.types.values().filter_map(|row| row.get(at));
        f64::from(column.sum::<u32>())
    }

    /// Of what was found, the right part.
    #[must_use]
    pub fn precision(&self) -> f64 {
        ratio(self.sum(1), self.sum(1) + self.sum(2))
    }

    /// Of all labels, the part that was found.
    #[must_use]
    pub fn micro_recall(&self) -> f64 {
        ratio(self.sum(1), self.sum(0))
    }

    /// The mean over types of that part.
    #[must_use]
    pub fn macro_recall(&self) -> f64 {
        let known: Vec<f64> = self
            .types
            .values()
            .filter(|row| row[0] > 0)
            .map(|row| ratio(f64::from(row[1]), f64::from(row[0])))
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "some sixty types")]
        ratio(known.iter().sum(), known.len() as f64)
    }

    /// Of labels behind an evasion, the part that was found.
    #[must_use]
    pub fn evasions_caught(&self) -> f64 {
        ratio(f64::from(self.evasions[1]), f64::from(self.evasions[0]))
    }

    /// Of texts without a label, the part in which something was found.
    #[must_use]
    pub fn flagged(&self) -> f64 {
        ratio(f64::from(self.negatives[1]), f64::from(self.negatives[0]))
    }

    /// Of the characters of labels, the part that nothing covers.
    #[must_use]
    pub fn uncovered(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand")]
        ratio(self.characters[1] as f64, self.characters[0] as f64)
    }
}

/// One label of a text, in code points.
struct Label {
    /// Its extent, and others that are as good.
    extents: Vec<(usize, usize)>,
    types: Vec<String>,
    /// Pieces that are as good when each is found.
    parts: Vec<(usize, usize)>,
    /// Doubtful: neither missed nor wrong.
    optional: bool,
}

impl Label {
    fn read(span: &Value) -> Option<Self> {
        let pair = |value: &Value| Some((number(value.get(0)?)?, number(value.get(1)?)?));
        let list = |name: &str| {
            span.get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        };
        let own = (number(span.get("start")?)?, number(span.get("end")?)?);
        let mut types = vec![span.get("type")?.as_str()?.to_owned()];
        types.extend(list("alt").filter_map(Value::as_str).map(str::to_owned));
        Some(Self {
            extents: std::iter::once(own)
                .chain(list("alts").filter_map(pair))
                .collect(),
            types,
            parts: list("parts").filter_map(pair).collect(),
            optional: span.get("opt").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    fn fits(&self, extent: (usize, usize), found: &Found) -> bool {
        let (from, to) = (extent.0.max(found.from), extent.1.min(found.to));
        let union = extent.1.max(found.to) - extent.0.min(found.from);
        #[expect(clippy::cast_precision_loss, reason = "lengths of texts")]
        let overlap = to.saturating_sub(from) as f64 / union.max(1) as f64;
        overlap >= OVERLAP && self.types.contains(&found.sort)
    }
}

fn number(value: &Value) -> Option<usize> {
    value
        .as_u64()
        .and_then(|number| usize::try_from(number).ok())
}

/// A finding, in code points.
struct Found {
    sort: String,
    from: usize,
    to: usize,
    used: bool,
}

fn found(set: &Set, text: &str) -> Vec<Found> {
    let mut list: Vec<Finding> = Vec::new();
    set.scan("", text, &mut list);
    let points = |at: usize| text.get(..at).map_or(0, |head| head.chars().count());
    list.iter()
        .map(|finding| Found {
            sort: set.info(finding.sort).name.to_string(),
            from: points(finding.start),
            to: points(finding.end),
            used: false,
        })
        .collect()
}

/// Takes the findings of a label; whether it was found.
fn take(label: &Label, found: &mut [Found]) -> bool {
    let mut one = |extents: &[(usize, usize)]| {
        let fits = |finding: &&mut Found| {
            !finding.used && extents.iter().any(|extent| label.fits(*extent, finding))
        };
        found.iter_mut().find(fits).is_some_and(|finding| {
            finding.used = true;
            true
        })
    };
    one(&label.extents)
        || !label.parts.is_empty()
            && label
                .parts
                .iter()
                .all(|part| one(std::slice::from_ref(part)))
}

/// Scores one half of the corpus.
///
/// # Errors
/// If the file cannot be read.
pub fn pii(path: &Path, split: &str) -> std::io::Result<Figures> {
    let set = Set::build(Vec::new(), Vec::new(), &|_, _, default| default)
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    let mut figures = Figures::default();
    for line in std::fs::read_to_string(path)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        let word = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        // Values in base64 are only noted, not redacted.
        if word("split") != split || word("trick") == "base64_note" {
            continue;
        }
        let spans = line.get("spans").and_then(Value::as_array);
        let labels: Vec<Label> = spans
            .into_iter()
            .flatten()
            .filter_map(Label::read)
            .collect();
        let mut found = found(&set, word("text"));
        score(&labels, &mut found, word("trick"), &mut figures);
    }
    Ok(figures)
}

fn score(labels: &[Label], found: &mut [Found], trick: &str, figures: &mut Figures) {
    let covered = |at: usize, found: &[Found]| found.iter().any(|f| f.from <= at && at < f.to);
    for label in labels.iter().filter(|label| !label.optional) {
        if let Some((from, to)) = label.extents.first() {
            figures.characters[0] += to - from;
            figures.characters[1] += (*from..*to).filter(|at| !covered(*at, found)).count();
        }
        let right = take(label, found);
        if let Some(name) = label.types.first() {
            let row = figures.types.entry(name.clone()).or_default();
            row[0] += 1;
            row[1] += u32::from(right);
        }
        if trick != "none" && !trick.contains(':') {
            figures.evasions[0] += 1;
            figures.evasions[1] += u32::from(right);
        }
    }
    for label in labels.iter().filter(|label| label.optional) {
        take(label, found);
    }
    for extra in found.iter().filter(|found| !found.used) {
        figures.types.entry(extra.sort.clone()).or_default()[2] += 1;
    }
    if labels.iter().all(|label| label.optional) {
        figures.negatives[0] += 1;
        figures.negatives[1] += u32::from(found.iter().any(|found| !found.used));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The goals of the product, measured on the half that nobody learns from.
    #[test]
    fn the_held_out_half_meets_the_goals() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let figures = pii(&root.join("heldout/pii.jsonl"), "eval").unwrap();
        eprintln!(
            "precision {:.4}, micro recall {:.4}, macro recall {:.4}, evasions {:.4}, flagged {:.4}, uncovered {:.4}",
            figures.precision(),
            figures.micro_recall(),
            figures.macro_recall(),
            figures.evasions_caught(),
            figures.flagged(),
            figures.uncovered()
        );
        assert!(figures.precision() >= 0.985);
        assert!(figures.micro_recall() >= 0.98);
        assert!(figures.macro_recall() >= 0.97);
        assert!(figures.evasions_caught() >= 0.92);
        assert!(figures.flagged() <= 0.01);
        assert!(figures.uncovered() <= 0.01);
    }

    /// The same of the packs: secrets, source code and injection, against what only looks like them.
    #[test]
    fn held_out_prompts_are_told_apart() {
        use crate::prompts::{Score, read};
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let lines = std::fs::read_to_string(root.join("heldout/prompts.jsonl")).unwrap();
        let chosen: Vec<_> = read(&lines)
            .into_iter()
            // Whether data may go abroad is for rules and grades to say.
            .filter(|prompt| prompt.split == "eval" && prompt.family != "cross_border")
            .collect();
        let total = Score::of(&chosen).total();
        eprintln!(
            "deny F1 {:.4}, benign denied {:.4}",
            total.f1(),
            total.benign_denied()
        );
        assert!(total.f1() >= 0.93 && total.benign_denied() <= 0.02);
    }
}
