//! Clients of Anthropic's dialect: before their own vendor they see and send its bytes, before any other they see what
//! their SDK expects, whatever the vendor speaks.

mod governed;
mod passing;

use tests::config::{BARE, WITHOUT_TOOLS};
use tests::messages::{good, refused, say};
use tests::*;

fn weather() -> Value {
    json!([{"name": "get_weather", "description": "the weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}])
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
            assert_eq!(said.stop(), "end_turn", "{what}");
            let asked = &said.message["model"];
            assert!(
                *asked == model || vendor == "anthropic",
                "{what}: the model that the client asked for, not {asked}"
            );
            let closing = gateway.record(&reply).await;
            let usage = &said.message["usage"];
            let counted = closing["tokens"]["completion"] == usage["output_tokens"];
            assert!(counted || BARE.contains(&vendor), "{what}: {closing}");
            assert_eq!(closing["outcome"], "completed", "{what}");
            let id = reply.header("request-id").unwrap();
            assert_eq!(Some(id), reply.header("x-request-id"), "{what}");
            let journal = gateway.journal();
            let opening = journal.opening(id).unwrap();
            assert_eq!(
                (opening.text("dialect"), opening.text("endpoint")),
                ("anthropic-messages", "/v1/messages"),
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
            assert_eq!(whole.stop(), streamed.stop(), "{what}");
            let calls = |message: &messages::Message| -> Vec<(String, Value)> {
                let calls = message.calls().into_iter();
                calls.map(|(_, name, input)| (name, input)).collect()
            };
            assert_eq!(calls(&whole), calls(&streamed), "{what}");
            assert_eq!(
                whole.calls().is_empty(),
                !text.contains("weather") || WITHOUT_TOOLS.contains(&vendor),
                "{what}"
            );
            if !whole.calls().is_empty() {
                assert_eq!(whole.stop(), "tool_use", "{what}");
                assert_eq!(whole.calls()[0].2["city"], "北京", "{what}");
            }
        }
    }
}

#[tokio::test]
async fn tools_go_there_and_back() {
    let (sim, gateway) = bench().await;
    for vendor in every_vendor().filter(|name| !WITHOUT_TOOLS.contains(name)) {
        for blocks in [false, true] {
            let what = format!("{vendor}, blocks: {blocks}");
            let model = format!("m-{vendor}");
            let ask = say(&gateway, &model, "天气 in 北京", blocks)
                .with(|body| body["tools"] = weather());
            let called = good(&ask.send().await, &what);
            let (id, name, _) = called.calls()[0].clone();
            assert_eq!(name, "get_weather", "{what}");
            assert!(!id.is_empty(), "{what}");
            let content = if blocks {
                json!([{"type": "text", "text": "21 celsius 晴"}])
            } else {
                json!("21 celsius 晴")
            };
            let ask = say(&gateway, &model, "天气 in 北京", blocks).with(|body| {
                body["tools"] = weather();
                let messages = body["messages"].as_array_mut().unwrap();
                messages.push(json!({"role": "assistant", "content": called.message["content"]}));
                messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": content, "is_error": false}]}));
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
        let ask = say(&gateway, &format!("m-{vendor}"), "一二三 STOPHERE 四五六", false).with(|body| {
            body["system"] = json!([{"type": "text", "text": "SYSTEM-WORDS", "cache_control": {"type": "ephemeral"}}]);
            body["temperature"] = json!(0.7);
            body["stop_sequences"] = json!(["STOPHERE"]);
            body["max_tokens"] = json!(57);
            body["metadata"] = json!({"user_id": "user-0001"});
        });
        let reply = ask.send().await;
        let said = good(&reply, vendor);
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
        if vendor == "anthropic" {
            assert!(sent.contains("cache_control"), "{sent}");
        } else {
            let dropped = reply.header("x-yumen-dropped").unwrap_or_default();
            assert!(dropped.contains("cache_control"), "{vendor}: {dropped}");
        }
        let cap = say(
            &gateway,
            &format!("m-{vendor}"),
            "一二三四五六七八九十 and more words",
            true,
        )
        .with(|body| body["max_tokens"] = 4.into());
        // Spark has no word for an answer that was cut.
        let stop = good(&cap.send().await, vendor).stop().to_owned();
        assert!(
            stop == "max_tokens" || vendor.starts_with("spark") || BARE.contains(&vendor),
            "{vendor}: {stop}"
        );
    }
}

/// A vendor of another dialect cannot run this vendor's tools; hints are dropped and named.
#[tokio::test]
async fn what_no_other_dialect_has_is_refused_or_named() {
    let sim = sim().await;
    let config = Config::with(&sim, ["openai", "tongyi", "anthropic"]);
    let gateway = Gateway::start(&config).await;
    let hosted = |body: &mut Value| {
        body["tools"] = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    };
    for vendor in ["openai", "tongyi"] {
        let model = format!("m-{vendor}");
        let reply = say(&gateway, &model, "hi", false).with(hosted).send().await;
        refused(&reply, 400, "invalid_request_error", "invalid_request");
        assert!(reply.text().contains("tools"), "{}", reply.text());
        let hints = say(&gateway, &model, "hi", false).with(|body| {
            body["top_k"] = 5.into();
            body["service_tier"] = "auto".into();
            body["x_unknown"] = json!({"a": 1});
        });
        let reply = hints.send().await;
        good(&reply, vendor);
        let dropped = reply.header("x-yumen-dropped").unwrap();
        for name in ["top_k", "service_tier", "unknown_fields"] {
            assert!(
                dropped.split(',').any(|one| one == name),
                "{vendor}: {dropped}"
            );
        }
    }
    let reply = say(&gateway, "m-anthropic", "hi", false)
        .with(hosted)
        .send()
        .await;
    good(&reply, "its own tools reach the vendor");
}

#[tokio::test]
async fn pictures_and_documents() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai", "anthropic"]);
    config.model("eyes", &[("openai", "gpt-4o")]);
    let gateway = Gateway::start(&config).await;
    let content = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "document", "title": "note", "source": {"type": "text", "media_type": "text/plain", "data": "DOCUMENT-TEXT"}},
        {"type": "text", "text": "what is this?"},
    ]);
    for model in ["eyes", "m-anthropic"] {
        let ask = say(&gateway, model, "", false)
            .with(|body| body["messages"][0]["content"] = content.clone());
        let reply = ask.send().await;
        good(&reply, model);
        let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
        let parts = &sent["messages"][0]["content"];
        if model == "eyes" {
            assert_eq!(
                parts[0]["image_url"]["url"],
                "data:image/png;base64,iVBORw0KGgo="
            );
            assert!(sent.to_string().contains("DOCUMENT-TEXT"), "{sent}");
        } else {
            assert_eq!(*parts, content);
        }
    }
    // The other way round.
    let ask = gateway.chat("m-anthropic", "").with(|body| {
        body["messages"][0]["content"] = json!([
            {"type": "text", "text": "what?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            {"type": "image_url", "image_url": {"url": "https://x.example/1.png"}},
        ]);
    });
    assert_eq!(ask.send().await.status, 200);
    let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
    let parts = &sent["messages"][0]["content"];
    assert_eq!(
        parts[1]["source"],
        json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="})
    );
    assert_eq!(
        parts[2]["source"],
        json!({"type": "url", "url": "https://x.example/1.png"})
    );
}

/// A client of OpenAI's dialect gives the vendor's proof back, and the conversation with tools goes on thinking.
#[tokio::test]
async fn thoughts_keep_their_proof_in_another_dialect() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::with(&sim, ["anthropic"])).await;
    let tools = json!([{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]);
    let think = |body: &mut Value| {
        body["tools"] = tools.clone();
        body["reasoning_effort"] = "low".into();
        body["max_tokens"] = 500.into();
    };
    let reply = gateway
        .chat("m-anthropic", "weather?")
        .with(think)
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let message = reply.json()["choices"][0]["message"].clone();
    assert!(message["reasoning_content"].is_string(), "{message}");
    assert_eq!(
        message["reasoning_details"][0]["type"], "anthropic.signature",
        "{message}"
    );
    let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
    assert_eq!(
        sent["thinking"],
        json!({"type": "enabled", "budget_tokens": 2048})
    );
    assert_eq!(sent["max_tokens"], 2548);
    let id = message["tool_calls"][0]["id"].clone();
    let goes_on = |message: Value| {
        gateway.chat("m-anthropic", "weather?").with(|body| {
            think(body);
            let messages = body["messages"].as_array_mut().unwrap();
            messages.push(message);
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": "sunny"}));
        })
    };
    let reply = goes_on(message.clone()).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
    assert_eq!(
        sent["messages"][1]["content"][0]["type"], "thinking",
        "{sent}"
    );
    assert!(sent["thinking"].is_object());
    // Without it, thinking is given up for this turn and said so.
    let mut forgetful = message;
    forgetful
        .as_object_mut()
        .unwrap()
        .remove("reasoning_details");
    let reply = goes_on(forgetful).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let dropped = reply.header("x-yumen-dropped").unwrap();
    assert!(dropped.contains("reasoning_effort"), "{dropped}");
    // Streamed, the proof is a piece of its own.
    let reply = gateway
        .stream("m-anthropic", "weather?")
        .with(think)
        .send()
        .await;
    assert!(
        reply
            .text()
            .contains("\"reasoning_details\":[{\"type\":\"anthropic.signature\",\"data\":\""),
        "{}",
        reply.text()
    );
}
