//! Replacing spans of a body without rebuilding it.
//!
//! Knows nothing of JSON: who makes an edit sees to it that the result is well formed. Invariant: spans are sorted and
//! disjoint (two insertions at one place keep the order in which they were made).

use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::rope::Rope;

/// A set of replacements over one body.
#[derive(Clone, Default)]
pub struct Edits {
    list: SmallVec<[Edit; 4]>,
}

#[derive(Clone)]
struct Edit {
    span: Range<usize>,
    with: Bytes,
}

/// Two edits want the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap;

impl Edits {
    /// No edits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Replaces `span` (byte offsets in the original) by `with`; an empty span inserts.
    ///
    /// # Errors
    /// [`Overlap`] if an earlier edit covers part of the span; the set is then unchanged.
    pub fn replace(&mut self, span: Range<usize>, with: impl Into<Bytes>) -> Result<(), Overlap> {
        let at = self.place_of(&span).ok_or(Overlap)?;
        self.list.insert(
            at,
            Edit {
                span,
                with: with.into(),
            },
        );
        Ok(())
    }

    /// Whether no edit covers part of `span`.
    #[must_use]
    pub fn fits(&self, span: &Range<usize>) -> bool {
        self.place_of(span).is_some()
    }

    /// Where in the list an edit of `span` goes; `None` if it overlaps with another.
    fn place_of(&self, span: &Range<usize>) -> Option<usize> {
        let at = self.list.partition_point(|edit| {
            edit.span.start < span.start
                || (edit.span.start == span.start && edit.span.end <= span.start)
        });
        let before_ok = at
            .checked_sub(1)
            .and_then(|index| self.list.get(index))
            .is_none_or(|edit| edit.span.end <= span.start);
        let after_ok = self
            .list
            .get(at)
            .is_none_or(|edit| span.end <= edit.span.start);
        (span.start <= span.end && before_ok && after_ok).then_some(at)
    }

    /// Adds all of another set's edits over the same body.
    ///
    /// # Errors
    /// [`Overlap`] at the first that does not fit; those before it stay.
    pub fn union(&mut self, other: Edits) -> Result<(), Overlap> {
        other
            .list
            .into_iter()
            .try_for_each(|edit| self.replace(edit.span, edit.with))
    }

    /// The edited body: the untouched parts are slices of the original, nothing is copied.
    #[must_use]
    pub fn apply(&self, body: &Bytes) -> Rope {
        let mut rope = Rope::new();
        let mut at = 0;
        for edit in &self.list {
            let start = edit.span.start.min(body.len());
            let end = edit.span.end.min(body.len());
            debug_assert!(edit.span.end <= body.len(), "an edit lies outside its body");
            rope.push(body.slice(at..start));
            rope.push(edit.with.clone());
            at = end;
        }
        rope.push(body.slice(at..));
        rope
    }
}

impl std::fmt::Debug for Edits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.list.iter().map(|edit| &edit.span))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn applies_like_a_string_splice(len in 0usize..40, cuts in prop::collection::vec((0usize..40, 0usize..8, prop::collection::vec(any::<u8>(), 0..4)), 0..6)) {
            let body: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let mut edits = Edits::new();
            let mut taken: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
            for (start, size, with) in cuts {
                let span = start.min(len)..(start + size).min(len);
                let fits = taken.iter().all(|(other, _)| span.end <= other.start || other.end <= span.start);
                let made = edits.replace(span.clone(), with.clone());
                prop_assert!(made.is_ok() || !fits);
                if made.is_ok() { taken.push((span, with)); }
            }
            // Stable by start, insertions before the replacement that begins where they stand.
            taken.sort_by_key(|(span, _)| (span.start, span.end > span.start));
            let mut want = Vec::new();
            let mut at = 0;
            for (span, with) in &taken {
                want.extend_from_slice(&body[at..span.start]);
                want.extend_from_slice(with);
                at = span.end;
            }
            want.extend_from_slice(&body[at..]);
            prop_assert_eq!(edits.apply(&Bytes::from(body)).into_bytes(), Bytes::from(want));
        }
    }
}
