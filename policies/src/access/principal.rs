//! Who asks, once it is known who that is: behind a virtual key, a client certificate or a token of the company's identity
//! provider.
//!
//! Knows no credential. Invariants: what it may do is what it and all teams above it may do, joined when it is made; one
//! that lost something is stopped for good, and whoever holds it (a running stream) sees that at its next event (T-45).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wire::Grade;

use super::keys::KeySpec;
use super::scope::{Names, Scope};
use super::token::Digest;
use crate::limit::line::{Share, Turns};
use crate::limit::meter::{Meter, Purse};

/// What all who belong to a team have in common, joined with what all teams above it have.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The least grade.
    pub grade: Grade,
    /// Models that they may ask for.
    pub models: Names,
    /// Where, whence and when they may ask.
    pub scope: Scope,
    /// Limits of the team, then of those above it.
    pub meters: Arc<[Arc<Meter>]>,
    /// How they wait for providers.
    pub turns: Turns,
}

impl Membership {
    /// That of those without a team: nothing is demanded, everything allowed.
    #[must_use]
    pub fn none() -> Self {
        Self {
            grade: Grade::LOWEST,
            models: Names::All,
            scope: Scope::default(),
            meters: Arc::default(),
            turns: Turns::default(),
        }
    }
}

/// Who asks.
#[derive(Debug)]
pub struct Principal {
    /// The key's id; empty for a token of an identity provider.
    pub id: Box<str>,
    /// The user whom the credential names. Virtual keys and certificates name none.
    pub user: Option<Box<str>>,
    /// Its team.
    pub team: Option<Arc<str>>,
    /// The least grade that its requests have; a header may raise it.
    pub grade: Grade,
    /// Models that it may ask for.
    pub models: Names,
    /// Where, whence and when it may ask.
    pub scope: Scope,
    /// Unix milliseconds from which on it is no longer valid.
    pub expires_ms: Option<u64>,
    /// It serves the public.
    pub public: bool,
    own: Option<Purse>,
    above: Arc<[Arc<Meter>]>,
    /// On whose account it waits for providers, and how urgently.
    pub share: Share,
    /// The name of the client certificate that stands for it too. Boxed: few have one.
    certificate: Option<Box<Digest>>,
    /// Set once, never cleared; shared with the same credential's principal of later snapshots.
    stop: Arc<AtomicBool>,
}

impl Principal {
    /// A principal that nothing has stopped.
    #[must_use]
    pub fn new(spec: KeySpec) -> Self {
        Self {
            id: spec.id,
            user: spec.user,
            team: spec.team,
            grade: spec.grade,
            models: spec.models,
            scope: spec.scope,
            expires_ms: spec.expires_ms,
            public: spec.public,
            own: spec.own,
            above: spec.meters,
            share: spec.share,
            certificate: spec.certificate.map(Box::new),
            stop: Arc::default(),
        }
    }

    /// The principal of a credential that goes on with what `old`, the same one's before, had running, unless something was
    /// lost.
    pub(super) fn of(spec: KeySpec, old: Option<&Arc<Self>>, now_ms: u64) -> Self {
        let mut principal = Self::new(spec);
        if let Some(old) = old
            // What was revoked stays revoked, whatever else changed.
            && (old.is_stopped() || principal.keeps_all_of(old, now_ms))
        {
            principal.follow(old);
        }
        principal
    }

    /// Its own limits, then those of its user, its team and of the teams above.
    pub fn meters(&self) -> impl Iterator<Item = &Arc<Meter>> {
        let own = self.own.iter().flat_map(|own| own.meters(&self.id));
        own.chain(self.above.iter())
    }

    /// The limits of a key itself, made or not.
    #[must_use]
    pub fn own(&self) -> Option<&Purse> {
        self.own.as_ref()
    }

    /// Stops this principal unless `new`, what its credential's became, goes on in its place. Whether it did.
    pub(super) fn ends_for(&self, new: Option<&Arc<Self>>) -> bool {
        let ends = !new.is_some_and(|new| new.follows(self)) && !self.is_stopped();
        if ends {
            self.stop();
        }
        ends
    }

    /// Whether this principal may go on. Asked per event of a stream: one relaxed load.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Ends this principal's requests and streams, in this and all later snapshots that hold the same credential.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether its time is over at `now_ms`.
    #[must_use]
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|end| now_ms >= end)
    }

    /// Is stopped with `old`, the older form of the same credential's principal, from now on.
    pub fn follow(&mut self, old: &Self) {
        self.stop = Arc::clone(&old.stop);
    }

    /// Whether it is stopped with `old`.
    #[must_use]
    pub fn follows(&self, old: &Self) -> bool {
        Arc::ptr_eq(&self.stop, &old.stop)
    }

    /// Whether anybody but the holder of this one is stopped with it: a stream that began with an older form, say.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        Arc::strong_count(&self.stop) > 1
    }

    /// Whether `self`, the newer form of the same credential's principal, may do everything that `old` might.
    #[must_use]
    pub fn keeps_all_of(&self, old: &Self, now_ms: u64) -> bool {
        self.id == old.id
            && self.user == old.user
            && self.team == old.team
            && self.grade <= old.grade
            // What came with another certificate has no credential any more.
            && (old.certificate.is_none() || self.certificate == old.certificate)
            && old.models.within(&self.models)
            && old.scope.within(&self.scope).is_ok()
            && !self.is_expired(now_ms)
    }
}
