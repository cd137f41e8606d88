//! Segments' entries in the order of their indices: the tree over them against tiles and roots, what is missing, and what
//! belongs together.
//!
//! The tree is that of the entries as they are found. Where a leaf is not the one in its tile, a second tree takes the tile's; the
//! next signed root says which of the two was altered, and both go on as that one.
//!
//! Must never know how segments are read. Invariants: memory is bounded by the entries that are open and the segments that
//! overlap; every index from 0 to the end is accounted for exactly once.

mod judge;

use std::collections::HashMap;
use std::path::Path;

use super::part::{Entry, Gap, Pair, Part};
use super::report::{NOTICES_MAX, Problem, Report, What};
use crate::tree::checkpoint::Checkpoint;
use crate::tree::hash::{Hash, absent_leaf};
use crate::tree::proof::Nodes as _;
use crate::tree::rows::Rows;
use crate::tree::tiles::{self, HEIGHT, TileName, TileReader, WIDTH};

/// Stretches of indices that are remembered until the end.
const RANGES_MAX: usize = 100_000;
/// Closings without an opening, remembered until the end.
const ORPHANS_MAX: usize = 10_000;

/// First and count.
pub(super) type Range = (u64, u64);

/// A root that was signed, and where that stands.
pub(super) struct Root {
    pub(super) checkpoint: Checkpoint,
    pub(super) file: String,
    /// It was kept elsewhere.
    pub(super) elsewhere: bool,
}

/// What was learnt on the way and is judged at the end.
pub(super) struct Merge<'t> {
    tree: &'t Path,
    /// Entries that a checkpoint of this directory covers.
    covered: u64,
    roots: Vec<Root>,
    next_root: usize,
    rows: Rows,
    /// The tree with the leaves of the tiles, since they differ.
    other: Option<Rows>,
    /// Entries whose leaves differ since the last root.
    differing: Vec<Differing>,
    /// Roots stopped fitting: what follows says nothing.
    broken: bool,
    /// Where the entries of the unfinished row are, as the segments' names and offsets.
    places: Vec<(u64, usize, u64)>,
    reader: TileReader<'t>,
    absent: Hash,
    pub(super) names: Vec<String>,
    expected: u64,
    open: HashMap<u64, u32>,
    orphans: Vec<(u64, u64)>,
    /// Indices that no record bears: with the leaf of an absent one, with another leaf, and behind all checkpoints.
    absent_ranges: Vec<Range>,
    removed: Vec<Range>,
    uncovered: Vec<Range>,
    pub(super) damages: Vec<(String, Gap)>,
    pub(super) lost: Vec<Range>,
    clocks: HashMap<(u32, u32), i128>,
    newest_epoch: u32,
    bodies_gone: Vec<u64>,
    bodies_retired: bool,
    pub(super) report: Report,
}

struct Differing {
    index: u64,
    place: Option<(usize, u64)>,
}

impl<'t> Merge<'t> {
    /// Begins with an empty tree. `roots` are sorted by size.
    pub(super) fn new(tree: &'t Path, roots: Vec<Root>, covered: u64, report: Report) -> Self {
        Self {
            tree,
            covered,
            roots,
            next_root: 0,
            rows: Rows::default(),
            other: None,
            differing: Vec::new(),
            broken: false,
            places: Vec::new(),
            reader: TileReader::new(tree, covered),
            absent: absent_leaf(),
            names: Vec::new(),
            expected: 0,
            open: HashMap::new(),
            orphans: Vec::new(),
            absent_ranges: Vec::new(),
            removed: Vec::new(),
            uncovered: Vec::new(),
            damages: Vec::new(),
            lost: Vec::new(),
            clocks: HashMap::new(),
            newest_epoch: 0,
            bodies_gone: Vec::new(),
            bodies_retired: false,
            report,
        }
    }

    /// Takes what a segment says beside its entries; returns the number by which `entry` is to name it.
    pub(super) fn begin(&mut self, part: &mut Part) -> usize {
        self.report.segments += 1;
        self.report.bytes += part.bytes;
        self.report.records += part.entries.len() as u64;
        self.report.bodies += part.bodies;
        self.report.retired_below = self.report.retired_below.max(part.retired_below);
        self.bodies_retired |= part.bodies_retired;
        self.bodies_gone.append(&mut part.bodies_gone);
        self.lost.append(&mut part.lost);
        for problem in part.problems.drain(..) {
            self.report.add(problem);
        }
        for gap in part.damages.drain(..) {
            if self.damages.len() < RANGES_MAX {
                self.damages.push((part.name.clone(), gap));
            }
        }
        let epoch = part.header.map_or(0, |header| header.epoch);
        self.newest_epoch = self.newest_epoch.max(epoch);
        if let Some((_, last)) = part.clock {
            let before = self.clocks.insert((part.shard, epoch), last);
            let step = before.and_then(|before| part.step_from(before));
            for step in step.into_iter().chain(part.steps.drain(..)) {
                if self.report.clock_steps.len() < NOTICES_MAX {
                    self.report.clock_steps.push(step);
                }
            }
        }
        self.names.push(part.name.clone());
        self.names.len() - 1
    }

    /// Takes an entry; the one with the smallest index of those that are left.
    pub(super) fn entry(&mut self, entry: &Entry, segment: usize, epoch: u32) {
        if entry.index < self.expected {
            let name = self.names.get(segment).cloned().unwrap_or_default();
            self.report.add(Problem {
                what: What::Repeated,
                index: Some(entry.index),
                count: Some(1),
                file: name,
                offset: Some(entry.offset),
                detail: "another record bears this index".to_owned(),
            });
            return;
        }
        self.gap_to(entry.index);
        self.expected = entry.index + 1;
        if entry.index < self.last_root() {
            self.push(entry.leaf, Some((segment, entry.offset)));
        }
        match entry.pair {
            Pair::Opens => drop(self.open.insert(entry.index, epoch)),
            Pair::Closes(opening) if self.open.remove(&opening).is_none() => {
                if self.orphans.len() < ORPHANS_MAX {
                    self.orphans.push((entry.index, opening));
                }
            }
            Pair::Closes(_) | Pair::Alone => {}
        }
    }

    fn last_root(&self) -> u64 {
        self.roots.last().map_or(0, |root| root.checkpoint.size)
    }

    /// Accounts for the indices up to `to`, which no record bears.
    fn gap_to(&mut self, to: u64) {
        while self.expected < to {
            let at = self.expected;
            if at >= self.covered {
                note(&mut self.uncovered, at, to - at);
                let rooted = to.min(self.last_root());
                for _ in at..rooted {
                    self.push(self.absent, None);
                }
                self.expected = to;
                return;
            }
            let tile = WIDTH as u64;
            match self.reader.node(0, at) {
                Ok(leaf) => {
                    let ranges = if leaf == self.absent {
                        &mut self.absent_ranges
                    } else {
                        &mut self.removed
                    };
                    note(ranges, at, 1);
                    self.push(leaf, None);
                    self.expected += 1;
                }
                // What retention removed from the tiles too is known by the root over it.
                Err(_) if at.is_multiple_of(tile) && to - at >= tile => {
                    let root = self.reader.node(HEIGHT, at / tile);
                    note(&mut self.removed, at, tile);
                    self.expected += tile;
                    if let Ok(root) = root {
                        self.push_tile(root);
                    } else {
                        for _ in 0..tile {
                            self.push(self.absent, None);
                        }
                    }
                }
                Err(_) => {
                    note(&mut self.removed, at, 1);
                    self.push(self.absent, None);
                    self.expected += 1;
                }
            }
        }
    }

    fn push(&mut self, leaf: Hash, place: Option<(usize, u64)>) {
        self.rows.push(leaf);
        if let Some(other) = &mut self.other {
            other.push(leaf);
        }
        if let Some((segment, offset)) = place {
            self.places.push((self.rows.size() - 1, segment, offset));
        }
        if self.rows.is_full() {
            self.full();
        }
        self.roots_at();
    }

    /// Roots at sizes within the tile are not to be had: they were checked when retention took its leaves.
    fn push_tile(&mut self, root: Hash) {
        let to = self.rows.size() + WIDTH as u64;
        while self.root_size().is_some_and(|size| size < to) {
            self.next_root += 1;
        }
        self.rows.push_tile(root);
        if let Some(other) = &mut self.other {
            other.push_tile(root);
        }
        if self.rows.is_full() {
            self.full();
        }
        self.roots_at();
    }

    fn root_size(&self) -> Option<u64> {
        self.roots
            .get(self.next_root)
            .map(|root| root.checkpoint.size)
    }

    /// A row is full: compares it with its tile, and so the rows above.
    fn full(&mut self) {
        let (tree, covered, report) = (self.tree, self.covered, &mut self.report);
        let mut differing = Vec::new();
        let before = self.rows.clone();
        let taken = self.rows.take_full(|name, hashes| {
            let end = (name.number + 1) << (HEIGHT * (name.level + 1));
            if end > covered {
                return Ok(());
            }
            match tiles::read(tree, name) {
                Ok(stored) if stored == hashes => check_partial(tree, name, hashes, report),
                Ok(stored) if name.level == 0 => differing = stored,
                // Follows from the leaves: told with them, if it is they that differ.
                Ok(_) if !differing.is_empty() || self.other.is_some() => {}
                Ok(_) => report.file(
                    What::Tile,
                    &show(name),
                    "it is not what the tiles below it are",
                ),
                Err(error) => report.file(What::Tile, &show(name), error.kind().to_string()),
            }
            Ok::<(), ()>(())
        });
        debug_assert!(taken.is_ok());
        if differing.is_empty() {
            if let Some(other) = &mut self.other {
                let _ = other.take_full(|_, _| Ok::<(), ()>(()));
            }
        } else {
            self.differ(before, differing);
        }
        self.places.clear();
    }

    /// The leaves of the unfinished row are not those of its tile: the other tree gets the tile's.
    fn differ(&mut self, before: Rows, stored: Vec<Hash>) {
        let from = before.size() - before.leaves().len() as u64;
        for (at, (found, stored)) in (from..).zip(before.leaves().iter().zip(&stored)) {
            if found != stored && self.differing.len() < RANGES_MAX {
                let place = self.places.iter().find(|(index, ..)| *index == at);
                self.differing.push(Differing {
                    index: at,
                    place: place.map(|(_, segment, offset)| (*segment, *offset)),
                });
            }
        }
        let mut other = self.other.take().unwrap_or(before);
        other.replace_leaves(stored);
        let _ = other.take_full(|_, _| Ok::<(), ()>(()));
        self.other = Some(other);
    }

    /// Compares the tree with the roots that were signed at its size.
    fn roots_at(&mut self) {
        while self.root_size() == Some(self.rows.size()) {
            self.root_at();
            self.next_root += 1;
            if self.rows.size() == self.covered && self.root_size() != Some(self.covered) {
                self.check_edge();
            }
        }
    }

    fn root_at(&mut self) {
        let Some(root) = self.roots.get(self.next_root) else {
            return;
        };
        if self.broken {
            return;
        }
        let signed = root.checkpoint.root;
        if self.rows.root() == signed {
            self.other = None;
            let mut numbers: Vec<u64> = self
                .differing
                .drain(..)
                .map(|at| at.index / WIDTH as u64)
                .collect();
            numbers.dedup();
            for number in numbers {
                let tile = TileName {
                    level: 0,
                    number,
                    width: WIDTH,
                };
                let detail = "it was altered: the entries lead to the signed root";
                self.report.file(What::Tile, &show(tile), detail);
            }
            if !root.elsewhere {
                self.report.checkpoints += 1;
            }
            return;
        }
        // The unfinished row has leaves that were not compared yet.
        let size = self.rows.size();
        let edge = TileName::of_tree(0, size / WIDTH as u64, size);
        if let Some(stored) = edge.and_then(|edge| tiles::read_at_least(self.tree, edge).ok())
            && stored != self.rows.leaves()
        {
            self.differ(self.rows.clone(), stored);
        }
        if let Some(other) = self.other.take_if(|other| other.root() == signed) {
            self.rows = other;
            self.altered();
            if !self
                .roots
                .get(self.next_root)
                .is_some_and(|root| root.elsewhere)
            {
                self.report.checkpoints += 1;
            }
            return;
        }
        self.root_differs();
    }

    /// The tiles' leaves lead to the signed root, so the entries were altered.
    fn altered(&mut self) {
        for differing in std::mem::take(&mut self.differing) {
            let (file, offset) = match differing.place {
                Some((segment, offset)) => (
                    self.names.get(segment).cloned().unwrap_or_default(),
                    Some(offset),
                ),
                None => (String::new(), None),
            };
            self.report.add(Problem {
                what: What::Altered,
                index: Some(differing.index),
                count: Some(1),
                file,
                offset,
                detail: "it is not the entry that was signed".to_owned(),
            });
        }
    }

    fn root_differs(&mut self) {
        let Some(root) = self.roots.get(self.next_root) else {
            return;
        };
        let before = self
            .next_root
            .checked_sub(1)
            .and_then(|at| self.roots.get(at));
        let from = before.map_or(0, |root| root.checkpoint.size);
        let size = root.checkpoint.size;
        let left = self.roots.len() - self.next_root - 1;
        let detail = if root.elsewhere {
            "the checkpoint kept elsewhere has another root: this is another history".to_owned()
        } else {
            format!(
                "the root signed for {size} entries is not theirs; {left} later checkpoints were not compared"
            )
        };
        self.report.add(Problem {
            what: if root.elsewhere {
                What::Fork
            } else {
                What::Root
            },
            index: Some(self.differing.first().map_or(from, |first| first.index)),
            count: Some(size - from),
            file: root.file.clone(),
            offset: None,
            detail,
        });
        // One kept elsewhere says nothing about our own roots.
        self.broken = !root.elsewhere;
    }

    /// The partial tiles of the newest checkpoint.
    fn check_edge(&mut self) {
        if self.broken {
            return;
        }
        let (tree, report) = (self.tree, &mut self.report);
        for (name, hashes) in self.rows.partial() {
            // The full one may be there already, unsigned.
            let stored = tiles::read_at_least(tree, name);
            if stored.is_ok_and(|stored| stored == hashes) {
                check_partial(tree, name, hashes, report);
            } else {
                report.file(What::Tile, &show(name), "it is not what the entries are");
            }
        }
    }
}

fn show(name: TileName) -> String {
    format!("tree/{}", name.path().display())
}

/// The partial tiles of a tile that lie about, of older checkpoints: each is its beginning.
fn check_partial(tree: &Path, name: TileName, hashes: &[Hash], report: &mut Report) {
    let partial = TileName { width: 1, ..name };
    let path = tree.join(partial.path());
    let Some(entries) = path.parent().and_then(|dir| std::fs::read_dir(dir).ok()) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let width = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(width) = width.filter(|width| (1..=name.width).contains(width) && *width < WIDTH)
        else {
            continue;
        };
        let older = TileName { width, ..name };
        let stored = tiles::read(tree, older).unwrap_or_default();
        if hashes.get(..width) != Some(&stored) {
            report.file(What::Tile, &show(older), "it is not what the entries are");
        }
    }
}

/// Adds to the last stretch, or begins another.
fn note(ranges: &mut Vec<Range>, from: u64, count: u64) {
    let is_full = ranges.len() >= RANGES_MAX;
    match ranges.last_mut() {
        Some((first, so_far)) if *first + *so_far == from => *so_far += count,
        // The stretch that is too many is told as part of the last.
        Some((first, so_far)) if is_full => *so_far = from + count - *first,
        _ => ranges.push((from, count)),
    }
}
