//! A reply as it comes: read, understood, released, in the task that writes it down.
//!
//! Polls the upstream directly: no task, no channel, so back-pressure is the socket's, and a client that leaves drops the
//! upstream call. All that one read releases leaves as one frame. Never wakes itself but to give way with its last record.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use wire::{Fault, Kind, Rope};

use super::array::Array;
use super::clocks::Clocks;
use super::dispatch::Rest;
use super::grow::{self, Growing};
use super::reading::Reading;
use super::settle::{Exchange, outcome_of};
use crate::audit;
use crate::upstream::client;
use journal::{Durable, Outcome};

/// How long the upstream may take to end its body after its last event, so that its connection can be kept.
const LINGER: Duration = Duration::from_millis(250);

/// The body of a streamed answer.
pub struct Stream {
    exchange: Exchange,
    /// What goes down next.
    begun: Rope,
    /// `begun` holds the end, which goes down only when this has resolved.
    ended: Durable,
    reading: Box<Reading>,
    /// Boxed, as all that is rare.
    array: Option<Box<Array>>,
    /// `None` once nothing more is wanted of it.
    upstream: Option<client::Body>,
    clocks: Clocks,
    last_down: Instant,
    /// The end went down; only the upstream's own end is waited for.
    linger: Option<Instant>,
    /// More is being reserved: nothing is read meanwhile.
    growing: Option<Growing>,
}

impl Stream {
    pub(super) fn new(
        exchange: Exchange,
        begun: Rope,
        reading: Box<Reading>,
        Rest { upstream, clocks }: Rest,
    ) -> Self {
        let now = Instant::now();
        let array = exchange.array.then(|| Box::new(Array::new()));
        let mut stream = Self {
            exchange,
            begun: Rope::new(),
            ended: Durable::NOW,
            reading,
            array,
            upstream: Some(upstream),
            clocks,
            last_down: now,
            linger: None,
            growing: None,
        };
        stream.exchange.keep_sent(&begun);
        stream.begun = stream.framed(begun, stream.reading.done);
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
            return self.release(cx);
        }
        loop {
            if let Err(fault) = std::task::ready!(self.grows(cx)) {
                self.begun = self.fail(Rope::new(), &fault);
                return self.release(cx);
            }
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
                self.begun = self.fail(out, &fault);
                return self.release(cx);
            }
            self.exchange.keep_sent(&out);
            let last = self.reading.done && self.linger.is_none();
            out = self.framed(out, last);
            if last {
                self.complete();
            }
            if !out.is_empty() {
                self.last_down = self.last_down.max(self.clocks.last_read);
                self.begun = out.settle();
                return self.release(cx);
            }
        }
    }

    /// Reserves more if the reply has said what it may.
    fn grows(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        if self.growing.is_none() {
            if self.linger.is_some() || self.reading.done || !grow::is_due(&self.exchange) {
                return Poll::Ready(Ok(()));
            }
            self.growing = grow::begin(&mut self.exchange);
        }
        let Some(growing) = &mut self.growing else {
            return Poll::Ready(Ok(()));
        };
        let grown = std::task::ready!(growing.as_mut().poll(cx));
        self.growing = None;
        Poll::Ready(grow::end(&mut self.exchange, grown))
    }

    /// Sends down what was begun; if that is the end, only once its record is as durable as the config asks.
    fn release(&mut self, cx: &mut Context<'_>) -> Poll<Option<Rope>> {
        if !self.ended.is_now() {
            if let Err(error) = std::task::ready!(Pin::new(&mut self.ended).poll(cx)) {
                let fault = audit::unavailable(&error);
                let mut told = Rope::new();
                let events = self.exchange.meter.events;
                self.reading
                    .refuse(&fault, self.exchange.id.as_str(), events, &mut told);
                if let Some(array) = &mut self.array {
                    array.take_back();
                }
                self.begun = self.framed(told, true);
                self.upstream = None;
            }
            self.ended = Durable::NOW;
        }
        if let Some(array) = &mut self.array {
            array.sent();
        }
        Poll::Ready(Some(std::mem::take(&mut self.begun)))
    }

    fn took(&mut self, data: &Bytes, out: &mut Rope) -> Result<(), Fault> {
        let now = Instant::now();
        self.clocks.last_read = now;
        self.exchange.unrevoked()?;
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
            let (mut deadline, mut kind) = match self.linger {
                Some(until) => (until, Kind::ClientGone),
                None => self.clocks.deadline(),
            };
            if self.linger.is_none()
                && let Some(hold) = self.reading.hold_deadline()
                && hold < deadline
            {
                (deadline, kind) = (hold, Kind::Overloaded);
            }
            let next = ping.map_or(deadline, |(at, _)| deadline.min(at));
            let now = Instant::now();
            if now >= next {
                if self.linger.is_some() {
                    self.upstream = None;
                    return Poll::Ready(Ok(b""));
                }
                if now >= deadline {
                    return Poll::Ready(Err(match kind {
                        Kind::Overloaded => super::govern::over(),
                        kind => kind.into(),
                    }));
                }
                self.last_down = now;
                return Poll::Ready(Ok(ping.map_or(&[], |(_, bytes)| bytes)));
            }
            std::task::ready!(self.clocks.poll_until(cx, next));
        }
    }

    /// What goes down, in the form that the client asked for, counted; `last`: nothing comes behind it.
    fn framed(&mut self, out: Rope, last: bool) -> Rope {
        let out = match &mut self.array {
            Some(array) => array.frame(&out, last),
            None => out,
        };
        self.exchange.meter.bytes_down += out.len() as u64;
        out
    }

    /// What was found in the reply goes into its record.
    fn tally(&mut self) {
        self.reading.tell(&mut self.exchange.tally);
    }

    /// The reply came to its good end.
    fn complete(&mut self) {
        self.tally();
        // The record is closed before the client sees the end.
        self.exchange.finish(Outcome::Completed, None);
        self.ended = self.exchange.ended();
        if self.upstream.as_ref().is_none_or(client::Body::is_complete) || self.reading.closed {
            self.upstream = None;
        } else {
            self.linger = Some(Instant::now() + LINGER);
        }
    }

    /// The reply failed after its beginning: tells the client, in its dialect, and never as a normal end.
    fn fail(&mut self, mut out: Rope, fault: &Fault) -> Rope {
        self.tally();
        self.upstream = None;
        let events = self.exchange.meter.events;
        self.reading
            .refuse(fault, self.exchange.id.as_str(), events, &mut out);
        self.exchange.keep_sent(&out);
        let out = self.framed(out, true);
        self.exchange.failed(fault);
        self.exchange.finish(outcome_of(fault), Some(fault));
        self.ended = self.exchange.ended();
        out
    }
}

impl Drop for Stream {
    /// A client that leaves: what was found until then goes into the record that the exchange writes when it drops.
    fn drop(&mut self) {
        self.tally();
    }
}
