//! Checks of teams and keys: they resolve, and a key only narrows what its team may do.
//!
//! Knows digests, never keys.

use std::collections::{BTreeSet, HashMap};

use policies::access::token;

use super::{Check, KEY_ID_BYTES_MAX, NAME_BYTES_MAX, at};
use crate::config::problem::Step;
use crate::config::schema::{Key, Team};
use crate::config::time::parse_moment_ms;

/// Keys that ask alike: grade, team, own models.
type Asker<'a> = (usize, Option<&'a str>, Option<&'a [String]>);

impl Check<'_> {
    pub(super) fn access(&mut self) {
        let config = self.config;
        for (name, team) in &config.teams {
            self.name(&at!["teams", name.as_str()], name, NAME_BYTES_MAX);
            self.grade(&at!["teams", name.as_str(), "grade"], team.grade.as_deref());
            self.known_models(
                &at!["teams", name.as_str(), "models"],
                team.models.as_deref(),
            );
        }
        if config.keys.is_empty() {
            self.warn(&at!["keys"], "there is no key: every request is refused");
        }
        let mut ids: HashMap<&str, usize> = HashMap::new();
        let mut digests: HashMap<token::Digest, usize> = HashMap::new();
        for (index, key) in config.keys.iter().enumerate() {
            let field = |field: &str| at!["keys", index, field];
            self.name(&field("id"), &key.id, KEY_ID_BYTES_MAX);
            if let Some(first) = ids.insert(&key.id, index) {
                self.error(&field("id"), format!("keys[{first}] has this id already"));
            }
            match token::parse_digest(&key.hash) {
                None => self.error(
                    &field("hash"),
                    "not `sha256:` and 64 hexadecimal digits; `yumen key create` prints it",
                ),
                Some(digest) => {
                    if let Some(first) = digests.insert(digest, index) {
                        self.error(&field("hash"), format!("keys[{first}] is the same key"));
                    }
                }
            }
            self.key(index, key);
        }
        self.cleared_for_somebody();
    }

    fn key(&mut self, index: usize, key: &Key) {
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
        if let Some(expires) = &key.expires {
            match parse_moment_ms(expires) {
                None => self.error(
                    &field("expires"),
                    "not a date or a time: write 2027-01-01 or 2027-01-01T08:00:00+08:00",
                ),
                Some(end) if end <= self.now_ms => {
                    self.warn(&field("expires"), "this key has expired");
                }
                Some(_) => {}
            }
        }
        if let Some((_, Some(team))) = team {
            self.narrows(index, key, grade, team);
        }
    }

    fn narrows(&mut self, index: usize, key: &Key, grade: Option<usize>, team: &Team) {
        let field = |field: &str| at!["keys", index, field];
        let of_team = team
            .grade
            .as_deref()
            .and_then(|name| self.config.grades.iter().position(|grade| grade == name));
        if let (Some(own), Some(least)) = (grade, of_team)
            && own < least
        {
            self.error(
                &field("grade"),
                "a key may only narrow: its team's grade is higher",
            );
        }
        if let (Some(own), Some(allowed)) = (&key.models, &team.models) {
            for (at, model) in own.iter().enumerate() {
                if self.config.models.contains_key(model) && !allowed.contains(model) {
                    let steps = at!["keys", index, "models", at];
                    self.error(
                        &steps,
                        "a key may only narrow: its team may not ask for this model",
                    );
                }
            }
        }
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
