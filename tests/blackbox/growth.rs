//! Replies that are longer than anybody guessed, and vendors that count what cannot be.

use std::time::Duration;

use tests::upstream::{Upstream, end_events, reply, text_event};
use tests::*;

fn key(name: &str) -> String {
    format!("ym-growth-{name:0>9}")
}

#[tokio::test]
async fn a_budget_ends_a_stream_and_a_rate_does_not() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.fault("long", "openai-compatible", "@events:5000@usage:none");
    let budget = json!({"budget": {"tokens": 3000, "period": "month"}});
    config.key("budget", &key("budget"), budget);
    config.key("rate", &key("rate"), json!({"limits": {"tph": 2000}}));
    let gateway = Gateway::start(&config).await;
    let ask = |name: &str| {
        let ask = gateway.stream("long", "hi").key(&key(name));
        ask.limit(Duration::from_secs(60)).send()
    };
    let cut = ask("budget").await;
    assert_eq!(cut.status, 200);
    let text = cut.text();
    assert!(
        text.contains("budget_exceeded"),
        "{}",
        &text[text.len() - 400..]
    );
    assert!(!text.contains("[DONE]"));
    let record = gateway.record(&cut).await;
    assert_eq!(record["code"], "budget_exceeded");
    assert_eq!(record["tokens"]["estimated"], true);
    let used = record["tokens"]["prompt"].as_u64().unwrap()
        + record["tokens"]["completion"].as_u64().unwrap();
    // No more than what one read brought.
    assert!((2900..=3400).contains(&used), "{used}");
    ask("budget").await.refused(429, "budget_exceeded");
    // The vendor has been asked: what a rate lacks, later requests pay.
    let whole = ask("rate").await;
    assert!(whole.text().contains("[DONE]"));
    let later = ask("rate").await;
    let said = later.refused(429, "rate_limit_exceeded");
    assert!(said.contains("2000 tokens per hour of key rate"), "{said}");
    let after: u64 = later.header("retry-after").unwrap().parse().unwrap();
    assert!(after > 3600, "{after}");
    gateway.assert_sound();
}

/// A vendor that counts nothing and says much at once: an event is not a token.
#[tokio::test]
async fn what_is_said_at_once_is_counted_by_its_length() {
    let vendor = Upstream::start(|mut conn| async move {
        let Some(request) = conn.request().await else {
            return Ok(());
        };
        let cut = String::from_utf8_lossy(&request.body).contains("cut short");
        conn.stream_head().await?;
        let (count, text) = if cut {
            (40, "语".repeat(840))
        } else {
            (400, "a word ".repeat(80))
        };
        for _ in 0..count {
            conn.write(text_event(&text).as_bytes()).await?;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if !cut {
            conn.write(end_events().as_bytes()).await?;
        }
        Ok(())
    })
    .await;
    let mut config = Config::new();
    config.plain_at("p", &vendor.origin());
    let budget = json!({"budget": {"tokens": 3000, "period": "month"}});
    config.key("budget", &key("budget"), budget);
    config.key("free", &key("free"), json!({}));
    let gateway = Gateway::start(&config).await;
    let cut = gateway.stream("p", "cut short").key(&key("free"));
    let cut = cut.send().await;
    assert!(cut.text().contains("upstream_error"), "{}", cut.text());
    let tokens = gateway.record(&cut).await["tokens"].clone();
    let completion = tokens["completion"].as_u64().unwrap();
    assert!((15_000..50_000).contains(&completion), "{tokens}");
    assert_eq!(tokens["estimated"], true, "{tokens}");
    // All books say the same of a reply that was cut.
    let metrics = gateway.admin("/metrics").await.text();
    let counted = format!("direction=\"output\"}} {completion}");
    assert!(metrics.contains(&counted), "{metrics}");
    let ended = gateway.stream("p", "hi").key(&key("budget")).send().await;
    assert!(ended.text().contains("budget_exceeded"), "{}", ended.text());
    let tokens = gateway.record(&ended).await["tokens"].clone();
    let used = tokens["prompt"].as_u64().unwrap() + tokens["completion"].as_u64().unwrap();
    assert!((2800..=6000).contains(&used), "{tokens}");
    gateway.assert_sound();
}

#[tokio::test]
async fn what_a_budget_has_left_bounds_the_reply() {
    let sim = sim().await;
    let vendors = ["openai-compatible", "openai", "tongyi", "anthropic"];
    let mut config = Config::with(&sim, vendors);
    for vendor in vendors {
        let budget = json!({"budget": {"tokens": 300}});
        config.key(vendor, &key(vendor), budget);
    }
    config.key("free", &key("free"), json!({}));
    let gateway = Gateway::start(&config).await;
    let cap = |sim: &Sim| {
        let body: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
        let places = [
            &body["max_tokens"],
            &body["max_completion_tokens"],
            &body["parameters"]["max_tokens"],
        ];
        places.into_iter().find_map(Value::as_u64)
    };
    for vendor in vendors {
        let ask = || gateway.chat(&format!("m-{vendor}"), "hi").key(&key(vendor));
        let reply = ask().send().await;
        assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
        let told = cap(&sim).unwrap_or_else(|| panic!("{vendor} was told no bound"));
        assert!((1..300).contains(&told), "{vendor}: {told}");
        // What the client says stands.
        let reply = ask()
            .with(|body| body["max_tokens"] = 9.into())
            .send()
            .await;
        assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
        assert_eq!(cap(&sim), Some(9), "{vendor}");
    }
    let free = gateway.chat("m-openai-compatible", "hi").key(&key("free"));
    assert_eq!(free.send().await.status, 200);
    assert_eq!(cap(&sim), None);
}

/// Clients of every dialect, before a vendor that speaks it too; and what is thought is part of what is left.
#[tokio::test]
async fn what_a_budget_has_left_bounds_the_reply_in_every_dialect() {
    let sim = sim().await;
    let vendors = ["gemini", "tongyi", "openai", "vllm", "anthropic", "bedrock"];
    let mut config = Config::with(&sim, vendors);
    let asked = [
        (
            "gemini",
            "/v1beta/models/m-gemini:generateContent",
            json!({"contents": [{"parts": [{"text": "hi"}]}]}),
            "/generationConfig/maxOutputTokens",
        ),
        (
            "tongyi",
            "/api/v1/services/aigc/text-generation/generation",
            json!({"model": "m-tongyi", "input": {"prompt": "hi"}}),
            "/parameters/max_tokens",
        ),
        (
            "openai",
            "/v1/responses",
            json!({"model": "m-openai", "input": "hi"}),
            "/max_output_tokens",
        ),
        (
            "vllm",
            "/v1/completions",
            json!({"model": "m-vllm", "prompt": "hi"}),
            "/max_tokens",
        ),
        (
            "anthropic",
            "/v1/chat/completions",
            json!({"model": "m-anthropic", "messages": [{"role": "user", "content": "hi"}], "reasoning_effort": "high"}),
            "/max_tokens",
        ),
        (
            "bedrock",
            "/v1/chat/completions",
            json!({"model": "m-bedrock", "messages": [{"role": "user", "content": "hi"}], "reasoning_effort": "high"}),
            "/inferenceConfig/maxTokens",
        ),
    ];
    for (vendor, ..) in &asked {
        let budget = json!({"budget": {"tokens": 300}});
        config.key(vendor, &key(vendor), budget);
    }
    let gateway = Gateway::start(&config).await;
    for (vendor, path, body, place) in &asked {
        let ask = Ask::post(gateway.listen, path).key(&key(vendor));
        let reply = ask.bytes(body.to_string()).send().await;
        assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
        let sent = sim.requests().last().unwrap().body.clone();
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        let told = sent.pointer(place).and_then(Value::as_u64);
        let told = told.unwrap_or_else(|| panic!("{vendor} was told no bound: {sent}"));
        assert!((1..300).contains(&told), "{vendor}: {sent}");
    }
    gateway.assert_sound();
}

/// A bound that is ours is brought within the vendor's: it is no field of the client's that could be lost.
#[tokio::test]
async fn a_bound_beyond_the_vendors_own_is_no_loss() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["baichuan"]);
    config.fault("long", "baichuan", "@events:5000");
    config.set("models/long/lossy", "refuse");
    config.key("free", &key("free"), json!({}));
    config.key("few", &key("few"), json!({"budget": {"tokens": 3000}}));
    let gateway = Gateway::start(&config).await;
    let ask = |name: &str| {
        let ask = Ask::post(gateway.listen, "/v1/responses").key(&key(name));
        ask.bytes(json!({"model": "long", "input": "hi"}).to_string())
            .limit(Duration::from_secs(60))
            .send()
    };
    // Its replies turn out to be longer than the vendor's bound, and than what is left.
    for _ in 0..12 {
        let reply = ask("free").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let reply = ask("few").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-yumen-dropped"), None);
    let sent = sim.requests().pop().unwrap();
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(sent["max_tokens"], 2048, "{sent}");
}

/// A vendor that counts like this.
async fn counting(usage: &str) -> Upstream {
    let whole = format!(
        r#"{{"id":"c-1","object":"chat.completion","created":1,"model":"some-model","choices":[{{"index":0,"message":{{"role":"assistant","content":"{}"}},"finish_reason":"stop"}}]{usage}}}"#,
        "a word ".repeat(300)
    );
    let mut stream = String::new();
    for _ in 0..40 {
        stream.push_str(&text_event("a word "));
    }
    let (finish, end) = end_events().split_once("\n\n").unwrap();
    let finish = finish.strip_suffix('}').unwrap();
    stream.push_str(&format!("{finish}{usage}}}\n\n{end}"));
    let (whole, stream) = (
        reply("200 OK", "application/json", &whole),
        reply("200 OK", "text/event-stream", &stream),
    );
    Upstream::start(move |mut conn| {
        let (whole, stream) = (whole.clone(), stream.clone());
        async move {
            while let Some(request) = conn.request().await {
                let streams = request.json()["stream"] == true;
                let said = if streams { &stream } else { &whole };
                conn.write(said.as_bytes()).await?;
            }
            Ok(())
        }
    })
    .await
}

#[tokio::test]
async fn a_vendors_count_is_a_claim() {
    let cases = [
        (
            "right",
            r#","usage":{"prompt_tokens":9,"completion_tokens":44}"#,
            false,
        ),
        ("none", "", false),
        (
            "negative",
            r#","usage":{"prompt_tokens":-9,"completion_tokens":-44}"#,
            true,
        ),
        (
            "zero",
            r#","usage":{"prompt_tokens":0,"completion_tokens":0}"#,
            true,
        ),
        (
            "absurd",
            r#","usage":{"prompt_tokens":1000000000000,"completion_tokens":1e30}"#,
            true,
        ),
        (
            "much",
            r#","usage":{"prompt_tokens":9,"completion_tokens":900000000}"#,
            true,
        ),
    ];
    for (name, usage, doubted) in cases {
        let vendor = counting(usage).await;
        let mut config = Config::new();
        config.plain_at("p", &vendor.origin());
        config.key("k", &key("k"), json!({"budget": {"tokens": 100_000}}));
        let gateway = Gateway::start(&config).await;
        for streams in [false, true] {
            let mut ask = gateway.chat("p", "hi").key(&key("k"));
            if streams {
                ask = gateway.stream("p", "hi").key(&key("k"));
            }
            let reply = ask.send().await;
            assert_eq!(reply.status, 200, "{name}: {}", reply.text());
            let tokens = gateway.record(&reply).await["tokens"].clone();
            let what = format!("{name}, streams: {streams}: {tokens}");
            let of = |field: &str| tokens[field].as_u64().unwrap();
            assert!((9..200).contains(&of("prompt")), "{what}");
            assert!((30..2000).contains(&of("completion")), "{what}");
            assert_eq!(tokens["doubted"] == true, doubted, "{what}");
            assert_eq!(tokens["estimated"], doubted || name == "none", "{what}");
        }
        // The budget is as full as the records say.
        let journal = gateway.journal();
        let all = journal.of("closed").map(|closed| {
            let tokens = &closed.payload["tokens"];
            tokens["prompt"].as_u64().unwrap() + tokens["completion"].as_u64().unwrap()
        });
        let left = 100_000 - all.sum::<u64>();
        let ask = |cap: u64| {
            let ask = gateway.chat("p", "hi").key(&key("k"));
            ask.with(|body| body["max_tokens"] = cap.into()).send()
        };
        let more = ask(left).await;
        more.refused(429, "budget_exceeded");
        assert_eq!(ask(left - 100).await.status, 200, "{name}");
    }
}
