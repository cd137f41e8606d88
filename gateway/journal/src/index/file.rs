//! Reading an index file in pieces, each with its checksum.
//!
//! Must never know what the pieces are. Invariants: a piece that is not as it was written is an error of kind `InvalidData`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Longest piece: a column of the longest part, or a table's bucket; far above any of them.
const PIECE_BYTES_MAX: u64 = 64 << 20;
const CHECKSUM_BYTES: usize = 4;

/// A file that is read.
pub(super) struct Source {
    file: File,
    pub(super) bytes: u64,
}

impl Source {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file, bytes })
    }

    /// Bytes of the file; an error if it ends before.
    pub(super) fn read(&self, at: u64, bytes: u64) -> io::Result<Vec<u8>> {
        if bytes > PIECE_BYTES_MAX || at.checked_add(bytes).is_none_or(|end| end > self.bytes) {
            return Err(damaged());
        }
        let mut piece = vec![0; usize::try_from(bytes).map_err(|_| damaged())?];
        self.file.read_exact_at(&mut piece, at)?;
        Ok(piece)
    }
}

impl Source {
    /// All bytes below `end`, unchecked, for writing them again as they are.
    pub(super) fn read_all(&self, end: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(end.min(self.bytes)).map_err(|_| damaged())?];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// The error of a file that is not as it was written.
pub(super) fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the index is damaged")
}

/// Adds a piece and its checksum.
pub(super) fn put_checked(out: &mut Vec<u8>, piece: &[u8]) {
    out.extend_from_slice(piece);
    out.extend(crc32c::crc32c(piece).to_le_bytes());
}

/// The piece, if its checksum holds.
pub(super) fn checked(bytes: &[u8]) -> io::Result<&[u8]> {
    let (piece, sum) = bytes
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or_else(damaged)?;
    if crc32c::crc32c(piece) != u32::from_le_bytes(*sum) {
        return Err(damaged());
    }
    Ok(piece)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    let bytes = bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .ok_or_else(damaged)?;
    Ok(u32::from_le_bytes(*bytes))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> io::Result<u64> {
    let bytes = bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .ok_or_else(damaged)?;
    Ok(u64::from_le_bytes(*bytes))
}
