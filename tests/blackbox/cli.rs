//! The command line: what it prints, where it complains, how it exits.

use std::process::{Command, Output};
use tests::gateway::executable;
use tests::*;

fn yumen(arguments: &[&str]) -> Output {
    Command::new(executable()).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_created_key_works_by_its_hash() {
    let made = yumen(&["key", "create", "--json"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let (key, hash) = (
        made["key"].as_str().unwrap(),
        made["hash"].as_str().unwrap(),
    );
    assert!(made["id"].as_str().is_some_and(|id| !id.is_empty()));
    assert_eq!(hash, config::hash(key), "sha256 of the whole key");
    assert!(key.starts_with("ym-") && key.len() >= 3 + 33, "{key}");
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.0["keys"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": made["id"], "hash": hash}));
    let gateway = Gateway::start(&config).await;
    assert_eq!(
        gateway
            .chat("m-openai-compatible", "x")
            .key(key)
            .send()
            .await
            .status,
        200
    );
    let again: Value = serde_json::from_slice(&yumen(&["key", "create", "--json"]).stdout).unwrap();
    assert_ne!(again["key"], made["key"]);
}

#[tokio::test]
async fn check_says_what_is_wrong_and_where() {
    let sim = sim().await;
    let good = Config::plain(&sim).text();
    let (code, stdout, stderr) = Launch::new(good.clone()).command("check").ends().await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(
        sim.accepted() == 0
            && !(stdout.clone() + &stderr).contains(&config::upstream_key("openai-compatible"))
    );
    let line = 1 + good
        .lines()
        .position(|line| line.contains("\"vendor\""))
        .unwrap();
    for command in ["check", "serve"] {
        let bad = good.replacen(
            "\"vendor\": \"openai-compatible\"",
            "\"vendor\": \"nobody\"",
            1,
        );
        let (code, stdout, stderr) = Launch::new(bad).command(command).ends().await;
        assert_eq!(code, Some(2), "{command}: {stdout}{stderr}");
        assert!(
            (stdout + &stderr).contains(&format!("yumen.yaml:{line}:")),
            "{command}: line {line}: {stderr}"
        );
    }
}

#[tokio::test]
async fn check_refuses_a_credential_that_cannot_be_sent() {
    let sim = sim().await;
    for (vendor, auth, key, why) in [
        (
            "openai-compatible",
            None,
            "A\nB",
            "characters that no header can",
        ),
        ("anthropic", None, "C\nD", "characters that no header can"),
        (
            "glm",
            Some("jwt"),
            "plantedkeywithoutadot",
            "not of the form id.secret",
        ),
    ] {
        let mut config = Config::plain(&sim);
        let mut provider = json!({"vendor": vendor, "api_key": key, "base_url": "http://10.0.0.1"});
        if let Some(auth) = auth {
            provider["auth"] = auth.into();
        }
        config.set("providers/odd", provider);
        let (code, _, stderr) = Launch::new(config.text()).command("check").ends().await;
        assert_eq!(code, Some(2), "{vendor}: {stderr}");
        assert!(
            stderr.contains("providers.odd: its credential cannot be used") && stderr.contains(why),
            "{vendor}: {stderr}"
        );
        assert!(!stderr.contains(key), "{stderr}");
    }
}

#[tokio::test]
async fn a_process_leaves_no_image_of_its_memory() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::plain(&sim)).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let limits: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(limits, ["0", "0"], "{core}");
    // What pipes images to a handler goes by this: the files in /proc belong to root then, whoever runs it.
    assert_eq!(gateway.admin("/metrics").await.status, 200);
    gateway.assert_sound();
}

#[tokio::test]
async fn check_tells_what_is_governed() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    let (code, stdout, _) = Launch::new(config.text()).command("check").ends().await;
    assert_eq!(code, Some(0));
    assert!(stdout.contains("policies: none"), "{stdout}");
    config.set(
        "policies",
        json!({
            "packs": ["secrets"],
            "rules": [{"name": "ids", "find": ["CN_ID_CARD"], "remedy": "redact", "restore": true}],
            "words": [{"name": "MINE", "words": ["planted-word"]}],
        }),
    );
    let (code, stdout, stderr) = Launch::new(config.text()).command("check").ends().await;
    assert_eq!(code, Some(0), "a warning is no error: {stderr}");
    for line in [
        "packs: secrets",
        "looked for in requests: CN_ID_CARD, SECRET, MINE",
        "1. ids",
        "redact, placeholder, restored",
    ] {
        assert!(stdout.contains(line), "{line} in {stdout}");
    }
    assert!(
        stderr.contains("no rule names a remedy for MINE"),
        "{stderr}"
    );
    assert!(!(stdout + &stderr).contains("planted-word"));
}

#[test]
fn the_schema_is_json_and_knows_the_sections() {
    let schema = yumen(&["schema"]);
    assert_eq!(schema.status.code(), Some(0));
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    for section in ["listen", "providers", "models", "keys", "audit", "limits"] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
}

#[test]
fn wrong_usage_exits_2() {
    for arguments in [
        &["nonsense"][..],
        &["serve", "--no-such-flag"],
        &["serve", "-c", "/no/such/file.yaml"],
        &["check", "-c", "/no/such/file.yaml"],
    ] {
        let done = yumen(arguments);
        assert_eq!(
            done.status.code(),
            Some(2),
            "{arguments:?}: {}",
            text(&done.stderr)
        );
        assert!(
            !done.stderr.is_empty() && !text(&done.stderr).contains("panicked"),
            "{arguments:?}"
        );
    }
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["check", "--help"],
        &["--version"],
    ] {
        let done = yumen(arguments);
        assert_eq!(done.status.code(), Some(0), "{arguments:?}");
        assert!(!done.stdout.is_empty());
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_names_it() {
    let sim = sim().await;
    let first = Gateway::start(&Config::plain(&sim)).await;
    let mut config = Config::plain(&sim);
    config.set("listen", first.listen.to_string());
    let (code, stdout, stderr) = Launch::new(config.text()).ends().await;
    assert!(
        code.is_some_and(|code| code != 0),
        "two gateways share a port: {stdout}"
    );
    assert!(
        stderr.contains(&first.listen.port().to_string()),
        "{stderr}"
    );
}
