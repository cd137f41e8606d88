//! Reads a journal's directory in the order of its indices, for `yumen audit show` and for whatever indexes or exports.
//!
//! Must never know how the journal is written, or hold its lock: a directory may be read while a gateway writes it.
//! Invariants: one record of each shard in memory at a time; whatever the files hold, every line of `dump` is one JSON
//! object of printable characters; bytes that are no record are reported, never skipped in silence.

use std::io::{self, Write};
use std::path::Path;

use super::follow::{Follower, Next, Until};
use super::inert::{Inert, write_inert};
use super::record::Kind;
use super::recover::Damage;

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
pub struct Reader(Follower);

/// Reads `dir` from its oldest record on.
pub fn records(dir: &Path) -> io::Result<Reader> {
    Ok(Reader(Follower::oldest(dir)?))
}

impl Iterator for Reader {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.0.next(Until::End).transpose()?;
        Some(next.map(|next| match next {
            Next::Record(record) => Item::Record(OwnedRecord {
                index: record.index,
                kind: record.kind,
                segment: record.segment.to_string(),
                offset: record.offset,
                payload: record.payload.to_vec(),
            }),
            Next::Missing { from, count } => Item::Missing(from, count),
            Next::Damage(damage) => Item::Damage(damage),
        }))
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

/// The same of the records that bear the request id `id`, and of nothing else; returns how many there are.
pub fn dump_request(dir: &Path, id: &str, out: &mut dyn Write) -> io::Result<usize> {
    #[derive(serde::Deserialize)]
    struct Named {
        #[serde(default)]
        id: String,
    }
    let mut found = 0;
    for item in records(dir)? {
        let Item::Record(record) = item? else {
            continue;
        };
        let named = serde_json::from_slice::<Named>(&record.payload);
        if named.is_ok_and(|named| named.id == id) {
            found += 1;
            dump_record(&record, out)?;
        }
    }
    out.flush()?;
    Ok(found)
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
