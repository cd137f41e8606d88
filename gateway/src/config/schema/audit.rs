//! What of prompts and replies the audit log keeps, and under which keys.
//!
//! Knows form and defaults only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::each;
use crate::config::units::Span;
use crate::secret::Secret;

/// What of prompts and replies the audit log keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// Nothing.
    #[default]
    None,
    /// Their text, encrypted, with everything replaced that the policies find.
    Redacted,
    /// Their full text, encrypted.
    Sealed,
}

/// The keys of what is kept.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Seal {
    /// The key that wraps data keys: 32 bytes in base64, best as `file:` or from the environment. Absent, and without
    /// `command`: one is made at the first start, in the log's own directory.
    pub key: Option<Secret>,
    /// A program that wraps data keys instead, with its arguments; called with one more, `wrap` or `unwrap`.
    #[serde(deserialize_with = "each::listed")]
    pub command: Vec<String>,
    /// How long the program may take. A request waits no longer than a second for its key; then its body is not kept.
    pub timeout: Span,
    /// How long a data key is used. What was sealed under one can only be forgotten together.
    pub period: SealPeriod,
}

impl Default for Seal {
    fn default() -> Self {
        Self {
            key: None,
            command: Vec::new(),
            timeout: Span::secs(5),
            period: SealPeriod::Month,
        }
    }
}

/// How long a data key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SealPeriod {
    /// A calendar month, UTC.
    Month,
    /// A day, UTC.
    Day,
}
