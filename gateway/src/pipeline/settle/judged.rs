//! What policies found and did with a request, in names for the journal and in numbers for the metrics.
//!
//! Knows types and rules, never a value.

use policies::policy::{Policy, Remedy, ReplyRemedy};
use policies::scan::Sort;
use smallvec::SmallVec;
use wire::{Fault, Verdict};

use super::Exchange;
use crate::telemetry::policy::{Phase, RuleVerdict};
use journal;

/// Names for the journal.
#[derive(Default)]
pub(super) struct Judged<'p> {
    pub(super) findings: SmallVec<[journal::Found<'p>; 4]>,
    pub(super) fired: SmallVec<[&'p str; 4]>,
    pub(super) shadowed: SmallVec<[&'p str; 4]>,
}

impl Exchange {
    /// What the law found and did with the request, in names.
    pub(super) fn judged(&self) -> Judged<'_> {
        let Some(policy) = self.policy() else {
            return Judged::default();
        };
        let rule = |at: &usize| policy.rules.get(*at).map(|rule| &*rule.name);
        Judged {
            findings: found(policy, &self.counts),
            fired: self.fired.iter().filter_map(rule).collect(),
            shadowed: self.shadowed.iter().filter_map(rule).collect(),
        }
    }

    /// The same and what was made of it, for a record.
    pub(super) fn judgement<'j>(&'j self, judged: &'j Judged<'_>) -> journal::Judgement<'j> {
        journal::Judgement {
            grade: self.snapshot.grades.name(self.grade),
            verdict: self.verdict.map_or("", Verdict::as_str),
            policies: &judged.fired,
            findings: &judged.findings,
            shadowed: &judged.shadowed,
            media: self.media,
        }
    }

    /// The same of the reply.
    pub(super) fn said(&self) -> Judged<'_> {
        let Some(policy) = self.policy() else {
            return Judged::default();
        };
        let Some(tally) = &self.tally else {
            return Judged::default();
        };
        let rule = |at: &usize| policy.reply.get(*at).map(|rule| &*rule.name);
        Judged {
            findings: found(policy, &tally.counts),
            fired: tally.fired.iter().filter_map(rule).collect(),
            shadowed: tally.shadowed.iter().filter_map(rule).collect(),
        }
    }

    /// Counts it all.
    pub(super) fn count_policy(&self, fault: Option<&Fault>) {
        let shared = &self.worker.shared;
        if fault.is_some_and(|fault| fault.why() == "policy_unavailable") {
            shared.metrics.policy_errors.inc();
        }
        let Some(policy) = self.policy() else {
            return;
        };
        // Built-in types have the same numbers in every policy.
        let sized = self.snapshot.policy.as_deref().unwrap_or(policy);
        let meters = shared.policy_meters(&self.snapshot, sized);
        for (sort, count) in &self.counts {
            let (at, name) = (usize::from(sort.0), policy.name(*sort));
            meters.found(Phase::Request, at, name, *count);
            if self.replaced.contains(sort) {
                meters.redacted(at, name, *count);
            }
        }
        for at in self.fired.iter().chain(&self.shadowed) {
            let Some(rule) = policy.rules.get(*at) else {
                continue;
            };
            let verdict = match rule.remedy {
                _ if rule.shadow => RuleVerdict::Shadow,
                Remedy::Redact { .. } => RuleVerdict::Redact,
                Remedy::Reroute => RuleVerdict::Reroute,
                Remedy::Refuse => RuleVerdict::Refuse,
            };
            meters.decided(Phase::Request, *at, &rule.name, verdict);
        }
        let Some(tally) = &self.tally else {
            return;
        };
        for (sort, count) in &tally.counts {
            let (at, name) = (usize::from(sort.0), policy.name(*sort));
            meters.found(Phase::Reply, at, name, *count);
            let rule = policy.reply_rule(*sort);
            if rule.is_some_and(|(_, rule)| matches!(rule.remedy, ReplyRemedy::Redact(_))) {
                meters.redacted(at, name, *count);
            }
        }
        for at in tally.fired.iter().chain(&tally.shadowed) {
            let Some(rule) = policy.reply.get(*at) else {
                continue;
            };
            let verdict = match rule.remedy {
                _ if rule.shadow => RuleVerdict::Shadow,
                ReplyRemedy::Redact(_) => RuleVerdict::Redact,
                ReplyRemedy::Refuse => RuleVerdict::Refuse,
            };
            meters.decided(Phase::Reply, *at, &rule.name, verdict);
        }
    }
}

fn found<'p>(policy: &'p Policy, counts: &[(Sort, u32)]) -> SmallVec<[journal::Found<'p>; 4]> {
    counts
        .iter()
        .map(|(sort, count)| journal::Found {
            kind: policy.name(*sort),
            count: *count,
        })
        .collect()
}
