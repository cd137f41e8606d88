//! DashScope's native text and multimodal generation, upstream side.
//!
//! Everything of the answer stands under `output`, settings under `parameters`; a running choice's finish reason is the
//! string `null`; usage comes with every event and grows; there is no end marker. An error is an object with a `code`,
//! whatever the status.

mod decode;
mod encode;

use wire::canon::Request;
use wire::facts::{EventFacts, ReplyFacts};
use wire::json::{self, Type, Value};
use wire::{Fault, sse};

use crate::dialect::{Decoder, Dialect, DialectId, Encoded, Lossy};
use crate::dialects::openai_chat::lens;
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
        let scanned = json::scan::scan_into(data, &lens::LIMITS, scratch);
        let root = Value::root(scratch, data).filter(|root| root.kind() == Type::Object);
        let (Ok(()), Some(root)) = (scanned, root) else {
            facts.malformed = true;
            return;
        };
        facts.error = is_error(event, root);
        let output = root.get("output");
        if let Some(text) = output.and_then(|output| output.get("text")) {
            facts.content |= text.inner().is_some_and(|text| !text.is_empty());
        }
        for choice in choices(root) {
            facts.content |= lens::has_content(choice);
        }
        facts.finish = finish(root);
        if let Some((span, usage)) = lens::usage_of(root) {
            facts.usage = Some(usage);
            facts.usage_span = span;
        }
    }

    fn read_reply(&self, root: Value<'_>) -> ReplyFacts {
        ReplyFacts {
            usage: lens::usage_of(root).map(|(_, usage)| usage),
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

/// The choices of a reply or an event.
fn choices<'a>(root: Value<'a>) -> impl Iterator<Item = Value<'a>> {
    let choices = root
        .get("output")
        .and_then(|output| output.get("choices"))
        .filter(|choices| choices.kind() == Type::Array);
    choices.into_iter().flat_map(|choices| choices.elements())
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
