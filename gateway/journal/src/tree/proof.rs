//! Inclusion and consistency proofs (RFC 6962, section 2.1): made from the hashes of complete subtrees, checked without them.
//!
//! Must never know where hashes come from.
//! Invariants: recursion is as deep as the tree is high, 64 at most; what `inclusion` and `consistency` make, the checks
//! (RFC 9162, sections 2.1.3.2 and 2.1.4.2) accept, and they accept it for one root only.

use super::hash::{Hash, empty_root, node};

/// Where the hashes of complete subtrees come from.
pub trait Nodes {
    /// Why a hash is not to be had.
    type Error;
    /// Hash of the `index`-th subtree of 2^`level` leaves.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Largest power of two below `n`, which is at least 2.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// `MTH(D[from..to])`, where `from` is a multiple of the largest power of two not above the length, as all ranges of
/// RFC 6962 are.
fn subtree<N: Nodes>(nodes: &mut N, from: u64, to: u64) -> Result<Hash, N::Error> {
    let leaves = to - from;
    if leaves.is_power_of_two() {
        return nodes.node(leaves.trailing_zeros(), from / leaves);
    }
    let middle = from + split(leaves);
    let left = subtree(nodes, from, middle)?;
    let right = subtree(nodes, middle, to)?;
    Ok(node(&left, &right))
}

/// Root of the tree of the first `size` leaves.
///
/// # Errors
/// Those of `nodes`.
pub fn root<N: Nodes>(nodes: &mut N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 {
        return Ok(empty_root());
    }
    subtree(nodes, 0, size)
}

/// `PATH(index, D[size])`: the hashes that lead from a leaf to the root, lowest first. Empty unless `index < size`.
///
/// # Errors
/// Those of `nodes`.
pub fn inclusion<N: Nodes>(nodes: &mut N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let mut path = Vec::new();
    let (mut from, mut to) = (0, size);
    while index < size && to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(subtree(nodes, middle, to)?);
            to = middle;
        } else {
            path.push(subtree(nodes, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// `PROOF(old, D[new])`: the hashes that show that the tree of `old` leaves is the beginning of that of `new`.
///
/// # Errors
/// Those of `nodes`.
pub fn consistency<N: Nodes>(nodes: &mut N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    let mut proof = Vec::new();
    if old == 0 || old >= new {
        return Ok(proof);
    }
    let (mut from, mut to, mut whole) = (0, new, true);
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            proof.push(subtree(nodes, middle, to)?);
            to = middle;
        } else {
            proof.push(subtree(nodes, from, middle)?);
            from = middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(subtree(nodes, from, to)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root that a leaf at `index` and a path lead to in a tree of `size` leaves; `None` if the path has not the right length.
pub fn root_of_inclusion(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    let (mut at, mut last) = (index, size.checked_sub(1)?);
    if at > last {
        return None;
    }
    let mut hash = leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// Whether a proof shows that the tree of `old` leaves with `old_root` is the beginning of that of `new` with `new_root`.
pub fn is_consistent(old: u64, new: u64, old_root: &Hash, new_root: &Hash, proof: &[Hash]) -> bool {
    if old == 0 || old >= new {
        // The empty tree begins every tree; the same size needs the same root.
        let same = old != new || old_root == new_root;
        return proof.is_empty() && old <= new && same;
    }
    let mut rest = proof.iter();
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let first = if old.is_power_of_two() {
        Some(old_root)
    } else {
        rest.next()
    };
    let Some(first) = first else { return false };
    let (mut to_old, mut to_new) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            to_old = node(sibling, &to_old);
            to_new = node(sibling, &to_new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            to_new = node(&to_new, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && to_old == *old_root && to_new == *new_root
}
