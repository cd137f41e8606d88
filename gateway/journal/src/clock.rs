//! Time as a value that is passed in, so that tests are exact.
//!
//! Must never know: who asks, or what for.
//! Invariants: `mono_ns` never goes back within one clock; `wall_ms` may (an operator or NTP moves it),
//! so nothing but records and logs may be built on it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where a part of the gateway takes its time from.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01 UTC; negative before it.
    fn wall_ms(&self) -> i64;
    /// Nanoseconds since a moment fixed for this clock; never goes back.
    fn mono_ns(&self) -> u64;
    /// What `mono_ns` said at that moment: a clock that was read is not read again.
    fn mono_at(&self, at: Instant) -> u64;
}

/// The clock of the operating system.
#[derive(Debug, Clone)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic zero is now.
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        // A machine set before 1970 gets negative times instead of an error: the record's order is its index.
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }

    fn mono_ns(&self) -> u64 {
        self.mono_at(Instant::now())
    }

    fn mono_at(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.origin);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until it is moved: for tests and simulations.
#[derive(Debug)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    mono_ns: AtomicU64,
}

impl ManualClock {
    /// Starts at the given wall time, with monotonic zero.
    pub fn at(wall_ms: i64) -> Self {
        Self {
            wall_ms: AtomicI64::new(wall_ms),
            mono_ns: AtomicU64::new(0),
        }
    }

    /// Moves both times forward.
    pub fn advance_ms(&self, ms: u32) {
        self.wall_ms.fetch_add(i64::from(ms), Ordering::Relaxed);
        self.mono_ns
            .fetch_add(u64::from(ms) * 1_000_000, Ordering::Relaxed);
    }

    /// Moves the wall time only, as a clock step does.
    pub fn step_wall_ms(&self, by_ms: i64) {
        self.wall_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::Relaxed)
    }

    fn mono_ns(&self) -> u64 {
        self.mono_ns.load(Ordering::Relaxed)
    }

    /// It knows no moment but its own.
    fn mono_at(&self, _: Instant) -> u64 {
        self.mono_ns()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_time_is_plausible_and_monotonic() {
        let clock = SystemClock::new();
        assert!(clock.wall_ms() > 1_600_000_000_000);
        let first = clock.mono_ns();
        assert!(clock.mono_ns() >= first);
    }

    #[test]
    fn a_wall_step_leaves_monotonic_time_alone() {
        let clock = ManualClock::at(1_000);
        clock.advance_ms(5);
        clock.step_wall_ms(-500);
        assert_eq!((clock.wall_ms(), clock.mono_ns()), (505, 5_000_000));
    }
}
