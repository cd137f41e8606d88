//! `yumen audit show --unseal`: what was kept of one request, printed so that a terminal obeys none of it.
//!
//! Must never print a body before the log holds who read it and why.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use journal::clock::{Clock, SystemClock};
use journal::inert::{is_active, write_inert};
use journal::seal::{Direction, Kek};
use journal::{Event, What, inbox};

use crate::audit::payload::told;
use crate::audit::sealing;
use crate::audit::unseal::{Unsealing, is_reason};
use crate::cli::UNUSABLE;
use crate::config::load::load;
use crate::config::schema::Seal;

/// What is to be shown, and why.
pub(super) struct Wanted<'a> {
    pub(super) dir: &'a Path,
    pub(super) id: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
    pub(super) config: Option<&'a PathBuf>,
    pub(super) json: bool,
}

pub(super) fn run(
    wanted: &Wanted<'_>,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let Some(id) = wanted.id else {
        writeln!(talk, "yumen: --unseal needs --id: one request at a time")?;
        return Ok(ExitCode::from(UNUSABLE));
    };
    let Some(reason) = wanted.reason.filter(|reason| is_reason(reason)) else {
        writeln!(
            talk,
            "yumen: --unseal needs --reason, which is written into the log: why you read what somebody said"
        )?;
        return Ok(ExitCode::from(UNUSABLE));
    };
    let unsealing = Unsealing::new(wanted.dir, kek(wanted.dir, wanted.config)?);
    let Some(entry) = unsealing.entry(id).context("the log cannot be read")? else {
        writeln!(talk, "yumen: the log knows no request {}", inert(id))?;
        return Ok(ExitCode::FAILURE);
    };
    let actor = super::actor();
    let event = Event {
        what: What::Unseal,
        subject: entry.bodies.first().map_or("", |(_, body)| &body.subject),
        entry: Some(entry.index),
        detail: id,
        reason,
        ..super::event(&actor)
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    inbox::tell(wanted.dir, &event, &clock)
        .context("this reading could not be written into the log, so nothing is shown")?;
    if wanted.json {
        let text = told(&unsealing, &entry).to_string();
        write_inert(out, &text)?;
        writeln!(out)?;
    }
    let mut sound = true;
    for body in entry.bodies.iter().filter(|_| !wanted.json) {
        let (direction, reference) = body;
        let name = match direction {
            Direction::Request => "request",
            Direction::Reply => "reply",
        };
        match unsealing.open(&entry, body) {
            Ok(bytes) => {
                writeln!(out, "{name} ({}, {} bytes):", reference.kind, bytes.len())?;
                print(&bytes, out)?;
                if reference.truncated {
                    writeln!(out, "{name}: cut off, it had {} bytes", reference.whole)?;
                }
            }
            Err(why) => {
                sound = false;
                writeln!(out, "{name} ({}): {why}", reference.kind)?;
            }
        }
    }
    if entry.bodies.is_empty() && !wanted.json {
        writeln!(out, "nothing was kept of this request")?;
    }
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints a body: each of its lines behind two blanks, so that none passes for one of ours, and what a terminal might obey
/// as an escape.
fn print(bytes: &[u8], out: &mut impl Write) -> std::io::Result<()> {
    for line in bytes.split(|byte| *byte == b'\n') {
        out.write_all(b"  ")?;
        for chunk in line.utf8_chunks() {
            out.write_all(inert(chunk.valid()).as_bytes())?;
            for byte in chunk.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Text in which nothing moves a cursor or turns the direction of text.
fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_active(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// What unwraps the keys of a log: as its config says, or the log's own key.
pub(super) fn kek(dir: &Path, config: Option<&PathBuf>) -> anyhow::Result<Arc<dyn Kek>> {
    let seal = match config {
        None => Seal::default(),
        Some(path) => {
            let env = |name: &str| std::env::var(name).ok();
            load(path, &env)
                .map_err(|problems| {
                    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    anyhow::anyhow!("{}", all.join("\n"))
                })?
                .config
                .audit
                .seal
        }
    };
    sealing::kek(&seal, dir, false)
        .context("no key to unseal with: name the gateway's config with --config")
}
