//! Reads a native reply, streamed or whole, to canonical events.
//!
//! We ask for increments; models that send the whole text so far all the same are noticed and cut to what is new.

use bytes::Bytes;
use wire::canon::{Event, Raw, Str};
use wire::facts::Finish;
use wire::json::{self, Value};
use wire::{Fault, Kind, sse};

use crate::dialect::Decoder;
use crate::dialects::openai_chat::decode_reply::{Calls, data_of, scan, texts};
use crate::dialects::openai_chat::{lens, usage};

/// Choices of one reply that are followed.
const CHOICES_MAX: usize = 128;

/// State of one reply.
#[derive(Default)]
pub(super) struct Reader {
    tape: json::Tape,
    started: bool,
    choices: Vec<Choice>,
}

#[derive(Default)]
struct Choice {
    calls: Calls,
    text: Growth,
    reasoning: Growth,
    finished: bool,
}

impl Decoder for Reader {
    fn event(&mut self, event: &sse::Event<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let Some(data) = data_of(event) else {
            return Ok(());
        };
        if data.trim_ascii_start().starts_with(b"[DONE]") || event.name() == Some(b"done") {
            return Ok(());
        }
        let mut tape = std::mem::take(&mut self.tape);
        let read = scan(&data, &mut tape).and_then(|root| {
            if super::is_error(event, root) {
                out.push(Event::Error(Raw::of(&data, root)));
                return Ok(());
            }
            if !super::is_event(root) {
                return Err(Kind::Malformed.into());
            }
            self.root(&data, root, out)
        });
        self.tape = tape;
        read
    }

    fn whole(&mut self, body: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let code = root.get("code").and_then(|code| code.inner());
        let output = root.get("output");
        if code.is_some_and(|code| !code.is_empty()) || (output.is_none() && lens::is_error(root)) {
            out.push(Event::Error(Raw::of(body, root)));
            return Ok(());
        }
        if !super::is_reply(root) {
            return Err(Kind::Malformed.into());
        }
        self.root(body, root, out)
    }

    fn end(&mut self, _: &mut Vec<Event>) -> Result<(), Fault> {
        let finished = self.choices.iter().all(|choice| choice.finished);
        if self.choices.is_empty() || !finished {
            return Err(Kind::CutShort.into());
        }
        Ok(())
    }
}

impl Reader {
    fn root(&mut self, data: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        if !std::mem::replace(&mut self.started, true) {
            let id = root.get("request_id").and_then(|id| Str::of(data, id));
            out.push(Event::Start {
                id: id.unwrap_or_default(),
                model: Str::default(),
                created: 0,
            });
        }
        let mut any = false;
        for (at, value) in super::choices(root).enumerate() {
            any = true;
            let index = value.get("index").and_then(|index| index.as_u64());
            let at = index
                .and_then(|index| usize::try_from(index).ok())
                .unwrap_or(at);
            self.choice(at)?.read(data, value, at, out)?;
        }
        if let Some(output) = root.get("output").filter(|_| !any) {
            // The older shape: text and finish reason beside each other.
            let choice = self.choice(0)?;
            let mut made = Vec::new();
            if let Some(text) = output.get("text").and_then(|text| Str::of(data, text)) {
                made.push(Event::Text { choice: 0, text });
            }
            choice.pass(made, lens::finish_of(output), 0, out);
        }
        if let Some((_, usage)) = usage::usage_of(root) {
            out.push(Event::Usage(usage));
        }
        Ok(())
    }

    fn choice(&mut self, at: usize) -> Result<&mut Choice, Fault> {
        if at >= CHOICES_MAX {
            return Err(Kind::Malformed.into());
        }
        while self.choices.len() <= at {
            self.choices.push(Choice::default());
        }
        self.choices
            .get_mut(at)
            .ok_or_else(|| Kind::Malformed.into())
    }
}

impl Choice {
    fn read(
        &mut self,
        data: &Bytes,
        value: Value<'_>,
        at: usize,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        let mut made = Vec::new();
        if let Some(message) = value.get("message") {
            texts(data, message, number, &mut made);
            for piece in message.get("tool_calls").iter().flat_map(Value::elements) {
                self.calls.read(data, piece, number, &mut made)?;
            }
        }
        self.pass(made, lens::finish_of(value), number, out);
        Ok(())
    }

    /// Lets through what is new of an event's pieces.
    fn pass(
        &mut self,
        made: Vec<Event>,
        finish: Option<Finish>,
        choice: u32,
        out: &mut Vec<Event>,
    ) {
        let last = finish.is_some();
        let (mut text_came, mut reasoning_came) = (false, false);
        let (mut text, mut reasoning) = (Vec::new(), Vec::new());
        let mut rest = Vec::new();
        for event in made {
            match event {
                Event::Text { text: piece, .. } => {
                    text_came = true;
                    self.text.push(piece, last, &mut text);
                }
                Event::Reasoning { text: piece, .. } => {
                    reasoning_came = true;
                    self.reasoning.push(piece, last, &mut reasoning);
                }
                other => rest.push(other),
            }
        }
        // What waits for a second piece of its kind waits no longer than until another kind begins.
        if text_came || last {
            self.reasoning.release(&mut reasoning, reasoning_came);
        }
        if last {
            self.text.release(&mut text, text_came);
        }
        out.extend(
            reasoning
                .into_iter()
                .map(|text| Event::Reasoning { choice, text }),
        );
        out.extend(text.into_iter().map(|text| Event::Text { choice, text }));
        out.append(&mut rest);
        if let Some(finish) = finish
            && !std::mem::replace(&mut self.finished, true)
        {
            let finish = match finish {
                Finish::Stop if self.calls.any() => Finish::ToolCalls,
                other => other,
            };
            out.push(Event::Finish { choice, finish });
        }
    }
}

/// Whether a field's pieces are increments or the whole text so far: known for certain once a piece does not begin with
/// all that came before (increments), or once two in a row do (whole). A first repetition waits for the next piece.
#[derive(Default)]
struct Growth {
    mode: Mode,
    /// All that was let through while it is not known how the field grows, or the last whole text.
    seen: Vec<u8>,
    waiting: Option<Str>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Unknown,
    Increments,
    Whole,
}

impl Growth {
    fn push(&mut self, piece: Str, last: bool, out: &mut Vec<Str>) {
        let grows = |seen: &[u8], piece: &Str| {
            piece.bytes().len() > seen.len() && piece.bytes().starts_with(seen)
        };
        match self.mode {
            Mode::Increments => out.push(piece),
            Mode::Whole => {
                out.extend(rest_of(&piece, self.seen.len()));
                self.seen = piece.bytes().to_vec();
            }
            Mode::Unknown if self.seen.is_empty() => {
                self.seen.extend_from_slice(piece.bytes());
                out.push(piece);
            }
            Mode::Unknown => match self.waiting.take() {
                None if !grows(&self.seen, &piece) => self.increments(piece, out),
                None if !last => self.waiting = Some(piece),
                None => {
                    // The last event of a stream of wholes holds all of it; that of increments is mostly empty.
                    self.mode = Mode::Whole;
                    out.extend(rest_of(&piece, self.seen.len()));
                }
                Some(before) if piece.bytes().starts_with(before.bytes()) => {
                    self.mode = Mode::Whole;
                    out.extend(rest_of(&before, self.seen.len()));
                    out.extend(rest_of(&piece, before.bytes().len()));
                    self.seen = piece.bytes().to_vec();
                }
                Some(before) => {
                    out.push(before);
                    self.increments(piece, out);
                }
            },
        }
    }

    fn increments(&mut self, piece: Str, out: &mut Vec<Str>) {
        self.mode = Mode::Increments;
        self.seen = Vec::new();
        out.push(piece);
    }

    /// Lets go what waits. Without another piece of its kind, an ended stream's last word was an increment.
    fn release(&mut self, out: &mut Vec<Str>, came: bool) {
        if let Some(waiting) = self.waiting.take().filter(|_| !came) {
            self.mode = Mode::Increments;
            out.push(waiting);
        }
    }
}

/// What stands behind the first `from` bytes; `None` if nothing does.
fn rest_of(piece: &Str, from: usize) -> Option<Str> {
    let bytes = piece.bytes();
    (from < bytes.len()).then(|| Str::from_raw(bytes.slice(from..)))
}
