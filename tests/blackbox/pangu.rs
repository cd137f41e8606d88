//! Huawei's Pangu: three ways to say who asks, tokens of another host that are fetched once and renewed once, the model in
//! the path, and an answer that moderation takes back.

use tests::planted::{Planter, seen};
use tests::scripted::Scripted;
use tests::upstream::Upstream;
use tests::*;

const WAYS: [&str; 3] = ["iam", "app-code", "ak-sk"];
const VENDORS: [&str; 2] = ["pangu", "pangu-v2"];

/// Says who asks in a way for which no token is fetched.
fn without_token(config: &mut Config, provider: &str, way: &str) {
    let provider = config.0["providers"][provider].as_object_mut().unwrap();
    provider.insert("auth".to_owned(), way.into());
    provider.remove("token_url");
}

/// A provider and a model of each vendor for each way.
fn every_way(sim: &Sim) -> Config {
    let mut config = Config::new();
    for vendor in VENDORS {
        for way in WAYS {
            let name = format!("{vendor}-{way}");
            config.sim_provider(&name, vendor, sim);
            if way == "iam" {
                config.set(&format!("providers/{name}/auth"), way);
            } else {
                without_token(&mut config, &name, way);
            }
            if way == "ak-sk" {
                let key = |half: &str| format!("providers/{name}/{half}");
                config.set(&key("api_key"), sim::PANGU_TEST_ACCESS_KEY);
                config.set(&key("secret_key"), sim::PANGU_TEST_SECRET_KEY);
            }
            // An id that must be escaped stays one segment, and is signed as it stands on the wire.
            config.model(&name, &[(&name, "盘古 nlp/1?x")]);
        }
    }
    config
}

#[tokio::test]
async fn every_way_to_say_who_asks() {
    let sim = sim().await;
    let gateway = Gateway::start(&every_way(&sim)).await;
    for vendor in VENDORS {
        for way in WAYS {
            let name = format!("{vendor}-{way}");
            let reply = gateway.chat(&name, "你好").send().await;
            assert!(reply.said().contains("你好"), "{name}: {}", reply.text());
            let reply = gateway.stream(&name, "你好").send().await;
            let said = grammar::strict(&reply.body, true);
            assert!(said.text().contains("你好"), "{name}: {}", reply.text());
        }
    }
    let requests = sim.requests();
    let with = |header: &str| {
        let has = |request: &&sim::Received| request.header(header).is_some();
        requests.iter().filter(has).count()
    };
    assert_eq!(with("x-auth-token"), 4);
    assert_eq!(with("x-apig-appcode"), 4);
    assert_eq!(with("x-sdk-date"), 4);
    assert_eq!(sim.iam_fetches(), 2, "one for each credential");
    // The password goes to the identity service alone, the secret key nowhere, and nothing of them into our log.
    let password = config::upstream_secret("pangu");
    for request in &requests {
        let head = format!("{} {:?}", request.path_and_query, request.headers);
        let body = String::from_utf8_lossy(&request.body);
        assert!(!head.contains(&password) && !head.contains(sim::PANGU_TEST_SECRET_KEY));
        assert!(!body.contains(sim::PANGU_TEST_SECRET_KEY));
        assert!(
            request.surface == "pangu-token" || !body.contains(&password),
            "{head}"
        );
    }
    let log = gateway.log();
    for secret in [&*password, sim::PANGU_TEST_SECRET_KEY, "MIIsim"] {
        assert!(!log.contains(secret), "{secret}");
    }
    // The deployment stands in the path, and only there.
    let deployed = requests.iter().find(|one| one.surface == "pangu").unwrap();
    let path = &deployed.path_and_query;
    assert!(
        path.starts_with(&format!(
            "/pangu/v1/{}/deployments/%E7%9B%98",
            sim::PANGU_TEST_PROJECT
        )) && path.ends_with("%20nlp%2F1%3Fx/chat/completions"),
        "{path}"
    );
    let body: Value = serde_json::from_slice(&deployed.body).unwrap();
    assert!(body.get("model").is_none(), "{body}");
}

#[tokio::test]
async fn a_token_is_fetched_once_and_renewed_once() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::with(&sim, ["pangu"])).await;
    let many = async |stream: bool| {
        let mut asks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let ask = gateway
                .chat("m-pangu", "hi")
                .with(|body| body["stream"] = stream.into());
            asks.spawn(ask.send());
        }
        for reply in asks.join_all().await {
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
    };
    many(false).await;
    assert_eq!(sim.iam_fetches(), 1, "one flight for all");
    // The account's password was changed, say: its tokens die, each request is repeated once, one new token is fetched.
    sim.expire_tokens();
    many(true).await;
    assert!(sim.iam_fetches() <= 3, "{} fetches", sim.iam_fetches());
    many(false).await;
    assert!(!gateway.log().contains("MIIsim"));
}

#[tokio::test]
async fn a_refused_password_is_not_tried_again_and_again() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["pangu"]);
    config.set("providers/pangu/secret_key", "invalid-password");
    let gateway = Gateway::start(&config).await;
    for _ in 0..10 {
        let reply = gateway.chat("m-pangu", "hi").send().await;
        reply.refused(502, "upstream_error");
    }
    assert!(gateway.log().contains("reason=\"auth_failed\""));
    let asked = sim.requests();
    let asked = asked.iter().filter(|one| one.surface == "pangu-token");
    assert_eq!(asked.count(), 3);
    assert!(!gateway.log().contains("invalid-password"));
}

/// The sentence that moderation puts in the place of an answer is text like any other.
#[tokio::test]
async fn what_moderation_says_is_looked_through_too() {
    let upstream = Scripted::start().await;
    let mut planter = Planter::new(0x50);
    let mut config = Config::new();
    for vendor in VENDORS {
        config.provider(vendor, vendor, &upstream.origin());
        without_token(&mut config, vendor, "app-code");
        config.model(vendor, &[(vendor, "m")]);
    }
    let output = json!({"find": ["CONTACT"], "remedy": "redact"});
    config.set("policies", json!({ "output": output }));
    let gateway = Gateway::start(&config).await;
    for (vendor, slot) in [("pangu", "message"), ("pangu-v2", "delta")] {
        let (phone, other) = (planter.mobile(), planter.mobile());
        let (first, second) = other.split_at(5);
        let piece = |text: &str| {
            let choice = json!({"index": 0, "finish_reason": null, slot: {"content": text}});
            format!(
                "data:{}\n\n",
                json!({"id": "c", "created": 1, "model": "m", "object": "chat.completion.chunk", "choices": [choice]})
            )
        };
        let verdict = json!({"suggestion": "block", "reply": format!("请打 {phone}。")});
        let events = [
            piece(&format!("打 {first}")),
            piece(second),
            "event:moderation\ndata:{\"suggestion\":\"review\",\"reply\":\"\"}\n\n".to_owned(),
            piece(" 吧。"),
            format!("event:moderation\ndata:{verdict}\n\n"),
            "data:[DONE]\n\n".to_owned(),
        ];
        upstream.stream(events.map(String::into_bytes).to_vec(), 1);
        let reply = gateway.stream(vendor, "x").send().await;
        let said = grammar::read(&reply.body);
        assert!(
            seen(&reply.body, planter.made()).is_empty(),
            "{vendor}: {}",
            reply.text()
        );
        assert!(
            said.text().contains("吧。请打 ") && said.text().ends_with('。'),
            "{vendor}: {}",
            said.text()
        );
        assert_eq!(said.finish(), "content_filter", "{vendor}");
    }
    gateway.assert_sound();
}

/// A stream that lacks the means to go on was no natural end.
#[tokio::test]
async fn an_answer_cut_for_lack_of_means_is_a_failure() {
    let upstream = Scripted::start().await;
    let mut config = Config::new();
    config.provider("pangu", "pangu", &upstream.origin());
    without_token(&mut config, "pangu", "app-code");
    config.model("m", &[("pangu", "m")]);
    let gateway = Gateway::start(&config).await;
    let chunk = |message: Value, finish: Value| {
        format!(
            "data:{}\n\n",
            json!({"id": "c", "created": 1, "model": "m", "object": "chat.completion.chunk", "choices": [{"index": 0, "message": message, "finish_reason": finish}]})
        )
    };
    // Apart, or one read has both and nothing was said yet.
    let events = [
        chunk(json!({"content": "您"}), Value::Null),
        chunk(
            json!({"content": ""}),
            "insufficient_system_resource".into(),
        ),
        "data:[DONE]\n\n".to_owned(),
    ];
    upstream.stream(events.map(String::into_bytes).to_vec(), 300);
    let reply = gateway.stream("m", "x").send().await;
    let said = grammar::read(&reply.body);
    assert_eq!(said.text(), "您");
    assert!(said.error.is_some() && !said.done, "{}", reply.text());
}

/// A 401 that says nothing may be a token that ran out.
#[tokio::test]
async fn a_401_without_a_word_fetches_one_token() {
    let sim = sim().await;
    let refuses =
        Upstream::saying(upstream::reply("401 Unauthorized", "text/html", "<html>")).await;
    let mut config = Config::with(&sim, ["pangu"]);
    config.set("providers/pangu/base_url", refuses.origin());
    let gateway = Gateway::start(&config).await;
    let reply = gateway.chat("m-pangu", "hi").send().await;
    reply.refused(502, "upstream_error");
    assert_eq!((sim.iam_fetches(), refuses.requests().len()), (2, 2));
}

/// A prompt goes up again only where the next attempt proves itself anew: a code that was refused is refused again.
#[tokio::test]
async fn a_credential_that_stays_the_same_is_refused_once() {
    let words = r#"{"error_code": "APIG.0301", "error_msg": "no"}"#;
    let old = r#"{"error": {"code": "1003", "message": "no"}}"#;
    for (vendor, auth, body, times) in [
        ("pangu", "app-code", "<html>", 1),
        ("pangu", "app-code", words, 1),
        ("pangu", "ak-sk", words, 2),
        ("huawei-maas", "", words, 1),
        ("glm", "bearer", old, 1),
        ("glm", "jwt", old, 2),
    ] {
        let refusal = upstream::reply("401 Unauthorized", "application/json", body);
        let refuses = Upstream::saying(refusal).await;
        let sim = sim().await;
        let mut config = Config::with(&sim, [vendor]);
        config.set(&format!("providers/{vendor}/base_url"), refuses.origin());
        match (vendor, auth) {
            ("pangu", way) => without_token(&mut config, vendor, way),
            (_, "") => {}
            _ => {
                config.set(&format!("providers/{vendor}/auth"), auth);
            }
        }
        if auth == "jwt" {
            config.set("providers/glm/api_key", "id.fake-secret");
        }
        let gateway = Gateway::start(&config).await;
        let reply = gateway.chat(&format!("m-{vendor}"), "hi").send().await;
        reply.refused(502, "upstream_error");
        assert_eq!(refuses.requests().len(), times, "{vendor} {auth} {body}");
    }
}

/// An identity service that does not give tokens is a provider that does not answer: the next one does.
#[tokio::test]
async fn without_a_token_the_next_target_answers() {
    let sim = sim().await;
    let created = |headers: &str| {
        format!(
            "HTTP/1.1 201 Created\r\n{headers}content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
        )
    };
    let replies = [
        upstream::reply("502 Bad Gateway", "text/html", "<html>"),
        upstream::reply("429 Too Many Requests", "application/json", "{}"),
        upstream::reply("200 OK", "text/html", "<html>"),
        created(""),
        created("x-subject-token: \r\n"),
        created(&format!("x-subject-token: {}\r\n", "a".repeat(100_000))),
        "HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n{".to_owned(),
        "not http\r\n\r\n".to_owned(),
    ];
    let mut config = Config::with(&sim, ["pangu", "openai"]);
    config.set("upstream/timeouts/first_content", "2s");
    let mut offices = Vec::new();
    for (at, reply) in replies.into_iter().enumerate() {
        let office = Upstream::saying(reply).await;
        let name = format!("p{at}");
        config.sim_provider(&name, "pangu", &sim);
        config.set(&format!("providers/{name}/token_url"), office.origin());
        config.model(&name, &[(&name, "m"), ("openai", "m")]);
        offices.push(office);
    }
    config.sim_provider("gone", "pangu", &sim);
    config.set("providers/gone/token_url", "http://127.0.0.1:1");
    config.model("gone", &[("gone", "m"), ("openai", "m")]);
    let gateway = Gateway::start(&config).await;
    let mut names: Vec<String> = (0..offices.len()).map(|at| format!("p{at}")).collect();
    names.push("gone".to_owned());
    for name in names {
        let reply = gateway.chat(&name, "hi").send().await;
        assert!(
            reply.said().contains("OpenAI simulated"),
            "{name}: {}",
            reply.text()
        );
    }
    let asked = sim.requests();
    assert!(asked.iter().all(|request| request.surface != "pangu"));
    gateway.assert_sound();
}
