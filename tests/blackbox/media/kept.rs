//! What the audit log keeps of what is no chat: redacted like any prompt, and of sound nothing that was not asked for.

use super::{PHONE, Part, ask, form, send_form, transcribe};
use crate::payloads::{assert_nowhere, audit_dir, unsealed};
use tests::*;

fn config(sim: &Sim, payload: &str) -> Config {
    let mut config = Config::with(sim, ["openai", "vllm"]);
    let rules =
        json!([{"name": "no-phones", "find": ["CN_MOBILE"], "remedy": "redact", "restore": true}]);
    config.set("policies", json!({"rules": rules}));
    config.set(
        "audit",
        json!({"dir": "audit", "reserve_bytes": "1MiB", "payload": payload}),
    );
    config
}

#[tokio::test]
async fn no_value_is_written_down_of_what_is_no_chat() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim, "redacted")).await;
    let text = format!("打 {PHONE}");
    let file: Part<'_> = ("file", Some("a.wav"), b"RIFF");
    let parts = [
        ("model", None, &b"m-openai"[..]),
        ("prompt", None, text.as_bytes()),
        file,
    ];
    let mut replies = Vec::new();
    for (path, body) in [
        (
            "/v1/embeddings",
            json!({"model": "m-openai", "input": ["x", text]}),
        ),
        (
            "/v1/embeddings",
            json!({"model": "m-openai", "input": [1, 2]}),
        ),
        (
            "/v1/rerank",
            json!({"model": "m-vllm", "query": text, "documents": [text], "return_documents": true}),
        ),
        (
            "/v1/images/generations",
            json!({"model": "m-openai", "prompt": text}),
        ),
        (
            "/v1/audio/speech",
            json!({"model": "m-openai", "input": text, "voice": "v"}),
        ),
    ] {
        let reply = ask(&gateway, path, &body).send().await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        replies.push((path, reply));
    }
    replies.push(("a form", transcribe(&gateway, &parts).send().await));
    for format in ["text", "stream"] {
        let mut parts = parts.to_vec();
        match format {
            "text" => parts.push(("response_format", None, b"text")),
            _ => parts.push(("stream", None, b"true")),
        }
        let reply = send_form(&gateway, "/v1/audio/transcriptions", form(&parts))
            .send()
            .await;
        assert_eq!(reply.status, 200, "{format}");
        replies.push((format, reply));
    }
    for (what, reply) in &replies {
        gateway.record(reply).await;
        let kept = unsealed(
            gateway.dir.path(),
            reply.header("x-request-id").unwrap(),
            &[],
        );
        let request = kept["request"]["text"].as_str().unwrap();
        let ids = request.contains("<MEDIA>");
        assert!(
            ids || request.contains("<CN_MOBILE_1>"),
            "{what}: {request}"
        );
        assert!(!kept.to_string().contains(PHONE), "{what}: {kept}");
    }
    assert_nowhere(&audit_dir(&gateway), &[PHONE]);
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

#[tokio::test]
async fn sealed_is_all_that_passed() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim, "sealed")).await;
    let body = json!({"model": "m-openai", "input": "你好", "voice": "v"});
    let reply = ask(&gateway, "/v1/audio/speech", &body).send().await;
    let closing = gateway.record(&reply).await;
    assert_eq!(closing["reply_body"]["size"], 6000, "{closing}");
    let kept = unsealed(
        gateway.dir.path(),
        reply.header("x-request-id").unwrap(),
        &[],
    );
    assert!(
        kept["request"]["text"].as_str().unwrap().contains("你好"),
        "{kept}"
    );
    gateway.assert_sound();
}
