//! Room on the disk for the closings of what is already open.
//!
//! A file of zeros is kept beside the segments. Every entry that is opened counts `CLOSING_ROOM` bytes of it as taken, so
//! there is never more open than can be closed. When the disk is full, closings cut steps off the file and use the blocks
//! that frees. (Another process may snatch them; that is why only a step is freed at a time.) When space is back, the file
//! is filled again before any request is admitted.
//!
//! Must never know what is written into the room.
//! Invariants: openings never use the reserve; `taken <= file length when whole / CLOSING_ROOM`.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::payload::CLOSING_ROOM;
use super::store::Store;

/// Name of the file.
const RESERVE: &str = "RESERVE";
/// Name of the scratch file that asks whether the disk takes bytes.
const PROBE: &str = "PROBE";
/// Bytes of the scratch file: room for a few openings beyond the reserve.
const PROBE_BYTES: u64 = 64 << 10;
/// In how many steps the reserve is given out and filled.
const STEPS: u64 = 64;

pub(super) struct Reserve {
    whole_bytes: u64,
    /// Length of the file.
    left: Mutex<u64>,
    /// Entries that are open.
    taken: AtomicU64,
}

impl Reserve {
    /// A reserve whose file is as long as `left_bytes`; `refill` makes it whole.
    pub(super) fn new(whole_bytes: u64, left_bytes: u64) -> Self {
        Self {
            whole_bytes,
            left: Mutex::new(left_bytes.min(whole_bytes)),
            taken: AtomicU64::new(0),
        }
    }

    /// Bytes the file has in this directory.
    pub(super) fn found(dir: &std::path::Path) -> u64 {
        std::fs::metadata(dir.join(RESERVE)).map_or(0, |meta| meta.len())
    }

    /// Takes the room of one closing; false if everything is taken.
    pub(super) fn take(&self) -> bool {
        let room = self.whole_bytes / CLOSING_ROOM;
        if self.taken.fetch_add(1, Ordering::Relaxed) < room {
            return true;
        }
        self.give_back(1);
        false
    }

    /// So many closings are on disk, or their openings never were.
    pub(super) fn give_back(&self, closings: u64) {
        if closings > 0 {
            self.taken.fetch_sub(closings, Ordering::Relaxed);
        }
    }

    /// Entries that are open.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Frees one step of the file; false if nothing is left or the file system refuses even that.
    pub(super) fn release(&self, store: &dyn Store) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if *left == 0 {
            return false;
        }
        let shorter = left.saturating_sub(self.step_bytes());
        let freed = store.shrink(RESERVE, shorter).is_ok();
        if freed {
            *left = shorter;
        }
        freed
    }

    /// Somebody removes files: it is looked after before anything is admitted again.
    pub(super) fn doubt(&self) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }

    /// Makes the file whole again, step by step so that a closing never waits for long, and tries some bytes beyond it.
    pub(super) fn refill(&self, store: &dyn Store) -> io::Result<()> {
        loop {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            if *left >= self.whole_bytes {
                break;
            }
            let longer = (*left + self.step_bytes()).min(self.whole_bytes);
            store.fill(RESERVE, longer)?;
            *left = longer;
        }
        let probed = store.fill(PROBE, PROBE_BYTES);
        store.remove(PROBE)?;
        probed
    }

    fn step_bytes(&self) -> u64 {
        (self.whole_bytes / STEPS).max(CLOSING_ROOM)
    }
}
