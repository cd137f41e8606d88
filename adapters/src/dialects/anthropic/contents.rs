//! Where text stands in messages requests and replies.
//!
//! Reads no text and decides nothing. What is inert here: the model's name, the dialect's own words, numbers that it gives
//! a range, and signatures (a vendor's proof of what its model thought: one long word in base64, which only that vendor can
//! make). Ids are text, since a client may write into them what it likes.

use std::ops::Range;

use wire::facts::{Contents, Form, Nested, RequestFacts, Said, Saying, Source};
use wire::hold::Lane;
use wire::json::{Tape, Type, Value};

use crate::texts::{Mark, Own, Rules, is_blob, is_signature, is_textual, read_files, say_alone};

/// Request fields.
const RULES: Rules = Rules {
    keys: &[
        "model",
        "messages",
        "role",
        "content",
        "type",
        "text",
        "system",
        "max_tokens",
        "stream",
        "stop_sequences",
        "temperature",
        "top_p",
        "top_k",
        "metadata",
        "user_id",
        "service_tier",
        "tools",
        "name",
        "description",
        "input_schema",
        "properties",
        "required",
        "items",
        "enum",
        "additionalProperties",
        "strict",
        "tool_choice",
        "disable_parallel_tool_use",
        "thinking",
        "signature",
        "budget_tokens",
        "display",
        "output_config",
        "effort",
        "format",
        "schema",
        "cache_control",
        "ttl",
        "source",
        "media_type",
        "data",
        "url",
        "file_id",
        "title",
        "context",
        "citations",
        "enabled",
        "tool_use",
        "tool_use_id",
        "id",
        "input",
        "is_error",
        "container",
        "speed",
        "inference_geo",
        "mcp_servers",
        "context_management",
    ],
    words: &[
        "user",
        "assistant",
        "system",
        "text",
        "image",
        "document",
        "tool_use",
        "tool_result",
        "thinking",
        "redacted_thinking",
        "search_result",
        "base64",
        "url",
        "file",
        "content",
        "auto",
        "any",
        "tool",
        "none",
        "custom",
        "ephemeral",
        "5m",
        "1h",
        "enabled",
        "disabled",
        "adaptive",
        "between_tools",
        "summarized",
        "omitted",
        "json_schema",
        "object",
        "string",
        "number",
        "integer",
        "boolean",
        "array",
        "low",
        "medium",
        "high",
        "xhigh",
        "max",
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "application/pdf",
        "text/plain",
        "standard_only",
        "standard",
        "fast",
    ],
    json: &[],
    media: &[],
    coded: &["data"],
    places: &["url"],
    holders: &["source"],
    kept: &["file_id"],
};

/// The same of the body's own members.
const ROOT: Own = Own {
    numbers: &["max_tokens", "temperature", "top_p", "top_k"],
    checked: &["model"],
};

/// All texts of a request.
pub(super) fn of_request(body: &[u8], facts: &RequestFacts) -> Contents {
    let mut contents = Contents::default();
    let Some(root) = Value::root(&facts.tape, body) else {
        return contents;
    };
    let mut reading = Reading {
        tape: &facts.tape,
        body,
        contents: &mut contents,
    };
    for (key, value) in root.members() {
        if key.is_named("messages") {
            for (turn, message) in value.elements().enumerate() {
                reading.message(message, u32::try_from(turn).ok());
            }
        } else {
            // The key itself too: an unknown one may say anything.
            reading.add((None, key), Source::System, None);
            let said = (Source::System, None);
            let member = (Some(key), value);
            RULES.collect_of(&ROOT, &facts.tape, body, member, said, reading.contents);
        }
    }
    contents
}

struct Reading<'a> {
    tape: &'a Tape,
    body: &'a [u8],
    contents: &'a mut Contents,
}

impl<'a> Reading<'a> {
    fn add(&mut self, member: (Option<Value<'a>>, Value<'a>), source: Source, turn: Option<u32>) {
        RULES.collect(self.tape, self.body, member, (source, turn), self.contents);
    }

    fn message(&mut self, message: Value<'a>, turn: Option<u32>) {
        let role = message.get("role").and_then(|role| role.as_str());
        let source = match role.as_deref() {
            Some("system") => Source::System,
            Some("assistant") => Source::Model,
            _ => Source::User,
        };
        for (key, value) in message.members() {
            if key.is_named("content") && value.kind() == Type::Array {
                for block in value.elements() {
                    self.block(block, source, turn);
                }
            } else {
                self.add((None, key), source, turn);
                self.add((Some(key), value), source, turn);
            }
        }
    }

    fn block(&mut self, block: Value<'a>, source: Source, turn: Option<u32>) {
        let is = |name: &str| block.get("type").is_some_and(|kind| kind.is_named(name));
        let source = if is("tool_result") || is("document") || is("search_result") {
            Source::Tool
        } else {
            source
        };
        let mark = Mark::of(self.contents);
        if block.kind() == Type::Object {
            for (key, value) in block.members() {
                if key.is_named("signature") && is_signature(value) {
                    continue;
                }
                self.add((None, key), source, turn);
                self.add((Some(key), value), source, turn);
            }
        } else {
            self.add((None, block), source, turn);
        }
        let mut files = Vec::new();
        files_of(block, 0, &mut files);
        read_files(files, mark, (source, turn), self.contents);
    }
}

/// Files that say they are text: they are read as the text that they are.
fn files_of(block: Value<'_>, depth: u32, files: &mut Vec<(Range<usize>, Form)>) {
    // A document may hold blocks, a result of a tool documents.
    const DEPTH_MAX: u32 = 4;
    if depth > DEPTH_MAX {
        return;
    }
    let source = block.get("source");
    if let Some(file) = source {
        let textual = file
            .get("media_type")
            .and_then(|kind| kind.as_str())
            .is_some_and(|kind| is_textual(&kind));
        let is = |name: &str| file.get("type").is_some_and(|kind| kind.is_named(name));
        let data = file.get("data");
        let form = if is("base64") && textual {
            Some(Form::Base64)
        } else {
            // What is no words is no text, whatever it says.
            let blob = data.is_some_and(|data| is_blob(data.inner_bytes().unwrap_or_default()));
            (is("text") && !blob).then_some(Form::String)
        };
        let span = data.and_then(|data| data.inner_span());
        files.extend(span.filter(|span| !span.is_empty()).zip(form));
    }
    let inside = source.and_then(|file| file.get("content"));
    for blocks in [inside, block.get("content")].iter().flatten() {
        for block in blocks.elements() {
            files_of(block, depth + 1, files);
        }
    }
}

/// The field of the answer's own text: all text blocks are one text, however they are cut.
const ANSWER: u32 = u32::MAX;
/// The same of what the model thinks.
const THOUGHT: u32 = u32::MAX - 1;
/// Arguments of a call; the part is its block.
const ARGUMENTS: u32 = u32::MAX - 2;
/// The same of arguments that are an object.
const OBJECT: u32 = u32::MAX - 3;

/// Members of an event or a reply that are the dialect's or the vendor's own, not the model's.
const NOT_SAID: [&str; 8] = [
    "id",
    "type",
    "role",
    "model",
    "index",
    "usage",
    "stop_reason",
    "container",
];

/// All texts of a reply or of one event of it.
pub(super) fn of_reply(data: &[u8], tape: &Tape, saying: &mut Saying) {
    let Some(root) = Value::root(tape, data) else {
        return;
    };
    let index = root.get("index").and_then(|index| index.as_u64());
    let part = index.map_or(0, |index| u32::try_from(index).unwrap_or(u32::MAX));
    let mut finished = super::lens::finish_of(root).is_some();
    let mut speaking = Speaking { data, tape, saying };
    for (key, value) in root.members() {
        match key.inner().unwrap_or_default() {
            "delta" => {
                finished |= super::lens::finish_of(value).is_some();
                speaking.members(value, part, false);
            }
            "content_block" => speaking.members(value, part, true),
            "message" => speaking.message(value),
            "content" => speaking.blocks(value),
            name if NOT_SAID.contains(&name) => {}
            _ => speaking.other((Some(key), value), u32::MAX),
        }
    }
    if finished {
        saying.finished.push(0);
    }
}

struct Speaking<'s> {
    data: &'s [u8],
    tape: &'s Tape,
    saying: &'s mut Saying,
}

impl<'s> Speaking<'s> {
    /// The message that a stream begins with.
    fn message(&mut self, message: Value<'s>) {
        for (key, value) in message.members() {
            match key.inner().unwrap_or_default() {
                "content" => self.blocks(value),
                name if NOT_SAID.contains(&name) => {}
                _ => self.other((Some(key), value), u32::MAX),
            }
        }
    }

    fn blocks(&mut self, blocks: Value<'s>) {
        if blocks.kind() != Type::Array {
            return self.other((None, blocks), u32::MAX);
        }
        for (at, block) in blocks.elements().enumerate() {
            self.members(block, u32::try_from(at).unwrap_or(u32::MAX), true);
        }
    }

    /// The members of a delta or of a block; what a block says beyond its text is complete.
    fn members(&mut self, holder: Value<'s>, part: u32, block: bool) {
        if holder.kind() != Type::Object {
            return self.other((None, holder), part);
        }
        for (key, value) in holder.members() {
            let name = key.inner().unwrap_or_default();
            let span = value.inner_span().filter(|span| !span.is_empty());
            let field = match name {
                "text" => ANSWER,
                "thinking" => THOUGHT,
                "partial_json" => ARGUMENTS,
                "type" | "index" | "stop_reason" if span.is_some() || value.is_null() => continue,
                "signature" if is_signature(value) => continue,
                // As one text, which arguments in a string are too: keys, numbers, and values in pieces.
                "input" if block && value.members().next().is_some() => {
                    self.arguments(value, part);
                    continue;
                }
                _ => {
                    self.other((Some(key), value), part);
                    continue;
                }
            };
            let Some(span) = span else {
                if value.kind() != Type::String {
                    self.other((Some(key), value), part);
                }
                continue;
            };
            let arguments = field == ARGUMENTS;
            self.saying.said.push(Said {
                lane: Lane {
                    choice: 0,
                    part: if arguments { part } else { 0 },
                    field,
                },
                span,
                nested: if arguments { Nested::Text } else { Nested::No },
                // A whole call's name and the like are told elsewhere; text goes on in the next block.
                whole: block && arguments,
            });
        }
    }

    /// Arguments of a call that are an object.
    fn arguments(&mut self, value: Value<'s>, part: u32) {
        self.saying.said.push(Said {
            lane: Lane {
                choice: 0,
                part,
                field: OBJECT,
            },
            span: value.span(),
            nested: Nested::Bare,
            whole: true,
        });
    }

    /// Anything else: every string is complete in itself.
    fn other(&mut self, member: (Option<Value<'s>>, Value<'s>), part: u32) {
        let skip = |key: Value<'s>, value: Value<'s>| {
            let scalar = !matches!(value.kind(), Type::Object | Type::Array);
            scalar && matches!(key.inner(), Some("type" | "index"))
        };
        let from = (self.tape, self.data);
        say_alone(from, member, skip, (0, part), self.saying);
    }
}

/// Whether a lane is the answer's own text.
pub(super) fn is_answer(lane: Lane) -> bool {
    lane.field == ANSWER
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::json::{Limits, scan};

    fn said(data: &str) -> Vec<(String, Lane, Nested)> {
        let tape = scan(data.as_bytes(), &Limits::default()).unwrap();
        let mut saying = Saying::default();
        of_reply(data.as_bytes(), &tape, &mut saying);
        let said = saying.said.iter();
        said.map(|said| (data[said.span.clone()].to_owned(), said.lane, said.nested))
            .collect()
    }

    #[test]
    fn lanes_go_on_from_event_to_event_and_block_to_block() {
        let first = said(
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a"}}"#,
        );
        let later = said(
            r#"{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"b"}}"#,
        );
        assert_eq!((first[0].0.as_str(), first[0].1), ("a", later[0].1));
        assert!(is_answer(first[0].1));
        let call = said(
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}}}"#,
        );
        let texts: Vec<&str> = call.iter().map(|(text, ..)| &**text).collect();
        assert_eq!(texts, ["t1", "f"]);
        let args = said(
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}"#,
        );
        assert!(args[0].2 == Nested::Text && args[0].1.part == 2);
    }

    #[test]
    fn a_whole_reply_and_what_is_unknown_are_read() {
        let whole = said(
            r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"t","signature":"c2ln"},{"type":"text","text":"a","citations":[{"cited_text":"c"}]},{"type":"tool_use","id":"i","name":"n","input":{"p":"v","q":["w"]}},{"type":"new","deep":{"x":"y"}}],"stop_reason":"tool_use","stop_sequence":"s","usage":{"service_tier":"standard"},"beside":"z"}"#,
        );
        let texts: Vec<&str> = whole.iter().map(|(text, ..)| &**text).collect();
        assert_eq!(
            texts,
            [
                "t",
                "c2ln",
                "a",
                "c",
                "i",
                "n",
                r#"{"p":"v","q":["w"]}"#,
                "y",
                "s",
                "z"
            ]
        );
    }
}
