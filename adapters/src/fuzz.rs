//! Bodies of fuzz targets: plain functions over any bytes, run over the corpus by the tests and at length by a fuzzer.
//!
//! They may do nothing but return: whatever the bytes are, nothing panics, and what is written is valid JSON.

use bytes::Bytes;
use wire::facts::EventFacts;
use wire::json::{self, Value};
use wire::operation::{Embed, Input, Picture, Rerank, Work};
use wire::sse::{Limits, Splitter};
use wire::{Kind, canon};

use crate::dialect::{ClientDialect as _, DialectId, Lossy, ReplyHead};
use crate::dialects::openai_chat::OpenAiChat;
use crate::places::{Asked, Asks};
use crate::vendor::{Call, Head};

/// A stream: every dialect's lens and decoder, and the encoder behind them.
pub fn fuzz_stream(data: &[u8]) {
    for dialect in crate::DIALECTS {
        let mut splitter = Splitter::new(Limits::default());
        let (mut at, mut tape) = (0, json::Tape::default());
        let mut decoder = dialect.decoder();
        let mut events = Vec::new();
        while let Ok(Some(event)) = splitter.next(data, &mut at) {
            let mut facts = EventFacts::default();
            dialect.read_event(&event, &mut tape, &mut facts);
            let length = event.data().map_or(event.raw.len(), |data| data.len());
            debug_assert!(facts.usage_span.end <= length, "a span outside its event");
            if decoder.event(&event, &mut events).is_err() {
                break;
            }
        }
        let _ = decoder.end(&mut events);
        write(&events);
    }
}

/// A whole reply: every dialect's lens and decoder, every vendor's reading of it as an error.
pub fn fuzz_reply(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let Ok(tape) = json::scan(&body, &json::Limits::default()) else {
        return;
    };
    let Some(root) = Value::root(&tape, &body) else {
        return;
    };
    for dialect in crate::DIALECTS {
        let _ = dialect.read_reply(root);
        let mut events = Vec::new();
        let _ = dialect.decoder().whole(&body, root, &mut events);
        write(&events);
    }
    fuzz_done(&body, root);
    let headers = wire::Headers::new();
    for vendor in crate::VENDORS {
        for status in [200, 400, 429, 500] {
            let head = Head {
                status,
                headers: &headers,
                now_ms: 0,
            };
            let _ = vendor.fault(&head, Some(root));
        }
    }
}

/// A request: every client dialect's lens and edits for every vendor, and the translation to every dialect.
pub fn fuzz_request(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    fuzz_work(&body);
    for client in crate::CLIENT_DIALECTS {
        let Ok(tape) = json::scan(&body, &json::Limits::default()) else {
            return;
        };
        let Some(endpoint) = client.endpoints().first() else {
            continue;
        };
        let asked = Asked {
            model: "m".into(),
            ..Asked::at(endpoint)
        };
        let Ok(facts) = client.read_request(&body, tape, &asked) else {
            continue;
        };
        for vendor in crate::VENDORS {
            let quirks = vendor.quirks("qwen3-8b");
            for dialect in vendor.speaks() {
                let call = call(dialect.id());
                if dialect.id() == client.id() {
                    let made = client.forward(&body, &facts, &call, quirks, Lossy::Drop);
                    must_be_json(made.map(|made| made.edits.apply(&body)));
                }
                let Ok(request) = client.decode_request(&body, &facts) else {
                    continue;
                };
                let made = dialect.encode_request(&request, &call, quirks, Lossy::Drop);
                must_be_json(made.map(|made| made.body));
            }
        }
    }
}

/// What is no chat: every client dialect's reading of it, every vendor's form.
fn fuzz_work(body: &Bytes) {
    for client in crate::CLIENT_DIALECTS {
        for endpoint in client.endpoints() {
            let Ok(tape) = json::scan(body, &json::Limits::default()) else {
                return;
            };
            let asked = Asked {
                model: "m".into(),
                ..Asked::at(endpoint)
            };
            let asks = endpoint.asks;
            if !asks.is_work() && asks != Asks::Image {
                continue;
            }
            let Ok(facts) = client.read_request(body, tape, &asked) else {
                continue;
            };
            let _ = client.contents(body, &facts);
            let Ok(work) = client.decode_work(body, &facts, &asked) else {
                continue;
            };
            for vendor in crate::VENDORS {
                let operation = vendor.operation(asks, "m");
                let Some((operation, form)) = operation.and_then(|one| Some((one, one.form?)))
                else {
                    continue;
                };
                for part in work.parts(operation.most) {
                    must_be_json(form.write(&part, "m"));
                }
            }
        }
    }
}

/// A reply to such a request, as every form reads it.
fn fuzz_done(body: &Bytes, root: Value<'_>) {
    let works = [
        Work::Embed(Embed {
            inputs: vec![Input::Text(canon::Str::escaped("x"))],
            base64: true,
            ..Embed::default()
        }),
        Work::Rerank(Rerank {
            documents: vec![canon::Str::escaped("x")],
            echo: true,
            ..Rerank::default()
        }),
        Work::Image(Picture::default()),
    ];
    for work in works {
        for vendor in crate::VENDORS {
            for asks in [Asks::Embed, Asks::Rerank, Asks::Image] {
                let operation = vendor.operation(asks, "m");
                let Some((operation, form)) = operation.and_then(|one| Some((one, one.form?)))
                else {
                    continue;
                };
                let _ = form.state(root);
                let Ok(reply) = operation.read(&work, body, root) else {
                    continue;
                };
                if let Ok(written) = OpenAiChat.encode_done(&work, &reply, &head()) {
                    must_be_json(Ok(written));
                }
            }
        }
    }
}

fn call(dialect: DialectId) -> Call<'static> {
    Call {
        model: "qwen3-8b",
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

fn head() -> ReplyHead {
    ReplyHead {
        request_id: "req-1".to_owned(),
        model: "m".to_owned(),
        created: 1,
        usage_asked: true,
        thoughts: true,
        echo: Bytes::new(),
        shape: wire::facts::Shape::default(),
    }
}

fn write(events: &[canon::Event]) {
    for client in crate::CLIENT_DIALECTS {
        must_be_json(Ok(client.encoder(head()).whole(events)));
        let mut out = wire::Rope::new();
        let mut encoder = client.encoder(head());
        let _ = encoder.events(events, &mut out);
        encoder.end(&mut out);
    }
}

fn must_be_json(made: Result<wire::Rope, wire::Fault>) {
    let limits = json::Limits {
        depth: 128,
        tokens: 1 << 22,
        elements: 1 << 20,
        ..json::Limits::default()
    };
    match made {
        Ok(rope) => assert!(
            json::scan(&rope.into_bytes(), &limits).is_ok(),
            "what was written is not JSON"
        ),
        Err(fault) => assert!(fault.kind() != Kind::Bug, "an error of ours: {fault:?}"),
    }
}
