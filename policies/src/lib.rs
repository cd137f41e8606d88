<<<<<<< HEAD
//! Who may ask, how much, and what may go where.
//!
//! Knows no vendor, no dialect and no socket: it meets the adapters only in wire's facts.

pub mod law;
=======
//! Who may do what, and how much of it.
//!
//! Knows principals, limits and (later) findings and the law. Never names a vendor, opens a file, reads a clock or the
//! environment: time and randomness are passed in, so that tests are exact.

pub mod access;
pub mod limit;
>>>>>>> wt-config
