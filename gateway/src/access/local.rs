//! Dynamic keys of one gateway: a file database in the state directory, and the pepper in a file beside it.
//!
//! Blocks. Invariants: what a write answered for is on disk (a commit is synced); nothing is made before there is
//! something to keep, so a gateway that never makes a key needs no directory; the files are for their owner alone, and
//! one process at a time has the database; a change that was refused is not kept by a later one.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use ledger::{Doc, Written};
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, StorageBackend, TableDefinition};

use super::KEYS;
use super::doc::KeyDoc;

/// Revision and text, by name.
const DOCS: TableDefinition<'_, &str, (u64, &str)> = TableDefinition::new("access");
/// Pages of the database in memory: what is asked is answered from memory anyway.
const CACHE_BYTES: usize = 1 << 20;
const DATABASE: &str = "keys.redb";
/// A copy of the database that does not have its name yet.
const DRAFT: &str = "keys.redb.new";
/// Locked by the process that has the database, also while that is closed after an error.
const LOCK: &str = "keys.lock";
const PEPPER: &str = "pepper";
/// Shortest pepper that is used.
pub(super) const PEPPER_CHARS_MIN: usize = 32;
/// Longest pepper that is read.
const PEPPER_BYTES_MAX: u64 = 4096;

/// The files.
pub(super) struct Local {
    dir: PathBuf,
    open: fn(&Path) -> anyhow::Result<Database>,
    place: Mutex<Place>,
}

/// What is open, and what it may hold that nobody was told of.
#[derive(Default)]
struct Place {
    database: Option<Database>,
    /// What failed writes may have left in the file, by name: the last one's, and revocations of keys that are there.
    doubtful: HashMap<String, Doubt>,
    /// The file met an error: it is not written again, but copied.
    suspect: bool,
    /// From the first database on, and let go after it.
    lock: Option<File>,
}

/// A revision that may stand in the file though nobody was told so: written over as if it were not there.
struct Doubt {
    rev: u64,
    /// Revision and text of what a copy has in its place: what was there before, if anything, for the change was refused.
    /// A revocation stays, as its key works no more.
    row: Option<(u64, String)>,
}

impl Doubt {
    /// Of a revocation.
    fn lasting(doc: &Doc) -> Self {
        Self {
            rev: doc.rev,
            row: Some((doc.rev, doc.text.clone())),
        }
    }

    /// Whether it is of one.
    fn lasts(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.0 == self.rev)
    }
}

impl Local {
    /// Opens the database of `dir`, if there is one.
    ///
    /// # Errors
    /// It is damaged, of another make, or another process has it.
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        Self::open_by(open, dir)
    }

    fn open_by(open: fn(&Path) -> anyhow::Result<Database>, dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(DATABASE);
        let mut place = Place::default();
        if path
            .try_exists()
            .with_context(|| path.display().to_string())?
        {
            place.lock = Some(lock(dir)?);
            place.database = Some(open(&path)?);
        }
        Ok(Self {
            dir: dir.to_owned(),
            open,
            place: Mutex::new(place),
        })
    }

    /// All documents.
    ///
    /// # Errors
    /// The database's.
    pub(super) fn all(&self) -> anyhow::Result<Vec<Doc>> {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.database.as_ref().map_or_else(|| Ok(Vec::new()), docs)
    }

    /// Writes `doc` over revision `known` (0: none), and comes back when it is on disk.
    ///
    /// # Errors
    /// The database's, the disk's: then it may be there after a crash or not. What the file says afterwards proves nothing,
    /// for after a failed sync it is read from memory that may never reach the disk.
    pub(super) fn write(&self, doc: &Doc, known: u64, docs_max: u64) -> anyhow::Result<Written> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &mut *place;
        let ends = ends_key(doc);
        let written = self
            .opened(place)
            .and_then(|(database, doubtful)| put(database, (doc, ends), known, doubtful, docs_max));
        if written.is_err() {
            // A database that met an error of the disk refuses everything from then on: the next write makes another.
            place.database = None;
            place.suspect = true;
            if ends {
                // However early it failed: the next copy has it.
                place.doubtful.insert(doc.name.clone(), Doubt::lasting(doc));
            }
        }
        written
    }

    /// The database, and what is doubtful of it.
    fn opened<'p>(
        &self,
        place: &'p mut Place,
    ) -> anyhow::Result<(&'p Database, &'p mut HashMap<String, Doubt>)> {
        let opened = match place.database.take() {
            Some(opened) => opened,
            None => {
                private_dir(&self.dir)?;
                if place.lock.is_none() {
                    place.lock = Some(lock(&self.dir)?);
                }
                let path = self.dir.join(DATABASE);
                if place.suspect {
                    let fresh = self.copied(&path, &place.doubtful)?;
                    // Of the others there is nothing in the copy.
                    place.doubtful.retain(|_, doubt| doubt.lasts());
                    fresh
                } else {
                    (self.open)(&path)?
                }
            }
        };
        place.suspect = false;
        Ok((place.database.insert(opened), &mut place.doubtful))
    }

    /// A copy in the place of the database at `path`: of a file whose sync failed, pages that count as written may never
    /// reach the disk, whatever later syncs say. It has none of the changes that were refused.
    fn copied(&self, path: &Path, doubtful: &HashMap<String, Doubt>) -> anyhow::Result<Database> {
        let draft = self.dir.join(DRAFT);
        let _ = fs::remove_file(&draft);
        let old = (self.open)(path)?;
        let fresh = (self.open)(&draft)?;
        let writing = fresh.begin_write()?;
        {
            let mut table = writing.open_table(DOCS)?;
            for (name, doubt) in doubtful {
                if let Some((rev, text)) = &doubt.row {
                    table.insert(&**name, (*rev, &**text))?;
                }
            }
            let sure = |doc: &Doc| !doubtful.contains_key(&doc.name);
            for doc in docs(&old)?.into_iter().filter(sure) {
                table.insert(&*doc.name, (doc.rev, &*doc.text))?;
            }
        }
        writing.commit()?;
        fs::rename(&draft, path)?;
        File::open(&self.dir)?.sync_all()?;
        Ok(fresh)
    }

    /// The pepper of this directory, or `fresh` from now on.
    ///
    /// # Errors
    /// The disk's; one that is empty.
    pub(super) fn pepper(
        &self,
        fresh: impl FnOnce() -> anyhow::Result<String>,
    ) -> anyhow::Result<String> {
        // Of many first keys at once, one makes it.
        let _alone = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.dir.join(PEPPER);
        let shown = || format!("the pepper in {}", path.display());
        if !self.has_pepper() {
            private_dir(&self.dir)?;
            // Linked into place when it is whole and on disk: half a pepper would make all keys made with it worthless.
            let draft = self.dir.join(format!("{PEPPER}.{}", std::process::id()));
            let _ = fs::remove_file(&draft);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&draft)
                .with_context(shown)?;
            file.write_all(fresh()?.as_bytes()).with_context(shown)?;
            file.sync_all().with_context(shown)?;
            match fs::hard_link(&draft, &path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(error).with_context(shown);
                }
                _ => {}
            }
            fs::remove_file(&draft).with_context(shown)?;
            File::open(&self.dir)?.sync_all().with_context(shown)?;
        }
        let mut text = String::new();
        File::open(&path)
            .and_then(|file| file.take(PEPPER_BYTES_MAX).read_to_string(&mut text))
            .with_context(shown)?;
        anyhow::ensure!(text.len() >= PEPPER_CHARS_MIN, "{} is too short", shown());
        Ok(text)
    }

    /// Whether there is a pepper.
    pub(super) fn has_pepper(&self) -> bool {
        self.dir.join(PEPPER).exists()
    }
}

/// All documents of a database.
fn docs(database: &Database) -> anyhow::Result<Vec<Doc>> {
    let reading = database.begin_read()?;
    let table = match reading.open_table(DOCS) {
        Ok(table) => table,
        // Nothing was ever written.
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut docs = Vec::new();
    for entry in table.iter()? {
        let (name, value) = entry?;
        let (rev, text) = value.value();
        docs.push(Doc {
            name: name.value().to_owned(),
            rev,
            text: text.to_owned(),
        });
    }
    Ok(docs)
}

/// Writes `doc`, which may end a key, over revision `known`, or over the doubtful one. It is doubtful itself until it is on
/// disk. A doubtful end gives way to none but another.
fn put(
    database: &Database,
    (doc, ends): (&Doc, bool),
    known: u64,
    doubtful: &mut HashMap<String, Doubt>,
    docs_max: u64,
) -> anyhow::Result<Written> {
    let writing = database.begin_write()?;
    {
        use redb::ReadableTableMetadata as _;
        let mut table = writing.open_table(DOCS)?;
        let old = table.get(&*doc.name)?.map(|kept| {
            let (rev, text) = kept.value();
            (rev, text.to_owned())
        });
        let there = old.as_ref().map_or(0, |row| row.0);
        let doubt = doubtful.get(&doc.name);
        let is_doubtful = doubt.is_some_and(|it| it.rev == there);
        // Whatever revision the change was made of: nobody who made it knew of the end.
        let undoes = !ends && doubt.is_some_and(Doubt::lasts);
        if undoes || there != known && !is_doubtful {
            return Ok(Written::Conflict);
        }
        if there == 0 && table.len()? >= docs_max {
            return Ok(Written::Full);
        }
        let doubt = match ends {
            true => Doubt::lasting(doc),
            false => Doubt {
                rev: doc.rev,
                row: old,
            },
        };
        doubtful.insert(doc.name.clone(), doubt);
        table.insert(&*doc.name, (doc.rev, &*doc.text))?;
    }
    writing.commit()?;
    doubtful.remove(&doc.name);
    Ok(Written::Done)
}

/// Whether it revokes a key.
fn ends_key(doc: &Doc) -> bool {
    let key = doc.name.starts_with(KEYS).then_some(&*doc.text);
    key.and_then(|text| serde_json::from_str::<KeyDoc>(text).ok())
        .is_some_and(|key| key.about.ended.is_some())
}

fn private_dir(dir: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.with_context(|| format!("the state directory {} cannot be made", dir.display()))
}

/// The file at `path`, made if there is none, for its owner alone.
fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Makes this process the only one with the database of `dir`, for as long as the file is open.
fn lock(dir: &Path) -> anyhow::Result<File> {
    let shown = || format!("the keys in {} cannot be locked", dir.display());
    let file = private_file(&dir.join(LOCK)).with_context(shown)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            anyhow::bail!("the keys in {} are another process's", dir.display())
        }
        // Some network disks have no locks: the database goes without them there, too.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(error).with_context(shown),
    }
    Ok(file)
}

fn open(path: &Path) -> anyhow::Result<Database> {
    open_with(path, |backend| backend)
}

fn open_with<B: StorageBackend>(
    path: &Path,
    wrap: impl FnOnce(FileBackend) -> B,
) -> anyhow::Result<Database> {
    let shown = || format!("the keys in {} cannot be opened", path.display());
    let file = private_file(path).with_context(shown)?;
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let file = FileBackend::new(file).with_context(shown)?;
    builder.create_with_backend(wrap(file)).with_context(shown)
}
