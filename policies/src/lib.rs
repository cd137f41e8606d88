//! Who may ask, how much, and what may go where.
//!
//! Knows no vendor, no dialect and no socket: it meets the adapters only in wire's facts. Opens no file, reads no clock
//! and no environment: time and randomness are passed in, so that tests are exact.

pub mod access;
pub mod findings;
pub mod law;
pub mod limit;
pub mod near;
pub mod nested;
pub mod packs;
pub mod policy;
pub mod redact;
pub mod restore;
pub mod rewrite;
pub mod scan;
pub mod when;
