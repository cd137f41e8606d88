//! Listeners and connections of one worker.
//!
//! Each worker has a listener of its own on the same address (`SO_REUSEPORT`); the kernel shares connections out.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use adapters::places;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use policies::access::token::Digest;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use wire::Kind;

use super::certificate;
use super::guard::{Clocks, Guard, HeadWatch};
use super::place::Place;
use crate::config::snapshot::Snapshot;
use crate::config::units::Size;
use crate::pipeline::{self, ReplyBody};
use crate::tasks;
use crate::worker::{Peer, Phase, Shared, Worker};

/// Connections that the kernel holds before we accept them.
const BACKLOG: i32 = 4096;
/// Pause after `accept` failed (no descriptors left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time for the last frames after the drain limit.
const CUT_GRACE: Duration = Duration::from_secs(1);
/// Headers that hyper reads at most if nobody says otherwise.
const HYPER_HEADERS: usize = 100;
/// What hyper reads at once at most, and what it keeps for a client that is slow to take it. It begins with 8 KiB and goes on
/// by twice as much where reads fill it: a long prompt that comes in one piece need not be joined from several, which
/// costs a copy of it.
const BUFFER_BYTES: usize = 256 << 10;

/// Opens `count` listeners on one address; port 0 is resolved by the first.
pub fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<StdListener>> {
    let mut listeners = Vec::with_capacity(count);
    let mut address = address;
    for _ in 0..count.max(1) {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        if count > 1 {
            socket.set_reuse_port(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = StdListener::from(socket);
        address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Accepts until drain begins.
pub async fn accept(worker: Arc<Worker>, listener: StdListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut phase = worker.shared.phase();
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = reached(&mut phase, Phase::Draining) => return Ok(()),
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = %error.kind(), "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let snapshot = worker.shared.store.load();
        let Some(place) = Place::take(address.ip(), &snapshot, &worker.shared.metrics.connections)
        else {
            // Closing at once is all that is owed to connections over the limit.
            continue;
        };
        // Boxed: the room of what is spawned is taken twice.
        let worker = Arc::clone(&worker);
        tasks::spawn(Box::pin(greet(worker, snapshot, socket, address, place)));
    }
}

/// Waits until a phase is reached.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // The sender lives as long as the process.
    let _ = phase.wait_for(|current| *current >= wanted).await;
}

/// One connection, from its first byte to its last.
async fn greet(
    worker: Arc<Worker>,
    snapshot: Arc<Snapshot>,
    socket: TcpStream,
    address: SocketAddr,
    _place: Place,
) {
    // Without it, Nagle and delayed acknowledgement stall small frames for 40 ms.
    if socket.set_nodelay(true).is_err() {
        return;
    }
    // Boxed, each step: a task is as large as its largest state, and most of its life is waiting. One after another and
    // not one in another: what a step held is let go before the next.
    match snapshot.tls.clone() {
        None => match Box::pin(spoken(&snapshot, &socket)).await {
            Some(Spoken::Http1) => {
                let conversation =
                    converse_h1(worker, &snapshot, socket, (address, Box::default()));
                drop(snapshot);
                Box::pin(conversation).await;
            }
            Some(Spoken::Http2) => {
                let from = (address, Box::default());
                Box::pin(converse_h2(worker, snapshot, socket, from)).await;
            }
            None => {}
        },
        Some(tls) => match Box::pin(secured(&snapshot, tls, socket)).await {
            Some((stream, Spoken::Http1)) => {
                let from = (address, names(&stream));
                let conversation = converse_h1(worker, &snapshot, stream, from);
                drop(snapshot);
                Box::pin(conversation).await;
            }
            Some((stream, Spoken::Http2)) => {
                let from = (address, names(&stream));
                Box::pin(converse_h2(worker, snapshot, stream, from)).await;
            }
            None => {}
        },
    }
}

/// Where a connection is from: its address, and the names in its certificate.
type From = (SocketAddr, Box<[Digest]>);

/// The names in the certificate that a client showed.
fn names(stream: &TlsStream<TcpStream>) -> Box<[Digest]> {
    let shown = stream.get_ref().1.peer_certificates();
    shown
        .and_then(<[_]>::first)
        .map(certificate::names)
        .unwrap_or_default()
}

/// What a connection speaks.
enum Spoken {
    Http1,
    Http2,
}

/// Without TLS the first bytes tell the protocol; `None` if none come. They are looked at, not read: hyper-util's way,
/// reading them ahead, makes hyper's buffer of every connection twice as large.
async fn spoken(snapshot: &Snapshot, socket: &TcpStream) -> Option<Spoken> {
    let mut first = [0; 3];
    let peeked = tokio::time::timeout(snapshot.timeouts.keepalive.0, socket.peek(&mut first)).await;
    match peeked {
        // No method of HTTP/1 that we know begins like the preface of HTTP/2.
        Ok(Ok(3)) if first == *b"PRI" => Some(Spoken::Http2),
        Ok(Ok(1..)) => Some(Spoken::Http1),
        Ok(Ok(0) | Err(_)) | Err(_) => None,
    }
}

/// The TLS handshake, in which the protocol is chosen.
async fn secured(
    snapshot: &Snapshot,
    tls: Arc<ServerConfig>,
    socket: TcpStream,
) -> Option<(Box<TlsStream<TcpStream>>, Spoken)> {
    let handshake = tokio_rustls::TlsAcceptor::from(tls).accept(socket);
    match tokio::time::timeout(snapshot.timeouts.tls_handshake.0, handshake).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            Some((Box::new(stream), Spoken::Http2))
        }
        Ok(Ok(stream)) => Some((Box::new(stream), Spoken::Http1)),
        Ok(Err(error)) => {
            tracing::debug!(error = %error.kind(), "tls handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("tls handshake timed out");
            None
        }
    }
}

/// What a connection's requests share, and its guarded socket.
fn prepare<S: AsyncRead + AsyncWrite>(
    snapshot: &Snapshot,
    socket: S,
    from: From,
    head_watch: HeadWatch,
) -> (TokioIo<Guard<S>>, Arc<Peer>) {
    let clocks = Clocks {
        head: snapshot.timeouts.header_read.0,
        idle: snapshot.timeouts.keepalive.0,
        stall: snapshot.timeouts.client_write.0,
    };
    let peer = Arc::new(Peer::new(from, head_watch));
    (
        TokioIo::new(Guard::new(socket, Arc::clone(&peer.head_watch), clocks)),
        peer,
    )
}

/// Not itself `async`: what only builds the connection would have room in it as long as that lives.
fn converse_h1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    worker: Arc<Worker>,
    snapshot: &Snapshot,
    socket: S,
    from: From,
) -> impl Future<Output = ()> + Send + use<S> {
    let (io, peer) = prepare(snapshot, socket, from, HeadWatch::default());
    let shared = Arc::clone(&worker.shared);
    // Boxed: hyper keeps room for it as long as the connection lives. Made where it stays: all of it would be copied there,
    // though nearly all of it is room for later.
    let service = service_fn(move |request| {
        let room = Box::new_uninit();
        let answering = answer(Arc::clone(&worker), Arc::clone(&peer), request);
        Box::into_pin(Box::write(room, answering))
    });
    let limits = &snapshot.limits;
    let mut builder = http1::Builder::new();
    if limits.header_count as usize != HYPER_HEADERS {
        // Saying even hyper's own number makes it clear two arrays of that size for each request.
        builder.max_headers(limits.header_count as usize);
    }
    let connection = builder
        // Slow heads and idle connections are the guard's business: hyper's timer is made anew for each request.
        .header_read_timeout(None)
        // Not that a client may close its half: the guard sees that it left, without a buffer.
        .half_close(true)
        .max_header_size(limits.header_bytes.bytes())
        .max_buf_size(limits.header_bytes.bytes().max(BUFFER_BYTES))
        .serve_connection(io, service);
    let mut connection = Box::pin(connection);
    async move { last(connection.as_mut(), &shared, None).await }
}

async fn converse_h2(
    worker: Arc<Worker>,
    snapshot: Arc<Snapshot>,
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    from: From,
) {
    let (io, peer) = prepare(&snapshot, socket, from, HeadWatch::framed());
    let shared = Arc::clone(&worker.shared);
    let idle = Idle {
        peer: Arc::clone(&peer),
        after: snapshot.timeouts.keepalive.0,
    };
    let service =
        service_fn(move |request| answer(Arc::clone(&worker), Arc::clone(&peer), request));
    let http2 = &snapshot.http2;
    let connection = http2::Builder::new(Executor {
        phase: shared.phase(),
    })
    .timer(TokioTimer::new())
    .max_concurrent_streams(http2.max_streams)
    .initial_stream_window_size(window(http2.stream_window))
    .initial_connection_window_size(window(http2.connection_window))
    .max_header_list_size(window(snapshot.limits.header_bytes))
    .max_pending_accept_reset_streams(20)
    .max_local_error_reset_streams(128)
    .keep_alive_interval(http2.keepalive_interval.0)
    .keep_alive_timeout(http2.keepalive_timeout.0)
    .serve_connection(io, service);
    last(pin!(connection), &shared, Some(idle)).await;
}

/// A connection that can be asked to end after what it has begun.
trait Graceful: Future<Output = hyper::Result<()>> {
    fn wind_down(self: Pin<&mut Self>);
}

impl<I: Read + Write + Unpin, S: HttpService<Incoming, ResBody = ReplyBody>> Graceful
    for http1::Connection<I, S>
where
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I: Read + Write + Unpin, S: HttpService<Incoming, ResBody = ReplyBody>> Graceful
    for http2::Connection<I, S, Executor>
where
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: 'static,
    Executor: Http2ServerConnExec<S::Future, ReplyBody>,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs a connection to its end: its own, or that of a drain. It is lent: a future that is handed on takes its room twice.
async fn last(mut connection: Pin<&mut impl Graceful>, shared: &Shared, idle: Option<Idle>) {
    let mut phase = shared.phase();
    let mut known = Phase::Open;
    // HTTP/1 has the guard's timer, and no room for another.
    let mut over = idle.map(|idle| Box::pin(idle.over()));
    loop {
        let next = {
            let mut changed = pin!(async {
                if known >= Phase::Cut {
                    return Box::pin(tokio::time::sleep(CUT_GRACE)).await;
                }
                // The sender lives as long as the process.
                let _ = phase
                    .wait_for(|current| *current > known && *current >= Phase::Draining)
                    .await;
            });
            // Asked again only when there is something to be told: once it has been asked, it wakes this task by itself.
            let mut asked = false;
            std::future::poll_fn(|cx| {
                if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Next::Ended(ended));
                }
                let quiet = asked && known == Phase::Open && shared.is_open();
                // Without budget it would be put off without a place among those to be told.
                asked = tokio::task::coop::has_budget_remaining();
                if !quiet && changed.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Next::Changed);
                }
                match over.as_mut() {
                    Some(over) => over.as_mut().poll(cx).map(|()| Next::Over),
                    None => Poll::Pending,
                }
            })
            .await
        };
        match next {
            Next::Ended(ended) => {
                if let Err(error) = ended {
                    tracing::debug!(error = %error, "connection ended");
                }
                return;
            }
            Next::Changed => {}
            Next::Over => break,
        }
        if known >= Phase::Cut {
            return;
        }
        known = *phase.borrow();
        connection.as_mut().wind_down();
    }
    // Nothing runs on it: a word of farewell, and it is gone.
    connection.as_mut().wind_down();
    let _ = Box::pin(tokio::time::timeout(CUT_GRACE, connection)).await;
}

/// What a connection waits for.
enum Next {
    /// Its end.
    Ended(hyper::Result<()>),
    /// The next phase of a drain, or the end of its grace.
    Changed,
    /// Nothing having run on it for long.
    Over,
}

/// Tells when nothing has run on an HTTP/2 connection for a while: hyper has no timer for that.
struct Idle {
    peer: Arc<Peer>,
    after: Duration,
}

impl Idle {
    async fn over(self) {
        loop {
            let before = self.peer.begun();
            tokio::time::sleep(self.after).await;
            if self.peer.running() == 0 && self.peer.begun() == before {
                return;
            }
        }
    }
}

fn window(size: Size) -> u32 {
    u32::try_from(size.0).unwrap_or(u32::MAX)
}

/// One request, with a panic in it turned into its own answer.
async fn answer(
    worker: Arc<Worker>,
    peer: Arc<Peer>,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Infallible> {
    let now_ms = worker.now_ms();
    let id = worker.next_id(now_ms);
    let dialect = places::find(request.uri().path(), request.headers()).dialect;
    let (head, body) = request.into_parts();
    let asks = (dialect, &head, body);
    let mut serving = pin!(pipeline::serve(&worker, &peer, id, now_ms, asks));
    // Where it stays: whatever comes through here is copied at every poll.
    let mut reply = None;
    let caught = std::future::poll_fn(|cx| {
        let mut poll = || serving.as_mut().poll(cx).map(|ready| reply = Some(ready));
        match std::panic::catch_unwind(AssertUnwindSafe(&mut poll)) {
            // Its connection is looked at once more when time is up: what has no answer yet gets one now.
            Ok(Poll::Pending) if worker.shared.is_cut() => Poll::Ready(Err(Kind::Draining)),
            Ok(polled) => polled.map(Ok),
            Err(_) => {
                worker.shared.metrics.panics.inc();
                Poll::Ready(Err(Kind::Bug))
            }
        }
    })
    .await;
    peer.head_watch.next_head();
    let kind = caught.err().unwrap_or(Kind::Bug);
    Ok(reply.unwrap_or_else(|| pipeline::last_words(&kind.into(), id, dialect)))
}

/// Spawns the tasks of HTTP/2 streams so that they are looked at again when time is up.
#[derive(Clone)]
struct Executor {
    phase: watch::Receiver<Phase>,
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, task: F) {
        let mut phase = self.phase.clone();
        tasks::spawn(async move {
            let mut task = pin!(task);
            tokio::select! {
                biased;
                () = task.as_mut() => return,
                () = reached(&mut phase, Phase::Cut) => {}
            }
            let _ = tokio::time::timeout(CUT_GRACE, task).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// It is made and let go for every request, and grows in the dark. A stream that has begun does not hold it. 6360 bytes
    /// on 2026-11-26, once forms, turns at a vendor and identities had come.
    #[test]
    fn the_future_of_a_request_stays_small() {
        let bytes = future_bytes(answer);
        assert!(bytes <= 6500, "{bytes}");
    }
}
