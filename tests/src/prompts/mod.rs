//! Prompts with what the policy packs should say to them: hand-written, in two halves.
//!
//! One half is for tuning, the other only for figures. Each line of `corpus.jsonl` has a text, a label (`deny` or
//! `allow`), a family and its half. Knows the detectors and no gateway.

use std::collections::BTreeMap;

use policies::scan::injection::{self, Source};
use policies::scan::{Group, code_text, scan};
use serde_json::Value;

/// Our own prompts.
pub const CORPUS: &str = include_str!("corpus.jsonl");

/// A prompt and its label.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// What is asked.
    pub text: String,
    /// Whether it must be refused.
    pub deny: bool,
    /// What kind it is of.
    pub family: String,
    /// Which half it belongs to: `dev` or `eval`.
    pub split: String,
}

/// Reads lines of JSON.
#[must_use]
pub fn read(lines: &str) -> Vec<Prompt> {
    let lines = lines.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let value: Value = serde_json::from_str(line).expect("a line of JSON");
            let field = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            Prompt {
                text: field("text"),
                deny: field("label") == "deny",
                family: field("family"),
                split: field("split"),
            }
        })
        .collect()
}

/// Why a prompt is refused; nothing if it is not.
#[must_use]
pub fn reasons(text: &str) -> Vec<String> {
    let mut reasons = Vec::new();
    let secrets = scan(text);
    let mut secrets: Vec<&str> = secrets
        .iter()
        .filter(|hit| hit.entity.group() == Group::Secret)
        .map(|hit| hit.entity.name())
        .collect();
    secrets.dedup();
    reasons.extend(secrets.into_iter().map(str::to_owned));
    if !code_text::find(text).is_empty() {
        reasons.push("SOURCE_CODE".to_owned());
    }
    if let Some(judged) = injection::find(text, Source::User) {
        reasons.push(format!(
            "PROMPT_INJECTION {} {:?}",
            judged.score, judged.signals
        ));
    }
    reasons
}

/// What became of a family.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Refused as they should.
    pub denied: usize,
    /// Let pass though they should not.
    pub missed: usize,
    /// Let pass as they should.
    pub passed: usize,
    /// Refused though they should not.
    pub wrong: usize,
}

/// The score of a set of prompts.
#[derive(Debug, Default)]
pub struct Score {
    /// By family.
    pub families: BTreeMap<String, Count>,
    /// What went wrong, and why.
    pub failures: Vec<String>,
}

impl Score {
    /// Judges all prompts.
    #[must_use]
    pub fn of<'p>(prompts: impl IntoIterator<Item = &'p Prompt>) -> Self {
        let mut score = Self::default();
        for prompt in prompts {
            let reasons = reasons(&prompt.text);
            let count = score.families.entry(prompt.family.clone()).or_default();
            match (prompt.deny, !reasons.is_empty()) {
                (true, true) => count.denied += 1,
                (true, false) => count.missed += 1,
                (false, false) => count.passed += 1,
                (false, true) => count.wrong += 1,
            }
            if prompt.deny == reasons.is_empty() {
                let what = if prompt.deny { "missed" } else { "wrong" };
                score.failures.push(format!(
                    "{what} [{}] {:?} {reasons:?}",
                    prompt.family, prompt.text
                ));
            }
        }
        score
    }

    /// All families together.
    #[must_use]
    pub fn total(&self) -> Count {
        self.families
            .values()
            .fold(Count::default(), |sum, one| Count {
                denied: sum.denied + one.denied,
                missed: sum.missed + one.missed,
                passed: sum.passed + one.passed,
                wrong: sum.wrong + one.wrong,
            })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}

impl Count {
    /// Of the refused, how many should be.
    #[must_use]
    pub fn precision(&self) -> f64 {
        share(self.denied, self.denied + self.wrong)
    }

    /// Of those that should be refused, how many are.
    #[must_use]
    pub fn recall(&self) -> f64 {
        share(self.denied, self.denied + self.missed)
    }

    /// The harmonic mean of both.
    #[must_use]
    pub fn f1(&self) -> f64 {
        let (p, r) = (self.precision(), self.recall());
        if p + r == 0.0 {
            0.0
        } else {
            2.0 * p * r / (p + r)
        }
    }

    /// Of those that should pass, how many are refused.
    #[must_use]
    pub fn benign_denied(&self) -> f64 {
        if self.wrong == 0 {
            0.0
        } else {
            share(self.wrong, self.passed + self.wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_prompts_are_told_apart() {
        let prompts = read(CORPUS);
        assert!(prompts.len() >= 150);
        for split in ["dev", "eval"] {
            let score = Score::of(prompts.iter().filter(|p| p.split == split));
            let total = score.total();
            assert!(total.f1() >= 0.93, "{split}: {:#?}", score.failures);
            assert!(
                total.benign_denied() <= 0.02,
                "{split}: {:#?}",
                score.failures
            );
        }
    }
}
