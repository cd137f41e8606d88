//! How words begin: what they are looked up by, and what tells them apart at a glance.
//!
//! Knows bytes and characters, no list. Invariant: a word's key is the key of every place where it may stand.

use crate::scan::view::{ALNUM, is};

/// Letters of a Latin word that its key has.
pub(super) const KEY_LETTERS: usize = 4;
/// The bit that makes letters lower-case; digits have it.
const CASE: u32 = 0x2020_2020;

/// The factors by which keys are hashed, one for each kind, so that they rarely meet.
const PAIR: u64 = 0x9E37_79B9_7F4A_7C15;
const TRIPLE: u64 = 0x9FB2_1C65_1E98_DF25;
const SINGLE: u64 = 0xC2B2_AE3D_27D4_EB4F;
const LETTERS: u64 = 0xD6E8_FEB8_6659_FD93;
const SIGN: u64 = 0xA076_1D64_78BD_642F;

/// How a word, or a place in a text, begins: what is hashed.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// Two characters of three bytes, but not three: these, and two bytes more that do not count.
    Pair(u64),
    /// Three characters of three bytes or more: eight bytes of them.
    Triple(u64),
    /// One character's bytes, and what is behind them that does not count; its length.
    Single(u64, usize),
    /// Up to [`KEY_LETTERS`] Latin letters and digits, of lower case.
    Letters(u32),
    /// One ASCII sign.
    Sign(u8),
}

impl Key {
    /// What is hashed by: the highest bits of this.
    #[inline]
    pub(super) fn product(self) -> u64 {
        match self {
            Self::Pair(bytes) => (bytes << 16).wrapping_mul(PAIR),
            Self::Triple(bytes) => bytes.wrapping_mul(TRIPLE),
            Self::Single(bytes, width) => (bytes << (64 - 8 * width)).wrapping_mul(SINGLE),
            Self::Letters(letters) => u64::from(letters).wrapping_mul(LETTERS),
            Self::Sign(b) => u64::from(b).wrapping_mul(SIGN),
        }
    }

    /// The key of a word that is not empty.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes.first() {
            Some(&b) if is(b, ALNUM) => Self::Letters(letters(bytes).0),
            Some(&b) if b < 0x80 => Self::Sign(b),
            Some(0xE0..=0xEF) if wide(bytes, 3) && wide(bytes, 6) => Self::Triple(head(bytes)),
            Some(0xE0..=0xEF) if wide(bytes, 3) => Self::Pair(head(bytes)),
            first => Self::Single(head(bytes), width(first.copied().unwrap_or(0))),
        }
    }
}

/// The first letters and digits in lower case, at most [`KEY_LETTERS`], and how many.
pub(super) fn letters(bytes: &[u8]) -> (u32, usize) {
    let n = bytes
        .iter()
        .take(KEY_LETTERS)
        .take_while(|&&b| is(b, ALNUM))
        .count();
    (first_letters(bytes, n), n)
}

/// The same where it is known that `n` of them stand there.
#[inline]
pub(super) fn first_letters(bytes: &[u8], n: usize) -> u32 {
    let four = match bytes.first_chunk::<4>() {
        Some(four) => u32::from_le_bytes(*four),
        None => (head(bytes) & u64::from(u32::MAX)) as u32,
    };
    let n = n.min(KEY_LETTERS);
    (four | CASE) & u32::MAX.checked_shr(32 - 8 * n as u32).unwrap_or(0)
}

/// Whether behind the first character, which is of three bytes, so many more of them follow, of two at most.
#[inline]
pub(super) fn wide_behind(head: u64, n: usize) -> bool {
    const SECOND: u64 = 1 << 24;
    const THIRD: u64 = 1 << 48;
    let firsts = if n > 1 { SECOND | THIRD } else { SECOND };
    head & (firsts * 0xF0) == firsts * 0xE0
}

/// Whether a character of three bytes begins at `at`.
#[inline]
pub(super) fn wide(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at), Some(0xE0..=0xEF))
}

/// The length of a character by its first byte.
#[inline]
pub(super) fn width(first: u8) -> usize {
    match first {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}

/// The first eight bytes, or as many as there are.
#[inline]
pub(super) fn head(bytes: &[u8]) -> u64 {
    if let Some(eight) = bytes.first_chunk::<8>() {
        return u64::from_le_bytes(*eight);
    }
    let mut eight = [0u8; 8];
    for (slot, b) in eight.iter_mut().zip(bytes) {
        *slot = *b;
    }
    u64::from_le_bytes(eight)
}
