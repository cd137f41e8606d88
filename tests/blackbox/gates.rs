//! Gates: moderation services that are asked after the law and before anything goes upstream.

use std::time::{Duration, Instant};

use tests::upstream::{Upstream, good_reply, reply};
use tests::*;

/// A number with a right check digit.
const ID: &str = "11010519491231002X";
const ALLOW: &str = r#"{"verdict":"allow"}"#;
const REFUSE: &str = r#"{"verdict":"refuse","categories":["ECHO-11010519491231002X"],"reason":"because of 11010519491231002X"}"#;

async fn saying(body: &str) -> Upstream {
    Upstream::saying(reply("200 OK", "application/json", body)).await
}

/// A vendor that is cleared for nothing, a house model that is cleared for all, and a rule that redacts.
fn config(vendor: &Upstream, own: &Upstream) -> Config {
    let mut config = Config::new();
    config
        .plain_at("vendor", &vendor.origin())
        .plain_at("own", &own.origin());
    config.set("providers/vendor/clearance", "public");
    config.model("both", &[("vendor", "big"), ("own", "small")]);
    config.set(
        "policies",
        json!({
            "rules": [{"name": "ids", "find": ["CN_ID_CARD"], "remedy": "redact", "restore": true}],
            "gates": [],
        }),
    );
    config
}

fn gate(config: &mut Config, name: &str, at: &Upstream, extra: Value) {
    let mut gate = json!({"name": name, "url": format!("{}/check", at.origin())});
    for (field, value) in extra.as_object().into_iter().flatten() {
        gate[field.as_str()] = value.clone();
    }
    config.0["policies"]["gates"]
        .as_array_mut()
        .unwrap()
        .push(gate);
}

fn holds(bytes: &[u8], word: &str) -> bool {
    message::find(bytes, word.as_bytes()).is_some()
}

#[tokio::test]
async fn a_gate_sees_what_the_target_gets_and_no_more() {
    let (vendor, own, moderation) = (
        Upstream::good().await,
        Upstream::good().await,
        saying(ALLOW).await,
    );
    let mut config = config(&vendor, &own);
    let headers = json!({"authorization": "Bearer planted-gate-secret"});
    gate(
        &mut config,
        "moderation",
        &moderation,
        json!({"headers": headers}),
    );
    config.set("teams/ops", json!({}));
    config.key("bot", "ym-gates-bot-0000", json!({"team": "ops"}));
    let gateway = Gateway::start(&config).await;
    for round in 1..=3 {
        let reply = gateway
            .chat("vendor", &format!("身份证号 {ID} \u{1F600}\n\"quoted\""))
            .with(|body| {
                let list = body["messages"].as_array_mut().unwrap();
                list.insert(0, json!({"role": "system", "content": "be kind"}));
                list.push(json!({"role": "assistant", "content": null, "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": format!("{{\"id\":\"{ID}\"}}")}}]}));
                list.push(json!({"role": "tool", "tool_call_id": "call_1", "content": "a result"}));
                body["metadata"] = json!({"note": format!("about {ID}")});
            })
            .key("ym-gates-bot-0000")
            .send()
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("x-yumen-verdict"), Some("redact"));
        let asked = moderation.requests();
        assert_eq!(asked.len(), round);
        let asked = &asked[round - 1];
        assert_eq!(asked.first_line(), "POST /check HTTP/1.1");
        assert_eq!(
            asked.header("authorization"),
            Some("Bearer planted-gate-secret")
        );
        assert_eq!(asked.header("content-type"), Some("application/json"));
        let said = asked.json();
        assert_eq!(said["id"].as_str(), reply.header("x-request-id"));
        assert_eq!(
            (&said["model"], &said["key"], &said["team"], &said["media"]),
            (&json!("vendor"), &json!("bot"), &json!("ops"), &json!(0))
        );
        let texts = said["texts"].as_array().unwrap();
        for (role, text) in [
            ("system", "be kind"),
            ("user", "身份证号 <CN_ID_CARD_1> \u{1F600}\n\"quoted\""),
            ("assistant", "{\"id\":\"<CN_ID_CARD_1>\"}"),
            ("tool", "a result"),
            ("system", "about <CN_ID_CARD_1>"),
        ] {
            assert!(
                texts.contains(&json!({"role": role, "text": text})),
                "{text} in {texts:?}"
            );
        }
    }
    assert_eq!(moderation.accepted(), 1, "its connection is kept");
    assert!(!holds(&moderation.bytes(), ID) && !holds(&vendor.bytes(), ID));
    assert!(!gateway.log().contains("planted-gate-secret") && !gateway.log().contains(ID));
    let metrics = gateway.admin("/metrics").await.text();
    assert!(
        metrics.contains("yumen_gate_decisions_total{gate=\"moderation\",verdict=\"allow\"} 3"),
        "{metrics}"
    );
    gateway.assert_sound();
    gateway.journal().assert_balanced();
}

#[tokio::test]
async fn a_refusal_is_final_names_the_gate_and_is_written_down() {
    let (vendor, own, moderation) = (
        Upstream::good().await,
        Upstream::good().await,
        saying(REFUSE).await,
    );
    let mut config = config(&vendor, &own);
    gate(&mut config, "moderation", &moderation, json!({}));
    let gateway = Gateway::start(&config).await;
    for stream in [false, true] {
        let ask = gateway.chat("both", &format!("my number is {ID}"));
        let reply = ask.with(|body| body["stream"] = stream.into()).send().await;
        let message = reply.refused(403, "policy_refused");
        assert_eq!(message, "Gate moderation refused this request.");
        assert_eq!(reply.header("x-yumen-verdict"), Some("refuse"));
        assert_eq!(reply.header("x-yumen-attempts"), None);
        let closing = gateway.record(&reply).await;
        assert_eq!(
            (
                &closing["outcome"],
                &closing["code"],
                &closing["policies"],
                &closing["status"]
            ),
            (
                &json!("refused"),
                &json!("policy_refused"),
                &json!(["moderation"]),
                &json!(403)
            ),
        );
        let id = reply.header("x-request-id").unwrap();
        let opening = gateway.journal().opening(id).unwrap().payload.clone();
        assert_eq!(
            opening["findings"],
            json!([{"type": "CN_ID_CARD", "count": 1}])
        );
    }
    assert_eq!((vendor.accepted(), own.accepted()), (0, 0), "no fallback");
    let metrics = gateway.admin("/metrics").await.text();
    for line in [
        "yumen_policy_decisions_total{rule=\"moderation\",verdict=\"refuse\"} 2",
        "yumen_gate_decisions_total{gate=\"moderation\",verdict=\"refuse\"} 2",
        "yumen_verdicts_total{verdict=\"refuse\"} 2",
        "yumen_policy_errors_total 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let said = gateway.log() + &metrics;
    assert!(!said.contains("11010519") && !said.contains("ECHO"));
    gateway.assert_sound();
}

/// Everything that a service can do instead of answering.
async fn broken() -> Vec<(&'static str, Upstream)> {
    let json = "application/json";
    let long = format!(
        "{{\"verdict\":\"allow\",\"pad\":\"{}\"}}",
        "x".repeat(65 << 10)
    );
    let mut all = Vec::new();
    for (name, text) in [
        ("error", reply("500 Internal Server Error", json, ALLOW)),
        ("moved", reply("302 Found", json, ALLOW)),
        ("long", reply("200 OK", json, &long)),
        ("empty", reply("200 OK", json, "")),
        ("text", reply("200 OK", "text/plain", "allow")),
        ("odd", reply("200 OK", json, r#"{"verdict":"maybe"}"#)),
        (
            "twice",
            reply("200 OK", json, r#"{"verdict":"refuse","verdict":"allow"}"#),
        ),
        (
            "cut",
            "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"verdict\":\"allow\"}".into(),
        ),
    ] {
        all.push((name, Upstream::saying_once(text).await));
    }
    all.push((
        "silent",
        Upstream::start(|mut conn| async move {
            conn.gone().await;
            Ok(())
        })
        .await,
    ));
    all.push(("closing", Upstream::start(|_| async { Ok(()) }).await));
    all
}

#[tokio::test]
async fn a_gate_that_does_not_answer_closes_or_opens() {
    let (vendor, own) = (Upstream::good().await, Upstream::good().await);
    for (name, at) in broken().await {
        for open in [false, true] {
            let mut config = config(&vendor, &own);
            let on_error = if open { "open" } else { "closed" };
            gate(
                &mut config,
                "moderation",
                &at,
                json!({"timeout": "300ms", "on_error": on_error}),
            );
            let gateway = Gateway::start(&config).await;
            let before = vendor.requests().len();
            let reply = gateway.chat("both", "hi").send().await;
            let closing = gateway.record(&reply).await;
            let metrics = gateway.admin("/metrics").await.text();
            assert!(
                metrics.contains("yumen_policy_errors_total 1"),
                "{name} {on_error}"
            );
            let verdict = format!(
                "yumen_gate_decisions_total{{gate=\"moderation\",verdict=\"failed_{on_error}\"}} 1"
            );
            assert!(metrics.contains(&verdict), "{name} {on_error}: {metrics}");
            if open {
                assert_eq!(reply.said(), "good", "{name}");
                assert_eq!(closing["gates_open"], json!(["moderation"]), "{name}");
                until("the log says so", || {
                    gateway.log().contains("gate did not judge")
                })
                .await;
                continue;
            }
            let message = reply.refused(503, "overloaded");
            assert_eq!(
                message,
                "Gate moderation, which judges each request, did not answer."
            );
            assert!(reply.header("retry-after").is_some());
            assert_eq!(closing["outcome"], json!("internal_error"), "{name}");
            until("the log says why", || {
                gateway.log().contains("policy_unavailable")
            })
            .await;
            assert_eq!(
                vendor.requests().len(),
                before,
                "{name}: nothing goes up unjudged"
            );
        }
    }
    assert_eq!(own.accepted(), 0);
}

#[tokio::test]
async fn gates_are_asked_at_once_and_after_the_opening_record() {
    let (vendor, own) = (Upstream::good().await, Upstream::good().await);
    let mut config = config(&vendor, &own);
    let mut slow = Vec::new();
    for name in ["one", "two", "three"] {
        let at = Upstream::start(|mut conn| async move {
            conn.request().await;
            conn.pause(700).await;
            conn.write(reply("200 OK", "application/json", ALLOW).as_bytes())
                .await
        })
        .await;
        gate(&mut config, name, &at, json!({"timeout": "10s"}));
        slow.push(at);
    }
    let gateway = Gateway::start(&config).await;
    let began = Instant::now();
    let asked = tokio::spawn(gateway.chat("both", "hi").send());
    until("the gates are asked", || {
        slow.iter().all(|at| at.requests().len() == 1)
    })
    .await;
    assert_eq!(
        gateway.journal().of("opened").count(),
        1,
        "recorded before anybody is told"
    );
    assert_eq!(vendor.accepted(), 0);
    assert_eq!(asked.await.unwrap().said(), "good");
    let took = began.elapsed();
    assert!(
        took < Duration::from_millis(1900),
        "one after another: {took:?}"
    );
    gateway.journal().assert_balanced();
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_question_back() {
    let (vendor, own) = (Upstream::good().await, Upstream::good().await);
    let silent = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.gone().await;
        Ok(())
    })
    .await;
    let mut config = config(&vendor, &own);
    gate(
        &mut config,
        "moderation",
        &silent,
        json!({"timeout": "20s"}),
    );
    let gateway = Gateway::start(&config).await;
    let asked = tokio::spawn(gateway.chat("both", "hi").send());
    until("the gate is asked", || silent.requests().len() == 1).await;
    asked.abort();
    until("the gate is left", || silent.closed() == 1).await;
    until("a closing", || gateway.journal().of("closed").count() == 1).await;
    assert_eq!(vendor.accepted(), 0);
}

#[tokio::test]
async fn the_moderations_shape_is_spoken_too() {
    let (vendor, own) = (Upstream::good().await, Upstream::good().await);
    for (flags, status) in [
        ("[{\"flagged\":false}]", 200),
        ("[{\"flagged\":true}]", 403),
        ("[]", 503),
    ] {
        let moderation = saying(&format!(
            "{{\"id\":\"modr-1\",\"model\":\"m\",\"results\":{flags}}}"
        ))
        .await;
        let mut config = config(&vendor, &own);
        gate(
            &mut config,
            "moderation",
            &moderation,
            json!({"shape": "openai"}),
        );
        let gateway = Gateway::start(&config).await;
        let reply = gateway.chat("vendor", &format!("{ID} \"x\"")).send().await;
        assert_eq!(reply.status, status, "{flags}: {}", reply.text());
        let asked = moderation.requests();
        assert_eq!(asked[0].json(), json!({"input": ["<CN_ID_CARD_1> \"x\""]}));
    }
}

#[tokio::test]
async fn a_fallback_with_another_body_is_judged_as_well() {
    let failing = reply("500 Internal Server Error", "application/json", "{}");
    let (vendor, own) = (Upstream::saying(failing).await, Upstream::good().await);
    // It refuses what holds the number as it is: only the house model would get that.
    let strict = Upstream::start(|mut conn| async move {
        while let Some(request) = conn.request().await {
            let answer = if holds(&request.body, ID) {
                REFUSE
            } else {
                ALLOW
            };
            conn.write(reply("200 OK", "application/json", answer).as_bytes())
                .await?;
        }
        Ok(())
    })
    .await;
    let mut config = config(&vendor, &own);
    gate(&mut config, "moderation", &strict, json!({}));
    let gateway = Gateway::start(&config).await;
    let text = format!("my number is {ID}");
    gateway
        .chat("both", &text)
        .send()
        .await
        .refused(403, "policy_refused");
    assert_eq!((vendor.accepted(), own.accepted()), (0, 0));
    assert_eq!(strict.requests().len(), 2, "one for each body");
    // One body for both targets is asked about once.
    assert_eq!(gateway.chat("both", "hello").send().await.said(), "good");
    assert_eq!(strict.requests().len(), 3);
    drop(gateway);
    // A gate that may not see the number is asked about a body without it, whatever the target gets.
    config.0["policies"]["gates"][0]["clearance"] = "public".into();
    let gateway = Gateway::start(&config).await;
    assert_eq!(gateway.chat("own", &text).send().await.said(), "good");
    assert!(holds(&own.bytes(), ID));
    let last = strict.requests().last().unwrap().json();
    assert_eq!(
        last["texts"],
        json!([{"role": "user", "text": "my number is <CN_ID_CARD_1>"}])
    );
    // What cannot be redacted for it cannot be shown to it.
    let before = strict.requests().len();
    let ask = gateway
        .chat("own", "hello")
        .header("x-yumen-grade", "internal");
    let message = ask.send().await.refused(403, "no_cleared_provider");
    assert_eq!(
        message,
        "Gate moderation, which judges each request, is not cleared for the grade of this one."
    );
    assert_eq!(strict.requests().len(), before);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_gate_may_be_another_gateway() {
    let (vendor, own) = (Upstream::saying(good_reply()).await, Upstream::good().await);
    let mut judge = Config::new();
    judge.set(
        "policies",
        json!({"rules": [{"name": "cars", "find": ["VIN"], "remedy": "refuse"}]}),
    );
    let judge = Gateway::start(&judge).await;
    let mut config = config(&vendor, &own);
    config.0["policies"]["gates"] = json!([{
        "name": "elsewhere", "shape": "openai", "timeout": "5s",
        "url": format!("http://{}/v1/moderations", judge.listen),
        "headers": {"authorization": format!("Bearer {KEY}")},
    }]);
    let gateway = Gateway::start(&config).await;
    assert_eq!(gateway.chat("both", "hello").send().await.said(), "good");
    let reply = gateway
        .chat("both", "车架号 LSVAU033772121232")
        .send()
        .await;
    reply.refused(403, "policy_refused");
}
