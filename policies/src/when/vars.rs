//! The variables of a condition.
//!
//! The table of the module header in code: one line a field. Knows no syntax.

use super::WhenFailure;
use super::facts::{Facts, Provider};
use crate::near::suggest;

/// A field that is true or false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    Stream,
    Tools,
    Images,
}

/// A field that is a number, or a grade as its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Bytes,
    Messages,
    Hour,
    Minute,
    Weekday,
    HitsTotal,
    KeyGrade,
    Grade,
    Clearance,
}

/// A field that is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Dialect,
    Endpoint,
    ClientIp,
    KeyId,
    User,
    Team,
    Model,
    ProviderName,
    Vendor,
    Location,
    TargetModel,
    Date,
}

/// A field and its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Var {
    Flag(Flag),
    Count(Count),
    Grade(Count),
    Word(Word),
}

/// What a location may be.
pub(super) const LOCATIONS: [&str; 3] = ["domestic", "overseas", "self_hosted"];

/// Variable, field (empty: the variable itself), type. `hits` is the checker's own.
pub(super) const FIELDS: &[(&str, &str, Var)] = &[
    ("request", "dialect", Var::Word(Word::Dialect)),
    ("request", "endpoint", Var::Word(Word::Endpoint)),
    ("request", "stream", Var::Flag(Flag::Stream)),
    ("request", "bytes", Var::Count(Count::Bytes)),
    ("request", "messages", Var::Count(Count::Messages)),
    ("request", "tools", Var::Flag(Flag::Tools)),
    ("request", "images", Var::Flag(Flag::Images)),
    ("request", "client_ip", Var::Word(Word::ClientIp)),
    ("key", "id", Var::Word(Word::KeyId)),
    ("key", "user", Var::Word(Word::User)),
    ("key", "team", Var::Word(Word::Team)),
    ("key", "grade", Var::Grade(Count::KeyGrade)),
    ("model", "", Var::Word(Word::Model)),
    ("provider", "name", Var::Word(Word::ProviderName)),
    ("provider", "vendor", Var::Word(Word::Vendor)),
    ("provider", "location", Var::Word(Word::Location)),
    ("provider", "clearance", Var::Grade(Count::Clearance)),
    ("provider", "model", Var::Word(Word::TargetModel)),
    ("time", "hour", Var::Count(Count::Hour)),
    ("time", "minute", Var::Count(Count::Minute)),
    ("time", "weekday", Var::Count(Count::Weekday)),
    ("time", "date", Var::Word(Word::Date)),
    ("grade", "", Var::Grade(Count::Grade)),
];

/// All variables.
pub(super) const ROOTS: [&str; 7] = [
    "request", "key", "model", "provider", "time", "hits", "grade",
];

/// The field of `root`, or `root` itself if `field` is empty.
pub(super) fn field(root: &str, field: &str) -> Option<Var> {
    let found = FIELDS.iter().find(|(r, f, _)| *r == root && *f == field);
    found.map(|(_, _, var)| *var)
}

/// The fields of `root`.
pub(super) fn fields(root: &str) -> impl Iterator<Item = &'static str> {
    let of_root = FIELDS.iter().filter(move |(r, ..)| *r == root);
    of_root.map(|(_, field, _)| *field)
}

fn target<'e>(facts: &Facts<'e>) -> Result<Provider<'e>, WhenFailure> {
    facts.provider.ok_or(WhenFailure::NoTarget)
}

impl Flag {
    pub(super) fn of(self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Stream => facts.request.stream,
            Self::Tools => facts.request.tools,
            Self::Images => facts.request.images,
        }
    }
}

impl Count {
    pub(super) fn of(self, facts: &Facts<'_>) -> Result<i64, WhenFailure> {
        Ok(match self {
            Self::Bytes => facts.request.bytes,
            Self::Messages => facts.request.messages,
            Self::Hour => facts.time.hour(),
            Self::Minute => facts.time.minute(),
            Self::Weekday => facts.time.weekday(),
            Self::HitsTotal => facts
                .hits
                .iter()
                .fold(0_i64, |n, hit| n.saturating_add(hit.1)),
            Self::KeyGrade => facts.key.grade,
            Self::Grade => facts.grade,
            Self::Clearance => target(facts)?.clearance,
        })
    }
}

impl Word {
    pub(super) fn of<'e>(self, facts: &'e Facts<'e>) -> Result<&'e str, WhenFailure> {
        Ok(match self {
            Self::Dialect => facts.request.dialect,
            Self::Endpoint => facts.request.endpoint,
            Self::ClientIp => facts.request.client_ip,
            Self::KeyId => facts.key.id,
            Self::User => facts.key.user,
            Self::Team => facts.key.team,
            Self::Model => facts.model,
            Self::ProviderName => target(facts)?.name,
            Self::Vendor => target(facts)?.vendor,
            Self::Location => target(facts)?.location,
            Self::TargetModel => target(facts)?.model,
            Self::Date => facts.time.date(),
        })
    }
}

/// `; did you mean …?` if one of `known` is close to `given`, else a list of them if they are few.
pub(super) fn hint<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    const LISTED_MAX: usize = 12;
    let known: Vec<&str> = known.into_iter().collect();
    match suggest(given, known.iter().copied()) {
        Some(name) => format!("; did you mean `{name}`?"),
        None if known.len() <= LISTED_MAX => format!("; known: {}", known.join(", ")),
        None => String::new(),
    }
}
