//! Searches a journal's directory with whatever index there is, or none: for tools beside a live gateway.
//!
//! What no part of the index has is read from the log. Must never change a file.
//! Invariants: the same rows are found with and without an index; memory is one page.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use super::Index;
use super::feed::resume;
use super::query::Query;
use super::search::{Cursor, LIMIT_MAX, Page};
use super::stats::{Counter, Stats};
use super::text::Bodies;
use crate::follow::Until;
use crate::row::Row;
use crate::rows::Rows;

/// The next rows of a query, at most `limit` of them, newest first.
///
/// # Errors
/// A file that cannot be read. An index that is damaged is one of kind `InvalidData`: go on without it.
pub fn page(
    journal: &Path,
    index: Option<&Index>,
    query: &Query,
    before: Option<Cursor>,
    limit: usize,
    bodies: &dyn Bodies,
) -> io::Result<Page> {
    let limit = limit.clamp(1, LIMIT_MAX);
    let mut page = newest(journal, index, query, before, limit, bodies)?;
    let Some(index) = index.filter(|_| page.rows.len() <= limit) else {
        page.next = cut(&mut page.rows, limit);
        return Ok(page);
    };
    let wanted = limit - page.rows.len();
    let older = index.page(query, before, wanted.max(1), bodies)?;
    if wanted == 0 {
        let more = !older.rows.is_empty() || older.next.is_some();
        page.next = page.rows.last().filter(|_| more).map(Cursor::of);
    } else {
        page.rows.extend(older.rows);
        page.next = older.next;
    }
    Ok(page)
}

/// Keeps `limit` rows; if there were more, where to go on.
fn cut(rows: &mut Vec<Row>, limit: usize) -> Option<Cursor> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    rows.last().filter(|_| more).map(Cursor::of)
}

/// The newest rows that are in no part of the index, one more than `limit` if there are.
fn newest(
    journal: &Path,
    index: Option<&Index>,
    query: &Query,
    before: Option<Cursor>,
    limit: usize,
    bodies: &dyn Bodies,
) -> io::Result<Page> {
    let mut rows = match index.and_then(Index::standing) {
        Some(standing) => resume(journal, &standing)?,
        None => Rows::oldest(journal)?,
    };
    let mut found = VecDeque::new();
    while let Some(settled) = rows.next(Until::End)? {
        let row = settled.row();
        if before.is_some_and(|before| Cursor::of(&row) >= before) {
            break;
        }
        if query.matches(&row, bodies) {
            if found.len() > limit {
                found.pop_front();
            }
            found.push_back(row);
        }
    }
    Ok(Page {
        rows: found.into_iter().rev().collect(),
        next: None,
        complete_to: rows.next_index(),
    })
}

/// Hands over all rows of a query, oldest first, until `take` says `false`; returns how many it took.
///
/// # Errors
/// A file that cannot be read, and what `take` returns.
pub fn each(
    journal: &Path,
    query: &Query,
    bodies: &dyn Bodies,
    mut take: impl FnMut(&Row) -> io::Result<bool>,
) -> io::Result<u64> {
    let mut rows = Rows::oldest(journal)?;
    let mut count = 0;
    while let Some(settled) = rows.next(Until::End)? {
        let row = settled.row();
        if query.matches(&row, bodies) {
            count += 1;
            if !take(&row)? {
                break;
            }
        }
    }
    Ok(count)
}

/// Counts what a query finds, without an index.
///
/// # Errors
/// A file that cannot be read; kind `InvalidInput` if there are too many stretches of time.
pub fn stats(
    journal: &Path,
    query: &Query,
    bucket_ms: i64,
    bodies: &dyn Bodies,
) -> io::Result<Stats> {
    let mut counter = Counter::new(bucket_ms);
    let mut rows = Rows::oldest(journal)?;
    while let Some(settled) = rows.next(Until::End)? {
        let row = settled.row();
        if query.matches(&row, bodies) {
            counter.add(&row)?;
        }
    }
    Ok(counter.finish(rows.next_index()))
}
