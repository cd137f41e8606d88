//! One segment, read and hashed: what a worker thread hands to the merge.
//!
//! Must never know other segments. Invariants: a part is a fraction of its segment's size; indices in it grow.

use std::fs::File;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::bodies::Bodies;
use super::report::{NOTICES_MAX, Problem, What};
use crate::record::{Kind, Record, SegmentHeader};
use crate::recover::SegmentPath;
use crate::scan::{Found, Scanner};
use crate::tree::hash::{Hash, Leaves};

/// A step of the wall clock that is told.
const STEP_NS: i128 = 1_000_000_000;
/// Problems of one segment that are kept.
const PROBLEMS_MAX: usize = 1_000;

/// What a segment holds.
#[derive(Default)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) shard: u32,
    pub(super) header: Option<SegmentHeader>,
    pub(super) bytes: u64,
    pub(super) entries: Vec<Entry>,
    pub(super) problems: Vec<Problem>,
    pub(super) damages: Vec<Gap>,
    /// Named by `lost` records: first and count.
    pub(super) lost: Vec<(u64, u64)>,
    pub(super) retired_below: u64,
    pub(super) bodies_retired: bool,
    /// Index and difference of the clocks before the first and behind the last record.
    pub(super) clock: Option<(i128, i128)>,
    pub(super) steps: Vec<(u64, i64)>,
    pub(super) bodies: u64,
    /// Bodies whose file is gone: the records.
    pub(super) bodies_gone: Vec<u64>,
}

/// A record, as far as the merge needs it.
pub(super) struct Entry {
    pub(super) index: u64,
    pub(super) leaf: Hash,
    pub(super) offset: u64,
    pub(super) pair: Pair,
}

/// How a record belongs to others.
pub(super) enum Pair {
    Opens,
    Closes(u64),
    Alone,
}

/// Bytes that are no record, and the sound records around them.
pub(super) struct Gap {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) after: Option<u64>,
    pub(super) before: Option<u64>,
    /// It was told as the place of entries that are missing.
    pub(super) told: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields {
    at: i64,
    mono: u64,
    opening: Option<u64>,
    what: String,
    below: u64,
    from: u64,
    count: u64,
}

/// Reads a segment. `None` if it is gone meanwhile.
pub(super) fn read(dir: &Path, path: &SegmentPath) -> io::Result<Option<Part>> {
    let file = match File::open(&path.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut scanner = Scanner::new(file)?;
    let mut part = Part {
        name: path.name.clone(),
        shard: path.shard,
        header: scanner.header(),
        ..Part::default()
    };
    let mut leaves = Leaves::default();
    let mut bodies = Bodies::new(dir);
    let mut last = None;
    while let Some(found) = scanner.next()? {
        match found {
            Found::Record(offset, record) => {
                if let Some(gap) = part.damages.last_mut().filter(|gap| gap.before.is_none()) {
                    gap.before = Some(record.index);
                }
                last = Some(record.index);
                let leaf = leaves.hash(&[&[record.kind as u8], record.payload]);
                let pair = part.take(&record, &mut bodies);
                part.entries.push(Entry {
                    index: record.index,
                    leaf,
                    offset,
                    pair,
                });
            }
            Found::Damage(damaged) if part.damages.len() < PROBLEMS_MAX => part.damages.push(Gap {
                offset: damaged.offset,
                bytes: damaged.bytes,
                after: last,
                before: None,
                told: false,
            }),
            Found::Damage(_) => {}
        }
    }
    part.bytes = scanner.offset();
    part.check_header(path);
    Ok(Some(part))
}

impl Part {
    fn take(&mut self, record: &Record<'_>, bodies: &mut Bodies<'_>) -> Pair {
        let quick = quick_fields(record.payload);
        let whole = matches!(record.kind, Kind::Event | Kind::Lost);
        let fields = match quick {
            Some(fields) if !whole => fields,
            _ => serde_json::from_slice(record.payload).unwrap_or_default(),
        };
        self.clock_at(
            record.index,
            i128::from(fields.at) * 1_000_000 - i128::from(fields.mono),
        );
        if matches!(record.kind, Kind::Opened | Kind::Closed | Kind::Denied)
            && bodies.are_named(record.payload)
        {
            self.check_bodies(record, bodies);
        }
        match record.kind {
            Kind::Opened => Pair::Opens,
            Kind::Closed => fields.opening.map_or(Pair::Alone, Pair::Closes),
            Kind::Denied => Pair::Alone,
            Kind::Lost => {
                self.lost.push((fields.from, fields.count));
                Pair::Alone
            }
            Kind::Event => {
                match fields.what.as_str() {
                    "retired" => self.retired_below = self.retired_below.max(fields.below),
                    "payload_retired" => self.bodies_retired = true,
                    _ => {}
                }
                Pair::Alone
            }
        }
    }

    fn clock_at(&mut self, index: u64, offset: i128) {
        let first = self.clock.map_or(offset, |(first, _)| first);
        if let Some((_, last)) = self.clock
            && (offset - last).abs() > STEP_NS
            && self.steps.len() < NOTICES_MAX
        {
            self.steps.push((index, ms(offset - last)));
        }
        self.clock = Some((first, offset));
    }

    /// The step between this segment and the one before it in its shard and epoch.
    pub(super) fn step_from(&self, before: i128) -> Option<(u64, i64)> {
        let (first, _) = self.clock?;
        let index = self.entries.first()?.index;
        ((first - before).abs() > STEP_NS).then(|| (index, ms(first - before)))
    }

    fn check_bodies(&mut self, record: &Record<'_>, bodies: &mut Bodies<'_>) {
        for checked in bodies.check(record.payload) {
            match checked {
                Ok(true) => self.bodies += 1,
                Ok(false) if self.bodies_gone.len() < PROBLEMS_MAX => {
                    self.bodies_gone.push(record.index);
                }
                Ok(false) => {}
                Err((file, offset, why)) if self.problems.len() < PROBLEMS_MAX => {
                    self.problems.push(Problem {
                        what: What::Body,
                        index: Some(record.index),
                        count: Some(1),
                        file,
                        offset: Some(offset),
                        detail: why.to_owned(),
                    });
                }
                Err(_) => {}
            }
        }
    }

    fn check_header(&mut self, path: &SegmentPath) {
        /// A shard's first index is read before those of others that failed were given back.
        const GIVEN_BACK_MAX: u64 = crate::SHARDS_MAX as u64;
        let Some(header) = self.header else {
            return;
        };
        let mut wrong = |detail: &str| {
            self.problems.push(Problem {
                what: What::Header,
                index: None,
                count: None,
                file: path.name.clone(),
                offset: Some(0),
                detail: detail.to_owned(),
            });
        };
        if (header.number, header.shard) != (path.number, path.shard) {
            wrong("it is that of another segment");
        }
        let first = self.entries.first().map_or(u64::MAX, |entry| entry.index);
        if first < header.first_index.saturating_sub(GIVEN_BACK_MAX) {
            wrong("it begins before its first index");
        }
    }
}

fn ms(ns: i128) -> i64 {
    i64::try_from(ns / 1_000_000).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

/// The first fields of a payload as the journal writes it; `None` if it was written otherwise, and then it must be parsed.
fn quick_fields(payload: &[u8]) -> Option<Fields> {
    let rest = payload.strip_prefix(br#"{"at":"#)?;
    let (at, rest) = number(rest)?;
    let rest = rest.strip_prefix(br#","mono":"#)?;
    let (mono, rest) = number(rest)?;
    let opening = rest
        .strip_prefix(br#","opening":"#)
        .and_then(number)
        .map(|(opening, _)| opening);
    Some(Fields {
        at: i64::try_from(at).ok()?,
        mono,
        opening,
        ..Fields::default()
    })
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (digits, rest) = bytes.split_at_checked(digits)?;
    // Followed by a comma: what is no integer is left to the parser.
    if digits.is_empty() || !rest.starts_with(b",") {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })?;
    Some((value, rest))
}
