//! HTTP/2 to providers, by hyper: a connection a worker and endpoint, and others where the peer takes no more streams on one;
//! their drivers in tracked tasks.
//!
//! HTTP/2 needs a driver of its own, because many exchanges share a connection: the one place where a reply is not
//! read by the task that owns it. Invariants: an endpoint has no more connections than it may; one is opened at a time, and
//! who waited for it shares what came of it; what a peer may have begun to answer is not sent again.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Uri;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use wire::{Fault, Kind, Rope};

use super::client::{Body, Bounds, Endpoint, Reply};
use super::connect::connect;
use super::reply::{self, Head};
use super::request::Request;
use crate::io::Io;
use crate::tasks;

/// Windows of one stream and one connection: enough for a burst of events, bounded for 100 slow readers.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Streams of a connection before the peer has said how many it allows.
const STREAMS: usize = 100;
/// How long it is believed that a server speaks HTTP/1.1 alone.
const HTTP1_FOR: Duration = Duration::from_secs(300);
/// Where there is a connection, another is not tried for so long after that failed.
const AGAIN: Duration = Duration::from_secs(5);

type Driver = Connection<TokioIo<Io>, Once, TokioExecutor>;

/// The open HTTP/2 connections of one worker, by pool key.
#[derive(Default)]
pub(super) struct Links(Mutex<HashMap<Arc<str>, Origin>>);

#[derive(Default)]
struct Origin {
    links: Vec<Link>,
    /// Held while a connection is being made: who asks meanwhile waits for that one.
    opening: Arc<tokio::sync::Mutex<()>>,
    /// When and how that failed last.
    failed: Option<(Instant, Fault)>,
    http1_until: Option<Instant>,
    /// How many streams it allows, as far as it has said so: what its next connection begins with.
    streams: Option<usize>,
}

/// An open connection.
#[derive(Clone)]
struct Link {
    send: SendRequest<Once>,
    /// Polled by its task; asked here how many streams the peer allows.
    driver: Arc<Mutex<Driver>>,
    /// How many exchanges use it.
    live: Arc<AtomicUsize>,
    since: Instant,
}

impl Link {
    fn streams(&self) -> usize {
        let driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        driver.current_max_send_streams()
    }

    fn has_room(&self) -> bool {
        self.live.load(Ordering::Relaxed) < self.streams()
    }
}

/// One exchange of a connection.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Place {
    fn on(link: &Link) -> Self {
        link.live.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&link.live))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A reply's body, and its place on the connection.
#[derive(Debug)]
pub(super) struct Coming {
    pub(super) body: Incoming,
    _place: Place,
}

/// What came of sending.
pub(super) enum Sent {
    Reply(Reply),
    /// The server speaks HTTP/1.1: the connection that was opened, if one was.
    Http1(Option<Io>),
}

/// How a request can go.
enum Way {
    Http1(Option<Io>),
    /// On an open connection.
    Known(Link),
    /// On one that was made for it.
    Made(Link),
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links")
    }
}

impl Links {
    /// Sends over HTTP/2, unless the server chose HTTP/1.1 in ALPN. Once more if nothing was answered and it is sure, or as
    /// with HTTP/1.1 on a connection that was open already likely, that nothing was begun.
    pub(super) async fn send(
        &self,
        endpoint: &Arc<Endpoint>,
        bounds: &Bounds,
        request: &Request,
        asked: &mut bool,
    ) -> Result<Sent, Fault> {
        let mut after = None;
        let mut last = false;
        loop {
            let (mut link, known) = match self.way(endpoint, bounds, after).await? {
                Way::Http1(io) => return Ok(Sent::Http1(io)),
                Way::Known(link) => (link, true),
                Way::Made(link) => (link, false),
            };
            let place = Place::on(&link);
            let message = message(endpoint, request)?;
            *asked = true;
            let mut error = match link.send.try_send_request(message).await {
                Ok(reply) => {
                    let (parts, body) = reply.into_parts();
                    let head = Head {
                        status: parts.status.as_u16(),
                        headers: reply::kept(&parts.headers),
                    };
                    let body = Body::from_h2(Box::new(Coming {
                        body,
                        _place: place,
                    }));
                    return Ok(Sent::Reply(Reply { head, body }));
                }
                Err(error) => error,
            };
            let unsent = error.take_message().is_some();
            let unheard = unheard(error.error());
            let again = unsent || unheard == Unheard::Surely || known && unheard == Unheard::Closed;
            if last || !again {
                let fault = Fault::new(Kind::CutShort).detail(error.error().to_string());
                return Err(match unheard {
                    Unheard::No => fault,
                    Unheard::Surely | Unheard::Closed => fault.reason("closed_early"),
                });
            }
            last = true;
            // A stream that was refused says nothing of the connection. Of all others none is older than this fault.
            if unsent || !is_reset(error.error()) {
                self.of(endpoint, |origin| {
                    let gone = |known: &Link| Arc::ptr_eq(&known.driver, &link.driver);
                    origin.links.retain(|known| !gone(known));
                });
                after = Some(Instant::now());
            }
        }
    }

    async fn way(
        &self,
        endpoint: &Arc<Endpoint>,
        bounds: &Bounds,
        after: Option<Instant>,
    ) -> Result<Way, Fault> {
        let asked = Instant::now();
        if let Some(way) = self.of(endpoint, |origin| origin.way(endpoint, after)) {
            return Ok(way);
        }
        let opening = self.of(endpoint, |origin| Arc::clone(&origin.opening));
        let _opening = opening.lock().await;
        if let Some(way) = self.of(endpoint, |origin| origin.way(endpoint, after)) {
            return Ok(way);
        }
        let (failed, streams) = self.of(endpoint, |origin| (origin.failed.clone(), origin.streams));
        if let Some((_, fault)) = failed.filter(|(at, _)| *at >= asked) {
            return Err(fault);
        }
        let opened = open(endpoint, bounds, streams).await;
        self.of(endpoint, |origin| match opened {
            Ok(Way::Made(link)) => {
                origin.links.push(link.clone());
                Ok(Way::Made(link))
            }
            Ok(way) => {
                origin.http1_until = Some(Instant::now() + HTTP1_FOR);
                Ok(way)
            }
            Err(fault) => {
                origin.failed = Some((Instant::now(), fault.clone()));
                // A crowded connection is better than none.
                origin.least(after).map(Way::Known).ok_or(fault)
            }
        })
    }

    fn of<T>(&self, endpoint: &Endpoint, with: impl FnOnce(&mut Origin) -> T) -> T {
        let mut origins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        with(origins.entry(Arc::clone(&endpoint.key)).or_default())
    }

    /// A server that was believed to speak HTTP/1.1 alone does not.
    pub(super) fn doubt(&self, endpoint: &Endpoint) {
        self.of(endpoint, |origin| origin.http1_until = None);
    }

    /// Closes connections of endpoints that no longer exist, and those that were opened for a rush that is over.
    pub(super) fn sweep(&self, alive: impl Fn(&str) -> bool) {
        let mut origins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        origins.retain(|key, origin| {
            let mut first = true;
            origin
                .links
                .retain(|link| std::mem::take(&mut first) || link.live.load(Ordering::Relaxed) > 0);
            alive(key)
        });
    }
}

impl Origin {
    /// What there is already. `after`: no connection that is older will do.
    fn way(&mut self, endpoint: &Endpoint, after: Option<Instant>) -> Option<Way> {
        if self.http1_until.is_some_and(|until| Instant::now() < until) {
            return Some(Way::Http1(None));
        }
        self.links.retain(|link| !link.send.is_closed());
        self.streams = self.links.iter().map(Link::streams).min().or(self.streams);
        let roomy = self.links.iter().filter(|link| is_after(link, after));
        let roomy = roomy.clone().find(|link| link.has_room()).cloned();
        let failed = self.failed.as_ref();
        let full = self.links.len() >= endpoint.idle_max.max(1)
            || failed.is_some_and(|(at, _)| at.elapsed() < AGAIN);
        let link = roomy.or_else(|| self.least(after).filter(|_| full));
        link.map(Way::Known)
    }

    fn least(&self, after: Option<Instant>) -> Option<Link> {
        let links = self.links.iter().filter(|link| is_after(link, after));
        let least = links.min_by_key(|link| link.live.load(Ordering::Relaxed));
        least.cloned()
    }
}

fn is_after(link: &Link, after: Option<Instant>) -> bool {
    after.is_none_or(|after| link.since >= after)
}

/// Opens a connection, and starts its driver if it speaks HTTP/2.
async fn open(endpoint: &Endpoint, bounds: &Bounds, streams: Option<usize>) -> Result<Way, Fault> {
    let io = connect(endpoint, bounds).await?;
    if endpoint.tls.is_some() && !io.speaks_http2() {
        return Ok(Way::Http1(Some(io)));
    }
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_max_send_streams(streams.map_or(STREAMS, |streams| streams.min(STREAMS)))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    let (send, driver) = builder
        .handshake(TokioIo::new(io))
        .await
        .map_err(|error| Fault::new(Kind::ConnectFailed).detail(error.to_string()))?;
    let driver = Arc::new(Mutex::new(driver));
    let polled = Arc::clone(&driver);
    tasks::detach(std::future::poll_fn(move |cx| {
        let mut driver = polled.lock().unwrap_or_else(PoisonError::into_inner);
        // Its end is seen by whoever uses the link next.
        Pin::new(&mut *driver).poll(cx).map(drop)
    }));
    Ok(Way::Made(Link {
        send,
        driver,
        live: Arc::default(),
        since: Instant::now(),
    }))
}

/// Whether a peer that failed may have begun with a request (RFC 9113, section 8.7).
#[derive(PartialEq)]
enum Unheard {
    /// It says that it has not.
    Surely,
    /// It closed the connection without a word: one that was open already may have been closed while idle.
    Closed,
    /// It may have.
    No,
}

fn cause(error: &hyper::Error) -> Option<&h2::Error> {
    error.source()?.downcast_ref()
}

fn is_reset(error: &hyper::Error) -> bool {
    cause(error).is_some_and(h2::Error::is_reset)
}

fn unheard(error: &hyper::Error) -> Unheard {
    let Some(cause) = cause(error) else {
        let closed = error
            .source()
            .is_some_and(|source| source.is::<io::Error>());
        return if closed { Unheard::Closed } else { Unheard::No };
    };
    let refused = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
    // A peer that goes away ends thereby only those streams that it has not heard.
    if cause.is_remote() && (refused || cause.is_go_away()) {
        return Unheard::Surely;
    }
    Unheard::No
}

fn message(endpoint: &Endpoint, request: &Request) -> Result<http::Request<Once>, Fault> {
    let scheme = if endpoint.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let bug = |error: http::Error| Fault::new(Kind::Bug).detail(error.to_string());
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(endpoint.authority.as_str())
        .path_and_query(request.head.path_and_query.as_str())
        .build()
        .map_err(bug)?;
    let mut message = http::Request::builder()
        .method(request.head.method.clone())
        .uri(uri)
        .body(Once(Some(request.body.clone())))
        .map_err(bug)?;
    let headers = message.headers_mut();
    *headers = request.head.headers.clone().into();
    Ok(message)
}

pub(super) fn poll_data(
    body: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Fault>>> {
    loop {
        let frame = match ready!(hyper::body::Body::poll_frame(Pin::new(&mut *body), cx)) {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                return Poll::Ready(Some(Err(
                    Fault::new(Kind::CutShort).detail(error.to_string())
                )));
            }
        };
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Poll::Ready(Some(Ok(data)));
        }
    }
}

/// A request body: one rope, sent as it is.
#[derive(Debug)]
pub(super) struct Once(Option<Rope>);

impl hyper::body::Body for Once {
    type Data = Rope;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Rope>, Infallible>>> {
        Poll::Ready(
            self.0
                .take()
                .filter(|rope| !rope.is_empty())
                .map(|rope| Ok(Frame::data(rope))),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Rope::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |rope| rope.len() as u64))
    }
}
