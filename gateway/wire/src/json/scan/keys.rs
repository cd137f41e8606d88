//! Duplicate keys of an object, told after unescaping.
//!
//! Each key leaves a mark while it is read; only an object whose marks met is looked at again, when it ends. Invariant: two
//! equal keys never pass.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::Scanner;
use crate::json::tape::{Escapes, Node, Reason};
use crate::json::text;

/// 256 bits, of which each key sets one: a key whose bit is not set yet has no twin.
#[derive(Clone, Copy)]
pub(super) struct Marks([u64; 4]);

impl Marks {
    pub(super) const NONE: Self = Self([0; 4]);

    /// Whether a key's bit was set before; sets it.
    #[inline]
    pub(super) fn twice(&mut self, key: &[u8]) -> bool {
        // Eight bytes of either end tell nearly all keys apart; shorter ones are taken by their halves.
        let outer = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            (Some(first), Some(last)) => {
                u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(17)
            }
            _ => match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
                (Some(first), Some(last)) => {
                    u64::from(u32::from_le_bytes(*first)) << 32
                        | u64::from(u32::from_le_bytes(*last))
                }
                _ => key
                    .iter()
                    .fold(0, |word, byte| word << 8 | u64::from(*byte)),
            },
        };
        // Fibonacci hashing: the upper bits of the product depend on all of the word.
        let hash = (outer ^ key.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
        let bit = 1 << (hash & 63);
        // Two bits are left: all four words have their turn.
        match self.0.get_mut((hash >> 6) as usize) {
            Some(word) => {
                let before = *word & bit != 0;
                *word |= bit;
                before
            }
            None => true,
        }
    }
}

/// Objects of up to this many keys are compared pair by pair: no memory, and fewer steps than sorting.
const PAIRS_MAX: u32 = 12;

impl Scanner<'_> {
    /// Whether no two keys of the object that has just ended are the same, after unescaping.
    #[cold]
    pub(super) fn no_duplicates(&mut self) -> Result<(), Reason> {
        let object = &self.top;
        let mut keys: SmallVec<[&Node; PAIRS_MAX as usize]> = SmallVec::new();
        let mut at = object.node as usize + 1;
        while let (Some(key), Some(value)) = (self.tape.nodes.get(at), self.tape.nodes.get(at + 1))
        {
            keys.push(key);
            at = value.next as usize;
        }
        let plain = keys.iter().all(|key| key.escapes == Escapes::None);
        let twice = if object.count <= PAIRS_MAX && plain {
            // The later one of the two, as below.
            keys.iter().enumerate().find_map(|(at, key)| {
                let earlier = keys.get(..at).unwrap_or_default();
                earlier
                    .iter()
                    .any(|other| self.inside(other) == self.inside(key))
                    .then_some(key.start as usize)
            })
        } else {
            let mut names: Vec<(Cow<'_, [u8]>, u32)> = keys
                .iter()
                .map(|key| {
                    let raw = self.inside(key);
                    let name = if key.escapes != Escapes::None {
                        text::unescape_bytes(raw)
                    } else {
                        Cow::Borrowed(raw)
                    };
                    (name, key.start)
                })
                .collect();
            names.sort_unstable();
            names.windows(2).find_map(|pair| match pair {
                [first, second] if first.0 == second.0 => Some(second.1 as usize),
                _ => None,
            })
        };
        let Some(at) = twice else { return Ok(()) };
        self.at = at;
        Err(Reason::DuplicateKey)
    }

    /// What stands between a string's quotes.
    fn inside(&self, string: &Node) -> &[u8] {
        self.body
            .get(string.start as usize + 1..string.end as usize - 1)
            .unwrap_or_default()
    }
}
