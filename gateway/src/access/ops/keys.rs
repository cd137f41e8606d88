//! Making, changing, rotating and revoking keys.
//!
//! Invariants: a key is shown once, in the answer that made it; an id that was revoked is never used again; no two keys have
//! one hash or one certificate, and none is an admin's token; a revocation works here at once, whether the disk or the
//! shared store answers or not, and whoever changes the key meanwhile.

use std::time::Duration;

use ledger::Down;
use policies::access::token::{self, Digest};
use serde::Deserialize;
use serde_json::Value;

use super::{Answer, Refusal, Who, bad, changed, conflict, object, strange, typed, unkept};
use crate::access::doc::{Done, KeyDoc, SECRETS_MAX, SecretDoc, lean, merge, written};
use crate::access::words::{Words, no_secret};
use crate::access::{Access, Backend, KEYS};
use crate::config::schema::Certificate;
use crate::config::units::Span;

/// How long an old secret stays valid where nothing is said.
const OVERLAP: Duration = Duration::from_secs(86_400);
/// How long it may.
const OVERLAP_MAX: Duration = Duration::from_secs(90 * 86_400);
/// Hash of a key that has none yet, so that the config's shape is whole.
const NO_HASH: &str = "";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rotate {
    overlap: Span,
}

impl Default for Rotate {
    fn default() -> Self {
        Self {
            overlap: Span(OVERLAP),
        }
    }
}

impl Access {
    /// `POST /api/keys`.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was made.
    pub fn create_key(&self, who: &Who, body: &[u8]) -> Result<Answer, Refusal> {
        let mut fields = object(body)?;
        let words = Words::take(&mut fields)?;
        let pepper = self.keyring.salted().map_err(unkept)?;
        let now_ms = self.now_ms();
        let (made, digest) = match fields.remove("hash") {
            None => {
                let made = token::create(aws_lc_rs::rand::fill)
                    .map_err(|_| Refusal::Unkept("no randomness from the system".to_owned()))?;
                let digest = token::digest(made.as_bytes());
                (Some(made), Some(digest))
            }
            // Known by its certificate alone.
            Some(Value::Null) if fields.get("certificate").is_some_and(Value::is_object) => {
                (None, None)
            }
            Some(hash) => {
                let digest = hash.as_str().and_then(token::parse_digest);
                let why = "hash: not `sha256:` and 64 hexadecimal digits; leave it out to have a key made";
                (None, Some(digest.ok_or_else(|| bad(why))?))
            }
        };
        let secret = match (&made, &digest) {
            (Some(key), _) => Some(SecretDoc::of_key(key, &pepper, now_ms)),
            (None, Some(digest)) => {
                Some(SecretDoc::of_digest(digest, String::new(), &pepper, now_ms))
            }
            (None, None) if fields.contains_key("id") => None,
            (None, None) => return Err(bad("id: a key without a secret needs one")),
        };
        // Eight digits of the keyed hash tell keys apart and tell nothing of the key.
        let hash = secret.as_ref().and_then(|secret| secret.hash.get(..8));
        let named = format!("key-{}", hash.unwrap_or_default());
        let id = fields.entry("id").or_insert_with(|| named.into());
        let id = id.as_str().ok_or_else(|| bad("id: not a text"))?;
        let id = no_secret("id", id)?.to_owned();
        fields.insert("hash".to_owned(), NO_HASH.into());
        let doc = KeyDoc {
            key: typed(fields)?,
            secrets: secret.into_iter().collect(),
            about: words.about(who, now_ms)?,
        };
        let _alone = self.keyring.alone();
        if self.keyring.known().kept(KEYS, &id).is_some() {
            return Err(conflict("there is a key of this id, or there was one"));
        }
        if let (None, Some(digest)) = (&made, &digest) {
            let snapshot = self.store.load();
            if snapshot.keys.has(digest) {
                return Err(conflict("hash: there is a key with this hash"));
            }
            if snapshot.admin.has(digest) {
                let why = "hash: it is an admin's token: who asks models is not who administers";
                return Err(conflict(why));
            }
        }
        let mut body = self.put_key(who, &id, (0, &doc), "key created")?;
        if let (Some(made), Some(fields)) = (made, body.as_object_mut()) {
            fields.insert("key".to_owned(), made.into());
        }
        Ok(Answer::of(body))
    }

    /// `PATCH /api/keys/{id}`.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was changed.
    pub fn change_key(&self, who: &Who, id: &str, body: &[u8]) -> Result<Answer, Refusal> {
        let mut patch = object(body)?;
        let words = Words::take(&mut patch)?;
        if let Some(fixed) = ["id", "hash"]
            .into_iter()
            .find(|name| patch.contains_key(*name))
        {
            return Err(bad(format!(
                "{fixed}: this cannot be changed; rotate the key, or make another"
            )));
        }
        let _alone = self.keyring.alone();
        let (rev, mut doc) = self.live_key(id)?;
        let (key, about) = (doc.key.clone(), doc.about.clone());
        let mut fields = serde_json::to_value(&doc.key).unwrap_or_default();
        lean(&mut fields);
        merge(&mut fields, &Value::Object(patch));
        let Value::Object(fields) = fields else {
            return Err(bad("not an object"));
        };
        doc.key = typed(fields)?;
        words.change(&mut doc.about, who, self.now_ms())?;
        let told = changed("key", (&key, &about), (&doc.key, &doc.about));
        let body = self.put_key(who, id, (rev, &doc), &told)?;
        Ok(Answer::of(body))
    }

    /// `POST /api/keys/{id}/rotate`.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was changed.
    pub fn rotate_key(&self, who: &Who, id: &str, body: &[u8]) -> Result<Answer, Refusal> {
        let Rotate {
            overlap: Span(overlap),
        } = match body {
            [] => Rotate::default(),
            _ => typed(object(body)?)
                .map_err(|_| bad("overlap: a span such as 0s, 30m or 24h, and nothing else"))?,
        };
        if overlap > OVERLAP_MAX {
            return Err(bad("overlap: 90d at most"));
        }
        let _alone = self.keyring.alone();
        let (rev, mut doc) = self.live_key(id)?;
        if doc.secrets.is_empty() {
            return Err(conflict("this key has no secret: its certificate is"));
        }
        let pepper = self.keyring.salted().map_err(unkept)?;
        let now_ms = self.now_ms();
        let until = now_ms.saturating_add(u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX));
        doc.secrets.retain(|secret| secret.is_valid(now_ms));
        if !overlap.is_zero() && doc.secrets.len() >= SECRETS_MAX {
            let most = SECRETS_MAX - 1;
            return Err(conflict(format!(
                "{most} old ones of this key are valid still; wait, or rotate with overlap 0s"
            )));
        }
        for old in &mut doc.secrets {
            old.until_ms = Some(old.until_ms.map_or(until, |before| before.min(until)));
        }
        doc.secrets.retain(|secret| secret.is_valid(now_ms));
        let made = token::create(aws_lc_rs::rand::fill)
            .map_err(|_| Refusal::Unkept("no randomness from the system".to_owned()))?;
        doc.secrets
            .insert(0, SecretDoc::of_key(&made, &pepper, now_ms));
        doc.about.changed = Some(who.did(now_ms));
        let told = format!("key rotated, overlap {} s", overlap.as_secs());
        let mut body = self.put_key(who, id, (rev, &doc), &told)?;
        if let Some(fields) = body.as_object_mut() {
            fields.insert("key".to_owned(), made.into());
        }
        Ok(Answer::of(body))
    }

    /// `DELETE /api/keys/{id}`: it works no more, and its streams end.
    ///
    /// # Errors
    /// [`Refusal`]. A key that is revoked already is no error.
    pub fn revoke_key(&self, who: &Who, id: &str) -> Result<Answer, Refusal> {
        let is_shared = matches!(self.keyring.backend, Backend::Shared(_));
        // Others may be waiting for a store that does not answer; those who wait for a disk are not many.
        let alone = (!is_shared).then(|| self.keyring.alone());
        let (_, doc) = self.key(id)?;
        let pending = |body| Answer {
            body,
            is_pending: true,
        };
        if doc.about.ended.is_some() {
            return Ok(Answer::of(self.key_view(id)));
        }
        if is_shared && self.keyring.known().revoked.contains_key(id) {
            return Ok(pending(self.key_view(id)));
        }
        self.note(who, id, "key revoked")?;
        // Nobody must wait for a disk or a store to be rid of a key that leaked.
        let done = who.did(self.now_ms());
        self.keyring.revoke_here(&self.store, id, done.clone());
        let _alone = alone.unwrap_or_else(|| self.keyring.alone());
        match self.end_key(id, done) {
            Ok(()) => Ok(Answer::of(self.key_view(id))),
            Err(why) if is_shared => {
                let why = why.told();
                tracing::warn!(
                    key = id,
                    why,
                    "revoked on this replica; the others are told later"
                );
                Ok(pending(self.key_view(id)))
            }
            Err(why) => {
                let _ = self.note(who, id, "not kept: key revoked; until a restart it is");
                let why = why.told();
                Err(Refusal::Unkept(format!(
                    "{why}; it works no more, but may after a restart: revoke it once more when there is room"
                )))
            }
        }
    }

    /// Keeps that a key, which was revoked here, is.
    fn end_key(&self, id: &str, done: Done) -> Result<(), Refusal> {
        let (rev, mut doc) = self.key(id)?;
        if doc.about.ended.is_none() {
            doc.about.ended = Some(done);
            self.keep(KEYS, id, rev, &written(&doc))?;
        }
        self.keyring.known().revoked.remove(id);
        Ok(())
    }

    /// A dynamic key and its revision.
    fn key(&self, id: &str) -> Result<(u64, KeyDoc), Refusal> {
        match self.keyring.known().kept(KEYS, id) {
            Some(kept) => {
                let doc = kept.key().ok_or_else(strange)?;
                Ok((kept.rev, doc))
            }
            None if self.store.load().keys.by_id(id).is_some() => Err(conflict(
                "this key stands in the config: change it there, or take it out, and reload",
            )),
            None => Err(Refusal::Missing("there is no such key")),
        }
    }

    /// One that was not revoked.
    fn live_key(&self, id: &str) -> Result<(u64, KeyDoc), Refusal> {
        let found = self.key(id)?;
        let revoked = self.keyring.known().revoked.contains_key(id);
        if found.1.about.ended.is_some() || revoked {
            return Err(conflict("this key is revoked"));
        }
        Ok(found)
    }

    /// Judges a key, writes down who does what, keeps it and lets it work. Whoever calls is alone.
    fn put_key(
        &self,
        who: &Who,
        id: &str,
        (rev, doc): (u64, &KeyDoc),
        told: &str,
    ) -> Result<Value, Refusal> {
        if doc.secrets.is_empty() && doc.key.certificate.is_none() {
            return Err(bad("certificate: it is all that this key is known by"));
        }
        self.no_other_has(id, doc)?;
        let mut key = doc.key.clone();
        // Any hash will do for judging the rest, but that of another key.
        key.hash = Some(format!("sha256:{}", "0".repeat(64)));
        {
            let snapshot = self.store.load();
            let mut known = self.keyring.known();
            let mut frame = known.frame(&snapshot, self.store.grounds(), self.now_ms());
            let judged = frame.judge_keys(vec![key]).into_iter().next();
            judged.unwrap_or(Ok(())).map_err(bad)?;
        }
        self.put(who, (KEYS, id), (rev, &written(doc)), told)?;
        Ok(self.key_view(id))
    }

    /// A certificate stands for one key, and so does a hash: those of keys count too that do not fit the running config.
    fn no_other_has(&self, id: &str, doc: &KeyDoc) -> Result<(), Refusal> {
        let known = self.keyring.known();
        let of_other = |mark: Digest| known.holder(mark).filter(|other| *other != id);
        let name = doc.key.certificate.as_ref().and_then(Certificate::name);
        if let Some(other) = name.and_then(of_other) {
            return Err(conflict(format!(
                "certificate: it stands for the key `{other}`"
            )));
        }
        let mut hashes = doc.secrets.iter().filter_map(SecretDoc::digest);
        if hashes.any(|hash| of_other(hash).is_some()) {
            return Err(conflict("hash: there is a key with this hash"));
        }
        Ok(())
    }
}

/// Tells the shared store of keys that were revoked here while it was away.
pub(in crate::access) fn tell_revocations(access: &Access) -> anyhow::Result<()> {
    let revoked = access.keyring.known().revoked.clone();
    for (id, done) in revoked {
        match access.end_key(&id, done) {
            // Its newer revision comes with the next reading.
            Ok(()) | Err(Refusal::Conflict(_)) => {}
            Err(Refusal::Unkept(_)) => return Err(Down.into()),
            // There is nothing to tell of.
            Err(_) => drop(access.keyring.known().revoked.remove(&id)),
        }
    }
    Ok(())
}
