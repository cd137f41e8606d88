//! What befalls a log honestly: crashes, failing disks, retention, clocks that are set. None of it is called tampering.

use super::*;

#[test]
fn crashes_are_no_tampering() {
    let dir = tempfile::tempdir().unwrap();
    let mut signed = 0;
    for round in 0..8 {
        let journal = open(dir.path(), 2);
        let mut tree = grower(dir.path());
        requests(&journal, 20 + round * 7);
        let opening = Opening {
            who: Asker {
                id: "open",
                ..Asker::default()
            },
            ..Opening::default()
        };
        let entry = journal.begin(0, &opening).unwrap();
        if round % 2 == 0 {
            sign(&journal, &mut tree);
            signed = tree.size();
        }
        requests(&journal, 5);
        // As the directory is when the process is killed here.
        let crashed = copy(dir.path());
        let report = check(crashed.path());
        assert!(report.ok, "{round}: {:?}", report.problems);
        assert_eq!((report.open, report.covered), (1, signed));
        drop((entry, tree, journal));
        fs::remove_dir_all(dir.path()).unwrap();
        // A record that was being written.
        let last = segments(crashed.path()).pop().unwrap();
        let bytes = fs::read(&last).unwrap();
        let from = bounds(&bytes)[0];
        fs::write(&last, [&bytes[..], &bytes[from..from + 30]].concat()).unwrap();
        assert!(
            !check(crashed.path()).ok,
            "a torn tail is told before recovery"
        );
        let moved = copy(crashed.path());
        fs::create_dir(dir.path()).unwrap();
        for entry in fs::read_dir(moved.path()).unwrap() {
            let entry = entry.unwrap();
            fs::rename(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        drop(open(dir.path(), 2));
        let report = assert_holds(dir.path());
        assert_eq!(report.open, 0);
    }
}

#[test]
fn a_live_log_holds() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path(), 2);
    let mut tree = grower(dir.path());
    requests(&journal, 10);
    sign(&journal, &mut tree);
    requests(&journal, 10);
    let report = assert_holds(dir.path());
    assert_eq!(
        (report.live, report.covered, report.not_covered),
        (true, 20, 20)
    );
    drop((journal, tree));
    assert!(!assert_holds(dir.path()).live);
}

#[test]
fn indices_that_were_lost_are_told_and_no_problem() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let clock = Arc::new(ManualClock::at(0));
    let (journal, _) =
        Journal::open_on(config(dir.path(), 2), clock.clone(), disk.store()).unwrap();
    let mut tree = grower(dir.path());
    requests(&journal, 5);
    // The write fails and cannot be taken back: the index is lost.
    disk.truncate_fails.store(true, Relaxed);
    disk.next_writes_fail.store(2, Relaxed);
    assert!(journal.note(&Event::default()).is_err());
    disk.truncate_fails.store(false, Relaxed);
    disk.next_writes_fail.store(0, Relaxed);
    clock.advance_ms(2_000);
    journal.tick();
    sign(&journal, &mut tree);
    drop((journal, tree));
    let report = assert_holds(dir.path());
    assert!(report.lost > 0, "{report:?}");
    // Without the record that names them they are missing.
    let file = segments(dir.path())
        .into_iter()
        .find(|file| {
            fs::read(file)
                .unwrap()
                .windows(14)
                .any(|at| at == b"a write failed")
        })
        .unwrap();
    let good = fs::read(&file).unwrap();
    let bounds = bounds(&good);
    let lost = bounds
        .windows(2)
        .find(|pair| good[pair[0] + 16] == 5)
        .unwrap();
    let bad = [&good[..lost[0]], &good[lost[1]..]].concat();
    let report = harmed(dir.path(), &file, &bad, "a lost record removed");
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.what == What::Missing)
    );
}

#[test]
fn what_retention_removed_is_no_problem_and_nothing_else_passes_for_it() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    let journal = open(dir.path(), 2);
    let mut tree = grower(dir.path());
    requests(&journal, 40);
    let below = 300;
    let retired = Event {
        what: crate::What::Retired,
        below: Some(below),
        ..Event::default()
    };
    journal.note(&retired).unwrap();
    sign(&journal, &mut tree);
    drop((journal, tree));
    let ends = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap();
        let bounds = bounds(&bytes);
        let last = bounds[bounds.len() - 2];
        record::parse(&bytes[last..]).unwrap().index
    };
    let (old, rest): (Vec<_>, Vec<_>) = segments(dir.path())
        .into_iter()
        .partition(|file| ends(file) < below);
    assert!(old.len() > 2 && rest.len() > 2);
    for file in &old {
        fs::remove_file(file).unwrap();
        let report = assert_holds(dir.path());
        assert!(report.retired > 0 && report.retired_below == below);
    }
    // The tiles of level 0 that lie wholly below may be gone as well.
    fs::remove_file(TreeDir::of(dir.path()).path().join("tile/0/000")).unwrap();
    assert_holds(dir.path());
    fs::remove_file(&rest[1]).unwrap();
    assert!(!check(dir.path()).ok);
}

#[test]
fn a_set_clock_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(1_000_000));
    let (journal, _) = Journal::open(config(dir.path(), 1), clock.clone()).unwrap();
    let mut tree = grower(dir.path());
    journal.note(&Event::default()).unwrap();
    clock.advance_ms(50_000);
    journal.note(&Event::default()).unwrap();
    clock.step_wall_ms(-7_000);
    journal.note(&Event::default()).unwrap();
    sign(&journal, &mut tree);
    drop((journal, tree));
    let report = assert_holds(dir.path());
    assert_eq!(report.clock_steps.len(), 1);
    assert_eq!(report.clock_steps[0].1, -7_000);
}
