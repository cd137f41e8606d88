//! Finds rows of the log quickly: an index beside the journal, made from it alone. Losing it loses nothing.
//!
//! Rows are known in the order in which they were settled, some 32,000 of them a part (see [`part`]); those of no part yet
//! are in memory and are read again after a restart. Each part says where in the log it ends, so the last part *is* the
//! durable cursor. For every filter and value, and for the characters of texts, a part has the set of rows; a search
//! combines sets, newest part first, then reads the rows themselves from the journal and looks at them once more. So
//! an index can be slow or behind, but not wrong, unless it misses a row: every piece that is read has a checksum, and what
//! is damaged, or does not fit the journal, is built anew.
//!
//! Without an index, and for what it does not know yet, [`find::Finder`] reads the log.
//!
//! Must never know the writer of the log, a config or HTTP. Invariants: a search with an index finds what one without it
//! finds; memory is bounded by one part, whatever is indexed; texts that were erased are forgotten here too.

mod bodies;
mod build;
mod feed;
mod file;
pub mod find;
mod hash;
mod part;
mod postings;
mod prepare;
mod query;
mod search;
mod set;
mod stats;
mod table;
#[cfg(test)]
mod tests;
mod text;
pub mod usage;

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use build::Builder;
pub use feed::Feeder;
use part::{Part, Standing};
pub use query::{Query, TEXT_BYTES_MAX, VALUES_MAX};
pub use search::{Cursor, LIMIT_MAX, Page};
pub use stats::{BUCKETS_MAX, Bucket, Stats};
pub use text::{Bodies, NoBodies};

/// Directory of the index in a journal's directory, where no other is named.
pub const DIR: &str = "index";

/// An index of a journal.
pub struct Index {
    journal: PathBuf,
    dir: PathBuf,
    state: RwLock<State>,
    /// Something did not fit: to be built anew.
    damaged: AtomicBool,
    /// Rows of a part.
    part_rows: usize,
}

/// What a search looks at.
#[derive(Default)]
struct State {
    /// Oldest first.
    parts: Vec<Arc<Part>>,
    tail: Builder,
    /// Every row settled below this index is known.
    complete_to: u64,
}

impl Index {
    /// Opens the index of `journal` in `dir` for building and searching. What is damaged is removed.
    ///
    /// # Errors
    /// A directory that cannot be used.
    pub fn open(journal: &Path, dir: &Path) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self::usable(journal, dir)?))
    }

    /// One of small parts.
    #[cfg(test)]
    fn open_small(journal: &Path, dir: &Path, part_rows: usize) -> Arc<Self> {
        let index = Self::usable(journal, dir).unwrap();
        Arc::new(Self { part_rows, ..index })
    }

    fn usable(journal: &Path, dir: &Path) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)?;
        let index = Self::load(journal, dir)?;
        if index.damaged.load(Ordering::Relaxed) {
            index.clear()?;
        }
        Ok(index)
    }

    /// Opens it for searching beside whoever builds it; nothing is changed. `None` if there is none, or a damaged one.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn read(journal: &Path, dir: &Path) -> io::Result<Option<Self>> {
        let index = Self::load(journal, dir)?;
        let usable = !index.damaged.load(Ordering::Relaxed) && !index.locked().parts.is_empty();
        Ok(usable.then_some(index))
    }

    fn load(journal: &Path, dir: &Path) -> io::Result<Self> {
        let (parts, whole) = part::list(dir)?;
        let fits = match parts.last() {
            None => true,
            Some(last) => match search::fits(last, journal) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => false,
                other => other?,
            },
        };
        let state = State {
            complete_to: parts.last().map_or(0, |last| last.footer.standing.next),
            parts: parts.into_iter().map(Arc::new).collect(),
            tail: Builder::default(),
        };
        Ok(Self {
            journal: journal.to_owned(),
            dir: dir.to_owned(),
            state: RwLock::new(state),
            damaged: AtomicBool::new(!(whole && fits)),
            part_rows: build::ROWS_FULL,
        })
    }

    /// Every row settled below this index is found.
    pub fn complete_to(&self) -> u64 {
        self.locked().complete_to
    }

    /// Where the log has to be read from for what is in no part.
    fn standing(&self) -> Option<Standing> {
        let state = self.locked();
        state.parts.last().map(|last| last.footer.standing.clone())
    }

    /// Forgets everything: the journal is read again from its oldest record.
    fn clear(&self) -> io::Result<()> {
        part::clear(&self.dir)?;
        *self.locked_mut() = State::default();
        self.damaged.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Remembers what an error says about the index.
    fn noting<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done
            && matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
            )
        {
            self.damaged.store(true, Ordering::Relaxed);
        }
        done
    }

    /// Changes under the lock are complete or not made, so a panic of its holder leaves it in order.
    fn locked(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn locked_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Index({})", self.complete_to())
    }
}
