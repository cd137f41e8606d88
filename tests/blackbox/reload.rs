//! Reload: a good file replaces the running config at once and breaks nothing; a bad one changes nothing and says where.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::tls::Authority;
use tests::upstream::Upstream;
use tests::*;

fn base(sim: &Sim) -> Config {
    let mut config = Config::plain(sim);
    config.fault("slow", "openai-compatible", "@events:900@gap:10");
    config.key("second", "ym-reload-second-00", json!({}));
    config
}

async fn eventually(what: &str, gateway: &Gateway, model: &str, status: u16) {
    let start = std::time::Instant::now();
    loop {
        let reply = gateway.chat(model, "x").send().await;
        if reply.status == status {
            return;
        }
        assert!(
            start.elapsed() < SOON,
            "{what}: still {}: {}\n{}",
            reply.status,
            reply.text(),
            gateway.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn new_models_work_after_a_signal_and_old_ones_go() {
    let sim = sim().await;
    let mut config = base(&sim);
    let gateway = Gateway::start(&config).await;
    gateway
        .chat("fresh", "x")
        .send()
        .await
        .refused(404, "model_not_found");
    config.fault("fresh", "openai-compatible", "");
    config.0["models"]
        .as_object_mut()
        .unwrap()
        .remove("m-openai-compatible");
    gateway.rewrite(&config.text());
    gateway.signal("HUP");
    eventually("a new model", &gateway, "fresh", 200).await;
    eventually("a removed model", &gateway, "m-openai-compatible", 404).await;
    gateway.assert_sound();
}

#[tokio::test]
async fn a_change_of_the_file_is_enough() {
    let sim = sim().await;
    let mut config = base(&sim);
    let gateway = Gateway::start(&config).await;
    config.fault("fresh", "openai-compatible", "");
    gateway.rewrite(&config.text());
    eventually("a new model", &gateway, "fresh", 200).await;
}

#[tokio::test]
async fn a_pipe_in_the_files_place_keeps_no_reload_waiting() {
    let sim = sim().await;
    let mut config = base(&sim);
    let gateway = Gateway::start(&config).await;
    let file = gateway.dir.path().join("yumen.yaml");
    std::fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.unwrap().success());
    gateway.signal("HUP");
    until("the pipe is refused", || {
        gateway.log().contains("not a regular file")
    })
    .await;
    config.fault("fresh", "openai-compatible", "");
    gateway.rewrite(&config.text());
    gateway.signal("HUP");
    eventually("the next config", &gateway, "fresh", 200).await;
    gateway.assert_sound();
}

#[tokio::test]
async fn a_certificate_is_warned_of_before_it_expires_and_when_it_goes() {
    let sim = sim().await;
    let dir = Arc::new(tempfile::TempDir::new().unwrap());
    let authority = Authority::new();
    let write = |days: u64| {
        let identity = authority.issue_with("gate.test", |params| {
            let end = std::time::SystemTime::now() + Duration::from_secs(days * 86_400 + 3600);
            params.not_after = end.into();
        });
        identity.write(&dir, "gate");
    };
    write(5);
    let mut config = base(&sim);
    config.set("tls", json!({"cert": "gate.pem", "key": "gate.key"}));
    let gateway = Launch::new(config.text())
        .dir(Arc::clone(&dir))
        .start()
        .await;
    let said = "tls.cert: the certificate expires in 5 days";
    assert!(gateway.log().contains(said), "{}", gateway.log());
    let left = async || {
        let metrics = gateway.admin("/metrics").await.text();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("yumen_tls_expiry_seconds "));
        line.map(|left| left.parse::<i64>().unwrap() / 86_400)
    };
    assert_eq!(left().await, Some(5));
    write(100);
    gateway.reload(&config.text(), "config reloaded").await;
    assert_eq!(left().await, Some(100));
    assert_eq!(gateway.log().matches("the certificate expires").count(), 1);
    config.0.as_object_mut().unwrap().remove("tls");
    gateway.reload(&config.text(), "config reloaded").await;
    assert_eq!(left().await, None);
    let log = gateway.log();
    assert!(log.contains("new connections are plain http"), "{log}");
    assert!(!log.contains("read at start only"), "{log}");
    assert_eq!(
        gateway.chat("m-openai-compatible", "x").send().await.status,
        200
    );
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_where() {
    let sim = sim().await;
    let config = base(&sim);
    let gateway = Gateway::start(&config).await;
    let good = config.text();
    let cases = [
        ("not YAML", "listen: [".to_owned(), ""),
        (
            "an unknown field",
            good.replacen("\"admin\"", "\"adnim\"", 1),
            "adnim",
        ),
        (
            "a dangling provider",
            good.replacen(
                "\"provider\": \"openai-compatible\"",
                "\"provider\": \"openai-incompatible\"",
                1,
            ),
            "openai-incompatible",
        ),
        (
            "a wrong type",
            good.replacen("\"workers\": 1", "\"workers\": \"many\"", 1),
            "workers",
        ),
        (
            "an unset variable",
            good.replacen("\"restricted\"", "\"${YUMEN_TEST_UNSET}\"", 1),
            "YUMEN_TEST_UNSET",
        ),
        ("empty", String::new(), ""),
    ];
    for (what, text, word) in cases {
        assert!(text != good, "{what}");
        let before = gateway.log().len();
        gateway.rewrite(&text);
        gateway.signal("HUP");
        let place = regex_place(word);
        if what == "empty" {
            // An empty file is a config without keys: it may be used or refused, but not half.
            tokio::time::sleep(Duration::from_millis(300)).await;
        } else {
            until(&format!("{what}: the log says file:line:column"), || {
                gateway.log()[before..].lines().any(&place)
            })
            .await;
            let reply = gateway.chat("m-openai-compatible", "x").send().await;
            assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        }
        gateway.rewrite(&good);
        gateway.signal("HUP");
        eventually(what, &gateway, "m-openai-compatible", 200).await;
    }
    let metrics = gateway.admin("/metrics").await.text();
    let failures = metrics
        .lines()
        .find(|line| line.starts_with("yumen_config_reload_failures_total"));
    assert!(
        failures.is_some_and(|line| !line.ends_with(" 0")),
        "{failures:?}"
    );
    gateway.assert_sound();
}

/// Whether a line names a place in the config file (`yumen.yaml:12:3`) and `word`.
fn regex_place(word: &str) -> impl Fn(&str) -> bool {
    move |line| {
        let Some((_, rest)) = line.split_once("yumen.yaml:") else {
            return false;
        };
        let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
        let place = numbers.next().is_some_and(|line| !line.is_empty())
            && numbers.next().is_some_and(|column| !column.is_empty());
        place && line.contains(word)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_under_load_fail_nobody() {
    let sim = sim().await;
    let mut config = base(&sim);
    config
        .fault("stream", "openai-compatible", "@events:20@gap:5")
        .set("runtime/workers", 2);
    let gateway = Arc::new(Gateway::start(&config).await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = tokio::task::JoinSet::new();
    for at in 0..6 {
        let (gateway, stop) = (Arc::clone(&gateway), Arc::clone(&stop));
        load.spawn(async move {
            let mut session = Session::to(gateway.listen, false).await;
            let mut count = 0;
            while !stop.load(Relaxed) {
                if at % 2 == 0 {
                    assert_eq!(
                        session
                            .send(gateway.chat("m-openai-compatible", "x"))
                            .await
                            .status,
                        200
                    );
                } else {
                    let reply = session.send(gateway.stream("stream", "x")).await;
                    assert!(grammar::read(&reply.body).done, "{}", reply.text());
                }
                count += 1;
            }
            count
        });
    }
    for round in 0..100 {
        config.fault(&format!("round-{}", round % 7), "openai-compatible", "");
        config.set("stream/ping", format!("{}s", 10 + round));
        gateway.rewrite(&config.text());
        gateway.signal("HUP");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    stop.store(true, Relaxed);
    let counts = load.join_all().await;
    assert!(counts.iter().all(|count| *count > 3), "{counts:?}");
    eventually("the last config", &gateway, "round-6", 200).await;
    gateway.assert_sound();
    gateway.journal().assert_balanced();
}

#[tokio::test]
async fn a_removed_keys_live_stream_ends_with_an_error_event() {
    let sim = sim().await;
    let mut config = base(&sim);
    let gateway = Gateway::start(&config).await;
    let mut revoked = gateway
        .stream("slow", "x")
        .key("ym-reload-second-00")
        .open()
        .await;
    let mut kept = gateway.stream("slow", "x").open().await;
    revoked.until("\"1 ").await;
    kept.until("\"1 ").await;
    config.0["keys"]
        .as_array_mut()
        .unwrap()
        .retain(|key| key["id"] != "second");
    gateway.rewrite(&config.text());
    gateway.signal("HUP");
    let reply = soon("the revoked stream's end", revoked.rest()).await;
    let said = grammar::read(&reply.body);
    assert_eq!(
        (said.error_code(), said.done),
        ("invalid_api_key", false),
        "{}",
        reply.text()
    );
    assert!(reply.complete);
    kept.until("\"40 ").await;
    kept.leave();
    gateway
        .chat("m-openai-compatible", "x")
        .key("ym-reload-second-00")
        .send()
        .await
        .refused(401, "invalid_api_key");
    until("one upstream call was cancelled for it", || {
        sim.cancelled() >= 1
    })
    .await;
}

#[tokio::test]
async fn a_running_stream_keeps_the_config_it_began_with() {
    let sim = sim().await;
    let mut config = base(&sim);
    config.fault("short", "openai-compatible", "@events:100@gap:10");
    let gateway = Gateway::start(&config).await;
    let mut live = gateway.stream("short", "x").open().await;
    live.until("\"1 ").await;
    config.0["models"].as_object_mut().unwrap().remove("short");
    gateway.rewrite(&config.text());
    gateway.signal("HUP");
    eventually("the model is gone", &gateway, "short", 404).await;
    assert!(grammar::read(&live.rest().await.body).done);
}

#[tokio::test]
async fn a_reload_gives_no_key_a_new_minute() {
    let sim = sim().await;
    let mut config = base(&sim);
    config.key("k", "ym-reload-rate-0000", json!({"limits": {"rpm": 2}}));
    let gateway = Gateway::start(&config).await;
    for _ in 0..2 {
        assert_eq!(
            gateway
                .chat("m-openai-compatible", "x")
                .key("ym-reload-rate-0000")
                .send()
                .await
                .status,
            200
        );
    }
    config.fault("fresh", "openai-compatible", "");
    gateway.rewrite(&config.text());
    gateway.signal("HUP");
    eventually("the new config", &gateway, "fresh", 200).await;
    gateway
        .chat("m-openai-compatible", "x")
        .key("ym-reload-rate-0000")
        .send()
        .await
        .refused(429, "rate_limit_exceeded");
}

#[tokio::test]
async fn a_providers_new_address_and_key_are_used_at_once() {
    let (old, new) = (Upstream::good().await, Upstream::good().await);
    let mut config = Config::new();
    config.plain_at("m", &old.origin());
    let gateway = Gateway::start(&config).await;
    assert_eq!(gateway.chat("m", "x").send().await.said(), "good");
    config
        .plain_at("m", &new.origin())
        .set("providers/m/api_key", "sk-rotated-key");
    gateway.rewrite(&config.text());
    gateway.signal("HUP");
    until("the new upstream is asked", || {
        new.accepted() > 0 || gateway.log().contains("eload")
    })
    .await;
    let start = std::time::Instant::now();
    while new.requests().is_empty() {
        assert_eq!(gateway.chat("m", "x").send().await.said(), "good");
        assert!(start.elapsed() < SOON);
    }
    let heard = old.requests().len();
    for _ in 0..3 {
        assert_eq!(gateway.chat("m", "x").send().await.said(), "good");
    }
    assert_eq!(old.requests().len(), heard, "the old address is still used");
    let last = new.requests().pop().unwrap();
    assert_eq!(last.header("authorization"), Some("Bearer sk-rotated-key"));
    assert!(!gateway.log().contains("sk-rotated-key"));
}

/// A reload that came in the first moments ended the gateway.
#[tokio::test]
async fn a_hangup_while_it_starts_does_not_end_it() {
    let sim = sim().await;
    let mut config = base(&sim);
    // It waits for the store of keys before it serves: that it asks is seen.
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let store = format!("redis://{}", silent.local_addr().unwrap());
    config.set("state", json!({ "store": store }));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("yumen.yaml");
    std::fs::write(&file, config.text()).unwrap();
    let mut starting = std::process::Command::new(gateway::executable())
        .args(["serve", "-c"])
        .arg(&file)
        .current_dir(dir.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let _asked = soon("a question for keys", silent.accept()).await.unwrap();
    let hangup = std::process::Command::new("kill")
        .arg("-HUP")
        .arg(starting.id().to_string())
        .status();
    assert!(hangup.unwrap().success());
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let ended = starting.try_wait().unwrap();
    assert!(ended.is_none(), "{ended:?}");
    starting.kill().unwrap();
    starting.wait().unwrap();
}
