//! From the tree to the typed config, by serde, with a place and a path for whatever does not fit.
//!
//! Knows the shape of errors, not of the config; the one table that names settings is [`LATER`]. Invariants: no message
//! holds a value that came from a variable; what does not fit is all reported, not just the first; a text stands for a number
//! only where a variable was expanded; an entry that a variable leaves without a value is as if it were not there.

mod stop;

use std::cell::RefCell;
use std::collections::HashSet;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

use self::stop::Stop;
use super::node::{Entry, Node, Value};
use super::problem::{Place, Problem, Severity, Step, show_path, suggest};

/// Parts of the product's config that this version cannot do yet: saying so beats "unknown key". `*` is any one step.
const LATER: &[&str] = &[
    "telemetry",
    "include",
    "cache",
    "models.*.policies",
    "audit.retention",
    "limits.decompress",
    "stream.high_watermark",
    "overload.queue",
    "overload.memory",
    "policy",
];

/// Values that the contract knows and this version does not.
const LATER_VALUES: &[(&str, &[&str])] = &[("audit.durability", &["synced"])];

/// How often a config that does not fit is gone through: each time, a struct ends at the first of its fields that is bad and
/// was not known to be.
const PASSES_MAX: usize = 64;

const NOT_YET: &str = "not supported by this version";

/// Decodes `root`. On failure says everything that was found.
///
/// # Errors
/// At least one problem.
pub fn decode<T: DeserializeOwned>(file: &str, root: &Node) -> Result<T, Vec<Problem>> {
    let found = Found {
        file,
        problems: RefCell::default(),
        bad: RefCell::default(),
    };
    let mut decoded = None;
    for _ in 0..PASSES_MAX {
        let known = found.bad.borrow().len();
        let whole = De {
            node: root,
            path: &Path::Root,
            found: &found,
        };
        match T::deserialize(whole) {
            Ok(value) => decoded = Some(value),
            Err(stop) => found.record(&stop, root, &Path::Root),
        }
        if decoded.is_some() || found.is_bad(root) || found.bad.borrow().len() == known {
            break;
        }
    }
    let mut problems = found.problems.into_inner();
    problems.sort_by_key(|p| (p.place.line, p.place.column));
    match decoded {
        Some(value) if problems.is_empty() => Ok(value),
        _ => Err(problems),
    }
}

struct Found<'a> {
    file: &'a str,
    problems: RefCell<Vec<Problem>>,
    /// Values of which something was said; the next pass leaves them out.
    bad: RefCell<HashSet<*const Node>>,
}

impl Found<'_> {
    fn push(&self, place: Place, path: &Path<'_>, message: String, suggestion: Option<String>) {
        self.problems.borrow_mut().push(Problem {
            severity: Severity::Error,
            file: self.file.to_owned(),
            place,
            path: show_path(&path.steps()),
            message,
            suggestion,
        });
    }

    /// Records an error at the innermost value it passes, once.
    fn record(&self, stop: &Stop, node: &Node, path: &Path<'_>) {
        if let Some(message) = stop.take() {
            self.bad.borrow_mut().insert(node);
            self.push(node.place, path, message, None);
        }
    }

    fn is_bad(&self, node: &Node) -> bool {
        let node: *const Node = node;
        self.bad.borrow().contains(&node)
    }
}

/// The way from the root, borrowed from the stack.
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn steps(&self) -> Vec<Step> {
        let (mut steps, last) = match self {
            Self::Root => return Vec::new(),
            Self::Key(before, key) => (before.steps(), Step::from(*key)),
            Self::Item(before, index) => (before.steps(), Step::from(*index)),
        };
        steps.push(last);
        steps
    }

    /// Whether this path is `pattern`: keys between dots, `*` for any one step.
    fn is(&self, pattern: &str) -> bool {
        let (before, last) = match pattern.rsplit_once('.') {
            Some((before, last)) => (before, last),
            None => ("", pattern),
        };
        match self {
            Self::Root => pattern.is_empty(),
            Self::Key(parent, key) => (last == "*" || last == *key) && parent.is(before),
            Self::Item(parent, _) => last == "*" && parent.is(before),
        }
    }
}

struct De<'a> {
    node: &'a Node,
    path: &'a Path<'a>,
    found: &'a Found<'a>,
}

impl<'a> De<'a> {
    fn fail<T>(&self, message: impl Into<String>) -> Result<T, Stop> {
        Err(Stop::new(message))
    }

    fn int(&self) -> Result<i128, Stop> {
        match &self.node.value {
            Value::Int(int) => Ok(*int),
            Value::Text(text) if self.node.is_expanded() => {
                match text.trim().replace('_', "").parse() {
                    Ok(int) => Ok(int),
                    Err(_) => self.fail("expected a whole number; the variable holds none"),
                }
            }
            other => self.fail(format!("expected a whole number, found {}", kind(other))),
        }
    }

    fn unknown_key(&self, entry: &Entry, known: &'static [&'static str]) {
        if !self.found.bad.borrow_mut().insert(&entry.node) {
            return;
        }
        let path = Path::Key(self.path, &entry.key);
        if LATER.iter().any(|later| path.is(later)) {
            self.found.push(entry.place, &path, NOT_YET.into(), None);
            return;
        }
        let meant = suggest(&entry.key, known.iter().copied());
        let message = if meant.is_some() {
            "unknown key".to_owned()
        } else {
            format!("unknown key; known here: {}", known.join(", "))
        };
        self.found.push(entry.place, &path, message, meant);
    }

    /// Visits those of `entries` that have a value and of which nothing was said.
    fn visit<'de, V: Visitor<'de>>(
        &self,
        entries: impl Iterator<Item = &'a Entry>,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let given = entries.filter(|entry| !entry.node.is_absent());
        let (bad, good): (Vec<&Entry>, Vec<&Entry>) =
            given.partition(|entry| self.found.is_bad(&entry.node));
        let visited = visitor.visit_map(Entries {
            entries: good.into_iter(),
            next: None,
            path: self.path,
            found: self.found,
        });
        visited.inspect_err(|stop| {
            // What is said only because fields were left out is not said.
            let left_out: Vec<&str> = bad.iter().map(|entry| entry.key.as_str()).collect();
            if !left_out.is_empty() && stop.take_unless_other(&left_out).is_some() {
                self.found.bad.borrow_mut().insert(self.node);
            }
        })
    }

    fn text(&self) -> Result<&str, Stop> {
        match &self.node.value {
            Value::Text(text) => Ok(text),
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => {
                self.fail("expected text: put the value in quotes")
            }
            other => self.fail(format!("expected text, found {}", kind(other))),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Int(_) | Value::Float(_) => "a number",
        Value::Text(_) => "text",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            let int = self.int()?;
            match u64::try_from(int) {
                Ok(int) => visitor.visit_u64(int),
                Err(_) => match i64::try_from(int) {
                    Ok(int) => visitor.visit_i64(int),
                    Err(_) => self.fail("out of range"),
                },
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for De<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(bool) => visitor.visit_bool(*bool),
            Value::Int(_) => self.deserialize_i64(visitor),
            Value::Float(float) => visitor.visit_f64(*float),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
        }
    }

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.node.value {
            Value::Int(_) => self.deserialize_i64(visitor),
            Value::Float(float) => visitor.visit_f64(*float),
            Value::Text(text) if self.node.is_expanded() => {
                let number = text.trim().replace('_', "").parse::<f64>();
                match number.ok().filter(|number| number.is_finite()) {
                    Some(number) => visitor.visit_f64(number),
                    None => self.fail("expected a number; the variable holds none"),
                }
            }
            other => self.fail(format!("expected a number, found {}", kind(other))),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.node.value {
            Value::Bool(bool) => visitor.visit_bool(*bool),
            Value::Text(text) if self.node.is_expanded() && text == "true" => {
                visitor.visit_bool(true)
            }
            Value::Text(text) if self.node.is_expanded() && text == "false" => {
                visitor.visit_bool(false)
            }
            _ => self.fail("expected true or false"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.node.value {
            Value::List(items) => visitor.visit_seq(Items {
                items: items.iter().enumerate(),
                path: self.path,
                found: self.found,
            }),
            other => self.fail(format!("expected a list, found {}", kind(other))),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.node.value {
            Value::Map(entries) => self.visit(entries.iter(), visitor),
            other => self.fail(format!("expected a mapping, found {}", kind(other))),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let Value::Map(entries) = &self.node.value else {
            return self.deserialize_map(visitor);
        };
        let (known, unknown): (Vec<&Entry>, Vec<&Entry>) = entries
            .iter()
            .partition(|entry| fields.contains(&entry.key.as_str()));
        for entry in unknown {
            self.unknown_key(entry, fields);
        }
        self.visit(known.into_iter(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let text = self.text()?;
        if !variants.contains(&text) {
            let shown = self.node.shown();
            let later = LATER_VALUES.iter().any(|(path, values)| {
                self.path.is(path) && values.iter().any(|value| text.starts_with(value))
            });
            let known = variants.join(", ");
            return self.fail(match (later, suggest(&shown, variants.iter().copied())) {
                (true, _) => format!("`{shown}` is {NOT_YET}; supported: {known}"),
                (_, Some(meant)) => format!("`{shown}` is unknown; did you mean `{meant}`?"),
                _ => format!("`{shown}` is unknown; known: {known}"),
            });
        }
        let value: StrDeserializer<'_, Stop> = text.into_deserializer();
        visitor.visit_enum(value)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Entries<'a> {
    entries: std::vec::IntoIter<&'a Entry>,
    next: Option<&'a Entry>,
    path: &'a Path<'a>,
    found: &'a Found<'a>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Stop> {
        self.next = self.entries.next();
        let Some(entry) = self.next else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, Stop> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        let Some(entry) = self.next.take() else {
            return Err(Stop::new("a value was read twice"));
        };
        let path = Path::Key(self.path, &entry.key);
        seed.deserialize(De {
            node: &entry.node,
            path: &path,
            found: self.found,
        })
        .inspect_err(|stop| self.found.record(stop, &entry.node, &path))
    }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
    path: &'a Path<'a>,
    found: &'a Found<'a>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        let next = self.items.find(|(_, node)| !self.found.is_bad(node));
        let Some((index, node)) = next else {
            return Ok(None);
        };
        let path = Path::Item(self.path, index);
        seed.deserialize(De {
            node,
            path: &path,
            found: self.found,
        })
        .map(Some)
        .inspect_err(|stop| self.found.record(stop, node, &path))
    }
}
