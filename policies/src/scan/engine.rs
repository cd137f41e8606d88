//! One pass over a text for all detectors: a gate over bytes proposes places, finders dispose.
//!
//! Knows classes of bytes and which detectors each may interest; no entity's grammar. Every detector finds forward from
//! the place where its hit begins, so the scan is a merged leftmost scan: at each place the longest hit wins, then the
//! surest; after a hit the scan goes on at its end for all. Invariants: hits are sorted and disjoint; the result is a
//! function of the text alone; time is linear, since each finder reads a bounded stretch.

use super::ask::{BY_KIND, Kinds};
use super::entity::Entity;
use super::fold::{self, Folded, Map};
use super::han;
use super::site::{Found, Last};
use super::skip::Window;
use super::view::{DIGIT, HIGH, LOWER, UPPER, View, class};
use wire::Grade;

/// A finding in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is.
    pub entity: Entity,
    /// Where it begins, in bytes of the text as given.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
    /// Certainty in percent.
    pub score: u8,
}

impl Hit {
    /// The default grade of its type.
    #[must_use]
    pub fn grade(&self) -> Grade {
        self.entity.grade()
    }
}

/// Every finding in `text`, in order and disjoint; offsets are bytes of `text`.
#[must_use]
pub fn scan(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    if fold::is_plain(text) {
        let view = View::new(text, true);
        Scan::new(&view, 0, Last::default()).run(|found| {
            hits.push(Hit {
                entity: found.entity,
                start: found.start,
                end: found.end,
                score: found.score,
            });
        });
        return hits;
    }
    let folded = fold::fold(text, 0, true);
    let view = View::new(&folded.text, true);
    Scan::new(&view, 0, Last::default()).run(|found| hits.push(raw_hit(text, &folded, found)));
    hits
}

/// A found thing in offsets of the raw text.
fn raw_hit(raw: &str, folded: &Folded, found: Found) -> Hit {
    let (start, end) = raw_span(raw, &folded.map, found.start, found.end);
    Hit {
        entity: found.entity,
        start,
        end,
        score: found.score,
    }
}

/// A stretch of folded text in offsets of the text as given.
pub(super) fn raw_span(raw: &str, map: &Map, start: usize, end: usize) -> (usize, usize) {
    let (start, mut end) = (map.start(start), map.end(end));
    // Key-cap marks belong to the digit before them.
    while let Some(c) = raw.get(end..).and_then(|rest| rest.chars().next())
        && matches!(c, '\u{fe0f}' | '\u{20e3}')
    {
        end += c.len_utf8();
    }
    (start, end)
}

/// A scan over one view.
pub(crate) struct Scan<'v, 't> {
    pub(super) view: &'v View<'t>,
    pub(super) at: usize,
    /// Nothing before may be part of a hit.
    pub(super) floor: usize,
    pub(super) last: Last,
    pub(super) kinds: &'static Kinds,
    pub(super) table: &'static han::Table,
    pub(super) places: &'static han::Pairs,
    pub(super) titles: &'static han::Pairs,
    /// What is known of the Latin text ahead.
    pub(super) window: Window,
}

/// What came of one place.
pub(super) enum Step {
    Hit(Found),
    /// Nothing begins here; go on there.
    Next(usize),
    /// What begins here hangs on text to come.
    Alive,
}

impl<'v, 't> Scan<'v, 't> {
    pub(crate) fn new(view: &'v View<'t>, from: usize, last: Last) -> Self {
        Self {
            view,
            at: from,
            floor: from,
            last,
            kinds: &BY_KIND,
            table: &han::TABLE,
            places: &han::PLACE_PAIRS,
            titles: &han::TITLE_PAIRS,
            window: Window::default(),
        }
    }

    pub(crate) fn last(&self) -> Last {
        self.last
    }

    /// Scans to the end, or to the first place that hangs on text to come: that place, else the end.
    pub(crate) fn run(&mut self, report: impl FnMut(Found)) -> usize {
        self.run_from(Self::next_place, report)
    }

    #[inline]
    pub(super) fn run_from(
        &mut self,
        mut next_place: impl FnMut(&mut Self) -> Option<(usize, u8)>,
        mut report: impl FnMut(Found),
    ) -> usize {
        while let Some((place, reasons)) = next_place(self) {
            self.at = place;
            match self.step(reasons) {
                Step::Hit(found) => {
                    debug_assert!(found.start >= self.floor && found.end > found.start);
                    report(found);
                    self.at = found.end;
                    self.floor = found.end;
                    self.last = Last {
                        end: found.end,
                        entity: Some(found.entity),
                    };
                }
                Step::Next(at) => {
                    debug_assert!(
                        !self.view.take_touched(),
                        "a place is passed that hangs on text to come"
                    );
                    self.at = at.max(place + 1);
                }
                Step::Alive => return place,
            }
        }
        self.view.len()
    }

    pub(super) fn step(&self, reasons: u8) -> Step {
        let b = self.view.bytes().get(self.at).copied().unwrap_or(0);
        self.view.take_touched();
        match class(b) {
            DIGIT => self.digits(),
            LOWER | UPPER => self.word(b),
            HIGH => self.high(b, reasons),
            _ => self.symbol(b),
        }
    }

    /// The best of what was found, or where to go on.
    pub(super) fn settle(&self, best: Option<Found>, next: usize) -> Step {
        // Marks that belong to its last character may still come.
        if best.is_some_and(|found| found.end >= self.view.len()) {
            self.view.touch();
        }
        if self.view.take_touched() {
            return Step::Alive;
        }
        match best {
            Some(found) => Step::Hit(found),
            None => Step::Next(next),
        }
    }
}
