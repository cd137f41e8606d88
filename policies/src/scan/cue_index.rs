//! The cue words, found from their ends.
//!
//! Knows how words are matched; not where a value's cue may stand, and no value. Invariant: of the words that end at a
//! place the longest counts.

use std::sync::LazyLock;

use super::cue_words::{CUES, Cue};
use super::gate::code_point;
use super::view::{ALNUM, DIGIT, LOWER, UPPER, class, is};

/// The words by how they end, since the nearest is looked for from the value back. Many end alike (…号码, …number), so
/// those that are long enough are told apart by more.
pub(super) struct Index {
    /// By the hash of the last three letters.
    latin: Lists,
    /// Of five letters and more: by the hash of the last five. The lists of three know that there are some.
    latin_long: Lists,
    /// By the hash of the last two characters.
    wide: Lists,
    /// Of three characters and more: by the hash of the last three. The lists of two know that there are some.
    wide_long: Lists,
    /// Words of one character.
    single: Vec<(char, Cue)>,
    /// A bit for each character that ends a word of another script: most characters end none.
    ends: Vec<u64>,
}

/// A cue word.
#[derive(Clone)]
struct Word {
    text: String,
    cue: Cue,
    /// How the text must have it.
    form: Form,
}

/// How a word may be written.
#[derive(Clone, Copy)]
enum Form {
    /// All letters Latin: in either case, with joints.
    Latin,
    /// In either case.
    Mixed,
    /// As it is: it has no Latin letter.
    Exact,
}

impl Word {
    fn new(text: String, cue: Cue) -> Self {
        let form = if text.is_ascii() {
            Form::Latin
        } else if text.bytes().any(|b| b.is_ascii_alphabetic()) {
            Form::Mixed
        } else {
            Form::Exact
        };
        Self { text, cue, form }
    }

    /// Whether the text ends with the word.
    #[inline]
    fn ends(&self, text: &[u8]) -> bool {
        let word = self.text.as_bytes();
        match self.form {
            Form::Latin => ends_with(text, word),
            Form::Mixed => {
                let n = text.len().wrapping_sub(word.len());
                let tail = text.get(n..);
                tail.is_some_and(|tail| tail.eq_ignore_ascii_case(word))
            }
            Form::Exact => {
                let n = text.len().wrapping_sub(word.len());
                let tail = text.get(n..).unwrap_or(&[]);
                // Words of one list end alike: their beginnings tell them apart.
                tail.first_chunk() == word.first_chunk::<3>() && tail == word
            }
        }
    }
}

/// Lists of words by a hash, the longest first; and a bit for each longer hash that has any, since most have none.
struct Lists {
    lists: Vec<Vec<Word>>,
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
        self.mark(hash);
        let list = hash >> (u32::BITS - LIST_BITS);
        if let Some(list) = self.lists.get_mut(list as usize) {
            list.push(Word::new(word, cue));
        }
    }

    /// Notes that there are words of this hash, here or in the lists of longer ones.
    fn mark(&mut self, hash: u32) {
        let bit = hash >> (u32::BITS - ANY_BITS);
        if let Some(bits) = self.any.get_mut(bit as usize >> 6) {
            *bits |= 1 << (bit & 63);
        }
    }

    /// Whether there may be words of this hash, here or in the lists of longer ones.
    #[inline]
    fn any(&self, hash: u32) -> bool {
        let bit = hash >> (u32::BITS - ANY_BITS);
        self.any
            .get(bit as usize >> 6)
            .is_some_and(|bits| bits >> (bit & 63) & 1 != 0)
    }

    /// The words of this hash, and some others.
    #[inline]
    fn of(&self, hash: u32) -> &[Word] {
        if !self.any(hash) {
            return &[];
        }
        let list = hash >> (u32::BITS - LIST_BITS);
        self.lists.get(list as usize).map_or(&[], Vec::as_slice)
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
fn latin_hash([a, b, c]: [u8; 3]) -> u32 {
    let letter = |letter: u8| u32::from(letter | 0x20);
    (letter(a) << 16 | letter(b) << 8 | letter(c)).wrapping_mul(0x9E37_79B1)
}

/// The hash of words that end with `third` and what has the hash `two`.
#[inline]
fn wide_long_hash(third: char, two: u32) -> u32 {
    (u32::from(third) ^ two.rotate_left(15)).wrapping_mul(0xC2B2_AE35)
}

/// The hash of words that end with these five letters, the last first.
#[inline]
fn latin_long_hash([a, b, c, d, e]: [u8; 5]) -> u32 {
    let more = u32::from(d | 0x20) << 8 | u32::from(e | 0x20);
    (more ^ latin_hash([a, b, c]).rotate_left(15)).wrapping_mul(0xC2B2_AE35)
}

pub(super) static INDEX: LazyLock<Index> = LazyLock::new(|| {
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
    let mut index = Index {
        latin: Lists::new(),
        latin_long: Lists::new(),
        wide: Lists::new(),
        wide_long: Lists::new(),
        single: Vec::new(),
        ends: vec![0; 1 << u16::BITS >> 6],
    };
    for (word, cue) in words {
        index.add(word, cue);
    }
    index
});

impl Index {
    fn add(&mut self, word: String, cue: Cue) {
        let ascii = word.is_ascii();
        match *word.as_bytes() {
            [.., e, d, c, b, a @ (b'a'..=b'z' | b'0'..=b'9')] if ascii => {
                self.latin.mark(latin_hash([a, b, c]));
                let hash = latin_long_hash([a, b, c, d, e]);
                return self.latin_long.add(hash, word, cue);
            }
            [.., c, b, a @ (b'a'..=b'z' | b'0'..=b'9')] if ascii => {
                return self.latin.add(latin_hash([a, b, c]), word, cue);
            }
            [.., b, a @ (b'a'..=b'z' | b'0'..=b'9')] => {
                return self.latin.add(latin_hash([a, b, 0]), word, cue);
            }
            _ => {}
        }
        let mut ends = word.chars().rev().map(|c| c.to_ascii_lowercase());
        let last = ends.next().unwrap_or('\0');
        // Chinese, kana, hangul, hearts; not the signs between them.
        if matches!(last, '\u{2000}'..='\u{2fff}' | '\u{3040}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}')
            && let Some(bits) = self.ends.get_mut(last as usize >> 6)
        {
            *bits |= 1 << (u32::from(last) & 63);
        }
        match (ends.next(), ends.next()) {
            (Some(before), Some(third)) => {
                let two = wide_hash(before, last);
                self.wide.mark(two);
                self.wide_long.add(wide_long_hash(third, two), word, cue);
            }
            (Some(before), None) => self.wide.add(wide_hash(before, last), word, cue),
            (None, _) => self.single.push((last, cue)),
        }
    }

    /// The cue that ends last in the text, the longest of those that end together, and where it ends.
    pub(super) fn last(&self, text: &str) -> Option<(Cue, usize)> {
        const LETTERS: u8 = LOWER | UPPER;
        let bytes = text.as_bytes();
        let mut end = bytes.len();
        // The classes of the bytes at `end` and behind it, and whether the first is an s.
        let (mut next, mut second, mut s) = (0, 0, false);
        loop {
            let head = bytes.get(..end)?;
            let &b = head.last()?;
            if b >= 0x80 {
                let c = last_char(text, end)?;
                if self.may_end(c)
                    && let Some(cue) = self.wide_at(text, end, c)
                {
                    return Some((cue, end));
                }
                (next, second) = (0, 0);
                end -= c.len_utf8();
                continue;
            }
            let class = class(b);
            // A Latin word ends at a border, a hump, or a plural's s.
            if class & ALNUM != 0
                && (next & LETTERS == 0
                    || class & LOWER != 0 && next & UPPER != 0
                    || s && second & LETTERS == 0)
                && let Some(cue) = self.latin_at(head)
            {
                return Some((cue, end));
            }
            (second, next, s) = (next, class, b == b's');
            end -= 1;
        }
    }

    /// Whether a word that does not end with a Latin letter may end with this character.
    #[inline]
    fn may_end(&self, c: char) -> bool {
        let bits = self.ends.get(c as usize >> 6);
        bits.is_some_and(|bits| bits >> (u32::from(c) & 63) & 1 != 0)
    }

    /// The longest cue that ends the text, where a Latin word may end.
    fn latin_at(&self, text: &[u8]) -> Option<Cue> {
        let [last, before, third] = last_letters(text);
        let three = latin_hash([last, before, third]);
        let long = || {
            let five = latin_long_hash(last_letters(text));
            find(self.latin_long.of(five), text).or_else(|| find(self.latin.of(three), text))
        };
        let found = if self.latin.any(three) { long() } else { None };
        found.or_else(|| find(self.latin.of(latin_hash([last, before, 0])), text))
    }

    /// The longest cue that ends at `end` of the text with the character `last`.
    fn wide_at(&self, text: &str, end: usize, last: char) -> Option<Cue> {
        let bytes = text.as_bytes().get(..end)?;
        let before = end - last.len_utf8();
        let second = last_char(text, before).unwrap_or('\0').to_ascii_lowercase();
        let two = wide_hash(second, last);
        let long = || {
            let third = last_char(text, before.saturating_sub(second.len_utf8()));
            let third = third.unwrap_or('\0').to_ascii_lowercase();
            let three = wide_long_hash(third, two);
            find(self.wide_long.of(three), bytes).or_else(|| find(self.wide.of(two), bytes))
        };
        let found = if self.wide.any(two) { long() } else { None };
        found.or_else(|| {
            let mut single = self.single.iter();
            single.find(|(c, _)| *c == last).map(|&(_, cue)| cue)
        })
    }
}

/// The character that ends at `end`.
#[inline]
fn last_char(text: &str, end: usize) -> Option<char> {
    let head = text.as_bytes().get(..end)?;
    match *head {
        [.., a] if a < 0x80 => Some(char::from(a)),
        [.., a @ 0xE0..=0xEF, b, c] => char::from_u32(code_point(a, b, c)),
        _ => text.get(..end)?.chars().next_back(),
    }
}

/// The last letters of the text, the last first; `Q Q`, `i_d`: joints are left out, 0 where there is none.
#[inline]
fn last_letters<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut letters = [0; N];
    let mut rest = bytes;
    for (i, slot) in letters.iter_mut().enumerate() {
        while i > 0
            && let [head @ .., b'_' | b'-' | b' ' | b'.'] = rest
        {
            rest = head;
        }
        let [head @ .., last] = rest else {
            break;
        };
        *slot = *last;
        rest = head;
    }
    letters
}

/// The first word of the list that the text ends with.
#[inline]
fn find(list: &[Word], text: &[u8]) -> Option<Cue> {
    let found = list.iter().find(|word| word.ends(text));
    found.map(|word| word.cue)
}

/// Whether the text ends with the Latin word, in either case; joints are left out, and no letter stands before.
fn ends_with(text: &[u8], word: &[u8]) -> bool {
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
