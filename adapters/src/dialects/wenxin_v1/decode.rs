//! Reads a legacy reply, streamed or whole, to canonical events.

use bytes::Bytes;
use wire::canon::{Event, Raw, Str};
use wire::facts::Finish;
use wire::json::{self, Value};
use wire::{Fault, Kind, sse};

use crate::dialect::Decoder;
use crate::dialects::openai_chat::decode_reply::{Calls, created, data_of, scan};
use crate::dialects::openai_chat::{lens, usage};

/// State of one reply.
#[derive(Default)]
pub(super) struct Reader {
    tape: json::Tape,
    started: bool,
    ended: bool,
    calls: Calls,
}

impl Decoder for Reader {
    fn event(&mut self, event: &sse::Event<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let Some(data) = data_of(event) else {
            return Ok(());
        };
        let mut tape = std::mem::take(&mut self.tape);
        let read = scan(&data, &mut tape)
            .and_then(|root| self.root(&data, root, super::is_end(root), out));
        self.tape = tape;
        read
    }

    fn whole(&mut self, body: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        self.root(body, root, true, out)
    }

    fn end(&mut self, _: &mut Vec<Event>) -> Result<(), Fault> {
        if self.ended {
            Ok(())
        } else {
            Err(Kind::CutShort.into())
        }
    }
}

impl Reader {
    fn root(
        &mut self,
        data: &Bytes,
        root: Value<'_>,
        end: bool,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        if lens::is_error(root) {
            out.push(Event::Error(Raw::of(data, root)));
            return Ok(());
        }
        if self.ended {
            return Ok(());
        }
        if root.get("result").is_none() {
            return Err(Kind::Malformed.into());
        }
        let text = |name: &str| root.get(name).and_then(|one| Str::of(data, one));
        if !std::mem::replace(&mut self.started, true) {
            out.push(Event::Start {
                id: text("id").unwrap_or_default(),
                model: Str::default(),
                created: created(root),
            });
        }
        let result = text("result").filter(|text| !text.is_empty());
        out.extend(result.map(|text| Event::Text { choice: 0, text }));
        if let Some(call) = super::calls(root) {
            // One call at most, without an id: the encoder mints one.
            let id = Str::default();
            self.calls.read_function(data, call, None, &id, 0, out)?;
        }
        if end {
            self.ended = true;
            let finish = match super::finish(root) {
                Finish::Stop if self.calls.any() => Finish::ToolCalls,
                other => other,
            };
            out.push(Event::Finish { choice: 0, finish });
        }
        if let Some((_, usage)) = usage::usage_of(root) {
            out.push(Event::Usage(usage));
        }
        Ok(())
    }
}
