//! A gateway before an upstream that remembers every byte: for tests of what must never come that far.

use tests::upstream::Upstream;
use tests::*;

/// A gateway before an upstream that remembers every byte.
pub(crate) async fn bench() -> (Upstream, Gateway) {
    bench_with(|_| {}).await
}

pub(crate) async fn bench_with(change: impl FnOnce(&mut Config)) -> (Upstream, Gateway) {
    let upstream = Upstream::good().await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    change(&mut config);
    let gateway = Gateway::start(&config).await;
    (upstream, gateway)
}

/// Nothing went up, and the gateway still answers a good request.
pub(crate) async fn untouched(upstream: &Upstream, gateway: &Gateway) {
    assert_eq!(
        upstream.accepted(),
        0,
        "an upstream was reached: {}",
        String::from_utf8_lossy(&upstream.bytes())
    );
    assert_eq!(gateway.chat("m", "hi").send().await.said(), "good");
    gateway.assert_sound();
}

pub(crate) fn chat(fields: &str) -> Vec<u8> {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{fields}}}"#).into_bytes()
}

/// A good request as bytes, with these header lines in place of `host`.
pub(crate) fn request(lines: &str, body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\n{lines}authorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) const GOOD: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

/// A request that must never be seen by an upstream.
pub(crate) fn hidden() -> String {
    request(
        "host: x\r\n",
        r#"{"model":"m","messages":[{"role":"user","content":"SMUGGLED"}]}"#,
    )
}
