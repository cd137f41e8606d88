//! What the index will know of rows, made without holding up a search.
//!
//! Nearly every row is a request whose bodies nobody opens: its terms come straight from its records (`row::terms`). Of the
//! rest the row is made, and its texts are read.
//!
//! Must never change what searches look at. Invariant: a row's terms are those of `Row::each_term`, whichever way they came.

use std::collections::HashMap;

use wire::short::same;

use super::build::{COUNTED, Counted, LONG, NONE, RowPlace};
use super::hash::{self, Seeded};
use super::text::{Bodies, Grams};
use super::usage::{Gatherer, Share, Shares};
use crate::join::Settled;
use crate::row::Row;
use crate::row::terms::{FIELDS, Field, Terms, Told};

/// Different values of a counted filter that a part remembers; rows of further values are not counted by value.
const VALUES_MAX: usize = 512;
/// Terms of a part that have a list of their own, and as many more as are counted; some 5 MiB of lists.
const LISTS_MAX: usize = 1 << 16;
/// Filters whose values hardly come twice: no list is begun for them.
const RARE: [&str; 4] = ["index", "id", "trace", "fingerprint"];

/// Rows that are ready to be handed over.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<Prepared>,
    /// Places of the lists that rows are to be added to, one row's after another's.
    pub(super) lists: Vec<usize>,
    /// The same of terms without a list.
    pub(super) terms: Vec<u64>,
    /// The same of texts.
    pub(super) grams: Vec<u64>,
    /// Terms of the lists that the builder does not have yet.
    pub(super) fresh: Vec<u64>,
    /// Which of them are counted.
    pub(super) values: Vec<Counted>,
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
    pub(super) lists: usize,
    pub(super) terms: usize,
    pub(super) grams: usize,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.lists.clear();
        self.terms.clear();
        self.grams.clear();
        self.fresh.clear();
        self.values.clear();
        self.shares.clear();
    }
}

/// A filter of a search.
#[derive(Debug)]
struct Filter {
    name: &'static str,
    /// What the hashes of its terms begin with.
    seed: u64,
    rare: bool,
    counted: bool,
    /// Different values that are counted.
    values: usize,
    /// The term that came last, and its list: most come again.
    last: Option<(u64, usize)>,
}

/// Prepares rows for one builder after another.
#[derive(Debug)]
pub(super) struct Preparer {
    reader: Terms,
    /// Of each field of `FIELDS`, the filters that look at it.
    fields: Vec<Vec<usize>>,
    terms: Filters,
    kind: usize,
    index: usize,
    grams: Grams,
    gatherer: Gatherer,
}

/// All filters, and the lists that the builder has, or will have.
#[derive(Debug, Default)]
struct Filters {
    all: Vec<Filter>,
    /// By term. Seeded: users choose some of the texts, and could choose ones that meet.
    lists: HashMap<u64, usize, Seeded>,
}

impl Preparer {
    pub(super) fn new() -> Self {
        let mut terms = Filters::default();
        let mut of_field = |field: &Field| {
            let filters = field.filters.iter().map(|name| terms.filter(name));
            filters.collect()
        };
        Self {
            reader: Terms::new(),
            fields: FIELDS.iter().map(&mut of_field).collect(),
            kind: terms.filter("kind"),
            index: terms.filter("index"),
            terms,
            grams: Grams::default(),
            gatherer: Gatherer::default(),
        }
    }

    /// The builder begins anew.
    pub(super) fn begin(&mut self) {
        self.terms.begin();
        self.gatherer = Gatherer::default();
    }

    /// Adds a row to a batch.
    pub(super) fn add(&mut self, settled: &Settled, bodies: &dyn Bodies, batch: &mut Batch) {
        let before = (batch.lists.len(), batch.terms.len(), batch.grams.len());
        let mut told = Told::default();
        let straight = (!bodies.made_up())
            .then(|| self.straight(settled, &mut told, batch))
            .flatten();
        let (time, cost) = match straight {
            Some(()) => self.figures(settled.kind(), &told, batch),
            None => {
                batch.lists.truncate(before.0);
                batch.terms.truncate(before.1);
                let row = settled.row();
                self.by_row(&row, bodies, batch);
                self.figures(&row.kind, &Told::of(&row), batch)
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
            lists: batch.lists.len() - before.0,
            terms: batch.terms.len() - before.1,
            grams: batch.grams.len() - before.2,
        });
    }

    fn straight<'p>(
        &mut self,
        settled: &'p Settled,
        told: &mut Told<'p>,
        batch: &mut Batch,
    ) -> Option<()> {
        let (fields, terms) = (&self.fields, &mut self.terms);
        terms.take(self.kind, settled.kind().as_bytes(), batch);
        let mut digits = itoa::Buffer::new();
        terms.take(self.index, digits.format(settled.index).as_bytes(), batch);
        self.reader.of(settled, told, &mut |field, text| {
            let Some(filters) = fields.get(field) else {
                return;
            };
            for filter in filters {
                terms.take(*filter, text, batch);
            }
        })
    }

    fn by_row(&mut self, row: &Row, bodies: &dyn Bodies, batch: &mut Batch) {
        row.each_term(|filter, text| {
            let filter = self.terms.filter(filter);
            self.terms.take(filter, text.as_bytes(), batch);
        });
        match self.grams.of_row(row, bodies) {
            Some(found) => batch.grams.extend(found),
            None => batch.terms.push(hash::term(LONG.0, LONG.1)),
        }
    }

    /// Time and cost of a row, whose share is added to the batch.
    fn figures(
        &mut self,
        kind: &str,
        told: &Told<'_>,
        batch: &mut Batch,
    ) -> (Option<i64>, Option<i64>) {
        if let Some(share) = Share::of(kind, told) {
            self.gatherer.add(&share, &mut batch.shares);
        }
        (told.time, told.used.cost())
    }
}

impl Filters {
    /// Place of the filter with this name.
    fn filter(&mut self, name: &'static str) -> usize {
        let known = |filter: &Filter| same(filter.name.as_bytes(), name.as_bytes());
        self.all.iter().position(known).unwrap_or_else(|| {
            self.all.push(Filter {
                name,
                seed: hash::seed(name),
                rare: RARE.contains(&name),
                counted: COUNTED.contains(&name),
                values: 0,
                last: None,
            });
            self.all.len() - 1
        })
    }

    fn begin(&mut self) {
        self.lists.clear();
        for filter in &mut self.all {
            filter.values = 0;
            filter.last = None;
        }
    }

    /// Takes a term.
    fn take(&mut self, filter: usize, text: &[u8], batch: &mut Batch) {
        let Some(filter) = self.all.get_mut(filter) else {
            return;
        };
        let term = hash::term_of(filter.seed, text);
        let list = match filter.last {
            _ if filter.rare => None,
            Some((last, list)) if last == term => Some(list),
            _ => {
                let known = self.lists.get(&term).copied();
                let list = known.or_else(|| filter.begin_list(term, text, &mut self.lists, batch));
                filter.last = list.map(|list| (term, list));
                list
            }
        };
        match list {
            Some(list) => batch.lists.push(list),
            None => batch.terms.push(term),
        }
    }
}

impl Filter {
    /// Where the rows of a new term are listed, if they are.
    fn begin_list(
        &mut self,
        term: u64,
        text: &[u8],
        lists: &mut HashMap<u64, usize, Seeded>,
        batch: &mut Batch,
    ) -> Option<usize> {
        let counted = self.counted && self.values < VALUES_MAX;
        if !counted && lists.len() >= LISTS_MAX {
            return None;
        }
        let list = lists.len();
        if counted {
            self.values += 1;
            batch.values.push(Counted {
                filter: self.name,
                text: String::from_utf8_lossy(text).into_owned(),
                list,
            });
        }
        lists.insert(term, list);
        batch.fresh.push(term);
        Some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lists and the terms without one of a text that was taken.
    fn taken(filters: &mut Filters, name: &'static str, text: &str) -> (Vec<usize>, Vec<u64>) {
        let mut batch = Batch::default();
        let filter = filters.filter(name);
        filters.take(filter, text.as_bytes(), &mut batch);
        (batch.lists, batch.terms)
    }

    #[test]
    fn lists_are_for_what_comes_again_and_bounded() {
        let mut filters = Filters::default();
        let rare = vec![hash::term("id", "x")];
        assert_eq!(taken(&mut filters, "id", "x"), (vec![], rare));
        for list in 0..LISTS_MAX {
            let first = taken(&mut filters, "user", &list.to_string());
            assert_eq!(first, (vec![list], vec![]));
        }
        assert_eq!(taken(&mut filters, "user", "7"), (vec![7], vec![]));
        let full = vec![hash::term("user", "new")];
        assert_eq!(taken(&mut filters, "user", "new"), (vec![], full));
        // What is counted is counted by its list.
        let counted = taken(&mut filters, "status", "200");
        assert_eq!(counted, (vec![LISTS_MAX], vec![]));
        filters.begin();
        assert_eq!(taken(&mut filters, "status", "200"), (vec![0], vec![]));
    }
}
