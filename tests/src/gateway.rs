//! The real executable: started with a config, watched, signalled, killed when dropped.
//!
//! Invariant: no process outlives its `Gateway`, and nothing is waited for without a bound.

use crate::config::Config;
use crate::http::{Ask, Reply};
use crate::journal::Journal;
use serde_json::Value;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest time a gateway may take to say that it is ready, on a machine that does other things too.
const START_MAX: Duration = Duration::from_secs(20);

/// Where the executable under test is: `YUMEN_BIN`, else beside this test's own executable.
pub fn executable() -> PathBuf {
    let path = match std::env::var_os("YUMEN_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            // target/<profile>/deps/blackbox-…
            let own = std::env::current_exe().unwrap();
            own.parent().and_then(Path::parent).unwrap().join("yumen")
        }
    };
    assert!(
        path.exists(),
        "{} is missing: build it (cargo build -p gateway) or name one in YUMEN_BIN",
        path.display()
    );
    path
}

/// What a process printed so far.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn of(mut source: impl Read + Send + 'static) -> Self {
        let captured = Self::default();
        let to = captured.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(read) = source.read(&mut chunk) {
                if read == 0 {
                    break;
                }
                to.0.lock().unwrap().extend_from_slice(&chunk[..read]);
            }
        });
        captured
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// How to start one.
pub struct Launch {
    text: String,
    dir: Option<Arc<TempDir>>,
    envs: Vec<(String, String)>,
    file_blocks: Option<u64>,
    command: &'static str,
}

impl Launch {
    /// With this config file.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            dir: None,
            envs: Vec::new(),
            file_blocks: None,
            command: "serve",
        }
    }

    /// In a directory that exists, where an earlier one ran.
    pub fn dir(mut self, dir: Arc<TempDir>) -> Self {
        self.dir = Some(dir);
        self
    }

    /// With an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.envs.push((name.into(), value.into()));
        self
    }

    /// No file may grow beyond so many blocks of 512 bytes: a disk that is full, as far as a test can make one.
    pub fn file_blocks(mut self, blocks: u64) -> Self {
        self.file_blocks = Some(blocks);
        self
    }

    /// Another command than `serve`.
    pub fn command(mut self, command: &'static str) -> Self {
        self.command = command;
        self
    }

    fn spawn(self) -> Gateway {
        let dir = self
            .dir
            .unwrap_or_else(|| Arc::new(TempDir::new().unwrap()));
        let file = dir.path().join("yumen.yaml");
        std::fs::write(&file, &self.text).unwrap();
        let mut command = match self.file_blocks {
            None => Command::new(executable()),
            Some(blocks) => {
                let mut shell = Command::new("sh");
                shell
                    .arg("-c")
                    .arg(format!(
                        "trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\" \"$@\""
                    ))
                    .arg(executable());
                shell
            }
        };
        command
            .arg(self.command)
            .arg("-c")
            .arg(&file)
            .current_dir(dir.path());
        command
            .envs(self.envs)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the executable starts");
        let stdout = Captured::of(child.stdout.take().unwrap());
        let stderr = Captured::of(child.stderr.take().unwrap());
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Gateway {
            child: Mutex::new(child),
            file,
            stdout,
            stderr,
            listen: nowhere,
            admin: nowhere,
            dir,
        }
    }

    /// Starts it and waits for its ready line.
    pub async fn start(self) -> Gateway {
        let mut gateway = self.spawn();
        let start = Instant::now();
        loop {
            let printed = gateway.stdout.text();
            if let Some(line) = printed.lines().find(|line| line.starts_with("ready ")) {
                let part = |name: &str| {
                    let part = line.split(' ').find_map(|part| part.strip_prefix(name));
                    let address = part
                        .and_then(|url| url.split("://").nth(1))
                        .and_then(|address| address.parse().ok());
                    address.unwrap_or_else(|| panic!("no {name} in the ready line: {line}"))
                };
                gateway.listen = part("listen=");
                gateway.admin = part("admin=");
                return gateway;
            }
            if let Some(status) = gateway.ended() {
                panic!(
                    "the gateway ended at once ({status}):\n{}{printed}",
                    gateway.log()
                );
            }
            assert!(
                start.elapsed() < START_MAX,
                "no ready line:\n{}",
                gateway.log()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts it and waits for its end: exit code, stdout, stderr.
    pub async fn ends(self) -> (Option<i32>, String, String) {
        let gateway = self.spawn();
        let status = gateway.exited().await;
        // The readers see the end of the pipes shortly after.
        tokio::time::sleep(Duration::from_millis(50)).await;
        (status.code(), gateway.stdout.text(), gateway.log())
    }
}

/// A gateway that runs.
pub struct Gateway {
    child: Mutex<Child>,
    file: PathBuf,
    stdout: Captured,
    stderr: Captured,
    /// Its data endpoint.
    pub listen: SocketAddr,
    /// Its admin endpoint.
    pub admin: SocketAddr,
    /// Where it runs; its config and its journal are there.
    pub dir: Arc<TempDir>,
}

impl Gateway {
    /// Starts one with this config.
    pub async fn start(config: &Config) -> Self {
        Launch::new(config.text()).start().await
    }

    /// A chat request to `model` with the usual key, one user message, not streamed.
    pub fn chat(&self, model: &str, text: &str) -> Ask {
        let body =
            serde_json::json!({"model": model, "messages": [{"role": "user", "content": text}]});
        Ask::post(self.listen, "/v1/chat/completions")
            .key(crate::KEY)
            .json(&body)
    }

    /// The same, streamed, with usage asked for.
    pub fn stream(&self, model: &str, text: &str) -> Ask {
        let mut ask = self.chat(model, text);
        ask.edit(|body| {
            body["stream"] = true.into();
            body["stream_options"] = serde_json::json!({"include_usage": true});
        });
        ask
    }

    /// `GET` from the admin endpoint.
    pub async fn admin(&self, path: &str) -> Reply {
        Ask::get(self.admin, path).send().await
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.stderr.text()
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        self.stdout.text()
    }

    /// Reads its journal.
    pub fn journal(&self) -> Journal {
        Journal::read(&self.dir.path().join("audit"))
    }

    /// The closing (or denial) of the request that a reply belongs to; waits for it.
    pub async fn record(&self, reply: &Reply) -> Value {
        let id = reply
            .header("x-request-id")
            .expect("every answer has x-request-id")
            .to_owned();
        let mut found = None;
        crate::until(&format!("a record of {id}"), || {
            found = self.journal().ending(&id);
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// Writes another config in place of its own. No signal is sent.
    pub fn rewrite(&self, text: &str) {
        // Renamed into place, as careful editors do; never half a file.
        let fresh = self.file.with_extension("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(&fresh, &self.file).unwrap();
    }

    /// Sends a signal (`HUP`, `TERM`, `INT`, `KILL`).
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.id().to_string())
            .status()
            .unwrap();
        assert!(done.success(), "kill -{name}");
    }

    /// Writes another config, sends HUP, and waits until the log says that it was used (or refused).
    pub async fn reload(&self, text: &str, told: &str) {
        let before = self.log().matches(told).count();
        self.rewrite(text);
        self.signal("HUP");
        crate::until(&format!("'{told}' in the log"), || {
            self.log().matches(told).count() > before
        })
        .await;
    }

    /// Waits for its end.
    pub async fn exited(&self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                start.elapsed() < START_MAX,
                "it does not end:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().unwrap()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// Whether it still runs.
    pub fn runs(&self) -> bool {
        self.ended().is_none()
    }

    /// CPU time it has used, in ms (to the clock tick of 10 ms).
    pub fn cpu_ms(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // Behind the name, which may hold anything: fields 14 and 15 are user and system time.
        let rest = stat.rsplit_once(") ").unwrap().1;
        let ticks = rest.split(' ').skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum()
    }

    /// Resident memory, in KiB.
    pub fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Its log must not tell of a panic or of a bug.
    pub fn assert_sound(&self) {
        let log = self.log();
        assert!(self.runs(), "the gateway died:\n{log}");
        for word in [
            "panicked",
            "RUST_BACKTRACE",
            "kind=\"bug\"",
            "\"kind\":\"bug\"",
        ] {
            assert!(
                !log.contains(word),
                "'{word}' in the log:\n{}",
                around(&log, word)
            );
        }
    }
}

fn around(text: &str, word: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.contains(word))
        .unwrap_or(0);
    lines[at.saturating_sub(2)..(at + 3).min(lines.len())].join("\n")
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let mut child = self
            .child
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
        drop(child);
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!(
                "--- end of the gateway's log ---\n{}",
                lines[lines.len().saturating_sub(25)..].join("\n")
            );
        }
    }
}
