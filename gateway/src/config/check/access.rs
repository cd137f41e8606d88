//! Checks of teams and keys: they resolve, and a key only narrows what its team may do.
//!
//! Knows digests, never keys.

use std::collections::{BTreeSet, HashMap};

use policies::access::keys::Models;
use policies::access::scope::Scope;
use policies::access::token;

use super::{Check, KEY_ID_BYTES_MAX, NAME_BYTES_MAX, TEAMS_DEEP_MAX, at};
use crate::config::problem::{Problem, Severity, Step};
use crate::config::schema::{Key, Role, Team};
use crate::config::scope::{Said, Wrong, network};
use crate::config::time::parse_moment_ms;

/// What a team and all above it may do.
struct Above {
    grade: usize,
    models: Models,
    scope: Scope,
}

/// What a team or a key says itself.
struct Own<'a> {
    /// `key`, and who is above it.
    who: (&'static str, &'static str),
    steps: &'a [Step],
    grade: Option<usize>,
    models: Option<&'a [String]>,
    said: Said<'a>,
}

/// Keys that ask alike: grade, team, own models.
type Asker<'a> = (usize, Option<&'a str>, Option<&'a [String]>);

impl Check<'_> {
    pub(super) fn access(&mut self) {
        let config = self.config;
        self.each_team();
        for (at, text) in config.trusted_proxies.iter().enumerate() {
            if let Err(wrong) = network(text) {
                self.wrong(&at!["trusted_proxies", at], wrong);
            }
        }
        if config.keys.is_empty() {
            self.warn(
                &at!["keys"],
                "there is no key: every request is refused, unless the admin API makes some",
            );
        }
        let mut above: HashMap<&str, Above> = HashMap::new();
        let mut ids: HashMap<&str, usize> = HashMap::new();
        let mut digests: HashMap<token::Digest, usize> = HashMap::new();
        for (index, key) in config.keys.iter().enumerate() {
            let field = |field: &str| at!["keys", index, field];
            self.name(&field("id"), &key.id, KEY_ID_BYTES_MAX);
            if let Some(first) = ids.insert(&key.id, index) {
                self.error(&field("id"), format!("keys[{first}] has this id already"));
            }
            if let Some(hash) = &key.hash
                && let Some(digest) = self.digest(&field("hash"), hash)
                && let Some(first) = digests.insert(digest, index)
            {
                self.error(&field("hash"), format!("keys[{first}] is the same key"));
            }
            match &key.certificate {
                None if key.hash.is_none() => {
                    self.error(&at!["keys", index], "needs a `hash`, a `certificate`, or both");
                }
                None => {}
                Some(certificate) => match certificate.name() {
                    None => self.error(
                        &field("certificate"),
                        "names one certificate by exactly one of: fingerprint (`sha256:` and 64 hexadecimal digits), san, subject",
                    ),
                    Some(name) => {
                        if let Some(first) = digests.insert(name, index) {
                            let message = format!("keys[{first}] is of the same certificate");
                            self.error(&field("certificate"), message);
                        }
                        if config.tls.as_ref().is_none_or(|tls| tls.client_ca.is_none()) {
                            let message = "nobody can show one: there is no tls.client_ca";
                            self.warn(&field("certificate"), message);
                        }
                    }
                },
            }
            let team = key.team.as_deref();
            let above = above
                .entry(team.unwrap_or_default())
                .or_insert_with(|| self.joined(team));
            self.key(index, key, above);
        }
        self.admins(&digests);
        self.cleared_for_somebody();
    }

    /// Teams: their models and grades are known, and none may do more than its parent.
    fn each_team(&mut self) {
        let config = self.config;
        for (name, team) in &config.teams {
            let steps = at!["teams", name.as_str()];
            self.name(&steps, name, NAME_BYTES_MAX);
            let grade = self.grade(&at!["teams", name.as_str(), "grade"], team.grade.as_deref());
            self.known_models(
                &at!["teams", name.as_str(), "models"],
                team.models.as_deref(),
            );
            let own = Own {
                who: ("team", "its parent"),
                steps: &steps,
                grade,
                models: team.models.as_deref(),
                said: team.into(),
            };
            self.narrows(&own, &self.joined(team.parent.as_deref()));
        }
    }

    /// Tokens of the admin API, beside the `keys` of the data endpoint.
    fn admins(&mut self, keys: &HashMap<token::Digest, usize>) {
        let config = self.config;
        if config.separate_duties && config.admin.token.is_some() {
            self.error(
                &at!["admin", "token"],
                "may do everything, and `separate_duties` forbids that: give each duty a token in admin.tokens",
            );
        }
        if let Some(token) = &config.admin.token
            && let Some(key) = keys.get(&token::digest(token.expose().as_bytes()))
        {
            let message =
                format!("keys[{key}] is the same: who asks models is not who administers");
            self.error(&at!["admin", "token"], message);
        }
        let mut digests: HashMap<token::Digest, usize> = HashMap::new();
        let mut duties: HashMap<&str, Role> = HashMap::new();
        for (index, admin) in config.admin.tokens.iter().enumerate() {
            let field = |field: &str| at!["admin", "tokens", index, field];
            self.name(&field("name"), &admin.name, NAME_BYTES_MAX);
            if let Some(digest) = self.digest(&field("hash"), &admin.hash) {
                if let Some(first) = digests.insert(digest, index) {
                    let message = format!("admin.tokens[{first}] is the same token");
                    self.error(&field("hash"), message);
                }
                if let Some(key) = keys.get(&digest) {
                    let message =
                        format!("keys[{key}] is the same: who asks models is not who administers");
                    self.error(&field("hash"), message);
                }
            }
            if !admin.teams.is_empty() && admin.role != Role::Viewer {
                self.error(&field("teams"), "only a viewer sees some teams and not all");
            }
            for (at, team) in admin.teams.iter().enumerate() {
                if !config.teams.contains_key(team) {
                    let known = config.teams.keys().map(String::as_str);
                    self.dangling(
                        &at!["admin", "tokens", index, "teams", at],
                        "team",
                        team,
                        known,
                    );
                }
            }
            self.expires(&field("expires"), admin.expires.as_deref(), "token");
            let other = |first: &Role| *first != admin.role;
            if config.separate_duties
                && admin.role != Role::Viewer
                && duties
                    .insert(&admin.name, admin.role)
                    .is_some_and(|first| other(&first))
            {
                let message = "this name has another duty already, and `separate_duties` is set";
                self.error(&field("role"), message);
            }
        }
    }

    /// Reads a hash; complains if it is none.
    fn digest(&mut self, steps: &[Step], hash: &str) -> Option<token::Digest> {
        let digest = token::parse_digest(hash);
        if digest.is_none() {
            self.error(
                steps,
                "not `sha256:` and 64 hexadecimal digits; `yumen key create` prints it",
            );
        }
        digest
    }

    fn expires(&mut self, steps: &[Step], expires: Option<&str>, what: &str) {
        let Some(expires) = expires else { return };
        match parse_moment_ms(expires) {
            None => self.error(
                steps,
                "not a date or a time: write 2027-01-01 or 2027-01-01T08:00:00+08:00",
            ),
            Some(end) if end <= self.now_ms => {
                self.warn(steps, format!("this {what} has expired"));
            }
            Some(_) => {}
        }
    }

    fn key(&mut self, index: usize, key: &Key, above: &Above) {
        let field = |field: &str| at!["keys", index, field];
        let config = self.config;
        let team = key
            .team
            .as_deref()
            .map(|name| (name, config.teams.get(name)));
        if let Some((name, None)) = team {
            let known = config.teams.keys().map(String::as_str);
            self.dangling(&field("team"), "team", name, known);
        }
        let grade = self.grade(&field("grade"), key.grade.as_deref());
        self.known_models(&field("models"), key.models.as_deref());
        self.expires(&field("expires"), key.expires.as_deref(), "key");
        let steps = at!["keys", index];
        let own = Own {
            who: ("key", "its team"),
            steps: &steps,
            grade,
            models: key.models.as_deref(),
            said: key.into(),
        };
        self.narrows(&own, above);
        if let Some((_, Some(team))) = team {
            self.effective(index, key, team);
        }
    }

    /// What `team` and those above it may do, as far as it can be read: what cannot is complained about at its own place.
    fn joined(&self, team: Option<&str>) -> Above {
        let config = self.config;
        let mut above = Above {
            grade: 0,
            models: Models::All,
            scope: Scope::default(),
        };
        let mut next = team;
        for _ in 0..=TEAMS_DEEP_MAX {
            let Some(team) = next.and_then(|name| config.teams.get(name)) else {
                break;
            };
            let rank = |name: &String| config.grades.iter().position(|grade| grade == name);
            let grade = team.grade.as_ref().and_then(rank).unwrap_or(0);
            above.grade = above.grade.max(grade);
            if let Some(models) = &team.models {
                above.models = above.models.both(&Models::only(models));
            }
            if let Ok(scope) = Said::from(team).read(&config.state.timezone) {
                above.scope = above.scope.both(&scope);
            }
            next = team.parent.as_deref();
        }
        above
    }

    /// Complains about what cannot be read, and about what is wider than what stands above.
    fn narrows(&mut self, own: &Own<'_>, above: &Above) {
        let (who, whose) = own.who;
        let field = |field: &str, at: Option<usize>| {
            let mut steps = own.steps.to_vec();
            steps.push(field.into());
            steps.extend(at.map(Step::from));
            steps
        };
        if own.grade.is_some_and(|own| own < above.grade) {
            let message = format!("a {who} may only narrow: {whose}'s grade is higher");
            self.error(&field("grade", None), message);
        }
        for (at, model) in own.models.unwrap_or_default().iter().enumerate() {
            if self.config.models.contains_key(model) && !above.models.allow(model) {
                let message =
                    format!("a {who} may only narrow: {whose} may not ask for this model");
                self.error(&field("models", Some(at)), message);
            }
        }
        let timezone = &self.config.state.timezone;
        if let Err(all) = own.said.read(timezone) {
            for wrong in all {
                self.wrong(own.steps, wrong);
            }
            return;
        }
        for (name, at, part) in own.said.parts() {
            let wider = part
                .read(timezone)
                .is_ok_and(|part| part.or(&above.scope).within(&above.scope).is_err());
            if wider {
                let what = match name {
                    "endpoints" => "ask at this path",
                    "networks" => "ask from all of this network",
                    _ => "ask at all of these times",
                };
                let message = format!("a {who} may only narrow: {whose} may not {what}");
                self.error(&field(name, at), message);
            }
        }
    }

    fn wrong(&mut self, before: &[Step], wrong: Wrong) {
        let steps = [before, &wrong.steps].concat();
        let problem = self.doc.problem(Severity::Error, &steps, wrong.message);
        self.problems.push(Problem {
            suggestion: wrong.suggestion,
            ..problem
        });
    }

    /// Warns of limits that have no effect.
    fn effective(&mut self, index: usize, key: &Key, team: &Team) {
        for ((what, own), (_, shared)) in key.limits.all().into_iter().zip(team.limits.all()) {
            if let (Some(own), Some(shared)) = (own, shared)
                && own > shared
            {
                let steps = at!["keys", index, "limits", what];
                self.warn(&steps, "has no effect: its team's limit is lower");
            }
        }
    }

    fn known_models(&mut self, steps: &[Step], names: Option<&[String]>) {
        let models = &self.config.models;
        for (index, name) in names.unwrap_or_default().iter().enumerate() {
            if !models.contains_key(name) {
                let mut steps = steps.to_vec();
                steps.push(index.into());
                if self.discovers() {
                    let message = "the config has no such model; it may be discovered";
                    self.warn(&steps, message);
                    continue;
                }
                self.dangling(&steps, "model", name, models.keys().map(String::as_str));
            }
        }
    }

    /// Warns of models that no key can ever reach, because every key that may ask has a grade above all clearances.
    fn cleared_for_somebody(&mut self) {
        let config = self.config;
        let rank = |name: Option<&str>| {
            name.and_then(|name| config.grades.iter().position(|grade| grade == name))
                .unwrap_or(0)
        };
        // Keys in classes: many keys share few grades.
        let mut askers: BTreeSet<Asker<'_>> = BTreeSet::new();
        for key in &config.keys {
            let team = key.team.as_deref().and_then(|name| config.teams.get(name));
            let of_team = rank(team.and_then(|team| team.grade.as_deref()));
            let grade = rank(key.grade.as_deref()).max(of_team);
            askers.insert((grade, key.team.as_deref(), key.models.as_deref()));
        }
        for (name, model) in &config.models {
            let highest = model
                .targets
                .iter()
                .filter_map(|target| config.providers.get(&target.provider))
                .map(|provider| rank(provider.clearance.as_deref()))
                .max();
            let Some(highest) = highest else { continue };
            let may_ask = |(_, team, own): &&Asker<'_>| {
                let team = team.and_then(|team| config.teams.get(team));
                let of_team = team.and_then(|team| team.models.as_ref());
                own.is_none_or(|models| models.contains(name))
                    && of_team.is_none_or(|models| models.contains(name))
            };
            let mut grades = askers
                .iter()
                .filter(may_ask)
                .map(|(grade, ..)| *grade)
                .peekable();
            if grades.peek().is_some() && grades.all(|grade| grade > highest) {
                self.warn(
                    &at!["models", name.as_str()],
                    "no provider of it has the clearance for any key that may ask for it",
                );
            }
        }
    }
}
