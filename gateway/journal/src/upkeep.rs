//! What the journal does beside the requests: sync, probe a disk that failed, write what had to wait, make files ahead.
//!
//! One plain thread, woken every `sync_every`, and not a task: syncing blocks, and must go on when the runtime is busy.
//!
//! With `Durability::Synced` a second thread does the syncing (see `commit`), and nobody else but `shutdown`, after it ended.
//!
//! Must never know who is admitted or why.
//! Invariants: a file whose sync failed is never synced again and never written again; the disk is probed at most once
//! a second; a journal that nobody holds any more ends its thread.

use std::fs;
use std::io;
use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::commit::{self, Durability};
use super::event::{Event, What};
use super::line::{Fields, Object, key};
use super::payload::{self, Closes, Closing, FEW_MAX, Lost, Moment, Outcome};
use super::record::{self, HEADER_BYTES, Kind, SegmentHeader};
use super::recover::{Survey, UNFINISHED};
use super::segment;
use super::{Error, Health, Journal, locked};

/// A wall clock that moves further than this against the monotonic one was set: threats.md section 10.
const CLOCK_STEP_MS: i64 = 1_000;
/// Least time between two probes.
const PROBE_EVERY_NS: u64 = 1_000_000_000;

/// Wakes the thread and tells it to end.
#[derive(Default)]
pub(super) struct Bell {
    ended: Mutex<bool>,
    rung: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        *locked(&self.ended) = true;
        self.rung.notify_all();
    }

    /// Waits; true when it was rung.
    fn wait(&self, at_most: Duration) -> bool {
        let ended = locked(&self.ended);
        let (ended, _) = self
            .rung
            .wait_timeout_while(ended, at_most, |ended| !*ended)
            .unwrap_or_else(PoisonError::into_inner);
        *ended
    }
}

/// The thread, and what it remembers from round to round.
#[derive(Default)]
pub(super) struct Keeper {
    threads: Vec<JoinHandle<()>>,
    last_probe_ns: AtomicU64,
    /// Both clocks as the last round saw them.
    last_seen: Option<Moment>,
    /// Files of the inbox whose events are written.
    posted: Vec<PathBuf>,
    /// All of these events have smaller indices.
    posted_to: u64,
}

/// Starts the thread.
pub(super) fn start(journal: &Arc<Journal>, every: Duration) -> io::Result<()> {
    let bell = Arc::clone(&journal.bell);
    let weak: Weak<Journal> = Arc::downgrade(journal);
    let thread = thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || {
            while !bell.wait(every) {
                let Some(journal) = weak.upgrade() else {
                    return;
                };
                journal.tick();
            }
        })?;
    let mut threads = vec![thread];
    if journal.durability == Durability::Synced {
        threads.push(commit::start(journal)?);
    }
    locked(&journal.keeper).threads = threads;
    Ok(())
}

impl Journal {
    /// Takes no more openings, writes what waits, syncs everything and ends the thread.
    /// Entries that are still open may be closed afterwards; those closings are synced when the last of them is dropped.
    pub fn shutdown(&self) -> Result<(), Error> {
        self.stopped.store(true, Ordering::Relaxed);
        self.bell.ring();
        self.commit.end();
        let threads = mem::take(&mut locked(&self.keeper).threads);
        for thread in threads {
            // A thread itself holds the journal for a moment in each round, and must not wait for itself.
            if thread.thread().id() != thread::current().id() {
                thread.join().map_err(|_| Error::Failed)?;
            }
        }
        for shard in 0..self.shards.len() {
            self.flush(shard);
        }
        self.write_lost();
        self.write_waiting();
        self.look_into_inbox();
        self.sync();
        self.empty_inbox();
        if self.health() == Health::Unsynced || !locked(&self.waiting).is_empty() {
            return Err(Error::Failed);
        }
        Ok(())
    }

    /// One round of the thread.
    pub(super) fn tick(&self) {
        self.note_clock_step();
        self.look_into_inbox();
        match self.durability {
            Durability::Written => self.sync(),
            // A thread of its own does it; this one sees to it that nobody waits for too long, and that records which nobody
            // waits for, as events, do not stay unsynced until a request comes.
            Durability::Synced => {
                self.commit.watch(self.clock.mono_ns());
                let last = self.files.next_index.load(Ordering::Relaxed).checked_sub(1);
                if let Some(last) = last.filter(|last| self.commit.durable_to() <= *last) {
                    self.commit.want(last);
                }
            }
        }
        self.empty_inbox();
        self.look_after_segments();
        self.probe();
        self.write_lost();
        self.write_waiting();
        self.make_spares();
    }

    /// Says so when somebody set the clock: the order of records is that of their indices, but readers look at times.
    fn note_clock_step(&self) {
        let now = self.now();
        let Some(before) = locked(&self.keeper).last_seen.replace(now) else {
            return;
        };
        let passed_ms = i64::try_from(now.mono_ns.saturating_sub(before.mono_ns) / 1_000_000);
        let by_ms = now
            .wall_ms
            .saturating_sub(before.wall_ms)
            .saturating_sub(passed_ms.unwrap_or(i64::MAX));
        if by_ms.abs() > CLOCK_STEP_MS {
            // What cannot be written is seen in the journal's state.
            let _ = self.note(&Event {
                what: What::ClockStep,
                by_ms: Some(by_ms),
                ..Event::default()
            });
        }
    }

    /// Writes what lies in the inbox, if the last of it is gone.
    fn look_into_inbox(&self) {
        let mut keeper = locked(&self.keeper);
        if keeper.posted.is_empty() {
            keeper.posted = self.take_inbox();
            keeper.posted_to = self.files.next_index.load(Ordering::Relaxed);
            if let (false, Some(last)) = (keeper.posted.is_empty(), keeper.posted_to.checked_sub(1))
            {
                self.want_durable(last);
            }
        }
    }

    /// Deletes those files of the inbox whose events are durable.
    fn empty_inbox(&self) {
        let mut keeper = locked(&self.keeper);
        if self.commit.durable_to() >= keeper.posted_to {
            for path in mem::take(&mut keeper.posted) {
                // One that stays is written once more, with the same ticket.
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Syncs what was written since the last time. Never holds a shard's lock while the disk works.
    pub(super) fn sync(&self) {
        let mut sound = true;
        let mut bound = self.frontier();
        self.commit.begins(self.clock.mono_ns());
        for shard in &self.shards {
            let (files, mut failed) = {
                let mut shard = locked(shard);
                if self.shards.len() == 1 {
                    // Nobody else has an index in hand: what was written since is covered too.
                    let next = self.files.next_index.load(Ordering::Relaxed);
                    bound = shard.staged_from().unwrap_or(next);
                }
                (shard.take_unsynced(), shard.take_failed_syncs())
            };
            failed.extend(
                files
                    .iter()
                    .filter(|(_, file)| file.sync().is_err())
                    .map(|(number, _)| *number),
            );
            for number in failed {
                sound = false;
                locked(shard).sync_failed(number);
                self.errors.fetch_add(1, Ordering::Relaxed);
                self.worsen(Health::Unsynced);
                let detail = format!(
                    "segment {number:010} could not be synced: a power cut may lose its last records"
                );
                // If this cannot be written either, the state says so already.
                let _ = self.note(&Event {
                    what: What::SyncFailed,
                    detail: &detail,
                    ..Event::default()
                });
            }
        }
        // What records below the bound name was written before them.
        if let Some(beside) = self.beside.get() {
            beside();
        }
        if sound {
            self.last_sync_ms
                .store(self.clock.wall_ms(), Ordering::Relaxed);
        }
        // What one failed sync lost, no later one brings back.
        self.commit
            .ends(bound, sound && self.health() != Health::Unsynced);
    }

    /// Sees whether the segments that are written to have their names still. Who removes the directory, or moves it away,
    /// lets every write succeed, and of what was written nobody finds anything.
    fn look_after_segments(&self) {
        for (number, shard) in self.shards.iter().enumerate() {
            let Some(segment) = locked(shard).written_to() else {
                continue;
            };
            let name = record::segment_name(segment, u32::try_from(number).unwrap_or(u32::MAX));
            if self.files.store.has(&name) {
                continue;
            }
            locked(shard).gone(segment);
            self.errors.fetch_add(1, Ordering::Relaxed);
            self.reserve.doubt();
            self.worsen(Health::Broken);
            // Written to the next segment, if there is a place for one.
            let detail = format!("{name} is gone: records of it are lost");
            let _ = self.note(&Event {
                what: What::SyncFailed,
                detail: &detail,
                ..Event::default()
            });
        }
    }

    /// Asks a disk that was full or broken whether it works again, and if so resumes.
    fn probe(&self) {
        let health = self.health();
        if !matches!(health, Health::Full | Health::Broken) {
            return;
        }
        let now_ns = self.clock.mono_ns();
        {
            let keeper = locked(&self.keeper);
            let last_ns = keeper.last_probe_ns.load(Ordering::Relaxed);
            if last_ns != 0 && now_ns.saturating_sub(last_ns) < PROBE_EVERY_NS {
                return;
            }
            keeper.last_probe_ns.store(now_ns.max(1), Ordering::Relaxed);
        }
        if self.reserve.refill(&*self.files.store).is_err() {
            return;
        }
        let better = (health as u8, Health::Good as u8);
        let resumed =
            self.health
                .compare_exchange(better.0, better.1, Ordering::Relaxed, Ordering::Relaxed);
        if resumed.is_ok() {
            let refused = self.refused.load(Ordering::Relaxed);
            let detail = format!("writable again; {refused} requests refused since start");
            // A failure is noted by `note` itself and ends the good health again.
            let _ = self.note(&Event {
                what: What::Resumed,
                detail: &detail,
                ..Event::default()
            });
        }
    }

    /// Names the indices that failed writes took with them.
    fn write_lost(&self) {
        loop {
            let Some((from, count)) = locked(&self.lost).pop() else {
                return;
            };
            let lost = Lost {
                from,
                count,
                why: "a write failed",
            };
            if self.write(0, Kind::Lost, &lost).is_err() {
                locked(&self.lost).push((from, count));
                return;
            }
        }
    }

    /// Writes the closings that the disk refused.
    fn write_waiting(&self) {
        loop {
            let Some(mut closing) = locked(&self.waiting).pop_front() else {
                return;
            };
            let appended = self.append_closing(closing.shard, closing.slot, &mut closing.record);
            if appended.is_none() {
                locked(&self.waiting).push_front(closing);
                return;
            }
        }
    }

    fn make_spares(&self) {
        for (number, shard) in self.shards.iter().enumerate() {
            {
                let mut shard = locked(shard);
                shard.age(self.clock.wall_ms());
                if !shard.wants_spare() {
                    continue;
                }
            }
            let shard_number = u32::try_from(number).unwrap_or(u32::MAX);
            // A full disk is found out by the write that needs room; an early file is only a courtesy.
            if let Ok((number, file)) = segment::make_file(&self.files, shard_number)
                && locked(shard).offer_spare(number, file).is_some()
            {
                let _ = self
                    .files
                    .store
                    .remove(&record::segment_name(number, shard_number));
            }
        }
    }

    /// Begins the first segment of this epoch with what recovery has to say. It gets its name when it is complete and
    /// durable: until then the next start finds everything as this one did.
    pub(super) fn write_recovery(&self, survey: &Survey) -> Result<(), Error> {
        let number = self.files.next_number.fetch_add(1, Ordering::Relaxed);
        let first_index = survey.found.next_index;
        let header = SegmentHeader {
            epoch: self.files.epoch,
            shard: 0,
            number,
            first_index,
            oldest_open: first_index,
            created_ms: self.clock.wall_ms(),
        };
        let name = record::segment_name(number, 0);
        let unfinished = format!("{name}{UNFINISHED}");
        let file: Arc<dyn super::store::SegmentFile> =
            Arc::from(self.files.store.create(&unfinished)?);
        let mut out = Draft {
            file: &*file,
            bytes: 0,
            next_index: first_index,
        };
        out.put(&header.encode())?;
        if survey.earlier {
            self.write_findings(survey, &mut out)?;
        }
        let (bytes, next_index) = (out.bytes, out.next_index);
        file.sync()?;
        self.files.store.rename(&unfinished, &name)?;
        self.files.next_index.store(next_index, Ordering::Relaxed);
        if let Some(shard) = self.shards.first() {
            locked(shard).adopt(number, file, bytes, &self.files);
        }
        debug_assert!(bytes >= HEADER_BYTES as u64);
        Ok(())
    }

    fn write_findings(&self, survey: &Survey, out: &mut Draft<'_>) -> Result<(), Error> {
        let crashed = Closing {
            outcome: Outcome::Crashed,
            ..Closing::default()
        };
        for (opening, id) in &survey.open {
            let closes = Closes {
                opening: *opening,
                id,
            };
            out.record(self, Kind::Closed, &[&closes, &crashed])?;
        }
        for (from, count) in &survey.found.lost {
            let lost = Lost {
                from: *from,
                count: *count,
                why: "found missing at start",
            };
            out.record(self, Kind::Lost, &[&lost])?;
        }
        let sum = |list: &[super::Damage]| list.iter().map(|damage| damage.bytes).sum::<u64>();
        let note = RecoveryNote {
            what: What::Recovery,
            last_good: survey.found.last_good,
            torn_bytes: sum(&survey.found.torn),
            damaged_bytes: sum(&survey.found.damage),
            damaged_segments: &survey
                .found
                .damage
                .iter()
                .map(|damage| damage.segment.as_str())
                .collect::<Vec<_>>(),
            crashed: survey.found.crashed,
            lost: survey.found.lost.iter().map(|(_, count)| *count).sum(),
        };
        out.record(self, Kind::Event, &[&note])
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.bell.ring();
        self.write_lost();
        self.write_waiting();
        // Closings after `shutdown`, or all of it if nobody called that.
        self.sync();
    }
}

/// Payload of the event that recovery writes.
struct RecoveryNote<'a> {
    what: What,
    last_good: Option<u64>,
    torn_bytes: u64,
    damaged_bytes: u64,
    damaged_segments: &'a [&'a str],
    crashed: u64,
    lost: u64,
}

impl Fields for RecoveryNote<'_> {
    fn write(&self, to: &mut Object<'_>) {
        to.tag(key!("what"), &self.what);
        to.maybe(key!("last_good"), self.last_good);
        to.number(key!("torn_bytes"), self.torn_bytes);
        to.number(key!("damaged_bytes"), self.damaged_bytes);
        to.names(key!("damaged_segments"), self.damaged_segments, FEW_MAX);
        to.number(key!("crashed"), self.crashed);
        to.number(key!("lost"), self.lost);
    }
}

/// A segment that recovery writes.
struct Draft<'f> {
    file: &'f dyn super::store::SegmentFile,
    bytes: u64,
    next_index: u64,
}

impl Draft<'_> {
    fn record(
        &mut self,
        journal: &Journal,
        kind: Kind,
        parts: &[&dyn Fields],
    ) -> Result<(), Error> {
        let mut buf = Vec::new();
        payload::encode(&mut buf, kind, journal.now(), parts);
        if !record::frame(&mut buf, self.next_index) {
            return Err(Error::Io(io::Error::from(io::ErrorKind::InvalidInput)));
        }
        self.next_index += 1;
        self.put(&buf)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.file.write(bytes)? != bytes.len() {
            return Err(Error::Full);
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}
