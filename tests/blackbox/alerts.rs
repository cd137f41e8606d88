//! A budget that is nearly spent is told: once, signed, and again until it is heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use tests::message::Message;
use tests::redis::Redis;
use tests::upstream::{Upstream, reply};
use tests::*;

/// Takes messages; refuses the first so many.
async fn receiver(refuses: usize) -> Upstream {
    let left = Arc::new(AtomicUsize::new(refuses));
    Upstream::start(move |mut conn| {
        let left = Arc::clone(&left);
        async move {
            while conn.request().await.is_some() {
                let refuse = left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
                let status = if refuse.is_ok() {
                    "503 Service Unavailable"
                } else {
                    "204 No Content"
                };
                conn.write(reply(status, "text/plain", "").as_bytes())
                    .await?;
            }
            Ok(())
        }
    })
    .await
}

/// Whether a message is signed with the secret `hush`.
fn is_signed(message: &Message) -> bool {
    use base64::Engine as _;
    let header = |name: &str| message.header(name).unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"hush");
    let before = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp"));
    let signed = [before.as_bytes(), &message.body].concat();
    let signature = header("webhook-signature").strip_prefix("v1,").unwrap();
    let tag = base64::engine::general_purpose::STANDARD
        .decode(signature)
        .unwrap();
    aws_lc_rs::hmac::verify(&key, &signed, &tag).is_ok()
}

fn config(sim: &Sim, to: &Upstream) -> Config {
    let mut config = Config::plain(sim);
    let webhook = json!({"url": format!("{}/hook", to.origin()), "secret": "hush"});
    config.set("alerts", json!({"webhook": webhook}));
    let budget = json!({"tokens": 20_000, "soft": 10, "period": "month"});
    config.set("teams/retail", json!({"budget": budget}));
    config.key("k", "ym-alerts-k-0000", json!({"team": "retail"}));
    config.fault("much", "openai-compatible", "@events:600");
    config
}

/// May use more than the threshold.
async fn ask(gateway: &Gateway, model: &str) {
    let ask = gateway.chat(model, "hi").key("ym-alerts-k-0000");
    let ask = ask.with(|body| body["max_tokens"] = 6000.into());
    let reply = ask.limit(Duration::from_secs(30)).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn a_threshold_is_told_once_and_until_it_is_heard() {
    let (sim, to) = (sim().await, receiver(2).await);
    let gateway = Gateway::start(&config(&sim, &to)).await;
    // What is merely reserved crosses nothing, nor do 1150 tokens and a few.
    ask(&gateway, "m-openai-compatible").await;
    ask(&gateway, "much").await;
    let metrics = gateway.admin("/metrics").await.text();
    let crossed = "yumen_budget_soft_crossed_total{level=\"team\",unit=\"tokens\"} 1";
    assert!(!metrics.contains(crossed), "{metrics}");
    for _ in 0..2 {
        ask(&gateway, "much").await;
    }
    until("a message that was taken", || to.requests().len() >= 3).await;
    ask(&gateway, "much").await;
    let end = Instant::now() + SOON;
    while !gateway
        .admin("/metrics")
        .await
        .text()
        .contains("yumen_alerts_total{result=\"delivered\"} 1")
    {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let heard = to.requests();
    assert_eq!(heard.len(), 3, "two that failed and one that did not");
    for message in &heard {
        assert!(is_signed(message));
        assert_eq!(message.header("webhook-id"), heard[0].header("webhook-id"));
    }
    let said = heard[0].json();
    assert_eq!(said["type"], "budget.soft_limit");
    let data = &said["data"];
    assert_eq!(
        (
            &data["level"],
            &data["name"],
            &data["unit"],
            &data["period"]
        ),
        (
            &json!("team"),
            &json!("retail"),
            &json!("tokens"),
            &json!("month")
        )
    );
    assert_eq!(
        (&data["limit"], &data["soft"]),
        (&json!(20_000), &json!(2000))
    );
    let used = data["used"].as_u64().unwrap();
    assert!((2250..3000).contains(&used), "{used}");
    let metrics = gateway.admin("/metrics").await.text();
    assert!(metrics.contains(crossed), "{metrics}");
    assert!(!gateway.log().contains("hush"));
}

#[tokio::test]
async fn gateways_that_share_a_store_tell_it_once() {
    let (sim, to) = (sim().await, receiver(0).await);
    let redis = Redis::start();
    let mut config = config(&sim, &to);
    config.set("state", json!({"store": redis.address(), "timeout": "5s"}));
    let both = [Gateway::start(&config).await, Gateway::start(&config).await];
    for gateway in &both {
        let end = Instant::now() + Duration::from_secs(30);
        while !gateway
            .admin("/metrics")
            .await
            .text()
            .contains("yumen_ledger_replicas 2")
        {
            assert!(Instant::now() < end, "{}", gateway.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    // What settling crosses is told by the next reservation.
    for _ in 0..2 {
        for gateway in &both {
            ask(gateway, "much").await;
        }
    }
    for gateway in &both {
        ask(gateway, "m-openai-compatible").await;
        let end = Instant::now() + SOON;
        while !gateway
            .admin("/metrics")
            .await
            .text()
            .contains("yumen_budget_soft_crossed_total{level=\"team\"")
        {
            assert!(Instant::now() < end);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    until("a message", || to.requests().len() == 1).await;
    // The other has looked by now, or never does.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(to.requests().len(), 1);
}
