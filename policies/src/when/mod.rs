//! Conditions of rules, in CEL: `key.team == "interns" && model != "small"`.
//!
//! Parsed (crate `cel`), type-checked and bounded when the config loads, then evaluated as a small tree of our own: no
//! value is wrapped, no variable is looked up by name, nothing is allocated, and a type error cannot happen any more.
//! Knows no config, no clock and no text of a prompt: it decides on facts that others found.
//!
//! | variable | type | is |
//! |---|---|---|
//! | `request.dialect` | text | the dialect the caller speaks: `openai-chat`, `anthropic`, … |
//! | `request.endpoint` | text | the path that was asked |
//! | `request.stream` | bool | whether a stream was asked for |
//! | `request.bytes` | int | size of the body |
//! | `request.messages` | int | messages in it |
//! | `request.tools`, `request.images` | bool | whether it has tool definitions, images |
//! | `request.client_ip` | text | the address it came from |
//! | `key.id`, `key.team` | text | the virtual key and its team (`""`: none) |
//! | `key.grade` | grade | what the key declares |
//! | `model` | text | the model's name as asked for |
//! | `provider.name`, `.vendor`, `.location`, `.model` | text | a target; a rule that reads it is judged once a target; `location` is `domestic`, `overseas` or `self_hosted` |
//! | `provider.clearance` | grade | the highest grade that may go there |
//! | `time.hour`, `time.minute` | int | in the zone of `policies.timezone` |
//! | `time.weekday` | int | 1 is Monday, 7 Sunday |
//! | `time.date` | text | `2026-11-25` |
//! | `hits.CN_MOBILE`, `hits["CN_MOBILE"]` | int | findings of that type, or of all types of that group; 0 if there are none |
//! | `hits.total` | int | all findings |
//! | `hits` | map | types that were found: `"VIN" in hits`, `size(hits)`, `hits.exists(t, …)` |
//! | `grade` | grade | of the whole request |
//!
//! A **grade** compares with the name of one, by its order and not by its letters: `grade >= "confidential"`, or
//! `grade_at_least("confidential")`. Functions: `size`, `contains`, `startsWith`, `endsWith`, `matches` (a literal,
//! linear-time pattern, found anywhere), `has` (a text that is not empty, a type that was found), `in`, and over lists
//! and `hits` the macros `exists`, `all`, `exists_one`, `filter`, `map`, none inside another's condition. Left out of
//! CEL: fractions, unsigned numbers, bytes, joining texts, maps and messages of one's own, durations.
//!
//! **Bound**: at most [`SOURCE_BYTES_MAX`] bytes, [`NODES_MAX`] nodes, [`NEST_MAX`] nested brackets, and [`COST_MAX`]
//! steps, counted when it is compiled, with [`HITS_MAX`] types found: about a millisecond at the very worst.
//!
//! Invariants: whatever the text, compiling ends soon, with a condition or an error that has a place; whatever the facts,
//! a compiled condition says yes, no, or why it cannot say ([`WhenFailure`]), which the caller must not take for no.

mod check;
mod facts;
mod parse;
#[cfg(test)]
mod tests;
mod tree;
mod vars;

use std::fmt;

pub(crate) use facts::civil;
pub use facts::{Facts, Key, Provider, Request, Time};
use tree::{Scope, Truth};

/// Longest source, in bytes.
pub const SOURCE_BYTES_MAX: usize = 4096;
/// Most nodes of a condition, after its macros are expanded.
pub const NODES_MAX: usize = 256;
/// Most brackets around anything.
pub const NEST_MAX: usize = 16;
/// Most steps that judging it may take.
pub const COST_MAX: u64 = 100_000;
/// Most types in [`Facts::hits`].
pub const HITS_MAX: usize = 512;
/// Longest pattern of `matches`, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256;

/// A compiled condition.
pub struct When {
    truth: Truth,
    reads_target: bool,
    types: Vec<Box<str>>,
    grades: usize,
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhenError {
    /// What is wrong, as a sentence without an end.
    pub message: String,
    /// Where: a byte offset into the source.
    pub at: usize,
}

/// Why a condition could not say yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFailure {
    /// A number became too large.
    Overflow,
    /// A division by zero.
    DivisionByZero,
    /// It reads `provider` and no target was given.
    NoTarget,
    /// More than [`HITS_MAX`] types.
    TooManyHits,
}

/// The names that a condition may use.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// The grades, lowest first.
    pub grades: &'a [String],
    /// The types of [`Facts::hits`] that a name means: itself, or those of the group; none if it means nothing.
    pub sorts: &'a dyn Fn(&str) -> Vec<String>,
}

impl When {
    /// Parses and checks `source`.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn compile(source: &str, names: &Names<'_>) -> Result<Self, WhenError> {
        let parsed = parse::parse(source)?;
        let checked = check::check(&parsed, source, names)?;
        Ok(Self {
            truth: checked.truth,
            reads_target: checked.reads_target,
            types: checked.types,
            grades: names.grades.len(),
        })
    }

    /// Whether it mentions `provider`, so that each target needs an answer of its own.
    #[must_use]
    pub fn reads_target(&self) -> bool {
        self.reads_target
    }

    /// The types of findings that it names: they must be looked for, or it would always read 0.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.types.iter().map(|name| &**name)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// If it cannot be said. A rule must then be taken to apply, or the request refused.
    pub fn holds(&self, facts: &Facts<'_>) -> Result<bool, WhenFailure> {
        debug_assert_eq!(self.grades, facts.grades.len(), "compiled for other grades");
        if facts.hits.len() > HITS_MAX {
            return Err(WhenFailure::TooManyHits);
        }
        self.truth.holds(Scope::new(facts))
    }
}

/// Says nothing of the source: a variable of the environment may have been expanded in it.
impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("When")
            .field("reads_target", &self.reads_target)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names")
            .field("grades", &self.grades)
            .finish_non_exhaustive()
    }
}

impl WhenError {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            at,
        }
    }
}

impl fmt::Display for WhenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at, self.message)
    }
}

impl std::error::Error for WhenError {}

impl fmt::Display for WhenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overflow => "a number became too large",
            Self::DivisionByZero => "a division by zero",
            Self::NoTarget => "it reads `provider`, and there is none yet",
            Self::TooManyHits => "too many types were found",
        })
    }
}

impl std::error::Error for WhenFailure {}
