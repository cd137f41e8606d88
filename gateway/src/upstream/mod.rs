//! The way out: connections, replies, tokens.
//!
//! Knows origins and bytes. Never chooses a target and never sees a policy: it sends what dispatch gives it.

pub mod client;
mod h2;
pub mod reply;
pub mod request;
mod socket;
pub mod token;
