//! The one end of a request: its closing record or its denial, what its limits are given back, and what is counted.
//!
//! Never waits: the record is one `write`.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use journal::{Attempt, Closing, Denial, Durable, Judgement, Moment, Outcome, Tokens};
use policies::limit::level::Now;
use smallvec::SmallVec;
use wire::facts::{Finish, Usage};
use wire::{Fault, Kind};

use super::{Exchange, Tried};
use crate::pipeline::keep::Keep;
use crate::pipeline::limits;

/// Most tokens that a vendor may count beyond the bytes of a request or a reply, where no token is less than a byte: what we
/// do not see, such as its own instructions, images, search results and hidden thought.
const HIDDEN_MAX: u64 = 262_144;
/// What a whole answer holds around its text, about.
const ENVELOPE_BYTES: u64 = 600;

impl Exchange {
    /// The one end of a request. Later calls do nothing.
    pub(in crate::pipeline) fn finish(&mut self, outcome: Outcome, fault: Option<&Fault>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        // Who left was told nothing.
        let told = fault.filter(|fault| fault.kind() != Kind::ClientGone);
        let code = told.map_or("", |fault| fault.public_code().as_str());
        let tokens = self.tokens(outcome);
        // A clock that was read is not read again: all that follows has this moment.
        let now = limits::now(self);
        let began_ns = self.worker.shared.clock.mono_at(self.started);
        let took = Duration::from_nanos(now.mono_ns.saturating_sub(began_ns));
        self.ended = match self.entry.take() {
            Some(entry) => self.close(entry, outcome, code, (tokens, took, now)),
            None => self.deny(code, fault, took),
        };
        if self.is_alone() {
            self.ended.hurry();
        }
        self.count(fault, tokens, took);
        limits::settle(self, tokens, now);
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
        (tokens, took, now): (Tokens, Duration, Now),
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
            at: Some(Moment {
                wall_ms: now.wall_ms,
                mono_ns: now.mono_ns,
            }),
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
            first_byte_ms: self.after(self.meter.first_byte),
            first_content_ms: self.after(self.meter.first_content),
            total_ms: millis(took),
            code,
            reply_fingerprint: print.as_ref().and_then(Option::as_ref),
            reply_body: body.as_ref().and_then(Option::as_ref),
        })
    }

    /// How long after the request's arrival, in milliseconds.
    fn after(&self, at: Option<Instant>) -> Option<u64> {
        at.map(|at| millis(at.saturating_duration_since(self.started)))
    }

    /// One record for a request that never came to an upstream; none for the listing of models.
    fn deny(&self, code: &str, fault: Option<&Fault>, took: Duration) -> Durable {
        if fault.is_none() {
            return Durable::NOW;
        }
        let judged = self.judged();
        let (fingerprint, request_body) = self.keep.as_deref().map(Keep::of_request).unzip();
        let denial = Denial {
            judged: Judgement {
                grade: if self.principal.is_some() {
                    self.snapshot.grades.name(self.grade)
                } else {
                    ""
                },
                ..self.judgement(&judged)
            },
            who: self.asker(),
            request_bytes: self.request_bytes.max(self.file_bytes),
            status: self.status,
            code,
            total_ms: millis(took),
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
    pub(in crate::pipeline) fn cost(&self, tokens: Tokens) -> Option<(&str, u64)> {
        let last = self.tried.last()?;
        let price = last.candidate.target().price.as_ref()?;
        let answered = last.fault.is_empty() && self.meter.first_byte.is_some();
        Some((&price.currency, price.of(tokens, answered)))
    }

    /// The vendor's usage, or an estimate, where there is none or what it says cannot be. Some dialects report usage before
    /// the answer too; where that was the last that was heard, the answer is estimated.
    fn tokens(&self, outcome: Outcome) -> Tokens {
        Tokens {
            images: self.meter.images.into(),
            audio_ms: self.meter.audio_ms.into(),
            ..self.counted(outcome)
        }
    }

    /// Tokens alone. Who leaves before the first content pays for the prompt, if the vendor has it.
    fn counted(&self, outcome: Outcome) -> Tokens {
        let left = self.meter.asked && outcome == Outcome::ClientClosed;
        if self.meter.usage.is_none() && self.meter.first_content.is_none() && !left {
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

    /// What was used as far as we saw: what the model's prompts of that length usually are; what was said, or what so many
    /// bytes of a whole answer usually are.
    fn seen(&self) -> Tokens {
        let of = |bytes| self.learnt().map_or(0, |learnt| learnt.prompt(bytes));
        let completion = match self.meter.content_events {
            // Only what was generated has an end of its own.
            0 if self.meter.finish.is_some() => {
                of(self.meter.bytes_down.saturating_sub(ENVELOPE_BYTES))
            }
            _ => self.said_tokens(),
        };
        Tokens {
            prompt: of(self.request_bytes),
            completion,
            ..Tokens::default()
        }
    }

    fn count(&self, fault: Option<&Fault>, tokens: Tokens, took: Duration) {
        let shared = &self.worker.shared;
        shared.routes.of(self.endpoint).done(self.status, took);
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
        meters.input_tokens.inc_by(tokens.prompt);
        meters.output_tokens.inc_by(tokens.completion);
        if !last.fault.is_empty() {
            return;
        }
        meters.ok();
        if let Some(at) = self.meter.first_content {
            meters
                .first_content
                .observe(at.saturating_duration_since(self.started));
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.worker.answering.fetch_sub(1, Ordering::Relaxed);
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
pub(in crate::pipeline) fn outcome_of(fault: &Fault) -> Outcome {
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

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
