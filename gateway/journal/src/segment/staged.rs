//! Openings and closings that have their index and go with a shard's next write: another's, or their own.
//!
//! Must never know who waits for them. Invariants: an opening is open from when it is staged until it is closed or refused; a
//! closing is staged, written or refused, and its opening leaves the table of what is open only once it is written; nothing
//! is staged behind a record that is not.

use std::mem;
use std::sync::atomic::Ordering;

use super::{Failure, Files, Place, Shard, give_back, put};
use crate::record;

/// Staged bytes beyond which nothing more is staged before they are written: records of a hundred requests.
const STAGED_BYTES_MAX: usize = 64 << 10;

/// Records that have their index and go with the next write.
#[derive(Default)]
pub(super) struct Staged {
    /// Whole records, one behind another.
    pub(super) bytes: Vec<u8>,
    list: Vec<Record>,
}

/// A staged record.
struct Record {
    opens: bool,
    slot: u32,
    index: u64,
    bytes: usize,
}

impl Staged {
    fn note(&mut self, opens: bool, slot: u32, index: u64, bytes: usize) {
        self.list.push(Record {
            opens,
            slot,
            index,
            bytes,
        });
    }

    /// Whether their indices follow one another.
    fn is_row(&self) -> bool {
        let indices = self.list.iter().map(|record| record.index);
        self.list.first().is_some_and(|first| {
            indices
                .zip(first.index..)
                .all(|(index, next)| index == next)
        })
    }
}

/// A staged record that the disk did not take.
pub(crate) struct Refused {
    /// An index that was taken and that no record will bear.
    pub(crate) lost: Option<u64>,
    pub(crate) fate: Fate,
}

/// What becomes of a refused record.
pub(crate) enum Fate {
    /// An opening: it is no longer open, and its request may not pass.
    Opening,
    /// The closing of an opening that was refused along with it: nothing.
    OfRefused,
    /// A closing, to be written once more: slot and record.
    Closing(u32, Vec<u8>),
}

impl Shard {
    /// Takes an opening that begins with `record::start` to the next write: its index and place. `None` if it must be written
    /// by itself.
    pub(crate) fn stage_opening(&mut self, files: &Files, buf: &mut [u8]) -> Option<(u64, Place)> {
        let index = self.stage(files, buf)?;
        let place = self.opened(index);
        self.staged.note(true, place.slot, index, buf.len());
        Some((index, place))
    }

    /// The same of the closing of the opening in `slot`; false if it must be written by itself.
    pub(crate) fn stage_closing(&mut self, files: &Files, slot: u32, buf: &mut [u8]) -> bool {
        let Some(index) = self.stage(files, buf) else {
            return false;
        };
        self.staged.note(false, slot, index, buf.len());
        true
    }

    fn stage(&mut self, files: &Files, buf: &mut [u8]) -> Option<u64> {
        let full = self.staged.bytes.len() + buf.len() > STAGED_BYTES_MAX;
        if full || !record::fits(buf) {
            return None;
        }
        let index = files.next_index.fetch_add(1, Ordering::Relaxed);
        let framed = record::frame(buf, index);
        debug_assert!(framed, "it fits");
        self.staged.bytes.extend_from_slice(buf);
        Some(index)
    }

    /// Writes what is staged. What the disk does not take is refused.
    pub(crate) fn flush(&mut self, files: &Files) -> Result<(), Failure> {
        if self.staged.list.is_empty() {
            return Ok(());
        }
        let mut written = self.flush_once(files);
        if let Err((failure, true)) = &written
            && failure.is_of_the_file()
        {
            written = self.flush_once(files);
        }
        match written {
            Ok(()) => {
                self.settle();
                Ok(())
            }
            Err((failure, gone)) => {
                self.unstage(files, gone);
                Err(failure)
            }
        }
    }

    /// With a failure comes whether nothing is left of it.
    fn flush_once(&mut self, files: &Files) -> Result<(), (Failure, bool)> {
        self.make_room(files, self.staged.bytes.len() as u64)
            .map_err(|failure| (failure, true))?;
        put(&mut self.active, &self.staged.bytes)
    }

    /// The smallest index that is staged.
    pub(crate) fn staged_from(&self) -> Option<u64> {
        self.staged.list.first().map(|record| record.index)
    }

    /// How many staged closings were written since this was asked.
    pub(crate) fn take_settled(&mut self) -> u64 {
        mem::take(&mut self.settled)
    }

    /// What was staged and could not be written, in order.
    pub(crate) fn take_refused(&mut self) -> Vec<Refused> {
        mem::take(&mut self.refused)
    }

    /// What was staged is on disk.
    pub(super) fn settle(&mut self) {
        if self.staged.list.is_empty() {
            return;
        }
        for record in self.staged.list.drain(..) {
            if !record.opens {
                self.open.remove(record.slot);
                self.settled += 1;
            }
            self.records += 1;
        }
        self.bytes += self.staged.bytes.len() as u64;
        self.staged.bytes.clear();
    }

    /// What was staged is not on disk. `gone`: nothing of it is, and no index was taken behind it.
    pub(super) fn unstage(&mut self, files: &Files, gone: bool) {
        let staged = mem::take(&mut self.staged);
        let Some(first) = staged.list.first() else {
            return;
        };
        let count = staged.list.len() as u64;
        let given_back = gone && staged.is_row() && give_back(files, first.index, count);
        let mut rest = &*staged.bytes;
        for record in &staged.list {
            let (bytes, behind) = rest.split_at_checked(record.bytes).unwrap_or((rest, &[]));
            rest = behind;
            let fate = if record.opens {
                self.open.remove(record.slot);
                Fate::Opening
            } else if self.open.is_free(record.slot) {
                Fate::OfRefused
            } else {
                Fate::Closing(record.slot, bytes.to_vec())
            };
            let lost = (!given_back).then_some(record.index);
            self.refused.push(Refused { lost, fate });
        }
    }
}
