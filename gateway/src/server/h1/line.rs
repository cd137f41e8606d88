//! A connection's socket with what was read from it and not taken, and the body of its request at hand.
//!
//! The connection and the body of its request share it; both are polled by the connection's task, one at a time. Invariants:
//! no byte behind a request's body is handed out as a part of it; once a body's framing broke, nothing more is read as one.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use super::head::Framing;
use super::out::Out;
use crate::io::{Io, give_back};

/// Leave to send a body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// While a client is answered, no more is read of what it sends than this, and what one read brings.
const AHEAD_BYTES: usize = 16 << 10;

/// The socket, what is at hand of it, and what goes down.
pub(super) struct Line {
    pub(super) io: Io,
    pub(super) out: Out,
    /// What was read and not taken: of a head, of a body, or of the next request. Small, and rare between requests.
    pub(super) early: BytesMut,
    framing: Framing,
    /// The client waits for leave to send the body.
    expects: bool,
}

impl Line {
    pub(super) fn new(io: Io) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            io,
            out: Out::default(),
            early: BytesMut::new(),
            framing: Framing::Length(0),
            expects: false,
        }))
    }

    /// A head was read: its body is next.
    pub(super) fn begin(&mut self, framing: Framing, expects: bool) {
        (self.framing, self.expects) = (framing, expects);
    }

    /// What comes is no request.
    pub(super) fn breaks(&mut self) {
        self.framing = Framing::Broken;
    }

    /// Whether the request's body was taken.
    pub(super) fn is_over(&self) -> bool {
        self.framing.is_over()
    }

    /// Whether the client is not known to have sent more than was taken.
    pub(super) fn is_heard(&self) -> bool {
        self.is_over() && self.early.is_empty()
    }

    /// Reads on. Empty: the client ended its side.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
        self.io.poll_read_some(cx)
    }

    /// Whether the client has left while it is answered. What it sends ahead is kept, as far as there is room.
    pub(super) fn left(&mut self, cx: &mut Context<'_>) -> bool {
        // Of a body it will be read.
        if !self.is_over() {
            return false;
        }
        while self.early.len() < AHEAD_BYTES && !self.io.poll_quiet(cx) {
            match self.poll_read(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(read)) => {
                    let gone = read.is_empty();
                    self.early.extend_from_slice(&read);
                    give_back(read);
                    if gone {
                        return true;
                    }
                }
                Poll::Ready(Err(_)) => return true,
            }
        }
        false
    }

    /// What is not taken yet moves to room of its own: the thread's buffer is for all.
    pub(super) fn keep(&mut self, read: BytesMut) {
        self.early = BytesMut::from(&*read);
        give_back(read);
    }

    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.expects) {
            self.out.raw(CONTINUE);
        }
        self.poll_write(cx, &mut false)
    }

    /// Writes all that can be written now. `moved` is set if anything was.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        moved: &mut bool,
    ) -> Poll<io::Result<()>> {
        self.out.poll_write(cx, &mut self.io, moved)
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        while !self.is_over() {
            let mut read = if self.early.is_empty() {
                ready!(self.poll_leave(cx))?;
                ready!(self.poll_read(cx))?
            } else {
                std::mem::take(&mut self.early)
            };
            // Who sends does not wait.
            self.expects = false;
            let taken = match &mut self.framing {
                _ if read.is_empty() => None,
                Framing::Length(left) => {
                    let step =
                        usize::try_from(*left).map_or(read.len(), |left| left.min(read.len()));
                    *left -= step as u64;
                    Some((step, step))
                }
                Framing::Chunked(chunked) => chunked.decode(&mut read).ok(),
                Framing::Broken => None,
            };
            let Some((payload, used)) = taken else {
                self.framing = Framing::Broken;
                give_back(read);
                return Poll::Ready(Some(Err(io::ErrorKind::InvalidData.into())));
            };
            let data = read.split_to(payload).freeze();
            read.advance(used - payload);
            if read.is_empty() {
                give_back(read);
            } else {
                self.keep(read);
            }
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(data)));
            }
        }
        Poll::Ready(None)
    }

    /// As `poll_data`, but reads to where the body is gathered: what is long need not be copied there.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        whole: &mut BytesMut,
    ) -> Poll<Option<io::Result<()>>> {
        let Framing::Length(left @ 1..) = &mut self.framing else {
            return self.poll_joined(cx, whole);
        };
        if !self.early.is_empty() || self.expects {
            return self.poll_joined(cx, whole);
        }
        let most = usize::try_from(*left).unwrap_or(usize::MAX);
        let mut room = (&mut *whole).limit(most);
        let read = ready!(pin!(self.io.read_buf(&mut room)).poll(cx));
        let read = match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        match read {
            Ok(read) => {
                *left -= read as u64;
                Poll::Ready(Some(Ok(())))
            }
            Err(error) => {
                self.framing = Framing::Broken;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn poll_joined(
        &mut self,
        cx: &mut Context<'_>,
        whole: &mut BytesMut,
    ) -> Poll<Option<io::Result<()>>> {
        self.poll_data(cx)
            .map_ok(|data| whole.extend_from_slice(&data))
    }
}

/// Takes the line; its holders are of one task, so it is never waited for.
pub(super) fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of a request, on the wire.
pub struct Body(pub(super) Arc<Mutex<Line>>);

impl Body {
    /// Bytes that are still to come, if that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match lock(&self.0).framing {
            Framing::Length(left) => Some(left),
            Framing::Chunked(_) | Framing::Broken => None,
        }
    }

    /// Whether all of it was taken.
    #[must_use]
    pub fn is_over(&self) -> bool {
        lock(&self.0).is_over()
    }

    /// What one read brings; `None`: that was all.
    ///
    /// # Errors
    /// The connection or the body's framing broke.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        lock(&self.0).poll_data(cx)
    }

    /// The same, put behind what `whole` holds already.
    ///
    /// # Errors
    /// As [`Body::poll_data`].
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        whole: &mut BytesMut,
    ) -> Poll<Option<io::Result<()>>> {
        lock(&self.0).poll_fill(cx, whole)
    }
}
