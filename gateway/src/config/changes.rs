//! What differs between two configs, by name and never by value: for the audit log.
//!
//! Knows no section: whatever the schema has is compared. Invariant: a secret is compared by its digest, which leaves
//! this process as little as the secret does.

use std::collections::BTreeMap;
use std::sync::Arc;

use policies::access::token::{Digest, digest};
use serde::Serialize;
use serde_json::Value;

use super::load::Loaded;
use super::schema::Config;

/// Digests of a config's parts.
#[derive(Debug, Default)]
pub struct Marks {
    sections: BTreeMap<Box<str>, Digest>,
    keys: BTreeMap<Box<str>, Digest>,
    teams: BTreeMap<Box<str>, Digest>,
}

/// Names that only one of two configs has, or that mean something else in the second.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names<'a> {
    /// Only the second has these.
    pub added: Vec<&'a str>,
    /// Only the first has these.
    pub removed: Vec<&'a str>,
    /// Both have these, with other contents.
    pub changed: Vec<&'a str>,
}

/// What differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes<'a> {
    /// Top-level sections that differ in any way.
    pub sections: Vec<&'a str>,
    /// Virtual keys by id.
    pub keys: Names<'a>,
    /// Teams by name.
    pub teams: Names<'a>,
}

impl Marks {
    /// The marks of a config; `basis` is the same without its keys.
    #[must_use]
    pub fn of(loaded: &Loaded, basis: &Arc<Config>) -> Self {
        let mut marks = Self::default();
        let config = &loaded.config;
        for key in &config.keys {
            marks.keys.insert(key.id.as_str().into(), mark(key));
        }
        // Its keys may be many, and a tree of them all is large: they are marked by their marks.
        let whole = serde_json::to_value(&**basis);
        if let Ok(Value::Object(sections)) = whole {
            for (name, value) in sections {
                let mut text = value.to_string().into_bytes();
                // Secrets are masked in the text: their digests stand in for them.
                let secrets = loaded.secrets.iter();
                for (_, secret) in secrets.filter(|(section, _)| *section == name) {
                    text.extend_from_slice(secret);
                }
                marks.sections.insert(name.into(), digest(&text));
            }
        }
        let all: Vec<u8> = config.keys.iter().flat_map(mark).collect();
        marks.sections.insert("keys".into(), digest(&all));
        for (name, team) in &config.teams {
            marks.teams.insert(name.as_str().into(), mark(team));
        }
        marks
    }

    /// What is different in `self` from `before`.
    #[must_use]
    pub fn since<'a>(&'a self, before: &'a Self) -> Changes<'a> {
        let Names {
            added,
            removed,
            changed,
        } = names(&before.sections, &self.sections);
        Changes {
            sections: [added, removed, changed].concat(),
            keys: names(&before.keys, &self.keys),
            teams: names(&before.teams, &self.teams),
        }
    }
}

fn mark(of: &impl Serialize) -> Digest {
    digest(&serde_json::to_vec(of).unwrap_or_default())
}

fn names<'a>(
    before: &'a BTreeMap<Box<str>, Digest>,
    after: &'a BTreeMap<Box<str>, Digest>,
) -> Names<'a> {
    let mut names = Names::default();
    for (name, mark) in after {
        match before.get(name) {
            None => names.added.push(name),
            Some(old) if old != mark => names.changed.push(name),
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    names.removed.extend(gone.map(|name| &**name));
    names
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::load::load_text;
    use crate::config::testing::{FULL, env};

    fn marks(text: &str) -> Marks {
        let loaded = load_text("y.yaml", text, Path::new(""), &env).unwrap();
        Marks::of(&loaded, &crate::config::dynamic::basis(&loaded.config))
    }

    #[test]
    fn tells_sections_keys_and_secrets_apart() {
        let before = marks(FULL);
        assert_eq!(marks(FULL).since(&before), Changes::default());
        let heavier = marks(&FULL.replace("weight: 3", "weight: 5"));
        assert_eq!(heavier.since(&before).sections, ["models"]);
        let rotated = marks(&FULL.replace("planted-a", "planted-b"));
        assert_eq!(rotated.since(&before).sections, ["providers"]);
        let narrowed = marks(&FULL.replace("models: [assistant]", "models: [small]"));
        let changes = narrowed.since(&before);
        assert_eq!(changes.sections, ["teams"]);
        assert_eq!(
            (changes.teams.changed.len(), changes.keys),
            (1, Names::default())
        );
        // A comment is another text with the same meaning.
        assert_eq!(
            marks(&format!("# x\n{FULL}")).since(&before),
            Changes::default()
        );
    }
}
