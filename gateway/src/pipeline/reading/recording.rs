//! The record of a stream: what went down, read once more, with all that the policy finds replaced.
//!
//! It reads the bytes that were sent, in the client's dialect, after everything else was done to them; so what was put back
//! is taken out again, and no other stage needs to know of the record. Comments are left out. Holds little: what waits
//! too long cannot be recorded.

use adapters::ClientDialect;
use bytes::Bytes;
use wire::facts::EventFacts;
use wire::json::Tape;
use wire::sse::{self, Splitter};
use wire::{Fault, Kind, Rope};

use super::Governed;
use super::governed::Step;
use super::mold::Mold;
use crate::pipeline::govern::Governor;

/// Records one stream.
pub(in crate::pipeline) struct Recording {
    splitter: Splitter,
    client: &'static dyn ClientDialect,
    governed: Box<Governed>,
}

impl Recording {
    pub(in crate::pipeline) fn new(
        client: &'static dyn ClientDialect,
        governor: Governor<Bytes>,
        limits: sse::Limits,
    ) -> Self {
        Self {
            splitter: Splitter::new(limits),
            client,
            governed: Box::new(Governed {
                governor,
                mold: Mold::default(),
            }),
        }
    }

    /// Takes what was sent; what may be written down is added to `out`.
    ///
    /// # Errors
    /// If it cannot be read, or too much waits: then nothing more of the reply may be written down.
    pub(in crate::pipeline) fn read(&mut self, data: &Bytes, out: &mut Rope) -> Result<(), Fault> {
        let (mut at, mut kept) = (0, 0);
        let Self {
            splitter,
            client,
            governed,
        } = self;
        loop {
            let event = splitter
                .next(data, &mut at)
                .map_err(|_| Fault::new(Kind::Malformed).reason("event_too_long"))?;
            let Some(event) = event else { break };
            let mut facts = EventFacts::default();
            let molded = governed.mold.fits(event.raw);
            let mut step = Step {
                mold: &mut governed.mold,
                governor: &mut governed.governor,
                client: *client,
                facts: &mut facts,
                hide_usage: false,
                scratch: &mut Tape::spare(),
                now: 0,
            };
            let taken =
                molded.and_then(|span| step.take_molded(&event, span, data, &mut kept, at, out));
            match taken {
                Some(taken) => taken?,
                None => {
                    client.read_event(&event, step.scratch, step.facts);
                    step.take(&event, data, &mut kept, at, out)?;
                }
            }
        }
        let whole = data.len() - self.splitter.carried().min(data.len());
        out.push(data.slice(kept.min(whole)..whole));
        Ok(())
    }

    /// Nothing more comes: what waits is decided. Half an event is left out, as no client reads it.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(in crate::pipeline) fn end(&mut self, out: &mut Rope) -> Result<(), Fault> {
        let governor = &mut self.governed.governor;
        governor.finish(None)?;
        governor.release(|event, edits| out.append(edits.apply(&event)));
        Ok(())
    }
}
