//! Rows become sums and sums read back; damage is told, and strangers' bytes do no harm.

use super::*;
use crate::row::Time;
use proptest::prelude::*;

fn row(kind: &str, at_ms: i64, key: &str, outcome: &str) -> Row {
    Row {
        kind: kind.to_owned(),
        time: Time(Some(at_ms)),
        key: key.to_owned(),
        asked: "m".to_owned(),
        outcome: outcome.to_owned(),
        prompt_tokens: Some(5),
        cost_nano: Some(70),
        currency: "CNY".to_owned(),
        reserved_nano: Some(1000),
        ..Row::default()
    }
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    decode(bytes, &mut |slot, of, sums| {
        let [key, .., currency] = of;
        lines.push(format!(
            "{slot} {key} {currency} {} {} {} {}",
            sums.requests, sums.prompt, sums.cost_nano, sums.reserved_nano
        ));
    })
    .unwrap();
    lines
}

#[test]
fn rows_become_sums() {
    let (mut usage, mut gatherer) = (Usage::default(), Gatherer::default());
    for row in [
        row("request", 0, "a", "completed"),
        row("request", SLOT_MS - 1, "a", "client_closed"),
        row("request", SLOT_MS, "a", "completed"),
        row("request", 0, "b", "crashed"),
        row("event", 0, "b", ""),
    ] {
        let mut shares = Shares::default();
        if let Some(share) = Share::of(&row.kind, &Told::of(&row)) {
            gatherer.add(&share, &mut shares);
        }
        usage.add_all(&mut shares);
    }
    assert_eq!(
        lines(&usage.encode()),
        [
            "0 a CNY 2 10 140 0",
            "0 b CNY 1 5 70 1000",
            "900000 a CNY 1 5 70 0"
        ]
    );
}

#[test]
fn what_a_stranger_makes_up_is_not_kept() {
    let mut denied = row("denial", 0, "a", "");
    denied.code = "model_not_found".to_owned();
    let share = Share::of("denial", &Told::of(&denied)).unwrap();
    assert!(!share.of.contains(&&b"m"[..]));
    assert_eq!((share.sums.errors, share.sums.limited), (1, 0));
    denied.code = "budget_exceeded".to_owned();
    let share = Share::of("denial", &Told::of(&denied)).unwrap();
    assert!(!share.of.contains(&&b"m"[..]));
    assert_eq!((share.sums.errors, share.sums.limited), (1, 1));
    assert_eq!(share.sums.reserved_nano, 0, "nothing was reserved");
}

proptest! {
    #[test]
    fn numbers_read_back_and_damage_is_told(numbers in prop::collection::vec(any::<u64>(), 0..9)) {
        let mut out = Vec::new();
        numbers.iter().for_each(|number| put(&mut out, *number));
        let mut rest = &*out;
        for number in &numbers {
            prop_assert_eq!(get(&mut rest).unwrap(), *number);
        }
        prop_assert!(rest.is_empty() && get(&mut rest).is_err());
    }

    #[test]
    fn strangers_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, &mut |_, _, _| {});
    }
}
