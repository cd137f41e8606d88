//! One part of a body as bytes: packed, encrypted, bound to its place; and back.
//!
//! Must never know files or key files.
//! Invariants: what `seal` makes, `open` reads under the same key, id and head only; a part never unpacks to more than
//! `PART_BYTES`.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use aws_lc_rs::digest::{SHA256, digest};

use super::super::payload::ID_BYTES_MAX;

/// Most plain bytes of a part: sealing one takes a fraction of the time that a worker may be held up (about 0.2 ms).
pub const PART_BYTES: usize = 64 << 10;
/// Bytes of a part before its ciphertext.
pub(super) const HEAD_BYTES: usize = 80;
/// Bytes of the tag behind it.
pub(super) const TAG_BYTES: usize = 16;
/// Longest part on disk: text that cannot be packed is kept as it is.
pub(crate) const FRAME_BYTES_MAX: usize = HEAD_BYTES + PART_BYTES + TAG_BYTES;
/// Shorter texts are not packed: it would cost more than it saves.
const PACK_BYTES_MIN: usize = 1 << 10;
/// File number of a part before that there is not.
const NONE: u64 = u64::MAX;

/// Which way a body went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Request,
    /// To the client.
    Reply,
}

impl Direction {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Reply => "reply",
        }
    }
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Findings were replaced.
    Redacted,
    /// As it was.
    Sealed,
}

impl Form {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redacted => "redacted",
            Self::Sealed => "sealed",
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [(1, Self::Redacted), (2, Self::Sealed)]
            .into_iter()
            .find_map(|(known, form)| (known == byte).then_some(form))
    }
}

/// A part that another one names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) offset: u64,
    pub(super) hash: [u8; 32],
}

/// The part that a part names as the one before it: number of its file, offset and SHA-256; `None` if it is no part.
pub(crate) fn before(frame: &[u8]) -> Option<Option<(u64, u64, [u8; 32])>> {
    let before = Head::decode(frame)?.before;
    Some(before.map(|link| (link.number, link.offset, link.hash)))
}

/// What stands before a part's ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) part: u32,
    pub(super) key: [u8; 8],
    pub(super) count: u64,
    pub(super) direction: Direction,
    pub(super) form: Form,
    pub(super) packed: bool,
    pub(super) plain_bytes: u32,
    pub(super) before: Option<Link>,
}

impl Head {
    fn encode(&self, length: u32) -> [u8; HEAD_BYTES] {
        let mut out = [0; HEAD_BYTES];
        let direction = match self.direction {
            Direction::Request => 1,
            Direction::Reply => 2,
        };
        let form = match self.form {
            Form::Redacted => 1,
            Form::Sealed => 2,
        };
        let before = self.before.unwrap_or(Link {
            number: NONE,
            offset: 0,
            hash: [0; 32],
        });
        let fields: [&[u8]; 9] = [
            &length.to_le_bytes(),
            &self.part.to_le_bytes(),
            &self.key,
            &self.count.to_le_bytes(),
            &[direction, form, u8::from(self.packed), 0],
            &self.plain_bytes.to_le_bytes(),
            &before.number.to_le_bytes(),
            &before.offset.to_le_bytes(),
            &before.hash,
        ];
        let bytes = fields.into_iter().flatten();
        for (to, from) in out.iter_mut().zip(bytes) {
            *to = *from;
        }
        out
    }

    /// The head of a part.
    pub(super) fn decode(frame: &[u8]) -> Option<Self> {
        let length = usize::try_from(u32_at(frame, 0)?).ok()?;
        if length + 4 != frame.len() || frame.len() < HEAD_BYTES + TAG_BYTES {
            return None;
        }
        let number = u64_at(frame, 32)?;
        let before = Link {
            number,
            offset: u64_at(frame, 40)?,
            hash: *frame.get(48..)?.first_chunk()?,
        };
        let plain_bytes = u32_at(frame, 28)?;
        if usize::try_from(plain_bytes).ok()? > PART_BYTES || *frame.get(27)? != 0 {
            return None;
        }
        Some(Self {
            part: u32_at(frame, 4)?,
            key: *frame.get(8..)?.first_chunk()?,
            count: u64_at(frame, 16)?,
            direction: match frame.get(24)? {
                1 => Direction::Request,
                2 => Direction::Reply,
                _ => return None,
            },
            form: Form::from_byte(*frame.get(25)?)?,
            packed: match frame.get(26)? {
                0 => false,
                1 => true,
                _ => return None,
            },
            plain_bytes,
            before: (number != NONE).then_some(before),
        })
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        for (to, from) in nonce.iter_mut().skip(4).zip(self.count.to_be_bytes()) {
            *to = from;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The additional data: head and request id.
struct Place([u8; HEAD_BYTES + ID_BYTES_MAX], usize);

impl Place {
    fn of(head: &[u8], id: &str) -> Self {
        let mut bytes = [0; HEAD_BYTES + ID_BYTES_MAX];
        let all = head.iter().take(HEAD_BYTES).chain(id.as_bytes());
        for (to, from) in bytes.iter_mut().zip(all) {
            *to = *from;
        }
        Self(bytes, (HEAD_BYTES + id.len()).min(bytes.len()))
    }

    fn aad(&self) -> Aad<&[u8]> {
        Aad::from(self.0.get(..self.1).unwrap_or_default())
    }
}

/// Writes a part of request `id` into `out` and returns its SHA-256. `head.packed` and `plain_bytes` are filled in here.
/// `None`: longer than a part may be, or the cipher failed.
pub(super) fn seal(
    out: &mut Vec<u8>,
    key: &LessSafeKey,
    head: &Head,
    id: &str,
    plain: &[u8],
) -> Option<[u8; 32]> {
    if plain.len() > PART_BYTES {
        return None;
    }
    out.clear();
    out.resize(HEAD_BYTES, 0);
    let packed = plain.len() >= PACK_BYTES_MIN && pack(out, plain);
    if !packed {
        out.extend_from_slice(plain);
    }
    let length = u32::try_from(out.len() + TAG_BYTES - 4).ok()?;
    let head = Head {
        packed,
        plain_bytes: u32::try_from(plain.len()).ok()?,
        ..*head
    };
    let bytes = head.encode(length);
    let text = out.get_mut(HEAD_BYTES..)?;
    let place = Place::of(&bytes, id);
    let tag = key
        .seal_in_place_separate_tag(head.nonce(), place.aad(), text)
        .ok()?;
    out.get_mut(..HEAD_BYTES)?.copy_from_slice(&bytes);
    out.extend_from_slice(tag.as_ref());
    Some(sha256(out))
}

/// Packs `plain` behind what `out` holds, if that makes it shorter.
fn pack(out: &mut Vec<u8>, plain: &[u8]) -> bool {
    let from = out.len();
    let most = lz4_flex::block::get_maximum_output_size(plain.len());
    out.resize(from + most, 0);
    let room = out.get_mut(from..).unwrap_or_default();
    match lz4_flex::block::compress_into(plain, room) {
        Ok(bytes) if bytes < plain.len() => {
            out.truncate(from + bytes);
            true
        }
        _ => {
            out.truncate(from);
            false
        }
    }
}

/// The plain text of a part of request `id`; `None` if anything about it is not as it was.
pub(super) fn open(frame: &[u8], key: &LessSafeKey, id: &str) -> Option<Vec<u8>> {
    let head = Head::decode(frame)?;
    let mut text = frame.get(HEAD_BYTES..)?.to_vec();
    let place = Place::of(frame, id);
    let plain = key
        .open_in_place(head.nonce(), place.aad(), &mut text)
        .ok()?;
    let bytes = usize::try_from(head.plain_bytes).ok()?;
    if !head.packed {
        return (plain.len() == bytes).then(|| plain.to_vec());
    }
    let mut out = vec![0; bytes];
    let unpacked = lz4_flex::block::decompress_into(plain, &mut out).ok()?;
    (unpacked == bytes).then_some(out)
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    out
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
