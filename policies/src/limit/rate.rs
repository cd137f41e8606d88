//! Requests per minute and requests at once, per key and per team, in this process.
//!
//! Knows no key's permissions and reads no clock: `now_ns` is nanoseconds on any clock that never goes back, chosen by the
//! caller and the same for all calls.
//!
//! **Rate.** One atomic word per limit (the generic cell rate algorithm): the theoretical arrival time of the next
//! request. The burst is one minute's worth, so `rpm: 600` lets 600 requests in at once, then one each 100 ms; in the
//! long run exactly 600 a minute, and never more than 600 + 600 × t in the first t minutes. A burst smaller than that
//! would refuse a client which the limit, as written, allows.
//!
//! **Invariants.** A request refused by one limit is charged to none. Limits live in [`Rates`], outside the config
//! snapshot and by name: a reload keeps what was used, and a changed quota starts from what the old one had used.
//! No lock and no allocation on the request path.
//!
//! `governor` does the same arithmetic, but it cannot give a request back, which charging key and team together needs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const MINUTE_NS: u64 = 60_000_000_000;
/// Most requests per minute that a quota may name; beyond it the arithmetic has no meaning left.
pub const RPM_MAX: u32 = 60_000_000;
/// What a client that runs into a `concurrent` limit is told to wait: nobody knows when a slot frees.
pub const CONCURRENT_RETRY_NS: u64 = 1_000_000_000;

/// Where a principal stands after one limit was asked, for `x-ratelimit-*` and `retry-after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Requests per minute allowed.
    pub limit: u32,
    /// How many could be made at once right now.
    pub remaining: u32,
    /// Nanoseconds until `remaining` is `limit` again.
    pub reset_ns: u64,
}

/// One requests-per-minute limit. Shared by all requests that it counts.
#[derive(Debug)]
pub struct Rate {
    rpm: u32,
    interval_ns: u64,
    /// Theoretical arrival time of the next request, in the caller's nanoseconds.
    tat_ns: AtomicU64,
}

impl Rate {
    /// A fresh limit of `rpm` requests per minute (1..=[`RPM_MAX`]; others are clamped).
    #[must_use]
    pub fn new(rpm: u32) -> Self {
        Self::resumed(rpm, 0)
    }

    fn resumed(rpm: u32, tat_ns: u64) -> Self {
        let rpm = rpm.clamp(1, RPM_MAX);
        Self {
            rpm,
            // Rounded up: never a request too many.
            interval_ns: MINUTE_NS.div_ceil(u64::from(rpm)),
            tat_ns: AtomicU64::new(tat_ns),
        }
    }

    /// Requests per minute.
    #[must_use]
    pub fn rpm(&self) -> u32 {
        self.rpm
    }

    fn window_ns(&self) -> u64 {
        self.interval_ns.saturating_mul(u64::from(self.rpm))
    }

    /// Counts one request at `now_ns`.
    ///
    /// # Errors
    /// Nanoseconds until a request would pass; nothing was counted.
    pub fn take(&self, now_ns: u64) -> Result<Standing, u64> {
        let mut tat = self.tat_ns.load(Ordering::Relaxed);
        loop {
            let next = tat.max(now_ns).saturating_add(self.interval_ns);
            let ahead = next.saturating_sub(now_ns);
            if ahead > self.window_ns() {
                return Err(ahead.saturating_sub(self.window_ns()));
            }
            // Relaxed: the word guards nothing but itself.
            match self
                .tat_ns
                .compare_exchange_weak(tat, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Ok(self.standing(next, now_ns)),
                Err(seen) => tat = seen,
            }
        }
    }

    /// Undoes a [`take`](Self::take) of this very moment, because another limit refused the request.
    fn give_back(&self) {
        let _ = self
            .tat_ns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tat| {
                Some(tat.saturating_sub(self.interval_ns))
            });
    }

    /// Where this limit stands, without counting anything.
    #[must_use]
    pub fn look(&self, now_ns: u64) -> Standing {
        self.standing(self.tat_ns.load(Ordering::Relaxed), now_ns)
    }

    fn standing(&self, tat_ns: u64, now_ns: u64) -> Standing {
        let ahead = tat_ns.saturating_sub(now_ns);
        let free = self.window_ns().saturating_sub(ahead) / self.interval_ns;
        Standing {
            limit: self.rpm,
            remaining: u32::try_from(free).unwrap_or(self.rpm),
            reset_ns: ahead,
        }
    }
}

/// A limit on requests at once.
#[derive(Debug)]
pub struct Slots {
    limit: u32,
    /// Shared with the limit that a reload puts in this one's place, so that running requests stay counted.
    used: Arc<AtomicU32>,
}

impl Slots {
    /// A limit of `limit` requests at once.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            limit,
            used: Arc::default(),
        }
    }

    /// Requests at once.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// How many run now.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes a slot until the permit is dropped; `None` if all are taken.
    #[must_use]
    pub fn enter(&self) -> Option<Permit> {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                (used < self.limit).then(|| used.saturating_add(1))
            })
            .ok()
            .map(|_| Permit(Arc::clone(&self.used)))
    }
}

/// A slot taken; dropping it frees the slot.
#[derive(Debug)]
pub struct Permit(Arc<AtomicU32>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The limits of one key or team, resolved when a config loads.
#[derive(Clone, Debug, Default)]
pub struct Quota {
    /// Requests per minute.
    pub rate: Option<Arc<Rate>>,
    /// Requests at once.
    pub slots: Option<Arc<Slots>>,
}

/// Whose limit it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The key's own.
    Key,
    /// That of the key's team.
    Team,
}

/// Which limit it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Requests per minute.
    Rate,
    /// Requests at once.
    Concurrent,
}

/// A request that no limit refused. Holds its slots until dropped: keep it for as long as the request runs.
#[derive(Debug)]
pub struct Admission {
    /// The tightest of the rates that were asked, for `x-ratelimit-*`; `None` if there is no rate.
    pub standing: Option<Standing>,
    _permits: [Option<Permit>; 2],
}

/// A request that a limit refused. Nothing was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Whose.
    pub scope: Scope,
    /// Which.
    pub limit: Limit,
    /// Nanoseconds until it would pass, for `retry-after`; a guess for [`Limit::Concurrent`].
    pub retry_ns: u64,
    /// The standing of the rate that refused, or of the scope's rate if it has one.
    pub standing: Option<Standing>,
}

/// Asks a key's and its team's limits, all or nothing.
///
/// # Errors
/// The first limit that refused.
pub fn admit(key: &Quota, team: &Quota, now_ns: u64) -> Result<Admission, Limited> {
    let scopes = [(Scope::Key, key), (Scope::Team, team)];
    let mut permits = [None, None];
    for (permit, (scope, quota)) in permits.iter_mut().zip(scopes) {
        if let Some(slots) = &quota.slots {
            *permit = Some(slots.enter().ok_or_else(|| Limited {
                scope,
                limit: Limit::Concurrent,
                retry_ns: CONCURRENT_RETRY_NS,
                standing: quota.rate.as_ref().map(|rate| rate.look(now_ns)),
            })?);
        }
    }
    let mut standing: Option<Standing> = None;
    for (scope, quota) in scopes {
        let Some(rate) = &quota.rate else { continue };
        match rate.take(now_ns) {
            Ok(now) => {
                if standing.is_none_or(|tightest| now.remaining < tightest.remaining) {
                    standing = Some(now);
                }
            }
            Err(retry_ns) => {
                if let (Scope::Team, Some(taken)) = (scope, &key.rate) {
                    taken.give_back();
                }
                return Err(Limited {
                    scope,
                    limit: Limit::Rate,
                    retry_ns,
                    standing: Some(rate.look(now_ns)),
                });
            }
        }
    }
    Ok(Admission {
        standing,
        _permits: permits,
    })
}

/// All limits of the process, by name. Asked only when a config loads.
#[derive(Debug, Default)]
pub struct Rates {
    rates: Mutex<HashMap<Box<str>, Arc<Rate>>>,
    slots: Mutex<HashMap<Box<str>, Arc<Slots>>>,
}

impl Rates {
    /// The limits called `name` (a caller prefixes it: `key/…`, `team/…`), with what was used of them before.
    #[must_use]
    pub fn quota(&self, name: &str, rpm: Option<u32>, concurrent: Option<u32>) -> Quota {
        Quota {
            rate: rpm.map(|rpm| self.rate(name, rpm)),
            slots: concurrent.map(|limit| self.slots(name, limit)),
        }
    }

    fn rate(&self, name: &str, rpm: u32) -> Arc<Rate> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let old = rates.get(name);
        if let Some(same) = old.filter(|old| old.rpm == rpm.clamp(1, RPM_MAX)) {
            return Arc::clone(same);
        }
        let tat_ns = old.map_or(0, |old| old.tat_ns.load(Ordering::Relaxed));
        let new = Arc::new(Rate::resumed(rpm, tat_ns));
        rates.insert(name.into(), Arc::clone(&new));
        new
    }

    fn slots(&self, name: &str, limit: u32) -> Arc<Slots> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let old = slots.get(name);
        if let Some(same) = old.filter(|old| old.limit == limit) {
            return Arc::clone(same);
        }
        let used = old.map(|old| Arc::clone(&old.used)).unwrap_or_default();
        let new = Arc::new(Slots { limit, used });
        slots.insert(name.into(), Arc::clone(&new));
        new
    }

    /// Forgets limits that no snapshot holds any more. Called after a reload, so that names cannot pile up.
    pub fn prune(&self) {
        let held = |count: usize| count > 1;
        self.rates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, rate| held(Arc::strong_count(rate)));
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            // A permit outlives its limit's snapshot.
            .retain(|_, slots| held(Arc::strong_count(slots)) || slots.used() > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_minutes_worth_at_once_then_evenly() {
        let rate = Rate::new(6);
        for left in (0..6).rev() {
            assert_eq!(rate.take(0).unwrap().remaining, left);
        }
        assert_eq!(rate.take(0), Err(10 * SECOND));
        assert_eq!(rate.take(4 * SECOND), Err(6 * SECOND));
        assert!(rate.take(10 * SECOND).is_ok());
        assert_eq!(rate.take(10 * SECOND), Err(10 * SECOND));
        let rested = rate.look(500 * SECOND);
        assert_eq!((rested.limit, rested.remaining, rested.reset_ns), (6, 6, 0));
    }

    #[test]
    fn the_refused_are_charged_to_none() {
        let rates = Rates::default();
        let key = rates.quota("key/a", Some(10), Some(5));
        let team = rates.quota("team/t", Some(1), None);
        let first = admit(&key, &team, 0).unwrap();
        assert_eq!(first.standing.unwrap().limit, 1);
        let refused = admit(&key, &team, 0).unwrap_err();
        assert_eq!((refused.scope, refused.limit), (Scope::Team, Limit::Rate));
        assert_eq!(refused.retry_ns, 60 * SECOND);
        assert_eq!(key.rate.as_ref().unwrap().look(0).remaining, 9);
        assert_eq!(key.slots.as_ref().unwrap().used(), 1);
        drop(first);
        assert_eq!(key.slots.as_ref().unwrap().used(), 0);
    }

    #[test]
    fn slots_count_and_free() {
        let team = Quota {
            rate: None,
            slots: Some(Arc::new(Slots::new(2))),
        };
        let none = Quota::default();
        let one = admit(&none, &team, 0).unwrap();
        let _two = admit(&none, &team, 0).unwrap();
        let refused = admit(&none, &team, 0).unwrap_err();
        assert_eq!(refused.limit, Limit::Concurrent);
        assert_eq!(refused.retry_ns, CONCURRENT_RETRY_NS);
        drop(one);
        assert!(admit(&none, &team, 0).is_ok());
    }

    #[test]
    fn a_reload_resets_nothing() {
        let rates = Rates::default();
        let before = rates.quota("key/a", Some(2), Some(1));
        let running = admit(&before, &Quota::default(), 0).unwrap();
        let same = rates.quota("key/a", Some(2), Some(1));
        assert!(Arc::ptr_eq(
            before.rate.as_ref().unwrap(),
            same.rate.as_ref().unwrap()
        ));
        // A changed quota starts from what the old one had used.
        let changed = rates.quota("key/a", Some(60), Some(2));
        assert_eq!(changed.slots.as_ref().unwrap().used(), 1);
        assert!(changed.rate.as_ref().unwrap().look(0).remaining < 60);
        drop(running);
        assert_eq!(changed.slots.as_ref().unwrap().used(), 0);
        drop((before, same, changed));
        rates.prune();
        assert!(rates.rates.lock().unwrap().is_empty());
        assert!(rates.slots.lock().unwrap().is_empty());
    }

    #[test]
    fn threads_cannot_overrun() {
        let rate = Arc::new(Rate::new(1000));
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).filter(|_| rate.take(7).is_ok()).count()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(passed, 1000);
    }

    proptest! {
        /// Over any run of requests, no more pass than the burst and what refilled since the start.
        #[test]
        fn never_over_admits(rpm in 1_u32..5000, gaps in prop::collection::vec(0_u64..400_000_000, 1..400)) {
            let rate = Rate::new(rpm);
            let (mut now, mut passed) = (0_u64, 0_u64);
            for gap in gaps {
                now += gap;
                passed += u64::from(rate.take(now).is_ok());
                let allowed = u64::from(rpm) + now * u64::from(rpm) / MINUTE_NS;
                prop_assert!(passed <= allowed, "{passed} > {allowed}");
            }
        }
    }
}
