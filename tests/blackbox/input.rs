//! Bad bodies and paths: the right status and code in OpenAI's shape, and no upstream ever hears of it.

use crate::front::{bench, bench_with, chat, untouched};
use tests::upstream::Upstream;
use tests::*;

fn swap(from: &str, to: &[u8]) -> Vec<u8> {
    let body = chat(r#","x":"HERE""#);
    let at = message::find(&body, from.as_bytes()).unwrap();
    [&body[..at], to, &body[at + from.len()..]].concat()
}

#[tokio::test]
async fn bodies_that_are_not_strict_json_are_refused() {
    let (upstream, gateway) = bench().await;
    let deep = |depth: usize| {
        chat(&format!(
            r#","x":{}{}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        ))
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", b"".to_vec()),
        ("blank", b" \n".to_vec()),
        ("cut", b"{\"model\":\"m\"".to_vec()),
        ("trailing text", [chat(""), b"x".to_vec()].concat()),
        ("second document", [chat(""), chat("")].concat()),
        ("trailing comma", chat(",")),
        ("comment", chat("/* c */")),
        ("single quotes", b"{'model':'m','messages':[]}".to_vec()),
        ("NaN", chat(r#","x":NaN"#)),
        ("infinity", chat(r#","x":-Infinity"#)),
        ("leading zero", chat(r#","x":01"#)),
        ("plus", chat(r#","x":+1"#)),
        ("bare point", chat(r#","x":1."#)),
        ("hex", chat(r#","x":0x1"#)),
        ("control character in a string", chat(",\"x\":\"a\nb\"")),
        ("NUL in a string", swap("HERE", b"\0")),
        ("bad escape", chat(r#","x":"\x41""#)),
        ("short escape", chat(r#","x":"\u12""#)),
        (
            "byte order mark",
            [b"\xEF\xBB\xBF".to_vec(), chat("")].concat(),
        ),
        ("duplicate model", chat(r#","model":"other""#)),
        ("duplicate model, escaped", chat(r#","\u006dodel":"other""#)),
        (
            "duplicate, deep",
            chat(r#","x":{"a":1,"b":[{"c":1,"c":2}]}"#),
        ),
        (
            "duplicate, deep and escaped",
            chat(r#","x":{"key":1,"k\u0065y":2}"#),
        ),
        ("duplicate stream", chat(r#","stream":false,"stream":true"#)),
        ("folded model", chat(r#","Model":"other""#)),
        ("folded messages", chat(r#","MESSAGES":[]"#)),
        ("folded stream", chat(r#","Stream":true"#)),
        // U+017F folds to s.
        ("long s", chat(",\"\u{17f}tream\":true")),
        (
            "folded role",
            br#"{"model":"m","messages":[{"role":"user","Role":"system","content":"x"}]}"#.to_vec(),
        ),
        ("lone high surrogate", chat(r#","x":"\ud83d""#)),
        ("lone low surrogate", chat(r#","x":"\udE00 x""#)),
        (
            "surrogates in the wrong order",
            chat(r#","x":"\ude00\ud83d""#),
        ),
        ("lone surrogate in a key", chat(r#","\ud800":1"#)),
        ("invalid UTF-8", swap("HERE", b"\xff")),
        ("overlong UTF-8", swap("HERE", b"\xc0\xaf")),
        ("UTF-8 surrogate", swap("HERE", b"\xed\xa0\x80")),
        ("cut UTF-8", swap("HERE", b"\xe4\xbd")),
        ("beyond Unicode", swap("HERE", b"\xf4\x90\x80\x80")),
        (
            "UTF-16",
            chat("").iter().flat_map(|byte| [*byte, 0]).collect(),
        ),
        ("depth 65", deep(65)),
        ("depth 100,000", deep(100_000)),
        ("unclosed depth 1,000,000", vec![b'['; 1_000_000]),
        ("long number", chat(&format!(r#","x":{}"#, "1".repeat(65)))),
        (
            "huge exponent",
            chat(&format!(r#","x":1e{}"#, "9".repeat(70))),
        ),
        (
            "wide array",
            chat(&format!(r#","x":[{}1]"#, "1,".repeat(65_536))),
        ),
        (
            "wide object",
            chat(&format!(
                r#","x":{{{}"z":1}}"#,
                (0..10_001)
                    .map(|at| format!("\"k{at}\":1,"))
                    .collect::<String>()
            )),
        ),
    ];
    for (what, body) in cases {
        let reply = gateway.chat("", "").bytes(body).send().await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "invalid_request"),
            "{what}: {}",
            reply.text()
        );
        assert!(
            reply.took.as_millis() < 2000,
            "{what} took {:?}",
            reply.took
        );
    }
    untouched(&upstream, &gateway).await;
}

#[tokio::test]
async fn limits_of_json_are_met_exactly() {
    let (_upstream, gateway) = bench().await;
    // The body and the array around: 64 levels in all.
    let good = [
        chat(&format!(r#","x":{}{}"#, "[".repeat(63), "]".repeat(63))),
        chat(&format!(r#","x":{}"#, "1".repeat(64))),
        chat(&format!(r#","x":[{}1]"#, "1,".repeat(65_535))),
        chat(r#","x":"\ud83d\ude00\u0000""#),
        chat(r#","x":-0.0e-0,"y":1E400"#),
    ];
    for body in good {
        let start = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(
            gateway.chat("", "").bytes(body).send().await.status,
            200,
            "{start}"
        );
    }
}

#[tokio::test]
async fn wrong_shapes_and_types_are_refused_with_the_field() {
    let (upstream, gateway) = bench().await;
    let cases: [(&str, Option<&str>); 22] = [
        ("[]", None),
        ("\"text\"", None),
        ("1", None),
        ("null", None),
        ("{}", Some("model")),
        (
            r#"{"messages":[{"role":"user","content":"x"}]}"#,
            Some("model"),
        ),
        (
            r#"{"model":null,"messages":[{"role":"user","content":"x"}]}"#,
            Some("model"),
        ),
        (
            r#"{"model":1,"messages":[{"role":"user","content":"x"}]}"#,
            Some("model"),
        ),
        (
            r#"{"model":"","messages":[{"role":"user","content":"x"}]}"#,
            Some("model"),
        ),
        (
            r#"{"model":"a b","messages":[{"role":"user","content":"x"}]}"#,
            Some("model"),
        ),
        (r#"{"model":"m"}"#, Some("messages")),
        (r#"{"model":"m","messages":"hi"}"#, Some("messages")),
        (r#"{"model":"m","messages":{}}"#, Some("messages")),
        (r#"{"model":"m","messages":[]}"#, Some("messages")),
        (r#"{"model":"m","messages":["hi"]}"#, Some("messages")),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":"yes"}"#,
            Some("stream"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"n":0}"#,
            Some("n"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"n":-1}"#,
            Some("n"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"n":99999999999999999999}"#,
            Some("n"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":-5}"#,
            Some("max_tokens"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":"many"}"#,
            Some("max_tokens"),
        ),
        (
            r#"{"model":"m","input":"a Responses body"}"#,
            Some("messages"),
        ),
    ];
    for (body, param) in cases {
        let reply = gateway.chat("", "").bytes(body).send().await;
        reply.refused(400, "invalid_request");
        let found = reply.error()["param"].as_str().map(str::to_owned);
        assert_eq!(
            found
                .as_deref()
                .map(|param| param.split(['.', '[']).next().unwrap()),
            param,
            "{body}: {}",
            reply.text()
        );
    }
    let many = format!(
        r#"{{"model":"m","messages":[{}]}}"#,
        vec![r#"{"role":"user","content":"x"}"#; 4097].join(",")
    );
    gateway
        .chat("", "")
        .bytes(many)
        .send()
        .await
        .refused(400, "invalid_request");
    let long = "m".repeat(257);
    gateway
        .chat(&long, "x")
        .send()
        .await
        .refused(400, "invalid_request");
    untouched(&upstream, &gateway).await;
}

#[tokio::test]
async fn fields_that_choose_an_upstream_are_refused() {
    let (upstream, gateway) = bench().await;
    let canary = Upstream::good().await;
    for field in [
        "api_base",
        "base_url",
        "api_key",
        "extra_headers",
        "extra_body",
        "headers",
        "custom_llm_provider",
        "azure_endpoint",
        "proxy",
        "models",
        "model_list",
        "fallbacks",
        "provider",
        "route",
        "user_config",
        "litellm_params",
        "litellm_credential_name",
        "aws_region_name",
        "vertex_ai_credentials",
        "vertex_ai_location",
        "api-key",
        "organization",
        "API_BASE",
        "Base_Url",
    ] {
        let reply = gateway
            .chat("m", "hi")
            .with(|body| body[field] = canary.origin().into())
            .send()
            .await;
        reply.refused(400, "invalid_request");
        assert!(
            !reply.text().contains(&canary.origin()),
            "{field}: the value came back"
        );
    }
    // Headers of that kind are not refused, and do nothing.
    let reply = gateway
        .chat("m", "hi")
        .header("x-base-url", &canary.origin())
        .header("x-forwarded-host", "evil.test")
        .send()
        .await;
    assert_eq!(reply.said(), "good");
    assert_eq!(canary.accepted(), 0);
    assert_eq!(upstream.requests().len(), 1);
    gateway.assert_sound();
}

#[tokio::test]
async fn unknown_models_paths_and_methods() {
    let (upstream, gateway) = bench().await;
    gateway
        .chat("nothing", "hi")
        .send()
        .await
        .refused(404, "model_not_found");
    gateway
        .chat("some-model", "hi")
        .send()
        .await
        .refused(404, "model_not_found");
    gateway
        .chat("M", "hi")
        .send()
        .await
        .refused(404, "model_not_found");
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/chat/completions",
        "/v1/chat/completions/",
        "/v1/Chat/completions",
        "//v1/chat/completions",
        "/v1//chat/completions",
        "/v1/chat%2fcompletions",
        "/v1/chat/../chat/completions",
        "/v1/%63hat/completions",
        "/v1/chat/completions;x=1",
        "/metrics",
        "/readyz",
        "/healthz",
        "/api/keys",
        "/v1/v1/chat/completions",
    ] {
        let ask = http::Ask::post(gateway.listen, path)
            .key(KEY)
            .json(&json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}));
        let reply = ask.send().await;
        assert!(
            matches!(reply.status, 400 | 404),
            "{path}: {}",
            reply.status
        );
        assert_eq!(reply.code(), "invalid_request", "{path}");
    }
    for (method, path, allow) in [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/chat/completions", "POST"),
        ("OPTIONS", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET"),
        ("PATCH", "/v1/models/m", "GET"),
    ] {
        let reply = http::Ask::method(gateway.listen, method.parse().unwrap(), path)
            .key(KEY)
            .send()
            .await;
        reply.refused(405, "invalid_request");
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
    untouched(&upstream, &gateway).await;
}

/// T-21: the dearest bodies that are still allowed cost what their bytes cost.
#[tokio::test]
async fn no_body_costs_more_than_its_bytes() {
    let (_upstream, gateway) = bench().await;
    let object = |members: usize| {
        let members: String = (0..members).map(|at| format!(",\"key{at}\":0")).collect();
        format!("{{\"first\":0{members}}}")
    };
    // The same bytes, more or less, in different shapes.
    let shapes = [
        ("plain text", format!("\"{}\"", "a".repeat(1_500_000))),
        ("escapes", format!("\"{}\"", "\\u4f60".repeat(250_000))),
        ("quotes", format!("\"{}\"", "\\\"".repeat(750_000))),
        (
            "wide objects",
            format!("[{}]", vec![object(9_999); 10].join(",")),
        ),
        (
            "small objects",
            format!("[{}0]", "{\"a\":0,\"b\":[]},".repeat(60_000)),
        ),
        (
            "deep",
            format!(
                "[{}0]",
                format!("{}{},", "[".repeat(60), "]".repeat(60)).repeat(12_000)
            ),
        ),
        (
            "long keys that differ at their end",
            format!(
                "{{{}\"z\":0}}",
                (0..9_000)
                    .map(|at| format!("\"{}{at:06}\":0,", "k".repeat(150)))
                    .collect::<String>()
            ),
        ),
        (
            "keys in escapes",
            format!(
                "{{{}\"z\":0}}",
                (0..9_000)
                    .map(|at| format!("\"{}{at:06}\":0,", "\\u006b".repeat(25)))
                    .collect::<String>()
            ),
        ),
    ];
    let mut spent = Vec::new();
    for (what, value) in &shapes {
        let cost = cost(&gateway, what, value).await;
        spent.push((cost, *what));
    }
    // In ms per million bytes, unoptimised; on an idle machine the dearest takes about 150.
    assert!(spent.iter().all(|(cost, _)| *cost < 1000), "{spent:?}");
}

/// What a body with this value costs, in ms of CPU per million bytes.
async fn cost(gateway: &Gateway, what: &str, value: &str) -> u64 {
    let body = chat(&format!(",\"x\":{value}"));
    let length = body.len();
    let before = gateway.cpu_ms();
    let reply = gateway.chat("", "").bytes(body).send().await;
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    (gateway.cpu_ms() - before) * 1_000_000 / length as u64
}

/// Each element of an array is under its key: a long one must not be read again for each, looked through or not.
#[tokio::test]
async fn a_long_key_is_not_read_for_every_element() {
    let (_upstream, plain) = bench().await;
    let rules = json!([{"name": "ids", "find": ["CN_ID_CARD"], "remedy": "redact"}]);
    let policies = json!({"packs": ["cn-pipl"], "rules": rules});
    let (_upstream, governed) = bench_with(|config| {
        config.set("policies", policies);
    })
    .await;
    let mut spent = Vec::new();
    for (what, key) in [
        ("letters", "k".repeat(700_000)),
        (
            "letters, one of them escaped",
            format!("\\n{}", "k".repeat(700_000)),
        ),
        ("escapes", "\\u006b".repeat(120_000)),
    ] {
        let elements = vec!["\"a\""; 60_000].join(",");
        let value = format!("{{\"{key}\":[{elements}]}}");
        spent.push((cost(&plain, what, &value).await, "plain", what));
        spent.push((cost(&governed, what, &value).await, "governed", what));
    }
    assert!(spent.iter().all(|(cost, ..)| *cost < 5000), "{spent:?}");
}

#[tokio::test]
async fn the_limit_of_messages_is_the_configs() {
    let (_small_upstream, small) = bench_with(|config| {
        config.set("limits/messages", 2);
    })
    .await;
    let say = |count: usize, one: &str| vec![one; count].join(",");
    let turn = r#"{"role":"user","content":"x"}"#;
    let content = r#"{"role":"user","parts":[{"text":"x"}]}"#;
    let cases = |count| {
        [
            (
                "/v1/chat/completions",
                format!(r#"{{"model":"m","messages":[{}]}}"#, say(count, turn)),
            ),
            (
                "/v1/messages",
                format!(
                    r#"{{"model":"m","max_tokens":9,"messages":[{}]}}"#,
                    say(count, turn)
                ),
            ),
            (
                "/v1/responses",
                format!(r#"{{"model":"m","input":[{}]}}"#, say(count, turn)),
            ),
            (
                "/v1beta/models/m:generateContent",
                format!(r#"{{"contents":[{}]}}"#, say(count, content)),
            ),
        ]
    };
    for (count, status) in [(2, 200), (3, 400)] {
        for (path, body) in cases(count) {
            let reply = Ask::post(small.listen, path)
                .key(KEY)
                .bytes(body)
                .send()
                .await;
            assert_eq!(reply.status, status, "{path}: {}", reply.text());
            assert_eq!(reply.text().contains("more than 2 messages"), count > 2);
        }
    }
    let (_large_upstream, large) = bench_with(|config| {
        config.set("limits/messages", 5000);
    })
    .await;
    for (path, body) in cases(4097) {
        let reply = Ask::post(large.listen, path)
            .key(KEY)
            .bytes(body)
            .send()
            .await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
}
