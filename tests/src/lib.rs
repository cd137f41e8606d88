//! What tests and reports share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test tool: a failure here should stop the run"
)]

pub mod pii;
