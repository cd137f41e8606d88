//! Gemini: `generateContent`, `streamGenerateContent`, `countTokens` and the embedding of contents, both sides.
//!
//! Knows the dialect as written, never which vendor speaks it. What is asked for and of which model stands in the path; a
//! stream is one of events, or one array that comes in pieces, as the query says: the pipeline puts events into an array,
//! and nothing here knows of it. Requests may be in either spelling of names, ours are in the vendor's own.

mod contents;
mod decode_reply;
mod decode_request;
mod embed;
mod encode_reply;
mod encode_request;
mod forward;
mod lens;
mod listing;
mod names;
mod request;
mod schema;
mod talk;
#[cfg(test)]
mod tests;
mod turns;
mod words;

pub(crate) use embed::task;
pub(crate) use forward::{is_resource, resource};
pub(crate) use lens::usage_of;

use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use wire::canon;
use wire::facts::{Contents, EventFacts, ReplyFacts, RequestFacts, Saying};
use wire::fault::Code;
use wire::json::{self, Value};
use wire::operation::{Done, Reply, Work};
use wire::sse;
use wire::{Fault, Headers, Kind, Rope};

use crate::dialect::{
    ClientDialect, Decoder, Dialect, DialectId, Encoded, Encoder, ErrorBody, Forward, Lossy,
    ReplyHead, write_told,
};
use crate::places::{Asked, Asks, Endpoint, Listed, RequestHead};
use crate::quirks::Quirks;
use crate::vendor::Call;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

/// The header in which clients of this dialect send their key.
pub(crate) const KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// The proof of the thought that led to a call, and of one that led to a text.
const CALL_SIGNATURE: &str = "gemini.thought_signature";
const TEXT_SIGNATURE: &str = "gemini.text_signature";

/// What stands in for a signature that another vendor's model could not give (the vendor's own documentation names it).
const UNSIGNED: &str = "skip_thought_signature_validator";

/// A prompt that the vendor's filter let not pass, as the error that it is elsewhere. Read by the vendor's own adapter.
const BLOCKED: &str = r#"{"error":{"code":400,"message":"","status":"INVALID_ARGUMENT","details":[{"reason":"PROMPT_BLOCKED"}]}}"#;

/// How the path of a stream ends.
const STREAM: &str = ":streamGenerateContent";

const fn at(path: &'static str, asks: Asks) -> Endpoint {
    Endpoint { path, asks }
}

static ENDPOINTS: [Endpoint; 10] = [
    at("/v1beta/models/{model}:generateContent", Asks::Reply),
    at("/v1beta/models/{model}:streamGenerateContent", Asks::Reply),
    at("/v1beta/models/{model}:countTokens", Asks::Count),
    at("/v1beta/models/{model}:embedContent", Asks::Embed),
    at("/v1beta/models/{model}:batchEmbedContents", Asks::Embed),
    at("/v1/models/{model}:generateContent", Asks::Reply),
    at("/v1/models/{model}:streamGenerateContent", Asks::Reply),
    at("/v1/models/{model}:countTokens", Asks::Count),
    at("/v1/models/{model}:embedContent", Asks::Embed),
    at("/v1/models/{model}:batchEmbedContents", Asks::Embed),
];

impl Dialect for Gemini {
    fn id(&self) -> DialectId {
        DialectId::Gemini
    }

    fn name(&self) -> &'static str {
        "gemini"
    }

    fn read_event(&self, event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
        lens::read_event(event, scratch, facts);
    }

    fn read_reply(&self, root: Value<'_>) -> ReplyFacts {
        lens::read_reply(root)
    }

    fn encode_request(
        &self,
        request: &canon::Request,
        _: &Call<'_>,
        quirks: &Quirks,
        lossy: Lossy,
    ) -> Result<Encoded, Fault> {
        encode_request::encode(request, quirks, lossy)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(decode_reply::Reader::default())
    }
}

impl ClientDialect for Gemini {
    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn listings(&self) -> &'static [&'static str] {
        &["/v1beta/models", "/v1/models"]
    }

    fn claims(&self, headers: &Headers) -> bool {
        headers.has(&KEY)
    }

    fn read_head(&self, head: RequestHead<'_>, asked: &mut Asked) -> Result<(), Fault> {
        asked.stream = asked.endpoint.path.ends_with(STREAM);
        let events = head.query.split('&').any(|pair| pair == "alt=sse");
        asked.array = asked.stream && !events;
        Ok(())
    }

    fn read_request(
        &self,
        body: &Bytes,
        tape: json::Tape,
        asked: &Asked,
    ) -> Result<RequestFacts, Fault> {
        request::read(body, tape, asked)
    }

    fn contents(&self, body: &[u8], facts: &RequestFacts) -> Contents {
        contents::of_request(body, facts)
    }

    fn said(&self, data: &[u8], tape: &json::Tape, saying: &mut Saying) {
        contents::of_reply(data, tape, saying);
    }

    fn is_reply(&self, asks: Asks, root: Value<'_>) -> bool {
        lens::is_reply(asks, root)
    }

    fn is_answer(&self, lane: wire::hold::Lane) -> bool {
        contents::is_answer(lane)
    }

    fn forward(
        &self,
        body: &Bytes,
        facts: &RequestFacts,
        call: &Call<'_>,
        quirks: &Quirks,
        _: Lossy,
    ) -> Result<Forward, Fault> {
        forward::forward(body, facts, call, quirks)
    }

    fn decode_request(&self, body: &Bytes, facts: &RequestFacts) -> Result<canon::Request, Fault> {
        decode_request::decode(body, facts)
    }

    fn encoder(&self, reply: ReplyHead) -> Box<dyn Encoder> {
        Box::new(encode_reply::Writer::new(reply))
    }

    fn refusal(&self, fault: &Fault, _: &str) -> ErrorBody {
        ErrorBody {
            status: error_status(fault),
            content_type: "application/json",
            body: error_body(fault, b"", b"").into(),
        }
    }

    fn stream_refusal(&self, fault: &Fault, _: &str, _: u64) -> Bytes {
        error_body(fault, b"data: ", b"\n\n").into()
    }

    /// None: the stream's own end is the end.
    fn end_marker(&self) -> &'static [u8] {
        b""
    }

    /// The official SDK takes no comment: a text of nothing.
    fn ping(&self) -> Option<&'static [u8]> {
        Some(b"data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"index\":0}]}\n\n")
    }

    fn decode_work(
        &self,
        body: &Bytes,
        facts: &RequestFacts,
        asked: &Asked,
    ) -> Result<Work, Fault> {
        let root = Value::root(&facts.tape, body).ok_or(Kind::Bug)?;
        embed::read(body, root, asked).map(Work::Embed)
    }

    fn encode_done(&self, work: &Work, reply: &Reply, _: &ReplyHead) -> Result<Rope, Fault> {
        match (work, &reply.done) {
            (Work::Embed(work), Done::Embedded(list)) => embed::write(work, list, reply.usage),
            _ => Err(Fault::new(Kind::Bug).detail("a reply of another kind")),
        }
    }

    fn models(&self, models: &[Listed<'_>], query: &str) -> Bytes {
        listing::models(models, query)
    }

    fn model(&self, model: &Listed<'_>) -> Bytes {
        listing::model(model)
    }

    fn counted(&self, tokens: u64) -> Option<Bytes> {
        Some(format!("{{\"totalTokens\":{tokens}}}").into())
    }
}

/// Statuses as the vendor has them (`dialects/gemini.md`, section 6): SDKs decide by them whether to retry.
fn error_status(fault: &Fault) -> u16 {
    let status = fault.http_status();
    match fault.public_code() {
        // What only requests that run hold may be free in a moment.
        Code::BudgetExceeded if fault.kind() != Kind::BudgetHeld => 402,
        Code::Overloaded => 503,
        Code::UpstreamTimeout => 504,
        _ if status >= 500 => 500,
        _ => status,
    }
}

/// The vendor's word for it.
fn error_word(fault: &Fault) -> &'static str {
    match error_status(fault) {
        401 => "UNAUTHENTICATED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// `{"error":{code, message, status, details}}`, between two frames. `error` stands first and `code` is a number: so it is
/// known in mid-stream. `details[0].reason` is our own code.
fn error_body(fault: &Fault, before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(384);
    out.extend_from_slice(before);
    out.extend_from_slice(
        format!(
            "{{\"error\":{{\"code\":{},\"message\":\"",
            error_status(fault)
        )
        .as_bytes(),
    );
    write_told(fault, &mut out);
    out.extend_from_slice(b"\",\"status\":\"");
    out.extend_from_slice(error_word(fault).as_bytes());
    out.extend_from_slice(
        b"\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"",
    );
    out.extend_from_slice(fault.public_code().as_str().as_bytes());
    out.extend_from_slice(b"\",\"domain\":\"yumen\"}");
    if let Some(after) = fault.come_back() {
        let seconds = seconds(after);
        let info = format!(
            ",{{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"{seconds}s\"}}"
        );
        out.extend_from_slice(info.as_bytes());
    }
    out.extend_from_slice(b"]}}");
    out.extend_from_slice(after);
    out
}

/// Whole seconds, rounded up.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
