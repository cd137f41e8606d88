//! The downstream socket, watched: what hyper does not refuse, and writes that do not move.
//!
//! hyper (1.12) drops `Content-Length` when `Transfer-Encoding` is there as well and goes on. RFC 9112, section 6.3 lets a
//! server refuse that, and we do: the bytes of each request's head are looked at as they pass. (A pipelined head
//! that arrived together with the request before it is not seen here; hyper then closes the connection after it, so
//! nothing is smuggled.) A client that does not read, or sends its head
//! drop by drop, loses its connection: see [`Clocks`].

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use memchr::memmem::Finder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What one connection's socket knows of the request that is being read.
#[derive(Debug, Default)]
pub struct HeadWatch {
    state: AtomicU8,
}

/// The next bytes are a head.
const AT_HEAD: u8 = 0;
/// Bytes belong to a message.
const IN_MESSAGE: u8 = 1;
/// The head has both a length and a coding.
const CONFLICT: u8 = 2;
/// HTTP/2: its frames are hyper's business, and its limits are settings of the protocol.
const FRAMED: u8 = 3;

impl HeadWatch {
    /// For HTTP/2.
    #[must_use]
    pub fn framed() -> Self {
        Self {
            state: AtomicU8::new(FRAMED),
        }
    }

    /// Whether the head of the request at hand was in conflict.
    pub fn take_conflict(&self) -> bool {
        match self.state.load(Ordering::Acquire) {
            FRAMED => false,
            state => {
                self.state.store(IN_MESSAGE, Ordering::Release);
                state == CONFLICT
            }
        }
    }

    /// The request was answered: what is read next is a head.
    pub fn next_head(&self) {
        if self.state.load(Ordering::Acquire) != FRAMED {
            self.state.store(AT_HEAD, Ordering::Release);
        }
    }

    fn reads_head(&self) -> bool {
        matches!(self.state.load(Ordering::Acquire), AT_HEAD | CONFLICT)
    }

    fn sees(&self, bytes: &[u8]) {
        if has_conflict(bytes) {
            self.state.store(CONFLICT, Ordering::Release);
        }
    }
}

static CODING: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"ncoding"));
static CODING_LOUD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"NCODING"));

/// Whether a head (or the part of it that one read brought) has both fields.
fn has_conflict(bytes: &[u8]) -> bool {
    // Nearly no request has a transfer coding: one search settles it.
    if CODING.find(bytes).is_none() && CODING_LOUD.find(bytes).is_none() {
        return false;
    }
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")
        .map_or(bytes, |end| bytes.get(..end).unwrap_or_default());
    let mut names = head
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b':').next());
    let mut has = |name: &[u8]| {
        names
            .by_ref()
            .any(|found| found.trim_ascii().eq_ignore_ascii_case(name))
    };
    let coded = has(b"transfer-encoding");
    let mut names = head
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b':').next());
    coded && names.any(|found| found.trim_ascii().eq_ignore_ascii_case(b"content-length"))
}

/// A socket with its guard.
pub struct Guard<T> {
    inner: T,
    watch: Arc<HeadWatch>,
    clocks: Clocks,
    /// When the head that is being read began.
    head_since: Option<Instant>,
    /// Runs while a head is not complete.
    slow_head: Option<Pin<Box<Sleep>>>,
    /// Runs while a write does not move.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// What a client is given time for.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// A head, from its first byte to its last. (hyper's own timer would run while a kept connection is idle, too.)
    pub head: Duration,
    /// A write that does not move.
    pub stall: Duration,
}

impl<T> Guard<T> {
    /// Guards `inner`.
    pub fn new(inner: T, watch: Arc<HeadWatch>, clocks: Clocks) -> Self {
        Self {
            inner,
            watch,
            clocks,
            head_since: None,
            slow_head: None,
            stalled: None,
        }
    }

    fn writes<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.clocks.stall;
        let timer = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        timer
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Nothing to read: is a head late?
    fn waits(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(since) = self.head_since.filter(|_| self.watch.reads_head()) else {
            self.head_since = None;
            self.slow_head = None;
            return Poll::Pending;
        };
        let until = since + self.clocks.head;
        let timer = self
            .slow_head
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until.into())));
        timer
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Pending => self.waits(cx),
            Poll::Ready(read) => {
                if self.watch.reads_head() {
                    self.watch
                        .sees(buf.filled().get(before..).unwrap_or_default());
                    if self.head_since.is_none() {
                        self.head_since = Some(Instant::now());
                    }
                }
                Poll::Ready(read)
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.writes(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.writes(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.writes(cx, shut)
    }

    // Without this, hyper would copy every slice into one buffer before it writes.
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.writes(cx, written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_conflicts() {
        let both = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTRANSFER-Encoding: chunked\r\n\r\n";
        assert!(has_conflict(both));
        assert!(!has_conflict(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\ncontent-length: 3\r\n"
        ));
        assert!(!has_conflict(
            b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\n"
        ));
    }
}
