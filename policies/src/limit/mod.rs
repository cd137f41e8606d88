//! How much a principal may ask for.
//!
//! Limits live outside the config snapshot, keyed by name, so that a reload resets nothing.

pub mod rate;
