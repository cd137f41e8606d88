//! Where text stands in generateContent requests and replies.
//!
//! Reads no text and decides nothing. What is inert here: a model's name in the body, which is replaced on the way, the
//! dialect's own words, numbers that it gives a range, and signatures of thoughts. Ids are text, since a client may write
//! into them what it likes.

use std::ops::Range;

use wire::facts::{Contents, Form, Nested, RequestFacts, Said, Saying, Source};
use wire::hold::Lane;
use wire::json::{Tape, Type, Value};

use super::names::{get, is};
use super::words::{CONFIG, ROOT, RULES};
use crate::texts::{Mark, NONE, Own, is_signature, is_textual, read_files, say_alone};

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
    reading.members(root, Holder::Root);
    contents
}

/// Whose members they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// The body's.
    Root,
    /// Those of what is to be counted, whose model is replaced as the body's is.
    Counted,
    /// Somebody's: nothing there was checked.
    Inside,
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

    /// The same of an object whose own members are known.
    fn add_of(&mut self, own: &Own, member: (Value<'a>, Value<'a>)) {
        let ((key, value), said) = (member, (Source::System, None));
        let member = (Some(key), value);
        RULES.collect_of(own, self.tape, self.body, member, said, self.contents);
    }

    /// The members of a request, or of one inside it.
    fn members(&mut self, holder: Value<'a>, whose: Holder) {
        let (own, config) = match whose {
            Holder::Root | Holder::Counted => (&ROOT, &CONFIG),
            Holder::Inside => (&NONE, &NONE),
        };
        for (key, value) in holder.members() {
            // The key itself too: an unknown one may say anything.
            self.add((None, key), Source::System, None);
            match (key, value.kind()) {
                (_, Type::Array) if is(key, "contents") => {
                    for (turn, content) in value.elements().enumerate() {
                        self.content(content, None, u32::try_from(turn).ok());
                    }
                }
                (_, Type::Object) if is(key, "systemInstruction") => {
                    self.content(value, Some(Source::System), None);
                }
                (_, Type::Object) if is(key, "content") => self.content(value, None, None),
                (_, Type::Object) if is(key, "generateContentRequest") => {
                    let counted = whose == Holder::Root;
                    self.members(
                        value,
                        if counted {
                            Holder::Counted
                        } else {
                            Holder::Inside
                        },
                    );
                }
                (_, Type::Array) if is(key, "requests") => {
                    for request in value.elements() {
                        match request.kind() {
                            Type::Object => self.members(request, Holder::Inside),
                            _ => self.add((None, request), Source::User, None),
                        }
                    }
                }
                (_, Type::Object) if is(key, "generationConfig") => {
                    for (key, value) in value.members() {
                        self.add((None, key), Source::System, None);
                        self.add_of(config, (key, value));
                    }
                }
                _ => self.add_of(own, (key, value)),
            }
        }
    }

    fn content(&mut self, content: Value<'a>, source: Option<Source>, turn: Option<u32>) {
        let role = get(content, "role");
        let model = role.is_some_and(|role| role.is_named("model"));
        let source = source.unwrap_or(if model { Source::Model } else { Source::User });
        if content.kind() != Type::Object {
            return self.add((None, content), source, turn);
        }
        for (key, value) in content.members() {
            self.add((None, key), source, turn);
            if is(key, "parts") && value.kind() == Type::Array {
                for part in value.elements() {
                    self.part(part, source, turn);
                }
            } else {
                self.add((Some(key), value), source, turn);
            }
        }
    }

    fn part(&mut self, part: Value<'a>, source: Source, turn: Option<u32>) {
        if part.kind() != Type::Object {
            return self.add((None, part), source, turn);
        }
        for (key, value) in part.members() {
            if is(key, "thoughtSignature") && is_signature(value) {
                continue;
            }
            let result = is(key, "functionResponse") || is(key, "codeExecutionResult");
            let source = if result { Source::Tool } else { source };
            let mark = Mark::of(self.contents);
            self.add((None, key), source, turn);
            self.add((Some(key), value), source, turn);
            let files: Vec<(Range<usize>, Form)> = if is(key, "inlineData") {
                file(value).into_iter().collect()
            } else if is(key, "functionResponse") {
                let parts = get(value, "parts");
                let all = parts.iter().flat_map(Value::elements);
                all.filter_map(|part| file(get(part, "inlineData")?))
                    .collect()
            } else {
                continue;
            };
            read_files(files, mark, (source, turn), self.contents);
        }
    }
}

/// The inside of a file in base64 that says it is text: it is read as the text that it is.
fn file(file: Value<'_>) -> Option<(Range<usize>, Form)> {
    let kind = get(file, "mimeType")?;
    let textual = kind.as_str().is_some_and(|kind| is_textual(&kind));
    let span = get(file, "data")?.inner_span().filter(|_| textual)?;
    Some((span, Form::Base64))
}

/// The field of the answer's own text: all text parts are one text, however they are cut.
const ANSWER: u32 = u32::MAX;
/// The same of what the model thinks.
const THOUGHT: u32 = u32::MAX - 1;
/// Arguments of a call; the part is its own.
const OBJECT: u32 = u32::MAX - 2;

/// Members of a reply that are the dialect's or the vendor's own, not the model's.
const NOT_SAID: [&str; 6] = [
    "usageMetadata",
    "modelVersion",
    "responseId",
    "createTime",
    "modelStatus",
    "promptFeedback",
];
/// The same of a candidate.
const NOT_SAID_IN_CANDIDATE: [&str; 5] = [
    "index",
    "finishReason",
    "safetyRatings",
    "tokenCount",
    "avgLogprobs",
];

/// All texts of a reply or of one event of it.
pub(super) fn of_reply(data: &[u8], tape: &Tape, saying: &mut Saying) {
    let Some(root) = Value::root(tape, data) else {
        return;
    };
    let mut speaking = Speaking { data, tape, saying };
    for (key, value) in root.members() {
        if is(key, "candidates") && value.kind() == Type::Array {
            for candidate in value.elements() {
                speaking.candidate(candidate);
            }
        } else if !NOT_SAID.iter().any(|name| is(key, name)) {
            speaking.other((Some(key), value), (0, u32::MAX));
        }
    }
}

struct Speaking<'s> {
    data: &'s [u8],
    tape: &'s Tape,
    saying: &'s mut Saying,
}

impl<'s> Speaking<'s> {
    fn candidate(&mut self, candidate: Value<'s>) {
        let number = get(candidate, "index").and_then(|index| index.as_u64());
        let choice = number.map_or(0, |number| u32::try_from(number).unwrap_or(u32::MAX));
        if candidate.kind() != Type::Object {
            return self.other((None, candidate), (choice, u32::MAX));
        }
        for (key, value) in candidate.members() {
            if is(key, "content") && value.kind() == Type::Object {
                self.content(value, choice);
            } else if is(key, "logprobsResult") {
                self.saying.repeats.push(value.span());
            } else if !NOT_SAID_IN_CANDIDATE.iter().any(|name| is(key, name)) {
                self.other((Some(key), value), (choice, u32::MAX));
            }
        }
        if super::lens::finish_of(candidate).is_some() {
            self.saying.finished.push(choice);
        }
    }

    fn content(&mut self, content: Value<'s>, choice: u32) {
        for (key, value) in content.members() {
            if is(key, "parts") && value.kind() == Type::Array {
                for (at, part) in value.elements().enumerate() {
                    self.part(part, (choice, u32::try_from(at).unwrap_or(u32::MAX)));
                }
            } else if !is(key, "role") {
                self.other((Some(key), value), (choice, u32::MAX));
            }
        }
    }

    fn part(&mut self, part: Value<'s>, (choice, at): (u32, u32)) {
        if part.kind() != Type::Object {
            return self.other((None, part), (choice, at));
        }
        let thought = get(part, "thought").and_then(|flag| flag.as_bool()) == Some(true);
        for (key, value) in part.members() {
            if is(key, "thoughtSignature") && is_signature(value) {
                continue;
            }
            if is(key, "functionCall") && value.kind() == Type::Object {
                self.call(value, (choice, at));
                continue;
            }
            let span = value.inner_span().filter(|_| is(key, "text"));
            let Some(span) = span else {
                self.other((Some(key), value), (choice, at));
                continue;
            };
            if span.is_empty() {
                continue;
            }
            self.saying.said.push(Said {
                lane: Lane {
                    choice,
                    part: 0,
                    field: if thought { THOUGHT } else { ANSWER },
                },
                span,
                nested: Nested::No,
                whole: false,
            });
        }
    }

    /// A call, which comes whole. Its arguments are one text, which arguments in a string are too: keys, numbers, and values
    /// in pieces.
    fn call(&mut self, call: Value<'s>, (choice, part): (u32, u32)) {
        for (key, value) in call.members() {
            if !is(key, "args") || value.members().next().is_none() {
                self.other((Some(key), value), (choice, part));
                continue;
            }
            self.saying.said.push(Said {
                lane: Lane {
                    choice,
                    part,
                    field: OBJECT,
                },
                span: value.span(),
                nested: Nested::Bare,
                whole: true,
            });
        }
    }

    /// Anything else: every string is complete in itself.
    fn other(&mut self, member: (Option<Value<'s>>, Value<'s>), (choice, part): (u32, u32)) {
        let all = |_, _| false;
        let from = (self.tape, self.data);
        say_alone(from, member, all, (choice, part), self.saying);
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

    fn said(data: &str) -> Vec<(String, Lane, bool)> {
        let tape = scan(data.as_bytes(), &Limits::default()).unwrap();
        let mut saying = Saying::default();
        of_reply(data.as_bytes(), &tape, &mut saying);
        let said = saying.said.iter();
        said.map(|said| (data[said.span.clone()].to_owned(), said.lane, said.whole))
            .collect()
    }

    #[test]
    fn the_answer_is_one_lane_and_all_else_is_read_too() {
        let reply = said(
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"t","thought":true},{"text":"a"},{"functionCall":{"id":"i","name":"n","args":{"k":"v","l":["w"]}},"thoughtSignature":"c2ln"},{"text":"b"}]},"finishReason":"STOP","index":1,"citationMetadata":{"citationSources":[{"uri":"u"}]}}],"modelVersion":"m","responseId":"r","beside":"z"}"#,
        );
        let texts: Vec<&str> = reply.iter().map(|(text, ..)| &**text).collect();
        assert_eq!(
            texts,
            [
                "t",
                "a",
                "i",
                "n",
                r#"{"k":"v","l":["w"]}"#,
                "c2ln",
                "b",
                "u",
                "z"
            ]
        );
        assert_eq!(reply[1].1, reply[6].1);
        assert!(is_answer(reply[1].1) && !is_answer(reply[0].1));
        assert_eq!(
            (reply[1].1.choice, reply[1].2, reply[4].2),
            (1, false, true)
        );
    }
}
