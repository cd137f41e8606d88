//! The body of a simulated reply: a list of steps played one after another.
//!
//! All waiting, stalling and cutting happens here, so surfaces only render. It notices the client leaving the moment
//! hyper drops it. Invariant: a [`Track`] ends in exactly one of finished, cut by us, or cancelled by the client.

use crate::record::Track;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// Waited before a connection is cut, so that what was written before has left.
pub(crate) const CUT_FLUSH: Duration = Duration::from_millis(25);

/// One thing a reply does.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Data(Bytes),
    /// The end of one SSE event, for counting.
    EventSent,
    /// Also with zero length it makes what went before leave on its own.
    Pause(Duration),
    /// Silence until the client gives up.
    Stall,
    /// The connection ends here without the body's proper end.
    Cut,
}

/// The reason hyper is given for closing a connection.
#[derive(Debug)]
pub(crate) struct Severed;

impl std::fmt::Display for Severed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the simulator cut this connection as it was asked to")
    }
}

impl std::error::Error for Severed {}

/// Plays steps; see [`Step`].
pub(crate) struct Script {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    track: Track,
    exact: Option<u64>,
}

impl Script {
    /// A reply known whole: has a content length.
    pub(crate) fn whole(bytes: Bytes, track: Track) -> Self {
        let exact = u64::try_from(bytes.len()).ok();
        Self {
            steps: VecDeque::from([Step::Data(bytes)]),
            sleep: None,
            track,
            exact,
        }
    }

    /// A reply without a known length.
    pub(crate) fn steps(steps: Vec<Step>, track: Track) -> Self {
        Self {
            steps: steps.into(),
            sleep: None,
            track,
            exact: None,
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Severed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Severed>>> {
        loop {
            if let Some(sleep) = self.sleep.as_mut() {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            match self.steps.pop_front() {
                None => {
                    self.track.finished();
                    return Poll::Ready(None);
                }
                Some(Step::Data(bytes)) => {
                    self.track.bytes(bytes.len());
                    while let Some(Step::EventSent) = self.steps.front() {
                        self.steps.pop_front();
                        self.track.event();
                    }
                    if self.steps.is_empty() {
                        self.track.finished();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::EventSent) => self.track.event(),
                // A timer of zero would be ready at once; being pending once makes hyper flush.
                Some(Step::Pause(time)) if time.is_zero() => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Pause(time)) => self.sleep = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::Stall) => {
                    self.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
                Some(Step::Cut) if self.track.cutting() => return Poll::Ready(Some(Err(Severed))),
                Some(Step::Cut) => {
                    self.track.cut();
                    self.steps.push_front(Step::Cut);
                    self.sleep = Some(Box::pin(tokio::time::sleep(CUT_FLUSH)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.exact.is_some() && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.exact
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
