//! OpenAI's legacy completions: `POST /v1/completions`, both sides.
//!
//! A prompt goes on as text, without turns. Runtimes that have the endpoint get the request as it came; before all others a
//! single prompt is a user's turn, and what a chat cannot do (echo, suffix, several prompts) is refused. Prompts of token
//! ids are refused everywhere: nobody could inspect them. Replies are read as those of chat completions, which they are
//! but for where their text stands.

mod convert;
mod encode_reply;
mod request;

use bytes::Bytes;
use wire::Fault;
use wire::canon;
use wire::facts::{Contents, EventFacts, ReplyFacts, RequestFacts, Saying};
use wire::json::{self, Value};
use wire::sse;

use super::openai_chat::{OpenAiChat, contents, decode_reply, forward, lens, shape};
use crate::dialect::{
    ClientDialect, Decoder, Dialect, DialectId, Encoded, Encoder, ErrorBody, Forward, Lossy,
    ReplyHead,
};
use crate::places::{Asked, Asks, Endpoint, Listed};
use crate::quirks::Quirks;
use crate::vendor::Call;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct Completions;

impl Dialect for Completions {
    fn id(&self) -> DialectId {
        DialectId::Completions
    }

    fn name(&self) -> &'static str {
        "openai-completions"
    }

    fn read_event(&self, event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
        lens::read_completion(event, scratch, facts);
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
        convert::encode(request, call, quirks, lossy)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(decode_reply::Reader::default())
    }
}

impl ClientDialect for Completions {
    fn endpoints(&self) -> &'static [Endpoint] {
        &[Endpoint {
            path: "/v1/completions",
            asks: Asks::Reply,
        }]
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
        request::contents(body, facts)
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
        convert::decode(body, facts)
    }

    fn encoder(&self, reply: ReplyHead) -> Box<dyn Encoder> {
        Box::new(encode_reply::Writer::new(reply))
    }

    fn refusal(&self, fault: &Fault, id: &str) -> ErrorBody {
        OpenAiChat.refusal(fault, id)
    }

    fn stream_refusal(&self, fault: &Fault, id: &str, events: u64) -> Bytes {
        OpenAiChat.stream_refusal(fault, id, events)
    }

    fn end_marker(&self) -> &'static [u8] {
        OpenAiChat.end_marker()
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
}
