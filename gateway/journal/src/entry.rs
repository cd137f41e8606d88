//! An open request, and how its closing record comes to be written whatever happens.
//!
//! Must never know why a request ended: it is told.
//! Invariants: one closing for each entry whose opening stands, by `close` or by `Drop`, and none for others; closings may
//! use the reserve, openings never.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::payload::{self, CLOSING_ROOM, Closes, Closing, ID_BYTES_MAX, Outcome};
use super::record::Kind;
use super::segment::{Fate, Place};
use super::{Durability, Durable, Journal, Waiting, locked};

/// A request that is written down as open. Closing it, or dropping it, writes its closing record.
///
/// Small enough to live in a request's state and to be moved freely; may be closed from any thread.
pub struct Entry {
    journal: Arc<Journal>,
    index: u64,
    place: Place,
    shard: u8,
    id_bytes: u8,
    id: [u8; ID_BYTES_MAX],
}

const _: () = assert!(size_of::<Entry>() <= 64);

/// Slot of an entry whose closing is written or staged.
const CLOSED: u32 = u32::MAX;

impl Entry {
    pub(super) fn new(
        journal: Arc<Journal>,
        shard: usize,
        (index, place): (u64, Place),
        id: &str,
    ) -> Self {
        let text = payload::short_id(id).as_bytes();
        let mut id = [0; ID_BYTES_MAX];
        for (to, from) in id.iter_mut().zip(text) {
            *to = *from;
        }
        Self {
            journal,
            index,
            place,
            // Both fit: SHARDS_MAX and ID_BYTES_MAX are below 256.
            shard: u8::try_from(shard).unwrap_or(0),
            id_bytes: u8::try_from(text.len()).unwrap_or(0),
            id,
        }
    }

    /// Index of the opening record.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Request id, as the records bear it.
    pub fn id(&self) -> &str {
        let bytes = self
            .id
            .get(..usize::from(self.id_bytes))
            .unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }

    /// Resolves when the opening is as durable as the config asks; to be awaited before the first byte goes upstream. An
    /// error: it is not on disk, and the request may not pass.
    pub fn durable(&self) -> Durable {
        match self.journal.durability {
            Durability::Written => {
                Durable::opening(Arc::clone(&self.journal), self.shard, self.place)
            }
            Durability::Synced => self.journal.durable(Some(self.index)),
        }
    }

    /// Writes the closing record; what it returns resolves when that is as durable as the config asks, and writes it when
    /// it is dropped, if nobody else has. Nothing can be done about a failure here: the journal keeps the record until it
    /// is written.
    pub fn close(mut self, closing: &Closing<'_>) -> Durable {
        let ended = match self.journal.durability {
            Durability::Written => {
                if self.journal.stage_closing(&self, closing) {
                    Durable::turn(Arc::clone(&self.journal), self.shard)
                } else {
                    Durable::NOW
                }
            }
            Durability::Synced => {
                let index = self.journal.write_closing(&self, closing);
                self.journal.durable(index)
            }
        };
        self.place.slot = CLOSED;
        ended
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.place.slot == CLOSED {
            return;
        }
        let abandoned = Closing {
            outcome: Outcome::Abandoned,
            ..Closing::default()
        };
        self.journal.write_closing(self, &abandoned);
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({})", self.index)
    }
}

impl Journal {
    /// Writes a closing, from the reserve if need be, and returns its index; keeps it in memory if the disk refuses even so.
    fn write_closing(&self, entry: &Entry, closing: &Closing<'_>) -> Option<u64> {
        let (shard, place) = (usize::from(entry.shard), entry.place);
        if !self.stands(shard, place) {
            return None;
        }
        self.with_closing(entry, closing, |record| {
            self.close_alone(shard, place.slot, record)
        })
    }

    /// Leaves a closing to the next write to its shard; false if there is nothing to wait for.
    fn stage_closing(&self, entry: &Entry, closing: &Closing<'_>) -> bool {
        let (shard, place) = (usize::from(entry.shard), entry.place);
        let mut staged = false;
        self.with_closing(entry, closing, |record| {
            staged = self.shard(shard).is_ok_and(|mut writer| {
                writer.stands(place) && writer.stage_closing(&self.files, place.slot, record)
            });
            if staged || !self.stands(shard, place) {
                return None;
            }
            self.close_alone(shard, place.slot, record)
        });
        staged
    }

    /// Whether an opening is on disk, after all that waits for a write had its turn.
    pub(super) fn stands(&self, shard: usize, place: Place) -> bool {
        self.flush(shard);
        self.shard(shard).is_ok_and(|writer| writer.stands(place))
    }

    /// Builds a closing.
    fn with_closing(
        &self,
        entry: &Entry,
        closing: &Closing<'_>,
        put: impl FnOnce(&mut Vec<u8>) -> Option<u64>,
    ) -> Option<u64> {
        let closes = Closes {
            opening: entry.index,
            id: entry.id(),
        };
        let written = self.with_record(Kind::Closed, closing.at, &[&closes, closing], |record| {
            debug_assert!(record.len() as u64 <= CLOSING_ROOM);
            Ok(put(record))
        });
        written.ok().flatten()
    }

    /// Writes what waits for a write to a shard.
    pub(crate) fn flush(&self, shard: usize) {
        let Ok(mut writer) = self.shard(shard) else {
            return;
        };
        let flushed = writer.flush(&self.files);
        let (settled, refused) = (writer.take_settled(), writer.take_refused());
        drop(writer);
        self.reserve.give_back(settled);
        // Closings are tried once more, and say then what is wrong with the disk; openings are not.
        if let Err(failure) = flushed
            && refused
                .iter()
                .any(|staged| matches!(staged.fate, Fate::Opening))
        {
            self.fails(&failure);
        }
        for staged in refused {
            if let Some(index) = staged.lost {
                self.remember_lost(index);
            }
            match staged.fate {
                Fate::Opening => {
                    self.reserve.give_back(1);
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                Fate::OfRefused => {}
                Fate::Closing(slot, mut record) => {
                    self.close_alone(shard, slot, &mut record);
                }
            }
        }
    }

    /// Appends a closing in a write of its own; one that the disk refuses is kept in memory.
    pub(super) fn close_alone(&self, shard: usize, slot: u32, record: &mut [u8]) -> Option<u64> {
        let index = self.append_closing(shard, slot, record);
        if index.is_none() {
            locked(&self.waiting).push_back(Waiting {
                shard,
                slot,
                record: record.to_owned(),
            });
        }
        index
    }

    /// Appends a closing and frees its place; `None` if the disk did not take it.
    pub(super) fn append_closing(&self, shard: usize, slot: u32, record: &mut [u8]) -> Option<u64> {
        loop {
            let appended = self.append(shard, record, |writer, index| {
                writer.closed(slot);
                index
            });
            let failure = match appended {
                Ok(index) => {
                    self.reserve.give_back(1);
                    self.want_durable(index);
                    return Some(index);
                }
                Err(failure) => failure,
            };
            self.fails(&failure);
            // Ends when the reserve does.
            if !failure.full || !self.reserve.release(&*self.files.store) {
                return None;
            }
        }
    }
}
