//! The admin endpoint without a socket: who may ask what, and what is answered.

use super::*;
use crate::access::{Access, Keyring};
use crate::config::schema::Role;
use crate::config::testing::{Book, FULL, env};
use http_body_util::BodyExt as _;
use journal::Journal;
use journal::clock::{Clock, SystemClock};
use journal::index::NoBodies;
use journal::seal::LocalKek;
use policies::access::token::{digest, show_digest};

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
    let store = Arc::new(store);
    let metrics = Metrics::new("0", "0", store.counters());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let settings = journal::Config {
        reserve_bytes: journal::CLOSING_ROOM,
        ..journal::Config::new(dir.path().join("audit"), 1)
    };
    let (journal, _) = Journal::open(settings, Arc::clone(&clock)).unwrap();
    let audit = dir.path().join("audit");
    let kek = LocalKek::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    let payloads = Payloads::new(
        &audit.display().to_string(),
        Arc::new(kek),
        Arc::clone(&journal),
    );
    let searches = Searches::new(
        Arc::clone(&journal),
        audit,
        None,
        Arc::new(NoBodies),
        Arc::clone(&clock),
    );
    Bench {
        _dir: dir,
        path,
        state: Arc::new(AdminState {
            refresh: Box::new(|| ()),
            payloads: Arc::new(payloads),
            searches: Arc::new(searches),
            visits: Visits::new(Arc::clone(&journal), clock),
            keys: Desk::new(Access {
                keyring: Arc::new(Keyring::open(&store.load().state).unwrap()),
                store: Arc::clone(&store),
                journal,
            }),
            failures: Arc::default(),
            config: store,
            metrics: Arc::new(metrics),
            ready,
            ledger: Ledger::Memory,
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
        let response = answer(
            request.body(http_body_util::Empty::new()).unwrap(),
            peer,
            Arc::clone(&self.state),
        )
        .await;
        let status = response.status().as_u16();
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

const LOCAL: (&str, &str) = ("host", "127.0.0.1:9090");
const TOKEN: (&str, &str) = ("authorization", "Bearer sk-planted-in-env");

/// Tokens of this endpoint could be guessed at without end.
#[tokio::test]
async fn who_guesses_at_admin_tokens_is_told_to_come_later() {
    let bench = bench(FULL, Vec::new());
    let line = "GET /api/config";
    for n in 0..70 {
        // Schemes are the same in upper and lower case, and such guesses count as well.
        let scheme = ["Bearer", "bearer", "BEARER "][n % 3];
        let guess = format!("{scheme} guess-{n}");
        let expected = if n < 60 { 401 } else { 429 };
        let (status, _) = bench.ask(line, &[LOCAL, ("authorization", &guess)]).await;
        assert_eq!(status, expected, "{n}");
    }
    // No guess at all is no guess, and a good one is good.
    assert_eq!(bench.ask(line, &[LOCAL]).await.0, 401);
    assert_eq!(bench.ask(line, &[LOCAL, TOKEN]).await.0, 200);
    let lower = TOKEN.1.replace("Bearer", "bearer");
    let lower = [LOCAL, ("authorization", &lower)];
    assert_eq!(bench.ask(line, &lower).await.0, 200);
}

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

#[tokio::test]
async fn the_log_is_searched_and_that_is_written_down() {
    let bench = bench(FULL, Vec::new());
    let journal = Arc::clone(&bench.state.searches.journal);
    for n in 0..5 {
        let denial = journal::Denial {
            who: journal::Asker {
                id: &format!("r{n}"),
                key: ["crm", "=evil\u{202e}\n"][n % 2],
                ..journal::Asker::default()
            },
            status: 403,
            ..journal::Denial::default()
        };
        journal.deny(0, &denial).unwrap();
    }
    let ask = async |line: &str| {
        let (status, body) = bench.ask(&format!("GET {line}"), &[LOCAL, TOKEN]).await;
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(
            !body
                .chars()
                .any(|c| c != '\n' && journal::inert::is_active(c)),
            "{body}"
        );
        (status, json)
    };
    let (status, first) = ask("/api/audit/entries?kind=denial&limit=2").await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(first["entries"][0]["id"], "r4");
    assert_eq!(first["entries"].as_array().unwrap().len(), 2);
    let cursor = first["next"].as_str().unwrap();
    let (_, rest) = ask(&format!("/api/audit/entries?kind=denial&cursor={cursor}")).await;
    assert_eq!(rest["entries"][0]["id"], "r2");
    assert_eq!(rest["next"], serde_json::Value::Null);
    let (_, evil) = ask("/api/audit/entries?key=%3Devil%E2%80%AE%0A").await;
    assert_eq!(evil["entries"].as_array().unwrap().len(), 2);
    let (_, one) = ask("/api/audit/entries/r3").await;
    assert_eq!(one["entry"]["status"], 403);
    let index = one["entry"]["index"].as_u64().unwrap();
    assert_eq!(ask(&format!("/api/audit/entries/{index}")).await.1, one);
    let (_, stats) = ask("/api/audit/stats?bucket=1d&key=crm").await;
    assert_eq!(stats["buckets"][0]["by"]["status"]["403"], 3, "{stats}");
    for (line, status) in [
        ("/api/audit/entries?nmae=x", 400),
        ("/api/audit/entries?limit=0", 400),
        ("/api/audit/entries?limit=1001", 400),
        ("/api/audit/entries?cursor=x", 400),
        ("/api/audit/entries?from=soon", 400),
        ("/api/audit/entries?key=%ff", 400),
        ("/api/audit/entries/nobody", 404),
        ("/api/audit/entries/a/b", 404),
        ("/api/audit/stats?text=x", 400),
        ("/api/audit/stats?bucket=0s", 400),
    ] {
        let (got, body) = ask(line).await;
        assert_eq!(got, status, "{line}: {body}");
        assert!(body["error"]["message"].is_string(), "{line}: {body}");
    }
    // Every one of those that was answered is an entry.
    let (_, searches) = ask("/api/audit/entries?what=search&limit=100").await;
    let told = searches["entries"].as_array().unwrap();
    assert!(told.iter().any(|entry| entry["detail"] == "kind=denial"));
    assert!(told.iter().any(|entry| entry["detail"] == "entry nobody"));
    assert!(told.iter().all(|entry| entry["origin"] == "127.0.0.1"));
}

#[tokio::test]
async fn the_document_has_every_route() {
    let bench = bench(FULL, Vec::new());
    let (status, body) = bench.ask("GET /api/openapi.json", &[LOCAL, TOKEN]).await;
    assert_eq!(status, 200);
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    for route in routes::ROUTES {
        let method = route.method.as_str().to_ascii_lowercase();
        let operation = &document["paths"][route.path][&method];
        assert!(operation["summary"].is_string(), "{}", route.path);
        assert_eq!(operation["security"].is_array(), route.needs.is_some());
        assert_eq!(route.needs.is_some(), route.path.starts_with("/api/"));
    }
    let properties = &document["components"]["schemas"]["Entry"]["properties"];
    assert_eq!(
        properties["findings"]["additionalProperties"]["type"],
        "integer"
    );
    let parameters = document["paths"]["/api/audit/entries"]["get"]["parameters"].to_string();
    assert!(parameters.contains("\"verdict\"") && parameters.contains("\"cursor\""));
}

/// `FULL`, with a token of each role, and what else `admin` says.
fn with_roles(more: &str) -> String {
    let tokens: Vec<String> = Role::ALL
        .iter()
        .map(|role| {
            let role = role.as_str();
            let hash = show_digest(&digest(format!("ym-admin-{role}").as_bytes()));
            format!("{{ name: {role}-1, role: {role}, hash: \"{hash}\" }}")
        })
        .collect();
    let admin = format!("tokens: [ {} ]{more}", tokens.join(", "));
    FULL.replace("token: \"${KEY}\"", &admin)
}

#[tokio::test]
async fn each_role_may_what_its_duty_is() {
    let bench = bench(&with_roles(", token: \"${KEY}\""), Vec::new());
    for route in routes::ROUTES {
        let line = format!("{} {}", route.method, route.path.replace("{id}", "nobody"));
        for role in Role::ALL {
            let token = format!("Bearer ym-admin-{}", role.as_str());
            let (status, body) = bench.ask(&line, &[LOCAL, ("authorization", &token)]).await;
            let allowed = route.needs.is_none_or(|needs| needs.contains(&role));
            assert_eq!(
                status != 403,
                allowed,
                "{line} by {role:?}: {status} {body}"
            );
            assert_ne!(status, 401, "{line} by {role:?}");
        }
        // The one token may do everything.
        let (status, _) = bench.ask(&line, &[LOCAL, TOKEN]).await;
        assert!(![401, 403].contains(&status), "{line}: {status}");
    }
    // What is not there needs a token too, whichever.
    let viewer = ("authorization", "Bearer ym-admin-viewer");
    assert_eq!(bench.ask("GET /api/no", &[LOCAL, viewer]).await.0, 404);
    assert_eq!(bench.ask("GET /api/no", &[LOCAL]).await.0, 401);
    let auditor = ("authorization", "Bearer ym-admin-auditor");
    let searches = "GET /api/audit/entries?what=search&limit=100";
    let (_, searches) = bench.ask(searches, &[LOCAL, auditor]).await;
    assert!(searches.contains("\"actor\":\"auditor-1\""), "{searches}");
}

#[tokio::test]
async fn a_named_token_ends() {
    let text = with_roles("").replace("role: operator,", "role: operator, expires: 2026-01-01,");
    let bench = bench(&text, Vec::new());
    let ask = async |token| bench.ask("GET /api/config", &[LOCAL, token]).await;
    let gone = ask(("authorization", "Bearer ym-admin-operator")).await;
    let wrong = ask(("authorization", "Bearer ym-admin-nobody")).await;
    assert_eq!((gone.0, &gone), (401, &wrong));
    assert_eq!(
        ask(("authorization", "Bearer ym-admin-auditor")).await.0,
        200
    );
    assert_eq!(ask(TOKEN).await.0, 401);
}

/// A search that its client left went on, and its place was given to another: there was no bound on searches any more.
#[tokio::test]
async fn a_search_keeps_its_place_when_its_client_leaves() {
    let bench = bench(FULL, Vec::new());
    let searches = &bench.state.searches;
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = Arc::new(std::sync::Mutex::new(gone));
    let refused = async || {
        let quick = searches.run(|_| Ok(Vec::new())).await;
        quick.is_err_and(|(status, _)| status == StatusCode::SERVICE_UNAVAILABLE)
    };
    for _ in 0..64 {
        if refused().await {
            break;
        }
        let gone = Arc::clone(&gone);
        let search = searches.run(move |_| {
            let _ = gone.lock().unwrap().recv();
            Ok(Vec::new())
        });
        let left = tokio::time::timeout(std::time::Duration::from_millis(20), search);
        assert!(left.await.is_err(), "it runs still");
    }
    assert!(refused().await, "sixty-four run at once");
    drop(go);
    while refused().await {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
