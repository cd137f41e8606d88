//! Writes canonical events as a chat-completions reply, streamed or whole.
//!
//! Keeps to what the official SDK asks for (`dialects/openai-chat.md`, sections 3 and 4): the role first, tool indexes
//! from 0, id and name once, one finish chunk a choice, usage only if asked, `[DONE]`. Writes no error and no end that
//! the events do not tell.

use wire::canon::{Event, Raw, Str, Usage};
use wire::facts::Finish;
use wire::json::{self, Value};
use wire::{Fault, Rope};

use crate::dialect::{Encoder, ReplyHead};
use crate::weave::Weave;

/// State of one reply.
pub(super) struct Writer {
    head: ReplyHead,
    id: Option<Str>,
    created: i64,
    /// Beginning of every chunk, up to the choice's number; made when the first is written.
    opening: Vec<u8>,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Default)]
struct Choice {
    number: u32,
    begun: bool,
    finished: bool,
    logprobs: Option<Raw>,
}

impl Writer {
    /// Nothing written yet.
    pub(super) fn new(head: ReplyHead) -> Self {
        Self {
            created: head.created,
            head,
            id: None,
            opening: Vec::new(),
            choices: Vec::new(),
            usage: None,
        }
    }

    fn start(&mut self, id: &Str, created: i64) {
        self.id = Some(id.clone()).filter(|id| !id.is_empty());
        if created > 0 {
            self.created = created;
        }
    }

    /// `"id":…,"object":…,"created":…,"model":…`
    fn write_head(&self, weave: &mut Weave, object: &str) {
        weave.lit("{\"id\":");
        match &self.id {
            Some(id) => weave.string(id),
            None => weave.quoted(&self.head.request_id),
        }
        weave.lit(",\"object\":\"");
        weave.lit(object);
        weave.lit("\",\"created\":");
        weave.number(self.created);
        weave.lit(",\"model\":");
        weave.quoted(&self.head.model);
    }

    fn opening(&mut self, weave: &mut Weave) {
        if self.opening.is_empty() {
            let mut opening = Weave::new();
            opening.lit("data: ");
            self.write_head(&mut opening, "chat.completion.chunk");
            opening.lit(",\"choices\":[");
            self.opening = opening.take().into_bytes().to_vec();
        }
        weave.bytes(&self.opening);
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

    /// One chunk of one choice; `delta` writes what stands between the braces.
    fn chunk(
        &mut self,
        weave: &mut Weave,
        number: u32,
        finish: Option<Finish>,
        delta: impl FnOnce(&mut Weave),
    ) {
        self.opening(weave);
        weave.lit("{\"index\":");
        weave.number(number);
        weave.lit(",\"delta\":{");
        delta(weave);
        weave.lit("},\"logprobs\":");
        match self.at(number).logprobs.take() {
            Some(raw) => weave.raw(&raw),
            None => weave.lit("null"),
        }
        weave.lit(",\"finish_reason\":");
        match finish {
            Some(finish) => weave.quoted(self.word(finish)),
            None => weave.lit("null"),
        }
        weave.lit(if self.head.usage_asked {
            "}],\"usage\":null}\n\n"
        } else {
            "}]}\n\n"
        });
    }

    /// The role chunk, before anything else of a choice.
    fn begin(&mut self, weave: &mut Weave, number: u32, content: &'static str) {
        let choice = self.at(number);
        if std::mem::replace(&mut choice.begun, true) {
            return;
        }
        // Probabilities belong to the text that follows.
        let logprobs = choice.logprobs.take();
        self.chunk(weave, number, None, |weave| {
            weave.lit("\"role\":\"assistant\",\"content\":");
            weave.lit(content);
        });
        self.at(number).logprobs = logprobs;
    }

    fn piece(&mut self, weave: &mut Weave, number: u32, key: &'static str, text: &Str) {
        self.begin(weave, number, "\"\"");
        self.chunk(weave, number, None, |weave| {
            weave.lit(key);
            weave.string(text);
        });
    }

    fn call_begins(
        &mut self,
        weave: &mut Weave,
        (choice, index): (u32, u32),
        id: &Str,
        name: &Str,
    ) {
        self.begin(weave, choice, "null");
        if self.head.shape.functions {
            // There is room for one call only.
            if index == 0 {
                self.chunk(weave, choice, None, |weave| {
                    weave.lit("\"function_call\":{\"name\":");
                    weave.string(name);
                    weave.lit(",\"arguments\":\"\"}");
                });
            }
            return;
        }
        let id = self.head.call_id(id, choice, index);
        self.chunk(weave, choice, None, |weave| {
            weave.lit("\"tool_calls\":[{\"index\":");
            weave.number(index);
            weave.lit(",\"id\":");
            weave.string(&id);
            weave.lit(",\"type\":\"function\",\"function\":{\"name\":");
            weave.string(name);
            weave.lit(",\"arguments\":\"\"}}]");
        });
    }

    fn call_goes_on(&mut self, weave: &mut Weave, (choice, index): (u32, u32), piece: &Str) {
        let old = self.head.shape.functions;
        if old && index > 0 {
            return;
        }
        self.chunk(weave, choice, None, |weave| {
            if old {
                weave.lit("\"function_call\":{\"arguments\":");
                weave.string(piece);
                weave.lit("}");
                return;
            }
            weave.lit("\"tool_calls\":[{\"index\":");
            weave.number(index);
            weave.lit(",\"function\":{\"arguments\":");
            weave.string(piece);
            weave.lit("}}]");
        });
    }

    /// Why a choice ended, in the words that the client knows.
    fn word(&self, finish: Finish) -> &'static str {
        match finish {
            Finish::ToolCalls if self.head.shape.functions => "function_call",
            other => other.as_str(),
        }
    }

    fn write(&mut self, weave: &mut Weave, event: &Event) {
        match event {
            Event::Start { id, created, .. } => self.start(id, *created),
            Event::Text { choice, text } => self.piece(weave, *choice, "\"content\":", text),
            Event::Refusal { choice, text } => self.piece(weave, *choice, "\"refusal\":", text),
            Event::Reasoning { choice, text } => {
                self.piece(weave, *choice, "\"reasoning_content\":", text);
            }
            Event::Proof { choice, kind, data } => {
                self.begin(weave, *choice, "\"\"");
                self.chunk(weave, *choice, None, |weave| write_proof(weave, kind, data));
            }
            Event::ToolStart {
                choice,
                index,
                id,
                name,
            } => self.call_begins(weave, (*choice, *index), id, name),
            Event::ToolArgs {
                choice,
                index,
                piece,
            } => self.call_goes_on(weave, (*choice, *index), piece),
            Event::Logprobs { choice, value } => {
                self.at(*choice).logprobs = Some(value.clone());
            }
            // A failure is told by the relay, never by a finish chunk.
            Event::Finish {
                finish: Finish::Failed,
                ..
            }
            | Event::Error(_) => {}
            Event::Finish { choice, finish } => {
                self.begin(weave, *choice, "\"\"");
                if !std::mem::replace(&mut self.at(*choice).finished, true) {
                    self.chunk(weave, *choice, Some(*finish), |_| ());
                }
            }
            Event::Usage(usage) => self.usage = Some(usage.after(self.usage)),
        }
    }
}

impl Encoder for Writer {
    fn events(&mut self, events: &[Event], out: &mut Rope) -> Result<(), Fault> {
        let mut weave = Weave::of_events(events.len());
        for event in events {
            self.write(&mut weave, event);
        }
        out.append(weave.take());
        Ok(())
    }

    fn end(&mut self, out: &mut Rope) {
        let mut weave = Weave::new();
        if let (Some(usage), true) = (self.usage, self.head.usage_asked) {
            self.opening(&mut weave);
            weave.lit("],\"usage\":");
            write_usage(&mut weave, &usage);
            weave.lit("}\n\n");
        }
        weave.lit("data: [DONE]\n\n");
        out.append(weave.take());
    }

    fn whole(&mut self, events: &[Event]) -> Rope {
        let mut answers: Vec<Answer<'_>> = Vec::new();
        for event in events {
            match event {
                Event::Start { id, created, .. } => self.start(id, *created),
                Event::Usage(usage) => self.usage = Some(usage.after(self.usage)),
                Event::Error(_) => {}
                other => gather(&mut answers, other),
            }
        }
        answers.sort_by_key(|answer| answer.number);
        let mut weave = Weave::new();
        self.write_head(&mut weave, "chat.completion");
        weave.lit(",\"choices\":[");
        for (at, answer) in answers.iter().enumerate() {
            weave.lit(if at == 0 { "" } else { "," });
            self.write_answer(&mut weave, answer);
        }
        weave.lit("]");
        if let Some(usage) = self.usage {
            weave.lit(",\"usage\":");
            write_usage(&mut weave, &usage);
        }
        weave.lit("}");
        weave.take()
    }
}

/// One choice of a whole reply, gathered from its events.
#[derive(Default)]
pub(crate) struct Answer<'a> {
    pub(crate) number: u32,
    pub(crate) text: Vec<&'a Str>,
    pub(crate) refusal: Vec<&'a Str>,
    pub(crate) reasoning: Vec<&'a Str>,
    pub(crate) proofs: Vec<(&'static str, &'a Str)>,
    pub(crate) calls: Vec<(&'a Str, &'a Str, Vec<&'a Str>)>,
    pub(crate) logprobs: Vec<&'a Raw>,
    pub(crate) finish: Option<Finish>,
}

impl<'a> Answer<'a> {
    /// The answer, or what stands in its place.
    pub(crate) fn said(&self) -> Vec<&'a Str> {
        let pieces = self.text.iter().chain(&self.refusal);
        pieces.copied().collect()
    }
}

/// Adds an event to its choice.
pub(crate) fn gather<'a>(answers: &mut Vec<Answer<'a>>, event: &'a Event) {
    let number = match event {
        Event::Text { choice, .. }
        | Event::Refusal { choice, .. }
        | Event::Reasoning { choice, .. }
        | Event::Proof { choice, .. }
        | Event::ToolStart { choice, .. }
        | Event::ToolArgs { choice, .. }
        | Event::Logprobs { choice, .. }
        | Event::Finish { choice, .. } => *choice,
        Event::Start { .. } | Event::Usage(_) | Event::Error(_) => return,
    };
    if !answers.iter().any(|answer| answer.number == number) {
        answers.push(Answer {
            number,
            ..Answer::default()
        });
    }
    let Some(answer) = answers.iter_mut().find(|answer| answer.number == number) else {
        return;
    };
    match event {
        Event::Text { text, .. } => answer.text.push(text),
        Event::Refusal { text, .. } => answer.refusal.push(text),
        Event::Reasoning { text, .. } => answer.reasoning.push(text),
        Event::Proof { kind, data, .. } => answer.proofs.push((kind, data)),
        Event::ToolStart { id, name, .. } => answer.calls.push((id, name, Vec::new())),
        Event::ToolArgs { index, piece, .. } => {
            if let Some(call) = answer.calls.get_mut(*index as usize) {
                call.2.push(piece);
            }
        }
        Event::Logprobs { value, .. } => answer.logprobs.push(value),
        Event::Finish { finish, .. } => answer.finish = Some(*finish),
        Event::Start { .. } | Event::Usage(_) | Event::Error(_) => {}
    }
}

impl Writer {
    fn write_answer(&self, weave: &mut Weave, answer: &Answer<'_>) {
        weave.lit("{\"index\":");
        weave.number(answer.number);
        weave.lit(",\"message\":{\"role\":\"assistant\",\"content\":");
        let empty = answer.text.is_empty();
        if empty && (!answer.calls.is_empty() || !answer.refusal.is_empty()) {
            weave.lit("null");
        } else {
            weave.pieces(answer.text.iter().copied());
        }
        weave.lit(",\"refusal\":");
        if answer.refusal.is_empty() {
            weave.lit("null");
        } else {
            weave.pieces(answer.refusal.iter().copied());
        }
        if !answer.reasoning.is_empty() {
            weave.lit(",\"reasoning_content\":");
            weave.pieces(answer.reasoning.iter().copied());
        }
        for (at, (kind, data)) in answer.proofs.iter().enumerate() {
            weave.lit(if at == 0 {
                ",\"reasoning_details\":["
            } else {
                ","
            });
            write_one_proof(weave, kind, data);
        }
        if !answer.proofs.is_empty() {
            weave.lit("]");
        }
        self.write_calls(weave, answer);
        weave.lit("},\"logprobs\":");
        write_logprobs(weave, &answer.logprobs);
        weave.lit(",\"finish_reason\":");
        match answer.finish {
            Some(Finish::Failed) | None => weave.lit("null"),
            Some(finish) => weave.quoted(self.word(finish)),
        }
        weave.lit("}");
    }
}

impl Writer {
    fn write_calls(&self, weave: &mut Weave, answer: &Answer<'_>) {
        if self.head.shape.functions {
            if let Some((_, name, pieces)) = answer.calls.first() {
                weave.lit(",\"function_call\":{\"name\":");
                weave.string(name);
                weave.lit(",\"arguments\":");
                weave.pieces(pieces.iter().copied());
                weave.lit("}");
            }
            return;
        }
        for (at, (id, name, pieces)) in answer.calls.iter().enumerate() {
            weave.lit(if at == 0 { ",\"tool_calls\":[" } else { "," });
            let index = u32::try_from(at).unwrap_or(u32::MAX);
            weave.lit("{\"id\":");
            weave.string(&self.head.call_id(id, answer.number, index));
            weave.lit(",\"type\":\"function\",\"function\":{\"name\":");
            weave.string(name);
            weave.lit(",\"arguments\":");
            weave.pieces(pieces.iter().copied());
            weave.lit("}}");
        }
        if !answer.calls.is_empty() {
            weave.lit("]");
        }
    }
}

/// A vendor's proof, in the field in which clients send it back (`dialects/mapping.md`, section 2).
fn write_proof(weave: &mut Weave, kind: &str, data: &Str) {
    weave.lit("\"reasoning_details\":[");
    write_one_proof(weave, kind, data);
    weave.lit("]");
}

fn write_one_proof(weave: &mut Weave, kind: &str, data: &Str) {
    weave.lit("{\"type\":");
    weave.quoted(kind);
    weave.lit(",\"data\":");
    weave.string(data);
    weave.lit("}");
}

/// Probabilities of all pieces as one object: their lists joined.
pub(crate) fn write_logprobs(weave: &mut Weave, all: &[&Raw]) {
    match all {
        [] => weave.lit("null"),
        [one] => weave.raw(one),
        many => {
            weave.lit("{\"content\":");
            join_lists(weave, many, "content");
            weave.lit(",\"refusal\":");
            join_lists(weave, many, "refusal");
            weave.lit("}");
        }
    }
}

/// Lists of that name in all of them, as one; `null` if there are none.
pub(crate) fn join_lists(weave: &mut Weave, all: &[&Raw], name: &str) {
    let mut open = false;
    for raw in all {
        let Ok(tape) = json::scan(raw.bytes(), &json::Limits::default()) else {
            continue;
        };
        let list = Value::root(&tape, raw.bytes()).and_then(|root| root.get(name));
        for element in list.iter().flat_map(Value::elements) {
            weave.lit(if std::mem::replace(&mut open, true) {
                ","
            } else {
                "["
            });
            weave.raw(&Raw::of(raw.bytes(), element));
        }
    }
    weave.lit(if open { "]" } else { "null" });
}

/// Token counts.
pub(crate) fn write_usage(weave: &mut Weave, usage: &Usage) {
    let total = usage.prompt.saturating_add(usage.completion);
    weave.lit("{\"prompt_tokens\":");
    weave.number(usage.prompt);
    weave.lit(",\"completion_tokens\":");
    weave.number(usage.completion);
    weave.lit(",\"total_tokens\":");
    weave.number(total);
    weave.lit(",\"prompt_tokens_details\":{\"cached_tokens\":");
    weave.number(usage.cached);
    if usage.cache_write > 0 {
        weave.lit(",\"cache_write_tokens\":");
        weave.number(usage.cache_write);
    }
    weave.lit("},\"completion_tokens_details\":{\"reasoning_tokens\":");
    weave.number(usage.reasoning);
    weave.lit("}}");
}
