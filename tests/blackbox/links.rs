//! Connections to providers: what a provider does with one, and what becomes of the requests on it.

mod frames;

use self::frames::{Frames, GO_AWAY, RESET};
use crate::front::{GOOD, request};
use crate::tls::{Authority, tls_front};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::upstream::{Upstream, good_reply, reply};
use tests::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A gateway of one worker before this upstream, which speaks HTTP/2, as `m`.
async fn over_http2(upstream: &Upstream, change: impl FnOnce(&mut Config)) -> Gateway {
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    config
        .set("providers/m/http2", true)
        .set("runtime/workers", 1);
    change(&mut config);
    Gateway::start(&config).await
}

/// How a provider ends the second request of a connection.
#[derive(Clone, Copy, Debug)]
enum Ends {
    GoesAway,
    Refuses,
    Closes,
}

#[tokio::test]
async fn what_was_not_begun_over_http2_is_sent_again() {
    for ends in [Ends::GoesAway, Ends::Refuses, Ends::Closes] {
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let upstream = Upstream::start(move |conn| {
            let connection = count.fetch_add(1, SeqCst);
            async move {
                let Some(mut frames) = Frames::begin(conn, &[]).await else {
                    return Ok(());
                };
                let mut requests = 0;
                while let Some(stream) = frames.request().await {
                    requests += 1;
                    if requests != 2 || connection > 0 {
                        frames.good(stream).await;
                        continue;
                    }
                    match ends {
                        // The last stream that it heard is the first; no error.
                        Ends::GoesAway => {
                            frames.write(GO_AWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]).await;
                            frames.pause(20).await;
                            break;
                        }
                        // REFUSED_STREAM
                        Ends::Refuses => {
                            frames.write(RESET, 0, stream, &[0, 0, 0, 7]).await;
                        }
                        Ends::Closes => break,
                    }
                }
                Ok(())
            }
        })
        .await;
        let gateway = over_http2(&upstream, |config| {
            config.set("upstream/retries", 0);
        })
        .await;
        for turn in 0..4 {
            let reply = gateway.chat("m", "x").send().await;
            assert_eq!(reply.status, 200, "{ends:?} {turn}: {}", reply.text());
            assert_eq!(reply.header("x-yumen-attempts"), Some("1"));
        }
        let connections = if matches!(ends, Ends::Refuses) { 1 } else { 2 };
        assert_eq!(begun.load(SeqCst), connections, "{ends:?}");
    }
}

#[tokio::test]
async fn who_waits_for_a_connection_that_fails_hears_of_it_at_once() {
    let mute = Upstream::start(|mut conn| async move {
        conn.gone().await;
        Ok(())
    })
    .await;
    let gateway = over_http2(&mute, |config| {
        let place = mute.origin().replace("http://", "https://");
        config
            .set("providers/m/base_url", format!("{place}/v1"))
            .set(
                "upstream",
                json!({"retries": 0, "timeouts": {"connect": "1s"}}),
            );
    })
    .await;
    let start = Instant::now();
    let mut asks = JoinSet::new();
    for _ in 0..8 {
        asks.spawn(gateway.chat("m", "x").send());
    }
    for reply in asks.join_all().await {
        reply.refused(502, "upstream_error");
    }
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(4),
        "one after the other: {took:?}"
    );
}

#[tokio::test]
async fn a_server_that_chooses_http1_is_not_asked_each_time() {
    let sim = sim().await;
    let authority = Authority::new();
    let (addr, front) = tls_front(&sim, &authority.issue("vendor.test"), &["http/1.1"]).await;
    let dir = Arc::new(TempDir::new().unwrap());
    std::fs::write(dir.path().join("ca.pem"), &authority.pem).unwrap();
    let mut config = Config::new();
    config
        .provider(
            "m",
            "openai-compatible",
            &format!("https://{addr}/openai/v1"),
        )
        .model("m", &[("m", "some-model")]);
    config
        .set(
            "providers/m/tls",
            json!({"ca": "ca.pem", "server_name": "vendor.test"}),
        )
        .set("providers/m/http2", true)
        .set("runtime/workers", 1);
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    for _ in 0..5 {
        assert_eq!(gateway.chat("m", "x").send().await.status, 200);
    }
    assert_eq!(sim.accepted(), 1, "connections for five requests in turn");
    front.abort();
}

#[tokio::test]
async fn a_connection_that_is_full_gets_another_beside_it() {
    // SETTINGS_MAX_CONCURRENT_STREAMS
    const ONE: &[(u16, u32)] = &[(3, 1)];
    let upstream = Upstream::start(|conn| async move {
        let Some(mut frames) = Frames::begin(conn, ONE).await else {
            return Ok(());
        };
        while let Some(stream) = frames.request().await {
            frames.pause(500).await;
            frames.good(stream).await;
        }
        Ok(())
    })
    .await;
    let gateway = over_http2(&upstream, |config| {
        config.set("providers/m/max_connections", 3);
    })
    .await;
    // From now on it is known what the upstream allows.
    assert_eq!(gateway.chat("m", "x").send().await.status, 200);
    let mut asks = JoinSet::new();
    for _ in 0..6 {
        asks.spawn(gateway.chat("m", "x").send());
    }
    for reply in asks.join_all().await {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert_eq!(upstream.accepted(), 3);
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_is_heard() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.read().await;
        let refusal = reply("413 Payload Too Large", "application/json", "{}");
        conn.write(refusal.as_bytes()).await?;
        // It reads no more, and stays.
        conn.pause(60_000).await;
        Ok(())
    })
    .await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    config.set("upstream/timeouts/first_content", "5s");
    let gateway = Gateway::start(&config).await;
    let long = "word ".repeat(2_400_000);
    for _ in 0..2 {
        let ask = gateway.chat("m", &long).limit(Duration::from_secs(60));
        let reply = ask.send().await;
        assert_eq!(reply.status, 413, "{}", reply.text());
    }
    assert_eq!(
        upstream.accepted(),
        2,
        "a connection with half a request on it"
    );
}

/// A provider that fails so often, then answers.
async fn failing(times: usize, with: impl Into<Vec<u8>>) -> Upstream {
    let (left, with) = (Arc::new(AtomicUsize::new(times)), with.into());
    Upstream::start(move |mut conn| {
        let (left, with) = (Arc::clone(&left), with.clone());
        async move {
            while conn.request().await.is_some() {
                let fails = |left: usize| left.checked_sub(1);
                if left.fetch_update(SeqCst, SeqCst, fails).is_err() {
                    conn.write(good_reply().as_bytes()).await?;
                    continue;
                }
                conn.write(&with).await?;
                if with.is_empty() {
                    break;
                }
            }
            Ok(())
        }
    })
    .await
}

#[tokio::test]
async fn a_lone_target_is_asked_again_if_what_ails_it_may_pass() {
    let say = |status: &str, lines: &str| {
        reply(status, "application/json", "{}").replace("\r\n\r\n", &format!("\r\n{lines}\r\n"))
    };
    for (what, with, status, attempts) in [
        ("busy", say("503 Busy", ""), 200, 3),
        ("broken", say("500 Oops", ""), 200, 3),
        ("closed", String::new(), 200, 3),
        // Its client is told when to come back, and does.
        ("limited", say("429 Slow", "retry-after: 1\r\n"), 429, 1),
        ("loading", say("503 Busy", "retry-after: 1\r\n"), 503, 1),
        ("unknown", say("501 Not Implemented", ""), 501, 1),
        ("our key", say("401 Unauthorized", ""), 502, 1),
        ("wrong", say("400 Bad Request", ""), 400, 1),
    ] {
        let upstream = failing(2, with).await;
        let mut config = Config::new();
        config.plain_at("m", &upstream.origin());
        config.set("upstream/retries", 2);
        let gateway = Gateway::start(&config).await;
        let reply = gateway.chat("m", "x").send().await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        let tried = reply.header("x-yumen-attempts").unwrap();
        assert_eq!(tried, attempts.to_string(), "{what}");
        let closing = gateway.record(&reply).await;
        let tried = closing["attempts"].as_array().unwrap();
        assert_eq!(tried.len(), attempts, "{what}: {closing}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_behind_more_bytes_has_left() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.gone().await;
        Ok(())
    })
    .await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    let asked = request("host: x\r\n", GOOD);
    for (at, behind) in ["", "\r\n", &asked].into_iter().enumerate() {
        let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
        socket
            .write_all(format!("{asked}{behind}").as_bytes())
            .await
            .unwrap();
        until("it is at the upstream", || upstream.accepted() == at + 1).await;
        drop(socket);
        until("the upstream hears of it", || upstream.closed() == at + 1).await;
    }
}

/// A vendor whose tokens are fetched: what it does with those who fetch, and the times at which they did.
#[derive(Default)]
struct Office {
    slow: AtomicBool,
    fails: AtomicBool,
    fetches: AtomicUsize,
    lifetime: Mutex<u32>,
}

impl Office {
    async fn opens(self: &Arc<Self>) -> Upstream {
        let office = Arc::clone(self);
        Upstream::start(move |mut conn| {
            let office = Arc::clone(&office);
            async move {
                while let Some(request) = conn.request().await {
                    if !request.first_line().contains("oauth") {
                        let body = r#"{"id":"as-1","object":"chat.completion","created":1,"result":"good","is_truncated":false,"need_clear_history":false,"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
                        let good = reply("200 OK", "application/json", body);
                        conn.write(good.as_bytes()).await?;
                        continue;
                    }
                    office.fetches.fetch_add(1, SeqCst);
                    if office.slow.load(SeqCst) {
                        conn.pause(600).await;
                    }
                    let token = json!({"access_token": "token", "expires_in": *office.lifetime.lock().unwrap()});
                    let said = if office.fails.load(SeqCst) {
                        reply("503 Busy", "application/json", "{}")
                    } else {
                        reply("200 OK", "application/json", &token.to_string())
                    };
                    conn.write(said.as_bytes()).await?;
                }
                Ok(())
            }
        })
        .await
    }
}

#[tokio::test]
async fn the_way_to_a_token_stays_open() {
    let office = Arc::new(Office::default());
    *office.lifetime.lock().unwrap() = 4;
    let upstream = office.opens().await;
    let mut config = Config::new();
    config
        .provider("m", "wenxin-v1", &upstream.origin())
        .model("m", &[("m", "ernie-4.0-8k")]);
    config.set("upstream/retries", 0);
    let gateway = Gateway::start(&config).await;
    // Those who ask leave: the token that they began to fetch is for whoever comes next.
    office.slow.store(true, SeqCst);
    for _ in 0..4 {
        let leaves = gateway.chat("m", "x").send();
        assert!(
            tokio::time::timeout(Duration::from_millis(100), leaves)
                .await
                .is_err()
        );
    }
    assert_eq!(gateway.chat("m", "x").send().await.status, 200);
    assert_eq!(office.fetches.load(SeqCst), 1);
    office.slow.store(false, SeqCst);
    // Tokens that live for two seconds or so are fetched as often as that.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let reply = gateway.chat("m", "x").send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    // While none can be had it is not asked by each request; when one can be had again, that is soon found.
    office.fails.store(true, SeqCst);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let before = office.fetches.load(SeqCst);
    for _ in 0..30 {
        gateway
            .chat("m", "x")
            .send()
            .await
            .refused(503, "upstream_error");
    }
    assert!(office.fetches.load(SeqCst) - before < 15);
    office.fails.store(false, SeqCst);
    let end = Instant::now() + SOON;
    while gateway.chat("m", "x").send().await.status != 200 {
        assert!(Instant::now() < end, "locked out");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
