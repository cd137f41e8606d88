//! The config file as a tree in which every value knows its line and column.
//!
//! Knows YAML and variables, no setting. The tree is kept beside the typed config, so that a check may point at the very
//! value it dislikes. Invariant: what a message shows of a value is [`Node::shown`], the text of the file, not what a
//! variable expanded to.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::env::{self, Expanded, Lookup};
use super::problem::{Place, Problem, Severity, Step, clip, show_path};

/// Most nested collections. The schema needs six.
const DEPTH_MAX: usize = 32;
/// Most values of a file, aliases expanded: fifty thousand keys with limits fit, and a bomb of aliases ends.
const NODES_MAX: usize = 2_000_000;

/// A value and where it stands. `Debug` shows the place alone: the value may be a secret.
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// The value, variables expanded.
    pub value: Value,
    /// The text of the file, if a variable was expanded.
    raw: Option<Box<str>>,
}

/// What a node holds.
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in the file's order.
    Map(Vec<Entry>),
}

/// One key and its value.
#[derive(Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key begins.
    pub place: Place,
    /// Its value.
    pub node: Node,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({}:{})", self.place.line, self.place.column)
    }
}

impl Node {
    /// A tree without anything.
    pub(super) fn nothing() -> Self {
        Self {
            place: Place::default(),
            value: Value::Null,
            raw: None,
        }
    }

    /// Whether a variable was expanded here; only then may a text stand for a number.
    #[must_use]
    pub fn is_expanded(&self) -> bool {
        self.raw.is_some()
    }

    /// Whether a variable left nothing here: such an entry counts as absent.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.is_expanded() && matches!(self.value, Value::Null)
    }

    /// The value as the file has it, for a message. Collections have none.
    #[must_use]
    pub fn shown(&self) -> String {
        match (&self.raw, &self.value) {
            (Some(raw), _) => clip(raw),
            (None, Value::Text(text)) => clip(text),
            (None, Value::Int(int)) => int.to_string(),
            (None, Value::Float(float)) => float.to_string(),
            (None, Value::Bool(bool)) => bool.to_string(),
            _ => String::new(),
        }
    }

    /// The value of `key`, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The node at the end of `steps`, or the last one on the way that exists.
    #[must_use]
    pub fn nearest(&self, steps: &[Step]) -> &Self {
        let mut at = self;
        for step in steps {
            let next = match (step, &at.value) {
                (Step::Key(key), Value::Map(_)) => at.get(key).map(|entry| &entry.node),
                (Step::Item(index), Value::List(items)) => items.get(*index),
                _ => None,
            };
            match next {
                Some(node) => at = node,
                None => break,
            }
        }
        at
    }

    fn expand(
        &mut self,
        steps: &mut Vec<Step>,
        lookup: Lookup<'_>,
        file: &str,
        out: &mut Vec<Problem>,
    ) {
        match &mut self.value {
            Value::Text(text) => match env::expand(text, lookup) {
                Ok(Expanded::Same) => {}
                Ok(Expanded::Text(new)) => {
                    self.raw = Some(std::mem::replace(text, new).into());
                }
                Ok(Expanded::Absent) => {
                    self.raw = Some(std::mem::take(text).into());
                    self.value = Value::Null;
                }
                Err(error) => out.push(Problem {
                    severity: Severity::Error,
                    file: file.to_owned(),
                    place: self.place,
                    path: show_path(steps),
                    message: error.to_string(),
                    suggestion: None,
                }),
            },
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    steps.push(Step::Item(index));
                    item.expand(steps, lookup, file, out);
                    steps.pop();
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    steps.push(Step::Key(entry.key.clone()));
                    entry.node.expand(steps, lookup, file, out);
                    steps.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
        }
    }
}

/// Parses `source` and expands its variables. `file` only names it in problems.
///
/// # Errors
/// The first thing that is not YAML, or all variables that cannot be expanded.
pub fn parse(file: &str, source: &str, lookup: Lookup<'_>) -> Result<Node, Vec<Problem>> {
    let whole = |place: Place, message: String| {
        vec![Problem {
            severity: Severity::Error,
            file: file.to_owned(),
            place,
            path: String::new(),
            message,
            suggestion: None,
        }]
    };
    let masked = env::mask(source).ok_or_else(|| {
        whole(
            Place::default(),
            "the file holds characters of the private range U+F8E0..U+F8E8".into(),
        )
    })?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 2 * NODES_MAX,
            max_documents: 1,
        },
        strict_booleans: true,
        // A snippet would put lines of the file, and with them secrets, into the log.
        with_snippet: false,
    };
    let mut root: Node =
        serde_saphyr::from_str_with_options(&masked, options).map_err(|error| {
            let plain = error.without_snippet();
            let place = plain.location().map(place_of).unwrap_or_default();
            whole(place, sentence(&plain.to_string()))
        })?;
    let mut problems = Vec::new();
    root.expand(&mut Vec::new(), lookup, file, &mut problems);
    if problems.is_empty() {
        Ok(root)
    } else {
        Err(problems)
    }
}

/// The parser's message without the place, which stands in front of it already.
fn sentence(message: &str) -> String {
    let text = env::unmask(message);
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or(line);
    // The library's advice to whoever calls it.
    let line = line.split(", set ").next().unwrap_or(line);
    format!(
        "not valid YAML: {}",
        clip(line.trim_start_matches("error: "))
    )
}

fn place_of(location: Location) -> Place {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Place {
        line: number(location.line()),
        column: number(location.column()),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            place: place_of(spanned.referenced),
            value: spanned.value,
            raw: None,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(env::unmask(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push(Entry {
                key: env::unmask(&key.value),
                place: place_of(key.referenced),
                node: map.next_value()?,
            });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        (name == "TOKEN").then(|| "s3cret: {".into())
    }

    #[test]
    fn places_and_types() {
        let source =
            "listen: 1.2.3.4:80\nadmin: { token: ${TOKEN}, 名: [1, 2_000, no, 2027-01-01] }\n";
        let root = parse("y.yaml", source, &env).unwrap();
        let admin = root.get("admin").unwrap();
        assert_eq!(admin.place, Place { line: 2, column: 1 });
        let token = admin.node.get("token").unwrap();
        assert_eq!(
            token.place,
            Place {
                line: 2,
                column: 10
            }
        );
        assert_eq!(
            token.node.place,
            Place {
                line: 2,
                column: 17
            }
        );
        assert!(matches!(&token.node.value, Value::Text(t) if t == "s3cret: {"));
        assert_eq!(token.node.shown(), "${TOKEN}");
        let list = admin.node.get("名").unwrap();
        assert_eq!(
            list.place,
            Place {
                line: 2,
                column: 27
            }
        );
        let Value::List(items) = &list.node.value else {
            panic!("{list:?}")
        };
        assert!(
            matches!(
                items.as_slice(),
                [
                    Node { value: Value::Int(1), .. },
                    Node { value: Value::Int(2000), .. },
                    Node { value: Value::Text(no), .. },
                    Node { value: Value::Text(date), .. },
                ] if no == "no" && date == "2027-01-01"
            ),
            "{items:?}"
        );
    }

    #[test]
    fn what_is_not_yaml() {
        for (source, expected) in [
            ("a: [1, 2\nb: 3\n", "y.yaml:"),
            (
                "a: 1\na: 2\n",
                "y.yaml:2:1: not valid YAML: duplicate mapping key: a",
            ),
            ("a: \"x\n", "y.yaml:"),
            (
                "a: ${NOPE}\nb: { c: ${ALSO_NOT} }\n",
                "y.yaml:1:4: a: the environment variable NOPE is not set",
            ),
        ] {
            let problems = parse("y.yaml", source, &env).unwrap_err();
            let text = problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n");
            assert!(text.starts_with(expected), "{text}");
            assert!(!text.contains("s3cret"));
        }
    }

    #[test]
    fn bombs_are_refused() {
        let mut source = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
        for (one, two) in ["a", "b", "c", "d", "e", "f", "g", "h"]
            .iter()
            .zip(["b", "c", "d", "e", "f", "g", "h", "i"])
        {
            source.push_str(&format!("{two}: &{two} [*{one}, *{one}, *{one}, *{one}, *{one}, *{one}, *{one}, *{one}, *{one}]\n"));
        }
        assert!(parse("y.yaml", &source, &env).is_err());
        let deep = format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(parse("y.yaml", &deep, &env).is_err());
    }
}
