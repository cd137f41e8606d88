//! A stream of an HTTP/2 connection whose client takes nothing: its window is closed, so hyper no longer asks for the reply,
//! and no clock of the reply's own would run. It is cut after as long as a socket that takes nothing.
//!
//! Must never know what is sent. Invariant: time runs only while something was handed over and nothing more was asked for.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::body::{Body, Frame, SizeHint};
use wire::Rope;

use crate::alarm::Alarm;
use crate::pipeline::{Broken, ReplyBody};

tokio::task_local! {
    /// Since when the stream of this task has not asked for more.
    static SINCE: Cell<Option<Instant>>;
}

fn owes(since: Option<Instant>) {
    // A body that is asked outside of its stream's task has no clock.
    let _ = SINCE.try_with(|cell| cell.set(since));
}

/// The reply of a stream.
pub(super) struct Owed(ReplyBody);

impl Owed {
    /// The reply begins now.
    pub(super) fn new(body: ReplyBody) -> Self {
        owes(Some(Instant::now()));
        Self(body)
    }
}

impl Body for Owed {
    type Data = Rope;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Rope>, Broken>>> {
        // While it waits for us, it is not the client who is late.
        owes(None);
        let frame = ready!(Pin::new(&mut self.0).poll_frame(cx));
        owes(Some(Instant::now()));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// Runs a stream's task; false if it was given up because its client took nothing for `stall`.
pub(super) fn watched(
    task: impl Future<Output = ()> + Send,
    stall: Duration,
) -> impl Future<Output = bool> + Send {
    SINCE.scope(Cell::new(None), async move {
        let (mut task, mut alarm) = (pin!(task), Alarm::default());
        std::future::poll_fn(|cx| {
            if task.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            match SINCE.with(Cell::get) {
                Some(since) => alarm.poll_until(cx, since + stall).map(|()| false),
                None => Poll::Pending,
            }
        })
        .await
    })
}
