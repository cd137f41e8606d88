//! How words begin: what they are looked up by, and what tells them apart at a glance.
//!
//! Knows bytes and characters, no list. Invariant: a word's key is the key of every place where it may stand.

use crate::scan::gate::decode3;
use crate::scan::view::{ALNUM, is};

/// Letters of a Latin word that its key has.
const KEY_LETTERS: usize = 4;

/// The factor by which pairs are hashed.
pub(super) const PAIR: u32 = 0x9E37_79B1;

/// How a word, or a place in a text, begins: what is hashed.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// Two characters of three bytes.
    Pair(u32, u32),
    /// One character.
    Single(u32),
    /// Up to [`KEY_LETTERS`] Latin letters and digits.
    Letters(u32),
    /// One ASCII sign.
    Sign(u8),
}

impl Key {
    #[inline]
    pub(super) fn hash(self, bits: u32) -> usize {
        let (value, factor) = match self {
            Self::Pair(a, b) => (a << 16 | b, PAIR),
            Self::Single(a) => (a, 0x85EB_CA6B),
            Self::Letters(letters) => (letters, 0xC2B2_AE35),
            Self::Sign(b) => (u32::from(b), 0x27D4_EB2F),
        };
        (value.wrapping_mul(factor) >> (32 - bits)) as usize
    }

    /// The key of a word that is not empty.
    pub(super) fn of(word: &str) -> Self {
        let bytes = word.as_bytes();
        match bytes.first() {
            Some(&b) if is(b, ALNUM) => Self::Letters(letters(bytes).0),
            Some(&b) if b < 0x80 => Self::Sign(b),
            Some(0xE0..=0xEF) if matches!(bytes.get(3), Some(0xE0..=0xEF)) => {
                Self::Pair(decode3(bytes, 0), decode3(bytes, 3))
            }
            _ => Self::Single(word.chars().next().map_or(0, u32::from)),
        }
    }
}

/// The first letters and digits in lower case, at most [`KEY_LETTERS`], and how many.
pub(super) fn letters(bytes: &[u8]) -> (u32, usize) {
    let (mut key, mut n) = (0u32, 0);
    for &b in bytes.iter().take(KEY_LETTERS) {
        if !is(b, ALNUM) {
            break;
        }
        key = key << 8 | u32::from(b.to_ascii_lowercase());
        n += 1;
    }
    (key, n)
}

/// One word.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Its first eight bytes, and which of them have no case: most places are told apart by these.
    pub(super) head: u64,
    pub(super) mask: u64,
    /// Where it begins in `bytes`.
    pub(super) start: u32,
    pub(super) length: u16,
    pub(super) category: u16,
}

impl Entry {
    pub(super) fn new(word: &[u8], start: usize, category: u16) -> Self {
        let mut mask = [0u8; 8];
        for (slot, b) in mask.iter_mut().zip(word) {
            *slot = if *b >= 0x80 { 0xff } else { 0 };
        }
        Self {
            head: head(word),
            mask: u64::from_le_bytes(mask),
            start: number(start),
            length: u16::try_from(word.len()).unwrap_or(u16::MAX),
            category,
        }
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

/// Whether `word`, which is in lower case, begins with `text`.
pub(super) fn begins(word: &[u8], text: &[u8]) -> bool {
    word.get(..text.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(text))
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
