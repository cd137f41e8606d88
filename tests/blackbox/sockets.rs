//! A vendor over a WebSocket keeps every promise of one over HTTP: clocks, leaving, failing over, draining, back-pressure; and
//! what is its own: handshakes, frames, pings, closing.

use std::time::Duration;

use tests::upstream::{Upstream, reply};
use tests::*;

mod scripted;

const VENDOR: &str = "spark-ws";
const MODEL: &str = "m-spark-ws";

/// The simulator, and a gateway with one model a fault.
async fn bench(faults: &[&str], change: impl FnOnce(&mut Config)) -> (Sim, Gateway) {
    let sim = sim().await;
    let mut config = Config::with(&sim, [VENDOR, "openai-compatible"]);
    for fault in faults {
        config.fault(fault, VENDOR, fault);
        let broken = format!("4.0Ultra{fault}");
        config.model(
            &format!("two{fault}"),
            &[(VENDOR, &broken), ("openai-compatible", "some-model")],
        );
    }
    change(&mut config);
    let gateway = Gateway::start(&config).await;
    (sim, gateway)
}

#[tokio::test]
async fn a_question_has_a_connection_of_its_own_signed_and_closed() {
    let (sim, gateway) = bench(&[], |_| ()).await;
    for stream in [false, true, false] {
        let ask = gateway.chat(MODEL, "你好 PLANTED-5521");
        let reply = ask.with(|body| body["stream"] = stream.into()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        // The vendor leaves it to us to close.
        assert!(reply.took < Duration::from_secs(3), "{:?}", reply.took);
    }
    until("they are closed", || sim.connections() == 0).await;
    let requests = sim.requests();
    assert_eq!((requests.len(), sim.accepted()), (3, 3));
    let mut keys = std::collections::BTreeSet::new();
    for request in &requests {
        let (path, query) = request.path_and_query.split_once('?').unwrap();
        assert_eq!(path, "/spark-ws/v4.0/chat");
        assert!(query.starts_with("authorization=") && query.contains("&date="));
        for absent in ["authorization", "content-type", "accept"] {
            assert_eq!(request.header(absent), None, "{absent}");
        }
        assert!(request.finished && !request.left_open, "{request:?}");
        keys.insert(request.header("sec-websocket-key").unwrap());
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["header"]["app_id"], sim::SPARK_TEST_APP);
        // Two requests at a time must not be the same user's.
        keys.insert(Box::leak(
            body["header"]["uid"].to_string().into_boxed_str(),
        ));
    }
    assert_eq!(keys.len(), 6, "a key or a user came twice");
    let log = gateway.log();
    for secret in [
        sim::SPARK_TEST_SECRET,
        sim::SPARK_TEST_KEY,
        "authorization=",
        "PLANTED-5521",
    ] {
        assert!(!log.contains(secret), "'{secret}' in the log");
    }
    gateway.journal().assert_balanced();
}

#[tokio::test]
async fn models_of_every_path_and_one_that_is_new() {
    let models = [
        ("lite", "/v1.1/chat"),
        ("generalv3", "/v3.1/chat"),
        ("generalv3.5", "/v3.5/chat"),
        ("max-32k", "/chat/max-32k"),
        ("pro-128k", "/chat/pro-128k"),
        ("x1", "/v1/x1"),
        ("next-256k", "/chat/next-256k"),
    ];
    let (sim, gateway) = bench(&[], |config| {
        for (model, _) in models {
            config.model(model, &[(VENDOR, model)]);
        }
    })
    .await;
    for (model, path) in models {
        let ask = gateway.stream(model, "天气 hi").with(|body| {
            let system = json!({"role": "system", "content": "SYSTEM-WORDS"});
            body["messages"].as_array_mut().unwrap().insert(0, system);
        });
        let reply = ask.send().await;
        let said = grammar::strict(&reply.body, true);
        assert!(said.text().contains("天气 hi"), "{model}: {}", said.text());
        let request = sim.requests().pop().unwrap();
        assert!(
            request
                .path_and_query
                .starts_with(&format!("/spark-ws{path}?")),
            "{request:?}"
        );
        assert!(String::from_utf8_lossy(&request.body).contains("SYSTEM-WORDS"));
    }
}

#[tokio::test]
async fn addresses_may_be_spelled_as_the_vendor_does() {
    let (_sim, gateway) = bench(&[], |config| {
        let url = config.0["providers"][VENDOR]["base_url"].as_str().unwrap();
        let url = url.replace("http://", "ws://");
        config.set(&format!("providers/{VENDOR}/base_url"), url);
    })
    .await;
    let reply = gateway.chat(MODEL, "hi").send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn pings_are_answered() {
    let (sim, gateway) = bench(&["@events:20@ping:1@gap:10"], |_| ()).await;
    for stream in [false, true] {
        let ask = gateway.chat("@events:20@ping:1@gap:10", "hi");
        let reply = ask.with(|body| body["stream"] = stream.into()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        until("its pongs", || {
            let request = sim.requests().pop().unwrap();
            // Of pings that come together only the last must be answered.
            request.finished && request.pongs >= 10
        })
        .await;
    }
}

#[tokio::test]
async fn messages_in_any_number_of_frames() {
    let faults = [
        "@fragment:1",
        "@fragment:7@split:1",
        "@fragment:1000",
        "@split:1",
    ];
    let (_sim, gateway) = bench(&faults, |_| ()).await;
    for fault in faults {
        for stream in [false, true] {
            let ask = gateway.chat(fault, "你好 🌏");
            let reply = ask.with(|body| body["stream"] = stream.into()).send().await;
            assert_eq!(reply.status, 200, "{fault}: {}", reply.text());
            let said = if stream {
                let said = grammar::read(&reply.body);
                assert!(said.done && said.error.is_none(), "{fault}");
                said.text().to_owned()
            } else {
                reply.said()
            };
            assert!(said.ends_with("你说:你好 🌏"), "{fault}: {said}");
        }
    }
}

/// What a server must not send is an upstream's error before the answer has begun, and fails over.
#[tokio::test]
async fn what_is_no_websocket_fails_over() {
    let faults = [
        "@frame:accept",
        "@frame:binary",
        "@frame:huge",
        "@frame:masked",
        "@frame:reserved",
        "@frame:rest",
        "@frame:unknown",
        "@frame:utf8",
        "@frame:close@endevent:0",
        "@endevent:0",
        "@cutevent:0",
        "@badjson:0",
        "@code:10008",
        "@status:503",
    ];
    let (sim, gateway) = bench(&faults, |_| ()).await;
    for fault in faults {
        for stream in [false, true] {
            let with = |body: &mut Value| body["stream"] = stream.into();
            let reply = gateway.chat(fault, "hi").with(with).send().await;
            let code = reply.code();
            assert!(
                matches!(reply.status, 502 | 503) && code == "upstream_error",
                "{fault}: {} {}",
                reply.status,
                reply.text()
            );
            let two = format!("two{fault}");
            let reply = gateway.chat(&two, "hi").with(with).send().await;
            assert_eq!(reply.status, 200, "{fault}: {}", reply.text());
            let provider = reply.header("x-yumen-provider");
            assert_eq!(provider, Some("openai-compatible"), "{fault}");
        }
    }
    until("all are closed", || {
        sim.requests().iter().all(|request| !request.left_open) && sim.connections() <= 2
    })
    .await;
    gateway.assert_sound();
}

/// A proper close is no proper end: only the last message is.
#[tokio::test]
async fn a_close_before_the_last_message_is_no_end() {
    let faults = [
        "@events:20@gap:10@endevent:8",
        "@events:20@gap:10@frame:close@endevent:8",
    ];
    let (_sim, gateway) = bench(&faults, |_| ()).await;
    for fault in faults {
        let reply = gateway.stream(fault, "hi").send().await;
        assert_eq!(reply.status, 200, "{fault}");
        let said = grammar::read(&reply.body);
        assert_eq!(
            (said.error_code(), said.done),
            ("upstream_error", false),
            "{fault}"
        );
        assert!(
            said.text().starts_with("0 1 2 ") && said.finish().is_empty(),
            "{fault}"
        );
        let reply = gateway.chat(fault, "hi").send().await;
        reply.refused(502, "upstream_error");
        // After the first content nothing fails over.
        let reply = gateway.stream(&format!("two{fault}"), "hi").send().await;
        assert_eq!(reply.header("x-yumen-provider"), Some(VENDOR), "{fault}");
        assert_eq!(
            grammar::read(&reply.body).error_code(),
            "upstream_error",
            "{fault}"
        );
    }
}

#[tokio::test]
async fn a_client_that_leaves_closes_it() {
    let slow = "@events:900@gap:10";
    let (sim, gateway) = bench(&[slow, "@hang"], |_| ()).await;
    let mut live = gateway.stream(slow, "x").open().await;
    live.until("\"1 ").await;
    assert_eq!(sim.live_streams(), 1);
    live.leave();
    until("it is closed", || sim.connections() == 0).await;
    for (fault, began) in [(slow, true), ("@hang", false)] {
        let before = sim.requests().len();
        let asked = tokio::spawn(
            gateway
                .chat(fault, "x")
                .limit(Duration::from_secs(60))
                .send(),
        );
        until("it is at the vendor", || {
            let requests = sim.requests();
            requests.len() > before && (!began || requests[before].events_sent > 2)
        })
        .await;
        asked.abort();
        until(&format!("it is closed, {fault}"), || sim.connections() == 0).await;
    }
    assert_eq!(sim.cancelled(), 3);
}

#[tokio::test]
async fn at_the_drains_limit_it_ends_with_an_error_event() {
    let long = "@events:900@gap:10";
    let (sim, gateway) = bench(&[long], |config| {
        config.set("drain", json!({"accept": "50ms", "limit": "400ms"}));
    })
    .await;
    let mut live = gateway.stream(long, "x").open().await;
    live.until("\"1 ").await;
    let whole = tokio::spawn(gateway.chat(long, "x").send());
    until("both are at the vendor", || sim.live_streams() == 2).await;
    gateway.signal("TERM");
    let said = grammar::read(&soon("the stream's end", live.rest()).await.body);
    assert_eq!((said.error_code(), said.done), ("overloaded", false));
    let whole = soon("the other's answer", whole).await.unwrap();
    whole.refused(503, "overloaded");
    gateway.exited().await;
    until("both are closed", || sim.connections() == 0).await;
    gateway.journal().assert_balanced();
}

async fn gateway_before(upstream: &Upstream, timeouts: Value) -> Gateway {
    let mut config = Config::new();
    config.provider(VENDOR, VENDOR, &upstream.origin());
    config.model("m", &[(VENDOR, "4.0Ultra")]);
    config.set("upstream/timeouts", timeouts);
    Gateway::start(&config).await
}

/// The one refusal that is about ourselves: it says so in our log, and fails over.
#[tokio::test]
async fn a_wrong_clock_is_our_own_fault() {
    let body = r#"{"message":"HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication"}"#;
    let refusal = reply("403 Forbidden", "application/json", body);
    let upstream = Upstream::saying(refusal).await;
    let gateway = gateway_before(&upstream, json!({})).await;
    let reply = gateway.chat("m", "x").send().await;
    reply.refused(502, "upstream_error");
    assert!(!reply.text().contains("HMAC"), "{}", reply.text());
    until("the log raises the alarm", || {
        let log = gateway.log();
        let mut alarms = log.lines().filter(|line| line.contains("machine's clock"));
        alarms.any(|line| line.contains("ERROR") && line.contains(VENDOR))
    })
    .await;
    let metrics = gateway.admin("/metrics").await.text();
    assert!(metrics.contains("reason=\"clock_skew\""), "{metrics}");
}

/// Whichever half of the credential it is: no client's fault, and no word of a prompt goes to who refuses it.
#[tokio::test]
async fn credentials_that_are_wrong_are_told_from_the_clients() {
    for (field, value) in [
        ("api_key", "another-key"),
        ("secret_key", "another-secret"),
        ("app_id", "another-app"),
    ] {
        let (sim, gateway) = bench(&[], |config| {
            config.set(&format!("providers/{VENDOR}/{field}"), value);
        })
        .await;
        let reply = gateway.chat(MODEL, "PLANTED-5521").send().await;
        let want = if field == "app_id" { 429 } else { 502 };
        assert_eq!(reply.status, want, "{field}: {}", reply.text());
        assert!(!gateway.log().contains(value), "{field} in the log");
        // Before a handshake holds, no word of the prompt goes up.
        let sent = sim
            .requests()
            .iter()
            .any(|request| !request.body.is_empty());
        assert_eq!(sent, field == "app_id");
    }
}
