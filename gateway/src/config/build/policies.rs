//! The section `policies` → the compiled policy.
//!
//! Words' files were read when the config was loaded, and everything was checked. Invariant: what the check let through and cannot be compiled is a
//! problem, never a policy with less in it.

use std::collections::BTreeMap;

use ::policies::packs::{self, PackRemedy, Phase};
use ::policies::policy::{Labelling, Parts, Policy, Remedy, ReplyRemedy, ReplyRule, Rule};
use ::policies::redact::{Method, Pepper};
use ::policies::scan::custom::{Custom, Validator};
use ::policies::scan::{GRADES, Set, SetError, Sorts, WordList};
use ::policies::when::{Names, When, WhenError};
use wire::Grade;

use super::Files;
use crate::config::problem::Step;
use crate::config::schema::{self, Config, Explicit, Pack, Policies, RuleMode};
use crate::config::snapshot::Grades;
use crate::config::zone;

/// What people see before generated text, if nothing else is set (GB 45438-2025 asks for both words).
const LABEL: &str = "【人工智能生成】";

/// The default grade of packs' words: as of contacts and names (a position in `GRADES`).
const PACK_WORDS_GRADE: Grade = Grade(2);

/// The policy of a config; `Some(None)` if it asks for none.
pub(super) fn build(
    config: &Config,
    grades: &Grades,
    files: &mut Files<'_>,
) -> Option<Option<Policy>> {
    let from = &config.policies;
    if is_empty(from) {
        return Some(None);
    }
    let set = set(from, grades, files)?;
    let mut rules = Vec::new();
    let mut reply = Vec::new();
    for (at, rule) in from.rules.iter().enumerate() {
        rules.push(build_rule(at, rule, &set, grades, files)?);
    }
    if let Some(output) = &from.output {
        reply.push(ReplyRule {
            name: "output".into(),
            find: all(&set, &output.find),
            remedy: match output.remedy {
                schema::Remedy::Refuse => ReplyRemedy::Refuse,
                _ => ReplyRemedy::Redact(output.method.map_or(Method::Mask, method)),
            },
            shadow: output.mode == RuleMode::Shadow,
            message: output.message.as_deref().map(Into::into),
        });
    }
    for pack in from
        .packs
        .iter()
        .filter_map(|pack| packs::pack(pack.name()))
    {
        add_pack(pack, &set, grades, files, (&mut rules, &mut reply))?;
    }
    let highest = grades.highest();
    let find = |name: &Option<String>| name.as_deref().and_then(|name| grades.find(name));
    let abroad = find(&from.cross_border.max_grade);
    let parts = Parts {
        graded: graded(from, &rules, &set),
        set,
        rules,
        reply,
        media: find(&from.media).unwrap_or(highest),
        overseas_max: abroad.or(from.packs.contains(&Pack::CnPipl).then_some(Grade::LOWEST)),
        filed_only: from.require_filed_model,
        labelling: from.labelling.as_ref().map(|labelling| Labelling {
            producer: labelling.producer.as_str().into(),
            prefix: (labelling.explicit == Explicit::Prefix)
                .then(|| labelling.text.as_deref().unwrap_or(LABEL).into()),
        }),
        pepper: pepper(from),
        grades: grades.names().map(str::to_owned).collect(),
        zone_s: zone::offset_seconds(&from.timezone)?,
    };
    match Policy::build(parts) {
        Ok(policy) => Some(Some(policy)),
        Err(error) => files.fail(&["policies".into()], error.to_string()),
    }
}

/// What counts without a rule that finds it: types that were given a grade, types of one's own, and what conditions name,
/// which would else always read 0.
fn graded(from: &Policies, rules: &[Rule], set: &Set) -> Sorts {
    let named = from.grades.keys().map(String::as_str);
    let words = from.words.iter().map(|list| list.name.as_str());
    let entities = from.entities.iter().map(|entity| entity.name.as_str());
    let conditions = rules.iter().filter_map(|rule| rule.when.as_ref());
    let read = conditions.flat_map(When::types);
    all(set, named.chain(words).chain(entities).chain(read))
}

/// Whether the section says nothing.
fn is_empty(from: &Policies) -> bool {
    from.packs.is_empty()
        && from.rules.is_empty()
        && from.output.is_none()
        && from.words.is_empty()
        && from.entities.is_empty()
        && from.grades.is_empty()
        && from.media.is_none()
        && from.cross_border.max_grade.is_none()
        && from.gates.is_empty()
        && from.labelling.is_none()
        && !from.require_filed_model
}

/// Surrogates and hashes hang on a key: the config's, or one that lives as long as the process, random, since nobody else
/// must make them.
fn pepper(from: &Policies) -> Pepper {
    static KEY: std::sync::LazyLock<[u8; 32]> = std::sync::LazyLock::new(|| {
        let mut key = [0; 32];
        // It fails only where the system has no random numbers at all; the log's ids would fail first.
        let _ = aws_lc_rs::rand::fill(&mut key);
        key
    });
    match &from.pepper {
        Some(own) => Pepper::new(own.expose().as_bytes()),
        None => Pepper::new(&*KEY),
    }
}

/// The default grades of types, in a config's own order of grades: by name where it has the name, else by proportion.
fn default_grade(grades: &Grades, default: Grade) -> Grade {
    let named = GRADES
        .get(usize::from(default.0))
        .and_then(|name| grades.find(name));
    named.unwrap_or_else(|| {
        let top = usize::from(grades.highest().0);
        let last = GRADES.len() - 1;
        Grade(u8::try_from((usize::from(default.0) * top).div_ceil(last)).unwrap_or(u8::MAX))
    })
}

fn set(from: &Policies, grades: &Grades, files: &mut Files<'_>) -> Option<Set> {
    let highest = grades.highest();
    let grade = |name: &Option<String>| match name {
        Some(name) => grades.find(name),
        None => Some(highest),
    };
    // Types with a grade of their own: these are not default grades to be placed in the order.
    let mut own: BTreeMap<String, Grade> = BTreeMap::new();
    let mut words = Vec::new();
    let mut customs = Vec::new();
    for list in &from.words {
        own.insert(list.name.clone(), grade(&list.grade)?);
        words.push(word_list(list));
    }
    for entity in &from.entities {
        own.insert(entity.name.clone(), grade(&entity.grade)?);
        customs.push(custom(entity));
    }
    for pack in from
        .packs
        .iter()
        .filter_map(|pack| packs::pack(pack.name()))
    {
        customs.extend((pack.customs)());
        for (name, group, list) in (pack.words)() {
            words.push(WordList {
                name: name.to_owned(),
                group: Some(group.to_owned()).filter(|group| !group.is_empty()),
                grade: PACK_WORDS_GRADE,
                words: list.iter().map(|word| (*word).to_owned()).collect(),
            });
        }
    }
    let over: BTreeMap<&str, Grade> = from
        .grades
        .iter()
        .filter_map(|(name, grade)| Some((name.as_str(), grades.find(grade)?)))
        .collect();
    let grade_of = |name: &str, group: Option<&str>, default: Grade| {
        let named = over.get(name).or_else(|| over.get(group?));
        named
            .or_else(|| own.get(name))
            .copied()
            .unwrap_or_else(|| default_grade(grades, default))
    };
    match Set::build(customs, words, &grade_of) {
        Ok(set) => Some(set),
        Err(error) => {
            let at: &str = match &error {
                SetError::Word(_) => "words",
                _ => "entities",
            };
            files.fail(&["policies".into(), at.into()], error.to_string())
        }
    }
}

fn word_list(from: &schema::Words) -> WordList {
    WordList {
        name: from.name.clone(),
        group: from.group.clone(),
        grade: Grade::LOWEST,
        words: from.words.clone(),
    }
}

fn custom(from: &schema::EntityDef) -> Custom {
    Custom {
        name: from.name.clone(),
        pattern: from.pattern.clone(),
        validator: from.validator.map(|validator| match validator {
            schema::Validator::Luhn => Validator::Luhn,
            schema::Validator::IdCard => Validator::IdCard,
            schema::Validator::Uscc => Validator::Uscc,
            schema::Validator::Iban => Validator::Iban,
            schema::Validator::Vin => Validator::Vin,
        }),
        context: from.context.clone(),
        grade: Grade::LOWEST,
    }
}

fn method(from: schema::Method) -> Method {
    match from {
        schema::Method::Placeholder => Method::Placeholder,
        schema::Method::Mask => Method::Mask,
        schema::Method::Pseudonym => Method::Pseudonym,
        schema::Method::Hash => Method::Hash,
    }
}

fn all<S: AsRef<str>>(set: &Set, names: impl IntoIterator<Item = S>) -> Sorts {
    let mut all = Sorts::new();
    for name in names {
        all.union(&set.named(name.as_ref()));
    }
    all
}

fn build_rule(
    at: usize,
    from: &schema::Rule,
    set: &Set,
    grades: &Grades,
    files: &mut Files<'_>,
) -> Option<Rule> {
    let when = match compile(from.when.as_deref().unwrap_or_default(), set, grades) {
        Ok(when) => when,
        Err(error) => {
            let steps: [Step; 4] = ["policies".into(), "rules".into(), at.into(), "when".into()];
            return files.fail(&steps, error.message);
        }
    };
    Some(Rule {
        name: from.name.as_str().into(),
        find: from.find.as_ref().map(|find| all(set, find)),
        when,
        at_least: from.at_least,
        remedy: match from.remedy {
            schema::Remedy::Redact => Remedy::Redact {
                method: from.method.map_or(Method::Placeholder, method),
                restore: from.restore,
            },
            schema::Remedy::Reroute => Remedy::Reroute,
            schema::Remedy::Refuse => Remedy::Refuse,
        },
        grade: match &from.grade {
            Some(name) => Some(grades.find(name)?),
            None => None,
        },
        shadow: from.mode == RuleMode::Shadow,
        message: from.message.as_deref().map(Into::into),
    })
}

fn add_pack(
    pack: &packs::Pack,
    set: &Set,
    grades: &Grades,
    files: &mut Files<'_>,
    (rules, reply): (&mut Vec<Rule>, &mut Vec<ReplyRule>),
) -> Option<()> {
    for rule in pack.rules {
        let find = all(set, rule.find);
        let when = match compile(rule.when, set, grades) {
            Ok(when) => when,
            Err(error) => {
                let message = format!("pack rule {}: {}", rule.name, error.message);
                return files.fail(&["policies".into(), "packs".into()], message);
            }
        };
        if rule.phase != Phase::Reply {
            rules.push(Rule {
                name: rule.name.into(),
                find: Some(find.clone()),
                when,
                at_least: rule.at_least,
                remedy: match rule.remedy {
                    // A label shows nothing of the value; without a table nobody gets it back.
                    PackRemedy::Redact {
                        restore,
                        irreversible,
                    } => Remedy::Redact {
                        method: Method::Placeholder,
                        restore: restore && !irreversible,
                    },
                    PackRemedy::Reroute => Remedy::Reroute,
                    PackRemedy::Refuse => Remedy::Refuse,
                },
                grade: None,
                shadow: false,
                message: None,
            });
        }
        if rule.phase != Phase::Request {
            reply.push(ReplyRule {
                name: rule.name.into(),
                find,
                remedy: match rule.remedy {
                    PackRemedy::Refuse => ReplyRemedy::Refuse,
                    _ => ReplyRemedy::Redact(Method::Placeholder),
                },
                shadow: false,
                message: None,
            });
        }
    }
    Some(())
}

/// A condition; none if the source is empty.
fn compile(source: &str, set: &Set, grades: &Grades) -> Result<Option<When>, WhenError> {
    if source.is_empty() {
        return Ok(None);
    }
    let grades: Vec<String> = grades.names().map(str::to_owned).collect();
    let names = Names {
        grades: &grades,
        sorts: &|name| {
            let named = set.named(name);
            named
                .iter()
                .map(|sort| set.info(sort).name.to_string())
                .collect()
        },
    };
    When::compile(source, &names).map(Some)
}
