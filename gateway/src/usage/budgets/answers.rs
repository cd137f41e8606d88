//! What is answered about budgets: the shapes that the admin API and the command line share.
//!
//! Invariant: an amount is text in decimal digits, never a float.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One budget.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Budget {
    /// Whose: `key:crm-bot`, `team:retail`.
    pub owner: String,
    /// `money` or `tokens`.
    pub unit: String,
    /// Of money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// `day`, `week` or `month`.
    pub period: String,
    /// When it began, RFC 3339.
    pub begin: String,
    /// When the next begins.
    pub end: String,
    /// The whole, in decimal digits.
    pub amount: String,
    /// What a warning is given from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft: Option<String>,
    /// Spent and reserved: what requests are refused by. Absent if the shared store does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<String>,
    /// The amount less that; 0 if more was spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<String>,
    /// Whether the warning's threshold is crossed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_soft: Option<bool>,
    /// Of this replica's log: what closed requests cost.
    pub spent: String,
    /// Of this replica's log: what is reserved for requests that run, or were cut off by a crash.
    pub reserved: String,
}

/// What a budget's figures are made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Explanation {
    /// The budget, or the two of one owner.
    pub budgets: Vec<Reckoned>,
    /// Entries of the running period, newest first.
    pub entries: Vec<Entry>,
    /// Where to go on; absent if there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Every entry of the log below this index was counted.
    pub complete_to: u64,
}

/// A budget and whether its figures add up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reckoned {
    /// The budget.
    #[serde(flatten)]
    pub budget: Budget,
    /// Whether what is counted is what the log says.
    pub adds_up: bool,
    /// What is counted less what the log says, if that is not nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
    /// What that may come from.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

/// An entry of the log that counts to a budget.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Entry {
    /// The request's id.
    pub id: String,
    /// When it arrived, RFC 3339.
    pub time: String,
    /// Its key.
    pub key: String,
    /// Its team.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub team: String,
    /// The model that was asked for.
    pub model: String,
    /// Who answered.
    pub provider: String,
    /// The model there.
    pub target: String,
    /// How it ended; `open` if it runs.
    pub outcome: String,
    /// Tokens: `input`, `cached`, `cache_write`, `output`, `reasoning`, and `images`, `audio_ms`.
    pub used: BTreeMap<String, u64>,
    /// Whether these are our estimate.
    #[serde(skip_serializing_if = "is_false", default)]
    pub estimated: bool,
    /// What it cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// In which currency.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub currency: String,
    /// Counted as reserved: nobody knows what it used, or not yet.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub reserved: BTreeMap<String, String>,
    /// The target's prices now, per million tokens (`image`, `audio_minute`, `request`: of one).
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub price: BTreeMap<String, String>,
    /// Whether they make this cost: else they were others then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_holds: Option<bool>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}
