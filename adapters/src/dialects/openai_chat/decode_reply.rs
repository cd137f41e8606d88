//! Reads a chat-completions reply, streamed or whole, to canonical events.
//!
//! One event's data is copied once; everything that comes out of it is a slice of that copy. Makes good what vendors get
//! wrong in a known way: ids repeated in every piece, missing tool indexes, `stop` after tool calls, arguments as an
//! object.

use bytes::Bytes;
use wire::canon::{Event, Raw, Str};
use wire::facts::Finish;
use wire::json::{self, Type, Value};
use wire::sse;
use wire::{Fault, Kind};

use super::shape::{is_chunk, is_completion};
use super::{lens, usage};
use crate::dialect::Decoder;
use crate::mold::Mold;

/// Choices of one reply that are followed; more are read as malformed.
const CHOICES_MAX: u32 = super::request::CHOICES_MAX as u32;
/// Tool calls of one choice that are followed.
const CALLS_MAX: usize = 1024;
/// Members of an event that are looked at in the first one only, or never.
const FREE: [&str; 3] = ["id", "created", "obfuscation"];

/// State of one reply.
#[derive(Default)]
pub(crate) struct Reader {
    mold: Mold,
    tape: json::Tape,
    started: bool,
    done: bool,
    failed: bool,
    choices: Vec<Choice>,
}

#[derive(Default)]
struct Choice {
    number: u32,
    calls: Calls,
    /// Anything at all.
    said: bool,
    /// There were deltas: a message behind them is the whole.
    deltas: bool,
    /// The vendor's moderation took it back.
    flagged: bool,
    finished: bool,
}

/// The tool calls of one choice: which piece belongs to which.
#[derive(Default)]
pub(crate) struct Calls {
    seen: Vec<(Option<u64>, Str)>,
}

impl Calls {
    /// Whether any call was seen.
    pub(crate) fn any(&self) -> bool {
        !self.seen.is_empty()
    }

    /// The number of the call that a piece belongs to, and whether it is new. A piece without an index belongs to the
    /// call of its id, or to the last one; one with a known index but another id begins a new call.
    ///
    /// # Errors
    /// `Malformed`: more calls than are followed.
    pub(crate) fn place(&mut self, index: Option<u64>, id: &Str) -> Result<(u32, bool), Fault> {
        let same_id = |known: &Str| id.is_empty() || known.is_empty() || known == id;
        let found = match index {
            Some(_) => self
                .seen
                .iter()
                .rposition(|row| row.0 == index && same_id(&row.1)),
            None if id.is_empty() => self.seen.len().checked_sub(1),
            None => self.seen.iter().rposition(|row| row.1 == *id),
        };
        if let Some(at) = found {
            return Ok((to_u32(at), false));
        }
        if self.seen.len() >= CALLS_MAX {
            return Err(Kind::Malformed.into());
        }
        self.seen.push((index, id.clone()));
        Ok((to_u32(self.seen.len() - 1), true))
    }
}

fn to_u32(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Decoder for Reader {
    fn event(&mut self, event: &sse::Event<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        if self.done || self.failed {
            return Ok(());
        }
        if let Some(event) = self.mold.read(event.raw) {
            out.push(event);
            return Ok(());
        }
        let Some(data) = data_of(event) else {
            return Ok(());
        };
        self.mold.forget();
        if data.trim_ascii_start().starts_with(b"[DONE]") {
            self.done = true;
            return Ok(());
        }
        let mut tape = std::mem::take(&mut self.tape);
        let (before, from) = (self.state(), out.len());
        let read = scan(&data, &mut tape).and_then(|root| {
            if event.name() == Some(b"error") {
                self.failed = true;
                out.push(Event::Error(Raw::of(&data, root)));
                return Ok(());
            }
            self.root(&data, root, out)
        });
        if read.is_ok() && self.state() == before {
            let made = out.get(from..).unwrap_or_default();
            self.mold.make(event, (&data, &tape), made, &FREE);
        }
        self.tape = tape;
        read
    }

    fn whole(&mut self, body: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        self.done = true;
        if !is_completion(lens::inner(root)) && !lens::is_error(root) {
            return Err(Kind::Malformed.into());
        }
        self.root(body, root, out)?;
        if !self.failed {
            self.close(out);
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), Fault> {
        let finished = self.choices.iter().all(|choice| choice.finished);
        let ended = (self.done || finished) && !self.choices.is_empty();
        if self.failed || !ended {
            return Err(Kind::CutShort.into());
        }
        self.close(out);
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.done
    }
}

/// An event's data (or the bare line that some servers write for an error), owned; `None` if there is nothing in it.
pub(crate) fn data_of(event: &sse::Event<'_>) -> Option<Bytes> {
    let data = match event.data() {
        Some(std::borrow::Cow::Borrowed(data)) => Bytes::copy_from_slice(data),
        Some(std::borrow::Cow::Owned(data)) => data.into(),
        None => Bytes::copy_from_slice(event.bare_json()?),
    };
    (!data.trim_ascii().is_empty()).then_some(data)
}

/// Scans an event's data to its object.
///
/// # Errors
/// `Malformed`.
pub(crate) fn scan<'a>(data: &'a Bytes, tape: &'a mut json::Tape) -> Result<Value<'a>, Fault> {
    json::scan::scan_into(data, &lens::LIMITS, tape).map_err(|reject| {
        Fault::new(Kind::Malformed).detail(format!("an event: {}", reject.reason.as_str()))
    })?;
    Value::root(tape, data)
        .filter(|root| root.kind() == Type::Object)
        .ok_or_else(|| Kind::Malformed.into())
}

impl Reader {
    /// What changes with an event that comes to one piece: all else changes with other events only.
    fn state(&self) -> (usize, usize) {
        let said = self.choices.iter().filter(|choice| choice.said).count();
        (self.choices.len(), said)
    }

    /// The vendor said that it was done, where it gave no reason: a natural end.
    fn close(&mut self, out: &mut Vec<Event>) {
        for choice in self.choices.iter_mut().filter(|choice| !choice.finished) {
            choice.finished = true;
            out.push(Event::Finish {
                choice: choice.number,
                finish: match choice {
                    Choice { flagged: true, .. } => Finish::ContentFilter,
                    _ if choice.calls.any() => Finish::ToolCalls,
                    _ => Finish::Stop,
                },
            });
        }
    }

    fn root(&mut self, data: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        if lens::is_error(root) {
            self.failed = true;
            out.push(Event::Error(Raw::of(data, root)));
            return Ok(());
        }
        let root = lens::inner(root);
        if !is_chunk(root) {
            return Err(Kind::Malformed.into());
        }
        if !std::mem::replace(&mut self.started, true) {
            let text = |name: &str| root.get(name).and_then(|one| Str::of(data, one));
            out.push(Event::Start {
                id: text("id").or_else(|| text("sid")).unwrap_or_default(),
                model: text("model").unwrap_or_default(),
                created: created(root),
            });
        }
        for value in root.get("choices").iter().flat_map(Value::elements) {
            let number = value.get("index").and_then(|index| index.as_u64());
            let number = u32::try_from(number.unwrap_or(0)).unwrap_or(u32::MAX);
            if number >= CHOICES_MAX {
                return Err(Kind::Malformed.into());
            }
            let withheld = lens::is_sensitive(root);
            self.choice(number).read(data, value, withheld, out)?;
        }
        if let Some((_, usage)) = usage::usage_of(root) {
            out.push(Event::Usage(usage));
        }
        Ok(())
    }

    fn choice(&mut self, number: u32) -> &mut Choice {
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

    /// Moderation took the rest back: every choice ends, with the sentence that stands in its place.
    pub(crate) fn withdraw(&mut self, reply: &Str, out: &mut Vec<Event>) {
        if self.done || self.failed {
            return;
        }
        if !std::mem::replace(&mut self.started, true) {
            out.push(Event::Start {
                id: Str::default(),
                model: Str::default(),
                created: 0,
            });
        }
        if self.choices.is_empty() {
            self.choice(0);
        }
        for choice in self.choices.iter_mut().filter(|choice| !choice.finished) {
            choice.finished = true;
            let (choice, text) = (choice.number, reply.clone());
            if !text.is_empty() {
                out.push(Event::Text { choice, text });
            }
            let finish = Finish::ContentFilter;
            out.push(Event::Finish { choice, finish });
        }
        self.done = true;
    }
}

/// `created`, where it is a number.
pub(crate) fn created(root: Value<'_>) -> i64 {
    let created = root.get("created").and_then(|created| created.as_u64());
    created
        .and_then(|created| i64::try_from(created).ok())
        .unwrap_or(0)
}

impl Choice {
    /// `withheld`: the vendor says beside the reply that its text may not be shown.
    fn read(
        &mut self,
        data: &Bytes,
        value: Value<'_>,
        withheld: bool,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let choice = self.number;
        let logprobs = value.get("logprobs");
        if let Some(logprobs) = logprobs.filter(|one| one.kind() == Type::Object) {
            let value = Raw::of(data, logprobs);
            out.push(Event::Logprobs { choice, value });
        }
        let flag = lens::flag_of(value);
        self.flagged |= flag >= lens::TAKEN_BACK;
        // A message behind deltas says the whole once more. One vendor calls its deltas messages.
        let delta = value.get("delta");
        self.deltas |= delta.is_some();
        let delta = delta.or_else(|| {
            let whole = self.said && self.deltas;
            value.get("message").filter(|_| !whole)
        });
        if delta.is_none() && !self.said {
            // A legacy completion.
            let text = value.get("text").and_then(|text| Str::of(data, text));
            let text = text.filter(|text| !text.is_empty());
            out.extend(text.map(|text| Event::Text { choice, text }));
        }
        // What a search of the vendor's own found is no answer.
        let shown = |delta: &Value<'_>| {
            flag < lens::WITHHELD && !delta.get("role").is_some_and(|role| role.is_named("tool"))
        };
        if let Some(delta) = delta.filter(shown) {
            let before = out.len();
            // Where the delta is the text itself, all else stands beside it.
            let beside = delta.kind() == Type::String;
            if beside {
                texts(data, value, choice, out);
            }
            texts(data, delta, choice, out);
            let calls = if beside { value } else { delta }.get("tool_calls");
            // One vendor writes a single call without a list around it.
            let single = calls.filter(|calls| calls.kind() == Type::Object);
            for piece in calls.iter().flat_map(Value::elements).chain(single) {
                self.calls.read(data, piece, choice, out)?;
            }
            self.said |= out.len() > before;
            if let Some(call) = delta
                .get("function_call")
                .filter(|one| one.kind() == Type::Object)
            {
                self.calls
                    .read_function(data, call, None, &Str::default(), choice, out)?;
            }
        }
        if let Some(finish) = lens::finish_of(value)
            && !std::mem::replace(&mut self.finished, true)
        {
            let finish = match finish {
                Finish::Failed => Finish::Failed,
                _ if self.flagged => Finish::ContentFilter,
                Finish::Stop if self.calls.any() => Finish::ToolCalls,
                Finish::Stop if withheld && !self.said => Finish::ContentFilter,
                other => other,
            };
            out.push(Event::Finish { choice, finish });
        }
        Ok(())
    }
}

/// Reasoning, text and refusal of a delta or a message.
pub(crate) fn texts(data: &Bytes, delta: Value<'_>, choice: u32, out: &mut Vec<Event>) {
    let text = |value: Value<'_>| Str::of(data, value).filter(|text| !text.is_empty());
    let reasoning = ["reasoning_content", "reasoning", "thinking"];
    let reasoning = reasoning.iter().find_map(|name| text(delta.get(name)?));
    out.extend(reasoning.map(|text| Event::Reasoning { choice, text }));
    // One vendor's delta is the text itself.
    out.extend(text(delta).map(|text| Event::Text { choice, text }));
    if let Some(content) = delta.get("content") {
        let thoughts = content
            .elements()
            .filter_map(|part| part.get("thinking"))
            .flat_map(|thinking| thinking.elements().chain([thinking]))
            .filter_map(|part| text(part.get("text").unwrap_or(part)));
        out.extend(thoughts.map(|text| Event::Reasoning { choice, text }));
        let own = text(content);
        let parts = content
            .elements()
            .filter_map(|part| text(part.get("text")?));
        let pieces = own.into_iter().chain(parts);
        out.extend(pieces.map(|text| Event::Text { choice, text }));
    }
    let refusal = delta.get("refusal").and_then(text);
    out.extend(refusal.map(|text| Event::Refusal { choice, text }));
}

impl Calls {
    /// A piece of a tool call.
    ///
    /// # Errors
    /// `Malformed`: more calls than are followed.
    pub(crate) fn read(
        &mut self,
        data: &Bytes,
        piece: Value<'_>,
        choice: u32,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let index = piece.get("index").and_then(|index| index.as_u64());
        let id = piece.get("id").and_then(|id| Str::of(data, id));
        let function = piece.get("function").unwrap_or(piece);
        self.read_function(data, function, index, &id.unwrap_or_default(), choice, out)
    }

    /// Name and arguments of a call, or of a piece of one.
    ///
    /// # Errors
    /// `Malformed`: more calls than are followed.
    pub(crate) fn read_function(
        &mut self,
        data: &Bytes,
        function: Value<'_>,
        index: Option<u64>,
        id: &Str,
        choice: u32,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let (index, new) = self.place(index, id)?;
        if new {
            let name = function.get("name").and_then(|name| Str::of(data, name));
            out.push(Event::ToolStart {
                choice,
                index,
                id: id.clone(),
                name: name.unwrap_or_default(),
            });
        }
        let piece = function.get("arguments").and_then(|arguments| {
            Str::of(data, arguments).or_else(|| {
                let object = arguments.kind() == Type::Object;
                let raw = std::str::from_utf8(arguments.raw())
                    .ok()
                    .filter(|_| object)?;
                Some(Str::escaped(raw))
            })
        });
        let piece = piece.filter(|piece| !piece.is_empty());
        out.extend(piece.map(|piece| Event::ToolArgs {
            choice,
            index,
            piece,
        }));
        Ok(())
    }
}
