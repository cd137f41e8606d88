//! The body of an answer: a whole one, or a stream that reads its upstream as it is polled.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use wire::Rope;

use super::stream::Stream;

/// What goes down. Errors travel inside it, in the client's dialect; it never breaks off by itself.
pub enum ReplyBody {
    /// All of it.
    Whole(Rope),
    /// As it comes.
    Stream(Box<Stream>),
}

impl Body for ReplyBody {
    type Data = Rope;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Rope>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(rope) => {
                Poll::Ready((!rope.is_empty()).then(|| Ok(Frame::data(std::mem::take(rope)))))
            }
            Self::Stream(stream) => stream
                .poll(cx)
                .map(|frame| frame.map(|rope| Ok(Frame::data(rope)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(rope) => rope.is_empty(),
            Self::Stream(stream) => stream.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(rope) => SizeHint::with_exact(rope.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
