//! JSON text inside a string, such as a tool call's arguments: where one stands in it, and which stretches of a span may be
//! replaced so that it stays JSON.
//!
//! Reads bytes one by one, from wherever it is begun; keeps three bits. Knows no finding and no policy. Invariants: no
//! stretch holds a byte of JSON's structure; all other bytes of the span are in one.

use std::ops::Range;

use smallvec::SmallVec;

/// Where in a JSON text one stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nesting {
    /// Inside a string.
    inside: bool,
    /// Behind a backslash there.
    escaped: bool,
    /// It is no JSON but plain text: there are no strings in it.
    plain: bool,
}

/// Where one stands at a place of a text that is asked for again and again, mostly further on: no byte is read twice then.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    at: usize,
    nesting: Nesting,
}

impl Cursor {
    /// Before a text, in this state.
    #[must_use]
    pub fn new(nesting: Nesting) -> Self {
        Self { at: 0, nesting }
    }

    /// Where one stands at `at` of `text`. `begin`: where at its beginning.
    pub fn to(&mut self, text: &str, at: usize, begin: Nesting) -> Nesting {
        if at < self.at {
            *self = Self::new(begin);
        }
        let between = text.get(self.at..at).unwrap_or_default();
        self.nesting = self.nesting.over(between);
        self.at = at;
        self.nesting
    }
}

/// Bytes of a span that may be replaced as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Offsets in the span.
    pub at: Range<usize>,
    /// It stands in no string, as a number does: what replaces it must be quoted.
    pub bare: bool,
}

impl Nesting {
    /// At the beginning of a text that begins so. What begins with neither an object nor an array is no JSON.
    #[must_use]
    pub fn begin(text: &str) -> Self {
        Self {
            plain: !text.trim_start().starts_with(['{', '[']),
            ..Self::default()
        }
    }

    /// Behind `text`.
    #[must_use]
    pub fn over(mut self, text: &str) -> Self {
        for byte in text.bytes() {
            self.step(byte);
        }
        self
    }

    fn step(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.inside => self.escaped = true,
            b'"' => self.inside = !self.inside,
            _ => {}
        }
    }

    /// What of `text`, which stands here, may be replaced: the inside of strings, numbers, and what should not be there.
    #[must_use]
    pub fn stretches(mut self, text: &str) -> SmallVec<[Stretch; 1]> {
        let mut found = SmallVec::new();
        if self.plain {
            found.push(Stretch {
                at: 0..text.len(),
                bare: false,
            });
            return found;
        }
        let mut open: Option<(usize, bool)> = None;
        for (at, byte) in text.bytes().enumerate() {
            let quote = byte == b'"' && !self.escaped;
            let bare = !self.inside;
            let structure = bare && (byte.is_ascii_whitespace() || b"{}[]:,".contains(&byte));
            let holds = !quote && !structure;
            match open {
                None if holds => open = Some((at, bare)),
                Some((from, bare)) if !holds => {
                    found.push(Stretch { at: from..at, bare });
                    open = None;
                }
                _ => {}
            }
            self.step(byte);
        }
        if let Some((from, bare)) = open {
            let at = from..text.len();
            found.push(Stretch { at, bare });
        }
        found
    }
}

/// What is written for a stretch: the label for the first of a span, nothing of the value for the others. `quote`: the
/// stretch is bare, and a label in its place stands between these.
#[must_use]
pub fn written(label: &str, first: bool, quote: Option<&str>) -> String {
    match (first, quote) {
        (true, None) => label.to_owned(),
        (true, Some(quote)) => format!("{quote}{label}{quote}"),
        (false, None) => String::new(),
        (false, Some(_)) => "null".to_owned(),
    }
}

/// The quote of a string inside a string.
pub const INNER_QUOTE: &str = "\\\"";

/// The bare number that a span of a JSON text lies in: its sign and its fraction go with it.
#[must_use]
pub fn number_around(text: &str, span: Range<usize>) -> Range<usize> {
    let part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let bytes = text.as_bytes();
    let before = bytes.get(..span.start).unwrap_or_default();
    let behind = bytes.get(span.end..).unwrap_or_default();
    let back = before.iter().rev().take_while(|byte| part(byte)).count();
    let on = behind.iter().take_while(|byte| part(byte)).count();
    span.start - back..span.end + on
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretches(before: &str, text: &str) -> Vec<(String, bool)> {
        let found = Nesting::begin(before).over(before).stretches(text);
        found
            .iter()
            .map(|one| (text[one.at.clone()].to_owned(), one.bare))
            .collect()
    }

    #[test]
    fn a_span_falls_into_strings_and_numbers() {
        for (before, text, want) in [
            (r#"{"a":""#, "13800138000", &[("13800138000", false)][..]),
            (r#"{"a": "#, "13800138000", &[("13800138000", true)]),
            (
                r#"{"a":"x"#,
                r#"KEY\n\"y\"","b":"more"},{"#,
                &[(r#"KEY\n\"y\""#, false), ("b", false), ("more", false)],
            ),
            (
                "[",
                "138,0013 ,-8.5e3",
                &[("138", true), ("0013", true), ("-8.5e3", true)],
            ),
            ("phone=", "\"138\"", &[("\"138\"", false)]),
            (r#"{"a": "#, "１３８@x", &[("１３８@x", true)]),
            (r#"["a\\"#, r#"","b"#, &[("b", false)]),
        ] {
            let want: Vec<(String, bool)> = want
                .iter()
                .map(|(text, bare)| ((*text).to_owned(), *bare))
                .collect();
            assert_eq!(stretches(before, text), want, "{before}{text}");
        }
    }
}
