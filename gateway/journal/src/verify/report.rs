//! What a verification came to.
//!
//! Must never know how it was found. Invariants: lists are bounded, and what is beyond is counted; names come from the
//! directory's files and are shown inertly by whoever prints them.

use std::collections::BTreeMap;

use serde::Serialize;

/// Problems that are listed; the rest is counted.
const PROBLEMS_MAX: usize = 1_000;
/// Notices that are listed, of each kind.
pub(super) const NOTICES_MAX: usize = 100;

/// What does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Bytes of a segment are no record.
    Damaged,
    /// A segment's header is not that of its file or its place.
    Header,
    /// Entries that a checkpoint covers are not what was signed.
    Altered,
    /// Entries that a checkpoint covers are gone.
    Removed,
    /// Indices that no record bears and no `lost` record names.
    Missing,
    /// An index is borne twice, or out of its order.
    Repeated,
    /// An opening without its closing, from before the last start.
    NoOutcome,
    /// A closing whose opening was closed before, or comes later.
    Unpaired,
    /// A tile is not what the entries under it are.
    Tile,
    /// A checkpoint cannot be read, or is not signed by a key of this log.
    Checkpoint,
    /// A checkpoint's root is not that of the entries.
    Root,
    /// A checkpoint kept elsewhere does not fit: the log was cut or forked.
    Fork,
    /// A file of keys cannot be read.
    Key,
    /// A kept body is not what its record says.
    Body,
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What it is.
    pub what: What,
    /// First entry concerned, if it is about entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// How many entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// File concerned.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Where in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// In words.
    pub detail: String,
}

/// What a directory holds and whether it holds together.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Nothing was found that does not hold.
    pub ok: bool,
    /// Records read.
    pub records: u64,
    /// Bytes of segments read.
    pub bytes: u64,
    /// Segments read.
    pub segments: u64,
    /// Index behind the last record.
    pub end: u64,
    /// Entries that the newest checkpoint covers.
    pub covered: u64,
    /// Entries behind it: not covered yet.
    pub not_covered: u64,
    /// Checkpoints whose signature and root hold.
    pub checkpoints: u64,
    /// Cosignatures of witnesses that hold.
    pub cosignatures: u64,
    /// Verifier keys that were believed.
    pub keys: Vec<String>,
    /// A gateway holds the directory.
    pub live: bool,
    /// Indices that `lost` records name: those of writes that failed.
    pub lost: u64,
    /// Stretches of them: first and count.
    pub lost_ranges: Vec<(u64, u64)>,
    /// Entries below this may be gone by retention.
    pub retired_below: u64,
    /// And so many are.
    pub retired: u64,
    /// Openings without a closing since the last start: still running, or to be closed by the next start.
    pub open: u64,
    /// Steps of the wall clock beyond a second: index of the first record after, and milliseconds.
    pub clock_steps: Vec<(u64, i64)>,
    /// Bodies whose digest holds.
    pub bodies: u64,
    /// Bodies whose file was deleted when its time was over.
    pub bodies_retired: u64,
    /// What does not hold, by index.
    pub problems: Vec<Problem>,
    /// And so many more.
    pub more_problems: u64,
    /// How many problems there are of each kind.
    pub counts: BTreeMap<What, u64>,
}

impl Report {
    /// Notes a problem.
    pub(super) fn add(&mut self, problem: Problem) {
        *self.counts.entry(problem.what).or_default() += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.more_problems += 1;
        }
    }

    /// A problem with a file.
    pub(super) fn file(&mut self, what: What, file: &str, detail: impl Into<String>) {
        self.add(Problem {
            what,
            index: None,
            count: None,
            file: file.to_owned(),
            offset: None,
            detail: detail.into(),
        });
    }

    /// Nothing more will be added.
    pub(super) fn finish(&mut self) {
        // What may follow from others comes behind them.
        let follows = |what| matches!(what, What::NoOutcome | What::Unpaired);
        self.problems.sort_by_key(|problem| {
            let index = problem.index.unwrap_or(u64::MAX);
            (follows(problem.what), index, problem.what)
        });
        self.ok = self.problems.is_empty();
    }
}
