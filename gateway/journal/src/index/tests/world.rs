//! A log with an index beside it, on which random acts are done, and how both are asked: index and log must agree.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::usage::Sums;
use super::super::*;
use crate::clock::ManualClock;
use crate::follow::Until;
use crate::row::Row;
use crate::tests::BeginsNow as _;
use crate::{
    Asker, Attempt, Closing, Config, Denial, Entry, Event, Found, Journal, Judgement, Opening,
    Outcome, What,
};

const PART_ROWS: usize = 16;
const WORDS: [&str; 8] = [
    "身份证",
    "号码",
    "Straße",
    "key",
    "ABC",
    "x",
    "\u{202e}evil\n",
    "合同编号",
];

/// Bodies made of a request's id.
pub(super) struct Made(HashMap<String, String>);

impl Bodies for Made {
    fn made_up(&self) -> bool {
        !self.0.is_empty()
    }

    fn each_text(&self, row: &Row, take: &mut dyn FnMut(&str) -> bool) -> bool {
        if let Some(text) = self.0.get(&row.id) {
            take(text);
        }
        true
    }
}

/// One step of a log's life.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Open {
        key: u8,
        model: u8,
        words: Vec<u8>,
    },
    /// Closes one of those that are open.
    Close {
        which: u8,
        status: u16,
        provider: u8,
    },
    Deny {
        key: u8,
        code: u8,
    },
    Note {
        words: Vec<u8>,
    },
    /// The clock goes on.
    Wait(u16),
    /// The process is killed and starts again.
    Crash,
    /// The index reads this many records.
    Feed(u8),
    /// The index is opened anew.
    Reopen,
}

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let words = || prop::collection::vec(0..8u8, 0..4);
    prop::collection::vec(
        prop_oneof![
            8 => (0..4u8, 0..3u8, words()).prop_map(|(key, model, words)| Act::Open { key, model, words }),
            8 => (any::<u8>(), 0..3u16, 0..3u8).prop_map(|(which, status, provider)| Act::Close { which, status: 200 + status, provider }),
            3 => (0..4u8, 0..2u8).prop_map(|(key, code)| Act::Deny { key, code }),
            2 => words().prop_map(|words| Act::Note { words }),
            2 => (0..2000u16).prop_map(Act::Wait),
            1 => Just(Act::Crash),
            3 => any::<u8>().prop_map(Act::Feed),
            1 => Just(Act::Reopen),
        ],
        1..220,
    )
}

fn said(words: &[u8]) -> String {
    let words: Vec<&str> = words.iter().map(|word| WORDS[usize::from(*word)]).collect();
    words.join(" ")
}

/// A log with an index beside it.
pub(super) struct World {
    dirs: Vec<TempDir>,
    clock: Arc<ManualClock>,
    pub(super) journal: Arc<Journal>,
    open: Vec<Entry>,
    pub(super) bodies: Arc<Made>,
    pub(super) index_dir: TempDir,
    feeder: Feeder,
    pub(super) index: Arc<Index>,
}

fn start(dir: &Path, clock: &Arc<ManualClock>) -> Arc<Journal> {
    let config = Config {
        segment_bytes: 4 << 10,
        reserve_bytes: 64 * crate::CLOSING_ROOM,
        ..Config::new(dir, 2)
    };
    Journal::open(config, Arc::clone(clock) as _).unwrap().0
}

impl World {
    pub(super) fn new(bodies: HashMap<String, String>) -> Self {
        let (dir, index_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let clock = Arc::new(ManualClock::at(1_000));
        let journal = start(dir.path(), &clock);
        let bodies = Arc::new(Made(bodies));
        let index = Index::open_small(dir.path(), index_dir.path(), PART_ROWS);
        Self {
            feeder: Feeder::new(Arc::clone(&index), Arc::clone(&bodies) as _),
            dirs: vec![dir],
            clock,
            journal,
            open: Vec::new(),
            bodies,
            index_dir,
            index,
        }
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.dirs.last().unwrap().path().to_owned()
    }

    pub(super) fn run(acts: &[Act]) -> Self {
        let texts = acts.iter().enumerate().filter_map(|(at, act)| match act {
            // Of every other log no bodies are kept: its rows are indexed without being made.
            Act::Open { words, .. } if acts.len().is_multiple_of(2) => {
                Some((format!("r{at}"), said(words)))
            }
            _ => None,
        });
        let mut world = Self::new(texts.collect());
        for (at, act) in acts.iter().enumerate() {
            world.act(at, act);
        }
        world.feed_all();
        world
    }

    fn act(&mut self, at: usize, act: &Act) {
        match act {
            Act::Open { key, model, .. } => self.open(at, *key, *model),
            Act::Close {
                which,
                status,
                provider,
            } => {
                if self.open.is_empty() {
                    return;
                }
                let entry = self.open.swap_remove(usize::from(*which) % self.open.len());
                let provider = format!("p{provider}");
                entry.close(&Closing {
                    outcome: Outcome::Completed,
                    status: *status,
                    provider: &provider,
                    attempts: &[Attempt {
                        provider: &provider,
                        ..Attempt::default()
                    }],
                    reply_findings: &[Found {
                        kind: "EMAIL",
                        count: 1,
                    }],
                    ..Closing::default()
                });
            }
            Act::Deny { key, code } => {
                let denial = Denial {
                    judged: Judgement {
                        verdict: "refuse",
                        ..Judgement::default()
                    },
                    who: Asker {
                        id: &format!("r{at}"),
                        key: &format!("k{key}"),
                        ..Asker::default()
                    },
                    code: ["policy_refused", "rate_limit_exceeded"][usize::from(*code)],
                    status: 403,
                    ..Denial::default()
                };
                self.journal.deny(at, &denial).unwrap();
            }
            Act::Note { words } => {
                let event = Event {
                    what: What::Search,
                    detail: &said(words),
                    ..Event::default()
                };
                self.journal.note(&event).unwrap();
            }
            Act::Wait(ms) => self.clock.advance_ms((*ms).into()),
            Act::Crash => self.crash(),
            Act::Feed(records) => {
                let until = Until::Frontier(self.journal.frontier());
                self.feeder.step(until, usize::from(*records)).unwrap();
            }
            Act::Reopen => self.reopen(),
        }
    }

    fn open(&mut self, at: usize, key: u8, model: u8) {
        let opening = Opening {
            judged: Judgement {
                verdict: ["allow", "redact"][usize::from(key % 2)],
                findings: &[Found {
                    kind: ["CN_ID_CARD", "EMAIL"][usize::from(model % 2)],
                    count: 2,
                }],
                policies: &["p"][..usize::from(key % 2)],
                ..Judgement::default()
            },
            who: Asker {
                id: &format!("r{at}"),
                key: &format!("k{key}"),
                asked: &format!("m{model}"),
                ..Asker::default()
            },
            provider: "p0",
            ..Opening::default()
        };
        if let Ok(entry) = self.journal.begin_now(at, &opening) {
            self.open.push(entry);
        }
    }

    /// What was written is all that the next start finds.
    fn crash(&mut self) {
        let (old, new) = (self.dir(), tempfile::tempdir().unwrap());
        for entry in fs::read_dir(&old).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, new.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        self.open.clear();
        self.journal = start(new.path(), &self.clock);
        self.dirs.push(new);
        self.reopen();
    }

    pub(super) fn reopen(&mut self) {
        self.index = Index::open_small(&self.dir(), self.index_dir.path(), PART_ROWS);
        self.feeder = Feeder::new(Arc::clone(&self.index), Arc::clone(&self.bodies) as _);
    }

    pub(super) fn feed_all(&mut self) {
        let until = Until::Frontier(self.journal.frontier());
        while self.feeder.step(until, 50).unwrap() {}
    }

    /// All rows of a query, newest first, as reading the log finds them.
    pub(super) fn read(&self, query: &Query) -> Vec<Row> {
        let mut rows = Vec::new();
        find::each(&self.dir(), query, &*self.bodies, |row| {
            rows.push(row.clone());
            Ok(true)
        })
        .unwrap();
        rows.reverse();
        rows
    }

    fn paged(&self, limit: usize, page: impl Fn(Option<Cursor>) -> Page) -> Vec<Row> {
        let (mut rows, mut cursor) = (Vec::new(), None);
        loop {
            let found = page(cursor);
            assert!(found.rows.len() <= limit);
            rows.extend(found.rows);
            cursor = found.next;
            if cursor.is_none() {
                return rows;
            }
        }
    }

    pub(super) fn indexed(&self, query: &Query, limit: usize) -> Vec<Row> {
        self.paged(limit, |cursor| {
            self.index
                .page(query, cursor, limit, &*self.bodies)
                .unwrap()
        })
    }

    pub(super) fn agrees(&self, query: &Query, limit: usize) {
        let want = self.read(query);
        assert_eq!(self.indexed(query, limit), want, "{query:?}");
        let beside = Index::read(&self.dir(), self.index_dir.path()).unwrap();
        for index in [None, beside.as_ref()] {
            let found = self.paged(limit, |cursor| {
                find::page(&self.dir(), index, query, cursor, limit, &*self.bodies).unwrap()
            });
            assert_eq!(found, want, "{query:?} {index:?}");
        }
        if query.texts().is_empty() {
            let bucket_ms = 700;
            let read = find::stats(&self.dir(), query, bucket_ms, &*self.bodies).unwrap();
            assert_eq!(
                self.index.stats(query, bucket_ms).unwrap().buckets,
                read.buckets
            );
        }
    }
}

/// Sums by key and outcome-less figures, in order.
fn summed(read: impl FnOnce(&mut usage::Take<'_>)) -> BTreeMap<String, Sums> {
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    read(&mut |slot, [key, _, _, model, provider, ..], more| {
        let group = format!("{slot} {key} {model} {provider}");
        sums.entry(group).or_default().add(more);
    });
    sums
}

impl World {
    pub(super) fn sums_agree(&self) {
        let all = (0, i64::MAX);
        let want = summed(|take| {
            for row in self.read(&Query::default()) {
                let provider = match row.provider.is_empty() {
                    true => &row.first_provider,
                    false => &row.provider,
                };
                let of = [&*row.key, "", "", &row.asked, provider, "", ""];
                if ["request", "denial"].contains(&&*row.kind) {
                    take(0, &of, &Sums::of(&row));
                }
            }
        });
        let indexed = summed(|take| {
            let complete_to = self.index.usage(all.0, all.1, take).unwrap();
            assert_eq!(complete_to, self.journal.frontier());
        });
        assert_eq!(indexed, want);
        let beside = Index::read(&self.dir(), self.index_dir.path()).unwrap();
        for index in [None, beside.as_ref()] {
            let mut open = 0;
            let read = summed(|take| {
                let read = usage::read(&self.dir(), index, all, Until::End, take).unwrap();
                open = read.open.len();
            });
            assert_eq!(read, want, "{index:?}");
            assert_eq!(open, self.open.len());
        }
        let none = summed(|take| {
            self.index.usage(usage::SLOT_MS, i64::MAX, take).unwrap();
        });
        assert_eq!(none, BTreeMap::new());
    }
}

pub(super) fn queries() -> impl Strategy<Value = Query> {
    let term = prop_oneof![
        (0..5u8).prop_map(|n| ("key", format!("k{n}"))),
        (0..4u8).prop_map(|n| ("model", format!("m{n}"))),
        (0..3u8).prop_map(|n| ("provider", format!("p{n}"))),
        (200..204u16).prop_map(|n| ("status", n.to_string())),
        prop_oneof![Just("allow"), Just("redact"), Just("refuse")]
            .prop_map(|v| ("verdict", v.to_owned())),
        prop_oneof![Just("EMAIL"), Just("CN_ID_CARD")].prop_map(|v| ("type", v.to_owned())),
        prop_oneof![Just("request"), Just("event"), Just("denial")]
            .prop_map(|v| ("kind", v.to_owned())),
        prop_oneof![Just("completed"), Just("crashed"), Just("abandoned")]
            .prop_map(|v| ("outcome", v.to_owned())),
        (0..200u8).prop_map(|n| ("id", format!("r{n}"))),
    ];
    let text = prop_oneof![
        prop::sample::select(
            &[
                "身",
                "身份",
                "份证",
                "号",
                "straße",
                "KEY",
                "bc",
                "l\n",
                "同编号",
                "证 号",
                "none",
                "y"
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    (
        prop::collection::vec(term, 0..3),
        prop::collection::vec(text, 0..2),
        prop::option::of(500..9_000i64),
        prop::option::of(500..9_000i64),
    )
        .prop_map(|(terms, texts, from_ms, to_ms)| {
            let mut query = Query::default();
            (query.from_ms, query.to_ms) = (from_ms, to_ms);
            for (filter, value) in terms {
                query.want(filter, &value).unwrap();
            }
            for text in texts {
                query.want_text(&text).unwrap();
            }
            query
        })
}
