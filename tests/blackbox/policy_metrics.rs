//! What the metrics say of policies: names of the config and numbers, never a value.

use tests::upstream::Upstream;
use tests::*;

const ID: &str = "11010519491231002X";
const PHONE: &str = "13800138000";

#[tokio::test]
async fn rules_findings_and_redactions_are_counted() {
    let upstream = Upstream::saying(upstream::reply(
        "200 OK",
        "application/json",
        &json!({"id": "c-1", "object": "chat.completion", "created": 1, "model": "some-model", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": format!("call {PHONE} or {PHONE}.")}, "finish_reason": "stop"}]})
        .to_string(),
    ))
    .await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    config.set("providers/m/clearance", "public");
    config.set(
        "policies",
        json!({
            "rules": [
                {"name": "planned", "find": ["CN_ID_CARD"], "remedy": "refuse", "mode": "shadow"},
                {"name": "ids", "find": ["CN_ID_CARD"], "remedy": "redact"},
                {"name": "cars", "find": ["VIN"], "remedy": "reroute"},
                {"name": "words", "find": ["MINE"], "remedy": "refuse"},
            ],
            "output": {"find": ["CN_MOBILE"], "remedy": "redact"},
            "words": [{"name": "MINE", "words": ["planted-word"]}],
        }),
    );
    let gateway = Gateway::start(&config).await;
    let ask = async |text: &str| gateway.chat("m", text).send().await.status;
    assert_eq!(
        ask(&format!("my id {ID}, hers 110101199003077176")).await,
        200
    );
    assert_eq!(ask(&format!("again {ID}")).await, 200);
    assert_eq!(ask("车架号 LSVAU033772121232").await, 403);
    assert_eq!(ask("the planted-word").await, 403);
    let metrics = gateway.admin("/metrics").await.text();
    for line in [
        "yumen_policy_decisions_total{rule=\"planned\",verdict=\"shadow\"} 2",
        "yumen_policy_decisions_total{rule=\"ids\",verdict=\"redact\"} 2",
        "yumen_policy_decisions_total{rule=\"cars\",verdict=\"reroute\"} 1",
        "yumen_policy_decisions_total{rule=\"words\",verdict=\"refuse\"} 1",
        "yumen_policy_decisions_total{rule=\"output\",verdict=\"redact\"} 2",
        "yumen_findings_total{type=\"CN_ID_CARD\",phase=\"request\"} 3",
        "yumen_findings_total{type=\"VIN\",phase=\"request\"} 1",
        "yumen_findings_total{type=\"MINE\",phase=\"request\"} 1",
        "yumen_findings_total{type=\"CN_MOBILE\",phase=\"reply\"} 4",
        "yumen_redactions_total{type=\"CN_ID_CARD\"} 3",
        "yumen_redactions_total{type=\"CN_MOBILE\"} 4",
        "yumen_policy_errors_total 0",
        "yumen_verdicts_total{verdict=\"redact\"} 2",
        "yumen_verdicts_total{verdict=\"refuse\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(!metrics.contains("yumen_redactions_total{type=\"VIN\"}"));
    for value in [ID, PHONE, "planted-word", "LSVAU"] {
        assert!(!metrics.contains(value), "{value}");
    }
    // A reload counts on, under the new rules.
    config.0["policies"]["rules"]
        .as_array_mut()
        .unwrap()
        .remove(0);
    gateway.reload(&config.text(), "config reloaded").await;
    assert_eq!(ask(&format!("my id {ID}")).await, 200);
    let metrics = gateway.admin("/metrics").await.text();
    for line in [
        "yumen_policy_decisions_total{rule=\"planned\",verdict=\"shadow\"} 2",
        "yumen_policy_decisions_total{rule=\"ids\",verdict=\"redact\"} 3",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    gateway.assert_sound();
}
