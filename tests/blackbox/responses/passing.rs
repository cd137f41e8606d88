//! The client's own dialect on both sides; and what is answered in it without an upstream: errors, counts, what is not kept.

use super::*;
use tests::responses::read;
use tests::tee::Tee;

/// A gateway before the simulated vendor, with a recording wire between them.
async fn wired() -> (Tee, Sim, Gateway) {
    let sim = sim().await;
    let tee = Tee::start(sim.addr()).await;
    let mut config = Config::with(&sim, ["openai"]);
    let base = config.0["providers"]["openai"]["base_url"]
        .as_str()
        .unwrap()
        .to_owned();
    config.set("providers/openai/base_url", tee.instead_of(&base));
    let gateway = Gateway::start(&config).await;
    (tee, sim, gateway)
}

const UGLY: &str = "{ \"x_new\" :{\"a\":[1.50,null]},\n\t\"input\" : [ {\"role\":\"user\" , \"content\":[{ \"text\":\"\\u4f60 \\/ \\\"q\\\" 你好 \u{1F600}\",\"type\":\"input_text\" }]} ] ,\"model\"  :  \"MODEL\", \"store\" : false ,\"max_output_tokens\":70 STREAM }  \n";

#[tokio::test]
async fn bytes_pass_as_they_are_but_for_the_models_name() {
    let (tee, _sim, gateway) = wired().await;
    for field in ["", ",\"stream\" :true"] {
        let body = UGLY.replace("STREAM", field);
        let asked = body.replace("MODEL", "m-openai");
        let reply = Ask::post(gateway.listen, "/v1/responses")
            .key(KEY)
            .bytes(asked)
            .send()
            .await;
        good(&reply, "passed");
        until("a whole reply on the wire", || !tee.replies().is_empty()).await;
        let (up, down) = (tee.requests().remove(0), tee.replies().remove(0));
        tee.clear();
        assert_eq!(
            String::from_utf8_lossy(&up.body),
            body.replace("MODEL", "gpt-4o")
        );
        assert_eq!(reply.text(), String::from_utf8_lossy(&down.body));
        let head = format!("{up:?}");
        assert!(head.contains("/openai/v1/responses"), "{head}");
        assert!(!head.contains(KEY), "the client's key went up: {head}");
    }
}

/// Nothing is kept, here or there: what a client says of it goes, and what it refers to is not found.
#[tokio::test]
async fn nothing_is_kept_between_requests() {
    let (_tee, sim, gateway) = wired().await;
    for (stored, dropped) in [
        (None, None),
        (Some(json!(true)), Some("store")),
        (Some(json!(null)), None),
    ] {
        let ask = say(&gateway, "m-openai", "hi", false).with(|body| {
            if let Some(stored) = &stored {
                body["store"] = stored.clone();
            }
        });
        let reply = ask.send().await;
        good(&reply, "not stored");
        assert_eq!(reply.header("x-yumen-dropped"), dropped);
        let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
        assert_eq!(sent["store"], false, "{sent}");
    }
    let before = sim.requests().len();
    for (field, value, status) in [
        ("previous_response_id", json!("resp_0001"), 404),
        (
            "input",
            json!([{"type": "item_reference", "id": "msg_0001"}]),
            404,
        ),
        ("conversation", json!({"id": "conv_0001"}), 400),
        ("background", json!(true), 400),
        ("prompt", json!({"id": "pmpt_0001"}), 400),
    ] {
        let ask = say(&gateway, "m-openai", "hi", false).with(|body| body[field] = value);
        let reply = ask.send().await;
        refused(&reply, status, "invalid_request");
        let param = reply.json()["error"]["param"].as_str().unwrap().to_owned();
        assert!(param.starts_with(field), "{param}");
        assert!(!reply.text().contains("_0001"), "{}", reply.text());
    }
    for (method, path) in [
        ("GET", "/v1/responses/resp_0001"),
        ("DELETE", "/v1/responses/resp_0001"),
        ("GET", "/v1/responses/resp_0001/input_items"),
        ("POST", "/v1/responses/resp_0001/cancel"),
        ("POST", "/v1/responses/compact"),
    ] {
        let method = method.parse().unwrap();
        let reply = Ask::method(gateway.listen, method, path)
            .key(KEY)
            .send()
            .await;
        refused(&reply, 404, "invalid_request");
        assert!(
            reply.text().contains("keeps none"),
            "{path}: {}",
            reply.text()
        );
    }
    assert_eq!(sim.requests().len(), before);
}

/// A model that thinks gives out its thought so that it can be shown again; another vendor's thought is not shown to it.
#[tokio::test]
async fn thoughts_go_round_without_being_stored() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai"]);
    config.model("thinker", &[("openai", "gpt-5-mini")]);
    let gateway = Gateway::start(&config).await;
    let effort = |body: &mut Value| body["reasoning"] = json!({"effort": "high"});
    let said = good(
        &say(&gateway, "thinker", "hi", true)
            .with(effort)
            .send()
            .await,
        "thinks",
    );
    let thought = said.items("reasoning").next().unwrap();
    assert!(thought["encrypted_content"].is_string(), "{thought}");
    let foreign = json!({"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "anthropic.signature:c2ln"});
    let bare = json!({"type": "reasoning", "id": "rs_8", "summary": []});
    let ask = say(&gateway, "thinker", "", false).with(|body| {
        effort(body);
        let mut input = vec![bare, json!({"role": "user", "content": "hi"}), foreign];
        input.extend(said.response["output"].as_array().unwrap().clone());
        input.push(json!({"role": "user", "content": "and?"}));
        body["input"] = input.into();
    });
    good(&ask.send().await, "goes on");
    let sent: Value = serde_json::from_slice(&sim.requests().last().unwrap().body).unwrap();
    let types: Vec<&str> = sent["input"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["type"].as_str().unwrap_or("said"))
        .collect();
    assert_eq!(types, ["said", "reasoning", "message", "said"], "{sent}");
}

#[tokio::test]
async fn tokens_are_counted() {
    let (_tee, sim, gateway) = wired().await;
    let reply = Ask::post(gateway.listen, "/v1/responses/input_tokens")
        .key(KEY)
        .json(&json!({"model": "m-openai", "input": "some words to count"}))
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let counted = reply.json();
    assert_eq!(counted["object"], "response.input_tokens");
    assert!(counted["input_tokens"].as_u64().unwrap() > 1, "{counted}");
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn errors_have_the_dialects_shape() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["anthropic", "openai"]);
    for (vendor, name, faults) in [
        ("openai", "busy", "@status:503"),
        ("openai", "limit", "@status:429@retryafter:3"),
        ("openai", "long", "@code:context_length_exceeded"),
        ("anthropic", "broken", "@status:500"),
        ("openai", "garbage", "@html"),
    ] {
        config.fault(name, vendor, faults);
    }
    let gateway = Gateway::start(&config).await;
    for (model, status, code) in [
        ("nothing", 404, "model_not_found"),
        ("busy", 503, "upstream_error"),
        ("limit", 429, "rate_limit_exceeded"),
        ("long", 400, "context_length_exceeded"),
        ("broken", 500, "upstream_error"),
        ("garbage", 502, "upstream_error"),
    ] {
        for stream in [false, true] {
            let reply = say(&gateway, model, "hi", stream).send().await;
            refused(&reply, status, code);
        }
    }
    let bad = say(&gateway, "m-openai", "", false).with(|body| body["input"] = json!([]));
    refused(&bad.send().await, 400, "invalid_request");
    let chat = say(&gateway, "m-openai", "", false).with(|body| {
        body.as_object_mut().unwrap().remove("input");
        body["messages"] = json!([{"role": "user", "content": "hi"}]);
    });
    let reply = chat.send().await;
    refused(&reply, 400, "invalid_request");
    assert!(
        reply.text().contains("/v1/chat/completions"),
        "{}",
        reply.text()
    );
}

/// Whatever ends a stream early, its client is told so, and no response is completed.
#[tokio::test]
async fn errors_in_mid_stream_end_it() {
    let sim = sim().await;
    let mut config = Config::all(&sim);
    for vendor in every_vendor() {
        for (name, faults) in [
            ("cut", "@cutevent:6@gap:10"),
            ("error", "@errorevent:6@gap:10"),
            ("json", "@badjson:6@gap:10"),
        ] {
            config.fault(&format!("{vendor}/{name}"), vendor, faults);
        }
    }
    let gateway = Gateway::start(&config).await;
    for vendor in every_vendor() {
        for name in ["cut", "error", "json"] {
            let what = format!("{vendor}/{name}");
            let reply = say(&gateway, &what, "one two three four five six", true)
                .send()
                .await;
            if reply.status != 200 {
                // So little had come that the reply had not begun.
                refused(&reply, reply.status, "upstream_error");
                continue;
            }
            let said = read(&reply.body);
            let error = said
                .error
                .unwrap_or_else(|| panic!("{what}: {}", reply.text()));
            assert!(error["message"].is_string(), "{what}: {error}");
            assert!(error["code"].is_string(), "{what}: {error}");
            let own = OWN.contains(&vendor);
            assert_eq!(error["type"] == "error", own, "{what}: {error}");
            assert!(!reply.text().contains("simulated error"), "{what}");
        }
    }
}
