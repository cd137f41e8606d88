//! Analysts' tools get every row, in order, whatever becomes of them and of the gateway: nothing is lost while a receiver
//! is down, and what comes twice can be told by its `uid`.
//!
//! The receivers are written from the standards (RFC 5424, 5425; Splunk's description of its collector).

mod receivers;

use receivers::{Collector, Lines, Syslog};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tests::*;

/// Indices of the records that complete a row.
fn settled(gateway: &Gateway) -> BTreeSet<u64> {
    let journal = gateway.journal();
    let rows = journal
        .records
        .iter()
        .filter(|record| record.kind != "opened");
    rows.map(|record| record.index).collect()
}

fn settled_of(lines: &[Value]) -> BTreeSet<u64> {
    lines
        .iter()
        .map(|line| line["settled"].as_u64().unwrap())
        .collect()
}

async fn ask(gateway: &Gateway, times: usize) {
    for _ in 0..times {
        let reply = gateway.chat("m-openai-compatible", "hello").send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

/// Waits until everything that the log says now has arrived.
async fn all_arrive(gateway: &Gateway, mut lines: impl FnMut() -> Vec<Value>) {
    let wanted = settled(gateway);
    let start = std::time::Instant::now();
    loop {
        let here = settled_of(&lines());
        let missing: Vec<&u64> = wanted.difference(&here).collect();
        if missing.is_empty() {
            return;
        }
        assert!(
            start.elapsed() < 3 * SOON,
            "never arrived: {missing:?}\n{}",
            gateway.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn config(sim: &Sim, siem: Value) -> Config {
    let mut config = Config::plain(sim);
    config.set("audit/replica", "gw-1");
    config.set("audit/siem", json!([siem]));
    config
}

#[tokio::test]
async fn syslog_over_tls_loses_nothing_when_the_receiver_goes_and_comes() {
    let sim = sim().await;
    let dir = Arc::new(TempDir::new().unwrap());
    let mut receiver = Syslog::new(dir.path());
    let siem = json!({"name": "soc", "kind": "syslog", "address": receiver.address(),
        "tls": {"ca": "receiver.pem", "server_name": "siem.test"}});
    let launch = || Launch::new(config(&sim, siem.clone()).text()).dir(Arc::clone(&dir));
    // Nobody listens yet.
    let gateway = launch().start().await;
    ask(&gateway, 3).await;
    until("a failure to be told", || {
        gateway.log().contains("audit log not delivered")
    })
    .await;
    receiver.up().await;
    all_arrive(&gateway, || receiver.lines()).await;
    // It goes in the middle, and what it had not read is gone with it.
    receiver.down();
    ask(&gateway, 3).await;
    receiver.up().await;
    ask(&gateway, 2).await;
    all_arrive(&gateway, || receiver.lines()).await;
    // In order, on each connection; nothing but whole messages.
    for connection in receiver.connections() {
        let order: Vec<u64> = connection
            .iter()
            .map(|line| line["settled"].as_u64().unwrap())
            .collect();
        assert!(order.is_sorted(), "{order:?}");
    }
    for line in receiver.lines() {
        let uid = line["uid"].as_str().unwrap();
        let log = line["log"].as_str().unwrap();
        let place = format!(
            "{log}:{}:{}:{}",
            line["epoch"], line["settled"], line["index"]
        );
        assert_eq!(uid, place);
        assert_eq!(line["replica"], "gw-1");
    }
    // An orderly end hands over the rest, and says so to its cursor: nothing comes again.
    gateway.signal("TERM");
    gateway.exited().await;
    all_arrive(&gateway, || receiver.lines()).await;
    let before = receiver.lines().len();
    let gateway = launch().start().await;
    ask(&gateway, 1).await;
    all_arrive(&gateway, || receiver.lines()).await;
    let lines = receiver.lines();
    let uids: BTreeSet<&str> = lines[before..]
        .iter()
        .map(|line| line["uid"].as_str().unwrap())
        .collect();
    let old: BTreeSet<&str> = lines[..before]
        .iter()
        .map(|line| line["uid"].as_str().unwrap())
        .collect();
    assert!(uids.is_disjoint(&old), "sent again after an orderly end");
}

#[tokio::test]
async fn a_collector_that_acknowledges_late_gets_everything_though_the_gateway_is_killed() {
    let sim = sim().await;
    let dir = Arc::new(TempDir::new().unwrap());
    let collector = Collector::start().await;
    collector.acknowledge(false);
    let siem = json!({"name": "splunk", "kind": "hec", "url": collector.origin(), "token": "planted-hec-token-8841",
        "acknowledge": true});
    let launch = || Launch::new(config(&sim, siem.clone()).text()).dir(Arc::clone(&dir));
    let gateway = launch().start().await;
    ask(&gateway, 5).await;
    until("a portion to be sent", || !collector.events().is_empty()).await;
    // Between the portion and its acknowledgement.
    gateway.signal("KILL");
    gateway.exited().await;
    let sent = collector.events().len();
    let gateway = launch().start().await;
    ask(&gateway, 2).await;
    collector.acknowledge(true);
    until("the portion to be sent again", || {
        collector.events().len() >= 2 * sent
    })
    .await;
    let acknowledged = || {
        let events = collector.acknowledged();
        events.iter().map(|event| event["event"].clone()).collect()
    };
    all_arrive(&gateway, acknowledged).await;
    let events = collector.acknowledged();
    let first = &events[0];
    assert_eq!(first["host"], "gw-1");
    assert_eq!(first["sourcetype"], "yumen:audit");
    let time_ms = first["event"]["ended"]
        .as_i64()
        .or(first["event"]["time"].as_i64());
    assert_eq!(
        (first["time"].as_f64().unwrap() * 1000.0).round() as i64,
        time_ms.unwrap()
    );
    // Twice in transit, once by uid.
    let uids: Vec<&str> = events
        .iter()
        .map(|event| event["event"]["uid"].as_str().unwrap())
        .collect();
    let distinct: BTreeSet<&&str> = uids.iter().collect();
    let places = settled_of(
        &events
            .iter()
            .map(|event| event["event"].clone())
            .collect::<Vec<_>>(),
    );
    assert_eq!(distinct.len(), places.len());
    assert!(
        !gateway.log().contains("planted-hec-token"),
        "the token is in the log"
    );
    // The lag is told, and ends.
    let started = std::time::Instant::now();
    loop {
        let metrics = gateway.admin("/metrics").await.text();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("yumen_audit_export_lag_records{to=\"siem-splunk\"}"));
        if line.expect("the metric").ends_with(" 0") {
            break;
        }
        assert!(started.elapsed() < SOON, "{metrics}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn posts_are_repeated_until_they_are_taken_and_made_smaller_if_they_must_be() {
    let sim = sim().await;
    let receiver = Lines::start().await;
    receiver.answer("503 Service Unavailable");
    let siem = json!({"name": "web", "kind": "http", "url": format!("{}/in", receiver.origin()), "format": "ocsf",
        "token": "planted-web-token", "headers": {"x-tenant": "seven"}});
    let gateway = Gateway::start(&config(&sim, siem)).await;
    ask(&gateway, 6).await;
    until("a try", || receiver.tries() > 0).await;
    assert!(receiver.lines().is_empty());
    // It takes no more than two lines at once.
    receiver.most(2);
    receiver.answer("200 OK");
    let wanted = settled(&gateway).len();
    let start = std::time::Instant::now();
    while receiver.lines().len() < wanted {
        assert!(start.elapsed() < 3 * SOON, "{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let calls: Vec<Value> = receiver
        .lines()
        .into_iter()
        .filter(|event| event["class_uid"] == 6003)
        .collect();
    assert_eq!(calls.len(), 6);
    assert_eq!(calls[0]["type_uid"], 600_301);
    assert_eq!(calls[0]["metadata"]["profiles"], json!(["ai_operation"]));
    assert_eq!(calls[0]["actor"]["user"]["uid"], "main");
    assert_eq!(calls[0]["src_endpoint"]["ip"], "127.0.0.1");
    assert!(
        receiver
            .head()
            .contains("authorization: Bearer planted-web-token")
    );
    assert!(receiver.head().contains("x-tenant: seven"));
}

#[tokio::test]
async fn a_file_has_every_row_once_and_goes_on_where_it_was() {
    let sim = sim().await;
    let dir = Arc::new(TempDir::new().unwrap());
    let siem = json!({"name": "file", "kind": "jsonl", "path": "audit.jsonl"});
    let launch = || Launch::new(config(&sim, siem.clone()).text()).dir(Arc::clone(&dir));
    let read = || -> Vec<Value> {
        let text = std::fs::read_to_string(dir.path().join("audit.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    for round in 1..=2 {
        let gateway = launch().start().await;
        ask(&gateway, 4).await;
        gateway.signal("TERM");
        gateway.exited().await;
        all_arrive(&gateway, read).await;
        let lines = read();
        assert_eq!(
            lines.len(),
            settled(&gateway).len(),
            "round {round}: a row twice"
        );
        let order: Vec<u64> = lines
            .iter()
            .map(|line| line["settled"].as_u64().unwrap())
            .collect();
        assert!(order.is_sorted(), "{order:?}");
    }
}

#[tokio::test]
async fn what_cannot_work_is_refused_before_it_is_tried() {
    let sim = sim().await;
    for (siem, said) in [
        (json!({"name": "a", "kind": "syslog"}), "needs `address`"),
        (
            json!({"name": "a", "kind": "hec", "url": "https://h"}),
            "needs `token`",
        ),
        (
            json!({"name": "a", "kind": "jsonl", "path": "p", "url": "https://h"}),
            "has no effect with this kind",
        ),
        (
            json!({"name": "a", "kind": "jsonl", "path": "p", "format": "cef"}),
            "CEF is no JSON",
        ),
        (
            json!({"name": "a b", "kind": "jsonl", "path": "p"}),
            "a name is",
        ),
        (
            json!({"name": "a", "kind": "http", "url": "ftp://h"}),
            "must begin with http",
        ),
        (json!({"name": "a", "kind": "udp"}), "udp"),
        (
            json!({"name": "a", "kind": "syslog", "address": "h:1", "encrypted": false, "tls": {"server_name": "x.y"}}),
            "TLS is not spoken there",
        ),
    ] {
        let text = config(&sim, siem.clone()).text();
        let (code, _, said_by) = Launch::new(text).ends().await;
        assert_eq!(code, Some(2), "{siem}");
        assert!(said_by.contains(said), "{siem}: {said_by}");
    }
}

#[tokio::test]
async fn changed_settings_of_the_log_wait_for_the_next_start_and_say_so() {
    let sim = sim().await;
    let before = config(
        &sim,
        json!({"name": "file", "kind": "jsonl", "path": "a.jsonl"}),
    );
    let gateway = Gateway::start(&before).await;
    let after = config(
        &sim,
        json!({"name": "file", "kind": "jsonl", "path": "b.jsonl"}),
    );
    gateway.reload(&after.text(), "config reloaded").await;
    until("a warning", || {
        gateway.log().contains("they are read at start only")
    })
    .await;
}
