//! Keys that are made, rotated and revoked while the gateway runs, as one config understands them.
//!
//! Knows keyed digests, never keys and never where they are kept. Invariants: what is looked up is the HMAC of a token's
//! digest, so that a stolen table says nothing without the pepper; a table is never changed, its successor shares all of
//! its parts but those with another key in them; stop flags go on as in [`keys`](super::keys).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;

use super::keys::{Denied, KeySpec, Principal, UNREAD, judge};
use super::token::Digest;

/// Parts of a table: a change copies one of them, so one in 256 keys.
const PARTS: usize = 256;

/// What digests are keyed with. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Pepper {
    key: hmac::Key,
    mark: Box<str>,
}

impl Pepper {
    /// From secret bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let sign = hmac::sign(&key, b"yumen pepper mark");
        let mark = sign.as_ref().iter().take(4);
        Self {
            mark: mark.map(|byte| format!("{byte:02x}")).collect(),
            key,
        }
    }

    /// The form in which a key with this digest is stored and found.
    #[must_use]
    pub fn keyed(&self, digest: &Digest) -> Digest {
        let mut out = [0; 32];
        // A tag of SHA-256 is always 32 bytes; `zip` needs no proof of it.
        for (to, from) in out.iter_mut().zip(hmac::sign(&self.key, digest).as_ref()) {
            *to = *from;
        }
        out
    }

    /// Tells one pepper from another, and nothing else of it: eight hexadecimal digits.
    #[must_use]
    pub fn mark(&self) -> &str {
        &self.mark
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pepper({})", self.mark)
    }
}

type Part = HashMap<Digest, Arc<Principal>>;

/// Dynamic keys, by keyed digest.
#[derive(Debug, Default)]
pub struct Dynamic {
    /// Without one there are no keys.
    pepper: Option<Pepper>,
    /// None, or `PARTS`.
    parts: Box<[Arc<Part>]>,
    /// Keyed digests by the names of client certificates.
    certificates: Arc<HashMap<Digest, Digest>>,
    unread: bool,
}

impl Dynamic {
    /// A table of these keys, whose digests are keyed with `pepper`. As for [`KeyTable::build`](super::keys::KeyTable::build),
    /// flags of keys that `before` holds are kept, and of two keys with one digest the first wins.
    #[must_use]
    pub fn build(
        pepper: Pepper,
        specs: impl IntoIterator<Item = KeySpec>,
        before: &Self,
        now_ms: u64,
    ) -> Self {
        let mut parts: Vec<Part> = (0..PARTS).map(|_| Part::new()).collect();
        let mut certificates = HashMap::new();
        for spec in specs {
            let digest = spec.digest;
            if let Some(name) = spec.certificate {
                certificates.entry(name).or_insert(digest);
            }
            if let Some(part) = parts.get_mut(part_of(&digest)) {
                let old = before.get(&digest).map(|(_, old)| old);
                let principal = Principal::of(spec, old, now_ms);
                part.entry(digest).or_insert_with(|| Arc::new(principal));
            }
        }
        Self {
            pepper: Some(pepper),
            parts: parts.into_iter().map(Arc::new).collect(),
            certificates: Arc::new(certificates),
            unread: false,
        }
    }

    /// What stands while keys that replicas share have not been read: nobody can say yet that a key is unknown.
    #[must_use]
    pub fn unread() -> Self {
        Self {
            unread: true,
            ..Self::default()
        }
    }

    /// This table without the keys of these digests, and with these ones. What the change took is not stopped yet.
    #[must_use]
    pub fn with(&self, gone: &[Digest], specs: Vec<KeySpec>, now_ms: u64) -> Self {
        let mut parts = self.parts.clone();
        for digest in gone {
            if let Some(part) = parts.get_mut(part_of(digest)) {
                Arc::make_mut(part).remove(digest);
            }
        }
        let mut certificates = Arc::clone(&self.certificates);
        if certificates.values().any(|digest| gone.contains(digest)) {
            Arc::make_mut(&mut certificates).retain(|_, digest| !gone.contains(digest));
        }
        for spec in specs {
            let digest = spec.digest;
            if let Some(name) = spec.certificate {
                let all = Arc::make_mut(&mut certificates);
                all.entry(name).or_insert(digest);
            }
            if let Some(part) = parts.get_mut(part_of(&digest)) {
                let old = self.get(&digest).map(|(_, old)| old);
                let principal = Principal::of(spec, old, now_ms);
                Arc::make_mut(part).insert(digest, Arc::new(principal));
            }
        }
        Self {
            pepper: self.pepper.clone(),
            parts,
            certificates,
            unread: false,
        }
    }

    /// Stops the principals of `before` that are gone from `self` or have lost something. Returns how many.
    pub fn stop_what_lost(&self, before: &Self) -> usize {
        let mut stopped = 0;
        for (at, old) in before.parts.iter().enumerate() {
            // What both share has changed in nothing.
            if self.parts.get(at).is_some_and(|new| Arc::ptr_eq(new, old)) {
                continue;
            }
            let ended = old.iter().filter(|(digest, old)| {
                let new = self.get(digest).map(|(_, new)| new);
                old.ends_for(new)
            });
            stopped += ended.count();
        }
        stopped
    }

    /// The principal of a token with this digest.
    pub(super) fn find(&self, digest: &Digest, now_ms: u64) -> Result<Arc<Principal>, Denied> {
        let Some(pepper) = &self.pepper else {
            return Err(if self.unread {
                Denied::of(UNREAD)
            } else {
                Denied::UNKNOWN
            });
        };
        let asked = pepper.keyed(digest);
        judge(self.get(&asked), &asked, now_ms)
    }

    /// The principal that the first of these names of a certificate stands for. Before keys were read nobody knows of any.
    pub(super) fn find_certificate(
        &self,
        names: &[Digest],
        now_ms: u64,
    ) -> Option<Result<Arc<Principal>, Denied>> {
        if self.unread && !names.is_empty() {
            return Some(Err(Denied::of(UNREAD)));
        }
        let keyed = names.iter().find_map(|name| self.certificates.get(name))?;
        Some(judge(self.get(keyed), keyed, now_ms))
    }

    fn get(&self, keyed: &Digest) -> Option<(&Digest, &Arc<Principal>)> {
        self.parts.get(part_of(keyed))?.get_key_value(keyed)
    }

    /// What its digests are keyed with.
    #[must_use]
    pub fn pepper(&self) -> Option<&Pepper> {
        self.pepper.as_ref()
    }

    /// All principals, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Principal>> {
        self.parts.iter().flat_map(|part| part.values())
    }

    /// How many keys it has: after a rotation a key has two for a while.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn part_of(digest: &Digest) -> usize {
    let [first, ..] = digest;
    usize::from(*first) % PARTS
}

#[cfg(test)]
mod tests {
    use super::super::keys::{KeyTable, Models};
    use super::super::scope::Scope;
    use super::super::token::digest;
    use super::*;
    use crate::limit::line::Share;
    use wire::Grade;

    fn pepper() -> Pepper {
        Pepper::new(b"salt of the sea")
    }

    fn spec(id: &str, key: &str) -> KeySpec {
        KeySpec {
            id: id.into(),
            digest: pepper().keyed(&digest(key.as_bytes())),
            user: None,
            team: None,
            certificate: None,
            grade: Grade(1),
            models: Models::All,
            scope: Scope::default(),
            share: Share::of(id),
            expires_ms: None,
            public: false,
            own: None,
            meters: Arc::default(),
        }
    }

    fn table(specs: Vec<KeySpec>) -> KeyTable {
        let table = KeyTable::default();
        table.set_dynamic(Dynamic::build(pepper(), specs, &Dynamic::default(), 0));
        table
    }

    #[test]
    fn dynamic_keys_are_found_and_denied_as_those_of_the_config() {
        let table = table(vec![
            spec("a", "ym-made-a"),
            KeySpec {
                expires_ms: Some(1000),
                ..spec("b", "ym-made-b")
            },
        ]);
        assert_eq!(&*table.find(b"ym-made-a", 5000).unwrap().id, "a");
        assert_eq!(&*table.find(b"ym-made-b", 999).unwrap().id, "b");
        let reason = |token: &[u8]| table.find(token, 1000).unwrap_err().reason();
        assert_eq!(reason(b"ym-made-b"), "expired");
        assert_eq!(reason(b"ym-made-c"), "unknown");
        assert_eq!(reason(b"made"), "malformed");
        table.find(b"ym-made-a", 0).unwrap().stop();
        assert_eq!(reason(b"ym-made-a"), "revoked");
        // Of another pepper nothing is found.
        let other = Dynamic::build(
            Pepper::new(b"another"),
            vec![spec("a", "ym-made-a")],
            &Dynamic::default(),
            0,
        );
        assert!(other.find(&digest(b"ym-made-a"), 0).is_err());
    }

    #[test]
    fn while_nothing_was_read_nobody_is_unknown() {
        let table = KeyTable::default();
        table.set_dynamic(Dynamic::unread());
        assert_eq!(table.find(b"ym-made-a", 0).unwrap_err().reason(), UNREAD);
        assert_eq!(table.find(b"made", 0).unwrap_err().reason(), "malformed");
        let certified = table.find_certificate(&[[1; 32]], 0).unwrap();
        assert_eq!(certified.unwrap_err().reason(), UNREAD);
        assert!(table.find_certificate(&[], 0).is_none(), "none was shown");
    }

    #[test]
    fn a_change_stops_what_it_took_and_nothing_else() {
        let keys: Vec<String> = (0..2000).map(|n| format!("ym-many-{n:04}")).collect();
        let specs = keys.iter().map(|key| spec(key, key)).collect();
        let table = table(specs);
        let before = table.dynamic();
        let held: Vec<_> = keys
            .iter()
            .map(|key| table.find(key.as_bytes(), 0).unwrap())
            .collect();
        let gone = spec("", &keys[7]).digest;
        let narrowed = KeySpec {
            models: Models::only(["m"]),
            ..spec(&keys[8], &keys[8])
        };
        let same = spec(&keys[9], &keys[9]);
        let fresh = spec("fresh", "ym-fresh");
        table.set_dynamic(before.with(&[gone], vec![narrowed, same, fresh], 0));
        let after = table.dynamic();
        assert_eq!(after.stop_what_lost(&before), 2);
        for (at, held) in held.iter().enumerate() {
            assert_eq!(held.is_stopped(), at == 7 || at == 8, "{at}");
        }
        assert!(table.find(b"ym-many-0007", 0).is_err());
        assert!(table.find(b"ym-many-0008", 0).unwrap().models.allow("m"));
        assert!(table.find(b"ym-fresh", 0).is_ok());
        assert_eq!(after.len(), 2000);
        // A whole new table over the same keys stops nobody.
        let again = keys.iter().map(|key| spec(key, key));
        let rebuilt = Dynamic::build(pepper(), again, &after, 0);
        assert_eq!(
            rebuilt.stop_what_lost(&after),
            1,
            "the one that is not in it"
        );
        assert!(!held[9].is_stopped() && held[7].is_stopped());
    }

    #[test]
    fn a_certificate_stands_for_its_key_until_that_changes() {
        let with = |id: &str, key: &str, name: u8| KeySpec {
            certificate: Some([name; 32]),
            ..spec(id, key)
        };
        let table = table(vec![
            with("a", "ym-new-a", 1),
            // The old secret of the same key.
            with("a", "ym-old-a", 1),
            spec("b", "ym-made-b"),
        ]);
        let found = |names: &[Digest]| {
            let found = table.find_certificate(names, 0)?;
            Some(found.unwrap().id.to_string())
        };
        assert_eq!(found(&[[9; 32], [1; 32]]).as_deref(), Some("a"));
        assert_eq!(found(&[[2; 32]]), None);
        let held = table.find(b"ym-new-a", 0).unwrap();
        let gone = ["ym-new-a", "ym-old-a"].map(|key| spec("", key).digest);
        let before = table.dynamic();
        table.set_dynamic(before.with(&gone, vec![with("a", "ym-new-a", 2)], 0));
        assert_eq!(found(&[[2; 32]]).as_deref(), Some("a"));
        assert_eq!(found(&[[1; 32]]), None, "the certificate that it had");
        // What runs with the lost certificate ends.
        assert_eq!(table.dynamic().stop_what_lost(&before), 2);
        assert!(held.is_stopped());
        table.find(b"ym-new-a", 0).unwrap().stop();
        assert!(table.find_certificate(&[[2; 32]], 0).unwrap().is_err());
    }

    #[test]
    fn nothing_of_a_pepper_is_shown() {
        let shown = format!("{:?}", pepper());
        assert_eq!(shown, format!("Pepper({})", pepper().mark()));
        assert!(!shown.contains("salt") && pepper().mark().len() == 8);
        assert_ne!(Pepper::new(b"another").mark(), pepper().mark());
    }
}
