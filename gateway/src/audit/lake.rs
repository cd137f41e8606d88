//! The lake: rows become Parquet files, one table over all replicas.
//!
//! **Files.** `date=YYYY-MM-DD/<replica>-<log>-<from>-<below>.parquet`: the rows that were complete in `from..below` and
//! whose request arrived on that day, UTC. A row is written when it is complete, so a long request comes late into an old day.
//! Rows are cut off the log by age (`audit.lake.every`) or number ([`FILE_ROWS_MAX`]), not by segment: the opening and the
//! closing of a row stand in different ones.
//!
//! **Once.** What is to be cut off is written down (`cursors/lake.json`, `planned`) before the first upload. After a crash or
//! an error the same range is cut again and its files get the same names, so they overwrite what was there: no row is ever
//! in two files. Then the manifest of each day (`_manifest/date=…/<replica>-<log>.json`: files with rows, bytes and
//! SHA-256), then that of the replica (`_manifest/<replica>-<log>.json`: everything complete below `below` is there), then the
//! cursor. One gateway writes a log, so nobody else writes these names; a log that was lost begins a new one with a new name.
//!
//! Must never run on a worker's runtime. Invariants: at most [`FILE_ROWS_MAX`] rows, compressed, and a row group are in
//! memory; a cursor moves when everything before it is stored.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use journal::row::{Row, SCHEMA_VERSION};
use journal::siem::{Source, moment};
use journal::utc;
use lake::store::{Store, StoreError};
use lake::table::{Origin, TableWriter};
use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Cursors, LAKE};
use super::feed::{Feed, Go};
use super::http::{Caller, Tls};
use super::ship::{Backoff, Lane};
use crate::config::build::exposed;
use crate::config::schema;
use crate::config::snapshot::ClientTls;
use crate::secret::Secret;
use crate::server::tls;

/// Rows of one cut.
const FILE_ROWS_MAX: usize = 200_000;
/// Days in one cut: each is a file that is open.
const DAYS_MAX: usize = 4;
/// Time between two looks whether a cut is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Records of a row, at least half of which are openings: how many make a cut due before its time.
const RECORDS_DUE: u64 = 2 * FILE_ROWS_MAX as u64;

/// The cursor, and the cut that is on its way.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct State {
    at: Cursor,
    planned: Option<u64>,
    /// The manifest in the store was asked: without a cursor of our own it knows where to go on.
    adopted: bool,
}

/// Everything cut off at once.
struct Cut {
    end: Cursor,
    files: Vec<File>,
}

/// One file.
struct File {
    entry: Entry,
    date: String,
    bytes: Bytes,
}

/// What a day's manifest says of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    path: String,
    rows: u64,
    bytes: u64,
    sha256: String,
    from: u64,
    below: u64,
}

/// The manifest of a day.
#[derive(Debug, Serialize, Deserialize)]
struct Day {
    schema_version: u32,
    replica: String,
    log: String,
    date: String,
    files: Vec<Entry>,
}

/// The manifest of a replica.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    schema_version: u32,
    replica: String,
    log: String,
    /// All rows that were complete below this index are in files.
    below: u64,
}

/// Opens an object store over our own HTTP.
///
/// # Errors
/// A store that cannot be opened.
pub fn open_store(url: &str, options: &BTreeMap<String, Secret>) -> anyhow::Result<Store> {
    let caller = Arc::new(Caller::new(Tls {
        client: tls::client(&ClientTls::default(), false)?,
        server_name: None,
    }));
    let call = Arc::new(move |request| -> lake::store::Answer {
        let caller = Arc::clone(&caller);
        Box::pin(async move { caller.call(request).await })
    });
    Ok(lake::store::open(
        url,
        &exposed(options),
        Path::new(""),
        call,
    )?)
}

/// The copy of the log in a lake.
pub struct Lake {
    store: Store,
    every: Duration,
    source: Source,
    cursors: Cursors,
    state: State,
    /// Where this run's records begin.
    next_index: u64,
}

impl Lake {
    /// As the config has it.
    ///
    /// # Errors
    /// A store that cannot be opened, a cursor that cannot be read.
    pub fn open(
        config: &schema::Lake,
        source: &Source,
        cursors: &Cursors,
        next_index: u64,
    ) -> anyhow::Result<Self> {
        let saved: Option<State> = cursors.load(LAKE)?;
        let saved = saved.unwrap_or_default();
        let state = State {
            at: saved.at.at_most(next_index),
            planned: saved.planned.filter(|planned| *planned <= next_index),
            ..saved
        };
        cursors.save(LAKE, &state)?;
        Ok(Self {
            store: open_store(&config.url, &config.options)?,
            every: config.every.0,
            source: source.clone(),
            cursors: cursors.clone(),
            state,
            next_index,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.state.at
    }

    /// Ships for as long as the gateway runs.
    pub async fn run(mut self, mut lane: Lane, mut feed: Feed) {
        let mut backoff = Backoff::default();
        let mut cut: Option<Cut> = None;
        let mut last = Instant::now();
        loop {
            let behind = feed.behind(self.state.at);
            lane.lag(behind);
            let over = lane.is_over();
            let due = self.state.planned.is_some()
                || !self.state.adopted
                || behind >= RECORDS_DUE
                || (behind > 0 && (over || last.elapsed() >= self.every));
            if !due {
                if over {
                    break;
                }
                lane.pause(LOOK_EVERY).await;
                continue;
            }
            match self.ship(&mut lane, &mut feed, &mut cut).await {
                Ok(()) => {
                    backoff.reset();
                    last = Instant::now();
                }
                Err(error) => {
                    lane.failed(&error, backoff.failures());
                    if lane.is_over() {
                        break;
                    }
                    lane.lag(feed.behind(self.state.at));
                    lane.pause(backoff.pause()).await;
                }
            }
        }
    }

    async fn ship(
        &mut self,
        lane: &mut Lane,
        feed: &mut Feed,
        kept: &mut Option<Cut>,
    ) -> anyhow::Result<()> {
        if !self.state.adopted {
            self.adopt().await?;
            self.state.adopted = true;
            feed.rewind(self.state.at);
        }
        // What was cut once is not cut again while this process lives.
        let cut = match kept.take() {
            Some(cut) => cut,
            None => match self.cut(lane, feed) {
                Ok(cut) => cut,
                Err(error) => {
                    feed.rewind(self.state.at);
                    return Err(error);
                }
            },
        };
        if !cut.files.is_empty() {
            self.state.planned = Some(cut.end.next);
            let stored = self
                .cursors
                .save(LAKE, &self.state)
                .map_err(anyhow::Error::from);
            let stored = match stored {
                Ok(()) => self.store(&cut).await,
                Err(error) => Err(error),
            };
            if let Err(error) = stored {
                *kept = Some(cut);
                return Err(error);
            }
        }
        let state = State {
            at: cut.end,
            planned: None,
            adopted: true,
        };
        // A cut without rows is not worth a write each time; it is saved with the next one.
        if !cut.files.is_empty()
            && let Err(error) = self.cursors.save(LAKE, &state)
        {
            *kept = Some(cut);
            return Err(error.into());
        }
        self.state = state;
        lane.arrived(
            cut.files
                .iter()
                .map(|file| usize::try_from(file.entry.rows).unwrap_or(0))
                .sum(),
        );
        lane.is_saved(state.at);
        Ok(())
    }

    /// Goes on where the manifest in the store ends.
    async fn adopt(&mut self) -> anyhow::Result<()> {
        let Some(bytes) = self.store.get(&self.head_name()).await? else {
            return Ok(());
        };
        let head: Head = serde_json::from_slice(&bytes)?;
        self.state.at = Cursor {
            next: head.below.min(self.next_index),
            read_from: 0,
        };
        Ok(())
    }

    /// Reads the next rows and writes them as files, in memory.
    fn cut(&self, lane: &mut Lane, feed: &mut Feed) -> anyhow::Result<Cut> {
        let mut tables: BTreeMap<String, TableWriter<Vec<u8>>> = BTreeMap::new();
        let (mut rows, mut failed) = (0, None);
        let planned = self.state.planned;
        let end = feed.read(planned, |new| {
            for row in &new {
                lane.sending(moment(row));
                if let Err(error) = self.push(&mut tables, row) {
                    failed = Some(error);
                    return Go::Enough;
                }
            }
            rows += new.len();
            let enough = rows >= FILE_ROWS_MAX || tables.len() >= DAYS_MAX;
            if enough && planned.is_none() {
                Go::Enough
            } else {
                Go::On
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        let mut files = Vec::with_capacity(tables.len());
        for (date, table) in tables {
            files.push(self.file(date, table, end)?);
        }
        Ok(Cut { end, files })
    }

    fn push(
        &self,
        tables: &mut BTreeMap<String, TableWriter<Vec<u8>>>,
        row: &Row,
    ) -> anyhow::Result<()> {
        let date = utc::date(row.time.0.unwrap_or_else(|| moment(row)));
        let table = match tables.entry(date) {
            std::collections::btree_map::Entry::Occupied(table) => table.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let origin = Origin {
                    replica: &self.source.replica,
                    log: &self.source.log,
                };
                let notes = [
                    ("yumen.replica", self.source.replica.clone()),
                    ("yumen.log", self.source.log.clone()),
                    ("yumen.from", self.state.at.next.to_string()),
                ];
                place.insert(TableWriter::new(Vec::new(), origin, &notes)?)
            }
        };
        Ok(table.push(row)?)
    }

    fn file(&self, date: String, table: TableWriter<Vec<u8>>, end: Cursor) -> anyhow::Result<File> {
        let rows = table.rows();
        let bytes = Bytes::from(table.finish()?);
        let (from, below) = (self.state.at.next, end.next);
        let Source { replica, log, .. } = &self.source;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let entry = Entry {
            path: format!("date={date}/{replica}-{log}-{from:012}-{below:012}.parquet"),
            rows,
            bytes: bytes.len() as u64,
            sha256: digest
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            from,
            below,
        };
        Ok(File { entry, date, bytes })
    }

    async fn store(&self, cut: &Cut) -> anyhow::Result<()> {
        for file in &cut.files {
            self.store.put(&file.entry.path, file.bytes.clone()).await?;
        }
        for file in &cut.files {
            self.add_to_day(file).await?;
        }
        let head = Head {
            schema_version: SCHEMA_VERSION,
            replica: self.source.replica.clone(),
            log: self.source.log.clone(),
            below: cut.end.next,
        };
        Ok(self.put_json(&self.head_name(), &head).await?)
    }

    async fn add_to_day(&self, file: &File) -> anyhow::Result<()> {
        let name = format!("_manifest/date={}/{}.json", file.date, self.name());
        let mut day = match self.store.get(&name).await? {
            // A manifest that cannot be read is not written over: it would forget files.
            Some(bytes) => serde_json::from_slice(&bytes).context("a damaged manifest")?,
            None => Day {
                schema_version: SCHEMA_VERSION,
                replica: self.source.replica.clone(),
                log: self.source.log.clone(),
                date: file.date.clone(),
                files: Vec::new(),
            },
        };
        day.files.retain(|entry| entry.path != file.entry.path);
        day.files.push(file.entry.clone());
        Ok(self.put_json(&name, &day).await?)
    }

    async fn put_json(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        // Strings and numbers are always JSON.
        let bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
        self.store.put(name, bytes.into()).await
    }

    fn name(&self) -> String {
        format!("{}-{}", self.source.replica, self.source.log)
    }

    fn head_name(&self) -> String {
        format!("_manifest/{}.json", self.name())
    }
}
