//! How much a principal may ask for: requests, tokens, money, and how many at once.
//!
//! Limits live outside the config snapshot, keyed by name, so that a reload resets nothing. [`level`] is the arithmetic of
//! one limit, [`meter`] many limits at once in this process, [`learnt`] what to reserve for a request that does not say; the
//! gateway's `ledger` adds the store that replicas share. [`door`] is where requests wait for what a vendor allows us, and
//! [`line`] says who is next.
//!
//! `governor` does what a rolling level of requests does, but it cannot give back what another limit refused, nor settle an
//! estimate.

pub mod door;
pub mod learnt;
pub mod level;
pub mod line;
pub mod meter;
pub mod period;

/// What a process remembers of limits and models from one config to the next.
#[derive(Debug, Default)]
pub struct Books {
    /// Limits, by name. Those of users are made while requests run.
    pub meters: std::sync::Arc<meter::Meters>,
    /// What models usually use, by name.
    pub lessons: learnt::Lessons,
    /// Where requests wait, by provider.
    pub doors: door::Doors,
}

impl Books {
    /// Forgets what no snapshot holds any more. Called after a reload.
    pub fn prune(&self, now: level::Now) {
        self.meters.prune(now);
        self.lessons.prune();
        self.doors.prune();
    }
}
