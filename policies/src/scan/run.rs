//! A run of digits that separators may interrupt: what all number finders look at.
//!
//! Reads digits as they stand, or Chinese numerals too; knows no entity. Invariants: at most [`DIGITS_MAX`] digits and
//! [`GAP_MAX`] bytes between two of them are read, so reading is bounded.

use wide::u8x16;

use super::view::{DIGIT, View, is};

/// Digits that are read at most: the longest number has 20. A longer contiguous group is marked `overlong`.
pub(crate) const DIGITS_MAX: usize = 24;
/// Digits that are read at once.
const BLOCK: usize = 16;
/// Bytes between two digits, at most.
const GAP_MAX: usize = 8;

/// The code of a list's separator.
const LISTED: u8 = 0xA0;

/// How a number's digits are grouped: bit `k` if a group ends behind the first `k`, as the last one does.
pub(crate) type Grouping = u32;

/// The grouping whose groups have these lengths.
pub(crate) const fn grouping(mut lengths: &[u8]) -> Grouping {
    let (mut at, mut bits) = (0, 0);
    while let [first, rest @ ..] = lengths {
        at += *first;
        bits |= 1 << at;
        lengths = rest;
    }
    bits
}

/// Groupings by the lengths of their groups, made when compiled.
macro_rules! groupings {
    ($([$($n:literal),*]),* $(,)?) => {
        const { &[$($crate::scan::run::grouping(&[$($n),*])),*] }
    };
}
pub(crate) use groupings;

/// Digits, each with its place, and what stands between them.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    digits: [u8; DIGITS_MAX],
    /// Where the run begins; the digits' places are counted from there.
    from: usize,
    /// The digits that stand there without a gap, of a byte each: where they end is not written down.
    plain: usize,
    ends: [u16; DIGITS_MAX],
    /// Whether a digit is a Chinese numeral.
    pub(crate) wide: bool,
    /// What follows each digit before the next: 0 nothing, else a code of the separator.
    gaps: [u8; DIGITS_MAX],
    /// Bit `k`: a group ends behind the first `k` digits.
    borders: u32,
    n: usize,
    /// More digits follow without a gap than are read.
    pub(crate) overlong: bool,
}

/// The value of a Chinese numeral.
pub(crate) fn numeral(c: char) -> Option<u8> {
    Some(match c {
        '〇' | '零' | '○' | '洞' | '０' => 0,
        '一' | '壹' | '幺' | '弌' => 1,
        '二' | '贰' | '两' | '貳' => 2,
        '三' | '叁' | '參' => 3,
        '四' | '肆' => 4,
        '五' | '伍' => 5,
        '六' | '陆' | '陸' => 6,
        '七' | '柒' | '拐' => 7,
        '八' | '捌' => 8,
        '九' | '玖' | '勾' => 9,
        _ => return None,
    })
}

fn digit_at(view: &View<'_>, i: usize, numerals: bool) -> Option<(u8, usize)> {
    let b = view.byte(i);
    if is(b, DIGIT) {
        return Some((b - b'0', 1));
    }
    if numerals && b >= 0x80 {
        let c = view.char(i);
        return numeral(c).map(|value| (value, c.len_utf8()));
    }
    None
}

/// Length and code of the gap at `i`, if a digit can follow it.
fn gap_at(view: &View<'_>, i: usize) -> Option<(usize, u8)> {
    let first = view.byte(i);
    // The common case: one ordinary byte that separates nothing.
    if first < 0x80
        && !matches!(
            first,
            b' ' | b'-'
                | b'.'
                | b'_'
                | b'/'
                | b','
                | b'\n'
                | b'*'
                | b'('
                | b')'
                | b'['
                | b']'
                | b'"'
                | b'\''
                | b'`'
                | b'~'
                | b'+'
        )
    {
        return None;
    }
    if matches!(first, b'"' | b'\'') {
        return concatenation(view, i, first);
    }
    let mut at = i;
    let mut code = 0u8;
    for _ in 0..2 {
        let c = view.char(at);
        let this = match c {
            ' ' => 1,
            '-' => 2,
            '.' => 3,
            '·' | '•' | '・' => 4,
            '_' => 5,
            '/' => 6,
            ',' | '，' => 7,
            '\n' => 8,
            '*' | '`' | '~' => 9,
            '(' | ')' | '（' | '）' | '[' | ']' | '【' | '】' => 10,
            '—' => 11,
            _ => break,
        };
        code = code.wrapping_mul(16).wrapping_add(this);
        at += c.len_utf8();
    }
    // `12, 34` is a list.
    (at > i && at - i <= GAP_MAX && code != 0x71).then_some((at - i, code))
}

/// `" + "`, `","`: a value written in pieces.
fn concatenation(view: &View<'_>, i: usize, quote: u8) -> Option<(usize, u8)> {
    let mut at = view.blanks(i + 1, 1);
    if !matches!(view.byte(at), b'+' | b',' | b'.') {
        return None;
    }
    at = view.blanks(at + 1, 1);
    (view.byte(at) == quote).then_some((at + 1 - i, 0xF0))
}

impl Run {
    /// Reads the run that begins at `at`; `None` if no digit stands there.
    pub(crate) fn read(view: &View<'_>, at: usize, numerals: bool) -> Option<Self> {
        Self::read_over(view, at, numerals, gap_at)
    }

    /// Reads digits over the separators of lists.
    pub(crate) fn read_list(view: &View<'_>, at: usize) -> Option<Self> {
        Self::read_over(view, at, false, |view, i| {
            let n = Self::listing(view, i);
            (n > 0).then_some((n, LISTED))
        })
    }

    /// The length of a list's separator at `i`, 0 if there is none.
    pub(crate) fn listing(view: &View<'_>, i: usize) -> usize {
        let c = view.char(i);
        if !matches!(c, ',' | '\n' | ';' | '|' | '/' | '\t' | '，' | '、' | '；') {
            return 0;
        }
        let n = c.len_utf8();
        n + usize::from(view.byte(i + n) == b' ')
    }

    fn read_over(
        view: &View<'_>,
        at: usize,
        numerals: bool,
        gap_at: impl Fn(&View<'_>, usize) -> Option<(usize, u8)>,
    ) -> Option<Self> {
        let mut run = Self {
            digits: [0; DIGITS_MAX],
            from: at,
            plain: 0,
            ends: [0; DIGITS_MAX],
            wide: false,
            gaps: [0; DIGITS_MAX],
            borders: 0,
            n: 0,
            overlong: false,
        };
        run.plain = run.push_plain(view.bytes(), at);
        let mut i = at + run.plain;
        loop {
            if let Some((value, len)) = digit_at(view, i, numerals) {
                if run.n == DIGITS_MAX {
                    run.overlong = run.gap(run.n - 1) == 0;
                    break;
                }
                run.wide |= len > 1;
                i += len;
                run.push(value, i);
                let from = run.n;
                let more = run.push_plain(view.bytes(), i);
                run.place(from, i);
                i += more;
                continue;
            }
            if run.n == 0 {
                return None;
            }
            let Some((gap, code)) = gap_at(view, i) else {
                break;
            };
            if digit_at(view, i + gap, numerals).is_none() {
                break;
            }
            // Lines of small numbers are no number in pieces.
            if code == 8 && (run.last_group() < 3 || run.n > 18) {
                break;
            }
            if let Some(slot) = run.gaps.get_mut(run.n - 1) {
                *slot = code;
            }
            run.borders |= 1 << run.n;
            i += gap;
        }
        if !run.overlong {
            run.borders |= 1 << run.n;
        }
        Some(run)
    }

    /// How many digits came since the last gap.
    fn last_group(&self) -> usize {
        self.n - self.borders.checked_ilog2().map_or(0, |k| k as usize)
    }

    /// Adds a digit that ends at `end`.
    #[inline]
    fn push(&mut self, value: u8, end: usize) {
        let offset = self.offset(end);
        if let (Some(d), Some(e)) = (self.digits.get_mut(self.n), self.ends.get_mut(self.n)) {
            *d = value;
            *e = offset;
            self.n += 1;
        }
    }

    /// How far behind the run's beginning a place is: a run is a few hundred bytes at most.
    #[inline]
    fn offset(&self, place: usize) -> u16 {
        u16::try_from(place - self.from).unwrap_or(u16::MAX)
    }

    /// Adds the ASCII digits that stand at `at`, as many as there is room for, but not their ends; how many.
    #[inline]
    fn push_plain(&mut self, bytes: &[u8], at: usize) -> usize {
        let rest = bytes.get(at..).unwrap_or(&[]);
        let mut n = 0;
        if self.n == 0
            && let Some(&block) = rest.first_chunk::<BLOCK>()
            && let Some(slots) = self.digits.first_chunk_mut::<BLOCK>()
        {
            let values = u8x16::new(block) - u8x16::splat(b'0');
            *slots = values.to_array();
            n = values
                .simd_lt(u8x16::splat(10))
                .to_bitmask()
                .trailing_ones() as usize;
            if n < BLOCK {
                self.n = n;
                return n;
            }
        }
        let room = self.digits.get_mut(self.n + n..).unwrap_or(&mut []);
        let rest = rest.get(n..).unwrap_or(&[]);
        for (slot, &b) in room.iter_mut().zip(rest) {
            let value = b.wrapping_sub(b'0');
            if value > 9 {
                break;
            }
            *slot = value;
            n += 1;
        }
        self.n += n;
        n
    }

    /// Writes where the digits from the one at `from` on end, which stand from `at` on without a gap.
    #[inline]
    fn place(&mut self, from: usize, at: usize) {
        let first = self.offset(at);
        for (end, i) in self
            .ends
            .get_mut(from..self.n)
            .unwrap_or(&mut [])
            .iter_mut()
            .zip(1..)
        {
            *end = first + i;
        }
    }

    /// How many digits there are.
    pub(crate) fn len(&self) -> usize {
        self.n
    }

    /// The first `k` digits' values; empty if there are fewer.
    pub(crate) fn first(&self, k: usize) -> &[u8] {
        if k <= self.n {
            self.digits.get(..k).unwrap_or(&[])
        } else {
            &[]
        }
    }

    /// The digit at `i`, 0xff if there is none.
    pub(crate) fn digit(&self, i: usize) -> u8 {
        if i < self.n {
            self.digits.get(i).copied().unwrap_or(0xff)
        } else {
            0xff
        }
    }

    /// The code of the gap after digit `i`.
    pub(crate) fn gap(&self, i: usize) -> u8 {
        self.gaps.get(i).copied().unwrap_or(0)
    }

    /// Where the first `k` digits end.
    pub(crate) fn end(&self, k: usize) -> usize {
        if k <= self.plain {
            return self.from + k;
        }
        k.checked_sub(1)
            .and_then(|i| self.ends.get(i))
            .map_or(0, |&e| self.from + usize::from(e))
    }

    /// The length of the first group.
    pub(crate) fn group(&self) -> usize {
        self.n.min(self.borders.trailing_zeros() as usize)
    }

    /// Bit `k`: a group ends behind the first `k` digits.
    pub(crate) fn borders(&self) -> u32 {
        self.borders
    }

    /// Whether a group ends after the first `k` digits.
    pub(crate) fn ends(&self, k: usize) -> bool {
        k <= self.n && self.borders >> k & 1 == 1
    }

    /// Whether this may be a number of somebody's at all: enough digits for the way it begins. Short groups are dates,
    /// times and amounts, unless a long row of them follows.
    pub(crate) fn promising(&self) -> bool {
        match self.group() {
            0..=2 => self.n >= 9,
            3 | 4 => self.n >= 7,
            _ => true,
        }
    }

    /// The value of the first `k` digits.
    pub(crate) fn value(&self, from: usize, to: usize) -> u32 {
        (from..to).fold(0u32, |v, i| {
            v.wrapping_mul(10).wrapping_add(u32::from(self.digit(i)))
        })
    }

    /// Whether the first `k` digits are written as one number: without gap, in one of the customary groupings, or
    /// evenly interrupted with nothing more behind.
    pub(crate) fn whole(&self, k: usize, groupings: &[Grouping]) -> bool {
        if !self.ends(k) {
            return false;
        }
        let own = self.grouping(k);
        if own == 1 << k || groupings.contains(&own) {
            return true;
        }
        // Unusual: then the whole run must be it, up to where the separator changes.
        let inner = self.gaps.get(..k - 1).unwrap_or(&[]);
        let mut used = inner.iter().copied().filter(|&g| g != 0);
        let first = used.next().unwrap_or(0);
        let even = used.all(|g| g == first);
        let follows = self.gap(k - 1);
        even && (k == self.n || follows != first)
    }

    /// How the first `k` digits are grouped.
    pub(crate) fn grouping(&self, k: usize) -> Grouping {
        self.borders & ((1 << k) - 1) | 1 << k
    }

    /// Whether every gap in the first `k` digits is a comma or a newline: more likely a list than a number.
    pub(crate) fn listed(&self, k: usize) -> bool {
        let inner = self.gaps.get(..k.saturating_sub(1)).unwrap_or(&[]);
        let mut gaps = inner.iter().filter(|&&g| g != 0).peekable();
        gaps.peek().is_some() && gaps.all(|&g| matches!(g, 7 | 8 | 0x71 | 0x78 | 0x81))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, numerals: bool) -> Run {
        Run::read(&View::new(text, true), 0, numerals).unwrap()
    }

    #[test]
    fn groups_and_gaps() {
        let run = read("138-0013-8000，2个", false);
        assert_eq!(run.len(), 12);
        assert_eq!(run.group(), 3);
        assert!(run.whole(11, groupings![[3, 4, 4]]));
        assert!(!run.whole(7, &[]) || run.ends(7));
        assert!(!run.ends(8));
        assert_eq!(run.end(11), 13);
        assert!(read("1 3 8 0 0 1 3 8 0 0 0", false).whole(11, &[]));
        assert_eq!(read("一三八零零一三八零零零号", true).len(), 11);
        assert_eq!(
            read("\"1380\" + \"0138000\"".trim_matches('"'), false).len(),
            11
        );
        assert!(read(&"7".repeat(50), false).overlong);
        assert_eq!(read("12\n34\n56", false).len(), 2);
    }
}
