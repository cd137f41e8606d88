//! Images of vendors that have a form of their own: tasks that take their time, lists, base64 under another name.

use super::{PHONE, ask};
use tests::*;

const PATH: &str = "/v1/images/generations";

fn config(sim: &Sim) -> Config {
    let mut config = Config::new();
    for (name, vendor, model) in [
        ("task", "tongyi", "wanx2.1-t2i-turbo"),
        ("once", "tongyi", "qwen-image"),
        ("list", "minimax", "image-01"),
        ("path", "wenxin-v1", "sd_xl"),
    ] {
        config.sim_provider(vendor, vendor, sim);
        config.set(&format!("providers/{vendor}/clearance"), "internal");
        config.model(name, &[(vendor, model)]);
    }
    let rules = json!([{"name": "no-phones", "find": ["CN_MOBILE"], "remedy": "redact"}]);
    config.set("policies", json!({"rules": rules}));
    config
}

#[tokio::test]
async fn a_task_is_asked_for_until_it_is_done() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let body =
        json!({"model": "task", "prompt": format!("slow 猫 {PHONE}"), "n": 2, "size": "1024x1024"});
    let reply = ask(&gateway, PATH, &body).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let urls: Vec<String> = reply.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["url"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        urls,
        ["https://img.example/0.png", "https://img.example/1.png"]
    );
    // Submitted once, asked for twice; what may not leave stood in none of it.
    let calls = sim.requests();
    let methods: Vec<&str> = calls.iter().map(|call| call.method.as_str()).collect();
    assert_eq!(methods, ["POST", "GET", "GET"]);
    assert!(
        calls
            .iter()
            .all(|call| call.headers.contains_key("authorization"))
    );
    let sent = String::from_utf8_lossy(&calls[0].body).into_owned();
    assert!(
        !sent.contains(PHONE) && sent.contains("1024*1024"),
        "{sent}"
    );
    // One that fails says why.
    let body = json!({"model": "task", "prompt": "forbidden"});
    let reply = ask(&gateway, PATH, &body).send().await;
    assert_eq!(
        reply.json()["error"]["code"],
        "content_filtered",
        "{}",
        reply.text()
    );
    // A client that leaves ends the asking.
    sim.clear();
    let body = json!({"model": "task", "prompt": "slow"});
    let gone = tokio::time::timeout(
        std::time::Duration::from_millis(500),
        ask(&gateway, PATH, &body).send(),
    )
    .await;
    assert!(gone.is_err());
    until("the record of a client that left", || {
        let journal = gateway.journal();
        journal
            .of("closed")
            .any(|record| record.text("outcome") == "client_closed")
    })
    .await;
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

#[tokio::test]
async fn lists_and_base64_arrive_in_openais_shape() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    for (model, body, want) in [
        (
            "once",
            json!({"size": "1024x1024"}),
            json!([{"url": "https://img.example/0.png"}]),
        ),
        (
            "list",
            json!({"n": 2, "size": "1536x1024"}),
            json!([{"url": "https://img.example/0.png"}, {"url": "https://img.example/1.png"}]),
        ),
        (
            "list",
            json!({"response_format": "b64_json"}),
            json!([{"b64_json": "UE5HIG9mIOeMqw=="}]),
        ),
        (
            "path",
            json!({"quality": "standard"}),
            json!([{"b64_json": "UE5HIG9mIOeMqw=="}]),
        ),
    ] {
        let mut body = body;
        body["model"] = model.into();
        body["prompt"] = "猫".into();
        let reply = ask(&gateway, PATH, &body).send().await;
        assert_eq!(reply.status, 200, "{body}: {}", reply.text());
        assert_eq!(reply.json()["data"], want, "{body}");
    }
    for (model, body, field) in [
        (
            "once",
            json!({"response_format": "b64_json"}),
            "response_format",
        ),
        ("path", json!({"response_format": "url"}), "response_format"),
        ("list", json!({"stream": true}), "stream"),
        ("list", json!({"size": "1024x10"}), "size"),
        ("task", json!({"size": "large"}), "size"),
    ] {
        let mut body = body;
        body["model"] = model.into();
        body["prompt"] = "猫".into();
        let reply = ask(&gateway, PATH, &body).send().await;
        let error = reply.json()["error"].clone();
        assert_eq!(
            (reply.status, &error["param"]),
            (400, &json!(field)),
            "{body}: {error}"
        );
    }
    gateway.assert_sound();
}
