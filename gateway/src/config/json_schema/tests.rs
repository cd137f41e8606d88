//! The schema admits what loads and refuses what does not, as far as a small validator can tell.

use super::*;
use crate::config::build::{Ground, build};
use crate::config::load::load_text;
use crate::config::snapshot::Snapshot;
use crate::config::testing::{FULL, lines};
use crate::config::vendors::{VendorBook, VendorInfo};
use policies::limit::Books;
use std::path::Path;
use std::time::SystemTime;

/// As much of JSON Schema as ours uses; of patterns only what [`fits`] knows.
fn validate(schema: &Value, root: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root
            .pointer(reference.trim_start_matches('#'))
            .ok_or("dangling $ref")?;
        validate(target, root, value, at)?;
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(options) = schema.get(key).and_then(Value::as_array) {
            let errors: Vec<String> = options
                .iter()
                .filter_map(|option| validate(option, root, value, at).err())
                .collect();
            if errors.len() == options.len() {
                return Err(format!("{at}: none of {key}: {}", errors.join("; ")));
            }
            if key == "oneOf" && errors.len() + 1 < options.len() {
                return Err(format!("{at}: more than one of {key}"));
            }
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    // A whole number is a number too.
    let number = kind == "integer";
    if schema
        .get("type")
        .is_some_and(|types| !(mentions(types, kind) || number && mentions(types, "number")))
    {
        return Err(format!("{at}: is {kind}"));
    }
    if schema.get("const").is_some_and(|only| only != value)
        || schema
            .get("enum")
            .and_then(Value::as_array)
            .is_some_and(|words| !words.contains(value))
    {
        return Err(format!("{at}: not one of the words"));
    }
    if let (Some(pattern), Some(text)) = (
        schema.get("pattern").and_then(Value::as_str),
        value.as_str(),
    ) && !fits(pattern, text)
    {
        return Err(format!("{at}: does not match"));
    }
    if let (Some(least), Some(number)) = (
        schema.get("minimum").and_then(Value::as_f64),
        value.as_f64(),
    ) && number < least
    {
        return Err(format!("{at}: too small"));
    }
    if let Some(items) = value.as_array() {
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = schema.get("items") {
                validate(schema, root, item, &format!("{at}[{index}]"))?;
            }
        }
    }
    if let Some(object) = value.as_object() {
        for required in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if !object.contains_key(required.as_str().unwrap()) {
                return Err(format!("{at}: {required} is missing"));
            }
        }
        for (name, value) in object {
            let at = format!("{at}.{name}");
            let property = schema.get("properties").and_then(|p| p.get(name));
            match (property, schema.get("additionalProperties")) {
                (Some(schema), _) => validate(schema, root, value, &at)?,
                (None, Some(Value::Bool(false))) => return Err(format!("{at}: unknown")),
                (None, Some(schema @ Value::Object(_))) => validate(schema, root, value, &at)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether `text` fits a pattern of ours: a variable somewhere in it, or digits and one of the words in brackets.
fn fits(pattern: &str, text: &str) -> bool {
    let Some(words) = pattern.strip_prefix("^_*[0-9][0-9_]*\\s*(") else {
        assert!(pattern.starts_with("\\$\\{"), "{pattern}");
        return text.contains("${");
    };
    let (words, end) = words.split_once(')').unwrap();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
    let number = &text[..text.len() - unit.len()];
    let unit = unit.trim_start();
    number.contains(|c: char| c.is_ascii_digit())
        && (words.split('|').any(|word| word == unit) || (end == "?$" && unit.is_empty()))
}

fn against_schema(yaml: &str) -> Result<(), String> {
    let masked = crate::config::env::mask(yaml).unwrap();
    let mut value: Value = serde_saphyr::from_str(&masked).unwrap();
    unmask(&mut value);
    let schema = json_schema();
    validate(&schema, &schema, &value, "")
}

fn unmask(value: &mut Value) {
    match value {
        Value::String(text) => *text = crate::config::env::unmask(text),
        Value::Array(items) => items.iter_mut().for_each(unmask),
        Value::Object(object) => object.values_mut().for_each(unmask),
        _ => {}
    }
}

/// Knows every vendor, so that samples may name real ones.
struct AnyVendor;

impl VendorBook for AnyVendor {
    fn info(&self, name: &str) -> Option<VendorInfo> {
        Some(VendorInfo {
            name: Box::leak(name.into()),
            default_base_url: Some("https://api.example.com"),
            needs_api_key: false,
            needs_secret_key: false,
            needs_region: false,
            needs_app_id: false,
            token_url: name
                .starts_with("pangu")
                .then_some("https://tokens.example.com"),
            self_hosted: false,
            auth_modes: &["bearer"],
            websocket: false,
            lists_models: true,
        })
    }

    fn fetches_tokens(&self, _: &str, _: &str) -> bool {
        true
    }

    fn unusable(&self, _: &str, _: &adapters::Credential<'_>) -> Option<String> {
        None
    }

    fn names(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

fn load(yaml: &str) -> Result<(Snapshot, String), String> {
    let env = |name: &str| (!name.starts_with("YUMEN_")).then(|| "sk-x".to_owned());
    let loaded = load_text("sample.yaml", yaml, Path::new(""), &env).map_err(|p| lines(&p))?;
    let ground = Ground {
        book: &AnyVendor,
        books: &Books::default(),
        before: None,
        now: SystemTime::UNIX_EPOCH,
        found: None,
    };
    let built = build(&loaded, &ground).map_err(|p| lines(&p))?;
    Ok((built.snapshot, lines(&built.warnings)))
}

const SAMPLES: [&str; 2] = [
    include_str!("../../../../deploy/yumen.yaml"),
    include_str!("../../../../deploy/minimal.yaml"),
];

#[test]
fn samples_load_without_a_warning_and_fit_the_schema() {
    for sample in SAMPLES {
        assert_eq!(against_schema(sample), Ok(()));
        let (snapshot, warnings) = load(sample).unwrap();
        assert_eq!(warnings, "");
        assert!(snapshot.models.contains_key("assistant"));
        assert!(snapshot.keys.find(b"ym-demo", 0).is_ok());
    }
    assert_eq!(against_schema(FULL), Ok(()));
}

/// The full sample says that it shows every setting and its default.
#[test]
fn the_full_sample_names_every_setting_and_its_default() {
    let schema = json_schema();
    let mut names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    for definition in schema["$defs"].as_object().unwrap().values() {
        names.extend(
            definition
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|p| p.keys()),
        );
    }
    for name in names {
        assert!(
            SAMPLES[0].contains(&format!("{name}:")),
            "{name} is not in deploy/yumen.yaml"
        );
    }
    let (shown, _) = load(SAMPLES[0]).unwrap();
    let (default, _) = load(SAMPLES[1]).unwrap();
    type Get = fn(&Snapshot) -> String;
    let rows: [(&str, Get); 14] = [
        ("listen", |s| s.listen.to_string()),
        ("admin", |s| format!("{:?}", s.admin)),
        ("grades", |s| format!("{:?}", s.grades)),
        ("audit", |s| format!("{:?}", s.audit)),
        ("limits", |s| format!("{:?}", s.limits)),
        ("timeouts", |s| format!("{:?}", s.timeouts)),
        ("retries", |s| s.retries.to_string()),
        ("keepalive", |s| format!("{:?}", s.upstream_keepalive)),
        ("clocks", |s| format!("{:?}", s.models["assistant"].clocks)),
        ("http2", |s| format!("{:?}", s.http2)),
        ("ping", |s| format!("{:?}", s.ping)),
        ("drain", |s| format!("{:?}", s.drain)),
        ("overload", |s| format!("{:?}", s.overload)),
        ("log", |s| format!("{:?}{:?}", s.log, s.runtime)),
    ];
    for (name, get) in rows {
        assert_eq!(get(&shown), get(&default), "{name}");
    }
}

#[test]
fn schema_and_loader_agree() {
    for (yaml, fits) in [
        ("listen: 127.0.0.1:1\n", true),
        ("http2: { max_streams: \"${N}\" }\n", true),
        ("log: { level: \"${LEVEL:-info}\" }\n", true),
        ("limits: { body_bytes: 1048576 }\n", true),
        ("no_such: 1\n", false),
        ("providers: { p: { base_url: x } }\n", false),
        ("providers: { p: { vendor: v, clearence: x } }\n", false),
        ("http2: { max_streams: \"7\" }\n", false),
        ("log: { level: loud }\n", false),
        ("log: { level: \"${LEVEL}\" }\n", true),
        ("limits: { body_bytes: \"5000000\" }\n", true),
        ("limits: { body_bytes: \"5 MiB\" }\n", true),
        ("limits: { body_bytes: \"+5\" }\n", false),
        ("limits: { body_bytes: MiB }\n", false),
        ("drain: { limit: 5 s }\n", true),
        ("drain: { limit: _5_0s }\n", true),
        ("drain: { limit: \"5\" }\n", false),
        (
            "listen: \"${NONE:-}\"\nlog: { level: \"${NONE:-}\" }\n",
            true,
        ),
        ("prices: { rates: { USD: \"${N}\" } }\n", true),
        ("state: { store: \"redis://h:1\" }\n", true),
        ("state: { store: [redis] }\n", false),
        ("drain: { limit: 5 }\n", false),
        (
            "teams: { t: { limits: { tpm: 5 }, budget: { amount: 0.5 } } }\n",
            true,
        ),
        ("teams: { t: { limits: { tps: 5 } } }\n", false),
        ("teams: { t: { budget: { period: year } } }\n", false),
    ] {
        assert_eq!(against_schema(yaml).is_ok(), fits, "{yaml}");
        let env = |name: &str| match name {
            "N" => Some("7".to_owned()),
            "NONE" => None,
            _ => Some("debug".to_owned()),
        };
        assert_eq!(
            load_text("y", yaml, Path::new(""), &env).is_ok(),
            fits,
            "{yaml}"
        );
    }
}
