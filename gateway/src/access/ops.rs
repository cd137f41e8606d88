//! Making, changing, rotating and revoking keys, and the same for teams.
//!
//! Knows who acts and writes it down before anything changes. Invariants: nothing is kept that the running config could not
//! use; what the config has is changed in the config; nothing changes that is not in the audit log; changes are made one at
//! a time, each of what the one before it left.

mod keys;
mod teams;

use journal::{Event, What};
use ledger::{Doc, Written};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use wire::json::{self, Reason, Reject};

use super::Access;
use super::doc::{About, Done, said};
use crate::config::build::unix_ms;

pub(super) use keys::tell_revocations;

/// Who acts.
#[derive(Clone, Debug)]
pub struct Who {
    /// As the audit log names them.
    pub name: String,
    /// Where they come from.
    pub origin: String,
}

/// Why nothing changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What is asked makes no sense.
    Bad(String),
    /// There is no such thing.
    Missing(&'static str),
    /// Something stands against it.
    Conflict(String),
    /// It could not be kept.
    Unkept(String),
}

/// A change that was made.
#[derive(Debug)]
pub struct Answer {
    /// What it is now about.
    pub body: Value,
    /// The other replicas do not know of it yet.
    pub is_pending: bool,
}

pub(super) fn bad(why: impl Into<String>) -> Refusal {
    Refusal::Bad(why.into())
}

fn conflict(why: impl Into<String>) -> Refusal {
    Refusal::Conflict(why.into())
}

impl Access {
    fn now_ms(&self) -> u64 {
        unix_ms(self.store.now())
    }

    /// Writes down who does what: before it is done, or it is not done.
    fn note(&self, who: &Who, name: &str, told: &str) -> Result<(), Refusal> {
        let event = Event {
            what: What::KeyChange,
            actor: &who.name,
            origin: &who.origin,
            names: &[name],
            detail: told,
            ..Event::default()
        };
        let noted = self.journal.note(&event);
        noted.map(|_| ()).map_err(|_| {
            Refusal::Unkept(
                "it could not be written into the audit log, so nothing changed".to_owned(),
            )
        })
    }

    /// Writes down who does what, keeps a document over revision `rev`, and lets it work. If it cannot be kept, the log says
    /// that too.
    fn put(
        &self,
        who: &Who,
        (kind, id): (&str, &str),
        (rev, text): (u64, &str),
        told: &str,
    ) -> Result<(), Refusal> {
        self.note(who, id, told)?;
        self.keep(kind, id, rev, text).inspect_err(|_| {
            // Whoever asked is told of the failure; the log cannot be told more than this.
            let _ = self.note(who, id, &format!("not kept: {told}"));
        })
    }

    /// Keeps a document over revision `rev`, and lets it work.
    fn keep(&self, kind: &str, id: &str, rev: u64, text: &str) -> Result<(), Refusal> {
        let doc = Doc {
            name: format!("{kind}{id}"),
            rev: rev + 1,
            text: text.to_owned(),
        };
        match self.keyring.write(&doc, rev).map_err(unkept)? {
            Written::Done => {
                self.keyring.take_in(&self.store, vec![doc]);
                Ok(())
            }
            Written::Conflict => Err(conflict(
                "somebody else changed it just now; look, and ask again",
            )),
            Written::Full => Err(conflict("there are as many keys and teams as there may be")),
        }
    }
}

impl Refusal {
    /// Why.
    #[must_use]
    pub fn told(&self) -> &str {
        match self {
            Self::Missing(why) => why,
            Self::Bad(why) | Self::Conflict(why) | Self::Unkept(why) => why,
        }
    }
}

impl Answer {
    fn of(body: Value) -> Self {
        Self {
            body,
            is_pending: false,
        }
    }
}

impl Who {
    pub(super) fn did(&self, at_ms: u64) -> Done {
        Done {
            at_ms,
            by: self.name.clone(),
        }
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => match json::scan(body, &json::Limits::default()) {
            Ok(_) => Ok(fields),
            // Of two with one name, who looks at a request and who obeys it may not mean the same.
            Err(Reject {
                reason: Reason::DuplicateKey,
                at,
            }) => Err(bad(format!("the body has a field twice, at byte {at}"))),
            Err(reject) => Err(bad(format!(
                "the body is not read: {}",
                reject.reason.as_str()
            ))),
        },
        Ok(_) => Err(bad("the body is not a JSON object")),
        Err(error) => Err(bad(format!("the body is not JSON: {error}"))),
    }
}

/// What is changed by a patch: the names of fields, never what is in them.
fn changed<T: Serialize>(what: &str, before: (&T, &About), after: (&T, &About)) -> String {
    let [before, after] = [before, after].map(|(matter, about)| said(matter, about));
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let names: Vec<&str> = after
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(value))
        .map(|(name, _)| name)
        .chain(gone)
        .map(String::as_str)
        .collect();
    match names.is_empty() {
        true => format!("{what} changed: nothing"),
        false => format!("{what} changed: {}", names.join(", ")),
    }
}

/// The config's own shape, which says what is unknown or of a wrong type.
fn typed<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, Refusal> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| bad(error.to_string()))
}

fn unkept(error: anyhow::Error) -> Refusal {
    tracing::error!(error = %format!("{error:#}"), "a change of keys could not be kept");
    Refusal::Unkept(format!("nothing was kept, as far as is known: {error}"))
}

fn strange() -> Refusal {
    conflict("another version of yumen wrote it: this one cannot change it")
}
