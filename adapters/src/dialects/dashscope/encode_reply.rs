//! Writes canonical events as a native reply, streamed or whole, in the shape that was asked for.
//!
//! A running choice's reason is the word `null`; the reason it ended for stands in its last event, with the usage. Frames
//! have no space behind the colon: the vendor's SDK compares names as they stand.

use wire::canon::{Event, Raw, Str, Usage};
use wire::facts::Finish;
use wire::{Fault, Kind, Rope};

use crate::dialect::{Encoder, ReplyHead};
use crate::dialects::openai_chat::encode_reply::{Answer, gather, write_logprobs};
use crate::weave::Weave;

/// Bytes of one reply that may be said again with each event: what clients that do not take increments cost.
const CUMULATIVE_MAX: usize = 256 * 1024;

/// State of one reply.
pub(super) struct Writer {
    frame: Frame,
    choices: Vec<Choice>,
    /// Bytes kept in the choices.
    kept: usize,
}

/// What stands around each choice.
struct Frame {
    head: ReplyHead,
    id: Option<Str>,
    usage: Option<Usage>,
    /// Events written.
    events: u64,
}

#[derive(Default)]
struct Choice {
    number: u32,
    /// All that was said so far, where each event says it again.
    text: Vec<u8>,
    reasoning: Vec<u8>,
    calls: Vec<Call>,
    logprobs: Option<Raw>,
    finish: Option<Finish>,
}

#[derive(Default)]
struct Call {
    index: u32,
    id: Str,
    name: Str,
    arguments: Vec<u8>,
}

/// What one event says of a choice.
#[derive(Default)]
struct Piece<'a> {
    text: &'a [u8],
    reasoning: &'a [u8],
    calls: &'a [Call],
    logprobs: Option<Raw>,
    finish: Option<Finish>,
}

impl Writer {
    /// Nothing written yet.
    pub(super) fn new(head: ReplyHead) -> Self {
        Self {
            frame: Frame {
                head,
                id: None,
                usage: None,
                events: 0,
            },
            choices: Vec::new(),
            kept: 0,
        }
    }

    fn write(&mut self, weave: &mut Weave, event: &Event) -> Result<(), Fault> {
        match event {
            Event::Start { id, .. } => {
                self.frame.start(id);
                Ok(())
            }
            Event::Text { choice, text } | Event::Refusal { choice, text } => {
                let piece = Piece {
                    text: text.bytes(),
                    ..Piece::default()
                };
                self.say(weave, *choice, piece, |choice| &mut choice.text)
            }
            Event::Reasoning { choice, text } => {
                let piece = Piece {
                    reasoning: text.bytes(),
                    ..Piece::default()
                };
                self.say(weave, *choice, piece, |choice| &mut choice.reasoning)
            }
            Event::ToolStart {
                choice,
                index,
                id,
                name,
            } => {
                let call = Call {
                    index: *index,
                    id: self.frame.head.call_id(id, *choice, *index),
                    name: name.clone(),
                    arguments: Vec::new(),
                };
                self.call(weave, *choice, call)
            }
            Event::ToolArgs {
                choice,
                index,
                piece,
            } => {
                let call = Call {
                    index: *index,
                    arguments: piece.bytes().to_vec(),
                    ..Call::default()
                };
                self.call(weave, *choice, call)
            }
            Event::Logprobs { choice, value } => {
                at(&mut self.choices, *choice).logprobs = Some(value.clone());
                Ok(())
            }
            // A failure is told by the relay.
            Event::Finish {
                finish: Finish::Failed,
                ..
            }
            | Event::Error(_)
            | Event::Proof { .. } => Ok(()),
            Event::Finish { choice, finish } => {
                at(&mut self.choices, *choice).finish.get_or_insert(*finish);
                Ok(())
            }
            Event::Usage(usage) => {
                self.frame.usage = Some(usage.after(self.frame.usage));
                Ok(())
            }
        }
    }

    /// Writes a piece of text, or all of its kind so far.
    fn say(
        &mut self,
        weave: &mut Weave,
        number: u32,
        piece: Piece<'_>,
        kept: fn(&mut Choice) -> &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let choice = at(&mut self.choices, number);
        let logprobs = choice.logprobs.take();
        let said = if self.frame.head.shape.cumulative {
            keep(&mut self.kept, piece.text.len() + piece.reasoning.len())?;
            kept(choice).extend_from_slice(piece.text);
            kept(choice).extend_from_slice(piece.reasoning);
            choice.so_far()
        } else {
            piece
        };
        self.frame.event(weave, number, &Piece { logprobs, ..said });
        Ok(())
    }

    /// Writes a piece of a call, or all calls so far.
    fn call(&mut self, weave: &mut Weave, number: u32, new: Call) -> Result<(), Fault> {
        let choice = at(&mut self.choices, number);
        if !self.frame.head.shape.cumulative {
            let piece = Piece {
                calls: std::slice::from_ref(&new),
                ..Piece::default()
            };
            self.frame.event(weave, number, &piece);
            return Ok(());
        }
        keep(&mut self.kept, new.arguments.len() + new.name.bytes().len())?;
        let mut known = choice.calls.iter_mut();
        match known.find(|call| call.index == new.index) {
            Some(call) => call.arguments.extend_from_slice(&new.arguments),
            None => choice.calls.push(new),
        }
        self.frame.event(weave, number, &choice.so_far());
        Ok(())
    }
}

impl Choice {
    /// All that it has said.
    fn so_far(&self) -> Piece<'_> {
        Piece {
            text: &self.text,
            reasoning: &self.reasoning,
            calls: &self.calls,
            logprobs: None,
            finish: None,
        }
    }
}

fn at(choices: &mut Vec<Choice>, number: u32) -> &mut Choice {
    let known = choices.iter().position(|one| one.number == number);
    let at = known.unwrap_or_else(|| {
        choices.push(Choice {
            number,
            ..Choice::default()
        });
        choices.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "found, or just pushed")]
    &mut choices[at]
}

fn keep(kept: &mut usize, bytes: usize) -> Result<(), Fault> {
    *kept += bytes;
    if *kept > CUMULATIVE_MAX {
        return Err(Fault::new(Kind::Malformed)
            .reason("cumulative_too_long")
            .message(
                "The reply is too long to be repeated with each event: ask for incremental_output.",
            ));
    }
    Ok(())
}

impl Frame {
    fn start(&mut self, id: &Str) {
        self.id = Some(id.clone()).filter(|id| !id.is_empty());
    }

    fn event(&mut self, weave: &mut Weave, number: u32, piece: &Piece<'_>) {
        self.events += 1;
        weave.lit("id:");
        weave.number(self.events);
        weave.lit("\nevent:result\n:HTTP_STATUS/200\ndata:{\"output\":{");
        let shape = self.head.shape;
        if shape.bare {
            weave.lit("\"text\":\"");
            weave.bytes(piece.text);
            weave.lit("\"");
            reasoning(weave, piece.reasoning);
        } else {
            weave.lit("\"choices\":[{\"index\":");
            weave.number(number);
            weave.lit(",\"message\":{\"role\":\"assistant\",\"content\":");
            weave.lit(match (shape.parts, piece.text.is_empty()) {
                (true, true) => "[",
                (true, false) => "[{\"text\":\"",
                (false, _) => "\"",
            });
            weave.bytes(piece.text);
            weave.lit(match (shape.parts, piece.text.is_empty()) {
                (true, true) => "]",
                (true, false) => "\"}]",
                (false, _) => "\"",
            });
            reasoning(weave, piece.reasoning);
            calls(weave, piece.calls);
            weave.lit("}");
            if let Some(raw) = &piece.logprobs {
                weave.lit(",\"logprobs\":");
                weave.raw(raw);
            }
        }
        weave.lit(",\"finish_reason\":");
        weave.quoted(piece.finish.map_or("null", Finish::as_str));
        weave.lit(if shape.bare { "}" } else { "}]}" });
        self.tail(weave);
        weave.lit("}\n\n");
    }

    /// Usage and id, behind the output.
    fn tail(&self, weave: &mut Weave) {
        if let Some(usage) = &self.usage {
            weave.lit(",\"usage\":");
            write_usage(weave, usage);
        }
        weave.lit(",\"request_id\":");
        match &self.id {
            Some(id) => weave.string(id),
            None => weave.quoted(&self.head.request_id),
        }
    }
}

fn reasoning(weave: &mut Weave, text: &[u8]) {
    if !text.is_empty() {
        weave.lit(",\"reasoning_content\":\"");
        weave.bytes(text);
        weave.lit("\"");
    }
}

fn calls(weave: &mut Weave, calls: &[Call]) {
    for (at, call) in calls.iter().enumerate() {
        weave.lit(if at == 0 { ",\"tool_calls\":[" } else { "," });
        weave.lit("{\"index\":");
        weave.number(call.index);
        weave.lit(",\"id\":");
        weave.string(&call.id);
        weave.lit(",\"type\":\"function\",\"function\":{\"name\":");
        weave.string(&call.name);
        weave.lit(",\"arguments\":\"");
        weave.bytes(&call.arguments);
        weave.lit("\"}}");
    }
    weave.lit(if calls.is_empty() { "" } else { "]" });
}

impl Encoder for Writer {
    fn events(&mut self, events: &[Event], out: &mut Rope) -> Result<(), Fault> {
        let mut weave = Weave::of_events(events.len());
        for event in events {
            self.write(&mut weave, event)?;
        }
        out.append(weave.take());
        Ok(())
    }

    /// The last event of each choice: here the usage is known.
    fn end(&mut self, out: &mut Rope) {
        let mut weave = Weave::new();
        for choice in &self.choices {
            let said = if self.frame.head.shape.cumulative {
                choice.so_far()
            } else {
                Piece::default()
            };
            let piece = Piece {
                finish: Some(choice.finish.unwrap_or(Finish::Stop)),
                ..said
            };
            self.frame.event(&mut weave, choice.number, &piece);
        }
        out.append(weave.take());
    }

    fn whole(&mut self, events: &[Event]) -> Rope {
        let mut answers: Vec<Answer<'_>> = Vec::new();
        for event in events {
            match event {
                Event::Start { id, .. } => self.frame.start(id),
                Event::Usage(usage) => self.frame.usage = Some(usage.after(self.frame.usage)),
                Event::Error(_) => {}
                other => gather(&mut answers, other),
            }
        }
        answers.sort_by_key(|answer| answer.number);
        let mut weave = Weave::new();
        weave.lit("{\"status_code\":200,\"code\":\"\",\"message\":\"\",\"output\":{");
        if self.frame.head.shape.bare {
            if let Some(answer) = answers.first() {
                weave.lit("\"text\":");
                weave.pieces(answer.said());
                whole_reasoning(&mut weave, answer);
                weave.lit(",\"finish_reason\":");
                weave.quoted(answer.finish.unwrap_or(Finish::Stop).as_str());
            }
        } else {
            weave.lit("\"choices\":[");
            for (at, answer) in answers.iter().enumerate() {
                weave.lit(if at == 0 { "" } else { "," });
                self.frame.answer(&mut weave, answer);
            }
            weave.lit("]");
        }
        weave.lit("}");
        self.frame.tail(&mut weave);
        weave.lit("}");
        weave.take()
    }
}

impl Frame {
    fn answer(&self, weave: &mut Weave, answer: &Answer<'_>) {
        weave.lit("{\"index\":");
        weave.number(answer.number);
        weave.lit(",\"finish_reason\":");
        weave.quoted(answer.finish.unwrap_or(Finish::Stop).as_str());
        weave.lit(",\"message\":{\"role\":\"assistant\",\"content\":");
        let parts = self.head.shape.parts;
        weave.lit(if parts { "[{\"text\":" } else { "" });
        weave.pieces(answer.said());
        weave.lit(if parts { "}]" } else { "" });
        whole_reasoning(weave, answer);
        for (at, (id, name, pieces)) in answer.calls.iter().enumerate() {
            weave.lit(if at == 0 { ",\"tool_calls\":[" } else { "," });
            let index = u32::try_from(at).unwrap_or(u32::MAX);
            weave.lit("{\"index\":");
            weave.number(index);
            weave.lit(",\"id\":");
            weave.string(&self.head.call_id(id, answer.number, index));
            weave.lit(",\"type\":\"function\",\"function\":{\"name\":");
            weave.string(name);
            weave.lit(",\"arguments\":");
            weave.pieces(pieces.iter().copied());
            weave.lit("}}");
        }
        weave.lit(if answer.calls.is_empty() { "}" } else { "]}" });
        if !answer.logprobs.is_empty() {
            weave.lit(",\"logprobs\":");
            write_logprobs(weave, &answer.logprobs);
        }
        weave.lit("}");
    }
}

fn whole_reasoning(weave: &mut Weave, answer: &Answer<'_>) {
    if !answer.reasoning.is_empty() {
        weave.lit(",\"reasoning_content\":");
        weave.pieces(answer.reasoning.iter().copied());
    }
}

fn write_usage(weave: &mut Weave, usage: &Usage) {
    weave.lit("{\"input_tokens\":");
    weave.number(usage.prompt);
    weave.lit(",\"output_tokens\":");
    weave.number(usage.completion);
    weave.lit(",\"total_tokens\":");
    weave.number(usage.prompt.saturating_add(usage.completion));
    weave.lit(",\"prompt_tokens_details\":{\"cached_tokens\":");
    weave.number(usage.cached);
    if usage.cache_write > 0 {
        weave.lit(",\"cache_write_tokens\":");
        weave.number(usage.cache_write);
    }
    weave.lit("},\"output_tokens_details\":{\"reasoning_tokens\":");
    weave.number(usage.reasoning);
    weave.lit("}}");
}
