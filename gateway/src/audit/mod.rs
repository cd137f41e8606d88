//! The audit log beyond the two records of a request: what happens to the gateway itself, and what reads the log beside it.
//!
//! The log and its format are the crate `journal`. Must never run on a worker's runtime.

pub mod command;
pub mod events;
pub mod payload;
pub mod sealing;
pub mod unseal;
