//! Teams and keys → principals' parts: what a team may do, joined with what all above it may.
//!
//! Invariant: what a team above may not do, nobody below it may; `None` means that check and this file disagree.

use std::collections::HashMap;
use std::sync::Arc;

use ::policies::access::keys::{KeySpec, Models};
use ::policies::access::principal::Membership;
use ::policies::access::token::{Digest, parse_digest};
use ::policies::limit::Books;
use ::policies::limit::meter::Owner;
use ipnet::IpNet;

use super::limits::{self, Maker};
use super::resolve;
use crate::config::schema::{self, Certificate, Config};
use crate::config::scope::{Said, network};
use crate::config::snapshot::{AdminToken, Grades};
use crate::config::time::parse_moment_ms;

fn names(names: Option<&Vec<String>>) -> Models {
    names.map_or(Models::All, Models::only)
}

/// What each team's members have in common, by the team's name.
pub(super) fn teams<'a>(
    config: &'a Config,
    grades: &Grades,
    maker: &Maker<'_>,
) -> Option<HashMap<&'a str, Membership>> {
    let mut all = HashMap::with_capacity(config.teams.len());
    for name in config.teams.keys() {
        let mut common = Membership::none();
        let chain = limits::chain(config, Some(name))?;
        common.turns = limits::turns(&chain);
        let mut meters = Vec::new();
        for (name, team) in chain {
            common.grade = common.grade.max(resolve(grades, team.grade.as_deref())?);
            common.models = common.models.both(&names(team.models.as_ref()));
            let scope = Said::from(team).read(&config.state.timezone).ok()?;
            common.scope = common.scope.both(&scope);
            let owner = Owner::Team(name.into());
            meters.extend(maker.meters(&owner, &team.limits, team.budget.as_ref())?);
        }
        common.meters = meters.into();
        all.insert(name.as_str(), common);
    }
    Some(all)
}

/// All keys, one by one: of many a list would take as much room as what is made of it. Ends with the first `None`.
pub(super) fn keys<'a>(
    config: &'a Config,
    grades: &'a Grades,
    books: &'a Books,
) -> Option<impl Iterator<Item = Option<KeySpec>> + 'a> {
    let maker = Maker::new(config, books)?;
    let teams = teams(config, grades, &maker)?;
    let nobody = Membership::none();
    let spec = move |key: &schema::Key| {
        let team = match key.team.as_deref() {
            Some(name) => teams.get(name)?,
            None => &nobody,
        };
        let scope = Said::from(key).read(&config.state.timezone).ok()?;
        Some(KeySpec {
            id: key.id.as_str().into(),
            digest: credential(key)?,
            user: None,
            team: team.turns.team.clone(),
            certificate: key.certificate.as_ref().and_then(Certificate::name),
            grade: resolve(grades, key.grade.as_deref())?.max(team.grade),
            models: names(key.models.as_ref()).both(&team.models),
            scope: scope.both(&team.scope),
            expires_ms: moment(key.expires.as_ref())?,
            public: key.public,
            own: maker.purse(&key.limits, key.budget.as_ref())?,
            meters: Arc::clone(&team.meters),
            share: team.turns.share(&key.id, key.priority.map(limits::class)),
        })
    };
    Some(config.keys.iter().map(spec))
}

/// Networks by themselves.
pub(super) fn networks(texts: &[String]) -> Option<Vec<IpNet>> {
    texts.iter().map(|text| network(text).ok()).collect()
}

/// What a key is found by in the table: its hash; without one the name of its certificate, which is the digest of no key.
fn credential(key: &schema::Key) -> Option<Digest> {
    match (&key.hash, &key.certificate) {
        (Some(hash), _) => parse_digest(hash),
        (None, Some(certificate)) => certificate.name(),
        (None, None) => None,
    }
}

/// Keys by the names of certificates.
pub(super) fn certificates(config: &Config) -> Option<HashMap<Digest, Digest>> {
    let with = |key: &schema::Key| {
        let certificate = key.certificate.as_ref()?;
        Some(certificate.name().zip(credential(key)))
    };
    config.keys.iter().filter_map(with).collect()
}

/// Tokens of the admin API.
pub(super) fn tokens(tokens: &[schema::AdminToken]) -> Option<HashMap<Digest, AdminToken>> {
    let token = |from: &schema::AdminToken| {
        let token = AdminToken {
            name: from.name.as_str().into(),
            role: from.role,
            teams: from.teams.clone(),
            expires_ms: moment(from.expires.as_ref())?,
        };
        Some((parse_digest(&from.hash)?, token))
    };
    tokens.iter().map(token).collect()
}

/// `Some(None)` if there is none.
fn moment(text: Option<&String>) -> Option<Option<u64>> {
    text.map_or(Some(None), |text| parse_moment_ms(text).map(Some))
}
