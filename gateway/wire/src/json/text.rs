//! The text of an escaped JSON string, and the way back to its raw bytes.
//!
//! Works on the inside of a string (no quotes) that the scanner has accepted; on anything else it loses no memory
//! safety and no bytes it could read, but the text means nothing.

use std::borrow::Cow;
use std::ops::Range;

/// The decoded text of a string's inside; borrows when there is no backslash.
#[must_use]
pub fn unescape(raw: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    decode(raw.as_bytes(), |part| part.onto(raw, &mut out), |_, _| ());
    Cow::Owned(out)
}

/// As [`unescape`], on bytes.
#[must_use]
pub fn unescape_bytes(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let put = |part| match part {
        Part::Plain(span) => out.extend_from_slice(raw.get(span).unwrap_or_default()),
        Part::Letter(letter) => {
            out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
    };
    decode(raw, put, |_, _| ());
    Cow::Owned(out)
}

/// Decoded text that remembers where each part of it stands in the raw string.
#[derive(Debug)]
pub struct Mapped<'a> {
    /// The decoded text.
    pub text: Cow<'a, str>,
    /// The way back.
    pub offsets: Offsets,
}

/// The decoded text of a long string, a piece at a time, so that no copy of the whole is made.
#[derive(Debug)]
pub struct Pieces<'a> {
    raw: &'a str,
    at: usize,
    escaped: bool,
}

impl<'a> Pieces<'a> {
    /// Of the inside of a string.
    #[must_use]
    pub fn new(raw: &'a str) -> Self {
        Self {
            raw,
            at: 0,
            escaped: true,
        }
    }

    /// Of a text that is no JSON string.
    #[must_use]
    pub fn plain(text: &'a str) -> Self {
        Self {
            escaped: false,
            ..Self::new(text)
        }
    }

    /// Puts the next piece behind `out`: so many bytes, and a few more where a character would be cut; less only at the end,
    /// and behind it nothing. Whether there was one.
    pub fn next_onto(&mut self, out: &mut String, bytes: usize) -> bool {
        let (from, least) = (out.len(), out.len() + bytes.max(1));
        while out.len() < least {
            let rest = self.raw.get(self.at..).filter(|rest| !rest.is_empty());
            let Some(rest) = rest else { break };
            let mut room = rest.len().min(least - out.len());
            while !rest.is_char_boundary(room) {
                room += 1;
            }
            self.at += self.decode_head(rest, room, out);
        }
        out.len() > from
    }

    /// Decodes what begins within the first `room` bytes of `rest`; how many bytes that is.
    fn decode_head(&self, rest: &str, room: usize, out: &mut String) -> usize {
        let mut at = 0;
        while let Some(left) = rest.get(at..room).filter(|left| !left.is_empty()) {
            let escape = memchr::memchr(b'\\', left.as_bytes());
            let Some(plain) = escape.filter(|_| self.escaped) else {
                out.push_str(left);
                return room;
            };
            out.push_str(left.get(..plain).unwrap_or_default());
            at += plain;
            let (letter, length) = one_escape(rest.as_bytes().get(at..).unwrap_or_default());
            out.push(letter);
            at += length;
        }
        at
    }
}

/// Rows that are made room for at once, for eight escapes.
const JUMPS: usize = 16;

/// Decoded offsets → raw offsets of one string. Empty where nothing was escaped.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    /// After decoded offset `.0`, raw offsets run from `.1` on, byte for byte, until the next row.
    jumps: Vec<(u32, u32)>,
}

impl<'a> Mapped<'a> {
    /// Decodes the inside of a string.
    #[must_use]
    pub fn new(raw: &'a str) -> Self {
        if memchr::memchr(b'\\', raw.as_bytes()).is_none() {
            return Self::plain(raw);
        }
        let mut text = String::with_capacity(raw.len());
        let mut jumps = Vec::with_capacity(JUMPS);
        decode(
            raw.as_bytes(),
            |part| part.onto(raw, &mut text),
            |decoded, raw_at| jumps.push((decoded, raw_at)),
        );
        Self {
            text: Cow::Owned(text),
            offsets: Offsets { jumps },
        }
    }

    /// Of a text in which every byte stands for itself.
    #[must_use]
    pub fn plain(text: &'a str) -> Self {
        Self {
            text: Cow::Borrowed(text),
            offsets: Offsets::default(),
        }
    }

    /// See [`Offsets::to_raw`].
    #[must_use]
    pub fn to_raw(&self, decoded: usize) -> usize {
        self.offsets.to_raw(decoded)
    }
}

impl Offsets {
    /// The raw offset of a decoded offset that stands on a character boundary. Offsets inside what one escape became
    /// give the escape's start.
    #[must_use]
    pub fn to_raw(&self, decoded: usize) -> usize {
        let row = self
            .jumps
            .partition_point(|jump| jump.0 as usize <= decoded);
        match row.checked_sub(1).and_then(|index| self.jumps.get(index)) {
            None => decoded,
            Some((from, raw)) => {
                let straight = *raw as usize + (decoded - *from as usize);
                // Between an escape's row and the next one, only the escape's own character stands.
                self.jumps
                    .get(row)
                    .map_or(straight, |next| straight.min(next.1 as usize))
            }
        }
    }
}

/// How many bytes [`escape`] makes of `text`.
#[must_use]
pub fn escaped_len(text: &str) -> usize {
    let taken = |byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0x00..=0x1f => 6,
        _ => 1,
    };
    text.bytes().map(taken).sum()
}

/// About how many bytes of UTF-8 the inside of a string stands for: what begins with a character by its number is taken to
/// have every character so, six bytes for two or three.
#[must_use]
pub fn plain_len(raw: &[u8]) -> u64 {
    let bytes = raw.len() as u64;
    if raw.starts_with(b"\\u") {
        bytes / 2
    } else {
        bytes
    }
}

/// [`plain_len`] of the string that `raw` begins with; 0 if it begins with none.
#[must_use]
pub fn string_len(raw: &[u8]) -> u64 {
    let inside = super::string_prefix(raw).and_then(|end| raw.get(1..end - 1));
    inside.map_or(0, plain_len)
}

/// Writes `text` as the inside of a JSON string.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x00..=0x1f => b"",
            _ => continue,
        };
        out.extend_from_slice(bytes.get(from..at).unwrap_or_default());
        from = at + 1;
        if short.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
        } else {
            out.extend_from_slice(short);
        }
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
}

/// Whether a key, as Go and other lenient parsers fold it, equals a lower-case ASCII name (RFC-less habit of
/// `encoding/json`: Unicode simple folding, in which two letters outside ASCII fold into it).
#[must_use]
pub fn folds_to(key: &str, name: &str) -> bool {
    // One letter of the key becomes one of the name; the two outside ASCII take two and three bytes.
    if key.len() < name.len() || key.len() > name.len() * 3 {
        return false;
    }
    let mut left = key.chars().map(|letter| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    let mut right = name.chars();
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (a, b) if a == b => {}
            _ => return false,
        }
    }
}

/// Four hex digits.
pub(crate) fn hex4(digits: Option<&[u8]>) -> Option<u32> {
    digits?.iter().try_fold(0u32, |value, digit| {
        (*digit as char)
            .to_digit(16)
            .map(|nibble| value << 4 | nibble)
    })
}

/// What escaped text is made of.
enum Part {
    /// Text that stands there as it is.
    Plain(Range<usize>),
    /// What an escape stands for.
    Letter(char),
}

impl Part {
    /// Writes it behind `out`; `raw` is what it is a part of.
    fn onto(self, raw: &str, out: &mut String) {
        match self {
            Self::Plain(span) => match raw.get(span.clone()) {
                Some(text) => out.push_str(text),
                // Behind an escape that is none a character may be cut: what can be read is kept.
                None => {
                    let bytes = raw.as_bytes().get(span).unwrap_or_default();
                    out.push_str(&String::from_utf8_lossy(bytes));
                }
            },
            Self::Letter(letter) => out.push(letter),
        }
    }
}

/// Feeds the parts to `put`; before each escape and after it, tells `jump` (decoded offset, raw offset).
fn decode(raw: &[u8], mut put: impl FnMut(Part), mut jump: impl FnMut(u32, u32)) {
    let mut at = 0;
    let mut decoded = 0usize;
    let offset = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
        put(Part::Plain(at..at + plain));
        at += plain;
        decoded += plain;
        if plain == rest.len() {
            return;
        }
        jump(offset(decoded), offset(at));
        let (letter, length) = one_escape(raw.get(at..).unwrap_or_default());
        put(Part::Letter(letter));
        decoded += letter.len_utf8();
        at += length;
        jump(offset(decoded), offset(at));
    }
}

/// The character of the escape that `raw` begins with, and how many bytes it takes.
fn one_escape(raw: &[u8]) -> (char, usize) {
    match raw.get(1) {
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'u') => {
            let first = hex4(raw.get(2..6)).unwrap_or(0xFFFD);
            if !(0xD800..0xDC00).contains(&first) {
                return (char::from_u32(first).unwrap_or('\u{FFFD}'), 6);
            }
            let second = hex4(raw.get(8..12)).unwrap_or(0);
            let joined = 0x10000 + ((first - 0xD800) << 10) + (second.wrapping_sub(0xDC00) & 0x3FF);
            (char::from_u32(joined).unwrap_or('\u{FFFD}'), 12)
        }
        Some(other) => (char::from(*other), 2),
        None => ('\u{FFFD}', 1),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_written_by_numbers_is_shorter() {
        for (raw, bytes) in [("", 0), ("你好", 6), (r"\u4f60\u597d", 6), (r"\nab", 4)] {
            assert_eq!(super::plain_len(raw.as_bytes()), bytes, "{raw}");
        }
        assert_eq!(super::string_len(br#""a\"b" and more"#), 4);
        assert_eq!(super::string_len(b"\"open"), 0);
    }

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_the_whole(text in "(.|[a-z ]{9}|[\\\\\"\n😀]){0,40}", bytes in 1usize..20) {
            let mut raw = Vec::new();
            escape(&text, &mut raw);
            let raw = String::from_utf8(raw).unwrap().replace('😀', "\\ud83d\\uDE00");
            let (mut pieces, mut joined) = (Pieces::new(&raw), String::new());
            let (mut short, mut from) = (false, 0);
            while pieces.next_onto(&mut joined, bytes) {
                prop_assert!(!short, "only the last is short");
                short = joined.len() < from + bytes;
                prop_assert!(joined.len() < from + bytes + 4);
                from = joined.len();
            }
            prop_assert_eq!(joined, text);
        }

        #[test]
        fn agrees_with_serde_json(text in ".*") {
            let theirs = serde_json::to_string(&text).unwrap();
            let inner = &theirs[1..theirs.len() - 1];
            prop_assert_eq!(unescape(inner), text.as_str());
            let mut ours = b"\"".to_vec();
            escape(&text, &mut ours);
            prop_assert_eq!(ours.len(), 1 + escaped_len(&text));
            ours.push(b'"');
            let back: String = serde_json::from_slice(&ours).unwrap();
            prop_assert_eq!(back, text);
        }

        #[test]
        fn offsets_go_back(parts in prop::collection::vec(prop_oneof![Just("a"), Just("字"), Just("\\n"), Just("\\u4f60"), Just("\\ud83d\\ude00"), Just("\\\"")], 0..12)) {
            let raw = parts.concat();
            let mapped = Mapped::new(&raw);
            let mut raw_at = 0;
            let mut decoded_at = 0;
            for part in &parts {
                prop_assert_eq!(mapped.to_raw(decoded_at), raw_at);
                raw_at += part.len();
                decoded_at += unescape(part).len();
            }
            prop_assert_eq!(mapped.to_raw(decoded_at), raw_at);
        }
    }

    #[test]
    fn what_stands_behind_no_escape_is_kept() {
        for raw in ["\\字 13812345678", "a\\", "\\u4f6", "\\ud83d字x"] {
            let text = unescape(raw);
            assert_eq!(Mapped::new(raw).text, text);
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            assert!(!raw.contains("138") || digits == "13812345678", "{text}");
        }
    }

    #[test]
    fn folding() {
        assert!(
            folds_to("MODEL", "model")
                && folds_to("meſſages", "messages")
                && folds_to("\u{212a}ey", "key")
        );
        assert!(!folds_to("models", "model") && !folds_to("mode", "model"));
    }
}
