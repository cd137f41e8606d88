//! A strict reader of HTTP/1.1 replies over a socket that it owns (RFC 9112).
//!
//! Polled by the reply that goes down: no task, no channel, so back-pressure is the socket's and dropping it closes
//! the connection. Refuses what smuggles: a length together with a coding, differing lengths, unknown codings,
//! unasked-for 101, heads over the limit. Never follows, decompresses or interprets. Where another protocol was asked for
//! ([`read_answer`]), a 101 is handed out whole, for who asked to judge.

use std::mem::MaybeUninit;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use wire::chunked::Chunked;
use wire::decimal::number;
use wire::{Fault, Headers, Kind};

use crate::io::{Io, give_back};

/// Header lines of a reply.
pub(super) const HEADERS_MAX: usize = 128;
/// The headers of a reply that anybody reads later: what the body is, and when to come back. Those of the framing are read
/// here; all others end here, and none goes down.
static KEPT: [HeaderName; 5] = [
    CONTENT_TYPE,
    RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    // Where one vendor tells the name of an error.
    HeaderName::from_static("x-amzn-errortype"),
    SUBJECT_TOKEN,
];
/// Where one identity service puts the token that it was asked for.
const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");
/// Interim replies (100, 103) before the real one.
const INTERIM_MAX: usize = 8;

/// The head of a reply.
#[derive(Debug)]
pub struct Head {
    /// HTTP status, 200 and up.
    pub status: u16,
    /// Those of its headers that are kept: see [`KEPT`].
    pub headers: Headers,
}

/// How the body ends.
#[derive(Debug)]
enum Framing {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

/// A reply's body, still on the wire.
#[derive(Debug)]
pub struct Body {
    /// `None` once the body is complete or broken.
    io: Option<Io>,
    framing: Framing,
    /// Payload that came with the head.
    early: Option<BytesMut>,
    keep_alive: bool,
    /// The connection, ready for another request, once the body is complete.
    spare: Option<Io>,
}

/// Reads the head of a reply, of which `early` came already.
///
/// # Errors
/// `CutShort` (reason `closed_early` if not one byte came), `Malformed`.
pub async fn read_head(
    io: Io,
    early: BytesMut,
    header_bytes: usize,
) -> Result<(Head, Body), Fault> {
    match read_answer(io, early, header_bytes).await? {
        Answer::Reply(head, body) => Ok((head, body)),
        Answer::Switched { .. } => Err(malformed("status")),
    }
}

/// What comes back where another protocol was asked for.
#[derive(Debug)]
pub enum Answer {
    /// An ordinary reply: it was refused.
    Reply(Head, Body),
    /// 101: from here on the connection speaks another protocol.
    Switched {
        /// The connection.
        io: Io,
        /// The reply's head, whole.
        head: BytesMut,
        /// What was read behind it.
        rest: BytesMut,
    },
}

/// Reads the head of an answer to a request for another protocol.
///
/// # Errors
/// As [`read_head`].
pub async fn read_answer(
    mut io: Io,
    early: BytesMut,
    header_bytes: usize,
) -> Result<Answer, Fault> {
    let mut head = early;
    let mut interim = 0;
    loop {
        while !head.is_empty()
            && let Some((status, length, parsed)) = parse_head(&head)?
        {
            if length > header_bytes {
                break;
            }
            let rest = head.split_off(length);
            if status == 101 {
                return Ok(Answer::Switched { io, head, rest });
            }
            if (100..200).contains(&status) {
                interim += 1;
                if interim > INTERIM_MAX {
                    return Err(malformed("too many interim replies"));
                }
                head = rest;
                continue;
            }
            let (head, body) = finish_head(io, status, parsed, rest)?;
            return Ok(Answer::Reply(head, body));
        }
        if head.len() > header_bytes {
            return Err(malformed("head too long"));
        }
        let read = std::future::poll_fn(|cx| io.poll_read_some(cx)).await;
        let mut read = match read {
            Ok(read) if !read.is_empty() => read,
            Ok(_) | Err(_) => {
                return Err(if head.is_empty() {
                    closed_early()
                } else {
                    malformed("head cut short")
                });
            }
        };
        if head.is_empty() {
            let taken = read.split();
            give_back(read);
            head = taken;
        } else {
            head.extend_from_slice(&read);
            give_back(read);
        }
    }
}

/// Whether these bytes begin a reply that is more than an interim one, or none at all.
pub(super) fn answers(mut bytes: &[u8]) -> bool {
    loop {
        match parse_head(bytes) {
            Ok(None) => return false,
            Ok(Some((100 | 102..200, length, _))) => {
                bytes = bytes.get(length..).unwrap_or_default()
            }
            Ok(Some(_)) | Err(_) => return true,
        }
    }
}

/// What a head says, beyond its status.
#[derive(Default)]
struct Parsed {
    headers: Headers,
    version_1_0: bool,
    /// A `content-length`; `None` in it: it is none.
    length: Option<Option<u64>>,
    lengths: u32,
    /// A `transfer-encoding`, and whether it is the one that we know.
    chunked: Option<bool>,
    codings: u32,
    close: bool,
}

impl Parsed {
    fn take(&mut self, line: &httparse::Header<'_>) -> Result<(), Fault> {
        let is = |name: HeaderName| line.name.eq_ignore_ascii_case(name.as_str());
        // By length first: most headers are none of these.
        match line.name.len() {
            14 if is(CONTENT_LENGTH) => {
                self.lengths += 1;
                self.length = Some(number(line.value));
            }
            17 if is(TRANSFER_ENCODING) => {
                self.codings += 1;
                let coding = line.value.trim_ascii();
                self.chunked = Some(coding.eq_ignore_ascii_case(b"chunked"));
            }
            10 if is(CONNECTION) => {
                self.close |= line
                    .value
                    .split(|byte| *byte == b',')
                    .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"));
            }
            11..=16 => {
                let kept = |kept: &&HeaderName| line.name.eq_ignore_ascii_case(kept.as_str());
                if let Some(name) = KEPT.iter().find(kept) {
                    let value = match line.value {
                        b"application/json" => HeaderValue::from_static("application/json"),
                        b"text/event-stream" => HeaderValue::from_static("text/event-stream"),
                        value => HeaderValue::from_bytes(value).map_err(|_| malformed("header"))?,
                    };
                    self.headers.append(name.clone(), masked(name, value));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Tokens are not printed.
fn masked(name: &HeaderName, mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(*name == SUBJECT_TOKEN);
    value
}

/// What is kept of the headers of a reply.
pub(super) fn kept(headers: &HeaderMap) -> Headers {
    let kept = KEPT.iter().flat_map(|name| {
        let all = headers.get_all(name).iter();
        all.map(|value| (name.clone(), masked(name, value.clone())))
    });
    kept.collect()
}

fn parse_head(bytes: &[u8]) -> Result<Option<(u16, usize, Parsed)>, Fault> {
    if bytes.is_empty() {
        return Ok(None);
    }
    // Not cleared first: that would be four kilobytes for each reply.
    let mut lines = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut reply = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut reply, bytes, &mut lines);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(malformed("head").detail(error.to_string())),
    };
    let mut parsed = Parsed {
        version_1_0: reply.version == Some(0),
        ..Parsed::default()
    };
    for line in reply.headers.iter() {
        parsed.take(line)?;
    }
    Ok(Some((reply.code.unwrap_or(0), length, parsed)))
}

fn finish_head(io: Io, status: u16, parsed: Parsed, rest: BytesMut) -> Result<(Head, Body), Fault> {
    if !(200..=999).contains(&status) {
        return Err(malformed("status"));
    }
    let (framing, clean) = framing(status, &parsed)?;
    let mut body = Body {
        io: Some(io),
        framing,
        early: (!rest.is_empty()).then_some(rest),
        keep_alive: clean && !parsed.close && !parsed.version_1_0,
        spare: None,
    };
    if let Framing::Length(0) = body.framing {
        // Bytes that nobody asked for, as behind any other reply.
        body.keep_alive &= body.early.is_none();
        body.complete();
    }
    let headers = parsed.headers;
    Ok((Head { status, headers }, body))
}

/// RFC 9112, section 6.3, with its leniencies refused.
fn framing(status: u16, parsed: &Parsed) -> Result<(Framing, bool), Fault> {
    if matches!(status, 204 | 304) {
        return Ok((Framing::Length(0), true));
    }
    if parsed.lengths > 1 {
        return Err(malformed("several lengths"));
    }
    match (parsed.length, parsed.chunked) {
        _ if parsed.codings > 1 => Err(malformed("length and coding")),
        (Some(_), Some(_)) => Err(malformed("length and coding")),
        (None, Some(true)) if !parsed.version_1_0 => {
            Ok((Framing::Chunked(Chunked::default()), true))
        }
        (None, Some(_)) => Err(malformed("coding")),
        (Some(length), None) => {
            let length = length.ok_or_else(|| malformed("length"))?;
            Ok((Framing::Length(length), true))
        }
        (None, None) => Ok((Framing::UntilClose, false)),
    }
}

impl Body {
    /// The next slice of payload: all that one read brought. `None` at a clean end.
    ///
    /// # Errors
    /// `CutShort` if the connection ends before the body, `Malformed` for bad framing.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        loop {
            let Some(io) = self.io.as_mut() else {
                return Poll::Ready(None);
            };
            let read = match self.early.take() {
                Some(early) => Ok(early),
                None => ready!(io.poll_read_some(cx)),
            };
            let mut read = match read {
                Ok(read) => read,
                Err(error) => {
                    self.io = None;
                    return Poll::Ready(Some(Err(cut_short().detail(error.kind().to_string()))));
                }
            };
            if read.is_empty() {
                give_back(read);
                self.io = None;
                return Poll::Ready(
                    matches!(self.framing, Framing::UntilClose)
                        .then_some(())
                        .map_or_else(|| Some(Err(cut_short())), |()| None),
                );
            }
            let (payload, used, done) = match self.frame(&mut read) {
                Ok(found) => found,
                Err(fault) => {
                    self.io = None;
                    return Poll::Ready(Some(Err(fault)));
                }
            };
            if used < read.len() {
                // Bytes after the end of a reply that nobody asked for: never parse them as one.
                self.keep_alive = false;
            }
            let data = read.split_to(payload).freeze();
            give_back(read);
            if done {
                self.complete();
            }
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(data)));
            }
        }
    }

    /// (payload at the front, bytes used, body complete)
    fn frame(&mut self, read: &mut BytesMut) -> Result<(usize, usize, bool), Fault> {
        match &mut self.framing {
            Framing::UntilClose => Ok((read.len(), read.len(), false)),
            Framing::Length(left) => {
                let step = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                *left -= step as u64;
                Ok((step, step, *left == 0))
            }
            Framing::Chunked(chunked) => {
                let (payload, used) = chunked.decode(read).map_err(|_| malformed("chunk"))?;
                Ok((payload, used, chunked.is_done()))
            }
        }
    }

    fn complete(&mut self) {
        let io = self.io.take();
        self.spare = io.filter(|_| self.keep_alive);
    }

    /// The same, of a connection that carries no other request behind this one.
    pub(super) fn alone(self) -> Self {
        Self {
            keep_alive: false,
            spare: None,
            ..self
        }
    }

    /// Whether all of the body was read.
    pub fn is_complete(&self) -> bool {
        self.io.is_none()
    }

    /// The connection, if it can carry another request. Only after the body's end.
    pub fn take_spare(&mut self) -> Option<Io> {
        self.spare.take()
    }
}

pub(super) fn malformed(what: &'static str) -> Fault {
    Fault::new(Kind::Malformed)
        .reason("invalid_response")
        .detail(what)
}

pub(super) fn cut_short() -> Fault {
    Fault::new(Kind::CutShort)
}

/// The connection closed before one byte of the reply: a pooled one may have been closed while idle.
fn closed_early() -> Fault {
    Fault::new(Kind::CutShort).reason("closed_early")
}

#[cfg(test)]
mod tests;
