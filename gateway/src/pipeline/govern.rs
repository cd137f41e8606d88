//! A reply under policy: what may not come in is replaced or ends it, what was taken out of the request is put back.
//!
//! Works on items that carry text: events as they came, or canonical events. Each lane (choice, part, field) is looked
//! through as one text, however it is cut; an item waits only while its text may still become part of a hit. Offsets are
//! of decoded text. Synchronous, reads no clock of its own. Invariants: nothing is released before it is decided; what
//! was put back is not looked through again; an edit never leaves a string that it stands in.

mod silent;
mod tally;
mod watched;
mod whole;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use policies::law::Restores;
use policies::policy::{Policy, ReplyRemedy, ReplyRule};
use policies::redact::{Labels, Method};
use policies::restore::Restoring;
use policies::rewrite::Rewritten;
use policies::scan::{Finding, Stream};
use smallvec::SmallVec;
use wire::facts::Nested;
use wire::hold::{Caps, Hold, Lane, Piece};
use wire::json::{self, Mapped, Offsets};
use wire::{Edits, Fault, Kind};

pub(super) use tally::Tally;
use watched::{Swap, Watched, escaped, swaps};

/// Most lanes of one reply: choices × fields × tool calls.
const LANES_MAX: usize = 4096;

/// Governs one reply.
pub(super) struct Governor<E> {
    policy: Arc<Policy>,
    restores: Option<Restores>,
    /// Stands before the first text of each choice, escaped.
    prefix: Option<Bytes>,
    hold: Hold<E>,
    lanes: Vec<Watched>,
    labels: Labels,
    /// For a record: all that is looked for is replaced by its label, whatever the rules say.
    recording: bool,
    pub(super) tally: Tally,
    /// Whether anything was replaced, or put back.
    replaced: bool,
    /// Replacements decided for the item in hand.
    swaps: SmallVec<[Swap; 2]>,
    found: Vec<Finding>,
}

/// A text of an item in hand.
pub(super) struct Spoken<'t> {
    pub(super) lane: Lane,
    /// Its escaped bytes, and where they lie in the item.
    pub(super) raw: &'t str,
    pub(super) span: Range<usize>,
    /// How deep in JSON it stands.
    pub(super) nested: Nested,
    /// It is complete in itself.
    pub(super) whole: bool,
    /// It is a choice's own text.
    pub(super) answer: bool,
}

impl<'t> Spoken<'t> {
    /// As it is read: what is JSON itself keeps its escapes, as JSON in a string does.
    fn text(&self) -> Cow<'t, str> {
        match self.nested {
            Nested::Bare => Cow::Borrowed(self.raw),
            Nested::Text | Nested::No => json::unescape(self.raw),
        }
    }

    /// The same, with the way back.
    fn mapped(&self) -> Mapped<'t> {
        match self.nested {
            Nested::Bare => Mapped::plain(self.raw),
            Nested::Text | Nested::No => Mapped::new(self.raw),
        }
    }
}

/// What became of an item.
pub(super) enum Taken<E> {
    /// Nothing waits and nothing is changed: it goes as it is.
    Pass(E),
    /// It is in the queue.
    Held,
}

impl<E> Governor<E> {
    pub(super) fn new(
        policy: Arc<Policy>,
        restores: Option<Restores>,
        prefix: Option<Bytes>,
        caps: Caps,
    ) -> Self {
        Self {
            policy,
            restores,
            prefix,
            hold: Hold::new(caps),
            lanes: Vec::new(),
            labels: Labels::default(),
            recording: false,
            tally: Tally::default(),
            replaced: false,
            swaps: SmallVec::new(),
            found: Vec::new(),
        }
    }

    /// Governs what is written down of a reply: whatever the policy finds is replaced, and so are the values of the
    /// request, by the labels that the record of the request has for them.
    pub(super) fn recording(
        policy: Arc<Policy>,
        request: Option<&Arc<Rewritten>>,
        caps: Caps,
    ) -> Self {
        Self {
            labels: request
                .map(|request| request.labels.clone())
                .unwrap_or_default(),
            recording: true,
            ..Self::new(policy, request.and_then(Restores::for_record), None, caps)
        }
    }

    /// Takes an item with its texts. `extra`: edits of its own, besides what policy asks for.
    ///
    /// # Errors
    /// `Refused` if a rule ends the reply here; `Overloaded` if too much waits.
    pub(super) fn take(
        &mut self,
        item: E,
        bytes: usize,
        spoken: &[Spoken<'_>],
        mut extra: Edits,
        now: u64,
    ) -> Result<Taken<E>, Fault> {
        let mut pieces: SmallVec<[Piece; 2]> = SmallVec::new();
        let mut open = false;
        self.swaps.clear();
        for spoken in spoken {
            let mapped = spoken.mapped();
            let at = self.watched(spoken.lane, spoken.nested)?;
            if spoken.answer
                && self.hold.end_of(spoken.lane) == 0
                && let Some(prefix) = &self.prefix
            {
                let at = spoken.span.start..spoken.span.start;
                extra
                    .replace(at, prefix.clone())
                    .map_err(|_| Fault::new(Kind::Bug).detail("a label crosses an edit"))?;
            }
            let undecided = self.read(at, &mapped.text)?;
            if spoken.whole {
                self.end_lane(at)?;
            } else {
                open |= undecided;
            }
            pieces.push(Piece {
                lane: spoken.lane,
                span: spoken.span.clone(),
                len: mapped.text.len(),
                offsets: mapped.offsets,
            });
        }
        self.let_go(spoken)?;
        if self.hold.is_empty() && !open && self.swaps.is_empty() && extra.is_empty() {
            for piece in &pieces {
                self.hold.pass(piece.lane, piece.len);
            }
            return Ok(Taken::Pass(item));
        }
        self.hold.push(item, bytes, pieces, now);
        self.hold
            .edit_last(extra)
            .map_err(|_| Fault::new(Kind::Bug).detail("edits cross"))?;
        self.apply()?;
        for watched in &self.lanes {
            self.hold.settle(watched.lane, watched.from);
        }
        if self.hold.over(now) {
            return Err(over());
        }
        Ok(Taken::Held)
    }

    /// Whether [`take_alike`](Self::take_alike) may be asked of a lane (with its nesting, and whether it is an answer): no
    /// text of another waits, and nothing is to stand before it.
    pub(super) fn reads_alone(&self, (lane, _, answer): (Lane, Nested, bool)) -> bool {
        let labels = answer && self.prefix.is_some() && self.hold.end_of(lane) == 0;
        let mut others = self.lanes.iter().filter(|watched| watched.lane != lane);
        !labels && others.all(|watched| watched.open.is_empty())
    }

    /// Takes items that carry one piece each of a lane's text, which is read as one: with each its bytes, where its piece
    /// stands in it, and where that ends in `text`. What waited and is decided is released first. Returns how many go as
    /// they are, from the first on; the others wait, or are released too.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) fn take_alike(
        &mut self,
        (lane, nested, _): (Lane, Nested, bool),
        text: &str,
        items: impl Iterator<Item = (E, usize, Range<usize>, usize)>,
        now: u64,
        mut out: impl FnMut(E, Edits),
    ) -> Result<usize, Fault> {
        self.swaps.clear();
        let at = self.watched(lane, nested)?;
        let before = self.hold.end_of(lane);
        self.read(at, text)?;
        let Some(watched) = self.lanes.get_mut(at) else {
            return Err(Kind::Bug.into());
        };
        watched.silent = 0;
        let decided = watched.from;
        // What is replaced may begin in what waits.
        if self.swaps.is_empty() {
            self.hold.settle(lane, decided);
            self.hold.release(&mut out);
        }
        let (mut passed, mut begin) = (0, 0);
        let mut passes = self.swaps.is_empty() && self.hold.is_empty();
        for (item, bytes, span, end) in items {
            let len = end - std::mem::replace(&mut begin, end);
            passes = passes && before + end as u64 <= decided;
            if passes {
                self.hold.pass(lane, len);
                passed += 1;
                continue;
            }
            let piece = Piece {
                lane,
                span,
                len,
                offsets: Offsets::default(),
            };
            self.hold.push(item, bytes, [piece], now);
        }
        self.apply()?;
        self.hold.settle(lane, decided);
        self.hold.release(out);
        if self.hold.over(now) {
            return Err(over());
        }
        Ok(passed)
    }

    /// The text of a choice is over; `None`: of all.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) fn finish(&mut self, choice: Option<u32>) -> Result<(), Fault> {
        self.swaps.clear();
        for at in 0..self.lanes.len() {
            let ends = self.lanes.get(at).is_some_and(|watched| {
                !watched.ended && choice.is_none_or(|choice| watched.lane.choice == choice)
            });
            if ends {
                self.end_lane(at)?;
            }
        }
        self.apply()?;
        for watched in self.lanes.iter().filter(|watched| watched.ended) {
            self.hold.settle(watched.lane, watched.from);
        }
        Ok(())
    }

    /// Hands out what may go.
    pub(super) fn release(&mut self, out: impl FnMut(E, Edits)) {
        self.hold.release(out);
    }

    /// Nothing waits too long: the reply is in memory already.
    pub(super) fn lift_caps(&mut self) {
        self.hold = Hold::new(Caps {
            bytes: usize::MAX,
            nanos: u64::MAX,
        });
    }

    /// When something will have waited too long.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.hold.deadline()
    }

    fn watched(&mut self, lane: Lane, nested: Nested) -> Result<usize, Fault> {
        if let Some(at) = self.lanes.iter().position(|watched| watched.lane == lane) {
            return Ok(at);
        }
        if self.lanes.len() == LANES_MAX {
            return Err(Fault::new(Kind::Malformed).reason("too_many_lanes"));
        }
        let reads = self.recording || self.policy.reads_replies();
        let restores = self.restores.is_some();
        self.lanes.push(Watched::new(lane, nested, reads, restores));
        Ok(self.lanes.len() - 1)
    }

    /// Reads a lane's next text. Returns whether some of the lane is undecided.
    fn read(&mut self, at: usize, text: &str) -> Result<bool, Fault> {
        let Some(watched) = self.lanes.get_mut(at) else {
            return Ok(false);
        };
        if std::mem::take(&mut watched.ended) {
            // Text behind a choice's end begins anew.
            watched.base = watched.from;
            if let Some(scan) = &mut watched.scan {
                *scan = Stream::new();
            }
            if let Some(restoring) = &mut watched.restoring {
                *restoring = Restoring::default();
            }
        }
        watched.open.push_str(text);
        self.found.clear();
        let come = watched.from + watched.open.len() as u64;
        let base = watched.base;
        // Up to where it is known what is put back.
        let (mut decided, mut known) = (come, u64::MAX);
        if let Some(scan) = &mut watched.scan {
            decided = base + scan.push(&self.policy.set, text, &mut self.found);
        }
        if let (Some(restoring), Some(restores)) = (&mut watched.restoring, &self.restores) {
            let (swaps, back) = (&mut self.swaps, &mut watched.back);
            let restored = &mut self.tally.restored;
            let (lane, nested) = (watched.lane, watched.nested);
            let upto = restoring.push(restores.table(), text, |span, entry| {
                let span = base + span.start..base + span.end;
                back.push(span.clone());
                *restored += 1;
                swaps.push((lane, span, escaped(restores.table().value(entry), nested)));
            });
            known = base + upto;
            decided = decided.min(known);
        }
        self.judge(at, base, known)?;
        let Some(watched) = self.lanes.get_mut(at) else {
            return Ok(false);
        };
        let waiting = watched.waiting.iter().map(|one| base + one.start as u64);
        decided = waiting.fold(decided, u64::min);
        // A number's sign belongs to what is found in it, and its lane ends with it.
        if watched.nested != Nested::Bare {
            watched.settle(decided);
        }
        Ok(decided < come)
    }

    fn end_lane(&mut self, at: usize) -> Result<(), Fault> {
        self.found.clear();
        let Some(watched) = self.lanes.get_mut(at) else {
            return Ok(());
        };
        let base = watched.base;
        if let Some(scan) = &mut watched.scan {
            scan.finish(&self.policy.set, &mut self.found);
        }
        if let (Some(restoring), Some(restores)) = (&mut watched.restoring, &self.restores) {
            let (swaps, back) = (&mut self.swaps, &mut watched.back);
            let restored = &mut self.tally.restored;
            let (lane, nested) = (watched.lane, watched.nested);
            restoring.finish(restores.table(), |span, entry| {
                let span = base + span.start..base + span.end;
                back.push(span.clone());
                *restored += 1;
                swaps.push((lane, span, escaped(restores.table().value(entry), nested)));
            });
        }
        self.judge(at, base, u64::MAX)?;
        if let Some(watched) = self.lanes.get_mut(at) {
            let end = watched.from + watched.open.len() as u64;
            watched.settle(end);
            watched.ended = true;
        }
        Ok(())
    }

    /// Turns what was found in a lane into replacements, or into the end. What ends behind `known` waits.
    fn judge(&mut self, at: usize, base: u64, known: u64) -> Result<(), Fault> {
        let policy = Arc::clone(&self.policy);
        let Some(watched) = self.lanes.get_mut(at) else {
            return Ok(());
        };
        let mut all = std::mem::take(&mut watched.waiting);
        all.append(&mut self.found);
        for finding in all {
            let Some(watched) = self.lanes.get_mut(at) else {
                continue;
            };
            let span = base + finding.start as u64..base + finding.end as u64;
            if span.end > known {
                watched.waiting.push(finding);
                continue;
            }
            let parts = watched.without_back(&span);
            if parts.is_empty() {
                continue;
            }
            let method = if self.recording {
                if !policy.looked_for().contains(finding.sort)
                    && policy
                        .reply
                        .iter()
                        .all(|rule| !rule.find.contains(finding.sort))
                {
                    continue;
                }
                Method::Placeholder
            } else {
                self.tally.note(&policy, finding.sort);
                let Some((rule_at, rule)) = policy.reply_rule(finding.sort) else {
                    continue;
                };
                if !self.tally.fired.contains(&rule_at) {
                    self.tally.fired.push(rule_at);
                }
                match rule.remedy {
                    ReplyRemedy::Redact(method) => method,
                    ReplyRemedy::Refuse => return Err(refusal(rule)),
                }
            };
            let labels = &mut self.labels;
            let swaps = swaps(&policy, labels, watched, finding.sort, &parts, method);
            let swaps =
                swaps.ok_or_else(|| Fault::new(Kind::Bug).detail("a finding outside its lane"))?;
            self.swaps.extend(swaps);
        }
        Ok(())
    }

    /// Makes the replacements. One that crosses another lies under it: that is as good as made.
    fn apply(&mut self) -> Result<(), Fault> {
        self.replaced |= !self.swaps.is_empty();
        for (lane, span, with) in std::mem::take(&mut self.swaps) {
            match self.hold.replace(lane, span, &with) {
                Ok(()) | Err(wire::hold::Late::Crossing) => {}
                Err(wire::hold::Late::Released) => {
                    return Err(Fault::new(Kind::Bug).detail("a hit in what was released"));
                }
            }
        }
        Ok(())
    }
}

/// A refusal names its rule and never what was found.
fn refusal(rule: &ReplyRule) -> Fault {
    let told = match &rule.message {
        Some(message) => format!("{message} (policy {})", rule.name),
        None => format!(
            "Policy {} ended this answer: discard what has come of it.",
            rule.name
        ),
    };
    Fault::new(Kind::Refused).reason("policy").message(told)
}

/// What waits cannot be judged within its caps.
pub(super) fn over() -> Fault {
    Fault::new(Kind::Overloaded)
        .reason("policy_unavailable")
        .message("Part of the answer could not be judged within the limits, so it was stopped.")
}

#[cfg(test)]
mod turns;
