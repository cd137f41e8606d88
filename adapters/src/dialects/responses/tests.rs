//! Requests there and back, and into and out of other dialects; what is forwarded; what is copied.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use wire::json::{Limits, scan};

use super::*;
use crate::dialects::openai_chat::OpenAiChat;
use crate::quirks::PLAIN;
use crate::vendor;

const CALL: Call<'static> = Call {
    model: "up",
    stream: false,
    dialect: DialectId::Responses,
    asks: Asks::Reply,
    multimodal: false,
    request_id: "req-1",
    now_ms: 0,
    cap: None,
    token: None,
    host: "",
    base_path: "",
};

fn read(client: &dyn ClientDialect, body: &Bytes) -> Result<RequestFacts, Fault> {
    let tape = scan(body, &Limits::default()).unwrap();
    client.read_request(body, tape, &Asked::at(&client.endpoints()[0]))
}

fn decode(client: &dyn ClientDialect, body: &Bytes) -> Result<canon::Request, Fault> {
    client.decode_request(body, &read(client, body)?)
}

/// Written in a dialect: the body, and what was dropped.
fn through(
    client: &dyn ClientDialect,
    body: &Json,
    (spoken, quirks): (&dyn Dialect, &Quirks),
    lossy: Lossy,
) -> Result<(Json, Vec<&'static str>), Fault> {
    let body = Bytes::from(body.to_string());
    let request = decode(client, &body)?;
    let mut made = spoken.encode_request(&request, &CALL, quirks, lossy)?;
    crate::dialect::lose(&request.lost, lossy, &mut made.dropped)?;
    let written = made.body.into_bytes();
    Ok((
        serde_json::from_slice(&written).unwrap(),
        made.dropped.to_vec(),
    ))
}

#[test]
fn there_and_back_means_the_same() {
    let body = json!({"model":"up","input":[
        {"role":"developer","content":"d\n\"x\""},
        {"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:image/png;base64,AA==","detail":"low"},{"type":"input_file","filename":"f.pdf","file_data":"data:application/pdf;base64,AA=="},{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]},
        {"type":"reasoning","summary":[],"encrypted_content":"gAAAA"},
        {"role":"assistant","content":[{"type":"refusal","refusal":"no"},{"type":"output_text","text":"t"}]},
        {"type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\":\"\\n\"}"},
        {"type":"function_call","call_id":"c2","name":"g","arguments":"{}"},
        {"type":"function_call_output","call_id":"c1","output":"长".repeat(300)},
        {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"r"},{"type":"input_image","image_url":"https://x/1.png"}]},
        {"role":"user","content":""}],
        "stream":true,"store":false,
        "tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true}],
        "tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false,
        "temperature":0.70,"top_p":1,"max_output_tokens":5,"reasoning":{"effort":"high"},"user":"u","metadata":{"k":"v"},
        "top_logprobs":3,"include":["message.output_text.logprobs"],
        "text":{"verbosity":"low","format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true}},
        "service_tier":"flex","prompt_cache_key":"k"});
    let (made, dropped) = through(&Responses, &body, (&Responses, &PLAIN), Lossy::Refuse).unwrap();
    assert_eq!(made, body);
    assert!(dropped.is_empty());
}

#[test]
fn to_chat_completions() {
    let body = json!({"model":"m","instructions":"be kind","input":[
        {"type":"message","role":"user","content":[{"type":"input_text","text":"天气"}]},
        {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"anthropic.signature:c2ln"},
        {"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"let me look","annotations":[]}]},
        {"type":"function_call","id":"fc_1","status":"completed","call_id":"c1","name":"f","arguments":"{}"},
        {"type":"function_call","call_id":"c2","name":"g","arguments":"{\"a\":1}"},
        {"type":"function_call_output","call_id":"c1","output":"r1"},
        {"type":"function_call_output","call_id":"c2","output":"r2"},
        {"role":"assistant","content":"done"},{"role":"assistant","content":"really"},
        {"role":"user","content":"and?"}],
        "tools":[{"type":"function","name":"f","parameters":{"type":"object"}},{"type":"function","name":"g"},{"type":"function","name":"h"}],
        "tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}]},
        "max_output_tokens":9,"reasoning":{"effort":"low","summary":"auto"},"truncation":"auto","store":true,
        "include":["reasoning.encrypted_content"],
        "text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true,"description":null}},
        "x_new":1,"max_tool_calls":3});
    let vllm = vendor("vllm").unwrap().quirks("m");
    let (made, dropped) = through(&Responses, &body, (&OpenAiChat, vllm), Lossy::Hints).unwrap();
    assert_eq!(
        made,
        json!({"model":"up","messages":[{"role":"system","content":"be kind"},{"role":"user","content":"天气"},
            {"role":"assistant","content":"let me look","reasoning_content":"hm","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{\"a\":1}"}}]},
            {"role":"tool","tool_call_id":"c1","content":"r1"},{"role":"tool","tool_call_id":"c2","content":"r2"},
            {"role":"assistant","content":"done"},{"role":"assistant","content":"really"},{"role":"user","content":"and?"}],
            "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},{"type":"function","function":{"name":"g"}}],
            "tool_choice":"required","max_tokens":9,"reasoning_effort":"low",
            "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}}})
    );
    for name in ["store", "truncation", "unknown_fields", "max_tool_calls"] {
        assert!(dropped.contains(&name), "{name}: {dropped:?}");
    }
    for refused in [
        json!({"tools":[{"type":"web_search"}]}),
        json!({"tools":[{"type":"custom","name":"c"}]}),
        json!({"tool_choice":{"type":"web_search"}}),
        json!({"input":[{"type":"web_search_call","id":"ws_1","status":"completed"}]}),
        json!({"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]}),
        json!({"input":[{"role":"user","content":[{"type":"input_image","file_id":"file-1"}]}]}),
        json!({"input":[{"role":"user","content":[{"type":"new","x":1}]}]}),
        json!({"text":{"format":{"type":"grammar"}}}),
    ] {
        let mut body = json!({"model":"m","input":"a"});
        for (key, value) in refused.as_object().unwrap() {
            body[key] = value.clone();
        }
        let way = (&OpenAiChat as &dyn Dialect, vllm);
        assert!(
            through(&Responses, &body, way, Lossy::Hints).is_err(),
            "{body}"
        );
        assert!(
            through(&Responses, &body, way, Lossy::Drop).is_ok(),
            "{body}"
        );
    }
    for (wrong, field) in [
        (
            json!([{"type":"function_call","name":"f"}]),
            "input[0].call_id",
        ),
        (
            json!([{"type":"function_call_output","output":"r"}]),
            "input[0].call_id",
        ),
    ] {
        let body = Bytes::from(json!({"model":"m","input":wrong}).to_string());
        assert_eq!(decode(&Responses, &body).unwrap_err().field(), Some(field));
    }
}

/// A thought comes back to its own vendor with its proof, and to no other one.
#[test]
fn proofs_go_back_to_whom_they_are_of() {
    let body = json!({"model":"m","input":[
        {"role":"user","content":"a"},
        {"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"hm"}],"encrypted_content":"anthropic.signature:c2ln"},
        {"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"anthropic.redacted_thinking:ZGF0"},
        {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},
        {"type":"function_call_output","call_id":"c1","output":"r"}],"max_output_tokens":10});
    let anthropic = vendor("anthropic").unwrap();
    let way = (anthropic.speaks()[0], anthropic.quirks("claude-3-7-sonnet"));
    let (made, _) = through(&Responses, &body, way, Lossy::Hints).unwrap();
    assert_eq!(
        made["messages"][1]["content"],
        json!([{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"ZGF0"},{"type":"tool_use","id":"c1","name":"f","input":{}}])
    );
    let (made, _) = through(&Responses, &body, (&Responses, &PLAIN), Lossy::Hints).unwrap();
    assert_eq!(made["input"][1]["type"], "function_call");
}

#[test]
fn from_chat_completions() {
    let body = json!({"model":"m","messages":[
        {"role":"system","content":"s"},{"role":"user","content":"a"},
        {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"c1","content":"r"}],
        "tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto","seed":1,"presence_penalty":0,"verbosity":"low",
        "response_format":{"type":"json_object"},"max_completion_tokens":7,"modalities":["text"],"x":1});
    let (made, dropped) = through(&OpenAiChat, &body, (&Responses, &PLAIN), Lossy::Drop).unwrap();
    assert_eq!(
        made,
        json!({"model":"up","input":[{"role":"system","content":"s"},{"role":"user","content":"a"},
            {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"r"}],
            "store":false,"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}},"strict":false}],
            "tool_choice":"auto","max_output_tokens":7,"text":{"verbosity":"low","format":{"type":"json_object"}}})
    );
    assert!(
        dropped.contains(&"seed") && !dropped.contains(&"presence_penalty"),
        "{dropped:?}"
    );
    for refused in [
        json!({"stop":"x"}),
        json!({"n":2}),
        json!({"tools":[{"type":"custom","custom":{"name":"c"}}]}),
    ] {
        let mut body = json!({"model":"m","messages":[{"role":"user","content":"a"}]});
        for (key, value) in refused.as_object().unwrap() {
            body[key] = value.clone();
        }
        let way = (&Responses as &dyn Dialect, &PLAIN);
        assert!(
            through(&OpenAiChat, &body, way, Lossy::Hints).is_err(),
            "{body}"
        );
    }
}

#[test]
fn a_budget_caps_who_sets_no_cap() {
    for (given, want) in [
        ("", 9),
        (",\"max_output_tokens\":null", 9),
        (",\"max_output_tokens\":5", 5),
    ] {
        let body = Bytes::from(format!(
            r#"{{"model":"up","input":"a","store":false{given}}}"#
        ));
        let facts = read(&Responses, &body).unwrap();
        let call = Call {
            cap: Some(9),
            ..CALL
        };
        let made = Responses.forward(&body, &facts, &call, &PLAIN, Lossy::Refuse);
        let written = made.unwrap().edits.apply(&body).into_bytes();
        let written: Json = serde_json::from_slice(&written).unwrap();
        assert_eq!(written["max_output_tokens"], want, "{given}");
    }
}

fn forwarded(body: &str, model: &str) -> (Json, Dropped) {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let facts = read(&Responses, &body).unwrap();
    let quirks = vendor("openai").unwrap().quirks(model);
    let call = Call { model, ..CALL };
    let made = Responses
        .forward(&body, &facts, &call, quirks, Lossy::Hints)
        .unwrap();
    let written = made.edits.apply(&body).into_bytes();
    (serde_json::from_slice(&written).unwrap(), made.dropped)
}

use crate::dialect::Dropped;

#[test]
fn its_own_vendor_keeps_nothing_and_sees_its_own_thoughts_only() {
    let (made, dropped) = forwarded(
        r#"{"model":"m","input":[{"type":"reasoning","id":"rs_1","summary":[]},{"role":"user","content":"a"},{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"a.b:c2ln"},{"type":"reasoning","id":"rs_3","summary":[],"encrypted_content":"gAAA"}],"x":1,"tools":[{"type":"web_search"}]}"#,
        "gpt-4o",
    );
    assert_eq!(
        made,
        json!({"model":"gpt-4o","input":[{"role":"user","content":"a"},{"type":"reasoning","id":"rs_3","summary":[],"encrypted_content":"gAAA"}],"x":1,"tools":[{"type":"web_search"}],"store":false})
    );
    assert!(dropped.is_empty());
    let (made, dropped) = forwarded(r#"{"model":"m","input":"a","store":true}"#, "gpt-5-mini");
    assert_eq!(
        made,
        json!({"model":"gpt-5-mini","input":"a","store":false,"include":["reasoning.encrypted_content"]})
    );
    assert_eq!(dropped.as_slice(), ["store"]);
    for (asked, want) in [
        ("[]", json!(["reasoning.encrypted_content"])),
        ("null", json!(["reasoning.encrypted_content"])),
        (r#"["x"]"#, json!(["x", "reasoning.encrypted_content"])),
        (
            r#"["reasoning.encrypted_content"]"#,
            json!(["reasoning.encrypted_content"]),
        ),
    ] {
        let body = format!(r#"{{"include":{asked},"model":"m","store":null,"input":"a"}}"#);
        let (made, _) = forwarded(&body, "o4-mini");
        assert_eq!(
            (&made["include"], &made["store"]),
            (&want, &json!(false)),
            "{asked}"
        );
    }
}

#[test]
fn a_reply_repeats_what_was_asked() {
    let body = Bytes::from_static(
        br#"{"model":"m","input":"a","instructions":"i","metadata":{"k":"v"},"temperature":0.5,"tools":[{"type":"function","name":"f"}],"reasoning":{"effort":"low"},"text":{"format":{"type":"json_object"}},"user":null}"#,
    );
    let facts = read(&Responses, &body).unwrap();
    let head = ReplyHead {
        request_id: "r1".to_owned(),
        model: "m".to_owned(),
        created: 7,
        usage_asked: true,
        thoughts: true,
        shape: wire::facts::Shape::default(),
        echo: Responses.echo(&body, &facts),
    };
    let whole = Responses.encoder(head).whole(&[]).into_bytes();
    let whole: Json = serde_json::from_slice(&whole).unwrap();
    for (key, want) in [
        ("instructions", json!("i")),
        ("metadata", json!({"k":"v"})),
        ("temperature", json!(0.5)),
        ("tools", json!([{"type":"function","name":"f"}])),
        ("tool_choice", json!("auto")),
        ("reasoning", json!({"effort":"low","summary":null})),
        ("text", json!({"format":{"type":"json_object"}})),
        ("user", json!(null)),
        ("store", json!(false)),
        ("parallel_tool_calls", json!(true)),
        ("id", json!("resp_r1")),
        ("status", json!("completed")),
    ] {
        assert_eq!(whole[key], want, "{key}");
    }
}

/// A long prompt is spliced from the client's bytes, in either direction.
#[test]
fn long_texts_are_not_copied() {
    let long = "长文 long \\\" text ".repeat(10_000);
    let chat = format!(
        r#"{{"model":"m","messages":[{{"role":"system","content":"{long}"}},{{"role":"user","content":"{long}"}}]}}"#
    );
    let responses = format!(
        r#"{{"model":"m","instructions":"{long}","input":[{{"role":"user","content":[{{"type":"input_text","text":"{long}"}}]}},{{"type":"function_call_output","call_id":"c","output":"{long}"}}]}}"#
    );
    let ways: [(&dyn ClientDialect, String, &dyn Dialect); 2] = [
        (&OpenAiChat, chat, &Responses),
        (&Responses, responses, &OpenAiChat),
    ];
    for (client, body, spoken) in ways {
        let body = Bytes::from(body);
        let request = decode(client, &body).unwrap();
        let made = spoken
            .encode_request(&request, &CALL, &PLAIN, Lossy::Hints)
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
