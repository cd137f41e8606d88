//! Sixty-four bytes at a time: which of them are looked for, one bit each.
//!
//! Knows bytes only. Without branches and without a byte on its own, so that the compiler makes vectors of it, also where
//! it does not see the whole program.

use wide::u8x32;

/// Bytes of a block.
pub const BLOCK: usize = 64;

/// A block as two vectors: four, where the processor that is built for has no wide ones.
#[inline]
#[must_use]
pub fn halves(block: &[u8; BLOCK]) -> (u8x32, u8x32) {
    let (parts, _) = block.as_chunks::<32>();
    match parts {
        [low, high] => (u8x32::new(*low), u8x32::new(*high)),
        _ => Default::default(),
    }
}

/// The highest bits of what is made of each byte, the lowest for the first.
#[inline]
#[must_use]
pub fn bits((low, high): (u8x32, u8x32), of: impl Fn(u8x32) -> u8x32) -> u64 {
    let half = |bytes| u64::from(of(bytes).to_bitmask());
    half(low) | half(high) << 32
}
