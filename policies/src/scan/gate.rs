//! The gate: which places of a text may interest a finder at all.
//!
//! Looks at bytes and at the table of characters; knows no entity. Invariant: it skips only what every finder would
//! refuse without looking past the end of the text, so a stream skips what the whole text skips.

use super::engine::Scan;
use super::han;

impl Scan<'_, '_> {
    /// The next place that may interest anyone: skips what cannot. Sure to skip only what the finders would refuse
    /// without looking past the end.
    #[inline]
    pub(super) fn next_place(&self) -> Option<usize> {
        let bytes = self.view.bytes();
        let mut at = self.at;
        while let Some(&b) = bytes.get(at) {
            match b {
                0xE4..=0xE9 => {
                    if self.han_interests(bytes, at) {
                        return Some(at);
                    }
                    at += 3;
                }
                // （ is EF BC 88, 〇 is E3 80 87; other letters are reached from their neighbours.
                0xEF if bytes.get(at + 2) == Some(&0x88) => return Some(at),
                0xE3 if bytes.get(at + 1) == Some(&0x80) && bytes.get(at + 2) == Some(&0x87) => {
                    return Some(at);
                }
                0xE0.. => at += 3 + usize::from(b >= 0xF0),
                0xC0.. => at += 2,
                b'a'..=b'z' => match self.plain_word(bytes, at) {
                    Some(end) => at = end,
                    None => return Some(at),
                },
                b'0'..=b'9' | b'A'..=b'Z' => return Some(at),
                b'+' | b'(' | b'-' | b'!' | b'@' | b'#' | b'$' | b'^' | b'&' | b'*' | b':' => {
                    return Some(at);
                }
                _ => at += 1,
            }
        }
        None
    }

    /// Whether the Chinese character at `at` may begin anything.
    #[inline]
    fn han_interests(&self, bytes: &[u8], at: usize) -> bool {
        let bits = self.table.of(decode3(bytes, at));
        let before = match at.checked_sub(3) {
            Some(i) if matches!(bytes.get(i), Some(0xE4..=0xE9)) => {
                Some(self.table.of(decode3(bytes, i)))
            }
            _ => None,
        };
        if before.is_none_or(|before| before & han::OPENS != 0) {
            return true;
        }
        if bits & (han::SURNAME | han::NUMERAL | han::PLACE | han::PLATE | han::FORM) == 0 {
            return false;
        }
        if bits & han::PLACE != 0 {
            return true;
        }
        // What follows: past the end anything may.
        let Some(&next) = bytes.get(at + 3) else {
            return true;
        };
        let next_bits = if next >= 0xE4 {
            self.table.of(decode3(bytes, at + 3))
        } else {
            0
        };
        let number = bits & han::NUMERAL != 0
            && (!(0xE4..=0xE9).contains(&next) || next_bits & han::NUMERAL != 0);
        let plate = bits & han::PLATE != 0 && !matches!(next, 0xE4..=0xE9);
        // 字 is U+5B57.
        let form = bits & han::FORM != 0 && decode3(bytes, at + 3) == 0x5B57;
        if number || plate || form {
            return true;
        }
        bits & han::SURNAME != 0
            && (before.is_some_and(|before| before & han::CUE_END != 0)
                || self.title_near(
                    bytes,
                    at + 3,
                    if bits & han::COMPOUNDS != 0 { 4 } else { 3 },
                ))
    }

    /// Whether a title may begin within `reach` characters.
    fn title_near(&self, bytes: &[u8], from: usize, reach: usize) -> bool {
        let mut at = from;
        for _ in 0..reach {
            match bytes.get(at) {
                None => return true,
                Some(0xE4..=0xE9) => {
                    if self.table.of(decode3(bytes, at)) & han::TITLE != 0 {
                        return true;
                    }
                    at += 3;
                }
                Some(_) => return false,
            }
        }
        false
    }

    /// The end of the lower-case word at `at`, if it is an ordinary one that nothing leads to.
    #[inline]
    fn plain_word(&self, bytes: &[u8], at: usize) -> Option<usize> {
        const LONGEST: usize = 11;
        let before = at
            .checked_sub(1)
            .and_then(|i| bytes.get(i))
            .copied()
            .unwrap_or(b' ');
        if !matches!(before, b' ' | b'\n' | b'(' | b',' | b'.' | b'-' | b'/') {
            return None;
        }
        let mut end = at;
        while end - at <= LONGEST && bytes.get(end).is_some_and(u8::is_ascii_lowercase) {
            end += 1;
        }
        if end - at > LONGEST {
            return None;
        }
        let second = bytes.get(end + 1).copied().unwrap_or(b'@');
        match bytes.get(end) {
            Some(b' ') => {
                let at_sign = matches!(second, b'(' | b'[' | b'{' | b'@' | b'a' | b'A');
                (!at_sign
                    || second | 0x20 == b'a'
                        && bytes.get(end + 2).is_some_and(|b| b | 0x20 != b't'))
                .then_some(end)
            }
            Some(b',' | b'\n' | b';' | b')') => Some(end),
            Some(b'.' | b'?') if matches!(second, b' ' | b'\n') => Some(end),
            _ => None,
        }
    }
}

/// The code point of the three-byte character at `at`.
#[inline]
pub(super) fn decode3(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 3) {
        Some(&[a, b, c]) => {
            (u32::from(a) & 0x0f) << 12 | (u32::from(b) & 0x3f) << 6 | (u32::from(c) & 0x3f)
        }
        _ => 0,
    }
}
