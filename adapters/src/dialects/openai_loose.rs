//! Chat completions as some vendors write them: nearly OpenAI's, but not so that its clients could read them.
//!
//! Replies without a finish reason or an id, wrapped in `data`, with a string for a delta, parts for a text, a single
//! call without a list, the whole text once more at the end. A dialect of its own, so that what such a vendor says is
//! always written anew; requests are written as for OpenAI. Knows no vendor.

use wire::Fault;
use wire::canon;
use wire::facts::{EventFacts, ReplyFacts};
use wire::json::{self, Value};
use wire::sse;

use super::openai_chat::{decode_reply, encode_request, lens};
use crate::dialect::{Decoder, Dialect, DialectId, Encoded, Lossy};
use crate::quirks::Quirks;
use crate::vendor::Call;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct OpenAiLoose;

impl Dialect for OpenAiLoose {
    fn id(&self) -> DialectId {
        DialectId::OpenAiLoose
    }

    fn name(&self) -> &'static str {
        "openai-loose"
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
