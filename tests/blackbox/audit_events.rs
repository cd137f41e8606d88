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
