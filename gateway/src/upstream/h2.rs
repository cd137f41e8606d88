//! HTTP/2 to providers, by hyper: one connection a worker and endpoint, its driver in a tracked task.
//!
//! HTTP/2 needs a driver of its own, because many exchanges share a connection: the one place where a reply is not
//! read by the task that owns it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use wire::{Fault, Kind, Rope};

use super::client::{self, Body, Bounds, Endpoint, Reply};
use super::reply::{self, Head};
use super::request::Request;
use crate::io::Io;
use crate::tasks;

/// Windows of one stream and one connection: enough for a burst of events, bounded for 100 slow readers.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The open HTTP/2 connections of one worker.
#[derive(Default)]
pub(super) struct Links {
    open: Mutex<HashMap<Arc<str>, SendRequest<Once>>>,
    /// Held while a connection is being made: who asks meanwhile waits for that one.
    opening: Mutex<HashMap<Arc<str>, Arc<tokio::sync::Mutex<()>>>>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links")
    }
}

impl Links {
    /// Sends over HTTP/2. `None` if the server chose HTTP/1.1 in ALPN.
    pub(super) async fn send(
        &self,
        endpoint: &Arc<Endpoint>,
        bounds: &Bounds,
        request: &Request,
        asked: &mut bool,
    ) -> Result<Option<Reply>, Fault> {
        for fresh in [false, true] {
            let Some(mut link) = self.link(endpoint, bounds, fresh).await? else {
                return Ok(None);
            };
            if link.ready().await.is_err() {
                self.forget(endpoint);
                continue;
            }
            let message = message(endpoint, request)?;
            *asked = true;
            match link.try_send_request(message).await {
                Ok(reply) => {
                    let (parts, body) = reply.into_parts();
                    return Ok(Some(Reply {
                        head: Head {
                            status: parts.status.as_u16(),
                            headers: reply::kept(&parts.headers),
                        },
                        body: Body::from_h2(body),
                    }));
                }
                // The request comes back only if nothing of it was sent: then, once, a fresh connection may be tried.
                Err(mut error) => {
                    if error.take_message().is_none() || fresh {
                        return Err(Fault::new(Kind::CutShort).detail(error.error().to_string()));
                    }
                    self.forget(endpoint);
                }
            }
        }
        Err(Fault::new(Kind::ConnectFailed).reason("unreachable"))
    }

    async fn link(
        &self,
        endpoint: &Arc<Endpoint>,
        bounds: &Bounds,
        fresh: bool,
    ) -> Result<Option<SendRequest<Once>>, Fault> {
        if let Some(link) = self.known(endpoint, fresh) {
            return Ok(Some(link));
        }
        let flight = {
            let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(opening.entry(Arc::clone(&endpoint.key)).or_default())
        };
        let _flight = flight.lock().await;
        // `fresh` asked for another connection than the one that was forgotten: one made meanwhile will do.
        if let Some(link) = self.known(endpoint, false) {
            return Ok(Some(link));
        }
        let io = client::connect(endpoint, bounds).await?;
        if let Io::Tls(stream) = &io
            && stream.get_ref().1.alpn_protocol() != Some(b"h2")
        {
            return Ok(None);
        }
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT);
        let (link, driver) = builder
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| Fault::new(Kind::ConnectFailed).detail(error.to_string()))?;
        tasks::detach(async move {
            // Its end is seen by whoever uses the link next.
            let _ = driver.await;
        });
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(Arc::clone(&endpoint.key), link.clone());
        Ok(Some(link))
    }

    fn known(&self, endpoint: &Endpoint, fresh: bool) -> Option<SendRequest<Once>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&endpoint.key)
            .filter(|link| !fresh && !link.is_closed())
            .cloned()
    }

    fn forget(&self, endpoint: &Endpoint) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&endpoint.key);
    }
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
