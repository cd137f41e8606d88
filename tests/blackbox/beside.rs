//! What is no chat: vectors of texts and orders of documents, in every vendor's way, by the same law.

use tests::*;

/// Vendors that make vectors, with a model of theirs; the last takes one text at a time.
const EMBED: &[(&str, &str)] = &[
    ("openai", "text-embedding-3-small"),
    ("azure-openai", "text-embedding-3-small"),
    ("openai-compatible", "bge-m3"),
    ("vllm", "bge-m3"),
    ("sglang", "bge-m3"),
    ("xinference", "bge-m3"),
    ("llamacpp", "bge-m3"),
    ("ollama", "bge-m3"),
    ("mindie", "bge-m3"),
    ("tongyi", "text-embedding-v4"),
    ("tongyi-compatible", "text-embedding-v4"),
    ("wenxin", "embedding-v1"),
    ("glm", "embedding-3"),
    ("baichuan", "Baichuan-Text-Embedding"),
    ("doubao", "doubao-embedding"),
    ("minimax", "embo-01"),
    ("minimax-v2", "embo-01"),
    ("sensenova-native", "nova-embedding-stable"),
    ("mistral", "mistral-embed"),
    ("cohere", "embed-v4.0"),
    ("gemini", "gemini-embedding-001"),
    ("wenxin-v1", "tao-8k"),
];

/// Vendors that rank.
const RERANK: &[&str] = &[
    "openai-compatible",
    "vllm",
    "sglang",
    "xinference",
    "llamacpp",
    "tongyi",
    "tongyi-compatible",
    "wenxin",
    "wenxin-v1",
    "glm",
    "cohere",
];

fn ask(gateway: &Gateway, path: &str, body: &Value) -> Ask {
    Ask::post(gateway.listen, path).key(KEY).json(body)
}

fn embed(gateway: &Gateway, body: &Value) -> Ask {
    ask(gateway, "/v1/embeddings", body)
}

fn rerank(gateway: &Gateway, body: &Value) -> Ask {
    ask(gateway, "/v1/rerank", body)
}

/// One model `m-<vendor>` for each.
fn config(sim: &Sim) -> Config {
    let mut config = Config::new();
    for (vendor, model) in EMBED {
        config.sim_provider(vendor, vendor, sim);
        config.model(&format!("m-{vendor}"), &[(vendor, model)]);
    }
    config
}

/// The vectors of a reply, in the order of `index`, which must be the order in which they stand.
fn vectors(reply: &Reply) -> Vec<Vec<f32>> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let json = reply.json();
    assert_eq!(json["object"], "list");
    let rows = json["data"].as_array().unwrap();
    let vector = |(at, row): (usize, &Value)| {
        assert_eq!(
            (&row["object"], &row["index"]),
            (&json!("embedding"), &json!(at))
        );
        match &row["embedding"] {
            Value::String(coded) => {
                let bytes = planted::from_base64(coded);
                let floats = bytes.chunks_exact(4);
                floats
                    .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
                    .collect()
            }
            list => serde_json::from_value(list.clone()).unwrap(),
        }
    };
    rows.iter().enumerate().map(vector).collect()
}

fn wanted(texts: &[String]) -> Vec<Vec<f32>> {
    texts.iter().map(|text| sim::vector_of(text, 6)).collect()
}

#[tokio::test]
async fn every_vendors_vectors_arrive_as_they_were_asked_for() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let texts: Vec<String> = (0..23)
        .map(|at| format!("第 {at} 句 \"quoted\"\n"))
        .collect();
    for (vendor, model) in EMBED {
        for format in [None, Some("float"), Some("base64")] {
            sim.clear();
            let mut body = json!({"model": format!("m-{vendor}"), "input": texts});
            if let Some(format) = format {
                body["encoding_format"] = format.into();
            }
            let reply = embed(&gateway, &body).send().await;
            let what = format!("{vendor}, {format:?}: {}", reply.text());
            assert_eq!(vectors(&reply), wanted(&texts), "{what}");
            let json = reply.json();
            let coded = json["data"][0]["embedding"].is_string();
            assert_eq!(coded, format == Some("base64"), "{what}");
            // Each text was asked about once, in calls as small as the vendor wants.
            let calls = sim.requests();
            assert!(calls.iter().all(|call| call.status == 200), "{what}");
            let most = match *vendor {
                "tongyi" | "tongyi-compatible" => 10,
                "wenxin" | "baichuan" => 16,
                "wenxin-v1" => 1,
                _ => 64,
            };
            let posts = calls
                .iter()
                .filter(|call| call.surface != "wenxin-v1-token");
            assert_eq!(posts.count(), texts.len().div_ceil(most), "{what}");
            let tokens = json["usage"]["prompt_tokens"].as_u64().unwrap();
            assert!(
                tokens > 0 && json["usage"]["total_tokens"] == tokens,
                "{what}"
            );
            if format.is_none() {
                let closing = gateway.record(&reply).await;
                assert_eq!(closing["tokens"]["prompt"], tokens, "{what} {closing}");
                assert_eq!(closing["model"], *model, "{what}");
            }
        }
        // A text alone, and token ids where they are understood.
        let one = json!({"model": format!("m-{vendor}"), "input": "独"});
        let reply = embed(&gateway, &one).send().await;
        assert_eq!(vectors(&reply), wanted(&["独".into()]), "{vendor}");
    }
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

#[tokio::test]
async fn what_a_vendor_wrote_to_the_letter_goes_down_as_it_came() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let body = json!({"model": "m-openai", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 3, "user": "u"});
    let reply = embed(&gateway, &body).send().await;
    assert_eq!(reply.json()["model"], "text-embedding-3-small");
    assert_eq!(vectors(&reply)[1], sim::vector_of("b", 3));
    let sent: Value = serde_json::from_slice(&sim.requests()[0].body).unwrap();
    let mut want = body.clone();
    want["model"] = "text-embedding-3-small".into();
    assert_eq!(sent, want);
    // Token ids go to who understands them, and are refused for who does not.
    let ids = json!({"model": "m-vllm", "input": [[1, 2], [3]]});
    let reply = embed(&gateway, &ids).send().await;
    let texts = ["[1,2]", "[3]"].map(str::to_owned);
    assert_eq!(vectors(&reply), wanted(&texts));
    let ids = json!({"model": "m-minimax", "input": [1, 2]});
    let reply = embed(&gateway, &ids).send().await;
    assert_eq!(
        (reply.status, reply.json()["error"]["param"].clone()),
        (400, json!("input"))
    );
    // One that lists the last first.
    let mut config = Config::new();
    config.sim_provider("glm", "glm", &sim);
    config.model("m", &[("glm", "backwards")]);
    let gateway = Gateway::start(&config).await;
    let texts = ["a", "b", "c"].map(str::to_owned);
    let reply = embed(&gateway, &json!({"model": "m", "input": texts}))
        .send()
        .await;
    assert_eq!(vectors(&reply), wanted(&texts));
}

#[tokio::test]
async fn every_vendors_order_arrives_in_one_shape() {
    let sim = sim().await;
    let mut config = Config::new();
    for vendor in RERANK {
        config.sim_provider(vendor, vendor, &sim);
        config.model(&format!("m-{vendor}"), &[(vendor, "bge-reranker")]);
    }
    let gateway = Gateway::start(&config).await;
    let mut documents: Vec<Value> = (0..150).map(|at| json!(format!("nothing {at}"))).collect();
    documents[3] = json!({"text": "苹果是水果"});
    documents[140] = json!("iPhone 是苹果手机");
    for vendor in RERANK {
        let body = json!({"model": format!("m-{vendor}"), "query": "苹果手机", "documents": documents, "top_n": 2, "return_documents": true});
        let reply = rerank(&gateway, &body).send().await;
        let what = format!("{vendor}: {}", reply.text());
        assert_eq!(reply.status, 200, "{what}");
        let json = reply.json();
        assert_eq!(json["model"], format!("m-{vendor}"), "{what}");
        let results = json["results"].as_array().unwrap();
        let shown: Vec<(&Value, &Value)> = results
            .iter()
            .map(|row| (&row["index"], &row["document"]["text"]))
            .collect();
        let want = [
            (&json!(140), &json!("iPhone 是苹果手机")),
            (&json!(3), &json!("苹果是水果")),
        ];
        assert_eq!(shown, want, "{what}");
        let scores = [0, 1].map(|at| results[at]["relevance_score"].as_f64().unwrap());
        assert!(scores[0] > scores[1], "{what}");
        // All of them, without their texts.
        let body =
            json!({"model": format!("m-{vendor}"), "query": "苹果", "documents": ["梨", "苹果"]});
        let json = rerank(&gateway, &body).send().await.json();
        assert_eq!(json["results"][0]["index"], 1, "{vendor}: {json}");
        assert_eq!(json["results"].as_array().unwrap().len(), 2, "{vendor}");
        assert!(
            json["results"][0].get("document").is_none(),
            "{vendor}: {json}"
        );
    }
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

#[tokio::test]
async fn who_lacks_it_is_told_clearly_and_asked_nothing() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["deepseek", "anthropic", "openai"]);
    config.model("both", &[("deepseek", "bge-m3"), ("openai", "BAAI/bge-m3")]);
    config.model(
        "others",
        &[("vllm", "bge-m3"), ("openai", "text-embedding-3-small")],
    );
    config.provider("vllm", "vllm", "http://127.0.0.1:1");
    config.model("twice", &[("vllm", "bge-m3"), ("openai", "BAAI/bge-m3")]);
    let gateway = Gateway::start(&config).await;
    for (path, model) in [
        ("/v1/embeddings", "m-deepseek"),
        ("/v1/embeddings", "m-anthropic"),
        ("/v1/rerank", "m-openai"),
    ] {
        let body = json!({"model": model, "input": "a", "query": "q", "documents": ["d"]});
        let reply = ask(&gateway, path, &body).send().await;
        let error = &reply.json()["error"];
        assert_eq!(
            (reply.status, &error["code"]),
            (404, &json!("model_not_found")),
            "{error}"
        );
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("No provider of this model"),
            "{error}"
        );
    }
    assert!(sim.requests().is_empty());
    // The next target may have it, and serves the same model under a longer name.
    for model in ["both", "twice"] {
        let reply = embed(&gateway, &json!({"model": model, "input": "a"}))
            .send()
            .await;
        assert_eq!(vectors(&reply), wanted(&["a".into()]), "{model}");
    }
    // Vectors of another model are no substitute.
    sim.clear();
    let reply = embed(&gateway, &json!({"model": "others", "input": "a"}))
        .send()
        .await;
    assert_eq!(
        (reply.status, reply.json()["error"]["code"].clone()),
        (502, json!("upstream_error"))
    );
    assert!(sim.requests().is_empty());
    gateway.assert_sound();
}

#[tokio::test]
async fn a_vendors_failure_is_the_right_error_and_never_half_a_list() {
    let sim = sim().await;
    let mut config = Config::new();
    let faults = [
        ("@status:429@retryafter:1", "rate_limit_exceeded"),
        ("@status:500", "upstream_error"),
        ("@errorin200", "upstream_error"),
        ("@html", "upstream_error"),
        ("@reset", "upstream_error"),
        ("@badjson:0", "upstream_error"),
        ("@cut:20", "upstream_error"),
        ("@stall:1", "upstream_timeout"),
        ("@hang", "upstream_timeout"),
        ("@redirect", "upstream_error"),
        ("@wronglen", "upstream_error"),
    ];
    for (vendor, _) in [("openai", ""), ("tongyi", ""), ("minimax", "")] {
        config.sim_provider(vendor, vendor, &sim);
        for (fault, _) in faults {
            let name = format!("{vendor}{fault}");
            config.model(&name, &[(vendor, &format!("m{fault}"))]);
            if matches!(fault, "@hang" | "@stall:1") {
                let clocks = json!({"first_content": "300ms", "idle": "300ms"});
                config.0["models"][&name]["timeouts"] = clocks;
            }
        }
        config.model(&format!("{vendor}@split:1"), &[(vendor, "m@split:1")]);
        config.model(&format!("{vendor}@usage:none"), &[(vendor, "m@usage:none")]);
    }
    config.set("upstream", json!({"retries": 0}));
    let gateway = Gateway::start(&config).await;
    for vendor in ["openai", "tongyi", "minimax"] {
        for (fault, code) in faults {
            let body = json!({"model": format!("{vendor}{fault}"), "input": ["a", "b"]});
            let reply = embed(&gateway, &body).send().await;
            let what = format!("{vendor}{fault}: {}", reply.text());
            assert!(matches!(reply.status, 429 | 500..=504), "{what}");
            assert_eq!(reply.json()["error"]["code"], code, "{what}");
        }
        for fault in ["@split:1", "@usage:none"] {
            let body = json!({"model": format!("{vendor}{fault}"), "input": ["a", "b"]});
            let reply = embed(&gateway, &body).send().await;
            assert_eq!(
                vectors(&reply),
                wanted(&["a".into(), "b".into()]),
                "{vendor}{fault}"
            );
        }
    }
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

#[tokio::test]
async fn the_law_holds() {
    const PHONE: &str = "13800138000";
    let sim = sim().await;
    let mut config = config(&sim);
    for (vendor, _) in EMBED {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
    }
    config.model("rank", &[("vllm", "bge-reranker")]);
    config.set(
        "policies",
        json!({"media": "confidential", "rules": [
            {"name": "no-phones", "find": ["CN_MOBILE"], "remedy": "redact", "restore": true},
            {"name": "no-secrets", "find": ["SECRET"], "remedy": "refuse"},
        ]}),
    );
    let gateway = Gateway::start(&config).await;
    for (vendor, _) in EMBED {
        for format in ["float", "base64"] {
            sim.clear();
            let body = json!({"model": format!("m-{vendor}"), "encoding_format": format, "input": ["hello", format!("打 {PHONE} 给我")], "user": "somebody"});
            let reply = embed(&gateway, &body).send().await;
            assert_eq!(
                reply.header("x-yumen-verdict"),
                Some("redact"),
                "{vendor}: {}",
                reply.text()
            );
            assert_eq!(vectors(&reply).len(), 2, "{vendor}");
            for call in sim.requests() {
                let sent = String::from_utf8_lossy(&call.body).into_owned();
                assert!(!sent.contains(PHONE), "{vendor}: {sent}");
            }
        }
    }
    // Documents come back as they were sent, though nobody else saw them so.
    sim.clear();
    let body = json!({"model": "rank", "query": format!("谁是 {PHONE}"), "documents": ["无", format!("张三 {PHONE}")], "return_documents": true});
    let reply = rerank(&gateway, &body).send().await;
    let sent = String::from_utf8_lossy(&sim.requests()[0].body).into_owned();
    assert!(
        !sent.contains(PHONE) && sent.contains("<CN_MOBILE_1>"),
        "{sent}"
    );
    let echoed = reply.json()["results"].to_string();
    assert!(echoed.contains(PHONE), "{echoed}");
    // Nobody can read token ids: they are what media is, and that is too high for this provider.
    sim.clear();
    let reply = embed(&gateway, &json!({"model": "m-openai", "input": [1, 2, 3]}))
        .send()
        .await;
    assert_eq!(
        reply.json()["error"]["code"],
        "no_cleared_provider",
        "{}",
        reply.text()
    );
    let secret = "AKIAIOSFODNN7EXAMPLQ";
    for (path, body) in [
        (
            "/v1/embeddings",
            json!({"model": "m-openai", "input": secret}),
        ),
        (
            "/v1/embeddings",
            json!({"model": "m-openai", "input": "a", "novel": {"deep": [secret]}}),
        ),
        (
            "/v1/rerank",
            json!({"model": "rank", "query": secret, "documents": ["a"]}),
        ),
        (
            "/v1/rerank",
            json!({"model": "rank", "query": "a", "documents": ["b", {"text": secret}]}),
        ),
    ] {
        let reply = ask(&gateway, path, &body).send().await;
        assert_eq!(
            reply.json()["error"]["code"],
            "policy_refused",
            "{body}: {}",
            reply.text()
        );
        assert!(!reply.text().contains(secret));
    }
    assert!(sim.requests().is_empty());
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

#[tokio::test]
async fn vectors_are_paid_for_and_count_against_limits_by_what_they_used() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai", "tongyi"]);
    config.0["models"]["m-openai"]["price"] = json!({"input": 1, "output": 5, "currency": "CNY"});
    config.key("narrow", "ym-narrow", json!({"limits": {"tpm": 200}}));
    let gateway = Gateway::start(&config).await;
    let body = json!({"model": "m-openai", "input": ["猫猫", "狗"]});
    let reply = embed(&gateway, &body).send().await;
    let closing = gateway.record(&reply).await;
    let tokens = reply.json()["usage"]["total_tokens"].as_u64().unwrap();
    let used = &closing["tokens"];
    assert_eq!(
        (&used["prompt"], &used["completion"], &used["estimated"]),
        (&json!(tokens), &json!(0), &json!(false))
    );
    assert_eq!(
        (&closing["cost_nano"], &closing["currency"]),
        (&json!(tokens * 1000), &json!("CNY"))
    );
    // No reply is reserved for: a few short texts fit a small limit, many do not.
    let small = embed(&gateway, &json!({"model": "m-tongyi", "input": "x"})).key("ym-narrow");
    assert_eq!(small.send().await.status, 200);
    let many = json!({"model": "m-tongyi", "input": vec!["a text of some length"; 200]});
    let reply = embed(&gateway, &many).key("ym-narrow").send().await;
    assert_eq!(
        (reply.status, reply.json()["error"]["code"].clone()),
        (429, json!("rate_limit_exceeded"))
    );
    // What the vectors are for is told where there is a word for it, and nowhere else.
    sim.clear();
    for (model, sent, dropped) in [
        ("m-openai", Value::Null, Some("input_type")),
        ("m-tongyi", json!("query"), None),
    ] {
        let body = json!({"model": model, "input": "x", "input_type": "query"});
        let reply = embed(&gateway, &body).send().await;
        assert_eq!(vectors(&reply), wanted(&["x".into()]), "{model}");
        assert_eq!(reply.header("x-yumen-dropped"), dropped, "{model}");
        let body: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
        assert_eq!(body["parameters"]["text_type"], sent, "{body}");
        assert!(body.get("input_type").is_none(), "{body}");
    }
    gateway.assert_sound();
}
