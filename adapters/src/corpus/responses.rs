//! Transcripts of responses, read whole and at every cut; and every transcript of whichever vendor, written for clients of
//! responses: the grammar that their SDK enforces, and the same meaning when it is read again.

use serde_json::{Value as Json, json};
use wire::canon::Str;
use wire::facts::Finish;

use super::*;
use crate::dialects::responses::Responses;

/// Transcripts of this dialect: `tests/corpus/openai/responses`.
pub(super) fn own(extension: &str) -> Vec<(PathBuf, Bytes)> {
    let folder = root().join("openai/responses");
    let mut found: Vec<(PathBuf, Bytes)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| {
            let content = std::fs::read(&path).unwrap().into();
            (path, content)
        })
        .collect();
    assert!(!found.is_empty());
    found.sort();
    found
}

#[test]
fn its_own_streams_say_what_they_must_at_every_cut() {
    for (path, content) in own("sse") {
        let (events, clean) = decode(&Responses, &[&content]);
        let end = if clean { "end\n" } else { "cut short\n" };
        let told = tell(&events) + end;
        check(&path, &told);
        // Long ones hold the same words several times over.
        let step = 1 + content.len() / 4000;
        for cut in (0..=content.len()).step_by(step) {
            let (before, after) = content.split_at(cut);
            let (events, clean) = decode(&Responses, &[before, after]);
            let end = if clean { "end\n" } else { "cut short\n" };
            assert_eq!(tell(&events) + end, told, "{} at {cut}", path.display());
        }
        fuzz::fuzz_stream(&content);
    }
}

#[test]
fn its_own_whole_replies_say_what_they_must() {
    for (path, content) in own("json") {
        let tape = scan(&content, &Limits::default()).unwrap();
        let root = Value::root(&tape, &content).unwrap();
        let mut events = Vec::new();
        Responses
            .decoder()
            .whole(&content, root, &mut events)
            .unwrap();
        check(&path, &tell(&events));
        let facts = Responses.read_reply(root);
        let usage = events.iter().find_map(|event| match event {
            Event::Usage(usage) => Some(*usage),
            _ => None,
        });
        assert_eq!(facts.usage, usage);
        assert!(facts.finish.is_some());
        fuzz::fuzz_reply(&content);
    }
}

/// What the lens taps says what the decoder says.
#[test]
fn the_lens_agrees_with_the_decoder() {
    for (path, content) in own("sse") {
        let mut splitter = Splitter::new(sse::Limits::default());
        let (mut at, mut tape) = (0, json::Tape::default());
        let mut decoder = Responses.decoder();
        while let Some(event) = splitter.next(&content, &mut at).unwrap() {
            let mut facts = EventFacts::default();
            Responses.read_event(&event, &mut tape, &mut facts);
            let mut events = Vec::new();
            decoder.event(&event, &mut events).unwrap();
            let what = format!("{}: {:?}", path.display(), event.word());
            assert!(!facts.malformed, "{what}");
            assert_eq!(
                facts.error,
                events.iter().any(|event| matches!(event, Event::Error(_))),
                "{what}"
            );
            let finish = events.iter().find_map(|event| match event {
                Event::Finish { finish, .. } => Some(*finish),
                _ => None,
            });
            assert_eq!(
                (facts.finish, facts.done),
                (finish, finish.is_some()),
                "{what}"
            );
            // A line between two thoughts is no content of its own, and what no piece told is at its end.
            let late = event
                .word()
                .is_some_and(|word| word.ends_with("part.added") || word.ends_with(".done"));
            let said = !late && events.iter().any(Event::is_content);
            assert!(facts.content || !said, "{what}");
        }
    }
}

/// What this dialect can say of a reply: its first choice; a call without arguments has none.
fn sayable(events: &[Event]) -> Vec<Event> {
    let mut said: Vec<Event> = Vec::new();
    let called = events
        .iter()
        .any(|event| matches!(event, Event::ToolStart { choice: 0, .. }));
    for event in events {
        match event.clone() {
            Event::Logprobs { .. } => {}
            Event::Usage(usage) => said.push(Event::Usage(usage)),
            Event::Finish {
                choice: 0,
                finish: Finish::Stop | Finish::ToolCalls,
            } => said.push(Event::Finish {
                choice: 0,
                finish: if called {
                    Finish::ToolCalls
                } else {
                    Finish::Stop
                },
            }),
            other => {
                let line = tell(std::slice::from_ref(&other));
                if line.split(' ').nth(1) == Some("0") || line.starts_with("start") {
                    said.push(other);
                }
            }
        }
    }
    said
}

fn meant(events: &[Event]) -> String {
    let mut events = events.to_vec();
    let calls: Vec<u32> = events
        .iter()
        .filter_map(|event| match event {
            Event::ToolStart { index, .. } => Some(*index),
            _ => None,
        })
        .collect();
    for call in calls {
        let told = |event: &Event| matches!(event, Event::ToolArgs { index, piece, .. } if *index == call && !piece.is_empty());
        if !events.iter().any(told) {
            events.push(Event::ToolArgs {
                choice: 0,
                index: call,
                piece: Str::from_raw("{}"),
            });
        }
    }
    meaning(&events)
}

fn written(events: &[Event], by: usize) -> Bytes {
    let mut encoder = Responses.encoder(head_of_reply());
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
        let last = strict(&stream);
        assert_eq!(stream, written(&events, 1));
        let (again, clean) = decode(&Responses, &[&stream]);
        assert!(clean);
        assert_eq!(meant(&again), want, "{}", path.display());
        let whole = Responses.encoder(head_of_reply()).whole(&events);
        let whole = whole.into_bytes();
        assert_eq!(
            serde_json::from_slice::<Json>(&whole).unwrap(),
            last,
            "a stream ends with the whole reply"
        );
        let tape = scan(&whole, &Limits::default()).unwrap();
        let root = Value::root(&tape, &whole).unwrap();
        let mut again = Vec::new();
        Responses.decoder().whole(&whole, root, &mut again).unwrap();
        assert_eq!(meant(&again), want, "{}", path.display());
    }
}

/// What the official SDK's stream helper gathers of a stream.
#[derive(Default)]
struct Gathered {
    /// The response's id, since the first event.
    id: Option<Json>,
    items: Vec<Json>,
    /// The last response, null before the end.
    last: Json,
}

/// What the official SDK's stream helper enforces (`dialects/openai-responses.md`, section 4). Returns the last response.
pub(super) fn strict(stream: &[u8]) -> Json {
    let text = std::str::from_utf8(stream).unwrap();
    let mut gathered = Gathered::default();
    let events = text.split("\n\n").filter(|one| !one.is_empty());
    for (number, event) in events.enumerate() {
        let (name, data) = event.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap();
        let data: Json = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["type"], name);
        assert_eq!(data["sequence_number"], number, "{event}");
        assert!(
            gathered.last.is_null(),
            "something comes after the end: {event}"
        );
        match data.get("response") {
            Some(response) => {
                assert_eq!(number == 0, name == "response.created");
                gathered.response(name, response);
            }
            None => gathered.item(name, &data),
        }
    }
    let Gathered { items, last, .. } = gathered;
    assert_eq!(last["output"], Json::from(items), "the end lists all items");
    last
}

impl Gathered {
    /// An event about the whole.
    fn response(&mut self, name: &str, response: &Json) {
        let id = self.id.get_or_insert_with(|| response["id"].clone());
        assert!(id.as_str().unwrap().starts_with("resp_"));
        assert_eq!(response["id"], *id);
        for key in [
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "created_at",
            "usage",
        ] {
            assert!(response.get(key).is_some(), "{key}: {response}");
        }
        if !matches!(name, "response.created" | "response.in_progress") {
            self.last = response.clone();
        }
    }

    /// An event about an item.
    fn item(&mut self, name: &str, data: &Json) {
        let at = data["output_index"].as_u64().unwrap() as usize;
        if name == "response.output_item.added" {
            assert_eq!(at, self.items.len(), "{data}");
            self.items.push(data["item"].clone());
            return;
        }
        let item = &mut self.items[at];
        if name == "response.output_item.done" {
            end_item(item, &data["item"]);
            return;
        }
        assert_eq!(item["id"], data["item_id"]);
        let part = data["content_index"].as_u64().map(|at| at as usize);
        if name == "response.content_part.added" {
            let content = item["content"].as_array_mut().unwrap();
            assert_eq!(part, Some(content.len()));
            content.push(data["part"].clone());
            return;
        }
        match part {
            Some(part) => gather(name, data, &mut item["content"][part]),
            None => gather(name, data, item),
        }
    }
}

/// An item's end says all of it once more.
fn end_item(item: &mut Json, done: &Json) {
    assert_eq!(done["id"], item["id"]);
    assert_ne!(done["status"], "in_progress");
    item["status"] = done["status"].clone();
    if let Some(proof) = done.get("encrypted_content") {
        item["encrypted_content"] = proof.clone();
    }
    assert_eq!(item, done);
}

/// A piece of a part of a message, or of a call's arguments, or its end.
fn gather(name: &str, data: &Json, slot: &mut Json) {
    let member = if !data["content_index"].is_u64() {
        "arguments"
    } else if slot["type"] == "refusal" {
        "refusal"
    } else {
        "text"
    };
    if name.ends_with(".delta") {
        let sum = slot[member].as_str().unwrap().to_owned() + data["delta"].as_str().unwrap();
        slot[member] = sum.into();
        if name == "response.output_text.delta" {
            let mut all = slot["logprobs"].as_array().unwrap().clone();
            all.extend(data["logprobs"].as_array().unwrap().clone());
            slot["logprobs"] = all.into();
        }
    } else if name == "response.content_part.done" {
        assert_eq!(data["part"], *slot, "{data}");
    } else {
        assert!(name.ends_with(".done"), "{data}");
        assert_eq!(data[member], slot[member], "{data}");
    }
}

fn text(text: &str) -> Event {
    Event::Text {
        choice: 0,
        text: Str::escaped(text),
    }
}

fn thought(text: &str) -> Event {
    Event::Reasoning {
        choice: 0,
        text: Str::escaped(text),
    }
}

fn start(index: u32) -> Event {
    Event::ToolStart {
        choice: 0,
        index,
        id: Str::escaped(&format!("c{index}")),
        name: Str::escaped("f"),
    }
}

fn args(index: u32, piece: &str) -> Event {
    Event::ToolArgs {
        choice: 0,
        index,
        piece: Str::escaped(piece),
    }
}

fn finish(finish: Finish) -> Event {
    Event::Finish { choice: 0, finish }
}

#[test]
fn items_take_their_turns() {
    let proof = |kind, data: &'static str| Event::Proof {
        choice: 0,
        kind,
        data: Str::from_raw(data),
    };
    let events = [
        proof("anthropic.redacted_thinking", "aGlkZGVu"),
        thought("hm"),
        thought("!"),
        proof("anthropic.signature", "c2ln"),
        text("a"),
        Event::Refusal {
            choice: 0,
            text: Str::escaped("no"),
        },
        start(0),
        args(0, "{\"a\":"),
        start(1),
        args(1, "{\"b\""),
        args(0, "1}"),
        args(1, ":2}"),
        start(2),
        text("b"),
        finish(Finish::ToolCalls),
    ];
    let want = [
        ("reasoning", ""),
        ("reasoning", "hm!"),
        ("message", "a"),
        ("function_call", "{\"a\":1}"),
        ("function_call", "{\"b\":2}"),
        ("function_call", "{}"),
        ("message", "b"),
    ];
    for by in 1..5 {
        let last = strict(&written(&events, by));
        let output = last["output"].as_array().unwrap();
        let told = output.iter().map(|item| {
            let text = item["content"][0]["text"].as_str();
            let text = text.or(item["arguments"].as_str()).unwrap_or_default();
            (item["type"].as_str().unwrap(), text)
        });
        assert_eq!(told.collect::<Vec<_>>(), want);
        assert_eq!(
            output[0]["encrypted_content"],
            "anthropic.redacted_thinking:aGlkZGVu"
        );
        assert_eq!(output[1]["encrypted_content"], "anthropic.signature:c2ln");
        assert_eq!(
            output[2]["content"][1],
            json!({"type": "refusal", "refusal": "no"})
        );
        assert_eq!(last["status"], "completed");
    }
}

#[test]
fn ends_are_told_by_their_reason() {
    for (why, status, reason) in [
        (Finish::Stop, "completed", None),
        (Finish::Length, "incomplete", Some("max_output_tokens")),
        (Finish::ContentFilter, "incomplete", Some("content_filter")),
    ] {
        let stream = written(&[text("a"), finish(why)], 1);
        let last = strict(&stream);
        assert_eq!(last["status"], status);
        assert_eq!(last["incomplete_details"]["reason"].as_str(), reason);
        assert_eq!(last["output"][0]["status"], status);
        let name = format!("event: response.{status}\n");
        assert!(std::str::from_utf8(&stream).unwrap().contains(&name));
    }
    let mut encoder = Responses.encoder(head_of_reply());
    let mut out = Rope::new();
    encoder.events(&[text("half")], &mut out).unwrap();
    let fault = wire::Fault::new(wire::Kind::CutShort);
    assert!(encoder.refuse(&fault, &mut out));
    let stream = out.into_bytes();
    let stream = std::str::from_utf8(&stream).unwrap();
    let last = stream.trim_end().rsplit_once("data: ").unwrap().1;
    let last: Json = serde_json::from_str(last).unwrap();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["id"], "resp_req-1");
    assert_eq!(last["response"]["error"]["code"], "upstream_error");
    assert_eq!(last["sequence_number"], 5);
    assert!(!stream.contains("response.completed"));
}

#[test]
fn an_error_event_can_be_read_both_ways() {
    let fault = wire::Fault::new(wire::Kind::BadRequest).param("input");
    let event = Responses.stream_refusal(&fault, "req-1", 7);
    let text = std::str::from_utf8(&event).unwrap();
    let data = text.strip_prefix("event: error\ndata: ").unwrap();
    let data: Json = serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap();
    assert_eq!(
        (&data["type"], &data["sequence_number"]),
        (&json!("error"), &json!(7))
    );
    for key in ["message", "code", "param"] {
        assert_eq!(data[key], data["error"][key], "{key}");
    }
    assert_eq!(
        (&data["code"], &data["param"]),
        (&json!("invalid_request"), &json!("input"))
    );
}

proptest! {
    /// However events are batched, and whichever they are, the stream is one that the SDK reads.
    #[test]
    fn any_events_make_a_stream_of_the_dialect(kinds in prop::collection::vec((0u8..6, 0u32..3, "[a-z\"\\\\\n]{0,4}"), 0..24), by in 1usize..5) {
        let mut events = Vec::new();
        let mut calls = 0;
        for (kind, index, piece) in kinds {
            events.push(match kind {
                0 | 1 => text(&piece),
                2 => thought(&piece),
                3 => { calls += 1; start(calls - 1) }
                4 => args(index, &piece),
                _ => Event::Refusal { choice: 0, text: Str::escaped(&piece) },
            });
        }
        events.push(finish(Finish::Stop));
        let stream = written(&events, by);
        let last = strict(&stream);
        let whole = Responses.encoder(head_of_reply()).whole(&events).into_bytes();
        prop_assert_eq!(serde_json::from_slice::<Json>(&whole).unwrap(), last);
    }
}
