//! Events of tools beside a live journal, and of the journal about its own time.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::inbox::{INBOX, tell};

fn search<'a>(detail: &'a str, reason: &'a str) -> Event<'a> {
    Event {
        what: What::Search,
        actor: "auditor",
        names: &["key"],
        count: Some(3),
        detail,
        reason,
        ..Event::default()
    }
}

fn system() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn events(dir: &Path, what: &str) -> Vec<Value> {
    lines(dir)
        .into_iter()
        .filter(|line| line["what"] == what)
        .collect()
}

fn left(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir.join(INBOX)).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_tool_is_heard_by_a_live_journal() {
    let dir = tempfile::tempdir().unwrap();
    let quick = Config {
        sync_every: Duration::from_millis(5),
        ..config(dir.path(), 1)
    };
    let (journal, _) = Journal::open(quick, system()).unwrap();
    tell(
        dir.path(),
        &search("key = crm-bot\n\u{1b}[2J", "case 7"),
        &system(),
    )
    .unwrap();
    // It is there before `tell` returns: the files say so, not only the journal that is still open.
    let found = events(dir.path(), "search");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["detail"], "key = crm-bot\n\u{1b}[2J");
    assert_eq!(
        (
            &found[0]["reason"],
            &found[0]["count"],
            &found[0]["names"][0]
        ),
        (&Value::from("case 7"), &Value::from(3), &Value::from("key"))
    );
    assert!(found[0]["ticket"].is_string() && found[0]["asked_at"].is_i64());
    assert!(left(dir.path()).is_empty());
    // What is left out of a list is counted once, not in the file and again in the record.
    let many = Event {
        names: &["n"; 40],
        ..search("", "")
    };
    tell(dir.path(), &many, &system()).unwrap();
    let names = &events(dir.path(), "search")[1]["names"];
    assert_eq!(names[32], "… and 8 more");
    assert_eq!(names.as_array().unwrap().len(), 33);
    drop(journal);
}

#[test]
fn a_tool_alone_writes_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 2);
    journal.begin(1, &opening("r")).unwrap().close(&completed());
    journal.shutdown().unwrap();
    drop(journal);
    tell(dir.path(), &search("", ""), &system()).unwrap();
    assert_eq!(events(dir.path(), "search").len(), 1);
    assert_gap_free(&lines(dir.path()));
    let (_, recovery) = open(dir.path(), 2);
    assert_eq!((recovery.epoch, recovery.crashed), (3, 0));
}

#[test]
fn a_log_that_cannot_be_written_says_so_and_keeps_no_order() {
    let missing = tempfile::tempdir().unwrap().path().join("no-such");
    assert!(matches!(
        tell(&missing, &search("", ""), &system()),
        Err(Error::Io(_))
    ));
    // The lock is held by something that does not look: time, not luck, ends the wait.
    let dir = tempfile::tempdir().unwrap();
    let _held = lock_dir(dir.path()).unwrap();
    let clock = Arc::new(Hurried(ManualClock::at(0)));
    let refused = tell(dir.path(), &search("", ""), &(clock as Arc<dyn Clock>));
    assert!(matches!(refused, Err(Error::Failed)));
    assert!(left(dir.path()).is_empty(), "taken back");
}

/// A clock on which every look takes a second.
struct Hurried(ManualClock);

impl Clock for Hurried {
    fn wall_ms(&self) -> i64 {
        self.0.wall_ms()
    }

    fn mono_ns(&self) -> u64 {
        self.0.advance_ms(1_000);
        self.0.mono_ns()
    }

    fn mono_at(&self, at: Instant) -> u64 {
        self.0.mono_at(at)
    }
}

#[test]
fn what_is_no_event_of_a_tool_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 1);
    let inbox = dir.path().join(INBOX);
    fs::create_dir(&inbox).unwrap();
    // Retirement would excuse missing records; a link could name any file; a record is bounded.
    fs::write(inbox.join("a.json"), r#"{"what":"retired","below":99}"#).unwrap();
    fs::write(inbox.join("b.json"), "not json").unwrap();
    fs::write(inbox.join("c.json"), r#"{"what":"search","no_such":1}"#).unwrap();
    fs::write(inbox.join("d.json"), vec![b' '; 70 << 10]).unwrap();
    let outside = dir.path().join("outside");
    fs::write(&outside, r#"{"what":"search"}"#).unwrap();
    std::os::unix::fs::symlink(&outside, inbox.join("e.json")).unwrap();
    fs::write(inbox.join("f.new"), r#"{"what":"search"}"#).unwrap();
    fs::write(inbox.join("g.json"), r#"{"what":"shred","subject":"ab12"}"#).unwrap();
    journal.tick();
    journal.tick();
    assert_eq!(events(dir.path(), "inbox_refused").len(), 5);
    assert_eq!(events(dir.path(), "shred")[0]["subject"], "ab12");
    assert!(events(dir.path(), "search").is_empty() && events(dir.path(), "retired").is_empty());
    let mut names = left(dir.path());
    names.sort();
    assert_eq!(
        names,
        ["a.bad", "b.bad", "c.bad", "d.bad", "e.bad", "f.new"]
    );
    assert!(
        tell(
            dir.path(),
            &Event {
                what: What::Retired,
                ..Event::default()
            },
            &system()
        )
        .is_err()
    );
}

#[test]
fn a_step_of_the_wall_clock_is_told_and_a_slow_disk_is_not_one() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(1_000_000));
    let (journal, _) = Journal::open(config(dir.path(), 1), clock.clone()).unwrap();
    journal.tick();
    for (step_ms, told) in [(900, 0), (-5_000, 1), (0, 1), (3_600_000, 2)] {
        clock.advance_ms(40_000);
        clock.step_wall_ms(step_ms);
        journal.tick();
        assert_eq!(events(dir.path(), "clock_step").len(), told, "{step_ms}");
    }
    let steps = events(dir.path(), "clock_step");
    assert_eq!(
        (&steps[0]["by_ms"], &steps[1]["by_ms"]),
        (&Value::from(-5_000), &Value::from(3_600_000))
    );
}
