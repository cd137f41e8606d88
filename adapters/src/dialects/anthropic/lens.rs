//! Lens over messages replies: text or not, usage, stop, error, for every event of a stream.
//!
//! Most events carry a piece of text and nothing else; they are told by their beginning and one search, and cost no scan
//! and no allocation. Knows no vendor. Each event is read by itself: that the last usage may not count the prompt any more
//! is for [`Usage::after`] to mend.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use wire::facts::{EventFacts, Finish, ReplyFacts, Usage};
use wire::json::{self, Type, Value};
use wire::sse;

use crate::dialects::openai_chat::lens::read_object;
use crate::dialects::openai_chat::shape::{is_list_of_objects, is_wordless};
use crate::places::Asks;

/// How an event with a piece begins.
const DELTA: &[u8] = b"{\"type\":\"content_block_delta\",\"index\":";

struct Probes {
    pieces: [Finder<'static>; 3],
}

/// A quote inside a JSON string is escaped, so these find members only.
static PROBES: LazyLock<Probes> = LazyLock::new(|| Probes {
    pieces: [
        Finder::new(b"{\"type\":\"text_delta\",\"text\":\""),
        Finder::new(b"{\"type\":\"input_json_delta\",\"partial_json\":\""),
        Finder::new(b"{\"type\":\"thinking_delta\",\"thinking\":\""),
    ],
});

/// Reads one event.
pub(super) fn read_event(event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
    let Some(data) = event.data() else {
        // A line that is no field: some servers write an error so.
        if let Some(bare) = event.bare_json() {
            read_slow(bare, scratch, facts);
        }
        return;
    };
    if let Some(bytes) = piece(&data) {
        (facts.content, facts.text_bytes) = (true, bytes);
    } else if !data.trim_ascii().is_empty() {
        read_slow(&data, scratch, facts);
    }
    if event.word() == Some("error") {
        (facts.error, facts.malformed) = (true, false);
    }
}

/// About how many bytes of text, a thought or arguments an event carries that surely carries some, and nothing that asks
/// for a closer look.
fn piece(data: &[u8]) -> Option<u64> {
    let rest = data.strip_prefix(DELTA)?;
    let head = rest.get(..rest.len().min(64)).unwrap_or_default();
    let behind = PROBES.pieces.iter().find_map(|probe| {
        // From its first quote on.
        let at = probe.find(head)? + probe.needle().len() - 1;
        rest.get(at..)
    })?;
    let plain = !behind.starts_with(b"\"\"") && data.trim_ascii_end().ends_with(b"}");
    plain.then(|| json::string_len(behind))
}

fn read_slow(data: &[u8], scratch: &mut json::Tape, facts: &mut EventFacts) {
    read_object(data, scratch, facts, read_root);
}

fn read_root(root: Value<'_>, facts: &mut EventFacts) {
    if is_error(root) {
        facts.error = true;
        return;
    }
    let kind = root.get("type").and_then(|kind| kind.as_str());
    match kind.as_deref() {
        Some("message_start") => {
            let message = root.get("message");
            facts.malformed = !is_object(message);
            usage_into(message.and_then(|message| message.get("usage")), facts);
        }
        Some("content_block_start") => {
            let block = root.get("content_block");
            facts.malformed = !is_object(block);
            facts.content = block.is_some_and(|block| {
                let has = |name: &str| block.get(name).is_some_and(|one| one.has_text());
                has("text")
                    || has("thinking")
                    || block
                        .get("type")
                        .is_some_and(|kind| kind.is_named("tool_use"))
            });
        }
        Some("content_block_delta") => {
            let delta = root.get("delta");
            facts.malformed = !is_object(delta);
            for name in ["text", "thinking", "partial_json"] {
                if let Some(piece) = delta.and_then(|delta| delta.get(name)) {
                    facts.content |= piece.has_text();
                    facts.text_bytes += piece.plain_len();
                }
            }
        }
        Some("message_delta") => {
            facts.finish = root.get("delta").and_then(finish_of);
            usage_into(root.get("usage"), facts);
        }
        Some("message_stop") => facts.done = true,
        Some("content_block_stop") => {}
        // Pings, and events that are not known yet.
        Some(_) => facts.malformed = !is_wordless(root),
        None => facts.malformed = true,
    }
}

/// Whether events of that type are part of a reply, and not its end.
pub(super) fn says(kind: &str) -> bool {
    kind.starts_with("content_block_") || matches!(kind, "message_start" | "message_delta")
}

fn is_object(value: Option<Value<'_>>) -> bool {
    value.is_some_and(|value| value.kind() == Type::Object)
}

/// Whether a whole reply is one to what was asked.
pub(super) fn is_reply(asks: Asks, root: Value<'_>) -> bool {
    match asks {
        Asks::Reply => {
            let kind = root.get("type");
            let content = root.get("content");
            kind.is_none_or(|kind| kind.is_named("message"))
                && content.is_some_and(|content| is_list_of_objects(&content))
        }
        Asks::Count => root
            .get("input_tokens")
            .is_some_and(|count| count.as_u64().is_some()),
        _ => false,
    }
}

fn usage_into(usage: Option<Value<'_>>, facts: &mut EventFacts) {
    if let Some(usage) = usage
        && let Some(counts) = Counts::default().with(usage)
    {
        facts.usage = Some(counts.usage());
        facts.usage_span = usage.span();
    }
}

/// Whether a reply's root says that the vendor failed.
pub(super) fn is_error(root: Value<'_>) -> bool {
    root.get("type").is_some_and(|kind| kind.is_named("error"))
        || root
            .get("error")
            .is_some_and(|error| error.kind() == Type::Object)
}

/// Why a message ended, of what holds `stop_reason`.
pub(super) fn finish_of(holder: Value<'_>) -> Option<Finish> {
    let word = holder.get("stop_reason")?.as_str()?;
    Some(match &*word {
        "" => return None,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        // An open enum: what nobody knows is a natural end.
        _ => Finish::Stop,
    })
}

/// What a message has counted so far: a later report replaces what it names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    input: Option<u64>,
    written: Option<u64>,
    read: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Counts {
    /// With what a `usage` object says; `None` if it counts nothing.
    pub(super) fn with(mut self, usage: Value<'_>) -> Option<Self> {
        let mut any = false;
        for (key, value) in usage.members() {
            let count = value.as_u64();
            let place = match &*key.text_bytes() {
                b"input_tokens" => &mut self.input,
                b"cache_creation_input_tokens" => &mut self.written,
                b"cache_read_input_tokens" => &mut self.read,
                b"output_tokens" => &mut self.output,
                b"output_tokens_details" => {
                    let thinking = value.get("thinking_tokens").and_then(|one| one.as_u64());
                    self.thinking = thinking.or(self.thinking);
                    continue;
                }
                _ => continue,
            };
            if count.is_some() {
                *place = count;
                any = true;
            }
        }
        any.then_some(self)
    }

    /// In the nesting of our own: what was read from and written to a cache is part of the prompt.
    pub(super) fn usage(self) -> Usage {
        let count = |count: Option<u64>| count.unwrap_or(0);
        let cached = count(self.read);
        let cache_write = count(self.written);
        Usage {
            prompt: count(self.input)
                .saturating_add(cached)
                .saturating_add(cache_write),
            completion: count(self.output),
            cached,
            cache_write,
            reasoning: count(self.thinking),
        }
        .clamped()
    }
}

/// Reads a whole reply.
pub(super) fn read_reply(root: Value<'_>) -> ReplyFacts {
    let counts = root
        .get("usage")
        .and_then(|usage| Counts::default().with(usage));
    ReplyFacts {
        usage: counts.map(Counts::usage),
        finish: finish_of(root),
        odd_finishes: Vec::new(),
        ..ReplyFacts::default()
    }
}
