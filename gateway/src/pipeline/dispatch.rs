//! To the upstream: the opening record, then one cleared target after another until a reply has begun well.
//!
//! Accepts nothing but `Cleared`. A target whose vendor allows us no more is passed by, or waited for where there is no
//! other (`admission`). Sends nothing before the journal's opening record is written (and synced, if the config
//! asks: the request takes it along and connects meanwhile). Success is judged by the
//! vendor, not by status: an error hidden in a 200, or sent as the first event, still fails over, because nothing has
//! gone down yet. A refusal of ours never sets off the next attempt.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::frames::Frames;
use adapters::vendor::{self, Framing, Vendor};
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use wire::fault::Retry;
use wire::json::{self, Value};
use wire::{Edits, Fault, Kind, Rope};

use super::admission::{self, Full};
use super::clocks::Clocks;
use super::governing::{Governing, label};
use super::media;
use super::prepare::{Prepared, note_dropped, prepare, request};
use super::reading::{self, Decoding, Gear, Head, Reading};
use super::route::Routed;
use super::settle::Exchange;
use super::work;
use crate::config::snapshot::Target;
use crate::upstream::client::{self, Reply};
use crate::upstream::token::{self, Fetched};

/// Bytes of an error body that are looked at. Vendors' errors are short; pages of proxies are not of interest.
pub(super) const ERROR_BODY_BYTES: usize = 64 << 10;
/// Bytes of a stream held back until its first good event.
const BEGIN_BYTES: usize = 256 << 10;
/// Bounds of a whole reply's JSON: its length is bounded already.
pub(super) const REPLY_LIMITS: json::Limits = json::Limits {
    depth: 256,
    tokens: usize::MAX,
    members: u32::MAX,
    elements: u32::MAX,
    number: 64,
};
/// Longest pause before the same target is tried once more.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A reply that has begun well.
pub(super) enum Sent {
    /// All of it, in the client's dialect.
    Whole { body: Rope, streamed: bool },
    /// Its beginning, in the client's dialect, and the rest on the wire.
    Streaming {
        begun: Rope,
        reading: Box<Reading>,
        upstream: client::Body,
        clocks: Clocks,
    },
    /// A reply of another kind than JSON, whole.
    Text { body: Rope, kind: &'static str },
    /// Bytes that nobody reads: the first of them, and the rest on the wire.
    Through {
        begun: Bytes,
        kind: HeaderValue,
        upstream: client::Body,
        clocks: Clocks,
    },
}

pub(super) async fn dispatch(exchange: &mut Exchange, routed: Routed) -> Result<Sent, Fault> {
    let most = exchange.snapshot.retries as usize + 1;
    let mut last = Fault::from(Kind::NoClearedProvider);
    let mut told = false;
    let mut full = Vec::new();
    for at in 0..routed.cleared.len() {
        if exchange.attempts() >= most {
            break;
        }
        match step(exchange, &routed, at, most).await {
            Ok(sent) => return Ok(sent),
            Err(Missed::Final(fault)) => return Err(fault),
            Err(Missed::Unsuited(fault)) if !told => last = fault,
            Err(Missed::Unsuited(_)) => {}
            Err(Missed::Failed(fault)) => (last, told) = (fault, true),
            Err(Missed::Full(of)) => {
                told = true;
                full.push(of);
            }
        }
    }
    while !full.is_empty() && exchange.attempts() < most {
        // Boxed, as all that is rare.
        let at = Box::pin(admission::wait(exchange, &routed, &mut full)).await?;
        match Box::pin(step(exchange, &routed, at, most)).await {
            Ok(sent) => return Ok(sent),
            Err(Missed::Final(fault)) => return Err(fault),
            Err(Missed::Unsuited(fault) | Missed::Failed(fault)) => last = fault,
            Err(Missed::Full(of)) => full.push(of),
        }
    }
    Err(full.pop().map_or(last, Full::into_fault))
}

/// Why a target did not answer.
enum Missed {
    /// No other will either.
    Final(Fault),
    /// It cannot be told this request.
    Unsuited(Fault),
    /// It failed.
    Failed(Fault),
    /// Its vendor allows us no more for now.
    Full(Full),
}

/// One target, from its body to a reply that has begun well.
async fn step(
    exchange: &mut Exchange,
    routed: &Routed,
    at: usize,
    most: usize,
) -> Result<Sent, Missed> {
    let Some(cleared) = routed.cleared.get(at) else {
        return Err(Missed::Final(Kind::Bug.into()));
    };
    // A request that this target cannot be told may suit another; if none, it is refused before anything is opened.
    let mut prepared = prepare(exchange, routed, cleared).map_err(Missed::Unsuited)?;
    let governing = Governing::of(exchange, routed, cleared);
    if governing.drops_logprobs(routed) {
        prepared.also_dropped("logprobs");
    }
    let here = (at, cleared.target().target());
    // One that waited for its turn has its pass.
    if exchange.pass.is_none() {
        let entered = admission::enter(exchange, routed, here).await;
        entered.map_err(Missed::Full)?;
    }
    if !exchange.is_open() {
        exchange.unrevoked().map_err(Missed::Final)?;
        exchange
            .open(cleared, routed.cleared.len())
            .map_err(Missed::Final)?;
        exchange.passed();
    }
    let sent = target(exchange, routed, at, (&prepared, &governing), most).await;
    // A reply that came whole goes down at once: later nobody asks.
    match sent.and_then(|sent| exchange.unrevoked().map(|()| sent)) {
        Ok(sent) => {
            note_dropped(exchange, &prepared);
            if prepared.work.is_none() {
                label(exchange);
            }
            exchange.verdict = Some(cleared.verdict());
            Ok(sent)
        }
        Err(fault) => {
            admission::leave(exchange);
            Err(match admission::throttled(exchange, here, fault) {
                Ok(full) => Missed::Full(full),
                Err(fault) if fault.retry_advice() == Retry::No => Missed::Final(fault),
                Err(fault) => Missed::Failed(fault),
            })
        }
    }
}

/// Tries one target; once more if its fault says that this helps.
async fn target(
    exchange: &mut Exchange,
    routed: &Routed,
    at: usize,
    (prepared, governing): (&Prepared, &Governing),
    most: usize,
) -> Result<Sent, Fault> {
    let Some(cleared) = routed.cleared.get(at) else {
        return Err(Kind::Bug.into());
    };
    let room = cleared.target().target().room.as_ref();
    let mut rejected = None;
    let mut again = false;
    loop {
        exchange.unrevoked()?;
        exchange.tries(cleared.target());
        let mut used = None;
        let fault = match attempt(
            exchange,
            routed,
            cleared.target().target(),
            (prepared, governing),
            rejected.as_ref(),
            &mut used,
        )
        .await
        {
            Ok(sent) => return Ok(sent),
            Err(fault) => fault,
        };
        exchange.failed(&fault);
        if routed.form.as_ref().is_some_and(|form| form.is_spent()) {
            // What went up of a file is nowhere any more.
            return Err(fault.retry(Retry::No));
        }
        if again || exchange.attempts() >= most {
            return Err(final_here(fault));
        }
        match fault.retry_advice() {
            Retry::FreshCredential if used.is_some() => rejected = used,
            // The vendor's tokens are signed anew for each attempt, unless there are none.
            Retry::FreshCredential if renews(cleared.target().target()) => {}
            // Where requests wait in line, this one does so too.
            Retry::SameTarget(_) if fault.kind() == Kind::Throttled && room.is_some() => {
                return Err(final_here(fault));
            }
            Retry::SameTarget(pause) if pause <= PAUSE_MAX => tokio::time::sleep(pause).await,
            _ => return Err(final_here(fault)),
        }
        again = true;
        if room.is_some() {
            admission::leave(exchange);
            let here = (at, cleared.target().target());
            if admission::enter(exchange, routed, here).await.is_err() {
                return Err(final_here(fault));
            }
        }
    }
}

/// Whether a target's credential is proven anew when it is asked again.
fn renews(target: &Target) -> bool {
    let vendor = target.vendor();
    vendor.is_ok_and(|vendor| vendor.renews(&target.provider.credential()))
}

/// What helps no more at this target may help at the next.
fn final_here(fault: Fault) -> Fault {
    match fault.retry_advice() {
        Retry::No | Retry::NextTarget => fault,
        Retry::SameTarget(_) | Retry::FreshCredential => fault.retry(Retry::NextTarget),
    }
}

/// One request to one target, up to the commit point.
async fn attempt(
    exchange: &mut Exchange,
    routed: &Routed,
    target: &Target,
    (prepared, governing): (&Prepared, &Governing),
    rejected: Option<&Arc<Fetched>>,
    used: &mut Option<Arc<Fetched>>,
) -> Result<Sent, Fault> {
    let clocks = Clocks::start(exchange.started, &routed.model.clocks, exchange.alarm());
    let vendor = target.vendor()?;
    let token = fresh(exchange, routed, (target, vendor), &clocks, rejected).await?;
    used.clone_from(&token);
    exchange.unrevoked()?;
    let token = token.as_ref().map(|token| token.value.as_str());
    if let Some(doing) = prepared.work.as_deref() {
        let doing = (prepared, doing);
        return Box::pin(work::attempt(
            exchange, routed, target, doing, token, &clocks,
        ))
        .await;
    }
    let request = request(exchange, routed, target, (prepared, &prepared.body), token)?;
    let bounds = exchange.snapshot.bounds(&routed.model.clocks);
    let client = Arc::clone(&exchange.worker.client);
    let endpoint = &target.provider.endpoint;
    let reply = match routed.form.as_deref() {
        // Boxed, as all that is rare.
        None if vendor.info().websocket => {
            let opened = Box::pin(client.open(endpoint, &bounds, &request));
            clocks.first(opened).await??
        }
        None => {
            clocks
                .first(client.send(endpoint, &bounds, &request))
                .await??
        }
        Some(form) => {
            let sent = media::send(exchange, form, &client, endpoint, (&bounds, &request));
            clocks.first(Box::pin(sent)).await??
        }
    };
    exchange.meter.first_byte = Some(Instant::now());
    heard(
        exchange,
        routed,
        (prepared, governing),
        vendor,
        (reply, clocks),
    )
    .await
}

/// A token for the vendor, if it wants one.
async fn fresh(
    exchange: &Exchange,
    routed: &Routed,
    (target, vendor): (&Target, &'static dyn Vendor),
    clocks: &Clocks,
    rejected: Option<&Arc<Fetched>>,
) -> Result<Option<Arc<Fetched>>, Fault> {
    let wants = vendor.wants_token(&target.provider.credential());
    let Some(flow) = vendor.token_flow().filter(|_| wants) else {
        return Ok(None);
    };
    // Boxed, as all that is rare: every request would carry room for it.
    let token = Box::pin(token(exchange, routed, target, flow, rejected));
    clocks.first(token).await?.map(Some)
}

/// What a reply's head says that it is, up to the commit point.
async fn heard(
    exchange: &mut Exchange,
    routed: &Routed,
    (prepared, governing): (&Prepared, &Governing),
    vendor: &'static dyn Vendor,
    (reply, clocks): (Reply, Clocks),
) -> Result<Sent, Fault> {
    let Reply { head, body } = reply;
    let head = Head {
        status: head.status,
        headers: head.headers,
        now_ms: exchange.now_ms,
    };
    let framing = vendor.framing(&head.view());
    let good = (200..300).contains(&head.status);
    if good && framing.is_stream() {
        let frames = framing.frames();
        if routed.facts.stream {
            let reading = reading(exchange, prepared, governing, vendor, &head);
            let reading = Box::new(reading.framed(frames));
            return begin(exchange, reading, body, clocks).await;
        }
        return Box::pin(gather(
            exchange,
            (prepared, governing),
            (vendor, frames),
            body,
            clocks,
        ))
        .await;
    }
    let asks = routed.asked.endpoint.asks;
    if good && framing == Framing::Other && asks.is_media() {
        let reply = (&head, body, clocks);
        return Box::pin(media::other(exchange, asks, governing, reply)).await;
    }
    let most = if good {
        exchange.limits().upstream_body_bytes.bytes()
    } else {
        ERROR_BODY_BYTES
    };
    let bytes = collect(body, &clocks, most, good).await?;
    whole(
        exchange,
        routed,
        (prepared, governing),
        vendor,
        &head,
        bytes,
    )
}

async fn token(
    exchange: &Exchange,
    routed: &Routed,
    target: &Target,
    flow: &'static dyn vendor::TokenFlow,
    rejected: Option<&Arc<Fetched>>,
) -> Result<Arc<Fetched>, Fault> {
    let provider = &target.provider;
    let cell = exchange.worker.shared.tokens.of(&provider.token_key);
    let bounds = exchange.snapshot.bounds(&routed.model.clocks);
    let client = Arc::clone(&exchange.worker.client);
    let now_ms = exchange.now_ms;
    cell.get(rejected, || async move {
        let request = token::request(flow, &provider.credential());
        let endpoint = &provider.token_endpoint;
        let reply = client.send(endpoint, &bounds, &request).await?;
        let clocks = Clocks::start(Instant::now(), &routed.model.clocks, Arc::default());
        let body = collect(reply.body, &clocks, ERROR_BODY_BYTES, true).await?;
        let tape = json::scan(&body, &json::Limits::default()).ok();
        let root = tape.as_ref().and_then(|tape| Value::root(tape, &body));
        let token = flow.read(
            &vendor::Head {
                status: reply.head.status,
                headers: &reply.head.headers,
                now_ms,
            },
            root,
        )?;
        Ok(Fetched::new(token.value, token.lifetime))
    })
    .await
}

fn reading(
    exchange: &Exchange,
    prepared: &Prepared,
    governing: &Governing,
    vendor: &'static dyn Vendor,
    head: &Head,
) -> Reading {
    let gear = if prepared.translates {
        Gear::translate(
            prepared.spoken.decoder(),
            exchange.dialect.encoder(reply_head(exchange, prepared)),
            governing.governor(),
        )
    } else if prepared.hide_usage || governing.is_needed() {
        Gear::govern(prepared.hide_usage, governing.governor())
    } else {
        Gear::Observe
    };
    let limits = sse_limits(exchange);
    Reading::new(
        exchange.dialect,
        prepared.spoken,
        vendor,
        head,
        gear,
        limits,
    )
}

pub(super) fn sse_limits(exchange: &Exchange) -> wire::sse::Limits {
    let limits = exchange.limits();
    wire::sse::Limits {
        line_bytes: limits.upstream_line_bytes.bytes(),
        event_bytes: limits.upstream_event_bytes.bytes(),
    }
}

pub(super) fn reply_head(exchange: &Exchange, prepared: &Prepared) -> adapters::dialect::ReplyHead {
    adapters::dialect::ReplyHead {
        request_id: exchange.id.as_str().to_owned(),
        model: exchange.asked.clone(),
        created: exchange.now_ms / 1000,
        usage_asked: exchange.usage_asked,
        echo: prepared.echo.clone(),
        shape: exchange.shape,
        thoughts: exchange.thoughts,
    }
}

/// Reads a stream up to its first good event: the commit point.
async fn begin(
    exchange: &mut Exchange,
    mut reading: Box<Reading>,
    mut upstream: client::Body,
    mut clocks: Clocks,
) -> Result<Sent, Fault> {
    let mut begun = Rope::new();
    while !reading.has_begun() && begun.len() < BEGIN_BYTES {
        match clocks.read(&mut upstream, reading.has_content()).await? {
            Some(data) => {
                let read = reading.read(&data, &mut exchange.meter, &mut begun);
                read.inspect_err(|_| reading.tell(&mut exchange.tally))?;
            }
            None => {
                let ended = reading.end(&mut exchange.meter, &mut begun);
                ended.inspect_err(|_| reading.tell(&mut exchange.tally))?;
                break;
            }
        }
    }
    if reading.has_content() {
        clocks.content(Instant::now());
    }
    Ok(Sent::Streaming {
        begun,
        reading,
        upstream,
        clocks,
    })
}

/// A stream came where a whole reply was asked for: some models do nothing else.
async fn gather(
    exchange: &mut Exchange,
    (prepared, governing): (&Prepared, &Governing),
    (vendor, frames): (&'static dyn Vendor, Option<Box<dyn Frames>>),
    mut upstream: client::Body,
    mut clocks: Clocks,
) -> Result<Sent, Fault> {
    let mut all = Vec::new();
    let limits = sse_limits(exchange);
    let decoder = Decoding::new(prepared.spoken.decoder(), vendor, limits);
    let mut decoder = decoder.framed(frames);
    let mut seen = 0u64;
    // A ping or a comment is no content.
    let mut content = false;
    while !decoder.is_over()
        && let Some(data) = clocks.read(&mut upstream, content).await?
    {
        let before = exchange.meter.content_events;
        seen += data.len() as u64;
        if seen > exchange.limits().upstream_body_bytes.0 {
            return Err(Fault::new(Kind::Malformed).reason("reply_too_large"));
        }
        decoder.read(&data, &mut exchange.meter, &mut all)?;
        content = exchange.meter.content_events > before;
    }
    decoder.end(&mut exchange.meter, &mut all)?;
    let all = governing.events(exchange, all)?;
    let head = reply_head(exchange, prepared);
    let body = exchange.dialect.encoder(head).whole(&all);
    Ok(Sent::Whole {
        body,
        streamed: false,
    })
}

pub(super) async fn collect(
    mut body: client::Body,
    clocks: &Clocks,
    most: usize,
    strict: bool,
) -> Result<Bytes, Fault> {
    let mut clocks = clocks.clone();
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(data) = match clocks.read(&mut body, false).await {
        Ok(data) => data,
        // The status already says that it failed.
        Err(_) if !strict => None,
        Err(fault) => return Err(fault),
    } {
        if first.len().max(joined.len()) + data.len() > most {
            if strict {
                return Err(Fault::new(Kind::Malformed).reason("reply_too_large"));
            }
            break;
        }
        if first.is_empty() {
            first = data;
            continue;
        }
        if joined.is_empty() {
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&data);
    }
    Ok(if joined.is_empty() {
        first
    } else {
        joined.freeze()
    })
}

/// Judges a reply that came in one piece, and turns it into the client's dialect.
fn whole(
    exchange: &mut Exchange,
    routed: &Routed,
    (prepared, governing): (&Prepared, &Governing),
    vendor: &'static dyn Vendor,
    head: &Head,
    bytes: Bytes,
) -> Result<Sent, Fault> {
    // Some vendors keep a slow reply alive with blank lines before it.
    let blank = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    let bytes = bytes.slice(blank..);
    let tape = json::scan(&bytes, &REPLY_LIMITS).ok();
    let root = tape.as_ref().and_then(|tape| Value::root(tape, &bytes));
    if let Some(fault) = vendor.fault(&head.view(), root) {
        return Err(fault);
    }
    let (Some(root), Some(tape)) = (root, &tape) else {
        return Err(Fault::new(Kind::Malformed).reason("invalid_response"));
    };
    let now = Instant::now();
    if !prepared.translates && !routed.facts.stream {
        let facts = prepared.spoken.read_reply(root);
        exchange.meter.usage = facts.usage;
        exchange.meter.finish = facts.finish;
        exchange.meter.images = facts.images;
        exchange.meter.audio_ms = facts.audio_ms;
        exchange.meter.first_content = Some(now);
        let mut edits = Edits::new();
        for (span, finish) in facts.odd_finishes {
            // Different members of different choices: their spans do not overlap.
            let _ = edits.replace(span, format!("\"{}\"", finish.as_str()));
        }
        return Ok(Sent::Whole {
            body: governing.whole(exchange, &bytes, tape, edits)?,
            streamed: false,
        });
    }
    let mut events = Vec::new();
    prepared.spoken.decoder().whole(&bytes, root, &mut events)?;
    reading::note(&events, &mut exchange.meter, vendor, &head.view())?;
    exchange.meter.first_content = Some(now);
    let events = governing.events(exchange, events)?;
    let mut encoder = exchange.dialect.encoder(reply_head(exchange, prepared));
    if !routed.facts.stream {
        return Ok(Sent::Whole {
            body: encoder.whole(&events),
            streamed: false,
        });
    }
    // A whole reply where a stream was asked for: the client still gets its stream.
    let mut body = Rope::new();
    encoder.events(&events, &mut body)?;
    encoder.end(&mut body);
    Ok(Sent::Whole {
        body,
        streamed: true,
    })
}
