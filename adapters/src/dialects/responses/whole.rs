//! What a response holds so far, and how it is written whole: items with their parts, as events gather them.
//!
//! Text is gathered once and then shared by all the places that repeat it. Writes JSON, never events.

use bytes::Bytes;
use wire::canon::{Str, Usage};

use super::ENCRYPTED;
use crate::dialects::anthropic::Shape;
use crate::weave::Weave;

/// What a part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The answer.
    Text,
    /// A refusal.
    Refusal,
    /// What is thought.
    Thought,
    /// A call's arguments: no part of its own, but told alike.
    Arguments,
}

/// How a kind of part is told.
pub(super) struct Words {
    /// The events of its pieces and of its end.
    pub(super) events: [&'static str; 2],
    /// Its type; empty: it has none, and no events of its own.
    pub(super) kind: &'static str,
    /// The member that holds its text.
    pub(super) member: &'static str,
}

impl What {
    pub(super) fn words(self) -> &'static Words {
        match self {
            Self::Text => &Words {
                events: ["response.output_text.delta", "response.output_text.done"],
                kind: "output_text",
                member: "text",
            },
            Self::Refusal => &Words {
                events: ["response.refusal.delta", "response.refusal.done"],
                kind: "refusal",
                member: "refusal",
            },
            Self::Thought => &Words {
                events: [
                    "response.reasoning_text.delta",
                    "response.reasoning_text.done",
                ],
                kind: "reasoning_text",
                member: "text",
            },
            Self::Arguments => &Words {
                events: [
                    "response.function_call_arguments.delta",
                    "response.function_call_arguments.done",
                ],
                kind: "",
                member: "arguments",
            },
        }
    }
}

/// One part of an item.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) what: What,
    /// Its text while it comes.
    pub(super) open: Vec<u8>,
    /// Its text when it is done.
    pub(super) text: Bytes,
    /// Of arguments: whether they are a whole object yet.
    pub(super) shape: Shape,
    /// Probabilities of its pieces, joined by commas.
    pub(super) logprobs: Vec<u8>,
    pub(super) done: bool,
}

impl Part {
    pub(super) fn new(what: What) -> Self {
        Self {
            what,
            open: Vec::new(),
            text: Bytes::new(),
            shape: Shape::default(),
            logprobs: Vec::new(),
            done: false,
        }
    }

    /// More of its text.
    pub(super) fn add(&mut self, piece: &Bytes) {
        self.open.extend_from_slice(piece);
        if self.what == What::Arguments {
            self.shape = self.shape.over(piece);
        }
    }

    /// Nothing more comes.
    pub(super) fn close(&mut self) {
        self.text = std::mem::take(&mut self.open).into();
        self.done = true;
    }

    /// `"text":"…"` by the member's own name, with probabilities where the kind has them.
    pub(super) fn write_text(&self, weave: &mut Weave) {
        weave.lit("\"");
        weave.lit(self.what.words().member);
        weave.lit("\":\"");
        weave.splice(&self.text);
        weave.lit("\"");
        if self.what == What::Text {
            weave.lit(",\"logprobs\":[");
            weave.bytes(&self.logprobs);
            weave.lit("]");
        }
    }

    /// The part itself.
    pub(super) fn write(&self, weave: &mut Weave) {
        weave.lit("{\"type\":\"");
        weave.lit(self.what.words().kind);
        weave.lit("\",");
        self.write_text(weave);
        weave.lit(if self.what == What::Text {
            ",\"annotations\":[]}"
        } else {
            "}"
        });
    }
}

/// What an item is.
#[derive(Debug)]
pub(super) enum Kind {
    Message,
    /// A thought, with its proof and whose that is.
    Reasoning(Option<(&'static str, Str)>),
    /// A call: its id, its name.
    Call(Str, Str),
}

/// One item of the output.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) parts: Vec<Part>,
    /// Beginning of every event of a piece of the part that is open, up to its number in the stream.
    pub(super) opening: Vec<u8>,
    pub(super) done: bool,
    /// It was cut: no more came of it although more was to come.
    pub(super) cut: bool,
}

impl Item {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            parts: Vec::new(),
            opening: Vec::new(),
            done: false,
            cut: false,
        }
    }

    /// The item's id: that of the request, its place, and what it is.
    pub(super) fn write_id(&self, weave: &mut Weave, request: &str, at: usize) {
        weave.lit(match self.kind {
            Kind::Message => "\"msg_",
            Kind::Reasoning(_) => "\"rs_",
            Kind::Call(..) => "\"fc_",
        });
        weave.lit(request);
        weave.lit("_");
        weave.number(at);
        weave.lit("\"");
    }

    /// The item as far as it is done: nothing of a part that is open.
    pub(super) fn write(&self, weave: &mut Weave, request: &str, at: usize) {
        weave.lit("{\"id\":");
        self.write_id(weave, request, at);
        weave.lit(",\"type\":\"");
        weave.lit(match self.kind {
            Kind::Message => "message",
            Kind::Reasoning(_) => "reasoning",
            Kind::Call(..) => "function_call",
        });
        weave.lit("\",\"status\":\"");
        weave.lit(match (self.done, self.cut) {
            (false, _) => "in_progress",
            (true, false) => "completed",
            (true, true) => "incomplete",
        });
        weave.lit("\",");
        match &self.kind {
            Kind::Message => {
                weave.lit("\"role\":\"assistant\",");
                self.write_parts(weave);
            }
            Kind::Reasoning(proof) => {
                weave.lit("\"summary\":[],");
                self.write_parts(weave);
                if let Some((kind, data)) = proof.as_ref().filter(|_| self.done) {
                    weave.lit(",\"encrypted_content\":\"");
                    if *kind != ENCRYPTED {
                        weave.lit(kind);
                        weave.lit(":");
                    }
                    weave.splice(data.bytes());
                    weave.lit("\"");
                }
            }
            Kind::Call(id, name) => {
                weave.lit("\"call_id\":");
                weave.string(id);
                weave.lit(",\"name\":");
                weave.string(name);
                weave.lit(",");
                match self.parts.first().filter(|_| self.done) {
                    Some(arguments) => arguments.write_text(weave),
                    None => weave.lit("\"arguments\":\"\""),
                }
            }
        }
        weave.lit("}");
    }

    fn write_parts(&self, weave: &mut Weave) {
        weave.lit("\"content\":[");
        for (at, part) in self.parts.iter().filter(|part| part.done).enumerate() {
            weave.lit(if at == 0 { "" } else { "," });
            part.write(weave);
        }
        weave.lit("]");
    }
}

/// Token counts, in full: SDKs ask for both details.
pub(super) fn write_usage(weave: &mut Weave, usage: Option<Usage>) {
    let Some(usage) = usage else {
        return weave.lit("null");
    };
    let usage = usage.clamped();
    weave.lit("{\"input_tokens\":");
    weave.number(usage.prompt);
    weave.lit(",\"input_tokens_details\":{\"cached_tokens\":");
    weave.number(usage.cached);
    weave.lit(",\"cache_write_tokens\":");
    weave.number(usage.cache_write);
    weave.lit("},\"output_tokens\":");
    weave.number(usage.completion);
    weave.lit(",\"output_tokens_details\":{\"reasoning_tokens\":");
    weave.number(usage.reasoning);
    weave.lit("},\"total_tokens\":");
    weave.number(usage.prompt.saturating_add(usage.completion));
    weave.lit("}");
}
