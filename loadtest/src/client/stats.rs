//! What a load measures: histograms, counters, the window they count in, and the first failure.
//!
//! It must never know HTTP. Invariants: only requests that began inside the window are in the histograms; counters
//! run all the time and are read at both ends of the window; one failed request fails the run and stops it.

use anyhow::bail;
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest time a histogram tells apart, ns: two minutes.
const LONGEST_NS: u64 = 120_000_000_000;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    WarmUp = 0,
    Window = 1,
    Stop = 2,
}

/// Shared by all connections of one run.
#[derive(Debug)]
pub(crate) struct Stats {
    phase: AtomicU8,
    requests: AtomicU64,
    events: AtomicU64,
    failure: Mutex<Option<String>>,
    times: Mutex<Times>,
}

/// The histograms of a run, in ns.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    /// From sending (open loop: from when it should have been sent) to the last byte.
    pub(crate) total: Histogram<u64>,
    /// To the first event.
    pub(crate) first: Histogram<u64>,
    /// Between two reads that brought events of the same stream.
    pub(crate) gap: Histogram<u64>,
}

impl Times {
    fn new() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "constant bounds that hdrhistogram accepts"
        )]
        let one = || Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("bounds of a histogram");
        Times {
            total: one(),
            first: one(),
            gap: one(),
        }
    }
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) at: Instant,
    pub(crate) requests: u64,
    pub(crate) events: u64,
}

impl Stats {
    pub(crate) fn new() -> Self {
        Stats {
            phase: AtomicU8::new(Phase::WarmUp as u8),
            requests: AtomicU64::new(0),
            events: AtomicU64::new(0),
            failure: Mutex::new(None),
            times: Mutex::new(Times::new()),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::WarmUp,
            1 => Phase::Window,
            _ => Phase::Stop,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            at: Instant::now(),
            requests: self.requests.load(Ordering::Relaxed),
            events: self.events.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn add_events(&self, events: u64) {
        self.events.fetch_add(events, Ordering::Relaxed);
    }

    /// A request is complete. `began`: the phase in which it was, or should have been, sent.
    pub(crate) fn complete(&self, began: Phase, total: Duration, first: Option<Duration>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if began == Phase::Window {
            let mut times = self.times();
            times.total.saturating_record(ns(total));
            if let Some(first) = first {
                times.first.saturating_record(ns(first));
            }
        }
    }

    /// Time between two reads with events; `count` of them came with the second.
    pub(crate) fn gap(&self, gap: Duration, count: u64) {
        if self.phase() == Phase::Window {
            self.times().gap.saturating_record_n(ns(gap), count);
        }
    }

    /// The first reason is kept; the run stops.
    pub(crate) fn fail(&self, reason: &anyhow::Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| format!("{reason:#}"));
        self.enter(Phase::Stop);
    }

    /// Err if any request failed.
    pub(crate) fn verdict(&self) -> anyhow::Result<()> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(reason) => bail!("failed request: {reason}"),
            None => Ok(()),
        }
    }

    /// Waits in the calling thread, but not past a failure.
    pub(crate) fn wait(&self, time: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        loop {
            self.verdict()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }

    pub(crate) fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_began_in_the_window_is_timed() {
        let stats = Stats::new();
        stats.complete(Phase::WarmUp, Duration::from_secs(9), None);
        stats.enter(Phase::Window);
        stats.complete(Phase::WarmUp, Duration::from_secs(9), None);
        stats.complete(
            Phase::Window,
            Duration::from_millis(2),
            Some(Duration::from_millis(1)),
        );
        assert_eq!(stats.counts().requests, 3);
        let times = stats.times();
        assert_eq!((times.total.len(), times.first.len()), (1, 1));
        assert!(times.total.max().abs_diff(2_000_000) < 2_000);
    }

    #[test]
    fn the_first_failure_is_kept_and_stops_the_run() {
        let stats = Stats::new();
        stats.fail(&anyhow::anyhow!("one"));
        stats.fail(&anyhow::anyhow!("two"));
        stats.enter(Phase::Window);
        assert_eq!(stats.phase(), Phase::Stop);
        assert_eq!(
            stats.verdict().unwrap_err().to_string(),
            "failed request: one"
        );
        assert!(stats.wait(Duration::from_secs(60)).is_err());
    }
}
