//! DashScope's native text and multimodal generation, both sides.
//!
//! Everything of the answer stands under `output`, settings under `parameters`; a running choice's finish reason is the
//! string `null`; usage comes with every event and grows; there is no end marker. An error is an object with a `code`,
//! whatever the status.

mod contents;
mod decode;
mod decode_request;
mod encode;
mod encode_reply;
mod forward;
mod listing;
mod request;

use bytes::Bytes;
use http::HeaderName;
use wire::canon::{self, Request};
use wire::facts::{Contents, EventFacts, ReplyFacts, RequestFacts, Saying};
use wire::fault::Code;
use wire::json::{self, Type, Value};
use wire::{Fault, Kind, sse};

use crate::dialect::{
    ClientDialect, Decoder, Dialect, DialectId, Encoded, Encoder, ErrorBody, Forward, Lossy,
    ReplyHead, write_told,
};
use crate::dialects::openai_chat::{lens, usage};
use crate::places::{Asked, Asks, Endpoint, Listed, RequestHead};
use crate::quirks::Quirks;
use crate::vendor::Call;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct DashScope;

impl Dialect for DashScope {
    fn id(&self) -> DialectId {
        DialectId::DashScope
    }

    fn name(&self) -> &'static str {
        "dashscope"
    }

    fn read_event(&self, event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
        let data = event.data();
        let Some(data) = data.as_deref().or_else(|| event.bare_json()) else {
            return;
        };
        if data.trim_ascii_start().starts_with(b"[DONE]") || event.name() == Some(b"done") {
            facts.done = true;
            return;
        }
        if data.trim_ascii().is_empty() {
            return;
        }
        lens::read_object(data, scratch, facts, |root, facts| {
            facts.error = is_error(event, root);
            let output = root.get("output");
            if let Some(text) = output.and_then(|output| output.get("text")) {
                facts.content |= text.inner().is_some_and(|text| !text.is_empty());
            }
            for choice in choices(root) {
                facts.content |= lens::has_content(choice);
            }
            facts.finish = finish(root);
            if let Some((span, usage)) = usage::usage_of(root) {
                facts.usage = Some(usage);
                facts.usage_span = span;
            }
            facts.malformed = !facts.error && !is_event(root);
        });
    }

    fn read_reply(&self, root: Value<'_>) -> ReplyFacts {
        ReplyFacts {
            usage: usage::usage_of(root).map(|(_, usage)| usage),
            finish: finish(root),
            ..ReplyFacts::default()
        }
    }

    fn encode_request(
        &self,
        request: &Request,
        call: &Call<'_>,
        quirks: &Quirks,
        lossy: Lossy,
    ) -> Result<Encoded, Fault> {
        encode::encode(request, call, quirks, lossy)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(decode::Reader::default())
    }
}

/// Asks for a stream.
pub(crate) const SSE: HeaderName = HeaderName::from_static("x-dashscope-sse");
/// Asks for a task that is fetched later.
const ASYNC: HeaderName = HeaderName::from_static("x-dashscope-async");
/// Asks for the vendor's own moderation besides.
const INSPECTION: HeaderName = HeaderName::from_static("x-dashscope-datainspection");

impl ClientDialect for DashScope {
    fn endpoints(&self) -> &'static [Endpoint] {
        &[
            Endpoint {
                path: "/api/v1/services/aigc/text-generation/generation",
                asks: Asks::Reply,
            },
            Endpoint {
                path: request::MULTIMODAL,
                asks: Asks::Reply,
            },
        ]
    }

    fn listings(&self) -> &'static [&'static str] {
        &["/api/v1/models"]
    }

    fn read_head(&self, head: RequestHead<'_>, asked: &mut Asked) -> Result<(), Fault> {
        let enables = |name: &HeaderName| {
            let value = head.headers.get(name);
            value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"enable"))
        };
        if enables(&ASYNC) {
            return Err(Fault::new(Kind::BadRequest)
                .reason("header")
                .param("x-dashscope-async")
                .message("Tasks that are fetched later are not supported."));
        }
        asked.stream = enables(&SSE);
        if let Some(value) = head.headers.get(&INSPECTION) {
            asked.carried.push((INSPECTION, value.clone()));
        }
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
        asks == Asks::Reply && is_reply(root)
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
            body: error_body(fault).into(),
        }
    }

    /// The status stands in a comment, and in a line for older clients.
    fn stream_refusal(&self, fault: &Fault, _: &str, _: u64) -> Bytes {
        let status = fault.http_status();
        let head = format!("event:error\n:HTTP_STATUS/{status}\nstatus:{status}\ndata:");
        [head.as_bytes(), &error_body(fault), b"\n\n"]
            .concat()
            .into()
    }

    fn end_marker(&self) -> &'static [u8] {
        b""
    }

    fn ping(&self) -> Option<&'static [u8]> {
        Some(b":ping\n\n")
    }

    fn models(&self, models: &[Listed<'_>], query: &str) -> Bytes {
        listing::models(models, query)
    }

    fn model(&self, model: &Listed<'_>) -> Bytes {
        listing::models(std::slice::from_ref(model), "")
    }
}

/// `{code, message, error_code}`; `error_code` is our own code. Our id of the request stands in the headers.
fn error_body(fault: &Fault) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"code\":\"");
    out.extend_from_slice(vendor_code(fault).as_bytes());
    out.extend_from_slice(b"\",\"message\":\"");
    write_told(fault, &mut out);
    out.extend_from_slice(b"\",\"error_code\":\"");
    out.extend_from_slice(fault.public_code().as_str().as_bytes());
    out.extend_from_slice(b"\"}");
    out
}

/// The vendor's word for what happened (`vendors/tongyi.md`, section 6): its SDK's users branch on it.
fn vendor_code(fault: &Fault) -> &'static str {
    match fault.public_code() {
        Code::InvalidRequest if fault.http_status() == 404 => "NotFound",
        Code::InvalidRequest | Code::ContextLengthExceeded => "InvalidParameter",
        Code::RequestTooLarge => "RequestTooLarge",
        Code::InvalidApiKey => "InvalidApiKey",
        Code::PermissionDenied | Code::NoClearedProvider => "AccessDenied",
        Code::PolicyRefused | Code::ContentFiltered => "DataInspectionFailed",
        Code::ModelNotFound => "ModelNotFound",
        Code::RateLimitExceeded => "Throttling.RateQuota",
        Code::BudgetExceeded => "BudgetLimitExceeded",
        Code::UpstreamTimeout => "RequestTimeOut",
        Code::Overloaded => "ModelUnavailable",
        Code::UpstreamError | Code::InternalError => "InternalError",
    }
}

/// The choices of a reply or an event.
fn choices<'a>(root: Value<'a>) -> impl Iterator<Item = Value<'a>> {
    let choices = root
        .get("output")
        .and_then(|output| output.get("choices"))
        .filter(|choices| choices.kind() == Type::Array);
    choices.into_iter().flat_map(|choices| choices.elements())
}

/// Whether a whole reply is one: it has choices, or the text of the older shape.
fn is_reply(root: Value<'_>) -> bool {
    let output = root.get("output");
    let text = output.and_then(|output| output.get("text"));
    choices(root)
        .next()
        .is_some_and(|one| one.get("message").is_some())
        || text.is_some_and(|text| text.kind() == Type::String)
}

/// Whether an event is one of a reply.
fn is_event(root: Value<'_>) -> bool {
    let output = root.get("output");
    output.is_some_and(|output| output.kind() == Type::Object)
}

/// Why the first choice ended; without choices the reason stands beside the text.
fn finish(root: Value<'_>) -> Option<wire::facts::Finish> {
    match choices(root).next() {
        Some(choice) => lens::finish_of(choice),
        None => lens::finish_of(root.get("output")?),
    }
}

/// Whether the vendor says that it failed: by a code, by the event's name, or by the status in a comment.
fn is_error(event: &sse::Event<'_>, root: Value<'_>) -> bool {
    let code = root.get("code").and_then(|code| code.inner());
    let status_of = |comment: &[u8]| -> Option<u16> {
        let digits = comment.trim_ascii().strip_prefix(b"HTTP_STATUS/")?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    };
    code.is_some_and(|code| !code.is_empty())
        || event.name() == Some(b"error")
        || event
            .comments()
            .filter_map(status_of)
            .any(|status| status >= 400)
        || root.get("output").is_none() && lens::is_error(root)
}
