//! The audit log beyond the two records of a request: what happens to the gateway itself, and what reads the log beside it.
//!
//! The log and its format are the crate `journal`. Must never run on a worker's runtime.

pub mod asked;
pub mod checkpoints;
pub mod command;
pub mod cursor;
pub mod events;
pub mod feed;
pub mod http;
pub mod indexing;
pub mod lake;
pub mod payload;
pub mod retention;
pub mod sealing;
pub mod ship;
pub mod siem;
pub mod unseal;

use std::time::Duration;

use wire::{Fault, Kind};

/// When a client may come back.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A request that may not pass, because what it does cannot be written down.
#[must_use]
pub fn unavailable(error: &journal::Error) -> Fault {
    Fault::new(Kind::JournalDown)
        .reason("audit_unavailable")
        .detail(error.to_string())
        .retry_after(RETRY_AFTER)
}
