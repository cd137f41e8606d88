//! What is written down: types, counts, names of policies; never a value, in no file, log, number or error.

use super::{bench, bench_with};
use std::path::Path;
use tests::planted::{Planter, seen};
use tests::*;

#[tokio::test]
async fn records_tell_types_counts_and_policies() {
    let bench = bench(json!({"rules": [
        {"name": "hide", "find": ["CN_MOBILE"], "remedy": "redact", "restore": true},
        {"name": "away", "find": ["CN_ID_CARD"], "remedy": "reroute"},
        {"name": "never", "find": ["SECRET"], "remedy": "refuse"},
    ], "output": {"find": ["EMAIL"], "remedy": "redact"}}))
    .await;
    let mut planter = Planter::new(0x81);
    let (a, b, id, key) = (
        planter.mobile(),
        planter.mobile(),
        planter.id_card(),
        planter.access_key(),
    );
    let opening = |reply: &Reply| {
        let journal = bench.gateway.journal();
        journal
            .opening(reply.header("x-request-id").unwrap())
            .unwrap()
            .payload
            .clone()
    };
    let redacted = opening(&bench.asks(&format!("{a} {b} {a}")).await);
    assert_eq!(
        redacted["findings"],
        json!([{"type": "CN_MOBILE", "count": 3}]),
        "{redacted}"
    );
    assert_eq!(
        (
            &redacted["policies"],
            &redacted["verdict"],
            &redacted["redactions"]
        ),
        (&json!(["hide"]), &json!("redact"), &json!(3)),
        "{redacted}"
    );
    let rerouted = opening(&bench.asks(&format!("{a} {id}")).await);
    assert_eq!(
        (
            &rerouted["verdict"],
            &rerouted["provider"],
            &rerouted["grade"]
        ),
        (&json!("reroute"), &json!("own"), &json!("restricted")),
        "{rerouted}"
    );
    assert!(
        rerouted["policies"]
            .as_array()
            .unwrap()
            .contains(&json!("away")),
        "{rerouted}"
    );
    let refused = bench.asks(&format!("{key} {id}")).await;
    refused.refused(403, "policy_refused");
    let denial = bench.gateway.record(&refused).await;
    assert_eq!(
        (&denial["verdict"], &denial["policies"]),
        (&json!("refuse"), &json!(["never"])),
        "{denial}"
    );
    let findings = denial["findings"].as_array().unwrap();
    assert!(
        findings.contains(&json!({"type": "AWS_ACCESS_KEY", "count": 1}))
            && findings.contains(&json!({"type": "CN_ID_CARD", "count": 1})),
        "{denial}"
    );
}

fn files(dir: &Path, out: &mut Vec<u8>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.file_name().is_some_and(|name| name != "yumen.yaml") {
            out.extend(std::fs::read(&path).unwrap_or_default());
        }
    }
}

/// Values in every verdict, in good and in failing requests, in bad JSON, in headers and paths: nothing that the gateway
/// writes or says by itself has one.
#[tokio::test]
async fn no_value_is_in_any_file_log_number_or_error() {
    let sim = sim().await;
    let policies = json!({"rules": [
        {"name": "hide", "find": ["CN_MOBILE"], "remedy": "redact", "restore": true},
        {"name": "away", "find": ["CN_ID_CARD"], "remedy": "reroute"},
        {"name": "never", "find": ["SECRET"], "remedy": "refuse"},
        {"name": "watch", "find": ["EMAIL"], "remedy": "refuse", "mode": "shadow"},
    ], "output": {"find": ["CN_ID_CARD"], "remedy": "refuse"}});
    let bench = bench_with(policies, |config| {
        config.set("log", json!({"level": "trace"}));
        config.sim_provider("sim", "openai", &sim);
        config.sim_provider("own-sim", "vllm", &sim);
        config.set("providers/sim/clearance", "internal");
        for (name, fault) in [
            ("sim", ""),
            ("bad", "@status:400"),
            ("broken", "@badjson:2"),
            ("cut", "@cutevent:3"),
            ("late", "@errorevent:2"),
            ("five", "@status:500"),
        ] {
            config.model(
                name,
                &[
                    ("sim", &format!("gpt-4o{fault}")),
                    ("own-sim", &format!("local-model{fault}")),
                ],
            );
        }
    })
    .await;
    let mut planter = Planter::new(0x82);
    let mut errors = Vec::new();
    for model in [
        "m",
        "outside",
        "sim",
        "bad",
        "broken",
        "cut",
        "late",
        "five",
        "no-such-model",
    ] {
        for stream in [false, true] {
            for kind in 0..4 {
                let value = planter.any();
                let tool = planter.mobile();
                let reply = bench
                    .gateway
                    .chat(model, &format!("{kind} {value}"))
                    .header("x-extra", &value)
                    .with(|body| {
                        body["stream"] = stream.into();
                        body["metadata"] = json!({"who": tool});
                    })
                    .send()
                    .await;
                if reply.status != 200 {
                    errors.extend(reply.body.clone());
                    errors.extend(format!("{:?}", reply.headers).into_bytes());
                } else {
                    errors.extend(format!("{:?}", reply.headers).into_bytes());
                }
            }
        }
    }
    // Requests that cannot be read.
    let value = planter.mobile();
    for body in [
        format!(
            "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"{value}\"}}],,}}"
        ),
        format!("{{\"model\":\"m\",\"{value}\":1,\"{value}\":2,\"messages\":[]}}"),
        format!(
            "{{\"model\":\"m\",\"messages\":[{{\"role\":\"{value}\",\"content\":\"x\"}}],\"n\":\"{value}\"}}"
        ),
        format!("{{\"model\":\"{value}\",\"messages\":\"{value}\"}}"),
        format!(
            "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"\\ud800{value}\"}}]}}"
        ),
    ] {
        let ask = Ask::post(bench.gateway.listen, "/v1/chat/completions")
            .key(KEY)
            .bytes(body);
        let reply = ask.send().await;
        assert!(
            reply.status >= 400 && reply.status < 500,
            "{}",
            reply.text()
        );
        errors.extend(reply.body);
    }
    let lost = Ask::post(bench.gateway.listen, &format!("/v1/{value}?x={value}"))
        .key(KEY)
        .json(&json!({}))
        .send()
        .await;
    assert_eq!(lost.status, 404);
    errors.extend(lost.body);
    let found = seen(&errors, planter.made());
    assert!(found.is_empty(), "errors and headers tell {found:?}");
    let metrics = bench.gateway.admin("/metrics").await.text();
    assert!(seen(metrics.as_bytes(), planter.made()).is_empty());
    let log = bench.gateway.log();
    let found = seen(log.as_bytes(), planter.made());
    let line = log
        .lines()
        .find(|line| found.iter().any(|value| line.contains(value)));
    assert!(found.is_empty(), "the log tells {found:?}: {line:?}");
    let mut written = Vec::new();
    files(bench.gateway.dir.path(), &mut written);
    assert!(written.len() > 1000);
    let found = seen(&written, planter.made());
    assert!(found.is_empty(), "the journal tells {found:?}");
    bench.gateway.assert_sound();
}
