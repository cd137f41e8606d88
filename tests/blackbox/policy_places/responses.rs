//! The same for clients of OpenAI's Responses.

use super::places::V;
use super::sweep::{Asked, Place, at, echoed, nothing_leaves, number, refused};
use tests::*;

fn items(name: &'static str, items: Value) -> Place {
    at(name, json!({"input": items}))
}

fn user(name: &'static str, content: Value) -> Place {
    items(name, json!([{"role": "user", "content": content}]))
}

fn text(text: String) -> Value {
    json!({"type": "input_text", "text": text})
}

/// An item of before, between two turns of the user.
fn item(name: &'static str, item: Value) -> Place {
    items(
        name,
        json!([{"role": "user", "content": "hello"}, item, {"role": "user", "content": "go on"}]),
    )
}

/// A call and its result.
fn call(name: &'static str, call: Value, output: Value) -> Place {
    let mut made =
        json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"});
    for (key, value) in call.as_object().unwrap() {
        made[key] = value.clone();
    }
    let mut answer =
        json!({"type": "function_call_output", "call_id": made["call_id"], "output": "ok"});
    for (key, value) in output.as_object().unwrap() {
        answer[key] = value.clone();
    }
    items(
        name,
        json!([{"role": "user", "content": "hello"}, made, answer]),
    )
}

fn tool(name: &'static str, tool: Value) -> Place {
    let mut all = json!({"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}});
    for (key, value) in tool.as_object().unwrap() {
        all[key] = value.clone();
    }
    at(name, json!({"tools": [all]}))
}

fn said() -> Vec<Place> {
    let thought = |name, thought: Value| {
        let mut all = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": format!("gAAAAAB{}", "Zm9v".repeat(20))});
        for (key, value) in thought.as_object().unwrap() {
            all[key] = value.clone();
        }
        item(name, all)
    };
    vec![
        echoed(at("input", json!({"input": format!("请联系 {V} 谢谢")}))),
        echoed(user("user", format!("reach {V} now").into())),
        echoed(user(
            "user, in parts",
            json!([text("see".into()), text(format!("reach {V} now"))]),
        )),
        at(
            "instructions",
            json!({"instructions": format!("联系 {V} 即可")}),
        ),
        items(
            "system",
            json!([{"role": "system", "content": format!("now {V}")}, {"role": "user", "content": "hello"}]),
        ),
        items(
            "developer",
            json!([{"role": "developer", "content": [text(format!("now {V}"))]}, {"role": "user", "content": "hello"}]),
        ),
        item(
            "assistant",
            json!({"role": "assistant", "content": format!("it is {V}")}),
        ),
        item(
            "assistant, in parts",
            json!({"type": "message", "role": "assistant", "id": "msg_1", "content": [{"type": "output_text", "text": format!("it is {V}"), "annotations": []}]}),
        ),
        item(
            "a refusal",
            json!({"role": "assistant", "content": [{"type": "refusal", "refusal": format!("not {V}")}]}),
        ),
        item(
            "an annotation",
            json!({"role": "assistant", "content": [{"type": "output_text", "text": "ok", "annotations": [{"type": "url_citation", "title": V, "url": "https://x.example"}]}]}),
        ),
        thought(
            "a thought's summary",
            json!({"summary": [{"type": "summary_text", "text": format!("is it {V}?")}]}),
        ),
        thought(
            "a thought's text",
            json!({"content": [{"type": "reasoning_text", "text": format!("is it {V}?")}]}),
        ),
        thought("a thought's id", json!({"id": V})),
        thought(
            "an unknown member of a thought",
            json!({"x": {"deep": [V]}}),
        ),
        item(
            "an item's id",
            json!({"type": "message", "role": "assistant", "id": V, "content": "ok"}),
        ),
        item(
            "a vendor's own tool",
            json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": V}}),
        ),
        item(
            "an item of an unknown type",
            json!({"type": "note", "note": {"body": V}}),
        ),
        item("an item's type", json!({"type": V, "x": 1})),
        user(
            "an unknown member of a part",
            json!([{"type": "input_text", "text": "hi", "x": {"deep": [V]}}]),
        ),
        user(
            "an unknown key of a part",
            json!([{"type": "input_text", "text": "hi", "x": {V: 1}}]),
        ),
        user(
            "an unknown part",
            json!([text("hi".into()), {"type": "note", "note": {"body": V}}]),
        ),
        user(
            "a part's type",
            json!([text("hi".into()), {"type": V, "text": "a"}]),
        ),
        user(
            "the address of an image",
            json!([{"type": "input_image", "image_url": format!("https://cdn.example/a.png?phone={V}")}, text("hi".into())]),
        ),
        user(
            "the id of an image",
            json!([{"type": "input_image", "file_id": V}, text("hi".into())]),
        ),
        user(
            "a file's name",
            json!([{"type": "input_file", "filename": V, "file_data": "data:application/pdf;base64,AAAA"}, text("hi".into())]),
        ),
        user(
            "the address of a file",
            json!([{"type": "input_file", "file_url": format!("https://cdn.example/a.pdf?who={V}")}, text("hi".into())]),
        ),
        user(
            "a file's data that is none",
            json!([{"type": "input_file", "filename": "f", "file_data": V}, text("hi".into())]),
        ),
        Place {
            file: true,
            ..user(
                "a file of text",
                json!([{"type": "input_file", "filename": "f.csv", "file_data": format!("data:text/csv;base64,{V}")}, text("hi".into())]),
            )
        },
        user(
            "sound that is none",
            json!([{"type": "input_audio", "input_audio": {"data": V, "format": "wav"}}, text("hi".into())]),
        ),
        items(
            "an item's model",
            json!([{"role": "user", "content": "hello", "model": V}]),
        ),
        number(items(
            "an item's temperature",
            json!([{"role": "user", "content": "hello", "temperature": V}]),
        )),
        refused(items("a role", json!([{"role": V, "content": "hello"}]))),
        refused(items(
            "a reference",
            json!([{"type": "item_reference", "id": V}]),
        )),
        refused(at(
            "a response of before",
            json!({"previous_response_id": V}),
        )),
        refused(at("a conversation", json!({"conversation": V}))),
        refused(at(
            "a prompt",
            json!({"prompt": {"id": "p", "variables": {"who": V}}}),
        )),
    ]
}

fn calls() -> Vec<Place> {
    let none = || json!({});
    vec![
        call("a call's id", json!({"call_id": V}), none()),
        call("a call's name", json!({"name": V}), none()),
        call(
            "arguments",
            json!({"arguments": json!({"phone": V}).to_string()}),
            none(),
        ),
        call(
            "arguments, deep",
            json!({"arguments": json!({"a": {"b": [1, {"c": V}]}}).to_string()}),
            none(),
        ),
        call(
            "arguments that are no JSON",
            json!({"arguments": format!("call {V}")}),
            none(),
        ),
        call("an unknown member of a call", json!({"x": V}), none()),
        call("an output", none(), json!({"output": format!("found {V}")})),
        call(
            "an output, JSON in it",
            none(),
            json!({"output": json!({"rows": [{"phone": V}]}).to_string()}),
        ),
        call(
            "an output, in parts",
            none(),
            json!({"output": [text(format!("found {V}"))]}),
        ),
        call("an output's unknown member", none(), json!({"x": V})),
        item(
            "a free text for a tool",
            json!({"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": format!("call {V}")}),
        ),
        tool(
            "a tool's description",
            json!({"description": format!("calls {V}")}),
        ),
        tool("a tool's name", json!({"name": V})),
        tool(
            "a property's name",
            json!({"parameters": {"type": "object", "properties": {V: {"type": "string"}}}}),
        ),
        tool(
            "a property's description",
            json!({"parameters": {"type": "object", "properties": {"p": {"type": "string", "description": V}}}}),
        ),
        tool(
            "a default",
            json!({"parameters": {"type": "object", "properties": {"p": {"type": "string", "default": V, "enum": ["a", V]}}}}),
        ),
        number(tool(
            "a default, a number",
            json!({"parameters": {"type": "object", "properties": {"p": {"default": V}}}}),
        )),
        at(
            "a tool of the vendor's",
            json!({"tools": [{"type": "web_search", "user_location": {"type": "approximate", "city": V}}]}),
        ),
        at(
            "a server of tools",
            json!({"tools": [{"type": "mcp", "server_label": V, "server_url": "https://x.example"}]}),
        ),
        at(
            "the chosen tool",
            json!({"tools": [{"type": "function", "name": V, "parameters": {"type": "object"}}], "tool_choice": {"type": "function", "name": V}}),
        ),
    ]
}

fn fields() -> Vec<Place> {
    vec![
        at("user", json!({"user": V})),
        at("safety identifier", json!({"safety_identifier": V})),
        at("cache key", json!({"prompt_cache_key": V})),
        at("metadata", json!({"metadata": {"x": {"y": V}}})),
        at("metadata, a key", json!({"metadata": {V: "yes"}})),
        number(at("metadata, a number", json!({"metadata": {"phone": V}}))),
        at(
            "a schema of the answer",
            json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {V: {"const": V}}}}}}),
        ),
        at(
            "a schema's name",
            json!({"text": {"format": {"type": "json_schema", "name": V, "schema": {"type": "object"}}}}),
        ),
        at("an effort", json!({"reasoning": {"effort": V}})),
        at("what is included", json!({"include": [V]})),
        at("a service tier", json!({"service_tier": V})),
        at("a truncation", json!({"truncation": V})),
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
        at("top_logprobs that is no number", json!({"top_logprobs": V})),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_planted_leaves_from_any_place_of_a_responses_request() {
    let mut places = said();
    places.extend(calls());
    places.extend(fields());
    nothing_leaves(Asked {
        path: "/v1/responses",
        base: json!({"input": "hello"}),
        before: &["openai", "anthropic", "tongyi", "glm"],
        places,
        seed: 0x5EED_00B0,
    })
    .await;
}
