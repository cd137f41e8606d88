//! Marks of how words begin, by the hash of their keys: where any word may begin, at the least cost.
//!
//! Knows keys ([`super::key`]), no word. The number of marks is known when compiled, so that a look-up is a product, a
//! shift and a load. Three characters are told by two pairs: what is looked up for a place also serves the one before
//! it. Invariant: what was set is never denied; others are taken for such by chance.

use wide::u16x8;

use super::block::{self, CHARS, char_head};
use super::key::{Key, head};

/// Characters that are looked at before the first of them is looked up: several blocks, fewer than a mask has bits.
pub(super) const ROW: usize = 7 * CHARS;

/// A word has a key with this hash.
const KEY: u16 = 1 << 15;
/// Triples are told apart by their third character, in so many classes. A mark's lowest bits say of which classes there
/// are some whose first two characters have this hash; as many bits behind them, whose last two.
const CLASSES: u16 = 7;

/// Marks of `N` hashes; `N` is a power of two.
pub(super) struct Marks<const N: usize>(Box<[u16; N]>);

/// Characters of three bytes, one bit for each, the lowest for the first.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// How many they are, at most [`ROW`].
    pub(super) n: usize,
    /// Which may be a word's key by themselves or with the next.
    pub(super) keys: u64,
    /// Which may be with the next two.
    pub(super) triples: u64,
}

impl<const N: usize> Marks<N> {
    pub(super) fn new() -> Self {
        Self(Box::new([0; N]))
    }

    /// The hash of a key: the highest bits of its product.
    #[inline]
    pub(super) fn slot(key: Key) -> usize {
        (key.product() >> (u64::BITS - N.ilog2())) as usize
    }

    /// Marks how a word begins.
    pub(super) fn set(&mut self, word: &[u8]) {
        let key = Key::of(word);
        if let Key::Triple(first) = key
            && let Some((_, last)) = word.split_at_checked(3)
        {
            let third = last.get(5).copied().unwrap_or(0);
            let class = 1 << (u16::from(third) % CLASSES);
            self.mark(Key::Pair(first), class);
            self.mark(Key::Pair(head(last)), class << CLASSES);
        } else {
            self.mark(key, KEY);
        }
    }

    fn mark(&mut self, key: Key, bits: u16) {
        if let Some(mark) = self.0.get_mut(Self::slot(key)) {
            *mark |= bits;
        }
    }

    #[inline]
    fn get(&self, key: Key) -> u16 {
        self.0.get(Self::slot(key)).copied().unwrap_or(0)
    }

    /// Whether a word may have this key, which is not of three characters.
    #[inline]
    pub(super) fn has(&self, key: Key) -> bool {
        self.get(key) & KEY != 0
    }

    /// The row that begins at `at`; `singles`: whether keys of one character count.
    #[inline]
    pub(super) fn row(&self, bytes: &[u8], at: usize, singles: bool) -> Row {
        // The mark behind a full row is not looked up: all may be.
        let (n, pairs) = self.read(bytes, at, !0, Key::Pair);
        let inside = (1 << n) - 1;
        let mut keys = highest(&pairs, n, |mark, _| mark);
        if singles {
            let (_, singles) = self.read(bytes, at, 0, |head| Key::Single(head, 3));
            keys |= highest(&singles, n, |mark, _| mark);
        }
        let triples = highest(&pairs, n, |mark, next| {
            let shared = mark & next >> CLASSES & u16x8::splat((1 << CLASSES) - 1);
            // The highest bit if any is set.
            shared + u16x8::splat(KEY - 1)
        });
        Row {
            n,
            keys: keys & inside,
            triples: triples & inside,
        }
    }

    /// How many characters there are, and their marks; behind them any, and behind a full row `next`.
    #[inline]
    fn read(
        &self,
        bytes: &[u8],
        at: usize,
        next: u16,
        key: impl Fn(u64) -> Key,
    ) -> (usize, [u16; ROW + CHARS]) {
        let mut row = [next; ROW + CHARS];
        let mut n = 0;
        let (blocks, _) = row.as_chunks_mut::<CHARS>();
        for marks in blocks.iter_mut().take(ROW / CHARS) {
            let mut padded = None;
            let block = block::read(bytes, at + 3 * n, &mut padded);
            for (i, mark) in marks.iter_mut().enumerate() {
                *mark = self.get(key(char_head(block, i)));
            }
            let here = block::row(block);
            n += here;
            if here < CHARS {
                break;
            }
        }
        (n, row)
    }
}

/// The highest bits of what is made of each of the first `n` marks and the one behind it.
#[inline]
fn highest(row: &[u16; ROW + CHARS], n: usize, of: impl Fn(u16x8, u16x8) -> u16x8) -> u64 {
    let marks = |from| {
        let eight = row.get(from..).and_then(<[u16]>::first_chunk);
        eight.map_or(u16x8::ZERO, |eight| u16x8::new(*eight))
    };
    let mut mask = 0;
    for at in (0..n.min(ROW)).step_by(CHARS) {
        mask |= u64::from(of(marks(at), marks(at + 1)).to_bitmask()) << at;
    }
    mask
}
