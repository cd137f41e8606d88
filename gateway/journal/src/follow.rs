//! Hands over a journal's records in the order of their indices while the journal grows: for whatever is built beside it
//! (tree, index, exports). Each of these keeps a cursor of its own and may begin at any index.
//!
//! **Order.** Shards are merged by index. A live reader says up to where it may go: below `Journal::frontier` every index is
//! on disk or will never be, so an index that no shard bears *is* missing. Without a frontier (`Until::End`) the files of
//! a directory that nobody writes are read to their end; on a live directory the last few indices may then come as missing
//! although their write was merely under way.
//!
//! **Growth.** A write may be seen in part, and one that failed is cut off and written over: bytes behind the last sound
//! record are read anew each time, and are damage only when the shard has gone on in a later segment. The directory is listed
//! again only when an index is not where it should be, which is how a rotation is noticed.
//!
//! Must never know how the journal is written, or hold its lock; must never change a file.
//! Invariants: every index from the first on is handed over exactly once, as a record or as missing; of each shard one window
//! is in memory; segments that hold only smaller indices are not read.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{HEADER_BYTES, Kind, RECORD_HEAD_BYTES};
use super::recover::{self, Damage, SegmentPath};
use super::scan::{Found, Scanner};

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// To this index, which itself is not handed over: what `Journal::frontier` returned.
    Frontier(u64),
    /// To the end of what the files hold.
    End,
}

/// The frontier of `Until::End`: no record has so large an index.
const END: u64 = u64::MAX;

/// What the log says next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'a> {
    /// A record.
    Record(Followed<'a>),
    /// Indices that no record bears.
    Missing {
        /// The first of them.
        from: u64,
        /// How many.
        count: u64,
    },
    /// Bytes that cannot be read; told when they were met, not at any place in the order.
    Damage(Damage),
}

/// A record and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed<'a> {
    /// Place in the order of the whole journal.
    pub index: u64,
    /// What it says.
    pub kind: Kind,
    /// One JSON object, in bytes as they are on disk.
    pub payload: &'a [u8],
    /// Its file.
    pub segment: &'a Arc<str>,
    /// Where it begins there.
    pub offset: u64,
}

/// Reads a directory from an index on, as often as it is asked.
pub struct Follower {
    dir: PathBuf,
    lanes: Vec<Lane>,
    /// The index that comes next; `None` until the oldest record is met.
    next: Option<u64>,
    damage: VecDeque<Damage>,
    /// The frontier for which the directory was last listed.
    listed_for: u64,
}

/// One shard.
struct Lane {
    shard: u32,
    /// Segments not begun yet, oldest first.
    segments: VecDeque<SegmentPath>,
    /// Number of the last segment that was begun or queued.
    known_to: Option<u64>,
    current: Option<(Arc<str>, Scanner<File>)>,
    last_index: Option<u64>,
    /// The next record, whose payload the scanner still has.
    head: Option<Head>,
    /// Nothing below this index is behind the head.
    drained_to: u64,
}

/// The next record of a shard.
#[derive(Clone, Copy)]
struct Head {
    index: u64,
    kind: Kind,
    offset: u64,
}

impl Follower {
    /// Follows `dir` from index `from` on.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn open(dir: &Path, from: u64) -> io::Result<Self> {
        Self::begin(dir, Some(from))
    }

    /// Follows `dir` from its oldest record on: what retention removed before it is not handed over as missing.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn oldest(dir: &Path) -> io::Result<Self> {
        Self::begin(dir, None)
    }

    fn begin(dir: &Path, next: Option<u64>) -> io::Result<Self> {
        let mut follower = Self {
            dir: dir.to_owned(),
            lanes: Vec::new(),
            next,
            damage: VecDeque::new(),
            listed_for: 0,
        };
        follower.list()?;
        if let Some(from) = next {
            for lane in &mut follower.lanes {
                lane.skip_below(from)?;
            }
        }
        Ok(follower)
    }

    /// The index that will be handed over next: the cursor to keep. 0 if nothing was read from the oldest record on.
    pub fn next_index(&self) -> u64 {
        self.next.unwrap_or(0)
    }

    /// What comes next below `until`; `None` when there is no more, for now.
    ///
    /// # Errors
    /// A file that cannot be read. The call may be repeated: nothing was handed over.
    pub fn next(&mut self, until: Until) -> io::Result<Option<Next<'_>>> {
        let frontier = match until {
            Until::Frontier(frontier) => frontier,
            Until::End => END,
        };
        if self.next.is_some_and(|next| next >= frontier) {
            return Ok(None);
        }
        let at = loop {
            let nearest = self.nearest(frontier)?;
            if let Some(damage) = self.damage.pop_front() {
                return Ok(Some(Next::Damage(damage)));
            }
            let (at, index) = nearest
                .filter(|(_, index)| *index < frontier)
                .map_or((0, None), |(at, index)| (at, Some(index)));
            match (self.next, index) {
                (Some(next), Some(index)) if index == next => break at,
                (Some(next), Some(index)) if index < next => {
                    let repeated = self.lanes.get_mut(at).and_then(Lane::take);
                    return Ok(repeated.map(|record| Next::Damage(record.as_damage())));
                }
                // Something is not where it should be: perhaps in a segment begun since the last look.
                _ if self.listed_for < frontier => {
                    self.list()?;
                    self.listed_for = frontier;
                }
                (None, Some(_)) => break at,
                (_, None) if until == Until::End => {
                    // The end is looked for again each time, unlike a frontier that was reached.
                    self.listed_for = 0;
                    self.lanes.iter_mut().for_each(|lane| lane.drained_to = 0);
                    return Ok(None);
                }
                (None, None) => return Ok(None),
                (Some(from), index) => {
                    let to = index.unwrap_or(frontier);
                    self.next = Some(to);
                    let count = to - from;
                    return Ok(Some(Next::Missing { from, count }));
                }
            }
        };
        let record = self.lanes.get_mut(at).and_then(Lane::take);
        if let Some(record) = &record {
            self.next = Some(record.index + 1);
        }
        Ok(record.map(Next::Record))
    }

    /// The lane that bears the smallest index of those not handed over, and that index, once each has looked as far as
    /// `frontier`.
    fn nearest(&mut self, frontier: u64) -> io::Result<Option<(usize, u64)>> {
        let mut nearest: Option<(usize, u64)> = None;
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            if lane.head.is_none() && lane.drained_to < frontier {
                lane.advance(self.next.unwrap_or(0), frontier, &mut self.damage)?;
            }
            if let Some(head) = lane.head
                && nearest.is_none_or(|(_, index)| head.index < index)
            {
                nearest = Some((at, head.index));
            }
        }
        Ok(nearest)
    }

    /// Looks which segments there are, and queues those that were not there before.
    fn list(&mut self) -> io::Result<()> {
        let mut shards: BTreeMap<u32, Vec<SegmentPath>> = BTreeMap::new();
        for segment in recover::list(&self.dir)? {
            if segment.bytes > 0 {
                shards.entry(segment.shard).or_default().push(segment);
            }
        }
        for (shard, mut segments) in shards {
            // A header that is being written is waited for, unless the shard has gone on behind it.
            if segments
                .last()
                .is_some_and(|last| last.bytes < HEADER_BYTES as u64)
            {
                segments.pop();
            }
            let known = self.lanes.iter().position(|lane| lane.shard == shard);
            let at = known.unwrap_or_else(|| {
                self.lanes.push(Lane::new(shard));
                self.lanes.len() - 1
            });
            if let Some(lane) = self.lanes.get_mut(at) {
                lane.queue(segments);
            }
        }
        Ok(())
    }
}

impl Lane {
    fn new(shard: u32) -> Self {
        Self {
            shard,
            segments: VecDeque::new(),
            known_to: None,
            current: None,
            last_index: None,
            head: None,
            drained_to: 0,
        }
    }

    fn queue(&mut self, segments: Vec<SegmentPath>) {
        for segment in segments {
            if self.known_to.is_none_or(|known| segment.number > known) {
                self.known_to = Some(segment.number);
                self.segments.push_back(segment);
                self.drained_to = 0;
            }
        }
    }

    /// Forgets the segments that hold smaller indices only.
    fn skip_below(&mut self, from: u64) -> io::Result<()> {
        for at in (1..self.segments.len()).rev() {
            let Some(segment) = self.segments.get(at) else {
                continue;
            };
            let header = match recover::read_header(&segment.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                header => header?,
            };
            if header.is_some_and(|header| header.first_index <= from) {
                self.segments.drain(..at);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands over the next record.
    fn take(&mut self) -> Option<Followed<'_>> {
        let head = self.head.take()?;
        let (segment, scanner) = self.current.as_ref()?;
        Some(Followed {
            index: head.index,
            kind: head.kind,
            payload: scanner.payload(),
            segment,
            offset: head.offset,
        })
    }

    /// Fetches the next record, or learns that there is none yet. Records below `from` are skipped.
    fn advance(
        &mut self,
        from: u64,
        frontier: u64,
        damage: &mut VecDeque<Damage>,
    ) -> io::Result<()> {
        // What the window holds may be older than the file: damage and ends are believed when they were read just now.
        let mut fresh = false;
        loop {
            let Some((segment, scanner)) = self.current.as_mut() else {
                let Some(next) = self.segments.pop_front() else {
                    self.drained_to = frontier;
                    return Ok(());
                };
                self.current = open_segment(next, self.last_index)?;
                fresh = false;
                continue;
            };
            let (end, damaged) = match scanner.next()? {
                Some(Found::Record(offset, record)) => {
                    self.last_index = Some(record.index);
                    if record.index >= from {
                        self.head = Some(Head {
                            index: record.index,
                            kind: record.kind,
                            offset,
                        });
                        return Ok(());
                    }
                    fresh = false;
                    continue;
                }
                Some(Found::Damage(damaged)) => (damaged.offset, Some(damaged)),
                None => (scanner.offset(), None),
            };
            if !fresh && (damaged.is_some() || scanner.offset() != scanner.file_bytes()?) {
                scanner.rewind(end)?;
                fresh = true;
                continue;
            }
            let ended = damaged.is_none_or(|damaged| damaged.at_end);
            let last = self.segments.is_empty();
            // Behind a frontier a tail may be a write under way; at the end of everything it is damage.
            if ended && last && (damaged.is_none() || frontier != END) {
                scanner.rewind(end)?;
                self.drained_to = frontier;
                return Ok(());
            }
            damage.extend(damaged.map(|damaged| Damage {
                segment: segment.to_string(),
                offset: damaged.offset,
                bytes: damaged.bytes,
            }));
            fresh = false;
            if ended && !last {
                self.current = None;
            }
        }
    }
}

fn open_segment(
    segment: SegmentPath,
    last_index: Option<u64>,
) -> io::Result<Option<(Arc<str>, Scanner<File>)>> {
    match Scanner::open(&segment.path) {
        Ok(scanner) => Ok(Some((Arc::from(segment.name), scanner.after(last_index)))),
        // Retention was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Followed<'_> {
    /// As what it is if its index was handed over before.
    fn as_damage(&self) -> Damage {
        Damage {
            segment: self.segment.to_string(),
            offset: self.offset,
            bytes: (RECORD_HEAD_BYTES + self.payload.len()) as u64,
        }
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Follower({:?})", self.next)
    }
}
