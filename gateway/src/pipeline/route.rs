//! Where it may go: model name → targets in order of preference → those that the law clears.
//!
//! Compares no grades itself.

use std::sync::Arc;

use bytes::Bytes;
use policies::law::{self, Cleared, Destination};
use smallvec::SmallVec;
use wire::facts::RequestFacts;
use wire::{Fault, Grade, Kind};

use super::inspect::Inspected;
use super::settle::Exchange;
use crate::config::snapshot::{Model, Target};

/// One target of a model, kept alive by the model.
#[derive(Clone)]
pub(super) struct Candidate {
    model: Arc<Model>,
    index: usize,
}

impl Candidate {
    #[expect(
        clippy::indexing_slicing,
        reason = "made from an index of the same, immutable list"
    )]
    pub(super) fn target(&self) -> &Target {
        &self.model.targets[self.index]
    }
}

impl Destination for Candidate {
    fn clearance(&self) -> Grade {
        self.target().provider.clearance
    }
}

/// A request with the list of targets that it may go to, never empty.
pub(super) struct Routed {
    pub(super) body: Bytes,
    pub(super) facts: RequestFacts,
    pub(super) model: Arc<Model>,
    pub(super) cleared: Vec<Cleared<Candidate>>,
}

pub(super) fn route(exchange: &mut Exchange, inspected: Inspected) -> Result<Routed, Fault> {
    let Inspected { body, facts } = inspected;
    let Some(model) = exchange.snapshot.models.get(facts.model.as_str()) else {
        return Err(Fault::new(Kind::NoSuchModel).param("model"));
    };
    if exchange
        .principal
        .as_ref()
        .is_none_or(|principal| !principal.models.allow(&facts.model))
    {
        return Err(Fault::new(Kind::Forbidden)
            .reason("model_not_allowed")
            .message("This key may not use that model.")
            .param("model"));
    }
    let order = order(&model.targets, || exchange.worker.random());
    let candidates = order.into_iter().map(|index| Candidate {
        model: Arc::clone(model),
        index,
    });
    let cleared = law::judge(exchange.grade, candidates)?;
    exchange.verdict = cleared.first().map(Cleared::verdict);
    Ok(Routed {
        body,
        facts,
        model: Arc::clone(model),
        cleared,
    })
}

/// Targets by priority (lowest number first); within one priority drawn by weight, without replacement.
fn order(targets: &[Target], mut random: impl FnMut() -> u64) -> SmallVec<[usize; 4]> {
    let mut order: SmallVec<[usize; 4]> = (0..targets.len()).collect();
    if targets.len() < 2 {
        return order;
    }
    let weight = |index: usize| {
        targets
            .get(index)
            .map_or(0, |target| u64::from(target.weight))
    };
    let mut from = 0;
    while let Some(rest) = order.get_mut(from..).filter(|rest| rest.len() > 1) {
        let priority = |index: &usize| targets.get(*index).map(|target| target.priority);
        let first = rest.first().and_then(priority);
        let group = rest
            .iter()
            .take_while(|index| priority(index) == first)
            .count();
        let total: u64 = rest.iter().take(group).map(|index| weight(*index)).sum();
        let mut draw = if total == 0 { 0 } else { random() % total };
        let drawn = rest.iter().take(group).position(|index| {
            let own = weight(*index);
            let hit = draw < own;
            draw = draw.saturating_sub(own);
            hit
        });
        rest.swap(0, drawn.unwrap_or(0));
        from += 1;
    }
    order
}
