//! The section `audit.checkpoint`: when the log is signed, by which key, and where its checkpoints go.
//!
//! Knows form and defaults. Invariant: every struct denies unknown fields.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each;
use crate::config::units::Span;
use crate::secret::Secret;

/// Checkpoints of the audit log: its Merkle root, signed.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Checkpoint {
    /// A checkpoint follows an entry within this time.
    pub every: Span,
    /// And within so many entries, but no more than ten a second.
    pub entries: u64,
    /// Name of the log in its checkpoints and of the key that signs them, like `example.com/audit`. By default that of
    /// the key; a new key gets a name of its own.
    pub origin: Option<String>,
    /// The private key, `PRIVATE+KEY+name+id+base64`. By default `tree/key` in the log's directory, made at the first start.
    pub key: Option<Secret>,
    /// Second places that get every checkpoint, or the newest once they can be reached again.
    #[serde(deserialize_with = "each::listed")]
    pub anchors: Vec<Anchor>,
    /// Witnesses (C2SP tlog-witness) that are asked to cosign.
    #[serde(deserialize_with = "each::listed")]
    pub witnesses: Vec<Witness>,
}

/// A second place: one of `file`, `url` and `object`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Anchor {
    /// Checkpoints are appended to this file, relative to the working directory; best on another host's disk.
    pub file: Option<String>,
    /// Checkpoints are sent to this URL (POST, text/plain).
    pub url: Option<String>,
    /// Bearer token for the URL.
    pub token: Option<Secret>,
    /// Each checkpoint becomes an object of its own here, `<size, 20 digits>`: a bucket that lets nobody overwrite or delete
    /// keeps them. `s3://bucket/prefix`, `oss://…`, `gs://…`, `az://…`, or a directory, as for `audit.lake`.
    pub object: Option<String>,
    /// Options of the object store, as for `audit.lake`. Their values count as secrets.
    #[serde(deserialize_with = "each::named")]
    pub options: BTreeMap<String, Secret>,
}

/// A witness.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Its submission prefix: `/add-checkpoint` is appended.
    pub url: String,
    /// Its verifier key, `name+id+base64`.
    pub key: String,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self {
            every: Span::secs(10),
            entries: 4096,
            origin: None,
            key: None,
            anchors: Vec::new(),
            witnesses: Vec::new(),
        }
    }
}
