//! Schemas of keys and teams: the config's own, and what is added to them.
//!
//! Must never repeat a setting of the config: its schema is where they stand.

use serde_json::{Map, Value, json};

use crate::config::schema::{Key, Team};

/// All of them, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let mut all = Map::new();
    let key = shape(schemars::schema_for!(Key).to_value(), &mut all);
    let team = shape(schemars::schema_for!(Team).to_value(), &mut all);
    let words = json!({
        "note": { "type": "string", "description": "For people; at most 1024 bytes" },
        "labels": { "type": "object", "additionalProperties": { "type": "string" }, "description": "At most 32" },
    });
    let patch = json!({
        "note": { "type": ["string", "null"], "description": "For people; at most 1024 bytes" },
        "labels": { "type": ["object", "null"], "additionalProperties": { "type": ["string", "null"] }, "description": "At most 32; null takes one out, or all" },
    });
    let name = json!({ "name": { "type": "string" } });
    let of_team = json!({ "name": { "type": "string" }, "source": source(), "status": { "enum": ["active", "unfit"] }, "why": why() });
    let rotation = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": { "overlap": { "type": "string", "description": "How long the old secret stays valid: 0s, 30m, 24h, up to 90d; 24h if absent" } },
    });
    let added = [
        ("NewKey", with(&key, &[&words, &new_hash()], &[])),
        (
            "KeyPatch",
            with(&without(&key, &["id", "hash"]), &[&patch], &[]),
        ),
        (
            "Key",
            with(
                &without(&key, &["hash"]),
                &[&words, &about(), &of_key()],
                &["id", "source", "status"],
            ),
        ),
        ("NewTeam", with(&team, &[&words, &name], &["name"])),
        ("TeamPatch", with(&team, &[&patch], &[])),
        (
            "Team",
            with(
                &team,
                &[&words, &about(), &of_team],
                &["name", "source", "status"],
            ),
        ),
        ("Keys", page("keys", "Key")),
        ("Teams", page("teams", "Team")),
        ("Rotation", rotation),
    ];
    all.extend(added.map(|(name, schema)| (name.to_owned(), schema)));
    all
}

/// The hash that may be handed in with a new key.
fn new_hash() -> Value {
    json!({
        "hash": { "type": ["string", "null"], "description": "`sha256:` and the hexadecimal SHA-256 of a key of one's own; absent: one is made and shown once; null, with a `certificate`: the key has no secret, only that" },
    })
}

/// What is shown of a key beside what the config says of one.
fn of_key() -> Value {
    json!({
        "source": source(),
        "status": { "enum": ["active", "expired", "revoked", "unfit"], "description": "unfit: the running config has no place for it, and it does not work" },
        "why": why(),
        "key": { "type": "string", "description": "The key itself: in the answer that made it, and never again" },
        "prefix": { "type": "string", "description": "How it begins" },
        "previous": { "type": "array", "description": "Old secrets that are valid still", "items": { "type": "object", "properties": { "prefix": { "type": "string" }, "until_ms": { "type": "integer" } } } },
        "expires_ms": { "type": "integer" },
        "revoked_ms": { "type": "integer" },
        "revoked_by": { "type": "string" },
    })
}

fn about() -> Value {
    json!({
        "created_ms": { "type": "integer" },
        "created_by": { "type": "string" },
        "changed_ms": { "type": "integer" },
        "changed_by": { "type": "string" },
    })
}

fn source() -> Value {
    json!({ "enum": ["config", "dynamic"], "description": "What is of the config is changed there" })
}

fn why() -> Value {
    json!({ "type": "string", "description": "Why it is unfit" })
}

fn page(of: &str, item: &str) -> Value {
    let items = json!({ "$ref": format!("#/components/schemas/{item}") });
    json!({
        "type": "object",
        "required": [of, "next", "store"],
        "properties": {
            of: { "type": "array", "items": items },
            "next": { "type": ["string", "null"], "description": "Cursor of the next page; null if there is no more" },
            "store": { "type": "object", "properties": {
                "kind": { "enum": ["file", "redis"] },
                "up": { "type": "boolean", "description": "False: the shared store does not answer, and this is what was known last" },
            } },
        },
    })
}

/// A schema of the config, what it refers to moved into `all`.
fn shape(mut schema: Value, all: &mut Map<String, Value>) -> Value {
    move_references(&mut schema);
    let Some(fields) = schema.as_object_mut() else {
        return schema;
    };
    fields.remove("$schema");
    fields.remove("title");
    // Which of them a body must have is told for each.
    fields.remove("required");
    if let Some(Value::Object(parts)) = fields.remove("$defs") {
        all.extend(parts);
    }
    schema
}

fn move_references(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(move_references),
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref") {
                *reference = reference.replace("#/$defs/", "#/components/schemas/");
            }
            fields.values_mut().for_each(move_references);
        }
        _ => {}
    }
}

fn without(schema: &Value, names: &[&str]) -> Value {
    let mut schema = schema.clone();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, _| !names.contains(&name.as_str()));
    }
    schema
}

fn with(schema: &Value, more: &[&Value], required: &[&str]) -> Value {
    let mut schema = schema.clone();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (name, value) in more.iter().filter_map(|more| more.as_object()).flatten() {
            properties.insert(name.clone(), value.clone());
        }
    }
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("required".to_owned(), json!(required));
    }
    schema
}
