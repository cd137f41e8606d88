//! `yumen audit …`: what is done with an audit log from outside, while a gateway writes it or not.
//!
//! One file for each command; none knows a config. Invariants: a directory is only read; what a log says is printed inertly;
//! exit codes are those of the command line: 0 ok, 1 the log does not hold, 2 wrong usage or an unusable directory.

mod show;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Print the records of an audit log, oldest first
    Show(show::ShowArgs),
    /// Check every record, the tree over them, every signed root, and what is missing
    #[command(
        after_help = "Exit codes: 0 the log holds, 1 it does not (tampering, loss or damage: the output says which), 2 wrong usage or an unusable directory."
    )]
    Verify(verify::VerifyArgs),
}

/// Runs a command: data to `out`, talk to `talk`.
pub(super) fn run(
    command: &AuditCommand,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Show(args) => show::run(args, out),
        AuditCommand::Verify(args) => verify::run(args, out, talk),
    }
}
