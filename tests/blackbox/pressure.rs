//! Back-pressure and shapes of load: a slow reader costs little memory, a flood stops at the socket.

use std::time::Duration;
use tests::upstream::{Upstream, text_event};
use tests::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An upstream that sends 64 MiB as fast as it can, and how much of it was taken so far.
async fn flood() -> (Upstream, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&sent);
    let upstream = Upstream::start(move |mut conn| {
        let sent = std::sync::Arc::clone(&counted);
        async move {
            conn.request().await;
            conn.stream_head().await?;
            let chunk = text_event(&"x".repeat(900)).repeat(64);
            while sent.load(std::sync::atomic::Ordering::Relaxed) < 64 << 20 {
                conn.write(chunk.as_bytes()).await?;
                sent.fetch_add(chunk.len(), std::sync::atomic::Ordering::Relaxed);
            }
            conn.write(tests::upstream::end_events().as_bytes()).await
        }
    })
    .await;
    (upstream, sent)
}

/// A client that asks for a stream and reads nothing.
async fn idle_reader(gateway: &Gateway) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket = socket.connect(gateway.listen).await.unwrap();
    let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}"#;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_stops_the_upstream_and_costs_little() {
    let (upstream, sent) = flood().await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    assert_eq!(gateway.chat("nothing", "x").send().await.status, 404);
    let before = gateway.rss_kib();
    let mut socket = idle_reader(&gateway).await;
    // Waits until the flood stands still.
    let mut last = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = sent.load(std::sync::atomic::Ordering::Relaxed);
        if now == last && now > 0 {
            break;
        }
        last = now;
    }
    assert!(
        last < 32 << 20,
        "{last} bytes were taken for a client that reads nothing"
    );
    let grown = gateway.rss_kib().saturating_sub(before);
    assert!(grown < 4 << 10, "{grown} KiB for one slow reader");
    // Once it reads, it gets everything.
    let mut got = 0;
    let mut chunk = vec![0; 1 << 16];
    let mut tail = Vec::new();
    while message::find(&tail, b"data: [DONE]").is_none() {
        let read = soon("more of the flood", socket.read(&mut chunk))
            .await
            .unwrap();
        assert!(read > 0, "it ended after {got} bytes");
        got += read;
        let keep = tail.len().saturating_sub(100);
        tail.drain(..keep);
        tail.extend_from_slice(&chunk[..read]);
    }
    assert!(got >= 64 << 20, "{got}");
    let grown = gateway.rss_kib().saturating_sub(before);
    assert!(grown < 8 << 10, "{grown} KiB after 64 MiB");
    gateway.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_never_reads_is_cut() {
    let (upstream, _) = flood().await;
    let mut config = Config::new();
    config
        .plain_at("m", &upstream.origin())
        .set("timeouts/client_write", "800ms");
    let gateway = Gateway::start(&config).await;
    let socket = idle_reader(&gateway).await;
    until("the upstream's connection is closed for it", || {
        upstream.closed() == 1
    })
    .await;
    until("the closing says so", || {
        gateway
            .journal()
            .of("closed")
            .any(|closing| closing.text("outcome") == "client_closed")
    })
    .await;
    drop(socket);
    gateway.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_slow_readers_do_not_slow_the_others() {
    let (upstream, _) = flood().await;
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    let before = gateway.rss_kib();
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(idle_reader(&gateway).await);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let reply = gateway.chat("m-openai-compatible", "x").send().await;
    assert_eq!(reply.status, 200);
    assert!(reply.took < Duration::from_secs(2), "{:?}", reply.took);
    let each = gateway.rss_kib().saturating_sub(before) / 100;
    assert!(each < 768, "{each} KiB for each slow reader");
    gateway.assert_sound();
}

#[tokio::test]
async fn a_large_prompt_goes_through() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::plain(&sim)).await;
    let before = gateway.rss_kib();
    let text = "长文本 long text ".repeat(800_000);
    for http2 in [false, true] {
        let ask = gateway.chat("m-openai-compatible", &text);
        let length = ask.body.len();
        assert!(length > 15 << 20);
        let reply = if http2 {
            ask.h2().send().await
        } else {
            ask.send().await
        };
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = sim.requests().last().unwrap().body.clone();
        assert_eq!(
            body.len(),
            length - "m-openai-compatible".len() + "some-model".len()
        );
    }
    let grown = gateway.rss_kib().saturating_sub(before);
    assert!(grown < 4 * (18 << 10), "{grown} KiB for a body of 18 MiB");
}
