//! `/api/openapi.json`: the admin API for tools, made from the table of routes and the table of columns.
//!
//! Must never say what is not in those tables.

mod access;

use http::Method;
use journal::row::{COLUMNS, ColumnType, SCHEMA_VERSION};
use serde_json::{Map, Value, json};

use super::Answers;
use super::access::Op;
use super::routes::{Parameters, ROUTES, Route, Takes};
use crate::audit::asked;

/// The document.
pub(super) fn document(version: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            let method = route.method.as_str().to_ascii_lowercase();
            path.insert(method, operation(route));
        }
    }
    let mut schemas = access::schemas();
    schemas.extend([
        ("Entry".to_owned(), entry()),
        ("Page".to_owned(), page()),
        ("Stats".to_owned(), stats()),
        ("Error".to_owned(), error()),
    ]);
    json!({
        "openapi": "3.1.0",
        "info": { "title": "yumen admin API", "version": version },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": "admin.token of the config, or one of admin.tokens with a role that the operation names" } },
            "schemas": schemas,
        },
    })
}

fn error() -> Value {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": { "type": "object", "required": ["message"], "properties": { "message": { "type": "string" } } } },
    })
}

/// What a good answer holds.
fn schema(route: &Route) -> Value {
    match route.answers {
        Answers::Entries => json!({ "$ref": "#/components/schemas/Page" }),
        Answers::Entry => {
            json!({ "type": "object", "properties": { "entry": { "$ref": "#/components/schemas/Entry" } } })
        }
        Answers::Stats => json!({ "$ref": "#/components/schemas/Stats" }),
        Answers::Access(op) => {
            let name = match op {
                Op::Keys => "Keys",
                Op::Teams => "Teams",
                Op::Key | Op::CreateKey | Op::ChangeKey | Op::RotateKey | Op::RevokeKey => "Key",
                Op::Team | Op::CreateTeam | Op::ChangeTeam | Op::DeleteTeam => "Team",
            };
            json!({ "$ref": format!("#/components/schemas/{name}") })
        }
        _ if route.media == "application/json" => json!({ "type": "object" }),
        _ => json!({ "type": "string" }),
    }
}

fn responses(route: &Route) -> Map<String, Value> {
    let mut responses = Map::new();
    let mut add = |status: &str, what: &str, media: &str, schema: Value| {
        let response = json!({ "description": what, "content": { media: { "schema": schema } } });
        responses.insert(status.to_owned(), response);
    };
    let good = match route.answers {
        Answers::Access(Op::CreateKey | Op::CreateTeam) => "201",
        _ => "200",
    };
    add(good, "good", route.media, schema(route));
    let mut fails = |status: &str, what: &str| {
        add(
            status,
            what,
            "application/json",
            json!({ "$ref": "#/components/schemas/Error" }),
        );
    };
    if route.needs.is_some() {
        fails("401", "the token is missing or wrong");
        fails("429", "too many wrong tokens came from this address");
        fails(
            "403",
            "the token has no role that this needs, the config sets no token, or the host is not known",
        );
    }
    if route.parameters != Parameters::None || route.takes != Takes::Nothing {
        fails("400", "a parameter or the body cannot be used");
    }
    if route.path.contains("{id}") {
        fails("404", "there is no such thing");
    }
    if matches!(route.answers, Answers::Access(_)) && route.method != Method::GET {
        fails(
            "409",
            "it stands in the config, was changed meanwhile, or something hangs on it",
        );
        fails(
            "503",
            "it could not be kept, or not be written into the audit log",
        );
    }
    if route.path.starts_with("/api/audit/")
        || matches!(
            route.answers,
            Answers::Usage | Answers::Budgets | Answers::Explain
        )
    {
        fails(
            "503",
            "too many searches, the index is being built, or the log cannot be written",
        );
    }
    responses
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({ "summary": route.summary, "responses": responses(route) });
    let parameters = parameters(route);
    if let Some(operation) = operation.as_object_mut() {
        if !parameters.is_empty() {
            operation.insert("parameters".to_owned(), parameters.into());
        }
        if let Takes::Json(schema) = route.takes {
            let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
            let content = json!({ "application/json": { "schema": schema } });
            let body = json!({ "required": true, "content": content });
            operation.insert("requestBody".to_owned(), body);
        }
        if let Some(roles) = route.needs {
            let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
            operation.insert("security".to_owned(), json!([{ "token": roles }]));
        }
    }
    operation
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut list = Vec::new();
    if route.path.contains("{id}") {
        list.push(
            json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }),
        );
    }
    if route.parameters == Parameters::None {
        return list;
    }
    if route.parameters == Parameters::Reason {
        list.push(json!({
            "name": "reason", "in": "query", "required": true, "schema": { "type": "string" },
            "description": "Why; written into the log. At most 1024 bytes, on one line",
        }));
        return list;
    }
    if route.parameters == Parameters::Usage {
        return usage_parameters(list);
    }
    if let Parameters::Keys | Parameters::Teams = route.parameters {
        list.extend(listed_by(route.parameters));
        return list;
    }
    if route.parameters == Parameters::Page {
        list.push(in_query(
            "limit",
            false,
            "Most entries, 1 to 1000; 100 if absent",
        ));
        list.push(in_query("cursor", false, "`next` of the page before"));
        return list;
    }
    list.extend(filters());
    if route.parameters == Parameters::Search {
        list.push(in_query(
            "text",
            true,
            "In the texts of redacted payloads and of events, in upper or lower case, any part of a word; all of them",
        ));
        list.push(in_query(
            "limit",
            false,
            "Most entries, 1 to 1000; 50 if absent",
        ));
        list.push(in_query("cursor", false, "`next` of the page before"));
    } else {
        list.push(in_query(
            "bucket",
            false,
            "Length of a stretch of time: 30s, 5m, 1h, 1d; 1h if absent",
        ));
    }
    list
}

/// A parameter of the query that may be absent, or stand there several times.
fn in_query(name: &str, repeats: bool, what: &str) -> Value {
    let one = json!({ "type": "string" });
    let schema = if repeats {
        json!({ "type": "array", "items": one })
    } else {
        one
    };
    json!({ "name": name, "in": "query", "required": false, "schema": schema, "description": what })
}

/// What entries are chosen by: their time, what they cost, the values of their columns.
fn filters() -> Vec<Value> {
    let mut list = vec![
        in_query(
            "from",
            false,
            "From this moment on: a date, an RFC 3339 time, ms since 1970, or 30m, 24h, 7d ago",
        ),
        in_query("to", false, "Before this moment"),
        in_query("min_cost", false, "Costs at least this"),
    ];
    for name in asked::names() {
        let columns: Vec<&str> = COLUMNS
            .iter()
            .filter(|column| column.filters.contains(&name))
            .map(|column| column.name)
            .collect();
        let what = format!("Any of these values in: {}", columns.join(", "));
        list.push(in_query(name, true, &what));
    }
    list
}

fn usage_parameters(mut list: Vec<Value>) -> Vec<Value> {
    for (name, what) in [
        (
            "by",
            "What rows are told apart by, with commas: key, team, user, model, provider, target, hour, day, month; key if absent",
        ),
        (
            "from",
            "From this moment on, to the quarter of an hour: a date (in the zone), an RFC 3339 time, ms since 1970, or 24h, 7d ago",
        ),
        ("to", "Before this moment"),
        (
            "timezone",
            "Zone of hours, days and months; that of the budgets if absent",
        ),
        ("format", "json or csv"),
    ] {
        list.push(json!({ "name": name, "in": "query", "required": false, "schema": { "type": "string" }, "description": what }));
    }
    for name in ["key", "team", "user", "model", "provider", "target"] {
        let schema = json!({ "type": "array", "items": { "type": "string" } });
        list.push(json!({ "name": name, "in": "query", "required": false, "schema": schema, "description": "Any of these" }));
    }
    list
}

fn listed_by(parameters: Parameters) -> Vec<Value> {
    let of_each: &[(&str, &str)] = if parameters == Parameters::Keys {
        &[
            ("team", "Keys of this team itself"),
            ("status", "active, expired, revoked or unfit"),
            ("prefix", "How a key begins, as far as it is known"),
        ]
    } else {
        &[("parent", "Teams right below this one")]
    };
    let of_all = [
        ("source", "config or dynamic"),
        ("limit", "Most entries, 1 to 1000; 50 if absent"),
        ("cursor", "`next` of the page before"),
    ];
    let all = of_each.iter().chain(&of_all);
    all.map(|(name, what)| {
        json!({ "name": name, "in": "query", "required": false, "schema": { "type": "string" }, "description": what })
    })
    .collect()
}

fn entry() -> Value {
    let properties: Map<String, Value> = COLUMNS
        .iter()
        .map(|column| {
            let mut schema = match column.kind {
                ColumnType::Text => json!({ "type": "string" }),
                ColumnType::Int | ColumnType::Time => {
                    json!({ "type": "integer", "format": "int64" })
                }
                ColumnType::Bool => json!({ "type": "boolean" }),
                ColumnType::Texts => json!({ "type": "array", "items": { "type": "string" } }),
                ColumnType::Counts => {
                    json!({ "type": "object", "additionalProperties": { "type": "integer" } })
                }
                ColumnType::Json => json!({}),
            };
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("description".to_owned(), column.doc.into());
            }
            (column.name.to_owned(), schema)
        })
        .collect();
    json!({ "type": "object", "description": format!("A row of schema version {SCHEMA_VERSION}; what is not known is left out"), "properties": properties })
}

fn page() -> Value {
    json!({
        "type": "object",
        "required": ["entries", "next", "complete_to"],
        "properties": {
            "entries": { "type": "array", "items": { "$ref": "#/components/schemas/Entry" } },
            "next": { "type": ["string", "null"], "description": "Cursor of the next page; null if there is no more. A page may be short and there may be more" },
            "complete_to": { "type": "integer", "description": "Every entry settled below this index was looked at" },
            "written_to": { "type": "integer", "description": "The log has entries below this index" },
        },
    })
}

fn stats() -> Value {
    let counts = json!({ "type": "object", "additionalProperties": { "type": "integer" } });
    json!({
        "type": "object",
        "required": ["bucket_ms", "buckets", "complete_to"],
        "properties": {
            "bucket_ms": { "type": "integer" },
            "complete_to": { "type": "integer" },
            "buckets": { "type": "array", "items": { "type": "object", "properties": {
                "start_ms": { "type": "integer" },
                "rows": { "type": "integer" },
                "by": { "type": "object", "description": "By filter, then value", "additionalProperties": counts },
            } } },
        },
    })
}
