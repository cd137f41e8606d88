//! Clients of OpenAI's legacy completions: runtimes that have the endpoint get their requests as they are, all others a
//! user's turn, and nobody what cannot be said there.

use tests::config::BARE;
use tests::planted::{Planter, seen};
use tests::tee::Tee;
use tests::*;

/// Runtimes that have the endpoint.
const OWN: [&str; 4] = ["vllm", "sglang", "llamacpp", "ollama"];

fn complete(gateway: &Gateway, model: &str, prompt: impl Into<Value>, stream: bool) -> Ask {
    Ask::post(gateway.listen, "/v1/completions")
        .key(KEY)
        .json(&json!({"model": model, "prompt": prompt.into()}))
        .with(|body| {
            if stream {
                body["stream"] = true.into();
            }
        })
}

/// What a good reply says: the texts of its choices by number, why each ended, its usage.
struct Said {
    texts: Vec<String>,
    finishes: Vec<String>,
    usage: Value,
}

fn good(reply: &Reply, what: &str) -> Said {
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    let streamed = reply
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    let text = reply.text();
    let chunks: Vec<Value> = if streamed {
        assert!(text.ends_with("data: [DONE]\n\n"), "{what}: {text}");
        let events = text
            .split("\n\n")
            .filter_map(|event| event.strip_prefix("data: "));
        let events = events.filter(|data| *data != "[DONE]");
        events
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    } else {
        vec![reply.json()]
    };
    let mut said = Said {
        texts: Vec::new(),
        finishes: Vec::new(),
        usage: Value::Null,
    };
    for chunk in chunks {
        assert_eq!(chunk["object"], "text_completion", "{what}: {chunk}");
        assert!(
            chunk["id"].is_string() && chunk["created"].is_u64(),
            "{what}: {chunk}"
        );
        for choice in chunk["choices"].as_array().unwrap() {
            let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
            while said.texts.len() <= index {
                said.texts.push(String::new());
                said.finishes.push(String::new());
            }
            said.texts[index] += choice["text"].as_str().unwrap();
            assert!(choice.get("logprobs").is_some(), "{what}: {choice}");
            if let Some(finish) = choice["finish_reason"].as_str() {
                said.finishes[index] = finish.to_owned();
            }
        }
        if chunk["usage"].is_object() {
            said.usage = chunk["usage"].clone();
        }
    }
    said
}

#[tokio::test]
async fn every_vendor_completes_a_prompt() {
    let sim = sim().await;
    let mut config = Config::all(&sim);
    for (vendor, _) in VENDORS {
        config.0["models"][format!("m-{vendor}")]["lossy"] = "drop".into();
    }
    let gateway = Gateway::start(&config).await;
    for (vendor, _) in VENDORS {
        for stream in [false, true] {
            let what = format!("{vendor}, stream: {stream}");
            let reply = complete(&gateway, &format!("m-{vendor}"), "你好,世界 🌏", stream)
                .send()
                .await;
            let said = good(&reply, &what);
            assert!(
                said.texts[0].contains("你好,世界 🌏"),
                "{what}: {}",
                reply.text()
            );
            assert_eq!(said.finishes, ["stop"], "{what}");
            // A stream tells usage only if it is asked to.
            let counts = !BARE.contains(vendor);
            assert_eq!(said.usage.is_null(), stream || !counts, "{what}");
            let closing = gateway.record(&reply).await;
            assert_eq!(closing["outcome"], "completed", "{what}");
            assert!(
                !counts || closing["tokens"]["completion"].as_u64() > Some(0),
                "{what}: {closing}"
            );
            let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
            assert_eq!(
                sent["prompt"].is_string(),
                OWN.contains(vendor),
                "{what}: {sent}"
            );
        }
    }
    let counted = complete(&gateway, "m-openai", "hi", true)
        .with(|body| body["stream_options"] = json!({"include_usage": true}));
    let said = good(&counted.send().await, "counted");
    assert!(said.usage["total_tokens"].is_u64());
    let cut = complete(&gateway, "m-anthropic", "one two three four five", false)
        .with(|body| body["max_tokens"] = 3.into());
    assert_eq!(good(&cut.send().await, "cut").finishes, ["length"]);
}

#[tokio::test]
async fn bytes_pass_as_they_are_but_for_the_models_name() {
    let sim = sim().await;
    let tee = Tee::start(sim.addr()).await;
    let mut config = Config::with(&sim, ["vllm"]);
    let base = config.0["providers"]["vllm"]["base_url"]
        .as_str()
        .unwrap()
        .to_owned();
    config.set("providers/vllm/base_url", tee.instead_of(&base));
    let gateway = Gateway::start(&config).await;
    for more in [
        "",
        ",\"stream\" :true,\"stream_options\":{\"include_usage\":true}",
    ] {
        let body = format!(
            "{{ \"prompt\" : [\"\\u4f60 \\/ a\", \"b\"] , \"n\":2,\"echo\":true,\"logprobs\":2, \"x_new\": [1.50]\n,\"model\" :\"MODEL\"{more} }}"
        );
        let reply = Ask::post(gateway.listen, "/v1/completions")
            .key(KEY)
            .bytes(body.replace("MODEL", "m-vllm"))
            .send()
            .await;
        let said = good(&reply, "passed");
        assert_eq!(said.texts.len(), 4);
        until("a whole reply on the wire", || !tee.replies().is_empty()).await;
        let (up, down) = (tee.requests().remove(0), tee.replies().remove(0));
        tee.clear();
        assert_eq!(
            String::from_utf8_lossy(&up.body),
            body.replace("MODEL", "local-model")
        );
        assert_eq!(reply.text(), String::from_utf8_lossy(&down.body));
        assert!(format!("{up:?}").contains("/vllm/v1/completions"), "{up:?}");
    }
}

#[tokio::test]
async fn what_a_chat_cannot_do_is_refused() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::with(&sim, ["openai", "vllm"])).await;
    for (field, value) in [
        ("prompt", json!(["a", "b"])),
        ("echo", json!(true)),
        ("suffix", json!("the end")),
        ("best_of", json!(3)),
    ] {
        let with =
            |model| complete(&gateway, model, "a", false).with(|body| body[field] = value.clone());
        let refused = with("m-openai").send().await;
        refused.refused(400, "invalid_request");
        assert_eq!(refused.json()["error"]["param"], field);
        good(&with("m-vllm").send().await, field);
    }
    // What nobody can inspect goes nowhere.
    let before = sim.requests().len();
    for ids in [json!([15339, 1917]), json!([[15339], [1917]])] {
        let reply = complete(&gateway, "m-vllm", ids, false).send().await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert_eq!(reply.json()["error"]["param"], "prompt");
    }
    assert_eq!(sim.requests().len(), before);
}

#[tokio::test]
async fn what_was_taken_out_comes_back() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["vllm", "anthropic"]);
    for vendor in ["vllm", "anthropic"] {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
        config.fault(&format!("{vendor}/small"), vendor, "@piece:1");
    }
    config.set(
        "policies",
        json!({"rules": [{"name": "persons", "find": ["CONTACT"], "remedy": "redact", "restore": true}], "labelling": {"producer": "test", "explicit": "prefix", "text": "〔AI〕"}}),
    );
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(0xC1);
    for vendor in ["vllm", "anthropic"] {
        for model in [format!("m-{vendor}"), format!("{vendor}/small")] {
            for stream in [false, true] {
                let what = format!("{model}, stream: {stream}");
                sim.clear();
                let phone = planter.mobile();
                let reply = complete(&gateway, &model, format!("打 {phone} 谢谢"), stream)
                    .send()
                    .await;
                let said = good(&reply, &what);
                assert!(said.texts[0].contains(&phone), "{what}: {}", said.texts[0]);
                assert!(
                    said.texts[0].starts_with("〔AI〕"),
                    "{what}: {}",
                    said.texts[0]
                );
                let sent: Vec<u8> = sim
                    .requests()
                    .iter()
                    .flat_map(|one| one.body.to_vec())
                    .collect();
                assert!(seen(&sent, planter.made()).is_empty(), "{what}");
            }
        }
    }
    gateway.assert_sound();
}

/// Whatever ends a stream early, its client is told so.
#[tokio::test]
async fn errors_in_mid_stream_end_it() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["vllm", "ollama", "tongyi", "openai"]);
    for vendor in ["vllm", "ollama", "tongyi", "openai"] {
        for (name, faults) in [
            ("cut", "@cutevent:6@gap:10"),
            ("error", "@errorevent:6@gap:10"),
            ("json", "@badjson:6@gap:10"),
        ] {
            config.fault(&format!("{vendor}/{name}"), vendor, faults);
        }
    }
    let gateway = Gateway::start(&config).await;
    for vendor in ["vllm", "ollama", "tongyi", "openai"] {
        for name in ["cut", "error", "json"] {
            let what = format!("{vendor}/{name}");
            let reply = complete(&gateway, &what, "one two three four five six", true)
                .send()
                .await;
            if reply.status != 200 {
                // So little had come that the reply had not begun.
                assert_eq!(reply.code(), "upstream_error", "{what}: {}", reply.text());
                continue;
            }
            let text = reply.text();
            let last = text.trim_end().rsplit_once("data: ").unwrap().1;
            let last: Value = serde_json::from_str(last).unwrap();
            assert_eq!(last["error"]["code"], "upstream_error", "{what}: {text}");
            let closing = gateway.record(&reply).await;
            assert_eq!(closing["outcome"], "upstream_error", "{what}: {closing}");
        }
    }
}
