//! Checks of word lists and patterns.
//!
//! Their words have been read by now. A list whose words come from a file is complained of where the file is named.

use std::collections::HashMap;

use policies::scan::custom::{CUSTOMS_MAX, Custom, CustomError};
use policies::scan::{Entity, Set, SetError, WORD_BYTES_MAX, WORDS_MAX};
use wire::Grade;

use super::super::{Check, NAME_BYTES_MAX, at};
use super::{PROMPT_INJECTION, SOURCE_CODE, in_section};
use crate::config::problem::Step;
use crate::config::schema::{EntityDef, Policies, Words};

/// Most word lists.
const LISTS_MAX: usize = 1024;
/// Most words that stand beside a pattern's match.
const CONTEXT_MAX: usize = 64;

impl Check<'_> {
    pub(super) fn sorts(&mut self, policies: &Policies) {
        let mut taken: HashMap<&str, String> = HashMap::new();
        if policies.words.len() > LISTS_MAX {
            self.error(
                &at!["policies", "words"],
                format!("at most {LISTS_MAX} lists"),
            );
        }
        let mut words = 0;
        for (index, list) in policies.words.iter().enumerate() {
            self.sort_name(&in_section(at!["words", index, "name"]), &list.name);
            self.once(&mut taken, &list.name, "words", index);
            self.list(index, list);
            words += list.words.len();
        }
        if words > WORDS_MAX {
            self.error(
                &at!["policies", "words"],
                format!("at most {WORDS_MAX} words together"),
            );
        }
        if policies.entities.len() > CUSTOMS_MAX {
            self.error(
                &at!["policies", "entities"],
                format!("at most {CUSTOMS_MAX} patterns"),
            );
        }
        let mut fit = true;
        for (index, entity) in policies.entities.iter().enumerate() {
            self.sort_name(&in_section(at!["entities", index, "name"]), &entity.name);
            self.once(&mut taken, &entity.name, "entities", index);
            fit &= self.entity(index, entity);
        }
        let all = policies.entities.iter().map(custom).collect();
        if fit && let Err(error @ CustomError::TooLarge) = compiled(all) {
            self.error(&at!["policies", "entities"], error.to_string());
        }
        for (index, list) in policies.words.iter().enumerate() {
            if let Some(first) = list.group.as_deref().and_then(|group| taken.get(group)) {
                let message = format!("{first} has this name: a group needs one of its own");
                self.error(&in_section(at!["words", index, "group"]), message);
            }
        }
    }

    fn once<'a>(
        &mut self,
        taken: &mut HashMap<&'a str, String>,
        name: &'a str,
        section: &str,
        index: usize,
    ) {
        let steps = in_section(at![section, index, "name"]);
        let built_in = [SOURCE_CODE, PROMPT_INJECTION].contains(&name);
        if built_in || !Entity::selected(name).is_empty() {
            self.error(&steps, "is the name of a built-in type or group");
        } else if let Some(first) = taken.get(name) {
            let message = format!("{first} has this name already");
            self.error(&steps, message);
        }
        taken
            .entry(name)
            .or_insert_with(|| format!("{section}[{index}]"));
    }

    fn sort_name(&mut self, steps: &[Step], name: &str) {
        let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        let begins = name.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
        if !begins || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
            let message = format!(
                "a type is called 1 to {NAME_BYTES_MAX} capital letters, digits and underscores, a letter first"
            );
            self.error(steps, message);
        }
    }

    fn list(&mut self, index: usize, list: &Words) {
        let field = |field: &str| in_section(at!["words", index, field]);
        self.grade(&field("grade"), list.grade.as_deref());
        if let Some(group) = &list.group {
            self.sort_name(&field("group"), group);
            if Entity::named(group).is_some() {
                self.error(&field("group"), "is the name of a built-in type");
            }
        }
        let source = if list.file.is_some() { "file" } else { "words" };
        if list.words.iter().all(|word| word.trim().is_empty()) {
            self.error(&field(source), "there is no word in the list");
        }
        if let Some(at) = list
            .words
            .iter()
            .position(|word| word.len() > WORD_BYTES_MAX)
        {
            let message = format!("word {} is longer than {WORD_BYTES_MAX} bytes", at + 1);
            self.error(&field(source), message);
        }
    }

    /// Whether the pattern can be used.
    fn entity(&mut self, index: usize, entity: &EntityDef) -> bool {
        let field = |field: &str| in_section(at!["entities", index, field]);
        self.grade(&field("grade"), entity.grade.as_deref());
        let bad = |word: &String| word.trim().is_empty() || word.len() > WORD_BYTES_MAX;
        if entity.context.len() > CONTEXT_MAX || entity.context.iter().any(bad) {
            let message = format!("at most {CONTEXT_MAX} words, none empty");
            self.error(&field("context"), message);
        }
        let Err(error) = compiled(vec![custom(entity)]) else {
            return true;
        };
        let message = match error {
            // The pattern's own text is left out where a variable was expanded in it.
            CustomError::Pattern(_, _) if self.doc.is_expanded(&field("pattern")) => {
                "no regular expression, once its variables are expanded".to_owned()
            }
            CustomError::Pattern(_, why) => {
                let last = why.lines().rfind(|line| !line.trim().is_empty());
                let last = last.map(|line| line.trim_start_matches("error: "));
                format!(
                    "no regular expression that takes linear time: {}",
                    last.unwrap_or_default()
                )
            }
            other => {
                let said = other.to_string();
                let own = format!("{}: ", entity.name);
                said.strip_prefix(&own).unwrap_or(&said).to_owned()
            }
        };
        self.error(&field("pattern"), message);
        false
    }
}

/// Whether these patterns can be searched for. Their names are judged elsewhere.
fn compiled(customs: Vec<Custom>) -> Result<(), CustomError> {
    match Set::build(customs, Vec::new(), &|_, _, grade| grade) {
        Err(SetError::Custom(error)) => Err(error),
        _ => Ok(()),
    }
}

fn custom(entity: &EntityDef) -> Custom {
    Custom {
        name: entity.name.clone(),
        pattern: entity.pattern.clone(),
        validator: None,
        context: Vec::new(),
        grade: Grade::LOWEST,
    }
}
