//! The signed files of a tree: keys, checkpoints, cosignatures.
//!
//! Must never know the entries. Invariants: a root is handed on only with a good signature; every line of a signature is by a
//! key that is known.

use std::fs;
use std::io;
use std::path::Path;

use super::Options;
use super::merge::Root;
use super::report::{Report, What};
use crate::tree::TreeDir;
use crate::tree::checkpoint::{Signed, parse_all};
use crate::tree::note::{Use, Verifier};
use crate::tree::verifiers;

/// Name of the file of cosigned checkpoints.
const COSIGNED: &str = "tree/cosigned";

/// Reads the signed roots of a tree, by size, and how many entries those of the directory cover.
pub(super) fn read(tree: &TreeDir, options: &Options, report: &mut Report) -> (Vec<Root>, u64) {
    let mut keys = read_keys(&tree.key_pub(), "tree/key.pub", report);
    let witnesses = read_keys(&tree.witnesses_pub(), "tree/witnesses.pub", report);
    if !options.keys.is_empty() {
        keys.clone_from(&options.keys);
    }
    report.keys = keys.iter().map(ToString::to_string).collect();
    let mut signatures = Signatures {
        log: &keys,
        witnesses: &witnesses,
        report,
    };
    let mut roots = Vec::new();
    let all = signatures.file(&tree.checkpoints(), "tree/checkpoints");
    for signed in &all {
        roots.extend(signatures.root(signed, "tree/checkpoints", false));
    }
    let sizes: Vec<u64> = roots.iter().map(|root| root.checkpoint.size).collect();
    if !sizes.is_sorted_by(|before, after| before < after) {
        let detail = "its checkpoints do not grow";
        signatures
            .report
            .file(What::Checkpoint, "tree/checkpoints", detail);
    }
    let covered = sizes.iter().copied().max().unwrap_or(0);
    if all.is_empty() {
        let detail = "there is no checkpoint: nothing is signed";
        signatures
            .report
            .file(What::Checkpoint, "tree/checkpoints", detail);
    }
    signatures.newest(tree, &all);
    for signed in signatures.file(&tree.cosigned(), COSIGNED) {
        let listed = all.iter().any(|one| one.checkpoint == signed.checkpoint);
        if !listed {
            let detail = "a cosigned checkpoint is not listed";
            signatures.report.file(What::Checkpoint, COSIGNED, detail);
        }
        signatures.root(&signed, COSIGNED, false);
    }
    for (name, signed) in &options.elsewhere {
        roots.extend(signatures.root(signed, name, true));
    }
    roots.sort_by_key(|root| (root.checkpoint.size, root.elsewhere));
    (roots, covered)
}

fn read_keys(path: &Path, name: &str, report: &mut Report) -> Vec<Verifier> {
    verifiers(path).unwrap_or_else(|error| {
        report.file(What::Key, name, error.to_string());
        Vec::new()
    })
}

struct Signatures<'r> {
    log: &'r [Verifier],
    witnesses: &'r [Verifier],
    report: &'r mut Report,
}

impl Signatures<'_> {
    /// The notes of a file; none if there is no file.
    fn file(&mut self, path: &Path, name: &str) -> Vec<Signed> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    self.report.file(What::Checkpoint, name, error.to_string());
                }
                return Vec::new();
            }
        };
        let (all, flaw) = parse_all(&bytes);
        if let Some(at) = flaw {
            let detail = format!("what begins at byte {at} is no checkpoint");
            self.report.file(What::Checkpoint, name, detail);
        }
        all
    }

    /// The root of a note, if it is signed by a key of the log, and its other signatures are good.
    fn root(&mut self, signed: &Signed, name: &str, elsewhere: bool) -> Option<Root> {
        let (note, checkpoint) = (&signed.note, &signed.checkpoint);
        let size = checkpoint.size;
        let (mut by_log, mut bad) = (false, false);
        for line in &note.signatures {
            let known = self.log.iter().chain(self.witnesses);
            match known.clone().find(|key| key.is_named_by(line)) {
                Some(key) if key.verifies(&note.text, line) => match key.purpose() {
                    Use::Log => by_log |= key.name() == checkpoint.origin,
                    Use::Witness => {
                        self.report.cosignatures += u64::from(name == COSIGNED);
                    }
                },
                Some(_) => bad = true,
                // Others may sign what is kept elsewhere.
                None => bad |= !elsewhere,
            }
        }
        if by_log && !bad {
            return Some(Root {
                checkpoint: checkpoint.clone(),
                file: name.to_owned(),
                elsewhere,
            });
        }
        let detail = format!("the checkpoint of {size} entries is not signed by a known key");
        self.report.file(What::Checkpoint, name, detail);
        None
    }

    /// The newest checkpoint's own file says what the list says.
    fn newest(&mut self, tree: &TreeDir, all: &[Signed]) {
        const NAME: &str = "tree/checkpoint";
        let Ok(bytes) = fs::read(tree.checkpoint()) else {
            return;
        };
        let newest = str::from_utf8(&bytes).ok().and_then(Signed::parse);
        let Some(newest) = newest else {
            self.report
                .file(What::Checkpoint, NAME, "it is no checkpoint");
            return;
        };
        self.root(&newest, NAME, false);
        // A crash may have come between the list and this file, which is then older.
        let listed = all
            .iter()
            .rev()
            .any(|one| one.checkpoint == newest.checkpoint);
        if !listed {
            self.report.file(
                What::Checkpoint,
                NAME,
                "it is not in the list of checkpoints",
            );
        }
    }
}
