//! Chat completions as some vendors write them: nearly OpenAI's, but not so that its clients could read them.
//!
//! Replies without a finish reason or an id, wrapped in `data`, with a string for a delta, parts for a text, a single
//! call without a list, the whole text once more at the end, a verdict of moderation as an event of its own. A dialect of its own, so that what such a vendor says is
//! always written anew; requests are written as for OpenAI. Knows no vendor.

use bytes::Bytes;
use wire::Fault;
use wire::canon::{self, Str};
use wire::facts::{EventFacts, Finish, ReplyFacts};
use wire::json::{self, Value};
use wire::sse;

use super::openai_chat::decode_reply::{self, data_of, scan};
use super::openai_chat::{encode_request, lens, shape};
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
        if is_verdict(event) {
            read_verdict(event, scratch, facts);
        } else {
            lens::read_event(event, scratch, facts);
        }
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
        Box::new(Reader::default())
    }
}

/// What moderation says of an answer in the middle of it: `{suggestion, reply}`.
fn is_verdict(event: &sse::Event<'_>) -> bool {
    event.name() == Some(b"moderation")
}

/// Whether a verdict takes the answer back.
fn blocks(root: Value<'_>) -> bool {
    let word = root.get("suggestion");
    word.is_some_and(|word| word.is_named("block"))
}

fn read_verdict(event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
    let data = event.data().unwrap_or_default();
    if data.trim_ascii().is_empty() {
        return;
    }
    lens::read_object(&data, scratch, facts, |root, facts| {
        if blocks(root) {
            facts.content = root.get("reply").is_some_and(|reply| reply.has_text());
            facts.finish = Some(Finish::ContentFilter);
        }
    });
}

/// Reads replies as [`decode_reply::Reader`] does, and verdicts.
#[derive(Default)]
struct Reader {
    inner: decode_reply::Reader,
    tape: json::Tape,
}

impl Decoder for Reader {
    fn event(&mut self, event: &sse::Event<'_>, out: &mut Vec<canon::Event>) -> Result<(), Fault> {
        if !is_verdict(event) {
            return self.inner.event(event, out);
        }
        let Some(data) = data_of(event) else {
            return Ok(());
        };
        let root = scan(&data, &mut self.tape)?;
        if blocks(root) {
            let reply = root.get("reply").and_then(|reply| Str::of(&data, reply));
            self.inner.withdraw(&reply.unwrap_or_default(), out);
        }
        Ok(())
    }

    fn whole(
        &mut self,
        body: &Bytes,
        root: Value<'_>,
        out: &mut Vec<canon::Event>,
    ) -> Result<(), Fault> {
        self.inner.whole(body, root, out)
    }

    fn end(&mut self, out: &mut Vec<canon::Event>) -> Result<(), Fault> {
        self.inner.end(out)
    }
}
