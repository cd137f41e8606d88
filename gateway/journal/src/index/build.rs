//! The newest rows, not yet in a file: what the index knows of them, and how that becomes a part.
//!
//! Must never keep a row: it is in the log. Invariants: at most `ROWS_MAX` rows; memory is bounded by `TERMS_MAX` and
//! `GRAMS_MAX` numbers of 8 bytes, and the lists of terms by the preparer; rows are numbered in the order of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use super::hash::HASH_BITS;
use super::postings::Postings;
use super::prepare::Batch;
use super::set::{ROWS_MAX, RowSet};
use super::usage::Usage;
use crate::join::{Place, ROWS_A_RECORD_MAX};

/// Rows at which a part is written: some 6 MiB of memory. Fewer would be more files for a search to open.
pub(super) const ROWS_FULL: usize = 32 << 10;
// What one more batch and record can bring still fits.
const _: () = assert!(ROWS_FULL + 2 * ROWS_A_RECORD_MAX < ROWS_MAX);
/// Segments at which a part is written: their numbers have 16 bits too, and a row names two.
const SEGMENTS_FULL: usize = ROWS_MAX - 2 * ROWS_A_RECORD_MAX - 2;
/// Pairs of term and row at which a part is written; four times what ordinary rows need.
const TERMS_MAX: usize = 6 << 20;
/// Pairs of text term and row at which a part is written: 32 MiB.
const GRAMS_MAX: usize = 4 << 20;
/// Filters whose values are counted.
pub(super) const COUNTED: [&str; 8] = [
    "kind", "verdict", "asked", "type", "outcome", "provider", "code", "status",
];
/// The term of rows whose texts have too many terms.
pub(super) const LONG: (&str, &str) = ("text", "long");

/// Where a row is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowPlace {
    pub(super) index: u64,
    pub(super) settled: u64,
    pub(super) first: Option<Place>,
    pub(super) closing: Option<Place>,
}

/// Rows in memory.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub(super) places: Vec<RowPlace>,
    pub(super) times: Vec<i64>,
    pub(super) costs: Vec<i64>,
    pub(super) terms: Postings,
    /// Terms of texts: a term above, a row in the low 16 bits; in no order.
    pub(super) grams: Vec<u64>,
    /// Values of the counted filters.
    pub(super) values: Vec<Counted>,
    /// Segments that the places name.
    pub(super) segments: BTreeSet<(u64, u32)>,
    /// What requests used.
    pub(super) usage: Usage,
    /// The one named last.
    last_segment: Option<(u64, u32)>,
}

/// A value of a counted filter.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) filter: &'static str,
    pub(super) text: String,
    /// Place of the list of its rows.
    pub(super) list: usize,
}

/// Stands for no time and no cost.
pub(super) const NONE: i64 = i64::MIN;

impl Builder {
    /// Adds the next rows of the log.
    pub(super) fn add(&mut self, batch: &mut Batch) {
        self.values.append(&mut batch.values);
        self.terms.begin_lists(&batch.fresh);
        self.usage.add_all(&mut batch.shares);
        let (mut lists, mut terms, mut grams) = (&*batch.lists, &*batch.terms, &*batch.grams);
        for row in &batch.rows {
            let Ok(at) = u16::try_from(self.places.len()) else {
                debug_assert!(false, "a part was not written when it was full");
                return;
            };
            for place in [row.place.first, row.place.closing].into_iter().flatten() {
                let segment = (place.number, place.shard);
                if self.last_segment != Some(segment) {
                    self.segments.insert(segment);
                    self.last_segment = Some(segment);
                }
            }
            self.places.push(row.place);
            self.times.push(row.time);
            self.costs.push(row.cost);
            let (lists, terms) = (first(&mut lists, row.lists), first(&mut terms, row.terms));
            self.terms.add(at, lists, terms);
            let grams = first(&mut grams, row.grams).iter();
            self.grams.extend(grams.map(|gram| pair(*gram, at)));
        }
        batch.clear();
    }

    /// Values of the counted filters, and how many rows have each.
    pub(super) fn counted(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut counted: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for value in &self.values {
            let of = counted.entry(value.filter.to_owned()).or_default();
            let rows = self.terms.list(value.list).len();
            of.insert(value.text.clone(), rows as u64);
        }
        counted
    }

    /// Whether it is time to write a part, for which so many rows are enough.
    pub(super) fn is_full(&self, rows: usize) -> bool {
        self.places.len() >= rows
            || self.segments.len() >= SEGMENTS_FULL
            || self.terms.added() >= TERMS_MAX
            || self.grams.len() >= GRAMS_MAX
    }

    /// Puts the terms in the order in which a part has them.
    pub(super) fn sort(&mut self) {
        self.terms.sort();
        self.grams.sort_unstable();
        self.grams.dedup();
    }

    /// Empties it for the next part, which will want about as much memory.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.times.clear();
        self.costs.clear();
        self.terms.clear();
        *self = Self {
            places: mem::take(&mut self.places),
            times: mem::take(&mut self.times),
            costs: mem::take(&mut self.costs),
            terms: mem::take(&mut self.terms),
            ..Self::default()
        };
    }

    /// Forgets the texts of these rows.
    pub(super) fn forget(&mut self, rows: &RowSet) {
        self.grams
            .retain(|pair| !rows.contains(row_of(*pair).into()));
    }
}

/// Rows with a term, of pairs in any order.
pub(super) fn rows_with(pairs: &[u64], term: u64, rows: usize) -> RowSet {
    let mut set = RowSet::empty(rows);
    put_rows(pairs, term, &mut set);
    set
}

/// Adds them to a set.
pub(super) fn put_rows(pairs: &[u64], term: u64, set: &mut RowSet) {
    for pair in pairs.iter().filter(|pair| term_of(**pair) == term) {
        set.insert(row_of(*pair).into());
    }
}

/// Takes the first items off a list.
fn first<'l, T>(list: &mut &'l [T], count: usize) -> &'l [T] {
    let (head, rest) = list.split_at_checked(count).unwrap_or_default();
    *list = rest;
    head
}

pub(super) fn pair(term: u64, row: u16) -> u64 {
    term << (u64::BITS - HASH_BITS) | u64::from(row)
}

pub(super) fn term_of(pair: u64) -> u64 {
    pair >> (u64::BITS - HASH_BITS)
}

pub(super) fn row_of(pair: u64) -> u16 {
    u16::try_from(pair & 0xffff).unwrap_or(u16::MAX)
}
