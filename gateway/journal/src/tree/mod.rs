//! The tree over the log: what makes it impossible to change an entry unnoticed.
//!
//! Each index is a leaf of a Merkle tree (RFC 6962, SHA-256), grown in index order beside the write path from what is on disk
//! and synced. From time to time the root is signed: a checkpoint. Everything is kept in the directory's `tree/`, as a
//! C2SP tlog-tiles log without entry bundles (the entries are in the segments):
//!
//! ```text
//! tree/key               the private key, `PRIVATE+KEY+<origin>+<id>+<base64>`; only if the config names no other file
//! tree/key.pub           verifier keys of this log, one a line: `<origin>+<id>+<base64>`; the last is in use
//! tree/witnesses.pub     verifier keys of witnesses whose cosignatures were accepted, one a line
//! tree/checkpoints       every checkpoint, oldest first, each followed by an empty line
//! tree/checkpoint        the newest of them, with the cosignatures that came for it
//! tree/cosigned          checkpoints with their cosignatures, as they came, each followed by an empty line
//! tree/tile/L/…/N        tile N of level L: 256 hashes of 32 bytes
//! tree/tile/L/…/N.p/W    the same while it holds W < 256 hashes
//! ```
//!
//! **Leaf.** The data of the leaf at index *i* are bytes 16.. of record *i* (kind and payload); of an index that no record
//! bears it is the one byte 0x00. Its hash is `SHA-256(0x00 || data)`; a node's is `SHA-256(0x01 || left || right)`.
//!
//! **Tiles.** Tile N of level L holds, for *j* in 0..256, the roots over the leaves `(N·256 + j)·256^L .. (N·256 + j + 1)·256^L`.
//! In the path, N is written in groups of three digits, all but the last with an `x` before them: 1234067 is `x001/x234/067`.
//! Tiles beyond the newest checkpoint are unfinished work and mean nothing.
//!
//! **Checkpoint.** A note (C2SP signed-note): three lines `origin`, size in decimal, root in base64; an empty line; signature
//! lines `— <name> <base64 of a 4-byte id and the signature>`. The id is the first four bytes of
//! `SHA-256(name || "\n" || type || public key)`; type 1 is an Ed25519 signature of the three lines, type 4 a witness's: eight
//! bytes of time (seconds, big-endian), then the signature of `cosignature/v1\ntime <seconds>\n` and the three lines.
//!
//! **Retention** removes whole segments. An `event` record `{"what":"retired","below":X}` allows indices below X to be
//! absent; their leaf hashes are then those of the tiles, and tiles of level 0 that lie wholly below X may be gone as well.
//!
//! **What it does not promise.** Whoever holds the key can write another history behind the last checkpoint that left
//! the host, and sign it. Checkpoints that are kept elsewhere (anchors, witnesses) bound that window; `verify` with such a
//! checkpoint shows a fork or a cut. What is behind the newest checkpoint is not covered yet. A segment header's date and
//! a checkpoint taken from the middle of the list are no evidence of anything.
//!
//! Must never know HTTP, tokio or the config's shape; must never be in a request's way.
//! Invariants: only what is synced is signed; a new checkpoint extends the one before, or none is made; segments are believed
//! before partial tiles, and a signed root before both.

pub mod checkpoint;
mod grow;
pub mod hash;
mod keys;
pub mod note;
pub mod proof;
pub mod rows;
pub mod tiles;

use std::path::{Path, PathBuf};

pub use grow::{Error, Grower, Opened, Step};
pub use keys::{KeyError, KeySource, open_key, verifiers};

/// Name of the tree's directory.
pub const TREE: &str = "tree";

/// The files of a tree.
#[derive(Debug, Clone)]
pub struct TreeDir(PathBuf);

impl TreeDir {
    /// The tree of a journal's directory.
    pub fn of(journal: &Path) -> Self {
        Self(journal.join(TREE))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// All checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// The newest checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint")
    }

    /// Checkpoints with their cosignatures.
    pub fn cosigned(&self) -> PathBuf {
        self.0.join("cosigned")
    }

    /// Verifier keys of the log.
    pub fn key_pub(&self) -> PathBuf {
        self.0.join("key.pub")
    }

    /// Verifier keys of witnesses.
    pub fn witnesses_pub(&self) -> PathBuf {
        self.0.join("witnesses.pub")
    }

    /// The private key, unless another file was chosen.
    pub fn key(&self) -> PathBuf {
        self.0.join("key")
    }
}

/// How many indices a checkpoint of this directory covers: none of them may ever be used again. 0 without a checkpoint.
/// Not verified: too large a number only leaves a gap.
pub(super) fn signed_size(journal: &Path) -> u64 {
    let tree = TreeDir::of(journal);
    let read = |path: PathBuf| std::fs::read(path).unwrap_or_default();
    let (all, _) = checkpoint::parse_all(&read(tree.checkpoints()));
    let newest = String::from_utf8(read(tree.checkpoint())).ok();
    let newest = newest.and_then(|note| checkpoint::Signed::parse(&note));
    all.iter()
        .chain(&newest)
        .map(|signed| signed.checkpoint.size)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
