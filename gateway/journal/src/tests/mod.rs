//! The journal's promises, shown on real directories and on disks that fail on command.

mod crash;
pub(crate) mod disk;
mod faults;
mod follow;
mod inbox;
mod payloads;
mod power;
mod retire;
mod turn;

use std::collections::BTreeSet;
use std::future::Future as _;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::clock::{ManualClock, SystemClock};

/// Openings that are on disk when they are there, as most tests want them.
pub(crate) trait BeginsNow {
    fn begin_now(&self, shard: usize, opening: &Opening<'_>) -> Result<Entry, Error>;
}

impl BeginsNow for Arc<Journal> {
    fn begin_now(&self, shard: usize, opening: &Opening<'_>) -> Result<Entry, Error> {
        let entry = self.begin(shard, opening)?;
        let mut context = Context::from_waker(Waker::noop());
        match pin!(entry.durable()).poll(&mut context) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(entry),
        }
    }
}

/// A journal with small files and a long pause between two rounds of its thread.
fn config(dir: &Path, shards: usize) -> Config {
    Config {
        segment_bytes: 1 << 20,
        reserve_bytes: 16 * CLOSING_ROOM,
        sync_every: Duration::from_secs(1),
        ..Config::new(dir, shards)
    }
}

fn open(dir: &Path, shards: usize) -> (Arc<Journal>, Recovery) {
    Journal::open(config(dir, shards), Arc::new(ManualClock::at(1_000))).unwrap()
}

fn opening(id: &str) -> Opening<'_> {
    Opening {
        who: Asker {
            id,
            key: "crm-bot",
            asked: "assistant",
            ..Asker::default()
        },
        ..Opening::default()
    }
}

fn completed() -> Closing<'static> {
    Closing {
        outcome: Outcome::Completed,
        status: 200,
        ..Closing::default()
    }
}

/// The log as `dump` prints it, each line checked to be inert.
fn lines(dir: &Path) -> Vec<Value> {
    let mut out = Vec::new();
    read::dump(dir, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.chars().any(|c| c != '\n' && inert::is_active(c)));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["kind"].as_str().unwrap_or("-"))
        .collect()
}

fn assert_gap_free(lines: &[Value]) {
    for (expected, line) in lines.iter().enumerate() {
        assert_eq!(line["index"], expected, "{line}");
    }
}

/// Every opening has exactly one closing, which comes later and bears its id. Returns the outcomes in order.
fn assert_paired(lines: &[Value]) -> Vec<&str> {
    let of = |kind| lines.iter().filter(move |line| line["kind"] == kind);
    assert_eq!(of("opened").count(), of("closed").count());
    for opened in of("opened") {
        let closings: Vec<_> = of("closed")
            .filter(|line| line["opening"] == opened["index"])
            .collect();
        assert_eq!(closings.len(), 1, "{opened}");
        assert_eq!(closings[0]["id"], opened["id"]);
        assert!(closings[0]["index"].as_u64() > opened["index"].as_u64());
    }
    of("closed")
        .map(|line| line["outcome"].as_str().unwrap())
        .collect()
}

/// Every index is borne by one record or named as lost by one, and every opening has its closing.
fn assert_explained(lines: &[Value]) {
    let mut seen = BTreeSet::new();
    for line in lines {
        assert!(line["damage"].is_null(), "{line}");
        if let Some(index) = line["index"].as_u64() {
            assert!(seen.insert(index), "{line}");
        }
        if line["kind"] == "lost" {
            let (from, count) = (&line["from"], &line["count"]);
            let (from, count) = (from.as_u64().unwrap(), count.as_u64().unwrap());
            (from..from + count).for_each(|index| assert!(seen.insert(index), "{index}"));
        }
    }
    assert_eq!(seen.last().map_or(0, |last| last + 1), seen.len() as u64);
    assert_paired(lines);
}

#[test]
fn the_log_tells_what_happened_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, recovery) = open(dir.path(), 2);
    assert_eq!(
        recovery,
        Recovery {
            epoch: 1,
            ..Recovery::default()
        }
    );
    journal.note(&Event::default()).unwrap();
    let first = journal
        .begin(
            0,
            &Opening {
                judged: Judgement {
                    policies: &["id-stays-home"],
                    ..opening("r1").judged
                },
                stream: true,
                ..opening("r1")
            },
        )
        .unwrap();
    let second = journal.begin(1, &opening("r2")).unwrap();
    assert_eq!((first.index(), second.index(), first.id()), (1, 2, "r1"));
    assert_eq!(journal.counters().open, 2);
    first.close(&Closing {
        attempts: &[Attempt {
            provider: "tongyi",
            model: "qwen-max",
            fault: "Throttled",
        }],
        tokens: Tokens {
            prompt: 7,
            completion: 9,
            ..Tokens::default()
        },
        ..completed()
    });
    thread::spawn(move || drop(second)).join().unwrap();
    journal
        .deny(
            1,
            &Denial {
                who: Asker {
                    id: "r3",
                    ..Asker::default()
                },
                status: 403,
                code: "policy_refused",
                ..Denial::default()
            },
        )
        .unwrap();
    journal.shutdown().unwrap();
    assert!(matches!(
        journal.begin(0, &opening("late")),
        Err(Error::Stopped)
    ));
    let lines = lines(dir.path());
    assert_gap_free(&lines);
    assert_eq!(
        kinds(&lines),
        ["event", "opened", "opened", "closed", "closed", "denied"]
    );
    assert_eq!(assert_paired(&lines), ["completed", "abandoned"]);
    assert_eq!(lines[1]["policies"][0], "id-stays-home");
    assert_eq!(
        (&lines[1]["at"], &lines[1]["stream"]),
        (&Value::from(1_000), &Value::from(true))
    );
    assert_eq!(lines[3]["attempts"][0]["fault"], "Throttled");
    assert_eq!(lines[3]["tokens"]["completion"], 9);
    assert_eq!(lines[5]["code"], "policy_refused");
    let counters = journal.counters();
    assert_eq!(
        (
            counters.records,
            counters.open,
            counters.errors,
            counters.refused
        ),
        (6, 0, 0, 1)
    );
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 1);
    let entry = journal.begin(0, &opening("r")).unwrap();
    let again = || Journal::open(config(dir.path(), 1), Arc::new(SystemClock::new()));
    assert!(matches!(again(), Err(Error::Locked)));
    drop(journal);
    // An open entry keeps the journal: its closing is still to come.
    assert!(matches!(again(), Err(Error::Locked)));
    drop(entry);
    let (_, recovery) = again().unwrap();
    assert_eq!(
        (recovery.epoch, recovery.next_index, recovery.crashed),
        (2, 2, 0)
    );
}

#[test]
fn eight_threads_share_one_sequence() {
    const THREADS: usize = 8;
    const EACH: usize = 5_000;
    let dir = tempfile::tempdir().unwrap();
    // Half as many shards as threads: locks are contended too.
    let (journal, _) = open(dir.path(), THREADS / 2);
    thread::scope(|scope| {
        for worker in 0..THREADS {
            let journal = &journal;
            scope.spawn(move || {
                for n in 0..EACH {
                    let id = format!("{worker}-{n}");
                    journal
                        .begin(worker, &opening(&id))
                        .unwrap()
                        .close(&completed());
                }
            });
        }
    });
    journal.shutdown().unwrap();
    let mut expected = 0;
    let mut openings = std::collections::HashMap::new();
    for item in read::records(dir.path()).unwrap() {
        let read::Item::Record(record) = item.unwrap() else {
            panic!("damage or gap");
        };
        assert_eq!(record.index, expected);
        expected += 1;
        let payload: Value = serde_json::from_slice(&record.payload).unwrap();
        if record.kind == Kind::Opened {
            openings.insert(record.index, payload["id"].clone());
        } else {
            assert_eq!(
                openings.remove(&payload["opening"].as_u64().unwrap()),
                Some(payload["id"].clone())
            );
        }
    }
    assert_eq!((expected as usize, openings.len()), (2 * THREADS * EACH, 0));
    let segments = std::fs::read_dir(dir.path()).unwrap().count();
    assert!(segments > 10, "rotation took place: {segments}");
}

#[test]
fn openings_stop_where_the_reserve_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 1);
    let mut entries: Vec<_> = (0..16)
        .map(|_| journal.begin(0, &opening("r")).unwrap())
        .collect();
    assert!(matches!(
        journal.begin(0, &opening("r")),
        Err(Error::TooManyOpen)
    ));
    assert_eq!(journal.state(), State::Ok);
    entries.pop();
    entries.push(journal.begin(0, &opening("r")).unwrap());
}

#[test]
fn strings_of_strangers_stay_in_their_record() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 1);
    let huge = "密\u{0}".repeat(2 << 20);
    let nasty = [
        "a\n{\"index\":9}",
        "\u{0}",
        "\u{1b}[2J\u{1b}]0;x\u{7}",
        "\u{202e}txt.exe\u{2066}",
        "\u{9b}31m",
        &huge,
        "\\\"",
        "",
    ];
    for text in nasty {
        let policies = [text; 3];
        let opened = Opening {
            judged: Judgement {
                policies: &policies,
                ..Judgement::default()
            },
            who: Asker {
                id: text,
                key: text,
                team: text,
                client: text,
                asked: text,
                ..Asker::default()
            },
            ..Opening::default()
        };
        let entry = journal.begin(0, &opened).unwrap();
        let attempts = [Attempt {
            provider: text,
            model: text,
            fault: text,
        }];
        entry.close(&Closing {
            finish: text,
            code: text,
            model: text,
            attempts: &attempts,
            ..completed()
        });
        journal
            .note(&Event {
                detail: text,
                actor: text,
                ..Event::default()
            })
            .unwrap();
    }
    journal.shutdown().unwrap();
    let lines = lines(dir.path());
    assert_gap_free(&lines);
    assert_paired(&lines);
    assert_eq!(lines.len(), 3 * nasty.len());
    for (text, opened) in nasty.iter().zip(lines.iter().step_by(3)) {
        if !text.is_empty() && text.len() < 100 {
            assert_eq!(
                (&opened["key"], &opened["id"]),
                (&Value::from(*text), &Value::from(*text))
            );
        }
    }
}

#[test]
fn a_config_that_breaks_a_promise_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = || config(dir.path(), 1);
    for bad in [
        Config {
            shards: 0,
            ..good()
        },
        Config {
            shards: SHARDS_MAX + 1,
            ..good()
        },
        Config {
            reserve_bytes: 1,
            ..good()
        },
        Config {
            sync_every: Duration::from_secs(2),
            ..good()
        },
    ] {
        let opened = Journal::open(bad, Arc::new(SystemClock::new()));
        assert!(matches!(opened, Err(Error::Config(_))));
    }
}
