//! Joins what a request's records say into one row, while reading the log in the order of its indices.
//!
//! A request's row comes with its closing; until then its opening is kept here. An opening that got no closing although a
//! later epoch began (its closing was lost or damaged) comes then, without an outcome. A closing whose opening is gone
//! (retention, damage) comes as a row of what it says itself.
//!
//! Must never know where records come from. Invariants: rows come in the order of `settled`, then `index`; every opening,
//! denial, event and `lost` record gives exactly one row; at most `OPEN_MAX` openings are kept.

use std::collections::VecDeque;

use serde::Deserialize;

use super::record::Kind;
use super::row::Row;
use super::row::written::Written;

/// Openings kept at once; the journal's reserve bounds them far below. Beyond it the oldest comes as a row without outcome.
const OPEN_MAX: usize = 1 << 20;
/// Gaps that are left alone, however few openings there are.
const GAPS_MIN: usize = 64;
/// Openings without a closing that one record of a later epoch may bring; the rest comes with the records behind it.
const UNCLOSED_MAX: usize = 1024;
/// Most rows that one record gives.
pub const ROWS_A_RECORD_MAX: usize = UNCLOSED_MAX + 2;

/// Where a record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of its segment.
    pub number: u64,
    /// Shard of its segment.
    pub shard: u32,
    /// Offset in the file.
    pub offset: u64,
}

/// A record as it is handed to the join.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Place in the order of the whole journal.
    pub index: u64,
    /// What it says.
    pub kind: Kind,
    /// Epoch of its segment.
    pub epoch: u32,
    /// Where it stands.
    pub place: Place,
    /// One JSON object.
    pub payload: &'a [u8],
}

/// A row that is complete: its records, of which [`Settled::row`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Its place in the log: that of its first record.
    pub index: u64,
    /// Where it was complete.
    pub settled: u64,
    /// The opening, or the only record; `None` if the opening is gone.
    pub first: Option<Kept>,
    /// The closing.
    pub closing: Option<Kept>,
}

/// A record as the join keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it says.
    pub kind: Kind,
    /// Epoch of its segment.
    pub epoch: u32,
    /// Where it stands.
    pub place: Place,
    /// One JSON object.
    pub payload: Box<[u8]>,
}

impl Settled {
    /// What kind of row it is.
    pub(crate) fn kind(&self) -> &'static str {
        kind(self.first.as_ref().map(|first| first.kind))
    }

    /// What the log says.
    pub fn row(&self) -> Row {
        let first = self.first.as_ref().map(|first| First {
            kind: first.kind,
            epoch: first.epoch,
            payload: &first.payload,
        });
        let closing = self.closing.as_ref().map(|closing| &*closing.payload);
        row(self.index, self.settled, first, closing)
    }
}

/// The requests that are open at some index.
#[derive(Debug, Default)]
pub struct Join {
    /// Openings that wait for their closing.
    open: Open,
}

/// Openings by index. Nearly all come at the end and go near the beginning, so a row of them does it.
#[derive(Debug, Default)]
struct Open {
    /// By index. What went leaves a gap; the first is none, and they are not many more than the rest.
    all: VecDeque<(u64, Option<Kept>)>,
    /// How many there are without the gaps.
    count: usize,
}

impl Join {
    /// Takes the next record; rows that it completes go to `out`.
    pub fn push(&mut self, record: &Input<'_>, out: &mut Vec<Settled>) {
        match record.kind {
            Kind::Opened => {
                self.begin_epoch(record, out);
                if self.open.count >= OPEN_MAX
                    && let Some((index, opened)) = self.open.pop_first()
                {
                    out.push(unclosed(opened, index, record.index));
                }
                self.open.insert(record.index, Kept::of(record));
            }
            Kind::Closed => out.push(self.close(record)),
            Kind::Denied | Kind::Event => {
                self.begin_epoch(record, out);
                out.push(alone(record));
            }
            Kind::Lost => out.push(alone(record)),
        }
    }

    /// Index and place of every opening that waits, in order: enough to restore this join after a restart.
    pub fn open(&self) -> impl Iterator<Item = (u64, Place)> {
        self.open
            .iter()
            .map(|(index, opened)| (index, opened.place))
    }

    /// The openings that wait, as rows without an end.
    pub(crate) fn open_rows(&self) -> Vec<Row> {
        let row = |(index, opened): (u64, &Kept)| {
            let first = First {
                kind: Kind::Opened,
                epoch: opened.epoch,
                payload: &opened.payload,
            };
            row(index, index, Some(first), None)
        };
        self.open.iter().map(row).collect()
    }

    /// The smallest index that waits for its closing. A reader without a place to keep `open` begins here after a restart,
    /// and skips the rows that it had.
    pub fn oldest_open(&self) -> Option<u64> {
        self.open.iter().next().map(|(index, _)| index)
    }

    /// Takes back an opening that `open` named, before the first record is pushed.
    pub fn restore(&mut self, record: &Input<'_>) {
        self.open.insert(record.index, Kept::of(record));
    }

    /// Openings that got no closing although a new epoch began. Recovery writes closings and what was lost first, so
    /// any other record of the new epoch says that there are no more.
    fn begin_epoch(&mut self, record: &Input<'_>, out: &mut Vec<Settled>) {
        let earlier = |open: &Open| {
            let first = open.iter().next();
            first.is_some_and(|(_, opened)| opened.epoch < record.epoch)
        };
        // Epochs grow with the index, so what is open from an earlier one comes first.
        for _ in 0..UNCLOSED_MAX {
            if !earlier(&self.open) {
                break;
            }
            if let Some((index, opened)) = self.open.pop_first() {
                out.push(unclosed(opened, index, record.index));
            }
        }
    }

    fn close(&mut self, closing: &Input<'_>) -> Settled {
        let names = names(closing.payload);
        Settled {
            index: names.unwrap_or(closing.index),
            settled: closing.index,
            first: names.and_then(|index| self.open.remove(index)),
            closing: Some(Kept::of(closing)),
        }
    }
}

impl Open {
    fn insert(&mut self, index: u64, opened: Kept) {
        let behind = self.all.back().is_none_or(|(last, _)| *last < index);
        let place = if behind {
            Err(self.all.len())
        } else {
            self.place(index)
        };
        self.count += 1;
        match place.map(|at| self.all.get_mut(at)) {
            Ok(Some((_, there))) => {
                let gone = there.replace(opened);
                self.count -= usize::from(gone.is_some());
            }
            Ok(None) => {}
            Err(at) => self.all.insert(at, (index, Some(opened))),
        }
    }

    fn remove(&mut self, index: u64) -> Option<Kept> {
        let at = self.place(index).ok()?;
        let opened = self.all.get_mut(at)?.1.take()?;
        self.count -= 1;
        while let Some((_, None)) = self.all.front() {
            self.all.pop_front();
        }
        // One that waits for hours must not keep the gaps of all that came after it.
        if self.all.len() > 2 * self.count + GAPS_MIN {
            self.all.retain(|(_, opened)| opened.is_some());
        }
        Some(opened)
    }

    fn pop_first(&mut self) -> Option<(u64, Kept)> {
        let (index, _) = self.iter().next()?;
        Some((index, self.remove(index)?))
    }

    fn iter(&self) -> impl Iterator<Item = (u64, &Kept)> {
        let all = self.all.iter();
        all.filter_map(|(index, opened)| Some((*index, opened.as_ref()?)))
    }

    /// Where this index is, or would be.
    fn place(&self, index: u64) -> Result<usize, usize> {
        self.all.binary_search_by_key(&index, |(index, _)| *index)
    }
}

/// The opening that a closing names.
fn names(payload: &[u8]) -> Option<u64> {
    // As the journal writes it, it need not be read to its end.
    let mut line = Written::beginning(payload);
    let mut number = |name: &[u8]| line.word(name).then(|| line.whole())??;
    let written = number(b"{\"at\":")
        .and_then(|_| number(b",\"mono\":"))
        .and_then(|_| number(b",\"opening\":"));
    if let Some((opening, _)) = written
        && (line.word(b",") || line.word(b"}"))
    {
        return u64::try_from(opening).ok();
    }
    #[derive(Deserialize)]
    struct Closes {
        opening: u64,
    }
    let closes: Option<Closes> = serde_json::from_slice(payload).ok();
    closes.map(|closes| closes.opening)
}

/// The first record of a row, which may be its only one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct First<'a> {
    pub(crate) kind: Kind,
    pub(crate) epoch: u32,
    pub(crate) payload: &'a [u8],
}

/// The kind of row that begins with a record of `first`.
fn kind(first: Option<Kind>) -> &'static str {
    match first {
        Some(Kind::Denied) => "denial",
        Some(Kind::Event) => "event",
        Some(Kind::Lost) => "lost",
        Some(Kind::Opened | Kind::Closed) | None => "request",
    }
}

/// The row that records make.
pub(crate) fn row(
    index: u64,
    settled: u64,
    first: Option<First<'_>>,
    closing: Option<&[u8]>,
) -> Row {
    let mut row = Row {
        index: number(index),
        settled: number(settled),
        kind: kind(first.map(|first| first.kind)).to_owned(),
        epoch: first.map(|first| first.epoch.into()),
        ..Row::default()
    };
    if let Some(first) = first {
        row.read(first.kind, first.payload);
    }
    if let Some(payload) = closing {
        row.read(Kind::Closed, payload);
    }
    row
}

impl Kept {
    fn of(record: &Input<'_>) -> Self {
        Self {
            kind: record.kind,
            epoch: record.epoch,
            place: record.place,
            payload: record.payload.into(),
        }
    }
}

/// An opening without its closing, which stands where that became known.
fn unclosed(opened: Kept, index: u64, settled: u64) -> Settled {
    Settled {
        index,
        settled,
        first: Some(opened),
        closing: None,
    }
}

/// A record that stands for itself.
fn alone(record: &Input<'_>) -> Settled {
    Settled {
        index: record.index,
        settled: record.index,
        first: Some(Kept::of(record)),
        closing: None,
    }
}

/// Indices stay far below 2^63.
fn number(index: u64) -> Option<i64> {
    i64::try_from(index).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Rows as `index settled kind outcome` after records given as `index kind epoch payload`.
    fn joined(records: &[(u64, Kind, u32, &str)]) -> (Vec<String>, Join) {
        let (mut join, mut out) = (Join::default(), Vec::new());
        for (index, kind, epoch, payload) in records {
            join.push(
                &Input {
                    index: *index,
                    kind: *kind,
                    epoch: *epoch,
                    place: Place {
                        number: 1,
                        shard: 0,
                        offset: *index,
                    },
                    payload: payload.as_bytes(),
                },
                &mut out,
            );
        }
        let shown = out
            .iter()
            .map(|settled| {
                let row = &settled.row();
                let place =
                    |kept: &Option<Kept>| kept.as_ref().map_or(-1, |kept| kept.place.offset as i64);
                format!(
                    "{} {} {} {} {} {}",
                    row.index.unwrap(),
                    row.settled.unwrap(),
                    row.kind,
                    row.outcome,
                    place(&settled.first),
                    place(&settled.closing)
                )
            })
            .collect();
        (shown, join)
    }

    #[test]
    fn rows_come_when_they_are_complete() {
        use Kind::{Closed, Denied, Event, Lost, Opened};
        let (rows, join) = joined(&[
            (0, Event, 1, "{}"),
            (1, Opened, 1, r#"{"id":"a"}"#),
            (2, Opened, 1, r#"{"id":"b"}"#),
            (3, Denied, 1, "{}"),
            (
                4,
                Closed,
                1,
                r#"{"opening":2,"id":"b","outcome":"completed"}"#,
            ),
            (5, Opened, 1, r#"{"id":"c"}"#),
            // Its opening was removed by retention.
            (
                6,
                Closed,
                1,
                r#"{"opening":-1,"id":"x","outcome":"refused"}"#,
            ),
            // Recovery: one of two openings got its closing.
            (
                7,
                Closed,
                2,
                r#"{"opening":1,"id":"a","outcome":"crashed"}"#,
            ),
            (8, Lost, 2, "{}"),
            (9, Event, 2, "{}"),
            (10, Opened, 2, "{}"),
        ]);
        assert_eq!(
            rows,
            [
                "0 0 event  0 -1",
                "3 3 denial  3 -1",
                "2 4 request completed 2 4",
                "6 6 request refused -1 6",
                "1 7 request crashed 1 7",
                "8 8 lost  8 -1",
                "5 9 request  5 -1",
                "9 9 event  9 -1",
            ]
        );
        assert_eq!(join.oldest_open(), Some(10));
        assert_eq!(join.open().count(), 1);
    }

    proptest! {
        #[test]
        fn openings_are_kept_as_by_a_map(steps in prop::collection::vec((0..4u8, 0..60u64), 0..400)) {
            let (mut open, mut map) = (Open::default(), BTreeMap::new());
            for (at, (what, index)) in steps.into_iter().enumerate() {
                let opened = |index: u64| Kept {
                    kind: Kind::Opened,
                    epoch: at as u32,
                    place: Place { number: 1, shard: 0, offset: index },
                    payload: Box::default(),
                };
                match what {
                    0 => {
                        let next = at as u64 + 60;
                        open.insert(next, opened(next));
                        map.insert(next, opened(next));
                    }
                    1 => {
                        open.insert(index, opened(index));
                        map.insert(index, opened(index));
                    }
                    2 => prop_assert_eq!(open.remove(index * 7), map.remove(&(index * 7))),
                    _ => prop_assert_eq!(open.pop_first(), map.pop_first()),
                }
                prop_assert_eq!(open.count, map.len());
                prop_assert!(open.all.len() <= 2 * open.count + GAPS_MIN);
                let kept: Vec<_> = open.iter().collect();
                prop_assert_eq!(kept, map.iter().map(|(index, opened)| (*index, opened)).collect::<Vec<_>>());
            }
        }
    }
}
