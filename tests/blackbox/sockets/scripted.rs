//! Servers that are written here frame by frame: clocks, pings without end, a reader that does not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use base64::Engine as _;
use tests::upstream::{Conn, Upstream};
use tests::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::gateway_before;

/// Answers a handshake by the letter, and reads the client's message.
async fn shake(conn: &mut Conn) -> std::io::Result<()> {
    let Some(request) = conn.request().await else {
        return Err(std::io::Error::other("it left"));
    };
    let key = request.header("sec-websocket-key").unwrap();
    let sum = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes(),
    );
    let accept = base64::engine::general_purpose::STANDARD.encode(sum);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    conn.write(head.as_bytes()).await?;
    conn.read().await;
    Ok(())
}

/// A message of a few bytes more than a short frame holds.
fn message(text: &str, status: u64) -> Vec<u8> {
    let header = json!({"code": 0, "message": "Success", "sid": "s", "status": status});
    let text = json!([{"content": text, "role": "assistant", "index": 0}]);
    let payload = json!({"choices": {"status": status, "seq": 0, "text": text}});
    let json = json!({"header": header, "payload": payload}).to_string();
    let mut frame = vec![0x81, 126];
    frame.extend_from_slice(&u16::try_from(json.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(json.as_bytes());
    frame
}

#[tokio::test]
async fn pings_are_no_content() {
    // Pings alone keep neither the first content nor the next one waited for; silence itself has a clock too.
    for (before, pings, code) in [
        (0, true, 504),
        (0, false, 504),
        (1, true, 200),
        (1, false, 200),
    ] {
        let upstream = Upstream::start(move |mut conn| async move {
            shake(&mut conn).await?;
            for _ in 0..before {
                conn.write(&message("一", 0)).await?;
            }
            loop {
                conn.pause(50).await;
                conn.write(if pings { b"\x89\x01p" } else { b"" }).await?;
            }
        })
        .await;
        let clocks = if pings {
            json!({"first_content": "700ms", "content_gap": "700ms", "idle": "300ms"})
        } else {
            json!({"first_content": "5s", "content_gap": "5s", "idle": "700ms"})
        };
        let gateway = gateway_before(&upstream, clocks).await;
        let start = Instant::now();
        let reply = gateway.stream("m", "x").send().await;
        let what = format!("{before} before, pings: {pings}: {}", reply.text());
        assert_eq!(reply.status, code, "{what}");
        let told = match before {
            0 => reply.code(),
            _ => grammar::read(&reply.body).error_code().to_owned(),
        };
        assert_eq!(told, "upstream_timeout", "{what}");
        let took = start.elapsed();
        assert!(took > Duration::from_millis(600), "{what}: {took:?}");
        assert!(took < Duration::from_secs(3), "{what}: {took:?}");
    }
}

/// Two clocks more: the handshake's, which is the first content's, and that of the whole.
#[tokio::test]
async fn handshakes_without_an_answer_and_answers_without_end() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.gone().await;
        Ok(())
    })
    .await;
    let gateway = gateway_before(&upstream, json!({"first_content": "500ms"})).await;
    gateway
        .chat("m", "x")
        .send()
        .await
        .refused(504, "upstream_timeout");
    until("it is closed", || upstream.closed() == 1).await;
    let upstream = Upstream::start(|mut conn| async move {
        shake(&mut conn).await?;
        loop {
            conn.write(&message("一", 1)).await?;
            conn.pause(20).await;
        }
    })
    .await;
    let gateway = gateway_before(&upstream, json!({"total": "800ms"})).await;
    gateway
        .chat("m", "x")
        .send()
        .await
        .refused(504, "upstream_timeout");
    let said = grammar::read(&gateway.stream("m", "x").send().await.body);
    assert_eq!((said.error_code(), said.done), ("upstream_timeout", false));
    until("both are closed", || upstream.closed() == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_stops_it_and_costs_little() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let upstream = Upstream::start(move |mut conn| {
        let sent = Arc::clone(&counted);
        async move {
            shake(&mut conn).await?;
            let chunk = message(&"x".repeat(900), 1).repeat(64);
            while sent.load(Relaxed) < 64 << 20 {
                conn.write(&chunk).await?;
                sent.fetch_add(chunk.len(), Relaxed);
            }
            conn.write(&message("", 2)).await?;
            conn.gone().await;
            Ok(())
        }
    })
    .await;
    let gateway = gateway_before(&upstream, json!({})).await;
    let before = gateway.rss_kib();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket: TcpStream = socket.connect(gateway.listen).await.unwrap();
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut last = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = sent.load(Relaxed);
        if now == last && now > 0 {
            break;
        }
        last = now;
    }
    assert!(
        last < 32 << 20,
        "{last} bytes for a client that reads nothing"
    );
    let grown = gateway.rss_kib().saturating_sub(before);
    assert!(grown < 6 << 10, "{grown} KiB for one slow reader");
    // Once it reads, it gets everything.
    let mut all = Vec::new();
    socket.read_to_end(&mut all).await.unwrap();
    let tail = String::from_utf8_lossy(&all[all.len() - 200..]).into_owned();
    assert!(tail.contains("data: [DONE]"), "{tail}");
    until("it is closed", || upstream.closed() == 1).await;
}
