//! What is shown of keys and teams, the config's and the dynamic ones: never a secret, never a hash.
//!
//! Knows no HTTP. Invariants: a list is sorted by id, and its cursor is the last id of the page; what is asked for in vain
//! is said, not ignored.

use policies::access::keys::Principal;
use serde_json::{Map, Value, json};

use super::doc::{About, KeyDoc, SecretDoc, TeamDoc, lean};
use super::known::{Kept, Known};
use super::{Access, KEYS, Refusal, TEAMS};
use crate::config::build::unix_ms;
use crate::config::schema::Team;
use crate::config::snapshot::Grades;
use crate::config::time::parse_moment_ms;

/// Entries of a page that asks for no number.
const LIMIT: usize = 50;
/// Most entries of a page.
const LIMIT_MAX: usize = 1000;
/// States of a key.
const STATES: [&str; 4] = ["active", "expired", "revoked", "unfit"];

/// What a list is asked for.
#[derive(Default)]
struct Wanted {
    limit: Option<usize>,
    cursor: String,
    team: Option<String>,
    status: Option<String>,
    prefix: Option<String>,
    source: Option<String>,
    parent: Option<String>,
}

impl Access {
    /// `GET /api/keys`.
    ///
    /// # Errors
    /// A parameter that cannot be used.
    pub fn keys(&self, pairs: &[(String, String)]) -> Result<Value, Refusal> {
        let names = ["limit", "cursor", "team", "status", "prefix", "source"];
        let wanted = Wanted::read(pairs, &names)?;
        let snapshot = self.store.load();
        let now_ms = unix_ms(self.store.now());
        let of_config = snapshot.keys.iter();
        let mut of_config: Vec<_> = of_config.filter(|key| *key.id > *wanted.cursor).collect();
        of_config.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let known = self.keyring.known();
        let dynamic = known.of_kind(KEYS, &wanted.cursor);
        let config_ids = of_config.iter().map(|key| (&*key.id, Err(*key)));
        let all = merged(config_ids, dynamic.map(|(id, kept)| (id, Ok(kept))));
        let views = all.map(|(id, found)| match found {
            Ok(kept) => known.key_view(id, kept, now_ms),
            Err(principal) => config_key(principal, &snapshot.grades, now_ms),
        });
        let (page, next) = wanted.page("id", views);
        Ok(json!({ "keys": page, "next": next, "store": self.state() }))
    }

    /// `GET /api/keys/{id}`.
    ///
    /// # Errors
    /// There is none.
    pub fn one_key(&self, id: &str) -> Result<Value, Refusal> {
        match self.key_view(id) {
            Value::Null => Err(Refusal::Missing("there is no such key")),
            view => Ok(view),
        }
    }

    pub(super) fn key_view(&self, id: &str) -> Value {
        let now_ms = unix_ms(self.store.now());
        let known = self.keyring.known();
        if let Some(kept) = known.kept(KEYS, id) {
            return known.key_view(id, kept, now_ms);
        }
        drop(known);
        let snapshot = self.store.load();
        let principal = snapshot.keys.by_id(id);
        principal.map_or(Value::Null, |key| config_key(key, &snapshot.grades, now_ms))
    }

    /// `GET /api/teams`.
    ///
    /// # Errors
    /// A parameter that cannot be used.
    pub fn teams(&self, pairs: &[(String, String)]) -> Result<Value, Refusal> {
        let wanted = Wanted::read(pairs, &["limit", "cursor", "source", "parent"])?;
        let snapshot = self.store.load();
        let known = self.keyring.known();
        let of_config = snapshot.basis.teams.iter();
        let of_config = of_config.filter(|(name, _)| **name > wanted.cursor);
        let of_config = of_config.map(|(name, team)| (name.as_str(), Err(team)));
        let dynamic = known.of_kind(TEAMS, &wanted.cursor);
        let all = merged(of_config, dynamic.map(|(name, kept)| (name, Ok(kept))));
        let views = all.map(|(name, found)| match found {
            Ok(kept) => known.team_view(name, kept),
            Err(team) => config_team(name, team),
        });
        let (page, next) = wanted.page("name", views);
        Ok(json!({ "teams": page, "next": next, "store": self.state() }))
    }

    /// `GET /api/teams/{name}`.
    ///
    /// # Errors
    /// There is none.
    pub fn one_team(&self, name: &str) -> Result<Value, Refusal> {
        let missing = Refusal::Missing("there is no such team");
        if let Some(team) = self.store.load().basis.teams.get(name) {
            return Ok(config_team(name, team));
        }
        let known = self.keyring.known();
        let kept = known.kept(TEAMS, name).ok_or(missing)?;
        match known.team_view(name, kept) {
            Value::Null => Err(Refusal::Missing("there is no such team")),
            view => Ok(view),
        }
    }

    /// How far what is shown can be relied on.
    fn state(&self) -> Value {
        let kind = match self.keyring.backend {
            super::Backend::Local(_) => "file",
            super::Backend::Shared(_) => "redis",
        };
        json!({ "kind": kind, "up": self.keyring.is_up() })
    }
}

impl Known {
    fn key_view(&self, id: &str, kept: &Kept, now_ms: u64) -> Value {
        let unfit = self.unfit.get(&*format!("{KEYS}{id}"));
        let Some(doc) = kept.key() else {
            let why = "another version of yumen wrote it";
            return json!({ "id": id, "source": "dynamic", "status": "unfit", "why": why });
        };
        let ended = doc.about.ended.clone();
        let pending = self.revoked.get(id).filter(|_| ended.is_none()).cloned();
        let expires_ms = doc.key.expires.as_deref().and_then(parse_moment_ms);
        let status = if ended.is_some() || pending.is_some() {
            "revoked"
        } else if expires_ms.is_some_and(|end| now_ms >= end) {
            "expired"
        } else if unfit.is_some() {
            "unfit"
        } else {
            "active"
        };
        let KeyDoc {
            key,
            secrets,
            about,
        } = doc;
        let mut view = fields(&key);
        view.remove("hash");
        let mut set = |name: &str, value: Value| {
            view.insert(name.to_owned(), value);
        };
        set("source", "dynamic".into());
        set("status", status.into());
        if let Some(why) = unfit.filter(|_| status == "unfit") {
            set("why", (**why).into());
        }
        if let Some(end) = expires_ms {
            set("expires_ms", end.into());
        }
        let mut secrets = secrets.iter().filter(|secret| secret.is_valid(now_ms));
        if let Some(newest) = secrets.next() {
            set("prefix", newest.prefix.as_str().into());
            let shown = |old: &SecretDoc| json!({ "prefix": old.prefix, "until_ms": old.until_ms });
            let previous: Vec<Value> = secrets.map(shown).collect();
            if !previous.is_empty() {
                set("previous", previous.into());
            }
        }
        if let Some(done) = ended.or(pending) {
            set("revoked_ms", done.at_ms.into());
            set("revoked_by", done.by.into());
        }
        add_about(&mut view, &about);
        view.into()
    }

    fn team_view(&self, name: &str, kept: &Kept) -> Value {
        let why = self.unfit.get(&*format!("{TEAMS}{name}"));
        match kept.team() {
            Some(doc) if doc.about.ended.is_some() => Value::Null,
            Some(doc) => team(name, &doc, why.map(|why| &**why)),
            None => {
                let why = "another version of yumen wrote it";
                json!({ "name": name, "source": "dynamic", "status": "unfit", "why": why })
            }
        }
    }
}

/// A dynamic team.
pub(super) fn team(name: &str, doc: &TeamDoc, unfit: Option<&str>) -> Value {
    let mut view = fields(&doc.team);
    view.insert("name".to_owned(), name.into());
    view.insert("source".to_owned(), "dynamic".into());
    let status = if unfit.is_some() { "unfit" } else { "active" };
    view.insert("status".to_owned(), status.into());
    if let Some(why) = unfit {
        view.insert("why".to_owned(), why.into());
    }
    add_about(&mut view, &doc.about);
    view.into()
}

fn config_team(name: &str, team: &Team) -> Value {
    let mut view = fields(team);
    view.insert("name".to_owned(), name.into());
    view.insert("source".to_owned(), "config".into());
    view.insert("status".to_owned(), "active".into());
    view.into()
}

/// What a principal says of its key: the config's text itself is not kept.
fn config_key(key: &Principal, grades: &Grades, now_ms: u64) -> Value {
    let expired = key.expires_ms.is_some_and(|end| now_ms >= end);
    let mut view = json!({
        "id": key.id,
        "team": key.team.as_deref(),
        "grade": grades.name(key.grade),
        "expires_ms": key.expires_ms,
        "public": key.public,
        "source": "config",
        "status": if expired { "expired" } else { "active" },
    });
    if let policies::access::keys::Models::Only(models) = &key.models {
        let models: Vec<&str> = models.iter().map(|model| &**model).collect();
        if let Some(view) = view.as_object_mut() {
            view.insert("models".to_owned(), models.into());
        }
    }
    lean(&mut view);
    view
}

fn fields(of: &impl serde::Serialize) -> Map<String, Value> {
    let mut value = serde_json::to_value(of).unwrap_or_default();
    lean(&mut value);
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn add_about(view: &mut Map<String, Value>, about: &About) {
    let mut set = |name: &str, value: Value| {
        view.insert(name.to_owned(), value);
    };
    set("created_ms", about.created.at_ms.into());
    set("created_by", about.created.by.as_str().into());
    if let Some(done) = &about.changed {
        set("changed_ms", done.at_ms.into());
        set("changed_by", done.by.as_str().into());
    }
    if !about.note.is_empty() {
        set("note", about.note.as_str().into());
    }
    if !about.labels.is_empty() {
        set("labels", json!(about.labels));
    }
}

/// Two sorted lists as one; what both have, the first has.
fn merged<'a, T>(
    first: impl Iterator<Item = (&'a str, T)>,
    second: impl Iterator<Item = (&'a str, T)>,
) -> impl Iterator<Item = (&'a str, T)> {
    let (mut first, mut second) = (first.peekable(), second.peekable());
    std::iter::from_fn(move || match (first.peek(), second.peek()) {
        (Some((a, _)), Some((b, _))) if a == b => {
            second.next();
            first.next()
        }
        (Some((a, _)), Some((b, _))) if a > b => second.next(),
        (Some(_), _) => first.next(),
        (None, _) => second.next(),
    })
}

impl Wanted {
    fn read(pairs: &[(String, String)], names: &[&str]) -> Result<Self, Refusal> {
        let mut wanted = Self::default();
        for (name, value) in pairs {
            if !names.contains(&name.as_str()) {
                let known = names.join(", ");
                return Err(Refusal::Bad(format!(
                    "{name}: no such parameter; known: {known}"
                )));
            }
            let value = value.clone();
            match &**name {
                "limit" => {
                    let limit = value
                        .parse()
                        .ok()
                        .filter(|limit| (1..=LIMIT_MAX).contains(limit));
                    let why = format!("limit: not a number from 1 to {LIMIT_MAX}");
                    wanted.limit = Some(limit.ok_or(Refusal::Bad(why))?);
                }
                "cursor" => wanted.cursor = value,
                "team" => wanted.team = Some(value),
                "status" if !STATES.contains(&&*value) => {
                    let why = format!("status: one of {}", STATES.join(", "));
                    return Err(Refusal::Bad(why));
                }
                "status" => wanted.status = Some(value),
                "prefix" => wanted.prefix = Some(value),
                "source" if !["config", "dynamic"].contains(&&*value) => {
                    return Err(Refusal::Bad("source: config or dynamic".to_owned()));
                }
                "source" => wanted.source = Some(value),
                _ => wanted.parent = Some(value),
            }
        }
        Ok(wanted)
    }

    fn fits(&self, view: &Value) -> bool {
        let says = |name: &str| view.get(name).and_then(Value::as_str);
        let asked = [
            ("team", &self.team),
            ("status", &self.status),
            ("source", &self.source),
            ("parent", &self.parent),
        ];
        let same = asked
            .into_iter()
            .all(|(name, want)| want.as_deref().is_none_or(|want| says(name) == Some(want)));
        same && self.prefix.as_deref().is_none_or(|prefix| {
            let old = view.get("previous").and_then(Value::as_array);
            let old = old
                .into_iter()
                .flatten()
                .filter_map(|old| old.get("prefix")?.as_str());
            // Who has found a piece of a key has more of it than is shown, or less.
            let fits = |shown: &str| {
                !shown.is_empty() && (shown.starts_with(prefix) || prefix.starts_with(shown))
            };
            says("prefix").into_iter().chain(old).any(fits)
        })
    }

    /// The page of what fits, and from where to ask on.
    fn page(&self, id: &str, views: impl Iterator<Item = Value>) -> (Vec<Value>, Option<String>) {
        let limit = self.limit.unwrap_or(LIMIT);
        let mut fitting = views.filter(|view| !view.is_null() && self.fits(view));
        let page: Vec<Value> = fitting.by_ref().take(limit).collect();
        let last = page.last().and_then(|view| view.get(id)?.as_str());
        let next = last.filter(|_| fitting.next().is_some()).map(str::to_owned);
        (page, next)
    }
}
