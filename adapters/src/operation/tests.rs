//! What vendors are asked, and what is read of their replies, against bodies written by hand from their documents.

use bytes::Bytes;
use serde_json::{Value as Tree, json};
use wire::json::{Limits, Value, scan};
use wire::operation::Work;

use crate::dialect::{ClientDialect as _, Lossy, ReplyHead};
use crate::dialects::openai_chat::OpenAiChat;
use crate::places::{Asked, Asks};
use crate::{Operation, vendor};

fn endpoint(asks: Asks) -> Asked {
    let mut all = OpenAiChat.endpoints().iter();
    Asked::at(all.find(|one| one.asks == asks).unwrap())
}

fn work(asks: Asks, body: &Tree) -> Result<Work, wire::Fault> {
    let body = Bytes::from(body.to_string());
    let tape = scan(&body, &Limits::default()).unwrap();
    let facts = OpenAiChat.read_request(&body, tape, &endpoint(asks))?;
    OpenAiChat.decode_work(&body, &facts, &endpoint(asks))
}

fn operation(name: &str, asks: Asks, model: &str) -> &'static Operation {
    vendor(name).unwrap().operation(asks, model).unwrap()
}

/// What a vendor is asked for this.
fn asked(name: &str, asks: Asks, body: &Tree) -> Tree {
    let operation = operation(name, asks, "m");
    let written = operation
        .form
        .unwrap()
        .write(&work(asks, body).unwrap(), "m");
    serde_json::from_slice(&written.unwrap().into_bytes()).unwrap()
}

/// What a client of OpenAI's hears of a vendor's reply to `body`.
fn answered(name: &str, asks: Asks, body: &Tree, reply: &Tree) -> Option<Tree> {
    let work = work(asks, body).unwrap();
    let bytes = Bytes::from(reply.to_string());
    let tape = scan(&bytes, &Limits::default()).unwrap();
    let root = Value::root(&tape, &bytes).unwrap();
    let reply = operation(name, asks, "m").read(&work, &bytes, root).ok()?;
    let head = ReplyHead {
        request_id: "req-1".into(),
        model: "mine".into(),
        created: 0,
        usage_asked: false,
        echo: bytes::Bytes::new(),
        shape: wire::facts::Shape::default(),
        thoughts: false,
    };
    let written = OpenAiChat.encode_done(&work, &reply, &head).unwrap();
    Some(serde_json::from_slice(&written.into_bytes()).unwrap())
}

#[test]
fn vectors_are_asked_for_in_each_vendors_way() {
    let body = json!({"model": "x", "input": ["a\n\"", "你"], "dimensions": 256, "user": "u-1", "input_type": "query"});
    for (name, want) in [
        (
            "openai",
            json!({"model": "m", "input": ["a\n\"", "你"], "dimensions": 256, "user": "u-1"}),
        ),
        (
            "glm",
            json!({"model": "m", "input": ["a\n\"", "你"], "dimensions": 256}),
        ),
        ("wenxin", json!({"model": "m", "input": ["a\n\"", "你"]})),
        ("wenxin-v1", json!({"input": ["a\n\"", "你"]})),
        (
            "mistral",
            json!({"model": "m", "input": ["a\n\"", "你"], "output_dimension": 256}),
        ),
        (
            "tongyi",
            json!({"model": "m", "input": {"texts": ["a\n\"", "你"]}, "parameters": {"text_type": "query", "dimension": 256}}),
        ),
        (
            "minimax",
            json!({"model": "m", "texts": ["a\n\"", "你"], "type": "query"}),
        ),
    ] {
        assert_eq!(asked(name, Asks::Embed, &body), want, "{name}");
    }
    let one = json!({"model": "x", "input": "a", "encoding_format": "base64"});
    let want = json!({"model": "m", "input": ["a"], "encoding_format": "base64"});
    assert_eq!(asked("openai", Asks::Embed, &one), want);
    // Who has no base64 is not asked for it.
    let want = json!({"model": "m", "input": ["a"]});
    assert_eq!(asked("glm", Asks::Embed, &one), want);
}

#[test]
fn every_vendors_vectors_are_read() {
    let body = json!({"model": "x", "input": ["a", "b"], "encoding_format": "base64"});
    let usage = json!({"prompt_tokens": 5, "total_tokens": 5});
    let (one, two) = (json!([1.0, -2.0, 0.5]), json!([0.5]));
    let openai = json!({"object": "list", "data": [
        {"object": "embedding", "index": 1, "embedding": two},
        {"object": "embedding", "index": 0, "embedding": one},
    ], "model": "m", "usage": usage});
    let coded = json!({"data": [{"embedding": "AACAPwAAAMAAAAA/"}, {"embedding": "AAAAPw=="}], "usage": usage});
    for (name, reply) in [
        ("openai", &openai),
        ("wenxin-v1", &openai),
        ("openai", &coded),
        (
            "tongyi",
            &json!({"output": {"embeddings": [{"text_index": 0, "embedding": one}, {"text_index": 1, "embedding": two}]}, "usage": {"total_tokens": 5}, "request_id": "r"}),
        ),
        (
            "minimax",
            &json!({"vectors": [one, two], "total_tokens": 5, "base_resp": {"status_code": 0}}),
        ),
        (
            "sensenova-native",
            &json!({"embeddings": [{"index": 0, "embedding": one, "status_code": 0}, {"index": 1, "embedding": two, "status_code": 0}], "usage": usage}),
        ),
    ] {
        let want = json!({"object": "list", "data": [
            {"object": "embedding", "index": 0, "embedding": "AACAPwAAAMAAAAA/"},
            {"object": "embedding", "index": 1, "embedding": "AAAAPw=="},
        ], "model": "mine", "usage": usage});
        let got = answered(name, Asks::Embed, &body, reply);
        assert_eq!(got, Some(want), "{name}");
    }
    for reply in [
        json!({}),
        json!({"data": []}),
        json!({"data": [{"index": 0, "embedding": one}]}),
        json!({"data": [{"index": 0, "embedding": one}, {"index": 0, "embedding": one}]}),
        json!({"data": [{"index": 0, "embedding": one}, {"index": 2, "embedding": one}]}),
        json!({"data": [{"embedding": one}, {"embedding": 1}]}),
        json!({"data": {"embedding": one}}),
    ] {
        assert_eq!(
            answered("openai", Asks::Embed, &body, &reply),
            None,
            "{reply}"
        );
    }
}

#[test]
fn orders_are_asked_for_in_each_vendors_way() {
    let body = json!({"model": "x", "query": "q", "documents": ["a", {"text": "b"}], "top_k": 5, "return_documents": true, "max_tokens_per_doc": 9, "instruct": "i"});
    for (name, want) in [
        (
            "openai-compatible",
            json!({"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 2, "return_documents": false}),
        ),
        (
            "cohere",
            json!({"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 2, "max_tokens_per_doc": 9}),
        ),
        (
            "sglang",
            json!({"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 2, "return_documents": false, "instruct": "i"}),
        ),
        (
            "tongyi",
            json!({"model": "m", "input": {"query": "q", "documents": ["a", "b"]}, "parameters": {"top_n": 2, "return_documents": false, "instruct": "i"}}),
        ),
        (
            "wenxin-v1",
            json!({"query": "q", "documents": ["a", "b"], "top_n": 2}),
        ),
    ] {
        assert_eq!(asked(name, Asks::Rerank, &body), want, "{name}");
    }
}

#[test]
fn every_vendors_order_is_read() {
    let body = json!({"model": "x", "query": "q", "documents": ["a", "b", "c"], "return_documents": true, "top_n": 2});
    let rows = json!([{"index": 0, "relevance_score": 0.1}, {"index": 2, "relevance_score": 0.98, "document": {"text": "a forged one"}}]);
    let results = |usage: u64| {
        json!({"id": "rr-req-1", "model": "mine", "results": [
            {"index": 2, "relevance_score": 0.98, "document": {"text": "c"}},
            {"index": 0, "relevance_score": 0.1, "document": {"text": "a"}},
        ], "usage": {"prompt_tokens": usage, "total_tokens": usage}, "meta": {"tokens": {"input_tokens": usage, "output_tokens": 0}}})
    };
    for (name, reply, usage) in [
        (
            "vllm",
            json!({"id": "r", "results": rows, "usage": {"prompt_tokens": 7, "total_tokens": 7}}),
            7,
        ),
        (
            "wenxin",
            json!({"results": rows, "prompt_tokens": 7, "total_tokens": 7}),
            7,
        ),
        (
            "xinference",
            json!({"results": rows, "meta": {"tokens": {"input_tokens": 7, "output_tokens": null}}}),
            7,
        ),
        (
            "cohere",
            json!({"results": rows, "meta": {"billed_units": {"search_units": 1}}}),
            0,
        ),
        (
            "sglang",
            json!([{"score": 0.98, "document": "x", "index": 2, "meta_info": null}, {"score": 0.1, "index": 0}]),
            0,
        ),
        (
            "tongyi",
            json!({"output": {"results": rows}, "usage": {"total_tokens": 7}}),
            7,
        ),
    ] {
        let got = answered(name, Asks::Rerank, &body, &reply);
        assert_eq!(got, Some(results(usage)), "{name}");
    }
    for reply in [
        json!({"results": []}),
        json!({"results": [{"index": 0, "relevance_score": 1}]}),
        json!({"results": [{"index": 0, "relevance_score": 1}, {"index": 0, "relevance_score": 1}]}),
        json!({"results": [{"index": 0, "relevance_score": 1}, {"index": 3, "relevance_score": 1}]}),
        json!({"results": [{"index": 0, "relevance_score": 1}, {"index": 1, "relevance_score": "x"}]}),
        json!({"results": [{"index": 0}, {"index": 1, "relevance_score": 0}]}),
    ] {
        assert_eq!(
            answered("vllm", Asks::Rerank, &body, &reply),
            None,
            "{reply}"
        );
    }
}

#[test]
fn what_is_no_request_is_told_by_its_field() {
    let many = json!(vec!["x"; 2049]);
    for (asks, body, field) in [
        (Asks::Embed, json!({"model": "x"}), "input"),
        (Asks::Embed, json!({"input": "a"}), "model"),
        (Asks::Embed, json!({"model": "x", "input": ""}), "input"),
        (Asks::Embed, json!({"model": "x", "input": []}), "input"),
        (
            Asks::Embed,
            json!({"model": "x", "input": ["a", 1]}),
            "input",
        ),
        (
            Asks::Embed,
            json!({"model": "x", "input": ["a", ""]}),
            "input",
        ),
        (
            Asks::Embed,
            json!({"model": "x", "input": [1, "a"]}),
            "input",
        ),
        (
            Asks::Embed,
            json!({"model": "x", "input": [[1], []]}),
            "input",
        ),
        // No token has such a number; a telephone has.
        (
            Asks::Embed,
            json!({"model": "x", "input": [13_800_138_000_u64]}),
            "input",
        ),
        (Asks::Embed, json!({"model": "x", "input": many}), "input"),
        (
            Asks::Embed,
            json!({"model": "x", "input": "a", "dimensions": 0}),
            "dimensions",
        ),
        (
            Asks::Embed,
            json!({"model": "x", "input": "a", "encoding_format": "hex"}),
            "encoding_format",
        ),
        (
            Asks::Embed,
            json!({"model": "x", "input": "a", "stream": true}),
            "stream",
        ),
        (
            Asks::Embed,
            json!({"model": "x", "input": "a", "Input": "b"}),
            "input",
        ),
        (
            Asks::Embed,
            json!({"model": "x", "input": "a", "api_base": "b"}),
            "api_base",
        ),
        (
            Asks::Rerank,
            json!({"model": "x", "query": "q"}),
            "documents",
        ),
        (
            Asks::Rerank,
            json!({"model": "x", "query": "", "documents": ["a"]}),
            "query",
        ),
        (
            Asks::Rerank,
            json!({"model": "x", "query": "q", "documents": []}),
            "documents",
        ),
        (
            Asks::Rerank,
            json!({"model": "x", "query": "q", "documents": [1]}),
            "documents",
        ),
        (
            Asks::Rerank,
            json!({"model": "x", "query": "q", "documents": [{"image": "a"}]}),
            "documents",
        ),
        (
            Asks::Rerank,
            json!({"model": "x", "query": "q", "documents": ["a"], "top_n": -1}),
            "top_n",
        ),
    ] {
        let fault = work(asks, &body).unwrap_err();
        assert_eq!(fault.field(), Some(field), "{body}");
    }
}

#[test]
fn losses_are_told_or_refused() {
    let body = json!({"model": "x", "input": "a", "dimensions": 8, "user": "u"});
    let work = work(Asks::Embed, &body).unwrap();
    let plain = operation("wenxin", Asks::Embed, "m");
    assert_eq!(
        plain.losses(&work, Lossy::Hints).unwrap_err().field(),
        Some("dimensions")
    );
    assert_eq!(
        plain.losses(&work, Lossy::Drop).unwrap()[..],
        ["dimensions", "user"]
    );
    let whole = operation("openai", Asks::Embed, "m");
    assert!(whole.losses(&work, Lossy::Refuse).unwrap().is_empty());
}

#[test]
fn every_operation_has_a_place_and_a_bound() {
    let mut count = 0;
    for vendor in crate::VENDORS {
        for asks in [Asks::Embed, Asks::Rerank] {
            for model in ["m", "text-embedding-v2", "tao-8k"] {
                let Some(operation) = vendor.operation(asks, model) else {
                    continue;
                };
                count += 1;
                let name = vendor.info().name;
                assert!(
                    operation.asks == asks && operation.path.starts_with('/'),
                    "{name}"
                );
                assert!(operation.most >= 1, "{name}");
            }
        }
        assert!(vendor.operation(Asks::Reply, "m").is_none());
    }
    assert!(count > 60, "{count}");
    assert_eq!(
        operation("tongyi", Asks::Embed, "text-embedding-v2").most,
        25
    );
    assert_eq!(
        operation("tongyi", Asks::Embed, "text-embedding-v4").most,
        10
    );
}

/// Requests and replies with a few bytes changed: nothing panics, and what is written is JSON.
#[test]
fn nothing_breaks_on_bytes_that_went_wrong() {
    let samples: [&str; 7] = [
        r#"{"model":"m","input":["a",[1]],"dimensions":3,"encoding_format":"base64"}"#,
        r#"{"model":"m","query":"q","documents":["a",{"text":"b"}],"top_n":1}"#,
        r#"{"model":"m","prompt":"p","n":2,"size":"16x9","response_format":"url"}"#,
        r#"{"data":[{"index":0,"embedding":"AACAPw=="}],"usage":{"prompt_tokens":1}}"#,
        r#"{"data":[{"index":0,"embedding":[1.5,2e9]}],"vectors":[[1]],"embeddings":[]}"#,
        r#"{"results":[{"index":0,"relevance_score":0.5}],"meta":{"tokens":{"input_tokens":1}}}"#,
        r#"{"output":{"task_id":"a","task_status":"PENDING","results":[{"url":"u"}]},"data":{"image_urls":["u"]}}"#,
    ];
    let swaps = b"\"{],0x";
    for sample in samples {
        for at in (0..sample.len()).step_by(3) {
            for swap in swaps {
                let mut bytes = sample.as_bytes().to_vec();
                bytes[at] = *swap;
                crate::fuzz::fuzz_request(&bytes);
                crate::fuzz::fuzz_reply(&bytes);
            }
        }
    }
}
