//! Virtual keys: from a bearer token to the principal behind it.
//!
//! Knows nothing of HTTP, files or the config's names beyond its own. Invariants: a token without the form of a key is
//! neither hashed nor looked up (T-40); unknown, expired and revoked are answered alike, by the same steps (T-42); the
//! table holds digests, never keys (T-41); a principal that lost a permission has its stop flag set for good, and whoever
//! holds that principal (a running stream) sees it at its next event (T-45).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use subtle::ConstantTimeEq as _;
use wire::Grade;

use super::dynamic::Dynamic;
pub use super::principal::Principal;
pub use super::scope::Names as Models;
use super::scope::Scope;
use super::token::{Digest, digest, has_form};
use crate::limit::line::Share;
use crate::limit::meter::{Meter, Purse};

/// What a table is built from: one key of the config, already joined with its team.
#[derive(Clone, Debug)]
pub struct KeySpec {
    /// The key's id in the config; names it in the journal.
    pub id: Box<str>,
    /// SHA-256 of the key.
    pub digest: Digest,
    /// The user whom the credential names.
    pub user: Option<Box<str>>,
    /// Its team.
    pub team: Option<Arc<str>>,
    /// The name of the client certificate that stands for it too.
    pub certificate: Option<Digest>,
    /// The least grade that its requests have.
    pub grade: Grade,
    /// What it may ask for, its team's list included.
    pub models: Models,
    /// Where, whence and when it may ask, its team's scope included.
    pub scope: Scope,
    /// Unix milliseconds from which on it is no longer valid.
    pub expires_ms: Option<u64>,
    /// It serves the public.
    pub public: bool,
    /// Its own limits.
    pub own: Option<Purse>,
    /// Limits of whoever it belongs to: its user, its team, the teams above.
    pub meters: Arc<[Arc<Meter>]>,
    /// On whose account it waits for providers, and how urgently.
    pub share: Share,
}

/// No principal for this token. Carries no reason that a client could be told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Denied(&'static str);

/// The reason of a [`Denied`] while keys that replicas share have not been read yet.
pub const UNREAD: &str = "keys_unread";

impl Denied {
    /// `malformed`, `unknown`, `expired`, `revoked` or [`UNREAD`]: for our own log and journal only.
    #[must_use]
    pub fn reason(self) -> &'static str {
        self.0
    }

    pub(super) const UNKNOWN: Self = Self("unknown");

    pub(super) const fn of(reason: &'static str) -> Self {
        Self(reason)
    }

    /// Of two tables' answers, the one that says more.
    fn or(self, other: Self) -> Self {
        if self == Self::UNKNOWN { other } else { self }
    }
}

impl fmt::Debug for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Denied")
    }
}

/// Whether what was found for `asked` may ask, by the same steps whatever was found.
pub(super) fn judge(
    found: Option<(&Digest, &Arc<Principal>)>,
    asked: &Digest,
    now_ms: u64,
) -> Result<Arc<Principal>, Denied> {
    // An unknown key is compared too, with a digest that no key has, so that both ways take the same steps.
    let stored = found.map_or(&[0; 32], |(digest, _)| digest);
    let same = bool::from(stored.ct_eq(asked));
    match found {
        Some((_, principal)) if same => {
            if principal.is_stopped() {
                Err(Denied("revoked"))
            } else if principal.is_expired(now_ms) {
                Err(Denied("expired"))
            } else {
                Ok(Arc::clone(principal))
            }
        }
        _ => Err(Denied::UNKNOWN),
    }
}

/// All keys of one snapshot, by digest: those of the config, and the dynamic ones as the same config understands them.
#[derive(Debug, Default)]
pub struct KeyTable {
    by_digest: HashMap<Digest, Arc<Principal>>,
    /// The only part of a snapshot that changes while it is used: a key that is made or revoked is no new config.
    dynamic: ArcSwap<Dynamic>,
}

impl KeyTable {
    /// Builds the table, without dynamic keys. Stop flags of keys that `before` holds too are kept; nothing is stopped
    /// yet, since the snapshot may still be thrown away: see [`stop_what_lost`](Self::stop_what_lost).
    ///
    /// Of two keys with one digest the first wins; the config check refuses such a config.
    #[must_use]
    pub fn build(
        specs: impl IntoIterator<Item = KeySpec>,
        before: Option<&Self>,
        now_ms: u64,
    ) -> Self {
        let mut table = Self::default();
        for spec in specs {
            let old = before.and_then(|table| table.by_digest.get(&spec.digest));
            let digest = spec.digest;
            let principal = Principal::of(spec, old, now_ms);
            table
                .by_digest
                .entry(digest)
                .or_insert_with(|| Arc::new(principal));
        }
        table
    }

    /// The dynamic keys.
    #[must_use]
    pub fn dynamic(&self) -> Arc<Dynamic> {
        self.dynamic.load_full()
    }

    /// Puts other dynamic keys in place of those there are. Whoever does must stop what that took from them.
    pub fn set_dynamic(&self, dynamic: Dynamic) {
        self.dynamic.store(Arc::new(dynamic));
    }

    /// Stops the principals of `before` whose key is gone from `self`, or has lost something: another team, a higher
    /// grade, fewer models, an end that has come. Returns how many. Called after the swap.
    pub fn stop_what_lost(&self, before: &Self) -> usize {
        let old = before.by_digest.iter();
        let stopped = old.filter(|(digest, old)| old.ends_for(self.by_digest.get(*digest)));
        stopped.count() + self.dynamic.load().stop_what_lost(&before.dynamic.load())
    }

    /// The principal behind `token` at `now_ms` (Unix milliseconds).
    ///
    /// # Errors
    /// [`Denied`], alike for all reasons: whatever the config's keys say against it, the dynamic ones are asked too.
    pub fn find(&self, token: &[u8], now_ms: u64) -> Result<Arc<Principal>, Denied> {
        if !has_form(token) {
            return Err(Denied("malformed"));
        }
        let asked = digest(token);
        let found = self.by_digest.get_key_value(&asked);
        judge(found, &asked, now_ms).or_else(|denied| {
            let found = self.dynamic.load().find(&asked, now_ms);
            found.map_err(|other| denied.or(other))
        })
    }

    /// The principal of a credential with this digest, whatever it is; `None` if there is none.
    ///
    /// # Errors
    /// [`Denied`] for one that is over.
    pub fn find_digest(
        &self,
        digest: &Digest,
        now_ms: u64,
    ) -> Option<Result<Arc<Principal>, Denied>> {
        let found = self.by_digest.get_key_value(digest)?;
        Some(judge(Some(found), digest, now_ms))
    }

    /// The principal of the dynamic key that the first of these names of a certificate stands for; `None` if there is none.
    ///
    /// # Errors
    /// [`Denied`] for one that is over, and for any while keys of the store are unread.
    pub fn find_certificate(
        &self,
        names: &[Digest],
        now_ms: u64,
    ) -> Option<Result<Arc<Principal>, Denied>> {
        self.dynamic.load().find_certificate(names, now_ms)
    }

    /// The principal of the config's key with this id, whatever its state: for administration.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Arc<Principal>> {
        self.by_digest.values().find(|p| &*p.id == id)
    }

    /// Whether the config has a key with this digest.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.by_digest.contains_key(digest)
    }

    /// All principals of the config's keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Principal>> {
        self.by_digest.values()
    }

    /// Principals of all keys, the dynamic ones too: a key that was rotated has several for a while.
    pub fn for_each(&self, mut see: impl FnMut(&Arc<Principal>)) {
        self.by_digest.values().for_each(&mut see);
        self.dynamic.load().iter().for_each(see);
    }

    /// How many keys the config has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_digest.len()
    }

    /// Whether the config has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_digest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(id: &str, key: &str) -> KeySpec {
        KeySpec {
            id: id.into(),
            digest: digest(key.as_bytes()),
            user: None,
            team: Some("retail".into()),
            certificate: None,
            grade: Grade(1),
            models: Models::All,
            scope: Scope::default(),
            expires_ms: None,
            public: false,
            own: None,
            meters: Arc::default(),
            share: Share::of(id),
        }
    }

    #[test]
    fn finds_the_known_and_denies_the_rest_alike() {
        let expiring = KeySpec {
            expires_ms: Some(1000),
            public: false,
            ..spec("old", "ym-expiring")
        };
        let table = KeyTable::build([spec("a", "ym-demo"), expiring], None, 0);
        assert_eq!(&*table.find(b"ym-demo", 5000).unwrap().id, "a");
        assert_eq!(&*table.find(b"ym-expiring", 999).unwrap().id, "old");
        let denied = |token: &[u8]| table.find(token, 1000).unwrap_err();
        assert_eq!(denied(b"ym-expiring").reason(), "expired");
        assert_eq!(denied(b"ym-unknown").reason(), "unknown");
        assert_eq!(denied(b"' OR 1=1").reason(), "malformed");
        table.by_id("a").unwrap().stop();
        assert_eq!(denied(b"ym-demo").reason(), "revoked");
        for token in [&b"ym-demo"[..], b"ym-unknown", b"x"] {
            assert_eq!(format!("{:?}", denied(token)), "Denied");
        }
    }

    #[test]
    fn what_lost_something_is_stopped_and_what_did_not_goes_on() {
        type Change = fn(&mut KeySpec);
        let cases: [(&str, Change, bool); 9] = [
            ("nothing", |_| {}, false),
            ("lower grade", |s| s.grade = Grade(0), false),
            ("later end", |s| s.expires_ms = Some(10_000), false),
            ("other id", |s| s.id = "b".into(), true),
            ("other team", |s| s.team = None, true),
            ("higher grade", |s| s.grade = Grade(2), true),
            ("fewer models", |s| s.models = Models::only(["x"]), true),
            (
                "fewer endpoints",
                |s| s.scope.endpoints = Models::only(["/v1/messages"]),
                true,
            ),
            ("ended", |s| s.expires_ms = Some(10), true),
        ];
        for (name, change, stops) in cases {
            let old = KeyTable::build([spec("a", "ym-demo")], None, 0);
            let held = old.find(b"ym-demo", 0).unwrap();
            let mut changed = spec("a", "ym-demo");
            change(&mut changed);
            let new = KeyTable::build([changed], Some(&old), 100);
            assert!(!held.is_stopped(), "{name}: stopped before the swap");
            assert_eq!(new.stop_what_lost(&old), usize::from(stops), "{name}");
            assert_eq!(held.is_stopped(), stops, "{name}");
            if name != "ended" {
                assert!(!new.find(b"ym-demo", 100).unwrap().is_stopped(), "{name}");
            }
        }
    }

    #[test]
    fn a_reload_does_not_undo_a_revocation() {
        let first = KeyTable::build([spec("a", "ym-demo")], None, 0);
        first.by_id("a").unwrap().stop();
        let mut changed = spec("a", "ym-demo");
        changed.grade = Grade(3);
        let second = KeyTable::build([changed], Some(&first), 0);
        assert!(second.find(b"ym-demo", 0).is_err());
    }

    #[test]
    fn a_removed_key_stops_even_two_reloads_later() {
        let first = KeyTable::build([spec("a", "ym-demo")], None, 0);
        let held = first.find(b"ym-demo", 0).unwrap();
        let second = KeyTable::build([spec("a", "ym-demo")], Some(&first), 0);
        assert_eq!(second.stop_what_lost(&first), 0);
        let third = KeyTable::build([], Some(&second), 0);
        assert_eq!(third.stop_what_lost(&second), 1);
        assert!(held.is_stopped());
        assert!(third.is_empty());
    }
}
