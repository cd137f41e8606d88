//! Where text stands in chat-completions requests and replies.
//!
//! Reads no text and decides nothing. What is inert here: the model's name, roles, and scalars that the dialect gives a
//! fixed set of words or a range of numbers; ids are text, since a client may write into them what it likes.

use smallvec::SmallVec;
use wire::facts::{Contents, Nested, RequestFacts, Said, Saying, Source};
use wire::hold::Lane;
use wire::json::{Tape, Type, Value};

use crate::texts::{Leaf, Mark, Own, Rules, is_coded, is_one, leaves, note_parts};

/// Request fields.
const RULES: Rules = Rules {
    keys: &[
        "model",
        "messages",
        "role",
        "content",
        "name",
        "type",
        "text",
        "image_url",
        "url",
        "detail",
        "input_audio",
        "data",
        "format",
        "file",
        "file_data",
        "file_id",
        "filename",
        "tool_calls",
        "id",
        "function",
        "arguments",
        "tool_call_id",
        "refusal",
        "reasoning_content",
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
        "include_usage",
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "n",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "response_format",
        "json_schema",
        "schema",
        "reasoning_effort",
        "user",
        "metadata",
        "store",
        "service_tier",
        "extra_body",
        "enable_thinking",
        "thinking",
        "top_k",
        "safety_identifier",
        "prompt_cache_key",
        "verbosity",
        "modalities",
        "audio",
        "voice",
        "prediction",
        "web_search_options",
    ],
    words: &[
        "system",
        "developer",
        "user",
        "assistant",
        "tool",
        "function",
        "text",
        "image_url",
        "input_audio",
        "file",
        "refusal",
        "auto",
        "none",
        "required",
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
        "file_data",
        "b64_json",
        "images",
        "image_url",
        "video_url",
        "audio_url",
        "file_url",
        "image_embeds",
        "audio_embeds",
        "prompt_embeds",
        "image_pil",
    ],
    coded: &["data"],
    places: &["url", "image", "audio", "video"],
    holders: &[
        "input_audio",
        "image_url",
        "video_url",
        "audio_url",
        "file_url",
        "file",
    ],
    kept: &["file_id", "file_ids", "vector_store_ids", "knowledge_id"],
};

/// The same of the body's own members.
const ROOT: Own = Own {
    numbers: &[
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "top_logprobs",
    ],
    checked: &["model"],
};

/// All texts of a request.
pub(super) fn of_request(body: &[u8], facts: &RequestFacts) -> Contents {
    let mut contents = Contents::default();
    let Some(root) = Value::root(&facts.tape, body) else {
        return contents;
    };
    for (key, value) in root.members() {
        let mut add = |key, value, source, turn| {
            RULES.collect_of(
                &ROOT,
                &facts.tape,
                body,
                (key, value),
                (source, turn),
                &mut contents,
            );
        };
        if !key.is_named("messages") {
            // A prediction is the text that a user wants to have changed.
            let source = if key.is_named("prediction") {
                Source::User
            } else {
                Source::System
            };
            // The key itself too: an unknown one may say anything.
            add(None, key, source, None);
            add(Some(key), value, source, None);
            continue;
        }
        for (turn, message) in value.elements().enumerate() {
            let role = message.get("role").and_then(|role| role.as_str());
            let source = match role.as_deref() {
                Some("system" | "developer") => Source::System,
                Some("assistant") => Source::Model,
                Some("tool" | "function") => Source::Tool,
                _ => Source::User,
            };
            let mark = Mark::of(&contents);
            RULES.collect(
                &facts.tape,
                body,
                (None, message),
                (source, u32::try_from(turn).ok()),
                &mut contents,
            );
            note_parts(message.get("content"), mark, &mut contents);
        }
    }
    contents
}

/// Members of a reply that are the dialect's, not the model's.
pub(crate) const NOT_SAID: [&str; 14] = [
    "id",
    "object",
    "model",
    "created",
    "role",
    "type",
    "finish_reason",
    "index",
    "usage",
    "system_fingerprint",
    "service_tier",
    "logprobs",
    "native_finish_reason",
    "stop_reason",
];
/// Members of a delta that are complete in one event. All others, unknown ones too, may come piece by piece.
const COMPLETE: [&str; 4] = ["id", "name", "call_id", "tool_call_id"];
/// The field of a choice's own text, in any delta or message.
pub(crate) const ANSWER: u32 = u32::MAX;
/// The text of a transcript's segments.
const SEGMENTS: u32 = u32::MAX - 1;
/// What stands beside the choices.
pub(crate) const BESIDE: u32 = u32::MAX;

/// All texts of a reply or of one event of it.
pub(crate) fn of_reply(data: &[u8], tape: &Tape, saying: &mut Saying) {
    let Some(root) = Value::root(tape, data) else {
        return;
    };
    for (key, value) in root.members() {
        let name = key.inner_bytes().unwrap_or_default();
        if name == b"delta"
            && let Some(span) = value.inner_span().filter(|span| !span.is_empty())
        {
            // A piece of a transcript.
            saying.said.push(Said {
                lane: lane(0, ANSWER),
                span,
                nested: Nested::No,
                whole: false,
            });
        } else if name == b"type" && value.is_named("transcript.text.done") {
            saying.finished.push(0);
        } else if name == b"choices" && value.kind() == Type::Array {
            for (at, choice) in value.elements().enumerate() {
                let index = choice.get("index").and_then(|index| index.as_u64());
                let index = index.unwrap_or(at as u64);
                let index = u32::try_from(index).unwrap_or(BESIDE - 1);
                of_choice(data, tape, index, choice, saying);
            }
        } else if name == b"words" && value.kind() == Type::Array {
            saying.retold.push(value.span());
        } else if name == b"segments" && value.kind() == Type::Array {
            of_segments(data, tape, value, saying);
        } else if !is_one(&NOT_SAID, name) {
            collect(data, tape, BESIDE, (Some(key), value), &mut saying.said);
        }
    }
}

/// The segments of a transcript, whose texts are one.
fn of_segments(data: &[u8], tape: &Tape, segments: Value<'_>, saying: &mut Saying) {
    for segment in segments.elements() {
        if segment.kind() != Type::Object {
            collect(data, tape, BESIDE, (None, segment), &mut saying.said);
        }
        for (key, value) in segment.members() {
            match (key.inner_bytes().unwrap_or_default(), value.inner_span()) {
                (b"text", Some(span)) if !span.is_empty() => saying.said.push(Said {
                    lane: lane(BESIDE, SEGMENTS),
                    span,
                    nested: Nested::No,
                    whole: false,
                }),
                (b"tokens" | b"words", None) => saying.retold.push(value.span()),
                _ => collect(data, tape, BESIDE, (Some(key), value), &mut saying.said),
            }
        }
    }
}

fn of_choice(data: &[u8], tape: &Tape, index: u32, choice: Value<'_>, saying: &mut Saying) {
    if super::lens::finish_of(choice).is_some() {
        saying.finished.push(index);
    }
    let said = &mut saying.said;
    for (key, value) in choice.members() {
        match key.inner_bytes().unwrap_or_default() {
            // A legacy completion has its text here.
            b"text" if value.has_text() => said.extend(value.inner_span().map(|span| Said {
                lane: lane(index, ANSWER),
                span,
                nested: Nested::No,
                whole: false,
            })),
            b"logprobs" if !value.is_null() => saying.repeats.push(value.span()),
            b"delta" | b"message" => {
                for (key, value) in value.members() {
                    match (key.inner_bytes().unwrap_or_default(), value.inner_span()) {
                        (b"content", Some(span)) if !span.is_empty() => said.push(Said {
                            lane: lane(index, ANSWER),
                            span,
                            nested: Nested::No,
                            whole: false,
                        }),
                        (name, _) if is_one(&NOT_SAID, name) => {}
                        _ => collect(data, tape, index, (Some(key), value), said),
                    }
                }
            }
            name if is_one(&NOT_SAID, name) => {}
            _ => collect(data, tape, index, (Some(key), value), said),
        }
    }
}

/// Every text at or under a value, a lane for each place.
pub(crate) fn collect<'a>(
    data: &'a [u8],
    tape: &'a Tape,
    choice: u32,
    member: (Option<Value<'a>>, Value<'a>),
    said: &mut SmallVec<[Said; 2]>,
) {
    let skip = |key: Value<'a>, value: Value<'a>| {
        let scalar = !matches!(value.kind(), Type::Object | Type::Array);
        scalar && (matches!(key.inner(), Some("type" | "index" | "object")) || is_media(key, value))
    };
    leaves(tape, data, member, skip, |span, key, place, leaf| {
        let name = key.and_then(|key| key.inner()).unwrap_or_default();
        said.push(Said {
            lane: lane(choice, place & (SEGMENTS >> 1)),
            span,
            nested: leaf.nested(name == "arguments"),
            whole: leaf != Leaf::Text || choice == BESIDE || COMPLETE.contains(&name),
        });
    });
}

/// An image or a sound in base64.
fn is_media(key: Value<'_>, value: Value<'_>) -> bool {
    let named = matches!(key.inner(), Some("b64_json" | "audio"));
    named && value.inner().is_some_and(|raw| raw.bytes().all(is_coded))
}

/// A lane of a choice.
pub(crate) fn lane(choice: u32, field: u32) -> Lane {
    Lane {
        choice,
        part: 0,
        field,
    }
}

/// Whether a lane is a choice's own text.
pub(crate) fn is_answer(lane: Lane) -> bool {
    lane.field == ANSWER && lane.choice != BESIDE
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::json::{Limits, scan};

    fn said(data: &str) -> Vec<(String, Lane, Nested)> {
        let tape = scan(data.as_bytes(), &Limits::default()).unwrap();
        let mut saying = Saying::default();
        of_reply(data.as_bytes(), &tape, &mut saying);
        let said = saying.said;
        said.iter()
            .map(|said: &Said| (data[said.span.clone()].to_owned(), said.lane, said.nested))
            .collect()
    }

    #[test]
    fn lanes_go_on_from_event_to_event() {
        let first = said(
            r#"{"id":"x","choices":[{"index":1,"delta":{"role":"assistant","content":"a","reasoning_content":"r","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{"}}]}}]}"#,
        );
        let later = said(
            r#"{"id":"x","choices":[{"index":1,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"}"}},{"index":2,"function":{"arguments":"}"}}],"content":"b"}}]}"#,
        );
        let texts: Vec<&str> = first.iter().map(|(text, _, _)| &**text).collect();
        assert_eq!(texts, ["a", "r", "call_1", "f", "{"]);
        assert_eq!(first[0].1, later[2].1);
        assert_eq!(first[4].1, later[0].1);
        assert!(later[0].1 != later[1].1 && later[0].2 == Nested::Text && is_answer(later[2].1));
    }

    #[test]
    fn what_stands_beside_the_choices_is_read_too() {
        let beside =
            said(r#"{"citations":["https://x.example/a"],"usage":{"a":"b"},"choices":[]}"#);
        assert_eq!(beside.len(), 1);
        let data = r#"{"choices":[{"message":{"content":"x"},"logprobs":{"content":[]}}]}"#;
        let tape = scan(data.as_bytes(), &Limits::default()).unwrap();
        let mut saying = Saying::default();
        of_reply(data.as_bytes(), &tape, &mut saying);
        assert_eq!(&data[saying.repeats[0].clone()], r#"{"content":[]}"#);
    }
}
