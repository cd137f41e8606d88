//! The journal: what passed the gate is written down before it passes.
//!
//! `begin` returns once the opening record is in the kernel's hands (`write(2)`), and not before: a crash of the process
//! loses nothing that was acknowledged; a background thread syncs within a second, or, with `Durability::Synced`, at once,
//! and `Durable` says when (see `commit`). Whatever happens to an `Entry` afterwards,
//! its closing follows: `close` writes it, `Drop` writes it with outcome `abandoned`, and after a crash the next `open`
//! writes it with outcome `crashed`. If an opening cannot be written the request must be refused; there is no way around it.
//!
//! The format on disk is told in `record`; what can be said, in `payload`; how a disk that fails is met, in `segment`
//! and `upkeep`. Sealing, the tree, the index and exports read segments and stand beside this path, not in it.
//!
//! Must never know HTTP, tokio, policies or the config's shape.
//! Invariants: at most `reserve_bytes / CLOSING_ROOM` entries are open; a closing is on disk, or in memory until the disk
//! takes it, or its opening is found open at the next start; no thread waits for a sync except in a rotation that
//! outran the background thread by far, or follows a failed write.

pub mod clock;
mod commit;
mod config;
mod entry;
mod event;
pub mod follow;
pub mod inbox;
pub mod index;
pub mod inert;
pub mod join;
mod line;
mod payload;
pub mod read;
pub mod record;
mod recover;
mod reserve;
mod retire;
pub mod row;
pub mod rows;
mod scan;
pub mod seal;
mod segment;
pub mod siem;
mod store;
#[cfg(test)]
pub(crate) mod tests;
pub mod tree;
mod upkeep;
pub mod utc;
pub mod verify;

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use clock::Clock;
use commit::Commit;
pub use commit::{Durability, Durable};
use config::check;
pub use config::{Config, Error, SHARDS_MAX};
pub use entry::Entry;
pub use event::{Event, What};
use line::Fields;
pub use payload::{
    Asker, Attempt, CLOSING_ROOM, Closing, Denial, Found, ID_BYTES_MAX, Judgement, Moment, Opening,
    Outcome, Tokens,
};
pub use record::Kind;
pub use recover::{Damage, Recovery};
use reserve::Reserve;
pub use retire::{Retention, Retired};
use segment::{Failure, Files, Shard};
use store::{DirStore, Store};

/// Name of the lock file.
const LOCK: &str = "LOCK";
/// Largest buffer a thread keeps between records.
const KEPT_BUFFER_BYTES: usize = 16 << 10;
/// Stretches of lost indices remembered until they can be written; what is beyond, recovery finds as a gap.
const LOST_MAX: usize = 1024;

/// Whether the journal takes openings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does.
    Ok,
    /// No room: refuses until there is some.
    Full,
    /// Writes fail or a sync takes too long (refuses until they work again), or a sync failed (refuses until a restart).
    Failed,
}

/// What the journal did since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Records written.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Writes and syncs that failed.
    pub errors: u64,
    /// Openings and denials that were refused.
    pub refused: u64,
    /// Entries that are open.
    pub open: u64,
    /// Closings in memory that the disk did not take yet.
    pub waiting: u64,
    /// Wall time of the last sync that found nothing wrong, ms since 1970.
    pub last_sync_ms: i64,
}

/// An append-only log in a directory, one writer. Shared by all workers.
pub struct Journal {
    dir: PathBuf,
    files: Files,
    shards: Vec<Mutex<Shard>>,
    clock: Arc<dyn Clock>,
    reserve: Reserve,
    /// The largest frontier told so far.
    frontier: AtomicU64,
    /// `Health` as a number.
    health: AtomicU8,
    stopped: AtomicBool,
    errors: AtomicU64,
    refused: AtomicU64,
    last_sync_ms: AtomicI64,
    /// Closings that the disk did not take; each holds its room in the reserve, which bounds them.
    waiting: Mutex<VecDeque<Waiting>>,
    /// Indices that no record bears and no `lost` record names yet: first and count.
    lost: Mutex<Vec<(u64, u64)>>,
    durability: Durability,
    commit: Arc<Commit>,
    /// What lies beside the records and must be as durable as they are.
    beside: OnceLock<Box<dyn Fn() + Send + Sync>>,
    bell: Arc<upkeep::Bell>,
    keeper: Mutex<upkeep::Keeper>,
    _lock: File,
}

/// How the disk behaves. Grows worse at once, better only by `Journal::probe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Health {
    Good = 0,
    Full = 1,
    Broken = 2,
    /// A sync failed: bytes that were acknowledged may be gone after a power cut. Only a restart ends this.
    Unsynced = 3,
}

/// A closing that waits for the disk.
struct Waiting {
    shard: usize,
    slot: u32,
    record: Vec<u8>,
}

thread_local! {
    /// Where this thread builds records, so that none is allocated.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Journal {
    /// Opens a directory, settles what an earlier run left, and begins to write. Blocks; call it before serving.
    pub fn open(config: Config, clock: Arc<dyn Clock>) -> Result<(Arc<Self>, Recovery), Error> {
        let store = Box::new(DirStore::new(config.dir.clone()));
        Self::open_on(config, clock, store)
    }

    fn open_on(
        config: Config,
        clock: Arc<dyn Clock>,
        store: Box<dyn Store>,
    ) -> Result<(Arc<Self>, Recovery), Error> {
        check(&config)?;
        let lock = lock_dir(&config.dir)?;
        let survey = recover::survey(&config.dir)?;
        let files = Files {
            store,
            clock: Arc::clone(&clock),
            next_index: AtomicU64::new(survey.found.next_index),
            taken_to: Mutex::new(0),
            given_back: AtomicU64::new(0),
            next_number: AtomicU64::new(survey.next_number),
            epoch: survey.found.epoch,
            segment_bytes: config.segment_bytes,
            grows_on: config.durability == Durability::Synced,
        };
        // One file takes one sync; with several, a group commit would be one after another.
        let shards = match config.durability {
            Durability::Written => config.shards,
            Durability::Synced => 1,
        };
        let shards = (0..shards)
            .map(|number| Mutex::new(Shard::new(u32::try_from(number).unwrap_or(u32::MAX))))
            .collect();
        let found_bytes = Reserve::found(&config.dir);
        let journal = Arc::new(Self {
            dir: config.dir,
            files,
            shards,
            reserve: Reserve::new(config.reserve_bytes, found_bytes),
            frontier: AtomicU64::new(0),
            health: AtomicU8::new(Health::Good as u8),
            stopped: AtomicBool::new(false),
            errors: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            last_sync_ms: AtomicI64::new(clock.wall_ms()),
            waiting: Mutex::default(),
            lost: Mutex::default(),
            durability: config.durability,
            commit: Arc::default(),
            beside: OnceLock::new(),
            bell: Arc::default(),
            keeper: Mutex::default(),
            clock,
            _lock: lock,
        });
        journal.write_recovery(&survey)?;
        for shard in &journal.shards {
            locked(shard).begin_first(&journal.files)?;
        }
        if let Err(error) = journal.reserve.refill(&*journal.files.store) {
            // Starting without the reserve is starting full: nothing is admitted until it is whole.
            journal.worsen(Health::Full);
            drop(error);
        }
        upkeep::start(&journal, config.sync_every)?;
        Ok((journal, survey.found))
    }

    /// Makes the opening record of a request. It may share a write with others of its turn: nothing may go upstream before
    /// [`Entry::durable`] has resolved, and nothing at all if that is an error.
    /// On any error the request must be refused (503, reason `audit_unavailable`).
    pub fn begin(self: &Arc<Self>, shard: usize, opening: &Opening<'_>) -> Result<Entry, Error> {
        self.admit()?;
        if !self.reserve.take() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::TooManyOpen);
        }
        let shard = shard % self.shards.len().max(1);
        let written = self.with_record(Kind::Opened, None, &[opening], |record| {
            if self.durability == Durability::Written
                && let Some(noted) = self.shard(shard)?.stage_opening(&self.files, record)
            {
                return Ok(noted);
            }
            self.append(shard, record, |writer, index| (index, writer.opened(index)))
        });
        match written {
            Ok(noted) => {
                self.want_durable(noted.0);
                Ok(Entry::new(Arc::clone(self), shard, noted, opening.who.id))
            }
            Err(failure) => {
                self.reserve.give_back(1);
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(self.fails(&failure))
            }
        }
    }

    /// Writes the one record of a request that was refused before any upstream was chosen; returns its index.
    pub fn deny(&self, shard: usize, denial: &Denial<'_>) -> Result<u64, Error> {
        self.admit()?;
        let written = self.write(shard, Kind::Denied, denial);
        match &written {
            Ok(index) => self.want_durable(*index),
            Err(_) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        written
    }

    /// Writes down an event of the gateway itself; returns its index. Tried even while requests are refused.
    pub fn note(&self, event: &Event<'_>) -> Result<u64, Error> {
        self.write(0, Kind::Event, event)
    }

    /// Every index below this one is on disk or will never be: how far a reader of the files may go. Never goes back.
    ///
    /// Whoever holds an index below the counter holds his shard's lock until his write is over, or has left it there for
    /// the next write, so passing through each lock once tells of all of them. An index that was given back meanwhile may be in other hands: then again.
    pub fn frontier(&self) -> u64 {
        /// Only a disk that fails gives indices back; it then gets the answer of last time.
        const TRIES: usize = 8;
        for _ in 0..TRIES {
            let before = self.files.given_back.load(Ordering::Acquire);
            let mut next = self.files.next_index.load(Ordering::Relaxed);
            for shard in &self.shards {
                next = next.min(locked(shard).staged_from().unwrap_or(next));
            }
            if self.files.given_back.load(Ordering::Acquire) == before {
                self.frontier.fetch_max(next, Ordering::Relaxed);
                break;
            }
        }
        self.frontier.load(Ordering::Relaxed)
    }

    /// Every index below this one is on disk, synced, or will never be: what may be signed. Never goes back, and stays
    /// where it is once a sync failed.
    pub fn synced_frontier(&self) -> u64 {
        self.commit.durable_to()
    }

    /// Syncs by `sync` whatever records name beside the segments, each time before records count as durable. Once only.
    pub(crate) fn syncs_beside(&self, sync: impl Fn() + Send + Sync + 'static) {
        let _ = self.beside.set(Box::new(sync));
    }

    /// Whether openings are taken: for readiness.
    pub fn state(&self) -> State {
        match self.health() {
            Health::Good if self.commit.is_slow() => State::Failed,
            Health::Good => State::Ok,
            Health::Full => State::Full,
            Health::Broken | Health::Unsynced => State::Failed,
        }
    }

    /// Figures for metrics.
    pub fn counters(&self) -> Counters {
        let mut counters = Counters {
            errors: self.errors.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            open: self.reserve.taken(),
            waiting: locked(&self.waiting).len() as u64,
            last_sync_ms: self.last_sync_ms.load(Ordering::Relaxed),
            ..Counters::default()
        };
        for shard in &self.shards {
            let shard = locked(shard);
            counters.records += shard.records;
            counters.bytes += shard.bytes;
        }
        counters
    }

    fn admit(&self) -> Result<(), Error> {
        let refusal = if self.stopped.load(Ordering::Relaxed) {
            Error::Stopped
        } else {
            match self.health() {
                Health::Good if !self.commit.is_slow() => return Ok(()),
                Health::Good => Error::Slow,
                Health::Full => Error::Full,
                Health::Broken | Health::Unsynced => Error::Failed,
            }
        };
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(refusal)
    }

    fn write(&self, shard: usize, kind: Kind, payload: &dyn Fields) -> Result<u64, Error> {
        self.with_record(kind, None, &[payload], |record| {
            self.append(shard, record, |_, index| index)
        })
        .map_err(|failure| self.fails(&failure))
    }

    /// Writes a record, and the closings that wait for a write along with it.
    fn append<T>(
        &self,
        shard: usize,
        record: &mut [u8],
        then: impl FnOnce(&mut Shard, u64) -> T,
    ) -> Result<T, Failure> {
        let mut writer = self.shard(shard)?;
        let appended = writer.append(&self.files, record);
        let done = appended.map(|index| then(&mut writer, index));
        let settled = writer.take_settled();
        drop(writer);
        self.reserve.give_back(settled);
        done
    }

    /// Builds a record in this thread's buffer and hands it, without its index, to `append`.
    fn with_record<T>(
        &self,
        kind: Kind,
        at: Option<Moment>,
        parts: &[&dyn Fields],
        append: impl FnOnce(&mut Vec<u8>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        // A thread that is ending may have no buffer any more: its entries are closed all the same.
        let mut buf = BUFFER.try_with(Cell::take).unwrap_or_default();
        let at = at.unwrap_or_else(|| self.now());
        payload::encode(&mut buf, kind, at, parts);
        let done = append(&mut buf);
        if buf.capacity() <= KEPT_BUFFER_BYTES {
            // Without a place to keep it the buffer is freed, which is all there is to do.
            let _ = BUFFER.try_with(|kept| kept.set(buf));
        }
        done
    }

    /// Takes note of a write that failed, and says what to tell the caller.
    fn fails(&self, failure: &Failure) -> Error {
        self.errors.fetch_add(1, Ordering::Relaxed);
        if let Some(index) = failure.lost {
            self.remember_lost(index);
        }
        if failure.full {
            self.worsen(Health::Full);
            Error::Full
        } else {
            self.worsen(Health::Broken);
            Error::Failed
        }
    }

    fn remember_lost(&self, index: u64) {
        let mut lost = locked(&self.lost);
        if let Some((_, count)) = lost
            .last_mut()
            .filter(|(first, count)| first + *count == index)
        {
            *count += 1;
        } else if lost.len() < LOST_MAX {
            lost.push((index, 1));
        }
    }

    fn worsen(&self, health: Health) {
        self.health.fetch_max(health as u8, Ordering::Relaxed);
    }

    fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Good,
            1 => Health::Full,
            2 => Health::Broken,
            _ => Health::Unsynced,
        }
    }

    fn now(&self) -> Moment {
        Moment {
            wall_ms: self.clock.wall_ms(),
            mono_ns: self.clock.mono_ns(),
        }
    }

    fn shard(&self, shard: usize) -> Result<MutexGuard<'_, Shard>, Failure> {
        self.shards
            .get(shard % self.shards.len().max(1))
            .map(locked)
            .ok_or(Failure::BUG)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Journal({:?})", self.state())
    }
}

fn lock_dir(dir: &Path) -> Result<File, Error> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(dir.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::Locked),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// A lock whose holder panicked guards data that is still in order: every change under it is complete or undone.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
