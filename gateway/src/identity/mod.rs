//! Who asks with a token of the company's identity provider (OpenID Connect).
//!
//! An [`Issuer`] holds what outlives a config: the keys, who was seen lately, and how much each user has used. What those
//! persons may do is the config's, in [`Rights`], and joined with them once a token, not once a request. Knows no route.
//!
//! Invariants: a token is accepted only as long as a key of a set no older than [`Settings::stale`] has signed it; whoever
//! cannot be let in is told the same, whatever was wrong (T-42); of an issuer's keys one fetch runs at a time, and requests
//! set one off at most every [`ASKED_EVERY`]; a user's limits are found by name, so that a fresh token resets nothing.

mod claims;
mod fetch;
mod jwt;
mod keep;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use policies::access::keys::KeySpec;
use policies::access::principal::{Membership, Principal};
use policies::access::token::{Digest, digest};
use policies::limit::level::Now;
use policies::limit::meter::{Limit, Meter, Meters, Owner};
use tokio::sync::{Notify, watch};
use wire::Grade;

pub use claims::{Names, Person, Wanted};
pub use fetch::{Source, is_safe};
pub use jwt::has_form;
pub use keep::keep;

use crate::config::schema::Role;
use crate::config::snapshot::Grades;
use crate::recent::Recent;
use jwt::Keys;

/// Tokens that are remembered, in each of two generations: about 300 bytes each.
const TOKENS_MAX: usize = 32_768;
/// Users whose limits are remembered, in each of two generations.
const USERS_MAX: usize = 50_000;
/// An unknown key sets off a fetch no more often (T-44).
const ASKED_EVERY: Duration = Duration::from_secs(30);
/// The longest that a request waits for keys.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// No keys were ever fetched.
const NO_KEYS: &str = "no_keys";
/// Keys are too old to be believed.
const STALE_KEYS: &str = "stale_keys";
/// No key of this name was there when keys were last fetched.
pub const UNKNOWN_KEY: &str = "unknown_key";

/// Whether a reason of [`Miss::Denied`] says something of the token. That we have no keys, or none as new as the token,
/// does not: while the provider cannot be reached, good tokens are denied too.
#[must_use]
pub fn is_judgement(why: &str) -> bool {
    ![NO_KEYS, STALE_KEYS, UNKNOWN_KEY].contains(&why)
}

/// What of an issuer is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its keys are.
    pub source: Source,
    /// Tells one setting of TLS from another.
    pub tls_mark: Digest,
    /// What a token must say.
    pub wanted: Wanted,
    /// Which claims say what.
    pub names: Names,
    /// How often its keys are fetched.
    pub refresh: Duration,
    /// How old they may be.
    pub stale: Duration,
}

impl Settings {
    /// Whether the same keys are at the same place.
    fn same_source(&self, other: &Self) -> bool {
        self.source.issuer == other.source.issuer
            && self.source.jwks_url == other.source.jwks_url
            && self.tls_mark == other.tls_mark
    }

    fn same(&self, other: &Self) -> bool {
        self.same_source(other)
            && self.wanted == other.wanted
            && self.names == other.names
            && self.refresh == other.refresh
            && self.stale == other.stale
    }
}

/// A set of keys and when it was fetched.
#[derive(Debug)]
struct Held {
    keys: Keys,
    fetched_ns: u64,
}

/// An issuer of tokens.
#[derive(Debug)]
pub struct Issuer {
    settings: Settings,
    keys: ArcSwapOption<Held>,
    sessions: Mutex<Recent<Digest, Arc<Session>>>,
    users: Mutex<Recent<Box<str>, Vec<Arc<Meter>>>>,
    /// A fetch is wanted or running.
    pending: AtomicBool,
    wanted: Notify,
    /// When a request last set off a fetch, monotonic; 0: never.
    asked_ns: AtomicU64,
    /// Fetches that came to an end.
    attempts: watch::Sender<u64>,
}

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

/// Why there is no session.
#[derive(Debug)]
pub enum Miss {
    /// For our own log and journal only.
    Denied(&'static str),
    /// Nobody knows the key yet: worth one wait.
    Unknown(Waiting),
}

/// A wait for the end of a fetch.
#[derive(Debug)]
pub struct Waiting {
    issuer: Arc<Issuer>,
    seen: u64,
    /// When the keys that there were had been fetched.
    fetched_ns: Option<u64>,
}

impl Waiting {
    /// Waits, but not long. Whether keys have been fetched meanwhile: what they do not know is no key.
    pub async fn over(self) -> bool {
        let mut attempts = self.issuer.attempts.subscribe();
        let more = attempts.wait_for(|count| *count > self.seen);
        let _ = tokio::time::timeout(WAIT_MAX, more).await;
        self.issuer.fetched_ns() != self.fetched_ns
    }
}

/// Tells newer rights from older ones: the snapshot's version, and how often teams changed under it.
pub type Version = (u64, u64);

/// What persons may do, by one config and the teams that the admin API made.
#[derive(Debug)]
pub struct Rights {
    /// Which these are.
    pub version: Version,
    /// What a member of each team may do, and each member's own limits.
    pub teams: HashMap<Box<str>, (Membership, Vec<Limit>)>,
    /// Teams that the admin API made may be missing: they have not been read.
    pub unread: bool,
    /// The team of a group; `None`: a group is a team if it has its name.
    pub groups: Option<HashMap<String, Box<str>>>,
    /// The team of whoever has no other by their groups.
    pub fallback: Option<Box<str>>,
    /// The least grade of all of them.
    pub grade: Grade,
    /// The order of grades.
    pub grades: Grades,
    /// The role that each value of the claim gives; none: nobody administers by a token.
    pub roles: HashMap<String, Role>,
    /// All limits.
    pub meters: Arc<Meters>,
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
            return Err(issuer.ask(now, NO_KEYS));
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
            return Err(issuer.ask(now, NO_KEYS));
        };
        let keys = &held.keys;
        let unverified = jwt::read(token).ok_or(Miss::Denied("malformed"))?;
        if !keys.has(&unverified.kid) {
            return Err(issuer.ask(now, UNKNOWN_KEY));
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

impl Rights {
    /// The team of somebody with these groups; it may not exist, and then they have none. A group whose team is gone never
    /// leads to another team: its people would have what only others may.
    fn team<'a>(&'a self, groups: &'a [String]) -> Option<&'a str> {
        let by_groups = match &self.groups {
            Some(teams) => groups
                .iter()
                .find_map(|group| teams.get(group))
                .map(|team| &**team),
            // Until all teams are known, any group may be one.
            None => groups
                .iter()
                .find(|group| self.unread || self.teams.contains_key(group.as_str()))
                .map(String::as_str),
        };
        by_groups.or(self.fallback.as_deref())
    }

    /// Limits of users: one of each kind, whichever team has it.
    fn of_users(&self) -> Vec<Limit> {
        let mut all: Vec<Limit> = Vec::new();
        for limit in self.teams.values().flat_map(|(_, limits)| limits) {
            let same = |known: &Limit| (known.unit, known.window) == (limit.unit, limit.window);
            if !all.iter().any(same) {
                all.push(*limit);
            }
        }
        all
    }
}

impl Directory {
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

impl Issuer {
    fn new(settings: Settings, before: Option<&Self>) -> Self {
        let before = before.filter(|before| before.settings.same_source(&settings));
        let keys = before.and_then(|before| before.keys.load_full());
        Self {
            settings,
            keys: ArcSwapOption::new(keys),
            sessions: Mutex::new(Recent::new(TOKENS_MAX)),
            users: Mutex::new(Recent::new(USERS_MAX)),
            pending: AtomicBool::new(true),
            wanted: Notify::new(),
            asked_ns: AtomicU64::new(0),
            attempts: watch::Sender::new(0),
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Recent<Digest, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the keys that there are were fetched, monotonic; `None`: never.
    fn fetched_ns(&self) -> Option<u64> {
        self.keys.load().as_ref().map(|held| held.fetched_ns)
    }

    /// Asks for a fetch, if one may be asked for, or joins the one that is to come.
    fn ask(self: &Arc<Self>, now: Now, why: &'static str) -> Miss {
        let seen = *self.attempts.borrow();
        if !self.pending.load(Ordering::Acquire) {
            let now_ns = now.mono_ns.max(1);
            let due = |asked: u64| asked == 0 || now_ns.saturating_sub(asked) >= nanos(ASKED_EVERY);
            let asking = self
                .asked_ns
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |asked| {
                    due(asked).then_some(now_ns)
                });
            if asking.is_err() {
                return Miss::Denied(why);
            }
            self.pending.store(true, Ordering::Release);
            self.wanted.notify_one();
        }
        Miss::Unknown(Waiting {
            issuer: Arc::clone(self),
            seen,
            fetched_ns: self.fetched_ns(),
        })
    }

    /// The meters of a user's own limits.
    fn meters(&self, user: &str, limits: &[Limit], all: &Meters, now: Now) -> Vec<Arc<Meter>> {
        if limits.is_empty() {
            return Vec::new();
        }
        let owner = Owner::User(user.into());
        let made = limits.iter().map(|limit| all.meter(owner.clone(), *limit));
        let made: Vec<Arc<Meter>> = made.collect();
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = made.clone();
        // Limits of another team of the same user are remembered too.
        if let Some(before) = users.get(&user.into(), |_| false) {
            let others = before
                .iter()
                .filter(|old| made.iter().all(|new| new.name() != old.name()));
            kept.extend(others.cloned());
        }
        let forgot = users.put(user.into(), kept, |_| false);
        drop(users);
        if forgot {
            all.prune(now);
        }
        made
    }

    /// Takes another set of keys. Tokens of keys that are gone are no longer good, and what runs with them ends, unless
    /// their time was over anyway. Returns how many were stopped.
    fn take(&self, keys: Keys, now: Now) -> usize {
        let now_ms = u64::try_from(now.wall_ms).unwrap_or(0);
        let held = Arc::new(Held {
            keys,
            fetched_ns: now.mono_ns,
        });
        self.keys.store(Some(Arc::clone(&held)));
        let mut stopped = 0;
        self.sessions().retain(|session| {
            let good = held.keys.holds(&session.key);
            if !good && now_ms < session.person.expires_ms {
                stopped += usize::from(session.stop_unless(None));
            }
            good
        });
        stopped
    }
}

/// Whether something runs with it, or with what it was under an earlier config: only what is remembered can be stopped.
fn in_use(session: &Arc<Session>) -> bool {
    let principal = session.principal.as_ref();
    principal.is_some_and(|principal| Arc::strong_count(principal) > 1 || principal.is_followed())
}

#[cfg(test)]
pub(crate) mod tests;

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
