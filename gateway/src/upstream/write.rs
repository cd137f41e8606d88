//! Writes requests, and listens meanwhile: a server may answer before it has read all (RFC 9112, section 9.5), and reads no more.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use wire::{Fault, Rope};

use super::client::{Endpoint, Upload};
use super::reply;
use super::request::{Request, head_bytes};
use crate::io::{Io, give_back};

/// Writes a message to its end.
pub(super) async fn write_all(io: &mut Io, mut message: Rope) -> io::Result<()> {
    while message.has_remaining() {
        io.write_all_buf(&mut message).await?;
    }
    io.flush().await
}

/// What a server says while it is still written to.
#[derive(Debug)]
pub(super) struct Early {
    /// What it said.
    pub(super) said: BytesMut,
    most: usize,
}

impl Early {
    /// Listens for a reply whose head has no more than so many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self {
            said: BytesMut::new(),
            most,
        }
    }

    /// `Ready` once there is no use in writing on.
    fn poll_heard(&mut self, cx: &mut Context<'_>, io: &mut Io) -> Poll<()> {
        loop {
            let Ok(read) = ready!(io.poll_read_some(cx)) else {
                return Poll::Ready(());
            };
            let over = read.is_empty();
            self.said.extend_from_slice(&read);
            give_back(read);
            if over || self.said.len() > self.most || reply::answers(&self.said) {
                return Poll::Ready(());
            }
        }
    }

    /// Writes a message. An error also if it is not heard out.
    pub(super) async fn write(&mut self, io: &mut Io, mut message: Rope) -> io::Result<()> {
        poll_fn(|cx| {
            while message.has_remaining() {
                match pin!(io.write_all_buf(&mut message)).poll(cx) {
                    Poll::Ready(written) => written?,
                    Poll::Pending => return self.poll_heard(cx, io).map(|()| Err(unheard())),
                }
            }
            match pin!(io.flush()).poll(cx) {
                Poll::Ready(flushed) => Poll::Ready(flushed),
                Poll::Pending => self.poll_heard(cx, io).map(|()| Err(unheard())),
            }
        })
        .await
    }

    /// Waits for what is to be written next.
    async fn wait<T>(&mut self, io: &mut Io, next: impl Future<Output = T>) -> io::Result<T> {
        let mut next = pin!(next);
        poll_fn(|cx| {
            if let Poll::Ready(next) = next.as_mut().poll(cx) {
                return Poll::Ready(Ok(next));
            }
            self.poll_heard(cx, io).map(|()| Err(unheard()))
        })
        .await
    }
}

fn unheard() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// Why a body was not sent to its end.
pub(super) enum Unsent {
    /// The server takes no more.
    Io,
    /// The rest failed.
    Rest(Fault),
}

impl From<io::Error> for Unsent {
    fn from(_: io::Error) -> Self {
        Self::Io
    }
}

/// Writes a request and the rest of its body as it comes: by its length if that is known, else in chunks.
pub(super) async fn write_on<U: Upload>(
    (io, early): (&mut Io, &mut Early),
    endpoint: &Endpoint,
    request: &Request,
    rest: &mut U,
) -> Result<(), Unsent> {
    let length = rest.left().map(|left| left + request.body.len() as u64);
    let mut message = head_bytes(endpoint, &request.head, length);
    let chunked = length.is_none();
    if chunked {
        message.append(chunk(request.body.clone()));
    } else {
        message.append(request.body.clone());
    }
    early.write(io, message).await?;
    loop {
        let next = early.wait(io, rest.next()).await?;
        let Some(data) = next.map_err(Unsent::Rest)? else {
            break;
        };
        let data = Rope::from(data);
        let data = if chunked { chunk(data) } else { data };
        early.write(io, data).await?;
    }
    if chunked {
        let end = Bytes::from_static(b"0\r\n\r\n");
        early.write(io, end.into()).await?;
    }
    Ok(())
}

/// Bytes as a chunk; none for no bytes, which would be the end.
fn chunk(data: Rope) -> Rope {
    if data.is_empty() {
        return data;
    }
    let mut chunk = Rope::from(format!("{:x}\r\n", data.len()).into_bytes());
    chunk.append(data);
    chunk.push(Bytes::from_static(b"\r\n"));
    chunk
}
