//! The client's own dialect on both sides; and what is answered in it without an upstream: errors, counts, lists.

use super::*;
use tests::gemini::{ask, read};
use tests::tee::Tee;

const UGLY: &str = "{ \"safetySettings\" :[],\n\t\"contents\" : [ {\"role\":\"user\" , \"parts\":[{ \"text\":\"\\u4f60 \\/ \\\"q\\\" 你好 \u{1F600}\" }]} ] , \"generation_config\":{\"max_output_tokens\":70 ,\"topK\": 5} }  \n";

#[tokio::test]
async fn bytes_pass_as_they_are() {
    let sim = sim().await;
    let tee = Tee::start(sim.addr()).await;
    let mut config = Config::with(&sim, ["gemini"]);
    let base = config.0["providers"]["gemini"]["base_url"]
        .as_str()
        .unwrap()
        .to_owned();
    config.set("providers/gemini/base_url", tee.instead_of(&base));
    let gateway = Gateway::start(&config).await;
    for form in FORMS {
        let reply = ask(gateway.listen, "m-gemini", "", form)
            .bytes(UGLY)
            .send()
            .await;
        good(&reply, form, "passed");
        until("a whole reply on the wire", || !tee.replies().is_empty()).await;
        let (up, down) = (tee.requests().remove(0), tee.replies().remove(0));
        tee.clear();
        assert_eq!(String::from_utf8_lossy(&up.body), UGLY);
        if form != Form::Array {
            assert_eq!(reply.text(), String::from_utf8_lossy(&down.body));
        }
        let head = format!("{up:?}");
        assert!(!head.contains(KEY), "the client's key went up: {head}");
        let asked = sim.requests().last().unwrap().path_and_query.clone();
        let verb = if form == Form::Whole {
            "generateContent"
        } else {
            "streamGenerateContent?alt=sse"
        };
        assert_eq!(asked, format!("/gemini/v1beta/models/gemini-3-sim:{verb}"));
    }
}

/// A key in the query is a key, and goes nowhere else.
#[tokio::test]
async fn a_key_in_the_query_stays_here() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::with(&sim, ["gemini", "openai"])).await;
    for model in ["m-gemini", "m-openai"] {
        for prefix in ["/v1beta", "/v1"] {
            let path = format!("{prefix}/models/{model}:streamGenerateContent?key={KEY}&alt=sse");
            let ask = Ask::post(gateway.listen, &path)
                .json(&json!({"contents": [{"parts": [{"text": "hi"}]}]}));
            good(&ask.send().await, Form::Events, &path);
        }
    }
    for request in sim.requests() {
        let seen = format!("{} {:?}", request.path_and_query, request.headers);
        assert!(!seen.contains(KEY), "{seen}");
    }
    let two = Ask::post(
        gateway.listen,
        &format!("/v1beta/models/m-gemini:generateContent?key={KEY}"),
    )
    .header("x-goog-api-key", "ym-another")
    .json(&json!({"contents": [{"parts": [{"text": "hi"}]}]}));
    refused(&two.send().await, 401, "UNAUTHENTICATED", "invalid_api_key");
    assert!(!gateway.log().contains(KEY));
    let journal = format!("{:?}", gateway.journal());
    assert!(!journal.contains(KEY));
}

#[tokio::test]
async fn errors_have_the_dialects_shape() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["gemini", "openai"]);
    for (vendor, name, faults) in [
        ("gemini", "busy", "@status:503"),
        ("gemini", "limit", "@status:429@retryafter:3"),
        ("gemini", "long", "@code:too_long"),
        ("gemini", "spent", "@code:prepaid"),
        ("openai", "broken", "@status:500"),
        ("openai", "garbage", "@html"),
    ] {
        config.fault(name, vendor, faults);
    }
    config.key("little", "ym-little", json!({"models": ["busy"]}));
    config.key("slow", "ym-slow-0001", json!({"limits": {"rpm": 1}}));
    let gateway = Gateway::start(&config).await;
    for (model, status, word, code) in [
        ("nothing", 404, "NOT_FOUND", "model_not_found"),
        ("busy", 500, "INTERNAL", "upstream_error"),
        ("limit", 429, "RESOURCE_EXHAUSTED", "rate_limit_exceeded"),
        ("long", 400, "INVALID_ARGUMENT", "context_length_exceeded"),
        ("spent", 429, "RESOURCE_EXHAUSTED", "rate_limit_exceeded"),
        ("broken", 500, "INTERNAL", "upstream_error"),
        ("garbage", 500, "INTERNAL", "upstream_error"),
    ] {
        for form in FORMS {
            let reply = say(&gateway, model, "hi", form).send().await;
            refused(&reply, status, word, code);
            if model == "limit" {
                assert_eq!(reply.header("retry-after"), Some("3"));
                assert_eq!(reply.json()["error"]["details"][1]["retryDelay"], "3s");
            }
        }
    }
    let with = |key: &str| {
        ask(gateway.listen, "m-openai", "hi", Form::Whole)
            .without("x-goog-api-key")
            .header("x-goog-api-key", key)
    };
    refused(
        &with("ym-wrong").send().await,
        401,
        "UNAUTHENTICATED",
        "invalid_api_key",
    );
    refused(
        &with("ym-little").send().await,
        403,
        "PERMISSION_DENIED",
        "permission_denied",
    );
    good(
        &with("ym-slow-0001").send().await,
        Form::Whole,
        "the first of a minute",
    );
    refused(
        &with("ym-slow-0001").send().await,
        429,
        "RESOURCE_EXHAUSTED",
        "rate_limit_exceeded",
    );
    for body in [
        json!({"contents": []}),
        json!({"contents": [{"parts": [{"text": "a"}]}], "Contents": []}),
        json!({"contents": [{"parts": [{"text": "a"}]}], "generationConfig": {"maxOutputTokens": 1, "max_output_tokens": 9}}),
    ] {
        let bad = ask(gateway.listen, "m-openai", "", Form::Whole).json(&body);
        refused(
            &bad.send().await,
            400,
            "INVALID_ARGUMENT",
            "invalid_request",
        );
    }
    let lost = Ask::post(gateway.listen, "/v1beta/cachedContents")
        .header("x-goog-api-key", KEY)
        .json(&json!({}));
    refused(&lost.send().await, 404, "NOT_FOUND", "invalid_request");
}

#[tokio::test]
async fn errors_in_mid_stream_end_it_and_close_the_array() {
    let sim = sim().await;
    // One of each way in which a stream is read; the pauses are long, so that the beginning is a read of its own.
    const UNLIKE: [&str; 4] = ["gemini", "openai", "tongyi", "bedrock"];
    let mut config = Config::with(&sim, UNLIKE);
    for vendor in UNLIKE {
        for (name, faults) in [
            ("cut", "@cutevent:4@gap:80"),
            ("error", "@errorevent:4@gap:80"),
            ("bad", "@badjson:4@gap:80"),
        ] {
            config.fault(&format!("{vendor}/{name}"), vendor, faults);
        }
    }
    let gateway = Gateway::start(&config).await;
    for vendor in UNLIKE {
        for name in ["cut", "error", "bad"] {
            for form in [Form::Events, Form::Array] {
                let what = format!("{vendor}/{name}");
                let reply = say(&gateway, &what, "你好,世界 你好,世界", form)
                    .send()
                    .await;
                assert_eq!(reply.status, 200, "{what}: {}", reply.text());
                let said = read(&reply, form);
                let error = said
                    .error
                    .unwrap_or_else(|| panic!("{what}: {}", reply.text()));
                assert_eq!(
                    error["details"][0]["reason"], "upstream_error",
                    "{what}: {error}"
                );
                assert!(said.finish.is_empty(), "{what}: {}", reply.text());
                let closing = gateway.record(&reply).await;
                assert_eq!(closing["outcome"], "upstream_error", "{what}: {closing}");
                assert_eq!(closing["bytes_down"], reply.body.len(), "{what}");
            }
        }
    }
}

/// A silent stream is kept open by what the SDK reads as a text of nothing.
#[tokio::test]
async fn a_silent_stream_is_kept_open() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["gemini", "openai"]);
    config.set("stream", json!({"ping": "50ms"}));
    for vendor in ["gemini", "openai"] {
        config.fault(&format!("slow-{vendor}"), vendor, "@gap:130");
    }
    let gateway = Gateway::start(&config).await;
    for vendor in ["gemini", "openai"] {
        for form in [Form::Events, Form::Array] {
            let reply = say(&gateway, &format!("slow-{vendor}"), "你好", form)
                .send()
                .await;
            let said = good(&reply, form, vendor);
            assert!(said.text().ends_with("你好"), "{}", reply.text());
            assert!(
                reply.text().matches("{\"text\":\"\"}").count() > 2,
                "{}",
                reply.text()
            );
        }
    }
}

/// The prompt did not pass the vendor's filter: its own clients see what it says, others an error.
#[tokio::test]
async fn a_blocked_prompt() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}, "modelVersion": "g"}).to_string();
    let sse = format!("data: {blocked}\r\n\r\n");
    let upstream = upstream::Upstream::start(move |mut conn| {
        let (blocked, sse) = (blocked.clone(), sse.clone());
        async move {
            while let Some(request) = conn.request().await {
                let streamed = format!("{request:?}").contains("streamGenerateContent");
                let reply = if streamed {
                    upstream::reply("200 OK", "text/event-stream", &sse)
                } else {
                    upstream::reply("200 OK", "application/json", &blocked)
                };
                conn.write(reply.as_bytes()).await?;
            }
            Ok(())
        }
    })
    .await;
    let mut config = Config::new();
    config.provider("up", "gemini", &upstream.origin());
    config.model("m", &[("up", "gemini-x")]);
    let gateway = Gateway::start(&config).await;
    for form in FORMS {
        let reply = ask(gateway.listen, "m", "hi", form).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(
            reply.text().contains("\"blockReason\":\"SAFETY\""),
            "{}",
            reply.text()
        );
        assert_eq!(gateway.record(&reply).await["finish"], "content_filter");
    }
    for ask in [gateway.chat("m", "hi"), gateway.stream("m", "hi")] {
        ask.send().await.refused(400, "content_filtered");
    }
}

#[tokio::test]
async fn tokens_are_counted_by_the_vendor_or_estimated() {
    let sim = sim().await;
    let config = Config::with(&sim, ["gemini", "tongyi"]);
    let gateway = Gateway::start(&config).await;
    let count = |model: &str, body: Value| {
        Ask::post(gateway.listen, &format!("/v1/models/{model}:countTokens"))
            .header("x-goog-api-key", KEY)
            .json(&body)
    };
    let said = |text: &str| json!([{"parts": [{"text": text}]}]);
    for body in [
        json!({"contents": said("hello")}),
        json!({"generateContentRequest": {"model": "models/m-gemini", "contents": said("hello")}}),
    ] {
        let reply = count("m-gemini", body).send().await;
        assert_eq!(
            (reply.status, reply.json()),
            (200, json!({"totalTokens": 3}))
        );
        assert_eq!(reply.header("x-yumen-estimated"), None);
        let asked = sim.requests().last().unwrap().path_and_query.clone();
        assert_eq!(asked, "/gemini/v1beta/models/gemini-3-sim:countTokens");
    }
    let before = sim.requests().len();
    let reply = count(
        "m-tongyi",
        json!({"contents": said(&"hello world ".repeat(100))}),
    )
    .send()
    .await;
    let tokens = reply.json()["totalTokens"].as_u64().unwrap();
    assert!((200..500).contains(&tokens), "{tokens}");
    assert_eq!(reply.header("x-yumen-estimated"), Some("true"));
    assert_eq!(sim.requests().len(), before, "an estimate asks nobody");
    refused(
        &count("nothing", json!({"contents": said("x")}))
            .send()
            .await,
        404,
        "NOT_FOUND",
        "model_not_found",
    );
}

#[tokio::test]
async fn models_are_listed_in_the_clients_shape() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::with(&sim, ["gemini", "openai", "glm"])).await;
    let get = |path: &str| Ask::get(gateway.listen, path).header("x-goog-api-key", KEY);
    for prefix in ["/v1beta", "/v1"] {
        let page = get(&format!("{prefix}/models?pageSize=2"))
            .send()
            .await
            .json();
        assert_eq!(
            (&page["models"][0]["name"], &page["models"][1]["name"]),
            (&json!("models/m-gemini"), &json!("models/m-glm"))
        );
        let token = page["nextPageToken"].as_str().unwrap();
        let rest = get(&format!("{prefix}/models?pageSize=2&pageToken={token}"))
            .send()
            .await
            .json();
        assert_eq!(rest["models"][0]["name"], "models/m-openai");
        assert!(
            rest.get("nextPageToken").is_none() && rest["models"].as_array().unwrap().len() == 1
        );
        let one = get(&format!("{prefix}/models/m-glm")).send().await.json();
        assert_eq!(
            (&one["name"], &one["supportedGenerationMethods"][0]),
            (&json!("models/m-glm"), &json!("generateContent"))
        );
        refused(
            &get(&format!("{prefix}/models/none")).send().await,
            404,
            "NOT_FOUND",
            "model_not_found",
        );
    }
    // Without the header, the shared path is OpenAI's list, and the other one is this dialect's.
    let other = Ask::get(gateway.listen, "/v1/models")
        .key(KEY)
        .send()
        .await
        .json();
    assert_eq!(other["object"], "list");
    let own = Ask::get(gateway.listen, &format!("/v1beta/models?key={KEY}"))
        .send()
        .await
        .json();
    assert_eq!(own["models"].as_array().unwrap().len(), 3);
}

/// Vectors: one and many, before the vendor itself and before others.
#[tokio::test]
async fn contents_are_embedded() {
    let sim = sim().await;
    let mut config = Config::new();
    for (vendor, model) in [
        ("gemini", "gemini-embedding-001"),
        ("openai", "text-embedding-3-small"),
        ("tongyi", "text-embedding-v4"),
    ] {
        config.sim_provider(vendor, vendor, &sim);
        config.model(&format!("m-{vendor}"), &[(vendor, model)]);
        config.set(&format!("providers/{vendor}/clearance"), "internal");
    }
    config.set(
        "policies",
        json!({"rules": [{"name": "persons", "find": ["CONTACT"], "remedy": "redact"}]}),
    );
    let gateway = Gateway::start(&config).await;
    let ask = |model: &str, verb: &str, body: &Value| {
        Ask::post(gateway.listen, &format!("/v1beta/models/{model}:{verb}"))
            .header("x-goog-api-key", KEY)
            .json(body)
    };
    let vector =
        |value: &Value| -> Vec<f32> { serde_json::from_value(value["values"].clone()).unwrap() };
    for model in ["m-gemini", "m-openai", "m-tongyi"] {
        let said = |text: &str| json!({"content": {"parts": [{"text": text}]}});
        let reply = ask(model, "embedContent", &said("一")).send().await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        let told = reply.json();
        assert_eq!(
            vector(&told["embedding"]),
            sim::vector_of("一", 6),
            "{model}"
        );
        assert!(told["usageMetadata"]["promptTokenCount"].as_u64() > Some(0));
        let many: Vec<Value> = (0..23).map(|at| said(&format!("text {at}"))).collect();
        let reply = ask(model, "batchEmbedContents", &json!({"requests": many}))
            .send()
            .await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        let told = reply.json();
        let all = told["embeddings"].as_array().unwrap();
        assert_eq!(all.len(), 23, "{model}");
        for (at, one) in all.iter().enumerate() {
            assert_eq!(
                vector(one),
                sim::vector_of(&format!("text {at}"), 6),
                "{model} {at}"
            );
        }
        // What is looked for stays here, in both forms.
        sim.clear();
        let phone = tests::planted::Planter::new(0xB5).mobile();
        let one = said(&format!("call {phone}"));
        for (verb, body) in [
            ("embedContent", one.clone()),
            ("batchEmbedContents", json!({"requests": [one]})),
        ] {
            let reply = ask(model, verb, &body).send().await;
            assert_eq!(
                reply.header("x-yumen-verdict"),
                Some("redact"),
                "{model} {verb}"
            );
        }
        for request in sim.requests() {
            let sent = String::from_utf8_lossy(&request.body).into_owned();
            assert!(
                !sent.contains(&phone) && sent.contains("CN_MOBILE"),
                "{sent}"
            );
        }
    }
    let odd = [
        json!({}),
        json!({"requests": []}),
        json!({"requests": [{"content": {"parts": [{"text": "a"}]}}, {"content": {"parts": [{"text": "b"}]}, "outputDimensionality": 3}]}),
        json!({"requests": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}}]}),
    ];
    for body in odd {
        let reply = ask("m-gemini", "batchEmbedContents", &body).send().await;
        refused(&reply, 400, "INVALID_ARGUMENT", "invalid_request");
    }
}
