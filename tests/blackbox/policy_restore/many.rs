//! Many values at once: what a body's size allows takes time in proportion to it, not to its square.

use super::{bench, talks};
use std::time::{Duration, Instant};
use tests::scripted::{Scripted, delta};
use tests::*;

const MANY: usize = 12_000;

/// That many different numbers.
fn phones() -> Vec<String> {
    (0..MANY)
        .map(|at| format!("138{:08}", 12_345_678 + at * 6131))
        .collect()
}

async fn took(what: &str, limit: u64, work: impl Future<Output = ()>) {
    let start = Instant::now();
    within(Duration::from_secs(60), what, work).await;
    // Generous: an unoptimised build on a busy machine. Work that grows with the square would take minutes.
    let took = start.elapsed();
    assert!(took < Duration::from_secs(limit), "{what}: {took:?}");
}

fn check(upstream: &Scripted, said: &str, phones: &[String]) {
    let sent = upstream.last().to_string();
    assert!(
        sent.contains(&format!("<CN_MOBILE_{MANY}>")),
        "labels are missing"
    );
    assert!(
        phones
            .iter()
            .step_by(1000)
            .all(|phone| said.contains(phone) && !sent.contains(phone))
    );
}

#[tokio::test]
async fn thousands_of_values_are_redacted_and_put_back_in_time() {
    let (upstream, gateway) = bench("placeholder").await;
    let phones = phones();
    let asked = phones.join(" ");
    let labels: Vec<String> = (1..=MANY).map(|at| format!("<CN_MOBILE_{at}>")).collect();
    let answer = labels.join(" ");
    took("a whole reply", 10, async {
        upstream.whole(&json!({"role": "assistant", "content": answer}));
        let said = gateway
            .chat("m", &asked)
            .limit(Duration::from_secs(60))
            .send()
            .await
            .said();
        assert_eq!(said, asked);
        check(&upstream, &said, &phones);
    })
    .await;
    took("a stream", 10, async {
        let events: Vec<String> = labels
            .chunks(40)
            .map(|some| delta(0, &json!({"content": some.join(" ") + " "})))
            .collect();
        upstream.events(&events, 0);
        let reply = gateway
            .stream("m", &asked)
            .limit(Duration::from_secs(60))
            .send()
            .await;
        assert_eq!(grammar::read(&reply.body).text().trim_end(), asked);
    })
    .await;
    gateway.assert_sound();
}

#[tokio::test]
async fn thousands_of_surrogates_are_put_back_in_time() {
    let (upstream, gateway) = bench("pseudonym").await;
    let asked = phones().join(" ");
    took("surrogates", 12, async {
        upstream.whole(&json!({"role": "assistant", "content": "ok"}));
        gateway
            .chat("m", &asked)
            .limit(Duration::from_secs(60))
            .send()
            .await;
        let sent = upstream.last()["messages"][0]["content"]
            .as_str()
            .unwrap()
            .to_owned();
        upstream.whole(&json!({"role": "assistant", "content": sent}));
        let said = gateway
            .chat("m", &asked)
            .limit(Duration::from_secs(60))
            .send()
            .await
            .said();
        // Two numbers may share a surrogate; then the first of them comes back.
        let same = said
            .split(' ')
            .zip(asked.split(' '))
            .filter(|(a, b)| a == b)
            .count();
        assert!(same > MANY - 20, "{same} of {MANY}");
    })
    .await;
    let few = "13900139000 13700137000";
    assert_eq!(talks(&upstream, &gateway, few, "x").await, "x");
}

/// A reply with many values under an output policy.
#[tokio::test]
async fn thousands_of_values_in_a_reply_are_redacted_in_time() {
    let upstream = Scripted::start().await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    config.set(
        "policies",
        json!({"output": {"find": ["CN_MOBILE"], "remedy": "redact"}}),
    );
    let gateway = Gateway::start(&config).await;
    let answer = phones().join(" ");
    took("a whole reply", 10, async {
        upstream.whole(&json!({"role": "assistant", "content": answer}));
        let said = gateway
            .chat("m", "x")
            .limit(Duration::from_secs(60))
            .send()
            .await
            .said();
        assert_eq!(said.matches("****").count(), MANY);
    })
    .await;
}
