//! `yumen audit show`: the records of a log as JSON lines, or the proof that one of them is in the signed log.
//!
//! Must never show anything before the log holds who reads it.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use journal::What;
use serde::Deserialize;

use super::proof;
use super::unseal::{self, Wanted};

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// The audit log's directory
    dir: PathBuf,
    /// Print one JSON object per record
    #[arg(long)]
    json: bool,
    /// Only the records of this request
    #[arg(long, value_name = "REQUEST")]
    id: Option<String>,
    /// Print what was kept of its prompt and reply; that you read it is written into the log
    #[arg(long, requires = "id", conflicts_with = "proof")]
    unseal: bool,
    /// Why you unseal
    #[arg(long, value_name = "TEXT", requires = "unseal")]
    reason: Option<String>,
    /// The gateway's config, for the key that its payloads are sealed under; without it, the log's own key
    #[arg(short, long, value_name = "FILE", requires = "unseal")]
    config: Option<PathBuf>,
    /// Print the entry with its path to the root of the newest checkpoint, and that checkpoint: whoever has the log's key
    /// (tree/key.pub) can check it
    #[arg(long)]
    proof: bool,
    /// The entry that is to be proved
    #[arg(long, value_name = "N", requires = "proof", conflicts_with = "id")]
    index: Option<u64>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    id: String,
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
    anyhow::ensure!(
        args.dir.is_dir(),
        "`{}` is no directory",
        args.dir.display()
    );
    super::tell(&args.dir, What::Search, &told(args))?;
    match (args.proof, &args.id, args.index) {
        (false, Some(id), _) => {
            let found = journal::read::dump_request(&args.dir, id, &mut BufWriter::new(out))?;
            Ok(if found > 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        (false, None, _) => {
            journal::read::dump(&args.dir, &mut BufWriter::new(out))?;
            Ok(ExitCode::SUCCESS)
        }
        (true, Some(id), _) => {
            let wanted = |record: &journal::follow::Followed<'_>| {
                serde_json::from_slice::<Named>(record.payload).is_ok_and(|named| named.id == *id)
            };
            proof::inclusions(&args.dir, 0, wanted, args.json, out, talk)
        }
        (true, None, Some(index)) => {
            let wanted = |record: &journal::follow::Followed<'_>| record.index == index;
            proof::inclusions(&args.dir, index, wanted, args.json, out, talk)
        }
        (true, None, None) => anyhow::bail!("--proof needs --id or --index"),
    }
}

/// What is read, for the log.
fn told(args: &ShowArgs) -> String {
    let what = if args.proof { "show --proof" } else { "show" };
    match (&args.id, args.index) {
        (Some(id), _) => format!("{what} id={id}"),
        (None, Some(index)) => format!("{what} index={index}"),
        (None, None) => what.to_owned(),
    }
}
