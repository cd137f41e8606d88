//! The border, filed models, and what cannot be read.

use super::{ID, PHONE, bench, bench_with, check, told};
use tests::*;

#[tokio::test]
async fn nothing_above_its_grade_crosses_the_border() {
    let bench = bench_with(json!({"cross_border": {"max_grade": "public"}}), |config| {
        config.set("providers/abroad/clearance", "restricted");
        config.model("far", &[("abroad", "big")]);
    })
    .await;
    check(&bench.asks("hello").await, "abroad", "allow", "public");
    let ask = bench
        .gateway
        .chat("m", "hello")
        .header("x-yumen-grade", "internal");
    check(&ask.send().await, "home", "reroute", "internal");
    let ask = bench
        .gateway
        .chat("far", "hello")
        .header("x-yumen-grade", "internal");
    ask.send().await.refused(403, "no_cleared_provider");
    assert_eq!(bench.abroad.requests().len(), 1);
}

/// What is redacted may cross; what is only rerouted stays.
#[tokio::test]
async fn redaction_may_open_the_border() {
    let bench = bench_with(
        json!({"cross_border": {"max_grade": "public"}, "rules": [
            {"name": "p", "find": ["CN_MOBILE"], "remedy": "redact"}, {"name": "i", "find": ["CN_ID_CARD"], "remedy": "reroute"},
        ]}),
        |config| {
            config.set("providers/abroad/clearance", "restricted");
        },
    )
    .await;
    assert_eq!(
        told(&bench.asks(&format!("电话 {PHONE}")).await).0,
        "abroad"
    );
    assert_eq!(told(&bench.asks(&format!("证件 {ID}")).await).0, "own");
    assert!(
        bench
            .abroad
            .requests()
            .iter()
            .all(|request| !String::from_utf8_lossy(&request.body).contains(PHONE))
    );
}

#[tokio::test]
async fn the_pack_cn_pipl_keeps_graded_data_at_home() {
    let bench = bench_with(json!({"packs": ["cn-pipl"]}), |config| {
        config.set("providers/abroad/clearance", "restricted");
    })
    .await;
    let ask = bench
        .gateway
        .chat("m", "hello")
        .header("x-yumen-grade", "internal");
    assert_eq!(told(&ask.send().await).0, "home");
    let reply = bench.asks(&format!("证件 {ID}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(
        bench
            .abroad
            .requests()
            .iter()
            .chain(&bench.home.requests())
            .all(|request| !String::from_utf8_lossy(&request.body).contains(ID))
    );
}

#[tokio::test]
async fn keys_for_the_public_reach_filed_models_only() {
    let bench = bench_with(json!({"require_filed_model": true}), |config| {
        config.key("public", "ym-law-public-00000", json!({"public": true}));
        config.0["models"]["m"]["targets"][1]["filing"] = "Beijing-0001".into();
    })
    .await;
    assert_eq!(told(&bench.asks("hi").await).0, "abroad");
    let reply = bench
        .gateway
        .chat("m", "hi")
        .key("ym-law-public-00000")
        .send()
        .await;
    assert_eq!(told(&reply).0, "home", "{}", reply.text());
    let reply = bench
        .gateway
        .chat("outside", "hi")
        .key("ym-law-public-00000")
        .send()
        .await;
    let message = reply.refused(403, "no_cleared_provider");
    assert!(message.contains("filed"), "{message}");
}

/// Images, sound and files are not read: they count as the highest grade, or what the config says.
#[tokio::test]
async fn what_cannot_be_read_has_a_grade_too() {
    let content = json!([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]);
    let sound =
        json!([{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}]);
    let file = json!([{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="}}]);
    let binary = json!([{"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,/////w=="}}]);
    let inline = json!("![a](data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==)");
    let default = bench(json!({"grades": {"CN_MOBILE": "confidential"}})).await;
    let set = bench(json!({"media": "confidential"})).await;
    for media in [content, sound, file, binary, inline] {
        for (bench, provider) in [(&default, "own"), (&set, "home")] {
            let ask = bench
                .gateway
                .chat("m", "")
                .with(|body| body["messages"][0]["content"] = media.clone());
            let reply = ask.send().await;
            assert_eq!(told(&reply).0, provider, "{media}: {}", reply.text());
        }
    }
    let text = json!([{"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGVsbG8="}}]);
    let reply = default
        .gateway
        .chat("m", "")
        .with(|body| body["messages"][0]["content"] = text)
        .send()
        .await;
    assert_eq!(told(&reply).0, "abroad");
}
