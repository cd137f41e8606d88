//! What of an identity provider outlives a config: its keys, who was seen lately, and how much each user has used.
//!
//! Invariants: of an issuer's keys one fetch runs at a time, and requests set one off at most every [`ASKED_EVERY`]; what is
//! remembered is bounded; a user's limits are found by name, so that a fresh token resets nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use policies::access::token::Digest;
use policies::limit::level::Now;
use policies::limit::meter::{Limit, Meter, Meters, Owner};
use tokio::sync::{Notify, watch};

use super::jwt::Keys;
use super::{Names, Session, Source, Wanted};
use crate::recent::Recent;

/// Tokens that are remembered, in each of two generations: about 300 bytes each.
const TOKENS_MAX: usize = 32_768;
/// Users whose limits are remembered, in each of two generations.
const USERS_MAX: usize = 50_000;
/// An unknown key sets off a fetch no more often (T-44).
const ASKED_EVERY: Duration = Duration::from_secs(30);
/// The longest that a request waits for keys.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// No keys were ever fetched.
pub(super) const NO_KEYS: &str = "no_keys";
/// Keys are too old to be believed.
pub(super) const STALE_KEYS: &str = "stale_keys";
/// No key of this name is among those that were fetched since one was last asked for.
const UNKNOWN_KEY: &str = "unknown_key";
/// No key of this name is here, and a fetch failed since, or is still to come.
pub const UNFETCHED_KEY: &str = "unfetched_key";

/// Whether a reason of [`Miss::Denied`] says something of the token. That we have no keys, or have fetched none since one was
/// missed, does not: while the provider cannot be reached, good tokens are denied too.
#[must_use]
pub fn is_judgement(why: &str) -> bool {
    ![NO_KEYS, STALE_KEYS, UNFETCHED_KEY].contains(&why)
}

/// What of an issuer is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its keys are.
    pub source: Source,
    /// Tells one setting of TLS from another.
    pub tls_mark: Digest,
    /// What a token must say.
    pub wanted: Wanted,
    /// Which claims say what.
    pub names: Names,
    /// How often its keys are fetched.
    pub refresh: Duration,
    /// How old they may be.
    pub stale: Duration,
}

impl Settings {
    /// Whether the same keys are at the same place.
    fn same_source(&self, other: &Self) -> bool {
        self.source.issuer == other.source.issuer
            && self.source.jwks_url == other.source.jwks_url
            && self.tls_mark == other.tls_mark
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        self.same_source(other)
            && self.wanted == other.wanted
            && self.names == other.names
            && self.refresh == other.refresh
            && self.stale == other.stale
    }
}

/// A set of keys and when its fetch began.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) keys: Keys,
    pub(super) fetched_ns: u64,
}

/// An issuer of tokens.
#[derive(Debug)]
pub struct Issuer {
    pub(super) settings: Settings,
    pub(super) keys: ArcSwapOption<Held>,
    pub(super) sessions: Mutex<Recent<Digest, Arc<Session>>>,
    pub(super) users: Mutex<Recent<Box<str>, Vec<Arc<Meter>>>>,
    /// A fetch is wanted or running.
    pub(super) pending: AtomicBool,
    pub(super) wanted: Notify,
    /// When a request last set off a fetch, monotonic; 0: never. Held while it is decided whether one does.
    pub(super) asked_ns: Mutex<u64>,
    /// Fetches that came to an end.
    pub(super) attempts: watch::Sender<u64>,
}

/// Why there is no session.
#[derive(Debug)]
pub enum Miss {
    /// For our own log and journal only.
    Denied(&'static str),
    /// Nobody knows the key yet: worth one wait.
    Unknown(Waiting),
}

/// A wait for the end of a fetch.
#[derive(Debug)]
pub struct Waiting {
    issuer: Arc<Issuer>,
    seen: u64,
}

impl Waiting {
    /// Waits, but not long.
    pub async fn over(self) {
        let mut attempts = self.issuer.attempts.subscribe();
        let more = attempts.wait_for(|count| *count > self.seen);
        let _ = tokio::time::timeout(WAIT_MAX, more).await;
    }
}

impl Issuer {
    pub(super) fn new(settings: Settings, before: Option<&Self>) -> Self {
        let before = before.filter(|before| before.settings.same_source(&settings));
        let keys = before.and_then(|before| before.keys.load_full());
        Self {
            settings,
            keys: ArcSwapOption::new(keys),
            sessions: Mutex::new(Recent::new(TOKENS_MAX)),
            users: Mutex::new(Recent::new(USERS_MAX)),
            pending: AtomicBool::new(true),
            wanted: Notify::new(),
            asked_ns: Mutex::new(0),
            attempts: watch::Sender::new(0),
        }
    }

    pub(super) fn sessions(&self) -> MutexGuard<'_, Recent<Digest, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a fetch, if one may be asked for, or joins the one that is to come. `looked_in`: where the key was not.
    pub(super) fn ask(self: &Arc<Self>, now: Now, looked_in: Option<&Arc<Held>>) -> Miss {
        let mut seen = *self.attempts.borrow();
        // Who comes a moment later must find that a fetch is wanted, and not only that it was asked for.
        let mut asked_ns = self.asked_ns.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.pending.load(Ordering::Acquire) {
            let now_ns = now.mono_ns.max(1);
            let due = *asked_ns == 0 || now_ns.saturating_sub(*asked_ns) >= nanos(ASKED_EVERY);
            let there = self.keys.load_full();
            if there.as_ref().map(Arc::as_ptr) != looked_in.map(Arc::as_ptr) {
                // A fetch ended since: it is to be looked in that, and nothing to be waited for.
                seen = seen.saturating_sub(1);
            } else if due {
                *asked_ns = now_ns;
                self.pending.store(true, Ordering::Release);
                self.wanted.notify_one();
            } else {
                let fetched = there.is_some_and(|held| held.fetched_ns >= *asked_ns);
                return Miss::Denied(match looked_in {
                    None => NO_KEYS,
                    Some(_) if fetched => UNKNOWN_KEY,
                    Some(_) => UNFETCHED_KEY,
                });
            }
        }
        drop(asked_ns);
        Miss::Unknown(Waiting {
            issuer: Arc::clone(self),
            seen,
        })
    }

    /// The meters of a user's own limits.
    pub(super) fn meters(
        &self,
        user: &str,
        limits: &[Limit],
        all: &Meters,
        now: Now,
    ) -> Vec<Arc<Meter>> {
        if limits.is_empty() {
            return Vec::new();
        }
        let owner = Owner::User(user.into());
        let made = limits.iter().map(|limit| all.meter(owner.clone(), *limit));
        let made: Vec<Arc<Meter>> = made.collect();
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = made.clone();
        // Limits of another team of the same user are remembered too.
        if let Some(before) = users.get(&user.into(), |_| false) {
            let others = before
                .iter()
                .filter(|old| made.iter().all(|new| new.name() != old.name()));
            kept.extend(others.cloned());
        }
        let forgot = users.put(user.into(), kept, |_| false);
        drop(users);
        if forgot {
            all.prune(now);
        }
        made
    }

    /// Takes another set of keys. Tokens of keys that are gone are no longer good, and what runs with them ends, unless
    /// their time was over anyway. Returns how many were stopped.
    pub(super) fn take(&self, keys: Keys, now: Now) -> usize {
        let now_ms = u64::try_from(now.wall_ms).unwrap_or(0);
        let held = Arc::new(Held {
            keys,
            fetched_ns: now.mono_ns,
        });
        self.keys.store(Some(Arc::clone(&held)));
        let mut stopped = 0;
        self.sessions().retain(|session| {
            let good = held.keys.holds(&session.key);
            if !good && now_ms < session.person.expires_ms {
                stopped += usize::from(session.stop_unless(None));
            }
            good
        });
        stopped
    }
}

pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
