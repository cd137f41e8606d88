//! What is sent to one target: the body in its dialect, path, headers, signature.
//!
//! Made anew for each target, because model, dialect and form differ. Sends nothing.

use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use adapters::vendor::{Call, Parts, Vendor};
use adapters::{Asked, Asks, ClientDialect, Dialect, DialectId, Lossy, Quirks};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method};
use policies::law::Cleared;
use wire::fault::Retry;
use wire::{Fault, Headers, Kind, Rope, canon};

use super::inspect;
use super::route::{Candidate, Routed};
use super::settle::Exchange;
use super::work::{self, Doing};
use crate::config::snapshot::Target;
use crate::upstream::request::{Head, Request};

/// What is sent to one target: made anew for each, because model, dialect and form differ.
pub(super) struct Prepared {
    pub(super) body: Rope,
    pub(super) spoken: &'static dyn Dialect,
    pub(super) hide_usage: bool,
    dropped: adapters::dialect::Dropped,
    pub(super) translates: bool,
    multimodal: bool,
    /// A stream is asked for: by the client, or since the model does nothing else.
    stream: bool,
    /// What a translated reply repeats of the client's own request.
    pub(super) echo: Bytes,
    /// It is no chat.
    pub(super) work: Option<Box<Doing>>,
}

impl Prepared {
    /// What is no chat.
    pub(super) fn work(
        body: Rope,
        spoken: &'static dyn Dialect,
        dropped: adapters::dialect::Dropped,
        doing: Doing,
    ) -> Self {
        Self {
            body,
            spoken,
            hide_usage: false,
            dropped,
            translates: true,
            multimodal: false,
            stream: false,
            echo: Bytes::new(),
            work: Some(Box::new(doing)),
        }
    }

    /// A field that the reply will lack.
    pub(super) fn also_dropped(&mut self, name: &'static str) {
        if !self.dropped.contains(&name) {
            self.dropped.push(name);
        }
    }
}

pub(super) fn prepare(
    exchange: &Exchange,
    routed: &Routed,
    cleared: &Cleared<Candidate>,
) -> Result<Prepared, Fault> {
    if routed.asked.endpoint.asks.is_work() {
        return work::prepare(exchange, routed, cleared);
    }
    let target = cleared.target().target();
    let vendor = target.vendor()?;
    let client = exchange.dialect;
    let asks = routed.asked.endpoint.asks;
    let Some((spoken, quirks)) = speaks(vendor, &target.model, (client, asks))? else {
        return work::prepare(exchange, routed, cleared);
    };
    if asks == Asks::Count && !counts(vendor, client) {
        return Err(Fault::new(Kind::BadRequest).retry(Retry::NextTarget));
    }
    let lossy = routed.model.lossy;
    // A redacted body is read anew: its edits and a target's own never meet.
    let redacted = match cleared.redacted() {
        Some(body) => Some((body, inspect::read(exchange, &routed.asked, body)?)),
        None => None,
    };
    let (body, facts) = match &redacted {
        Some((body, facts)) => (*body, facts),
        None => (&routed.body, &routed.facts),
    };
    // A dialect writes no time.
    let proof = (None, exchange.now_ms);
    let stream = facts.stream || quirks.streams_only;
    let shape = (stream, false);
    let call = call(exchange, routed, shape, (target, spoken.id()), proof);
    // What repeats itself is cut to what is new, judged, and written whole again. So is what the client asks in a way that the
    // model does not know: not in parts, not for a stream, with functions where it knows tools, with a system.
    let anew = facts.shape.cumulative
        || stream != facts.stream
        || (quirks.in_parts && !facts.shape.parts)
        || (quirks.functions_are_tools && facts.shape.functions)
        || quirks.system_in_user;
    if spoken.id() == client.id() && !anew {
        let forward = client.forward(body, facts, &call, quirks, lossy)?;
        let (hide_usage, dropped) = (forward.hide_usage, forward.dropped);
        let mut body = forward.edits.apply(body).settle();
        if let Some(form) = &routed.form {
            body = form.body(&body.into_bytes())?;
        }
        return Ok(Prepared {
            body,
            spoken,
            hide_usage,
            dropped,
            translates: false,
            stream,
            echo: Bytes::new(),
            multimodal: facts.shape.parts,
            work: None,
        });
    }
    let mut request = client.decode_request(body, facts)?;
    request.stream = stream;
    let mut prepared = translated(request, (spoken, quirks), call, lossy)?;
    prepared.echo = client.echo(&routed.body, &routed.facts);
    Ok(prepared)
}

/// The dialect that a target is spoken to in, the client's own if it may be; `None`: it takes work of a form of its own.
fn speaks(
    vendor: &'static dyn Vendor,
    model: &str,
    (client, asks): (&'static dyn ClientDialect, Asks),
) -> Result<Option<(&'static dyn Dialect, &'static Quirks)>, Fault> {
    if asks.is_media() {
        // Whatever the vendor speaks in chat.
        let operation = vendor.operation(asks, model);
        let operation = operation.ok_or_else(|| work::lacks(asks))?;
        let spoken: &'static dyn Dialect = client;
        let as_clients_write = operation.form.is_none();
        return Ok(as_clients_write.then_some((spoken, operation.quirks)));
    }
    let own = |spoken: &&&dyn Dialect| spoken.id() == client.id();
    let spoken = vendor.speaks().iter().find(own);
    let spoken = spoken.or_else(|| vendor.speaks().first());
    Ok(Some((*spoken.ok_or(Kind::Bug)?, vendor.quirks(model))))
}

/// A request in another dialect than the client's, or written whole anew in its own.
fn translated(
    mut request: canon::Request,
    (spoken, quirks): (&'static dyn Dialect, &Quirks),
    call: Call<'_>,
    lossy: Lossy,
) -> Result<Prepared, Fault> {
    // Ours to say, not the client's: the vendor's bounds hold for it, and are no loss.
    let cap = call.cap.and_then(|tokens| quirks.cap(tokens));
    let cap = cap.map(|(_, tokens)| tokens);
    let asked = &mut request.settings.max_tokens;
    *asked = asked.or(cap);
    let multimodal = request.multimodal();
    let call = Call {
        multimodal,
        cap,
        ..call
    };
    let mut encoded = spoken.encode_request(&request, &call, quirks, lossy)?;
    adapters::dialect::lose(&request.lost, lossy, &mut encoded.dropped)?;
    Ok(Prepared {
        body: encoded.body.settle(),
        spoken,
        hide_usage: false,
        dropped: encoded.dropped,
        translates: true,
        multimodal,
        stream: request.stream,
        echo: Bytes::new(),
        work: None,
    })
}

/// Whether a vendor counts tokens for clients of a dialect.
pub(super) fn counts(vendor: &dyn Vendor, client: &dyn ClientDialect) -> bool {
    vendor.counts()
        && vendor
            .speaks()
            .iter()
            .any(|spoken| spoken.id() == client.id())
}

/// Milliseconds since then.
fn waited(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
}

fn call<'a>(
    exchange: &'a Exchange,
    routed: &Routed,
    (stream, multimodal): (bool, bool),
    (target, dialect): (&'a Target, DialectId),
    (token, now_ms): (Option<&'a str>, i64),
) -> Call<'a> {
    Call {
        model: &target.model,
        stream,
        dialect,
        asks: routed.asked.endpoint.asks,
        multimodal,
        request_id: exchange.id.as_str(),
        now_ms,
        token,
        cap: exchange.reach.cap.map(NonZeroU64::get),
        host: &target.provider.host,
        base_path: &target.provider.base_path,
    }
}

pub(super) fn request(
    exchange: &Exchange,
    routed: &Routed,
    target: &Target,
    (prepared, body): (&Prepared, &Rope),
    token: Option<&str>,
) -> Result<Request, Fault> {
    let body = target.vendor()?.body(&target.provider.credential(), body);
    let make = || head(exchange, routed, target, (prepared, &body), token);
    let head = match kept(routed, target, prepared) {
        Some(kept) => match kept.get() {
            Some(head) => Arc::clone(head),
            None => {
                let head = make()?;
                Arc::clone(kept.get_or_init(|| head))
            }
        },
        None => make()?,
    };
    Ok(Request {
        head,
        body,
        after: exchange.opened(),
        alone: exchange.is_alone(),
    })
}

/// Where the target keeps the head of all requests like this one, if it is the same for them.
fn kept<'a>(
    routed: &Routed,
    target: &'a Target,
    prepared: &Prepared,
) -> Option<&'a OnceLock<Arc<Head>>> {
    let vendor = target.vendor().ok()?;
    let carries = !prepared.translates && !routed.asked.carried.is_empty();
    let is_plain = routed.asked.endpoint.asks == Asks::Reply
        && prepared.work.is_none()
        && routed.form.is_none()
        && !prepared.multimodal
        && !carries;
    if !is_plain || !vendor.is_constant(&target.provider.credential()) {
        return None;
    }
    let spoken = prepared.spoken.id();
    let mut kept = vendor.speaks().iter().zip(&target.heads);
    let (_, [whole, stream]) = kept.find(|(dialect, _)| dialect.id() == spoken)?;
    Some(if prepared.stream { stream } else { whole })
}

/// Path, query and headers.
fn head(
    exchange: &Exchange,
    routed: &Routed,
    target: &Target,
    (prepared, body): (&Prepared, &Rope),
    token: Option<&str>,
) -> Result<Arc<Head>, Fault> {
    let provider = &target.provider;
    let vendor = target.vendor()?;
    let mut parts = Parts::default();
    // Signatures hold it, and a request may have waited since it came.
    let now_ms = exchange.now_ms.saturating_add(waited(exchange.started));
    let call = call(
        exchange,
        routed,
        (prepared.stream, prepared.multimodal),
        (target, prepared.spoken.id()),
        (token, now_ms),
    );
    vendor.prepare(&call, &provider.credential(), &mut parts)?;
    let mut path_and_query = parts.path_behind(&provider.base_path);
    let mut headers = parts.headers;
    if !prepared.translates {
        carry(&routed.asked, &mut headers);
    }
    if let Some(form) = &routed.form {
        let kind = HeaderValue::try_from(form.kind()).map_err(|_| Kind::Bug)?;
        headers.insert(CONTENT_TYPE, kind);
    }
    let websocket = vendor.info().websocket && prepared.work.is_none();
    if !websocket {
        let accept = if routed.asked.endpoint.asks.is_media() {
            "*/*"
        } else if prepared.stream {
            "text/event-stream"
        } else {
            "application/json"
        };
        let json = HeaderValue::from_static("application/json");
        headers.usual(CONTENT_TYPE, json);
        headers.usual(ACCEPT, HeaderValue::from_static(accept));
    }
    headers.usual(USER_AGENT, HeaderValue::from_static(AGENT));
    // An operator's header replaces ours of the same name.
    for (name, value) in &provider.headers {
        headers.insert(name.clone(), value.clone());
    }
    let signed = (path_and_query.as_str(), body);
    vendor.sign(&call, &provider.credential(), signed, &mut headers)?;
    if !parts.query.is_empty() {
        path_and_query.push('?');
        path_and_query.push_str(&parts.query);
    }
    let method = if websocket { Method::GET } else { Method::POST };
    Ok(Head::new(method, path_and_query, headers))
}

/// Headers of the client's that an upstream of its own dialect gets as they came, in place of the vendor's own.
fn carry(asked: &Asked, headers: &mut Headers) {
    for (name, _) in &asked.carried {
        headers.remove(name);
    }
    for (name, value) in &asked.carried {
        headers.append(name.clone(), value.clone());
    }
}

/// Who asks.
const AGENT: &str = concat!("yumen/", env!("CARGO_PKG_VERSION"));

const DROPPED: HeaderName = HeaderName::from_static("x-yumen-dropped");

pub(super) fn note_dropped(exchange: &mut Exchange, prepared: &Prepared) {
    if !prepared.dropped.is_empty()
        && let Ok(value) = HeaderValue::from_str(&prepared.dropped.join(","))
    {
        exchange.extra.push((DROPPED, value));
    }
}
