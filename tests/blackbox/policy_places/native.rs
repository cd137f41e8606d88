//! The same for clients of DashScope's native dialect: every place of a generation request, before its own vendor and
//! before others.

use super::places::V;
use super::{DISGUISES, check_received, redacting};
use tests::planted::{Planter, plain, seen, to_base64};
use tests::*;

/// Who answers: its own vendor, one of OpenAI's dialect, one of a third.
const BEFORE: [&str; 3] = ["tongyi", "openai", "anthropic"];
const TEXT: &str = "/api/v1/services/aigc/text-generation/generation";
const PARTS: &str = "/api/v1/services/aigc/multimodal-generation/generation";

struct Place {
    name: &'static str,
    path: &'static str,
    body: Value,
    number: bool,
    file: bool,
    echoed: bool,
}

fn at(name: &'static str, body: Value) -> Place {
    Place {
        name,
        path: TEXT,
        body,
        number: false,
        file: false,
        echoed: false,
    }
}

fn messages(name: &'static str, messages: Value) -> Place {
    at(name, json!({"input": {"messages": messages}}))
}

fn user(name: &'static str, content: Value) -> Place {
    messages(name, json!([{"role": "user", "content": content}]))
}

fn parts(name: &'static str, content: Value) -> Place {
    Place {
        path: PARTS,
        ..user(name, content)
    }
}

fn parameter(name: &'static str, parameters: Value) -> Place {
    at(name, json!({"parameters": parameters}))
}

fn tool(name: &'static str, function: Value) -> Place {
    let mut all = json!({"name": "f", "description": "d", "parameters": {"type": "object"}});
    for (key, value) in function.as_object().unwrap() {
        all[key] = value.clone();
    }
    parameter(
        name,
        json!({"tools": [{"type": "function", "function": all}]}),
    )
}

fn call(name: &'static str, id: &str, function: &str, arguments: String, result: Value) -> Place {
    let call = json!({"id": id, "type": "function", "function": {"name": function, "arguments": arguments}});
    messages(
        name,
        json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "tool_call_id": id, "content": result}]),
    )
}

fn places() -> Vec<Place> {
    let none = || String::from("{}");
    vec![
        Place {
            echoed: true,
            ..user("user", format!("请联系 {V} 谢谢").into())
        },
        Place {
            echoed: true,
            ..at("a prompt", json!({"input": {"prompt": format!("ask {V}")}}))
        },
        parts(
            "user, in parts",
            json!([{"text": "see"}, {"text": format!("reach {V} now")}]),
        ),
        parts(
            "an image's address",
            json!([{"image": format!("https://x.example/?who={V}")}, {"text": "hi"}]),
        ),
        parts(
            "a sound's address",
            json!([{"audio": format!("https://x.example/?who={V}")}, {"text": "hi"}]),
        ),
        parts(
            "an unknown part",
            json!([{"note": {"deep": [V]}}, {"text": "hi"}]),
        ),
        parts("an unknown part's key", json!([{V: "x"}, {"text": "hi"}])),
        Place {
            file: true,
            ..parts(
                "a file of text",
                json!([{"file": format!("data:text/csv;base64,{V}")}, {"text": "hi"}]),
            )
        },
        messages(
            "system",
            json!([{"role": "system", "content": format!("联系 {V}")}, {"role": "user", "content": "hi"}]),
        ),
        messages(
            "assistant",
            json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": format!("it is {V}")}, {"role": "user", "content": "b"}]),
        ),
        messages(
            "a thought",
            json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "c", "reasoning_content": format!("is it {V}?")}, {"role": "user", "content": "b"}]),
        ),
        messages(
            "a name",
            json!([{"role": "user", "name": V, "content": "a"}]),
        ),
        messages(
            "an unknown member",
            json!([{"role": "user", "content": "a", "x": {"y": V}}]),
        ),
        call("a call's id", V, "f", none(), "ok".into()),
        call("a call's name", "c", V, none(), "ok".into()),
        call(
            "arguments",
            "c",
            "f",
            json!({"phone": V}).to_string(),
            "ok".into(),
        ),
        call("a result", "c", "f", none(), format!("found {V}").into()),
        tool("a tool's name", json!({"name": V})),
        tool(
            "a tool's description",
            json!({"description": format!("calls {V}")}),
        ),
        tool(
            "a property's name",
            json!({"parameters": {"type": "object", "properties": {V: {"type": "string"}}}}),
        ),
        tool(
            "a default",
            json!({"parameters": {"type": "object", "properties": {"p": {"default": V}}}}),
        ),
        parameter(
            "the chosen tool",
            json!({"tools": [{"type": "function", "function": {"name": V}}], "tool_choice": {"type": "function", "function": {"name": V}}}),
        ),
        parameter("stop", json!({"stop": ["x", V]})),
        parameter(
            "a schema",
            json!({"response_format": {"type": "json_object", "x": V}}),
        ),
        parameter(
            "search options",
            json!({"enable_search": true, "search_options": {"x": V}}),
        ),
        parameter("a format that is none", json!({"result_format": V})),
        parameter("an unknown parameter", json!({"x": {"y": [V]}})),
        parameter("an unknown parameter's name", json!({V: 1})),
        Place {
            number: true,
            ..parameter("an unknown parameter, a number", json!({"x": {"phone": V}}))
        },
        at(
            "the input's model",
            json!({"input": {"prompt": "hi", "model": V}}),
        ),
        Place {
            number: true,
            ..at(
                "the input's seed",
                json!({"input": {"prompt": "hi", "seed": V}}),
            )
        },
        parameter("the parameters' model", json!({"model": V})),
        messages(
            "a message's model",
            json!([{"role": "user", "content": "hi", "model": V}]),
        ),
        Place {
            number: true,
            ..at("a seed beside the parameters", json!({"seed": V}))
        },
        at(
            "an unknown member of the input",
            json!({"input": {"prompt": "hi", "x": V}}),
        ),
        at("an unknown member", json!({"x": {"y": V}})),
        at("an unknown member's name", json!({V: 1})),
        at(
            "resources",
            json!({"resources": [{"type": "x", "value": V}]}),
        ),
    ]
}

fn body(place: &Place, model: &str, stream: bool, written: &str) -> String {
    let mut body =
        json!({"model": model, "input": {"messages": [{"role": "user", "content": "hello"}]}});
    for (key, value) in place.body.as_object().unwrap() {
        body[key] = value.clone();
    }
    if stream {
        body["parameters"]["incremental_output"] = true.into();
        body["parameters"]["result_format"] = body["parameters"]
            .get("result_format")
            .cloned()
            .unwrap_or_else(|| "message".into());
    }
    let text = body.to_string();
    if place.number {
        return text.replace(&format!("\"{V}\""), written);
    }
    text.replace(V, written)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_planted_leaves_from_any_place_of_a_native_request() {
    let sim = sim().await;
    let mut config = Config::with(&sim, BEFORE);
    for vendor in BEFORE {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
        config.0["models"][format!("m-{vendor}")]["lossy"] = "drop".into();
    }
    config.set("policies", redacting());
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(0x5EED_00B0);
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
                let ask = Ask::post(gateway.listen, place.path).key(KEY);
                let ask = if stream {
                    ask.header("x-dashscope-sse", "enable")
                } else {
                    ask
                };
                let reply = ask.bytes(body).send().await;
                if check_received(&sim, &planter, &what, &mut wrong) > 0 {
                    reached.push(vendor);
                    let last = sim.requests().last().unwrap().body.clone();
                    let sent = String::from_utf8_lossy(&last).into_owned();
                    if vendor == "tongyi" && !place.file && !sent.contains("_1>") {
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
        if !reached.contains(&"tongyi") {
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
