//! Reads a messages reply, streamed or whole, to canonical events.
//!
//! One event's data is copied once; everything that comes out of it is a slice of that copy. Blocks of kinds that no
//! other dialect has are passed over: they answer server tools, which a translated request cannot have.

use bytes::Bytes;
use wire::canon::{Event, Raw, Str};
use wire::facts::Finish;
use wire::json::{self, Value};
use wire::sse;
use wire::{Fault, Kind};

use super::lens::{self, Counts};
use super::{REDACTED, SIGNATURE};
use crate::dialect::Decoder;
use crate::dialects::openai_chat::decode_reply::{data_of, scan};
use crate::dialects::openai_chat::shape::is_wordless;
use crate::mold::Mold;
use crate::places::Asks;

/// Calls of one reply that are followed; more are read as malformed.
const CALLS_MAX: u32 = 1024;
/// Blocks that are open at a time: the dialect says one.
const OPEN_MAX: usize = 64;

/// State of one reply.
#[derive(Default)]
pub(super) struct Reader {
    mold: Mold,
    tape: json::Tape,
    started: bool,
    done: bool,
    failed: bool,
    finished: bool,
    counts: Counts,
    open: Vec<Block>,
    calls: u32,
}

struct Block {
    index: u64,
    kind: BlockKind,
}

enum BlockKind {
    Text,
    Thinking { signature: Option<Str> },
    Tool { call: u32, said: bool },
    Other,
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
        let mut tape = std::mem::take(&mut self.tape);
        // All else changes with other events, or comes to the same a second time.
        let (before, from) = (self.open.len(), out.len());
        let named_error = event.word() == Some("error");
        let read = scan(&data, &mut tape).and_then(|root| {
            if named_error || lens::is_error(root) {
                self.failed = true;
                out.push(Event::Error(Raw::of(&data, root)));
                return Ok(());
            }
            self.root(&data, root, out)
        });
        if read.is_ok() && self.open.len() == before {
            let made = out.get(from..).unwrap_or_default();
            self.mold.make(event, (&data, &tape), made, &[]);
        }
        self.tape = tape;
        read
    }

    fn whole(&mut self, body: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        self.done = true;
        if lens::is_error(root) {
            self.failed = true;
            out.push(Event::Error(Raw::of(body, root)));
            return Ok(());
        }
        let content = root
            .get("content")
            .filter(|_| lens::is_reply(Asks::Reply, root));
        let content = content.ok_or(Kind::Malformed)?;
        start(body, root, out);
        for (at, block) in content.elements().enumerate() {
            self.begin(body, at as u64, block, out)?;
            self.end_block(at as u64, out);
        }
        self.finish(root, out);
        self.usage(root.get("usage"), out);
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<Event>) -> Result<(), Fault> {
        if self.failed || !self.started || !(self.done || self.finished) {
            return Err(Kind::CutShort.into());
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.done
    }
}

fn start(data: &Bytes, message: Value<'_>, out: &mut Vec<Event>) {
    let text = |name: &str| message.get(name).and_then(|one| Str::of(data, one));
    out.push(Event::Start {
        id: text("id").unwrap_or_default(),
        model: text("model").unwrap_or_default(),
        created: 0,
    });
}

impl Reader {
    fn root(&mut self, data: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let index = root.get("index").and_then(|index| index.as_u64());
        let index = index.unwrap_or(0);
        let kind = root.get("type").and_then(|kind| kind.as_str());
        self.started |= kind.as_deref().is_some_and(lens::says);
        match kind.as_deref() {
            Some("message_start") => {
                let message = root.get("message").ok_or(Kind::Malformed)?;
                start(data, message, out);
                self.usage(message.get("usage"), out);
            }
            Some("content_block_start") => {
                let block = root.get("content_block").ok_or(Kind::Malformed)?;
                self.begin(data, index, block, out)?;
            }
            Some("content_block_delta") => {
                let delta = root.get("delta").ok_or(Kind::Malformed)?;
                self.piece(data, index, delta, out);
            }
            Some("content_block_stop") => self.end_block(index, out),
            Some("message_delta") => {
                if let Some(delta) = root.get("delta") {
                    self.finish(delta, out);
                }
                self.usage(root.get("usage"), out);
            }
            Some("message_stop") => self.done = true,
            // What is not known yet has no word elsewhere; but a reply does not begin so.
            Some(_) if self.started || is_wordless(root) => {}
            Some(_) | None => return Err(Kind::Malformed.into()),
        }
        Ok(())
    }

    fn begin(
        &mut self,
        data: &Bytes,
        index: u64,
        block: Value<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let text = |name: &str| {
            let text = block.get(name).and_then(|one| Str::of(data, one));
            text.filter(|text| !text.is_empty())
        };
        if self.open.len() >= OPEN_MAX {
            return Err(Kind::Malformed.into());
        }
        let choice = 0;
        let kind = block.get("type").and_then(|kind| kind.as_str());
        let kind = match kind.as_deref() {
            Some("text") => {
                out.extend(text("text").map(|text| Event::Text { choice, text }));
                BlockKind::Text
            }
            Some("thinking") => {
                out.extend(text("thinking").map(|text| Event::Reasoning { choice, text }));
                BlockKind::Thinking {
                    signature: text("signature"),
                }
            }
            Some("redacted_thinking") => {
                out.extend(text("data").map(|data| Event::Proof {
                    choice,
                    kind: REDACTED,
                    data,
                }));
                BlockKind::Other
            }
            Some("tool_use") => {
                let call = self.calls;
                if call >= CALLS_MAX {
                    return Err(Kind::Malformed.into());
                }
                self.calls = call + 1;
                out.push(Event::ToolStart {
                    choice,
                    index: call,
                    id: text("id").unwrap_or_default(),
                    name: text("name").unwrap_or_default(),
                });
                let input = block
                    .get("input")
                    .filter(|input| input.members().next().is_some())
                    .and_then(|input| std::str::from_utf8(input.raw()).ok());
                out.extend(input.map(|input| Event::ToolArgs {
                    choice,
                    index: call,
                    piece: Str::escaped(input),
                }));
                BlockKind::Tool {
                    call,
                    said: input.is_some(),
                }
            }
            _ => BlockKind::Other,
        };
        self.open.retain(|block| block.index != index);
        self.open.push(Block { index, kind });
        Ok(())
    }

    fn piece(&mut self, data: &Bytes, index: u64, delta: Value<'_>, out: &mut Vec<Event>) {
        let text = |name: &str| {
            let text = delta.get(name).and_then(|one| Str::of(data, one));
            text.filter(|text| !text.is_empty())
        };
        let choice = 0;
        let block = self.open.iter_mut().find(|block| block.index == index);
        match block.map(|block| &mut block.kind) {
            Some(BlockKind::Thinking { signature }) => {
                out.extend(text("thinking").map(|text| Event::Reasoning { choice, text }));
                if let Some(proof) = text("signature") {
                    *signature = Some(proof);
                }
            }
            Some(BlockKind::Tool { call, said }) => {
                if let Some(piece) = text("partial_json") {
                    *said = true;
                    let index = *call;
                    out.push(Event::ToolArgs {
                        choice,
                        index,
                        piece,
                    });
                }
            }
            Some(BlockKind::Other) => {}
            // A piece whose block was not opened is text all the same.
            Some(BlockKind::Text) | None => {
                out.extend(text("thinking").map(|text| Event::Reasoning { choice, text }));
                out.extend(text("text").map(|text| Event::Text { choice, text }));
            }
        }
    }

    fn end_block(&mut self, index: u64, out: &mut Vec<Event>) {
        let Some(at) = self.open.iter().position(|block| block.index == index) else {
            return;
        };
        let choice = 0;
        match self.open.swap_remove(at).kind {
            BlockKind::Thinking {
                signature: Some(data),
            } => out.push(Event::Proof {
                choice,
                kind: SIGNATURE,
                data,
            }),
            // A tool without arguments gets none, in no piece at all.
            BlockKind::Tool { call, said: false } => out.push(Event::ToolArgs {
                choice,
                index: call,
                piece: Str::from_raw("{}"),
            }),
            _ => {}
        }
    }

    fn finish(&mut self, holder: Value<'_>, out: &mut Vec<Event>) {
        let Some(finish) = lens::finish_of(holder) else {
            return;
        };
        let finish = match finish {
            Finish::Stop if self.calls > 0 => Finish::ToolCalls,
            other => other,
        };
        if !std::mem::replace(&mut self.finished, true) {
            out.push(Event::Finish { choice: 0, finish });
        }
    }

    fn usage(&mut self, usage: Option<Value<'_>>, out: &mut Vec<Event>) {
        if let Some(counts) = usage.and_then(|usage| self.counts.with(usage)) {
            self.counts = counts;
            out.push(Event::Usage(counts.usage()));
        }
    }
}
