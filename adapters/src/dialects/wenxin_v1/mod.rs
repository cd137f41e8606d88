//! The legacy wenxinworkshop chat, upstream side.
//!
//! The model stands in the path, the system text beside the messages, the answer in `result`. Usage comes with every
//! event and grows; the end is `is_end`; an error is an `error_code`, always on status 200, in a stream as a bare line.

mod decode;
mod encode;
pub(crate) mod turns;

use wire::canon::Request;
use wire::facts::{EventFacts, Finish, ReplyFacts};
use wire::json::{self, Type, Value};
use wire::{Fault, sse};

use crate::dialect::{Decoder, Dialect, DialectId, Encoded, Lossy};
use crate::dialects::openai_chat::{lens, usage};
use crate::quirks::Quirks;
use crate::vendor::Call;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct WenxinV1;

impl Dialect for WenxinV1 {
    fn id(&self) -> DialectId {
        DialectId::WenxinV1
    }

    fn name(&self) -> &'static str {
        "wenxin-v1"
    }

    fn read_event(&self, event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
        lens::read_scanned(event, scratch, facts, |root, facts| {
            facts.error = lens::is_error(root);
            let result = root.get("result").and_then(|result| result.inner());
            facts.content = result.is_some_and(|text| !text.is_empty()) || calls(root).is_some();
            if is_end(root) {
                facts.finish = Some(finish(root));
                facts.done = true;
            }
            if let Some((span, usage)) = usage::usage_of(root) {
                facts.usage = Some(usage);
                facts.usage_span = span;
            }
        });
    }

    fn read_reply(&self, root: Value<'_>) -> ReplyFacts {
        ReplyFacts {
            usage: usage::usage_of(root).map(|(_, usage)| usage),
            finish: root.get("result").map(|_| finish(root)),
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

/// The one function call that an answer may hold.
fn calls<'a>(root: Value<'a>) -> Option<Value<'a>> {
    root.get("function_call")
        .filter(|call| call.kind() == Type::Object && call.get("name").is_some())
}

fn is_end(root: Value<'_>) -> bool {
    root.get("is_end").and_then(|end| end.as_bool()) == Some(true)
}

/// Why an answer ended. Older models give no reason; `normal` stands in every event and means nothing before the end.
fn finish(root: Value<'_>) -> Finish {
    let flag = |name: &str| root.get(name).and_then(|flag| flag.as_bool()) == Some(true);
    if flag("need_clear_history") {
        // The text is a canned refusal; the history must not be sent again.
        return Finish::ContentFilter;
    }
    let word = root.get("finish_reason").and_then(|word| word.as_str());
    match word.and_then(|word| lens::finish_word(&word)) {
        Some(Finish::Stop) | None if calls(root).is_some() => Finish::ToolCalls,
        Some(finish) => finish,
        None if flag("is_truncated") => Finish::Length,
        None => Finish::Stop,
    }
}
