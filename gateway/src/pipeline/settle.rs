//! One request's account: who, what, where to, how it ended. All ends meet in [`Exchange::finish`].
//!
//! Dropping an exchange that has not finished means that the client left: the same function runs. It only moves ready
//! data and makes one `write`; it never waits.

mod judged;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use adapters::ClientDialect;
use http::{HeaderName, HeaderValue};
use ledger::Lease;
use policies::access::keys::Principal;
use policies::access::token::Digest;
use policies::law::Cleared;
use policies::limit::learnt::Learnt;
use policies::limit::level::Standing;
use policies::limit::meter::Unit;
use policies::policy::Policy;
use policies::scan::Sort;
use smallvec::SmallVec;
use wire::facts::{Finish, Usage};
use wire::{Fault, Grade, Kind, Verdict};

use super::admission::Pass;
use super::forwarded::Forwarded;
use super::govern::Tally;
use super::grow::Reach;
use super::keep::Keep;
use super::limits;
use super::route::Candidate;
use super::told::Told;
use crate::alarm::SharedAlarm;
use crate::audit;
use crate::config::snapshot::{Snapshot, Target};
use crate::config::tuning::Limits;
use crate::worker::{Inflight, OnPeer, Peer, RequestId, Worker};
use journal::{self, Attempt, Closing, Denial, Durable, Opening, Outcome, Tokens};

/// Most tokens that a vendor may count beyond the bytes of a request or a reply, where no token is less than a byte: what we
/// do not see, such as its own instructions, images, search results and hidden thought.
const HIDDEN_MAX: u64 = 262_144;
/// What a whole answer holds around its text, about.
const ENVELOPE_BYTES: u64 = 600;

/// What a reply has told so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    pub(super) usage: Option<Usage>,
    pub(super) finish: Option<Finish>,
    /// Events that carried content: about one token each, where a vendor reports none.
    pub(super) content_events: u64,
    pub(super) events: u64,
    pub(super) bytes_down: u64,
    pub(super) first_byte: Option<Instant>,
    pub(super) first_content: Option<Instant>,
    /// Images that were made.
    pub(super) images: u32,
    /// Sound that was read, in milliseconds.
    pub(super) audio_ms: u32,
}

/// One target that was tried.
struct Tried {
    candidate: Candidate,
    fault: &'static str,
}

impl Tried {
    fn provider(&self) -> &str {
        &self.candidate.target().provider.name
    }

    fn model(&self) -> &str {
        &self.candidate.target().model
    }

    fn location(&self) -> &'static str {
        self.candidate.target().provider.location.as_str()
    }
}

/// A request from its arrival to its end. An idle stream holds one: what few requests have is a list or a box.
pub(super) struct Exchange {
    pub(super) worker: Arc<Worker>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) dialect: &'static dyn ClientDialect,
    pub(super) id: RequestId,
    /// Wall clock at arrival, ms since the epoch.
    pub(super) now_ms: i64,
    pub(super) started: Instant,
    /// When the request had come whole; put off by what it then waited for others.
    pub(super) complete: Instant,
    pub(super) endpoint: &'static str,
    pub(super) principal: Option<Arc<Principal>>,
    /// The client behind a trusted proxy.
    pub(super) forwarded: Option<Box<Forwarded>>,
    /// What the client says of its own.
    pub(super) told: Option<Box<Told>>,
    pub(super) asked: String,
    pub(super) streams: bool,
    /// Whether the client asked for usage in the stream.
    pub(super) usage_asked: bool,
    /// How the reply is to be written.
    pub(super) shape: wire::facts::Shape,
    /// Whether what the model thinks may be shown.
    pub(super) thoughts: bool,
    /// The stream goes down as one JSON array.
    pub(super) array: bool,
    pub(super) grade: Grade,
    pub(super) verdict: Option<Verdict>,
    /// Images, sound, files of the request.
    pub(super) media: u32,
    /// What was found in the request, by type.
    pub(super) counts: Vec<(Sort, u32)>,
    /// Rules that took effect, and rules that would have.
    pub(super) fired: Vec<usize>,
    pub(super) shadowed: Vec<usize>,
    /// The gate that refused, and gates that did not answer and let it pass; positions in the snapshot.
    pub(super) gate_refused: Option<usize>,
    pub(super) gates_open: Vec<usize>,
    /// What looked, if it is not the snapshot's policy.
    pub(super) looked_with: Option<Arc<Policy>>,
    /// Types that were replaced in what went to the first target.
    pub(super) replaced: SmallVec<[Sort; 2]>,
    /// What was found in the reply.
    pub(super) tally: Option<Box<Tally>>,
    pub(super) request_bytes: u64,
    /// Of a form with a file: all of it, as it came.
    pub(super) file_bytes: u64,
    /// What the audit log keeps beside the records.
    pub(super) keep: Option<Box<Keep>>,
    pub(super) standing: Option<Standing>,
    pub(super) tokens_standing: Option<Standing>,
    /// What is reserved of limits and budgets.
    pub(super) lease: Option<Lease>,
    /// How far that goes.
    pub(super) reach: Reach,
    /// What the attempt that runs holds of its vendor's limits.
    pub(super) pass: Option<Box<Pass>>,
    /// Headers of the answer beyond the usual ones.
    pub(super) extra: Vec<(HeaderName, HeaderValue)>,
    pub(super) meter: Meter,
    /// Status that goes (or would have gone) down.
    pub(super) status: u16,
    on_peer: OnPeer,
    /// Limits of requests have not heard of this one yet.
    uncounted: bool,
    inflight: Option<Inflight>,
    entry: Option<journal::Entry>,
    ended: Durable,
    tried: SmallVec<[Tried; 1]>,
    finished: bool,
}

impl Exchange {
    /// Adds what was found in a part of the reply.
    pub(super) fn says(&mut self, tally: &Tally) {
        if !tally.is_empty() {
            self.tally.get_or_insert_default().add(tally);
        }
    }

    pub(super) fn begin(
        worker: &Arc<Worker>,
        peer: &Arc<Peer>,
        id: RequestId,
        now_ms: i64,
        dialect: &'static dyn ClientDialect,
    ) -> Self {
        let now = Instant::now();
        Self {
            snapshot: worker.shared.store.load(),
            dialect,
            id,
            now_ms,
            started: now,
            complete: now,
            endpoint: "",
            principal: None,
            forwarded: None,
            told: None,
            asked: String::new(),
            streams: false,
            usage_asked: false,
            shape: wire::facts::Shape::default(),
            thoughts: false,
            array: false,
            grade: Grade::LOWEST,
            verdict: None,
            media: 0,
            counts: Vec::new(),
            fired: Vec::new(),
            shadowed: Vec::new(),
            gate_refused: None,
            looked_with: None,
            replaced: SmallVec::new(),
            gates_open: Vec::new(),
            tally: None,
            request_bytes: 0,
            file_bytes: 0,
            keep: None,
            standing: None,
            tokens_standing: None,
            lease: None,
            reach: Reach::default(),
            pass: None,
            extra: Vec::new(),
            meter: Meter::default(),
            status: 0,
            on_peer: peer.enter(),
            uncounted: false,
            inflight: None,
            entry: None,
            ended: Durable::NOW,
            tried: SmallVec::new(),
            finished: false,
            worker: Arc::clone(worker),
        }
    }

    /// The client's address, without a port.
    pub(super) fn client_ip(&self) -> &str {
        match &self.forwarded {
            Some(forwarded) => &forwarded.text,
            None => self.on_peer.address(),
        }
    }

    /// The same, to be compared; `None` if a proxy hid it.
    pub(super) fn client_address(&self) -> Option<IpAddr> {
        match &self.forwarded {
            Some(forwarded) => forwarded.address,
            None => Some(self.on_peer.ip()),
        }
    }

    /// The request's body is here whole: from now on its client can only leave.
    pub(super) fn is_whole(&self) {
        self.on_peer.is_whole();
    }

    /// The names in the client's certificate.
    pub(super) fn certificate(&self) -> &[Digest] {
        self.on_peer.certificate()
    }

    /// A timer for the waits of this request.
    pub(super) fn alarm(&self) -> Arc<SharedAlarm> {
        self.on_peer.alarm()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.snapshot.limits
    }

    /// This request is one that limits count.
    pub(super) fn is_work(&mut self) {
        self.uncounted = true;
    }

    /// Limits have been asked about it.
    pub(super) fn is_counted(&mut self) {
        self.uncounted = false;
    }

    /// Whether limits should count it and have not.
    pub(super) fn is_uncounted(&self) -> bool {
        self.uncounted
    }

    /// What is known of the requests of the model that answered.
    pub(super) fn learnt(&self) -> Option<&Learnt> {
        self.tried.last().map(|tried| tried.candidate.learnt())
    }

    /// Takes a place among the requests in flight.
    pub(super) fn enter(&mut self) -> Result<(), Fault> {
        if self.worker.shared.is_cut() {
            return Err(Kind::Draining.into());
        }
        let place = self
            .worker
            .shared
            .enter(self.snapshot.overload.max_inflight as usize);
        self.inflight = Some(place.ok_or_else(|| {
            Fault::new(Kind::Overloaded)
                .reason("load")
                .retry_after(std::time::Duration::from_secs(1))
        })?);
        Ok(())
    }

    /// Whether this request's key was revoked since it began.
    pub(super) fn is_revoked(&self) -> bool {
        self.principal
            .as_ref()
            .is_some_and(|principal| principal.is_stopped())
    }

    /// Writes the opening record. Only after this may a byte go upstream.
    pub(super) fn open(&mut self, first: &Cleared<Candidate>, targets: usize) -> Result<(), Fault> {
        let entry = self.begin_entry(Some(first), targets)?;
        self.replaced = first.replaced().into();
        self.entry = Some(entry);
        Ok(())
    }

    /// Writes the opening record of a request that goes nowhere.
    pub(super) fn record_alone(&mut self) -> Result<(), Fault> {
        self.entry = Some(self.begin_entry(None, 0)?);
        Ok(())
    }

    /// What looked at the request.
    fn policy(&self) -> Option<&Policy> {
        self.looked_with
            .as_deref()
            .or(self.snapshot.policy.as_deref())
    }

    /// Whether its opening record is written.
    pub(super) fn is_open(&self) -> bool {
        self.entry.is_some()
    }

    fn begin_entry(
        &self,
        first: Option<&Cleared<Candidate>>,
        targets: usize,
    ) -> Result<journal::Entry, Fault> {
        let target = first.map(|first| first.target().target());
        let judged = self.judged();
        let (fingerprint, request_body) = self.keep.as_deref().map(Keep::of_request).unzip();
        let lease = self.lease.as_ref();
        let reserved = |unit| {
            let all = lease.into_iter().flat_map(Lease::reserved);
            let of = all.filter(|(meter, _)| meter.limit.unit == unit);
            of.map(|(_, amount)| amount).max().unwrap_or(0)
        };
        let opening = Opening {
            id: self.id.as_str(),
            key: self.key_id(),
            user: self.user(),
            config: &self.snapshot.fingerprint,
            trace: self.told.as_ref().map_or("", |told| told.trace()),
            client_request_id: self.told.as_ref().map_or("", |told| told.request_id()),
            team: self.team(),
            client: self.client_ip(),
            dialect: self.dialect.name(),
            endpoint: self.endpoint,
            asked: &self.asked,
            provider: target.map_or("", |target| &target.provider.name),
            model: target.map_or("", |target| &target.model),
            location: target.map_or("", |target| target.provider.location.as_str()),
            stream: self.streams,
            grade: self.snapshot.grades.name(self.grade),
            verdict: self.verdict.map_or("", Verdict::as_str),
            policies: &judged.fired,
            findings: &judged.findings,
            shadowed: &judged.shadowed,
            media: self.media,
            redactions: first.map_or(0, Cleared::redactions) as u64,
            request_bytes: self.request_bytes.max(self.file_bytes),
            targets: u32::try_from(targets).unwrap_or(u32::MAX),
            reserved_tokens: reserved(Unit::Tokens),
            reserved_nano: reserved(Unit::Cost),
            fingerprint: fingerprint.flatten(),
            request_body: request_body.flatten(),
        };
        let journal = &self.worker.shared.journal;
        journal
            .begin(self.worker.index, &opening)
            .map_err(|error| audit::unavailable(&error))
    }

    /// The opening record, for whoever is about to send something on.
    pub(super) fn opened(&self) -> Durable {
        let entry = self.entry.as_ref();
        entry.map_or(Durable::NOW, journal::Entry::durable)
    }

    /// Waits until the opening record is as durable as the config asks, and counts what we took until here.
    pub(super) async fn recorded(&mut self) -> Result<(), Fault> {
        let opened = self.opened();
        if !opened.is_now() {
            opened.await.map_err(|error| audit::unavailable(&error))?;
        }
        self.passed();
        Ok(())
    }

    /// Counts what we took until here.
    pub(super) fn passed(&self) {
        let overhead = &self.worker.shared.metrics.overhead;
        overhead.observe(self.complete.elapsed());
    }

    /// The last record of a request that has finished. Its end goes down only when this has resolved.
    pub(super) fn ended(&mut self) -> Durable {
        std::mem::replace(&mut self.ended, Durable::NOW)
    }

    /// Remembers a target that is being tried.
    pub(super) fn tries(&mut self, candidate: &Candidate) {
        // What another has said is no part of this one's reply.
        self.meter = Meter::default();
        self.tried.push(Tried {
            candidate: candidate.clone(),
            fault: "",
        });
    }

    /// The target tried last failed.
    pub(super) fn failed(&mut self, fault: &Fault) {
        if let Some(last) = self.tried.last_mut() {
            last.fault = fault.kind().row().label;
            if fault.why() == "clock_skew" {
                // Nobody's fault but ours, even where the next target answers.
                let provider = &*last.candidate.target().provider.name;
                tracing::error!(
                    provider,
                    "a provider refuses the time of this machine's clock"
                );
            }
            self.worker
                .shared
                .meters(last.candidate.target())
                .failed(fault.kind());
        }
    }

    pub(super) fn attempts(&self) -> usize {
        self.tried.len()
    }

    /// The target tried last.
    pub(super) fn answering(&self) -> Option<&Target> {
        self.tried.last().map(|tried| tried.candidate.target())
    }

    fn key_id(&self) -> &str {
        self.principal
            .as_ref()
            .map_or("", |principal| &principal.id)
    }

    /// The user whom the credential names. Virtual keys name none.
    pub(super) fn user(&self) -> &str {
        self.principal
            .as_ref()
            .and_then(|principal| principal.user.as_deref())
            .unwrap_or_default()
    }

    fn team(&self) -> &str {
        self.principal
            .as_ref()
            .and_then(|principal| principal.team.as_deref())
            .unwrap_or_default()
    }

    /// The one end of a request. Later calls do nothing.
    pub(super) fn finish(&mut self, outcome: Outcome, fault: Option<&Fault>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let code = fault.map_or("", |fault| fault.public_code().as_str());
        let tokens = self.tokens();
        self.ended = match self.entry.take() {
            Some(entry) => self.close(entry, outcome, code, tokens),
            None => self.deny(code, fault),
        };
        self.count(fault, tokens);
        limits::settle(self, tokens);
        if let Some(fault) = fault {
            self.worker
                .log_fault(self.id.as_str(), self.key_id(), fault);
        }
        self.inflight = None;
    }

    fn close(
        &mut self,
        entry: journal::Entry,
        outcome: Outcome,
        code: &str,
        tokens: Tokens,
    ) -> Durable {
        // Bodies come before the record that names them.
        let (print, body) = self.keep.as_deref_mut().map(Keep::of_reply).unzip();
        let attempts: SmallVec<[Attempt<'_>; 4]> = self
            .tried
            .iter()
            .map(|tried| Attempt {
                provider: tried.provider(),
                model: tried.model(),
                fault: tried.fault,
            })
            .collect();
        let answered = self.tried.last().filter(|tried| tried.fault.is_empty());
        let cost = self.cost(tokens);
        let said = self.said();
        let gate = |at: &usize| self.snapshot.gates.get(*at).map(|gate| &*gate.name);
        let refused: SmallVec<[&str; 1]> = self.gate_refused.iter().filter_map(gate).collect();
        let gates_open: SmallVec<[&str; 2]> = self.gates_open.iter().filter_map(gate).collect();
        entry.close(&Closing {
            policies: &refused,
            gates_open: &gates_open,
            reply_findings: &said.findings,
            reply_policies: &said.fired,
            reply_shadowed: &said.shadowed,
            restored: self.tally.as_ref().map_or(0, |tally| tally.restored),
            outcome,
            status: self.status,
            provider: answered.map_or("", Tried::provider),
            model: answered.map_or("", Tried::model),
            location: answered.map_or("", Tried::location),
            attempts: &attempts,
            tokens,
            cost_nano: cost.map(|(_, nano)| nano),
            currency: cost.map_or("", |(currency, _)| currency),
            finish: self.meter.finish.map_or("", Finish::as_str),
            bytes_down: self.meter.bytes_down,
            events: self.meter.events,
            first_byte_ms: self.meter.first_byte.map(|at| millis(at, self.started)),
            first_content_ms: self.meter.first_content.map(|at| millis(at, self.started)),
            total_ms: millis(Instant::now(), self.started),
            code,
            reply_fingerprint: print.as_ref().and_then(Option::as_ref),
            reply_body: body.as_ref().and_then(Option::as_ref),
        })
    }

    /// One record for a request that never came to an upstream; none for the listing of models.
    fn deny(&self, code: &str, fault: Option<&Fault>) -> Durable {
        if fault.is_none() {
            return Durable::NOW;
        }
        let judged = self.judged();
        let (fingerprint, request_body) = self.keep.as_deref().map(Keep::of_request).unzip();
        let denial = Denial {
            id: self.id.as_str(),
            key: self.key_id(),
            user: self.user(),
            config: &self.snapshot.fingerprint,
            trace: self.told.as_ref().map_or("", |told| told.trace()),
            client_request_id: self.told.as_ref().map_or("", |told| told.request_id()),
            team: self.team(),
            client: self.client_ip(),
            dialect: self.dialect.name(),
            endpoint: self.endpoint,
            asked: &self.asked,
            grade: if self.principal.is_some() {
                self.snapshot.grades.name(self.grade)
            } else {
                ""
            },
            verdict: self.verdict.map_or("", Verdict::as_str),
            policies: &judged.fired,
            findings: &judged.findings,
            shadowed: &judged.shadowed,
            media: self.media,
            request_bytes: self.request_bytes.max(self.file_bytes),
            status: self.status,
            code,
            total_ms: millis(Instant::now(), self.started),
            fingerprint: fingerprint.flatten(),
            request_body: request_body.flatten(),
        };
        // Nothing passed, so an unwritable journal changes nothing here; its state is seen in /readyz.
        let journal = &self.worker.shared.journal;
        let denied = journal.deny(self.worker.index, &denial).ok();
        journal.durable(denied)
    }

    /// What the tokens cost at the target that was tried last, which made them: it is paid for what it said even if it failed
    /// afterwards.
    pub(super) fn cost(&self, tokens: Tokens) -> Option<(&str, u64)> {
        let last = self.tried.last()?;
        let price = last.candidate.target().price.as_ref()?;
        let answered = last.fault.is_empty() && self.meter.first_byte.is_some();
        Some((&price.currency, price.of(tokens, answered)))
    }

    /// The vendor's usage, or an estimate, where there is none or what it says cannot be. Some dialects report usage before
    /// the answer too; where that was the last that was heard, the answer is estimated.
    fn tokens(&self) -> Tokens {
        Tokens {
            images: self.meter.images.into(),
            audio_ms: self.meter.audio_ms.into(),
            ..self.counted()
        }
    }

    /// Tokens alone.
    fn counted(&self) -> Tokens {
        if self.meter.usage.is_none() && self.meter.first_content.is_none() {
            return Tokens::default();
        }
        let seen = self.seen();
        let Some(usage) = self.meter.usage.map(Usage::clamped) else {
            return Tokens {
                estimated: true,
                ..seen
            };
        };
        let early = self.meter.finish.is_none() && seen.completion > usage.completion;
        // What is left out of a report because it was negative or absurd is 0 by now.
        let prompt_odd = usage.prompt > self.request_bytes.saturating_add(HIDDEN_MAX)
            || (usage.prompt == 0 && seen.completion > 0);
        let reply_odd = usage.completion > self.meter.bytes_down.saturating_add(HIDDEN_MAX)
            || (usage.completion == 0 && seen.completion > 0 && !early);
        let mut tokens = Tokens {
            prompt: usage.prompt,
            completion: usage.completion,
            cached: usage.cached,
            cache_write: usage.cache_write,
            reasoning: usage.reasoning,
            estimated: early || prompt_odd || reply_odd,
            doubted: prompt_odd || reply_odd,
            ..Tokens::default()
        };
        if prompt_odd {
            (tokens.prompt, tokens.cached, tokens.cache_write) = (seen.prompt, 0, 0);
        }
        if reply_odd {
            tokens.reasoning = 0;
        }
        if reply_odd || early {
            tokens.completion = seen.completion;
        }
        tokens
    }

    /// What was used as far as we saw: what the model's prompts of that length usually are; one token a content event, or what
    /// so many bytes of a whole answer usually are.
    fn seen(&self) -> Tokens {
        let of = |bytes| self.learnt().map_or(0, |learnt| learnt.prompt(bytes));
        let completion = match self.meter.content_events {
            // Only what was generated has an end of its own.
            0 if self.meter.finish.is_some() => {
                of(self.meter.bytes_down.saturating_sub(ENVELOPE_BYTES))
            }
            events => events,
        };
        Tokens {
            prompt: of(self.request_bytes),
            completion,
            ..Tokens::default()
        }
    }

    fn count(&self, fault: Option<&Fault>, tokens: Tokens) {
        let shared = &self.worker.shared;
        shared
            .routes
            .of(self.endpoint)
            .done(self.status, self.started.elapsed());
        if let Some(fault) = fault {
            shared.metrics.fault(fault.kind(), fault.why());
        }
        if let Some(verdict) = self.verdict {
            shared.metrics.verdict(verdict);
        }
        self.count_policy(fault);
        let Some(last) = self.tried.last() else {
            return;
        };
        let meters = shared.meters(last.candidate.target());
        if let (Some(cost), Some((_, nano))) = (&meters.cost, self.cost(tokens)) {
            cost.inc_by(nano as f64 / 1e9);
        }
        if !last.fault.is_empty() {
            return;
        }
        meters.ok();
        meters.input_tokens.inc_by(tokens.prompt);
        meters.output_tokens.inc_by(tokens.completion);
        if let Some(at) = self.meter.first_content {
            meters
                .first_content
                .observe(at.saturating_duration_since(self.started));
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.finished {
            self.status = if self.status == 0 { 499 } else { self.status };
            // Unwinding drops it too: then the fault is ours; so does the end of a drain.
            let (outcome, kind) = if std::thread::panicking() {
                (Outcome::InternalError, Kind::Bug)
            } else if self.worker.shared.is_cut() {
                (Outcome::Draining, Kind::Draining)
            } else {
                (Outcome::ClientClosed, Kind::ClientGone)
            };
            self.finish(outcome, Some(&kind.into()));
        }
    }
}

/// How a fault ends a request in the journal.
pub(super) fn outcome_of(fault: &Fault) -> Outcome {
    match fault.kind() {
        Kind::ClientGone => Outcome::ClientClosed,
        Kind::Draining => Outcome::Draining,
        Kind::FirstByteTimeout | Kind::IdleTimeout | Kind::DeadlinePassed => Outcome::TimedOut,
        Kind::Bug | Kind::JournalDown | Kind::LedgerDown | Kind::Overloaded => {
            Outcome::InternalError
        }
        _ if fault.side() == wire::fault::Side::Upstream => Outcome::UpstreamError,
        _ => Outcome::Refused,
    }
}

fn millis(at: Instant, from: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}
