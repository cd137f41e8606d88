//! One place of each class: digits, words, signs, Chinese characters; which detectors are asked there.
//!
//! Knows what may stand around a value, no grammar of one. Invariant: each says where to go on without skipping what
//! another place would find.

use super::ask::{On, Word};
use super::engine::{Scan, Step};
use super::find::{flagged, join, leads, list_ahead, may_be_capital, paired};
use super::gate::{decode3, may};
use super::han;
use super::run::{Run, numeral};
use super::site::Site;
use super::view::{ALNUM, DIGIT, HIGH, LOWER, UPPER, View, class, is, is_han};

/// A row of digits so long begins nothing, in bytes.
const DIGITS_RUN: usize = 64;
/// A word so long begins nothing, in bytes; a JSON web token may.
const WORD_MAX: usize = 512;
/// Bytes of a word that are read.
const WORD_READ: usize = 8192;

impl Scan<'_, '_> {
    pub(super) fn digits(&self) -> Step {
        let view = self.view;
        let before = view.before(self.at);
        if is(before, DIGIT) || (is(before, LOWER | UPPER) && !self.glued()) {
            return Step::Next(view.skip(self.at, ALNUM));
        }
        let end = view.run(self.at, DIGIT, DIGITS_RUN);
        if end - self.at == DIGITS_RUN {
            return Step::Next(view.skip(end, ALNUM));
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
            // Whether a list goes on may hang on text to come.
            return self.settle(None, end);
        }
        // A long row of digits in ones and twos is a sequence (or a list of addresses), and no number begins in the middle
        // of it: each would be read again from every one of its digits.
        let row = end - self.at <= 2 && in_row(view.behind(self.at, ROW_BYTES));
        let next = view.byte(end);
        let stop = if is(next, LOWER | UPPER) {
            view.run(end, ALNUM, WORD_MAX)
        } else {
            end
        };
        let site = Site::with_word(view, self.at, self.last, stop);
        if let Some(past) = self.past_stamp(end, &site) {
            return self.settle(None, past);
        }
        let mut best = None;
        self.ask_digits(end, &site, &mut best);
        let numbered = !row && (site.run().is_some_and(Run::promising) || is(next, LOWER | UPPER));
        if numbered {
            self.ask(On::Number, &site, &mut best);
        }
        if !is(before, ALNUM) && (!row || is(next, LOWER | UPPER)) {
            let word = Word {
                end: stop,
                // The codes were asked for above.
                seen: LOWER,
                next: view.byte(stop),
            };
            if !numbered {
                self.ask(On::Word, &site, &mut best);
            }
            self.ask_word(word, &site, &mut best);
        }
        if best.is_none() && (next >= 0x80 || gap_then_numeral(view, end)) {
            let c = view.char(end);
            if numeral(c).is_some() || gap_then_numeral(view, end) {
                let site = Site::with_numerals(view, self.at, self.last);
                self.ask(On::Number, &site, &mut best);
            }
        }
        // Digits inside a code of letters and digits begin nothing of their own.
        let next = match next {
            b'-' | b':' if best.is_none() => self.past_clock(end),
            _ if is(next, LOWER | UPPER) => view.skip(end, ALNUM),
            _ => end,
        };
        self.settle(best, next)
    }

    /// Where the seconds begin, if a date of our time and a time of day stand here, as lines of logs begin: where no word
    /// and no sign says what they are, they are nothing.
    fn past_stamp(&self, end: usize, site: &Site<'_, '_>) -> Option<usize> {
        let view = self.view;
        if end - self.at != 4
            || view.byte(end) != b'-'
            || !matches!(view.byte(self.at), b'1' | b'2')
            || leads(view, self.at)
            || !site.cues().none()
            || !site.column().none()
        {
            return None;
        }
        Some(self.past_clock(end)).filter(|&past| past != end)
    }

    /// Where the seconds begin, if a time of day stands here, or a date and one, and nothing begins here: nothing begins
    /// in its middle either. Else `end`.
    fn past_clock(&self, end: usize) -> usize {
        const DATE: &[u8; 11] = b"dddd-dd-dd ";
        const TIME: &[u8; 8] = b"dd:dd:dd";
        let view = self.view;
        let fits = |at: usize, form: &[u8]| {
            (at..)
                .zip(form)
                .all(|(i, &wanted)| match (view.byte(i), wanted) {
                    (b'0'..=b'9', b'd') | (b'T', b' ') => true,
                    (byte, wanted) => byte == wanted,
                })
        };
        let time = match end - self.at {
            4 if fits(self.at, DATE) => self.at + DATE.len(),
            2 if !leads(view, self.at) => self.at,
            _ => return end,
        };
        let after = time + TIME.len();
        if paired(self.last, self.at)
            || !fits(time, TIME)
            || is(view.byte(after), ALNUM)
            || view.byte(after) == b':'
        {
            return end;
        }
        after - 2
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

    pub(super) fn word(&self, first: u8) -> Step {
        let view = self.view;
        if is(view.before(self.at), ALNUM) {
            return Step::Next(self.after_letters());
        }
        let bytes = view.bytes().get(self.at..).unwrap_or(&[]);
        let bytes = bytes.get(..WORD_READ).unwrap_or(bytes);
        let mut seen = 0u8;
        let mut n = 0usize;
        for &b in bytes {
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
        let site = Site::with_word(view, self.at, self.last, end);
        let mut best = None;
        if slow {
            self.ask(On::Word, &site, &mut best);
            self.ask_word(Word { end, seen, next }, &site, &mut best);
        }
        if is(first, UPPER) && may_be_capital(view.bytes(), self.at, end) {
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

    pub(super) fn high(&self, b: u8, reasons: u8) -> Step {
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
            self.ask(On::Numerals, &site, &mut best);
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

    pub(super) fn symbol(&self, b: u8) -> Step {
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

/// Groups of one or two digits after which a row is a sequence: more than any number has digits.
const ROW_GROUPS: usize = 24;
/// Bytes between two of them, at most.
const ROW_GAP: usize = 8;
/// Bytes that such a row may take.
const ROW_BYTES: usize = ROW_GROUPS * (2 + ROW_GAP);

/// Whether a text ends in a row of digits in ones and twos, with little and no letter between them.
fn in_row(behind: &str) -> bool {
    let mut bytes = behind.bytes().rev();
    let (mut groups, mut digits, mut gap) = (0, 0, 0);
    for byte in &mut bytes {
        if byte.is_ascii_digit() {
            digits += 1;
            groups += usize::from(digits == 1);
            gap = 0;
            if digits > 2 {
                return false;
            }
            if groups == ROW_GROUPS {
                return true;
            }
        } else {
            gap += 1;
            digits = 0;
            if gap > ROW_GAP || byte.is_ascii_alphabetic() {
                return false;
            }
        }
    }
    false
}
