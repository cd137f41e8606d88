//! The running config, and how another takes its place.
//!
//! Loading is parse → check → build → swap, and only the swap is seen by traffic. Invariants: a config that cannot be used
//! never replaces a running one, and why is logged with file, line and column; a reload resets no limit; a key that lost
//! something ends its streams. Reloads follow one another, never overlap. Spawns nothing: whoever runs the gateway awaits
//! [`ConfigStore::watch`].

mod follow;
mod reload;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use journal::clock::Clock;
use policies::limit::Books;
use policies::limit::level::Now;
use serde::Serialize;

pub use follow::Hangup;
pub use reload::log;

use self::reload::kept;
use super::apart::apart;
use super::build::{Built, Found, Ground, build, unix_ms};
use super::files::Watched;
use super::load::{Loaded, load, load_text};
use super::problem::Problem;
use super::snapshot::Snapshot;
use super::vendors::VendorBook;
use crate::access::Keyring;

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
    /// Unix milliseconds when the certificate of the data endpoint expires; 0: there is none.
    pub tls_ends_ms: AtomicU64,
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

    /// What the process remembers of limits.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }

    fn succeeded(&self, now: SystemTime) {
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.map_or(0, |since| since.as_secs());
        let counters = &self.counters;
        counters.last_success_s.store(seconds, Ordering::Relaxed);
        let ends = self.load().tls_ends_ms.unwrap_or(0);
        counters.tls_ends_ms.store(ends, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
