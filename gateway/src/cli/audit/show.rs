//! `yumen audit show`: the records of a log as JSON lines, or the proof that one of them is in the signed log.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;

use super::proof;

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// The audit log's directory
    dir: PathBuf,
    /// Print one JSON object per record
    #[arg(long)]
    json: bool,
    /// Print the entry with its path to the root of the newest checkpoint, and that checkpoint: whoever has the log's key
    /// (tree/key.pub) can check it
    #[arg(long)]
    proof: bool,
    /// The request whose entries are to be proved
    #[arg(long, value_name = "REQUEST", requires = "proof")]
    id: Option<String>,
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
    match (args.proof, &args.id, args.index) {
        (false, ..) => {
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
