//! Times and sizes as the config writes them: `5s`, `100ms`, `32MiB`.
//!
//! Knows no setting. Invariant: a time always has its unit; a size without one is bytes; what does not fit is an error, never
//! rounded.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

const TIMES: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

const SIZES: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
    ("", 1),
];

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// `n` seconds.
    #[must_use]
    pub const fn secs(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// `n` × 1024 bytes.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// `n` × 1024 × 1024 bytes.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// As a length in memory.
    #[must_use]
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A whole number and a unit, times the unit's factor.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..)?;
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    let number = digits.trim_end().replace('_', "");
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(factor)
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanVisitor;
        impl Visitor<'_> for SpanVisitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time with its unit, like 100ms, 5s, 3m or 1h")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                scaled(text, &TIMES)
                    .map(|ms| Span(Duration::from_millis(ms)))
                    .ok_or_else(|| {
                        E::custom("not a time: write a number and a unit, like 100ms, 5s, 3m or 1h")
                    })
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Span, E> {
                Err(E::custom(
                    "a time needs its unit: write 100ms, 5s, 3m or 1h",
                ))
            }
        }
        deserializer.deserialize_any(SpanVisitor)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;
        impl Visitor<'_> for SizeVisitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size, like 65536, 64KiB or 32MiB")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                scaled(text, &SIZES).map(Size).ok_or_else(|| {
                    E::custom("not a size: write bytes, or a number and KiB, MiB or GiB")
                })
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(bytes))
            }
        }
        deserializer.deserialize_any(SizeVisitor)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let whole = TIMES
            .iter()
            .rev()
            .find(|(_, factor)| ms > 0 && ms.is_multiple_of(u128::from(*factor)));
        match whole {
            Some((unit, factor)) => write!(f, "{}{unit}", ms / u128::from(*factor)),
            None => write!(f, "{ms}ms"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SIZES.iter().take(3);
        match binary
            .into_iter()
            .find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor))
        {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1024) {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^_*[0-9][0-9_]*\\s*(ms|s|m|h|d)$",
            "description": "A time with its unit: 100ms, 5s, 3m, 1h.",
        })
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^_*[0-9][0-9_]*\\s*(B|kB|MB|GB|KiB|MiB|GiB)?$" },
            ],
            "description": "Bytes, or a size with its unit: 64KiB, 32MiB.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
        let from: StrDeserializer<'a, Error> = text.into_deserializer();
        T::deserialize(from).ok()
    }

    #[test]
    fn times() {
        for (text, ms) in [
            ("100ms", Some(100)),
            ("5s", Some(5000)),
            ("3m", Some(180_000)),
            ("1h", Some(3_600_000)),
            ("2d", Some(172_800_000)),
            ("0s", Some(0)),
            ("5", None),
            ("s", None),
            ("-5s", None),
            ("1.5s", None),
            ("5 parsecs", None),
            ("99999999999999999999s", None),
            ("9999999999999999999d", None),
        ] {
            let span: Option<Span> = read(text);
            assert_eq!(span.map(|s| s.0.as_millis()), ms, "{text}");
            if let Some(span) = span {
                assert_eq!(read::<Span>(&span.to_string()), Some(span), "{text}");
            }
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1024", Some(1024)),
            ("64KiB", Some(65_536)),
            ("32 MiB", Some(33_554_432)),
            ("1GB", Some(1_000_000_000)),
            ("2_000", Some(2000)),
            ("KiB", None),
            ("-1", None),
            ("64kb", None),
            ("99999999999GiB", None),
        ] {
            let size: Option<Size> = read(text);
            assert_eq!(size.map(|s| s.0), bytes, "{text}");
            if let Some(size) = size {
                assert_eq!(read::<Size>(&size.to_string()), Some(size), "{text}");
            }
        }
    }
}
