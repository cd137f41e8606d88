//! Where it may go: model name → targets in order of preference → those that the law clears.
//!
//! Compares no grades itself.

use std::sync::Arc;

use adapters::Asked;
use bytes::Bytes;
use policies::access::keys::Principal;
use policies::law::{self, Case, Cleared, Destination, Shown};
use policies::limit::learnt::Learnt;
use policies::policy::{Policy, no_facts};
use policies::when::{self, Facts, Provider, Time};
use smallvec::SmallVec;
use wire::facts::RequestFacts;
use wire::{Fault, Grade, Kind};

use super::form::Sending;
use super::inspect::Inspected;
use super::settle::Exchange;
use crate::config::snapshot::{Location, Model, Snapshot, Target};

/// One target of a model, kept alive by the model.
#[derive(Clone)]
pub struct Candidate {
    model: Arc<Model>,
    index: usize,
}

impl Candidate {
    /// All targets of a model, in the config's order within a priority.
    pub(super) fn all(model: &Arc<Model>) -> impl Iterator<Item = Self> {
        (0..model.targets.len()).map(|index| Self {
            model: Arc::clone(model),
            index,
        })
    }

    /// What is known of the model's requests.
    pub(super) fn learnt(&self) -> &Learnt {
        &self.model.learnt
    }

    /// The target.
    #[expect(
        clippy::indexing_slicing,
        reason = "made from an index of the same, immutable list"
    )]
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.model.targets[self.index]
    }
}

impl Destination for Candidate {
    fn clearance(&self) -> Grade {
        self.target().provider.clearance
    }

    fn is_overseas(&self) -> bool {
        self.target().provider.location == Location::Overseas
    }

    fn is_filed(&self) -> bool {
        self.target().filing.is_some()
    }

    fn place(&self) -> Provider<'_> {
        let target = self.target();
        Provider {
            name: &target.provider.name,
            vendor: target.provider.vendor,
            location: target.provider.location.as_str(),
            clearance: i64::from(target.provider.clearance.0),
            model: &target.model,
        }
    }
}

/// A request with the list of targets that it may go to, never empty.
pub(super) struct Routed {
    pub(super) asked: Asked,
    pub(super) body: Bytes,
    pub(super) facts: RequestFacts,
    pub(super) model: Arc<Model>,
    pub(super) cleared: Vec<Cleared<Candidate>>,
    /// What each gate of the config may see.
    pub(super) shown: Vec<Shown>,
    /// What of a form is not in the body.
    pub(super) form: Option<Box<Sending>>,
}

pub(super) fn route(exchange: &mut Exchange, inspected: Inspected) -> Result<Routed, Fault> {
    let Inspected {
        asked,
        body,
        facts,
        findings,
    } = inspected;
    let model = asked_for(&exchange.snapshot, exchange.principal.as_deref(), &facts)?;
    let order = order(&model.targets, || exchange.worker.random());
    let candidates = order.into_iter().map(|index| Candidate {
        model: Arc::clone(model),
        index,
    });
    let policy = exchange.snapshot.policy.clone();
    let client_ip = exchange.client_ip();
    let case = Case {
        policy: policy.as_deref(),
        findings: &findings,
        body: &body,
        declared: exchange.grade,
        public: exchange
            .principal
            .as_ref()
            .is_some_and(|principal| principal.public),
        facts: match policy.as_ref().filter(|policy| policy.has_conditions()) {
            Some(policy) => {
                let asker = Asker {
                    principal: exchange.principal.as_deref(),
                    dialect: exchange.dialect.name(),
                    endpoint: exchange.endpoint,
                    client_ip,
                    media: exchange.media,
                    now_ms: exchange.now_ms,
                };
                asker.facts(&body, &facts, policy)
            }
            None => no_facts(&[]),
        },
    };
    let judgement = law::judge(&case, candidates);
    let cleared = judgement.cleared.as_deref().unwrap_or_default();
    let gates = exchange.snapshot.gates.iter();
    let shown = gates
        .map(|gate| law::shown(&case, cleared, gate.clearance))
        .collect();
    exchange.grade = judgement.grade;
    exchange.fired = judgement.fired.into_vec();
    exchange.shadowed = judgement.shadowed.into_vec();
    let cleared = judgement.cleared?;
    exchange.verdict = cleared.first().map(Cleared::verdict);
    Ok(Routed {
        asked,
        body,
        facts,
        model: Arc::clone(model),
        cleared,
        shown,
        form: None,
    })
}

/// The model that a request names, if there is one and its key may use it.
fn asked_for<'s>(
    snapshot: &'s Snapshot,
    principal: Option<&Principal>,
    facts: &RequestFacts,
) -> Result<&'s Arc<Model>, Fault> {
    let Some(model) = snapshot.models.get(facts.model.as_str()) else {
        return Err(Fault::new(Kind::NoSuchModel).param("model"));
    };
    if principal.is_none_or(|principal| !principal.models.allow(&facts.model)) {
        return Err(Fault::new(Kind::Forbidden)
            .reason("model_not_allowed")
            .message("This key may not use that model.")
            .param("model"));
    }
    Ok(model)
}

/// What conditions may read of a request, beside its body.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) principal: Option<&'a Principal>,
    pub(super) dialect: &'a str,
    pub(super) endpoint: &'a str,
    pub(super) client_ip: &'a str,
    pub(super) media: u32,
    pub(super) now_ms: i64,
}

impl<'a> Asker<'a> {
    pub(super) fn facts(
        self,
        body: &Bytes,
        facts: &'a RequestFacts,
        policy: &'a Policy,
    ) -> Facts<'a> {
        let principal = self.principal;
        Facts {
            request: when::Request {
                dialect: self.dialect,
                endpoint: self.endpoint,
                stream: facts.stream,
                bytes: i64::try_from(body.len()).unwrap_or(i64::MAX),
                messages: i64::from(facts.turns),
                tools: facts.tools,
                images: self.media > 0,
                client_ip: self.client_ip,
            },
            key: when::Key {
                id: principal.map_or("", |principal| &principal.id),
                user: principal
                    .and_then(|principal| principal.user.as_deref())
                    .unwrap_or_default(),
                team: principal
                    .and_then(|principal| principal.team.as_deref())
                    .unwrap_or_default(),
                grade: principal.map_or(0, |principal| i64::from(principal.grade.0)),
            },
            model: &facts.model,
            time: Time::at(self.now_ms.div_euclid(1000), policy.zone_s),
            ..no_facts(&policy.grades)
        }
    }
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
