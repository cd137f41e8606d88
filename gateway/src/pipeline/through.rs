//! A reply of bytes that nobody reads, speech above all: passed on as it comes.
//!
//! Polls the upstream directly, as [`super::stream`] does. Holds nothing back and finds nothing: what may be said at all
//! was judged in the request. Invariant: it ends well only where the upstream did; else the connection breaks off, since
//! there is no way to say an error in the middle of a sound.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use journal::{Durable, Outcome};
use wire::{Fault, Kind, Rope};

use super::body::Broken;
use super::clocks::Clocks;
use super::dispatch::Rest;
use super::settle::{Exchange, outcome_of};
use crate::upstream::client;

/// The body of such an answer.
pub struct Through {
    exchange: Exchange,
    /// What goes down next.
    begun: Bytes,
    /// `None`: there is no more.
    upstream: Option<client::Body>,
    clocks: Clocks,
    /// The end, which goes down only when this has resolved.
    ended: Durable,
    broken: bool,
}

impl Through {
    pub(super) fn new(exchange: Exchange, begun: Bytes, Rest { upstream, clocks }: Rest) -> Self {
        Self {
            exchange,
            begun,
            upstream: Some(upstream),
            clocks,
            ended: Durable::NOW,
            broken: false,
        }
    }

    /// The next frame.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Rope, Broken>>> {
        if !self.begun.is_empty() {
            let begun = std::mem::take(&mut self.begun);
            return Poll::Ready(Some(Ok(self.down(begun))));
        }
        let Some(upstream) = self.upstream.as_mut() else {
            return self.poll_end(cx);
        };
        let read = match upstream.poll_data(cx) {
            Poll::Ready(read) => read,
            Poll::Pending => match self.poll_clocks(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(fault) => Some(Err(fault)),
            },
        };
        match read {
            Some(Ok(data)) => {
                let now = Instant::now();
                self.clocks.last_read = now;
                self.clocks.content(now);
                if let Err(fault) = self.exchange.unrevoked() {
                    self.fail(&fault);
                    return self.poll_end(cx);
                }
                Poll::Ready(Some(Ok(self.down(data))))
            }
            None => {
                self.upstream = None;
                // The record is closed before the client sees the end.
                self.exchange.finish(Outcome::Completed, None);
                self.ended = self.exchange.ended();
                self.poll_end(cx)
            }
            Some(Err(fault)) => {
                self.fail(&fault);
                self.poll_end(cx)
            }
        }
    }

    /// Whether nothing more goes down.
    pub(super) fn is_over(&self) -> bool {
        self.upstream.is_none() && self.begun.is_empty() && !self.broken && self.ended.is_now()
    }

    fn down(&mut self, data: Bytes) -> Rope {
        self.exchange.meter.bytes_down += data.len() as u64;
        let rope = Rope::from(data);
        self.exchange.keep_unread(&rope);
        rope
    }

    fn fail(&mut self, fault: &Fault) {
        self.upstream = None;
        self.broken = true;
        self.exchange.failed(fault);
        self.exchange.finish(outcome_of(fault), Some(fault));
        self.ended = self.exchange.ended();
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Rope, Broken>>> {
        if !self.ended.is_now() {
            let ended = std::task::ready!(Pin::new(&mut self.ended).poll(cx));
            self.broken |= ended.is_err();
            self.ended = Durable::NOW;
        }
        Poll::Ready(std::mem::take(&mut self.broken).then_some(Err(Broken)))
    }

    /// Nothing to read: `Ready` if that has lasted too long.
    fn poll_clocks(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        loop {
            if self.exchange.worker.shared.is_cut() {
                return Poll::Ready(Kind::Draining.into());
            }
            let (deadline, kind) = self.clocks.deadline();
            if Instant::now() >= deadline {
                return Poll::Ready(kind.into());
            }
            std::task::ready!(self.clocks.poll_until(cx, deadline));
        }
    }
}
