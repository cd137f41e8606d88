//! Lens over generateContent replies: text or not, usage, why it ended, error, for every event of a stream.
//!
//! Every event counts, so every one is scanned; nothing is copied. Knows no vendor.

use wire::facts::{EventFacts, Finish, ReplyFacts, Usage};
use wire::json::{self, Type, Value};
use wire::sse;

use super::names::{at, get};
use crate::dialects::openai_chat::lens::read_scanned;
use crate::dialects::openai_chat::shape::is_list_of_objects;
use crate::places::Asks;

/// Reads one event.
pub(super) fn read_event(event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
    read_scanned(event, scratch, facts, read_root);
}

fn read_root(root: Value<'_>, facts: &mut EventFacts) {
    if is_error(root) {
        facts.error = true;
        return;
    }
    let candidates = get(root, "candidates");
    for candidate in candidates.iter().flat_map(Value::elements) {
        for part in parts(candidate) {
            facts.content |= has_content(part);
            facts.text_bytes += text_bytes(part);
        }
        facts.finish = facts.finish.or_else(|| finish_of(candidate));
    }
    if blocked(root) {
        facts.finish = Some(Finish::ContentFilter);
    }
    if let Some((value, usage)) = usage_of(root) {
        facts.usage = Some(usage);
        facts.usage_span = value.span();
    }
    facts.malformed = !is_event(root);
}

/// Whether an event is one of a reply: it has candidates, or says why there are none, or what it cost.
pub(super) fn is_event(root: Value<'_>) -> bool {
    let holds = |name: &str| get(root, name).is_some_and(|one| one.kind() == Type::Object);
    match get(root, "candidates") {
        Some(candidates) => is_list_of_objects(&candidates),
        None => holds("promptFeedback") || holds("usageMetadata"),
    }
}

/// Whether a whole reply is one to what was asked.
pub(super) fn is_reply(asks: Asks, root: Value<'_>) -> bool {
    let says = |candidate: Value<'_>| {
        let holds = |name: &str| get(candidate, name).is_some();
        holds("content") || holds("finishReason")
    };
    let mut candidates = get(root, "candidates")
        .into_iter()
        .flat_map(|all| all.elements());
    match asks {
        Asks::Reply => is_event(root) && candidates.all(says),
        Asks::Count => get(root, "totalTokens").is_some_and(|total| total.as_u64().is_some()),
        _ => false,
    }
}

/// Reads a whole reply.
pub(super) fn read_reply(root: Value<'_>) -> ReplyFacts {
    let candidates = get(root, "candidates");
    let first = candidates.and_then(|all| all.elements().next());
    let blocked = blocked(root).then_some(Finish::ContentFilter);
    ReplyFacts {
        usage: usage_of(root).map(|(_, usage)| usage),
        finish: first.and_then(finish_of).or(blocked),
        odd_finishes: Vec::new(),
        ..ReplyFacts::default()
    }
}

/// The parts of a candidate.
pub(super) fn parts<'a>(candidate: Value<'a>) -> impl Iterator<Item = Value<'a>> {
    let parts = at(candidate, &["content", "parts"]);
    parts.into_iter().flat_map(|parts| parts.elements())
}

fn has_content(part: Value<'_>) -> bool {
    let holds = |name: &str| get(part, name).is_some();
    get(part, "text").is_some_and(|text| text.has_text())
        || [
            "functionCall",
            "inlineData",
            "executableCode",
            "codeExecutionResult",
        ]
        .into_iter()
        .any(holds)
}

/// About how many bytes of text a part holds.
fn text_bytes(part: Value<'_>) -> u64 {
    let words = ["text", "functionCall", "executableCode"];
    let held = words.into_iter().filter_map(|name| get(part, name));
    held.map(|value| value.plain_len()).sum()
}

/// Whether a reply's root says that the vendor failed.
pub(super) fn is_error(root: Value<'_>) -> bool {
    get(root, "error").is_some_and(|error| error.kind() == Type::Object)
}

/// Whether the vendor's filter let the prompt not pass: then there are no candidates.
pub(super) fn blocked(root: Value<'_>) -> bool {
    let reason = at(root, &["promptFeedback", "blockReason"]);
    reason.is_some_and(|reason| reason.has_text() && !reason.is_named(UNSPECIFIED_BLOCK))
}

const UNSPECIFIED_BLOCK: &str = "BLOCK_REASON_UNSPECIFIED";

/// Why a candidate ended; calls of tools end with a plain stop here.
pub(super) fn finish_of(candidate: Value<'_>) -> Option<Finish> {
    let word = get(candidate, "finishReason")?.as_str()?;
    Some(match &*word {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Finish::ContentFilter,
        // An open enum: what nobody knows is a natural end.
        _ => Finish::Stop,
    })
}

/// Whether a candidate ended because what the model wrote could not be read as a call.
pub(super) fn is_malformed(candidate: Value<'_>) -> bool {
    get(candidate, "finishReason").is_some_and(|reason| {
        [
            "MALFORMED_FUNCTION_CALL",
            "MALFORMED_RESPONSE",
            "UNEXPECTED_TOOL_CALL",
        ]
        .iter()
        .any(|word| reason.is_named(word))
    })
}

/// Usage in the nesting of our own: thoughts are part of what was generated, what tools brought part of the prompt.
pub(crate) fn usage_of<'a>(root: Value<'a>) -> Option<(Value<'a>, Usage)> {
    let value = get(root, "usageMetadata").filter(|value| value.kind() == Type::Object)?;
    let given = |name: &str| get(value, name).and_then(|count| count.as_u64());
    let count = |name: &str| given(name).unwrap_or(0);
    let reasoning = count("thoughtsTokenCount");
    let prompt = count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount"));
    let total = given("totalTokenCount");
    // Where only the whole is told, what is not the prompt was generated.
    let said = given("candidatesTokenCount")
        .or_else(|| total?.checked_sub(prompt.saturating_add(reasoning)));
    let usage = Usage {
        prompt,
        completion: said.unwrap_or(0).saturating_add(reasoning),
        cached: count("cachedContentTokenCount"),
        cache_write: 0,
        reasoning,
    };
    let told = given("promptTokenCount").or(total).or(said);
    told.map(|_| (value, usage.clamped()))
}
