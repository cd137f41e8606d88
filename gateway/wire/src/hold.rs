//! What may go down, what must wait: the queue of a governed stream.
//!
//! Events come in; watchers say, lane by lane, up to where the text is settled (no hit can begin or grow before that
//! point) and which spans are to be replaced. Events leave in order and whole: one that is not settled holds those
//! behind it. A replacement that spans events is put into the first and taken out of the others. All other bytes stay as
//! they came. Knows no detector and no JSON: the spans are the lens's, of text that needs no escape at any nesting or was
//! escaped by who made it.
//!
//! Invariants: what was released is never touched again; at most `caps.bytes` wait; nothing waits longer than
//! `caps.nanos`. What happens when a cap is reached is the caller's decision ([`Hold::over`]).

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::edit::{Edits, Overlap};
use crate::rope::Rope;

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

/// A piece of a lane's text inside an event.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Which lane it continues.
    pub lane: Lane,
    /// Span of the text in the event's bytes.
    pub span: Range<usize>,
}

/// How much may wait, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Bytes of waiting events.
    pub bytes: usize,
    /// Nanoseconds that the oldest may wait.
    pub nanos: u64,
}

/// The queue of one stream. Offsets of a lane count the bytes of its text from the stream's beginning.
#[derive(Debug)]
pub struct Hold {
    caps: Caps,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    lanes: SmallVec<[Progress; 1]>,
}

#[derive(Debug)]
struct Waiting {
    raw: Bytes,
    since: u64,
    pieces: SmallVec<[Placed; 1]>,
    edits: Edits,
}

#[derive(Debug)]
struct Placed {
    lane: Lane,
    /// Offset of its first byte in the lane.
    from: u64,
    span: Range<usize>,
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

impl Hold {
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

    /// Takes an event and the text in it, in lane order. `now`: nanoseconds on any clock that never goes back.
    pub fn push(&mut self, raw: Bytes, pieces: impl IntoIterator<Item = Piece>, now: u64) {
        self.bytes += raw.len();
        let mut placed = SmallVec::new();
        for piece in pieces {
            let progress = self.progress(piece.lane);
            let from = progress.end;
            progress.end += piece.span.len() as u64;
            placed.push(Placed {
                lane: piece.lane,
                from,
                span: piece.span,
            });
        }
        self.waiting.push_back(Waiting {
            raw,
            since: now,
            pieces: placed,
            edits: Edits::new(),
        });
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

    /// Replaces a span of a lane, wherever its bytes wait: `with` goes to where it begins.
    ///
    /// # Errors
    /// [`Late`]; nothing of the span is then replaced.
    pub fn replace(&mut self, lane: Lane, span: Range<u64>, with: &Bytes) -> Result<(), Late> {
        let mut found: SmallVec<[(usize, Range<usize>); 4]> = SmallVec::new();
        let mut covered = span.start;
        for (index, waiting) in self.waiting.iter().enumerate() {
            for piece in waiting.pieces.iter().filter(|piece| piece.lane == lane) {
                let end = piece.from + piece.span.len() as u64;
                let (from, to) = (span.start.max(piece.from), span.end.min(end));
                if from < to {
                    if from != covered {
                        return Err(Late::Released);
                    }
                    covered = to;
                    let offset = |at: u64| {
                        piece.span.start + usize::try_from(at - piece.from).unwrap_or(usize::MAX)
                    };
                    found.push((index, offset(from)..offset(to)));
                }
            }
        }
        if covered != span.end || span.is_empty() {
            return Err(Late::Released);
        }
        let mut copies: SmallVec<[(usize, Edits); 4]> = SmallVec::new();
        for (place, (index, part)) in found.into_iter().enumerate() {
            let known = copies.iter().position(|(known, _)| *known == index);
            let mut edits = match known {
                Some(at) => copies.remove(at).1,
                None => self
                    .waiting
                    .get(index)
                    .map(|waiting| waiting.edits.clone())
                    .unwrap_or_default(),
            };
            edits.replace(
                part,
                if place == 0 {
                    with.clone()
                } else {
                    Bytes::new()
                },
            )?;
            copies.push((index, edits));
        }
        for (index, edits) in copies {
            if let Some(waiting) = self.waiting.get_mut(index) {
                waiting.edits = edits;
            }
        }
        Ok(())
    }

    /// Moves what may go to `out`: events whose text is settled whole, in order, up to the first that is not.
    pub fn release(&mut self, out: &mut Rope) {
        while let Some(first) = self.waiting.front() {
            let lanes = &self.lanes;
            let settled = first.pieces.iter().all(|piece| {
                let end = piece.from + piece.span.len() as u64;
                lanes
                    .iter()
                    .any(|progress| progress.lane == piece.lane && end <= progress.settled)
            });
            if !settled {
                return;
            }
            if let Some(gone) = self.waiting.pop_front() {
                self.bytes -= gone.raw.len();
                if gone.edits.is_empty() {
                    out.push(gone.raw)
                } else {
                    out.append(gone.edits.apply(&gone.raw))
                }
            }
        }
    }

    /// Whether a cap is reached: too much waits, or the oldest has waited too long.
    #[must_use]
    pub fn over(&self, now: u64) -> bool {
        self.bytes > self.caps.bytes || self.deadline().is_some_and(|at| now >= at)
    }

    /// When the oldest waiting event will have waited too long.
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

    fn event(text: &str) -> (Bytes, Piece) {
        let raw = format!("<{text}>");
        (
            Bytes::from(raw),
            Piece {
                lane: LANE,
                span: 1..1 + text.len(),
            },
        )
    }

    /// Redacts every `ab` the way a watcher would: settled up to a possible beginning of it.
    fn redact(texts: &[String]) -> String {
        let (mut hold, mut seen, mut out) = (Hold::new(WIDE), String::new(), Rope::new());
        let mut done = 0;
        for text in texts {
            let (raw, piece) = event(text);
            hold.push(raw, [piece], 0);
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
            hold.release(&mut out);
        }
        hold.settle_all();
        hold.release(&mut out);
        assert_eq!(hold.held(), 0);
        String::from_utf8(out.into_bytes().to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_text(texts in prop::collection::vec("[ab ]{0,4}", 0..8)) {
            let out = redact(&texts);
            prop_assert_eq!(out.matches('<').count(), texts.len());
            let text: String = out.chars().filter(|letter| !"<>".contains(*letter)).collect();
            prop_assert_eq!(text, texts.concat().replace("ab", "#"));
        }
    }

    #[test]
    fn a_held_event_holds_those_behind_it() {
        let (mut hold, mut out) = (
            Hold::new(Caps {
                bytes: 8,
                nanos: 10,
            }),
            Rope::new(),
        );
        let (raw, piece) = event("a");
        hold.push(raw, [piece], 0);
        hold.push(Bytes::from_static(b"[usage]"), [], 5);
        hold.release(&mut out);
        assert!(out.is_empty() && hold.over(0) && hold.deadline() == Some(10));
        hold.settle(LANE, 1);
        hold.release(&mut out);
        assert_eq!(out.into_bytes(), Bytes::from_static(b"<a>[usage]"));
        assert_eq!(hold.replace(LANE, 0..1, &Bytes::new()), Err(Late::Released));
    }
}
