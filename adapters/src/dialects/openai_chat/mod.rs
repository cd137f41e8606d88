//! OpenAI chat completions: `POST /v1/chat/completions`, both sides.
//!
//! Knows the dialect as written and the liberties that several vendors take with it, never which vendor takes them.

pub(crate) mod contents;
pub(crate) mod decode_reply;
pub(crate) mod decode_request;
pub(crate) mod encode_reply;
pub(crate) mod encode_request;
pub(crate) mod forward;
pub(crate) mod lens;
mod listing;
pub mod request;
pub(crate) mod shape;
pub(crate) mod usage;

use bytes::Bytes;
use wire::canon;
use wire::facts::{Contents, EventFacts, ReplyFacts, RequestFacts, Saying};
use wire::fault::Code;
use wire::json::{self, Value};
use wire::operation::{Reply, Work};
use wire::sse;
use wire::{Fault, Kind, Rope};

use super::openai_other;
use crate::dialect::{
    ClientDialect, Decoder, Dialect, DialectId, Encoded, Encoder, ErrorBody, Forward, Lossy,
    ReplyHead, write_param,
};
use crate::places::{Asked, Asks, Endpoint, Listed};
use crate::quirks::Quirks;
use crate::vendor::Call;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct OpenAiChat;

const fn at(path: &'static str, asks: Asks) -> Endpoint {
    Endpoint { path, asks }
}

static ENDPOINTS: [Endpoint; 7] = [
    at("/v1/chat/completions", Asks::Reply),
    at("/v1/embeddings", Asks::Embed),
    at("/v1/rerank", Asks::Rerank),
    at("/v1/images/generations", Asks::Image),
    at("/v1/audio/speech", Asks::Speak),
    at("/v1/audio/transcriptions", Asks::Transcribe),
    at("/v1/audio/translations", Asks::Translate),
];

impl Dialect for OpenAiChat {
    fn id(&self) -> DialectId {
        DialectId::OpenAiChat
    }

    fn name(&self) -> &'static str {
        "openai-chat"
    }

    fn read_event(&self, event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
        lens::read_event(event, scratch, facts);
    }

    fn read_reply(&self, root: Value<'_>) -> ReplyFacts {
        shape::read_reply(root)
    }

    fn encode_request(
        &self,
        request: &canon::Request,
        call: &Call<'_>,
        quirks: &Quirks,
        lossy: Lossy,
    ) -> Result<Encoded, Fault> {
        encode_request::encode(request, call, quirks, lossy)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(decode_reply::Reader::default())
    }
}

impl ClientDialect for OpenAiChat {
    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn read_request(
        &self,
        body: &Bytes,
        tape: json::Tape,
        asked: &Asked,
    ) -> Result<RequestFacts, Fault> {
        match asked.endpoint.asks {
            asks if asks.is_work() || asks.is_media() => openai_other::read(asks, body, tape),
            _ => request::read(body, tape),
        }
    }

    fn contents(&self, body: &[u8], facts: &RequestFacts) -> Contents {
        // A chat has messages always, and nothing else has.
        let root = Value::root(&facts.tape, body);
        if root.is_some_and(|root| root.get("messages").is_none()) {
            return openai_other::of_request(body, facts);
        }
        contents::of_request(body, facts)
    }

    fn said(&self, data: &[u8], tape: &json::Tape, saying: &mut Saying) {
        contents::of_reply(data, tape, saying);
    }

    fn is_reply(&self, asks: Asks, root: Value<'_>) -> bool {
        shape::is_reply(asks, root)
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
        lossy: Lossy,
    ) -> Result<Forward, Fault> {
        forward::forward(body, facts, call, quirks, lossy)
    }

    fn decode_request(&self, body: &Bytes, facts: &RequestFacts) -> Result<canon::Request, Fault> {
        decode_request::decode(body, facts)
    }

    fn encoder(&self, reply: ReplyHead) -> Box<dyn Encoder> {
        Box::new(encode_reply::Writer::new(reply))
    }

    fn refusal(&self, fault: &Fault, _: &str) -> ErrorBody {
        ErrorBody {
            status: fault.http_status(),
            content_type: "application/json",
            body: error_body(fault, b"", b"").into(),
        }
    }

    fn stream_refusal(&self, fault: &Fault, _: &str, _: u64) -> Bytes {
        error_body(fault, b"data: ", b"\n\n").into()
    }

    fn end_marker(&self) -> &'static [u8] {
        b"data: [DONE]\n\n"
    }

    fn ping(&self) -> Option<&'static [u8]> {
        Some(b": ping\n\n")
    }

    fn decode_work(
        &self,
        body: &Bytes,
        facts: &RequestFacts,
        asked: &Asked,
    ) -> Result<Work, Fault> {
        let root = Value::root(&facts.tape, body).ok_or(Kind::Bug)?;
        openai_other::work(asked.endpoint.asks, body, root)
    }

    fn encode_done(&self, work: &Work, reply: &Reply, head: &ReplyHead) -> Result<Rope, Fault> {
        openai_other::done(work, reply, head)
    }

    fn models(&self, models: &[Listed<'_>], _: &str) -> Bytes {
        listing::models(models)
    }

    fn model(&self, model: &Listed<'_>) -> Bytes {
        listing::model(model)
    }
}

/// `{"error":{…}}` with all four keys, which SDKs ask for, between two frames.
fn error_body(fault: &Fault, before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(before);
    out.extend_from_slice(b"{\"error\":{\"message\":\"");
    json::escape(fault.sentence(), &mut out);
    out.extend_from_slice(b"\",\"type\":\"");
    out.extend_from_slice(error_type(fault.public_code()).as_bytes());
    out.extend_from_slice(b"\",\"param\":");
    write_param(fault, &mut out);
    out.extend_from_slice(b",\"code\":\"");
    out.extend_from_slice(fault.public_code().as_str().as_bytes());
    out.extend_from_slice(b"\"}}");
    out.extend_from_slice(after);
    out
}

/// The `type` beside a code (`dialects/openai-chat.md`, section 5).
pub(crate) fn error_type(code: Code) -> &'static str {
    match code {
        Code::RateLimitExceeded => "requests",
        Code::BudgetExceeded => "insufficient_quota",
        Code::UpstreamError | Code::UpstreamTimeout | Code::Overloaded | Code::InternalError => {
            "server_error"
        }
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests;
