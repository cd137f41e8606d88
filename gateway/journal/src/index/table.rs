//! A table of terms in a part's file: for each term the rows that have it.
//!
//! ```text
//! table     head, directory, buckets, sets
//! head      u32 bits: there are 2^bits buckets; u32 bytes of all buckets; u32 CRC-32C of these 8 bytes
//! directory (2^bits + 1) × u32: where each bucket begins, from the first; where the last one ends
//! bucket    entries of 12 bytes, by term; u32 CRC-32C of them. A term is in the bucket of its first `bits` bits
//! entry     6 bytes term, 2 bytes rows − 1, 4 bytes: the row if it is one, else where its set begins
//! set       as in `set`; u32 CRC-32C
//! ```
//!
//! Must never know what terms mean. Invariants: what is read has passed a checksum or is an error.

use std::io;

use super::build::{row_of, term_of};
use super::file::{Source, checked, put_checked, u32_at};
use super::hash::HASH_BITS;
use super::set::{self, RowSet};

const HEAD_BYTES: u64 = 12;
const ENTRY_BYTES: usize = 12;
/// Entries of a bucket, about.
const BUCKET_ENTRIES: usize = 128;
const CHECKSUM_BYTES: u64 = 4;

/// Writes a table of pairs, which are sorted and different. Rows are those of `row_of`, below `rows`.
pub(super) fn write(out: &mut Vec<u8>, pairs: &[u64], rows: usize) {
    debug_assert!(pairs.is_sorted_by(|one, next| one < next));
    let groups = || pairs.chunk_by(|a, b| term_of(*a) == term_of(*b));
    let mut table = Writer::new(groups().count(), rows);
    let mut list: Vec<u16> = Vec::new();
    for group in groups() {
        if let Some(first) = group.first() {
            list.clear();
            list.extend(group.iter().map(|pair| row_of(*pair)));
            table.put(term_of(*first), &list);
        }
    }
    table.finish(out);
}

/// A table that is being written, term by term.
pub(super) struct Writer {
    bits: u32,
    rows: usize,
    directory: Vec<u8>,
    buckets: Vec<u8>,
    sets: Vec<u8>,
    /// The bucket that terms go to, and how many are before it.
    bucket: Vec<u8>,
    finished: u64,
}

impl Writer {
    /// For about so many terms, of rows below `rows`.
    pub(super) fn new(terms: usize, rows: usize) -> Self {
        let bits = (terms / BUCKET_ENTRIES)
            .checked_ilog2()
            .unwrap_or(0)
            .min(24);
        Self {
            bits,
            rows,
            directory: Vec::new(),
            buckets: Vec::new(),
            sets: Vec::new(),
            bucket: Vec::new(),
            finished: 0,
        }
    }

    /// Adds a term and its rows. Terms grow, and so do rows, of which there is one at least.
    pub(super) fn put(&mut self, term: u64, list: &[u16]) {
        debug_assert!(list.is_sorted_by(|one, next| one < next));
        while self.finished < term >> (HASH_BITS - self.bits) {
            self.finish_bucket();
        }
        let place = match list {
            [one] => u32::from(*one),
            _ => {
                let at = self.sets.len();
                set::encode(&mut self.sets, list, self.rows);
                let sum = crc32c::crc32c(self.sets.get(at..).unwrap_or_default());
                self.sets.extend(sum.to_le_bytes());
                u32::try_from(at).unwrap_or(u32::MAX)
            }
        };
        let count = u16::try_from(list.len().saturating_sub(1)).unwrap_or(u16::MAX);
        let entry = u128::from(term) | u128::from(count) << 48 | u128::from(place) << 64;
        let entry = entry.to_le_bytes();
        self.bucket.extend(entry.iter().take(ENTRY_BYTES));
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        for _ in self.finished..1 << self.bits {
            self.finish_bucket();
        }
        let bytes = u32::try_from(self.buckets.len()).unwrap_or(u32::MAX);
        self.directory.extend(bytes.to_le_bytes());
        let mut head = self.bits.to_le_bytes().to_vec();
        head.extend(bytes.to_le_bytes());
        put_checked(out, &head);
        out.append(&mut self.directory);
        out.append(&mut self.buckets);
        out.append(&mut self.sets);
    }

    fn finish_bucket(&mut self) {
        let at = u32::try_from(self.buckets.len()).unwrap_or(u32::MAX);
        self.directory.extend(at.to_le_bytes());
        put_checked(&mut self.buckets, &self.bucket);
        self.bucket.clear();
        self.finished += 1;
    }
}

/// A table of a file.
pub(super) struct Table<'f> {
    source: &'f Source,
    at: u64,
    bits: u32,
    buckets_bytes: u32,
    rows: usize,
}

/// A term's entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) term: u64,
    /// Rows that have it.
    pub(super) count: usize,
    place: u32,
}

impl<'f> Table<'f> {
    pub(super) fn open(source: &'f Source, at: u64, rows: usize) -> io::Result<Self> {
        let head = source.read(at, HEAD_BYTES)?;
        let body = checked(&head)?;
        let bits = u32_at(body, 0)?;
        if bits > 24 {
            return Err(super::file::damaged());
        }
        Ok(Self {
            source,
            at,
            bits,
            buckets_bytes: u32_at(body, 4)?,
            rows,
        })
    }

    /// The rows of a term; `None` if there is no such term.
    pub(super) fn find(&self, term: u64) -> io::Result<Option<Entry>> {
        let bucket = term >> (HASH_BITS - self.bits);
        let bucket = self.bucket(bucket)?;
        Ok(bucket.into_iter().find(|entry| entry.term == term))
    }

    /// Rows of an entry.
    pub(super) fn set(&self, entry: Entry) -> io::Result<RowSet> {
        if entry.count == 1 {
            let mut set = RowSet::empty(self.rows);
            set.insert(entry.place as usize);
            return Ok(set);
        }
        let bytes = set::encoded_bytes(entry.count, self.rows) as u64;
        let at = self.buckets_at() + u64::from(self.buckets_bytes) + u64::from(entry.place);
        let read = self.source.read(at, bytes + CHECKSUM_BYTES)?;
        Ok(set::decode(checked(&read)?, entry.count, self.rows))
    }

    /// All pairs of the table, for writing it anew.
    pub(super) fn pairs(&self) -> io::Result<Vec<u64>> {
        let mut pairs = Vec::new();
        for bucket in 0..1 << self.bits {
            for entry in self.bucket(bucket)? {
                let rows = self.set(entry)?;
                pairs.extend(rows.newest_first().map(|row| {
                    super::build::pair(entry.term, u16::try_from(row).unwrap_or(u16::MAX))
                }));
            }
        }
        Ok(pairs)
    }

    fn buckets_at(&self) -> u64 {
        self.at + HEAD_BYTES + 4 * ((1 << self.bits) + 1)
    }

    fn bucket(&self, bucket: u64) -> io::Result<Vec<Entry>> {
        let directory = self.source.read(self.at + HEAD_BYTES + 4 * bucket, 8)?;
        let (from, to) = (u32_at(&directory, 0)?, u32_at(&directory, 4)?);
        // A wrong directory is found out by the bucket's checksum, but must not ask for more than there is.
        if to < from || to > self.buckets_bytes {
            return Err(super::file::damaged());
        }
        let read = self
            .source
            .read(self.buckets_at() + u64::from(from), u64::from(to - from))?;
        let (entries, _) = checked(&read)?.as_chunks::<ENTRY_BYTES>();
        Ok(entries.iter().map(Entry::decode).collect())
    }
}

impl Entry {
    fn decode(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [t0, t1, t2, t3, t4, t5, c0, c1, p0, p1, p2, p3] = *bytes;
        Self {
            term: u64::from_le_bytes([t0, t1, t2, t3, t4, t5, 0, 0]),
            count: usize::from(u16::from_le_bytes([c0, c1])) + 1,
            place: u32::from_le_bytes([p0, p1, p2, p3]),
        }
    }
}
