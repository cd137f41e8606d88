//! Connections to providers: one pool a worker, HTTP/1.1 read by the reply that owns it, HTTP/2 by hyper.
//!
//! Knows origins and bytes, no vendor and no policy. It can be handed only what `policies::law` cleared, because
//! [`Request`] is made in `pipeline::dispatch` from a `Cleared` and in `pipeline::gate` from a `Shown`; what is asked for
//! tokens and lists of models holds nothing of a request. Redirects are never followed.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use wire::{Fault, Kind};

use super::again::Budget;
use super::connect::{Found, connect};
use super::h2;
use super::reply::{self, Head};
use super::request::{Request, head_bytes};
use super::socket;
use super::write::{Early, Unsent, write_on};
use crate::audit;
use crate::io::Io;
use crate::tasks;

/// Where a provider listens, and how to talk to it. Shared by all workers and snapshots.
#[derive(Debug)]
pub struct Endpoint {
    /// Pool key: providers of one name and one address share connections.
    pub key: Arc<str>,
    /// Host without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Host and port as the `host` header names them.
    pub authority: String,
    /// TLS settings; `None` for plain HTTP.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Name to verify instead of the host.
    pub server_name: Option<String>,
    /// HTTP/2 wanted: prior knowledge on plain connections, ALPN on TLS.
    pub http2: bool,
    /// Most connections one worker keeps idle, or with HTTP/2 open.
    pub idle_max: usize,
    /// Where its host was found last.
    pub found: Found,
}

/// Bounds and clocks of one exchange with an upstream.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time to connect, TLS included.
    pub connect: Duration,
    /// How long an idle connection is kept.
    pub keep_idle: Duration,
    /// Bytes of a reply's head.
    pub header_bytes: usize,
}

/// The rest of a body, which comes while it is sent.
pub trait Upload: Send {
    /// How many bytes are left, if that is known.
    fn left(&self) -> Option<u64>;

    /// The next of them; `None`: that was all.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, Fault>> + Send;
}

/// A reply whose body is still on the wire.
#[derive(Debug)]
pub struct Reply {
    /// Its head.
    pub head: Head,
    /// Its body. Dropping it unread closes or resets the exchange.
    pub body: Body,
}

/// The connections of one worker.
#[derive(Debug, Default)]
pub struct Client {
    /// By pool key. A handful of providers: a walk is shorter than a hash.
    idle: Mutex<Vec<(Arc<str>, Vec<Idle>)>>,
    h2: h2::Links,
    /// What it has for sending requests again.
    pub again: Budget,
}

#[derive(Debug)]
struct Idle {
    io: Io,
    since: Instant,
}

impl Client {
    /// Sends a request and reads the reply's head. One transparent repetition on a fresh connection if a pooled one
    /// turns out to be closed before one byte of a reply.
    ///
    /// # Errors
    /// `ConnectFailed`, `TlsFailed`, `CutShort`, `Malformed`.
    pub async fn send(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        bounds: &Bounds,
        request: &Request,
    ) -> Result<Reply, Fault> {
        self.send_told(endpoint, bounds, request, &mut false).await
    }

    /// The same; `asked` becomes true once the other side has all of the request, whatever becomes of the reply.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_told(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        bounds: &Bounds,
        request: &Request,
        asked: &mut bool,
    ) -> Result<Reply, Fault> {
        loop {
            let mut opened = None;
            // What is rare is boxed: every request would carry room for it.
            if endpoint.http2 {
                recorded(request).await?;
                match Box::pin(self.h2.send(endpoint, bounds, request, asked)).await? {
                    h2::Sent::Reply(reply) => return Ok(reply),
                    h2::Sent::Http1(io) => opened = io,
                }
            }
            // What is ready to go out goes out one behind the other: whom the first wakes finds the rest, and is not woken for each.
            if !request.alone {
                tasks::give_way().await;
            }
            request.after.write();
            loop {
                let (io, pooled) = match opened.take() {
                    Some(io) => (io, false),
                    None => match self.take_idle(endpoint, bounds) {
                        Some(io) => (io, true),
                        None => (Box::pin(connect(endpoint, bounds)).await?, false),
                    },
                };
                if endpoint.http2 && io.speaks_http2() {
                    self.h2.doubt(endpoint);
                    break;
                }
                recorded(request).await?;
                match self.exchange(io, endpoint, bounds, request, asked).await {
                    Err(fault) if pooled && fault.why() == "closed_early" => {}
                    other => return other,
                }
            }
        }
    }

    async fn exchange(
        self: &Arc<Self>,
        mut io: Io,
        endpoint: &Arc<Endpoint>,
        bounds: &Bounds,
        request: &Request,
        asked: &mut bool,
    ) -> Result<Reply, Fault> {
        let length = request.body.len() as u64;
        let mut message = head_bytes(endpoint, &request.head, Some(length));
        message.append(request.body.clone());
        let mut early = Early::new(bounds.header_bytes);
        let written = early.write(&mut io, message).await;
        *asked |= written.is_ok();
        // A server that answers before it has read the request (413, say): read what it said.
        let (head, body) = reply::read_head(io, early.said, bounds.header_bytes).await?;
        let home = Home {
            client: Arc::clone(self),
            endpoint: Arc::clone(endpoint),
        };
        let body = if written.is_ok() { body } else { body.alone() };
        let mut body = Body(Source::H1 { body, home });
        body.settle();
        Ok(Reply { head, body })
    }

    /// Opens a WebSocket with the head of a request, on a connection of its own, sends its body as one message, and hands
    /// on what comes back as a stream of events, a message each. A server that does not open one is heard as for any
    /// other request. Nothing is repeated; `asked` as in [`Client::send_told`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn open(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        bounds: &Bounds,
        request: &Request,
        asked: &mut bool,
    ) -> Result<Reply, Fault> {
        request.after.write();
        let io = connect(endpoint, bounds).await?;
        recorded(request).await?;
        // Its body is one message behind the handshake.
        *asked = true;
        match socket::open(io, endpoint, bounds, request).await? {
            socket::Opened::Messages(head, messages) => Ok(Reply {
                head,
                body: Body::from_socket(messages),
            }),
            socket::Opened::Refused(head, body) => {
                let home = Home {
                    client: Arc::clone(self),
                    endpoint: Arc::clone(endpoint),
                };
                let body = Body(Source::H1 { body, home });
                Ok(Reply { head, body })
            }
        }
    }

    /// Sends a request of which [`Request::body`] is the beginning, on a connection of its own over HTTP/1.1; `take` gives
    /// the rest once there is a connection. Nothing is repeated.
    ///
    /// # Errors
    /// As [`Client::send`], and what the rest itself fails with.
    pub async fn send_on<U: Upload>(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        bounds: &Bounds,
        request: &Request,
        take: impl FnOnce() -> Option<U>,
    ) -> Result<Reply, Fault> {
        request.after.write();
        let mut io = connect(endpoint, bounds).await?;
        if io.speaks_http2() {
            return Err(Fault::new(Kind::ConnectFailed).reason("http2_upload"));
        }
        recorded(request).await?;
        let mut rest = take().ok_or(Kind::Bug)?;
        let mut early = Early::new(bounds.header_bytes);
        let written = write_on((&mut io, &mut early), endpoint, request, &mut rest).await;
        if let Err(Unsent::Rest(fault)) = written {
            return Err(fault);
        }
        // A server that has heard enough answers: read what it said.
        let (head, body) = reply::read_head(io, early.said, bounds.header_bytes).await?;
        let home = Home {
            client: Arc::clone(self),
            endpoint: Arc::clone(endpoint),
        };
        let body = if written.is_ok() { body } else { body.alone() };
        let mut body = Body(Source::H1 { body, home });
        body.settle();
        Ok(Reply { head, body })
    }

    fn take_idle(&self, endpoint: &Endpoint, bounds: &Bounds) -> Option<Io> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let list = list_of(&mut idle, &endpoint.key)?;
        // The newest is the least likely to have been closed.
        while let Some(mut link) = list.pop() {
            if link.since.elapsed() < bounds.keep_idle && link.io.is_quiet() {
                return Some(link.io);
            }
        }
        None
    }

    fn put_idle(&self, endpoint: &Endpoint, io: Io) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let since = Instant::now();
        match list_of(&mut idle, &endpoint.key) {
            Some(list) if list.len() < endpoint.idle_max => list.push(Idle { io, since }),
            Some(_) => {}
            None if endpoint.idle_max > 0 => {
                idle.push((Arc::clone(&endpoint.key), vec![Idle { io, since }]));
            }
            None => {}
        }
    }

    /// Closes connections that were idle too long, and those of endpoints that no longer exist. Called now and then.
    pub fn sweep(&self, keep_idle: Duration, alive: impl Fn(&str) -> bool) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain_mut(|(key, list)| {
            list.retain(|link| link.since.elapsed() < keep_idle);
            !list.is_empty() && alive(key)
        });
        self.h2.sweep(alive);
    }
}

fn list_of<'a>(idle: &'a mut [(Arc<str>, Vec<Idle>)], key: &Arc<str>) -> Option<&'a mut Vec<Idle>> {
    // Nearly always the same text at the same address.
    let at = idle
        .iter()
        .position(|(known, _)| Arc::ptr_eq(known, key) || known == key)?;
    idle.get_mut(at).map(|(_, list)| list)
}

/// A reply's body and the way home for its connection.
#[derive(Debug)]
pub struct Body(Source);

#[derive(Debug)]
enum Source {
    H1 { body: reply::Body, home: Home },
    H2(Box<h2::Coming>),
    Socket(Box<socket::Messages>),
}

#[derive(Debug)]
struct Home {
    client: Arc<Client>,
    endpoint: Arc<Endpoint>,
}

impl Body {
    pub(super) fn from_h2(body: Box<h2::Coming>) -> Self {
        Self(Source::H2(body))
    }

    pub(super) fn from_socket(messages: Box<socket::Messages>) -> Self {
        Self(Source::Socket(messages))
    }

    /// The next slice of payload; `None` at a clean end. At the end, the connection goes back to its pool. An empty slice:
    /// the other side only said that it lives.
    ///
    /// # Errors
    /// `CutShort`, `Malformed`.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        match &mut self.0 {
            Source::H1 { body, .. } => {
                let polled = body.poll_data(cx);
                self.settle();
                polled
            }
            Source::H2(coming) => h2::poll_data(&mut coming.body, cx),
            Source::Socket(messages) => messages.poll_data(cx),
        }
    }

    /// Whether nothing more will come.
    pub fn is_complete(&self) -> bool {
        match &self.0 {
            Source::H1 { body, .. } => body.is_complete(),
            Source::H2(coming) => hyper::body::Body::is_end_stream(&coming.body),
            Source::Socket(messages) => messages.is_complete(),
        }
    }

    fn settle(&mut self) {
        if let Source::H1 { body, home } = &mut self.0
            && let Some(io) = body.take_spare()
        {
            home.client.put_idle(&home.endpoint, io);
        }
    }
}

/// Waits for the request's record. Connecting went on meanwhile.
async fn recorded(request: &Request) -> Result<(), Fault> {
    if request.after.is_now() {
        return Ok(());
    }
    let waited = request.after.clone().await;
    waited.map_err(|error| audit::unavailable(&error))
}
