//! Understanding a streamed reply, one read at a time: split, judge, tally, release.
//!
//! Synchronous and without a socket: bytes in, bytes out. An event is released whole or not at all, so an error event
//! always begins on a fresh line; only an event cut by a read is copied. In `Translate`, judging comes before translating.

use std::time::{Duration, Instant};

use adapters::frames::Frames;
use adapters::vendor::{self, Vendor};
use adapters::{ClientDialect, Decoder, Dialect, Encoder};
use bytes::Bytes;
use wire::canon;
use wire::facts::{EventFacts, Finish};
use wire::sse::{self, Splitter};
use wire::{Fault, Headers, Kind, Rope};

use super::govern::{Governor, Tally};
use super::governing::{end_events, govern_events};
use super::settle::Meter;

mod decoding;
mod event;
mod governed;
mod mold;
mod recording;

pub(super) use decoding::Decoding;
pub(super) use event::blanked;
pub(super) use event::note;
use event::{Said, Speakers, count_texts, judge, named, observed, tally, translated};
use mold::{Mold, Run};
pub(super) use recording::Recording;

/// The head of an upstream's reply, as long as it is needed.
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) now_ms: i64,
}

impl Head {
    pub(super) fn view(&self) -> vendor::Head<'_> {
        vendor::Head {
            status: self.status,
            headers: &self.headers,
            now_ms: self.now_ms,
        }
    }
}

/// What is kept of it while events come: success has been judged, and an idle stream should be small.
#[derive(Clone, Copy)]
pub(super) struct Told {
    status: u16,
    now_ms: i64,
}

static NO_HEADERS: Headers = Headers::new();

impl Told {
    fn view(self) -> vendor::Head<'static> {
        vendor::Head {
            status: self.status,
            headers: &NO_HEADERS,
            now_ms: self.now_ms,
        }
    }
}

/// How much a reply costs: chosen before it begins, by what must be known or changed.
pub(super) enum Gear {
    /// Reads go on as they are, facts are tapped beside them.
    Observe {
        /// The client did not ask for usage.
        hide_usage: bool,
        run: Run,
    },
    /// Events are released one by one, their text is under policy.
    Govern {
        hide_usage: bool,
        text: Box<Governed>,
    },
    /// Events are written anew in the client's dialect.
    Translate {
        decoder: Box<dyn Decoder>,
        encoder: Box<dyn Encoder>,
        events: Vec<canon::Event>,
        text: Option<Box<Governor<canon::Event>>>,
    },
}

/// What is kept of a stream of the client's own dialect under policy.
pub(super) struct Governed {
    governor: Governor<Bytes>,
    mold: Mold,
}

impl Gear {
    pub(super) fn observe(hide_usage: bool) -> Self {
        Self::Observe {
            hide_usage,
            run: Run::default(),
        }
    }

    pub(super) fn govern(hide_usage: bool, governor: Governor<Bytes>) -> Self {
        Self::Govern {
            hide_usage,
            text: Box::new(Governed {
                governor,
                mold: Mold::default(),
            }),
        }
    }

    pub(super) fn translate(
        decoder: Box<dyn Decoder>,
        encoder: Box<dyn Encoder>,
        text: Option<Governor<canon::Event>>,
    ) -> Self {
        Self::Translate {
            decoder,
            encoder,
            events: Vec::new(),
            text: text.map(Box::new),
        }
    }
}

/// Understands one streamed reply.
pub(super) struct Reading {
    /// Of a stream that is framed otherwise than as events.
    frames: Option<Box<dyn Frames>>,
    splitter: Splitter,
    client: &'static dyn ClientDialect,
    spoken: &'static dyn Dialect,
    vendor: &'static dyn Vendor,
    told: Told,
    gear: Gear,
    seen: Seen,
    pub(super) done: bool,
    /// An end of our own making was written.
    pub(super) closed: bool,
    opened: Instant,
}

impl Reading {
    pub(super) fn new(
        client: &'static dyn ClientDialect,
        spoken: &'static dyn Dialect,
        vendor: &'static dyn Vendor,
        head: &Head,
        gear: Gear,
        limits: sse::Limits,
    ) -> Self {
        let told = Told {
            status: head.status,
            now_ms: head.now_ms,
        };
        let splitter = Splitter::new(limits);
        Self {
            frames: None,
            splitter,
            client,
            spoken,
            vendor,
            told,
            gear,
            seen: Seen::default(),
            done: false,
            closed: false,
            opened: Instant::now(),
        }
    }

    /// The same, of a stream that is framed so.
    pub(super) fn framed(self, frames: Option<Box<dyn Frames>>) -> Self {
        Self { frames, ..self }
    }

    /// Writes down what was found in the reply so far.
    pub(super) fn tell(&self, tally: &mut Option<Box<Tally>>) {
        let found = match &self.gear {
            Gear::Govern { text, .. } => Some(&text.governor.tally),
            Gear::Translate { text, .. } => text.as_ref().map(|governor| &governor.tally),
            Gear::Observe { .. } => None,
        };
        if let Some(found) = found.filter(|found| !found.is_empty()) {
            *tally = Some(Box::new(found.clone()));
        }
    }

    /// When text will have waited too long for its decision.
    pub(super) fn hold_deadline(&self) -> Option<Instant> {
        let nanos = match &self.gear {
            Gear::Govern { text, .. } => text.governor.deadline(),
            Gear::Translate { text, .. } => text.as_ref()?.deadline(),
            Gear::Observe { .. } => None,
        };
        self.opened.checked_add(Duration::from_nanos(nanos?))
    }

    /// Whether the first good event is in hand.
    pub(super) fn has_begun(&self) -> bool {
        self.seen.begun
    }

    pub(super) fn has_content(&self) -> bool {
        self.seen.content
    }

    /// Takes one read; what may go down is added to `out`.
    pub(super) fn read(
        &mut self,
        data: &Bytes,
        meter: &mut Meter,
        out: &mut Rope,
    ) -> Result<(), Fault> {
        match &mut self.frames {
            None => self.events(data, meter, out)?,
            Some(frames) => {
                // Events before a frame that is none are heard all the same.
                let (events, sound) = unframed(frames.as_mut(), data);
                self.events(&events, meter, out)?;
                sound?;
            }
        }
        match &self.gear {
            // Who keeps the connection open behind the end is not waited for.
            Gear::Translate { decoder, .. } if decoder.is_over() => self.end(meter, out),
            _ => Ok(()),
        }
    }

    fn events(&mut self, data: &Bytes, meter: &mut Meter, out: &mut Rope) -> Result<(), Fault> {
        let (mut at, mut kept) = (0, 0);
        // One read, one moment.
        let mut now = None;
        let Self {
            splitter,
            client,
            spoken,
            vendor,
            told,
            gear,
            seen,
            done,
            opened,
            ..
        } = self;
        let by: Speakers<'_> = (*client, *spoken, *vendor, &*told);
        while !*done {
            if splitter.is_between() {
                let now = || *now.get_or_insert_with(|| nanos(*opened));
                let place = (data, &mut kept, &mut at);
                if alike(gear, splitter.limits(), now, place, meter, out)? {
                    (seen.begun, seen.content) = (true, true);
                }
            }
            let event = splitter
                .next(data, &mut at)
                .map_err(|_| Fault::new(Kind::Malformed).reason("event_too_long"))?;
            let Some(event) = event else { break };
            let said = match gear {
                Gear::Translate {
                    decoder, events, ..
                } => {
                    kept = at;
                    translated(&event, by, (decoder.as_mut(), events), meter)?
                }
                Gear::Govern { hide_usage, text } => {
                    let now = *now.get_or_insert_with(|| nanos(*opened));
                    let place = (data, &mut kept, at);
                    let facts = text.event(&event, by, (*hide_usage, now, seen), place, out)?;
                    tally(&facts, meter)
                }
                Gear::Observe { hide_usage, run } => {
                    let place = (data, &mut kept, at);
                    let facts = observed(&event, by, (*hide_usage, run, seen), place, out)?;
                    tally(&facts, meter)
                }
            };
            seen.take(&event, said)?;
            *done |= said.done;
        }
        self.flush(data, (at, kept), out)
    }

    /// What the events of a read come to, behind the last of them.
    fn flush(
        &mut self,
        data: &Bytes,
        (at, kept): (usize, usize),
        out: &mut Rope,
    ) -> Result<(), Fault> {
        if let Gear::Translate {
            encoder,
            events,
            text,
            ..
        } = &mut self.gear
        {
            match text {
                None => {
                    encoder.events(events, out)?;
                    events.clear();
                }
                Some(governor) => {
                    let mut ready = Vec::with_capacity(events.len());
                    let now = nanos(self.opened);
                    govern_events(governor, events.drain(..), now, &mut ready)?;
                    encoder.events(&ready, out)?;
                }
            }
        } else {
            // `at` stands behind the last whole event, or at the end when the rest was carried over.
            let whole = data.len() - self.splitter.carried().min(data.len());
            let whole = if self.done { at } else { whole };
            out.push(data.slice(kept.min(whole)..whole));
        }
        Ok(())
    }

    /// The reply ends here, by a fault: what the client is told of it. `events` were read before;
    /// `id` is ours of the request.
    pub(super) fn refuse(&mut self, fault: &Fault, id: &str, events: u64, out: &mut Rope) {
        let told = match &mut self.gear {
            Gear::Translate { encoder, .. } => encoder.refuse(fault, out),
            Gear::Observe { .. } | Gear::Govern { .. } => false,
        };
        if !told {
            out.push(self.client.stream_refusal(fault, id, events));
        }
    }

    /// The upstream's body ended.
    pub(super) fn end(&mut self, meter: &mut Meter, out: &mut Rope) -> Result<(), Fault> {
        if let Some(frames) = &self.frames {
            frames.end()?;
        }
        let rest = self
            .splitter
            .finish()
            .map(|event| Bytes::copy_from_slice(event.raw));
        if let Some(rest) = rest.filter(|rest| !rest.trim_ascii().is_empty()) {
            // A last event without its blank line: give it one.
            let mut whole = rest.trim_ascii_end().to_vec();
            whole.extend_from_slice(b"\n\n");
            self.events(&whole.into(), meter, out)?;
        }
        if let Gear::Translate {
            decoder,
            encoder,
            events,
            text,
        } = &mut self.gear
        {
            decoder.end(events)?;
            note(events, meter, self.vendor, &self.told.view())?;
            match text {
                None => encoder.events(events, out)?,
                Some(governor) => {
                    let mut ready = Vec::new();
                    let now = nanos(self.opened);
                    govern_events(governor, events.drain(..), now, &mut ready)?;
                    end_events(governor, &mut ready)?;
                    encoder.events(&ready, out)?;
                }
            }
            events.clear();
            encoder.end(out);
        } else if !self.done {
            if !self.seen.ended {
                return Err(Kind::CutShort.into());
            }
            if let Gear::Govern { text, .. } = &mut self.gear {
                text.governor.finish(None)?;
                text.governor
                    .release(|event, edits| out.append(edits.apply(&event)));
            }
            out.push(Bytes::from_static(self.client.end_marker()));
        }
        self.done = true;
        self.closed = true;
        Ok(())
    }
}

/// What of a reply was seen so far.
#[derive(Default)]
struct Seen {
    /// An event of a reply.
    begun: bool,
    content: bool,
    /// The end marker, or a finish.
    ended: bool,
    /// Choices that the vendor's moderation took back, by their number.
    taken_back: u128,
    /// What was written may not be shown.
    sensitive: bool,
}

impl Seen {
    /// Takes note of an event. An end with nothing before it is no reply.
    fn take(&mut self, event: &sse::Event<'_>, said: Said) -> Result<(), Fault> {
        self.content |= said.content;
        if !self.begun {
            if said.done && !said.finished && !said.content {
                return Err(Fault::new(Kind::CutShort).reason("empty_reply"));
            }
            // One with nothing in it does not tell yet that the reply is one.
            let data = event.data();
            self.begun = data.is_some_and(|data| data.trim_ascii_start().starts_with(b"{"));
        }
        self.ended |= said.done || said.finished;
        Ok(())
    }

    /// Brings a vendor's moderation to where clients look for it: an end may come later than the flag that it is due to.
    fn moderate(&mut self, facts: &mut EventFacts) {
        if let Some(told) = &facts.moderated {
            self.sensitive |= told.sensitive;
            for choice in &told.choices {
                self.taken_back |= bit(*choice);
            }
        }
        let silenced = self.sensitive && !self.content && !facts.content;
        let taken_back = self.taken_back & bit(facts.finished) != 0;
        if facts.finish.is_some_and(|finish| {
            finish != Finish::ContentFilter && (taken_back || silenced && finish == Finish::Stop)
        }) {
            facts.finish = Some(Finish::ContentFilter);
            facts.odd_finish = facts.finish_word.clone().unwrap_or_default();
        }
    }
}

/// Choices behind the last bit are none that anybody asked for.
fn bit(choice: u32) -> u128 {
    1_u128.checked_shl(choice).unwrap_or(0)
}

/// Takes the events that differ from an earlier one in their text alone, from `at` on, where one begins; whether there were
/// any.
fn alike(
    gear: &mut Gear,
    limits: sse::Limits,
    now: impl FnOnce() -> u64,
    (data, kept, at): (&Bytes, &mut usize, &mut usize),
    meter: &mut Meter,
    out: &mut Rope,
) -> Result<bool, Fault> {
    match gear {
        Gear::Observe { run, .. } => {
            let (count, bytes) = run.step_over(data, at, limits);
            count_texts(meter, count, bytes);
            Ok(count > 0)
        }
        Gear::Govern { text, .. } => text.run(limits, now, (data, kept, at), meter, out),
        Gear::Translate { .. } => Ok(false),
    }
}

/// The events of one read of a stream that is framed otherwise; and whether all of it was sound.
fn unframed(frames: &mut dyn Frames, data: &[u8]) -> (Bytes, Result<(), Fault>) {
    let mut events = Vec::with_capacity(data.len());
    let sound = frames.read(data, &mut events);
    (events.into(), sound)
}

/// Nanoseconds since the reading began.
fn nanos(opened: Instant) -> u64 {
    u64::try_from(opened.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod tests;
