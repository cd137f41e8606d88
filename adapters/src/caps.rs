//! What a budget has left of a reply is told to the vendor in every dialect, and bounds all of the reply.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use wire::json::{Limits, scan};

use crate::dialect::{ClientDialect, DialectId, Dropped, Lossy};
use crate::dialects::{
    completions::Completions, dashscope::DashScope, gemini::Gemini, openai_chat::OpenAiChat,
    responses::Responses,
};
use crate::places::{Asked, Asks};
use crate::quirks::PLAIN;
use crate::vendor;
use crate::vendor::Call;

fn call(dialect: DialectId, cap: u64) -> Call<'static> {
    Call {
        model: "m",
        stream: false,
        dialect,
        asks: Asks::Reply,
        multimodal: false,
        cap: Some(cap),
        request_id: "req-1",
        now_ms: 0,
        token: None,
        host: "",
        base_path: "",
    }
}

fn forwarded(client: &dyn ClientDialect, body: &Json) -> Json {
    let body = Bytes::from(body.to_string());
    let tape = scan(&body, &Limits::default()).unwrap();
    let asked = Asked {
        model: "m".into(),
        ..Asked::at(&client.endpoints()[0])
    };
    let facts = client.read_request(&body, tape, &asked).unwrap();
    let call = call(client.id(), 9);
    let made = client.forward(&body, &facts, &call, &PLAIN, Lossy::Hints);
    let made = made.unwrap().edits.apply(&body).into_bytes();
    scan(&made, &Limits::default()).unwrap();
    serde_json::from_slice(&made).unwrap()
}

#[test]
fn who_speaks_the_same_dialect_is_told_what_is_left() {
    let contents = json!([{"parts":[{"text":"a"}]}]);
    let prompt = json!({"prompt":"a"});
    let of = |config: Json| json!({"contents":contents,"generationConfig":config});
    let native = |parameters: Json| json!({"model":"m","input":prompt,"parameters":parameters});
    let config = "/generationConfig/maxOutputTokens";
    let rows: [(&dyn ClientDialect, Json, &str); 13] = [
        (
            &OpenAiChat,
            json!({"model":"m","messages":[{"role":"user","content":"a"}]}),
            "/max_tokens",
        ),
        (
            &Completions,
            json!({"model":"m","prompt":"a"}),
            "/max_tokens",
        ),
        (
            &Responses,
            json!({"model":"m","input":"a"}),
            "/max_output_tokens",
        ),
        (&Gemini, json!({"contents":contents}), config),
        (&Gemini, of(Json::Null), config),
        (&Gemini, of(json!({})), config),
        (&Gemini, of(json!({"topK":1})), config),
        (&Gemini, of(json!({"maxOutputTokens":null})), config),
        (
            &Gemini,
            json!({"contents":contents,"generation_config":{"max_output_tokens":null}}),
            "/generation_config/max_output_tokens",
        ),
        (
            &DashScope,
            json!({"model":"m","input":prompt}),
            "/parameters/max_tokens",
        ),
        (&DashScope, native(Json::Null), "/parameters/max_tokens"),
        (&DashScope, native(json!({"n":1})), "/parameters/max_tokens"),
        (
            &DashScope,
            native(json!({"max_tokens":null})),
            "/parameters/max_tokens",
        ),
    ];
    for (client, body, place) in rows {
        let made = forwarded(client, &body);
        assert_eq!(made.pointer(place), Some(&json!(9)), "{body}: {made}");
    }
    let own = of(json!({"maxOutputTokens":7}));
    assert_eq!(forwarded(&Gemini, &own), own);
    let own = native(json!({"max_tokens":7}));
    assert_eq!(forwarded(&DashScope, &own), own);
}

/// A chat's request as a vendor gets it that has so much left for it.
fn encoded(cap: u64, (name, model): (&str, &str)) -> (Json, Dropped) {
    let body =
        json!({"model":"m","messages":[{"role":"user","content":"a"}],"reasoning_effort":"high"});
    let body = Bytes::from(body.to_string());
    let tape = scan(&body, &Limits::default()).unwrap();
    let asked = Asked::at(&OpenAiChat.endpoints()[0]);
    let facts = OpenAiChat.read_request(&body, tape, &asked).unwrap();
    let mut request = OpenAiChat.decode_request(&body, &facts).unwrap();
    // As the pipeline does.
    request.settings.max_tokens = Some(cap);
    let vendor = vendor(name).unwrap();
    let (spoken, quirks) = (vendor.speaks()[0], vendor.quirks(model));
    let call = call(spoken.id(), cap);
    let made = spoken.encode_request(&request, &call, quirks, Lossy::Hints);
    let made = made.unwrap();
    let written = made.body.into_bytes();
    (serde_json::from_slice(&written).unwrap(), made.dropped)
}

#[test]
fn what_is_thought_is_part_of_what_is_left() {
    let rows = [
        (
            ("anthropic", "claude-3-7-sonnet-20250219"),
            "/max_tokens",
            "/thinking/budget_tokens",
        ),
        (
            ("bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
            "/inferenceConfig/maxTokens",
            "/additionalModelRequestFields/thinking/budget_tokens",
        ),
    ];
    for (whom, whole, thought) in rows {
        for (cap, budget) in [(40_000, 16_384), (9000, 4500), (2048, 1024)] {
            let (made, dropped) = encoded(cap, whom);
            assert_eq!(made.pointer(whole), Some(&json!(cap)), "{made}");
            assert_eq!(made.pointer(thought), Some(&json!(budget)), "{made}");
            assert!(dropped.is_empty(), "{dropped:?}");
        }
        let (made, dropped) = encoded(2047, whom);
        assert_eq!(made.pointer(whole), Some(&json!(2047)), "{made}");
        assert_eq!(made.pointer(thought), None, "{made}");
        assert_eq!(dropped.as_slice(), ["reasoning_effort"]);
    }
}
