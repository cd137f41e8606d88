//! What is no key and no team: it is told, nothing is made, and nothing of it is shown.

use super::*;

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
