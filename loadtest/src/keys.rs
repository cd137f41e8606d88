//! Many virtual keys: what they take in memory, and whether a reload of them lets streams wait.
//!
//! It must never know the gateway's code, only its config and its admin API. Invariants: streams are read while all is
//! reloaded, and one that breaks fails the run; memory is the whole process's, compared with the same process without the
//! keys.

use crate::client;
use crate::compare::config::Key;
use crate::compare::measure::{Percentiles, Plan};
use crate::compare::proc::Usage;
use crate::compare::process::{Running, Scratch, myself};
use crate::workload::Workload;
use anyhow::{Context as _, ensure};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const TOKEN: &str = "loadtest-admin-token";
/// What each key may do: four limits and a budget, as in the goal.
const LIMITS: &str = r#""limits":{"rpm":600,"rpd":100000,"tpm":1000000,"concurrent":20},"budget":{"tokens":100000000}"#;
/// The reload begins when streams have run for so long.
const SETTLED: Duration = Duration::from_secs(1);
/// Memory comes to rest within this.
const REST: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The gateway
    #[arg(long, default_value = "target/release/yumen")]
    yumen: PathBuf,
    /// Keys
    #[arg(long, default_value_t = 50_000)]
    count: usize,
    /// Streams that run meanwhile, an event each 20 ms
    #[arg(long, default_value_t = 50)]
    streams: usize,
    /// Seconds that streams are watched for
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Connections that make dynamic keys
    #[arg(long, default_value_t = 8)]
    makers: usize,
    /// Worker threads of the gateway
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

/// A gateway with its files.
struct Stage {
    running: Running,
    admin: SocketAddr,
    scratch: Scratch,
    key: Key,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let scratch = Scratch::new(&std::env::temp_dir())?;
    let mut mock = myself()?;
    mock.args(["mock", "--until-stdin-ends"]);
    let mock = Running::start(mock, &scratch)?;

    let none = Stage::start(options, mock.addr, 0)?;
    let without = none.rss_kib()?;
    println!("without keys: {without} KiB resident");
    none.watch("no reload", options, None)?;

    let begun = Instant::now();
    println!("\n{} keys by the admin API:", options.count);
    none.make(options.count, options.makers)?;
    let took = begun.elapsed().as_secs_f64();
    println!(
        "made in {took:.1} s, {:.0} a second, each on disk before it was answered",
        options.count as f64 / took
    );
    tell_memory(none.rss_kib()?, without, options.count);
    none.watch("reload", options, Some(&none))?;
    let again = none.restarted(options)?;
    println!("after a restart:");
    tell_memory(again.rss_kib()?, without, options.count);
    drop(again);

    println!("\n{} keys in the config:", options.count);
    let many = Stage::start(options, mock.addr, options.count)?;
    tell_memory(many.rss_kib()?, without, options.count);
    many.watch("reload", options, Some(&many))?;
    Ok(())
}

fn tell_memory(rss_kib: u64, without: u64, count: usize) {
    let more = rss_kib.saturating_sub(without);
    println!(
        "{rss_kib} KiB resident: {:.1} MB for them, {} bytes each",
        more as f64 * 1024.0 / 1e6,
        more * 1024 / count.max(1) as u64
    );
}

impl Stage {
    fn start(options: &Options, mock: SocketAddr, keys: usize) -> anyhow::Result<Self> {
        let scratch = Scratch::new(&std::env::temp_dir())?;
        let free = TcpListener::bind("127.0.0.1:0")?;
        let admin = free.local_addr()?;
        drop(free);
        let key = Key::made_by(&options.yumen);
        let text = config(mock, admin, scratch.path(), &key, (keys, options.workers))?;
        let file = scratch.path().join("yumen.yaml");
        std::fs::write(&file, text)?;
        Self::serving(options, (admin, scratch, key))
    }

    /// The same, started anew over its files: without what the making of keys left behind.
    fn restarted(self, options: &Options) -> anyhow::Result<Self> {
        let Self {
            running,
            admin,
            scratch,
            key,
        } = self;
        drop(running);
        Self::serving(options, (admin, scratch, key))
    }

    /// Serves what stands in the directory.
    fn serving(
        options: &Options,
        (admin, scratch, key): (SocketAddr, Scratch, Key),
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(&options.yumen);
        let file = scratch.path().join("yumen.yaml");
        command.arg("serve").arg("-c").arg(&file);
        let running = Running::start(command, &scratch)?;
        Ok(Self {
            running,
            admin,
            scratch,
            key,
        })
    }

    fn rss_kib(&self) -> anyhow::Result<u64> {
        std::thread::sleep(REST);
        Ok(Usage::of(self.running.pid())?.rss_kib)
    }

    /// Makes keys over some connections at once.
    fn make(&self, count: usize, makers: usize) -> anyhow::Result<()> {
        let admin = self.admin;
        let lanes = (0..makers).map(|lane| {
            std::thread::spawn(move || -> anyhow::Result<()> {
                let mut api = Api::to(admin)?;
                for n in (lane..count).step_by(makers) {
                    let body = format!(r#"{{"id":"k-{n}","team":"load",{LIMITS}}}"#);
                    let (status, told) = api.call("POST", "/api/keys", &body)?;
                    ensure!(status == 201, "{status}: {told}");
                }
                Ok(())
            })
        });
        let lanes: Vec<_> = lanes.collect();
        for lane in lanes {
            lane.join()
                .map_err(|_| anyhow::anyhow!("a maker panicked"))??;
        }
        Ok(())
    }

    /// Runs paced streams and tells their longest gap; `reload`: everything is reloaded meanwhile.
    fn watch(&self, what: &str, options: &Options, reload: Option<&Self>) -> anyhow::Result<()> {
        let plan = Plan {
            warm_up: Duration::from_secs(1),
            window: Duration::from_secs(options.seconds),
            load_threads: 1,
            usage: true,
            rate: None,
            idle_streams: None,
        };
        let mut load = plan.load(Workload::W3, self.running.addr, &self.key.secret);
        load.connections = options.streams;
        let mut reloading = None;
        let outcome = client::run(&load, &mut || {
            if let (Some(stage), None) = (reload, &reloading) {
                let (file, admin) = (stage.scratch.path().join("yumen.yaml"), stage.admin);
                reloading = Some(std::thread::spawn(move || reload_once(&file, admin)));
            }
            Ok(())
        })?;
        let gap = Percentiles::of(&outcome.times.gap);
        println!(
            "{what}: gaps of {} streams: p50 {:.1}, p99 {:.1}, p99.9 {:.1}, longest {:.1} ms ({} events)",
            options.streams,
            gap.p50 / 1000.0,
            gap.p99 / 1000.0,
            gap.p999 / 1000.0,
            gap.max / 1000.0,
            gap.count
        );
        if let Some(reloading) = reloading {
            let took = reloading
                .join()
                .map_err(|_| anyhow::anyhow!("the reload panicked"))??;
            println!("the reload took {:.0} ms", took.as_secs_f64() * 1000.0);
        }
        Ok(())
    }
}

fn reload_once(file: &Path, admin: SocketAddr) -> anyhow::Result<Duration> {
    std::thread::sleep(SETTLED);
    let mut text = std::fs::read_to_string(file)?;
    text.push_str("# changed\n");
    std::fs::write(file, text)?;
    let begun = Instant::now();
    let (status, told) = Api::to(admin)?.call("POST", "/api/reload", "")?;
    ensure!(status == 200, "{status}: {told}");
    Ok(begun.elapsed())
}

fn config(
    mock: SocketAddr,
    admin: SocketAddr,
    dir: &Path,
    key: &Key,
    (keys, workers): (usize, usize),
) -> anyhow::Result<String> {
    let dir = dir.to_str().context("the directory's name is not text")?;
    let hash = &key.hash;
    let mut text = format!(
        r#"listen: 127.0.0.1:0
admin: {{ listen: "{admin}", token: {TOKEN} }}
providers: {{ mock: {{ vendor: openai-compatible, base_url: "http://{mock}/v1", api_key: sk-mock, clearance: restricted }} }}
models: {{ w3: {{ targets: [ {{ provider: mock, model: w3 }} ] }} }}
teams: {{ load: {{ models: [w3] }} }}
audit: {{ dir: "{dir}/audit" }}
state: {{ dir: "{dir}/state" }}
runtime: {{ workers: {workers} }}
limits: {{ connections: 50000, connections_per_ip: 50000 }}
log: {{ level: warn }}
keys:
- {{ id: load, team: load, hash: "{hash}" }}
"#
    );
    for n in 0..keys {
        // Any digest is somebody's; nobody asks with these.
        writeln!(
            text,
            r#"- {{"id":"k-{n}","team":"load","hash":"sha256:{n:064x}",{LIMITS}}}"#
        )?;
    }
    Ok(text)
}

/// A connection to the admin API.
struct Api(BufReader<TcpStream>);

impl Api {
    fn to(admin: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(admin)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn call(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            ensure!(
                self.0.read_line(&mut line)? > 0,
                "the admin endpoint closed"
            );
            if status == 0 {
                let word = line.split(' ').nth(1).context("no status")?;
                status = word.parse()?;
            } else if let Some((name, value)) = line.split_once(':') {
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse()?;
                }
            } else {
                break;
            }
        }
        let mut told = vec![0; length];
        self.0.read_exact(&mut told)?;
        Ok((status, String::from_utf8(told)?))
    }
}
