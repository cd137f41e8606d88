//! The text as finders see it: folded, with its left context, and with an end that may not be the end.
//!
//! A finder is a pure function of what it reads here. Whoever reads at or past an end that is not final leaves a mark
//! ([`View::touched`]); a decision made without touching the end therefore holds under every continuation. That is what
//! makes a stream's result equal to the whole text's, and no finder has to know of streams. Invariants: looking back
//! goes at most [`LOOK_BEHIND`] bytes; looking ahead is bounded by each finder's own caps.

use std::cell::Cell;

use super::gate::code_point;

/// How far back a finder may look for cues and table headers, in bytes of folded text.
pub(crate) const LOOK_BEHIND: usize = 2048;

/// Byte is an ASCII digit.
pub(crate) const DIGIT: u8 = 1;
/// Byte is an ASCII lower-case letter.
pub(crate) const LOWER: u8 = 2;
/// Byte is an ASCII upper-case letter.
pub(crate) const UPPER: u8 = 4;
/// Byte is `_`.
pub(crate) const UNDER: u8 = 8;
/// Byte begins or continues a character above ASCII.
pub(crate) const HIGH: u8 = 16;
/// Byte is `-`.
pub(crate) const DASH: u8 = 32;
/// Byte is `.`.
pub(crate) const DOT: u8 = 64;
/// Byte is `+` or `%`.
pub(crate) const PLUS: u8 = 128;
/// Letters and digits.
pub(crate) const ALNUM: u8 = DIGIT | LOWER | UPPER;

const fn classes() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut b = 0usize;
    while b < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let byte = b as u8;
        #[expect(clippy::indexing_slicing, reason = "evaluated when compiled")]
        {
            table[b] = match byte {
                b'0'..=b'9' => DIGIT,
                b'a'..=b'z' => LOWER,
                b'A'..=b'Z' => UPPER,
                b'_' => UNDER,
                b'-' => DASH,
                b'.' => DOT,
                b'+' | b'%' => PLUS,
                0x80.. => HIGH,
                _ => 0,
            };
        }
        b += 1;
    }
    table
}

static CLASSES: [u8; 256] = classes();

/// The class bits of a byte.
#[inline]
pub(crate) fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Whether the byte is of one of the classes.
#[inline]
pub(crate) fn is(byte: u8, classes: u8) -> bool {
    class(byte) & classes != 0
}

/// Folded text with an end that may still move.
pub(crate) struct View<'t> {
    text: &'t str,
    finished: bool,
    touched: Cell<bool>,
}

impl<'t> View<'t> {
    pub(crate) fn new(text: &'t str, finished: bool) -> Self {
        Self {
            text,
            finished,
            touched: Cell::new(false),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    pub(crate) fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    /// Whether anything was read at or past an end that is not final, since the last call.
    pub(crate) fn take_touched(&self) -> bool {
        self.touched.replace(false)
    }

    /// Marks that the decision hangs on what comes after the end.
    #[inline]
    pub(crate) fn touch(&self) {
        if !self.finished {
            self.touched.set(true);
        }
    }

    /// The byte at `i`; 0 at or past the end.
    #[inline]
    pub(crate) fn byte(&self, i: usize) -> u8 {
        if let Some(&byte) = self.text.as_bytes().get(i) {
            byte
        } else {
            self.touch();
            0
        }
    }

    /// The byte before `i`; 0 at the beginning.
    #[inline]
    pub(crate) fn before(&self, i: usize) -> u8 {
        i.checked_sub(1)
            .and_then(|i| self.text.as_bytes().get(i))
            .copied()
            .unwrap_or(0)
    }

    /// The character at `i`, `'\0'` at or past the end.
    #[inline]
    pub(crate) fn char(&self, i: usize) -> char {
        match *self.text.as_bytes().get(i..).unwrap_or(&[]) {
            [a, ..] if a < 0x80 => char::from(a),
            [a @ 0xE0..=0xEF, b, c, ..] => char::from_u32(code_point(a, b, c)).unwrap_or('\0'),
            _ => self.rare_char(i),
        }
    }

    /// The same of characters of two bytes and four, and at the end.
    #[cold]
    fn rare_char(&self, i: usize) -> char {
        match self.text.get(i..).and_then(|rest| rest.chars().next()) {
            Some(c) => c,
            None => {
                self.touch();
                '\0'
            }
        }
    }

    /// The character before `i`, `'\0'` at the beginning.
    #[inline]
    pub(crate) fn char_before(&self, i: usize) -> char {
        let head = self.text.as_bytes().get(..i).unwrap_or(&[]);
        match *head {
            [.., a] if a < 0x80 => char::from(a),
            [.., a @ 0xE0..=0xEF, b, c] => char::from_u32(code_point(a, b, c)).unwrap_or('\0'),
            _ => {
                let head = self.text.get(..i);
                head.and_then(|head| head.chars().next_back())
                    .unwrap_or('\0')
            }
        }
    }

    /// Text that was read already; empty if the range is none.
    #[inline]
    pub(crate) fn slice(&self, from: usize, to: usize) -> &'t str {
        self.text.get(from..to).unwrap_or("")
    }

    /// Up to `max` bytes before `i`, from a character's beginning on.
    pub(crate) fn behind(&self, i: usize, max: usize) -> &'t str {
        let mut from = i.saturating_sub(max.min(LOOK_BEHIND));
        while from < i && !self.text.is_char_boundary(from) {
            from += 1;
        }
        self.slice(from, i)
    }

    /// Whether `literal` stands at `i`; touches the end only if it could still come to.
    #[inline]
    pub(crate) fn starts(&self, i: usize, literal: &str) -> bool {
        let rest = self.text.as_bytes().get(i..).unwrap_or(&[]);
        if rest.len() >= literal.len() {
            return heads(rest, literal.as_bytes());
        }
        if literal.as_bytes().starts_with(rest) {
            self.touch();
        }
        false
    }

    /// The same without regard to ASCII case.
    pub(crate) fn starts_fold(&self, i: usize, literal: &str) -> bool {
        let rest = self.text.as_bytes().get(i..).unwrap_or(&[]);
        let n = rest.len().min(literal.len());
        let same = rest
            .get(..n)
            .zip(literal.as_bytes().get(..n))
            .is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
        if same && n < literal.len() {
            self.touch();
            return false;
        }
        same
    }

    /// The end of the run of bytes of `classes` from `i` on, at most `max` bytes.
    #[inline]
    pub(crate) fn run(&self, i: usize, classes: u8, max: usize) -> usize {
        let rest = self.text.as_bytes().get(i..).unwrap_or(&[]);
        let limit = rest.len().min(max);
        let n = rest
            .get(..limit)
            .unwrap_or(rest)
            .iter()
            .position(|&b| class(b) & classes == 0)
            .unwrap_or(limit);
        if n == rest.len() && n < max {
            self.touch();
        }
        i + n
    }

    /// The end of the run of bytes that `wanted` accepts from `i` on, at most `max` bytes.
    #[inline]
    pub(crate) fn run_of(&self, i: usize, max: usize, wanted: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.as_bytes().get(i..).unwrap_or(&[]);
        let limit = rest.len().min(max);
        let n = rest
            .get(..limit)
            .unwrap_or(rest)
            .iter()
            .position(|&b| !wanted(b))
            .unwrap_or(limit);
        if n == rest.len() && n < max {
            self.touch();
        }
        i + n
    }

    /// Past the run of bytes of `classes`, without a mark at the end: for going on, not for deciding.
    pub(crate) fn skip(&self, i: usize, classes: u8) -> usize {
        let rest = self.text.as_bytes().get(i..).unwrap_or(&[]);
        i + rest
            .iter()
            .take_while(|&&b| class(b) & classes != 0)
            .count()
    }

    /// Past spaces and tabs, at most `max`.
    pub(crate) fn blanks(&self, i: usize, max: usize) -> usize {
        self.run_of(i, max, |b| b == b' ' || b == b'\t')
    }
}

/// Whether `text` begins with `literal`; most often not, which its first character tells.
#[inline]
fn heads(text: &[u8], literal: &[u8]) -> bool {
    match (text, literal) {
        ([a, b, c, text @ ..], [x, y, z, literal @ ..]) => {
            c == z && b == y && a == x && (literal.is_empty() || text.starts_with(literal))
        }
        _ => text.starts_with(literal),
    }
}

/// A Chinese character.
#[inline]
pub(crate) fn is_han(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{3134f}' | '〇')
}
