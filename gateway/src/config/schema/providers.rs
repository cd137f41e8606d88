//! The section `providers`: accounts at vendors, and runtimes of one's own.
//!
//! Knows form and defaults only. Invariant: every struct denies unknown fields.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Queue, Quota};
use crate::config::each;
use crate::config::units::Span;
use crate::secret::Secret;

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
    /// Most idle connections that a worker keeps to it. How many requests it answers at a time, `limits.concurrent` says.
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
