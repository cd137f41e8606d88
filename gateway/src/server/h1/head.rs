//! The head of an HTTP/1.1 request (RFC 9112, sections 2 to 6): bytes in, parts and framing out.
//!
//! Knows no socket. What is no head at all is [`Unreadable`] and ends its connection. A head whose body could be read in two
//! ways says so ([`Odd`]) and has a body that nobody can read: it is answered like any other refused request, and ends its
//! connection too.

use std::cell::RefCell;
use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, Uri, Version};
use wire::Headers;
use wire::chunked::Chunked;
use wire::decimal::number;

use crate::pipeline::{self, Odd};

/// Headers for which there is room on the stack; more take a heap's.
const USUAL_HEADERS: usize = 100;
/// What `http` takes as a URI at most.
const URI_BYTES_MAX: usize = (u16::MAX - 1) as usize;

/// Room for headers that a thread keeps for its next request; more of them were rare.
const SPARE_HEADERS: usize = 64;

thread_local! {
    static SPARE: RefCell<Headers> = const { RefCell::new(Headers::new()) };
}

/// The headers of a request that is answered: their room serves the thread's next one.
pub(in crate::server) fn give_back(mut headers: Headers) {
    headers.clear();
    if headers.capacity() <= SPARE_HEADERS {
        SPARE.set(headers);
    }
}

/// How a request's body ends.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes are left; none: it is over.
    Length(u64),
    /// In chunks.
    Chunked(Chunked),
    /// What came is not what was told: nobody knows where the next request begins.
    Broken,
}

impl Framing {
    /// Whether all of the body was taken.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
            Self::Broken => false,
        }
    }
}

/// A head. Not to be printed: it holds credentials.
pub(super) struct Head {
    pub(super) request: pipeline::Head,
    pub(super) framing: Framing,
    /// Another request may follow on this connection.
    pub(super) keeps: bool,
    /// The client waits for leave to send the body (RFC 9110, section 10.1.1).
    pub(super) expects: bool,
}

/// What is not a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Not HTTP/1.1, nor 1.0.
    Malformed,
    /// Its target is too long for any limit.
    Uri,
    /// Too many headers, or too many bytes of them.
    TooLarge,
}

/// Limits of a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) headers: usize,
}

/// Takes a head from the front of `bytes`; `None`: it has not ended. `seen` of the bytes were looked at before, in vain.
///
/// # Errors
/// [`Unreadable`].
pub(super) fn take(
    bytes: &mut BytesMut,
    seen: usize,
    limits: Limits,
) -> Result<Option<Head>, Unreadable> {
    // Else a head that comes byte by byte would be parsed as often.
    let may_end = seen == 0 || ends(bytes.get(seen.saturating_sub(3)..).unwrap_or_default());
    let head = if may_end { parse(bytes, limits)? } else { None };
    if head.is_none() && bytes.len() > limits.bytes {
        return Err(Unreadable::TooLarge);
    }
    Ok(head)
}

/// Whether an empty line is in it.
fn ends(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', bytes).any(|at| {
        let behind = bytes.get(at + 1..).unwrap_or_default();
        behind.starts_with(b"\n") || behind.starts_with(b"\r\n")
    })
}

fn parse(bytes: &mut BytesMut, limits: Limits) -> Result<Option<Head>, Unreadable> {
    // Not cleared first: that would be three kilobytes for each request.
    let mut usual = [const { MaybeUninit::uninit() }; USUAL_HEADERS];
    let mut more = Vec::new();
    let room = match usual.get_mut(..limits.headers) {
        Some(room) => room,
        None => {
            more.resize_with(limits.headers, MaybeUninit::uninit);
            &mut more[..]
        }
    };
    let mut request = httparse::Request::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_request_with_uninit_headers(
        &mut request,
        bytes,
        room,
    );
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Unreadable::TooLarge),
        Err(_) => return Err(Unreadable::Malformed),
    };
    if length > limits.bytes {
        return Err(Unreadable::TooLarge);
    }
    let version = match request.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    let target = request.path.unwrap_or_default();
    if target.len() > URI_BYTES_MAX {
        return Err(Unreadable::Uri);
    }
    let method = Method::from_bytes(request.method.unwrap_or_default().as_bytes());
    let method = method.map_err(|_| Unreadable::Malformed)?;
    let at = |part: &[u8]| {
        let from = part.as_ptr() as usize - bytes.as_ptr() as usize;
        from..from + part.len()
    };
    let target = at(target.as_bytes());
    // Where they are: the bytes themselves are about to be taken.
    let lines = request.headers.iter();
    let lines = lines
        .map(|line| (at(line.name.as_bytes()), at(line.value)))
        .collect::<smallvec::SmallVec<[_; 32]>>();
    let head = bytes.split_to(length).freeze();
    let uri = Uri::from_maybe_shared(head.slice(target)).map_err(|_| Unreadable::Malformed)?;
    let mut told = Told::new(version);
    let mut headers = SPARE.take();
    headers.reserve(lines.len());
    for (name, value) in lines {
        let name = head.get(name).unwrap_or_default();
        let name = HeaderName::from_bytes(name).map_err(|_| Unreadable::Malformed)?;
        let value = HeaderValue::from_maybe_shared(head.slice(value));
        let value = value.map_err(|_| Unreadable::Malformed)?;
        if told.take(&name, value.as_bytes()) {
            headers.append(name, value);
        }
    }
    Ok(Some(told.finish(pipeline::Head {
        method,
        uri,
        version,
        headers,
        odd: None,
    })))
}

/// What the headers tell of the message itself.
struct Told {
    version: Version,
    length: Option<u64>,
    chunked: bool,
    odd: Option<Odd>,
    closes: bool,
    keeps: bool,
    expects: bool,
}

impl Told {
    fn new(version: Version) -> Self {
        Self {
            version,
            length: None,
            chunked: false,
            odd: None,
            closes: false,
            keeps: version == Version::HTTP_11,
            expects: false,
        }
    }

    /// Whether a header says anything that was not said before.
    fn take(&mut self, name: &HeaderName, value: &[u8]) -> bool {
        match *name {
            CONTENT_LENGTH => match (number(value), self.length) {
                // RFC 9112, section 6.3, leaves it to a server: the same length twice is one.
                (Some(length), Some(before)) if length == before => return false,
                (Some(length), None) => self.length = Some(length),
                _ => self.odd = Some(Odd("A Content-Length must be one number.")),
            },
            TRANSFER_ENCODING => {
                let known = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                if !known || self.chunked || self.version == Version::HTTP_10 {
                    self.odd = Some(Odd("The only transfer coding is chunked."));
                }
                self.chunked = true;
            }
            CONNECTION => {
                for token in value.split(|byte| *byte == b',') {
                    let token = token.trim_ascii();
                    self.closes |= token.eq_ignore_ascii_case(b"close");
                    self.keeps |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            EXPECT => self.expects |= value.eq_ignore_ascii_case(b"100-continue"),
            _ => {}
        }
        true
    }

    /// RFC 9112, section 6.3, with its leniencies refused.
    fn finish(self, mut request: pipeline::Head) -> Head {
        request.odd = match self.length {
            Some(_) if self.chunked => Some(Odd(
                "Content-Length and Transfer-Encoding together are not allowed.",
            )),
            _ => self.odd,
        };
        let framing = if request.odd.is_some() {
            Framing::Broken
        } else if self.chunked {
            Framing::Chunked(Chunked::default())
        } else {
            Framing::Length(self.length.unwrap_or(0))
        };
        Head {
            keeps: self.keeps && !self.closes,
            expects: self.expects && self.version == Version::HTTP_11 && !framing.is_over(),
            request,
            framing,
        }
    }
}

#[cfg(test)]
mod tests;
