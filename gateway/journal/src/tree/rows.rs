//! A growing tree as its tiles see it: of each level of tiles the row that is being filled.
//!
//! Must never know files.
//! Invariants: a row that is full is handed over before it grows further; the rows of a size are those of `tiles::edge`.

use super::hash::{Hash, complete_root, empty_root, node};
use super::tiles::{HEIGHT, LEVELS, TileName, WIDTH};

/// The rows, lowest level first.
#[derive(Debug, Default, Clone)]
pub struct Rows {
    size: u64,
    rows: Vec<Row>,
}

#[derive(Debug, Default, Clone)]
struct Row {
    /// Number of the tile being filled.
    number: u64,
    hashes: Vec<Hash>,
}

impl Rows {
    /// Rows of a tree of `size` leaves, from its tiles at the right edge: name and hashes.
    pub fn of_edge(size: u64, tiles: Vec<(TileName, Vec<Hash>)>) -> Self {
        let mut rows: Vec<Row> = (0..LEVELS)
            .map(|level| Row {
                number: size.checked_shr(level * HEIGHT).unwrap_or(0) / WIDTH as u64,
                hashes: Vec::new(),
            })
            .collect();
        for (name, hashes) in tiles {
            if let Some(row) = rows.get_mut(name.level as usize) {
                row.hashes = hashes;
            }
        }
        Self { size, rows }
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf's hash; what is full must have been handed over.
    pub fn push(&mut self, leaf: Hash) {
        debug_assert!(self.rows.first().is_none_or(|row| row.hashes.len() < WIDTH));
        if self.rows.is_empty() {
            self.rows.push(Row::default());
        }
        if let Some(row) = self.rows.first_mut() {
            row.hashes.push(leaf);
        }
        self.size += 1;
    }

    /// Whether a row is full and is to be handed over.
    pub fn is_full(&self) -> bool {
        self.rows.iter().any(|row| row.hashes.len() >= WIDTH)
    }

    /// The leaves of the row that is being filled.
    pub fn leaves(&self) -> &[Hash] {
        self.rows.first().map_or(&[], |row| row.hashes.as_slice())
    }

    /// The same tree with other leaves in the row that is being filled, as many as there are.
    pub fn replace_leaves(&mut self, mut leaves: Vec<Hash>) {
        if let Some(row) = self.rows.first_mut() {
            leaves.truncate(row.hashes.len());
            if leaves.len() == row.hashes.len() {
                row.hashes = leaves;
            }
        }
    }

    /// Adds a full tile of leaves that is known by its root only.
    pub fn push_tile(&mut self, root: Hash) {
        debug_assert!(self.size.is_multiple_of(WIDTH as u64));
        while self.rows.len() < 2 {
            self.rows.push(Row::default());
        }
        if let Some(row) = self.rows.first_mut() {
            row.number += 1;
        }
        if let Some(row) = self.rows.get_mut(1) {
            row.hashes.push(root);
        }
        self.size += WIDTH as u64;
    }

    /// Hands over the rows that are full, lowest first. If `take` fails, the row stays, to be handed over again.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn take_full<E>(
        &mut self,
        mut take: impl FnMut(TileName, &[Hash]) -> Result<(), E>,
    ) -> Result<(), E> {
        for level in 0..LEVELS {
            let Some(row) = self.rows.get_mut(level as usize) else {
                break;
            };
            if row.hashes.len() < WIDTH {
                continue;
            }
            let name = TileName {
                level,
                number: row.number,
                width: WIDTH,
            };
            take(name, &row.hashes)?;
            let root = complete_root(&row.hashes);
            row.hashes.clear();
            row.number += 1;
            if self.rows.len() == level as usize + 1 {
                self.rows.push(Row::default());
            }
            if let Some(above) = self.rows.get_mut(level as usize + 1) {
                above.hashes.push(root);
            }
        }
        Ok(())
    }

    /// The rows that are begun and not full.
    pub fn partial(&self) -> impl Iterator<Item = (TileName, &[Hash])> {
        self.rows.iter().zip(0..).filter_map(|(row, level)| {
            let name = TileName {
                level,
                number: row.number,
                width: row.hashes.len(),
            };
            (1..WIDTH)
                .contains(&name.width)
                .then_some((name, row.hashes.as_slice()))
        })
    }

    /// Root of the tree.
    pub fn root(&self) -> Hash {
        let mut peaks = Vec::new();
        for row in self.rows.iter().rev() {
            let mut rest = row.hashes.as_slice();
            // One complete subtree for each binary digit of the row's length.
            for width in (0..=HEIGHT).rev().map(|bit| 1 << bit) {
                if rest.len() & width != 0
                    && let Some((head, tail)) = rest.split_at_checked(width)
                {
                    peaks.push(complete_root(head));
                    rest = tail;
                }
            }
        }
        let mut rightmost_first = peaks.iter().rev();
        let Some(last) = rightmost_first.next() else {
            return empty_root();
        };
        rightmost_first.fold(*last, |right, left| node(left, &right))
    }
}
