//! Plain Latin text is skipped by the block: where in it anything may begin, told by masks, one bit a byte.
//!
//! Knows what the closer look ([`super::plain`]) never stops at. Invariants: a place without a bit is one that the closer
//! look would pass; what hangs on a byte that is not there has a bit, since behind the end there are zeros, and those
//! are no ordinary bytes. A window ends before the word that its block cuts, so every word is seen whole.

use super::blocks::{BLOCK, Masks};

/// Bytes before a window that its first places look back at.
const BEFORE: usize = 2;
/// Bytes at a block's end that only others look at.
const AFTER: usize = 3;
/// Letters that make a word long.
const LONG: u32 = 12;

/// A stretch of a text, and where in it to look closer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// Where it begins, in the text.
    base: usize,
    /// Up to here it tells.
    pub(super) end: usize,
    marks: u64,
    letters: u64,
}

impl Window {
    /// The window that begins at `at`, which must lie in the text.
    #[inline]
    pub(super) fn at(bytes: &[u8], at: usize) -> Self {
        let room;
        let block = match at.checked_sub(BEFORE).and_then(|from| bytes.get(from..)) {
            Some(rest) => match rest.first_chunk() {
                Some(block) => block,
                None => {
                    room = padded(rest, 0);
                    &room
                }
            },
            None => {
                room = padded(bytes, BEFORE - at);
                &room
            }
        };
        let masks = Masks::of(block);
        let inside = masks.letters << AFTER;
        let cut = inside.leading_ones();
        let keeps = BLOCK - BEFORE - AFTER;
        let width = if cut < LONG {
            keeps - cut as usize
        } else {
            keeps
        };
        Self {
            base: at,
            end: at + width,
            marks: marks(&masks) & !0 << BEFORE,
            letters: masks.letters,
        }
    }

    /// Whether it tells of `at`.
    #[inline]
    pub(super) fn covers(&self, at: usize) -> bool {
        self.base <= at && at < self.end
    }

    /// How many letters stand between `at` and `place`, up to the latter, and whether one stands there. It must tell of
    /// both.
    #[inline]
    pub(super) fn letters_before(&self, at: usize, place: usize) -> (usize, bool) {
        let behind = BEFORE + (place - self.base);
        let n = (self.letters << ((BLOCK - behind) & (BLOCK - 1))).leading_ones() as usize;
        (
            n.min(place - at),
            self.letters >> (behind & (BLOCK - 1)) & 1 == 1,
        )
    }

    /// How many letters stand from `at` on; none if it cannot tell.
    #[inline]
    pub(super) fn letters(&self, at: usize) -> Option<usize> {
        let behind = BEFORE + at.checked_sub(self.base)?;
        let n = self
            .letters
            .checked_shr(u32::try_from(behind).ok()?)?
            .trailing_ones() as usize;
        (behind + n < BLOCK).then_some(n)
    }

    /// The first place from `at` on that wants a closer look.
    #[inline]
    pub(super) fn next(&self, at: usize) -> Option<usize> {
        let behind = at.wrapping_sub(self.base);
        if behind >= BLOCK - BEFORE {
            return None;
        }
        let left = self.marks >> BEFORE >> behind;
        let place = at + left.trailing_zeros() as usize;
        (left != 0 && place < self.end).then_some(place)
    }
}

/// A block that the text does not fill: blanks before it, zeros behind. Never in line: the compiler would take a block for
/// sixty-four numbers there, and load them one by one.
#[inline(never)]
fn padded(bytes: &[u8], blanks: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    if let Some((before, rest)) = block.split_at_mut_checked(blanks) {
        before.fill(b' ');
        let n = rest.len().min(bytes.len());
        if let (Some(to), Some(from)) = (rest.get_mut(..n), bytes.get(..n)) {
            to.copy_from_slice(from);
        }
    }
    block
}

/// The bytes of a block that want a closer look: ends of words that no ordinary byte follows, letters that begin words
/// in capitals or behind a sign, the last letter of a word that is too long, and everything that is no letter, no blank
/// and no comma or full stop.
#[inline]
fn marks(masks: &Masks) -> u64 {
    let &Masks {
        letters,
        upper,
        tee,
        blank,
        point,
    } = masks;
    let other = !(letters | blank | point);
    let first = letters & !(letters << 1);
    let last = !letters & letters << 1;
    // Behind a sign, or behind a sign and a blank.
    let led = first & (other << 1 | (blank << 1 & other << 2));
    let capital = first & upper;
    // A sign, or the end, within three bytes.
    let spaced = blank & (other >> 1 | other >> 2 | other >> 3)
        // ` at `
        | blank & tee >> 2 & blank >> 3;
    let pointed = point & !(blank >> 1);
    let ended = last & (spaced | pointed);
    let mut long = letters;
    long &= long << 1;
    long &= long << 2;
    long &= long << 4;
    long &= long << 4;
    other | led | capital | ended | long
}
