//! Reads messages of a reply to canonical events.

use bytes::Bytes;
use wire::canon::{Event, Raw, Str};
use wire::facts::Finish;
use wire::json::{self, Value};
use wire::{Fault, Kind, sse};

use crate::dialect::Decoder;
use crate::dialects::openai_chat::decode_reply::{Calls, data_of, scan, texts};

/// State of one reply.
#[derive(Default)]
pub(super) struct Reader {
    tape: json::Tape,
    started: bool,
    failed: bool,
    ended: bool,
    calls: Calls,
}

impl Decoder for Reader {
    fn event(&mut self, event: &sse::Event<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        // Nothing that comes behind the end is of this answer.
        if self.ended || self.failed {
            return Ok(());
        }
        let Some(data) = data_of(event) else {
            return Ok(());
        };
        let mut tape = std::mem::take(&mut self.tape);
        let read = scan(&data, &mut tape).and_then(|root| self.root(&data, root, out));
        self.tape = tape;
        read
    }

    fn whole(&mut self, body: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        if !super::is_last(root) && !super::failed(root) {
            return Err(Kind::Malformed.into());
        }
        self.root(body, root, out)
    }

    /// A connection that closes before the last message was cut.
    fn end(&mut self, _: &mut Vec<Event>) -> Result<(), Fault> {
        if self.ended {
            Ok(())
        } else {
            Err(Kind::CutShort.into())
        }
    }

    fn is_over(&self) -> bool {
        self.ended
    }
}

impl Reader {
    fn root(&mut self, data: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        if super::failed(root) {
            self.failed = true;
            out.push(Event::Error(Raw::of(data, root)));
            return Ok(());
        }
        let Some(header) = root.get("header") else {
            return Err(Fault::new(Kind::Malformed).detail("a message without a header"));
        };
        if !std::mem::replace(&mut self.started, true) {
            let id = header.get("sid").and_then(|id| Str::of(data, id));
            out.push(Event::Start {
                id: id.unwrap_or_default(),
                model: Str::default(),
                created: 0,
            });
        }
        for text in super::texts(root) {
            texts(data, text, 0, out);
            if let Some(call) = super::call(text) {
                // Without an id: the encoder mints one.
                let id = Str::default();
                self.calls.read_function(data, call, None, &id, 0, out)?;
            }
        }
        if super::is_last(root) {
            self.ended = true;
            let finish = if self.calls.any() {
                Finish::ToolCalls
            } else {
                Finish::Stop
            };
            out.push(Event::Finish { choice: 0, finish });
        }
        if let Some((_, usage)) = super::usage(root) {
            out.push(Event::Usage(usage));
        }
        Ok(())
    }
}
