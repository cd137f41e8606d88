//! Keyword lists: tens of thousands of words by category, found in one pass.
//!
//! Words are matched on the folded text, without regard to ASCII case; a Latin word only as a whole word. Knows no
//! category's meaning. Invariants: time is linear in the text, whatever the words; the number of words and their length
//! are bounded; of words that begin together the longest counts, and findings do not overlap.

use std::collections::HashSet;
use std::fmt;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::fold;
use super::view::{ALNUM, is};

/// Words of all lists together, at most.
pub const WORDS_MAX: usize = 200_000;
/// Bytes of one word, at most: what a stream may hold back for it.
pub const WORD_BYTES_MAX: usize = 192;

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
    /// The automaton would be too large.
    TooLarge,
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
            Self::TooLarge => f.write_str("the words make too large an automaton"),
        }
    }
}

impl std::error::Error for WordError {}

/// A word that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordHit {
    /// Which category: its position when the lists were built.
    pub category: usize,
    /// Where it begins, in bytes of the text as given.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
}

/// Keyword lists, ready to search.
pub struct Words {
    automaton: AhoCorasick,
    /// By pattern: its category, and whether it begins and ends with a letter or digit.
    patterns: Vec<(u32, bool, bool)>,
    categories: Vec<String>,
    /// Hashes of all proper prefixes: what a stream waits for.
    prefixes: HashSet<u64>,
    longest: usize,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Words({} of {} categories)",
            self.patterns.len(),
            self.categories.len()
        )
    }
}

impl Words {
    /// From categories and their words. Empty words and repetitions are left out; words are folded as texts are.
    ///
    /// # Errors
    /// If a bound is passed.
    pub fn build<'w>(
        lists: impl IntoIterator<Item = (String, Vec<&'w str>)>,
    ) -> Result<Self, WordError> {
        let (mut words, mut patterns, mut categories) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for (category, list) in lists {
            let number = u32::try_from(categories.len()).unwrap_or(u32::MAX);
            for (index, word) in list.into_iter().enumerate() {
                let word = fold::fold(word.trim(), 0, true).text.to_ascii_lowercase();
                if word.len() > WORD_BYTES_MAX {
                    return Err(WordError::TooLong { category, index });
                }
                if word.is_empty() || !seen.insert(word.clone()) {
                    continue;
                }
                let edge = |b: Option<u8>| b.is_some_and(|b| is(b, ALNUM));
                patterns.push((
                    number,
                    edge(word.bytes().next()),
                    edge(word.bytes().next_back()),
                ));
                words.push(word);
                if words.len() > WORDS_MAX {
                    return Err(WordError::TooMany);
                }
            }
            categories.push(category);
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&words)
            .map_err(|_| WordError::TooLarge)?;
        let prefixes = words
            .iter()
            .flat_map(|word| {
                word.char_indices()
                    .skip(1)
                    .map(|(i, _)| hash(word.as_bytes().get(..i).unwrap_or(&[])))
            })
            .collect();
        let longest = words.iter().map(String::len).max().unwrap_or(0);
        Ok(Self {
            automaton,
            patterns,
            categories,
            prefixes,
            longest,
        })
    }

    /// The name of a category.
    #[must_use]
    pub fn category(&self, number: usize) -> Option<&str> {
        self.categories.get(number).map(String::as_str)
    }

    /// Whether there is no word at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
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
        let mut upto = if finished {
            text.len()
        } else {
            self.alive_from(text, from)
        };
        self.search(text, from, |category, start, end| {
            if start < upto {
                upto = upto.max(end);
                report(category, start, end);
            }
        });
        upto
    }

    /// The words in `text`, in order and disjoint.
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<WordHit> {
        let mut hits = Vec::new();
        if fold::is_plain(text) {
            self.search(text, 0, |category, start, end| {
                hits.push(WordHit {
                    category,
                    start,
                    end,
                })
            });
        } else {
            let folded = fold::fold(text, 0, true);
            self.search(&folded.text, 0, |category, start, end| {
                hits.push(WordHit {
                    category,
                    start: folded.map.start(start),
                    end: folded.map.end(end),
                });
            });
        }
        hits
    }

    fn search(&self, text: &str, from: usize, mut report: impl FnMut(usize, usize, usize)) {
        let Some(rest) = text.get(from..) else { return };
        for found in self.automaton.find_iter(rest) {
            let (start, end) = (from + found.start(), from + found.end());
            let Some(&(category, first, last)) = self.patterns.get(found.pattern().as_usize())
            else {
                continue;
            };
            let byte =
                |i: Option<usize>| i.and_then(|i| text.as_bytes().get(i)).copied().unwrap_or(0);
            // `ass` is not in `class`.
            if first && is(byte(start.checked_sub(1)), ALNUM) || last && is(byte(Some(end)), ALNUM)
            {
                continue;
            }
            report(category as usize, start, end);
        }
    }

    /// From here on a word may still begin or grow, if more text comes: up to here `text` is decided. `from`: where the
    /// search last stood.
    #[must_use]
    pub fn alive_from(&self, text: &str, from: usize) -> usize {
        let lower = text.to_ascii_lowercase();
        let earliest = text.len().saturating_sub(self.longest + 1).max(from);
        (earliest..text.len())
            .filter(|&i| text.is_char_boundary(i))
            .find(|&i| {
                let tail = lower.as_bytes().get(i..).unwrap_or(&[]);
                // A Latin word at the end is only one if nothing grows on it.
                self.prefixes.contains(&hash(tail)) || self.whole(tail)
            })
            .unwrap_or(text.len())
    }

    fn whole(&self, tail: &[u8]) -> bool {
        tail.last().is_some_and(|&b| is(b, ALNUM))
            && self
                .automaton
                .find(tail)
                .is_some_and(|m| m.start() == 0 && m.end() == tail.len())
    }
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        Words::build([
            ("gambling".to_owned(), vec!["赌博", "赌博网站", "casino"]),
            ("drugs".to_owned(), vec!["毒品", "ass"]),
        ])
        .unwrap()
    }

    #[test]
    fn words_are_found_folded_and_whole() {
        let found = |text: &str| -> Vec<(String, String)> {
            let words = words();
            words
                .scan(text)
                .iter()
                .map(|h| {
                    (
                        words.category(h.category).unwrap().to_owned(),
                        text[h.start..h.end].to_owned(),
                    )
                })
                .collect()
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(found("这个赌博网站"), [pair("gambling", "赌博网站")]);
        assert_eq!(
            found("赌\u{200b}博和毒品"),
            [pair("gambling", "赌\u{200b}博"), pair("drugs", "毒品")]
        );
        assert_eq!(
            found("the ＣＡＳＩＮＯ, a class"),
            [pair("gambling", "ＣＡＳＩＮＯ")]
        );
        assert_eq!(found("一切正常"), []);
    }

    #[test]
    fn a_stream_waits_for_what_may_become_a_word() {
        let words = words();
        for (text, alive) in [
            ("这个赌", 6),
            ("这个赌博", 6),
            ("好的", 6),
            ("a cas", 2),
            ("毒品", 6),
            ("x casino", 2),
        ] {
            assert_eq!(words.alive_from(text, 0), alive, "{text}");
        }
    }

    #[test]
    fn bounds_are_kept() {
        let long = "长".repeat(100);
        let error = Words::build([("c".to_owned(), vec!["ok", long.as_str()])]).unwrap_err();
        assert_eq!(
            error,
            WordError::TooLong {
                category: "c".to_owned(),
                index: 1
            }
        );
    }
}
