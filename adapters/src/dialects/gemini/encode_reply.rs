//! Writes canonical events as a generateContent reply, streamed or whole.
//!
//! Keeps to what the official SDK asks for (`dialects/gemini.md`, section 4): every event is one `data: ` line, a call comes
//! whole, why it ended and the counts come last and nothing behind them. A call waits until its arguments are a whole
//! object, and for those before it. Thoughts are left out unless they were asked for. Writes no error and no end that the
//! events do not tell.

use wire::canon::{Event, Str, Usage};
use wire::facts::Finish;
use wire::{Fault, Kind, Rope};

use super::{CALL_SIGNATURE, TEXT_SIGNATURE};
use crate::dialect::{Encoder, ReplyHead};
use crate::dialects::anthropic::{Shape, write_input};
use crate::weave::{Weave, joined};

/// Bytes of calls that wait for the rest of their arguments.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// State of one reply.
pub(super) struct Writer {
    head: ReplyHead,
    id: Option<Str>,
    choices: Vec<Choice>,
    waiting_bytes: usize,
    usage: Option<Usage>,
}

#[derive(Default)]
struct Choice {
    number: u32,
    /// Calls that are not written yet, in order.
    waiting: Vec<Call>,
    /// For the next call.
    signature: Option<Str>,
    refused: bool,
    finish: Option<Finish>,
}

struct Call {
    index: u32,
    id: Str,
    name: Str,
    pieces: Vec<Str>,
    shape: Shape,
    signature: Option<Str>,
}

/// One part of a candidate.
enum Part<'a> {
    Text(&'a [Str]),
    Thought(&'a [Str]),
    /// The proof of what stands before it.
    Signed(&'a Str),
    Call(&'a Call),
}

impl Writer {
    /// Nothing written yet.
    pub(super) fn new(head: ReplyHead) -> Self {
        Self {
            head,
            id: None,
            choices: Vec::new(),
            waiting_bytes: 0,
            usage: None,
        }
    }

    fn at(&mut self, number: u32) -> &mut Choice {
        let known = self.choices.iter().position(|one| one.number == number);
        let at = known.unwrap_or_else(|| {
            self.choices.push(Choice {
                number,
                ..Choice::default()
            });
            self.choices.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found, or just pushed")]
        &mut self.choices[at]
    }

    fn take(&mut self, weave: &mut Weave, event: &Event) -> Result<(), Fault> {
        match event {
            Event::Start { id, .. } => self.id = Some(id.clone()).filter(|id| !id.is_empty()),
            Event::Usage(usage) => self.usage = Some(usage.after(self.usage)),
            // Asked for by nobody who speaks this dialect, or told by the relay.
            Event::Logprobs { .. } | Event::Error(_) => {}
            Event::Finish { choice, finish } => {
                self.release(weave, *choice, true);
                self.at(*choice).finish.get_or_insert(*finish);
            }
            Event::Refusal { choice, text } => {
                self.at(*choice).refused = true;
                self.chunk(weave, *choice, &Part::Text(std::slice::from_ref(text)));
            }
            Event::Text { choice, text } => {
                self.chunk(weave, *choice, &Part::Text(std::slice::from_ref(text)));
            }
            Event::Reasoning { choice, text } => {
                if self.head.thoughts {
                    self.chunk(weave, *choice, &Part::Thought(std::slice::from_ref(text)));
                }
            }
            Event::Proof { choice, kind, data } if *kind == CALL_SIGNATURE => {
                self.at(*choice).signature = Some(data.clone());
            }
            Event::Proof { choice, kind, data } if *kind == TEXT_SIGNATURE => {
                self.chunk(weave, *choice, &Part::Signed(data));
            }
            // Another vendor's, which nobody could give back.
            Event::Proof { .. } => {}
            Event::ToolStart { .. } | Event::ToolArgs { .. } => {
                let (choice, added) = self.call(event);
                self.waiting_bytes += added;
                if self.waiting_bytes > WAITING_BYTES_MAX {
                    return Err(Fault::new(Kind::Malformed)
                        .reason("calls_take_turns")
                        .message("The provider's calls of tools are too long."));
                }
                self.release(weave, choice, false);
            }
        }
        Ok(())
    }

    /// Takes a call's beginning or a piece of it; which choice it is of, and how many bytes it adds.
    fn call(&mut self, event: &Event) -> (u32, usize) {
        match event {
            Event::ToolStart {
                choice,
                index,
                id,
                name,
            } => {
                let id = self.head.call_id(id, *choice, *index);
                let one = self.at(*choice);
                let signature = one.signature.take();
                one.waiting.push(Call {
                    index: *index,
                    id,
                    name: name.clone(),
                    pieces: Vec::new(),
                    shape: Shape::default(),
                    signature,
                });
                (*choice, size_of::<Call>() + name.bytes().len())
            }
            Event::ToolArgs {
                choice,
                index,
                piece,
            } => {
                let waiting = &mut self.at(*choice).waiting;
                // What comes behind a whole object is no part of it.
                let open = waiting
                    .iter_mut()
                    .find(|call| call.index == *index && !call.shape.is_whole());
                let added = open.map_or(0, |call| {
                    call.shape = call.shape.over(piece.bytes());
                    call.pieces.push(piece.clone());
                    size_of::<Str>() + piece.bytes().len()
                });
                (*choice, added)
            }
            _ => (0, 0),
        }
    }

    /// Writes the calls whose turn it is; all of them where nothing more comes.
    fn release(&mut self, weave: &mut Weave, number: u32, all: bool) {
        let waiting = std::mem::take(&mut self.at(number).waiting);
        let ready = |call: &Call| all || call.shape.is_whole();
        let count = waiting.iter().take_while(|call| ready(call)).count();
        let mut waiting = waiting.into_iter();
        for call in waiting.by_ref().take(count) {
            let pieces = call
                .pieces
                .iter()
                .map(|piece| piece.bytes().len() + size_of::<Str>());
            let bytes = size_of::<Call>() + call.name.bytes().len() + pieces.sum::<usize>();
            self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
            self.chunk(weave, number, &Part::Call(&call));
        }
        self.at(number).waiting = waiting.collect();
    }

    /// An event with one part of one candidate.
    fn chunk(&self, weave: &mut Weave, number: u32, part: &Part<'_>) {
        weave.lit("data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[");
        write_part(weave, part);
        weave.lit("]},\"index\":");
        weave.number(number);
        weave.lit("}]");
        if let Some(usage) = &self.usage {
            write_usage(weave, usage);
        }
        self.close(weave);
        weave.lit("\n\n");
    }

    /// `"modelVersion":…,"responseId":…}`
    fn close(&self, weave: &mut Weave) {
        weave.lit(",\"modelVersion\":");
        weave.quoted(&self.head.model);
        weave.lit(",\"responseId\":");
        match &self.id {
            Some(id) => weave.string(id),
            None => weave.quoted(&self.head.request_id),
        }
        weave.lit("}");
    }
}

impl Encoder for Writer {
    fn events(&mut self, events: &[Event], out: &mut Rope) -> Result<(), Fault> {
        let mut weave = Weave::of_events(events.len());
        let taken = events
            .iter()
            .try_for_each(|event| self.take(&mut weave, event));
        out.append(weave.take());
        taken
    }

    fn end(&mut self, out: &mut Rope) {
        let mut weave = Weave::new();
        let numbers: Vec<u32> = self.choices.iter().map(|choice| choice.number).collect();
        for number in numbers {
            self.release(&mut weave, number, true);
        }
        self.choices.sort_by_key(|choice| choice.number);
        weave.lit("data: {\"candidates\":[");
        for (at, choice) in self.choices.iter().enumerate() {
            weave.lit(if at == 0 { "" } else { "," });
            weave.lit(
                "{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"",
            );
            weave.lit(choice.reason());
            weave.lit("\",\"index\":");
            weave.number(choice.number);
            weave.lit("}");
        }
        weave.lit("]");
        write_usage(&mut weave, &self.usage.unwrap_or_default());
        self.close(&mut weave);
        weave.lit("\n\n");
        out.append(weave.take());
    }

    fn whole(&mut self, events: &[Event]) -> Rope {
        let mut answers: Vec<Answer> = Vec::new();
        for event in events {
            match event {
                Event::Start { id, .. } => self.id = Some(id.clone()).filter(|id| !id.is_empty()),
                Event::Usage(usage) => self.usage = Some(usage.after(self.usage)),
                Event::Finish { choice, finish } => {
                    self.at(*choice).finish.get_or_insert(*finish);
                }
                other => self.gather(&mut answers, other),
            }
        }
        self.choices.sort_by_key(|choice| choice.number);
        let mut weave = Weave::new();
        weave.lit("{\"candidates\":[");
        for (at, choice) in self.choices.iter().enumerate() {
            weave.lit(if at == 0 { "" } else { "," });
            weave.lit("{\"content\":{\"role\":\"model\",\"parts\":[");
            let answer = answers.iter().find(|answer| answer.number == choice.number);
            let mut parts = answer.iter().flat_map(|answer| &answer.said);
            if let Some(first) = parts.next() {
                first.write(&mut weave);
            }
            for said in parts {
                weave.lit(",");
                said.write(&mut weave);
            }
            weave.lit("]},\"finishReason\":\"");
            weave.lit(choice.reason());
            weave.lit("\",\"index\":");
            weave.number(choice.number);
            weave.lit("}");
        }
        weave.lit("]");
        write_usage(&mut weave, &self.usage.unwrap_or_default());
        self.close(&mut weave);
        weave.take()
    }
}

impl Choice {
    fn reason(&self) -> &'static str {
        match self.finish {
            Some(Finish::Length) => "MAX_TOKENS",
            Some(Finish::ContentFilter) => "SAFETY",
            _ if self.refused => "SAFETY",
            _ => "STOP",
        }
    }
}

/// One candidate of a whole reply, gathered from its events.
struct Answer {
    number: u32,
    said: Vec<Said>,
}

enum Said {
    Text(Vec<Str>),
    Thought(Vec<Str>),
    Signed(Str),
    Call(Call),
}

impl Said {
    fn write(&self, weave: &mut Weave) {
        let part = match self {
            Self::Text(pieces) => Part::Text(pieces),
            Self::Thought(pieces) => Part::Thought(pieces),
            Self::Signed(proof) => Part::Signed(proof),
            Self::Call(call) => Part::Call(call),
        };
        write_part(weave, &part);
    }
}

impl Writer {
    fn gather(&mut self, answers: &mut Vec<Answer>, event: &Event) {
        let number = match event {
            Event::Text { choice, .. }
            | Event::Refusal { choice, .. }
            | Event::Reasoning { choice, .. }
            | Event::Proof { choice, .. }
            | Event::ToolStart { choice, .. }
            | Event::ToolArgs { choice, .. } => *choice,
            _ => return,
        };
        if !answers.iter().any(|answer| answer.number == number) {
            answers.push(Answer {
                number,
                said: Vec::new(),
            });
        }
        let shown = self.head.thoughts;
        let named = match event {
            Event::ToolStart { id, index, .. } => self.head.call_id(id, number, *index),
            _ => Str::default(),
        };
        let choice = self.at(number);
        let answer = answers.iter_mut().find(|answer| answer.number == number);
        let Some(said) = answer.map(|answer| &mut answer.said) else {
            return;
        };
        match event {
            Event::Text { text, .. } | Event::Refusal { text, .. } => {
                choice.refused |= matches!(event, Event::Refusal { .. });
                match said.last_mut() {
                    Some(Said::Text(pieces)) => pieces.push(text.clone()),
                    _ => said.push(Said::Text(vec![text.clone()])),
                }
            }
            Event::Reasoning { text, .. } if shown => match said.last_mut() {
                Some(Said::Thought(pieces)) => pieces.push(text.clone()),
                _ => said.push(Said::Thought(vec![text.clone()])),
            },
            Event::Proof { kind, data, .. } if *kind == CALL_SIGNATURE => {
                choice.signature = Some(data.clone());
            }
            Event::Proof { kind, data, .. } if *kind == TEXT_SIGNATURE => {
                said.push(Said::Signed(data.clone()));
            }
            Event::ToolStart { index, name, .. } => said.push(Said::Call(Call {
                index: *index,
                id: named,
                name: name.clone(),
                pieces: Vec::new(),
                shape: Shape::default(),
                signature: choice.signature.take(),
            })),
            Event::ToolArgs { index, piece, .. } => {
                for one in said {
                    if let Said::Call(call) = one
                        && call.index == *index
                    {
                        call.pieces.push(piece.clone());
                    }
                }
            }
            _ => {}
        }
    }
}

fn write_part(weave: &mut Weave, part: &Part<'_>) {
    match part {
        Part::Text(pieces) => {
            weave.lit("{\"text\":");
            weave.pieces(*pieces);
        }
        Part::Thought(pieces) => {
            weave.lit("{\"text\":");
            weave.pieces(*pieces);
            weave.lit(",\"thought\":true");
        }
        Part::Signed(proof) => {
            weave.lit("{\"text\":\"\",\"thoughtSignature\":");
            weave.string(proof);
        }
        Part::Call(call) => {
            weave.lit("{\"functionCall\":{\"id\":");
            weave.string(&call.id);
            weave.lit(",\"name\":");
            weave.string(&call.name);
            weave.lit(",\"args\":");
            write_input(weave, &joined(&call.pieces));
            weave.lit("}");
            if let Some(proof) = &call.signature {
                weave.lit(",\"thoughtSignature\":");
                weave.string(proof);
            }
        }
    }
    weave.lit("}");
}

/// Counts in this dialect's way: thoughts are beside the candidates, not in them.
fn write_usage(weave: &mut Weave, usage: &Usage) {
    let usage = usage.clamped();
    weave.lit(",\"usageMetadata\":{\"promptTokenCount\":");
    weave.number(usage.prompt);
    if usage.cached > 0 {
        weave.lit(",\"cachedContentTokenCount\":");
        weave.number(usage.cached);
    }
    weave.lit(",\"candidatesTokenCount\":");
    weave.number(usage.completion.saturating_sub(usage.reasoning));
    if usage.reasoning > 0 {
        weave.lit(",\"thoughtsTokenCount\":");
        weave.number(usage.reasoning);
    }
    weave.lit(",\"totalTokenCount\":");
    weave.number(usage.prompt.saturating_add(usage.completion));
    weave.lit("}");
}
