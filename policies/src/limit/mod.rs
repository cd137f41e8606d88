//! How much a principal may ask for: requests, tokens, money, and how many at once.
//!
//! Limits live outside the config snapshot, keyed by name, so that a reload resets nothing. [`level`] is the arithmetic of
//! one limit, [`meter`] many limits at once in this process; the gateway's `ledger` adds the store that replicas share.
//!
//! `governor` does what a rolling level of requests does, but it cannot give back what another limit refused, nor settle an
//! estimate.

pub mod level;
pub mod meter;
pub mod period;
pub mod rate;
