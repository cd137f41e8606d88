//! HTTP/1.1 as it comes over a line: cut anywhere, one request behind the other, from old clients, or nothing of the kind.

use crate::front::{GOOD, bench, bench_with, request};
use tests::http::{raw, read_quiet};
use tests::scripted::{self, Scripted};
use tests::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const QUIET: std::time::Duration = std::time::Duration::from_millis(700);

fn chunked(sizes: &[usize]) -> String {
    let mut body = String::new();
    let mut left = GOOD;
    for size in sizes.iter().cycle() {
        if left.is_empty() {
            break;
        }
        let (chunk, rest) = left.split_at((*size).min(left.len()));
        body += &format!("{:X}\r\n{chunk}\r\n", chunk.len());
        left = rest;
    }
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{body}0\r\n\r\n"
    )
}

/// However its bytes are cut, what comes over a connection are the same requests, answered in order.
#[tokio::test]
async fn requests_cut_anywhere() {
    let (upstream, gateway) = bench().await;
    let list = format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
    let bytes = [
        request("host: x\r\n", GOOD),
        list,
        chunked(&[1, 7, 20]),
        "\r\n".to_owned(),
        request("host: x\r\nconnection: close\r\n", GOOD),
    ]
    .concat()
    .into_bytes();
    // xorshift: the same cuts each time.
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for round in 0..30usize {
        let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let mut left = &bytes[..];
        while !left.is_empty() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let most = if round % 3 == 0 { 9 } else { 300 };
            let (piece, rest) = left.split_at((1 + state as usize % most).min(left.len()));
            socket.write_all(piece).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_micros(state % 400)).await;
            left = rest;
        }
        let answer = read_quiet(&mut socket, SOON).await;
        let replies = answer.replies();
        assert_eq!(answer.statuses(), [200; 4], "round {round}");
        assert!(answer.closed && replies[3].head.contains("connection: close"));
        assert!(!replies[2].head.contains("connection:"));
        assert!(String::from_utf8_lossy(&replies[1].body).contains("\"object\":\"list\""));
    }
    assert_eq!(upstream.requests().len(), 3 * 30);
    for request in upstream.requests() {
        let sent = GOOD.replace("\"m\"", "\"some-model\"");
        assert_eq!(String::from_utf8_lossy(&request.body), sent);
    }
    gateway.assert_sound();
}

/// Who asks for leave gets it once the head was found good, and not before.
#[tokio::test]
async fn leave_to_send_a_body() {
    let (upstream, gateway) = bench().await;
    let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
    let whole = request("host: x\r\nexpect: 100-continue\r\n", GOOD);
    let (head, body) = whole.split_at(whole.len() - GOOD.len());
    for _ in 0..2 {
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut leave = [0; 25];
        socket.read_exact(&mut leave).await.unwrap();
        assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
        socket.write_all(body.as_bytes()).await.unwrap();
        assert_eq!(read_quiet(&mut socket, QUIET).await.statuses(), [200]);
    }
    // Who does not wait gets none.
    socket.write_all(whole.as_bytes()).await.unwrap();
    let statuses = read_quiet(&mut socket, QUIET).await.statuses();
    assert_eq!(statuses, [200]);
    assert_eq!(upstream.requests().len(), 3);
    gateway.assert_sound();
}

/// HTTP/1.0: no chunks, and no second request unless it asks to stay.
#[tokio::test]
async fn old_clients() {
    let (_upstream, gateway) = bench().await;
    let old = |lines: &str, fields: &str| {
        let body = format!("{}{fields}}}", &GOOD[..GOOD.len() - 1]);
        request(lines, &body).replacen("HTTP/1.1", "HTTP/1.0", 1)
    };
    let answer = raw(gateway.listen, old("", "") + &old("", "")).await;
    assert!(answer.closed && answer.statuses() == [200]);
    let stays = old("connection: keep-alive\r\n", "");
    let answer = raw(gateway.listen, stays.clone() + &old("", "")).await;
    assert!(answer.closed && answer.statuses() == [200, 200]);
    let told = &answer.replies()[0].head;
    assert!(told.contains("connection: keep-alive"), "{told}");
    gateway.assert_sound();
    // A stream ends with its connection.
    let upstream = Scripted::start().await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    let events = [
        scripted::delta(0, &json!({"content": "hi"})),
        scripted::finish(0, "stop"),
    ];
    upstream.events(&events, 30);
    let stream = old("connection: keep-alive\r\n", r#","stream":true"#);
    let answer = raw(gateway.listen, stream + &stays).await;
    let text = String::from_utf8_lossy(&answer.bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        answer.closed && head.contains("connection: close"),
        "{head}"
    );
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert!(
        body.starts_with("data: ") && body.ends_with("data: [DONE]\n\n"),
        "{body}"
    );
    gateway.assert_sound();
}

/// The answer to HEAD has a length and no body: the next answer stands right behind it.
#[tokio::test]
async fn heads_alone() {
    let (_upstream, gateway) = bench().await;
    let head = "HEAD /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
    let answer = raw(gateway.listen, head.repeat(2)).await;
    let text = String::from_utf8_lossy(&answer.bytes);
    assert_eq!(text.matches("HTTP/1.1 405 ").count(), 2, "{text}");
    assert!(text.ends_with("\r\n\r\n") && !text.contains('{'), "{text}");
    assert!(
        text.contains("\r\ndate: ") && text.contains(" GMT\r\n"),
        "{text}"
    );
}

/// What is no request is told so, in words, even while its client still sends; then its connection ends.
#[tokio::test]
async fn what_is_no_request() {
    let (upstream, gateway) = bench_with(|config| {
        config.set("limits", json!({"header_bytes": "8KiB"}));
    })
    .await;
    let long = format!(
        "GET /v1/models HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(300_000)
    );
    let many = format!(
        "GET /v1/models HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "a: b\r\n".repeat(150)
    );
    let target = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(70_000));
    for (bytes, status, code) in [
        ("garbage\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET / HTTP/3.0\r\n\r\n".to_owned(), 400, "invalid_request"),
        (long, 431, "request_too_large"),
        (many, 431, "request_too_large"),
        (target, 431, "request_too_large"),
    ] {
        let answer = raw(gateway.listen, &bytes).await;
        let replies = answer.replies();
        assert_eq!(
            answer.statuses(),
            [status],
            "{}",
            &bytes[..20.min(bytes.len())]
        );
        assert!(answer.closed && replies[0].head.contains("connection: close"));
        assert_eq!(replies[0].json()["error"]["code"], code);
    }
    assert_eq!(upstream.accepted(), 0);
    gateway.assert_sound();
}
