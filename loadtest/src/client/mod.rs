//! The load generator: closed loop, open loop, idle streams.
//!
//! It must never know which server answers nor read `/proc`: whoever runs it is called back at both ends of the
//! window. Invariants: every reply is checked; one bad reply fails the run; reads share one buffer per thread, so
//! that thousands of idle streams cost the generator nothing.

mod closed;
mod idle;
mod open;
pub(crate) mod reply;
pub(crate) mod stats;

use crate::workload::{Expect, Workload};
use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use reply::Reply;
use stats::{Counts, Times};
use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

/// Bytes read at once.
const READ: usize = 64 * 1024;
/// Requests in flight when the window closes must end within this.
const DRAIN: Duration = Duration::from_secs(20);

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// One run of load against one server.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) workload: Workload,
    pub(crate) addr: SocketAddr,
    /// Head and body of every request.
    pub(crate) request: Bytes,
    pub(crate) expect: Expect,
    pub(crate) connections: usize,
    /// Threads of the generator.
    pub(crate) threads: usize,
    /// Requests a second; `None`: closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
}

/// What a run without a failed request measured.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) events: u64,
    pub(crate) times: Times,
}

impl Outcome {
    fn new(from: Counts, to: Counts, times: Times) -> Self {
        Outcome {
            seconds: (to.at - from.at).as_secs_f64(),
            requests: to.requests - from.requests,
            events: to.events - from.events,
            times,
        }
    }
}

/// Runs the load; calls `probe` when the window opens and when it closes.
pub(crate) fn run(
    load: &Load,
    probe: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    match (load.workload, load.rate) {
        (Workload::W6, _) => idle::run(load, probe),
        (_, Some(rate)) => open::run(load, rate, probe),
        (_, None) => closed::run(load, probe),
    }
}

/// One client connection.
struct Conn {
    stream: TcpStream,
    reply: Reply,
}

impl Conn {
    async fn open(addr: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr)
            .await
            .with_context(|| format!("cannot connect to {addr}"))?;
        Conn::new(stream)
    }

    fn new(stream: TcpStream) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Conn {
            stream,
            reply: Reply::new(),
        })
    }

    async fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.reply.reset();
        self.stream.write_all(request).await.context("cannot send")
    }

    /// One read. Returns how many events it completed.
    async fn read(&mut self) -> anyhow::Result<u64> {
        let before = self.reply.events();
        poll_fn(|cx| {
            BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))
                    .context("cannot read")?;
                if buffer.filled().is_empty() {
                    return Poll::Ready(Err(self.reply.cut()));
                }
                Poll::Ready(
                    self.reply
                        .feed(buffer.filled())
                        .with_context(|| self.reply.excerpt()),
                )
            })
        })
        .await?;
        self.refused()?;
        Ok(self.reply.events() - before)
    }

    fn refused(&self) -> anyhow::Result<()> {
        if self.reply.ended() && self.reply.status() != 200 {
            bail!("status {}: {}", self.reply.status(), self.reply.excerpt());
        }
        Ok(())
    }

    /// Is the complete reply the right one?
    fn check(&self, expect: Expect) -> anyhow::Result<()> {
        let reply = &self.reply;
        ensure!(
            reply.status() == 200,
            "status {}: {}",
            reply.status(),
            reply.excerpt()
        );
        match expect {
            Expect::Json(least) => {
                ensure!(
                    reply.body_bytes() >= least as u64,
                    "reply of {} bytes",
                    reply.body_bytes()
                );
                ensure!(
                    reply.excerpt().starts_with('{'),
                    "reply is not JSON: {}",
                    reply.excerpt()
                );
            }
            Expect::Events(count) => {
                ensure!(
                    reply.done(),
                    "no [DONE] after {} events: {}",
                    reply.events(),
                    reply.excerpt()
                );
                ensure!(
                    reply.events() == count,
                    "{} events instead of {count}",
                    reply.events()
                );
            }
        }
        Ok(())
    }
}
