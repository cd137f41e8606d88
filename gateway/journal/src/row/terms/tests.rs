//! What is told straight from records is what their row tells.

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
    let mut names: Vec<&'static str> = FIELDS
        .iter()
        .filter(|field| field.of == Object::of(kind, ""))
        .map(|field| &*field.name)
        .collect();
    names.push("\"unknown\":");
    prop::collection::btree_map(prop::sample::select(names), value(), 0..6).prop_map(|fields| {
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}{value}"))
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
    let mut told = Told::default();
    terms.of(settled, &mut told, &mut |field, text| {
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
        used.texts.map(|text| str::from_utf8(text).unwrap()),
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
fn every_field_has_its_place() {
    assert!(FIELDS.len() <= FIELDS_MAX);
}

#[test]
fn only_cells_of_the_payload_itself_are_looked_at_by_filters() {
    for field in FIELDS.iter() {
        let outer = field.of.0 % (NESTED.len() + 1) != 0;
        assert!(!outer || field.filters.is_empty(), "{}", field.name);
    }
}
