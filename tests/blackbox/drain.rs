//! Leaving: not ready at once, streams finish within the limit, then end with an error event; exit codes.

use std::time::Duration;
use tests::*;

async fn bench(drain: Value) -> (Sim, Gateway) {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.fault("short", "openai-compatible", "@events:60@gap:15");
    config.fault("long", "openai-compatible", "@events:900@gap:10");
    config.fault("stall", "openai-compatible", "@events:30@stall:5");
    config.set("drain", drain);
    let gateway = Gateway::start(&config).await;
    (sim, gateway)
}

#[tokio::test]
async fn streams_finish_and_it_exits_0() {
    let (_sim, gateway) = bench(json!({"accept": "400ms", "limit": "20s"})).await;
    assert_eq!(gateway.admin("/readyz").await.status, 200);
    let mut lives = Vec::new();
    for at in 0..10 {
        let ask = gateway.stream("short", "x");
        let mut live = if at % 2 == 0 {
            ask.open().await
        } else {
            ask.h2().open().await
        };
        live.until("\"1 ").await;
        lives.push(live);
    }
    gateway.signal("TERM");
    // Not ready at once, alive all the while; late requests are still served until the listeners close.
    let start = std::time::Instant::now();
    while gateway.admin("/readyz").await.status != 503 {
        assert!(start.elapsed() < Duration::from_millis(350));
    }
    assert_eq!(gateway.admin("/healthz").await.status, 200);
    assert_eq!(
        gateway
            .chat("m-openai-compatible", "late")
            .send()
            .await
            .status,
        200
    );
    for live in lives {
        let said = grammar::read(&live.rest().await.body);
        assert!(said.done && said.error.is_none());
    }
    let status = gateway.exited().await;
    assert_eq!(status.code(), Some(0));
    let journal = gateway.journal();
    journal.assert_balanced();
    assert_eq!(
        journal
            .of("closed")
            .filter(|closing| closing.text("outcome") == "completed")
            .count(),
        11
    );
    for what in ["start", "drain", "stop"] {
        assert!(
            journal.of("event").any(|event| event.text("what") == what),
            "no event '{what}'"
        );
    }
}

#[tokio::test]
async fn the_listeners_close_after_the_grace() {
    let (_sim, gateway) = bench(json!({"accept": "100ms", "limit": "20s"})).await;
    let mut session = Session::to(gateway.listen, false).await;
    assert_eq!(
        session
            .send(gateway.chat("m-openai-compatible", "x"))
            .await
            .status,
        200
    );
    let mut live = gateway.stream("short", "x").open().await;
    live.until("\"1 ").await;
    gateway.signal("TERM");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(
        tokio::net::TcpStream::connect(gateway.listen)
            .await
            .is_err(),
        "it still accepts"
    );
    // The idle connection was closed too.
    assert!(
        session
            .open_or_end(gateway.chat("m-openai-compatible", "x"))
            .await
            .is_err()
    );
    assert!(grammar::read(&live.rest().await.body).done);
    assert_eq!(gateway.exited().await.code(), Some(0));
}

#[tokio::test]
async fn at_the_limit_streams_end_with_an_error_event() {
    let (sim, gateway) = bench(json!({"accept": "50ms", "limit": "400ms"})).await;
    let mut lives = Vec::new();
    for model in ["long", "stall"] {
        for http2 in [false, true] {
            let ask = gateway.stream(model, "x");
            let mut live = if http2 {
                ask.h2().open().await
            } else {
                ask.open().await
            };
            live.until("\"1 ").await;
            lives.push((model, http2, live));
        }
    }
    gateway.signal("TERM");
    for (model, http2, live) in lives {
        let reply = soon("a stream's end", live.rest()).await;
        let said = grammar::read(&reply.body);
        assert_eq!(
            (said.error_code(), said.done),
            ("overloaded", false),
            "{model}, HTTP/2 {http2}: {:?}",
            said.chunks.last()
        );
    }
    assert!(gateway.exited().await.code().is_some());
    assert_eq!(sim.live_streams(), 0);
    let journal = gateway.journal();
    journal.assert_balanced();
    assert_eq!(
        journal
            .of("closed")
            .filter(|closing| closing.text("outcome") == "draining")
            .count(),
        4
    );
}

#[tokio::test]
async fn a_request_without_a_first_byte_is_answered_at_the_limit() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config
        .fault("hang", "openai-compatible", "@hang")
        .set("drain", json!({"accept": "50ms", "limit": "400ms"}));
    let gateway = Gateway::start(&config).await;
    let asked = tokio::spawn(gateway.chat("hang", "x").send());
    until("it is at the upstream", || sim.requests().len() == 1).await;
    gateway.signal("TERM");
    let reply = soon("its answer", asked).await.unwrap();
    reply.refused(503, "overloaded");
    assert_eq!(reply.header("retry-after"), Some("1"));
    gateway.exited().await;
    gateway.journal().assert_balanced();
}

#[tokio::test]
async fn a_second_signal_cuts_and_still_records() {
    let (_sim, gateway) = bench(json!({"accept": "50ms", "limit": "60s"})).await;
    let mut live = gateway.stream("long", "x").open().await;
    live.until("\"1 ").await;
    gateway.signal("TERM");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(gateway.runs());
    gateway.signal("INT");
    let said = grammar::read(&soon("the stream's end", live.rest()).await.body);
    assert_eq!((said.error_code(), said.done), ("overloaded", false));
    assert_eq!(gateway.exited().await.code(), Some(130));
    gateway.journal().assert_balanced();
}

#[tokio::test]
async fn with_nobody_there_it_leaves_at_once() {
    let (_sim, gateway) = bench(json!({"accept": "50ms", "limit": "60s"})).await;
    let start = std::time::Instant::now();
    gateway.signal("INT");
    assert_eq!(gateway.exited().await.code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}
