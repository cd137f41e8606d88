//! Upstreams that no simulator of a vendor would be: not there, rude, talkative, endless. Their words reach nobody.

use std::time::Duration;
use tests::config::upstream_key;
use tests::message::Message;
use tests::upstream::{Upstream, end_events, reply, text_event};
use tests::*;

#[tokio::test]
async fn attempts_end_where_the_config_says() {
    let upstream = Upstream::saying(reply(
        "503 Service Unavailable",
        "application/json",
        r#"{"error":{"message":"no"}}"#,
    ))
    .await;
    for (retries, want) in [(0, 1), (1, 2), (3, 4)] {
        let mut config = Config::new();
        let mut targets = Vec::new();
        for at in 0..6 {
            config.plain_at(&format!("p{at}"), &upstream.origin());
            targets.push((format!("p{at}"), "x"));
        }
        let targets: Vec<(&str, &str)> = targets
            .iter()
            .map(|(provider, model)| (provider.as_str(), *model))
            .collect();
        config
            .model("many", &targets)
            .set("upstream/retries", retries);
        let gateway = Gateway::start(&config).await;
        let before = upstream.requests().len();
        let reply = gateway.chat("many", "x").send().await;
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert_eq!(
            reply.header("x-yumen-attempts"),
            Some(want.to_string().as_str())
        );
        assert_eq!(upstream.requests().len() - before, want);
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    // A port that was free a moment ago.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    config.plain_at("gone", &format!("http://{gone}"));
    config
        .provider(
            "nowhere",
            "openai-compatible",
            "http://no-such-host.invalid/v1",
        )
        .model("nowhere", &[("nowhere", "x")]);
    config.model("both", &[("gone", "x"), ("openai-compatible", "x")]);
    let gateway = Gateway::start(&config).await;
    for model in ["gone", "nowhere"] {
        let reply = gateway.chat(model, "hi").send().await;
        let message = reply.refused(502, "upstream_error");
        assert!(
            !message.contains("127.0.0.1") && !message.contains("invalid"),
            "{message}"
        );
    }
    let reply = gateway.chat("both", "hi").send().await;
    assert_eq!(
        (reply.status, reply.header("x-yumen-attempts")),
        (200, Some("2"))
    );
}

#[tokio::test]
async fn an_upstreams_words_and_our_key_in_them_reach_nobody() {
    let key = upstream_key("openai-compatible");
    let words = format!(
        r#"{{"error":{{"message":"PLANTED-UPSTREAM-WORDS key {key} at 10.0.0.7","type":"x","code":"{key}","param":"{key}"}}}}"#
    );
    let mut gateways = Vec::new();
    for (status, mid) in [
        ("400 Bad Request", false),
        ("401 Unauthorized", false),
        ("500 Internal Server Error", false),
        ("429 Too Many Requests", false),
        ("200 OK", false),
        ("200 OK", true),
    ] {
        let upstream = if mid {
            let words = words.clone();
            Upstream::start(move |mut conn| {
                let words = words.clone();
                async move {
                    conn.request().await;
                    conn.stream_head().await?;
                    conn.text("hello").await?;
                    conn.pause(100).await;
                    conn.write(format!("data: {words}\n\n").as_bytes()).await
                }
            })
            .await
        } else {
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nset-cookie: PLANTED-COOKIE=1\r\nserver: PLANTED-SERVER\r\nx-internal: PLANTED-HEADER\r\nx-request-id: PLANTED-ID\r\ncontent-length: {}\r\n\r\n{words}",
                words.len()
            );
            Upstream::saying(head).await
        };
        let mut config = Config::new();
        config.plain_at("m", &upstream.origin());
        let gateway = Gateway::start(&config).await;
        let reply = gateway
            .chat("m", "x")
            .with(|body| body["stream"] = mid.into())
            .send()
            .await;
        assert_eq!(reply.status >= 400, !mid, "{status}: {}", reply.text());
        assert!(
            !(400..=403).contains(&reply.status) || status.starts_with("400"),
            "{status} went down as {}",
            reply.status
        );
        gateway.record(&reply).await;
        gateways.push((format!("{status} {mid}"), gateway, reply, upstream));
    }
    for (what, gateway, reply, _upstream) in &gateways {
        let metrics = gateway.admin("/metrics").await.text();
        let journal = format!("{:?}", gateway.journal());
        for (place, text) in [
            ("answer", format!("{:?} {}", reply.headers, reply.text())),
            ("log", gateway.log()),
            ("metrics", metrics),
            ("journal", journal),
        ] {
            assert!(!text.contains(&key), "{what}: the key is in the {place}");
            if place != "log" {
                assert!(
                    !text.contains("PLANTED"),
                    "{what}: upstream's words are in the {place}"
                );
            }
        }
    }
}

#[tokio::test]
async fn heads_that_no_server_should_send() {
    let body = upstream::good_reply();
    let json = message::messages(body.as_bytes()).0.remove(0);
    let json = String::from_utf8(json.body).unwrap();
    let length = json.len();
    let head = |lines: String| {
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{lines}\r\n{json}")
    };
    let cases = [
        (
            "two lengths",
            head(format!("content-length: {length}\r\ncontent-length: 5\r\n")),
        ),
        (
            "unknown coding",
            head("transfer-encoding: gzip, chunked\r\n".into()),
        ),
        ("odd length", head("content-length: +5\r\n".into())),
        (
            "NUL in a header",
            head(format!("x: a\0b\r\ncontent-length: {length}\r\n")),
        ),
        (
            "101",
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n{json}"
            ),
        ),
        ("no status", format!("HTTP/1.1\r\n\r\n{json}")),
        ("not HTTP", "SSH-2.0-OpenSSH_9\r\n".into()),
        (
            "a body behind a length",
            head(format!("content-length: {}\r\n", length + 10)),
        ),
        ("bad chunk", head("transfer-encoding: chunked\r\n".into())),
        (
            "compressed, though nobody asked",
            head(format!(
                "content-encoding: gzip\r\ncontent-length: {length}\r\n"
            ))
            .replace("{\"id\"", "\u{1f}\u{8b}\"id\""),
        ),
        (
            "100 without end",
            "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000),
        ),
    ];
    for (what, bytes) in cases {
        let upstream = Upstream::saying_once(bytes).await;
        let mut config = Config::new();
        config
            .plain_at("m", &upstream.origin())
            .set("upstream/timeouts/idle", "700ms");
        let gateway = Gateway::start(&config).await;
        let reply = gateway.chat("m", "x").send().await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (502, "upstream_error"),
            "{what}: {}",
            reply.text()
        );
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn interim_replies_and_bodies_to_the_end_of_the_connection_are_right() {
    let good = upstream::good_reply();
    let body = message::messages(good.as_bytes()).0.remove(0).body;
    let body = String::from_utf8(body).unwrap();
    for text in [
        format!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n{good}"
        ),
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{body}"),
        format!("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{body}"),
    ] {
        let upstream = Upstream::saying_once(text).await;
        let mut config = Config::new();
        config.plain_at("m", &upstream.origin());
        let gateway = Gateway::start(&config).await;
        assert_eq!(gateway.chat("m", "x").send().await.said(), "good");
    }
}

#[tokio::test]
async fn a_pooled_connection_that_was_closed_costs_nobody_an_error() {
    // Answers one request a connection and closes it without saying so.
    let upstream = Upstream::saying_once(upstream::good_reply()).await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    for turn in 0..20 {
        let reply = gateway.chat("m", "x").send().await;
        assert_eq!(reply.said(), "good", "turn {turn}");
        assert_eq!(reply.header("x-yumen-attempts"), Some("1"));
        tokio::time::sleep(Duration::from_millis(turn % 3)).await;
    }
    assert_eq!(upstream.requests().len(), 20);
}

#[tokio::test]
async fn a_line_and_an_event_without_end() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.stream_head().await?;
        conn.text("hello").await?;
        let piece = vec![b'a'; 65536];
        conn.write(b"data: {\"choices\":[{\"delta\":{\"content\":\"")
            .await?;
        for _ in 0..2048 {
            conn.write(&piece).await?;
        }
        Ok(())
    })
    .await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    let before = gateway.rss_kib();
    let reply = gateway.stream("m", "x").send().await;
    let said = grammar::read(&reply.body);
    assert_eq!(
        (said.text(), said.error_code(), said.done),
        ("hello", "upstream_error", false)
    );
    let grown = gateway.rss_kib().saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB for one event");
}

#[tokio::test]
async fn an_end_without_its_blank_line_is_an_end() {
    let events = text_event("hello") + end_events().trim_end();
    let upstream = Upstream::saying_once(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{events}"
    ))
    .await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    let reply = gateway.stream("m", "x").send().await;
    let said = grammar::read(&reply.body);
    assert!(
        said.done && said.error.is_none() && said.text() == "hello",
        "{}",
        reply.text()
    );
    assert!(reply.text().ends_with("\n\n"), "{:?}", reply.text());
}

/// An event that comes in many reads must not be looked at from its beginning at each of them.
#[tokio::test]
async fn a_long_event_costs_what_its_bytes_cost() {
    let mut spent = Vec::new();
    for kib in [512, 3072] {
        let upstream = Upstream::start(move |mut conn| async move {
            conn.request().await;
            conn.stream_head().await?;
            let event = text_event(&"x".repeat(kib << 10));
            for piece in event.as_bytes().chunks(8192) {
                conn.write(piece).await?;
                conn.pause(1).await;
            }
            conn.write(end_events().as_bytes()).await
        })
        .await;
        let mut config = Config::new();
        config.plain_at("m", &upstream.origin());
        config.set("limits/upstream_line_bytes", "4MiB");
        let gateway = Gateway::start(&config).await;
        let before = gateway.cpu_ms();
        let reply = gateway
            .stream("m", "x")
            .limit(Duration::from_secs(60))
            .send()
            .await;
        let said = grammar::read(&reply.body);
        assert!(said.done && said.text().len() == kib << 10, "{kib} KiB");
        spent.push(gateway.cpu_ms() - before);
    }
    // Six times the bytes: six times the work, and as much again for the noise.
    assert!(
        spent[1] < 12 * spent[0].max(30),
        "{} ms for 512 KiB, {} ms for 3 MiB",
        spent[0],
        spent[1]
    );
}

/// Path and headers that are the same for all requests to a target are made once: the first and the tenth say the same, a
/// stream asks for a stream, two targets at one server are two, and an operator's header is in each.
#[tokio::test]
async fn every_request_to_a_target_is_headed_alike() {
    let upstream = Upstream::good().await;
    let mut config = Config::new();
    config.plain_at("one", &upstream.origin());
    config.plain_at("two", &upstream.origin());
    config.set("providers/one/headers", json!({"x-team": "blue"}));
    config.set("providers/two/api_key", "sk-two");
    let gateway = Gateway::start(&config).await;
    let mut asked = Vec::new();
    for _ in 0..3 {
        for name in ["one", "two"] {
            for ask in [gateway.chat(name, "x"), gateway.stream(name, "xyz")] {
                assert_eq!(ask.send().await.status, 200);
                asked.push(name);
            }
        }
    }
    let heads = upstream.requests();
    assert_eq!(heads.len(), asked.len());
    let told = |head: &Message| {
        let lines = head.head.lines();
        let lines = lines.filter(|line| !line.starts_with("content-length"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for (at, (head, name)) in heads.iter().zip(asked).enumerate() {
        assert_eq!(told(head), told(&heads[at % 4]), "{at}");
        let length = head.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()));
        let streams = head.json()["stream"] == true;
        let accept = if streams {
            "text/event-stream"
        } else {
            "application/json"
        };
        assert_eq!(head.header("accept"), Some(accept), "{at}");
        let (key, team) = match name {
            "one" => (upstream_key("openai-compatible"), Some("blue")),
            _ => ("sk-two".to_owned(), None),
        };
        assert_eq!(
            head.header("authorization"),
            Some(format!("Bearer {key}").as_str())
        );
        assert_eq!(head.header("x-team"), team);
    }
    gateway.assert_sound();
}
