//! Every transcript, of whichever vendor, written for clients of Google's dialect: the grammar that its SDK asks for, and
//! the same meaning when it is read again.

use super::messages::meant;
use super::*;
use crate::dialects::gemini::Gemini;

/// What this dialect can say of a reply: a refusal as text, which then ends as filtered.
fn sayable(events: &[Event]) -> Vec<Event> {
    let refused: Vec<u32> = events
        .iter()
        .filter_map(|event| match event {
            Event::Refusal { choice, .. } => Some(*choice),
            _ => None,
        })
        .collect();
    let mut said = Vec::new();
    for event in events {
        said.push(match event.clone() {
            Event::Refusal { choice, text } => Event::Text { choice, text },
            Event::Finish { choice, finish }
                if refused.contains(&choice) && finish == wire::facts::Finish::Stop =>
            {
                Event::Finish {
                    choice,
                    finish: wire::facts::Finish::ContentFilter,
                }
            }
            // Read from a cache, not written to one.
            Event::Usage(usage) => Event::Usage(wire::facts::Usage {
                cache_write: 0,
                ..usage
            }),
            other => other,
        });
    }
    if !said.iter().any(|event| matches!(event, Event::Usage(_))) {
        said.push(Event::Usage(wire::facts::Usage::default()));
    }
    said
}

fn written(events: &[Event], by: usize) -> Bytes {
    let mut encoder = Gemini.encoder(head_of_reply());
    let mut out = Rope::new();
    for some in events.chunks(by) {
        encoder.events(some, &mut out).unwrap();
    }
    encoder.end(&mut out);
    out.into_bytes()
}

#[test]
fn what_we_write_means_the_same() {
    for (vendor, path, content) in files("sse") {
        let (events, clean) = decode(vendor.speaks()[0], &[&content]);
        if !clean || tell(&events).contains("error") {
            continue;
        }
        let want = meant(&sayable(&events));
        let stream = written(&events, 2);
        strict(&stream);
        assert_eq!(stream, written(&events, 1));
        let (again, clean) = decode(&Gemini, &[&stream]);
        assert!(clean);
        assert_eq!(meant(&again), want, "{}", path.display());
        let whole = Gemini.encoder(head_of_reply()).whole(&events).into_bytes();
        let tape = scan(&whole, &Limits::default()).unwrap();
        let root = Value::root(&tape, &whole).unwrap();
        let mut again = Vec::new();
        Gemini.decoder().whole(&whole, root, &mut again).unwrap();
        assert_eq!(meant(&again), want, "{}", path.display());
    }
}

/// The grammar of a stream: `dialects/gemini.md`, section 4.
fn strict(stream: &[u8]) {
    let text = std::str::from_utf8(stream).unwrap();
    let mut finished = Vec::new();
    for event in text.split("\n\n").filter(|event| !event.is_empty()) {
        let data = event.strip_prefix("data: ").expect("exactly so");
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["modelVersion"], "asked");
        assert!(data["responseId"].is_string());
        assert!(finished.is_empty(), "something comes behind the end");
        for candidate in data["candidates"].as_array().unwrap() {
            assert_eq!(candidate["content"]["role"], "model");
            for part in candidate["content"]["parts"].as_array().unwrap() {
                let call = &part["functionCall"];
                assert!(part["text"].is_string() != call.is_object());
                assert!(call.is_null() || call["args"].is_object() && call["id"].is_string());
            }
            if candidate["finishReason"].is_string() {
                finished.push(candidate["index"].as_u64().unwrap());
            }
        }
        if !finished.is_empty() {
            assert!(data["usageMetadata"]["totalTokenCount"].is_u64());
        }
    }
    assert!(!finished.is_empty());
}

#[test]
fn calls_that_take_turns_come_whole_and_in_order() {
    let start = |index: u32| Event::ToolStart {
        choice: 0,
        index,
        id: wire::canon::Str::default(),
        name: wire::canon::Str::escaped("f"),
    };
    let args = |index: u32, piece: &str| Event::ToolArgs {
        choice: 0,
        index,
        piece: wire::canon::Str::escaped(piece),
    };
    let end = Event::Finish {
        choice: 0,
        finish: wire::facts::Finish::ToolCalls,
    };
    let events = [
        start(0),
        args(0, "{\"a\":"),
        start(1),
        args(1, "{\"b\":2}"),
        args(0, "1}"),
        start(2),
        end,
    ];
    for by in 1..4 {
        let stream = written(&events, by);
        strict(&stream);
        let (again, _) = decode(&Gemini, &[&stream]);
        let told = tell(&again);
        for line in [
            "tool 0 0 call_req-1_0_0 f",
            "args 0 0 {\"a\":1}",
            "args 0 1 {\"b\":2}",
            "args 0 2 {}",
        ] {
            assert!(told.contains(line), "{line} in {told}");
        }
    }
    let mut encoder = Gemini.encoder(head_of_reply());
    let mut out = Rope::new();
    encoder.events(&[start(0), args(0, "{")], &mut out).unwrap();
    let piece = args(0, &"x".repeat(1 << 20));
    let all = (0..6).map(|_| encoder.events(std::slice::from_ref(&piece), &mut out));
    assert!(all.into_iter().any(|taken| taken.is_err()));
}
