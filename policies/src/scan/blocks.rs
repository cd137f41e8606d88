//! Sixty-four bytes at a time: which of them are letters, blanks, commas and full stops, or begin what is folded; one
//! bit each.
//!
//! Knows bytes only. Invariant: the masks are those that looking at each byte alone would give.

use wide::u8x32;
pub(super) use wire::block::BLOCK;
use wire::block::{bits, halves};

/// One bit for each byte of a block, the lowest for the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    /// ASCII letters.
    pub(super) letters: u64,
    /// Bytes without the bit that makes letters lower-case.
    pub(super) upper: u64,
    /// `t` and `T`.
    pub(super) tee: u64,
    /// Spaces and ends of lines.
    pub(super) blank: u64,
    /// Commas and full stops.
    pub(super) point: u64,
}

impl Masks {
    /// Of a block.
    #[inline]
    pub(super) fn of(block: &[u8; BLOCK]) -> Self {
        let is = |byte: u8| u8x32::splat(byte);
        let case = is(0x20);
        let block = halves(block);
        Self {
            letters: bits(block, |bytes| ((bytes | case) - is(b'a')).simd_lt(is(26))),
            upper: !bits(block, |bytes| (bytes | case).simd_eq(bytes)),
            tee: bits(block, |bytes| (bytes | case).simd_eq(is(b't'))),
            blank: bits(block, |bytes| {
                bytes.simd_eq(is(b' ')) | bytes.simd_eq(is(b'\n'))
            }),
            point: bits(block, |bytes| {
                bytes.simd_eq(is(b',')) | bytes.simd_eq(is(b'.'))
            }),
        }
    }
}

/// Whether a block has nothing but ASCII, and no byte that begins an escape: much text is so.
#[inline]
pub(super) fn ordinary(block: &[u8; BLOCK]) -> bool {
    bits(halves(block), |bytes| bytes | escapes(bytes)) == 0
}

/// The bytes of a block that begin an escape or a character that may be folded: those of two bytes and four, and those
/// of three but for most Chinese ones.
#[inline]
pub(super) fn folds(block: &[u8; BLOCK]) -> u64 {
    let is = |byte: u8| u8x32::splat(byte);
    // C2 and above, but for E4 to EE.
    let leads =
        |bytes: u8x32| bytes.simd_ge(is(0xC2)) & (bytes - is(0xE4)).simd_ge(is(0xEF - 0xE4));
    bits(halves(block), |bytes| leads(bytes) | escapes(bytes))
}

/// `\\`, `%` and `&`.
#[inline]
fn escapes(bytes: u8x32) -> u8x32 {
    let is = |byte: u8| u8x32::splat(byte);
    bytes.simd_eq(is(b'\\')) | (bytes - is(b'%')).simd_lt(is(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_those_of_each_byte() {
        for from in 0..=255u8 {
            let mut block = [0; BLOCK];
            for (i, b) in (0..).zip(&mut block) {
                *b = from.wrapping_add(i).rotate_left(u32::from(i % 3));
            }
            let masks = Masks::of(&block);
            for (i, &b) in block.iter().enumerate() {
                let bit = |mask: u64| mask >> i & 1 == 1;
                assert_eq!(bit(masks.letters), b.is_ascii_alphabetic(), "{b}");
                assert_eq!(bit(masks.upper), b & 0x20 == 0, "{b}");
                assert_eq!(bit(masks.tee), matches!(b, b't' | b'T'), "{b}");
                assert_eq!(bit(masks.blank), matches!(b, b' ' | b'\n'), "{b}");
                assert_eq!(bit(masks.point), matches!(b, b',' | b'.'), "{b}");
                let fold = matches!(b, b'\\' | b'%' | b'&' | 0xC2..=0xE3 | 0xEF..);
                assert_eq!(bit(folds(&block)), fold, "{b}");
            }
            let plain = |b: &u8| b.is_ascii() && !matches!(b, b'\\' | b'%' | b'&');
            assert_eq!(ordinary(&block), block.iter().all(plain));
        }
    }
}
