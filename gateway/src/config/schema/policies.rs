//! The section `policies`: what is looked for, and what follows.
//!
//! Knows form and defaults; whether it can be enforced is `check`'s. Invariant: every struct denies unknown fields.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each;
use crate::config::units::Span;
use crate::secret::Secret;

/// What is looked for in requests and replies, and what follows.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// Shipped rule packs. Their rules come after `rules`.
    #[serde(deserialize_with = "each::listed")]
    pub packs: Vec<Pack>,
    /// Rules about requests, first to last: for each type that is found, the first rule about it counts.
    #[serde(deserialize_with = "each::listed")]
    pub rules: Vec<Rule>,
    /// What is looked for in replies.
    pub output: Option<Output>,
    /// Word lists: types of one's own.
    #[serde(deserialize_with = "each::listed")]
    pub words: Vec<Words>,
    /// Patterns: types of one's own.
    #[serde(deserialize_with = "each::listed")]
    pub entities: Vec<EntityDef>,
    /// The grade of a type or group, where it is to differ from its own.
    #[serde(deserialize_with = "each::named")]
    pub grades: BTreeMap<String, String>,
    /// The grade of what cannot be read: images, sound, files. Default the highest.
    pub media: Option<String>,
    /// Providers abroad.
    pub cross_border: CrossBorder,
    /// Moderation services that are asked before a request goes on.
    #[serde(deserialize_with = "each::listed")]
    pub gates: Vec<Gate>,
    /// Labels of generated content (GB 45438-2025).
    pub labelling: Option<Labelling>,
    /// Keys that serve the public (`public: true`) reach only targets with a `filing`.
    pub require_filed_model: bool,
    /// The zone of `time` in conditions: a name, or `+08:00`.
    pub timezone: String,
    /// The key of pseudonyms and hashes: replicas that share it give the same ones. Default: a new one at every start.
    pub pepper: Option<Secret>,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            packs: Vec::new(),
            rules: Vec::new(),
            output: None,
            words: Vec::new(),
            entities: Vec::new(),
            grades: BTreeMap::new(),
            media: None,
            cross_border: CrossBorder::default(),
            gates: Vec::new(),
            labelling: None,
            require_filed_model: false,
            timezone: "Asia/Shanghai".into(),
            pepper: None,
        }
    }
}

/// A shipped rule pack.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Pack {
    /// Personal information law (PIPL): identities are redacted, nothing graded goes abroad.
    CnPipl,
    /// Keys, tokens and passwords.
    Secrets,
    /// Source code.
    SourceCode,
    /// Finance: JR/T 0171, JR/T 0197.
    Finance,
    /// Health.
    Medical,
    /// Industrial data.
    Industrial,
    /// The risk classes of TC260-003 and GB/T 45654.
    GenaiMeasures,
    /// Attempts to talk a model out of its instructions.
    PromptInjection,
}

impl Pack {
    /// As the config writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CnPipl => "cn-pipl",
            Self::Secrets => "secrets",
            Self::SourceCode => "source-code",
            Self::Finance => "finance",
            Self::Medical => "medical",
            Self::Industrial => "industrial",
            Self::GenaiMeasures => "genai-measures",
            Self::PromptInjection => "prompt-injection",
        }
    }
}

/// A rule about requests.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in errors, the audit log and metrics.
    pub name: String,
    /// Types and groups: built-in ones, those of packs, `words` and `entities`.
    pub find: Option<Vec<String>>,
    /// A condition in CEL.
    pub when: Option<String>,
    /// What follows.
    pub remedy: Remedy,
    /// What stands in place of what was found (`redact` only); default placeholder.
    pub method: Option<Method>,
    /// The reply gets the values back (`redact` with placeholder or pseudonym only).
    #[serde(default)]
    pub restore: bool,
    /// Whether it is applied or only noted.
    #[serde(default)]
    pub mode: RuleMode,
    /// How many findings there must be.
    #[serde(default = "super::one")]
    pub at_least: u32,
    /// The least grade of what it finds; without `find`, of the request.
    pub grade: Option<String>,
    /// What the caller is told.
    pub message: Option<String>,
}

/// What follows where a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// What was found is replaced wherever its grade exceeds the clearance.
    Redact,
    /// Only a provider with the clearance gets the request.
    Reroute,
    /// The request is refused, whatever the provider.
    Refuse,
}

/// What stands in place of what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// `<TYPE_1>`.
    Placeholder,
    /// The middle is `*`.
    Mask,
    /// Something of the same shape that is nobody's.
    Pseudonym,
    /// A keyed hash.
    Hash,
}

/// Whether a rule is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleMode {
    /// It is.
    #[default]
    Enforce,
    /// It is only noted what it would have done.
    Shadow,
}

/// What is looked for in replies.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Types and groups.
    pub find: Vec<String>,
    /// `redact` or `refuse`.
    pub remedy: Remedy,
    /// What stands in place of what was found; default mask.
    pub method: Option<Method>,
    /// Whether it is applied or only noted.
    #[serde(default)]
    pub mode: RuleMode,
    /// What the caller is told.
    pub message: Option<String>,
}

/// A word list.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The name of its type, in capitals.
    pub name: String,
    /// A group that a rule may name instead, in capitals.
    pub group: Option<String>,
    /// How sensitive its words are; default the highest grade.
    pub grade: Option<String>,
    /// The words.
    #[serde(default)]
    pub words: Vec<String>,
    /// A file with more of them, one a line, `#` begins a comment; relative to the config file, read again when it changes.
    pub file: Option<String>,
}

/// A pattern.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityDef {
    /// The name of its type, in capitals.
    pub name: String,
    /// A regular expression without look-around and back-references; a match has at most 512 bytes.
    pub pattern: String,
    /// A check that a match must pass.
    pub validator: Option<Validator>,
    /// Words of which one must stand near.
    #[serde(default)]
    pub context: Vec<String>,
    /// How sensitive it is; default the highest grade.
    pub grade: Option<String>,
}

/// A check that a match must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Validator {
    /// The check digit of cards (ISO/IEC 7812).
    Luhn,
    /// 居民身份证.
    IdCard,
    /// 统一社会信用代码.
    Uscc,
    /// International bank account numbers.
    Iban,
    /// Vehicle identification numbers.
    Vin,
}

/// Providers abroad.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossBorder {
    /// The highest grade that may go to an `overseas` provider, whatever its clearance. Default: its clearance; with the
    /// pack cn-pipl the lowest grade.
    pub max_grade: Option<String>,
}

/// A moderation service.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Its name in errors, the audit log and metrics.
    pub name: String,
    /// Where it is asked.
    pub url: String,
    /// How it is asked.
    #[serde(default)]
    pub shape: GateShape,
    /// What it judges; only requests, after redaction.
    #[serde(default = "on_request")]
    pub on: Vec<GateOn>,
    /// How long it may take.
    #[serde(default = "gate_timeout")]
    pub timeout: Span,
    /// What happens to the request when it does not answer.
    #[serde(default)]
    pub on_error: OnError,
    /// The highest grade that it may see; what is above is replaced, or it cannot be asked. Default: the highest grade for
    /// a service inside the company (loopback, private addresses, names without a dot), the lowest for any other.
    pub clearance: Option<String>,
    /// Headers of the call; their values count as secrets.
    #[serde(default, deserialize_with = "each::named")]
    pub headers: BTreeMap<String, Secret>,
}

fn on_request() -> Vec<GateOn> {
    vec![GateOn::Request]
}

fn gate_timeout() -> Span {
    Span::secs(2)
}

/// How a gate is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateShape {
    /// Our own small JSON.
    #[default]
    Generic,
    /// The moderations call that many services offer.
    Openai,
}

/// What a gate judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateOn {
    /// Requests.
    Request,
    /// Replies.
    Reply,
}

/// What happens when a gate does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The request is refused.
    #[default]
    Closed,
    /// The request goes on, and the audit log says so.
    Open,
}

/// Labels of generated content.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Labelling {
    /// The name or code of who provides the service.
    pub producer: String,
    /// A label that people see.
    #[serde(default)]
    pub explicit: Explicit,
    /// Its text, which must say that it is about generation by AI.
    pub text: Option<String>,
}

/// A label that people see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Explicit {
    /// None: the application shows its own.
    #[default]
    Off,
    /// Before the text of an answer.
    Prefix,
}
