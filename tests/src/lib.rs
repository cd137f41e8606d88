//! The black-box harness: the real `yumen` executable, simulated and scripted upstreams, a client, a journal reader.
//!
//! Must never know the gateway's crates: what is tested is what a stranger sees, so that a mistake of the product is not
//! repeated here (but for [`pii`], which measures detectors and not the gateway). Everything waits with a bound; a test that would hang fails instead and says on what it waited.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc,
    reason = "test tool: a failure here should stop the run"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "test tool: its tasks and clocks are a test's own"
)]

pub mod config;
pub mod gateway;
pub mod gemini;
pub mod grammar;
pub mod heldout;
pub mod http;
pub mod issuer;
pub mod journal;
pub mod message;
pub mod messages;
pub mod pii;
pub mod planted;
pub mod prompts;
pub mod raw;
pub mod redis;
pub mod responses;
pub mod scripted;
pub mod tee;
pub mod upstream;

#[cfg(test)]
mod tidy;

pub use config::{Config, KEY, VENDORS};
pub use gateway::{Gateway, Launch};
pub use http::{Ask, Live, Reply, Session};
pub use serde_json::{Value, json};
pub use sim::Sim;

use std::time::{Duration, Instant};

/// Longest wait for anything that should happen soon. Generous: test machines are busy.
pub const SOON: Duration = Duration::from_secs(10);

/// A simulator for all vendors, in this process.
pub async fn sim() -> Sim {
    sim::start(sim::Options::default())
        .await
        .expect("the simulator starts")
}

/// Waits until `true_now` holds; panics with `what` after [`SOON`].
pub async fn until(what: &str, mut true_now: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !true_now() {
        assert!(start.elapsed() < SOON, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

/// Awaits `work`; panics with `what` after [`SOON`].
pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    within(SOON, what, work).await
}

/// Awaits `work`; panics with `what` after `limit`.
pub async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| panic!("no end within {limit:?}: {what}"))
}
