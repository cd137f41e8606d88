//! What vendors want of a request that clients of OpenAI's API do not say: another path, a stream, tools in the place of
//! functions. What cannot be told them is refused, never lost in silence.

use tests::*;

fn sent(sim: &Sim) -> Value {
    serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap()
}

/// One model for each name, at the vendor of its first half: `tongyi/qwq-plus`.
async fn bench(vendors: &[&'static str], models: &[&str]) -> (Sim, Gateway) {
    let sim = sim().await;
    let mut config = Config::with(&sim, vendors.iter().copied());
    for name in models {
        let (vendor, model) = name.split_once('/').unwrap();
        config.model(name, &[(vendor, model)]);
    }
    let gateway = Gateway::start(&config).await;
    (sim, gateway)
}

/// A model that sees lives on a path of its own, whatever it is asked, and some models answer streams only.
#[tokio::test]
async fn models_of_tongyi_are_asked_where_and_how_they_answer() {
    let models = [
        "tongyi/qwen-vl-max",
        "tongyi/qvq-max",
        "tongyi/qwen-audio-turbo",
        "tongyi/qwen3-omni-flash",
        "tongyi/qwq-plus",
        "tongyi-compatible/qwq-plus",
        "tongyi-compatible/qwen3-omni-flash",
    ];
    let (sim, gateway) = bench(&["tongyi", "tongyi-compatible"], &models).await;
    for model in models {
        let ask = gateway.chat(model, "你好,世界");
        let reply = ask.send().await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        assert!(reply.said().contains("你好,世界"), "{model}");
        let json = reply.json();
        assert_eq!(json["object"], "chat.completion", "{model}");
        grammar::check_usage(&json["usage"]);
        let eyes = !model.contains("qwq") && !model.contains("compatible");
        let path = sim.requests().last().unwrap().path_and_query.clone();
        assert_eq!(path.contains("multimodal"), eyes, "{model}: {path}");
        let reply = gateway.stream(model, "你好,世界").send().await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        let said = grammar::read(&reply.body);
        assert!(said.text().contains("你好,世界"), "{model}");
    }
    // The vendor's own clients keep the form that they asked in.
    for model in ["tongyi/qwen-vl-max", "tongyi/qwq-plus"] {
        let path = "/api/v1/services/aigc/text-generation/generation";
        let ask = Ask::post(gateway.listen, path).key(KEY).json(&json!({
            "model": model, "input": {"messages": [{"role": "user", "content": "你好"}]},
            "parameters": {"result_format": "message"},
        }));
        let reply = ask.send().await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        let message = &reply.json()["output"]["choices"][0]["message"];
        assert!(message["content"].is_string(), "{model}: {message}");
    }
}

/// Vendors that know tools only are told of functions as tools, and the client hears of its call as a function's.
#[tokio::test]
async fn legacy_functions_go_there_and_back() {
    let vendors = ["deepseek", "tongyi-compatible", "anthropic", "openai"];
    let (sim, gateway) = bench(&vendors, &[]).await;
    for vendor in vendors {
        let ask = |streams: bool| {
            let model = format!("m-{vendor}");
            let ask = match streams {
                true => gateway.stream(&model, "天气 in 北京"),
                false => gateway.chat(&model, "天气 in 北京"),
            };
            ask.with(|body| {
                body["functions"] = json!([{"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]);
                body["function_call"] = "auto".into();
            })
        };
        let reply = ask(false).send().await;
        assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
        let up = sent(&sim);
        if vendor == "openai" {
            assert!(up["functions"].is_array(), "{up}");
            continue;
        }
        assert!(up["tools"].is_array(), "{vendor}: {up}");
        assert!(up.get("functions").is_none(), "{vendor}: {up}");
        let choice = &reply.json()["choices"][0];
        assert_eq!(choice["finish_reason"], "function_call", "{vendor}");
        let call = &choice["message"]["function_call"];
        assert_eq!(call["name"], "get_weather", "{vendor}: {choice}");
        assert!(choice["message"].get("tool_calls").is_none(), "{vendor}");
        let reply = ask(true).send().await;
        let (events, _) = grammar::events(&reply.body);
        let (mut name, mut arguments, mut finish) = Default::default();
        for event in events.iter().filter(|event| event.starts_with('{')) {
            let event: Value = serde_json::from_str(event).unwrap();
            let choice = &event["choices"][0];
            let call = &choice["delta"]["function_call"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            name += text(&call["name"]).as_str();
            arguments += text(&call["arguments"]).as_str();
            finish += text(&choice["finish_reason"]).as_str();
        }
        let (name, arguments, finish): (String, String, String) = (name, arguments, finish);
        assert_eq!(
            (&*name, &*finish),
            ("get_weather", "function_call"),
            "{vendor}"
        );
        assert_eq!(call["arguments"], arguments, "{vendor}");
    }
}

/// A default says nothing; what has another type, or another meaning, is named.
#[tokio::test]
async fn nothing_is_lost_unnamed() {
    let vendors = [
        "tongyi",
        "tongyi-compatible",
        "anthropic",
        "gemini",
        "deepseek",
        "mistral",
        "vllm",
    ];
    let (sim, gateway) = bench(&vendors, &[]).await;
    let tools = json!([
        {"type": "function", "function": {"name": "f"}},
        {"type": "function", "function": {"name": "g"}},
    ]);
    let some = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}});
    for (vendor, field, value, refused) in [
        ("tongyi", "stop", json!(5), true),
        ("tongyi", "stop", json!([5]), true),
        ("tongyi", "stop", json!({}), true),
        ("tongyi", "tools", json!("x"), true),
        ("tongyi", "user", json!(5), true),
        ("anthropic", "parallel_tool_calls", json!("x"), true),
        ("anthropic", "stop", json!(["\n", " "]), true),
        ("anthropic", "modalities", json!(["text"]), false),
        ("gemini", "modalities", json!(["text"]), false),
        ("anthropic", "modalities", json!(["text", "audio"]), true),
        ("vllm", "web_search_options", json!({}), true),
        ("deepseek", "web_search_options", json!({}), true),
        ("tongyi", "web_search_options", json!({}), true),
        ("mistral", "web_search_options", json!({}), true),
        ("tongyi-compatible", "tool_choice", some.clone(), true),
    ] {
        let ask = gateway.chat(&format!("m-{vendor}"), "hi").with(|body| {
            body["tools"] = tools.clone();
            body[field] = value.clone();
        });
        let reply = ask.send().await;
        let what = format!("{vendor} {field}: {value}");
        assert_eq!(
            reply.status,
            if refused { 400 } else { 200 },
            "{what}: {}",
            reply.text()
        );
        if refused {
            assert_eq!(reply.error()["param"], field, "{what}");
        } else {
            assert_eq!(reply.header("x-yumen-dropped"), None, "{what}");
        }
    }
    // Probabilities are not told by this vendor; a choice among some tools is told by telling of them alone.
    let ask = gateway.chat("m-tongyi", "hi").with(|body| {
        body["logprobs"] = true.into();
        body["top_logprobs"] = 2.into();
    });
    let reply = ask.send().await;
    assert_eq!(reply.header("x-yumen-dropped"), Some("logprobs"));
    assert!(sent(&sim)["parameters"].get("top_logprobs").is_none());
    for vendor in ["mistral", "anthropic"] {
        let ask = gateway.chat(&format!("m-{vendor}"), "hi").with(|body| {
            body["tools"] = tools.clone();
            body["tool_choice"] = some.clone();
        });
        let reply = ask.send().await;
        assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
        let up = sent(&sim);
        assert_eq!(up["tools"].as_array().unwrap().len(), 1, "{vendor}: {up}");
        let choice = up["tool_choice"].to_string();
        assert!(choice.contains("any"), "{vendor}: {up}");
    }
}

/// What a model thinks is part of what it gives out, and that has an end.
#[tokio::test]
async fn an_effort_stays_within_what_the_model_gives_out() {
    let model = "anthropic/claude-sonnet-4-5";
    let (sim, gateway) = bench(&["anthropic"], &[model]).await;
    for (asked, most, thought) in [
        (None, 64_000, 16_384),
        (Some(1000), 17_384, 16_384),
        (Some(63_000), 64_000, 16_384),
    ] {
        let ask = gateway.chat(model, "hi").with(|body| {
            body["reasoning_effort"] = "high".into();
            if let Some(tokens) = asked {
                body["max_tokens"] = json!(tokens);
            }
        });
        let reply = ask.send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let up = sent(&sim);
        assert_eq!(up["max_tokens"], most, "{asked:?}: {up}");
        assert_eq!(up["thinking"]["budget_tokens"], thought, "{asked:?}: {up}");
    }
}

/// What one vendor, or one of its models, wants otherwise, whether the client's body goes on or is written anew.
#[tokio::test]
async fn small_ways_of_single_models() {
    let models = [
        "doubao/doubao-1-5-vision-pro",
        "glm/glm-4v-plus",
        "glm/glm-4.5v",
        "baichuan/Baichuan2-Turbo",
        "spark/lite",
        "deepseek/deepseek-reasoner",
        "deepseek/deepseek-chat",
    ];
    let vendors = [
        "doubao",
        "glm",
        "baichuan",
        "spark",
        "deepseek",
        "wenxin-v1",
    ];
    let (sim, gateway) = bench(&vendors, &models).await;
    let ask = |model: &str, messages: Value| {
        let ask = gateway
            .chat(model, "")
            .with(|body| body["messages"] = messages);
        ask.send()
    };
    let look = |detail: &str| json!([{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": detail}}]}]);
    for (model, detail, url, told) in [
        (
            "doubao/doubao-1-5-vision-pro",
            "auto",
            "data:image/png;base64,iVBORw0KGgo=",
            None,
        ),
        (
            "doubao/doubao-1-5-vision-pro",
            "low",
            "data:image/png;base64,iVBORw0KGgo=",
            Some("low"),
        ),
        ("glm/glm-4v-plus", "auto", "iVBORw0KGgo=", Some("auto")),
        (
            "glm/glm-4.5v",
            "auto",
            "data:image/png;base64,iVBORw0KGgo=",
            Some("auto"),
        ),
    ] {
        ask(model, look(detail)).await;
        let image = sent(&sim)["messages"][0]["content"][1]["image_url"].clone();
        assert_eq!(image["url"], url, "{model}");
        assert_eq!(image["detail"].as_str(), told, "{model}");
    }
    // The same of a client of another dialect.
    let shown = json!({"model": "glm/glm-4v-plus", "max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}, {"type": "text", "text": "hi"}]}]});
    Ask::post(gateway.listen, "/v1/messages")
        .key(KEY)
        .json(&shown)
        .send()
        .await;
    let up = sent(&sim);
    assert_eq!(
        up["messages"][0]["content"][0]["image_url"]["url"], "iVBORw0KGgo=",
        "{up}"
    );
    for model in ["baichuan/Baichuan2-Turbo", "spark/lite"] {
        let messages =
            json!([{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]);
        let reply = ask(model, messages).await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        let want = json!([{"role": "user", "content": "be kind\nhi"}]);
        assert_eq!(sent(&sim)["messages"], want, "{model}");
    }
    let thought = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "reasoning_content": "hm", "content": "ho"},
        {"role": "user", "content": "weather"},
        {"role": "assistant", "reasoning_content": "look", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "rain"},
    ]);
    for (model, first) in [
        ("deepseek/deepseek-reasoner", None),
        ("deepseek/deepseek-chat", Some("hm")),
    ] {
        ask(model, thought.clone()).await;
        let up = sent(&sim);
        assert_eq!(
            up["messages"][1]["reasoning_content"].as_str(),
            first,
            "{model}"
        );
        assert_eq!(up["messages"][3]["reasoning_content"], "look", "{model}");
    }
    let named = json!([{"role": "user", "name": "ann", "content": "hi"}]);
    let reply = ask("m-wenxin-v1", named).await;
    assert_eq!(
        reply.header("x-yumen-dropped"),
        Some("name"),
        "{}",
        reply.text()
    );
}
