//! The admin endpoint's answers: health, readiness, metrics, and the admin API.
//!
//! Knows no connection and no socket: a request goes in, a whole response comes out. Invariants: `/api/` answers nobody
//! without a token that has the role ([`visitor`]), and nobody at all if none is configured; the `Host`
//! header must be one we know (DNS rebinding, T-84); no answer holds a secret; health and readiness call out to nothing
//! (F-07).

mod access;
mod audit;
mod money;
mod openapi;
mod query;
mod routes;
#[cfg(test)]
mod tests;
mod visitor;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use journal::inert::write_inert;
use ledger::Ledger;
use policies::limit::level::Now;
use serde::Serialize;
use serde_json::json;

pub use access::Desk;
pub use audit::Searches;
use visitor::Visitor;

use routes::{Found, Route, Takes};

use crate::access::{Who, holds_secret};
use crate::audit::events::{Attempt, Visits};
use crate::audit::payload::Payloads;
use crate::config::address::{Host, Listen};
use crate::config::build::unix_ms;
use crate::config::routing::Routing;
use crate::config::snapshot::{Admin, Snapshot};
use crate::config::watch::{self, ConfigStore};
use crate::failures::Failures;
use crate::telemetry::metrics::{CONTENT_TYPE, Metrics};

/// One thing that must hold for us to take requests; else says why not, in a word or two.
pub type Ready = Box<dyn Fn() -> Result<(), &'static str> + Send + Sync>;

/// What the answers are made from.
pub struct AdminState {
    /// The running config.
    pub config: Arc<ConfigStore>,
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// What must hold: not draining, the journal can be written.
    pub ready: Vec<Ready>,
    /// Brings metrics that are counted elsewhere up to date, before they are shown.
    pub refresh: Box<dyn Fn() + Send + Sync>,
    /// Writes down who comes.
    pub visits: Visits,
    /// Shows what was kept of a request, to who says why.
    pub payloads: Arc<Payloads>,
    /// Searches of the audit log.
    pub searches: Arc<Searches>,
    /// Where limits are counted.
    pub ledger: Ledger,
    /// Keys and teams.
    pub keys: Arc<Desk>,
    /// Wrong credentials, by address: the same that listeners of requests count.
    pub failures: Arc<Failures>,
    /// What this build calls itself.
    pub version: &'static str,
}

/// Longest body of a request.
const BODY_BYTES_MAX: usize = 256 << 10;
/// Time for a body to come.
const BODY_TIME: Duration = Duration::from_secs(10);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// What a route answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    Page,
    Health,
    Readiness,
    Metrics,
    Config,
    Reload,
    OpenApi,
    Entries,
    Entry,
    Payload,
    Stats,
    Usage,
    Budgets,
    Explain,
    Access(access::Op),
}

impl AdminState {
    fn now(&self) -> Now {
        let clock = &self.searches.clock;
        Now {
            mono_ns: clock.mono_ns(),
            wall_ms: clock.wall_ms(),
        }
    }
}

/// Answers `request` of `peer`; a body is read only where a route wants one, and only of who may ask.
pub async fn answer<B>(
    request: Request<B>,
    peer: IpAddr,
    state: Arc<AdminState>,
) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let (head, body) = request.into_parts();
    let snapshot = state.config.load();
    if let Err((status, why)) = known_host(&head, &snapshot.admin) {
        return refuse(status, why);
    }
    let path = head.uri.path();
    let found = routes::find(&head.method, path);
    // The same for every path below /api/, so that nobody without a token learns what there is.
    let needs = match &found {
        Found::Route(route, _) => route.needs,
        Found::Methods(needs, _) => *needs,
        Found::Nothing if path.starts_with("/api/") => visitor::ANYBODY,
        Found::Nothing => visitor::OPEN,
    };
    let visitor = match needs {
        None => None,
        Some(_) => match visitor::enter(&head.headers, peer, &state).await {
            Ok(visitor) => Some(visitor),
            Err(refusal) => {
                state.visits.failed(&peer.to_string());
                return refusal;
            }
        },
    };
    let (route, id) = match found {
        Found::Route(route, id) => (route, id),
        Found::Methods(_, methods) => return wrong_method(&methods),
        Found::Nothing => return refuse(StatusCode::NOT_FOUND, "there is nothing here"),
    };
    let Some(visitor) = visitor else {
        return open(route.answers, &state);
    };
    if !visitor.may(needs) {
        let detail = format!("{} {}: {}", route.method, route.path, visitor::lacks(needs));
        // Whatever somebody without the role put there: a key that was pasted is not written down.
        let name = query::decoded(id).filter(|id| !holds_secret(id));
        state.visits.denied(Attempt {
            actor: visitor.name.into(),
            origin: visitor.origin,
            name: name.unwrap_or_default(),
            detail,
        });
        return refuse(StatusCode::FORBIDDEN, &visitor::lacks(needs));
    }
    let body = match route.takes {
        Takes::Nothing => Bytes::new(),
        Takes::Json(_) => match whole(body).await {
            Ok(body) => body,
            Err((status, why)) => return refuse(status, why),
        },
    };
    serve(&state, &head, (route, id), visitor, body).await
}

/// Answers somebody who may ask.
async fn serve(
    state: &AdminState,
    head: &Parts,
    (route, id): (&Route, &str),
    visitor: Visitor,
    body: Bytes,
) -> Response<Full<Bytes>> {
    let query = head.uri.query().unwrap_or_default();
    match route.answers {
        Answers::Config => config(&state.config.load(), state.version),
        Answers::OpenApi => json(StatusCode::OK, &openapi::document(state.version)),
        Answers::Entries | Answers::Entry | Answers::Stats => {
            searched(state, route.answers, visitor, query, id).await
        }
        Answers::Usage => money::usage(state, &visitor, query).await,
        Answers::Budgets => money::budgets(state, &visitor).await,
        Answers::Explain => money::explain(state, visitor, id, query).await,
        Answers::Payload => unsealed(state, head, id, visitor).await,
        Answers::Reload => {
            // One token is for all who have it: the address is what tells them apart.
            let what = format!("{} {}", head.method, head.uri.path());
            state.visits.acts(&visitor.name, &visitor.origin, &what);
            reload(state).await
        }
        Answers::Access(op) => {
            let who = Who {
                name: visitor.name.into(),
                origin: visitor.origin,
            };
            let (status, told) = state.keys.serve(op, who, (id, query), body).await;
            json(status, &told)
        }
        open_to_all => open(open_to_all, state),
    }
}

fn wrong_method(methods: &str) -> Response<Full<Bytes>> {
    let mut refusal = refuse(StatusCode::METHOD_NOT_ALLOWED, "not by this method");
    if let Ok(allow) = HeaderValue::from_str(methods) {
        refusal.headers_mut().insert(header::ALLOW, allow);
    }
    refusal
}

/// What anybody may see who reaches the endpoint.
fn open(answers: Answers, state: &AdminState) -> Response<Full<Bytes>> {
    match answers {
        Answers::Page => reply(StatusCode::OK, HTML, PAGE),
        Answers::Health => reply(StatusCode::OK, TEXT, "ok\n"),
        Answers::Readiness => readiness(&state.ready),
        Answers::Metrics => {
            (state.refresh)();
            reply(StatusCode::OK, CONTENT_TYPE, state.metrics.encode())
        }
        // A route that was left open by mistake shows nothing.
        _ => refuse(StatusCode::NOT_FOUND, "there is nothing here"),
    }
}

/// A body, whole.
async fn whole<B>(body: B) -> Result<Bytes, (StatusCode, &'static str)>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let body = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_TIME, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err((
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is longer than 256 KiB",
        )),
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body does not come")),
    }
}

/// What the audit log says.
async fn searched(
    state: &AdminState,
    answers: Answers,
    visitor: Visitor,
    query: &str,
    id: &str,
) -> Response<Full<Bytes>> {
    let (query, id) = (query.to_owned(), id.to_owned());
    let search = move |searches: &Searches| match answers {
        Answers::Entry => searches.entry(&visitor, &id),
        Answers::Stats => searches.stats(&visitor, &query),
        _ => searches.entries(&visitor, &query),
    };
    match state.searches.run(search).await {
        Ok(body) => reply(StatusCode::OK, JSON, body),
        Err((status, why)) => refuse(status, &why),
    }
}

/// Whether the request is addressed to us. `Host` for HTTP/1.1, the authority for HTTP/2.
fn known_host(
    head: &http::request::Parts,
    admin: &Admin,
) -> Result<(), (StatusCode, &'static str)> {
    const BAD: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "the host is missing or not valid");
    let mut given = head.headers.get_all(header::HOST).iter();
    let text = match (given.next(), given.next(), head.uri.authority()) {
        (Some(host), None, _) => host.to_str().map_err(|_| BAD)?,
        (None, None, Some(authority)) => authority.as_str(),
        _ => return Err(BAD),
    };
    // Without a port, `host:port` has one made up.
    let listen = Listen::parse(text)
        .or_else(|_| Listen::parse(&format!("{text}:0")))
        .map_err(|_| BAD)?;
    let known = listen.host.is_loopback()
        || listen.host == admin.listen.host
        || match &listen.host {
            // An attacker can make a name resolve to us, but not an address. Probes come by address.
            Host::Ip(_) => is_unspecified(&admin.listen.host),
            Host::Name(name) => admin.hosts.iter().any(|host| **host == **name),
        };
    if known {
        Ok(())
    } else {
        Err((
            StatusCode::FORBIDDEN,
            "this host is not in admin.hosts of the config",
        ))
    }
}

fn is_unspecified(host: &Host) -> bool {
    matches!(host, Host::Ip(ip) if IpAddr::is_unspecified(ip))
}

fn readiness(ready: &[Ready]) -> Response<Full<Bytes>> {
    let reasons: Vec<&str> = ready.iter().filter_map(|check| check().err()).collect();
    if reasons.is_empty() {
        return json(StatusCode::OK, &json!({ "ready": true }));
    }
    json(
        StatusCode::SERVICE_UNAVAILABLE,
        &json!({ "ready": false, "reasons": reasons }),
    )
}

fn config(snapshot: &Snapshot, version: &str) -> Response<Full<Bytes>> {
    json(
        StatusCode::OK,
        &json!({
            "yumen": version,
            "version": snapshot.version,
            "fingerprint": snapshot.fingerprint,
            "loaded_at_ms": unix_ms(snapshot.loaded_at),
            "age_s": age_s(snapshot.loaded_at),
            "routing": Routing::of(snapshot),
        }),
    )
}

fn age_s(since: SystemTime) -> u64 {
    since.elapsed().map_or(0, |age| age.as_secs())
}

/// What was kept of a request.
async fn unsealed(
    state: &AdminState,
    head: &http::request::Parts,
    id: &str,
    visitor: Visitor,
) -> Response<Full<Bytes>> {
    let payloads = Arc::clone(&state.payloads);
    let (id, query) = (
        id.to_owned(),
        head.uri.query().unwrap_or_default().to_owned(),
    );
    let answer = move || payloads.answer(&id, &query, (&visitor.name, &visitor.origin));
    let Ok((status, told)) = tokio::task::spawn_blocking(answer).await else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the reading panicked");
    };
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = write_inert(&mut text, &told.to_string());
    reply(status, JSON, text)
}

async fn reload(state: &AdminState) -> Response<Full<Bytes>> {
    let store = Arc::clone(&state.config);
    let Ok(outcome) = tokio::task::spawn_blocking(move || store.reload("api")).await else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the reload panicked");
    };
    watch::log("api", &outcome);
    match outcome {
        Ok(report) => json(StatusCode::OK, &report),
        Err(problems) => json(
            StatusCode::UNPROCESSABLE_ENTITY,
            &json!({
                "error": { "message": "the config cannot be used; the running one stays" },
                "problems": problems,
            }),
        ),
    }
}

fn refuse(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    json(status, &json!({ "error": { "message": message } }))
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    reply(status, JSON, text)
}

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

const PAGE: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>yumen admin</title>
<h1>yumen</h1>
<p>The admin endpoint of this gateway. Applications talk to the data endpoint, not to this one.</p>
<dl>
<dt><a href=\"/healthz\">/healthz</a></dt><dd>the process is alive</dd>
<dt><a href=\"/readyz\">/readyz</a></dt><dd>it takes requests; 503 while it drains or cannot write its audit log</dd>
<dt><a href=\"/metrics\">/metrics</a></dt><dd>for Prometheus</dd>
<dt>GET /api/config</dt><dd>the running config's version and routing table (admin token)</dd>
<dt>GET /api/audit/entries, /api/audit/entries/{id}, /api/audit/stats</dt><dd>what the audit log says (admin token)</dd>
<dt>/api/keys, /api/keys/{id}, /api/keys/{id}/rotate, /api/teams, /api/teams/{id}</dt><dd>keys and teams: list, make, change, rotate, revoke (admin token)</dd>
<dt>GET /api/openapi.json</dt><dd>all of this for tools (admin token)</dd>
<dt>POST /api/reload</dt><dd>reads the config file again (admin token)</dd>
</dl>
</html>
";
