//! The journal: no byte goes up before its record, every opening gets its closing, and nothing passes unrecorded.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::journal::Journal;
use tests::upstream::{Upstream, good_reply};
use tests::*;

#[tokio::test]
async fn a_record_tells_the_whole_request_and_no_content() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("teams/retail", json!({}));
    config.set(
        "models/m-openai-compatible/price",
        json!({"input": 2.4, "output": 9.6, "currency": "CNY"}),
    );
    config.key(
        "crm",
        "ym-journal-key-0001",
        json!({"team": "retail", "grade": "internal"}),
    );
    let gateway = Gateway::start(&config).await;
    let reply = gateway
        .stream("m-openai-compatible", "PLANTED-PROMPT-9917")
        .key("ym-journal-key-0001")
        .send()
        .await;
    assert_eq!(reply.status, 200);
    let id = reply.header("x-request-id").unwrap().to_owned();
    let closing = gateway.record(&reply).await;
    let journal = gateway.journal();
    let opening = &journal.opening(&id).unwrap().payload;
    let fields = |names: &[&str]| {
        names
            .iter()
            .map(|name| opening[*name].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        fields(&[
            "key", "team", "client", "dialect", "endpoint", "asked", "provider", "model", "stream",
            "grade", "verdict", "targets"
        ]),
        [
            json!("crm"),
            json!("retail"),
            json!("127.0.0.1"),
            json!("openai-chat"),
            json!("/v1/chat/completions"),
            json!("m-openai-compatible"),
            json!("openai-compatible"),
            json!("some-model"),
            json!(true),
            json!("internal"),
            json!("allow"),
            json!(1)
        ]
    );
    assert_eq!(
        (
            &closing["outcome"],
            &closing["status"],
            &closing["provider"],
            &closing["finish"]
        ),
        (
            &json!("completed"),
            &json!(200),
            &json!("openai-compatible"),
            &json!("stop")
        )
    );
    assert_eq!(
        closing["bytes_down"].as_u64(),
        Some(reply.body.len() as u64)
    );
    let usage = grammar::read(&reply.body).usage.unwrap();
    assert_eq!(
        (
            &closing["tokens"]["prompt"],
            &closing["tokens"]["completion"]
        ),
        (&usage["prompt_tokens"], &usage["completion_tokens"])
    );
    assert_eq!(closing["tokens"]["estimated"], false);
    // 2.4 and 9.6 a million tokens are 2,400 and 9,600 billionths each.
    let tokens = |which: &str| usage[which].as_u64().unwrap();
    let nano = tokens("prompt_tokens") * 2_400 + tokens("completion_tokens") * 9_600;
    assert_eq!(
        (&closing["cost_nano"], &closing["currency"]),
        (&json!(nano), &json!("CNY"))
    );
    let metrics = gateway.admin("/metrics").await.text();
    let sum = metrics
        .lines()
        .find(|line| line.starts_with("yumen_cost_total{"))
        .and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .unwrap();
    assert!((sum * 1e9 - nano as f64).abs() < 0.5, "{sum}");
    assert_eq!(opening["location"], closing["location"]);
    assert!(closing["first_byte_ms"].as_u64() <= closing["first_content_ms"].as_u64());
    let start = journal
        .of("event")
        .find(|event| event.text("what") == "start");
    assert_eq!(opening["config"], start.unwrap().payload["config"]);
    assert!(closing["total_ms"].is_u64() && closing["first_content_ms"].is_u64());
    // No key, no credential, no content, in any file of the directory.
    for path in tests::journal::files(&gateway.dir.path().join("audit")) {
        let bytes = std::fs::read(path).unwrap_or_default();
        for secret in [
            "ym-journal-key-0001",
            KEY,
            &config::upstream_key("openai-compatible"),
            "PLANTED-PROMPT-9917",
        ] {
            assert!(
                message::find(&bytes, secret.as_bytes()).is_none(),
                "{secret} is in the journal"
            );
        }
    }
}

#[tokio::test]
async fn a_refusal_is_one_record_and_a_listing_none() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::plain(&sim)).await;
    Ask::get(gateway.listen, "/v1/models").key(KEY).send().await;
    let refused = [
        (
            gateway
                .chat("m-openai-compatible", "x")
                .key("ym-wrong-key-0000"),
            "invalid_api_key",
        ),
        (gateway.chat("nothing", "x"), "model_not_found"),
        (
            gateway.chat("m-openai-compatible", "x").bytes("{"),
            "invalid_request",
        ),
    ];
    for (ask, code) in refused {
        let reply = ask.send().await;
        let denial = gateway.record(&reply).await;
        assert_eq!(
            (&denial["code"], &denial["status"]),
            (&json!(code), &json!(reply.status)),
            "{denial}"
        );
    }
    let journal = gateway.journal();
    assert_eq!(
        (journal.of("denied").count(), journal.of("opened").count()),
        (3, 0)
    );
}

#[tokio::test]
async fn the_opening_is_on_disk_before_the_upstream_hears_a_byte() {
    let dir: Arc<Mutex<Option<PathBuf>>> = Arc::default();
    let seen: Arc<Mutex<Vec<usize>>> = Arc::default();
    let (shared_dir, shared_seen) = (Arc::clone(&dir), Arc::clone(&seen));
    let upstream = Upstream::start(move |mut conn| {
        let (dir, seen) = (Arc::clone(&shared_dir), Arc::clone(&shared_seen));
        async move {
            // At the first byte of each request: how many openings are on disk?
            while conn.read().await.is_some() {
                let dir = dir.lock().unwrap().clone().unwrap();
                let journal = Journal::read(&dir);
                let open = journal.of("opened").count();
                seen.lock().unwrap().push(open);
                conn.write(good_reply().as_bytes()).await?;
            }
            Ok(())
        }
    })
    .await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    *dir.lock().unwrap() = Some(gateway.dir.path().join("audit"));
    for _ in 0..20 {
        assert_eq!(gateway.chat("m", "x").send().await.said(), "good");
    }
    assert_eq!(*seen.lock().unwrap(), (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_closing_is_on_disk_before_the_client_sees_the_end() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::plain(&sim)).await;
    for stream in [false, true] {
        for _ in 0..10 {
            let ask = gateway
                .chat("m-openai-compatible", "x")
                .with(|body| body["stream"] = stream.into());
            let reply = ask.send().await;
            let id = reply.header("x-request-id").unwrap();
            // No waiting here.
            assert!(gateway.journal().ending(id).is_some(), "stream: {stream}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_during_two_hundred_streams_loses_no_request() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config
        .fault("slow", "openai-compatible", "@events:300@gap:100")
        .set("runtime/workers", 2);
    let gateway = Gateway::start(&config).await;
    let mut lives = tokio::task::JoinSet::new();
    for at in 0..200 {
        let ask = gateway.stream("slow", "x");
        lives.spawn(async move {
            tokio::time::sleep(Duration::from_millis(at * 3)).await;
            // Some are on their way when the process dies: they end in an error here.
            let mut session = Session::to_or_none(ask.address()).await?;
            let mut live = session.open_or_end(ask).await.ok()?;
            while live.next().await.is_some() {}
            live.headers
                .get("x-request-id")
                .map(|id| id.to_str().unwrap().to_owned())
        });
    }
    until("a hundred and fifty streams", || sim.live_streams() >= 150).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    gateway.signal("KILL");
    gateway.exited().await;
    let answered: Vec<String> = lives.join_all().await.into_iter().flatten().collect();
    assert!(answered.len() >= 100, "{}", answered.len());
    let heard = sim.requests().len();
    let journal = gateway.journal();
    let opened: BTreeSet<String> = journal
        .of("opened")
        .map(|record| record.text("id").to_owned())
        .collect();
    assert!(
        opened.len() >= heard,
        "{heard} requests reached the upstream, {} openings are on disk",
        opened.len()
    );
    for id in &answered {
        assert!(opened.contains(id), "no opening of {id}");
    }
    // The next start closes what was left open, and serves.
    let dir = Arc::clone(&gateway.dir);
    drop(gateway);
    let again = Launch::new(config.text()).dir(dir).start().await;
    let journal = again.journal();
    journal.assert_balanced();
    let crashed = journal
        .of("closed")
        .filter(|closing| closing.text("outcome") == "crashed")
        .count();
    assert_eq!(crashed, opened.len());
    let event = journal
        .of("event")
        .find(|event| event.text("what") == "recovery");
    assert!(event.is_some(), "the recovery is recorded");
    assert_eq!(
        again.chat("m-openai-compatible", "x").send().await.status,
        200
    );
    let indices: Vec<u64> = again
        .journal()
        .records
        .iter()
        .map(|record| record.index)
        .collect();
    let distinct: BTreeSet<u64> = indices.iter().copied().collect();
    assert_eq!(distinct.len(), indices.len(), "no index stands twice");
}

#[tokio::test]
async fn ten_crashes_in_a_row() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.fault("slow", "openai-compatible", "@events:900@gap:10");
    let mut dir = None;
    for round in 1..=10 {
        let mut launch = Launch::new(config.text());
        if let Some(dir) = dir.take() {
            launch = launch.dir(dir);
        }
        let gateway = launch.start().await;
        let live = gateway.stream("slow", "x").open().await;
        assert_eq!(
            gateway.chat("m-openai-compatible", "x").send().await.status,
            200,
            "round {round}"
        );
        gateway.signal("KILL");
        gateway.exited().await;
        drop(live);
        let journal = gateway.journal();
        assert_eq!(journal.of("opened").count(), 2 * round);
        assert_eq!(
            journal.of("closed").count(),
            2 * round - 1,
            "round {round}: all but the last stream is closed"
        );
        dir = Some(Arc::clone(&gateway.dir));
    }
}

#[tokio::test]
async fn two_gateways_never_share_a_directory() {
    let sim = sim().await;
    let config = Config::plain(&sim);
    let first = Gateway::start(&config).await;
    let (code, _, stderr) = Launch::new(config.text())
        .dir(Arc::clone(&first.dir))
        .ends()
        .await;
    assert!(code.is_some_and(|code| code != 0), "{stderr}");
    assert!(
        stderr.contains("audit") || stderr.contains("journal"),
        "{stderr}"
    );
    assert_eq!(
        first.chat("m-openai-compatible", "x").send().await.status,
        200
    );
}

#[tokio::test]
async fn a_journal_that_cannot_be_opened_is_an_error_at_start() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("audit/dir", "/proc/no/such/place");
    let (code, stdout, stderr) = Launch::new(config.text()).ends().await;
    assert!(code.is_some_and(|code| code != 0), "{stderr}");
    assert!(!stdout.contains("ready"), "{stdout}");
    assert!(stderr.contains("/proc/no/such/place"), "{stderr}");
}

/// No file may grow beyond a bound: the closest a test without root's tools comes to a full disk.
#[tokio::test]
async fn nothing_passes_unrecorded_when_the_disk_is_full() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.fault("slow", "openai-compatible", "@events:400@gap:10");
    config.set("audit", json!({"dir": "audit", "reserve_bytes": "64KiB"}));
    let gateway = Launch::new(config.text()).file_blocks(300).start().await;
    let live = gateway.stream("slow", "x").open().await;
    assert_eq!(live.status, 200);
    let mut refused = None;
    for _ in 0..3000 {
        let reply = gateway.chat("m-openai-compatible", "x").send().await;
        if reply.status != 200 {
            refused = Some(reply);
            break;
        }
    }
    let reply = refused.expect("a bound on all files is a bound on the journal");
    reply.refused(503, "overloaded");
    assert!(reply.header("retry-after").is_some());
    let heard = sim.requests().len();
    gateway
        .chat("m-openai-compatible", "x")
        .send()
        .await
        .refused(503, "overloaded");
    assert_eq!(sim.requests().len(), heard, "a request passed unrecorded");
    assert_eq!(gateway.admin("/readyz").await.status, 503);
    assert_eq!(gateway.admin("/healthz").await.status, 200);
    // Who was let in finishes.
    let reply = live.rest().await;
    assert!(grammar::read(&reply.body).done);
    gateway.assert_sound();
}

/// Every write succeeded, into files without a name, and nothing of it was found.
#[tokio::test]
async fn nothing_passes_unrecorded_when_the_log_is_taken_away() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::plain(&sim)).await;
    let ask = async || gateway.chat("m-openai-compatible", "x").send().await;
    assert_eq!(ask().await.status, 200);
    let audit = gateway.dir.path().join("audit");
    std::fs::rename(&audit, audit.with_extension("elsewhere")).unwrap();
    // What is kept beside the records would make the directory anew, and the log would go on there.
    while std::fs::write(&audit, "").is_err() {
        let _ = std::fs::remove_dir_all(&audit);
    }
    let comes_to = async |status: u16| {
        let start = std::time::Instant::now();
        loop {
            let reply = ask().await;
            if reply.status == status {
                return reply;
            }
            assert!(start.elapsed() < SOON, "{}: {}", reply.status, reply.text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    comes_to(503).await.refused(503, "overloaded");
    let heard = sim.requests().len();
    assert_eq!(gateway.admin("/readyz").await.status, 503);
    let metrics = gateway.admin("/metrics").await.text();
    let errors = metrics
        .lines()
        .find(|line| line.starts_with("yumen_audit_errors"));
    assert!(
        errors.is_some_and(|line| !line.ends_with(" 0")),
        "{errors:?}"
    );
    ask().await.refused(503, "overloaded");
    assert_eq!(sim.requests().len(), heard, "a request passed unrecorded");
    // With a place for it the log goes on.
    std::fs::remove_file(&audit).unwrap();
    std::fs::create_dir_all(&audit).unwrap();
    let reply = comes_to(200).await;
    gateway.record(&reply).await;
    assert_eq!(gateway.admin("/readyz").await.status, 200);
}

/// What is synced cannot be seen from outside; that everything still comes to its end, in order and recorded, can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synced_journal_serves_everything_that_a_written_one_does() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config
        .fault("cut", "openai-compatible", "@events:20@cut:900")
        .set("runtime/workers", 2)
        .set("audit", json!({"dir": "audit", "durability": "synced"}));
    let gateway = Gateway::start(&config).await;
    let mut asked = tokio::task::JoinSet::new();
    for at in 0..60 {
        let model = if at % 3 == 0 {
            "cut"
        } else {
            "m-openai-compatible"
        };
        let ask = match at % 4 {
            0 => gateway.chat(model, "x"),
            1 => gateway.chat("nothing", "x"),
            _ => gateway.stream(model, "x"),
        };
        asked.spawn(ask.send());
    }
    let replies = asked.join_all().await;
    // No waiting here: who has seen the end finds its record.
    let journal = gateway.journal();
    for reply in &replies {
        let id = reply.header("x-request-id").unwrap();
        let ending = journal
            .ending(id)
            .unwrap_or_else(|| panic!("no end of {id}"));
        assert_eq!(ending["status"], reply.status);
    }
    assert!(
        replies
            .iter()
            .any(|reply| message::find(&reply.body, b"data: [DONE]").is_some())
    );
    journal.assert_balanced();
    gateway.assert_sound();
}
