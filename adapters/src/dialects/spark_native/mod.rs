//! iFlytek Spark's own messages, as they go over its WebSocket; upstream side.
//!
//! One JSON document goes up (`header`, `parameter`, `payload`); many come down, each with a `header` that says by its code
//! whether all is well, and by its status (0 first, 1, 2 last) whether more will come. A one-message answer has status 2.
//! Usage stands in the last, and there is no reason for an end; a function call has no id and is the only one. The
//! connection stays open behind the last message: who reads must know that it was the last ([`Decoder::is_over`]).

mod decode;
pub(crate) mod encode;

use wire::canon::Request;
use wire::facts::{EventFacts, Finish, ReplyFacts, Usage};
use wire::json::{self, Type, Value};
use wire::{Fault, sse};

use crate::dialect::{Decoder, Dialect, DialectId, Encoded, Lossy};
use crate::dialects::openai_chat::{lens, usage};
use crate::quirks::Quirks;
use crate::vendor::Call;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct SparkNative;

impl Dialect for SparkNative {
    fn id(&self) -> DialectId {
        DialectId::SparkNative
    }

    fn name(&self) -> &'static str {
        "spark-native"
    }

    fn read_event(&self, event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
        lens::read_scanned(event, scratch, facts, |root, facts| {
            facts.error = failed(root);
            let filled = |text: Option<Value<'_>>| {
                text.and_then(|text| text.inner())
                    .is_some_and(|inner| !inner.is_empty())
            };
            facts.content = texts(root).any(|text| {
                filled(text.get("content"))
                    || filled(text.get("reasoning_content"))
                    || call(text).is_some()
            });
            if is_last(root) && !facts.error {
                facts.finish = Some(finish(root));
                facts.done = true;
            }
            if let Some((span, usage)) = usage(root) {
                facts.usage = Some(usage);
                facts.usage_span = span;
            }
        });
    }

    fn read_reply(&self, root: Value<'_>) -> ReplyFacts {
        ReplyFacts {
            usage: usage(root).map(|(_, usage)| usage),
            finish: is_last(root).then(|| finish(root)),
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

/// Whether a message says by its code that something failed.
fn failed(root: Value<'_>) -> bool {
    let code = root.get("header").and_then(|header| header.get("code"));
    code.is_some_and(|code| !code.is_null() && code.as_u64() != Some(0))
}

/// What is said in a message.
fn texts(root: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    let choices = root
        .get("payload")
        .and_then(|payload| payload.get("choices"));
    let text = choices.and_then(|choices| choices.get("text"));
    text.into_iter().flat_map(|text| text.elements())
}

/// The function call that a text may hold.
fn call(text: Value<'_>) -> Option<Value<'_>> {
    text.get("function_call")
        .filter(|call| call.kind() == Type::Object && call.get("name").is_some())
}

/// Whether a message is the last of its answer.
fn is_last(root: Value<'_>) -> bool {
    let choices = root
        .get("payload")
        .and_then(|payload| payload.get("choices"));
    let says = |holder: Option<Value<'_>>| {
        let status = holder.and_then(|holder| holder.get("status"));
        status.and_then(|status| status.as_u64()) == Some(2)
    };
    says(root.get("header")) || says(choices)
}

/// Why an answer ended: nothing is said of it.
fn finish(root: Value<'_>) -> Finish {
    if texts(root).any(|text| call(text).is_some()) {
        Finish::ToolCalls
    } else {
        Finish::Stop
    }
}

/// The counts, and where they stand. Those of the question alone, without its history, are passed over.
fn usage(root: Value<'_>) -> Option<(std::ops::Range<usize>, Usage)> {
    let usage = root.get("payload")?.get("usage")?.get("text")?;
    Some((usage.span(), usage::read_usage(usage)?))
}

#[cfg(test)]
mod tests;
