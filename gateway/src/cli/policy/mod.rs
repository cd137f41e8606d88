//! `yumen policy`: tries a policy before traffic meets it.
//!
//! `test` runs cases that say what must become of a request, `explain` says why a request gets its verdict, `replay`
//! judges what the audit log recorded under another policy. All use the walk's own parts, send nothing and ask no gate.
//! Invariant: no value that was found is ever printed, only its type and place.

mod ask;
mod cases;
mod explain;
mod junit;
mod outcome;
mod replay;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand};

use crate::config::env::Lookup;
use crate::config::problem::Problem;
use crate::config::trial::Around;
use crate::config::vendors::VendorBook;

use super::UNUSABLE;

/// The thing checked does not hold.
const FAILED: u8 = 1;

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Run policy tests: requests, and what must become of them
    #[command(
        long_about = "Run policy tests: requests, and what must become of them.\n\n\
            A file names a config and cases, each a request and what is expected of it; deploy/policy-tests.yaml shows all \
            that can be said. Secrets, certificates and unset variables of the config are not needed. Targets stand in the \
            config's order, not drawn by weight; gates are not asked.",
        after_help = "Exit codes: 0 all cases hold, 1 some do not, 2 a file cannot be used."
    )]
    Test(TestArgs),
    /// Say why a request gets its verdict: findings by type and place, rules, targets
    #[command(
        after_help = "FILE is a request's body; what is not a JSON object is taken as what a user says. `-` is standard input."
    )]
    Explain(ExplainArgs),
    /// Judge what an audit log recorded under another policy: what would change
    #[command(
        long_about = "Judge what an audit log recorded under another policy: what would change.\n\n\
            The log holds types and counts, not texts: a type that the recorded policy did not look for is not in it, and \
            conditions on the number of messages or on tools read 0 and false. The grade that a caller declared is known \
            only where nothing was found. Replies are not replayed.",
        after_help = "Exit codes: 0 it was replayed, whatever changes; 2 the config or the log cannot be used."
    )]
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Test files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Write a JUnit report, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The config file
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "YUMEN_CONFIG",
        default_value = "yumen.yaml"
    )]
    config: PathBuf,
    /// The id of the key that asks; without it, a key without a team and of the lowest grade
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Without --key: the team
    #[arg(long, conflicts_with = "key")]
    team: Option<String>,
    /// The grade that the x-yumen-grade header declares
    #[arg(long)]
    grade: Option<String>,
    /// The model that is asked for; default the body's
    #[arg(long)]
    model: Option<String>,
    /// The moment, as 2026-11-25T10:00:00+08:00; default now
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// The body
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The config with the new policy
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "YUMEN_CONFIG",
        default_value = "yumen.yaml"
    )]
    config: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Changed requests to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    show: usize,
    /// The audit log's directory
    dir: PathBuf,
}

/// What the commands are run with.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) env: Lookup<'a>,
    pub(super) book: &'a dyn VendorBook,
    pub(super) now: SystemTime,
}

impl<'a> Means<'a> {
    fn around(self) -> Around<'a> {
        Around {
            book: self.book,
            now: self.now,
        }
    }

    fn now_ms(self) -> i64 {
        i64::try_from(crate::config::build::unix_ms(self.now)).unwrap_or(i64::MAX)
    }
}

pub(super) fn run(
    command: &PolicyCommand,
    means: Means<'_>,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Test(args) => cases::run(args, means, out, talk),
        PolicyCommand::Explain(args) => explain::run(args, means, out, talk),
        PolicyCommand::Replay(args) => replay::run(args, means, out, talk),
    }
}

/// Says what is wrong with a file.
fn unusable(problems: &[Problem], talk: &mut impl Write) -> anyhow::Result<ExitCode> {
    for problem in problems {
        writeln!(talk, "{problem}")?;
    }
    Ok(ExitCode::from(UNUSABLE))
}
