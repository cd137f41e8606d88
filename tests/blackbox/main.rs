//! The black-box suite: the real `yumen` executable against simulated and scripted upstreams.
//!
//! One binary, one module a subject; each test reads as a story and starts what it needs. Nothing is skipped: a missing
//! executable is an error.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure here should stop the test"
)]

mod admin;
mod cancel;
mod clocks;
mod drain;
mod faults;
mod input;
mod journal;
mod keys;
mod law;
mod passthrough;
mod pressure;
mod reload;
mod tls;
mod translate;
