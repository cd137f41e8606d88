//! Bytes in, facts out: bodies as ropes of slices, JSON and SSE read by span, faults and verdicts.
//!
//! Never awaits, opens, reads a clock or knows a config, a vendor or a policy. What it is given is judged for form
//! only; what it hands out are spans over the caller's own bytes.

pub mod block;
pub mod canon;
pub mod chunked;
pub mod decimal;
pub mod edit;
pub mod facts;
pub mod fault;
pub mod headers;
pub mod hold;
pub mod json;
pub mod multipart;
pub mod operation;
pub mod rope;
pub mod short;
pub mod sse;
pub mod verdict;
pub mod ws;

pub use edit::Edits;
pub use fault::{Fault, Kind};
pub use headers::Headers;
pub use rope::Rope;
pub use verdict::{Grade, Verdict};
