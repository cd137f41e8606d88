//! One lane of a reply under watch: what of its text is not decided yet, and what takes a finding's place there.
//!
//! Offsets count from the lane's beginning, in decoded text. Invariants: what is decided is not kept; what stands in a
//! finding's place is escaped as deep as its lane is nested.

use std::ops::Range;

use bytes::Bytes;
use policies::nested::{Cursor, INNER_QUOTE, Nesting, number_around, written};
use policies::policy::Policy;
use policies::redact::{Labels, Method};
use policies::restore::Restoring;
use policies::scan::{Finding, Sort, Stream};
use smallvec::SmallVec;
use wire::facts::Nested;
use wire::hold::Lane;
use wire::json;

/// One lane under watch.
pub(super) struct Watched {
    pub(super) lane: Lane,
    pub(super) nested: Nested,
    pub(super) scan: Option<Stream>,
    pub(super) restoring: Option<Restoring>,
    /// Where in the lane its scan began.
    pub(super) base: u64,
    /// Up to where all is decided.
    pub(super) from: u64,
    /// The text behind.
    pub(super) open: String,
    /// Spans that were put back and may still be reported as found.
    pub(super) back: SmallVec<[Range<u64>; 2]>,
    /// Where `from` lies in a nested JSON text, and how far behind it one has looked.
    pub(super) inside: Nesting,
    pub(super) cursor: Cursor,
    /// Items of its choice that came since its last text.
    pub(super) silent: u32,
    /// What was found and may still overlap with something that is put back.
    pub(super) waiting: Vec<Finding>,
    pub(super) ended: bool,
}

impl Watched {
    /// From the lane's beginning: looked through if it `reads`, put back into if it `restores`.
    pub(super) fn new(lane: Lane, nested: Nested, reads: bool, restores: bool) -> Self {
        Self {
            lane,
            nested,
            scan: reads.then(Stream::new),
            restoring: restores.then(Restoring::default),
            base: 0,
            from: 0,
            open: String::new(),
            back: SmallVec::new(),
            inside: Nesting::default(),
            cursor: Cursor::default(),
            silent: 0,
            waiting: Vec::new(),
            ended: false,
        }
    }

    /// Everything before `upto` is decided.
    pub(super) fn settle(&mut self, upto: u64) {
        let gone = usize::try_from(upto.saturating_sub(self.from)).unwrap_or(usize::MAX);
        let gone = gone.min(self.open.len());
        if self.nested != Nested::No {
            self.inside = self.inside.over(self.open.get(..gone).unwrap_or_default());
            self.cursor = Cursor::new(self.inside);
        }
        self.open.drain(..gone);
        self.from += gone as u64;
        self.back.retain(|back| back.end > upto);
    }

    /// The parts of a span that are not put back.
    pub(super) fn without_back(&self, span: &Range<u64>) -> SmallVec<[Range<u64>; 1]> {
        let mut parts = SmallVec::new();
        let mut at = span.start;
        // In order: labels are found from the front.
        let first = self.back.partition_point(|back| back.end <= span.start);
        let backs = self.back.iter().skip(first);
        for back in backs.take_while(|back| back.start < span.end) {
            if back.start > at {
                parts.push(at..back.start);
            }
            at = back.end;
        }
        if at < span.end {
            parts.push(at..span.end);
        }
        parts
    }

    /// A span's place in the undecided text.
    pub(super) fn place(&self, span: &Range<u64>) -> Option<Range<usize>> {
        let from = usize::try_from(span.start.checked_sub(self.from)?).ok()?;
        let to = usize::try_from(span.end.checked_sub(self.from)?).ok()?;
        Some(from..to)
    }
}

/// A replacement in a lane.
pub(super) type Swap = (Lane, Range<u64>, Bytes);

/// What stands in a finding's place, escaped: the label where it begins, nothing in the rest of it. `None`: some of it is
/// not there any more.
pub(super) fn swaps(
    policy: &Policy,
    labels: &mut Labels,
    watched: &mut Watched,
    sort: Sort,
    parts: &[Range<u64>],
    method: Method,
) -> Option<SmallVec<[Swap; 1]>> {
    let mut value = String::new();
    let mut stretches: SmallVec<[(Range<u64>, bool); 1]> = SmallVec::new();
    for part in parts {
        let place = watched.place(part)?;
        let text = watched.open.get(place.clone())?;
        if watched.nested == Nested::No {
            value.push_str(text);
            stretches.push((part.clone(), false));
            continue;
        }
        let here = watched
            .cursor
            .to(&watched.open, place.start, watched.inside);
        for stretch in here.stretches(text) {
            value.push_str(&json::unescape(text.get(stretch.at.clone())?));
            let mut at = place.start + stretch.at.start..place.start + stretch.at.end;
            if stretch.bare {
                at = number_around(&watched.open, at);
            }
            let span = watched.from + at.start as u64..watched.from + at.end as u64;
            stretches.push((span, stretch.bare));
        }
    }
    let name = policy.name(sort);
    let sort = (sort, name);
    let label = labels.replacement(&policy.pepper, sort, &value, method, |_| false, None);
    let quote = match watched.nested {
        Nested::Bare => "\"",
        Nested::Text | Nested::No => INNER_QUOTE,
    };
    let swap = |(nth, (span, bare)): (usize, (Range<u64>, bool))| {
        let with = written(&label, nth == 0, bare.then_some(quote));
        (watched.lane, span, with.into())
    };
    Some(stretches.into_iter().enumerate().map(swap).collect())
}

/// Escapes a value for the string it is put into.
pub(super) fn escaped(value: &str, nested: Nested) -> Bytes {
    let mut out = Vec::with_capacity(value.len() + 8);
    json::escape(value, &mut out);
    if nested == Nested::Text {
        let once = String::from_utf8(std::mem::take(&mut out)).unwrap_or_default();
        json::escape(&once, &mut out);
    }
    out.into()
}
