//! What was used: through the admin API and on the command line, against the records themselves.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use tests::gateway::executable;
use tests::*;

const TOKEN: &str = "planted-admin-token-Us11";

async fn get(gateway: &Gateway, path: &str) -> Reply {
    Ask::get(gateway.admin, path).key(TOKEN).send().await
}

/// Asks until the index has all that the log has.
async fn usage(gateway: &Gateway, query: &str) -> Value {
    loop {
        let before = gateway.journal().records.len() as u64;
        let reply = get(gateway, &format!("/api/usage?{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.text());
        let answer = reply.json();
        if answer["complete_to"].as_u64().unwrap() >= before {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn yumen(arguments: &[&str], dir: &Path) -> (Option<i32>, String, String) {
    let done = Command::new(executable())
        .args(arguments)
        .current_dir(dir)
        .env("YUMEN_ADMIN_TOKEN", TOKEN)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

/// By key and model: requests, tokens of prompts and replies, billionths.
type Sums = BTreeMap<(String, String), [u64; 4]>;

/// What the records say, one by one.
fn recorded(gateway: &Gateway) -> Sums {
    let journal = gateway.journal();
    let mut sums = Sums::new();
    let opened = journal.of("opened").map(|record| (record, true));
    // What is refused here was refused before it was known whether there is such a model.
    let denied = journal.of("denied").map(|record| (record, false));
    for (record, known) in opened.chain(denied) {
        let end = journal.ending(record.text("id")).unwrap_or_default();
        let model = if known { record.text("asked") } else { "" };
        let of = (record.text("key").to_owned(), model.to_owned());
        let figure = |value: &Value| value.as_u64().unwrap_or(0);
        let more = [
            1,
            figure(&end["tokens"]["prompt"]),
            figure(&end["tokens"]["completion"]),
            figure(&end["cost_nano"]),
        ];
        let sum = sums.entry(of).or_default();
        sum.iter_mut()
            .zip(more)
            .for_each(|(sum, more)| *sum += more);
    }
    sums
}

/// Billionths of a decimal amount.
fn nano(text: &str) -> u64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<9}").parse().unwrap()
}

fn told(answer: &Value) -> Sums {
    let rows = answer["rows"].as_array().unwrap();
    let row = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let figures = [
            row["requests"].as_u64().unwrap(),
            row["input_tokens"].as_u64().unwrap(),
            row["output_tokens"].as_u64().unwrap(),
            row["cost"]["CNY"].as_str().map_or(0, nano),
        ];
        ((text("key"), text("model")), figures)
    };
    rows.iter().map(row).collect()
}

async fn busy(config: &mut Config) -> Gateway {
    config.set("admin/token", TOKEN);
    let price = json!({"input": 2.4, "output": 9.6, "currency": "CNY"});
    config.set("models/m-openai-compatible/price", price);
    config.key("a", "ym-usage-a-00000", json!({"team": "shop"}));
    config.key(
        "b",
        "ym-usage-b-00000",
        json!({"team": "lab", "limits": {"rpd": 3}}),
    );
    config.set("teams/shop", json!({}));
    config.set("teams/lab", json!({}));
    let gateway = Gateway::start(config).await;
    for n in 0..12 {
        let key = ["ym-usage-a-00000", "ym-usage-b-00000"][n % 2];
        let model = ["m-openai-compatible", "m-tongyi"][n / 2 % 2];
        let ask = match n % 3 {
            0 => gateway.stream(model, "how are you"),
            _ => gateway.chat(model, "how are you"),
        };
        let reply = ask.key(key).send().await;
        assert!([200, 429].contains(&reply.status), "{}", reply.text());
        gateway.record(&reply).await;
    }
    let unknown = gateway
        .chat("made-up", "x")
        .key("ym-usage-a-00000")
        .send()
        .await;
    gateway.record(&unknown).await;
    gateway
}

#[tokio::test]
async fn usage_is_the_sum_of_the_records() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai-compatible", "tongyi"]);
    let gateway = busy(&mut config).await;
    let answer = usage(&gateway, "by=key,model").await;
    let want = recorded(&gateway);
    assert_eq!(told(&answer), want);
    let of = |key: &str, model: &str| want[&(key.to_owned(), model.to_owned())];
    assert!(of("a", "m-openai-compatible")[3] > 0);
    assert_eq!(of("a", "")[0], 1, "what there is not has no name");
    let total = &answer["total"];
    assert_eq!(total["requests"], 13);
    assert_eq!(
        (&total["errors"], &total["limited"]),
        (&json!(4), &json!(3))
    );
    assert!(total["unpriced"].as_u64().unwrap() > 0, "{total}");

    // Of one team, by provider and target.
    let of_lab = usage(&gateway, "by=team,provider,target&team=lab").await;
    let rows = of_lab["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["team"] == "lab"), "{of_lab}");
    let named = |name: &str| rows.iter().any(|row| row["provider"] == name);
    assert!(named("openai-compatible") && named("tongyi"), "{of_lab}");
    // By day: the calendar's day, and all of it is today.
    let days = usage(&gateway, "by=day&timezone=%2B08:00").await;
    assert_eq!(days["timezone"], "+08:00");
    let days = days["rows"].as_array().unwrap();
    let requests: u64 = days
        .iter()
        .map(|day| day["requests"].as_u64().unwrap())
        .sum();
    assert_eq!(requests, 13);
    assert!(days.len() <= 2 && days[0]["day"].as_str().unwrap().len() == 10);
    // A time in which there was nothing.
    assert_eq!(usage(&gateway, "to=2020-01-01").await["rows"], json!([]));

    for (query, part) in [
        ("by=colour", "there is no `colour`"),
        ("colour=red", "there is no `colour`"),
        ("from=soon", "from: not a moment"),
        ("format=xml", "json or csv"),
        ("by", "well-formed"),
    ] {
        let reply = get(&gateway, &format!("/api/usage?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.text().contains(part), "{query}: {}", reply.text());
    }
    let stranger = Ask::get(gateway.admin, "/api/usage").send().await;
    assert_eq!(stranger.status, 401);
}

#[tokio::test]
async fn the_command_line_says_the_same() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai-compatible", "tongyi"]);
    let gateway = busy(&mut config).await;
    let answer = usage(&gateway, "by=key,model").await;
    let dir = gateway.dir.path();
    let admin = format!("http://{}", gateway.admin);
    let from_log = yumen(&["usage", "audit", "--by", "key,model", "--json"], dir);
    let from_api = yumen(
        &["usage", "--admin", &admin, "--by", "key,model", "--json"],
        dir,
    );
    for (code, out, err) in [&from_log, &from_api] {
        assert_eq!(*code, Some(0), "{err}");
        let said: Value = serde_json::from_str(out).unwrap();
        assert_eq!(said["rows"], answer["rows"]);
    }
    // As CSV.
    let csv = get(&gateway, "/api/usage?by=key,model&format=csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let (_, out, _) = yumen(&["usage", "audit", "--by", "key,model", "--csv"], dir);
    assert_eq!(out, csv.text());
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("key,model,requests,errors,limited,estimated,unpriced,"));
    assert!(lines[0].ends_with(",cost_CNY"), "{}", lines[0]);
    assert_eq!(lines.len() - 1, answer["rows"].as_array().unwrap().len());
    // For people.
    let (_, out, _) = yumen(&["usage", "audit", "--by", "team", "--team", "lab"], dir);
    assert!(out.starts_with("TEAM") && out.contains("\ntotal"), "{out}");
    let (code, _, err) = yumen(&["usage", "audit", "--by", "colour"], dir);
    assert_eq!(code, Some(2), "{err}");
    let (code, _, _) = yumen(&["usage"], dir);
    assert_eq!(code, Some(2));
    let wrong = Command::new(executable())
        .args(["usage", "--admin", &admin])
        .env_remove("YUMEN_ADMIN_TOKEN")
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("401"));
}

#[tokio::test]
async fn without_an_index_the_log_is_read() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai-compatible", "tongyi"]);
    config.set("audit/index", json!({"enabled": false}));
    let gateway = busy(&mut config).await;
    let answer = usage(&gateway, "by=key,model").await;
    assert_eq!(told(&answer), recorded(&gateway));
}

#[tokio::test]
async fn prices_come_from_a_table_and_are_charged_in_one_currency() {
    let sim = sim().await;
    let dir = std::sync::Arc::new(tempfile::TempDir::new().unwrap());
    let table = "prices:\n\
        - { vendors: [openai-compatible], model: \"some-*\", price: { input: 3, output: 6, currency: USD }, date: 2026-01-01, source: x }\n\
        - { vendors: [tongyi], model: \"qwen-plus\", price: { input: 1, output: 1, request: 0.5, currency: CNY }, date: 2026-01-01, source: x }\n";
    std::fs::write(dir.path().join("prices.yaml"), table).unwrap();
    let mut config = Config::with(&sim, ["openai-compatible", "tongyi"]);
    let prices = json!({"file": "prices.yaml", "currency": "CNY", "rates": {"USD": 7}});
    config.set("prices", prices);
    config.key("k", "ym-table-k-00000", json!({"budget": {"amount": 1000}}));
    let gateway = tests::gateway::Launch::new(config.text())
        .dir(dir)
        .start()
        .await;
    let record = async |model: &str| {
        let reply = gateway
            .chat(model, "hi")
            .key("ym-table-k-00000")
            .send()
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        gateway.record(&reply).await
    };
    let tokens = |record: &Value| {
        let count = |name: &str| record["tokens"][name].as_u64().unwrap();
        (count("prompt"), count("completion"))
    };
    let abroad = record("m-openai-compatible").await;
    let (prompt, completion) = tokens(&abroad);
    assert_eq!(abroad["cost_nano"], (prompt * 3 + completion * 6) * 7000);
    assert_eq!(abroad["currency"], "CNY");
    let at_home = record("m-tongyi").await;
    let (prompt, completion) = tokens(&at_home);
    assert_eq!(
        at_home["cost_nano"],
        (prompt + completion) * 1000 + 500_000_000
    );
    // Without a rate, dollars cannot be charged to a budget in yuan.
    config.set("prices/rates", json!({}));
    std::fs::write(gateway.dir.path().join("bad.yaml"), config.text()).unwrap();
    let (code, _, err) = yumen(&["check", "-c", "bad.yaml"], gateway.dir.path());
    assert_eq!(code, Some(2));
    assert!(
        err.contains("charged in USD") && err.contains("prices.rates"),
        "{err}"
    );
    // What is wrong in the table has the table's line; saved, it is used.
    let file = gateway.dir.path().join("prices.yaml");
    std::fs::write(&file, table.replace("input: 3", "input: -3")).unwrap();
    until("the refusal in the log", || {
        gateway.log().contains("prices.yaml:2:")
    })
    .await;
    std::fs::write(&file, table.replace("input: 3", "input: 4")).unwrap();
    until("the reload in the log", || {
        gateway.log().contains("config reloaded")
    })
    .await;
    let dearer = record("m-openai-compatible").await;
    let (prompt, completion) = tokens(&dearer);
    assert_eq!(dearer["cost_nano"], (prompt * 4 + completion * 6) * 7000);
}

#[tokio::test]
async fn a_viewer_sees_its_own_teams() {
    const VIEWER: &str = "planted-viewer-token-Us12";
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai-compatible", "tongyi"]);
    let viewer = json!({"name": "shop-lead", "hash": tests::config::hash(VIEWER), "role": "viewer", "teams": ["shop"]});
    config.set("admin/tokens", json!([viewer]));
    config.key(
        "rich",
        "ym-usage-rich-00",
        json!({"team": "lab", "budget": {"amount": 9}}),
    );
    config.key(
        "poor",
        "ym-usage-poor-00",
        json!({"team": "shop", "budget": {"amount": 1}}),
    );
    let gateway = busy(&mut config).await;
    let all = usage(&gateway, "by=team").await;
    let of = |path: &'static str| Ask::get(gateway.admin, path).key(VIEWER).send();
    let seen = of("/api/usage?by=team").await.json();
    assert_eq!(all["rows"].as_array().unwrap().len(), 2);
    let shop = all["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["team"] == "shop");
    assert_eq!(seen["rows"], json!([shop.unwrap()]));
    let curious = of("/api/usage?by=key&team=lab").await.json();
    assert_eq!(curious["rows"], json!([]));
    let budgets = of("/api/budgets").await.json();
    let owners: Vec<&Value> = budgets["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| &b["owner"])
        .collect();
    assert_eq!(owners, ["key:poor"]);
    assert_eq!(of("/api/budgets/key:poor/explain").await.status, 403);
}
