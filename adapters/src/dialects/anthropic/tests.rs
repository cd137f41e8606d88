//! Requests there and back, and into and out of OpenAI's dialect; errors; what is copied.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use wire::json::{Limits, scan};

use super::*;
use crate::dialects::openai_chat::OpenAiChat;
use crate::vendor;

const CALL: Call<'static> = Call {
    model: "up",
    stream: false,
    dialect: DialectId::Anthropic,
    asks: Asks::Reply,
    multimodal: false,
    cap: None,
    request_id: "req-1",
    now_ms: 0,
    token: None,
    host: "",
    base_path: "",
};

fn decode(client: &dyn ClientDialect, body: &Bytes) -> Result<canon::Request, Fault> {
    let tape = scan(body, &Limits::default()).unwrap();
    let asked = Asked::at(&client.endpoints()[0]);
    let facts = client.read_request(body, tape, &asked)?;
    client.decode_request(body, &facts)
}

/// Written for a vendor's model: the body, and what was dropped.
fn through(
    client: &dyn ClientDialect,
    body: &Json,
    (name, model): (&str, &str),
    lossy: Lossy,
) -> Result<(Json, Vec<&'static str>), Fault> {
    let body = Bytes::from(body.to_string());
    let request = decode(client, &body)?;
    let vendor = vendor(name).unwrap();
    let quirks = vendor.quirks(model);
    let mut made = vendor.speaks()[0].encode_request(&request, &CALL, quirks, lossy)?;
    crate::dialect::lose(&request.lost, lossy, &mut made.dropped)?;
    let written = made.body.into_bytes();
    Ok((
        serde_json::from_slice(&written).unwrap(),
        made.dropped.to_vec(),
    ))
}

const OLD: (&str, &str) = ("anthropic", "claude-3-7-sonnet");
const NEW: (&str, &str) = ("anthropic", "claude-opus-9");

#[test]
fn there_and_back_means_the_same() {
    let body = json!({"model":"up","max_tokens":9,"system":"s","messages":[
        {"role":"user","content":[{"type":"text","text":"a\n\"x\""},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AA=="},"title":"t"}]},
        {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"ZGF0"},{"type":"text","text":"b"},{"type":"tool_use","id":"t1","name":"f","input":{"a":["\"q\"",{"b":1}]}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"r"},{"type":"text","text":"c"}]}],
        "stream":true,"tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"strict":true}],
        "tool_choice":{"type":"auto","disable_parallel_tool_use":true},"stop_sequences":["x"],"temperature":0.5,"top_p":0.9,"metadata":{"user_id":"u"}});
    let (made, dropped) = through(&Anthropic, &body, OLD, Lossy::Refuse).unwrap();
    assert_eq!(made, body);
    assert!(dropped.is_empty());
}

#[test]
fn from_chat_completions() {
    let body = json!({"model":"m","messages":[
        {"role":"assistant","content":"hello"},
        {"role":"system","content":"s1"},{"role":"user","name":"u","content":" "},{"role":"user","content":"a"},{"role":"user","content":"b"},
        {"role":"assistant","content":null,"reasoning_content":"lost","tool_calls":[{"id":"functions.f:0","type":"function","function":{"name":"f","arguments":""}},{"id":"c2","type":"function","function":{"name":"g","arguments":"oops"}}]},
        {"role":"user","content":"and"},{"role":"tool","tool_call_id":"functions.f:0","content":"r1"},{"role":"tool","tool_call_id":"c2","content":""},
        {"role":"developer","content":"s2"}],
        "tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g","parameters":{"properties":{}}}}],
        "tool_choice":"required","temperature":1.5,"seed":1,"user":"u","stop":["x"],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}});
    let (made, dropped) = through(&OpenAiChat, &body, OLD, Lossy::Hints).unwrap();
    assert_eq!(
        made,
        json!({"model":"up","max_tokens":64000,"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}},"system":"s1\n\ns2","messages":[
            {"role":"user","content":"."},{"role":"assistant","content":[{"type":"text","text":"hello"}]},
            {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
            {"role":"assistant","content":[{"type":"tool_use","id":"functions_f_0","name":"f","input":{}},{"type":"tool_use","id":"c2","name":"g","input":{"_raw":"oops"}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"functions_f_0","content":"r1"},{"type":"tool_result","tool_use_id":"c2","content":""},{"type":"text","text":"and"}]}],
            "tools":[{"name":"f","input_schema":{"type":"object","properties":{}}},{"name":"g","input_schema":{"type":"object","properties":{}}}],
            "tool_choice":{"type":"any"},"temperature":1,"stop_sequences":["x"],"metadata":{"user_id":"u"}})
    );
    for name in ["name", "reasoning_content", "temperature", "seed"] {
        assert!(dropped.contains(&name), "{name}: {dropped:?}");
    }
    for refused in [
        json!({"n": 2}),
        json!({"stop": ["x", "\n"]}),
        json!({"tools":[{"type":"custom","custom":{"name":"c"}}]}),
        json!({"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]}]}),
        json!({"messages":[{"role":"system","content":"only"}]}),
    ] {
        let mut body = json!({"model":"m","messages":[{"role":"user","content":"a"}]});
        for (key, value) in refused.as_object().unwrap() {
            body[key] = value.clone();
        }
        assert!(
            through(&OpenAiChat, &body, OLD, Lossy::Hints).is_err(),
            "{body}"
        );
    }
}

#[test]
fn efforts_and_samples_by_model() {
    let say = |more: Json| {
        let mut body =
            json!({"model":"m","max_tokens":100,"messages":[{"role":"user","content":"a"}]});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    let high = say(json!({"reasoning_effort":"high","temperature":0.2}));
    let (made, dropped) = through(&OpenAiChat, &high, OLD, Lossy::Hints).unwrap();
    assert_eq!(
        made["thinking"],
        json!({"type":"enabled","budget_tokens":16384})
    );
    assert_eq!(
        (&made["max_tokens"], dropped.as_slice()),
        (&json!(16484), &["temperature"][..])
    );
    let (made, _) = through(&OpenAiChat, &high, NEW, Lossy::Hints).unwrap();
    assert_eq!(
        (&made["thinking"], &made["output_config"]),
        (&json!({"type":"adaptive"}), &json!({"effort":"high"}))
    );
    assert_eq!(made["max_tokens"], 100);
    let (made, _) = through(
        &OpenAiChat,
        &say(json!({"reasoning_effort":"none"})),
        OLD,
        Lossy::Refuse,
    )
    .unwrap();
    assert!(made.get("thinking").is_none());
    // Forced tools and thinking do not go together.
    let forced = say(
        json!({"reasoning_effort":"low","tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"}),
    );
    let (made, dropped) = through(&OpenAiChat, &forced, OLD, Lossy::Hints).unwrap();
    assert!(made.get("thinking").is_none() && dropped.contains(&"reasoning_effort"));
    let object = say(json!({"response_format":{"type":"json_object"}}));
    let (made, dropped) = through(&OpenAiChat, &object, OLD, Lossy::Hints).unwrap();
    assert!(
        made["system"].as_str().unwrap().contains("JSON object") && dropped == ["response_format"]
    );
}

#[test]
fn to_chat_completions() {
    let body = json!({"model":"m","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[
        {"role":"user","content":"a"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"b"},{"type":"tool_use","id":"t1","name":"f","input":{"k":"v"}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":[{"type":"text","text":"r"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}]},{"type":"text","text":"c"}]}],
        "tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},
        "thinking":{"type":"enabled","budget_tokens":5000},"top_k":3,"stop_sequences":["x"],"metadata":{"user_id":"u"}});
    let (made, dropped) = through(&Anthropic, &body, ("vllm", "m"), Lossy::Hints).unwrap();
    assert_eq!(
        made["messages"],
        json!([{"role":"system","content":"s"},{"role":"user","content":"a"},
            {"role":"assistant","content":"b","reasoning_content":"hm","tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{\"k\":\"v\"}"}}]},
            {"role":"tool","tool_call_id":"t1","content":"r"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]},
            {"role":"user","content":"c"}])
    );
    assert_eq!(
        made["tool_choice"],
        json!({"type":"function","function":{"name":"f"}})
    );
    assert_eq!(
        (&made["parallel_tool_calls"], &made["reasoning_effort"]),
        (&json!(false), &json!("medium"))
    );
    assert_eq!(
        (&made["stop"], &made["user"], &made["max_tokens"]),
        (&json!(["x"]), &json!("u"), &json!(9))
    );
    for name in ["cache_control", "is_error", "top_k"] {
        assert!(dropped.contains(&name), "{name}: {dropped:?}");
    }
    // What was thought is not shown to a vendor that refuses the field.
    let (made, _) = through(&Anthropic, &body, ("openai", "gpt-4o"), Lossy::Hints).unwrap();
    assert!(made["messages"][2].get("reasoning_content").is_none());
    for refused in [
        json!({"tools":[{"type":"web_search_20250305","name":"web_search"}]}),
        json!({"container":"c"}),
        json!({"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]}),
    ] {
        let mut body =
            json!({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"}]});
        for (key, value) in refused.as_object().unwrap() {
            body[key] = value.clone();
        }
        assert!(
            through(&Anthropic, &body, ("vllm", "m"), Lossy::Hints).is_err(),
            "{body}"
        );
        assert!(
            through(&Anthropic, &body, ("vllm", "m"), Lossy::Drop).is_ok(),
            "{body}"
        );
    }
}

/// A long prompt is spliced from the client's bytes, in either direction.
#[test]
fn long_texts_are_not_copied() {
    let long = "长文 long \\\" text ".repeat(10_000);
    let chat = format!(
        r#"{{"model":"m","messages":[{{"role":"system","content":"{long}"}},{{"role":"user","content":"{long}"}}]}}"#
    );
    let messages = format!(
        r#"{{"model":"m","max_tokens":9,"system":"{long}","messages":[{{"role":"user","content":[{{"type":"text","text":"{long}"}},{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{}"}}}}]}}]}}"#,
        "AAAA".repeat(10_000)
    );
    let ways: [(&dyn ClientDialect, String, &dyn Dialect); 2] = [
        (&OpenAiChat, chat, &Anthropic),
        (&Anthropic, messages, &OpenAiChat),
    ];
    for (client, body, spoken) in ways {
        let body = Bytes::from(body);
        let request = decode(client, &body).unwrap();
        let made = spoken
            .encode_request(&request, &CALL, &crate::quirks::PLAIN, Lossy::Hints)
            .unwrap();
        let inside = body.as_ptr_range();
        let copied: usize = made
            .body
            .pieces()
            .filter(|piece| !inside.contains(&piece.as_ptr()))
            .map(|piece| piece.len())
            .sum();
        assert!(
            made.body.len() > 2 * long.len() && copied < 1000,
            "{}: {copied}",
            client.name()
        );
    }
}

#[test]
fn errors_are_the_dialects() {
    for (fault, status, kind) in [
        (Fault::new(Kind::BadRequest), 400, "invalid_request_error"),
        (
            Fault::new(Kind::BadRequest).status(404),
            404,
            "not_found_error",
        ),
        (
            Fault::new(Kind::BadRequest).status(405),
            405,
            "invalid_request_error",
        ),
        (
            Fault::new(Kind::Unauthenticated),
            401,
            "authentication_error",
        ),
        (Fault::new(Kind::Forbidden), 403, "permission_error"),
        (Fault::new(Kind::Refused), 403, "permission_error"),
        (Fault::new(Kind::NoClearedProvider), 403, "permission_error"),
        (Fault::new(Kind::NoSuchModel), 404, "not_found_error"),
        (Fault::new(Kind::TooLarge), 413, "request_too_large"),
        (Fault::new(Kind::RateLimited), 429, "rate_limit_error"),
        (Fault::new(Kind::Throttled), 429, "rate_limit_error"),
        (Fault::new(Kind::BudgetSpent), 402, "billing_error"),
        (Fault::new(Kind::BudgetHeld), 429, "rate_limit_error"),
        (Fault::new(Kind::FirstByteTimeout), 504, "timeout_error"),
        (Fault::new(Kind::UpstreamError), 500, "api_error"),
        (
            Fault::new(Kind::UpstreamError).status(503),
            500,
            "api_error",
        ),
        (
            Fault::new(Kind::UpstreamRejected),
            400,
            "invalid_request_error",
        ),
        (Fault::new(Kind::Malformed), 500, "api_error"),
        (Fault::new(Kind::Overloaded), 529, "overloaded_error"),
        (Fault::new(Kind::JournalDown), 529, "overloaded_error"),
        (Fault::new(Kind::Bug), 500, "api_error"),
    ] {
        let told = Anthropic.refusal(&fault, "req-1");
        let body: Json = serde_json::from_slice(&told.body).unwrap();
        assert_eq!(
            (told.status, &body["error"]["type"]),
            (status, &json!(kind)),
            "{fault:?}"
        );
        assert_eq!(
            body["error"]["details"]["error_code"],
            fault.public_code().as_str()
        );
        assert_eq!(body["request_id"], "req-1");
        let event = Anthropic.stream_refusal(&fault, "req-1", 0);
        assert!(event.starts_with(b"event: error\ndata: {") && event.ends_with(b"}\n\n"));
    }
}
