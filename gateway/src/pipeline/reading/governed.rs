//! One event of the client's own dialect under policy: read in full, edited in place, held while undecided.
//!
//! An event that is more than one data line is written anew as one, and comments of the upstream are dropped: nothing
//! that nobody has read goes down.

use adapters::ClientDialect;
use bytes::Bytes;
use wire::facts::{EventFacts, Saying};
use wire::json::{self, Tape};
use wire::sse;
use wire::{Edits, Fault, Kind, Rope};

use crate::pipeline::govern::{Governor, Taken};
use crate::pipeline::governing::{spoken_in, without_repeats};

/// Bounds of an event's JSON: as the lens has them.
const LIMITS: json::Limits = json::Limits {
    depth: 64,
    members: 10_000,
    elements: 65_536,
    number: 64,
    tokens: 1 << 18,
};

pub(super) struct Step<'s> {
    pub(super) governor: &'s mut Governor<Bytes>,
    pub(super) client: &'static dyn ClientDialect,
    pub(super) facts: &'s EventFacts,
    pub(super) hide_usage: bool,
    pub(super) scratch: &'s mut Tape,
    pub(super) now: u64,
}

impl Step<'_> {
    /// Takes an event; `kept..` is the part of the read that goes down as it is and is not yet pushed, `at` the event's
    /// end.
    pub(super) fn take(
        &mut self,
        event: &sse::Event<'_>,
        data: &Bytes,
        kept: &mut usize,
        at: usize,
        out: &mut Rope,
    ) -> Result<(), Fault> {
        let mut item = match event.at {
            Some(from) => data.slice(from..at),
            None => Bytes::copy_from_slice(event.raw),
        };
        let (mut single, mut as_it_came) = (event.single(), event.at.is_some());
        let Some(text) = event.data() else {
            // A comment, or nothing: nobody has read it.
            flush(event, data, kept, at, out);
            return Ok(());
        };
        if single.is_none() {
            let mut anew = b"data: ".to_vec();
            anew.extend_from_slice(&text);
            let end = anew.len();
            anew.extend_from_slice(b"\n\n");
            item = anew.into();
            (single, as_it_came) = (Some(6..end), false);
        }
        let Some(span) = single else { return Ok(()) };
        if self.hide_usage && self.facts.only_usage {
            flush(event, data, kept, at, out);
            return Ok(());
        }
        if self.facts.done {
            self.governor.finish(None)?;
            flush(event, data, kept, at, out);
            self.governor
                .release(|event, edits| out.append(edits.apply(&event)));
            out.push(item);
            return Ok(());
        }
        let bytes = item.len();
        let Some(data_bytes) = item.get(span.clone()) else {
            return Err(Fault::new(Kind::Bug).detail("an event without its data"));
        };
        let mut saying = Saying::default();
        json::scan::scan_into(data_bytes, &LIMITS, self.scratch)
            .map_err(|_| Fault::new(Kind::Malformed).reason("invalid_response"))?;
        self.client.said(data_bytes, self.scratch, &mut saying);
        let extra = without_repeats(self.own_edits(span.start), &saying, span.start)?;
        let spoken = spoken_in(self.client, data_bytes, &saying, span.start)?;
        let taken = self
            .governor
            .take(item.clone(), bytes, &spoken, extra, self.now)?;
        match taken {
            Taken::Pass(_) if as_it_came => {}
            Taken::Pass(item) => {
                flush(event, data, kept, at, out);
                out.push(item);
            }
            Taken::Held => flush(event, data, kept, at, out),
        }
        for choice in &saying.finished {
            self.governor.finish(Some(*choice))?;
        }
        self.governor
            .release(|event, edits| out.append(edits.apply(&event)));
        Ok(())
    }

    /// Usage that the client did not ask for, and finish words that are the vendor's own.
    fn own_edits(&self, shift: usize) -> Edits {
        let mut edits = Edits::new();
        let mut change = |span: &std::ops::Range<usize>, with: Bytes| {
            // Different members: their spans do not overlap.
            let _ = edits.replace(span.start + shift..span.end + shift, with);
        };
        if self.hide_usage && self.facts.usage.is_some() {
            change(&self.facts.usage_span, Bytes::from_static(b"null"));
        }
        if let Some(finish) = self
            .facts
            .finish
            .filter(|_| !self.facts.odd_finish.is_empty())
        {
            change(
                &self.facts.odd_finish,
                format!("\"{}\"", finish.as_str()).into(),
            );
        }
        edits
    }
}

/// Pushes what went before the event as it was; the event itself is taken out of the run.
fn flush(event: &sse::Event<'_>, data: &Bytes, kept: &mut usize, at: usize, out: &mut Rope) {
    if let Some(from) = event.at {
        out.push(data.slice((*kept).min(from)..from));
    }
    *kept = at;
}
