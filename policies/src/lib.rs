//! Who may ask, how much, and what may go where.
//!
//! Knows no vendor, no dialect and no socket: it meets the adapters only in wire's facts.

pub mod law;
