//! The quiet endpoints: models, health, readiness, metrics; and that no secret is in anything that is written anywhere.

use std::collections::BTreeSet;
use tests::*;

#[tokio::test]
async fn the_listing_of_models() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.fault("org/model.v1:free@x", "openai-compatible", "");
    let gateway = Gateway::start(&config).await;
    let list = Ask::get(gateway.listen, "/v1/models").key(KEY).send().await;
    assert_eq!(
        (list.status, list.header("content-type")),
        (200, Some("application/json"))
    );
    assert!(list.header("x-request-id").is_some());
    let json = list.json();
    assert_eq!(json["object"], "list");
    let names: Vec<&str> = json["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["m-openai-compatible", "org/model.v1:free@x"]);
    for row in json["data"].as_array().unwrap() {
        assert_eq!(row["object"], "model");
        assert!(row["created"].is_u64() && row["owned_by"].is_string());
    }
    for path in [
        "org/model.v1:free@x",
        "org%2Fmodel.v1:free@x",
        "org%2fmodel.v1%3Afree%40x",
    ] {
        let one = Ask::get(gateway.listen, &format!("/v1/models/{path}"))
            .key(KEY)
            .send()
            .await;
        assert_eq!(
            (one.status, &one.json()["id"]),
            (200, &json!("org/model.v1:free@x")),
            "{path}"
        );
    }
    Ask::get(gateway.listen, "/v1/models/nothing")
        .key(KEY)
        .send()
        .await
        .refused(404, "model_not_found");
    Ask::get(gateway.listen, "/v1/models")
        .send()
        .await
        .refused(401, "invalid_api_key");
    Ask::get(gateway.listen, "/v1/models")
        .key("ym-wrong-key-0001")
        .send()
        .await
        .refused(401, "invalid_api_key");
    // Nothing of how a model is served.
    assert!(!list.text().contains("some-model") && !list.text().contains("127.0.0.1"));
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn health_and_readiness() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::plain(&sim)).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(gateway.admin(path).await.status, 200, "{path}");
    }
    assert_eq!(gateway.admin("/nowhere").await.status, 404);
    assert!(
        sim.requests().is_empty() && sim.accepted() == 0,
        "a probe reached a provider"
    );
    // DNS rebinding: the admin listener answers only to its own names.
    for host in [
        "evil.test",
        "evil.test:9090",
        "127.0.0.1.evil.test",
        "localhost.evil.test",
    ] {
        let reply = Ask::get(gateway.admin, "/metrics")
            .header("host", host)
            .send()
            .await;
        assert!(reply.status >= 400, "Host {host}: {}", reply.status);
    }
    for host in ["localhost", "127.0.0.1"] {
        let host = format!("{host}:{}", gateway.admin.port());
        assert_eq!(
            Ask::get(gateway.admin, "/metrics")
                .header("host", &host)
                .send()
                .await
                .status,
            200,
            "{host}"
        );
    }
    for lines in ["", "host: localhost\r\nhost: localhost\r\n", "host:\r\n"] {
        let answer = http::raw(
            gateway.admin,
            format!("GET /metrics HTTP/1.1\r\n{lines}\r\n"),
        )
        .await;
        assert!(
            answer.statuses().iter().all(|status| *status >= 400),
            "{lines:?}: {:?}",
            answer.statuses()
        );
    }
    // The data endpoint has none of it.
    for path in ["/metrics", "/healthz", "/readyz", "/api/keys", "/"] {
        assert!(
            Ask::get(gateway.listen, path).key(KEY).send().await.status >= 400,
            "{path}"
        );
    }
}

/// One sample of the text format: name, labels, value.
fn sample(line: &str) -> Option<(String, f64)> {
    let (name, value) = line.rsplit_once(' ')?;
    let bare = name.split('{').next()?;
    let good = bare.starts_with(|c: char| c.is_ascii_alphabetic())
        && bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let closed = name.contains('{') == name.ends_with('}');
    (good && closed)
        .then(|| value.parse().ok())
        .flatten()
        .map(|value| (name.to_owned(), value))
}

#[tokio::test]
async fn metrics_parse_and_count() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.fault("bad", "openai-compatible", "@status:500");
    let gateway = Gateway::start(&config).await;
    for _ in 0..3 {
        assert_eq!(
            gateway
                .chat("m-openai-compatible", "hi")
                .send()
                .await
                .status,
            200
        );
    }
    gateway.stream("m-openai-compatible", "hi").send().await;
    gateway.chat("bad", "hi").send().await;
    gateway.chat("nothing", "hi").send().await;
    // Names of strangers never become labels.
    gateway.chat("a-made-up-name-4711", "hi").send().await;
    Ask::get(gateway.listen, "/made-up-path-4712")
        .key(KEY)
        .send()
        .await;
    let text = gateway.admin("/metrics").await.text();
    assert!(
        !text.contains("4711") && !text.contains("4712"),
        "client text in a label"
    );
    let mut typed = BTreeSet::new();
    let mut samples = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(
                typed.insert(rest.split(' ').next().unwrap().to_owned()),
                "typed twice: {line}"
            );
        } else if !line.starts_with('#') && !line.is_empty() {
            samples.push(sample(line).unwrap_or_else(|| panic!("not a sample: {line}")));
        }
    }
    assert!(
        typed
            .iter()
            .all(|name| name.starts_with("yumen_") || name.starts_with("process_")),
        "{typed:?}"
    );
    let total = |name: &str, label: &str| {
        samples
            .iter()
            .filter(|(found, _)| found.starts_with(name) && found.contains(label))
            .map(|(_, value)| value)
            .sum::<f64>()
    };
    assert!(total("yumen_http_requests", "code=\"200\"") >= 4.0);
    assert!(total("yumen_http_requests", "code=\"404\"") >= 2.0);
    assert!(
        samples.iter().any(|(name, value)| name.contains("tokens")
            && name.contains("openai-compatible")
            && *value > 0.0),
        "{text}"
    );
    assert!(
        samples
            .iter()
            .all(|(_, value)| value.is_finite() || value.is_infinite())
    );
}

/// Secrets of every kind are planted, everything is made to fail once, and all that was written is searched for them.
#[tokio::test]
async fn no_secret_is_written_anywhere() {
    let sim = sim().await;
    let vendors = ["openai-compatible", "vllm", "glm", "wenxin", "deepseek"];
    let mut config = Config::with(&sim, vendors);
    config.set("log/level", "trace");
    config.set("admin/token", "planted-admin-token-Zq81");
    config.set(
        "providers/openai-compatible/headers",
        json!({"x-tenant": "planted-header-Zq82"}),
    );
    config.key("q", "ym-planted-query-key-Zq83", json!({}));
    config
        .fault("bad", "openai-compatible", "@status:401")
        .fault("cut", "openai-compatible", "@cutevent:4")
        .fault("html", "openai-compatible", "@html");
    config
        .provider("gone", "openai-compatible", "http://127.0.0.1:9/v1")
        .model("gone", &[("gone", "x")]);
    let gateway = Launch::new(config.text())
        .env("YUMEN_PLANTED", "planted-env-Zq84")
        .start()
        .await;
    let mut secrets: Vec<String> = [
        "planted-admin-token-Zq81",
        "planted-header-Zq82",
        "ym-planted-query-key-Zq83",
        "planted-env-Zq84",
        "PLANTED-PROMPT-Zq85",
        "ym-wrong-planted-Zq86",
        KEY,
    ]
    .map(String::from)
    .into();
    secrets.extend(vendors.iter().map(|vendor| config::upstream_key(vendor)));
    let mut answers = String::new();
    let mut asks = Vec::new();
    for model in vendors
        .iter()
        .map(|vendor| format!("m-{vendor}"))
        .chain(["bad", "cut", "html", "gone", "nothing"].map(String::from))
    {
        asks.push(gateway.stream(&model, "PLANTED-PROMPT-Zq85 @@"));
        asks.push(gateway.chat(&model, "PLANTED-PROMPT-Zq85 @@"));
    }
    asks.push(gateway.chat("bad", "x").key("ym-wrong-planted-Zq86"));
    asks.push(
        gateway
            .chat("bad", "x")
            .bytes("{\"model\":\"PLANTED-PROMPT-Zq85\",,"),
    );
    asks.push(
        gateway
            .chat("bad", "x")
            .bytes("{\"PLANTED-PROMPT-Zq85\":1,\"PLANTED-PROMPT-Zq85\":2}"),
    );
    asks.push(
        Ask::post(
            gateway.listen,
            "/v1/chat/completions?key=ym-planted-query-key-Zq83",
        )
        .json(&json!({"model": "nothing", "messages": []})),
    );
    asks.push(Ask::get(
        gateway.listen,
        "/v1/models?key=ym-planted-query-key-Zq83",
    ));
    asks.push(Ask::get(
        gateway.listen,
        "/PLANTED-PROMPT-Zq85?key=ym-planted-query-key-Zq83",
    ));
    for ask in asks {
        let reply = ask.send().await;
        // Good replies of the simulator repeat the prompt; that is what they are for.
        let text = if reply.status == 200 {
            String::new()
        } else {
            reply.text()
        };
        answers.push_str(&format!("{:?} {text}\n", reply.headers));
    }
    // A reload, good and bad.
    gateway.rewrite(
        &config
            .text()
            .replacen("planted-admin-token-Zq81", "planted-admin-token-Zq81 ", 1)
            .replacen("\"level\"", "\"levle\"", 1),
    );
    gateway.signal("HUP");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let metrics = gateway.admin("/metrics").await.text();
    let (log, printed) = (gateway.log(), gateway.printed());
    let mut journal = Vec::new();
    for path in tests::journal::files(&gateway.dir.path().join("audit")) {
        journal.extend(std::fs::read(path).unwrap_or_default());
    }
    for secret in &secrets {
        for (place, bytes) in [
            ("answers", answers.as_bytes()),
            ("metrics", metrics.as_bytes()),
            ("log", log.as_bytes()),
            ("stdout", printed.as_bytes()),
            ("journal", &journal),
        ] {
            let at = message::find(bytes, secret.as_bytes());
            assert!(
                at.is_none(),
                "{secret} is in the {place}: {:?}",
                String::from_utf8_lossy(&bytes[at.unwrap().saturating_sub(200)..at.unwrap() + 40])
            );
        }
    }
    gateway.assert_sound();
}
