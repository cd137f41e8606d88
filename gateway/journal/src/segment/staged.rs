//! Closings that have their index and go with a shard's next write: an opening's, or their own.
//!
//! Must never know who waits for them. Invariants: a closing is staged, written or refused, and leaves the table of what is
//! open only once it is written; nothing is staged behind a record that is not.

use std::mem;
use std::sync::atomic::Ordering;

use super::{Files, Shard, give_back, put};
use crate::record;

/// Staged bytes beyond which nothing more is staged before they are written: closings of a hundred requests.
const STAGED_BYTES_MAX: usize = 64 << 10;

/// Closings that have their index and go with the next write.
#[derive(Default)]
pub(super) struct Staged {
    /// Whole records, one behind another.
    pub(super) bytes: Vec<u8>,
    /// Slot, index and length of each.
    list: Vec<(u32, u64, usize)>,
}

impl Staged {
    /// Whether their indices follow one another.
    fn is_row(&self) -> bool {
        let indices = self.list.iter().map(|(_, index, _)| *index);
        self.list
            .first()
            .is_some_and(|(_, first, _)| indices.zip(*first..).all(|(index, next)| index == next))
    }
}

/// A staged closing that the disk did not take.
pub(crate) struct Refused {
    pub(crate) slot: u32,
    /// An index that was taken and that no record will bear.
    pub(crate) lost: Option<u64>,
    pub(crate) record: Vec<u8>,
}

impl Shard {
    /// Takes a closing that begins with `record::start` to the next write; false if it must be written by itself.
    pub(crate) fn stage(&mut self, files: &Files, slot: u32, buf: &mut [u8]) -> bool {
        let full = self.staged.bytes.len() + buf.len() > STAGED_BYTES_MAX;
        if full || !record::fits(buf) {
            return false;
        }
        let index = files.next_index.fetch_add(1, Ordering::Relaxed);
        let framed = record::frame(buf, index);
        debug_assert!(framed, "it fits");
        self.staged.bytes.extend_from_slice(buf);
        self.staged.list.push((slot, index, buf.len()));
        true
    }

    /// Writes what is staged.
    pub(crate) fn flush(&mut self, files: &Files) {
        if self.staged.list.is_empty() {
            return;
        }
        let written = match self.make_room(files, self.staged.bytes.len() as u64) {
            Ok(()) => put(&mut self.active, &self.staged.bytes),
            Err(failure) => Err((failure, true)),
        };
        match written {
            Ok(()) => self.settle(),
            Err((_, gone)) => self.unstage(files, gone),
        }
    }

    /// The smallest index that is staged.
    pub(crate) fn staged_from(&self) -> Option<u64> {
        self.staged.list.first().map(|(_, index, _)| *index)
    }

    /// How many staged closings were written since this was asked.
    pub(crate) fn take_settled(&mut self) -> u64 {
        mem::take(&mut self.settled)
    }

    /// Staged closings that could not be written, to be tried one by one.
    pub(crate) fn take_refused(&mut self) -> Vec<Refused> {
        mem::take(&mut self.refused)
    }

    /// What was staged is on disk.
    pub(super) fn settle(&mut self) {
        if self.staged.list.is_empty() {
            return;
        }
        for (slot, _, _) in self.staged.list.drain(..) {
            self.open.remove(slot);
            self.settled += 1;
            self.records += 1;
        }
        self.bytes += self.staged.bytes.len() as u64;
        self.staged.bytes.clear();
    }

    /// What was staged is not on disk. `gone`: nothing of it is, and no index was taken behind it.
    pub(super) fn unstage(&mut self, files: &Files, gone: bool) {
        let staged = mem::take(&mut self.staged);
        let Some((_, first, _)) = staged.list.first() else {
            return;
        };
        let given_back =
            gone && staged.is_row() && give_back(files, *first, staged.list.len() as u64);
        let mut rest = &*staged.bytes;
        for (slot, index, length) in &staged.list {
            let (record, behind) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
            rest = behind;
            self.refused.push(Refused {
                slot: *slot,
                lost: (!given_back).then_some(*index),
                record: record.to_vec(),
            });
        }
    }
}
