//! Reads a payload that is just as the journal writes it: one object without a blank, texts without an escape, whole numbers.
//! Several times faster than a JSON reader, because all else is none of its business.
//!
//! Must never guess: what is not in this form is `None`, and then a real reader has to look.
//! Invariant: what is read here, a JSON reader reads as the same (a test holds it against `serde_json`).

use wire::json::plain_prefix;
use wire::short::same;

/// Deepest object or list.
const DEPTH_MAX: usize = 4;
/// Digits that fit into 63 bits with their sign, whatever they are.
const DIGITS_MAX: usize = 18;
/// Bytes looked at together.
const WORD: usize = 8;

/// A payload, and how far it was read.
#[derive(Debug)]
pub struct Written<'p> {
    rest: &'p [u8],
    depth: usize,
}

impl<'p> Written<'p> {
    /// Of a whole payload; `None` if it is no text or not on one line.
    pub(super) fn of(payload: &'p [u8]) -> Option<Self> {
        // To the end whatever comes, so that it goes by vector: as signed numbers, what is not ASCII is below a blank too.
        let plain = payload
            .iter()
            .fold(true, |plain, byte| plain & (byte.cast_signed() >= 0x20));
        (plain || is_one_line(payload)).then_some(Self::beginning(payload))
    }

    /// Of a payload of which only the beginning matters, and no text.
    pub(crate) fn beginning(payload: &'p [u8]) -> Self {
        Self {
            rest: payload,
            depth: 0,
        }
    }

    /// Whether all of it was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes `byte` if it comes next.
    #[inline]
    fn has(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes these bytes if they come next.
    #[inline]
    pub(crate) fn word(&mut self, word: &[u8]) -> bool {
        match self.rest.split_at_checked(word.len()) {
            Some((first, rest)) if same(first, word) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// A text, without its quotes.
    #[inline]
    pub(super) fn text(&mut self) -> Option<&'p [u8]> {
        if !self.has(b'"') {
            return None;
        }
        let end = plain_prefix(self.rest, true);
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        self.has(b'"').then_some(text)
    }

    /// `null`, or a whole number and its digits. Who reads on finds out whether it had a fraction or an exponent: nothing that
    /// may come behind a number begins with one.
    pub(crate) fn whole(&mut self) -> Option<Option<(i64, &'p [u8])>> {
        let all = self.rest;
        let (number, digits) = match all.first()? {
            b'n' => return self.word(b"null").then_some(None),
            b'-' => {
                let (number, digits) = number(all.get(1..)?);
                (-number, digits + 1)
            }
            _ => number(all),
        };
        // JSON knows no zeros at the beginning, and -0 is no whole number to everybody.
        let (text, rest) = all.split_at_checked(digits)?;
        let odd = matches!(text, [] | [b'-'] | [b'0', _, ..] | [b'-', b'0', ..]);
        if odd || digits > DIGITS_MAX {
            return None;
        }
        self.rest = rest;
        Some(Some((number, text)))
    }

    /// `true`, `false` or `null`.
    pub(super) fn flag(&mut self) -> Option<Option<bool>> {
        let words = [
            (&b"true"[..], Some(true)),
            (b"false", Some(false)),
            (b"null", None),
        ];
        let mut words = words.into_iter();
        words.find_map(|(word, flag)| self.word(word).then_some(flag))
    }

    /// A list, each element of which `take` reads.
    pub(super) fn list(&mut self, mut take: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.between(b'[', b']', &mut take)
    }

    /// An object; `take` gets each name and reads its value.
    #[inline]
    pub(super) fn object(
        &mut self,
        mut take: impl FnMut(&mut Self, &'p [u8]) -> Option<()>,
    ) -> Option<()> {
        self.between(b'{', b'}', &mut |line: &mut Self| {
            let name = line.name()?;
            take(line, name)
        })
    }

    /// The beginning of an object, for who reads its members one by one; whether it has any.
    #[inline]
    pub(super) fn begins_object(&mut self) -> Option<bool> {
        self.has(b'{').then(|| !self.has(b'}'))
    }

    /// What is behind a member of such an object; whether there is another.
    #[inline]
    pub(super) fn goes_on(&mut self) -> Option<bool> {
        if self.has(b',') {
            return Some(true);
        }
        self.has(b'}').then_some(false)
    }

    /// A member's name.
    pub(super) fn name(&mut self) -> Option<&'p [u8]> {
        let name = self.text()?;
        self.has(b':').then_some(name)
    }

    #[inline]
    fn between(
        &mut self,
        begin: u8,
        end: u8,
        take: &mut impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        if self.depth >= DEPTH_MAX || !self.has(begin) {
            return None;
        }
        if self.has(end) {
            return Some(());
        }
        self.depth += 1;
        loop {
            take(self)?;
            if self.has(end) {
                self.depth -= 1;
                return Some(());
            }
            self.has(b',').then_some(())?;
        }
    }
}

/// The number that bytes begin with, and how many digits it has; of too many digits the number is a wrong one.
#[inline]
fn number(bytes: &[u8]) -> (i64, usize) {
    let first = bytes.first_chunk::<WORD>();
    let eight = first.and_then(|word| eight_digits(u64::from_le_bytes(*word)));
    let (mut number, mut digits) = eight.map_or((0, 0), |eight| (eight, WORD));
    for byte in bytes.get(digits..).unwrap_or_default() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number.wrapping_mul(10).wrapping_add(i64::from(digit));
        digits += 1;
    }
    (number, digits)
}

/// The number that eight digits are, the first in the lowest byte: pairs are joined, then fours, then both halves.
fn eight_digits(word: u64) -> Option<i64> {
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    // Digits are 0x30 to 0x39: the high half of a byte is 3, and still is when 6 is added.
    let above = word.wrapping_add(0x0606_0606_0606_0606);
    if word & HIGH != ZEROS || above & HIGH != ZEROS {
        return None;
    }
    let pairs = (word & !HIGH).wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    let eight = fours.wrapping_mul(10_000 << 32 | 1) >> 32;
    i64::try_from(eight).ok()
}

/// Whether bytes are text without a control character.
fn is_one_line(payload: &[u8]) -> bool {
    payload.iter().all(|byte| *byte >= b' ') && str::from_utf8(payload).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_end_at_their_quote(text in "[a-z身\"\\\\]{0,40}") {
            let whole = format!("\"{text}\"");
            let plain = text.find(['"', '\\']).unwrap_or(text.len());
            let want = whole.as_bytes().get(1..=plain).filter(|_| whole.as_bytes()[plain + 1] == b'"');
            prop_assert_eq!(Written::of(whole.as_bytes()).unwrap().text(), want);
        }

        #[test]
        fn only_text_on_one_line_is_read(text in prop::collection::vec(prop_oneof![30 => b' '..=0x7f, 1 => any::<u8>()], 0..60)) {
            let want = str::from_utf8(&text).is_ok_and(|text| text.bytes().all(|byte| byte >= b' '));
            prop_assert_eq!(Written::of(&text).is_some(), want);
        }

        #[test]
        fn whole_numbers_are_what_a_json_reader_reads(text in "-?[0-9]{0,22}([.e][0-9])?") {
            let mut line = Written::of(text.as_bytes()).unwrap();
            if let Some(whole) = line.whole().filter(|_| line.is_at_end()) {
                let (number, digits) = whole.unwrap();
                prop_assert_eq!(digits, text.as_bytes());
                prop_assert_eq!(number, serde_json::from_str::<i64>(&text).unwrap());
            } else if let Ok(number) = serde_json::from_str::<i64>(&text) {
                prop_assert!(number.unsigned_abs() >= 10_u64.pow(17) || text == "-0", "{text}");
            }
        }
    }
}
