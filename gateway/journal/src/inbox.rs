//! How a tool beside a live gateway gets an event into the log: `yumen audit search`, `unseal`, `shred`.
//!
//! The log has one writer, which holds the lock. A tool puts a file into `inbox/`, by rename; the writer's background
//! thread turns each into an `event` record, syncs, and deletes the file. Without a writer the tool becomes it for a moment.
//! A crash between record and deletion writes the event twice, with the same `ticket`: never not at all.
//!
//! Must never know what the tool is about to do; it does it only after `tell` returned.
//! Invariants: a file is bounded (`POSTED_BYTES_MAX`), so is a round (`POSTED_MAX`); what is no event is set aside and told;
//! nothing but what `What::is_for_tools` names comes in by this way.

use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::clock::Clock;
use super::event::{Event, What};
use super::line::Object;
use super::payload::CLOSING_ROOM;
use super::{Config, Error, Health, Journal};

/// Name of the directory in the log's.
pub const INBOX: &str = "inbox";
/// Longest file.
const POSTED_BYTES_MAX: u64 = 64 << 10;
/// Most files of one round; the rest waits for the next.
const POSTED_MAX: usize = 256;
/// How long a tool waits until its event is in the log.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Writes an event into the log in `dir`, and returns once it is there, synced. Blocks for up to five seconds.
///
/// # Errors
/// If it is not in the log: what it announces must then not be done.
pub fn tell(dir: &Path, event: &Event<'_>, clock: &Arc<dyn Clock>) -> Result<(), Error> {
    let path = post(dir, event, clock.wall_ms())?;
    let from_ns = clock.mono_ns();
    while path.try_exists()? {
        match Journal::open(tool_config(dir), Arc::clone(clock)) {
            // The last thing a journal does is to look into its inbox.
            Ok((journal, _)) => journal.shutdown()?,
            Err(Error::Locked) => thread::sleep(LOOK_EVERY),
            Err(error) => return withdraw(&path, error),
        }
        if u128::from(clock.mono_ns().saturating_sub(from_ns)) > WAIT_MAX.as_nanos() {
            return withdraw(&path, Error::Failed);
        }
    }
    Ok(())
}

/// Takes an event back that nobody wrote down; if it is gone, somebody did.
fn withdraw(path: &Path, why: Error) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(why),
    }
}

/// A tool opens nothing but its event, so it needs room for one closing at most.
fn tool_config(dir: &Path) -> Config {
    Config {
        reserve_bytes: CLOSING_ROOM,
        ..Config::new(dir, 1)
    }
}

fn post(dir: &Path, event: &Event<'_>, now_ms: i64) -> Result<PathBuf, Error> {
    if !dir.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotFound).into());
    }
    if !event.what.is_for_tools() {
        return Err(Error::Config("this event is not a tool's"));
    }
    let inbox = dir.join(INBOX);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&inbox)?;
    let event = Event {
        asked_at: Some(now_ms),
        ..*event
    };
    let mut text = Vec::new();
    // The rest of the names is counted where the record is written, and only once.
    Object::put(&mut text, |object| event.write_with(object, usize::MAX));
    // Seeded by the system for each state: tells tools apart that ask in the same millisecond.
    let random = RandomState::new().hash_one(std::process::id());
    let name = format!("{now_ms}-{random:016x}");
    let (draft, path) = (
        inbox.join(format!("{name}.new")),
        inbox.join(format!("{name}.json")),
    );
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&draft, &path)?;
    Ok(path)
}

/// An event as a file has it. Its strings are bounded again when the record is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Posted {
    what: What,
    actor: String,
    origin: String,
    config: String,
    before: String,
    names: Vec<String>,
    subject: String,
    entry: Option<u64>,
    below: Option<u64>,
    count: Option<u64>,
    by_ms: Option<i64>,
    detail: String,
    reason: String,
    ticket: String,
    asked_at: Option<i64>,
}

impl Journal {
    /// Writes down what lies in the inbox; the files are to be deleted once that is synced.
    pub(super) fn take_inbox(&self) -> Vec<PathBuf> {
        // A log that cannot be synced would take the same files again in every round.
        if self.health() != Health::Good {
            return Vec::new();
        }
        let Ok(entries) = fs::read_dir(self.dir.join(INBOX)) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
            .take(POSTED_MAX)
            .collect();
        paths.sort_unstable();
        paths.retain(|path| self.write_posted(path));
        paths
    }

    /// True if the file may go.
    fn write_posted(&self, path: &Path) -> bool {
        let ticket = path
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let Some(posted) = read(path) else {
            return self.refuse_posted(path, &ticket);
        };
        let names: Vec<&str> = posted.names.iter().map(String::as_str).collect();
        self.note(&Event {
            what: posted.what,
            actor: &posted.actor,
            origin: &posted.origin,
            config: &posted.config,
            before: &posted.before,
            names: &names,
            subject: &posted.subject,
            entry: posted.entry,
            below: posted.below,
            count: posted.count,
            by_ms: posted.by_ms,
            detail: &posted.detail,
            reason: &posted.reason,
            ticket: &ticket,
            asked_at: posted.asked_at,
        })
        .is_ok()
    }

    fn refuse_posted(&self, path: &Path, ticket: &str) -> bool {
        let aside = path.with_extension("bad");
        if fs::rename(path, aside).is_ok() {
            // What cannot be written is seen in the journal's state.
            let _ = self.note(&Event {
                what: What::InboxRefused,
                ticket,
                ..Event::default()
            });
        }
        false
    }
}

fn read(path: &Path) -> Option<Posted> {
    // A link could name any file of ours, and a pipe would never end.
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    fs::File::open(path)
        .ok()?
        .take(POSTED_BYTES_MAX + 1)
        .read_to_end(&mut text)
        .ok()?;
    let posted: Posted = serde_json::from_slice(&text).ok()?;
    posted.what.is_for_tools().then_some(posted)
}
