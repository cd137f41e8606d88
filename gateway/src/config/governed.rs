//! What is governed, in words: what `yumen check` prints of the policies.
//!
//! Made from the snapshot, so that it shows what traffic gets; the config gives what a snapshot no longer knows: packs and
//! the text of conditions. Holds no secret and none of a list's words.

use std::fmt;

use ::policies::policy::{Policy, Remedy, ReplyRemedy};
use ::policies::redact::Method;
use ::policies::scan::{Sort, Sorts};
use serde::Serialize;

use super::schema::{Config, OnError};
use super::snapshot::Snapshot;

/// Characters of a condition that are shown.
const WHEN_CHARS_MAX: usize = 100;

/// The policies of a config.
#[derive(Debug, Serialize)]
pub struct Governed {
    /// Shipped packs.
    pub packs: Vec<&'static str>,
    /// Types that are looked for in requests.
    pub looked_for: Vec<String>,
    /// Rules about requests, in order; for each type the first one about it counts.
    pub rules: Vec<Line>,
    /// Rules about replies, in order.
    pub output: Vec<Line>,
    /// Moderation services.
    pub gates: Vec<Line>,
}

/// A rule or a gate.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// What follows.
    pub remedy: String,
    /// What it is about: types, and groups all of whose types it is about.
    pub find: Vec<String>,
    /// Its condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Only noted.
    pub shadow: bool,
}

impl Governed {
    /// The policies of a config and of what was built from it; `None` if it has none.
    #[must_use]
    pub fn of(config: &Config, snapshot: &Snapshot) -> Option<Self> {
        let policy = snapshot.policy.as_deref()?;
        // The config's own rules come before those of packs.
        let own = &config.policies.rules;
        let rules = policy.rules.iter().enumerate().map(|(at, rule)| Line {
            name: rule.name.to_string(),
            remedy: with_count(remedy(rule.remedy), rule.at_least),
            find: rule
                .find
                .as_ref()
                .map(|find| named(policy, find))
                .unwrap_or_default(),
            when: own.get(at).and_then(|own| own.when.as_deref()).map(short),
            shadow: rule.shadow,
        });
        let output = policy.reply.iter().map(|rule| Line {
            name: rule.name.to_string(),
            remedy: match rule.remedy {
                ReplyRemedy::Redact(with) => format!("redact, {}", method(with)),
                ReplyRemedy::Refuse => "refuse".into(),
            },
            find: named(policy, &rule.find),
            when: None,
            shadow: rule.shadow,
        });
        let gates = snapshot.gates.iter().map(|gate| Line {
            name: gate.name.to_string(),
            remedy: match gate.on_error {
                OnError::Closed => "asked; closed on error",
                OnError::Open => "asked; open on error",
            }
            .into(),
            find: vec![format!("up to {}", snapshot.grades.name(gate.clearance))],
            when: None,
            shadow: false,
        });
        Some(Self {
            packs: config
                .policies
                .packs
                .iter()
                .map(|pack| pack.name())
                .collect(),
            looked_for: named(policy, policy.looked_for()),
            rules: rules.collect(),
            output: output.collect(),
            gates: gates.collect(),
        })
    }
}

/// Names of types; a group stands for all of its types.
fn named(policy: &Policy, sorts: &Sorts) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for sort in sorts.iter() {
        let group = policy.set.info(sort).group.as_deref();
        let whole = group.filter(|group| {
            let all: Vec<Sort> = policy.set.named(group).iter().collect();
            all.len() > 1 && all.iter().all(|sort| sorts.contains(*sort))
        });
        let name = whole.unwrap_or_else(|| policy.name(sort));
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn remedy(remedy: Remedy) -> String {
    match remedy {
        Remedy::Redact {
            method: with,
            restore,
        } => {
            let restored = if restore { ", restored" } else { "" };
            format!("redact, {}{restored}", method(with))
        }
        Remedy::Reroute => "reroute".into(),
        Remedy::Refuse => "refuse".into(),
    }
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Placeholder => "placeholder",
        Method::Mask => "mask",
        Method::Pseudonym => "pseudonym",
        Method::Hash => "hash",
    }
}

fn with_count(remedy: String, at_least: u32) -> String {
    if at_least > 1 {
        format!("{remedy}, from {at_least} findings on")
    } else {
        remedy
    }
}

/// A condition on one line.
fn short(when: &str) -> String {
    let mut line = when.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > WHEN_CHARS_MAX {
        line = line.chars().take(WHEN_CHARS_MAX - 1).collect();
        line.push('…');
    }
    line
}

impl fmt::Display for Governed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "policies")?;
        if !self.packs.is_empty() {
            writeln!(f, "  packs: {}", self.packs.join(", "))?;
        }
        let looked_for = if self.looked_for.is_empty() {
            "nothing".to_owned()
        } else {
            self.looked_for.join(", ")
        };
        writeln!(f, "  looked for in requests: {looked_for}")?;
        for (what, lines) in [
            ("rules, the first about a type counts", &self.rules),
            ("replies", &self.output),
            ("gates", &self.gates),
        ] {
            if lines.is_empty() {
                continue;
            }
            writeln!(f, "  {what}:")?;
            let name = lines.iter().map(|line| line.name.chars().count()).max();
            let remedy = lines.iter().map(|line| line.remedy.len()).max();
            let (name, remedy) = (name.unwrap_or(0), remedy.unwrap_or(0));
            for (at, line) in (1..).zip(lines) {
                write!(
                    f,
                    "  {at:>4}. {:name$}  {:remedy$}  {}",
                    line.name,
                    line.remedy,
                    if line.find.is_empty() {
                        "any request".into()
                    } else {
                        line.find.join(", ")
                    },
                )?;
                if let Some(when) = &line.when {
                    write!(f, " when {when}")?;
                }
                writeln!(
                    f,
                    "{}",
                    if line.shadow {
                        " (shadow: only noted)"
                    } else {
                        ""
                    }
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{FULL, built, env, lines};

    fn told(section: &str) -> (String, String) {
        let text = format!("{FULL}\npolicies: {{ {section} }}\n");
        let built = built(&text).unwrap_or_else(|problems| panic!("{}", lines(&problems)));
        let nowhere = std::path::Path::new("/nowhere");
        let loaded = crate::config::load::load_text("y.yaml", &text, nowhere, &env).unwrap();
        let governed = Governed::of(&loaded.config, &built.snapshot);
        let governed = governed.map_or_else(String::new, |governed| governed.to_string());
        (governed, lines(&built.warnings))
    }

    #[test]
    fn reads_as_a_table() {
        let (table, _) = told(
            "packs: [secrets], rules: [ { name: ids, find: [CN_ID_CARD, PERSON], remedy: redact, restore: true }, \
             { name: late, when: 'time.hour   > 22', remedy: refuse, mode: shadow }, \
             { name: bulk, find: [EMAIL], at_least: 9, remedy: reroute } ], output: { find: [VIN], remedy: redact }, \
             gates: [ { name: g, url: \"http://g/check\" } ]",
        );
        for line in [
            "policies\n  packs: secrets\n  looked for in requests: ",
            "     1. ids ",
            "redact, placeholder, restored",
            "     2. late",
            "any request when time.hour > 22 (shadow: only noted)\n",
            "reroute, from 9 findings on",
            "  replies:\n     1. output",
            "redact, mask ",
            " VIN\n",
            "  gates:\n     1. g  asked; closed on error  up to restricted\n",
        ] {
            assert!(table.contains(line), "{line:?} in {table}");
        }
        assert!(
            table.contains("SECRET") && !table.contains("JWT"),
            "groups for types: {table}"
        );
        assert_eq!(told("").0, "");
    }

    #[test]
    fn what_no_rule_is_about_is_warned_of_at_its_place() {
        let words = "words: [ { name: MINE, group: OURS, words: [kunlun] } ]";
        let warns = |section: &str| told(section).1;
        let warning = warns(words);
        assert!(
            warning
                .contains("policies.words[0]: no rule names a remedy for MINE: where it is found"),
            "{warning}"
        );
        let rule = |mode: &str| {
            format!(
                "rules: [ {{ name: a, find: [OURS], remedy: reroute, mode: {mode} }} ], {words}"
            )
        };
        assert!(!warns(&rule("enforce")).contains("no rule names"));
        assert!(warns(&rule("shadow")).contains("for MINE"));
        let output = format!("output: {{ find: [MINE], remedy: redact }}, {words}");
        assert!(!warns(&output).contains("no rule names"));
        let warning =
            warns("grades: { VIN: internal }, entities: [ { name: X_1, pattern: 'X-[0-9]{8}' } ]");
        assert!(
            warning.contains("policies.entities[0]: no rule names a remedy for X_1")
                && warning.contains("policies.grades.VIN: no rule names a remedy for VIN"),
            "{warning}"
        );
    }
}
