//! Reads a journal's directory in the order of its indices, for `yumen audit show` and for whatever indexes or exports.
//!
//! Must never know how the journal is written, or hold its lock: a directory may be read while a gateway writes it.
//! Invariants: one record of each shard in memory at a time; whatever the files hold, every line of `dump` is one JSON
//! object of printable characters; bytes that are no record are reported, never skipped in silence.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::path::Path;

use super::inert::{Inert, write_inert};
use super::record::{Kind, Record};
use super::recover::{self, Damage, SegmentPath};
use super::scan::{Found, Scanner};

/// What the log says next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A record.
    Record(OwnedRecord),
    /// Indices that no record bears, before the next record: first and count. A `lost` record should name them.
    Missing(u64, u64),
    /// Bytes that cannot be read.
    Damage(Damage),
}

/// A record with its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Place in the order of the whole journal.
    pub index: u64,
    /// What it says.
    pub kind: Kind,
    /// Its file.
    pub segment: String,
    /// Where it begins there.
    pub offset: u64,
    /// One JSON object, in bytes as they are on disk.
    pub payload: Vec<u8>,
}

/// Iterates over a directory in the order of the indices; damage comes where it was met.
pub struct Reader {
    lanes: Vec<Lane>,
    pending: VecDeque<Item>,
    next_index: Option<u64>,
}

/// The segments of one shard.
struct Lane {
    segments: VecDeque<SegmentPath>,
    current: Option<(String, Scanner<std::fs::File>)>,
    head: Option<OwnedRecord>,
}

/// Reads `dir` from its oldest record on.
pub fn records(dir: &Path) -> io::Result<Reader> {
    let mut shards: BTreeMap<u32, VecDeque<SegmentPath>> = BTreeMap::new();
    for segment in recover::list(dir)? {
        shards.entry(segment.shard).or_default().push_back(segment);
    }
    let mut reader = Reader {
        lanes: Vec::new(),
        pending: VecDeque::new(),
        next_index: None,
    };
    for segments in shards.into_values() {
        let mut lane = Lane {
            segments,
            current: None,
            head: None,
        };
        lane.advance(&mut reader.pending)?;
        reader.lanes.push(lane);
    }
    Ok(reader)
}

impl Iterator for Reader {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(item) = self.pending.pop_front() {
            return Some(Ok(item));
        }
        let lane = self
            .lanes
            .iter_mut()
            .filter(|lane| lane.head.is_some())
            .min_by_key(|lane| lane.head.as_ref().map(|head| head.index))?;
        let record = lane.head.take()?;
        if let Err(error) = lane.advance(&mut self.pending) {
            return Some(Err(error));
        }
        // What retention removed from the front is not missing.
        let expected = self.next_index.unwrap_or(record.index);
        self.next_index = Some(record.index + 1);
        if record.index > expected {
            let missing = Item::Missing(expected, record.index - expected);
            self.pending.push_front(Item::Record(record));
            return Some(Ok(missing));
        }
        Some(Ok(Item::Record(record)))
    }
}

impl Lane {
    /// Fetches the next record; damage on the way goes to `pending`.
    fn advance(&mut self, pending: &mut VecDeque<Item>) -> io::Result<()> {
        loop {
            let Some((segment, scanner)) = self.current.as_mut() else {
                let Some(next) = self.segments.pop_front() else {
                    return Ok(());
                };
                self.current = Some((next.name, Scanner::open(&next.path)?));
                continue;
            };
            match scanner.next()? {
                None => self.current = None,
                Some(Found::Record(offset, record)) => {
                    self.head = Some(OwnedRecord::of(segment, offset, &record));
                    return Ok(());
                }
                Some(Found::Damage(damaged)) => pending.push_back(Item::Damage(Damage {
                    segment: segment.clone(),
                    offset: damaged.offset,
                    bytes: damaged.bytes,
                })),
            }
        }
    }
}

impl OwnedRecord {
    fn of(segment: &str, offset: u64, record: &Record<'_>) -> Self {
        Self {
            index: record.index,
            kind: record.kind,
            segment: segment.to_owned(),
            offset,
            payload: record.payload.to_vec(),
        }
    }
}

/// Prints the log: one JSON object per line. Records as `{"index","kind",…the payload's fields}`; missing indices as
/// `{"missing":{"from","count"}}`; unreadable bytes as `{"damage":{"segment","offset","bytes"}}`, with `index` if a record
/// is framed well and its payload is not JSON.
pub fn dump(dir: &Path, out: &mut dyn Write) -> io::Result<()> {
    for item in records(dir)? {
        match item? {
            Item::Record(record) => dump_record(&record, out)?,
            Item::Missing(from, count) => {
                writeln!(out, r#"{{"missing":{{"from":{from},"count":{count}}}}}"#)?;
            }
            Item::Damage(damage) => dump_damage(&damage, None, out)?,
        }
    }
    out.flush()
}

fn dump_record(record: &OwnedRecord, out: &mut dyn Write) -> io::Result<()> {
    let Some(fields) = object_fields(&record.payload) else {
        let damage = Damage {
            segment: record.segment.clone(),
            offset: record.offset,
            bytes: record.payload.len() as u64,
        };
        return dump_damage(&damage, Some(record.index), out);
    };
    write!(
        out,
        r#"{{"index":{},"kind":"{}""#,
        record.index,
        record.kind.name()
    )?;
    if fields != "}" {
        out.write_all(b",")?;
    }
    write_inert(out, fields)?;
    out.write_all(b"\n")
}

/// The payload behind its opening brace, if it is an object on one line. Whoever can write files can make a record with a
/// good checksum; what is printed must be sound all the same.
fn object_fields(payload: &[u8]) -> Option<&str> {
    let text = str::from_utf8(payload).ok()?;
    let one_line = !text.bytes().any(|byte| byte < 0x20);
    let sound = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    text.strip_prefix('{')
        .filter(|fields| one_line && sound && text.ends_with('}') && !fields.starts_with(' '))
}

fn dump_damage(damage: &Damage, index: Option<u64>, out: &mut dyn Write) -> io::Result<()> {
    let mut name = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut name, Inert);
    serde::Serialize::serialize(&damage.segment, &mut serializer)?;
    out.write_all(br#"{"damage":{"segment":"#)?;
    out.write_all(&name)?;
    write!(
        out,
        r#","offset":{},"bytes":{}"#,
        damage.offset, damage.bytes
    )?;
    if let Some(index) = index {
        write!(out, r#","index":{index}"#)?;
    }
    out.write_all(b"}}\n")
}
