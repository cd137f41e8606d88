//! What is compared: the mock itself, the two bare proxies, builds and configs of the gateway.
//!
//! It must never measure. Invariant: every target is started with the same number of threads, in front of the same
//! mock.

use super::config::{self, Key};
use super::process::{Running, Scratch, myself};
use anyhow::{Context as _, anyhow, bail, ensure};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One thing to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    program: Program,
}

#[derive(Clone, Debug)]
enum Program {
    /// No proxy: the load goes to the mock.
    Direct,
    Bare {
        inline: bool,
    },
    Yumen {
        path: PathBuf,
        extra: Option<PathBuf>,
        args: Vec<String>,
        key: Key,
    },
}

/// Where to start targets, and before which mock.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) mock: SocketAddr,
    pub(crate) mock_pid: u32,
    pub(crate) threads: usize,
    pub(crate) scratch: &'a Path,
}

/// A started target. `running` is `None` for the mock itself.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) running: Option<Running>,
    pub(crate) addr: SocketAddr,
    pub(crate) key: String,
    _scratch: Scratch,
}

impl Target {
    pub(crate) fn direct() -> Self {
        Target {
            name: "direct".to_owned(),
            program: Program::Direct,
        }
    }

    pub(crate) fn bare() -> Self {
        Target {
            name: "bare".to_owned(),
            program: Program::Bare { inline: false },
        }
    }

    /// The gateway at `path`. `extra`: YAML that is added to its config; `args`: after `serve -c FILE`.
    pub(crate) fn yumen(
        name: &str,
        path: PathBuf,
        extra: Option<PathBuf>,
        args: Vec<String>,
    ) -> anyhow::Result<Self> {
        ensure!(path.is_file(), "no gateway at {}", path.display());
        let key = Key::made_by(&path);
        Ok(Target {
            name: name.to_owned(),
            program: Program::Yumen {
                path,
                extra,
                args,
                key,
            },
        })
    }

    /// `name=builtin:bare`, `name=builtin:inline`, `name=PATH[,EXTRA.yaml]`.
    pub(crate) fn parse(text: &str, args: &[String]) -> anyhow::Result<Self> {
        let (name, what) = text
            .split_once('=')
            .with_context(|| format!("variant {text:?} is not name=path"))?;
        ensure!(
            !name.is_empty() && !["bare", "direct"].contains(&name),
            "variant {text:?} needs a name of its own"
        );
        let program = match what {
            "builtin:bare" => Program::Bare { inline: false },
            "builtin:inline" => Program::Bare { inline: true },
            _ if what.starts_with("builtin:") => {
                bail!("no {what}: there are builtin:bare and builtin:inline")
            }
            _ => {
                let (path, extra) = match what.split_once(',') {
                    Some((path, extra)) => (path, Some(PathBuf::from(extra))),
                    None => (what, None),
                };
                return Target::yumen(name, PathBuf::from(path), extra, args.to_vec());
            }
        };
        Ok(Target {
            name: name.to_owned(),
            program,
        })
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn start(&self, stage: &Stage<'_>) -> anyhow::Result<Started> {
        let scratch = Scratch::inside(stage.scratch)?;
        let (command, key) = match &self.program {
            Program::Direct => {
                let key = Key::fixed().secret;
                return Ok(Started {
                    running: None,
                    addr: stage.mock,
                    key,
                    _scratch: scratch,
                });
            }
            Program::Bare { inline } => {
                let mut command = myself()?;
                command.args([
                    "bare",
                    "--until-stdin-ends",
                    "--threads",
                    &stage.threads.to_string(),
                ]);
                command
                    .arg("--upstream")
                    .arg(format!("http://{}", stage.mock));
                if *inline {
                    command.arg("--inline");
                }
                (command, Key::fixed())
            }
            Program::Yumen {
                path,
                extra,
                args,
                key,
            } => {
                let file = scratch.path().join("yumen.yaml");
                let text = config::text(
                    &stage.mock.to_string(),
                    scratch.path(),
                    key,
                    extra.as_deref(),
                )?;
                std::fs::write(&file, text)?;
                let mut command = Command::new(path);
                command.arg("serve").arg("-c").arg(file).args(args);
                command.env("TOKIO_WORKER_THREADS", stage.threads.to_string());
                (command, key.clone())
            }
        };
        let running = Running::start(command, &scratch).with_context(|| self.name.clone())?;
        Ok(Started {
            addr: running.addr,
            running: Some(running),
            key: key.secret,
            _scratch: scratch,
        })
    }
}

/// The mock, in front of which everything is measured.
pub(crate) fn start_mock(threads: usize, scratch: &Scratch) -> anyhow::Result<Running> {
    let mut command = myself()?;
    command.args([
        "mock",
        "--until-stdin-ends",
        "--threads",
        &threads.to_string(),
    ]);
    Running::start(command, scratch).context("mock")
}

/// Builds the gateway and this program in the `dist` profile, and goes on as the latter: the bare proxy is this program, and
/// one that the compiler took less care of would flatter the gateway (14 to 20 % more CPU in `release`).
pub(crate) fn start_in_dist() -> anyhow::Result<()> {
    eprintln!("building gateway and load test (--yumen PATH or YUMEN_BIN saves this)");
    let status = Command::new("cargo")
        .args([
            "build",
            "--profile",
            "dist",
            "-p",
            "gateway",
            "-p",
            "loadtest",
        ])
        .status()?;
    ensure!(status.success(), "they do not build");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let dist = target.join("dist");
    let error = Command::new(dist.join("loadtest"))
        .args(std::env::args_os().skip(1))
        .env("YUMEN_BIN", dist.join("yumen"))
        .exec();
    Err(anyhow!(error).context("cannot start what was built"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_read() {
        let inline = Target::parse("inline=builtin:inline", &[]).unwrap();
        assert_eq!(inline.name, "inline");
        assert!(matches!(inline.program, Program::Bare { inline: true }));
        for wrong in [
            "inline",
            "bare=builtin:bare",
            "=builtin:bare",
            "x=builtin:y",
            "x=/no/such/file",
        ] {
            assert!(Target::parse(wrong, &[]).is_err(), "{wrong}");
        }
    }
}
