//! The same for clients of Anthropic's dialect: every place of a messages request, before its own vendor and before others.

use super::places::V;
use super::{DISGUISES, check_received, redacting};
use tests::planted::{Planter, plain, seen, to_base64};
use tests::*;

/// Who answers: its own vendor, one of OpenAI's dialect, one of a third.
const BEFORE: [&str; 4] = ["anthropic", "openai", "tongyi", "glm"];

struct Place {
    name: &'static str,
    body: Value,
    /// The value is a bare number.
    number: bool,
    /// The value stands in a file in base64.
    file: bool,
    /// The gateway itself takes no such request, so nobody receives it.
    refused: bool,
    /// The simulated model repeats it.
    echoed: bool,
}

fn at(name: &'static str, body: Value) -> Place {
    Place {
        name,
        body,
        number: false,
        file: false,
        refused: false,
        echoed: false,
    }
}

fn user(name: &'static str, content: Value) -> Place {
    at(
        name,
        json!({"messages": [{"role": "user", "content": content}]}),
    )
}

fn echoed(place: Place) -> Place {
    Place {
        echoed: true,
        ..place
    }
}

fn number(place: Place) -> Place {
    Place {
        number: true,
        ..place
    }
}

fn text(text: String) -> Value {
    json!({"type": "text", "text": text})
}

/// What the model said before, between two turns of the user.
fn model(name: &'static str, content: Value) -> Place {
    at(
        name,
        json!({"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": content}, {"role": "user", "content": "go on"}]}),
    )
}

/// A call and its result.
fn call(name: &'static str, call: Value, result: Value) -> Place {
    let mut block = json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}});
    for (key, value) in call.as_object().unwrap() {
        block[key] = value.clone();
    }
    let mut answer = json!({"type": "tool_result", "tool_use_id": block["id"], "content": "ok"});
    for (key, value) in result.as_object().unwrap() {
        answer[key] = value.clone();
    }
    at(
        name,
        json!({"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": [block]}, {"role": "user", "content": [answer]}]}),
    )
}

fn tool(name: &'static str, tool: Value) -> Place {
    let mut all = json!({"name": "f", "description": "d", "input_schema": {"type": "object"}});
    for (key, value) in tool.as_object().unwrap() {
        all[key] = value.clone();
    }
    at(name, json!({"tools": [all]}))
}

fn document(name: &'static str, source: Value) -> Place {
    user(
        name,
        json!([{"type": "document", "source": source}, text("hi".into())]),
    )
}

fn places() -> Vec<Place> {
    let mut all = said();
    all.extend(calls());
    all.extend(documents());
    all.extend(fields());
    all
}

fn said() -> Vec<Place> {
    let cached = json!({"type": "ephemeral", "ttl": V});
    vec![
        echoed(user("user", format!("请联系 {V} 谢谢").into())),
        echoed(user(
            "user, in blocks",
            json!([text("see".into()), text(format!("reach {V} now"))]),
        )),
        at("system", json!({"system": format!("联系 {V} 即可")})),
        at(
            "system, in blocks",
            json!({"system": [text("a".into()), text(format!("b {V}"))]}),
        ),
        at(
            "system in the middle",
            json!({"messages": [{"role": "user", "content": "hello"}, {"role": "system", "content": format!("now {V}")}, {"role": "user", "content": "go on"}]}),
        ),
        model("assistant", format!("it is {V}").into()),
        model("assistant, in blocks", json!([text(format!("it is {V}"))])),
        model(
            "a thought",
            json!([{"type": "thinking", "thinking": format!("is it {V}?"), "signature": "c2ln"}, text("ok".into())]),
        ),
        model(
            "a signature that is none",
            json!([{"type": "thinking", "thinking": "hm", "signature": V}, text("ok".into())]),
        ),
        model(
            "a thought that is hidden",
            json!([{"type": "redacted_thinking", "data": V}, text("ok".into())]),
        ),
        model(
            "citations",
            json!([{"type": "text", "text": "ok", "citations": [{"type": "char_location", "cited_text": V, "document_index": 0}]}]),
        ),
        model(
            "a server's tool",
            json!([{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": V}}, text("ok".into())]),
        ),
        user(
            "a mark for the cache",
            json!([{"type": "text", "text": "hi", "cache_control": cached}]),
        ),
        user(
            "an unknown member of a block",
            json!([{"type": "text", "text": "hi", "x": {"deep": [V]}}]),
        ),
        user(
            "an unknown key of a block",
            json!([{"type": "text", "text": "hi", "x": {V: 1}}]),
        ),
        user(
            "an unknown block",
            json!([text("hi".into()), {"type": "note", "note": {"body": V}}]),
        ),
        user(
            "a block's type",
            json!([text("hi".into()), {"type": V, "text": "a"}]),
        ),
        user(
            "a search result",
            json!([{"type": "search_result", "source": "https://x.example", "title": V, "content": [text(V.into())]}, text("hi".into())]),
        ),
        at(
            "an unknown member of a message",
            json!({"messages": [{"role": "user", "content": "hello", "x_note": {"deep": [V]}}]}),
        ),
        at(
            "a member called as an inert one",
            json!({"messages": [{"role": "user", "content": "hello", "x": {"role": V, "model": V, "signature": V}}]}),
        ),
        at(
            "a message's model",
            json!({"messages": [{"role": "user", "content": "hello", "model": V}]}),
        ),
        user(
            "a block's model",
            json!([{"type": "text", "text": "hi", "model": V}]),
        ),
        number(user(
            "a block's top_k",
            json!([{"type": "text", "text": "hi", "top_k": V}]),
        )),
        user(
            "the address of an image",
            json!([{"type": "image", "source": {"type": "url", "url": format!("https://cdn.example/a.png?phone={V}")}}, text("hi".into())]),
        ),
        user(
            "the media type of an image",
            json!([{"type": "image", "source": {"type": "base64", "media_type": V, "data": "AAAA"}}, text("hi".into())]),
        ),
        user(
            "an image's data that is none",
            json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": V}}, text("hi".into())]),
        ),
        Place {
            refused: true,
            ..at(
                "a role",
                json!({"messages": [{"role": V, "content": "hello"}]}),
            )
        },
    ]
}

fn calls() -> Vec<Place> {
    let none = || json!({});
    vec![
        call("a call's id", json!({"id": V}), none()),
        call("a call's name", json!({"name": V}), none()),
        call("input", json!({"input": {"phone": V}}), none()),
        call(
            "input, deep",
            json!({"input": {"a": {"b": [1, {"c": V}]}}}),
            none(),
        ),
        call("input, a key", json!({"input": {V: true}}), none()),
        call(
            "input, JSON in it",
            json!({"input": {"inner": json!({"phone": V}).to_string()}}),
            none(),
        ),
        number(call(
            "input, a number",
            json!({"input": {"phone": V}}),
            none(),
        )),
        call("a result", none(), json!({"content": format!("found {V}")})),
        call(
            "a result, JSON in it",
            none(),
            json!({"content": json!({"rows": [{"phone": V}]}).to_string()}),
        ),
        call(
            "a result, in blocks",
            none(),
            json!({"content": [text(format!("found {V}"))]}),
        ),
        call("a result's unknown member", none(), json!({"x": V})),
        call(
            "a document in a result",
            none(),
            json!({"content": [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": V}}]}),
        ),
        tool(
            "a tool's description",
            json!({"description": format!("calls {V}")}),
        ),
        tool("a tool's name", json!({"name": V})),
        tool(
            "a tool's examples",
            json!({"input_examples": [{"phone": V}]}),
        ),
        tool(
            "a property's name",
            json!({"input_schema": {"type": "object", "properties": {V: {"type": "string"}}}}),
        ),
        tool(
            "a property's description",
            json!({"input_schema": {"type": "object", "properties": {"p": {"type": "string", "description": V}}}}),
        ),
        tool(
            "a default",
            json!({"input_schema": {"type": "object", "properties": {"p": {"type": "string", "default": V, "enum": ["a", V]}}}}),
        ),
        number(tool(
            "a default, a number",
            json!({"input_schema": {"type": "object", "properties": {"p": {"default": V}}}}),
        )),
        at(
            "a tool of the vendor's",
            json!({"tools": [{"type": "web_search_20250305", "name": "web_search", "user_location": {"type": "approximate", "city": V}}]}),
        ),
        at(
            "the chosen tool",
            json!({"tools": [{"name": V, "input_schema": {"type": "object"}}], "tool_choice": {"type": "tool", "name": V}}),
        ),
    ]
}

fn documents() -> Vec<Place> {
    let coded = |kind: &str| Place {
        file: true,
        ..document(
            "a file of text in base64",
            json!({"type": "base64", "media_type": kind, "data": V}),
        )
    };
    vec![
        document(
            "a document of text",
            json!({"type": "text", "media_type": "text/plain", "data": format!("dear {V}")}),
        ),
        document(
            "a document of blocks",
            json!({"type": "content", "content": [text(format!("dear {V}"))]}),
        ),
        document(
            "the address of a document",
            json!({"type": "url", "url": format!("https://x.example/a.pdf?who={V}")}),
        ),
        document(
            "the id of a document",
            json!({"type": "file", "file_id": V}),
        ),
        user(
            "a document's title and context",
            json!([{"type": "document", "title": format!("of {V}"), "context": format!("for {V}"), "source": {"type": "text", "media_type": "text/plain", "data": "x"}}, text("hi".into())]),
        ),
        coded("text/plain"),
        coded("text/csv; charset=utf-8"),
    ]
}

fn fields() -> Vec<Place> {
    vec![
        at("user id", json!({"metadata": {"user_id": V}})),
        at("metadata", json!({"metadata": {"x": {"y": V}}})),
        at("metadata, a key", json!({"metadata": {V: "yes"}})),
        number(at("metadata, a number", json!({"metadata": {"phone": V}}))),
        at("stop", json!({"stop_sequences": ["x", V]})),
        at(
            "a schema of the answer",
            json!({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {V: {"const": V}}}}}}),
        ),
        at("an effort", json!({"output_config": {"effort": V}})),
        at("a way of thinking", json!({"thinking": {"type": V}})),
        at("a service tier", json!({"service_tier": V})),
        at("a container", json!({"container": V})),
        at(
            "servers of tools",
            json!({"mcp_servers": [{"type": "url", "url": "https://x.example", "name": V}]}),
        ),
        at("an unknown field", json!({"x_extra": V})),
        at(
            "an unknown field, deep",
            json!({"x": {"y": [[{"z": [V]}]]}}),
        ),
        at("an unknown field's own name", json!({V: 1})),
        number(at(
            "an unknown field, a number",
            json!({"x": {"phone": [V, 1]}}),
        )),
        at("a top_k that is no number", json!({"top_k": V})),
    ]
}

fn body(place: &Place, model: &str, stream: bool, written: &str) -> String {
    let mut body = json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]});
    if stream {
        body["stream"] = true.into();
    }
    for (key, value) in place.body.as_object().unwrap() {
        body[key] = value.clone();
    }
    let text = body.to_string();
    if place.number {
        return text.replace(&format!("\"{V}\""), written);
    }
    text.replace(V, written)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_planted_leaves_from_any_place_of_a_messages_request() {
    let sim = sim().await;
    let mut config = Config::with(&sim, BEFORE);
    for vendor in BEFORE {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
        config.0["models"][format!("m-{vendor}")]["lossy"] = "drop".into();
    }
    config.set("policies", redacting());
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(0x5EED_00A0);
    let (mut turn, mut wrong) = (0, Vec::new());
    for place in places() {
        let mut reached = Vec::new();
        for vendor in BEFORE {
            for stream in [false, true] {
                let value = if place.number {
                    [Planter::mobile, Planter::id_card][turn % 2](&mut planter)
                } else {
                    planter.any()
                };
                let (disguise, write) = if place.number || place.file {
                    ("plain", DISGUISES[0].1)
                } else {
                    DISGUISES[turn % DISGUISES.len()]
                };
                turn += 1;
                let written = if place.file {
                    to_base64(format!("name,phone\n某人,{value}\n").as_bytes())
                } else {
                    write(&value)
                };
                sim.clear();
                let body = body(&place, &format!("m-{vendor}"), stream, &written);
                let what = format!(
                    "{} at {vendor}, {disguise}, stream: {stream}, {value}: {body}",
                    place.name
                );
                let reply = Ask::post(gateway.listen, "/v1/messages")
                    .header("x-api-key", KEY)
                    .header("anthropic-version", "2023-06-01")
                    .bytes(body)
                    .send()
                    .await;
                if check_received(&sim, &planter, &what, &mut wrong) > 0 {
                    reached.push(vendor);
                    let last = sim.requests().last().unwrap().body.clone();
                    let sent = String::from_utf8_lossy(&last).into_owned();
                    if vendor == "anthropic" && !place.file && !sent.contains("_1>") {
                        wrong.push(format!("{what}: no label: {sent}"));
                    }
                    if reply.header("x-yumen-verdict") != Some("redact") {
                        wrong.push(format!("{what}: {:?}", reply.headers));
                    }
                }
                // A secret is never put back.
                let back = plain(&reply.text()).contains(&plain(&value));
                if place.echoed && back == value.starts_with("AKIA") {
                    wrong.push(format!("{what}: {}", reply.text()));
                }
            }
        }
        if reached.contains(&"anthropic") == place.refused {
            wrong.push(format!("{} reached {reached:?}", place.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    gateway.assert_sound();
    assert!(seen(gateway.log().as_bytes(), planter.made()).is_empty());
}
