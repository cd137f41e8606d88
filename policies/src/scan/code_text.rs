//! Stretches of pasted source code: `SOURCE_CODE`.
//!
//! Told line by line (`line`): declarations, statements, brackets against prose, data, logs. A stretch counts when it is
//! a whole function, class, file or script; a question with a line or two of code is none, nor are JSON, YAML, CSV,
//! logs, traces and formulas. Knows no project and no owner. Invariants: linear time; ranges are in order and disjoint,
//! and begin and end with a line, or inside one where a whole program stands in one line.

mod line;
mod statement;
mod words;

use std::ops::Range;

use smallvec::SmallVec;

use line::Kind;

/// Stretches reported of one text, at most; the last one then reaches to the end of what was found.
const STRETCHES_MAX: usize = 64;
/// Punctuation of code that a text must have to be looked at.
const MARKS_MIN: usize = 2;
/// Line ends that it must have.
const LINES_MIN: usize = 2;
/// Punctuation that makes up for lines.
const MARKS_IN_ONE_LINE: usize = 10;
/// Plain commands in a row that may stand inside a stretch.
const PLAIN_INSIDE: usize = 3;
/// Lines that count, where a declaration is among them.
const LINES_DECLARED: usize = 4;
/// Lines that count, where none is.
const LINES_BARE: usize = 6;
/// A line so long may be a program of its own, in bytes.
const LONG_LINE: usize = 160;

/// The stretches of source code in a text.
#[must_use]
pub fn find(text: &str) -> SmallVec<[Range<usize>; 2]> {
    let mut found = SmallVec::new();
    if !worth_a_look(text) {
        return found;
    }
    let mut stretch = Stretch::default();
    let mut at = 0;
    for whole in text.split_inclusive('\n') {
        let end = at + whole.len();
        let line = whole.trim_end();
        if line.len() >= LONG_LINE && dense(line) {
            for (from, to) in statements(line) {
                let piece = line.get(from..to).unwrap_or("");
                stretch.take(piece, at + from, at + to, &mut found);
            }
        } else {
            stretch.take(line, at, end, &mut found);
        }
        at = end;
    }
    stretch.close(&mut found);
    found
}

/// Counted without branches: most texts have few lines, or hardly any of these.
fn worth_a_look(text: &str) -> bool {
    const CHUNK: usize = 128;
    let (mut marks, mut lines) = (0usize, 0usize);
    for chunk in text.as_bytes().chunks(CHUNK) {
        let (mut mark, mut line) = (0u8, 0u8);
        for &b in chunk {
            mark += u8::from(matches!(
                b,
                b';' | b'{' | b'}' | b'(' | b'=' | b'<' | b'[' | b'$' | b':'
            ));
            line += u8::from(b == b'\n');
        }
        marks += usize::from(mark);
        lines += usize::from(line);
        if marks >= MARKS_MIN && lines >= LINES_MIN || marks >= MARKS_IN_ONE_LINE {
            return true;
        }
    }
    false
}

/// Whether a long line has statements in it.
fn dense(line: &str) -> bool {
    let marks = line
        .bytes()
        .filter(|b| matches!(b, b';' | b'{' | b'}'))
        .count();
    let braces = line.bytes().filter(|b| matches!(b, b'{' | b'}')).count();
    let equals = line.bytes().filter(|b| *b == b'=').count();
    marks >= 5 && line.len() < marks * 120 && (braces >= 2 || equals >= 3)
}

/// The statements of a line, as spans.
fn statements(line: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut from = 0;
    let cuts = line
        .char_indices()
        .filter(|(_, c)| matches!(c, ';' | '{' | '}'))
        .map(|(i, _)| i + 1)
        .chain([line.len()]);
    cuts.filter_map(move |to| {
        let span = (from, to);
        from = to;
        (span.0 < span.1).then_some(span)
    })
}

/// What was seen of the stretch that is being read.
#[derive(Debug, Default)]
struct Stretch {
    start: usize,
    end: usize,
    declared: usize,
    strong: usize,
    weak: usize,
    brackets: usize,
    data: usize,
    owned: bool,
    plain: usize,
    open: bool,
}

impl Stretch {
    fn take(
        &mut self,
        line: &str,
        start: usize,
        end: usize,
        found: &mut SmallVec<[Range<usize>; 2]>,
    ) {
        let kind = line::kind(line);
        if !self.open {
            if matches!(
                kind,
                Kind::Blank | Kind::Prose | Kind::Plain | Kind::Data | Kind::Log | Kind::Fence
            ) {
                return;
            }
            *self = Self {
                start,
                open: true,
                ..Self::default()
            };
        }
        match kind {
            Kind::Declaration => self.declared += 1,
            Kind::Statement | Kind::Import => self.strong += 1,
            Kind::Weak => self.weak += 1,
            Kind::Bracket => self.brackets += 1,
            Kind::Data => self.data += 1,
            Kind::Owner => self.owned = true,
            Kind::Blank | Kind::Comment => return,
            Kind::Plain if self.declared + self.strong > 0 && self.plain < PLAIN_INSIDE => {
                self.plain += 1;
                return;
            }
            Kind::Plain | Kind::Prose | Kind::Log | Kind::Fence => {
                self.close(found);
                return;
            }
        }
        self.plain = 0;
        self.end = end;
    }

    fn counts(&self) -> bool {
        let firm = self.declared + self.strong;
        let lines = firm + self.weak + self.brackets.min(firm) + self.data.min(firm);
        if self.data > 3 * firm {
            return false;
        }
        if self.owned && firm >= 2 && lines >= 3 {
            return true;
        }
        if self.declared > 0 {
            return lines >= LINES_DECLARED && firm >= 2;
        }
        lines >= LINES_BARE && self.strong >= 4
    }

    fn close(&mut self, found: &mut SmallVec<[Range<usize>; 2]>) {
        if self.open && self.counts() {
            let full = found.len() >= STRETCHES_MAX;
            match found.last_mut() {
                Some(last) if full => last.end = self.end,
                _ => found.push(self.start..self.end),
            }
        }
        self.open = false;
    }
}

#[cfg(test)]
mod tests;
