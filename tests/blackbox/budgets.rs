//! Budgets over the death of their process, and the entries that a figure is made of.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tests::gateway::{Launch, executable};
use tests::redis::Redis;
use tests::*;

const TOKEN: &str = "planted-admin-token-Bu22";
/// 1 yuan a million tokens: a thousand billionths each, whatever they are.
const NANO_A_TOKEN: u64 = 1000;

fn price() -> Value {
    json!({"input": 1, "output": 1, "currency": "CNY"})
}

/// A company with a budget of money, and a shop below it with one of tokens.
fn config(sim: &Sim) -> Config {
    let mut config = Config::plain(sim);
    config.set("admin/token", TOKEN);
    config.fault("slow", "openai-compatible", "@events:1000@gap:50");
    for model in ["m-openai-compatible", "slow"] {
        config.set(&format!("models/{model}/price"), price());
    }
    config.set("teams/company", json!({"budget": {"amount": 100}}));
    config.set(
        "teams/shop",
        json!({"parent": "company", "budget": {"tokens": 5_000_000, "period": "week"}}),
    );
    config.key("a", "ym-money-a-00000", json!({"team": "shop"}));
    config.key("b", "ym-money-b-00000", json!({"team": "company"}));
    config
}

async fn get(gateway: &Gateway, path: &str) -> Value {
    let reply = Ask::get(gateway.admin, path).key(TOKEN).send().await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

async fn budget(gateway: &Gateway, owner: &str) -> Value {
    let all = get(gateway, "/api/budgets").await;
    let budgets = all["budgets"].as_array().unwrap();
    let found = budgets.iter().find(|budget| budget["owner"] == owner);
    found.unwrap_or_else(|| panic!("{owner} in {all}")).clone()
}

/// Billionths of a decimal amount.
fn nano(text: &Value) -> u64 {
    let text = text.as_str().unwrap();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<9}").parse().unwrap()
}

/// Over the records, of teams: what closed requests cost, and what was reserved for those that nobody closed.
fn recorded(gateway: &Gateway, teams: &[&str], unit: &str) -> (u64, u64) {
    let journal = gateway.journal();
    let (mut spent, mut reserved) = (0, 0);
    for opening in journal.of("opened") {
        if !teams.contains(&opening.text("team")) {
            continue;
        }
        let end = journal.ending(opening.text("id")).unwrap();
        let figure = |value: &Value| value.as_u64().unwrap_or(0);
        match (end["outcome"].as_str().unwrap(), unit) {
            ("crashed", "money") => reserved += figure(&opening.payload["reserved_nano"]),
            ("crashed", _) => reserved += figure(&opening.payload["reserved_tokens"]),
            (_, "money") => spent += figure(&end["cost_nano"]),
            _ => spent += figure(&end["tokens"]["prompt"]) + figure(&end["tokens"]["completion"]),
        }
    }
    (spent, reserved)
}

fn yumen(arguments: &[&str], gateway: &Gateway) -> (Option<i32>, String, String) {
    let done = Command::new(executable())
        .args(arguments)
        .current_dir(gateway.dir.path())
        .env("YUMEN_ADMIN_TOKEN", TOKEN)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

/// Asks until the gateway is gone.
async fn client(gateway: Arc<Gateway>, key: &'static str) {
    for n in 0..10_000 {
        let ask = match n % 4 {
            3 => gateway.stream("m-openai-compatible", "how are you"),
            _ => gateway.chat("m-openai-compatible", "how are you"),
        };
        let ask = ask.key(key);
        let Some(mut session) = Session::to_or_none(ask.address()).await else {
            return;
        };
        let Ok(mut live) = session.open_or_end(ask).await else {
            return;
        };
        while live.next().await.is_some() {}
    }
}

#[tokio::test]
async fn a_budget_goes_on_where_a_killed_process_left_it() {
    let sim = sim().await;
    let mut config = config(&sim);
    config.set("runtime/workers", 2);
    let mut gateway = Arc::new(Gateway::start(&config).await);
    for round in 1..=2 {
        let clients: Vec<_> = ["ym-money-a-00000", "ym-money-b-00000"]
            .into_iter()
            .cycle()
            .take(4)
            .map(|key| tokio::spawn(client(Arc::clone(&gateway), key)))
            .collect();
        let stream = |key| gateway.stream("slow", "go on").key(key).open();
        let mut open = [
            stream("ym-money-a-00000").await,
            stream("ym-money-b-00000").await,
        ];
        for live in &mut open {
            live.until("data: ").await;
        }
        until("requests to be answered", || {
            gateway.journal().of("closed").count() > 60 * round
        })
        .await;
        gateway.signal("KILL");
        gateway.exited().await;
        for client in clients {
            client.await.unwrap();
        }
        let dir = Arc::clone(&gateway.dir);
        gateway = Arc::new(Launch::new(config.text()).dir(dir).start().await);
        let money = budget(&gateway, "team:company").await;
        let (spent, reserved) = recorded(&gateway, &["company", "shop"], "money");
        assert!(
            spent > 0 && reserved >= 2 * NANO_A_TOKEN,
            "{spent} {reserved}"
        );
        assert_eq!(
            (nano(&money["spent"]), nano(&money["reserved"])),
            (spent, reserved)
        );
        assert_eq!(nano(&money["counted"]), spent + reserved, "{money}");
        assert_eq!(
            nano(&money["remaining"]),
            100_000_000_000 - spent - reserved
        );
        let tokens = budget(&gateway, "team:shop").await;
        let (spent, reserved) = recorded(&gateway, &["shop"], "tokens");
        assert_eq!(
            tokens["counted"],
            (spent + reserved).to_string(),
            "{tokens}"
        );
        assert_eq!(
            (&tokens["unit"], &tokens["period"]),
            (&json!("tokens"), &json!("week"))
        );
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn what_was_spent_stays_spent() {
    let sim = sim().await;
    for indexed in [true, false] {
        let mut config = config(&sim);
        config.set("audit/index", json!({"enabled": indexed}));
        config.set("teams/company", json!({"budget": {"amount": 0.0024}}));
        config.key("few", "ym-money-few-000", json!({"limits": {"rpd": 3}}));
        let gateway = Gateway::start(&config).await;
        let ask = |gateway: &Gateway, key: &str, max_tokens: u64| {
            let ask = gateway.chat("m-openai-compatible", "hi").key(key);
            ask.with(|body| body["max_tokens"] = max_tokens.into())
                .send()
        };
        for key in ["ym-money-b-00000", "ym-money-few-000", "ym-money-few-000"] {
            let reply = ask(&gateway, key, 1000).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            gateway.record(&reply).await;
        }
        gateway.signal("KILL");
        gateway.exited().await;
        let dir = Arc::clone(&gateway.dir);
        drop(gateway);
        let gateway = Launch::new(config.text()).dir(dir).start().await;
        let left = nano(&budget(&gateway, "team:company").await["remaining"]);
        assert!(left < 2_400_000);
        let reply = ask(&gateway, "ym-money-b-00000", 2399).await;
        let said = reply.refused(429, "budget_exceeded");
        assert!(said.contains("team company"), "{said}");
        assert_eq!(ask(&gateway, "ym-money-b-00000", 1000).await.status, 200);
        // Two of three requests of the day are gone, too.
        assert_eq!(ask(&gateway, "ym-money-few-000", 10).await.status, 200);
        let fourth = ask(&gateway, "ym-money-few-000", 10).await;
        fourth.refused(429, "rate_limit_exceeded");
    }
}

#[tokio::test]
async fn a_figure_is_explained_by_its_entries() {
    let sim = sim().await;
    let mut config = config(&sim);
    let gateway = Gateway::start(&config).await;
    let mut ids = Vec::new();
    for key in ["ym-money-a-00000", "ym-money-b-00000", "ym-money-a-00000"] {
        let reply = gateway
            .chat("m-openai-compatible", "hi")
            .key(key)
            .send()
            .await;
        gateway.record(&reply).await;
        ids.insert(0, reply.header("x-request-id").unwrap().to_owned());
    }
    // Not in the budget.
    let other = gateway.chat("m-openai-compatible", "hi").send().await;
    gateway.record(&other).await;
    let path = "/api/budgets/team:company/explain";
    let told = loop {
        let told = get(&gateway, path).await;
        if told["entries"].as_array().unwrap().len() == 3 {
            break told;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let budget = &told["budgets"][0];
    assert_eq!(budget["adds_up"], true, "{told}");
    let entries = told["entries"].as_array().unwrap();
    let named: Vec<&str> = entries.iter().map(|e| e["id"].as_str().unwrap()).collect();
    assert_eq!(named, ids);
    let sum: u64 = entries.iter().map(|entry| nano(&entry["cost"])).sum();
    assert_eq!(nano(&budget["spent"]), sum);
    assert_eq!(nano(&budget["counted"]), sum);
    for entry in entries {
        assert_eq!(
            entry["price"],
            json!({"input": "1", "output": "1", "cached": "1", "cache_write": "1", "reasoning": "1"})
        );
        assert_eq!(entry["price_holds"], true, "{entry}");
        let used = &entry["used"];
        let tokens = used["input"].as_u64().unwrap() + used["output"].as_u64().unwrap();
        assert_eq!(nano(&entry["cost"]), tokens * NANO_A_TOKEN);
    }
    // One that runs is there with what is reserved for it, and the figure still adds up.
    let slow = gateway.stream("slow", "go on").key("ym-money-a-00000");
    let mut live = slow
        .with(|body| body["max_tokens"] = 500.into())
        .open()
        .await;
    live.until("data: ").await;
    let told = get(&gateway, path).await;
    assert_eq!(told["entries"][0]["outcome"], "open", "{told}");
    assert!(nano(&told["entries"][0]["reserved"]["money"]) >= 500 * NANO_A_TOKEN);
    assert_eq!(told["budgets"][0]["adds_up"], true, "{told}");
    live.leave();
    // The question itself is in the log.
    assert!(
        gateway
            .journal()
            .of("event")
            .any(|event| event.text("detail") == "budget explain team:company")
    );

    // Prices that are others now are not passed off as those of then.
    config.set(
        "models/m-openai-compatible/price",
        json!({"input": 2, "output": 1, "currency": "CNY"}),
    );
    gateway.reload(&config.text(), "config reloaded").await;
    let told = get(&gateway, "/api/budgets/team:company/explain?limit=2").await;
    assert!(told["next"].is_string(), "{told}");
    let old = told["entries"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["id"] == ids[0]);
    assert_eq!(old.unwrap()["price_holds"], false, "{told}");
    let reply = Ask::get(gateway.admin, "/api/budgets/team:nobody/explain").key(TOKEN);
    assert_eq!(reply.send().await.status, 404);
}

#[tokio::test]
async fn the_command_line_explains_too() {
    let sim = sim().await;
    let config = config(&sim);
    let gateway = Gateway::start(&config).await;
    let reply = gateway
        .chat("m-openai-compatible", "hi")
        .key("ym-money-a-00000")
        .send()
        .await;
    let record = gateway.record(&reply).await;
    let cost = record["cost_nano"].as_u64().unwrap();
    let id = reply.header("x-request-id").unwrap();
    let admin = format!("http://{}", gateway.admin);
    until("the index", || {
        let (code, out, err) = yumen(
            &["budget", "explain", "team:company", "--admin", &admin],
            &gateway,
        );
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains("adds up"), "{out}");
        out.contains(id)
    })
    .await;
    // Beside the gateway, from its config and log.
    let offline = [
        "budget",
        "explain",
        "team:company",
        "-c",
        "yumen.yaml",
        "--json",
    ];
    let (code, out, err) = yumen(&offline, &gateway);
    assert_eq!(code, Some(0), "{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["entries"][0]["id"], *id);
    assert_eq!(nano(&told["budgets"][0]["spent"]), cost);
    assert_eq!(told["budgets"][0]["counted"], Value::Null);
    let (_, out, _) = yumen(&["budget", "list", "--admin", &admin], &gateway);
    assert!(
        out.contains("team:company") && out.contains("team:shop"),
        "{out}"
    );
    for config in [&["-c", "yumen.yaml"][..], &[]] {
        let arguments = [&["budget", "list", "--json"], config].concat();
        let (_, out, err) = yumen(&arguments, &gateway);
        let listed: Vec<Value> = serde_json::from_str(&out).expect(&err);
        assert_eq!(listed.len(), 2);
    }
    let (code, _, err) = yumen(
        &["budget", "explain", "key:none", "--admin", &admin],
        &gateway,
    );
    assert_eq!(code, Some(2), "{err}");
}

#[tokio::test]
async fn a_shared_figure_that_is_not_this_logs_is_told() {
    let sim = sim().await;
    let redis = Redis::start();
    let mut config = config(&sim);
    config.set("state", json!({"store": redis.address(), "timeout": "5s"}));
    let both = [Gateway::start(&config).await, Gateway::start(&config).await];
    let mut costs = Vec::new();
    for gateway in &both {
        // Until the store is reached, a budget refuses.
        let reply = loop {
            let ask = gateway.chat("m-openai-compatible", "hi");
            let reply = ask.key("ym-money-a-00000").send().await;
            if reply.status != 503 {
                break reply;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(reply.status, 200, "{}", reply.text());
        let record = gateway.record(&reply).await;
        costs.push(record["cost_nano"].as_u64().unwrap());
    }
    let told = loop {
        let told = get(&both[0], "/api/budgets/team:company/explain").await;
        // The settlement travels behind the reply.
        if nano(&told["budgets"][0]["counted"]) == costs[0] + costs[1] {
            break told;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let budget = &told["budgets"][0];
    assert_eq!(
        (&budget["adds_up"], nano(&budget["spent"])),
        (&json!(false), costs[0])
    );
    assert_eq!(nano(&budget["difference"]), costs[1]);
    assert!(
        budget["notes"].to_string().contains("other replicas"),
        "{told}"
    );
    let admin = format!("http://{}", both[0].admin);
    let (code, out, _) = yumen(
        &["budget", "explain", "team:company", "--admin", &admin],
        &both[0],
    );
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("does not add up"), "{out}");
}
