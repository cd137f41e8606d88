//! Retention: what goes, what stays, and that the log says so before.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, UNIX_EPOCH};

use super::disk::Disk;
use super::*;

const DAY: u32 = 24 * 3_600_000;

fn days(days: i64) -> i64 {
    days * i64::from(DAY)
}

fn keep(age: i64, least: i64, bytes_max: Option<u64>) -> Retention {
    Retention {
        age_ms: days(age),
        age_min_ms: days(least),
        bytes_max,
        bodies_age_ms: days(age),
    }
}

/// Ten days with a segment each in two shards; indices 4 a day.
fn ten_days(dir: &Path, clock: &Arc<ManualClock>) -> (Arc<Journal>, Arc<Disk>) {
    let disk = Disk::new(dir);
    let quick = Config {
        sync_every: Duration::from_millis(1),
        ..config(dir, 2)
    };
    let (journal, _) = Journal::open_on(quick, clock.clone(), disk.store()).unwrap();
    for day in 0..10 {
        for shard in 0..2 {
            journal
                .begin(shard, &opening(&format!("{day}-{shard}")))
                .unwrap()
                .close(&completed());
        }
        clock.advance_ms(DAY + 60_000);
        journal.tick();
    }
    (journal, disk)
}

fn indices(dir: &Path) -> BTreeSet<u64> {
    lines(dir)
        .iter()
        .filter_map(|line| line["index"].as_u64())
        .collect()
}

#[test]
fn whole_segments_go_by_age_after_the_log_has_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(0));
    let (journal, _) = ten_days(dir.path(), &clock);
    assert_eq!(
        journal
            .retire(&keep(11, 0, None), u64::MAX)
            .unwrap()
            .segments,
        0
    );
    let before = indices(dir.path());
    let retired = journal.retire(&keep(5, 5, None), u64::MAX).unwrap();
    let below = retired.below.unwrap();
    assert!(retired.segments >= 6 && below > 8, "{retired:?}");
    let log = lines(dir.path());
    let told = log.iter().find(|line| line["what"] == "retired").unwrap();
    assert_eq!(told["below"], below);
    // Nothing at or above is gone; a day that is kept is whole.
    let after = indices(dir.path());
    assert!(before.difference(&after).all(|index| *index < below));
    assert!(log.iter().any(|line| line["id"] == "6-0"));
    assert!(!log.iter().any(|line| line["id"] == "1-0"));
    // Again: nothing to do, nothing to say.
    let again = journal.retire(&keep(5, 5, None), u64::MAX).unwrap();
    assert_eq!((again.below, again.segments), (None, 0));
    journal.shutdown().unwrap();
    drop(journal);
    let (_, recovery) = open(dir.path(), 2);
    assert_eq!((recovery.lost.len(), recovery.damage.len()), (0, 0));
}

#[test]
fn what_is_not_shipped_or_signed_stays() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(0));
    let (journal, _) = ten_days(dir.path(), &clock);
    let kept = journal.retire(&keep(1, 1, None), 0).unwrap();
    assert_eq!(kept.below, None);
    let some = journal.retire(&keep(1, 1, None), 9).unwrap();
    assert!(some.below.unwrap() <= 9, "{some:?}");
    assert!((9..40).all(|index| indices(dir.path()).contains(&index)));
}

#[test]
fn room_takes_the_oldest_and_never_what_the_law_keeps() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(0));
    let (journal, _) = ten_days(dir.path(), &clock);
    let bytes = journal.retire(&keep(99, 99, None), u64::MAX).unwrap().bytes;
    let by_law = journal
        .retire(&keep(99, 30, Some(bytes * 3 / 4)), u64::MAX)
        .unwrap();
    assert_eq!((by_law.segments, by_law.over), (0, true));
    let by_room = journal
        .retire(&keep(99, 2, Some(bytes * 3 / 4)), u64::MAX)
        .unwrap();
    assert!(by_room.segments > 0 && !by_room.over, "{by_room:?}");
    assert!(by_room.bytes <= bytes * 3 / 4);
    assert!(lines(dir.path()).iter().any(|line| line["id"] == "9-1"));
}

#[test]
fn nothing_goes_unsaid() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(0));
    let (journal, disk) = ten_days(dir.path(), &clock);
    let before = indices(dir.path());
    disk.sync_fails.store(true, Relaxed);
    assert!(journal.retire(&keep(1, 1, None), u64::MAX).is_err());
    disk.write_fails.store(true, Relaxed);
    assert!(journal.retire(&keep(1, 1, None), u64::MAX).is_err());
    assert!(indices(dir.path()).is_superset(&before));
}

#[test]
fn bodies_go_by_their_own_age() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(days(100)));
    let quick = Config {
        sync_every: Duration::from_millis(1),
        ..config(dir.path(), 1)
    };
    let (journal, _) = Journal::open(quick, clock).unwrap();
    for (name, day) in [
        ("0000000001-00.pay", 10),
        ("0000000002-00.pay", 80),
        ("0000000003-00.pay", 10),
        ("0000000004-01.pay", 10),
    ] {
        let file = fs::File::create(dir.path().join(name)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_millis(days(day) as u64))
            .unwrap();
    }
    let retired = journal.retire(&keep(30, 0, None), u64::MAX).unwrap();
    assert_eq!((retired.bodies, retired.below), (1, None));
    assert!(!dir.path().join("0000000001-00.pay").exists());
    assert!(dir.path().join("0000000004-01.pay").exists(), "in use");
    let log = lines(dir.path());
    let told = log.iter().find(|line| line["what"] == "payload_retired");
    assert_eq!(told.unwrap()["count"], 1);
}
