//! A labelled corpus for the detectors, made from random seeds, and its scoring.
//!
//! Knows the specification of the entities, not the detectors: values, check digits and contexts are made here anew, so
//! that a mistake in a detector is not repeated. One seed is for tuning, another for evaluation, and they use different
//! halves of the contexts.

pub mod contexts;
pub mod documents;
pub mod evasions;
pub mod kinds;
mod makers;
mod more_makers;
pub mod negatives;
pub mod random;
pub mod score;
pub mod speed;
pub mod values;

/// A text and what must be found in it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The text.
    pub text: String,
    /// Type, and bytes from and to.
    pub spans: Vec<(String, usize, usize)>,
    /// The evasion that was used, or the trap; empty for a plain sample.
    pub trick: &'static str,
}

impl Sample {
    /// Reads `[[TYPE|value]]` marks.
    #[must_use]
    pub fn marked(marked: &str, trick: &'static str) -> Self {
        let (mut text, mut spans, mut rest) = (String::new(), Vec::new(), marked);
        while let Some(open) = rest.find("[[") {
            let Some(close) = rest[open..].find("]]").map(|i| i + open) else {
                break;
            };
            let Some((name, value)) = rest[open + 2..close].split_once('|') else {
                break;
            };
            text.push_str(&rest[..open]);
            spans.push((name.to_owned(), text.len(), text.len() + value.len()));
            text.push_str(value);
            rest = &rest[close + 2..];
        }
        text.push_str(rest);
        Self { text, spans, trick }
    }
}
