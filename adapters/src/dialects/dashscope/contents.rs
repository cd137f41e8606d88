//! Where text stands in native requests and replies.
//!
//! Reads no text and decides nothing. Inert are the model's name, roles, and scalars that the dialect gives a fixed set of
//! words or a range of numbers.

use wire::facts::{Contents, Nested, RequestFacts, Said, Saying, Source};
use wire::hold::Lane;
use wire::json::{Tape, Type, Value};

use crate::dialects::openai_chat::contents::{ANSWER, BESIDE, NOT_SAID, collect, lane};
use crate::dialects::openai_chat::lens;
use crate::texts::{Mark, NONE, Own, Rules, note_parts};

const RULES: Rules = Rules {
    keys: &[
        "model",
        "input",
        "parameters",
        "messages",
        "prompt",
        "role",
        "content",
        "name",
        "type",
        "text",
        "image",
        "audio",
        "video",
        "file",
        "tool_calls",
        "id",
        "function",
        "arguments",
        "tool_call_id",
        "reasoning_content",
        "partial",
        "tools",
        "description",
        "strict",
        "properties",
        "required",
        "items",
        "enum",
        "additionalProperties",
        "tool_choice",
        "parallel_tool_calls",
        "result_format",
        "incremental_output",
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "stop",
        "n",
        "seed",
        "presence_penalty",
        "repetition_penalty",
        "logprobs",
        "top_logprobs",
        "response_format",
        "enable_thinking",
        "preserve_thinking",
        "thinking_budget",
        "enable_search",
        "search_options",
        "vl_high_resolution_images",
    ],
    words: &[
        "system",
        "user",
        "assistant",
        "tool",
        "function",
        "text",
        "message",
        "auto",
        "none",
        "json_object",
        "json_schema",
        "object",
        "string",
        "number",
        "integer",
        "boolean",
        "array",
    ],
    json: &["arguments"],
    media: &[
        "image",
        "audio",
        "video",
        "image_url",
        "video_url",
        "audio_url",
        "file_url",
        "file_list",
    ],
    coded: &[],
    places: &["file", "url"],
    holders: &["image_url", "video_url", "audio_url", "file_url"],
    kept: &["file_id", "file_ids", "pipeline_ids"],
};

/// The same of the body's own members.
const ROOT: Own = Own {
    numbers: &[],
    checked: &["model"],
};

/// The same of `parameters`.
const PARAMETERS: Own = Own {
    numbers: &[
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "n",
        "seed",
        "presence_penalty",
        "repetition_penalty",
        "thinking_budget",
        "top_logprobs",
    ],
    checked: &[],
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
        let inner = value.kind() == Type::Object;
        if inner && key.is_named("parameters") {
            for (key, value) in value.members() {
                add(contents, &NONE, None, key, Source::System, None);
                add(
                    contents,
                    &PARAMETERS,
                    Some(key),
                    value,
                    Source::System,
                    None,
                );
            }
        } else if inner && key.is_named("input") {
            for (key, value) in value.members() {
                if key.is_named("messages") {
                    for (turn, message) in value.elements().enumerate() {
                        let turn = u32::try_from(turn).ok();
                        let mark = Mark::of(contents);
                        add(contents, &NONE, None, message, source(message), turn);
                        note_parts(message.get("content"), mark, contents);
                    }
                } else {
                    add(contents, &NONE, None, key, Source::User, None);
                    add(contents, &NONE, Some(key), value, Source::User, None);
                }
            }
        } else {
            add(contents, &ROOT, Some(key), value, Source::System, None);
        }
    }
}

fn source(message: Value<'_>) -> Source {
    let role = message.get("role").and_then(|role| role.as_str());
    match role.as_deref() {
        Some("system") => Source::System,
        Some("assistant") => Source::Model,
        Some("tool" | "function") => Source::Tool,
        _ => Source::User,
    }
}

/// Members beside the answer that are the dialect's own.
const OWN: [&str; 3] = ["request_id", "status_code", "code"];

/// All texts of a reply or of one event of it. Pieces are increments: a stream that repeats itself is never forwarded.
pub(super) fn of_reply(data: &[u8], tape: &Tape, saying: &mut Saying) {
    let Some(root) = Value::root(tape, data) else {
        return;
    };
    for (key, value) in root.members() {
        match key.inner().unwrap_or_default() {
            "output" if value.kind() == Type::Object => of_output(data, tape, value, saying),
            name if NOT_SAID.contains(&name) || OWN.contains(&name) => {}
            _ => collect(data, tape, BESIDE, (Some(key), value), &mut saying.said),
        }
    }
}

fn of_output(data: &[u8], tape: &Tape, output: Value<'_>, saying: &mut Saying) {
    for (key, value) in output.members() {
        match key.inner().unwrap_or_default() {
            "choices" if value.kind() == Type::Array => {
                for (at, choice) in value.elements().enumerate() {
                    let index = choice.get("index").and_then(|index| index.as_u64());
                    let index = u32::try_from(index.unwrap_or(at as u64)).unwrap_or(BESIDE - 1);
                    of_choice(data, tape, index, choice, saying);
                }
            }
            "text" => answer(0, value, saying),
            "finish_reason" => {
                if lens::finish_of(output).is_some() {
                    saying.finished.push(0);
                }
            }
            _ => collect(data, tape, 0, (Some(key), value), &mut saying.said),
        }
    }
}

fn of_choice(data: &[u8], tape: &Tape, index: u32, choice: Value<'_>, saying: &mut Saying) {
    if lens::finish_of(choice).is_some() {
        saying.finished.push(index);
    }
    for (key, value) in choice.members() {
        match key.inner().unwrap_or_default() {
            "logprobs" if !value.is_null() => saying.repeats.push(value.span()),
            "message" => {
                for (key, value) in value.members() {
                    match key.inner().unwrap_or_default() {
                        "content" => of_content(data, tape, index, value, saying),
                        name if NOT_SAID.contains(&name) => {}
                        _ => collect(data, tape, index, (Some(key), value), &mut saying.said),
                    }
                }
            }
            name if NOT_SAID.contains(&name) => {}
            _ => collect(data, tape, index, (Some(key), value), &mut saying.said),
        }
    }
}

/// A text, or parts of which the texts are one.
fn of_content(data: &[u8], tape: &Tape, index: u32, content: Value<'_>, saying: &mut Saying) {
    if content.kind() != Type::Array {
        return answer(index, content, saying);
    }
    for part in content.elements() {
        for (key, value) in part.members() {
            if key.is_named("text") {
                answer(index, value, saying);
            } else {
                collect(data, tape, index, (Some(key), value), &mut saying.said);
            }
        }
    }
}

fn answer(index: u32, value: Value<'_>, saying: &mut Saying) {
    if let Some(span) = value.inner_span().filter(|span| !span.is_empty()) {
        saying.said.push(Said {
            lane: lane(index, ANSWER),
            span,
            nested: Nested::No,
            whole: false,
        });
    }
}

/// Whether a lane is a choice's own text.
pub(super) fn is_answer(lane: Lane) -> bool {
    crate::dialects::openai_chat::contents::is_answer(lane)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::json::{Limits, scan};

    fn said(data: &str) -> Vec<(String, bool)> {
        let tape = scan(data.as_bytes(), &Limits::default()).unwrap();
        let mut saying = Saying::default();
        of_reply(data.as_bytes(), &tape, &mut saying);
        let said = saying.said.iter();
        said.map(|said| (data[said.span.clone()].to_owned(), is_answer(said.lane)))
            .collect()
    }

    #[test]
    fn all_forms_of_an_answer() {
        let word = |text: &str, answer| (text.to_owned(), answer);
        let parts = r#"{"request_id":"r","output":{"choices":[{"finish_reason":"stop","message":{"role":"assistant","reasoning_content":"r","content":[{"text":"a"},{"image":"u"}]}}]},"usage":{"x":"y"}}"#;
        assert_eq!(
            said(parts),
            [word("r", false), word("a", true), word("u", false)]
        );
        let bare = r#"{"output":{"text":"t","finish_reason":"null","search_info":{"search_results":[{"title":"s"}]}}}"#;
        assert_eq!(said(bare), [word("t", true), word("s", false)]);
    }
}
