//! Cue words: what stands beside a number and says what it is.
//!
//! Knows words and classes, no grammar of numbers. Latin cues are matched without regard to case, `_`, `-` and spaces,
//! at word or camel-case borders; Chinese ones anywhere. Invariants: looks at most [`REACH`] bytes back; the nearest cue
//! wins, and of two that end together the longer.

use memchr::{memchr, memchr_iter, memchr3, memrchr};

use super::cue_index::INDEX;
pub(crate) use super::cue_words::Cue;
use super::view::{View, is_han};

/// How far before a value a cue may begin, in bytes: twelve Chinese characters, and a little for Latin.
pub(crate) const REACH: usize = 48;

/// What was found beside a value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cues {
    nearest: Option<Cue>,
    /// Whether a clause ends between the nearest cue and the value.
    apart: bool,
}

impl Cues {
    /// Whether the nearest cue is of this class.
    pub(crate) fn is(self, cue: Cue) -> bool {
        self.nearest == Some(cue)
    }

    /// Whether the nearest cue is of this class and in the value's own clause.
    pub(crate) fn leads(self, cue: Cue) -> bool {
        self.is(cue) && !self.apart
    }

    /// Whether the nearest cue says that the number is something else than a personal one.
    pub(crate) fn other(self) -> bool {
        self.leads(Cue::Other)
    }

    /// Whether the nearest cue in the value's clause is of a class that is none of these, and tells of a number.
    pub(crate) fn contrary(self, own: &[Cue]) -> bool {
        !self.apart
            && self
                .nearest
                .is_some_and(|cue| !own.contains(&cue) && !matches!(cue, Cue::Name | Cue::Address))
    }

    pub(crate) fn none(self) -> bool {
        self.nearest.is_none()
    }
}

/// What may stand between a form's label and its value.
const LABEL_ENDS: [char; 7] = [' ', ':', '：', '\t', '(', '（', '\u{3000}'];
/// Characters of a spaced label that are read, and blanks between two of them.
const LABEL_MAX: usize = 8;
const BLANKS_MAX: usize = 8;

/// The label of a form that ends the text, without the blanks between its characters: `姓 名`, `学    号`. None if it
/// has none.
pub(super) fn unspaced(text: &str) -> Option<String> {
    let blank = |c: &char| matches!(c, ' ' | '\u{3000}' | '\u{a0}');
    let mut rest = text.chars().rev();
    let last = rest.next().filter(|c| is_han(*c))?;
    if !rest.clone().next().is_some_and(|c| blank(&c)) {
        // `身份证 号` is read as it stands; so is nearly every text.
        return None;
    }
    let mut label = vec![last];
    while label.len() < LABEL_MAX {
        let mut behind = rest.clone();
        let c = behind.by_ref().take(BLANKS_MAX).find(|c| !blank(c));
        let Some(c) = c.filter(|c| is_han(*c)) else {
            break;
        };
        label.push(c);
        rest = behind;
    }
    (label.len() > 1).then(|| label.iter().rev().collect())
}

/// Whether a blank may stand before the text's last character but for what ends labels: cheap, and says yes too often.
fn may_be_spaced(text: &[u8]) -> bool {
    let mut rest = text;
    loop {
        rest = match rest {
            [head @ .., b' ' | b':' | b'\t' | b'('] => head,
            // ：, （ and the ideographic space.
            [head @ .., 0xEF, 0xBC, 0x9A | 0x88] | [head @ .., 0xE3, 0x80, 0x80] => head,
            // A blank of one byte, two or three.
            [.., before, 0xE0..=0xEF, _, _] | [.., before, 0xF0..=0xF4, _, _, _] => {
                return matches!(before, b' ' | 0xA0 | 0x80);
            }
            _ => return false,
        };
    }
}

/// The nearest cue in the text before a value. `text` is what precedes, on the same line, at most [`REACH`] bytes of it.
pub(crate) fn cues_in(text: &str) -> Cues {
    let index = &*INDEX;
    if let Some(label) = may_be_spaced(text.as_bytes())
        .then(|| unspaced(text.trim_end_matches(LABEL_ENDS)))
        .flatten()
        && let Some((cue, end)) = index.last(&label)
        && end == label.len()
    {
        return Cues {
            nearest: Some(cue),
            apart: false,
        };
    }
    let Some((cue, end)) = index.last(text) else {
        return Cues::default();
    };
    Cues {
        nearest: Some(cue),
        apart: clause_ends(text.as_bytes().get(end..).unwrap_or(&[])),
    }
}

/// Whether a clause ends in the text, with `，。；！？` or their Latin forms before a blank; a list of numbers is one clause.
fn clause_ends(text: &[u8]) -> bool {
    let ends = |(i, &b): (usize, &u8)| {
        let byte = |at: usize| text.get(at).copied().unwrap_or(0);
        match b {
            b';' | b'%' => true,
            b',' | b'.' => byte(i + 1) == b' ',
            // ！，；？ are EF BC and one of these, 。 is E3 80 82.
            0xEF => byte(i + 1) == 0xBC && matches!(byte(i + 2), 0x81 | 0x8C | 0x9B | 0x9F),
            0xE3 => byte(i + 1) == 0x80 && byte(i + 2) == 0x82,
            _ => false,
        }
    };
    let words = |b: &u8| b.is_ascii_alphabetic() || matches!(b, 0xE4..=0xE9 | b'%');
    text.iter().any(words) && text.iter().enumerate().any(ends)
}

/// The cues before `at`: on its line, or at the end of the line before if the value begins its own.
pub(crate) fn cues_before(view: &View<'_>, at: usize) -> Cues {
    let behind = view.behind(at, REACH);
    let line = match memrchr(b'\n', behind.as_bytes()) {
        None => behind,
        Some(newline) => {
            let own = behind.get(newline + 1..).unwrap_or("");
            let filler = |b: u8| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b'>' | b'-');
            if own.bytes().all(filler) {
                let above = behind
                    .get(..newline)
                    .unwrap_or("")
                    .trim_end_matches(['\r', '\n', ' ']);
                // A heading, not a sentence that happens to end there.
                if above.ends_with([':', '：']) {
                    last_line(above)
                } else {
                    own
                }
            } else {
                own
            }
        }
    };
    cues_in(line)
}

/// How far a table's header may be above a cell.
const TABLE_REACH: usize = 2000;
/// The longest row of a table before a cell.
const LINE_REACH: usize = 240;
/// Columns that are counted at most.
const COLUMNS_MAX: usize = 64;

/// The cues in the header of the column that `at` stands in; none if its line is no table's.
pub(crate) fn cues_of_column(view: &View<'_>, at: usize) -> Cues {
    header_of_column(view, at).map_or_else(Cues::default, cues_in)
}

/// The header of the column that `at` stands in, if its line is a table's.
pub(crate) fn header_of_column<'t>(view: &View<'t>, at: usize) -> Option<&'t str> {
    // Most places are in no table: looked for on the line first.
    let near = view.behind(at, LINE_REACH);
    let newline = memrchr(b'\n', near.as_bytes())?;
    let line = near.get(newline + 1..).unwrap_or("");
    if memchr3(b'\t', b'|', b',', line.as_bytes()).is_none() && !line.trim_ascii().is_empty() {
        return None;
    }
    let behind = view.behind(at, TABLE_REACH);
    let (above, line) = behind.split_at(behind.len() - line.len());
    let first = line.trim().is_empty();
    let delimiter = [b'\t', b'|', b','].into_iter().find(|&d| {
        // The first cell has no delimiter before it; the line above then tells.
        let holds = |line: &str| memchr(d, line.as_bytes()).is_some();
        holds(line) || first && holds(last_line(above.trim_end_matches('\n')))
    })?;
    let cells = |line: &str| memchr_iter(delimiter, line.as_bytes()).count();
    let column = cells(line);
    if column > COLUMNS_MAX {
        return None;
    }
    let delimiter = char::from(delimiter);
    let mut header = None;
    let mut rest = Some(above.trim_end_matches('\n'));
    while let Some(lines) = rest {
        let candidate = last_line(lines);
        if cells(candidate) < column.max(1) || has_cell_over(SENTENCE, candidate, delimiter) {
            break;
        }
        header = Some(candidate);
        rest = lines
            .len()
            .checked_sub(candidate.len() + 1)
            .and_then(|end| lines.get(..end));
    }
    // A header is words: a line of data above says nothing.
    let header = header.filter(|header| !has_cell_over(CELL_MAX, header, delimiter))?;
    let cell = header.split(delimiter).nth(column)?.trim();
    let words = cell.bytes().filter(u8::is_ascii_digit).count() <= 2;
    (cell.len() <= REACH && words).then_some(cell)
}

/// The longest cell of a header, in bytes.
const CELL_MAX: usize = 36;
/// So long is no cell, but a sentence, in bytes: an address has up to forty characters.
const SENTENCE: usize = 120;

fn has_cell_over(max: usize, line: &str, delimiter: char) -> bool {
    line.len() > max && line.split(delimiter).any(|cell| cell.trim().len() > max)
}

/// Whether the line is a row of no table, whatever follows on it: no header is looked for above it.
pub(super) fn no_row(line: &str) -> bool {
    [b'\t', b'|', b','].into_iter().all(|d| {
        memchr(d, line.as_bytes()).is_none() || has_cell_over(SENTENCE, line, char::from(d))
    })
}

/// Stands for the beginning of a line that is no row, once that is forgotten: no row either.
pub(super) const NO_ROW: &str = concat!(
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
);

/// The last line of a text that ends with none of its ends.
fn last_line(text: &str) -> &str {
    let from = memrchr(b'\n', text.as_bytes()).map_or(0, |newline| newline + 1);
    text.get(from..).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_and_longest_wins() {
        for (text, cue) in [
            ("身份证号：", Some(Cue::Id)),
            ("社保卡号是", Some(Cue::Social)),
            ("工号 1234，学号 ", Some(Cue::Student)),
            ("\"idCard\": \"", Some(Cue::Id)),
            ("customer_phone=", Some(Cue::Phone)),
            ("filename: ", None),
            ("userPhone: ", Some(Cue::Phone)),
            ("order no. ", Some(Cue::Other)),
            ("Passport No: ", Some(Cue::Passport)),
            ("微信", Some(Cue::Wechat)),
            ("tracking ", Some(Cue::Other)),
            ("今天天气不错", None),
        ] {
            assert_eq!(cues_in(text).nearest, cue, "{text}");
        }
    }

    #[test]
    fn columns_inherit_their_header() {
        let text = "姓名\t身份证号\t学号\n张三\t1101\t";
        let view = View::new(text, true);
        assert!(cues_of_column(&view, text.len()).is(Cue::Student));
        let text = "| 姓名 | 工号 |\n|---|---|\n| 张三 | ";
        let view = View::new(text, true);
        assert!(cues_of_column(&view, text.len()).is(Cue::Employee));
    }
}
