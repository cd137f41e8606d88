//! One event of the client's own dialect under policy: read in full, edited in place, held while undecided.
//!
//! An event that is more than one data line is written anew as one, and comments of the upstream are dropped: nothing
//! that nobody has read goes down.

use std::cell::RefCell;
use std::ops::Range;

use adapters::ClientDialect;
use bytes::Bytes;
use wire::facts::{EventFacts, Saying};
use wire::json::{self, Tape};
use wire::sse;
use wire::{Edits, Fault, Kind, Rope};

use super::event::{count_texts, flush, without_withheld};
use super::mold::{Alike, Mold};
use super::{Governed, Seen, Speakers, judge};
use crate::pipeline::govern::{Governor, Spoken, Taken};
use crate::pipeline::governing::{spoken_in, without_repeats};
use crate::pipeline::settle::Meter;

thread_local! {
    /// One run a thread: an idle stream keeps none.
    static ALIKE: RefCell<Alike> = RefCell::new(Alike::default());
}

/// Bounds of an event's JSON: as the lens has them.
pub(super) const LIMITS: json::Limits = json::Limits {
    depth: 64,
    members: 10_000,
    elements: 65_536,
    number: 64,
    tokens: 1 << 18,
};

impl Governed {
    /// Takes the events from `at` on that are alike, whose text is looked through as one; whether there were any. Not where
    /// that is one alone, or other text waits. They count, too, if what they say ends the reply.
    pub(super) fn run(
        &mut self,
        limits: sse::Limits,
        now: impl FnOnce() -> u64,
        (data, kept, at): (&Bytes, &mut usize, &mut usize),
        meter: &mut Meter,
        out: &mut Rope,
    ) -> Result<bool, Fault> {
        let lane = self.mold.lane();
        let Some(lane) = lane.filter(|lane| self.governor.reads_alone(*lane)) else {
            return Ok(false);
        };
        ALIKE.with_borrow_mut(|run| {
            run.clear();
            let longest = limits.line_bytes.min(limits.event_bytes);
            self.mold.run(data, *at, longest, run);
            let [first, .., last] = &*run.events else {
                return Ok(false);
            };
            count_texts(meter, run.events.len() as u64, run.text.len() as u64);
            out.push(data.slice((*kept).min(first.event.start)..first.event.start));
            let pieces = run.events.iter().map(|fit| {
                let from = fit.event.start;
                let span = fit.text.start - from..fit.text.end - from;
                (
                    data.slice(fit.event.clone()),
                    fit.event.len(),
                    span,
                    fit.end,
                )
            });
            let now = now();
            let release = |event: Bytes, edits: Edits| out.append(edits.apply(&event));
            let passed = self
                .governor
                .take_alike(lane, &run.text, pieces, now, release)?;
            *at = last.event.end;
            // Those that pass stay with what comes behind them, unless others of the run wait.
            *kept = first.event.start;
            if let Some(held) = run.events.get(passed) {
                out.push(data.slice(*kept..held.event.start));
                *kept = *at;
            }
            Ok(true)
        })
    }

    /// One event under policy.
    pub(super) fn event(
        &mut self,
        event: &sse::Event<'_>,
        (client, spoken, vendor, told): Speakers<'_>,
        (hide_usage, now, seen): (bool, u64, &mut Seen),
        (data, kept, at): (&Bytes, &mut usize, usize),
        out: &mut Rope,
    ) -> Result<EventFacts, Fault> {
        let mut facts = EventFacts::default();
        let molded = self.mold.fits(event.raw);
        let mut step = Step {
            mold: &mut self.mold,
            governor: &mut self.governor,
            client,
            facts: &mut facts,
            hide_usage,
            scratch: &mut Tape::spare(),
            now,
        };
        let taken = molded.and_then(|span| step.take_molded(event, span, data, kept, at, out));
        match taken {
            Some(taken) => taken?,
            None => {
                spoken.read_event(event, step.scratch, step.facts);
                judge(event, step.facts, vendor, &told.view(), step.scratch)?;
                if step.facts.finish.is_some() || step.facts.moderated.is_some() {
                    seen.moderate(step.facts);
                    if let Some(anew) = without_withheld(event, step.facts) {
                        flush(event, data, kept, at, out);
                        let by = (client, spoken, vendor, told);
                        let (anew, how) = (sse::Event::alone(&anew), (hide_usage, now, seen));
                        return self.event(&anew, by, how, (data, kept, at), out);
                    }
                }
                step.take(event, data, kept, at, out)?;
            }
        }
        Ok(facts)
    }
}

pub(super) struct Step<'s> {
    pub(super) mold: &'s mut Mold,
    pub(super) governor: &'s mut Governor<Bytes>,
    pub(super) client: &'static dyn ClientDialect,
    pub(super) facts: &'s mut EventFacts,
    pub(super) hide_usage: bool,
    pub(super) scratch: &'s mut Tape,
    pub(super) now: u64,
}

impl Step<'_> {
    /// Takes an event whose text stands at `span`, as the mold says: it says that and nothing else. `None`: it must be
    /// read after all.
    pub(super) fn take_molded(
        &mut self,
        event: &sse::Event<'_>,
        span: Range<usize>,
        data: &Bytes,
        kept: &mut usize,
        at: usize,
        out: &mut Rope,
    ) -> Option<Result<(), Fault>> {
        let spoken = self.mold.spoken(event.raw, span)?;
        self.facts.content = true;
        self.facts.text_bytes = json::plain_len(spoken.raw.as_bytes());
        let item = match event.at {
            Some(from) => data.slice(from..at),
            None => Bytes::copy_from_slice(event.raw),
        };
        let as_it_came = event.at.is_some();
        let bytes = item.len();
        let taken = self
            .governor
            .take(item, bytes, &[spoken], Edits::new(), self.now);
        Some(taken.map(|taken| match taken {
            Taken::Pass(_) if as_it_came => {}
            Taken::Pass(item) => {
                flush(event, data, kept, at, out);
                out.push(item);
            }
            Taken::Held => {
                flush(event, data, kept, at, out);
                self.release(out);
            }
        }))
    }

    /// Takes an event; `kept..` is the part of the read that goes down as it is and is not yet pushed, `at` the event's
    /// end.
    pub(super) fn take(
        &mut self,
        event: &sse::Event<'_>,
        data: &Bytes,
        kept: &mut usize,
        at: usize,
        out: &mut Rope,
    ) -> Result<(), Fault> {
        let mut item = match event.at {
            Some(from) => data.slice(from..at),
            None => Bytes::copy_from_slice(event.raw),
        };
        let (mut single, mut as_it_came) = (event.single(), event.at.is_some());
        let Some(text) = event.data() else {
            // A comment, or nothing: nobody has read it.
            flush(event, data, kept, at, out);
            return Ok(());
        };
        if single.is_none() {
            let (anew, span) = joined(event, &text);
            (item, single, as_it_came) = (anew, Some(span), false);
        }
        let Some(span) = single else { return Ok(()) };
        if self.hide_usage && self.facts.only_usage {
            flush(event, data, kept, at, out);
            return Ok(());
        }
        // An end that is no JSON can hold nothing.
        if self.facts.done && text.first() != Some(&b'{') {
            self.governor.finish(None)?;
            flush(event, data, kept, at, out);
            self.release(out);
            out.push(item);
            return Ok(());
        }
        let bytes = item.len();
        let Some(data_bytes) = item.get(span.clone()) else {
            return Err(Fault::new(Kind::Bug).detail("an event without its data"));
        };
        let mut saying = Saying::default();
        json::scan::scan_into(data_bytes, &LIMITS, self.scratch)
            .map_err(|_| Fault::new(Kind::Malformed).reason("invalid_response"))?;
        self.client.said(data_bytes, self.scratch, &mut saying);
        saying.repeats.append(&mut saying.retold);
        let extra = without_repeats(self.own_edits(span.start), &saying, span.start)?;
        let spoken = spoken_in(self.client, data_bytes, &saying, span.start)?;
        if extra.is_empty() && saying.finished.is_empty() {
            self.learn(event, &item, &spoken);
        }
        let taken = self
            .governor
            .take(item.clone(), bytes, &spoken, extra, self.now)?;
        match taken {
            Taken::Pass(_) if as_it_came => {}
            Taken::Pass(item) => {
                flush(event, data, kept, at, out);
                out.push(item);
            }
            Taken::Held => flush(event, data, kept, at, out),
        }
        for choice in &saying.finished {
            self.governor.finish(Some(*choice))?;
        }
        if self.facts.done {
            self.governor.finish(None)?;
        }
        self.release(out);
        Ok(())
    }

    /// Hands down what is decided.
    fn release(&mut self, out: &mut Rope) {
        self.governor
            .release(|event, edits| out.append(edits.apply(&event)));
    }

    /// Makes the mold of an event that is not edited and ends nothing, if it says one text and nothing else and fits none.
    fn learn(&mut self, event: &sse::Event<'_>, item: &Bytes, spoken: &[Spoken<'_>]) {
        if let [only] = spoken
            && event.single().is_some()
            && !only.whole
            && self.facts.finish.is_none()
            && self.facts.usage.is_none()
            && self.facts.moderated.is_none()
            && self.mold.fits(event.raw).is_none()
        {
            self.mold.make(item, only);
        }
    }

    /// Usage that the client did not ask for, and finish words that are the vendor's own.
    fn own_edits(&self, shift: usize) -> Edits {
        let mut edits = Edits::new();
        let mut change = |span: &std::ops::Range<usize>, with: Bytes| {
            // Different members: their spans do not overlap.
            let _ = edits.replace(span.start + shift..span.end + shift, with);
        };
        if self.hide_usage && self.facts.usage.is_some() {
            change(&self.facts.usage_span, Bytes::from_static(b"null"));
        }
        if let Some(finish) = self
            .facts
            .finish
            .filter(|_| !self.facts.odd_finish.is_empty())
        {
            change(
                &self.facts.odd_finish,
                format!("\"{}\"", finish.as_str()).into(),
            );
        }
        edits
    }
}

/// An event of several data lines as one line, and where its data stands in it.
fn joined(event: &sse::Event<'_>, text: &[u8]) -> (Bytes, Range<usize>) {
    let mut anew = super::named(event);
    let from = anew.len();
    anew.extend_from_slice(text);
    let end = anew.len();
    anew.extend_from_slice(b"\n\n");
    (anew.into(), from..end)
}
