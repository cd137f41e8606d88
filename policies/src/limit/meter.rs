//! Limits by name, and what was taken of them: the ledger of one process.
//!
//! A [`Meter`] is one limit of one key, team, model or provider, resolved when a config loads; taking needs no look-up.
//! [`Meters`] is the book of all of them, and a [`Hold`] what one request has taken.
//!
//! Must never know HTTP, a config's shape or Redis; reads no clock.
//! Invariants: a meter's name is unique in the process and the same on all replicas; what was used before the process began
//! counts until something is taken; crossing a soft threshold is told once a period.

mod book;
mod hold;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::level::{Before, Level, Now, Standing, Window};

pub use book::{Meters, Purse};
pub use hold::{Charge, Charges, Crossings, Hold, Limited, Need, Reserved, Used, growth, reserve};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Requests, when they come.
    Requests,
    /// Tokens of prompt and reply.
    Tokens,
    /// Money, in billionths of a currency's unit.
    Cost,
    /// Requests that run.
    Concurrent,
    /// Streams that run.
    Streams,
}

impl Unit {
    /// Its name in errors and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Cost => "cost",
            Self::Concurrent => "concurrent",
            Self::Streams => "streams",
        }
    }
}

/// Whose limit it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A key.
    Key(Box<str>),
    /// A user.
    User(Box<str>),
    /// A team, at any level of the tree.
    Team(Box<str>),
    /// A model, as applications name it.
    Model(Box<str>),
    /// A provider: what the vendor allows us.
    Provider(Box<str>),
}

impl Owner {
    /// `key`, `user`, `team`, `model` or `provider`.
    #[must_use]
    pub fn level(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::User(_) => "user",
            Self::Team(_) => "team",
            Self::Model(_) => "model",
            Self::Provider(_) => "provider",
        }
    }

    /// Its name in the config.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Key(name)
            | Self::User(name)
            | Self::Team(name)
            | Self::Model(name)
            | Self::Provider(name) => name,
        }
    }
}

/// What becomes of requests while the shared store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnOutage {
    /// They are refused.
    Refuse,
    /// Each replica counts for itself, with its share of the limit.
    #[default]
    Local,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// What it counts.
    pub unit: Unit,
    /// Over what time.
    pub window: Window,
    /// How much; 1 to `AMOUNT_MAX`.
    pub amount: u64,
    /// Warn from here on.
    pub soft: Option<u64>,
    /// What an outage of the shared store means.
    pub on_outage: OnOutage,
    /// Seconds east of UTC of the calendar.
    pub zone_s: i32,
}

/// A limit of somebody, with how full it is. Shared by everything that it counts.
pub struct Meter {
    /// Whose.
    pub owner: Owner,
    /// What it allows.
    pub limit: Limit,
    name: Box<str>,
    /// Locks are taken in this order.
    serial: u64,
    /// Shared with the meter that a reload puts in this one's place.
    state: Arc<Mutex<State>>,
}

struct State {
    level: Level,
    /// Of a rolling limit: what it was restored from, until something is taken.
    restored: Option<Box<Restored>>,
    /// Reserved in this process for requests that run.
    pending: u64,
    /// The period in which crossing the soft threshold was told.
    warned_ms: Option<i64>,
}

/// What was used before this process began. How full that makes a rolling limit depends on its amount, which for a user is
/// known only once their team is.
struct Restored {
    before: Box<[Before]>,
    /// When the process began.
    at: Now,
}

impl State {
    /// It is asked about by this limit: what was used before this process began is so much of that. Begins a new period if
    /// the old one is over.
    fn ask(&mut self, limit: &Limit, now: Now) {
        if let Some(Restored { before, at }) = self.restored.as_deref() {
            let before = before.iter().copied();
            self.level = Level::after(limit.window, limit.zone_s, limit.amount, before, *at);
        }
        self.level.roll(limit.window, limit.zone_s, now.wall_ms);
    }

    /// Counts `amount` of a limit that may be a replica's share.
    fn take(&mut self, window: Window, of: u64, amount: u64, now: Now) {
        self.restored = None;
        self.level.take(window, of, amount, now);
    }

    /// What a period has cost without what is reserved for requests that run; `None` if it is no period.
    fn spent(&self) -> Option<u64> {
        match self.level {
            Level::Calendar { spent, .. } => Some(spent.saturating_sub(self.pending)),
            Level::Rolling { .. } | Level::Held { .. } => None,
        }
    }

    /// Where the limit stands without what is reserved, if that is the first in the period `of` to be over the soft
    /// threshold; told once to each process.
    fn crosses(&mut self, limit: &Limit, all: Standing, of: i64) -> Option<Standing> {
        let soft = limit.soft?.min(all.limit);
        let used = all.limit.saturating_sub(all.remaining);
        let spent = self
            .spent()
            .unwrap_or(0)
            .max(used.saturating_sub(self.pending));
        let crosses = spent >= soft && self.warned_ms.replace(of) != Some(of);
        crosses.then_some(Standing {
            remaining: all.limit.saturating_sub(spent),
            ..all
        })
    }

    /// Whether it stands as one that was never used, whatever its amount.
    fn is_idle(&self, window: Window, now: Now) -> bool {
        let counts = |restored: &Restored| match window {
            Window::Rolling(ns) => now.mono_ns.saturating_sub(restored.at.mono_ns) < ns,
            Window::Calendar(_) | Window::Held => false,
        };
        self.level.is_idle(now) && !self.restored.as_deref().is_some_and(counts)
    }
}

impl Limit {
    fn share(&self, share: NonZeroU32) -> u64 {
        (self.amount / u64::from(share.get())).max(1)
    }
}

impl Meter {
    /// In the place of `old`, if there is one: with what was used of that, and its place in the order of locks.
    fn made(owner: Owner, limit: Limit, name: Box<str>, old: Option<&Self>, serial: u64) -> Self {
        let fresh = || {
            Arc::new(Mutex::new(State {
                level: Level::fresh(limit.window),
                restored: None,
                pending: 0,
                warned_ms: None,
            }))
        };
        Self {
            owner,
            limit,
            name,
            serial: old.map_or(serial, |old| old.serial),
            state: old.map_or_else(fresh, |old| Arc::clone(&old.state)),
        }
    }

    /// Its name: level, owner, unit and window; unique in the process and the same on all replicas.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands.
    #[must_use]
    pub fn standing(&self, now: Now) -> Standing {
        let mut state = self.lock();
        state.ask(&self.limit, now);
        self.of(&state, self.limit.amount, now)
    }

    /// Where it stands without what this process has reserved, if that is the first in the period `of` to be over the soft
    /// threshold; told once to each process. `all`: where the store says that it stands.
    pub fn crosses(&self, all: Standing, of: i64) -> Option<Standing> {
        self.limit.soft?;
        self.lock().crosses(&self.limit, all, of)
    }

    /// Whether so much would fit if this process had reserved nothing. `all`: where the store says that it stands.
    #[must_use]
    pub fn is_held(&self, all: Standing, amount: u64) -> bool {
        let Window::Calendar(_) = self.limit.window else {
            return false;
        };
        let used = all.limit.saturating_sub(all.remaining);
        let spent = used.saturating_sub(self.lock().pending);
        spent.saturating_add(amount) <= all.limit
    }

    /// A shared store reserved so much.
    pub fn pend(&self, amount: u64) {
        let mut state = self.lock();
        state.pending = state.pending.saturating_add(amount);
    }

    /// A shared store settles what it reserved.
    pub fn unpend(&self, amount: u64) {
        let mut state = self.lock();
        state.pending = state.pending.saturating_sub(amount);
    }

    /// What is spent and reserved of a limit of the calendar, which may be more than the limit; 0 of another.
    #[must_use]
    pub fn spent(&self, now: Now) -> u64 {
        let mut state = self.lock();
        let Limit { window, zone_s, .. } = self.limit;
        state.level.roll(window, zone_s, now.wall_ms);
        match state.level {
            Level::Calendar { spent, .. } => spent,
            Level::Rolling { .. } | Level::Held { .. } => 0,
        }
    }

    /// Whether it stands as one that was never used.
    fn is_idle(&self, now: Now) -> bool {
        self.lock().is_idle(self.limit.window, now)
    }

    /// Counts what was used before this process began, oldest first, in place of whatever is counted now. Of a
    /// rolling limit that turns out to be another one before anything is taken, it is as much of that.
    pub fn restore(&self, before: impl IntoIterator<Item = Before>, now: Now) {
        let Limit {
            window,
            zone_s,
            amount,
            ..
        } = self.limit;
        let mut state = self.lock();
        let Window::Rolling(window_ns) = window else {
            state.level = Level::after(window, zone_s, amount, before, now);
            return;
        };
        let window_ms = i64::try_from(window_ns / 1_000_000).unwrap_or(i64::MAX);
        let begin_ms = now.wall_ms.saturating_sub(window_ms);
        // What is older was given back, and is not to be remembered for everybody.
        let before = before
            .into_iter()
            .filter(|used| used.amount > 0 && used.to_ms > begin_ms);
        let before: Box<[Before]> = before.collect();
        state.restored = (!before.is_empty()).then(|| Box::new(Restored { before, at: now }));
        state.level = Level::fresh(window);
    }

    /// Counts `amount`, whether it fits or not: what cannot be refused any more.
    pub fn count(&self, amount: u64, now: Now) {
        let mut state = self.lock();
        state.ask(&self.limit, now);
        state.take(self.limit.window, self.limit.amount, amount, now);
    }

    fn of(&self, state: &State, amount: u64, now: Now) -> Standing {
        state.level.standing(self.limit.window, amount, now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meter({}, {})", self.name, self.limit.amount)
    }
}

#[cfg(test)]
mod tests;
