//! One event of a reply: what it says, whether it is an error, and how it goes down when nothing is looked for in it.

use std::ops::Range;

use adapters::vendor::{self, Vendor};
use adapters::{ClientDialect, Decoder, Dialect};
use bytes::Bytes;
use wire::canon;
use wire::facts::{EventFacts, Finish};
use wire::json::{self, Tape, Value};
use wire::sse;
use wire::{Edits, Fault, Kind, Rope};

use super::mold::Run;
use super::{Seen, Told};
use crate::pipeline::settle::Meter;

/// What an event (or several) said, as far as the relay must know.
#[derive(Clone, Copy, Default)]
pub(in crate::pipeline) struct Said {
    pub(super) content: bool,
    pub(super) finished: bool,
    pub(super) done: bool,
}

/// Takes canonical events into account.
pub(in crate::pipeline) fn note(
    events: &[canon::Event],
    meter: &mut Meter,
    vendor: &dyn Vendor,
    head: &vendor::Head<'_>,
) -> Result<Said, Fault> {
    let mut said = Said::default();
    for event in events {
        meter.events += 1;
        match event {
            canon::Event::Error(raw) => {
                let raw = raw.bytes();
                let tape = json::scan(raw, &json::Limits::default()).ok();
                let root = tape.as_ref().and_then(|tape| Value::root(tape, raw));
                return Err(vendor
                    .fault(head, root)
                    .unwrap_or_else(|| Kind::UpstreamError.into()));
            }
            canon::Event::Usage(usage) => meter.reports(*usage),
            canon::Event::Finish {
                finish: Finish::Failed,
                ..
            } => return Err(Fault::new(Kind::UpstreamError).reason("finish_failed")),
            canon::Event::Finish { finish, .. } => {
                meter.finish = Some(*finish);
                said.finished = true;
            }
            other if other.is_content() => {
                said.content = true;
                meter.says(1, other.text_bytes());
            }
            _ => {}
        }
    }
    Ok(said)
}

/// Turns an event that is an error, or no event of the dialect, into a fault.
pub(super) fn judge(
    event: &sse::Event<'_>,
    facts: &EventFacts,
    vendor: &dyn Vendor,
    head: &vendor::Head<'_>,
    scratch: &mut Tape,
) -> Result<(), Fault> {
    if facts.malformed {
        return Err(Fault::new(Kind::Malformed).reason("invalid_response"));
    }
    if facts.finish == Some(Finish::Failed) {
        return Err(Fault::new(Kind::UpstreamError).reason("finish_failed"));
    }
    if !facts.error {
        // What is no field is nothing to a client, but it goes down all the same.
        if !facts.content && !facts.done && is_stray(event) {
            return Err(Fault::new(Kind::Malformed).reason("invalid_response"));
        }
        return Ok(());
    }
    let data = event.data();
    let data = data
        .as_deref()
        .or_else(|| event.bare_json())
        .unwrap_or_default();
    let read = json::scan::scan_into(data, &json::Limits::default(), scratch).is_ok();
    let root = if read {
        Value::root(scratch, data)
    } else {
        None
    };
    Err(vendor
        .fault(head, root)
        .unwrap_or_else(|| Kind::UpstreamError.into()))
}

/// Whether an event has no data, but a line that is no field that anybody knows.
fn is_stray(event: &sse::Event<'_>) -> bool {
    const KNOWN: [&[u8]; 5] = [b":", b"event:", b"id:", b"retry:", b"data"];
    let raw = event.raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(event.raw);
    let mut lines = raw.split(|byte| matches!(byte, b'\n' | b'\r'));
    let known = |line: &[u8]| line.is_empty() || KNOWN.iter().any(|name| line.starts_with(name));
    event.data().is_none() && !lines.all(known)
}

/// Takes what an event said into account.
pub(super) fn tally(facts: &EventFacts, meter: &mut Meter) -> Said {
    meter.events += 1;
    if facts.content {
        meter.says(1, facts.text_bytes);
    }
    if let Some(usage) = facts.usage {
        meter.reports(usage);
    }
    if facts.finish.is_some() {
        meter.finish = facts.finish;
    }
    Said {
        content: facts.content,
        finished: facts.finish.is_some(),
        done: facts.done,
    }
}

/// Takes into account so many events that say a text and nothing else.
pub(super) fn count_texts(meter: &mut Meter, count: u64, bytes: u64) {
    if count > 0 {
        meter.events += count;
        meter.says(count, bytes);
    }
}

/// Who speaks with whom, and what was told of the reply so far.
pub(super) type Speakers<'a> = (
    &'static dyn ClientDialect,
    &'static dyn Dialect,
    &'static dyn Vendor,
    &'a Told,
);

/// An event that is written anew: decoded behind those that wait, and taken into account.
pub(super) fn translated(
    event: &sse::Event<'_>,
    (.., vendor, told): Speakers<'_>,
    (decoder, events): (&mut dyn Decoder, &mut Vec<canon::Event>),
    meter: &mut Meter,
) -> Result<Said, Fault> {
    let from = events.len();
    decoder.event(event, events)?;
    let new = events.get(from..).unwrap_or_default();
    note(new, meter, vendor, &told.view())
}

/// An event in which nothing is looked for: judged, and added to what goes down.
pub(super) fn observed(
    event: &sse::Event<'_>,
    (client, spoken, vendor, told): Speakers<'_>,
    (hide_usage, run, seen): (bool, &mut Run, &mut Seen),
    (data, kept, at): (&Bytes, &mut usize, usize),
    out: &mut Rope,
) -> Result<EventFacts, Fault> {
    let mut facts = EventFacts::default();
    let mut scratch = Tape::spare();
    spoken.read_event(event, &mut scratch, &mut facts);
    judge(event, &facts, vendor, &told.view(), &mut scratch)?;
    if facts.finish.is_some() || facts.moderated.is_some() {
        seen.moderate(&mut facts);
        if let Some(anew) = without_withheld(event, &facts) {
            flush(event, data, kept, at, out);
            let by = (client, spoken, vendor, told);
            let (anew, how) = (sse::Event::alone(&anew), (hide_usage, run, seen));
            return observed(&anew, by, how, (data, kept, at), out);
        }
    }
    run.learn(event, &facts, client, &mut scratch);
    release(event, &facts, hide_usage, data, kept, at, out);
    Ok(facts)
}

/// Adds an event to what goes down. Events that lie in the read and are not changed stay with their neighbours: `kept`
/// is where the slice that is not yet pushed begins.
pub(super) fn release(
    event: &sse::Event<'_>,
    facts: &EventFacts,
    hide_usage: bool,
    data: &Bytes,
    kept: &mut usize,
    at: usize,
    out: &mut Rope,
) {
    let hide = hide_usage && facts.usage.is_some();
    let change = hide || !facts.odd_finish.is_empty();
    match event.at {
        Some(from) if change => {
            out.push(data.slice(*kept..from));
            *kept = at;
        }
        Some(_) => return,
        None => *kept = at,
    }
    if !change {
        // The one copy: an event that began in an earlier read.
        out.push(Bytes::copy_from_slice(event.raw));
    } else if !(hide && facts.only_usage) {
        out.append(edited(event, facts, hide));
    }
}

/// Pushes what went before the event as it was; the event itself is taken out of the run.
pub(super) fn flush(
    event: &sse::Event<'_>,
    data: &Bytes,
    kept: &mut usize,
    at: usize,
    out: &mut Rope,
) {
    if let Some(from) = event.at {
        out.push(data.slice((*kept).min(from)..from));
    }
    *kept = at;
}

/// The event without the texts that the vendor's moderation says must not be shown, if there are any.
pub(super) fn without_withheld(event: &sse::Event<'_>, facts: &EventFacts) -> Option<Bytes> {
    let told = facts.moderated.as_ref()?;
    if told.withheld.is_empty() {
        return None;
    }
    let data = Bytes::from(event.data().unwrap_or_default().into_owned());
    let mut anew = named(event);
    anew.extend_from_slice(&blanked(&data, &told.withheld));
    anew.extend_from_slice(b"\n\n");
    Some(anew.into())
}

/// JSON with empty strings in the place of these values.
pub(in crate::pipeline) fn blanked(data: &Bytes, values: &[Range<usize>]) -> Bytes {
    let mut edits = Edits::new();
    for span in values {
        // Different members: their spans do not overlap.
        let _ = edits.replace(span.clone(), Bytes::from_static(b"\"\""));
    }
    edits.apply(data).into_bytes()
}

/// The beginning of an event that is written anew, up to its data: with the name it had, if that is a word.
pub(super) fn named(event: &sse::Event<'_>) -> Vec<u8> {
    let name = event.word();
    let lines = ["event: ", name.unwrap_or_default(), "\ndata: "];
    match name {
        Some(_) => lines.concat().into_bytes(),
        None => b"data: ".to_vec(),
    }
}

/// The event with its usage value replaced by `null`, and with the dialect's word for a vendor's own finish reason.
fn edited(event: &sse::Event<'_>, facts: &EventFacts, hide: bool) -> Rope {
    let mut edits = Edits::new();
    let mut change = |span: &Range<usize>, with: String| {
        // The two values are different members, so their spans do not overlap.
        let _ = edits.replace(span.clone(), with);
    };
    if hide {
        change(&facts.usage_span, "null".to_owned());
    }
    if let Some(finish) = facts.finish.filter(|_| !facts.odd_finish.is_empty()) {
        change(&facts.odd_finish, format!("\"{}\"", finish.as_str()));
    }
    let data = Bytes::from(event.data().unwrap_or_default().into_owned());
    let mut whole = Rope::from(Bytes::from(named(event)));
    whole.append(edits.apply(&data));
    whole.push(Bytes::from_static(b"\n\n"));
    whole
}
