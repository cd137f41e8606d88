//! From the section `policies` to the compiled policy.
//!
//! Invariant: what [`check`](super::super::check) passed can be built; where the two disagree the answer is `None`, never
//! a policy with a rule less.

use policies::policy::{Labelling, Parts, Policy, Remedy, ReplyRemedy, ReplyRule, Rule};
use policies::redact::{Method, Pepper};
use policies::scan::custom::{Custom, Validator};
use policies::scan::entity::GRADES;
use policies::scan::{Set, Sort, Sorts, WordList};
use policies::when::{Names, When};
use wire::Grade;

use crate::config::schema::{self, Config, Explicit, Pack, Policies};
use crate::config::snapshot::Grades;
use crate::config::zone::offset_seconds;

/// The name of the rule that `output` is.
const OUTPUT: &str = "output";
/// What stands before an answer if nothing else is said.
const LABEL: &str = "[人工智能生成] ";

/// The policy of a checked config. `Some(None)`: nothing is asked for, so nothing needs to be looked for. `before` is the
/// one in use: a pepper that is not in the config stays as it is over a reload.
#[must_use]
pub fn compile(config: &Config, before: Option<&Policy>) -> Option<Option<Policy>> {
    let from = &config.policies;
    if asks_nothing(from) {
        return Some(None);
    }
    let grades = Grades::new(&config.grades);
    let set = set(from, &grades)?;
    let mut rules = Vec::with_capacity(from.rules.len());
    for rule in &from.rules {
        rules.push(build_rule(rule, &set, config, &grades)?);
    }
    let mut reply = Vec::new();
    if let Some(output) = &from.output {
        reply.push(build_reply(output, &set)?);
    }
    let graded = graded(from, &rules, &set);
    let lowest = from.packs.contains(&Pack::CnPipl).then_some(Grade::LOWEST);
    let overseas_max = match from.cross_border.max_grade.as_deref() {
        Some(name) => Some(grades.find(name)?),
        None => lowest,
    };
    let parts = Parts {
        set,
        rules,
        reply,
        graded,
        media: match from.media.as_deref() {
            Some(name) => grades.find(name)?,
            None => grades.highest(),
        },
        overseas_max,
        filed_only: from.require_filed_model,
        labelling: from.labelling.as_ref().map(build_labelling),
        pepper: pepper(from, before)?,
        grades: config.grades.clone(),
        zone_s: offset_seconds(&from.timezone)?,
    };
    Policy::build(parts).ok().map(Some)
}

fn pepper(from: &Policies, before: Option<&Policy>) -> Option<Pepper> {
    const BYTES: usize = 32;
    match (&from.pepper, before) {
        (Some(own), _) => Some(Pepper::new(own.expose().as_bytes())),
        (None, Some(before)) => Some(before.pepper.clone()),
        (None, None) => {
            let mut bytes = [0; BYTES];
            aws_lc_rs::rand::fill(&mut bytes).ok()?;
            Some(Pepper::new(&bytes))
        }
    }
}

fn asks_nothing(from: &Policies) -> bool {
    let types = from.words.is_empty() && from.entities.is_empty() && from.grades.is_empty();
    let around = from.media.is_none()
        && from.cross_border.max_grade.is_none()
        && from.gates.is_empty()
        && from.labelling.is_none()
        && !from.require_filed_model;
    from.packs.is_empty() && from.rules.is_empty() && from.output.is_none() && types && around
}

fn set(from: &Policies, grades: &Grades) -> Option<Set> {
    let own = |name: Option<&str>| match name {
        Some(name) => grades.find(name),
        None => Some(grades.highest()),
    };
    let mut words = Vec::with_capacity(from.words.len());
    for list in &from.words {
        words.push(WordList {
            name: list.name.clone(),
            group: list.group.clone(),
            grade: own(list.grade.as_deref())?,
            words: list.words.clone(),
        });
    }
    let mut customs = Vec::with_capacity(from.entities.len());
    for entity in &from.entities {
        customs.push(Custom {
            name: entity.name.clone(),
            pattern: entity.pattern.clone(),
            validator: entity.validator.map(validator),
            context: entity.context.clone(),
            grade: own(entity.grade.as_deref())?,
        });
    }
    let is_own = |name: &str| {
        let lists = from.words.iter().any(|list| list.name == name);
        lists || from.entities.iter().any(|entity| entity.name == name)
    };
    // A type's own grade comes before its group's, and either before the default.
    let grade_of = |name: &str, group: Option<&str>, default: Grade| {
        let said = from.grades.get(name);
        let said = said.or_else(|| group.and_then(|group| from.grades.get(group)));
        match said.and_then(|said| grades.find(said)) {
            Some(grade) => grade,
            None if is_own(name) => default,
            None => translated(default, grades),
        }
    };
    Set::build(customs, words, &grade_of).ok()
}

/// A grade of the default list in a list of one's own: by its name, else counted from the end it is nearer to.
fn translated(grade: Grade, grades: &Grades) -> Grade {
    let named = GRADES.get(usize::from(grade.0));
    if let Some(same) = named.and_then(|name| grades.find(name)) {
        return same;
    }
    let highest = grades.highest().0;
    Grade(match grade.0 {
        0 => 0,
        1 => highest.min(1),
        2 => highest.saturating_sub(1),
        _ => highest,
    })
}

const fn validator(from: schema::Validator) -> Validator {
    match from {
        schema::Validator::Luhn => Validator::Luhn,
        schema::Validator::IdCard => Validator::IdCard,
        schema::Validator::Uscc => Validator::Uscc,
        schema::Validator::Iban => Validator::Iban,
        schema::Validator::Vin => Validator::Vin,
    }
}

const fn method(from: schema::Method) -> Method {
    match from {
        schema::Method::Placeholder => Method::Placeholder,
        schema::Method::Mask => Method::Mask,
        schema::Method::Pseudonym => Method::Pseudonym,
        schema::Method::Hash => Method::Hash,
    }
}

/// The types that `find` names; `None` if one of them is not known.
fn found(find: &[String], set: &Set) -> Option<Sorts> {
    let mut sorts = Sorts::new();
    for name in find {
        let named = set.named(name);
        if named.is_empty() {
            return None;
        }
        sorts.union(&named);
    }
    Some(sorts)
}

fn build_rule(from: &schema::Rule, set: &Set, config: &Config, grades: &Grades) -> Option<Rule> {
    let names = Names {
        grades: &config.grades,
        sorts: &|name| set.sorts().any(|sort| *set.info(sort).name == *name),
    };
    let when = from.when.as_deref().map(|when| When::compile(when, &names));
    let find = from.find.as_deref().map(|find| found(find, set));
    let grade = from.grade.as_deref().map(|name| grades.find(name));
    Some(Rule {
        name: from.name.as_str().into(),
        find: match find {
            Some(find) => Some(find?),
            None => None,
        },
        when: when.transpose().ok()?,
        at_least: from.at_least,
        remedy: match from.remedy {
            schema::Remedy::Redact => Remedy::Redact {
                method: from.method.map_or(Method::Placeholder, method),
                restore: from.restore,
            },
            schema::Remedy::Reroute => Remedy::Reroute,
            schema::Remedy::Refuse => Remedy::Refuse,
        },
        grade: match grade {
            Some(grade) => Some(grade?),
            None => None,
        },
        shadow: from.mode == schema::RuleMode::Shadow,
        message: from.message.as_deref().map(Into::into),
    })
}

fn build_reply(from: &schema::Output, set: &Set) -> Option<ReplyRule> {
    Some(ReplyRule {
        name: OUTPUT.into(),
        find: found(&from.find, set)?,
        remedy: match from.remedy {
            schema::Remedy::Redact => ReplyRemedy::Redact(from.method.map_or(Method::Mask, method)),
            schema::Remedy::Refuse => ReplyRemedy::Refuse,
            schema::Remedy::Reroute => return None,
        },
        shadow: from.mode == schema::RuleMode::Shadow,
        message: from.message.as_deref().map(Into::into),
    })
}

/// What is looked for though no rule finds it: types that were given a grade, types of one's own, and what conditions
/// name, which would otherwise always read 0.
fn graded(from: &Policies, rules: &[Rule], set: &Set) -> Sorts {
    let mut sorts = Sorts::new();
    let named = from.grades.keys().map(String::as_str);
    let words = from.words.iter().map(|list| list.name.as_str());
    let entities = from.entities.iter().map(|entity| entity.name.as_str());
    let whens = rules.iter().filter_map(|rule| rule.when.as_ref());
    for name in named
        .chain(words)
        .chain(entities)
        .chain(whens.flat_map(When::types))
    {
        sorts.union(&set.named(name));
    }
    // A redaction that names no type is about all that are looked for: the personal ones, if nothing else says.
    let all = rules
        .iter()
        .any(|rule| rule.find.is_none() && matches!(rule.remedy, Remedy::Redact { .. }));
    if all {
        let judged = [Sort::SOURCE_CODE, Sort::PROMPT_INJECTION];
        sorts.union(&set.sorts().filter(|sort| !judged.contains(sort)).collect());
    }
    sorts
}

fn build_labelling(from: &schema::Labelling) -> Labelling {
    let text = from.text.as_deref().unwrap_or(LABEL);
    Labelling {
        producer: from.producer.as_str().into(),
        prefix: (from.explicit == Explicit::Prefix).then(|| text.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::load::load_text;

    fn built(policies: &str) -> Option<Policy> {
        let text = format!("policies: {{ {policies} }}\n");
        let loaded = load_text("y.yaml", &text, Path::new(""), &|_| None).unwrap();
        compile(&loaded.config, None).unwrap()
    }

    #[test]
    fn nothing_asked_for_is_no_policy() {
        assert!(built("").is_none());
        assert!(built("timezone: UTC").is_none());
        assert!(built("media: public").is_some());
    }

    #[test]
    fn rules_become_rules() {
        let policy = built(
            "rules: [ { name: a, find: [SECRET, MINE], remedy: redact, method: hash, grade: internal, at_least: 2 }, \
             { name: b, when: \"hits.VIN > 3\", remedy: refuse, mode: shadow, message: no } ], \
             words: [ { name: MINE, group: OURS, words: [kunlun] } ], grades: { OURS: internal, EMAIL: restricted }, \
             output: { find: [VIN], remedy: redact }, timezone: \"+01:00\"",
        )
        .unwrap();
        let [a, b] = policy.rules.as_slice() else {
            panic!()
        };
        let mine = policy.set.named("OURS");
        assert!(a.find.as_ref().unwrap().meets(&mine) && a.at_least == 2 && !a.shadow);
        let remedy = Remedy::Redact {
            method: Method::Hash,
            restore: false,
        };
        assert_eq!((a.remedy, a.grade), (remedy, Some(Grade(1))));
        assert!(b.find.is_none() && b.when.is_some() && b.shadow);
        for looked_for in ["JWT", "MINE", "VIN", "EMAIL"] {
            assert!(
                policy.looked_for().meets(&policy.set.named(looked_for)),
                "{looked_for}"
            );
        }
        assert!(!policy.looked_for().meets(&policy.set.named("CN_MOBILE")));
        let grade = |name: &str| {
            let sort = policy.set.named(name).iter().next().unwrap();
            policy.set.info(sort).grade
        };
        assert_eq!(grade("MINE"), Grade(1));
        assert_eq!(grade("EMAIL"), Grade(3));
        assert_eq!(policy.reply[0].remedy, ReplyRemedy::Redact(Method::Mask));
        assert_eq!((policy.media, policy.zone_s), (Grade(3), 3600));
        assert_eq!(policy.overseas_max, None);
        assert_eq!(
            built("packs: [cn-pipl]").unwrap().overseas_max,
            Some(Grade(0))
        );
    }

    #[test]
    fn grades_of_ones_own_take_the_place_of_the_defaults() {
        for (own, expected) in [
            (
                vec!["public", "internal", "confidential", "restricted"],
                [0, 1, 2, 3],
            ),
            (vec!["c1", "c2", "c3"], [0, 1, 1, 2]),
            (vec!["all"], [0, 0, 0, 0]),
            (vec!["open", "internal", "a", "b", "top"], [0, 1, 3, 4]),
        ] {
            let grades = Grades::new(&own);
            let got = [0, 1, 2, 3].map(|grade| translated(Grade(grade), &grades).0);
            assert_eq!(got, expected, "{own:?}");
        }
    }
}
