//! Grows the tree of a directory from its records, and signs it.
//!
//! Must never know when to sign or who reads the checkpoints; must never write anything but the tree's files.
//! Invariants: one `Grower` for a directory, beside the one writer of its segments; it begins at the last signed checkpoint,
//! whose root it has found again, or not at all; a tile is durable before a root over it is signed, and a checkpoint
//! before anybody is told of it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::checkpoint::{Checkpoint, Signed, parse_all};
use super::hash::{Hash, Leaves, absent_leaf, complete_root};
use super::note::{Note, Signer, Verifier};
use super::proof::Nodes as _;
use super::rows::Rows;
use super::tiles::{self, HEIGHT, TileName, TileReader, WIDTH};
use super::{TreeDir, verifiers};
use crate::follow::{Follower, Next, Until};
use crate::recover::Damage;

/// Tiles that wait for their sync, and are open until then: a tree that catches up syncs in between.
const UNSYNCED_MAX: usize = 64;
/// Tiles up to which each has a sync of its own. Many are cheaper to sync with all that their file system has: by a
/// sixteenth of the CPU for 64 of them, but whatever others wrote there goes to the disk too.
const SINGLE_SYNCS_MAX: usize = 8;

/// Why the tree cannot be grown.
#[derive(Debug)]
pub enum Error {
    /// The disk failed; to be tried again.
    Io(io::Error),
    /// What is on disk is not what was signed. Nothing more will be signed until somebody has looked.
    Contradiction(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Contradiction(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What `Grower::open` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opened {
    /// Leaves of the last signed checkpoint.
    pub size: u64,
    /// Its tiles were not there or not right, and were made anew from the segments.
    pub rebuilt: bool,
}

/// What a call of `Grower::grow` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The frontier is reached.
    Done,
    /// The budget is spent; there is more.
    More,
    /// Bytes of a segment that are no record: the indices they may have borne become absent leaves.
    Damage(Damage),
}

/// The tree of one directory.
pub struct Grower {
    tree: TreeDir,
    rows: Rows,
    follower: Follower,
    leaves: Leaves,
    /// Indices that no record bears, still to be added.
    absent: u64,
    signer: Signer,
    signed: Option<Signed>,
    /// Length of the file of checkpoints.
    checkpoints_bytes: u64,
    /// Full tiles that are written and not durable yet.
    unsynced: Vec<File>,
    /// Level and number of tiles of which something was written while they were being filled.
    begun: Vec<(u32, u64)>,
}

impl Grower {
    /// Opens the tree of a journal's directory, and finds the last signed root again.
    ///
    /// # Errors
    /// A disk that fails, or files that contradict the last checkpoint.
    pub fn open(journal: &Path, signer: Signer) -> Result<(Self, Opened), Error> {
        let tree = TreeDir::of(journal);
        tiles::make_dir(tree.path())?;
        let (signed, checkpoints_bytes) = last_signed(&tree)?;
        let mut opened = Opened::default();
        let mut rows = Rows::default();
        if let Some(last) = &signed {
            opened.size = last.checkpoint.size;
            rows = match from_tiles(journal, &tree, &last.checkpoint) {
                Some(rows) => rows,
                None => {
                    opened.rebuilt = true;
                    rebuild(journal, &tree, &last.checkpoint)?
                }
            };
        }
        let follower = Follower::open(journal, opened.size)?;
        let begun = rows.partial().map(|(name, _)| (name.level, name.number));
        let mut grower = Self {
            begun: begun.collect(),
            tree,
            rows,
            follower,
            leaves: Leaves::default(),
            absent: 0,
            signer,
            signed,
            checkpoints_bytes,
            unsynced: Vec::new(),
        };
        if opened.rebuilt {
            grower.write_partial()?;
        }
        grower.publish()?;
        Ok((grower, opened))
    }

    /// Adds leaves below `frontier`, of which everything must be synced; `budget` of them at most.
    ///
    /// # Errors
    /// A disk that fails. The call may be repeated.
    pub fn grow(&mut self, frontier: u64, budget: usize) -> io::Result<Step> {
        for _ in 0..budget {
            self.write_full()?;
            if self.absent > 0 {
                self.absent -= 1;
                self.rows.push(absent_leaf());
                continue;
            }
            match self.follower.next(Until::Frontier(frontier))? {
                None => return Ok(Step::Done),
                Some(Next::Record(record)) => {
                    let leaf = self.leaves.hash(&[&[record.kind as u8], record.payload]);
                    self.rows.push(leaf);
                }
                Some(Next::Missing { count, .. }) => self.absent = count,
                Some(Next::Damage(damage)) => return Ok(Step::Damage(damage)),
            }
        }
        Ok(Step::More)
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.rows.size()
    }

    /// The last checkpoint.
    pub fn signed(&self) -> Option<&Signed> {
        self.signed.as_ref()
    }

    /// The tree's files.
    pub fn tree(&self) -> &TreeDir {
        &self.tree
    }

    /// Signs the tree as it is, and returns the checkpoint once it is durable; `None` if the last one says the same.
    ///
    /// # Errors
    /// A disk that fails. The call may be repeated.
    pub fn sign(&mut self) -> io::Result<Option<&Signed>> {
        self.write_full()?;
        let size = self.rows.size();
        if self.signed.as_ref().map_or(0, |last| last.checkpoint.size) == size {
            return Ok(None);
        }
        self.write_partial()?;
        self.sync_tiles()?;
        let checkpoint = Checkpoint {
            origin: self.signer.verifier().name().to_owned(),
            size,
            root: self.rows.root(),
        };
        let text = checkpoint.to_string();
        let signatures = vec![self.signer.sign(&text, 0)];
        let note = Note { text, signatures };
        let line = format!("{note}\n");
        append(&self.tree.checkpoints(), self.checkpoints_bytes, &line)?;
        self.checkpoints_bytes += line.len() as u64;
        self.signed = Some(Signed { checkpoint, note });
        self.publish()?;
        Ok(self.signed.as_ref())
    }

    /// Keeps cosignatures of a checkpoint; whoever calls has verified them.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn keep_cosigned(&mut self, cosigned: Signed, by: &[Verifier]) -> io::Result<()> {
        let path = self.tree.witnesses_pub();
        let mut known = verifiers(&path)?;
        let before = known.len();
        for key in by {
            if !known.contains(key) {
                known.push(key.clone());
            }
        }
        if known.len() > before {
            let lines: String = known.iter().map(|key| format!("{key}\n")).collect();
            tiles::replace(&path, lines.as_bytes())?;
        }
        let path = self.tree.cosigned();
        let bytes = path.metadata().map_or(0, |meta| meta.len());
        append(&path, bytes, &format!("{}\n", cosigned.note))?;
        if let Some(last) = self.signed.as_mut()
            && last.checkpoint == cosigned.checkpoint
        {
            *last = cosigned;
            self.publish()?;
        }
        Ok(())
    }

    /// Writes the newest checkpoint to its own file.
    fn publish(&self) -> io::Result<()> {
        let Some(last) = &self.signed else {
            return Ok(());
        };
        tiles::replace(&self.tree.checkpoint(), last.note.to_string().as_bytes())
    }

    fn write_full(&mut self) -> io::Result<()> {
        let (tree, unsynced, begun) = (self.tree.path(), &mut self.unsynced, &mut self.begun);
        self.rows.take_full(|name, hashes| {
            unsynced.push(tiles::write_new(tree, name, hashes)?);
            let place = (name.level, name.number);
            if begun.contains(&place) {
                tiles::remove_partial(tree, name);
                begun.retain(|begun| *begun != place);
            }
            io::Result::Ok(())
        })?;
        if self.unsynced.len() >= UNSYNCED_MAX {
            self.sync_tiles()?;
        }
        Ok(())
    }

    fn write_partial(&mut self) -> io::Result<()> {
        for (name, hashes) in self.rows.partial() {
            tiles::write(self.tree.path(), name, hashes)?;
            let place = (name.level, name.number);
            if !self.begun.contains(&place) {
                self.begun.push(place);
            }
        }
        Ok(())
    }

    fn sync_tiles(&mut self) -> io::Result<()> {
        if self.unsynced.len() > SINGLE_SYNCS_MAX
            && let Some(first) = self.unsynced.first()
        {
            // By the file that was opened first: what could not be written since then is told (Linux 5.8 and newer).
            rustix::fs::syncfs(first)?;
            self.unsynced.clear();
        }
        while let Some(tile) = self.unsynced.last() {
            tile.sync_all()?;
            self.unsynced.pop();
        }
        Ok(())
    }
}

impl fmt::Debug for Grower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grower({})", self.rows.size())
    }
}

/// Appends a text to a file of known length: what a failed attempt left behind that is cut off first.
fn append(path: &Path, known_bytes: u64, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.len() > known_bytes {
        file.set_len(known_bytes)?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    if known_bytes == 0
        && let Some(dir) = path.parent()
    {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// The last checkpoint, if there is one and it is ours, and the length of its file. A note that a crash cut short was
/// shown to nobody: it is moved aside.
fn last_signed(tree: &TreeDir) -> Result<(Option<Signed>, u64), Error> {
    let path = tree.checkpoints();
    let contradiction = |what: &str| Error::Contradiction(format!("{}: {what}", path.display()));
    let bytes = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let (mut all, flaw) = parse_all(&bytes);
    let mut length = bytes.len() as u64;
    if let Some(at) = flaw {
        let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
        let rest = rest.unwrap_or_default();
        let ends = rest.windows(2).filter(|pair| *pair == b"\n\n").count();
        if ends > 1 {
            return Err(contradiction(&format!("no checkpoint at byte {at}")));
        }
        length = at;
        let torn = path.with_extension("torn");
        let torn_bytes = torn.metadata().map_or(0, |meta| meta.len());
        append(&torn, torn_bytes, &String::from_utf8_lossy(rest))?;
        let file = OpenOptions::new().write(true).open(&path)?;
        file.set_len(length)?;
        file.sync_all()?;
    }
    let last = all.pop();
    let newest = std::fs::read_to_string(tree.checkpoint()).ok();
    let newest = newest.and_then(|note| Signed::parse(&note));
    let listed = last.as_ref().map_or(0, |last| last.checkpoint.size);
    if newest.is_some_and(|newest| newest.checkpoint.size > listed) {
        return Err(contradiction("the newest checkpoint is not listed"));
    }
    let keys = verifiers(&tree.key_pub())?;
    if let Some(last) = &last {
        let Signed { note, .. } = last;
        let is_ours = |key: &Verifier| {
            let mut signatures = note.signatures.iter();
            signatures.any(|signature| key.verifies(&note.text, signature))
        };
        if !keys.iter().any(is_ours) {
            return Err(contradiction(
                "the last checkpoint is not signed by a key of this log",
            ));
        }
    }
    Ok((last, length))
}

/// The tree of the last checkpoint from its tiles, if they lead to its root: first as they are, then with the unfinished ones
/// made anew from what they cover.
fn from_tiles(journal: &Path, tree: &TreeDir, last: &Checkpoint) -> Option<Rows> {
    let edge = || tiles::edge(last.size);
    let whole = |tiles: Vec<_>| {
        let rows = Rows::of_edge(last.size, tiles);
        (rows.root() == last.root).then_some(rows)
    };
    let stored: io::Result<Vec<_>> = edge()
        .map(|name| Ok((name, tiles::read_at_least(tree.path(), name)?)))
        .collect();
    if let Some(rows) = stored.ok().and_then(whole) {
        return Some(rows);
    }
    let made = |name: TileName| -> io::Result<Vec<Hash>> {
        let from = name.number * WIDTH as u64;
        if name.level == 0 {
            return leaves_of(journal, from, last.size);
        }
        (from..from + name.width as u64)
            .map(|at| {
                // The tile below, and not this level's own: that is the one in question.
                let below = TileName {
                    level: name.level - 1,
                    number: at,
                    width: WIDTH,
                };
                Ok(complete_root(&tiles::read(tree.path(), below)?))
            })
            .collect()
    };
    let remade: io::Result<Vec<_>> = edge().map(|name| Ok((name, made(name)?))).collect();
    let rows = remade.ok().and_then(whole)?;
    rows.partial()
        .try_for_each(|(name, hashes)| tiles::write(tree.path(), name, hashes))
        .ok()?;
    Some(rows)
}

/// Hashes of the leaves `from..to`, from the segments.
fn leaves_of(journal: &Path, from: u64, to: u64) -> io::Result<Vec<Hash>> {
    let mut follower = Follower::open(journal, from)?;
    let (mut leaves, mut hashes) = (Leaves::default(), Vec::new());
    while let Some(next) = follower.next(Until::Frontier(to))? {
        match next {
            Next::Record(record) => {
                hashes.push(leaves.hash(&[&[record.kind as u8], record.payload]));
            }
            Next::Missing { count, .. } => hashes.extend((0..count).map(|_| absent_leaf())),
            Next::Damage(_) => {}
        }
    }
    Ok(hashes)
}

/// The tree of the last checkpoint from the segments; what retention removed from the tiles.
fn rebuild(journal: &Path, tree: &TreeDir, last: &Checkpoint) -> Result<Rows, Error> {
    let mut rows = Rows::default();
    let mut follower = Follower::open(journal, 0)?;
    let mut leaves = Leaves::default();
    let mut reader = TileReader::new(tree.path(), last.size);
    let write = |rows: &mut Rows| {
        rows.take_full(|name, hashes| {
            tiles::write(tree.path(), name, hashes)?;
            tiles::sync(&tree.path().join(name.path()))
        })
    };
    while let Some(next) = follower.next(Until::Frontier(last.size))? {
        match next {
            Next::Record(record) => {
                write(&mut rows)?;
                rows.push(leaves.hash(&[&[record.kind as u8], record.payload]));
            }
            Next::Missing { count, .. } => {
                let to = rows.size() + count;
                while rows.size() < to {
                    write(&mut rows)?;
                    let (at, tile) = (rows.size(), WIDTH as u64);
                    if let Ok(leaf) = reader.node(0, at) {
                        rows.push(leaf);
                    } else if at.is_multiple_of(tile)
                        && to - at >= tile
                        && let Ok(root) = reader.node(HEIGHT, at / tile)
                    {
                        rows.push_tile(root);
                    } else {
                        rows.push(absent_leaf());
                    }
                }
            }
            Next::Damage(_) => {}
        }
    }
    write(&mut rows)?;
    if rows.root() == last.root {
        return Ok(rows);
    }
    Err(Error::Contradiction(format!(
        "neither tiles nor records lead to the root that was signed for {} entries",
        last.size
    )))
}
