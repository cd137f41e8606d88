//! `loadtest log`: a synthetic audit log of any size, written through the real journal, and what indexing and searching it cost.
//!
//! CPU time is the thread's own (`/proc/thread-self/schedstat`), so a busy machine changes it little. Must never be given
//! a log that matters: what it writes goes to a directory that it makes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use journal::clock::ManualClock;
use journal::follow::{Follower, Until};
use journal::index::{Bodies, Feeder, Index, NoBodies, Query, find};
use journal::row::Row;
use journal::tree::{Grower, KeySource, Step, open_key};
use journal::{
    Asker, Attempt, Closing, Config, Denial, Found, Journal, Judgement, Opening, Outcome, Tokens,
};

/// Requests that are open at once, so that closings come out of order.
const OPEN: usize = 64;
/// Records that the index reads at once.
const STEP: usize = 4096;

#[derive(Args)]
pub(crate) struct Options {
    /// The log's directory
    #[arg(long)]
    dir: PathBuf,
    /// Requests to write; none if 0
    #[arg(long, default_value_t = 0)]
    requests: u64,
    /// Build the index
    #[arg(long)]
    index: bool,
    /// Grow the Merkle tree and sign it every so many records, as the gateway does under load
    #[arg(long)]
    tree: Option<u64>,
    /// With texts of about this many characters a request, made up as they are read
    #[arg(long, default_value_t = 0)]
    text: usize,
    /// Search: the first page of many combinations of filters
    #[arg(long)]
    search: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if options.requests > 0 {
        ensure!(!options.dir.exists(), "the directory exists already");
        write(&options.dir, options.requests)?;
    }
    if let Some(every) = options.tree {
        grow(&options.dir, every)?;
    }
    let bodies: Arc<dyn Bodies> = if options.text > 0 {
        Arc::new(Text(options.text))
    } else {
        Arc::new(NoBodies)
    };
    let index = Index::open(&options.dir, &options.dir.join(journal::index::DIR))?;
    if options.index {
        build(&index, &bodies)?;
    }
    if options.search {
        search(&options.dir, &index, &*bodies)?;
    }
    Ok(())
}

fn write(dir: &Path, requests: u64) -> anyhow::Result<()> {
    let clock = Arc::new(ManualClock::at(1_760_000_000_000));
    let (journal, _) = Journal::open(Config::new(dir, 2), Arc::clone(&clock) as _)?;
    let (from, mut open) = (Instant::now(), Vec::new());
    for n in 0..requests {
        // About a thousand requests a second.
        clock.advance_ms(1);
        let one = Made::of(n);
        if n % 50 == 7 {
            journal.deny(0, &one.denial())?;
            continue;
        }
        open.push((journal.begin(n as usize, &one.opening())?, n));
        if open.len() > OPEN {
            let (entry, n) = open.swap_remove((n.wrapping_mul(31) % OPEN as u64) as usize);
            Made::of(n).close(entry);
        }
    }
    for (entry, n) in open {
        Made::of(n).close(entry);
    }
    journal.shutdown()?;
    let seconds = from.elapsed().as_secs_f64();
    println!("written: {requests} requests in {seconds:.1} s");
    Ok(())
}

/// A request made of its number.
struct Made {
    n: u64,
    id: String,
    key: String,
    team: String,
    client: String,
    model: usize,
}

const ASKED: [&str; 6] = ["assistant", "coder", "small", "embed", "vision", "legal"];
const PROVIDERS: [&str; 5] = ["tongyi", "wenxin", "glm", "local", "deepseek"];
const TYPES: [&str; 6] = [
    "CN_ID_CARD",
    "CN_MOBILE",
    "EMAIL",
    "BANK_CARD",
    "PERSON",
    "SECRET_KEY",
];

impl Made {
    fn of(n: u64) -> Self {
        // Spread, the same each time, and skewed as names are.
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let skew = |most: u64| (mixed % most).min((mixed >> 13) % most);
        Self {
            n: mixed,
            id: format!("{n:016x}-{mixed:011x}"),
            key: format!("key-{}", skew(300)),
            team: format!("team-{}", skew(300) % 25),
            client: format!("10.1.{}.{}", skew(200), skew(100)),
            model: skew(6) as usize,
        }
    }

    fn found(&self) -> Vec<Found<'static>> {
        let kind = TYPES[(self.n >> 7) as usize % TYPES.len()];
        let found = Found {
            kind,
            count: 1 + (self.n % 3) as u32,
        };
        if self.n.is_multiple_of(5) {
            vec![found]
        } else {
            Vec::new()
        }
    }

    fn opening(&self) -> journal::Opening<'_> {
        Opening {
            judged: Judgement {
                grade: "internal",
                verdict: if self.n.is_multiple_of(5) {
                    "redact"
                } else {
                    "allow"
                },
                ..Judgement::default()
            },
            who: Asker {
                id: &self.id,
                key: &self.key,
                team: &self.team,
                client: &self.client,
                dialect: "openai-chat",
                endpoint: "/v1/chat/completions",
                asked: ASKED[self.model],
                ..Asker::default()
            },
            provider: PROVIDERS[self.n as usize % 5],
            model: "qwen-max",
            stream: self.n.is_multiple_of(2),
            request_bytes: 900 + self.n % 4000,
            targets: 2,
            ..Opening::default()
        }
    }

    fn close(&self, entry: journal::Entry) {
        let provider = PROVIDERS[self.n as usize % 5];
        let good = !self.n.is_multiple_of(97);
        entry.close(&Closing {
            outcome: if good {
                Outcome::Completed
            } else {
                Outcome::UpstreamError
            },
            status: if good { 200 } else { 502 },
            provider,
            model: "qwen-max",
            attempts: &[Attempt {
                provider,
                model: "qwen-max",
                fault: "",
            }],
            tokens: Tokens {
                prompt: 300 + self.n % 900,
                completion: self.n % 700,
                ..Tokens::default()
            },
            finish: "stop",
            bytes_down: 5000,
            events: 200,
            total_ms: 900 + self.n % 3000,
            reply_findings: &self.found(),
            code: if good { "" } else { "upstream_error" },
            ..Closing::default()
        });
    }

    fn denial(&self) -> Denial<'_> {
        Denial {
            judged: Judgement {
                verdict: "refuse",
                policies: &["no-secrets"],
                ..Judgement::default()
            },
            who: Asker {
                id: &self.id,
                key: &self.key,
                team: &self.team,
                asked: ASKED[self.model],
                ..Asker::default()
            },
            status: 403,
            code: "policy_refused",
            ..Denial::default()
        }
    }
}

/// Texts of so many characters, made of a request's id: half Chinese, half English.
struct Text(usize);

impl Bodies for Text {
    fn made_up(&self) -> bool {
        true
    }

    fn each_text(&self, row: &Row, take: &mut dyn FnMut(&str) -> bool) -> bool {
        if row.id.is_empty() {
            return true;
        }
        let mut state = row
            .id
            .bytes()
            .fold(7_u64, |hash, byte| hash.wrapping_mul(31) ^ u64::from(byte));
        let mut text = String::new();
        for _ in 0..self.0 / 6 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // Common characters are common.
            let pick = |shift: u32, most: u64| {
                ((state >> shift) % most).min((state >> (shift + 11)) % most) as u32
            };
            text.extend(
                [
                    0x4e00 + pick(20, 3000),
                    0x4e00 + pick(29, 3000),
                    0x4e00 + pick(25, 3000),
                ]
                .map(|c| char::from_u32(c).unwrap()),
            );
            text.extend([pick(30, 26), pick(33, 26)].map(|letter| char::from(b'a' + letter as u8)));
            text.push(' ');
        }
        take(&text);
        true
    }
}

fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text
        .split_whitespace()
        .next()
        .and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}

/// What every reader of the log pays for reading it, and what the tree costs beside.
fn grow(dir: &Path, every: u64) -> anyhow::Result<()> {
    let cpu_from = cpu();
    let mut follower = Follower::open(dir, 0)?;
    while follower.next(Until::End)?.is_some() {}
    let (read, records) = (cpu() - cpu_from, follower.next_index());
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / records.max(1) as f64;
    let (signer, _) = open_key(dir, &KeySource::default())?;
    let (mut grower, _) = Grower::open(dir, signer)?;
    let (from, cpu_from, mut signed) = (Instant::now(), cpu(), 0);
    loop {
        let step = grower.grow(records, 4096)?;
        let last = step == Step::Done;
        if last || grower.size() - signed >= every {
            grower.sign()?;
            signed = grower.size();
        }
        if last {
            break;
        }
    }
    println!(
        "tree: {records} records in {:.1} s, {:.2} µs of CPU a record; reading them alone {:.2}",
        from.elapsed().as_secs_f64(),
        each(cpu() - cpu_from),
        each(read)
    );
    Ok(())
}

fn build(index: &Arc<Index>, bodies: &Arc<dyn Bodies>) -> anyhow::Result<()> {
    let mut feeder = Feeder::new(Arc::clone(index), Arc::clone(bodies));
    let (from, cpu_from, known) = (Instant::now(), cpu(), index.complete_to());
    while feeder.step(Until::End, STEP)? {}
    let (wall, cpu) = (from.elapsed(), cpu() - cpu_from);
    let records = index.complete_to() - known;
    println!(
        "indexed: {records} records in {:.1} s, {:.2} µs of CPU a record",
        wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / records.max(1) as f64
    );
    Ok(())
}

/// Combinations of filters, from the most common to what there is not.
fn queries() -> anyhow::Result<Vec<(String, Query)>> {
    let plain: [&[(&str, &str)]; 14] = [
        &[],
        &[("key", "key-0")],
        &[("verdict", "redact")],
        &[("kind", "denial"), ("team", "team-3")],
        &[("key", "key-299")],
        &[
            ("verdict", "allow"),
            ("model", "assistant"),
            ("provider", "tongyi"),
            ("outcome", "completed"),
            ("status", "200"),
        ],
        &[("type", "SECRET_KEY"), ("key", "key-150")],
        &[("status", "502"), ("model", "legal"), ("provider", "local")],
        &[
            ("status", "403"),
            ("model", "vision"),
            ("key", "key-250"),
            ("policy", "no-secrets"),
        ],
        &[
            ("verdict", "redact"),
            ("code", "upstream_error"),
            ("key", "key-290"),
        ],
        &[("verdict", "allow"), ("status", "403")],
        &[("kind", "event"), ("outcome", "completed")],
        &[("id", "there-is-no-such-id")],
        &[("user", "nobody")],
    ];
    let mut queries = Vec::new();
    for terms in plain {
        let mut query = Query::default();
        for (filter, value) in terms {
            query.want(filter, value).map_err(anyhow::Error::msg)?;
        }
        let name: Vec<String> = terms
            .iter()
            .map(|(filter, value)| format!("{filter}={value}"))
            .collect();
        queries.push((name.join(" "), query));
    }
    let mut timed = Query::default();
    timed.from_ms = Some(1_760_000_000_000 + 1_000_000);
    timed.to_ms = Some(1_760_000_000_000 + 1_200_000);
    timed.want("key", "key-7").map_err(anyhow::Error::msg)?;
    queries.push(("key=key-7, 200 s long ago".to_owned(), timed));
    Ok(queries)
}

fn search(dir: &Path, index: &Arc<Index>, bodies: &dyn Bodies) -> anyhow::Result<()> {
    const LIMIT: usize = 50;
    let mut worst = Duration::ZERO;
    for (name, query) in queries()? {
        let mut found = 0;
        let mut least = Duration::MAX;
        for _ in 0..3 {
            let from = Instant::now();
            found = index.page(&query, None, LIMIT, bodies)?.rows.len();
            let took = from.elapsed();
            least = least.min(took);
            worst = worst.max(took);
        }
        println!(
            "{:8.2} ms  {found:3} rows  {name}",
            least.as_secs_f64() * 1e3
        );
    }
    let from = Instant::now();
    let stats = index.stats(&Query::default(), 3_600_000)?;
    println!(
        "{:8.2} ms  {} hours of statistics",
        from.elapsed().as_secs_f64() * 1e3,
        stats.buckets.len()
    );
    let from = Instant::now();
    let beside = Index::read(dir, &dir.join(journal::index::DIR))?.context("no index")?;
    let page = find::page(dir, Some(&beside), &Query::default(), None, LIMIT, bodies)?;
    println!(
        "{:8.2} ms  {} rows, from a process of its own",
        from.elapsed().as_secs_f64() * 1e3,
        page.rows.len()
    );
    println!("worst of all: {:.2} ms", worst.as_secs_f64() * 1e3);
    Ok(())
}
