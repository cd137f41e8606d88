//! Prompts and replies in the audit log: kept as configured, in no file in the clear, read back only with a reason, and gone
//! once they are shredded.

mod keys;
mod partly;
mod redacted;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use tests::gateway::executable;
use tests::scripted::{Scripted, delta};
use tests::*;

/// A gateway before a scripted upstream, with these lines in its `audit`.
pub(crate) fn config(upstream: &Scripted, audit: Value) -> Config {
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let mut section = json!({"dir": "audit", "reserve_bytes": "1MiB"});
    for (name, value) in audit.as_object().unwrap() {
        section[name.as_str()] = value.clone();
    }
    config.set("audit", section);
    config
}

pub(crate) async fn bench(audit: Value) -> (Scripted, Gateway) {
    let upstream = Scripted::start().await;
    let gateway = Gateway::start(&config(&upstream, audit)).await;
    (upstream, gateway)
}

pub(crate) fn audit_dir(gateway: &Gateway) -> PathBuf {
    gateway.dir.path().join("audit")
}

/// `yumen audit …` in the gateway's directory.
pub(crate) fn yumen(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(executable())
        .arg("audit")
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap()
}

/// What was kept of a request, as the command line shows it.
pub(crate) fn unsealed(dir: &Path, id: &str, more: &[&str]) -> Value {
    let mut arguments = vec![
        "show", "audit", "--id", id, "--unseal", "--reason", "a test", "--json",
    ];
    arguments.extend(more);
    let output = yumen(dir, &arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn id_of(reply: &Reply) -> String {
    reply.header("x-request-id").unwrap().to_owned()
}

/// All files of the log.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Panics if one of `needles` stands in a file of the log.
pub(crate) fn assert_nowhere(dir: &Path, needles: &[&str]) {
    for path in files(dir) {
        let bytes = std::fs::read(&path).unwrap_or_default();
        for needle in needles {
            let needle = needle.as_bytes();
            let found = bytes.windows(needle.len()).any(|at| at == needle);
            assert!(!found, "{needle:?} in {}", path.display());
        }
    }
}

fn says(upstream: &Scripted, text: &str) {
    upstream.whole(&json!({"role": "assistant", "content": text}));
}

/// The opening record of the request behind a reply.
fn opening(gateway: &Gateway, reply: &Reply) -> Value {
    let journal = gateway.journal();
    journal.opening(&id_of(reply)).unwrap().payload.clone()
}

#[tokio::test]
async fn nothing_is_kept_unless_somebody_asks_for_it() {
    let (upstream, gateway) = bench(json!({})).await;
    says(&upstream, "PLANTED-ANSWER-4411");
    let reply = gateway.chat("m", "PLANTED-PROMPT-4411").send().await;
    let closing = gateway.record(&reply).await;
    let opening = opening(&gateway, &reply);
    for field in ["request_body", "fingerprint"] {
        assert!(opening.get(field).is_none(), "{opening}");
    }
    for field in ["reply_body", "reply_fingerprint"] {
        assert!(closing.get(field).is_none(), "{closing}");
    }
    let dir = audit_dir(&gateway);
    assert!(
        files(&dir)
            .iter()
            .all(|path| path.extension().is_none_or(|kind| kind != "pay"))
    );
    assert_nowhere(&dir, &["PLANTED"]);
}

#[tokio::test]
async fn what_is_sealed_is_read_back_as_it_was_and_by_nobody_without_a_reason() {
    let (upstream, gateway) = bench(json!({"payload": "sealed"})).await;
    let dir = gateway.dir.path();
    says(&upstream, "PLANTED-ANSWER-4412");
    let ask = gateway.chat("m", "PLANTED-PROMPT-4412 早");
    let sent = String::from_utf8(ask.body.clone()).unwrap();
    let whole = ask.send().await;
    let events: Vec<String> = ["PLANTED", "-STREAM", "-4412"]
        .map(|piece| delta(0, &json!({"content": piece})))
        .to_vec();
    upstream.events(&events, 1);
    let streamed = gateway.stream("m", "PLANTED-PROMPT-4412").send().await;
    for reply in [&whole, &streamed] {
        gateway.record(reply).await;
        let kept = unsealed(dir, &id_of(reply), &[]);
        assert_eq!(kept["reply"]["text"], reply.text(), "{kept}");
        assert_eq!(kept["reply"]["kind"], "sealed");
        assert_eq!(kept["reply"]["size"], reply.body.len());
    }
    assert_eq!(unsealed(dir, &id_of(&whole), &[])["request"]["text"], sent);
    // In order, before what they show is shown: who, of whom, why.
    let journal = gateway.journal();
    let readings: Vec<_> = journal
        .of("event")
        .filter(|event| event.text("what") == "unseal")
        .collect();
    assert_eq!(readings.len(), 3);
    let opening = journal.opening(&id_of(&whole)).unwrap();
    let last = &readings[2].payload;
    assert_eq!(
        (&last["reason"], &last["entry"], &last["origin"]),
        (&json!("a test"), &json!(opening.index), &json!("cli"))
    );
    assert_eq!(last["subject"], opening.payload["request_body"]["subject"]);
    // Without a reason nothing is shown.
    let id = id_of(&whole);
    for arguments in [
        &["show", "audit", "--id", &id, "--unseal"][..],
        &["show", "audit", "--id", &id, "--unseal", "--reason", " "],
        &["show", "audit", "--unseal", "--reason", "x"],
    ] {
        let output = yumen(dir, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
    assert_nowhere(&audit_dir(&gateway), &["PLANTED"]);
    gateway.assert_sound();
}

#[tokio::test]
async fn the_admin_api_shows_it_to_who_has_the_token_and_a_reason() {
    let upstream = Scripted::start().await;
    let mut config = config(&upstream, json!({"payload": "sealed"}));
    config.set("admin/token", "tok-payloads-5521");
    let gateway = Gateway::start(&config).await;
    says(&upstream, "esc \u{1b}[31m \u{202e}rtl");
    let reply = gateway.chat("m", "PLANTED-PROMPT-5521").send().await;
    gateway.record(&reply).await;
    let ask = |query: &str, token: Option<&str>| {
        let path = format!("/api/audit/entries/{}/payload{query}", id_of(&reply));
        let ask = Ask::get(gateway.admin, &path);
        match token {
            Some(token) => ask.header("authorization", &format!("Bearer {token}")),
            None => ask,
        }
    };
    let good = Some("tok-payloads-5521");
    assert_eq!(ask("?reason=x", None).send().await.status, 401);
    assert_eq!(ask("?reason=x", Some("wrong")).send().await.status, 401);
    assert_eq!(ask("", good).send().await.status, 400);
    assert_eq!(ask("?reason=%20", good).send().await.status, 400);
    let told = |gateway: &Gateway| {
        let journal = gateway.journal();
        journal
            .of("event")
            .filter(|event| event.text("what") == "unseal")
            .map(|event| event.text("reason").to_owned())
            .collect::<Vec<_>>()
    };
    assert!(told(&gateway).is_empty());
    let shown = ask("?reason=case%204711", good).send().await;
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert!(!shown.text().contains(['\u{1b}', '\u{202e}']));
    let kept = shown.json();
    assert_eq!(kept["reply"]["text"], reply.text());
    assert!(
        kept["request"]["text"]
            .as_str()
            .unwrap()
            .contains("PLANTED-PROMPT-5521")
    );
    assert_eq!(told(&gateway), ["case 4711"]);
    let unknown = Ask::get(
        gateway.admin,
        "/api/audit/entries/01UNKNOWN/payload?reason=x",
    )
    .header("authorization", "Bearer tok-payloads-5521");
    assert_eq!(unknown.send().await.status, 404);
}

/// Prompts that hurt logs.
fn odd_prompts() -> Vec<(&'static str, String)> {
    vec![
        ("lines", "one\ntwo\r\nthree\u{2028}four\u{85}five".into()),
        (
            "a terminal",
            "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{8}\u{7f}".into(),
        ),
        (
            "directions",
            "\u{202e}evil\u{202c} \u{2066}x\u{2069} \u{200f}\u{feff}".into(),
        ),
        (
            "our own words",
            "request (sealed, 3 bytes):\n  {\"index\":1}".into(),
        ),
        ("eight MiB", "长 text ".repeat((8 << 20) / 9)),
        ("nothing", String::new()),
    ]
}

#[tokio::test]
async fn odd_prompts_come_back_whole_and_show_inertly() {
    let audit = json!({"payload": "sealed", "payload_bytes": "16MiB"});
    let (upstream, gateway) = bench(audit).await;
    let dir = gateway.dir.path();
    for (what, prompt) in odd_prompts() {
        says(&upstream, &prompt);
        let ask = gateway.chat("m", &prompt).limit(SOON * 3);
        let sent = String::from_utf8(ask.body.clone()).unwrap();
        let reply = ask.send().await;
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        gateway.record(&reply).await;
        let id = id_of(&reply);
        let kept = unsealed(dir, &id, &[]);
        assert!(kept["request"]["text"] == sent, "{what}");
        assert!(kept["reply"]["text"] == reply.text(), "{what}");
        let output = yumen(
            dir,
            &[
                "show", "audit", "--id", &id, "--unseal", "--reason", "a test",
            ],
        );
        let shown = String::from_utf8(output.stdout).unwrap();
        let active = |c: char| {
            c != '\n' && c.is_control()
                || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        assert!(!shown.contains(active), "{what}");
        // Two lines are ours; a body's lines are set in.
        let ours = shown.lines().filter(|line| !line.starts_with("  "));
        assert_eq!(ours.count(), 2, "{what}");
    }
    // What is no JSON, and no text.
    let ask = gateway
        .chat("m", "x")
        .bytes(b"\xff\xfe\x00{binary".to_vec());
    let reply = ask.send().await;
    assert_eq!(reply.status, 400);
    gateway.record(&reply).await;
    let kept = unsealed(dir, &id_of(&reply), &[]);
    assert_eq!(
        kept["request"]["base64"],
        planted::to_base64(b"\xff\xfe\x00{binary")
    );
    gateway.assert_sound();
}

#[tokio::test]
async fn a_model_may_say_otherwise_and_a_reload_changes_it() {
    let upstream = Scripted::start().await;
    says(&upstream, "x");
    let mut config = config(&upstream, json!({"payload": "sealed"}));
    config.model("quiet", &[("m", "some-model")]);
    config.set("models/quiet/payload", "none");
    let gateway = Gateway::start(&config).await;
    let kept = async |model: &str| {
        let reply = gateway.chat(model, "hello").send().await;
        let closing = gateway.record(&reply).await;
        let opening = opening(&gateway, &reply);
        assert_eq!(
            opening.get("request_body").is_some(),
            closing.get("reply_body").is_some()
        );
        opening.get("request_body").is_some()
    };
    assert_eq!((kept("m").await, kept("quiet").await), (true, false));
    config.set("audit/payload", "none");
    config.set("models/quiet/payload", "sealed");
    gateway.reload(&config.text(), "config reloaded").await;
    assert!(!gateway.log().contains("read at start only"));
    assert_eq!((kept("m").await, kept("quiet").await), (false, true));
}

#[tokio::test]
async fn fingerprints_are_of_exactly_what_came_and_went() {
    let (upstream, gateway) = bench(json!({"fingerprint": true})).await;
    let key = std::fs::read_to_string(audit_dir(&gateway).join("keys/fingerprint")).unwrap();
    let key = planted::from_base64(key.trim());
    let hmac = |bytes: &[u8]| {
        use aws_lc_rs::hmac;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), bytes);
        tag.as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    upstream.events(
        &["a", "b", "c"].map(|text| delta(0, &json!({"content": text}))),
        2,
    );
    for ask in [
        gateway.stream("m", "x"),
        gateway.chat("m", &"long ".repeat(40_000)),
    ] {
        let sent = ask.body.clone();
        let reply = ask.send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let closing = gateway.record(&reply).await;
        let opening = opening(&gateway, &reply);
        assert_eq!(opening["fingerprint"], hmac(&sent));
        assert_eq!(closing["reply_fingerprint"], hmac(&reply.body));
        assert!(opening.get("request_body").is_none());
    }
}
