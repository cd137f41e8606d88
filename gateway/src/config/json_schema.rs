//! The JSON Schema of the config, for editors: what `yumen schema` prints.
//!
//! Invariant: every config that loads is valid under it, which is why a `${NAME}` is allowed wherever a value is no text, but
//! in the place of a list or a mapping.

use serde_json::{Value, json};

use super::schema::Config;

/// The schema, draft 2020-12.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    admit_variables(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".into(), "yumen.yaml".into());
    }
    schema
}

/// Lets a text with a variable in it stand for numbers, switches, words of a list, times and sizes.
fn admit_variables(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(admit_variables),
        Value::Object(object) => {
            // Branches of `oneOf` are the words of one list: a variable in each of them would be many of them at once.
            let words = object.contains_key("oneOf");
            let inner = object.iter_mut().filter(|(key, _)| *key != "oneOf");
            inner.for_each(|(_, value)| admit_variables(value));
            let is = |name: &str| object.get("type").is_some_and(|t| mentions(t, name));
            let scalar = is("integer") || is("number") || is("boolean");
            let word = words
                || object.contains_key("enum")
                // A property may be called `pattern`, too.
                || object.get("pattern").is_some_and(Value::is_string)
                || object.get("const").is_some_and(Value::is_string);
            if scalar || word {
                let keep = ["default", "description"].map(|k| (k, object.remove(k)));
                let variable = json!({ "type": "string", "pattern": "\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}" });
                let inner = std::mem::take(object);
                object.insert("anyOf".into(), json!([inner, variable]));
                for (name, value) in keep {
                    if let Some(value) = value {
                        object.insert(name.into(), value);
                    }
                }
            }
        }
        _ => {}
    }
}

fn mentions(types: &Value, name: &str) -> bool {
    match types {
        Value::String(one) => one == name,
        Value::Array(many) => many.iter().any(|one| one == name),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
