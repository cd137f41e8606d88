//! `yumen policy`: tests, explanations and replays say what traffic gets, and never a value that was found.

use std::path::Path;
use std::process::{Command, Output};

use tests::gateway::executable;
use tests::*;

/// A bank card and an identity card that pass their checks.
const CARD: &str = "6222021000112233449";
const ID: &str = "11010519491231002X";

fn policy(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(executable());
    command.arg("policy").args(arguments).current_dir(dir);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// A vendor that is cleared for little and a machine of one's own, with a rule of each remedy.
fn config(sim: &Sim) -> Config {
    let mut config = Config::plain(sim);
    config.sim_provider("own", "vllm", sim);
    config.set("providers/openai-compatible/clearance", "internal");
    config.model(
        "m",
        &[("openai-compatible", "some-model"), ("own", "local-model")],
    );
    config.set(
        "policies",
        json!({"rules": [
            {"name": "cards", "find": ["BANK_CARD"], "remedy": "redact"},
            {"name": "ids", "find": ["CN_ID_CARD"], "remedy": "reroute"},
            {"name": "keys", "find": ["SECRET"], "remedy": "refuse", "message": "No secrets here."},
            {"name": "long", "when": "request.bytes > 100000", "remedy": "refuse", "mode": "shadow"},
        ]}),
    );
    config
}

/// A text for each verdict.
fn asks() -> [(&'static str, String, &'static str); 4] {
    [
        ("allow", "今天天气怎么样".to_owned(), "openai-compatible"),
        (
            "redact",
            format!("银行卡号 {CARD} 开户行"),
            "openai-compatible",
        ),
        ("reroute", format!("身份证 {ID} 是哪里的"), "own"),
        (
            "refuse",
            "mysql://root:Zx9kLq27vB@10.2.3.4:3306/crm".to_owned(),
            "",
        ),
    ]
}

#[test]
fn the_sample_tests_hold_and_broken_ones_say_where() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let ran = policy(&deploy, &["test", "policy-tests.yaml"]);
    assert_eq!(ran.status.code(), Some(0), "{}", said(&ran));
    assert!(text(&ran.stdout).contains("0 failed"), "{}", said(&ran));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tests.yaml");
    let good = "config:\n  providers: { p: { vendor: vllm, base_url: \"http://10.0.0.1\" } }\n  \
                models: { m: { targets: [ { provider: p, model: x } ] } }\n  \
                policies: { rules: [ { name: r, find: [EMAIL], remedy: refuse }, { name: s, find: [VIN], remedy: refuse } ] }\n\
                cases:\n  - name: mail\n    request: { model: m, text: \"an a@b.com.cn\" }\n    expect: { verdict: refuse, rules: [r] }\n";
    for (from, to, code, expected) in [
        ("", "", 0, "no case hits: s"),
        (
            "verdict: refuse",
            "verdict: allow",
            1,
            "verdict: expected allow, got refuse",
        ),
        (
            "rules: [r]",
            "rules: [q]",
            2,
            "tests.yaml:8:13: cases[0].expect: there is no rule `q`",
        ),
        (
            "verdict: refuse, rules: [r]",
            "",
            2,
            "tests.yaml:8:13: cases[0].expect: expects nothing",
        ),
        (
            "text:",
            "txt:",
            2,
            "tests.yaml:7:26: cases[0].request.txt: unknown key; did you mean `text`?",
        ),
        (
            "[EMAIL]",
            "[EMAL]",
            2,
            "tests.yaml:4:42: policies.rules[0].find[0]: there is no type or group `EMAL`",
        ),
        ("config:", "konfig:", 2, "config: is missing"),
    ] {
        std::fs::write(&file, good.replacen(from, to, 1)).unwrap();
        let ran = policy(dir.path(), &["test", "tests.yaml", "--junit", "junit.xml"]);
        assert_eq!(ran.status.code(), Some(code), "{from}: {}", said(&ran));
        assert!(said(&ran).contains(expected), "{from}: {}", said(&ran));
    }
    std::fs::write(&file, good.replacen("refuse, rules", "allow, rules", 1)).unwrap();
    let ran = policy(
        dir.path(),
        &["test", "tests.yaml", "--json", "--junit", "junit.xml"],
    );
    let result: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(
        (&result["ok"], &result["failed"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(result["files"][0]["cases"][0]["got"]["verdict"], "refuse");
    let junit = std::fs::read_to_string(dir.path().join("junit.xml")).unwrap();
    assert!(junit.contains("failures=\"1\"") && junit.contains("expected allow, got refuse"));
    let none = policy(dir.path(), &["test", "none.yaml"]);
    assert_eq!(none.status.code(), Some(2), "{}", said(&none));
}

#[tokio::test]
async fn explain_says_what_traffic_gets_and_no_value() {
    let sim = sim().await;
    let config = config(&sim);
    let gateway = Gateway::start(&config).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("yumen.yaml"), config.text()).unwrap();
    for (verdict, prompt, provider) in asks() {
        let reply = gateway.chat("m", &prompt).send().await;
        assert_eq!(
            reply.header("x-yumen-verdict"),
            Some(verdict),
            "{}",
            reply.text()
        );
        let body = json!({"model": "m", "messages": [{"role": "user", "content": prompt}]});
        std::fs::write(dir.path().join("body.json"), body.to_string()).unwrap();
        let told = policy(
            dir.path(),
            &["explain", "--key", "main", "--json", "body.json"],
        );
        assert_eq!(told.status.code(), Some(0), "{}", said(&told));
        let result: Value = serde_json::from_slice(&told.stdout).unwrap();
        let outcome = &result["outcome"];
        assert_eq!(outcome["verdict"], verdict);
        assert_eq!(reply.header("x-yumen-grade"), outcome["grade"].as_str());
        if provider.is_empty() {
            assert_eq!(outcome["code"], reply.code());
            assert_eq!(outcome["message"], reply.error()["message"]);
        } else {
            assert_eq!(outcome["targets"][0]["provider"], provider);
            assert_eq!(reply.header("x-yumen-provider"), Some(provider));
        }
        std::fs::write(dir.path().join("said.txt"), &prompt).unwrap();
        let plain = policy(
            dir.path(),
            &["explain", "--key", "main", "--model", "m", "said.txt"],
        );
        let plain = text(&plain.stdout);
        assert!(plain.contains(&format!("verdict {verdict}")), "{plain}");
        for secret in [CARD, ID, "Zx9kLq27vB"] {
            let all = plain.clone() + &text(&told.stdout);
            assert!(!all.contains(secret), "{all}");
        }
    }
    for (arguments, expected) in [
        (
            vec!["--key", "mian", "body.json"],
            "there is no key `mian`; did you mean `main`?",
        ),
        (
            vec!["--grade", "top", "body.json"],
            "there is no grade `top`",
        ),
        (vec!["said.txt"], "name a --model"),
        (vec!["none.json"], "cannot be read"),
        (
            vec!["-c", "none.yaml", "body.json"],
            "none.yaml: cannot be read",
        ),
    ] {
        let mut all = vec!["explain"];
        all.extend(&arguments);
        let told = policy(dir.path(), &all);
        assert_eq!(told.status.code(), Some(2), "{arguments:?}");
        assert!(said(&told).contains(expected), "{}", said(&told));
    }
}

#[tokio::test]
async fn a_replay_says_what_another_policy_would_change() {
    let sim = sim().await;
    let mut config = config(&sim);
    let gateway = Gateway::start(&config).await;
    for (_, prompt, _) in asks() {
        gateway.chat("m", &prompt).send().await;
    }
    // Never judged: no such key.
    let unknown = gateway
        .chat("m", "x")
        .key("ym-nobody-00000000")
        .send()
        .await;
    assert_eq!(unknown.status, 401);
    until("all is recorded", || {
        let journal = gateway.journal();
        journal.of("closed").count() == 3 && journal.of("denied").count() == 2
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let audit = gateway.dir.path().join("audit");
    let audit = audit.to_str().unwrap();
    let write = |name: &str, config: &Config| {
        std::fs::write(dir.path().join(name), config.text()).unwrap();
    };
    write("same.yaml", &config);
    let same = policy(dir.path(), &["replay", "-c", "same.yaml", "--json", audit]);
    let result: Value = serde_json::from_slice(&same.stdout).unwrap();
    assert_eq!(
        (&result["requests"], &result["changed"]),
        (&json!(4), &json!(0)),
        "{result:#}"
    );
    for (verdict, ..) in asks() {
        assert_eq!(result["table"][verdict][verdict], 1, "{result:#}");
    }
    // Cards end the request, identity cards are redacted, and nobody minds secrets.
    let rules = &mut config.0["policies"]["rules"];
    rules[0]["remedy"] = "refuse".into();
    rules[1]["remedy"] = "redact".into();
    rules[2]["remedy"] = "reroute".into();
    write("new.yaml", &config);
    let new = policy(dir.path(), &["replay", "-c", "new.yaml", "--json", audit]);
    let result: Value = serde_json::from_slice(&new.stdout).unwrap();
    for (before, after) in [
        ("allow", "allow"),
        ("redact", "refuse"),
        ("reroute", "redact"),
        ("refuse", "reroute"),
    ] {
        assert_eq!(result["table"][before][after], 1, "{result:#}");
    }
    assert_eq!(
        (&result["changed"], &result["damaged"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(result["changes"].as_array().unwrap().len(), 3);
    let plain = policy(
        dir.path(),
        &["replay", "-c", "new.yaml", "--show", "1", audit],
    );
    let plain = text(&plain.stdout);
    assert!(
        plain.contains("4 requests, 3 with another verdict") && plain.contains("and 2 more"),
        "{plain}"
    );
    let none = policy(dir.path(), &["replay", "-c", "new.yaml", "nowhere"]);
    assert_eq!(none.status.code(), Some(2), "{}", said(&none));
}
