//! Listeners and connections of one worker.
//!
//! Each worker has a listener of its own on the same address (`SO_REUSEPORT`); the kernel shares connections out.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Method, Request};
use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::rt::{Read, Write};
use hyper::server::conn::http2;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use policies::access::token::Digest;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wire::Rope;

use super::answer::{Inbound, answer};
use super::certificate;
use super::guard::Guard;
use super::h1;
use super::owed::{self, Owed};
use super::place::{DATA, Place};
use crate::config::snapshot::Snapshot;
use crate::config::units::Size;
use crate::io::Io;
use crate::pipeline::ReplyBody;
use crate::tasks;
use crate::worker::{Peer, Phase, Shared, Worker};

/// Connections that the kernel holds before we accept them.
const BACKLOG: i32 = 4096;
/// Pause after `accept` failed (no descriptors left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time for the last frames after the drain limit.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// Opens `count` listeners on one address; port 0 is resolved by the first.
pub fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<StdListener>> {
    let mut listeners = Vec::with_capacity(count);
    let mut address = address;
    if count > 1 {
        // Those that share a port would share it with another process as well, which nobody wants: is anybody there?
        socket(address, false)?;
    }
    for _ in 0..count.max(1) {
        let socket = socket(address, count > 1)?;
        socket.listen(BACKLOG)?;
        let listener = StdListener::from(socket);
        address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// A socket with that address, which others may have too if it is shared.
fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
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
        let limits = &snapshot.limits;
        let most = (
            limits.connections as usize,
            limits.connections_per_ip as usize,
        );
        let gauge = &worker.shared.metrics.connections;
        let Some(place) = Place::take(&DATA, address.ip(), most, gauge) else {
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
    let opened = match snapshot.tls.clone() {
        None => Box::pin(spoken(&snapshot, &socket))
            .await
            .map(|spoken| (Io::Plain(socket), spoken)),
        Some(tls) => Box::pin(secured(&snapshot, tls, socket)).await,
    };
    match opened {
        Some((io, Spoken::Http1)) => {
            let conversation = converse_h1(worker, &snapshot, io, address);
            drop(snapshot);
            Box::pin(conversation).await;
        }
        Some((io, Spoken::Http2)) => {
            Box::pin(converse_h2(worker, snapshot, io, address)).await;
        }
        None => {}
    }
}

/// The names in the certificate that a client showed.
fn names(io: &Io) -> Box<[Digest]> {
    let Io::Tls(stream) = io else {
        return Box::default();
    };
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

/// What HTTP/2 begins with, as far as it is looked at: no method of HTTP/1 that we know begins so.
const PREFACE: &[u8; 3] = b"PRI";
/// Pause before more is looked at of what begins like it and has just begun; each is twice as long as the last, up to the most.
const PEEK_PAUSE: Duration = Duration::from_millis(5);
const PEEK_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Without TLS the first bytes tell the protocol; `None` if none come. They are looked at, not read: they are whoever's who
/// speaks it.
async fn spoken(snapshot: &Snapshot, socket: &TcpStream) -> Option<Spoken> {
    let telling = async {
        let mut pause = PEEK_PAUSE;
        loop {
            let mut first = [0; PREFACE.len()];
            let seen = socket.peek(&mut first).await.ok()?;
            let first = first.get(..seen).filter(|first| !first.is_empty())?;
            if !PREFACE.starts_with(first) {
                return Some(Spoken::Http1);
            }
            if first.len() == PREFACE.len() {
                return Some(Spoken::Http2);
            }
            // What was seen is still there, so nothing would wake us.
            tokio::time::sleep(pause).await;
            pause = PEEK_PAUSE_MAX.min(pause * 2);
        }
    };
    let patience = snapshot.timeouts.keepalive.0;
    tokio::time::timeout(patience, telling).await.ok()?
}

/// The TLS handshake, in which the protocol is chosen.
async fn secured(
    snapshot: &Snapshot,
    tls: Arc<ServerConfig>,
    socket: TcpStream,
) -> Option<(Io, Spoken)> {
    let handshake = tokio_rustls::TlsAcceptor::from(tls).accept(socket);
    match tokio::time::timeout(snapshot.timeouts.tls_handshake.0, handshake).await {
        Ok(Ok(stream)) => {
            let spoken = match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Spoken::Http2,
                _ => Spoken::Http1,
            };
            Some((Io::Tls(Box::new(stream.into())), spoken))
        }
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

/// Not itself `async`: what only builds the connection would have room in it as long as that lives.
fn converse_h1(
    worker: Arc<Worker>,
    snapshot: &Snapshot,
    io: Io,
    address: SocketAddr,
) -> impl Future<Output = ()> + Send + use<> {
    let peer = Arc::new(Peer::new((address, names(&io)), false));
    let shared = Arc::clone(&worker.shared);
    let mut connection = Box::pin(h1::Connection::new(worker, peer, snapshot, io));
    async move { last(connection.as_mut(), &shared, None).await }
}

async fn converse_h2(worker: Arc<Worker>, snapshot: Arc<Snapshot>, io: Io, address: SocketAddr) {
    let peer = Arc::new(Peer::new((address, names(&io)), true));
    let io = TokioIo::new(Guard::new(io, snapshot.timeouts.client_write.0));
    let shared = Arc::clone(&worker.shared);
    let idle = Idle {
        peer: Arc::clone(&peer),
        after: snapshot.timeouts.keepalive.0,
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let (worker, peer) = (Arc::clone(&worker), Arc::clone(&peer));
        let (head, body) = request.into_parts();
        let silent = head.method == Method::HEAD;
        let answering = answer(worker, peer, head.into(), Inbound::Framed(body));
        async move {
            let mut reply = answering.await;
            if silent {
                reply.body = ReplyBody::Whole(Rope::new());
            }
            Ok::<_, Infallible>(http::Response::<ReplyBody>::from(reply).map(Owed::new))
        }
    });
    let http2 = &snapshot.http2;
    let connection = http2::Builder::new(Executor {
        phase: shared.phase(),
        stall: snapshot.timeouts.client_write.0,
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
trait Graceful: Future<Output = Result<(), Self::Why>> {
    /// Why it broke off.
    type Why: Display;

    fn wind_down(self: Pin<&mut Self>);
}

impl Graceful for h1::Connection {
    type Why = io::Error;

    fn wind_down(self: Pin<&mut Self>) {
        h1::Connection::wind_down(self.get_mut());
    }
}

impl<I: Read + Write + Unpin, S: HttpService<Incoming, ResBody = Owed>> Graceful
    for http2::Connection<I, S, Executor>
where
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: 'static,
    Executor: Http2ServerConnExec<S::Future, Owed>,
{
    type Why = hyper::Error;

    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs a connection to its end: its own, or that of a drain. It is lent: a future that is handed on takes its room twice.
async fn last(mut connection: Pin<&mut impl Graceful>, shared: &Shared, idle: Option<Idle>) {
    let mut phase = shared.phase();
    let mut known = Phase::Open;
    // HTTP/1 has its own timer, and no room for another.
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
                    if let Err(error) = ended {
                        tracing::debug!(%error, "connection ended");
                    }
                    return Poll::Ready(Next::Ended);
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
            Next::Ended => return,
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
    Ended,
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

/// Spawns the tasks of HTTP/2 streams so that they are looked at again when time is up, and given up when nobody reads.
#[derive(Clone)]
struct Executor {
    phase: watch::Receiver<Phase>,
    /// How long a client may take nothing of a stream.
    stall: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, task: F) {
        let mut phase = self.phase.clone();
        let watched = owed::watched(task, self.stall);
        tasks::spawn(async move {
            let mut task = pin!(watched);
            tokio::select! {
                biased;
                read = task.as_mut() => {
                    if !read {
                        tracing::debug!("a stream's client takes nothing");
                    }
                    return;
                }
                () = reached(&mut phase, Phase::Cut) => {}
            }
            let _ = tokio::time::timeout(CUT_GRACE, task).await;
        });
    }
}
