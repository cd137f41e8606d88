//! Tiles (C2SP tlog-tiles) as files: rows of up to 256 hashes of complete subtrees.
//!
//! Must never know what a leaf is made of.
//! Invariants: a file that a signed root covers is replaced whole or not at all; a full tile is never written with other bytes than before by a tree
//! that extends the signed one; what is read is believed by nobody before a signed root said so.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::hash::{Hash, complete_root};
use super::proof::Nodes;

/// Hashes in a full tile.
pub const WIDTH: usize = 256;
/// Its height in levels of the tree.
pub const HEIGHT: u32 = 8;
/// Levels of tiles that a tree of 64-bit size can have.
pub const LEVELS: u32 = 8;
/// Tiles kept by a `TileReader`: a proof walks one per level, twice.
const KEPT_TILES: usize = 32;

/// Which tile: level and number, and its width if it is not full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileName {
    /// 0 for leaves.
    pub level: u32,
    /// From the left.
    pub number: u64,
    /// Hashes in it: 1 to 256.
    pub width: usize,
}

impl TileName {
    /// Where it is, below the tree's directory.
    pub fn path(&self) -> PathBuf {
        let mut digits = format!("{:03}", self.number % 1_000);
        let mut rest = self.number / 1_000;
        while rest > 0 {
            digits = format!("x{:03}/{digits}", rest % 1_000);
            rest /= 1_000;
        }
        let partial = if self.width < WIDTH {
            format!(".p/{}", self.width)
        } else {
            String::new()
        };
        format!("tile/{}/{digits}{partial}", self.level).into()
    }

    /// The tile of a tree of `size` leaves that has this level and number; `None` if it is empty or beyond the tree.
    pub fn of_tree(level: u32, number: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(level * HEIGHT)?;
        let width = hashes.checked_sub(number.checked_mul(WIDTH as u64)?)?;
        let width = usize::try_from(width).map_or(WIDTH, |width| width.min(WIDTH));
        (width > 0).then_some(Self {
            level,
            number,
            width,
        })
    }
}

/// The tiles at the right edge of a tree of `size` leaves, lowest level first: the partial ones.
pub fn edge(size: u64) -> impl Iterator<Item = TileName> {
    (0..LEVELS).filter_map(move |level| {
        let number = size.checked_shr(level * HEIGHT)? / WIDTH as u64;
        TileName::of_tree(level, number, size)
    })
}

/// Reads a tile's hashes; an error if its file has not exactly that many.
pub fn read(tree: &Path, name: TileName) -> io::Result<Vec<Hash>> {
    let bytes = fs::read(tree.join(name.path()))?;
    let (hashes, rest) = bytes.as_chunks();
    if hashes.len() != name.width || !rest.is_empty() {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    Ok(hashes.to_vec())
}

/// Reads the first hashes of a tile of which the file may hold more: that of a larger tree.
pub fn read_at_least(tree: &Path, name: TileName) -> io::Result<Vec<Hash>> {
    let missing = match read(tree, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && name.width < WIDTH => error,
        other => return other,
    };
    let full = TileName {
        width: WIDTH,
        ..name
    };
    let mut hashes = read(tree, full).map_err(|_| missing)?;
    hashes.truncate(name.width);
    Ok(hashes)
}

/// Writes a tile, replacing what was there. Not synced: `sync` that.
pub fn write(tree: &Path, name: TileName, hashes: &[Hash]) -> io::Result<()> {
    debug_assert_eq!(hashes.len(), name.width);
    replace(&tree.join(name.path()), hashes.as_flattened())
}

/// Writes a tile to its place at once, and returns it to be synced: for one that no signed root covers yet, which is
/// why nobody believes it before that. Three system calls less than a replacement.
pub fn write_new(tree: &Path, name: TileName, hashes: &[Hash]) -> io::Result<File> {
    debug_assert_eq!(hashes.len(), name.width);
    let mut file = create(&tree.join(name.path()))?;
    file.write_all(hashes.as_flattened())?;
    Ok(file)
}

/// Makes a file durable, and its name if a directory sync does that.
pub fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes the partial tiles of a tile that is now full. That they are still there does no harm.
pub fn remove_partial(tree: &Path, full: TileName) {
    let partial = TileName { width: 1, ..full };
    if let Some(dir) = tree.join(partial.path()).parent() {
        let _ = fs::remove_dir_all(dir);
    }
}

/// Gives a file new content: whoever reads it sees the old or the new.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let mut file = create(Path::new(&unfinished))?;
    file.write_all(bytes)?;
    fs::rename(&unfinished, path)
}

/// An empty file, and the directory it is in if need be.
fn create(path: &Path) -> io::Result<File> {
    let open = || {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
    };
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_dir(path.parent().unwrap_or(Path::new(".")))?;
            open()
        }
        other => other,
    }
}

/// Makes a directory and those above it, for the owner only.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

/// Hashes of a tree of `size` leaves, from its tiles.
pub struct TileReader<'t> {
    tree: &'t Path,
    size: u64,
    kept: Vec<(TileName, Vec<Hash>)>,
}

impl<'t> TileReader<'t> {
    /// Reads the tiles below `tree`.
    pub fn new(tree: &'t Path, size: u64) -> Self {
        Self {
            tree,
            size,
            kept: Vec::new(),
        }
    }

    fn tile(&mut self, name: TileName) -> io::Result<&[Hash]> {
        let at = match self.kept.iter().position(|(kept, _)| *kept == name) {
            Some(at) => at,
            None => {
                let hashes = read_at_least(self.tree, name)
                    .map_err(|error| io::Error::new(error.kind(), Unread(name, error)))?;
                if self.kept.len() >= KEPT_TILES {
                    self.kept.remove(0);
                }
                self.kept.push((name, hashes));
                self.kept.len() - 1
            }
        };
        Ok(self.kept.get(at).map_or(&[], |(_, hashes)| hashes))
    }
}

impl Nodes for TileReader<'_> {
    type Error = io::Error;

    fn node(&mut self, level: u32, index: u64) -> io::Result<Hash> {
        let (tile_level, within) = (level / HEIGHT, level % HEIGHT);
        let hashes = 1usize << within;
        let first = index << within;
        let (number, at) = (first / WIDTH as u64, (first % WIDTH as u64) as usize);
        let beyond = || io::Error::new(io::ErrorKind::InvalidInput, "beyond the tree");
        let name = TileName::of_tree(tile_level, number, self.size).ok_or_else(beyond)?;
        let row = self.tile(name)?.get(at..at + hashes).ok_or_else(beyond)?;
        Ok(complete_root(row))
    }
}

/// A tile that cannot be read.
#[derive(Debug)]
struct Unread(TileName, io::Error);

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.path().display(), self.1)
    }
}

impl std::error::Error for Unread {}
