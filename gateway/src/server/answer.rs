//! One request, answered: whatever came over whichever protocol, and whatever happens meanwhile.

use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use adapters::places;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use wire::{Fault, Headers, Kind};

use super::h1;
use crate::pipeline::{self, Head, Response};
use crate::worker::{Peer, Worker};

/// The body of a request, still coming.
pub enum Inbound {
    /// In frames of HTTP/2.
    Framed(Incoming),
    /// On a connection of its own.
    Line(h1::Body),
}

impl Inbound {
    /// Bytes that are still to come, if that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match self {
            Self::Framed(body) => body.size_hint().exact(),
            Self::Line(body) => body.left(),
        }
    }

    /// Whether all of it was taken.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self {
            Self::Framed(body) => body.is_end_stream(),
            Self::Line(body) => body.is_over(),
        }
    }

    /// The next bytes; `None`: that was all.
    ///
    /// # Errors
    /// The body ended before its end, or is none.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match self {
            Self::Framed(body) => loop {
                match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                    None => return Poll::Ready(None),
                    Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                    Some(Ok(frame)) => {
                        // Trailers are nobody's.
                        if let Ok(data) = frame.into_data() {
                            return Poll::Ready(Some(Ok(data)));
                        }
                    }
                }
            },
            Self::Line(body) => body.poll_data(cx),
        }
    }

    /// The same, put behind what `whole` holds already; where there is room for it, without a copy.
    ///
    /// # Errors
    /// As [`Inbound::poll_data`].
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        whole: &mut BytesMut,
    ) -> Poll<Option<io::Result<()>>> {
        match self {
            Self::Line(body) => body.poll_fill(cx, whole),
            Self::Framed(_) => self
                .poll_data(cx)
                .map_ok(|data| whole.extend_from_slice(&data)),
        }
    }
}

/// Answers one request, with a panic in it turned into its own answer.
pub(super) async fn answer(
    worker: Arc<Worker>,
    peer: Arc<Peer>,
    head: Head,
    body: Inbound,
) -> Response {
    let now_ms = worker.now_ms();
    let id = worker.next_id(now_ms);
    let dialect = places::find(head.uri.path(), &head.headers).dialect;
    // Where it stays: whatever comes through here is copied at every poll.
    let mut reply = None;
    let caught = {
        let asks = (dialect, &head, body);
        let mut serving = pin!(pipeline::serve(&worker, &peer, id, now_ms, asks));
        let polled = std::future::poll_fn(|cx| {
            let mut poll = || serving.as_mut().poll(cx).map(|ready| reply = Some(ready));
            match std::panic::catch_unwind(AssertUnwindSafe(&mut poll)) {
                // Its connection is looked at once more when time is up: what has no answer yet gets one now.
                Ok(Poll::Pending) if worker.shared.is_cut() => Poll::Ready(Err(Kind::Draining)),
                Ok(polled) => polled.map(Ok),
                Err(_) => {
                    worker.shared.metrics.panics.inc();
                    Poll::Ready(Err(Kind::Bug))
                }
            }
        });
        polled.await
    };
    h1::head::give_back(head.headers);
    let kind = caught.err().unwrap_or(Kind::Bug);
    reply.unwrap_or_else(|| pipeline::last_words(&kind.into(), id, dialect))
}

/// The answer to what is no request: nobody knows in whose dialect it was meant.
pub(super) fn unreadable(worker: &Worker, fault: Fault) -> Response {
    let id = worker.next_id(worker.now_ms());
    worker.log_fault(id.as_str(), "", &fault);
    let dialect = places::find("/", &Headers::new()).dialect;
    pipeline::last_words(&fault, id, dialect)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// It is made and let go for every request, and grows in the dark. A stream that has begun does not hold it. 6360 bytes
    /// on 2026-11-26, once forms, turns at a vendor and identities had come.
    #[test]
    fn the_future_of_a_request_stays_small() {
        let bytes = future_bytes(answer);
        assert!(bytes <= 6500, "{bytes}");
    }
}
