//! What the audit log kept of one request, read by a person who says why.
//!
//! Must never show a body before the log holds who read it and for what reason: [`Unsealing::entry`] finds, the caller
//! writes the event, [`Unsealing::open`] reads. Blocks: never to be called by a thread that serves.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use journal::read::{Item, OwnedRecord, records};
use journal::seal::{Direction, Kek, OpenError, Opener, Reference};
use memchr::memmem::Finder;
use serde::Deserialize;

/// Longest body that is read back: as long as a config lets one be.
const BODY_BYTES_MAX: u64 = 1 << 30;
/// Longest reason that is taken, in bytes.
pub const REASON_BYTES_MAX: usize = 1024;

/// Reads the bodies of one log.
pub struct Unsealing {
    dir: PathBuf,
    opener: Opener,
}

/// A request that the log knows, and what it kept of it.
pub struct Entry {
    /// Index of its first record.
    pub index: u64,
    /// Its id.
    pub id: String,
    /// Request and reply, as far as the records speak of them.
    pub bodies: Vec<(Direction, Reference)>,
}

/// The fields of a record that matter here.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    id: String,
    request_body: Option<Reference>,
    reply_body: Option<Reference>,
}

impl Unsealing {
    /// With what unwraps the keys of the log in `dir`.
    pub fn new(dir: impl Into<PathBuf>, kek: Arc<dyn Kek>) -> Self {
        let dir = dir.into();
        Self {
            opener: Opener::new(&dir, kek),
            dir,
        }
    }

    /// The request `id`; `None`: the log does not know it.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn entry(&self, id: &str) -> io::Result<Option<Entry>> {
        let finder = Finder::new(id.as_bytes());
        let mut entry: Option<Entry> = None;
        for item in records(&self.dir)? {
            let Item::Record(record) = item? else {
                continue;
            };
            if finder.find(&record.payload).is_some() {
                note(&mut entry, &record, id);
            }
        }
        Ok(entry)
    }

    /// One of its bodies.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn open(
        &self,
        entry: &Entry,
        (direction, reference): &(Direction, Reference),
    ) -> Result<Vec<u8>, OpenError> {
        // A subject may have been shredded since it was read last.
        self.opener.forget();
        self.opener
            .open(&entry.id, *direction, reference, BODY_BYTES_MAX)
    }
}

fn note(entry: &mut Option<Entry>, record: &OwnedRecord, id: &str) {
    let fields = serde_json::from_slice::<Fields>(&record.payload);
    let Some(fields) = fields.ok().filter(|fields| fields.id == id) else {
        return;
    };
    let entry = entry.get_or_insert_with(|| Entry {
        index: record.index,
        id: fields.id,
        bodies: Vec::new(),
    });
    let both = [
        (Direction::Request, fields.request_body),
        (Direction::Reply, fields.reply_body),
    ];
    let named = both.into_iter().filter_map(|(to, body)| Some((to, body?)));
    entry.bodies.extend(named);
}

/// Whether a reason is one: some words, on one line.
#[must_use]
pub fn is_reason(reason: &str) -> bool {
    !reason.trim().is_empty()
        && reason.len() <= REASON_BYTES_MAX
        && !reason.chars().any(char::is_control)
}
