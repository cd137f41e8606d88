//! The files of dynamic keys, on disks that fill up or lose what they were given.

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
    let files = [DATABASE, LOCK, PEPPER].map(|name| (name, 0o600));
    for (name, mode) in [(".", 0o700)].into_iter().chain(files) {
        let found = fs::metadata(state.join(name)).unwrap().permissions();
        assert_eq!(found.mode() & 0o777, mode, "{name}");
    }
    fs::write(state.join(PEPPER), "").unwrap();
    assert!(again.pepper(|| Ok(String::new())).is_err());
}

thread_local! {
    /// The disk is full.
    static FULL: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    /// What is written stays in memory.
    static UNSYNCED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// A file on a disk that may be full, or may fail to sync.
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
        if UNSYNCED.get() {
            return Err(io::Error::other("the disk lost it"));
        }
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

/// What a file says after a failed sync may never reach the disk, and yet it used to be answered for.
#[test]
fn what_was_not_synced_is_never_done() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::open_by(|path| open_with(path, Disk), dir.path()).unwrap();
    let write = |doc: Doc, known| local.write(&doc, known, 9);
    assert_eq!(write(doc("a", 1, "x"), 0).unwrap(), Written::Done);
    UNSYNCED.set(true);
    assert!(write(doc("a", 2, "y"), 1).is_err());
    assert!(write(doc("b", 1, "y"), 0).is_err());
    UNSYNCED.set(false);
    use std::os::unix::fs::MetadataExt as _;
    let file = || fs::metadata(dir.path().join(DATABASE)).unwrap().ino();
    let failed = file();
    // Whatever was left of them stands in nobody's way, and what is known of the others still counts.
    assert_eq!(write(doc("a", 2, "z"), 1).unwrap(), Written::Done);
    assert_eq!(write(doc("b", 1, "z"), 0).unwrap(), Written::Done);
    assert_ne!(file(), failed, "pages of that file may never be written");
    assert_eq!(write(doc("a", 2, "late"), 1).unwrap(), Written::Conflict);
    let want = [doc("a", 2, "z"), doc("b", 1, "z")];
    assert_eq!(local.all().unwrap(), want);
    drop(local);
    let again = Local::open(dir.path()).unwrap();
    assert_eq!(again.all().unwrap(), want);
}

/// The text of a key that works no more.
fn revoked() -> String {
    serde_json::json!({
        "key": {"id": "c", "hash": ""},
        "secrets": [],
        "about": {
            "created": {"at_ms": 1, "by": "somebody"},
            "ended": {"at_ms": 2, "by": "somebody"},
        },
    })
    .to_string()
}

/// Only the first write that a disk refused was remembered: a key revoked behind it worked again after a restart.
#[test]
fn a_revocation_is_kept_by_the_next_write_however_early_it_failed() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::open_by(|path| open_with(path, Disk), dir.path()).unwrap();
    let write = |doc: Doc, known| local.write(&doc, known, 9);
    assert_eq!(write(doc("key/a", 1, "old"), 0).unwrap(), Written::Done);
    assert_eq!(write(doc("key/c", 1, "old"), 0).unwrap(), Written::Done);
    FULL.set(true);
    assert!(write(doc("key/a", 2, "more"), 1).is_err());
    assert!(write(doc("key/c", 2, &revoked()), 1).is_err());
    FULL.set(false);
    // A change that was judged before the revocation came does not undo it, whatever it was made of.
    for (rev, known) in [(2, 1), (3, 2)] {
        let late = write(doc("key/c", rev, "changed"), known);
        assert_eq!(late.unwrap(), Written::Conflict);
    }
    assert_eq!(write(doc("key/d", 1, "other"), 0).unwrap(), Written::Done);
    drop(local);
    let want = [
        doc("key/a", 1, "old"),
        doc("key/c", 2, &revoked()),
        doc("key/d", 1, "other"),
    ];
    assert_eq!(Local::open(dir.path()).unwrap().all().unwrap(), want);
}

/// A change that was answered with "nothing was kept" used to come into force with the next one that was kept.
#[test]
fn what_was_refused_is_not_kept_by_a_later_write() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::open_by(|path| open_with(path, Disk), dir.path()).unwrap();
    let write = |doc: Doc, known| local.write(&doc, known, 9);
    let revoked = revoked();
    assert_eq!(write(doc("key/a", 1, "old"), 0).unwrap(), Written::Done);
    assert_eq!(write(doc("key/c", 1, "old"), 0).unwrap(), Written::Done);
    let fails = |doc: Doc, known| {
        UNSYNCED.set(true);
        assert!(write(doc, known).is_err());
        UNSYNCED.set(false);
    };
    fails(doc("key/a", 2, "refused"), 1);
    assert_eq!(write(doc("key/d", 1, "other"), 0).unwrap(), Written::Done);
    fails(doc("key/b", 1, "refused"), 0);
    assert_eq!(write(doc("key/d", 2, "more"), 1).unwrap(), Written::Done);
    // But a key that works no more does not work again.
    fails(doc("key/c", 2, &revoked), 1);
    assert_eq!(write(doc("key/e", 1, "other"), 0).unwrap(), Written::Done);
    let others = [doc("key/d", 2, "more"), doc("key/e", 1, "other")];
    let mut want = vec![doc("key/a", 1, "old"), doc("key/c", 2, &revoked)];
    want.extend(others);
    assert_eq!(local.all().unwrap(), want);
    // Whoever revoked it knows of the revision before still.
    assert_eq!(write(doc("key/c", 2, &revoked), 1).unwrap(), Written::Done);
    assert_eq!(
        write(doc("key/c", 3, "late"), 1).unwrap(),
        Written::Conflict
    );
    drop(local);
    assert_eq!(Local::open(dir.path()).unwrap().all().unwrap(), want);
}

/// A second process used to be let in between a failed write and the next one.
#[test]
fn after_a_failed_write_the_files_are_still_one_process_s() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::open_by(|path| open_with(path, Disk), dir.path()).unwrap();
    assert_eq!(local.write(&doc("a", 1, "x"), 0, 9).unwrap(), Written::Done);
    UNSYNCED.set(true);
    assert!(local.write(&doc("a", 2, "y"), 1, 9).is_err());
    UNSYNCED.set(false);
    assert!(Local::open(dir.path()).is_err(), "two at once");
    assert_eq!(local.write(&doc("a", 2, "z"), 1, 9).unwrap(), Written::Done);
    assert!(Local::open(dir.path()).is_err(), "two at once");
    drop(local);
    let again = Local::open(dir.path()).unwrap();
    assert_eq!(again.all().unwrap(), [doc("a", 2, "z")]);
}
