//! The lens and the edits against the dialect's own fixtures and many shapes of requests.

use super::*;
use crate::dialect::DialectId;
use crate::places::Asks;
use crate::quirks::{Added, COMMON, PLAIN, Rule, StreamUsage, When};
use proptest::prelude::*;
use wire::Kind;
use wire::facts::{Finish, Usage};
use wire::json::{Limits, scan};

const CALL: Call<'static> = Call {
    model: "gpt-test",
    stream: true,
    dialect: DialectId::OpenAiChat,
    asks: Asks::Reply,
    multimodal: false,
    cap: None,
    request_id: "req-1",
    now_ms: 0,
    token: None,
    host: "",
    base_path: "",
};

fn facts_of(event: &str) -> EventFacts {
    let raw = format!("{event}\n\n");
    let mut splitter = sse::Splitter::new(sse::Limits::default());
    let event = splitter.next(raw.as_bytes(), &mut 0).unwrap().unwrap();
    let mut facts = EventFacts::default();
    OpenAiChat.read_event(&event, &mut json::Tape::default(), &mut facts);
    facts
}

fn word(facts: &EventFacts) -> String {
    let mut words = Vec::new();
    for (set, word) in [
        (facts.content, "content"),
        (facts.error, "error"),
        (facts.done, "done"),
        (facts.only_usage, "only_usage"),
        (facts.malformed, "malformed"),
        (facts.usage.is_some(), "usage"),
    ] {
        if set {
            words.push(word);
        }
    }
    words.extend(facts.finish.map(Finish::as_str));
    words.join(" ")
}

#[test]
fn events() {
    let rows: &[(&str, &str)] = &[
        (
            r#"{"choices":[{"index":0,"delta":{"content":"你"},"finish_reason":null}],"usage":null}"#,
            "content",
        ),
        (
            r#"{"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": null}]}"#,
            "content",
        ),
        (
            r#"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
            "",
        ),
        (
            r#"{"choices":[{"delta":{"role":"assistant","content":null,"reasoning_content":"想"}}]}"#,
            "content",
        ),
        (
            r#"{"choices":[{"delta":{"reasoning":"先"},"finish_reason":null}]}"#,
            "content",
        ),
        (
            r#"{"choices":[{"delta":{"refusal":"no"},"finish_reason":null}]}"#,
            "content",
        ),
        (
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}"#,
            "content",
        ),
        (
            r#"{"choices":[{"delta":{"function_call":{"name":"f"}}}]}"#,
            "content",
        ),
        (
            r#"{"choices":[{"delta":{"audio":{"data":"AA"}}}]}"#,
            "content",
        ),
        (
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            "stop",
        ),
        (
            r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"length"}]}"#,
            "content length",
        ),
        (
            r#"{"choices":[{"delta":{"content":"x"},"finish_reason":null},{"delta":{"content":"y"},"finish_reason":"stop"}]}"#,
            "content stop",
        ),
        (
            r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            "content usage stop",
        ),
        (
            r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            "only_usage usage",
        ),
        (
            r#"{"choices":[{"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":1,"completion_tokens":2}}]}"#,
            "usage stop",
        ),
        (
            r#"{"choices":[{"delta":{"content":""},"finish_reason":"sensitive"}]}"#,
            "content_filter",
        ),
        (
            r#"{"choices":[{"delta":{"content":""},"finish_reason":"network_error"}]}"#,
            "error",
        ),
        (
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"insufficient_system_resource"}]}"#,
            "content error",
        ),
        (
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"null"}]}"#,
            "content",
        ),
        (
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop","flag":4}]}"#,
            "content content_filter",
        ),
        // Text that talks of keys is text.
        (
            r#"{"choices":[{"delta":{"content":"\"usage\":{\"prompt_tokens\":9}, \"finish_reason\":\"stop\", \"error\":1"}}]}"#,
            "content",
        ),
        (
            r#"{"choices":[{"delta":{"content":"usage"}}],"usage":null}"#,
            "content",
        ),
        (r#"{"choices":[{"delta":{"content":"error"}}]}"#, "content"),
        (r#"{"error":{"message":"m","code":429}}"#, "error"),
        (r#"{"error":"overloaded"}"#, "error"),
        (
            r#"{"error":null,"choices":[{"delta":{"content":"a"}}]}"#,
            "content",
        ),
        (r#"{"object":"error","message":"m","code":400}"#, "error"),
        (r#"{"error_code":18,"error_msg":"m"}"#, "error"),
        (r#"{"detail":"[address=1] m"}"#, "error"),
        (r#"{"code":"x","message":"content\":\"a"}"#, "error"),
        ("[DONE]", "done"),
        (" [DONE] ", "done"),
        ("{\"choices\":[", "malformed"),
        ("nonsense", "malformed"),
    ];
    for (data, want) in rows {
        for space in ["data: ", "data:"] {
            assert_eq!(word(&facts_of(&format!("{space}{data}"))), *want, "{data}");
        }
    }
    assert_eq!(word(&facts_of(": keep-alive")), "");
    assert_eq!(word(&facts_of("{\"error\":\"bare\"}")), "error");
    assert_eq!(
        word(&facts_of("event: error\ndata: {\"message\":\"m\"}")),
        "error"
    );
    assert_eq!(word(&facts_of("data: ")), "");
}

#[test]
fn usage_is_read_where_it_stands() {
    let data = r#"{"choices":[],"usage": {"prompt_tokens":10,"completion_tokens":8,"total_tokens":18,"prompt_cache_hit_tokens":4,"completion_tokens_details":{"reasoning_tokens":5}}}"#;
    let facts = facts_of(&format!("data: {data}"));
    assert_eq!(
        facts.usage,
        Some(Usage {
            prompt: 10,
            completion: 8,
            cached: 4,
            cache_write: 0,
            reasoning: 5
        })
    );
    assert!(data[facts.usage_span].starts_with("{\"prompt_tokens\""));
    let facts = facts_of(
        r#"data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":8,"total_tokens":23,"completion_tokens_details":{"reasoning_tokens":5}}}"#,
    );
    assert_eq!(facts.usage.unwrap().completion, 13);
    let facts =
        facts_of(r#"data: {"choices":[],"usage":{"prompt_tokens":1e99,"completion_tokens":-8}}"#);
    // What cannot be a count is no count, but says that there should have been one.
    assert_eq!(facts.usage, Some(Usage::default()));
}

fn forward(body: &str, quirks: &Quirks, lossy: Lossy) -> Result<(String, Forward), Fault> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let tape = scan(&body, &Limits::default()).unwrap();
    let facts = OpenAiChat.read_request(&body, tape, &Asked::at(&OpenAiChat.endpoints()[0]))?;
    let made = OpenAiChat.forward(&body, &facts, &CALL, quirks, lossy)?;
    let text = made.edits.apply(&body).into_bytes();
    scan(&text, &Limits::default()).expect("edits leave valid JSON");
    Ok((String::from_utf8(text.to_vec()).unwrap(), made))
}

static ODD: Quirks = Quirks {
    fields: &[
        ("seed", Rule::Lacks),
        ("n", Rule::Lacks),
        ("max_completion_tokens", Rule::Rename("max_tokens")),
        (
            "temperature",
            Rule::Clamp {
                min: "0.01",
                max: "1",
            },
        ),
        ("stop", Rule::List),
        ("tool_choice", Rule::OneOf(&["auto"])),
        (
            "user",
            Rule::RenameSized {
                to: "user_id",
                min: 6,
                max: 128,
            },
        ),
        ("response_format", Rule::Types(&["text", "json_object"])),
    ],
    added: &[
        Added {
            when: When::Whole,
            name: "enable_thinking",
            raw: "false",
        },
        Added {
            when: When::Tools,
            name: "parallel_tool_calls",
            raw: "true",
        },
    ],
    flat_text: true,
    none_drops_tools: true,
    greedy: Some(("do_sample", "false")),
    ..COMMON
};

#[test]
fn forwards() {
    // Request, what goes upstream, what was dropped. `…` stands for model and messages.
    let head = r#""model":"gpt-test","messages":[{"role":"user","content":"hi"}]"#;
    let rows: &[(&str, &str, &[&str])] = &[
        ("{…}", r#"{…,"enable_thinking":false}"#, &[]),
        (r#"{…,"n":1}"#, r#"{…,"enable_thinking":false}"#, &[]),
        (
            r#"{"seed":1,…,"seed2":1}"#,
            r#"{…,"seed2":1,"enable_thinking":false}"#,
            &["seed"],
        ),
        (
            r#"{…,"max_tokens":5,"max_completion_tokens":7}"#,
            r#"{…,"max_tokens":7,"enable_thinking":false}"#,
            &[],
        ),
        (
            r#"{…,"temperature":0,"top_p":0.5}"#,
            r#"{…,"do_sample":false,"enable_thinking":false}"#,
            &[],
        ),
        (
            r#"{…,"temperature":1.5}"#,
            r#"{…,"temperature":1,"enable_thinking":false}"#,
            &["temperature"],
        ),
        (
            r#"{…,"temperature":1.005}"#,
            r#"{…,"temperature":1,"enable_thinking":false}"#,
            &[],
        ),
        (
            r#"{…,"stop":"x"}"#,
            r#"{…,"stop":["x"],"enable_thinking":false}"#,
            &[],
        ),
        (
            r#"{…,"user":"u1"}"#,
            r#"{…,"enable_thinking":false}"#,
            &["user"],
        ),
        (
            r#"{…,"user":"user-1"}"#,
            r#"{…,"user_id":"user-1","enable_thinking":false}"#,
            &[],
        ),
        (
            r#"{…,"tools":[],"tool_choice":"auto"}"#,
            r#"{…,"enable_thinking":false}"#,
            &[],
        ),
        (
            r#"{…,"tools":[1],"tool_choice":"none"}"#,
            r#"{…,"enable_thinking":false}"#,
            &[],
        ),
        (
            r#"{…,"tools":[1]}"#,
            r#"{…,"tools":[1],"enable_thinking":false,"parallel_tool_calls":true}"#,
            &[],
        ),
        (
            r#"{…,"response_format":{"type":"json_object"}}"#,
            r#"{…,"response_format":{"type":"json_object"},"enable_thinking":false}"#,
            &[],
        ),
        (
            r#"{…,"stream":true}"#,
            r#"{…,"stream":true,"stream_options":{"include_usage":true}}"#,
            &[],
        ),
        (
            r#"{…,"stream":true,"stream_options":null}"#,
            r#"{…,"stream":true,"stream_options":{"include_usage":true}}"#,
            &[],
        ),
        (
            r#"{…,"stream":true,"stream_options":{}}"#,
            r#"{…,"stream":true,"stream_options":{"include_usage":true}}"#,
            &[],
        ),
        (
            r#"{…,"stream":true,"stream_options":{"include_usage":false,"x":1}}"#,
            r#"{…,"stream":true,"stream_options":{"include_usage":true,"x":1}}"#,
            &[],
        ),
        (
            r#"{…,"stream":true,"stream_options":{"x":1}}"#,
            r#"{…,"stream":true,"stream_options":{"x":1,"include_usage":true}}"#,
            &[],
        ),
        (
            r#"{…,"stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{…,"stream":true,"stream_options":{"include_usage":true}}"#,
            &[],
        ),
    ];
    for (body, want, dropped) in rows {
        let (made, forward) = forward(&body.replace('…', head), &ODD, Lossy::Hints).unwrap();
        assert_eq!(made, want.replace('…', head), "{body}");
        assert_eq!(forward.dropped.as_slice(), *dropped, "{body}");
        let hide = body.contains("\"stream\":true") && !body.contains("\"include_usage\":true");
        assert_eq!(forward.hide_usage, hide, "{body}");
    }
    for refused in [
        r#"{…,"n":2}"#,
        r#"{…,"tool_choice":"required"}"#,
        r#"{…,"response_format":{"type":"json_schema"}}"#,
    ] {
        let body = refused.replace('…', head);
        assert!(forward(&body, &ODD, Lossy::Hints).is_err(), "{body}");
        assert!(forward(&body, &ODD, Lossy::Drop).is_ok(), "{body}");
    }
}

#[test]
fn an_untouched_request_is_untouched() {
    let body = r#"{"model":"gpt-test","messages":[{"role":"developer","content":[{"type":"text","text":"a"}]}],"tools":[],"seed":1}"#;
    let (made, forward) = forward(body, &PLAIN, Lossy::Refuse).unwrap();
    assert!(forward.edits.is_empty());
    assert_eq!(made, body);
    let unknown = Quirks {
        stream_usage: StreamUsage::Unknown,
        ..PLAIN
    };
    let body = r#"{"model":"gpt-test","messages":[{}],"stream":true,"stream_options":{"include_usage":true}}"#;
    let (made, _) = self::forward(body, &unknown, Lossy::Hints).unwrap();
    assert_eq!(
        made,
        r#"{"model":"gpt-test","messages":[{}],"stream":true}"#
    );
}

#[test]
fn messages_are_fitted_around_their_text() {
    let body = r#"{"model":"other","messages":[{"role":"developer","content":[{"type":"text","text":"a\"b"}, {"text":"c","type":"text"}]},{"role":"user","content":[]},{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"u"}}]}]}"#;
    let (made, forward) = forward(
        body,
        &Quirks {
            flat_text: true,
            ..COMMON
        },
        Lossy::Hints,
    )
    .unwrap();
    assert_eq!(
        made,
        r#"{"model":"gpt-test","messages":[{"role":"system","content":"a\"b\nc"},{"role":"user","content":""},{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"u"}}]}]}"#
    );
    // A redaction inside a flattened text fits beside these edits.
    let mut edits = forward.edits;
    let at = body.find("a\\\"b").unwrap();
    edits.replace(at..at + 4, "[X]").unwrap();
    let made = edits
        .apply(&Bytes::copy_from_slice(body.as_bytes()))
        .into_bytes();
    assert!(
        std::str::from_utf8(&made)
            .unwrap()
            .contains(r#""content":"[X]\nc""#)
    );
}

#[test]
fn refusals_have_all_four_keys() {
    let fault = Fault::new(Kind::BadRequest)
        .param("messages[\"0\"]")
        .message("No \"x\".");
    let whole = OpenAiChat.refusal(&fault, "req-1");
    assert_eq!(
        (whole.status, whole.content_type),
        (400, "application/json")
    );
    let body: serde_json::Value = serde_json::from_slice(&whole.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"error":{"message":"No \"x\".","type":"invalid_request_error","param":"messages[\"0\"]","code":"invalid_request"}})
    );
    for row in wire::fault::TABLE {
        let line = OpenAiChat.stream_refusal(&Fault::new(row.kind), "req-1", 0);
        let data = line
            .strip_prefix(b"data: ")
            .unwrap()
            .strip_suffix(b"\n\n")
            .unwrap();
        let body: serde_json::Value = serde_json::from_slice(data).unwrap();
        assert_eq!(body["error"].as_object().unwrap().len(), 4);
        assert_eq!(body["error"]["code"], row.code.as_str());
    }
}

fn field() -> impl Strategy<Value = String> {
    let values = prop_oneof![
        Just("null"),
        Just("0"),
        Just("1"),
        Just("1.7"),
        Just("\"auto\""),
        Just("\"none\""),
        Just("\"longer-user\""),
        Just("[]"),
        Just("[\"a\"]"),
        Just("{}"),
        Just("{\"type\":\"json_object\"}"),
        Just("true"),
    ];
    let names = prop_oneof![
        Just("seed"),
        Just("temperature"),
        Just("top_p"),
        Just("stop"),
        Just("user"),
        Just("user_id"),
        Just("tools"),
        Just("tool_choice"),
        Just("response_format"),
        Just("do_sample"),
        Just("parallel_tool_calls"),
        Just("x"),
        Just("enable_thinking"),
    ];
    (names, values, prop_oneof![Just(""), Just(" "), Just("\n")])
        .prop_map(|(name, value, gap)| format!("\"{name}\"{gap}:{gap}{value}{gap}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    #[test]
    fn edits_leave_valid_json_for_any_request(fields in prop::collection::vec(field(), 0..8), model_at in 0usize..8, stream in any::<bool>()) {
        let mut seen = std::collections::BTreeSet::new();
        let mut members: Vec<String> = fields.into_iter().filter(|field| seen.insert(field.split('"').nth(1).unwrap_or_default().to_owned())).collect();
        let at = model_at.min(members.len());
        members.insert(at, format!(r#""model":"m","messages":[{{"role":"developer","content":[{{"type":"text","text":"t"}}]}}],"stream":{stream}"#));
        let body = format!("{{{}}}", members.join(","));
        let (made, _) = forward(&body, &ODD, Lossy::Drop).unwrap();
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        prop_assert_eq!(&made["model"], "gpt-test");
        prop_assert_eq!(&made["messages"][0], &serde_json::json!({"role":"system","content":"t"}));
        prop_assert!(made.get("seed").is_none() && made.get("user").is_none());
        if let Some(temperature) = made["temperature"].as_f64() {
            prop_assert!((0.01..=1.0).contains(&temperature));
        }
        if stream { prop_assert_eq!(&made["stream_options"]["include_usage"], true); }
    }
}
