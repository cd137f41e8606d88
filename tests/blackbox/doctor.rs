//! `yumen doctor`: what works is said to work, and what does not is said to be what it is.

use std::process::Command;
use std::time::Duration;

use tests::config::{VENDORS, WITHOUT_TOOLS};
use tests::gateway::executable;
use tests::upstream::{Conn, Upstream, end_events, good_reply, reply, text_event};
use tests::*;

/// Exit code, standard output and standard error.
async fn doctor(config: &Config, more: &[&str]) -> (Option<i32>, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("yumen.yaml");
    std::fs::write(&file, config.text()).unwrap();
    let mut command = Command::new(executable());
    command.arg("doctor").arg("-c").arg(&file).args(more);
    let done = tokio::task::spawn_blocking(move || command.output().unwrap());
    let done = within(Duration::from_secs(90), "the doctor", done)
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

fn of<'v>(told: &'v Value, provider: &str) -> &'v Value {
    let all = told["providers"].as_array().unwrap();
    all.iter().find(|one| one["provider"] == provider).unwrap()
}

#[tokio::test]
async fn every_vendor_is_reached_in_its_own_way() {
    let sim = sim().await;
    let config = Config::all(&sim);
    let (code, out, err) = doctor(&config, &["--ask", "--json"]).await;
    let told: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    for (vendor, model) in VENDORS {
        let seen = of(&told, vendor);
        assert_eq!(seen["ok"], true, "{seen}");
        let target = &seen["targets"][*model];
        assert!(
            target["reply_ms"].is_u64() && target["stream_ms"].is_u64(),
            "{seen}"
        );
        if WITHOUT_TOOLS.contains(vendor) {
            assert_ne!(target["calls_tools"], true, "{seen}");
        }
    }
    assert_eq!((code, &told["ok"]), (Some(0), &json!(true)));
    assert!(!out.contains("planted"), "no credential is shown");
    // For people, and without a list of models a target is asked all the same.
    let (code, out, _) = doctor(&config, &["--provider", "wenxin-v1", "--provider", "vllm"]).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(
        out.contains("wenxin-v1 (wenxin-v1, 127.0.0.1:") && out.contains("reply "),
        "{out}"
    );
    assert!(
        out.contains("vllm (vllm, 127.0.0.1:") && out.contains("models"),
        "{out}"
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_apart() {
    let sim = sim().await;
    let refuses = reply(
        "401 Unauthorized",
        "application/json",
        r#"{"error":{"message":"Incorrect API key: sk-planted-echo","type":"invalid_request_error","code":"invalid_api_key"}}"#,
    );
    let refuses = Upstream::saying(refuses).await;
    let runtime = Upstream::start(|mut conn: Conn| async move {
        while let Some(request) = conn.request().await {
            let list = reply("200 OK", "application/json", r#"{"object":"list","data":[{"id":"there"}]}"#);
            let gone = reply("404 Not Found", "application/json", r#"{"error":{"message":"The model `gone` does not exist.","type":"NotFoundError","param":"model","code":404}}"#);
            let answer = match request.first_line().starts_with("GET ") {
                true => list,
                false if request.json()["model"] == "gone" => gone,
                false => good_reply(),
            };
            conn.write(answer.as_bytes()).await?;
        }
        Ok(())
    })
    .await;
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = unused.local_addr().unwrap();
    drop(unused);
    let mut config = Config::new();
    config.plain_at("good", &refuses.origin());
    config.provider("good", "openai-compatible", &sim.base_url("openai"));
    config.plain_at("key", &refuses.origin());
    config.plain_at("closed", &format!("http://{closed}"));
    config.plain_at("nowhere", "http://no-such-host.invalid:1");
    config.plain_at("plain", &runtime.origin().replace("http:", "https:"));
    config.provider("runtime", "xuanyuan", &runtime.origin());
    config.set("providers/runtime/clearance", "public");
    config.model("served", &[("runtime", "there")]);
    config.model("missing", &[("runtime", "gone")]);
    let (code, out, err) = doctor(&config, &["--json"]).await;
    assert_eq!(code, Some(1), "{out}{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["ok"], false);
    assert_eq!(of(&told, "good")["ok"], true, "{told}");
    for (provider, at) in [
        ("key", "credential"),
        ("closed", "connect"),
        ("nowhere", "dns"),
        ("plain", "tls"),
    ] {
        let seen = of(&told, provider);
        assert_eq!(
            (&seen["ok"], &seen["wrong"]["at"]),
            (&json!(false), &json!(at)),
            "{seen}"
        );
    }
    let runtime = of(&told, "runtime");
    assert_eq!(runtime["targets"]["there"]["listed"], true);
    let gone = &runtime["targets"]["gone"];
    assert_eq!(
        (&gone["listed"], &gone["wrong"]["at"]),
        (&json!(false), &json!("model")),
        "{runtime}"
    );
    assert_eq!(gone["serves"], json!(["missing"]));
    let hints = runtime["hints"].to_string();
    assert!(
        hints.contains("clearance is `public`") && hints.contains("chat template"),
        "{hints}"
    );
    assert!(
        !(out.clone() + &err).contains("planted"),
        "no credential, and nothing that a vendor wrote"
    );
    let (code, out, _) = doctor(&config, &["--provider", "good"]).await;
    assert_eq!(code, Some(0), "{out}");
    let (code, _, err) = doctor(&config, &["--provider", "none"]).await;
    assert_eq!(code, Some(2));
    assert!(err.contains("no provider `none`"), "{err}");
}

#[tokio::test]
async fn a_config_that_cannot_be_used_is_told_first() {
    let mut config = Config::new();
    config.set("models/m", json!({"targets": []}));
    let (code, out, err) = doctor(&config, &[]).await;
    assert_eq!((code, &*out), (Some(2), ""));
    assert!(err.contains("models.m.targets"), "{err}");
}

/// Something between us and the model that gathers a stream, and a model that is merely quick.
#[tokio::test]
async fn a_stream_that_is_held_back_is_told() {
    let streams = |wait: u64| async move {
        Upstream::start(move |mut conn: Conn| async move {
            while let Some(request) = conn.request().await {
                if request.first_line().starts_with("GET ") {
                    let list = r#"{"object":"list","data":[{"id":"some-model"}]}"#;
                    let list = reply("200 OK", "application/json", list);
                    conn.write(list.as_bytes()).await?;
                    continue;
                }
                if request.json()["stream"] != true {
                    conn.write(good_reply().as_bytes()).await?;
                    continue;
                }
                conn.pause(wait).await;
                let text: String = (0..20).map(|at| text_event(&at.to_string())).collect();
                let all = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{text}{}", end_events());
                conn.write(all.as_bytes()).await?;
                break;
            }
            Ok(())
        })
        .await
    };
    let (held, quick) = (streams(1500).await, streams(0).await);
    let mut config = Config::new();
    config.plain_at("held", &held.origin());
    config.plain_at("quick", &quick.origin());
    let (_, out, err) = doctor(&config, &["--ask", "--json"]).await;
    let told: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    let held = of(&told, "held").to_string();
    assert!(held.contains("all at once"), "{held}");
    let quick = of(&told, "quick").to_string();
    assert!(
        quick.contains("stream_ms") && !quick.contains("at once"),
        "{quick}"
    );
}
