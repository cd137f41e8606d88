//! Gates: moderation services that judge what goes up, after the law and before the first upstream byte.
//!
//! A gate sees texts of the bodies that targets get, as far as the law shows them to it (`law::shown`), never the body as
//! it came. Asks all gates about all bodies at once, after the opening record, each within its own time and with a bounded
//! answer. Invariants: what a gate could not judge goes on only where the config says so; a refusal is final and names the
//! gate, never the data; nothing that a gate wrote reaches a client, a record or a label.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use adapters::Asked;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method};
use policies::rewrite::file_text;
use smallvec::SmallVec;
use wire::facts::{Form, Source};
use wire::json::{self, Value};
use wire::{Fault, Headers, Kind};

use super::inspect;
use super::route::Routed;
use super::settle::Exchange;
use crate::config::schema::{GateShape, OnError};
use crate::config::snapshot::Gate;
use crate::telemetry::policy::GateVerdict;
use crate::upstream::client::Bounds;
use crate::upstream::request::{Head, Request};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Words of the dialects that stand beside texts and say nothing.
const PLAIN_WORDS: [&[u8]; 12] = [
    b"text",
    b"image_url",
    b"input_audio",
    b"file",
    b"function",
    b"object",
    b"string",
    b"number",
    b"integer",
    b"boolean",
    b"array",
    b"auto",
];

/// What a gate said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Allow,
    Refuse,
    /// It did not answer, or not so that it can be understood; why.
    None(&'static str),
    /// It may not see what it would have to judge.
    Hidden,
}

/// Asks every gate. Returns if the request may go on.
pub(super) async fn ask(exchange: &mut Exchange, routed: &Routed) -> Result<(), Fault> {
    let Some(first) = routed.cleared.first() else {
        return Err(Kind::Bug.into());
    };
    // Gates are told of the request too: nothing leaves before its record.
    exchange.open(first, routed.cleared.len())?;
    exchange.recorded().await?;
    let snapshot = std::sync::Arc::clone(&exchange.snapshot);
    let mut read: SmallVec<[(Bytes, Texts); 1]> = SmallVec::new();
    let mut asking: Vec<(usize, Asking<'_>)> = Vec::new();
    for (at, (gate, shown)) in snapshot.gates.iter().zip(&routed.shown).enumerate() {
        if shown.hidden {
            answered(exchange, at, Answer::Hidden)?;
            continue;
        }
        for body in &shown.bodies {
            if !read.iter().any(|(known, _)| known == body) {
                read.push((body.clone(), Texts::of(exchange, &routed.asked, body)?));
            }
            let texts = read.iter().find(|(known, _)| known == body);
            if let Some((_, texts)) = texts.filter(|(_, texts)| !texts.list.is_empty()) {
                let request = request(exchange, gate, texts);
                asking.push((
                    at,
                    Box::pin(judged(exchange, gate, request, texts.list.len())),
                ));
            }
        }
    }
    while let Some((at, answer)) = next(&mut asking).await {
        answered(exchange, at, answer)?;
    }
    Ok(())
}

type Asking<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// The next answer, of whichever gate; `None` when all have answered.
async fn next(asking: &mut Vec<(usize, Asking<'_>)>) -> Option<(usize, Answer)> {
    std::future::poll_fn(|cx| {
        if asking.is_empty() {
            return Poll::Ready(None);
        }
        for place in 0..asking.len() {
            let Some((at, future)) = asking.get_mut(place) else {
                break;
            };
            if let Poll::Ready(answer) = future.as_mut().poll(cx) {
                let at = *at;
                drop(asking.swap_remove(place));
                return Poll::Ready(Some((at, answer)));
            }
        }
        Poll::Pending
    })
    .await
}

/// What follows from an answer.
fn answered(exchange: &mut Exchange, at: usize, answer: Answer) -> Result<(), Fault> {
    let snapshot = std::sync::Arc::clone(&exchange.snapshot);
    let Some(gate) = snapshot.gates.get(at) else {
        return Err(Kind::Bug.into());
    };
    let why = match answer {
        Answer::Allow => {
            count(exchange, gate, GateVerdict::Allow);
            return Ok(());
        }
        Answer::Refuse => {
            count(exchange, gate, GateVerdict::Refuse);
            exchange.gate_refused = Some(at);
            return Err(Fault::new(Kind::Refused)
                .reason("gate")
                .message(format!("Gate {} refused this request.", gate.name)));
        }
        Answer::None(why) => why,
        Answer::Hidden => "not_cleared",
    };
    if gate.on_error == OnError::Open {
        count(exchange, gate, GateVerdict::Open);
        if !exchange.gates_open.contains(&at) {
            exchange.gates_open.push(at);
        }
        exchange.worker.shared.metrics.policy_errors.inc();
        let (id, gate) = (exchange.id.as_str(), &*gate.name);
        tracing::warn!(id, gate, why, "gate did not judge; the request goes on");
        return Ok(());
    }
    count(exchange, gate, GateVerdict::Closed);
    let detail = format!("gate {}: {why}", gate.name);
    if answer == Answer::Hidden {
        let told = format!(
            "Gate {}, which judges each request, is not cleared for the grade of this one.",
            gate.name
        );
        let fault = Fault::new(Kind::NoClearedProvider).reason("gate_not_cleared");
        return Err(fault.message(told).detail(detail));
    }
    let told = format!(
        "Gate {}, which judges each request, did not answer.",
        gate.name
    );
    Err(Fault::new(Kind::Overloaded)
        .reason("policy_unavailable")
        .message(told)
        .retry_after(std::time::Duration::from_secs(1))
        .detail(detail))
}

fn count(exchange: &Exchange, gate: &Gate, verdict: GateVerdict) {
    exchange.worker.shared.metrics.gate(&gate.name, verdict);
}

/// The texts of a body, escaped as they stand there.
struct Texts {
    list: Vec<(Source, Bytes)>,
    media: usize,
}

impl Texts {
    fn of(exchange: &Exchange, asked: &Asked, body: &Bytes) -> Result<Self, Fault> {
        let facts = inspect::read(exchange, asked, body)?;
        let contents = exchange.dialect.contents(body, &facts);
        let mut texts = Self {
            list: Vec::with_capacity(contents.texts.len()),
            media: contents.media.len(),
        };
        for text in contents.texts {
            if body.get(text.span.clone()).is_none() {
                return Err(Fault::new(Kind::Bug).detail("a text outside its body"));
            }
            let raw = body.slice(text.span);
            if text.form != Form::Base64 {
                if !PLAIN_WORDS.contains(&raw.as_ref()) {
                    texts.list.push((text.source, raw));
                }
                continue;
            }
            match std::str::from_utf8(&raw).ok().and_then(file_text) {
                Some(file) => {
                    let mut escaped = Vec::with_capacity(file.len() + 8);
                    json::escape(&file, &mut escaped);
                    texts.list.push((text.source, escaped.into()));
                }
                None => texts.media += 1,
            }
        }
        Ok(texts)
    }
}

/// The call of a gate in its shape.
fn request(exchange: &Exchange, gate: &Gate, texts: &Texts) -> Request {
    let mut headers = Headers::with_capacity(4 + gate.headers.len());
    let json = HeaderValue::from_static("application/json");
    headers.insert(CONTENT_TYPE, json.clone());
    headers.insert(ACCEPT, json);
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("yumen/", env!("CARGO_PKG_VERSION"))),
    );
    for (name, value) in &gate.headers {
        headers.insert(name.clone(), value.clone());
    }
    let body = match gate.shape {
        GateShape::Generic => generic(exchange, texts),
        GateShape::Openai => openai(texts),
    };
    Request {
        head: Head::new(Method::POST, gate.path.clone(), headers),
        body: body.into(),
        after: exchange.opened(),
        alone: exchange.is_alone(),
    }
}

/// `{"id","model","key","team","media","texts":[{"role","text"}…]}`
fn generic(exchange: &Exchange, texts: &Texts) -> Bytes {
    let mut body = BytesMut::with_capacity(256 + texts.bytes());
    let principal = exchange.principal.as_deref();
    let team = principal.and_then(|principal| principal.team.as_deref());
    let mut separator = b'{';
    for (name, value) in [
        ("id", exchange.id.as_str()),
        ("model", exchange.asked.as_str()),
        ("key", principal.map_or("", |principal| &*principal.id)),
        ("team", team.unwrap_or_default()),
    ] {
        let mut escaped = Vec::with_capacity(value.len() + 8);
        json::escape(value, &mut escaped);
        body.put_u8(separator);
        separator = b',';
        body.put_slice(format!("\"{name}\":\"").as_bytes());
        body.put_slice(&escaped);
        body.put_u8(b'"');
    }
    body.put_slice(format!(",\"media\":{},\"texts\":[", texts.media).as_bytes());
    for (at, (source, text)) in texts.list.iter().enumerate() {
        let role = match source {
            Source::User => "user",
            Source::System => "system",
            Source::Tool => "tool",
            Source::Model => "assistant",
        };
        let comma = if at > 0 { "," } else { "" };
        body.put_slice(format!("{comma}{{\"role\":\"{role}\",\"text\":\"").as_bytes());
        body.put_slice(text);
        body.put_slice(b"\"}");
    }
    body.put_slice(b"]}");
    body.freeze()
}

/// `{"input":[…]}`, as the moderations call that many services offer.
fn openai(texts: &Texts) -> Bytes {
    let mut body = BytesMut::with_capacity(32 + texts.bytes());
    body.put_slice(b"{\"input\":[");
    for (at, (_, text)) in texts.list.iter().enumerate() {
        body.put_slice(if at > 0 { b",\"" } else { b"\"" });
        body.put_slice(text);
        body.put_u8(b'"');
    }
    body.put_slice(b"]}");
    body.freeze()
}

impl Texts {
    /// Room for them, with what stands around each.
    fn bytes(&self) -> usize {
        self.list.iter().map(|(_, text)| text.len() + 32).sum()
    }
}

/// Asks one gate, within its time.
fn judged<'a>(
    exchange: &Exchange,
    gate: &'a Gate,
    request: Request,
    texts: usize,
) -> impl Future<Output = Answer> + Send + use<'a> {
    let client = std::sync::Arc::clone(&exchange.worker.client);
    let bounds = Bounds {
        connect: gate.timeout,
        keep_idle: exchange.snapshot.upstream_keepalive,
        header_bytes: exchange.limits().upstream_header_bytes.bytes(),
    };
    async move {
        let called = async {
            let mut reply = client
                .send(&gate.endpoint, &bounds, &request)
                .await
                .map_err(|fault| fault.why())?;
            if !(200..300).contains(&reply.head.status) {
                return Err("status");
            }
            let mut body = BytesMut::new();
            while let Some(data) = std::future::poll_fn(|cx| reply.body.poll_data(cx)).await {
                let data = data.map_err(|fault| fault.why())?;
                if body.len() + data.len() > ANSWER_BYTES_MAX {
                    return Err("answer_too_large");
                }
                body.extend_from_slice(&data);
            }
            understood(gate.shape, &body, texts).ok_or("invalid_answer")
        };
        match tokio::time::timeout(gate.timeout, called).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => Answer::None(why),
            Err(_) => Answer::None("timeout"),
        }
    }
}

/// Reads an answer; `None` if it is none. `texts`: how many were asked about.
fn understood(shape: GateShape, body: &[u8], texts: usize) -> Option<Answer> {
    let limits = json::Limits {
        elements: u32::MAX,
        ..json::Limits::default()
    };
    let tape = json::scan(body, &limits).ok()?;
    let root = Value::root(&tape, body)?;
    match shape {
        GateShape::Generic => match root.get("verdict")?.as_str()?.as_ref() {
            "allow" => Some(Answer::Allow),
            "refuse" => Some(Answer::Refuse),
            _ => None,
        },
        GateShape::Openai => {
            let mut results = 0;
            let mut flagged = false;
            for result in root.get("results")?.elements() {
                flagged |= result.get("flagged")?.as_bool()?;
                results += 1;
            }
            match (flagged, results >= texts) {
                (true, _) => Some(Answer::Refuse),
                (false, true) => Some(Answer::Allow),
                // Some text was not judged.
                (false, false) => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_strictly() {
        use GateShape::{Generic, Openai};
        for (shape, body, want) in [
            (Generic, r#"{"verdict":"allow"}"#, Some(Answer::Allow)),
            (
                Generic,
                r#"{"verdict":"refuse","categories":["x"],"reason":"y"}"#,
                Some(Answer::Refuse),
            ),
            (Generic, r#"{"verdict":"Allow"}"#, None),
            (Generic, r#"{"verdict":"allow","verdict":"refuse"}"#, None),
            (Generic, r#"{"verdict":true}"#, None),
            (Generic, r#"{"results":[{"flagged":false}]}"#, None),
            (Generic, "[]", None),
            (Generic, "", None),
            (Generic, "allow", None),
            (
                Openai,
                r#"{"results":[{"flagged":false},{"flagged":false}]}"#,
                Some(Answer::Allow),
            ),
            (
                Openai,
                r#"{"results":[{"flagged":false},{"flagged":true}]}"#,
                Some(Answer::Refuse),
            ),
            (
                Openai,
                r#"{"results":[{"flagged":true}]}"#,
                Some(Answer::Refuse),
            ),
            (Openai, r#"{"results":[{"flagged":false}]}"#, None),
            (
                Openai,
                r#"{"results":[{"flagged":0},{"flagged":false}]}"#,
                None,
            ),
            (Openai, r#"{"results":[]}"#, None),
            (Openai, r#"{"results":{}}"#, None),
            (Openai, r#"{"verdict":"allow"}"#, None),
        ] {
            assert_eq!(understood(shape, body.as_bytes(), 2), want, "{body}");
        }
    }
}
