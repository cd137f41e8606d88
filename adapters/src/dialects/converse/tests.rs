//! Requests from OpenAI's and Anthropic's dialects, as this one writes them.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use wire::json::{Limits, scan};

use super::*;
use crate::dialect::ClientDialect;
use crate::dialects::anthropic::Anthropic;
use crate::dialects::openai_chat::OpenAiChat;
use crate::places::{Asked, Asks};
use crate::vendor;

const CALL: Call<'static> = Call {
    cap: None,
    model: "up",
    stream: false,
    dialect: DialectId::Converse,
    asks: Asks::Reply,
    multimodal: false,
    request_id: "req-1",
    now_ms: 0,
    token: None,
    host: "",
    base_path: "",
};

fn through(
    client: &dyn ClientDialect,
    body: &Json,
    model: &str,
    lossy: Lossy,
) -> Result<(Json, Vec<&'static str>), Fault> {
    let body = Bytes::from(body.to_string());
    let tape = scan(&body, &Limits::default()).unwrap();
    let asked = Asked::at(&client.endpoints()[0]);
    let facts = client.read_request(&body, tape, &asked)?;
    let request = client.decode_request(&body, &facts)?;
    let quirks = vendor("bedrock").unwrap().quirks(model);
    let made = Converse.encode_request(&request, &CALL, quirks, lossy)?;
    let written = made.body.into_bytes();
    Ok((
        serde_json::from_slice(&written).unwrap(),
        made.dropped.to_vec(),
    ))
}

const NOVA: &str = "amazon.nova-pro-v1:0";
const SONNET: &str = "us.anthropic.claude-sonnet-4-20250514-v1:0";

#[test]
fn from_chat_completions() {
    let body = json!({"model":"m","messages":[
        {"role":"assistant","content":"hello"},
        {"role":"system","content":"s1"},{"role":"user","content":" "},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}},{"type":"file","file":{"filename":"a b/c.pdf","file_data":"data:application/pdf;base64,AA=="}}]},
        {"role":"assistant","content":null,"tool_calls":[{"id":"functions.f:0","type":"function","function":{"name":"f","arguments":""}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{\"x\":1}"}}]},
        {"role":"tool","tool_call_id":"functions.f:0","content":"r1"},{"role":"tool","tool_call_id":"c2","content":""},{"role":"user","content":"and"},
        {"role":"developer","content":"s2"}],
        "tools":[{"type":"function","function":{"name":"f","description":"d"}},{"type":"function","function":{"name":"g","parameters":{"properties":{}}}}],
        "tool_choice":{"type":"function","function":{"name":"g"}},"temperature":1.5,"top_p":0.5,"max_tokens":7,"seed":1,"stop":["x"],"reasoning_effort":"low"});
    let (made, dropped) = through(&OpenAiChat, &body, NOVA, Lossy::Hints).unwrap();
    assert_eq!(
        made,
        json!({"system":[{"text":"s1"},{"text":"s2"}],"messages":[
            {"role":"user","content":[{"text":"."}]},{"role":"assistant","content":[{"text":"hello"}]},
            {"role":"user","content":[{"text":"a"},{"image":{"format":"png","source":{"bytes":"AA=="}}},{"document":{"name":"abcpdf 1","format":"pdf","source":{"bytes":"AA=="}}}]},
            {"role":"assistant","content":[{"toolUse":{"toolUseId":"functions_f_0","name":"f","input":{}}},{"toolUse":{"toolUseId":"c2","name":"g","input":{"x":1}}}]},
            {"role":"user","content":[{"toolResult":{"toolUseId":"functions_f_0","content":[{"text":"r1"}]}},{"toolResult":{"toolUseId":"c2","content":[]}},{"text":"and"}]}],
            "inferenceConfig":{"maxTokens":7,"temperature":1,"topP":0.5,"stopSequences":["x"]},
            "toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"d","inputSchema":{"json":{"type":"object","properties":{}}}}},{"toolSpec":{"name":"g","inputSchema":{"json":{"type":"object","properties":{}}}}}],"toolChoice":{"tool":{"name":"g"}}}})
    );
    for name in ["temperature", "seed", "reasoning_effort"] {
        assert!(dropped.contains(&name), "{name}: {dropped:?}");
    }
    for refused in [
        json!({"n": 2}),
        json!({"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}}),
        json!({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x.example/1.png"}}]}]}),
        json!({"messages":[{"role":"system","content":"only"}]}),
    ] {
        let mut body = json!({"model":"m","messages":[{"role":"user","content":"a"}]});
        for (key, value) in refused.as_object().unwrap() {
            body[key] = value.clone();
        }
        assert!(
            through(&OpenAiChat, &body, NOVA, Lossy::Hints).is_err(),
            "{body}"
        );
    }
}

#[test]
fn thoughts_there_and_back() {
    let body = json!({"model":"m","max_tokens":100,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[
        {"role":"user","content":"a"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"tool_use","id":"t1","name":"f","input":{"k":"v"}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"r"}]}]});
    let (made, dropped) = through(&Anthropic, &body, SONNET, Lossy::Hints).unwrap();
    assert_eq!(
        made["messages"][1]["content"][0],
        json!({"reasoningContent":{"reasoningText":{"text":"hm","signature":"c2ln"}}})
    );
    assert_eq!(
        (
            &made["additionalModelRequestFields"],
            &made["inferenceConfig"]
        ),
        (
            &json!({"thinking":{"type":"enabled","budget_tokens":2048}}),
            &json!({"maxTokens":2148})
        )
    );
    // A call may stand there only beside its tool.
    assert_eq!(made["toolConfig"]["tools"][0]["toolSpec"]["name"], "f");
    assert!(dropped.is_empty(), "{dropped:?}");
    let (made, dropped) = through(&Anthropic, &body, NOVA, Lossy::Hints).unwrap();
    assert!(made.get("additionalModelRequestFields").is_none());
    assert_eq!(dropped, ["reasoning_effort"]);
}
