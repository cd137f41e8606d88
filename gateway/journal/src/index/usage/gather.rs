//! Shares of requests on their way to the sums: what is looked up by name is looked up before searches are held up.
//!
//! Must never know what is summed. Invariants: a group has one place, the same for who gathers and in the sums that it is
//! gathered for; texts are compared whole, so two groups never meet in one hash.

use std::collections::HashMap;
use std::sync::Arc;

use wire::short::same;

use super::super::hash::Seeded;
use super::{DIMS, SLOT_MS, Share, Sums, Take};

/// A slot, and the place of a text for each dimension.
pub(super) type Group = [u32; DIMS + 1];

/// Shares of some rows, and what the sums do not know yet.
#[derive(Debug, Default)]
pub(in super::super) struct Shares {
    texts: Vec<Arc<[u8]>>,
    groups: Vec<Group>,
    /// Each with its group's place.
    sums: Vec<(usize, Sums)>,
}

impl Shares {
    pub(in super::super) fn clear(&mut self) {
        self.texts.clear();
        self.groups.clear();
        self.sums.clear();
    }
}

/// Knows the place of every text and every group that the sums have, or will have.
#[derive(Debug, Default)]
pub(in super::super) struct Gatherer {
    texts: Vec<Arc<[u8]>>,
    places: HashMap<Arc<[u8]>, u32, Seeded>,
    groups: HashMap<Group, usize, Seeded>,
    /// The group that came last: most of its texts come again.
    last: Group,
}

impl Gatherer {
    /// Adds a share to others.
    pub(in super::super) fn add(&mut self, share: &Share<'_>, shares: &mut Shares) {
        let [slot, last @ ..] = &mut self.last;
        *slot = share.slot;
        for (place, text) in last.iter_mut().zip(share.of) {
            let at = usize::try_from(*place).unwrap_or(usize::MAX);
            if self.texts.get(at).is_some_and(|known| same(known, text)) {
                continue;
            }
            *place = match self.places.get(text) {
                Some(known) => *known,
                None => {
                    // A part has fewer rows than that by far.
                    let new = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
                    let text: Arc<[u8]> = text.into();
                    self.texts.push(Arc::clone(&text));
                    shares.texts.push(Arc::clone(&text));
                    self.places.insert(text, new);
                    new
                }
            };
        }
        let new = self.groups.len();
        let place = *self.groups.entry(self.last).or_insert(new);
        if place == new {
            shares.groups.push(self.last);
        }
        shares.sums.push((place, share.sums));
    }
}

/// Sums in memory.
#[derive(Debug, Default)]
pub(in super::super) struct Usage {
    pub(super) texts: Vec<Arc<[u8]>>,
    pub(super) groups: Vec<(Group, Sums)>,
}

impl Usage {
    /// Takes the shares that were gathered for it.
    pub(in super::super) fn add_all(&mut self, shares: &mut Shares) {
        self.texts.append(&mut shares.texts);
        let new = shares.groups.drain(..);
        self.groups
            .extend(new.map(|group| (group, Sums::default())));
        for (place, sums) in shares.sums.drain(..) {
            if let Some((_, sum)) = self.groups.get_mut(place) {
                sum.add(&sums);
            }
        }
    }

    pub(super) fn each(&self, take: &mut Take<'_>) {
        let text = |place: u32| {
            let at = usize::try_from(place).unwrap_or(usize::MAX);
            let text = self.texts.get(at).map(|text| str::from_utf8(text));
            text.and_then(Result::ok).unwrap_or_default()
        };
        for ([slot, of @ ..], sums) in &self.groups {
            take(i64::from(*slot) * SLOT_MS, &of.map(text), sums);
        }
    }
}
