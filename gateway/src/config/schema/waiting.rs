//! How requests wait for what a provider allows us, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::Span;

/// Requests that wait for room at a provider: fairly between teams, the urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Most that wait, in each gateway; 0: none, who finds no room is refused at once.
    pub max: u32,
    /// The longest wait. What cannot have its turn by then is refused at once.
    pub wait: Span,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            max: 256,
            wait: Span::secs(5),
        }
    }
}

/// How urgent requests are when they have to wait.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Someone waits for the answer.
    High,
    /// No more is known.
    Normal,
    /// Batches.
    Low,
}
