//! Writes canonical events as a response, streamed or whole.
//!
//! Keeps to what the official SDK's stream helper enforces (`dialects/openai-responses.md`, section 4): the response is
//! created first and keeps its id, every item is added once and done once, a part exists before its pieces, numbers go
//! up by one, and the end lists all items. Calls may be open side by side; a message or a thought is open alone. Writes
//! no end that the events do not tell.

mod response;

use std::collections::HashMap;

use bytes::Bytes;
use wire::canon::{Event, Raw, Str, Usage};
use wire::facts::Finish;
use wire::json::{self, Value};
use wire::{Fault, Kind as FaultKind, Rope};

use super::echo;
use super::whole::{Item, Kind, Part, What};
use crate::dialect::{Encoder, ReplyHead};
use crate::weave::Weave;
use response::State;

/// Bytes of a stream's text that are gathered for its end, where all of it is told once more.
const GATHERED_BYTES_MAX: usize = 64 << 20;
/// Items and parts of a stream, which are gathered alike.
const PARTS_MAX: usize = 8192;

/// State of one reply.
pub(super) struct Writer {
    head: ReplyHead,
    /// The vendor's id, if it is one of this dialect.
    id: Option<Str>,
    echo: Bytes,
    weave: Weave,
    /// The reply goes out whole: events are gathered, not written.
    silent: bool,
    started: bool,
    sequence: u64,
    items: Vec<Item>,
    /// Items and parts.
    parts: usize,
    /// The message or thought that is open.
    open: Option<usize>,
    /// The calls that are open.
    calls: Vec<usize>,
    /// The last call of each number.
    by_number: HashMap<u32, usize>,
    gathered: usize,
    /// Probabilities of the piece that comes next.
    logprobs: Option<Raw>,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

impl Writer {
    /// Nothing written yet.
    pub(super) fn new(head: ReplyHead) -> Self {
        Self {
            echo: if head.echo.is_empty() {
                echo::of_none()
            } else {
                head.echo.clone()
            },
            head,
            id: None,
            weave: Weave::new(),
            silent: false,
            started: false,
            sequence: 0,
            items: Vec::new(),
            parts: 0,
            open: None,
            calls: Vec::new(),
            by_number: HashMap::new(),
            gathered: 0,
            logprobs: None,
            finish: None,
            usage: None,
        }
    }

    fn take(&mut self, event: &Event) -> Result<(), Fault> {
        match event {
            Event::Start { id, .. } => {
                let own = id.bytes().starts_with(b"resp_");
                self.id = Some(id.clone()).filter(|_| own);
                self.start();
            }
            Event::Usage(usage) => self.usage = Some(usage.after(self.usage)),
            Event::Text { choice: 0, text } => self.say(What::Text, text)?,
            Event::Refusal { choice: 0, text } => self.say(What::Refusal, text)?,
            Event::Reasoning { choice: 0, text } => self.say(What::Thought, text)?,
            Event::Proof {
                choice: 0,
                kind,
                data,
            } => self.prove(kind, data)?,
            Event::ToolStart {
                choice: 0,
                index,
                id,
                name,
            } => self.call(*index, id, name)?,
            Event::ToolArgs {
                choice: 0,
                index,
                piece,
            } => self.arguments(*index, piece)?,
            Event::Logprobs { choice: 0, value } => self.logprobs = Some(value.clone()),
            Event::Finish { choice: 0, finish } => {
                self.finish.get_or_insert(*finish);
                self.settle();
            }
            // Told by the relay; and there is one choice.
            _ => {}
        }
        Ok(())
    }

    /// One event; `members` writes what it has beside type and number, each with a comma before it.
    fn event(&mut self, name: &str, members: impl FnOnce(&mut Weave, &Self)) {
        if self.silent {
            return;
        }
        let mut weave = std::mem::take(&mut self.weave);
        weave.lit("event: ");
        weave.lit(name);
        weave.lit("\ndata: {\"type\":\"");
        weave.lit(name);
        weave.lit("\",\"sequence_number\":");
        weave.number(self.sequence);
        members(&mut weave, self);
        weave.lit("}\n\n");
        self.weave = weave;
        self.sequence += 1;
    }

    fn start(&mut self) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        for name in ["response.created", "response.in_progress"] {
            self.event(name, |weave, writer| {
                weave.lit(",\"response\":");
                writer.write_response(weave, &State::InProgress);
            });
        }
    }

    /// A piece of a message or a thought.
    fn say(&mut self, what: What, text: &Str) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        let at = self.opened(what)?;
        self.piece(at, text)
    }

    /// The item whose last part takes a piece of that kind, opened if it is not.
    fn opened(&mut self, what: What) -> Result<usize, Fault> {
        if let Some(at) = self.open
            && let Some(item) = self.items.get(at)
        {
            let last = item.parts.last();
            if last.is_some_and(|part| part.what == what && !part.done) {
                return Ok(at);
            }
            let thinks = matches!(item.kind, Kind::Reasoning(_));
            if thinks == (what == What::Thought) && !item.parts.is_empty() {
                self.close_part(at);
                self.begin_part(at, what)?;
                return Ok(at);
            }
        }
        let kind = if what == What::Thought {
            Kind::Reasoning(None)
        } else {
            Kind::Message
        };
        let at = self.begin(kind)?;
        self.open = Some(at);
        self.begin_part(at, what)?;
        Ok(at)
    }

    /// One item or part more.
    fn count(&mut self) -> Result<(), Fault> {
        self.parts += 1;
        if self.parts > PARTS_MAX && !self.silent {
            return Err(Fault::new(FaultKind::Malformed).reason("reply_too_large"));
        }
        Ok(())
    }

    /// Begins an item; what was open and can be done is done.
    fn begin(&mut self, kind: Kind) -> Result<usize, Fault> {
        self.count()?;
        self.start();
        if let Some(open) = self.open.take() {
            self.close(open);
        }
        self.close_whole_calls();
        let at = self.items.len();
        self.items.push(Item::new(kind));
        self.tell_item("response.output_item.added", at);
        Ok(at)
    }

    fn tell_item(&mut self, name: &str, at: usize) {
        self.event(name, |weave, writer| {
            weave.lit(",\"output_index\":");
            weave.number(at);
            weave.lit(",\"item\":");
            if let Some(item) = writer.items.get(at) {
                item.write(weave, &writer.head.request_id, at);
            }
        });
    }

    /// The members that say which part is told of.
    fn write_place(&self, weave: &mut Weave, at: usize) {
        weave.lit(",\"item_id\":");
        let Some(item) = self.items.get(at) else {
            return weave.lit("\"\"");
        };
        item.write_id(weave, &self.head.request_id, at);
        weave.lit(",\"output_index\":");
        weave.number(at);
        if !matches!(item.kind, Kind::Call(..)) {
            weave.lit(",\"content_index\":");
            weave.number(item.parts.len().saturating_sub(1));
        }
    }

    fn begin_part(&mut self, at: usize, what: What) -> Result<(), Fault> {
        self.count()?;
        if let Some(item) = self.items.get_mut(at) {
            item.parts.push(Part::new(what));
        }
        if self.silent {
            return Ok(());
        }
        let words = what.words();
        if !words.kind.is_empty() {
            self.event("response.content_part.added", |weave, writer| {
                writer.write_place(weave, at);
                weave.lit(",\"part\":");
                Part::new(what).write(weave);
            });
        }
        let name = words.events[0];
        let mut opening = Weave::new();
        for piece in ["event: ", name, "\ndata: {\"type\":\"", name, "\""] {
            opening.lit(piece);
        }
        self.write_place(&mut opening, at);
        opening.lit(",\"sequence_number\":");
        if let Some(item) = self.items.get_mut(at) {
            item.opening = opening.take().into_bytes().to_vec();
        }
        Ok(())
    }

    /// A piece of an item's open part: nearly all events are this.
    fn piece(&mut self, at: usize, text: &Str) -> Result<(), Fault> {
        let Some(item) = self.items.get_mut(at) else {
            return Ok(());
        };
        let Some(part) = item.parts.last_mut() else {
            return Ok(());
        };
        part.add(text.bytes());
        self.gathered += text.bytes().len();
        if self.gathered > GATHERED_BYTES_MAX && !self.silent {
            return Err(Fault::new(FaultKind::Malformed).reason("reply_too_large"));
        }
        let probable = part.what == What::Text;
        let list = self.logprobs.take().and_then(|raw| list_of(&raw));
        if let Some(list) = list.as_ref().filter(|_| probable) {
            if !part.logprobs.is_empty() {
                part.logprobs.push(b',');
            }
            part.logprobs.extend_from_slice(list);
        }
        if self.silent {
            return Ok(());
        }
        self.weave.bytes(&item.opening);
        self.weave.number(self.sequence);
        self.sequence += 1;
        self.weave.lit(",\"delta\":\"");
        self.weave.splice(text.bytes());
        match list.filter(|_| probable) {
            None if probable => self.weave.lit("\",\"logprobs\":[]}\n\n"),
            None => self.weave.lit("\"}\n\n"),
            Some(list) => {
                self.weave.lit("\",\"logprobs\":[");
                self.weave.splice(&list);
                self.weave.lit("]}\n\n");
            }
        }
        Ok(())
    }

    fn prove(&mut self, kind: &'static str, data: &Str) -> Result<(), Fault> {
        let proof = Some((kind, data.clone()));
        let open = self.open.and_then(|at| Some((at, self.items.get_mut(at)?)));
        if let Some((at, item)) = open
            && let Kind::Reasoning(none @ None) = &mut item.kind
        {
            *none = proof;
            self.open = None;
            self.close(at);
            return Ok(());
        }
        let at = self.begin(Kind::Reasoning(proof))?;
        self.close(at);
        Ok(())
    }

    fn call(&mut self, index: u32, id: &Str, name: &Str) -> Result<(), Fault> {
        let id = if id.is_empty() {
            Str::escaped(&format!("call_{}_{index}", self.head.request_id))
        } else {
            id.clone()
        };
        let at = self.begin(Kind::Call(id, name.clone()))?;
        self.calls.push(at);
        self.by_number.insert(index, at);
        self.begin_part(at, What::Arguments)
    }

    fn arguments(&mut self, index: u32, piece: &Str) -> Result<(), Fault> {
        let at = self.by_number.get(&index).copied();
        match at.filter(|at| self.items.get(*at).is_some_and(|item| !item.done)) {
            Some(at) => self.piece(at, piece),
            // What comes behind a whole object is no part of it.
            None => Ok(()),
        }
    }

    /// Calls take turns in other dialects, so each stays open until its arguments are a whole object.
    fn close_whole_calls(&mut self) {
        let open = std::mem::take(&mut self.calls);
        for at in open {
            let part = self.items.get(at).and_then(|item| item.parts.last());
            if part.is_some_and(|part| part.shape.is_whole()) {
                self.close(at);
            } else {
                self.calls.push(at);
            }
        }
    }

    fn close_part(&mut self, at: usize) {
        let part = self
            .items
            .get_mut(at)
            .and_then(|item| item.parts.last_mut());
        let Some(part) = part.filter(|part| !part.done) else {
            return;
        };
        let what = part.what;
        if what == What::Arguments && part.open.is_empty() {
            // No arguments are an object without members. Two bytes are within any bound.
            let _ = self.piece(at, &Str::from_raw("{}"));
        }
        if let Some(part) = self
            .items
            .get_mut(at)
            .and_then(|item| item.parts.last_mut())
        {
            part.close();
        }
        let last = |writer: &Self| -> Option<usize> {
            writer
                .items
                .get(at)
                .map(|item| item.parts.len().saturating_sub(1))
        };
        let words = what.words();
        self.event(words.events[1], |weave, writer| {
            writer.write_place(weave, at);
            weave.lit(",");
            if let Some(part) = last(writer).and_then(|nth| writer.items.get(at)?.parts.get(nth)) {
                part.write_text(weave);
            }
        });
        if !words.kind.is_empty() {
            self.event("response.content_part.done", |weave, writer| {
                writer.write_place(weave, at);
                weave.lit(",\"part\":");
                if let Some(part) =
                    last(writer).and_then(|nth| writer.items.get(at)?.parts.get(nth))
                {
                    part.write(weave);
                }
            });
        }
    }

    fn close(&mut self, at: usize) {
        if self.items.get(at).is_none_or(|item| item.done) {
            return;
        }
        self.close_part(at);
        let cut = matches!(self.finish, Some(Finish::Length | Finish::ContentFilter));
        if let Some(item) = self.items.get_mut(at) {
            (item.done, item.cut) = (true, cut);
        }
        self.tell_item("response.output_item.done", at);
    }

    /// Nothing more comes: all that is open is done.
    fn settle(&mut self) {
        self.start();
        self.open = None;
        for at in 0..self.items.len() {
            self.close(at);
        }
    }
}

impl Encoder for Writer {
    fn events(&mut self, events: &[Event], out: &mut Rope) -> Result<(), Fault> {
        let taken = events.iter().try_for_each(|event| self.take(event));
        out.append(self.weave.take());
        taken
    }

    fn end(&mut self, out: &mut Rope) {
        self.settle();
        let state = self.state();
        let name = match state {
            State::Incomplete(_) => "response.incomplete",
            _ => "response.completed",
        };
        self.event(name, |weave, writer| {
            weave.lit(",\"response\":");
            writer.write_response(weave, &state);
        });
        out.append(self.weave.take());
    }

    fn whole(&mut self, events: &[Event]) -> Rope {
        self.silent = true;
        for event in events {
            // Only what streams gather is bounded here.
            let _ = self.take(event);
        }
        self.settle();
        let mut weave = Weave::of_events(events.len());
        self.write_response(&mut weave, &self.state());
        weave.take()
    }

    fn refuse(&mut self, fault: &Fault, out: &mut Rope) -> bool {
        self.start();
        self.event("response.failed", |weave, writer| {
            weave.lit(",\"response\":");
            writer.write_response(weave, &State::Failed(fault));
        });
        out.append(self.weave.take());
        true
    }
}

/// The elements of the list of probabilities, as they stood.
fn list_of(raw: &Raw) -> Option<Bytes> {
    let bytes = raw.bytes();
    let tape = json::scan(bytes, &json::Limits::default()).ok()?;
    let list = Value::root(&tape, bytes)?.get("content")?;
    let first = list.elements().next()?.span().start;
    let last = list.elements().last()?.span().end;
    bytes.get(first..last).map(|_| bytes.slice(first..last))
}
