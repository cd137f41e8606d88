//! `yumen audit …`: what is done with an audit log from outside, while a gateway writes it or not.
//!
//! One file for each command. Invariants: records are only read; what a log says is printed inertly;
//! exit codes are those of the command line: 0 ok, 1 the log does not hold, 2 wrong usage or an unusable directory.

mod export;
mod filters;
mod proof;
mod search;
mod show;
mod shred;
mod unseal;
mod verify;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use journal::clock::{Clock, SystemClock};
use journal::index::{Bodies, NoBodies};
use journal::seal::{KEYS, Opener};
use journal::{Event, What, inbox};

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Print the records of an audit log, oldest first
    Show(show::ShowArgs),
    /// Destroy the prompts and replies of a user or a key; the records stay, and stay proven
    Shred(shred::ShredArgs),
    /// Check every record, the tree over them, every signed root, and what is missing
    #[command(
        after_help = "Exit codes: 0 the log holds, 1 it does not (tampering, loss or damage: the output says which), 2 wrong usage or an unusable directory."
    )]
    Verify(verify::VerifyArgs),
    /// Prove that a checkpoint kept elsewhere is the beginning of the newest one
    #[command(after_help = "Exit codes: 0 it is, 1 the log was cut or forked, 2 wrong usage.")]
    Prove(proof::ProveArgs),
    /// Find entries, newest first
    Search(search::SearchArgs),
    /// Write entries as JSON lines, CSV or Parquet, oldest first
    Export(export::ExportArgs),
}

/// Runs a command: data to `out`, talk to `talk`.
pub(super) fn run(
    command: &AuditCommand,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Show(args) => show::run(args, out, talk),
        AuditCommand::Shred(args) => shred::run(args, out, talk),
        AuditCommand::Verify(args) => verify::run(args, out, talk),
        AuditCommand::Prove(args) => proof::prove(args, out, talk),
        AuditCommand::Search(args) => search::run(args, out, talk),
        AuditCommand::Export(args) => export::run(args, out, talk),
    }
}

/// Who sits at the terminal, as far as it is known.
fn actor() -> String {
    std::env::var("USER").unwrap_or_default()
}

/// An event of this command line.
fn event(actor: &str) -> Event<'_> {
    Event {
        actor,
        origin: "cli",
        ..Event::default()
    }
}

/// Writes down what somebody is about to read, or it is not shown.
fn tell(dir: &Path, what: What, detail: &str) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let actor = actor();
    let event = Event {
        what,
        detail,
        ..event(&actor)
    };
    inbox::tell(dir, &event, &clock)
        .context("that you read it could not be written into the log, so nothing is shown")
}

/// What opens redacted payloads, if they are `wanted` and the log has any.
fn bodies(dir: &Path, config: Option<&PathBuf>, wanted: bool) -> anyhow::Result<Arc<dyn Bodies>> {
    if !wanted || !dir.join(KEYS).is_dir() {
        return Ok(Arc::new(NoBodies));
    }
    Ok(Arc::new(Opener::new(dir, unseal::kek(dir, config)?)))
}
