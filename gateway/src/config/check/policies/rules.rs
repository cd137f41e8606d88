//! Checks of rules: about requests, and about replies.
//!
//! What the law could not carry out is said here, with the reason.

use std::collections::{BTreeSet, HashMap};

use policies::policy::RULES_MAX;
use policies::scan::entity::{Entity, Group};
use policies::when::{Names, When};

use super::super::{Check, NAME_BYTES_MAX, at};
use super::{Known, PROMPT_INJECTION, SOURCE_CODE, in_section};
use crate::config::problem::{Step, suggest};
use crate::config::schema::{Method, Policies, Remedy, Rule, RuleMode};

/// The name of the rule that `output` is.
const OUTPUT: &str = "output";

impl Check<'_> {
    pub(super) fn rules(&mut self, policies: &Policies, known: &Known) {
        if policies.rules.len() > RULES_MAX {
            let steps = at!["policies", "rules"];
            self.error(&steps, format!("at most {RULES_MAX} rules"));
        }
        let mut names: HashMap<&str, usize> = HashMap::new();
        for (index, rule) in policies.rules.iter().enumerate() {
            let field = |field: &str| in_section(at!["rules", index, field]);
            self.name(&field("name"), &rule.name, NAME_BYTES_MAX);
            if let Some(first) = names.insert(&rule.name, index) {
                self.error(
                    &field("name"),
                    format!("rules[{first}] has this name already"),
                );
            } else if rule.name == OUTPUT {
                self.error(&field("name"), "this is the name of the rule about replies");
            } else if let Some(pack) = known.rules.get(rule.name.as_str()) {
                let message = format!("the pack {pack} has a rule of this name");
                self.error(&field("name"), message);
            }
            if let Some(find) = &rule.find {
                self.find(&field("find"), find, known);
            }
            self.grade(&field("grade"), rule.grade.as_deref());
            self.told(&field("message"), rule.message.as_deref());
            self.condition(&field("when"), rule.when.as_deref(), known);
            self.rule(index, rule);
            self.redaction(index, rule, known);
            self.reached(index, &policies.rules, known);
        }
    }

    /// Warns of a rule that never has a say: for each of its types the first rule counts, and that is another one.
    fn reached(&mut self, index: usize, rules: &[Rule], known: &Known) {
        let Some(rule) = rules.get(index) else { return };
        let always = |earlier: &&Rule| {
            earlier.when.is_none() && earlier.at_least == 1 && earlier.mode == RuleMode::Enforce
        };
        let types = |rule: &Rule| -> BTreeSet<String> {
            let named = rule.find.iter().flatten();
            named.flat_map(|name| known.meant(name)).collect()
        };
        let earlier = rules.iter().take(index).filter(always);
        let taken: BTreeSet<String> = earlier.flat_map(types).collect();
        let own = types(rule);
        if !own.is_empty() && own.is_subset(&taken) {
            let message = "has no effect: earlier rules are about all of its types";
            self.warn(&in_section(at!["rules", index, "find"]), message);
        }
    }

    /// What a rule says fits together.
    fn rule(&mut self, index: usize, rule: &Rule) {
        let field = |field: &str| in_section(at!["rules", index, field]);
        let whole = in_section(at!["rules", index]);
        if rule.find.is_none() && rule.when.is_none() {
            self.error(&whole, "a rule needs `find` or `when`");
        }
        if rule.remedy == Remedy::Reroute && rule.find.is_none() && rule.grade.is_none() {
            let message =
                "`reroute` without `find` needs a `grade`: the clearance that is asked for";
            self.error(&field("remedy"), message);
        }
        if rule.remedy == Remedy::Redact && rule.find.is_none() && rule.when.is_some() {
            let message = "`redact` needs `find`: what is to be replaced";
            self.error(&field("remedy"), message);
        }
        if rule.at_least == 0 {
            self.error(&field("at_least"), "must be at least 1");
        } else if rule.at_least > 1 && rule.find.is_none() {
            self.error(
                &field("at_least"),
                "counts what `find` names, and there is none",
            );
        }
        if rule.remedy == Remedy::Refuse && rule.grade.is_some() {
            self.warn(
                &field("grade"),
                "has no effect: the request is refused in any case",
            );
        }
    }

    /// What only a redaction may say, and what cannot be redacted.
    fn redaction(&mut self, index: usize, rule: &Rule, known: &Known) {
        let field = |field: &str| in_section(at!["rules", index, field]);
        if rule.remedy != Remedy::Redact {
            if rule.method.is_some() {
                self.error(&field("method"), "only `redact` has a method");
            }
            if rule.restore {
                self.error(&field("restore"), "only what was redacted can be restored");
            }
            return;
        }
        if rule.restore && matches!(rule.method, Some(Method::Mask | Method::Hash)) {
            let message =
                "what is masked or hashed cannot be restored: use placeholder or pseudonym";
            self.error(&field("restore"), message);
        }
        for (at, name) in rule.find.iter().flatten().enumerate() {
            let steps = in_section(at!["rules", index, "find", at]);
            let meant = known.meant(name);
            if meant.iter().any(|name| name == PROMPT_INJECTION) {
                let message = "an attempt at injection cannot be redacted, its harm is the whole text: refuse or reroute";
                self.error(&steps, message);
            }
            if rule.restore && meant.iter().any(|name| is_secret(name)) {
                self.error(&steps, "a secret is never restored: leave `restore` out");
            }
        }
    }

    pub(super) fn output(&mut self, policies: &Policies, known: &Known) {
        let Some(output) = &policies.output else {
            return;
        };
        let field = |field: &str| in_section(at!["output", field]);
        self.find(&field("find"), &output.find, known);
        self.told(&field("message"), output.message.as_deref());
        if output.remedy == Remedy::Reroute {
            let message = "a reply cannot be rerouted, it has been written: redact or refuse";
            self.error(&field("remedy"), message);
        }
        if output.remedy != Remedy::Redact && output.method.is_some() {
            self.error(&field("method"), "only `redact` has a method");
        }
        for (at, name) in output.find.iter().enumerate() {
            if [SOURCE_CODE, PROMPT_INJECTION].contains(&name.as_str()) {
                let message =
                    "is judged over a whole text: a stream would have passed before the judgement";
                self.error(&in_section(at!["output", "find", at]), message);
            }
        }
    }

    fn condition(&mut self, steps: &[Step], when: Option<&str>, known: &Known) {
        let Some(when) = when else { return };
        let names = Names {
            grades: &self.config.grades,
            sorts: &|name| known.meant(name),
        };
        let Err(error) = When::compile(when, &names) else {
            return;
        };
        if self.doc.is_expanded(steps) {
            self.error(steps, "no condition, once its variables are expanded");
            return;
        }
        let mut problem = self.doc.problem_within(steps, error.at, error.message);
        // Types of one's own are not known to the compiler's suggestions.
        if let Some((_, rest)) = problem.message.split_once('`')
            && problem.message.contains("` is no type of finding")
            && let Some((name, _)) = rest.split_once('`')
            && !problem.message.contains("did you mean")
        {
            problem.suggestion = suggest(name, known.names());
        }
        self.problems.push(problem);
    }
}

fn is_secret(name: &str) -> bool {
    Entity::named(name).is_some_and(|entity| entity.group() == Group::Secret)
}
