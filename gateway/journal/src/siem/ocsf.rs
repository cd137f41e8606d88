//! OCSF 1.9: a request is an API Activity (6003) with the profile `ai_operation`; a login an Authentication (3002); a changed
//! config an Entity Management (3004), a changed key an Account Change (3001); start and stop an Application Lifecycle (6002);
//! what is done with the log an API Activity again. What has no attribute there is under `unmapped`, by the names of columns.
//!
//! Must never know where a line goes. Invariant: the attributes that a class requires are there.

use serde_json::{Map, Value, json};

use super::{Severity, Source, moment, severity};
use crate::row::{COLUMNS, Row};

/// Version of the schema.
const VERSION: &str = "1.9.0";
/// Columns that have an attribute of their own in an API Activity of a request.
const MAPPED: [&str; 18] = [
    "index",
    "settled",
    "time",
    "ended",
    "id",
    "key",
    "user",
    "team",
    "client",
    "endpoint",
    "asked",
    "provider",
    "model",
    "status",
    "code",
    "prompt_tokens",
    "completion_tokens",
    "total_ms",
];

pub(super) fn line(source: &Source, row: &Row) -> String {
    let event = if row.kind == "event" || row.kind == "lost" {
        event(source, row)
    } else {
        request(source, row)
    };
    super::written(&told(Value::Object(event)))
}

/// Without attributes that are null: the schema has no such.
fn told(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name, told(value))).collect())
        }
        other => other,
    }
}

/// Class, its name, category, its name.
struct Class(u32, &'static str, u32, &'static str);

const API: Class = Class(6003, "API Activity", 6, "Application Activity");
const LIFECYCLE: Class = Class(6002, "Application Lifecycle", 6, "Application Activity");
const AUTHENTICATION: Class = Class(3002, "Authentication", 3, "Identity & Access Management");
const ENTITY: Class = Class(3004, "Entity Management", 3, "Identity & Access Management");
const ACCOUNT: Class = Class(3001, "Account Change", 3, "Identity & Access Management");

/// What every event has.
fn base(
    source: &Source,
    row: &Row,
    class: &Class,
    activity: (u32, &str),
    failed: bool,
) -> Map<String, Value> {
    let (severity_id, severity) = match severity(row) {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
    };
    let mut event = Map::new();
    let mut set = |name: &str, value: Value| event.insert(name.to_owned(), value);
    set("class_uid", class.0.into());
    set("class_name", class.1.into());
    set("category_uid", class.2.into());
    set("category_name", class.3.into());
    set("activity_id", activity.0.into());
    set("activity_name", activity.1.into());
    set("type_uid", (class.0 * 100 + activity.0).into());
    set("type_name", format!("{}: {}", class.1, activity.1).into());
    set("severity_id", severity_id.into());
    set("severity", severity.into());
    set("status_id", if failed { 2 } else { 1 }.into());
    set("status", if failed { "Failure" } else { "Success" }.into());
    set("time", moment(row).into());
    set(
        "metadata",
        json!({
            "version": VERSION,
            "product": {"name": "yumen", "vendor_name": "yumen", "version": source.version},
            "uid": source.uid(row),
            "sequence": row.settled,
            "log_name": source.log,
            "loggers": [{"name": source.replica}],
        }),
    );
    event
}

fn request(source: &Source, row: &Row) -> Map<String, Value> {
    let failed = row.kind == "denial" || row.outcome != "completed";
    let mut event = base(source, row, &API, (1, "Create"), failed);
    if let Some(Value::Object(metadata)) = event.get_mut("metadata") {
        metadata.insert("profiles".to_owned(), json!(["ai_operation"]));
    }
    let mut set = |name: &str, value: Value| event.insert(name.to_owned(), value);
    set(
        "status_code",
        json!(row.status.map(|status| status.to_string())),
    );
    set(
        "status_detail",
        text(if row.code.is_empty() {
            &row.outcome
        } else {
            &row.code
        }),
    );
    set("start_time", json!(row.time.0));
    set("end_time", json!(row.ended.0));
    set("duration", json!(row.total_ms));
    set("actor", json!({"user": user(row)}));
    set(
        "api",
        json!({
            "operation": if row.endpoint.is_empty() { "unknown" } else { &row.endpoint },
            "request": {"uid": row.id},
            "response": {"code": row.status, "error": text(&row.code)},
            "service": {"name": "yumen"},
        }),
    );
    set("src_endpoint", endpoint(&row.client));
    if !row.provider.is_empty() {
        set("dst_endpoint", json!({"svc_name": row.provider}));
    }
    set(
        "http_request",
        json!({"url": {"path": row.endpoint}, "length": row.request_bytes}),
    );
    set(
        "http_response",
        json!({"code": row.status, "length": row.bytes_down}),
    );
    let model = if row.model.is_empty() {
        &row.asked
    } else {
        &row.model
    };
    set(
        "ai_model",
        json!({"ai_provider": text(&row.provider), "name": model}),
    );
    let total = match (row.prompt_tokens, row.completion_tokens) {
        (Some(prompt), Some(completion)) => Some(prompt.saturating_add(completion)),
        _ => None,
    };
    set(
        "message_context",
        json!({
            "prompt_tokens": row.prompt_tokens,
            "completion_tokens": row.completion_tokens,
            "total_tokens": total,
        }),
    );
    set("resources", json!([{"name": row.asked, "type": "model"}]));
    set("unmapped", unmapped(row));
    event
}

fn user(row: &Row) -> Value {
    let name = if row.user.is_empty() {
        &row.key
    } else {
        &row.user
    };
    let groups = if row.team.is_empty() {
        Value::Null
    } else {
        json!([{"name": row.team}])
    };
    json!({"name": name, "uid": row.key, "credential_uid": row.key, "type_id": 1, "groups": groups})
}

fn event(source: &Source, row: &Row) -> Map<String, Value> {
    let (class, activity) = match row.what.as_str() {
        "start" => (LIFECYCLE, (3, "Start")),
        "stop" => (LIFECYCLE, (4, "Stop")),
        "config_change" => (ENTITY, (3, "Update")),
        "key_change" => (ACCOUNT, (99, "Other")),
        "login" | "login_failed" => (AUTHENTICATION, (1, "Logon")),
        "search" | "export" | "unseal" | "admin_access" => (API, (2, "Read")),
        "shred" => (API, (4, "Delete")),
        _ => (LIFECYCLE, (99, "Other")),
    };
    let failed = matches!(row.what.as_str(), "login_failed" | "reload" | "sync_failed")
        || row.kind == "lost";
    let mut event = base(source, row, &class, activity, failed);
    let actor = if row.actor.is_empty() {
        "yumen"
    } else {
        &row.actor
    };
    let mut set = |name: &str, value: Value| event.insert(name.to_owned(), value);
    set("actor", json!({"user": {"name": actor}}));
    let what = if row.what.is_empty() {
        &row.kind
    } else {
        &row.what
    };
    set(
        "message",
        text([what.as_str(), &row.detail].join(" ").trim()),
    );
    match class.0 {
        6003 => {
            set(
                "api",
                json!({"operation": what, "service": {"name": "yumen"}}),
            );
            set("src_endpoint", endpoint(&row.origin));
        }
        6002 => drop(set(
            "app",
            json!({"name": "yumen", "version": source.version}),
        )),
        3004 => drop(set(
            "entity",
            json!({"name": "config", "uid": row.config, "type": "config"}),
        )),
        3001 => drop(set(
            "user",
            json!({"name": row.names.join(","), "type_id": 99}),
        )),
        _ => {
            set("user", json!({"name": actor}));
            set("src_endpoint", endpoint(&row.origin));
        }
    }
    set("unmapped", unmapped(row));
    event
}

fn endpoint(address: &str) -> Value {
    match address.parse::<std::net::IpAddr>() {
        Ok(ip) => json!({"ip": ip.to_string()}),
        Err(_) if address.is_empty() => json!({"name": "unknown"}),
        Err(_) => json!({"name": address}),
    }
}

fn text(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        text.into()
    }
}

/// All columns without an attribute of their own.
fn unmapped(row: &Row) -> Value {
    let columns = COLUMNS.iter().zip(row.values());
    let left = columns.filter(|(column, value)| {
        *value != crate::row::Value::Null && !MAPPED.contains(&column.name)
    });
    let fields = left.filter_map(|(column, value)| {
        Some((column.name.to_owned(), serde_json::to_value(value).ok()?))
    });
    Value::Object(fields.collect())
}
