//! Rows of the log in portions, from a cursor on, while the log grows.
//!
//! Reads files: to be used on a thread of its own. Invariants: rows come in order, each once; a portion ends between two
//! records, so that its cursor is a place to go on from; it is bounded in rows and bytes, but for one record's.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::Journal;
use journal::follow::Until;
use journal::join::Join;
use journal::row::Row;
use journal::rows::Rows;

use super::cursor::Cursor;

/// Reads the log for one receiver.
pub struct Feed {
    journal: Arc<Journal>,
    dir: PathBuf,
    /// `None`: to be opened at `at`.
    rows: Option<Rows>,
    /// The end of the last portion.
    at: Cursor,
}

/// What to do after a record's rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// Read on.
    On,
    /// This is enough.
    Enough,
}

impl Feed {
    /// Rows of the log in `dir`, from `at` on.
    #[must_use]
    pub fn new(journal: Arc<Journal>, dir: &Path, at: Cursor) -> Self {
        Self {
            journal,
            dir: dir.to_owned(),
            rows: None,
            at,
        }
    }

    /// Goes back to where the receiver is known to be.
    pub fn rewind(&mut self, at: Cursor) {
        if self.at != at {
            self.rows = None;
            self.at = at;
        }
    }

    /// Hands over the rows of whole records until there are no more for now, `take` has enough, or `below` is reached.
    /// Returns where that was.
    ///
    /// # Errors
    /// A file that cannot be read. The next call begins where this one did.
    pub fn read(
        &mut self,
        below: Option<u64>,
        take: impl FnMut(Vec<Row>) -> Go,
    ) -> io::Result<Cursor> {
        let done = self.read_on(below, take);
        match done {
            Ok(at) => self.at = at,
            Err(_) => self.rows = None,
        }
        done
    }

    fn read_on(
        &mut self,
        below: Option<u64>,
        mut take: impl FnMut(Vec<Row>) -> Go,
    ) -> io::Result<Cursor> {
        let until = Until::Frontier(below.unwrap_or_else(|| self.journal.frontier()));
        let done_below = self.at.next;
        let rows = match &mut self.rows {
            Some(rows) => rows,
            empty => {
                let from = self.at.read_from.min(done_below);
                empty.insert(Rows::open(&self.dir, from, Join::default())?)
            }
        };
        let mut found = Vec::new();
        while rows.step(until, &mut found)? {
            // Below `next` is what a row's opening was looked for in: those rows went out before.
            let is_new = |row: &Row| {
                row.settled
                    .is_none_or(|settled| settled.cast_unsigned() >= done_below)
            };
            let new: Vec<Row> = found
                .drain(..)
                .map(|settled| settled.row())
                .filter(is_new)
                .collect();
            if !new.is_empty() && take(new) == Go::Enough {
                break;
            }
        }
        let next = rows.next_index().max(done_below);
        Ok(Cursor {
            next,
            read_from: rows.join().oldest_open().unwrap_or(next).min(next),
        })
    }

    /// How many records there are behind `cursor`, about.
    #[must_use]
    pub fn behind(&self, cursor: Cursor) -> u64 {
        self.journal.frontier().saturating_sub(cursor.next)
    }
}
