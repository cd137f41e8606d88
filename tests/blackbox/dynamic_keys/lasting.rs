//! Keys and teams outlive restarts, reloads, crashes and the store that replicas share.

use super::*;

#[tokio::test]
async fn a_restart_and_a_reload_keep_all() {
    let sim = sim().await;
    let mut config = config(&sim);
    let gateway = Gateway::start(&config).await;
    good(
        &gateway,
        "POST /api/teams",
        json!({"name": "shop", "parent": "company"}),
    )
    .await;
    let key = create(&gateway, json!({"id": "k", "team": "shop"})).await;
    let gone = create(&gateway, json!({"id": "gone"})).await;
    good(&gateway, "DELETE /api/keys/gone", Value::Null).await;
    let dir = Arc::clone(&gateway.dir);
    gateway.signal("TERM");
    gateway.exited().await;
    drop(gateway);

    let gateway = Launch::new(config.text()).dir(dir).start().await;
    assert_eq!(
        (status(&gateway, &key).await, status(&gateway, &gone).await),
        (200, 401)
    );
    let mut live = gateway.stream("slow", "hi").key(&key).open().await;
    live.until("data:").await;
    // A reload that takes nothing from it lets its streams run.
    config.set("teams/other", json!({}));
    gateway.reload(&config.text(), "config reloaded").await;
    assert_eq!(status(&gateway, &key).await, 200);
    live.next().await.expect("the stream goes on over a reload");
    // One that takes the team above its team takes the key along, until it is there again.
    config.0["teams"] = json!({});
    gateway.reload(&config.text(), "config reloaded").await;
    soon("the end of a stream whose team is gone", live.rest()).await;
    assert_eq!(status(&gateway, &key).await, 401);
    let one = good(&gateway, "GET /api/keys/k", Value::Null).await;
    assert_eq!(one["status"], "unfit");
    assert!(
        one["why"].as_str().unwrap().contains("there is no team"),
        "{one}"
    );
    config.set("teams/company", json!({}));
    gateway.reload(&config.text(), "config reloaded").await;
    assert_eq!(status(&gateway, &key).await, 200);
    assert_eq!(status(&gateway, &gone).await, 401);
}

/// Also for a team of the config that only gets something to pay by teams which the config does not know.
#[tokio::test]
async fn what_was_spent_below_is_spent_above_after_a_crash_too() {
    let sim = sim().await;
    let mut config = config(&sim);
    config.set("teams/company/budget", json!({"tokens": 9_000_000}));
    let gateway = Gateway::start(&config).await;
    let shop = json!({"name": "shop", "parent": "company", "budget": {"tokens": 800_000}});
    good(&gateway, "POST /api/teams", shop).await;
    let own = json!({"id": "k", "team": "shop", "limits": {"rpd": 3}, "budget": {"tokens": 70_000, "period": "day"}});
    let key = create(&gateway, own).await;
    for _ in 0..2 {
        let ask = gateway.chat("m-openai-compatible", "hi").key(&key);
        let reply = ask.send().await;
        assert_eq!(reply.status, 200);
        gateway.record(&reply).await;
    }
    let counted = async |gateway: &Gateway| {
        let all = good(gateway, "GET /api/budgets", Value::Null).await;
        let owners = ["key:k", "team:shop", "team:company"];
        owners.map(|owner| {
            let budgets = all["budgets"].as_array().unwrap();
            let found = budgets.iter().find(|budget| budget["owner"] == owner);
            let found = found.unwrap_or_else(|| panic!("{owner}: {all}"));
            assert_eq!(found["counted"], found["spent"], "{all}");
            found["counted"].as_str().unwrap().to_owned()
        })
    };
    let before = counted(&gateway).await;
    assert_ne!(before[0], "0");
    gateway.signal("KILL");
    gateway.exited().await;
    let dir = Arc::clone(&gateway.dir);
    drop(gateway);
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    assert_eq!(counted(&gateway).await, before);
    assert_eq!(status(&gateway, &key).await, 200);
    assert_eq!(status(&gateway, &key).await, 429);
    // Another key of the team finds what the first has left, even if nobody was of the team in between.
    good(&gateway, "DELETE /api/keys/k", Value::Null).await;
    config.set("teams/other", json!({}));
    gateway.reload(&config.text(), "config reloaded").await;
    create(&gateway, json!({"id": "second", "team": "shop"})).await;
    let all = good(&gateway, "GET /api/budgets", Value::Null).await;
    let budgets = all["budgets"].as_array().unwrap();
    let shop = budgets.iter().find(|budget| budget["owner"] == "team:shop");
    assert_eq!(shop.unwrap()["counted"], shop.unwrap()["spent"], "{all}");
}

#[tokio::test]
async fn a_crash_loses_no_key_that_was_answered() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let text = config(&sim).text();
    let dir = Arc::clone(&gateway.dir);
    let gateway = Arc::new(gateway);
    let mut makers = tokio::task::JoinSet::new();
    for lane in 0..4 {
        let gateway = Arc::clone(&gateway);
        makers.spawn(async move {
            let mut made = Vec::new();
            for n in 0..10_000 {
                let body = json!({"id": format!("k-{lane}-{n}")});
                let asked = Ask::post(gateway.admin, "/api/keys").key(TOKEN).json(&body);
                // Killed in between: no answer, or half of one.
                let Ok(reply) = tokio::spawn(asked.send()).await else {
                    break;
                };
                if !reply.complete {
                    break;
                }
                // The first keys of all lanes come at once, before there is a pepper.
                assert_eq!(reply.status, 201, "{}", reply.text());
                made.push(reply.json()["key"].as_str().unwrap().to_owned());
            }
            made
        });
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    gateway.signal("KILL");
    let made = makers.join_all().await.concat();
    gateway.exited().await;
    drop(gateway);
    assert!(made.len() >= 4, "{}", made.len());
    let gateway = Launch::new(text).dir(dir).start().await;
    for key in &made {
        let reply = Ask::get(gateway.listen, "/v1/models").key(key).send().await;
        assert_eq!(reply.status, 200, "of {} keys", made.len());
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn replicas_share_keys_and_outlive_their_store() {
    let sim = sim().await;
    let mut redis = Redis::start();
    let mut config = config(&sim);
    config.set("state", json!({"store": redis.address(), "prefix": "keys"}));
    let (one, two) = (Gateway::start(&config).await, Gateway::start(&config).await);
    good(
        &one,
        "POST /api/teams",
        json!({"name": "shop", "parent": "company"}),
    )
    .await;
    let key = create(&one, json!({"id": "k", "team": "shop"})).await;
    assert_eq!(status(&one, &key).await, 200);
    comes_to(&two, &key, 200).await;
    // The same id at both at once: one has it.
    let both = tokio::join!(
        call(&one, "POST /api/keys", json!({"id": "twin"})),
        call(&two, "POST /api/keys", json!({"id": "twin"})),
    );
    let mut statuses = [both.0.0, both.1.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    // Revoked at one: a stream at the other ends, within a second or so.
    let mut live = two.stream("slow", "hi").key(&key).open().await;
    live.until("data:").await;
    let start = std::time::Instant::now();
    good(&one, "DELETE /api/keys/k", Value::Null).await;
    soon("the end of a stream at another replica", live.rest()).await;
    eprintln!(
        "a revocation took {:?} to the other replica",
        start.elapsed()
    );
    assert_eq!(status(&two, &key).await, 401);

    // Without the store both go on with what they know, and change nothing but for the worse.
    let stays = create(&one, json!({"id": "stays"})).await;
    let leaks = create(&one, json!({"id": "leaks"})).await;
    comes_to(&two, &leaks, 200).await;
    redis.kill();
    let (refused, told) = call(&one, "POST /api/keys", json!({"id": "late"})).await;
    assert_eq!(refused, 503, "{told}");
    assert_eq!(
        (status(&one, &stays).await, status(&two, &stays).await),
        (200, 200)
    );
    let (pending, told) = call(&one, "DELETE /api/keys/leaks", Value::Null).await;
    assert_eq!((pending, &told["status"]), (202, &json!("revoked")));
    assert_eq!(status(&one, &leaks).await, 401, "revoked here at once");
    let listed = good(&one, "GET /api/keys?source=dynamic", Value::Null).await;
    assert_eq!(listed["store"], json!({"kind": "redis", "up": false}));
    // A replica that never reached the store cannot say of a key that it is none.
    let cold = Gateway::start(&config).await;
    let reply = cold
        .chat("m-openai-compatible", "x")
        .key(&stays)
        .send()
        .await;
    reply.refused(503, "overloaded");
    assert_eq!(
        cold.chat("m-openai-compatible", "x").send().await.status,
        200,
        "keys of the config work"
    );
    redis.restart();
    comes_to(&two, &leaks, 401).await;
    comes_to(&cold, &stays, 200).await;
    assert_eq!(
        call(&one, "POST /api/keys", json!({"id": "late"})).await.0,
        201
    );

    // The store loses all it had: replicas put it back.
    redis.flush();
    until_listed(&one, &redis).await;
    let fresh = Gateway::start(&config).await;
    assert_eq!(
        (status(&fresh, &stays).await, status(&fresh, &leaks).await),
        (200, 401)
    );
    for gateway in [one, two, cold, fresh] {
        gateway.assert_sound();
    }
}

/// Waits until the store has documents again.
async fn until_listed(gateway: &Gateway, redis: &Redis) {
    let start = std::time::Instant::now();
    while redis.keys("*docs").is_empty() {
        assert!(
            start.elapsed() < SOON,
            "nothing was put back:\n{}",
            gateway.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // All of it, by then.
    tokio::time::sleep(Duration::from_millis(500)).await;
}
