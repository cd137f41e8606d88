//! The running config, and how another takes its place.
//!
//! Loading is parse → check → build → swap, and only the swap is seen by traffic. Invariants: a config that cannot be used
//! never replaces a running one, and why is logged with file, line and column; a reload resets no limit; a key that lost
//! something ends its streams. Reloads follow one another, never overlap. Spawns nothing: whoever runs the gateway awaits
//! [`ConfigStore::watch`].

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use journal::clock::Clock;
use policies::limit::Books;
use policies::limit::level::Now;
use serde::Serialize;

use super::apart::apart;
use super::build::{Built, Found, Ground, build, unix_ms};
use super::files::Watched;
use super::load::{Loaded, load, load_text};
use super::problem::Problem;
use super::snapshot::Snapshot;
use super::vendors::VendorBook;
use crate::access::Keyring;
use crate::identity;

/// How often files are looked at. A change is used once it has looked the same twice, so within two of these.
pub const POLL: Duration = Duration::from_secs(1);

/// Where variables come from.
pub type Env = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Called with a snapshot that is about to be used; may refuse it. Whoever keeps something made from a snapshot (a TLS
/// acceptor) makes it here, so that a failure stops the swap.
pub type Prepare = Box<dyn Fn(&Snapshot) -> Result<(), Vec<Problem>> + Send + Sync>;

/// What a reload came to.
pub enum Reloaded<'a> {
    /// The second config took the first one's place.
    Used {
        /// The config that was.
        before: &'a Snapshot,
        /// The config that is.
        after: &'a Snapshot,
    },
    /// The running one stays.
    Refused(&'a [Problem]),
}

/// Is told of every reload, with what set it off (`sighup`, `change`, `api`), before the next one can begin.
pub type Witness = Box<dyn Fn(&'static str, &Reloaded<'_>) + Send + Sync>;

/// What reloads came to, for metrics.
#[derive(Debug, Default)]
pub struct ReloadCounters {
    /// Reloads that were used, the first load not counted.
    pub reloads: AtomicU64,
    /// Reloads that were refused.
    pub failures: AtomicU64,
    /// Unix seconds of the last load that was used.
    pub last_success_s: AtomicU64,
}

/// What a reload did.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version now running.
    pub version: u64,
    /// Keys and users whose requests and streams were ended.
    pub keys_stopped: usize,
    /// Settings that changed but are read at start only.
    pub needs_restart: Vec<&'static str>,
    /// Warnings.
    pub warnings: Vec<Problem>,
}

/// The running config.
pub struct ConfigStore {
    current: ArcSwap<Snapshot>,
    path: PathBuf,
    env: Env,
    book: Arc<dyn VendorBook>,
    books: Arc<Books>,
    prepare: Option<Prepare>,
    witness: OnceLock<Witness>,
    keyring: OnceLock<Arc<Keyring>>,
    clock: OnceLock<Arc<dyn Clock>>,
    counters: Arc<ReloadCounters>,
    /// What the running snapshot was built from, if it may be built once more from the same: with many keys it is large.
    loaded: ArcSwapOption<Loaded>,
    /// Models that providers were found to have.
    found: Mutex<Found>,
    /// Snapshots that were replaced and may still be used by streams.
    old: Mutex<Vec<Arc<Snapshot>>>,
    /// Held for a whole reload: one at a time.
    watched: Mutex<Watched>,
}

impl ConfigStore {
    /// Loads the config at `path` for the first time.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn open(
        path: impl Into<PathBuf>,
        env: Env,
        book: Arc<dyn VendorBook>,
    ) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let path = path.into();
        let books = Arc::new(Books::default());
        let now = SystemTime::now();
        let ground = Ground {
            book: &*book,
            books: &books,
            before: None,
            now,
            found: None,
        };
        let (kept, built) = apart(
            || load(&path, &*env),
            |loaded| Ok((kept(loaded), build(loaded, &ground)?)),
        )?;
        let Built {
            snapshot,
            warnings,
            files,
            digest,
        } = built;
        let store = Self {
            watched: Mutex::new(Watched::of(&path, files, digest)),
            current: ArcSwap::from_pointee(snapshot),
            loaded: ArcSwapOption::new(kept),
            found: Mutex::default(),
            old: Mutex::default(),
            path,
            env,
            book,
            books,
            prepare: None,
            witness: OnceLock::new(),
            keyring: OnceLock::new(),
            clock: OnceLock::new(),
            counters: Arc::default(),
        };
        store.succeeded(now);
        Ok((store, warnings))
    }

    /// A store around a config that no file stands behind: the demo's. `name` stands for the file in problems. Its reload
    /// always fails.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn from_text(
        name: &str,
        text: &str,
        book: Arc<dyn VendorBook>,
    ) -> Result<Self, Vec<Problem>> {
        let books = Arc::new(Books::default());
        let now = SystemTime::now();
        let loaded = Arc::new(load_text(name, text, Path::new(""), &|_| None)?);
        let ground = Ground {
            book: &*book,
            books: &books,
            before: None,
            now,
            found: None,
        };
        let store = Self {
            current: ArcSwap::from_pointee(build(&loaded, &ground)?.snapshot),
            loaded: ArcSwapOption::new(kept(&loaded)),
            found: Mutex::default(),
            old: Mutex::default(),
            path: PathBuf::new(),
            env: Box::new(|_| None),
            book,
            books,
            prepare: None,
            witness: OnceLock::new(),
            keyring: OnceLock::new(),
            clock: OnceLock::new(),
            counters: Arc::default(),
            watched: Mutex::default(),
        };
        store.succeeded(now);
        Ok(store)
    }

    /// Has `prepare` called before every further swap. The snapshot already running is the caller's to prepare.
    #[must_use]
    pub fn with_prepare(mut self, prepare: Prepare) -> Self {
        self.prepare = Some(prepare);
        self
    }

    /// Has `witness` told of every reload from now on; only the first one that is given counts.
    pub fn witnessed_by(&self, witness: Witness) {
        let _ = self.witness.set(witness);
    }

    /// Gives this and every further config the dynamic keys of `keyring`; only the first one that is given counts.
    pub fn with_keys_of(&self, keyring: Arc<Keyring>) {
        let keyring = self.keyring.get_or_init(|| keyring);
        let mut hold = keyring.hold();
        let snapshot = self.load();
        let before = snapshot.keys.dynamic();
        hold.dress(&snapshot, &before, self.grounds(), unix_ms(self.now()));
    }

    /// What a config is built with beside its text: vendors, and limits by name.
    #[must_use]
    pub fn grounds(&self) -> (&dyn VendorBook, &Books) {
        (&*self.book, &self.books)
    }

    /// The time, as reloads go by it.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// The same on both clocks of limits: from when on limits are used, that of [`timed_by`](Self::timed_by).
    #[must_use]
    pub fn moment(&self) -> Now {
        let wall_ms = i64::try_from(unix_ms(self.now())).unwrap_or(i64::MAX);
        self.clock.get().map_or(
            Now {
                mono_ns: 0,
                wall_ms,
            },
            |clock| Now {
                mono_ns: clock.mono_ns(),
                wall_ms: clock.wall_ms(),
            },
        )
    }

    /// Has limits go by this clock; only the first one that is given counts.
    pub fn timed_by(&self, clock: Arc<dyn Clock>) {
        let _ = self.clock.set(clock);
    }

    fn tell(&self, why: &'static str, reloaded: &Reloaded<'_>) {
        if let Some(witness) = self.witness.get() {
            witness(why, reloaded);
        }
    }

    /// The running config. Once per request, which keeps it to its end.
    #[must_use]
    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// What reloads came to.
    #[must_use]
    pub fn counters(&self) -> Arc<ReloadCounters> {
        Arc::clone(&self.counters)
    }

    /// Loads the file again and swaps. Blocks for as long as reading and checking takes: milliseconds.
    ///
    /// # Errors
    /// Everything wrong; the running config stays.
    pub fn reload(&self, why: &'static str) -> Result<Report, Vec<Problem>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        self.reload_locked(why, &mut watched)
    }

    fn reload_locked(
        &self,
        why: &'static str,
        watched: &mut Watched,
    ) -> Result<Report, Vec<Problem>> {
        let now = SystemTime::now();
        let before = self.load();
        let outcome = apart(
            || load(&self.path, &*self.env),
            |loaded| Ok((kept(loaded), self.make(loaded, &before, now)?)),
        );
        match outcome {
            Ok((kept, built)) => {
                self.loaded.store(kept);
                *watched = Watched::of(&self.path, built.files, built.digest);
                let after = Arc::new(built.snapshot);
                let keys_stopped = self.swap(&before, &after, now);
                let people = identity::reloaded(
                    before.identity.as_ref(),
                    after.identity.as_ref(),
                    self.moment(),
                );
                let keys_stopped = keys_stopped + people;
                let report = Report {
                    version: after.version,
                    keys_stopped,
                    needs_restart: needs_restart(&before, &after),
                    warnings: built.warnings,
                };
                self.tell(
                    why,
                    &Reloaded::Used {
                        before: &before,
                        after: &after,
                    },
                );
                drop(after);
                self.retire(before);
                self.books.prune(self.moment());
                self.succeeded(now);
                self.counters.reloads.fetch_add(1, Ordering::Relaxed);
                Ok(report)
            }
            Err(problems) => {
                // What was refused is not tried again until it changes.
                watched.refused();
                self.counters.failures.fetch_add(1, Ordering::Relaxed);
                self.tell(why, &Reloaded::Refused(&problems));
                Err(problems)
            }
        }
    }

    /// Puts `after` in the place of `before`, with the dynamic keys as it understands them. Returns how many keys ended.
    fn swap(&self, before: &Snapshot, after: &Arc<Snapshot>, now: SystemTime) -> usize {
        // Held over the swap: a key that is revoked meanwhile must not come back with the new table.
        let mut hold = self.keyring.get().map(|keyring| keyring.hold());
        if let Some(hold) = &mut hold {
            let dynamic = before.keys.dynamic();
            hold.dress(after, &dynamic, self.grounds(), unix_ms(now));
        }
        self.current.store(Arc::clone(after));
        after.keys.stop_what_lost(&before.keys)
    }

    fn make(
        &self,
        loaded: &Loaded,
        before: &Snapshot,
        now: SystemTime,
    ) -> Result<Built, Vec<Problem>> {
        let found = self
            .found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let built = build(
            loaded,
            &Ground {
                book: &*self.book,
                books: &self.books,
                before: Some(before),
                now,
                found: Some(&found),
            },
        )?;
        if let Some(prepare) = &self.prepare {
            prepare(&built.snapshot)?;
        }
        Ok(built)
    }

    /// Builds the running config once more, with other models found. The file is not read: what is in it now may not be at rest.
    ///
    /// # Errors
    /// A certificate that cannot be read any more, say; the running snapshot stays, and what was found is used by the next.
    pub fn rediscovered(&self, found: Found) -> Result<(), Vec<Problem>> {
        // Not beside a reload.
        let _watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        let (before, now) = (self.load(), SystemTime::now());
        let Some(loaded) = self.loaded.load_full() else {
            return Ok(());
        };
        let built = self.make(&loaded, &before, now)?;
        self.swap(&before, &Arc::new(built.snapshot), now);
        self.retire(before);
        self.books.prune(self.moment());
        Ok(())
    }

    /// Keeps a snapshot that has had its time until nobody uses it: the last stream of it, on a worker, would take apart all
    /// its keys while others wait.
    fn retire(&self, before: Arc<Snapshot>) {
        let mut old = self.old.lock().unwrap_or_else(PoisonError::into_inner);
        old.push(before);
        drop(old);
        self.bury();
    }

    /// Takes apart what is not used any more.
    fn bury(&self) {
        let mut old = self.old.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = |snapshot: &mut Arc<Snapshot>| Arc::strong_count(snapshot) == 1;
        let gone: Vec<_> = old.extract_if(.., unused).collect();
        drop(old);
        drop(gone);
    }

    /// What the process remembers of limits.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }

    fn succeeded(&self, now: SystemTime) {
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.map_or(0, |since| since.as_secs());
        self.counters
            .last_success_s
            .store(seconds, Ordering::Relaxed);
    }

    /// Looks at the files, and reloads if a change of theirs has come to rest. `None`: nothing to do. Blocks shortly.
    pub fn poll(&self) -> Option<Result<Report, Vec<Problem>>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched
            .poll()
            .then(|| self.reload_locked("change", &mut watched))
    }

    /// Reloads on SIGHUP and when the config, or a file that it refers to, changes; until `shutdown`. From the call on, not
    /// only from the first poll, a SIGHUP does not end the process.
    pub fn watch(self: Arc<Self>, shutdown: impl Future<Output = ()>) -> impl Future<Output = ()> {
        let hangup = Hangup::new();
        self.watch_on(hangup, shutdown)
    }

    async fn watch_on(self: Arc<Self>, mut hangup: Hangup, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut tick = tokio::time::interval(POLL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let why = tokio::select! {
                () = &mut shutdown => return,
                () = hangup.recv() => "sighup",
                _ = tick.tick() => "change",
            };
            let store = Arc::clone(&self);
            // Files may lie on a network: not on a worker that serves streams.
            let done = tokio::task::spawn_blocking(move || {
                store.bury();
                if why == "sighup" {
                    Some(store.reload(why))
                } else {
                    store.poll()
                }
            });
            match done.await {
                Ok(Some(outcome)) => log(why, &outcome),
                Ok(None) => {}
                Err(_) => tracing::error!("config reload panicked; the running config stays"),
            }
        }
    }
}

/// What is kept to build the running config once more: nothing, unless some provider is asked for its models.
fn kept(loaded: &Arc<Loaded>) -> Option<Arc<Loaded>> {
    let mut providers = loaded.config.providers.values();
    let discovers = providers.any(|provider| provider.discover);
    discovers.then(|| Arc::clone(loaded))
}

/// SIGHUP, where there is one.
struct Hangup(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl Hangup {
    #[cfg(unix)]
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(
            signal(SignalKind::hangup())
                .inspect_err(
                    |error| tracing::warn!(%error, "no sighup: reload by file change only"),
                )
                .ok(),
        )
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self()
    }

    async fn recv(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}

/// Logs what a reload came to, a line per problem.
pub fn log(why: &'static str, outcome: &Result<Report, Vec<Problem>>) {
    match outcome {
        Ok(report) => {
            for problem in &report.warnings {
                tracing::warn!(%problem, "config warning");
            }
            if !report.needs_restart.is_empty() {
                let settings = report.needs_restart.join(", ");
                tracing::warn!(settings, "changed settings are read at start only");
            }
            tracing::info!(
                why,
                version = report.version,
                keys_stopped = report.keys_stopped,
                "config reloaded"
            );
        }
        Err(problems) => {
            for problem in problems {
                tracing::error!(why, %problem, "config refused; the running one stays");
            }
        }
    }
}

/// Settings read at start only that differ.
fn needs_restart(before: &Snapshot, after: &Snapshot) -> Vec<&'static str> {
    type Get = fn(&Snapshot) -> String;
    let differ = |get: Get| get(before) != get(after);
    let rows: [(&'static str, Get); 7] = [
        ("listen", |s| s.listen.to_string()),
        ("admin.listen", |s| s.admin.listen.to_string()),
        ("tls", |s| s.tls.is_some().to_string()),
        ("audit", |s| format!("{:?}", s.audit.at_start())),
        ("runtime", |s| format!("{:?}", s.runtime)),
        ("state", |s| s.state.mark.to_string()),
        ("log", |s| format!("{:?}", s.log)),
    ];
    let changed = rows.into_iter().filter(|(_, get)| differ(*get));
    changed.map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
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
        let watching = Arc::clone(&bench.store).watch(changed);
        tokio::time::timeout(Duration::from_secs(10), watching)
            .await
            .unwrap();
    }
}
