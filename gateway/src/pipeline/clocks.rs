//! The clocks of one attempt: first content, gap between contents, silence, total. (Connecting has its own, in the client.)
//!
//! Comments and keep-alives are reads, but not content: a vendor that only says that it lives is waited for no longer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use wire::{Fault, Kind};

use crate::alarm::SharedAlarm;
use crate::config::snapshot;
use crate::upstream::client;

/// The clocks of one attempt. Comments and keep-alives are reads, but not content.
#[derive(Clone)]
pub(super) struct Clocks {
    /// The request's end at the latest.
    total: Instant,
    /// First content at the latest.
    first: Instant,
    content_gap: Duration,
    idle: Duration,
    pub(super) last_read: Instant,
    last_content: Option<Instant>,
    alarm: Arc<SharedAlarm>,
}

impl Clocks {
    pub(super) fn start(
        arrived: Instant,
        clocks: &snapshot::Clocks,
        alarm: Arc<SharedAlarm>,
    ) -> Self {
        let now = Instant::now();
        Self {
            total: arrived + clocks.total,
            first: now + clocks.first_content,
            content_gap: clocks.content_gap,
            idle: clocks.idle,
            last_read: now,
            last_content: None,
            alarm,
        }
    }

    /// `Ready` once `at` has passed.
    pub(super) fn poll_until(&self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        self.alarm.poll_until(cx, at)
    }

    pub(super) fn content(&mut self, now: Instant) {
        self.last_content = Some(now);
    }

    pub(super) fn deadline(&self) -> (Instant, Kind) {
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

    /// Waits for what comes before the first byte of a reply. It is lent, or boxed: a future that is handed on is copied.
    pub(super) async fn first<T>(
        &self,
        mut work: impl Future<Output = T> + Unpin,
    ) -> Result<T, Fault> {
        let (at, kind) = if self.total < self.first {
            (self.total, Kind::DeadlinePassed)
        } else {
            (self.first, Kind::FirstByteTimeout)
        };
        std::future::poll_fn(|cx| match Pin::new(&mut work).poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.poll_until(cx, at).map(|()| Err(kind.into())),
        })
        .await
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
        let read = std::future::poll_fn(|cx| match upstream.poll_data(cx) {
            Poll::Ready(read) => Poll::Ready(Ok(read)),
            Poll::Pending => self.poll_until(cx, at).map(|()| Err(Fault::from(kind))),
        })
        .await?;
        self.last_read = Instant::now();
        read.transpose()
    }
}
