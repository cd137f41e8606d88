//! The types of columns: how a value is read from a payload, and how it is shown.
//!
//! Must never know which columns there are.
//! Invariants: `value` of a default is null; JSON text in a cell has passed a JSON reader.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::super::inert::Inert;
use super::super::seal::Reference;
use super::written::Written;

/// What a column's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// Signed 64-bit number.
    Int,
    /// Truth value.
    Bool,
    /// Milliseconds since 1970-01-01 UTC, signed.
    Time,
    /// List of texts.
    Texts,
    /// List of type and count; a type occurs once.
    Counts,
    /// One JSON array or object as text.
    Json,
}

/// A value of a row, borrowed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing is known.
    Null,
    /// Of a `Text` column.
    Text(&'a str),
    /// Of an `Int` column.
    Int(i64),
    /// Of a `Bool` column.
    Bool(bool),
    /// Of a `Time` column.
    Time(i64),
    /// Of a `Texts` column.
    Texts(&'a [String]),
    /// Of a `Counts` column.
    Counts(&'a [Count]),
    /// Of a `Json` column.
    Json(&'a str),
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Int(number) | Self::Time(number) => serializer.serialize_i64(*number),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Texts(list) => serializer.collect_seq(*list),
            Self::Counts(list) => {
                let mut map = serializer.serialize_map(Some(list.len()))?;
                for count in *list {
                    map.serialize_entry(&count.name, &count.count)?;
                }
                map.end()
            }
            Self::Json(text) => match serde_json::from_str::<&RawValue>(text) {
                Ok(raw) => raw.serialize(serializer),
                Err(_) => serializer.serialize_str(text),
            },
        }
    }
}

/// A type of column.
pub trait Cell {
    /// What exports call it.
    const TYPE: ColumnType;

    /// The value, null if there is none.
    fn value(&self) -> Value<'_>;

    /// The texts by which a filter finds the row.
    fn each_term(&self, take: &mut dyn FnMut(&str)) {
        match self.value() {
            Value::Text(text) => take(text),
            Value::Int(number) => take(&number.to_string()),
            Value::Texts(list) => list.iter().for_each(|text| take(text)),
            Value::Counts(list) => list.iter().for_each(|count| take(&count.name)),
            Value::Null | Value::Bool(_) | Value::Time(_) | Value::Json(_) => {}
        }
    }

    /// How the same is read of a value that was not read into a cell.
    #[doc(hidden)]
    const READ: Read;
}

/// How the terms of a value are read.
#[derive(Debug, Clone, Copy)]
pub enum Read {
    /// It is a text.
    Text,
    /// It is a whole number, or `null`.
    Whole,
    /// Hands over the terms and says what number it is, 1 for `true`. `None`: it must be read into a cell to be told.
    Other(ReadOther),
}

type ReadOther = for<'p> fn(&mut Written<'p>, &mut dyn FnMut(&'p [u8])) -> Option<Option<i64>>;

impl Cell for String {
    const TYPE: ColumnType = ColumnType::Text;
    const READ: Read = Read::Text;

    fn value(&self) -> Value<'_> {
        if self.is_empty() {
            Value::Null
        } else {
            Value::Text(self)
        }
    }
}

impl Cell for Option<i64> {
    const TYPE: ColumnType = ColumnType::Int;
    const READ: Read = Read::Whole;

    fn value(&self) -> Value<'_> {
        self.map_or(Value::Null, Value::Int)
    }
}

impl Cell for Option<bool> {
    const TYPE: ColumnType = ColumnType::Bool;
    const READ: Read = Read::Other(|line, _| Some(line.flag()?.map(i64::from)));

    fn value(&self) -> Value<'_> {
        self.map_or(Value::Null, Value::Bool)
    }
}

impl Cell for Vec<String> {
    const TYPE: ColumnType = ColumnType::Texts;
    const READ: Read = Read::Other(read_texts);

    fn value(&self) -> Value<'_> {
        if self.is_empty() {
            Value::Null
        } else {
            Value::Texts(self)
        }
    }
}

fn read_texts<'p>(line: &mut Written<'p>, take: &mut dyn FnMut(&'p [u8])) -> Option<Option<i64>> {
    line.list(|line| line.text().map(&mut *take))?;
    Some(None)
}

impl Cell for Vec<Count> {
    const TYPE: ColumnType = ColumnType::Counts;
    const READ: Read = Read::Other(read_counts);

    fn value(&self) -> Value<'_> {
        if self.is_empty() {
            Value::Null
        } else {
            Value::Counts(self)
        }
    }
}

fn read_counts<'p>(line: &mut Written<'p>, take: &mut dyn FnMut(&'p [u8])) -> Option<Option<i64>> {
    line.list(|line| {
        let mut name = MORE.as_bytes();
        let mut seen = 0;
        line.object(|line, key| {
            seen += 1;
            if key == b"type" {
                name = line.text()?;
            } else if matches!(key, b"count" | b"more") {
                line.whole()?;
            } else {
                return None;
            }
            Some(())
        })?;
        take(name);
        // More would be one of them twice.
        (seen <= 2).then_some(())
    })?;
    Some(None)
}

/// A moment, ms since 1970 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Time(pub Option<i64>);

impl Cell for Time {
    const TYPE: ColumnType = ColumnType::Time;
    const READ: Read = Read::Whole;

    fn value(&self) -> Value<'_> {
        self.0.map_or(Value::Null, Value::Time)
    }
}

/// Stands for the types beyond the longest list.
const MORE: &str = "…";

/// How often a type was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// The type.
    pub name: String,
    /// How often.
    pub count: i64,
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// `{"type","count"}`, and `{"more"}` at the end of a list that was too long.
        #[derive(serde::Deserialize)]
        struct Found {
            #[serde(rename = "type")]
            kind: Option<String>,
            count: Option<i64>,
            more: Option<i64>,
        }
        let found = Found::deserialize(deserializer)?;
        Ok(Self {
            name: found.kind.unwrap_or_else(|| MORE.to_owned()),
            count: found.count.or(found.more).unwrap_or_default(),
        })
    }
}

/// The upstreams that were tried, as JSON text; searched by provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts {
    json: String,
    providers: Vec<String>,
}

impl Attempts {
    /// Providers in the order they were tried.
    pub fn providers(&self) -> &[String] {
        &self.providers
    }
}

impl<'de> Deserialize<'de> for Attempts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Attempt {
            #[serde(default)]
            provider: String,
        }
        let raw = <&RawValue>::deserialize(deserializer)?;
        let list: Vec<Attempt> = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        Ok(Self {
            json: inert_json(raw).map_err(D::Error::custom)?,
            providers: list
                .into_iter()
                .map(|attempt| attempt.provider)
                .filter(|provider| !provider.is_empty())
                .collect(),
        })
    }
}

impl Cell for Attempts {
    const TYPE: ColumnType = ColumnType::Json;
    const READ: Read = Read::Other(read_attempts);

    fn value(&self) -> Value<'_> {
        self.json.value().text_as_json()
    }

    fn each_term(&self, take: &mut dyn FnMut(&str)) {
        self.providers.each_term(take);
    }
}

fn read_attempts<'p>(
    line: &mut Written<'p>,
    take: &mut dyn FnMut(&'p [u8]),
) -> Option<Option<i64>> {
    line.list(|line| {
        let (mut provider, mut seen) = (&b""[..], 0_u8);
        line.object(|line, key| {
            let bit = match key {
                b"provider" => 1,
                b"model" => 2,
                b"fault" => 4,
                b"more" => 8,
                _ => return None,
            };
            if seen & bit != 0 {
                return None;
            }
            seen |= bit;
            match bit {
                1 => provider = line.text()?,
                8 => line.whole().map(|_| ())?,
                _ => line.text().map(|_| ())?,
            }
            Some(())
        })?;
        if !provider.is_empty() {
            take(provider);
        }
        Some(())
    })?;
    Some(None)
}

/// Where a body is kept, as JSON text; searched by whose it is.
#[derive(Debug, Clone, Default)]
pub struct Body {
    json: String,
    reference: Reference,
}

impl Body {
    /// What whoever opens bodies needs; `None` if the record names no body.
    pub fn reference(&self) -> Option<&Reference> {
        (!self.json.is_empty()).then_some(&self.reference)
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl Eq for Body {}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self {
            json: inert_json(raw).map_err(D::Error::custom)?,
            reference: serde_json::from_str(raw.get()).map_err(D::Error::custom)?,
        })
    }
}

impl Cell for Body {
    const TYPE: ColumnType = ColumnType::Json;
    // Whoever indexes it opens the body, and needs its row for that.
    const READ: Read = Read::Other(|_, _| None);

    fn value(&self) -> Value<'_> {
        self.json.value().text_as_json()
    }

    fn each_term(&self, take: &mut dyn FnMut(&str)) {
        self.reference.subject.each_term(take);
    }
}

/// A JSON object that grows field by field; empty or whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// Adds a field; its name is made of the parts, with dots.
    pub(super) fn add(&mut self, name: &[&str], value: &RawValue) -> serde_json::Result<()> {
        let mut field = Vec::new();
        let parts: Vec<&str> = name
            .iter()
            .copied()
            .filter(|part| !part.is_empty())
            .collect();
        let mut json = serde_json::Serializer::with_formatter(&mut field, Inert);
        parts.join(".").serialize(&mut json)?;
        let field = String::from_utf8(field).map_err(serde_json::Error::custom)?;
        let value = inert_json(value)?;
        if self.0.pop().is_none() {
            self.0.push('{');
        } else {
            self.0.push(',');
        }
        self.0.push_str(&field);
        self.0.push(':');
        self.0.push_str(&value);
        self.0.push('}');
        Ok(())
    }
}

impl Cell for Json {
    const TYPE: ColumnType = ColumnType::Json;
    const READ: Read = Read::Other(|_, _| None);

    fn value(&self) -> Value<'_> {
        self.0.value().text_as_json()
    }
}

impl<'a> Value<'a> {
    fn text_as_json(self) -> Self {
        match self {
            Self::Text(text) => Self::Json(text),
            other => other,
        }
    }
}

/// The same value on one line, harmless on a terminal.
fn inert_json(raw: &RawValue) -> serde_json::Result<String> {
    let value: serde_json::Value = serde_json::from_str(raw.get())?;
    let mut out = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Inert))?;
    String::from_utf8(out).map_err(serde_json::Error::custom)
}
