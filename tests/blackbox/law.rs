//! The law: a request goes only where clearance reaches its grade, on the first try, a retry and a failover alike.

use tests::upstream::{Upstream, reply};
use tests::*;

const GRADES: [&str; 4] = ["public", "internal", "confidential", "restricted"];

#[tokio::test]
async fn the_grade_is_the_highest_of_team_key_and_header() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("teams/ops", json!({"grade": "internal"}));
    config.key("low", "ym-law-low-000000", json!({}));
    config.key("team", "ym-law-team-000000", json!({"team": "ops"}));
    config.key(
        "high",
        "ym-law-high-000000",
        json!({"team": "ops", "grade": "confidential"}),
    );
    let gateway = Gateway::start(&config).await;
    let model = "m-openai-compatible";
    for (key, header, want) in [
        ("low", None, "public"),
        ("low", Some("public"), "public"),
        ("low", Some("restricted"), "restricted"),
        ("team", None, "internal"),
        ("team", Some("public"), "internal"),
        ("team", Some("confidential"), "confidential"),
        ("high", None, "confidential"),
        ("high", Some("internal"), "confidential"),
        ("high", Some(" restricted "), "restricted"),
    ] {
        let mut ask = gateway
            .chat(model, "hi")
            .key(&format!("ym-law-{key}-000000"));
        if let Some(grade) = header {
            ask = ask.header("x-yumen-grade", grade);
        }
        let reply = ask.send().await;
        assert_eq!(reply.status, 200, "{key} {header:?}: {}", reply.text());
        assert_eq!(
            reply.header("x-yumen-grade"),
            Some(want),
            "{key} {header:?}"
        );
        assert_eq!(reply.header("x-yumen-verdict"), Some("allow"));
        let id = reply.header("x-request-id").unwrap();
        let journal = gateway.journal();
        assert_eq!(journal.opening(id).unwrap().text("grade"), want);
    }
    let before = sim.requests().len();
    for unknown in ["secret", "Restricted", "", "restricted,public", "9"] {
        let reply = gateway
            .chat(model, "hi")
            .header("x-yumen-grade", unknown)
            .send()
            .await;
        reply.refused(400, "invalid_request");
    }
    assert_eq!(sim.requests().len(), before);
    // Of two the higher counts, whichever stands first.
    for (first, second) in [("restricted", "public"), ("public", "restricted")] {
        let twice = gateway
            .chat(model, "hi")
            .header("x-yumen-grade", first)
            .header("x-yumen-grade", second)
            .send()
            .await;
        assert_eq!(twice.status, 200, "{}", twice.text());
        assert_eq!(twice.header("x-yumen-grade"), Some("restricted"));
    }
    gateway
        .chat(model, "hi")
        .header("x-yumen-grade", "public")
        .header("x-yumen-grade", "secret")
        .send()
        .await
        .refused(400, "invalid_request");
}

#[tokio::test]
async fn clearance_is_the_lowest_grade_unless_it_is_given() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.0["providers"]["openai-compatible"]
        .as_object_mut()
        .unwrap()
        .remove("clearance");
    let gateway = Gateway::start(&config).await;
    assert_eq!(
        gateway
            .chat("m-openai-compatible", "hi")
            .send()
            .await
            .status,
        200
    );
    let reply = gateway
        .chat("m-openai-compatible", "hi")
        .header("x-yumen-grade", "internal")
        .send()
        .await;
    reply.refused(403, "no_cleared_provider");
    assert_eq!(sim.requests().len(), 1);
}

#[tokio::test]
async fn skipping_to_a_cleared_provider_is_called_reroute() {
    let vendor = Upstream::good().await;
    let own = Upstream::good().await;
    let mut config = Config::new();
    config
        .plain_at("vendor", &vendor.origin())
        .plain_at("own", &own.origin());
    config.set("providers/vendor/clearance", "internal");
    config.model("both", &[("vendor", "big"), ("own", "small")]);
    let gateway = Gateway::start(&config).await;
    let reply = gateway.chat("both", "hi").send().await;
    assert_eq!(
        (
            reply.header("x-yumen-provider"),
            reply.header("x-yumen-verdict")
        ),
        (Some("vendor"), Some("allow"))
    );
    let reply = gateway
        .chat("both", "a secret")
        .header("x-yumen-grade", "confidential")
        .send()
        .await;
    assert_eq!(
        (
            reply.header("x-yumen-provider"),
            reply.header("x-yumen-verdict")
        ),
        (Some("own"), Some("reroute"))
    );
    assert_eq!(reply.header("x-yumen-model"), Some("small"));
    assert_eq!((vendor.requests().len(), own.requests().len()), (1, 1));
    let opening = gateway
        .journal()
        .opening(reply.header("x-request-id").unwrap())
        .unwrap()
        .clone();
    assert_eq!(
        (
            opening.text("verdict"),
            opening.text("provider"),
            opening.payload["targets"].as_u64()
        ),
        ("reroute", "own", Some(1))
    );
}

#[tokio::test]
async fn nobody_cleared_is_a_refusal_that_echoes_nothing() {
    let vendor = Upstream::good().await;
    let mut config = Config::new();
    config.plain_at("m", &vendor.origin());
    config.set("providers/m/clearance", "internal");
    let gateway = Gateway::start(&config).await;
    for stream in [false, true] {
        let ask = gateway
            .chat("m", "PLANTED-TEXT-771")
            .with(|body| body["stream"] = stream.into());
        let reply = ask.header("x-yumen-grade", "restricted").send().await;
        let message = reply.refused(403, "no_cleared_provider");
        assert!(!message.contains("PLANTED"), "{message}");
        let denial = gateway.record(&reply).await;
        assert_eq!(
            (&denial["verdict"], &denial["grade"], &denial["code"]),
            (
                &json!("refuse"),
                &json!("restricted"),
                &json!("no_cleared_provider")
            )
        );
    }
    assert_eq!(vendor.accepted(), 0);
}

/// Every grade, every order of clearances of three targets, the first cleared ones failing: whatever fails over, no
/// upstream under the grade ever hears a byte.
#[tokio::test]
async fn no_retry_and_no_failover_reaches_an_uncleared_provider() {
    let mut upstreams = Vec::new();
    let mut config = Config::new();
    config.set("upstream", json!({"retries": 9}));
    for grade in GRADES {
        let text = reply(
            "500 Internal Server Error",
            "application/json",
            r#"{"error":{"message":"no"}}"#,
        );
        let upstream = Upstream::saying(text).await;
        config.plain_at(grade, &upstream.origin());
        config.set(&format!("providers/{grade}/clearance"), grade);
        upstreams.push(upstream);
    }
    let mut names = Vec::new();
    // All orders of three of the four.
    let orders = (0..64).map(|at| [at / 16, at / 4 % 4, at % 4]);
    for [a, b, c] in orders.filter(|[a, b, c]| a != b && b != c && a != c) {
        let name = format!("o{a}{b}{c}");
        config.model(
            &name,
            &[(GRADES[a], "x"), (GRADES[b], "x"), (GRADES[c], "x")],
        );
        names.push((name, [a, b, c]));
    }
    let gateway = Gateway::start(&config).await;
    let counts = || {
        upstreams
            .iter()
            .map(|upstream| upstream.requests().len())
            .collect::<Vec<_>>()
    };
    for (name, order) in names {
        for (grade, label) in GRADES.iter().enumerate() {
            let before = counts();
            let reply = gateway
                .chat(&name, "x")
                .header("x-yumen-grade", label)
                .send()
                .await;
            let after = counts();
            let cleared = order.iter().filter(|index| **index >= grade).count();
            assert_eq!(
                reply.status,
                if cleared == 0 { 403 } else { 500 },
                "{name} {label}: {}",
                reply.text()
            );
            for index in 0..4 {
                let reached = after[index] > before[index];
                let may = order.contains(&index) && index >= grade;
                assert_eq!(
                    reached, may,
                    "{name}, grade {label}: provider of clearance {}",
                    GRADES[index]
                );
            }
        }
    }
    gateway.assert_sound();
}
