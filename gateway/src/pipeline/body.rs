//! The body of an answer: a whole one, or a stream that reads its upstream as it is polled.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use wire::Rope;

use super::stream::Stream;
use super::through::Through;

/// An answer: its head, and its body as it comes.
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Headers but those of the framing, which the connection tells.
    pub headers: Headers,
    /// The body.
    pub body: ReplyBody,
}

impl Response {
    /// 200, without a header.
    pub(super) fn new(body: ReplyBody) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Headers::default(),
            body,
        }
    }
}

impl From<Response> for http::Response<ReplyBody> {
    fn from(response: Response) -> Self {
        let mut reply = Self::new(response.body);
        *reply.status_mut() = response.status;
        *reply.headers_mut() = HeaderMap::from_iter(response.headers.0);
        reply
    }
}

/// Headers of an answer, in order; none is there twice. There are a dozen of them: a walk is shorter than a table's hash.
pub struct Headers(Vec<(HeaderName, HeaderValue)>);

/// As many as a stream has and two.
const HEADERS: usize = 14;

impl Default for Headers {
    fn default() -> Self {
        Self(Vec::with_capacity(HEADERS))
    }
}

impl Headers {
    /// Puts one in, in place of another of its name.
    pub(crate) fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    /// Whether one of this name is there.
    #[must_use]
    pub fn has(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }
}

/// What goes down. Errors travel inside it, in the client's dialect; only bytes in which none can be said break off.
pub enum ReplyBody {
    /// All of it.
    Whole(Rope),
    /// As it comes.
    Stream(Box<Stream>),
    /// Bytes that nobody reads, as they come.
    Through(Box<Through>),
}

/// A reply that could not be ended well, and cannot say so: its connection is cut.
#[derive(Clone, Copy, Debug)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reply broke off")
    }
}

impl std::error::Error for Broken {}

impl Body for ReplyBody {
    type Data = Rope;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Rope>, Broken>>> {
        match self.get_mut() {
            Self::Whole(rope) => {
                Poll::Ready((!rope.is_empty()).then(|| Ok(Frame::data(std::mem::take(rope)))))
            }
            Self::Stream(stream) => stream
                .poll(cx)
                .map(|frame| frame.map(|rope| Ok(Frame::data(rope)))),
            Self::Through(through) => through
                .poll(cx)
                .map(|frame| frame.map(|rope| rope.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(rope) => rope.is_empty(),
            Self::Stream(stream) => stream.is_over(),
            Self::Through(through) => through.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(rope) => SizeHint::with_exact(rope.len() as u64),
            Self::Stream(_) | Self::Through(_) => SizeHint::default(),
        }
    }
}
