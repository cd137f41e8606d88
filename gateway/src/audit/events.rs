//! Events of the gateway as records: configs that come into force or are refused, keys, the admin endpoint.
//!
//! Knows names and fingerprints, never values. Invariants: every reload is one record at least, whatever it came to;
//! failed logins are all counted, at most one record a second. What cannot be written is seen in the journal's state.

use std::sync::{Arc, Mutex, PoisonError};

use journal::clock::Clock;
use journal::{Event, Journal, What};

use crate::config::changes::{Changes, Names};
use crate::config::problem::Problem;
use crate::config::snapshot::Snapshot;
use crate::config::watch::{Reloaded, Witness};

/// Least time between two records of failed logins.
const FAILED_LOGINS_NS: u64 = 1_000_000_000;
/// Names in one record; longer lists become several. As many as an event takes.
const NAMES_MAX: usize = 32;

/// Writes down what every reload came to.
#[must_use]
pub fn reloads(journal: Arc<Journal>) -> Witness {
    Box::new(move |why, reloaded| match reloaded {
        Reloaded::Used { before, after } => used(&journal, why, before, after),
        Reloaded::Refused(problems) => refused(&journal, why, problems),
    })
}

fn used(journal: &Journal, why: &str, before: &Snapshot, after: &Snapshot) {
    let Changes {
        sections,
        keys,
        teams,
    } = after.marks.since(&before.marks);
    if sections.contains(&"audit") {
        tracing::warn!("the settings of `audit` changed: they are read at start only");
    }
    let what = if sections.is_empty() {
        What::Reload
    } else {
        What::ConfigChange
    };
    let detail = format!("version {} by {why}", after.version);
    let base = Event {
        config: &after.fingerprint,
        before: &before.fingerprint,
        ..Event::default()
    };
    note(
        journal,
        &Event {
            what,
            names: &sections,
            detail: &detail,
            ..base
        },
    );
    for (of, names) in [("keys", &keys), ("teams", &teams)] {
        let Names {
            added,
            removed,
            changed,
        } = names;
        for (done, names) in [("added", added), ("removed", removed), ("changed", changed)] {
            for names in names.chunks(NAMES_MAX) {
                note(
                    journal,
                    &Event {
                        what: What::KeyChange,
                        names,
                        detail: &format!("{of} {done}"),
                        ..base
                    },
                );
            }
        }
    }
}

fn refused(journal: &Journal, why: &str, problems: &[Problem]) {
    let first = problems
        .first()
        .map_or_else(String::new, ToString::to_string);
    let detail = format!(
        "refused, by {why}: {} problems, first: {first}",
        problems.len()
    );
    note(
        journal,
        &Event {
            what: What::Reload,
            detail: &detail,
            ..Event::default()
        },
    );
}

fn note(journal: &Journal, event: &Event<'_>) {
    let _ = journal.note(event);
}

/// Who comes to the admin endpoint, as far as it matters.
pub struct Visits {
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    failed: Mutex<Failed>,
}

#[derive(Default)]
struct Failed {
    /// Of the last record; 0 before the first.
    written_ns: u64,
    /// Since then.
    count: u64,
    /// Of the last.
    origin: String,
}

impl Visits {
    /// Nobody came yet.
    #[must_use]
    pub fn new(journal: Arc<Journal>, clock: Arc<dyn Clock>) -> Self {
        Self {
            journal,
            clock,
            failed: Mutex::default(),
        }
    }

    /// Somebody with the right to do it is about to change something.
    pub fn acts(&self, actor: &str, origin: &str, detail: &str) {
        note(
            &self.journal,
            &Event {
                what: What::AdminAccess,
                actor,
                origin,
                detail,
                ..Event::default()
            },
        );
    }

    /// Somebody was turned away.
    pub fn failed(&self, origin: &str) {
        {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.count += 1;
            origin.clone_into(&mut failed.origin);
        }
        self.flush();
    }

    /// Writes down those turned away since the last record, if it is time. To be called every second or so.
    pub fn flush(&self) {
        let (count, origin) = {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            let now_ns = self.clock.mono_ns().max(1);
            let early = failed.written_ns != 0
                && now_ns.saturating_sub(failed.written_ns) < FAILED_LOGINS_NS;
            if failed.count == 0 || early {
                return;
            }
            failed.written_ns = now_ns;
            (
                std::mem::take(&mut failed.count),
                std::mem::take(&mut failed.origin),
            )
        };
        note(
            &self.journal,
            &Event {
                what: What::LoginFailed,
                origin: &origin,
                count: Some(count),
                ..Event::default()
            },
        );
    }
}
