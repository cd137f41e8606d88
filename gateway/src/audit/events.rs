//! Events of the gateway as records: configs that come into force or are refused, keys, the admin endpoint.
//!
//! Knows names and fingerprints, never values. Invariants: every reload is one record at least, whatever it came to;
//! failed logins and refusals for want of a role are all counted, at most one record a second of each. What cannot be written is seen in the journal's state.

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
    if sections.contains(&"audit") && !only_payloads(before, after) {
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

/// Whether what changed of `audit` is what a reload does change: what is kept. (A secret that changed shows in its section's
/// digest only.)
fn only_payloads(before: &Snapshot, after: &Snapshot) -> bool {
    let kept = |snapshot: &Snapshot| (snapshot.audit.payload, snapshot.audit.fingerprint);
    let rest = |snapshot: &Snapshot| format!("{:?}", snapshot.audit.at_start());
    kept(before) != kept(after) && rest(before) == rest(after)
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
    /// Nobody knows them.
    strangers: Mutex<Failed>,
    /// They are known, and have not the role.
    denied: Mutex<Failed>,
}

#[derive(Default)]
struct Failed {
    /// Of the last record; 0 before the first.
    written_ns: u64,
    /// Since then.
    count: u64,
    last: Attempt,
}

/// What somebody tried in vain.
#[derive(Default)]
pub struct Attempt {
    /// Who, if it is known.
    pub actor: String,
    /// Where they come from.
    pub origin: String,
    /// What it is about, if that has a name.
    pub name: String,
    /// What they wanted to do.
    pub detail: String,
}

impl Visits {
    /// Nobody came yet.
    #[must_use]
    pub fn new(journal: Arc<Journal>, clock: Arc<dyn Clock>) -> Self {
        Self {
            journal,
            clock,
            strangers: Mutex::default(),
            denied: Mutex::default(),
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
        let attempt = Attempt {
            origin: origin.to_owned(),
            ..Attempt::default()
        };
        self.count(&self.strangers, attempt);
    }

    /// Somebody wanted what needs a role that they have not.
    pub fn denied(&self, attempt: Attempt) {
        self.count(&self.denied, attempt);
    }

    fn count(&self, kind: &Mutex<Failed>, attempt: Attempt) {
        {
            let mut failed = kind.lock().unwrap_or_else(PoisonError::into_inner);
            failed.count += 1;
            failed.last = attempt;
        }
        self.flush();
    }

    /// Writes down those turned away since the last record, if it is time. To be called every second or so.
    pub fn flush(&self) {
        for kind in [&self.strangers, &self.denied] {
            let (count, last) = {
                let mut failed = kind.lock().unwrap_or_else(PoisonError::into_inner);
                let now_ns = self.clock.mono_ns().max(1);
                let early = failed.written_ns != 0
                    && now_ns.saturating_sub(failed.written_ns) < FAILED_LOGINS_NS;
                if failed.count == 0 || early {
                    continue;
                }
                failed.written_ns = now_ns;
                let failed = &mut *failed;
                (
                    std::mem::take(&mut failed.count),
                    std::mem::take(&mut failed.last),
                )
            };
            let names = [&*last.name];
            let event = Event {
                what: What::LoginFailed,
                actor: &last.actor,
                origin: &last.origin,
                names: names
                    .get(usize::from(last.name.is_empty())..)
                    .unwrap_or_default(),
                count: Some(count),
                detail: &last.detail,
                ..Event::default()
            };
            note(&self.journal, &event);
        }
    }
}
