//! What several engines found, made one row of findings that do not overlap.
//!
//! Knows intervals and grades; no text. What overlaps becomes one finding: over all of it, so that nothing found stays
//! uncovered, and of the strongest type among them, so that no grade is understated. Invariants: the row is a function
//! of the findings alone, in whatever order and portions they come; a finding is given out only when nothing that may
//! still come can touch it.

use wire::Grade;

use super::set::Finding;

/// A finding that grew so long takes in no more: what overlaps it begins at its end.
const MERGED_MAX: usize = 64 * 1024;

/// Who found it: of two equals the later in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Engine {
    Words,
    BuiltIn,
    Customs,
}

/// Findings that wait for what may still touch them, by where they begin.
#[derive(Debug, Default)]
pub(super) struct Merge {
    waiting: Vec<(Engine, Grade, Finding)>,
}

impl Merge {
    pub(super) fn add(&mut self, engine: Engine, grade: Grade, finding: Finding) {
        self.waiting.push((engine, grade, finding));
    }

    /// Gives out what is settled if all that may come begins at `upto` or later. What ends at `growing` is not: marks
    /// that belong to its last character may come. Returns up to where nothing waits.
    pub(super) fn release(
        &mut self,
        upto: usize,
        growing: Option<usize>,
        mut give: impl FnMut(Finding),
    ) -> usize {
        self.waiting
            .sort_unstable_by_key(|&(engine, _, f)| (f.start, f.end, engine, f.sort));
        let mut done = 0;
        let mut from = 0;
        let mut open = upto;
        while let Some(&first) = self.waiting.get(done) {
            let (merged, n) = self.merged(done, first, from);
            if merged.end > upto || growing == Some(merged.end) {
                open = upto.min(merged.start);
                break;
            }
            give(merged);
            from = merged.end;
            done += n;
        }
        self.waiting.drain(..done);
        // What is left of a finding begins where the one before it ends.
        if let Some((_, _, next)) = self.waiting.first_mut() {
            next.start = next.start.max(from);
        }
        open
    }

    /// The finding that begins with the one at `at`, and how many go into it.
    fn merged(&self, at: usize, first: (Engine, Grade, Finding), from: usize) -> (Finding, usize) {
        let (mut engine, mut grade, mut merged) = first;
        merged.start = merged.start.max(from);
        let mut length = merged.end - merged.start;
        let mut n = 1;
        while let Some(&(next_engine, next_grade, next)) = self.waiting.get(at + n) {
            if next.start >= merged.end {
                break;
            }
            if merged.end - merged.start >= MERGED_MAX && next.end > merged.end {
                break;
            }
            let next_length = next.end - next.start;
            // A word never takes a built-in entity of its own grade with it, however long it is.
            let rank = |engine: Engine, length: usize| (engine != Engine::Words, length, engine);
            if (next_grade, rank(next_engine, next_length)) > (grade, rank(engine, length)) {
                (engine, grade, length) = (next_engine, next_grade, next_length);
                merged.sort = next.sort;
                merged.score = next.score;
            }
            merged.end = merged.end.max(next.end);
            n += 1;
        }
        (merged, n)
    }

    /// Moves all offsets down by `by`.
    pub(super) fn shift(&mut self, by: usize) {
        for (_, _, finding) in &mut self.waiting {
            finding.start = finding.start.saturating_sub(by);
            finding.end = finding.end.saturating_sub(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::sort::Sort;

    fn finding(sort: u16, start: usize, end: usize) -> Finding {
        Finding {
            sort: Sort(sort),
            start,
            end,
            score: 99,
        }
    }

    fn row(found: &[(Engine, u8, Finding)]) -> Vec<(u16, usize, usize)> {
        let mut merge = Merge::default();
        for &(engine, grade, finding) in found {
            merge.add(engine, Grade(grade), finding);
        }
        let mut out = Vec::new();
        merge.release(usize::MAX, None, |f| out.push((f.sort.0, f.start, f.end)));
        out
    }

    #[test]
    fn overlaps_become_one_of_the_strongest_type() {
        use Engine::{BuiltIn, Customs, Words};
        // A word inside, around and across a built-in entity.
        for (start, end, over) in [(3, 5, (2, 9)), (0, 20, (0, 20)), (7, 12, (2, 12))] {
            let word = |grade| (Words, grade, finding(9, start, end));
            let built_in = (BuiltIn, 2, finding(1, 2, 9));
            assert_eq!(row(&[built_in, word(2)]), [(1, over.0, over.1)]);
            assert_eq!(row(&[word(3), built_in]), [(9, over.0, over.1)]);
        }
        // The user's own entity counts before a built-in one of the same length and grade.
        assert_eq!(
            row(&[
                (BuiltIn, 2, finding(1, 2, 9)),
                (Customs, 2, finding(7, 2, 9))
            ]),
            [(7, 2, 9)]
        );
        assert_eq!(
            row(&[(Words, 1, finding(8, 0, 2)), (Words, 1, finding(9, 2, 4))]),
            [(8, 0, 2), (9, 2, 4)]
        );
    }

    #[test]
    fn what_may_be_touched_waits() {
        let mut merge = Merge::default();
        let mut out = Vec::new();
        merge.add(Engine::BuiltIn, Grade(1), finding(1, 10, 20));
        assert_eq!(merge.release(15, None, |f| out.push(f)), 10);
        merge.add(Engine::Words, Grade(2), finding(5, 16, 24));
        assert_eq!(merge.release(24, Some(24), |f| out.push(f)), 10);
        assert_eq!(out, []);
        assert_eq!(merge.release(30, Some(30), |f| out.push(f)), 30);
        assert_eq!(out, [finding(5, 10, 24)]);
    }

    #[test]
    fn one_finding_does_not_grow_for_ever() {
        let chain: Vec<_> = (0..40)
            .map(|i| (Engine::Customs, 1, finding(1, i * 3000, i * 3000 + 4000)))
            .collect();
        let out = row(&chain);
        assert!(
            out.len() >= 2 && out.windows(2).all(|w| w[0].2 <= w[1].1),
            "{out:?}"
        );
        assert_eq!(out.last().map(|f| f.2), Some(39 * 3000 + 4000));
    }
}
