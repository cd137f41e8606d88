//! `yumen audit verify`: whether a log holds together.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use journal::inert::{self, Shown};
use journal::tree::checkpoint::{Signed, parse_all};
use journal::tree::note::Verifier;
use journal::verify::{Options, Problem, Report, verify};

/// The log does not hold.
const DOES_NOT_HOLD: u8 = 1;

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// The audit log's directory; a gateway may be writing it
    dir: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Believe this key (name+id+base64, as in tree/key.pub) and not those in the directory; may be repeated
    #[arg(long, value_name = "VKEY")]
    key: Vec<String>,
    /// Checkpoints that were kept elsewhere: shows whether the log was cut or written anew since; may be repeated
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// Threads that read and hash; by default one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
}

/// Verifies, and prints what was found.
pub(super) fn run(
    args: &VerifyArgs,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut options = Options {
        threads: args.threads.min(1024),
        ..Options::default()
    };
    for key in &args.key {
        let parsed = Verifier::parse(key.trim_end());
        options
            .keys
            .push(parsed.context("--key: not a verifier key of the form name+id+base64")?);
    }
    for path in &args.checkpoint {
        let name = path.display().to_string();
        let found = read_checkpoints(path).with_context(|| name.clone())?;
        let named = found.into_iter().map(|signed| (name.clone(), signed));
        options.elsewhere.extend(named);
    }
    let report = verify(&args.dir, &options).with_context(|| args.dir.display().to_string())?;
    if args.json {
        writeln!(out, "{}", inert::json(&report)?)?;
    } else {
        print(&report, out, talk)?;
    }
    Ok(if report.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DOES_NOT_HOLD)
    })
}

/// One note, or several with an empty line behind each, as an anchor has them.
pub(super) fn read_checkpoints(path: &std::path::Path) -> anyhow::Result<Vec<Signed>> {
    let bytes = std::fs::read(path)?;
    if let Some(one) = str::from_utf8(&bytes).ok().and_then(Signed::parse) {
        return Ok(vec![one]);
    }
    let (all, flaw) = parse_all(&bytes);
    if let Some(at) = flaw {
        anyhow::bail!("what begins at byte {at} is no checkpoint");
    }
    anyhow::ensure!(!all.is_empty(), "there is no checkpoint in it");
    Ok(all)
}

fn print(report: &Report, out: &mut impl Write, talk: &mut impl Write) -> anyhow::Result<()> {
    for problem in &report.problems {
        writeln!(out, "{}", line(problem))?;
    }
    if report.more_problems > 0 {
        writeln!(out, "… and {} more", report.more_problems)?;
    }
    writeln!(
        out,
        "{} records in {} segments, {} bytes; {} entries covered by {} checkpoints{}",
        report.records,
        report.segments,
        report.bytes,
        report.covered,
        report.checkpoints,
        if report.cosignatures > 0 {
            format!(", {} cosignatures", report.cosignatures)
        } else {
            String::new()
        },
    )?;
    for (count, what) in [
        (
            report.not_covered,
            "entries are not covered yet by a checkpoint",
        ),
        (
            report.lost,
            "indices were lost to failed writes, and the log says so",
        ),
        (report.retired, "entries were retired"),
        (report.open, "requests are open"),
        (report.bodies, "bodies checked"),
        (report.bodies_retired, "bodies were retired"),
    ] {
        if count > 0 {
            writeln!(out, "{count} {what}")?;
        }
    }
    for (index, ms) in &report.clock_steps {
        writeln!(out, "the clock was set by {ms} ms before entry {index}")?;
    }
    if report.ok {
        writeln!(out, "the log holds")?;
    } else {
        writeln!(
            talk,
            "the log does not hold: {} problems",
            report.counts.values().sum::<u64>()
        )?;
    }
    Ok(())
}

/// A problem on one line: what, which entries, where.
fn line(problem: &Problem) -> String {
    let mut line = serde_json::to_value(problem.what)
        .ok()
        .and_then(|what| what.as_str().map(str::to_owned))
        .unwrap_or_default();
    match (problem.index, problem.count) {
        (Some(index), Some(count)) if count > 1 => {
            line += &format!(": entries {index} to {}", index + count - 1);
        }
        (Some(index), _) => line += &format!(": entry {index}"),
        (None, _) => {}
    }
    if !problem.file.is_empty() {
        line += &format!(": {}", Shown(&problem.file));
    }
    if let Some(offset) = problem.offset {
        line += &format!(" at byte {offset}");
    }
    line + &format!(": {}", Shown(&problem.detail))
}
