//! The bare proxy with its upstream connection polled inside the reply's body instead of in a task of its own.
//!
//! It shows what hyper's client costs when one read of the upstream needs no second wake-up: everything that one
//! read brought goes down as one frame. It must never spawn. Invariant: a connection goes back to the pool only
//! after its reply was read to the end, and is polled before its next use, so that a closed one is noticed.

use super::bare::hop_by_hop;
use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{Either, Empty};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::net::TcpStream;

/// Idle connections kept.
const POOL: usize = 4096;
/// Bytes joined into one frame at most: past this, copying costs more than another write.
const FRAME: usize = 64 * 1024;

type Reply = Response<Either<InlineBody, Empty<Bytes>>>;

/// Serves until killed, forwarding everything to `upstream`.
pub(crate) async fn run(listen: SocketAddr, upstream: &Uri) -> anyhow::Result<()> {
    let authority = upstream
        .authority()
        .context("the upstream needs host and port")?;
    let addr = tokio::net::lookup_host(authority.as_str())
        .await?
        .next()
        .context("unknown host")?;
    let host = HeaderValue::from_str(authority.as_str())?;
    let pool = Arc::new(Pool {
        addr,
        idle: Mutex::new(Vec::new()),
    });
    let service = service_fn(move |request: Request<Incoming>| {
        let (pool, host) = (Arc::clone(&pool), host.clone());
        async move {
            let reply = forward(&pool, host, request).await;
            Ok::<_, Infallible>(reply.unwrap_or_else(|_| {
                let mut response = Response::new(Either::Right(Empty::new()));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }))
        }
    });
    super::serve(listen, service).await
}

struct Pool {
    addr: SocketAddr,
    idle: Mutex<Vec<Pair>>,
}

/// One upstream connection: the end that sends, and the future that moves its bytes.
struct Pair {
    sender: SendRequest<Incoming>,
    conn: Connection<TokioIo<TcpStream>, Incoming>,
}

impl Pool {
    async fn take(&self) -> anyhow::Result<Pair> {
        while let Some(mut pair) = self.pop() {
            let usable = poll_fn(|cx| {
                if Pin::new(&mut pair.conn).poll(cx).is_ready() {
                    return Poll::Ready(false);
                }
                pair.sender.poll_ready(cx).map(|ready| ready.is_ok())
            });
            if usable.await {
                return Ok(pair);
            }
        }
        let stream = TcpStream::connect(self.addr).await?;
        stream.set_nodelay(true)?;
        let (sender, conn) = handshake(TokioIo::new(stream)).await?;
        Ok(Pair { sender, conn })
    }

    fn pop(&self) -> Option<Pair> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    fn put(&self, pair: Pair) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < POOL && !pair.sender.is_closed() {
            idle.push(pair);
        }
    }
}

async fn forward(
    pool: &Arc<Pool>,
    host: HeaderValue,
    mut request: Request<Incoming>,
) -> anyhow::Result<Reply> {
    let Pair {
        mut sender,
        mut conn,
    } = pool.take().await?;
    hop_by_hop(request.headers_mut());
    request.headers_mut().insert(header::HOST, host);
    let mut answered = pin!(sender.send_request(request));
    let mut gone = false;
    let response = poll_fn(|cx| {
        gone = gone || Pin::new(&mut conn).poll(cx).is_ready();
        answered.as_mut().poll(cx)
    });
    let mut response = response.await?;
    hop_by_hop(response.headers_mut());
    let pool = Arc::clone(pool);
    let pair = Some(Pair { sender, conn });
    Ok(response.map(|body| {
        Either::Left(InlineBody {
            body,
            pair,
            gone,
            ended: false,
            pool,
        })
    }))
}

struct InlineBody {
    body: Incoming,
    pair: Option<Pair>,
    /// The connection's future has finished; it must not be polled again.
    gone: bool,
    /// The body said it is over. A chunked one never says so by `is_end_stream`.
    ended: bool,
    pool: Arc<Pool>,
}

impl InlineBody {
    /// One step: lets the connection read, then takes what it brought.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        if let Poll::Ready(Some(frame)) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(Some(frame));
        }
        if let (Some(pair), false) = (&mut self.pair, self.gone) {
            self.gone = Pin::new(&mut pair.conn).poll(cx).is_ready();
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.ended |= matches!(frame, Poll::Ready(None));
        frame
    }
}

impl Body for InlineBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let mut first: Option<Bytes> = None;
        let mut joined = BytesMut::new();
        loop {
            match this.step(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are not forwarded: no model vendor sends any.
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    match &first {
                        None => first = Some(data),
                        Some(head) => {
                            if joined.is_empty() {
                                joined.extend_from_slice(head);
                            }
                            joined.extend_from_slice(&data);
                        }
                    }
                    if joined.len() >= FRAME {
                        return Poll::Ready(Some(Ok(Frame::data(joined.freeze()))));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                // What was gathered goes first; an ended body says so again when asked again.
                Poll::Ready(None) | Poll::Pending if !joined.is_empty() => {
                    return Poll::Ready(Some(Ok(Frame::data(joined.freeze()))));
                }
                Poll::Ready(None) => return Poll::Ready(first.map(|data| Ok(Frame::data(data)))),
                Poll::Pending => match first {
                    Some(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    None => return Poll::Pending,
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for InlineBody {
    fn drop(&mut self) {
        if let (Some(pair), false, true) = (
            self.pair.take(),
            self.gone,
            self.ended || self.body.is_end_stream(),
        ) {
            self.pool.put(pair);
        }
    }
}
