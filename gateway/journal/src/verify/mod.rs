//! Whether a directory holds together: every record, the tree over them, every signed root, and what belongs together.
//!
//! One pass. Threads read and hash segments; one merges them in the order of their indices (`merge`). What the log says about
//! itself is compared with what is there; what no file can show, a checkpoint that was kept elsewhere can.
//!
//! Must never know the gateway, or change a file. Invariants: at most `lanes * 2 + threads` segments of a sound log are in memory, each at a
//! fraction of its size; whatever the files hold, the answer is a report.

mod bodies;
mod merge;
mod notes;
mod part;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::fs::{OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

pub use report::{Problem, Report, What};

use crate::locked;
use crate::recover::{self, SegmentPath};
use crate::tree::TreeDir;
use crate::tree::checkpoint::Signed;
use crate::tree::note::Verifier;
use merge::Merge;
use part::Part;

/// What is known beside the directory.
#[derive(Debug, Default)]
pub struct Options {
    /// Keys to believe, instead of those in the directory.
    pub keys: Vec<Verifier>,
    /// Checkpoints that were kept elsewhere, and what to call them.
    pub elsewhere: Vec<(String, Signed)>,
    /// Threads that read and hash; 0 for all cores.
    pub threads: usize,
}

/// Verifies a directory.
///
/// # Errors
/// A directory that cannot be read; what is in it is the report's.
pub fn verify(dir: &Path, options: &Options) -> io::Result<Report> {
    let mut report = Report {
        live: is_live(dir),
        ..Report::default()
    };
    // Checkpoints first: what is written while this runs is then behind them.
    let tree = TreeDir::of(dir);
    let (roots, covered) = notes::read(&tree, options, &mut report);
    let mut segments: Vec<(u64, SegmentPath)> = Vec::new();
    for segment in recover::list(dir)? {
        if segment.bytes > 0 {
            let first = match recover::read_header(&segment.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                header => header?.map_or(0, |header| header.first_index),
            };
            segments.push((first, segment));
        }
    }
    segments.sort_by_key(|(first, segment)| (*first, segment.number, segment.shard));
    let mut merge = Merge::new(tree.path(), roots, covered, report);
    let threads = match options.threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let lanes = segments.iter().map(|(_, segment)| segment.shard);
    let lanes = lanes.collect::<HashSet<_>>().len();
    let ahead = Ahead {
        state: Mutex::default(),
        rung: Condvar::new(),
        most: lanes * 2 + threads,
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| ahead.work(dir, &segments));
        }
        let merged = run(&mut merge, &ahead, &segments);
        ahead.end();
        merged
    })?;
    Ok(merge.finish())
}

/// Whether a gateway writes the directory now.
fn is_live(dir: &Path) -> bool {
    let lock = OpenOptions::new().read(true).open(dir.join(crate::LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Segments that were read before their turn.
struct Ahead {
    state: Mutex<State>,
    rung: Condvar,
    /// So many may wait or be read.
    most: usize,
}

#[derive(Default)]
struct State {
    begun: usize,
    /// The segment that the merge waits for, or had last.
    wanted: usize,
    /// Segments that were taken out and let go.
    released: usize,
    ready: BTreeMap<usize, io::Result<Option<Part>>>,
    ended: bool,
}

impl Ahead {
    fn work(&self, dir: &Path, segments: &[(u64, SegmentPath)]) {
        loop {
            let number = {
                let state = locked(&self.state);
                let may = |state: &mut State| {
                    let all = state.begun >= segments.len();
                    let enough = state.begun - state.released >= self.most;
                    // What the merge waits for is read in any case: a forged index may keep a segment from being let go.
                    !state.ended && !all && enough && state.begun > state.wanted
                };
                let mut state = self
                    .rung
                    .wait_while(state, may)
                    .unwrap_or_else(PoisonError::into_inner);
                if state.ended || state.begun >= segments.len() {
                    return;
                }
                state.begun += 1;
                state.begun - 1
            };
            let Some((_, segment)) = segments.get(number) else {
                return;
            };
            let part = part::read(dir, segment);
            locked(&self.state).ready.insert(number, part);
            self.rung.notify_all();
        }
    }

    fn take(&self, number: usize) -> io::Result<Option<Part>> {
        let mut state = locked(&self.state);
        state.wanted = number;
        self.rung.notify_all();
        let mut state = self
            .rung
            .wait_while(state, |state| !state.ready.contains_key(&number))
            .unwrap_or_else(PoisonError::into_inner);
        state.ready.remove(&number).unwrap_or(Ok(None))
    }

    fn release(&self) {
        locked(&self.state).released += 1;
        self.rung.notify_all();
    }

    fn end(&self) {
        locked(&self.state).ended = true;
        self.rung.notify_all();
    }
}

/// A segment that is being merged.
struct Active {
    part: Part,
    at: usize,
    number: usize,
    epoch: u32,
}

impl Active {
    fn head(&self) -> Option<u64> {
        self.part.entries.get(self.at).map(|entry| entry.index)
    }
}

/// Hands all entries to the merge, in the order of their indices.
fn run(merge: &mut Merge<'_>, ahead: &Ahead, segments: &[(u64, SegmentPath)]) -> io::Result<()> {
    /// Indices that others gave back while a shard began a segment may stand before its first index.
    const SLACK: u64 = crate::SHARDS_MAX as u64;
    let mut active: Vec<Active> = Vec::new();
    let mut next = 0;
    loop {
        active.retain(|segment| {
            let done = segment.head().is_none();
            if done {
                ahead.release();
            }
            !done
        });
        let mut heads: Vec<(u64, usize)> = active
            .iter()
            .enumerate()
            .filter_map(|(at, segment)| Some((segment.head()?, at)))
            .collect();
        heads.sort_unstable();
        let begins = segments
            .get(next)
            .map(|(first, _)| first.saturating_sub(SLACK));
        let first = heads.first().copied();
        if let Some(begins) = begins
            && first.is_none_or(|(head, _)| begins <= head)
        {
            match ahead.take(next)? {
                Some(mut part) => {
                    let number = merge.begin(&mut part);
                    let epoch = part.header.map_or(0, |header| header.epoch);
                    active.push(Active {
                        part,
                        at: 0,
                        number,
                        epoch,
                    });
                }
                None => ahead.release(),
            }
            next += 1;
            continue;
        }
        let Some((_, at)) = first else {
            return Ok(());
        };
        // As long as no other segment has a smaller index.
        let until = heads.get(1).map_or(u64::MAX, |(head, _)| *head);
        let until = begins.map_or(until, |begins| until.min(begins));
        if let Some(segment) = active.get_mut(at) {
            let from = segment.at;
            let entries = segment.part.entries.get(from..).unwrap_or_default();
            for entry in entries {
                if entry.index >= until && segment.at > from {
                    break;
                }
                merge.entry(entry, segment.number, segment.epoch);
                segment.at += 1;
            }
        }
    }
}
