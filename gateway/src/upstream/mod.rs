//! The way out: connections, replies, tokens.
//!
//! Knows origins and bytes. Never chooses a target and never sees a policy: it sends what dispatch gives it.

pub mod again;
pub mod client;
pub mod connect;
mod h2;
pub mod reply;
pub mod request;
mod socket;
pub mod token;
mod write;
