//! The section `models`: what applications may ask for, and where it is served.
//!
//! Knows form and defaults only. Invariant: every struct denies unknown fields.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CallTimeouts, Payload, Quota};
use crate::config::each;
use crate::config::price::PriceList;

/// A model that applications may ask for.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Where it is served, tried by priority; weights share within one.
    #[serde(deserialize_with = "each::listed")]
    pub targets: Vec<Target>,
    /// What becomes of request fields that the target lacks. Absent: what changes the meaning (a forced tool choice, a
    /// schema, `stop`, `n`) is refused, hints (`seed`, `user`, tiers) are dropped and named in `x-yumen-dropped`.
    pub lossy: Option<Lossy>,
    /// What its tokens cost, for records and metrics; a target may have a price of its own.
    pub price: Option<PriceList>,
    /// Times of its calls, where they differ from `upstream.timeouts`.
    #[serde(default)]
    pub timeouts: CallTimeouts,
    /// Limits of all its requests together.
    #[serde(default)]
    pub limits: Quota,
    /// What of its prompts and replies the audit log keeps, where that differs from `audit.payload`.
    pub payload: Option<Payload>,
}

/// A provider's model.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// A name of `providers`.
    pub provider: String,
    /// What the provider calls it.
    pub model: String,
    /// Share within its priority.
    #[serde(default = "super::one")]
    pub weight: u32,
    /// 1 is tried first.
    #[serde(default = "super::one")]
    pub priority: u32,
    /// What its tokens cost here.
    pub price: Option<PriceList>,
    /// The number under which the model is filed with the authority (备案号).
    pub filing: Option<String>,
    /// What the vendor allows us of this model, besides the provider's limits.
    #[serde(default)]
    pub limits: Quota,
}

/// What becomes of request fields that the target lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lossy {
    /// The request is refused, and the error names the field.
    Refuse,
    /// The field is dropped, and `x-yumen-dropped` names it.
    Drop,
}
