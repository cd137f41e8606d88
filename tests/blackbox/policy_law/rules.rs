//! Rules: their order, their counts, their conditions, and those that are only watched.

use super::{ID, PHONE, bench, bench_with, check, told};
use tests::*;

#[tokio::test]
async fn the_first_rule_about_a_type_counts() {
    let first =
        json!({"name": "first", "find": ["CN_MOBILE"], "remedy": "redact", "method": "mask"});
    let second = json!({"name": "second", "find": ["CONTACT"], "remedy": "refuse"});
    let mail = "mail zhang.san@corp.example.cn";
    let forward = bench(json!({"rules": [first, second]})).await;
    check(
        &forward.asks(&format!("电话 {PHONE}")).await,
        "abroad",
        "redact",
        "confidential",
    );
    assert!(forward.heard()[0].contains("139****5678"));
    forward.asks(mail).await.refused(403, "policy_refused");
    let backward = bench(json!({"rules": [second, first]})).await;
    backward
        .asks(&format!("电话 {PHONE}"))
        .await
        .refused(403, "policy_refused");
    assert!(backward.heard().is_empty());
    // Of two types in one request each has its own rule, and the strictest remedy stands.
    forward
        .asks(&format!("{PHONE} {mail}"))
        .await
        .refused(403, "policy_refused");
}

#[tokio::test]
async fn at_least_counts_all_types_of_the_rule() {
    let bench = bench(json!({
        "grades": {"CN_MOBILE": "public", "CN_ID_CARD": "public"},
        "rules": [{"name": "bulk", "find": ["CN_MOBILE", "CN_ID_CARD"], "at_least": 3, "grade": "restricted", "remedy": "reroute"}],
    }))
    .await;
    let phones = |n: u64| {
        (0..n)
            .map(|at| format!("{} ", 13_912_345_670 + at))
            .collect::<String>()
    };
    check(&bench.asks(&phones(2)).await, "abroad", "allow", "public");
    let reply = bench.asks(&phones(3)).await;
    assert_eq!(
        (told(&reply).0.as_str(), told(&reply).1.as_str()),
        ("own", "reroute")
    );
    assert_eq!(
        told(&bench.asks(&format!("{}{ID}", phones(2))).await).0,
        "own"
    );
    // The same value three times is three findings.
    assert_eq!(
        told(&bench.asks(&format!("{PHONE}, {PHONE}, {PHONE}")).await).0,
        "own"
    );
}

/// A rule in shadow mode changes nothing that anybody sees, but stands in the journal.
#[tokio::test]
async fn shadow_rules_only_note() {
    let bench = bench(json!({
        "grades": {"CN_MOBILE": "public"},
        "rules": [
            {"name": "s-refuse", "find": ["CN_MOBILE"], "remedy": "refuse", "mode": "shadow"},
            {"name": "s-when", "when": "model == \"m\"", "remedy": "refuse", "mode": "shadow"},
            {"name": "s-raise", "find": ["CN_MOBILE"], "remedy": "reroute", "grade": "restricted", "mode": "shadow"},
            {"name": "s-never", "when": "model == \"other\"", "remedy": "refuse", "mode": "shadow"},
        ],
    }))
    .await;
    let reply = bench.asks(&format!("电话 {PHONE}")).await;
    check(&reply, "abroad", "allow", "public");
    assert!(bench.heard()[0].contains(PHONE));
    let journal = bench.gateway.journal();
    let opening = &journal
        .opening(reply.header("x-request-id").unwrap())
        .unwrap()
        .payload;
    let mut shadowed: Vec<&str> = opening["shadowed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    shadowed.sort_unstable();
    assert_eq!(shadowed, ["s-raise", "s-refuse", "s-when"], "{opening}");
    assert!(
        opening["policies"].as_array().is_none_or(Vec::is_empty),
        "{opening}"
    );
    assert_eq!(
        opening["findings"],
        json!([{"type": "CN_MOBILE", "count": 1}]),
        "{opening}"
    );
}

#[tokio::test]
async fn conditions_read_key_model_target_time_hits_and_grade() {
    let conditions = [
        ("team", r#"key.team == "interns""#),
        ("id", r#"key.id == "robot" && request.stream"#),
        ("model", r#"model == "outside" && !request.tools"#),
        ("hits", "hits.CN_MOBILE >= 2 && hits.total < 4"),
        (
            "grade",
            r#"grade >= "restricted" && key.grade < "internal""#,
        ),
        (
            "time",
            "time.hour >= 0 && time.hour < 24 && time.weekday >= 8",
        ),
        ("size", "request.bytes > 4000 || request.messages > 3"),
        ("dialect", r#"request.dialect == "no such dialect""#),
        ("ip", r#"request.client_ip == "127.0.0.2""#),
    ];
    let rules: Vec<Value> = conditions
        .iter()
        .map(|(name, when)| json!({"name": name, "when": when, "remedy": "refuse"}))
        .collect();
    let bench = bench_with(
        json!({"rules": rules, "grades": {"CN_MOBILE": "public", "CN_ID_CARD": "restricted"}}),
        |config| {
            config.set("teams/interns", json!({}));
            config.set("teams/staff", json!({}));
            config.key("intern", "ym-law-intern-00000", json!({"team": "interns"}));
            config.key(
                "clerk",
                "ym-law-clerk-000000",
                json!({"team": "staff", "grade": "internal"}),
            );
            config.key("robot", "ym-law-robot-000000", json!({}));
        },
    )
    .await;
    let ask = |text: &str| bench.gateway.chat("m", text);
    let refused = |reply: Reply, rule: &str| {
        let message = reply.refused(403, "policy_refused");
        assert!(message.contains(rule), "{message}");
    };
    assert_eq!(ask("hi").send().await.status, 200);
    refused(ask("hi").key("ym-law-intern-00000").send().await, "team");
    assert_eq!(
        ask("hi").key("ym-law-clerk-000000").send().await.status,
        200
    );
    assert_eq!(
        ask("hi").key("ym-law-robot-000000").send().await.status,
        200
    );
    refused(
        ask("hi")
            .key("ym-law-robot-000000")
            .with(|body| body["stream"] = true.into())
            .send()
            .await,
        "id",
    );
    refused(bench.gateway.chat("outside", "hi").send().await, "model");
    let tools =
        json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    assert_eq!(
        bench
            .gateway
            .chat("outside", "hi")
            .with(|body| body["tools"] = tools)
            .send()
            .await
            .status,
        200
    );
    assert_eq!(ask(PHONE).send().await.status, 200);
    refused(ask(&format!("{PHONE} 13812345678")).send().await, "hits");
    assert_eq!(
        ask(&format!("{PHONE} 13812345678 13712345678 13612345678"))
            .send()
            .await
            .status,
        200
    );
    refused(ask(ID).send().await, "grade");
    assert_eq!(ask(ID).key("ym-law-clerk-000000").send().await.status, 200);
    refused(ask(&"x ".repeat(3000)).send().await, "size");
}

/// A condition about the target holds for each on its own: one is left out, the next is taken.
#[tokio::test]
async fn conditions_about_a_target_leave_out_that_target() {
    let bench = bench(json!({"rules": [
        {"name": "not-there", "when": "provider.location == \"overseas\" && request.messages > 0", "remedy": "refuse"},
        {"name": "there", "find": ["CN_MOBILE"], "when": "provider.name == \"home\"", "remedy": "redact"},
        {"name": "elsewhere", "find": ["CN_MOBILE"], "remedy": "reroute"},
    ], "grades": {"CN_MOBILE": "restricted"}}))
    .await;
    let reply = bench.asks(&format!("电话 {PHONE}")).await;
    assert_eq!(
        (told(&reply).0.as_str(), told(&reply).1.as_str()),
        ("home", "redact"),
        "{}",
        reply.text()
    );
    assert!(bench.home.requests().len() == 1 && !bench.heard()[0].contains(PHONE));
    assert_eq!(bench.abroad.accepted(), 0);
    // Where only that target is left, the refusal says which rule it was.
    let only = super::bench_with(
        json!({"rules": [{"name": "not-there", "when": "provider.location != \"self_hosted\"", "remedy": "refuse"}]}),
        |config| {
            config.model("m", &[("abroad", "big"), ("home", "middle")]);
        },
    )
    .await;
    let message = only.asks("hi").await.refused(403, "policy_refused");
    assert!(message.contains("not-there"), "{message}");
}

/// Words and patterns of one's own; a list in a file is read again when it changes.
#[tokio::test]
async fn words_and_entities_of_ones_own() {
    let dir = std::sync::Arc::new(tempfile::TempDir::new().unwrap());
    let file = dir.path().join("projects.txt");
    std::fs::write(&file, "# names\nProject Kunlun\n昆仑计划\n").unwrap();
    let own = tests::upstream::Upstream::good().await;
    let outside = tests::upstream::Upstream::good().await;
    let mut config = super::config(
        &outside.origin(),
        &outside.origin(),
        &own.origin(),
        json!({
            "words": [{"name": "PROJECT_NAME", "group": "COMPANY", "grade": "restricted", "file": "projects.txt", "words": ["Blue Heron"]}],
            "entities": [
                {"name": "STAFF_CARD", "pattern": "SC-[0-9]{8}", "context": ["工牌", "staff card"], "grade": "restricted"},
                {"name": "ASSET", "pattern": "AS[0-9]{10,15}", "validator": "luhn", "grade": "restricted"},
            ],
            "rules": [
                {"name": "own-words", "find": ["COMPANY"], "remedy": "redact", "restore": true},
                {"name": "own-cards", "find": ["STAFF_CARD", "ASSET"], "remedy": "refuse"},
            ],
        }),
    );
    config.set("log", json!({"level": "info"}));
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    let sent = || String::from_utf8_lossy(&outside.requests().last().unwrap().body).into_owned();
    for text in [
        "about Project Kunlun today",
        "关于昆仑计划的",
        "BLUE HERON is it",
        "about project kunlun",
    ] {
        let reply = gateway.chat("m", text).send().await;
        check(&reply, "abroad", "redact", "restricted");
        assert!(sent().contains("<PROJECT_NAME_1>"), "{text}: {}", sent());
    }
    check(
        &gateway.chat("m", "the new Project Altai").send().await,
        "abroad",
        "allow",
        "public",
    );
    gateway
        .chat("m", "工牌 SC-12345678 丢了")
        .send()
        .await
        .refused(403, "policy_refused");
    check(
        &gateway.chat("m", "version SC-12345678 of it").send().await,
        "abroad",
        "allow",
        "public",
    );
    std::fs::write(&file, "Project Altai\n").unwrap();
    let start = std::time::Instant::now();
    loop {
        let reply = gateway.chat("m", "the new Project Altai").send().await;
        if reply.header("x-yumen-verdict") == Some("redact") {
            break;
        }
        assert!(
            start.elapsed() < SOON,
            "the new words are not used: {}",
            gateway.log()
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    check(
        &gateway.chat("m", "about Project Kunlun today").send().await,
        "abroad",
        "allow",
        "public",
    );
    // A file that cannot be used changes nothing.
    std::fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    let reply = gateway.chat("m", "the new Project Altai").send().await;
    check(&reply, "abroad", "redact", "restricted");
    gateway.assert_sound();
}
