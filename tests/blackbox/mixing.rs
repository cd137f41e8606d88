//! Connections are shared, answers never: whatever an upstream or a client does, nobody gets what was meant for another.

use std::time::Duration;
use tests::upstream::{Upstream, end_events, good_reply, reply, text_event};
use tests::*;

fn poison() -> String {
    good_reply().replace("\"good\"", "\"evil\"")
}

/// An upstream that says more than it was asked: with the reply, just behind it, or long after it.
#[tokio::test]
async fn an_unasked_reply_is_nobodys_answer() {
    for pause_ms in [0, 1, 60] {
        let upstream = Upstream::start(move |mut conn| async move {
            while conn.request().await.is_some() {
                if pause_ms == 0 {
                    conn.write((good_reply() + &poison()).as_bytes()).await?;
                    continue;
                }
                conn.write(good_reply().as_bytes()).await?;
                conn.pause(pause_ms).await;
                conn.write(poison().as_bytes()).await?;
            }
            Ok(())
        })
        .await;
        let mut config = Config::new();
        config.plain_at("m", &upstream.origin());
        let gateway = Gateway::start(&config).await;
        for turn in 0..10 {
            let reply = gateway.chat("m", "x").send().await;
            assert_eq!(reply.said(), "good", "turn {turn}, {pause_ms} ms behind");
            tokio::time::sleep(Duration::from_millis(if pause_ms == 60 { 90 } else { 10 })).await;
        }
        gateway.assert_sound();
    }
}

/// A body longer than its length, and chunks behind the last one.
#[tokio::test]
async fn bytes_behind_a_bodys_end_are_nobodys_answer() {
    let good = good_reply();
    let chunked = {
        let body = message::messages(good.as_bytes()).0.remove(0).body;
        let body = String::from_utf8(body).unwrap();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        )
    };
    for text in [
        format!("{good}tail"),
        format!("{good}HTTP/1.1 200"),
        format!("{chunked}5\r\nmore!\r\n0\r\n\r\n"),
        format!("{chunked}\r\n\r\n"),
    ] {
        let upstream = Upstream::saying(text.clone()).await;
        let mut config = Config::new();
        config.plain_at("m", &upstream.origin());
        let gateway = Gateway::start(&config).await;
        for _ in 0..5 {
            assert_eq!(
                gateway.chat("m", "x").send().await.said(),
                "good",
                "{:?}",
                &text[text.len() - 30..]
            );
        }
    }
}

/// An upstream that answers before it has read the request, and closes.
#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_heard() {
    let refusal = reply(
        "413 Payload Too Large",
        "application/json",
        r#"{"error":{"message":"too long","type":"invalid_request_error","code":null,"param":null}}"#,
    );
    let upstream = Upstream::start(move |mut conn| {
        let refusal = refusal.clone();
        async move {
            conn.read().await;
            conn.write(refusal.as_bytes()).await?;
            conn.pause(200).await;
            Ok(())
        }
    })
    .await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    let reply = gateway.chat("m", &"x".repeat(8 << 20)).send().await;
    assert_eq!(reply.status, 413, "{}", reply.text());
}

#[tokio::test]
async fn good_connections_are_kept_and_used_again() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config
        .fault("split", "openai-compatible", "@split:9")
        .fault("bad", "openai-compatible", "@status:500");
    let gateway = Gateway::start(&config).await;
    for turn in 0..30 {
        let ask = match turn % 4 {
            0 => gateway.chat("m-openai-compatible", "x"),
            1 => gateway.stream("m-openai-compatible", "x"),
            2 => gateway.stream("split", "x"),
            _ => gateway.chat("bad", "x"),
        };
        ask.send().await;
        // The end of the upstream's body may come a moment after its last event.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        sim.accepted() <= 2,
        "{} connections for 30 requests in a row",
        sim.accepted()
    );
}

/// Streams, whole replies, faults and clients that leave, all at once over shared connections: everybody gets their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_at_once_get_their_own_answers() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("runtime/workers", 2);
    for fault in [
        "@split:3",
        "@cutevent:6",
        "@gap:3",
        "@status:429",
        "@crlf",
        "@nodone",
        "@jsonstream",
    ] {
        config.fault(&fault[1..], "openai-compatible", fault);
    }
    let gateway = std::sync::Arc::new(Gateway::start(&config).await);
    let mut running = tokio::task::JoinSet::new();
    for at in 0..300 {
        let gateway = std::sync::Arc::clone(&gateway);
        running.spawn(async move {
            let own = format!("OWN-{at:05}-text");
            let model = [
                "m-openai-compatible",
                "split:3",
                "cutevent:6",
                "gap:3",
                "status:429",
                "crlf",
                "nodone",
                "jsonstream",
            ][at % 8];
            let ask = if at % 3 == 0 {
                gateway.chat(model, &own)
            } else {
                gateway.stream(model, &own)
            };
            let ask = if at % 5 == 0 { ask.h2() } else { ask }.limit(Duration::from_secs(40));
            if at % 7 == 0 {
                let mut live = ask.open().await;
                live.next().await;
                return live.leave();
            }
            let reply = ask.send().await;
            let text = reply.text();
            let others = text.match_indices("OWN-").filter(|(from, _)| {
                text.get(*from..from + own.len()) != Some(own.as_str())
                    && text.len() - from >= own.len()
                    && text[*from..].starts_with("OWN-0")
            });
            assert_eq!(others.count(), 0, "{model}: somebody else's words: {text}");
            match model {
                "status:429" => assert_eq!(reply.status, 429),
                "cutevent:6" => {}
                _ if at % 3 == 0 => assert!(reply.said().contains(&own), "{model}"),
                _ => assert!(
                    grammar::read(&reply.body).text().contains(&own),
                    "{model}: {text}"
                ),
            }
        });
    }
    let mut wrong = 0;
    while let Some(done) = running.join_next().await {
        wrong += usize::from(done.is_err());
    }
    assert_eq!(wrong, 0);
    gateway.assert_sound();
    until("every opening has its closing", || {
        let journal = gateway.journal();
        journal.of("opened").count() == journal.of("closed").count()
    })
    .await;
    gateway.journal().assert_balanced();
    let metrics = gateway.admin("/metrics").await.text();
    assert!(
        metrics.lines().any(|line| line == "yumen_inflight 0"),
        "somebody is still counted in flight"
    );
}

/// Every byte of a stream may be the last of a read: the same events must come out, on the edited path too.
#[tokio::test]
async fn every_single_cut_gives_the_same_stream() {
    let events = format!(
        ": hello\n\n{}data: {{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"🌏\\n\"}},\"finish_reason\":null}}],\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}}}\n\n{}",
        text_event("你好 \"q\""),
        end_events()
    );
    let cuts = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let bytes = events.clone().into_bytes();
    let at = std::sync::Arc::clone(&cuts);
    let upstream = Upstream::start(move |mut conn| {
        let (bytes, at) = (bytes.clone(), std::sync::Arc::clone(&at));
        async move {
            while conn.request().await.is_some() {
                let cut = at.load(std::sync::atomic::Ordering::SeqCst);
                conn.write(format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n", bytes.len()).as_bytes()).await?;
                conn.write(&bytes[..cut]).await?;
                // A read of its own for the rest.
                conn.pause(3).await;
                conn.write(&bytes[cut..]).await?;
            }
            Ok(())
        }
    })
    .await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    for cut in 0..=events.len() {
        cuts.store(cut, std::sync::atomic::Ordering::SeqCst);
        let asked = gateway.stream("m", "x").send().await;
        assert_eq!(asked.text(), events, "cut at {cut}");
        let hidden = gateway
            .chat("m", "x")
            .with(|body| body["stream"] = true.into())
            .send()
            .await;
        let said = grammar::read(&hidden.body);
        assert!(
            said.done && said.usage.is_none() && said.text() == "你好 \"q\"🌏\n",
            "cut at {cut}: {}",
            hidden.text()
        );
    }
}
