//! Merkle tree hashes as in RFC 6962, section 2.1.
//!
//! Must never know files or records beyond their bytes.
//! Invariants: a leaf and a node never have the same input.

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

/// A SHA-256.
pub type Hash = [u8; SHA256_OUTPUT_LEN];

/// Leaf data of an index that no record bears.
pub const ABSENT: &[u8] = &[0];

fn sha256(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    for (to, from) in hash.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    hash
}

/// Hashes leaves; keeps the buffer in which their bytes are put together.
#[derive(Debug, Default)]
pub struct Leaves {
    buffer: Vec<u8>,
}

impl Leaves {
    /// Hash of the leaf whose data is `parts`, one after another.
    pub fn hash(&mut self, parts: &[&[u8]]) -> Hash {
        self.buffer.clear();
        self.buffer.push(0);
        for part in parts {
            self.buffer.extend_from_slice(part);
        }
        sha256(&self.buffer)
    }
}

/// Hash of the leaf of an index that no record bears.
pub fn absent_leaf() -> Hash {
    Leaves::default().hash(&[ABSENT])
}

/// Hash of an inner node.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 1 + 2 * SHA256_OUTPUT_LEN];
    let (_, children) = input.split_at_mut(1);
    let (to_left, to_right) = children.split_at_mut(SHA256_OUTPUT_LEN);
    to_left.copy_from_slice(left);
    to_right.copy_from_slice(right);
    sha256(&input)
}

/// Root of the tree without leaves.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// Root of the complete subtree over `hashes`, of which there are a power of two.
pub fn complete_root(hashes: &[Hash]) -> Hash {
    debug_assert!(hashes.len().is_power_of_two());
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[left, right]| node(left, right))
            .collect();
    }
    row.first().copied().unwrap_or_else(empty_root)
}
