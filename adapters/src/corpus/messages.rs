//! Every transcript, of whichever vendor, written for clients of Anthropic's dialect: the grammar that its SDK asks for, and
//! the same meaning when it is read again.

use super::*;
use crate::dialects::anthropic::Anthropic;

/// What this dialect can say of a reply: its first choice, a refusal as text.
fn sayable(events: &[Event]) -> Vec<Event> {
    let mut refused = false;
    let mut said: Vec<Event> = Vec::new();
    for event in events {
        match event.clone() {
            Event::Refusal { choice: 0, text } => {
                refused = true;
                said.push(Event::Text { choice: 0, text });
            }
            Event::Logprobs { .. } => {}
            Event::Usage(usage) => said.push(Event::Usage(usage)),
            other => {
                let line = tell(std::slice::from_ref(&other));
                if line.split(' ').nth(1) == Some("0") || line.starts_with("start") {
                    said.push(other);
                }
            }
        }
    }
    for event in &mut said {
        if let Event::Finish { finish, .. } = event
            && refused
            && *finish == wire::facts::Finish::Stop
        {
            *finish = wire::facts::Finish::ContentFilter;
        }
    }
    if !said.iter().any(|event| matches!(event, Event::Usage(_))) {
        said.push(Event::Usage(wire::facts::Usage::default()));
    }
    said
}

/// Arguments as what they mean: this dialect holds them as an object.
pub(super) fn meant(events: &[Event]) -> String {
    let mut events = events.to_vec();
    let mut args: std::collections::BTreeMap<u32, String> = std::collections::BTreeMap::new();
    for event in &events {
        match event {
            Event::ToolStart { index, .. } => {
                args.entry(*index).or_default();
            }
            Event::ToolArgs { index, piece, .. } => {
                args.entry(*index).or_default().push_str(&piece.text());
            }
            _ => {}
        }
    }
    events.retain(|event| !matches!(event, Event::ToolArgs { .. }));
    let args: Vec<serde_json::Value> = args
        .values()
        .map(|args| serde_json::from_str(args).unwrap_or_else(|_| serde_json::json!({})))
        .collect();
    format!("{} {args:?}", meaning(&events))
}

fn written(events: &[Event], by: usize) -> Bytes {
    let mut encoder = Anthropic.encoder(head_of_reply());
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
        let (again, clean) = decode(&Anthropic, &[&stream]);
        assert!(clean);
        assert_eq!(meant(&again), want, "{}", path.display());
        let whole = Anthropic.encoder(head_of_reply()).whole(&events);
        let whole = whole.into_bytes();
        let tape = scan(&whole, &Limits::default()).unwrap();
        let root = Value::root(&tape, &whole).unwrap();
        let mut again = Vec::new();
        Anthropic.decoder().whole(&whole, root, &mut again).unwrap();
        assert_eq!(meant(&again), want, "{}", path.display());
    }
}

/// The grammar of a stream: `dialects/anthropic-messages.md`, section 4.
pub(super) fn strict(stream: &[u8]) {
    let text = std::str::from_utf8(stream).unwrap();
    let mut blocks = 0;
    let mut open: Option<(String, String, u32)> = None;
    let mut seen = Vec::new();
    for event in text.split("\n\n").filter(|event| !event.is_empty()) {
        let (name, data) = event.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap();
        let data: serde_json::Value =
            serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["type"], name);
        match name {
            "message_start" => {
                assert!(seen.is_empty());
                let message = &data["message"];
                assert_eq!(
                    (&message["model"], &message["content"]),
                    (&"asked".into(), &serde_json::json!([]))
                );
                assert!(message["usage"]["input_tokens"].is_u64());
                assert!(message["usage"]["output_tokens"].is_u64());
            }
            "content_block_start" => {
                assert!(open.is_none(), "two blocks are open");
                assert_eq!(data["index"], blocks);
                let kind = data["content_block"]["type"].as_str().unwrap();
                open = Some((kind.to_owned(), String::new(), 0));
            }
            "content_block_delta" => {
                assert_eq!(data["index"], blocks);
                let (kind, args, signed) = open.as_mut().unwrap();
                let delta = data["delta"]["type"].as_str().unwrap();
                match (kind.as_str(), delta) {
                    ("text", "text_delta") | ("thinking", "thinking_delta") => {
                        assert_eq!(*signed, 0)
                    }
                    ("thinking", "signature_delta") => *signed += 1,
                    ("tool_use", "input_json_delta") => {
                        args.push_str(data["delta"]["partial_json"].as_str().unwrap());
                    }
                    other => panic!("{other:?}"),
                }
                assert!(*signed <= 1);
            }
            "content_block_stop" => {
                let (kind, args, _) = open.take().unwrap();
                assert_eq!(data["index"], blocks);
                assert!(
                    kind != "tool_use"
                        || args.is_empty()
                        || serde_json::from_str::<serde_json::Value>(&args)
                            .unwrap()
                            .is_object()
                );
                blocks += 1;
            }
            "message_delta" => {
                assert!(open.is_none());
                assert!(data["delta"]["stop_reason"].is_string());
                assert!(data["usage"]["output_tokens"].is_u64());
            }
            "message_stop" => assert_eq!(seen.last().map(String::as_str), Some("message_delta")),
            other => panic!("{other}"),
        }
        seen.push(name.to_owned());
    }
    assert_eq!(seen.first().map(String::as_str), Some("message_start"));
    assert_eq!(seen.last().map(String::as_str), Some("message_stop"));
}

fn start(index: u32) -> Event {
    Event::ToolStart {
        choice: 0,
        index,
        id: wire::canon::Str::escaped(&format!("c{index}")),
        name: wire::canon::Str::escaped("f"),
    }
}

fn args(index: u32, piece: &str) -> Event {
    Event::ToolArgs {
        choice: 0,
        index,
        piece: wire::canon::Str::escaped(piece),
    }
}

#[test]
fn calls_that_take_turns_are_written_one_by_one() {
    let end = Event::Finish {
        choice: 0,
        finish: wire::facts::Finish::ToolCalls,
    };
    let turns = [
        vec![
            start(0),
            args(0, "{\"a\":"),
            start(1),
            args(1, "{\"b\""),
            args(0, "1}"),
            args(1, ":2}"),
            end.clone(),
        ],
        vec![
            start(0),
            start(1),
            args(1, "{\"b\":2}"),
            args(0, "{\"a\":1}"),
            end.clone(),
        ],
        vec![
            start(0),
            args(0, "{\"a\":1}"),
            start(1),
            args(1, "{\"b\":2}"),
            end.clone(),
        ],
        vec![
            start(0),
            start(1),
            args(1, "{\"b\":2}"),
            start(2),
            args(0, "{\"a\":1}"),
            args(2, "{}"),
            end,
        ],
    ];
    for events in turns {
        for by in 1..4 {
            let stream = written(&events, by);
            strict(&stream);
            let (again, _) = decode(&Anthropic, &[&stream]);
            let told = tell(&again);
            assert!(told.contains("args 0 0 {\"a\":"), "{told}");
            assert!(
                meant(&again).contains("Object {\"b\": Number(2)}"),
                "{told}"
            );
        }
    }
}

#[test]
fn what_waits_is_bounded() {
    let mut encoder = Anthropic.encoder(head_of_reply());
    let mut out = Rope::new();
    encoder.events(&[start(0), start(1)], &mut out).unwrap();
    let piece = args(1, &"x".repeat(1 << 20));
    let all = (0..6).map(|_| encoder.events(std::slice::from_ref(&piece), &mut out));
    assert!(all.into_iter().any(|taken| taken.is_err()));
}
