//! The newest rows, not yet in a file: what the index knows of them, and how that becomes a part.
//!
//! Must never keep a row: it is in the log. Invariants: at most `ROWS_MAX` rows; memory is bounded by `TERMS_MAX` and
//! `GRAMS_MAX` numbers of 8 bytes; rows are numbered in the order of the log.

use std::collections::{BTreeMap, BTreeSet};

use super::hash::{self, HASH_BITS};
use super::set::{ROWS_MAX, RowSet};
use super::text::{Bodies, Grams};
use super::usage::{Share, Usage};
use crate::join::{Place, ROWS_A_RECORD_MAX, Settled};

/// Rows at which a part is written: some 10 MiB of memory. Fewer would be more files for a search to open.
pub(super) const ROWS_FULL: usize = 32 << 10;
// What one more batch and record can bring still fits.
const _: () = assert!(ROWS_FULL + 2 * ROWS_A_RECORD_MAX < ROWS_MAX);
/// Segments at which a part is written: their numbers have 16 bits too, and a row names two.
const SEGMENTS_FULL: usize = ROWS_MAX - 2 * ROWS_A_RECORD_MAX - 2;
/// Pairs of term and row at which a part is written; four times what ordinary rows need.
const TERMS_MAX: usize = 6 << 20;
/// Pairs of text term and row at which a part is written: 32 MiB.
const GRAMS_MAX: usize = 4 << 20;
/// Different values of a counted filter that a part remembers; rows of further values are not counted by value.
const VALUES_MAX: usize = 512;
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
    /// A term above, a row in the low 16 bits; in no order.
    pub(super) terms: Vec<u64>,
    /// The same of texts.
    pub(super) grams: Vec<u64>,
    /// Values of the counted filters, and how many rows have each.
    pub(super) values: BTreeMap<String, BTreeMap<String, u64>>,
    /// Segments that the places name.
    pub(super) segments: BTreeSet<(u64, u32)>,
    /// What requests used.
    pub(super) usage: Usage,
}

/// Stands for no time and no cost.
pub(super) const NONE: i64 = i64::MIN;

/// What the index will know of a row; made without holding up a search.
#[derive(Debug)]
pub(super) struct Prepared {
    place: RowPlace,
    time: i64,
    cost: i64,
    terms: Vec<u64>,
    grams: Vec<u64>,
    values: Vec<(&'static str, String)>,
    share: Option<Share>,
}

impl Prepared {
    pub(super) fn of(settled: &Settled, bodies: &dyn Bodies, scratch: &mut Grams) -> Self {
        let number = |number: Option<i64>| number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let row = &settled.row;
        let (mut terms, mut values) = (Vec::with_capacity(24), Vec::with_capacity(8));
        row.each_term(|filter, text| {
            terms.push(hash::term(filter, text));
            if COUNTED.contains(&filter) {
                values.push((filter, text.to_owned()));
            }
        });
        // However many columns say it, a row has a value once.
        values.sort_unstable();
        values.dedup();
        let mut grams = Vec::new();
        match scratch.of_row(row, bodies) {
            Some(found) => grams.extend(found),
            None => terms.push(hash::term(LONG.0, LONG.1)),
        }
        Self {
            place: RowPlace {
                index: number(row.index),
                settled: number(row.settled),
                first: settled.first,
                closing: settled.closing,
            },
            time: row.time.0.or(row.ended.0).unwrap_or(NONE),
            cost: row.cost_nano.unwrap_or(NONE),
            terms,
            grams,
            values,
            share: Share::of(row),
        }
    }
}

impl Builder {
    /// Adds the next row of the log.
    pub(super) fn add(&mut self, row: Prepared) {
        let Ok(at) = u16::try_from(self.places.len()) else {
            debug_assert!(false, "a part was not written when it was full");
            return;
        };
        for place in [row.place.first, row.place.closing].into_iter().flatten() {
            self.segments.insert((place.number, place.shard));
        }
        self.places.push(row.place);
        self.times.push(row.time);
        self.costs.push(row.cost);
        self.terms
            .extend(row.terms.iter().map(|term| pair(*term, at)));
        self.grams
            .extend(row.grams.iter().map(|term| pair(*term, at)));
        for (filter, text) in row.values {
            note_value(&mut self.values, filter, text);
        }
        if let Some(share) = &row.share {
            self.usage.add(share);
        }
    }

    /// Whether it is time to write a part, for which so many rows are enough.
    pub(super) fn is_full(&self, rows: usize) -> bool {
        self.places.len() >= rows
            || self.segments.len() >= SEGMENTS_FULL
            || self.terms.len() >= TERMS_MAX
            || self.grams.len() >= GRAMS_MAX
    }

    /// Forgets the texts of these rows.
    pub(super) fn forget(&mut self, rows: &RowSet) {
        self.grams.retain(|pair| !rows.contains(row_of(*pair)));
    }
}

/// Rows with a term, of pairs in any order.
pub(super) fn rows_with(pairs: &[u64], term: u64, rows: usize) -> RowSet {
    let mut set = RowSet::empty(rows);
    for pair in pairs.iter().filter(|pair| term_of(**pair) == term) {
        set.insert(row_of(*pair));
    }
    set
}

fn note_value(values: &mut BTreeMap<String, BTreeMap<String, u64>>, filter: &str, text: String) {
    if !values.contains_key(filter) {
        values.insert(filter.to_owned(), BTreeMap::new());
    }
    let Some(known) = values.get_mut(filter) else {
        return;
    };
    if let Some(count) = known.get_mut(&text) {
        *count += 1;
    } else if known.len() < VALUES_MAX {
        known.insert(text, 1);
    }
}

pub(super) fn pair(term: u64, row: u16) -> u64 {
    term << (u64::BITS - HASH_BITS) | u64::from(row)
}

pub(super) fn term_of(pair: u64) -> u64 {
    pair >> (u64::BITS - HASH_BITS)
}

pub(super) fn row_of(pair: u64) -> usize {
    usize::from(u16::try_from(pair & 0xffff).unwrap_or(u16::MAX))
}
