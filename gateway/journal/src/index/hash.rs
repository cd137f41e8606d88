//! What the index calls a term: 48 bits of a filter's name and a text, or of one to three characters of a body.
//!
//! Two terms may meet in one hash: a search looks at the rows themselves before it shows them.
//! Must never be relied on for secrecy. Invariants: the same on every machine and in every version of the format.

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
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(tail) {
        *to = *from;
    }
    let last = u64::from_le_bytes(last);
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
