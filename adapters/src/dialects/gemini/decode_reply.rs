//! Reads a generateContent reply, streamed or whole, to canonical events.
//!
//! One event's data is copied once; everything that comes out of it is a slice of that copy, but for arguments of calls,
//! an object here and a string elsewhere. Calls come whole, mostly without an id; some models send arguments in pieces
//! only if asked to, which nobody does here. What answers the vendor's own tools is passed over.

use bytes::Bytes;
use wire::canon::{Event, Raw, Str};
use wire::facts::Finish;
use wire::json::{self, Type, Value};
use wire::sse;
use wire::{Fault, Kind};

use super::names::{get, object};
use super::{BLOCKED, CALL_SIGNATURE, TEXT_SIGNATURE, lens};
use crate::dialect::Decoder;
use crate::dialects::openai_chat::decode_reply::{data_of, scan};

/// Candidates of one reply that are followed; more are read as malformed.
const CANDIDATES_MAX: u32 = 128;
/// Calls of one candidate that are followed.
const CALLS_MAX: u32 = 1024;

/// State of one reply.
#[derive(Default)]
pub(super) struct Reader {
    tape: json::Tape,
    started: bool,
    failed: bool,
    candidates: Vec<Candidate>,
}

#[derive(Default)]
struct Candidate {
    number: u32,
    calls: u32,
    said: bool,
    finished: bool,
}

impl Decoder for Reader {
    fn event(&mut self, event: &sse::Event<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let Some(data) = data_of(event).filter(|_| !self.failed) else {
            return Ok(());
        };
        let mut tape = std::mem::take(&mut self.tape);
        let read = scan(&data, &mut tape).and_then(|root| self.root(&data, root, out));
        self.tape = tape;
        read
    }

    fn whole(&mut self, body: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        self.root(body, root, out)?;
        if self.candidates.is_empty() && !self.failed {
            return Err(Kind::Malformed.into());
        }
        // Some models leave out why they ended.
        for one in self.candidates.iter_mut().filter(|one| !one.finished) {
            one.finished = true;
            let finish = if one.calls > 0 {
                Finish::ToolCalls
            } else {
                Finish::Stop
            };
            let choice = one.number;
            out.push(Event::Finish { choice, finish });
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<Event>) -> Result<(), Fault> {
        let finished = self.candidates.iter().all(|one| one.finished);
        if self.failed || !finished || self.candidates.is_empty() {
            return Err(Kind::CutShort.into());
        }
        Ok(())
    }
}

impl Reader {
    fn root(&mut self, data: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        if lens::is_error(root) {
            self.failed = true;
            out.push(Event::Error(Raw::of(data, root)));
            return Ok(());
        }
        if lens::blocked(root) {
            // Said beside a reply that is none: to all other dialects it is an error.
            self.failed = true;
            out.push(Event::Error(Raw::from_raw(BLOCKED)));
            return Ok(());
        }
        if !lens::is_event(root) {
            return Err(Kind::Malformed.into());
        }
        if !std::mem::replace(&mut self.started, true) {
            let text = |name: &str| get(root, name).and_then(|one| Str::of(data, one));
            out.push(Event::Start {
                id: text("responseId").unwrap_or_default(),
                model: text("modelVersion").unwrap_or_default(),
                created: 0,
            });
        }
        let candidates = get(root, "candidates");
        for value in candidates.iter().flat_map(Value::elements) {
            let number = get(value, "index").and_then(|index| index.as_u64());
            let number = u32::try_from(number.unwrap_or(0)).unwrap_or(u32::MAX);
            if number >= CANDIDATES_MAX {
                return Err(Kind::Malformed.into());
            }
            self.candidate(number).read(data, value, out)?;
        }
        if let Some((_, usage)) = lens::usage_of(root) {
            out.push(Event::Usage(usage));
        }
        Ok(())
    }

    fn candidate(&mut self, number: u32) -> &mut Candidate {
        let known = self.candidates.iter().position(|one| one.number == number);
        let at = known.unwrap_or_else(|| {
            self.candidates.push(Candidate {
                number,
                ..Candidate::default()
            });
            self.candidates.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found, or just pushed")]
        &mut self.candidates[at]
    }
}

impl Candidate {
    fn read(&mut self, data: &Bytes, value: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let before = out.len();
        for part in lens::parts(value) {
            self.part(data, part, out)?;
        }
        self.said |= out.len() > before;
        let Some(finish) = lens::finish_of(value) else {
            return Ok(());
        };
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        let finish = match finish {
            Finish::Stop if self.calls > 0 => Finish::ToolCalls,
            Finish::Stop if !self.said && lens::is_malformed(value) => Finish::Failed,
            other => other,
        };
        let choice = self.number;
        out.push(Event::Finish { choice, finish });
        Ok(())
    }

    fn part(&mut self, data: &Bytes, part: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let choice = self.number;
        let text = |holder: Value<'_>, name: &str| {
            let text = get(holder, name).and_then(|one| Str::of(data, one));
            text.filter(|text| !text.is_empty())
        };
        let signature = text(part, "thoughtSignature");
        if let Some(call) = object(part, "functionCall") {
            if self.calls >= CALLS_MAX {
                return Err(Kind::Malformed.into());
            }
            let index = self.calls;
            self.calls += 1;
            out.extend(signature.map(|data| Event::Proof {
                choice,
                kind: CALL_SIGNATURE,
                data,
            }));
            out.push(Event::ToolStart {
                choice,
                index,
                id: text(call, "id").unwrap_or_default(),
                name: text(call, "name").unwrap_or_default(),
            });
            let args = get(call, "args").filter(|args| args.kind() == Type::Object);
            let args = args.and_then(|args| std::str::from_utf8(args.raw()).ok());
            out.push(Event::ToolArgs {
                choice,
                index,
                piece: Str::escaped(args.unwrap_or("{}")),
            });
            return Ok(());
        }
        let thought = get(part, "thought").and_then(|flag| flag.as_bool()) == Some(true);
        out.extend(text(part, "text").map(|text| match thought {
            true => Event::Reasoning { choice, text },
            false => Event::Text { choice, text },
        }));
        out.extend(signature.map(|data| Event::Proof {
            choice,
            kind: TEXT_SIGNATURE,
            data,
        }));
        Ok(())
    }
}
