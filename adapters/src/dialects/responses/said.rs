//! Where text stands in replies of this dialect, whole or as events.
//!
//! Reads no text and decides nothing. A stream says every text five times: in pieces, and whole when a part, an item and
//! the response end; each of these is a lane of its own, so that what is done to one is done to all. A reply also repeats
//! the request: nothing the model said, so it goes where text may be changed.

use wire::facts::{Nested, Said, Saying};
use wire::hold::Lane;
use wire::json::{Tape, Type, Value};

use super::{items, lens};
use crate::texts::{PLACES_MAX, place_of, say_alone};

/// Which of its tellings a text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Telling {
    /// A piece.
    Piece = 0,
    /// The text is done.
    Done = 1,
    /// Its part begins or is done.
    Part = 2,
    /// Its item begins or is done.
    Item = 3,
    /// The response, or a whole reply.
    Whole = 4,
}

/// What a text is. All of the same kind is one text, over all parts and items.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Answer = 0,
    Refusal = 1,
    Thought = 2,
    Summary = 3,
    /// JSON text of a call; one lane an item.
    Arguments = 4,
    /// Free text for a tool; one lane an item.
    Input = 5,
}

const WHATS: u32 = 8;
const TELLINGS: u32 = 5;
/// The first field of those that are made of a telling and a kind; hashes of other places stay below [`PLACES_MAX`].
const FIRST: u32 = u32::MAX - WHATS * TELLINGS;

/// Members that are the dialect's or the vendor's own, not the model's.
const NOT_SAID: &[&str] = &[
    "type",
    "sequence_number",
    "item_id",
    "output_index",
    "content_index",
    "summary_index",
    "annotation_index",
    "command_index",
    "obfuscation",
    "object",
    "created_at",
    "completed_at",
    "id",
    "model",
    "status",
    "role",
    "usage",
    "background",
    "service_tier",
    "temperature",
    "top_p",
    "top_logprobs",
    "truncation",
    "reasoning",
    "billing",
    "phase",
    "incomplete_details",
];
/// Members of a response that repeat its request.
const ECHOED: &[&str] = &[
    "instructions",
    "metadata",
    "user",
    "safety_identifier",
    "prompt",
    "prompt_cache_key",
    "previous_response_id",
];

/// All texts of a reply or of one event of it.
pub(super) fn of_reply(data: &[u8], tape: &Tape, saying: &mut Saying) {
    let Some(root) = Value::root(tape, data) else {
        return;
    };
    let mut speaking = Speaking { data, tape, saying };
    let kind = root.get("type").and_then(|kind| kind.as_str());
    let Some(kind) = kind else {
        return speaking.response(root);
    };
    let number = |name: &str| root.get(name).and_then(|number| number.as_u64());
    let part = number("output_index").map_or(0, |at| u32::try_from(at).unwrap_or(u32::MAX));
    for (key, value) in root.members() {
        match key.inner().unwrap_or_default() {
            "response" => speaking.response(value),
            "item" => speaking.item(value, part, Telling::Item),
            "part" => speaking.part(value, part, Telling::Part),
            "logprobs" => speaking.probabilities(value),
            name if NOT_SAID.contains(&name) => {}
            name @ ("delta" | "text" | "refusal" | "arguments" | "input")
                if value.kind() == Type::String =>
            {
                let telling = if lens::is_delta(&kind) {
                    Telling::Piece
                } else {
                    Telling::Done
                };
                match what_of(&kind) {
                    Some(what) => speaking.text(value, part, telling, what),
                    // A kind of piece that is not known: it goes on from event to event all the same.
                    None if name == "delta" => {
                        speaking.lane(value, part, place_of(&kind) & PLACES_MAX, Nested::No, false)
                    }
                    None => speaking.other((Some(key), value), part),
                }
            }
            _ => speaking.other((Some(key), value), part),
        }
    }
    if matches!(&*kind, "response.completed" | "response.incomplete") {
        saying.finished.push(0);
    }
}

/// What an event of that type tells of.
fn what_of(kind: &str) -> Option<What> {
    let name = kind.strip_prefix("response.")?.rsplit_once('.')?.0;
    Some(match name {
        "output_text" => What::Answer,
        "refusal" => What::Refusal,
        "reasoning_text" => What::Thought,
        "reasoning_summary_text" => What::Summary,
        "function_call_arguments" | "mcp_call_arguments" => What::Arguments,
        "custom_tool_call_input" => What::Input,
        _ => return None,
    })
}

struct Speaking<'s> {
    data: &'s [u8],
    tape: &'s Tape,
    saying: &'s mut Saying,
}

impl<'s> Speaking<'s> {
    fn lane(&mut self, value: Value<'s>, part: u32, field: u32, nested: Nested, whole: bool) {
        if let Some(span) = value.inner_span().filter(|span| !span.is_empty()) {
            let choice = 0;
            self.saying.said.push(Said {
                lane: Lane {
                    choice,
                    part,
                    field,
                },
                span,
                nested,
                whole,
            });
        }
    }

    /// A text of a known kind. What a call gets is whole when it is not told in pieces; other texts go on in the next item.
    fn text(&mut self, value: Value<'s>, part: u32, telling: Telling, what: What) {
        let field = FIRST + telling as u32 * WHATS + what as u32;
        let of_call = matches!(what, What::Arguments | What::Input);
        let part = if of_call { part } else { 0 };
        let whole = of_call && telling != Telling::Piece;
        let nested = if what == What::Arguments {
            Nested::Text
        } else {
            Nested::No
        };
        self.lane(value, part, field, nested, whole);
    }

    fn probabilities(&mut self, value: Value<'s>) {
        if value.elements().next().is_some() {
            self.saying.repeats.push(value.span());
        }
    }

    fn response(&mut self, response: Value<'s>) {
        if response.kind() != Type::Object {
            return self.other((None, response), u32::MAX);
        }
        for (key, value) in response.members() {
            match key.inner().unwrap_or_default() {
                "output" if value.kind() == Type::Array => {
                    for (at, item) in value.elements().enumerate() {
                        let at = u32::try_from(at).unwrap_or(u32::MAX);
                        self.item(item, at, Telling::Whole);
                    }
                }
                "tools" if value.kind() == Type::Array => {
                    for tool in value.elements() {
                        self.tool(tool);
                    }
                }
                "text" => {
                    let format = value.get("format").and_then(|format| format.get("type"));
                    if format.is_some_and(|kind| !kind.is_named("text")) {
                        self.saying.repeats.push(value.span());
                    }
                }
                name if ECHOED.contains(&name) => self.repeated(value),
                name if NOT_SAID.contains(&name) => {}
                _ => self.other((Some(key), value), u32::MAX),
            }
        }
    }

    /// A value of the request; one that says nothing may stay.
    fn repeated(&mut self, value: Value<'s>) {
        let says = match value.kind() {
            Type::String => value.has_text(),
            Type::Object => value.members().next().is_some(),
            Type::Array => value.elements().next().is_some(),
            Type::Number => true,
            Type::True | Type::False | Type::Null => false,
        };
        if says {
            self.saying.repeats.push(value.span());
        }
    }

    /// A tool that the request offered: its type and name are looked through, what it is goes.
    fn tool(&mut self, tool: Value<'s>) {
        for (key, value) in tool.members() {
            match key.inner().unwrap_or_default() {
                "type" | "strict" => {}
                "name" => self.other((Some(key), value), u32::MAX),
                _ => self.repeated(value),
            }
        }
    }

    fn item(&mut self, item: Value<'s>, part: u32, telling: Telling) {
        if item.kind() != Type::Object {
            return self.other((None, item), part);
        }
        let kind = item.get("type").and_then(|kind| kind.as_str());
        let thinks = kind.as_deref() == Some("reasoning");
        let says = thinks || kind.as_deref() == Some("message");
        for (key, value) in item.members() {
            match key.inner().unwrap_or_default() {
                "content" | "summary" if says && value.kind() == Type::Array => {
                    for one in value.elements() {
                        self.part(one, part, telling);
                    }
                }
                "arguments" if value.kind() == Type::String => {
                    self.text(value, part, telling, What::Arguments);
                }
                "input" if value.kind() == Type::String => {
                    self.text(value, part, telling, What::Input);
                }
                "encrypted_content" if value.inner().is_some_and(items::is_opaque) => {}
                name if NOT_SAID.contains(&name) && value.kind() != Type::Object => {}
                _ => self.other((Some(key), value), part),
            }
        }
    }

    fn part(&mut self, one: Value<'s>, part: u32, telling: Telling) {
        if one.kind() != Type::Object {
            return self.other((None, one), part);
        }
        let kind = one.get("type").and_then(|kind| kind.as_str());
        let what = match kind.as_deref() {
            Some("reasoning_text") => What::Thought,
            Some("summary_text") => What::Summary,
            _ => What::Answer,
        };
        for (key, value) in one.members() {
            match key.inner().unwrap_or_default() {
                "text" if value.kind() == Type::String => self.text(value, part, telling, what),
                "refusal" if value.kind() == Type::String => {
                    self.text(value, part, telling, What::Refusal);
                }
                "logprobs" => self.probabilities(value),
                "type" => {}
                _ => self.other((Some(key), value), part),
            }
        }
    }

    /// Anything else: every string is complete in itself.
    fn other(&mut self, member: (Option<Value<'s>>, Value<'s>), part: u32) {
        let skip = |key: Value<'s>, value: Value<'s>| {
            let scalar = !matches!(value.kind(), Type::Object | Type::Array);
            scalar && matches!(key.inner(), Some("type" | "index" | "status"))
        };
        let from = (self.tape, self.data);
        say_alone(from, member, skip, (0, part), self.saying);
    }
}

/// Whether a lane is the answer's own text, in any of its tellings.
pub(super) fn is_answer(lane: Lane) -> bool {
    lane.field
        .checked_sub(FIRST)
        .is_some_and(|field| field % WHATS == What::Answer as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::json::{Limits, scan};

    fn said(data: &str) -> (Vec<(String, Lane, Nested)>, Vec<String>) {
        let tape = scan(data.as_bytes(), &Limits::default()).unwrap();
        let mut saying = Saying::default();
        of_reply(data.as_bytes(), &tape, &mut saying);
        let said = saying.said.iter();
        let said = said.map(|said| (data[said.span.clone()].to_owned(), said.lane, said.nested));
        let repeats = saying.repeats.iter();
        (
            said.collect(),
            repeats.map(|span| data[span.clone()].to_owned()).collect(),
        )
    }

    #[test]
    fn pieces_go_on_from_item_to_item_and_tellings_are_apart() {
        let piece = |item: u32, text: &str| {
            said(&format!(r#"{{"type":"response.output_text.delta","sequence_number":4,"item_id":"m","output_index":{item},"content_index":0,"delta":"{text}","logprobs":[],"obfuscation":"xyz"}}"#)).0
        };
        let (first, later) = (piece(0, "a"), piece(2, "b"));
        assert_eq!((first[0].0.as_str(), first.len()), ("a", 1));
        assert_eq!(first[0].1, later[0].1);
        let tellings = [
            r#"{"type":"response.output_text.done","output_index":0,"text":"a"}"#,
            r#"{"type":"response.content_part.done","output_index":0,"part":{"type":"output_text","text":"a","annotations":[]}}"#,
            r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"m","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"a"}]}}"#,
            r#"{"type":"response.completed","response":{"id":"r","output":[{"id":"m","type":"message","content":[{"type":"output_text","text":"a"}]}]}}"#,
        ];
        let mut lanes = vec![first[0].1];
        for telling in tellings {
            let (told, _) = said(telling);
            assert_eq!((told.len(), told[0].0.as_str()), (1, "a"), "{telling}");
            assert!(is_answer(told[0].1) && !lanes.contains(&told[0].1));
            lanes.push(told[0].1);
        }
        let (call, _) = said(
            r#"{"type":"response.function_call_arguments.delta","output_index":3,"item_id":"f","delta":"{\"a\""}"#,
        );
        assert!(call[0].2 == Nested::Text && call[0].1.part == 3 && !is_answer(call[0].1));
    }

    #[test]
    fn a_whole_reply_and_what_is_unknown_are_read() {
        let (texts, repeats) = said(
            r#"{"id":"resp_1","object":"response","model":"m","status":"completed","instructions":"i","metadata":{"k":"v"},"tools":[{"type":"function","name":"f","description":"d","parameters":{"x":"y"},"strict":true}],"text":{"format":{"type":"text"}},"user":null,"output":[{"id":"rs","type":"reasoning","summary":[{"type":"summary_text","text":"s"}],"content":[{"type":"reasoning_text","text":"t"}],"encrypted_content":"short"},{"id":"m1","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"a","annotations":[{"type":"url_citation","title":"c"}],"logprobs":[{"token":"a"}]},{"type":"refusal","refusal":"r"}]},{"id":"fc","type":"function_call","call_id":"id1","name":"n","arguments":"{}"},{"id":"ws","type":"web_search_call","action":{"type":"search","query":"q"}}],"beside":"z"}"#,
        );
        let texts: Vec<&str> = texts.iter().map(|(text, ..)| &**text).collect();
        assert_eq!(
            texts,
            [
                "f", "s", "t", "short", "a", "c", "r", "id1", "n", "{}", "q", "z"
            ]
        );
        assert_eq!(
            repeats,
            [
                r#""i""#,
                r#"{"k":"v"}"#,
                r#""d""#,
                r#"{"x":"y"}"#,
                r#"[{"token":"a"}]"#
            ]
        );
    }
}
