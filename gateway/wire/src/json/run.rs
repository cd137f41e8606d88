//! How far a string's bytes are plain: no quote, no backslash, no control character.
//!
//! The innermost loop of the scanner: most bytes of a body are looked at here and nowhere else. Knows nothing of JSON but
//! these three. Invariant: the byte at the returned length, if there is one, is the first that is not plain.

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

/// How many bytes come before the first quote, backslash or control character.
///
/// Most strings are short. What is longer is searched by vector for the two characters. `clean`: the caller knows that there
/// is no control character; else the run is asked for one.
#[inline]
pub fn plain_prefix(text: &[u8], clean: bool) -> usize {
    if let Some(short) = short_prefix(text) {
        return short;
    }
    if text.len() >= LANES {
        return long(text, clean);
    }
    // The end of the body: nothing that is valid is cut here.
    text.iter()
        .position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\')
        .unwrap_or(text.len())
}

/// As above; the first [`LANES`] bytes are there and plain.
#[inline(never)]
fn long(text: &[u8], clean: bool) -> usize {
    let rest = text.get(LANES..).unwrap_or_default();
    let end = LANES + memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
    let run = text.get(..end).unwrap_or_default();
    if !clean && has_control(run) {
        return run.iter().position(|byte| *byte < 0x20).unwrap_or(end);
    }
    end
}

const WORD: usize = 8;
/// Bytes looked at by words before a search is worth its call: they hold most keys and many values.
const LANES: usize = 2 * WORD;
const BLOCK: usize = 4 * LANES;

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

    const fn is_special(byte: u8) -> bool {
        byte < 0x20 || byte == b'"' || byte == b'\\'
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn plain_prefix_finds_the_first_special(text in prop::collection::vec(prop_oneof![30 => Just(b'x'), 1 => any::<u8>()], 0..400)) {
            let want = text.iter().position(|byte| is_special(*byte)).unwrap_or(text.len());
            prop_assert_eq!(plain_prefix(&text, false), want);
            prop_assert!(has_control(&text) || plain_prefix(&text, true) == want);
        }

        #[test]
        fn dense_text(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let want = text.iter().position(|byte| is_special(*byte)).unwrap_or(text.len());
            prop_assert_eq!(plain_prefix(&text, false), want);
            prop_assert!(has_control(&text) || plain_prefix(&text, true) == want);
        }
    }
}
