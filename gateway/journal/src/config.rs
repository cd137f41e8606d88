//! What the journal is told when it is opened, and what it answers when it cannot do its work.
//!
//! Must never know the shape of the gateway's config file.
//! Invariants: a config that passes `check` keeps the promises of threats.md section 9.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::commit::Durability;
use super::payload::CLOSING_ROOM;

/// Most shards: their number has two digits in a file name.
pub const SHARDS_MAX: usize = 64;

/// Where and how to write.
#[derive(Debug, Clone)]
pub struct Config {
    /// Directory; made if it does not exist.
    pub dir: PathBuf,
    /// One for each worker thread, 1 to `SHARDS_MAX`.
    pub shards: usize,
    /// A segment is followed by another at this length.
    pub segment_bytes: u64,
    /// Room kept for closings; bounds the entries that are open to `reserve_bytes / CLOSING_ROOM`.
    pub reserve_bytes: u64,
    /// What a record survives before its request goes on.
    pub durability: Durability,
    /// Time between two syncs; threats.md promises one within a second.
    pub sync_every: Duration,
}

impl Config {
    /// The defaults of threats.md section 9: segments of 128 MiB, 64 MiB reserve, a sync within a second.
    pub fn new(dir: impl Into<PathBuf>, shards: usize) -> Self {
        Self {
            dir: dir.into(),
            shards,
            segment_bytes: 128 << 20,
            reserve_bytes: 64 << 20,
            durability: Durability::Written,
            sync_every: Duration::from_millis(500),
        }
    }
}

/// Why the journal could not do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The disk has no room. Passes by itself.
    Full,
    /// The disk fails.
    Failed,
    /// A sync takes too long. Passes by itself.
    Slow,
    /// As many entries are open as the reserve can close.
    TooManyOpen,
    /// `shutdown` was called.
    Stopped,
    /// Another process writes this directory.
    Locked,
    /// The config makes no sense.
    Config(&'static str),
    /// The directory cannot be used.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("audit journal: disk full"),
            Self::Failed => f.write_str("audit journal: disk fails"),
            Self::Slow => f.write_str("audit journal: disk too slow"),
            Self::TooManyOpen => f.write_str("audit journal: too many requests in flight"),
            Self::Stopped => f.write_str("audit journal: stopped"),
            Self::Locked => f.write_str("audit journal: directory in use by another process"),
            Self::Config(what) => write!(f, "audit journal: {what}"),
            Self::Io(error) => write!(f, "audit journal: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Refuses a config that would break a promise.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    if config.shards == 0 || config.shards > SHARDS_MAX {
        return Err(Error::Config("shards must be 1 to 64"));
    }
    if config.reserve_bytes < CLOSING_ROOM {
        return Err(Error::Config("the reserve is smaller than one closing"));
    }
    if config.sync_every.is_zero() || config.sync_every > Duration::from_secs(1) {
        return Err(Error::Config("a sync must follow within a second"));
    }
    Ok(())
}
