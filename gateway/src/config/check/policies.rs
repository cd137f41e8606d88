//! Checks of the section `policies`: every name is known, every rule can be enforced wherever it may be asked.
//!
//! Compiles conditions and patterns to see that they can be, and throws them away. Invariant: a rule that some path (a
//! stream, a remedy, a kind of finding) could not enforce is an error here, never a silent gap.

mod around;
mod rules;
mod sorts;

use std::collections::{BTreeMap, BTreeSet};

use policies::packs;
use policies::scan::entity::Entity;

use super::{Check, at};
use crate::config::problem::Step;
use crate::config::schema::Policies;

/// Most characters of what a caller is told.
const MESSAGE_CHARS_MAX: usize = 200;
/// Most names in one `find`.
const FIND_MAX: usize = 256;
/// Types that are judged over a whole text.
const SOURCE_CODE: &str = "SOURCE_CODE";
const PROMPT_INJECTION: &str = "PROMPT_INJECTION";

/// The names that a rule may find: built-in, of packs and of this config.
#[derive(Debug, Default)]
struct Known {
    types: BTreeSet<String>,
    /// The types of each group.
    groups: BTreeMap<String, Vec<String>>,
    /// Names of packs' rules.
    rules: BTreeMap<&'static str, &'static str>,
}

impl Known {
    fn of(policies: &Policies) -> Self {
        let mut known = Self::default();
        for entity in Entity::ALL {
            known.add(entity.name(), Some(entity.group().name()));
        }
        known.add(SOURCE_CODE, None);
        known.add(PROMPT_INJECTION, None);
        for list in &policies.words {
            known.add(&list.name, list.group.as_deref());
        }
        for entity in &policies.entities {
            known.add(&entity.name, None);
        }
        for pack in policies
            .packs
            .iter()
            .filter_map(|pack| packs::pack(pack.name()))
        {
            for (name, group, _) in (pack.words)() {
                known.add(name, Some(group).filter(|group| !group.is_empty()));
            }
            for custom in (pack.customs)() {
                known.add(&custom.name, None);
            }
            known
                .rules
                .extend(pack.rules.iter().map(|rule| (rule.name, pack.name)));
        }
        known
    }

    fn add(&mut self, name: &str, group: Option<&str>) {
        self.types.insert(name.to_owned());
        if let Some(group) = group {
            let types = self.groups.entry(group.to_owned()).or_default();
            types.push(name.to_owned());
        }
    }

    fn has(&self, name: &str) -> bool {
        self.types.contains(name) || self.groups.contains_key(name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.types
            .iter()
            .chain(self.groups.keys())
            .map(String::as_str)
    }

    /// The types that are meant by `name`.
    fn meant(&self, name: &str) -> Vec<String> {
        let one = self.types.get(name).into_iter();
        one.chain(self.groups.get(name).into_iter().flatten())
            .cloned()
            .collect()
    }
}

impl Check<'_> {
    pub(super) fn policies(&mut self) {
        let policies = &self.config.policies;
        let known = Known::of(policies);
        self.sorts(policies);
        self.rules(policies, &known);
        self.output(policies, &known);
        self.around(policies, &known);
    }

    /// A list of names of types and groups.
    fn find(&mut self, steps: &[Step], find: &[String], known: &Known) {
        if !(1..=FIND_MAX).contains(&find.len()) {
            self.error(steps, format!("names 1 to {FIND_MAX} types or groups"));
        }
        for (index, name) in find.iter().enumerate() {
            let mut steps = steps.to_vec();
            steps.push(index.into());
            if !known.has(name) {
                self.dangling(&steps, "type or group", name, known.names());
            } else if find.iter().take(index).any(|before| before == name) {
                self.error(&steps, "is in the list twice");
            }
        }
    }

    /// What a caller is told.
    fn told(&mut self, steps: &[Step], message: Option<&str>) {
        let Some(message) = message else { return };
        let chars = message.chars().count();
        if !(1..=MESSAGE_CHARS_MAX).contains(&chars) || message.chars().any(char::is_control) {
            let message = format!("must be 1 to {MESSAGE_CHARS_MAX} characters on one line");
            self.error(steps, message);
        }
    }
}

/// The steps to something in the section.
fn in_section(more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let mut steps = at!["policies"].to_vec();
    steps.extend(more);
    steps
}

#[cfg(test)]
mod tests;
