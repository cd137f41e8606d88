//! The simulator as a client sees it, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test tool: a failure here should stop the run"
)]

mod anthropic;
mod faults;
mod raw;
mod refusals;
mod sockets;
mod surfaces;
