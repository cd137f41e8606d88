//! A follower sees every index once and in order, whatever the writers, the disk and retention do meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use super::disk::Disk;
use super::*;
use crate::follow::{Follower, Next, Until};

/// What was handed over: indices of records, missing stretches, stretches of damage.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    records: Vec<u64>,
    missing: Vec<(u64, u64)>,
    damage: usize,
}

impl Seen {
    fn take(&mut self, follower: &mut Follower, until: Until) {
        let mut expected = follower.next_index();
        while let Some(next) = follower.next(until).unwrap() {
            match next {
                Next::Record(record) => {
                    assert!(self.records.is_empty() || record.index == expected);
                    expected = record.index + 1;
                    self.records.push(record.index);
                }
                Next::Missing { from, count } => {
                    assert_eq!(from, expected);
                    assert!(count > 0);
                    expected = from + count;
                    self.missing.push((from, count));
                }
                Next::Damage(_) => self.damage += 1,
            }
        }
        if let Until::Frontier(frontier) = until {
            assert_eq!(follower.next_index().max(frontier), follower.next_index());
        }
    }
}

fn offline(dir: &Path, from: u64) -> Seen {
    let mut seen = Seen::default();
    seen.take(&mut Follower::open(dir, from).unwrap(), Until::End);
    seen
}

#[test]
fn writers_on_many_shards_are_followed_through_rotations() {
    const THREADS: usize = 4;
    const EACH: usize = 4_000;
    let dir = tempfile::tempdir().unwrap();
    let settings = Config {
        segment_bytes: 64 << 10,
        ..config(dir.path(), THREADS)
    };
    let (journal, _) = Journal::open(settings, Arc::new(ManualClock::at(1_000))).unwrap();
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut follower = Follower::open(dir.path(), 0).unwrap();
            let mut seen = Seen::default();
            loop {
                let last = done.load(Ordering::Acquire);
                seen.take(&mut follower, Until::Frontier(journal.frontier()));
                if last {
                    return seen;
                }
            }
        });
        let writers: Vec<_> = (0..THREADS)
            .map(|worker| {
                let journal = &journal;
                scope.spawn(move || {
                    for _ in 0..EACH {
                        let entry = journal.begin(worker, &opening("r")).unwrap();
                        entry.close(&completed());
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap()
    });
    let all: Vec<u64> = (0..(2 * THREADS * EACH) as u64).collect();
    assert_eq!((seen.records, seen.missing, seen.damage), (all, vec![], 0));
    assert!(fs::read_dir(dir.path()).unwrap().count() > 20, "it rotated");
}

#[test]
fn it_resumes_at_any_index_and_reads_only_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Config {
        segment_bytes: 2_000,
        ..config(dir.path(), 2)
    };
    let (journal, _) = Journal::open(settings, Arc::new(ManualClock::at(1_000))).unwrap();
    for n in 0..100 {
        let entry = journal.begin(n, &opening("r")).unwrap();
        entry.close(&completed());
    }
    drop(journal);
    for from in 0..=200 {
        let seen = offline(dir.path(), from);
        assert!(seen.records.iter().copied().eq(from..200), "{from}");
        assert_eq!((seen.missing, seen.damage), (vec![], 0));
    }
    // Segments that hold smaller indices only are not even opened.
    let first = dir.path().join("0000000000-00.seg");
    fs::write(&first, vec![0xEE; 500]).unwrap();
    assert_eq!(offline(dir.path(), 150).damage, 0);
    assert_eq!(offline(dir.path(), 0).damage, 1);
}

#[test]
fn what_retention_removed_is_missing_from_the_front_only_if_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Config {
        segment_bytes: 2_000,
        ..config(dir.path(), 1)
    };
    let (journal, _) = Journal::open(settings, Arc::new(ManualClock::at(1_000))).unwrap();
    for _ in 0..100 {
        journal.note(&Event::default()).unwrap();
    }
    let mut behind = Follower::open(dir.path(), 0).unwrap();
    assert!(matches!(
        behind.next(Until::Frontier(1)),
        Ok(Some(Next::Record(_)))
    ));
    for number in 0..2 {
        fs::remove_file(dir.path().join(format!("{number:010}-00.seg"))).unwrap();
    }
    let seen = offline(dir.path(), 0);
    let first = seen.records[0];
    assert!(first > 10);
    assert_eq!(seen.missing, [(0, first)]);
    let mut oldest = Seen::default();
    oldest.take(&mut Follower::oldest(dir.path()).unwrap(), Until::End);
    assert_eq!((oldest.records, oldest.missing), (seen.records, vec![]));
    // One that is behind goes on with the file it holds, and learns of the rest as missing.
    let mut seen = Seen::default();
    seen.take(&mut behind, Until::Frontier(100));
    let missing: u64 = seen.missing.iter().map(|(_, count)| count).sum();
    assert_eq!(seen.records.len() as u64 + missing, 99);
    assert_eq!(seen.missing.len(), 1);
}

#[test]
fn a_write_under_way_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 1);
    for _ in 0..3 {
        journal.note(&Event::default()).unwrap();
    }
    let path = dir.path().join("0000000000-00.seg");
    let whole = fs::read(&path).unwrap();
    let mut follower = Follower::open(dir.path(), 0).unwrap();
    let mut seen = Seen::default();
    // As the file looks while the third record is being written, and after that attempt was cut off.
    let record = (whole.len() - 64) / 3;
    fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    seen.take(&mut follower, Until::Frontier(2));
    fs::write(&path, &whole[..whole.len() - record]).unwrap();
    assert!(matches!(follower.next(Until::Frontier(2)), Ok(None)));
    fs::write(&path, &whole).unwrap();
    seen.take(&mut follower, Until::Frontier(3));
    assert_eq!((seen.records, seen.damage), (vec![0, 1, 2], 0));
    // Without a frontier a torn tail is damage, told once.
    fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    let seen = offline(dir.path(), 0);
    assert_eq!((seen.records, seen.damage), (vec![0, 1], 1));
}

#[test]
fn records_that_stand_twice_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 1);
    for _ in 0..3 {
        journal.note(&Event::default()).unwrap();
    }
    drop(journal);
    let path = dir.path().join("0000000000-00.seg");
    fs::copy(&path, dir.path().join("0000000005-00.seg")).unwrap();
    fs::copy(&path, dir.path().join("0000000006-01.seg")).unwrap();
    let mut seen = Seen::default();
    seen.take(&mut Follower::oldest(dir.path()).unwrap(), Until::End);
    assert_eq!((seen.records, seen.damage), (vec![0, 1, 2], 1 + 3));
}

#[test]
fn indices_that_a_failing_disk_lost_are_missing_and_no_other() {
    const THREADS: usize = 4;
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let (journal, _) = Journal::open_on(
        config(dir.path(), THREADS),
        Arc::new(ManualClock::at(1_000)),
        disk.store(),
    )
    .unwrap();
    let done = AtomicBool::new(false);
    let (seen, acknowledged) = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut follower = Follower::open(dir.path(), 0).unwrap();
            let mut seen = Seen::default();
            loop {
                let last = done.load(Ordering::Acquire);
                seen.take(&mut follower, Until::Frontier(journal.frontier()));
                if last {
                    return seen;
                }
            }
        });
        let writers: Vec<_> = (0..THREADS)
            .map(|worker| {
                let (journal, disk) = (&journal, &disk);
                scope.spawn(move || {
                    let mut written = Vec::new();
                    for n in 0..400 {
                        match n % 20 {
                            // Broken twice: the journal tries a broken file's successor too.
                            3 if worker == 0 => disk.next_writes_fail.store(2, Ordering::Relaxed),
                            // Full: a part of a record is written and cut off again.
                            at if at == worker => disk.room.store(100, Ordering::Relaxed),
                            at if at == worker + 5 => disk.room.store(1 << 30, Ordering::Relaxed),
                            _ => {}
                        }
                        // `write` and not `begin`: a journal that is full admits nothing.
                        let event = Event::default();
                        written.extend(journal.write(worker, Kind::Event, &event));
                    }
                    written
                })
            })
            .collect();
        let mut acknowledged = BTreeSet::new();
        for writer in writers {
            acknowledged.extend(writer.join().unwrap());
        }
        done.store(true, Ordering::Release);
        (reader.join().unwrap(), acknowledged)
    });
    let records: BTreeSet<u64> = seen.records.iter().copied().collect();
    let mut lost = BTreeSet::new();
    for (from, count) in seen.missing {
        lost.extend(from..from + count);
    }
    assert!(acknowledged.is_subset(&records) && records.is_disjoint(&lost));
    assert_eq!(acknowledged, records);
    assert!(!acknowledged.is_empty());
}
