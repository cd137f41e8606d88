//! Many who change keys at once, and what the audit log says of it: what was done, all of it, and nothing else.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// What the audit log says of a key or a team, in order.
fn told(gateway: &Gateway, name: &str) -> Vec<String> {
    let journal = gateway.journal();
    let events = journal.of("event").map(|record| &record.payload);
    let of_it = events.filter(|event| event["what"] == "key_change" && event["names"][0] == name);
    of_it
        .map(|event| event["detail"].as_str().unwrap().to_owned())
        .collect()
}

/// One in five revocations was told that somebody else had changed the key, and it worked on.
#[tokio::test]
async fn a_revocation_wins_whoever_changes_the_key_meanwhile() {
    let sim = sim().await;
    let gateway = Arc::new(Gateway::start(&config(&sim)).await);
    for round in 0..5 {
        let id = format!("k{round}");
        let key = create(&gateway, json!({"id": id})).await;
        let over = Arc::new(AtomicBool::new(false));
        let mut changing = tokio::task::JoinSet::new();
        for editor in 0..6 {
            let (gateway, over, id) = (Arc::clone(&gateway), Arc::clone(&over), id.clone());
            changing.spawn(async move {
                let mut done = 0;
                for n in 0.. {
                    let body = json!({"note": format!("{editor}-{n}")});
                    let (status, _) = call(&gateway, &format!("PATCH /api/keys/{id}"), body).await;
                    assert!([200, 409].contains(&status), "{status}");
                    done += usize::from(status == 200);
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                }
                done
            });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let gone = good(&gateway, &format!("DELETE /api/keys/{id}"), Value::Null).await;
        assert_eq!(gone["status"], "revoked", "{gone}");
        over.store(true, Ordering::Relaxed);
        let done: usize = changing.join_all().await.into_iter().sum();
        assert_eq!(status(&gateway, &key).await, 401);
        let told = told(&gateway, &id);
        assert_eq!(told.first().unwrap(), "key created");
        assert_eq!(told.last().unwrap(), "key revoked", "nothing changed after");
        let changes = told.iter().filter(|detail| *detail == "key changed: note");
        assert_eq!((changes.count(), told.len()), (done, done + 2), "{told:?}");
    }
    gateway.assert_sound();
}

/// Twelve who made one key left eight records that it was made.
#[tokio::test]
async fn what_was_refused_is_not_told_as_done() {
    let sim = sim().await;
    let gateway = Arc::new(Gateway::start(&config(&sim)).await);
    for (line, body, what) in [
        ("POST /api/keys", json!({"id": "one"}), "key created"),
        ("POST /api/teams", json!({"name": "shop"}), "team created"),
    ] {
        let mut makers = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (gateway, body) = (Arc::clone(&gateway), body.clone());
            makers.spawn(async move { call(&gateway, line, body).await.0 });
        }
        let mut statuses = makers.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses[..2], [201, 409], "{statuses:?}");
        let name = body["id"].as_str().or(body["name"].as_str()).unwrap();
        assert_eq!(told(&gateway, name), [what]);
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn a_change_is_told_by_its_fields_and_labels_are_merged() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let body = json!({"id": "k", "labels": {"a": "1", "b": "2"}, "limits": {"rpm": 7}});
    good(&gateway, "POST /api/keys", body).await;
    for (patch, want) in [
        (
            json!({"labels": {"b": "q", "c": "3"}}),
            json!({"a": "1", "b": "q", "c": "3"}),
        ),
        (
            json!({"labels": {"a": null}, "limits": null}),
            json!({"b": "q", "c": "3"}),
        ),
        (json!({"labels": {}}), json!({"b": "q", "c": "3"})),
        (json!({"labels": null, "grade": "internal"}), json!({})),
    ] {
        let now = good(&gateway, "PATCH /api/keys/k", patch.clone()).await;
        let labels = now.get("labels").cloned().unwrap_or(json!({}));
        assert_eq!(labels, want, "{patch}: {now}");
    }
    let many: serde_json::Map<String, Value> =
        (0..33).map(|n| (format!("l{n}"), json!("x"))).collect();
    let (status, _) = call(&gateway, "PATCH /api/keys/k", json!({"labels": many})).await;
    assert_eq!(status, 400);
    good(&gateway, "POST /api/teams", json!({"name": "shop"})).await;
    good(
        &gateway,
        "PATCH /api/teams/shop",
        json!({"grade": "internal"}),
    )
    .await;
    assert_eq!(
        told(&gateway, "k"),
        [
            "key created",
            "key changed: labels",
            "key changed: labels, limits",
            "key changed: nothing",
            "key changed: grade, labels",
        ]
    );
    assert_eq!(
        told(&gateway, "shop"),
        ["team created", "team changed: grade"]
    );
}

/// An admin's token that was handed in as a key worked at the data endpoint; of two fields with one name the last won.
#[tokio::test]
async fn what_could_mislead_is_no_key() {
    let sim = sim().await;
    let mut config = config(&sim);
    let operator = "ym-operator-token-0001";
    config.set(
        "admin/tokens",
        json!([{"name": "li", "role": "operator", "hash": hash(operator)}]),
    );
    let gateway = Gateway::start(&config).await;
    for token in [operator, TOKEN] {
        let body = json!({"id": "steal", "hash": hash(token)});
        let (refused, told) = call(&gateway, "POST /api/keys", body).await;
        assert_eq!(refused, 409, "{told}");
        assert_eq!(status(&gateway, token).await, 401);
    }
    for (body, part) in [
        (r#"{"id":"a","id":"b"}"#, "a field twice"),
        (
            r#"{"id":"a","limits":{"rpm":1,"r\u0070m":9}}"#,
            "a field twice",
        ),
        (r#"{"id":".."}"#, "more than dots"),
        (r#"{"id":"."}"#, "more than dots"),
    ] {
        let ask = Ask::post(gateway.admin, "/api/keys").key(TOKEN);
        let reply = ask.bytes(body).send().await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.text().contains(part), "{body}: {}", reply.text());
    }
    let listed = good(&gateway, "GET /api/keys?source=dynamic", Value::Null).await;
    assert_eq!(listed["keys"].as_array().unwrap().len(), 0, "{listed}");
}
