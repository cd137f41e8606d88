//! The audit log is searched and exported: through the admin API of a live gateway, and by tools beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::gateway::executable;
use tests::*;

const TOKEN: &str = "planted-admin-token-Qx77";
/// What a stranger may call things: a formula, a terminal escape, a turn of the text, line breaks.
const HOSTILE: &str = "=cmd|'/c calc'!A1\u{1b}[2J\u{202e}\r\nX: y,\"z\"";

fn yumen(arguments: &[&str], dir: &Path) -> Output {
    let done = Command::new(executable())
        .args(arguments)
        .arg(dir)
        .env("USER", "auditor-1")
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    done
}

fn stdout(done: &Output) -> String {
    let text = String::from_utf8(done.stdout.clone()).unwrap();
    assert!(
        !text
            .chars()
            .any(|c| (c.is_control() && c != '\n' && c != '\r') || c == '\u{202e}'),
        "{text:?}"
    );
    text
}

/// JSON lines.
fn lines(done: &Output) -> Vec<Value> {
    let text = stdout(done);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter()
        .map(|row| row["id"].as_str().unwrap_or_default())
        .collect()
}

async fn gateway() -> (Gateway, Config, impl Sized) {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai-compatible", "tongyi"]);
    config.set("admin/token", TOKEN);
    let gateway = Gateway::start(&config).await;
    (gateway, config, sim)
}

fn log(gateway: &Gateway) -> PathBuf {
    gateway.dir.path().join("audit")
}

async fn ask(gateway: &Gateway, path: &str) -> Value {
    let reply = Ask::get(gateway.admin, path).key(TOKEN).send().await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    serde_json::from_slice(&reply.body).unwrap()
}

/// Asks until the index has all that the log has.
async fn page(gateway: &Gateway, path: &str) -> Value {
    loop {
        let before = gateway.journal().records.len() as u64;
        let page = ask(gateway, path).await;
        if page["complete_to"].as_u64().unwrap() >= before {
            return page;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn api_and_command_line_find_the_same() {
    let (gateway, _, _sim) = gateway().await;
    let mut sent = Vec::new();
    for n in 0..12 {
        let model = ["m-openai-compatible", "m-tongyi"][n % 2];
        let reply = gateway.chat(model, "hello").send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        sent.push(reply.header("x-request-id").unwrap().to_owned());
        gateway.record(&reply).await;
    }
    let refused = gateway.chat("no-such-model", "hello").send().await;
    assert_eq!(refused.status, 404);
    gateway.record(&refused).await;
    sent.reverse();
    let all = page(&gateway, "/api/audit/entries?kind=request&limit=100").await;
    let entries = all["entries"].as_array().unwrap();
    assert_eq!(ids(entries), sent);
    // By pages, while others come in.
    let mut paged = Vec::new();
    let mut path = "/api/audit/entries?kind=request&limit=5".to_owned();
    loop {
        let found = ask(&gateway, &path).await;
        paged.extend(found["entries"].as_array().unwrap().clone());
        gateway.chat("m-openai-compatible", "more").send().await;
        let Some(next) = found["next"].as_str() else {
            break;
        };
        path = format!("/api/audit/entries?kind=request&limit=5&cursor={next}");
    }
    assert_eq!(paged, *entries);
    let one = ask(&gateway, &format!("/api/audit/entries/{}", sent[0])).await;
    assert_eq!(one["entry"], entries[0]);
    assert_eq!(one["entry"]["attempts"].as_array().unwrap().len(), 1);
    // A closing has no entry of its own: its index stands for the request that it ends.
    for index in ["index", "settled"] {
        let path = format!("/api/audit/entries/{}", entries[0][index]);
        assert_eq!(ask(&gateway, &path).await, one, "{index}");
    }
    let stats = ask(&gateway, "/api/audit/stats?kind=denial").await;
    assert_eq!(stats["buckets"][0]["by"]["status"]["404"], 1, "{stats}");
    // Beside the gateway, by what index there is and without one.
    let dir = log(&gateway);
    let search = [
        "audit", "search", "--json", "--kind", "request", "--model", "m-tongyi",
    ];
    let by_index = lines(&yumen(&search, &dir));
    let scanned = lines(&yumen(&[&search[..], &["--scan"]].concat(), &dir));
    assert_eq!(by_index, scanned);
    let wanted: Vec<&Value> = entries
        .iter()
        .filter(|row| row["asked"] == "m-tongyi")
        .collect();
    assert_eq!(by_index.iter().collect::<Vec<_>>(), wanted);
    assert_eq!(wanted.len(), 6);
    let shown = lines(&yumen(&["audit", "show", "--id", &sent[0]], &dir));
    assert_eq!(shown.len(), 2, "opening and closing");
    yumen(&["audit", "show"], &dir);
    // All of it was written down, and by whom.
    let journal = gateway.journal();
    let told: Vec<(&str, &str, &str)> = journal
        .of("event")
        .filter(|event| event.text("what") == "search")
        .map(|event| {
            (
                event.text("actor"),
                event.text("origin"),
                event.text("detail"),
            )
        })
        .collect();
    assert!(
        told.contains(&("admin", "127.0.0.1", "kind=request limit=100"))
            || told.contains(&("admin", "127.0.0.1", "kind=request")),
        "{told:?}"
    );
    assert!(
        told.contains(&("auditor-1", "cli", "model=m-tongyi kind=request")),
        "{told:?}"
    );
    let showed = format!("show id={}", sent[0]);
    for detail in ["show", &showed] {
        assert!(told.contains(&("auditor-1", "cli", detail)), "{told:?}");
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn what_strangers_say_is_inert_everywhere() {
    let (gateway, _, _sim) = gateway().await;
    let dir = log(&gateway);
    // Who searches, and for what, is in the log as it was said.
    let stranger = Command::new(executable())
        .args(["audit", "search", "--where"])
        .arg(format!("asked={HOSTILE}"))
        .arg(&dir)
        .env("USER", HOSTILE)
        .output()
        .unwrap();
    assert!(stranger.status.success());
    let actor = format!("actor={HOSTILE}");
    let by_actor = ["--where", &actor, "--kind", "event"];
    let found = lines(&yumen(
        &[&["audit", "search", "--json"], &by_actor[..]].concat(),
        &dir,
    ));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0]["actor"], &found[0]["detail"]),
        (&json!(HOSTILE), &json!(format!("asked={HOSTILE}")))
    );
    let shown = stdout(&yumen(
        &[&["audit", "search"], &by_actor[..]].concat(),
        &dir,
    ));
    assert_eq!(shown.lines().count(), 1, "{shown}");
    let export = |format: &str| {
        let export = ["audit", "export", "--format", format];
        stdout(&yumen(&[&export, &by_actor[..]].concat(), &dir))
    };
    let exported: Value = serde_json::from_str(export("jsonl").trim_end()).unwrap();
    assert_eq!(exported, found[0]);
    let csv = export("csv");
    let rows: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(rows.len(), 3, "{csv:?}");
    assert!(rows[1].contains(",\"'=cmd|"), "{csv}");
    assert!(
        !rows[1].contains(",=cmd") && !rows[1].contains(",\"=cmd"),
        "{csv}"
    );
    let told = page(&gateway, "/api/audit/entries?what=search&actor=%3Dcmd%7C%27%2Fc+calc%27%21A1%1B%5B2J%E2%80%AE%0D%0AX%3A+y%2C%22z%22").await;
    assert_eq!(told["entries"].as_array().unwrap().len(), 1, "{told}");
    let file = dir.parent().unwrap().join("out.csv");
    let to = [
        "audit",
        "export",
        "--format",
        "csv",
        "-o",
        file.to_str().unwrap(),
    ];
    yumen(&[&to, &by_actor[..]].concat(), &dir);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), csv);
    gateway.assert_sound();
}

#[tokio::test]
async fn an_index_outlives_kills_and_is_built_again_when_lost() {
    let (gateway, config, _sim) = gateway().await;
    let mut home = gateway.dir.clone();
    let mut gateway = gateway;
    for round in 0..4 {
        for _ in 0..10 {
            gateway.chat("m-openai-compatible", "hello").send().await;
        }
        gateway.signal("KILL");
        gateway.exited().await;
        let index = home.path().join("audit/index");
        match round {
            1 => std::fs::remove_dir_all(&index).unwrap(),
            2 => std::fs::write(index.join("00000000000000000000.part"), "no part").unwrap(),
            _ => {}
        }
        gateway = Launch::new(config.text()).dir(home.clone()).start().await;
        home = gateway.dir.clone();
    }
    let by_index = page(&gateway, "/api/audit/entries?kind=request&limit=1000").await;
    let entries = by_index["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 40);
    let scanned = lines(&yumen(
        &[
            "audit", "search", "--json", "--scan", "--limit", "1000", "--kind", "request",
        ],
        &log(&gateway),
    ));
    assert_eq!(*entries, scanned);
    gateway.assert_sound();
}

#[tokio::test]
async fn wrong_questions_are_told_so() {
    let (gateway, _, _sim) = gateway().await;
    let dir = log(&gateway);
    for arguments in [
        &["--from", "soon"][..],
        &["--where", "nmae=x"],
        &["--where", "name"],
        &["--text", ""],
        &["--cursor", "x"],
        &["--limit", "0"],
    ] {
        let done = Command::new(executable())
            .args(["audit", "search"])
            .arg(&dir)
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(done.status.code(), Some(2), "{arguments:?}");
        assert!(done.stdout.is_empty() && !done.stderr.is_empty());
    }
    let nowhere = Command::new(executable())
        .args(["audit", "search", "/no/such/dir"])
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    // Nobody asks without the token, and what it asked for is in no log.
    let reply = Ask::get(gateway.admin, "/api/audit/entries").send().await;
    assert_eq!(reply.status, 401);
}

/// Everything that a text finds: through the API, and beside the gateway with an index and without one.
async fn with_text(gateway: &Gateway, text: &str) -> Vec<String> {
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let told = page(
        gateway,
        &format!("/api/audit/entries?kind=request&text={encoded}"),
    )
    .await;
    let by_api = told["entries"].as_array().unwrap().clone();
    let search = [
        "audit", "search", "--json", "--kind", "request", "--text", text,
    ];
    for more in [&[][..], &["--scan"]] {
        let found = lines(&yumen(&[&search[..], more].concat(), &log(gateway)));
        assert_eq!(found, by_api, "{text} {more:?}");
    }
    ids(&by_api).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn redacted_payloads_are_found_by_any_part_until_they_are_shredded() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("admin/token", TOKEN);
    config.set("audit/payload", "redacted");
    config.set("policies", json!({"rules": [{"name": "ids", "find": ["CN_MOBILE"], "remedy": "redact"}], "output": {"find": ["CN_MOBILE"], "remedy": "redact"}}));
    config.set("providers/openai-compatible/clearance", "public");
    let gateway = Gateway::start(&config).await;
    let mut sent = Vec::new();
    let long = format!(
        "{}针尖98431{}",
        "很长的一段话。".repeat(200_000),
        "尾声".repeat(300_000)
    );
    for text in [
        "我的手机是13812345678，请看合同编号ABC-77",
        "something Else entirely",
        &long,
    ] {
        let reply = gateway.chat("m-openai-compatible", text).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        gateway.record(&reply).await;
        sent.push(reply.header("x-request-id").unwrap().to_owned());
    }
    for (text, found) in [
        ("合", &sent[..1]),
        ("同编", &sent[..1]),
        ("合同编号abc", &sent[..1]),
        ("ELSE entirely", &sent[1..2]),
        ("lse", &sent[1..2]),
        ("针尖98431尾", &sent[2..]),
        // It was replaced before it was kept.
        ("13812345678", &[]),
        ("不在其中", &[]),
    ] {
        assert_eq!(with_text(&gateway, text).await, found, "{text}");
    }
    // What was looked for may be a person's: the log, of which nothing can be erased, says that a text was, and how long.
    let journal = format!("{:?}", gateway.journal());
    assert!(journal.contains("kind=request text=(11 characters)"));
    for text in ["13812345678", "针尖", "合同编号"] {
        assert!(!journal.contains(text), "{text}");
    }
    let shred = [
        "audit",
        "shred",
        "--subject",
        "main",
        "--reason",
        "asked to",
        "--yes",
    ];
    yumen(&shred, &log(&gateway));
    for text in ["合同", "entirely", "针尖"] {
        assert_eq!(with_text(&gateway, text).await, [""; 0], "{text}");
    }
    // The entries stay.
    let all = page(&gateway, "/api/audit/entries?kind=request").await;
    assert_eq!(all["entries"].as_array().unwrap().len(), 3);
    gateway.assert_sound();
}
