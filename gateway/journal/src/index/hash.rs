//! What the index calls a term: 48 bits of a filter's name and a text, or of one to three characters of a body.
//!
//! Two terms may meet in one hash: a search looks at the rows themselves before it shows them.
//! Must never be relied on for secrecy. Invariants: the same on every machine and in every version of the format.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Bits of a term's hash.
pub(super) const HASH_BITS: u32 = 48;

const A: u64 = 0x9e37_79b9_7f4a_7c15;
const B: u64 = 0xd1b5_4a32_d192_ed03;

/// Both halves of the product, folded: every bit of the input reaches every bit of the result.
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ A) * u128::from(b ^ B);
    // Truncation is the point.
    #[expect(clippy::cast_possible_truncation, reason = "low half")]
    let low = product as u64;
    let high = u64::try_from(product >> 64).unwrap_or(0);
    low ^ high
}

fn bytes(seed: u64, text: &[u8]) -> u64 {
    let (words, tail) = text.as_chunks::<8>();
    let folded = words
        .iter()
        .fold(seed, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    // The tail as a number, zeros for what is missing of a word: byte by byte it would cost more than all else.
    let half = |bytes: Option<&[u8; 4]>| -> u64 {
        bytes.map_or(0, |half| u32::from_le_bytes(*half).into())
    };
    let last = match (text.last_chunk::<8>(), tail.len()) {
        (Some(last), count) => u64::from_le_bytes(*last) >> (56 - 8 * count) >> 8,
        (None, count @ 4..) => {
            half(tail.first_chunk()) | half(tail.last_chunk()) << (8 * count - 32)
        }
        (None, _) => tail
            .iter()
            .rfold(0, |last, byte| last << 8 | u64::from(*byte)),
    };
    mix(mix(folded, last), text.len() as u64)
}

/// The term of a filter and a text.
pub(super) fn term(filter: &str, text: &str) -> u64 {
    term_of(seed(filter), text.as_bytes())
}

/// What the terms of a filter begin with.
pub(super) fn seed(filter: &str) -> u64 {
    bytes(0, filter.as_bytes())
}

/// The term of a filter with this seed and a text.
pub(super) fn term_of(seed: u64, text: &[u8]) -> u64 {
    bytes(seed, text) >> (64 - HASH_BITS)
}

/// The term of one to three characters that follow each other in a body; absent ones are 0.
pub(super) fn gram(first: char, second: char, third: char) -> u64 {
    let pair = u64::from(u32::from(first)) | u64::from(u32::from(second)) << 32;
    mix(mix(B, pair), u64::from(u32::from(third))) >> (64 - HASH_BITS)
}

/// For tables in memory whose keys are texts that strangers may choose: seeded, so that nobody can make them collide.
#[derive(Debug, Clone)]
pub(super) struct Seeded(u64);

impl Default for Seeded {
    fn default() -> Self {
        Self(RandomState::new().hash_one(A))
    }
}

impl BuildHasher for Seeded {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        self.clone()
    }
}

impl Hasher for Seeded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, text: &[u8]) {
        self.0 = bytes(self.0, text);
    }

    fn write_usize(&mut self, _: usize) {
        // A length, which `bytes` takes in too.
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// As the hash is told: words, then the rest filled up with zeros, then the length.
        #[test]
        fn texts_hash_as_their_words(seed: u64, text in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut filled = text.clone();
            filled.resize(text.len() / 8 * 8 + 8, 0);
            let words = filled.as_chunks::<8>().0.iter();
            let folded = words.fold(seed, |hash, word| mix(hash, u64::from_le_bytes(*word)));
            prop_assert_eq!(bytes(seed, &text), mix(folded, text.len() as u64));
        }
    }

    #[test]
    fn terms_stay_what_they_are() {
        assert_eq!(term("key", "key-7"), 264_601_886_982_908);
        assert_eq!(term("id", "0123456789abcdef-01"), 92_905_117_217_764);
    }
}
