//! What a budget has left of a reply is told to the vendor in every dialect, and bounds all of the reply.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use wire::json::{Limits, scan};

use crate::dialect::{ClientDialect, Dialect as _, DialectId, Dropped, Lossy};
use crate::dialects::{
    completions::Completions, dashscope::DashScope, gemini::Gemini, openai_chat::OpenAiChat,
    responses::Responses,
};
use crate::places::{Asked, Asks};
use crate::quirks::{PLAIN, Quirks};
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
    forwarded_to(client, body, &PLAIN)
}

fn forwarded_to(client: &dyn ClientDialect, body: &Json, quirks: &Quirks) -> Json {
    let body = Bytes::from(body.to_string());
    let tape = scan(&body, &Limits::default()).unwrap();
    let asked = Asked {
        model: "m".into(),
        ..Asked::at(&client.endpoints()[0])
    };
    let facts = client.read_request(&body, tape, &asked).unwrap();
    let call = call(client.id(), 9);
    let made = client.forward(&body, &facts, &call, quirks, Lossy::Hints);
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
    // One vendor's field of that name leaves out what is thought.
    let chat = json!({"model":"m","messages":[{"role":"user","content":"a"}]});
    let doubao = vendor("doubao").unwrap().quirks("m");
    let made = forwarded_to(&OpenAiChat, &chat, doubao);
    assert_eq!(made["max_completion_tokens"], 9, "{made}");
    assert!(made.get("max_tokens").is_none(), "{made}");
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
    let vendor = vendor(name).unwrap();
    let (spoken, quirks) = (vendor.speaks()[0], vendor.quirks(model));
    let (_, cap) = quirks.cap(cap).unwrap();
    // As the pipeline does.
    request.settings.max_tokens = Some(cap);
    let call = call(spoken.id(), cap);
    let made = spoken.encode_request(&request, &call, quirks, Lossy::Hints);
    let made = made.unwrap();
    let written = made.body.into_bytes();
    (serde_json::from_slice(&written).unwrap(), made.dropped)
}

#[test]
fn what_is_left_is_brought_within_the_vendors_bounds() {
    for (cap, whom, place, told) in [
        (1, ("wenxin-v1", "ERNIE-4.0-8K"), "/max_output_tokens", 2),
        (
            9000,
            ("spark-ws", "lite"),
            "/parameter/chat/max_tokens",
            4096,
        ),
    ] {
        let (made, dropped) = encoded(cap, whom);
        assert_eq!(made.pointer(place), Some(&json!(told)), "{made}");
        assert!(!dropped.contains(&"max_tokens"), "{dropped:?}");
    }
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

/// What vendors document as the most they take: vendor, model, the cap's name at the client and at the vendor, tokens.
const MOST: &[(&str, &str, &str, &str, u64)] = &[
    ("deepseek", "deepseek-chat", OLD, OLD, 393_216),
    ("deepseek", "deepseek-chat", NEW, OLD, 393_216),
    ("sensenova", "sensenova-6.8-flash-lite", OLD, OLD, 65_536),
    ("sensenova", "sensenova-6.8-flash-lite", NEW, OLD, 65_536),
    (
        "sensenova-native",
        "SenseChat-5",
        OLD,
        "max_new_tokens",
        2048,
    ),
    ("baichuan", "Baichuan4-Turbo", OLD, OLD, 2048),
    ("baichuan", "Baichuan4-Turbo", NEW, OLD, 2048),
    ("doubao", "doubao-seed-2-1", NEW, NEW, 65_536),
    ("wenxin-v1", "ERNIE-3.5-8K", OLD, "max_output_tokens", 2048),
    ("spark", "lite", OLD, OLD, 4096),
];
const OLD: &str = "max_tokens";
const NEW: &str = "max_completion_tokens";

/// A chat with one cap of that name.
fn capped(name: &str, tokens: u64) -> String {
    json!({"model":"m","messages":[{"role":"user","content":"a"}],(name):tokens}).to_string()
}

/// More than a vendor takes is brought down and named, or refused.
#[test]
fn a_clients_cap_is_brought_within_what_the_vendor_takes() {
    for &(whom, model, sent, name, most) in MOST {
        for (given, goes, dropped) in [(most, most, false), (most + 1, most, true)] {
            let body = capped(sent, given);
            let made = sent_to(&body, (whom, model), Lossy::Hints).unwrap();
            assert_eq!(
                made.0.get(name),
                Some(&json!(goes)),
                "{whom}, {sent}: {}",
                made.0
            );
            assert_eq!(!made.1.is_empty(), dropped, "{whom}, {sent}: {:?}", made.1);
            let refused = sent_to(&body, (whom, model), Lossy::Refuse).is_err();
            assert_eq!(refused, dropped, "{whom}, {sent}");
        }
    }
}

#[test]
fn a_cap_of_models_that_take_more_goes_as_it_came() {
    for (whom, model, name) in [
        ("baichuan", "Baichuan-M3", OLD),
        ("sensenova-native", "SenseChat-128K", "max_new_tokens"),
        ("wenxin-v1", "ERNIE-Speed-128K", "max_output_tokens"),
    ] {
        let (made, dropped) = sent_to(&capped(OLD, 4096), (whom, model), Lossy::Refuse).unwrap();
        assert_eq!(made.get(name), Some(&json!(4096)), "{whom}: {made}");
        assert!(dropped.is_empty());
    }
}

#[test]
fn of_two_caps_the_newer_names_counts() {
    for body in [
        r#"{"model":"m","messages":[{"role":"user","content":"a"}],"max_tokens":500000,"max_completion_tokens":5}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"a"}],"max_completion_tokens":5,"max_tokens":500000}"#,
    ] {
        for (whom, lossy, kept, gone) in [
            (("deepseek", "deepseek-chat"), Lossy::Hints, OLD, NEW),
            (("doubao", "doubao-pro-32k"), Lossy::Refuse, NEW, OLD),
        ] {
            let (made, dropped) = sent_to(body, whom, lossy).unwrap();
            assert!(dropped.is_empty(), "{dropped:?}");
            assert_eq!(made[kept], 5, "{made}");
            assert!(made.get(gone).is_none(), "{made}");
        }
    }
}

/// A chat's request as a vendor gets it: by edits where it speaks the same dialect.
fn sent_to(
    body: &str,
    (name, model): (&str, &str),
    lossy: Lossy,
) -> Result<(Json, Dropped), wire::Fault> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let tape = scan(&body, &Limits::default()).unwrap();
    let asked = Asked::at(&OpenAiChat.endpoints()[0]);
    let facts = OpenAiChat.read_request(&body, tape, &asked).unwrap();
    let vendor = vendor(name).unwrap();
    let (spoken, quirks) = (vendor.speaks()[0], vendor.quirks(model));
    let call = Call {
        cap: None,
        ..call(spoken.id(), 0)
    };
    let (body, dropped) = if spoken.id() == OpenAiChat.id() {
        let made = OpenAiChat.forward(&body, &facts, &call, quirks, lossy)?;
        (made.edits.apply(&body), made.dropped)
    } else {
        let request = OpenAiChat.decode_request(&body, &facts)?;
        let made = spoken.encode_request(&request, &call, quirks, lossy)?;
        (made.body, made.dropped)
    };
    let body = body.into_bytes();
    Ok((serde_json::from_slice(&body).unwrap(), dropped))
}
