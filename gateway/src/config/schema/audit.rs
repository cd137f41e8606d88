//! The section `audit`: where the log lies, what of prompts and replies it keeps and under which keys, and for how long.
//!
//! Knows form and defaults only. Invariant: every struct denies unknown fields.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Checkpoint, Lake, Siem};
use crate::config::each;
use crate::config::units::{Size, Span};
use crate::secret::Secret;

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

/// What of prompts and replies the audit log keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// Nothing.
    #[default]
    None,
    /// Their text, encrypted, with everything replaced that the policies find.
    Redacted,
    /// Their full text, encrypted.
    Sealed,
}

/// The keys of what is kept.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Seal {
    /// The key that wraps data keys: 32 bytes in base64, best as `file:` or from the environment. Absent, and without
    /// `command`: one is made at the first start, in the log's own directory.
    pub key: Option<Secret>,
    /// A program that wraps data keys instead, with its arguments; called with one more, `wrap` or `unwrap`.
    #[serde(deserialize_with = "each::listed")]
    pub command: Vec<String>,
    /// How long the program may take. A request waits no longer than a second for its key; then its body is not kept.
    pub timeout: Span,
    /// How long a data key is used. What was sealed under one can only be forgotten together.
    pub period: SealPeriod,
}

impl Default for Seal {
    fn default() -> Self {
        Self {
            key: None,
            command: Vec::new(),
            timeout: Span::secs(5),
            period: SealPeriod::Month,
        }
    }
}

/// How long a data key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SealPeriod {
    /// A calendar month, UTC.
    Month,
    /// A day, UTC.
    Day,
}
