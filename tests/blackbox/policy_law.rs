//! The law with what detectors find: grades, remedies, rules in their order, conditions, borders; and that no record, log,
//! number or error says what was found.

mod borders;
mod judged;
mod records;
mod rules;

use tests::upstream::Upstream;
use tests::*;

/// A vendor abroad (internal), one at home (confidential) and the company's own (restricted), in that order.
pub(crate) struct Bench {
    pub(crate) abroad: Upstream,
    pub(crate) home: Upstream,
    pub(crate) own: Upstream,
    pub(crate) gateway: Gateway,
}

pub(crate) const PHONE: &str = "13912345678";
/// 居民身份证, with its check digit.
pub(crate) const ID: &str = "11010519491231002X";

pub(crate) fn config(abroad: &str, home: &str, own: &str, policies: Value) -> Config {
    let mut config = Config::new();
    for (name, origin, clearance, location) in [
        ("abroad", abroad, "internal", "overseas"),
        ("home", home, "confidential", "domestic"),
        ("own", own, "restricted", "self_hosted"),
    ] {
        config.plain_at(name, origin);
        config.set(&format!("providers/{name}/clearance"), clearance);
        config.set(&format!("providers/{name}/location"), location);
    }
    config.model(
        "m",
        &[("abroad", "big"), ("home", "middle"), ("own", "small")],
    );
    config.model("outside", &[("abroad", "big"), ("home", "middle")]);
    config.set("policies", policies);
    config.set("upstream", json!({"retries": 5}));
    config
}

pub(crate) async fn bench(policies: Value) -> Bench {
    bench_with(policies, |_| {}).await
}

pub(crate) async fn bench_with(policies: Value, change: impl FnOnce(&mut Config)) -> Bench {
    let (abroad, home, own) = (
        Upstream::good().await,
        Upstream::good().await,
        Upstream::good().await,
    );
    let mut config = config(&abroad.origin(), &home.origin(), &own.origin(), policies);
    change(&mut config);
    Bench {
        gateway: Gateway::start(&config).await,
        abroad,
        home,
        own,
    }
}

impl Bench {
    pub(crate) async fn asks(&self, text: &str) -> Reply {
        self.gateway.chat("m", text).send().await
    }

    /// What all upstreams have heard.
    pub(crate) fn heard(&self) -> Vec<String> {
        [&self.abroad, &self.home, &self.own]
            .iter()
            .flat_map(|upstream| upstream.requests())
            .map(|request| String::from_utf8_lossy(&request.body).into_owned())
            .collect()
    }
}

/// Where it went, the verdict, the grade.
pub(crate) fn told(reply: &Reply) -> (String, String, String) {
    let header = |name: &str| reply.header(name).unwrap_or_default().to_owned();
    (
        header("x-yumen-provider"),
        header("x-yumen-verdict"),
        header("x-yumen-grade"),
    )
}

#[track_caller]
pub(crate) fn check(reply: &Reply, provider: &str, verdict: &str, grade: &str) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let want = (provider.to_owned(), verdict.to_owned(), grade.to_owned());
    assert_eq!(told(reply), want);
}

/// Without any rule a finding still has its grade: it goes where that may go, whole.
#[tokio::test]
async fn what_is_found_raises_the_grade_and_reroutes() {
    let bench = bench(json!({"grades": {"CN_MOBILE": "confidential", "CN_ID_CARD": "restricted", "CN_USCC": "public"}})).await;
    check(&bench.asks("hello").await, "abroad", "allow", "public");
    check(
        &bench.asks(&format!("电话 {PHONE}")).await,
        "home",
        "reroute",
        "confidential",
    );
    check(
        &bench.asks(&format!("证件 {ID} 电话 {PHONE}")).await,
        "own",
        "reroute",
        "restricted",
    );
    check(
        &bench.asks("信用代码 91110108551385082Q").await,
        "abroad",
        "allow",
        "public",
    );
    // A header may raise it further, and never lowers what was found.
    let raised = bench.gateway.chat("m", &format!("电话 {PHONE}"));
    check(
        &raised
            .clone()
            .header("x-yumen-grade", "restricted")
            .send()
            .await,
        "own",
        "reroute",
        "restricted",
    );
    check(
        &raised.header("x-yumen-grade", "public").send().await,
        "home",
        "reroute",
        "confidential",
    );
    let reply = bench
        .gateway
        .chat("outside", &format!("证件 {ID}"))
        .send()
        .await;
    let message = reply.refused(403, "no_cleared_provider");
    assert!(
        message.contains("CN_ID_CARD") && !message.contains(ID),
        "{message}"
    );
}

/// Redaction lowers what was found, never what was declared.
#[tokio::test]
async fn redaction_lowers_the_grade_of_what_was_found_only() {
    let rules =
        json!({"rules": [{"name": "hide", "find": ["PERSON", "CONTACT"], "remedy": "redact"}]});
    let bench = bench_with(rules, |config| {
        config.key(
            "high",
            "ym-law-high-key-00",
            json!({"grade": "confidential"}),
        );
    })
    .await;
    let reply = bench.asks(&format!("电话 {PHONE} 证件 {ID}")).await;
    check(&reply, "abroad", "redact", "restricted");
    let heard = bench.heard().pop().unwrap();
    assert!(
        heard.contains("<CN_MOBILE_1>")
            && heard.contains("<CN_ID_CARD_1>")
            && !heard.contains(PHONE),
        "{heard}"
    );
    // Home may have the number, not the card.
    let declared = bench.gateway.chat("m", &format!("电话 {PHONE} 证件 {ID}"));
    let reply = declared
        .clone()
        .header("x-yumen-grade", "confidential")
        .send()
        .await;
    assert_eq!(
        (told(&reply).0.as_str(), told(&reply).1.as_str()),
        ("home", "redact")
    );
    let heard = bench.heard();
    assert!(
        heard
            .iter()
            .any(|body| body.contains(PHONE) && body.contains("<CN_ID_CARD_1>")),
        "{heard:?}"
    );
    let reply = declared.clone().key("ym-law-high-key-00").send().await;
    assert_eq!(told(&reply).0, "home");
    // Its own may have all.
    let reply = declared.header("x-yumen-grade", "restricted").send().await;
    assert_eq!(told(&reply).0, "own");
    assert!(bench.own.requests().iter().all(|request| {
        request
            .body
            .windows(ID.len())
            .any(|part| part == ID.as_bytes())
    }));
    // A key that declares more than anybody is cleared for is refused without a type.
    let reply = bench
        .gateway
        .chat("outside", PHONE)
        .header("x-yumen-grade", "restricted")
        .send()
        .await;
    reply.refused(403, "no_cleared_provider");
}

#[tokio::test]
async fn refusals_name_the_rule_and_reach_nobody() {
    let bench = bench(json!({"rules": [
        {"name": "no-secrets", "find": ["SECRET"], "remedy": "refuse", "message": "Keys do not belong in a prompt."},
        {"name": "no-cards", "find": ["BANK_CARD"], "remedy": "refuse"},
    ]}))
    .await;
    for stream in [false, true] {
        for (text, says) in [
            (
                "use AKIAIOSFODNN7SAMPLE2 now",
                "Keys do not belong in a prompt. (policy no-secrets)",
            ),
            ("卡号 6222021234567890128 谢谢", "no-cards"),
        ] {
            let reply = bench
                .gateway
                .chat("m", text)
                .with(|body| body["stream"] = stream.into())
                .send()
                .await;
            if reply.status == 200 {
                panic!("{text} went to {:?}", told(&reply));
            }
            let message = reply.refused(403, "policy_refused");
            assert!(
                message.contains(says) && !message.contains("AKIA") && !message.contains("6222"),
                "{message}"
            );
            assert_eq!(reply.header("x-yumen-verdict"), Some("refuse"));
            assert_eq!(reply.header("x-yumen-provider"), None);
        }
    }
    assert!(bench.heard().is_empty());
}

/// Failover goes down the same list: never to an uncleared target, never across the border, never unredacted.
#[tokio::test]
async fn failover_keeps_the_law() {
    let failing = || {
        Upstream::saying(tests::upstream::reply(
            "500 Internal Server Error",
            "application/json",
            r#"{"error":{"message":"no"}}"#,
        ))
    };
    let (abroad, home, own) = (failing().await, failing().await, failing().await);
    let policies = json!({"rules": [
        {"name": "cards", "find": ["CN_ID_CARD"], "remedy": "reroute"},
        {"name": "phones", "find": ["CN_MOBILE"], "remedy": "redact"},
    ], "cross_border": {"max_grade": "public"}});
    let gateway = Gateway::start(&config(
        &abroad.origin(),
        &home.origin(),
        &own.origin(),
        policies,
    ))
    .await;
    let got = |upstream: &Upstream| {
        upstream
            .requests()
            .iter()
            .map(|request| String::from_utf8_lossy(&request.body).into_owned())
            .collect::<Vec<_>>()
    };
    for (text, header, reached) in [
        (format!("电话 {PHONE}"), "public", [true, true, true]),
        (format!("电话 {PHONE}"), "internal", [false, true, true]),
        (
            format!("证件 {ID} 电话 {PHONE}"),
            "public",
            [false, false, true],
        ),
        ("hello".to_owned(), "restricted", [false, false, true]),
    ] {
        let before = [&abroad, &home, &own].map(|upstream| got(upstream).len());
        let reply = gateway
            .chat("m", &text)
            .header("x-yumen-grade", header)
            .send()
            .await;
        assert_eq!(reply.status, 500, "{text}: {}", reply.text());
        for (at, upstream) in [&abroad, &home, &own].into_iter().enumerate() {
            assert_eq!(
                got(upstream).len() > before[at],
                reached[at],
                "{text}, {header}: target {at}"
            );
        }
    }
    assert!(got(&abroad).iter().all(|body| !body.contains(PHONE)));
    assert!(
        [&abroad, &home]
            .iter()
            .all(|upstream| got(upstream).iter().all(|body| !body.contains(ID)))
    );
    gateway.assert_sound();
}
