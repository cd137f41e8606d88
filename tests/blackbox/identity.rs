//! Tokens of the company's identity provider: whom they let in, and how little those learn whom they do not.

mod rights;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use issuer::{Issuer, Key, now_s};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tests::gateway::Launch;
use tests::*;

const MODEL: &str = "m-openai-compatible";

/// The plain config with team `retail` and an identity provider.
fn config_with(sim: &sim::Sim, issuer: &Issuer, extra: Value) -> Config {
    let mut config = Config::plain(sim);
    config.fault("slow", "openai-compatible", "@events:1000@gap:20");
    config.set("teams/retail", json!({}));
    config.set(
        "identity",
        json!({"issuer": issuer.url(), "audience": "yumen"}),
    );
    for (name, value) in extra.as_object().unwrap() {
        config.set(&format!("identity/{name}"), value.clone());
    }
    config
}

async fn started(sim: &sim::Sim, issuer: &Issuer, extra: Value) -> Gateway {
    Gateway::start(&config_with(sim, issuer, extra)).await
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.chat(MODEL, "hi").key(token).send().await.status
}

#[tokio::test]
async fn a_person_asks_and_the_log_knows_who() {
    let sim = sim().await;
    let key = Key::new("k1", "RS256");
    let issuer = Issuer::start(&[&key]).await;
    let mut config = config_with(&sim, &issuer, json!({}));
    config.set("admin/token", "token-of-this-test");
    let gateway = Gateway::start(&config).await;
    let token = key.token(&issuer.claims("li.wei", &["staff", "retail"], json!({})));
    let reply = gateway.chat(MODEL, "hi").key(&token).send().await;
    assert_eq!(reply.status, 200, "{}\n{}", reply.text(), gateway.log());
    let id = reply.header("x-request-id").unwrap();
    let opening = gateway.journal().opening(id).unwrap().clone();
    let who = ["user", "team", "key"].map(|field| opening.text(field).to_owned());
    assert_eq!(who, ["li.wei", "retail", ""]);
    let start = std::time::Instant::now();
    loop {
        let search = Ask::get(gateway.admin, "/api/audit/entries?user=li.wei");
        let found = search.key("token-of-this-test").send().await.json();
        if found["entries"]
            .as_array()
            .is_some_and(|found| found.len() == 1)
        {
            break;
        }
        // The index is built behind the gateway.
        assert!(start.elapsed() < SOON, "{found}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Wherever a key may stand; and an upstream never sees it.
    for header in ["x-api-key", "x-goog-api-key"] {
        let ask = gateway.chat(MODEL, "hi").without("authorization");
        assert_eq!(ask.header(header, &token).send().await.status, 200);
    }
    let upstream = format!("{:?}", sim.requests());
    assert!(!upstream.contains(&token[..40]));
    assert!(!gateway.log().contains(&token[..40]));
    // Virtual keys go on beside it, and two credentials are none.
    assert_eq!(status(&gateway, KEY).await, 200);
    let both = gateway.chat(MODEL, "hi").header("x-api-key", &token);
    both.send().await.refused(401, "invalid_api_key");
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn every_way_of_signing() {
    let sim = sim().await;
    let keys = ["RS256", "PS512", "ES256", "EdDSA"].map(|alg| Key::new(alg, alg));
    let issuer = Issuer::start(&keys.each_ref()).await;
    let gateway = started(&sim, &issuer, json!({})).await;
    for key in &keys {
        let token = key.token(&issuer.claims("li", &["retail"], json!({})));
        assert_eq!(status(&gateway, &token).await, 200, "{}", key.kid);
    }
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_is_the_same() {
    let sim = sim().await;
    let key = Key::new("k1", "ES256");
    let rsa = Key::new("k2", "RS256");
    let stranger = Key::new("k1", "ES256");
    let issuer = Issuer::start(&[&key, &rsa]).await;
    let gateway = started(&sim, &issuer, json!({"leeway": "5s"})).await;
    let good = issuer.claims("li", &["retail"], json!({}));
    let with = |extra: Value| key.token(&issuer.claims("li", &["retail"], extra));
    let header = |header: Value| key.token_with(&header, &good);
    let unsigned = {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!(
            "{}.{}.",
            part(&json!({"alg": "none", "kid": "k1"})),
            part(&good)
        )
    };
    // The public key as a shared secret, as a careless verifier would take it.
    let confused = {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            part(&json!({"alg": "HS256", "kid": "shared"})),
            part(&good)
        );
        let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"secret");
        let tag = aws_lc_rs::hmac::sign(&secret, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let mut tampered = key.token(&good).into_bytes();
    let at = tampered.len() - 20;
    tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
    let bad = [
        ("unsigned", unsigned),
        ("confused", confused),
        ("tampered", String::from_utf8(tampered).unwrap()),
        ("a stranger's key of that name", stranger.token(&good)),
        ("no kid", header(json!({"alg": "ES256"}))),
        (
            "unknown kid",
            header(json!({"alg": "ES256", "kid": "../../k1"})),
        ),
        (
            "a key of another kind",
            header(json!({"alg": "ES256", "kid": "k2"})),
        ),
        (
            "another algorithm",
            header(json!({"alg": "ES384", "kid": "k1"})),
        ),
        (
            "an extension",
            header(json!({"alg": "ES256", "kid": "k1", "crit": ["x"]})),
        ),
        (
            "a logout token",
            header(json!({"alg": "ES256", "kid": "k1", "typ": "logout+jwt"})),
        ),
        ("audience", with(json!({"aud": "another"}))),
        ("no audience", with(json!({"aud": null}))),
        ("issuer", with(json!({"iss": "https://evil.example"}))),
        ("expired", with(json!({"exp": now_s() - 60}))),
        ("no expiry", with(json!({"exp": null}))),
        ("not yet", with(json!({"nbf": now_s() + 60}))),
        ("issued in the future", with(json!({"iat": now_s() + 60}))),
        ("no user", with(json!({"sub": null}))),
        ("a user with a line break", with(json!({"sub": "a\nb"}))),
        ("too large", with(json!({"more": "x".repeat(16 << 10)}))),
        ("a virtual key", "ym-nobodys-key-0000".to_owned()),
        ("nonsense", "ey.ey.ey".to_owned()),
    ];
    let mut bodies: Vec<(Vec<u8>, Vec<String>)> = Vec::new();
    for (what, token) in &bad {
        let reply = gateway.chat(MODEL, "hi").key(token).send().await;
        assert_eq!(reply.status, 401, "{what}");
        let mut names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
        names.sort();
        bodies.push((reply.body.clone(), names));
        assert_eq!(bodies[0], *bodies.last().unwrap(), "{what}");
    }
    assert_eq!(sim.requests().len(), 0);
    // Unknown keys set off one more fetch, all of them together; and the good one is still good.
    assert!(issuer.fetches() <= 2, "{}", issuer.fetches());
    assert_eq!(status(&gateway, &key.token(&good)).await, 200);
    // Our own log knows better.
    for reason in [
        "signature",
        "audience",
        "issuer",
        "expired",
        "not_yet",
        "unknown_key",
    ] {
        let told = format!("reason=\"{reason}\"");
        until(&told, || gateway.log().contains(&told)).await;
    }
}

#[tokio::test]
async fn keys_are_rotated_under_load() {
    let sim = sim().await;
    let (old, new) = (Key::new("old", "ES256"), Key::new("new", "EdDSA"));
    let issuer = Issuer::start(&[&old]).await;
    let gateway = Arc::new(started(&sim, &issuer, json!({})).await);
    let claims = issuer.claims("li", &["retail"], json!({}));
    assert_eq!(status(&gateway, &old.token(&claims)).await, 200);
    issuer.publish(&[&old, &new]);
    let mut asks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let key = if n % 2 == 0 { &old } else { &new };
        let token = key.token(&claims);
        let gateway = Arc::clone(&gateway);
        asks.spawn(async move { status(&gateway, &token).await });
    }
    let statuses = asks.join_all().await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(issuer.fetches(), 2, "one fetch for all");
}

/// A token that waited for its key was judged by the config that it had come under.
#[tokio::test]
async fn what_a_reload_took_while_a_token_waited_is_not_its() {
    let sim = sim().await;
    let (old, new) = (Key::new("old", "EdDSA"), Key::new("new", "EdDSA"));
    let issuer = Issuer::start(&[&old]).await;
    let mut config = config_with(&sim, &issuer, json!({}));
    let gateway = Arc::new(Gateway::start(&config).await);
    let claims = issuer.claims("li", &["retail"], json!({}));
    assert_eq!(status(&gateway, &old.token(&claims)).await, 200);
    issuer.publish(&[&old, &new]);
    issuer.holds(true);
    let before = issuer.fetches();
    let token = new.token(&claims);
    let asking = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { gateway.chat(MODEL, "hi").key(&token).send().await }
    });
    until("a fetch for it", || issuer.fetches() > before).await;
    config.set("teams/retail", json!({"models": ["slow"]}));
    gateway.reload(&config.text(), "config reloaded").await;
    issuer.holds(false);
    let reply = asking.await.unwrap();
    reply.refused(403, "permission_denied");
    assert_eq!(sim.requests().len(), 1);
}

#[tokio::test]
async fn a_withdrawn_key_ends_tokens_and_their_streams() {
    let sim = sim().await;
    let (bad, good) = (Key::new("bad", "ES256"), Key::new("good", "ES256"));
    let issuer = Issuer::start(&[&bad, &good]).await;
    let gateway = started(&sim, &issuer, json!({"refresh": "1s"})).await;
    let claims = issuer.claims("li", &["retail"], json!({}));
    let (stolen, sound) = (bad.token(&claims), good.token(&claims));
    let mut cut = gateway.stream("slow", "x").key(&stolen).open().await;
    let mut goes_on = gateway.stream("slow", "x").key(&sound).open().await;
    cut.until("data:").await;
    goes_on.until("data:").await;
    issuer.publish(&[&good]);
    let rest = cut.rest().await;
    assert!(!grammar::read(&rest.body).done, "{}", rest.text());
    assert_eq!(status(&gateway, &stolen).await, 401);
    assert_eq!(status(&gateway, &sound).await, 200);
    assert!(goes_on.next().await.is_some());
    goes_on.leave();
}

#[tokio::test]
async fn an_issuer_that_is_away_is_believed_for_a_while_and_no_longer() {
    let sim = sim().await;
    let key = Key::new("k1", "ES256");
    let issuer = Issuer::start(&[&key]).await;
    let gateway = started(&sim, &issuer, json!({"refresh": "1s", "stale": "4s"})).await;
    let token = key.token(&issuer.claims("li", &["retail"], json!({})));
    assert_eq!(status(&gateway, &token).await, 200);
    issuer.is_down(true);
    let down = std::time::Instant::now();
    // As long as it must, it holds; some time after, it must not.
    let first = status(&gateway, &token).await;
    if down.elapsed() < Duration::from_secs(2) {
        assert_eq!(first, 200);
    }
    let reply = loop {
        let reply = gateway.chat(MODEL, "hi").key(&token).send().await;
        if reply.status == 401 || down.elapsed() > Duration::from_secs(30) {
            break reply;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    reply.refused(401, "invalid_api_key");
    until("the reason in the log", || {
        gateway.log().contains("stale_keys")
    })
    .await;
    // Keys of its own do not need it.
    assert_eq!(status(&gateway, KEY).await, 200);
    issuer.is_down(false);
    let start = std::time::Instant::now();
    while status(&gateway, &token).await != 200 {
        assert!(
            start.elapsed() < Duration::from_secs(45),
            "{}",
            gateway.log()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// They made those who had done nothing wrong wait, at the address that a whole office may share.
#[tokio::test]
async fn tokens_that_cannot_be_judged_are_no_guesses() {
    let sim = sim().await;
    let (key, next) = (Key::new("k1", "EdDSA"), Key::new("k2", "EdDSA"));
    let issuer = Issuer::start(&[&key]).await;
    issuer.is_down(true);
    let mut config = config_with(&sim, &issuer, json!({"claims": {"roles": "roles"}}));
    config.set("identity/roles", json!({"operator": ["ops"]}));
    let gateway = Gateway::start(&config).await;
    let of = |key: &Key, n: usize| {
        let extra = json!({"jti": n.to_string(), "roles": ["ops"]});
        key.token(&issuer.claims("li", &["retail"], extra))
    };
    let admin = async |token: &str| {
        let ask = Ask::get(gateway.admin, "/api/config").key(token);
        ask.send().await.status
    };
    // Nobody has keys.
    for n in 0..70 {
        let token = of(&key, n);
        let statuses = [status(&gateway, &token).await, admin(&token).await];
        assert_eq!(statuses, [401, 401], "{n}");
    }
    issuer.is_down(false);
    let start = std::time::Instant::now();
    while status(&gateway, &of(&key, 0)).await != 200 {
        assert!(start.elapsed() < SOON * 4, "{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // What is signed by none of the keys is wrong, whatever it calls its own.
    let stranger = Key::new("k1", "EdDSA");
    let mut wrong = 0;
    while status(&gateway, &of([&stranger, &next][wrong % 2], wrong)).await == 401 {
        wrong += 1;
        assert!(wrong < 300);
    }
    assert!(wrong > 50, "{wrong}");
    // One table for both; each second there is room for one more.
    let mut at_admin = [0; 3];
    for status in &mut at_admin {
        *status = admin(&of(&stranger, 300)).await;
    }
    assert!(at_admin.contains(&429), "{at_admin:?}");
    assert_eq!(admin(&of(&key, 0)).await, 200);
}

#[tokio::test]
async fn a_document_about_another_issuer_is_not_believed() {
    let sim = sim().await;
    let key = Key::new("k1", "ES256");
    let issuer = Issuer::start(&[&key]).await;
    issuer.says("https://another.example");
    let gateway = started(&sim, &issuer, json!({})).await;
    let token = key.token(&issuer.claims("li", &["retail"], json!({})));
    assert_eq!(status(&gateway, &token).await, 401);
    assert_eq!(issuer.fetches(), 0);
    until("the reason in the log", || {
        gateway.log().contains("about another issuer")
    })
    .await;
}

#[tokio::test]
async fn a_config_that_would_believe_anybody_is_refused() {
    let sim = sim().await;
    let key = Key::new("k1", "EdDSA");
    let issuer = Issuer::start(&[&key]).await;
    for (extra, said) in [
        (
            json!({"issuer": "http://sso.example.com"}),
            "identity.issuer: must be https",
        ),
        (
            json!({"jwks_url": "http://sso.example.com/keys"}),
            "identity.jwks_url: must be https",
        ),
        (json!({"audience": []}), "identity.audience: names nobody"),
        (
            json!({"leeway": "1h"}),
            "identity.leeway: must be 0s to 10m",
        ),
        (json!({"audiance": "x"}), "did you mean `audience`?"),
    ] {
        let config = config_with(&sim, &issuer, extra);
        let (code, _, out) = Launch::new(config.text()).command("check").ends().await;
        assert_eq!(code, Some(2), "{out}");
        assert!(out.contains(said), "{out}");
    }
    // The admin API may make these.
    for (extra, said) in [
        (
            json!({"team": "retial"}),
            "identity.team: the config has no team `retial` (did you mean `retail`?)",
        ),
        (
            json!({"teams": {"/a": "b"}}),
            "identity.teams.\"/a\": the config has no team `b`",
        ),
    ] {
        let config = config_with(&sim, &issuer, extra);
        let (code, _, out) = Launch::new(config.text()).command("check").ends().await;
        assert_eq!(code, Some(0), "{out}");
        assert!(out.contains(said), "{out}");
    }
}
