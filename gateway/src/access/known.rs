//! All documents of keys and teams in memory, by what their keys are found, and how a table comes of them.
//!
//! Knows no store. Invariants: what marks a key, its certificate's name or a keyed hash, stands for one key, the oldest that
//! has it; a change builds all keys anew whose marks it reaches, and no others.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ledger::Doc;
use policies::access::dynamic::{Dynamic, Pepper};
use policies::access::keys::KeySpec;
use policies::access::token::{Digest, show_digest};
use policies::limit::Books;

use super::doc::{Done, KeyDoc, TeamDoc};
use super::{KEYS, Salt, TEAMS};
use crate::config::dynamic::Frame;
use crate::config::schema::{Certificate, Key};
use crate::config::snapshot::Snapshot;
use crate::config::vendors::VendorBook;

/// Keys that are judged and built at once.
const BUILT_AT_ONCE: usize = 500;

/// Hashes of a key's secrets, each with when it ends.
type FoundBy = Vec<(Digest, Option<u64>)>;

/// What is known, and may be used.
#[derive(Default)]
pub(super) struct Known {
    /// By name, [`KEYS`] or [`TEAMS`] and an id. Sorted: a list's cursor is an id.
    pub(super) docs: BTreeMap<Box<str>, Kept>,
    /// Every mark of the keys that were not revoked, fit or not: when its key was made, and the id. A mark stands for the
    /// oldest. Replicas that do not hear of each other at once may make several with the same.
    marks: BTreeSet<(Digest, u64, Box<str>)>,
    pub(super) salt: Option<Salt>,
    /// Keys and teams that do not fit the running config, and why.
    pub(super) unfit: HashMap<Box<str>, Box<str>>,
    /// Ids of keys that were revoked here while the shared store was away, and by whom: they do not work, and the store is
    /// told when it is back.
    pub(super) revoked: BTreeMap<String, Done>,
    /// The shared store was read at least once.
    pub(super) read: bool,
}

/// What a change of keys reaches.
#[derive(Default)]
pub(super) struct Touched {
    /// The keys that change.
    pub(super) ids: BTreeSet<Box<str>>,
    /// What they and others are marked with, before and after.
    pub(super) marks: Vec<Digest>,
    /// What stands in the table for them.
    gone: Vec<Digest>,
}

/// A document in memory.
pub(super) struct Kept {
    pub(super) rev: u64,
    pub(super) text: Box<str>,
}

impl Known {
    /// Takes in a document. Returns what its key is marked with.
    pub(super) fn put(&mut self, doc: Doc) -> Vec<Digest> {
        let kept = Kept {
            rev: doc.rev,
            text: doc.text.into(),
        };
        let Some(id) = doc.name.strip_prefix(KEYS) else {
            self.docs.insert(doc.name.into(), kept);
            return Vec::new();
        };
        let old = self.docs.get(&*doc.name).and_then(Kept::marks);
        for (mark, made) in old.into_iter().flatten() {
            self.marks.remove(&(mark, made, id.into()));
        }
        let new = kept.marks().unwrap_or_default();
        let entries = new.iter().map(|(mark, made)| (*mark, *made, id.into()));
        self.marks.extend(entries);
        self.docs.insert(doc.name.into(), kept);
        new.into_iter().map(|(mark, _)| mark).collect()
    }

    /// The keys with this mark, fit or not, the oldest first.
    fn holders(&self, mark: Digest) -> impl Iterator<Item = &str> {
        let all = self.marks.range((mark, 0, Box::default())..);
        all.take_while(move |(other, ..)| *other == mark)
            .map(|(.., id)| &**id)
    }

    /// The key that a mark stands for.
    pub(super) fn holder(&self, mark: Digest) -> Option<&str> {
        self.holders(mark).next()
    }

    /// Notes that the key of this id changes, before it does.
    pub(super) fn touch(&self, id: &str, touched: &mut Touched) {
        let marks = self.kept(KEYS, id).and_then(Kept::marks);
        let marks = marks.into_iter().flatten().map(|(mark, _)| mark);
        touched.marks.extend(marks);
        touched.gone.extend(self.digests(id));
        touched.ids.insert(id.into());
    }

    /// The table after a change: a mark may come to another key that has it, or go from one.
    pub(super) fn renewed(
        &mut self,
        frame: &mut Frame<'_>,
        before: &Dynamic,
        mut touched: Touched,
        now_ms: u64,
    ) -> Dynamic {
        while let Some(mark) = touched.marks.pop() {
            for id in self.holders(mark) {
                if !touched.ids.contains(id) {
                    // Its other marks are taken from the table too: whoever holds them is built as well.
                    self.touch(id, &mut touched);
                }
            }
        }
        let ids: Vec<Box<str>> = touched.ids.into_iter().collect();
        let pepper = self.pepper();
        let specs = pepper.map(|pepper| self.build(frame, &pepper, &ids, now_ms));
        before.with(&touched.gone, specs.unwrap_or_default(), now_ms)
    }

    pub(super) fn pepper(&self) -> Option<Pepper> {
        self.salt.as_ref().map(|salt| salt.pepper.clone())
    }

    pub(super) fn kept(&self, kind: &str, id: &str) -> Option<&Kept> {
        self.docs.get(&*format!("{kind}{id}"))
    }

    /// The documents of a kind behind an id, by id.
    pub(super) fn of_kind(
        &self,
        kind: &'static str,
        after: &str,
    ) -> impl Iterator<Item = (&str, &Kept)> {
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
    pub(super) fn frame<'a>(
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
    pub(super) fn table(
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
        let mut secrets: Vec<FoundBy> = Vec::new();
        let mut named: HashSet<Box<str>> = HashSet::new();
        for id in ids {
            named.insert(format!("{KEYS}{id}").into());
            let Some(kept) = self.kept(KEYS, id) else {
                continue;
            };
            match self.usable(id, kept, pepper, now_ms) {
                Ok(Some((key, found_by))) => {
                    keys.push(key);
                    secrets.push(found_by);
                }
                Ok(None) => {}
                Err(why) => unfit.push((id.clone(), why)),
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

    /// A key without those of its marks that stand for another key, and what it is found by; `None`: it was revoked. An
    /// error says why it cannot work.
    fn usable(
        &self,
        id: &str,
        kept: &Kept,
        pepper: &Pepper,
        now_ms: u64,
    ) -> Result<Option<(Key, FoundBy)>, String> {
        let Some(mut doc) = kept.key() else {
            return Err("another version of yumen wrote it".to_owned());
        };
        if doc.about.ended.is_some() || self.revoked.contains_key(id) {
            return Ok(None);
        }
        let certificate = doc.key.certificate.as_ref().and_then(Certificate::name);
        let of_other = |mark| self.holder(mark).filter(|other| *other != id);
        if let Some(other) = certificate.and_then(of_other) {
            if doc.secrets.is_empty() {
                return Err(format!("its certificate stands for the key `{other}`"));
            }
            let why = "its certificate stands for another key; its secrets work";
            tracing::warn!(key = id, other, why);
            doc.key.certificate = None;
        }
        let mut valid = doc.found_by(pepper, now_ms);
        let other = valid.iter().find_map(|(hash, _)| of_other(*hash));
        valid.retain(|(hash, _)| of_other(*hash).is_none());
        let Some((first, _)) = valid.first() else {
            let twin = other.map(|other| format!("its hash stands for the key `{other}`"));
            return Err(twin.unwrap_or_else(|| "it was hashed with another pepper".to_owned()));
        };
        if let Some(other) = other {
            let why = "one of its hashes stands for another key";
            tracing::warn!(key = id, other, why);
        }
        doc.key.hash = Some(show_digest(first));
        Ok(Some((doc.key, valid)))
    }
}

impl Kept {
    pub(super) fn key(&self) -> Option<KeyDoc> {
        serde_json::from_str(&self.text).ok()
    }

    /// The marks of a key that was not revoked, each with when the key was made.
    fn marks(&self) -> Option<Vec<(Digest, u64)>> {
        let doc = self.key().filter(|doc| doc.about.ended.is_none())?;
        let made = doc.about.created.at_ms;
        Some(doc.marks().map(|mark| (mark, made)).collect())
    }

    pub(super) fn team(&self) -> Option<TeamDoc> {
        serde_json::from_str(&self.text).ok()
    }
}
