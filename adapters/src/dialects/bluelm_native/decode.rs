//! Reads a native reply, streamed or whole, to canonical events.

use bytes::Bytes;
use wire::canon::{Event, Raw, Str};
use wire::facts::Finish;
use wire::json::{self, Value};
use wire::{Fault, Kind as FaultKind, sse};

use super::Kind;
use crate::dialect::Decoder;
use crate::dialects::openai_chat::decode_reply::{data_of, scan};

/// State of one reply.
#[derive(Default)]
pub(super) struct Reader {
    tape: json::Tape,
    started: bool,
    ended: bool,
}

impl Decoder for Reader {
    fn event(&mut self, event: &sse::Event<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let kind = Kind::of(event);
        if kind == Kind::Close {
            self.finish(Finish::Stop, out);
            return Ok(());
        }
        let Some(data) = data_of(event) else {
            return Ok(());
        };
        let mut tape = std::mem::take(&mut self.tape);
        let read = scan(&data, &mut tape).map(|root| self.read(&data, kind, root, out));
        self.tape = tape;
        read
    }

    fn whole(&mut self, body: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        if super::failed(root) {
            out.push(Event::Error(Raw::of(body, root)));
            return Ok(());
        }
        let text = super::content(root).and_then(|text| Str::of(body, text));
        let text = text.ok_or(FaultKind::Malformed)?;
        let id = root.get("data").and_then(|data| data.get("requestId"));
        self.start(id.and_then(|id| Str::of(body, id)), out);
        out.push(Event::Text { choice: 0, text });
        self.finish(Finish::Stop, out);
        Ok(())
    }

    /// A connection that closes without `close` was cut.
    fn end(&mut self, _: &mut Vec<Event>) -> Result<(), Fault> {
        if self.ended {
            Ok(())
        } else {
            Err(FaultKind::CutShort.into())
        }
    }
}

impl Reader {
    fn read(&mut self, data: &Bytes, kind: Kind, root: Value<'_>, out: &mut Vec<Event>) {
        if kind == Kind::Error || super::failed(root) {
            out.push(Event::Error(Raw::of(data, root)));
            return;
        }
        if self.ended {
            return;
        }
        self.start(None, out);
        let refused = kind == Kind::Antispam;
        let name = if refused { "reply" } else { "message" };
        let text = root.get(name).and_then(|text| Str::of(data, text));
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            out.push(Event::Text { choice: 0, text });
        }
        if refused {
            self.finish(Finish::ContentFilter, out);
        }
    }

    fn start(&mut self, id: Option<Str>, out: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(Event::Start {
                id: id.unwrap_or_default(),
                model: Str::default(),
                created: 0,
            });
        }
    }

    fn finish(&mut self, finish: Finish, out: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.ended, true) {
            self.start(None, out);
            out.push(Event::Finish { choice: 0, finish });
        }
    }
}
