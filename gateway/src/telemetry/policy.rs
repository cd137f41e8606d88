//! What policies decided and found, counted by names of the config.
//!
//! Sees names and numbers, never a value. Handles are looked up at their first use under a config and kept with it; after
//! that they cost an atomic.

use std::sync::OnceLock;

use prometheus_client::metrics::counter::Counter;

use super::metrics::Maker;
use super::series::Family;

/// What a rule did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleVerdict {
    /// Findings were replaced.
    Redact,
    /// Targets were passed over.
    Reroute,
    /// The request or the reply ended.
    Refuse,
    /// Nothing; it would have.
    Shadow,
}

impl RuleVerdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Redact => "redact",
            Self::Reroute => "reroute",
            Self::Refuse => "refuse",
            Self::Shadow => "shadow",
        }
    }
}

/// What a gate did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateVerdict {
    /// It let the request pass.
    Allow,
    /// It refused it.
    Refuse,
    /// It did not judge, and the request went on.
    Open,
    /// It did not judge, and the request was refused.
    Closed,
}

impl GateVerdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Refuse => "refuse",
            Self::Open => "failed_open",
            Self::Closed => "failed_closed",
        }
    }
}

/// Where something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// In a request.
    Request,
    /// In a reply.
    Reply,
}

/// The metrics with their labels.
#[derive(Clone, Debug)]
pub(super) struct Families {
    /// `rule`, `verdict`
    pub(super) decisions: Family<Counter>,
    /// `type`
    pub(super) redactions: Family<Counter>,
    /// `type`, `phase`
    pub(super) findings: Family<Counter>,
    /// `gate`, `verdict`
    pub(super) gates: Family<Counter>,
}

impl Families {
    pub(super) fn new(m: &mut Maker) -> Self {
        Self {
            decisions: m.counters(
                "yumen_policy_decisions",
                "Rules and gates that took effect, or in shadow mode would have",
                &["rule", "verdict"],
            ),
            redactions: m.counters("yumen_redactions", "Findings replaced", &["type"]),
            findings: m.counters("yumen_findings", "Findings", &["type", "phase"]),
            gates: m.counters(
                "yumen_gate_decisions",
                "What gates answered, and what followed when they did not",
                &["gate", "verdict"],
            ),
        }
    }
}

impl Families {
    /// Counts a gate's answer. Locks shortly: beside a call over the network that is nothing.
    pub(super) fn gate(&self, gate: &str, verdict: GateVerdict) {
        self.gates.at(&[gate, verdict.as_str()]).inc();
        if verdict == GateVerdict::Refuse {
            self.decisions
                .at(&[gate, RuleVerdict::Refuse.as_str()])
                .inc();
        }
    }
}

/// The handles of one policy; held beside it in the snapshot.
#[derive(Debug)]
pub struct PolicyMeters {
    rules: Cells,
    reply_rules: Cells,
    redactions: Cells,
    findings: [Cells; 2],
}

impl PolicyMeters {
    /// Handles of a policy with so many rules and types.
    pub(super) fn new(families: &Families, rules: usize, reply_rules: usize, types: usize) -> Self {
        let findings = || Cells::new(&families.findings, types);
        Self {
            rules: Cells::new(&families.decisions, rules),
            reply_rules: Cells::new(&families.decisions, reply_rules),
            redactions: Cells::new(&families.redactions, types),
            findings: [findings(), findings()],
        }
    }

    /// Counts a rule that took effect, or would have. A rule has one verdict: its remedy, or shadow.
    pub fn decided(&self, phase: Phase, at: usize, name: &str, verdict: RuleVerdict) {
        let cells = match phase {
            Phase::Request => &self.rules,
            Phase::Reply => &self.reply_rules,
        };
        cells.add(at, &[name, verdict.as_str()], 1);
    }

    /// Counts findings of a type that were replaced.
    pub fn redacted(&self, at: usize, name: &str, count: u32) {
        self.redactions.add(at, &[name], count);
    }

    /// Counts findings of a type.
    pub fn found(&self, phase: Phase, at: usize, name: &str, count: u32) {
        let [request, reply] = &self.findings;
        match phase {
            Phase::Request => request.add(at, &[name, "request"], count),
            Phase::Reply => reply.add(at, &[name, "reply"], count),
        }
    }
}

/// Handles by number, each looked up once.
#[derive(Debug)]
struct Cells {
    family: Family<Counter>,
    cells: Box<[OnceLock<Counter>]>,
}

impl Cells {
    fn new(family: &Family<Counter>, count: usize) -> Self {
        Self {
            family: family.clone(),
            cells: (0..count).map(|_| OnceLock::new()).collect(),
        }
    }

    fn add(&self, at: usize, labels: &[&str], by: u32) {
        if let Some(cell) = self.cells.get(at) {
            cell.get_or_init(|| self.family.at(labels))
                .inc_by(u64::from(by));
        }
    }
}
