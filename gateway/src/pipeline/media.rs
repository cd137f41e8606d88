//! Images and sound: forms that go up while they come, and replies that are neither JSON nor a stream of events.
//!
//! Invariants: what is text is governed as text, whatever its form; of the bytes of a sound nothing is read; a form of
//! which bytes went up is not sent again.

use std::sync::Arc;

use adapters::Asks;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use wire::facts::{Nested, Said, Saying};
use wire::hold::Lane;
use wire::{Edits, Fault, Kind, Rope, json};

use super::arrive::too_large;
use super::clocks::Clocks;
use super::dispatch::{Rest, Sent, collect};
use super::form::Sending;
use super::governing::{Governing, govern_whole};
use super::reading::Head;
use super::route::Routed;
use super::settle::Exchange;
use crate::upstream::client::{Body, Bounds, Client, Endpoint, Reply, Upload as _};
use crate::upstream::request::Request;

/// The kind of a transcript that is no JSON, of whatever kind the vendor calls it.
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// Forms of a transcript that are text.
const TEXTS: [&str; 3] = ["text", "srt", "vtt"];

/// Sends a form. Of one that still comes, nothing can be sent a second time.
pub(super) async fn send(
    exchange: &Exchange,
    form: &Sending,
    client: &Arc<Client>,
    endpoint: &Arc<Endpoint>,
    (bounds, request): (&Bounds, &Request),
) -> Result<Reply, Fault> {
    if !form.streams() {
        return client.send(endpoint, bounds, request).await;
    }
    if endpoint.http2 {
        return whole_over_http2(exchange, form, client, endpoint, (bounds, request)).await;
    }
    let take = || form.take_rest();
    client.send_on(endpoint, bounds, request, take).await
}

/// Over HTTP/2 a form is sent whole, and may be no longer than a body that is held.
async fn whole_over_http2(
    exchange: &Exchange,
    form: &Sending,
    client: &Arc<Client>,
    endpoint: &Arc<Endpoint>,
    (bounds, request): (&Bounds, &Request),
) -> Result<Reply, Fault> {
    let mut rest = form.take_rest().ok_or(Kind::Bug)?;
    let mut body = request.body.clone();
    while let Some(data) = rest.next().await? {
        body.push(data);
        if body.len() > exchange.limits().body_bytes.bytes() {
            return Err(too_large());
        }
    }
    let request = Request {
        head: Arc::clone(&request.head),
        body,
        after: request.after.clone(),
        alone: request.alone,
    };
    client.send(endpoint, bounds, &request).await
}

/// A good reply that is neither JSON nor a stream of events.
pub(super) async fn other(
    exchange: &mut Exchange,
    routed: &Routed,
    governing: &Governing,
    (head, mut body, mut clocks): (&Head, Body, Clocks),
) -> Result<Sent, Fault> {
    let asks = routed.asked.endpoint.asks;
    let kind = head.headers.get(&CONTENT_TYPE).cloned();
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let says = |begin: &str| {
        let text = kind.as_bytes().get(..begin.len());
        text.is_some_and(|text| text.eq_ignore_ascii_case(begin.as_bytes()))
    };
    let sound = says("audio/") || says("application/octet-stream");
    if asks == Asks::Speak && sound {
        // Until its first byte is here another target may be asked.
        let begun = clocks.read(&mut body, false).await?;
        let begun = begun.ok_or_else(|| Fault::new(Kind::CutShort).reason("empty_reply"))?;
        let now = std::time::Instant::now();
        clocks.content(now);
        exchange.meter.first_content = Some(now);
        let upstream = body;
        return Ok(Sent::Through {
            begun,
            kind,
            rest: Box::new(Rest { upstream, clocks }),
        });
    }
    if !wants_text(routed) || !says("text/") || says("text/html") {
        return Err(Fault::new(Kind::Malformed).reason("invalid_response"));
    }
    let most = exchange.limits().upstream_body_bytes.bytes();
    let text = collect(body, &clocks, most, true).await?;
    exchange.meter.first_content = Some(std::time::Instant::now());
    Ok(Sent::Text {
        body: governed(exchange, governing, text)?,
        kind: PLAIN_TEXT,
    })
}

/// Whether a transcript was asked for that is no JSON: of any other reply nobody knows whose words it holds.
fn wants_text(routed: &Routed) -> bool {
    let root = json::Value::root(&routed.facts.tape, &routed.body);
    let format = root.and_then(|root| root.get("response_format"));
    let is_text = |format: json::Value<'_>| TEXTS.iter().any(|text| format.is_named(text));
    routed.asked.endpoint.asks.is_form() && format.is_some_and(is_text)
}

/// A text as a reply may say it. Governors read the insides of JSON strings: it becomes one, and comes back.
fn governed(exchange: &mut Exchange, governing: &Governing, text: Bytes) -> Result<Rope, Fault> {
    let Some(mut governor) = governing.governor() else {
        return Ok(text.into());
    };
    governor.lift_caps();
    let plain = std::str::from_utf8(&text);
    let plain = plain.map_err(|_| Fault::new(Kind::Malformed).reason("invalid_response"))?;
    let mut escaped = Vec::with_capacity(text.len() + text.len() / 8);
    json::escape(plain, &mut escaped);
    let escaped = Bytes::from(escaped);
    let mut saying = Saying::default();
    told(plain, &mut saying);
    let dialect = exchange.dialect;
    let result = govern_whole(&mut governor, dialect, &escaped, &saying, Edits::new());
    exchange.says(&governor.tally);
    let governed = result?.into_bytes();
    let governed = std::str::from_utf8(&governed).map_err(|_| Kind::Bug)?;
    Ok(json::unescape(governed).into_owned().into_bytes().into())
}

/// What stands between the two times of a cue.
const ARROW: &str = "-->";

/// The lines of a text, by where they stand in it when it is escaped: those that are said are one text, whatever times and
/// numbers of cues stand between them.
fn told(text: &str, saying: &mut Saying) {
    let cued = text.contains(ARROW);
    let mut at = 0;
    let mut push = |text: &str, said: bool| {
        let span = at..at + json::escaped_len(text);
        at = span.end;
        if !span.is_empty() {
            saying.said.push(Said {
                lane: Lane {
                    choice: 0,
                    part: 0,
                    field: u32::from(!said),
                },
                span,
                nested: Nested::No,
                whole: !said,
            });
        }
    };
    if !cued {
        return push(text, true);
    }
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let (words, end) = match line.strip_suffix("\r\n") {
            Some(words) => (words, "\r\n"),
            None => line
                .strip_suffix('\n')
                .map_or((line, ""), |words| (words, "\n")),
        };
        // The name of a cue stands above its times.
        let names = lines.peek().is_some_and(|next| next.contains(ARROW));
        if line.contains(ARROW) || names || words.is_empty() {
            push(line, false);
        } else {
            push(words, true);
            push(end.trim_end_matches('\n'), false);
            push(end.trim_start_matches('\r'), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_are_one_text() {
        let text = "1\r\n00:00 --> 00:01\r\nphone \\n 139 1234\r\n\r\n2\n00:01 --> 00:02\n5678\nso";
        let mut escaped = Vec::new();
        json::escape(text, &mut escaped);
        let escaped = String::from_utf8(escaped).unwrap();
        let mut saying = Saying::default();
        told(text, &mut saying);
        let of = |field| {
            let said = saying.said.iter().filter(|said| said.lane.field == field);
            let said = said.map(|said| json::unescape(&escaped[said.span.clone()]));
            said.collect::<String>()
        };
        assert_eq!(of(0), "phone \\n 139 1234\n5678\nso");
        assert_eq!(of(1), "1\r\n00:00 --> 00:01\r\n\r\r\n2\n00:01 --> 00:02\n");
        let mut plain = Saying::default();
        told("a\nb", &mut plain);
        assert_eq!((plain.said.len(), plain.said[0].span.clone()), (1, 0..4));
    }
}
