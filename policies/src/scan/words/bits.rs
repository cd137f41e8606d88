//! One bit for each hash of a beginning: whether any word begins so, at the least cost.
//!
//! Knows products of keys ([`super::key`]), no word. Their number is known when compiled, so that a look-up is a product,
//! two shifts and a load. Invariant: what was set is never denied; others are taken for such by chance.

use super::block::{BLOCK, CHARS, char_head};

/// `N` times 64 bits; `N` is a power of two.
pub(super) struct Bits<const N: usize>(Box<[u64; N]>);

impl<const N: usize> Bits<N> {
    /// How many of a product's highest bits count.
    pub(super) const HASH: u32 = N.ilog2() + 6;

    pub(super) fn new() -> Self {
        Self(Box::new([0; N]))
    }

    /// The place of a product's bit: the highest bits say in which word, those behind them where.
    #[inline]
    fn place(product: u64) -> (usize, u64) {
        let word = product >> (u64::BITS - N.ilog2());
        (word as usize, product >> (u64::BITS - Self::HASH) & 63)
    }

    pub(super) fn set(&mut self, product: u64) {
        let (word, bit) = Self::place(product);
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    #[inline]
    pub(super) fn has(&self, product: u64) -> bool {
        let (word, bit) = Self::place(product);
        self.0.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }

    /// Which of a block's characters have theirs, if all are of three bytes.
    #[inline]
    pub(super) fn row(&self, block: &[u8; BLOCK], product: impl Fn(u64) -> u64) -> u32 {
        let mut mask = 0;
        for i in 0..CHARS {
            mask |= u32::from(self.has(product(char_head(block, i)))) << i;
        }
        mask
    }
}
