//! vivo's native completions, upstream side.
//!
//! System texts stand beside the messages, a picture is a message of its own, settings stand in `extra`. A stream has
//! named events and no end marker but `close`; an error is a `code` on status 200. Nothing is counted: usage is estimated.

mod decode;
mod encode;

use wire::canon::Request;
use wire::facts::{EventFacts, Finish, ReplyFacts};
use wire::json::{self, Value};
use wire::{Fault, sse};

use crate::dialect::{Decoder, Dialect, DialectId, Encoded, Lossy};
use crate::dialects::openai_chat::lens;
use crate::quirks::Quirks;
use crate::vendor::Call;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct BlueLm;

impl Dialect for BlueLm {
    fn id(&self) -> DialectId {
        DialectId::BlueLm
    }

    fn name(&self) -> &'static str {
        "bluelm-native"
    }

    fn read_event(&self, event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
        let kind = Kind::of(event);
        if kind == Kind::Close {
            facts.finish = Some(Finish::Stop);
            facts.done = true;
            return;
        }
        lens::read_scanned(event, scratch, facts, |root, facts| {
            facts.error = kind == Kind::Error || failed(root);
            let (name, finish) = match kind {
                Kind::Antispam => ("reply", Some(Finish::ContentFilter)),
                _ => ("message", None),
            };
            let text = root.get(name).and_then(|text| text.inner());
            facts.content = text.is_some_and(|text| !text.is_empty());
            facts.finish = finish;
        });
    }

    fn read_reply(&self, root: Value<'_>) -> ReplyFacts {
        ReplyFacts {
            finish: content(root).map(|_| Finish::Stop),
            ..ReplyFacts::default()
        }
    }

    fn encode_request(
        &self,
        request: &Request,
        call: &Call<'_>,
        quirks: &Quirks,
        lossy: Lossy,
    ) -> Result<Encoded, Fault> {
        encode::encode(request, call, quirks, lossy)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(decode::Reader::default())
    }
}

/// What an event is, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A piece of text; also without a name.
    Message,
    /// The end.
    Close,
    /// The vendor failed.
    Error,
    /// Moderation: a canned sentence in place of the rest.
    Antispam,
}

impl Kind {
    fn of(event: &sse::Event<'_>) -> Self {
        match event.name() {
            Some(b"close") => Self::Close,
            Some(b"error") => Self::Error,
            Some(b"antispam") => Self::Antispam,
            _ => Self::Message,
        }
    }
}

/// Whether a body says by its code that something failed.
fn failed(root: Value<'_>) -> bool {
    let code = root.get("code").filter(|code| !code.is_null());
    code.is_some_and(|code| code.as_u64() != Some(0) && !code.is_named("0"))
}

/// The answer of a whole reply.
fn content(root: Value<'_>) -> Option<Value<'_>> {
    root.get("data")?.get("content")
}
