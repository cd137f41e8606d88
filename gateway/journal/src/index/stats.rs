//! How many rows there were, by time and by what they are: for the first page of a console.
//!
//! Must never read rows where sets will do. Invariants: a row counts once for each of its values; rows without a time are
//! not counted.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::build::{Builder, COUNTED};
use super::part::Opened;
use super::query::Query;
use super::search::{in_part, in_tail, known};
use super::set::RowSet;
use super::{Index, hash};
use crate::row::Row;

/// Most stretches of time.
pub const BUCKETS_MAX: usize = 2000;

/// Counts by time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Length of each stretch, ms.
    pub bucket_ms: i64,
    /// Stretches in which there were rows, in the order of time.
    pub buckets: Vec<Bucket>,
    /// Every row settled below this index is counted.
    pub complete_to: u64,
}

/// Counts of one stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Where it begins, ms since 1970 UTC; a multiple of its length.
    pub start_ms: i64,
    /// Rows.
    pub rows: u64,
    /// Rows by filter and value.
    pub by: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

/// Counts that grow.
pub(super) struct Counter {
    bucket_ms: i64,
    buckets: BTreeMap<i64, Bucket>,
}

impl Counter {
    pub(super) fn new(bucket_ms: i64) -> Self {
        Self {
            bucket_ms: bucket_ms.max(1),
            buckets: BTreeMap::new(),
        }
    }

    /// Counts a row that was read.
    pub(super) fn add(&mut self, row: &Row) -> io::Result<()> {
        let Some(time) = row.time.0.or(row.ended.0) else {
            return Ok(());
        };
        let mut values = Vec::new();
        row.each_term(|filter, text| {
            if let Some(filter) = COUNTED.iter().find(|known| **known == filter) {
                values.push((*filter, text.to_owned()));
            }
        });
        // One row has a value once, however many columns say it.
        values.sort_unstable();
        values.dedup();
        let bucket = self.bucket(time)?;
        bucket.rows += 1;
        for (filter, text) in values {
            *bucket
                .by
                .entry(filter)
                .or_default()
                .entry(text)
                .or_default() += 1;
        }
        Ok(())
    }

    pub(super) fn finish(self, complete_to: u64) -> Stats {
        Stats {
            bucket_ms: self.bucket_ms,
            buckets: self.buckets.into_values().collect(),
            complete_to,
        }
    }

    fn bucket(&mut self, time: i64) -> io::Result<&mut Bucket> {
        let start_ms = time
            .div_euclid(self.bucket_ms)
            .saturating_mul(self.bucket_ms);
        if self.buckets.len() >= BUCKETS_MAX && !self.buckets.contains_key(&start_ms) {
            let why = "so many stretches of time: ask for longer ones, or for less time";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(self.buckets.entry(start_ms).or_insert_with(|| Bucket {
            start_ms,
            ..Bucket::default()
        }))
    }

    fn add_rows(&mut self, time: i64, rows: u64) -> io::Result<()> {
        self.bucket(time)?.rows += rows;
        Ok(())
    }

    fn add_value(
        &mut self,
        time: i64,
        filter: &'static str,
        value: &str,
        rows: u64,
    ) -> io::Result<()> {
        let by = self.bucket(time)?.by.entry(filter).or_default();
        match by.get_mut(value) {
            Some(count) => *count += rows,
            None => {
                by.insert(value.to_owned(), rows);
            }
        }
        Ok(())
    }

    fn add_part(&mut self, part: &Opened<'_>, query: &Query) -> io::Result<()> {
        let found = in_part(part, query)?;
        let Some((first, last)) = part.footer.times.filter(|_| !found.is_empty()) else {
            return Ok(());
        };
        // A part of busy times lies within one stretch: then sets need not even be read.
        let one = part.footer.all_timed
            && first.div_euclid(self.bucket_ms) == last.div_euclid(self.bucket_ms);
        let times = if one { Vec::new() } else { part.times()? };
        let all = found.len() == part.footer.rows;
        let count = |set: &RowSet, add: &mut dyn FnMut(i64, u64) -> io::Result<()>| {
            if one {
                return add(first, set.len() as u64);
            }
            set.newest_first()
                .filter_map(|row| known(&times, row))
                .try_for_each(|time| add(time, 1))
        };
        count(&found, &mut |time, rows| self.add_rows(time, rows))?;
        let terms = part.terms()?;
        for filter in COUNTED {
            for (value, rows) in part.footer.values.get(filter).into_iter().flatten() {
                if one && all {
                    self.add_value(first, filter, value, *rows)?;
                    continue;
                }
                let Some(entry) = terms.find(hash::term(filter, value))? else {
                    continue;
                };
                let mut set = terms.set(entry)?;
                set.and(&found);
                if !set.is_empty() {
                    count(&set, &mut |time, rows| {
                        self.add_value(time, filter, value, rows)
                    })?;
                }
            }
        }
        Ok(())
    }

    fn add_tail(&mut self, tail: &Builder, query: &Query) -> io::Result<()> {
        let found = in_tail(tail, query);
        let time = |row: usize| known(&tail.times, row);
        found
            .newest_first()
            .filter_map(time)
            .try_for_each(|time| self.add_rows(time, 1))?;
        for value in &tail.values {
            let rows = tail.terms.list(value.list).iter().copied();
            rows.map(usize::from)
                .filter(|row| found.contains(*row))
                .filter_map(time)
                .try_for_each(|time| self.add_value(time, value.filter, &value.text, 1))?;
        }
        Ok(())
    }
}

impl Index {
    /// Counts what a query without texts finds, in stretches of `bucket_ms`.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged; kind `InvalidInput` if there are more than `BUCKETS_MAX` stretches.
    pub fn stats(&self, query: &Query, bucket_ms: i64) -> io::Result<Stats> {
        let counted = self.count(query, bucket_ms);
        self.noting(counted)
    }

    fn count(&self, query: &Query, bucket_ms: i64) -> io::Result<Stats> {
        let mut counter = Counter::new(bucket_ms);
        let (parts, complete_to) = {
            let state = self.locked();
            counter.add_tail(&state.tail, query)?;
            (state.parts.clone(), state.complete_to)
        };
        for part in &parts {
            counter.add_part(&part.open()?, query)?;
        }
        Ok(counter.finish(complete_to))
    }
}
