//! What can be said about the gateway itself: changes of its config, accesses to the log, what became of the log.
//!
//! Must never know who may do what: it is told after the fact, or just before it.
//! Invariants as in `payload`: every string is cut to a stated number of escaped bytes; fields that would be empty are left out.

use serde::{Deserialize, Serialize};

use super::line::{Fields, Object, key};
use super::payload::POLICIES_MAX;

/// Longest detail of an event, in escaped bytes.
const DETAIL_BYTES_MAX: usize = 4096;

/// Something that happened to the gateway itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Event<'a> {
    /// What happened.
    pub what: What,
    /// Who caused it; empty for the gateway itself.
    pub actor: &'a str,
    /// Where he sat: an address, or the name of a tool.
    pub origin: &'a str,
    /// Fingerprint of the config in force after it.
    pub config: &'a str,
    /// Fingerprint of the config in force before it.
    pub before: &'a str,
    /// Names it is about: sections of a config, ids of keys. At most 32; the rest is counted.
    pub names: &'a [&'a str],
    /// Pseudonym of the subject it is about, as records bear it.
    pub subject: &'a str,
    /// Index of the record it is about.
    pub entry: Option<u64>,
    /// `retired`: records below this index may be gone.
    pub below: Option<u64>,
    /// How many: results of a search, keys that were destroyed, attempts.
    pub count: Option<u64>,
    /// `clock_step`: by how much the wall clock was moved, in ms.
    pub by_ms: Option<i64>,
    /// A sentence for people. Never a secret or a value that was found.
    pub detail: &'a str,
    /// The reason that the actor gave.
    pub reason: &'a str,
    /// Name of the inbox file it came by; two events with one ticket are one (see `inbox`).
    pub ticket: &'a str,
    /// When the tool that put it there asked, ms since 1970.
    pub asked_at: Option<i64>,
}

impl Fields for Event<'_> {
    fn write(&self, to: &mut Object<'_>) {
        self.write_with(to, POLICIES_MAX);
    }
}

impl Event<'_> {
    /// Adds its fields, at most so many names among them.
    pub(super) fn write_with(&self, to: &mut Object<'_>, names: usize) {
        to.tag(key!("what"), &self.what);
        to.text(key!("actor"), self.actor, 128);
        to.text(key!("origin"), self.origin, 64);
        to.text(key!("config"), self.config, 128);
        to.text(key!("before"), self.before, 128);
        to.names(key!("names"), self.names, names);
        to.text(key!("subject"), self.subject, 128);
        to.maybe(key!("entry"), self.entry);
        to.maybe(key!("below"), self.below);
        to.maybe(key!("count"), self.count);
        if let Some(ms) = self.by_ms {
            to.signed(key!("by_ms"), ms);
        }
        to.text(key!("detail"), self.detail, DETAIL_BYTES_MAX);
        to.text(key!("reason"), self.reason, 1024);
        to.text(key!("ticket"), self.ticket, 64);
        if let Some(ms) = self.asked_at {
            to.signed(key!("asked_at"), ms);
        }
    }
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
