//! What happens to the gateway itself is in the log too: configs, keys, and who was turned away.

use tests::journal::Record;
use tests::*;

const TOKEN: &str = "planted-admin-token-Zq81";

/// The events of a kind, as soon as there are so many.
async fn events(gateway: &Gateway, what: &str, least: usize) -> Vec<Record> {
    let mut found = Vec::new();
    until(&format!("{least} events {what}"), || {
        let journal = gateway.journal();
        found = journal
            .of("event")
            .filter(|event| event.text("what") == what)
            .cloned()
            .collect();
        found.len() >= least
    })
    .await;
    found
}

#[tokio::test]
async fn a_reload_says_what_changed_and_never_to_what() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.key("goes", "ym-goes-away-0001", json!({}));
    let gateway = Gateway::start(&config).await;
    let mut next = Config::plain(&sim);
    next.key("comes", "ym-comes-new-0001", json!({}));
    next.set("teams/retail", json!({"grade": "internal"}));
    next.set("drain/limit", "7s");
    gateway.reload(&next.text(), "config reloaded").await;
    let changes = events(&gateway, "config_change", 1).await;
    let change = &changes[0];
    assert_eq!(change.payload["names"], json!(["drain", "keys", "teams"]));
    let start = events(&gateway, "start", 1).await;
    assert_eq!(change.text("before"), start[0].text("config"));
    assert_ne!(change.text("before"), change.text("config"));
    let keys = events(&gateway, "key_change", 3).await;
    let told: Vec<(&str, &serde_json::Value)> = keys
        .iter()
        .map(|key| (key.text("detail"), &key.payload["names"]))
        .collect();
    assert_eq!(
        told,
        [
            ("keys added", &json!(["comes"])),
            ("keys removed", &json!(["goes"])),
            ("teams added", &json!(["retail"]))
        ]
    );
    // A file that cannot be used changes nothing, and that it was tried is known.
    gateway.reload("no_such: 1\n", "config refused").await;
    let refused = events(&gateway, "reload", 1).await;
    assert!(refused[0].text("detail").contains("no_such"), "{refused:?}");
    // A file that says the same again is no change.
    gateway
        .reload(&format!("# the same\n{}", next.text()), "config reloaded")
        .await;
    let same = events(&gateway, "reload", 2).await;
    assert!(same[1].payload["names"].is_null(), "{same:?}");
    assert_eq!(events(&gateway, "config_change", 1).await.len(), 1);
    gateway.assert_sound();
}

#[tokio::test]
async fn who_acts_as_admin_is_recorded_and_who_is_turned_away_is_counted() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("admin/token", TOKEN);
    let gateway = Gateway::start(&config).await;
    let ask = |token: &str| Ask::post(gateway.admin, "/api/reload").key(token);
    const GUESSES: u64 = 60;
    for guess in 0..GUESSES {
        assert_eq!(ask(&format!("guess-{guess}")).send().await.status, 401);
    }
    assert_eq!(ask(TOKEN).send().await.status, 200);
    let acted = events(&gateway, "admin_access", 1).await;
    assert_eq!(
        (acted[0].text("origin"), acted[0].text("detail")),
        ("127.0.0.1", "POST /api/reload")
    );
    let mut failed = Vec::new();
    until("all guesses in the log", || {
        let journal = gateway.journal();
        failed = journal
            .of("event")
            .filter(|event| event.text("what") == "login_failed")
            .filter_map(|event| event.payload["count"].as_u64())
            .collect();
        failed.iter().sum::<u64>() == GUESSES
    })
    .await;
    assert!(failed.len() < GUESSES as usize / 2, "{failed:?}");
    gateway.assert_sound();
}

/// Whoever was known and had not the role left no trace.
#[tokio::test]
async fn who_lacks_the_role_is_recorded_with_what_they_wanted() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    let tokens = ["operator", "viewer"].map(|role| {
        let hash = tests::config::hash(&format!("ym-admin-{role}"));
        json!({"name": role, "role": role, "hash": hash})
    });
    config.set("admin/tokens", json!(tokens));
    let gateway = Gateway::start(&config).await;
    let pasted = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    for (role, method, path) in [
        ("viewer", ::http::Method::DELETE, "/api/keys/k1".to_owned()),
        (
            "operator",
            ::http::Method::GET,
            "/api/audit/entries?text=Li+Lei".to_owned(),
        ),
        ("viewer", ::http::Method::GET, format!("/api/keys/{pasted}")),
    ] {
        let ask = Ask::method(gateway.admin, method, &path).key(&format!("ym-admin-{role}"));
        assert_eq!(ask.send().await.status, 403, "{role} {path}");
        // No more than one record a second: the next would be counted with this one.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
    let refused = events(&gateway, "login_failed", 3).await;
    let told: Vec<_> = refused
        .iter()
        .map(|event| {
            (
                event.text("actor"),
                event.payload["names"].clone(),
                event.text("detail"),
            )
        })
        .collect();
    let viewers = |detail| ("viewer", Value::Null, detail);
    assert_eq!(
        told,
        [
            (
                "viewer",
                json!(["k1"]),
                "DELETE /api/keys/{id}: this needs the role security"
            ),
            (
                "operator",
                Value::Null,
                "GET /api/audit/entries: this needs the role auditor"
            ),
            viewers("GET /api/keys/{id}: this needs the role operator or security or auditor"),
        ]
    );
    let burst = 40;
    for _ in 0..burst {
        let ask = Ask::get(gateway.admin, "/api/audit/stats").key("ym-admin-viewer");
        assert_eq!(ask.send().await.status, 403);
    }
    let counted = |gateway: &Gateway| {
        let journal = gateway.journal();
        let failed = journal
            .of("event")
            .filter(|event| event.text("what") == "login_failed");
        let counts: Vec<u64> = failed
            .filter_map(|event| event.payload["count"].as_u64())
            .collect();
        (counts.iter().sum::<u64>(), counts.len())
    };
    until("all in the log", || counted(&gateway).0 == burst + 3).await;
    assert!(counted(&gateway).1 < 20);
    let journal = format!("{:?}", gateway.journal());
    assert!(!journal.contains(pasted) && !journal.contains("Lei"));
    gateway.assert_sound();
}
