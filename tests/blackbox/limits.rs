//! How much: tokens, money and places, of keys, teams and models; in one process, and shared by two over a real Redis.

use std::time::{Duration, Instant};

use tests::redis::Redis;
use tests::*;

/// 1 yuan a million tokens: a thousand nanounits each, whatever they are.
fn price() -> Value {
    json!({"input": 1, "output": 1, "currency": "CNY"})
}

fn capped(ask: Ask, max_tokens: u64) -> Ask {
    ask.with(|body| body["max_tokens"] = max_tokens.into())
}

#[tokio::test]
async fn tokens_are_reserved_and_settled() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.key("k", "ym-tokens-k-0000", json!({"limits": {"tpd": 5000}}));
    let gateway = Gateway::start(&config).await;
    let ask = |max_tokens| {
        let ask = gateway
            .chat("m-openai-compatible", "hi")
            .key("ym-tokens-k-0000");
        capped(ask, max_tokens).send()
    };
    let reply = ask(4000).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("x-ratelimit-limit-tokens"), Some("5000"));
    let left: u64 = reply
        .header("x-ratelimit-remaining-tokens")
        .unwrap()
        .parse()
        .unwrap();
    assert!(left < 1000, "{left}");
    // What was not used is free again, so the next one passes; the whole of a day does not.
    let reply = ask(4000).await;
    assert_eq!(reply.status, 200);
    let used = gateway.record(&reply).await["tokens"].clone();
    let used = used["prompt"].as_u64().unwrap() + used["completion"].as_u64().unwrap();
    assert!((1..100).contains(&used), "{used}");
    let reply = ask(6000).await;
    let said = reply.refused(429, "rate_limit_exceeded");
    assert!(said.contains("key k has 5000 per day"), "{said}");
    assert!(reply.header("retry-after").is_none());
    // The whole is not there any more: it says when it will be. (What the prompt is estimated at is known from the first.)
    let reply = ask(4000 + left - 1).await;
    let said = reply.refused(429, "rate_limit_exceeded");
    assert!(said.contains("5000 tokens per day of key k"), "{said}");
    assert!(reply.header("retry-after").is_some());
    assert_eq!(sim.requests().len(), 2);
}

#[tokio::test]
async fn a_limit_below_what_we_guess_can_be_kept() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.key("k", "ym-small-k-00000", json!({"limits": {"tpd": 100}}));
    let gateway = Gateway::start(&config).await;
    let ask = |text: &str| {
        gateway
            .chat("m-openai-compatible", text)
            .key("ym-small-k-00000")
    };
    // What remains is what it gets: until not even the question has room.
    assert_eq!(ask("hi").send().await.status, 200);
    assert_eq!(ask("hi").send().await.status, 200);
    let mut passed = 2;
    let said = loop {
        let reply = ask("hi").send().await;
        if reply.status != 200 {
            break reply.refused(429, "rate_limit_exceeded");
        }
        passed += 1;
        assert!(passed < 100, "a hundred tokens are not for so many");
    };
    assert!(said.contains("100 tokens per day of key k"), "{said}");
    let reply = ask(&"word ".repeat(400)).send().await;
    let said = reply.refused(429, "rate_limit_exceeded");
    assert!(said.contains("key k has 100 per day"), "{said}");
}

#[tokio::test]
async fn a_budget_is_for_the_whole_tree_below_it() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("models/m-openai-compatible/price", price());
    config.set("teams/company", json!({"budget": {"amount": 0.0024}}));
    config.set("teams/sales", json!({"parent": "company"}));
    config.set(
        "teams/shop",
        json!({"parent": "sales", "budget": {"amount": 1}}),
    );
    config.key("a", "ym-budget-a-0000", json!({"team": "shop"}));
    config.key("b", "ym-budget-b-0000", json!({"team": "company"}));
    let gateway = Gateway::start(&config).await;
    let ask = |key: &str, max_tokens| {
        let ask = gateway.chat("m-openai-compatible", "hi").key(key);
        capped(ask, max_tokens).send()
    };
    let reply = ask("ym-budget-a-0000", 2000).await;
    assert_eq!(reply.status, 200);
    let record = gateway.record(&reply).await;
    let tokens = record["tokens"]["prompt"].as_u64().unwrap()
        + record["tokens"]["completion"].as_u64().unwrap();
    assert_eq!(record["cost_nano"], tokens * 1000);
    assert_eq!(record["currency"], "CNY");
    let reply = ask("ym-budget-b-0000", 2400).await;
    let said = reply.refused(429, "budget_exceeded");
    assert!(said.contains("team company"), "{said}");
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    assert_eq!(ask("ym-budget-b-0000", 2000).await.status, 200);
    let reply = ask("ym-budget-b-0000", 2_000_000).await;
    let said = reply.refused(429, "budget_exceeded");
    assert!(said.contains("may cost more than the budget"), "{said}");
    assert_eq!(reply.header("retry-after"), None);
}

#[tokio::test]
async fn of_many_at_once_one_passes_a_budget_for_one() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("runtime/workers", 2);
    config.fault("slow", "openai-compatible", "@events:1000@gap:20");
    config.set("models/slow/price", price());
    config.key(
        "k",
        "ym-one-k-0000000",
        json!({"budget": {"amount": 0.0015}}),
    );
    let gateway = Gateway::start(&config).await;
    let asks: Vec<_> = (0..16)
        .map(|_| {
            let ask = gateway.stream("slow", "hi").key("ym-one-k-0000000");
            tokio::spawn(capped(ask, 1000).open())
        })
        .collect();
    let mut passed = Vec::new();
    for ask in asks {
        let live = ask.await.unwrap();
        if live.status == 200 {
            passed.push(live);
        } else {
            // Nothing is spent yet: what another holds may be free in a moment.
            let reply = live.rest().await;
            reply.refused(429, "budget_exceeded");
            assert_eq!(reply.header("retry-after"), Some("1"));
            assert_eq!(reply.header("x-should-retry"), None);
        }
    }
    assert_eq!(passed.len(), 1);
    assert_eq!(sim.requests().len(), 1);
    // It pays for what came, and leaves the rest.
    passed.remove(0).leave();
    until("the stream that was left", || sim.cancelled() == 1).await;
    let start = Instant::now();
    loop {
        let ask = gateway
            .chat("m-openai-compatible", "hi")
            .key("ym-one-k-0000000");
        let reply = capped(ask, 1000).send().await;
        let slow = gateway.stream("slow", "hi").key("ym-one-k-0000000");
        let live = capped(slow, 1000).open().await;
        assert_eq!(reply.status, 200, "a model without a price costs nothing");
        if live.status == 200 {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_model_has_limits_of_its_own() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.fault("other", "openai-compatible", "");
    config.set("models/other/limits", json!({"rpd": 1, "streams": 1}));
    config.key(
        "narrow",
        "ym-narrow-000000",
        json!({"models": ["m-openai-compatible"]}),
    );
    let gateway = Gateway::start(&config).await;
    // One that may not ask for it takes nothing of it.
    let foreign = gateway
        .chat("other", "hi")
        .key("ym-narrow-000000")
        .send()
        .await;
    foreign.refused(403, "permission_denied");
    assert_eq!(gateway.chat("other", "hi").send().await.status, 200);
    let said = gateway
        .chat("other", "hi")
        .send()
        .await
        .refused(429, "rate_limit_exceeded");
    assert!(said.contains("1 requests per day of model other"), "{said}");
    assert_eq!(
        gateway
            .chat("m-openai-compatible", "hi")
            .send()
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn what_never_comes_to_a_model_is_a_request_too() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.key("k", "ym-count-k-00000", json!({"limits": {"rpd": 3}}));
    let gateway = Gateway::start(&config).await;
    let broken = || Ask::post(gateway.listen, "/v1/chat/completions").key("ym-count-k-00000");
    broken()
        .bytes(*b"{")
        .send()
        .await
        .refused(400, "invalid_request");
    let unknown = gateway.chat("no-such-model", "hi").key("ym-count-k-00000");
    unknown.send().await.refused(404, "model_not_found");
    let last = gateway
        .chat("m-openai-compatible", "hi")
        .key("ym-count-k-00000")
        .send()
        .await;
    assert_eq!(
        (last.status, last.header("x-ratelimit-remaining-requests")),
        (200, Some("0"))
    );
    let ask = gateway
        .chat("m-openai-compatible", "hi")
        .key("ym-count-k-00000");
    ask.send().await.refused(429, "rate_limit_exceeded");
}

/// Two gateways over one Redis.
async fn pair(config: &mut Config, redis: &Redis) -> [Gateway; 2] {
    config.set(
        "state",
        json!({"store": redis.address(), "timeout": "90ms"}),
    );
    let both = [Gateway::start(config).await, Gateway::start(config).await];
    for gateway in &both {
        let start = Instant::now();
        while !gateway
            .admin("/metrics")
            .await
            .text()
            .contains("yumen_ledger_replicas 2")
        {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "{}",
                gateway.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    both
}

#[tokio::test]
async fn two_gateways_hold_one_limit_exactly() {
    let sim = sim().await;
    let redis = Redis::start();
    let mut config = Config::plain(&sim);
    let limits = json!({"rpd": 40, "on_outage": "refuse"});
    config.key("k", "ym-shared-k-0000", json!({"limits": limits}));
    let gateways = pair(&mut config, &redis).await;
    let mut asks = tokio::task::JoinSet::new();
    for at in 0..64 {
        let ask = gateways[at % 2].chat("m-openai-compatible", "hi");
        asks.spawn(
            ask.key("ym-shared-k-0000")
                .limit(Duration::from_secs(30))
                .send(),
        );
    }
    let replies = asks.join_all().await;
    let count = |status| {
        replies
            .iter()
            .filter(|reply| reply.status == status)
            .count()
    };
    // One that a busy machine made too late for the store is refused, and not counted.
    let (passed, late) = (count(200), count(503));
    assert_eq!(passed + late + count(429), 64);
    if late == 0 {
        assert_eq!(passed, 40);
    }
    let mut more = 0;
    for _ in 0..200 {
        let reply = gateways[0]
            .chat("m-openai-compatible", "hi")
            .key("ym-shared-k-0000")
            .send()
            .await;
        match reply.status {
            200 => more += 1,
            429 => break,
            503 => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other}"),
        }
    }
    assert_eq!(passed + more, 40);
    assert_eq!(sim.requests().len(), 40);
}

#[tokio::test]
async fn without_its_redis_a_gateway_does_what_each_limit_says() {
    let sim = sim().await;
    let mut redis = Redis::start();
    let mut config = Config::plain(&sim);
    config.set("models/m-openai-compatible/price", price());
    config.key("open", "ym-outage-open-0", json!({"limits": {"rpd": 1000}}));
    config.key(
        "strict",
        "ym-outage-strict",
        json!({"budget": {"amount": 1}}),
    );
    let [gateway, _other] = pair(&mut config, &redis).await;
    let ask = |key: &str| gateway.chat("m-openai-compatible", "hi").key(key).send();
    assert_eq!(ask("ym-outage-open-0").await.status, 200);
    // A busy machine may be late for the store's answer.
    let start = Instant::now();
    while ask("ym-outage-strict").await.status != 200 {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{}",
            gateway.log()
        );
    }
    redis.kill();
    let start = Instant::now();
    while !gateway
        .admin("/metrics")
        .await
        .text()
        .contains("yumen_ledger_up 0")
    {
        assert!(start.elapsed() < Duration::from_secs(10));
        let _ = ask("ym-outage-open-0").await;
    }
    for _ in 0..5 {
        let open = ask("ym-outage-open-0").await;
        assert_eq!(open.status, 200);
        // Two gateways were seen: each has half.
        assert_eq!(open.header("x-ratelimit-limit-requests"), Some("500"));
        let strict = ask("ym-outage-strict").await;
        strict.refused(503, "overloaded");
        assert!(strict.header("retry-after").is_some());
        assert!(strict.took < Duration::from_secs(3), "{:?}", strict.took);
    }
    redis.restart();
    let start = Instant::now();
    while ask("ym-outage-strict").await.status != 200 {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{}",
            gateway.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
