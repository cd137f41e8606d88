//! The config as traffic uses it: immutable, names resolved, one `Arc` per request.
//!
//! Knows nothing of files and YAML. Invariants: every target's provider, every key's team and every grade exists; targets
//! are sorted by priority; nothing in here is ever changed, and what must survive a reload (limits, stop flags) is held by
//! `Arc`s that the next snapshot holds too. `Debug` shows no secret.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use policies::access::keys::KeyTable;
use policies::access::token::{self, Digest};
use policies::limit::door::Door;
use policies::limit::learnt::Learnt;
use policies::limit::meter::Meter;
use policies::policy::Policy;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use wire::Grade;

pub use super::address::{Host, Listen, Origin, Scheme};
use super::changes::Marks;
pub use super::grades::{Grades, Named};
use super::price::Price;
pub use super::schema::Location;
use super::schema::{Audit, ClientCert, GateShape, Log, OnError, Payload, Role, Webhook};
use super::tuning::{Drain, Http2, Limits, Overload, Runtime, Timeouts};
use crate::identity::Directory;
use crate::secret::Secret;
use crate::telemetry::metrics::TargetMeters;
use crate::telemetry::policy::PolicyMeters;
use crate::telemetry::queue::QueueMeters;
use crate::upstream::client::{Bounds, Endpoint};
use crate::upstream::request::Head;

/// The config of one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts the configs this process has used, from 1.
    pub version: u64,
    /// When it was loaded.
    pub loaded_at: SystemTime,
    /// The first 8 bytes of the config text's SHA-256, in hexadecimal: tells replicas apart.
    pub fingerprint: Box<str>,
    /// Tells what another config changes.
    pub marks: Marks,
    /// The order of grades.
    pub grades: Grades,
    /// Providers, sorted by name.
    pub providers: Vec<Arc<Provider>>,
    /// Models by name.
    pub models: HashMap<Box<str>, Arc<Model>>,
    /// Who may ask.
    pub keys: KeyTable,
    /// The key's digest by the name that a client's certificate may have.
    pub certificates: HashMap<Digest, Digest>,
    /// The config itself without its keys: what dynamic keys and teams are judged by.
    pub basis: Arc<super::schema::Config>,
    /// Whose tokens let somebody ask, beside keys.
    pub identity: Option<Directory>,
    /// Networks of proxies whose word on a client's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What is looked for and what follows; `None`: only the law over declared grades.
    pub policy: Option<Arc<Policy>>,
    /// The policy's meters, looked up at first use and kept.
    pub policy_meters: OnceLock<PolicyMeters>,
    /// Moderation services that are asked before a request goes on.
    pub gates: Vec<Gate>,
    /// The data endpoint. Read at start only.
    pub listen: Listen,
    /// Its TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// When the first certificate of that expires, in Unix milliseconds.
    pub tls_ends_ms: Option<u64>,
    /// The admin endpoint.
    pub admin: Admin,
    /// The audit log. Read at start only, but for `payload` and `fingerprint`.
    pub audit: Audit,
    /// Whether the audit log keeps anything beside records, of any model.
    pub keeps: bool,
    /// TLS to analysts' tools, in the order of `audit.siem`. Read at start only.
    pub siem_tls: Vec<SiemTls>,
    /// Sizes and counts that nothing may exceed.
    pub limits: Limits,
    /// Times of the data endpoint.
    pub timeouts: Timeouts,
    /// Further attempts after the first.
    pub retries: u32,
    /// How long an idle upstream connection is kept.
    pub upstream_keepalive: Duration,
    /// HTTP/2 of the data endpoint.
    pub http2: Http2,
    /// A comment goes to the client after so much silence; `None`: never.
    pub ping: Option<Duration>,
    /// How much of a reply may wait for a decision, and how long.
    pub hold: wire::hold::Caps,
    /// Shutting down.
    pub drain: Drain,
    /// Shedding load.
    pub overload: Overload,
    /// Threads. Read at start only.
    pub runtime: Runtime,
    /// Our own log. Read at start only.
    pub log: Log,
    /// Where limits are counted and dynamic keys kept. Read at start only.
    pub state: State,
    /// How money is counted.
    pub money: Money,
    /// Teams that the admin API made and that have one above them, and that. Changes while the snapshot is used.
    pub made: ArcSwap<Above>,
    /// Providers whose lists of models are asked for, and how often.
    pub discover: Vec<(Box<str>, Duration)>,
    /// Where it is told that a budget is nearly spent.
    pub webhook: Option<Webhook>,
}

/// Teams that have one above them, and that.
pub type Above = HashMap<Box<str>, Box<str>>;

impl Snapshot {
    /// How money is counted, the teams that the admin API made included.
    #[must_use]
    pub fn all_money(&self) -> Money {
        let mut money = self.money.clone();
        for (team, above) in &**self.made.load() {
            let above = above.clone();
            money.above.entry(team.clone()).or_insert(above);
        }
        money
    }
}

/// How money is counted.
#[derive(Clone, Debug)]
pub struct Money {
    /// Of all budgets.
    pub currency: Box<str>,
    /// Seconds east of UTC of the calendar that budgets go by.
    pub zone_s: i32,
    /// Teams that have one above them, and that.
    pub above: Above,
}

/// Where limits are counted, and where dynamic keys are kept.
#[derive(Debug)]
pub struct State {
    /// The store that replicas share; `None`: this process's memory.
    pub store: Option<ledger::Store>,
    /// The same for what no request waits for: dynamic keys. `None`: they lie in `dir`.
    pub shelf: Option<ledger::Store>,
    /// The directory of what outlives the process, relative to the working directory.
    pub dir: Box<str>,
    /// What hashes of dynamic keys are keyed with; `None`: made once and kept beside them.
    pub pepper: Option<Secret>,
    /// Tells one setting from another without showing a password.
    pub mark: Box<str>,
}

impl Snapshot {
    /// Bounds of an exchange with an upstream.
    #[must_use]
    pub fn bounds(&self, clocks: &Clocks) -> Bounds {
        Bounds {
            connect: clocks.connect,
            keep_idle: self.upstream_keepalive,
            header_bytes: self.limits.upstream_header_bytes.bytes(),
        }
    }

    /// The provider called `name`.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers
            .binary_search_by(|provider| (*provider.name).cmp(name))
            .ok()
            .and_then(|at| self.providers.get(at))
    }

    /// Names of models, sorted.
    #[must_use]
    pub fn model_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.models.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }
}

/// An account at a vendor, or a runtime of one's own.
#[derive(Debug)]
pub struct Provider {
    /// Its name.
    pub name: Box<str>,
    /// Whose wire protocol it speaks.
    pub vendor: &'static str,
    /// The same, as code; `None` only where a book of other vendors is used.
    pub adapter: Option<Adapter>,
    /// Whom its credential is for.
    pub origin: Origin,
    /// The origin as a `host` header names it.
    pub host: String,
    /// What every path begins with; no slash at its end.
    pub base_path: String,
    /// How to reach it. Equal over reloads as long as nothing that a connection depends on changed.
    pub endpoint: Arc<Endpoint>,
    /// Where its tokens are fetched; the endpoint itself for most.
    pub token_endpoint: Arc<Endpoint>,
    /// Names the token of its credential, for vendors that want one; changes with the credential.
    pub token_key: Arc<str>,
    /// How to show who we are.
    pub credential: Credential,
    /// Where it is.
    pub location: Location,
    /// The highest grade that may be sent to it. Only the law compares it.
    pub clearance: Grade,
    /// HTTP/2.
    pub http2: bool,
    /// Headers to add to every call.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// Most connections to it per worker.
    pub max_connections: u32,
}

/// A vendor's code. Its `Debug` is the vendor's name.
#[derive(Clone, Copy)]
pub struct Adapter(pub &'static dyn adapters::Vendor);

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.info().name)
    }
}

impl Provider {
    /// Room for [`Target::heads`].
    #[must_use]
    pub fn no_heads(&self) -> Box<[[OnceLock<Arc<Head>>; 2]]> {
        let dialects = self.adapter.map_or(0, |adapter| adapter.0.speaks().len());
        (0..dialects).map(|_| Default::default()).collect()
    }

    /// The credential as adapters take it.
    #[must_use]
    pub fn credential(&self) -> adapters::Credential<'_> {
        adapters::Credential {
            api_key: self.credential.api_key.as_ref().map_or("", Secret::expose),
            secret_key: self
                .credential
                .secret_key
                .as_ref()
                .map_or("", Secret::expose),
            session_token: self
                .credential
                .session_token
                .as_ref()
                .map_or("", Secret::expose),
            app_id: self.credential.app_id.as_deref().unwrap_or_default(),
            region: self.credential.region.as_deref().unwrap_or_default(),
            auth: self.credential.auth.unwrap_or_default(),
        }
    }
}

/// What a provider asks of us. Secrets stay masked.
#[derive(Clone, Debug, Default)]
pub struct Credential {
    /// The vendor's key.
    pub api_key: Option<Secret>,
    /// The second half, where a vendor has one.
    pub secret_key: Option<Secret>,
    /// What goes with a key that is temporary.
    pub session_token: Option<Secret>,
    /// The application's id, where a vendor has one.
    pub app_id: Option<Box<str>>,
    /// Which of its regions, where a vendor signs for one.
    pub region: Option<Box<str>>,
    /// How to authenticate, where the vendor has more than one way.
    pub auth: Option<&'static str>,
}

/// TLS to a provider, files read.
#[derive(Debug, Default)]
pub struct ClientTls {
    /// Authorities to trust instead of the system's.
    pub ca: Option<Vec<CertificateDer<'static>>>,
    /// Our certificate and its key.
    pub identity: Option<Identity>,
    /// The name its certificate must have, if not the URL's host.
    pub server_name: Option<Box<str>>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
}

/// TLS to a tool that gets the audit log.
#[derive(Clone, Debug)]
pub struct SiemTls {
    /// Settings.
    pub client: Arc<rustls::ClientConfig>,
    /// The name its certificate must have, if not the host.
    pub server_name: Option<Box<str>>,
}

/// TLS of the data endpoint, files read.
#[derive(Debug)]
pub struct ServerTls {
    /// Our certificate and its key.
    pub identity: Identity,
    /// Authorities of client certificates; if given, a client must have one.
    pub client_ca: Option<Vec<CertificateDer<'static>>>,
    /// Whether a client may do without.
    pub client_cert: ClientCert,
}

/// A certificate chain and its private key; they fit together.
pub struct Identity {
    /// The chain, the own certificate first.
    pub certs: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            certs: self.certs.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.certs.len())
    }
}

/// A model that applications may ask for.
#[derive(Debug)]
pub struct Model {
    /// Its name.
    pub name: Box<str>,
    /// Sorted by priority; at least one.
    pub targets: Vec<Target>,
    /// What becomes of request fields that the target's dialect lacks.
    pub lossy: adapters::Lossy,
    /// The clocks of its calls.
    pub clocks: Clocks,
    /// Limits of all its requests.
    pub meters: Box<[Arc<Meter>]>,
    /// What its requests usually use.
    pub learnt: Arc<Learnt>,
    /// What of its prompts and replies the audit log keeps.
    pub payload: Payload,
}

/// A provider's model.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it is served.
    pub provider: Arc<Provider>,
    /// What the provider calls it.
    pub model: Box<str>,
    /// Share within its priority.
    pub weight: u32,
    /// 1 is tried first.
    pub priority: u32,
    /// What its tokens cost.
    pub price: Option<Price>,
    /// The number under which it is filed with the authority.
    pub filing: Option<Box<str>>,
    /// Provider and model as replies name them.
    pub shown: [Named; 2],
    /// Its meters, looked up at first use and kept: whoever counts fills it.
    pub meters: OnceLock<Arc<TargetMeters>>,
    /// Heads of requests that are always the same, filled by whoever makes them first: by dialect as the vendor lists them, for
    /// whole replies and for streams.
    pub heads: Box<[[OnceLock<Arc<Head>>; 2]]>,
    /// What the vendor allows us of it; `None`: nobody said.
    pub room: Option<Arc<Room>>,
}

/// What a vendor allows us of one of its models, and where requests wait for it.
#[derive(Debug)]
pub struct Room {
    /// The provider's.
    pub door: Arc<Door>,
    /// The model at that door.
    pub pen: Arc<str>,
    /// The provider's limits, then those of this model alone.
    pub limits: Box<[Arc<Meter>]>,
    /// How many of them are the provider's.
    pub shared: usize,
    /// Most that wait.
    pub queue_max: usize,
    /// The longest that they wait.
    pub queue_wait: Duration,
    /// Its meters, looked up at first use and kept.
    pub meters: OnceLock<QueueMeters>,
}

impl Target {
    /// The vendor's code.
    ///
    /// # Errors
    /// `Bug` if the config was built with another book of vendors.
    pub fn vendor(&self) -> Result<&'static dyn adapters::Vendor, wire::Fault> {
        self.provider
            .adapter
            .map(|adapter| adapter.0)
            .ok_or_else(|| wire::Kind::Bug.into())
    }
}

/// A moderation service.
#[derive(Debug)]
pub struct Gate {
    /// Its name.
    pub name: Box<str>,
    /// How it is asked.
    pub shape: GateShape,
    /// How long it may take.
    pub timeout: Duration,
    /// What happens to the request when it does not answer.
    pub on_error: OnError,
    /// The highest grade that it may see. Only the law compares it.
    pub clearance: Grade,
    /// How to reach it.
    pub endpoint: Arc<Endpoint>,
    /// Where it is asked, without a query.
    pub path: String,
    /// Headers of the call; marked as secret.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
}

/// The five clocks of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// To a connection, TLS included.
    pub connect: Duration,
    /// From the request to the first content.
    pub first_content: Duration,
    /// Between one content and the next.
    pub content_gap: Duration,
    /// Between one read and the next.
    pub idle: Duration,
    /// The whole call.
    pub total: Duration,
}

/// The admin endpoint.
#[derive(Debug)]
pub struct Admin {
    /// Where it listens. Read at start only.
    pub listen: Listen,
    /// Bearer token of the admin API; without one the API is closed.
    pub token: Option<Secret>,
    /// Tokens that have a name, by digest.
    pub tokens: HashMap<Digest, AdminToken>,
    /// Nobody may have more than one of the three duties.
    pub separate_duties: bool,
    /// Further names that a `Host` header may have, in lower case.
    pub hosts: Vec<String>,
}

impl Admin {
    /// Whether the token of this digest opens the admin API, or did before its time was over.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        let token = self.token.as_ref();
        self.tokens.contains_key(digest)
            || token.is_some_and(|token| token::digest(token.expose().as_bytes()) == *digest)
    }
}

/// A token of the admin API with a name of its own.
#[derive(Clone, Debug)]
pub struct AdminToken {
    /// Whose it is.
    pub name: Box<str>,
    /// What it may do.
    pub role: Role,
    /// For a viewer: the teams that it sees, with those below them.
    pub teams: Vec<String>,
    /// Unix milliseconds from which on it is no longer valid.
    pub expires_ms: Option<u64>,
}
