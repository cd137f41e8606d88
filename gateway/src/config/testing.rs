//! What the tests of the config share: a book of made-up vendors, and a way from text to snapshot.

use std::path::Path;
use std::time::SystemTime;

use policies::limit::Books;

use super::build::{Built, Ground, build};
use super::load::load_text;
use super::problem::Problem;
use super::vendors::{VendorBook, VendorInfo};

/// Six vendors: a service, a runtime, one with two secrets and ways to authenticate, one without an address, one with
/// regions, one over a WebSocket.
pub(crate) struct Book;

const BOOK: [VendorInfo; 6] = [
    VendorInfo {
        name: "acme",
        default_base_url: Some("https://api.acme.example/v1"),
        needs_api_key: true,
        needs_secret_key: false,
        needs_region: false,
        needs_app_id: false,
        token_url: None,
        self_hosted: false,
        auth_modes: &[],
        websocket: false,
        lists_models: false,
    },
    VendorInfo {
        name: "runtime",
        default_base_url: None,
        needs_api_key: false,
        needs_secret_key: false,
        needs_region: false,
        needs_app_id: false,
        token_url: None,
        self_hosted: true,
        auth_modes: &[],
        websocket: false,
        lists_models: true,
    },
    VendorInfo {
        name: "twofold",
        default_base_url: Some("https://twofold.example"),
        needs_api_key: true,
        needs_secret_key: true,
        needs_region: false,
        needs_app_id: false,
        token_url: None,
        self_hosted: false,
        auth_modes: &["bearer", "jwt"],
        websocket: false,
        lists_models: false,
    },
    VendorInfo {
        name: "compatible",
        default_base_url: None,
        needs_api_key: false,
        needs_secret_key: false,
        needs_region: false,
        needs_app_id: false,
        token_url: None,
        self_hosted: false,
        auth_modes: &[],
        websocket: false,
        lists_models: false,
    },
    VendorInfo {
        name: "regional",
        default_base_url: Some("https://api.{region}.example"),
        needs_api_key: true,
        needs_secret_key: true,
        needs_region: true,
        needs_app_id: false,
        token_url: Some("https://tokens.{region}.example"),
        self_hosted: false,
        auth_modes: &["signed", "bearer"],
        websocket: false,
        lists_models: false,
    },
    VendorInfo {
        name: "talker",
        default_base_url: Some("wss://talker.example"),
        needs_api_key: false,
        needs_secret_key: false,
        needs_region: false,
        needs_app_id: false,
        token_url: None,
        self_hosted: false,
        auth_modes: &[],
        websocket: true,
        lists_models: false,
    },
];

impl VendorBook for Book {
    fn info(&self, name: &str) -> Option<VendorInfo> {
        BOOK.into_iter().find(|info| info.name == name)
    }

    fn fetches_tokens(&self, name: &str, auth: &str) -> bool {
        name == "regional" && auth != "signed"
    }

    fn unusable(&self, _: &str, credential: &adapters::Credential<'_>) -> Option<String> {
        (credential.api_key == "unusable").then(|| "it is made up".into())
    }

    fn names(&self) -> Vec<&'static str> {
        BOOK.iter().map(|info| info.name).collect()
    }
}

/// The environment of tests.
pub(crate) fn env(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("sk-planted-in-env".into()),
        _ => None,
    }
}

/// Builds `text` at the beginning of 2026-12.
pub(crate) fn built(text: &str) -> Result<Built, Vec<Problem>> {
    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_796_083_200);
    let loaded = load_text("y.yaml", text, Path::new("/nowhere"), &env)?;
    build(
        &loaded,
        &Ground {
            book: &Book,
            books: &Books::default(),
            before: None,
            now,
            found: None,
        },
    )
}

/// The lines of problems.
pub(crate) fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// SHA-256 of `ym-demo`.
pub(crate) const DEMO_HASH: &str =
    "sha256:297832a5d945e7598e3f5d7b9a6360322673119ed49d687286a68c2944636a46";

/// A config that uses most of what there is.
pub(crate) const FULL: &str = r#"
listen: 127.0.0.1:0
admin: { listen: "127.0.0.1:0", token: "${KEY}" }
providers:
  far:   { vendor: acme, api_key: "${KEY}", location: overseas, clearance: internal, headers: { x-org: hidden-org } }
  near:  { vendor: runtime, base_url: "http://10.0.0.7:8000/", clearance: restricted, http2: true }
  other: { vendor: twofold, api_key: planted-a, secret_key: planted-b, auth: jwt }
models:
  assistant:
    timeouts: { total: 60s }
    targets:
      - { provider: near, model: qwen, priority: 3 }
      - { provider: far, model: max, weight: 3 }
      - { provider: other, model: plus }
  small: { targets: [ { provider: near, model: small } ], lossy: drop }
teams:
  retail: { models: [assistant], grade: internal, limits: { rpm: 600, concurrent: 50 } }
keys:
  - { id: crm-bot, team: retail, hash: "sha256:297832a5d945e7598e3f5d7b9a6360322673119ed49d687286a68c2944636a46", expires: 2027-01-01, limits: { rpm: 60 } }
  - { id: admin, hash: "sha256:54e4424b7a9b1cfdd30ec74c0841af11641fe04e2587f795b07ccb7d62c3c47f", grade: restricted }
"#;
