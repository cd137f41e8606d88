//! The admin endpoint's answers: health, readiness, metrics, and a first admin API.
//!
//! Knows no connection and no socket: a request goes in, a whole response comes out. Invariants: `/api/` answers nobody
//! without the admin token, and nobody at all if none is configured; a virtual key opens nothing here (T-46); the `Host`
//! header must be one we know (DNS rebinding, T-84); no answer holds a secret; health and readiness call out to nothing
//! (F-07).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use journal::inert::write_inert;
use serde::Serialize;
use serde_json::json;

use crate::audit::events::Visits;
use crate::audit::payload::{self, Payloads};
use crate::config::address::{Host, Listen};
use crate::config::build::unix_ms;
use crate::config::routing::Routing;
use crate::config::snapshot::{Admin, Snapshot};
use crate::config::watch::{self, ConfigStore};
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
    /// What this build calls itself.
    pub version: &'static str,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// Path, method, and whether the token is needed.
const ROUTES: [(&str, Method, bool); 6] = [
    ("/", Method::GET, false),
    ("/healthz", Method::GET, false),
    ("/readyz", Method::GET, false),
    ("/metrics", Method::GET, false),
    ("/api/config", Method::GET, true),
    ("/api/reload", Method::POST, true),
];

/// Answers `request` of `peer`, whose body is not read.
pub async fn answer<B>(
    request: Request<B>,
    peer: IpAddr,
    state: Arc<AdminState>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    drop(body);
    let snapshot = state.config.load();
    if let Err((status, why)) = known_host(&head, &snapshot.admin) {
        return refuse(status, why);
    }
    let path = head.uri.path();
    if let Some(id) = payload::id_in(path) {
        if let Err(refusal) = known_token(&head.headers, &snapshot) {
            state.visits.failed(&peer.to_string());
            return refusal;
        }
        return unsealed(&state, &head, id, peer).await;
    }
    let Some((_, method, guarded)) = ROUTES.iter().find(|(known, ..)| *known == path) else {
        // The same for every path below /api/, so that nobody without the token learns what there is.
        if path.starts_with("/api/")
            && let Err(refusal) = known_token(&head.headers, &snapshot)
        {
            state.visits.failed(&peer.to_string());
            return refusal;
        }
        return refuse(StatusCode::NOT_FOUND, "there is nothing here");
    };
    if *guarded && let Err(refusal) = known_token(&head.headers, &snapshot) {
        state.visits.failed(&peer.to_string());
        return refusal;
    }
    let fits = head.method == *method || (*method == Method::GET && head.method == Method::HEAD);
    if !fits {
        let mut refusal = refuse(StatusCode::METHOD_NOT_ALLOWED, "not by this method");
        if let Ok(allow) = HeaderValue::from_str(method.as_str()) {
            refusal.headers_mut().insert(header::ALLOW, allow);
        }
        return refusal;
    }
    match path {
        "/" => reply(StatusCode::OK, HTML, PAGE),
        "/healthz" => reply(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => readiness(&state.ready),
        "/metrics" => {
            (state.refresh)();
            reply(StatusCode::OK, CONTENT_TYPE, state.metrics.encode())
        }
        "/api/config" => config(&snapshot, state.version),
        _ => {
            // The token is one for all who have it: the address is what tells them apart.
            let what = format!("{method} {path}");
            state.visits.acts("admin", &peer.to_string(), &what);
            reload(&state).await
        }
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

#[expect(
    clippy::result_large_err,
    reason = "the error is the answer, made once"
)]
fn known_token(headers: &HeaderMap, snapshot: &Snapshot) -> Result<(), Response<Full<Bytes>>> {
    let Some(token) = &snapshot.admin.token else {
        return Err(refuse(
            StatusCode::FORBIDDEN,
            "the admin API is closed: the config sets no admin.token",
        ));
    };
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let bearer = match (given.next(), given.next()) {
        (Some(one), None) => one.as_bytes().strip_prefix(b"Bearer "),
        _ => None,
    };
    if bearer.is_some_and(|bearer| token.matches(bearer)) {
        return Ok(());
    }
    let mut refusal = refuse(
        StatusCode::UNAUTHORIZED,
        "the admin token is missing or wrong",
    );
    let challenge = HeaderValue::from_static("Bearer");
    refusal
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    Err(refusal)
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
    peer: IpAddr,
) -> Response<Full<Bytes>> {
    if head.method != Method::GET {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "not by this method");
    }
    let payloads = Arc::clone(&state.payloads);
    let (id, query) = (
        id.to_owned(),
        head.uri.query().unwrap_or_default().to_owned(),
    );
    let answer = move || payloads.answer(&id, &query, &peer.to_string());
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
<dt>POST /api/reload</dt><dd>reads the config file again (admin token)</dd>
</dl>
</html>
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{Book, FULL, env};
    use http_body_util::BodyExt as _;
    use journal::Journal;
    use journal::clock::{Clock, SystemClock};
    use journal::seal::LocalKek;

    struct Bench {
        _dir: tempfile::TempDir,
        path: std::path::PathBuf,
        state: Arc<AdminState>,
    }

    fn bench(text: &str, ready: Vec<Ready>) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("y.yaml");
        std::fs::write(&path, text).unwrap();
        let (store, _) = ConfigStore::open(&path, Box::new(env), Arc::new(Book)).unwrap();
        let metrics = Metrics::new("0", "0", store.counters());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let settings = journal::Config {
            reserve_bytes: journal::CLOSING_ROOM,
            ..journal::Config::new(dir.path().join("audit"), 1)
        };
        let (journal, _) = Journal::open(settings, Arc::clone(&clock)).unwrap();
        let audit = dir.path().join("audit").display().to_string();
        let kek = LocalKek::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        let payloads = Payloads::new(&audit, Arc::new(kek), Arc::clone(&journal));
        Bench {
            _dir: dir,
            path,
            state: Arc::new(AdminState {
                refresh: Box::new(|| ()),
                payloads: Arc::new(payloads),
                visits: Visits::new(journal, clock),
                config: Arc::new(store),
                metrics: Arc::new(metrics),
                ready,
                version: "0.1.0",
            }),
        }
    }

    impl Bench {
        async fn ask(&self, line: &str, headers: &[(&str, &str)]) -> (u16, String) {
            let (method, path) = line.split_once(' ').unwrap();
            let mut request = Request::builder().method(method).uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let peer = [127, 0, 0, 1].into();
            let response = answer(request.body(()).unwrap(), peer, Arc::clone(&self.state)).await;
            let status = response.status().as_u16();
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }
    }

    const LOCAL: (&str, &str) = ("host", "127.0.0.1:9090");
    const TOKEN: (&str, &str) = ("authorization", "Bearer sk-planted-in-env");

    #[tokio::test]
    async fn routes_and_methods() {
        let bench = bench(FULL, Vec::new());
        for (line, status, part) in [
            ("GET /healthz", 200, "ok"),
            ("HEAD /healthz", 200, ""),
            ("GET /readyz", 200, "\"ready\":true"),
            ("GET /metrics", 200, "yumen_build_info"),
            ("GET /", 200, "/metrics"),
            ("POST /healthz", 405, "method"),
            ("GET /api/reload", 405, "method"),
            ("GET /nothing", 404, "nothing here"),
            ("GET /api/nothing", 404, "nothing here"),
            ("GET /healthz/", 404, "nothing here"),
            ("GET /api/config", 200, "\"assistant\""),
            ("POST /api/reload", 200, "\"version\":2"),
        ] {
            let (got, body) = bench.ask(line, &[LOCAL, TOKEN]).await;
            assert_eq!(got, status, "{line}: {body}");
            assert!(body.contains(part), "{line}: {body}");
            assert!(!body.contains("planted"), "{line}: {body}");
        }
    }

    #[tokio::test]
    async fn the_api_needs_its_token() {
        let open = bench(FULL, Vec::new());
        for headers in [
            &[LOCAL][..],
            &[LOCAL, ("authorization", "Bearer ym-demo")],
            &[LOCAL, ("authorization", "sk-planted-in-env")],
            &[LOCAL, ("x-api-key", "sk-planted-in-env")],
            &[LOCAL, TOKEN, TOKEN],
        ] {
            for line in ["GET /api/config", "POST /api/reload", "GET /api/nothing"] {
                assert_eq!(open.ask(line, headers).await.0, 401, "{line} {headers:?}");
            }
        }
        let closed = bench(&FULL.replace(", token: \"${KEY}\"", ""), Vec::new());
        let (status, body) = closed.ask("GET /api/config", &[LOCAL, TOKEN]).await;
        assert_eq!(status, 403, "{body}");
    }

    #[tokio::test]
    async fn hosts() {
        let inner = bench(FULL, Vec::new());
        let text = FULL.replace(
            "listen: \"127.0.0.1:0\"",
            "hosts: [Admin.Example], listen: \"0.0.0.0:0\"",
        );
        let outer = bench(&text, Vec::new());
        for (host, at_inner, at_outer) in [
            ("localhost", 200, 200),
            ("[::1]:9090", 200, 200),
            ("10.0.0.1:9090", 403, 200),
            ("admin.example:9090", 403, 200),
            ("evil.example", 403, 403),
            ("", 400, 400),
            ("a b", 400, 400),
            ("localhost@evil.example", 400, 400),
        ] {
            assert_eq!(
                inner.ask("GET /healthz", &[("host", host)]).await.0,
                at_inner,
                "{host}"
            );
            assert_eq!(
                outer.ask("GET /healthz", &[("host", host)]).await.0,
                at_outer,
                "{host}"
            );
        }
        assert_eq!(inner.ask("GET /healthz", &[]).await.0, 400);
        assert_eq!(inner.ask("GET /healthz", &[LOCAL, LOCAL]).await.0, 400);
        // HTTP/2: the authority takes the header's place.
        assert_eq!(
            inner.ask("GET http://localhost:1/healthz", &[]).await.0,
            200
        );
    }

    #[tokio::test]
    async fn not_ready_says_why() {
        let ready: Vec<Ready> = vec![
            Box::new(|| Ok(())),
            Box::new(|| Err("draining")),
            Box::new(|| Err("audit_unavailable")),
        ];
        let (status, body) = bench(FULL, ready).ask("GET /readyz", &[LOCAL]).await;
        assert_eq!(status, 503);
        assert_eq!(
            body,
            "{\"ready\":false,\"reasons\":[\"draining\",\"audit_unavailable\"]}\n"
        );
    }

    #[tokio::test]
    async fn a_refused_reload_says_where() {
        let bench = bench(FULL, Vec::new());
        std::fs::write(&bench.path, FULL.replace("weight: 3", "wieght: 3")).unwrap();
        let (status, body) = bench.ask("POST /api/reload", &[LOCAL, TOKEN]).await;
        assert_eq!(status, 422);
        assert!(
            body.contains("\"suggestion\":\"weight\"") && body.contains("\"line\":13"),
            "{body}"
        );
        let (_, metrics) = bench.ask("GET /metrics", &[LOCAL]).await;
        assert!(metrics.contains("yumen_config_reload_failures_total 1"));
    }
}
