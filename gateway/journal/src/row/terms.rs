//! What the filters of a search compare, straight from a row's records: the index wants it of every row, and making the row
//! costs several times as much.
//!
//! Must never guess: whatever is not as the journal writes it is left to [`Row`](super::Row), which takes payloads as they come.
//! Invariant: what is told here is what the row tells (`Row::each_term`, its time and its cost), but for a term that both
//! of its records have, which may come twice.

use std::sync::LazyLock;

use super::cell::Read;
use super::written::Written;
use super::{COLUMNS, NESTED, Row};
use crate::join::Settled;
use crate::record::Kind;

/// The columns that sums of usage are made of.
const TEXTS: [&str; 11] = [
    "key",
    "team",
    "user",
    "asked",
    "first_provider",
    "first_model",
    "provider",
    "model",
    "currency",
    "code",
    "outcome",
];
const NUMBERS: [&str; 11] = [
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "images",
    "audio_ms",
    "cost_nano",
    "reserved_tokens",
    "reserved_nano",
    "tokens_estimated",
];

/// The values of these columns, in the order of their lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used<'r> {
    pub(crate) texts: [&'r [u8]; TEXTS.len()],
    pub(crate) numbers: [Option<i64>; NUMBERS.len()],
}

impl<'r> Used<'r> {
    /// Cost in billionths of a unit.
    pub(crate) fn cost(&self) -> Option<i64> {
        let [.., cost, _, _, _] = self.numbers;
        cost
    }

    pub(crate) fn of(row: &'r Row) -> Self {
        Self {
            texts: [
                &row.key,
                &row.team,
                &row.user,
                &row.asked,
                &row.first_provider,
                &row.first_model,
                &row.provider,
                &row.model,
                &row.currency,
                &row.code,
                &row.outcome,
            ]
            .map(String::as_bytes),
            numbers: [
                row.prompt_tokens,
                row.cached_tokens,
                row.cache_write_tokens,
                row.completion_tokens,
                row.reasoning_tokens,
                row.images,
                row.audio_ms,
                row.cost_nano,
                row.reserved_tokens,
                row.reserved_nano,
                row.tokens_estimated.map(i64::from),
            ],
        }
    }
}

/// A field of a payload and what becomes of it.
pub(crate) struct Field {
    of: Object,
    /// Its name as it is written, with quotes and colon.
    name: String,
    /// The filters that look at it.
    pub(crate) filters: &'static [&'static str],
    what: What,
    /// Where its text, or its number, stands in [`Used`].
    text: Option<usize>,
    number: Option<usize>,
}

/// What a field is.
enum What {
    Cell(Read),
    Time,
    /// Its fields are fields of their own, those of this object.
    Outer(Object),
    /// It tells nothing.
    Nothing,
}

/// All fields that are known, those of one kind together.
pub(crate) static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let mut fields = super::fields();
    for kind in [Kind::Opened, Kind::Closed, Kind::Denied] {
        let outer = |name| Field::other(kind, name, What::Outer(Object::of(kind, name)));
        fields.extend(NESTED.map(outer));
    }
    // It is what the two records of the row were joined by.
    fields.push(Field::other(Kind::Closed, "opening", What::Nothing));
    fields
});

/// An object that has fields: a payload of some kind, or one in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Object(usize);

impl Object {
    /// The payload itself has no `outer` name.
    fn of(kind: Kind, outer: &str) -> Self {
        let nested = NESTED.iter().position(|name| *name == outer);
        Self(kind as usize * (NESTED.len() + 1) + nested.map_or(0, |at| at + 1))
    }
}

impl Field {
    pub(super) fn of_column(
        (kind, outer, name): (Kind, &'static str, &'static str),
        column: &str,
        read: Read,
    ) -> Self {
        let mut columns = COLUMNS.iter().filter(|known| known.name == column);
        let filters = columns.next().map_or(&[][..], |column| column.filters);
        let what = match column {
            "time" | "ended" => What::Time,
            _ => What::Cell(read),
        };
        let among = |names: &[&str]| names.iter().position(|name| *name == column);
        Self {
            of: Object::of(kind, outer),
            name: written(name),
            filters,
            what,
            text: among(&TEXTS),
            number: among(&NUMBERS),
        }
    }

    /// Takes its name if that comes next, in this object.
    #[inline]
    fn is_next(&self, object: Object, line: &mut Written<'_>) -> bool {
        self.of == object && line.word(self.name.as_bytes())
    }

    fn other(kind: Kind, name: &'static str, what: What) -> Self {
        Self {
            of: Object::of(kind, ""),
            name: written(name),
            filters: &[],
            what,
            text: None,
            number: None,
        }
    }
}

fn written(name: &str) -> String {
    format!("\"{name}\":")
}

/// What is told of a row beside its terms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told<'p> {
    /// When it began; if that is not known, when it ended.
    pub(crate) time: Option<i64>,
    /// What it used.
    pub(crate) used: Used<'p>,
}

impl<'p> Told<'p> {
    pub(crate) fn of(row: &'p Row) -> Self {
        Self {
            time: row.time.0.or(row.ended.0),
            used: Used::of(row),
        }
    }
}

/// Reads the terms of rows. Remembers in which order fields came: the next record has nearly always the same.
#[derive(Debug)]
pub(crate) struct Terms {
    /// Of each field, and of each kind's beginning, the fields that came next the last times, if they differed.
    next: Vec<[usize; 2]>,
}

/// More than there are fields.
const FIELDS_MAX: usize = 128;
/// Kinds of records, for their beginnings.
const KINDS: usize = 6;

impl Terms {
    pub(crate) fn new() -> Self {
        Self {
            next: vec![[0; 2]; FIELDS.len() + KINDS],
        }
    }

    /// Calls `take` with a field's place in [`FIELDS`] and a text, for everything that a filter compares, and fills `told`, which
    /// is empty. `None`: make the row and ask that, whatever was taken and told.
    pub(crate) fn of<'p>(
        &mut self,
        settled: &'p Settled,
        told: &mut Told<'p>,
        take: &mut impl FnMut(usize, &'p [u8]),
    ) -> Option<()> {
        for record in [&settled.first, &settled.closing].into_iter().flatten() {
            if matches!(record.kind, Kind::Event | Kind::Lost) {
                return None;
            }
            let mut reading = Reading {
                fields: &FIELDS,
                next: &mut self.next,
                last: FIELDS.len() + record.kind as usize,
                seen: [false; FIELDS_MAX],
                told,
                take,
            };
            let mut line = Written::of(&record.payload)?;
            reading.payload(&mut line, Object::of(record.kind, ""))?;
            line.is_at_end().then_some(())?;
        }
        Some(())
    }
}

/// One record being read.
struct Reading<'r, 'p, F> {
    fields: &'r [Field],
    next: &'r mut [[usize; 2]],
    /// The field before.
    last: usize,
    /// Of each field whether it came: none may come twice.
    seen: [bool; FIELDS_MAX],
    told: &'r mut Told<'p>,
    take: &'r mut F,
}

impl<'r, 'p, F: FnMut(usize, &'p [u8])> Reading<'r, 'p, F> {
    /// All of a payload. One loop for the payload and the objects in it: what is called from one place is no call.
    fn payload(&mut self, line: &mut Written<'p>, payload: Object) -> Option<()> {
        let mut object = payload;
        let mut goes_on = line.begins_object()?;
        loop {
            while !goes_on {
                if object == payload {
                    return Some(());
                }
                object = payload;
                goes_on = line.goes_on()?;
            }
            let (at, field) = self.known(line, object)?;
            if let What::Outer(inner) = field.what {
                object = inner;
                goes_on = line.begins_object()?;
            } else {
                self.value(line, at, field)?;
                goes_on = line.goes_on()?;
            }
        }
    }

    #[inline]
    fn value(&mut self, line: &mut Written<'p>, at: usize, field: &Field) -> Option<()> {
        match field.what {
            What::Cell(Read::Text) => {
                let text = line.text()?;
                if !text.is_empty() && !field.filters.is_empty() {
                    (self.take)(at, text);
                }
                if let Some(kept) = field.text.and_then(|at| self.told.used.texts.get_mut(at)) {
                    *kept = text;
                }
            }
            What::Cell(Read::Whole) => {
                let whole = line.whole()?;
                if let Some((_, digits)) = whole
                    && !field.filters.is_empty()
                {
                    (self.take)(at, digits);
                }
                self.keep(field, whole.map(|(number, _)| number));
            }
            What::Cell(Read::Other(read)) => {
                let take = &mut *self.take;
                let number = read(line, &mut |text| {
                    if !field.filters.is_empty() {
                        take(at, text);
                    }
                })?;
                self.keep(field, number);
            }
            What::Time => {
                let time = line.whole()?.map(|(number, _)| number);
                self.told.time = self.told.time.or(time);
            }
            What::Nothing => line.whole().map(|_| ())?,
            // Nothing is nested deeper.
            What::Outer(_) => return None,
        }
        Some(())
    }

    fn keep(&mut self, field: &Field, number: Option<i64>) {
        let numbers = &mut self.told.used.numbers;
        if let Some(kept) = field.number.and_then(|at| numbers.get_mut(at)) {
            *kept = number;
        }
    }

    /// The field of an object whose name comes next, and its place; `None` if there is none, or if it came before.
    #[inline]
    fn known(&mut self, line: &mut Written<'p>, object: Object) -> Option<(usize, &'r Field)> {
        let [latest, _] = *self.next.get(self.last)?;
        let (at, field) = match self.fields.get(latest) {
            Some(field) if field.is_next(object, line) => (latest, field),
            _ => self.look_up(line, object)?,
        };
        self.last = at;
        let came_before = std::mem::replace(self.seen.get_mut(at)?, true);
        (!came_before).then_some((at, field))
    }

    /// The same where another field than last time comes behind the one before.
    #[inline(never)]
    fn look_up(&mut self, line: &mut Written<'p>, object: Object) -> Option<(usize, &'r Field)> {
        let guesses = self.next.get_mut(self.last)?;
        let [latest, other] = *guesses;
        if let Some(field) = self.fields.get(other)
            && field.is_next(object, line)
        {
            return Some((other, field));
        }
        let mut fields = self.fields.iter();
        let at = fields.position(|field| field.is_next(object, line))?;
        *guesses = [at, latest];
        Some((at, self.fields.get(at)?))
    }
}

#[cfg(test)]
mod tests;
