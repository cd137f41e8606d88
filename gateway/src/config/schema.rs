//! The config as it is written: what works in this version, with its defaults, and nothing more.
//!
//! Knows form and defaults; whether names resolve and values make sense is [`check`](super::check)'s. Invariant: every
//! struct denies unknown fields. Defaults of limits and times are those of the threat model's section 3; a comment says
//! where one is not.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each;
use super::price::PriceList;
pub use super::tuning::{
    CallTimeouts, Drain, Http2, Limits, Log, LogFormat, LogLevel, Mode, Overload, Runtime, Stream,
    Timeouts, Upstream,
};
use super::units::{Size, Span};
use crate::secret::Secret;

mod access;
mod alerts;
mod audit;
mod checkpoint;
mod policies;
mod prices;
mod shipping;
mod waiting;

pub use access::{
    AdminToken, Certificate, Claims, ClientCert, Hours, HoursSpan, Identity, PerUser, Role, Texts,
};
pub use alerts::{Alerts, Webhook};
pub use audit::{Payload, Seal, SealPeriod};
pub use checkpoint::{Anchor, Checkpoint, Witness};
pub use policies::{
    CrossBorder, EntityDef, Explicit, Gate, GateOn, GateShape, Labelling, Method, OnError, Output,
    Pack, Policies, Remedy, Rule, RuleMode, Validator, Words,
};
pub use prices::{PriceRow, PriceTable, Prices};
pub use shipping::{Lake, Siem, SiemFormat, SiemKind};
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

/// TLS of the data endpoint. Files are PEM, relative to the config file, and read again when they change.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// Certificate chain.
    pub cert: String,
    /// Its private key.
    pub key: String,
    /// Authorities of client certificates; if given, clients show one (mTLS).
    pub client_ca: Option<String>,
    /// Whether a client must show one.
    #[serde(default)]
    pub client_cert: ClientCert,
}

/// The admin endpoint.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// `host:port`. Beyond loopback a token is required.
    pub listen: String,
    /// Bearer token of the admin API, which may do everything.
    pub token: Option<Secret>,
    /// Tokens that have a name, and may do what their role may.
    #[serde(deserialize_with = "each::listed")]
    pub tokens: Vec<AdminToken>,
    /// Names, besides loopback and the listen address, that a `Host` header may have (against DNS rebinding).
    pub hosts: Vec<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9090".into(),
            token: None,
            tokens: Vec::new(),
            hosts: Vec::new(),
        }
    }
}

/// Where a provider's machines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// A vendor in the country.
    Domestic,
    /// A vendor abroad.
    Overseas,
    /// The company's own.
    SelfHosted,
}

impl Location {
    /// As the config writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Domestic => "domestic",
            Self::Overseas => "overseas",
            Self::SelfHosted => "self_hosted",
        }
    }
}

/// An account at a vendor, or a runtime of one's own.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Whose wire protocol it speaks.
    pub vendor: String,
    /// `http(s)://host[:port][/path]`, or `ws(s)://` for vendors over a WebSocket; vendors have a default.
    pub base_url: Option<String>,
    /// The vendor's key.
    pub api_key: Option<Secret>,
    /// The second half of the credential, where a vendor has one.
    pub secret_key: Option<Secret>,
    /// What goes with a key that is temporary, where a vendor has such.
    pub session_token: Option<Secret>,
    /// The application's id, where a vendor has one.
    pub app_id: Option<String>,
    /// Which of its regions, where a vendor signs for one.
    pub region: Option<String>,
    /// `http(s)://host[:port]` where its tokens are fetched, where a vendor has a place of its own for that; `tls` says who
    /// is trusted there too.
    pub token_url: Option<String>,
    /// Where it is; default `self_hosted` for runtimes, `domestic` for vendors.
    pub location: Option<Location>,
    /// The highest grade that may be sent to it; default the lowest there is.
    pub clearance: Option<String>,
    /// HTTP/2 (over plain HTTP without asking first).
    #[serde(default)]
    pub http2: bool,
    /// TLS to it.
    #[serde(default)]
    pub tls: ClientTls,
    /// How to authenticate, where the vendor has more than one way.
    pub auth: Option<String>,
    /// Headers to add to every call; their values count as secrets.
    #[serde(default, deserialize_with = "each::named")]
    pub headers: BTreeMap<String, Secret>,
    /// Most connections to it per worker.
    #[serde(default = "max_connections")]
    pub max_connections: u32,
    /// Its own list of models joins `models`, by the names that it has there; a name that `models` has stays what it is.
    #[serde(default)]
    pub discover: bool,
    /// How often that list is asked for.
    #[serde(default = "discover_every")]
    pub discover_every: Span,
    /// What the vendor allows us, all models together.
    #[serde(default)]
    pub limits: Quota,
    /// Requests that wait where there are limits, of the provider or of a target. Written out, it also makes them wait out
    /// a vendor's own `retry-after`.
    pub queue: Option<Queue>,
}

/// Not in the threat model: a runtime loads another model in about that time.
fn discover_every() -> Span {
    Span::secs(60)
}

/// Not in the threat model: ten workers may then hold as many connections as the listener.
fn max_connections() -> u32 {
    1024
}

/// TLS to a provider.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientTls {
    /// Authorities to trust instead of the system's (PEM file).
    pub ca: Option<String>,
    /// Our certificate (PEM file).
    pub client_cert: Option<String>,
    /// Its private key (PEM file).
    pub client_key: Option<String>,
    /// The name that its certificate must have, if not the URL's host.
    pub server_name: Option<String>,
    /// Accept any certificate. Whoever is in between reads everything.
    pub insecure_skip_verify_dangerous: bool,
}

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
    #[serde(default = "one")]
    pub weight: u32,
    /// 1 is tried first.
    #[serde(default = "one")]
    pub priority: u32,
    /// What its tokens cost here.
    pub price: Option<PriceList>,
    /// The number under which the model is filed with the authority (备案号).
    pub filing: Option<String>,
    /// What the vendor allows us of this model, besides the provider's limits.
    #[serde(default)]
    pub limits: Quota,
}

fn yuan() -> String {
    "CNY".into()
}

fn one() -> u32 {
    1
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

/// Where limits are counted, and where keys and teams are kept that the admin API makes.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// `memory`: in this process; or a Redis that replicas share: `redis://[user:password@]host:port[/db]`, `rediss://…`
    /// (TLS), `redis+cluster://host:port,host:port`, `redis+sentinel://host:port,host:port/master[/db]`.
    pub store: Secret,
    /// With `memory`: the directory of what outlives the process, relative to the working directory. Made when there is
    /// something to keep.
    pub dir: String,
    /// What hashes of keys that the admin API makes are keyed with, 32 characters or more. Absent: made once, and kept in
    /// `dir` or in the shared store. Keys made with another one do not work.
    pub pepper: Option<Secret>,
    /// Begins the names of all keys in the shared store.
    pub prefix: String,
    /// The longest that a request waits for the shared store.
    pub timeout: Span,
    /// The zone of the calendar that budgets go by: a name, or `+08:00`.
    pub timezone: String,
}

impl Default for State {
    fn default() -> Self {
        Self {
            store: Secret::new("memory".into()),
            dir: "./state".into(),
            pepper: None,
            prefix: "yumen".into(),
            timeout: Span(Duration::from_millis(50)),
            timezone: "Asia/Shanghai".into(),
        }
    }
}

/// The audit log.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Its directory, relative to the working directory.
    pub dir: String,
    /// What a record survives before its request goes on.
    pub durability: Durability,
    /// What of prompts and replies is kept, where a model does not say otherwise.
    pub payload: Payload,
    /// The longest prompt and the longest reply that are kept whole.
    pub payload_bytes: Size,
    /// Memory in which pieces of them may wait to be written.
    pub payload_memory: Size,
    /// The keys of what is kept.
    pub seal: Seal,
    /// Whether records bear keyed hashes of prompts and replies.
    pub fingerprint: bool,
    /// Records are kept for so long; then whole segment files go.
    pub retention: Span,
    /// Nothing younger ever goes: what the law asks for, six months by default.
    pub retention_min: Span,
    /// Beyond this size the oldest segment files go, but never what is younger than `retention_min`.
    pub max_bytes: Option<Size>,
    /// Kept bodies go after so long; default as `retention`.
    pub payload_retention: Option<Span>,
    /// Its Merkle root, signed.
    pub checkpoint: Checkpoint,
    /// The index by which it is searched.
    pub index: AuditIndex,
    /// A segment file is closed beyond this size.
    pub segment_bytes: Size,
    /// Room on disk that is set aside, so that open requests can be closed when the disk is full.
    pub reserve_bytes: Size,
    /// This replica's name in the lake and in what analysts' tools get; default the host's. Read at start only, as is what follows.
    pub replica: Option<String>,
    /// The log as a table of Parquet files.
    pub lake: Option<Lake>,
    /// Security analysts' tools.
    #[serde(deserialize_with = "each::listed")]
    pub siem: Vec<Siem>,
}

/// What the Cybersecurity Law (article 21) asks for network logs: not less than six months.
pub const HALF_A_YEAR: Span = Span::secs(180 * 86_400);

impl Default for Audit {
    fn default() -> Self {
        Self {
            dir: "./audit".into(),
            durability: Durability::Written,
            payload: Payload::None,
            payload_bytes: Size::mib(8),
            payload_memory: Size::mib(64),
            seal: Seal::default(),
            fingerprint: false,
            retention: HALF_A_YEAR,
            retention_min: HALF_A_YEAR,
            max_bytes: None,
            payload_retention: None,
            checkpoint: Checkpoint::default(),
            index: AuditIndex::default(),
            segment_bytes: Size::mib(128),
            reserve_bytes: Size::mib(64),
            replica: None,
            lake: None,
            siem: Vec::new(),
        }
    }
}

impl Audit {
    /// What of it is read at start only.
    #[must_use]
    pub fn at_start(&self) -> Self {
        Self {
            payload: Payload::None,
            fingerprint: false,
            ..self.clone()
        }
    }
}

/// The index of the audit log. Losing it loses nothing: it is built again from the log.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditIndex {
    /// Whether there is one. Without it a search reads the whole log.
    pub enabled: bool,
    /// Its directory; `index` in that of the log if absent.
    pub dir: Option<String>,
}

impl Default for AuditIndex {
    fn default() -> Self {
        Self {
            enabled: true,
            dir: None,
        }
    }
}

/// What an audit record survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The end of the process, `kill -9` too; a power cut may take the last second.
    Written,
    /// A power cut: requests wait for the disk, and share its syncs.
    Synced,
}
