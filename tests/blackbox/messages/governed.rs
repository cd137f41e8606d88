//! Policies on this dialect: what is taken out of a request comes back in the reply, what may not come in does not, in
//! text, thoughts and arguments, however the pieces are cut, whoever answers.

use super::*;
use tests::messages::{ask, read};
use tests::planted::{Planter, seen};

fn config(sim: &Sim, policies: Value) -> Config {
    let mut config = Config::with(sim, ["anthropic", "openai", "tongyi"]);
    for vendor in ["anthropic", "openai", "tongyi"] {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
        for size in [1, 2, 5] {
            config.fault(
                &format!("{vendor}/{size}"),
                vendor,
                &format!("@piece:{size}"),
            );
        }
    }
    config.set("policies", policies);
    config
}

#[tokio::test]
async fn what_was_taken_out_comes_back() {
    let sim = sim().await;
    let policies = json!({"rules": [{"name": "persons", "find": ["PERSON", "CONTACT", "FINANCIAL"], "remedy": "redact", "restore": true}]});
    let gateway = Gateway::start(&config(&sim, policies)).await;
    let mut planter = Planter::new(0xA1);
    for vendor in ["anthropic", "openai", "tongyi"] {
        for size in [0, 1, 2, 5] {
            for stream in [false, true] {
                let model = if size == 0 {
                    format!("m-{vendor}")
                } else {
                    format!("{vendor}/{size}")
                };
                let what = format!("{model}, stream: {stream}");
                sim.clear();
                let (phone, mail) = (planter.mobile(), planter.email());
                let reply = say(
                    &gateway,
                    &model,
                    &format!("电话 {phone}, mail {mail} 🌏"),
                    stream,
                )
                .send()
                .await;
                let said = good(&reply, &what);
                assert!(
                    said.text().contains(&phone) && said.text().contains(&mail),
                    "{what}: {}",
                    said.text()
                );
                let sent: Vec<u8> = sim
                    .requests()
                    .iter()
                    .flat_map(|one| one.body.to_vec())
                    .collect();
                assert!(
                    seen(&sent, planter.made()).is_empty(),
                    "{what}: {}",
                    String::from_utf8_lossy(&sent)
                );
                assert_eq!(reply.header("x-yumen-verdict"), Some("redact"), "{what}");
            }
        }
    }
    gateway.assert_sound();
}

/// The upstream writes the labels, and values of its own, in every place of a reply.
async fn scripted(
    policies: Value,
) -> (
    std::sync::Arc<std::sync::Mutex<String>>,
    upstream::Upstream,
    Gateway,
) {
    let script = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let says = std::sync::Arc::clone(&script);
    let upstream = upstream::Upstream::start(move |mut conn| {
        let says = std::sync::Arc::clone(&says);
        async move {
            if conn.request().await.is_some() {
                conn.stream_head().await?;
                let text = says.lock().unwrap().clone();
                // The beginning is a read of its own: what follows is in mid-stream.
                let (first, rest) = text.split_at(text.floor_char_boundary(text.len() / 10));
                conn.write(first.as_bytes()).await?;
                conn.between(30).await;
                conn.write(rest.as_bytes()).await?;
            }
            Ok(())
        }
    })
    .await;
    let mut config = Config::new();
    config.provider("up", "anthropic", &upstream.origin());
    config.set("providers/up/clearance", "internal");
    config.model("m", &[("up", "claude-x")]);
    config.set("policies", policies);
    config.set("stream", json!({"hold_bytes": "1MiB"}));
    let gateway = Gateway::start(&config).await;
    (script, upstream, gateway)
}

fn event(name: &str, mut data: Value) -> String {
    data["type"] = name.into();
    format!("event: {name}\ndata: {data}\n\n")
}

/// A stream of blocks: kind of delta, its key, its pieces.
fn stream(blocks: &[(Value, &str, &str, Vec<String>)]) -> String {
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage});
    let mut all = event("message_start", json!({"message": message}));
    for (at, (block, kind, key, pieces)) in blocks.iter().enumerate() {
        all += &event(
            "content_block_start",
            json!({"index": at, "content_block": block}),
        );
        for piece in pieces {
            let mut delta = json!({"type": kind});
            delta[*key] = piece.clone().into();
            all += &event("content_block_delta", json!({"index": at, "delta": delta}));
        }
        all += &event("content_block_stop", json!({"index": at}));
    }
    all += &event(
        "message_delta",
        json!({"delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 9}}),
    );
    all + &event("message_stop", json!({}))
}

fn pieces(text: &str, size: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunks(size)
        .map(|piece| piece.iter().collect())
        .collect()
}

fn blocks_of(text: &str, size: usize) -> String {
    let args = json!({"who": text, "deep": [{"also": text}]}).to_string();
    stream(&[
        (
            json!({"type": "thinking", "thinking": "", "signature": ""}),
            "thinking_delta",
            "thinking",
            pieces(text, size),
        ),
        (
            json!({"type": "text", "text": ""}),
            "text_delta",
            "text",
            pieces(text, size),
        ),
        (
            json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}}),
            "input_json_delta",
            "partial_json",
            pieces(&args, size),
        ),
    ])
}

#[tokio::test]
async fn every_lane_is_hidden_and_restored_however_it_is_cut() {
    let (script, _upstream, gateway) = scripted(json!({
        "rules": [{"name": "persons", "find": ["CONTACT"], "remedy": "redact", "restore": true}],
        "output": {"find": ["CONTACT", "SECRET"], "remedy": "redact"},
    }))
    .await;
    let mut planter = Planter::new(0xA2);
    let mine = planter.mobile();
    for size in [1, 3, 7, 400] {
        let theirs = planter.mobile();
        let text = format!("打 <CN_MOBILE_1> 或 \"{theirs}\"\n完");
        *script.lock().unwrap() = blocks_of(&text, size);
        let reply = ask(gateway.listen, "m", &format!("我是 {mine}"))
            .with(|body| body["stream"] = true.into())
            .send()
            .await;
        let said = good(&reply, "hidden");
        let input = said.calls()[0].2.clone();
        let places = [
            said.thought(),
            said.text(),
            input["who"].as_str().unwrap().to_owned(),
            input["deep"][0]["also"].as_str().unwrap().to_owned(),
        ];
        for text in places {
            assert!(
                text.contains(&mine),
                "pieces of {size}: not restored: {text}"
            );
            assert!(
                !text.contains(&theirs),
                "pieces of {size}: not hidden: {text}"
            );
            assert!(text.ends_with("\n完"), "{text}");
        }
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn a_refusal_in_mid_stream_is_an_error_event() {
    let (script, upstream, gateway) =
        scripted(json!({"output": {"find": ["CONTACT"], "remedy": "refuse"}})).await;
    upstream.holds();
    let mut planter = Planter::new(0xA3);
    let phone = planter.mobile();
    let words = "words ".repeat(50);
    *script.lock().unwrap() = blocks_of(&format!("{words}{phone}"), 6);
    let begun = ask(gateway.listen, "m", "hi")
        .with(|body| body["stream"] = true.into())
        .open()
        .await;
    upstream.lets_go();
    let reply = begun.rest().await;
    let said = read(&reply.body);
    let error = said.error.clone().unwrap();
    assert_eq!(
        (&error["type"], &error["details"]["error_code"]),
        (&json!("permission_error"), &json!("policy_refused")),
        "{error}"
    );
    assert!(said.thought().starts_with("words ") && !reply.text().contains(&phone));
    upstream.lets_go();
    let reply = ask(gateway.listen, "m", &format!("call {phone}"))
        .send()
        .await;
    assert_ne!(reply.status, 0);
}

#[tokio::test]
async fn a_refused_request_is_told_in_its_shape() {
    let sim = sim().await;
    let policies =
        json!({"rules": [{"name": "no-secrets", "find": ["SECRET"], "remedy": "refuse"}]});
    let gateway = Gateway::start(&config(&sim, policies)).await;
    let key = Planter::new(0xA4).access_key();
    for stream in [false, true] {
        let reply = say(&gateway, "m-openai", &format!("key {key}"), stream)
            .send()
            .await;
        refused(&reply, 403, "permission_error", "policy_refused");
        assert!(reply.text().contains("no-secrets") && !reply.text().contains(&key));
    }
    // A header that travels on is looked at too; what SDKs send passes.
    let beta = "interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14,max-tokens-3-5-sonnet-2024-07-15";
    let fine = ask(gateway.listen, "m-anthropic", "hi").header("anthropic-beta", beta);
    good(&fine.send().await, "a beta");
    let before = sim.requests().len();
    let odd = ask(gateway.listen, "m-anthropic", "hi").header("anthropic-beta", &key);
    refused(&odd.send().await, 403, "permission_error", "policy_refused");
    assert_eq!(sim.requests().len(), before);
}
