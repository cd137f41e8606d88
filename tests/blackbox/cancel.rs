//! A client that leaves: its upstream call ends at once, on every path, and the record says so.

use std::time::{Duration, Instant};
use tests::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// F-01 allows 250 ms; a busy test machine gets some more, far below any clock that could hide a missing cancel.
const AT_ONCE: Duration = Duration::from_millis(750);

async fn bench(vendors: &[&'static str]) -> (Sim, Gateway) {
    let sim = sim().await;
    let mut config = Config::with(&sim, vendors.iter().copied());
    for vendor in vendors {
        config.fault(&format!("{vendor}/hang"), vendor, "@hang");
        config.fault(&format!("{vendor}/slow"), vendor, "@events:900@gap:10");
        config.fault(&format!("{vendor}/stall"), vendor, "@events:50@stall:10");
    }
    let gateway = Gateway::start(&config).await;
    (sim, gateway)
}

/// Waits for `sim` to see `count` clients gone, and for one more `client_closed` in the journal.
async fn noticed(sim: &Sim, gateway: &Gateway, count: usize, what: &str) {
    let start = Instant::now();
    until(
        &format!("the upstream hears that the client left ({what})"),
        || sim.cancelled() >= count,
    )
    .await;
    let took = start.elapsed();
    assert!(took < AT_ONCE, "{what}: the upstream heard after {took:?}");
    until(&format!("the closing says so ({what})"), || {
        gateway
            .journal()
            .of("closed")
            .filter(|closing| closing.text("outcome") == "client_closed")
            .count()
            == count
    })
    .await;
    assert_eq!(sim.cancelled(), count, "{what}");
}

#[tokio::test]
async fn before_the_first_byte_and_after_it_on_both_protocols() {
    let (sim, gateway) = bench(&["openai-compatible"]).await;
    let mut gone = 0;
    for http2 in [false, true] {
        for stream in [false, true] {
            let what = format!("before the first byte, HTTP/2: {http2}, stream: {stream}");
            let mut ask = gateway
                .chat("openai-compatible/hang", "x")
                .with(|body| body["stream"] = stream.into());
            if http2 {
                ask = ask.h2();
            }
            let asked = tokio::spawn(ask.limit(Duration::from_secs(60)).send());
            until(&what, || sim.requests().len() == gone + 1).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
            asked.abort();
            gone += 1;
            noticed(&sim, &gateway, gone, &what).await;
        }
        for model in ["openai-compatible/slow", "openai-compatible/stall"] {
            let what = format!("{model} after the first byte, HTTP/2: {http2}");
            let mut ask = gateway.stream(model, "x");
            if http2 {
                ask = ask.h2();
            }
            let mut live = ask.open().await;
            live.until("\"1 ").await;
            live.leave();
            gone += 1;
            noticed(&sim, &gateway, gone, &what).await;
        }
    }
    // HTTP/2: one stream is reset, its connection goes on.
    let mut session = Session::to(gateway.listen, true).await;
    let mut live = session
        .open(gateway.stream("openai-compatible/slow", "x").h2())
        .await;
    live.until("\"1 ").await;
    drop(live);
    noticed(&sim, &gateway, gone + 1, "a reset stream").await;
    assert_eq!(
        session
            .send(gateway.chat("m-openai-compatible", "x").h2())
            .await
            .status,
        200
    );
    let journal = gateway.journal();
    let closings: Vec<_> = journal
        .of("closed")
        .filter(|closing| closing.text("outcome") == "client_closed")
        .collect();
    // Who left pays for what went up, and for what was generated until then.
    let used = closings.iter().map(|closing| {
        let tokens = &closing.payload["tokens"];
        // Nobody was told anything.
        assert!(matches!(closing.payload["code"].as_str(), None | Some("")));
        assert_eq!(tokens["estimated"], true, "{tokens}");
        let of = |what: &str| tokens[what].as_u64().unwrap();
        (of("prompt") > 0, of("completion") > 0)
    });
    let used: Vec<_> = used.collect();
    let early = used.iter().filter(|used| **used == (true, false));
    assert_eq!((early.count(), used.len()), (4, 9));
    assert!(used.iter().all(|(prompt, _)| *prompt), "{used:?}");
    gateway.assert_sound();
}

#[tokio::test]
async fn on_every_vendor() {
    let vendors: Vec<&'static str> = config::VENDORS.iter().map(|(name, _)| *name).collect();
    let (sim, gateway) = bench(&vendors).await;
    for (at, vendor) in vendors.iter().enumerate() {
        let mut live = gateway.stream(&format!("{vendor}/slow"), "x").open().await;
        live.until("1 ").await;
        live.leave();
        noticed(&sim, &gateway, at + 1, vendor).await;
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn a_client_that_closes_only_its_sending_half_has_left() {
    let (sim, gateway) = bench(&["openai-compatible"]).await;
    let body = r#"{"model":"openai-compatible/hang","messages":[{"role":"user","content":"x"}]}"#;
    let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    until("it is at the upstream", || sim.requests().len() == 1).await;
    socket.shutdown().await.unwrap();
    noticed(&sim, &gateway, 1, "half closed").await;
}

#[tokio::test]
async fn a_client_that_leaves_with_its_request_half_sent_reaches_no_upstream() {
    let (sim, gateway) = bench(&["openai-compatible"]).await;
    let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{{\"model\""
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(socket);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(sim.requests().is_empty());
    gateway.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_leave_at_once() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.fault("slow", "openai-compatible", "@events:300@gap:100");
    let gateway = Gateway::start(&config).await;
    let mut lives = Vec::new();
    for _ in 0..200 {
        lives.push(gateway.stream("slow", "x").open().await);
    }
    assert_eq!(sim.live_streams(), 200);
    drop(lives);
    let took = until("all are heard of", || sim.cancelled() == 200).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    let ready = gateway.admin("/readyz").await;
    assert_eq!(ready.status, 200);
    assert!(ready.took < Duration::from_millis(500), "{:?}", ready.took);
    until("their closings", || {
        gateway.journal().of("closed").count() == 200
    })
    .await;
    gateway.journal().assert_balanced();
    until("their connections closed", || sim.connections() <= 2).await;
    gateway.assert_sound();
}
