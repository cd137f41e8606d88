//! How far a string's bytes are plain: no quote, no backslash, no control character.
//!
//! The innermost loop of the scanner: most bytes of a body are looked at here and nowhere else. Knows nothing of JSON but
//! these three. Invariant: the byte at the returned length, if there is one, is the first that is not plain.

/// How many bytes come before the first quote, backslash or control character.
///
/// Most strings are short: two words of eight bytes, as numbers. What is longer is searched by vector for the two
/// characters, and then, since nearly no text has one, asked by blocks whether it holds a control character.
#[inline]
pub(super) fn plain_prefix(text: &[u8]) -> usize {
    let (words, _) = text.as_chunks::<WORD>();
    for (at, word) in words.iter().take(WORDS_FIRST).enumerate() {
        let marks = special_marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return at * WORD + marks.trailing_zeros() as usize / 8;
        }
    }
    long(text, WORD * WORDS_FIRST.min(words.len()))
}

/// As above; the first `from` bytes are known to be plain.
#[inline(never)]
fn long(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
    let run = rest.get(..end).unwrap_or_default();
    if has_control(run) {
        return from + run.iter().position(|byte| *byte < 0x20).unwrap_or(end);
    }
    from + end
}

const WORD: usize = 8;
/// Words looked at before the search is worth its call: 16 bytes hold most keys and many values.
const WORDS_FIRST: usize = 2;
const BLOCK: usize = 64;

fn has_control(run: &[u8]) -> bool {
    let (blocks, tail) = run.as_chunks::<BLOCK>();
    // Without a branch inside, so that the compiler makes vector instructions of it.
    let in_block =
        |block: &[u8; BLOCK]| block.iter().fold(false, |seen, byte| seen | (*byte < 0x20));
    if blocks.iter().any(in_block) {
        return true;
    }
    let (words, tail) = tail.as_chunks::<WORD>();
    let in_words = words.iter().fold(0, |seen, word| {
        seen | control_marks(u64::from_le_bytes(*word))
    });
    in_words != 0 || tail.iter().any(|byte| *byte < 0x20)
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

    const fn is_special(byte: u8) -> bool {
        byte < 0x20 || byte == b'"' || byte == b'\\'
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn plain_prefix_finds_the_first_special(text in prop::collection::vec(prop_oneof![30 => Just(b'x'), 1 => any::<u8>()], 0..400)) {
            let want = text.iter().position(|byte| is_special(*byte)).unwrap_or(text.len());
            prop_assert_eq!(plain_prefix(&text), want);
        }

        #[test]
        fn dense_text(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let want = text.iter().position(|byte| is_special(*byte)).unwrap_or(text.len());
            prop_assert_eq!(plain_prefix(&text), want);
        }
    }
}
