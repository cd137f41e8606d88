//! Who comes to the admin endpoint, and what they may do there: the one place that decides it.
//!
//! Knows no route but what it needs. Invariants: a virtual key opens nothing here (T-46), and a token of the identity
//! provider only what its roles say; who may not
//! enter is told the same whatever was wrong, but only so often from one address (T-43); with `separate_duties` nobody enters with more than one of the three duties.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use policies::access::token::digest;
use policies::limit::level::Now;

use super::{AdminState, refuse};
use crate::config::schema::Role;
use crate::config::snapshot::Snapshot;
use crate::identity::{self, Miss, Waiting};

/// No admin token, or one whose time is over.
const WRONG: &str = "wrong";

/// What a route needs of whoever asks: one of these roles. `None`: nothing, it is open.
pub(super) type Needs = Option<&'static [Role]>;

/// Open to all who reach the endpoint.
pub(super) const OPEN: Needs = None;
/// Any role.
pub(super) const ANYBODY: Needs = Some(&Role::ALL);
/// 系统管理.
pub(super) const OPERATOR: Needs = Some(&[Role::Operator]);
/// 安全管理.
pub(super) const SECURITY: Needs = Some(&[Role::Security]);
/// 审计管理.
pub(super) const AUDITOR: Needs = Some(&[Role::Auditor]);
/// Any of the three duties.
pub(super) const DUTY: Needs = Some(&[Role::Operator, Role::Security, Role::Auditor]);

/// Somebody who was let in.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// As the audit log names them.
    pub(super) name: Box<str>,
    /// Where they come from.
    pub(super) origin: String,
    /// The teams whose usage they may see, with those below them; `None`: all.
    pub(super) teams: Option<Vec<String>>,
    roles: Vec<Role>,
}

impl Visitor {
    /// Whether they may do what needs this.
    pub(super) fn may(&self, needs: Needs) -> bool {
        needs.is_none_or(|needs| needs.iter().any(|role| self.roles.contains(role)))
    }
}

/// Lets somebody in by the credential of `headers`.
///
/// # Errors
/// The answer: 403 if nobody can come in, or not with so many duties; 401 for a credential that is missing or wrong, or 429
/// for a wrong one when there were many from there.
pub(super) async fn enter(
    headers: &HeaderMap,
    peer: IpAddr,
    state: &AdminState,
) -> Result<Visitor, Response<Full<Bytes>>> {
    let mut snapshot = state.config.load();
    let admin = &snapshot.admin;
    let people = snapshot.identity.as_ref();
    let people = people.is_some_and(|people| !people.rights().roles.is_empty());
    if admin.token.is_none() && admin.tokens.is_empty() && !people {
        return Err(refuse(
            StatusCode::FORBIDDEN,
            "the admin API is closed: the config sets no admin.token",
        ));
    }
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let bearer = match (given.next(), given.next()) {
        (Some(one), None) => token(one.as_bytes()),
        _ => None,
    };
    let Some(bearer) = bearer else {
        return Err(stranger());
    };
    let mut known = known(bearer, &snapshot, state.now());
    // As often as at the data endpoint: a fetch that was under way may have begun too early.
    for _ in 0..2 {
        let Known::After(waiting) = known else { break };
        waiting.over().await;
        // Whatever a reload took away meanwhile is not theirs.
        snapshot = state.config.load();
        known = self::known(bearer, &snapshot, state.now());
    }
    let (name, roles, teams) = match known {
        Known::As(name, roles, teams) => (name, roles, teams),
        Known::Nobody(why) if identity::is_judgement(why) => {
            let counted = state.failures.count(Some(peer), state.now());
            return Err(counted.map_or_else(too_many, |()| stranger()));
        }
        Known::Nobody(_) | Known::After(_) => return Err(stranger()),
    };
    let duties = roles.iter().filter(|role| **role != Role::Viewer).count();
    if snapshot.admin.separate_duties && duties > 1 {
        return Err(refuse(
            StatusCode::FORBIDDEN,
            "you have more than one of the duties operator, security and auditor, and the config sets separate_duties",
        ));
    }
    Ok(Visitor {
        name,
        origin: peer.to_string(),
        teams,
        roles,
    })
}

/// What somebody without the role that a route needs is told.
pub(super) fn lacks(needs: Needs) -> String {
    let roles: Vec<&str> = needs
        .unwrap_or_default()
        .iter()
        .map(|role| role.as_str())
        .collect();
    format!("this needs the role {}", roles.join(" or "))
}

/// The token of a credential; names of schemes are the same in upper and lower case (RFC 9110, section 11.1).
fn token(credential: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = credential.trim_ascii().split_at_checked(b"bearer ".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer ");
    is_bearer.then(|| token.trim_ascii())
}

/// Who has a token.
enum Known {
    /// Name and roles, and the teams that they may see.
    As(Box<str>, Vec<Role>, Option<Vec<String>>),
    /// And why not.
    Nobody(&'static str),
    /// It may be somebody's once the provider's keys are here.
    After(Waiting),
}

fn known(bearer: &[u8], snapshot: &Snapshot, now: Now) -> Known {
    let admin = &snapshot.admin;
    let token = admin.token.as_ref();
    if token.is_some_and(|token| token.matches(bearer)) {
        return Known::As("admin".into(), Role::ALL.into(), None);
    }
    if let Some(token) = admin.tokens.get(&digest(bearer)) {
        let now_ms = u64::try_from(now.wall_ms).unwrap_or(0);
        if token.expires_ms.is_some_and(|end| now_ms >= end) {
            return Known::Nobody(WRONG);
        }
        let teams = (token.role == Role::Viewer).then(|| token.teams.clone());
        return Known::As(token.name.clone(), vec![token.role], teams);
    }
    match &snapshot.identity {
        Some(people) if !people.rights().roles.is_empty() && identity::has_form(bearer) => {
            match people.session(bearer, now) {
                Ok(session) => {
                    let (user, roles) = (session.person.user.clone(), session.roles.clone());
                    let duty = roles.iter().any(|role| *role != Role::Viewer);
                    let own = session
                        .principal
                        .iter()
                        .filter_map(|own| own.team.as_deref());
                    Known::As(
                        user,
                        roles,
                        (!duty).then(|| own.map(str::to_owned).collect()),
                    )
                }
                Err(Miss::Denied(why)) => Known::Nobody(why),
                Err(Miss::Unknown(waiting)) => Known::After(waiting),
            }
        }
        _ => Known::Nobody(WRONG),
    }
}

/// There were too many wrong ones; there is room for another after this wait.
fn too_many(wait: Duration) -> Response<Full<Bytes>> {
    let mut refusal = refuse(
        StatusCode::TOO_MANY_REQUESTS,
        "too many requests from this address had no valid admin token",
    );
    let seconds = HeaderValue::from(wait.as_secs().saturating_add(1));
    refusal.headers_mut().insert(header::RETRY_AFTER, seconds);
    refusal
}

fn stranger() -> Response<Full<Bytes>> {
    let mut refusal = refuse(
        StatusCode::UNAUTHORIZED,
        "the admin token is missing or wrong",
    );
    let challenge = HeaderValue::from_static("Bearer");
    refusal
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    refusal
}
