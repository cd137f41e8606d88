//! What a directory holds after an earlier run, however that ended.
//!
//! Only segments of the last epoch are read, of each shard the last two and those before them that may hold an opening
//! without its closing (a header's `oldest_open` says so). Earlier epochs were settled by the start that began the last one:
//! what recovery has to say is written to a file that gets its name only when it is complete.
//!
//! Must never know how records are written.
//! Invariants: nothing is deleted but empty or unfinished files of our own; a torn tail is first copied to `*.torn`, durably,
//! and only then cut off; damage elsewhere is left as it is and reported.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::record::{self, HEADER_BYTES, Kind, Record, SegmentHeader};
use super::scan::{Found, Scanner};
use super::tree;

/// Suffix of the file in which recovery writes, until it is complete.
pub(super) const UNFINISHED: &str = ".new";
/// Segments of each shard that are always read: a power cut may have taken bytes of both.
const LAST_SEGMENTS: usize = 2;

/// What `Journal::open` found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Epoch of this run; 1 in a new directory.
    pub epoch: u32,
    /// Index of the first record of this run.
    pub next_index: u64,
    /// Index of the last sound record, if there is one.
    pub last_good: Option<u64>,
    /// Torn tails that were moved aside.
    pub torn: Vec<Damage>,
    /// Damage that is not at the end of a segment: the log was altered, or the disk fails. Left as it is.
    pub damage: Vec<Damage>,
    /// Openings that got a closing `crashed`.
    pub crashed: u64,
    /// Indices that no record bears: first and count.
    pub lost: Vec<(u64, u64)>,
}

/// Bytes of a segment that are no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// File name of the segment.
    pub segment: String,
    /// Where they begin.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
}

/// What recovery found and the journal has yet to write.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) found: Recovery,
    pub(super) next_number: u64,
    /// Openings without a closing: index and request id.
    pub(super) open: Vec<(u64, String)>,
    /// There was an earlier run.
    pub(super) earlier: bool,
}

/// A segment file by its name.
#[derive(Debug, Clone)]
pub(super) struct SegmentPath {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) number: u64,
    pub(super) shard: u32,
    pub(super) bytes: u64,
}

/// Segments of a directory by number.
pub(super) fn list(dir: &Path) -> io::Result<Vec<SegmentPath>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if let Some((number, shard)) = record::parse_segment_name(&name) {
            let bytes = match entry.metadata() {
                Ok(about) => about.len(),
                // One that was made ready and not needed is taken away while we look.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            segments.push(SegmentPath {
                path: entry.path(),
                name,
                number,
                shard,
                bytes,
            });
        }
    }
    segments.sort_by_key(|segment| (segment.number, segment.shard));
    Ok(segments)
}

/// Reads the directory, moves torn tails aside, and says what is missing.
pub(super) fn survey(dir: &Path) -> io::Result<Survey> {
    remove_unfinished(dir)?;
    let mut survey = Survey::default();
    let segments = list(dir)?;
    survey.earlier = segments.iter().any(|segment| segment.bytes > 0);
    survey.next_number = segments.last().map_or(0, |last| last.number + 1);
    let headers = headers_of(&segments)?;
    let epoch = headers
        .values()
        .map(|header| header.epoch)
        .max()
        .unwrap_or(0);
    let of_epoch = |header: &&SegmentHeader| header.epoch == epoch;
    let first_number = headers
        .values()
        .filter(of_epoch)
        .map(|header| header.number)
        .min();
    let first_index = headers
        .values()
        .filter(of_epoch)
        .map(|header| header.first_index)
        .min();
    let mut shards: BTreeMap<u32, Vec<&SegmentPath>> = BTreeMap::new();
    for segment in &segments {
        if segment.bytes > 0 && first_number.is_none_or(|first| segment.number >= first) {
            shards.entry(segment.shard).or_default().push(segment);
        }
    }
    let mut seen = Seen::default();
    // From here on every index is in one of the segments read, or in none.
    let mut complete_from = first_index.unwrap_or(0);
    for of_shard in shards.values() {
        let read = to_read(of_shard, &headers);
        if let Some(header) = read.first().and_then(|first| headers.get(&first.number))
            && read.len() < of_shard.len()
        {
            complete_from = complete_from.max(header.first_index);
        }
        for segment in read {
            read_segment(segment, &mut seen, &mut survey.found)?;
        }
    }
    let beyond_headers = headers
        .values()
        .map(|header| header.first_index)
        .max()
        .unwrap_or(0);
    // A record below the last checkpoint may be gone; another in its place would contradict what was signed.
    let signed = tree::signed_size(dir);
    let found = &mut survey.found;
    found.last_good = seen.indices.iter().copied().max();
    found.epoch = epoch + 1;
    found.next_index = found
        .last_good
        .map_or(0, |last| last + 1)
        .max(beyond_headers)
        .max(seen.lost_to)
        .max(signed);
    found.lost = seen.gaps(complete_from, found.next_index);
    survey.open = seen.open.into_iter().collect();
    survey.open.sort_unstable_by_key(|(index, _)| *index);
    found.crashed = survey.open.len() as u64;
    Ok(survey)
}

/// Headers of segments by number. Those in which nothing was written are removed.
fn headers_of(segments: &[SegmentPath]) -> io::Result<HashMap<u64, SegmentHeader>> {
    let mut headers = HashMap::new();
    for segment in segments {
        if segment.bytes == 0 {
            fs::remove_file(&segment.path)?;
        } else if let Some(header) = read_header(&segment.path)? {
            headers.insert(segment.number, header);
        }
    }
    Ok(headers)
}

/// The segments of a shard that recovery must read, oldest first.
fn to_read<'s>(
    of_shard: &'s [&'s SegmentPath],
    headers: &HashMap<u64, SegmentHeader>,
) -> &'s [&'s SegmentPath] {
    let mut from = of_shard.len().saturating_sub(LAST_SEGMENTS);
    let last = of_shard.last().and_then(|last| headers.get(&last.number));
    if let Some(oldest_open) = last.map(|header| header.oldest_open) {
        let reaches_back = |segment: &&SegmentPath| {
            headers
                .get(&segment.number)
                .is_none_or(|header| header.first_index > oldest_open)
        };
        while from > 0 && of_shard.get(from).is_some_and(reaches_back) {
            from -= 1;
        }
    }
    of_shard.get(from..).unwrap_or_default()
}

/// What the records that were read say.
#[derive(Default)]
struct Seen {
    indices: Vec<u64>,
    open: HashMap<u64, String>,
    /// Indices that `lost` records explain: first and count.
    explained: Vec<(u64, u64)>,
    /// End of the last of them.
    lost_to: u64,
}

impl Seen {
    fn note(&mut self, record: &Record<'_>) {
        self.indices.push(record.index);
        // A payload that does not parse was written by another version; it is a record all the same.
        match record.kind {
            Kind::Opened => {
                let id = serde_json::from_slice::<OpenedFields>(record.payload);
                self.open
                    .insert(record.index, id.map(|fields| fields.id).unwrap_or_default());
            }
            Kind::Closed => {
                if let Ok(fields) = serde_json::from_slice::<ClosedFields>(record.payload) {
                    self.open.remove(&fields.opening);
                }
            }
            Kind::Lost => {
                if let Ok(fields) = serde_json::from_slice::<LostFields>(record.payload) {
                    self.explained.push((fields.from, fields.count));
                    self.lost_to = self.lost_to.max(fields.from.saturating_add(fields.count));
                }
            }
            Kind::Denied | Kind::Event => {}
        }
    }

    /// Stretches of `from..to` that no record bears and none explains.
    fn gaps(&mut self, from: u64, to: u64) -> Vec<(u64, u64)> {
        let singles = self.indices.iter().map(|index| (*index, 1));
        let mut spans: Vec<(u64, u64)> = singles.chain(self.explained.iter().copied()).collect();
        spans.push((to, 0));
        spans.sort_unstable();
        let mut gaps = Vec::new();
        let mut next = from;
        for (first, count) in spans {
            if first > next {
                gaps.push((next, first - next));
            }
            next = next.max(first.saturating_add(count));
        }
        gaps
    }
}

#[derive(Deserialize)]
struct OpenedFields {
    id: String,
}

#[derive(Deserialize)]
struct ClosedFields {
    opening: u64,
}

#[derive(Deserialize)]
struct LostFields {
    from: u64,
    count: u64,
}

fn read_segment(segment: &SegmentPath, seen: &mut Seen, found: &mut Recovery) -> io::Result<()> {
    let mut scanner = Scanner::open(&segment.path)?;
    let mut torn_from = None;
    while let Some(next) = scanner.next()? {
        match next {
            Found::Record(_, record) => seen.note(&record),
            Found::Damage(damaged) => {
                let damage = Damage {
                    segment: segment.name.clone(),
                    offset: damaged.offset,
                    bytes: damaged.bytes,
                };
                if damaged.at_end {
                    torn_from = Some(damaged.offset);
                    found.torn.push(damage);
                } else {
                    found.damage.push(damage);
                }
            }
        }
    }
    torn_from.map_or(Ok(()), |offset| move_aside(&segment.path, offset))?;
    // The process that wrote it may have ended before its next sync, and what this one says covers it.
    File::open(&segment.path)?.sync_data()
}

/// Copies the bytes of a file from `offset` on to a new `*.torn` beside it, then cuts them off.
fn move_aside(path: &Path, offset: u64) -> io::Result<()> {
    let mut torn = new_torn_file(path)?;
    let mut segment = OpenOptions::new().read(true).write(true).open(path)?;
    segment.seek(SeekFrom::Start(offset))?;
    io::copy(&mut segment, &mut torn)?;
    torn.sync_all()?;
    sync_parent(path)?;
    segment.set_len(offset)?;
    segment.sync_all()
}

fn new_torn_file(path: &Path) -> io::Result<File> {
    /// A segment is torn once per start at most, and only its own epoch is looked at.
    const NAMES_MAX: u32 = 1_000;
    for attempt in 0..NAMES_MAX {
        let mut name = path.as_os_str().to_owned();
        name.push(".torn");
        if attempt > 0 {
            name.push(format!(".{attempt}"));
        }
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&name)
        {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other,
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

pub(super) fn read_header(path: &Path) -> io::Result<Option<SegmentHeader>> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    File::open(path)?
        .take(HEADER_BYTES as u64)
        .read_to_end(&mut bytes)?;
    Ok(SegmentHeader::decode(&bytes))
}

/// What an earlier recovery did not finish is written anew: its sources are still there.
fn remove_unfinished(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_string_lossy()
            .ends_with(&format!(".seg{UNFINISHED}"))
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
