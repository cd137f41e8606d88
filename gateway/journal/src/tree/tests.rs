//! The tree against the recursion of RFC 6962 written down as it stands there, proofs against checks that share no code with
//! their making, notes against whatever bytes, and a tree on disk against crashes and forgers.

mod disk;
mod notes;

use proptest::prelude::*;

use super::hash::{Hash, Leaves, absent_leaf, complete_root, empty_root, node};
use super::proof::{self, Nodes};
use super::rows::Rows;

/// `MTH(D[n])`, section 2.1.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            node(&mth(&leaves[..k]), &mth(&leaves[k..]))
        }
    }
}

/// `PATH(m, D[n])`, section 2.1.1.
fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut found, sibling) = if m < k {
        (path(m, &leaves[..k]), mth(&leaves[k..]))
    } else {
        (path(m - k, &leaves[k..]), mth(&leaves[..k]))
    };
    found.push(sibling);
    found
}

/// `SUBPROOF(m, D[n], b)`, section 2.1.2.
fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole { vec![] } else { vec![mth(leaves)] };
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut found, sibling) = if m <= k {
        (subproof(m, &leaves[..k], whole), mth(&leaves[k..]))
    } else {
        (subproof(m - k, &leaves[k..], false), mth(&leaves[..k]))
    };
    found.push(sibling);
    found
}

fn leaves(count: usize) -> Vec<Hash> {
    let mut hasher = Leaves::default();
    (0..count)
        .map(|n| hasher.hash(&[n.to_string().as_bytes()]))
        .collect()
}

/// Hashes of complete subtrees of leaves in memory.
struct InMemory<'l>(&'l [Hash]);

impl Nodes for InMemory<'_> {
    type Error = ();

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, ()> {
        let width = 1 << level;
        let from = index as usize * width;
        self.0.get(from..from + width).map(complete_root).ok_or(())
    }
}

fn grown(leaves: &[Hash]) -> Rows {
    let mut rows = Rows::default();
    for leaf in leaves {
        rows.push(*leaf);
        rows.take_full(|_, _| Ok::<(), ()>(())).unwrap();
    }
    rows
}

#[test]
fn known_answers() {
    let hex = |hash: Hash| {
        hash.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    // SHA-256 of nothing, of 0x00, and of 0x00 0x00.
    let of = [empty_root(), Leaves::default().hash(&[]), absent_leaf()].map(hex);
    assert_eq!(
        of,
        [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        ]
    );
    assert_eq!(
        Leaves::default().hash(&[b"ab", b"c"]),
        Leaves::default().hash(&[b"abc"])
    );
}

#[test]
fn every_small_tree_has_the_roots_and_proofs_of_the_recursion() {
    let all = leaves(70);
    for size in 0..=all.len() {
        let tree = &all[..size];
        let root = mth(tree);
        assert_eq!(grown(tree).root(), root, "{size}");
        assert_eq!(proof::root(&mut InMemory(tree), size as u64), Ok(root));
        for m in 0..size {
            let made = proof::inclusion(&mut InMemory(tree), m as u64, size as u64).unwrap();
            assert_eq!(made, path(m, tree), "{m} of {size}");
            let found = proof::root_of_inclusion(tree[m], m as u64, size as u64, &made);
            assert_eq!(found, Some(root));
        }
        for old in 0..=size {
            let made = proof::consistency(&mut InMemory(tree), old as u64, size as u64).unwrap();
            if old > 0 {
                assert_eq!(made, subproof(old, tree, true), "{old} to {size}");
            }
            let old_root = mth(&tree[..old]);
            let (old, new) = (old as u64, size as u64);
            assert!(proof::is_consistent(old, new, &old_root, &root, &made));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn large_trees_too(size in 1usize..140_000, at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
        let tree = leaves(size);
        let root = mth(&tree);
        prop_assert_eq!(grown(&tree).root(), root);
        let (m, old) = (at.index(size), other.index(size) + 1);
        let made = proof::inclusion(&mut InMemory(&tree), m as u64, size as u64).unwrap();
        prop_assert_eq!(&made, &path(m, &tree));
        let made = proof::consistency(&mut InMemory(&tree), old as u64, size as u64).unwrap();
        prop_assert_eq!(made, subproof(old, &tree, true));
    }
}

proptest! {
    #[test]
    fn proofs_that_were_changed_prove_nothing(
        size in 2usize..600,
        at in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        bit in 0usize..256,
        what in 0..5,
    ) {
        let tree = leaves(size);
        let root = mth(&tree);
        let m = at.index(size);
        let mut made = path(m, &tree);
        let mut leaf = tree[m];
        let (mut index, mut claimed) = (m as u64, size as u64);
        match what {
            0 => {
                let place = place.index(made.len());
                made[place][bit / 8] ^= 1 << (bit % 8);
            }
            1 => drop(made.remove(place.index(made.len()))),
            2 => made.insert(place.index(made.len()), tree[bit % size]),
            3 => leaf[bit / 8] ^= 1 << (bit % 8),
            _ => {
                index = place.index(size) as u64;
                claimed = (bit as u64 + 1).max(index + 1);
                // A place and a size may be exchanged for others with a path of the same turns; the leaf then stands
                // where it stood, so that is no forgery of an entry.
                prop_assume!(index != m as u64);
                prop_assume!(claimed == size as u64);
            }
        }
        prop_assert_ne!(proof::root_of_inclusion(leaf, index, claimed, &made), Some(root));
    }

    #[test]
    fn other_histories_are_not_consistent(
        size in 2usize..600,
        at in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
    ) {
        let tree = leaves(size);
        let old = at.index(size - 1) + 1;
        let mut before = tree[..old].to_vec();
        let made = subproof(old, &tree, true);
        let (o, n) = (old as u64, size as u64);
        prop_assert!(proof::is_consistent(o, n, &mth(&before), &mth(&tree), &made));
        before[place.index(old)][0] ^= 1;
        prop_assert!(!proof::is_consistent(o, n, &mth(&before), &mth(&tree), &made));
        let mut after = tree.clone();
        after[place.index(size)][0] ^= 1;
        let made = subproof(old, &after, true);
        let changed_old = place.index(size) < old;
        let holds = proof::is_consistent(o, n, &mth(&tree[..old]), &mth(&after), &made);
        prop_assert_eq!(holds, !changed_old);
    }
}
