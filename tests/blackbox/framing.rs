//! Bytes that two servers could read as different requests: refused, or read as RFC 9112 says (T-01, T-02, T-03, T-06).

mod corpus;

use crate::front::{GOOD, bench, bench_with, chat, hidden, request, untouched};
use tests::http::{raw, raw_for};
use tests::*;

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

/// A refused request whose body is too long to be read away says that it is the connection's last: else the client sends
/// its next one into a connection that is gone. What is short is read away, and the connection goes on.
#[tokio::test]
async fn a_refused_request_ends_its_connection_aloud_or_not_at_all() {
    let (_upstream, gateway) = bench().await;
    let post = |path: &str, key: &str, lines: &str, body: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer {key}\r\n{lines}content-length: {body}\r\n\r\n"
        )
    };
    let chat = "/v1/chat/completions";
    let next = request("host: x\r\nconnection: close\r\n", GOOD);
    for (what, head) in [
        ("bad key", post(chat, "ym-wrong-key-1", "", 2000)),
        ("unknown path", post("/nowhere", KEY, "", 2000)),
        (
            "compressed",
            post(chat, KEY, "content-encoding: gzip\r\n", 2000),
        ),
        ("not JSON", post(chat, KEY, "", 2000)),
        ("wrong method", post("/v1/models", KEY, "", 2000)),
    ] {
        let answer = raw(gateway.listen, head + &"x".repeat(2000) + &next).await;
        let statuses = answer.statuses();
        assert!(statuses[0] >= 400, "{what}: {statuses:?}");
        assert_eq!(statuses.get(1), Some(&200), "{what}: {statuses:?}");
    }
    for (what, head) in [
        ("bad key", post(chat, "ym-wrong-key-1", "", 300_000)),
        ("unknown path", post("/nowhere", KEY, "", 300_000)),
        (
            "compressed",
            post(chat, KEY, "content-encoding: gzip\r\n", 300_000),
        ),
        ("too large", post(chat, KEY, "", 99_999_999_999)),
        ("never comes", post(chat, "ym-wrong-key-1", "", 5000)),
        (
            "asks first",
            post(chat, "ym-wrong-key-1", "expect: 100-continue\r\n", 5),
        ),
    ] {
        let answer = raw(gateway.listen, head).await;
        let told = String::from_utf8_lossy(&answer.bytes).to_ascii_lowercase();
        assert_eq!(answer.statuses().len(), 1, "{what}: {told}");
        assert!(answer.statuses()[0] >= 400, "{what}: {told}");
        assert!(told.contains("\r\nconnection: close\r\n"), "{what}: {told}");
        assert!(answer.closed, "{what}");
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn two_keys_in_a_query_are_none() {
    let (upstream, gateway) = bench().await;
    for query in ["key={KEY}&key=ym-wrong-key-1", "key={KEY}&a=b&key={KEY}"] {
        let query = query.replace("{KEY}", KEY);
        let bytes = request("host: x\r\nconnection: close\r\n", GOOD)
            .replacen(
                "/v1/chat/completions",
                &format!("/v1/chat/completions?{query}"),
                1,
            )
            .replacen(&format!("authorization: Bearer {KEY}\r\n"), "", 1);
        assert_eq!(
            raw(gateway.listen, bytes).await.statuses(),
            [401],
            "{query}"
        );
    }
    assert_eq!(upstream.accepted(), 0);
}

#[tokio::test]
async fn http2_heads_that_are_wrong() {
    let (upstream, gateway) = bench_with(|config| {
        config.set(
            "limits",
            json!({"header_bytes": "8KiB", "uri_bytes": "1KiB"}),
        );
    })
    .await;
    let ask = || gateway.chat("m", "hi").h2();
    ask()
        .header("host", "another.test")
        .send()
        .await
        .refused(400, "invalid_request");
    let long = http::Ask::post(
        gateway.listen,
        &format!("/v1/chat/completions?x={}", "a".repeat(2000)),
    )
    .key(KEY)
    .bytes(chat(""))
    .h2();
    long.send().await.refused(414, "request_too_large");
    // A head over the limit is answered 431 or the stream is reset; the connection is not harmed.
    let mut session = Session::to(gateway.listen, true).await;
    if let Ok(live) = session
        .open_or_end(ask().header("x-padding", &"p".repeat(20_000)))
        .await
    {
        assert_eq!(live.status, 431);
    }
    session
        .send(ask().key("ym-wrong-key-0001"))
        .await
        .refused(401, "invalid_api_key");
    ask()
        .header("authorization", "Bearer ym-another-key")
        .send()
        .await
        .refused(401, "invalid_api_key");
    untouched(&upstream, &gateway).await;
}

/// A good request with a few bytes changed, a thousand times: one good answer at most, never our fault, and what goes up is
/// what was checked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mutations() {
    let (upstream, gateway) = bench().await;
    let good = request("host: x\r\nconnection: close\r\n", GOOD).into_bytes();
    // xorshift: the same mutations each time.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let odd = [
        0, 1, 9, 10, 11, 13, 32, 34, 44, 58, 59, 92, 123, 125, 127, 128, 195, 255,
    ];
    for _ in 0..40 {
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..25 {
            let mut bytes = good.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                let byte = if random(2) == 0 {
                    odd[random(odd.len())]
                } else {
                    random(256) as u8
                };
                match random(3) {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            let to = gateway.listen;
            running.spawn(async move {
                let answer = raw_for(to, &bytes, std::time::Duration::from_millis(150)).await;
                (bytes, answer)
            });
        }
        for (bytes, answer) in running.join_all().await {
            let statuses = answer.statuses();
            let shown = String::from_utf8_lossy(&bytes);
            // A request that lost its length ends at its head; its body is then a request of its own, and no good one.
            let passed = statuses.iter().filter(|status| **status == 200).count();
            assert!(
                statuses.len() <= 2 && passed <= 1,
                "{statuses:?}: {shown:?}"
            );
            assert!(
                statuses
                    .iter()
                    .all(|status| *status < 500 || *status == 501),
                "{statuses:?}: {shown:?}"
            );
        }
    }
    for request in upstream.requests() {
        let body: Value = serde_json_of(&request.body);
        assert_eq!(body["model"], "some-model", "{body}");
        assert_eq!(request.first_line(), "POST /v1/chat/completions HTTP/1.1");
    }
    gateway.assert_sound();
}

fn serde_json_of(bytes: &[u8]) -> Value {
    message::Message {
        head: String::new(),
        body: bytes.to_vec(),
    }
    .json()
}
