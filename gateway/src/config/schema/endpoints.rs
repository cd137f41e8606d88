//! Where the gateway is reached, as it is written: TLS of the data endpoint, and the admin endpoint.
//!
//! Knows form and defaults only. Invariant: every struct denies unknown fields.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdminToken, ClientCert};
use crate::config::each;
use crate::secret::Secret;

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
