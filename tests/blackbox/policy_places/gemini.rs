//! The same for clients of Google's dialect: every place of a generateContent request, before its own vendor and others.

use super::places::V;
use super::{DISGUISES, check_received, redacting};
use tests::planted::{Planter, plain, seen, to_base64};
use tests::*;

/// Who answers: its own vendor, one of OpenAI's dialect, Anthropic, one of a fourth.
const BEFORE: [&str; 4] = ["gemini", "openai", "anthropic", "tongyi"];

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

fn number(place: Place) -> Place {
    Place {
        number: true,
        ..place
    }
}

fn user(name: &'static str, parts: Value) -> Place {
    at(
        name,
        json!({"contents": [{"role": "user", "parts": parts}]}),
    )
}

fn text(text: String) -> Value {
    json!({"text": text})
}

/// A part beside a text.
fn beside(name: &'static str, part: Value) -> Place {
    user(name, json!([part, text("hi".into())]))
}

/// What the model said before, between two turns of the user.
fn model(name: &'static str, parts: Value) -> Place {
    let hello = json!({"role": "user", "parts": [text("hello".into())]});
    let go_on = json!({"role": "user", "parts": [text("go on".into())]});
    at(
        name,
        json!({"contents": [hello, {"role": "model", "parts": parts}, go_on]}),
    )
}

/// A call and its result.
fn call(name: &'static str, call: Value, result: Value) -> Place {
    let mut made = json!({"name": "f", "args": {}});
    for (key, value) in call.as_object().unwrap() {
        made[key] = value.clone();
    }
    let mut answer = json!({"name": made["name"], "response": {"result": "ok"}});
    for (key, value) in result.as_object().unwrap() {
        answer[key] = value.clone();
    }
    at(
        name,
        json!({"contents": [
            {"role": "user", "parts": [text("hello".into())]},
            {"role": "model", "parts": [{"functionCall": made}]},
            {"role": "user", "parts": [{"functionResponse": answer}]},
        ]}),
    )
}

fn tool(name: &'static str, tool: Value) -> Place {
    let mut all = json!({"name": "f", "description": "d"});
    for (key, value) in tool.as_object().unwrap() {
        all[key] = value.clone();
    }
    at(name, json!({"tools": [{"functionDeclarations": [all]}]}))
}

fn config(name: &'static str, config: Value) -> Place {
    at(name, json!({"generationConfig": config}))
}

fn places() -> Vec<Place> {
    let mut all = said();
    all.extend(calls());
    all.extend(files());
    all.extend(fields());
    all
}

fn said() -> Vec<Place> {
    let none = json!({});
    vec![
        Place {
            echoed: true,
            ..user("user", json!([text(format!("请联系 {V} 谢谢"))]))
        },
        Place {
            echoed: true,
            ..user(
                "user, in parts",
                json!([text("see".into()), text(format!("reach {V} now"))]),
            )
        },
        at(
            "user, without a role",
            json!({"contents": [{"parts": [text(format!("联系 {V}"))]}]}),
        ),
        at(
            "system",
            json!({"systemInstruction": {"parts": [text(format!("联系 {V} 即可"))]}}),
        ),
        at(
            "system, the other spelling",
            json!({"system_instruction": {"parts": [text(format!("联系 {V}"))]}}),
        ),
        model("model", json!([text(format!("it is {V}"))])),
        model(
            "a thought",
            json!([{"text": format!("is it {V}?"), "thought": true}, text("ok".into())]),
        ),
        model(
            "a signature that is none",
            json!([{"text": "ok", "thoughtSignature": V}]),
        ),
        model(
            "code that ran",
            json!([{"executableCode": {"language": "PYTHON", "code": format!("print('{V}')")}}, text("ok".into())]),
        ),
        model(
            "what code said",
            json!([{"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": V}}, text("ok".into())]),
        ),
        user(
            "an unknown member of a part",
            json!([{"text": "hi", "x": {"deep": [V]}}]),
        ),
        user(
            "an unknown key of a part",
            json!([{"text": "hi", "x": {V: 1}}]),
        ),
        beside("an unknown part", json!({"note": {"body": V}})),
        at(
            "an unknown member of a content",
            json!({"contents": [{"parts": [text("hi".into())], "x_note": {"deep": [V]}}]}),
        ),
        at(
            "a member called as an inert one",
            json!({"contents": [{"parts": [text("hi".into())], "x": {"role": V, "model": V, "thoughtSignature": V}}]}),
        ),
        at(
            "a content's model",
            json!({"contents": [{"parts": [text("hi".into())], "model": V}]}),
        ),
        number(at(
            "a content's topK",
            json!({"contents": [{"parts": [text("hi".into())], "topK": V}]}),
        )),
        beside("a part's model", json!({"text": "a", "model": V})),
        number(beside("a part's topK", json!({"text": "a", "topK": V}))),
        at(
            "the instruction's model",
            json!({"systemInstruction": {"parts": [text("s".into())], "model": V}}),
        ),
        at(
            "the model of a request beside",
            json!({"requests": [{"model": V, "content": {"parts": [text("x".into())]}}]}),
        ),
        Place {
            refused: true,
            ..at(
                "a role",
                json!({"contents": [{"role": V, "parts": [text("hi".into())]}]}),
            )
        },
        Place {
            refused: true,
            ..at("parts that are none", json!({"contents": [{"parts": V}]}))
        },
        Place {
            refused: true,
            ..at("nothing but a key", json!({"contents": none, V: 1}))
        },
    ]
}

fn calls() -> Vec<Place> {
    let none = || json!({});
    vec![
        call("a call's id", json!({"id": V}), none()),
        call("a call's name", json!({"name": V}), none()),
        call("args", json!({"args": {"phone": V}}), none()),
        call(
            "args, deep",
            json!({"args": {"a": {"b": [1, {"c": V}]}}}),
            none(),
        ),
        call("args, a key", json!({"args": {V: true}}), none()),
        call(
            "args, JSON in it",
            json!({"args": {"inner": json!({"phone": V}).to_string()}}),
            none(),
        ),
        number(call(
            "args, a number",
            json!({"args": {"phone": V}}),
            none(),
        )),
        call(
            "args, pieces",
            json!({"partialArgs": [{"jsonPath": "$.a", "stringValue": V}]}),
            none(),
        ),
        call(
            "a result",
            none(),
            json!({"response": {"result": format!("found {V}")}}),
        ),
        call(
            "a result, several members",
            none(),
            json!({"response": {"a": V, "b": [V]}}),
        ),
        call(
            "a result, an error",
            none(),
            json!({"response": {"error": format!("no {V}")}}),
        ),
        call(
            "a result, JSON in it",
            none(),
            json!({"response": {"output": json!({"rows": [{"phone": V}]}).to_string()}}),
        ),
        number(call(
            "a result, a number",
            none(),
            json!({"response": {"phone": V}}),
        )),
        call("a result's id", none(), json!({"id": V})),
        call("a result's unknown member", none(), json!({"x": V})),
        Place {
            file: true,
            ..call(
                "a file in a result",
                none(),
                json!({"parts": [{"inlineData": {"mimeType": "text/csv", "data": V}}]}),
            )
        },
        tool(
            "a tool's description",
            json!({"description": format!("calls {V}")}),
        ),
        tool("a tool's name", json!({"name": V})),
        tool(
            "a property's name",
            json!({"parameters": {"type": "OBJECT", "properties": {V: {"type": "STRING"}}}}),
        ),
        tool(
            "a property's description",
            json!({"parametersJsonSchema": {"type": "object", "properties": {"p": {"type": "string", "description": V}}}}),
        ),
        tool(
            "a default",
            json!({"parameters": {"type": "OBJECT", "properties": {"p": {"type": "STRING", "default": V, "enum": ["a", V]}}}}),
        ),
        tool(
            "an example of a result",
            json!({"response": {"type": "OBJECT", "example": V}}),
        ),
        at(
            "a tool of the vendor's",
            json!({"tools": [{"googleMaps": {"note": V}}]}),
        ),
        at(
            "the allowed tools",
            json!({"tools": [{"functionDeclarations": [{"name": V}]}], "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [V]}}}),
        ),
    ]
}

fn files() -> Vec<Place> {
    let coded = |kind: &str| Place {
        file: true,
        ..beside(
            "a file of text in base64",
            json!({"inlineData": {"mimeType": kind, "data": V}}),
        )
    };
    vec![
        coded("text/plain"),
        coded("text/csv; charset=utf-8"),
        Place {
            file: true,
            ..beside(
                "the other spelling",
                json!({"inline_data": {"mime_type": "text/plain", "data": V}}),
            )
        },
        beside(
            "the address of a file",
            json!({"fileData": {"mimeType": "image/png", "fileUri": format!("https://cdn.example/a.png?phone={V}")}}),
        ),
        beside(
            "the name of a file",
            json!({"inlineData": {"mimeType": "image/png", "data": "AAAA", "displayName": V}}),
        ),
        beside(
            "the media type of a file",
            json!({"inlineData": {"mimeType": V, "data": "AAAA"}}),
        ),
        beside(
            "an image's data that is none",
            json!({"inlineData": {"mimeType": "image/png", "data": V}}),
        ),
    ]
}

fn fields() -> Vec<Place> {
    vec![
        config("stop", json!({"stopSequences": ["x", V]})),
        config(
            "stop, the other spelling",
            json!({"stop_sequences": ["x", V]}),
        ),
        config(
            "a schema of the answer",
            json!({"responseMimeType": "application/json", "responseJsonSchema": {"type": "object", "properties": {V: {"const": V}}}}),
        ),
        config(
            "a schema of its own kind",
            json!({"responseMimeType": "application/json", "responseSchema": {"type": "STRING", "enum": [V]}}),
        ),
        config("a media type of the answer", json!({"responseMimeType": V})),
        config(
            "a way of thinking",
            json!({"thinkingConfig": {"thinkingLevel": V}}),
        ),
        config("an unknown setting", json!({"x": {"deep": [V]}})),
        config("an unknown setting's name", json!({V: 1})),
        number(config(
            "an unknown setting, a number",
            json!({"x": {"phone": V}}),
        )),
        config("a topK that is no number", json!({"topK": V})),
        config("a model among the settings", json!({"model": V})),
        number(at("a topK beside the settings", json!({"topK": V}))),
        at(
            "a safety setting",
            json!({"safetySettings": [{"category": V, "threshold": "OFF"}]}),
        ),
        Place {
            refused: true,
            ..at("what is cached", json!({"cachedContent": V}))
        },
        at("labels", json!({"labels": {"who": V}})),
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
    ]
}

fn body(place: &Place, written: &str) -> String {
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
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
async fn nothing_planted_leaves_from_any_place_of_a_generate_content_request() {
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
            for verb in ["generateContent", "streamGenerateContent"] {
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
                let body = body(&place, &written);
                let what = format!(
                    "{} at {vendor}, {disguise}, {verb}, {value}: {body}",
                    place.name
                );
                let path = format!("/v1beta/models/m-{vendor}:{verb}");
                let reply = Ask::post(gateway.listen, &path)
                    .header("x-goog-api-key", KEY)
                    .bytes(body)
                    .send()
                    .await;
                if check_received(&sim, &planter, &what, &mut wrong) > 0 {
                    reached.push(vendor);
                    let last = sim.requests().last().unwrap().body.clone();
                    let sent = String::from_utf8_lossy(&last).into_owned();
                    if vendor == "gemini" && !place.file && !sent.contains("_1>") {
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
        if reached.contains(&"gemini") == place.refused {
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
