//! `yumen audit show`: the records of a log as JSON lines.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// The audit log's directory
    dir: PathBuf,
    /// Print one JSON object per record
    #[arg(long)]
    json: bool,
}

/// Records are JSON lines with and without `--json`: they are made to be read by both.
pub(super) fn run(args: &ShowArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    journal::read::dump(&args.dir, &mut BufWriter::new(out))?;
    Ok(ExitCode::SUCCESS)
}
