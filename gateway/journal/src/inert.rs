//! Text of strangers made harmless: JSON in which nothing moves a cursor, begins a line or turns the direction of text.
//!
//! Must never know what the text is about.
//! Invariants: what is written reads back as the same text; what `cut` leaves takes no more escaped bytes than it was told.

use std::fmt::{self, Write as _};
use std::io;

use serde::Serialize;

/// JSON without line breaks in which nothing moves a cursor or turns the direction of text.
/// C0 controls, quotes and backslashes are escaped by `serde_json` itself.
pub(super) struct Inert;

impl serde_json::ser::Formatter for Inert {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_inert(out, fragment)
    }
}

/// Writes JSON text; characters of `is_active` inside it become `\u` escapes.
/// The input must be a string's content or a whole JSON text, where those characters occur in strings only.
pub fn write_inert<W: ?Sized + io::Write>(out: &mut W, text: &str) -> io::Result<()> {
    // Nearly every name is plain ASCII.
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return out.write_all(text.as_bytes());
    }
    let mut rest = text;
    while let Some(at) = rest.find(is_active) {
        let (plain, tail) = rest.split_at(at);
        out.write_all(plain.as_bytes())?;
        let mut chars = tail.chars();
        if let Some(active) = chars.next() {
            write!(out, "\\u{:04x}", u32::from(active))?;
        }
        rest = chars.as_str();
    }
    out.write_all(rest.as_bytes())
}

/// Whether the text stands in JSON as it is: printable ASCII without quote and backslash.
/// Looks at eight bytes at a time, without a branch: names are short, and this is the journal's innermost loop.
pub(super) fn is_plain(text: &str) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES * 0x80;
    const fn zero(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word & HIGH
    }
    // "Bit Twiddling Hacks", haszero and hasless; a byte that is not ASCII has its high bit set.
    let odd = |word: u64| {
        (word & HIGH)
            | (word.wrapping_sub(ONES * 0x20) & !word & HIGH)
            | zero(word ^ (ONES * u64::from(b'"')))
            | zero(word ^ (ONES * u64::from(b'\\')))
            | zero(word ^ (ONES * 0x7f))
    };
    let bytes = text.as_bytes();
    let (words, _) = bytes.as_chunks::<8>();
    let in_words = words
        .iter()
        .fold(0, |seen, word| seen | odd(u64::from_le_bytes(*word)));
    // The rest, with some bytes before it once more.
    let rest = match (
        bytes.last_chunk::<8>(),
        bytes.first_chunk(),
        bytes.last_chunk(),
    ) {
        (Some(last), ..) => u64::from_le_bytes(*last),
        (_, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => bytes
            .iter()
            .fold(ONES * 0x20, |word, byte| word << 8 | u64::from(*byte)),
    };
    in_words | odd(rest) == 0
}

/// A text as a terminal may show it: what it might obey is escaped.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'t>(pub &'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if is_active(c) {
                write!(f, "{}", c.escape_unicode())
            } else {
                f.write_char(c)
            }
        })
    }
}

/// A value as one line of inert JSON.
///
/// # Errors
/// A value that is not to be had as JSON.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut out = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Inert))?;
    Ok(String::from_utf8(out).unwrap_or_default())
}

/// Characters that a terminal or a page may obey: all controls, line separators, direction marks, byte order mark.
pub fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Bytes that a character takes in our JSON.
fn escaped_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        _ if is_active(c) => 6,
        _ => c.len_utf8(),
    }
}

/// The part of `text` that takes at most `max` escaped bytes with a `…` behind it; `None` if all of it fits without one.
pub(super) fn cut(text: &str, max: usize) -> Option<&str> {
    const ELLIPSIS_BYTES: usize = '…'.len_utf8();
    if text.len() * 6 <= max || (text.len() <= max && is_plain(text)) {
        return None;
    }
    let (mut used, mut keep) = (0, 0);
    for (at, c) in text.char_indices() {
        if used + ELLIPSIS_BYTES <= max {
            keep = at;
        }
        used += escaped_bytes(c);
        if used > max {
            return text.get(..keep);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_count_escapes_and_keep_characters_whole() {
        assert_eq!(cut("abc", 3), None);
        assert_eq!(cut("abcd", 3), Some(""));
        assert_eq!(cut("abcdefg", 6), Some("abc"));
        assert_eq!(cut("密密密", 8), Some("密"));
        assert_eq!(cut("密密密", 9), None);
        assert_eq!(cut("\0\0", 11), Some("\0"));
    }

    #[test]
    fn plain_is_what_needs_no_escape() {
        for byte in 0..=0x7f_u8 {
            let want = (0x20..0x7f).contains(&byte) && !b"\"\\".contains(&byte);
            for at in 0..11 {
                let mut text = *b"0123456789a";
                text[at] = byte;
                let text = std::str::from_utf8(&text).unwrap();
                assert_eq!(is_plain(text), want, "{text:?}");
            }
        }
        assert!(!is_plain("abcdefg\u{e9}") && !is_plain("\u{5bc6}") && is_plain(""));
    }

    #[test]
    fn every_active_character_is_escaped() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let text = json(&c).unwrap();
            assert!(!text.chars().any(is_active), "{c:?}");
            assert_eq!(text.len() - 2, escaped_bytes(c), "{c:?}");
            assert_eq!(serde_json::from_str::<char>(&text).unwrap(), c);
        }
    }
}
