//! Work grows with what is sent, not with its square: the shapes of bodies and replies for which it once did.

use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use wire::canon::{Event, Part, Request, Role, Str, ToolCall, Turn};
use wire::json::{Limits, scan};

use crate::dialect::{ClientDialect, Dialect, DialectId, Lossy, ReplyHead};
use crate::dialects::{
    anthropic::Anthropic, converse::Converse, gemini::Gemini, responses::Responses,
    wenxin_v1::WenxinV1,
};
use crate::places::{Asked, Asks};
use crate::quirks::PLAIN;
use crate::vendor::Call;

/// How much larger the large one is.
const TIMES: usize = 16;
/// Far from [`TIMES`], and far enough from 1 for a busy machine.
const MOST: u32 = 4;

/// Pairs that are timed: a busy machine may slow one.
const TRIES: usize = 6;

/// Checks that one `work` of [`TIMES`] the size takes no longer than as many of the size, but for a little.
fn linear(what: &str, size: usize, work: impl Fn(usize)) {
    let time = |times: usize, size: usize| {
        let begin = Instant::now();
        for _ in 0..times {
            work(size);
        }
        begin.elapsed()
    };
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let (many, large) = (time(TIMES, size), time(1, size * TIMES));
        if large < many * MOST {
            return;
        }
        seen.push((many, large));
    }
    panic!("{what}: as many and one large one took {seen:?}");
}

fn call(dialect: DialectId) -> Call<'static> {
    Call {
        model: "m",
        stream: false,
        dialect,
        asks: Asks::Reply,
        multimodal: false,
        cap: None,
        request_id: "req-1",
        now_ms: 0,
        token: None,
        host: "",
        base_path: "",
    }
}

/// Scanned once; then read as often as it is asked for.
fn reading(client: &dyn ClientDialect, body: &Json) {
    let body = Bytes::from(body.to_string());
    let limits = Limits {
        tokens: 1 << 22,
        elements: 1 << 20,
        ..Limits::default()
    };
    let tape = scan(&body, &limits).unwrap();
    let asked = Asked {
        model: "m".into(),
        ..Asked::at(&client.endpoints()[0])
    };
    let facts = client.read_request(&body, tape, &asked).unwrap();
    let contents = client.contents(&body, &facts);
    assert!(!contents.texts.is_empty());
    client.decode_request(&body, &facts).unwrap();
}

fn rows(count: usize, row: impl Fn(usize) -> Json) -> Json {
    (0..count).map(row).collect::<Vec<_>>().into()
}

#[test]
fn files_of_text_are_read_in_one_pass() {
    linear("parts", 250, |count| {
        let file = json!({"inlineData":{"mimeType":"text/plain","data":"YQ=="}});
        reading(
            &Gemini,
            &json!({"contents":[{"parts":rows(count, |_| file.clone())}]}),
        );
    });
    linear("a result's parts", 500, |count| {
        let file = json!({"inlineData":{"mimeType":"text/plain","data":"YQ=="}});
        let result = json!({"name":"f","parts":rows(count, |_| file.clone())});
        reading(
            &Gemini,
            &json!({"contents":[{"parts":[{"functionResponse":result}]}]}),
        );
    });
    linear("a document's blocks", 500, |count| {
        let file = json!({"type":"document","source":{"type":"base64","media_type":"text/plain","data":"YQ=="}});
        let result =
            json!({"type":"tool_result","tool_use_id":"c","content":rows(count, |_| file.clone())});
        reading(
            &Anthropic,
            &json!({"model":"m","max_tokens":1,"messages":[{"role":"user","content":[result]}]}),
        );
    });
}

#[test]
fn results_find_their_calls_at_once() {
    // No result has an id, and all calls have the same name.
    linear("results by name", 250, |count| {
        let calls = rows(count, |_| json!({"functionCall":{"name":"f"}}));
        let results = rows(count, |_| json!({"functionResponse":{"name":"f"}}));
        reading(
            &Gemini,
            &json!({"contents":[{"role":"model","parts":calls},{"parts":results}]}),
        );
    });
    for (name, dialect) in [
        ("gemini", &Gemini as &dyn Dialect),
        ("converse", &Converse),
        ("wenxin", &WenxinV1),
    ] {
        linear(name, 250, |count| {
            let text = Part::Text(Str::from_raw("a"));
            let mut said = Turn::new(Role::Assistant);
            let mut turns = vec![Turn::new(Role::User)];
            turns[0].parts.push(text.clone());
            let id = |at: usize| Str::escaped(&format!("call_{at:08}"));
            said.calls = (0..count)
                .map(|at| ToolCall {
                    id: id(at),
                    name: id(at),
                    arguments: Str::from_raw("{}"),
                })
                .collect();
            turns.push(said);
            turns.extend((0..count).rev().map(|at| {
                let mut result = Turn::new(Role::Tool);
                result.call_id = Some(id(at));
                result.parts.push(text.clone());
                result
            }));
            let request = Request {
                turns,
                ..Request::default()
            };
            let call = call(dialect.id());
            let made = dialect.encode_request(&request, &call, &PLAIN, Lossy::Drop);
            assert!(!made.unwrap().body.is_empty());
        });
    }
}

fn writer() -> Box<dyn crate::Encoder> {
    Responses.encoder(ReplyHead {
        request_id: "req-1".to_owned(),
        model: "m".to_owned(),
        created: 1,
        usage_asked: true,
        thoughts: true,
        echo: Bytes::new(),
        shape: wire::facts::Shape::default(),
    })
}

/// A call whose arguments never end stays open while others come and go.
#[test]
fn calls_that_stay_open_are_not_read_again() {
    linear("calls", 100, |count| {
        let start = |index| Event::ToolStart {
            choice: 0,
            index,
            id: Str::from_raw("c"),
            name: Str::from_raw("f"),
        };
        let args = |index, piece: String| Event::ToolArgs {
            choice: 0,
            index,
            piece: Str::from_raw(piece),
        };
        let mut events = vec![start(0), args(0, "[".repeat(count * 64))];
        for index in 1..u32::try_from(count).unwrap() {
            events.extend([start(index), args(index, "{}".to_owned())]);
        }
        let mut out = wire::Rope::new();
        writer().events(&events, &mut out).unwrap();
    });
}

/// A stream that begins items without end is ended; a whole reply is bounded already.
#[test]
fn items_of_a_stream_are_bounded() {
    let mut events = Vec::new();
    for at in 0..10_000u32 {
        let (choice, text) = (0, Str::from_raw("a"));
        events.push(match at % 2 {
            0 => Event::Text { choice, text },
            _ => Event::Refusal { choice, text },
        });
    }
    let mut out = wire::Rope::new();
    let fault = writer().events(&events, &mut out).unwrap_err();
    assert_eq!(fault.why(), "reply_too_large");
    let whole = writer().whole(&events).into_bytes();
    let whole: Json = serde_json::from_slice(&whole).unwrap();
    assert_eq!(
        whole["output"][0]["content"].as_array().unwrap().len(),
        10_000
    );
}

/// A reply with calls without end is no reply.
#[test]
fn calls_of_a_reply_are_bounded() {
    let calls = |count: usize, one: &Json| rows(count, |_| one.clone());
    let anthropic = |count| json!({"type":"message","role":"assistant","content":calls(count, &json!({"type":"tool_use","id":"c","name":"f","input":{}})),"stop_reason":"tool_use"});
    let converse = |count| json!({"output":{"message":{"content":calls(count, &json!({"toolUse":{"toolUseId":"c","name":"f","input":{}}}))}},"stopReason":"tool_use"});
    for (count, fits) in [(1024, true), (1025, false)] {
        for (dialect, reply) in [
            (&Anthropic as &dyn Dialect, anthropic(count)),
            (&Converse, converse(count)),
        ] {
            let body = Bytes::from(reply.to_string());
            let tape = scan(&body, &Limits::default()).unwrap();
            let root = wire::json::Value::root(&tape, &body).unwrap();
            let read = dialect.decoder().whole(&body, root, &mut Vec::new());
            assert_eq!(read.is_ok(), fits, "{} of {count}", dialect.name());
        }
    }
}
