//! The compiled policy: what is looked for, and what follows from finding it.
//!
//! Built when a config loads, immutable afterwards. Holds rules; [`law`](crate::law) applies them. Knows no file, no
//! vendor and no dialect. Invariant: every rule can be enforced wherever it may be asked; what cannot is refused when it
//! is built.

use wire::Grade;

use crate::redact::{Method, Pepper};
use crate::scan::{Set, Sort, Sorts};
use crate::when::{Facts, When};

/// Most rules, packs' included.
pub const RULES_MAX: usize = 1024;

/// What follows where the grade of a finding exceeds a target's clearance, or (refuse) wherever a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The findings are replaced; what is left decides.
    Redact {
        /// With what.
        method: Method,
        /// Whether the reply gets the values back.
        restore: bool,
    },
    /// Only a target with the clearance gets the request.
    Reroute,
    /// The request ends here, whatever the target.
    Refuse,
}

/// A rule about requests.
#[derive(Debug)]
pub struct Rule {
    /// Its name in errors, the journal and metrics.
    pub name: Box<str>,
    /// The types it is about; `None`: about the request as such (with `Redact`: all types that are looked for).
    pub find: Option<Sorts>,
    /// Its condition.
    pub when: Option<When>,
    /// How many findings of its types there must be.
    pub at_least: u32,
    /// What follows.
    pub remedy: Remedy,
    /// The least grade of what it finds, or of the request.
    pub grade: Option<Grade>,
    /// Only noted, never applied.
    pub shadow: bool,
    /// What the caller is told.
    pub message: Option<Box<str>>,
}

impl Rule {
    /// Whether it is about findings of this type.
    #[must_use]
    pub fn covers(&self, sort: Sort) -> bool {
        match &self.find {
            Some(find) => find.contains(sort),
            None => matches!(self.remedy, Remedy::Redact { .. }),
        }
    }
}

/// What follows a finding in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyRemedy {
    /// It is replaced.
    Redact(Method),
    /// The reply ends with an error.
    Refuse,
}

/// A rule about replies.
#[derive(Debug)]
pub struct ReplyRule {
    /// Its name.
    pub name: Box<str>,
    /// The types it is about.
    pub find: Sorts,
    /// What follows.
    pub remedy: ReplyRemedy,
    /// Only noted, never applied.
    pub shadow: bool,
    /// What the caller is told.
    pub message: Option<Box<str>>,
}

/// How generated content is labelled (GB 45438-2025).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelling {
    /// The code or name of who provides the service: `ContentProducer`.
    pub producer: Box<str>,
    /// What stands before the text of an answer; `None`: no explicit label.
    pub prefix: Option<Box<str>>,
}

/// The whole policy.
#[derive(Debug)]
pub struct Policy {
    /// What is looked for.
    pub set: Set,
    /// Rules about requests, first to last.
    pub rules: Vec<Rule>,
    /// Rules about replies, first to last.
    pub reply: Vec<ReplyRule>,
    /// The grade of what cannot be read: images, sound, files.
    pub media: Grade,
    /// The highest grade that may go abroad, whatever the clearance.
    pub overseas_max: Option<Grade>,
    /// Keys that serve the public reach only filed models.
    pub filed_only: bool,
    /// Labels of generated content.
    pub labelling: Option<Labelling>,
    /// The key of surrogates and hashes.
    pub pepper: Pepper,
    /// Names of grades, in their order.
    pub grades: Vec<String>,
    /// Offset of the zone in which conditions read the time, in seconds east of UTC.
    pub zone_s: i32,
    looked_for: Sorts,
    reads_target: bool,
    has_conditions: bool,
}

/// What a policy is made of.
#[derive(Debug)]
pub struct Parts {
    /// See [`Policy::set`].
    pub set: Set,
    /// See [`Policy::rules`].
    pub rules: Vec<Rule>,
    /// See [`Policy::reply`].
    pub reply: Vec<ReplyRule>,
    /// Types that count for the grade without any rule about them.
    pub graded: Sorts,
    /// See [`Policy::media`].
    pub media: Grade,
    /// See [`Policy::overseas_max`].
    pub overseas_max: Option<Grade>,
    /// See [`Policy::filed_only`].
    pub filed_only: bool,
    /// See [`Policy::labelling`].
    pub labelling: Option<Labelling>,
    /// See [`Policy::pepper`].
    pub pepper: Pepper,
    /// See [`Policy::grades`].
    pub grades: Vec<String>,
    /// See [`Policy::zone_s`].
    pub zone_s: i32,
}

/// Why a policy cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// More than [`RULES_MAX`].
    TooManyRules,
    /// The rule of this position cannot be enforced on all paths.
    NotEnforceable(usize, &'static str),
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooManyRules => write!(f, "more than {RULES_MAX} rules"),
            Self::NotEnforceable(_, why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Unusable {}

/// Why a request rule cannot be enforced, if it cannot.
#[must_use]
pub fn unenforceable(find: &Sorts, remedy: Remedy) -> Option<&'static str> {
    match remedy {
        Remedy::Redact { .. } if find.contains(Sort::PROMPT_INJECTION) => {
            Some("an attempt at injection cannot be redacted: its harm is the whole text")
        }
        Remedy::Redact {
            method: Method::Mask | Method::Hash,
            restore: true,
        } => Some("what is masked or hashed cannot be restored"),
        _ => None,
    }
}

/// Why a reply rule cannot be enforced, if it cannot.
#[must_use]
pub fn unenforceable_reply(find: &Sorts) -> Option<&'static str> {
    (find.contains(Sort::PROMPT_INJECTION) || find.contains(Sort::SOURCE_CODE)).then_some(
        "source code and injection are judged over a whole text, so a stream would pass before the judgement",
    )
}

impl Policy {
    /// Puts a policy together.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn build(parts: Parts) -> Result<Self, Unusable> {
        let Parts {
            set,
            rules,
            reply,
            graded,
            media,
            overseas_max,
            filed_only,
            labelling,
            pepper,
            grades,
            zone_s,
        } = parts;
        if rules.len() + reply.len() > RULES_MAX {
            return Err(Unusable::TooManyRules);
        }
        let mut looked_for = graded;
        for (at, rule) in rules.iter().enumerate() {
            let Some(find) = &rule.find else { continue };
            looked_for.union(find);
            if let Some(why) = unenforceable(find, rule.remedy) {
                return Err(Unusable::NotEnforceable(at, why));
            }
        }
        for (at, rule) in reply.iter().enumerate() {
            if let Some(why) = unenforceable_reply(&rule.find) {
                return Err(Unusable::NotEnforceable(rules.len() + at, why));
            }
        }
        let reads_target = rules
            .iter()
            .any(|rule| rule.when.as_ref().is_some_and(When::reads_target));
        let has_conditions = rules.iter().any(|rule| rule.when.is_some());
        Ok(Self {
            set,
            rules,
            reply,
            media,
            overseas_max,
            filed_only,
            labelling,
            pepper,
            grades,
            zone_s,
            looked_for,
            reads_target,
            has_conditions,
        })
    }

    /// The types that are looked for in requests.
    #[must_use]
    pub fn looked_for(&self) -> &Sorts {
        &self.looked_for
    }

    /// Whether some rule hangs on the target.
    #[must_use]
    pub fn reads_target(&self) -> bool {
        self.reads_target
    }

    /// Whether some rule has a condition: if none, nobody reads facts.
    #[must_use]
    pub fn has_conditions(&self) -> bool {
        self.has_conditions
    }

    /// The name of a type.
    #[must_use]
    pub fn name(&self, sort: Sort) -> &str {
        &self.set.info(sort).name
    }

    /// The rule about a type in replies.
    #[must_use]
    pub fn reply_rule(&self, sort: Sort) -> Option<(usize, &ReplyRule)> {
        self.reply
            .iter()
            .enumerate()
            .find(|(_, rule)| !rule.shadow && rule.find.contains(sort))
    }

    /// Whether replies must be read.
    #[must_use]
    pub fn reads_replies(&self) -> bool {
        !self.reply.is_empty()
    }
}

/// Facts of a request about which no rule was asked yet: nothing found.
#[must_use]
pub fn no_facts(grades: &[String]) -> Facts<'_> {
    Facts {
        request: crate::when::Request {
            dialect: "",
            endpoint: "",
            stream: false,
            bytes: 0,
            messages: 0,
            tools: false,
            images: false,
            client_ip: "",
        },
        key: crate::when::Key {
            id: "",
            user: "",
            team: "",
            grade: 0,
        },
        model: "",
        provider: None,
        time: crate::when::Time::at(0, 0),
        hits: &[],
        grade: 0,
        grades,
    }
}
