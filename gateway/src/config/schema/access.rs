//! Who may ask: where, whence and when, as teams and keys write it, and who looks after the gateway.
//!
//! Knows form only: names and times are read by [`scope`](crate::config::scope).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use policies::access::token::{Digest, parse_digest};

use super::{Budget, Quota};
use crate::config::units::Span;
use crate::server::certificate::{Kind, name};

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

/// One text or more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

impl JsonSchema for Texts {
    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, or a list of texts.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}

/// The company's identity provider (OpenID Connect), whose tokens let people ask without a key.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its URL, exactly as its tokens name it (`iss`).
    pub issuer: String,
    /// For whom its tokens must be (`aud`): one of these.
    pub audience: Texts,
    /// Where its keys are; absent: its discovery document says.
    pub jwks_url: Option<String>,
    /// Authorities of its certificate instead of the system's (PEM file).
    pub ca: Option<String>,
    /// What its tokens say of people.
    #[serde(default)]
    pub claims: Claims,
    /// Teams by the groups of tokens; absent: a group is the team of that name. Whoever has a group whose team does not
    /// exist is refused.
    #[serde(default)]
    pub teams: Option<BTreeMap<String, String>>,
    /// The team of those none of whose groups stands for one; absent: they are refused.
    pub team: Option<String>,
    /// The least grade of their requests, besides that of their team.
    pub grade: Option<String>,
    /// Roles at the admin endpoint, with the values of the claim that give them; absent: none by tokens.
    #[serde(default)]
    pub roles: BTreeMap<Role, Vec<String>>,
    /// What each user may use, besides the limits of the team.
    #[serde(default)]
    pub per_user: PerUser,
    /// How far its clock and ours may be apart.
    #[serde(default = "leeway")]
    pub leeway: Span,
    /// How often its keys are fetched; a token with an unknown key sets off one more.
    #[serde(default = "refresh")]
    pub refresh: Span,
    /// How old its keys may be while it cannot be reached. Then its tokens are refused.
    #[serde(default = "stale")]
    pub stale: Span,
}

fn leeway() -> Span {
    Span::secs(60)
}

/// Not in the threat model: often enough for a rotation that was announced.
fn refresh() -> Span {
    Span::secs(15 * 60)
}

fn stale() -> Span {
    Span::secs(24 * 3600)
}

/// Which claims of a token say what; `a.b` is `b` in the object `a`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Claims {
    /// The groups of a person, of which the first that stands for a team counts.
    pub team: String,
    /// Who it is: as the audit log names them.
    pub user: String,
    /// What they may do at the admin endpoint.
    pub roles: Option<String>,
    /// The least grade of their requests.
    pub grade: Option<String>,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            team: "groups".into(),
            user: "sub".into(),
            roles: None,
            grade: None,
        }
    }
}

/// What each user may use. The least that the identity provider's section, the team and the teams above it say counts.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PerUser {
    /// Limits of each.
    pub limits: Quota,
    /// What each may spend.
    pub budget: Option<Budget>,
}

/// Which certificate it is: exactly one of these.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Certificate {
    /// `sha256:` and the hexadecimal SHA-256 of the certificate (DER).
    pub fingerprint: Option<String>,
    /// A name of a host or a URI (a SPIFFE id) in its `subjectAltName`.
    pub san: Option<String>,
    /// The common name of its subject.
    pub subject: Option<String>,
}

impl Certificate {
    /// As it is looked up; `None` unless it is exactly one.
    #[must_use]
    pub fn name(&self) -> Option<Digest> {
        match (&self.fingerprint, &self.san, &self.subject) {
            (Some(hash), None, None) => Some(name(Kind::Fingerprint, &parse_digest(hash)?)),
            (None, Some(san), None) if san.contains("://") => Some(name(Kind::San, san.as_bytes())),
            (None, Some(san), None) if !san.is_empty() => {
                Some(name(Kind::San, san.to_ascii_lowercase().as_bytes()))
            }
            (None, None, Some(subject)) if !subject.is_empty() => {
                Some(name(Kind::Subject, subject.as_bytes()))
            }
            _ => None,
        }
    }
}

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientCert {
    /// Else there is no connection.
    #[default]
    Required,
    /// Those that have none need a key or a token.
    Optional,
}
