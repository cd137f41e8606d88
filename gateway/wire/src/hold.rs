//! What may go down, what must wait: the queue of a governed stream.
//!
//! Items come in, each with the pieces of text that it carries; who reads the text says, lane by lane, up to where it is
//! settled (no hit can begin or grow before that point) and which spans are to be replaced. Items leave in order and
//! whole: one that is not settled holds those behind it. A replacement that spans items is put into the first and taken
//! out of the others; all else stays as it came. Knows no detector, no JSON and not what an item is: an event's bytes, or
//! a canonical event. Lanes count *decoded* text, edits are made in an item's own bytes; a piece's [`Offsets`] lead back.
//!
//! Invariants: what was released is never touched again; nothing is released before its text is settled. What happens
//! when a cap is reached is the caller's decision ([`Hold::over`]).

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::edit::{Edits, Overlap};
use crate::json::Offsets;

/// A stream of text inside a reply: choice, part, field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    /// Which choice.
    pub choice: u32,
    /// Which part of it: a tool call's index, a content block.
    pub part: u32,
    /// Which field: text, reasoning, refusal, arguments; numbered by the dialect.
    pub field: u32,
}

/// A piece of a lane's text inside an item.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Which lane it continues.
    pub lane: Lane,
    /// Span of the escaped text in the item's bytes.
    pub span: Range<usize>,
    /// Bytes of it when decoded.
    pub len: usize,
    /// From decoded to escaped offsets.
    pub offsets: Offsets,
}

/// How much may wait, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Bytes of waiting items.
    pub bytes: usize,
    /// Nanoseconds that the oldest may wait.
    pub nanos: u64,
}

/// The queue of one stream. Offsets of a lane count the bytes of its decoded text from the stream's beginning.
pub struct Hold<E> {
    caps: Caps,
    waiting: VecDeque<Waiting<E>>,
    bytes: usize,
    lanes: SmallVec<[Progress; 1]>,
}

struct Waiting<E> {
    item: E,
    bytes: usize,
    since: u64,
    pieces: SmallVec<[Placed; 1]>,
    edits: Edits,
}

#[derive(Debug)]
struct Placed {
    /// Offset of its first byte in the lane.
    from: u64,
    piece: Piece,
}

impl Placed {
    fn end(&self) -> u64 {
        self.from + self.piece.len as u64
    }

    /// Where a lane's offset stands in the item.
    fn raw(&self, at: u64) -> usize {
        let within = usize::try_from(at - self.from).unwrap_or(usize::MAX);
        if within >= self.piece.len {
            return self.piece.span.end;
        }
        self.piece.span.start + self.piece.offsets.to_raw(within)
    }
}

#[derive(Debug)]
struct Progress {
    lane: Lane,
    /// Bytes that have come.
    end: u64,
    /// Bytes that no hit can touch any more.
    settled: u64,
}

/// Why a replacement could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Part of it has been released.
    Released,
    /// It crosses another one.
    Crossing,
}

impl From<Overlap> for Late {
    fn from(_: Overlap) -> Self {
        Self::Crossing
    }
}

impl<E> Hold<E> {
    /// An empty queue.
    #[must_use]
    pub fn new(caps: Caps) -> Self {
        Self {
            caps,
            waiting: VecDeque::new(),
            bytes: 0,
            lanes: SmallVec::new(),
        }
    }

    /// Takes an item of `bytes` bytes and the text in it, in lane order. `now`: nanoseconds on any clock that never goes
    /// back.
    pub fn push(
        &mut self,
        item: E,
        bytes: usize,
        pieces: impl IntoIterator<Item = Piece>,
        now: u64,
    ) {
        self.bytes += bytes;
        let mut placed = SmallVec::new();
        for piece in pieces {
            let progress = self.progress(piece.lane);
            let from = progress.end;
            progress.end += piece.len as u64;
            placed.push(Placed { from, piece });
        }
        self.waiting.push_back(Waiting {
            item,
            bytes,
            since: now,
            pieces: placed,
            edits: Edits::new(),
        });
    }

    /// Text of a lane that went past the queue: settled, nothing of it waits. Only while the queue is empty.
    pub fn pass(&mut self, lane: Lane, len: usize) {
        debug_assert!(self.waiting.is_empty(), "what waits would be overtaken");
        let progress = self.progress(lane);
        progress.end += len as u64;
        progress.settled = progress.end;
    }

    /// Bytes of a lane's text that have come.
    #[must_use]
    pub fn end_of(&self, lane: Lane) -> u64 {
        self.lanes
            .iter()
            .find(|progress| progress.lane == lane)
            .map_or(0, |progress| progress.end)
    }

    /// No hit will begin or grow before `upto` of this lane.
    pub fn settle(&mut self, lane: Lane, upto: u64) {
        let progress = self.progress(lane);
        progress.settled = progress.settled.max(upto.min(progress.end));
    }

    /// All text that has come is settled: the stream ended, or nothing reads it.
    pub fn settle_all(&mut self) {
        for progress in &mut self.lanes {
            progress.settled = progress.end;
        }
    }

    /// Replaces a span of a lane, wherever its bytes wait: `with`, escaped as the item needs it, goes to where it begins.
    ///
    /// # Errors
    /// [`Late`]; nothing of the span is then replaced.
    pub fn replace(&mut self, lane: Lane, span: Range<u64>, with: &Bytes) -> Result<(), Late> {
        let mut found: SmallVec<[(usize, Range<usize>); 4]> = SmallVec::new();
        let mut covered = span.start;
        for (index, waiting) in self.waiting.iter().enumerate() {
            for placed in waiting.pieces.iter().filter(|p| p.piece.lane == lane) {
                let (from, to) = (span.start.max(placed.from), span.end.min(placed.end()));
                if from < to {
                    if from != covered {
                        return Err(Late::Released);
                    }
                    covered = to;
                    found.push((index, placed.raw(from)..placed.raw(to)));
                }
            }
        }
        if covered != span.end || span.is_empty() {
            return Err(Late::Released);
        }
        let fits = |(index, part): &(usize, Range<usize>)| {
            let waiting = self.waiting.get(*index);
            waiting.is_some_and(|waiting| waiting.edits.fits(part))
        };
        if !found.iter().all(fits) {
            return Err(Late::Crossing);
        }
        // The parts are disjoint: what fits one by one fits together.
        for (place, (index, part)) in found.into_iter().enumerate() {
            let with = if place == 0 {
                with.clone()
            } else {
                Bytes::new()
            };
            if let Some(waiting) = self.waiting.get_mut(index) {
                waiting.edits.replace(part, with)?;
            }
        }
        Ok(())
    }

    /// Adds edits to the item that came last, in its own bytes.
    ///
    /// # Errors
    /// [`Late`] if there is none, or an edit crosses another.
    pub fn edit_last(&mut self, edits: Edits) -> Result<(), Late> {
        let last = self.waiting.back_mut().ok_or(Late::Released)?;
        Ok(last.edits.union(edits)?)
    }

    /// Hands out what may go: items whose text is settled whole, in order, up to the first that is not.
    pub fn release(&mut self, mut out: impl FnMut(E, Edits)) {
        while let Some(first) = self.waiting.front() {
            let lanes = &self.lanes;
            let settled = first.pieces.iter().all(|placed| {
                lanes.iter().any(|progress| {
                    progress.lane == placed.piece.lane && placed.end() <= progress.settled
                })
            });
            if !settled {
                return;
            }
            if let Some(gone) = self.waiting.pop_front() {
                self.bytes -= gone.bytes;
                out(gone.item, gone.edits);
            }
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a cap is reached: too much waits, or the oldest has waited too long.
    #[must_use]
    pub fn over(&self, now: u64) -> bool {
        self.bytes > self.caps.bytes || self.deadline().is_some_and(|at| now >= at)
    }

    /// When the oldest waiting item will have waited too long.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.waiting
            .front()
            .map(|first| first.since.saturating_add(self.caps.nanos))
    }

    /// Bytes that wait.
    #[must_use]
    pub fn held(&self) -> usize {
        self.bytes
    }

    fn progress(&mut self, lane: Lane) -> &mut Progress {
        let at = match self.lanes.iter().position(|progress| progress.lane == lane) {
            Some(at) => at,
            None => {
                self.lanes.push(Progress {
                    lane,
                    end: 0,
                    settled: 0,
                });
                self.lanes.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "found or pushed just now")]
        &mut self.lanes[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Mapped, escape};
    use crate::rope::Rope;
    use proptest::prelude::*;

    const LANE: Lane = Lane {
        choice: 0,
        part: 0,
        field: 0,
    };
    const WIDE: Caps = Caps {
        bytes: 1 << 20,
        nanos: u64::MAX,
    };

    /// An item that is the text between angle brackets, escaped.
    fn event(text: &str) -> (Bytes, Piece) {
        let mut raw = b"<".to_vec();
        escape(text, &mut raw);
        let span = 1..raw.len();
        raw.push(b'>');
        let raw = Bytes::from(raw);
        let mapped = Mapped::new(std::str::from_utf8(&raw[span.clone()]).unwrap());
        let piece = Piece {
            lane: LANE,
            span,
            len: mapped.text.len(),
            offsets: mapped.offsets.clone(),
        };
        (raw, piece)
    }

    fn push(hold: &mut Hold<Bytes>, text: &str) {
        let (raw, piece) = event(text);
        hold.push(raw.clone(), raw.len(), [piece], 0);
    }

    fn release(hold: &mut Hold<Bytes>, out: &mut Rope) {
        hold.release(|raw, edits| out.append(edits.apply(&raw)));
    }

    /// Redacts every `ab` the way a watcher would: settled up to a possible beginning of it.
    fn redact(texts: &[String]) -> String {
        let (mut hold, mut seen, mut out) = (Hold::new(WIDE), String::new(), Rope::new());
        let mut done = 0;
        for text in texts {
            push(&mut hold, text);
            seen.push_str(text);
            while let Some(at) = seen[done..].find("ab") {
                let from = (done + at) as u64;
                hold.replace(LANE, from..from + 2, &Bytes::from_static(b"#"))
                    .unwrap();
                done += at + 2;
            }
            hold.settle(
                LANE,
                (if seen[done..].ends_with('a') {
                    seen.len() - 1
                } else {
                    seen.len()
                }) as u64,
            );
            release(&mut hold, &mut out);
        }
        hold.settle_all();
        release(&mut hold, &mut out);
        assert!(hold.is_empty() && hold.held() == 0);
        String::from_utf8(out.into_bytes().to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_text(texts in prop::collection::vec("[ab \n]{0,4}", 0..8)) {
            let out = redact(&texts);
            prop_assert_eq!(out.matches('<').count(), texts.len());
            let text: String = out.chars().filter(|letter| !"<>".contains(*letter)).collect();
            prop_assert_eq!(text, texts.concat().replace("ab", "#").replace('\n', "\\n"));
        }
    }

    #[test]
    fn a_held_event_holds_those_behind_it() {
        let mut out = Rope::new();
        let mut hold = Hold::new(Caps {
            bytes: 8,
            nanos: 10,
        });
        push(&mut hold, "a");
        hold.push(Bytes::from_static(b"[usage]"), 7, [], 5);
        release(&mut hold, &mut out);
        assert!(out.is_empty() && hold.over(0) && hold.deadline() == Some(10));
        hold.settle(LANE, 1);
        release(&mut hold, &mut out);
        assert_eq!(out.into_bytes(), Bytes::from_static(b"<a>[usage]"));
        assert_eq!(hold.replace(LANE, 0..1, &Bytes::new()), Err(Late::Released));
        hold.pass(LANE, 3);
        assert_eq!(hold.end_of(LANE), 4);
    }
}
