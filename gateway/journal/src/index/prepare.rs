//! What the index will know of rows, made without holding up a search.
//!
//! Nearly every row is a request whose bodies nobody opens: its terms come straight from its records (`row::terms`). Of the
//! rest the row is made, and its texts are read.
//!
//! Must never change what searches look at. Invariant: a row's terms are those of `Row::each_term`, whichever way they came.

use std::collections::HashMap;

use super::build::{COUNTED, Counted, LONG, NONE, RowPlace};
use super::hash;
use super::text::{Bodies, Grams, Plain};
use super::usage::{Share, Shares};
use crate::join::Settled;
use crate::row::Row;
use crate::row::terms::{FIELDS, Terms, Told};

/// Different values of a counted filter that a part remembers; rows of further values are not counted by value.
const VALUES_MAX: usize = 512;

/// Rows that are ready to be handed over.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<Prepared>,
    /// Terms of the rows, one row's after another's.
    pub(super) terms: Vec<u64>,
    /// The same of texts.
    pub(super) grams: Vec<u64>,
    /// Counted values of the rows: places in the builder's list.
    pub(super) values: Vec<usize>,
    /// Values that the builder does not have yet, for the end of its list.
    pub(super) fresh: Vec<Counted>,
    /// What requests used.
    pub(super) shares: Shares,
}

/// A row of a batch.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) place: RowPlace,
    pub(super) time: i64,
    pub(super) cost: i64,
    /// How many of the batch's lists are its own.
    pub(super) terms: usize,
    pub(super) grams: usize,
    pub(super) values: usize,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.terms.clear();
        self.grams.clear();
        self.values.clear();
        self.fresh.clear();
        self.shares.clear();
    }
}

/// A filter that looks at a field.
#[derive(Debug, Clone, Copy)]
struct Filter {
    name: &'static str,
    /// What the hashes of its terms begin with.
    seed: u64,
    counted: bool,
}

impl Filter {
    fn of(name: &'static str) -> Self {
        Self {
            name,
            seed: hash::seed(name),
            counted: COUNTED.contains(&name),
        }
    }
}

/// Prepares rows for one builder after another.
#[derive(Debug)]
pub(super) struct Preparer {
    terms: Terms,
    /// Of each field of `FIELDS`.
    filters: Vec<Vec<Filter>>,
    kind: Filter,
    index: Filter,
    grams: Grams,
    values: Values,
}

/// The counted values that the builder has, or will have.
#[derive(Debug, Default)]
struct Values {
    /// By term.
    places: HashMap<u64, usize, Plain>,
    /// How many there are of each filter.
    known: HashMap<&'static str, usize>,
}

impl Preparer {
    pub(super) fn new() -> Self {
        let filters = |names: &[&'static str]| names.iter().copied().map(Filter::of).collect();
        Self {
            terms: Terms::new(),
            filters: FIELDS.iter().map(|field| filters(field.filters)).collect(),
            kind: Filter::of("kind"),
            index: Filter::of("index"),
            grams: Grams::default(),
            values: Values::default(),
        }
    }

    /// The builder begins anew.
    pub(super) fn begin(&mut self) {
        self.values = Values::default();
    }

    /// Adds a row to a batch.
    pub(super) fn add(&mut self, settled: &Settled, bodies: &dyn Bodies, batch: &mut Batch) {
        let before = (batch.terms.len(), batch.grams.len(), batch.values.len());
        let straight = (!bodies.made_up())
            .then(|| self.straight(settled, batch))
            .flatten();
        let (time, cost) = match straight {
            Some(told) => figures(settled.kind(), &told, batch),
            None => {
                batch.terms.truncate(before.0);
                batch.values.truncate(before.2);
                let row = settled.row();
                self.by_row(&row, bodies, batch);
                figures(&row.kind, &Told::of(&row), batch)
            }
        };
        batch.rows.push(Prepared {
            place: RowPlace {
                index: settled.index,
                settled: settled.settled,
                first: settled.first.as_ref().map(|first| first.place),
                closing: settled.closing.as_ref().map(|closing| closing.place),
            },
            time: time.unwrap_or(NONE),
            cost: cost.unwrap_or(NONE),
            terms: batch.terms.len() - before.0,
            grams: batch.grams.len() - before.1,
            values: batch.values.len() - before.2,
        });
    }

    fn straight<'p>(&mut self, settled: &'p Settled, batch: &mut Batch) -> Option<Told<'p>> {
        let Self {
            terms,
            filters,
            kind,
            index,
            values,
            ..
        } = self;
        let own = batch.values.len();
        values.take(*kind, settled.kind().as_bytes(), own, batch);
        let mut digits = [0; 20];
        let digits = wire::decimal::decimal(settled.index, &mut digits);
        values.take(*index, digits, own, batch);
        terms.of(settled, &mut |field, text| {
            for filter in filters.get(field).into_iter().flatten() {
                values.take(*filter, text, own, batch);
            }
        })
    }

    fn by_row(&mut self, row: &Row, bodies: &dyn Bodies, batch: &mut Batch) {
        let (own, values) = (batch.values.len(), &mut self.values);
        row.each_term(|filter, text| values.take(Filter::of(filter), text.as_bytes(), own, batch));
        match self.grams.of_row(row, bodies) {
            Some(found) => batch.grams.extend(found),
            None => batch.terms.push(hash::term(LONG.0, LONG.1)),
        }
    }
}

/// Time and cost of a row, whose share is added to the batch.
fn figures(kind: &str, told: &Told<'_>, batch: &mut Batch) -> (Option<i64>, Option<i64>) {
    if let Some(share) = Share::of(kind, told) {
        batch.shares.add(&share);
    }
    (told.time, told.used.cost())
}

impl Values {
    /// Takes a term; `own` is where the row's values begin in the batch: however many columns say it, a row has a value once.
    fn take(&mut self, filter: Filter, text: &[u8], own: usize, batch: &mut Batch) {
        let term = hash::term_of(filter.seed, text);
        batch.terms.push(term);
        if !filter.counted {
            return;
        }
        let place = self.places.get(&term).copied();
        let Some(place) = place.or_else(|| self.remember(filter.name, term, text, batch)) else {
            return;
        };
        if !batch.values.iter().skip(own).any(|value| *value == place) {
            batch.values.push(place);
        }
    }

    fn remember(
        &mut self,
        filter: &'static str,
        term: u64,
        text: &[u8],
        batch: &mut Batch,
    ) -> Option<usize> {
        let text = str::from_utf8(text).ok()?;
        let known = self.known.entry(filter).or_default();
        if *known >= VALUES_MAX {
            return None;
        }
        *known += 1;
        let place = self.places.len();
        self.places.insert(term, place);
        batch.fresh.push(Counted {
            filter,
            text: text.to_owned(),
            rows: 0,
        });
        Some(place)
    }
}
