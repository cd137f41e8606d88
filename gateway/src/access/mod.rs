//! Keys and teams that are made while the gateway runs: what is known of them, and how that gets into the table of keys.
//!
//! Documents lie in this process's memory; where they are kept is [`Backend`]'s: a file database, or a Redis that replicas
//! share. Knows no HTTP. Blocks: all of it runs on threads of its own, never on a worker. Invariants: a change is kept
//! before it is told and before it works; of two revisions of a document the newer counts, in whatever order they come;
//! the table of a new config has the dynamic keys before its first request; what was revoked here never comes back here.

mod doc;
mod local;
mod ops;
mod pasted;
mod shared;
#[cfg(test)]
mod tests;
mod view;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use ledger::{Doc, Written};
use policies::access::dynamic::{Dynamic, Pepper};
use policies::access::keys::KeySpec;
use policies::access::token::{Digest, show_digest};
use policies::limit::Books;

use crate::config::build::unix_ms;
use crate::config::dynamic::Frame;
use crate::config::schema::{Certificate, Key};
use crate::config::snapshot::{Snapshot, State};
use crate::config::vendors::VendorBook;
use crate::config::watch::ConfigStore;
use crate::secret::Secret;
use doc::{KeyDoc, TeamDoc};
use local::Local;
pub use ops::{Answer, Refusal, Who};
use shared::Shared;
pub use shared::{follow, read_first};

/// Most documents, those of revoked keys included: some 400 bytes of memory each.
pub const DOCS_MAX: usize = 200_000;

/// Keys that are judged and built at once.
const BUILT_AT_ONCE: usize = 500;

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
    /// Held from judging a key to keeping it, so that of two that want the same certificate or hash one is refused.
    judging: Mutex<()>,
    /// The shared store answered when it was last asked; a file always does.
    up: AtomicBool,
}

/// What is known, and may be used.
#[derive(Default)]
struct Known {
    /// By name, [`KEYS`] or [`TEAMS`] and an id. Sorted: a list's cursor is an id.
    docs: BTreeMap<Box<str>, Kept>,
    /// Ids of the keys that name a certificate and were not revoked, fit or not, and when they were made: it stands for the
    /// oldest. Replicas that do not hear of each other at once may make several.
    certificates: HashMap<Digest, BTreeSet<(u64, Box<str>)>>,
    salt: Option<Salt>,
    /// Keys and teams that do not fit the running config, and why.
    unfit: HashMap<Box<str>, Box<str>>,
    /// Ids of keys that were revoked here while the shared store was away, and by whom: they do not work, and the store is
    /// told when it is back.
    revoked: BTreeMap<String, doc::Done>,
    /// The shared store was read at least once.
    read: bool,
}

/// What hashes are keyed with.
#[derive(Clone)]
struct Salt {
    pepper: Pepper,
    /// Where it was made here and is kept beside the keys, so that it can be put back there.
    made: Option<Secret>,
}

/// A document in memory.
struct Kept {
    rev: u64,
    text: Box<str>,
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

    /// One change of keys at a time.
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
        let gone = known.digests(id);
        let keys = &store.load().keys;
        let before = keys.dynamic();
        keys.set_dynamic(before.with(&gone, Vec::new(), unix_ms(store.now())));
        keys.dynamic().stop_what_lost(&before);
    }

    /// Takes in documents that were written, here or elsewhere, and lets them work. Returns how many principals ended.
    fn take_in(&self, store: &ConfigStore, docs: Vec<Doc>) -> usize {
        let mut known = self.known();
        let mut gone: Vec<Digest> = Vec::new();
        let mut keys: Vec<Box<str>> = Vec::new();
        let mut certificates: Vec<Digest> = Vec::new();
        let mut all = !std::mem::replace(&mut known.read, true);
        for doc in docs {
            let kept = known.docs.get(&*doc.name);
            if kept.is_some_and(|kept| kept.rev >= doc.rev) {
                continue;
            }
            if let Some(id) = doc.name.strip_prefix(KEYS) {
                keys.push(id.into());
                gone.extend(known.digests(id));
            } else {
                all = true;
            }
            certificates.extend(known.put(doc).into_iter().flatten());
        }
        // A certificate may come to another key that names it, or go from one.
        let mut others = known.holders(&certificates);
        for id in &keys {
            others.remove(id);
        }
        for id in others {
            gone.extend(known.digests(&id));
            keys.push(id);
        }
        if keys.is_empty() && !all {
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
            let specs = known.build(&mut frame, &pepper, &keys, now_ms);
            before.with(&gone, specs, now_ms)
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

impl Known {
    /// Takes in a document. Returns the certificates that it named and that it names.
    fn put(&mut self, doc: Doc) -> [Option<Digest>; 2] {
        let kept = Kept {
            rev: doc.rev,
            text: doc.text.into(),
        };
        let Some(id) = doc.name.strip_prefix(KEYS) else {
            self.docs.insert(doc.name.into(), kept);
            return [None; 2];
        };
        let old = self.docs.get(&*doc.name).and_then(Kept::certificate);
        if let Some((name, made)) = old
            && let Some(all) = self.certificates.get_mut(&name)
        {
            all.remove(&(made, id.into()));
            if all.is_empty() {
                self.certificates.remove(&name);
            }
        }
        let new = kept.certificate();
        if let Some((name, made)) = new {
            let all = self.certificates.entry(name).or_default();
            all.insert((made, id.into()));
        }
        self.docs.insert(doc.name.into(), kept);
        [old, new].map(|named| named.map(|(name, _)| name))
    }

    /// The keys that name one of these certificates.
    fn holders(&self, names: &[Digest]) -> BTreeSet<Box<str>> {
        let all = names.iter().filter_map(|name| self.certificates.get(name));
        all.flatten().map(|(_, id)| id.clone()).collect()
    }

    /// The key that a certificate stands for, fit or not: of several that name it the oldest.
    fn holder(&self, name: &Digest) -> Option<&str> {
        let (_, id) = self.certificates.get(name)?.first()?;
        Some(id)
    }

    fn pepper(&self) -> Option<Pepper> {
        self.salt.as_ref().map(|salt| salt.pepper.clone())
    }

    fn kept(&self, kind: &str, id: &str) -> Option<&Kept> {
        self.docs.get(&*format!("{kind}{id}"))
    }

    /// The documents of a kind behind an id, by id.
    fn of_kind(&self, kind: &'static str, after: &str) -> impl Iterator<Item = (&str, &Kept)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = format!("{kind}{after}");
        self.docs
            .range::<str, _>((Excluded(&*from), Unbounded))
            .map_while(move |(name, kept)| Some((name.strip_prefix(kind)?, kept)))
    }

    /// By what a key is found, its old secrets too.
    fn digests(&self, id: &str) -> Vec<Digest> {
        let doc = self.kept(KEYS, id).and_then(Kept::key);
        let (Some(doc), Some(pepper)) = (doc, self.pepper()) else {
            return Vec::new();
        };
        // Those whose time is over too: they may stand in the table still.
        let all = doc.found_by(&pepper, 0).into_iter();
        all.map(|(digest, _)| digest).collect()
    }

    /// A frame of this config with all dynamic teams in it.
    fn frame<'a>(
        &mut self,
        snapshot: &'a Snapshot,
        grounds: (&'a dyn VendorBook, &'a Books),
        now_ms: u64,
    ) -> Frame<'a> {
        let mut frame = Frame::new(snapshot, grounds, now_ms);
        let teams = self.of_kind(TEAMS, "").filter_map(|(name, kept)| {
            let doc = kept.team().filter(|doc| doc.about.ended.is_none())?;
            Some((name.to_owned(), doc.team))
        });
        let teams = teams.collect();
        let unfit = frame.add_teams(teams);
        self.unfit.retain(|name, _| !name.starts_with(TEAMS));
        for (name, why) in unfit {
            tracing::warn!(team = name, why, "a team cannot be used under this config");
            self.unfit
                .insert(format!("{TEAMS}{name}").into(), why.into());
        }
        frame
    }

    /// A table of all keys, built some at a time: what is made in between takes several times the room of what stays.
    fn table(
        &mut self,
        frame: &mut Frame<'_>,
        pepper: Pepper,
        before: &Dynamic,
        now_ms: u64,
    ) -> Dynamic {
        let all: Vec<Box<str>> = self.of_kind(KEYS, "").map(|(id, _)| id.into()).collect();
        let keyed = pepper.clone();
        let specs = all
            .chunks(BUILT_AT_ONCE)
            .flat_map(|ids| self.build(frame, &keyed, ids, now_ms));
        Dynamic::build(pepper, specs, before, now_ms)
    }

    /// What the table is built from, of these keys.
    fn build(
        &mut self,
        frame: &mut Frame<'_>,
        pepper: &Pepper,
        ids: &[Box<str>],
        now_ms: u64,
    ) -> Vec<KeySpec> {
        let mut unfit: Vec<(Box<str>, String)> = Vec::new();
        let mut keys: Vec<Key> = Vec::new();
        let mut secrets: Vec<Vec<(Digest, Option<u64>)>> = Vec::new();
        let mut named: HashSet<Box<str>> = HashSet::new();
        let mut add = |id: &str, kept: &Kept| {
            let Some(mut doc) = kept.key() else {
                unfit.push((id.into(), "another version of yumen wrote it".to_owned()));
                return;
            };
            if doc.about.ended.is_some() || self.revoked.contains_key(id) {
                return;
            }
            let certificate = doc.key.certificate.as_ref().and_then(Certificate::name);
            let holder = certificate.and_then(|name| self.holder(&name));
            if let Some(other) = holder.filter(|other| *other != id) {
                if doc.secrets.is_empty() {
                    let why = format!("its certificate stands for the key `{other}`");
                    unfit.push((id.into(), why));
                    return;
                }
                let why = "its certificate stands for another key; its secrets work";
                tracing::warn!(key = id, other, why);
                doc.key.certificate = None;
            }
            let valid = doc.found_by(pepper, now_ms);
            let Some((first, _)) = valid.first() else {
                unfit.push((id.into(), "it was hashed with another pepper".to_owned()));
                return;
            };
            doc.key.hash = Some(show_digest(first));
            keys.push(doc.key);
            secrets.push(valid);
        };
        for id in ids {
            named.insert(format!("{KEYS}{id}").into());
            if let Some(kept) = self.kept(KEYS, id) {
                add(id, kept);
            }
        }
        let ids: Vec<Box<str>> = keys.iter().map(|key| key.id.as_str().into()).collect();
        let mut specs = Vec::new();
        for ((id, secrets), built) in ids.into_iter().zip(secrets).zip(frame.keys(keys)) {
            match built {
                Err(why) => unfit.push((id, why)),
                Ok(spec) => specs.extend(secrets.into_iter().map(|(digest, until_ms)| KeySpec {
                    digest,
                    expires_ms: [spec.expires_ms, until_ms].into_iter().flatten().min(),
                    ..spec.clone()
                })),
            }
        }
        self.unfit.retain(|name, _| !named.contains(name));
        for (id, why) in unfit {
            tracing::warn!(key = &*id, why, "a key does not work under this config");
            self.unfit.insert(format!("{KEYS}{id}").into(), why.into());
        }
        specs
    }
}

impl Kept {
    fn key(&self) -> Option<KeyDoc> {
        serde_json::from_str(&self.text).ok()
    }

    /// The certificate that a key names which was not revoked, and when the key was made.
    fn certificate(&self) -> Option<(Digest, u64)> {
        // Most name none, and need not be read.
        let named = self.text.contains("\"certificate\"").then(|| self.key())?;
        let doc = named.filter(|doc| doc.about.ended.is_none())?;
        let name = doc.key.certificate.as_ref()?.name()?;
        Some((name, doc.about.created.at_ms))
    }

    fn team(&self) -> Option<TeamDoc> {
        serde_json::from_str(&self.text).ok()
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
