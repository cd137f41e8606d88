//! Events of the client's own dialect that differ from an earlier one in their text alone: told by comparing bytes.
//!
//! Nearly all events of a stream are such, and reading one costs several times as much. Invariant: an event that fits says
//! what the one says that the mold was made of, but for its text: a whole string stands in the place of a whole string, as
//! the scan would take it, and every other byte is the same.

use std::ops::Range;

use adapters::ClientDialect;
use bytes::Bytes;
use wire::facts::{EventFacts, Nested, Saying};
use wire::hold::Lane;
use wire::json::{self, Tape};
use wire::sse;

use super::governed::LIMITS;
use crate::pipeline::govern::Spoken;
use crate::pipeline::governing::spoken_in;

/// The bytes around the text of an event that said one thing and nothing else.
#[derive(Default)]
pub(super) struct Mold {
    event: Bytes,
    /// Where the text stood in it.
    text: Range<usize>,
    /// Its lane, and how it is nested, and whether it is an answer.
    lane: Option<(Lane, Nested, bool)>,
}

/// Whether where an event ends is seen by its bytes alone, whatever comes next.
fn splits(event: &[u8]) -> bool {
    event.ends_with(b"\n\n") && (event.starts_with(b"data:") || event.starts_with(b"event:"))
}

/// Most events of a run.
const RUN_MAX: usize = 64;

/// Events of a read that differ in their text alone, and that text as one.
#[derive(Default)]
pub(super) struct Alike {
    pub(super) text: String,
    pub(super) events: Vec<Fit>,
}

impl Alike {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.events.clear();
    }
}

/// One of them: where it stands in the read, where its text does, and where that ends in the text of all.
pub(super) struct Fit {
    pub(super) event: Range<usize>,
    pub(super) text: Range<usize>,
    pub(super) end: usize,
}

/// Longest event that is kept as a mold.
const MOLD_BYTES_MAX: usize = 4096;

impl Mold {
    /// How long the event is that `raw` begins with, and where its text stands, if it fits.
    fn prefix(&self, raw: &[u8]) -> Option<(usize, Range<usize>)> {
        self.lane?;
        let before = self.event.get(..self.text.start.checked_sub(1)?)?;
        let after = self.event.get(self.text.end + 1..)?;
        let rest = raw.strip_prefix(before)?;
        let string = json::string_prefix(rest)?;
        let length = before.len() + string + after.len();
        // An event without text says nothing.
        let fits = string > 2 && rest.get(string..)?.starts_with(after);
        fits.then_some((length, before.len() + 1..before.len() + string - 1))
    }

    /// The lane of the events that [`run`](Self::run) takes, how it is nested, and whether it is an answer; `None`: it takes none.
    pub(super) fn lane(&self) -> Option<(Lane, Nested, bool)> {
        self.lane.filter(|_| splits(&self.event))
    }

    /// Adds the events that fit, from `at` on, where an event begins, and of whose text every byte stands for itself.
    pub(super) fn run(&self, data: &[u8], mut at: usize, longest: usize, run: &mut Alike) {
        while run.events.len() < RUN_MAX
            && let Some(rest) = data.get(at..)
            && let Some((length, span)) = self.prefix(rest)
            && length <= longest
            && let Some(raw) = rest.get(span.clone()).and_then(json::utf8)
            && !raw.contains('\\')
        {
            run.text.push_str(raw);
            run.events.push(Fit {
                event: at..at + length,
                text: at + span.start..at + span.end,
                end: run.text.len(),
            });
            at += length;
        }
    }

    /// Where the text of `raw` stands, if it fits.
    pub(super) fn fits(&self, raw: &[u8]) -> Option<Range<usize>> {
        let (length, text) = self.prefix(raw)?;
        (length == raw.len()).then_some(text)
    }

    /// Makes it anew of an event that says `spoken` and nothing else.
    pub(super) fn make(&mut self, event: &[u8], spoken: &Spoken<'_>) {
        let text = &spoken.span;
        // A value's whole string, and not one in a string.
        let around = text.start.checked_sub(2).and_then(|at| event.get(at..));
        let whole = around.is_some_and(|from| {
            matches!(from, [b':' | b' ' | b'[' | b',', b'"', ..])
                && json::string_prefix(from.get(1..).unwrap_or_default()) == Some(text.len() + 2)
        });
        if whole && event.len() <= MOLD_BYTES_MAX {
            *self = Self {
                event: Bytes::copy_from_slice(event),
                text: text.clone(),
                lane: Some((spoken.lane, spoken.nested, spoken.answer)),
            };
        }
    }

    /// The text of an event that fits.
    pub(super) fn spoken<'r>(&self, raw: &'r [u8], span: Range<usize>) -> Option<Spoken<'r>> {
        let (lane, nested, answer) = self.lane?;
        Some(Spoken {
            lane,
            raw: std::str::from_utf8(raw.get(span.clone())?).ok()?,
            span,
            nested,
            whole: false,
            answer,
        })
    }
}

/// Forwarded events that are alike.
#[derive(Default)]
pub(in crate::pipeline) struct Run {
    mold: Mold,
    /// Events with text since one fitted.
    misses: u32,
}

/// Events with text before a mold is made: a short reply is not worth it.
const MISSES_MIN: u32 = 4;

impl Run {
    /// Steps over the events that fit, from `at` on, where an event begins; how many there were, and how many bytes of
    /// text.
    pub(super) fn step_over(
        &mut self,
        data: &[u8],
        at: &mut usize,
        limits: sse::Limits,
    ) -> (u64, u64) {
        let longest = limits.line_bytes.min(limits.event_bytes);
        let (mut count, mut bytes) = (0, 0);
        while let Some(rest) = data.get(*at..)
            && let Some((length, text)) = self.mold.prefix(rest)
            && length <= longest
        {
            *at += length;
            count += 1;
            bytes += rest.get(text).map_or(0, json::plain_len);
        }
        if count > 0 {
            self.misses = 0;
        }
        (count, bytes)
    }

    /// Takes note of an event that did not fit. It is looked at more closely now and then only, since those of a stream may
    /// all be different.
    pub(super) fn learn(
        &mut self,
        event: &sse::Event<'_>,
        facts: &EventFacts,
        client: &dyn ClientDialect,
        scratch: &mut Tape,
    ) {
        if !says_text_alone(facts) {
            return;
        }
        self.misses = self.misses.saturating_add(1);
        if self.misses < MISSES_MIN || !self.misses.is_power_of_two() {
            return;
        }
        let Some(span) = event.single().filter(|_| splits(event.raw)) else {
            return;
        };
        let data = event.raw.get(span.clone()).unwrap_or_default();
        if json::scan::scan_into(data, &LIMITS, scratch).is_err() {
            return;
        }
        let mut saying = Saying::default();
        client.said(data, scratch, &mut saying);
        if let Ok(spoken) = spoken_in(client, data, &saying, span.start)
            && let [only] = &*spoken
            && !only.whole
            && saying.repeats.is_empty()
            && saying.finished.is_empty()
        {
            self.mold.make(event.raw, only);
        }
    }
}

/// Whether an event says a text, and nothing of which anybody takes note.
fn says_text_alone(facts: &EventFacts) -> bool {
    let EventFacts {
        content,
        text_bytes: _,
        error,
        done,
        usage,
        usage_span: _,
        only_usage: _,
        finish,
        odd_finish: _,
        finished: _,
        finish_word: _,
        moderated,
        malformed,
    } = facts;
    let ends = *done || finish.is_some();
    *content && !error && !ends && usage.is_none() && moderated.is_none() && !malformed
}
