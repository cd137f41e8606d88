//! A reply that comes over a WebSocket (RFC 6455): the handshake, one message up, and what comes down as a stream of events.
//!
//! Each text message becomes `data: …` and a blank line, so that what reads streams need not know; line ends of a message,
//! which stand between its tokens only if it is JSON, become blanks. Polled by the reply that owns it, like any other
//! body: back-pressure is the socket's, nothing is read ahead, no message is gathered here. Pings are answered where they
//! are read. Invariants: all that goes up is masked with fresh random keys; a connection is used for one exchange.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes, BytesMut};
use http::header::{
    CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{HeaderName, HeaderValue};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use wire::ws::{self, Broken, Decoder, Item, Mask, Opcode};
use wire::{Fault, Headers, Kind, Rope};

use super::client::{Bounds, Endpoint};
use super::reply::{self, Answer, HEADERS_MAX, Head, cut_short, malformed};
use super::request::Request;
use super::write::write_all;
use crate::io::{Io, give_back};

/// Bytes of one message: as an event of any other stream.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Bytes that are masked and written at a time.
const STEP_BYTES: usize = 16 << 10;
/// What a server joins to a key (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The close code of an end that is none of anybody's fault.
const NORMAL: u16 = 1000;

/// What came of asking for a WebSocket.
pub(super) enum Opened {
    /// It is open, and the message went up.
    Messages(Head, Box<Messages>),
    /// An ordinary reply that says why not.
    Refused(Head, reply::Body),
}

/// Asks for a WebSocket, and sends the request's body as one message.
///
/// # Errors
/// `CutShort`, `Malformed`; `ConnectFailed` on a connection that speaks HTTP/2.
pub(super) async fn open(
    mut io: Io,
    endpoint: &Endpoint,
    bounds: &Bounds,
    request: &Request,
) -> Result<Opened, Fault> {
    if io.speaks_http2() {
        return Err(Fault::new(Kind::ConnectFailed).reason("http2_socket"));
    }
    let key = STANDARD.encode(random::<16>()?);
    let mut head = request.head.opening(endpoint).to_vec();
    let lines = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ";
    for part in [lines, &key, "\r\n\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
    // A server that refuses may close at once: read what it said. So too with the message below.
    let _ = write_all(&mut io, head.into()).await;
    let (mut io, head, rest) =
        match reply::read_answer(io, BytesMut::new(), bounds.header_bytes).await? {
            Answer::Switched { io, head, rest } => (io, head, rest),
            // Without the message that was not sent, this answers nothing.
            Answer::Reply(head, _) if (200..300).contains(&head.status) => {
                return Err(malformed("no WebSocket was opened"));
            }
            Answer::Reply(head, body) => return Ok(Opened::Refused(head, body.alone())),
        };
    agreed(&head, &key)?;
    let _ = send(&mut io, request.body.clone()).await;
    let events = HeaderValue::from_static("text/event-stream");
    let head = Head {
        status: 200,
        headers: Headers::from_iter([(CONTENT_TYPE, events)]),
    };
    let messages = Messages {
        io: Some(io),
        decoder: Decoder::new(MESSAGE_BYTES_MAX),
        early: (!rest.is_empty()).then_some(rest),
        end: None,
        ping: None,
        out: Vec::new(),
        flush: false,
    };
    Ok(Opened::Messages(head, Box::new(messages)))
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], Fault> {
    let mut bytes = [0; BYTES];
    let filled = rand::fill(&mut bytes);
    filled.map_err(|_| Fault::new(Kind::Bug).detail("no random numbers"))?;
    Ok(bytes)
}

/// Whether a 101 answers this key, and agrees on nothing that was not asked for (RFC 6455, section 4.1).
///
/// # Errors
/// `Malformed`.
fn agreed(head: &[u8], key: &str) -> Result<(), Fault> {
    let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut reply = httparse::Response::new(&mut lines);
    // It was parsed before.
    reply.parse(head).map_err(|_| malformed("head"))?;
    let lines: &[httparse::Header<'_>] = reply.headers;
    let only = |name: HeaderName| {
        let mut found = lines
            .iter()
            .filter(|line| line.name.eq_ignore_ascii_case(name.as_str()));
        let value = found.next().map(|line| line.value.trim_ascii());
        value.filter(|_| found.next().is_none())
    };
    let any = |name: HeaderName| {
        let is = |line: &httparse::Header<'_>| line.name.eq_ignore_ascii_case(name.as_str());
        lines.iter().any(is)
    };
    let upgrade = only(UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"));
    let connection = only(CONNECTION).is_some_and(|value| {
        let mut tokens = value.split(|byte| *byte == b',');
        tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    });
    if !upgrade || !connection {
        return Err(malformed("a switch to another protocol"));
    }
    let sum = digest::digest(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        [key, GUID].concat().as_bytes(),
    );
    if only(SEC_WEBSOCKET_ACCEPT) != Some(STANDARD.encode(sum).as_bytes()) {
        return Err(malformed("a handshake that answers another key"));
    }
    if any(SEC_WEBSOCKET_EXTENSIONS) || any(SEC_WEBSOCKET_PROTOCOL) {
        return Err(malformed("an extension that was not asked for"));
    }
    Ok(())
}

/// Sends one text message in one frame. Its bytes are copied once, a step at a time: they must be masked.
async fn send(io: &mut Io, mut body: Rope) -> io::Result<()> {
    let key = random().map_err(|_| io::Error::other("no random numbers"))?;
    let mut mask = Mask::new(key);
    let mut step = Vec::with_capacity(STEP_BYTES.min(body.len() + ws::HEAD_BYTES_MAX));
    ws::write_head(Opcode::Text, body.len() as u64, key, &mut step);
    while body.has_remaining() {
        let from = step.len();
        let chunk = body.chunk();
        let taken = chunk.len().min(STEP_BYTES.saturating_sub(from));
        step.extend_from_slice(chunk.get(..taken).unwrap_or_default());
        mask.apply(step.get_mut(from..).unwrap_or_default());
        body.advance(taken);
        if step.len() >= STEP_BYTES {
            io.write_all(&step).await?;
            step.clear();
        }
    }
    io.write_all(&step).await?;
    io.flush().await
}

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The other side closed it, with a code.
    Closed(Option<u16>),
    /// It must be closed.
    Broken(Broken),
}

/// The messages of an open WebSocket.
#[derive(Debug)]
pub(super) struct Messages {
    /// `None` once it is at its end.
    io: Option<Io>,
    decoder: Decoder,
    /// What came with the head.
    early: Option<BytesMut>,
    /// What was read last; told once the messages before it were handed out.
    end: Option<End>,
    /// The last ping that has no answer yet. Earlier ones need none (RFC 6455, section 5.5.3).
    ping: Option<Vec<u8>>,
    /// The control frame that is being written.
    out: Vec<u8>,
    /// It was written, but may not have left.
    flush: bool,
}

impl Messages {
    /// Whether nothing more will come.
    pub(super) fn is_complete(&self) -> bool {
        self.io.is_none()
    }

    /// The events of one read; empty if it brought control frames alone. `None`: it was closed properly, whatever that
    /// says of the reply.
    ///
    /// # Errors
    /// `CutShort`, `Malformed`.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        if let Some(end) = self.end.take() {
            return Poll::Ready(self.ended(end).map(Err));
        }
        self.answer(cx);
        let Some(io) = self.io.as_mut() else {
            return Poll::Ready(None);
        };
        let read = match self.early.take() {
            Some(early) => Ok(early),
            None => ready!(io.poll_read_some(cx)),
        };
        let cut = match read {
            Ok(read) if !read.is_empty() => {
                let events = self.take(&read);
                give_back(read);
                self.answer(cx);
                return match self.end.take_if(|_| events.is_empty()) {
                    Some(end) => Poll::Ready(self.ended(end).map(Err)),
                    None => Poll::Ready(Some(Ok(events.into()))),
                };
            }
            Ok(read) => {
                give_back(read);
                cut_short()
            }
            Err(error) => cut_short().detail(error.kind().to_string()),
        };
        self.io = None;
        Poll::Ready(Some(Err(cut)))
    }

    /// Turns what was read into events.
    fn take(&mut self, read: &[u8]) -> Vec<u8> {
        const BEGIN: &[u8] = b"data: ";
        const END: &[u8] = b"\n\n";
        let mut events = Vec::new();
        let mut at = 0;
        loop {
            match self.decoder.next(read, &mut at) {
                Ok(None) => return events,
                Ok(Some(Item::Text { piece, first, last })) => {
                    events.reserve(read.len() - at + piece.len() + BEGIN.len() + END.len());
                    events.extend_from_slice(if first { BEGIN } else { b"" });
                    events.extend(piece.iter().map(|byte| match byte {
                        b'\n' | b'\r' => b' ',
                        other => *other,
                    }));
                    events.extend_from_slice(if last { END } else { b"" });
                }
                Ok(Some(Item::Ping(payload))) => self.ping = Some(payload.to_vec()),
                Ok(Some(Item::Pong)) => {}
                Ok(Some(Item::Close(code))) => self.end = Some(End::Closed(code)),
                Err(broken) => {
                    self.end = Some(End::Broken(broken));
                    return events;
                }
            }
        }
    }

    /// Closes the connection; what is to be told of it.
    fn ended(&mut self, end: End) -> Option<Fault> {
        let (code, fault) = match end {
            End::Broken(broken) => {
                let fault = Fault::new(Kind::Malformed).reason("invalid_frame");
                (broken.close_code(), Some(fault.detail(broken.to_string())))
            }
            End::Closed(None | Some(NORMAL)) if !self.decoder.is_amid() => (NORMAL, None),
            End::Closed(code) => {
                let code = code.unwrap_or(NORMAL);
                let fault = cut_short().detail(format!("closed with code {code}"));
                (NORMAL, Some(fault))
            }
        };
        self.close(code);
        fault
    }

    /// Writes what is owed: an answer to the last ping.
    fn answer(&mut self, cx: &mut Context<'_>) {
        let Some(io) = self.io.as_mut() else {
            return;
        };
        loop {
            if self.out.is_empty() {
                let (Some(payload), Ok(key)) = (self.ping.take(), random()) else {
                    break;
                };
                ws::write_control(Opcode::Pong, &payload, key, &mut self.out);
                self.flush = true;
            }
            match Pin::new(&mut *io).poll_write(cx, &self.out) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.out.drain(..written.min(self.out.len()));
                }
                // Reading will tell that nothing can be written any more.
                Poll::Ready(_) => self.out.clear(),
                Poll::Pending => return,
            }
        }
        if self.flush {
            self.flush = Pin::new(io).poll_flush(cx).is_pending();
        }
    }

    /// Says that this is the end, if that can be said at once, and lets the connection go.
    fn close(&mut self, code: u16) {
        let Some(mut io) = self.io.take() else {
            return;
        };
        // A frame that is half written leaves no room for another.
        let Some(key) = random().ok().filter(|_| self.out.is_empty()) else {
            return;
        };
        let mut frame = Vec::new();
        ws::write_close(code, key, &mut frame);
        let cx = &mut Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut io).poll_write(cx, &frame);
        let _ = Pin::new(&mut io).poll_flush(cx);
    }
}

impl Drop for Messages {
    /// All was heard that was wanted, or the client left.
    fn drop(&mut self) {
        self.close(NORMAL);
    }
}

#[cfg(test)]
mod tests;
