//! One shard's segment files: append, rotate, and survive a disk that says no.
//!
//! A record is one `write(2)` by the thread that has something to say, under the shard's mutex: a few microseconds,
//! and a crash of the process after it loses nothing. The index is taken under the same lock, so it grows within a shard.
//! Openings and closings may be *staged*: they have their index, and go with the next write, be it another's or their own.
//! A write that fails is cut off again, and its indices are given back if nobody took the next one meanwhile;
//! otherwise the journal is told that they are lost, and gets back what was staged: closings are written one by one, openings
//! are refused. A file that failed in any other way than for want of space is *suspect*: nothing more is written to it.
//!
//! Must never know what a payload means, or who is admitted.
//! Invariants: bytes of a record that was not acknowledged stand at most at the very end of a suspect segment;
//! what is staged lies behind all that is written and before all that will be: it is still open to a segment's head;
//! what is open is written, staged, or refused and then gone from the table;
//! no more than one segment before the active one is unsynced (recovery looks at the last two of each shard).

mod staged;

use std::io;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::clock::Clock;

use super::locked;
use super::record::{self, HEADER_BYTES, SegmentHeader};
use super::store::{SegmentFile, Store};
pub(super) use staged::Fate;
use staged::{Refused, Staged};

/// Sealed segments that may wait for the background sync; one more is synced by the thread that rotates.
const SEALED_MAX: usize = 1;
/// A segment is followed by another after a day.
const SEGMENT_AGE_MS: i64 = 24 * 3_600_000;
/// Marks a place in the table of open entries that is free.
const FREE: (u64, u32) = (u64::MAX, 0);

/// What all shards of a journal share.
pub(super) struct Files {
    pub(super) store: Box<dyn Store>,
    /// Asked for a segment's date only.
    pub(super) clock: Arc<dyn Clock>,
    /// Index of the next record.
    pub(super) next_index: AtomicU64,
    /// No index below this one is given back: a segment's head says that they were taken, and who finds none of them after
    /// a crash takes them for lost. Held by whoever writes such a head or gives back, so that the one sees the other.
    pub(super) taken_to: Mutex<u64>,
    /// How often an index was given back: see `Journal::frontier`.
    pub(super) given_back: AtomicU64,
    /// Number of the next segment.
    pub(super) next_number: AtomicU64,
    pub(super) epoch: u32,
    pub(super) segment_bytes: u64,
    /// A segment may become twice as long before a thread that writes makes the next one itself.
    pub(super) grows_on: bool,
}

/// Why a record was not written.
#[derive(Debug)]
pub(super) struct Failure {
    /// The disk is full, as opposed to broken.
    pub(super) full: bool,
    /// An index that was taken and that no record will bear.
    pub(super) lost: Option<u64>,
}

impl Failure {
    fn of(source: &io::Error) -> Self {
        let full = matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        Self { full, lost: None }
    }

    /// A broken file may be the file's fault alone: one more try, in a new one.
    fn is_of_the_file(&self) -> bool {
        !self.full && self.lost.is_none()
    }

    /// A record that cannot be written as it is: a bug, and the disk is not to blame, but nothing passes unrecorded.
    pub(super) const BUG: Self = Self {
        full: false,
        lost: None,
    };
}

/// A file and how far it was used.
pub(super) struct Segment {
    pub(super) file: Arc<dyn SegmentFile>,
    pub(super) number: u64,
    pub(super) bytes: u64,
    /// Has bytes that no sync has covered.
    pub(super) dirty: bool,
    /// Nothing more may be written to it.
    suspect: bool,
    /// A sync of it failed. It is never synced again: the kernel would say yes to pages it has dropped.
    unsyncable: bool,
    /// Rotate beyond this length.
    rotate_at: u64,
    /// When it was begun, wall clock.
    created_ms: i64,
}

/// What a shard's lock guards.
#[derive(Default)]
pub(super) struct Shard {
    number: u32,
    active: Option<Segment>,
    /// An empty file made ahead, so that no request waits for a directory sync.
    spare: Option<(u64, Arc<dyn SegmentFile>)>,
    sealed: Vec<Segment>,
    /// Openings of this shard without their closing.
    open: OpenTable,
    staged: Staged,
    /// Staged closings that are written since somebody asked, and what was staged and could not be.
    settled: u64,
    refused: Vec<Refused>,
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Segments whose sync failed where nobody could be told.
    failed_syncs: Vec<u64>,
}

impl Shard {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }

    /// Goes on in a segment that recovery has written.
    pub(super) fn adopt(
        &mut self,
        number: u64,
        file: Arc<dyn SegmentFile>,
        bytes: u64,
        files: &Files,
    ) {
        let mut segment = Segment::new(number, file, bytes, files.segment_bytes);
        segment.created_ms = files.clock.wall_ms();
        self.active = Some(segment);
    }

    /// Appends a record that `record::start` began, and returns its index.
    pub(super) fn append(&mut self, files: &Files, buf: &mut [u8]) -> Result<u64, Failure> {
        match self.append_once(files, buf, false) {
            Err(failure) if failure.is_of_the_file() => self.append_once(files, buf, true),
            done => done,
        }
    }

    /// Notes an opening; its place is for `closed`.
    pub(super) fn opened(&mut self, index: u64) -> Place {
        self.open.insert(index)
    }

    /// Whether an opening is written or staged.
    pub(super) fn stands(&self, place: Place) -> bool {
        self.open.places.get(place.slot as usize).map(|open| open.1) == Some(place.ticket)
    }

    /// Its closing is on disk.
    pub(super) fn closed(&mut self, slot: u32) {
        self.open.remove(slot);
    }

    /// `last`: there will be no other try, so what is staged goes back too if the disk takes nothing.
    fn append_once(&mut self, files: &Files, buf: &mut [u8], last: bool) -> Result<u64, Failure> {
        let staged = self.staged.bytes.len();
        self.make_room(files, (staged + buf.len()) as u64)?;
        // The order of the indices within the shard follows from the lock; nothing else is published by this counter.
        let index = files.next_index.fetch_add(1, Ordering::Relaxed);
        let written = if !record::frame(buf, index) {
            // Callers bound what they write; should one not, nothing of it reaches the file.
            Err((Failure::BUG, true))
        } else if staged == 0 {
            put(&mut self.active, buf)
        } else {
            self.staged.bytes.extend_from_slice(buf);
            let written = put(&mut self.active, &self.staged.bytes);
            self.staged.bytes.truncate(staged);
            written
        };
        let Err((mut failure, gone)) = written else {
            self.settle();
            self.records += 1;
            self.bytes += buf.len() as u64;
            return Ok(index);
        };
        let given_back = gone && give_back(files, index, 1);
        failure.lost = (!given_back).then_some(index);
        if last || !failure.is_of_the_file() {
            self.unstage(files, given_back);
        }
        Err(failure)
    }

    /// Sees to it that the active segment may take `need` more bytes.
    fn make_room(&mut self, files: &Files, need: u64) -> Result<(), Failure> {
        if let Some(active) = &self.active
            && !active.suspect
            && (active.bytes + need <= active.rotate_at || active.bytes <= HEADER_BYTES as u64)
        {
            return Ok(());
        }
        // Making a file or syncing one takes a disk's time. With group commit no thread of a request is to wait for that:
        // without a spare, or while a sealed segment is not synced yet, the active one grows on, and upkeep catches up.
        if let Some(active) = self.active.as_mut().filter(|active| !active.suspect)
            && files.grows_on
            && (self.spare.is_none() || self.sealed.len() >= SEALED_MAX)
            && active.bytes + need <= 2 * files.segment_bytes
        {
            return Ok(());
        }
        match self.begin_segment(files) {
            Ok(new) => {
                if let Some(old) = self.active.replace(new) {
                    self.retire(old);
                }
                Ok(())
            }
            Err(error) => match self.active.as_mut() {
                // A long segment is better than a refused request; try again some way on.
                Some(active) if !active.suspect => {
                    active.rotate_at = active.bytes + need + files.segment_bytes / 8;
                    Ok(())
                }
                _ => Err(Failure::of(&error)),
            },
        }
    }

    fn begin_segment(&mut self, files: &Files) -> io::Result<Segment> {
        let (number, file) = match self.spare.take() {
            Some(spare) => spare,
            None => make_file(files, self.number)?,
        };
        let first_index = {
            let mut taken_to = locked(&files.taken_to);
            let next_index = files.next_index.load(Ordering::Relaxed);
            let first_index = self.staged_from().unwrap_or(next_index);
            *taken_to = first_index.max(*taken_to);
            first_index
        };
        let header = SegmentHeader {
            epoch: files.epoch,
            shard: self.number,
            number,
            first_index,
            oldest_open: self
                .open
                .oldest()
                .map_or(first_index, |oldest| oldest.min(first_index)),
            created_ms: files.clock.wall_ms(),
        };
        let mut segment = Segment::new(number, file, 0, files.segment_bytes);
        segment.created_ms = header.created_ms;
        if let Err(error) = segment.write_whole(&header.encode()) {
            // An empty file is skipped by readers; one that cannot be emptied is a torn header to them.
            segment.cut_back();
            return Err(error);
        }
        Ok(segment)
    }

    fn retire(&mut self, old: Segment) {
        if old.unsyncable || !old.dirty {
            return;
        }
        self.sealed.push(old);
        while self.sealed.len() > SEALED_MAX {
            let oldest = self.sealed.remove(0);
            if oldest.file.sync().is_err() {
                self.failed_syncs.push(oldest.number);
            }
        }
    }

    /// Files whose bytes no sync has covered yet, oldest first; they count as covered from now on.
    pub(super) fn take_unsynced(&mut self) -> Vec<(u64, Arc<dyn SegmentFile>)> {
        let mut files: Vec<_> = mem::take(&mut self.sealed)
            .into_iter()
            .map(|segment| (segment.number, segment.file))
            .collect();
        if let Some(active) = self.active.as_mut()
            && mem::take(&mut active.dirty)
            && !active.unsyncable
        {
            files.push((active.number, Arc::clone(&active.file)));
        }
        files
    }

    /// A sync of segment `number` failed: nothing more goes there.
    pub(super) fn sync_failed(&mut self, number: u64) {
        if let Some(active) = self
            .active
            .as_mut()
            .filter(|active| active.number == number)
        {
            active.suspect = true;
            active.unsyncable = true;
        }
    }

    /// Number of the segment that is written to.
    pub(super) fn written_to(&self) -> Option<u64> {
        let active = self.active.as_ref().filter(|active| !active.suspect);
        active.map(|active| active.number)
    }

    /// Segment `number` has no name any more: what goes there is lost, or to the file made ahead.
    pub(super) fn gone(&mut self, number: u64) {
        self.sync_failed(number);
        self.spare = None;
    }

    /// Segments whose sync failed while rotating.
    pub(super) fn take_failed_syncs(&mut self) -> Vec<u64> {
        mem::take(&mut self.failed_syncs)
    }

    /// Whether a file should be made ahead: the active one is half full.
    pub(super) fn wants_spare(&self) -> bool {
        self.spare.is_none()
            && self
                .active
                .as_ref()
                .is_some_and(|active| active.bytes > active.rotate_at / 2)
    }

    /// Has the active segment followed by another at the next record, if it is old: retention goes by whole segments.
    pub(super) fn age(&mut self, now_ms: i64) {
        if let Some(active) = self.active.as_mut()
            && now_ms.saturating_sub(active.created_ms) > SEGMENT_AGE_MS
        {
            active.rotate_at = active.rotate_at.min(active.bytes);
        }
    }

    /// Takes a file made ahead; gives it back if the shard has meanwhile begun a later one.
    pub(super) fn offer_spare(
        &mut self,
        number: u64,
        file: Arc<dyn SegmentFile>,
    ) -> Option<Arc<dyn SegmentFile>> {
        let late = self
            .active
            .as_ref()
            .is_some_and(|active| active.number > number);
        if late || self.spare.is_some() {
            return Some(file);
        }
        self.spare = Some((number, file));
        None
    }

    /// Begins the first segment of a shard that recovery gave none.
    pub(super) fn begin_first(&mut self, files: &Files) -> io::Result<()> {
        if self.active.is_none() {
            self.active = Some(self.begin_segment(files)?);
        }
        Ok(())
    }
}

/// One write to the active segment. What a failed one left is cut off again, and with the failure comes whether it could be:
/// if not, records may yet be found there, and their indices must not be used twice.
fn put(active: &mut Option<Segment>, bytes: &[u8]) -> Result<(), (Failure, bool)> {
    let Some(active) = active else {
        return Err((Failure::BUG, true));
    };
    active.write_whole(bytes).map_err(|error| {
        let failure = Failure::of(&error);
        active.suspect |= !failure.full;
        (failure, active.cut_back())
    })
}

/// Makes indices free again from `first` on; false if somebody took the next one meanwhile, or a segment's head says that
/// they are taken. Under the shard's lock, which is what `Journal::frontier` relies on.
fn give_back(files: &Files, first: u64, count: u64) -> bool {
    let last = first + count;
    let taken_to = locked(&files.taken_to);
    let next_index = &files.next_index;
    let given_back = first >= *taken_to
        && next_index
            .compare_exchange(last, first, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok();
    if given_back {
        files.given_back.fetch_add(1, Ordering::Release);
    }
    given_back
}

/// Makes an empty segment file for a shard.
pub(super) fn make_file(files: &Files, shard: u32) -> io::Result<(u64, Arc<dyn SegmentFile>)> {
    let number = files.next_number.fetch_add(1, Ordering::Relaxed);
    let file = files.store.create(&record::segment_name(number, shard))?;
    Ok((number, Arc::from(file)))
}

impl Segment {
    fn new(number: u64, file: Arc<dyn SegmentFile>, bytes: u64, segment_bytes: u64) -> Self {
        Self {
            file,
            number,
            bytes,
            dirty: false,
            suspect: false,
            unsyncable: false,
            rotate_at: segment_bytes,
            created_ms: i64::MAX,
        }
    }

    /// One `write(2)`. Only when the kernel took a part is that part cut off and the write tried once more,
    /// to learn the reason: a full disk and a file-size limit first look alike.
    fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        for _ in 0..2 {
            let written = loop {
                match self.file.write(bytes) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            self.dirty = true;
            if written == bytes.len() {
                self.bytes += written as u64;
                return Ok(());
            }
            self.file.truncate(self.bytes)?;
        }
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }

    /// Removes what a failed write left; false if it could not, and then the segment is suspect.
    fn cut_back(&mut self) -> bool {
        let gone = self.file.truncate(self.bytes).is_ok();
        self.suspect |= !gone;
        gone
    }
}

/// Where an opening is noted. Slots are used again, and so are indices that were given back: the ticket tells an opening
/// that was refused from the next one that has both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) slot: u32,
    pub(super) ticket: u32,
}

/// Indices of the entries that are open in one shard; finding and freeing a place takes constant time.
#[derive(Default)]
struct OpenTable {
    /// Index and ticket.
    places: Vec<(u64, u32)>,
    free: Vec<u32>,
    /// The last that was given out. No entry lives for so many others that one comes again.
    ticket: u32,
}

impl OpenTable {
    fn insert(&mut self, index: u64) -> Place {
        // None has the ticket of what is free.
        self.ticket = self.ticket.wrapping_add(1).max(1);
        let ticket = self.ticket;
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.places.get_mut(slot as usize)
        {
            *place = (index, ticket);
            return Place { slot, ticket };
        }
        self.places.push((index, ticket));
        // The journal bounds open entries far below 2^32.
        let slot = u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX);
        Place { slot, ticket }
    }

    fn remove(&mut self, slot: u32) {
        if let Some(place) = self.places.get_mut(slot as usize) {
            *place = FREE;
            self.free.push(slot);
        }
    }

    fn is_free(&self, slot: u32) -> bool {
        self.places.get(slot as usize) == Some(&FREE)
    }

    /// The smallest index that is open; looks at all places, which only a rotation does.
    fn oldest(&self) -> Option<u64> {
        let open = self.places.iter().filter(|place| **place != FREE);
        open.map(|(index, _)| *index).min()
    }
}
