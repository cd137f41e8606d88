//! The words themselves, by the hash of their keys: which of them stands at a place.
//!
//! Knows bytes and keys; no category's meaning. Most places have a hash that no word has, which one bit tells; the words
//! of some hashes stand together. Invariants: of words that begin
//! together the longest counts; a place costs at most the longest word, whatever the words.

use std::ops::Range;

use super::bits::Bits;
use super::key::{Key, head};
use crate::scan::view::{ALNUM, is};

/// So few words of one hash are looked at one by one.
const FEW: usize = 6;
/// The power of two of hashes whose words stand together: most have none.
const GROUP: u32 = 3;
/// Bytes of a word that are compared at once.
const HEAD: usize = 8;

/// What stands at one place.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// A word of this category, so long.
    Word(u16, usize),
    None,
    /// Text to come decides.
    Alive,
}

/// Words by the hash of their keys.
pub(super) struct Index<const N: usize> {
    /// One bit for each hash that words have.
    filled: Bits<N>,
    /// The first word of each [`GROUP`] of hashes, and one more.
    starts: Vec<u32>,
    /// What is known of each word, by hash, then in order.
    entries: Vec<Entry>,
    /// All words one behind another.
    bytes: Vec<u8>,
}

/// One word.
#[derive(Clone, Copy)]
struct Entry {
    /// Its first eight bytes, and their bits that count, which is all but the case of letters.
    head: u64,
    mask: u64,
    /// Where it begins in `bytes`.
    start: u32,
    category: u16,
    /// Bounded by [`super::WORD_BYTES_MAX`].
    length: u8,
    /// Whether it ends with a Latin letter or digit.
    letter: bool,
}

impl<const N: usize> Index<N> {
    /// Of words in lower case that are not empty, each once, with their categories.
    pub(super) fn new(words: impl IntoIterator<Item = (String, u16)>) -> Self {
        let mut words: Vec<(u64, String, u16)> = words
            .into_iter()
            .map(|(word, category)| (Key::of(word.as_bytes()).product(), word, category))
            .collect();
        words.sort_unstable_by(|(a, x, _), (b, y, _)| {
            (Self::group(*a), x).cmp(&(Self::group(*b), y))
        });
        let mut index = Self {
            filled: Bits::new(),
            starts: vec![0; (1 << (Bits::<N>::HASH - GROUP)) + 1],
            entries: Vec::with_capacity(words.len()),
            bytes: Vec::new(),
        };
        for (product, word, category) in words {
            index.filled.set(product);
            // Counts first, sums below.
            if let Some(count) = index.starts.get_mut(Self::group(product) + 1) {
                *count += 1;
            }
            let entry = Entry::new(word.as_bytes(), index.bytes.len(), category);
            index.entries.push(entry);
            index.bytes.extend_from_slice(word.as_bytes());
        }
        let mut sum = 0;
        for start in &mut index.starts {
            sum += *start;
            *start = sum;
        }
        index
    }

    /// How many words there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The longest word of a key that `rest` begins with.
    #[inline]
    pub(super) fn longest(&self, key: Key, rest: &[u8], finished: bool) -> Place {
        let product = key.product();
        if self.filled.has(product) {
            self.longest_of(Self::group(product), rest, finished)
        } else {
            Place::None
        }
    }

    /// The group of a product.
    #[inline]
    fn group(product: u64) -> usize {
        (product >> (u64::BITS - Bits::<N>::HASH + GROUP)) as usize
    }

    /// The same, of the words of a group.
    fn longest_of(&self, group: usize, rest: &[u8], finished: bool) -> Place {
        let words = match self.starts.get(group..group + 2) {
            Some(&[start, end]) => start as usize..end as usize,
            _ => 0..0,
        };
        if words.len() > FEW {
            return self.longest_of_many(words, rest, finished);
        }
        let first = head(rest);
        // From the last: of those that fit it is the longest.
        for entry in self.entries.get(words).unwrap_or(&[]).iter().rev() {
            let length = usize::from(entry.length);
            let Some(here) = rest.get(..length) else {
                if !finished && begins(self.text(entry), rest) {
                    return Place::Alive;
                }
                continue;
            };
            if (first ^ entry.head) & entry.mask != 0
                || length > HEAD && !self.text(entry).eq_ignore_ascii_case(here)
            {
                continue;
            }
            match rest.get(length) {
                // `ass` is not in `assembly`.
                Some(&b) if entry.letter && is(b, ALNUM) => {}
                None if entry.letter && !finished => return Place::Alive,
                _ => return Place::Word(entry.category, length),
            }
        }
        Place::None
    }

    /// The same for many words, which are told apart byte by byte.
    fn longest_of_many(&self, words: Range<usize>, rest: &[u8], finished: bool) -> Place {
        let (mut low, mut high) = (words.start, words.end);
        let mut best = Place::None;
        let mut depth = 0;
        // All words from `low` to `high` begin with the first `depth` bytes of `rest`.
        while low < high {
            let here = rest.get(depth).copied();
            if let Some(entry) = self.entries.get(low)
                && usize::from(entry.length) == depth
            {
                match here {
                    Some(b) if entry.letter && is(b, ALNUM) => {}
                    None if entry.letter && !finished => return Place::Alive,
                    _ => best = Place::Word(entry.category, depth),
                }
                low += 1;
                continue;
            }
            let Some(b) = here else {
                return if finished { best } else { Place::Alive };
            };
            let b = b.to_ascii_lowercase();
            low += self.count(low..high, |word| self.byte(word, depth) < b);
            high = low + self.count(low..high, |word| self.byte(word, depth) == b);
            depth += 1;
        }
        best
    }

    fn text(&self, entry: &Entry) -> &[u8] {
        let start = entry.start as usize;
        self.bytes
            .get(start..start + usize::from(entry.length))
            .unwrap_or(&[])
    }

    fn byte(&self, word: usize, depth: usize) -> u8 {
        let start = self.entries.get(word).map_or(0, |e| e.start as usize);
        self.bytes.get(start + depth).copied().unwrap_or(0)
    }

    /// How many of the words fulfil what the first of them do.
    fn count(&self, words: Range<usize>, wanted: impl Fn(usize) -> bool) -> usize {
        let (mut from, mut to) = (words.start, words.end);
        while from < to {
            let middle = from + (to - from) / 2;
            if wanted(middle) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from - words.start
    }
}

impl Entry {
    fn new(word: &[u8], start: usize, category: u16) -> Self {
        let mut mask = [0u8; HEAD];
        for (slot, b) in mask.iter_mut().zip(word) {
            *slot = if b.is_ascii_alphabetic() { !0x20 } else { 0xff };
        }
        Self {
            head: head(word),
            mask: u64::from_le_bytes(mask),
            start: number(start),
            category,
            length: u8::try_from(word.len()).unwrap_or(u8::MAX),
            letter: word.last().is_some_and(|&b| is(b, ALNUM)),
        }
    }
}

/// Whether `word`, which is in lower case, begins with `text`.
fn begins(word: &[u8], text: &[u8]) -> bool {
    word.get(..text.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(text))
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
