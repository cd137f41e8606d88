//! Schemas of this dialect as JSON Schema, and what of one is asked for.
//!
//! The dialect's own are OpenAPI's of an older day: types in upper case, `nullable`, numbers that are strings, either
//! spelling. Nothing is checked beyond that: what is no schema goes as it came.

use wire::canon::Raw;
use wire::json::{Type, Value};

use super::names::{get, is};
use crate::weave::Weave;

/// Schemas inside schemas that are followed; below that they go as they came.
const DEPTH_MAX: u32 = 64;

/// Members that hold one schema, several by name, or several in a row.
const ONE: &[&str] = &["items", "additionalProperties", "not"];
const NAMED: &[&str] = &["properties", "defs"];
const ROWS: &[&str] = &["anyOf", "oneOf", "allOf", "prefixItems"];
/// Whole numbers, which may come as strings.
const NUMBERS: &[&str] = &[
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
];
/// Said by `type`, or by nobody but this dialect.
const LEFT_OUT: &[&str] = &["type", "nullable", "propertyOrdering"];

/// A schema of the dialect's own as JSON Schema.
pub(super) fn as_json_schema(schema: Value<'_>) -> Raw {
    let mut weave = Weave::new();
    write(&mut weave, schema, 0);
    Raw::from_raw(weave.take().into_bytes())
}

fn write(weave: &mut Weave, schema: Value<'_>, depth: u32) {
    if schema.kind() != Type::Object || depth > DEPTH_MAX {
        return weave.bytes(schema.raw());
    }
    weave.lit("{");
    let mut comma = write_type(weave, schema);
    for (key, value) in schema.members() {
        if LEFT_OUT.iter().any(|name| is(key, name)) {
            continue;
        }
        weave.lit(if std::mem::replace(&mut comma, true) {
            ","
        } else {
            ""
        });
        let known = [ONE, NAMED, ROWS, NUMBERS].concat();
        let name = known.into_iter().find(|name| is(key, name));
        match name {
            Some(name) => weave.quoted(name),
            None => weave.bytes(key.raw()),
        }
        weave.lit(":");
        write_member(weave, name.unwrap_or_default(), value, depth);
    }
    weave.lit("}");
}

fn write_member(weave: &mut Weave, name: &str, value: Value<'_>, depth: u32) {
    let mut comma = "";
    if ONE.contains(&name) {
        write(weave, value, depth + 1);
    } else if NAMED.contains(&name) && value.kind() == Type::Object {
        weave.lit("{");
        for (key, schema) in value.members() {
            weave.lit(std::mem::replace(&mut comma, ","));
            weave.bytes(key.raw());
            weave.lit(":");
            write(weave, schema, depth + 1);
        }
        weave.lit("}");
    } else if ROWS.contains(&name) && value.kind() == Type::Array {
        weave.lit("[");
        for schema in value.elements() {
            weave.lit(std::mem::replace(&mut comma, ","));
            write(weave, schema, depth + 1);
        }
        weave.lit("]");
    } else {
        let digits = value.inner().filter(|text| {
            let short = (1..=18).contains(&text.len());
            short && text.bytes().all(|byte| byte.is_ascii_digit())
        });
        match digits
            .filter(|_| NUMBERS.contains(&name))
            .and_then(|digits| digits.parse::<u64>().ok())
        {
            Some(number) => weave.number(number),
            None => weave.bytes(value.raw()),
        }
    }
}

/// `"type":…`, if the schema says one; whether something was written.
fn write_type(weave: &mut Weave, schema: Value<'_>) -> bool {
    let Some(kind) = get(schema, "type") else {
        return false;
    };
    let Some(word) = kind.as_str() else {
        weave.lit("\"type\":");
        weave.bytes(kind.raw());
        return true;
    };
    if &*word == "TYPE_UNSPECIFIED" {
        return false;
    }
    let nullable = get(schema, "nullable").and_then(|flag| flag.as_bool()) == Some(true);
    weave.lit(if nullable { "\"type\":[" } else { "\"type\":" });
    weave.quoted(&word.to_ascii_lowercase());
    weave.lit(if nullable { ",\"null\"]" } else { "" });
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use wire::json::{Limits, scan};

    fn through(schema: &serde_json::Value) -> serde_json::Value {
        let text = schema.to_string();
        let tape = scan(text.as_bytes(), &Limits::default()).unwrap();
        let root = Value::root(&tape, text.as_bytes()).unwrap();
        serde_json::from_slice(as_json_schema(root).bytes()).unwrap()
    }

    #[test]
    fn the_dialects_own_become_json_schema() {
        assert_eq!(
            through(
                &json!({"type":"OBJECT","nullable":true,"propertyOrdering":["b","a"],"properties":{"type":{"type":"STRING","enum":["OBJECT"],"max_length":"9"},"b":{"type":"ARRAY","min_items":1,"items":{"any_of":[{"type":"INTEGER"},{"type":"NUMBER","format":"double"}]}}},"required":["type"]})
            ),
            json!({"type":["object","null"],"properties":{"type":{"type":"string","enum":["OBJECT"],"maxLength":9},"b":{"type":"array","minItems":1,"items":{"anyOf":[{"type":"integer"},{"type":"number","format":"double"}]}}},"required":["type"]})
        );
        assert_eq!(through(&json!({})), json!({}));
        assert_eq!(
            through(&json!({"type":"TYPE_UNSPECIFIED","title":"t","maxItems":"many"})),
            json!({"title":"t","maxItems":"many"})
        );
    }
}
