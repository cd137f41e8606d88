//! What was found in one request: types, places and counts, never values.
//!
//! Offsets lead into the body as it came; who rewrites it reads the values there. Decides nothing. Invariants: findings
//! are in the order of the body and, within a text, disjoint but for judgements over whole stretches; their number is
//! bounded by [`FINDINGS_MAX`].

use std::ops::Range;

use smallvec::SmallVec;
use wire::facts::Form;

use crate::policy::Policy;
use crate::scan::Sort;

/// Most findings of one request: a body with more is refused, for it could not be rewritten in bounded time.
pub const FINDINGS_MAX: usize = 100_000;

/// A stretch of a text of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes of the text in the body, without quotes.
    pub text: Range<usize>,
    /// How it stands there.
    pub form: Form,
    /// Bytes of its decoded text.
    pub at: Range<usize>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its type.
    pub sort: Sort,
    /// Certainty in percent.
    pub score: u8,
    /// Where.
    pub place: Place,
    /// Where the rest of it is, in order, if it was split over messages.
    pub rest: Vec<Place>,
}

/// All findings of a request.
#[derive(Debug, Default)]
pub struct Findings {
    /// In the order of the body.
    pub list: Vec<Found>,
    /// Images, sound, files: what could not be read.
    pub media: u32,
    counts: SmallVec<[(Sort, u32); 4]>,
}

impl Findings {
    /// Adds one.
    pub fn push(&mut self, found: Found) {
        match self.counts.iter_mut().find(|(sort, _)| *sort == found.sort) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((found.sort, 1)),
        }
        self.list.push(found);
    }

    /// How many of each type.
    #[must_use]
    pub fn counts(&self) -> &[(Sort, u32)] {
        &self.counts
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Only counts: what the journal kept of a request.
    #[must_use]
    pub fn of_counts(counts: impl IntoIterator<Item = (Sort, u32)>, media: u32) -> Self {
        Self {
            list: Vec::new(),
            media,
            counts: counts.into_iter().collect(),
        }
    }

    /// Names and counts.
    pub fn named<'p>(&self, policy: &'p Policy) -> SmallVec<[(&'p str, i64); 4]> {
        self.counts
            .iter()
            .map(|(sort, count)| (policy.name(*sort), i64::from(*count)))
            .collect()
    }
}
