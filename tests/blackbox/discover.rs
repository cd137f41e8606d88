//! Models that a runtime has join `models` by its own list: without a restart, and without more rights than they should have.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tests::gateway::Launch;
use tests::upstream::{Conn, Upstream, good_reply, reply};
use tests::*;

const NARROW: &str = "ym-discover-narrow";

/// A runtime whose list a test changes as it goes.
struct Runtime {
    upstream: Upstream,
    list: Arc<Mutex<Option<Vec<String>>>>,
}

impl Runtime {
    async fn start(models: &[&str]) -> Self {
        let list = Arc::new(Mutex::new(None::<Vec<String>>));
        let shared = Arc::clone(&list);
        let upstream = Upstream::start(move |mut conn: Conn| {
            let list = Arc::clone(&shared);
            async move {
                while let Some(request) = conn.request().await {
                    let answer = if !request.first_line().starts_with("GET /v1/models ") {
                        good_reply()
                    } else if let Some(models) = &*list.lock().unwrap() {
                        let rows: Vec<Value> = models.iter().map(|id| json!({"id": id})).collect();
                        let body = json!({"object": "list", "data": rows});
                        reply("200 OK", "application/json", &body.to_string())
                    } else {
                        reply("500 Broken", "text/plain", "CUDA out of memory")
                    };
                    conn.write(answer.as_bytes()).await?;
                }
                Ok(())
            }
        })
        .await;
        let runtime = Self { upstream, list };
        runtime.has(models);
        runtime
    }

    fn has(&self, models: &[&str]) {
        let models = models.iter().map(|name| (*name).to_owned()).collect();
        *self.list.lock().unwrap() = Some(models);
    }

    fn breaks(&self) {
        *self.list.lock().unwrap() = None;
    }

    /// What was asked of a model, by its name.
    fn asked(&self, model: &str) -> usize {
        let requests = self.upstream.requests();
        let posts = requests
            .iter()
            .filter(|r| r.first_line().starts_with("POST "));
        posts
            .filter(|request| request.json()["model"] == model)
            .count()
    }

    /// How often its list was asked for.
    fn lists(&self) -> usize {
        let requests = self.upstream.requests();
        requests
            .iter()
            .filter(|r| r.first_line().starts_with("GET "))
            .count()
    }

    /// Waits until its list has been asked for `more` times from now on.
    async fn listed(&self, more: usize) {
        let before = self.lists();
        until("lists to be asked for", || self.lists() >= before + more).await;
    }
}

fn config(sim: &Sim, runtimes: &[(&str, &Runtime)]) -> Config {
    let mut config = Config::plain(sim);
    for (name, runtime) in runtimes {
        config.provider(name, "vllm", &runtime.upstream.origin());
        config.set(&format!("providers/{name}/discover"), true);
        config.set(&format!("providers/{name}/discover_every"), "1s");
    }
    config.key("narrow", NARROW, json!({"models": ["found-a"]}));
    config
}

async fn listed(gateway: &Gateway, key: &str) -> Vec<String> {
    let reply = Ask::get(gateway.listen, "/v1/models").key(key).send().await;
    let reply = reply.json();
    let rows = reply["data"].as_array().unwrap();
    rows.iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn becomes(gateway: &Gateway, want: &[&str]) {
    let start = std::time::Instant::now();
    loop {
        let now = listed(gateway, KEY).await;
        if now == want {
            return;
        }
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{now:?}, not {want:?}: {}",
            gateway.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Limits of a provider whose models are all found come to be when they are found: restored before that, they were full.
#[tokio::test]
async fn what_found_models_used_is_used_after_a_crash_too() {
    let (sim, runtime) = (sim().await, Runtime::start(&["found-a"]).await);
    let mut config = config(&sim, &[("near", &runtime)]);
    config.set("providers/near/limits", json!({"rpd": 3}));
    let gateway = Gateway::start(&config).await;
    for _ in 0..2 {
        let reply = gateway.chat("found-a", "hi").send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        gateway.record(&reply).await;
    }
    gateway.signal("KILL");
    gateway.exited().await;
    let dir = Arc::clone(&gateway.dir);
    drop(gateway);
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    assert_eq!(gateway.chat("found-a", "hi").send().await.status, 200);
    let fourth = gateway.chat("found-a", "hi").send().await;
    assert_eq!(fourth.status, 429, "{}", fourth.text());
    assert_eq!(runtime.asked("found-a"), 3);
}

#[tokio::test]
async fn a_runtime_that_holds_its_list_hides_nobody_elses_models() {
    let (sim, quick) = (sim().await, Runtime::start(&["found-a"]).await);
    // It takes the question and never answers.
    let slow = Upstream::start(|mut conn: Conn| async move {
        while conn.request().await.is_some() {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        Ok(())
    })
    .await;
    let mut config = config(&sim, &[("quick", &quick)]);
    config.provider("slow", "vllm", &slow.origin());
    config.set("providers/slow/discover", true);
    let gateway = Gateway::start(&config).await;
    // From the first request on, not only when some list changes.
    assert_eq!(
        listed(&gateway, KEY).await,
        ["found-a", "m-openai-compatible"]
    );
}

#[tokio::test]
async fn models_come_and_go_with_the_runtimes_list() {
    let sim = sim().await;
    let runtime = Runtime::start(&["found-a", "m-openai-compatible", "not a name"]).await;
    let gateway = Gateway::start(&config(&sim, &[("gpu", &runtime)])).await;
    // They are there from the first request on; what the config names stays what the config says.
    assert_eq!(
        listed(&gateway, KEY).await,
        ["found-a", "m-openai-compatible"]
    );
    assert_eq!(listed(&gateway, NARROW).await, ["found-a"]);
    let reply = gateway.chat("found-a", "hi").send().await;
    assert_eq!(
        (reply.status, reply.header("x-yumen-provider")),
        (200, Some("gpu"))
    );
    let reply = gateway.chat("m-openai-compatible", "hi").send().await;
    assert_eq!(reply.header("x-yumen-provider"), Some("openai-compatible"));
    assert_eq!(
        (
            runtime.asked("found-a"),
            runtime.asked("m-openai-compatible")
        ),
        (1, 0)
    );

    // One comes; a key that may not ask for it may not.
    runtime.has(&["found-a", "org/found-b:7b"]);
    becomes(
        &gateway,
        &["found-a", "m-openai-compatible", "org/found-b:7b"],
    )
    .await;
    assert_eq!(
        gateway.chat("org/found-b:7b", "hi").send().await.status,
        200
    );
    let foreign = gateway
        .chat("org/found-b:7b", "hi")
        .key(NARROW)
        .send()
        .await;
    foreign.refused(403, "permission_denied");
    let metrics = gateway.admin("/metrics").await.text();
    assert!(
        metrics.contains("yumen_discovered_models{provider=\"gpu\"} 3"),
        "{metrics}"
    );

    // A runtime that loads another model is not gone at once.
    runtime.has(&["org/found-b:7b"]);
    runtime.listed(1).await;
    assert_eq!(gateway.chat("found-a", "hi").send().await.status, 200);
    becomes(&gateway, &["m-openai-compatible", "org/found-b:7b"]).await;
    let gone = gateway.chat("found-a", "hi").send().await;
    gone.refused(404, "model_not_found");

    // No list says nothing of models; and a reload forgets none.
    runtime.breaks();
    runtime.listed(2).await;
    gateway.signal("HUP");
    until("the reload", || gateway.log().contains("config reloaded")).await;
    assert_eq!(
        gateway.chat("org/found-b:7b", "hi").send().await.status,
        200
    );
    let metrics = gateway.admin("/metrics").await.text();
    assert!(
        !metrics.contains("yumen_discovery_failures_total{provider=\"gpu\"} 0"),
        "{metrics}"
    );
    assert!(
        !gateway.log().contains("CUDA"),
        "what a vendor wrote is not for our log"
    );

    let journal = gateway.journal();
    let told = |detail: &str, name: &str| {
        journal.of("event").any(|event| {
            event.payload["what"] == "models"
                && event.text("detail") == detail
                && event.payload["names"].to_string().contains(name)
        })
    };
    assert!(told("came at gpu", "found-a") && told("came at gpu", "org/found-b:7b"));
    assert!(told("went at gpu", "found-a"));
    gateway.assert_sound();
}

#[tokio::test]
async fn what_several_have_is_one_model_and_the_law_holds() {
    let sim = sim().await;
    let low = Runtime::start(&["found-a"]).await;
    let high = Runtime::start(&["found-a"]).await;
    let mut config = config(&sim, &[("low", &low), ("high", &high)]);
    config.set("providers/low/clearance", "public");
    config.0["keys"][0]["grade"] = "restricted".into();
    config.set("prices", json!({"file": "prices.yaml"}));
    let dir = Arc::new(tempfile::TempDir::new().unwrap());
    let table = "prices:\n  - { vendors: [vllm], model: \"found-*\", price: { input: 1, output: 1, currency: CNY }, date: 2026-01-01, source: x }\n";
    std::fs::write(dir.path().join("prices.yaml"), table).unwrap();
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    for _ in 0..8 {
        let reply = gateway.chat("found-a", "hi").send().await;
        assert_eq!(
            reply.header("x-yumen-provider"),
            Some("high"),
            "{}",
            reply.text()
        );
        let record = gateway.record(&reply).await;
        assert_eq!(record["cost_nano"], 4 * 1000);
    }
    assert_eq!(low.asked("found-a"), 0);
}

#[tokio::test]
async fn a_runtime_that_is_down_delays_nothing_and_is_found_later() {
    let sim = sim().await;
    let runtime = Runtime::start(&[]).await;
    runtime.breaks();
    let gateway = Gateway::start(&config(&sim, &[("gpu", &runtime)])).await;
    assert_eq!(listed(&gateway, KEY).await, ["m-openai-compatible"]);
    runtime.has(&["found-a"]);
    becomes(&gateway, &["found-a", "m-openai-compatible"]).await;
}

#[tokio::test]
async fn what_cannot_be_discovered_is_told() {
    let sim = sim().await;
    for (set, value, part) in [
        ("discover", json!(true), "has no list of models to discover"),
        (
            "discover_every",
            json!("10ms"),
            "discover_every: must be 1s to 1d",
        ),
    ] {
        let mut config = Config::with(&sim, ["tongyi"]);
        config.set(&format!("providers/tongyi/{set}"), value);
        let (code, _, err) = Launch::new(config.text()).ends().await;
        assert_eq!(code, Some(2));
        assert!(err.contains(part), "{err}");
    }
}
