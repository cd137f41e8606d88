//! Keyword lists: tens of thousands of words by category, found in one pass.
//!
//! Words are matched on the folded text, without regard to ASCII case; a Latin word only as a whole word. Knows no
//! category's meaning, and not how words are told apart ([`lists`]). Invariants: the number of words and their length are
//! bounded; of words that begin together the longest counts, and findings do not overlap.

use std::collections::HashMap;
use std::fmt;

mod block;
mod index;
mod key;
mod lists;
mod marks;

use super::fold;
use lists::Lists;

/// Words of all lists together, at most.
pub const WORDS_MAX: usize = 200_000;
/// Bytes of one word, at most: what a stream may hold back for it.
pub const WORD_BYTES_MAX: usize = 192;
/// From so many words on they are not few; up to so many they are not many. There are ten hashes for each, or five, so
/// that few places pass by chance; more would not stay in the processor's caches.
const MORE: usize = 800;
const MIDDLING: usize = 13_000;

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
pub(crate) struct Words(Sized);

/// By how many words there are: what is looked up for each place is as large as it must be, and its size is known when
/// compiled.
enum Sized {
    Few(Lists<{ 1 << 13 }>),
    Middling(Lists<{ 1 << 16 }>),
    Many(Lists<{ 1 << 18 }>),
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({})", self.len())
    }
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
        Ok(Self(match words.len() {
            0..MORE => Sized::Few(Lists::new(words)),
            MORE..=MIDDLING => Sized::Middling(Lists::new(words)),
            _ => Sized::Many(Lists::new(words)),
        }))
    }

    fn len(&self) -> usize {
        match &self.0 {
            Sized::Few(lists) => lists.len(),
            Sized::Middling(lists) => lists.len(),
            Sized::Many(lists) => lists.len(),
        }
    }

    /// Whether there is no word at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reports the words of the folded `text` that begin at `from` or later: category, start, end. If the text is not
    /// `finished`, only those that no text to come can change; returns from where on others may begin.
    pub(super) fn advance(
        &self,
        text: &str,
        from: usize,
        finished: bool,
        report: impl FnMut(usize, usize, usize),
    ) -> usize {
        let bytes = text.as_bytes();
        match &self.0 {
            Sized::Few(lists) => lists.advance(bytes, from, finished, report),
            Sized::Middling(lists) => lists.advance(bytes, from, finished, report),
            Sized::Many(lists) => lists.advance(bytes, from, finished, report),
        }
    }
}

#[cfg(test)]
mod tests;
