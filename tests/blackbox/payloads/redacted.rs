//! What is redacted holds no value that the policies look for: not in the prompt, not in the reply, however the value came
//! to be there, and whether or not the law let it pass.

use super::*;
use tests::planted::{Planter, seen};
use tests::scripted::pieces;

/// Redacted records; `clearance` of the upstream decides whether the law lets values pass.
async fn bench(clearance: &str, policies: Value) -> (Scripted, Gateway) {
    let upstream = Scripted::start().await;
    let mut config = config(&upstream, json!({"payload": "redacted"}));
    config.set("providers/m/clearance", clearance);
    config.set("policies", policies);
    config.set("stream", json!({"hold_bytes": "1MiB"}));
    let gateway = Gateway::start(&config).await;
    (upstream, gateway)
}

fn rules(restore: bool) -> Value {
    json!({"rules": [
        {"name": "persons", "find": ["PERSON", "CONTACT", "FINANCIAL"], "remedy": "redact", "restore": restore},
        {"name": "words", "find": ["PROJECT"], "remedy": "redact", "restore": restore},
    ], "words": [{"name": "PROJECT", "words": ["昆仑 \"K2\"\n计划\\甲", "Blue Heron"]}]})
}

/// The text that a stream's record says, and all of it.
fn told(kept: &Value) -> (String, String) {
    let text = kept["reply"]["text"].as_str().unwrap().to_owned();
    let said = if text.starts_with("data:") {
        grammar::read(text.as_bytes()).text().to_owned()
    } else {
        let whole: Value = serde_json::from_str(&text).unwrap();
        whole["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    (said, text)
}

/// The target is cleared for everything, so the law changes nothing; or values are taken out and put back. What is
/// written down is the same.
#[tokio::test]
async fn no_value_is_written_down_in_any_cut_of_any_reply() {
    for (clearance, restore) in [("restricted", false), ("internal", true)] {
        let (upstream, gateway) = bench(clearance, rules(restore)).await;
        let mut planter = Planter::new(0xB1);
        let (phone, mail, id) = (planter.mobile(), planter.email(), planter.id_card());
        let new = planter.mobile();
        let asked = format!("甲 {phone}，邮箱 {mail}; 证件 {id}, Blue Heron");
        // What the model sees, it repeats; a number of its own is found too.
        let (first, second, word) = if restore {
            (
                "<CN_MOBILE_1>".to_owned(),
                "<EMAIL_1>".to_owned(),
                "<PROJECT_1>",
            )
        } else {
            (phone.clone(), mail.clone(), "Blue Heron")
        };
        let answer = format!("打{first}或{second}，{word}; 另有 {new}。");
        let want = "打<CN_MOBILE_1>或<EMAIL_1>，<PROJECT_1>; 另有 <CN_MOBILE_2>。";
        upstream.whole(&json!({"role": "assistant", "content": answer}));
        let mut replies = vec![gateway.chat("m", &asked).send().await];
        for size in [1, 2, 5, 400] {
            let events: Vec<String> = pieces(&answer, size)
                .iter()
                .map(|piece| delta(0, &json!({"content": piece})))
                .collect();
            upstream.events(&events, 0);
            replies.push(gateway.stream("m", &asked).send().await);
        }
        for reply in &replies {
            assert_eq!(reply.status, 200, "{}", reply.text());
            gateway.record(reply).await;
            let kept = unsealed(gateway.dir.path(), &id_of(reply), &[]);
            let (said, text) = told(&kept);
            assert_eq!(said, want, "{clearance}");
            let request = kept["request"]["text"].as_str().unwrap();
            assert!(
                request.contains("甲 <CN_MOBILE_1>，邮箱 <EMAIL_1>"),
                "{request}"
            );
            for text in [request, &text] {
                assert!(seen(text.as_bytes(), planter.made()).is_empty(), "{text}");
                assert!(!text.contains("Blue Heron"), "{text}");
            }
            // The client got the values.
            let got = if reply.text().starts_with("data:") {
                grammar::read(&reply.body).text().to_owned()
            } else {
                reply.said()
            };
            assert!(got.contains(&phone) && got.contains(&mail), "{got}");
        }
        let values = [&*phone, &*mail, &*id, &*new, "Blue Heron"];
        assert_nowhere(&audit_dir(&gateway), &values);
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn values_in_tools_reasoning_and_escapes_are_replaced_too() {
    let (upstream, gateway) = bench("restricted", rules(false)).await;
    let mut planter = Planter::new(0xB2);
    let (phone, mail) = (planter.mobile(), planter.email());
    let nested = json!({"to": phone, "say": "昆仑 \"K2\"\n计划\\甲", "mail": mail}).to_string();
    let message = json!({"role": "assistant", "content": null, "reasoning_content": format!("call {phone}"),
        "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "send", "arguments": nested}}]});
    upstream.whole(&message);
    let reply = gateway
        .chat("m", "send 昆仑 \"K2\"\n计划\\甲 to them")
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    gateway.record(&reply).await;
    let kept = unsealed(gateway.dir.path(), &id_of(&reply), &[]);
    let text = kept["reply"]["text"].as_str().unwrap();
    assert!(seen(text.as_bytes(), planter.made()).is_empty(), "{text}");
    let whole: Value = serde_json::from_str(text).unwrap();
    let call = &whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"];
    let call: Value = serde_json::from_str(call.as_str().unwrap()).unwrap();
    assert_eq!(call["to"], "<CN_MOBILE_1>");
    assert_eq!(call["say"], "<PROJECT_1>");
}

#[tokio::test]
async fn pictures_are_not_written_down() {
    let (upstream, gateway) = bench("restricted", rules(false)).await;
    says(&upstream, "a cat");
    let picture = planted::to_base64(&[0x89; 3000]);
    let mut ask = gateway.chat("m", "x");
    ask.edit(|body| {
        body["messages"][0]["content"] = json!([{"type": "text", "text": "what is it"},
            {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{picture}")}}]);
    });
    let reply = ask.send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    gateway.record(&reply).await;
    let kept = unsealed(gateway.dir.path(), &id_of(&reply), &[]);
    let text = kept["request"]["text"].as_str().unwrap();
    let whole: Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        whole["messages"][0]["content"][1]["image_url"]["url"],
        "<MEDIA>"
    );
    assert!(!text.contains(&picture[..40]));
}

#[tokio::test]
async fn what_cannot_be_read_is_not_kept_and_what_is_refused_is_redacted() {
    let policies =
        json!({"rules": [{"name": "no-phones", "find": ["CN_MOBILE"], "remedy": "refuse"}]});
    let (_upstream, gateway) = bench("restricted", policies).await;
    let mut planter = Planter::new(0xB3);
    let phone = planter.mobile();
    let reply = gateway.chat("m", &format!("ring {phone}")).send().await;
    assert_eq!(reply.status, 403);
    gateway.record(&reply).await;
    let kept = unsealed(gateway.dir.path(), &id_of(&reply), &[]);
    let text = kept["request"]["text"].as_str().unwrap();
    assert!(text.contains("ring <CN_MOBILE_1>"), "{text}");
    let broken = format!("{{\"model\": \"m\", \"messages\": \"{phone}");
    let reply = gateway.chat("m", "x").bytes(broken).send().await;
    assert_eq!(reply.status, 400);
    let denial = gateway.record(&reply).await;
    assert_eq!(denial["request_body"]["dropped"], "unreadable", "{denial}");
    assert!(denial["request_body"].get("file").is_none());
    assert_nowhere(&audit_dir(&gateway), &[&phone]);
}

/// The moderations call finds by itself, and is written down as any other.
#[tokio::test]
async fn moderations_are_redacted_too() {
    let (_upstream, gateway) = bench("restricted", rules(false)).await;
    let mut planter = Planter::new(0xB4);
    let inputs = json!([
        format!("a {}", planter.mobile()),
        format!("b {}", planter.email())
    ]);
    let reply = Ask::post(gateway.listen, "/v1/moderations")
        .key(KEY)
        .json(&json!({"input": inputs}))
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    gateway.record(&reply).await;
    let kept = unsealed(gateway.dir.path(), &id_of(&reply), &[]);
    let request: Value = serde_json::from_str(kept["request"]["text"].as_str().unwrap()).unwrap();
    assert_eq!(request["input"], json!(["a <CN_MOBILE_1>", "b <EMAIL_1>"]));
    assert_eq!(kept["reply"]["text"], reply.text());
}
