//! A reply as it comes: read, understood, released, in the task that writes it down.
//!
//! Polls the upstream directly: no task, no channel, so back-pressure is the socket's, and a client that leaves drops the
//! upstream call. All that one read releases leaves as one frame. Never wakes itself. An event is released whole or not
//! at all, so an error event always begins on a fresh line; only an event cut by a read is copied.

use std::cell::RefCell;
use std::future::Future;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use adapters::vendor::{self, Vendor};
use adapters::{ClientDialect, Decoder, Dialect, Encoder};
use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Sleep;
use wire::canon;
use wire::facts::{EventFacts, Finish};
use wire::json::{self, Tape, Value};
use wire::sse::{self, Splitter};
use wire::{Edits, Fault, Kind, Rope};

use super::settle::{Exchange, Meter, outcome_of};
use crate::config::snapshot;
use crate::journal::Outcome;
use crate::upstream::client;

/// How long the upstream may take to end its body after its last event, so that its connection can be kept.
const LINGER: Duration = Duration::from_millis(250);

thread_local! {
    /// One tape a thread: events are scanned without an allocation.
    static SCRATCH: RefCell<Tape> = RefCell::new(Tape::default());
}

/// The head of an upstream's reply, as long as it is needed.
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
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

/// The clocks of one attempt. Comments and keep-alives are reads, but not content.
#[derive(Clone)]
pub(super) struct Clocks {
    /// The request's end at the latest.
    total: Instant,
    /// First content at the latest.
    first: Instant,
    content_gap: Duration,
    idle: Duration,
    last_read: Instant,
    last_content: Option<Instant>,
}

impl Clocks {
    pub(super) fn start(arrived: Instant, clocks: &snapshot::Clocks) -> Self {
        let now = Instant::now();
        Self {
            total: arrived + clocks.total,
            first: now + clocks.first_content,
            content_gap: clocks.content_gap,
            idle: clocks.idle,
            last_read: now,
            last_content: None,
        }
    }

    pub(super) fn content(&mut self, now: Instant) {
        self.last_content = Some(now);
    }

    fn deadline(&self) -> (Instant, Kind) {
        let content = match self.last_content {
            None => (self.first, Kind::FirstByteTimeout),
            Some(at) => (at + self.content_gap, Kind::IdleTimeout),
        };
        let idle = (self.last_read + self.idle, Kind::IdleTimeout);
        let total = (self.total, Kind::DeadlinePassed);
        [idle, total].into_iter().fold(
            content,
            |first, other| if other.0 < first.0 { other } else { first },
        )
    }

    /// Waits for what comes before the first byte of a reply.
    pub(super) async fn first<T>(&self, work: impl Future<Output = T>) -> Result<T, Fault> {
        let (at, kind) = if self.total < self.first {
            (self.total, Kind::DeadlinePassed)
        } else {
            (self.first, Kind::FirstByteTimeout)
        };
        tokio::time::timeout_at(at.into(), work)
            .await
            .map_err(|_| kind.into())
    }

    /// The next read before the commit point.
    pub(super) async fn read(
        &mut self,
        upstream: &mut client::Body,
        content: bool,
    ) -> Result<Option<Bytes>, Fault> {
        if content {
            self.content(self.last_read);
        }
        let (at, kind) = self.deadline();
        let read = std::future::poll_fn(|cx| upstream.poll_data(cx));
        let read = tokio::time::timeout_at(at.into(), read)
            .await
            .map_err(|_| Fault::from(kind))?;
        self.last_read = Instant::now();
        read.transpose()
    }
}

/// How much a reply costs: chosen before it begins, by what must be known or changed.
pub(super) enum Gear {
    /// Reads go on verbatim, facts are tapped beside them.
    Observe,
    /// Events are released one by one and may be edited.
    Govern,
    /// Events are written anew in the client's dialect.
    Translate {
        decoder: Box<dyn Decoder>,
        encoder: Box<dyn Encoder>,
        events: Vec<canon::Event>,
    },
}

impl Gear {
    pub(super) fn translate(decoder: Box<dyn Decoder>, encoder: Box<dyn Encoder>) -> Self {
        Self::Translate {
            decoder,
            encoder,
            events: Vec::new(),
        }
    }
}

/// Understands one streamed reply.
pub(super) struct Reading {
    splitter: Splitter,
    client: &'static dyn ClientDialect,
    spoken: &'static dyn Dialect,
    vendor: &'static dyn Vendor,
    head: Head,
    gear: Gear,
    /// An event that is no error was seen.
    begun: bool,
    content: bool,
    /// The end marker, or a finish, was seen.
    ended: bool,
    done: bool,
    /// An end of our own making was written.
    closed: bool,
}

impl Reading {
    pub(super) fn new(
        client: &'static dyn ClientDialect,
        spoken: &'static dyn Dialect,
        vendor: &'static dyn Vendor,
        mut head: Head,
        gear: Gear,
        limits: sse::Limits,
    ) -> Self {
        // Success has been judged; from here on only the status matters, and an idle stream should be small.
        head.headers = HeaderMap::new();
        let splitter = Splitter::new(limits);
        Self {
            splitter,
            client,
            spoken,
            vendor,
            head,
            gear,
            begun: false,
            content: false,
            ended: false,
            done: false,
            closed: false,
        }
    }

    /// Whether the first good event is in hand.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    pub(super) fn has_content(&self) -> bool {
        self.content
    }

    /// Takes one read; what may go down is added to `out`.
    pub(super) fn read(
        &mut self,
        data: &Bytes,
        meter: &mut Meter,
        out: &mut Rope,
    ) -> Result<(), Fault> {
        let (mut at, mut kept) = (0, 0);
        let Self {
            splitter,
            client: _,
            spoken,
            vendor,
            head,
            gear,
            begun,
            content,
            ended,
            done,
            ..
        } = self;
        while !*done {
            let event = splitter
                .next(data, &mut at)
                .map_err(|_| Fault::new(Kind::Malformed).reason("event_too_long"))?;
            let Some(event) = event else { break };
            let said = match gear {
                Gear::Translate {
                    decoder, events, ..
                } => {
                    let from = events.len();
                    decoder.event(&event, events)?;
                    kept = at;
                    note(events.get(from..).unwrap_or_default(), meter, *vendor, head)?
                }
                Gear::Observe | Gear::Govern => {
                    let mut facts = EventFacts::default();
                    let edited = SCRATCH.with(|scratch| {
                        let mut scratch = scratch.borrow_mut();
                        spoken.read_event(&event, &mut scratch, &mut facts);
                        judge(&event, &facts, *vendor, head, &mut scratch)
                    });
                    edited?;
                    release(
                        &event,
                        &facts,
                        matches!(gear, Gear::Govern),
                        data,
                        &mut kept,
                        at,
                        out,
                    );
                    tally(&facts, meter)
                }
            };
            *begun = *begun || event.data().is_some();
            *content |= said.content;
            *ended |= said.ended;
            *done |= said.done;
        }
        if let Gear::Translate {
            encoder, events, ..
        } = gear
        {
            encoder.events(events, out);
            events.clear();
        } else {
            // `at` stands behind the last whole event, or at the end when the rest was carried over.
            let whole = data.len() - self.splitter.carried().min(data.len());
            let whole = if self.done { at } else { whole };
            out.push(data.slice(kept.min(whole)..whole));
        }
        Ok(())
    }

    /// The upstream's body ended.
    pub(super) fn end(&mut self, meter: &mut Meter, out: &mut Rope) -> Result<(), Fault> {
        let rest = self
            .splitter
            .finish()
            .map(|event| Bytes::copy_from_slice(event.raw));
        if let Some(rest) = rest.filter(|rest| !rest.trim_ascii().is_empty()) {
            // A last event without its blank line: give it one.
            let mut whole = rest.trim_ascii_end().to_vec();
            whole.extend_from_slice(b"\n\n");
            self.read(&whole.into(), meter, out)?;
        }
        if let Gear::Translate {
            decoder,
            encoder,
            events,
        } = &mut self.gear
        {
            decoder.end(events)?;
            note(events, meter, self.vendor, &self.head)?;
            encoder.events(events, out);
            events.clear();
            encoder.end(out);
        } else if !self.done {
            if !self.ended {
                return Err(Kind::CutShort.into());
            }
            out.push(Bytes::from_static(self.client.end_marker()));
        }
        self.done = true;
        self.closed = true;
        Ok(())
    }
}

/// What an event (or several) said, as far as the relay must know.
#[derive(Clone, Copy, Default)]
pub(super) struct Said {
    content: bool,
    ended: bool,
    done: bool,
}

/// Takes canonical events into account.
pub(super) fn note(
    events: &[canon::Event],
    meter: &mut Meter,
    vendor: &dyn Vendor,
    head: &Head,
) -> Result<Said, Fault> {
    let mut said = Said::default();
    for event in events {
        meter.events += 1;
        match event {
            canon::Event::Error(raw) => {
                let raw = raw.bytes();
                let tape = json::scan(raw, &json::Limits::default()).ok();
                let root = tape.as_ref().and_then(|tape| Value::root(tape, raw));
                return Err(vendor
                    .fault(&head.view(), root)
                    .unwrap_or_else(|| Kind::UpstreamError.into()));
            }
            canon::Event::Usage(usage) => meter.usage = Some(*usage),
            canon::Event::Finish {
                finish: Finish::Failed,
                ..
            } => return Err(Fault::new(Kind::UpstreamError).reason("finish_failed")),
            canon::Event::Finish { finish, .. } => {
                meter.finish = Some(*finish);
                said.ended = true;
            }
            other if other.is_content() => {
                said.content = true;
                meter.content_events += 1;
                meter.first_content.get_or_insert_with(Instant::now);
            }
            _ => {}
        }
    }
    Ok(said)
}

/// Turns an event that is an error, or no event of the dialect, into a fault.
fn judge(
    event: &sse::Event<'_>,
    facts: &EventFacts,
    vendor: &dyn Vendor,
    head: &Head,
    scratch: &mut Tape,
) -> Result<(), Fault> {
    if facts.malformed {
        return Err(Fault::new(Kind::Malformed).reason("invalid_response"));
    }
    if facts.finish == Some(Finish::Failed) {
        return Err(Fault::new(Kind::UpstreamError).reason("finish_failed"));
    }
    if !facts.error {
        return Ok(());
    }
    let data = event.data();
    let data = data
        .as_deref()
        .or_else(|| event.bare_json())
        .unwrap_or_default();
    let read = json::scan::scan_into(data, &json::Limits::default(), scratch).is_ok();
    let root = if read {
        Value::root(scratch, data)
    } else {
        None
    };
    Err(vendor
        .fault(&head.view(), root)
        .unwrap_or_else(|| Kind::UpstreamError.into()))
}

fn tally(facts: &EventFacts, meter: &mut Meter) -> Said {
    meter.events += 1;
    if facts.content {
        meter.content_events += 1;
        meter.first_content.get_or_insert_with(Instant::now);
    }
    if facts.usage.is_some() {
        // The last one counts; usage is never summed.
        meter.usage = facts.usage;
    }
    if facts.finish.is_some() {
        meter.finish = facts.finish;
    }
    Said {
        content: facts.content,
        ended: facts.done || facts.finish.is_some(),
        done: facts.done,
    }
}

/// Adds an event to what goes down. Events that lie in the read and are not changed stay with their neighbours: `kept`
/// is where the slice that is not yet pushed begins.
fn release(
    event: &sse::Event<'_>,
    facts: &EventFacts,
    hide_usage: bool,
    data: &Bytes,
    kept: &mut usize,
    at: usize,
    out: &mut Rope,
) {
    let hide = hide_usage && facts.usage.is_some();
    let change = hide || !facts.odd_finish.is_empty();
    match event.at {
        Some(from) if change => {
            out.push(data.slice(*kept..from));
            *kept = at;
        }
        Some(_) => return,
        None => *kept = at,
    }
    if !change {
        // The one copy: an event that began in an earlier read.
        out.push(Bytes::copy_from_slice(event.raw));
    } else if !(hide && facts.only_usage) {
        out.append(edited(event, facts, hide));
    }
}

/// The event with its usage value replaced by `null`, and with the dialect's word for a vendor's own finish reason.
fn edited(event: &sse::Event<'_>, facts: &EventFacts, hide: bool) -> Rope {
    let mut edits = Edits::new();
    let mut change = |span: &Range<usize>, with: String| {
        // The two values are different members, so their spans do not overlap.
        let _ = edits.replace(span.clone(), with);
    };
    if hide {
        change(&facts.usage_span, "null".to_owned());
    }
    if let Some(finish) = facts.finish.filter(|_| !facts.odd_finish.is_empty()) {
        change(&facts.odd_finish, format!("\"{}\"", finish.as_str()));
    }
    let data = Bytes::from(event.data().unwrap_or_default().into_owned());
    let mut whole = Rope::from(Bytes::from_static(b"data: "));
    whole.append(edits.apply(&data));
    whole.push(Bytes::from_static(b"\n\n"));
    whole
}

/// Decodes a stream to canonical events, for a client that wants one whole reply.
pub(super) struct Decoding {
    splitter: Splitter,
    decoder: Box<dyn Decoder>,
    vendor: &'static dyn Vendor,
    head: Head,
}

impl Decoding {
    pub(super) fn new(
        decoder: Box<dyn Decoder>,
        vendor: &'static dyn Vendor,
        limits: sse::Limits,
    ) -> Self {
        let head = Head {
            status: 200,
            headers: HeaderMap::new(),
            now_ms: 0,
        };
        Self {
            splitter: Splitter::new(limits),
            decoder,
            vendor,
            head,
        }
    }

    pub(super) fn read(
        &mut self,
        data: &[u8],
        meter: &mut Meter,
        all: &mut Vec<canon::Event>,
    ) -> Result<(), Fault> {
        let mut at = 0;
        while let Some(event) = self
            .splitter
            .next(data, &mut at)
            .map_err(|_| Fault::new(Kind::Malformed).reason("event_too_long"))?
        {
            let from = all.len();
            self.decoder.event(&event, all)?;
            note(
                all.get(from..).unwrap_or_default(),
                meter,
                self.vendor,
                &self.head,
            )?;
        }
        Ok(())
    }

    pub(super) fn end(
        &mut self,
        meter: &mut Meter,
        all: &mut Vec<canon::Event>,
    ) -> Result<(), Fault> {
        let from = all.len();
        if let Some(event) = self.splitter.finish() {
            self.decoder.event(&event, all)?;
        }
        self.decoder.end(all)?;
        note(
            all.get(from..).unwrap_or_default(),
            meter,
            self.vendor,
            &self.head,
        )
        .map(|_| ())
    }
}

/// The body of a streamed answer.
pub struct Stream {
    exchange: Exchange,
    begun: Rope,
    reading: Box<Reading>,
    /// `None` once nothing more is wanted of it.
    upstream: Option<client::Body>,
    clocks: Clocks,
    last_down: Instant,
    timer: Pin<Box<Sleep>>,
    /// The end went down; only the upstream's own end is waited for.
    linger: Option<Instant>,
}

impl Stream {
    pub(super) fn new(
        exchange: Exchange,
        begun: Rope,
        reading: Box<Reading>,
        upstream: client::Body,
        clocks: Clocks,
    ) -> Self {
        let now = Instant::now();
        let timer = Box::pin(tokio::time::sleep_until(
            (now + exchange.snapshot.ping.unwrap_or(LINGER * 240)).into(),
        ));
        let mut stream = Self {
            exchange,
            begun,
            reading,
            upstream: Some(upstream),
            clocks,
            last_down: now,
            timer,
            linger: None,
        };
        stream.exchange.meter.bytes_down = stream.begun.len() as u64;
        if stream.reading.done {
            stream.complete();
        }
        stream
    }

    /// Whether nothing more goes down.
    pub(super) fn is_over(&self) -> bool {
        self.upstream.is_none() && self.begun.is_empty()
    }

    /// The next frame.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Rope>> {
        if !self.begun.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut self.begun)));
        }
        loop {
            let Some(upstream) = self.upstream.as_mut() else {
                return Poll::Ready(None);
            };
            let mut out = Rope::new();
            let step = match upstream.poll_data(cx) {
                Poll::Pending => match self.waits(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(ping)) => {
                        out.push(Bytes::from_static(ping));
                        Ok(())
                    }
                    Poll::Ready(Err(fault)) => Err(fault),
                },
                Poll::Ready(_) if self.linger.is_some() => {
                    self.upstream = None;
                    return Poll::Ready(None);
                }
                Poll::Ready(None) => self.reading.end(&mut self.exchange.meter, &mut out),
                Poll::Ready(Some(Err(fault))) => Err(fault),
                Poll::Ready(Some(Ok(data))) => self.took(&data, &mut out),
            };
            if let Err(fault) = step {
                return Poll::Ready(Some(self.fail(out, &fault)));
            }
            self.exchange.meter.bytes_down += out.len() as u64;
            if self.reading.done && self.linger.is_none() {
                self.complete();
            }
            if !out.is_empty() {
                self.last_down = self.last_down.max(self.clocks.last_read);
                return Poll::Ready(Some(out.settle()));
            }
        }
    }

    fn took(&mut self, data: &Bytes, out: &mut Rope) -> Result<(), Fault> {
        let now = Instant::now();
        self.clocks.last_read = now;
        if self.exchange.is_revoked() {
            return Err(Fault::new(Kind::Unauthenticated).reason("revoked"));
        }
        let before = self.exchange.meter.content_events;
        let read = self.reading.read(data, &mut self.exchange.meter, out);
        if self.exchange.meter.content_events > before {
            self.clocks.content(now);
        }
        read
    }

    /// Nothing to read: looks at the clocks. `Ready(Ok(bytes))`: something to say meanwhile.
    fn waits(&mut self, cx: &mut Context<'_>) -> Poll<Result<&'static [u8], Fault>> {
        loop {
            if self.linger.is_none() && self.exchange.worker.shared.is_cut() {
                return Poll::Ready(Err(Kind::Draining.into()));
            }
            let every = self
                .exchange
                .snapshot
                .ping
                .filter(|_| self.linger.is_none());
            let ping = every
                .and_then(|every| Some((self.last_down + every, self.exchange.dialect.ping()?)));
            let (deadline, kind) = match self.linger {
                Some(until) => (until, Kind::ClientGone),
                None => self.clocks.deadline(),
            };
            let next = ping.map_or(deadline, |(at, _)| deadline.min(at));
            let now = Instant::now();
            if now >= next {
                if self.linger.is_some() {
                    self.upstream = None;
                    return Poll::Ready(Ok(b""));
                }
                if now >= deadline {
                    return Poll::Ready(Err(kind.into()));
                }
                self.last_down = now;
                return Poll::Ready(Ok(ping.map_or(&[], |(_, bytes)| bytes)));
            }
            // The timer is moved only when it fires, not for each event: its time is then looked at again.
            if self.timer.deadline() > next.into() {
                self.timer.as_mut().reset(next.into());
            }
            std::task::ready!(pin!(self.timer.as_mut()).poll(cx));
            self.timer.as_mut().reset(next.into());
        }
    }

    /// The reply came to its good end.
    fn complete(&mut self) {
        // The record is closed before the client sees the end.
        self.exchange.finish(Outcome::Completed, None);
        if self.upstream.as_ref().is_none_or(client::Body::is_complete) || self.reading.closed {
            self.upstream = None;
        } else {
            self.linger = Some(Instant::now() + LINGER);
        }
    }

    /// The reply failed after its beginning: tells the client, in its dialect, and never as a normal end.
    fn fail(&mut self, mut out: Rope, fault: &Fault) -> Rope {
        self.upstream = None;
        out.push(self.exchange.dialect.stream_refusal(fault));
        self.exchange.meter.bytes_down += out.len() as u64;
        self.exchange.failed(fault);
        self.exchange.finish(outcome_of(fault), Some(fault));
        out
    }
}

#[cfg(test)]
mod tests;
