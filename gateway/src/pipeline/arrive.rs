//! What arrived: framing in doubt, whom it is for, path, method, media type, body.
//!
//! Everything here is judged before a credential is looked at, in one function, because a request whose framing is in
//! doubt must not reach any later rule (`governance/threats.md`, section 5). Hosts, absolute URIs and forwarded headers
//! never route anything.

use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use adapters::places::{self, At, RequestHead};
use adapters::{Asked, CLIENT_DIALECTS};
use bytes::{Bytes, BytesMut};
use http::header::{
    ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName,
};
use http::uri::Authority;
use http::{HeaderValue, Method, Version};
use wire::{Fault, Headers, Kind, multipart};

use super::head::{Head, Odd};
use super::settle::Exchange;
use crate::alarm::SharedAlarm;
use crate::config::tuning::Limits;
use crate::server::answer::Inbound;
use crate::worker::Peer;

/// What is asked for.
#[derive(Debug)]
pub(super) enum What {
    /// Something of a model, at an endpoint of a dialect.
    Call(Asked),
    /// `POST /v1/moderations`
    Moderations,
    /// `GET`: a dialect's list of models.
    Models,
    /// `GET`: one of them, by its name.
    Model(String),
}

/// A request whose head is in order.
pub(super) struct Arrived<'a> {
    pub(super) what: What,
    pub(super) head: &'a Head,
}

/// Headers of which a second one would be read differently by different servers.
const SINGLE: [HeaderName; 6] = [
    HOST,
    AUTHORIZATION,
    CONTENT_TYPE,
    CONTENT_LENGTH,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// The body must come at this rate after [`SLOW_AFTER`].
pub(super) const RATE_FLOOR_BYTES_PER_S: u64 = 1024;
pub(super) const SLOW_AFTER: Duration = Duration::from_secs(10);

pub(super) fn read_head<'a>(
    exchange: &mut Exchange,
    peer: &Peer,
    (head, body): (&'a Head, &Unread),
) -> Result<Arrived<'a>, Fault> {
    exchange.told = super::told::Told::read(&head.headers);
    exchange.forwarded =
        super::forwarded::client(&head.headers, peer.ip, &exchange.snapshot.trusted_proxies);
    let place = places::find(head.uri.path(), &head.headers);
    let (endpoint, method) = shown(&place.at, head.uri.path());
    exchange.endpoint = endpoint;
    if let Err(fault) = framing(head, exchange.limits()) {
        if head.version < Version::HTTP_2 && fault.kind() == Kind::BadRequest {
            // Nothing that follows on this connection can be trusted to be a request.
            exchange.closes = true;
        }
        return Err(fault);
    }
    let Some(method) = method else {
        let path = head.uri.path();
        let hint = if path.starts_with("/v1/v1/") {
            " The base URL already ends in /v1."
        } else {
            let mut hints = CLIENT_DIALECTS.iter().map(|dialect| dialect.hint(path));
            hints.find(|hint| !hint.is_empty()).unwrap_or_default()
        };
        return Err(bad("unknown_path", "")
            .message(format!("There is no such path.{hint}"))
            .status(404));
    };
    if head.method != method {
        let allowed = if method == Method::GET { "GET" } else { "POST" };
        let allowed = HeaderValue::from_static(allowed);
        exchange.extra.push((ALLOW, allowed));
        return Err(bad("method", "This path does not take that method.").status(405));
    }
    if method == Method::POST {
        let is_form = matches!(&place.at, At::Call(endpoint, _) if endpoint.asks.is_form());
        let most = if is_form {
            coding(&head.headers)?;
            exchange.limits().upload_bytes.0
        } else {
            media(&head.headers)?;
            exchange.limits().body_bytes.0
        };
        if body.length().is_some_and(|length| length > most) {
            return Err(too_large());
        }
    }
    let what = match place.at {
        At::Call(endpoint, model) => {
            let told = RequestHead {
                headers: &head.headers,
                query: head.uri.query().unwrap_or_default(),
            };
            What::Call(places::asked(place.dialect, endpoint, model, told)?)
        }
        At::Models(_) => What::Models,
        At::Model(id) => What::Model(id),
        At::Nothing => What::Moderations,
    };
    Ok(Arrived { what, head })
}

/// Where our own detectors answer; all other paths are the dialects'.
pub const MODERATIONS: &str = "/v1/moderations";
/// How the page of one model is named in metrics and records, whichever it is.
const ONE_MODEL: &str = "/v1/models/{id}";

/// How a place is named, and the method that it takes; `None`: there is nothing.
fn shown(at: &At, path: &str) -> (&'static str, Option<Method>) {
    match at {
        At::Call(endpoint, _) => (endpoint.path, Some(Method::POST)),
        At::Models(listing) => (listing, Some(Method::GET)),
        At::Model(_) => (ONE_MODEL, Some(Method::GET)),
        At::Nothing if path == MODERATIONS => (MODERATIONS, Some(Method::POST)),
        At::Nothing => ("", None),
    }
}

/// What of a head says in doubt whose it is, or what.
fn framing(head: &Head, limits: &Limits) -> Result<(), Fault> {
    if let Some(Odd(sentence)) = head.odd {
        return Err(bad("framing", sentence));
    }
    // Over HTTP/1 they were counted while they were read.
    if head.headers.len() > limits.header_count as usize {
        return Err(Fault::new(Kind::TooLarge)
            .reason("head_too_large")
            .message("The request has too many headers.")
            .status(431));
    }
    let uri = &head.uri;
    if uri.path_and_query().map_or(0, |text| text.as_str().len()) > limits.uri_bytes.bytes() {
        return Err(Fault::new(Kind::TooLarge)
            .reason("uri_too_long")
            .status(414));
    }
    host(head)?;
    for name in &SINGLE {
        if head.headers.get_all(name).nth(1).is_some() {
            // Two credentials are nobody's credential.
            let credential = name != HOST && name != CONTENT_TYPE && name != CONTENT_LENGTH;
            return Err(if credential {
                Kind::Unauthenticated.into()
            } else {
                bad(
                    "repeated_header",
                    "A header that must stand once is repeated.",
                )
            });
        }
    }
    Ok(())
}

/// Whom the request is for: one valid host, and no other server.
fn host(head: &Head) -> Result<(), Fault> {
    let uri = &head.uri;
    let mut host = head.headers.get(&HOST).map(HeaderValue::as_bytes);
    if head.version == Version::HTTP_2 {
        // RFC 9113, section 8.3.1: it is in either, and if in both, the same.
        let authority = uri
            .authority()
            .map(|authority| authority.as_str().as_bytes());
        if host.is_some() && authority.is_some() && host != authority {
            return Err(bad("host", "Host and :authority differ."));
        }
        host = host.or(authority);
    } else if uri.scheme().is_some() {
        return Err(bad("absolute_uri", "This is no forward proxy."));
    }
    // HTTP/1.0 had no Host.
    let excused = head.version == Version::HTTP_10 && host.is_none();
    if excused || host.is_some_and(is_host) {
        Ok(())
    } else {
        Err(bad("host", "The Host header is missing or not valid."))
    }
}

/// Whether it is a host, and a port if any.
fn is_host(host: &[u8]) -> bool {
    is_plain_host(host)
        || str::from_utf8(host).is_ok_and(|host| {
            // `a:b` parses, with a port that is no number; so does a name before the host.
            let sound = |authority: Authority| {
                let named = authority.as_str().contains('@');
                !named && (authority.port_u16().is_some() || authority.as_str() == authority.host())
            };
            host.parse().is_ok_and(sound)
        })
}

/// Whether a host is letters, digits, dots and hyphens, and a port if any: as nearly all are. Others are parsed.
fn is_plain_host(host: &[u8]) -> bool {
    let (name, port) = match host.iter().position(|byte| *byte == b':') {
        Some(colon) => host.split_at(colon),
        None => (host, &[][..]),
    };
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    // Four digits are below any limit of a port.
    let port = port.is_empty() || (2..=5).contains(&port.len());
    let digits = host.get(name.len()..).unwrap_or_default();
    port && !name.is_empty()
        && name.iter().all(plain)
        && digits.iter().skip(1).all(u8::is_ascii_digit)
}

fn unsupported(reason: &'static str, sentence: &'static str) -> Fault {
    bad(reason, sentence).status(415)
}

/// The boundary of a form.
pub(super) fn boundary(headers: &Headers) -> Result<&str, Fault> {
    let kind = headers
        .get(&CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    match multipart::boundary(kind.unwrap_or_default()) {
        Some(Ok(boundary)) => Ok(boundary),
        Some(Err(odd)) => Err(bad("form", odd.0)),
        None => Err(unsupported(
            "media_type",
            "The body must be multipart/form-data.",
        )),
    }
}

fn coding(headers: &Headers) -> Result<(), Fault> {
    let coded = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(&CONTENT_ENCODING).any(coded) {
        return Err(unsupported(
            "content_encoding",
            "Compressed request bodies are not accepted.",
        ));
    }
    Ok(())
}

fn media(headers: &Headers) -> Result<(), Fault> {
    coding(headers)?;
    let Some(kind) = headers.get(&CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = kind.to_str().unwrap_or_default();
    let mut parts = kind.split(';').map(str::trim);
    if !parts
        .next()
        .unwrap_or_default()
        .eq_ignore_ascii_case("application/json")
    {
        return Err(unsupported(
            "media_type",
            "The body must be application/json.",
        ));
    }
    let foreign = |part: &str| {
        part.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("charset")
                && !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    };
    if parts.any(foreign) {
        Err(unsupported("charset", "The body must be UTF-8."))
    } else {
        Ok(())
    }
}

/// Bytes of a refused request's body that are read for the sake of its connection, and how long they are waited for.
const DRAIN_BYTES: u64 = 64 << 10;
const DRAIN_WAIT: Duration = Duration::from_millis(250);

/// What of a request's body nobody has read yet.
pub(super) enum Unread {
    /// All of it was read, or there was none.
    Nothing,
    /// All of it, or all that is still to come of it.
    Body(Inbound),
    /// Whoever sends the form on has it.
    Lent,
}

impl Unread {
    /// How long the body says that it is.
    fn length(&self) -> Option<u64> {
        match self {
            Self::Body(body) => body.left(),
            Self::Nothing | Self::Lent => None,
        }
    }

    /// For whoever reads it.
    pub(super) fn take(&mut self) -> Result<Inbound, Fault> {
        match std::mem::replace(self, Self::Lent) {
            Self::Body(body) => Ok(body),
            Self::Nothing | Self::Lent => Err(Kind::Bug.into()),
        }
    }

    /// Reads away what little a refused request still sends: a connection that is closed before its body has come takes
    /// the client's next request with it, unanswered. Whether nothing is left; else the connection must end, and the client
    /// must know that it does.
    pub(super) async fn drain(self) -> bool {
        let mut body = match self {
            Self::Nothing => return true,
            Self::Lent => return false,
            Self::Body(body) => body,
        };
        if body.left().unwrap_or(0) > DRAIN_BYTES {
            return false;
        }
        let all = async {
            let mut seen = 0;
            while !body.is_over() {
                match std::future::poll_fn(|cx| body.poll_data(cx)).await {
                    Some(Ok(data)) => seen += data.len() as u64,
                    Some(Err(_)) => return false,
                    None => return true,
                }
                if seen > DRAIN_BYTES {
                    return false;
                }
            }
            true
        };
        // What comes later is not waited for.
        tokio::time::timeout(DRAIN_WAIT, all).await.unwrap_or(false)
    }
}

/// Reads the body whole, because it must be judged whole. What one read brings stays the slice that it is; of a longer one
/// the rest is read to where it is joined.
pub(super) async fn read_body(
    exchange: &mut Exchange,
    unread: &mut Unread,
) -> Result<Bytes, Fault> {
    let Unread::Body(body) = unread else {
        return Err(Kind::Bug.into());
    };
    let limit = exchange.limits().body_bytes.0;
    let clocks = exchange.snapshot.timeouts.clone();
    let idle = clocks.body_idle.0.min(clocks.body.0);
    let alarm = exchange.alarm();
    let began = exchange.started;
    let expected = body.left();
    let first = next_data(body, idle, &alarm).await?.unwrap_or_default();
    let mut seen = first.len() as u64;
    let mut joined = BytesMut::new();
    // A body of known length says itself that this was all; most are this one read.
    loop {
        exchange.request_bytes = seen;
        if seen > limit {
            return Err(too_large());
        }
        if body.is_over() {
            break;
        }
        let took = began.elapsed();
        let floor = took.saturating_sub(SLOW_AFTER).as_secs() * RATE_FLOOR_BYTES_PER_S;
        if took > clocks.body.0 || seen < floor {
            return Err(slow());
        }
        if joined.is_empty() {
            let room = expected.unwrap_or(seen * 2).clamp(seen, limit);
            joined.reserve(usize::try_from(room).unwrap_or(0));
            joined.extend_from_slice(&first);
        }
        let more = in_time(idle, &alarm, |cx| body.poll_fill(cx, &mut joined)).await?;
        if more.is_none() {
            break;
        }
        seen = joined.len() as u64;
    }
    *unread = Unread::Nothing;
    Ok(if joined.is_empty() {
        first
    } else {
        joined.freeze()
    })
}

/// The next bytes of a body, or a fault if they do not come in time.
pub(super) async fn next_data(
    body: &mut Inbound,
    idle: Duration,
    alarm: &SharedAlarm,
) -> Result<Option<Bytes>, Fault> {
    in_time(idle, alarm, |cx| body.poll_data(cx)).await
}

/// What `poll` brings of a body, or a fault if it does not in time. A timer is made only if it is not there at the second
/// look: over HTTP/2 hyper hands on what it has read between the first and the second.
async fn in_time<T>(
    idle: Duration,
    alarm: &SharedAlarm,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<Option<io::Result<T>>>,
) -> Result<Option<T>, Fault> {
    let mut until = None;
    let mut looks = 0;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(read) = poll(cx) {
            let cut = |_| bad("body_cut", "The request body ended before its end.");
            return Poll::Ready(read.transpose().map_err(cut));
        }
        looks += 1;
        if looks == 1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let until = *until.get_or_insert_with(|| Instant::now() + idle);
        alarm.poll_until(cx, until).map(|()| Err(slow()))
    })
    .await
}

pub(super) fn too_large() -> Fault {
    Fault::new(Kind::TooLarge)
        .reason("body_too_large")
        .message("The request body is too large.")
}

pub(super) fn slow() -> Fault {
    bad("slow_body", "The request body came too slowly.").status(408)
}

pub(super) fn bad(reason: &'static str, sentence: &'static str) -> Fault {
    Fault::new(Kind::BadRequest)
        .reason(reason)
        .message(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of hosts over HTTP/1.1 is held by stories; no client library would send these.
    #[test]
    fn one_sound_host_over_http2_too() {
        for (uri, told, sound) in [
            ("http://a:80/", None, true),
            ("http://a:80/", Some("a:80"), true),
            ("http://a:80/", Some("b"), false),
            ("/", Some("[::1]:80"), true),
            ("/", Some("a b"), false),
            ("/", None, false),
            ("http://a:b/", None, false),
            ("http://u:p@a/", None, false),
            ("http://u@a:80/", None, false),
        ] {
            let mut asked = http::Request::builder().version(Version::HTTP_2);
            if let Some(told) = told {
                asked = asked.header(HOST, told);
            }
            let Ok(asked) = asked.uri(uri).body(()) else {
                assert!(!sound, "{uri}");
                continue;
            };
            let head: Head = asked.into_parts().0.into();
            assert_eq!(host(&head).is_ok(), sound, "{uri} {told:?}");
        }
    }
}
