//! Codes of letters and digits that separators may interrupt, and letters followed by digits.
//!
//! Shared by families; knows no entity. Invariant: at most [`CODE_MAX`] characters and two bytes per gap are read.

use crate::scan::run::Run;
use crate::scan::view::{ALNUM, DIGIT, LOWER, UPPER, View, is};

/// Characters that are read at most.
pub(crate) const CODE_MAX: usize = 36;

/// Letters and digits, upper case, with where each ends.
#[derive(Debug)]
pub(crate) struct Code {
    chars: [u8; CODE_MAX],
    /// Where the code begins; the characters' ends are counted from there.
    from: usize,
    ends: [u16; CODE_MAX],
    /// Whether a gap stands before the character.
    n: usize,
    gaps: u64,
}

impl Code {
    /// Reads up to `max` characters from `at` on, over gaps of one or two separators.
    pub(crate) fn read(view: &View<'_>, at: usize, max: usize) -> Self {
        let mut code = Self {
            chars: [0; CODE_MAX],
            from: at,
            ends: [0; CODE_MAX],
            n: 0,
            gaps: 0,
        };
        let mut i = at;
        while code.n < max.min(CODE_MAX) {
            let b = view.byte(i);
            if is(b, ALNUM) {
                code.push(b.to_ascii_uppercase(), i + 1);
                i += 1;
                continue;
            }
            let gap = gap(view, i);
            if gap == 0 || !is(view.byte(i + gap), ALNUM) {
                break;
            }
            code.gaps |= 1 << code.n;
            i += gap;
        }
        code
    }

    fn push(&mut self, c: u8, end: usize) {
        if let (Some(slot), Some(place)) = (self.chars.get_mut(self.n), self.ends.get_mut(self.n)) {
            *slot = c;
            *place = u16::try_from(end - self.from).unwrap_or(u16::MAX);
            self.n += 1;
        }
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
        let mut letters = [0u8; 3];
        let mut n = 0;
        let mut i = at;
        for slot in &mut letters {
            let b = view.byte(i);
            if !is(b, LOWER | UPPER) {
                break;
            }
            *slot = b.to_ascii_uppercase();
            n += 1;
            i += 1;
        }
        let next = view.byte(i);
        if n == 0 || is(next, LOWER | UPPER) {
            return None;
        }
        if matches!(next, b' ' | b'-' | b'.' | b'_' | b'*') && is(view.byte(i + 1), DIGIT) {
            i += 1;
        }
        let run = Run::read(view, i, false)?;
        Some(Self { letters, n, run })
    }

    /// The letters, in upper case.
    pub(crate) fn letters(&self) -> &[u8] {
        self.letters.get(..self.n).unwrap_or(&[])
    }
}
