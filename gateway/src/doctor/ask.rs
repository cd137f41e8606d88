//! A few tokens asked of a target: a reply, a stream, a call of a tool, in the vendor's dialect and with its signature.
//!
//! Invariants: what is sent is written here; a reply is read whole, within a time and a size; a fault holds no text of the
//! vendor's.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::vendor::{Call, Head, Parts};
use adapters::{Asked, Dialect, Framing, Lossy, Quirks, places};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method};
use journal::Durable;
use serde_json::{Value, json};
use wire::canon::Event;
use wire::facts::{EventFacts, Finish};
use wire::json::{self as scan, Value as Read};
use wire::sse::{self, Limits, Splitter};
use wire::{Fault, Headers, Kind, Rope};

use crate::config::snapshot::Provider;
use crate::discover::list::{BOUNDS, read};
use crate::upstream::client::{Client, Reply};
use crate::upstream::reply;
use crate::upstream::request::{self, Request};

/// Time for one reply: a runtime may have to load the model first.
const REPLY_TIME: Duration = Duration::from_secs(60);
/// Longest reply that is read.
const REPLY_BYTES_MAX: usize = 1 << 20;
/// Tokens that are asked for: enough for models that think first to begin.
const TOKENS: u32 = 64;

/// A stream that was waited for so long, of so many pieces, all of which came within such a part of the wait, was held back by
/// somebody: no model is so slow and so fast.
const LONG_WAIT: Duration = Duration::from_secs(1);
const MANY_PIECES: usize = 8;
const AT_ONCE: u32 = 20;

/// Who asks, and whom.
pub(super) struct Asker<'a> {
    pub(super) client: &'a Arc<Client>,
    pub(super) provider: &'a Arc<Provider>,
    pub(super) now_ms: i64,
}

/// A whole reply.
struct Answer {
    framing: Framing,
    body: Vec<u8>,
    /// Until its first piece came, and from then on until its last.
    pace: Option<(Duration, Duration)>,
}

/// What a stream said.
struct Heard {
    finish: Option<Finish>,
    /// Events that held a part of the answer.
    pieces: usize,
}

impl Asker<'_> {
    /// A short reply.
    pub(super) async fn reply(&self, model: &str) -> Result<(), Fault> {
        let answer = self.ask(model, &chat(model, "Say ok.", false)).await?;
        self.finish(&answer).map(|_| ())
    }

    /// A short stream, to its end; whether all of it came at once, after a wait.
    pub(super) async fn stream(&self, model: &str) -> Result<bool, Fault> {
        let count = "Count from 1 to 30.";
        let answer = self.ask(model, &chat(model, count, true)).await?;
        if !answer.framing.is_stream() {
            let message = "It was asked for a stream and sent none.";
            return Err(Fault::new(Kind::Malformed).message(message));
        }
        let heard = self.streamed(&answer)?;
        let at_once =
            |(wait, rest): (Duration, Duration)| wait >= LONG_WAIT && rest * AT_ONCE < wait;
        Ok(heard.pieces >= MANY_PIECES && answer.pace.is_some_and(at_once))
    }

    /// How a stream ended.
    fn streamed(&self, answer: &Answer) -> Result<Heard, Fault> {
        let Some(mut frames) = answer.framing.frames() else {
            return self.events(&answer.body);
        };
        let mut events = Vec::new();
        frames.read(&answer.body, &mut events)?;
        frames.end()?;
        self.events(&events)
    }

    /// Whether it calls a tool.
    pub(super) async fn tool(&self, model: &str) -> Result<bool, Fault> {
        let parameters = json!({"type": "object", "properties": {}});
        let function = json!({"name": "now", "description": "The time", "parameters": parameters});
        let body = json!({
            "model": model,
            "messages": [{"role": "user", "content": "What time is it? Use the tool."}],
            "max_tokens": TOKENS,
            "tools": [{"type": "function", "function": function}],
        });
        let answer = self.ask(model, &body).await?;
        Ok(self.finish(&answer)? == Some(Finish::ToolCalls))
    }

    async fn ask(&self, model: &str, body: &Value) -> Result<Answer, Fault> {
        let late = |_| Fault::new(Kind::FirstByteTimeout).reason("reply_timeout");
        let asking = self.send(model, body);
        tokio::time::timeout(REPLY_TIME, asking)
            .await
            .map_err(late)?
    }

    async fn send(&self, model: &str, body: &Value) -> Result<Answer, Fault> {
        let provider = self.provider;
        let vendor = provider.adapter.ok_or(Kind::Bug)?.0;
        let spoken = self.spoken()?;
        let token = self.token().await?;
        let quirks = vendor.quirks(model);
        let mut body = body.clone();
        if let Some(body) = body.as_object_mut().filter(|_| quirks.streams_only) {
            body.insert("stream".to_owned(), Value::Bool(true));
        }
        let stream = body.get("stream") == Some(&Value::Bool(true));
        let call = Call {
            model,
            stream,
            dialect: spoken.id(),
            asks: adapters::Asks::Reply,
            multimodal: false,
            cap: None,
            request_id: "yumen-doctor",
            now_ms: self.now_ms,
            token: token.as_deref(),
            host: &provider.host,
            base_path: &provider.base_path,
        };
        let request = self.request(&call, &written(&body, &call, spoken, quirks)?)?;
        let (client, at) = (self.client, &provider.endpoint);
        let begun = Instant::now();
        let mut first = None;
        let (head, body) = if vendor.info().websocket {
            let reply = client.open(at, &BOUNDS, &request, &mut false).await?;
            self.messages(reply).await?
        } else {
            let reply = client.send(at, &BOUNDS, &request).await?;
            let heard = || _ = first.get_or_insert_with(Instant::now);
            read(reply, REPLY_BYTES_MAX, heard).await?
        };
        let pace = first.map(|first| (first - begun, first.elapsed()));
        let head = Head {
            status: head.status,
            headers: &head.headers,
            now_ms: self.now_ms,
        };
        let framing = vendor.framing(&head);
        let tape = scan::scan(&body, &scan::Limits::default()).ok();
        let root = tape.as_ref().and_then(|tape| Read::root(tape, &body));
        match vendor.fault(&head, root.filter(|_| !framing.is_stream())) {
            Some(fault) => Err(fault),
            None => Ok(Answer {
                framing,
                body,
                pace,
            }),
        }
    }

    /// A call with this body, signed.
    fn request(&self, call: &Call<'_>, body: &Rope) -> Result<Request, Fault> {
        let provider = self.provider;
        let vendor = provider.adapter.ok_or(Kind::Bug)?.0;
        let mut parts = Parts::default();
        vendor.prepare(call, &provider.credential(), &mut parts)?;
        let mut path_and_query = parts.path_behind(&provider.base_path);
        let body = vendor.body(&provider.credential(), body);
        let websocket = vendor.info().websocket;
        let mut headers = self.headers(parts.headers, call.stream);
        if websocket {
            headers.remove(&CONTENT_TYPE);
            headers.remove(&ACCEPT);
        }
        let signed = (path_and_query.as_str(), &body);
        vendor.sign(call, &provider.credential(), signed, &mut headers)?;
        if !parts.query.is_empty() {
            path_and_query.push('?');
            path_and_query.push_str(&parts.query);
        }
        let method = if websocket { Method::GET } else { Method::POST };
        Ok(Request {
            head: request::Head::new(method, path_and_query, headers),
            body,
            after: Durable::NOW,
            alone: true,
        })
    }

    /// A reply over a WebSocket, which does not end of itself, up to its last message or its first error.
    async fn messages(&self, reply: Reply) -> Result<(reply::Head, Vec<u8>), Fault> {
        if reply.head.status != 200 {
            return read(reply, REPLY_BYTES_MAX, || ()).await;
        }
        let vendor = self.provider.adapter.ok_or(Kind::Bug)?.0;
        let mut decoder = self.spoken()?.decoder();
        let Reply { head, mut body } = reply;
        let (mut splitter, mut bytes, mut said) = (Splitter::default(), Vec::new(), Vec::new());
        while !decoder.is_over()
            && let Some(piece) = poll_fn(|cx| body.poll_data(cx)).await
        {
            let piece = piece?;
            bytes.extend_from_slice(&piece);
            if bytes.len() > REPLY_BYTES_MAX {
                return Err(Fault::new(Kind::Malformed).reason("too_long"));
            }
            let mut at = 0;
            while let Some(event) = splitter
                .next(&piece, &mut at)
                .map_err(|_| Kind::Malformed)?
            {
                decoder.event(&event, &mut said)?;
            }
            for event in said.drain(..) {
                let Event::Error(raw) = event else { continue };
                let tape = scan::scan(raw.bytes(), &scan::Limits::default()).ok();
                let root = tape.as_ref().and_then(|tape| Read::root(tape, raw.bytes()));
                let head = Head {
                    status: head.status,
                    headers: &head.headers,
                    now_ms: self.now_ms,
                };
                let fault = vendor.fault(&head, root);
                return Err(fault.unwrap_or_else(|| Kind::UpstreamError.into()));
            }
        }
        Ok((head, bytes))
    }

    fn headers(&self, mut headers: Headers, stream: bool) -> Headers {
        let accept = if stream {
            "text/event-stream"
        } else {
            "application/json"
        };
        let agent = concat!("yumen/", env!("CARGO_PKG_VERSION"));
        for (name, value) in [
            (CONTENT_TYPE, "application/json"),
            (ACCEPT, accept),
            (USER_AGENT, agent),
        ] {
            headers.usual(name, HeaderValue::from_static(value));
        }
        for (name, value) in &self.provider.headers {
            headers.insert(name.clone(), value.clone());
        }
        headers
    }

    /// A token, for vendors that want one.
    async fn token(&self) -> Result<Option<String>, Fault> {
        let vendor = self.provider.adapter.ok_or(Kind::Bug)?.0;
        let credential = self.provider.credential();
        let Some(flow) = vendor
            .token_flow()
            .filter(|_| vendor.wants_token(&credential))
        else {
            return Ok(None);
        };
        let request = crate::upstream::token::request(flow, &credential);
        let reply = self
            .client
            .send(&self.provider.token_endpoint, &BOUNDS, &request)
            .await?;
        let (head, body) = read(reply, REPLY_BYTES_MAX, || ()).await?;
        let tape = scan::scan(&body, &scan::Limits::default()).ok();
        let root = tape.as_ref().and_then(|tape| Read::root(tape, &body));
        let head = Head {
            status: head.status,
            headers: &head.headers,
            now_ms: self.now_ms,
        };
        flow.read(&head, root).map(|token| Some(token.value))
    }

    /// How a reply ended.
    fn finish(&self, answer: &Answer) -> Result<Option<Finish>, Fault> {
        if answer.framing.is_stream() {
            return self.streamed(answer).map(|heard| heard.finish);
        }
        let none =
            || Fault::new(Kind::Malformed).message("The reply is not what its dialect says.");
        let body = &answer.body;
        let tape = scan::scan(body, &scan::Limits::default()).map_err(|_| none())?;
        let root = Read::root(&tape, body).ok_or_else(none)?;
        let dialect = self.spoken()?;
        let facts = dialect.read_reply(root);
        if facts.finish.is_none() && facts.usage.is_none() {
            return Err(none());
        }
        Ok(facts.finish)
    }

    /// How events ended, if they said something before.
    fn events(&self, body: &[u8]) -> Result<Heard, Fault> {
        let dialect = self.spoken()?;
        let mut splitter = Splitter::new(Limits::default());
        let mut scratch = scan::Tape::default();
        let (mut pieces, mut finished, mut finish) = (0, false, None);
        let mut hear = |event: &sse::Event<'_>| {
            let mut facts = EventFacts::default();
            dialect.read_event(event, &mut scratch, &mut facts);
            pieces += usize::from(facts.content);
            finished |= facts.done || facts.finish.is_some();
            finish = facts.finish.or(finish);
            !facts.error && !facts.malformed
        };
        let (mut at, mut sound) = (0, true);
        while let Some(event) = splitter.next(body, &mut at).map_err(|_| Kind::Malformed)? {
            sound &= hear(&event);
        }
        if let Some(event) = splitter.finish() {
            sound &= hear(&event);
        }
        if !sound {
            return Err(Fault::new(Kind::Malformed).message("The stream holds an error."));
        }
        if pieces > 0 && finished {
            return Ok(Heard { finish, pieces });
        }
        Err(Fault::new(Kind::CutShort))
    }

    fn spoken(&self) -> Result<&'static dyn adapters::Dialect, Fault> {
        let vendor = self.provider.adapter.ok_or(Kind::Bug)?.0;
        let client = places::first();
        let same = vendor
            .speaks()
            .iter()
            .find(|spoken| spoken.id() == client.id());
        Ok(*same.or_else(|| vendor.speaks().first()).ok_or(Kind::Bug)?)
    }
}

/// A question as the vendor's dialect writes it.
fn written(
    body: &Value,
    call: &Call<'_>,
    spoken: &dyn Dialect,
    quirks: &Quirks,
) -> Result<Rope, Fault> {
    let client = places::first();
    let body = Bytes::from(body.to_string());
    let tape = scan::scan(&body, &scan::Limits::default()).map_err(|_| Kind::Bug)?;
    let endpoint = client.endpoints().first().ok_or(Kind::Bug)?;
    let facts = client.read_request(&body, tape, &Asked::at(endpoint))?;
    if spoken.id() == client.id() {
        let forward = client.forward(&body, &facts, call, quirks, Lossy::Drop)?;
        return Ok(forward.edits.apply(&body).settle());
    }
    let request = client.decode_request(&body, &facts)?;
    let encoded = spoken.encode_request(&request, call, quirks, Lossy::Drop)?;
    Ok(encoded.body.settle())
}

fn chat(model: &str, text: &str, stream: bool) -> Value {
    json!({
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": TOKENS,
        "stream": stream,
    })
}
