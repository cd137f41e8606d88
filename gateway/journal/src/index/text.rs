//! The texts of rows: how they are compared, and the terms under which the index finds them.
//!
//! A text is found by any part of it, however short and in any script, whatever the case of its letters: one character,
//! two that follow each other, and three where all are ASCII, are terms. What has more different terms than `GRAMS_MAX` is
//! remembered as a long text, which every search looks at.
//!
//! Must never keep a text. Invariants: if `contains` finds a text in a row, the row has all terms of that text or is long.

use std::collections::HashSet;

use super::hash;
use crate::row::Row;

/// Most different terms of one row's texts; some 40,000 Chinese characters of prose.
const GRAMS_MAX: usize = 30_000;

/// Gives the texts of a row's redacted bodies. The journal's files have them, and who can read those knows how.
pub trait Bodies: Send + Sync {
    /// Calls `take` with the texts of the bodies of this row, each whole; stops when it says `false`.
    /// What is gone (erased, removed by retention) has no text. `false` if something cannot be read now and perhaps later:
    /// the row is then looked at by every search.
    fn each_text(&self, row: &Row, take: &mut dyn FnMut(&str) -> bool) -> bool;

    /// Whether rows that name no body may have texts all the same: then every row is asked for.
    fn made_up(&self) -> bool {
        false
    }

    /// Lets go of what it remembers: something was erased.
    fn forget(&self) {}
}

/// No bodies are kept, or none may be read.
#[derive(Debug, Clone, Copy)]
pub struct NoBodies;

impl Bodies for NoBodies {
    fn each_text(&self, _: &Row, _: &mut dyn FnMut(&str) -> bool) -> bool {
        true
    }
}

/// In lower case, as texts are compared.
pub(super) fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether each of `texts` (in lower case) is in one of the row's.
pub(super) fn contains(row: &Row, bodies: &dyn Bodies, texts: &[String]) -> bool {
    let mut missing: Vec<&str> = texts.iter().map(String::as_str).collect();
    each_text(row, bodies, &mut |text| {
        let text = lower(text);
        missing.retain(|wanted| !text.contains(wanted));
        !missing.is_empty()
    });
    missing.is_empty()
}

fn each_text(row: &Row, bodies: &dyn Bodies, take: &mut dyn FnMut(&str) -> bool) -> bool {
    let more = [&row.detail, &row.reason]
        .into_iter()
        .filter(|text| !text.is_empty())
        .all(|text| take(text));
    !more || bodies.each_text(row, take)
}

/// What a row's texts are found by.
#[derive(Debug, Default)]
pub(super) struct Grams {
    seen: HashSet<u64, Plain>,
}

/// The terms are hashes already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plain(u64);

impl std::hash::Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        // The table takes its control bits from the top, which a 48-bit hash leaves empty.
        self.0 = hash ^ hash << 16;
    }
}

impl std::hash::BuildHasher for Plain {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Grams {
    /// Looks at a row's texts; `None` if they are long or cannot be read, else their terms.
    pub(super) fn of_row(
        &mut self,
        row: &Row,
        bodies: &dyn Bodies,
    ) -> Option<impl Iterator<Item = u64>> {
        self.seen.clear();
        let mut long = false;
        let whole = each_text(row, bodies, &mut |text| {
            each_gram(text.chars().flat_map(char::to_lowercase), |gram| {
                self.seen.insert(gram);
                long = self.seen.len() > GRAMS_MAX;
                !long
            });
            !long
        });
        (whole && !long).then(|| self.seen.iter().copied())
    }
}

/// The terms that a row with this text (in lower case) must have: the most telling ones.
pub(super) fn wanted(text: &str) -> Vec<u64> {
    let mut chars = text.chars();
    let (first, second) = (chars.next(), chars.next());
    let (Some(first), Some(_)) = (first, second) else {
        return first
            .map(|one| hash::gram(one, '\0', '\0'))
            .into_iter()
            .collect();
    };
    let mut grams = Vec::new();
    let mut last = ['\0', first];
    for next in text.chars().skip(1) {
        let [before, middle] = last;
        if before != '\0' && [before, middle, next].iter().all(char::is_ascii) {
            grams.push(hash::gram(before, middle, next));
        } else if middle != '\0' && !(text.is_ascii() && text.len() > 2) {
            // Of plain ASCII the threes say it all. NUL stands for no character: `each_gram` makes no pair with it.
            grams.push(hash::gram(middle, next, '\0'));
        }
        last = [middle, next];
    }
    grams.sort_unstable();
    grams.dedup();
    grams
}

/// Calls `take` with the terms of a text until it says `false`.
fn each_gram(chars: impl Iterator<Item = char>, mut take: impl FnMut(u64) -> bool) {
    let (mut before, mut middle) = ('\0', '\0');
    for next in chars {
        let mut more = take(hash::gram(next, '\0', '\0'));
        if more && middle != '\0' {
            more = take(hash::gram(middle, next, '\0'));
        }
        if more && before != '\0' && [before, middle, next].iter().all(char::is_ascii) {
            more = take(hash::gram(before, middle, next));
        }
        if !more {
            return;
        }
        (before, middle) = (middle, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct One(String);

    impl Bodies for One {
        fn made_up(&self) -> bool {
            true
        }

        fn each_text(&self, _: &Row, take: &mut dyn FnMut(&str) -> bool) -> bool {
            take(&self.0);
            true
        }
    }

    proptest! {
        /// Every part of a text is found by its terms.
        #[test]
        fn parts_have_their_terms(text in "[a-cA-C身份证号 \u{0}İß]{1,24}", from in 0usize..24, len in 1usize..6) {
            let part: String = text.chars().skip(from).take(len).collect();
            prop_assume!(!part.is_empty());
            let part = lower(&part);
            let bodies = One(text.clone());
            prop_assert!(contains(&Row::default(), &bodies, std::slice::from_ref(&part)));
            let mut grams = Grams::default();
            let terms: Vec<u64> = grams.of_row(&Row::default(), &bodies).unwrap().collect();
            for gram in wanted(&part) {
                prop_assert!(terms.contains(&gram), "{text:?} {part:?}");
            }
        }
    }

    #[test]
    fn a_text_of_everything_is_long() {
        let text: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        assert!(
            Grams::default()
                .of_row(&Row::default(), &One(text))
                .is_none()
        );
    }
}
