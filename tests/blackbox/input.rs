//! Bad input: the right status and code in OpenAI's shape, and no upstream ever hears of it.

use tests::http::{raw, read_quiet};
use tests::upstream::Upstream;
use tests::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A gateway before an upstream that remembers every byte.
async fn bench() -> (Upstream, Gateway) {
    bench_with(|_| {}).await
}

async fn bench_with(change: impl FnOnce(&mut Config)) -> (Upstream, Gateway) {
    let upstream = Upstream::good().await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    change(&mut config);
    let gateway = Gateway::start(&config).await;
    (upstream, gateway)
}

/// Nothing went up, and the gateway still answers a good request.
async fn untouched(upstream: &Upstream, gateway: &Gateway) {
    assert_eq!(
        upstream.accepted(),
        0,
        "an upstream was reached: {}",
        String::from_utf8_lossy(&upstream.bytes())
    );
    assert_eq!(gateway.chat("m", "hi").send().await.said(), "good");
    gateway.assert_sound();
}

fn chat(fields: &str) -> Vec<u8> {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{fields}}}"#).into_bytes()
}

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

#[tokio::test]
async fn all_bad_credentials_are_told_the_same() {
    let (upstream, gateway) = bench_with(|config| {
        config.key(
            "old",
            "ym-expired-key-000000",
            json!({"expires": "2020-01-01"}),
        );
    })
    .await;
    let ask = || gateway.chat("m", "hi").without("authorization");
    let long = format!("Bearer ym-{}", "a".repeat(5000));
    let asks = vec![
        ("none", ask()),
        ("empty", ask().header("authorization", "")),
        ("no scheme", ask().header("authorization", KEY)),
        (
            "another scheme",
            ask().header("authorization", &format!("Basic {KEY}")),
        ),
        ("empty bearer", ask().header("authorization", "Bearer ")),
        (
            "unknown",
            ask().header("authorization", "Bearer ym-unknown-key-123456"),
        ),
        (
            "no form",
            ask().header("authorization", "Bearer sk-123456789"),
        ),
        (
            "injection",
            ask().header("authorization", "Bearer ym-' OR 1=1 --"),
        ),
        ("too long", ask().header("authorization", &long)),
        (
            "a prefix",
            ask().header(
                "authorization",
                &format!("Bearer {}", &KEY[..KEY.len() - 1]),
            ),
        ),
        (
            "a longer one",
            ask().header("authorization", &format!("Bearer {KEY}x")),
        ),
        (
            "expired",
            ask().header("authorization", "Bearer ym-expired-key-000000"),
        ),
        (
            "two that differ",
            ask()
                .header("authorization", &format!("Bearer {KEY}"))
                .header("x-api-key", "ym-another-key-1"),
        ),
        (
            "two headers",
            ask()
                .header("authorization", &format!("Bearer {KEY}"))
                .header("authorization", "Bearer ym-another-key-1"),
        ),
        (
            "the same twice",
            ask()
                .header("authorization", &format!("Bearer {KEY}"))
                .header("authorization", &format!("Bearer {KEY}")),
        ),
        (
            "x-api-key",
            ask().header("x-api-key", "ym-unknown-key-123456"),
        ),
        (
            "x-goog-api-key",
            ask().header("x-goog-api-key", "ym-unknown-key-123456"),
        ),
    ];
    let mut answers = Vec::new();
    for (what, ask) in asks {
        let reply = ask.send().await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "invalid_api_key"),
            "{what}: {}",
            reply.text()
        );
        let mut names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
        names.sort();
        answers.push((what, reply.body, names));
    }
    for (what, body, names) in &answers {
        assert_eq!(
            (body, names),
            (&answers[0].1, &answers[0].2),
            "'{what}' is told something else than '{}'",
            answers[0].0
        );
    }
    // The credential is judged before the body: a bad key learns nothing about models.
    let reply = ask()
        .header("authorization", "Bearer ym-unknown-key-123456")
        .bytes("{")
        .send()
        .await;
    reply.refused(401, "invalid_api_key");
    for name in ["x-api-key", "x-goog-api-key"] {
        assert_eq!(ask().header(name, KEY).send().await.status, 200, "{name}");
    }
    let query = http::Ask::post(gateway.listen, &format!("/v1/chat/completions?key={KEY}"));
    assert_eq!(
        query
            .json(&json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}))
            .send()
            .await
            .status,
        200
    );
    assert_eq!(upstream.requests().len(), 3);
    assert!(
        !upstream
            .requests()
            .iter()
            .any(|request| request.head.contains("ym-")),
        "a client's key went up"
    );
    assert!(!gateway.log().contains(KEY), "a key in the log");
    gateway.assert_sound();
}

#[tokio::test]
async fn sizes_over_the_limits() {
    let (upstream, gateway) = bench_with(|config| {
        config.set(
            "limits",
            json!({"body_bytes": "64KiB", "header_bytes": "8KiB", "uri_bytes": "1KiB"}),
        );
    })
    .await;
    let big = chat(&format!(r#","x":"{}""#, "y".repeat(70_000)));
    gateway
        .chat("", "")
        .bytes(big.clone())
        .send()
        .await
        .refused(413, "request_too_large");
    gateway
        .chat("", "")
        .bytes(big.clone())
        .h2()
        .send()
        .await
        .refused(413, "request_too_large");
    // Declared and never sent: the answer comes at once.
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n"
    );
    let declared = raw(
        gateway.listen,
        format!("{head}content-length: 99999999999\r\n\r\n{{"),
    )
    .await;
    assert_eq!(declared.statuses(), [413]);
    // Chunked: found out on the way.
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for piece in big.chunks(1000) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    assert_eq!(raw(gateway.listen, &chunked).await.statuses(), [413]);
    let long_uri = http::Ask::post(
        gateway.listen,
        &format!("/v1/chat/completions?x={}", "a".repeat(2000)),
    )
    .key(KEY)
    .bytes(chat(""));
    long_uri.send().await.refused(414, "request_too_large");
    let reply = gateway
        .chat("m", "x")
        .header("x-padding", &"p".repeat(20_000));
    let many = (0..150).fold(gateway.chat("m", "x"), |ask, at| {
        ask.header(&format!("x-{at}"), "1")
    });
    for ask in [reply, many] {
        let reply = ask.send().await;
        assert_eq!(reply.status, 431);
    }
    // A body at the limit passes.
    let fits = chat(&format!(r#","x":"{}""#, "y".repeat(60_000)));
    assert_eq!(gateway.chat("", "").bytes(fits).send().await.status, 200);
    assert_eq!(upstream.requests().len(), 1);
    gateway.assert_sound();
}

#[tokio::test]
async fn media_types_and_codings() {
    let (upstream, gateway) = bench().await;
    let ask = || gateway.chat("m", "hi");
    for coding in ["gzip", "br", "zstd", "deflate", "gzip, identity", "x"] {
        ask()
            .header("content-encoding", coding)
            .send()
            .await
            .refused(415, "invalid_request");
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json; charset=gbk",
        "application/json; charset=\"utf-16\"",
        "text/json",
    ] {
        ask()
            .without("content-type")
            .header("content-type", kind)
            .send()
            .await
            .refused(415, "invalid_request");
    }
    let twice = ask().header("content-type", "text/plain");
    assert!(matches!(twice.send().await.status, 400 | 415));
    untouched(&upstream, &gateway).await;
    for kind in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
    ] {
        assert_eq!(
            ask()
                .without("content-type")
                .header("content-type", kind)
                .send()
                .await
                .status,
            200,
            "{kind}"
        );
    }
    assert_eq!(
        ask()
            .header("content-encoding", "identity")
            .send()
            .await
            .status,
        200
    );
}

/// A good request as bytes, with these header lines in place of `host`.
fn request(lines: &str, body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\n{lines}authorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

const GOOD: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn hosts_and_absolute_uris() {
    let (upstream, gateway) = bench().await;
    for lines in [
        "",
        "host: a\r\nhost: a\r\n",
        "host: a\r\nhost: b\r\n",
        "host: a b\r\n",
        "host: a@b\r\n",
        "host: a/b\r\n",
        "host:\r\n",
        "host: [::1\r\n",
        "host: a:b\r\n",
        "host: \u{1}\r\n",
    ] {
        let answer = raw(gateway.listen, request(lines, GOOD)).await;
        assert_eq!(answer.statuses(), [400], "{lines:?}");
    }
    let absolute = request("host: x\r\n", GOOD).replace("POST /", "POST http://x/");
    assert_eq!(raw(gateway.listen, absolute).await.statuses(), [400]);
    let elsewhere = request("host: x\r\n", GOOD)
        .replace("POST /", &format!("POST http://{}/", upstream.addr()));
    assert_eq!(raw(gateway.listen, elsewhere).await.statuses(), [400]);
    let connect = format!(
        "CONNECT {} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {KEY}\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
        upstream.addr(),
        upstream.addr()
    );
    let answer = raw(gateway.listen, connect).await;
    assert!(
        answer.statuses().iter().all(|status| *status >= 400),
        "{:?}",
        answer.statuses()
    );
    untouched(&upstream, &gateway).await;
    for host in ["x", "example.com:8080", "[::1]:80", "127.0.0.1"] {
        let answer = raw(gateway.listen, request(&format!("host: {host}\r\n"), GOOD)).await;
        assert_eq!(answer.statuses(), [200], "{host}");
    }
}

/// A request that must never be seen by an upstream.
fn hidden() -> String {
    request(
        "host: x\r\n",
        r#"{"model":"m","messages":[{"role":"user","content":"SMUGGLED"}]}"#,
    )
}

#[tokio::test]
async fn smuggling_corpus() {
    let (upstream, gateway) = bench().await;
    let head = |lines: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n{lines}\r\n"
        )
    };
    let chunked = format!("{:x}\r\n{GOOD}\r\n0\r\n\r\n", GOOD.len());
    let length = GOOD.len();
    let cases = vec![
        (
            "length, then coding",
            head(&format!(
                "content-length: {length}\r\ntransfer-encoding: chunked\r\n"
            )) + &chunked
                + &hidden(),
        ),
        (
            "coding, then length",
            head(&format!(
                "transfer-encoding: chunked\r\ncontent-length: {length}\r\n"
            )) + &chunked
                + &hidden(),
        ),
        (
            "length 0 and coding",
            head("content-length: 0\r\ntransfer-encoding: chunked\r\n") + &chunked + &hidden(),
        ),
        (
            "odd case",
            head(&format!(
                "CONTENT-length: {length}\r\nTRANSFER-encoding: Chunked\r\n"
            )) + &chunked
                + &hidden(),
        ),
        (
            "two lengths",
            head(&format!(
                "content-length: {length}\r\ncontent-length: 0\r\n"
            )) + GOOD
                + &hidden(),
        ),
        (
            "list of lengths",
            head(&format!("content-length: {length}, {length}\r\n")) + GOOD + &hidden(),
        ),
        (
            "plus",
            head(&format!("content-length: +{length}\r\n")) + GOOD + &hidden(),
        ),
        ("minus", head("content-length: -1\r\n") + GOOD + &hidden()),
        ("hex", head("content-length: 0x10\r\n") + GOOD + &hidden()),
        (
            "overflow",
            head("content-length: 18446744073709551617\r\n") + GOOD + &hidden(),
        ),
        (
            "unknown coding",
            head("transfer-encoding: xchunked\r\n") + &chunked + &hidden(),
        ),
        (
            "coding list",
            head("transfer-encoding: gzip, chunked\r\n") + &chunked + &hidden(),
        ),
        (
            "identity",
            head("transfer-encoding: identity\r\n") + GOOD + &hidden(),
        ),
        (
            "chunked not last",
            head("transfer-encoding: chunked, identity\r\n") + &chunked + &hidden(),
        ),
        (
            "two codings",
            head("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n")
                + &chunked
                + &hidden(),
        ),
        (
            "vertical tab",
            head("transfer-encoding: \u{b}chunked\r\n") + &chunked + &hidden(),
        ),
        (
            "space before the colon",
            head(&format!("content-length : {length}\r\n")) + GOOD + &hidden(),
        ),
        (
            "space before the coding's colon",
            head(&format!(
                "transfer-encoding : chunked\r\ncontent-length: {length}\r\n"
            )) + &chunked
                + &hidden(),
        ),
        (
            "folded header",
            head(&format!("x: a\r\n content-length: {length}\r\n")) + GOOD + &hidden(),
        ),
        (
            "bare CR",
            head(&format!("x: a\rcontent-length: {length}\r\n")) + GOOD + &hidden(),
        ),
        ("NUL", head("x: a\0b\r\n") + GOOD + &hidden()),
        (
            "bad chunk size",
            head("transfer-encoding: chunked\r\n") + "zz\r\n" + GOOD + "\r\n0\r\n\r\n" + &hidden(),
        ),
        (
            "chunk size overflow",
            head("transfer-encoding: chunked\r\n")
                + "ffffffffffffffff1\r\n"
                + GOOD
                + "\r\n0\r\n\r\n"
                + &hidden(),
        ),
        (
            "chunk without its end",
            head("transfer-encoding: chunked\r\n")
                + &format!("{length:x}\r\n{GOOD}x0\r\n\r\n")
                + &hidden(),
        ),
        (
            "1.0 with coding",
            (head("transfer-encoding: chunked\r\n") + &chunked + &hidden())
                .replacen("HTTP/1.1", "HTTP/1.0", 1),
        ),
        ("no version", hidden().replacen(" HTTP/1.1", "", 1)),
        ("HTTP/1.2", hidden().replacen("HTTP/1.1", "HTTP/1.2", 1)),
        ("HTTP/0.9", "GET /v1/models\r\n\r\n".to_owned() + &hidden()),
        (
            "space in the target",
            hidden().replacen("/v1/chat", "/v1/ chat", 1),
        ),
        (
            "control in the method",
            hidden().replacen("POST", "PO\u{1}ST", 1),
        ),
    ];
    for (what, bytes) in cases {
        let answer = raw(gateway.listen, &bytes).await;
        let statuses = answer.statuses();
        assert!(
            statuses.len() <= 1,
            "{what}: {} answers to what is one request: {statuses:?}",
            statuses.len()
        );
        assert!(
            statuses
                .iter()
                .all(|status| (400..500).contains(status) || *status == 501),
            "{what}: {statuses:?}"
        );
        assert!(answer.closed, "{what}: the connection stays open");
        assert_eq!(upstream.accepted(), 0, "{what}: an upstream was reached");
    }
    untouched(&upstream, &gateway).await;
}

#[tokio::test]
async fn framing_that_is_odd_but_right_means_one_request() {
    let (upstream, gateway) = bench().await;
    let head = |lines: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\nconnection: close\r\n{lines}\r\n"
        )
    };
    let extension = format!(
        "{:x};a=b\r\n{GOOD}\r\n0\r\nx-trailer: 1\r\n\r\n",
        GOOD.len()
    );
    let single: String = GOOD.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    let equal = head(&format!(
        "content-length: {0}\r\ncontent-length: {0}\r\n",
        GOOD.len()
    )) + GOOD;
    for (what, bytes) in [
        ("two equal lengths", equal),
        (
            "chunk extension and trailer",
            head("transfer-encoding: chunked\r\n") + &extension,
        ),
        (
            "one byte a chunk",
            head("transfer-encoding: chunked\r\n") + &single + "0\r\n\r\n",
        ),
    ] {
        let before = upstream.requests().len();
        let answer = raw(gateway.listen, &bytes).await;
        assert_eq!(answer.statuses(), [200], "{what}");
        let requests = upstream.requests();
        assert_eq!(requests.len(), before + 1, "{what}");
        let last = requests.last().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&last.body),
            GOOD.replace("\"m\"", "\"some-model\""),
            "{what}"
        );
        assert!(
            last.header("transfer-encoding").is_none() && last.header("x-trailer").is_none(),
            "{what}: {}",
            last.head
        );
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (upstream, gateway) = bench().await;
    let bytes = request("host: x\r\n", GOOD).repeat(3);
    let answer = raw(gateway.listen, bytes).await;
    assert_eq!(answer.statuses(), [200, 200, 200]);
    assert_eq!(upstream.requests().len(), 3);
    gateway.assert_sound();
}

/// T-02: the body behind an early answer must never be read as the next request.
#[tokio::test]
async fn a_refused_requests_body_is_never_a_request() {
    let (upstream, gateway) = bench().await;
    let inner = hidden();
    let wrap = |lines: &str, length: usize| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{lines}content-length: {length}\r\n\r\n{inner}"
        )
    };
    let key = format!("authorization: Bearer {KEY}\r\n");
    let cases = [
        (
            "bad key",
            wrap("authorization: Bearer ym-wrong-key-1\r\n", inner.len()),
        ),
        (
            "bad key, more promised",
            wrap(
                "authorization: Bearer ym-wrong-key-1\r\n",
                inner.len() + 100_000,
            ),
        ),
        (
            "bad key, too much promised",
            wrap("authorization: Bearer ym-wrong-key-1\r\n", 99_999_999_999),
        ),
        (
            "unknown path",
            wrap(&key, inner.len()).replacen("/v1/chat/completions", "/nowhere", 1),
        ),
        (
            "wrong method",
            wrap(&key, inner.len()).replacen("POST", "PUT", 1),
        ),
        (
            "compressed",
            wrap(&format!("{key}content-encoding: gzip\r\n"), inner.len()),
        ),
        ("not JSON", wrap(&key, inner.len())),
        (
            "GET with a body",
            wrap(&key, inner.len()).replacen("POST /v1/chat/completions", "GET /v1/models", 1),
        ),
        (
            "upgrade",
            wrap(
                &format!("{key}connection: upgrade\r\nupgrade: websocket\r\n"),
                inner.len(),
            ),
        ),
        (
            "expect",
            wrap(
                "expect: 100-continue\r\nauthorization: Bearer ym-wrong-key-1\r\n",
                inner.len(),
            ),
        ),
    ];
    for (what, bytes) in cases {
        let answer = raw(gateway.listen, &bytes).await;
        let finals: Vec<u16> = answer
            .statuses()
            .into_iter()
            .filter(|status| *status != 100)
            .collect();
        assert_eq!(finals.len(), 1, "{what}: {finals:?}");
        assert!(
            finals[0] >= 400 || what == "GET with a body",
            "{what}: {finals:?}"
        );
        assert_eq!(upstream.accepted(), 0, "{what}: an upstream was reached");
    }
    // Garbage behind a whole refused request is garbage, and closes the connection.
    let bytes = request("host: x\r\n", GOOD).replace(KEY, "ym-wrong-key-1")
        + "\u{0}\u{1}garbage\r\n\r\n"
        + &inner;
    let answer = raw(gateway.listen, bytes).await;
    assert!(
        answer.closed && answer.statuses().first() == Some(&401),
        "{:?}",
        answer.statuses()
    );
    untouched(&upstream, &gateway).await;
}

#[tokio::test]
async fn a_connection_is_of_use_after_a_refusal() {
    let (upstream, gateway) = bench().await;
    for http2 in [false, true] {
        let mut session = Session::to(gateway.listen, http2).await;
        let version = |ask: Ask| if http2 { ask.h2() } else { ask };
        session
            .send(version(gateway.chat("nothing", "x")))
            .await
            .refused(404, "model_not_found");
        session
            .send(version(gateway.chat("m", "x").bytes("{")))
            .await
            .refused(400, "invalid_request");
        assert_eq!(
            session.send(version(gateway.chat("m", "x"))).await.said(),
            "good"
        );
    }
    assert_eq!(upstream.requests().len(), 2);
    gateway.assert_sound();
}

#[tokio::test]
async fn slow_heads_and_slow_bodies_are_cut() {
    let (upstream, gateway) = bench_with(|config| {
        config.set(
            "timeouts",
            json!({"header_read": "400ms", "body_idle": "400ms", "keepalive": "600ms"}),
        );
    })
    .await;
    let whole = request("host: x\r\n", GOOD);
    // A head that stops.
    let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
    socket.write_all(&whole.as_bytes()[..60]).await.unwrap();
    let answer = read_quiet(&mut socket, SOON).await;
    assert!(
        answer.closed
            && answer
                .statuses()
                .iter()
                .all(|status| *status == 408 || *status == 400),
        "{:?}",
        answer.statuses()
    );
    // A head that drips.
    let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
    let start = std::time::Instant::now();
    for byte in whole.as_bytes() {
        if socket.write_all(&[*byte]).await.is_err() || start.elapsed() > SOON {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(
        start.elapsed() < std::time::Duration::from_secs(4),
        "a dripping head lived {:?}",
        start.elapsed()
    );
    // A body that stops.
    let answer = http::raw_for(gateway.listen, &whole.as_bytes()[..whole.len() - 10], SOON).await;
    assert_eq!(answer.statuses(), [408]);
    assert!(answer.closed);
    // An idle connection is closed, after a request too.
    let answer = http::raw_for(gateway.listen, whole.as_bytes(), SOON).await;
    assert!(
        answer.closed && answer.statuses() == [200],
        "{:?}",
        answer.statuses()
    );
    assert_eq!(upstream.requests().len(), 1);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_connection_that_never_says_a_word_is_closed() {
    let (_upstream, gateway) = bench_with(|config| {
        config.set(
            "timeouts",
            json!({"header_read": "400ms", "keepalive": "600ms"}),
        );
    })
    .await;
    for first in ["", "P", "PRI * HTTP/2.0\r\n"] {
        let answer = http::raw_for(
            gateway.listen,
            first.as_bytes(),
            std::time::Duration::from_secs(4),
        )
        .await;
        assert!(answer.closed, "after {first:?} it stays open");
    }
}
