//! Where in the file a character of a text stands.
//!
//! The tree knows where a value begins; a value of several lines, or one with escapes, does not stand there as it is. This
//! walks value and file side by side. Knows YAML's ways to write a text and nothing of what is in it. Invariant: where the
//! two do not agree, the answer is the last place at which they did.

use super::problem::Place;

/// The place of byte `offset` of `value`, which begins at `start` in `file`.
#[must_use]
pub fn place_within(file: &str, start: Place, value: &str, offset: usize) -> Place {
    let Some(mut at) = Cursor::new(file, start) else {
        return start;
    };
    let style = at.style();
    at.begin(style);
    for (index, wanted) in value.char_indices() {
        at.skip_to(wanted, style);
        if index >= offset {
            return at.place;
        }
        if !at.pass(wanted, style) {
            return at.place;
        }
    }
    at.place
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Block,
}

struct Cursor<'a> {
    rest: &'a str,
    place: Place,
}

impl<'a> Cursor<'a> {
    fn new(file: &'a str, place: Place) -> Option<Self> {
        let line = usize::try_from(place.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
        let before: usize = file.split_inclusive('\n').take(line).map(str::len).sum();
        let rest = file.get(before..)?;
        let (at, _) = rest.char_indices().nth(column)?;
        let rest = rest.get(at..)?;
        Some(Self { rest, place })
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        if c == '\n' {
            self.place.line += 1;
            self.place.column = 1;
        } else {
            self.place.column += 1;
        }
        Some(c)
    }

    fn style(&self) -> Style {
        match self.peek() {
            Some('"') => Style::Double,
            Some('\'') => Style::Single,
            Some('|' | '>') => Style::Block,
            _ => Style::Plain,
        }
    }

    /// Past the opening quote, or the line that opens a block.
    fn begin(&mut self, style: Style) {
        match style {
            Style::Plain => {}
            Style::Single | Style::Double => {
                self.next();
            }
            Style::Block => while self.next().is_some_and(|c| c != '\n') {},
        }
    }

    /// Past what stands in the file but not in the value: line ends that were folded, indents, escaped line ends.
    fn skip_to(&mut self, wanted: char, style: Style) {
        while let Some(c) = self.peek() {
            let folded = c.is_ascii_whitespace() && c != wanted && !(c == '\n' && wanted == ' ');
            let escaped_end = style == Style::Double && self.rest.starts_with("\\\n");
            let indent =
                style == Style::Block && self.place.column == 1 && c == ' ' && wanted != ' ';
            if escaped_end {
                self.next();
            } else if !folded && !indent {
                return;
            }
            self.next();
        }
    }

    /// Past one character of the value. `false` if the file has another one.
    fn pass(&mut self, wanted: char, style: Style) -> bool {
        match self.peek() {
            Some('\\') if style == Style::Double => {
                self.next();
                let digits = match self.next() {
                    Some('x') => 2,
                    Some('u') => 4,
                    Some('U') => 8,
                    _ => 0,
                };
                for _ in 0..digits {
                    self.next();
                }
                true
            }
            Some('\'') if style == Style::Single && wanted == '\'' => {
                self.next();
                self.next();
                true
            }
            Some(c) if c == wanted => {
                self.next();
                true
            }
            // A folded line end; the next line's indent is skipped before its first character.
            Some('\n') if wanted == ' ' => {
                self.next();
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::{Value, parse};
    use super::*;

    #[test]
    fn every_way_to_write_a_text() {
        for (file, expected) in [
            ("w: ab X c\n", (1, 7)),
            ("w: 'a''b X'\n", (1, 10)),
            ("w: \"a\\\"b\\u0041 X\"\n", (1, 16)),
            ("w: |\n  ab\n  c X\nz: 1\n", (3, 5)),
            ("w: >-\n    ab\n    c X\n", (3, 7)),
            ("w: >-\n  ab\n\n  c X\n", (4, 5)),
            ("w: \"ab\n   c X\"\n", (2, 6)),
            ("w: ab\n  c X\n", (2, 5)),
            ("v: 1\nl:\n  - { w: '玉 X' }\n", (3, 13)),
        ] {
            let root = parse("y", file, &|_| None).unwrap();
            let node = match root.get("l").map(|entry| &entry.node.value) {
                Some(Value::List(items)) => items[0].get("w").unwrap(),
                _ => root.get("w").unwrap(),
            };
            let Value::Text(value) = &node.node.value else {
                panic!("{file}");
            };
            let offset = value.find('X').unwrap();
            let place = place_within(file, node.node.place, value, offset);
            assert_eq!((place.line, place.column), expected, "{file}");
        }
    }
}
