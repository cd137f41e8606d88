//! How fast the journal is, and what it costs: `cargo run --release -p journal --example pace -- DIR [written|synced]`.
//!
//! Both records of a request, with what a usual request has in them, from as many threads as there are cores (`synced`:
//! many more, since they wait). Prints requests and entries a second, CPU time a request, and how long durability took.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measuring tool"
)]

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use journal::clock::SystemClock;
use journal::{
    Asker, Attempt, Closing, Config, Durability, Durable, Found, Journal, Judgement, Opening,
    Outcome, Tokens,
};

const SECONDS: u64 = 5;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dir = args.first().map_or("pace-audit", String::as_str);
    let synced = args.get(1).is_some_and(|mode| mode == "synced");
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let threads = if synced { 64 } else { cores };
    let config = Config {
        durability: if synced {
            Durability::Synced
        } else {
            Durability::Written
        },
        ..Config::new(Path::new(dir), cores)
    };
    let (journal, _) = Journal::open(config, Arc::new(SystemClock::new())).unwrap();
    let (began, cpu) = (Instant::now(), cpu_us());
    let mut waits: Vec<Duration> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|worker| {
                let journal = &journal;
                scope.spawn(move || requests(journal, worker, began))
            })
            .collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_us() - cpu);
    journal.shutdown().unwrap();
    let count = waits.len();
    waits.sort_unstable();
    println!(
        "{threads} threads, {:.0} requests/s = {:.0} entries/s, {:.2} us CPU a request, opening durable after p50 {:?} p99 {:?}",
        count as f64 / wall,
        2.0 * count as f64 / wall,
        cpu as f64 / count as f64,
        waits[count / 2],
        waits[count * 99 / 100],
    );
}

fn requests(journal: &Arc<Journal>, worker: usize, began: Instant) -> Vec<Duration> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let found = [Found {
        kind: "CN_MOBILE",
        count: 2,
    }];
    let mut waits = Vec::new();
    while began.elapsed() < Duration::from_secs(SECONDS) {
        let from = Instant::now();
        let entry = journal
            .begin(
                worker,
                &Opening {
                    judged: Judgement {
                        grade: "internal",
                        verdict: "redact",
                        policies: &["id-stays-home"],
                        findings: &found,
                        ..Judgement::default()
                    },
                    who: Asker {
                        id: "0199f2a4-6d1c-7c3e-8a55-0123456789ab",
                        key: "crm-bot",
                        team: "retail",
                        client: "10.20.30.40",
                        dialect: "openai-chat",
                        endpoint: "/v1/chat/completions",
                        asked: "assistant",
                        ..Asker::default()
                    },
                    provider: "tongyi",
                    model: "qwen-max",
                    stream: true,
                    redactions: 2,
                    request_bytes: 1_234,
                    targets: 3,
                    ..Opening::default()
                },
            )
            .unwrap();
        waited(entry.durable(), &waker);
        waits.push(from.elapsed());
        let closed = entry.close(&Closing {
            outcome: Outcome::Completed,
            status: 200,
            provider: "tongyi",
            model: "qwen-max",
            attempts: &[Attempt {
                provider: "tongyi",
                model: "qwen-max",
                fault: "",
            }],
            tokens: Tokens {
                prompt: 310,
                completion: 128,
                ..Tokens::default()
            },
            finish: "stop",
            bytes_down: 40_000,
            events: 130,
            first_content_ms: Some(210),
            total_ms: 2_300,
            ..Closing::default()
        });
        waited(closed, &waker);
    }
    waits
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn waited(durable: Durable, waker: &Waker) {
    if durable.is_now() {
        return;
    }
    let mut durable = pin!(durable);
    loop {
        match durable.as_mut().poll(&mut Context::from_waker(waker)) {
            Poll::Ready(answer) => return answer.unwrap(),
            Poll::Pending => thread::park(),
        }
    }
}

/// CPU time of this process, in ticks of 10 ms.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks * 10_000
}
