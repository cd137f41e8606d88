//! One place in a text where something may begin, and what finders need to know about it.
//!
//! Everything that costs is computed once and only if asked for. Knows no entity's grammar.

use std::cell::{Cell, OnceCell};

use super::cue::{Cue, Cues, cues_before, cues_of_column};
use super::entity::Entity;
use super::find::{Code, Lettered, opens_gap};
use super::run::Run;
use super::view::{ALNUM, DIGIT, View, is, is_han};

/// What a finder found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) entity: Entity,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Certainty in percent.
    pub(crate) score: u8,
}

/// Certain by form and check digit, or by an unmistakable prefix.
pub(crate) const STRONG: u8 = 99;
/// Distinctive by form.
pub(crate) const MEDIUM: u8 = 85;
/// Known by the word beside it only.
pub(crate) const WEAK: u8 = 70;

/// The hit before, for evidence by neighbourhood.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Last {
    pub(crate) end: usize,
    pub(crate) entity: Option<Entity>,
}

/// Characters of a code that are read: the longest is a tax number of 20.
const CODE_READ: usize = 20;

/// A place where something may begin.
pub(crate) struct Site<'v, 't> {
    pub(crate) view: &'v View<'t>,
    pub(crate) at: usize,
    pub(crate) last: Last,
    run: OnceCell<Option<Run>>,
    cues: OnceCell<Cues>,
    column: OnceCell<Cues>,
    code: OnceCell<Code>,
    code_borders: OnceCell<u64>,
    lettered: OnceCell<Option<Lettered>>,
    /// The end and the score of the best that was found here so far.
    best: Cell<(usize, u8)>,
    /// Up to here letters and digits are known to stand.
    word: usize,
    numerals: bool,
    lists: bool,
}

impl<'v, 't> Site<'v, 't> {
    pub(crate) fn new(view: &'v View<'t>, at: usize, last: Last) -> Self {
        Self {
            view,
            at,
            last,
            run: OnceCell::new(),
            cues: OnceCell::new(),
            column: OnceCell::new(),
            code: OnceCell::new(),
            code_borders: OnceCell::new(),
            lettered: OnceCell::new(),
            best: Cell::new((0, 0)),
            word: at,
            numerals: false,
            lists: false,
        }
    }

    /// The same place, from which letters and digits are known to stand up to `end`.
    pub(crate) fn with_word(view: &'v View<'t>, at: usize, last: Last, end: usize) -> Self {
        Self {
            word: end,
            ..Self::new(view, at, last)
        }
    }

    /// The same place, reading Chinese numerals as digits.
    pub(crate) fn with_numerals(view: &'v View<'t>, at: usize, last: Last) -> Self {
        Self {
            numerals: true,
            ..Self::new(view, at, last)
        }
    }

    /// The same place, reading a list of digits as one row.
    pub(crate) fn with_lists(view: &'v View<'t>, at: usize, last: Last) -> Self {
        Self {
            lists: true,
            ..Self::new(view, at, last)
        }
    }

    /// Notes the best that was found here.
    pub(crate) fn note(&self, found: Found) {
        self.best.set((found.end, found.score));
    }

    /// Where the best that was found here ends.
    pub(crate) fn best(&self) -> Option<usize> {
        Some(self.best.get().0).filter(|&end| end > 0)
    }

    /// Whether what was found here is as good as anything that ends at `end` at the latest, with such a score at most:
    /// then it need not be looked for.
    #[inline]
    pub(crate) fn beaten(&self, end: usize, score: u8) -> bool {
        self.best.get() >= (end, score)
    }

    /// The end of the run of letters, digits and bytes of the other classes that begins here, at most `max` bytes.
    pub(crate) fn word(&self, others: u8, max: usize) -> usize {
        let known = self.word.min(self.at + max);
        self.view
            .run(known, ALNUM | others, max - (known - self.at))
    }

    /// The digits that begin here.
    pub(crate) fn run(&self) -> Option<&Run> {
        self.run
            .get_or_init(|| {
                if self.lists {
                    Run::read_list(self.view, self.at)
                } else {
                    Run::read(self.view, self.at, self.numerals)
                }
            })
            .as_ref()
    }

    /// The letters and digits that begin here.
    pub(crate) fn code(&self) -> &Code {
        self.code
            .get_or_init(|| Code::read(self.view, self.at, CODE_READ))
    }

    /// Bit `k`: a code of `k` letters and digits may begin here: nothing hangs before it, and it would end where a group
    /// does.
    #[inline]
    pub(crate) fn code_borders(&self) -> u64 {
        *self.code_borders.get_or_init(|| {
            let n = self.word - self.at;
            if n > CODE_READ || !self.clean_left() {
                return 0;
            }
            // Most codes have no gap, and need not be read to be refused.
            if n > 0 && !opens_gap(self.view.byte(self.word)) {
                return 1 << n;
            }
            self.code().borders()
        })
    }

    /// Whether a code of one of these sizes, one bit each, may begin here, and be better than what was found.
    #[inline]
    pub(crate) fn code_fits(&self, sizes: u32) -> bool {
        let fitting = self.code_borders() & u64::from(sizes);
        let Some(longest) = fitting.checked_ilog2() else {
            return false;
        };
        let longest = longest as usize;
        let end = if self.at + longest <= self.word {
            self.at + longest
        } else {
            self.code().end(longest)
        };
        !self.beaten(end, STRONG)
    }

    /// Whether a number of one of these sizes may begin here, and be better than what was found.
    #[inline]
    pub(crate) fn digits_fit(&self, sizes: u32) -> bool {
        self.run().is_some_and(|run| {
            let longest = (run.borders() & sizes).checked_ilog2();
            longest.is_some_and(|k| !self.beaten(run.end(k as usize), STRONG))
        })
    }

    /// The letters that begin here and the digits behind them.
    pub(crate) fn lettered(&self) -> Option<&Lettered> {
        self.lettered
            .get_or_init(|| Lettered::read(self.view, self.at))
            .as_ref()
    }

    /// The cues before this place.
    pub(crate) fn cues(&self) -> Cues {
        *self.cues.get_or_init(|| cues_before(self.view, self.at))
    }

    /// The cues of the table column that this place stands in.
    pub(crate) fn column(&self) -> Cues {
        *self
            .column
            .get_or_init(|| cues_of_column(self.view, self.at))
    }

    /// Whether the nearest cue, or else the column's header, is of this class.
    pub(crate) fn cued(&self, cue: Cue) -> bool {
        let near = self.cues();
        near.is(cue) || (near.none() && self.column().is(cue))
    }

    /// Whether what stands before says that this is an order, a version, a hash.
    pub(crate) fn negative(&self) -> bool {
        let near = self.cues();
        near.other() || (near.none() && self.column().other())
    }

    /// Whether a cue stands in brackets right behind `end`: `E12345678（护照）`.
    pub(crate) fn cued_behind(&self, end: usize, cue: Cue) -> bool {
        let at = self.view.blanks(end, 1);
        let c = self.view.char(at);
        if !matches!(c, '(' | '（') {
            return false;
        }
        let from = at + c.len_utf8();
        let mut to = from;
        for _ in 0..10 {
            let c = self.view.char(to);
            if matches!(c, ')' | '）' | '\0' | '\n') {
                break;
            }
            to += c.len_utf8();
        }
        super::cue::cues_in(self.view.slice(from, to)).is(cue)
    }

    /// A hit from here to `end`.
    #[expect(clippy::unnecessary_wraps, reason = "finders return it as it is")]
    pub(crate) fn hit(&self, entity: Entity, end: usize, score: u8) -> Option<Found> {
        Some(Found {
            entity,
            start: self.at,
            end,
            score,
        })
    }

    /// Whether the value that begins here has no letter or digit before it.
    pub(crate) fn clean_left(&self) -> bool {
        !is(self.view.before(self.at), ALNUM)
    }

    /// Whether no letter or digit follows `end`.
    pub(crate) fn clean_right(&self, end: usize) -> bool {
        !is(self.view.byte(end), ALNUM)
    }

    /// Whether a number that ends at `end` is a part of a decimal, an amount or a longer code.
    pub(crate) fn part_of_number(&self, end: usize) -> bool {
        let view = self.view;
        let next = view.byte(end);
        if next == b'.' && view.byte(end + 1).is_ascii_digit() {
            // `13800138000.50` is an amount; `…8000.2个` hardly occurs.
            return true;
        }
        if next == b'%' || next == b':' && view.byte(end + 1).is_ascii_digit() {
            return true;
        }
        let before = view.before(self.at);
        match before {
            b'.' => self.at >= 2 && view.before(self.at - 1).is_ascii_digit(),
            // `12,345` and `10:30`; in `1,13800138000` and `tel1:13800138000` the number is a value of its own.
            b',' | b':' => {
                self.at >= 2 && view.before(self.at - 1).is_ascii_digit() && self.short_group()
            }
            // Behind a value that was found comes another one.
            b'-' | b'/' => {
                self.at >= 2 && is(view.before(self.at - 1), ALNUM) && self.last.end != self.at - 1
            }
            b'$' | b'#' => true,
            _ => {
                let c = if before >= 0x80 {
                    view.char_before(self.at)
                } else {
                    '\0'
                };
                matches!(c, '¥' | '￥' | '€' | '£')
            }
        }
    }

    /// Whether no more than three digits stand here and nothing joins them to more: a group of thousands, minutes.
    fn short_group(&self) -> bool {
        let digits = self.view.run_of(self.at, 4, |b| is(b, DIGIT));
        let joined =
            matches!(self.view.byte(digits), b' ' | b'-') && is(self.view.byte(digits + 1), DIGIT);
        digits - self.at <= 3 && !joined
    }

    /// The run of Chinese characters from `from` on: at most `max` of them, and where they end.
    pub(crate) fn han(&self, from: usize, max: usize) -> ([char; 8], usize, usize) {
        let mut chars = ['\0'; 8];
        let mut n = 0;
        let mut at = from;
        for slot in chars.iter_mut().take(max) {
            let c = self.view.char(at);
            if !is_han(c) {
                break;
            }
            *slot = c;
            n += 1;
            at += c.len_utf8();
        }
        (chars, n, at)
    }
}
