//! Builds the index from the log: in small steps, so that whoever runs it can pause, stop and start again at any moment.
//!
//! Must never know threads or clocks. Invariants: what is in no part is read again after a restart; a part is written
//! between two records; erased texts are removed from all parts before the part with the erasure is written.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::build::Builder;
use super::part::{Part, Standing};
use super::prepare::{Batch, Preparer};
use super::set::RowSet;
use super::text::Bodies;
use super::{Index, hash};
use crate::follow::Until;
use crate::join::{Input, Join, Place, Settled};
use crate::record::Kind;
use crate::row::Row;
use crate::rows::{Places, Rows};

/// Rows handed over to searches at once.
const BATCH_ROWS: usize = 64;
/// The event that erases a subject's texts, and the filter by which its rows are found.
const ERASES: &str = "shred";
const SUBJECT: &str = "subject";
/// Steps after an erasure in which keys are let go of again: it is written down before the keys are destroyed, and a
/// search may take one in between. Some ten seconds at rest.
const FORGETTING_STEPS: u32 = 100;

/// Reads the log into an index.
pub struct Feeder {
    index: Arc<Index>,
    bodies: Arc<dyn Bodies>,
    /// `None` before the first step and after damage.
    rows: Option<Rows>,
    preparer: Preparer,
    batch: Batch,
    /// Steps in which keys are still let go of.
    forgetting: u32,
}

impl Feeder {
    /// Feeds `index`; there must be one feeder of a directory.
    pub fn new(index: Arc<Index>, bodies: Arc<dyn Bodies>) -> Self {
        Self {
            index,
            bodies,
            rows: None,
            preparer: Preparer::new(),
            batch: Batch::default(),
            forgetting: 0,
        }
    }

    /// Reads up to `records` records; false when there are no more, for now.
    ///
    /// # Errors
    /// A file that cannot be read or written. The call may be repeated.
    pub fn step(&mut self, until: Until, records: usize) -> io::Result<bool> {
        if self.index.damaged.load(Ordering::Relaxed) {
            self.rows = None;
            self.anew();
            self.index.clear()?;
        }
        if self.forgetting > 0 {
            self.forgetting -= 1;
            self.bodies.forget();
        }
        let done = self.feed(until, records);
        if done.is_err() {
            // What was read and not handed over is read again.
            self.rows = None;
            self.anew();
            let mut state = self.index.locked_mut();
            state.tail = Builder::default();
            state.complete_to = state
                .parts
                .last()
                .map_or(0, |last| last.footer.standing.next);
        }
        let index = Arc::clone(&self.index);
        index.noting(done)
    }

    fn feed(&mut self, until: Until, records: usize) -> io::Result<bool> {
        let mut rows = match self.rows.take() {
            Some(rows) => rows,
            None => self.begin()?,
        };
        let (mut settled, mut more) = (Vec::new(), true);
        for _ in 0..records {
            more = rows.step(until, &mut settled)?;
            for row in settled.drain(..) {
                if let Some(erasure) = erasure(&row) {
                    self.hand_over(rows.next_index());
                    self.forget(&erasure)?;
                    self.forgetting = FORGETTING_STEPS;
                }
                self.preparer.add(&row, &*self.bodies, &mut self.batch);
            }
            if !more || self.batch.len() >= BATCH_ROWS {
                self.hand_over(rows.next_index());
                self.write_full(&rows)?;
            }
            if !more {
                break;
            }
        }
        self.hand_over(rows.next_index());
        self.write_full(&rows)?;
        self.rows = Some(rows);
        Ok(more)
    }

    /// The builder is empty again.
    fn anew(&mut self) {
        self.preparer.begin();
        self.batch.clear();
    }

    fn begin(&self) -> io::Result<Rows> {
        match self.index.standing() {
            Some(standing) => resume(&self.index.journal, &standing),
            None => Rows::oldest(&self.index.journal),
        }
    }

    fn hand_over(&mut self, complete_to: u64) {
        let mut state = self.index.locked_mut();
        state.tail.add(&mut self.batch);
        state.complete_to = complete_to;
    }

    /// Writes a part if there is enough for one. Searches wait while its terms are sorted, some 20 ms as a rule, and go on
    /// while it is written.
    fn write_full(&mut self, rows: &Rows) -> io::Result<()> {
        if !self.index.locked().tail.is_full(self.index.part_rows) {
            return Ok(());
        }
        self.index.locked_mut().tail.sort();
        let part = {
            let state = self.index.locked();
            let from = match state.parts.last() {
                Some(last) => last.footer.standing.next,
                None => 0,
            };
            let standing = Standing::of(rows.next_index(), rows.join());
            Part::write(&self.index.dir, &state.tail, from, standing)?
        };
        let mut state = self.index.locked_mut();
        if let Some(last) = state.parts.last_mut() {
            *last = Arc::new(last.older());
        }
        state.parts.push(Arc::new(part));
        state.tail.clear();
        self.preparer.begin();
        // What retention removed is not kept here either.
        while let Some(first) = state.parts.first()
            && first.is_gone(&self.index.journal)
        {
            first.remove()?;
            state.parts.remove(0);
        }
        Ok(())
    }

    /// Removes what is known of the texts of a subject.
    fn forget(&self, erasure: &Row) -> io::Result<()> {
        let mut subjects = Vec::new();
        erasure.each_term(|filter, text| {
            if filter == SUBJECT {
                subjects.push(hash::term(SUBJECT, text));
            }
        });
        self.bodies.forget();
        let parts = self.index.locked().parts.clone();
        for (at, part) in parts.iter().enumerate() {
            let opened = part.open()?;
            let terms = opened.terms()?;
            let mut found = RowSet::empty(part.footer.rows);
            for subject in &subjects {
                if let Some(entry) = terms.find(*subject)? {
                    found.or(&terms.set(entry)?);
                }
            }
            if !found.is_empty() {
                let part = Arc::new(part.forget(&found)?);
                if let Some(place) = self.index.locked_mut().parts.get_mut(at) {
                    *place = part;
                }
            }
        }
        let mut state = self.index.locked_mut();
        let mut found = RowSet::empty(state.tail.places.len());
        for subject in subjects {
            state.tail.terms.put_rows(subject, &mut found);
        }
        state.tail.forget(&found);
        Ok(())
    }
}

/// The row that erases texts, if it is one.
fn erasure(settled: &Settled) -> Option<Row> {
    let first = settled.first.as_ref()?;
    (first.kind == Kind::Event)
        .then(|| settled.row())
        .filter(|row| row.what == ERASES)
}

/// Reads on where a part ended.
pub(super) fn resume(journal: &Path, standing: &Standing) -> io::Result<Rows> {
    let (mut join, mut places) = (Join::default(), Places::new(journal));
    for (index, number, shard, offset) in &standing.open {
        let place = Place {
            number: *number,
            shard: *shard,
            offset: *offset,
        };
        // What retention removed meanwhile gives a row of its closing alone, as it does for whoever reads the log now.
        let Some(found) = places.fetch(place)?.filter(|found| found.index == *index) else {
            continue;
        };
        join.restore(&Input {
            index: *index,
            kind: found.kind,
            epoch: found.epoch,
            place,
            payload: &found.payload,
        });
    }
    Rows::open(journal, standing.next, join)
}

impl std::fmt::Debug for Feeder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feeder")
    }
}
