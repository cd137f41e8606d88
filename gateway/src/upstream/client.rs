//! Connections to providers: one pool a worker, HTTP/1.1 read by the reply that owns it, HTTP/2 by hyper.
//!
//! Knows origins and bytes, no vendor and no policy. It can be handed only what `policies::law` cleared, because
//! [`Request`] is made in `pipeline::dispatch` from a `Cleared` and in `pipeline::gate` from a `Shown`; what is asked for
//! tokens and lists of models holds nothing of a request. Redirects are never followed.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use wire::{Fault, Kind, Rope};

use super::h2;
use super::reply::{self, Head};
use super::request::{Request, head_bytes};
use super::socket;
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
    /// Most connections one worker keeps idle.
    pub idle_max: usize,
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
        // What is rare is boxed: every request would carry room for it.
        if endpoint.http2 {
            recorded(request).await?;
        }
        if endpoint.http2
            && let Some(reply) = Box::pin(self.h2.send(endpoint, bounds, request, asked)).await?
        {
            return Ok(reply);
        }
        // What is ready to go out goes out one behind the other: whom the first wakes finds the rest, and is not woken for each.
        if !request.alone {
            tasks::give_way().await;
        }
        request.after.write();
        loop {
            let (io, pooled) = match self.take_idle(endpoint, bounds) {
                Some(io) => (io, true),
                None => (Box::pin(connect(endpoint, bounds)).await?, false),
            };
            recorded(request).await?;
            match self.exchange(io, endpoint, bounds, request, asked).await {
                Err(fault) if pooled && fault.why() == "closed_early" => {}
                other => return other,
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
        // A server that answers before it has read the request (413, say) may close at once: read what it said.
        let written = write_all(&mut io, message).await;
        *asked |= written.is_ok();
        let (head, body) = match (reply::read_head(io, bounds.header_bytes).await, written) {
            (Ok(reply), _) => reply,
            (Err(fault), _) => return Err(fault),
        };
        let home = Home {
            client: Arc::clone(self),
            endpoint: Arc::clone(endpoint),
        };
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
        if let Io::Tls(stream) = &io
            && stream.get_ref().1.alpn_protocol() == Some(b"h2")
        {
            return Err(Fault::new(Kind::ConnectFailed).reason("http2_upload"));
        }
        recorded(request).await?;
        let mut rest = take().ok_or(Kind::Bug)?;
        let written = write_on(&mut io, endpoint, request, &mut rest).await;
        if let Err(Unsent::Rest(fault)) = written {
            return Err(fault);
        }
        // A server that has heard enough answers and closes: read what it said.
        let (head, body) = reply::read_head(io, bounds.header_bytes).await?;
        let home = Home {
            client: Arc::clone(self),
            endpoint: Arc::clone(endpoint),
        };
        let mut body = Body(Source::H1 { body, home });
        if written.is_ok() {
            body.settle();
        }
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
    H2(Box<hyper::body::Incoming>),
    Socket(Box<socket::Messages>),
}

#[derive(Debug)]
struct Home {
    client: Arc<Client>,
    endpoint: Arc<Endpoint>,
}

impl Body {
    pub(super) fn from_h2(body: hyper::body::Incoming) -> Self {
        Self(Source::H2(Box::new(body)))
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
            Source::H2(body) => h2::poll_data(body, cx),
            Source::Socket(messages) => messages.poll_data(cx),
        }
    }

    /// Whether nothing more will come.
    pub fn is_complete(&self) -> bool {
        match &self.0 {
            Source::H1 { body, .. } => body.is_complete(),
            Source::H2(body) => hyper::body::Body::is_end_stream(body.as_ref()),
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

/// Opens a connection.
pub(super) async fn connect(endpoint: &Endpoint, bounds: &Bounds) -> Result<Io, Fault> {
    match tokio::time::timeout(bounds.connect, open(endpoint)).await {
        Ok(opened) => opened,
        Err(_) => Err(Fault::new(Kind::ConnectFailed).reason("connect_timeout")),
    }
}

async fn open(endpoint: &Endpoint) -> Result<Io, Fault> {
    let refused = |error: io::Error| {
        Fault::new(Kind::ConnectFailed)
            .reason("unreachable")
            .detail(error.kind().to_string())
    };
    let socket = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
        .await
        .map_err(refused)?;
    // Without it, Nagle and delayed acknowledgement stall a small write for 40 ms.
    socket.set_nodelay(true).map_err(refused)?;
    let Some(config) = &endpoint.tls else {
        return Ok(Io::Plain(socket));
    };
    let name = endpoint.server_name.as_deref().unwrap_or(&endpoint.host);
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| Fault::new(Kind::TlsFailed).detail("server name"))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
    let stream = connector
        .connect(name, socket)
        .await
        .map_err(|error| Fault::new(Kind::TlsFailed).detail(error.to_string()))?;
    Ok(Io::Tls(Box::new(stream.into())))
}

pub(super) async fn write_all(io: &mut Io, mut message: Rope) -> io::Result<()> {
    while message.has_remaining() {
        io.write_all_buf(&mut message).await?;
    }
    io.flush().await
}

/// Why a body was not sent to its end.
enum Unsent {
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
async fn write_on<U: Upload>(
    io: &mut Io,
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
    write_all(io, message).await?;
    while let Some(data) = rest.next().await.map_err(Unsent::Rest)? {
        let data = Rope::from(data);
        write_all(io, if chunked { chunk(data) } else { data }).await?;
    }
    if chunked {
        write_all(io, Bytes::from_static(b"0\r\n\r\n").into()).await?;
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
