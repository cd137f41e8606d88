//! Openings of one turn are one write, and so are closings; none of them is lost, told too early or left behind.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;

use super::faults::{later, open_faulty};
use super::*;

/// A task's waker that counts.
#[derive(Default)]
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn poll(durable: &mut Durable, woken: &Arc<Woken>) -> Poll<Result<(), Error>> {
    let waker = Waker::from(Arc::clone(woken));
    Pin::new(durable).poll(&mut Context::from_waker(&waker))
}

/// What a journal that was shut down has written, without a gap.
fn whole(journal: &Journal, dir: &Path) -> Vec<Value> {
    journal.shutdown().unwrap();
    let lines = lines(dir);
    assert_gap_free(&lines);
    lines
}

#[test]
fn closings_of_a_turn_are_one_write_and_told_only_then() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, disk, _) = open_faulty(dir.path(), 2);
    let entries: Vec<_> = (0..5)
        .map(|_| journal.begin_now(1, &opening("r")).unwrap())
        .collect();
    let (writes, records) = (disk.writes.load(Relaxed), journal.counters().records);
    let frontier = journal.frontier();
    let woken = Arc::default();
    let mut ends: Vec<_> = entries
        .into_iter()
        .map(|entry| entry.close(&completed()))
        .collect();
    for end in &mut ends {
        assert!(poll(end, &woken).is_pending());
    }
    assert_eq!(woken.0.load(Relaxed), 5, "who gives way is woken");
    let counters = journal.counters();
    assert_eq!((counters.records, counters.open), (records, 5));
    // Whoever reads the files is not told of what is not there, even past what another shard writes meanwhile.
    journal.deny(0, &Denial::default()).unwrap();
    assert_eq!(journal.frontier(), frontier);
    for end in &mut ends {
        assert!(matches!(poll(end, &woken), Poll::Ready(Ok(()))));
    }
    assert_eq!(
        disk.writes.load(Relaxed),
        writes + 2,
        "the denial's and one"
    );
    let counters = journal.counters();
    assert_eq!((counters.records, counters.open), (records + 6, 0));
    assert_eq!(journal.frontier(), frontier + 6);
    let lines = whole(&journal, dir.path());
    assert_eq!(assert_paired(&lines), ["completed"; 5]);
}

#[test]
fn an_opening_takes_along_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, disk, _) = open_faulty(dir.path(), 1);
    let entries: Vec<_> = (0..3)
        .map(|_| journal.begin_now(0, &opening("r")).unwrap())
        .collect();
    let writes = disk.writes.load(Relaxed);
    let ends: Vec<_> = entries
        .into_iter()
        .map(|entry| entry.close(&completed()))
        .collect();
    let next = journal.begin_now(0, &opening("next")).unwrap();
    assert_eq!(disk.writes.load(Relaxed), writes + 1);
    assert_eq!(journal.counters().open, 1);
    drop(ends);
    assert_eq!(disk.writes.load(Relaxed), writes + 1, "nothing is left");
    drop(next);
    whole(&journal, dir.path());
}

#[test]
fn who_leaves_without_waiting_still_writes() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _, _) = open_faulty(dir.path(), 1);
    let end = journal
        .begin_now(0, &opening("r"))
        .unwrap()
        .close(&completed());
    assert_eq!(journal.counters().open, 1);
    drop(end);
    assert_eq!(journal.counters().open, 0);
    // A journal that is shut down beside it does not leave it either.
    let end = journal
        .begin_now(0, &opening("r"))
        .unwrap()
        .close(&completed());
    journal.shutdown().unwrap();
    assert_eq!(journal.counters().open, 0);
    drop(end);
    assert_eq!(assert_paired(&lines(dir.path())), ["completed"; 2]);
}

#[test]
fn a_full_disk_takes_what_waits_from_the_reserve() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, disk, clock) = open_faulty(dir.path(), 1);
    let entries: Vec<_> = (0..8)
        .map(|_| journal.begin_now(0, &opening("r")).unwrap())
        .collect();
    let ends: Vec<_> = entries
        .into_iter()
        .map(|entry| entry.close(&completed()))
        .collect();
    disk.room.store(100, Relaxed);
    assert!(matches!(
        journal.begin_now(0, &opening("x")),
        Err(Error::Full)
    ));
    drop(ends);
    let counters = journal.counters();
    assert_eq!((counters.waiting, counters.open), (0, 0));
    disk.room.store(1 << 20, Relaxed);
    later(&journal, &clock);
    assert_eq!(journal.state(), State::Ok);
    let lines = whole(&journal, dir.path());
    assert_eq!(assert_paired(&lines), ["completed"; 8]);
}

#[test]
fn openings_of_a_turn_are_one_write_and_pass_only_then() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, disk, _) = open_faulty(dir.path(), 2);
    let (writes, frontier) = (disk.writes.load(Relaxed), journal.frontier());
    let entries: Vec<_> = (0..5)
        .map(|_| journal.begin(1, &opening("r")).unwrap())
        .collect();
    assert_eq!(disk.writes.load(Relaxed), writes);
    assert_eq!((journal.counters().open, journal.frontier()), (5, frontier));
    let woken = Arc::default();
    for entry in &entries {
        let mut opened = entry.durable();
        assert!(!opened.is_now());
        assert!(matches!(poll(&mut opened, &woken), Poll::Ready(Ok(()))));
        assert_eq!(disk.writes.load(Relaxed), writes + 1);
        // Each attempt asks anew.
        entry.durable().write();
    }
    assert_eq!(journal.frontier(), frontier + 5);
    // Who goes before anybody waited leaves both records.
    drop(journal.begin(0, &opening("gone")).unwrap());
    drop(entries);
    assert_eq!(journal.counters().open, 0);
    let lines = whole(&journal, dir.path());
    assert_eq!(assert_paired(&lines), ["abandoned"; 6]);
}

#[test]
fn openings_that_a_full_disk_refuses_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, disk, clock) = open_faulty(dir.path(), 1);
    let live = journal.begin(0, &opening("live")).unwrap();
    live.durable().write();
    let [first, second, third, fourth] =
        [(); 4].map(|()| journal.begin(0, &opening("refused")).unwrap());
    disk.room.store(100, Relaxed);
    // One leaves before anybody looked: its closing waits with its opening.
    let left = fourth.close(&completed());
    let woken = Arc::default();
    for entry in [&first, &second] {
        let told = poll(&mut entry.durable(), &woken);
        assert!(matches!(told, Poll::Ready(Err(Error::Full))), "{told:?}");
    }
    assert_eq!((journal.state(), journal.counters().open), (State::Full, 1));
    assert_eq!(journal.counters().refused, 4);
    assert!(first.close(&completed()).is_now());
    drop((second, third, left));
    drop(live.close(&completed()));
    assert_eq!(
        (journal.counters().open, journal.counters().waiting),
        (0, 0)
    );
    disk.room.store(1 << 20, Relaxed);
    later(&journal, &clock);
    assert_eq!(journal.state(), State::Ok);
    let lines = whole(&journal, dir.path());
    assert_eq!(assert_paired(&lines), ["completed"]);
    assert!(!lines.iter().any(|line| line["id"] == "refused"));
}

#[test]
fn shared_writes_leave_a_broken_file_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, disk, _) = open_faulty(dir.path(), 1);
    let entries = [(); 3].map(|()| journal.begin(0, &opening("r")).unwrap());
    disk.next_writes_fail.store(1, Relaxed);
    let woken = Arc::default();
    for entry in &entries {
        let told = poll(&mut entry.durable(), &woken);
        assert!(matches!(told, Poll::Ready(Ok(()))));
    }
    let ends = entries.map(|entry| entry.close(&completed()));
    // The same where another record takes them along.
    disk.next_writes_fail.store(1, Relaxed);
    let next = journal.begin_now(0, &opening("next")).unwrap();
    drop((ends, next));
    assert_eq!((journal.state(), journal.counters().errors), (State::Ok, 0));
    let lines = whole(&journal, dir.path());
    assert_eq!(assert_paired(&lines).len(), 4);
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Open(usize),
    Share(usize),
    Send,
    Close,
    Wait,
    Leave,
    Deny(usize),
    Abandon,
    Fail(i64),
    Room(i64),
    Later,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..3usize).prop_map(Act::Open),
        8 => (0..3usize).prop_map(Act::Share),
        6 => Just(Act::Send),
        8 => Just(Act::Close),
        4 => Just(Act::Wait),
        2 => Just(Act::Leave),
        1 => (0..3usize).prop_map(Act::Deny),
        1 => Just(Act::Abandon),
        1 => (1..4i64).prop_map(Act::Fail),
        1 => prop_oneof![Just(300), Just(2_000), Just(1 << 20)].prop_map(Act::Room),
        1 => Just(Act::Later),
    ];
    prop::collection::vec(act, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn nothing_is_lost_over_rotations_and_failures(acts in acts()) {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk::Disk::new(dir.path());
        let clock = Arc::new(ManualClock::at(0));
        let small = Config { segment_bytes: 2_000, ..config(dir.path(), 2) };
        let (journal, _) = Journal::open_on(small, clock.clone(), disk.store()).unwrap();
        let (mut entries, mut ends, woken) = (VecDeque::new(), VecDeque::new(), Arc::default());
        let (mut ids, mut passed, mut refused) = (0.., Vec::new(), Vec::new());
        for act in acts {
            match act {
                Act::Open(shard) => entries.extend(journal.begin_now(shard, &opening("r"))),
                Act::Share(shard) => {
                    let id = format!("s{}", ids.next().unwrap_or_default());
                    entries.extend(journal.begin(shard, &opening(&id)));
                }
                Act::Send => if let Some(entry) = entries.back() {
                    match poll(&mut entry.durable(), &woken) {
                        Poll::Ready(Ok(())) => passed.push(entry.id().to_owned()),
                        Poll::Ready(Err(_)) => refused.push(entry.id().to_owned()),
                        Poll::Pending => prop_assert!(false, "it writes, it does not wait"),
                    }
                },
                Act::Close => ends.extend(entries.pop_front().map(|entry: Entry| entry.close(&completed()))),
                Act::Wait => if let Some(mut end) = ends.pop_front() {
                    prop_assert!(end.is_now() || poll(&mut end, &woken).is_pending());
                    prop_assert!(poll(&mut end, &woken).is_ready());
                },
                Act::Leave => drop(ends.pop_front()),
                Act::Deny(shard) => drop(journal.deny(shard, &Denial::default())),
                Act::Abandon => drop(entries.pop_back()),
                Act::Fail(writes) => disk.next_writes_fail.store(writes, Relaxed),
                Act::Room(bytes) => disk.room.store(bytes, Relaxed),
                Act::Later => later(&journal, &clock),
            }
            // A reader that goes as far as it may finds every index there explained sooner or later, and none twice.
            let frontier = journal.frontier();
            prop_assert!(frontier <= journal.files.next_index.load(Relaxed));
        }
        drop((entries, ends));
        disk.next_writes_fail.store(0, Relaxed);
        disk.room.store(1 << 30, Relaxed);
        for _ in 0..3 {
            later(&journal, &clock);
        }
        prop_assert_eq!((journal.counters().open, journal.counters().waiting), (0, 0));
        prop_assert_eq!(journal.state(), State::Ok);
        journal.shutdown().unwrap();
        let lines = lines(dir.path());
        assert_explained(&lines);
        let told = |id: &String| lines.iter().any(|line| line["id"] == **id);
        prop_assert!(passed.iter().all(told), "what passed was written before");
        prop_assert!(!refused.iter().any(told), "what is refused leaves nothing");
        drop(journal);
        let (_, recovery) = open(dir.path(), 1);
        prop_assert_eq!(recovery.crashed, 0);
        prop_assert_eq!(recovery.lost, []);
    }
}
