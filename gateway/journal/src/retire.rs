//! Retention: whole segments leave the log when their time is over or their room is needed, and the log says so first.
//!
//! An `event` record `{"what":"retired","below":X}` is written and synced; then those segments go all of whose records have
//! an index below X. Absent indices below X are then no damage. What reads the log beside the write path says up to where it
//! needs nothing any more (`keep_from`): shipped, indexed, covered by a signed checkpoint.
//!
//! Files of bodies go by age alone: their references stay, and say what is no longer there.
//!
//! Must never know why a time was chosen. Must not run on a thread that serves: it waits for a sync.
//! Invariants: the last segments of a shard stay, and all of the epoch in which one stays that is younger; nothing younger
//! than `age_min_ms` goes, however large the log is; nothing goes before its event is durable.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use super::event::{Event, What};
use super::record::SegmentHeader;
use super::recover::{self, SegmentPath};
use super::{Error, Journal};

/// Segments of each shard that always stay: recovery reads them.
const LAST_SEGMENTS: usize = 2;
/// How long the event may take to be durable.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Ending of files of bodies.
const BODIES: &str = "pay";

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Segments older than this go, in ms.
    pub age_ms: i64,
    /// Nothing younger goes for want of room, in ms.
    pub age_min_ms: i64,
    /// The log should not be larger than this.
    pub bytes_max: Option<u64>,
    /// Files of bodies older than this go, in ms.
    pub bodies_age_ms: i64,
}

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retired {
    /// Records below this index may be gone since; `None` if nothing went.
    pub below: Option<u64>,
    /// Segments that went.
    pub segments: u64,
    /// Files of bodies that went.
    pub bodies: u64,
    /// Bytes of all segments that are left.
    pub bytes: u64,
    /// The log is larger than it should be, and nothing more may go.
    pub over: bool,
}

/// A segment that may go.
struct Old {
    path: PathBuf,
    bytes: u64,
    /// All its records have a smaller index.
    end: u64,
    /// All its records are older.
    end_ms: i64,
}

impl Journal {
    /// Lets go of what need not be kept. Nothing at or above `keep_from` does. Blocks for up to five seconds.
    ///
    /// # Errors
    /// Nothing went, because the log could not say so; or files could not be read.
    pub fn retire(&self, retention: &Retention, keep_from: u64) -> Result<Retired, Error> {
        let now_ms = self.clock.wall_ms();
        let mut retired = Retired {
            bodies: self.retire_bodies(now_ms.saturating_sub(retention.bodies_age_ms))?,
            ..Retired::default()
        };
        let segments = recover::list(&self.dir)?;
        retired.bytes = segments.iter().map(|segment| segment.bytes).sum();
        let bytes_max = retention.bytes_max.unwrap_or(u64::MAX);
        let mut going: Vec<Old> = Vec::new();
        for old in old_segments(&segments)? {
            let too_old = old.end_ms <= now_ms.saturating_sub(retention.age_ms);
            let no_room = retired.bytes > bytes_max
                && old.end_ms <= now_ms.saturating_sub(retention.age_min_ms);
            if old.end > keep_from || !(too_old || no_room) {
                break;
            }
            retired.bytes = retired.bytes.saturating_sub(old.bytes);
            going.push(old);
        }
        retired.over = retired.bytes > bytes_max;
        let Some(last) = going.last() else {
            return Ok(retired);
        };
        let count = Some(going.len() as u64);
        self.announce(&Event {
            what: What::Retired,
            below: Some(last.end),
            count,
            ..Event::default()
        })?;
        retired.below = Some(last.end);
        for old in &going {
            fs::remove_file(&old.path)?;
            retired.segments += 1;
        }
        File::open(&self.dir)?.sync_all()?;
        Ok(retired)
    }

    fn retire_bodies(&self, before_ms: i64) -> Result<u64, Error> {
        let old = old_bodies(&self.dir, before_ms)?;
        if old.is_empty() {
            return Ok(0);
        }
        let count = Some(old.len() as u64);
        self.announce(&Event {
            what: What::PayloadRetired,
            count,
            ..Event::default()
        })?;
        for path in &old {
            fs::remove_file(path)?;
        }
        File::open(&self.dir)?.sync_all()?;
        Ok(old.len() as u64)
    }

    /// Writes an event and waits until it is durable.
    fn announce(&self, event: &Event<'_>) -> Result<(), Error> {
        let index = self.note(event)?;
        self.want_durable(index);
        let from_ns = self.clock.mono_ns();
        let mut rounds = WAIT_MAX.as_nanos() / LOOK_EVERY.as_nanos();
        while self.synced_frontier() <= index {
            let waited_ns = self.clock.mono_ns().saturating_sub(from_ns);
            if rounds == 0 || u128::from(waited_ns) > WAIT_MAX.as_nanos() {
                return Err(Error::Slow);
            }
            rounds -= 1;
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

/// The segments that are not in use any more, in the order of their ends.
fn old_segments(segments: &[SegmentPath]) -> io::Result<Vec<Old>> {
    let mut headers: Vec<(&SegmentPath, SegmentHeader)> = Vec::new();
    for segment in segments {
        // Without a sound header nobody knows what is in it: it stays, as evidence.
        match recover::read_header(&segment.path) {
            Ok(Some(header)) => headers.push((segment, header)),
            Ok(None) => {}
            // One that was made ready and not needed is taken away while we look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let mut shards: BTreeMap<u32, Vec<&(&SegmentPath, SegmentHeader)>> = BTreeMap::new();
    for both in &headers {
        shards.entry(both.0.shard).or_default().push(both);
    }
    let last_epoch = headers.iter().map(|(_, header)| header.epoch).max();
    let mut old = Vec::new();
    for of_shard in shards.values() {
        for (at, (segment, header)) in of_shard.iter().enumerate() {
            let ours = Some(header.epoch) == last_epoch;
            if ours && at + LAST_SEGMENTS >= of_shard.len() {
                continue;
            }
            // What came after it: in its shard, or the beginning of the next epoch.
            let later = headers.iter().filter(|(other, next)| {
                next.epoch > header.epoch
                    || (other.shard == segment.shard && next.number > header.number)
            });
            let ends = later.map(|(_, next)| (next.first_index, next.created_ms));
            if let Some((end, end_ms)) = ends.min() {
                old.push(Old {
                    path: segment.path.clone(),
                    bytes: segment.bytes,
                    end,
                    end_ms,
                });
            }
        }
    }
    old.sort_by_key(|old| old.end);
    // A clock that was set back must not make a later segment look older than an earlier one.
    let mut latest = i64::MIN;
    for old in &mut old {
        latest = latest.max(old.end_ms);
        old.end_ms = latest;
    }
    Ok(old)
}

/// Files of bodies that were last written before a time; the last of each shard stays.
fn old_bodies(dir: &Path, before_ms: i64) -> io::Result<Vec<PathBuf>> {
    let mut shards: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_bodies = path.extension().is_some_and(|kind| kind == BODIES);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if let (true, Some((_, shard))) = (is_bodies, stem.and_then(|stem| stem.split_once('-'))) {
            let shard = shard.to_owned();
            shards.entry(shard).or_default().push(path);
        }
    }
    let mut old = Vec::new();
    for mut paths in shards.into_values() {
        paths.sort_unstable();
        paths.pop();
        for path in paths {
            let written = fs::metadata(&path)?.modified()?;
            let written_ms = written.duration_since(UNIX_EPOCH).map_or(0, |since| {
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            });
            if written_ms < before_ms {
                old.push(path);
            }
        }
    }
    Ok(old)
}
