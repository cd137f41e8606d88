//! The way in: listeners, TLS, connections, drain.
//!
//! Knows sockets and HTTP framing; hands whole requests to the pipeline and knows nothing of what they mean.

pub mod admin;
pub mod answer;
pub mod certificate;
pub mod drain;
pub mod guard;
pub mod h1;
pub mod listen;
mod owed;
mod place;
pub mod tls;
