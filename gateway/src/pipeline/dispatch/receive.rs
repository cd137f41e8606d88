//! What a target replies, up to the commit point: judged, read and turned into the client's dialect.
//!
//! Success is judged by the vendor, not by status: an error hidden in a 200, or sent as the first event, still fails over,
//! because nothing has gone down yet. Invariant: no more of a reply is in memory than its limit allows.

use std::time::Instant;

use adapters::frames::Frames;
use adapters::vendor::{Framing, Vendor};
use bytes::{Bytes, BytesMut};
use wire::facts::{Finish, ReplyFacts};
use wire::json::{self, Value};
use wire::{Edits, Fault, Kind, Rope};

use super::{ERROR_BODY_BYTES, REPLY_LIMITS, Rest, Sent};
use crate::pipeline::clocks::Clocks;
use crate::pipeline::governing::Governing;
use crate::pipeline::media;
use crate::pipeline::prepare::Prepared;
use crate::pipeline::reading::{self, Decoding, Gear, Head, Reading, blanked};
use crate::pipeline::route::Routed;
use crate::pipeline::settle::Exchange;
use crate::upstream::client::{self, Reply};

/// Bytes of a stream held back until its first good event.
const BEGIN_BYTES: usize = 256 << 10;
/// What a reply's head says that it is, up to the commit point.
pub(super) async fn heard(
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
        return Box::pin(media::other(exchange, routed, governing, reply)).await;
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
    } else {
        match governing.governor() {
            Some(governor) => Gear::govern(prepared.hide_usage, governor),
            None => Gear::observe(prepared.hide_usage),
        }
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

pub(in crate::pipeline) fn sse_limits(exchange: &Exchange) -> wire::sse::Limits {
    let limits = exchange.limits();
    wire::sse::Limits {
        line_bytes: limits.upstream_line_bytes.bytes(),
        event_bytes: limits.upstream_event_bytes.bytes(),
    }
}

pub(in crate::pipeline) fn reply_head(
    exchange: &Exchange,
    prepared: &Prepared,
) -> adapters::dialect::ReplyHead {
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
        rest: Box::new(Rest { upstream, clocks }),
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

pub(in crate::pipeline) async fn collect(
    mut body: client::Body,
    clocks: &Clocks,
    most: usize,
    strict: bool,
) -> Result<Bytes, Fault> {
    let mut clocks = clocks.clone();
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while !body.is_complete()
        && let Some(data) = match clocks.read(&mut body, false).await {
            Ok(data) => data,
            // The status already says that it failed.
            Err(_) if !strict => None,
            Err(fault) => return Err(fault),
        }
    {
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
    if !prepared.translates && !routed.facts.stream {
        if !exchange.dialect.is_reply(routed.asked.endpoint.asks, root) {
            return Err(Fault::new(Kind::Malformed).reason("invalid_response"));
        }
        let facts = prepared.spoken.read_reply(root);
        if !facts.withheld.is_empty() {
            let bytes = blanked(&bytes, &facts.withheld);
            let governed = (prepared, governing);
            return whole(exchange, routed, governed, vendor, head, bytes);
        }
        return own(exchange, governing, facts, (&bytes, tape));
    }
    let mut events = Vec::new();
    prepared.spoken.decoder().whole(&bytes, root, &mut events)?;
    reading::note(&events, &mut exchange.meter, vendor, &head.view())?;
    exchange.meter.first_content = Some(Instant::now());
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

/// A reply of the client's own dialect, which goes down as it came but for what may not.
fn own(
    exchange: &mut Exchange,
    governing: &Governing,
    facts: ReplyFacts,
    (bytes, tape): (&Bytes, &json::Tape),
) -> Result<Sent, Fault> {
    exchange.meter.usage = facts.usage;
    if facts.finish == Some(Finish::Failed) {
        return Err(Fault::new(Kind::UpstreamError).reason("finish_failed"));
    }
    exchange.meter.finish = facts.finish;
    exchange.meter.images = facts.images;
    exchange.meter.audio_ms = facts.audio_ms;
    exchange.meter.first_content = Some(Instant::now());
    let mut edits = Edits::new();
    for (span, finish) in facts.odd_finishes {
        // Different members of different choices: their spans do not overlap.
        let _ = edits.replace(span, format!("\"{}\"", finish.as_str()));
    }
    Ok(Sent::Whole {
        body: governing.whole(exchange, bytes, tape, edits)?,
        streamed: false,
    })
}
