//! What can be said about the gateway itself: changes of its config, accesses to the log, what became of the log.
//!
//! Must never know who may do what: it is told after the fact, or just before it.
//! Invariants as in `payload`: every string is cut to a stated number of escaped bytes; fields that would be empty are left out.

use serde::{Deserialize, Serialize};

use super::payload::{names, short};

/// Longest detail of an event, in escaped bytes.
const DETAIL_BYTES_MAX: usize = 4096;

/// Something that happened to the gateway itself.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Event<'a> {
    /// What happened.
    pub what: What,
    /// Who caused it; empty for the gateway itself.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub actor: &'a str,
    /// Where he sat: an address, or the name of a tool.
    #[serde(
        serialize_with = "short::<64, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub origin: &'a str,
    /// Fingerprint of the config in force after it.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub config: &'a str,
    /// Fingerprint of the config in force before it.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub before: &'a str,
    /// Names it is about: sections of a config, ids of keys. At most 32; the rest is counted.
    #[serde(serialize_with = "names", skip_serializing_if = "<[_]>::is_empty")]
    pub names: &'a [&'a str],
    /// Pseudonym of the subject it is about, as records bear it.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub subject: &'a str,
    /// Index of the record it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// `retired`: records below this index may be gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<u64>,
    /// How many: results of a search, keys that were destroyed, attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// `clock_step`: by how much the wall clock was moved, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_ms: Option<i64>,
    /// A sentence for people. Never a secret or a value that was found.
    #[serde(
        serialize_with = "short::<DETAIL_BYTES_MAX, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub detail: &'a str,
    /// The reason that the actor gave.
    #[serde(
        serialize_with = "short::<1024, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub reason: &'a str,
    /// Name of the inbox file it came by; two events with one ticket are one (see `inbox`).
    #[serde(
        serialize_with = "short::<64, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub ticket: &'a str,
    /// When the tool that put it there asked, ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<i64>,
}

/// Kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The gateway serves.
    #[default]
    Start,
    /// The gateway ends.
    Stop,
    /// It takes no new requests.
    Drain,
    /// A config was read again and refused; the one in force stays.
    Reload,
    /// The config in force changed; `names` are its sections that did.
    ConfigChange,
    /// Keys or teams were added, removed or changed; `names` are their ids.
    KeyChange,
    /// Models came to a provider's own list, or went; `names` are theirs.
    Models,
    /// Somebody came in at the admin endpoint or the console.
    Login,
    /// Somebody was refused there.
    LoginFailed,
    /// Somebody read or changed something through the admin API.
    AdminAccess,
    /// The log was searched or read.
    Search,
    /// A payload was unsealed; `reason` says why.
    Unseal,
    /// The keys of a subject's payloads were destroyed.
    Shred,
    /// A part of the log was exported.
    Export,
    /// The key that signs checkpoints was made or changed.
    CheckpointKey,
    /// Payloads were left out for want of room, or are kept again.
    PayloadDropped,
    /// Payloads were deleted because their time was over.
    PayloadRetired,
    /// Segments below `below` may be gone; written by the journal.
    Retired,
    /// The wall clock was set; written by the journal.
    ClockStep,
    /// The journal was opened after an earlier run; written by the journal.
    Recovery,
    /// The journal accepts requests again; written by the journal.
    Resumed,
    /// A segment could not be synced; written by the journal.
    SyncFailed,
    /// A file of the inbox was no event and was set aside; written by the journal.
    InboxRefused,
}

impl What {
    /// Whether a tool beside the gateway may say it. The rest is the gateway's and the journal's own: an event that makes a
    /// missing segment look retired must not come from outside.
    pub(super) fn is_for_tools(self) -> bool {
        match self {
            Self::KeyChange
            | Self::Login
            | Self::LoginFailed
            | Self::AdminAccess
            | Self::Search
            | Self::Unseal
            | Self::Shred
            | Self::Export
            | Self::CheckpointKey => true,
            Self::Start
            | Self::Stop
            | Self::Drain
            | Self::Reload
            | Self::ConfigChange
            | Self::Models
            | Self::PayloadDropped
            | Self::PayloadRetired
            | Self::Retired
            | Self::ClockStep
            | Self::Recovery
            | Self::Resumed
            | Self::SyncFailed
            | Self::InboxRefused => false,
        }
    }
}
