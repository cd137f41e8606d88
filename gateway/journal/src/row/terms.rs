//! What the filters of a search compare, straight from a row's records: the index wants it of every row, and making the row
//! costs several times as much.
//!
//! Must never guess: whatever is not as the journal writes it is left to [`Row`](super::Row), which takes payloads as they come.
//! Invariant: what is told here is what the row tells (`Row::each_term`, its time and its cost), but for a term that both
//! of its records have, which may come twice.

use std::sync::LazyLock;

use wire::short::same;

use super::written::Written;
use super::{COLUMNS, NESTED, Row};
use crate::join::Settled;
use crate::record::Kind;

/// Hands over a cell's terms and says what number it is, if it is one; `None` if it is not as the journal writes it.
pub(super) type Read =
    for<'p> fn(&mut Written<'p>, &mut dyn FnMut(&'p [u8])) -> Option<Option<i64>>;

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
    pub(crate) texts: [&'r str; TEXTS.len()],
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
            ],
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
    kind: Kind,
    outer: &'static str,
    name: &'static str,
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
    Time(Read),
    /// Its fields are fields of their own.
    Outer,
    /// It tells nothing.
    Nothing,
}

/// All fields that are known, those of one kind together.
pub(crate) static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let mut fields = super::fields();
    for kind in [Kind::Opened, Kind::Closed, Kind::Denied] {
        fields.extend(NESTED.map(|name| Field::other(kind, name, What::Outer)));
    }
    // It is what the two records of the row were joined by.
    fields.push(Field::other(Kind::Closed, "opening", What::Nothing));
    fields
});

impl Field {
    pub(super) fn of_column(
        (kind, outer, name): (Kind, &'static str, &'static str),
        column: &str,
        read: Read,
    ) -> Self {
        let mut columns = COLUMNS.iter().filter(|known| known.name == column);
        let filters = columns.next().map_or(&[][..], |column| column.filters);
        let what = match column {
            "time" | "ended" => What::Time(read),
            _ => What::Cell(read),
        };
        let among = |names: &[&str]| names.iter().position(|name| *name == column);
        Self {
            kind,
            outer,
            name,
            filters,
            what,
            text: among(&TEXTS),
            number: among(&NUMBERS),
        }
    }

    fn other(kind: Kind, name: &'static str, what: What) -> Self {
        Self {
            kind,
            outer: "",
            name,
            filters: &[],
            what,
            text: None,
            number: None,
        }
    }
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
    /// Of each field, and of each kind's beginning, the field that came next last time.
    next: Vec<usize>,
}

/// Kinds of records, for their beginnings.
const KINDS: usize = 6;

impl Terms {
    pub(crate) fn new() -> Self {
        Self {
            next: vec![0; FIELDS.len() + KINDS],
        }
    }

    /// Calls `take` with a field's place in [`FIELDS`] and a text, for everything that a filter compares. `None`: make the row
    /// and ask that, whatever was taken.
    pub(crate) fn of<'p>(
        &mut self,
        settled: &'p Settled,
        take: &mut dyn FnMut(usize, &'p [u8]),
    ) -> Option<Told<'p>> {
        let mut told = Told::default();
        for record in [&settled.first, &settled.closing].into_iter().flatten() {
            if matches!(record.kind, Kind::Event | Kind::Lost) {
                return None;
            }
            let mut reading = Reading {
                fields: &FIELDS,
                next: &mut self.next,
                kind: record.kind,
                last: FIELDS.len() + record.kind as usize,
                seen: 0,
                told: &mut told,
                take,
            };
            let mut line = Written::of(&record.payload)?;
            line.object(|line, name| reading.field(line, "", name))?;
            line.is_at_end().then_some(())?;
        }
        Some(told)
    }
}

/// One record being read.
struct Reading<'r, 'p> {
    fields: &'r [Field],
    next: &'r mut [usize],
    kind: Kind,
    /// The field before.
    last: usize,
    /// A bit for each field: none may come twice.
    seen: u128,
    told: &'r mut Told<'p>,
    take: &'r mut dyn FnMut(usize, &'p [u8]),
}

impl<'p> Reading<'_, 'p> {
    fn field(&mut self, line: &mut Written<'p>, outer: &str, name: &[u8]) -> Option<()> {
        let at = self.known(outer, name)?;
        let bit = 1_u128.checked_shl(u32::try_from(at).ok()?)?;
        if self.seen & bit != 0 {
            return None;
        }
        self.seen |= bit;
        let field = self.fields.get(at)?;
        match field.what {
            What::Cell(read) => {
                let (take, mut said) = (&mut *self.take, &[][..]);
                let filtered = !field.filters.is_empty();
                let number = read(line, &mut |text| {
                    said = text;
                    if filtered {
                        take(at, text);
                    }
                })?;
                let used = &mut self.told.used;
                if let Some(text) = field.text.and_then(|at| used.texts.get_mut(at)) {
                    *text = str::from_utf8(said).ok()?;
                }
                if let Some(kept) = field.number.and_then(|at| used.numbers.get_mut(at)) {
                    *kept = number;
                }
            }
            What::Time(read) => {
                let time = read(line, &mut |_| {})?;
                self.told.time = self.told.time.or(time);
            }
            What::Outer => {
                let outer = field.name;
                line.object(|line, name| self.field(line, outer, name))?;
            }
            What::Nothing => line.whole().map(|_| ())?,
        }
        Some(())
    }

    /// Place of the field with this name, behind the one before; `None` if there is none.
    #[inline]
    fn known(&mut self, outer: &str, name: &[u8]) -> Option<usize> {
        let is = |field: &Field| {
            field.kind == self.kind
                && same(field.name.as_bytes(), name)
                && same(field.outer.as_bytes(), outer.as_bytes())
        };
        let guess = self.next.get_mut(self.last)?;
        if !self.fields.get(*guess).is_some_and(is) {
            *guess = self.fields.iter().position(is)?;
        }
        self.last = *guess;
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::join::{Kept, Place};

    /// Values as the journal writes them, and others.
    fn value() -> impl Strategy<Value = String> {
        let text = "[a-c身\u{7f}\"\\\\ ]{0,3}".prop_map(|text| serde_json::json!(text).to_string());
        prop_oneof![
            6 => text.clone(),
            6 => any::<i32>().prop_map(|number| number.to_string()),
            2 => prop::collection::vec(text.clone(), 0..3)
                .prop_map(|texts| format!("[{}]", texts.join(","))),
            2 => (text.clone(), 0..9).prop_map(|(kind, count)| {
                format!("[{{\"type\":{kind},\"count\":{count}}},{{\"more\":3}}]")
            }),
            2 => (text.clone(), text).prop_map(|(one, two)| {
                format!("[{{\"provider\":{one},\"model\":{two}}},{{\"provider\":\"x\"}}]")
            }),
            2 => prop::sample::select(vec![
                "null", "true", "-0", "1e3", "1.0", "{}", "[7]", "[{\"type\":7}]", "[[\"x\",1]]",
                "18446744073709551615", "-7", "9223372036854775807", "\"\\u0041\"", "{\"prompt\":1}", "{\"prompt\":\"x\"}", "{\"other\":1}",
            ]).prop_map(str::to_owned),
        ]
    }

    fn payload(kind: Kind) -> impl Strategy<Value = Box<[u8]>> {
        let mut names: Vec<&str> = FIELDS
            .iter()
            .filter(|field| field.kind == kind && field.outer.is_empty())
            .map(|field| field.name)
            .collect();
        names.push("unknown");
        prop::collection::btree_map(prop::sample::select(names), value(), 0..6).prop_map(|fields| {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            format!("{{{}}}", fields.join(",")).into_bytes().into()
        })
    }

    fn kept(kind: Kind, payload: Box<[u8]>) -> Kept {
        let place = Place {
            number: 1,
            shard: 0,
            offset: 64,
        };
        Kept {
            kind,
            epoch: 1,
            place,
            payload,
        }
    }

    fn told(settled: &Settled) -> Option<(BTreeSet<(&'static str, String)>, Told<'_>)> {
        let (mut terms, mut found) = (Terms::new(), BTreeSet::new());
        let told = terms.of(settled, &mut |field, text| {
            let filters = FIELDS[field].filters.iter();
            let text = String::from_utf8(text.to_vec()).unwrap();
            found.extend(filters.map(|filter| (*filter, text.clone())));
        })?;
        Some((found, told))
    }

    fn by_row(row: &Row) -> (BTreeSet<(&'static str, String)>, Told<'_>) {
        let mut found = BTreeSet::new();
        Row {
            kind: String::new(),
            index: None,
            ..row.clone()
        }
        .each_term(|filter, text| {
            found.insert((filter, text.to_owned()));
        });
        (found, Told::of(row))
    }

    proptest! {
        #[test]
        fn the_row_says_the_same(
            kind in prop::sample::select(vec![Kind::Opened, Kind::Denied]),
            opened in payload(Kind::Opened),
            denied in payload(Kind::Denied),
            closed in payload(Kind::Closed),
        ) {
            let first = kept(kind, if kind == Kind::Opened { opened } else { denied });
            let settled = |first: Option<Kept>, closing: Option<Kept>| Settled {
                index: 3,
                settled: 9,
                first,
                closing,
            };
            for settled in [
                settled(Some(first.clone()), None),
                settled(None, Some(kept(Kind::Closed, closed))),
            ] {
                if let Some(straight) = told(&settled) {
                    let row = settled.row();
                    prop_assert_eq!(straight, by_row(&row));
                }
            }
        }
    }

    #[test]
    fn what_the_journal_writes_is_told_without_its_row() {
        let opened = br#"{"at":5,"mono":1,"id":"r","key":"k","asked":"m","stream":true,"policies":["p"],"findings":[{"type":"T","count":2}],"request_bytes":7,"targets":1}"#;
        let closed = br#"{"at":9,"mono":2,"opening":3,"id":"r","outcome":"completed","status":200,"provider":"b","attempts":[{"provider":"a","fault":"connect"},{"provider":"b"}],"tokens":{"prompt":1,"completion":2,"estimated":false},"cost_nano":12,"total_ms":4}"#;
        let settled = Settled {
            index: 3,
            settled: 9,
            first: Some(kept(Kind::Opened, Box::from(&opened[..]))),
            closing: Some(kept(Kind::Closed, Box::from(&closed[..]))),
        };
        let straight = told(&settled).unwrap();
        let row = settled.row();
        assert_eq!(straight, by_row(&row));
        let used = straight.1.used;
        assert_eq!(straight.1.time, Some(5));
        assert_eq!(
            used.texts,
            ["k", "", "", "m", "", "", "b", "", "", "", "completed"]
        );
        let mut numbers = [None; NUMBERS.len()];
        numbers[0] = Some(1);
        numbers[3] = Some(2);
        numbers[7] = Some(12);
        numbers[10] = Some(0);
        assert_eq!(used.numbers, numbers);
        assert!(straight.0.contains(&("provider", "a".to_owned())));
        let kept_body = br#"{"at":5,"request_body":{"form":"sealed"}}"#;
        let with_body = Settled {
            first: Some(kept(Kind::Opened, Box::from(&kept_body[..]))),
            ..settled
        };
        assert!(told(&with_body).is_none(), "its texts are to be read");
    }

    #[test]
    fn every_field_has_its_bit() {
        assert!(FIELDS.len() <= 128);
    }

    #[test]
    fn only_cells_of_the_payload_itself_are_looked_at_by_filters() {
        for field in FIELDS.iter() {
            assert!(
                field.outer.is_empty() || field.filters.is_empty(),
                "{}",
                field.name
            );
        }
    }
}
