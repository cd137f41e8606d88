//! Disks that are full, broken or lying: nothing passes unrecorded, what is open gets closed, service resumes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::disk::Disk;
use super::*;

pub(super) fn open_faulty(
    dir: &Path,
    shards: usize,
) -> (Arc<Journal>, Arc<Disk>, Arc<ManualClock>) {
    let disk = Disk::new(dir);
    let clock = Arc::new(ManualClock::at(0));
    let (journal, _) = Journal::open_on(config(dir, shards), clock.clone(), disk.store()).unwrap();
    (journal, disk, clock)
}

/// A round of the background thread after the time between two probes.
pub(super) fn later(journal: &Journal, clock: &ManualClock) {
    clock.advance_ms(1_500);
    journal.tick();
}

#[test]
fn a_full_disk_refuses_openings_and_takes_closings() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, disk, clock) = open_faulty(dir.path(), 2);
    let entries: Vec<_> = (0..16)
        .map(|n| journal.begin_now(n, &opening("live")).unwrap())
        .collect();
    drop(journal.begin_now(0, &opening("x")));
    disk.room.store(100, Relaxed);
    let entries = {
        let mut entries = entries;
        // Make room for one opening, which then meets the full disk half-way through its write.
        entries.pop().unwrap().close(&completed());
        disk.room.store(100, Relaxed);
        entries
    };
    assert!(matches!(
        journal.begin_now(0, &opening("refused")),
        Err(Error::Full)
    ));
    assert_eq!(journal.state(), State::Full);
    assert!(matches!(
        journal.deny(0, &Denial::default()),
        Err(Error::Full)
    ));
    later(&journal, &clock);
    assert_eq!(journal.state(), State::Full, "nothing changed");
    for entry in entries {
        entry.close(&completed());
    }
    assert_eq!(journal.counters().waiting, 0);
    assert_eq!(journal.counters().open, 0);
    later(&journal, &clock);
    assert_eq!(journal.state(), State::Full, "the reserve is not whole");
    disk.room.store(1 << 20, Relaxed);
    later(&journal, &clock);
    assert_eq!(journal.state(), State::Ok);
    assert_eq!(
        std::fs::metadata(dir.path().join("RESERVE")).unwrap().len(),
        16 * CLOSING_ROOM
    );
    journal
        .begin_now(1, &opening("again"))
        .unwrap()
        .close(&completed());
    journal.shutdown().unwrap();
    let lines = lines(dir.path());
    assert_gap_free(&lines);
    let outcomes = assert_paired(&lines);
    assert_eq!(outcomes.len(), 17, "{outcomes:?}");
    assert!(lines.iter().any(|line| line["what"] == "resumed"));
    assert!(!lines.iter().any(|line| line["id"] == "refused"));
}

#[test]
fn a_broken_file_is_left_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, disk, _) = open_faulty(dir.path(), 1);
    journal
        .begin_now(0, &opening("a"))
        .unwrap()
        .close(&completed());
    disk.next_writes_fail.store(1, Relaxed);
    journal
        .begin_now(0, &opening("b"))
        .unwrap()
        .close(&completed());
    assert_eq!((journal.state(), journal.counters().errors), (State::Ok, 0));
    journal.shutdown().unwrap();
    let lines = lines(dir.path());
    assert_gap_free(&lines);
    assert_eq!(assert_paired(&lines), ["completed", "completed"]);
}

#[test]
fn a_broken_disk_keeps_closings_until_it_works() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, disk, clock) = open_faulty(dir.path(), 1);
    let live = journal.begin_now(0, &opening("live")).unwrap();
    disk.write_fails.store(true, Relaxed);
    assert!(matches!(
        journal.begin_now(0, &opening("refused")),
        Err(Error::Failed)
    ));
    live.close(&completed());
    assert_eq!(
        (
            journal.state(),
            journal.counters().waiting,
            journal.counters().open
        ),
        (State::Failed, 1, 1)
    );
    later(&journal, &clock);
    assert_eq!(journal.state(), State::Failed);
    assert!(journal.shutdown().is_err(), "a closing is not on disk");
    disk.write_fails.store(false, Relaxed);
    later(&journal, &clock);
    assert_eq!(
        (journal.state(), journal.counters().waiting),
        (State::Ok, 0)
    );
    assert!(journal.shutdown().is_ok());
    let lines = lines(dir.path());
    assert_gap_free(&lines);
    assert_eq!(assert_paired(&lines), ["completed"]);
}

#[test]
fn a_failed_sync_is_never_retried_into_silence() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, disk, clock) = open_faulty(dir.path(), 1);
    let live = journal.begin_now(0, &opening("live")).unwrap();
    disk.sync_fails.store(true, Relaxed);
    journal.tick();
    assert_eq!(journal.state(), State::Failed);
    disk.sync_fails.store(false, Relaxed);
    later(&journal, &clock);
    later(&journal, &clock);
    assert_eq!(journal.state(), State::Failed, "only a restart ends it");
    assert!(matches!(
        journal.begin_now(0, &opening("r")),
        Err(Error::Failed)
    ));
    live.close(&completed());
    let before = disk.syncs.load(Relaxed);
    journal.tick();
    journal.tick();
    assert!(
        disk.syncs.load(Relaxed) <= before + 1,
        "only the new segment is synced"
    );
    assert!(journal.shutdown().is_err());
    drop(journal);
    let segments = recover::list(dir.path()).unwrap();
    assert_eq!(segments.len(), 2, "the closing went to another file");
    let found = lines(dir.path());
    assert_gap_free(&found);
    assert!(found.iter().any(|line| line["what"] == "sync_failed"));
    let (journal, _) = open(dir.path(), 1);
    assert_eq!(journal.state(), State::Ok);
}

#[test]
fn an_index_that_may_be_on_disk_is_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, disk, clock) = open_faulty(dir.path(), 1);
    journal
        .begin_now(0, &opening("a"))
        .unwrap()
        .close(&completed());
    disk.truncate_fails.store(true, Relaxed);
    disk.room.store(50, Relaxed);
    assert!(journal.begin_now(0, &opening("torn")).is_err());
    disk.truncate_fails.store(false, Relaxed);
    disk.room.store(1 << 20, Relaxed);
    later(&journal, &clock);
    assert_eq!(journal.state(), State::Ok);
    journal
        .begin_now(0, &opening("b"))
        .unwrap()
        .close(&completed());
    journal.shutdown().unwrap();
    let lines = lines(dir.path());
    let missing: Vec<_> = lines
        .iter()
        .filter(|line| line["missing"].is_object())
        .collect();
    let lost: Vec<_> = lines.iter().filter(|line| line["kind"] == "lost").collect();
    assert_eq!((missing.len(), lost.len()), (1, 1));
    assert_eq!(
        (
            &missing[0]["missing"]["from"],
            &missing[0]["missing"]["count"]
        ),
        (&lost[0]["from"], &lost[0]["count"])
    );
    assert_eq!(
        lines
            .iter()
            .filter(|line| line["damage"].is_object())
            .count(),
        1
    );
    assert_eq!(assert_paired(&lines), ["completed", "completed"]);
    drop(journal);
    let (_, recovery) = open(dir.path(), 1);
    assert_eq!(recovery.lost, [], "the lost record explains it");
}

#[test]
fn a_disk_that_is_full_at_start_admits_nothing_until_it_has_room() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    disk.room.store(10_000, Relaxed);
    let clock = Arc::new(ManualClock::at(0));
    let (journal, _) =
        Journal::open_on(config(dir.path(), 1), clock.clone(), disk.store()).unwrap();
    assert_eq!(journal.state(), State::Full);
    assert!(matches!(
        journal.begin_now(0, &opening("r")),
        Err(Error::Full)
    ));
    disk.room.store(1 << 20, Relaxed);
    later(&journal, &clock);
    assert_eq!(journal.state(), State::Ok);
    assert!(journal.begin_now(0, &opening("r")).is_ok());
}

#[test]
fn contended_failures_leave_every_gap_explained() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, disk, clock) = open_faulty(dir.path(), 4);
    thread::scope(|scope| {
        for worker in 0..4 {
            let journal = &journal;
            scope.spawn(move || {
                for _ in 0..2_000 {
                    if let Ok(entry) = journal.begin_now(worker, &opening("r")) {
                        entry.close(&completed());
                    }
                }
            });
        }
        for round in 0..200 {
            disk.next_writes_fail.store(3, Relaxed);
            disk.room
                .store(if round % 2 == 0 { 2_000 } else { 1 << 30 }, Relaxed);
            later(&journal, &clock);
            thread::yield_now();
        }
    });
    disk.next_writes_fail.store(0, Relaxed);
    disk.room.store(1 << 30, Relaxed);
    later(&journal, &clock);
    later(&journal, &clock);
    journal.shutdown().unwrap();
    assert_eq!(journal.counters().open, 0);
    assert_explained(&lines(dir.path()));
}

/// Whoever removed the directory had every request served and none recorded.
#[test]
fn a_log_that_somebody_takes_away_refuses_openings_until_it_has_a_place() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("audit");
    let (journal, _, clock) = open_faulty(&at, 2);
    let entry = journal.begin_now(0, &opening("before")).unwrap();
    std::fs::remove_dir_all(&at).unwrap();
    for _ in 0..3 {
        later(&journal, &clock);
        assert_eq!(journal.state(), State::Failed);
        let refused = journal.begin_now(1, &opening("nowhere"));
        assert!(matches!(refused, Err(Error::Failed)));
    }
    assert!(journal.counters().errors > 0);
    entry.close(&completed());
    std::fs::create_dir(&at).unwrap();
    later(&journal, &clock);
    assert_eq!(journal.state(), State::Ok);
    let reserve = std::fs::metadata(at.join("RESERVE")).unwrap().len();
    assert_eq!(reserve, 16 * CLOSING_ROOM);
    for shard in 0..2 {
        let entry = journal.begin_now(shard, &opening("after")).unwrap();
        entry.close(&completed());
    }
    // One file alone: what was in it is lost, and the log says so.
    let all = std::fs::read_dir(&at)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let segments = all.filter(|path| path.extension().is_some_and(|kind| kind == "seg"));
    std::fs::remove_file(segments.max().unwrap()).unwrap();
    later(&journal, &clock);
    assert_eq!(journal.state(), State::Ok);
    journal.shutdown().unwrap();
    let lines = lines(&at);
    assert!(lines.iter().any(|line| {
        line["what"] == "sync_failed" && line["detail"].as_str().unwrap().contains("is gone")
    }));
    assert!(lines.iter().any(|line| line["what"] == "resumed"));
    assert!(!lines.iter().any(|line| line["id"] == "nowhere"));
}
