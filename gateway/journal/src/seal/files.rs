//! The `.pay` files: one of each shard is appended to, one is made ahead.
//!
//! A part is one `write(2)` by the thread that has it, under the shard's mutex. No thread that serves ever makes or syncs a
//! file: without a file, or without room on the disk, the part is refused, and the record will say so.
//!
//! Must never know what a part holds.
//! Invariants: a part that was not written whole is cut off again, or nothing more is written to that file; nothing is
//! written while less than `room_bytes` are free; a file whose sync failed is never written or synced again.

use std::fs;
use std::io;
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::super::locked;
use super::super::record::FORMAT_VERSION;
use super::super::store::{SegmentFile, Store};
use super::Settings;
use crate::utc::DAY_MS;

/// First bytes of every file.
const MAGIC: [u8; 8] = *b"yumenpay";
/// Bytes of a file's header.
pub(super) const HEADER_BYTES: usize = 64;
/// A file that has no successor yet may become so many times as long as it should.
const OVERLONG: u64 = 2;

pub(super) struct Files {
    store: Box<dyn Store>,
    file_bytes: u64,
    next_number: AtomicU64,
    shards: Vec<Mutex<Shard>>,
    /// Somebody wants bodies to be kept.
    wanted: AtomicBool,
    /// There is room on the disk.
    room: AtomicBool,
    bytes: AtomicU64,
    errors: AtomicU64,
}

#[derive(Default)]
struct Shard {
    active: Option<Active>,
    spare: Option<Active>,
    /// Files that were followed by another and are not synced yet: at most one between two rounds, since a spare is made
    /// in a round only.
    unsynced: Vec<Arc<dyn SegmentFile>>,
}

struct Active {
    file: Arc<dyn SegmentFile>,
    name: Arc<str>,
    number: u64,
    bytes: u64,
    /// Days since 1970.
    day: i64,
    dirty: bool,
    /// Nothing more may be written to it.
    suspect: bool,
}

/// Where a part is.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) file: Arc<str>,
    pub(super) number: u64,
    pub(super) offset: u64,
}

impl Files {
    pub(super) fn open(settings: &Settings, store: Box<dyn Store>) -> io::Result<Self> {
        Ok(Self {
            store,
            file_bytes: settings.file_bytes,
            next_number: AtomicU64::new(clear(&settings.dir)?),
            shards: (0..settings.shards).map(|_| Mutex::default()).collect(),
            wanted: AtomicBool::new(false),
            room: AtomicBool::new(true),
            bytes: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        })
    }

    /// Appends a part; `None`: the disk does not take it.
    pub(super) fn append(&self, shard: usize, frame: &[u8], now_ms: i64) -> Option<Spot> {
        if !self.room.load(Ordering::Relaxed) {
            return None;
        }
        let mut shard = locked(self.shards.get(shard % self.shards.len().max(1))?);
        let need = frame.len() as u64;
        let day = now_ms.div_euclid(DAY_MS);
        if shard.active.as_ref().is_none_or(|active| {
            active.suspect || active.day != day || active.bytes + need > self.file_bytes
        }) && let Some(mut spare) = shard.spare.take()
        {
            spare.day = day;
            let old = shard.active.replace(spare);
            shard.unsynced.extend(
                old.filter(|old| old.dirty && !old.suspect)
                    .map(|old| old.file),
            );
        }
        let active = shard.active.as_mut().filter(|active| {
            !active.suspect && active.bytes + need <= OVERLONG * self.file_bytes
        })?;
        match write_whole(&*active.file, frame, active.bytes) {
            Ok(()) => {
                let offset = active.bytes;
                active.bytes += need;
                active.dirty = true;
                self.bytes.fetch_add(need, Ordering::Relaxed);
                Some(Spot {
                    file: Arc::clone(&active.name),
                    number: active.number,
                    offset,
                })
            }
            Err(failed) => {
                self.errors.fetch_add(1, Ordering::Relaxed);
                active.suspect |= failed.suspect;
                None
            }
        }
    }

    /// Makes files where some are lacking. Blocks for a sync of the directory.
    pub(super) fn prepare(&self, now_ms: i64) -> io::Result<()> {
        self.wanted.store(true, Ordering::Relaxed);
        self.make_files(now_ms)
    }

    /// The same, if bodies are kept at all.
    pub(super) fn prepare_more(&self, now_ms: i64) -> io::Result<()> {
        if !self.wanted.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.make_files(now_ms)
    }

    fn make_files(&self, now_ms: i64) -> io::Result<()> {
        let day = now_ms.div_euclid(DAY_MS);
        for (number, shard) in self.shards.iter().enumerate() {
            let wants = |shard: &Shard| {
                shard.active.is_none()
                    || shard.spare.is_none()
                        && shard.active.as_ref().is_some_and(|active| {
                            active.suspect
                                || active.day != day
                                || active.bytes > self.file_bytes / 2
                        })
            };
            if !wants(&locked(shard)) {
                continue;
            }
            let made = self.make(number, now_ms, day)?;
            let mut shard = locked(shard);
            if shard.active.is_none() {
                shard.active = Some(made);
            } else if shard.spare.is_none() {
                shard.spare = Some(made);
            } else {
                // Made twice at once.
                let _ = self.store.remove(&made.name);
            }
        }
        Ok(())
    }

    fn make(&self, shard: usize, now_ms: i64, day: i64) -> io::Result<Active> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let name = file_name(number, shard);
        let file = self.store.create(&name)?;
        let header = header(number, shard, now_ms);
        if write_whole(&*file, &header, 0).is_err() {
            // Empty files are removed at the next start.
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        file.sync()?;
        Ok(Active {
            file: Arc::from(file),
            name: name.into(),
            number,
            bytes: HEADER_BYTES as u64,
            day,
            dirty: false,
            suspect: false,
        })
    }

    /// Syncs what was written. Holds no lock while the disk works.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut result = Ok(());
        for shard in &self.shards {
            let (old, active) = {
                let mut shard = locked(shard);
                let active = shard.active.as_mut().and_then(|active| {
                    mem::take(&mut active.dirty).then(|| (active.number, Arc::clone(&active.file)))
                });
                (mem::take(&mut shard.unsynced), active)
            };
            for file in old {
                result = file.sync().and(result);
            }
            if let Some((number, file)) = active
                && let Err(error) = file.sync()
            {
                let mut shard = locked(shard);
                let same = |active: &&mut Active| active.number == number;
                if let Some(active) = shard.active.as_mut().filter(same) {
                    active.suspect = true;
                }
                result = Err(error);
            }
        }
        if result.is_err() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// Whether the disk has room for bodies; returns what was thought before.
    pub(super) fn set_room(&self, room: bool) -> bool {
        self.room.swap(room, Ordering::Relaxed)
    }

    pub(super) fn counters(&self) -> (u64, u64) {
        (
            self.bytes.load(Ordering::Relaxed),
            self.errors.load(Ordering::Relaxed),
        )
    }
}

/// A write that failed.
struct Failed {
    /// Bytes of it may stand in the file.
    suspect: bool,
}

fn write_whole(file: &dyn SegmentFile, bytes: &[u8], at: u64) -> Result<(), Failed> {
    let written = loop {
        match file.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other,
        }
    };
    if written
        .as_ref()
        .is_ok_and(|written| *written == bytes.len())
    {
        return Ok(());
    }
    let full = written.as_ref().map_or_else(
        |error| {
            matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            )
        },
        |_| true,
    );
    let gone = file.truncate(at).is_ok();
    Err(Failed {
        suspect: !full || !gone,
    })
}

fn header(number: u64, shard: usize, now_ms: i64) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    let shard = u32::try_from(shard).unwrap_or(u32::MAX);
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in out.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    put(0, &MAGIC);
    put(8, &FORMAT_VERSION.to_le_bytes());
    put(16, &shard.to_le_bytes());
    put(24, &number.to_le_bytes());
    put(48, &now_ms.to_le_bytes());
    let (body, sum) = out.split_at_mut(HEADER_BYTES - 4);
    sum.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    out
}

/// Name of a file.
pub(super) fn file_name(number: u64, shard: usize) -> String {
    format!("{number:010}-{shard:02}.pay")
}

/// Number and shard of a file's name; `None`: it is none of these.
pub(super) fn parse_name(name: &str) -> Option<(u64, usize)> {
    let (number, shard) = name.strip_suffix(".pay")?.split_once('-')?;
    let (number, shard) = (number.parse().ok()?, shard.parse().ok()?);
    // What reads back differently is somebody's path.
    (file_name(number, shard) == name).then_some((number, shard))
}

/// Removes files that hold nothing; returns the first number that is free.
fn clear(dir: &Path) -> io::Result<u64> {
    let mut next = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((number, _)) = name.to_str().and_then(parse_name) else {
            continue;
        };
        next = next.max(number.saturating_add(1));
        if entry.metadata()?.len() <= HEADER_BYTES as u64 {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(next)
}
