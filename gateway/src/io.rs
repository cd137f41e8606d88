//! The socket of a connection, to a client or to a provider, plain or TLS, and the read buffers that all of them borrow.
//!
//! Invariant: a connection that waits for bytes holds no buffer. Each thread keeps one; a read takes it, hands on what
//! it read as a slice of it, and puts the rest back. That is what keeps an idle stream small.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// Size of a thread's read buffer. What one read brings goes down as one frame.
pub const READ_BYTES: usize = 32 << 10;
/// A read is not worth a system call with less room than this.
const ROOM_BYTES: usize = 8 << 10;

thread_local! {
    static SPARE: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// A socket.
#[derive(Debug)]
pub enum Io {
    /// `http`
    Plain(TcpStream),
    /// `https`
    Tls(Box<TlsStream<TcpStream>>),
}

impl Io {
    /// Reads once into the thread's buffer. `Ready(Ok(buffer))`: what was read; empty at the end of the stream. Give
    /// the buffer's unused rest back with [`give_back`].
    pub fn poll_read_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
        let mut buffer = SPARE.with(|spare| std::mem::take(&mut *spare.borrow_mut()));
        if buffer.capacity() < ROOM_BYTES {
            // Takes the same memory again once every slice of it was let go.
            buffer.reserve(READ_BYTES);
        }
        let read = {
            let future = self.read_buf(&mut buffer);
            pin!(future).poll(cx)
        };
        match read {
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(buffer)),
            Poll::Ready(Err(error)) => {
                give_back(buffer);
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                give_back(buffer);
                Poll::Pending
            }
        }
    }

    /// Lets the other side see that what it has is not all: the connection will end by a reset.
    pub fn break_off(&self) {
        // What cannot be set on a socket that is gone need not be.
        let _ = self.socket().set_zero_linger();
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Whether nothing has come since the last read; the task is woken when something does. What TLS holds does not count.
    pub fn poll_quiet(&self, cx: &mut Context<'_>) -> bool {
        self.socket().poll_read_ready(cx).is_pending()
    }

    /// Whether HTTP/2 was chosen in ALPN.
    pub fn speaks_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    /// Whether an idle connection is still good: nothing to read, not even its end.
    pub fn is_quiet(&mut self) -> bool {
        let mut byte = [0; 1];
        // For TLS a close_notify or a session ticket shows as bytes: a connection with either is not worth keeping.
        matches!(self.socket().try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Puts a read buffer back for the next read of this thread.
pub fn give_back(mut buffer: BytesMut) {
    buffer.clear();
    SPARE.with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.capacity() < buffer.capacity() {
            *spare = buffer;
        }
    });
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

/// One end of a connection over the loopback, and the other.
#[cfg(test)]
pub(crate) async fn pair() -> (Io, TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (one, _) = listener.accept().await.unwrap();
    other.set_nodelay(true).unwrap();
    (Io::Plain(one), other)
}
