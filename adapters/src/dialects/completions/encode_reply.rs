//! Writes canonical events as a completion, streamed or whole: text, and why it ended.
//!
//! What the model thinks and the tools that it calls have no place here; nobody who speaks this dialect can ask for them. A
//! refusal is text. Writes no error and no end that the events do not tell.

use wire::canon::{Event, Raw, Str, Usage};
use wire::facts::Finish;
use wire::{Fault, Rope};

use crate::dialect::{Encoder, ReplyHead};
use crate::dialects::openai_chat::encode_reply::{join_lists, write_usage};
use crate::weave::Weave;

/// The lists in this dialect's probabilities.
const LISTS: [&str; 4] = ["tokens", "token_logprobs", "top_logprobs", "text_offset"];

/// State of one reply.
pub(super) struct Writer {
    head: ReplyHead,
    id: Option<Str>,
    created: i64,
    /// Beginning of every chunk, up to the choice's number; made when the first is written.
    opening: Vec<u8>,
    /// Choices that have ended.
    ended: Vec<u32>,
    logprobs: Option<(u32, Raw)>,
    usage: Option<Usage>,
}

impl Writer {
    /// Nothing written yet.
    pub(super) fn new(head: ReplyHead) -> Self {
        Self {
            created: head.created,
            head,
            id: None,
            opening: Vec::new(),
            ended: Vec::new(),
            logprobs: None,
            usage: None,
        }
    }

    fn start(&mut self, id: &Str, created: i64) {
        self.id = Some(id.clone()).filter(|id| !id.is_empty());
        if created > 0 {
            self.created = created;
        }
    }

    fn write_head(&self, weave: &mut Weave) {
        weave.lit("{\"id\":");
        match &self.id {
            Some(id) => weave.string(id),
            None => weave.quoted(&self.head.request_id),
        }
        weave.lit(",\"object\":\"text_completion\",\"created\":");
        weave.number(self.created);
        weave.lit(",\"model\":");
        weave.quoted(&self.head.model);
        weave.lit(",\"choices\":[");
    }

    fn opening(&mut self, weave: &mut Weave) {
        if self.opening.is_empty() {
            let mut opening = Weave::new();
            opening.lit("data: ");
            self.write_head(&mut opening);
            self.opening = opening.take().into_bytes().to_vec();
        }
        weave.bytes(&self.opening);
    }

    fn chunk(
        &mut self,
        weave: &mut Weave,
        choice: u32,
        text: Option<&Str>,
        finish: Option<Finish>,
    ) {
        self.opening(weave);
        weave.lit("{\"index\":");
        weave.number(choice);
        weave.lit(",\"text\":");
        match text {
            Some(text) => weave.string(text),
            None => weave.lit("\"\""),
        }
        weave.lit(",\"logprobs\":");
        match self
            .logprobs
            .take_if(|(of, _)| *of == choice && text.is_some())
        {
            Some((_, raw)) => weave.raw(&raw),
            None => weave.lit("null"),
        }
        weave.lit(",\"finish_reason\":");
        write_finish(weave, finish);
        weave.lit(if self.head.usage_asked {
            "}],\"usage\":null}\n\n"
        } else {
            "}]}\n\n"
        });
    }

    fn write(&mut self, weave: &mut Weave, event: &Event) {
        match event {
            Event::Start { id, created, .. } => self.start(id, *created),
            Event::Text { choice, text } | Event::Refusal { choice, text } => {
                self.chunk(weave, *choice, Some(text), None);
            }
            Event::Logprobs { choice, value } if is_own(value) => {
                self.logprobs = Some((*choice, value.clone()));
            }
            Event::Finish { choice, finish }
                if *finish != Finish::Failed && !self.ended.contains(choice) =>
            {
                self.ended.push(*choice);
                self.chunk(weave, *choice, None, Some(*finish));
            }
            Event::Usage(usage) => self.usage = Some(usage.after(self.usage)),
            // Without a place here, or told by the relay.
            _ => {}
        }
    }
}

/// Whether probabilities are written as this dialect writes them: another one's are lost when it is asked for them.
fn is_own(value: &Raw) -> bool {
    memchr::memmem::find(value.bytes(), b"\"token_logprobs\"").is_some()
}

fn write_finish(weave: &mut Weave, finish: Option<Finish>) {
    match finish {
        None | Some(Finish::Failed) => weave.lit("null"),
        Some(Finish::ToolCalls) => weave.lit("\"stop\""),
        Some(finish) => weave.quoted(finish.as_str()),
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
        let mut choices: Vec<Choice<'_>> = Vec::new();
        for event in events {
            match event {
                Event::Start { id, created, .. } => self.start(id, *created),
                Event::Usage(usage) => self.usage = Some(usage.after(self.usage)),
                other => gather(&mut choices, other),
            }
        }
        choices.sort_by_key(|choice| choice.number);
        let mut weave = Weave::new();
        self.write_head(&mut weave);
        for (at, choice) in choices.iter().enumerate() {
            weave.lit(if at == 0 {
                "{\"index\":"
            } else {
                ",{\"index\":"
            });
            weave.number(choice.number);
            weave.lit(",\"text\":");
            weave.pieces(choice.text.iter().copied());
            weave.lit(",\"logprobs\":");
            write_logprobs(&mut weave, &choice.logprobs);
            weave.lit(",\"finish_reason\":");
            write_finish(&mut weave, choice.finish);
            weave.lit("}");
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
struct Choice<'a> {
    number: u32,
    text: Vec<&'a Str>,
    logprobs: Vec<&'a Raw>,
    finish: Option<Finish>,
}

fn gather<'a>(choices: &mut Vec<Choice<'a>>, event: &'a Event) {
    let (Event::Text { choice, .. }
    | Event::Refusal { choice, .. }
    | Event::Logprobs { choice, .. }
    | Event::Finish { choice, .. }) = event
    else {
        return;
    };
    if !choices.iter().any(|known| known.number == *choice) {
        choices.push(Choice {
            number: *choice,
            ..Choice::default()
        });
    }
    let Some(known) = choices.iter_mut().find(|known| known.number == *choice) else {
        return;
    };
    match event {
        Event::Text { text, .. } | Event::Refusal { text, .. } => known.text.push(text),
        Event::Logprobs { value, .. } if is_own(value) => known.logprobs.push(value),
        Event::Finish { finish, .. } => known.finish = Some(*finish),
        _ => {}
    }
}

/// Probabilities of all pieces as one object: their lists joined.
fn write_logprobs(weave: &mut Weave, all: &[&Raw]) {
    match all {
        [] => weave.lit("null"),
        [one] => weave.raw(one),
        many => {
            for (at, name) in LISTS.iter().enumerate() {
                weave.lit(if at == 0 { "{\"" } else { ",\"" });
                weave.lit(name);
                weave.lit("\":");
                join_lists(weave, many, name);
            }
            weave.lit("}");
        }
    }
}
