//! Anthropic messages: `POST /v1/messages` and `POST /v1/messages/count_tokens`, both sides.
//!
//! Knows the dialect as written, never which vendor speaks it. Two API versions are in use; both are taken, and what
//! version a client speaks is for its upstream to judge.

mod contents;
mod decode_reply;
mod decode_request;
mod encode_reply;
mod encode_request;
mod forward;
mod lens;
mod listing;
mod request;
pub(crate) mod shape;
#[cfg(test)]
mod tests;
mod turns;

pub(crate) use encode_request::{Room, has_type, lost_its_thought, schema_of};
pub(crate) use shape::Shape;
pub(crate) use turns::{as_object, is_blank, vendor_id, write_input};

use bytes::Bytes;
use http::HeaderName;
use wire::canon;
use wire::facts::{Contents, EventFacts, ReplyFacts, RequestFacts, Saying};
use wire::fault::Code;
use wire::json::{self, Value};
use wire::sse;
use wire::{Fault, Headers, Kind};

use crate::dialect::{
    ClientDialect, Decoder, Dialect, DialectId, Encoded, Encoder, ErrorBody, Forward, Lossy,
    ReplyHead, write_told,
};
use crate::places::{Asked, Asks, Endpoint, Listed, RequestHead};
use crate::quirks::Quirks;
use crate::vendor::Call;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct Anthropic;

/// The header that every client of this dialect sends.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// Names of features that are asked for.
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// Longest value of either, in bytes; real ones are below 300.
const HEADER_BYTES_MAX: usize = 2048;

/// The proof of a thought.
pub(crate) const SIGNATURE: &str = "anthropic.signature";
/// A thought that only the vendor can read.
const REDACTED: &str = "anthropic.redacted_thinking";

impl Dialect for Anthropic {
    fn id(&self) -> DialectId {
        DialectId::Anthropic
    }

    fn name(&self) -> &'static str {
        "anthropic-messages"
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

impl ClientDialect for Anthropic {
    fn endpoints(&self) -> &'static [Endpoint] {
        &[
            Endpoint {
                path: "/v1/messages",
                asks: Asks::Reply,
            },
            Endpoint {
                path: "/v1/messages/count_tokens",
                asks: Asks::Count,
            },
        ]
    }

    fn claims(&self, headers: &Headers) -> bool {
        headers.has(&VERSION)
    }

    /// Version and features travel on as they came; a value that is no such word does not.
    fn read_head(&self, head: RequestHead<'_>, asked: &mut Asked) -> Result<(), Fault> {
        for name in [VERSION, BETA] {
            for value in head.headers.get_all(&name) {
                let word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.,: ".contains(byte);
                if value.len() > HEADER_BYTES_MAX || !value.as_bytes().iter().all(word) {
                    return Err(Fault::new(Kind::BadRequest)
                        .reason("header")
                        .param(name.as_str().to_owned())
                        .message(
                            "A header that names a version or features holds something else.",
                        ));
                }
                asked.carried.push((name.clone(), value.clone()));
            }
        }
        Ok(())
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
        _: &Quirks,
        _: Lossy,
    ) -> Result<Forward, Fault> {
        forward::forward(body, facts, call)
    }

    fn decode_request(&self, body: &Bytes, facts: &RequestFacts) -> Result<canon::Request, Fault> {
        decode_request::decode(body, facts)
    }

    fn encoder(&self, reply: ReplyHead) -> Box<dyn Encoder> {
        Box::new(encode_reply::Writer::new(reply))
    }

    fn refusal(&self, fault: &Fault, id: &str) -> ErrorBody {
        ErrorBody {
            status: error_status(fault),
            content_type: "application/json",
            body: error_body(fault, id, (b"", b"")).into(),
        }
    }

    fn stream_refusal(&self, fault: &Fault, id: &str, _: u64) -> Bytes {
        error_body(fault, id, (b"event: error\ndata: ", b"\n\n")).into()
    }

    fn end_marker(&self) -> &'static [u8] {
        b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
    }

    fn ping(&self) -> Option<&'static [u8]> {
        Some(b"event: ping\ndata: {\"type\":\"ping\"}\n\n")
    }

    fn id_header(&self) -> Option<HeaderName> {
        Some(HeaderName::from_static("request-id"))
    }

    fn models(&self, models: &[Listed<'_>], query: &str) -> Bytes {
        listing::models(models, query)
    }

    fn model(&self, model: &Listed<'_>) -> Bytes {
        listing::model(model)
    }

    fn counted(&self, tokens: u64) -> Option<Bytes> {
        Some(format!("{{\"input_tokens\":{tokens}}}").into())
    }
}

/// Statuses as the vendor has them (`dialects/anthropic-messages.md`, section 6): SDKs decide by them whether to retry.
fn error_status(fault: &Fault) -> u16 {
    let status = fault.http_status();
    match fault.public_code() {
        // What only requests that run hold may be free in a moment.
        Code::BudgetExceeded if fault.kind() != Kind::BudgetHeld => 402,
        Code::Overloaded => 529,
        Code::UpstreamTimeout => 504,
        Code::UpstreamError if status >= 500 => 500,
        _ => status,
    }
}

/// `{"type":"error","error":{type, message, details},"request_id"}`, between two frames. `details.error_code` is our own code.
fn error_body(fault: &Fault, id: &str, (before, after): (&[u8], &[u8])) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(before);
    out.extend_from_slice(b"{\"type\":\"error\",\"error\":{\"type\":\"");
    out.extend_from_slice(error_type(fault).as_bytes());
    out.extend_from_slice(b"\",\"message\":\"");
    write_told(fault, &mut out);
    out.extend_from_slice(b"\",\"details\":{\"error_code\":\"");
    out.extend_from_slice(fault.public_code().as_str().as_bytes());
    out.extend_from_slice(b"\"}},\"request_id\":\"");
    json::escape(id, &mut out);
    out.extend_from_slice(b"\"}");
    out.extend_from_slice(after);
    out
}

fn error_type(fault: &Fault) -> &'static str {
    match fault.public_code() {
        Code::InvalidApiKey => "authentication_error",
        Code::PermissionDenied | Code::PolicyRefused | Code::NoClearedProvider => {
            "permission_error"
        }
        Code::ModelNotFound => "not_found_error",
        Code::RateLimitExceeded => "rate_limit_error",
        Code::BudgetExceeded if fault.kind() == Kind::BudgetHeld => "rate_limit_error",
        Code::BudgetExceeded => "billing_error",
        Code::RequestTooLarge => "request_too_large",
        Code::UpstreamTimeout => "timeout_error",
        Code::Overloaded => "overloaded_error",
        Code::InternalError => "api_error",
        Code::InvalidRequest | Code::UpstreamError => match fault.http_status() {
            404 => "not_found_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        },
        Code::ContextLengthExceeded | Code::ContentFiltered => "invalid_request_error",
    }
}
