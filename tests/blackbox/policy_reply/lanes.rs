//! Several texts in one reply: choices, reasoning, refusals, calls, parts, and what repeats a text token by token.

use super::{bench, hiding};
use std::collections::BTreeMap;
use tests::planted::{Planter, seen};
use tests::scripted::{delta, finish, pieces};
use tests::*;

/// The texts of all lanes of a stream, by choice and place.
fn lanes(reply: &Reply) -> BTreeMap<String, String> {
    let mut lanes: BTreeMap<String, String> = BTreeMap::new();
    for chunk in grammar::read(&reply.body).chunks {
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().unwrap();
            let mut add = |name: String, text: &Value| {
                if let Some(text) = text.as_str() {
                    lanes
                        .entry(format!("{index} {name}"))
                        .or_default()
                        .push_str(text);
                }
            };
            let delta = &choice["delta"];
            for field in ["content", "reasoning_content", "refusal"] {
                add(field.into(), &delta[field]);
            }
            for part in delta["content"].as_array().into_iter().flatten() {
                add("part".into(), &part["text"]);
            }
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                add(
                    format!("call {}", call["index"]),
                    &call["function"]["arguments"],
                );
            }
        }
    }
    lanes
}

/// Two choices with reasoning, text, a refusal and two calls each, all at once, a few characters at a time.
#[tokio::test]
async fn interleaved_lanes_are_each_their_own_text() {
    let (upstream, gateway) = bench(hiding()).await;
    let mut planter = Planter::new(0x31);
    for size in [1, 2, 3, 7, 50] {
        let mut texts: Vec<(u64, &str, String)> = Vec::new();
        for choice in [0, 1] {
            for place in [
                "content",
                "reasoning_content",
                "refusal",
                "call 0",
                "call 1",
            ] {
                let (phone, id) = (planter.mobile(), planter.id_card());
                let text = if place.starts_with("call") {
                    format!(
                        "{{\"to\": \"{phone}\", \"note\": \"a\\\"b {id}\", \"n\": {phone}, \"k\": [1, {id}]}}"
                    )
                } else {
                    format!("打 {phone}, \"{id}\"\n给 {phone}")
                };
                texts.push((choice, place, text));
            }
        }
        let cut: Vec<Vec<String>> = texts
            .iter()
            .map(|(_, _, text)| pieces(text, size))
            .collect();
        let mut events = Vec::new();
        for (choice, place, _) in &texts {
            if let Some(at) = place.strip_prefix("call ") {
                let at: u64 = at.parse().unwrap();
                events.push(delta(*choice, &json!({"tool_calls": [{"index": at, "id": format!("call_{at}"), "type": "function", "function": {"name": "f", "arguments": ""}}]})));
            }
        }
        for turn in 0..cut.iter().map(Vec::len).max().unwrap() {
            for ((choice, place, _), pieces) in texts.iter().zip(&cut) {
                let Some(piece) = pieces.get(turn) else {
                    continue;
                };
                let said = match place.strip_prefix("call ") {
                    Some(at) => {
                        json!({"tool_calls": [{"index": at.parse::<u64>().unwrap(), "function": {"arguments": piece}}]})
                    }
                    None => json!({*place: piece}),
                };
                events.push(delta(*choice, &said));
            }
        }
        events.push(finish(1, "tool_calls"));
        upstream.events(&events, 0);
        let reply = gateway.stream("m", "x").send().await;
        assert!(
            seen(&reply.body, planter.made()).is_empty(),
            "{size}: {}",
            reply.text()
        );
        let lanes = lanes(&reply);
        for (choice, place, text) in &texts {
            let got = lanes
                .get(&format!("{choice} {place}"))
                .unwrap_or_else(|| panic!("{size}: no {choice} {place} in {}", reply.text()));
            let redacted = |value: &Value| value.as_str().is_some_and(|text| text.contains('*'));
            if place.starts_with("call") {
                let json: Value = serde_json::from_str(got)
                    .unwrap_or_else(|error| panic!("{size}: {error}: {got}"));
                assert!(
                    redacted(&json["to"]) && redacted(&json["n"]) && redacted(&json["k"][1]),
                    "{got}"
                );
                assert_eq!(json["k"][0], 1);
                assert!(json["note"].as_str().unwrap().starts_with("a\"b "), "{got}");
            } else {
                let shape = |text: &str| {
                    text.chars()
                        .filter(|c| !c.is_ascii_alphanumeric() && *c != '*')
                        .collect::<String>()
                };
                assert_eq!(shape(got), shape(text), "{size}");
                assert_eq!(got.chars().count(), text.chars().count(), "{got}");
            }
        }
        // Whole: the same texts, the same redactions.
        let choices: Vec<Value> = [0, 1]
            .map(|choice| {
                let of = |place: &str| texts.iter().find(|(c, p, _)| *c == choice && *p == place).map(|(_, _, text)| text.clone()).unwrap();
                let call = |at: u64| json!({"id": format!("call_{at}"), "type": "function", "function": {"name": "f", "arguments": of(&format!("call {at}"))}});
                json!({"index": choice, "finish_reason": "stop", "message": {"role": "assistant", "content": of("content"),
                    "reasoning_content": of("reasoning_content"), "refusal": of("refusal"), "tool_calls": [call(0), call(1)]}})
            })
            .into();
        upstream.whole_choices(&choices.into());
        let reply = gateway.chat("m", "x").send().await;
        assert!(
            seen(&reply.body, planter.made()).is_empty(),
            "{}",
            reply.text()
        );
        for choice in reply.json()["choices"].as_array().unwrap() {
            let message = &choice["message"];
            for field in ["content", "reasoning_content", "refusal"] {
                assert_eq!(
                    message[field],
                    lanes[&format!("{} {field}", choice["index"])],
                    "{size}"
                );
            }
            for at in [0, 1] {
                assert_eq!(
                    message["tool_calls"][at]["function"]["arguments"],
                    lanes[&format!("{} call {at}", choice["index"])]
                );
            }
        }
    }
    gateway.assert_sound();
}

/// Content that is a list of parts, and what else a vendor may put beside it.
#[tokio::test]
async fn parts_and_unknown_members_are_texts_too() {
    let (upstream, gateway) = bench(hiding()).await;
    let mut planter = Planter::new(0x32);
    for size in [1, 4, 30] {
        let phone = planter.mobile();
        let text = format!("call {phone} now");
        let places: [fn(&str) -> Value; 5] = [
            |piece| json!({"content": [{"type": "text", "text": piece}]}),
            |piece| json!({"content": null, "annotations": [{"type": "url_citation", "url_citation": {"title": piece}}]}),
            |piece| json!({"audio": {"transcript": piece}}),
            |piece| json!({"x_vendor": {"deep": [piece]}}),
            |piece| json!({"function_call": {"arguments": piece}}),
        ];
        for place in places {
            let events: Vec<String> = pieces(&text, size)
                .iter()
                .map(|piece| delta(0, &place(piece)))
                .collect();
            upstream.events(&events, 0);
            let reply = gateway.stream("m", "x").send().await;
            let values: String = reply
                .text()
                .split("data: ")
                .flat_map(|event| strings(&serde_json::from_str(event).unwrap_or_default()))
                .collect();
            assert!(
                seen(values.as_bytes(), planter.made()).is_empty(),
                "{size}: {}",
                reply.text()
            );
            assert!(
                values.contains("****") && values.contains("now"),
                "{size}: {values}"
            );
            let mut message = place(&text);
            message["role"] = "assistant".into();
            upstream.whole(&message);
            let reply = gateway.chat("m", "x").send().await;
            assert!(
                seen(&reply.body, planter.made()).is_empty() && reply.text().contains("****"),
                "{}",
                reply.text()
            );
        }
    }
    // Beside the choices.
    let phone = planter.mobile();
    let event = format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"citations\":[\"tel {phone}\"]}}\n\n"
    );
    upstream.events(&[event], 0);
    let reply = gateway.stream("m", "x").send().await;
    assert!(
        seen(&reply.body, planter.made()).is_empty(),
        "{}",
        reply.text()
    );
    gateway.assert_sound();
}

/// Strings of a value, but for the dialect's own.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().flat_map(strings).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(key, _)| {
                !["id", "object", "model", "type", "finish_reason"].contains(&key.as_str())
            })
            .flat_map(|(_, value)| strings(value))
            .collect(),
        _ => Vec::new(),
    }
}

/// Log probabilities hold the text once more, token by token.
#[tokio::test]
async fn log_probabilities_tell_nothing() {
    let (upstream, gateway) = bench(hiding()).await;
    let mut planter = Planter::new(0x33);
    let phone = planter.mobile();
    let token = |text: &str| json!({"token": text, "logprob": -0.1, "bytes": text.as_bytes(), "top_logprobs": [{"token": text, "logprob": -0.1, "bytes": text.as_bytes()}]});
    let tokens: Vec<Value> = pieces(&phone, 3).iter().map(|piece| token(piece)).collect();
    upstream.whole_choices(&json!([{"index": 0, "message": {"role": "assistant", "content": phone}, "logprobs": {"content": tokens, "refusal": null}, "finish_reason": "stop"}]));
    let reply = gateway
        .chat("m", "x")
        .with(|body| body["logprobs"] = true.into())
        .send()
        .await;
    assert_eq!(
        reply.json()["choices"][0]["logprobs"],
        Value::Null,
        "{}",
        reply.text()
    );
    assert!(seen(&reply.body, planter.made()).is_empty());
    let events: Vec<String> = pieces(&phone, 3)
        .iter()
        .map(|piece| {
            let logprobs = json!({"content": [token(piece)]});
            delta(0, &json!({"content": piece})).replace(
                "\"finish_reason\"",
                &format!("\"logprobs\":{logprobs},\"finish_reason\""),
            )
        })
        .collect();
    upstream.events(&events, 0);
    let reply = gateway
        .stream("m", "x")
        .with(|body| body["logprobs"] = true.into())
        .send()
        .await;
    for chunk in grammar::read(&reply.body).chunks {
        assert!(chunk["choices"][0]["logprobs"].is_null(), "{chunk}");
    }
    assert!(seen(&reply.body, planter.made()).is_empty());
}
