//! What is kept of a dynamic key or team: the config's own shape, and what became of it.
//!
//! Never holds a key. Invariants: a secret stands here as its keyed hash and the few characters that are shown; what is
//! written can be read again; what a later version wrote and this one does not know makes one document unusable, not all.

use std::collections::BTreeMap;

use policies::access::dynamic::Pepper;
use policies::access::token::{self, Digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::schema::{Certificate, Key, Team};

/// Characters of a key that are shown: too few to help a guesser (27 of 33 random ones stay unknown), enough to tell a
/// company's keys apart.
const SHOWN_CHARS: usize = token::PREFIX.len() + 6;
/// Secrets of one key that are valid at once: one, and those that were rotated away and overlap.
pub(super) const SECRETS_MAX: usize = 4;

/// A secret of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretDoc {
    /// The HMAC of its digest, in hexadecimal.
    pub(super) hash: String,
    /// Which pepper that was keyed with.
    pub(super) pepper: String,
    /// How it begins; empty where only its hash was handed in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) prefix: String,
    pub(super) created_ms: u64,
    /// From then on it is no longer valid, whatever its key says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until_ms: Option<u64>,
}

impl SecretDoc {
    /// A key that was just made.
    pub(super) fn of_key(key: &str, pepper: &Pepper, now_ms: u64) -> Self {
        let prefix = key.chars().take(SHOWN_CHARS).collect();
        Self::of_digest(&token::digest(key.as_bytes()), prefix, pepper, now_ms)
    }

    pub(super) fn of_digest(digest: &Digest, prefix: String, pepper: &Pepper, now_ms: u64) -> Self {
        let hash = token::show_digest(&pepper.keyed(digest));
        Self {
            hash: hash.trim_start_matches("sha256:").to_owned(),
            pepper: pepper.mark().to_owned(),
            prefix,
            created_ms: now_ms,
            until_ms: None,
        }
    }

    /// By what it is found; `None` if it was keyed with another pepper.
    pub(super) fn keyed(&self, pepper: &Pepper) -> Option<Digest> {
        if self.pepper != pepper.mark() {
            return None;
        }
        self.digest()
    }

    /// Its keyed hash, whatever the pepper.
    pub(super) fn digest(&self) -> Option<Digest> {
        token::parse_digest(&format!("sha256:{}", self.hash))
    }

    pub(super) fn is_valid(&self, now_ms: u64) -> bool {
        self.until_ms.is_none_or(|until| now_ms < until)
    }
}

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    pub(super) at_ms: u64,
    pub(super) by: String,
}

/// What every document says beside its matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    pub(super) created: Done,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) changed: Option<Done>,
    /// Revoked, for a key; deleted, for a team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<Done>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
}

/// A key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyDoc {
    /// As the config would have it, but for its hash.
    pub(super) key: Key,
    /// The newest first.
    pub(super) secrets: Vec<SecretDoc>,
    pub(super) about: About,
}

impl KeyDoc {
    /// What no other key may have: its certificate's name and its keyed hashes, old ones too.
    pub(super) fn marks(&self) -> impl Iterator<Item = Digest> {
        let certificate = self.key.certificate.as_ref().and_then(Certificate::name);
        let hashes = self.secrets.iter().filter_map(SecretDoc::digest);
        certificate.into_iter().chain(hashes)
    }

    /// By what it is found, each until when: its secrets that are valid at `now_ms`, the newest first; of a key that has
    /// none, its certificate.
    pub(super) fn found_by(&self, pepper: &Pepper, now_ms: u64) -> Vec<(Digest, Option<u64>)> {
        let valid = self.secrets.iter().filter(|secret| secret.is_valid(now_ms));
        let keyed = |secret: &SecretDoc| Some((secret.keyed(pepper)?, secret.until_ms));
        let certificate = self.key.certificate.as_ref().and_then(Certificate::name);
        let alone = certificate.filter(|_| self.secrets.is_empty());
        let alone = alone.map(|name| (pepper.keyed(&name), None));
        valid.filter_map(keyed).chain(alone).collect()
    }
}

/// A team.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamDoc {
    pub(super) team: Team,
    pub(super) about: About,
}

/// A document as it is kept: what is absent is left out, for 50,000 of them are in memory.
pub(super) fn written(doc: &impl Serialize) -> String {
    let mut value = serde_json::to_value(doc).unwrap_or_default();
    lean(&mut value);
    value.to_string()
}

/// What people said: the config's shape, a note and labels.
pub(super) fn said(matter: &impl Serialize, about: &About) -> Map<String, Value> {
    let mut value = serde_json::to_value(matter).unwrap_or_default();
    lean(&mut value);
    let Value::Object(mut fields) = value else {
        return Map::new();
    };
    fields.insert("note".to_owned(), about.note.as_str().into());
    let labels = about.labels.iter();
    let labels = labels.map(|(name, value)| (name.clone(), value.as_str().into()));
    fields.insert("labels".to_owned(), Value::Object(labels.collect()));
    fields
}

/// Takes out what says nothing.
pub(super) fn lean(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.values_mut().for_each(lean);
        fields.retain(|_, value| !value.is_null());
    }
}

/// Applies a merge patch (RFC 7396): `null` takes out, an object goes deeper, all else replaces.
pub(super) fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        into.clone_from(patch);
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Value::Object(fields) = into else { return };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patches_merge() {
        // From RFC 7396, appendix A.
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!([1, 2]),
                json!({"a": "b", "c": null}),
                json!({"a": "b"}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ];
        for (mut into, patch, want) in cases {
            merge(&mut into, &patch);
            assert_eq!(into, want, "{patch}");
        }
    }

    #[test]
    fn a_secret_is_kept_as_its_keyed_hash() {
        let pepper = Pepper::new(b"one");
        let key = "ym-4fQ2abcdefghijklmnopqrstuvwxyz0123456789";
        let doc = SecretDoc::of_key(key, &pepper, 7);
        assert_eq!(doc.prefix, "ym-4fQ2ab");
        assert!(!serde_json::to_string(&doc).unwrap().contains("abcdef"));
        let digest = token::digest(key.as_bytes());
        assert_eq!(doc.keyed(&pepper), Some(pepper.keyed(&digest)));
        assert_ne!(doc.keyed(&pepper), Some(digest), "it is keyed");
        assert_eq!(doc.keyed(&Pepper::new(b"two")), None);
    }
}
