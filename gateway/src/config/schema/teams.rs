//! The sections `teams` and `keys`: who asks, and what each may.
//!
//! Knows form and defaults only. Invariant: every struct denies unknown fields.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Budget, Certificate, Hours, PerUser, Priority, Quota};

/// A team.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Team {
    /// The models its keys may ask for; absent: all.
    pub models: Option<Vec<String>>,
    /// The paths its keys may ask at: those of the data endpoint, or all that begin as one does before its `*`; absent: all.
    pub endpoints: Option<Vec<String>>,
    /// The networks its keys may ask from (CIDR), by the address of the client; absent: any.
    pub networks: Option<Vec<String>>,
    /// The times at which its keys may ask; absent: any.
    pub hours: Option<Hours>,
    /// Limits of all its keys together, and of those of the teams below.
    pub limits: Quota,
    /// What all of them together may spend.
    pub budget: Option<Budget>,
    /// What each user of it and of the teams below may use: people who ask with a token of `identity`.
    pub per_user: PerUser,
    /// The least grade of its requests.
    pub grade: Option<String>,
    /// The team above it; what that may not do, this may not either.
    pub parent: Option<String>,
    /// Its share of the turns where requests wait for a provider: one of weight 3 has three times those of one of weight 1.
    pub weight: Option<u32>,
    /// How urgent its requests are at most where they wait; default as the team above, or that of each key.
    pub priority: Option<Priority>,
}

/// A virtual key. What it says may only narrow what its team may do.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its name in the audit log.
    pub id: String,
    /// A name of `teams`.
    pub team: Option<String>,
    /// `sha256:` and the hexadecimal SHA-256 of the whole key: `yumen key create` prints it. May be left out if there is a
    /// certificate.
    pub hash: Option<String>,
    /// The certificate that its clients show (mTLS, `tls.client_ca`), instead of the key or together with it.
    pub certificate: Option<Certificate>,
    /// The least grade of its requests; default that of its team, or the lowest.
    pub grade: Option<String>,
    /// A date (valid until it begins, UTC) or an RFC 3339 time.
    pub expires: Option<String>,
    /// The models it may ask for; absent: those of its team.
    pub models: Option<Vec<String>>,
    /// The paths it may ask at: those of the data endpoint, or all that begin as one does before its `*`; absent: all.
    pub endpoints: Option<Vec<String>>,
    /// The networks it may ask from (CIDR), by the address of the client; absent: any.
    pub networks: Option<Vec<String>>,
    /// The times at which it may ask; absent: any.
    pub hours: Option<Hours>,
    /// Its own limits, besides its team's.
    #[serde(default)]
    pub limits: Quota,
    /// What it may spend, besides its team's budget.
    pub budget: Option<Budget>,
    /// What asks with it serves the public.
    #[serde(default)]
    pub public: bool,
    /// How urgent its requests are where they wait for a provider; no more than its team's. Default as the team, or normal.
    pub priority: Option<Priority>,
}
