//! Keys and teams that the admin API makes: from their first use to their last, over restarts, crashes and replicas.

use std::sync::Arc;
use std::time::Duration;

use ::http::Method;
use tests::config::hash;
use tests::redis::Redis;
use tests::*;

const TOKEN: &str = "admin-token-planted-Vq83";

fn config(sim: &Sim) -> Config {
    let mut config = Config::plain(sim);
    config.set("admin/token", TOKEN);
    config.set(
        "teams/company",
        json!({"models": ["m-openai-compatible", "slow"]}),
    );
    config.fault("slow", "openai-compatible", "@events:2000@gap:20");
    config
}

fn api(gateway: &Gateway, method: Method, path: &str, body: &Value) -> Ask {
    let ask = Ask::method(gateway.admin, method, path).key(TOKEN);
    if body.is_null() { ask } else { ask.json(body) }
}

async fn call(gateway: &Gateway, line: &str, body: Value) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let reply = api(gateway, method.parse().unwrap(), path, &body)
        .send()
        .await;
    (reply.status, reply.json())
}

async fn good(gateway: &Gateway, line: &str, body: Value) -> Value {
    let (status, told) = call(gateway, line, body).await;
    assert!((200..300).contains(&status), "{line}: {status} {told}");
    told
}

async fn create(gateway: &Gateway, body: Value) -> String {
    let made = good(gateway, "POST /api/keys", body).await;
    made["key"].as_str().unwrap().to_owned()
}

async fn status(gateway: &Gateway, key: &str) -> u16 {
    gateway
        .chat("m-openai-compatible", "hi")
        .key(key)
        .send()
        .await
        .status
}

/// Waits until a key gets this status: replicas learn of changes by asking.
async fn comes_to(gateway: &Gateway, key: &str, want: u16) -> Duration {
    let start = std::time::Instant::now();
    loop {
        let got = status(gateway, key).await;
        if got == want {
            return start.elapsed();
        }
        assert!(start.elapsed() < SOON, "{got}, not {want}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_key_lives() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let body = json!({"id": "bot", "team": "company", "limits": {"rpm": 1000}, "note": "for the shop", "labels": {"cost": "c-7"}});
    let made = good(&gateway, "POST /api/keys", body).await;
    let first = made["key"].as_str().unwrap().to_owned();
    assert_eq!(made["status"], "active");
    assert_eq!(status(&gateway, &first).await, 200);
    // The model of another team is not its.
    gateway
        .chat("nothing", "hi")
        .key(&first)
        .send()
        .await
        .refused(404, "model_not_found");

    let listed = good(&gateway, "GET /api/keys", Value::Null).await;
    let keys = listed["keys"].as_array().unwrap();
    assert_eq!(
        (keys.len(), &keys[0]["id"], &keys[1]["id"]),
        (2, &json!("bot"), &json!("main"))
    );
    assert_eq!(
        (&keys[0]["source"], &keys[1]["source"]),
        (&json!("dynamic"), &json!("config"))
    );
    assert_eq!(keys[0]["created_by"], "admin");
    assert_eq!(keys[0]["limits"]["rpm"], 1000);
    let prefix = keys[0]["prefix"].as_str().unwrap().to_owned();
    assert!(first.starts_with(&prefix) && prefix.len() == 9, "{prefix}");
    let text = listed.to_string();
    assert!(
        !text.contains(&first) && !text.contains("hash") && !text.contains("sha256"),
        "{text}"
    );

    // Rotated: both work, then only the new one.
    let rotated = good(
        &gateway,
        "POST /api/keys/bot/rotate",
        json!({"overlap": "2s"}),
    )
    .await;
    let second = rotated["key"].as_str().unwrap().to_owned();
    assert_eq!(rotated["previous"][0]["prefix"], prefix.as_str());
    assert_eq!(status(&gateway, &second).await, 200);
    assert_eq!(status(&gateway, &first).await, 200, "they overlap");
    comes_to(&gateway, &first, 401).await;
    assert_eq!(status(&gateway, &second).await, 200);

    // Narrowed: what it may no longer do ends.
    let mut live = gateway.stream("slow", "hi").key(&second).open().await;
    live.until("data:").await;
    good(
        &gateway,
        "PATCH /api/keys/bot",
        json!({"models": ["m-openai-compatible"], "limits": {"rpm": null, "tpm": 900_000}}),
    )
    .await;
    let cut = soon("the end of a stream whose key was narrowed", live.rest()).await;
    assert!(cut.text().contains("error"), "{}", cut.text());
    let one = good(&gateway, "GET /api/keys/bot", Value::Null).await;
    assert_eq!(
        (&one["limits"]["tpm"], &one["limits"]["rpm"]),
        (&json!(900_000), &Value::Null)
    );
    gateway
        .chat("slow", "hi")
        .key(&second)
        .send()
        .await
        .refused(403, "permission_denied");
    good(&gateway, "PATCH /api/keys/bot", json!({"models": null})).await;

    // Revoked: a live stream ends at once, and the id is spent.
    let mut live = gateway.stream("slow", "hi").key(&second).open().await;
    live.until("data:").await;
    let other = create(&gateway, json!({})).await;
    let mut others = gateway.stream("slow", "hi").key(&other).open().await;
    others.until("data:").await;
    let gone = good(&gateway, "DELETE /api/keys/bot", Value::Null).await;
    assert_eq!(
        (&gone["status"], &gone["revoked_by"]),
        (&json!("revoked"), &json!("admin"))
    );
    let cut = soon("the end of a stream whose key was revoked", live.rest()).await;
    assert!(cut.text().contains("error"), "{}", cut.text());
    assert_eq!(status(&gateway, &second).await, 401);
    others.next().await.expect("another key's stream goes on");
    others.leave();
    assert_eq!(
        call(&gateway, "POST /api/keys", json!({"id": "bot"}))
            .await
            .0,
        409
    );
    assert_eq!(
        call(&gateway, "POST /api/keys/bot/rotate", Value::Null)
            .await
            .0,
        409
    );
    assert_eq!(
        call(&gateway, "DELETE /api/keys/bot", Value::Null).await.0,
        200
    );

    // All of it is in the audit log, with who; the keys are nowhere.
    let journal = gateway.journal();
    let events = journal.of("event").map(|record| &record.payload);
    let told: Vec<String> = events
        .filter(|event| event["what"] == "key_change")
        .map(|event| {
            format!(
                "{} {} {}",
                event["actor"], event["names"][0], event["detail"]
            )
        })
        .collect();
    for what in [
        "\"admin\" \"bot\" \"key created\"",
        "key rotated, overlap 2 s",
        "\"admin\" \"bot\" \"key changed\"",
        "\"admin\" \"bot\" \"key revoked\"",
    ] {
        assert!(
            told.iter().any(|event| event.contains(what)),
            "{what}: {told:#?}"
        );
    }
    for file in ["state/keys.redb", "state/pepper"] {
        let bytes = std::fs::read(gateway.dir.path().join(file)).unwrap();
        for key in [&first, &second, &other] {
            assert!(
                message::find(&bytes, &key.as_bytes()[9..]).is_none(),
                "{file}"
            );
        }
        assert!(
            message::find(&bytes, &hash(&second).as_bytes()[7..]).is_none(),
            "{file}"
        );
    }
    assert!(!gateway.log().contains(&second[9..]));
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_is_made() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let sound = |id: &str| json!({"id": id, "team": "company"});
    good(&gateway, "POST /api/keys", sound("there")).await;
    let long = "x".repeat(2000);
    for (line, body, want, part) in [
        (
            "POST /api/keys",
            json!({"team": "compny"}),
            400,
            "did you mean `company`",
        ),
        (
            "POST /api/keys",
            json!({"taem": "company"}),
            400,
            "unknown field `taem`",
        ),
        (
            "POST /api/keys",
            json!({"models": ["gpt"]}),
            400,
            "models[0]: there is no model `gpt`",
        ),
        (
            "POST /api/keys",
            json!({"team": "company", "grade": "secret"}),
            400,
            "there is no grade",
        ),
        (
            "POST /api/keys",
            json!({"limits": {"rpm": 0}}),
            400,
            "limits.rpm: must be",
        ),
        (
            "POST /api/keys",
            json!({"budget": {"amount": -1}}),
            400,
            "budget.amount",
        ),
        (
            "POST /api/keys",
            json!({"expires": "soon"}),
            400,
            "expires: not a date",
        ),
        ("POST /api/keys", json!({"hash": "sha256:00"}), 400, "hash"),
        ("POST /api/keys", json!({"id": "a b"}), 400, "a name is"),
        ("POST /api/keys", json!({"note": long}), 400, "note"),
        ("POST /api/keys", json!({"labels": {"a": 1}}), 400, "labels"),
        ("POST /api/keys", json!([]), 400, "not a JSON object"),
        (
            "POST /api/keys",
            sound("there"),
            409,
            "there is a key of this id",
        ),
        (
            "POST /api/keys",
            sound("main"),
            400,
            "the config has a key of this id",
        ),
        (
            "PATCH /api/keys/main",
            json!({"grade": null}),
            409,
            "stands in the config",
        ),
        (
            "DELETE /api/keys/main",
            Value::Null,
            409,
            "stands in the config",
        ),
        ("PATCH /api/keys/nobody", json!({}), 404, "no such key"),
        (
            "PATCH /api/keys/there",
            json!({"id": "x"}),
            400,
            "cannot be changed",
        ),
        (
            "POST /api/keys/there/rotate",
            json!({"overlap": "1y"}),
            400,
            "overlap",
        ),
        (
            "POST /api/keys/there/rotate",
            json!({"overlap": "91d"}),
            400,
            "90d",
        ),
        ("GET /api/keys?status=odd", Value::Null, 400, "status"),
        (
            "GET /api/keys?nmae=x",
            Value::Null,
            400,
            "no such parameter",
        ),
        ("PUT /api/keys", json!({}), 405, "method"),
        (
            "POST /api/teams",
            json!({"name": "company"}),
            409,
            "the config has a team",
        ),
        (
            "POST /api/teams",
            json!({"name": "x", "parent": "nowhere"}),
            400,
            "there is no team",
        ),
        ("POST /api/teams", json!({}), 400, "name"),
        (
            "DELETE /api/teams/company",
            Value::Null,
            409,
            "stands in the config",
        ),
    ] {
        let (status, told) = call(&gateway, line, body.clone()).await;
        assert_eq!(status, want, "{line} {body}: {told}");
        let why = told["error"]["message"].as_str().unwrap();
        assert!(why.contains(part), "{line} {body}: {why}");
    }
    let big = api(
        &gateway,
        Method::POST,
        "/api/keys",
        &json!({"note": "x".repeat(300_000)}),
    );
    assert_eq!(big.send().await.status, 413);
    let stranger = Ask::post(gateway.admin, "/api/keys")
        .key(KEY)
        .json(&json!({}));
    assert_eq!(stranger.send().await.status, 401);
    let listed = good(&gateway, "GET /api/keys?source=dynamic", Value::Null).await;
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1, "{listed}");
    gateway.assert_sound();
}

#[tokio::test]
async fn teams_hang_below_those_of_the_config() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    good(
        &gateway,
        "POST /api/teams",
        json!({"name": "shop", "parent": "company", "limits": {"rpm": 2}}),
    )
    .await;
    good(
        &gateway,
        "POST /api/teams",
        json!({"name": "till", "parent": "shop", "models": ["m-openai-compatible"]}),
    )
    .await;
    let key = create(&gateway, json!({"id": "k", "team": "till"})).await;
    for want in [200, 200, 429] {
        assert_eq!(
            status(&gateway, &key).await,
            want,
            "the limit of the team above"
        );
    }
    let listed = good(&gateway, "GET /api/teams?parent=shop", Value::Null).await;
    assert_eq!(listed["teams"][0]["name"], "till");
    for (line, part) in [
        ("DELETE /api/teams/shop", "`till` is below"),
        ("DELETE /api/teams/till", "`k` is of it"),
    ] {
        let (status, told) = call(&gateway, line, Value::Null).await;
        assert_eq!(status, 409);
        assert!(
            told["error"]["message"].as_str().unwrap().contains(part),
            "{told}"
        );
    }
    // A circle is none, whoever closes it.
    let (status, told) = call(&gateway, "PATCH /api/teams/shop", json!({"parent": "till"})).await;
    assert_eq!(status, 400, "{told}");
    // What a team may do ends where the one above it does.
    let (refused, told) = call(
        &gateway,
        "PATCH /api/teams/shop",
        json!({"models": ["slow"]}),
    )
    .await;
    assert_eq!(refused, 400, "{told}");
    let why = told["error"]["message"].as_str().unwrap();
    assert!(why.contains("`till` would no longer fit"), "{why}");
    // What a team may no longer do, its keys may not either: their streams end.
    good(&gateway, "PATCH /api/teams/shop", json!({"limits": null})).await;
    gateway
        .chat("slow", "x")
        .key(&key)
        .send()
        .await
        .refused(403, "permission_denied");
    good(
        &gateway,
        "PATCH /api/teams/till",
        json!({"models": ["slow", "m-openai-compatible"]}),
    )
    .await;
    let mut live = gateway.stream("slow", "hi").key(&key).open().await;
    live.until("data:").await;
    good(
        &gateway,
        "PATCH /api/teams/till",
        json!({"models": ["m-openai-compatible"]}),
    )
    .await;
    soon("the end of a stream whose team was narrowed", live.rest()).await;
    good(&gateway, "DELETE /api/keys/k", Value::Null).await;
    good(&gateway, "DELETE /api/teams/till", Value::Null).await;
    good(&gateway, "DELETE /api/teams/shop", Value::Null).await;
    assert_eq!(
        call(&gateway, "GET /api/teams/shop", Value::Null).await.0,
        404
    );
    // A name without secrets may be used again.
    good(&gateway, "POST /api/teams", json!({"name": "shop"})).await;
}

#[tokio::test]
async fn what_a_key_is_not_shows_in_nothing() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let revoked = create(&gateway, json!({"id": "revoked"})).await;
    let rotated = create(&gateway, json!({"id": "rotated"})).await;
    let expired = create(&gateway, json!({"id": "expired", "expires": "2020-01-01"})).await;
    good(&gateway, "DELETE /api/keys/revoked", Value::Null).await;
    good(
        &gateway,
        "POST /api/keys/rotated/rotate",
        json!({"overlap": "0s"}),
    )
    .await;
    let mut answers = Vec::new();
    for key in [
        &revoked,
        &rotated,
        &expired,
        "ym-this-one-never-was-0000",
        "ym-no",
    ] {
        let reply = gateway
            .chat("m-openai-compatible", "hi")
            .key(key)
            .send()
            .await;
        let mut names: Vec<String> = reply
            .headers
            .iter()
            .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {value:?}"))
            .collect();
        names.sort();
        answers.push((reply.status, names, reply.text()));
    }
    assert_eq!(answers[0].0, 401);
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:#?}"
    );
    let list = good(&gateway, "GET /api/keys?status=expired", Value::Null).await;
    assert_eq!(list["keys"][0]["id"], "expired");
}

#[tokio::test]
async fn a_list_is_paged_and_found_by_how_a_key_begins() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let mut keys = Vec::new();
    for n in 0..7 {
        let body = json!({"id": format!("k{n}"), "team": if n < 3 { json!("company") } else { Value::Null }});
        keys.push(create(&gateway, body).await);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = good(
            &gateway,
            &format!("GET /api/keys?limit=3&cursor={cursor}"),
            Value::Null,
        )
        .await;
        let rows = page["keys"].as_array().unwrap();
        seen.extend(
            rows.iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "main"]);
    let of_team = good(&gateway, "GET /api/keys?team=company", Value::Null).await;
    assert_eq!(of_team["keys"].as_array().unwrap().len(), 3);
    // Somebody found a piece of a key in a log.
    let piece = &keys[4][..14];
    let found = good(
        &gateway,
        &format!("GET /api/keys?prefix={piece}"),
        Value::Null,
    )
    .await;
    assert_eq!(
        (
            found["keys"].as_array().unwrap().len(),
            &found["keys"][0]["id"]
        ),
        (1, &json!("k4"))
    );
    // A key of one's own becomes known by its hash.
    good(
        &gateway,
        "POST /api/keys",
        json!({"id": "own", "hash": hash("ym-brought-along-0001")}),
    )
    .await;
    assert_eq!(status(&gateway, "ym-brought-along-0001").await, 200);
    assert_eq!(
        call(
            &gateway,
            "POST /api/keys",
            json!({"hash": hash("ym-brought-along-0001")})
        )
        .await
        .0,
        409
    );
    assert_eq!(
        call(&gateway, "POST /api/keys", json!({"hash": hash(KEY)}))
            .await
            .0,
        409
    );
}

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

/// A key that was pasted into the wrong field must not be shown, kept or logged; nor is a refused key's budget remembered.
#[tokio::test]
async fn a_pasted_key_is_no_name_and_no_label() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let pasted = create(&gateway, json!({"id": "bot"})).await;
    let foreign = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    for (line, body) in [
        ("POST /api/keys", json!({"labels": {"cost": pasted}})),
        ("POST /api/keys", json!({"labels": {&pasted: "x"}})),
        (
            "POST /api/keys",
            json!({"labels": {"git": format!("token={foreign}")}}),
        ),
        ("POST /api/keys", json!({"note": format!("was <{pasted}>")})),
        ("POST /api/keys", json!({"id": pasted})),
        ("PATCH /api/keys/bot", json!({"labels": {"cost": pasted}})),
        ("POST /api/teams", json!({"name": pasted})),
    ] {
        let (status, told) = call(&gateway, line, body.clone()).await;
        assert_eq!(status, 400, "{line} {body}: {told}");
        let told = told.to_string();
        assert!(!told.contains(&pasted) && !told.contains(foreign), "{told}");
    }
    let bad = json!({"id": "never", "models": ["nothing"], "budget": {"tokens": 5}});
    assert_eq!(call(&gateway, "POST /api/keys", bad).await.0, 400);
    let budgets = good(&gateway, "GET /api/budgets", Value::Null).await;
    assert!(!budgets.to_string().contains("never"), "{budgets}");
    let log = gateway.log() + &gateway.printed();
    assert!(!log.contains(&pasted) && !log.contains(foreign));
    let journal = format!("{:?}", gateway.journal());
    assert!(!journal.contains(&pasted) && !journal.contains(foreign));
    gateway.assert_sound();
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

/// A key that the config spoils for a while comes back: what it is known by is not given to another meanwhile.
#[tokio::test]
async fn a_certificate_and_a_hash_are_one_keys_even_while_it_does_not_fit() {
    let sim = sim().await;
    let mut config = config(&sim);
    let gateway = Arc::new(Gateway::start(&config).await);
    let certificate = json!({"san": "spoilt.example"});
    let body = json!({
        "id": "spoilt", "models": ["slow"], "certificate": certificate, "hash": hash("ym-handed-in-0000"),
    });
    good(&gateway, "POST /api/keys", body).await;
    config.0["models"].as_object_mut().unwrap().remove("slow");
    config.set("teams/company/models", json!(["m-openai-compatible"]));
    gateway.rewrite(&config.text());
    good(&gateway, "POST /api/reload", Value::Null).await;
    let unfit = good(&gateway, "GET /api/keys?status=unfit", Value::Null).await;
    assert_eq!(unfit["keys"][0]["id"], "spoilt", "{unfit}");
    for body in [
        json!({"id": "second", "certificate": certificate}),
        json!({"id": "second", "hash": hash("ym-handed-in-0000")}),
    ] {
        let (status, told) = call(&gateway, "POST /api/keys", body).await;
        assert_eq!(status, 409, "{told}");
    }
    // Of many that want one at once it is one key's.
    for known_by in [
        json!({"certificate": {"san": "wanted.example"}}),
        json!({"hash": hash("ym-handed-in-0001")}),
    ] {
        let mut makers = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (gateway, mut body) = (Arc::clone(&gateway), known_by.clone());
            body["id"] = format!("wants-{}", makers.len()).into();
            if body["hash"].is_string() {
                body["id"] = format!("hashed-{}", makers.len()).into();
            }
            makers.spawn(async move { call(&gateway, "POST /api/keys", body).await.0 });
        }
        let mut statuses = makers.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses[..2], [201, 409], "{statuses:?}");
    }
    // Revoked, both are free.
    good(&gateway, "DELETE /api/keys/spoilt", Value::Null).await;
    let body = json!({
        "id": "second", "certificate": certificate, "hash": hash("ym-handed-in-0000"),
    });
    good(&gateway, "POST /api/keys", body).await;
    assert_eq!(status(&gateway, "ym-handed-in-0000").await, 200);
    gateway.assert_sound();
}
