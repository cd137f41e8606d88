//! Types of findings under one number each, and sets of them.
//!
//! Knows names, grades and groups; no text. Invariants: the built-in entities come first, in [`Entity::ALL`]'s order, so
//! their numbers never change; a set is as long as the highest number in it.

use smallvec::SmallVec;
use wire::Grade;

use super::entity::Entity;

/// A type under one number: the built-in entities first, then [`SOURCE_CODE`], [`PROMPT_INJECTION`], then the config's
/// word lists and custom entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sort(pub u16);

/// The number of built-in entities; the first number that is none.
#[expect(clippy::cast_possible_truncation, reason = "some sixty")]
pub(super) const BUILT_IN: u16 = Entity::ALL.len() as u16;

impl Sort {
    /// Stretches of program text. Judged over a whole text, elsewhere.
    pub const SOURCE_CODE: Self = Self(BUILT_IN);
    /// Attempts to talk the model out of its instructions. Judged over a whole text, elsewhere.
    pub const PROMPT_INJECTION: Self = Self(BUILT_IN + 1);

    /// The number of a built-in entity.
    #[must_use]
    pub const fn of(entity: Entity) -> Self {
        Self(entity as u16)
    }
}

/// What is known of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortInfo {
    /// The name in policies, audit records and reports.
    pub name: Box<str>,
    /// How sensitive a finding of it is.
    pub grade: Grade,
    /// The family that a policy may name instead: `SECRET`, or a word list's group.
    pub group: Option<Box<str>>,
}

/// A set of types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sorts(SmallVec<[u64; 2]>);

impl Sorts {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether `sort` is in it.
    #[must_use]
    pub fn contains(&self, sort: Sort) -> bool {
        self.0
            .get(usize::from(sort.0 / 64))
            .is_some_and(|word| word >> (sort.0 % 64) & 1 == 1)
    }

    /// Puts `sort` in.
    pub fn insert(&mut self, sort: Sort) {
        let at = usize::from(sort.0 / 64);
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        if let Some(word) = self.0.get_mut(at) {
            *word |= 1 << (sort.0 % 64);
        }
    }

    /// Puts all of `other` in.
    pub fn union(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// Whether the two have a type in common.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Sort> {
        (0u16..).zip(&self.0).flat_map(|(at, &word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| Sort(at * 64 + bit))
        })
    }
}

impl FromIterator<Sort> for Sorts {
    fn from_iter<I: IntoIterator<Item = Sort>>(sorts: I) -> Self {
        let mut set = Self::new();
        sorts.into_iter().for_each(|sort| set.insert(sort));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        let mut set: Sorts = [Sort(0), Sort(63), Sort(200)].into_iter().collect();
        assert!(set.contains(Sort(63)) && !set.contains(Sort(64)) && !set.contains(Sort(9000)));
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            [Sort(0), Sort(63), Sort(200)]
        );
        let other: Sorts = [Sort(500)].into_iter().collect();
        assert!(!set.meets(&other));
        set.union(&other);
        assert!(set.meets(&other) && !set.is_empty() && Sorts::new().is_empty());
    }

    #[test]
    fn numbers_follow_the_list() {
        for (i, &entity) in Entity::ALL.iter().enumerate() {
            assert_eq!(usize::from(Sort::of(entity).0), i);
        }
    }
}
