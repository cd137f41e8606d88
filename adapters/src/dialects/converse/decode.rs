//! Reads a Converse reply, streamed or whole, to canonical events; and what of one counts.
//!
//! One event's data is copied once; everything that comes out of it is a slice of that copy.

use bytes::Bytes;
use wire::canon::{Event, Raw, Str};
use wire::facts::{EventFacts, Finish, ReplyFacts, Usage};
use wire::json::{self, Type, Value};
use wire::sse;
use wire::{Fault, Kind};

use super::REDACTED;
use crate::dialect::Decoder;
use crate::dialects::anthropic::SIGNATURE;
use crate::dialects::openai_chat::decode_reply::{data_of, scan};
use crate::mold::Mold;

/// Calls of one reply that are followed; more are read as malformed.
const CALLS_MAX: u32 = 1024;
/// Blocks that are open at a time.
const OPEN_MAX: usize = 64;
/// Members of an event that nobody looks at: padding.
const FREE: [&str; 1] = ["p"];

/// Why a reply ended, of what holds `stopReason`.
fn finish_of(holder: Value<'_>) -> Option<Finish> {
    let word = holder.get("stopReason")?.as_str()?;
    Some(match &*word {
        "" => return None,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        // An open enum: what nobody knows is a natural end.
        _ => Finish::Stop,
    })
}

/// Whether a reply ended because what the model wrote could not be read.
fn is_malformed(holder: Value<'_>) -> bool {
    let reason = holder.get("stopReason");
    reason.is_some_and(|reason| {
        reason.is_named("malformed_model_output") || reason.is_named("malformed_tool_use")
    })
}

/// Usage in the nesting of our own: what a cache gave and took is part of the prompt.
fn usage_of(holder: Value<'_>) -> Option<(Value<'_>, Usage)> {
    let value = holder
        .get("usage")
        .filter(|one| one.kind() == Type::Object)?;
    let given = |name: &str| value.get(name).and_then(|count| count.as_u64());
    let count = |name: &str| given(name).unwrap_or(0);
    let (cached, cache_write) = (
        count("cacheReadInputTokens"),
        count("cacheWriteInputTokens"),
    );
    given("inputTokens").or(given("outputTokens"))?;
    let usage = Usage {
        prompt: count("inputTokens")
            .saturating_add(cached)
            .saturating_add(cache_write),
        completion: count("outputTokens"),
        cached,
        cache_write,
        reasoning: 0,
    };
    Some((value, usage.clamped()))
}

/// Reads one event of a stream.
pub(super) fn read_event(root: Value<'_>, facts: &mut EventFacts) {
    if root.get("exception").is_some() {
        facts.error = true;
        return;
    }
    let delta = root.get("delta");
    let holds = |holder: Option<Value<'_>>, name: &str| {
        let text = holder.and_then(|holder| holder.get(name));
        text.is_some_and(|text| text.has_text())
    };
    facts.content = root.get("start").is_some()
        || holds(delta, "text")
        || holds(delta.and_then(|delta| delta.get("toolUse")), "input")
        || holds(
            delta.and_then(|delta| delta.get("reasoningContent")),
            "text",
        );
    facts.finish = finish_of(root);
    if let Some((value, usage)) = usage_of(root) {
        facts.usage = Some(usage);
        facts.usage_span = value.span();
    }
}

/// Reads a whole reply.
pub(super) fn read_reply(root: Value<'_>) -> ReplyFacts {
    ReplyFacts {
        usage: usage_of(root).map(|(_, usage)| usage),
        finish: finish_of(root),
        odd_finishes: Vec::new(),
        ..ReplyFacts::default()
    }
}

/// State of one reply.
#[derive(Default)]
pub(super) struct Reader {
    mold: Mold,
    tape: json::Tape,
    failed: bool,
    finished: bool,
    said: bool,
    open: Vec<Block>,
    calls: u32,
}

struct Block {
    index: u64,
    /// The call that it is, and whether it had arguments.
    call: Option<(u32, bool)>,
    signature: Option<Str>,
}

impl Decoder for Reader {
    fn event(&mut self, event: &sse::Event<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        if self.failed {
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
        let mut tape = std::mem::take(&mut self.tape);
        let (before, from) = (self.state(), out.len());
        let name = event.word().unwrap_or_default();
        let read = scan(&data, &mut tape).and_then(|root| self.root(&data, (name, root), out));
        if read.is_ok() && self.state() == before {
            let made = out.get(from..).unwrap_or_default();
            self.mold.make(event, (&data, &tape), made, &FREE);
        }
        self.tape = tape;
        read
    }

    fn whole(&mut self, body: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let message = root.get("output").and_then(|output| output.get("message"));
        let content = message.and_then(|message| message.get("content"));
        let content = content
            .filter(|content| content.kind() == Type::Array)
            .ok_or(Kind::Malformed)?;
        out.push(Event::Start {
            id: Str::default(),
            model: Str::default(),
            created: 0,
        });
        for (index, block) in content.elements().enumerate() {
            self.block(body, index as u64, block, out)?;
        }
        self.finish(root, out);
        out.extend(usage_of(root).map(|(_, usage)| Event::Usage(usage)));
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<Event>) -> Result<(), Fault> {
        if self.failed || !self.finished {
            return Err(Kind::CutShort.into());
        }
        Ok(())
    }
}

fn text(body: &Bytes, holder: Value<'_>, name: &str) -> Option<Str> {
    let text = holder.get(name).and_then(|one| Str::of(body, one));
    text.filter(|text| !text.is_empty())
}

impl Reader {
    /// What changes with an event that comes to one piece: all else changes with other events, or comes to the same a
    /// second time.
    fn state(&self) -> (usize, bool) {
        (self.open.len(), self.said)
    }

    fn root(
        &mut self,
        data: &Bytes,
        (name, root): (&str, Value<'_>),
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let index = root.get("contentBlockIndex").and_then(|one| one.as_u64());
        let index = index.unwrap_or(0);
        match name {
            "exception" => {
                self.failed = true;
                out.push(Event::Error(Raw::of(data, root)));
            }
            "messageStart" => out.push(Event::Start {
                id: Str::default(),
                model: Str::default(),
                created: 0,
            }),
            "contentBlockStart" => {
                let start = root.get("start").and_then(|start| start.get("toolUse"));
                if let Some(call) = start {
                    self.begin_call(data, index, call, out)?;
                }
            }
            "contentBlockDelta" => {
                let delta = root.get("delta").ok_or(Kind::Malformed)?;
                self.piece(data, index, delta, out)?;
            }
            "contentBlockStop" => self.end_block(index, out),
            "messageStop" => self.finish(root, out),
            "metadata" => out.extend(usage_of(root).map(|(_, usage)| Event::Usage(usage))),
            // Events that are not known yet pass.
            _ => {}
        }
        Ok(())
    }

    fn at(&mut self, index: u64) -> Result<&mut Block, Fault> {
        let known = self.open.iter().position(|block| block.index == index);
        let at = match known {
            Some(at) => at,
            None if self.open.len() >= OPEN_MAX => return Err(Kind::Malformed.into()),
            None => {
                self.open.push(Block {
                    index,
                    call: None,
                    signature: None,
                });
                self.open.len() - 1
            }
        };
        self.open.get_mut(at).ok_or_else(|| Kind::Bug.into())
    }

    fn begin_call(
        &mut self,
        data: &Bytes,
        index: u64,
        call: Value<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let number = self.calls;
        if number >= CALLS_MAX {
            return Err(Kind::Malformed.into());
        }
        self.calls = number + 1;
        self.at(index)?.call = Some((number, false));
        out.push(Event::ToolStart {
            choice: 0,
            index: number,
            id: text(data, call, "toolUseId").unwrap_or_default(),
            name: text(data, call, "name").unwrap_or_default(),
        });
        Ok(())
    }

    fn piece(
        &mut self,
        data: &Bytes,
        index: u64,
        delta: Value<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let choice = 0;
        let block = self.at(index)?;
        let call = delta.get("toolUse");
        if let Some(piece) = call.and_then(|call| text(data, call, "input"))
            && let Some((number, said)) = &mut block.call
        {
            *said = true;
            let index = *number;
            out.push(Event::ToolArgs {
                choice,
                index,
                piece,
            });
        }
        if let Some(thought) = delta.get("reasoningContent") {
            if let Some(proof) = text(data, thought, "signature") {
                block.signature = Some(proof);
            }
            thoughts(data, thought, out);
        }
        if let Some(text) = text(data, delta, "text") {
            self.said = true;
            out.push(Event::Text { choice, text });
        }
        Ok(())
    }

    fn end_block(&mut self, index: u64, out: &mut Vec<Event>) {
        let Some(at) = self.open.iter().position(|block| block.index == index) else {
            return;
        };
        let block = self.open.swap_remove(at);
        let choice = 0;
        out.extend(block.signature.map(|data| Event::Proof {
            choice,
            kind: SIGNATURE,
            data,
        }));
        // A tool without arguments gets none, in no piece at all.
        if let Some((index, false)) = block.call {
            out.push(Event::ToolArgs {
                choice,
                index,
                piece: Str::from_raw("{}"),
            });
        }
    }

    /// A block of a whole reply.
    fn block(
        &mut self,
        body: &Bytes,
        index: u64,
        block: Value<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let choice = 0;
        if let Some(text) = text(body, block, "text") {
            self.said = true;
            out.push(Event::Text { choice, text });
        }
        if let Some(thought) = block.get("reasoningContent") {
            thoughts(body, thought, out);
            if let Some(inner) = thought.get("reasoningText") {
                thoughts(body, inner, out);
                self.at(index)?.signature = text(body, inner, "signature");
            }
        }
        if let Some(call) = block.get("toolUse") {
            self.begin_call(body, index, call, out)?;
            let input = call.get("input").filter(|one| one.kind() == Type::Object);
            if let Some(input) = input.and_then(|input| std::str::from_utf8(input.raw()).ok())
                && let Some((number, said)) = &mut self.at(index)?.call
            {
                *said = true;
                out.push(Event::ToolArgs {
                    choice,
                    index: *number,
                    piece: Str::escaped(input),
                });
            }
        }
        self.end_block(index, out);
        Ok(())
    }

    fn finish(&mut self, holder: Value<'_>, out: &mut Vec<Event>) {
        let Some(finish) = finish_of(holder) else {
            return;
        };
        let finish = match finish {
            Finish::Stop if self.calls > 0 => Finish::ToolCalls,
            Finish::Stop if !self.said && is_malformed(holder) => Finish::Failed,
            other => other,
        };
        if !std::mem::replace(&mut self.finished, true) {
            out.push(Event::Finish { choice: 0, finish });
        }
    }
}

/// What was thought, and what only the model's maker can read of it.
fn thoughts(data: &Bytes, holder: Value<'_>, out: &mut Vec<Event>) {
    let choice = 0;
    out.extend(text(data, holder, "text").map(|text| Event::Reasoning { choice, text }));
    out.extend(
        text(data, holder, "redactedContent").map(|data| Event::Proof {
            choice,
            kind: REDACTED,
            data,
        }),
    );
}
