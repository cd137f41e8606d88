//! Reads one segment file from front to back, past damage.
//!
//! Must never know about other segments, or change anything.
//! Invariants: memory is bounded (`WINDOW_BYTES`) whatever the file holds; every byte behind the header belongs to exactly
//! one record or one damage; indices that are returned grow.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use super::record::{
    self, HEADER_BYTES, Kind, RECORD_BYTES_MAX, RECORD_HEAD_BYTES, Record, SegmentHeader,
};

/// Bytes of a file held in memory: the longest records, and little enough to be still in a core's cache when they are looked at.
const WINDOW_BYTES: usize = 2 * RECORD_BYTES_MAX;

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A sound record, and where it begins.
    Record(u64, Record<'a>),
    /// Bytes that are no record.
    Damage(Damaged),
}

/// A stretch of a file that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged {
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// How long it is.
    pub(super) bytes: u64,
    /// It reaches the end of the file.
    pub(super) at_end: bool,
}

/// Reads one segment.
pub(super) struct Scanner<R> {
    source: R,
    window: Vec<u8>,
    /// Start of what is not consumed in `window`.
    at: usize,
    /// Its place in the file.
    offset: u64,
    /// Where the payload of the record found last is in `window`.
    payload: Range<usize>,
    ended: bool,
    last_index: Option<u64>,
    header: Option<SegmentHeader>,
}

impl Scanner<File> {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::new(File::open(path)?)
    }

    /// Length of the file as it is now.
    pub(super) fn file_bytes(&self) -> io::Result<u64> {
        Ok(self.source.metadata()?.len())
    }

    /// Reads on from `offset` with what the file holds now.
    pub(super) fn rewind(&mut self, offset: u64) -> io::Result<()> {
        self.source.seek(SeekFrom::Start(offset))?;
        self.window.clear();
        self.at = 0;
        self.offset = offset;
        self.ended = false;
        Ok(())
    }
}

impl<R: Read> Scanner<R> {
    pub(super) fn new(source: R) -> io::Result<Self> {
        let mut scanner = Self {
            source,
            window: Vec::with_capacity(WINDOW_BYTES),
            at: 0,
            offset: 0,
            payload: 0..0,
            ended: false,
            last_index: None,
            header: None,
        };
        scanner.fill()?;
        // Without a sound header its bytes come as damage.
        scanner.header = SegmentHeader::decode(&scanner.window);
        if scanner.header.is_some() {
            scanner.consume(HEADER_BYTES);
        }
        Ok(scanner)
    }

    /// Takes only records with a larger index.
    pub(super) fn after(mut self, last_index: Option<u64>) -> Self {
        self.last_index = last_index;
        self
    }

    /// The segment's header, if it is sound.
    pub(super) fn header(&self) -> Option<SegmentHeader> {
        self.header
    }

    /// Where the next record or damage begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The payload of the record that was found last, until the next call.
    pub(super) fn payload(&self) -> &[u8] {
        self.window.get(self.payload.clone()).unwrap_or_default()
    }

    /// The next record or damage; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        let offset = self.offset;
        loop {
            self.fill()?;
            let rest = self.window.get(self.at..).unwrap_or_default();
            let at_end = rest.is_empty();
            let sound = self.sound(rest);
            if self.offset > offset && (at_end || sound.is_some()) {
                return Ok(Some(Found::Damage(Damaged {
                    offset,
                    bytes: self.offset - offset,
                    at_end,
                })));
            }
            if at_end {
                return Ok(None);
            }
            if let Some((index, kind, bytes)) = sound {
                let from = self.at;
                self.consume(bytes);
                self.last_index = Some(index);
                self.payload = from + RECORD_HEAD_BYTES..self.at;
                let record = Record {
                    index,
                    kind,
                    payload: self.payload(),
                };
                return Ok(Some(Found::Record(offset, record)));
            }
            self.consume(1);
        }
    }

    /// Index, kind and length of the record at the start of `rest`, if there is a sound one that comes later than the last.
    fn sound(&self, rest: &[u8]) -> Option<(u64, Kind, usize)> {
        record::parse(rest)
            .filter(|record| self.last_index.is_none_or(|last| record.index > last))
            .map(|record| (record.index, record.kind, record.bytes()))
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
        self.offset += bytes as u64;
    }

    /// Sees to it that the window holds the record that begins here, or all there is.
    fn fill(&mut self) -> io::Result<()> {
        let rest = self.window.get(self.at..).unwrap_or_default();
        let needed = match rest.len() {
            0..4 => 4,
            _ => record::told_bytes(rest).unwrap_or(0),
        };
        if self.ended || rest.len() >= needed {
            return Ok(());
        }
        self.window.drain(..self.at);
        self.at = 0;
        let room = (WINDOW_BYTES - self.window.len()) as u64;
        let read = self
            .source
            .by_ref()
            .take(room)
            .read_to_end(&mut self.window)?;
        self.ended = read as u64 != room;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{frame, start};
    use super::*;

    fn records(count: u64) -> (Vec<u8>, Vec<usize>) {
        let header = SegmentHeader {
            epoch: 1,
            shard: 0,
            number: 1,
            first_index: 0,
            oldest_open: 0,
            created_ms: 0,
        };
        let mut file = header.encode().to_vec();
        let mut starts = Vec::new();
        for index in 0..count {
            let mut buf = Vec::new();
            start(&mut buf, Kind::Event);
            buf.extend_from_slice(format!("{{\"at\":{index}}}").as_bytes());
            assert!(frame(&mut buf, index));
            starts.push(file.len());
            file.extend_from_slice(&buf);
        }
        (file, starts)
    }

    /// Indices of the records, and the damage.
    fn scan(file: &[u8]) -> (Vec<u64>, Vec<Damaged>) {
        let mut scanner = Scanner::new(file).unwrap();
        let (mut indices, mut damage) = (Vec::new(), Vec::new());
        while let Some(found) = scanner.next().unwrap() {
            match found {
                Found::Record(_, record) => indices.push(record.index),
                Found::Damage(damaged) => damage.push(damaged),
            }
        }
        (indices, damage)
    }

    #[test]
    fn a_flipped_byte_costs_its_record_only() {
        let (file, starts) = records(20);
        for at in starts[5]..starts[6] {
            let mut bad = file.clone();
            bad[at] ^= 0x10;
            let (indices, damage) = scan(&bad);
            assert_eq!(indices.len(), 19, "byte {at}");
            assert!(!indices.contains(&5));
            let whole = (starts[6] - starts[5]) as u64;
            assert_eq!(damage.len(), 1);
            assert_eq!(
                (damage[0].offset, damage[0].bytes, damage[0].at_end),
                (starts[5] as u64, whole, false)
            );
        }
    }

    #[test]
    fn removed_swapped_and_repeated_records_do_not_pass() {
        let (file, starts) = records(6);
        let piece = |n: usize| &file[starts[n]..starts.get(n + 1).copied().unwrap_or(file.len())];
        let build = |order: &[usize]| {
            let mut out = file[..64].to_vec();
            order.iter().for_each(|n| out.extend_from_slice(piece(*n)));
            scan(&out)
        };
        assert_eq!(build(&[0, 1, 3, 4]).0, [0, 1, 3, 4]);
        let (indices, damage) = build(&[0, 2, 1, 3]);
        assert_eq!((indices, damage.len()), (vec![0, 2, 3], 1));
        let (indices, damage) = build(&[0, 1, 1, 2]);
        assert_eq!((indices, damage.len()), (vec![0, 1, 2], 1));
    }

    #[test]
    fn a_cut_is_damage_at_the_end() {
        let (file, starts) = records(3);
        for cut in starts[2] + 1..file.len() {
            let (indices, damage) = scan(&file[..cut]);
            assert_eq!(indices, [0, 1]);
            assert!(damage.len() == 1 && damage[0].at_end);
            assert_eq!(damage[0].offset, starts[2] as u64);
        }
        assert_eq!(scan(&file[..30]).1.len(), 1);
        assert!(scan(&[]).1.is_empty());
    }

    #[test]
    fn windows_do_not_show() {
        let (mut file, _) = records(60_000);
        assert!(file.len() > 3 * WINDOW_BYTES);
        assert_eq!(scan(&file).0.len(), 60_000);
        file.truncate(64);
        file.extend_from_slice(&vec![0xAB; 2 * WINDOW_BYTES + 5]);
        assert_eq!(scan(&file).1.len(), 1);
    }
}
