//! Models that providers have: their own lists, asked for at the start and again and again, joined to `models` without a restart.
//!
//! A list that came replaces what was known of a provider, but for models that are missing from it: those leave after
//! [`ABSENT_MAX`] lists in a row without them, since a runtime that loads another model is not gone. A provider that gives no
//! list says nothing of its models; they stay for [`FAILED_MAX`] rounds, so that clients are told of a failure and not of a
//! model that does not exist.
//!
//! Every change takes the road of a reload: a snapshot is built and swapped. Must never send anything of a request, or run on a
//! worker's runtime. Invariants: a round ends; at most `adapters::listing::MODELS_MAX` models of a provider are known, and only
//! of providers that say `discover`.

pub mod list;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::{Event, What};
use wire::Fault;

use crate::config::build::Found;
use crate::tasks;
use crate::upstream::client::Client;
use crate::worker::Shared;

/// Lists in a row without a model, after which it leaves.
const ABSENT_MAX: u32 = 3;
/// Rounds in a row without a list, after which all models of a provider leave.
const FAILED_MAX: u32 = 10;
/// How long the start waits for the first lists.
const FIRST_MAX: Duration = Duration::from_secs(3);
/// How often it is looked whose time has come.
const TICK: Duration = Duration::from_millis(250);
/// Names in one record, as many as an event takes.
const NAMES_MAX: usize = 32;

/// What is known of the lists.
pub struct Discovery {
    shared: Arc<Shared>,
    client: Arc<Client>,
    known: BTreeMap<Box<str>, Known>,
    /// What is known is not in use yet.
    unused: bool,
}

/// What is known of one provider.
#[derive(Debug, Default)]
struct Known {
    /// Models, and in how many lists in a row each was missing.
    models: BTreeMap<Box<str>, u32>,
    failures: u32,
    /// When it was asked last.
    asked: Option<Instant>,
    /// Its entries that no config could name were told of.
    told: bool,
}

type Listed = (Box<str>, Result<adapters::listing::Listing, Fault>);

impl Discovery {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            client: Arc::default(),
            known: BTreeMap::new(),
            unused: false,
        }
    }

    /// The first round, before anything is served: waits for lists, but not long.
    pub async fn first(&mut self) {
        if !self.shared.store.load().discover.is_empty()
            && tokio::time::timeout(FIRST_MAX, self.round()).await.is_err()
        {
            tracing::warn!("not every provider gave its list of models in time; asking again");
            // Those that did are not made to wait for the others.
            self.use_it().await;
        }
    }

    /// Further rounds, for as long as it is polled.
    pub async fn run(mut self) {
        loop {
            tokio::time::sleep(TICK).await;
            self.round().await;
        }
    }

    /// Asks those whose time has come, and uses what they say.
    async fn round(&mut self) {
        let snapshot = self.shared.store.load();
        let wanted = |name: &str| snapshot.discover.iter().any(|(known, _)| **known == *name);
        let before = self.known.len();
        self.known.retain(|name, _| wanted(name));
        self.unused |= self.known.len() != before;
        let mut asking: Vec<Pin<Box<dyn Future<Output = Listed> + Send>>> = Vec::new();
        for (name, every) in &snapshot.discover {
            let known = self.known.entry(name.clone()).or_default();
            if known.asked.is_some_and(|asked| asked.elapsed() < *every) {
                continue;
            }
            if let Some(provider) = snapshot.provider(name) {
                let (client, provider) = (Arc::clone(&self.client), Arc::clone(provider));
                let (name, now_ms) = (name.clone(), self.shared.clock.wall_ms());
                asking.push(Box::pin(async move {
                    (name, list::fetch(&client, &provider, now_ms).await)
                }));
            }
        }
        while let Some((name, listed)) = tasks::next_of(&mut asking).await {
            let changed = self.hear(&name, listed);
            self.unused |= changed;
        }
        self.use_it().await;
    }

    /// Takes in an answer; whether it changes anything.
    fn hear(&mut self, name: &str, listed: Result<adapters::listing::Listing, Fault>) -> bool {
        let Some(known) = self.known.get_mut(name) else {
            return false;
        };
        known.asked = Some(Instant::now());
        let meters = self.shared.metrics.discovery(name);
        let before: BTreeSet<Box<str>> = known.models.keys().cloned().collect();
        match listed {
            Ok(listing) => {
                if listing.left_out > 0 && !std::mem::replace(&mut known.told, true) {
                    let left_out = listing.left_out;
                    tracing::warn!(
                        provider = name,
                        left_out,
                        "models whose names cannot be used, or too many"
                    );
                }
                known.heard(listing.names);
            }
            Err(fault) => {
                meters.failures.inc();
                let reason = fault.why();
                tracing::warn!(
                    provider = name,
                    reason,
                    "the provider gives no list of models"
                );
                known.failed();
            }
        }
        meters
            .models
            .set(i64::try_from(known.models.len()).unwrap_or(i64::MAX));
        let after: BTreeSet<Box<str>> = known.models.keys().cloned().collect();
        let came: Vec<&str> = after.difference(&before).map(|name| &**name).collect();
        let went: Vec<&str> = before.difference(&after).map(|name| &**name).collect();
        for (what, names) in [("came", &came), ("went", &went)] {
            for names in names.chunks(NAMES_MAX) {
                // What cannot be written is seen in the journal's state.
                let _ = self.shared.journal.note(&Event {
                    what: What::Models,
                    names,
                    detail: &format!("{what} at {name}"),
                    ..Event::default()
                });
            }
        }
        !came.is_empty() || !went.is_empty()
    }

    /// Builds a snapshot with what is known now, if that is not in use yet.
    async fn use_it(&mut self) {
        if !std::mem::take(&mut self.unused) {
            return;
        }
        let models = |known: &Known| known.models.keys().cloned().collect();
        let found: Found = self
            .known
            .iter()
            .map(|(name, known)| (name.clone(), models(known)))
            .collect();
        let count: usize = found
            .values()
            .map(|models: &BTreeSet<_>| models.len())
            .sum();
        let store = Arc::clone(&self.shared.store);
        match tokio::task::spawn_blocking(move || store.rediscovered(found)).await {
            Ok(Ok(())) => tracing::info!(models = count, "models of providers are in use"),
            Ok(Err(problems)) => {
                for problem in problems {
                    tracing::error!(%problem, "models of providers cannot be used yet");
                }
            }
            Err(_) => {
                tracing::error!("building with other models panicked; the running config stays")
            }
        }
    }
}

impl Known {
    fn heard(&mut self, names: Vec<String>) {
        self.failures = 0;
        let listed: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        for (name, absent) in &mut self.models {
            let is_there = listed.contains(&**name);
            *absent = if is_there { 0 } else { *absent + 1 };
        }
        self.models.retain(|_, absent| *absent < ABSENT_MAX);
        for name in names {
            if self.models.len() < adapters::listing::MODELS_MAX {
                self.models.entry(name.into()).or_insert(0);
            }
        }
    }

    fn failed(&mut self) {
        self.failures += 1;
        if self.failures >= FAILED_MAX {
            self.models.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(known: &Known) -> Vec<&str> {
        known.models.keys().map(|name| &**name).collect()
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_model_leaves_after_some_lists_without_it() {
        let mut known = Known::default();
        known.heard(list(&["a", "b"]));
        for _ in 1..ABSENT_MAX {
            known.heard(list(&["b"]));
            assert_eq!(names(&known), ["a", "b"]);
        }
        // It is back: it counts from the beginning.
        known.heard(list(&["a", "b"]));
        for _ in 1..ABSENT_MAX {
            known.heard(list(&["b"]));
        }
        assert_eq!(names(&known), ["a", "b"]);
        known.heard(list(&["b", "c"]));
        assert_eq!(names(&known), ["b", "c"]);
    }

    #[test]
    fn a_provider_that_fails_keeps_its_models_for_a_while() {
        let mut known = Known::default();
        known.heard(list(&["a"]));
        for _ in 1..FAILED_MAX {
            known.failed();
        }
        assert_eq!(names(&known), ["a"]);
        known.heard(list(&["a"]));
        for _ in 0..FAILED_MAX {
            known.failed();
        }
        assert!(names(&known).is_empty());
    }
}
