//! What goes down: heads and chunks around the bytes of a body, written with one vectored call.
//!
//! The bytes around a body are made in memory that the thread lends: a connection that waits holds none.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Buf;
use http::StatusCode;
use tokio::io::AsyncWrite;
use wire::Rope;

use crate::io::Io;
use crate::pipeline::Lines;

/// Slices of one write; a body in more pieces takes more writes.
const SLICES: usize = 16;
/// Room for a head.
const LEAD_BYTES: usize = 1 << 10;
/// Behind a chunk, and behind the last one.
const CHUNK_END: &[u8] = b"\r\n";
const LAST_CHUNK_END: &[u8] = b"\r\n0\r\n\r\n";
/// A body in chunks that ends without another.
const LAST: &[u8] = b"0\r\n\r\n";

thread_local! {
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// The date as headers tell it, and its second.
    static DATE_NOW: Cell<(i64, [u8; 29])> = const { Cell::new((-1, [b' '; 29])) };
}

/// How a reply's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// After so many bytes, as its head says.
    Length(u64),
    /// With a last chunk.
    Chunked,
    /// With the connection (HTTP/1.0).
    UntilClose,
    /// There is none.
    Nothing,
}

/// What is to be written.
#[derive(Default)]
pub(super) struct Out {
    lead: Vec<u8>,
    sent: usize,
    body: Rope,
    tail: &'static [u8],
    /// What TLS took may not have left.
    flush: bool,
}

impl Out {
    /// Whether a part of the body can be put in.
    pub(super) fn has_room(&self) -> bool {
        self.body.is_empty() && self.tail.is_empty()
    }

    fn lead(&mut self) -> &mut Vec<u8> {
        if self.lead.capacity() == 0 {
            self.lead = SPARE.take();
            self.lead.reserve(LEAD_BYTES);
        }
        &mut self.lead
    }

    /// Bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.lead().extend_from_slice(bytes);
    }

    /// A reply's head. `connection`: what its client must be told of the connection, if anything.
    pub(super) fn head(
        &mut self,
        (status, headers, frame): (StatusCode, &Lines, Frame),
        connection: &[u8],
        now_ms: i64,
    ) {
        let lead = self.lead();
        let reason = status.canonical_reason().unwrap_or("-");
        // Each piece by itself: of those that are constant the length is known where they are copied.
        lead.extend_from_slice(b"HTTP/1.1 ");
        lead.extend_from_slice(status.as_str().as_bytes());
        lead.extend_from_slice(b" ");
        lead.extend_from_slice(reason.as_bytes());
        lead.extend_from_slice(b"\r\n");
        lead.extend_from_slice(headers.as_bytes());
        match frame {
            Frame::Length(length) => {
                lead.extend_from_slice(b"content-length: ");
                lead.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
                lead.extend_from_slice(b"\r\n");
            }
            Frame::Chunked => lead.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            Frame::UntilClose | Frame::Nothing => {}
        }
        if !connection.is_empty() {
            lead.extend_from_slice(b"connection: ");
            lead.extend_from_slice(connection);
            lead.extend_from_slice(b"\r\n");
        }
        lead.extend_from_slice(b"date: ");
        lead.extend_from_slice(&date(now_ms));
        lead.extend_from_slice(b"\r\n\r\n");
    }

    /// A part of the body, `last` or not. There must be no other in it.
    pub(super) fn body(&mut self, part: Rope, frame: Frame, last: bool) {
        match frame {
            Frame::Chunked if part.is_empty() => self.tail = if last { LAST } else { b"" },
            Frame::Chunked => {
                // Writing to memory does not fail.
                let _ = write!(self.lead(), "{:x}\r\n", part.len());
                self.tail = if last { LAST_CHUNK_END } else { CHUNK_END };
                self.body = part;
            }
            Frame::Length(_) | Frame::UntilClose => self.body = part,
            Frame::Nothing => {}
        }
    }

    /// Writes all that can be written now. `moved` is set if anything was.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
        moved: &mut bool,
    ) -> Poll<io::Result<()>> {
        let mut io = Pin::new(io);
        loop {
            let lead = self.lead.get(self.sent..).unwrap_or_default();
            if lead.is_empty() && self.body.is_empty() && self.tail.is_empty() {
                break;
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut filled = 0;
            if let Some(slot) = slices.first_mut().filter(|_| !lead.is_empty()) {
                *slot = IoSlice::new(lead);
                filled = 1;
            }
            let body = slices.get_mut(filled..SLICES - 1).unwrap_or_default();
            let pieces = self.body.chunks_vectored(body);
            filled += pieces;
            if pieces == self.body.pieces().count()
                && let Some(slot) = slices.get_mut(filled).filter(|_| !self.tail.is_empty())
            {
                *slot = IoSlice::new(self.tail);
                filled += 1;
            }
            let slices = slices.get(..filled).unwrap_or_default();
            let written = ready!(io.as_mut().poll_write_vectored(cx, slices))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *moved = true;
            self.flush = true;
            self.wrote(written);
        }
        if self.flush {
            ready!(io.poll_flush(cx))?;
            self.flush = false;
        }
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, mut written: usize) {
        let step = written.min(self.lead.len() - self.sent);
        self.sent += step;
        written -= step;
        if self.sent == self.lead.len() && self.sent > 0 {
            let mut lead = std::mem::take(&mut self.lead);
            lead.clear();
            self.sent = 0;
            SPARE.set(lead);
        }
        let step = written.min(self.body.len());
        self.body.advance(step);
        written -= step;
        self.tail = self.tail.get(written..).unwrap_or_default();
    }
}

/// The date of a reply (RFC 9110, section 6.6.1), made once a second and thread.
fn date(now_ms: i64) -> [u8; 29] {
    let second = now_ms.div_euclid(1000);
    let (known, text) = DATE_NOW.get();
    if known == second {
        return text;
    }
    let since = Duration::from_secs(second.unsigned_abs());
    let mut text = [b' '; 29];
    // As long as it is by its grammar.
    let _ = write!(
        &mut text[..],
        "{}",
        httpdate::HttpDate::from(SystemTime::UNIX_EPOCH + since)
    );
    DATE_NOW.set((second, text));
    text
}

#[cfg(test)]
mod tests;
