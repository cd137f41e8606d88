//! `yumen audit shred`: a person's prompts and replies are destroyed, by destroying the keys that they are sealed under.
//!
//! The records stay, and so does everything proven about them. Must never destroy before the log holds who ordered it and
//! why; must never need the keys that it destroys.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use journal::clock::{Clock, SystemClock};
use journal::inert::write_inert;
use journal::read::{Item, records};
use journal::seal::{Digest, Prints, Who, hex, shred};
use journal::{Event, What, inbox};
use memchr::memmem::Finder;
use serde_json::{Value, json};

use crate::audit::unseal::is_reason;
use crate::cli::UNUSABLE;

#[derive(Debug, Args)]
pub(in crate::cli) struct ShredArgs {
    /// The audit log's directory
    dir: PathBuf,
    /// Id of the user or the key whose prompts and replies are to be destroyed
    #[arg(long, value_name = "ID")]
    subject: String,
    /// Why; written into the log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Print the receipt as JSON
    #[arg(long)]
    json: bool,
    /// Do it; without this, only say what would be done
    #[arg(long)]
    yes: bool,
}

/// One subject of the id: as a user, or as a key.
struct Part {
    kind: &'static str,
    digest: Digest,
    /// Bodies in the log that are sealed for it.
    bodies: u64,
}

pub(super) fn run(
    args: &ShredArgs,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    if !is_reason(&args.reason) {
        writeln!(talk, "yumen: --reason needs some words, on one line")?;
        return Ok(ExitCode::from(UNUSABLE));
    }
    let parts = parts(args)?;
    if !args.yes {
        foretell(&parts, talk)?;
        return Ok(ExitCode::from(UNUSABLE));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let done = destroy(args, &parts, &clock)?;
    let receipt = json!({
        "subject": args.subject, "reason": args.reason, "at": clock.wall_ms(),
        "keys_destroyed": done.keys, "pending": done.pending, "subjects": done.receipts,
    });
    hand_out(&receipt, args.json, out)?;
    if done.pending {
        writeln!(
            talk,
            "yumen: the gateway has not let go of a key in memory yet; it does so when it answers again or starts"
        )?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The id as a user and as a key, with what the log holds of each.
fn parts(args: &ShredArgs) -> anyhow::Result<[Part; 2]> {
    let prints = Prints::read(&args.dir)
        .with_context(|| format!("`{}` is no audit log with payloads", args.dir.display()))?;
    let mut parts = [
        ("user", Who::User(&args.subject)),
        ("key", Who::Key(&args.subject)),
    ]
    .map(|(kind, who)| Part {
        kind,
        digest: prints.subject(who),
        bodies: 0,
    });
    for part in &mut parts {
        part.bodies = count(&args.dir, &part.digest).context("the log cannot be read")?;
    }
    Ok(parts)
}

/// Says what would be destroyed.
fn foretell(parts: &[Part], talk: &mut impl Write) -> std::io::Result<()> {
    for part in parts {
        let (kind, bodies) = (part.kind, part.bodies);
        writeln!(
            talk,
            "as a {kind}: {bodies} prompts and replies, by the records"
        )?;
    }
    writeln!(
        talk,
        "yumen: this cannot be undone; say --yes to destroy their keys"
    )
}

/// What was destroyed.
struct Done {
    /// Keys, of all parts together.
    keys: usize,
    /// Whether the gateway still holds one in memory.
    pending: bool,
    /// One for each part.
    receipts: Vec<Value>,
}

/// Destroys the keys of every part, each behind an event in the log that says so.
fn destroy(args: &ShredArgs, parts: &[Part], clock: &Arc<dyn Clock>) -> anyhow::Result<Done> {
    let actor = super::actor();
    let mut all = Done {
        keys: 0,
        pending: false,
        receipts: Vec::new(),
    };
    for part in parts {
        let pseudonym = hex(&part.digest);
        let event = Event {
            what: What::Shred,
            subject: &pseudonym,
            reason: &args.reason,
            count: Some(part.bodies),
            ..super::event(&actor)
        };
        inbox::tell(&args.dir, &event, clock)
            .context("the order could not be written into the log, so nothing was destroyed")?;
        let done = shred(&args.dir, &part.digest).context("not all keys could be destroyed")?;
        all.keys += done.keys.len();
        all.pending |= done.pending;
        all.receipts.push(json!({
            "as": part.kind, "pseudonym": pseudonym, "bodies": part.bodies,
            "keys": done.keys, "pending": done.pending,
        }));
    }
    Ok(all)
}

/// Prints the receipt: on one line, or for people.
fn hand_out(receipt: &Value, is_line: bool, out: &mut impl Write) -> std::io::Result<()> {
    let text = if is_line {
        receipt.to_string()
    } else {
        format!("{receipt:#}")
    };
    // Line breaks of ours are no text of a stranger's.
    for line in text.lines() {
        write_inert(out, line)?;
        writeln!(out)?;
    }
    Ok(())
}

/// Bodies that are sealed for a subject, by the records.
fn count(dir: &Path, subject: &Digest) -> std::io::Result<u64> {
    let named = format!("\"subject\":\"{}\",\"key\":", hex(subject));
    let finder = Finder::new(named.as_bytes());
    let mut bodies = 0;
    for item in records(dir)? {
        if let Item::Record(record) = item? {
            bodies += finder.find_iter(&record.payload).count() as u64;
        }
    }
    Ok(bodies)
}
