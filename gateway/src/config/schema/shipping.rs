//! Where the audit log is copied to: a lake, and security analysts' tools.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ClientTls;
use crate::config::each;
use crate::config::units::Span;
use crate::secret::Secret;

/// The lake: the log as Parquet files, one table over all replicas. Its layout: deploy/audit-table.md.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lake {
    /// `s3://bucket/prefix`, `oss://…`, `gs://…`, `az://…`, or a directory.
    pub url: String,
    /// Options of the object store, by the names of its tools: `endpoint`, `region`, `access_key_id`, `secret_access_key`
    /// (S3, OSS), `service_account_path` (GCS), `account_name`, `access_key` (Azure) and so on. Their values count as secrets.
    #[serde(default, deserialize_with = "each::named")]
    pub options: BTreeMap<String, Secret>,
    /// How old a row may become before it is there.
    #[serde(default = "five_minutes")]
    pub every: Span,
}

fn five_minutes() -> Span {
    Span::secs(300)
}

/// A tool that gets every row, in order, as soon as it is complete.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Siem {
    /// Its name in metrics, and of its cursor: a new name begins at the log's first record.
    pub name: String,
    /// How it is spoken to.
    pub kind: SiemKind,
    /// How a row is written.
    #[serde(default)]
    pub format: SiemFormat,
    /// `syslog`: `host:port`.
    pub address: Option<String>,
    /// `hec`, `http`: where to post; `hec` adds its own path if there is none.
    pub url: Option<String>,
    /// `jsonl`: the file, relative to the working directory; it may be moved away at any time.
    pub path: Option<String>,
    /// `hec`: its token. `http`: sent as bearer token.
    pub token: Option<Secret>,
    /// `hec`: wait until the indexer has it, and not only the collector.
    #[serde(default)]
    pub acknowledge: bool,
    /// `syslog`: TLS; switched off only for receivers on this machine or in a network of trust.
    #[serde(default = "yes")]
    pub encrypted: bool,
    /// TLS to it.
    #[serde(default)]
    pub tls: ClientTls,
    /// `http`: headers to add; their values count as secrets.
    #[serde(default, deserialize_with = "each::named")]
    pub headers: BTreeMap<String, Secret>,
}

fn yes() -> bool {
    true
}

/// How a tool is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SiemKind {
    /// RFC 5424 over TLS (RFC 5425).
    Syslog,
    /// Splunk's HTTP Event Collector.
    Hec,
    /// Lines by `POST`.
    Http,
    /// Lines in a file.
    Jsonl,
}

/// How a row is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SiemFormat {
    /// Our own columns.
    #[default]
    Json,
    /// OCSF 1.9.
    Ocsf,
    /// Common Event Format.
    Cef,
}
