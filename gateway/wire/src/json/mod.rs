//! JSON by span: one strict pass to a flat tape, views over it, and the text of escaped strings.
//!
//! Builds no tree, recurses nowhere, and knows no dialect. What passes [`scan`] is what every reasonable parser reads
//! the same way: see `governance/threats.md`, section 4, for the parsers that do not.

mod run;
pub mod scan;
mod tape;
pub mod text;
pub mod view;

pub use run::plain_prefix;
pub use scan::{scan, string_prefix};
pub use tape::{Escapes, Limits, Node, Reason, Reject, Tape, Type};
pub use text::{Mapped, Offsets, Pieces, escape, escaped_len, plain_len, string_len, unescape};
pub use view::{Value, utf8};
