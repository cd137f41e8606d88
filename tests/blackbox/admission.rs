//! What a vendor allows us: who goes in, who waits and in which order, who is told at once that it is in vain.
//!
//! Orders are seen where they count: in what the upstream was asked, one request after another behind a valve.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use tests::redis::Redis;
use tests::upstream::{Upstream, good_reply, reply};
use tests::*;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// An upstream that answers as often as it is let.
struct Valve {
    upstream: Upstream,
    open: Arc<Semaphore>,
    most: Arc<AtomicUsize>,
}

impl Valve {
    async fn shut() -> Self {
        let open = Arc::new(Semaphore::new(0));
        let (running, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (valve, peak) = (Arc::clone(&open), Arc::clone(&most));
        let upstream = Upstream::start(move |mut conn| {
            let (valve, running, peak) =
                (Arc::clone(&valve), Arc::clone(&running), Arc::clone(&peak));
            async move {
                while conn.request().await.is_some() {
                    peak.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    valve.acquire().await.unwrap().forget();
                    running.fetch_sub(1, SeqCst);
                    conn.write(good_reply().as_bytes()).await?;
                }
                Ok(())
            }
        })
        .await;
        Self {
            upstream,
            open,
            most,
        }
    }

    /// Lets so many more answers out.
    fn lets(&self, answers: usize) {
        self.open.add_permits(answers);
    }

    /// What it was asked, in order.
    fn asked(&self) -> Vec<String> {
        let requests = self.upstream.requests();
        let texts = requests
            .iter()
            .map(|request| request.json()["messages"][0]["content"].clone());
        texts
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    }

    async fn was_asked(&self, times: usize) {
        until(&format!("{times} requests upstream"), || {
            self.asked().len() == times
        })
        .await;
    }
}

/// One provider `p` behind a valve, with these limits and this queue.
fn config(valve: &Valve, limits: Value, queue: Value) -> Config {
    let mut config = Config::new();
    config.plain_at("p", &valve.upstream.origin());
    config.set("providers/p/limits", limits);
    config.set("providers/p/queue", queue);
    config
}

async fn depth(gateway: &Gateway) -> Option<u64> {
    let metrics = gateway.admin("/metrics").await.text();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("yumen_queue_depth{provider=\"p\"} "))?;
    line.parse().ok()
}

async fn waits(gateway: &Gateway, count: u64) {
    let end = Instant::now() + LONG;
    while depth(gateway).await != Some(count) {
        assert!(
            Instant::now() < end,
            "{:?} wait, not {count}",
            depth(gateway).await
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn key(name: &str) -> String {
    format!("ym-admission-{name:0>6}")
}

/// `count` requests with that key, which say the key's name.
fn ask(asks: &mut JoinSet<Reply>, gateway: &Gateway, name: &str, count: usize) {
    for _ in 0..count {
        let ask = gateway.chat("p", name).key(&key(name)).limit(LONG);
        asks.spawn(ask.send());
    }
}

async fn all_good(asks: JoinSet<Reply>) {
    for reply in asks.join_all().await {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

#[tokio::test]
async fn teams_have_turns_by_weight() {
    let valve = Valve::shut().await;
    let mut config = config(&valve, json!({"concurrent": 1}), json!({"wait": "60s"}));
    config.set("teams/heavy", json!({"weight": 3}));
    config.set("teams/light", json!({}));
    for team in ["heavy", "light"] {
        config.key(team, &key(team), json!({"team": team}));
    }
    config.set("runtime/workers", 2);
    let gateway = Gateway::start(&config).await;
    let mut asks = JoinSet::new();
    ask(&mut asks, &gateway, "light", 1);
    valve.was_asked(1).await;
    // The light team was there first, and in greater numbers.
    ask(&mut asks, &gateway, "light", 30);
    waits(&gateway, 30).await;
    ask(&mut asks, &gateway, "heavy", 24);
    waits(&gateway, 54).await;
    valve.lets(55);
    all_good(asks).await;
    let asked = valve.asked();
    let turns = &asked[1..33];
    let heavy = turns.iter().filter(|team| *team == "heavy").count();
    assert!((23..=25).contains(&heavy), "{heavy} of 32: {turns:?}");
    assert_eq!(valve.most.load(SeqCst), 1);
    assert_eq!(depth(&gateway).await, Some(0));
    let metrics = gateway.admin("/metrics").await.text();
    assert!(
        metrics.contains("yumen_queue_wait_seconds_count{provider=\"p\"} 54"),
        "{metrics}"
    );
    gateway.assert_sound();
}

#[tokio::test]
async fn the_urgent_go_first_and_batches_still_go() {
    let valve = Valve::shut().await;
    let mut config = config(&valve, json!({"concurrent": 1}), json!({"wait": "60s"}));
    config.key("batch", &key("batch"), json!({"priority": "low"}));
    config.key("chat", &key("chat"), json!({"priority": "high"}));
    config.set("teams/nightly", json!({"priority": "low"}));
    // What a team says, its keys cannot raise.
    let wish = json!({"team": "nightly", "priority": "high"});
    config.key("wish", &key("wish"), wish);
    let gateway = Gateway::start(&config).await;
    let mut asks = JoinSet::new();
    ask(&mut asks, &gateway, "batch", 1);
    valve.was_asked(1).await;
    ask(&mut asks, &gateway, "batch", 4);
    ask(&mut asks, &gateway, "wish", 4);
    waits(&gateway, 8).await;
    ask(&mut asks, &gateway, "chat", 20);
    waits(&gateway, 28).await;
    valve.lets(29);
    all_good(asks).await;
    let asked = valve.asked();
    let low: Vec<usize> = (1..29).filter(|at| asked[*at] != "chat").collect();
    // After each eight that went before them, one.
    assert_eq!(low[..3], [9, 18, 23], "{asked:?}");
    assert_eq!(low.len(), 8);
}

#[tokio::test]
async fn the_queue_is_bounded_and_says_so_at_once() {
    let valve = Valve::shut().await;
    let queue = json!({"max": 3, "wait": "60s"});
    let mut config = config(&valve, json!({"concurrent": 1}), queue);
    config.key("k", &key("k"), json!({}));
    let gateway = Gateway::start(&config).await;
    let mut asks = JoinSet::new();
    ask(&mut asks, &gateway, "k", 1);
    valve.was_asked(1).await;
    ask(&mut asks, &gateway, "k", 3);
    waits(&gateway, 3).await;
    let turned = gateway.chat("p", "x").send().await;
    let said = turned.refused(503, "overloaded");
    assert!(said.contains("provider p"), "{said}");
    assert!(turned.header("retry-after").is_some());
    valve.lets(4);
    all_good(asks).await;
    let metrics = gateway.admin("/metrics").await.text();
    assert!(
        metrics.contains("yumen_queue_refused_total{provider=\"p\",reason=\"full\"} 1"),
        "{metrics}"
    );
    assert_eq!(valve.asked().len(), 4);
}

#[tokio::test]
async fn what_cannot_be_in_time_is_told_at_once() {
    let valve = Valve::shut().await;
    let config = config(&valve, json!({"rpm": 2}), json!({"wait": "20s"}));
    let gateway = Gateway::start(&config).await;
    valve.lets(9);
    for _ in 0..2 {
        assert_eq!(gateway.chat("p", "x").send().await.status, 200);
    }
    // The next turn is in half a minute.
    let late = gateway.chat("p", "x").limit(LONG).send().await;
    let said = late.refused(429, "rate_limit_exceeded");
    assert!(
        said.contains("2 requests per minute of provider p"),
        "{said}"
    );
    let after: u64 = late.header("retry-after").unwrap().parse().unwrap();
    assert!((10..=30).contains(&after), "{after}");
    assert!(late.took < Duration::from_secs(9), "{:?}", late.took);
    assert_eq!(valve.asked().len(), 2);
    let record = gateway.record(&late).await;
    assert_eq!(record["code"], "rate_limit_exceeded");
}

#[tokio::test]
async fn the_time_of_the_request_itself_counts() {
    let valve = Valve::shut().await;
    let mut config = config(&valve, json!({"concurrent": 1}), json!({"wait": "60s"}));
    config.set("models/q", config.0["models"]["p"].clone());
    config.set("models/p/timeouts", json!({"total": "400ms"}));
    let gateway = Gateway::start(&config).await;
    let held = tokio::spawn(gateway.chat("q", "held").limit(LONG).send());
    valve.was_asked(1).await;
    let late = gateway.chat("p", "x").limit(LONG).send().await;
    let said = late.refused(429, "rate_limit_exceeded");
    assert!(said.contains("1 requests at once of provider p"), "{said}");
    assert!(late.took < Duration::from_secs(9), "{:?}", late.took);
    valve.lets(1);
    assert_eq!(held.await.unwrap().status, 200);
}

#[tokio::test]
async fn who_leaves_leaves_the_line() {
    let valve = Valve::shut().await;
    let mut config = config(&valve, json!({"concurrent": 1}), json!({"wait": "60s"}));
    config.key("k", &key("k"), json!({}));
    config.set("runtime/workers", 2);
    let gateway = Gateway::start(&config).await;
    let mut held = JoinSet::new();
    ask(&mut held, &gateway, "k", 1);
    valve.was_asked(1).await;
    let mut leaving = JoinSet::new();
    ask(&mut leaving, &gateway, "k", 64);
    waits(&gateway, 64).await;
    leaving.shutdown().await;
    waits(&gateway, 0).await;
    ask(&mut held, &gateway, "k", 1);
    waits(&gateway, 1).await;
    valve.lets(2);
    all_good(held).await;
    assert_eq!(valve.asked().len(), 2);
    let journal = gateway.journal();
    let denied = journal.of("denied");
    let gone = denied.filter(|denied| denied.payload["status"] == 499);
    assert_eq!(gone.count(), 64);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_target_without_room_is_passed_by() {
    let valve = Valve::shut().await;
    let spare = Upstream::good().await;
    let mut config = config(&valve, json!({}), json!({"wait": "60s"}));
    config.plain_at("spare", &spare.origin());
    let own = json!({"concurrent": 1});
    let targets = json!([
        {"provider": "p", "model": "some-model", "limits": own},
        {"provider": "spare", "model": "some-model", "priority": 2},
    ]);
    config.set("models/both", json!({"targets": targets}));
    let target = json!({"provider": "p", "model": "some-model", "limits": own});
    config.set("models/p/targets", json!([target]));
    // Another model of the same vendor has its own room.
    config.model("other", &[("p", "other-model")]);
    let gateway = Gateway::start(&config).await;
    let first = tokio::spawn(gateway.chat("both", "x").limit(LONG).send());
    valve.was_asked(1).await;
    let second = gateway.chat("both", "x").send().await;
    assert_eq!(second.status, 200);
    assert_eq!(second.header("x-yumen-provider"), Some("spare"));
    assert_eq!(second.header("x-yumen-attempts"), Some("1"));
    let waiting = tokio::spawn(gateway.chat("p", "waits").limit(LONG).send());
    waits(&gateway, 1).await;
    let other = tokio::spawn(gateway.chat("other", "x").limit(LONG).send());
    valve.was_asked(2).await;
    valve.lets(3);
    for task in [first, waiting, other] {
        assert_eq!(task.await.unwrap().status, 200);
    }
    assert_eq!(valve.asked().last().unwrap(), "waits");
}

#[tokio::test]
async fn what_the_vendor_shuts_stays_shut_for_so_long() {
    let asked = Arc::new(std::sync::Mutex::new(Vec::<Instant>::new()));
    let at = Arc::clone(&asked);
    let upstream = Upstream::start(move |mut conn| {
        let at = Arc::clone(&at);
        async move {
            while conn.request().await.is_some() {
                let first = {
                    let mut at = at.lock().unwrap();
                    at.push(Instant::now());
                    at.len() == 1
                };
                if first {
                    let refusal = reply("429 Too Many Requests", "application/json", "{}");
                    let refusal = refusal.replace("\r\n\r\n", "\r\nretry-after: 2\r\n\r\n");
                    conn.write(refusal.as_bytes()).await?;
                } else {
                    conn.write(good_reply().as_bytes()).await?;
                }
            }
            Ok(())
        }
    })
    .await;
    let mut config = Config::new();
    config.plain_at("p", &upstream.origin());
    config.set("providers/p/queue", json!({"wait": "30s"}));
    config.set("models/hasty", config.0["models"]["p"].clone());
    config.set("models/hasty/timeouts", json!({"total": "500ms"}));
    let gateway = Gateway::start(&config).await;
    let shut = Instant::now();
    let first = tokio::spawn(gateway.chat("p", "x").limit(LONG).send());
    until("a request upstream", || asked.lock().unwrap().len() == 1).await;
    waits(&gateway, 1).await;
    // One that has no time is told when to come back.
    let hasty = gateway.chat("hasty", "x").send().await;
    if shut.elapsed() < Duration::from_secs(1) {
        hasty.refused(429, "rate_limit_exceeded");
        assert!(hasty.header("retry-after").is_some());
    }
    let reply = first.await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("x-yumen-attempts"), Some("2"));
    let asked = asked.lock().unwrap();
    assert!(
        asked[1].duration_since(asked[0]) >= Duration::from_millis(1900),
        "it was asked again before it said"
    );
}

#[tokio::test]
async fn two_gateways_hold_a_providers_limit() {
    let valve = Valve::shut().await;
    let redis = Redis::start();
    let limits = json!({"concurrent": 3, "rpd": 40, "on_outage": "refuse"});
    let mut config = config(&valve, limits, json!({"wait": "60s"}));
    config.set("state", json!({"store": redis.address(), "timeout": "5s"}));
    config.key("k", &key("k"), json!({}));
    let both = [Gateway::start(&config).await, Gateway::start(&config).await];
    for gateway in &both {
        let end = Instant::now() + LONG;
        while !gateway
            .admin("/metrics")
            .await
            .text()
            .contains("yumen_ledger_replicas 2")
        {
            assert!(Instant::now() < end, "{}", gateway.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let mut asks = JoinSet::new();
    for gateway in &both {
        ask(&mut asks, gateway, "k", 20);
    }
    valve.was_asked(3).await;
    valve.lets(40);
    all_good(asks).await;
    assert_eq!(valve.most.load(SeqCst), 3);
    assert_eq!(valve.asked().len(), 40);
    let spent = both[0].chat("p", "x").limit(LONG).send().await;
    let said = spent.refused(429, "rate_limit_exceeded");
    assert!(said.contains("40 requests per day of provider p"), "{said}");
}
