//! The words themselves, by the hash of their keys: which of them stands at a place.
//!
//! Knows bytes and keys; no category's meaning. The words of one hash stand together. Invariants: of words that begin
//! together the longest counts; a place costs at most the longest word, whatever the words.

use std::ops::Range;

use super::key::{Key, head};
use super::marks::Marks;
use crate::scan::view::{ALNUM, is};

/// So few words of one hash are looked at one by one.
const FEW: usize = 6;
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

/// Words by the hash of their keys, of which there are `N`.
pub(super) struct Index<const N: usize> {
    /// What is known of each hash, and one more.
    slots: Vec<Slot>,
    /// What is known of each word, by hash, then in order.
    entries: Vec<Entry>,
    /// All words one behind another.
    bytes: Vec<u8>,
}

/// The words of one hash. Most often there is one: what is then asked is answered from one place in memory.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// The bytes of the word that is `alone`, its category and its length.
    head: u64,
    category: u16,
    length: u8,
    /// Whether there is but one word, of [`HEAD`] bytes at most, and without Latin letters and digits.
    alone: bool,
    /// The first of the words in `entries`; up to the first of the next hash.
    first: u32,
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
        let mut words: Vec<(usize, String, u16)> = words
            .into_iter()
            .map(|(word, category)| {
                let slot = Marks::<N>::slot(Key::of(word.as_bytes()));
                (slot, word, category)
            })
            .collect();
        words.sort_unstable();
        let mut index = Self {
            slots: vec![Slot::default(); N + 1],
            entries: Vec::with_capacity(words.len()),
            bytes: Vec::new(),
        };
        for (slot, word, category) in words {
            let entry = Entry::new(word.as_bytes(), index.bytes.len(), category);
            if let Some([slot, next]) = index.slots.get_mut(slot..slot + 2) {
                let short = word.len() <= HEAD && !word.bytes().any(|b| is(b, ALNUM));
                slot.head = entry.head;
                slot.category = category;
                slot.length = entry.length;
                slot.alone = short && next.first == 0;
                // Counts first, sums below.
                next.first += 1;
            }
            index.entries.push(entry);
            index.bytes.extend_from_slice(word.as_bytes());
        }
        let mut sum = 0;
        for slot in &mut index.slots {
            sum += slot.first;
            slot.first = sum;
        }
        index
    }

    /// How many words there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The longest word of a key that `rest` begins with; `slot`: where the key is.
    #[inline]
    pub(super) fn longest(&self, slot: usize, rest: &[u8], finished: bool) -> Place {
        let Some([slot, next]) = self.slots.get(slot..slot + 2) else {
            return Place::None;
        };
        if slot.alone
            && let Some(eight) = rest.first_chunk()
        {
            let differing = u64::from_le_bytes(*eight) ^ slot.head;
            let behind = u64::BITS - 8 * u32::from(slot.length);
            return if differing << (behind % u64::BITS) == 0 {
                Place::Word(slot.category, usize::from(slot.length))
            } else {
                Place::None
            };
        }
        if slot.first == next.first {
            return Place::None;
        }
        let words = slot.first as usize..next.first as usize;
        self.longest_of(words, rest, finished)
    }

    /// The same of these words. Not inlined, so that the way most places go is short.
    #[inline(never)]
    fn longest_of(&self, words: Range<usize>, rest: &[u8], finished: bool) -> Place {
        if words.len() > FEW {
            return self.longest_of_many(words, rest, finished);
        }
        let first = head(rest);
        // From the last: of those that fit it is the longest.
        for entry in self.entries.get(words).unwrap_or(&[]).iter().rev() {
            let length = usize::from(entry.length);
            let Some(here) = rest.get(..length) else {
                if !finished && self.begins(entry, rest) {
                    return Place::Alive;
                }
                continue;
            };
            if (first ^ entry.head) & entry.mask != 0 || length > HEAD && !self.begins(entry, here)
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

    /// Whether a word begins with `text`, which is not longer.
    fn begins(&self, entry: &Entry, text: &[u8]) -> bool {
        let start = entry.start as usize;
        self.bytes
            .get(start..start + text.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(text))
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

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
