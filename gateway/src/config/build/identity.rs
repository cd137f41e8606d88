//! Section `identity` → whose tokens let somebody ask, and what they may do.
//!
//! Opens no connection: the keys are fetched while the gateway runs. Invariant: a user's limit is the least that the
//! section, the team and the teams above it say; `None` means that check and this file disagree.

use std::collections::HashMap;
use std::sync::Arc;

use ::policies::access::token::digest;
use ::policies::limit::Books;
use ::policies::limit::meter::Limit;

use super::limits::{self, Maker};
use super::{Files, Ground, access, resolve};
use crate::audit::http::Tls;
use crate::config::schema::{self, Config};
use crate::config::snapshot::{ClientTls, Grades};
use crate::identity::{Directory, Names, Rights, Settings, Source, Version, Wanted};

/// `Some(None)` if the config has none.
pub(super) fn build(
    config: &Config,
    grades: &Grades,
    ground: &Ground<'_>,
    files: &mut Files<'_>,
) -> Option<Option<Directory>> {
    let Some(from) = &config.identity else {
        return Some(None);
    };
    let settings = settings(from, files)?;
    let version = (ground.before.map_or(1, |before| before.version + 1), 0);
    let rights = rights(config, grades, ground.books, version)??;
    let before = ground.before.and_then(|before| before.identity.as_ref());
    Some(Some(Directory::new(settings, rights, before)))
}

fn settings(from: &schema::Identity, files: &mut Files<'_>) -> Option<Settings> {
    let ca = match &from.ca {
        Some(path) => Some(files.certs(&["identity".into(), "ca".into()], path)?),
        None => None,
    };
    let tls_mark = ca.as_ref().map_or([0; 32], |certs| {
        let all: Vec<&[u8]> = certs.iter().map(AsRef::as_ref).collect();
        digest(&all.concat())
    });
    let tls = ClientTls {
        ca,
        ..ClientTls::default()
    };
    let client = crate::server::tls::client(&tls, false);
    let client = files.usable(&["identity".into(), "ca".into()], client)?;
    let claims = &from.claims;
    Some(Settings {
        source: Source {
            issuer: from.issuer.clone(),
            jwks_url: from.jwks_url.clone(),
            tls: Tls {
                client,
                server_name: None,
            },
        },
        tls_mark,
        wanted: Wanted {
            issuer: from.issuer.clone(),
            audiences: from.audience.0.clone(),
            leeway_s: i64::try_from(from.leeway.0.as_secs()).ok()?,
        },
        names: Names {
            team: claims.team.clone(),
            user: claims.user.clone(),
            roles: claims.roles.clone(),
            grade: claims.grade.clone(),
        },
        refresh: from.refresh.0,
        stale: from.stale.0,
    })
}

/// What persons may do. `Some(None)` if the config knows none.
#[expect(
    clippy::option_option,
    reason = "as everywhere here, `None` is a disagreement"
)]
pub(super) fn rights(
    config: &Config,
    grades: &Grades,
    books: &Books,
    version: Version,
) -> Option<Option<Rights>> {
    let Some(from) = &config.identity else {
        return Some(None);
    };
    let maker = Maker::new(config, books)?;
    let mut teams = HashMap::with_capacity(config.teams.len());
    for (name, membership) in access::teams(config, grades, &maker)? {
        let mut least: Vec<Limit> = Vec::new();
        let of_teams = limits::chain(config, Some(name))?.into_iter();
        let of_teams = of_teams.map(|(_, team)| &team.per_user);
        for per_user in of_teams.chain([&from.per_user]) {
            for limit in maker.limits(&per_user.limits, per_user.budget.as_ref())? {
                let same = |old: &&mut Limit| (old.unit, old.window) == (limit.unit, limit.window);
                match least.iter_mut().find(same) {
                    Some(old) if old.amount <= limit.amount => {}
                    Some(old) => *old = limit,
                    None => least.push(limit),
                }
            }
        }
        teams.insert(name.into(), (membership, least));
    }
    let roles = from.roles.iter();
    let roles = roles.flat_map(|(role, values)| values.iter().map(|value| (value.clone(), *role)));
    Some(Some(Rights {
        version,
        teams,
        unread: false,
        groups: from.teams.as_ref().map(|teams| {
            let pairs = teams.iter();
            pairs
                .map(|(group, team)| (group.clone(), team.as_str().into()))
                .collect()
        }),
        fallback: from.team.as_deref().map(Into::into),
        grade: resolve(grades, from.grade.as_deref())?,
        grades: grades.clone(),
        roles: roles.collect(),
        meters: Arc::clone(&books.meters),
    }))
}
