//! `--format parquet`: one file, or a directory of files by day as a lake has them (`lake::table` has the schema).
//!
//! Invariants: a file has its name only when it is whole; at most [`DAYS_MAX`] files are open.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use journal::row::Row;
use journal::utc;
use lake::table::{Origin, TableWriter};

/// Days whose files are open at once. Rows come nearly in order of time.
const DAYS_MAX: usize = 4;

/// Rows into one file.
pub(super) struct One(TableWriter<File>);

impl One {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let table = TableWriter::new(file, Origin::default(), &[]);
        table.map(Self).map_err(io::Error::other)
    }

    pub(super) fn push(&mut self, row: &Row) -> io::Result<()> {
        self.0.push(row).map_err(io::Error::other)
    }

    /// Ends the file; it is on disk then.
    pub(super) fn finish(self) -> io::Result<()> {
        self.0.finish().map_err(io::Error::other)?.sync_all()
    }
}

/// Rows into `date=YYYY-MM-DD/export-N.parquet` of a directory.
pub(super) struct Days {
    dir: PathBuf,
    open: BTreeMap<String, (One, PathBuf)>,
    begun: HashMap<String, u32>,
}

impl Days {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            open: BTreeMap::new(),
            begun: HashMap::new(),
        }
    }

    pub(super) fn push(&mut self, row: &Row) -> io::Result<()> {
        let date = utc::date(row.time.0.or(row.ended.0).unwrap_or_default());
        if !self.open.contains_key(&date) {
            if self.open.len() >= DAYS_MAX
                && let Some((_, (one, path))) = self.open.pop_first()
            {
                put(one, &path)?;
            }
            let day = self.dir.join(format!("date={date}"));
            fs::create_dir_all(&day)?;
            let nth = self.begun.entry(date.clone()).or_default();
            *nth += 1;
            let path = day.join(format!("export-{nth}.parquet"));
            let one = One::new(File::create(super::unfinished(&path))?)?;
            self.open.insert(date.clone(), (one, path));
        }
        match self.open.get_mut(&date) {
            Some((one, _)) => one.push(row),
            None => Ok(()),
        }
    }

    pub(super) fn finish(self) -> io::Result<()> {
        self.open
            .into_values()
            .try_for_each(|(one, path)| put(one, &path))
    }
}

fn put(one: One, path: &Path) -> io::Result<()> {
    one.finish()?;
    fs::rename(super::unfinished(path), path)
}
