//! Replies that policy ends, that wait too long, and that it only watches.

use super::{bench, hiding};
use std::time::Duration;
use tests::planted::{Planter, seen};
use tests::scripted::{Scripted, delta, pieces};
use tests::upstream::Upstream;
use tests::*;

async fn refusing() -> (Scripted, Upstream, Gateway) {
    let upstream = Scripted::start().await;
    let other = Upstream::good().await;
    let mut config = Config::new();
    config
        .plain_at("m", &upstream.origin())
        .plain_at("other", &other.origin());
    config.model("m", &[("m", "some-model"), ("other", "some-model")]);
    config.set(
        "policies",
        json!({"output": {"find": ["CN_MOBILE", "CN_ID_CARD"], "remedy": "refuse", "message": "No numbers of persons."}}),
    );
    let gateway = Gateway::start(&config).await;
    (upstream, other, gateway)
}

fn content(text: &str, size: usize) -> Vec<String> {
    pieces(text, size)
        .iter()
        .map(|piece| delta(0, &json!({"content": piece})))
        .collect()
}

#[tokio::test]
async fn a_refusal_before_the_first_content_is_a_403_and_no_reason_to_try_another() {
    let (upstream, other, gateway) = refusing().await;
    let mut planter = Planter::new(0x41);
    let phone = planter.mobile();
    let text = format!("{phone}, call me");
    upstream.whole(&json!({"role": "assistant", "content": text}));
    let whole = gateway.chat("m", "x").send().await;
    upstream.events(&content(&text, 40), 0);
    let streamed = gateway.stream("m", "x").send().await;
    upstream.stream(
        vec![(content(&text, 40).concat() + upstream::end_events()).into_bytes()],
        0,
    );
    let unstreamed = gateway.chat("m", "x").send().await;
    for reply in [whole, streamed, unstreamed] {
        let message = reply.refused(403, "policy_refused");
        assert!(
            message.contains("No numbers of persons.") && message.contains("output"),
            "{message}"
        );
        assert!(seen(&reply.body, planter.made()).is_empty());
        let closing = gateway.record(&reply).await;
        assert_eq!(closing["reply_policies"], json!(["output"]), "{closing}");
        assert_eq!(
            closing["reply_findings"],
            json!([{"type": "CN_MOBILE", "count": 1}]),
            "{closing}"
        );
        assert_eq!(closing["code"], "policy_refused", "{closing}");
    }
    assert_eq!(other.accepted(), 0);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_refusal_in_mid_stream_is_an_error_event_and_no_end() {
    let (upstream, other, gateway) = refusing().await;
    upstream.holds();
    let mut planter = Planter::new(0x42);
    for size in [1, 3, 8, 200] {
        let phone = planter.mobile();
        let text = format!("Of course, here it is: {phone}. Anything else?");
        let mut events = vec![delta(0, &json!({"role": "assistant", "content": "Well. "}))];
        events.extend(content(&text, size));
        upstream.events(&events, 3);
        let begun = gateway.stream("m", "x").open().await;
        upstream.lets_go();
        let reply = begun.rest().await;
        assert_eq!(reply.status, 200);
        let said = grammar::read(&reply.body);
        assert_eq!(
            said.error_code(),
            "policy_refused",
            "{size}: {}",
            reply.text()
        );
        assert!(
            !said.done && said.finish().is_empty(),
            "{size}: {}",
            reply.text()
        );
        assert!(said.text().starts_with("Well. "), "{size}: {}", said.text());
        let given = said.text().chars().filter(char::is_ascii_digit).count();
        assert_eq!(given, 0, "{size}: {}", said.text());
        assert!(!reply.text().contains("[DONE]") && !reply.text().contains("Anything"));
        let closing = gateway.record(&reply).await;
        assert_eq!(
            (&closing["outcome"], &closing["code"]),
            (&json!("refused"), &json!("policy_refused")),
            "{closing}"
        );
    }
    assert_eq!(other.accepted(), 0);
    gateway.assert_sound();
}

/// A key block that does not end: it waits no longer, and no longer than, its caps.
#[tokio::test]
async fn what_waits_beyond_its_caps_ends_the_stream() {
    let begin = "-----BEGIN RSA PRIVATE KEY-----\n";
    let upstream = Scripted::start().await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    config.set("policies", json!({"output": hiding()}));
    config.set(
        "stream",
        json!({"hold_bytes": "2KiB", "hold_time": "400ms"}),
    );
    let gateway = Gateway::start(&config).await;
    // Too long.
    let mut events = vec![delta(0, &json!({"content": "look: "}))];
    events.extend(content(
        &format!("{begin}{}", "MIIEowIBAAKCAQEA7".repeat(400)),
        40,
    ));
    upstream.hanging(
        vec![
            events[0].clone().into_bytes(),
            events[1..].concat().into_bytes(),
        ],
        30,
    );
    let reply = gateway.stream("m", "x").send().await;
    let said = grammar::read(&reply.body);
    assert_eq!(said.error_code(), "overloaded", "{}", reply.text());
    assert!(
        !said.done && !said.text().contains("MIIE"),
        "{}",
        said.text()
    );
    // Too slow.
    let events = [
        delta(0, &json!({"content": "look: "})),
        delta(0, &json!({"content": format!("{begin}MIIE")})),
    ];
    upstream.hanging(events.map(String::into_bytes).to_vec(), 30);
    let reply = gateway.stream("m", "x").send().await;
    let said = grammar::read(&reply.body);
    assert_eq!(said.error_code(), "overloaded", "{}", reply.text());
    assert!(
        !said.done && !said.text().contains("BEGIN"),
        "{}",
        said.text()
    );
    assert!(
        reply.took > Duration::from_millis(380) && reply.took < Duration::from_secs(4),
        "{:?}",
        reply.took
    );
    let closing = gateway.record(&reply).await;
    assert_eq!(closing["code"], "overloaded", "{closing}");
    // Nothing waits: silence alone is no reason.
    upstream.events(
        &[
            delta(0, &json!({"content": "好。\n"})),
            delta(0, &json!({"content": "完。"})),
        ],
        700,
    );
    let reply = gateway.stream("m", "x").send().await;
    assert_eq!(
        grammar::read(&reply.body).text(),
        "好。\n完。",
        "{}",
        reply.text()
    );
    gateway.assert_sound();
}

#[tokio::test]
async fn a_rule_in_shadow_only_notes() {
    let mut output = hiding();
    output["mode"] = "shadow".into();
    let (upstream, gateway) = bench(output).await;
    let mut planter = Planter::new(0x44);
    let phone = planter.mobile();
    let text = format!("call {phone} now");
    upstream.whole(&json!({"role": "assistant", "content": text}));
    let whole = gateway.chat("m", "x").send().await;
    assert_eq!(whole.said(), text);
    let events = content(&text, 3);
    upstream.events(&events, 0);
    let streamed = gateway.stream("m", "x").send().await;
    assert_eq!(streamed.text(), events.concat() + upstream::end_events());
    for reply in [whole, streamed] {
        let closing = gateway.record(&reply).await;
        assert_eq!(closing["reply_shadowed"], json!(["output"]), "{closing}");
        assert_eq!(
            closing["reply_findings"],
            json!([{"type": "CN_MOBILE", "count": 1}]),
            "{closing}"
        );
        assert!(closing.get("reply_policies").is_none(), "{closing}");
    }
}

/// A client that leaves ends the stream; what was found until then is in its record.
#[tokio::test]
async fn a_client_that_leaves_leaves_a_full_record() {
    let (upstream, gateway) = bench(hiding()).await;
    let mut planter = Planter::new(0x45);
    let text = format!("打 {} 或 {}。好的。\n", planter.mobile(), planter.mobile());
    let pieces = content(&text, 7).into_iter().map(String::into_bytes);
    upstream.hanging(pieces.collect(), 0);
    let mut live = gateway.stream("m", "x").open().await;
    live.until("好的").await;
    let id = live.headers["x-request-id"].to_str().unwrap().to_owned();
    live.leave();
    let mut closing = None;
    until("the closing record", || {
        closing = gateway.journal().ending(&id);
        closing.is_some()
    })
    .await;
    let closing = closing.unwrap();
    assert_eq!(
        closing["reply_findings"],
        json!([{"type": "CN_MOBILE", "count": 2}]),
        "{closing}"
    );
    assert_eq!(closing["outcome"], "client_closed", "{closing}");
}
