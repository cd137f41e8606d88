//! Nothing that is done to a log goes unnoticed, and nothing that befalls it honestly is called tampering.

mod honest;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Options, Report, What, verify};
use crate::clock::ManualClock;
use crate::record::{self, HEADER_BYTES, RECORD_HEAD_BYTES};
use crate::tests::disk::Disk;
use crate::tree::checkpoint::Signed;
use crate::tree::note::{Signer, Use};
use crate::tree::{Grower, KeySource, Step, TreeDir, open_key};
use crate::{Asker, CLOSING_ROOM, Closing, Config, Event, Journal, Opening, Outcome};

fn config(dir: &Path, shards: usize) -> Config {
    Config {
        segment_bytes: 8_000,
        reserve_bytes: 64 * CLOSING_ROOM,
        ..Config::new(dir, shards)
    }
}

fn open(dir: &Path, shards: usize) -> Arc<Journal> {
    let clock = Arc::new(ManualClock::at(1_000));
    Journal::open(config(dir, shards), clock).unwrap().0
}

fn grower(dir: &Path) -> Grower {
    let key = open_key(dir, &KeySource::default()).unwrap().0;
    Grower::open(dir, key).unwrap().0
}

fn sign(journal: &Journal, tree: &mut Grower) {
    journal.tick();
    while tree.grow(journal.synced_frontier(), 1_000).unwrap() != Step::Done {}
    tree.sign().unwrap();
}

fn requests(journal: &Arc<Journal>, count: usize) {
    for n in 0..count {
        let id = format!("r{n}");
        let opening = Opening {
            who: Asker {
                id: &id,
                key: "crm-bot",
                ..Asker::default()
            },
            ..Opening::default()
        };
        let entry = journal.begin(n, &opening).unwrap();
        entry.close(&Closing {
            outcome: Outcome::Completed,
            ..Closing::default()
        });
    }
}

/// A log of two runs with checkpoints at odd sizes, all of it covered: about 700 entries in a dozen segments.
fn sample(dir: &Path) {
    for count in [70, 130, 140] {
        let journal = open(dir, 2);
        let mut tree = grower(dir);
        requests(&journal, count / 3);
        sign(&journal, &mut tree);
        requests(&journal, count);
        sign(&journal, &mut tree);
    }
}

fn check(dir: &Path) -> Report {
    verify(dir, &Options::default()).unwrap()
}

#[track_caller]
fn assert_holds(dir: &Path) -> Report {
    let report = check(dir);
    assert!(report.ok, "{:?}", report.problems);
    report
}

fn copy(from: &Path) -> tempfile::TempDir {
    fn all(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                fs::create_dir(&to).unwrap();
                all(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), &to).unwrap();
            }
        }
    }
    let to = tempfile::tempdir().unwrap();
    all(from, to.path());
    to
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let segments = crate::recover::list(dir).unwrap();
    let used = segments
        .into_iter()
        .filter(|one| one.bytes > HEADER_BYTES as u64);
    used.map(|one| one.path).collect()
}

/// Where the records of a segment begin, and where they end.
fn bounds(segment: &[u8]) -> Vec<usize> {
    let mut at = HEADER_BYTES;
    let mut bounds = vec![at];
    while let Some(record) = record::parse(&segment[at..]) {
        at += record.bytes();
        bounds.push(at);
    }
    bounds
}

/// Does something to one file, sees what is found, and undoes it.
#[track_caller]
fn harmed(dir: &Path, file: &Path, with: &[u8], what: &str) -> Report {
    let good = fs::read(file).unwrap();
    fs::write(file, with).unwrap();
    let report = check(dir);
    fs::write(file, good).unwrap();
    assert!(!report.ok, "{what} of {} was not noticed", file.display());
    report
}

#[test]
fn untouched_logs_hold() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    let report = assert_holds(dir.path());
    assert_eq!(report.covered, report.end);
    assert_eq!(
        (report.not_covered, report.open, report.checkpoints),
        (0, 0, 6)
    );
    assert!(report.records > 700 && report.segments > 10);
    // However many threads there are.
    for threads in [1, 3, 16] {
        let options = Options {
            threads,
            ..Options::default()
        };
        assert!(verify(dir.path(), &options).unwrap().ok);
    }
}

#[test]
fn every_flipped_bit_of_some_records_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    let files = segments(dir.path());
    for (file, which) in [(&files[0], 0), (&files[files.len() / 2], 7)] {
        let good = fs::read(file).unwrap();
        let bounds = bounds(&good);
        let (from, to) = (bounds[which], bounds[which + 1]);
        let index = record::parse(&good[from..]).unwrap().index;
        for bit in from * 8..to * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let report = harmed(dir.path(), file, &bad, &format!("bit {bit}"));
            let first = &report.problems[0];
            assert_eq!(first.index, Some(index), "bit {bit}: {:?}", report.problems);
            assert_eq!(first.offset, Some(from as u64), "bit {bit}");
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    let tree = TreeDir::of(dir.path());
    let mut files = segments(dir.path());
    for name in [
        "checkpoints",
        "checkpoint",
        "key.pub",
        "tile/0/000",
        "tile/0/001",
    ] {
        files.push(tree.path().join(name));
    }
    let edge = crate::tree::tiles::edge(assert_holds(dir.path()).covered);
    files.extend(edge.map(|name| tree.path().join(name.path())));
    for (number, file) in files.iter().enumerate() {
        let good = fs::read(file).unwrap();
        // Some bits of each file, of its header too; they differ from file to file.
        for step in 0..24 {
            let bit = (step * step * 4_099 + number * 131 + step) % (good.len() * 8);
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            harmed(dir.path(), file, &bad, &format!("bit {bit}"));
        }
        for bit in 0..good.len().min(HEADER_BYTES) * 8 {
            if file.extension().is_some_and(|extension| extension == "seg") && bit % 7 == number % 7
            {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                harmed(dir.path(), file, &bad, &format!("header bit {bit}"));
            }
        }
    }
    assert_holds(dir.path());
}

/// A record with other bytes and a checksum that fits.
fn reframed(record: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let index = record::parse(record).unwrap().index;
    let mut record = record.to_vec();
    change(&mut record);
    assert!(record::frame(&mut record, index));
    record
}

#[test]
fn entries_that_were_edited_with_care_are_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    for (number, file) in segments(dir.path()).iter().enumerate() {
        let good = fs::read(file).unwrap();
        let bounds = bounds(&good);
        let which = number % (bounds.len() - 1);
        let (from, to) = (bounds[which], bounds[which + 1]);
        let index = record::parse(&good[from..]).unwrap().index;
        let of = |record: Vec<u8>| [&good[..from], &record, &good[to..]].concat();
        let letter = reframed(&good[from..to], |record| {
            let at = record.len() - 3;
            record[at] ^= 1;
        });
        let kind = reframed(&good[from..to], |record| {
            let kind = &mut record[RECORD_HEAD_BYTES - 1];
            *kind = if *kind == 4 { 3 } else { 4 };
        });
        let longer = reframed(&good[from..to], |record| {
            record.pop();
            record.extend_from_slice(b",\"x\":1}");
        });
        for (bad, what) in [(letter, "letter"), (kind, "kind"), (longer, "longer")] {
            let report = harmed(dir.path(), file, &of(bad), what);
            let first = &report.problems[0];
            assert_eq!(
                (first.index, first.offset, first.what),
                (Some(index), Some(from as u64), What::Altered),
                "{what}: {:?}",
                report.problems
            );
        }
    }
}

#[test]
fn removed_swapped_repeated_and_cut_entries_are_found() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    for (number, file) in segments(dir.path()).iter().enumerate() {
        let good = fs::read(file).unwrap();
        let bounds = bounds(&good);
        if bounds.len() < 4 {
            continue;
        }
        let at = number % (bounds.len() - 3);
        let [a, b, c] = [bounds[at], bounds[at + 1], bounds[at + 2]];
        let index = record::parse(&good[a..]).unwrap().index;
        let removed = [&good[..a], &good[b..]].concat();
        let report = harmed(dir.path(), file, &removed, "an entry removed");
        let first = &report.problems[0];
        assert_eq!(
            (first.index, first.count, first.what),
            (Some(index), Some(1), What::Removed)
        );
        let swapped = [&good[..a], &good[b..c], &good[a..b], &good[c..]].concat();
        harmed(dir.path(), file, &swapped, "entries swapped");
        // With their indices exchanged too.
        let exchanged = {
            let (first, second) = (&good[a..b], &good[b..c]);
            let index_of = |bytes: &[u8]| record::parse(bytes).unwrap().index;
            let (mut one, mut two) = (second.to_vec(), first.to_vec());
            assert!(record::frame(&mut one, index_of(first)));
            assert!(record::frame(&mut two, index_of(second)));
            [&good[..a], &one, &two, &good[c..]].concat()
        };
        let same = exchanged[a..] == good[a..];
        if !same {
            let report = harmed(dir.path(), file, &exchanged, "payloads exchanged");
            assert_eq!(report.problems[0].index, Some(index));
        }
        let repeated = [&good[..b], &good[a..b], &good[b..]].concat();
        harmed(dir.path(), file, &repeated, "an entry repeated");
        let appended = [&good[..], &good[a..b]].concat();
        harmed(dir.path(), file, &appended, "an entry repeated at the end");
        let forged = {
            let mut record = good[a..b].to_vec();
            assert!(record::frame(&mut record, index + 1_000_000));
            [&good[..], &record].concat()
        };
        harmed(dir.path(), file, &forged, "an entry far away");
        let last = bounds[bounds.len() - 2];
        harmed(dir.path(), file, &good[..last], "the last entry cut off");
        harmed(dir.path(), file, &good[..last + 9], "the last entry cut");
        harmed(
            dir.path(),
            file,
            &good[..HEADER_BYTES],
            "all entries cut off",
        );
        harmed(dir.path(), file, &[], "the file emptied");
    }
}

#[test]
fn removed_swapped_and_copied_segments_are_found() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    let files = segments(dir.path());
    for file in &files {
        let aside = dir.path().join("aside");
        fs::rename(file, &aside).unwrap();
        let report = check(dir.path());
        assert!(!report.ok, "{} removed", file.display());
        fs::rename(&aside, file).unwrap();
    }
    let (a, b) = (fs::read(&files[1]).unwrap(), fs::read(&files[4]).unwrap());
    fs::write(&files[1], &b).unwrap();
    harmed(dir.path(), &files[4], &a, "segments swapped");
    fs::write(&files[1], &a).unwrap();
    for name in ["0000000999-00.seg", "0000000999-07.seg"] {
        fs::copy(&files[2], dir.path().join(name)).unwrap();
        assert!(!check(dir.path()).ok, "a segment copied to {name}");
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    assert_holds(dir.path());
}

#[test]
fn tiles_and_checkpoints_that_were_edited_are_found() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    let tree = TreeDir::of(dir.path());
    let tile = tree.path().join("tile/0/001");
    let good = fs::read(&tile).unwrap();
    let mut bad = good.clone();
    bad.swap(40, 80);
    let report = harmed(dir.path(), &tile, &bad, "hashes swapped");
    assert!(
        report
            .problems
            .iter()
            .all(|problem| problem.what == What::Tile)
    );
    harmed(
        dir.path(),
        &tile,
        &good[..good.len() - 32],
        "a hash cut off",
    );
    fs::remove_file(&tile).unwrap();
    assert!(!check(dir.path()).ok);
    fs::write(&tile, &good).unwrap();
    // Whoever has no key cannot replace a checkpoint, and whoever has one of another log neither.
    let list = fs::read_to_string(tree.checkpoints()).unwrap();
    let stranger = Signer::new("other.example/log", Use::Log, [5; 32]).unwrap();
    let first = list.split("\n\n").next().unwrap().to_owned() + "\n";
    let forged = format!("{first}\n{}\n\n", stranger.sign(&first, 0));
    let rest = list.split_inclusive("\n\n").skip(2).collect::<String>();
    harmed(
        dir.path(),
        &tree.checkpoints(),
        format!("{forged}{rest}").as_bytes(),
        "forged",
    );
    harmed(dir.path(), &tree.checkpoints(), b"", "no checkpoint");
    let half = list.len() / 6 * 3;
    harmed(
        dir.path(),
        &tree.checkpoints(),
        &list.as_bytes()[..half],
        "the newest cut off",
    );
    fs::remove_dir_all(tree.path()).unwrap();
    assert!(!check(dir.path()).ok, "a log without its tree");
}

/// Both the entry and the tiles above it: only the signed root tells.
#[test]
fn an_entry_edited_together_with_its_tiles_is_found() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    let file = &segments(dir.path())[0];
    let good = fs::read(file).unwrap();
    let bounds = bounds(&good);
    let bad = reframed(&good[bounds[2]..bounds[3]], |record| {
        let at = record.len() - 3;
        record[at] ^= 1;
    });
    fs::write(
        file,
        [&good[..bounds[2]], &bad, &good[bounds[3]..]].concat(),
    )
    .unwrap();
    let tree = TreeDir::of(dir.path());
    let signed = fs::read(tree.checkpoints()).unwrap();
    let newest = fs::read(tree.checkpoint()).unwrap();
    // As the gateway would make them, from nothing.
    fs::remove_dir_all(tree.path().join("tile")).unwrap();
    fs::remove_file(tree.checkpoints()).unwrap();
    fs::remove_file(tree.checkpoint()).unwrap();
    let journal = open(dir.path(), 2);
    let mut again = grower(dir.path());
    sign(&journal, &mut again);
    drop((journal, again));
    fs::write(tree.checkpoints(), &signed).unwrap();
    fs::write(tree.checkpoint(), &newest).unwrap();
    let report = check(dir.path());
    assert_eq!(report.problems[0].what, What::Root, "{:?}", report.problems);
}

/// With the key in his hands a forger writes another history; what left the host before shows it.
#[test]
fn a_checkpoint_kept_elsewhere_shows_a_cut_and_a_fork() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    let tree = TreeDir::of(dir.path());
    let kept = fs::read_to_string(tree.checkpoint()).unwrap();
    let options = || Options {
        elsewhere: vec![("anchor".to_owned(), Signed::parse(&kept).unwrap())],
        ..Options::default()
    };
    assert!(verify(dir.path(), &options()).unwrap().ok);
    // Everything anew, by the same key.
    let key = fs::read(tree.key()).unwrap();
    let forged = tempfile::tempdir().unwrap();
    fs::create_dir(forged.path().join("tree")).unwrap();
    fs::write(TreeDir::of(forged.path()).key(), &key).unwrap();
    sample(forged.path());
    let newer = {
        let journal = open(forged.path(), 2);
        let mut tree = grower(forged.path());
        requests(&journal, 1);
        sign(&journal, &mut tree);
        drop(journal);
        forged
    };
    assert_holds(newer.path());
    let shown = |dir: &Path| {
        let report = verify(dir, &options()).unwrap();
        assert!(!report.ok);
        assert!(
            report
                .problems
                .iter()
                .any(|problem| problem.what == What::Fork)
        );
    };
    // The clock is the same, so only a different request makes a different history.
    let other = tempfile::tempdir().unwrap();
    fs::create_dir(other.path().join("tree")).unwrap();
    fs::write(TreeDir::of(other.path()).key(), &key).unwrap();
    let journal = open(other.path(), 2);
    let mut grown = grower(other.path());
    journal
        .note(&Event {
            detail: "another history",
            ..Event::default()
        })
        .unwrap();
    requests(&journal, 500);
    sign(&journal, &mut grown);
    drop(journal);
    assert_holds(other.path());
    shown(other.path());
    // Cut: an older state of the same log.
    let older = tempfile::tempdir().unwrap();
    fs::create_dir(older.path().join("tree")).unwrap();
    fs::write(TreeDir::of(older.path()).key(), &key).unwrap();
    let journal = open(older.path(), 2);
    let mut grown = grower(older.path());
    requests(&journal, 20);
    sign(&journal, &mut grown);
    drop(journal);
    shown(older.path());
    // And a key from outside is believed instead of those that lie there.
    let stranger = Signer::new("x.example/log", Use::Log, [3; 32]).unwrap();
    let options = Options {
        keys: vec![stranger.verifier().clone()],
        ..Options::default()
    };
    assert!(!verify(dir.path(), &options).unwrap().ok);
}
