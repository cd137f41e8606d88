//! Writes canonical events as a messages reply, streamed or whole.
//!
//! Keeps to what the official SDK asks for (`dialects/anthropic-messages.md`, section 4): named events, one block open at a
//! time, a signature in one piece, a stop reason before the stop. Other dialects let calls of tools take turns; here each
//! waits until the one before it is a whole JSON object. Writes no error and no end that the events do not tell.

use wire::canon::{Event, Str, Usage};
use wire::facts::Finish;
use wire::{Fault, Kind, Rope};

use super::shape::Shape;
use super::turns::write_input;
use super::{REDACTED, SIGNATURE};
use crate::dialect::{Encoder, ReplyHead};
use crate::weave::{Weave, joined};

/// Bytes of events that wait for their block's turn.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// What an event takes beside its text.
const EVENT_BYTES: usize = size_of::<Event>();

/// State of one reply.
pub(super) struct Writer {
    head: ReplyHead,
    id: Option<Str>,
    started: bool,
    /// Blocks begun so far.
    blocks: u32,
    open: Open,
    waiting: Vec<Event>,
    waiting_bytes: usize,
    finish: Option<Finish>,
    refused: bool,
    called: bool,
    usage: Option<Usage>,
}

/// The block that is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    No,
    Text,
    Thinking,
    Call(u32, Shape),
}

impl Writer {
    /// Nothing written yet.
    pub(super) fn new(head: ReplyHead) -> Self {
        Self {
            head,
            id: None,
            started: false,
            blocks: 0,
            open: Open::No,
            waiting: Vec::new(),
            waiting_bytes: 0,
            finish: None,
            refused: false,
            called: false,
            usage: None,
        }
    }

    fn take(&mut self, weave: &mut Weave, event: &Event) -> Result<(), Fault> {
        match event {
            Event::Start { id, .. } => self.id = Some(id.clone()).filter(|id| !id.is_empty()),
            Event::Usage(usage) => self.usage = Some(usage.after(self.usage)),
            // Asked for by nobody who speaks this dialect, or told by the relay.
            Event::Logprobs { .. } | Event::Error(_) => {}
            Event::Finish { finish, choice: 0 } => {
                self.finish.get_or_insert(*finish);
                self.settle(weave);
            }
            Event::Text { choice: 0, .. }
            | Event::Refusal { choice: 0, .. }
            | Event::Reasoning { choice: 0, .. }
            | Event::Proof { choice: 0, .. }
            | Event::ToolStart { choice: 0, .. }
            | Event::ToolArgs { choice: 0, .. } => {
                if self.must_wait(event) {
                    return self.wait(event);
                }
                self.write(weave, event);
                if !self.waiting.is_empty() && self.is_whole() {
                    self.release(weave)?;
                }
            }
            // There is one choice.
            _ => {}
        }
        Ok(())
    }

    /// Whether a call is open whose arguments are not whole, and the event is not of it.
    fn must_wait(&self, event: &Event) -> bool {
        let Open::Call(open, shape) = self.open else {
            return false;
        };
        match event {
            Event::ToolArgs { index, .. } if *index == open => false,
            // A piece of a call that waits goes behind its beginning.
            Event::ToolArgs { .. } if !self.waiting.is_empty() => true,
            _ => !shape.is_whole(),
        }
    }

    fn is_whole(&self) -> bool {
        matches!(self.open, Open::Call(_, shape) if shape.is_whole())
    }

    fn wait(&mut self, event: &Event) -> Result<(), Fault> {
        let text = match event {
            Event::Text { text, .. }
            | Event::Refusal { text, .. }
            | Event::Reasoning { text, .. }
            | Event::Proof { data: text, .. }
            | Event::ToolStart { name: text, .. }
            | Event::ToolArgs { piece: text, .. } => text.bytes().len(),
            _ => 0,
        };
        self.waiting_bytes += text + EVENT_BYTES;
        if self.waiting_bytes > WAITING_BYTES_MAX {
            return Err(Fault::new(Kind::Malformed)
                .reason("calls_take_turns")
                .message("The provider's calls of tools take turns for too long."));
        }
        self.waiting.push(event.clone());
        Ok(())
    }

    /// The open call is whole: what waited is looked at again.
    fn release(&mut self, weave: &mut Weave) -> Result<(), Fault> {
        self.waiting_bytes = 0;
        for event in std::mem::take(&mut self.waiting) {
            if self.must_wait(&event) {
                self.wait(&event)?;
            } else {
                self.write(weave, &event);
            }
        }
        Ok(())
    }

    /// Nothing more comes: each call that waits is written as one, in order.
    fn settle(&mut self, weave: &mut Weave) {
        self.waiting_bytes = 0;
        let mut waiting = std::mem::take(&mut self.waiting);
        while let Some(first) = waiting.first() {
            let call = match first {
                Event::ToolStart { index, .. } | Event::ToolArgs { index, .. } => Some(*index),
                _ => None,
            };
            let (now, later) = match call {
                None => {
                    let rest = waiting.split_off(1);
                    (waiting, rest)
                }
                Some(call) => waiting.into_iter().partition(|event| {
                    matches!(event, Event::ToolStart { index, .. } | Event::ToolArgs { index, .. } if *index == call)
                }),
            };
            for event in &now {
                self.write(weave, event);
            }
            waiting = later;
        }
        self.close(weave);
    }

    fn write(&mut self, weave: &mut Weave, event: &Event) {
        match event {
            Event::Text { text, .. } => self.text(weave, text),
            Event::Refusal { text, .. } => {
                self.refused = true;
                self.text(weave, text);
            }
            Event::Reasoning { text, .. } => {
                if self.open != Open::Thinking {
                    self.begin(weave, Open::Thinking, |weave| {
                        weave.lit(r#"{"type":"thinking","thinking":"","signature":""}"#);
                    });
                }
                self.delta(weave, r#"{"type":"thinking_delta","thinking":"#, text);
            }
            Event::Proof { kind, data, .. }
                if *kind == SIGNATURE && self.open == Open::Thinking =>
            {
                self.delta(weave, r#"{"type":"signature_delta","signature":"#, data);
                self.close(weave);
            }
            Event::Proof { kind, data, .. } if *kind == REDACTED => {
                self.begin(weave, Open::Text, |weave| {
                    weave.lit(r#"{"type":"redacted_thinking","data":"#);
                    weave.string(data);
                    weave.lit("}");
                });
                self.close(weave);
            }
            Event::ToolStart {
                index, id, name, ..
            } => {
                self.called = true;
                let id = self.call_id(id, *index);
                self.begin(weave, Open::Call(*index, Shape::default()), |weave| {
                    weave.lit("{\"type\":\"tool_use\",\"id\":");
                    weave.string(&id);
                    weave.lit(",\"name\":");
                    weave.string(name);
                    weave.lit(",\"input\":{}}");
                });
            }
            Event::ToolArgs { index, piece, .. } => {
                // What comes behind a whole object is no part of it.
                if let Open::Call(open, shape) = self.open
                    && open == *index
                    && !shape.is_whole()
                {
                    self.open = Open::Call(open, shape.over(piece.bytes()));
                    self.delta(
                        weave,
                        r#"{"type":"input_json_delta","partial_json":"#,
                        piece,
                    );
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, weave: &mut Weave, text: &Str) {
        if self.open != Open::Text {
            self.begin(weave, Open::Text, |weave| {
                weave.lit(r#"{"type":"text","text":""}"#);
            });
        }
        self.delta(weave, r#"{"type":"text_delta","text":"#, text);
    }

    fn begin(&mut self, weave: &mut Weave, open: Open, block: impl FnOnce(&mut Weave)) {
        self.start(weave);
        self.close(weave);
        weave.lit("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":");
        weave.number(self.blocks);
        weave.lit(",\"content_block\":");
        block(weave);
        weave.lit("}\n\n");
        self.open = open;
    }

    fn delta(&self, weave: &mut Weave, key: &str, text: &Str) {
        weave.lit("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
        weave.number(self.blocks);
        weave.lit(",\"delta\":");
        weave.lit(key);
        weave.string(text);
        weave.lit("}}\n\n");
    }

    fn close(&mut self, weave: &mut Weave) {
        if std::mem::replace(&mut self.open, Open::No) == Open::No {
            return;
        }
        weave.lit("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
        weave.number(self.blocks);
        weave.lit("}\n\n");
        self.blocks += 1;
    }

    fn start(&mut self, weave: &mut Weave) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        weave.lit("event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
        self.write_head(weave);
        weave.lit(",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        write_usage(weave, &self.usage.unwrap_or_default());
        weave.lit("}}\n\n");
    }

    fn write_head(&self, weave: &mut Weave) {
        weave.lit("{\"id\":");
        match &self.id {
            Some(id) => weave.string(id),
            None => weave.quoted(&self.head.request_id),
        }
        weave.lit(",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
        weave.quoted(&self.head.model);
    }

    fn stop_reason(&self) -> &'static str {
        match self.finish {
            Some(Finish::Length) => "max_tokens",
            Some(Finish::ContentFilter) => "refusal",
            Some(Finish::ToolCalls) => "tool_use",
            _ if self.called => "tool_use",
            _ if self.refused => "refusal",
            _ => "end_turn",
        }
    }

    /// A call's id; one of our own where the vendor gives none.
    fn call_id(&self, id: &Str, index: u32) -> Str {
        if id.is_empty() {
            return Str::escaped(&format!("toolu_{}_{index}", self.head.request_id));
        }
        id.clone()
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
        self.start(&mut weave);
        self.settle(&mut weave);
        weave.lit(
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"",
        );
        weave.lit(self.stop_reason());
        weave.lit("\",\"stop_sequence\":null},\"usage\":");
        write_usage(&mut weave, &self.usage.unwrap_or_default());
        weave.lit("}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
        out.append(weave.take());
    }

    fn whole(&mut self, events: &[Event]) -> Rope {
        let mut blocks: Vec<Block<'_>> = Vec::new();
        for event in events {
            match event {
                Event::Start { id, .. } => {
                    self.id = Some(id.clone()).filter(|id| !id.is_empty());
                }
                Event::Usage(usage) => self.usage = Some(usage.after(self.usage)),
                Event::Finish { finish, choice: 0 } => {
                    self.finish.get_or_insert(*finish);
                }
                other => {
                    self.refused |= matches!(other, Event::Refusal { choice: 0, .. });
                    self.called |= matches!(other, Event::ToolStart { choice: 0, .. });
                    gather(&mut blocks, other);
                }
            }
        }
        let mut weave = Weave::new();
        self.write_head(&mut weave);
        weave.lit(",\"content\":[");
        for (at, block) in blocks.iter().enumerate() {
            weave.lit(if at == 0 { "" } else { "," });
            self.write_block(&mut weave, block);
        }
        weave.lit("],\"stop_reason\":\"");
        weave.lit(self.stop_reason());
        weave.lit("\",\"stop_sequence\":null,\"usage\":");
        write_usage(&mut weave, &self.usage.unwrap_or_default());
        weave.lit("}");
        weave.take()
    }
}

/// One block of a whole reply, gathered from its events.
enum Block<'a> {
    Text(Vec<&'a Str>),
    Thinking(Vec<&'a Str>, Option<&'a Str>),
    Redacted(&'a Str),
    Call {
        index: u32,
        id: &'a Str,
        name: &'a Str,
        pieces: Vec<&'a Str>,
    },
}

fn gather<'a>(blocks: &mut Vec<Block<'a>>, event: &'a Event) {
    match event {
        Event::Text { text, choice: 0 } | Event::Refusal { text, choice: 0 } => {
            if let Some(Block::Text(pieces)) = blocks.last_mut() {
                pieces.push(text);
            } else {
                blocks.push(Block::Text(vec![text]));
            }
        }
        Event::Reasoning { text, choice: 0 } => {
            if let Some(Block::Thinking(pieces, None)) = blocks.last_mut() {
                pieces.push(text);
            } else {
                blocks.push(Block::Thinking(vec![text], None));
            }
        }
        Event::Proof {
            kind,
            data,
            choice: 0,
        } if *kind == SIGNATURE => {
            if let Some(Block::Thinking(_, proof)) = blocks.last_mut() {
                *proof = Some(data);
            }
        }
        Event::Proof {
            kind,
            data,
            choice: 0,
        } if *kind == REDACTED => blocks.push(Block::Redacted(data)),
        Event::ToolStart {
            index,
            id,
            name,
            choice: 0,
        } => blocks.push(Block::Call {
            index: *index,
            id,
            name,
            pieces: Vec::new(),
        }),
        Event::ToolArgs {
            index: of,
            piece,
            choice: 0,
        } => {
            for block in blocks {
                if let Block::Call { index, pieces, .. } = block
                    && index == of
                {
                    pieces.push(piece);
                }
            }
        }
        _ => {}
    }
}

impl Writer {
    fn write_block(&self, weave: &mut Weave, block: &Block<'_>) {
        match block {
            Block::Text(pieces) => {
                weave.lit("{\"type\":\"text\",\"text\":");
                weave.pieces(pieces.iter().copied());
            }
            Block::Thinking(pieces, proof) => {
                weave.lit("{\"type\":\"thinking\",\"thinking\":");
                weave.pieces(pieces.iter().copied());
                weave.lit(",\"signature\":");
                match proof {
                    Some(proof) => weave.string(proof),
                    None => weave.lit("\"\""),
                }
            }
            Block::Redacted(data) => {
                weave.lit("{\"type\":\"redacted_thinking\",\"data\":");
                weave.string(data);
            }
            Block::Call {
                index,
                id,
                name,
                pieces,
            } => {
                weave.lit("{\"type\":\"tool_use\",\"id\":");
                weave.string(&self.call_id(id, *index));
                weave.lit(",\"name\":");
                weave.string(name);
                weave.lit(",\"input\":");
                write_input(weave, &joined(pieces.iter().copied()));
            }
        }
        weave.lit("}");
    }
}

/// Counts in this dialect's way: what a cache gave or took is beside the input, not in it.
fn write_usage(weave: &mut Weave, usage: &Usage) {
    let usage = usage.clamped();
    let input = usage
        .prompt
        .saturating_sub(usage.cached)
        .saturating_sub(usage.cache_write);
    weave.lit("{\"input_tokens\":");
    weave.number(input);
    weave.lit(",\"cache_creation_input_tokens\":");
    weave.number(usage.cache_write);
    weave.lit(",\"cache_read_input_tokens\":");
    weave.number(usage.cached);
    weave.lit(",\"output_tokens\":");
    weave.number(usage.completion);
    if usage.reasoning > 0 {
        weave.lit(",\"output_tokens_details\":{\"thinking_tokens\":");
        weave.number(usage.reasoning);
        weave.lit("}");
    }
    weave.lit("}");
}
