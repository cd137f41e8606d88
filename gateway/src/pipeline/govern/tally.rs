//! What was found in a reply: types, counts and names of rules, for its record. Never a value.

use policies::policy::Policy;
use policies::scan::Sort;
use smallvec::SmallVec;

/// What was found in a reply, for the journal.
#[derive(Clone, Debug, Default)]
pub(in crate::pipeline) struct Tally {
    /// Types and how often.
    pub(in crate::pipeline) counts: SmallVec<[(Sort, u32); 2]>,
    /// Positions of reply rules that took effect.
    pub(in crate::pipeline) fired: SmallVec<[usize; 2]>,
    /// Positions of reply rules in shadow mode that would have.
    pub(in crate::pipeline) shadowed: SmallVec<[usize; 2]>,
    /// Labels that were put back.
    pub(in crate::pipeline) restored: u64,
}

impl Tally {
    /// Whether there is nothing to tell.
    pub(in crate::pipeline) fn is_empty(&self) -> bool {
        self.restored == 0
            && self.counts.is_empty()
            && self.fired.is_empty()
            && self.shadowed.is_empty()
    }

    /// Takes another's counts in.
    pub(in crate::pipeline) fn add(&mut self, other: &Self) {
        for (sort, count) in &other.counts {
            match self.counts.iter_mut().find(|(known, _)| known == sort) {
                Some((_, sum)) => *sum += count,
                None => self.counts.push((*sort, *count)),
            }
        }
        let new = |known: &SmallVec<[usize; 2]>, more: &SmallVec<[usize; 2]>| -> Vec<usize> {
            more.iter()
                .copied()
                .filter(|at| !known.contains(at))
                .collect()
        };
        self.fired.extend(new(&self.fired, &other.fired));
        self.shadowed.extend(new(&self.shadowed, &other.shadowed));
        self.restored += other.restored;
    }

    /// Counts a finding that some rule is about.
    pub(in crate::pipeline) fn note(&mut self, policy: &Policy, sort: Sort) {
        let mut named = false;
        for (at, rule) in policy.reply.iter().enumerate() {
            if rule.find.contains(sort) {
                named = true;
                if rule.shadow && !self.shadowed.contains(&at) {
                    self.shadowed.push(at);
                }
            }
        }
        if !named {
            return;
        }
        match self.counts.iter_mut().find(|(known, _)| *known == sort) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((sort, 1)),
        }
    }
}
