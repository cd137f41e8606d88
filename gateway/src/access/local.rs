//! Dynamic keys of one gateway: a file database in the state directory, and the pepper in a file beside it.
//!
//! Blocks. Invariants: what a write answered for is on disk (a commit is synced); nothing is made before there is
//! something to keep, so a gateway that never makes a key needs no directory; both files are for their owner alone, and
//! one process at a time has the database.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use ledger::{Doc, Written};
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, StorageBackend, TableDefinition};

/// Revision and text, by name.
const DOCS: TableDefinition<'_, &str, (u64, &str)> = TableDefinition::new("access");
/// Pages of the database in memory: what is asked is answered from memory anyway.
const CACHE_BYTES: usize = 1 << 20;
const DATABASE: &str = "keys.redb";
const PEPPER: &str = "pepper";
/// Shortest pepper that is used.
pub(super) const PEPPER_CHARS_MIN: usize = 32;
/// Longest pepper that is read.
const PEPPER_BYTES_MAX: u64 = 4096;

/// The files.
pub(super) struct Local {
    dir: PathBuf,
    open: fn(&Path) -> anyhow::Result<Database>,
    database: Mutex<Option<Database>>,
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
        let database = match path.try_exists() {
            Ok(true) => Some(open(&path)?),
            Ok(false) => None,
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        Ok(Self {
            dir: dir.to_owned(),
            open,
            database: Mutex::new(database),
        })
    }

    /// All documents.
    ///
    /// # Errors
    /// The database's.
    pub(super) fn all(&self) -> anyhow::Result<Vec<Doc>> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = &*database else {
            return Ok(Vec::new());
        };
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

    /// Writes `doc` over revision `known` (0: none), and comes back when it is on disk.
    ///
    /// # Errors
    /// The database's, the disk's: then it is not there, as far as the file can still be read.
    pub(super) fn write(&self, doc: &Doc, known: u64, docs_max: u64) -> anyhow::Result<Written> {
        let mut place = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match &*place {
            Some(database) => database,
            None => {
                private_dir(&self.dir)?;
                place.insert(self.opened()?)
            }
        };
        let error = match put(database, doc, known, docs_max) {
            Ok(written) => return Ok(written),
            Err(error) => error,
        };
        // A database that met an error of the disk refuses everything from then on, and whether its commit stands only
        // the file can say.
        *place = None;
        let again = self.opened().with_context(|| format!("{error:#}"))?;
        let there = one(&again, &doc.name).with_context(|| format!("{error:#}"))?;
        *place = Some(again);
        match there {
            Some((rev, text)) if rev == doc.rev && text == doc.text => Ok(Written::Done),
            _ => Err(error),
        }
    }

    fn opened(&self) -> anyhow::Result<Database> {
        (self.open)(&self.dir.join(DATABASE))
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
        let _alone = self.database.lock().unwrap_or_else(PoisonError::into_inner);
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

/// Writes `doc` over revision `known`.
fn put(database: &Database, doc: &Doc, known: u64, docs_max: u64) -> anyhow::Result<Written> {
    let writing = database.begin_write()?;
    {
        use redb::ReadableTableMetadata as _;
        let mut table = writing.open_table(DOCS)?;
        let there = table.get(&*doc.name)?.map_or(0, |kept| kept.value().0);
        if there != known {
            return Ok(Written::Conflict);
        }
        if there == 0 && table.len()? >= docs_max {
            return Ok(Written::Full);
        }
        table.insert(&*doc.name, (doc.rev, &*doc.text))?;
    }
    writing.commit()?;
    Ok(Written::Done)
}

/// Revision and text of a document.
fn one(database: &Database, name: &str) -> anyhow::Result<Option<(u64, String)>> {
    let reading = database.begin_read()?;
    let table = match reading.open_table(DOCS) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let found = table.get(name)?.map(|kept| {
        let (rev, text) = kept.value();
        (rev, text.to_owned())
    });
    Ok(found)
}

fn private_dir(dir: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.with_context(|| format!("the state directory {} cannot be made", dir.display()))
}

fn open(path: &Path) -> anyhow::Result<Database> {
    open_with(path, |backend| backend)
}

fn open_with<B: StorageBackend>(
    path: &Path,
    wrap: impl FnOnce(FileBackend) -> B,
) -> anyhow::Result<Database> {
    let shown = || format!("the keys in {} cannot be opened", path.display());
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(shown)?;
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let file = FileBackend::new(file).with_context(shown)?;
    builder.create_with_backend(wrap(file)).with_context(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn doc(name: &str, rev: u64, text: &str) -> Doc {
        Doc {
            name: name.into(),
            rev,
            text: text.into(),
        }
    }

    #[test]
    fn what_was_written_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let local = Local::open(&state).unwrap();
        assert!(local.all().unwrap().is_empty());
        assert!(!state.exists(), "made before there was something to keep");
        let write = |local: &Local, doc: Doc, known| local.write(&doc, known, 3).unwrap();
        assert_eq!(write(&local, doc("a", 1, "x"), 0), Written::Done);
        assert_eq!(write(&local, doc("a", 1, "y"), 0), Written::Conflict);
        assert_eq!(write(&local, doc("a", 2, "y"), 1), Written::Done);
        assert_eq!(write(&local, doc("b", 1, ""), 0), Written::Done);
        assert_eq!(write(&local, doc("c", 1, ""), 0), Written::Done);
        assert_eq!(write(&local, doc("d", 1, ""), 0), Written::Full);
        let pepper = local.pepper(|| Ok("p".repeat(64))).unwrap();
        assert!(Local::open(&state).is_err(), "two at once");
        drop(local);
        let again = Local::open(&state).unwrap();
        let want = [doc("a", 2, "y"), doc("b", 1, ""), doc("c", 1, "")];
        assert_eq!(again.all().unwrap(), want);
        assert_eq!(again.pepper(|| Ok("q".repeat(64))).unwrap(), pepper);
        for (name, mode) in [(".", 0o700), (DATABASE, 0o600), (PEPPER, 0o600)] {
            let found = fs::metadata(state.join(name)).unwrap().permissions();
            assert_eq!(found.mode() & 0o777, mode, "{name}");
        }
        fs::write(state.join(PEPPER), "").unwrap();
        assert!(again.pepper(|| Ok(String::new())).is_err());
    }

    thread_local! {
        /// The disk is full.
        static FULL: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    /// A file on a disk that may be full.
    #[derive(Debug)]
    struct Disk(FileBackend);

    impl StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.0.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            if FULL.get() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write(offset, data)
        }
    }

    /// A database that met an error of the disk used to refuse all that came later, until a restart.
    #[test]
    fn after_a_full_disk_there_is_room_again() {
        let dir = tempfile::tempdir().unwrap();
        let local = Local::open_by(|path| open_with(path, Disk), dir.path()).unwrap();
        let write = |doc: Doc, known| local.write(&doc, known, 9);
        assert_eq!(write(doc("a", 1, "x"), 0).unwrap(), Written::Done);
        FULL.set(true);
        assert!(write(doc("a", 2, "y"), 1).is_err());
        assert!(write(doc("b", 1, "y"), 0).is_err());
        FULL.set(false);
        assert_eq!(write(doc("b", 1, "z"), 0).unwrap(), Written::Done);
        assert_eq!(write(doc("a", 2, "z"), 1).unwrap(), Written::Done);
        assert_eq!(local.all().unwrap(), [doc("a", 2, "z"), doc("b", 1, "z")]);
    }
}
