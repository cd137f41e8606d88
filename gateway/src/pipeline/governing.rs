//! Which governor a reply gets, and the governing of replies that come whole.
//!
//! A reply is governed only if some rule reads replies, something must be put back, or a label must stand before it:
//! else nobody pays for reading it. The events of the client's own dialect are governed as bytes, all others as canonical
//! events, before they are written in the client's dialect.

use std::ops::Range;
use std::sync::Arc;

use adapters::ClientDialect;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use policies::law::{Cleared, Restores};
use policies::policy::Policy;
use smallvec::SmallVec;
use wire::canon::{Event, Str};
use wire::facts::{Nested, Saying};
use wire::hold::{Caps, Lane};
use wire::json::{self, Tape};
use wire::{Edits, Fault, Kind, Rope};

use super::govern::{Governor, Spoken, Taken};
use super::route::{Candidate, Routed};
use super::settle::Exchange;

/// What governs the replies of one target.
pub(super) struct Governing {
    policy: Option<Arc<Policy>>,
    restores: Option<Restores>,
    prefix: Option<Bytes>,
    caps: Caps,
    dialect: &'static dyn ClientDialect,
}

impl Governing {
    pub(super) fn of(exchange: &Exchange, routed: &Routed, cleared: &Cleared<Candidate>) -> Self {
        let policy = exchange.snapshot.policy.clone();
        let prefix = policy
            .as_ref()
            .and_then(|policy| policy.labelling.as_ref()?.prefix.clone())
            // A label must not break JSON.
            .filter(|_| !routed.facts.structured);
        Self {
            restores: cleared.restores(),
            prefix: prefix.map(|prefix| {
                let mut escaped = Vec::new();
                json::escape(&prefix, &mut escaped);
                escaped.into()
            }),
            policy,
            caps: exchange.snapshot.hold,
            dialect: exchange.dialect,
        }
    }

    /// Whether the text of the reply must be read.
    pub(super) fn is_needed(&self) -> bool {
        self.restores.is_some()
            || self.prefix.is_some()
            || self
                .policy
                .as_ref()
                .is_some_and(|policy| policy.reads_replies())
    }

    /// Probabilities hold the text once more, token by token: they go where text may be changed.
    pub(super) fn drops_logprobs(&self, routed: &Routed) -> bool {
        self.is_needed() && routed.facts.logprobs
    }

    pub(super) fn governor<E>(&self) -> Option<Governor<E>> {
        let policy = self.policy.as_ref().filter(|_| self.is_needed())?;
        Some(Governor::new(
            Arc::clone(policy),
            self.restores.clone(),
            self.prefix.clone(),
            Caps {
                bytes: self.caps.bytes,
                nanos: self.caps.nanos,
            },
        ))
    }

    /// A whole reply of the client's dialect. `edits`: what is changed in any case.
    pub(super) fn whole(
        &self,
        exchange: &mut Exchange,
        bytes: &Bytes,
        tape: &Tape,
        edits: Edits,
    ) -> Result<Rope, Fault> {
        let Some(mut governor) = self.governor().map(unbounded) else {
            return Ok(edits.apply(bytes));
        };
        let mut saying = Saying::default();
        self.dialect.said(bytes, tape, &mut saying);
        let result = govern_whole(&mut governor, self.dialect, bytes, &saying, edits);
        exchange.says(&governor.tally);
        result
    }

    /// The events of a whole reply.
    pub(super) fn events(
        &self,
        exchange: &mut Exchange,
        events: Vec<Event>,
    ) -> Result<Vec<Event>, Fault> {
        let Some(mut governor) = self.governor().map(unbounded) else {
            return Ok(events);
        };
        let mut out = Vec::with_capacity(events.len());
        let result = govern_events(&mut governor, events, 0, &mut out)
            .and_then(|()| end_events(&mut governor, &mut out));
        exchange.says(&governor.tally);
        result.map(|()| out)
    }
}

/// A reply that is in memory already is bounded by the limit of its body.
fn unbounded<E>(mut governor: Governor<E>) -> Governor<E> {
    governor.lift_caps();
    governor
}

pub(super) fn govern_whole(
    governor: &mut Governor<Bytes>,
    dialect: &dyn ClientDialect,
    bytes: &Bytes,
    saying: &Saying,
    edits: Edits,
) -> Result<Rope, Fault> {
    let spoken = spoken_in(dialect, bytes, saying, 0)?;
    let mut extra = without_repeats(edits, saying, 0)?;
    let retold = |span: &Range<usize>| {
        let raw = bytes.get(span.clone()).and_then(json::utf8);
        raw.unwrap_or_default()
    };
    let gone = saying
        .retold
        .iter()
        .map(retold)
        .any(|raw| governor.finds(raw));
    if gone {
        leave_out(&mut extra, &saying.retold, 0)?;
    } else if governor.is_content(&spoken) {
        return Ok(extra.apply(bytes));
    }
    if let Taken::Pass(bytes) = governor.take(bytes.clone(), bytes.len(), &spoken, extra, 0)? {
        return Ok(bytes.into());
    }
    governor.finish(None)?;
    if !gone && governor.has_replaced() {
        let mut more = Edits::new();
        leave_out(&mut more, &saying.retold, 0)?;
        governor.edit(more)?;
    }
    let mut out = Rope::new();
    governor.release(|bytes, edits| out.append(edits.apply(&bytes)));
    Ok(out)
}

/// The texts of an item whose data begins at `shift`.
pub(super) fn spoken_in<'d>(
    dialect: &dyn ClientDialect,
    data: &'d [u8],
    saying: &Saying,
    shift: usize,
) -> Result<SmallVec<[Spoken<'d>; 2]>, Fault> {
    saying
        .said
        .iter()
        .map(|said| {
            let raw = data.get(said.span.clone()).and_then(json::utf8);
            Ok(Spoken {
                lane: said.lane,
                raw: raw.ok_or_else(|| Fault::new(Kind::Bug).detail("a text outside its reply"))?,
                span: said.span.start + shift..said.span.end + shift,
                nested: said.nested,
                whole: said.whole,
                answer: dialect.is_answer(said.lane),
            })
        })
        .collect()
}

/// Edits that also take out what holds the same text once more.
pub(super) fn without_repeats(
    mut edits: Edits,
    saying: &Saying,
    shift: usize,
) -> Result<Edits, Fault> {
    leave_out(&mut edits, &saying.repeats, shift)?;
    Ok(edits)
}

fn leave_out(edits: &mut Edits, spans: &[Range<usize>], shift: usize) -> Result<(), Fault> {
    for span in spans {
        let span = span.start + shift..span.end + shift;
        edits
            .replace(span, Bytes::from_static(b"null"))
            .map_err(|_| Fault::new(Kind::Bug).detail("edits cross"))?;
    }
    Ok(())
}

/// Governs canonical events; those that may go are added to `out`.
pub(super) fn govern_events(
    governor: &mut Governor<Event>,
    events: impl IntoIterator<Item = Event>,
    now: u64,
    out: &mut Vec<Event>,
) -> Result<(), Fault> {
    for event in events {
        match &event {
            // The same text once more, token by token.
            Event::Logprobs { .. } => continue,
            Event::Finish { choice, .. } => governor.finish(Some(*choice))?,
            _ => {}
        }
        let text = text_of(&event).map(|(lane, text)| (lane, text.clone()));
        let taken = match &text {
            None => governor.take(event, 0, &[], Edits::new(), now)?,
            Some((lane, text)) => {
                let raw = std::str::from_utf8(text.bytes()).unwrap_or_default();
                let spoken = Spoken {
                    lane: *lane,
                    raw,
                    span: 0..raw.len(),
                    nested: if lane.field == ARGUMENTS {
                        Nested::Text
                    } else {
                        Nested::No
                    },
                    whole: lane.field == TOOL,
                    answer: lane.field == ANSWER,
                };
                governor.take(event, raw.len(), &[spoken], Edits::new(), now)?
            }
        };
        match taken {
            Taken::Pass(event) => out.push(event),
            Taken::Held => release_events(governor, out),
        }
    }
    Ok(())
}

/// The reply is over: all that waits is decided.
pub(super) fn end_events(
    governor: &mut Governor<Event>,
    out: &mut Vec<Event>,
) -> Result<(), Fault> {
    governor.finish(None)?;
    release_events(governor, out);
    Ok(())
}

fn release_events(governor: &mut Governor<Event>, out: &mut Vec<Event>) {
    governor.release(|event, edits| {
        out.push(if edits.is_empty() {
            event
        } else {
            edited(event, &edits)
        });
    });
}

const AIGC: HeaderName = HeaderName::from_static("x-aigc");
const ANSWER: u32 = 0;
const ARGUMENTS: u32 = 3;
const TOOL: u32 = 4;

/// The text of an event, and its lane.
fn text_of(event: &Event) -> Option<(Lane, &Str)> {
    let lane = |choice: &u32, part: u32, field| Lane {
        choice: *choice,
        part,
        field,
    };
    Some(match event {
        Event::Text { choice, text } => (lane(choice, 0, ANSWER), text),
        Event::Refusal { choice, text } => (lane(choice, 0, 1), text),
        Event::Reasoning { choice, text } => (lane(choice, 0, 2), text),
        Event::ToolArgs {
            choice,
            index,
            piece,
        } => (lane(choice, *index, ARGUMENTS), piece),
        Event::ToolStart {
            choice,
            index,
            name,
            ..
        } => (lane(choice, *index, TOOL), name),
        _ => return None,
    })
}

fn edited(mut event: Event, edits: &Edits) -> Event {
    match &mut event {
        Event::Text { text, .. }
        | Event::Refusal { text, .. }
        | Event::Reasoning { text, .. }
        | Event::ToolArgs { piece: text, .. }
        | Event::ToolStart { name: text, .. } => {
            *text = Str::from_raw(edits.apply(text.bytes()).into_bytes());
        }
        _ => {}
    }
    event
}

/// The implicit label of generated content: GB 45438-2025, appendix E names the fields.
pub(super) fn label(exchange: &mut Exchange) {
    let Some(policy) = exchange.snapshot.policy.clone() else {
        return;
    };
    let Some(labelling) = &policy.labelling else {
        return;
    };
    let label = serde_json::json!({
        "Label": "1",
        "ContentProducer": labelling.producer,
        "ProduceID": exchange.id.as_str(),
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    });
    // A header is ASCII: other characters are written as JSON's escapes.
    let ascii: String = label
        .to_string()
        .chars()
        .flat_map(|c| {
            let mut units = [0; 2];
            if c.is_ascii() {
                c.to_string()
            } else {
                c.encode_utf16(&mut units)
                    .iter()
                    .map(|unit| format!("\\u{unit:04x}"))
                    .collect()
            }
            .chars()
            .collect::<Vec<_>>()
        })
        .collect();
    if let Ok(value) = HeaderValue::from_str(&ascii) {
        exchange.extra.push((AIGC, value));
    }
}
