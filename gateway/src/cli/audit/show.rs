//! `yumen audit show`: the records of a log as JSON lines.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::unseal::{self, Wanted};

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// The audit log's directory
    dir: PathBuf,
    /// Print one JSON object per record
    #[arg(long)]
    json: bool,
    /// Only the records of this request
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Print what was kept of its prompt and reply; that you read it is written into the log
    #[arg(long, requires = "id")]
    unseal: bool,
    /// Why you unseal
    #[arg(long, value_name = "TEXT", requires = "unseal")]
    reason: Option<String>,
    /// The gateway's config, for the key that its payloads are sealed under; without it, the log's own key
    #[arg(short, long, value_name = "FILE", requires = "unseal")]
    config: Option<PathBuf>,
}

/// Records are JSON lines with and without `--json`: they are made to be read by both.
pub(super) fn run(
    args: &ShowArgs,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    if args.unseal {
        let wanted = Wanted {
            dir: &args.dir,
            id: args.id.as_deref(),
            reason: args.reason.as_deref(),
            config: args.config.as_ref(),
            json: args.json,
        };
        return unseal::run(&wanted, out, talk);
    }
    let mut out = BufWriter::new(out);
    if let Some(id) = &args.id {
        let found = journal::read::dump_request(&args.dir, id, &mut out)?;
        return Ok(if found > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    journal::read::dump(&args.dir, &mut out)?;
    Ok(ExitCode::SUCCESS)
}
