//! Codes of letters and digits that separators may interrupt, and letters followed by digits.
//!
//! Shared by families; knows no entity. Invariant: at most [`CODE_MAX`] characters and a few bytes per gap are read.

use wide::u8x16;

use crate::scan::run::Run;
use crate::scan::view::{ALNUM, DIGIT, LOWER, UPPER, View, class, is};

/// Characters that are read at once.
const BLOCK: usize = 16;
/// Characters that are read at most.
pub(crate) const CODE_MAX: usize = 36;

/// Letters and digits, upper case, with where each ends.
#[derive(Debug)]
pub(crate) struct Code {
    chars: [u8; CODE_MAX],
    /// Where the code begins; the characters' ends are counted from there.
    from: usize,
    /// The characters that stand there without a gap: where they end is not written down.
    plain: usize,
    ends: [u16; CODE_MAX],
    n: usize,
    /// Whether a gap stands before the character.
    gaps: u64,
    borders: u64,
}

impl Code {
    /// Reads up to `max` characters from `at` on, over gaps of one or two separators.
    pub(crate) fn read(view: &View<'_>, at: usize, max: usize) -> Self {
        let mut code = Self {
            chars: [0; CODE_MAX],
            from: at,
            plain: 0,
            ends: [0; CODE_MAX],
            n: 0,
            gaps: 0,
            borders: 0,
        };
        let max = max.min(CODE_MAX);
        code.plain = code.push(view, at, max);
        let mut i = at + code.plain;
        while code.n < max {
            // No letter and no digit stands here, or it is the end.
            let gap = if i < view.len() { gap(view, i) } else { 0 };
            if gap == 0 || !is(view.byte(i + gap), ALNUM) {
                break;
            }
            code.gaps |= 1 << code.n;
            i += gap;
            let from = code.n;
            let more = code.push(view, i, max);
            code.place(from, i);
            i += more;
        }
        code.borders = code.gaps & !1;
        // What stands behind the last one that is read is not looked at: it may not be there yet.
        if code.n == max || !is(view.byte(i), ALNUM) {
            code.borders |= 1 << code.n;
        }
        code
    }

    /// Adds the letters and digits that stand at `at`, up to `max` in all, but not their ends; how many.
    #[inline]
    fn push(&mut self, view: &View<'_>, at: usize, max: usize) -> usize {
        let rest = view.bytes().get(at..).unwrap_or(&[]);
        let mut n = 0;
        if self.n == 0
            && max >= BLOCK
            && let Some(&block) = rest.first_chunk::<BLOCK>()
            && let Some(slots) = self.chars.first_chunk_mut::<BLOCK>()
        {
            let is = |byte: u8| u8x16::splat(byte);
            let (bytes, case) = (u8x16::new(block), is(0x20));
            let letters = ((bytes | case) - is(b'a')).simd_lt(is(26));
            let digits = (bytes - is(b'0')).simd_lt(is(10));
            *slots = (bytes & !(letters & case)).to_array();
            n = (letters | digits).to_bitmask().trailing_ones() as usize;
            if n < BLOCK {
                self.n = n;
                return n;
            }
        }
        let room = self.chars.get_mut(self.n + n..max).unwrap_or(&mut []);
        let rest = rest.get(n..).unwrap_or(&[]);
        for (slot, &b) in room.iter_mut().zip(rest) {
            let class = class(b);
            if class & ALNUM == 0 {
                break;
            }
            *slot = if class == LOWER { b ^ 0x20 } else { b };
            n += 1;
        }
        self.n += n;
        n
    }

    /// Writes where the characters from the one at `from` on end, which stand from `at` on without a gap.
    fn place(&mut self, from: usize, at: usize) {
        let first = u16::try_from(at - self.from).unwrap_or(u16::MAX);
        let ends = self.ends.get_mut(from..self.n).unwrap_or(&mut []);
        for (end, i) in ends.iter_mut().zip(1..) {
            *end = first + i;
        }
    }

    /// Bit `k`: neither a letter nor a digit stands behind the first `k` characters; or perhaps one, behind the last.
    pub(crate) fn borders(&self) -> u64 {
        self.borders
    }

    /// The first `k` characters; empty if there are fewer.
    pub(crate) fn first(&self, k: usize) -> &[u8] {
        if k <= self.n {
            self.chars.get(..k).unwrap_or(&[])
        } else {
            &[]
        }
    }

    /// Where the first `k` characters end.
    pub(crate) fn end(&self, k: usize) -> usize {
        if k <= self.plain {
            return self.from + k;
        }
        k.checked_sub(1)
            .and_then(|i| self.ends.get(i))
            .map_or(0, |&end| self.from + usize::from(end))
    }

    /// How many of the first `k` characters have a gap before them.
    pub(crate) fn gaps(&self, k: usize) -> u32 {
        (self.gaps & ((1 << k) - 1)).count_ones()
    }

    /// Whether the first `k` stand without a gap.
    pub(crate) fn contiguous(&self, k: usize) -> bool {
        self.gaps(k) == 0
    }
}

/// Whether a separator may begin with this byte.
pub(crate) fn opens_gap(b: u8) -> bool {
    // · is C2 B7.
    matches!(
        b,
        b' ' | b'-' | b'.' | 0xC2 | b'_' | b'*' | b'/' | b',' | b'"'
    )
}

/// The length of a separator of one or two bytes, 0 if there is none.
fn gap(view: &View<'_>, i: usize) -> usize {
    let c = view.char(i);
    if !matches!(c, ' ' | '-' | '.' | '·' | '_' | '*' | '/' | ',') {
        if c == '"' {
            // "AKIA" + "…"
            let j = view.blanks(i + 1, 1);
            if view.byte(j) == b'+' {
                let k = view.blanks(j + 1, 1);
                if view.byte(k) == b'"' {
                    return k + 1 - i;
                }
            }
        }
        return 0;
    }
    let n = c.len_utf8();
    match view.byte(i + n) {
        b' ' | b'-' | b'*' if n == 1 => 2,
        _ => n,
    }
}

/// One to three letters, perhaps a separator, then digits.
#[derive(Debug)]
pub(crate) struct Lettered {
    letters: [u8; 3],
    n: usize,
    pub(crate) run: Run,
}

impl Lettered {
    /// Reads what begins at `at`.
    pub(crate) fn read(view: &View<'_>, at: usize) -> Option<Self> {
        let (n, from) = Self::ahead(view, at)?;
        let mut letters = [0u8; 3];
        for (slot, b) in letters.iter_mut().zip(view.slice(at, at + n).bytes()) {
            *slot = b.to_ascii_uppercase();
        }
        let run = Run::read(view, from, false)?;
        Some(Self { letters, n, run })
    }

    /// How many letters stand at `at`, and where the digits behind them begin; if both do.
    #[inline]
    pub(crate) fn ahead(view: &View<'_>, at: usize) -> Option<(usize, usize)> {
        let n = view.run(at, LOWER | UPPER, 4) - at;
        if !(1..=3).contains(&n) {
            return None;
        }
        let joint = matches!(view.byte(at + n), b' ' | b'-' | b'.' | b'_' | b'*');
        let from = at + n + usize::from(joint);
        is(view.byte(from), DIGIT).then_some((n, from))
    }

    /// The letters, in upper case.
    pub(crate) fn letters(&self) -> &[u8] {
        self.letters.get(..self.n).unwrap_or(&[])
    }
}
