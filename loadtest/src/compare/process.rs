//! Starting and ending the processes of a comparison, and learning where they listen.
//!
//! It must never know what is measured. Invariants: a started process is ended when its `Running` goes, by force if it
//! does not go by itself; its output is read to the end, so that it never blocks on a full pipe; it is ready only when its
//! ready line was read.

use anyhow::{Context as _, anyhow, bail};
use rustix::process::{Pid, Signal};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A process must be ready within this.
const READY: Duration = Duration::from_secs(30);
/// A process that was asked to end is killed after this.
const ENDS: Duration = Duration::from_secs(5);
/// Open files asked for. W6 needs 5,000 in this process and 10,000 in a proxy.
const FILES: u64 = 65_535;
/// Open files below which W6 cannot work.
const FILES_LEAST: u64 = 16_384;
/// Set in the process that was started again with a higher limit.
const RAISED: &str = "LOADTEST_FILES_RAISED";
/// Lines of a process's errors that are told when it fails.
const TAIL: usize = 8;

/// A directory that is removed at the end.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    /// It lies in another, with which it goes; until then it is only emptied.
    inner: bool,
}

impl Scratch {
    pub(crate) fn new(parent: &Path) -> anyhow::Result<Self> {
        Self::make(parent, false)
    }

    /// One in another. Its files are cut to nothing at its end, and stay: ext4 without a journal passes over the places
    /// of files that were removed lately, one by one, so whoever is measured next would pay for each.
    pub(crate) fn inside(outer: &Path) -> anyhow::Result<Self> {
        Self::make(outer, true)
    }

    fn make(parent: &Path, inner: bool) -> anyhow::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("yumen-loadtest-{}-{next}", std::process::id()));
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Scratch { path, inner })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = if self.inner {
            empty(&self.path)
        } else {
            std::fs::remove_dir_all(&self.path)
        };
    }
}

/// Cuts all files below `dir` to nothing.
fn empty(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            empty(&entry.path())?;
        } else {
            File::create(entry.path())?;
        }
    }
    Ok(())
}

/// A process that listens.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) addr: SocketAddr,
    stderr: PathBuf,
}

impl Running {
    /// Starts it and waits for its line `ready listen=http://HOST:PORT …`.
    pub(crate) fn start(mut command: Command, scratch: &Scratch) -> anyhow::Result<Self> {
        let stderr = scratch.path().join("stderr");
        // The pipe on stdin closes when this process ends, however it ends: our own servers end with it.
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr)?);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let stdout = child.stdout.take().context("no stdout")?;
        let (send, receive) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(addr) = ready_line(&line) {
                    let _heard = send.try_send(addr);
                }
            }
        });
        let unspecified = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut running = Running {
            child,
            addr: unspecified,
            stderr,
        };
        match receive.recv_timeout(READY) {
            Ok(addr) => running.addr = addr,
            Err(_) => bail!(
                "{:?} is not ready: {}",
                command.get_program(),
                running.errors()
            ),
        }
        Ok(running)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The end of what it wrote to stderr.
    pub(crate) fn errors(&self) -> String {
        let text = std::fs::read_to_string(&self.stderr).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join(" / ")
    }
}

impl Drop for Running {
    /// Asked first: what is built to write down how it ran does so at its end.
    fn drop(&mut self) {
        let asked = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM);
        let until = Instant::now() + ENDS;
        while asked.is_ok() && matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn ready_line(line: &str) -> Option<SocketAddr> {
    let url = line
        .strip_prefix("ready ")?
        .split(' ')
        .find_map(|field| field.strip_prefix("listen="))?;
    url.strip_prefix("http://")?
        .trim_end_matches('/')
        .parse()
        .ok()
}

/// This program, to be started as one of its servers.
pub(crate) fn myself() -> anyhow::Result<Command> {
    Ok(Command::new(
        std::env::current_exe().context("where is this program?")?,
    ))
}

/// Starts this program again under a higher limit of open files, if it has too few. A process cannot raise its own
/// limit without `unsafe`; a shell can before it becomes the process.
pub(crate) fn raise_open_files() -> anyhow::Result<()> {
    let limits = std::fs::read_to_string("/proc/self/limits").context("no limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line
        .and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(u64::MAX);
    if soft >= FILES_LEAST {
        return Ok(());
    }
    if std::env::var_os(RAISED).is_some() {
        bail!(
            "{soft} open files are too few and cannot be raised: `ulimit -n` must allow {FILES_LEAST}"
        );
    }
    let script =
        format!("ulimit -n {FILES} 2>/dev/null || ulimit -n $(ulimit -H -n); exec \"$0\" \"$@\"");
    let error = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(RAISED, "1")
        .exec();
    Err(anyhow!(error).context("cannot start again with more open files"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_inside_is_emptied_and_goes_with_the_outer_one() {
        let outer = Scratch::new(&std::env::temp_dir()).unwrap();
        let inner = Scratch::inside(outer.path()).unwrap();
        let file = inner.path().join("deep").join("file");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "text").unwrap();
        drop(inner);
        assert_eq!(file.metadata().unwrap().len(), 0);
        drop(outer);
        assert!(!file.exists());
    }

    #[test]
    fn the_ready_line_is_read() {
        let addr =
            ready_line("ready listen=http://127.0.0.1:41234 admin=http://127.0.0.1:5").unwrap();
        assert_eq!(addr.port(), 41234);
        assert_eq!(ready_line("listen=http://127.0.0.1:1"), None);
        assert_eq!(ready_line("ready listen=nowhere"), None);
    }
}
