//! Cue words: what stands beside a number and says what it is.
//!
//! Knows words and classes, no grammar of numbers. Latin cues are matched without regard to case, `_`, `-` and spaces,
//! at word or camel-case borders; Chinese ones anywhere. Invariants: looks at most [`REACH`] bytes back; the nearest cue
//! wins, and of two that end together the longer.

use std::sync::LazyLock;

use memchr::memrchr;

use super::cue_words::CUES;
pub(crate) use super::cue_words::Cue;

use super::view::{DIGIT, LOWER, UPPER, View, is, is_han};

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

/// The words by how they end, since the nearest is looked for from the value back.
struct Index {
    /// By the hash of the last three letters.
    latin: Lists,
    /// By the hash of the last two characters.
    wide: Lists,
    /// Words of one character.
    single: Vec<(char, Cue)>,
}

/// Lists of words by a hash, the longest first; and a bit for each longer hash that has any, since most have none.
struct Lists {
    lists: Vec<Vec<(String, Cue)>>,
    any: Vec<u64>,
}

/// Bits of a hash that choose a list.
const LIST_BITS: u32 = 12;
/// Bits of a hash that are looked up first.
const ANY_BITS: u32 = 15;

impl Lists {
    fn new() -> Self {
        Self {
            lists: vec![Vec::new(); 1 << LIST_BITS],
            any: vec![0; 1 << ANY_BITS >> 6],
        }
    }

    fn add(&mut self, hash: u32, word: String, cue: Cue) {
        let bit = hash >> (u32::BITS - ANY_BITS);
        if let Some(bits) = self.any.get_mut(bit as usize >> 6) {
            *bits |= 1 << (bit & 63);
        }
        let list = hash >> (u32::BITS - LIST_BITS);
        if let Some(list) = self.lists.get_mut(list as usize) {
            list.push((word, cue));
        }
    }

    /// The words of this hash, and some others.
    #[inline]
    fn of(&self, hash: u32) -> &[(String, Cue)] {
        let bit = hash >> (u32::BITS - ANY_BITS);
        match self.any.get(bit as usize >> 6) {
            Some(bits) if bits >> (bit & 63) & 1 != 0 => {
                let list = hash >> (u32::BITS - LIST_BITS);
                self.lists.get(list as usize).map_or(&[], Vec::as_slice)
            }
            _ => &[],
        }
    }
}

/// The hash of words that end with these two characters.
#[inline]
fn wide_hash(before: char, last: char) -> u32 {
    u32::from(before).wrapping_mul(0x9E37_79B1) ^ u32::from(last).wrapping_mul(0x85EB_CA6B)
}

/// The hash of words that end with these three letters, the last first; words of two, and Chinese words that end with
/// letters, have 0 as the third.
#[inline]
fn latin_hash(letters: [u8; 3]) -> u32 {
    let [a, b, c] = letters.map(|letter| u32::from(letter | 0x20));
    (a << 16 | b << 8 | c).wrapping_mul(0x9E37_79B1)
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut words: Vec<(String, Cue)> = Vec::new();
    for &(cue, list) in CUES {
        for word in list.split(' ') {
            if !word.is_ascii() && !word.ends_with(['号', '码']) {
                words.push((format!("{word}号"), cue));
                words.push((format!("{word}号码"), cue));
            }
            words.push((word.to_owned(), cue));
        }
    }
    words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
    let mut latin = Lists::new();
    let mut wide = Lists::new();
    let mut single = Vec::new();
    for (word, cue) in words {
        let mut ends = word.chars().rev();
        let (last, before) = (ends.next().unwrap_or('\0'), ends.next());
        let hash = match *word.as_bytes() {
            [.., third, before, last @ (b'a'..=b'z' | b'0'..=b'9')] if word.is_ascii() => {
                Some(latin_hash([last, before, third]))
            }
            [.., before, last @ (b'a'..=b'z' | b'0'..=b'9')] => Some(latin_hash([last, before, 0])),
            _ => None,
        };
        if let Some(hash) = hash {
            latin.add(hash, word, cue);
        } else if let Some(before) = before {
            wide.add(wide_hash(before.to_ascii_lowercase(), last), word, cue);
        } else {
            single.push((last, cue));
        }
    }
    Index {
        latin,
        wide,
        single,
    }
});

impl Index {
    /// The longest cue that ends at `end` of the text.
    fn at(&self, text: &str, end: usize, last: char) -> Option<Cue> {
        let bytes = text.as_bytes();
        if last.is_ascii_alphanumeric() {
            if !latin_ends(bytes, end) {
                return None;
            }
            let letters = last_letters(bytes, end);
            return find(self.latin.of(latin_hash(letters)), bytes, end).or_else(|| {
                let [last, before, _] = letters;
                find(self.latin.of(latin_hash([last, before, 0])), bytes, end)
            });
        }
        // Chinese, kana, hangul, hearts; not the signs between them.
        if !matches!(last, '\u{2000}'..='\u{2fff}' | '\u{3040}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}')
        {
            return None;
        }
        let head = text.get(..end - last.len_utf8()).unwrap_or("");
        let before = head.chars().next_back().unwrap_or('\0');
        let list = self.wide.of(wide_hash(before.to_ascii_lowercase(), last));
        find(list, bytes, end).or_else(|| {
            let mut single = self.single.iter();
            single.find(|(c, _)| *c == last).map(|&(_, cue)| cue)
        })
    }
}

/// The last three letters that end at `end`, the last first; `Q Q`, `i_d`: joints are left out, 0 where there is none.
fn last_letters(bytes: &[u8], end: usize) -> [u8; 3] {
    let mut letters = [0; 3];
    let mut at = end;
    for (i, slot) in letters.iter_mut().enumerate() {
        let mut here = at.checked_sub(1).and_then(|i| bytes.get(i)).copied();
        while i > 0 && matches!(here, Some(b'_' | b'-' | b' ' | b'.')) {
            at -= 1;
            here = at.checked_sub(1).and_then(|i| bytes.get(i)).copied();
        }
        *slot = here.unwrap_or(0);
        at = at.saturating_sub(1);
    }
    letters
}

/// The first word of the list that the text ends with at `end`.
#[inline]
fn find(list: &[(String, Cue)], bytes: &[u8], end: usize) -> Option<Cue> {
    if list.is_empty() {
        return None;
    }
    let head = bytes.get(..end).unwrap_or(&[]);
    list.iter()
        .find(|(word, _)| ends_with(head, word.as_bytes()))
        .map(|&(_, cue)| cue)
}

/// Whether a Latin word may end at `end`: at a border, a hump, or a plural's s.
fn latin_ends(bytes: &[u8], end: usize) -> bool {
    let byte = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let (last, after) = (byte(end - 1), byte(end));
    !is(after, LOWER | UPPER)
        || is(last, LOWER) && is(after, UPPER)
        || after == b's' && !is(byte(end + 1), LOWER | UPPER)
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

/// The nearest cue in the text before a value. `text` is what precedes, on the same line, at most [`REACH`] bytes of it.
pub(crate) fn cues_in(text: &str) -> Cues {
    let index = &*INDEX;
    if let Some(label) = unspaced(text.trim_end_matches(LABEL_ENDS))
        && let Some(last) = label.chars().next_back()
        && let Some(cue) = index.at(&label, label.len(), last)
    {
        return Cues {
            nearest: Some(cue),
            apart: false,
        };
    }
    let mut end = text.len();
    for c in text.chars().rev() {
        if let Some(cue) = index.at(text, end, c) {
            return Cues {
                nearest: Some(cue),
                apart: clause_ends(text.as_bytes().get(end..).unwrap_or(&[])),
            };
        }
        end -= c.len_utf8();
    }
    Cues::default()
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

/// Whether the text ends with the word, in either case; joints in a Latin one are left out, and no letter stands before.
fn ends_with(text: &[u8], word: &[u8]) -> bool {
    if !word.is_ascii() {
        let n = text.len().wrapping_sub(word.len());
        return text
            .get(n..)
            .is_some_and(|tail| tail.eq_ignore_ascii_case(word));
    }
    let mut at = text.len();
    for (left, &wanted) in word.iter().rev().enumerate() {
        let mut here = at.checked_sub(1).and_then(|i| text.get(i)).copied();
        while left > 0 && matches!(here, Some(b'_' | b'-' | b' ' | b'.')) {
            at -= 1;
            here = at.checked_sub(1).and_then(|i| text.get(i)).copied();
        }
        if !here.is_some_and(|b| b.eq_ignore_ascii_case(&wanted)) {
            return false;
        }
        at -= 1;
    }
    let before = at
        .checked_sub(1)
        .and_then(|i| text.get(i))
        .copied()
        .unwrap_or(0);
    let first = text.get(at).copied().unwrap_or(0);
    // Two letters stand by chance in any row of random ones.
    if word.len() == 2 && is(before, DIGIT) {
        return false;
    }
    !is(before, LOWER | UPPER) || is(before, LOWER) && is(first, UPPER)
}

/// The cues before `at`: on its line, or at the end of the line before if the value begins its own.
pub(crate) fn cues_before(view: &View<'_>, at: usize) -> Cues {
    let behind = view.behind(at, REACH);
    let line = match memrchr(b'\n', behind.as_bytes()) {
        None => behind,
        Some(newline) => {
            let own = behind.get(newline + 1..).unwrap_or("");
            if own
                .trim_matches([' ', '\t', '"', '\'', '>', '-'])
                .is_empty()
            {
                let above = behind
                    .get(..newline)
                    .unwrap_or("")
                    .trim_end_matches(['\r', '\n', ' ']);
                let above = above.rsplit('\n').next().unwrap_or("");
                // A heading, not a sentence that happens to end there.
                if above.ends_with([':', '：']) {
                    above
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
    let delimited = |b: &u8| matches!(b, b'\t' | b'|' | b',');
    if !line.trim_ascii().is_empty() && !line.as_bytes().iter().any(delimited) {
        return None;
    }
    let behind = view.behind(at, TABLE_REACH);
    let (above, line) = behind.split_at(behind.len() - line.len());
    let delimiter = ['\t', '|', ','].into_iter().find(|&d| {
        // The first cell has no delimiter before it; the line above then tells.
        line.contains(d) || (line.trim().is_empty() && last_line(above).contains(d))
    })?;
    let column = line.matches(delimiter).count();
    if column > COLUMNS_MAX {
        return None;
    }
    let mut header = None;
    for candidate in above.trim_end_matches('\n').rsplit('\n') {
        if candidate.matches(delimiter).count() < column.max(1)
            || has_cell_over(SENTENCE, candidate, delimiter)
        {
            break;
        }
        header = Some(candidate);
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
    line.split(delimiter).any(|cell| cell.trim().len() > max)
}

/// Whether the line is a row of no table, whatever follows on it: no header is looked for above it.
pub(super) fn no_row(line: &str) -> bool {
    ['\t', '|', ',']
        .into_iter()
        .all(|d| !line.contains(d) || has_cell_over(SENTENCE, line, d))
}

/// Stands for the beginning of a line that is no row, once that is forgotten: no row either.
pub(super) const NO_ROW: &str = concat!(
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
);

fn last_line(text: &str) -> &str {
    text.trim_end_matches('\n')
        .rsplit('\n')
        .next()
        .unwrap_or("")
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
