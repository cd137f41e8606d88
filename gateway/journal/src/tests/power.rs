//! Power cuts: a disk that forgets what no sync covered, cut at every boundary between two of its operations.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use super::super::store::{DirStore, SegmentFile, Store};
use super::disk::Disk;
use super::*;

/// What the disk was told, in order, and what the journal told its callers.
#[derive(Debug, Clone)]
enum Op {
    Create(String),
    Write(String, Vec<u8>),
    Truncate(String, u64),
    /// The data of the file as it was at this point becomes durable at `Synced`.
    Sync(String, usize),
    Synced(usize),
    Rename(String, String),
    /// The caller knows that this record is durable.
    Told(u64),
}

/// A disk that keeps a diary, over a real directory.
struct Diary {
    real: DirStore,
    ops: Arc<Mutex<Vec<Op>>>,
}

struct DiaryFile {
    name: String,
    file: Box<dyn SegmentFile>,
    ops: Arc<Mutex<Vec<Op>>>,
}

impl Store for Diary {
    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        let file = self.real.create(name)?;
        locked(&self.ops).push(Op::Create(name.to_owned()));
        Ok(Box::new(DiaryFile {
            name: name.to_owned(),
            file,
            ops: Arc::clone(&self.ops),
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.real.rename(from, to)?;
        locked(&self.ops).push(Op::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.real.remove(name)
    }

    fn fill(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.real.fill(name, bytes)
    }

    fn shrink(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.real.shrink(name, bytes)
    }

    fn has(&self, name: &str) -> bool {
        self.real.has(name)
    }
}

impl SegmentFile for DiaryFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut ops = locked(&self.ops);
        let written = self.file.write(bytes)?;
        ops.push(Op::Write(self.name.clone(), bytes[..written].to_vec()));
        Ok(written)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let mut ops = locked(&self.ops);
        self.file.truncate(bytes)?;
        ops.push(Op::Truncate(self.name.clone(), bytes));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let number = {
            let mut ops = locked(&self.ops);
            let number = ops.len();
            ops.push(Op::Sync(self.name.clone(), number));
            number
        };
        // No real sync: the diary decides what survives. Whoever runs meanwhile shall run.
        thread::yield_now();
        locked(&self.ops).push(Op::Synced(number));
        Ok(())
    }
}

/// A file as it is, and as it will be found again for sure.
#[derive(Default, Clone)]
struct Image {
    now: Vec<u8>,
    durable: Vec<u8>,
}

/// What becomes of bytes that no sync covered.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Gone,
    Kept,
    Torn,
    /// The length was kept, the data were not.
    Zeros,
    /// Later files were written out, earlier ones were not.
    Reordered,
}

/// The files after the first operations, and what callers had been told by then.
fn replay(ops: &[Op]) -> (BTreeMap<String, Image>, BTreeSet<u64>) {
    let mut files: BTreeMap<String, Image> = BTreeMap::new();
    let mut syncing: BTreeMap<usize, (String, Vec<u8>)> = BTreeMap::new();
    let mut told = BTreeSet::new();
    // A file goes on being written under the name it was made with.
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for op in ops.iter().cloned() {
        match op {
            Op::Create(name) => {
                names.insert(name.clone(), name.clone());
                files.insert(name, Image::default());
            }
            Op::Write(name, bytes) => files.get_mut(&names[&name]).unwrap().now.extend(bytes),
            Op::Truncate(name, bytes) => {
                let image = files.get_mut(&names[&name]).unwrap();
                image.now.truncate(bytes as usize);
            }
            Op::Sync(name, number) => {
                let now = files[&names[&name]].now.clone();
                syncing.insert(number, (name, now));
            }
            Op::Synced(number) => {
                let (name, now) = syncing.remove(&number).unwrap();
                files.get_mut(&names[&name]).unwrap().durable = now;
            }
            Op::Rename(from, to) => {
                let image = files.remove(&from).unwrap();
                files.insert(to.clone(), image);
                names.insert(from, to);
            }
            Op::Told(index) => {
                told.insert(index);
            }
        }
    }
    (files, told)
}

/// A directory as the next start may find it.
fn after_cut(files: &BTreeMap<String, Image>, fate: Fate) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (at, (name, image)) in files.iter().enumerate() {
        let kept = image.durable.len();
        let unsynced = image.now.len() - kept;
        let mut bytes = image.now.clone();
        match fate {
            Fate::Gone => bytes.truncate(kept),
            Fate::Kept => {}
            Fate::Torn => bytes.truncate(kept + unsynced * 2 / 3),
            Fate::Zeros => bytes[kept..].fill(0),
            Fate::Reordered if at % 2 == 0 => bytes.truncate(kept),
            Fate::Reordered => {}
        }
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a record to be durable, on this thread.
fn waited(durable: Durable) -> Result<(), Error> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut durable = pin!(durable);
    loop {
        match durable.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

fn synced(dir: &Path) -> Config {
    Config {
        durability: Durability::Synced,
        segment_bytes: 1 << 10,
        ..config(dir, 4)
    }
}

#[test]
fn what_was_told_durable_survives_every_power_cut() {
    let dir = tempfile::tempdir().unwrap();
    let ops = Arc::new(Mutex::new(Vec::new()));
    let store = Box::new(Diary {
        real: DirStore::new(dir.path().to_owned()),
        ops: Arc::clone(&ops),
    });
    let clock = Arc::new(ManualClock::at(0));
    let (journal, _) = Journal::open_on(synced(dir.path()), clock, store).unwrap();
    let tell = |index: u64| locked(&ops).push(Op::Told(index));
    thread::scope(|scope| {
        for worker in 0..3 {
            let (journal, tell) = (&journal, &tell);
            scope.spawn(move || {
                for n in 0..3 {
                    let entry = journal
                        .begin(worker, &opening(&format!("{worker}-{n}")))
                        .unwrap();
                    let index = entry.index();
                    waited(entry.durable()).unwrap();
                    tell(index);
                    let closed = entry.close(&completed());
                    let index = closed.index().unwrap();
                    waited(closed).unwrap();
                    tell(index);
                    let denied = journal.deny(worker, &Denial::default()).unwrap();
                    waited(journal.durable(Some(denied))).unwrap();
                    tell(denied);
                    journal.tick();
                }
            });
        }
    });
    drop(journal);
    let ops = locked(&ops).clone();
    let files = replay(&ops).0.len();
    assert!(files >= 3, "rotation took place: {files}");
    let fates = [
        Fate::Gone,
        Fate::Kept,
        Fate::Torn,
        Fate::Zeros,
        Fate::Reordered,
    ];
    for cut in 0..=ops.len() {
        let (files, told) = replay(&ops[..cut]);
        let fate = fates[cut % fates.len()];
        // The cruellest at every cut, the others in turn.
        for fate in [Fate::Gone, fate] {
            let found = after_cut(&files, fate);
            let tiny = Config {
                reserve_bytes: CLOSING_ROOM,
                ..synced(found.path())
            };
            let (again, recovery) = Journal::open(tiny, Arc::new(ManualClock::at(0))).unwrap();
            drop(again);
            let log = lines(found.path());
            let there: BTreeSet<u64> = log
                .iter()
                .filter_map(|line| line["index"].as_u64())
                .collect();
            assert!(
                told.is_subset(&there),
                "{fate:?} at {cut}: lost {:?}, {recovery:?}",
                told.difference(&there)
            );
            if let Some(last) = told.last() {
                assert!((0..*last).all(|index| there.contains(&index)), "{cut}");
            }
            assert_paired(&log);
            assert_eq!(recovery.damage, [], "{fate:?} at {cut}");
        }
    }
}

#[test]
fn a_failed_sync_tells_everyone_and_is_final() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let clock = Arc::new(ManualClock::at(0));
    let (journal, _) = Journal::open_on(synced(dir.path()), clock, disk.store()).unwrap();
    let entry = journal.begin(0, &opening("a")).unwrap();
    waited(entry.durable()).unwrap();
    disk.sync_fails.store(true, Relaxed);
    assert!(waited(entry.close(&completed())).is_err());
    assert_eq!(journal.state(), State::Failed);
    disk.sync_fails.store(false, Relaxed);
    assert!(matches!(
        journal.begin(0, &opening("b")),
        Err(Error::Failed)
    ));
    // A sync that works now proves nothing about the bytes of then.
    let noted = journal.note(&Event::default()).unwrap();
    assert!(waited(journal.durable(Some(noted))).is_err());
    assert!(journal.shutdown().is_err());
    drop(journal);
    assert!(
        lines(dir.path())
            .iter()
            .any(|line| line["what"] == "sync_failed")
    );
    let (again, _) = open(dir.path(), 1);
    assert_eq!(again.state(), State::Ok);
}

#[test]
fn a_slow_disk_refuses_instead_of_making_everyone_wait() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let clock = Arc::new(ManualClock::at(0));
    let (journal, _) = Journal::open_on(synced(dir.path()), clock.clone(), disk.store()).unwrap();
    let before = disk.syncs.load(Relaxed);
    let stuck = locked(&disk.syncing);
    let entry = journal.begin(0, &opening("a")).unwrap();
    let opened = entry.durable();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waited(opened));
        while disk.syncs.load(Relaxed) == before {
            thread::yield_now();
        }
        clock.advance_ms(900);
        journal.tick();
        assert!(!waiting.is_finished(), "not slow yet");
        clock.advance_ms(200);
        journal.tick();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Slow)));
    });
    assert_eq!(journal.state(), State::Failed);
    assert!(matches!(journal.begin(0, &opening("b")), Err(Error::Slow)));
    drop(stuck);
    // It comes round by itself.
    waited(entry.close(&completed())).ok();
    let until = Instant::now() + Duration::from_secs(10);
    while journal.state() != State::Ok {
        assert!(Instant::now() < until);
        thread::yield_now();
    }
    let next = journal.begin(0, &opening("c")).unwrap();
    waited(next.durable()).unwrap();
    waited(next.close(&completed())).unwrap();
}

#[test]
fn many_share_one_sync() {
    const EACH: u64 = 200;
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let clock = Arc::new(ManualClock::at(0));
    let (journal, _) = Journal::open_on(
        Config {
            segment_bytes: 1 << 20,
            ..synced(dir.path())
        },
        clock,
        disk.store(),
    )
    .unwrap();
    let before = disk.syncs.load(Relaxed);
    thread::scope(|scope| {
        for worker in 0..8 {
            let journal = &journal;
            scope.spawn(move || {
                for _ in 0..EACH {
                    let entry = journal.begin(worker, &opening("r")).unwrap();
                    waited(entry.durable()).unwrap();
                    waited(entry.close(&completed())).unwrap();
                }
            });
        }
    });
    let (syncs, waits) = (disk.syncs.load(Relaxed) - before, 2 * 8 * EACH);
    // How many share one is up to the machine: this disk takes no time, and a busy core runs one thread after another.
    assert!(syncs < waits, "{syncs} syncs for {waits} waits");
}
