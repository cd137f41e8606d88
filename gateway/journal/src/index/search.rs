//! One page of what a query finds, the newest first.
//!
//! Must never show a row that it did not read from the journal. Invariants: pages that follow each other by their cursors
//! hold each row that was settled before the first of them once, whatever is written meanwhile; a page looks at no more
//! than `LOOK_MAX` rows.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use super::build::{self, Builder, LONG, RowPlace, rows_with};
use super::part::{Opened, Part};
use super::query::Query;
use super::set::RowSet;
use super::text::{self, Bodies};
use super::{Index, hash};
use crate::row::Row;
use crate::rows::Places;

/// Most rows of a page.
pub const LIMIT_MAX: usize = 1000;
/// Most rows that one page reads to find its own: more than any page without texts needs.
const LOOK_MAX: usize = 20_000;

/// Where a page ends: before this row. Rows are ordered by where they were settled, then by their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    settled: u64,
    index: u64,
}

impl Cursor {
    /// The place behind all rows that the record of this index settled, and before all that come later.
    pub fn behind(index: u64) -> Self {
        Self {
            settled: index.saturating_add(1),
            index: 0,
        }
    }

    /// The place of a row.
    pub fn of(row: &Row) -> Self {
        let number = |number: Option<i64>| number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        Self {
            settled: number(row.settled),
            index: number(row.index),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.settled, self.index)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a cursor is two numbers with a dash between them";
        let (settled, index) = text.split_once('-').ok_or(wrong)?;
        Ok(Self {
            settled: settled.parse().map_err(|_| wrong)?,
            index: index.parse().map_err(|_| wrong)?,
        })
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The rows, newest first.
    pub rows: Vec<Row>,
    /// Where to go on; `None` when there is no more. A page may be short, even empty, and there may be more.
    pub next: Option<Cursor>,
    /// Every row settled below this index was looked for.
    pub complete_to: u64,
}

/// What is looked at, and what was found so far.
struct Search<'q> {
    query: &'q Query,
    before: Option<Cursor>,
    limit: usize,
    bodies: &'q dyn Bodies,
    journal: Places,
    page: Page,
    looked: usize,
    last: Option<Cursor>,
}

impl Index {
    /// The next rows of a query, at most `limit` of them.
    ///
    /// # Errors
    /// A file that cannot be read, or that is damaged: then the index is built anew, and a scan of the log finds the rows.
    pub fn page(
        &self,
        query: &Query,
        before: Option<Cursor>,
        limit: usize,
        bodies: &dyn Bodies,
    ) -> io::Result<Page> {
        let found = self.look(query, before, limit, bodies);
        self.noting(found)
    }

    fn look(
        &self,
        query: &Query,
        before: Option<Cursor>,
        limit: usize,
        bodies: &dyn Bodies,
    ) -> io::Result<Page> {
        let mut search = Search {
            query,
            before,
            limit: limit.clamp(1, LIMIT_MAX),
            bodies,
            journal: Places::new(&self.journal),
            page: Page::default(),
            looked: 0,
            last: None,
        };
        let (newest, parts) = {
            let state = self.locked();
            search.page.complete_to = state.complete_to;
            let set = in_tail(&state.tail, query);
            let newest: Vec<RowPlace> = set
                .newest_first()
                .filter_map(|row| state.tail.places.get(row).copied())
                .collect();
            (newest, state.parts.clone())
        };
        for place in newest {
            if search.take(place)? {
                return Ok(search.page);
            }
        }
        for part in parts.iter().rev() {
            if before.is_some_and(|before| before.settled < part.footer.from) {
                continue;
            }
            let opened = part.open()?;
            let set = in_part(&opened, query)?;
            let mut places = opened.places();
            for row in set.newest_first() {
                if search.take(places.get(row)?)? {
                    return Ok(search.page);
                }
            }
        }
        Ok(search.page)
    }
}

impl Search<'_> {
    /// Looks at a row; true when the page is done.
    fn take(&mut self, at: RowPlace) -> io::Result<bool> {
        let cursor = Cursor {
            settled: at.settled,
            index: at.index,
        };
        if self.before.is_some_and(|before| cursor >= before) {
            return Ok(false);
        }
        if self.looked >= LOOK_MAX {
            self.page.next = self.last;
            return Ok(true);
        }
        self.looked += 1;
        let row = self
            .journal
            .row((at.index, at.settled), at.first, at.closing)?;
        if let Some(row) = row.filter(|row| self.query.matches(row, self.bodies)) {
            if self.page.rows.len() == self.limit {
                self.page.next = self.page.rows.last().map(Cursor::of);
                return Ok(true);
            }
            self.page.rows.push(row);
        }
        self.last = Some(cursor);
        Ok(false)
    }
}

/// Whether the newest row of a part is in the journal where the part says.
pub(super) fn fits(part: &Part, journal: &Path) -> io::Result<bool> {
    let opened = part.open()?;
    let Some(newest) = part.footer.rows.checked_sub(1) else {
        return Ok(false);
    };
    let at = opened.places().get(newest)?;
    // An error says that another record is there; a file that is gone, that this was another journal's index.
    let row = Places::new(journal).row((at.index, at.settled), at.first, at.closing)?;
    Ok(row.is_some())
}

/// Rows of the tail that may be what is looked for.
pub(super) fn in_tail(tail: &Builder, query: &Query) -> RowSet {
    let rows = tail.places.len();
    let mut set = RowSet::all(rows);
    for (filter, values) in query.terms() {
        let mut any = RowSet::empty(rows);
        for value in values {
            tail.terms.put_rows(hash::term(filter, value), &mut any);
        }
        set.and(&any);
    }
    for text in query.texts() {
        let mut with_all = RowSet::all(rows);
        for gram in text::wanted(text) {
            with_all.and(&rows_with(&tail.grams, gram, rows));
        }
        tail.terms
            .put_rows(hash::term(LONG.0, LONG.1), &mut with_all);
        set.and(&with_all);
    }
    set.keep(|row| {
        query.takes_time(known(&tail.times, row)) && query.takes_cost(known(&tail.costs, row))
    });
    set
}

/// Rows of a part that may be what is looked for.
pub(super) fn in_part(part: &Opened<'_>, query: &Query) -> io::Result<RowSet> {
    let rows = part.footer.rows;
    let none = || Ok(RowSet::empty(rows));
    // What the footer says needs no reading.
    let (first, last) = match part.footer.times {
        Some((first, last)) => (Some(first), Some(last)),
        None => (None, None),
    };
    let timed = query.from_ms.is_some() || query.to_ms.is_some();
    let outside = query
        .from_ms
        .is_some_and(|from| last.is_none_or(|last| last < from))
        || query
            .to_ms
            .is_some_and(|to| first.is_none_or(|first| first >= to));
    if outside || !query.takes_cost(part.footer.cost_max) {
        return none();
    }
    let mut set = RowSet::all(rows);
    let terms = part.terms()?;
    for (filter, values) in query.terms() {
        let mut any = RowSet::empty(rows);
        for value in values {
            if let Some(entry) = terms.find(hash::term(filter, value))? {
                any.or(&terms.set(entry)?);
            }
        }
        set.and(&any);
        if set.is_empty() {
            return none();
        }
    }
    for text in query.texts() {
        set.and(&with_text(part, text)?);
        if set.is_empty() {
            return none();
        }
    }
    let all_inside = part.footer.all_timed && query.takes_time(first) && query.takes_time(last);
    if timed && !all_inside {
        let times = part.times()?;
        set.keep(|row| query.takes_time(known(&times, row)));
    }
    if query.min_cost_nano.is_some() {
        let costs = part.costs()?;
        set.keep(|row| query.takes_cost(known(&costs, row)));
    }
    Ok(set)
}

pub(super) fn known(numbers: &[i64], row: usize) -> Option<i64> {
    numbers
        .get(row)
        .copied()
        .filter(|number| *number != build::NONE)
}

fn with_text(part: &Opened<'_>, text: &str) -> io::Result<RowSet> {
    let rows = part.footer.rows;
    let grams = part.grams()?;
    let mut with_all = RowSet::all(rows);
    for gram in text::wanted(text) {
        match grams.find(gram)? {
            Some(entry) => with_all.and(&grams.set(entry)?),
            None => with_all = RowSet::empty(rows),
        }
        if with_all.is_empty() {
            break;
        }
    }
    let terms = part.terms()?;
    if let Some(long) = terms.find(hash::term(LONG.0, LONG.1))? {
        with_all.or(&terms.set(long)?);
    }
    Ok(with_all)
}
