//! Checks of the identity provider: where its keys are, whom its tokens let in.
//!
//! Opens no connection. Invariant: keys never come by a way that somebody else could change.

use std::collections::HashMap;
use std::time::Duration;

use super::{Check, at};
use crate::config::address::parse_base_url;
use crate::config::problem::suggest;
use crate::config::schema::Role;
use crate::config::units::Span;
use crate::identity::is_safe;

/// Clocks that are further apart are wrong.
const LEEWAY_MAX: Duration = Duration::from_secs(10 * 60);
const REFRESH: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
/// The longest that keys may be kept without hearing of their issuer.
const STALE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

impl Check<'_> {
    pub(super) fn identity(&mut self) {
        let config = self.config;
        for (name, team) in &config.teams {
            self.per_user(
                &at!["teams", name.as_str(), "per_user"],
                &team.per_user,
                config.identity.is_some(),
            );
        }
        let Some(identity) = &config.identity else {
            return;
        };
        let section = |field: &str| at!["identity", field];
        let urls = [
            ("issuer", Some(&identity.issuer)),
            ("jwks_url", identity.jwks_url.as_ref()),
        ];
        for (field, url) in urls {
            let Some(url) = url else { continue };
            if let Err(why) = parse_base_url(url.split_once('?').map_or(url, |(bare, _)| bare)) {
                self.error(&section(field), why);
            } else if !is_safe(url) {
                self.error(
                    &section(field),
                    "must be https: whoever is in between could put keys of their own in place",
                );
            }
        }
        if identity.audience.0.is_empty() || identity.audience.0.iter().any(String::is_empty) {
            let message = "names nobody: tokens for other applications would be taken too";
            self.error(&section("audience"), message);
        }
        let claims = &identity.claims;
        for (field, claim) in [("team", &claims.team), ("user", &claims.user)] {
            if claim.is_empty() {
                self.error(&at!["identity", "claims", field], "names no claim");
            }
        }
        if !identity.roles.is_empty() && claims.roles.is_none() {
            let message = "without `claims.roles` no token has a role";
            self.error(&section("roles"), message);
        }
        let teams = identity.teams.iter().flatten();
        for (group, team) in teams {
            self.team(&at!["identity", "teams", group.as_str()], team);
        }
        if let Some(team) = &identity.team {
            self.team(&section("team"), team);
        } else if config.teams.is_empty() {
            self.warn(
                &at!["identity"],
                "there is no team: every token is refused, unless the admin API makes some",
            );
        }
        self.grade(&section("grade"), identity.grade.as_deref());
        self.one_role_each(identity);
        self.per_user(&section("per_user"), &identity.per_user, true);
        let Span(refresh) = identity.refresh;
        if refresh < REFRESH.0 || refresh > REFRESH.1 {
            self.error(&section("refresh"), "must be 1s to 1d");
        }
        if identity.stale.0 < refresh || identity.stale.0 > STALE_MAX {
            self.error(&section("stale"), "must be `refresh` to 30d");
        }
        if identity.leeway.0 > LEEWAY_MAX {
            self.error(&section("leeway"), "must be 0s to 10m");
        }
    }

    /// The admin API may make it: until then, whoever is of it is refused, whatever other groups they have.
    fn team(&mut self, steps: &[crate::config::problem::Step], name: &str) {
        let teams = &self.config.teams;
        if !teams.contains_key(name) {
            let near = suggest(name, teams.keys().map(String::as_str));
            let meant = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            let shown = self.doc.shown(steps);
            self.warn(
                steps,
                format!("the config has no team `{shown}`{meant}: whoever is of it is refused until the admin API makes one"),
            );
        }
    }

    /// A value of the claim gives one role.
    fn one_role_each(&mut self, identity: &crate::config::schema::Identity) {
        let mut seen: HashMap<&str, Role> = HashMap::new();
        for (role, values) in &identity.roles {
            for (index, value) in values.iter().enumerate() {
                if let Some(first) = seen.insert(value, *role) {
                    let message = format!("this value gives the role {} already", first.as_str());
                    let steps = at!["identity", "roles", role.as_str(), index];
                    self.error(&steps, message);
                }
            }
        }
    }
}
