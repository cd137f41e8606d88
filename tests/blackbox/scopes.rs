//! Where, whence and when a key may ask; who is behind a proxy; and who may do what at the admin endpoint.

use serde_json::json;
use tests::*;

const KEY_A: &str = "ym-scoped-a-000000";

/// Answers of a key that the plain config has with `extra`, in a team with `team`.
async fn gateway_with(
    sim: &sim::Sim,
    team: serde_json::Value,
    extra: serde_json::Value,
) -> Gateway {
    let mut config = Config::plain(sim);
    config.set("teams/t", team);
    let mut key = extra;
    key["team"] = "t".into();
    config.key("a", KEY_A, key);
    Gateway::start(&config).await
}

#[tokio::test]
async fn a_key_asks_only_where_its_team_may() {
    let sim = sim().await;
    let team = json!({"endpoints": ["/v1/chat/completions", "/v1/messages*"]});
    let gateway = gateway_with(&sim, team, json!({"endpoints": ["/v1/messages*"]})).await;
    let model = "m-openai-compatible";
    let chat = gateway
        .chat(model, "planted-prompt")
        .key(KEY_A)
        .send()
        .await;
    let said = chat.refused(403, "permission_denied");
    assert!(said.contains("/v1/chat/completions"), "{said}");
    for path in ["/v1/models", "/v1/models/m-openai-compatible"] {
        let reply = Ask::get(gateway.listen, path).key(KEY_A).send().await;
        assert_eq!(reply.status, 403, "{}", reply.text());
    }
    let body =
        json!({"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]});
    let ask = |key: &str| {
        Ask::post(gateway.listen, "/v1/messages")
            .header("x-api-key", key)
            .json(&body)
    };
    assert_eq!(ask(KEY_A).send().await.status, 200);
    // In the caller's dialect, and another key is not concerned.
    let other = gateway.chat(model, "hi").send().await;
    assert_eq!(other.status, 200);
    assert_eq!(sim.requests().len(), 2);
    let denial = gateway.record(&chat).await;
    assert_eq!(
        (&denial["key"], &denial["team"], &denial["status"]),
        (&json!("a"), &json!("t"), &json!(403))
    );
}

#[tokio::test]
async fn a_key_is_used_only_from_its_networks() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("trusted_proxies", json!(["127.0.0.0/8", "10.0.0.0/24"]));
    config.key(
        "a",
        KEY_A,
        json!({"networks": ["192.0.2.0/24", "2001:db8::/32"]}),
    );
    let gateway = Gateway::start(&config).await;
    let model = "m-openai-compatible";
    for (forwarded, status) in [
        ("192.0.2.7", 200),
        ("2001:db8::7", 200),
        ("203.0.113.9, 192.0.2.7, 10.0.0.3", 200),
        // Written by the client itself: what the proxy saw counts.
        ("192.0.2.7, 203.0.113.9", 403),
        ("192.0.2.7, garbage", 403),
        ("", 403),
    ] {
        let mut ask = gateway.chat(model, "hi").key(KEY_A);
        if !forwarded.is_empty() {
            ask = ask.header("x-forwarded-for", forwarded);
        }
        let reply = ask.send().await;
        assert_eq!(reply.status, status, "{forwarded}: {}", reply.text());
        if status == 403 {
            let said = reply.refused(403, "permission_denied");
            assert!(
                said.contains("network") && !said.contains("192.0.2"),
                "{said}"
            );
        }
    }
    let ask = gateway.chat(model, "hi").key(KEY_A);
    let reply = ask.header("x-forwarded-for", "2001:db8::9").send().await;
    let id = reply.header("x-request-id").unwrap().to_owned();
    let opening = gateway.journal().opening(&id).unwrap().clone();
    assert_eq!(opening.text("client"), "2001:db8::9");
    // Without a trusted proxy the header means nothing.
    config.0.as_object_mut().unwrap().remove("trusted_proxies");
    let bare = Gateway::start(&config).await;
    let ask = bare
        .chat(model, "hi")
        .key(KEY_A)
        .header("x-forwarded-for", "192.0.2.7");
    assert_eq!(ask.send().await.status, 403);
}

#[tokio::test]
async fn a_key_is_used_only_at_its_hours() {
    let sim = sim().await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let clock = |minutes: u64| {
        let minute = (now / 60 + minutes) % 1440;
        format!("{:02}:{:02}", minute / 60, minute % 60)
    };
    // From ten minutes ago to an hour from now, and the rest of the day.
    let (begin, end) = (clock(1430), clock(60));
    let mut config = Config::plain(&sim);
    let hours =
        |from: &str, to: &str| json!({"hours": {"from": from, "to": to, "timezone": "UTC"}});
    config.key("now", KEY_A, hours(&begin, &end));
    config.key("later", "ym-scoped-b-000000", hours(&end, &begin));
    let gateway = Gateway::start(&config).await;
    let ask = |key: &'static str| gateway.chat("m-openai-compatible", "hi").key(key).send();
    assert_eq!(ask(KEY_A).await.status, 200);
    let said = ask("ym-scoped-b-000000")
        .await
        .refused(403, "permission_denied");
    assert!(said.contains("time"), "{said}");
}

#[tokio::test]
async fn what_widens_is_no_config() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("teams/t", json!({"networks": ["10.0.0.0/8"]}));
    config.key(
        "a",
        KEY_A,
        json!({"team": "t", "networks": ["10.1.0.0/16", "0.0.0.0/0"]}),
    );
    let (code, _, said) = Launch::new(config.text()).command("check").ends().await;
    assert_eq!(code, Some(2));
    assert!(
        said.contains("keys[1].networks[1]: a key may only narrow"),
        "{said}"
    );
    let line = said.lines().find(|line| line.contains("narrow")).unwrap();
    let place: Vec<_> = line.split(':').skip(1).take(2).collect();
    assert!(
        place.iter().all(|part| part.parse::<u32>().is_ok()),
        "{line}"
    );
}

#[tokio::test]
async fn a_key_that_loses_a_path_loses_its_streams() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.fault("slow", "openai-compatible", "@events:1000@gap:20");
    config.key("a", KEY_A, json!({}));
    config.set("admin/token", "admin-token-of-this-test");
    let gateway = Gateway::start(&config).await;
    let mut stream = gateway.stream("slow", "x").key(KEY_A).open().await;
    stream.until("data:").await;
    config.0["keys"][1]["endpoints"] = json!(["/v1/models"]);
    gateway.rewrite(&config.text());
    let reloaded = Ask::post(gateway.admin, "/api/reload")
        .key("admin-token-of-this-test")
        .send()
        .await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    let rest = stream.rest().await;
    assert!(!grammar::read(&rest.body).done, "{}", rest.text());
}

#[tokio::test]
async fn roles_at_the_admin_endpoint() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    let token = |role: &str| json!({"name": format!("{role}.li"), "role": role, "hash": config::hash(&format!("ym-admin-{role}"))});
    config.set("separate_duties", true);
    config.set(
        "admin/tokens",
        json!([token("operator"), token("auditor"), token("viewer")]),
    );
    let gateway = Gateway::start(&config).await;
    for (role, reload, search) in [
        ("operator", 200, 403),
        ("auditor", 403, 200),
        ("viewer", 403, 403),
        ("security", 401, 401),
    ] {
        let key = format!("ym-admin-{role}");
        let ask = Ask::post(gateway.admin, "/api/reload").key(&key);
        assert_eq!(ask.send().await.status, reload, "{role}");
        let ask = Ask::get(gateway.admin, "/api/audit/entries").key(&key);
        assert_eq!(ask.send().await.status, search, "{role}");
    }
    // A key of the data endpoint is nobody here, and the other way round.
    assert_eq!(
        Ask::get(gateway.admin, "/api/config")
            .key(KEY)
            .send()
            .await
            .status,
        401
    );
    let reply = gateway
        .chat("m-openai-compatible", "hi")
        .key("ym-admin-operator")
        .send()
        .await;
    reply.refused(401, "invalid_api_key");
    let journal = gateway.journal();
    let acted = journal
        .of("event")
        .any(|event| event.text("what") == "admin_access" && event.text("actor") == "operator.li");
    assert!(acted, "{:?}", journal.records);
}
