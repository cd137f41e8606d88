//! The gate: which places of a text may interest a finder at all.
//!
//! Looks at bytes and at the table of characters; knows no entity. Invariant: it skips only what every finder would
//! refuse without looking past the end of the text, so a stream skips what the whole text skips.

use super::engine::Scan;
use super::find::name_behind;
use super::han;
use super::row::{Place, Row};
use super::skip::Window;
use super::view::{ALNUM, DIGIT, is};

/// What a Chinese character may begin: which detectors are worth asking.
pub(super) mod may {
    /// A number in Chinese numerals.
    pub(in crate::scan) const NUMBER: u8 = 1;
    /// A name that begins with a surname.
    pub(in crate::scan) const NAME: u8 = 2;
    /// A foreign name, with a dot in it.
    pub(in crate::scan) const DOTTED: u8 = 4;
    /// An address.
    pub(in crate::scan) const PLACE: u8 = 8;
    /// A number plate.
    pub(in crate::scan) const PLATE: u8 = 16;
    /// 军字第….
    pub(in crate::scan) const FORM: u8 = 32;
    /// Anything: what follows is not there yet.
    pub(in crate::scan) const ALL: u8 = 0xff;
}

/// What may begin an entity at all.
const BEGINS: u16 = han::SURNAME | han::NUMERAL | han::PLACE | han::PLATE | han::FORM;
/// Characters among which a level's word must begin, for an address without a known place.
const LEVEL_REACH: usize = 10;
/// Characters of a row in which a name, or a name and the label of a number, end.
const LABELLED: usize = 12;

impl Scan<'_, '_> {
    /// The next place that may interest anyone, and whom: skips what cannot. Sure to skip only what the finders would
    /// refuse without looking past the end.
    #[inline]
    pub(super) fn next_place(&mut self) -> Option<(usize, u8)> {
        let bytes = self.view.bytes();
        let mut at = self.at;
        while let Some(&b) = bytes.get(at) {
            match b {
                0xE4..=0xE9 => match self.row(bytes, at) {
                    (place, 0) => at = place,
                    found => return Some(found),
                },
                // （ is EF BC 88, 〇 is E3 80 87; other letters are reached from their neighbours.
                0xEF if bytes.get(at + 2) == Some(&0x88) => return Some((at, may::ALL)),
                0xE3 if bytes.get(at + 1) == Some(&0x80) && bytes.get(at + 2) == Some(&0x87) => {
                    return Some((at, may::ALL));
                }
                0xE0.. => at += 3 + usize::from(b >= 0xF0),
                0xC0.. => at += 2,
                0x80.. => at += 1,
                // Alone between Chinese characters.
                b' ' | b'\n' | b',' | b'.' => match bytes.get(at + 1) {
                    Some(0x80..) => at += 1,
                    _ => match self.latin(bytes, at) {
                        Ok(next) => at = next,
                        Err(place) => return Some((place, may::ALL)),
                    },
                },
                _ => match self.latin(bytes, at) {
                    Ok(next) => at = next,
                    Err(place) => return Some((place, may::ALL)),
                },
            }
        }
        None
    }

    /// Goes along Latin text: to where it ends or none is left to skip; or the place to stop at.
    #[inline]
    fn latin(&mut self, bytes: &[u8], from: usize) -> Result<usize, usize> {
        let mut at = from;
        // From here on places grow.
        if !self.window.covers(at) {
            self.window = Window::default();
        }
        loop {
            if at >= self.window.end {
                if bytes.get(at).is_none_or(|&b| b >= 0x80) {
                    return Ok(at);
                }
                self.window = Window::at(bytes, at);
            }
            let Some(place) = self.window.next(at) else {
                at = self.window.end;
                continue;
            };
            if let Some(end) = self.plain_capital(bytes, place) {
                at = end;
                continue;
            }
            // The word that ends here, or that this is a letter of.
            let start = self.word_start(at, place);
            if let Some(start) = start {
                match self
                    .plain_word(bytes, start)
                    .or_else(|| self.plain_name(bytes, start))
                {
                    None => return Err(start),
                    Some(end) if end > place => {
                        at = end;
                        continue;
                    }
                    Some(_) => {}
                }
            }
            let Some(&b) = bytes.get(place) else {
                return Ok(bytes.len());
            };
            match b {
                0x80.. => return Ok(place),
                b'0'..=b'9' if !is(self.view.before(place), DIGIT) => return Err(place),
                b'!' | b'#'..=b'&' | b'('..=b'+' | b'-' | b':' | b'@' | b'^'
                    if !self.plain_sign(bytes, place, b) =>
                {
                    return Err(place);
                }
                _ => at = place + 1,
            }
        }
    }

    /// Where the word begins that has its last letter before `place` or another there; none if it begins before `at`.
    #[inline]
    fn word_start(&self, at: usize, place: usize) -> Option<usize> {
        let (n, here) = self.window.letters_before(at, place);
        let start = place - n;
        ((n > 0 || here) && !is(self.view.before(start), ALNUM)).then_some(start)
    }

    /// Goes along a row of Chinese characters: to the first that may begin something, and what; or to the row's end,
    /// and 0.
    #[inline]
    fn row(&self, bytes: &[u8], from: usize) -> (usize, u8) {
        const LEADS: u16 = han::OPENS | han::CUE_END;
        let mut at = from;
        let mut row = Row::read(self.table, bytes, at);
        let led = at
            .checked_sub(3)
            .filter(|&i| matches!(bytes.get(i), Some(0xE4..=0xE9)));
        let mut before = led.map_or(0, |i| self.table.of(decode3(bytes, i)));
        let mut left = row.candidates(before, bytes.get(at + 3 * row.len()).copied());
        if led.is_none() {
            let row = &row;
            let place = Place { at, row, i: 0 };
            let bits = row.bits(0);
            let inside = if left & 1 != 0 {
                self.inside(bytes, place, bits, 0)
            } else {
                0
            };
            let reasons = self.opening(bytes, place, bits, inside);
            if reasons != 0 {
                return (at, reasons);
            }
            left &= !1;
        }
        loop {
            while left != 0 {
                let i = left.trailing_zeros() as usize;
                left &= left - 1;
                let place = Place {
                    at: at + 3 * i,
                    row: &row,
                    i,
                };
                let bits = row.bits(i);
                let before = i.checked_sub(1).map_or(before, |i| row.bits(i));
                if bits & BEGINS | before & LEADS == 0 {
                    continue;
                }
                let mut reasons = self.inside(bytes, place, bits, before);
                if before & han::OPENS != 0 && self.level_near(bytes, place) {
                    reasons |= may::PLACE;
                }
                if reasons != 0 {
                    return (place.at, reasons);
                }
            }
            let known = row.known();
            at += 3 * known;
            if row.ends() {
                return (at, 0);
            }
            before = row.bits(known - 1);
            row = Row::read(self.table, bytes, at);
            left = row.candidates(before, bytes.get(at + 3 * row.len()).copied());
        }
    }

    /// What a character may begin wherever it stands.
    #[inline]
    fn inside(&self, bytes: &[u8], place: Place<'_>, bits: u16, before: u16) -> u8 {
        let Place { at, row, i } = place;
        // What follows: past the end anything may.
        if at + 3 >= bytes.len() {
            return may::ALL;
        }
        let next = row.bits(i + 1);
        let ends = i + 1 >= row.len();
        let mut reasons = 0;
        if bits & han::PLACE != 0
            && next & han::PLACE_SECOND != 0
            && self.places.has(decode3(bytes, at), decode3(bytes, at + 3))
        {
            reasons |= may::PLACE;
        }
        if bits & han::NUMERAL != 0 && (ends || next & han::NUMERAL != 0) {
            reasons |= may::NUMBER;
        }
        if bits & han::PLATE != 0 && ends {
            reasons |= may::PLATE;
        }
        // 字 is U+5B57, 第 is U+7B2C.
        if bits & han::FORM != 0
            && decode3(bytes, at + 3) == 0x5B57
            && (at + 6 >= bytes.len() || decode3(bytes, at + 6) == 0x7B2C)
        {
            reasons |= may::FORM;
        }
        if before & han::CUE_END != 0 && dotted_near(bytes, at) {
            reasons |= may::DOTTED;
        }
        if bits & han::SURNAME != 0 {
            let reach = if bits & han::COMPOUNDS != 0 { 4 } else { 3 };
            if before & han::CUE_END != 0
                || row.title_within(bytes, place, reach) && self.title_near(bytes, at + 3, reach)
            {
                reasons |= may::NAME;
            }
        }
        reasons
    }

    /// What may begin at a place before which no Chinese character stands. `inside`: what may begin there anyway.
    fn opening(&self, bytes: &[u8], place: Place<'_>, bits: u16, inside: u8) -> u8 {
        let Place { at, row, .. } = place;
        let mut reasons = inside;
        if self.level_near(bytes, place) {
            reasons |= may::PLACE;
        }
        let n = row.len().min(LABELLED);
        let end = at + 3 * n;
        let Some(&next) = bytes.get(end) else {
            return may::ALL;
        };
        // · is C2 B7.
        if next == 0xC2 && n <= 6 {
            reasons |= may::DOTTED | may::NAME;
        }
        if bits & han::SURNAME != 0 && reasons & may::NAME == 0 && self.name_opens(bytes, at, end) {
            reasons |= may::NAME;
        }
        reasons
    }

    /// Whether a name may begin at the row from `at` to `end` by what stands before it or by a number behind.
    fn name_opens(&self, bytes: &[u8], at: usize, end: usize) -> bool {
        if self.last.end > 0 && at - self.last.end <= 8 && name_behind(self.last.entity, end - at) {
            return true;
        }
        let before = bytes.get(at.saturating_sub(3)..at).unwrap_or(&[]);
        match before {
            // ，。！？；、
            [0xEF, 0xBC, 0x8C | 0x81 | 0x9F | 0x9B] | [0xE3, 0x80, 0x81 | 0x82] | [] => {}
            [.., b'\n' | b'.' | b'!' | b'?' | b';'] => {}
            _ => return true,
        }
        let short = end - at <= 15;
        match bytes.get(end) {
            Some(b'\t' | b'|' | b',' | b' ') if short => true,
            // 。
            Some(0xE3) if bytes.get(end + 2) == Some(&0x82) => false,
            _ => self.number_near(bytes, end, short),
        }
    }

    /// Whether a number may stand behind `end`, with a few separators and a label between.
    fn number_near(&self, bytes: &[u8], end: usize, short: bool) -> bool {
        let mut at = end;
        let mut row = if short { 0 } else { LABELLED };
        for _ in 0..16 {
            match bytes.get(at) {
                None | Some(b'0'..=b'9' | b'+') => return true,
                Some(0xE4..=0xE9) => {
                    row += 1;
                    if row > LABELLED {
                        return false;
                    }
                    at += 3;
                }
                Some(0xEF | 0xE3) => at += 3,
                Some(0xE0..) => return false,
                Some(0x80..) => at += 2,
                Some(b'a'..=b'z' | b'A'..=b'Z') => return false,
                Some(_) => at += 1,
            }
        }
        false
    }

    /// Whether a level of an address may begin within reach: a superset of what the finder takes for promising.
    fn level_near(&self, bytes: &[u8], place: Place<'_>) -> bool {
        let Place { at, row, i } = place;
        let ahead = row.len() - i;
        let (levels, stop) = row.levels(i);
        // The first character of all is a place's own.
        let mut left = levels & !1;
        while left != 0 {
            let k = left.trailing_zeros() as usize;
            if k > stop || k >= LEVEL_REACH {
                break;
            }
            if self.level(bytes, at + 3 * k, row.bits(i + k)) {
                return true;
            }
            left &= left - 1;
        }
        stop >= ahead.min(LEVEL_REACH) && self.level_behind(bytes, at, ahead)
    }

    /// The same behind the first `read` characters from `from` on.
    fn level_behind(&self, bytes: &[u8], from: usize, read: usize) -> bool {
        let mut at = from + 3 * read;
        for _ in read..LEVEL_REACH {
            match bytes.get(at) {
                None => return true,
                Some(0xE4..=0xE9) => {
                    let bits = self.table.of(decode3(bytes, at));
                    if at > from && self.level(bytes, at, bits) {
                        return true;
                    }
                    if bits & (han::BREAK | han::LEAD) != 0 {
                        return false;
                    }
                    at += 3;
                }
                Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') => at += 1,
                // A rare character, or 〇.
                Some(0xE3)
                    if bytes.get(at + 1).is_none_or(|&b| b >= 0x90 || b == 0x80)
                        && bytes.get(at + 2).is_none_or(|&b| b != 0x82 && b != 0x81) =>
                {
                    return true;
                }
                Some(0xF0..) => return true,
                Some(_) => return false,
            }
        }
        false
    }

    /// Whether the word of a level of an address may stand at `at`.
    fn level(&self, bytes: &[u8], at: usize, bits: u16) -> bool {
        if bits & han::LEVEL_FIRST == 0 || bits & han::LEVEL_ALONE != 0 {
            return bits & han::LEVEL_ALONE != 0;
        }
        match bytes.get(at + 3) {
            None => true,
            Some(0xE4..=0xE9) => self.table.of(decode3(bytes, at + 3)) & han::LEVEL_SECOND != 0,
            _ => false,
        }
    }

    /// Whether a title may begin within `reach` characters, or 的 and something that persons have.
    fn title_near(&self, bytes: &[u8], from: usize, reach: usize) -> bool {
        let mut at = from;
        // A title's first character came that begins none here: the name may go on to a greeting.
        let mut given = false;
        for _ in 0..reach {
            match bytes.get(at) {
                None => return true,
                Some(0xE4..=0xE9) => {
                    let code = decode3(bytes, at);
                    if code == OF {
                        return owned(bytes, at + 3);
                    }
                    if self.table.of(code) & han::TITLE != 0 {
                        if matches!(code, GENERAL | ENGINEER) || self.title_at(bytes, at) {
                            return true;
                        }
                        given = true;
                    }
                    at += 3;
                }
                Some(_) => return given && rare(bytes, at),
            }
        }
        let greets = matches!(decode3(bytes, at), YOU | YOU_POLITE);
        given && (at >= bytes.len() || greets && self.title_at(bytes, at))
    }

    /// Whether a title of two characters, or a greeting, may stand at `at`.
    fn title_at(&self, bytes: &[u8], at: usize) -> bool {
        at + 3 >= bytes.len() || self.titles.has(decode3(bytes, at), decode3(bytes, at + 3))
    }
}

/// 的
const OF: u32 = 0x7684;
/// 总 and 工, the titles of one character.
const GENERAL: u32 = 0x603B;
const ENGINEER: u32 = 0x5DE5;
/// 你 and 您, which begin a greeting.
const YOU: u32 = 0x4F60;
const YOU_POLITE: u32 = 0x60A8;

/// Whether a rare Chinese character, or 〇, may stand at `at`.
fn rare(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at..) {
        Some([0xE3, 0x80, third, ..]) => *third == 0x87,
        Some([0xE3, second, ..]) => *second >= 0x90,
        Some([first, ..]) => *first >= 0xF0,
        _ => false,
    }
}

/// Whether something that persons have may stand at `at`, by its first character.
fn owned(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at) {
        None => true,
        Some(0xE4..=0xE9) => char::from_u32(decode3(bytes, at)).is_some_and(|c| {
            matches!(
                c,
                '电' | '手'
                    | '联'
                    | '身'
                    | '微'
                    | '邮'
                    | '地'
                    | '住'
                    | '卡'
                    | '银'
                    | '护'
                    | '账'
                    | '工'
                    | '学'
                    | '社'
                    | '医'
                    | '证'
                    | '病'
                    | '车'
            )
        }),
        Some(_) => false,
    }
}

/// Whether a row of at most six characters ends with a dot, as foreign names do; or with the text.
fn dotted_near(bytes: &[u8], from: usize) -> bool {
    (0..7)
        .map(|i| bytes.get(from + 3 * i))
        .find(|b| !matches!(b, Some(0xE4..=0xE9)))
        // · is C2 B7.
        .is_some_and(|b| matches!(b, None | Some(0xC2)))
}

/// The code point of the three-byte character at `at`.
#[inline]
pub(super) fn decode3(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 3) {
        Some(&[a, b, c]) => code_point(a, b, c),
        _ => 0,
    }
}

/// The code point of a character of three bytes.
#[inline]
pub(super) fn code_point(a: u8, b: u8, c: u8) -> u32 {
    // What marks the three bytes as such.
    const MARKS: u32 = 0xE0 << 12 | 0x80 << 6 | 0x80;
    ((u32::from(a) << 12) + (u32::from(b) << 6) + u32::from(c)).wrapping_sub(MARKS)
}

#[cfg(test)]
mod tests;
