//! Client certificates that say who asks (mTLS), in place of a key or beside it.

use crate::tls::{Authority, Identity, tls_session};
use rcgen::{DnType, SanType};
use std::sync::Arc;
use tempfile::TempDir;
use tests::http::tls_client;
use tests::redis::Redis;
use tests::*;

const MODEL: &str = "m-openai-compatible";
const ADMIN: &str = "admin-token-planted-Mt19";

fn fingerprint(identity: &Identity) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &identity.der);
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// Status and the key's id in the log; `None` for a connection that was refused.
async fn ask(
    gateway: &Gateway,
    authority: &Authority,
    identity: Option<&Identity>,
    key: Option<&str>,
) -> Option<(u16, String)> {
    let shown = identity.map(|identity| (identity.der.clone(), identity.private()));
    let client = tls_client(&authority.der, shown, &[]);
    let (mut session, _) = tls_session(gateway, client, false).await.ok()?;
    let mut ask = gateway.chat(MODEL, "hi").without("authorization");
    if let Some(key) = key {
        ask = ask.key(key);
    }
    let reply = session.open_or_end(ask).await.ok()?.rest().await;
    let ending = gateway.record(&reply).await;
    let id = reply.header("x-request-id").unwrap();
    // A refusal is one record; what was answered has its key in the opening.
    let key = match gateway.journal().opening(id) {
        Some(opening) => opening.text("key").to_owned(),
        None => ending["key"].as_str().unwrap_or_default().to_owned(),
    };
    Some((reply.status, key))
}

#[tokio::test]
async fn a_certificate_is_a_credential() {
    let sim = sim().await;
    let (authority, clients) = (Authority::new(), Authority::new());
    let dir = Arc::new(TempDir::new().unwrap());
    authority.issue("gate.test").write(&dir, "gate");
    std::fs::write(dir.path().join("clients.pem"), &clients.pem).unwrap();
    let spiffe = clients.issue_with("", |params| {
        params.subject_alt_names =
            vec![SanType::URI("spiffe://example.com/crm".try_into().unwrap())];
    });
    let common = clients.issue_with("c.example", |params| {
        params
            .distinguished_name
            .push(DnType::CommonName, "客服系统");
    });
    let host = clients.issue("Batch.Example");
    let printed = clients.issue("printed.example");
    let nobody = clients.issue("nobody.example");
    let mut config = Config::plain(&sim);
    config.set("admin/token", ADMIN);
    config.set(
        "tls",
        json!({"cert": "gate.pem", "key": "gate.key", "client_ca": "clients.pem", "client_cert": "optional"}),
    );
    let mut certified = |id: &str, certificate: serde_json::Value| {
        config.key(id, "ym-unused", json!({"certificate": certificate}));
        let keys = config.0["keys"].as_array_mut().unwrap();
        keys.last_mut()
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove("hash");
    };
    certified("crm", json!({"san": "spiffe://example.com/crm"}));
    certified("service", json!({"subject": "客服系统"}));
    certified("batch", json!({"san": "batch.example"}));
    certified("printed", json!({"fingerprint": fingerprint(&printed)}));
    config.key(
        "both",
        "ym-certified-both-0000",
        json!({"certificate": {"san": "both.example"}}),
    );
    let both = clients.issue("both.example");
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    let key = Some("ym-certified-both-0000");
    for (identity, key, expected) in [
        (Some(&spiffe), None, (200, "crm")),
        (Some(&common), None, (200, "service")),
        (Some(&host), None, (200, "batch")),
        (Some(&printed), None, (200, "printed")),
        (Some(&both), None, (200, "both")),
        // The same principal twice is one; two are none.
        (Some(&both), key, (200, "both")),
        (Some(&spiffe), key, (401, "")),
        (Some(&spiffe), Some("ym-wrong-key-0000"), (401, "")),
        // A certificate that is nobody's says nothing.
        (Some(&nobody), key, (200, "both")),
        (Some(&nobody), None, (401, "")),
        (None, key, (200, "both")),
        (None, None, (401, "")),
    ] {
        let got = ask(&gateway, &authority, identity, key).await.unwrap();
        assert_eq!((got.0, &*got.1), expected, "{}", gateway.log());
    }
    // Keys of the admin API have certificates too, alone or beside a secret, for as long as nobody else has them.
    let made = clients.issue("made.example");
    let api = async |method: ::http::Method, path: &str, body: serde_json::Value| {
        let ask = Ask::method(gateway.admin, method, path).key(ADMIN);
        let ask = if body.is_null() { ask } else { ask.json(&body) };
        let reply = ask.send().await;
        (reply.status, reply.json())
    };
    let post = ::http::Method::POST;
    let alone =
        json!({"id": "alone", "hash": null, "certificate": {"fingerprint": fingerprint(&nobody)}});
    let (status, told) = api(post.clone(), "/api/keys", alone).await;
    assert_eq!((status, told.get("key")), (201, None), "{told}");
    let beside = json!({"id": "beside", "certificate": {"san": "made.example"}});
    let (status, told) = api(post.clone(), "/api/keys", beside).await;
    assert_eq!(status, 201, "{told}");
    let first = told["key"].as_str().unwrap().to_owned();
    for (name, status) in [("made.example", 409), ("batch.example", 400)] {
        let body = json!({"id": "twin", "certificate": {"san": name}});
        let told = api(post.clone(), "/api/keys", body).await;
        assert_eq!(told.0, status, "{}", told.1);
    }
    let rotate = ("/api/keys/beside/rotate", json!({"overlap": "1h"}));
    let (status, told) = api(post.clone(), rotate.0, rotate.1).await;
    assert_eq!(status, 200, "{told}");
    let second = told["key"].as_str().unwrap().to_owned();
    assert_eq!(api(post, "/api/keys/alone/rotate", json!({})).await.0, 409);
    for (identity, key, expected) in [
        (Some(&nobody), None, (200, "alone")),
        (Some(&nobody), Some(&*first), (401, "")),
        (Some(&made), None, (200, "beside")),
        // Two secrets and a certificate of one key.
        (Some(&made), Some(&*first), (200, "beside")),
        (Some(&made), Some(&*second), (200, "beside")),
        (None, Some(&*second), (200, "beside")),
    ] {
        let got = ask(&gateway, &authority, identity, key).await.unwrap();
        assert_eq!((got.0, &*got.1), expected, "{}", gateway.log());
    }
    assert_eq!(
        api(::http::Method::DELETE, "/api/keys/alone", json!(null))
            .await
            .0,
        200
    );
    let other = json!({"certificate": {"san": "other.example"}});
    assert_eq!(
        api(::http::Method::PATCH, "/api/keys/beside", other)
            .await
            .0,
        200
    );
    for identity in [&nobody, &made] {
        let got = ask(&gateway, &authority, Some(identity), None).await;
        assert_eq!(got.unwrap().0, 401);
    }
    // One that another authority has signed does not come in at all.
    let strange = Authority::new().issue("batch.example");
    assert_eq!(ask(&gateway, &authority, Some(&strange), None).await, None);
}

/// A replica that has not read the store cannot say of a certificate that it is nobody's.
#[tokio::test]
async fn before_the_store_was_read_no_certificate_is_nobodys() {
    let sim = sim().await;
    let (authority, clients) = (Authority::new(), Authority::new());
    let dir = Arc::new(TempDir::new().unwrap());
    authority.issue("gate.test").write(&dir, "gate");
    std::fs::write(dir.path().join("clients.pem"), &clients.pem).unwrap();
    let mut redis = Redis::start();
    let mut config = Config::plain(&sim);
    config.set(
        "state",
        json!({"store": redis.address(), "prefix": "certified"}),
    );
    config.set(
        "tls",
        json!({"cert": "gate.pem", "key": "gate.key", "client_ca": "clients.pem", "client_cert": "optional"}),
    );
    config.key(
        "both",
        "ym-certified-both-0000",
        json!({"certificate": {"san": "both.example"}}),
    );
    redis.kill();
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    let (both, made) = (clients.issue("both.example"), clients.issue("made.example"));
    let key = Some("ym-certified-both-0000");
    for (identity, key, status) in [
        (Some(&made), None, 503),
        // What the config has works, whatever else may be in the store.
        (Some(&made), key, 200),
        (Some(&both), None, 200),
        (Some(&both), key, 200),
        (None, None, 401),
    ] {
        let got = ask(&gateway, &authority, identity, key).await.unwrap();
        assert_eq!(got.0, status, "{}", gateway.log());
    }
}
