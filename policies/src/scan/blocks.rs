//! Sixty-four bytes at a time: which of them are letters, blanks, commas, full stops; one bit each.
//!
//! Knows bytes only. Invariant: the masks are those that looking at each byte alone would give. Without branches, so that
//! the compiler makes vectors of it.

/// Bytes of a block.
pub(super) const BLOCK: usize = 64;

/// One bit for each byte of a block, the lowest for the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    /// ASCII letters.
    pub(super) letters: u64,
    /// Bytes without the bit that makes letters lower-case.
    pub(super) upper: u64,
    /// `t` and `T`.
    pub(super) tee: u64,
    /// Spaces.
    pub(super) space: u64,
    /// Ends of lines.
    pub(super) line: u64,
    /// Commas.
    pub(super) comma: u64,
    /// Full stops.
    pub(super) stop: u64,
}

impl Masks {
    /// Of a block.
    #[inline]
    pub(super) fn of(block: &[u8; BLOCK]) -> Self {
        Self {
            letters: mask(block, |b| (b | 0x20).wrapping_sub(b'a') < 26),
            upper: mask(block, |b| b & 0x20 == 0),
            tee: mask(block, |b| b | 0x20 == b't'),
            space: mask(block, |b| b == b' '),
            line: mask(block, |b| b == b'\n'),
            comma: mask(block, |b| b == b','),
            stop: mask(block, |b| b == b'.'),
        }
    }
}

/// One bit for each byte that is `wanted`.
#[inline]
fn mask(block: &[u8; BLOCK], wanted: impl Fn(u8) -> bool) -> u64 {
    // Gathers the lowest bits of eight bytes in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let flags = block.map(|b| u8::from(wanted(b)));
    let (words, _) = flags.as_chunks::<8>();
    words.iter().rev().fold(0, |mask, &word| {
        mask << 8 | u64::from_le_bytes(word).wrapping_mul(GATHER) >> 56
    })
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
                assert_eq!(bit(masks.space), b == b' ', "{b}");
                assert_eq!(bit(masks.line), b == b'\n', "{b}");
                assert_eq!(bit(masks.comma), b == b',', "{b}");
                assert_eq!(bit(masks.stop), b == b'.', "{b}");
            }
        }
    }
}
