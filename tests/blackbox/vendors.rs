//! What one vendor does and another does not: ways to sign, its own error codes, moderation, reasoning, names in paths.

use tests::config::VENDORS;
use tests::upstream::Upstream;
use tests::*;

#[tokio::test]
async fn every_way_to_sign() {
    let sim = sim().await;
    let mut config = Config::new();
    for (name, vendor, auth) in [
        ("glm-bearer", "glm", "bearer"),
        ("glm-jwt", "glm", "jwt"),
        ("old-oauth", "wenxin-v1", "oauth"),
        ("old-signed", "wenxin-v1", "bce-auth-v1"),
        ("native-key", "sensenova-native", ""),
        ("native-jwt", "sensenova-native", ""),
    ] {
        config.sim_provider(name, vendor, &sim);
        if !auth.is_empty() {
            config.set(&format!("providers/{name}/auth"), auth);
        }
        config.model(name, &[(name, config::usual(vendor))]);
    }
    config.set("providers/old-signed/api_key", sim::BCE_TEST_ACCESS_KEY);
    config.set("providers/old-signed/secret_key", sim::BCE_TEST_SECRET_KEY);
    config.set(
        "providers/native-jwt/api_key",
        sim::SENSENOVA_TEST_ACCESS_KEY,
    );
    config.set(
        "providers/native-jwt/secret_key",
        sim::SENSENOVA_TEST_SECRET_KEY,
    );
    let gateway = Gateway::start(&config).await;
    for name in [
        "glm-bearer",
        "glm-jwt",
        "old-oauth",
        "old-signed",
        "native-key",
        "native-jwt",
    ] {
        for stream in [false, true] {
            let ask = gateway
                .chat(name, "你好")
                .with(|body| body["stream"] = stream.into());
            let reply = ask.send().await;
            assert_eq!(
                reply.status,
                200,
                "{name}: {}\n{}",
                reply.text(),
                gateway.log()
            );
        }
    }
    let requests = sim.requests();
    let secret = sim::GLM_TEST_KEY.split('.').nth(1).unwrap();
    let jwt = requests.iter().filter(|request| {
        request.surface == "glm" && !request.header("authorization").unwrap().contains(secret)
    });
    assert_eq!(
        jwt.count(),
        2,
        "a signed request does not carry the secret itself"
    );
    let signed = requests.iter().filter(|request| {
        request
            .header("authorization")
            .is_some_and(|value| value.starts_with("bce-auth-v1"))
    });
    assert_eq!(signed.count(), 2);
    assert_eq!(sim.token_fetches(), 1);
    for secret in [sim::BCE_TEST_SECRET_KEY, sim::SENSENOVA_TEST_SECRET_KEY] {
        assert!(!gateway.log().contains(secret));
        let sent = |request: &sim::Received| format!("{:?}", request.headers).contains(secret);
        assert!(!requests.iter().any(sent), "a secret went out itself");
    }
}

/// Our credential is wrong: that is our operator's business. The client's key is good, and must not be told otherwise.
#[tokio::test]
async fn a_wrong_credential_of_ours_is_no_401_for_the_client() {
    let sim = sim().await;
    let vendors: Vec<&'static str> = VENDORS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| *name != "ollama")
        .collect();
    let mut config = Config::with(&sim, vendors.iter().copied());
    for vendor in &vendors {
        config.set(
            &format!("providers/{vendor}/api_key"),
            "invalid-key.invalid",
        );
    }
    let gateway = Gateway::start(&config).await;
    for vendor in vendors {
        let reply = gateway.chat(&format!("m-{vendor}"), "hi").send().await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (502, "upstream_error"),
            "{vendor}: {}",
            reply.text()
        );
    }
    assert!(!gateway.log().contains("invalid-key.invalid"));
}

/// Codes that mean the same thing in different words.
#[tokio::test]
async fn vendors_codes_become_the_contracts() {
    let sim = sim().await;
    let cases = [
        (
            "openai",
            "context_length_exceeded",
            400,
            "context_length_exceeded",
        ),
        ("openai", "insufficient_quota", 429, "rate_limit_exceeded"),
        ("openai", "rate_limit_exceeded", 429, "rate_limit_exceeded"),
        ("glm", "1301", 400, "content_filtered"),
        ("glm", "1302", 429, "rate_limit_exceeded"),
        ("glm", "1261", 400, "context_length_exceeded"),
        ("tongyi", "DataInspectionFailed", 400, "content_filtered"),
        ("tongyi", "Throttling.RateQuota", 429, "rate_limit_exceeded"),
        (
            "tongyi-compatible",
            "data_inspection_failed",
            400,
            "content_filtered",
        ),
        ("wenxin-v1", "18", 429, "rate_limit_exceeded"),
        ("wenxin-v1", "336501", 429, "rate_limit_exceeded"),
        (
            "llamacpp",
            "exceed_context_size_error",
            400,
            "context_length_exceeded",
        ),
        ("deepseek", "content_risk", 400, "content_filtered"),
        ("anthropic", "too_long", 400, "context_length_exceeded"),
        ("anthropic", "filtered", 400, "content_filtered"),
        ("anthropic", "credit", 429, "rate_limit_exceeded"),
        (
            "anthropic",
            "enforced_spend_limit_reached",
            429,
            "rate_limit_exceeded",
        ),
        ("anthropic", "overloaded_error", 503, "upstream_error"),
        ("moonshot", "too_long", 400, "context_length_exceeded"),
        (
            "moonshot",
            "exceeded_current_quota_error",
            429,
            "rate_limit_exceeded",
        ),
        ("moonshot", "engine_overloaded_error", 503, "upstream_error"),
        ("minimax", "1026", 400, "content_filtered"),
        ("minimax-v2", "1008", 429, "rate_limit_exceeded"),
        ("minimax-v2", "2013-context", 400, "context_length_exceeded"),
        ("minimax-pro", "1008", 429, "rate_limit_exceeded"),
        ("minimax-pro", "1027", 400, "content_filtered"),
        (
            "minimax-pro",
            "2013-context",
            400,
            "context_length_exceeded",
        ),
        ("minimax-pro", "1004-group", 502, "upstream_error"),
        ("baichuan", "insufficient_quota", 429, "rate_limit_exceeded"),
        ("doubao", "SetLimitExceeded", 429, "rate_limit_exceeded"),
        ("doubao", "ServerOverloaded", 503, "upstream_error"),
        ("sensenova", "quota_exceeded", 429, "rate_limit_exceeded"),
        ("sensenova-native", "17", 400, "content_filtered"),
        ("bluelm", "1007", 400, "content_filtered"),
        ("bluelm", "2003", 429, "rate_limit_exceeded"),
        ("tgi", "too_long", 400, "context_length_exceeded"),
        ("tgi", "generation", 502, "upstream_error"),
        ("xinference", "no_model", 404, "upstream_error"),
        ("mindie", "too_long", 400, "context_length_exceeded"),
        ("pangu", "PANGU.3318", 400, "context_length_exceeded"),
        ("pangu", "PANGU.3267", 429, "rate_limit_exceeded"),
        ("pangu", "PANGU.3307", 502, "upstream_error"),
        ("pangu-v2", "APIG.0308", 429, "rate_limit_exceeded"),
        ("pangu-v2", "APIG.0203", 504, "upstream_timeout"),
        ("huawei-maas", "ModelArts.81002", 502, "upstream_error"),
        ("huawei-maas", "ModelArts.81005", 429, "rate_limit_exceeded"),
        ("huawei-maas", "ModelArts.81011", 400, "content_filtered"),
        ("mistral", "3051", 400, "context_length_exceeded"),
        ("xai", "safety", 400, "content_filtered"),
        ("xai", "credits", 429, "rate_limit_exceeded"),
        ("cohere", "trial", 429, "rate_limit_exceeded"),
        ("cohere", "filtered", 400, "content_filtered"),
        ("azure-openai", "content_filter", 400, "content_filtered"),
        ("spark", "10013", 400, "content_filtered"),
        ("spark", "11202", 429, "rate_limit_exceeded"),
        ("spark", "11200", 429, "rate_limit_exceeded"),
        ("spark-ws", "10013", 400, "content_filtered"),
        ("spark-ws", "10163", 400, "upstream_error"),
        ("spark-ws", "10404", 404, "upstream_error"),
        ("spark-ws", "10907", 400, "context_length_exceeded"),
        ("spark-ws", "11202", 429, "rate_limit_exceeded"),
        ("spark-ws", "10008", 503, "upstream_error"),
    ];
    let mut config = Config::all(&sim);
    for (vendor, code, ..) in cases {
        config.fault(
            &format!("{vendor}/{code}"),
            vendor,
            &format!("@code:{code}"),
        );
    }
    let gateway = Gateway::start(&config).await;
    let mut wrong = Vec::new();
    for (vendor, code, status, want) in cases {
        for stream in [false, true] {
            let ask = gateway
                .chat(&format!("{vendor}/{code}"), "hi")
                .with(|body| body["stream"] = stream.into());
            let reply = ask.send().await;
            if (reply.status, reply.code().as_str()) != (status, want) {
                wrong.push(format!(
                    "{vendor} {code}, stream {stream}: {} {}, not {status} {want}",
                    reply.status,
                    reply.code()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Moderation that takes an answer back ends it as filtered, on every vendor that has it; never as a natural end.
#[tokio::test]
async fn an_answer_that_is_taken_back_is_not_a_natural_end() {
    let sim = sim().await;
    let vendors = [
        "wenxin",
        "wenxin-v1",
        "glm",
        "tongyi",
        "tongyi-compatible",
        "minimax",
        "minimax-v2",
        "minimax-pro",
        "pangu",
        "pangu-v2",
        "huawei-maas",
        "doubao",
        "sensenova-native",
        "azure-openai",
    ];
    let mut config = Config::with(&sim, vendors);
    for vendor in vendors {
        config.fault(&format!("{vendor}/recall"), vendor, "@recall");
    }
    let gateway = Gateway::start(&config).await;
    let mut wrong = Vec::new();
    for vendor in vendors {
        let model = format!("{vendor}/recall");
        let reply = gateway.stream(&model, "hi").send().await;
        let filtered = if reply.status == 200 {
            let said = grammar::read(&reply.body);
            said.finish() == "content_filter" || said.error_code() == "content_filtered"
        } else {
            reply.code() == "content_filtered"
        };
        if !filtered {
            wrong.push(format!("{vendor}, streamed: {}", reply.text()));
        }
        if vendor == "tongyi" {
            // Its simulator takes streams back only.
            continue;
        }
        let reply = gateway.chat(&model, "hi").send().await;
        let filtered = reply.code() == "content_filtered"
            || reply.status == 200
                && reply.json()["choices"][0]["finish_reason"] == "content_filter";
        if !filtered {
            wrong.push(format!("{vendor}: {}", reply.text()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn reasoning_comes_first_and_stays_apart() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::all(&sim)).await;
    for (vendor, _) in VENDORS {
        let model = format!("m-{vendor}");
        let reply = gateway.stream(&model, "reasoning please").send().await;
        assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
        let text = reply.text();
        let (Some(thought), Some(said)) = (
            text.find("reasoning_content\":\""),
            text.find("\"content\":\"["),
        ) else {
            // A vendor without reasoning says its answer and nothing else.
            assert!(
                grammar::read(&reply.body).reasoning().is_empty(),
                "{vendor}"
            );
            continue;
        };
        assert!(thought < said, "{vendor}: the answer before the reasoning");
        let read = grammar::read(&reply.body);
        assert!(
            !read.reasoning().is_empty() && read.text().contains("reasoning please"),
            "{vendor}"
        );
    }
}

/// T-26: a model's name from the config goes into a path of one vendor; it must stay one segment.
#[tokio::test]
async fn names_in_paths_stay_one_segment() {
    let upstream = Upstream::good().await;
    let mut config = Config::new();
    config.provider("old", "wenxin-v1", &upstream.origin());
    config.set("providers/old/auth", "bce-auth-v1");
    for (name, model) in [
        ("dots", "../../../oauth/2.0/token"),
        ("query", "a?b=c&access_token=x"),
        ("space", "a b"),
        ("hash", "a#b"),
        ("percent", "a%2e%2e"),
    ] {
        config.model(name, &[("old", model)]);
    }
    let gateway = Gateway::start(&config).await;
    for name in ["dots", "query", "space", "hash", "percent"] {
        gateway.chat(name, "hi").send().await;
    }
    for request in upstream.requests() {
        let line = request.first_line().to_owned();
        let parts: Vec<&str> = line.split(' ').collect();
        assert_eq!(parts.len(), 3, "{line}");
        let prefix = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/";
        let rest = parts[1]
            .strip_prefix(prefix)
            .unwrap_or_else(|| panic!("outside of the prefix: {line}"));
        assert!(
            !rest.contains('/') && !rest.contains('?') && !rest.contains('#'),
            "{line}"
        );
    }
    assert_eq!(upstream.requests().len(), 5);
}

/// T-24: what a body names is never fetched by the gateway.
#[tokio::test]
async fn no_url_of_a_body_is_fetched() {
    let sim = sim().await;
    let canary = Upstream::good().await;
    let gateway = Gateway::start(&Config::all(&sim)).await;
    for (vendor, _) in VENDORS {
        let ask = gateway.chat(&format!("m-{vendor}"), "").with(|body| {
            body["messages"][0]["content"] = json!([{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": format!("{}/picture.png", canary.origin())}}]);
        });
        ask.send().await;
    }
    assert_eq!(canary.accepted(), 0);
    gateway.assert_sound();
}
