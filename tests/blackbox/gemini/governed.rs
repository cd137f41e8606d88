//! Policies on this dialect: what is taken out of a request comes back in the reply, what may not come in does not, in
//! text, thoughts and arguments, however the pieces are cut, whoever answers, in every form.

use super::*;
use tests::gemini::{ask, read};
use tests::planted::{Planter, seen};

const BEFORE: [&str; 4] = ["gemini", "openai", "tongyi", "anthropic"];

fn config(sim: &Sim, policies: Value) -> Config {
    let mut config = Config::with(sim, BEFORE);
    for vendor in BEFORE {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
        for size in [1, 5] {
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
    let mut planter = Planter::new(0xB1);
    for vendor in BEFORE {
        for size in [1, 5] {
            for form in FORMS {
                let model = format!("{vendor}/{size}");
                let what = format!("{model}, {form:?}");
                sim.clear();
                let (phone, mail) = (planter.mobile(), planter.email());
                let text = format!("电话 {phone}, mail {mail} 🌏");
                let reply = say(&gateway, &model, &text, form).send().await;
                let said = good(&reply, form, &what);
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

type Script = std::sync::Arc<std::sync::Mutex<Vec<Value>>>;

/// The upstream writes the labels, and values of its own, in every place of a reply.
async fn scripted(policies: Value) -> (Script, upstream::Upstream, Gateway) {
    let script = Script::default();
    let says = std::sync::Arc::clone(&script);
    let upstream = upstream::Upstream::start(move |mut conn| {
        let says = std::sync::Arc::clone(&says);
        async move {
            if conn.request().await.is_some() {
                conn.stream_head().await?;
                let events = says.lock().unwrap().clone();
                for (at, event) in events.iter().enumerate() {
                    conn.write(format!("data: {event}\r\n\r\n").as_bytes())
                        .await?;
                    if at == 0 {
                        // The beginning is a read of its own: what follows is in mid-stream.
                        conn.between(30).await;
                    }
                }
            }
            Ok(())
        }
    })
    .await;
    let mut config = Config::new();
    config.provider("up", "gemini", &upstream.origin());
    config.set("providers/up/clearance", "internal");
    config.model("m", &[("up", "gemini-x")]);
    config.set("policies", policies);
    config.set("stream", json!({"hold_bytes": "1MiB"}));
    let gateway = Gateway::start(&config).await;
    (script, upstream, gateway)
}

fn event(part: Value, finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": [part]}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = finish.into();
    }
    json!({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}, "modelVersion": "gemini-x", "responseId": "r"})
}

fn pieces(text: &str, size: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let pieces = chars.chunks(size);
    pieces.map(|piece| piece.iter().collect()).collect()
}

/// A thought, a text and a call, each with the text in it.
fn stream(text: &str, size: usize) -> Vec<Value> {
    let thought = |piece: String| event(json!({"text": piece, "thought": true}), None);
    let said = |piece: String| event(json!({"text": piece}), None);
    let mut all: Vec<Value> = pieces(text, size).into_iter().map(thought).collect();
    all.extend(pieces(text, size).into_iter().map(said));
    let args = json!({"who": text, "deep": [{"also": text}]});
    all.push(event(
        json!({"functionCall": {"name": "f", "args": args}}),
        None,
    ));
    all.push(event(json!({"text": ""}), Some("STOP")));
    all
}

#[tokio::test]
async fn every_lane_is_hidden_and_restored_however_it_is_cut() {
    let (script, _upstream, gateway) = scripted(json!({
        "rules": [{"name": "persons", "find": ["CONTACT"], "remedy": "redact", "restore": true}],
        "output": {"find": ["CONTACT", "SECRET"], "remedy": "redact"},
    }))
    .await;
    let mut planter = Planter::new(0xB2);
    let mine = planter.mobile();
    for size in [1, 3, 7, 400] {
        for form in [Form::Events, Form::Array] {
            let theirs = planter.mobile();
            let text = format!("打 <CN_MOBILE_1> 或 \"{theirs}\"\n完");
            *script.lock().unwrap() = stream(&text, size);
            let reply = ask(gateway.listen, "m", &format!("我是 {mine}"), form)
                .send()
                .await;
            let said = good(&reply, form, "hidden");
            let args = said.calls()[0]["functionCall"]["args"].clone();
            let places = [
                said.thought(),
                said.text(),
                args["who"].as_str().unwrap().to_owned(),
                args["deep"][0]["also"].as_str().unwrap().to_owned(),
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
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn a_refusal_in_mid_stream_is_an_error_and_closes_the_array() {
    let (script, upstream, gateway) =
        scripted(json!({"output": {"find": ["CONTACT"], "remedy": "refuse"}})).await;
    upstream.holds();
    let phone = Planter::new(0xB3).mobile();
    let words = "words ".repeat(50);
    for form in [Form::Events, Form::Array] {
        *script.lock().unwrap() = stream(&format!("{words}{phone}"), 6);
        let begun = ask(gateway.listen, "m", "hi", form).open().await;
        upstream.lets_go();
        let reply = begun.rest().await;
        let said = read(&reply, form);
        let error = said.error.clone().unwrap();
        assert_eq!(
            (&error["status"], &error["details"][0]["reason"]),
            (&json!("PERMISSION_DENIED"), &json!("policy_refused")),
            "{error}"
        );
        assert!(said.thought().starts_with("words ") && !reply.text().contains(&phone));
    }
}

#[tokio::test]
async fn a_refused_request_is_told_in_its_shape() {
    let sim = sim().await;
    let policies =
        json!({"rules": [{"name": "no-secrets", "find": ["SECRET"], "remedy": "refuse"}]});
    let gateway = Gateway::start(&config(&sim, policies)).await;
    let key = Planter::new(0xB4).access_key();
    for form in FORMS {
        let reply = say(&gateway, "m-openai", &format!("key {key}"), form)
            .send()
            .await;
        refused(&reply, 403, "PERMISSION_DENIED", "policy_refused");
        assert!(reply.text().contains("no-secrets") && !reply.text().contains(&key));
    }
    assert!(sim.requests().is_empty());
}
