//! What people may do and use: by their groups and teams, at the admin endpoint, after crashes and reloads.

use super::*;

#[tokio::test]
async fn groups_teams_and_grades() {
    let sim = sim().await;
    let key = Key::new("k1", "EdDSA");
    let issuer = Issuer::start(&[&key]).await;
    let mut config = config_with(
        &sim,
        &issuer,
        json!({
            "claims": {"team": "realm.groups", "user": "email", "grade": "data"},
            "teams": {"/sales": "retail", "/lab": "lab"},
        }),
    );
    config.set(
        "teams/lab",
        json!({"models": ["slow"], "grade": "internal"}),
    );
    config.set("providers/openai-compatible/clearance", "internal");
    let gateway = Gateway::start(&config).await;
    let token = |groups: &[&str], extra: Value| {
        let mut claims = issuer.claims("x", &[], extra);
        claims["email"] = "li@example.com".into();
        claims["realm"] = json!({ "groups": groups });
        key.token(&claims)
    };
    let ask = |token: String| gateway.chat(MODEL, "hi").key(&token).send();
    assert_eq!(
        ask(token(&["/none", "/sales", "/lab"], json!({})))
            .await
            .status,
        200
    );
    // A team's rights are its members'.
    ask(token(&["/lab"], json!({})))
        .await
        .refused(403, "permission_denied");
    // The name of a team is no group where groups are listed.
    for groups in [&["retail"][..], &[]] {
        let said = ask(token(groups, json!({})))
            .await
            .refused(403, "permission_denied");
        assert!(said.contains("team"), "{said}");
    }
    // A claim raises the grade, never lowers it, and one that nobody knows is the highest.
    let raised = ask(token(&["/sales"], json!({"data": "internal"}))).await;
    assert_eq!(raised.header("x-yumen-grade"), Some("internal"));
    for grade in ["confidential", "top-secret"] {
        let reply = ask(token(&["/sales"], json!({"data": grade}))).await;
        reply.refused(403, "no_cleared_provider");
    }
    let models = Ask::get(gateway.listen, "/v1/models");
    let models = models.key(&token(&["/lab"], json!({}))).send().await;
    let ids: Vec<_> = models.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].clone())
        .collect();
    assert_eq!(ids, ["slow"]);
}

#[tokio::test]
async fn a_fresh_token_and_a_reload_reset_no_limit() {
    let sim = sim().await;
    let key = Key::new("k1", "EdDSA");
    let issuer = Issuer::start(&[&key]).await;
    let per_user = json!({"per_user": {"limits": {"rpd": 5}}});
    let mut config = config_with(&sim, &issuer, per_user);
    // The least counts.
    config.set("teams/retail", json!({"per_user": {"limits": {"rpd": 3}}}));
    let gateway = Gateway::start(&config).await;
    let token = |user: &str, n: u64| {
        key.token(&issuer.claims(user, &["retail"], json!({"jti": n.to_string()})))
    };
    for n in 0..2 {
        assert_eq!(status(&gateway, &token("li", n)).await, 200);
    }
    config.set("log/level", "debug");
    config.set("teams/other", json!({}));
    gateway.reload(&config.text(), "config reloaded").await;
    assert_eq!(status(&gateway, &token("li", 2)).await, 200);
    for n in [0, 3] {
        let reply = gateway.chat(MODEL, "hi").key(&token("li", n)).send().await;
        let said = reply.refused(429, "rate_limit_exceeded");
        assert!(said.contains("3 requests per day of user li"), "{said}");
    }
    assert_eq!(status(&gateway, &token("wu", 4)).await, 200);
}

/// Limits of users are made when they are first seen, which is after all others have been restored.
#[tokio::test]
async fn what_a_person_used_is_used_after_a_crash_too() {
    let sim = sim().await;
    let key = Key::new("k1", "EdDSA");
    let issuer = Issuer::start(&[&key]).await;
    let per_user = json!({"per_user": {"limits": {"rpd": 3}, "budget": {"tokens": 1_000_000}}});
    let mut config = config_with(&sim, &issuer, per_user);
    config.set("admin/token", "token-of-this-test");
    let gateway = Gateway::start(&config).await;
    let token = |user: &str| key.token(&issuer.claims(user, &["retail"], json!({})));
    for _ in 0..2 {
        let reply = gateway.chat(MODEL, "hi").key(&token("li")).send().await;
        assert_eq!(reply.status, 200);
        gateway.record(&reply).await;
    }
    gateway.signal("KILL");
    gateway.exited().await;
    let dir = Arc::clone(&gateway.dir);
    drop(gateway);
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    let asked = Ask::get(gateway.admin, "/api/budgets").key("token-of-this-test");
    let told = asked.send().await.json();
    let of = |budget: &&Value| budget["owner"] == "user:li";
    let budget = told["budgets"].as_array().unwrap().iter().find(of);
    let budget = budget.unwrap_or_else(|| panic!("{told}"));
    assert_eq!(budget["counted"], budget["spent"], "{told}");
    assert_ne!(budget["spent"], "0", "{told}");
    assert_eq!(status(&gateway, &token("li")).await, 200);
    let reply = gateway.chat(MODEL, "hi").key(&token("li")).send().await;
    reply.refused(429, "rate_limit_exceeded");
    assert_eq!(status(&gateway, &token("wu")).await, 200);
}

#[tokio::test]
async fn a_team_that_the_admin_api_made_is_a_persons_too() {
    const ADMIN: &str = "token-of-this-test";
    let sim = sim().await;
    let key = Key::new("k1", "EdDSA");
    let issuer = Issuer::start(&[&key]).await;
    let teams = json!({"teams": {"g-lab": "lab", "g-retail": "retail"}});
    let mut config = config_with(&sim, &issuer, teams);
    config.set("admin/token", ADMIN);
    let gateway = Gateway::start(&config).await;
    let token = key.token(&issuer.claims("li", &["g-lab"], json!({})));
    assert_eq!(
        status(&gateway, &token).await,
        403,
        "there is no such team yet"
    );
    let api = async |method: ::http::Method, path: &str, body: Value| {
        let ask = Ask::method(gateway.admin, method, path)
            .key(ADMIN)
            .json(&body);
        let reply = ask.send().await;
        assert!((200..300).contains(&reply.status), "{}", reply.text());
    };
    let lab = json!({"name": "lab", "parent": "retail", "per_user": {"limits": {"rpd": 4}}});
    api(::http::Method::POST, "/api/teams", lab).await;
    let reply = gateway.chat(MODEL, "hi").key(&token).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let id = reply.header("x-request-id").unwrap();
    assert_eq!(gateway.journal().opening(id).unwrap().text("team"), "lab");
    // A reload knows it, and what the team loses its people lose at once.
    config.set("teams/other", json!({}));
    gateway.reload(&config.text(), "config reloaded").await;
    let mut live = gateway.stream("slow", "hi").key(&token).open().await;
    live.until("data:").await;
    api(
        ::http::Method::PATCH,
        "/api/teams/lab",
        json!({"models": [MODEL]}),
    )
    .await;
    soon("the end of a stream whose team may no longer", live.rest()).await;
    gateway
        .chat("slow", "hi")
        .key(&token)
        .send()
        .await
        .refused(403, "permission_denied");
    for expected in [200, 429] {
        assert_eq!(status(&gateway, &token).await, expected);
    }
    api(::http::Method::DELETE, "/api/teams/lab", json!({})).await;
    assert_eq!(status(&gateway, &token).await, 403);
    gateway.assert_sound();
}

/// They had the models and the budget of whoever has no group.
#[tokio::test]
async fn people_of_a_team_that_is_not_there_are_of_no_other() {
    let sim = sim().await;
    let key = Key::new("k1", "EdDSA");
    let issuer = Issuer::start(&[&key]).await;
    let teams = json!({
        "teams": {"contractors": "contractors-team", "sales": "retail"},
        "team": "retail",
    });
    let mut config = config_with(&sim, &issuer, teams);
    config.set("admin/token", "token-of-this-test");
    let gateway = Gateway::start(&config).await;
    let token = |groups: &[&str]| key.token(&issuer.claims("li", groups, json!({})));
    let outside = [token(&["contractors"]), token(&["contractors", "sales"])];
    let refused = async || {
        for token in &outside {
            let reply = gateway.chat(MODEL, "hi").key(token).send().await;
            reply.refused(403, "permission_denied");
        }
    };
    refused().await;
    assert_eq!(status(&gateway, &token(&["other"])).await, 200);
    let api = async |method: ::http::Method, path: &str, body: Value| {
        let ask = Ask::method(gateway.admin, method, path).key("token-of-this-test");
        let reply = ask.json(&body).send().await;
        assert!((200..300).contains(&reply.status), "{}", reply.text());
    };
    let team = json!({"name": "contractors-team"});
    api(::http::Method::POST, "/api/teams", team).await;
    for token in &outside {
        assert_eq!(status(&gateway, token).await, 200);
    }
    api(
        ::http::Method::DELETE,
        "/api/teams/contractors-team",
        json!({}),
    )
    .await;
    refused().await;
}

#[tokio::test]
async fn a_reload_that_takes_something_ends_streams() {
    let sim = sim().await;
    let key = Key::new("k1", "EdDSA");
    let issuer = Issuer::start(&[&key]).await;
    let mut config = config_with(&sim, &issuer, json!({}));
    config.set("teams/lab", json!({}));
    let gateway = Gateway::start(&config).await;
    let token = |user: &str, team: &str| key.token(&issuer.claims(user, &[team], json!({})));
    let mut cut = gateway
        .stream("slow", "x")
        .key(&token("li", "lab"))
        .open()
        .await;
    let mut kept = gateway
        .stream("slow", "x")
        .key(&token("wu", "retail"))
        .open()
        .await;
    cut.until("data:").await;
    kept.until("data:").await;
    config.set("teams/lab", json!({"models": [MODEL]}));
    gateway.reload(&config.text(), "config reloaded").await;
    let rest = cut.rest().await;
    assert!(!grammar::read(&rest.body).done, "{}", rest.text());
    // What is left is still allowed, with the same token.
    assert_eq!(status(&gateway, &token("li", "lab")).await, 200);
    kept.until("data:").await;
    // Without the provider its tokens are nobody's.
    config.0.as_object_mut().unwrap().remove("identity");
    gateway.reload(&config.text(), "config reloaded").await;
    let rest = kept.rest().await;
    assert!(!grammar::read(&rest.body).done, "{}", rest.text());
    assert_eq!(status(&gateway, &token("wu", "retail")).await, 401);
}

#[tokio::test]
async fn roles_at_the_admin_endpoint_come_from_a_claim() {
    let sim = sim().await;
    let key = Key::new("k1", "ES256");
    let issuer = Issuer::start(&[&key]).await;
    let extra = json!({
        "claims": {"roles": "realm_access.roles"},
        "roles": {"operator": ["gate-admin"], "auditor": ["gate-audit", "internal-audit"]},
    });
    let mut config = config_with(&sim, &issuer, extra);
    config.set("separate_duties", true);
    let gateway = Gateway::start(&config).await;
    let token = |user: &str, roles: &[&str]| {
        let roles = json!({"realm_access": {"roles": roles}});
        key.token(&issuer.claims(user, &["retail"], roles))
    };
    let ask = async |token: &str| {
        let reload = Ask::post(gateway.admin, "/api/reload")
            .key(token)
            .send()
            .await;
        let search = Ask::get(gateway.admin, "/api/audit/entries")
            .key(token)
            .send()
            .await;
        (reload.status, search.status)
    };
    assert_eq!(ask(&token("li", &["x", "gate-admin"])).await, (200, 403));
    assert_eq!(
        ask(&token("wu", &["internal-audit", "gate-audit"])).await,
        (403, 200)
    );
    assert_eq!(
        ask(&token("zhao", &["gate-audit", "gate-admin"])).await,
        (403, 403)
    );
    assert_eq!(ask(&token("qian", &["operator"])).await, (403, 403));
    let stranger = Key::new("k1", "ES256");
    let forged = json!({"realm_access": {"roles": ["gate-admin"]}});
    let forged = stranger.token(&issuer.claims("li", &[], forged));
    assert_eq!(ask(&forged).await, (401, 401));
    let journal = gateway.journal();
    let by = |actor: &str, what: &str| {
        let mut events = journal.of("event");
        events.any(|event| event.text("actor") == actor && event.text("what") == what)
    };
    assert!(by("li", "admin_access") && by("wu", "search") && !by("zhao", "search"));
}
