//! A request to try: who asks, and what.
//!
//! Knows the forms in which people write one. Invariant: the key, its team and its grade are resolved as for traffic.

use std::collections::BTreeMap;
use std::sync::Arc;

use adapters::ClientDialect;
use adapters::places::{self, At};
use bytes::Bytes;
use policies::access::keys::{KeySpec, KeyTable, Models, Principal};
use policies::access::scope::Scope;
use policies::limit::line::Share;
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{Fault, Grade};

use crate::config::problem::suggest;
use crate::config::time::parse_moment_ms;
use crate::config::trial::Bench;
use crate::pipeline::trial::{Asker, Seen, see};

/// The dialect that is spoken if nothing else is said.
const DIALECT: &str = "openai-chat";
/// The header with which a caller raises the grade.
const GRADE_HEADER: &str = "x-yumen-grade";
/// The id of a key that is made up for a trial.
const NOBODY: &str = "test";

/// A request, as a test file has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Request {
    /// The id of a key of the config.
    pub(super) key: Option<String>,
    /// Without `key`: a team of the config.
    pub(super) team: Option<String>,
    /// Without `key`: the grade that the key declares.
    pub(super) grade: Option<String>,
    /// Without `key`: what asks with it serves the public.
    pub(super) public: bool,
    /// The model asked for; default the body's.
    pub(super) model: Option<String>,
    /// Headers; only `x-yumen-grade` means something.
    pub(super) headers: BTreeMap<String, String>,
    /// The dialect spoken.
    pub(super) dialect: Option<String>,
    /// The path asked.
    pub(super) path: Option<String>,
    /// Whether a stream is asked for.
    pub(super) stream: bool,
    /// The caller's address.
    pub(super) client_ip: Option<String>,
    /// The moment; default the file's, or now.
    pub(super) at: Option<String>,
    /// What a user says.
    pub(super) text: Option<String>,
    /// Messages.
    pub(super) messages: Option<Value>,
    /// The whole body.
    pub(super) body: Option<Value>,
}

/// A request that is ready to be tried.
pub(super) struct Asked {
    principal: Arc<Principal>,
    declared: Grade,
    client_ip: String,
    endpoint: String,
    now_ms: i64,
    /// What was read of the body, or why it cannot be.
    pub(super) seen: Result<Seen, Fault>,
}

impl Asked {
    /// Who asks, before this config.
    pub(super) fn asker<'a>(&'a self, bench: &'a Bench) -> Asker<'a> {
        Asker {
            snapshot: &bench.snapshot,
            principal: &self.principal,
            declared: self.declared,
            client_ip: &self.client_ip,
            endpoint: &self.endpoint,
            now_ms: self.now_ms,
        }
    }
}

/// Prepares a request.
///
/// # Errors
/// What in it means nothing under this config, as a sentence without an end.
pub(super) fn ask(bench: &Bench, request: &Request, now_ms: i64) -> Result<Asked, String> {
    let now_ms = match &request.at {
        Some(at) => moment(at)?,
        None => now_ms,
    };
    let named = request.dialect.as_deref().unwrap_or(DIALECT);
    let known = || adapters::CLIENT_DIALECTS.iter();
    let dialect = known()
        .find(|dialect| dialect.name() == named)
        .ok_or_else(|| {
            let names: Vec<&str> = known().map(|dialect| dialect.name()).collect();
            format!("there is no dialect `{named}`; known: {}", names.join(", "))
        })?;
    let asked = asked_at(*dialect, request)?;
    let body = Bytes::from(body(request)?.to_string());
    // Looking through a request pauses now and then, for the sake of other streams; here are none.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| format!("no runtime: {}", error.kind()))?;
    Ok(Asked {
        principal: principal(bench, request, now_ms)?,
        declared: declared(bench, request)?,
        client_ip: request.client_ip.clone().unwrap_or_default(),
        endpoint: request
            .path
            .clone()
            .unwrap_or_else(|| asked.endpoint.path.to_owned()),
        now_ms,
        seen: runtime.block_on(see(&bench.snapshot, (*dialect, &asked), body)),
    })
}

/// Where such a request is asked: at its path, if that is one of the dialect's, else at the dialect's usual one.
fn asked_at(
    dialect: &'static dyn ClientDialect,
    request: &Request,
) -> Result<adapters::Asked, String> {
    let path = request.path.as_deref().unwrap_or_default();
    let place = places::find(path, &wire::Headers::new());
    if let At::Call(endpoint, model) = place.at
        && place.dialect.id() == dialect.id()
    {
        return Ok(adapters::Asked {
            model,
            ..adapters::Asked::at(endpoint)
        });
    }
    let usual = dialect.endpoints().first();
    usual
        .map(adapters::Asked::at)
        .ok_or_else(|| format!("`{}` is spoken nowhere", dialect.name()))
}

/// Unix milliseconds of a moment as people write it.
pub(super) fn moment(at: &str) -> Result<i64, String> {
    let ms = parse_moment_ms(at).and_then(|ms| i64::try_from(ms).ok());
    ms.ok_or_else(|| "`at` is no time: write 2026-11-25 or 2026-11-25T10:00:00+08:00".to_owned())
}

fn body(request: &Request) -> Result<Value, String> {
    let said = [
        request.text.is_some(),
        request.messages.is_some(),
        request.body.is_some(),
    ];
    if said.iter().filter(|said| **said).count() != 1 {
        return Err("a request has one of `text`, `messages` and `body`".into());
    }
    let mut body = match (&request.text, &request.messages, &request.body) {
        (Some(text), ..) => json!({"messages": [{"role": "user", "content": text}]}),
        (_, Some(messages), _) => json!({"messages": messages}),
        (.., Some(body)) => body.clone(),
        _ => Value::Null,
    };
    if let Some(fields) = body.as_object_mut() {
        if let Some(model) = &request.model {
            fields.insert("model".into(), model.as_str().into());
        }
        if request.stream {
            fields.insert("stream".into(), true.into());
        }
    }
    Ok(body)
}

fn grade(bench: &Bench, name: &str) -> Result<Grade, String> {
    bench.snapshot.grades.find(name).ok_or_else(|| {
        let near = suggest(name, bench.snapshot.grades.names());
        dangling("grade", name, near)
    })
}

fn dangling(what: &str, name: &str, near: Option<String>) -> String {
    match near {
        Some(near) => format!("there is no {what} `{name}`; did you mean `{near}`?"),
        None => format!("there is no {what} `{name}`"),
    }
}

fn declared(bench: &Bench, request: &Request) -> Result<Grade, String> {
    let mut declared = Grade::LOWEST;
    for (name, value) in &request.headers {
        if !name.eq_ignore_ascii_case(GRADE_HEADER) {
            return Err(format!(
                "the header `{name}` means nothing to a policy: only {GRADE_HEADER} does"
            ));
        }
        declared = grade(bench, value)?;
    }
    Ok(declared)
}

fn principal(bench: &Bench, request: &Request, now_ms: i64) -> Result<Arc<Principal>, String> {
    let keys = &bench.snapshot.keys;
    if let Some(id) = &request.key {
        if request.team.is_some() || request.grade.is_some() || request.public {
            return Err("a key has its own team and grade: leave them out, or the key".into());
        }
        let found = keys.by_id(id).cloned();
        return found.ok_or_else(|| {
            let near = suggest(id, keys.iter().map(|key| &*key.id));
            dangling("key", id, near)
        });
    }
    let mut spec = KeySpec {
        id: NOBODY.into(),
        digest: [0; 32],
        user: None,
        team: None,
        certificate: None,
        grade: match &request.grade {
            Some(name) => grade(bench, name)?,
            None => Grade::LOWEST,
        },
        models: Models::All,
        // What is tried is the policy, wherever and whenever that is.
        scope: Scope::default(),
        expires_ms: None,
        public: request.public,
        own: None,
        meters: Arc::default(),
        share: Share::of(NOBODY),
    };
    if let Some(name) = &request.team {
        let teams = &bench.config.teams;
        let team = teams.get(name).ok_or_else(|| {
            let near = suggest(name, teams.keys().map(String::as_str));
            dangling("team", name, near)
        })?;
        if let Some(least) = &team.grade {
            spec.grade = spec.grade.max(grade(bench, least)?);
        }
        if let Some(models) = &team.models {
            spec.models = Models::only(models);
        }
        spec.team = Some(name.as_str().into());
    }
    let table = KeyTable::build([spec], None, u64::try_from(now_ms).unwrap_or(0));
    let made = table.by_id(NOBODY).cloned();
    made.ok_or_else(|| "the key could not be made up".to_owned())
}
