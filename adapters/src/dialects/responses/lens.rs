//! Lens over replies of this dialect: text or not, usage, end, error, for every event of a stream.
//!
//! Nearly all events carry a piece and nothing else; they are told by their name and one search, and cost no scan and no
//! allocation. Knows no vendor.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use wire::facts::{EventFacts, Finish, ReplyFacts};
use wire::json::{self, Value};
use wire::sse;

use crate::dialects::openai_chat::lens::read_object;
use crate::dialects::openai_chat::shape::{is_list_of_objects, is_wordless};
use crate::dialects::openai_chat::usage::read_usage;
use crate::places::Asks;

/// A quote inside a JSON string is escaped, so this finds a member only.
static PIECE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"delta\":\""));

/// Reads one event.
pub(super) fn read_event(event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
    let Some(data) = event.data() else {
        // A line that is no field: some servers write an error so.
        if let Some(bare) = event.bare_json() {
            read_slow(bare, scratch, facts);
        }
        return;
    };
    let name = event.word();
    if let Some(name) = name.filter(|name| is_delta(name))
        && let Some(bytes) = piece(&data)
    {
        facts.content = true;
        facts.text_bytes = if is_sound(name) { 0 } else { bytes };
    } else if !data.trim_ascii().is_empty() {
        read_slow(&data, scratch, facts);
    }
    if name == Some("error") {
        (facts.error, facts.malformed) = (true, false);
    }
}

/// Whether an event of that type carries a piece of something.
pub(super) fn is_delta(kind: &str) -> bool {
    kind.starts_with("response.") && kind.ends_with(".delta")
}

/// Whether the pieces of that type are no text.
fn is_sound(kind: &str) -> bool {
    kind.contains("audio")
}

/// About how many bytes of text data holds that surely holds a piece that is not empty.
fn piece(data: &[u8]) -> Option<u64> {
    // From its first quote on.
    let at = PIECE.find(data)? + PIECE.needle().len() - 1;
    let behind = data.get(at..)?;
    let plain = behind.get(1).is_some_and(|first| *first != b'"')
        && data.first() == Some(&b'{')
        && data.trim_ascii_end().last() == Some(&b'}');
    plain.then(|| json::string_len(behind))
}

fn read_slow(data: &[u8], scratch: &mut json::Tape, facts: &mut EventFacts) {
    // The dialect has no such end, but servers that speak others too send it.
    if data.trim_ascii_start().starts_with(b"[DONE]") {
        return;
    }
    read_object(data, scratch, facts, read_root);
}

fn read_root(root: Value<'_>, facts: &mut EventFacts) {
    let kind = root.get("type").and_then(|kind| kind.as_str());
    let Some(kind) = kind else {
        let error = root.get("error").is_some_and(|error| !error.is_null());
        (facts.error, facts.malformed) = (error, !error);
        return;
    };
    match &*kind {
        "error" | "response.failed" => facts.error = true,
        "response.completed" | "response.incomplete" => {
            facts.done = true;
            let response = root.get("response");
            facts.finish = response.map(finish_of);
            if let Some(usage) = response.and_then(|response| response.get("usage"))
                && let Some(counts) = read_usage(usage)
            {
                facts.usage = Some(counts);
                facts.usage_span = usage.span();
            }
        }
        "response.output_item.added" => {
            // A call begins; a message or a thought has said nothing yet.
            let item = root.get("item").and_then(|item| item.get("type"));
            facts.content =
                item.is_some_and(|kind| !kind.is_named("message") && !kind.is_named("reasoning"));
        }
        kind if is_delta(kind) => {
            let piece = root.get("delta");
            facts.content = piece.is_some_and(|piece| piece.has_text());
            let text = piece.filter(|_| !is_sound(kind));
            facts.text_bytes = text.map_or(0, |piece| piece.plain_len());
        }
        // The whole of what came in pieces, and events that are not known yet.
        kind => facts.malformed = !is_event(kind, root),
    }
}

/// Whether an event of a kind of which nothing need be known may be one of a reply.
pub(super) fn is_event(kind: &str, root: Value<'_>) -> bool {
    kind.starts_with("response.") || is_wordless(root)
}

/// Whether a whole reply is one to what was asked.
pub(super) fn is_reply(asks: Asks, root: Value<'_>) -> bool {
    match asks {
        Asks::Reply => {
            let output = root.get("output");
            output.is_some_and(|output| is_list_of_objects(&output))
        }
        Asks::Count => root
            .get("input_tokens")
            .is_some_and(|count| count.as_u64().is_some()),
        _ => false,
    }
}

/// Why a response ended.
pub(super) fn finish_of(response: Value<'_>) -> Finish {
    let is = |holder: Value<'_>, key: &str, word: &str| {
        holder.get(key).is_some_and(|value| value.is_named(word))
    };
    if is(response, "status", "failed") {
        return Finish::Failed;
    }
    let reason = response
        .get("incomplete_details")
        .and_then(|details| details.get("reason"));
    if let Some(reason) = reason {
        return if reason.is_named("content_filter") {
            Finish::ContentFilter
        } else {
            Finish::Length
        };
    }
    if is(response, "status", "incomplete") {
        return Finish::Length;
    }
    let output = response.get("output");
    let called = output
        .iter()
        .flat_map(Value::elements)
        .any(|item| is(item, "type", "function_call") || is(item, "type", "custom_tool_call"));
    if called {
        Finish::ToolCalls
    } else {
        Finish::Stop
    }
}

/// Reads a whole reply.
pub(super) fn read_reply(root: Value<'_>) -> ReplyFacts {
    ReplyFacts {
        usage: root.get("usage").and_then(read_usage),
        finish: Some(finish_of(root)),
        odd_finishes: Vec::new(),
        ..ReplyFacts::default()
    }
}
