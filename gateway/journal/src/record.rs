//! The journal on disk: what a segment file is made of, byte by byte.
//!
//! # Directory
//!
//! ```text
//! LOCK                    held with flock by the one process that writes here
//! RESERVE                 zeros: room for closing records when the disk is full
//! PROBE                   for a moment: does the disk take bytes again
//! NNNNNNNNNN-SS.seg       segment: N = number (10 digits), SS = shard (2 digits)
//! NNNNNNNNNN-SS.seg.torn  bytes that recovery cut off the end of that segment; may be anything
//! ```
//!
//! A segment of length 0 was prepared and never used: skip it. Numbers are given over all shards and never again;
//! within one shard a higher number is later. Every start of the gateway begins new segments with a new epoch.
//!
//! # Segment
//!
//! All integers are little-endian. A header of 64 bytes, then records without padding until the end of the file.
//!
//! ```text
//! offset size  header
//!      0    8  magic, the ASCII bytes "yumenlog"
//!      8    4  format version, 1
//!     12    4  epoch: how often this directory was opened, from 1
//!     16    4  shard
//!     20    4  zero
//!     24    8  segment number, as in the file name
//!     32    8  first index: every record of this shard in an earlier segment has a smaller index
//!     40    8  oldest open: no opening with a smaller index was without its closing in this shard
//!     48    8  created, signed, milliseconds since 1970-01-01 UTC
//!     56    4  zero
//!     60    4  CRC-32C of bytes 0..60
//!
//! offset size  record
//!      0    4  length: bytes after the checksum = 9 + payload; 11 ..= 65,543
//!      4    4  CRC-32C (Castagnoli, reflected, init and final xor 0xFFFFFFFF) of the `length` bytes that follow
//!      8    8  index
//!     16    1  kind: 1 opened, 2 closed, 3 denied, 4 event, 5 lost
//!     17    …  payload: one JSON object, UTF-8
//! ```
//!
//! **Index.** One sequence over all shards from 0. Within a shard it only grows. To read the log in order, merge the shards by index.
//! An index that no record bears is named by a later `lost` record (`from`, `count`), or it is damage.
//!
//! **Payload.** Always has `at` (ms since 1970 UTC) and `mono` (ns, meaningful within one epoch); never has `index` or `kind`.
//! Control characters (C0, DEL, C1), line separators, marks of text direction and U+FEFF are always `\u` escapes,
//! so a payload is one line and inert in a terminal. A string that was too long ends in `…`. Fields that would be empty are left out;
//! unknown fields must be ignored: later versions add some. The fields are those of the structs in `payload`.
//! A `closed` payload names its opening by index (`opening`) and repeats its `id`.
//!
//! **Leaf.** The Merkle tree over the log (`tree/`, told in `tree`) hashes kind and payload (bytes 16.. of the record): the position
//! in the tree is the index. An index that no record bears is the leaf 0x00.
//!
//! **Damage.** A record whose length, kind or checksum is wrong, or whose index does not grow, is damaged. The next good record
//! is found by trying every following byte. Damage that reaches the end of the file is a torn tail: a write that a crash cut short.
//!
//! This module must never know files, locks or clocks.
//! Invariants: what `frame` makes, `parse` accepts; nothing else is accepted; no record exceeds `RECORD_BYTES_MAX`.

/// First bytes of every segment.
pub const MAGIC: [u8; 8] = *b"yumenlog";
/// Version of the layout above.
pub const FORMAT_VERSION: u32 = 1;
/// Bytes of a segment's header.
pub const HEADER_BYTES: usize = 64;
/// Bytes of a record before its payload.
pub const RECORD_HEAD_BYTES: usize = 17;
/// Bytes of a record that its length does not count: the length itself and the checksum.
const UNCOUNTED_BYTES: usize = 8;
/// Longest payload. Kind and payload together are a tile entry of at most 65,535 bytes (16-bit length in C2SP tlog-tiles).
pub const PAYLOAD_BYTES_MAX: usize = 65_534;
/// Longest record.
pub const RECORD_BYTES_MAX: usize = RECORD_HEAD_BYTES + PAYLOAD_BYTES_MAX;
/// Shortest record: the payload is at least `{}`.
const RECORD_BYTES_MIN: usize = RECORD_HEAD_BYTES + 2;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A request is about to go upstream.
    Opened = 1,
    /// How a request that was opened ended.
    Closed = 2,
    /// A request that was refused before any upstream was chosen.
    Denied = 3,
    /// Something that happened to the gateway itself.
    Event = 4,
    /// Indices that no record bears.
    Lost = 5,
}

impl Kind {
    /// The kind of a byte on disk.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Opened,
            Self::Closed,
            Self::Denied,
            Self::Event,
            Self::Lost,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }

    /// Its name in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Denied => "denied",
            Self::Event => "event",
            Self::Lost => "lost",
        }
    }
}

/// The first 64 bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// How often the directory had been opened.
    pub epoch: u32,
    /// The shard that wrote it.
    pub shard: u32,
    /// Its number.
    pub number: u64,
    /// Every record of the shard in an earlier segment has a smaller index.
    pub first_index: u64,
    /// Recovery need not look for openings below this index.
    pub oldest_open: u64,
    /// Wall time of its first use, ms since 1970.
    pub created_ms: i64,
}

impl SegmentHeader {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.shard.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.first_index.to_le_bytes());
        out.extend_from_slice(&self.oldest_open.to_le_bytes());
        out.extend_from_slice(&self.created_ms.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        let sum = crc32c::crc32c(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        debug_assert_eq!(out.len(), HEADER_BYTES);
        let mut header = [0; HEADER_BYTES];
        for (to, from) in header.iter_mut().zip(out) {
            *to = from;
        }
        header
    }

    /// Reads a header; `None` if it is short, damaged or of another format.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let body = bytes.get(..HEADER_BYTES - 4)?;
        let sound = body.get(..8)? == MAGIC
            && u32_at(body, 8)? == FORMAT_VERSION
            && u32_at(bytes, 60)? == crc32c::crc32c(body);
        if !sound {
            return None;
        }
        Some(Self {
            epoch: u32_at(body, 12)?,
            shard: u32_at(body, 16)?,
            number: u64_at(body, 24)?,
            first_index: u64_at(body, 32)?,
            oldest_open: u64_at(body, 40)?,
            created_ms: i64::from_le_bytes(u64_at(body, 48)?.to_le_bytes()),
        })
    }
}

/// A record, borrowed from the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Place in the order of the whole journal.
    pub index: u64,
    /// What it says.
    pub kind: Kind,
    /// One JSON object.
    pub payload: &'a [u8],
}

impl Record<'_> {
    /// Bytes it takes on disk.
    pub fn bytes(&self) -> usize {
        RECORD_HEAD_BYTES + self.payload.len()
    }
}

/// Empties `buf` and leaves room for the head, so that a payload can be written straight behind it.
pub(super) fn start(buf: &mut Vec<u8>, kind: Kind) {
    buf.clear();
    buf.resize(RECORD_HEAD_BYTES - 1, 0);
    buf.push(kind as u8);
}

/// Whether a record is neither longer nor shorter than any may be.
pub(super) fn fits(buf: &[u8]) -> bool {
    (RECORD_BYTES_MIN..=RECORD_BYTES_MAX).contains(&buf.len())
}

/// Completes a record begun with `start`: length, checksum and index. May be called again with another index.
/// False if the record is longer or shorter than any record may be.
#[must_use]
pub(super) fn frame(buf: &mut [u8], index: u64) -> bool {
    if !fits(buf) {
        return false;
    }
    let Ok(length) = u32::try_from(buf.len() - UNCOUNTED_BYTES) else {
        return false;
    };
    let Some((head, counted)) = buf.split_first_chunk_mut::<UNCOUNTED_BYTES>() else {
        return false;
    };
    if let Some(place) = counted.first_chunk_mut::<8>() {
        *place = index.to_le_bytes();
    }
    let sum = crc32c::crc32c(counted);
    *head = (u64::from(sum) << 32 | u64::from(length)).to_le_bytes();
    true
}

/// Bytes of the record that begins at the first byte, as it says itself; `None` if there is no record of that length.
pub(super) fn told_bytes(bytes: &[u8]) -> Option<usize> {
    let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
    let total = length.checked_add(UNCOUNTED_BYTES)?;
    let possible = (RECORD_BYTES_MIN..=RECORD_BYTES_MAX).contains(&total);
    possible.then_some(total)
}

/// The record that begins at the first byte, if there is a whole and sound one.
pub fn parse(bytes: &[u8]) -> Option<Record<'_>> {
    let total = told_bytes(bytes)?;
    let counted = bytes.get(UNCOUNTED_BYTES..total)?;
    let kind = Kind::from_byte(*counted.get(8)?)?;
    // Cheap tests come before the checksum: the search for the next good record tries every byte.
    let payload = counted.get(9..)?;
    if payload.first() != Some(&b'{') || u32_at(bytes, 4)? != crc32c::crc32c(counted) {
        return None;
    }
    let index = u64_at(counted, 0)?;
    Some(Record {
        index,
        kind,
        payload,
    })
}

/// File name of a segment.
pub(super) fn segment_name(number: u64, shard: u32) -> String {
    format!("{number:010}-{shard:02}.seg")
}

/// Number and shard of a segment's file name.
pub(super) fn parse_segment_name(name: &str) -> Option<(u64, u32)> {
    let (number, shard) = name.strip_suffix(".seg")?.split_once('-')?;
    let digits = |text: &str, least: usize| {
        text.len() >= least && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(number, 10) || !digits(shard, 2) {
        return None;
    }
    Some((number.parse().ok()?, shard.parse().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut buf = Vec::new();
        start(&mut buf, Kind::Closed);
        buf.extend_from_slice(br#"{"at":1}"#);
        assert!(frame(&mut buf, 77));
        buf
    }

    #[test]
    fn the_bytes_are_those_of_the_header_comment() {
        let buf = sample();
        assert_eq!(buf.len(), 25);
        assert_eq!(buf[..4], 17u32.to_le_bytes());
        assert_eq!(buf[4..8], crc32c::crc32c(&buf[8..]).to_le_bytes());
        assert_eq!(buf[8..16], 77u64.to_le_bytes());
        assert_eq!(buf[16], 2);
        let record = parse(&buf).unwrap();
        assert_eq!(
            (record.index, record.kind, record.payload),
            (77, Kind::Closed, &br#"{"at":1}"#[..])
        );
        // The published check value of CRC-32C.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let good = sample();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&bad), None, "bit {bit}");
        }
        for cut in 0..good.len() {
            assert_eq!(parse(&good[..cut]), None, "cut {cut}");
        }
    }

    #[test]
    fn headers_and_names_read_back() {
        let header = SegmentHeader {
            epoch: 3,
            shard: 12,
            number: 99,
            first_index: 1_000,
            oldest_open: 998,
            created_ms: -5,
        };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Some(header));
        for bit in 0..HEADER_BYTES * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&bad), None, "bit {bit}");
        }
        assert_eq!(segment_name(99, 12), "0000000099-12.seg");
        assert_eq!(parse_segment_name("0000000099-12.seg"), Some((99, 12)));
        for other in [
            "99-12.seg",
            "0000000099-12.seg.torn",
            "LOCK",
            "+000000099-12.seg",
        ] {
            assert_eq!(parse_segment_name(other), None, "{other}");
        }
    }

    #[test]
    fn too_long_a_record_is_not_framed() {
        let mut buf = Vec::new();
        start(&mut buf, Kind::Event);
        buf.resize(RECORD_BYTES_MAX, b' ');
        assert!(frame(&mut buf, 0));
        buf.push(b' ');
        assert!(!frame(&mut buf, 0));
    }
}
