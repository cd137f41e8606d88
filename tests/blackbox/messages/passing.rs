//! The client's own dialect on both sides; and what is answered in it without an upstream: errors, counts, lists.

use super::*;
use tests::messages::{ask, read};
use tests::tee::Tee;

/// A gateway before the simulated vendor, with a recording wire between them.
async fn wired() -> (Tee, Sim, Gateway) {
    let sim = sim().await;
    let tee = Tee::start(sim.addr()).await;
    let mut config = Config::with(&sim, ["anthropic"]);
    let base = config.0["providers"]["anthropic"]["base_url"]
        .as_str()
        .unwrap()
        .to_owned();
    config.set("providers/anthropic/base_url", tee.instead_of(&base));
    let gateway = Gateway::start(&config).await;
    (tee, sim, gateway)
}

const UGLY: &str = "{ \"cache_control\" :{\"type\":\"ephemeral\"},\n\t\"messages\" : [ {\"role\":\"user\" , \"content\":[{ \"text\":\"\\u4f60 \\/ \\\"q\\\" 你好 \u{1F600}\",\"type\":\"text\" }]} ] ,\"model\"  :  \"MODEL\", \"max_tokens\":70 ,\"top_k\": 5 STREAM }  \n";

#[tokio::test]
async fn bytes_pass_as_they_are_but_for_the_models_name() {
    let (tee, _sim, gateway) = wired().await;
    for field in ["", ",\"stream\" :true"] {
        let body = UGLY.replace("STREAM", field);
        let asked = body.replace("MODEL", "m-anthropic");
        let reply = ask(gateway.listen, "", "")
            .bytes(asked)
            .header(
                "anthropic-beta",
                "context-1m-2025-08-07,interleaved-thinking-2025-05-14",
            )
            .send()
            .await;
        good(&reply, "passed");
        until("a whole reply on the wire", || !tee.replies().is_empty()).await;
        let (up, down) = (tee.requests().remove(0), tee.replies().remove(0));
        tee.clear();
        assert_eq!(
            String::from_utf8_lossy(&up.body),
            body.replace("MODEL", "claude-3-7-sonnet-sim")
        );
        assert_eq!(reply.text(), String::from_utf8_lossy(&down.body));
        let head = format!("{up:?}");
        assert!(
            head.contains("context-1m-2025-08-07,interleaved-thinking-2025-05-14"),
            "{head}"
        );
        assert!(!head.contains(KEY), "the client's key went up: {head}");
    }
}

#[tokio::test]
async fn versions_travel_on_and_other_words_do_not() {
    let (_tee, sim, gateway) = wired().await;
    let newest = ask(gateway.listen, "m-anthropic", "hi")
        .without("anthropic-version")
        .header("anthropic-version", "2026-10-21");
    good(&newest.send().await, "the newest");
    let version = |sim: &Sim| {
        let last = sim.requests().last().unwrap().clone();
        let version = last.headers.get("anthropic-version").unwrap();
        version.to_str().unwrap().to_owned()
    };
    assert_eq!(version(&sim), "2026-10-21");
    // A client of another dialect has none: the pinned one goes up.
    assert_eq!(gateway.chat("m-anthropic", "hi").send().await.status, 200);
    assert_eq!(version(&sim), "2023-06-01");
    let before = sim.requests().len();
    let odd =
        ask(gateway.listen, "m-anthropic", "hi").header("anthropic-beta", "call me <13800138000>");
    refused(
        &odd.send().await,
        400,
        "invalid_request_error",
        "invalid_request",
    );
    assert_eq!(sim.requests().len(), before);
}

/// A thought that another vendor's model had carries no proof: its own vendor would refuse it, so it is left out.
#[tokio::test]
async fn unproved_thoughts_stay_behind() {
    let (_tee, sim, gateway) = wired().await;
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": ""});
    let text = json!({"type": "text", "text": "ok"});
    for content in [
        json!([thought, text]),
        json!([text, thought]),
        json!([thought, thought, text, thought]),
        json!([text, thought, text]),
    ] {
        let ask = ask(gateway.listen, "m-anthropic", "a").with(|body| {
            let messages = body["messages"].as_array_mut().unwrap();
            messages.push(json!({"role": "assistant", "content": content}));
            messages.push(json!({"role": "user", "content": "b"}));
        });
        good(&ask.send().await, &content.to_string());
        let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
        let left = sent["messages"][1]["content"].as_array().unwrap();
        assert!(
            !left.is_empty() && left.iter().all(|block| *block == text),
            "{sent}"
        );
    }
}

#[tokio::test]
async fn errors_have_the_dialects_shape() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["anthropic", "openai"]);
    for (vendor, name, faults) in [
        ("anthropic", "busy", "@status:529"),
        ("anthropic", "limit", "@status:429@retryafter:3"),
        ("anthropic", "long", "@code:too_long"),
        ("openai", "broken", "@status:500"),
        ("openai", "garbage", "@html"),
    ] {
        config.fault(name, vendor, faults);
    }
    config.key("little", "ym-little", json!({"models": ["busy"]}));
    config.key("slow", "ym-slow-0001", json!({"limits": {"rpm": 1}}));
    let gateway = Gateway::start(&config).await;
    for (model, status, kind, code) in [
        ("nothing", 404, "not_found_error", "model_not_found"),
        ("busy", 500, "api_error", "upstream_error"),
        ("limit", 429, "rate_limit_error", "rate_limit_exceeded"),
        (
            "long",
            400,
            "invalid_request_error",
            "context_length_exceeded",
        ),
        ("broken", 500, "api_error", "upstream_error"),
        ("garbage", 500, "api_error", "upstream_error"),
    ] {
        for stream in [false, true] {
            let reply = say(&gateway, model, "hi", stream).send().await;
            refused(&reply, status, kind, code);
            if model == "limit" {
                assert_eq!(reply.header("retry-after"), Some("3"));
            }
        }
    }
    let with = |key: &str| {
        ask(gateway.listen, "m-openai", "hi")
            .without("x-api-key")
            .header("x-api-key", key)
    };
    refused(
        &with("ym-wrong").send().await,
        401,
        "authentication_error",
        "invalid_api_key",
    );
    refused(
        &with("ym-little").send().await,
        403,
        "permission_error",
        "permission_denied",
    );
    good(&with("ym-slow-0001").send().await, "the first of a minute");
    refused(
        &with("ym-slow-0001").send().await,
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
    );
    // The SDKs of the newer API version send their key so.
    let bearer = ask(gateway.listen, "m-openai", "hi")
        .without("x-api-key")
        .key(KEY);
    good(&bearer.send().await, "a bearer");
    let bad = ask(gateway.listen, "m-openai", "hi").with(|body| body["messages"] = json!([]));
    refused(
        &bad.send().await,
        400,
        "invalid_request_error",
        "invalid_request",
    );
    let lost = Ask::post(gateway.listen, "/v1/messages/batches")
        .key(KEY)
        .header("anthropic-version", "2023-06-01")
        .json(&json!({}));
    refused(
        &lost.send().await,
        404,
        "not_found_error",
        "invalid_request",
    );
}

#[tokio::test]
async fn errors_in_mid_stream_end_it() {
    let sim = sim().await;
    let mut config = Config::all(&sim);
    for vendor in every_vendor() {
        for (name, faults) in [
            ("cut", "@cutevent:4@gap:10"),
            ("error", "@errorevent:4@gap:10"),
            ("bad", "@badjson:4@gap:10"),
        ] {
            config.fault(&format!("{vendor}/{name}"), vendor, faults);
        }
    }
    let gateway = Gateway::start(&config).await;
    for vendor in every_vendor() {
        for name in ["cut", "error", "bad"] {
            let what = format!("{vendor}/{name}");
            let reply = say(&gateway, &what, "你好,世界 你好,世界", true)
                .send()
                .await;
            assert_eq!(reply.status, 200, "{what}: {}", reply.text());
            let said = read(&reply.body);
            let error = said
                .error
                .unwrap_or_else(|| panic!("{what}: {}", reply.text()));
            assert!(
                error["type"].is_string() && error["message"].is_string(),
                "{what}: {error}"
            );
            assert!(
                !reply.text().contains("message_stop"),
                "{what}: {}",
                reply.text()
            );
            let closing = gateway.record(&reply).await;
            assert_eq!(closing["outcome"], "upstream_error", "{what}: {closing}");
        }
    }
}

#[tokio::test]
async fn tokens_are_counted_by_the_vendor_or_estimated() {
    let sim = sim().await;
    let config = Config::with(&sim, ["anthropic", "tongyi"]);
    let gateway = Gateway::start(&config).await;
    let count = |model: &str, text: &str| {
        Ask::post(gateway.listen, "/v1/messages/count_tokens")
            .header("x-api-key", KEY)
            .header("anthropic-version", "2023-06-01")
            .json(&json!({"model": model, "messages": [{"role": "user", "content": text}]}))
    };
    let reply = count("m-anthropic", "hello").send().await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({"input_tokens": 3}))
    );
    assert_eq!(reply.header("x-yumen-estimated"), None);
    assert!(
        sim.requests()
            .last()
            .unwrap()
            .path_and_query
            .ends_with("/v1/messages/count_tokens")
    );
    let before = sim.requests().len();
    let reply = count("m-tongyi", &"hello world ".repeat(100)).send().await;
    let tokens = reply.json()["input_tokens"].as_u64().unwrap();
    assert!((200..500).contains(&tokens), "{tokens}");
    assert_eq!(reply.header("x-yumen-estimated"), Some("true"));
    assert_eq!(sim.requests().len(), before, "an estimate asks nobody");
    let closing = gateway.record(&reply).await;
    assert_eq!(closing["outcome"], "completed", "{closing}");
    refused(
        &count("nothing", "x").send().await,
        404,
        "not_found_error",
        "model_not_found",
    );
}

#[tokio::test]
async fn models_are_listed_in_the_clients_shape() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::with(&sim, ["anthropic", "openai", "glm"])).await;
    let get = |path: &str| {
        Ask::get(gateway.listen, path)
            .header("x-api-key", KEY)
            .header("anthropic-version", "2023-06-01")
    };
    let all = get("/v1/models?limit=1000").send().await.json();
    let ids: Vec<&str> = all["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["m-anthropic", "m-glm", "m-openai"]);
    assert_eq!(
        (&all["has_more"], &all["first_id"], &all["last_id"]),
        (&json!(false), &json!("m-anthropic"), &json!("m-openai"))
    );
    let page = get("/v1/models?limit=1&after_id=m-anthropic")
        .send()
        .await
        .json();
    assert_eq!(
        (&page["data"][0]["id"], &page["has_more"]),
        (&json!("m-glm"), &json!(true))
    );
    let one = get("/v1/models/m-glm").send().await.json();
    assert_eq!(
        (&one["type"], &one["id"], &one["lifecycle"]),
        (&json!("model"), &json!("m-glm"), &json!("active"))
    );
    refused(
        &get("/v1/models/none").send().await,
        404,
        "not_found_error",
        "model_not_found",
    );
    // Without the header it is OpenAI's list.
    let other = Ask::get(gateway.listen, "/v1/models")
        .key(KEY)
        .send()
        .await
        .json();
    assert_eq!(
        (&other["object"], &other["data"][0]["object"]),
        (&json!("list"), &json!("model"))
    );
}
