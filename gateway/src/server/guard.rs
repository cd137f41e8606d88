//! The downstream socket, watched: what hyper does not refuse, and writes that do not move.
//!
//! hyper (1.12) drops `Content-Length` when `Transfer-Encoding` is there as well and goes on. RFC 9112, section 6.3 lets a
//! server refuse that, and we do: the bytes of each request's head are looked at as they pass. (A pipelined head
//! that arrived together with the request before it is not seen here; hyper then closes the connection after it, so
//! nothing is smuggled.) A client that does not read, or sends its head
//! drop by drop, loses its connection: see [`Clocks`].

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use memchr::memmem::Finder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::alarm::Alarm;

/// What one connection's socket knows of the request that is being read.
#[derive(Debug, Default)]
pub struct HeadWatch {
    state: AtomicU8,
    /// A request is here whole, and is being answered.
    answering: AtomicBool,
}

/// The next byte is a head's first.
const AT_HEAD: u8 = 0;
/// Bytes belong to a message.
const IN_MESSAGE: u8 = 1;
/// The head has both a length and a coding.
const CONFLICT: u8 = 2;
/// HTTP/2: its frames are hyper's business, and its limits are settings of the protocol.
const FRAMED: u8 = 3;
/// A head has begun.
const IN_HEAD: u8 = 4;

impl HeadWatch {
    /// For HTTP/2.
    #[must_use]
    pub fn framed() -> Self {
        Self {
            state: AtomicU8::new(FRAMED),
            answering: AtomicBool::new(false),
        }
    }

    /// Whether this is HTTP/2.
    #[must_use]
    pub fn is_framed(&self) -> bool {
        self.state() == FRAMED
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

    /// The request at hand is here whole: nothing should come until it is answered, and its client's leaving ends it.
    pub fn answers(&self) {
        if !self.is_framed() {
            self.answering.store(true, Ordering::Release);
        }
    }

    /// It is answered.
    pub fn answered(&self) {
        self.answering.store(false, Ordering::Release);
    }

    fn state(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }

    /// Takes a look at bytes of a head.
    fn sees(&self, bytes: &[u8]) {
        let mut bytes = bytes;
        if self.state() == AT_HEAD {
            // Blank lines before a head are passed over, as hyper does: the end of a head is not looked for in them.
            let blank = |byte: &u8| matches!(byte, b'\r' | b'\n');
            bytes = bytes
                .iter()
                .position(|byte| !blank(byte))
                .and_then(|from| bytes.get(from..))
                .unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
        }
        let end = HEAD_END.find(bytes);
        let head = end.map_or(bytes, |end| bytes.get(..end).unwrap_or_default());
        let state = if has_conflict(head) {
            CONFLICT
        } else {
            match (self.state(), end) {
                (CONFLICT, _) => return,
                (_, Some(_)) => IN_MESSAGE,
                (_, None) => IN_HEAD,
            }
        };
        self.state.store(state, Ordering::Release);
    }
}

const CODING: &[u8] = b"transfer-encoding";
/// Where its `f` is.
const CODING_F: usize = 5;

static HEAD_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// Whether a head (or the part of it that one read brought) has both fields.
fn has_conflict(head: &[u8]) -> bool {
    // Nearly no request has a transfer coding: one search for its rarest letter settles it, however it is written.
    let coded = memchr::memchr2_iter(b'f', b'F', head).any(|at| {
        let name = at.checked_sub(CODING_F).and_then(|from| head.get(from..));
        name.and_then(|name| name.get(..CODING.len()))
            .is_some_and(|name| name.eq_ignore_ascii_case(CODING))
    });
    if !coded {
        return false;
    }
    let mut names = head
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b':').next());
    let mut has = |name: &[u8]| {
        names
            .by_ref()
            .any(|found| found.trim_ascii().eq_ignore_ascii_case(name))
    };
    let coded = has(CODING);
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
    /// A byte that was read while its predecessors were being answered.
    ahead: Option<u8>,
    /// Since when nothing was asked.
    idle_since: Option<Instant>,
    /// When the head that is being read began.
    head_since: Option<Instant>,
    /// Since when a write does not move.
    stalled_since: Option<Instant>,
    /// For what is read; used again and again, since every request awaits a head.
    reading: Alarm,
    /// For what is written.
    writing: Alarm,
}

/// What a client is given time for.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// A head, from its first byte to its last. (hyper's own timer would run while a kept connection is idle, too, and
    /// registers a timer with the runtime for every request.)
    pub head: Duration,
    /// A connection on which nothing is asked.
    pub idle: Duration,
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
            ahead: None,
            idle_since: None,
            head_since: None,
            stalled_since: None,
            reading: Alarm::default(),
            writing: Alarm::default(),
        }
    }

    fn writes<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stalled_since = None;
            return written;
        }
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        self.writing
            .poll_until(cx, since + self.clocks.stall)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Nothing to read: is a head late, or the next request?
    fn waits(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.watch.state() {
            AT_HEAD => {
                let since = *self.idle_since.get_or_insert_with(Instant::now);
                // To hyper, a client that left: it ends the connection without a word.
                self.reading
                    .poll_until(cx, since + self.clocks.idle)
                    .map(Ok)
            }
            IN_HEAD | CONFLICT => {
                let since = *self.head_since.get_or_insert_with(Instant::now);
                self.reading
                    .poll_until(cx, since + self.clocks.head)
                    .map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            _ => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> Guard<T> {
    /// Whether the client has left while it is being answered. hyper would look for that by reading on, for which it keeps
    /// a buffer of 8 KiB for each stream; one byte is enough.
    fn left(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.ahead.is_some() || !self.watch.answering.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut byte = [0; 1];
        let mut one = ReadBuf::new(&mut byte);
        match Pin::new(&mut self.inner).poll_read(cx, &mut one) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => match one.filled().first() {
                // The next request, early: it waits for its turn.
                Some(byte) => {
                    self.ahead = Some(*byte);
                    Ok(())
                }
                None => Err(io::ErrorKind::ConnectionAborted.into()),
            },
            Poll::Ready(Err(error)) => Err(error),
        }
    }

    /// Bytes came, behind `before` in the buffer.
    fn took(
        &mut self,
        before: usize,
        buf: &ReadBuf<'_>,
        read: io::Result<()>,
    ) -> Poll<io::Result<()>> {
        let state = self.watch.state();
        if matches!(state, AT_HEAD | IN_HEAD | CONFLICT) {
            self.watch
                .sees(buf.filled().get(before..).unwrap_or_default());
        }
        if state == AT_HEAD && self.watch.state() != AT_HEAD {
            (self.idle_since, self.head_since) = (None, Some(Instant::now()));
        }
        Poll::Ready(read)
    }

    fn flushes(
        &mut self,
        cx: &mut Context<'_>,
        flushed: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        self.left(cx)?;
        self.writes(cx, flushed)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let ahead = self.ahead.take_if(|_| buf.remaining() > 0);
        if let Some(byte) = ahead {
            buf.put_slice(&[byte]);
        }
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Pending if ahead.is_none() => self.waits(cx),
            Poll::Pending => self.took(before, buf, Ok(())),
            Poll::Ready(read) => self.took(before, buf, read),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<T> {
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
        self.flushes(cx, flushed)
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

    fn state_after(reads: &[&[u8]]) -> u8 {
        let watch = HeadWatch::default();
        reads.iter().for_each(|read| watch.sees(read));
        watch.state()
    }

    #[test]
    fn sees_conflicts() {
        let both = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTRANSFER-Encoding: chunked\r\n\r\n";
        assert_eq!(state_after(&[both]), CONFLICT);
        let odd = b"POST / HTTP/1.1\r\nContent-Length: 3\r\ntRaNsFeR-eNcOdInG: chunked\r\n\r\n";
        assert_eq!(state_after(&[odd]), CONFLICT);
        assert_eq!(state_after(&[b"\r\n", b"\r\n\r\n", both]), CONFLICT);
        assert_eq!(state_after(&[&[b"\r\n\r\n", &both[..]].concat()]), CONFLICT);
        for sound in [
            &b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\ncontent-length: 3\r\n"[..],
            b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc",
        ] {
            assert_eq!(state_after(&[sound]), IN_MESSAGE);
        }
    }

    #[test]
    fn knows_when_a_head_begins_and_ends() {
        assert_eq!(state_after(&[b"\r\n\r\n"]), AT_HEAD);
        assert_eq!(state_after(&[b"\r\nGET"]), IN_HEAD);
        assert_eq!(
            state_after(&[b"GET / HTTP/1.1\r\n", b"a: b\r\n\r\n"]),
            IN_MESSAGE
        );
    }
}
