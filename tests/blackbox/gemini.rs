//! Clients of Google's dialect: before their own vendor they see and send its bytes, before any other they see what their
//! SDK expects, whatever the vendor speaks; in one piece, as events, and as an array that comes in pieces.

mod governed;
mod passing;

use tests::config::{BARE, WITHOUT_TOOLS};
use tests::gemini::{FORMS, Form, good, refused, say};
use tests::*;

fn weather() -> Value {
    json!([{"functionDeclarations": [{"name": "get_weather", "description": "the weather", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}}]}])
}

fn every_vendor() -> impl Iterator<Item = &'static str> {
    VENDORS.iter().map(|(name, _)| *name)
}

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
async fn every_vendor_answers_in_every_form() {
    let (_sim, gateway) = bench().await;
    for vendor in every_vendor() {
        let model = format!("m-{vendor}");
        for form in FORMS {
            let what = format!("{vendor}, {form:?}");
            let reply = say(&gateway, &model, "你好,世界 🌏", form).send().await;
            let said = good(&reply, form, &what);
            assert!(
                said.text().contains("你好,世界 🌏"),
                "{what}: {}",
                reply.text()
            );
            assert_eq!(said.finish, "STOP", "{what}");
            assert!(
                said.pieces > 1 || form == Form::Whole,
                "{what}: {}",
                reply.text()
            );
            assert!(
                said.model == model || vendor == "gemini",
                "{what}: the model that the client asked for, not {}",
                said.model
            );
            let closing = gateway.record(&reply).await;
            let usage = &said.usage;
            let thoughts = usage["thoughtsTokenCount"].as_u64().unwrap_or(0);
            let generated = usage["candidatesTokenCount"].as_u64().unwrap() + thoughts;
            let counted = closing["tokens"]["completion"] == generated;
            assert!(counted || BARE.contains(&vendor), "{what}: {closing}");
            assert_eq!(closing["outcome"], "completed", "{what}");
            assert_eq!(closing["bytes_down"], reply.body.len(), "{what}");
            let journal = gateway.journal();
            let opening = journal
                .opening(reply.header("x-request-id").unwrap())
                .unwrap();
            let verb = match form {
                Form::Whole => "generateContent",
                Form::Events | Form::Array => "streamGenerateContent",
            };
            assert_eq!(
                (opening.text("dialect"), opening.text("endpoint")),
                (
                    "gemini",
                    format!("/v1beta/models/{{model}}:{verb}").as_str()
                ),
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn all_forms_say_the_same() {
    let (_sim, gateway) = bench().await;
    for vendor in every_vendor() {
        for text in ["reasoning 想一想", "the weather in 北京", "two weather"] {
            let what = format!("{vendor} {text}");
            let mut all = Vec::new();
            for form in FORMS {
                let ask = say(&gateway, &format!("m-{vendor}"), text, form).with(|body| {
                    body["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
                    if text.contains("weather") {
                        body["tools"] = weather();
                    }
                });
                all.push(good(&ask.send().await, form, &what));
            }
            let calls = |said: &gemini::Said| -> Vec<(Value, Value)> {
                let calls = said.calls().into_iter();
                calls
                    .map(|part| {
                        (
                            part["functionCall"]["name"].clone(),
                            part["functionCall"]["args"].clone(),
                        )
                    })
                    .collect()
            };
            for other in &all[1..] {
                assert_eq!(all[0].text(), other.text(), "{what}");
                assert_eq!(all[0].thought(), other.thought(), "{what}");
                assert_eq!(all[0].finish, other.finish, "{what}");
                assert_eq!(calls(&all[0]), calls(other), "{what}");
            }
            let called = calls(&all[0]);
            assert_eq!(
                called.is_empty(),
                !text.contains("weather") || WITHOUT_TOOLS.contains(&vendor),
                "{what}"
            );
            if let Some((_, args)) = called.first() {
                assert_eq!(args["city"], "北京", "{what}");
            }
        }
    }
}

/// Newer models of its own vendor want their signatures back; what other vendors' models call has an id.
#[tokio::test]
async fn tools_go_there_and_back() {
    let (sim, gateway) = bench().await;
    for vendor in every_vendor().filter(|name| !WITHOUT_TOOLS.contains(name)) {
        for form in FORMS {
            let what = format!("{vendor}, {form:?}");
            let model = format!("m-{vendor}");
            let ask = say(&gateway, &model, "两 天气 in 北京", form)
                .with(|body| body["tools"] = weather());
            let called = good(&ask.send().await, form, &what);
            let calls = called.calls();
            assert!(!calls.is_empty(), "{what}");
            for part in &calls {
                assert_eq!(part["functionCall"]["name"], "get_weather", "{what}");
                assert!(
                    part["functionCall"]["id"].is_string() || vendor == "gemini",
                    "{what}: {part}"
                );
            }
            // Old clients send no ids back, and results in any order.
            let results: Vec<Value> = calls
                .iter()
                .map(|_| json!({"functionResponse": {"name": "get_weather", "response": {"result": "21 celsius 晴"}}}))
                .collect();
            let ask = say(&gateway, &model, "天气 in 北京", form).with(|body| {
                body["tools"] = weather();
                let contents = body["contents"].as_array_mut().unwrap();
                contents.push(json!({"role": "model", "parts": called.parts}));
                contents.push(json!({"role": "user", "parts": results}));
            });
            let reply = ask.send().await;
            let said = good(&reply, form, &what);
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
        let ask = say(&gateway, &format!("m-{vendor}"), "一二三 STOPHERE 四五六", Form::Whole).with(|body| {
            body["system_instruction"] = json!({"parts": [{"text": "SYSTEM-WORDS"}]});
            body["generation_config"] = json!({"temperature": 0.7, "stop_sequences": ["STOPHERE"], "maxOutputTokens": 57, "topK": 40});
            body["safetySettings"] = json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]);
        });
        let reply = ask.send().await;
        let said = good(&reply, Form::Whole, vendor);
        let sent = String::from_utf8_lossy(&sim.requests().last().unwrap().body).into_owned();
        let dropped = reply.header("x-yumen-dropped").unwrap_or_default();
        for word in ["SYSTEM-WORDS", "0.7", "STOPHERE", "57"] {
            let fixed = word == "0.7" && dropped.contains("temperature");
            assert!(
                fixed || sent.contains(word),
                "{vendor}: no {word} in {sent}"
            );
        }
        assert!(
            dropped.contains("stop") || !said.text().contains("四五六"),
            "{vendor}: {}",
            said.text()
        );
        if vendor == "gemini" {
            assert!(
                sent.contains("safetySettings") && sent.contains("topK"),
                "{sent}"
            );
        } else {
            assert!(
                dropped.contains("safetySettings") && dropped.contains("topK"),
                "{vendor}: {dropped}"
            );
        }
        let cap = say(
            &gateway,
            &format!("m-{vendor}"),
            "一二三四五六七八九十 and more words",
            Form::Array,
        )
        .with(|body| body["generationConfig"] = json!({"maxOutputTokens": 4}));
        // Spark has no word for an answer that was cut.
        let finish = good(&cap.send().await, Form::Array, vendor).finish;
        assert!(
            finish == "MAX_TOKENS" || vendor.starts_with("spark") || BARE.contains(&vendor),
            "{vendor}: {finish}"
        );
    }
}

/// A vendor of another dialect cannot run this vendor's tools, nor read its files.
#[tokio::test]
async fn what_no_other_dialect_has_and_what_nobody_could_read_is_refused() {
    let sim = sim().await;
    let config = Config::with(&sim, ["openai", "tongyi", "gemini"]);
    let gateway = Gateway::start(&config).await;
    let ask = |vendor: &str, name: &str, value: Value| {
        let ask = say(&gateway, &format!("m-{vendor}"), "hi", Form::Whole);
        ask.with(|body| body[name] = value)
    };
    let search = json!([{"googleSearch": {}}]);
    let mut refusing = vec![
        ("openai", "tools", search.clone()),
        ("tongyi", "tools", search.clone()),
    ];
    // Nobody could look into what was kept before, so not even its own vendor gets it.
    for vendor in ["openai", "tongyi", "gemini"] {
        refusing.push((vendor, "cachedContent", json!("cachedContents/abc")));
    }
    for (vendor, name, value) in refusing {
        let reply = ask(vendor, name, value).send().await;
        refused(&reply, 400, "INVALID_ARGUMENT", "invalid_request");
        assert!(reply.text().contains(name), "{}", reply.text());
    }
    let reply = ask("gemini", "tools", search).send().await;
    good(&reply, Form::Whole, "its own vendor has it");
}

/// Pictures, from and to other dialects.
#[tokio::test]
async fn pictures() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["anthropic", "gemini"]);
    config.sim_provider("openai", "openai", &sim);
    config.model("eyes", &[("openai", "gpt-4o")]);
    let gateway = Gateway::start(&config).await;
    for model in ["eyes", "m-anthropic", "m-gemini"] {
        let ask = say(&gateway, model, "", Form::Whole).with(|body| {
            body["contents"][0]["parts"] = json!([{"inline_data": {"mime_type": "image/png", "data": "iVBORw0KGgo="}}, {"text": "what?"}]);
        });
        good(&ask.send().await, Form::Whole, model);
        let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
        match model {
            "eyes" => assert_eq!(
                sent["messages"][0]["content"][0]["image_url"]["url"],
                "data:image/png;base64,iVBORw0KGgo="
            ),
            "m-anthropic" => assert_eq!(
                sent["messages"][0]["content"][0]["source"]["media_type"],
                "image/png"
            ),
            _ => assert_eq!(
                sent["contents"][0]["parts"][0]["inline_data"]["data"],
                "iVBORw0KGgo="
            ),
        }
    }
    let ask = gateway.chat("m-gemini", "").with(|body| {
        body["messages"][0]["content"] = json!([{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]);
    });
    assert_eq!(ask.send().await.status, 200);
    let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
    assert_eq!(
        sent["contents"][0]["parts"][1],
        json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}})
    );
}

/// A client of OpenAI's dialect gives the signature back, and one that forgets it gets by.
#[tokio::test]
async fn signatures_come_back_through_another_dialect() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::with(&sim, ["gemini"])).await;
    let tools = json!([{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]);
    let reply = gateway
        .chat("m-gemini", "weather?")
        .with(|body| body["tools"] = tools.clone())
        .send()
        .await;
    let message = reply.json()["choices"][0]["message"].clone();
    assert_eq!(
        message["reasoning_details"][0]["type"], "gemini.thought_signature",
        "{message}"
    );
    let id = message["tool_calls"][0]["id"].clone();
    for forgets in [false, true] {
        let mut message = message.clone();
        if forgets {
            message.as_object_mut().unwrap().remove("reasoning_details");
        }
        let ask = gateway.chat("m-gemini", "weather?").with(|body| {
            body["tools"] = tools.clone();
            let messages = body["messages"].as_array_mut().unwrap();
            messages.push(message);
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": "sunny"}));
        });
        let reply = ask.send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
        let call = &sent["contents"][1]["parts"][0];
        let stands_in = call["thoughtSignature"] == "skip_thought_signature_validator";
        assert_eq!(stands_in, forgets, "{sent}");
    }
}
