//! Every transcript of `tests/corpus`, read by the dialect of its vendor: whole, at every cut, and through our encoder.
//!
//! `<vendor>/<case>.sse` is a stream, `<case>.json` a whole reply, `<case>.events` what they say; `errors.jsonl` has a
//! vendor's errors with the fault that each must become. `YUMEN_BLESS=1` writes the `.events` anew.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;
use wire::Rope;
use wire::canon::Event;
use wire::facts::EventFacts;
use wire::fault::Retry;
use wire::json::{self, Limits, Value, scan};
use wire::sse::{self, Splitter};

use crate::dialect::{ClientDialect, Dialect, ReplyHead};
use crate::dialects::openai_chat::OpenAiChat;
use crate::vendor::{Head, Vendor};
use crate::{VENDORS, fuzz, vendor};

mod gemini;
mod messages;
mod molds;
mod native;
mod responses;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus")
}

/// All files of that extension: vendor, path, content.
fn files(extension: &str) -> Vec<(&'static dyn Vendor, PathBuf, Bytes)> {
    let mut found = Vec::new();
    for vendor in VENDORS {
        let folder = root().join(vendor.info().name);
        for entry in std::fs::read_dir(&folder).expect("every vendor has a corpus") {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|found| found == extension) {
                let content = std::fs::read(&path).unwrap().into();
                found.push((*vendor, path, content));
            }
        }
    }
    assert!(!found.is_empty());
    found.sort_by(|a, b| a.1.cmp(&b.1));
    found
}

fn decode(dialect: &dyn Dialect, reads: &[&[u8]]) -> (Vec<Event>, bool) {
    let mut decoder = dialect.decoder();
    let mut splitter = Splitter::new(sse::Limits::default());
    let mut events = Vec::new();
    for read in reads {
        let mut at = 0;
        while let Some(event) = splitter.next(read, &mut at).unwrap() {
            decoder.event(&event, &mut events).unwrap();
        }
    }
    if let Some(event) = splitter.finish() {
        decoder.event(&event, &mut events).unwrap();
    }
    let clean = decoder.end(&mut events).is_ok();
    (events, clean)
}

fn tell(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        let _ = match event {
            Event::Start { id, model, created } => {
                writeln!(text, "start {} {} {created}", id.text(), model.text())
            }
            Event::Text {
                choice,
                text: piece,
            } => writeln!(text, "text {choice} {}", piece.text()),
            Event::Refusal {
                choice,
                text: piece,
            } => {
                writeln!(text, "refusal {choice} {}", piece.text())
            }
            Event::Reasoning {
                choice,
                text: piece,
            } => {
                writeln!(text, "reasoning {choice} {}", piece.text())
            }
            Event::Proof { choice, kind, data } => {
                writeln!(text, "proof {choice} {kind} {}", data.text())
            }
            Event::ToolStart {
                choice,
                index,
                id,
                name,
            } => {
                writeln!(text, "tool {choice} {index} {} {}", id.text(), name.text())
            }
            Event::ToolArgs {
                choice,
                index,
                piece,
            } => {
                writeln!(text, "args {choice} {index} {}", piece.text())
            }
            Event::Logprobs { choice, value } => writeln!(
                text,
                "logprobs {choice} {}",
                String::from_utf8_lossy(value.bytes())
            ),
            Event::Finish { choice, finish } => {
                writeln!(text, "finish {choice} {}", finish.as_str())
            }
            Event::Usage(usage) => writeln!(
                text,
                "usage prompt {} completion {} cached {} cache_write {} reasoning {}",
                usage.prompt, usage.completion, usage.cached, usage.cache_write, usage.reasoning
            ),
            Event::Error(raw) => writeln!(text, "error {}", String::from_utf8_lossy(raw.bytes())),
        };
    }
    text
}

fn check(path: &Path, told: &str) {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let path = path.with_file_name(format!("{name}.events"));
    if std::env::var_os("YUMEN_BLESS").is_some() {
        std::fs::write(&path, told).unwrap();
    }
    let want = std::fs::read_to_string(&path).expect("a transcript has its .events");
    assert_eq!(told, want, "{}", path.display());
}

#[test]
fn streams_say_what_they_must() {
    for (vendor, path, content) in files("sse") {
        let (events, clean) = decode(vendor.speaks()[0], &[&content]);
        let end = if clean { "end\n" } else { "cut short\n" };
        check(&path, &(tell(&events) + end));
    }
}

#[test]
fn whole_replies_say_what_they_must() {
    for (vendor, path, content) in files("json") {
        let tape = scan(&content, &Limits::default()).unwrap();
        let root = Value::root(&tape, &content).unwrap();
        let dialect = vendor.speaks()[0];
        let mut events = Vec::new();
        dialect
            .decoder()
            .whole(&content, root, &mut events)
            .unwrap();
        check(&path, &tell(&events));
        let facts = dialect.read_reply(root);
        let usage = events.iter().find_map(|event| match event {
            Event::Usage(usage) => Some(*usage),
            _ => None,
        });
        assert_eq!(facts.usage, usage);
        assert!(facts.finish.is_some());
    }
}

#[test]
fn any_single_cut_says_the_same() {
    for (vendor, path, content) in files("sse") {
        let want = decode(vendor.speaks()[0], &[&content]);
        for cut in 0..=content.len() {
            let (before, after) = content.split_at(cut);
            let got = decode(vendor.speaks()[0], &[before, after]);
            assert_eq!(tell(&got.0), tell(&want.0), "{} at {cut}", path.display());
            assert_eq!(got.1, want.1);
        }
    }
}

proptest! {
    #[test]
    fn any_cuts_say_the_same(which in any::<prop::sample::Index>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let all = files("sse");
        let (vendor, _, content) = &all[which.index(all.len())];
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(content.len() + 1)).collect();
        cuts.extend([0, content.len()]);
        cuts.sort_unstable();
        let reads: Vec<&[u8]> = cuts.windows(2).map(|pair| &content[pair[0]..pair[1]]).collect();
        let dialect = vendor.speaks()[0];
        prop_assert_eq!(tell(&decode(dialect, &reads).0), tell(&decode(dialect, &[content]).0));
    }
}

#[test]
fn the_lens_sees_what_the_decoder_sees() {
    for (vendor, path, content) in files("sse") {
        let dialect = vendor.speaks()[0];
        let mut decoder = dialect.decoder();
        let (mut splitter, mut at) = (Splitter::new(sse::Limits::default()), 0);
        let mut tape = json::Tape::default();
        let (mut seen, mut said) = (0, 0);
        while let Some(event) = splitter.next(&content, &mut at).unwrap() {
            let mut facts = EventFacts::default();
            dialect.read_event(&event, &mut tape, &mut facts);
            let mut events = Vec::new();
            decoder.event(&event, &mut events).unwrap();
            let has = |test: fn(&Event) -> bool| events.iter().any(test);
            let error = has(|event| matches!(event, Event::Error(_)));
            assert_eq!(facts.error, error, "{}", path.display());
            assert_eq!(
                facts.usage.is_some() && !error,
                has(|event| matches!(event, Event::Usage(_)))
            );
            let finish = has(|event| matches!(event, Event::Finish { .. }));
            assert_eq!(facts.finish.is_some(), finish, "{}", path.display());
            // A decoder may wait with a piece, never make one up.
            let content = has(|event| {
                matches!(
                    event,
                    Event::Text { .. }
                        | Event::Reasoning { .. }
                        | Event::Refusal { .. }
                        | Event::ToolStart { .. }
                ) || matches!(event, Event::ToolArgs { piece, .. } if piece.bytes() != "{}")
            });
            assert!(facts.content || !content || finish, "{}", path.display());
            seen += facts.text_bytes;
            said += events.iter().map(Event::text_bytes).sum::<u64>();
            let data = event.data().unwrap_or_default();
            if facts.usage.is_some() {
                assert!(data[facts.usage_span].starts_with(b"{"));
            }
        }
        // How much that is is asked where replies are forwarded and their vendor does not count. A call's name is text too.
        if matches!(
            dialect.name(),
            "openai-chat" | "anthropic-messages" | "gemini"
        ) {
            let about = said / 2..=said * 2 + 40;
            assert!(about.contains(&seen), "{}: {seen}, {said}", path.display());
        }
    }
}

fn head_of_reply() -> ReplyHead {
    ReplyHead {
        request_id: "req-1".to_owned(),
        model: "asked".to_owned(),
        created: 7,
        usage_asked: true,
        echo: Bytes::new(),
        shape: wire::facts::Shape::default(),
        thoughts: true,
    }
}

/// What a reply means: pieces of one kind joined, ids made up left out.
fn meaning(events: &[Event]) -> String {
    let mut sums: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for line in tell(events).lines() {
        let mut words = line.splitn(3, ' ');
        let (kind, choice, rest) = (words.next(), words.next(), words.next());
        let (kind, choice, rest) = (
            kind.unwrap(),
            choice.unwrap_or_default(),
            rest.unwrap_or_default(),
        );
        match kind {
            // Other vendors' proofs are carried, not read.
            "start" | "error" | "proof" => {}
            "usage" => {
                sums.insert("usage".to_owned(), rest.to_owned());
            }
            "tool" => {
                let mut parts = rest.split(' ');
                let index = parts.next().unwrap_or_default();
                sums.entry(format!("tool {choice} {index}"))
                    .or_default()
                    .push_str(parts.next_back().unwrap_or_default());
            }
            "args" => {
                let (index, piece) = rest.split_once(' ').unwrap_or((rest, ""));
                sums.entry(format!("args {choice} {index}"))
                    .or_default()
                    .push_str(piece);
            }
            "logprobs" => {}
            _ => sums
                .entry(format!("{kind} {choice}"))
                .or_default()
                .push_str(rest),
        }
    }
    format!("{sums:#?}")
}

#[test]
fn what_we_write_means_the_same() {
    for (vendor, path, content) in files("sse") {
        let (events, clean) = decode(vendor.speaks()[0], &[&content]);
        if !clean || tell(&events).contains("error") {
            continue;
        }
        let mut encoder = OpenAiChat.encoder(head_of_reply());
        let mut out = Rope::new();
        for pair in events.chunks(2) {
            encoder.events(pair, &mut out).unwrap();
        }
        encoder.end(&mut out);
        let stream = out.into_bytes();
        strict_stream(&stream);
        let (again, clean) = decode(&OpenAiChat, &[&stream]);
        assert!(clean);
        assert_eq!(meaning(&again), meaning(&events), "{}", path.display());
        let whole = OpenAiChat
            .encoder(head_of_reply())
            .whole(&events)
            .into_bytes();
        let tape = scan(&whole, &Limits::default()).unwrap();
        let mut again = Vec::new();
        let root = Value::root(&tape, &whole).unwrap();
        OpenAiChat
            .decoder()
            .whole(&whole, root, &mut again)
            .unwrap();
        assert_eq!(meaning(&again), meaning(&events), "{}", path.display());
    }
}

/// The stream grammar and what the official SDK asks for: `dialects/openai-chat.md`, sections 3 and 4.
fn strict_stream(stream: &[u8]) {
    let text = std::str::from_utf8(stream).unwrap();
    let events: Vec<&str> = text
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .collect();
    assert_eq!(events.last(), Some(&"data: [DONE]"));
    let mut roles = std::collections::BTreeMap::new();
    let mut calls = std::collections::BTreeMap::<u64, u64>::new();
    let mut ids = std::collections::BTreeSet::new();
    let chunks = &events[..events.len() - 1];
    for (at, event) in chunks.iter().enumerate() {
        let chunk: serde_json::Value =
            serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(chunk["object"], "chat.completion.chunk");
        ids.insert(chunk["id"].as_str().unwrap().to_owned());
        assert_eq!(chunk["model"], "asked");
        assert!(chunk["created"].as_i64().unwrap() > 0);
        let choices = chunk["choices"].as_array().unwrap();
        assert_eq!(choices.is_empty(), !chunk["usage"].is_null());
        assert!(!choices.is_empty() || at == chunks.len() - 1);
        for choice in choices {
            let index = choice["index"].as_u64().unwrap();
            let delta = choice["delta"].as_object().unwrap();
            let first = roles.insert(index, ()).is_none();
            assert_eq!(
                first,
                delta.get("role").is_some_and(|role| role == "assistant")
            );
            assert!(choice["finish_reason"].is_null() || delta.is_empty());
            for call in delta
                .get("tool_calls")
                .and_then(|calls| calls.as_array())
                .into_iter()
                .flatten()
            {
                let number = call["index"].as_u64().unwrap();
                let known = calls.entry(index).or_default();
                let new = number == *known;
                assert!(number <= *known, "an index is skipped");
                assert_eq!(
                    new,
                    call.get("id").is_some() && call["function"].get("name").is_some()
                );
                *known += u64::from(new);
            }
        }
    }
    assert_eq!(ids.len(), 1);
}

#[test]
fn errors_become_the_faults_they_must() {
    for (vendor, path, content) in files("jsonl") {
        for line in std::str::from_utf8(&content).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let body = Bytes::from(row["body"].to_string());
            let tape = scan(&body, &Limits::default()).unwrap();
            let root = Value::root(&tape, &body).filter(|_| row["body"].is_object());
            let headers = wire::Headers::new();
            let head = Head {
                status: u16::try_from(row["status"].as_u64().unwrap()).unwrap(),
                headers: &headers,
                now_ms: 0,
            };
            let told = vendor.fault(&head, root).map(|fault| {
                let retry = match fault.retry_advice() {
                    Retry::No => "No",
                    Retry::NextTarget => "NextTarget",
                    Retry::FreshCredential => "FreshCredential",
                };
                assert!(!matches!(fault.http_status(), 401 | 403));
                // Nothing of the vendor's sentence comes near the client.
                let shown =
                    String::from_utf8(OpenAiChat.refusal(&fault, "req-1").body.to_vec()).unwrap();
                let words = row["body"]["error"]["message"]
                    .as_str()
                    .filter(|words| words.len() > 3);
                assert!(words.is_none_or(|words| !shown.contains(words)), "{shown}");
                format!(
                    "{} {} {} {retry}",
                    fault.http_status(),
                    fault.public_code().as_str(),
                    fault.why()
                )
            });
            assert_eq!(
                told.as_deref(),
                row["want"].as_str(),
                "{}: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn replies_without_an_error_are_no_fault() {
    let headers = wire::Headers::new();
    for (vendor, path, content) in files("json") {
        let tape = scan(&content, &Limits::default()).unwrap();
        let head = Head {
            status: 200,
            headers: &headers,
            now_ms: 0,
        };
        let fault = vendor.fault(&head, Value::root(&tape, &content));
        assert!(fault.is_none(), "{}: {fault:?}", path.display());
    }
}

#[test]
fn the_registry_is_sound() {
    let mut names: Vec<&str> = VENDORS.iter().map(|vendor| vendor.info().name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), VENDORS.len());
    for one in VENDORS {
        assert!(vendor(one.info().name).is_some() && !one.speaks().is_empty());
        assert!(
            one.info()
                .default_base_url
                .is_none_or(|url| !url.ends_with('/'))
        );
    }
    assert!(vendor("nobody").is_none());
}

#[test]
fn fuzz_bodies_over_the_corpus() {
    let requests = [
        r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:,"}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","temperature":0,"stop":"x","n":2,"user":"u","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}},"x":1,"store":true,"stream":true}"#,
        r#"{"model":"m","messages":[{"role":"assistant","content":"hi"},{"role":"user","content":" "}],"functions":[{"name":"f"}],"function_call":{"name":"f"},"max_completion_tokens":1,"max_tokens":3,"presence_penalty":1.5,"tools":[]}"#,
    ];
    for request in requests {
        fuzz::fuzz_request(request.as_bytes());
    }
    for extension in ["sse", "json"] {
        for (_, _, content) in files(extension) {
            for cut in (0..content.len()).step_by(7) {
                let mut bent = content[..cut].to_vec();
                bent.extend_from_slice(b"\n\n");
                fuzz::fuzz_stream(&bent);
            }
            fuzz::fuzz_stream(&content);
            fuzz::fuzz_reply(&content);
        }
    }
}

proptest! {
    #[test]
    fn bent_transcripts_break_nothing(which in any::<prop::sample::Index>(), bends in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut all = files("sse");
        all.extend(files("json"));
        let mut content = all[which.index(all.len())].2.to_vec();
        for (at, byte) in bends {
            let at = at.index(content.len());
            content[at] = byte;
        }
        fuzz::fuzz_stream(&content);
        fuzz::fuzz_reply(&content);
        fuzz::fuzz_request(&content);
    }
}
