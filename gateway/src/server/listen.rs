//! Listeners and connections of one worker.
//!
//! Each worker has a listener of its own on the same address (`SO_REUSEPORT`); the kernel shares connections out.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wire::{Fault, Kind};

use super::guard::{Clocks, Guard, HeadWatch};
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
/// hyper refuses smaller buffers. A head that does not fit its buffer is answered 431.
const BUFFER_MIN: usize = 8 << 10;

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
        let Some(place) = Place::take(address.ip(), &snapshot) else {
            // Closing at once is all that is owed to connections over the limit.
            continue;
        };
        worker.shared.metrics.connections.inc();
        let worker = Arc::clone(&worker);
        tasks::spawn(async move {
            let _place = place;
            let shared = Arc::clone(&worker.shared);
            greet(worker, snapshot, socket, address).await;
            shared.metrics.connections.dec();
        });
    }
}

/// Waits until a phase is reached.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // The sender lives as long as the process.
    let _ = phase.wait_for(|current| *current >= wanted).await;
}

async fn greet(
    worker: Arc<Worker>,
    snapshot: Arc<Snapshot>,
    socket: TcpStream,
    address: SocketAddr,
) {
    // Without it, Nagle and delayed acknowledgement stall small frames for 40 ms.
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let Some(tls) = snapshot.tls.clone() else {
        return Box::pin(converse(worker, &snapshot, socket, address)).await;
    };
    // Boxed, as each branch below: a task is as large as its largest state.
    let handshake = Box::pin(tokio_rustls::TlsAcceptor::from(tls).accept(socket));
    match tokio::time::timeout(snapshot.timeouts.tls_handshake.0, handshake).await {
        Ok(Ok(stream)) => Box::pin(converse(worker, &snapshot, stream, address)).await,
        Ok(Err(error)) => tracing::debug!(error = %error.kind(), "tls handshake failed"),
        Err(_) => tracing::debug!("tls handshake timed out"),
    }
}

async fn converse(
    worker: Arc<Worker>,
    snapshot: &Snapshot,
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: SocketAddr,
) {
    let head_watch = Arc::new(HeadWatch::default());
    let clocks = Clocks {
        head: snapshot.timeouts.header_read.0,
        stall: snapshot.timeouts.client_write.0,
    };
    let io = TokioIo::new(Guard::new(socket, Arc::clone(&head_watch), clocks));
    let mut phase = worker.shared.phase();
    let peer = Arc::new(Peer {
        address,
        head_watch,
    });
    let shared = Arc::clone(&worker.shared);
    let service =
        // Boxed: hyper keeps room for it as long as the connection lives, and an idle stream must be small.
        service_fn(move |request| Box::pin(answer(Arc::clone(&worker), Arc::clone(&peer), request)));
    let builder = builder(snapshot, &shared);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut known = Phase::Open;
    loop {
        let changed = async {
            if known >= Phase::Cut {
                return tokio::time::sleep(CUT_GRACE).await;
            }
            let _ = phase
                .wait_for(|current| *current > known && *current >= Phase::Draining)
                .await;
        };
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = %error, "connection ended");
                }
                return;
            }
            () = changed => {}
        }
        if known >= Phase::Cut {
            return;
        }
        known = *phase.borrow();
        connection.as_mut().graceful_shutdown();
    }
}

fn builder(snapshot: &Snapshot, shared: &Arc<Shared>) -> auto::Builder<Executor> {
    let limits = &snapshot.limits;
    let mut builder = auto::Builder::new(Executor {
        phase: shared.phase(),
    });
    builder
        .http1()
        .timer(TokioTimer::new())
        // Runs while a connection is kept idle; a slow head is the guard's business.
        .header_read_timeout(snapshot.timeouts.keepalive.0)
        .half_close(false)
        .max_headers(limits.header_count as usize)
        .max_buf_size(limits.header_bytes.bytes().max(BUFFER_MIN));
    let http2 = &snapshot.http2;
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(http2.max_streams)
        .initial_stream_window_size(window(http2.stream_window))
        .initial_connection_window_size(window(http2.connection_window))
        .max_header_list_size(window(limits.header_bytes))
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(128)
        .keep_alive_interval(http2.keepalive_interval.0)
        .keep_alive_timeout(http2.keepalive_timeout.0);
    builder
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
    let mut serving = pin!(pipeline::serve(&worker, &peer, request));
    let caught = std::future::poll_fn(|cx| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Some),
            Err(_) => std::task::Poll::Ready(None),
        }
    })
    .await;
    peer.head_watch.next_head();
    Ok(caught.unwrap_or_else(|| {
        worker.shared.metrics.panics.inc();
        pipeline::last_words(&Fault::new(Kind::Bug).reason("panic"))
    }))
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

/// A connection's place under the limits; leaving is dropping it.
struct Place(IpAddr);

#[derive(Default)]
struct Places {
    all: usize,
    by_ip: HashMap<IpAddr, usize>,
}

static PLACES: LazyLock<Mutex<Places>> = LazyLock::new(Mutex::default);

impl Place {
    fn take(ip: IpAddr, snapshot: &Snapshot) -> Option<Self> {
        let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = &snapshot.limits;
        let own = places.by_ip.get(&ip).copied().unwrap_or(0);
        if places.all >= limits.connections as usize || own >= limits.connections_per_ip as usize {
            return None;
        }
        places.all += 1;
        places.by_ip.insert(ip, own + 1);
        Some(Self(ip))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        places.all -= 1;
        if let Some(own) = places.by_ip.get_mut(&self.0) {
            *own -= 1;
            if *own == 0 {
                places.by_ip.remove(&self.0);
            }
        }
    }
}
