//! Reading by comparison with an earlier event (`mold.rs`) says what the strict scan says, whatever is changed in an event.
//!
//! The strict side is the same decoder: a comment before an event changes nothing that it says, and such an event neither
//! makes a mold nor fits one.

use std::sync::LazyLock;

use proptest::sample::Index;
use wire::Fault;

use super::*;
use crate::dialects::anthropic::Anthropic;
use crate::dialects::responses::Responses;

/// A dialect, and a stream of it as events.
type Stream = (&'static dyn Dialect, Vec<Vec<u8>>);

/// Every stream of the corpus.
static STREAMS: LazyLock<Vec<Stream>> = LazyLock::new(|| {
    let own = responses::own("sse").into_iter();
    let own = own.map(|(_, content)| (&Responses as &dyn Dialect, content));
    let all = files("sse").into_iter();
    let odd = ODD.map(|(dialect, content)| (dialect, Bytes::from_static(content.as_bytes())));
    all.map(|(vendor, _, content)| (vendor.speaks()[0], content))
        .chain(own)
        .chain(odd)
        .map(|(dialect, content)| (dialect, events_of(&content)))
        .collect()
});

/// Streams in which an event means something else when it comes again, or after others.
const ODD: [(&dyn Dialect, &str); 4] = [
    // The whole text behind deltas is no text; without any it is, once.
    (
        &OpenAiChat,
        "data: {\"choices\":[{\"delta\":{}}]}\n\ndata: {\"choices\":[{\"message\":{\"content\":\"a\"}}]}\n\n",
    ),
    // Which call a piece belongs to, the last one says.
    (
        &OpenAiChat,
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\"}}]}}]}\n\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"1\"}}]}}]}\n\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"b\",\"function\":{\"name\":\"g\"}}]}}]}\n\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"2\"}}]}}]}\n\n",
    ),
    // Members that differ, and one that looks like one of them and does not.
    (
        &OpenAiChat,
        "data: {\"id\":\"a\",\"created\":7,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"obfuscation\":\"x\",\"code\":0}\n\ndata: {\"id\":\"a\",\"created\":7,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}],\"obfuscation\":\"x\",\"code\":0}\n\n",
    ),
    (
        &Anthropic,
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{}}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1\"}}\n\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"a\"}}\n\n",
    ),
];

fn events_of(content: &[u8]) -> Vec<Vec<u8>> {
    let mut splitter = Splitter::new(sse::Limits::default());
    let (mut at, mut events) = (0, Vec::new());
    while let Some(event) = splitter.next(content, &mut at).unwrap() {
        events.push(event.raw.to_vec());
    }
    events
}

/// What a decoder says of a stream, up to its first error.
fn said(dialect: &dyn Dialect, stream: &[u8]) -> String {
    let mut decoder = dialect.decoder();
    let mut events = Vec::new();
    let mut read = || -> Result<(), Fault> {
        let mut splitter = Splitter::new(sse::Limits::default());
        let mut at = 0;
        while let Some(event) = splitter.next(stream, &mut at).unwrap() {
            decoder.event(&event, &mut events)?;
        }
        decoder.end(&mut events)
    };
    let end = read().map_err(|fault| format!("{fault:?}"));
    format!("{}{end:?}", tell(&events))
}

/// Both ways to read events say the same.
fn check_both(dialect: &dyn Dialect, events: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let with = |before: &[u8]| {
        // A byte-order mark that a change has made is none behind this.
        let mut stream = b": begin\n\n".to_vec();
        for event in events {
            // What a change has made of one event may be several.
            for event in events_of(event) {
                stream.extend_from_slice(before);
                stream.extend_from_slice(&event);
            }
        }
        said(dialect, &stream)
    };
    prop_assert_eq!(with(b""), with(b":\n"));
    Ok(())
}

/// What is put into an event, or in the place of one of its bytes.
const PIECES: [&[u8]; 32] = [
    b"",
    b"\"",
    b"\\",
    b"\n",
    b"\r",
    b"\x01",
    b"\x80",
    b"\xe5",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"0",
    b"17",
    b".5",
    b"e3",
    b"-",
    b" ",
    b"null",
    b"\\n",
    b"\\u00e9",
    b"\\ud83d\\ude00",
    b"\\ud83d",
    b"\\x",
    "密".as_bytes(),
    b"\xe5\xaf",
    b"a word and another one",
    b"\",\"content\":\"y",
    b"\n\n",
    b"\xEF\xBB\xBF",
];

/// Where an event may differ from another: its values, without their quotes; and all of its bytes.
fn places(event: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut places: Vec<_> = (0..event.len()).map(|at| at..at + 1).collect();
    let quotes: Vec<usize> = memchr::memchr_iter(b'"', event).collect();
    let inside = quotes.windows(2).map(|pair| pair[0] + 1..pair[1]);
    let mut values: Vec<_> = inside.collect();
    let digit = |at: usize| event.get(at).is_some_and(u8::is_ascii_digit);
    let starts = (0..event.len()).filter(|at| digit(*at) && (*at == 0 || !digit(at - 1)));
    values.extend(starts.map(|from| from..(from..).find(|at| !digit(*at)).unwrap()));
    // Mostly at a value: all of it, or before it, or behind it.
    for value in values {
        let (from, to) = (value.start, value.end);
        for _ in 0..8 {
            places.extend([value.clone(), from..from, to..to]);
        }
    }
    places
}

/// Changes one place of an event.
fn change(event: &mut Vec<u8>, place: &Index, piece: &Index) {
    let places = places(event);
    if !places.is_empty() {
        let place = places[place.index(places.len())].clone();
        let piece = PIECES[piece.index(PIECES.len())];
        event.splice(place, piece.iter().copied());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn a_changed_event_is_read_as_strictly(
        which in any::<Index>(),
        upto in any::<Index>(),
        changes in prop::collection::vec((0..3_u8, any::<Index>(), any::<Index>()), 1..8),
    ) {
        let (dialect, events) = &STREAMS[which.index(STREAMS.len())];
        let upto = upto.index(events.len());
        let last = &events[upto];
        // Said twice more: whatever a first time changes has changed.
        let mut all = [&events[..=upto], &[last.clone(), last.clone()]].concat();
        for (kind, place, piece) in changes {
            let mut one = match kind {
                // On top of the changes before it, and of an event that it does not follow in the stream.
                0 => all.last().unwrap().clone(),
                1 => events[place.index(events.len())].clone(),
                _ => last.clone(),
            };
            change(&mut one, &place, &piece);
            all.push(one);
        }
        all.extend_from_slice(&events[upto + 1..]);
        check_both(*dialect, &all)?;
    }
}

/// Pieces of a stream, as vendors write them: what differs from event to event, and `{}` for the piece.
const WRAPPINGS: [(&dyn Dialect, &str); 7] = [
    (
        &crate::dialects::converse::Converse,
        "event: contentBlockDelta\ndata: {\"contentBlockIndex\":0,\"delta\":{\"text\":\"{}\"},\"p\":\"{n}\"}",
    ),
    (
        &OpenAiChat,
        r#"data: {"id":"c{n}","created":17{n},"choices":[{"index":0,"delta":{"content":"{}"},"finish_reason":null}],"obfuscation":"x{n}"}"#,
    ),
    (
        &OpenAiChat,
        r#"data: {"choices":[{"index":1,"delta":{"reasoning_content":"{}"}}]}"#,
    ),
    (
        &crate::dialects::completions::Completions,
        r#"data: {"id":"c","choices":[{"index":0,"text":"{}"}]}"#,
    ),
    (
        &Anthropic,
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"{}\"}}",
    ),
    (
        &Anthropic,
        r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"{}"}}"#,
    ),
    (
        &Responses,
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":{n},\"output_index\":0,\"delta\":\"{}\",\"obfuscation\":\"x{n}\"}",
    ),
];

/// A wrapping around a piece, the `n`th.
fn wrapped(wrapping: &str, n: usize, piece: &str) -> Vec<u8> {
    let event = wrapping
        .replace("{n}", &n.to_string())
        .replacen("{}", piece, 1);
    (event + "\n\n").into_bytes()
}

#[test]
fn every_change_of_a_piece_is_read_as_strictly() {
    for (dialect, wrapping) in WRAPPINGS {
        let before = [1, 2, 3].map(|n| wrapped(wrapping, n, "ab"));
        let last = &before[2];
        let mut places = places(last);
        places.sort_unstable_by_key(|place| (place.start, place.end));
        places.dedup();
        for place in places {
            for piece in PIECES {
                let mut changed = last.clone();
                changed.splice(place.clone(), piece.iter().copied());
                let all = [&before[..], &[changed, last.clone()]].concat();
                check_both(dialect, &all).unwrap();
            }
        }
    }
}

/// A piece of a stream costs the room of its text and no more, as soon as two before it have told how they are wrapped.
#[test]
fn a_piece_is_one_allocation() {
    for (dialect, wrapping) in WRAPPINGS {
        let mut decoder = dialect.decoder();
        let mut events = Vec::with_capacity(100);
        let pieces = ["a", "b", "c", "密", "d\\n", "\\ud83d\\ude00", "e"];
        for (n, piece) in pieces.into_iter().enumerate() {
            let raw = wrapped(wrapping, n, piece);
            let mut splitter = Splitter::new(sse::Limits::default());
            let event = splitter.next(&raw, &mut 0).unwrap().unwrap();
            let counted = allocation_counter::measure(|| {
                decoder.event(&event, &mut events).unwrap();
            });
            if n > 1 {
                assert_eq!(counted.count_total, 1, "{wrapping} {n}");
                assert!(counted.bytes_total <= 16, "{wrapping} {n}");
            }
        }
        let told = tell(&events);
        let said = told.lines().filter(|line| !line.starts_with("start"));
        let said: Vec<&str> = said.map(|line| line.rsplit(' ').next().unwrap()).collect();
        // The line of the one with a line break is two.
        assert_eq!(
            said,
            ["a", "b", "c", "密", "d", "", "😀", "e"],
            "{wrapping}"
        );
    }
}

/// All that the pieces of one read come to is written into one buffer, made once.
#[test]
fn the_pieces_of_a_read_are_one_buffer() {
    for client in crate::CLIENT_DIALECTS {
        let mut encoder = client.encoder(head_of_reply());
        let piece = |text: &'static str| Event::Text {
            choice: 0,
            text: wire::canon::Str::from_raw(text),
        };
        let mut first = Rope::new();
        encoder
            .events(&[piece("a"), piece("b")], &mut first)
            .unwrap();
        let events = vec![piece(" and a word"); 16];
        let mut out = Rope::new();
        let counted = allocation_counter::measure(|| encoder.events(&events, &mut out).unwrap());
        assert_eq!(out.pieces().count(), 1, "{}", client.name());
        // One dialect keeps its text for the end: that grows now and then.
        let most = if client.name() == "openai-responses" {
            events.len() as u64
        } else {
            2
        };
        assert!(counted.count_total <= most, "{}", client.name());
    }
}

/// A byte-order mark before the first event is none; before a later one it may hide it.
#[test]
fn a_mark_belongs_to_the_beginning() {
    for (dialect, wrapping) in WRAPPINGS {
        let event = wrapped(wrapping, 1, "a");
        let marked = [b"\xEF\xBB\xBF", event.as_slice()].concat();
        let strictly = [b":\n", marked.as_slice()].concat();
        let stream = |later: &[u8]| said(dialect, &[&marked, later, later].concat());
        assert_eq!(stream(&marked), stream(&strictly), "{wrapping}");
    }
}
