//! Who is told when a budget is nearly spent, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Warnings to the outside.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// Gets one message for each budget and period whose `soft` threshold is crossed.
    pub webhook: Option<Webhook>,
}

/// Where messages are posted, as Standard Webhooks describes.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// `http(s)://host[:port][/path]`.
    pub url: String,
    /// Signs messages (HMAC-SHA256, `webhook-signature`): `whsec_` and base64, or any text.
    pub secret: Option<Secret>,
}
