//! Reads a legacy reply, streamed or whole, to canonical events.

use bytes::Bytes;
use wire::canon::{Event, Raw, Str};
use wire::facts::Finish;
use wire::json::{self, Type, Value};
use wire::{Fault, Kind, sse};

use crate::dialect::Decoder;
use crate::dialects::openai_chat::decode_reply::{created, data_of, scan};
use crate::dialects::openai_chat::lens;

/// State of one reply.
#[derive(Default)]
pub(super) struct Reader {
    tape: json::Tape,
    started: bool,
    said: bool,
    ended: bool,
    /// The call as the newest event tells it: name and arguments. Told at the end, when it is whole.
    call: Option<(Str, Str)>,
}

impl Decoder for Reader {
    fn event(&mut self, event: &sse::Event<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let Some(data) = data_of(event) else {
            return Ok(());
        };
        let mut tape = std::mem::take(&mut self.tape);
        let read = scan(&data, &mut tape).map(|root| self.root(&data, root, None, out));
        self.tape = tape;
        read
    }

    fn whole(&mut self, body: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let reply = root.get("choices").or_else(|| root.get("reply"));
        if reply.is_none() && !lens::is_error(root) {
            return Err(Kind::Malformed.into());
        }
        self.root(body, root, Some(Finish::Stop), out);
        Ok(())
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
    /// `unsaid`: what the end is where no reason stands; `None`: then it is not the end.
    fn root(
        &mut self,
        data: &Bytes,
        root: Value<'_>,
        unsaid: Option<Finish>,
        out: &mut Vec<Event>,
    ) {
        if lens::is_error(root) {
            out.push(Event::Error(Raw::of(data, root)));
            return;
        }
        if self.ended {
            return;
        }
        let text = |name: &str| root.get(name).and_then(|one| Str::of(data, one));
        if !std::mem::replace(&mut self.started, true) {
            out.push(Event::Start {
                id: text("id").unwrap_or_default(),
                model: text("model").unwrap_or_default(),
                created: created(root),
            });
        }
        let finish = super::finish(root).or(unsaid);
        // The last event says the whole once more.
        if finish.is_none() || !self.said {
            let pieces = super::texts(root).filter_map(|text| Str::of(data, text));
            for text in pieces {
                self.said = true;
                out.push(Event::Text { choice: 0, text });
            }
        }
        if let Some(call) = super::call(root) {
            self.call = Some(read_call(data, call));
        }
        if let Some(finish) = finish {
            self.finish(finish, out);
        }
        if let Some((_, usage)) = super::usage(root) {
            out.push(Event::Usage(usage));
        }
    }

    fn finish(&mut self, finish: Finish, out: &mut Vec<Event>) {
        self.ended = true;
        let called = self.call.is_some();
        if let Some((name, piece)) = self.call.take() {
            let (choice, index) = (0, 0);
            out.push(Event::ToolStart {
                choice,
                index,
                // There is none: the encoder mints one.
                id: Str::default(),
                name,
            });
            out.push(Event::ToolArgs {
                choice,
                index,
                piece,
            });
        }
        let finish = match finish {
            Finish::Stop if called => Finish::ToolCalls,
            other => other,
        };
        out.push(Event::Finish { choice: 0, finish });
    }
}

/// Name and arguments, which may be an object.
fn read_call(data: &Bytes, call: Value<'_>) -> (Str, Str) {
    let name = call.get("name").and_then(|name| Str::of(data, name));
    let arguments = call.get("arguments").and_then(|arguments| {
        Str::of(data, arguments).or_else(|| {
            let object = arguments.kind() == Type::Object;
            let raw = std::str::from_utf8(arguments.raw())
                .ok()
                .filter(|_| object)?;
            Some(Str::escaped(raw))
        })
    });
    (name.unwrap_or_default(), arguments.unwrap_or_default())
}
