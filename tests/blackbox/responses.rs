//! Clients of OpenAI's Responses: before their own vendor they see and send its bytes, before any other they see what
//! their SDK expects, whatever the vendor speaks.

mod governed;
mod passing;

use tests::config::{BARE, WITHOUT_TOOLS};
use tests::responses::{good, refused, say};
use tests::*;

fn weather() -> Value {
    json!([{"type": "function", "name": "get_weather", "description": "the weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}])
}

fn every_vendor() -> impl Iterator<Item = &'static str> {
    VENDORS.iter().map(|(name, _)| *name)
}

/// The vendors that speak this dialect.
const OWN: [&str; 2] = ["openai", "azure-openai"];

async fn bench() -> (Sim, Gateway) {
    let sim = sim().await;
    let mut config = Config::all(&sim);
    for vendor in every_vendor() {
        config.0["models"][format!("m-{vendor}")]["lossy"] = "drop".into();
    }
    let gateway = Gateway::start(&config).await;
    (sim, gateway)
}

#[tokio::test]
async fn every_vendor_answers_whole_and_streamed() {
    let (_sim, gateway) = bench().await;
    for vendor in every_vendor() {
        let model = format!("m-{vendor}");
        for stream in [false, true] {
            let what = format!("{vendor}, stream: {stream}");
            let reply = say(&gateway, &model, "你好,世界 🌏", stream).send().await;
            let said = good(&reply, &what);
            assert!(
                said.text().contains("你好,世界 🌏"),
                "{what}: {}",
                reply.text()
            );
            assert_eq!(said.status(), "completed", "{what}");
            assert!(said.pieces > 0 || !stream, "{what}");
            let asked = &said.response["model"];
            assert!(
                *asked == model || OWN.contains(&vendor),
                "{what}: the model that the client asked for, not {asked}"
            );
            assert_eq!(said.response["store"], false, "{what}");
            let closing = gateway.record(&reply).await;
            let usage = &said.response["usage"];
            let counted = closing["tokens"]["completion"] == usage["output_tokens"];
            assert_eq!(usage.is_null(), BARE.contains(&vendor), "{what}: {usage}");
            assert!(counted || usage.is_null(), "{what}: {closing}");
            assert_eq!(closing["outcome"], "completed", "{what}");
            let id = reply.header("x-request-id").unwrap();
            let journal = gateway.journal();
            let opening = journal.opening(id).unwrap();
            assert_eq!(
                (opening.text("dialect"), opening.text("endpoint")),
                ("openai-responses", "/v1/responses"),
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn a_stream_says_what_the_whole_reply_says() {
    let (_sim, gateway) = bench().await;
    for vendor in every_vendor() {
        for text in ["reasoning 想一想", "the weather in 北京", "two weather"] {
            let ask = |stream| {
                say(&gateway, &format!("m-{vendor}"), text, stream).with(|body| {
                    if text.contains("weather") {
                        body["tools"] = weather();
                    }
                })
            };
            let what = format!("{vendor} {text}");
            let whole = good(&ask(false).send().await, &what);
            let streamed = good(&ask(true).send().await, &what);
            assert_eq!(whole.text(), streamed.text(), "{what}");
            assert_eq!(whole.thought(), streamed.thought(), "{what}");
            assert_eq!(whole.status(), streamed.status(), "{what}");
            let calls = |said: &responses::Response| -> Vec<(String, Value)> {
                let calls = said.calls().into_iter();
                calls
                    .map(|(_, name, arguments)| (name, arguments))
                    .collect()
            };
            assert_eq!(calls(&whole), calls(&streamed), "{what}");
            assert_eq!(
                whole.calls().is_empty(),
                !text.contains("weather") || WITHOUT_TOOLS.contains(&vendor),
                "{what}"
            );
            if !whole.calls().is_empty() {
                assert_eq!(whole.calls()[0].2["city"], "北京", "{what}");
                let echoed = &whole.response["tools"];
                assert!(
                    *echoed == weather() || OWN.contains(&vendor),
                    "{what}: {echoed}"
                );
            }
        }
    }
}

#[tokio::test]
async fn tools_go_there_and_back() {
    let (sim, gateway) = bench().await;
    for vendor in every_vendor().filter(|name| !WITHOUT_TOOLS.contains(name)) {
        for stream in [false, true] {
            let what = format!("{vendor}, stream: {stream}");
            let model = format!("m-{vendor}");
            let ask = say(&gateway, &model, "天气 in 北京", stream)
                .with(|body| body["tools"] = weather());
            let called = good(&ask.send().await, &what);
            let (id, name, _) = called.calls()[0].clone();
            assert_eq!(name, "get_weather", "{what}");
            // As SDKs do: all that came goes back, and the result behind it.
            let ask = say(&gateway, &model, "", stream).with(|body| {
                body["tools"] = weather();
                let mut input = vec![json!({"role": "user", "content": "天气 in 北京"})];
                input.extend(called.response["output"].as_array().unwrap().clone());
                input.push(json!({"type": "function_call_output", "call_id": id, "output": "21 celsius 晴"}));
                body["input"] = input.into();
            });
            let reply = ask.send().await;
            let said = good(&reply, &what);
            assert!(
                said.text().contains("21 celsius 晴"),
                "{what}: {}",
                reply.text()
            );
            let sent = String::from_utf8_lossy(&sim.requests().last().unwrap().body).into_owned();
            assert!(
                sent.contains("celsius") && sent.contains("get_weather"),
                "{what}: {sent}"
            );
        }
    }
}

#[tokio::test]
async fn settings_arrive_in_the_vendors_words() {
    let (sim, gateway) = bench().await;
    for vendor in every_vendor() {
        let ask = say(&gateway, &format!("m-{vendor}"), "一二三", false).with(|body| {
            body["instructions"] = "SYSTEM-WORDS".into();
            body["temperature"] = json!(0.7);
            body["max_output_tokens"] = json!(57);
            body["metadata"] = json!({"k": "v"});
            body["user"] = "user-0001".into();
        });
        let reply = ask.send().await;
        let said = good(&reply, vendor);
        let sent = String::from_utf8_lossy(&sim.requests().last().unwrap().body).into_owned();
        let dropped = reply.header("x-yumen-dropped").unwrap_or_default();
        for word in ["SYSTEM-WORDS", "0.7", "57"] {
            let fixed = word == "0.7" && dropped.contains("temperature");
            assert!(
                fixed || sent.contains(word),
                "{vendor}: no {word} in {sent}"
            );
        }
        if !OWN.contains(&vendor) {
            assert_eq!(said.response["instructions"], "SYSTEM-WORDS", "{vendor}");
            assert_eq!(said.response["metadata"], json!({"k": "v"}), "{vendor}");
        }
        let cap = say(
            &gateway,
            &format!("m-{vendor}"),
            "一二三四五六七八九十 and more words",
            true,
        )
        .with(|body| body["max_output_tokens"] = 4.into());
        let cut = good(&cap.send().await, vendor);
        // Some have no word for an answer that was cut.
        if !vendor.starts_with("spark") && !BARE.contains(&vendor) {
            assert_eq!(cut.status(), "incomplete", "{vendor}");
            assert_eq!(
                cut.response["incomplete_details"]["reason"], "max_output_tokens",
                "{vendor}"
            );
        }
    }
}

/// Tools that run at the vendor go to it and to nobody else.
#[tokio::test]
async fn what_no_other_dialect_has_is_refused_or_named() {
    let sim = sim().await;
    let config = Config::with(&sim, ["openai", "tongyi", "anthropic"]);
    let gateway = Gateway::start(&config).await;
    let hosted = |body: &mut Value| body["tools"] = json!([{"type": "web_search"}]);
    for vendor in ["anthropic", "tongyi"] {
        let model = format!("m-{vendor}");
        let reply = say(&gateway, &model, "hi", false).with(hosted).send().await;
        refused(&reply, 400, "invalid_request");
        assert_eq!(reply.json()["error"]["param"], "tools");
        let hints = say(&gateway, &model, "hi", false).with(|body| {
            body["truncation"] = "auto".into();
            body["store"] = true.into();
            body["x_unknown"] = json!({"a": 1});
        });
        let reply = hints.send().await;
        good(&reply, vendor);
        let dropped = reply.header("x-yumen-dropped").unwrap();
        for name in ["truncation", "store", "unknown_fields"] {
            assert!(
                dropped.split(',').any(|one| one == name),
                "{vendor}: {dropped}"
            );
        }
    }
    let reply = say(&gateway, "m-openai", "hi", false)
        .with(hosted)
        .send()
        .await;
    good(&reply, "its own tools reach the vendor");
}

/// A thought of Anthropic's goes to the client with its proof, and back.
#[tokio::test]
async fn thoughts_keep_their_proof_in_another_dialect() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::with(&sim, ["anthropic"])).await;
    for stream in [false, true] {
        let think = |body: &mut Value| {
            body["tools"] = weather();
            body["reasoning"] = json!({"effort": "low"});
            body["max_output_tokens"] = 500.into();
        };
        let ask = say(&gateway, "m-anthropic", "weather?", stream).with(think);
        let called = good(&ask.send().await, "thinks");
        let thought = called.items("reasoning").next().unwrap();
        let proof = thought["encrypted_content"].as_str().unwrap();
        assert!(proof.starts_with("anthropic.signature:"), "{thought}");
        let ask = say(&gateway, "m-anthropic", "", stream).with(|body| {
            think(body);
            let mut input = vec![json!({"role": "user", "content": "weather?"})];
            input.extend(called.response["output"].as_array().unwrap().clone());
            input.push(json!({"type": "function_call_output", "call_id": called.calls()[0].0, "output": "sunny"}));
            body["input"] = input.into();
        });
        let reply = ask.send().await;
        good(&reply, "goes on thinking");
        assert_eq!(reply.header("x-yumen-dropped"), None);
        let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
        assert_eq!(
            sent["messages"][1]["content"][0]["type"], "thinking",
            "{sent}"
        );
        assert!(sent["thinking"].is_object(), "{sent}");
    }
}

/// The shape of an answer, and how probable it is, in either direction.
#[tokio::test]
async fn formats_and_probabilities() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::with(&sim, ["openai", "vllm"])).await;
    for vendor in ["openai", "vllm"] {
        for stream in [false, true] {
            let what = format!("{vendor}, stream: {stream}");
            let ask = say(&gateway, &format!("m-{vendor}"), "hi", stream).with(|body| {
                body["text"] = json!({"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}});
                if vendor == "openai" {
                    body["include"] = json!(["message.output_text.logprobs"]);
                }
            });
            let said = good(&ask.send().await, &what);
            let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
            let format = if vendor == "openai" {
                &sent["text"]["format"]["name"]
            } else {
                &sent["response_format"]["json_schema"]["name"]
            };
            assert_eq!(format, "n", "{what}: {sent}");
            let part = &said.items("message").next().unwrap()["content"][0];
            assert_eq!(
                part["logprobs"][0]["token"].is_string(),
                vendor == "openai",
                "{what}"
            );
        }
    }
}
