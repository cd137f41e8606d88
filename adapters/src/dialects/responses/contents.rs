//! Where text stands in requests of this dialect.
//!
//! Reads no text and decides nothing. What is inert here: the model's name, the dialect's own words, numbers that it gives
//! a range, and encrypted thoughts (one long word in base64 that only its vendor can make). Ids are text, since a client
//! may write into them what it likes.

use wire::facts::{Contents, RequestFacts, Source};
use wire::json::{Type, Value};

use super::items;
use crate::texts::{Mark, NONE, Own, Rules, note_parts};

/// Request fields.
const RULES: Rules = Rules {
    keys: &[
        "model",
        "input",
        "instructions",
        "type",
        "role",
        "content",
        "text",
        "id",
        "call_id",
        "name",
        "arguments",
        "output",
        "summary",
        "encrypted_content",
        "status",
        "image_url",
        "file_id",
        "file_data",
        "file_url",
        "filename",
        "detail",
        "input_audio",
        "data",
        "format",
        "annotations",
        "logprobs",
        "refusal",
        "tools",
        "description",
        "parameters",
        "strict",
        "properties",
        "required",
        "items",
        "enum",
        "additionalProperties",
        "tool_choice",
        "parallel_tool_calls",
        "stream",
        "stream_options",
        "include_obfuscation",
        "temperature",
        "top_p",
        "max_output_tokens",
        "max_tool_calls",
        "top_logprobs",
        "reasoning",
        "effort",
        "include",
        "store",
        "background",
        "previous_response_id",
        "conversation",
        "prompt",
        "truncation",
        "metadata",
        "user",
        "safety_identifier",
        "service_tier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_cache_options",
        "verbosity",
        "schema",
        "mode",
        "phase",
        "context_management",
        "moderation",
    ],
    words: &[
        "system",
        "developer",
        "user",
        "assistant",
        "message",
        "input_text",
        "output_text",
        "input_image",
        "input_file",
        "input_audio",
        "refusal",
        "reasoning",
        "reasoning_text",
        "summary_text",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "function",
        "custom",
        "completed",
        "in_progress",
        "incomplete",
        "auto",
        "none",
        "required",
        "allowed_tools",
        "text",
        "json_object",
        "json_schema",
        "object",
        "string",
        "number",
        "integer",
        "boolean",
        "array",
        "minimal",
        "low",
        "medium",
        "high",
        "xhigh",
        "max",
        "concise",
        "detailed",
        "disabled",
        "reasoning.encrypted_content",
        "message.output_text.logprobs",
        "message.input_image.image_url",
        "default",
        "flex",
        "priority",
    ],
    json: &["arguments"],
    media: &["file_data", "partial_image_b64", "image_url", "file_url"],
    coded: &["data", "result"],
    places: &["url"],
    holders: &["input_audio", "image_url"],
    kept: &["file_id", "file_ids", "vector_store_ids", "container"],
};

/// The same of the body's own members.
const ROOT: Own = Own {
    numbers: &[
        "temperature",
        "top_p",
        "max_output_tokens",
        "max_tool_calls",
        "top_logprobs",
    ],
    checked: &["model"],
};

/// All texts of a request.
pub(super) fn of_request(body: &[u8], facts: &RequestFacts) -> Contents {
    let mut contents = Contents::default();
    if let Some(root) = Value::root(&facts.tape, body) {
        of_root(root, body, facts, &mut contents);
    }
    contents
}

fn of_root(root: Value<'_>, body: &[u8], facts: &RequestFacts, contents: &mut Contents) {
    let add = |contents: &mut Contents, own, key, value, source, turn| {
        let member = (key, value);
        RULES.collect_of(own, &facts.tape, body, member, (source, turn), contents);
    };
    for (key, value) in root.members() {
        // The key itself too: an unknown one may say anything.
        add(contents, &NONE, None, key, Source::System, None);
        if !key.is_named("input") {
            add(contents, &ROOT, Some(key), value, Source::System, None);
            continue;
        }
        if value.kind() != Type::Array {
            add(contents, &NONE, Some(key), value, Source::User, Some(0));
            continue;
        }
        for (turn, item) in value.elements().enumerate() {
            let (source, turn) = (source_of(item), u32::try_from(turn).ok());
            if item.kind() != Type::Object {
                add(contents, &NONE, None, item, source, turn);
                continue;
            }
            for (key, value) in item.members() {
                add(contents, &NONE, None, key, source, turn);
                let mark = Mark::of(contents);
                let proof = key.is_named("encrypted_content")
                    && value.inner().is_some_and(items::is_opaque);
                if !proof {
                    add(contents, &NONE, Some(key), value, source, turn);
                }
                if key.is_named("content") {
                    note_parts(Some(value), mark, contents);
                }
            }
        }
    }
}

fn source_of(item: Value<'_>) -> Source {
    let role = item.get("role").and_then(|role| role.as_str());
    let kind = item.get("type").and_then(|kind| kind.as_str());
    match (role.as_deref(), kind.as_deref()) {
        (Some("system" | "developer"), _) => Source::System,
        (Some("assistant"), _) => Source::Model,
        (Some("user"), _) => Source::User,
        (_, Some(kind)) if kind.ends_with("_output") || kind.starts_with("mcp_list") => {
            Source::Tool
        }
        (_, Some(kind)) if kind == "reasoning" || kind.ends_with("_call") => Source::Model,
        _ => Source::User,
    }
}
