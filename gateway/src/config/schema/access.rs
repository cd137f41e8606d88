//! Who may ask: where, whence and when, as teams and keys write it, and who looks after the gateway.
//!
//! Knows form only: names and times are read by [`scope`](crate::config::scope).

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// Times of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hours(pub Vec<HoursSpan>);

/// A time of some days. What ends before it begins ends on the next day.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoursSpan {
    /// `mon` to `sun`, or `mon..fri` for all from one to another; absent: every day.
    pub days: Option<Vec<String>>,
    /// `HH:MM`; absent: midnight.
    pub from: Option<String>,
    /// `HH:MM`, up to `24:00`; absent: midnight.
    pub to: Option<String>,
    /// A zone without summer time, or an offset such as `+08:00`; default that of `state.timezone`.
    pub timezone: Option<String>,
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Hours;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping with days, from and to, or a list of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Hours, A::Error> {
                let span = HoursSpan::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Hours(vec![span]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Hours, A::Error> {
                let mut spans = Vec::new();
                while let Some(span) = seq.next_element()? {
                    spans.push(span);
                }
                if spans.is_empty() {
                    return Err(de::Error::custom("names no time"));
                }
                Ok(Hours(spans))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

impl JsonSchema for Hours {
    fn schema_name() -> Cow<'static, str> {
        "Hours".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let span = generator.subschema_for::<HoursSpan>();
        json_schema!({
            "description": "A time of some days, or a list of such times.",
            "anyOf": [span, { "type": "array", "items": span, "minItems": 1 }],
        })
    }
}

/// A duty of administration (等保 2.0 has three that are separate), or a right to look.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 系统管理: providers, models, config.
    Operator,
    /// 安全管理: policies, keys.
    Security,
    /// 审计管理: reads the audit log.
    Auditor,
    /// Sees the usage of its own teams.
    Viewer,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Security, Self::Auditor, Self::Viewer];

    /// As the config writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Security => "security",
            Self::Auditor => "auditor",
            Self::Viewer => "viewer",
        }
    }
}

/// A token of the admin API with a name of its own.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminToken {
    /// Whose it is: names them in the audit log.
    pub name: String,
    /// `sha256:` and the hexadecimal SHA-256 of the whole token: `yumen key create` makes one.
    pub hash: String,
    /// What it may do.
    pub role: Role,
    /// For `viewer`: the teams that it sees, with those below them.
    #[serde(default)]
    pub teams: Vec<String>,
    /// A date (valid until it begins, UTC) or an RFC 3339 time.
    pub expires: Option<String>,
}
