//! Words, found in one pass: where in a text they may begin, and which stand there.
//!
//! Knows characters and their keys ([`super::key`]), no category's meaning. Several places are looked up at once, by
//! their first two characters or first letters: nearly all end there. Invariant: a place costs at most the longest
//! word, whatever the words.

use std::collections::HashMap;

use super::block::{self, Latin, STARTS};
use super::index::{Index, Place};
use super::key::{KEY_LETTERS, Key, first_letters, head, wide, wide_behind, width};
use super::marks::{Marks, ROW};
use crate::scan::gate::decode3;
use crate::scan::view::{ALNUM, is};

/// All words, with what says where they may begin, by one of `N` hashes.
pub(super) struct Lists<const N: usize> {
    index: Index<N>,
    /// How words begin.
    marks: Marks<N>,
    /// Whether any word begins with a single character above ASCII that no other of three bytes follows.
    singles: bool,
    /// For each character of three bytes, whether a word of two or more such begins with it.
    openers: Vec<bool>,
    /// With which two a word of three or more such begins, in order.
    triples: Vec<[u8; 6]>,
    /// With which Latin letters and digits words begin, if any does.
    letters: Option<Flags>,
    /// ASCII signs that words begin with, if any does.
    signs: Option<Flags>,
}

/// Bytes of three characters of three.
const TRIPLE: usize = 9;

/// One for each byte.
type Flags = Box<[bool; 256]>;

/// Where to go on, or the place that hangs on text to come.
type Went = Result<usize, usize>;

impl<const N: usize> Lists<N> {
    /// Of words in lower case that are not empty, with their categories.
    pub(super) fn new(words: HashMap<String, u16>) -> Self {
        let mut openers = vec![false; 0x1_0000];
        let mut marks = Marks::new();
        let mut triples = Vec::new();
        let mut singles = false;
        let (mut letters, mut signs) = (None, None);
        let mark = |flags: &mut Option<Flags>, b: u8| {
            let flags = flags.get_or_insert_with(|| Box::new([false; 256]));
            if let Some(flag) = flags.get_mut(usize::from(b)) {
                *flag = true;
            }
        };
        for word in words.keys().map(String::as_bytes) {
            let first = word.first().copied().unwrap_or(0);
            let key = Key::of(word);
            marks.set(word);
            if let Key::Pair(_) | Key::Triple(_) = key
                && let Some(opens) = openers.get_mut(decode3(word, 0) as usize)
            {
                *opens = true;
            }
            match key {
                Key::Pair(_) => {}
                Key::Triple(_) => triples.extend(word.first_chunk::<6>()),
                Key::Single(..) => singles = true,
                Key::Letters(_) => {
                    mark(&mut letters, first);
                    mark(&mut letters, first.to_ascii_uppercase());
                }
                Key::Sign(b) => mark(&mut signs, b),
            }
        }
        triples.sort_unstable();
        triples.dedup();
        Self {
            index: Index::new(words),
            marks,
            singles,
            openers,
            triples,
            letters,
            signs,
        }
    }

    /// How many words there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Reports the words of the folded `text` that begin at `from` or later: category, start, end. If the text is not
    /// `finished`, only those that no text to come can change; returns from where on others may begin.
    pub(super) fn advance(
        &self,
        bytes: &[u8],
        from: usize,
        finished: bool,
        mut report: impl FnMut(usize, usize, usize),
    ) -> usize {
        let mut at = from;
        while let Some(&b) = bytes.get(at) {
            let went = match b {
                0xE0..=0xEF => self.wide(bytes, at, finished, &mut report),
                0x80.. => self.other(bytes, at, finished, &mut report),
                _ => self.latin(bytes, at, finished, &mut report),
            };
            match went {
                Ok(next) => at = next,
                Err(place) => return place,
            }
        }
        bytes.len()
    }

    /// Goes along a row of characters of three bytes.
    #[inline]
    fn wide(
        &self,
        bytes: &[u8],
        from: usize,
        finished: bool,
        report: &mut impl FnMut(usize, usize, usize),
    ) -> Went {
        let mut at = from;
        loop {
            let mut row = self.marks.row(bytes, at, self.singles);
            let mut end = at + 3 * row.n;
            if end >= bytes.len() && !finished {
                // Anything may follow the last two.
                let last = 3 << row.n >> 2;
                row.keys |= last;
                row.triples |= last;
            }
            let mut left = row.keys | row.triples;
            while left != 0 {
                let i = left.trailing_zeros();
                let place = at + 3 * i as usize;
                let [key, triple] = [row.keys, row.triples].map(|mask| mask >> i & 1 == 1);
                left &= left - 1;
                let rest = bytes.get(place..).unwrap_or(&[]);
                match self.look_wide(rest, key, triple, finished) {
                    Place::Word(category, length) => {
                        let behind = place + length;
                        report(usize::from(category), place, behind);
                        if behind >= end {
                            end = behind;
                            break;
                        }
                        left &= !0 << ((behind - at) / 3);
                    }
                    Place::None => {}
                    Place::Alive => return Err(place),
                }
            }
            at = end;
            if row.n < ROW || !wide(bytes, at) {
                return Ok(at);
            }
        }
    }

    /// The longest word that begins with the character of three bytes with which `rest` does. `triple`: it may have three
    /// of them or more; `key`: fewer.
    #[inline]
    fn look_wide(&self, rest: &[u8], key: bool, triple: bool, finished: bool) -> Place {
        let head = head(rest);
        let longest = |by| self.index.longest(Marks::<N>::slot(by), rest, finished);
        if triple && wide_behind(head, 2) {
            match longest(Key::Triple(head)) {
                // A shorter one stands there by chance: a longer may stand where it belongs.
                Place::None | Place::Word(_, ..TRIPLE) => {}
                found => return found,
            }
        } else if !finished && self.may_go_on(rest) {
            return Place::Alive;
        }
        if key && wide_behind(head, 1) {
            match longest(Key::Pair(head)) {
                Place::None => {}
                found => return found,
            }
        }
        if key && self.singles {
            return longest(Key::Single(head, 3));
        }
        Place::None
    }

    /// Whether `rest` is one character of three bytes or two that begin a longer word.
    fn may_go_on(&self, rest: &[u8]) -> bool {
        match rest.len() {
            3 => self.openers.get(decode3(rest, 0) as usize) == Some(&true),
            6 => {
                let found = self
                    .triples
                    .binary_search_by(|pair| pair.as_slice().cmp(rest));
                found.is_ok()
            }
            _ => false,
        }
    }

    /// Looks at a character of two bytes or four.
    fn other(
        &self,
        bytes: &[u8],
        at: usize,
        finished: bool,
        report: &mut impl FnMut(usize, usize, usize),
    ) -> Went {
        let rest = bytes.get(at..).unwrap_or(&[]);
        let width = width(rest.first().copied().unwrap_or(0));
        let key = Key::Single(head(rest), width);
        match self.look(key, rest, finished) {
            Place::Word(category, length) => {
                report(usize::from(category), at, at + length);
                Ok(at + length)
            }
            Place::None => Ok(at + width),
            Place::Alive => Err(at),
        }
    }

    /// The longest word of a key that `rest` begins with.
    #[inline]
    fn look(&self, key: Key, rest: &[u8], finished: bool) -> Place {
        if self.marks.has(key) {
            self.index.longest(Marks::<N>::slot(key), rest, finished)
        } else {
            Place::None
        }
    }

    /// Goes over ASCII text.
    #[inline]
    fn latin(
        &self,
        bytes: &[u8],
        from: usize,
        finished: bool,
        report: &mut impl FnMut(usize, usize, usize),
    ) -> Went {
        if self.letters.is_none() && self.signs.is_none() {
            return Ok(from + ascii_prefix(bytes.get(from..).unwrap_or(&[])));
        }
        // Spaces are many, and rarely does a word begin with one.
        let (signs, spaced) = match self.signs.as_deref() {
            Some(flags) => (!0, if flag(flags, b' ') { !0 } else { 0 }),
            None => (0, 0),
        };
        let mut at = from;
        loop {
            let mut padded = None;
            let block = block::read(bytes, at, &mut padded);
            let Latin {
                alnum,
                spaces,
                high,
            } = Latin::of(block);
            let before = at.checked_sub(1).and_then(|i| bytes.get(i));
            let inside = before.is_some_and(|&b| is(b, ALNUM));
            let ends = high.trailing_zeros() as usize;
            let n = ends.min(STARTS).min(bytes.len() - at);
            let starts = alnum & !(alnum << 1 | u32::from(inside));
            let signs = !alnum & (signs & !spaces | spaced & spaces);
            let mut left = (starts | signs) & ((1 << n) - 1);
            let mut end = at + n;
            while left != 0 {
                let i = left.trailing_zeros();
                left &= left - 1;
                let place = at + i as usize;
                let letters = (alnum >> i).trailing_ones() as usize;
                let rest = bytes.get(place..).unwrap_or(&[]);
                match self.look_latin(rest, letters.min(KEY_LETTERS), finished) {
                    Place::Word(category, length) => {
                        end = place + length;
                        report(usize::from(category), place, end);
                        break;
                    }
                    Place::None => {}
                    Place::Alive => return Err(place),
                }
            }
            at = end;
            if bytes.get(at).is_none_or(|&b| b >= 0x80) {
                return Ok(at);
            }
        }
    }

    /// The longest word that begins with so many letters and digits with which `rest` does, or with a sign.
    #[inline]
    fn look_latin(&self, rest: &[u8], letters: usize, finished: bool) -> Place {
        let first = rest.first().copied().unwrap_or(0);
        let marked = |flags: &Option<Flags>| flags.as_ref().is_some_and(|flags| flag(flags, first));
        if letters == 0 {
            return if marked(&self.signs) {
                self.look(Key::Sign(first), rest, finished)
            } else {
                Place::None
            };
        }
        if letters == rest.len() && !finished {
            return if marked(&self.letters) {
                Place::Alive
            } else {
                Place::None
            };
        }
        let key = Key::Letters(first_letters(rest, letters));
        self.look(key, rest, finished)
    }
}

fn flag(flags: &[bool; 256], b: u8) -> bool {
    flags.get(usize::from(b)).copied().unwrap_or(false)
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
