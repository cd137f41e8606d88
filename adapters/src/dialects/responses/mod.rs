//! OpenAI responses: `POST /v1/responses` and `POST /v1/responses/input_tokens`, both sides.
//!
//! Knows the dialect as written, never which vendor speaks it. Nothing is kept between requests: what refers to a response
//! of before is refused where it is read, and vendors are told to store nothing.

mod contents;
mod decode_reply;
mod decode_request;
mod echo;
mod encode_reply;
mod encode_request;
mod forward;
mod items;
mod lens;
mod request;
mod said;
#[cfg(test)]
mod tests;
mod whole;

use bytes::Bytes;
use wire::Fault;
use wire::canon;
use wire::facts::{Contents, EventFacts, ReplyFacts, RequestFacts, Saying};
use wire::json::{self, Value};
use wire::sse;

use super::openai_chat::{OpenAiChat, error_type};
use crate::dialect::{
    ClientDialect, Decoder, Dialect, DialectId, Encoded, Encoder, ErrorBody, Forward, Lossy,
    ReplyHead, write_param,
};
use crate::places::{Asked, Asks, Endpoint, Listed};
use crate::quirks::Quirks;
use crate::vendor::Call;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct Responses;

/// The proof of a thought of this dialect's own vendor.
const ENCRYPTED: &str = "openai.encrypted_content";

impl Dialect for Responses {
    fn id(&self) -> DialectId {
        DialectId::Responses
    }

    fn name(&self) -> &'static str {
        "openai-responses"
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

impl ClientDialect for Responses {
    fn endpoints(&self) -> &'static [Endpoint] {
        &[
            Endpoint {
                path: "/v1/responses",
                asks: Asks::Reply,
            },
            Endpoint {
                path: "/v1/responses/input_tokens",
                asks: Asks::Count,
            },
        ]
    }

    fn hint(&self, path: &str) -> &'static str {
        if path.starts_with("/v1/responses/") {
            " Responses are not stored: this gateway keeps none."
        } else {
            ""
        }
    }

    fn read_request(
        &self,
        body: &Bytes,
        tape: json::Tape,
        _: &Asked,
    ) -> Result<RequestFacts, Fault> {
        request::read(body, tape)
    }

    fn contents(&self, body: &[u8], facts: &RequestFacts) -> Contents {
        contents::of_request(body, facts)
    }

    fn said(&self, data: &[u8], tape: &json::Tape, saying: &mut Saying) {
        said::of_reply(data, tape, saying);
    }

    fn is_reply(&self, asks: Asks, root: Value<'_>) -> bool {
        lens::is_reply(asks, root)
    }

    fn is_answer(&self, lane: wire::hold::Lane) -> bool {
        said::is_answer(lane)
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

    fn echo(&self, body: &Bytes, facts: &RequestFacts) -> Bytes {
        echo::of_request(body, facts)
    }

    fn encoder(&self, reply: ReplyHead) -> Box<dyn Encoder> {
        Box::new(encode_reply::Writer::new(reply))
    }

    fn refusal(&self, fault: &Fault, id: &str) -> ErrorBody {
        OpenAiChat.refusal(fault, id)
    }

    fn stream_refusal(&self, fault: &Fault, _: &str, events: u64) -> Bytes {
        error_event(fault, events).into()
    }

    /// A stream that did not come to one of its four ends was cut.
    fn end_marker(&self) -> &'static [u8] {
        b""
    }

    fn ping(&self) -> Option<&'static [u8]> {
        OpenAiChat.ping()
    }

    fn models(&self, models: &[Listed<'_>], query: &str) -> Bytes {
        OpenAiChat.models(models, query)
    }

    fn model(&self, model: &Listed<'_>) -> Bytes {
        OpenAiChat.model(model)
    }

    fn counted(&self, tokens: u64) -> Option<Bytes> {
        let counted = format!("{{\"object\":\"response.input_tokens\",\"input_tokens\":{tokens}}}");
        Some(counted.into())
    }
}

/// The event of an error, for a stream whose response is not ours to tell about. Its members stand at the top, as the
/// dialect has them, and in `error` once more, at which SDKs stop by themselves.
fn error_event(fault: &Fault, sequence: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"event: error\ndata: {\"type\":\"error\",\"sequence_number\":");
    out.extend_from_slice(sequence.to_string().as_bytes());
    let members = |out: &mut Vec<u8>| {
        out.extend_from_slice(b"\"message\":\"");
        json::escape(fault.sentence(), out);
        out.extend_from_slice(b"\",\"code\":\"");
        out.extend_from_slice(fault.public_code().as_str().as_bytes());
        out.extend_from_slice(b"\",\"param\":");
        write_param(fault, out);
    };
    out.push(b',');
    members(&mut out);
    out.extend_from_slice(b",\"error\":{\"type\":\"");
    out.extend_from_slice(error_type(fault.public_code()).as_bytes());
    out.extend_from_slice(b"\",");
    members(&mut out);
    out.extend_from_slice(b"}}\n\n");
    out
}
