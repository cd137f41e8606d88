//! Keys and teams that the admin API makes: from their first use to their last, over restarts, crashes and replicas.

mod changes;
mod lasting;
mod refused;

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
        "\"admin\" \"bot\" \"key changed: limits, models\"",
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
async fn teams_hang_below_those_of_the_config() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    good(
        &gateway,
        "POST /api/teams",
        json!({"name": "shop", "parent": "company", "limits": {"rpm": 2}, "budget": {"tokens": 1_000_000}}),
    )
    .await;
    let budgets = || async {
        let told = good(&gateway, "GET /api/budgets", Value::Null).await;
        told["budgets"].to_string()
    };
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
    assert!(budgets().await.contains("team:shop"));
    good(&gateway, "DELETE /api/teams/shop", Value::Null).await;
    assert!(!budgets().await.contains("team:shop"));
    assert_eq!(
        call(&gateway, "GET /api/teams/shop", Value::Null).await.0,
        404
    );
    // A name without secrets may be used again.
    good(&gateway, "POST /api/teams", json!({"name": "shop"})).await;
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
