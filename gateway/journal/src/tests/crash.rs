//! Crashes and damage, at every byte: what was acknowledged is found again, the rest is set aside and told.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "RESERVE" {
            fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
        }
    }
    to
}

fn last_segment(dir: &Path, shard: u32) -> PathBuf {
    let segments = recover::list(dir).unwrap();
    segments
        .into_iter()
        .rfind(|segment| segment.shard == shard)
        .unwrap()
        .path
}

#[test]
fn every_cut_of_the_tail_is_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 1);
    let mut ends = vec![(64, 0, 0)];
    let path = last_segment(dir.path(), 0);
    let mut live = Vec::new();
    let (mut records, mut closed) = (0, 0);
    for n in 0..4 {
        let entry = journal.begin_now(0, &opening(&format!("r{n}"))).unwrap();
        records += 1;
        ends.push((fs::metadata(&path).unwrap().len(), records, closed));
        if n % 2 == 0 {
            entry.close(&completed());
            (records, closed) = (records + 1, closed + 1);
            ends.push((fs::metadata(&path).unwrap().len(), records, closed));
        } else {
            live.push(entry);
        }
    }
    // The process is gone here; what follows looks at its files only.
    let whole = fs::read(&path).unwrap();
    let name = path.file_name().unwrap();
    // The header and the first records coarsely, the last ones at every byte.
    let coarse = (0..ends[3].0 as usize).step_by(13);
    for cut in coarse.chain(ends[3].0 as usize..=whole.len()) {
        let copy = copy(dir.path());
        let segment = copy.path().join(name);
        fs::write(&segment, &whole[..cut]).unwrap();
        let (again, recovery) = open(copy.path(), 1);
        let good = ends.iter().rfind(|(end, ..)| *end <= cut as u64).copied();
        let (end, records, closed) = good.unwrap_or((0, 0, 0));
        let torn_bytes = cut as u64 - end;
        let torn = copy.path().join(format!("{}.torn", name.to_str().unwrap()));
        assert_eq!(
            fs::read(torn).unwrap_or_default(),
            whole[end as usize..cut],
            "cut {cut}"
        );
        assert_eq!(
            recovery.torn.iter().map(|torn| torn.bytes).sum::<u64>(),
            torn_bytes
        );
        assert_eq!(
            (
                recovery.next_index,
                recovery.damage.len(),
                recovery.lost.len()
            ),
            (records, 0, 0)
        );
        let opened = records - closed;
        assert_eq!(recovery.crashed, opened - closed, "cut {cut}");
        again
            .begin_now(0, &opening("next"))
            .unwrap()
            .close(&completed());
        drop(again);
        let log = lines(copy.path());
        assert_gap_free(&log);
        let outcomes = assert_paired(&log);
        assert_eq!(
            outcomes
                .iter()
                .filter(|outcome| **outcome == "crashed")
                .count() as u64,
            recovery.crashed
        );
        if cut > 0 {
            let told = log.iter().find(|line| line["what"] == "recovery").unwrap();
            assert_eq!(
                (told["torn_bytes"].as_u64(), told["crashed"].as_u64()),
                (Some(torn_bytes), Some(recovery.crashed))
            );
            assert_eq!(told["last_good"].as_u64(), recovery.last_good);
        }
        let (_, third) = open(copy.path(), 1);
        assert_eq!(
            (third.crashed, third.torn.len(), third.lost.len()),
            (0, 0, 0),
            "settled once"
        );
    }
}

#[test]
fn a_flipped_byte_is_told_and_service_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 1);
    for n in 0..6 {
        journal
            .begin_now(0, &opening(&format!("r{n}")))
            .unwrap()
            .close(&completed());
    }
    let path = last_segment(dir.path(), 0);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        if at % 5 != 0 {
            continue;
        }
        let copy = copy(dir.path());
        let mut bad = whole.clone();
        bad[at] ^= 1 << (at % 8);
        let segment = copy.path().join(path.file_name().unwrap());
        fs::write(&segment, &bad).unwrap();
        let (again, recovery) = open(copy.path(), 1);
        let noticed = recovery.damage.len() + recovery.torn.len();
        assert_eq!(noticed, 1, "byte {at}");
        if recovery.torn.is_empty() {
            assert_eq!(fs::read(&segment).unwrap(), bad, "evidence is left alone");
        }
        // The last record is torn and its index free again; a record in the middle is lost; a header bears none.
        let lost: u64 = recovery.lost.iter().map(|(_, count)| *count).sum();
        assert_eq!(
            lost,
            u64::from(at >= 64 && recovery.torn.is_empty()),
            "byte {at}"
        );
        assert_eq!(again.state(), State::Ok);
        again
            .begin_now(0, &opening("next"))
            .unwrap()
            .close(&completed());
        drop(again);
        assert!(
            lines(copy.path())
                .iter()
                .any(|line| line["id"] == "next" && line["kind"] == "closed")
        );
        let (_, third) = open(copy.path(), 1);
        assert_eq!((third.crashed, third.lost.len()), (0, 0), "settled once");
    }
}

#[test]
fn an_entry_older_than_many_segments_is_still_closed() {
    let dir = tempfile::tempdir().unwrap();
    let small = Config {
        segment_bytes: 2_000,
        ..config(dir.path(), 2)
    };
    let (journal, _) = Journal::open(small, Arc::new(ManualClock::at(0))).unwrap();
    let old = journal.begin_now(1, &opening("old")).unwrap();
    for n in 0..200 {
        journal
            .begin_now(n, &opening("young"))
            .unwrap()
            .close(&completed());
    }
    assert!(recover::list(dir.path()).unwrap().len() > 20);
    let after = copy(dir.path());
    let (again, recovery) = open(after.path(), 3);
    assert_eq!(
        (recovery.crashed, recovery.lost.len(), recovery.epoch),
        (1, 0, 2)
    );
    // A crash during the recovery itself: what it wrote has no name yet, and all is found as before.
    let unfinished = copy(dir.path());
    fs::write(
        unfinished.path().join("0000000099-00.seg.new"),
        b"yumenlog half",
    )
    .unwrap();
    drop(again);
    let (_, recovery) = open(unfinished.path(), 1);
    assert_eq!(recovery.crashed, 1);
    // The one that finished is not repeated, however often the directory is opened and with however many shards.
    for (epoch, shards) in [(3, 1), (4, 2)] {
        let (_, recovery) = open(after.path(), shards);
        assert_eq!((recovery.epoch, recovery.crashed), (epoch, 0));
    }
    let log = lines(after.path());
    assert_gap_free(&log);
    assert_eq!(
        assert_paired(&log)
            .iter()
            .filter(|outcome| **outcome == "crashed")
            .count(),
        1
    );
    old.close(&completed());
}

#[test]
fn a_tail_lost_in_one_shard_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 2);
    journal
        .begin_now(0, &opening("a"))
        .unwrap()
        .close(&completed());
    let before = fs::metadata(last_segment(dir.path(), 0)).unwrap().len();
    journal
        .begin_now(0, &opening("b"))
        .unwrap()
        .close(&completed());
    journal
        .begin_now(1, &opening("c"))
        .unwrap()
        .close(&completed());
    let copy = copy(dir.path());
    // A power cut took what was not synced in one shard.
    let path = last_segment(copy.path(), 0);
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(before)
        .unwrap();
    let (journal, recovery) = open(copy.path(), 2);
    assert_eq!((recovery.lost, recovery.crashed), (vec![(2, 2)], 0));
    drop(journal);
    let log = lines(copy.path());
    let lost = log.iter().find(|line| line["kind"] == "lost").unwrap();
    assert_eq!(
        (&lost["from"], &lost["count"]),
        (&Value::from(2), &Value::from(2))
    );
    assert_eq!(log[2]["missing"]["from"], 2);
}

#[test]
fn foreign_bytes_do_not_stop_a_reader() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 1);
    journal.note(&Event::default()).unwrap();
    drop(journal);
    let mut forged = Vec::new();
    record::start(&mut forged, Kind::Event);
    forged.extend_from_slice(b"{\"a\":\"\x1b[2J\n\xff\"}");
    assert!(record::frame(&mut forged, 1));
    let mut active = Vec::new();
    record::start(&mut active, Kind::Event);
    active.extend_from_slice("{\"a\":\"\u{202e}\u{9b}\"}".as_bytes());
    assert!(record::frame(&mut active, 2));
    let path = last_segment(dir.path(), 0);
    let bytes = [fs::read(&path).unwrap(), forged, active, vec![0; 300]].concat();
    fs::write(&path, bytes).unwrap();
    fs::write(dir.path().join("0000000007-00.seg"), vec![0xEE; 3_000]).unwrap();
    fs::write(dir.path().join("notes.txt"), "not ours").unwrap();
    let log = lines(dir.path());
    assert_eq!(kinds(&log), ["event", "-", "event", "-", "-"], "{log:?}");
    assert_eq!(log[2]["a"], "\u{202e}\u{9b}");
    let (_, recovery) = open(dir.path(), 1);
    assert_eq!(recovery.next_index, 3);
}
