//! One pass over a text for all detectors: a gate over bytes proposes places, finders dispose.
//!
//! Knows classes of bytes and which detectors each may interest; no entity's grammar. Every detector finds forward from
//! the place where its hit begins, so the scan is a merged leftmost scan: at each place the longest hit wins, then the
//! surest; after a hit the scan goes on at its end for all. Invariants: hits are sorted and disjoint; the result is a
//! function of the text alone; time is linear, since each finder reads a bounded stretch.

use std::sync::LazyLock;

use super::entity::Entity;
use super::find::{DETECTORS, flagged, join, list_ahead};
use super::fold::{self, Folded, Map};
use super::gate::{decode3, may};
use super::han;
use super::run::{Run, numeral};
use super::site::{Found, Last, Site};
use super::view::{ALNUM, DIGIT, HIGH, LOWER, UPPER, View, class, is, is_han};
use wire::Grade;

/// Where a detector wants to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// A group of digits begins.
    Digits,
    /// The same, and at least five digits come, separators or not; or a row of Chinese numerals.
    Number,
    /// A word of ASCII letters and digits begins that is no plain one.
    Word,
    /// The same, with digits in it or all capitals.
    Code,
    /// A word begins with a capital.
    Capital,
    /// `+`, `(` or `（` before a digit.
    Plus,
    /// A surname's first character.
    Surname,
    /// A place's first character, or a Chinese character after which none stood, or one that may open an address.
    Place,
    /// A Chinese character after which, or after a word for persons, a foreign name may begin.
    Dotted,
    /// A province's short name before a capital.
    Plate,
    /// First character of 军字第….
    Form,
    /// `-----`.
    Dashes,
    /// A symbol that a password may begin with.
    Symbol,
    /// `-` before a digit, `:` before `:`.
    Sign,
}

const KINDS: usize = 14;
/// A row of digits so long begins nothing, in bytes.
const DIGITS_RUN: usize = 64;
/// A word so long begins nothing, in bytes; a JSON web token may.
const WORD_MAX: usize = 512;
/// Bytes of a word that are read.
const WORD_READ: usize = 8192;

/// One way of finding: what `DETECTORS` lists.
#[derive(Debug)]
pub(crate) struct Detector {
    /// Its name, for reports.
    pub(crate) name: &'static str,
    /// Where it is asked.
    pub(crate) on: &'static [On],
    /// The longest hit it gives, in bytes of folded text.
    pub(crate) max_len: usize,
    /// A hit that begins at the site, if there is one. Reads forward only as far as needed.
    pub(crate) find: fn(&Site<'_, '_>) -> Option<Found>,
}

static BY_KIND: LazyLock<[Vec<&'static Detector>; KINDS]> = LazyLock::new(|| {
    let mut table: [Vec<&'static Detector>; KINDS] = Default::default();
    for detector in DETECTORS {
        for &kind in detector.on {
            if let Some(list) = table.get_mut(kind as usize) {
                list.push(detector);
            }
        }
    }
    table
});

/// The names of all detectors, in the order they are asked.
pub fn detectors() -> impl Iterator<Item = &'static str> {
    DETECTORS.iter().map(|detector| detector.name)
}

/// A finding in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is.
    pub entity: Entity,
    /// Where it begins, in bytes of the text as given.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
    /// Certainty in percent.
    pub score: u8,
}

impl Hit {
    /// The default grade of its type.
    #[must_use]
    pub fn grade(&self) -> Grade {
        self.entity.grade()
    }
}

/// Every finding in `text`, in order and disjoint; offsets are bytes of `text`.
#[must_use]
pub fn scan(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    if fold::is_plain(text) {
        let view = View::new(text, true);
        Scan::new(&view, 0, Last::default()).run(|found| {
            hits.push(Hit {
                entity: found.entity,
                start: found.start,
                end: found.end,
                score: found.score,
            });
        });
        return hits;
    }
    let folded = fold::fold(text, 0, true);
    let view = View::new(&folded.text, true);
    Scan::new(&view, 0, Last::default()).run(|found| hits.push(raw_hit(text, &folded, found)));
    hits
}

/// A found thing in offsets of the raw text.
fn raw_hit(raw: &str, folded: &Folded, found: Found) -> Hit {
    let (start, end) = raw_span(raw, &folded.map, found.start, found.end);
    Hit {
        entity: found.entity,
        start,
        end,
        score: found.score,
    }
}

/// A stretch of folded text in offsets of the text as given.
pub(super) fn raw_span(raw: &str, map: &Map, start: usize, end: usize) -> (usize, usize) {
    let (start, mut end) = (map.start(start), map.end(end));
    // Key-cap marks belong to the digit before them.
    while let Some(c) = raw.get(end..).and_then(|rest| rest.chars().next())
        && matches!(c, '\u{fe0f}' | '\u{20e3}')
    {
        end += c.len_utf8();
    }
    (start, end)
}

/// A scan over one view.
pub(crate) struct Scan<'v, 't> {
    pub(super) view: &'v View<'t>,
    pub(super) at: usize,
    /// Nothing before may be part of a hit.
    floor: usize,
    pub(super) last: Last,
    kinds: &'static [Vec<&'static Detector>; KINDS],
    pub(super) table: &'static han::Table,
}

/// What came of one place.
enum Step {
    Hit(Found),
    /// Nothing begins here; go on there.
    Next(usize),
    /// What begins here hangs on text to come.
    Alive,
}

impl<'v, 't> Scan<'v, 't> {
    pub(crate) fn new(view: &'v View<'t>, from: usize, last: Last) -> Self {
        Self {
            view,
            at: from,
            floor: from,
            last,
            kinds: &BY_KIND,
            table: &han::TABLE,
        }
    }

    pub(crate) fn last(&self) -> Last {
        self.last
    }

    /// Scans to the end, or to the first place that hangs on text to come: that place, else the end.
    pub(crate) fn run(&mut self, report: impl FnMut(Found)) -> usize {
        self.run_from(Self::next_place, report)
    }

    #[inline]
    pub(super) fn run_from(
        &mut self,
        next_place: impl Fn(&Self) -> Option<(usize, u8)>,
        mut report: impl FnMut(Found),
    ) -> usize {
        while let Some((place, reasons)) = next_place(self) {
            self.at = place;
            match self.step(reasons) {
                Step::Hit(found) => {
                    debug_assert!(found.start >= self.floor && found.end > found.start);
                    report(found);
                    self.at = found.end;
                    self.floor = found.end;
                    self.last = Last {
                        end: found.end,
                        entity: Some(found.entity),
                    };
                }
                Step::Next(at) => self.at = at.max(place + 1),
                Step::Alive => return place,
            }
        }
        self.view.len()
    }

    fn step(&self, reasons: u8) -> Step {
        let b = self.view.bytes().get(self.at).copied().unwrap_or(0);
        self.view.take_touched();
        match class(b) {
            DIGIT => self.digits(),
            LOWER | UPPER => self.word(b),
            HIGH => self.high(b, reasons),
            _ => self.symbol(b),
        }
    }

    /// Asks the detectors of one kind.
    fn ask(&self, kind: On, site: &Site<'_, '_>, best: &mut Option<Found>) {
        let Some(list) = self.kinds.get(kind as usize) else {
            return;
        };
        for detector in list {
            if let Some(found) = (detector.find)(site)
                && found.end - found.start <= detector.max_len
                && found.start >= self.floor
                && best.is_none_or(|b| (found.end, found.score) > (b.end, b.score))
            {
                *best = Some(found);
            }
        }
    }

    /// The best of what was found, or where to go on.
    fn settle(&self, best: Option<Found>, next: usize) -> Step {
        if self.view.take_touched() {
            return Step::Alive;
        }
        match best {
            Some(found) => Step::Hit(found),
            None => Step::Next(next),
        }
    }

    fn digits(&self) -> Step {
        let view = self.view;
        let end = view.run(self.at, DIGIT, DIGITS_RUN);
        if end - self.at == DIGITS_RUN {
            return Step::Next(view.skip(end, ALNUM));
        }
        let before = view.before(self.at);
        if is(before, DIGIT) || (is(before, LOWER | UPPER) && !self.glued()) {
            return Step::Next(view.skip(self.at, ALNUM));
        }
        // One or two digits that nothing goes on from, as in lists and sums, begin nothing.
        let next = view.bytes().get(end).copied().unwrap_or(b' ');
        if end - self.at <= 2
            && matches!(
                next,
                b',' | b'\n' | b')' | b';' | b'}' | b']' | b'!' | b'?' | b'<' | b'>' | b'='
            )
            && !list_ahead(view, end)
        {
            return Step::Next(end);
        }
        let site = Site::new(view, self.at, self.last);
        let mut best = None;
        self.ask(On::Digits, &site, &mut best);
        let next = view.byte(end);
        if site.run().is_some_and(Run::promising) || is(next, LOWER | UPPER) {
            self.ask(On::Number, &site, &mut best);
        }
        if !is(before, ALNUM) {
            self.ask(On::Word, &site, &mut best);
        }
        if best.is_none() && (next >= 0x80 || gap_then_numeral(view, end)) {
            let c = view.char(end);
            if numeral(c).is_some() || gap_then_numeral(view, end) {
                let site = Site::with_numerals(view, self.at, self.last);
                self.ask(On::Number, &site, &mut best);
            }
        }
        // Digits inside a code of letters and digits begin nothing of their own.
        let next = if is(next, LOWER | UPPER) {
            view.skip(end, ALNUM)
        } else {
            end
        };
        self.settle(best, next)
    }

    /// Whether the digits here hang on a plain word: `tel13800138000`.
    fn glued(&self) -> bool {
        let behind = self.view.behind(self.at, 24).as_bytes();
        let letters = behind
            .iter()
            .rev()
            .take_while(|&&b| is(b, LOWER | UPPER))
            .count();
        let before = behind
            .len()
            .checked_sub(letters + 1)
            .and_then(|i| behind.get(i))
            .copied();
        letters <= 16 && !before.is_some_and(|b| is(b, DIGIT))
    }

    fn word(&self, first: u8) -> Step {
        let view = self.view;
        if is(view.before(self.at), ALNUM) {
            return Step::Next(self.after_letters());
        }
        let bytes = view.bytes().get(self.at..).unwrap_or(&[]);
        let mut seen = 0u8;
        let mut n = 0usize;
        for &b in bytes.iter().take(WORD_READ) {
            let c = class(b);
            if c & ALNUM == 0 {
                break;
            }
            seen |= c;
            n += 1;
        }
        let end = self.at + n;
        if n == WORD_READ || n > WORD_MAX && !view.starts(self.at, "eyJ") {
            return Step::Next(end);
        }
        let next = view.byte(end);
        let special = self.special(next, end, seen);
        let value = self.led_to() || flagged(view, self.at);
        let symbol = matches!(next, b'!'..=b'/' | b'?' | b'[' | b'^' | b'|' | b'~');
        let slow = seen & DIGIT != 0
            || special
            || n >= 12
            || value && (n >= 8 || symbol)
            || is_code(seen, n);
        if !slow && seen & UPPER == 0 {
            return self.settle(None, end);
        }
        let site = Site::new(view, self.at, self.last);
        let mut best = None;
        if slow {
            self.ask(On::Word, &site, &mut best);
            if seen & DIGIT != 0 || seen == UPPER {
                self.ask(On::Code, &site, &mut best);
            }
        }
        if is(first, UPPER) {
            self.ask(On::Capital, &site, &mut best);
        }
        let next = if seen & DIGIT != 0 {
            self.after_letters()
        } else {
            end
        };
        self.settle(best, next)
    }

    /// Whether what follows a plain word may make it the beginning of something.
    fn special(&self, next: u8, end: usize, seen: u8) -> bool {
        let view = self.view;
        match next {
            b'@' | b'-' | b'_' | b'+' | b'%' => true,
            b'<' => seen & LOWER == 0,
            // A scheme, or hexadecimal groups.
            b':' => {
                let second = view.byte(end + 1);
                matches!(second, b'/' | b':')
                    || second.is_ascii_hexdigit()
                    || view.slice(self.at, end).eq_ignore_ascii_case("jdbc")
            }
            b'.' => is(view.byte(end + 1), ALNUM),
            b' ' => {
                matches!(view.byte(end + 1), b'(' | b'[' | b'{' | b'@')
                    || view.byte(end + 1) | 0x20 == b'a'
                        && view.byte(end + 2) | 0x20 == b't'
                        && view.byte(end + 3) == b' '
            }
            b'(' | b'[' | b'{' | b'#' => {
                matches!(view.byte(end + 1), b'a' | b'A' | b'@' | b'd' | b'D')
            }
            // "AKIA" + "…"
            b'"' | b'\'' | b'`' => seen == UPPER || join(view, end).is_some(),
            0x80.. => matches!(view.char(end), '（' | '【'),
            _ => false,
        }
    }

    /// Whether something before leads to a value: a sign, a quote, a word in Chinese, `is`.
    fn led_to(&self) -> bool {
        let behind = self.view.behind(self.at, 4).as_bytes();
        matches!(
            behind,
            [
                ..,
                b'=' | b':' | b'"' | b'\'' | b'`' | b'|' | b'\t' | 0x80..
            ] | [.., b'=' | b':' | b'>' | b'|' | b'"' | 0x80.., b' ']
                | [.., b' ', b'i', b's', b' ']
        )
    }

    fn after_letters(&self) -> usize {
        self.view.skip(self.at, LOWER | UPPER)
    }

    fn high(&self, b: u8, reasons: u8) -> Step {
        let view = self.view;
        let code = decode3(view.bytes(), self.at);
        let next = self.at + 3;
        if b == 0xEF || b == 0xE3 {
            if code == 0xFF08 {
                return self.symbol(b'(');
            }
            if code != 0x3007 {
                return Step::Next(next);
            }
        }
        let bits = if code == 0x3007 {
            han::NUMERAL
        } else {
            self.table.of(code)
        };
        let asked = |reason: u8, bit: u16| reasons & reason != 0 && bits & bit != 0;
        let opens = bits & han::PLACE != 0 || self.opens_address();
        let site = Site::new(view, self.at, self.last);
        let mut best = None;
        if asked(may::NUMBER, han::NUMERAL) && self.numerals_follow() {
            let site = Site::with_numerals(view, self.at, self.last);
            self.ask(On::Number, &site, &mut best);
        }
        if asked(may::NAME, han::SURNAME) {
            self.ask(On::Surname, &site, &mut best);
        }
        if asked(may::PLATE, han::PLATE) && is(view.byte(next), UPPER | LOWER | DIGIT | HIGH) {
            self.ask(On::Plate, &site, &mut best);
        }
        if asked(may::FORM, han::FORM) {
            self.ask(On::Form, &site, &mut best);
        }
        if reasons & may::DOTTED != 0 {
            self.ask(On::Dotted, &site, &mut best);
        }
        if reasons & may::PLACE != 0 && opens {
            self.ask(On::Place, &site, &mut best);
        }
        self.settle(best, next)
    }

    /// Whether an address may begin here although no known place does: the first character of a row, or one behind a
    /// word that leads to a place.
    fn opens_address(&self) -> bool {
        let before = self.view.before(self.at);
        if before < 0x80 {
            return true;
        }
        let c = self.view.char_before(self.at);
        !is_han(c) || self.table.of(u32::from(c)) & han::OPENS != 0
    }

    fn numerals_follow(&self) -> bool {
        let view = self.view;
        if numeral(view.char_before(self.at)).is_some() {
            return false;
        }
        let first = view.char(self.at).len_utf8();
        let mut at = self.at + first;
        for _ in 0..2 {
            let c = view.char(at);
            if numeral(c).is_some() || c.is_ascii_digit() {
                return true;
            }
            if !matches!(c, ' ' | '-' | '.' | '·' | '_' | '/' | ',' | '，' | '*') {
                return false;
            }
            at += c.len_utf8();
        }
        false
    }

    fn symbol(&self, b: u8) -> Step {
        let view = self.view;
        let width = view.char(self.at).len_utf8();
        let site = Site::new(view, self.at, self.last);
        let mut best = None;
        match b {
            b'+' | b'(' => {
                let next = view.byte(self.at + width);
                if is(next, DIGIT) || matches!(next, b'+' | b'(' | b' ') || next >= 0x80 {
                    self.ask(On::Plus, &site, &mut best);
                }
            }
            b'-' => {
                if view.starts(self.at, "-----") {
                    self.ask(On::Dashes, &site, &mut best);
                } else if is(view.byte(self.at + 1), DIGIT) && !is(view.before(self.at), ALNUM) {
                    self.ask(On::Sign, &site, &mut best);
                }
            }
            b':' if view.byte(self.at + 1) == b':' && !is(view.before(self.at), ALNUM) => {
                self.ask(On::Sign, &site, &mut best);
            }
            _ => {}
        }
        if b != b':' && !is(view.before(self.at), ALNUM) {
            self.ask(On::Symbol, &site, &mut best);
        }
        self.settle(best, self.at + width)
    }
}

/// Capital letters only, long enough for a machine-readable zone or a key.
fn is_code(seen: u8, n: usize) -> bool {
    seen == UPPER && n >= 8
}

fn gap_then_numeral(view: &View<'_>, end: usize) -> bool {
    matches!(view.byte(end), b' ' | b'-')
        && view.byte(end + 1) >= 0x80
        && numeral(view.char(end + 1)).is_some()
}
