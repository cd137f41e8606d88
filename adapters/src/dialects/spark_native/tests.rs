//! What goes up, and what may not be lost.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use wire::canon::Event;
use wire::json::{Limits, scan};

use super::*;
use crate::dialect::{ClientDialect, Dropped};
use crate::dialects::openai_chat::OpenAiChat;
use crate::places::{Asked, Asks};
use crate::vendor;

fn written(model: &str, body: &Json, lossy: Lossy) -> Result<(Json, Dropped), Fault> {
    let body = Bytes::from(body.to_string());
    let tape = scan(&body, &Limits::default()).unwrap();
    let facts = OpenAiChat.read_request(&body, tape, &Asked::at(&OpenAiChat.endpoints()[0]))?;
    let request = OpenAiChat.decode_request(&body, &facts)?;
    let call = Call {
        model,
        stream: request.stream,
        dialect: DialectId::SparkNative,
        asks: Asks::Reply,
        multimodal: request.multimodal(),
        cap: None,
        request_id: "req-1",
        now_ms: 0,
        token: None,
        host: "",
        base_path: "",
    };
    let quirks = vendor("spark-ws").unwrap().quirks(model);
    let made = SparkNative.encode_request(&request, &call, quirks, lossy)?;
    let body = made.body.into_bytes();
    Ok((serde_json::from_slice(&body).unwrap(), made.dropped))
}

#[test]
fn a_conversation_with_a_function() {
    let body = json!({"model": "m", "messages": [
        {"role": "system", "content": "s\n\"q\""},
        {"role": "user", "content": "天气"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"合\\\"肥\"}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "晴"},
        {"role": "user", "content": "and?"}],
        "tools": [{"type": "function", "function": {"name": "get_weather", "description": "d"}}],
        "temperature": 0, "max_tokens": 99999, "top_k": 3, "user": "u-1"});
    let (sent, dropped) = written("generalv3.5", &body, Lossy::Hints).unwrap();
    assert_eq!(sent["header"]["uid"].as_str().unwrap().len(), 32);
    assert_eq!(
        sent["parameter"]["chat"],
        json!({"domain": "generalv3.5", "temperature": 0.01, "max_tokens": 8192, "top_k": 3, "auditing": "default"})
    );
    let texts = sent["payload"]["message"]["text"].as_array().unwrap();
    let roles: Vec<&Json> = texts.iter().map(|text| &text["role"]).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    assert_eq!(texts[0]["content"], "s\n\"q\"");
    assert_eq!(texts[3]["content"], "晴\nand?");
    // A call is told as text, which is JSON for whoever reads it so.
    let told: Json = serde_json::from_str(texts[2]["content"].as_str().unwrap()).unwrap();
    assert_eq!(
        told,
        json!({"name": "get_weather", "arguments": {"city": "合\"肥"}})
    );
    assert_eq!(
        sent["payload"]["functions"]["text"],
        json!([{"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}}])
    );
    assert_eq!(dropped.as_slice(), ["user", "max_tokens"]);
}

#[test]
fn some_models_know_no_system_and_no_functions() {
    let mut body = json!({"model": "m", "messages": [
        {"role": "system", "content": "s"}, {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a"}, {"role": "user", "content": "v"}]});
    let (sent, _) = written("lite", &body, Lossy::Refuse).unwrap();
    let texts = &sent["payload"]["message"]["text"];
    assert_eq!(texts[0], json!({"role": "user", "content": "s\nu"}));
    assert_eq!(texts.as_array().unwrap().len(), 3);
    // An empty list of functions must not be there.
    assert_eq!(sent["payload"].as_object().unwrap().len(), 1);
    body["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let fault = written("lite", &body, Lossy::Hints).unwrap_err();
    assert_eq!(fault.field(), Some("tools"));
    assert!(written("generalv3", &body, Lossy::Hints).is_ok());
    body["tool_choice"] = json!("required");
    let fault = written("4.0Ultra", &body, Lossy::Hints).unwrap_err();
    assert_eq!(fault.field(), Some("tool_choice"));
    body["tool_choice"] = json!("none");
    let (sent, _) = written("4.0Ultra", &body, Lossy::Refuse).unwrap();
    assert!(sent["payload"].get("functions").is_none());
}

#[test]
fn whoever_asks_is_somebody_of_their_own() {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "u"}]});
    let (sent, _) = written("4.0Ultra", &body, Lossy::Refuse).unwrap();
    assert_eq!(sent["header"]["uid"].as_str().unwrap().len(), 32);
    // A user's own id goes nowhere, and may ask twice at a time.
    for user in ["u-1".to_owned(), "x".repeat(33)] {
        body["user"] = json!(user);
        let (sent, dropped) = written("4.0Ultra", &body, Lossy::Hints).unwrap();
        assert_eq!(sent["header"]["uid"].as_str().unwrap().len(), 32);
        assert!(!sent.to_string().contains(&user));
        assert_eq!(dropped.as_slice(), ["user"]);
    }
}

/// A stream's events by name, and whether it is over, and ended well.
fn heard(stream: &str) -> (Vec<&'static str>, bool, bool) {
    let mut decoder = SparkNative.decoder();
    let (mut splitter, mut at) = (sse::Splitter::new(sse::Limits::default()), 0);
    let mut events = Vec::new();
    while let Some(event) = splitter.next(stream.as_bytes(), &mut at).unwrap() {
        decoder.event(&event, &mut events).unwrap();
    }
    let names = events.iter().map(|event| match event {
        Event::Start { .. } => "start",
        Event::Text { .. } => "text",
        Event::Finish { .. } => "finish",
        Event::Error(_) => "error",
        _ => "other",
    });
    let names = names.collect();
    (
        names,
        decoder.is_over(),
        decoder.end(&mut Vec::new()).is_ok(),
    )
}

#[test]
fn nothing_behind_the_end_is_heard() {
    let message = |status: u64| {
        let text = json!([{"content": "x", "role": "assistant", "index": 0}]);
        let header = json!({"code": 0, "sid": "s", "status": status});
        let payload = json!({"choices": {"status": status, "seq": status, "text": text}});
        format!(
            "data: {}\n\n",
            json!({"header": header, "payload": payload})
        )
    };
    let (first, last) = (message(0), message(2));
    let all = ["start", "text", "text", "finish"];
    assert_eq!(heard(&format!("{first}{last}")), (all.to_vec(), true, true));
    let more = format!("{first}{last}{last}data: no JSON\n\n");
    assert_eq!(heard(&more), (all.to_vec(), true, true));
    // Without it, nothing is over.
    assert_eq!(heard(&first), (vec!["start", "text"], false, false));
    let failed = format!("{first}data: {{\"header\":{{\"code\":10014}}}}\n\n{last}");
    assert_eq!(
        heard(&failed),
        (vec!["start", "text", "error"], false, false)
    );
}
