//! Checkpoints (C2SP tlog-checkpoint): what the log says of itself, to be signed.
//!
//! Must never know files or keys beyond their names.
//! Invariants: what is parsed was written in the one form that we write; a file of checkpoints is read to its first flaw.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::hash::Hash;
use super::note::{NOTE_BYTES_MAX, Note};

/// The first `size` leaves of the log `origin` have this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log; also the name of the key that signs.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads a note's text. Lines behind the third are extensions of others and are not looked at.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split_inclusive('\n');
        let mut line = || lines.next()?.strip_suffix('\n');
        let (origin, size, root) = (line()?, line()?, line()?);
        let found = Self {
            origin: origin.to_owned(),
            size: size.parse().ok()?,
            root: Hash::try_from(STANDARD.decode(root).ok()?).ok()?,
        };
        // Numbers and base64 have one form only.
        (!origin.is_empty() && text.starts_with(&found.to_string())).then_some(found)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = STANDARD.encode(self.root);
        write!(f, "{}\n{}\n{root}\n", self.origin, self.size)
    }
}

/// A checkpoint with its note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// The same as text, with signatures.
    pub note: Note,
}

impl Signed {
    /// Reads a note whose text is a checkpoint. Signatures are not verified.
    pub fn parse(note: &str) -> Option<Self> {
        let note = Note::parse(note)?;
        let checkpoint = Checkpoint::parse(&note.text)?;
        Some(Self { checkpoint, note })
    }
}

/// Reads a file of notes, each followed by an empty line: those before the first flaw, and where that is, if there is one.
pub fn parse_all(bytes: &[u8]) -> (Vec<Signed>, Option<u64>) {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some((signed, length)) = parse_first(rest) else {
            return (found, Some(at as u64));
        };
        found.push(signed);
        at += length;
    }
    (found, None)
}

/// The note at the beginning, which ends at the second empty line: a checkpoint's text has none.
fn parse_first(bytes: &[u8]) -> Option<(Signed, usize)> {
    let window = bytes
        .get(..bytes.len().min(NOTE_BYTES_MAX))
        .unwrap_or_default();
    let mut ends = window
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| *pair == b"\n\n")
        .map(|(at, _)| at);
    let (_, end) = (ends.next()?, ends.next()?);
    let note = str::from_utf8(window.get(..=end)?).ok()?;
    Some((Signed::parse(note)?, end + 2))
}
