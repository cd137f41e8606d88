//! The servers of a load test: the mock upstream and the two bare proxies, and the accept loop they share.
//!
//! It must never know of the gateway. Invariants: one line `ready listen=URL` on stdout once connections are
//! accepted; TCP_NODELAY on every connection.

pub(crate) mod bare;
pub(crate) mod inline;
pub(crate) mod mock;

use anyhow::Context as _;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

/// Connections waiting to be accepted: W6 opens them faster than a busy core takes them.
const BACKLOG: i32 = 4096;

/// A multi-threaded runtime of `threads` workers, at least one.
pub(crate) fn runtime(threads: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    let threads = threads.max(1);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("runtime")
}

/// Listens, says so, and serves until the process is killed. `service` is cloned per connection.
pub(crate) async fn serve<S, B>(listen: SocketAddr, service: S) -> anyhow::Result<()>
where
    S: HttpService<Incoming, ResBody = B> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = bind(listen)?;
    println!("ready listen=http://{}", listener.local_addr()?);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: wait for some to close instead of spinning.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            continue;
        };
        let service = service.clone();
        spawn(async move { serve_one(stream, service).await });
    }
}

async fn serve_one<S, B>(stream: TcpStream, service: S)
where
    S: HttpService<Incoming, ResBody = B> + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if stream.set_nodelay(true).is_err() {
        return;
    }
    // An error here is a client that left, which the workloads do on purpose.
    let _left = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(listen),
        socket2::Type::STREAM,
        None,
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket
        .bind(&listen.into())
        .with_context(|| format!("cannot listen on {listen}"))?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into())?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "these servers never drain: they are killed"
)]
pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(task: F) {
    tokio::spawn(task);
}
