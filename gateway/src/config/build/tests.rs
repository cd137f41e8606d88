//! What a config becomes.

use std::path::Path;

use super::*;
use crate::config::schema::Location;
use crate::config::testing::{FULL, built, lines};

#[test]
fn names_become_arcs() {
    let snapshot = built(FULL).unwrap().snapshot;
    assert_eq!(snapshot.version, 1);
    let assistant = snapshot.models.get("assistant").unwrap();
    let order: Vec<_> = assistant
        .targets
        .iter()
        .map(|t| (t.priority, &*t.provider.name, &*t.model, t.weight))
        .collect();
    assert_eq!(
        order,
        [
            (1, "far", "max", 3),
            (1, "other", "plus", 1),
            (3, "near", "qwen", 1)
        ]
    );
    assert_eq!(assistant.clocks.total, Duration::from_secs(60));
    assert_eq!(assistant.clocks.connect, Duration::from_secs(5));
    assert_eq!(assistant.lossy, adapters::Lossy::Hints);
    assert_eq!(
        snapshot.models.get("small").unwrap().lossy,
        adapters::Lossy::Drop
    );
    assert_eq!(snapshot.model_names(), ["assistant", "small"]);

    let far = snapshot.provider("far").unwrap();
    assert_eq!(
        (far.origin.to_string().as_str(), far.base_path.as_str()),
        ("https://api.acme.example", "/v1")
    );
    assert_eq!(
        (far.location, far.clearance),
        (Location::Overseas, Grade(1))
    );
    assert!(far.endpoint.tls.is_some());
    let near = snapshot.provider("near").unwrap();
    assert_eq!(
        (near.location, near.clearance),
        (Location::SelfHosted, Grade(3))
    );
    assert!(near.endpoint.tls.is_none() && near.http2 && near.base_path.is_empty());
    let other = snapshot.provider("other").unwrap();
    assert_eq!(other.credential.auth, Some("jwt"));
    assert_eq!(
        (other.location, other.clearance),
        (Location::Domestic, Grade::LOWEST)
    );
}

#[test]
fn tokens_are_fetched_where_the_vendor_or_the_provider_says() {
    let provider = |more: &str| {
        let text = format!(
            "providers: {{ p: {{ vendor: regional, api_key: k, secret_key: s, {more} }} }}"
        );
        let snapshot = built(&text).unwrap().snapshot;
        Arc::clone(snapshot.provider("p").unwrap())
    };
    let usual = provider(
        "base_url: \"http://api.eu-west-1.example/x\", region: eu-west-1, http2: true, tls: { server_name: other.example }",
    );
    let office = &usual.token_endpoint;
    assert_eq!(office.authority, "tokens.eu-west-1.example");
    assert!(office.tls.is_some() && usual.endpoint.tls.is_none());
    // The name and the protocol are the API's, not those of another host.
    assert!(!office.http2 && office.server_name.is_none());
    assert_ne!(office.key, usual.endpoint.key);
    let elsewhere = provider("base_url: \"http://api.eu-west-2.example\", region: eu-west-2");
    assert_eq!(
        elsewhere.token_endpoint.authority,
        "tokens.eu-west-2.example"
    );
    let own = provider(
        "base_url: \"http://10.0.0.7/x\", region: eu-west-2, token_url: \"http://10.0.0.8:81\"",
    );
    assert_eq!(own.token_endpoint.authority, "10.0.0.8:81");
    // A token of one place is none of another.
    let keys = [&usual, &elsewhere, &own].map(|provider| &provider.token_key);
    assert!(keys[0] != keys[1] && keys[1] != keys[2]);
    let text = "providers: { p: { vendor: acme, api_key: k } }";
    let plain = built(text).unwrap().snapshot;
    let plain = plain.provider("p").unwrap();
    assert!(Arc::ptr_eq(&plain.token_endpoint, &plain.endpoint));
}

#[test]
fn keys_join_their_team() {
    let snapshot = built(FULL).unwrap().snapshot;
    let bot = snapshot.keys.find(b"ym-demo", 0).unwrap();
    assert_eq!(
        (&*bot.id, bot.team.as_deref(), bot.grade),
        ("crm-bot", Some("retail"), Grade(1))
    );
    assert!(bot.models.allow("assistant") && !bot.models.allow("small"));
    assert_eq!(bot.expires_ms, Some(1_798_761_600_000));
    let meters: Vec<_> = bot.meters().collect();
    assert_eq!(meters[0].limit.amount, 60, "{meters:?}");
    let admin = snapshot.keys.find(b"ym-demo-restricted", 0).unwrap();
    assert!(admin.models.allow("small") && admin.grade == Grade(3));
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", built(FULL).unwrap().snapshot);
    for planted in ["planted", "hidden-org"] {
        assert!(!shown.contains(planted), "{planted} in {shown}");
    }
}

/// A directory with a certificate and key, another key, and something that is neither.
fn tls_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["gate.example".to_owned()]).unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("own.crt", &made.cert.pem());
    write("own.key", &made.signing_key.serialize_pem());
    write(
        "other.key",
        &rcgen::KeyPair::generate().unwrap().serialize_pem(),
    );
    write("neither", "hello");
    dir
}

fn built_in(dir: &Path, text: &str) -> Result<Built, String> {
    let lines = |problems: Vec<Problem>| crate::config::testing::lines(&problems);
    let env = |_: &str| None;
    let loaded = crate::config::load::load_text("y.yaml", text, dir, &env).map_err(lines)?;
    let ground = Ground {
        book: &crate::config::testing::Book,
        books: &Books::default(),
        before: None,
        now: SystemTime::UNIX_EPOCH,
        found: None,
    };
    build(&loaded, &ground).map_err(lines)
}

/// What an operator trusts, shows or lets pass at a provider of its own is not for the vendor's office, which gets a
/// password.
#[test]
fn the_vendors_own_office_is_trusted_by_the_system_alone() {
    let dir = tls_dir();
    let shows_certificate = |more: &str| {
        let text = format!(
            "providers: {{ p: {{ vendor: regional, region: eu, api_key: k, secret_key: s, {more} tls: {{ client_cert: own.crt, client_key: own.key, insecure_skip_verify_dangerous: true }} }} }}\n"
        );
        let built = built_in(dir.path(), &text).unwrap();
        let provider = built.snapshot.provider("p").unwrap();
        let shows = |endpoint: &crate::upstream::client::Endpoint| {
            let tls = endpoint.tls.as_ref().unwrap();
            tls.client_auth_cert_resolver.has_certs()
        };
        assert!(shows(&provider.endpoint));
        shows(&provider.token_endpoint)
    };
    assert!(!shows_certificate(""));
    assert!(shows_certificate("token_url: \"https://10.0.0.8\","));
}

#[test]
fn certificates_are_read_and_must_fit() {
    let dir = tls_dir();
    let text = "tls: { cert: own.crt, key: own.key, client_ca: own.crt }\n\
                providers: { p: { vendor: acme, api_key: k, tls: { ca: own.crt, client_cert: own.crt, client_key: own.key } } }\n";
    let built = built_in(dir.path(), text).unwrap();
    let tls = built.snapshot.tls.as_ref().unwrap();
    assert_eq!(tls.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    let provider = built.snapshot.provider("p").unwrap();
    let client = provider.endpoint.tls.as_ref().unwrap();
    assert!(client.client_auth_cert_resolver.has_certs());
    // A change of any of them is a change of the config.
    assert_eq!(built.files.len(), 6);
    let shown = format!("{:?}", built.snapshot);
    assert!(!shown.contains("PRIVATE KEY") && !shown.contains("secret:"));

    for (change, expected) in [
        (
            ("key: own.key", "key: other.key"),
            "y.yaml:1:28: tls.key: the private key does not fit the certificate",
        ),
        (
            ("key: own.key", "key: neither"),
            "y.yaml:1:28: tls.key: `neither` holds no PEM private key",
        ),
        (
            ("cert: own.crt", "cert: neither"),
            "y.yaml:1:14: tls.cert: `neither` holds no PEM certificate",
        ),
        (
            ("ca: own.crt, client_cert", "ca: gone, client_cert"),
            "y.yaml:2:56: providers.p.tls.ca: `gone` cannot be read: entity not found",
        ),
    ] {
        let said = built_in(dir.path(), &text.replacen(change.0, change.1, 1)).unwrap_err();
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn the_section_policies_becomes_the_policy() {
    use ::policies::policy::{Remedy, ReplyRemedy};
    use ::policies::redact::Method;
    use wire::Grade;

    let policy = |section: &str| {
        let text = format!("{FULL}\npolicies: {{ {section} }}\n");
        let built = built(&text).unwrap_or_else(|problems| panic!("{}", lines(&problems)));
        built.snapshot.policy
    };
    assert!(policy("").is_none() && policy("timezone: UTC").is_none());
    assert!(policy("media: public").is_some());
    let policy = policy(
        "rules: [ { name: a, find: [SECRET, MINE], remedy: redact, method: hash, grade: internal, at_least: 2 }, \
         { name: b, when: \"hits.VIN > 3\", remedy: refuse, mode: shadow, message: no } ], \
         words: [ { name: MINE, group: OURS, words: [kunlun] } ], grades: { OURS: internal, EMAIL: restricted }, \
         output: { find: [VIN], remedy: redact }, timezone: \"+01:00\", cross_border: { max_grade: public }",
    )
    .unwrap();
    let [a, b] = policy.rules.as_slice() else {
        panic!("{:?}", policy.rules)
    };
    let mine = policy.set.named("OURS");
    assert!(a.find.as_ref().unwrap().meets(&mine) && a.at_least == 2 && !a.shadow);
    let remedy = Remedy::Redact {
        method: Method::Hash,
        restore: false,
    };
    assert_eq!((a.remedy, a.grade), (remedy, Some(Grade(1))));
    assert!(b.find.is_none() && b.when.is_some() && b.shadow);
    // What a condition names is looked for, or it would always read 0.
    for looked_for in ["JWT", "MINE", "VIN", "EMAIL"] {
        let named = policy.set.named(looked_for);
        assert!(policy.looked_for().meets(&named), "{looked_for}");
    }
    assert!(!policy.looked_for().meets(&policy.set.named("CN_MOBILE")));
    let grade = |name: &str| {
        let sort = policy.set.named(name).iter().next().unwrap();
        policy.set.info(sort).grade
    };
    assert_eq!((grade("MINE"), grade("EMAIL")), (Grade(1), Grade(3)));
    let reply = policy.reply.first().unwrap();
    assert_eq!(reply.remedy, ReplyRemedy::Redact(Method::Mask));
    assert_eq!((policy.media, policy.zone_s), (Grade(3), 3600));
    assert_eq!(policy.overseas_max, Some(Grade(0)));
}
