//! What people say of a key or team: a note and labels, beside the names that stand everywhere for good.
//!
//! Invariant: a key or another secret that was pasted here is refused, and the answer does not repeat it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::doc::About;
use super::ops::{Refusal, Who, bad};
use super::pasted::holds_secret;

/// Longest note, in bytes.
const NOTE_BYTES_MAX: usize = 1024;
/// Most labels.
const LABELS_MAX: usize = 32;
/// Longest name or value of a label, in bytes.
const LABEL_BYTES_MAX: usize = 128;

/// The rest of a body, beside what the config's shape has.
#[derive(Default)]
pub(super) struct Words {
    note: Option<String>,
    labels: Option<Labels>,
}

/// Labels of a body.
enum Labels {
    /// `null`: there are none any more.
    None,
    /// Each, or that it is taken out.
    Patch(BTreeMap<String, Option<String>>),
}

impl Words {
    /// Takes them out of a body's fields.
    pub(super) fn take(fields: &mut Map<String, Value>) -> Result<Self, Refusal> {
        let note = match fields.remove("note") {
            None => None,
            Some(Value::Null) => Some(String::new()),
            Some(Value::String(note)) if note.len() <= NOTE_BYTES_MAX => Some(note),
            Some(_) => {
                return Err(bad(format!(
                    "note: not a text of {NOTE_BYTES_MAX} bytes at most"
                )));
            }
        };
        let labels = match fields.remove("labels") {
            None => None,
            Some(Value::Null) => Some(Labels::None),
            Some(labels) => Some(Labels::Patch(
                serde_json::from_value(labels).map_err(|_| bad("labels: not names with texts"))?,
            )),
        };
        if note.as_deref().is_some_and(holds_secret) {
            return Err(bad("note: there is a key or another secret in it"));
        }
        // What is shown to all who may see keys. The answer does not repeat it.
        if let Some(Labels::Patch(pairs)) = &labels {
            let texts = pairs
                .iter()
                .flat_map(|(name, value)| [Some(name), value.as_ref()]);
            if texts.flatten().any(|text| holds_secret(text)) {
                return Err(bad("labels: there is a key or another secret in them"));
            }
        }
        Ok(Self { note, labels })
    }

    /// What a new document says beside its matter.
    pub(super) fn about(self, who: &Who, now_ms: u64) -> Result<About, Refusal> {
        let mut about = About {
            created: who.did(now_ms),
            changed: None,
            ended: None,
            note: String::new(),
            labels: BTreeMap::new(),
        };
        self.join(&mut about)?;
        Ok(about)
    }

    /// Changes what was said before.
    pub(super) fn change(self, about: &mut About, who: &Who, now_ms: u64) -> Result<(), Refusal> {
        about.changed = Some(who.did(now_ms));
        self.join(about)
    }

    /// A merge patch (RFC 7396), as the rest of the body is.
    fn join(self, about: &mut About) -> Result<(), Refusal> {
        if let Some(note) = self.note {
            about.note = note;
        }
        match self.labels {
            None => return Ok(()),
            Some(Labels::None) => about.labels.clear(),
            Some(Labels::Patch(pairs)) => {
                for (name, value) in pairs {
                    match value {
                        Some(value) => drop(about.labels.insert(name, value)),
                        None => drop(about.labels.remove(&name)),
                    }
                }
            }
        }
        let labels = &about.labels;
        let long = |text: &String| text.is_empty() || text.len() > LABEL_BYTES_MAX;
        if labels.len() > LABELS_MAX || labels.iter().any(|(name, value)| long(name) || long(value))
        {
            return Err(bad(format!(
                "labels: {LABELS_MAX} at most, names and values of 1 to {LABEL_BYTES_MAX} bytes"
            )));
        }
        Ok(())
    }
}

/// An id or a team's name, which stand in logs, metrics and records for good.
pub(super) fn no_secret<'a>(field: &str, name: &'a str) -> Result<&'a str, Refusal> {
    if holds_secret(name) {
        return Err(bad(format!(
            "{field}: there is a key or another secret in it"
        )));
    }
    Ok(name)
}
