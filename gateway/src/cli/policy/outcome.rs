//! What became of a request under a policy, in names.
//!
//! The same for tests, explanations and replays. Invariant: holds no value that was found, but for the body that would be
//! sent, which is compared and never printed.

use std::collections::BTreeMap;

use bytes::Bytes;
use policies::findings::Findings;
use policies::law::{Cleared, Judgement};
use serde::Serialize;
use wire::fault::Code;
use wire::{Fault, Verdict};

use super::ask::Asked;
use crate::config::snapshot::Snapshot;
use crate::config::trial::Bench;
use crate::pipeline::trial::Candidate;

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Outcome {
    /// `allow`, `redact`, `reroute` or `refuse`; absent where no policy decided.
    pub(super) verdict: Option<&'static str>,
    /// The public error code.
    pub(super) code: Option<&'static str>,
    /// What the caller is told.
    pub(super) message: Option<String>,
    /// The grade of the request as it came.
    pub(super) grade: String,
    /// Rules that took effect.
    pub(super) rules: Vec<String>,
    /// Rules in shadow mode that would have.
    pub(super) shadowed: Vec<String>,
    /// What was found, by type.
    pub(super) findings: BTreeMap<String, u32>,
    /// Images, sound and files.
    pub(super) media: u32,
    /// Where it may go, in order.
    pub(super) targets: Vec<Going>,
    /// The body that goes to the first target.
    #[serde(skip)]
    pub(super) sent: Option<Bytes>,
}

/// A target that a request may go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Going {
    pub(super) provider: String,
    pub(super) model: String,
    /// Findings that are replaced in what goes there.
    pub(super) redactions: usize,
}

impl Going {
    pub(super) fn of(cleared: &Cleared<Candidate>) -> Self {
        let target = cleared.target().target();
        Self {
            provider: target.provider.name.to_string(),
            model: target.model.to_string(),
            redactions: cleared.redactions(),
        }
    }
}

impl Outcome {
    /// Tries a request.
    pub(super) fn of(bench: &Bench, asked: &Asked) -> Self {
        let asker = asked.asker(bench);
        let seen = match &asked.seen {
            Ok(seen) => seen,
            Err(fault) => return Self::failed(fault),
        };
        match asker.model(&seen.facts.model) {
            Err(fault) => Self::failed(&fault),
            Ok(model) => {
                let facts = asker.facts(seen);
                let judgement = asker.judge(model, &seen.body, &seen.findings, facts);
                let mut outcome = Self::judged(&bench.snapshot, &seen.findings, &judgement);
                let first = judgement
                    .cleared
                    .as_ref()
                    .ok()
                    .and_then(|cleared| cleared.first());
                let redacted = first.map(|cleared| cleared.redacted().unwrap_or(&seen.body));
                outcome.sent = redacted.cloned();
                outcome
            }
        }
    }

    /// A request that did not come before the law.
    fn failed(fault: &Fault) -> Self {
        let mut outcome = Self::default();
        outcome.fault(fault);
        outcome
    }

    fn fault(&mut self, fault: &Fault) {
        let code = fault.public_code();
        if matches!(code, Code::PolicyRefused | Code::NoClearedProvider) {
            self.verdict = Some(Verdict::Refuse.as_str());
        }
        self.code = Some(code.as_str());
        self.message = Some(fault.sentence().to_owned());
    }

    /// What the law said.
    pub(super) fn judged(
        snapshot: &Snapshot,
        findings: &Findings,
        judgement: &Judgement<Candidate>,
    ) -> Self {
        let policy = snapshot.policy.as_deref();
        let names = |positions: &[usize]| -> Vec<String> {
            let rules = policy
                .map(|policy| policy.rules.as_slice())
                .unwrap_or_default();
            let named = positions.iter().filter_map(|at| rules.get(*at));
            named.map(|rule| rule.name.to_string()).collect()
        };
        let counts = findings.counts().iter();
        let mut outcome = Self {
            grade: snapshot.grades.name(judgement.grade).to_owned(),
            rules: names(&judgement.fired),
            shadowed: names(&judgement.shadowed),
            findings: policy
                .map(|policy| {
                    counts
                        .map(|(sort, count)| (policy.name(*sort).to_owned(), *count))
                        .collect()
                })
                .unwrap_or_default(),
            media: findings.media,
            ..Self::default()
        };
        match &judgement.cleared {
            Err(fault) => outcome.fault(fault),
            Ok(cleared) => {
                outcome.verdict = cleared.first().map(|first| first.verdict().as_str());
                outcome.targets = cleared.iter().map(Going::of).collect();
            }
        }
        outcome
    }

    /// The provider that it goes to first.
    pub(super) fn provider(&self) -> Option<&str> {
        self.targets.first().map(|going| going.provider.as_str())
    }

    /// Findings replaced in what goes there.
    pub(super) fn redactions(&self) -> usize {
        self.targets.first().map_or(0, |going| going.redactions)
    }
}
