//! The stepper for streams: text comes in pieces, findings and a point up to which all is decided go out.
//!
//! Runs the whole text's scan over what is not decided yet, with the text before as context. Knows no grammar and no
//! policy. Invariants: the findings of a stream are those of the whole text, wherever it was cut; what waits is bounded
//! ([`HELD_MAX`]), since every finder reads a bounded stretch; nothing decided is judged again. Most pieces are plain:
//! they are appended, looked at once, and cost no folding and no allocation.

use super::cue::{NO_ROW, no_row};
use super::engine::Scan;
use super::fold::{self, BACK, Map};
use super::merge::{Engine, Merge};
use super::set::{Finding, Set, raw_finding};
use super::site::Last;
use super::view::{LOOK_BEHIND, View};

/// What may wait at most, in bytes of folded text: an unfinished private key, and a little for what stands around it.
pub const HELD_MAX: usize = 17 * 1024;
/// Decided text that is kept in any case: further back only headers of tables are looked for.
const KEPT_MIN: usize = 384;
/// Decided text that may come together before it is trimmed.
const KEPT_STEP: usize = 256;
/// Bytes before the undecided part that its folding may look at.
pub(super) const RAW_KEPT: usize = BACK + 8;

/// A scan over a text that is still coming in. One for each lane: choice, part, tool call.
#[derive(Default)]
pub struct Stream {
    /// Folded: context, then from `base` on what is not decided.
    text: String,
    base: usize,
    /// The same as given, behind at most [`RAW_KEPT`] decided bytes; only while folding changes something.
    raw: Option<Raw>,
    /// Bytes of the stream that are decided.
    decided: u64,
    /// Up to where the built-in scan, the words and the custom entities have come, in `text`.
    built_in_at: usize,
    extras_at: [usize; 2],
    last: Last,
    merge: Merge,
    /// Trimmed when so much is decided.
    trim_at: usize,
}

/// Text as given, which folds to something else.
struct Raw {
    text: String,
    /// Where the undecided part begins.
    base: usize,
    map: Map,
    /// Up to where it could be folded: an escape may be cut.
    upto: usize,
}

impl Stream {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one behind `context`, as [`Set::scan`] has it: searched for cues, never part of a finding.
    #[must_use]
    pub fn behind(context: &str) -> Self {
        let text = fold::fold(context, 0, true).text;
        let at = text.len();
        Self {
            text,
            base: at,
            built_in_at: at,
            extras_at: [at; 2],
            ..Self::default()
        }
    }

    /// Takes the next piece and appends its findings, in offsets from the stream's beginning. Returns up to where
    /// everything is decided: text before that may go, save for what was found.
    pub fn push(&mut self, set: &Set, piece: &str, found: &mut Vec<Finding>) -> u64 {
        self.push_with(set, found, |text| text.push_str(piece))
    }

    /// The same of a piece that `write` puts behind what it is given, of which it must not touch anything: one copy less.
    pub fn push_with(
        &mut self,
        set: &Set,
        found: &mut Vec<Finding>,
        write: impl FnOnce(&mut String),
    ) -> u64 {
        let (text, folds) = match &mut self.raw {
            Some(raw) => (&mut raw.text, true),
            None => (&mut self.text, false),
        };
        let from = text.len();
        write(text);
        let piece = text.get(from..).unwrap_or_default();
        if piece.is_empty() {
            return self.decided;
        }
        if !folds && !fold::is_plain(piece) {
            self.begin_raw(from);
        }
        self.step(set, false, found)
    }

    /// The stream is over: decides what is left. Returns its length.
    pub fn finish(&mut self, set: &Set, found: &mut Vec<Finding>) -> u64 {
        if self.held() == 0 {
            return self.decided;
        }
        self.step(set, true, found)
    }

    /// How many bytes wait.
    #[must_use]
    pub fn held(&self) -> usize {
        match &self.raw {
            Some(raw) => raw.text.len() - raw.base,
            None => self.text.len() - self.base,
        }
    }

    /// From the piece on that begins at `from` the text is not its own fold.
    fn begin_raw(&mut self, from: usize) {
        // What stands before the stream was folded apart and is no part of an escape.
        let behind =
            usize::try_from(self.decided).map_or(RAW_KEPT, |decided| decided.min(RAW_KEPT));
        let begin = floor_boundary(&self.text, self.base.saturating_sub(behind));
        self.raw = Some(Raw {
            text: self.text.get(begin..).unwrap_or("").to_owned(),
            base: self.base - begin,
            map: Map::default(),
            upto: 0,
        });
        self.text.truncate(from);
    }

    fn step(&mut self, set: &Set, finished: bool, found: &mut Vec<Finding>) -> u64 {
        if let Some(raw) = &mut self.raw {
            let folded = fold::fold(&raw.text, raw.base, finished);
            self.text.truncate(self.base);
            self.text.push_str(&folded.text);
            (raw.map, raw.upto) = (folded.map, folded.upto);
        }
        let alive = self.search(set, finished, found);
        let moved = match &mut self.raw {
            Some(raw) => {
                let to = if alive >= self.text.len() {
                    raw.upto
                } else {
                    raw.map.start(alive - self.base)
                };
                to - std::mem::replace(&mut raw.base, to)
            }
            None => alive - self.base,
        };
        self.decided += moved as u64;
        self.base = alive;
        self.trim();
        debug_assert!(self.held() <= HELD_MAX * 8, "a finder holds too much");
        self.decided
    }

    /// Looks for everything in what is not decided; up to where it is now.
    fn search(&mut self, set: &Set, finished: bool, found: &mut Vec<Finding>) -> usize {
        let Self {
            text,
            base,
            raw,
            decided,
            built_in_at,
            extras_at,
            last,
            merge,
            trim_at: _,
        } = self;
        let view = View::new(text, finished);
        // Where the undecided part begins in the stream.
        let offset = usize::try_from(*decided).unwrap_or(usize::MAX);
        let mut give = |finding: Finding| {
            let here = match raw {
                Some(raw) => {
                    let finding = raw_finding(&raw.text, &raw.map, *base, finding);
                    Finding {
                        start: finding.start - raw.base,
                        end: finding.end - raw.base,
                        ..finding
                    }
                }
                None => Finding {
                    start: finding.start - *base,
                    end: finding.end - *base,
                    ..finding
                },
            };
            found.push(Finding {
                start: here.start + offset,
                end: here.end + offset,
                ..here
            });
        };
        let mut scan = Scan::new(&view, *built_in_at, *last);
        if set.words.is_none() && set.customs.is_none() {
            let alive = scan.run(|found| give(found.into()));
            *last = scan.last();
            *built_in_at = alive;
            return alive;
        }
        let alive = scan.run(|found| set.add(merge, Engine::BuiltIn, found.into()));
        *last = scan.last();
        *built_in_at = alive;
        set.extras(&view, finished, extras_at, merge);
        let [words_at, customs_at] = *extras_at;
        let upto = [
            Some(alive),
            set.words.as_ref().map(|_| words_at),
            set.customs.as_ref().map(|_| customs_at),
        ];
        let upto = upto.into_iter().flatten().min().unwrap_or(alive);
        let growing = (!finished).then_some(text.len());
        merge.release(upto, growing, give)
    }

    /// Forgets what no finder can look back to.
    fn trim(&mut self) {
        if let Some(raw) = &mut self.raw {
            let keep = floor_boundary(&raw.text, raw.base.saturating_sub(RAW_KEPT));
            if fold::is_plain(raw.text.get(keep..).unwrap_or("")) {
                self.raw = None;
            } else if keep > RAW_KEPT {
                raw.text.drain(..keep);
                raw.base -= keep;
            }
        }
        if self.base > self.trim_at.max(KEPT_MIN + KEPT_STEP) {
            self.forget();
        }
    }

    /// Forgets the decided text that is not looked back to.
    fn forget(&mut self) {
        let keep = floor_boundary(&self.text, self.base - KEPT_MIN);
        let line = |at: usize| {
            let before = self.text.as_bytes().get(..at).unwrap_or_default();
            memchr::memrchr(b'\n', before).map_or(0, |i| i + 1)
        };
        let end_of = |from: usize| {
            let rest = self.text.as_bytes().get(from..self.base);
            let rest = rest.unwrap_or_default();
            from + memchr::memchr(b'\n', rest).unwrap_or(rest.len())
        };
        let mut from = line(keep);
        let row = |from: usize| !no_row(self.text.get(from..end_of(from)).unwrap_or(""));
        let (cut, filler) = if row(from) {
            // A table's: back to where it begins.
            while from > 0 && row(line(from - 1)) {
                from = line(from - 1);
            }
            let far = self.base.saturating_sub(LOOK_BEHIND + 8);
            (from.max(floor_boundary(&self.text, far)), "")
        } else {
            (keep, if keep > from { NO_ROW } else { "" })
        };
        if cut > filler.len() {
            self.text.drain(..cut);
            self.text.insert_str(0, filler);
            let moved = cut - filler.len();
            self.base -= moved;
            self.built_in_at -= moved;
            self.extras_at = self.extras_at.map(|at| at.saturating_sub(moved));
            self.merge.shift(moved);
            if self.last.end > cut {
                self.last.end -= moved;
            } else {
                self.last = Last::default();
            }
        }
        self.trim_at = self.base + KEPT_STEP;
    }
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
pub(super) mod tests;
