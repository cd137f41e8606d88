//! Clients that are slow, silent, too many or too fast: cut in time, and the others notice nothing (T-09, T-10).

use crate::front::{GOOD, bench, bench_with, request};
use tests::http::{raw, read_quiet};
use tests::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// T-10: streams opened and reset as fast as a client can.
#[tokio::test]
async fn a_flood_of_resets_costs_the_others_nothing() {
    let (_upstream, gateway) = bench().await;
    let before = gateway.rss_kib();
    for _ in 0..5 {
        let mut session = Session::to(gateway.listen, true).await;
        for _ in 0..400 {
            // Dropped before it is answered: a reset.
            let opened = tokio::time::timeout(
                std::time::Duration::from_micros(50),
                session.open_or_end(gateway.chat("m", "x").h2()),
            )
            .await;
            if matches!(opened, Ok(Err(_))) {
                break;
            }
        }
    }
    let reply = gateway.chat("m", "x").send().await;
    assert_eq!(reply.said(), "good");
    assert!(reply.took.as_millis() < 1000, "{:?}", reply.took);
    let grown = gateway.rss_kib().saturating_sub(before);
    assert!(grown < 24 << 10, "{grown} KiB");
    gateway.assert_sound();
    until("every opening has its closing", || {
        let journal = gateway.journal();
        journal.of("opened").count() == journal.of("closed").count()
    })
    .await;
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

#[tokio::test]
async fn a_dripping_body_is_cut() {
    let (upstream, gateway) = bench_with(|config| {
        config.set(
            "timeouts",
            json!({"body": "700ms", "body_idle": "400ms", "keepalive": "600ms"}),
        );
    })
    .await;
    let whole = request("host: x\r\n", GOOD);
    let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
    let (head, body) = whole.split_at(whole.len() - GOOD.len());
    socket.write_all(head.as_bytes()).await.unwrap();
    let start = std::time::Instant::now();
    for byte in body.as_bytes() {
        if socket.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    }
    let answer = read_quiet(&mut socket, std::time::Duration::from_millis(100)).await;
    assert!(
        start.elapsed() < SOON && answer.statuses().iter().all(|status| *status == 408),
        "{:?}",
        answer.statuses()
    );
    assert!(answer.closed || answer.statuses() == [408]);
    assert!(
        upstream.requests().is_empty(),
        "a body that came too slowly went up"
    );
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_places_come_back() {
    let (_upstream, gateway) = bench_with(|config| {
        config.set("limits/connections_per_ip", 5);
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut session = Session::to(gateway.listen, false).await;
        assert_eq!(session.send(gateway.chat("m", "x")).await.status, 200);
        held.push(session);
    }
    let answer = raw(gateway.listen, request("host: x\r\n", GOOD)).await;
    assert!(
        answer.closed && answer.bytes.is_empty(),
        "{}",
        String::from_utf8_lossy(&answer.bytes)
    );
    // Who is in is served, and the admin endpoint has places of its own.
    assert_eq!(held[0].send(gateway.chat("m", "x")).await.status, 200);
    assert_eq!(gateway.admin("/readyz").await.status, 200);
    drop(held);
    let start = std::time::Instant::now();
    loop {
        let answer = raw(
            gateway.listen,
            request("host: x\r\nconnection: close\r\n", GOOD),
        )
        .await;
        if answer.statuses() == [200] {
            break;
        }
        assert!(
            start.elapsed() < SOON,
            "places of those who left are not given back"
        );
    }
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed() {
    let (_upstream, gateway) = bench_with(|config| {
        config.set("timeouts/keepalive", "600ms");
    })
    .await;
    let mut session = Session::to(gateway.listen, true).await;
    assert_eq!(
        session.send(gateway.chat("m", "x").h2()).await.said(),
        "good"
    );
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(
        session
            .open_or_end(gateway.chat("m", "x").h2())
            .await
            .is_err(),
        "an HTTP/2 connection idles for ever"
    );
}
