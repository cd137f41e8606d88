//! The config as it is written: what works in this version, with its defaults, and nothing more.
//!
//! Knows form and defaults; whether names resolve and values make sense is [`check`](super::check)'s. Invariant: every
//! struct denies unknown fields. Defaults of limits and times are those of the threat model's section 3; a comment says
//! where one is not.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each;
pub use super::tuning::{
    CallTimeouts, Drain, Http2, Limits, Log, LogFormat, LogLevel, Mode, Overload, Runtime, Stream,
    Timeouts, Upstream,
};

mod access;
mod alerts;
mod audit;
mod checkpoint;
mod endpoints;
mod models;
mod policies;
mod prices;
mod providers;
mod quotas;
mod shipping;
mod state;
mod teams;
mod waiting;

pub use access::{
    AdminToken, Certificate, Claims, ClientCert, Hours, HoursSpan, Identity, PerUser, Role, Texts,
};
pub use alerts::{Alerts, Webhook};
pub use audit::{Audit, AuditIndex, Durability, HALF_A_YEAR, Payload, Seal, SealPeriod};
pub use checkpoint::{Anchor, Checkpoint, Witness};
pub use endpoints::{Admin, ServerTls};
pub use models::{Lossy, Model, Target};
pub use policies::{
    CrossBorder, EntityDef, Explicit, Gate, GateOn, GateShape, Labelling, Method, OnError, Output,
    Pack, Policies, Remedy, Rule, RuleMode, Validator, Words,
};
pub use prices::{PriceRow, PriceTable, Prices};
pub use providers::{ClientTls, Location, Provider};
pub use quotas::{Budget, OnOutage, Period, Quota};
pub use shipping::{Lake, Siem, SiemFormat, SiemKind};
pub use state::State;
pub use teams::{Key, Team};
pub use waiting::{Priority, Queue};

/// yumen's config file.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where applications connect: `host:port`.
    pub listen: String,
    /// TLS of the data endpoint; without it, plain HTTP.
    pub tls: Option<ServerTls>,
    /// The admin endpoint: health, metrics, admin API.
    pub admin: Admin,
    /// Nobody may have more than one of the duties `operator`, `security` and `auditor`, so `admin.token` has to go.
    pub separate_duties: bool,
    /// Networks (CIDR) of proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "each::listed")]
    pub trusted_proxies: Vec<String>,
    /// Grades from the least to the most sensitive, 1 to 16.
    #[serde(deserialize_with = "each::listed")]
    pub grades: Vec<String>,
    /// Where models live, by name.
    #[serde(deserialize_with = "each::named")]
    pub providers: BTreeMap<String, Provider>,
    /// What an application may ask for, by name.
    #[serde(deserialize_with = "each::named")]
    pub models: BTreeMap<String, Model>,
    /// Teams, by name.
    #[serde(deserialize_with = "each::named")]
    pub teams: BTreeMap<String, Team>,
    /// Virtual keys.
    #[serde(deserialize_with = "each::listed")]
    pub keys: Vec<Key>,
    /// The company's identity provider, whose tokens count beside keys.
    pub identity: Option<Identity>,
    /// What is looked for in requests and replies, and what follows.
    pub policies: Policies,
    /// What things cost where a target does not say.
    pub prices: Prices,
    /// Where limits are counted, and where keys and teams are kept that the admin API makes.
    pub state: State,
    /// Who is told when a budget is nearly spent.
    pub alerts: Alerts,
    /// The audit log.
    pub audit: Audit,
    /// Sizes and counts that nothing may exceed.
    pub limits: Limits,
    /// Times of the data endpoint.
    pub timeouts: Timeouts,
    /// Calls to providers.
    pub upstream: Upstream,
    /// HTTP/2 of the data endpoint.
    pub http2: Http2,
    /// Streamed replies.
    pub stream: Stream,
    /// Shutting down.
    pub drain: Drain,
    /// Shedding load.
    pub overload: Overload,
    /// Threads.
    pub runtime: Runtime,
    /// The gateway's own log, on stderr.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            tls: None,
            admin: Admin::default(),
            separate_duties: false,
            trusted_proxies: Vec::new(),
            grades: ["public", "internal", "confidential", "restricted"]
                .map(String::from)
                .into(),
            providers: BTreeMap::new(),
            models: BTreeMap::new(),
            teams: BTreeMap::new(),
            keys: Vec::new(),
            identity: None,
            policies: Policies::default(),
            prices: Prices::default(),
            state: State::default(),
            alerts: Alerts::default(),
            audit: Audit::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            upstream: Upstream::default(),
            http2: Http2::default(),
            stream: Stream::default(),
            drain: Drain::default(),
            overload: Overload::default(),
            runtime: Runtime::default(),
            log: Log::default(),
        }
    }
}

/// Where one is meant if nothing is said.
fn one() -> u32 {
    1
}
