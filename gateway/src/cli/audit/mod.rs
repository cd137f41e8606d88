//! `yumen audit …`: what is done with an audit log from outside, while a gateway writes it or not.
//!
//! One file for each command; none knows a config. Invariants: a directory is only read; what a log says is printed inertly;
//! exit codes are those of the command line: 0 ok, 1 the log does not hold, 2 wrong usage or an unusable directory.

mod show;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Print the records of an audit log, oldest first
    Show(show::ShowArgs),
}

/// Runs a command: data to `out`, talk to `talk`.
pub(super) fn run(
    command: &AuditCommand,
    out: &mut impl Write,
    _talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Show(args) => show::run(args, out),
    }
}
