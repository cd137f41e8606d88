//! Who comes to the admin endpoint, and what they may do there: the one place that decides it.
//!
//! Knows no route but what it needs. Invariants: a credential of the data endpoint opens nothing here (T-46); who may not
//! enter is told the same whatever was wrong; with `separate_duties` nobody enters with more than one of the three duties.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use policies::access::token::digest;

use super::refuse;
use crate::config::schema::Role;
use crate::config::snapshot::Admin;

/// What a route needs of whoever asks: one of these roles. `None`: nothing, it is open.
pub(super) type Needs = Option<&'static [Role]>;

/// Open to all who reach the endpoint.
pub(super) const OPEN: Needs = None;
/// Any role.
pub(super) const ANYBODY: Needs = Some(&Role::ALL);
/// 系统管理.
pub(super) const OPERATOR: Needs = Some(&[Role::Operator]);
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

/// Lets somebody in by the credential of `headers`, at `now_ms` (Unix milliseconds).
///
/// # Errors
/// The answer: 403 if nobody can come in, 401 for a credential that is missing or wrong.
#[expect(
    clippy::result_large_err,
    reason = "the error is the answer, made once"
)]
pub(super) fn enter(
    headers: &HeaderMap,
    peer: IpAddr,
    admin: &Admin,
    now_ms: u64,
) -> Result<Visitor, Response<Full<Bytes>>> {
    if admin.token.is_none() && admin.tokens.is_empty() {
        return Err(refuse(
            StatusCode::FORBIDDEN,
            "the admin API is closed: the config sets no admin.token",
        ));
    }
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let bearer = match (given.next(), given.next()) {
        (Some(one), None) => one.as_bytes().strip_prefix(b"Bearer "),
        _ => None,
    };
    let known = bearer.and_then(|bearer| known(bearer, admin, now_ms));
    let Some((name, roles, teams)) = known else {
        return Err(stranger());
    };
    Ok(Visitor {
        name,
        origin: peer.to_string(),
        teams,
        roles,
    })
}

/// The answer to somebody without the role that a route needs.
pub(super) fn not_allowed(needs: Needs) -> Response<Full<Bytes>> {
    let roles: Vec<&str> = needs
        .unwrap_or_default()
        .iter()
        .map(|role| role.as_str())
        .collect();
    let message = format!("this needs the role {}", roles.join(" or "));
    refuse(StatusCode::FORBIDDEN, &message)
}

/// Name and roles of somebody, and the teams that they may see.
type Known = (Box<str>, Vec<Role>, Option<Vec<String>>);

/// Whoever has this token.
fn known(bearer: &[u8], admin: &Admin, now_ms: u64) -> Option<Known> {
    if admin
        .token
        .as_ref()
        .is_some_and(|token| token.matches(bearer))
    {
        return Some(("admin".into(), Role::ALL.into(), None));
    }
    let token = admin.tokens.get(&digest(bearer))?;
    let expired = token.expires_ms.is_some_and(|end| now_ms >= end);
    let teams = (token.role == Role::Viewer).then(|| token.teams.clone());
    (!expired).then(|| (token.name.clone(), vec![token.role], teams))
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
