//! Labels of generated content (GB 45438-2025) and the filing numbers of models.

use tests::config::TRANSLATED;
use tests::scripted::{Scripted, delta, finish};
use tests::*;

const PREFIX: &str = "[AI \"生成\"] ";
const ID: &str = "11010519491231002X";

async fn bench(policies: Value) -> (Scripted, Gateway) {
    let upstream = Scripted::start().await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    config.set("providers/m/clearance", "public");
    config.set("policies", policies);
    let gateway = Gateway::start(&config).await;
    (upstream, gateway)
}

fn labelling() -> Value {
    json!({"producer": "示例\u{1F600} \"Ltd\"", "explicit": "prefix", "text": PREFIX})
}

/// The implicit label, which must be ASCII.
fn label(reply: &Reply) -> Value {
    let header = reply.headers.get("x-aigc").expect("a label").as_bytes();
    assert!(
        header.iter().all(|byte| (0x20..0x7f).contains(byte)),
        "{header:?}"
    );
    let label: Value = serde_json::from_slice(header).unwrap();
    let fields = [
        "ContentProducer",
        "ContentPropagator",
        "Label",
        "ProduceID",
        "PropagateID",
        "ReservedCode1",
        "ReservedCode2",
    ];
    let mut names: Vec<&str> = label
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(names, fields);
    assert_eq!(label["Label"], "1");
    assert_eq!(label["ProduceID"].as_str(), reply.header("x-request-id"));
    label
}

/// The text of each choice of a stream, put together.
fn choices(reply: &Reply, field: &str) -> Vec<String> {
    let mut texts = vec![String::new(); 3];
    for event in reply
        .text()
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
    {
        let Ok(event) = serde_json::from_str::<Value>(event) else {
            assert_eq!(event, "[DONE]");
            continue;
        };
        for choice in event["choices"].as_array().unwrap() {
            if let Some(text) = choice["delta"][field].as_str() {
                texts[usize::try_from(choice["index"].as_u64().unwrap()).unwrap()] += text;
            }
        }
    }
    texts
}

#[tokio::test]
async fn every_answer_has_the_implicit_label() {
    let (upstream, gateway) =
        bench(json!({"labelling": {"producer": "示例\u{1F600} \"Ltd\""}})).await;
    upstream.whole(&json!({"role": "assistant", "content": "good"}));
    let reply = gateway.chat("m", "x").send().await;
    assert_eq!(label(&reply)["ContentProducer"], "示例\u{1F600} \"Ltd\"");
    assert_eq!(
        reply.said(),
        "good",
        "no label that people see unless it is asked for"
    );
    upstream.events(&[delta(0, &json!({"content": "good"}))], 0);
    let reply = gateway.stream("m", "x").send().await;
    label(&reply);
    assert_eq!(choices(&reply, "content")[0], "good");
    // An error is nobody's content; a list of models neither.
    let reply = gateway.chat("nothing", "x").send().await;
    assert_eq!((reply.status, reply.header("x-aigc")), (404, None));
    let (upstream, gateway) = bench(json!({"media": "public"})).await;
    upstream.whole(&json!({"role": "assistant", "content": "good"}));
    assert_eq!(gateway.chat("m", "x").send().await.header("x-aigc"), None);
}

#[tokio::test]
async fn the_explicit_label_stands_once_before_each_choice() {
    let (upstream, gateway) = bench(json!({"labelling": labelling()})).await;
    upstream.whole_choices(&json!([
        {"index": 0, "message": {"role": "assistant", "content": "one"}, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": "two", "reasoning_content": "why"}, "finish_reason": "stop"},
    ]));
    let reply = gateway
        .chat("m", "x")
        .with(|body| body["n"] = 2.into())
        .send()
        .await;
    label(&reply);
    let json = reply.json();
    assert_eq!(
        json["choices"][0]["message"]["content"],
        format!("{PREFIX}one")
    );
    assert_eq!(
        json["choices"][1]["message"]["content"],
        format!("{PREFIX}two")
    );
    assert_eq!(json["choices"][1]["message"]["reasoning_content"], "why");
    for pause_ms in [0, 20] {
        upstream.events(
            &[
                delta(0, &json!({"role": "assistant", "content": ""})),
                delta(1, &json!({"role": "assistant", "content": ""})),
                delta(0, &json!({"reasoning_content": "why"})),
                delta(1, &json!({"content": "t"})),
                delta(0, &json!({"content": "one"})),
                delta(1, &json!({"content": "wo"})),
                delta(0, &json!({"content": " more"})),
                finish(0, "stop"),
            ],
            pause_ms,
        );
        let reply = gateway
            .stream("m", "x")
            .with(|body| body["n"] = 2.into())
            .send()
            .await;
        label(&reply);
        let texts = choices(&reply, "content");
        assert_eq!(texts[0], format!("{PREFIX}one more"), "{}", reply.text());
        assert_eq!(texts[1], format!("{PREFIX}two"));
        assert_eq!(choices(&reply, "reasoning_content")[0], "why");
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn json_and_tool_calls_are_not_touched() {
    let (upstream, gateway) = bench(json!({"labelling": labelling()})).await;
    let text = "{\"a\":1}";
    for format in [
        json!({"type": "json_object"}),
        json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}),
    ] {
        let formatted = |ask: Ask| ask.with(|body| body["response_format"] = format.clone());
        upstream.whole(&json!({"role": "assistant", "content": text}));
        let reply = formatted(gateway.chat("m", "x")).send().await;
        assert_eq!(reply.said(), text);
        label(&reply);
        upstream.events(&[delta(0, &json!({"content": text}))], 0);
        let reply = formatted(gateway.stream("m", "x")).send().await;
        assert_eq!(choices(&reply, "content")[0], text);
        label(&reply);
    }
    let plain = |ask: Ask| ask.with(|body| body["response_format"] = json!({"type": "text"}));
    upstream.whole(&json!({"role": "assistant", "content": "x"}));
    assert_eq!(
        plain(gateway.chat("m", "x")).send().await.said(),
        format!("{PREFIX}x")
    );
    let call = json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "find", "arguments": "{\"a\":1}"}});
    upstream.whole(&json!({"role": "assistant", "content": null, "tool_calls": [call]}));
    let message = gateway.chat("m", "x").send().await.json()["choices"][0]["message"].clone();
    assert_eq!(
        (&message["content"], &message["tool_calls"][0]),
        (&Value::Null, &call)
    );
    upstream.events(
        &[
            delta(0, &json!({"tool_calls": [call]})),
            finish(0, "tool_calls"),
        ],
        0,
    );
    let reply = gateway.stream("m", "x").send().await;
    assert!(!reply.text().contains("生成"), "{}", reply.text());
    assert!(reply.text().contains(&call.to_string()), "{}", reply.text());
    gateway.assert_sound();
}

#[tokio::test]
async fn restoring_and_output_rules_go_on_under_a_label() {
    let (upstream, gateway) = bench(json!({
        "labelling": labelling(),
        "rules": [{"name": "ids", "find": ["CN_ID_CARD"], "remedy": "redact", "restore": true}],
        "output": {"find": ["CN_MOBILE"], "remedy": "redact", "method": "placeholder"},
    }))
    .await;
    let said = "<CN_ID_CARD_1> has 13800138000.";
    let want = format!("{PREFIX}{ID} has <CN_MOBILE_1>.");
    let ask = format!("my id is {ID}");
    upstream.whole(&json!({"role": "assistant", "content": said}));
    assert_eq!(gateway.chat("m", &ask).send().await.said(), want);
    for size in [1, 3, 40] {
        let pieces = tests::scripted::pieces(said, size);
        let events: Vec<String> = pieces
            .iter()
            .map(|piece| delta(0, &json!({"content": piece})))
            .collect();
        upstream.events(&events, 0);
        let reply = gateway.stream("m", &ask).send().await;
        assert_eq!(choices(&reply, "content")[0], want, "in pieces of {size}");
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn other_dialects_are_labelled_too() {
    let sim = sim().await;
    let mut config = Config::with(&sim, TRANSLATED);
    config.set("policies", json!({"labelling": labelling()}));
    let gateway = Gateway::start(&config).await;
    for vendor in TRANSLATED {
        let model = format!("m-{vendor}");
        let reply = gateway.chat(&model, "hello").send().await;
        assert!(reply.said().starts_with(PREFIX), "{}", reply.text());
        label(&reply);
        let reply = gateway.stream(&model, "hello").send().await;
        label(&reply);
        let text = &choices(&reply, "content")[0];
        assert!(
            text.starts_with(PREFIX) && text.matches("生成").count() == 1,
            "{text}"
        );
    }
}

#[tokio::test]
async fn the_list_of_models_shows_filing_numbers() {
    let upstream = Scripted::start().await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    config.model("filed", &[("m", "a"), ("m", "b"), ("m", "c")]);
    for (at, number) in ["Beijing-X-2024", "Shanghai-Y-2025", "Beijing-X-2024"]
        .iter()
        .enumerate()
    {
        config.0["models"]["filed"]["targets"][at]["filing"] = (*number).into();
    }
    let gateway = Gateway::start(&config).await;
    let list = Ask::get(gateway.listen, "/v1/models")
        .key(KEY)
        .send()
        .await
        .json();
    let filed = json!(["Beijing-X-2024", "Shanghai-Y-2025"]);
    assert_eq!(
        (&list["data"][0]["id"], &list["data"][0]["filing"]),
        (&json!("filed"), &filed)
    );
    assert!(list["data"][1].get("filing").is_none(), "{list}");
    let one = Ask::get(gateway.listen, "/v1/models/filed")
        .key(KEY)
        .send()
        .await
        .json();
    assert_eq!(one["filing"], filed);
}
