//! A request that is judged as in the walk, and sent nowhere: for `yumen policy`.
//!
//! Uses the stages' own parts, so that a trial cannot differ from what traffic gets. Opens no connection, writes no
//! record, charges no limit, asks no gate; targets stand in the config's order instead of being drawn.

use std::sync::Arc;

use adapters::{Asked, ClientDialect};
use bytes::Bytes;
use policies::access::keys::Principal;
use policies::findings::Findings;
use policies::law::{Case, Judgement, judge};
use policies::policy::{Policy, no_facts};
use policies::when::Facts;
use wire::facts::RequestFacts;
use wire::{Fault, Grade, Kind};

use super::inspect::read_as;
use super::look::look;
use super::route::Asker as Asks;
pub use super::route::Candidate;
use crate::config::snapshot::{Model, Snapshot};

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Under which config.
    pub snapshot: &'a Snapshot,
    /// The key.
    pub principal: &'a Principal,
    /// What the header declares.
    pub declared: Grade,
    /// The caller's address.
    pub client_ip: &'a str,
    /// The path.
    pub endpoint: &'a str,
    /// The moment, in Unix milliseconds.
    pub now_ms: i64,
}

/// A request that was read and looked through.
pub struct Seen {
    /// The body.
    pub body: Bytes,
    /// What it says.
    pub facts: RequestFacts,
    /// What was found in it.
    pub findings: Findings,
    dialect: &'static str,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen")
            .field("model", &self.facts.model)
            .finish_non_exhaustive()
    }
}

/// Reads a body and looks through it.
///
/// # Errors
/// What the caller of such a request would be told.
pub async fn see(
    snapshot: &Snapshot,
    (dialect, asked): (&'static dyn ClientDialect, &Asked),
    body: Bytes,
) -> Result<Seen, Fault> {
    if body.len() as u64 > snapshot.limits.body_bytes.0 {
        return Err(Kind::TooLarge.into());
    }
    let facts = read_as(dialect, &snapshot.limits, asked, &body)?;
    let findings = match &snapshot.policy {
        None => Findings::default(),
        Some(policy) => look(policy, &body, &dialect.contents(&body, &facts)).await?,
    };
    Ok(Seen {
        body,
        facts,
        findings,
        dialect: dialect.name(),
    })
}

impl<'a> Asker<'a> {
    /// The model, if there is one and this key may ask for it.
    ///
    /// # Errors
    /// What the caller of such a request would be told.
    pub fn model(&self, name: &str) -> Result<&'a Arc<Model>, Fault> {
        let model = self.snapshot.models.get(name);
        let model = model.ok_or(Kind::NoSuchModel)?;
        if self.principal.models.allow(name) {
            Ok(model)
        } else {
            Err(Kind::Forbidden.into())
        }
    }

    /// What conditions may read of a request, but for what the law fills in.
    #[must_use]
    pub fn facts(&self, seen: &'a Seen) -> Facts<'a> {
        let Some(policy) = &self.snapshot.policy else {
            return no_facts(&[]);
        };
        let asks = Asks {
            principal: Some(self.principal),
            dialect: seen.dialect,
            endpoint: self.endpoint,
            client_ip: self.client_ip,
            media: seen.findings.media,
            now_ms: self.now_ms,
        };
        asks.facts(&seen.body, &seen.facts, policy)
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> Option<&'a Policy> {
        self.snapshot.policy.as_deref()
    }

    /// Asks the law about all targets of a model.
    #[must_use]
    pub fn judge(
        &self,
        model: &Arc<Model>,
        body: &Bytes,
        findings: &Findings,
        facts: Facts<'_>,
    ) -> Judgement<Candidate> {
        judge(&self.case(body, findings, facts), Candidate::all(model))
    }

    /// Asks the law about each target alone.
    #[must_use]
    pub fn judge_each(
        &self,
        model: &Arc<Model>,
        body: &Bytes,
        findings: &Findings,
        facts: Facts<'_>,
    ) -> Vec<(Candidate, Judgement<Candidate>)> {
        let case = self.case(body, findings, facts);
        Candidate::all(model)
            .map(|candidate| (candidate.clone(), judge(&case, [candidate])))
            .collect()
    }

    fn case<'c>(&self, body: &'c Bytes, findings: &'c Findings, facts: Facts<'c>) -> Case<'c>
    where
        'a: 'c,
    {
        Case {
            policy: self.policy(),
            findings,
            body,
            declared: self.principal.grade.max(self.declared),
            public: self.principal.public,
            facts,
        }
    }
}
