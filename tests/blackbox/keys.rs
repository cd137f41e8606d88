//! Keys and their limits: what a key may ask for, how often, and how much at once.

use tests::*;

#[tokio::test]
async fn a_key_may_use_only_its_models() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.fault("other", "openai-compatible", "");
    config.set("teams/one", json!({"models": ["other"]}));
    config.key(
        "own",
        "ym-keys-own-00000",
        json!({"models": ["m-openai-compatible"]}),
    );
    config.key("team", "ym-keys-team-00000", json!({"team": "one"}));
    let gateway = Gateway::start(&config).await;
    for (key, good, bad) in [
        ("own", "m-openai-compatible", "other"),
        ("team", "other", "m-openai-compatible"),
    ] {
        let key = format!("ym-keys-{key}-00000");
        assert_eq!(gateway.chat(good, "hi").key(&key).send().await.status, 200);
        let before = sim.requests().len();
        let reply = gateway.chat(bad, "hi").key(&key).send().await;
        reply.refused(403, "permission_denied");
        assert_eq!(sim.requests().len(), before);
        // The listing tells the same.
        let listed = Ask::get(gateway.listen, "/v1/models")
            .key(&key)
            .send()
            .await
            .json();
        let names: Vec<&str> = listed["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].as_str().unwrap())
            .collect();
        assert_eq!(names, [good]);
        assert_eq!(
            Ask::get(gateway.listen, &format!("/v1/models/{good}"))
                .key(&key)
                .send()
                .await
                .json()["id"],
            good
        );
        Ask::get(gateway.listen, &format!("/v1/models/{bad}"))
            .key(&key)
            .send()
            .await
            .refused(404, "model_not_found");
    }
}

#[tokio::test]
async fn a_teams_rate_is_shared_and_told() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("teams/t", json!({"limits": {"rpm": 5}}));
    config.key("a", "ym-rate-a-000000", json!({"team": "t"}));
    config.key("b", "ym-rate-b-000000", json!({"team": "t"}));
    let gateway = Gateway::start(&config).await;
    for turn in 0..5 {
        let key = if turn % 2 == 0 {
            "ym-rate-a-000000"
        } else {
            "ym-rate-b-000000"
        };
        let reply = gateway
            .chat("m-openai-compatible", "hi")
            .key(key)
            .send()
            .await;
        assert_eq!(reply.status, 200, "{turn}: {}", reply.text());
        assert_eq!(reply.header("x-ratelimit-limit-requests"), Some("5"));
        assert_eq!(
            reply.header("x-ratelimit-remaining-requests"),
            Some((4 - turn).to_string().as_str())
        );
        assert!(reply.header("x-ratelimit-reset-requests").is_some());
    }
    for key in ["ym-rate-a-000000", "ym-rate-b-000000"] {
        let reply = gateway
            .chat("m-openai-compatible", "hi")
            .key(key)
            .send()
            .await;
        reply.refused(429, "rate_limit_exceeded");
        let after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!(
            (1..=12).contains(&after),
            "one comes back every 12 s: {after}"
        );
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), Some("0"));
    }
    // Others are not concerned, and a listing costs nothing.
    assert_eq!(
        gateway
            .chat("m-openai-compatible", "hi")
            .send()
            .await
            .status,
        200
    );
    assert_eq!(
        Ask::get(gateway.listen, "/v1/models")
            .key("ym-rate-a-000000")
            .send()
            .await
            .status,
        200
    );
    assert_eq!(sim.requests().len(), 6);
}

/// T-43: who tries keys is told to come later, and those who have one at the same address notice nothing.
#[tokio::test]
async fn who_guesses_at_keys_is_slowed_down_alone() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("trusted_proxies", json!(["127.0.0.0/8"]));
    let gateway = Gateway::start(&config).await;
    let ask = |key: &str, from: &str| {
        let ask = gateway.chat("m-openai-compatible", "hi").key(key);
        ask.header("x-forwarded-for", from)
    };
    let (guesser, other) = ("192.0.2.7", "192.0.2.8");
    let mut late = None;
    for n in 0..70 {
        let reply = ask(&format!("ym-guess-{n:06}"), guesser).send().await;
        if reply.status == 429 {
            late = Some((n, reply));
            break;
        }
        reply.refused(401, "invalid_api_key");
    }
    let (n, late) = late.expect("seventy guesses were all answered");
    assert!(n >= 60, "{n}");
    late.refused(429, "rate_limit_exceeded");
    let after: u64 = late.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    // No guess at all is no guess.
    let without = ask("", guesser).without("authorization");
    without.send().await.refused(401, "invalid_api_key");
    for _ in 0..3 {
        assert_eq!(ask(KEY, guesser).send().await.status, 200);
        ask("ym-guess-000000", other)
            .send()
            .await
            .refused(401, "invalid_api_key");
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn concurrent_requests_cannot_overrun_a_rate() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("runtime/workers", 2);
    config.key("k", "ym-rate-k-000000", json!({"limits": {"rpm": 20}}));
    let gateway = Gateway::start(&config).await;
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..60 {
        asks.spawn(
            gateway
                .chat("m-openai-compatible", "hi")
                .key("ym-rate-k-000000")
                .send(),
        );
    }
    let statuses: Vec<u16> = asks
        .join_all()
        .await
        .iter()
        .map(|reply| reply.status)
        .collect();
    // One comes back every three seconds, so a slow machine may let a few more through.
    let passed = statuses.iter().filter(|status| **status == 200).count();
    assert!((20..=24).contains(&passed), "{passed}");
    assert!(
        statuses.iter().all(|status| [200, 429].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(sim.requests().len(), passed);
}

#[tokio::test]
async fn a_place_is_held_for_as_long_as_the_stream() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.fault("slow", "openai-compatible", "@events:1000@gap:20");
    config.set("teams/t", json!({"limits": {"concurrent": 2}}));
    config.key("k", "ym-conc-k-000000", json!({"team": "t"}));
    let gateway = Gateway::start(&config).await;
    let key = "ym-conc-k-000000";
    let first = gateway.stream("slow", "x").key(key).open().await;
    let second = gateway.stream("slow", "x").key(key).open().await;
    assert_eq!((first.status, second.status), (200, 200));
    let reply = gateway
        .chat("m-openai-compatible", "x")
        .key(key)
        .send()
        .await;
    reply.refused(429, "rate_limit_exceeded");
    assert!(reply.header("retry-after").is_some());
    // Leaving gives the place back at once.
    first.leave();
    until("the place of a client that left", || sim.cancelled() == 1).await;
    let start = std::time::Instant::now();
    while gateway
        .chat("m-openai-compatible", "x")
        .key(key)
        .send()
        .await
        .status
        != 200
    {
        assert!(start.elapsed().as_secs() < 3);
    }
    second.leave();
}

#[tokio::test]
async fn too_many_requests_in_flight_are_shed_at_once() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("overload/max_inflight", 3);
    config.fault("hang", "openai-compatible", "@hang");
    let gateway = Gateway::start(&config).await;
    let mut held = tokio::task::JoinSet::new();
    for _ in 0..3 {
        held.spawn(
            gateway
                .chat("hang", "x")
                .limit(std::time::Duration::from_secs(60))
                .send(),
        );
    }
    until("three at the upstream", || sim.requests().len() == 3).await;
    let reply = gateway.chat("m-openai-compatible", "x").send().await;
    reply.refused(503, "overloaded");
    assert!(
        reply.header("retry-after").is_some() && reply.took.as_millis() < 500,
        "{:?}",
        reply.took
    );
    assert_eq!(gateway.admin("/healthz").await.status, 200);
    held.abort_all();
    until("the places of those who left", || sim.cancelled() == 3).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(
        gateway.chat("m-openai-compatible", "x").send().await.status,
        200
    );
}
