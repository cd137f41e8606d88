//! Another dialect on the upstream's side: what the client sends arrives in the vendor's words, what comes back keeps
//! every rule of the client's dialect.

use tests::config::{TRANSLATED, WITHOUT_TOOLS};
use tests::*;

fn weather() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "description": "the weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])
}

async fn bench() -> (Sim, Gateway) {
    let sim = sim().await;
    let mut config = Config::with(&sim, TRANSLATED);
    for vendor in TRANSLATED {
        config.fault(&format!("{vendor}/drop"), vendor, "");
        config.0["models"][format!("{vendor}/drop")]["lossy"] = "drop".into();
        for (name, faults) in SHAPES {
            config.fault(&format!("{vendor}/{name}"), vendor, faults);
        }
    }
    config.model("tongyi/eyes", &[("tongyi", "qwen-vl-max")]);
    let gateway = Gateway::start(&config).await;
    (sim, gateway)
}

const SHAPES: [(&str, &str); 13] = [
    ("split1", "@split:1"),
    ("split7", "@split:7"),
    ("crlf", "@crlf"),
    ("ascii", "@ascii"),
    ("ping", "@ping:1"),
    ("each", "@usage:each"),
    ("none", "@usage:none"),
    ("negative", "@usage:negative"),
    ("dupfinal", "@dupfinal"),
    ("odd", "@oddfinish:whatever"),
    ("json", "@jsonstream"),
    ("big", "@bigevent:100000"),
    ("many", "@events:500"),
];

#[tokio::test]
async fn text_in_one_piece() {
    let (_sim, gateway) = bench().await;
    for vendor in TRANSLATED {
        let reply = gateway
            .chat(&format!("m-{vendor}"), "你好,世界 🌏")
            .send()
            .await;
        assert!(
            reply.said().contains("你好,世界 🌏"),
            "{vendor}: {}",
            reply.text()
        );
        let json = reply.json();
        assert_eq!(json["object"], "chat.completion", "{vendor}");
        assert_eq!(
            json["model"],
            format!("m-{vendor}"),
            "{vendor}: the model that the client asked for"
        );
        let choice = &json["choices"][0];
        assert_eq!(
            (
                &choice["index"],
                &choice["message"]["role"],
                &choice["finish_reason"]
            ),
            (&json!(0), &json!("assistant"), &json!("stop")),
            "{vendor}"
        );
        assert!(
            json["id"].is_string() && json["created"].is_u64(),
            "{vendor}"
        );
        grammar::check_usage(&json["usage"]);
        let closing = gateway.record(&reply).await;
        assert_eq!(
            (
                &closing["tokens"]["prompt"],
                &closing["tokens"]["completion"]
            ),
            (
                &json["usage"]["prompt_tokens"],
                &json["usage"]["completion_tokens"]
            ),
            "{vendor}"
        );
    }
}

#[tokio::test]
async fn streams_keep_the_grammar_whatever_the_upstream_does() {
    let (_sim, gateway) = bench().await;
    for vendor in TRANSLATED {
        let names = SHAPES
            .iter()
            .map(|(name, _)| format!("{vendor}/{name}"))
            .chain([format!("m-{vendor}")]);
        for model in names {
            for usage in [true, false] {
                let what = format!("{model}, usage: {usage}");
                let ask = gateway.stream(&model, "你好,世界 🌏 hello").with(|body| {
                    if !usage {
                        body.as_object_mut().unwrap().remove("stream_options");
                    }
                });
                let reply = ask.send().await;
                assert_eq!(reply.status, 200, "{what}: {}", reply.text());
                // A vendor that counts nothing leaves nothing to tell.
                let said = grammar::strict_or_uncounted(
                    &reply.body,
                    usage,
                    model.ends_with("/none") || model.ends_with("/negative"),
                );
                let generated = model.contains("/big") || model.contains("/many");
                assert!(
                    said.text().contains("你好,世界 🌏 hello") || generated,
                    "{what}: {}",
                    said.text()
                );
                assert_eq!(said.finish(), "stop", "{what}");
                assert_eq!(said.chunks[0]["model"], model, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_says_what_the_whole_reply_says() {
    let (_sim, gateway) = bench().await;
    for vendor in TRANSLATED {
        for text in [
            "你好",
            "reasoning 想一想",
            "the weather in 北京",
            "two weather",
        ] {
            if text.contains("weather") && WITHOUT_TOOLS.contains(&vendor) {
                continue;
            }
            let model = format!("m-{vendor}");
            let tools = |body: &mut Value| {
                if text.contains("weather") {
                    body["tools"] = weather();
                }
            };
            let whole = gateway.chat(&model, text).with(tools).send().await;
            assert_eq!(whole.status, 200, "{vendor} {text}: {}", whole.text());
            let whole = whole.json();
            let reply = gateway.stream(&model, text).with(tools).send().await;
            assert_eq!(reply.status, 200, "{vendor} {text}: {}", reply.text());
            let said = grammar::strict(&reply.body, true);
            let message = &whole["choices"][0]["message"];
            assert_eq!(
                said.text(),
                message["content"].as_str().unwrap_or_default(),
                "{vendor} {text}"
            );
            assert_eq!(
                said.reasoning(),
                message["reasoning_content"].as_str().unwrap_or_default(),
                "{vendor} {text}"
            );
            assert_eq!(
                said.finish(),
                whole["choices"][0]["finish_reason"],
                "{vendor} {text}"
            );
            let calls: Vec<(&str, &str)> = message["tool_calls"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|call| {
                    (
                        call["function"]["name"].as_str().unwrap(),
                        call["function"]["arguments"].as_str().unwrap(),
                    )
                })
                .collect();
            let streamed: Vec<(&str, &str)> = said
                .tools
                .iter()
                .map(|tool| (tool.name.as_str(), tool.arguments.as_str()))
                .collect();
            assert_eq!(calls, streamed, "{vendor} {text}");
            assert_eq!(
                calls.is_empty(),
                !text.contains("weather"),
                "{vendor} {text}: {whole}"
            );
            assert_eq!(
                said.usage.unwrap()["total_tokens"],
                whole["usage"]["total_tokens"],
                "{vendor} {text}"
            );
        }
    }
}

#[tokio::test]
async fn tools_go_there_and_back() {
    let (sim, gateway) = bench().await;
    let calls = |vendor: &&str| !WITHOUT_TOOLS.contains(vendor);
    for vendor in TRANSLATED.into_iter().filter(calls) {
        let model = format!("m-{vendor}");
        let reply = gateway
            .chat(&model, "天气 in 北京")
            .with(|body| body["tools"] = weather())
            .send()
            .await;
        assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
        let choice = reply.json()["choices"][0].clone();
        assert_eq!(choice["finish_reason"], "tool_calls", "{vendor}: {choice}");
        let call = choice["message"]["tool_calls"][0].clone();
        assert_eq!(
            (&call["type"], &call["function"]["name"]),
            (&json!("function"), &json!("get_weather")),
            "{vendor}"
        );
        let id = call["id"].as_str().unwrap();
        assert!(!id.is_empty(), "{vendor}");
        let arguments: Value =
            serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
        assert!(arguments.is_object(), "{vendor}");
        // The tool's answer goes back with the call's id.
        let ask = gateway.chat(&model, "天气 in 北京").with(|body| {
            body["tools"] = weather();
            let messages = body["messages"].as_array_mut().unwrap();
            messages.push(choice["message"].clone());
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": "{\"celsius\": 21, \"words\": \"晴\"}"}));
        });
        let reply = ask.send().await;
        assert!(
            reply.said().contains("celsius"),
            "{vendor}: {}",
            reply.text()
        );
        let sent = String::from_utf8_lossy(&sim.requests().last().unwrap().body).into_owned();
        assert!(
            sent.contains("celsius") && sent.contains("get_weather"),
            "{vendor}: {sent}"
        );
    }
}

/// Some protocols have room for one call at a time: none is lost all the same, nor its result.
#[tokio::test]
async fn every_call_of_a_turn_is_told() {
    let (sim, gateway) = bench().await;
    let calls = |vendor: &&str| !WITHOUT_TOOLS.contains(vendor);
    let call = |id: &str, city: &str| json!({"id": id, "type": "function", "function": {"name": "get_weather", "arguments": json!({"city": city}).to_string()}});
    let result = |id: &str, sky: &str| json!({"role": "tool", "tool_call_id": id, "content": json!({"sky": sky}).to_string()});
    for vendor in TRANSLATED.into_iter().filter(calls) {
        let ask = gateway.chat(&format!("m-{vendor}"), "天气").with(|body| {
            body["tools"] = weather();
            let messages = body["messages"].as_array_mut().unwrap();
            messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call("c1", "Beijing"), call("c2", "Shanghai")]}));
            messages.extend([result("c1", "clear"), result("c2", "rainy")]);
        });
        let reply = ask.send().await;
        assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
        assert_eq!(reply.header("x-yumen-dropped"), None, "{vendor}");
        let sent = String::from_utf8_lossy(&sim.requests().last().unwrap().body).into_owned();
        for told in ["Beijing", "Shanghai", "clear", "rainy"] {
            assert!(sent.contains(told), "{vendor}, {told}: {sent}");
        }
    }
}

#[tokio::test]
async fn finish_reasons_become_the_dialects() {
    let (_sim, gateway) = bench().await;
    // One vendor gives no reason for an end.
    let tells = |name: &&str| !name.starts_with("spark");
    for vendor in TRANSLATED.into_iter().filter(tells) {
        for stream in [false, true] {
            let ask = gateway
                .chat(
                    &format!("m-{vendor}"),
                    "一二三四五六七八九十 and more words",
                )
                .with(|body| {
                    body["stream"] = stream.into();
                    body["max_tokens"] = 4.into();
                });
            let reply = ask.send().await;
            assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
            let finish = if stream {
                grammar::strict(&reply.body, false).finish().to_owned()
            } else {
                reply.json()["choices"][0]["finish_reason"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            assert_eq!(finish, "length", "{vendor}, stream: {stream}");
        }
    }
}

#[tokio::test]
async fn what_a_vendor_lacks_is_refused_or_dropped_and_named() {
    let (sim, gateway) = bench().await;
    let fields = [
        ("logit_bias", json!({"50256": -100})),
        ("store", json!(true)),
        ("x_unknown_field", json!({"a": 1})),
    ];
    for vendor in TRANSLATED {
        // One vendor refuses every field that it does not know.
        let strict = vendor == "mistral";
        for (field, value) in fields
            .iter()
            .filter(|(name, _)| !(strict && name.starts_with("x_")))
        {
            let before = sim.requests().len();
            let add = |body: &mut Value| body[*field] = value.clone();
            let strict = gateway
                .chat(&format!("m-{vendor}"), "hi")
                .with(add)
                .send()
                .await;
            let lax = gateway
                .chat(&format!("{vendor}/drop"), "hi")
                .with(add)
                .send()
                .await;
            assert_eq!(lax.status, 200, "{vendor} {field}: {}", lax.text());
            let sent = String::from_utf8_lossy(&sim.requests().last().unwrap().body).into_owned();
            if sent.contains(field) {
                continue;
            }
            if strict.status == 200 {
                // Harmless to lose, but told; names that nobody knows are told together.
                let told =
                    |dropped: &str| dropped.contains(field) || dropped.contains("unknown_fields");
                assert!(
                    strict.header("x-yumen-dropped").is_some_and(told),
                    "{vendor} {field}: {:?}",
                    strict.headers
                );
                continue;
            }
            strict.refused(400, "invalid_request");
            assert_eq!(
                strict.error()["param"],
                *field,
                "{vendor}: {}",
                strict.text()
            );
            assert!(
                lax.header("x-yumen-dropped")
                    .is_some_and(|dropped| dropped.split(',').any(|name| name == *field)),
                "{vendor} {field}: {:?}",
                lax.headers
            );
            assert_eq!(
                sim.requests()
                    .iter()
                    .skip(before)
                    .filter(|request| !request.surface.contains("token"))
                    .count(),
                1,
                "{vendor} {field}: a refused request went up"
            );
        }
    }
}

#[tokio::test]
async fn several_choices() {
    let (_sim, gateway) = bench().await;
    for vendor in TRANSLATED {
        let reply = gateway
            .chat(&format!("m-{vendor}"), "hi")
            .with(|body| body["n"] = 2.into())
            .send()
            .await;
        if reply.status == 200 {
            assert_eq!(
                reply.json()["choices"].as_array().unwrap().len(),
                2,
                "{vendor}: a choice was lost in silence"
            );
        } else {
            reply.refused(400, "invalid_request");
            assert_eq!(reply.error()["param"], "n", "{vendor}");
        }
        let lax = gateway
            .chat(&format!("{vendor}/drop"), "hi")
            .with(|body| body["n"] = 2.into())
            .send()
            .await;
        assert!(
            lax.status == 400
                || lax.json()["choices"].as_array().unwrap().len() == 2
                || lax
                    .header("x-yumen-dropped")
                    .is_some_and(|dropped| dropped.contains('n')),
            "{vendor}: {}",
            lax.text()
        );
    }
}

/// Vendors that know no stop strings.
const WITHOUT_STOP: [&str; 4] = ["sensenova-native", "spark", "spark-ws", "minimax-pro"];

#[tokio::test]
async fn system_words_sampling_and_stops_arrive() {
    let (sim, gateway) = bench().await;
    for vendor in TRANSLATED {
        let ask = gateway
            .chat(&format!("m-{vendor}"), "一二三 STOPHERE 四五六")
            .with(|body| {
                body["messages"]
                    .as_array_mut()
                    .unwrap()
                    .insert(0, json!({"role": "system", "content": "SYSTEM-WORDS"}));
                body["temperature"] = json!(0.7);
                body["top_p"] = json!(0.9);
                if !WITHOUT_STOP.contains(&vendor) {
                    body["stop"] = json!(["STOPHERE"]);
                }
                body["max_completion_tokens"] = json!(50);
            });
        let reply = ask.send().await;
        assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
        let sent = String::from_utf8_lossy(&sim.requests().last().unwrap().body).into_owned();
        for word in ["SYSTEM-WORDS", "0.7", "0.9", "STOPHERE", "50"] {
            if vendor == "spark-ws" && word == "0.9" {
                // It knows no `top_p`.
                continue;
            }
            assert!(sent.contains(word), "{vendor}: no {word} in {sent}");
        }
        assert!(
            WITHOUT_STOP.contains(&vendor) || !reply.said().contains("四五六"),
            "{vendor}: {}",
            reply.said()
        );
    }
}

#[tokio::test]
async fn pictures_reach_the_vendor_that_takes_them() {
    let (sim, gateway) = bench().await;
    let picture = |body: &mut Value| {
        body["messages"][0]["content"] = json!([{"type": "text", "text": "what is this 图"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]);
    };
    let reply = gateway.chat("tongyi/eyes", "").with(picture).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let last = sim.requests().last().unwrap().clone();
    assert!(
        last.path_and_query.contains("multimodal"),
        "{}",
        last.path_and_query
    );
    assert!(String::from_utf8_lossy(&last.body).contains("iVBORw0KGgo="));
    let before = sim.requests().len();
    let reply = gateway.chat("m-wenxin-v1", "").with(picture).send().await;
    reply.refused(400, "invalid_request");
    assert!(
        sim.requests().len() <= before + 1,
        "a picture was lost in silence"
    );
}

#[tokio::test]
async fn tokens_of_the_old_wenxin_are_fetched_once_and_renewed_once() {
    let (sim, gateway) = bench().await;
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        asks.spawn(gateway.chat("m-wenxin-v1", "hi").send());
    }
    assert!(
        asks.join_all()
            .await
            .iter()
            .all(|reply| reply.status == 200)
    );
    assert_eq!(sim.token_fetches(), 1, "one flight for all");
    // The vendor takes its tokens back: each request is repeated once, and one new token is fetched.
    sim.expire_tokens();
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        asks.spawn(gateway.stream("m-wenxin-v1", "hi").send());
    }
    for reply in asks.join_all().await {
        assert_eq!(reply.status, 200, "{}", reply.text());
        grammar::strict(&reply.body, true);
    }
    assert!(sim.token_fetches() <= 3, "{} fetches", sim.token_fetches());
    assert!(!gateway.log().contains("access_token"));
}
