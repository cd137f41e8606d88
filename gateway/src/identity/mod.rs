//! Who asks with a token of the company's identity provider (OpenID Connect).
//!
//! A [`Directory`] finds the [`Session`] of a token. It joins an [`Issuer`], which outlives a config (its keys, who was seen
//! lately, how much each user has used), with the config's [`Rights`]: once a token, not once a request. Knows no route.
//!
//! Invariants: a token is accepted only as long as a key of a set no older than [`Settings::stale`] has signed it; whoever
//! cannot be let in is told the same, whatever was wrong (T-42); who lost something is stopped.

mod claims;
mod fetch;
mod issuer;
mod jwt;
mod keep;
mod rights;

use std::sync::Arc;

use arc_swap::ArcSwap;
use policies::access::keys::KeySpec;
use policies::access::principal::Principal;
use policies::access::token::{Digest, digest};
use policies::limit::level::Now;
use policies::limit::meter::{Limit, Meter};
use wire::Grade;

pub use claims::{Names, Person, Wanted};
pub use fetch::{Source, is_safe};
pub use issuer::{Issuer, Miss, Settings, UNFETCHED_KEY, Waiting, is_judgement};
pub use jwt::has_form;
pub use keep::keep;
pub use rights::{Rights, Version};

use crate::config::schema::Role;
use issuer::{STALE_KEYS, nanos};

/// A token that was verified, and whom it lets do what.
#[derive(Debug)]
pub struct Session {
    /// Who asks; `None` if no team is theirs.
    pub principal: Option<Arc<Principal>>,
    /// No team is theirs, but nobody has read yet which teams the admin API made.
    pub unread: bool,
    /// Whom it speaks of.
    pub person: Person,
    /// What they may do at the admin endpoint.
    pub roles: Vec<Role>,
    /// The key that signed it.
    key: Digest,
    /// Of the rights that it was made by.
    version: Version,
}

/// The identity provider of a snapshot.
#[derive(Debug)]
pub struct Directory {
    /// What outlives the snapshot.
    pub issuer: Arc<Issuer>,
    /// What is the snapshot's. Changes while it is used: a team that the admin API makes is no new config.
    rights: ArcSwap<Rights>,
}

impl Directory {
    /// With the issuer of `before` if it is the same.
    #[must_use]
    pub fn new(settings: Settings, rights: Rights, before: Option<&Self>) -> Self {
        let before = before.map(|before| &before.issuer);
        let issuer = match before {
            Some(before) if before.settings.same(&settings) => Arc::clone(before),
            _ => Arc::new(Issuer::new(settings, before.map(|before| &**before))),
        };
        Self {
            issuer,
            rights: ArcSwap::from_pointee(rights),
        }
    }

    /// What persons may do.
    #[must_use]
    pub fn rights(&self) -> Arc<Rights> {
        self.rights.load_full()
    }

    /// Puts other teams in place of those there are: their `version` is set here. Nobody is stopped yet, since the
    /// snapshot may not be in use: see [`renew`](Self::renew).
    pub fn set_rights(&self, mut rights: Rights) {
        let (snapshot, changes) = self.rights.load().version;
        rights.version = (snapshot, changes + 1);
        self.rights.store(Arc::new(rights));
    }

    /// Makes all sessions anew under the rights that there are now. What persons lost by them ends their streams; returns
    /// how many were stopped.
    pub fn renew(&self, now: Now) -> usize {
        let all = self.issuer.sessions().all();
        self.renew_all(&all, now)
    }

    /// Makes sessions anew under these rights. Returns how many principals ended.
    fn renew_all(&self, all: &[(Digest, Arc<Session>)], now: Now) -> usize {
        let rights = self.rights();
        let stopped = all.iter().filter(|(name, session)| {
            let newer = self.renewed(&rights, *name, session, now);
            session.stop_unless(newer.principal.as_deref())
        });
        stopped.count()
    }

    /// The session of a token.
    ///
    /// # Errors
    /// [`Miss`].
    pub fn session(&self, token: &[u8], now: Now) -> Result<Arc<Session>, Miss> {
        if !has_form(token) {
            return Err(Miss::Denied("malformed"));
        }
        let issuer = &self.issuer;
        let Some(held) = issuer.keys.load_full() else {
            return Err(issuer.ask(now, None));
        };
        if now.mono_ns.saturating_sub(held.fetched_ns) > nanos(issuer.settings.stale) {
            return Err(Miss::Denied(STALE_KEYS));
        }
        let name = digest(token);
        let rights = self.rights();
        let known = issuer.sessions().get(&name, in_use).map(Arc::clone);
        let mut session = match known {
            Some(session) if session.version >= rights.version => session,
            Some(older) => self.renewed(&rights, name, &older, now),
            None => self.verified(&rights, token, name, now)?,
        };
        let newest = self.rights();
        if session.version < newest.version {
            // Teams changed meanwhile, and whoever changed them may not have seen this session.
            session = self.renewed(&newest, name, &session, now);
        }
        let now_ms = u64::try_from(now.wall_ms).unwrap_or(0);
        if now_ms >= session.person.expires_ms {
            return Err(Miss::Denied("expired"));
        }
        match &session.principal {
            Some(principal) if principal.is_stopped() => Err(Miss::Denied("revoked")),
            _ => Ok(session),
        }
    }

    /// A token that was not seen lately.
    fn verified(
        &self,
        rights: &Rights,
        token: &[u8],
        name: Digest,
        now: Now,
    ) -> Result<Arc<Session>, Miss> {
        let issuer = &self.issuer;
        let Some(held) = issuer.keys.load_full() else {
            return Err(issuer.ask(now, None));
        };
        let keys = &held.keys;
        let unverified = jwt::read(token).ok_or(Miss::Denied("malformed"))?;
        if !keys.has(&unverified.kid) {
            return Err(issuer.ask(now, Some(&held)));
        }
        let verified = unverified.verify(keys);
        let (claims, key) = verified.ok_or(Miss::Denied("signature"))?;
        let settings = &issuer.settings;
        let now_s = now.wall_ms.div_euclid(1000);
        let person = claims::read(&claims, &settings.wanted, &settings.names, now_s);
        let person = person.map_err(Miss::Denied)?;
        let session = Arc::new(self.made(rights, person, key, now));
        issuer.sessions().put(name, Arc::clone(&session), in_use);
        let newest = issuer.keys.load();
        if !newest.as_ref().is_some_and(|held| held.keys.holds(&key)) {
            // The key went meanwhile, and whoever took it away may not have seen this session.
            issuer.sessions().forget(&name);
            return Err(Miss::Denied("signature"));
        }
        Ok(session)
    }

    fn made(&self, rights: &Rights, person: Person, key: Digest, now: Now) -> Session {
        let principal = self.principal(rights, &person, now).map(Arc::new);
        let mut roles: Vec<Role> = person
            .roles
            .iter()
            .filter_map(|name| rights.roles.get(name).copied())
            .collect();
        roles.sort_unstable();
        roles.dedup();
        Session {
            unread: principal.is_none() && rights.unread,
            principal,
            person,
            roles,
            key,
            version: rights.version,
        }
    }

    fn principal(&self, rights: &Rights, person: &Person, now: Now) -> Option<Principal> {
        let team = rights.team(&person.groups)?;
        let (membership, limits) = rights.teams.get(team)?;
        let declared = person.grades.iter().map(|name| {
            // A grade that we do not know is the highest, the careful choice.
            let grade = rights.grades.find(name);
            grade.unwrap_or_else(|| rights.grades.highest())
        });
        let grade = declared.max().unwrap_or(Grade::LOWEST);
        let mut meters = self
            .issuer
            .meters(&person.user, limits, &rights.meters, now);
        meters.extend(membership.meters.iter().cloned());
        Some(Principal::new(KeySpec {
            id: Box::default(),
            digest: [0; 32],
            user: Some(person.user.clone()),
            team: Some(team.into()),
            certificate: None,
            grade: grade.max(membership.grade).max(rights.grade),
            models: membership.models.clone(),
            scope: membership.scope.clone(),
            expires_ms: Some(person.expires_ms),
            public: false,
            own: None,
            meters: meters.into(),
            share: membership.turns.share(&person.user, None),
        }))
    }

    /// The session of an older snapshot under this one's rights. What lost something is stopped.
    fn renewed(
        &self,
        rights: &Rights,
        name: Digest,
        older: &Arc<Session>,
        now: Now,
    ) -> Arc<Session> {
        let mut session = self.made(rights, older.person.clone(), older.key, now);
        // Who had no team before may have one now: nothing ran that could go on.
        if let Some(old) = &older.principal {
            let new = session.principal.take().and_then(Arc::into_inner);
            session.principal = new.map(|mut new| {
                // That its time is over ends no stream: a token is good for what began with it.
                if new.keeps_all_of(old, 0) {
                    new.follow(old);
                }
                Arc::new(new)
            });
        }
        older.stop_unless(session.principal.as_deref());
        let session = Arc::new(session);
        self.issuer
            .sessions()
            .put(name, Arc::clone(&session), in_use);
        session
    }

    /// The meters of a user who has not asked yet, so that what was used of them before can be restored, before the next
    /// user is expected: of too many, those are forgotten of which nothing was used. `limits`: of all users. Of another team's
    /// limits the amounts are other ones, but not what is counted.
    #[must_use]
    pub fn expect(&self, user: &str, limits: &[Limit], now: Now) -> Vec<Arc<Meter>> {
        let rights = self.rights();
        self.issuer.meters(user, limits, &rights.meters, now)
    }

    /// Limits that users have, whoever they are.
    #[must_use]
    pub fn limits_of_users(&self) -> Vec<Limit> {
        self.rights().of_users()
    }
}

impl Session {
    /// Stops its principal unless `newer` is stopped with it. Whether it was stopped.
    fn stop_unless(&self, newer: Option<&Principal>) -> bool {
        let Some(old) = &self.principal else {
            return false;
        };
        let goes_on = newer.is_some_and(|newer| newer.follows(old));
        if !goes_on {
            old.stop();
        }
        !goes_on
    }
}

/// After a reload: what persons lost ends their streams. Returns how many were stopped.
pub fn reloaded(before: Option<&Directory>, after: Option<&Directory>, now: Now) -> usize {
    let Some(before) = before else { return 0 };
    let all = before.issuer.sessions().all();
    match after.filter(|after| Arc::ptr_eq(&after.issuer, &before.issuer)) {
        Some(after) => after.renew_all(&all, now),
        None => all
            .iter()
            .filter(|(_, session)| session.stop_unless(None))
            .count(),
    }
}

/// Whether something runs with it, or with what it was under an earlier config: only what is remembered can be stopped.
fn in_use(session: &Arc<Session>) -> bool {
    let principal = session.principal.as_ref();
    principal.is_some_and(|principal| Arc::strong_count(principal) > 1 || principal.is_followed())
}

#[cfg(test)]
pub(crate) mod tests;
