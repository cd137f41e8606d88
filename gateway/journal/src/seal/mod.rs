//! Bodies of requests and replies: kept apart from the records that name them, encrypted, so that they can be forgotten.
//!
//! A record holds a *reference* (`Kept`); the body itself lies in a `.pay` file, encrypted with a data key of its subject
//! (a user or a key) and period. Data keys lie wrapped in `keys/`. Destroying a subject's wrapped keys destroys its bodies;
//! no record changes, so everything proven about the log still holds.
//!
//! # Directory
//!
//! ```text
//! NNNNNNNNNN-SS.pay                        bodies: N = number (10 digits, its own sequence), SS = shard (2 digits)
//! keys/kek                                 key that wraps data keys, base64, if the config names none
//! keys/fingerprint                         key of subjects and content fingerprints, base64
//! keys/<subject>/<period>-<id>.key         a wrapped data key; period is 2026-11 or 2026-11-26, id 16 hex digits
//! keys/shred/<subject>                     order to destroy a subject's keys; goes when it is done
//! ```
//!
//! **Subject**: hex of HMAC-SHA-256(fingerprint key, `user:` or `key:` and the id). **Content fingerprint**: the same over a
//! request's body as it was received, or a reply's as it was sent.
//!
//! **A key file** is one JSON object: `v` 1, `id`, `subject`, `period`, `kek` (which key wraps it), `wrapped` (text), and
//! `check`, the first 16 bytes in hex of HMAC-SHA-256(data key, `id|subject|period`). With a key of ours, `wrapped` is base64 of
//! nonce (12 bytes), AES-256-GCM ciphertext and tag, with `id|subject|period` as additional data.
//! A data key is used by one run of the gateway only, so its nonces are a counter.
//!
//! **A `.pay` file** is a header of 64 bytes (magic `yumenpay`, then as a segment's: see `record`; index fields are zero),
//! then parts. A body is one part, or a chain of them, each naming the one before; the reference names the last. Integers are
//! little-endian.
//!
//! ```text
//! offset size  part
//!      0    4  length: bytes that follow
//!      4    4  number of the part, from 0
//!      8    8  id of the data key
//!     16    8  count: the nonce is 4 zero bytes and this, big-endian
//!     24    1  direction: 1 request, 2 reply
//!     25    1  form: 1 redacted, 2 sealed
//!     26    1  packing: 0 none, 1 an LZ4 block
//!     27    1  zero
//!     28    4  bytes of plain text
//!     32    8  file number of the part before, or all ones
//!     40    8  its offset
//!     48   32  its SHA-256
//!     80    …  AES-256-GCM ciphertext and its tag of 16 bytes
//! ```
//!
//! Additional data are the first 80 bytes and the request id, so a part proves its place: request, direction, order.
//! The reference holds the SHA-256 of the whole last part, and so fixes the chain without any key.
//!
//! Must never know HTTP, policies or why a body is kept.
//! Invariants: a key file is durable before the first part that needs it is written; a part is written before the record
//! that names it; what is not kept is said in the record, never silently; no more than `PART_BYTES` of a body wait in memory.

mod body;
mod files;
mod frame;
mod kek;
mod keys;
mod opener;
mod period;
mod print;
mod shred;
#[cfg(test)]
mod tests;
mod upkeep;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use body::{Body, Kept, Reference};
pub use frame::{Direction, Form, PART_BYTES};
pub(crate) use frame::{FRAME_BYTES_MAX, before as part_before};
pub use kek::{Kek, KekError, LocalKek};
pub use keys::{DataKey, KeyError, WRAPPED_BYTES_MAX};
pub use opener::{OpenError, Opener};
pub use period::Period;
pub(crate) use print::hex32;
pub use print::{Digest, Print, Prints, Who, hex};
pub use shred::{Shredded, shred};

use super::Journal;
use super::clock::Clock;
use super::store::{DirStore, Store};
use files::Files;
use keys::Keys;

/// Name of the directory of keys.
pub const KEYS: &str = "keys";

/// What is kept, where and how much of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The log's directory.
    pub dir: PathBuf,
    /// As many as the journal has.
    pub shards: usize,
    /// A file is followed by another at this length, or at midnight UTC.
    pub file_bytes: u64,
    /// Longest body; the rest of it is cut off and said.
    pub body_bytes: u64,
    /// Bytes of all bodies together that may wait in memory; beyond it parts are written sooner.
    pub buffer_bytes: u64,
    /// Free bytes on the disk below which bodies are dropped: the records need them.
    pub room_bytes: u64,
    /// How long a data key is used.
    pub period: Period,
}

/// What was done since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Bytes of parts on disk.
    pub bytes: u64,
    /// Bodies that were not kept although they should have been.
    pub dropped: u64,
    /// Syncs and writes that failed.
    pub errors: u64,
}

/// Keeps bodies. Shared by all workers.
pub struct Bodies {
    settings: Settings,
    clock: Arc<dyn Clock>,
    files: Files,
    keys: Keys,
    prints: Prints,
    buffered: AtomicU64,
    dropped: AtomicU64,
    upkeep: upkeep::Upkeep,
}

impl Bodies {
    /// Opens the directory that `journal` holds locked. Blocks; makes the fingerprint key if there is none, destroys what was
    /// ordered to be destroyed, and starts a thread.
    ///
    /// # Errors
    /// If the directory of keys cannot be used.
    pub fn open(
        settings: Settings,
        clock: Arc<dyn Clock>,
        kek: Arc<dyn Kek>,
        journal: &Arc<Journal>,
    ) -> io::Result<Arc<Self>> {
        let store = Box::new(DirStore::new(settings.dir.clone()));
        Self::open_on(settings, clock, kek, journal, store)
    }

    fn open_on(
        settings: Settings,
        clock: Arc<dyn Clock>,
        kek: Arc<dyn Kek>,
        journal: &Arc<Journal>,
        store: Box<dyn Store>,
    ) -> io::Result<Arc<Self>> {
        let dir = settings.dir.join(KEYS);
        keys::make_dir(&dir)?;
        let prints = Prints::open(&settings.dir)?;
        let bodies = Arc::new(Self {
            files: Files::open(&settings, store)?,
            keys: Keys::new(dir, kek, settings.period),
            prints,
            buffered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            upkeep: upkeep::Upkeep::default(),
            settings,
            clock,
        });
        bodies.keys.obey()?;
        upkeep::start(&bodies, journal)?;
        Ok(bodies)
    }

    /// The keyed hashes of this directory.
    pub fn prints(&self) -> &Prints {
        &self.prints
    }

    /// The data key of a subject, if it is at hand. Never waits.
    pub fn key(&self, subject: &Digest) -> Option<Arc<DataKey>> {
        self.keys.cached(subject, self.clock.wall_ms())
    }

    /// The data key of a subject; makes one if there is none. Blocks for a disk's sync, and for whoever wraps keys:
    /// never to be called by a thread that serves.
    ///
    /// # Errors
    /// If the key could not be wrapped, or not be written durably.
    pub fn make_key(&self, subject: &Digest) -> Result<Arc<DataKey>, KeyError> {
        self.files.prepare(self.clock.wall_ms())?;
        self.keys.make(subject, self.clock.wall_ms())
    }

    /// A body that could not be kept.
    pub fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Figures for metrics.
    pub fn counters(&self) -> Counters {
        let (bytes, errors) = self.files.counters();
        Counters {
            bytes,
            errors,
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }

    /// Syncs what was written since the last time; a record that names a body should not be durable before it.
    ///
    /// # Errors
    /// If a file could not be synced: nothing more is written to it.
    pub fn sync(&self) -> io::Result<()> {
        self.files.sync()
    }
}

impl fmt::Debug for Bodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bodies")
    }
}
