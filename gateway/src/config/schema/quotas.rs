//! How much may be asked for and spent, wherever that is written: of keys, teams, users, models and providers.
//!
//! Knows form and defaults only. Invariant: every struct denies unknown fields.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits of a key, a team, a model or a provider. What a minute, an hour or a day allows may come at once; it refills evenly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Requests per hour.
    pub rph: Option<u64>,
    /// Requests per day (24 hours).
    pub rpd: Option<u64>,
    /// Tokens per minute, of prompts and replies.
    pub tpm: Option<u64>,
    /// Tokens per hour.
    pub tph: Option<u64>,
    /// Tokens per day (24 hours).
    pub tpd: Option<u64>,
    /// Requests at once.
    pub concurrent: Option<u64>,
    /// Streams at once.
    pub streams: Option<u64>,
    /// What becomes of requests while the shared store does not answer.
    pub on_outage: OnOutage,
}

impl Quota {
    /// Whether anything is limited.
    #[must_use]
    pub fn limits_anything(&self) -> bool {
        self.all().iter().any(|(_, amount)| amount.is_some())
    }

    /// Every limit, by its name in the config.
    #[must_use]
    pub fn all(&self) -> [(&'static str, Option<u64>); 8] {
        [
            ("rpm", self.rpm),
            ("rph", self.rph),
            ("rpd", self.rpd),
            ("tpm", self.tpm),
            ("tph", self.tph),
            ("tpd", self.tpd),
            ("concurrent", self.concurrent),
            ("streams", self.streams),
        ]
    }
}

/// What an outage of the shared store means for a limit. Budgets always refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnOutage {
    /// Each replica allows its share: the limit, divided by the replicas that were last seen.
    #[default]
    Local,
    /// Requests are refused.
    Refuse,
}

/// What may be spent in each period of the calendar: money, tokens, or both.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Money, in units of `currency`; up to nine million.
    pub amount: Option<f64>,
    /// ISO 4217 code of `amount` and of the prices that are charged to it.
    #[serde(default = "yuan")]
    pub currency: String,
    /// Tokens of prompts and replies.
    pub tokens: Option<u64>,
    /// When it begins anew, in `state.timezone`.
    #[serde(default)]
    pub period: Period,
    /// Percent from which on a warning is given.
    #[serde(default = "soft")]
    pub soft: u8,
}

fn yuan() -> String {
    "CNY".into()
}

fn soft() -> u8 {
    80
}

/// A period of the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight on.
    Day,
    /// From Monday on.
    Week,
    /// From the first on.
    #[default]
    Month,
}
