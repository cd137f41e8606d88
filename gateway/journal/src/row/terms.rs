//! What the filters of a search compare, straight from a row's records: the index wants it of every row, and making the row
//! costs several times as much.
//!
//! Must never guess: whatever is not as the journal writes it is left to [`Row`](super::Row), which takes payloads as they come.
//! Invariant: what is told here is what the row tells (`Row::each_term`, its time and its cost), but for a term that both
//! of its records have, which may come twice.

use std::sync::LazyLock;

use wire::json::{self, Tape, Type, Value};

use super::{COLUMNS, NESTED};
use crate::join::{Kept, Settled};
use crate::record::Kind;

/// Hands over a cell's terms and says what number it is; `None` if it is not as the journal writes it.
pub(super) type Read = fn(Value<'_>, &mut dyn FnMut(&str)) -> Option<Number>;

/// The number that a cell is, if it is one.
pub(super) type Number = Option<i64>;

/// A field of a payload and what becomes of it.
pub(crate) struct Field {
    kind: Kind,
    outer: &'static str,
    name: &'static str,
    /// The filters that look at it.
    pub(crate) filters: &'static [&'static str],
    what: What,
}

/// What a field is.
enum What {
    Cell(Read),
    Time(Read),
    Cost(Read),
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
            "cost_nano" => What::Cost(read),
            _ => What::Cell(read),
        };
        Self {
            kind,
            outer,
            name,
            filters,
            what,
        }
    }

    fn other(kind: Kind, name: &'static str, what: What) -> Self {
        Self {
            kind,
            outer: "",
            name,
            filters: &[],
            what,
        }
    }
}

/// What is told of a row beside its terms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// When it began; if that is not known, when it ended.
    pub(crate) time: Option<i64>,
    /// Its cost in billionths.
    pub(crate) cost: Option<i64>,
}

/// Reads the terms of rows. Remembers in which order fields came: the next record has nearly always the same.
#[derive(Debug)]
pub(crate) struct Terms {
    tape: Tape,
    /// Of each field, and at the end of each kind's beginning, the field that came next last time.
    next: Vec<usize>,
}

/// Kinds of records, for their beginnings.
const KINDS: usize = 6;

impl Terms {
    pub(crate) fn new() -> Self {
        Self {
            tape: Tape::default(),
            next: vec![0; FIELDS.len() + KINDS],
        }
    }

    /// Calls `take` with a field's place in [`FIELDS`] and a text, for everything that a filter compares. `None`: make the row
    /// and ask that, whatever was taken.
    pub(crate) fn of(
        &mut self,
        settled: &Settled,
        take: &mut dyn FnMut(usize, &str),
    ) -> Option<Told> {
        let mut told = Told::default();
        for record in [&settled.first, &settled.closing].into_iter().flatten() {
            self.read(record, &mut told, take)?;
        }
        Some(told)
    }

    fn read(
        &mut self,
        record: &Kept,
        told: &mut Told,
        take: &mut dyn FnMut(usize, &str),
    ) -> Option<()> {
        if matches!(record.kind, Kind::Event | Kind::Lost) {
            return None;
        }
        json::scan::scan_into(&record.payload, &json::Limits::default(), &mut self.tape).ok()?;
        let root = Value::root(&self.tape, &record.payload)?;
        if root.kind() != Type::Object {
            return None;
        }
        let mut last = FIELDS.len() + record.kind as usize;
        let mut outer = ("", 0);
        let mut members = root.members();
        let mut inner = None;
        loop {
            let (key, value) = match inner.as_mut().and_then(Iterator::next) {
                Some(member) => member,
                None => {
                    (inner, outer) = (None, ("", 0));
                    match members.next() {
                        Some(member) => member,
                        None => return Some(()),
                    }
                }
            };
            let at = known(&mut self.next, last, record.kind, outer.0, key)?;
            last = at;
            let field = FIELDS.get(at)?;
            match field.what {
                What::Cell(read) => {
                    read(value, &mut |text| take(at, text))?;
                }
                What::Time(read) => {
                    let time = read(value, &mut |_| {})?;
                    told.time = told.time.or(time);
                }
                What::Cost(read) => told.cost = read(value, &mut |_| {})?,
                What::Outer if outer.0.is_empty() && value.kind() == Type::Object => {
                    outer = (field.name, at);
                    inner = Some(value.members());
                }
                What::Outer => return None,
                What::Nothing => {}
            }
        }
    }
}

/// Place of the field with this key, behind the field `last`; `None` if there is none.
fn known(
    next: &mut [usize],
    last: usize,
    kind: Kind,
    outer: &str,
    key: Value<'_>,
) -> Option<usize> {
    let is = |field: &Field| field.kind == kind && field.outer == outer && key.is_named(field.name);
    let guess = next.get_mut(last)?;
    if FIELDS.get(*guess).is_some_and(is) {
        return Some(*guess);
    }
    *guess = FIELDS.iter().position(is)?;
    Some(*guess)
}

/// A whole number as the journal writes it, or `null`.
pub(super) fn whole(value: Value<'_>) -> Option<Number> {
    match value.kind() {
        Type::Null => Some(None),
        Type::Number if value.raw() != b"-0" => {
            let digits = std::str::from_utf8(value.raw()).ok()?;
            digits.parse().ok().map(Some)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::join::Place;
    use crate::row::Row;

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
                "18446744073709551615", "{\"prompt\":1}", "{\"prompt\":\"x\"}", "{\"other\":1}",
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

    fn told(settled: &Settled) -> Option<(BTreeSet<(&'static str, String)>, Told)> {
        let (mut terms, mut found) = (Terms::new(), BTreeSet::new());
        let told = terms.of(settled, &mut |field, text| {
            let filters = FIELDS[field].filters.iter();
            found.extend(filters.map(|filter| (*filter, text.to_owned())));
        })?;
        Some((found, told))
    }

    fn by_row(settled: &Settled) -> (BTreeSet<(&'static str, String)>, Told) {
        let (row, mut found) = (settled.row(), BTreeSet::new());
        Row {
            kind: String::new(),
            index: None,
            ..row.clone()
        }
        .each_term(|filter, text| {
            found.insert((filter, text.to_owned()));
        });
        let told = Told {
            time: row.time.0.or(row.ended.0),
            cost: row.cost_nano,
        };
        (found, told)
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
                    prop_assert_eq!(straight, by_row(&settled));
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
        assert_eq!(straight, by_row(&settled));
        assert_eq!((straight.1.time, straight.1.cost), (Some(5), Some(12)));
        assert!(straight.0.contains(&("provider", "a".to_owned())));
        let kept_body = br#"{"at":5,"request_body":{"form":"sealed"}}"#;
        let with_body = Settled {
            first: Some(kept(Kind::Opened, Box::from(&kept_body[..]))),
            ..settled
        };
        assert!(told(&with_body).is_none(), "its texts are to be read");
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
