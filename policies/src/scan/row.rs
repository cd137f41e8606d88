//! A stretch of a row of Chinese characters: each looked up once, and which of them may begin something.
//!
//! Knows the table of characters; no entity. Invariant: a character that is no candidate is one at which the gate
//! ([`super::gate`]) would find no reason to ask anybody.

use wide::u8x16;

use super::gate::code_point;
use super::han;

/// Characters that are looked up at once.
const ROW: usize = 16;
/// Characters behind one that tell what it may begin, but for an address: a title's reach.
const AHEAD: usize = 4;

/// A stretch of a row.
pub(super) struct Row {
    /// The characters' bits, the lower and the higher eight apart.
    low: [u8; ROW],
    high: [u8; ROW],
    n: usize,
}

/// A character of a row, and the text's byte where it begins.
#[derive(Clone, Copy)]
pub(super) struct Place<'r> {
    pub(super) at: usize,
    pub(super) row: &'r Row,
    pub(super) i: usize,
}

impl Row {
    /// The characters from `at` on.
    #[inline]
    pub(super) fn read(table: &han::Table, bytes: &[u8], at: usize) -> Self {
        let mut row = Self {
            low: [0; ROW],
            high: [0; ROW],
            n: 0,
        };
        let rest = bytes.get(at..).unwrap_or(&[]);
        match rest.first_chunk::<{ 3 * ROW }>() {
            // Nearly always; how many there are is then known when compiled.
            Some(block) => row.fill(table, block.as_chunks().0),
            None => row.fill(table, rest.as_chunks().0),
        }
        row
    }

    #[inline]
    fn fill(&mut self, table: &han::Table, chars: &[[u8; 3]]) {
        for ((low, high), char) in self.low.iter_mut().zip(&mut self.high).zip(chars) {
            let &[first @ 0xE4..=0xE9, second, third] = char else {
                break;
            };
            [*low, *high] = table.of(code_point(first, second, third)).to_le_bytes();
            self.n += 1;
        }
    }

    /// How many characters were read.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.n
    }

    /// The bits of the character `i`, 0 behind the row's end.
    #[inline]
    pub(super) fn bits(&self, i: usize) -> u16 {
        let byte = |of: &[u8; ROW]| of.get(i).copied().unwrap_or(0);
        u16::from_le_bytes([byte(&self.low), byte(&self.high)])
    }

    /// Whether the row ends here, and does not only go on further than was read.
    #[inline]
    pub(super) fn ends(&self) -> bool {
        self.n < ROW
    }

    /// How many of the characters have what follows them here.
    #[inline]
    pub(super) fn known(&self) -> usize {
        if self.ends() { self.n } else { ROW - AHEAD }
    }

    /// Whether a title, 的 or the end of the text may stand within `reach` characters behind a place.
    #[inline]
    pub(super) fn title_within(&self, bytes: &[u8], place: Place<'_>, reach: usize) -> bool {
        let next = place.i + 1;
        let left = self.n - next.min(self.n);
        self.any(han::TITLE) >> next & ((1 << reach) - 1) != 0
            || left < reach && place.at + 3 * (1 + left) >= bytes.len()
    }

    /// From the character `i` on, the lowest bit for it: those that may begin a level of an address; and the first that
    /// stands in none.
    #[inline]
    pub(super) fn levels(&self, i: usize) -> (u32, usize) {
        let levels = self.any(han::LEVEL_ALONE | han::LEVEL_FIRST) >> i;
        let stops = self.any(han::BREAK | han::LEAD) >> i;
        (levels, stops.trailing_zeros() as usize)
    }

    /// The characters that have one of some bits, all of them of one byte.
    #[inline]
    fn any(&self, bits: u16) -> u32 {
        let [low, high] = bits.to_le_bytes();
        let none = |of: [u8; ROW], bits: u8| {
            (u8x16::new(of) & u8x16::splat(bits)).simd_eq(u8x16::splat(0))
        };
        let none = if high == 0 {
            none(self.low, low)
        } else {
            none(self.high, high)
        };
        !none.to_bitmask() & 0xffff
    }

    /// The characters that may begin something, one bit each. `before`: the bits of the character before; `after`: the
    /// byte behind the last one, none at the text's end.
    #[inline]
    pub(super) fn candidates(&self, before: u16, after: Option<u8>) -> u32 {
        let led = |bits: u16| self.any(bits) << 1 | u32::from(before & bits != 0);
        let last = if self.ends() { 1 << self.n >> 1 } else { 0 };
        let numerals = self.any(han::NUMERAL);
        let cued = led(han::CUE_END);
        let titles = self.any(han::TITLE);
        let titled = titles >> 1 | titles >> 2 | titles >> 3 | titles >> 4;
        let mut all = self.any(han::PLACE) & self.any(han::PLACE_SECOND) >> 1
            | numerals & (numerals >> 1 | last)
            | self.any(han::PLATE | han::FORM)
            | self.any(han::SURNAME) & (titled | cued)
            | led(han::OPENS);
        // · is C2 B7: the row may end in a foreign name.
        if !self.ends() || matches!(after, None | Some(0xC2)) {
            all |= cued;
        }
        // What follows is not there yet.
        if self.ends() && after.is_none() {
            all |= !0 << self.n.saturating_sub(AHEAD);
        }
        all & ((1 << self.known()) - 1)
    }
}
