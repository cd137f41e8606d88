//! One request's account: who, what, where to, how it ended. All ends meet in [`Exchange::finish`].
//!
//! Dropping an exchange that has not finished means that the client left: the same function runs. It only moves ready
//! data and makes one `write`; it never waits.

mod end;
mod judged;
mod meter;

pub(super) use end::outcome_of;
pub(super) use meter::Meter;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use adapters::ClientDialect;
use http::{HeaderName, HeaderValue};
use ledger::Lease;
use policies::access::keys::Principal;
use policies::access::token::Digest;
use policies::law::Cleared;
use policies::limit::learnt::Learnt;
use policies::limit::level::{Now, Standing};
use policies::limit::meter::Unit;
use policies::policy::Policy;
use policies::scan::Sort;
use smallvec::SmallVec;
use wire::{Fault, Grade, Kind, Verdict};

use super::admission::Pass;
use super::forwarded::Forwarded;
use super::govern::Tally;
use super::grow::Reach;
use super::keep::Keep;
use super::route::Candidate;
use super::told::Told;
use crate::alarm::SharedAlarm;
use crate::audit;
use crate::config::snapshot::{Snapshot, Target};
use crate::config::tuning::Limits;
use crate::worker::{Inflight, OnPeer, Peer, RequestId, Worker};
use journal::{self, Asker, Durable, Opening};

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
    /// The connection ends with the answer.
    pub(super) closes: bool,
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

/// # Errors
/// This key was revoked.
pub(super) fn unrevoked(principal: Option<&Principal>) -> Result<(), Fault> {
    if principal.is_some_and(Principal::is_stopped) {
        return Err(Fault::new(Kind::Unauthenticated).reason("revoked"));
    }
    Ok(())
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
        worker.answering.fetch_add(1, Ordering::Relaxed);
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
            closes: false,
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

    /// Whether nobody else is answered by this worker: then what goes out waits for nothing to go along with it.
    pub(super) fn is_alone(&self) -> bool {
        self.worker.answering.load(Ordering::Relaxed) <= 1
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

    /// Tokens of the reply as far as it was seen.
    pub(super) fn said_tokens(&self) -> u64 {
        let learnt = self.learnt();
        learnt.map_or(0, |learnt| self.meter.said(learnt))
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

    /// Asked wherever something is about to leave.
    ///
    /// # Errors
    /// This request's key was revoked since it began.
    pub(super) fn unrevoked(&self) -> Result<(), Fault> {
        unrevoked(self.principal.as_deref())
    }

    /// Makes the opening record. Only after this, and once [`Exchange::opened`] has resolved, may a byte go upstream.
    pub(super) fn open(&mut self, first: &Cleared<Candidate>, targets: usize) -> Result<(), Fault> {
        let entry = self.begin_entry(Some(first), targets)?;
        self.replaced = first.replaced().into();
        self.entry = Some(entry);
        Ok(())
    }

    /// A moment of this request on both clocks, by what they said when it arrived. For limits alone: what is written down
    /// must not hide that the wall clock was set meanwhile.
    pub(super) fn moment(&self, at: Instant) -> Now {
        let after = at.saturating_duration_since(self.started);
        Now {
            mono_ns: self.worker.shared.clock.mono_at(at),
            wall_ms: self.now_ms + i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        }
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

    /// Who asks for what, for records.
    fn asker(&self) -> Asker<'_> {
        Asker {
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
        }
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
            judged: self.judgement(&judged),
            who: self.asker(),
            provider: target.map_or("", |target| &target.provider.name),
            model: target.map_or("", |target| &target.model),
            location: target.map_or("", |target| target.provider.location.as_str()),
            stream: self.streams,
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

    /// The target tried last failed; or the client lost its right to be answered, or the opening is not on disk: then nothing
    /// is the target's fault.
    pub(super) fn failed(&mut self, fault: &Fault) {
        if let Some(last) = self.tried.last_mut() {
            last.fault = fault.kind().row().label;
            if matches!(fault.kind(), Kind::Unauthenticated | Kind::JournalDown) {
                return;
            }
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
}
