//! What may go on to the next target, and what must not: a caller's mistake, a reply that has begun.

use super::*;

#[tokio::test]
async fn every_early_fault_fails_over_to_the_next_target() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.sim_provider("second", "vllm", &sim);
    // What may be the caller's own mistake is told by the vendor's words.
    let stays = ["@status:400", "@status:422", "@status:404"];
    let moves: Vec<&Case> = EARLY
        .iter()
        .filter(|case| !stays.contains(&case.fault))
        .collect();
    for case in EARLY.iter().chain(&EARLY_STREAMED) {
        config.model(
            &name("two", case.fault),
            &[
                ("openai-compatible", &format!("m{}", case.fault)),
                ("second", "m"),
            ],
        );
    }
    config.set("upstream", json!({"timeouts": {"first_content": "500ms"}}));
    let gateway = Gateway::start(&config).await;
    for case in moves.iter().copied().chain(&EARLY_STREAMED) {
        let streamed = EARLY_STREAMED.iter().any(|other| other.fault == case.fault);
        for stream in if streamed {
            vec![true]
        } else {
            vec![false, true]
        } {
            let what = format!("{}, stream: {stream}", case.fault);
            let ask = gateway
                .chat(&name("two", case.fault), TEXT)
                .with(|body| body["stream"] = stream.into());
            let reply = ask.send().await;
            assert_eq!(reply.status, 200, "{what}: {}", reply.text());
            assert_eq!(reply.header("x-yumen-provider"), Some("second"), "{what}");
            let attempts: usize = reply.header("x-yumen-attempts").unwrap().parse().unwrap();
            assert!((2..=3).contains(&attempts), "{what}: {attempts}");
            if stream {
                let said = grammar::read(&reply.body);
                // The text stands once: nothing of the first attempt went down.
                assert_eq!(said.text().matches("PLANTED").count(), 1, "{what}");
                assert!(said.done, "{what}");
            } else {
                assert!(reply.said().contains(TEXT), "{what}");
            }
            let closing = gateway.record(&reply).await;
            let tried = closing["attempts"].as_array().unwrap();
            assert_eq!(tried.len(), attempts, "{what}: {closing}");
            assert!(
                tried[0]["fault"].is_string() && tried[attempts - 1]["fault"].is_null_or_empty(),
                "{what}: {closing}"
            );
        }
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn a_callers_mistake_does_not_fail_over() {
    let sim = sim().await;
    for status in [
        "400 Bad Request",
        "413 Payload Too Large",
        "422 Unprocessable Entity",
    ] {
        let body = r#"{"error":{"message":"temperature is wrong","type":"invalid_request_error","param":"temperature","code":null}}"#;
        let upstream = Upstream::saying(reply(status, "application/json", body)).await;
        let mut config = Config::plain(&sim);
        config
            .plain_at("m", &upstream.origin())
            .model("two", &[("m", "x"), ("openai-compatible", "x")]);
        let gateway = Gateway::start(&config).await;
        let reply = gateway.chat("two", "x").send().await;
        assert_eq!(reply.status.to_string(), status[..3], "{}", reply.text());
        assert_eq!(reply.header("x-yumen-attempts"), Some("1"), "{status}");
    }
    assert!(sim.requests().is_empty(), "a caller's mistake failed over");
}

trait Absent {
    fn is_null_or_empty(&self) -> bool;
}

impl Absent for Value {
    fn is_null_or_empty(&self) -> bool {
        self.is_null() || self.as_str() == Some("")
    }
}

#[tokio::test]
async fn after_the_first_content_nothing_fails_over() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.sim_provider("second", "vllm", &sim);
    for (fault, _) in LATE {
        config.model(
            &name("two", fault),
            &[("openai-compatible", &format!("m{fault}")), ("second", "m")],
        );
    }
    config.set("upstream", json!({"timeouts": {"content_gap": "400ms"}}));
    let gateway = Gateway::start(&config).await;
    for (fault, codes) in LATE {
        let reply = gateway.stream(&name("two", fault), TEXT).send().await;
        let said = grammar::read(&reply.body);
        assert!(
            codes.contains(&said.error_code()),
            "{fault}: {}",
            reply.text()
        );
        assert_eq!(reply.header("x-yumen-attempts"), Some("1"), "{fault}");
    }
    assert!(
        sim.requests()
            .iter()
            .all(|request| request.surface == "openai")
    );
}
