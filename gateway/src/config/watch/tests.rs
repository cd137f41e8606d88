//! What a reload does to a config that runs, and when.

use super::*;
use crate::config::testing::{Book, FULL, env, lines};

struct Bench {
    dir: tempfile::TempDir,
    store: Arc<ConfigStore>,
}

impl Bench {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("y.yaml"), text).unwrap();
        let path = dir.path().join("y.yaml");
        let (store, _) = ConfigStore::open(path, Box::new(env), Arc::new(Book)).unwrap();
        Self {
            dir,
            store: Arc::new(store),
        }
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.dir.path().join(file), text).unwrap();
    }
}

#[test]
fn a_bad_file_never_replaces_a_running_config() {
    let bench = Bench::new(FULL);
    let running = bench.store.load();
    for bad in [
        "",
        "providers: [",
        "no_such: 1\n",
        &FULL.replace("provider: near", "provider: gone"),
        &FULL.replace("ym", "${NOPE}").replace("x-org", "${NOPE}"),
        &FULL.replace("clearance: restricted", "clearance: restrictd"),
    ] {
        bench.write("y.yaml", bad);
        let problems = bench.store.reload("test").unwrap_err();
        assert!(!problems.is_empty());
        assert!(Arc::ptr_eq(&running, &bench.store.load()), "{bad}");
    }
    bench.write(
        "y.yaml",
        &FULL.replace("clearance: restricted", "clearance: restrictd"),
    );
    let said = lines(&bench.store.reload("test").unwrap_err());
    assert!(
        said.contains("y.yaml:6:75: providers.near.clearance: there is no grade `restrictd`"),
        "{said}"
    );
    let counters = bench.store.counters();
    assert_eq!(counters.failures.load(Ordering::Relaxed), 7);
    assert_eq!(counters.reloads.load(Ordering::Relaxed), 0);

    bench.write("y.yaml", FULL);
    assert_eq!(bench.store.reload("test").unwrap().version, 2);
    assert_eq!(counters.reloads.load(Ordering::Relaxed), 1);
}

#[test]
fn a_reload_resets_no_limit_and_ends_what_was_revoked() {
    let bench = Bench::new(FULL);
    let before = bench.store.load();
    let bot = before.keys.find(b"ym-demo", 0).unwrap();
    let now = policies::limit::level::Now::default();
    let rate = Arc::clone(bot.meters().next().unwrap());
    rate.count(1, now);
    assert_eq!(rate.standing(now).remaining, 59);

    bench.write("y.yaml", &FULL.replace("weight: 3", "weight: 5"));
    let report = bench.store.reload("test").unwrap();
    assert_eq!((report.version, report.keys_stopped), (2, 0));
    let again = bench.store.load().keys.find(b"ym-demo", 0).unwrap();
    assert!(Arc::ptr_eq(again.meters().next().unwrap(), &rate));
    assert!(!bot.is_stopped());

    // The team may no longer ask for the model: the key lost something.
    bench.write(
        "y.yaml",
        &FULL.replace("models: [assistant]", "models: [small]"),
    );
    assert_eq!(bench.store.reload("test").unwrap().keys_stopped, 1);
    assert!(bot.is_stopped() && again.is_stopped());
    assert!(bench.store.load().keys.find(b"ym-demo", 0).is_ok());
}

#[test]
fn changes_are_used_once_at_rest() {
    let text = FULL.replace("planted-a", "\"file:key\"");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "first").unwrap();
    std::fs::write(dir.path().join("y.yaml"), text).unwrap();
    let path = dir.path().join("y.yaml");
    let (store, _) = ConfigStore::open(path, Box::new(env), Arc::new(Book)).unwrap();
    let bench = Bench {
        dir,
        store: Arc::new(store),
    };
    let key = || {
        let snapshot = bench.store.load();
        let provider = snapshot.provider("other").unwrap();
        provider
            .credential
            .api_key
            .as_ref()
            .unwrap()
            .expose()
            .to_owned()
    };
    assert!(bench.store.poll().is_none());
    bench.write("key", "second");
    assert!(bench.store.poll().is_none(), "used before it was at rest");
    assert_eq!(key(), "first");
    assert!(bench.store.poll().unwrap().is_ok());
    assert_eq!(key(), "second");
    assert!(bench.store.poll().is_none());

    // Touched but the same: nothing to do. Refused: said once.
    bench.write("key", "second");
    assert!(bench.store.poll().is_none() && bench.store.poll().is_none());
    bench.write("key", "");
    assert!(bench.store.poll().is_none());
    assert!(bench.store.poll().unwrap().is_err());
    assert!(bench.store.poll().is_none() && bench.store.poll().is_none());
    assert_eq!(key(), "second");
}

#[test]
fn a_refusal_to_prepare_stops_the_swap() {
    let bench = Bench::new(FULL);
    let Bench { dir, store } = bench;
    let store = Arc::into_inner(store)
        .unwrap()
        .with_prepare(Box::new(|_| Err(Vec::new())));
    assert!(store.reload("test").is_err());
    assert_eq!(store.load().version, 1);
    drop(dir);
}

#[test]
fn a_config_without_a_file_cannot_be_reloaded() {
    let text = FULL.replace("${KEY}", "inline");
    let store = ConfigStore::from_text("demo", &text, Arc::new(Book)).unwrap();
    assert!(store.load().keys.find(b"ym-demo", 0).is_ok());
    assert!(store.poll().is_none());
    assert!(store.reload("test").is_err());
    assert_eq!(store.load().version, 1);
}

#[test]
fn says_what_needs_a_restart() {
    let bench = Bench::new(FULL);
    bench.write(
        "y.yaml",
        &format!("{FULL}\nruntime: {{ workers: 3 }}\nlog: {{ level: debug }}\n"),
    );
    assert_eq!(
        bench.store.reload("test").unwrap().needs_restart,
        ["runtime", "log"]
    );
}

#[tokio::test]
async fn watches_until_shutdown() {
    let bench = Bench::new(FULL);
    bench.write("y.yaml", &FULL.replace("weight: 3", "weight: 7"));
    let store = Arc::clone(&bench.store);
    let changed = async {
        while store.load().version < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let watching = Arc::clone(&bench.store).watch(Hangup::new(), changed);
    tokio::time::timeout(Duration::from_secs(10), watching)
        .await
        .unwrap();
}
