//! Labels → values, in a reply: what a redaction took out is put back where the model repeats its label.
//!
//! Models translate, re-case, space and escape labels, so a label is found in all the forms that `Table::at` reads; a
//! label that this request did not make is left alone. Works on decoded text, whole or in pieces; knows no JSON and
//! no stream. Invariants: what is found in pieces is what is found in the whole; at most [`LABEL_BYTES_MAX`] bytes wait,
//! or the longest pseudonym.
//! `Debug` shows no value.

use std::collections::hash_map::Entry::Vacant;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::{Bound, Range};

/// The longest way to write a label, in bytes: also what may wait for its end.
pub const LABEL_BYTES_MAX: usize = 160;
/// Backslashes before a character of a label, at most: one that Markdown asks for, escaped once more.
const SLASHES_MAX: usize = 2;
/// Digits of a label's number, at most.
const DIGITS_MAX: usize = 6;

/// What can be put back.
#[derive(Default)]
pub struct Table {
    names: Vec<Box<str>>,
    values: Vec<Box<str>>,
    /// `<NAME_7>`: by position of the name, and the number.
    labels: HashMap<(usize, u32), usize>,
    /// Just this text: a pseudonym. Sorted, so that what goes on like a text is found beside it.
    literals: BTreeMap<Box<str>, usize>,
    /// The lengths that literals have, longest first.
    lengths: Vec<usize>,
    /// By byte: whether a label may begin with it.
    begins: Option<Box<[bool; 256]>>,
}

impl Table {
    /// Nothing to put back.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `<name_number>` stands for `value`; the first that is said of a label counts.
    pub fn label(&mut self, name: &str, number: u32, value: &str) {
        let at = match self.names.iter().position(|known| **known == *name) {
            Some(at) => at,
            None => {
                self.names.push(name.into());
                self.names.len() - 1
            }
        };
        for open in [b'<', b'\\', b'&', 0xEF] {
            self.begin(open);
        }
        self.begin(name.as_bytes().first().copied().unwrap_or(b'<'));
        if let Vacant(entry) = self.labels.entry((at, number)) {
            entry.insert(self.values.len());
            self.values.push(value.into());
        }
    }

    /// `text` stands for `value`; the first that is said of a text counts.
    pub fn literal(&mut self, text: &str, value: &str) {
        let Some(&first) = text.as_bytes().first() else {
            return;
        };
        self.begin(first);
        if self.literals.contains_key(text) {
            return;
        }
        self.literals.insert(text.into(), self.values.len());
        self.values.push(value.into());
        if let Err(at) = self.lengths.binary_search_by(|known| text.len().cmp(known)) {
            self.lengths.insert(at, text.len());
        }
    }

    fn begin(&mut self, byte: u8) {
        let begins = self.begins.get_or_insert_with(|| Box::new([false; 256]));
        if let Some(slot) = begins.get_mut(usize::from(byte)) {
            *slot = true;
        }
    }

    /// Whether there is nothing to put back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What an entry stands for.
    #[must_use]
    pub fn value(&self, entry: usize) -> &str {
        self.values.get(entry).map_or("", |value| value)
    }

    /// Finds labels in `text` from `from` on; what stands before is context. Returns up to where all is decided.
    fn find(
        &self,
        text: &str,
        from: usize,
        finished: bool,
        mut found: impl FnMut(Range<usize>, usize),
    ) -> usize {
        let Some(begins) = &self.begins else {
            return text.len();
        };
        let bytes = text.as_bytes();
        let mut at = from;
        while let Some(&byte) = bytes.get(at) {
            if !begins.get(usize::from(byte)).copied().unwrap_or(false) {
                at += 1;
                continue;
            }
            match self.at(text, at, finished) {
                Match::No => at += 1,
                Match::Alive => return at,
                Match::Yes(end, entry) => {
                    found(at..end, entry);
                    at = end;
                }
            }
        }
        text.len()
    }

    fn at(&self, text: &str, at: usize, finished: bool) -> Match {
        match self.literal_at(text.get(at..).unwrap_or_default(), finished) {
            Match::Yes(length, entry) => return Match::Yes(at + length, entry),
            Match::Alive => return Match::Alive,
            Match::No => {}
        }
        let mut alive = false;
        for (name, known) in self.names.iter().enumerate() {
            let mut reader = Reader {
                bytes: text.as_bytes(),
                at,
                ended: false,
            };
            if let Some(number) = reader.label(known)
                && (finished || !reader.ended)
                && let Some(entry) = self.labels.get(&(name, number))
            {
                return Match::Yes(reader.at, *entry);
            }
            alive |= reader.ended;
        }
        // What could only have gone on is nothing at the end, or when it has become too long.
        if alive && !finished && text.len() - at < LABEL_BYTES_MAX {
            Match::Alive
        } else {
            Match::No
        }
    }

    /// The longest literal that `rest` begins with, and its length. A longer one may still come.
    fn literal_at(&self, rest: &str, finished: bool) -> Match {
        if self.literals.is_empty() || rest.is_empty() {
            return Match::No;
        }
        let longer = (Bound::Excluded(rest), Bound::Unbounded);
        let mut next = self.literals.range::<str, _>(longer);
        if !finished
            && next
                .next()
                .is_some_and(|(literal, _)| literal.starts_with(rest))
        {
            return Match::Alive;
        }
        let texts = self.lengths.iter().filter_map(|length| rest.get(..*length));
        for text in texts {
            if let Some(entry) = self.literals.get(text) {
                return Match::Yes(text.len(), *entry);
            }
        }
        Match::No
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} values)", self.values.len())
    }
}

enum Match {
    No,
    /// More text may make it one.
    Alive,
    Yes(usize, usize),
}

/// Reads one label, in any form.
struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
    /// Something was read at the end: more text could change what was decided.
    ended: bool,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.ended |= byte.is_none();
        byte
    }

    fn take(&mut self, literal: &[u8]) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(literal) {
            self.at += literal.len();
            return true;
        }
        self.ended |= literal.starts_with(rest);
        false
    }

    /// `<`, `＜`, `\<`, `&lt;`, `\u003c`; in JSON inside a string `\<` is `\\<`, and goes as a whole.
    fn bracket(&mut self, plain: &[u8], forms: &[&[u8]]) -> bool {
        let from = self.at;
        for _ in 0..=SLASHES_MAX {
            if forms.iter().any(|form| self.take(form)) {
                return true;
            }
            if self.take(plain) {
                return true;
            }
            if !self.take(b"\\") {
                break;
            }
        }
        self.at = from;
        false
    }

    fn spaces(&mut self) {
        for _ in 0..2 {
            if self.peek() != Some(b' ') {
                break;
            }
            self.at += 1;
        }
    }

    /// The number of a label called `name`, if one stands here; the reader then stands behind it.
    fn label(&mut self, name: &str) -> Option<u32> {
        let before = self
            .at
            .checked_sub(1)
            .and_then(|at| self.bytes.get(at).copied());
        let open = self.bracket(b"<", &["＜".as_bytes(), b"&lt;", b"\\u003c", b"\\u003C"]);
        if open {
            self.spaces();
        } else if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        for byte in name.bytes() {
            if byte == b'_' {
                self.joint()?;
                continue;
            }
            let here = self.peek()?;
            let same = here == byte || open && here.eq_ignore_ascii_case(&byte);
            if !same {
                return None;
            }
            self.at += 1;
        }
        self.joint()?;
        let mut number = 0u32;
        let mut digits = 0;
        while let Some(byte) = self.peek().filter(u8::is_ascii_digit) {
            if digits == DIGITS_MAX {
                return None;
            }
            number = number * 10 + u32::from(byte - b'0');
            digits += 1;
            self.at += 1;
        }
        if digits == 0 {
            return None;
        }
        let end = self.at;
        if open {
            self.spaces();
            if !self.bracket(b">", &["＞".as_bytes(), b"&gt;", b"\\u003e", b"\\u003E"]) {
                // The model forgot the other bracket.
                self.at = end;
                self.ends()?;
            }
        } else {
            self.ends()?;
        }
        Some(number)
    }

    /// What follows is no more of a word: `NAME_1a` is none of ours.
    fn ends(&mut self) -> Option<()> {
        let next = self.peek();
        next.is_none_or(|byte| !byte.is_ascii_alphanumeric() && byte != b'_')
            .then_some(())
    }

    /// `_`, `\_`, ` `, `-`.
    fn joint(&mut self) -> Option<()> {
        for _ in 0..SLASHES_MAX {
            self.take(b"\\");
        }
        match self.peek()? {
            b'_' | b' ' | b'-' => self.at += 1,
            _ => return None,
        }
        Some(())
    }
}

/// Finds labels in a text that comes in pieces.
#[derive(Default)]
pub struct Restoring {
    /// What is not decided, behind up to [`CONTEXT`] bytes that are.
    tail: String,
    from: usize,
    decided: u64,
}

/// Decided text that is kept: what stands before a label matters.
const CONTEXT: usize = 4;

impl Restoring {
    /// Takes the next piece; `found` gets each label's place in the stream and its entry. Returns up to where all is
    /// decided.
    pub fn push(
        &mut self,
        table: &Table,
        piece: &str,
        found: impl FnMut(Range<u64>, usize),
    ) -> u64 {
        self.tail.push_str(piece);
        self.step(table, false, found)
    }

    /// The text is over. Returns its length.
    pub fn finish(&mut self, table: &Table, found: impl FnMut(Range<u64>, usize)) -> u64 {
        self.step(table, true, found)
    }

    fn step(
        &mut self,
        table: &Table,
        finished: bool,
        mut found: impl FnMut(Range<u64>, usize),
    ) -> u64 {
        let base = self.decided;
        let from = self.from;
        let offset = |at: usize| base + (at.saturating_sub(from)) as u64;
        let upto = table.find(&self.tail, from, finished, |span, entry| {
            found(offset(span.start)..offset(span.end), entry);
        });
        self.decided = offset(upto);
        let mut keep = upto.saturating_sub(CONTEXT);
        while !self.tail.is_char_boundary(keep) {
            keep -= 1;
        }
        self.tail.drain(..keep);
        self.from = upto - keep;
        self.decided
    }
}

/// Tells the labels of these names that stand in a text, in any form that is read as one: position of the name, number.
pub fn standing(text: &str, names: &[&str], mut found: impl FnMut(usize, u32)) {
    let bytes = text.as_bytes();
    let mut begins = [false; 256];
    let first = names.iter().filter_map(|name| name.bytes().next());
    for byte in first.chain(*b"<\\&\xEF") {
        if let Some(slot) = begins.get_mut(usize::from(byte)) {
            *slot = true;
        }
    }
    for (at, byte) in bytes.iter().enumerate() {
        if !begins.get(usize::from(*byte)).copied().unwrap_or(false) {
            continue;
        }
        for (which, name) in names.iter().enumerate() {
            let ended = false;
            if let Some(number) = (Reader { bytes, at, ended }).label(name) {
                found(which, number);
            }
        }
    }
}

/// `text` with every label replaced.
#[must_use]
pub fn restore(table: &Table, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    table.find(text, 0, true, |span, entry| {
        out.push_str(text.get(at..span.start).unwrap_or_default());
        out.push_str(table.value(entry));
        at = span.end;
    });
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests;
