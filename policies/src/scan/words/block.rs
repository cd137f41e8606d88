//! Some bytes of a text at once: where in them a word may begin.
//!
//! Knows bytes only; no list. Invariant: what stands behind the text's end is zero, and that is no character of a word.
//! Without branches, so that what comes next can be guessed.

use wide::u8x32;

/// Bytes of a block.
pub(super) const BLOCK: usize = 32;
/// Characters of three bytes that are looked at in one block: each with the one behind it, in eight bytes.
pub(super) const CHARS: usize = 8;
/// Bytes of a block in which Latin words may begin: those behind are looked at as their letters.
pub(super) const STARTS: usize = BLOCK - super::key::KEY_LETTERS;

/// The block that begins at `at`; `room` is for one that the text does not fill.
#[inline]
pub(super) fn read<'b>(
    bytes: &'b [u8],
    at: usize,
    room: &'b mut Option<[u8; BLOCK]>,
) -> &'b [u8; BLOCK] {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(block) => block,
        None => room.insert(padded(bytes, at)),
    }
}

/// The block that begins at `at` if the text does not fill it.
fn padded(bytes: &[u8], at: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let rest = bytes.get(at..).unwrap_or(&[]);
    if let Some(to) = block.get_mut(..rest.len()) {
        to.copy_from_slice(rest);
    }
    block
}

/// How many characters of three bytes stand at the block's beginning, at most [`CHARS`].
#[inline]
pub(super) fn row(block: &[u8; BLOCK]) -> usize {
    let (words, _) = block.as_chunks::<8>();
    let &[first, second, third, _] = words else {
        return 0;
    };
    // For each byte that begins a character if all are of three, its highest bits that differ.
    let first = others(first, 1 | 1 << 24 | 1 << 48);
    let second = others(second, 1 << 8 | 1 << 32 | 1 << 56);
    let third = others(third, 1 << 16 | 1 << 40);
    let bits = if first != 0 {
        first.trailing_zeros()
    } else if second != 0 {
        64 + second.trailing_zeros()
    } else if third != 0 {
        128 + third.trailing_zeros()
    } else {
        return CHARS;
    };
    bits as usize / 24
}

/// What the chosen bytes have other than `E0`, but for their lowest four bits; `bytes`: the lowest bit of each.
#[inline]
fn others(word: [u8; 8], bytes: u64) -> u64 {
    (u64::from_le_bytes(word) & (bytes * 0xF0)) ^ (bytes * 0xE0)
}

/// The eight bytes at the beginning of the character `i`, if all are of three.
#[inline]
pub(super) fn char_head(block: &[u8; BLOCK], i: usize) -> u64 {
    let eight = block.get(3 * i..).and_then(<[u8]>::first_chunk);
    eight.map_or(0, |eight| u64::from_le_bytes(*eight))
}

/// One bit for each byte of a block, the lowest for the first.
#[derive(Clone, Copy)]
pub(super) struct Latin {
    /// ASCII letters and digits.
    pub(super) alnum: u32,
    /// Spaces.
    pub(super) spaces: u32,
    /// Parts of characters above ASCII.
    pub(super) high: u32,
}

impl Latin {
    #[inline]
    pub(super) fn of(block: &[u8; BLOCK]) -> Self {
        let is = |byte: u8| u8x32::splat(byte);
        let bytes = u8x32::new(*block);
        let letters = ((bytes | is(0x20)) - is(b'a')).simd_lt(is(26));
        let digits = (bytes - is(b'0')).simd_lt(is(10));
        Self {
            alnum: (letters | digits).to_bitmask(),
            spaces: bytes.simd_eq(is(b' ')).to_bitmask(),
            high: bytes.to_bitmask(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_masks_are_those_of_each_byte() {
        let text = "好，1的話ａb的的的的的的的的的的的的é的😀的a1 Zz-9[`{@/:";
        let bytes = text.as_bytes();
        for (at, _) in text.char_indices() {
            let mut room = None;
            let block = read(bytes, at, &mut room);
            let wide = text[at..].chars().take(CHARS);
            let n = wide.take_while(|c| c.len_utf8() == 3).count();
            assert_eq!(row(block), n, "{at}");
            for i in 0..CHARS {
                assert_eq!(char_head(block, i).to_le_bytes(), block[3 * i..3 * i + 8]);
            }
            let latin = Latin::of(block);
            for (i, b) in block.iter().enumerate() {
                assert_eq!(bytes.get(at + i).copied().unwrap_or(0), *b);
                assert_eq!(latin.alnum >> i & 1 == 1, b.is_ascii_alphanumeric());
                assert_eq!(latin.spaces >> i & 1 == 1, *b == b' ');
                assert_eq!(latin.high >> i & 1 == 1, *b >= 0x80);
            }
        }
    }
}
