//! Warnings about what a policy looks for and no rule says anything about.
//!
//! Not an error: the law holds without rules, and sends what was found only where the clearance reaches. But whoever brings
//! a word list mostly expects more to happen. Reads the built policy, so that packs and conditions count as traffic has them.

use ::policies::policy::Policy;
use ::policies::scan::Sorts;

use crate::config::load::Doc;
use crate::config::problem::{Problem, Severity, Step};
use crate::config::schema::Policies;

/// One warning for each entry of the config with types that no enforced rule is about.
pub(super) fn unruled(from: &Policies, policy: &Policy, doc: &Doc) -> Vec<Problem> {
    let rules = policy.rules.iter().filter(|rule| !rule.shadow);
    let rules: Vec<_> = rules.collect();
    let reply = policy.reply.iter().filter(|rule| !rule.shadow);
    let mut ruled = Sorts::new();
    reply.for_each(|rule| ruled.union(&rule.find));
    let bare = |name: &str| -> Vec<&str> {
        let sorts = policy.set.named(name);
        let sorts: Vec<_> = sorts.iter().collect();
        let bare = sorts.into_iter().filter(|sort| {
            policy.looked_for().contains(*sort)
                && !ruled.contains(*sort)
                && !rules.iter().any(|rule| rule.covers(*sort))
        });
        bare.map(|sort| policy.name(sort)).collect()
    };
    let mut warnings = Vec::new();
    let mut warn = |steps: &[Step], name: &str| {
        let bare = bare(name);
        if !bare.is_empty() {
            let message = format!(
                "no rule names a remedy for {}: where it is found, a request goes only to providers with the clearance",
                bare.join(", ")
            );
            warnings.push(doc.problem(Severity::Warning, steps, message));
        }
    };
    for (at, list) in from.words.iter().enumerate() {
        warn(&["policies".into(), "words".into(), at.into()], &list.name);
    }
    for (at, entity) in from.entities.iter().enumerate() {
        warn(
            &["policies".into(), "entities".into(), at.into()],
            &entity.name,
        );
    }
    let own = |name: &str| {
        from.words
            .iter()
            .any(|list| list.name == name || list.group.as_deref() == Some(name))
            || from.entities.iter().any(|entity| entity.name == name)
    };
    for name in from.grades.keys().filter(|name| !own(name)) {
        warn(
            &["policies".into(), "grades".into(), name.as_str().into()],
            name,
        );
    }
    warnings
}
