//! Keys and teams that are made while the gateway runs: what is known of them, and how that gets into the table of keys.
//!
//! Documents lie in this process's memory; where they are kept is [`Backend`]'s: a file database, or a Redis that replicas
//! share. Knows no HTTP. Blocks: all of it runs on threads of its own, never on a worker. Invariants: a change is kept
//! before it is told and before it works; of two revisions of a document the newer counts, in whatever order they come;
//! the table of a new config has the dynamic keys before its first request; what was revoked here never comes back here.

mod doc;
mod known;
mod local;
mod ops;
mod pasted;
mod shared;
#[cfg(test)]
mod tests;
mod view;
mod words;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use ledger::{Doc, Written};
use policies::access::dynamic::{Dynamic, Pepper};
use policies::limit::Books;

use crate::config::build::unix_ms;
use crate::config::snapshot::{Snapshot, State};
use crate::config::vendors::VendorBook;
use crate::config::watch::ConfigStore;
use crate::secret::Secret;
use known::{Known, Touched};
use local::Local;
pub use ops::{Answer, Refusal, Who};
pub(crate) use pasted::holds_secret;
use shared::Shared;
pub use shared::{follow, read_first};

/// Most documents, those of revoked keys included: some 500 bytes of memory each.
pub const DOCS_MAX: usize = 200_000;

/// What names of documents begin with.
const KEYS: &str = "key/";
const TEAMS: &str = "team/";

/// Where documents are kept.
enum Backend {
    Local(Local),
    Shared(Shared),
}

/// All dynamic keys and teams.
pub struct Keyring {
    backend: Backend,
    /// `state.pepper`, if the config has one.
    given: Option<Secret>,
    known: Mutex<Known>,
    /// Held from looking at a key or a team to keeping it: of two who want the same certificate or hash one is refused,
    /// nothing is changed by who did not see the last change, and nothing is written down that is then refused.
    judging: Mutex<()>,
    /// The shared store answered when it was last asked; a file always does.
    up: AtomicBool,
}

/// What hashes are keyed with.
#[derive(Clone)]
struct Salt {
    pepper: Pepper,
    /// Where it was made here and is kept beside the keys, so that it can be put back there.
    made: Option<Secret>,
}

/// What is known, held for as long as one config takes another's place.
pub struct Hold<'a>(MutexGuard<'a, Known>);

impl Keyring {
    /// What `state` of the config says, with what was kept before.
    ///
    /// # Errors
    /// The file database cannot be opened or read.
    pub fn open(state: &State) -> anyhow::Result<Self> {
        let keyring = match &state.shelf {
            Some(store) => Self::with(Backend::Shared(Shared::new(store)), state),
            None => Self::with(Backend::Local(Local::open(Path::new(&*state.dir))?), state),
        };
        if let Backend::Local(local) = &keyring.backend {
            let docs = local.all().context("the state directory cannot be read")?;
            let mut known = keyring.known();
            known.read = true;
            if !docs.is_empty() || local.has_pepper() {
                known.salt = Some(keyring.salt()?);
            }
            for doc in docs {
                known.put(doc);
            }
            drop(known);
        }
        Ok(keyring)
    }

    fn with(backend: Backend, state: &State) -> Self {
        Self {
            up: AtomicBool::new(matches!(backend, Backend::Local(_))),
            backend,
            given: state.pepper.clone(),
            known: Mutex::default(),
            judging: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change under the lock is whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One change of keys and teams at a time.
    fn alone(&self) -> MutexGuard<'_, ()> {
        self.judging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds what is known while a config takes another's place: nothing changes in between.
    pub fn hold(&self) -> Hold<'_> {
        Hold(self.known())
    }

    /// Whether the store of keys answered when it was last asked.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// The pepper: of the config, or what this directory or the shared store has, made at the first need.
    fn salt(&self) -> anyhow::Result<Salt> {
        if let Some(given) = &self.given {
            return Ok(Salt {
                pepper: Pepper::new(given.expose().as_bytes()),
                made: None,
            });
        }
        let made = match &self.backend {
            Backend::Local(local) => local.pepper(shared::random_hex)?,
            Backend::Shared(shared) => shared.pepper(shared::random_hex()?)?,
        };
        Ok(Salt {
            pepper: Pepper::new(made.as_bytes()),
            made: Some(Secret::new(made)),
        })
    }

    /// The same, kept for as long as the process runs.
    fn salted(&self) -> anyhow::Result<Pepper> {
        if let Some(salt) = &self.known().salt {
            return Ok(salt.pepper.clone());
        }
        let salt = self.salt()?;
        Ok(self.known().salt.get_or_insert(salt).pepper.clone())
    }

    /// Writes a document over revision `known`.
    fn write(&self, doc: &Doc, known: u64) -> anyhow::Result<Written> {
        match &self.backend {
            Backend::Local(local) => local.write(doc, known, DOCS_MAX as u64),
            Backend::Shared(shared) => {
                // Whether a write that was not answered was made nobody knows; made once more, it says so.
                let written = shared
                    .write(doc, known)
                    .or_else(|_| shared.write(doc, known));
                self.up.store(written.is_ok(), Ordering::Relaxed);
                written
            }
        }
    }

    /// Ends a key on this replica alone, until the shared store can be told.
    fn revoke_here(&self, store: &ConfigStore, id: &str, done: doc::Done) {
        let mut known = self.known();
        known.revoked.insert(id.to_owned(), done);
        let mut touched = Touched::default();
        known.touch(id, &mut touched);
        let snapshot = store.load();
        let (before, now_ms) = (snapshot.keys.dynamic(), unix_ms(store.now()));
        let mut frame = known.frame(&snapshot, store.grounds(), now_ms);
        let after = known.renewed(&mut frame, &before, touched, now_ms);
        snapshot.keys.set_dynamic(after);
        snapshot.keys.dynamic().stop_what_lost(&before);
    }

    /// Takes in documents that were written, here or elsewhere, and lets them work. Returns how many principals ended.
    fn take_in(&self, store: &ConfigStore, docs: Vec<Doc>) -> usize {
        let mut known = self.known();
        let mut touched = Touched::default();
        let mut all = !std::mem::replace(&mut known.read, true);
        for doc in docs {
            let kept = known.docs.get(&*doc.name);
            if kept.is_some_and(|kept| kept.rev >= doc.rev) {
                continue;
            }
            match doc.name.strip_prefix(KEYS).map(Box::<str>::from) {
                Some(id) => {
                    known.touch(&id, &mut touched);
                    touched.marks.extend(known.put(doc));
                }
                None => {
                    all = true;
                    known.put(doc);
                }
            }
        }
        if touched.ids.is_empty() && !all {
            return 0;
        }
        let snapshot = store.load();
        let (before, now_ms) = (snapshot.keys.dynamic(), unix_ms(store.now()));
        let mut frame = known.frame(&snapshot, store.grounds(), now_ms);
        let mut people = 0;
        if all {
            frame.teach(false);
            let directory = snapshot.identity.as_ref();
            people = directory.map_or(0, |directory| directory.renew(store.moment()));
        }
        let Some(pepper) = known.pepper() else {
            // Without one there has never been a key.
            snapshot.keys.set_dynamic(Dynamic::default());
            return people;
        };
        let after = if all || before.pepper().is_none() {
            known.table(&mut frame, pepper, &before, now_ms)
        } else {
            known.renewed(&mut frame, &before, touched, now_ms)
        };
        snapshot.keys.set_dynamic(after);
        people + snapshot.keys.dynamic().stop_what_lost(&before)
    }
}

impl Hold<'_> {
    /// Gives `snapshot` the dynamic keys, before it is used. `before` is the table in whose place it comes.
    pub fn dress(
        &mut self,
        snapshot: &Snapshot,
        before: &Dynamic,
        grounds: (&dyn VendorBook, &Books),
        now_ms: u64,
    ) {
        let known = &mut *self.0;
        let mut frame = known.frame(snapshot, grounds, now_ms);
        frame.teach(!known.read);
        let table = match (known.pepper(), known.read) {
            (_, false) => Dynamic::unread(),
            (None, true) => Dynamic::default(),
            (Some(pepper), true) => known.table(&mut frame, pepper, before, now_ms),
        };
        snapshot.keys.set_dynamic(table);
    }
}

/// A store and its keyring, as whoever administers keys has them.
#[derive(Clone)]
pub struct Access {
    /// The running config.
    pub store: Arc<ConfigStore>,
    /// What is known.
    pub keyring: Arc<Keyring>,
    /// The audit log, which every change becomes an entry of.
    pub journal: Arc<journal::Journal>,
}
