//! The body of an answer: a whole one, or a stream that reads its upstream as it is polled.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::StatusCode;
use hyper::body::{Body, Frame, SizeHint};
use wire::Rope;

use super::lines::Lines;
use super::stream::Stream;
use super::through::Through;

/// An answer: its head, and its body as it comes.
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Headers but those of the framing, which the connection tells.
    pub headers: Lines,
    /// The body.
    pub body: ReplyBody,
}

impl Response {
    /// 200, without a header.
    pub(super) fn new(body: ReplyBody) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Lines::new(),
            body,
        }
    }
}

impl From<Response> for http::Response<ReplyBody> {
    fn from(response: Response) -> Self {
        let mut reply = Self::new(response.body);
        *reply.status_mut() = response.status;
        *reply.headers_mut() = (&response.headers).into();
        reply
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
