//! One pass over a text for all detectors: a gate over bytes proposes places, finders dispose.
//!
//! Knows classes of bytes and which detectors each may interest; no entity's grammar. Every detector finds forward from
//! the place where its hit begins, so the scan is a merged leftmost scan: at each place the longest hit wins, then the
//! surest; after a hit the scan goes on at its end for all. Invariants: hits are sorted and disjoint; the result is a
//! function of the text alone; time is linear, since each finder reads a bounded stretch.

use std::sync::LazyLock;

use super::entity::Entity;
use super::find::DETECTORS;
use super::fold::{self, Folded};
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

const KINDS: usize = 13;
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
    Scan::new(&view, 0, Last::default()).run(|found| hits.push(raw_hit(text, &folded, 0, found)));
    hits
}

/// A found thing in offsets of the raw text; `base` is the folded offset at which `folded` begins.
pub(crate) fn raw_hit(raw: &str, folded: &Folded, base: usize, found: Found) -> Hit {
    let start = folded.map.start(found.start.saturating_sub(base));
    let mut end = folded.map.end(found.end.saturating_sub(base));
    // Key-cap marks belong to the digit before them.
    while let Some(c) = raw.get(end..).and_then(|rest| rest.chars().next())
        && matches!(c, '\u{fe0f}' | '\u{20e3}')
    {
        end += c.len_utf8();
    }
    Hit {
        entity: found.entity,
        start,
        end,
        score: found.score,
    }
}

/// A scan over one view.
pub(crate) struct Scan<'v, 't> {
    view: &'v View<'t>,
    at: usize,
    /// Nothing before may be part of a hit.
    floor: usize,
    last: Last,
    kinds: &'static [Vec<&'static Detector>; KINDS],
    table: &'static han::Table,
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
    pub(crate) fn run(&mut self, mut report: impl FnMut(Found)) -> usize {
        while let Some(place) = self.next_place() {
            self.at = place;
            match self.step() {
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
        self.at
    }

    /// The next place that may interest anyone: skips what cannot. Sure to skip only what the finders would refuse
    /// without looking past the end.
    #[inline]
    fn next_place(&self) -> Option<usize> {
        let bytes = self.view.bytes();
        let mut at = self.at;
        while let Some(&b) = bytes.get(at) {
            match b {
                0xE4..=0xE9 => {
                    if self.han_interests(bytes, at) {
                        return Some(at);
                    }
                    at += 3;
                }
                // （ is EF BC 88, 〇 is E3 80 87; other letters are reached from their neighbours.
                0xEF if bytes.get(at + 2) == Some(&0x88) => return Some(at),
                0xE3 if bytes.get(at + 1) == Some(&0x80) && bytes.get(at + 2) == Some(&0x87) => {
                    return Some(at);
                }
                0xE0.. => at += 3 + usize::from(b >= 0xF0),
                0xC0.. => at += 2,
                b'a'..=b'z' => match self.plain_word(bytes, at) {
                    Some(end) => at = end,
                    None => return Some(at),
                },
                b'0'..=b'9' | b'A'..=b'Z' => return Some(at),
                b'+' | b'(' | b'-' | b'!' | b'@' | b'#' | b'$' | b'^' | b'&' | b'*' | b':' => {
                    return Some(at);
                }
                _ => at += 1,
            }
        }
        None
    }

    /// Whether the Chinese character at `at` may begin anything.
    #[inline]
    fn han_interests(&self, bytes: &[u8], at: usize) -> bool {
        let bits = self.table.of(decode3(bytes, at));
        let before = match at.checked_sub(3) {
            Some(i) if matches!(bytes.get(i), Some(0xE4..=0xE9)) => {
                Some(self.table.of(decode3(bytes, i)))
            }
            _ => None,
        };
        if before.is_none_or(|before| before & han::OPENS != 0) {
            return true;
        }
        if bits & (han::SURNAME | han::NUMERAL | han::PLACE | han::PLATE | han::FORM) == 0 {
            return false;
        }
        if bits & han::PLACE != 0 {
            return true;
        }
        // What follows: past the end anything may.
        let Some(&next) = bytes.get(at + 3) else {
            return true;
        };
        let next_bits = if next >= 0xE4 {
            self.table.of(decode3(bytes, at + 3))
        } else {
            0
        };
        let number = bits & han::NUMERAL != 0
            && (next < 0xE4 || next > 0xE9 || next_bits & han::NUMERAL != 0);
        let plate = bits & han::PLATE != 0 && !matches!(next, 0xE4..=0xE9);
        // 字 is U+5B57.
        let form = bits & han::FORM != 0 && decode3(bytes, at + 3) == 0x5B57;
        if number || plate || form {
            return true;
        }
        bits & han::SURNAME != 0
            && (before.is_some_and(|before| before & han::CUE_END != 0)
                || self.title_near(
                    bytes,
                    at + 3,
                    if bits & han::COMPOUNDS != 0 { 4 } else { 3 },
                ))
    }

    /// Whether a title may begin within `reach` characters.
    fn title_near(&self, bytes: &[u8], from: usize, reach: usize) -> bool {
        let mut at = from;
        for _ in 0..reach {
            match bytes.get(at) {
                None => return true,
                Some(0xE4..=0xE9) => {
                    if self.table.of(decode3(bytes, at)) & han::TITLE != 0 {
                        return true;
                    }
                    at += 3;
                }
                Some(_) => return false,
            }
        }
        false
    }

    /// The end of the lower-case word at `at`, if it is an ordinary one that nothing leads to.
    #[inline]
    fn plain_word(&self, bytes: &[u8], at: usize) -> Option<usize> {
        const LONGEST: usize = 11;
        let before = at
            .checked_sub(1)
            .and_then(|i| bytes.get(i))
            .copied()
            .unwrap_or(b' ');
        if !matches!(before, b' ' | b'\n' | b'(' | b',' | b'.' | b'-' | b'/') {
            return None;
        }
        let mut end = at;
        while end - at <= LONGEST && bytes.get(end).is_some_and(u8::is_ascii_lowercase) {
            end += 1;
        }
        if end - at > LONGEST {
            return None;
        }
        let second = bytes.get(end + 1).copied().unwrap_or(b'@');
        match bytes.get(end) {
            Some(b' ') => {
                let at_sign = matches!(second, b'(' | b'[' | b'{' | b'@' | b'a' | b'A');
                (!at_sign
                    || second | 0x20 == b'a'
                        && bytes.get(end + 2).is_some_and(|b| b | 0x20 != b't'))
                .then_some(end)
            }
            Some(b',' | b'\n' | b';' | b')') => Some(end),
            Some(b'.' | b'?') if matches!(second, b' ' | b'\n') => Some(end),
            _ => None,
        }
    }

    fn step(&self) -> Step {
        let b = self.view.bytes().get(self.at).copied().unwrap_or(0);
        self.view.take_touched();
        match class(b) {
            DIGIT => self.digits(),
            LOWER | UPPER => self.word(b),
            HIGH => self.high(b),
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
        let special = match next {
            b'@' | b'-' | b':' | b'_' | b'+' | b'/' | b'%' | b'<' | b'=' | b'\'' | b'"' => true,
            b'.' => is(view.byte(end + 1), ALNUM),
            b' ' => {
                matches!(view.byte(end + 1), b'(' | b'[' | b'{' | b'@')
                    || view.byte(end + 1) | 0x20 == b'a'
                        && view.byte(end + 2) | 0x20 == b't'
                        && view.byte(end + 3) == b' '
            }
            b'(' | b'[' | b'#' | b'*' | b'!' | b'$' | b'&' | b'^' | b'~' | b'?' | b'|' => true,
            _ => false,
        };
        let value = self.led_to();
        let slow = seen & DIGIT != 0 || special || n >= 12 || (value && n >= 8) || is_code(seen, n);
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

    /// Whether something before leads to a value: a sign, a quote, a word in Chinese, `is`.
    fn led_to(&self) -> bool {
        let behind = self.view.behind(self.at, 4).as_bytes();
        match behind {
            [
                ..,
                b'=' | b':' | b'"' | b'\'' | b'`' | b'|' | b'\t' | 0x80..,
            ] => true,
            [.., b'=' | b':' | b'>' | b'|' | b'"' | 0x80.., b' '] => true,
            [.., b' ', b'i', b's', b' '] => true,
            _ => false,
        }
    }

    fn after_letters(&self) -> usize {
        self.view.skip(self.at, LOWER | UPPER)
    }

    fn high(&self, b: u8) -> Step {
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
        let opens = bits & han::PLACE != 0 || self.opens_address();
        if bits & !han::OPENS == 0 && !opens {
            return Step::Next(next);
        }
        let site = Site::new(view, self.at, self.last);
        let mut best = None;
        if bits & han::NUMERAL != 0 && self.numerals_follow() {
            let site = Site::with_numerals(view, self.at, self.last);
            self.ask(On::Number, &site, &mut best);
        }
        if bits & han::SURNAME != 0 {
            self.ask(On::Surname, &site, &mut best);
        }
        if bits & han::PLATE != 0 && is(view.byte(next), UPPER | LOWER | DIGIT | HIGH) {
            self.ask(On::Plate, &site, &mut best);
        }
        if bits & han::FORM != 0 {
            self.ask(On::Form, &site, &mut best);
        }
        if opens {
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
            b':' => {
                if view.byte(self.at + 1) == b':' && !is(view.before(self.at), ALNUM) {
                    self.ask(On::Sign, &site, &mut best);
                }
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

/// The code point of the three-byte character at `at`.
#[inline]
fn decode3(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 3) {
        Some(&[a, b, c]) => {
            (u32::from(a) & 0x0f) << 12 | (u32::from(b) & 0x3f) << 6 | (u32::from(c) & 0x3f)
        }
        _ => 0,
    }
}
