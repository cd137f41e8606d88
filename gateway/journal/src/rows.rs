//! The log as rows: what follows it and wants whole requests, and what looks one up by its place.
//!
//! Must never change a file. Invariants: rows come as [`Join`] says; memory is the follower's and the openings that wait.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::follow::{Follower, Next, Until};
use super::join::{First, Input, Join, Place, Settled, row};
use super::record::{self, HEADER_BYTES, Kind, RECORD_BYTES_MAX, SegmentHeader};
use super::recover;
use super::row::Row;

/// Segment files that a look-up keeps open.
const OPEN_FILES_MAX: usize = 16;
/// Bytes read for a record at first; most are shorter.
const GUESS_BYTES: usize = 2048;

/// Follows a directory and joins what it reads.
pub struct Rows {
    dir: PathBuf,
    follower: Follower,
    join: Join,
    /// Of each shard the segment that is read.
    segments: Vec<Segment>,
    /// The largest epoch so far.
    epoch: u32,
    ready: VecDeque<Settled>,
}

/// A segment that is read.
struct Segment {
    name: Arc<str>,
    number: u64,
    shard: u32,
    epoch: u32,
}

impl Rows {
    /// From the oldest record on.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn oldest(dir: &Path) -> io::Result<Self> {
        Ok(Self::new(dir, Follower::oldest(dir)?, Join::default()))
    }

    /// From the segments on in which records of `from_ms` (ms since 1970) or later may be: what they end may have begun before.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn since(dir: &Path, from_ms: i64) -> io::Result<Self> {
        let mut of_shard: BTreeMap<u32, u64> = BTreeMap::new();
        for segment in recover::list(dir)? {
            let header = match recover::read_header(&segment.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                header => header?,
            };
            // A segment goes on until the shard begins the next, so the last one begun before is still needed.
            match header.filter(|header| header.created_ms < from_ms) {
                Some(header) => {
                    of_shard.insert(segment.shard, header.first_index);
                }
                None => {
                    let begin = header.map_or(0, |header| header.first_index);
                    of_shard.entry(segment.shard).or_insert(begin);
                }
            }
        }
        match of_shard.into_values().min() {
            None | Some(0) => Self::oldest(dir),
            Some(first) => Self::open(dir, first, Join::default()),
        }
    }

    /// From index `from` on, where the openings in `join` were waiting.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn open(dir: &Path, from: u64, join: Join) -> io::Result<Self> {
        Ok(Self::new(dir, Follower::open(dir, from)?, join))
    }

    fn new(dir: &Path, follower: Follower, join: Join) -> Self {
        Self {
            dir: dir.to_owned(),
            follower,
            join,
            segments: Vec::new(),
            epoch: 0,
            ready: VecDeque::new(),
        }
    }

    /// The next row; `None` when there is no more, for now.
    ///
    /// # Errors
    /// A file that cannot be read; the call may be repeated.
    pub fn next(&mut self, until: Until) -> io::Result<Option<Settled>> {
        let mut found = Vec::new();
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            if !self.step(until, &mut found)? {
                return Ok(None);
            }
            self.ready.extend(found.drain(..));
        }
    }

    /// Reads one record and adds the rows that it completes; false when there is no more, for now.
    /// For callers that keep a cursor: between two steps it is `next_index` and the openings of `join`.
    ///
    /// # Errors
    /// A file that cannot be read; the call may be repeated.
    pub fn step(&mut self, until: Until, out: &mut Vec<Settled>) -> io::Result<bool> {
        let record = match self.follower.next(until)? {
            None => return Ok(false),
            // They give no row; `verify` tells of them.
            Some(Next::Missing { .. } | Next::Damage(_)) => return Ok(true),
            Some(Next::Record(record)) => record,
        };
        // Few shards: looking through them costs less than reading a name.
        let mut known = self.segments.iter();
        let known = known.find(|segment| Arc::ptr_eq(&segment.name, record.segment));
        let (number, shard, epoch) = match known {
            Some(known) => (known.number, known.shard, known.epoch),
            None => {
                let Some((number, shard)) = record::parse_segment_name(record.segment) else {
                    return Ok(true);
                };
                let header = match recover::read_header(&self.dir.join(&**record.segment)) {
                    // Retention took its name while it was read; epochs only grow.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                    other => other?,
                };
                let epoch = header.map_or(self.epoch, |header| header.epoch);
                self.epoch = self.epoch.max(epoch);
                self.segments.retain(|segment| segment.shard != shard);
                self.segments.push(Segment {
                    name: Arc::clone(record.segment),
                    number,
                    shard,
                    epoch,
                });
                (number, shard, epoch)
            }
        };
        let input = Input {
            index: record.index,
            kind: record.kind,
            epoch,
            place: Place {
                number,
                shard,
                offset: record.offset,
            },
            payload: record.payload,
        };
        self.join.push(&input, out);
        Ok(true)
    }

    /// Index of the next record.
    pub fn next_index(&self) -> u64 {
        self.follower.next_index()
    }

    /// The openings that wait.
    pub fn join(&self) -> &Join {
        &self.join
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rows({})", self.next_index())
    }
}

/// Looks records up by their place.
pub struct Places {
    dir: PathBuf,
    /// Used last comes last.
    files: Vec<(u64, u32, File, u32)>,
}

/// A record that was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Place in the order of the whole journal.
    pub index: u64,
    /// What it says.
    pub kind: Kind,
    /// Epoch of its segment.
    pub epoch: u32,
    /// One JSON object.
    pub payload: Vec<u8>,
}

impl Places {
    /// Of a directory.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            files: Vec::new(),
        }
    }

    /// The record at `place`; `None` if its file is gone or holds no record there.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn fetch(&mut self, place: Place) -> io::Result<Option<Fetched>> {
        let Some((file, epoch)) = self.file(place)? else {
            return Ok(None);
        };
        let mut bytes = vec![0; GUESS_BYTES];
        let read = read_up_to(file, &mut bytes, place.offset)?;
        bytes.truncate(read);
        let mut found = record::parse(&bytes);
        if found.is_none() && read == GUESS_BYTES {
            bytes.resize(RECORD_BYTES_MAX, 0);
            let read = read_up_to(file, &mut bytes, place.offset)?;
            bytes.truncate(read);
            found = record::parse(&bytes);
        }
        Ok(found.map(|record| Fetched {
            index: record.index,
            kind: record.kind,
            epoch,
            payload: record.payload.to_vec(),
        }))
    }

    /// The row of records at these places. An opening whose file is gone is left out, as one that was never read;
    /// `None` if nothing is left.
    ///
    /// # Errors
    /// A file that cannot be read; kind `InvalidData` if there is no record, or another, where one should be.
    pub fn row(
        &mut self,
        (index, settled): (u64, u64),
        first: Option<Place>,
        closing: Option<Place>,
    ) -> io::Result<Option<Row>> {
        let (first_found, closing_found) = (
            self.expected(first, index)?,
            self.expected(closing, settled)?,
        );
        // Nothing is left: a row of a closing is that of its opening no more.
        if closing_found.is_none() && (closing.is_some() || first_found.is_none()) {
            return Ok(None);
        }
        let first = first_found.as_ref().map(|first| First {
            kind: first.kind,
            epoch: first.epoch,
            payload: &first.payload,
        });
        let closing = closing_found.as_ref().map(|closing| &*closing.payload);
        Ok(Some(row(index, settled, first, closing)))
    }

    /// The record with this index, if its file is there.
    fn expected(&mut self, place: Option<Place>, index: u64) -> io::Result<Option<Fetched>> {
        let Some(place) = place else {
            return Ok(None);
        };
        if self.file(place)?.is_none() {
            return Ok(None);
        }
        let found = self.fetch(place)?.filter(|found| found.index == index);
        found.map(Some).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "no such record at this place")
        })
    }

    fn file(&mut self, place: Place) -> io::Result<Option<(&File, u32)>> {
        let known = self
            .files
            .iter()
            .position(|(number, shard, ..)| (*number, *shard) == (place.number, place.shard));
        if let Some(at) = known {
            let entry = self.files.remove(at);
            self.files.push(entry);
        } else {
            let path = self
                .dir
                .join(record::segment_name(place.number, place.shard));
            let file = match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                other => other?,
            };
            let mut header = [0; HEADER_BYTES];
            let read = read_up_to(&file, &mut header, 0)?;
            let header = header.get(..read).and_then(SegmentHeader::decode);
            if self.files.len() >= OPEN_FILES_MAX {
                self.files.remove(0);
            }
            let epoch = header.map_or(0, |header| header.epoch);
            self.files.push((place.number, place.shard, file, epoch));
        }
        Ok(self.files.last().map(|(.., file, epoch)| (file, *epoch)))
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Places")
    }
}

/// Fills `bytes` as far as the file goes; says how far that was.
fn read_up_to(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(room) = bytes.get_mut(read..).filter(|room| !room.is_empty()) {
        match file.read_at(room, offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
