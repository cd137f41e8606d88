//! The rule packs that are shipped, as data: what each looks for, what follows, and which law asks for it.
//!
//! Knows no config and decides nothing; whoever loads a config turns the data into rules. Invariants, checked by the
//! tests: every type that a rule names is a built-in type or group, a whole-text judgement, or the pack's own; names of
//! types and rules are unique over all packs, so that packs can be combined; every pattern and condition compiles.

mod finance;
pub mod genai;
mod industrial;
mod medical;
mod personal;
#[cfg(test)]
mod tests;

use crate::scan::custom::Custom;

/// A pack's own lists: type, group (empty: none), words.
pub type Lists = Vec<(&'static str, &'static str, &'static [&'static str])>;

/// A shipped pack.
#[derive(Debug)]
pub struct Pack {
    /// Its name in the config.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub about: &'static str,
    /// Its rules.
    pub rules: &'static [PackRule],
    /// Its word lists.
    pub words: fn() -> Lists,
    /// Its patterns.
    pub customs: fn() -> Vec<Custom>,
    /// What it answers to.
    pub law: &'static [&'static str],
}

/// A rule of a pack.
#[derive(Debug)]
pub struct PackRule {
    /// Its name in errors, the journal and metrics: pack and what for.
    pub name: &'static str,
    /// Types and groups.
    pub find: &'static [&'static str],
    /// A condition on the whole request, in CEL; none if empty.
    pub when: &'static str,
    /// What follows.
    pub remedy: PackRemedy,
    /// Where it applies.
    pub phase: Phase,
    /// How many findings there must be.
    pub at_least: u32,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackRemedy {
    /// The findings are replaced.
    Redact {
        /// Whether the reply gets the values back.
        restore: bool,
        /// Whether nobody may ever get them back: nothing of the value may stay, in text or in a table.
        irreversible: bool,
    },
    /// Only a target with the clearance gets the request.
    Reroute,
    /// The request, or the reply, ends.
    Refuse,
}

/// Where a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// To requests.
    Request,
    /// To replies.
    Reply,
    /// To both.
    Both,
}

impl PackRule {
    /// A rule without a condition that one finding sets off.
    const fn new(
        name: &'static str,
        find: &'static [&'static str],
        remedy: PackRemedy,
        phase: Phase,
    ) -> Self {
        Self {
            name,
            find,
            when: "",
            remedy,
            phase,
            at_least: 1,
        }
    }
}

/// Replaced on the way out, put back on the way in.
const REDACT: PackRemedy = PackRemedy::Redact {
    restore: true,
    irreversible: false,
};
/// Replaced for good.
const ERASE: PackRemedy = PackRemedy::Redact {
    restore: false,
    irreversible: true,
};

fn no_words() -> Lists {
    Vec::new()
}

fn no_customs() -> Vec<Custom> {
    Vec::new()
}

/// All packs.
pub static PACKS: &[Pack] = &[
    personal::PACK,
    Pack {
        name: "secrets",
        about: "Keys, tokens and passwords go nowhere, in neither direction.",
        rules: &[
            PackRule::new(
                "secrets/refuse",
                &["SECRET"],
                PackRemedy::Refuse,
                Phase::Request,
            ),
            PackRule::new("secrets/reply", &["SECRET"], ERASE, Phase::Reply),
        ],
        words: no_words,
        customs: no_customs,
        law: &[
            "DSL 27",
            "CSL 23 (2025 text), 21 (2017 text)",
            "GB/T 22239 8.1.4.3",
        ],
    },
    Pack {
        name: "source-code",
        about: "Pasted source code goes only to models that are cleared for it.",
        rules: &[PackRule::new(
            "source-code/reroute",
            &["SOURCE_CODE"],
            PackRemedy::Reroute,
            Phase::Request,
        )],
        words: no_words,
        customs: no_customs,
        law: &[
            "Anti-Unfair Competition Law 9 (trade secrets)",
            "Interim Measures 4",
        ],
    },
    finance::PACK,
    medical::PACK,
    industrial::PACK,
    genai::PACK,
    Pack {
        name: "prompt-injection",
        about: "Attempts to talk a model out of its instructions are refused.",
        rules: &[PackRule::new(
            "prompt-injection/refuse",
            &["PROMPT_INJECTION"],
            PackRemedy::Refuse,
            Phase::Request,
        )],
        words: no_words,
        customs: no_customs,
        law: &[
            "OWASP LLM01",
            "Interim Measures 4",
            "GB/T 45654 (safety of generated content)",
        ],
    },
];

/// The pack of that name.
#[must_use]
pub fn pack(name: &str) -> Option<&'static Pack> {
    PACKS.iter().find(|pack| pack.name == name)
}
