//! How another config takes the running one's place.
//!
//! Invariants: everything that can fail fails before the swap; who holds the lock of what is watched reloads alone; a
//! snapshot that was replaced is taken apart by whoever reloads, never by a worker that serves.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use super::{ConfigStore, Reloaded, Report};
use crate::config::apart::apart;
use crate::config::build::{Built, Found, Ground, build, unix_ms};
use crate::config::files::Watched;
use crate::config::load::{Loaded, load_again};
use crate::config::problem::{Place, Problem, Severity};
use crate::config::snapshot::Snapshot;
use crate::identity;

impl ConfigStore {
    /// Loads the file again and swaps. Blocks for as long as reading and checking takes: milliseconds.
    ///
    /// # Errors
    /// Everything wrong; the running config stays.
    pub fn reload(&self, why: &'static str) -> Result<Report, Vec<Problem>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        self.reload_locked(why, &mut watched)
    }

    pub(super) fn reload_locked(
        &self,
        why: &'static str,
        watched: &mut Watched,
    ) -> Result<Report, Vec<Problem>> {
        let now = SystemTime::now();
        let before = self.load();
        let outcome = apart(
            || load_again(&self.path, &*self.env),
            |loaded| Ok((kept(loaded), self.make(loaded, &before, now)?)),
        );
        match outcome {
            Ok((kept, built)) => {
                self.loaded.store(kept);
                *watched = Watched::of(&self.path, built.files, built.digest);
                let after = Arc::new(built.snapshot);
                let keys_stopped = self.swap(&before, &after, now);
                let people = identity::reloaded(
                    before.identity.as_ref(),
                    after.identity.as_ref(),
                    self.moment(),
                );
                let keys_stopped = keys_stopped + people;
                let mut warnings = built.warnings;
                warnings.extend(self.bared(&before, &after));
                let report = Report {
                    version: after.version,
                    keys_stopped,
                    needs_restart: needs_restart(&before, &after),
                    warnings,
                };
                self.tell(
                    why,
                    &Reloaded::Used {
                        before: &before,
                        after: &after,
                    },
                );
                drop(after);
                self.retire(before);
                self.books.prune(self.moment());
                self.succeeded(now);
                self.counters.reloads.fetch_add(1, Ordering::Relaxed);
                Ok(report)
            }
            Err(problems) => {
                // What was refused is not tried again until it changes.
                watched.refused();
                self.counters.failures.fetch_add(1, Ordering::Relaxed);
                self.tell(why, &Reloaded::Refused(&problems));
                Err(problems)
            }
        }
    }

    /// That the data endpoint had TLS and now has none: nothing else of a reload sends keys and prompts in the clear.
    fn bared(&self, before: &Snapshot, after: &Snapshot) -> Option<Problem> {
        (before.tls.is_some() && after.tls.is_none()).then(|| Problem {
            severity: Severity::Warning,
            file: self.path.display().to_string(),
            place: Place::default(),
            path: "tls".into(),
            message: "was there and is gone: new connections are plain http, keys and prompts travel unencrypted".into(),
            suggestion: None,
        })
    }

    /// Puts `after` in the place of `before`, with the dynamic keys as it understands them. Returns how many keys ended.
    fn swap(&self, before: &Snapshot, after: &Arc<Snapshot>, now: SystemTime) -> usize {
        // Held over the swap: a key that is revoked meanwhile must not come back with the new table.
        let mut hold = self.keyring.get().map(|keyring| keyring.hold());
        if let Some(hold) = &mut hold {
            let dynamic = before.keys.dynamic();
            hold.dress(after, &dynamic, self.grounds(), unix_ms(now));
        }
        self.current.store(Arc::clone(after));
        after.keys.stop_what_lost(&before.keys)
    }

    fn make(
        &self,
        loaded: &Loaded,
        before: &Snapshot,
        now: SystemTime,
    ) -> Result<Built, Vec<Problem>> {
        let found = self
            .found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let built = build(
            loaded,
            &Ground {
                book: &*self.book,
                books: &self.books,
                before: Some(before),
                now,
                found: Some(&found),
            },
        )?;
        if let Some(prepare) = &self.prepare {
            prepare(&built.snapshot)?;
        }
        Ok(built)
    }

    /// Builds the running config once more, with other models found. The file is not read: what is in it now may not be at rest.
    ///
    /// # Errors
    /// A certificate that cannot be read any more, say; the running snapshot stays, and what was found is used by the next.
    pub fn rediscovered(&self, found: Found) -> Result<(), Vec<Problem>> {
        // Not beside a reload.
        let _watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        let (before, now) = (self.load(), SystemTime::now());
        let Some(loaded) = self.loaded.load_full() else {
            return Ok(());
        };
        let built = self.make(&loaded, &before, now)?;
        self.swap(&before, &Arc::new(built.snapshot), now);
        self.retire(before);
        self.books.prune(self.moment());
        Ok(())
    }

    /// Keeps a snapshot that has had its time until nobody uses it: the last stream of it, on a worker, would take apart all
    /// its keys while others wait.
    fn retire(&self, before: Arc<Snapshot>) {
        let mut old = self.old.lock().unwrap_or_else(PoisonError::into_inner);
        old.push(before);
        drop(old);
        self.bury();
    }

    /// Takes apart what is not used any more.
    pub(super) fn bury(&self) {
        let mut old = self.old.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = |snapshot: &mut Arc<Snapshot>| Arc::strong_count(snapshot) == 1;
        let gone: Vec<_> = old.extract_if(.., unused).collect();
        drop(old);
        drop(gone);
    }
}

/// What is kept to build the running config once more: nothing, unless some provider is asked for its models.
pub(super) fn kept(loaded: &Arc<Loaded>) -> Option<Arc<Loaded>> {
    let mut providers = loaded.config.providers.values();
    let discovers = providers.any(|provider| provider.discover);
    discovers.then(|| Arc::clone(loaded))
}

/// Logs what a reload came to, a line per problem.
pub fn log(why: &'static str, outcome: &Result<Report, Vec<Problem>>) {
    match outcome {
        Ok(report) => {
            for problem in &report.warnings {
                tracing::warn!(%problem, "config warning");
            }
            if !report.needs_restart.is_empty() {
                let settings = report.needs_restart.join(", ");
                tracing::warn!(settings, "changed settings are read at start only");
            }
            tracing::info!(
                why,
                version = report.version,
                keys_stopped = report.keys_stopped,
                "config reloaded"
            );
        }
        Err(problems) => {
            for problem in problems {
                tracing::error!(why, %problem, "config refused; the running one stays");
            }
        }
    }
}

/// Settings read at start only that differ.
fn needs_restart(before: &Snapshot, after: &Snapshot) -> Vec<&'static str> {
    type Get = fn(&Snapshot) -> String;
    let differ = |get: Get| get(before) != get(after);
    let rows: [(&'static str, Get); 6] = [
        ("listen", |s| s.listen.to_string()),
        ("admin.listen", |s| s.admin.listen.to_string()),
        ("audit", |s| format!("{:?}", s.audit.at_start())),
        ("runtime", |s| format!("{:?}", s.runtime)),
        ("state", |s| s.state.mark.to_string()),
        ("log", |s| format!("{:?}", s.log)),
    ];
    let changed = rows.into_iter().filter(|(_, get)| differ(*get));
    changed.map(|(name, _)| name).collect()
}
