//! How far a string's bytes are plain: no quote, no backslash, no control character.
//!
//! The innermost loop of the scanner: most bytes of a body are looked at here and nowhere else. Knows nothing of JSON but
//! these three. Invariant: the byte at the returned length, if there is one, is the first that is not plain.

use wide::u8x32;

use crate::block::{BLOCK, bits, halves};

/// How many bytes come before the first quote, backslash or control character, if that is among the first sixteen: two words
/// of eight bytes, as numbers. `None` also near the end of the body.
#[inline]
pub(super) fn short_prefix(text: &[u8]) -> Option<usize> {
    let (first, rest) = text.split_first_chunk::<WORD>()?;
    let marks = special_marks(u64::from_le_bytes(*first));
    if marks != 0 {
        return Some(marks.trailing_zeros() as usize / 8);
    }
    let second = rest.first_chunk::<WORD>()?;
    let marks = special_marks(u64::from_le_bytes(*second));
    (marks != 0).then(|| WORD + marks.trailing_zeros() as usize / 8)
}

/// How many bytes come before the first quote, backslash or control character. `clean`: the caller knows that there is no
/// control character.
#[inline]
pub fn plain_prefix(text: &[u8], clean: bool) -> usize {
    short_prefix(text).unwrap_or_else(|| Specials::new(text, clean).seek(0))
}

/// Finds what is not plain, one after another.
///
/// Where such bytes are dense, as in programs, a block is looked at once, however many are in it. Where they are far between
/// they are searched for, which is quicker by the byte and slower by the find.
pub(super) struct Specials<'t> {
    text: &'t [u8],
    /// There is no control character.
    clean: bool,
    /// The last search went a block or further.
    sparse: bool,
    /// Where the block begins that was looked at last, and what is not plain in it.
    base: usize,
    marks: u64,
}

impl<'t> Specials<'t> {
    pub(super) fn new(text: &'t [u8], clean: bool) -> Self {
        Self {
            text,
            clean,
            sparse: false,
            // Nothing was looked at: there is a block that ends where the text begins.
            base: 0_usize.wrapping_sub(BLOCK),
            marks: 0,
        }
    }

    /// The first that is not plain from `at` on, else the text's end. `at` is behind the last of them.
    #[inline]
    pub(super) fn next(&mut self, at: usize) -> usize {
        let within = at.wrapping_sub(self.base);
        if within >= BLOCK {
            return self.seek(at);
        }
        match self.marks >> within {
            0 => self.seek(self.base.wrapping_add(BLOCK)),
            left => at + left.trailing_zeros() as usize,
        }
    }

    /// The same where no block was looked at yet.
    #[inline(never)]
    fn seek(&mut self, mut at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        if !self.sparse
            && let Some(block) = rest.first_chunk()
        {
            self.base = at;
            self.marks = specials(block);
            if self.marks != 0 {
                return at + self.marks.trailing_zeros() as usize;
            }
            at += BLOCK;
        }
        let run = search(self.text.get(at..).unwrap_or_default(), self.clean);
        self.sparse = run >= BLOCK;
        at += run;
        // Of a block that ends with it no more is known.
        self.base = at.wrapping_sub(BLOCK - 1);
        self.marks = 1 << (BLOCK - 1);
        at
    }
}

/// The bytes of a block that are not plain. Never in line: behind a branch the compiler would take the block for sixty-four
/// numbers and put the mask together from them one by one.
#[inline(never)]
fn specials(block: &[u8; BLOCK]) -> u64 {
    let is = |byte: u8| u8x32::splat(byte);
    bits(halves(block), |bytes| {
        // With this bit turned the quote comes next to the control characters, which stay among themselves.
        let quote_or_control = (bytes ^ is(b'"' ^ b' ')).simd_le(is(b' '));
        quote_or_control | bytes.simd_eq(is(b'\\'))
    })
}

/// How many bytes come before the first quote, backslash or control character.
fn search(text: &[u8], clean: bool) -> usize {
    let end = memchr::memchr2(b'"', b'\\', text).unwrap_or(text.len());
    let run = text.get(..end).unwrap_or_default();
    if !clean && has_control(run) {
        return run.iter().position(|byte| *byte < 0x20).unwrap_or(end);
    }
    end
}

const WORD: usize = 8;
const LANES: usize = 2 * WORD;

/// Whether bytes hold a control character: the least of them tells. Written so that the compiler makes vector instructions
/// of it.
pub(super) fn has_control(run: &[u8]) -> bool {
    fn lower<const N: usize>(least: &mut [u8; N], bytes: &[u8; N]) {
        for (least, byte) in least.iter_mut().zip(bytes) {
            *least = (*least).min(*byte);
        }
    }
    let (blocks, tail) = run.as_chunks::<BLOCK>();
    let mut of_blocks = [u8::MAX; BLOCK];
    for block in blocks {
        lower(&mut of_blocks, block);
    }
    let mut least = [u8::MAX; LANES];
    for lanes in of_blocks.as_chunks::<LANES>().0 {
        lower(&mut least, lanes);
    }
    for lanes in tail.as_chunks::<LANES>().0 {
        lower(&mut least, lanes);
    }
    // The rest, with some bytes before it once more.
    match run.last_chunk::<LANES>() {
        Some(last) => lower(&mut least, last),
        None => return run.iter().any(|byte| *byte < 0x20),
    }
    least.iter().any(|byte| *byte < 0x20)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of the first control character of eight bytes is set, and of none before it (bits behind it mean
/// nothing). "Bit Twiddling Hacks", hasless.
const fn control_marks(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & HIGH
}

/// The same for all that is not plain; there, haszero.
const fn special_marks(word: u64) -> u64 {
    const fn zero(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word & HIGH
    }
    control_marks(word) | zero(word ^ (ONES * b'"' as u64)) | zero(word ^ (ONES * b'\\' as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestCaseError;

    const fn is_special(byte: u8) -> bool {
        byte < 0x20 || byte == b'"' || byte == b'\\'
    }

    /// One after another, from wherever one stands behind the last.
    fn all_are_found(text: &[u8], clean: bool) -> Result<(), TestCaseError> {
        let mut specials = Specials::new(text, clean);
        let mut at = 0;
        while at <= text.len() {
            let rest = text.get(at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| is_special(*byte));
            let want = at + plain.unwrap_or(rest.len());
            prop_assert_eq!(specials.next(at), want);
            at = want + 1 + want % 3 * 2;
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn plain_prefix_finds_the_first_special(text in prop::collection::vec(prop_oneof![99 => Just(b'x'), 1 => any::<u8>()], 0..900)) {
            let want = text.iter().position(|byte| is_special(*byte)).unwrap_or(text.len());
            prop_assert_eq!(plain_prefix(&text, false), want);
            prop_assert!(has_control(&text) || plain_prefix(&text, true) == want);
            all_are_found(&text, false)?;
            if !has_control(&text) {
                all_are_found(&text, true)?;
            }
        }

        #[test]
        fn dense_text(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let want = text.iter().position(|byte| is_special(*byte)).unwrap_or(text.len());
            prop_assert_eq!(plain_prefix(&text, false), want);
            prop_assert!(has_control(&text) || plain_prefix(&text, true) == want);
            all_are_found(&text, false)?;
            if !has_control(&text) {
                all_are_found(&text, true)?;
            }
        }
    }
}
