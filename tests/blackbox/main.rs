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
#![allow(
    clippy::disallowed_methods,
    clippy::large_futures,
    reason = "a test's tasks and clocks are its own"
)]

mod admin;
mod cancel;
mod cli;
mod clocks;
mod compare;
mod drain;
mod faults;
mod framing;
mod front;
mod heads;
mod input;
mod journal;
mod keys;
mod law;
mod mixing;
mod passthrough;
mod patience;
mod pressure;
mod reload;
mod tls;
mod translate;
mod upstreams;
