//! Every transcript, of whichever vendor, written for clients of DashScope's native dialect, in each shape that they may
//! ask for, and the same meaning when it is read again.

use wire::facts::Shape;

use super::*;
use crate::dialects::dashscope::DashScope;

const SHAPES: [Shape; 4] = [
    shape(false, false, false),
    shape(true, false, false),
    shape(false, false, true),
    shape(true, false, true),
];

const fn shape(cumulative: bool, bare: bool, parts: bool) -> Shape {
    Shape {
        cumulative,
        bare,
        parts,
        functions: false,
    }
}

fn encoder(shape: Shape) -> Box<dyn crate::dialect::Encoder> {
    DashScope.encoder(ReplyHead {
        shape,
        ..head_of_reply()
    })
}

/// A refusal is text here; probabilities and proofs are carried, not read.
fn sayable(events: &[Event]) -> Vec<Event> {
    let said = events.iter().map(|event| match event.clone() {
        Event::Refusal { choice, text } => Event::Text { choice, text },
        other => other,
    });
    said.collect()
}

fn written(events: &[Event], shape: Shape, by: usize) -> Bytes {
    let mut encoder = encoder(shape);
    let mut out = Rope::new();
    for some in events.chunks(by) {
        encoder.events(some, &mut out).unwrap();
    }
    encoder.end(&mut out);
    out.into_bytes()
}

fn whole(body: &Bytes) -> Vec<Event> {
    let tape = scan(body, &Limits::default()).unwrap();
    let root = Value::root(&tape, body).unwrap();
    let mut again = Vec::new();
    DashScope.decoder().whole(body, root, &mut again).unwrap();
    again
}

#[test]
fn what_we_write_means_the_same() {
    let mut some = 0;
    for (vendor, path, content) in files("sse") {
        let (events, clean) = decode(vendor.speaks()[0], &[&content]);
        if !clean || tell(&events).contains("error") {
            continue;
        }
        some += 1;
        let want = meaning(&sayable(&events));
        for shape in SHAPES {
            let stream = written(&events, shape, 2);
            assert_eq!(stream, written(&events, shape, 1));
            let again = if shape.cumulative {
                whole(&last_of_each(&strict(&stream)))
            } else {
                let (again, clean) = decode(&DashScope, &[&stream]);
                assert!(clean);
                again
            };
            assert_eq!(meaning(&again), want, "{} {shape:?}", path.display());
            let body = encoder(shape).whole(&events).into_bytes();
            assert_eq!(meaning(&whole(&body)), want, "{} {shape:?}", path.display());
        }
    }
    assert!(some > 20);
}

/// The last event of each choice as one reply: where each says all again, it is all of it.
fn last_of_each(events: &[serde_json::Value]) -> Bytes {
    let mut choices = std::collections::BTreeMap::new();
    for event in events {
        let choice = &event["output"]["choices"][0];
        choices.insert(choice["index"].as_u64(), choice.clone());
    }
    let mut last = events.last().unwrap().clone();
    last["output"]["choices"] = choices.into_values().collect();
    last.to_string().into()
}

#[test]
fn a_bare_text_is_all_of_the_first_choice() {
    let text = |text: &str| Event::Text {
        choice: 0,
        text: wire::canon::Str::escaped(text),
    };
    let events = [text("你"), text("好\n")];
    let stream = written(&events, shape(true, true, false), 1);
    let last = strict(&stream).pop().unwrap();
    assert_eq!(last["output"]["text"], "你好\n");
    assert_eq!(last["output"]["finish_reason"], "stop");
    let body = encoder(shape(false, true, false))
        .whole(&events)
        .into_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["output"]["text"], "你好\n");
}

#[test]
fn what_is_repeated_is_bounded() {
    let mut encoder = encoder(shape(true, false, false));
    let mut out = Rope::new();
    let text = Event::Text {
        choice: 0,
        text: wire::canon::Str::escaped(&"x".repeat(100_000)),
    };
    let all: Vec<bool> = (0..4)
        .map(|_| {
            encoder
                .events(std::slice::from_ref(&text), &mut out)
                .is_ok()
        })
        .collect();
    assert_eq!(all, [true, true, false, false]);
}

/// The framing that the vendor's SDK reads: `vendors/tongyi.md`, section 4. Returns the events' data.
fn strict(stream: &[u8]) -> Vec<serde_json::Value> {
    let text = std::str::from_utf8(stream).unwrap();
    let events = text.split("\n\n").filter(|event| !event.is_empty());
    events
        .enumerate()
        .map(|(at, event)| {
            let lines: Vec<&str> = event.split('\n').collect();
            let id = format!("id:{}", at + 1);
            assert_eq!(lines[..3], [&id, "event:result", ":HTTP_STATUS/200"]);
            let data: serde_json::Value =
                serde_json::from_str(lines[3].strip_prefix("data:").unwrap()).unwrap();
            assert!(data["request_id"].is_string() && data["output"].is_object());
            data
        })
        .collect()
}
