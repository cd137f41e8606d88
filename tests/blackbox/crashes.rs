//! The crash campaign: a gateway under load is killed at random moments, on good disks and on full ones, and what comes
//! after finds everything.
//!
//! `YUMEN_CRASH_ROUNDS` says how many rounds (default 200). Every request bears an id of its own, which stands in its text
//! and in its record: what the upstream saw, what clients were told and what the log says are compared one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::gateway::executable;
use tests::journal::Journal;
use tests::*;

/// Chains of crashes in one directory each.
const ROUNDS_IN_A_ROW: u64 = 10;
/// Clients at once.
const CLIENTS: u64 = 6;
/// Chains that run at once.
const CHAINS_AT_ONCE: usize = 2;

fn rounds() -> u64 {
    std::env::var("YUMEN_CRASH_ROUNDS").map_or(200, |text| text.parse().unwrap())
}

/// A number that looks random and is the same in every run (splitmix64).
fn drawn(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What clients were told, by their own id of the request: the status, once the end had come.
type ToldEnds = Arc<Mutex<BTreeMap<String, u16>>>;

/// Asks until the gateway is gone.
async fn client(gateway: Arc<Gateway>, name: String, told: ToldEnds) {
    for n in 0..10_000 {
        let id = format!("{name}.{n}");
        let text = format!("my id is <{id}>");
        let ask = match n % 3 {
            0 => gateway.chat("m-openai-compatible", &text),
            1 => gateway.stream("slow", &text),
            _ => gateway.chat("nothing", &text),
        };
        let ask = ask.header("x-request-id", &id);
        let Some(mut session) = Session::to_or_none(ask.address()).await else {
            return;
        };
        let Ok(mut live) = session.open_or_end(ask).await else {
            return;
        };
        let mut body = Vec::new();
        while let Some(chunk) = live.next().await {
            body.extend_from_slice(&chunk);
        }
        let whole = message::find(&body, b"data: [DONE]").is_some()
            || serde_json::from_slice::<Value>(&body).is_ok();
        if !whole {
            return;
        }
        told.lock().unwrap().insert(id, live.status);
    }
}

/// The ids that an upstream saw.
fn heard(sim: &Sim) -> BTreeSet<String> {
    let id = |body: &str| Some(body.split_once('<')?.1.split_once('>')?.0.to_owned());
    sim.requests()
        .iter()
        .filter_map(|request| id(&String::from_utf8_lossy(&request.body)))
        .collect()
}

/// Records by the client's id.
fn by_id<'j>(journal: &'j Journal, kind: &str) -> BTreeMap<&'j str, &'j tests::journal::Record> {
    journal
        .of(kind)
        .map(|record| (record.text("client_request_id"), record))
        .collect()
}

/// Whatever the last run left half done, what was acknowledged is there.
fn assert_nothing_is_lost(journal: &Journal, sim: &Sim, told: &ToldEnds, round: &str) {
    let (opened, denied) = (by_id(journal, "opened"), by_id(journal, "denied"));
    for id in heard(sim) {
        assert!(
            opened.contains_key(&*id),
            "{round}: the upstream saw {id}, and there is no opening of it"
        );
    }
    let closed: BTreeMap<u64, &tests::journal::Record> = journal
        .of("closed")
        .map(|record| (record.payload["opening"].as_u64().unwrap(), record))
        .collect();
    for (id, status) in told.lock().unwrap().iter() {
        let end = match opened.get(&**id) {
            Some(opening) => closed.get(&opening.index).copied(),
            None => denied.get(&**id).copied(),
        };
        // A refusal for want of a record has none.
        if let Some(end) = end {
            assert_eq!(end.payload["status"], *status, "{round}: {id}");
        } else {
            assert_eq!(*status, 503, "{round}: {id} was answered and has no record");
        }
    }
}

/// Every index is a record's or is named as lost.
fn assert_no_gap(journal: &Journal, round: &str) {
    let mut seen = BTreeSet::new();
    for record in &journal.records {
        assert!(seen.insert(record.index), "{round}: {} twice", record.index);
        if record.kind == "lost" {
            let place = |field: &str| record.payload[field].as_u64().unwrap();
            let (from, count) = (place("from"), place("count"));
            seen.extend(from..from + count);
        }
    }
    assert_eq!(
        seen.len() as u64,
        seen.last().map_or(0, |last| last + 1),
        "{round}"
    );
}

/// What recovery left holds, checkpoints and all, as `yumen audit verify` sees it.
async fn assert_verified(gateway: &Gateway, round: &str) {
    // Before the first there is nothing to hold the log against.
    let first = gateway.dir.path().join("audit/tree/checkpoint");
    until("a checkpoint", || first.exists()).await;
    let done = std::process::Command::new(executable())
        .args(["audit", "verify"])
        .arg(gateway.dir.path().join("audit"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{round}: {said}");
}

/// Some crashes in a row. `blocks` bounds the size of files: a disk that fills up.
async fn chain(first: u64, count: u64, durability: &'static str, blocks: Option<u64>) {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config
        .fault("slow", "openai-compatible", "@events:12@gap:4")
        .set("runtime/workers", 2)
        .set(
            "audit",
            json!({
                "dir": "audit",
                "durability": durability,
                "reserve_bytes": "256KiB",
                "checkpoint": {"every": "100ms", "entries": 40},
            }),
        );
    let told = ToldEnds::default();
    let mut dir: Option<Arc<tempfile::TempDir>> = None;
    for round in first..first + count {
        let name = format!("round {round}, {durability}");
        let mut launch = Launch::new(config.text());
        if let Some(blocks) = blocks {
            launch = launch.file_blocks(blocks + drawn(round) % blocks);
        }
        if let Some(dir) = dir.take() {
            launch = launch.dir(dir);
        }
        let gateway = Arc::new(launch.start().await);
        // What recovery made of the last crash.
        let journal = gateway.journal();
        journal.assert_balanced();
        assert_no_gap(&journal, &name);
        assert_nothing_is_lost(&journal, &sim, &told, &name);
        assert_verified(&gateway, &name).await;
        let mut clients = tokio::task::JoinSet::new();
        for client_number in 0..CLIENTS {
            let client_name = format!("{round}.{client_number}");
            clients.spawn(client(Arc::clone(&gateway), client_name, Arc::clone(&told)));
        }
        tokio::time::sleep(Duration::from_micros(10_000 + drawn(!round) % 120_000)).await;
        gateway.signal("KILL");
        gateway.exited().await;
        clients.join_all().await;
        assert_nothing_is_lost(&gateway.journal(), &sim, &told, &name);
        dir = Some(Arc::clone(&gateway.dir));
    }
    // The last crash is recovered from too, by a gateway with all the room there is.
    let again = Launch::new(config.text()).dir(dir.unwrap()).start().await;
    let journal = again.journal();
    journal.assert_balanced();
    assert_no_gap(&journal, "at the end");
    assert_nothing_is_lost(&journal, &sim, &told, "at the end");
    assert_verified(&again, "at the end").await;
    assert!(
        journal.of("opened").count() as u64 > count,
        "there was load"
    );
    assert_eq!(
        again.chat("m-openai-compatible", "x").send().await.status,
        200
    );
}

async fn campaign(first: u64, rounds: u64, durability: &'static str, blocks: Option<u64>) {
    let mut chains = tokio::task::JoinSet::new();
    let mut next = first;
    let end = first + rounds;
    while next < end || !chains.is_empty() {
        while next < end && chains.len() < CHAINS_AT_ONCE {
            let count = ROUNDS_IN_A_ROW.min(end - next);
            chains.spawn(chain(next, count, durability, blocks));
            next += count;
        }
        if let Some(done) = chains.join_next().await {
            done.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_under_load_lose_nothing() {
    let rounds = rounds();
    campaign(0, rounds * 3 / 4, "written", None).await;
    campaign(1_000, rounds.div_ceil(4), "synced", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_a_disk_that_fills_up_lose_nothing() {
    campaign(2_000, rounds().div_ceil(10), "written", Some(700)).await;
}

/// When there is room again, service resumes by itself.
#[tokio::test]
async fn a_full_disk_is_waited_out() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("audit", json!({"dir": "audit", "reserve_bytes": "64KiB"}));
    let gateway = Launch::new(config.text()).file_blocks(300).start().await;
    let ask = || gateway.chat("m-openai-compatible", "x").send();
    let mut status = 200;
    for _ in 0..3000 {
        status = ask().await.status;
        if status != 200 {
            break;
        }
    }
    assert_eq!(status, 503);
    assert_eq!(gateway.admin("/readyz").await.status, 503);
    let done = std::process::Command::new("prlimit")
        .args(["--pid", &gateway.id().to_string(), "--fsize=unlimited:"])
        .status()
        .expect("prlimit, of util-linux, is there");
    assert!(done.success());
    let start = std::time::Instant::now();
    while gateway.admin("/readyz").await.status != 200 || ask().await.status != 200 {
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{}",
            gateway.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let journal = gateway.journal();
    assert!(
        journal
            .of("event")
            .any(|event| event.text("what") == "resumed")
    );
    journal.assert_balanced();
    gateway.assert_sound();
}

/// Ids, names and agents from outside, as nasty as HTTP lets them be: one record stays one line, and inert.
#[tokio::test]
async fn strangers_strings_stay_inside_their_record() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::plain(&sim)).await;
    let nasty = "x\n{\"index\":1}\r\u{1b}[2J\u{7}\u{202e}gpj.exe\u{2066}\u{9b}31m\u{2028}\0";
    // A name with such characters is refused before anybody looks it up or writes it down.
    let name = "x\u{202e}gpj.exe\u{2066}\u{9b}31m\u{2028}\\\"";
    let mut replies = Vec::new();
    for (model, id) in [
        (name, "ok-1.A_z"),
        ("m-openai-compatible", "not allowed: <\u{e9}>"),
        ("m-openai-compatible", &"a".repeat(65)),
    ] {
        let ask = gateway.chat(model, nasty).with(|body| {
            body["model"] = model.into();
            body["user"] = nasty.into();
        });
        let ask = ask
            .header("x-request-id", id)
            .header("user-agent", "\u{e9}\t[2J")
            .header(
                "traceparent",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            );
        replies.push(ask.send().await);
    }
    let denial = gateway.record(&replies[0]).await;
    assert!(denial["asked"].is_null(), "{denial}");
    assert_eq!(denial["client_request_id"], "ok-1.A_z");
    assert_eq!(denial["trace"], "4bf92f3577b34da6a3ce929d0e0e4736");
    let journal = gateway.journal();
    for reply in &replies[1..] {
        let opening = journal
            .opening(reply.header("x-request-id").unwrap())
            .unwrap();
        assert!(
            opening.payload["client_request_id"].is_null(),
            "{opening:?}"
        );
        assert_eq!(opening.text("trace"), "4bf92f3577b34da6a3ce929d0e0e4736");
    }
    let shown = std::process::Command::new(gateway::executable())
        .args(["audit", "show"])
        .arg(gateway.dir.path().join("audit"))
        .output()
        .unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(
        text.chars().all(|c| c == '\n'
            || (!c.is_control()
                && !('\u{2028}'..='\u{202e}').contains(&c)
                && !('\u{2066}'..='\u{2069}').contains(&c))),
        "{text:?}"
    );
    let lines = text.lines().count();
    assert_eq!(
        lines,
        journal.records.len() + 1,
        "that it was shown: {text}"
    );
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}
