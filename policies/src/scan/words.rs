//! Keyword lists: tens of thousands of words by category, found in one pass.
//!
//! Words are matched on the folded text, without regard to ASCII case; a Latin word only as a whole word. Knows no
//! category's meaning. Each place is first looked up by a key, the hash of its first two characters or first letters:
//! nearly all places end there. Invariants: a place costs at most the longest word, whatever the words; the number of
//! words and their length are bounded; of words that begin together the longest counts, and findings do not overlap.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

mod key;

use super::fold;
use super::gate::{code_point, decode3};
use super::view::{ALNUM, is};
use key::{Entry, Key, PAIR, begins, head, letters};

/// Words of all lists together, at most.
pub const WORDS_MAX: usize = 200_000;
/// Bytes of one word, at most: what a stream may hold back for it.
pub const WORD_BYTES_MAX: usize = 192;
/// Buckets for each word, at least: so few places pass by chance.
const BUCKETS_PER_WORD: usize = 12;
/// Powers of two of buckets.
const BUCKET_BITS: std::ops::RangeInclusive<u32> = 10..=20;
/// So few words of one bucket are looked at one by one.
const FEW: usize = 6;

/// Why a list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WordError {
    /// More than [`WORDS_MAX`].
    TooMany,
    /// A word of more than [`WORD_BYTES_MAX`] bytes; its place in its category.
    TooLong {
        /// Which category.
        category: String,
        /// Which word of it, from 0.
        index: usize,
    },
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "more than {WORDS_MAX} words"),
            Self::TooLong { category, index } => {
                write!(
                    f,
                    "word {index} of {category} is longer than {WORD_BYTES_MAX} bytes"
                )
            }
        }
    }
}

impl std::error::Error for WordError {}

/// Keyword lists, ready to search.
pub(crate) struct Words {
    /// All words one behind another, by bucket, then in order.
    bytes: Vec<u8>,
    /// What is known of each.
    entries: Vec<Entry>,
    /// The first word of each bucket, and one more.
    buckets: Vec<u32>,
    /// One bit for each bucket with words in it.
    filled: Vec<u64>,
    /// Bits of a hash.
    bits: u32,
    /// One bit for each character of three bytes that begins a word of two or more such.
    openers: Vec<u64>,
    /// Whether any word begins with a Latin letter or digit, and with which.
    letters: Option<[bool; 256]>,
    /// ASCII signs that words begin with.
    signs: Option<[bool; 256]>,
    /// Whether a word begins otherwise: with a character that no other of three bytes follows.
    others: bool,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({})", self.entries.len())
    }
}

/// What stands at one place.
enum Place {
    /// This word, so long.
    Word(usize, usize),
    None,
    /// Text to come decides.
    Alive,
}

impl Words {
    /// From categories and their words. Empty words and repetitions are left out; words are folded as texts are.
    ///
    /// # Errors
    /// If a bound is passed.
    pub(crate) fn build<'w>(
        lists: impl IntoIterator<Item = (String, Vec<&'w str>)>,
    ) -> Result<Self, WordError> {
        let mut words: HashMap<String, u16> = HashMap::new();
        for (number, (category, list)) in (0u16..).zip(lists) {
            for (index, word) in list.into_iter().enumerate() {
                let word = fold::fold(word.trim(), 0, true).text.to_ascii_lowercase();
                if word.len() > WORD_BYTES_MAX {
                    return Err(WordError::TooLong { category, index });
                }
                if !word.is_empty() {
                    words.entry(word).or_insert(number);
                }
                if words.len() > WORDS_MAX {
                    return Err(WordError::TooMany);
                }
            }
        }
        let wanted = (words.len() * BUCKETS_PER_WORD).next_power_of_two();
        let bits = wanted
            .trailing_zeros()
            .clamp(*BUCKET_BITS.start(), *BUCKET_BITS.end());
        let mut words: Vec<(usize, String, u16)> = words
            .into_iter()
            .map(|(word, category)| (Key::of(&word).hash(bits), word, category))
            .collect();
        words.sort_unstable();
        Ok(Self::index(words, bits))
    }

    fn index(words: Vec<(usize, String, u16)>, bits: u32) -> Self {
        let size = 1usize << bits;
        let mut index = Self {
            bytes: Vec::new(),
            entries: Vec::new(),
            buckets: vec![0; size + 1],
            filled: vec![0; size / 64],
            bits,
            openers: vec![0; 0x1_0000 / 64],
            letters: None,
            signs: None,
            others: false,
        };
        for (bucket, word, category) in words {
            let entry = Entry::new(word.as_bytes(), index.bytes.len(), category);
            index.entries.push(entry);
            index.bytes.extend_from_slice(word.as_bytes());
            set_bit(&mut index.filled, bucket);
            // Counts first, sums below.
            if let Some(count) = index.buckets.get_mut(bucket + 1) {
                *count += 1;
            }
            let mark = |flags: &mut Option<[bool; 256]>, b: u8| {
                if let Some(flag) = flags.get_or_insert([false; 256]).get_mut(usize::from(b)) {
                    *flag = true;
                }
            };
            let first = word.as_bytes().first().copied().unwrap_or(0);
            match Key::of(&word) {
                Key::Pair(a, _) => set_bit(&mut index.openers, a as usize),
                Key::Single(_) => index.others = true,
                Key::Letters(_) => {
                    mark(&mut index.letters, first);
                    mark(&mut index.letters, first.to_ascii_uppercase());
                }
                Key::Sign(b) => mark(&mut index.signs, b),
            }
        }
        let mut sum = 0;
        for slot in &mut index.buckets {
            sum += *slot;
            *slot = sum;
        }
        index
    }

    /// Whether there is no word at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reports the words of the folded `text` that begin at `from` or later: category, start, end. If the text is not
    /// `finished`, only those that no text to come can change; returns from where on others may begin.
    pub(super) fn advance(
        &self,
        text: &str,
        from: usize,
        finished: bool,
        mut report: impl FnMut(usize, usize, usize),
    ) -> usize {
        let bytes = text.as_bytes();
        let mut at = from;
        while let Some(place) = self.next_place(bytes, at, finished) {
            match self.look(bytes, place, finished) {
                Place::Word(word, length) => {
                    let category = self.entries.get(word).map_or(0, |e| e.category);
                    at = place + length;
                    report(usize::from(category), place, at);
                }
                Place::None => at = place + width(bytes.get(place).copied().unwrap_or(0)),
                Place::Alive => return place,
            }
        }
        bytes.len()
    }

    /// The next place where a word may begin, by its key.
    #[inline]
    fn next_place(&self, bytes: &[u8], from: usize, finished: bool) -> Option<usize> {
        let mut at = from;
        while let Some(&b) = bytes.get(at) {
            match b {
                0xE0..=0xEF => match self.next_wide(bytes, at, finished) {
                    (true, place) => return Some(place),
                    (false, end) => at = end,
                },
                0x80.. => {
                    if self.others {
                        return Some(at);
                    }
                    at += width(b);
                }
                _ => match self.next_ascii(bytes, at) {
                    (true, place) => return Some(place),
                    (false, end) => at = end,
                },
            }
        }
        None
    }

    /// Goes along a row of characters of three bytes: to the next place where a word may begin, or to its end.
    #[inline]
    fn next_wide(&self, bytes: &[u8], from: usize, finished: bool) -> (bool, usize) {
        let shift = 32 - self.bits;
        let mut at = from;
        let mut code = decode3(bytes, at);
        for next in bytes.get(from + 3..).unwrap_or(&[]).chunks_exact(3) {
            let &[a @ 0xE0..=0xEF, b, c] = next else {
                break;
            };
            let next = code_point(a, b, c);
            let pair = (code << 16 | next).wrapping_mul(PAIR) >> shift;
            if bit(&self.filled, pair as usize) || self.others && self.has(Key::Single(code)) {
                return (true, at);
            }
            code = next;
            at += 3;
        }
        let open = !finished && at + 3 >= bytes.len() && bit(&self.openers, code as usize);
        let found = open || self.others && self.has(Key::Single(code));
        (found, if found { at } else { at + 3 })
    }

    /// Goes over ASCII text: to the next place where a word may begin, or to its end.
    #[inline]
    fn next_ascii(&self, bytes: &[u8], from: usize) -> (bool, usize) {
        let rest = bytes.get(from..).unwrap_or(&[]);
        if self.letters.is_none() && self.signs.is_none() {
            return (false, from + ascii_prefix(rest));
        }
        let flag = |flags: &Option<[bool; 256]>, b: u8| {
            flags
                .as_ref()
                .is_some_and(|flags| flags.get(usize::from(b)).copied().unwrap_or(false))
        };
        let mut before = from
            .checked_sub(1)
            .and_then(|i| bytes.get(i))
            .copied()
            .unwrap_or(0);
        for (i, &b) in rest.iter().enumerate() {
            if b >= 0x80 {
                return (false, from + i);
            }
            let found = if is(b, ALNUM) {
                !is(before, ALNUM) && flag(&self.letters, b)
            } else {
                flag(&self.signs, b)
            };
            if found {
                return (true, from + i);
            }
            before = b;
        }
        (false, bytes.len())
    }

    #[inline]
    fn has(&self, key: Key) -> bool {
        bit(&self.filled, key.hash(self.bits))
    }

    /// The longest word at a place.
    fn look(&self, bytes: &[u8], place: usize, finished: bool) -> Place {
        let rest = bytes.get(place..).unwrap_or(&[]);
        let first = rest.first().copied().unwrap_or(0);
        if first < 0x80 {
            if !is(first, ALNUM) {
                return self.longest(Key::Sign(first), rest, finished);
            }
            let (key, n) = letters(rest);
            if n == rest.len() && !finished {
                return Place::Alive;
            }
            return self.longest(Key::Letters(key), rest, finished);
        }
        if first & 0xF0 == 0xE0 {
            match rest.get(3) {
                None if !finished => return Place::Alive,
                Some(0xE0..=0xEF) => {
                    let key = Key::Pair(decode3(rest, 0), decode3(rest, 3));
                    match self.longest(key, rest, finished) {
                        Place::None => {}
                        found => return found,
                    }
                }
                _ => {}
            }
        }
        if !self.others {
            return Place::None;
        }
        let single = std::str::from_utf8(rest.get(..width(first)).unwrap_or(&[]))
            .ok()
            .and_then(|c| c.chars().next());
        match single {
            Some(c) => self.longest(Key::Single(u32::from(c)), rest, finished),
            None => Place::None,
        }
    }

    /// The longest word of a key's bucket that `rest` begins with.
    fn longest(&self, key: Key, rest: &[u8], finished: bool) -> Place {
        let bucket = key.hash(self.bits);
        let at = |i: usize| self.buckets.get(i).map_or(0, |&n| n as usize);
        let (mut low, mut high) = (at(bucket), at(bucket + 1));
        if high - low <= FEW {
            return self.longest_of_few(low..high, rest, finished);
        }
        let mut best = Place::None;
        let mut depth = 0;
        // All words from `low` to `high` begin with the first `depth` bytes of `rest`.
        while low < high {
            let here = rest.get(depth).copied();
            if self.length(low) == depth {
                let letter = depth
                    .checked_sub(1)
                    .and_then(|i| rest.get(i))
                    .is_some_and(|&b| is(b, ALNUM));
                match here {
                    // `ass` is not in `assembly`.
                    Some(b) if letter && is(b, ALNUM) => {}
                    None if letter && !finished => return Place::Alive,
                    _ => best = Place::Word(low, depth),
                }
                low += 1;
                continue;
            }
            let Some(b) = here else {
                return if finished { best } else { Place::Alive };
            };
            let b = b.to_ascii_lowercase();
            low += self.count(low, high, |word| self.byte(word, depth) < b);
            high = low + self.count(low, high, |word| self.byte(word, depth) == b);
            depth += 1;
        }
        best
    }

    /// The same for few words, one by one from the last: of those that fit it is the longest.
    fn longest_of_few(&self, words: Range<usize>, rest: &[u8], finished: bool) -> Place {
        let low = words.start;
        let entries = self.entries.get(words).unwrap_or(&[]);
        let first = head(rest);
        let mut best = Place::None;
        for (i, entry) in entries.iter().enumerate().rev() {
            let length = usize::from(entry.length);
            if rest.len() >= length && (first ^ entry.head) & entry.mask != 0 {
                continue;
            }
            let text = self.text(entry);
            let Some(here) = rest.get(..length) else {
                if !finished && begins(text, rest) {
                    return Place::Alive;
                }
                continue;
            };
            if !matches!(best, Place::None) || !begins(text, here) {
                continue;
            }
            let letter = text.last().is_some_and(|&b| is(b, ALNUM));
            match rest.get(length) {
                // `ass` is not in `assembly`.
                Some(&b) if letter && is(b, ALNUM) => {}
                None if letter && !finished => return Place::Alive,
                _ => best = Place::Word(low + i, length),
            }
        }
        best
    }

    fn text(&self, entry: &Entry) -> &[u8] {
        let start = entry.start as usize;
        self.bytes
            .get(start..start + usize::from(entry.length))
            .unwrap_or(&[])
    }

    fn length(&self, word: usize) -> usize {
        self.entries.get(word).map_or(0, |e| usize::from(e.length))
    }

    fn byte(&self, word: usize, depth: usize) -> u8 {
        let start = self.entries.get(word).map_or(0, |e| e.start as usize);
        self.bytes.get(start + depth).copied().unwrap_or(0)
    }

    /// How many of the words from `low` to `high` fulfil what the first of them do.
    fn count(&self, low: usize, high: usize, wanted: impl Fn(usize) -> bool) -> usize {
        let (mut from, mut to) = (low, high);
        while from < to {
            let middle = from + (to - from) / 2;
            if wanted(middle) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from - low
    }
}

/// How many bytes are ASCII, from the first on.
fn ascii_prefix(bytes: &[u8]) -> usize {
    let eights = bytes
        .chunks_exact(8)
        .take_while(|eight| head(eight) & 0x8080_8080_8080_8080 == 0)
        .count();
    let from = eights * 8;
    let rest = bytes.get(from..).unwrap_or(&[]);
    from + rest.iter().take_while(|&&b| b < 0x80).count()
}

#[inline]
fn bit(bits: &[u64], at: usize) -> bool {
    bits.get(at / 64)
        .is_some_and(|word| word >> (at % 64) & 1 == 1)
}

fn set_bit(bits: &mut [u64], at: usize) {
    if let Some(word) = bits.get_mut(at / 64) {
        *word |= 1 << (at % 64);
    }
}

/// The length of a character by its first byte.
#[inline]
fn width(first: u8) -> usize {
    match first {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests;
