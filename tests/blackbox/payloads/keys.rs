//! The keys of what is kept: whose they are, who wraps them, and how they go.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const KEK: &str = "bm8gb25lIGtub3dzIHRoaXMga2V5LCBvciBkbyBpdD8=";
const OTHER_KEK: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

async fn asked(gateway: &Gateway, key: &str, text: &str) -> String {
    let reply = gateway.chat("m", text).key(key).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    gateway.record(&reply).await;
    id_of(&reply)
}

fn shred(dir: &Path, subject: &str, more: &[&str]) -> Output {
    let mut arguments = vec![
        "shred",
        "audit",
        "--subject",
        subject,
        "--reason",
        "GDPR 17",
    ];
    arguments.extend(more);
    yumen(dir, &arguments)
}

#[tokio::test]
async fn shredding_forgets_one_subject_for_good_and_is_written_down() {
    let upstream = Scripted::start().await;
    says(&upstream, "an answer");
    let mut config = config(&upstream, json!({"payload": "sealed"}));
    config.key("wang", "ym-shred-key-0002", json!({}));
    let gateway = Gateway::start(&config).await;
    let dir = gateway.dir.path();
    let (first, other) = (
        asked(&gateway, KEY, "of main").await,
        asked(&gateway, "ym-shred-key-0002", "of wang").await,
    );
    let readable = |id: &str| unsealed(dir, id, &[])["request"].get("text").is_some();
    assert!(readable(&first) && readable(&other));
    // Without --yes nothing happens but an answer.
    let output = shred(dir, "main", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("as a key: 2 prompts and replies"));
    assert!(readable(&first));
    let output = shred(dir, "main", &["--yes", "--json"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (
            &receipt["keys_destroyed"],
            &receipt["pending"],
            &receipt["reason"]
        ),
        (&json!(1), &json!(false), &json!("GDPR 17"))
    );
    let shown = unsealed_status(dir, &first);
    assert_eq!(shown.0, Some(1));
    assert!(shown.1.contains("shredded"), "{}", shown.1);
    assert!(readable(&other));
    // The gateway goes on, with another key; what was destroyed stays so.
    let later = asked(&gateway, KEY, "later").await;
    assert!(readable(&later) && !readable(&first));
    let journal = gateway.journal();
    let pseudonym = journal.opening(&first).unwrap().payload["request_body"]["subject"].clone();
    let orders: Vec<&Value> = journal
        .of("event")
        .filter(|event| event.text("what") == "shred")
        .map(|event| &event.payload)
        .collect();
    assert!(orders.iter().any(|order| order["subject"] == pseudonym
        && order["reason"] == "GDPR 17"
        && order["count"] == 2));
    gateway.signal("TERM");
    gateway.exited().await;
    // And with nobody serving.
    assert_eq!(shred(dir, "main", &["--yes"]).status.code(), Some(0));
    assert_eq!(unsealed_status(dir, &later).0, Some(1));
    assert!(readable(&other));
    // The log is as good as before.
    let output = yumen(dir, &["verify", "audit"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
}

/// Exit code and text of `show --unseal` without `--json`.
fn unsealed_status(dir: &Path, id: &str) -> (Option<i32>, String) {
    let output = yumen(
        dir,
        &[
            "show", "audit", "--id", id, "--unseal", "--reason", "a test",
        ],
    );
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[tokio::test]
async fn a_key_of_the_operators_is_needed_to_read() {
    let upstream = Scripted::start().await;
    says(&upstream, "an answer");
    let mut config = config(
        &upstream,
        json!({"payload": "sealed", "seal": {"key": "file:kek"}}),
    );
    let dir = Arc::new(tempfile::TempDir::new().unwrap());
    std::fs::write(dir.path().join("kek"), format!("{KEK}\n")).unwrap();
    let gateway = Launch::new(config.text())
        .dir(Arc::clone(&dir))
        .start()
        .await;
    let id = asked(&gateway, KEY, "hello").await;
    assert!(!audit_dir(&gateway).join("keys/kek").exists());
    assert_nowhere(&audit_dir(&gateway), &[KEK]);
    let good = unsealed(dir.path(), &id, &["--config", "yumen.yaml"]);
    assert!(good["request"]["text"].as_str().unwrap().contains("hello"));
    // Without the config there is no key, and nothing is written down as read.
    let (code, told) = unsealed_status(dir.path(), &id);
    assert_eq!(code, Some(2));
    assert!(told.contains("--config"), "{told}");
    let readings = gateway.journal();
    assert_eq!(
        readings
            .of("event")
            .filter(|event| event.text("what") == "unseal")
            .count(),
        1
    );
    // With another key it is told what is wrong, and nothing else.
    config.set("audit/seal/key", OTHER_KEK);
    std::fs::write(dir.path().join("other.yaml"), config.text()).unwrap();
    let wrong = unsealed(dir.path(), &id, &["--config", "other.yaml"]);
    assert!(
        wrong["request"]["error"]
            .as_str()
            .unwrap()
            .contains("another key"),
        "{wrong}"
    );
    // A damaged key file.
    let key = files(&audit_dir(&gateway).join("keys"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|kind| kind == "key"))
        .unwrap();
    let text = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, &text[..text.len() / 2]).unwrap();
    let damaged = unsealed(dir.path(), &id, &["--config", "yumen.yaml"]);
    assert!(
        damaged["request"]["error"]
            .as_str()
            .unwrap()
            .contains("damaged"),
        "{damaged}"
    );
    // Only the owner may read any of it.
    for path in files(&audit_dir(&gateway)) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[tokio::test]
async fn what_is_no_key_keeps_a_config_from_being_used() {
    let upstream = Scripted::start().await;
    for (seal, told) in [
        (json!({"key": "c2hvcnQ="}), "must be 32 bytes in base64"),
        (json!({"key": "${NO_SUCH_KEK}"}), "NO_SUCH_KEK"),
        (json!({"key": "file:missing"}), "cannot be read"),
        (json!({"key": KEK, "command": ["kms"]}), "not both"),
        (json!({"command": [""]}), "names no program"),
        (json!({"timeout": "0s"}), "must be 1s to 1m"),
        (json!({"period": "year"}), "year"),
    ] {
        let text = config(&upstream, json!({"payload": "sealed", "seal": seal})).text();
        let (code, _, stderr) = Launch::new(text).command("check").ends().await;
        assert_eq!(code, Some(2), "{seal}");
        assert!(stderr.contains(told), "{seal}: {stderr}");
        assert!(!stderr.contains("c2hvcnQ="));
    }
    // Redacting without anything to find is said.
    let text = config(&upstream, json!({"payload": "redacted"})).text();
    let (code, stdout, stderr) = Launch::new(text).command("check").ends().await;
    assert_eq!(code, Some(0));
    assert!((stdout + &stderr).contains("nothing is redacted"));
}

/// A program in the place of a KMS.
fn program(dir: &Path, script: &str) -> Value {
    let path = dir.join("kms");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    json!([path])
}

async fn with_program(script: &str, upstream: &Scripted) -> Gateway {
    let dir = Arc::new(tempfile::TempDir::new().unwrap());
    let command = program(dir.path(), script);
    let audit = json!({"payload": "sealed", "seal": {"command": command, "timeout": "1s"}});
    let text = config(upstream, audit).text();
    Launch::new(text).dir(dir).start().await
}

#[tokio::test]
async fn a_program_may_wrap_the_keys() {
    let upstream = Scripted::start().await;
    says(&upstream, "an answer");
    let gateway = with_program("read line; echo \"$line\" | rev", &upstream).await;
    let id = asked(&gateway, KEY, "hello").await;
    let kept = unsealed(gateway.dir.path(), &id, &["--config", "yumen.yaml"]);
    assert!(
        kept["request"]["text"].as_str().unwrap().contains("hello"),
        "{kept}"
    );
}

#[tokio::test]
async fn a_program_that_fails_or_hangs_costs_payloads_and_no_request() {
    let upstream = Scripted::start().await;
    says(&upstream, "an answer");
    for script in ["exit 1", "exec sleep 600", "echo \"not; agreed\"; exit 3"] {
        let gateway = with_program(script, &upstream).await;
        let begun = std::time::Instant::now();
        for _ in 0..5 {
            let reply = gateway.chat("m", "PLANTED-KMS-1").send().await;
            assert_eq!(reply.status, 200, "{script}: {}", reply.text());
            let closing = gateway.record(&reply).await;
            assert_eq!(closing["reply_body"]["dropped"], "key", "{closing}");
            let opening = opening(&gateway, &reply);
            assert_eq!(opening["request_body"]["dropped"], "key", "{opening}");
        }
        assert!(
            begun.elapsed() < Duration::from_secs(8),
            "{script}: {:?}",
            begun.elapsed()
        );
        assert_nowhere(&audit_dir(&gateway), &["PLANTED-KMS-1"]);
        until("a warning", || {
            gateway.log().contains("no key for payloads")
        })
        .await;
    }
}
