//! The five clocks: each stops what it should, comments stop none of them, and a waiting client hears a ping.

use std::time::Duration;
use tests::upstream::{Upstream, end_events, text_event};
use tests::*;

async fn gateway(origin: &str, timeouts: Value) -> Gateway {
    let mut config = Config::new();
    config
        .plain_at("m", origin)
        .set("upstream/timeouts", timeouts);
    Gateway::start(&config).await
}

fn about(took: Duration, ms: u64) {
    let low = Duration::from_millis(ms * 9 / 10);
    assert!(
        took >= low && took < Duration::from_millis(ms) + Duration::from_secs(2),
        "{took:?} where {ms} ms were set"
    );
}

#[tokio::test]
async fn connect() {
    // A listener whose backlog is full takes no more connections, and does not say so.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(tokio::spawn(tokio::net::TcpStream::connect(addr)));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let gateway = gateway(&format!("http://{addr}"), json!({"connect": "500ms"})).await;
    let reply = gateway.chat("m", "x").send().await;
    assert!(
        matches!(
            (reply.status, reply.code().as_str()),
            (502, "upstream_error") | (504, "upstream_timeout")
        ),
        "{}",
        reply.text()
    );
    about(reply.took, 500);
}

#[tokio::test]
async fn first_content_is_not_stopped_by_comments_or_empty_events() {
    let role = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
    for noise in [": keep-alive\n\n", ":\n", "\n", "data: \n\n", role] {
        let upstream = Upstream::start(move |mut conn| async move {
            conn.request().await;
            conn.stream_head().await?;
            loop {
                conn.write(noise.as_bytes()).await?;
                conn.pause(50).await;
            }
        })
        .await;
        let gateway = gateway(
            &upstream.origin(),
            json!({"first_content": "700ms", "idle": "5s", "content_gap": "5s"}),
        )
        .await;
        let reply = gateway.stream("m", "x").send().await;
        if noise == role && reply.status == 200 {
            // A first event without content may begin the answer, and then ends it with an error event.
            let said = grammar::read(&reply.body);
            assert_eq!((said.error_code(), said.done), ("upstream_timeout", false));
        } else {
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (504, "upstream_timeout"),
                "{noise:?}: {}",
                reply.text()
            );
        }
        about(reply.took, 700);
        until("the upstream's connection closed", || {
            upstream.closed() == 1
        })
        .await;
    }
}

#[tokio::test]
async fn first_content_counts_for_replies_in_one_piece_too() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.pause(60_000).await;
        Ok(())
    })
    .await;
    let gateway = gateway(&upstream.origin(), json!({"first_content": "500ms"})).await;
    let reply = gateway.chat("m", "x").send().await;
    reply.refused(504, "upstream_timeout");
    about(reply.took, 500);
    assert_eq!(gateway.record(&reply).await["outcome"], "timed_out");
}

#[tokio::test]
async fn the_gap_between_content_is_not_stopped_by_comments() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.stream_head().await?;
        conn.text("one").await?;
        loop {
            conn.write(b": still here\n\n").await?;
            conn.pause(50).await;
        }
    })
    .await;
    let gateway = gateway(
        &upstream.origin(),
        json!({"content_gap": "600ms", "idle": "5s"}),
    )
    .await;
    let reply = gateway.stream("m", "x").send().await;
    let said = grammar::read(&reply.body);
    assert_eq!(
        (said.text(), said.error_code(), said.done),
        ("one", "upstream_timeout", false)
    );
    about(reply.took, 600);
    assert_eq!(gateway.record(&reply).await["outcome"], "timed_out");
    // Nor where a whole reply was asked for, and is gathered.
    let reply = gateway.chat("m", "x").send().await;
    reply.refused(504, "upstream_timeout");
    about(reply.took, 600);
}

#[tokio::test]
async fn idle_is_stopped_by_any_read() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.stream_head().await?;
        conn.text("one").await?;
        for _ in 0..8 {
            conn.write(b": still here\n\n").await?;
            conn.pause(150).await;
        }
        conn.pause(60_000).await;
        Ok(())
    })
    .await;
    let gateway = gateway(
        &upstream.origin(),
        json!({"content_gap": "8s", "idle": "500ms"}),
    )
    .await;
    let reply = gateway.stream("m", "x").send().await;
    let said = grammar::read(&reply.body);
    assert_eq!((said.error_code(), said.done), ("upstream_timeout", false));
    // 8 comments in 1.05 s, then silence.
    about(reply.took, 1550);
}

#[tokio::test]
async fn total_ends_a_stream_that_flows() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.stream_head().await?;
        loop {
            conn.text("x").await?;
            conn.pause(30).await;
        }
    })
    .await;
    let gateway = gateway(&upstream.origin(), json!({"total": "900ms"})).await;
    let reply = gateway.stream("m", "x").send().await;
    let said = grammar::read(&reply.body);
    assert_eq!((said.error_code(), said.done), ("upstream_timeout", false));
    assert!(said.text().len() > 5);
    about(reply.took, 900);
    until("the upstream's connection closed", || {
        upstream.closed() == 1
    })
    .await;
}

#[tokio::test]
async fn total_covers_all_attempts() {
    let hangs = || {
        Upstream::start(|mut conn| async move {
            conn.request().await;
            conn.pause(60_000).await;
            Ok(())
        })
    };
    let (one, two) = (hangs().await, hangs().await);
    let mut config = Config::new();
    config
        .plain_at("one", &one.origin())
        .plain_at("two", &two.origin())
        .model("both", &[("one", "x"), ("two", "x")]);
    config.set(
        "upstream/timeouts",
        json!({"first_content": "600ms", "total": "1s"}),
    );
    let gateway = Gateway::start(&config).await;
    let reply = gateway.chat("both", "x").send().await;
    reply.refused(504, "upstream_timeout");
    about(reply.took, 1000);
}

#[tokio::test]
async fn a_models_own_clocks_win() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.pause(60_000).await;
        Ok(())
    })
    .await;
    let mut config = Config::new();
    config
        .plain_at("m", &upstream.origin())
        .set("upstream/timeouts", json!({"first_content": "30s"}));
    config.set("models/m/timeouts", json!({"first_content": "400ms"}));
    let gateway = Gateway::start(&config).await;
    let reply = gateway.chat("m", "x").send().await;
    reply.refused(504, "upstream_timeout");
    about(reply.took, 400);
}

#[tokio::test]
async fn a_waiting_client_hears_pings_between_events_only() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.stream_head().await?;
        conn.text("one").await?;
        conn.pause(700).await;
        // Half an event, a pause, the other half: no ping may come in between.
        let event = text_event("two");
        let (front, back) = event.split_at(40);
        conn.write(front.as_bytes()).await?;
        conn.pause(700).await;
        conn.write(back.as_bytes()).await?;
        conn.write(end_events().as_bytes()).await
    })
    .await;
    let mut config = Config::new();
    config
        .plain_at("m", &upstream.origin())
        .set("stream/ping", "150ms");
    let gateway = Gateway::start(&config).await;
    for usage in [true, false] {
        let ask = gateway
            .stream("m", "x")
            .with(|body| body["stream_options"]["include_usage"] = usage.into());
        let reply = ask.send().await;
        let said = grammar::read(&reply.body);
        assert!(
            (4..=10).contains(&said.comments),
            "{} pings: {}",
            said.comments,
            reply.text()
        );
        assert_eq!(
            (said.text(), said.done),
            ("onetwo", true),
            "{}",
            reply.text()
        );
        assert!(reply.text().contains(": ping\n\n"));
    }
}

#[tokio::test]
async fn pings_come_before_the_first_content_of_a_stream_that_has_begun() {
    // Reasoning models are silent for minutes; nothing can go down before the commit point, and nothing is cut.
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.pause(800).await;
        conn.stream_head().await?;
        conn.text("late").await?;
        conn.write(end_events().as_bytes()).await
    })
    .await;
    let mut config = Config::new();
    config
        .plain_at("m", &upstream.origin())
        .set("stream/ping", "100ms");
    let gateway = Gateway::start(&config).await;
    let reply = gateway.stream("m", "x").send().await;
    assert_eq!(
        (reply.status, grammar::read(&reply.body).text()),
        (200, "late")
    );
}

#[tokio::test]
async fn no_clock_touches_a_slow_but_steady_stream() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.stream_head().await?;
        for _ in 0..10 {
            conn.text("x").await?;
            conn.pause(200).await;
        }
        conn.write(end_events().as_bytes()).await
    })
    .await;
    let gateway = gateway(
        &upstream.origin(),
        json!({"first_content": "1s", "content_gap": "1s", "idle": "1s", "total": "20s"}),
    )
    .await;
    let reply = gateway.stream("m", "x").send().await;
    let said = grammar::read(&reply.body);
    assert_eq!((said.text(), said.done), ("xxxxxxxxxx", true));
}

/// Its connection is not idle: bug of the day on which the guard took over the clock of idle connections.
#[tokio::test]
async fn a_silent_stream_outlives_the_clocks_of_its_connection() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.stream_head().await?;
        conn.text("one").await?;
        conn.pause(1500).await;
        conn.text("two").await?;
        conn.write(end_events().as_bytes()).await
    })
    .await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin()).set(
        "timeouts",
        json!({"header_read": "300ms", "body_idle": "300ms", "body": "300ms", "keepalive": "500ms"}),
    );
    let gateway = Gateway::start(&config).await;
    let reply = gateway.stream("m", "x").send().await;
    let said = grammar::read(&reply.body);
    assert!(said.done, "{}", reply.text());
}
