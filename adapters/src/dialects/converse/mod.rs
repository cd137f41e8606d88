//! Amazon Bedrock's Converse: one shape over models of many makers. Spoken by the upstream only.
//!
//! Knows the dialect as written. A stream's frames have been turned into events before they come here
//! ([`crate::frames::aws`]): named as the protocol names them, an exception as the event `exception`.

mod decode;
mod encode;
#[cfg(test)]
mod tests;
mod turns;

use wire::Fault;
use wire::canon;
use wire::facts::{EventFacts, ReplyFacts};
use wire::json::{self, Type, Value};
use wire::sse;

use crate::dialect::{Decoder, Dialect, DialectId, Encoded, Lossy};
use crate::quirks::Quirks;
use crate::vendor::Call;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct Converse;

/// A thought that only the model's maker can read.
const REDACTED: &str = "bedrock.redacted";

impl Dialect for Converse {
    fn id(&self) -> DialectId {
        DialectId::Converse
    }

    fn name(&self) -> &'static str {
        "bedrock-converse"
    }

    fn read_event(&self, event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
        let Some(data) = event.data().filter(|data| !data.trim_ascii().is_empty()) else {
            return;
        };
        let scanned = json::scan::scan_into(&data, &json::Limits::default(), scratch);
        let root = Value::root(scratch, &data).filter(|root| root.kind() == Type::Object);
        match (scanned, root) {
            (Ok(()), Some(root)) => decode::read_event(root, facts),
            _ => facts.malformed = true,
        }
    }

    fn read_reply(&self, root: Value<'_>) -> ReplyFacts {
        decode::read_reply(root)
    }

    fn encode_request(
        &self,
        request: &canon::Request,
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
