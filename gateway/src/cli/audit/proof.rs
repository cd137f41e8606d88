//! Proofs for third parties: that an entry is in the signed log, and that an older checkpoint is the beginning of a newer one.
//!
//! What is printed is all that a checker needs besides the log's verifier key; how to check is RFC 9162, 2.1.3.2 and 2.1.4.2.
//! Invariant: a proof that does not hold is not printed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use journal::follow::{Followed, Follower, Next, Until};
use journal::inert;
use journal::tree::checkpoint::Signed;
use journal::tree::hash::{Hash, Leaves};
use journal::tree::{TreeDir, proof, tiles::TileReader};
use serde::Serialize;

use super::verify::read_checkpoints;

/// The proof does not hold.
const DOES_NOT_HOLD: u8 = 1;

#[derive(Debug, Args)]
pub(in crate::cli) struct ProveArgs {
    /// The audit log's directory
    dir: PathBuf,
    /// An older checkpoint that was kept elsewhere; of several, the last
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// That an entry is in the log.
#[derive(Serialize)]
struct Inclusion {
    index: u64,
    segment: String,
    offset: u64,
    /// The entry itself, as it is hashed: kind and payload.
    leaf_data: String,
    leaf_hash: String,
    /// Hashes from the leaf to the root.
    path: Vec<String>,
    checkpoint: String,
}

/// That one checkpoint continues another.
#[derive(Serialize)]
struct Consistency {
    from: String,
    proof: Vec<String>,
    to: String,
}

/// The newest checkpoint of a directory.
pub(super) fn newest(dir: &Path) -> anyhow::Result<Signed> {
    let path = TreeDir::of(dir).checkpoint();
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Signed::parse(&text).with_context(|| format!("{}: no checkpoint", path.display()))
}

/// Prints the proof of a record; false if there is none that holds.
pub(super) fn inclusion(
    dir: &Path,
    record: &Followed<'_>,
    checkpoint: &Signed,
    one_line: bool,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let tree = TreeDir::of(dir);
    let (index, size) = (record.index, checkpoint.checkpoint.size);
    anyhow::ensure!(
        index < size,
        "entry {index} is not covered yet: the newest checkpoint covers {size} entries"
    );
    let mut reader = TileReader::new(tree.path(), size);
    let path = proof::inclusion(&mut reader, index, size)?;
    let kind = [record.kind as u8];
    let leaf = Leaves::default().hash(&[&kind, record.payload]);
    if proof::root_of_inclusion(leaf, index, size, &path) != Some(checkpoint.checkpoint.root) {
        return Ok(false);
    }
    let proof = Inclusion {
        index,
        segment: record.segment.to_string(),
        offset: record.offset,
        leaf_data: STANDARD.encode([&kind, record.payload].concat()),
        leaf_hash: STANDARD.encode(leaf),
        path: encoded(&path),
        checkpoint: checkpoint.note.to_string(),
    };
    print(&proof, one_line, out)?;
    Ok(true)
}

/// `yumen audit prove`.
pub(super) fn prove(
    args: &ProveArgs,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let kept = read_checkpoints(&args.from).with_context(|| args.from.display().to_string())?;
    let older = kept.last().context("no checkpoint")?;
    let newer = newest(&args.dir)?;
    let (from, to) = (&older.checkpoint, &newer.checkpoint);
    let tree = TreeDir::of(&args.dir);
    let holds = if from.size > to.size {
        None
    } else {
        let mut reader = TileReader::new(tree.path(), to.size);
        let proof = proof::consistency(&mut reader, from.size, to.size)?;
        proof::is_consistent(from.size, to.size, &from.root, &to.root, &proof).then_some(proof)
    };
    let Some(proof) = holds else {
        writeln!(
            talk,
            "the checkpoint of {} entries is not the beginning of that of {}: the log was cut or forked",
            from.size, to.size
        )?;
        return Ok(ExitCode::from(DOES_NOT_HOLD));
    };
    let proof = Consistency {
        from: older.note.to_string(),
        proof: encoded(&proof),
        to: newer.note.to_string(),
    };
    print(&proof, args.json, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the proofs of the records that `wanted` picks; 1 if one does not hold or there is no such record.
pub(super) fn inclusions(
    dir: &Path,
    from: u64,
    wanted: impl Fn(&Followed<'_>) -> bool,
    one_line: bool,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let checkpoint = newest(dir)?;
    let mut follower = Follower::open(dir, from)?;
    let mut found = 0;
    while let Some(next) = follower.next(Until::End)? {
        let Next::Record(record) = next else { continue };
        if !wanted(&record) {
            continue;
        }
        found += 1;
        if !inclusion(dir, &record, &checkpoint, one_line, out)? {
            writeln!(
                talk,
                "entry {} is not the one that was signed",
                record.index
            )?;
            return Ok(ExitCode::from(DOES_NOT_HOLD));
        }
        // An index is borne once.
        if from == record.index {
            break;
        }
    }
    if found == 0 {
        writeln!(talk, "there is no such entry")?;
        return Ok(ExitCode::from(DOES_NOT_HOLD));
    }
    Ok(ExitCode::SUCCESS)
}

fn encoded(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
}

fn print(proof: &impl Serialize, one_line: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let line = inert::json(proof)?;
    if one_line {
        writeln!(out, "{line}")?;
    } else {
        let value: serde_json::Value = serde_json::from_str(&line)?;
        writeln!(out, "{value:#}")?;
    }
    Ok(())
}
