//! Bad credentials, sizes and media types: judged by the head alone, told alike, and no upstream ever hears of it.

use crate::front::{bench, bench_with, chat, untouched};
use tests::http::raw;
use tests::*;

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
