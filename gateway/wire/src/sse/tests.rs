//! Events are the same at any cut, and bounded.

use super::*;
use proptest::prelude::*;

type Meaning = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<Vec<u8>>);
type Told = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>, Vec<Vec<u8>>);

fn tell(event: &Event<'_>) -> Told {
    (
        event.raw.to_vec(),
        event.name().map(<[u8]>::to_vec),
        event.data().map(Cow::into_owned),
        event.comments().map(<[u8]>::to_vec).collect(),
    )
}

fn split(reads: &[&[u8]]) -> Vec<Told> {
    let mut splitter = Splitter::new(Limits::default());
    let mut events = Vec::new();
    for read in reads {
        let mut at = 0;
        while let Some(event) = splitter.next(read, &mut at).unwrap() {
            events.push(tell(&event));
        }
    }
    events.extend(splitter.finish().map(|event| tell(&event)));
    events
}

/// What an event means: name, data, comments; events without any are nothing.
fn meaning(events: &[Told]) -> Vec<Meaning> {
    events
        .iter()
        .map(|told| (told.1.clone(), told.2.clone(), told.3.clone()))
        .filter(|told| told.0.is_some() || told.1.is_some() || !told.2.is_empty())
        .collect()
}

#[test]
fn dashscope_framing() {
    let events =
        split(&[b"id:1\nevent:result\n:HTTP_STATUS/200\ndata:{\"a\":1}\n\ndata: [DONE]\n\n"]);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].1.as_deref(), Some(&b"result"[..]));
    assert_eq!(events[0].2.as_deref(), Some(&b"{\"a\":1}"[..]));
    assert_eq!(events[0].3, [b"HTTP_STATUS/200".to_vec()]);
    assert_eq!(events[1].2.as_deref(), Some(&b"[DONE]"[..]));
}

#[test]
fn odds() {
    assert_eq!(
        split(&[b"\xEF\xBB\xBFdata: x\r\n\r\n"])[0].2.as_deref(),
        Some(&b"x"[..])
    );
    assert_eq!(
        split(&[b"data: a\ndata: b\ndatax: c\n\n"])[0].2.as_deref(),
        Some(&b"a\nb"[..])
    );
    assert_eq!(
        split(&[b"data: no end"])[0].2.as_deref(),
        Some(&b"no end"[..])
    );
    let mut splitter = Splitter::new(Limits::default());
    let event = splitter
        .next(b"{\"error_code\":18}\n\n", &mut 0)
        .unwrap()
        .unwrap();
    assert_eq!(event.bare_json(), Some(&b"{\"error_code\":18}"[..]));
    let mut small = Splitter::new(Limits {
        event_bytes: 8,
        ..Limits::default()
    });
    assert!(small.next(b"data: 123456789\n\n", &mut 0).is_err());
    let mut small = Splitter::new(Limits {
        event_bytes: 8,
        ..Limits::default()
    });
    assert!(small.next(b"data: 1", &mut 0).unwrap().is_none());
    assert!(small.next(b"23456789", &mut 0).is_err());
}

#[test]
fn a_name_that_is_a_word_may_stand_before_the_data() {
    for (raw, data) in [
        ("event: a_b.c\ndata: {}\n\n", Some("{}")),
        ("event:a\r\ndata:{}\r\n\r\n", Some("{}")),
        ("data: {}\n\n", Some("{}")),
        ("event: call 1380013\ndata: {}\n\n", None),
        ("event: a\nid: 1\ndata: {}\n\n", None),
        ("event: a\ndata: {}\nevent: b1\n\n", None),
        ("event: \ndata: {}\n\n", None),
    ] {
        let mut splitter = Splitter::new(Limits::default());
        let event = splitter.next(raw.as_bytes(), &mut 0).unwrap().unwrap();
        assert_eq!(event.single().map(|span| &raw[span]), data, "{raw:?}");
    }
}

#[test]
fn a_line_has_a_bound_of_its_own() {
    let limits = Limits {
        line_bytes: 10,
        event_bytes: 100,
    };
    for line in ["data: 12345", "data: 12345\n\n"] {
        assert!(Splitter::new(limits).next(line.as_bytes(), &mut 0).is_err());
    }
    let mut many = Splitter::new(limits);
    for _ in 0..5 {
        assert!(many.next(b"data: 1\n", &mut 0).unwrap().is_none());
    }
    assert!(many.next(b"data: 12345", &mut 0).is_err());
}

#[test]
fn an_event_within_a_read_is_not_copied() {
    let read = b"data: 1\n\ndata: 2\n\n";
    let (mut splitter, mut at) = (Splitter::new(Limits::default()), 0);
    assert_eq!(splitter.next(read, &mut at).unwrap().unwrap().at, Some(0));
    assert_eq!(splitter.next(read, &mut at).unwrap().unwrap().at, Some(9));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]
    #[test]
    fn any_cut_means_the_same(
        parts in prop::collection::vec(prop_oneof![Just("data: 你好"), Just("data:x"), Just("event: e"), Just(": c"), Just(":"), Just("id:1"), Just("\n"), Just("\r"), Just("\r\n"), Just("\n\n"), Just("\r\n\r\n"), Just("{\"e\":1}"), Just("\u{feff}")], 0..16),
        mut cuts in prop::collection::vec(0usize..160, 0..8),
    ) {
        let whole = parts.concat().into_bytes();
        cuts.retain(|cut| *cut <= whole.len());
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let reads: Vec<&[u8]> = cuts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
        let (one, many) = (split(&[&whole]), split(&reads));
        prop_assert_eq!(many.iter().flat_map(|told| told.0.clone()).collect::<Vec<_>>(), whole);
        prop_assert_eq!(meaning(&one), meaning(&many));
    }
}
