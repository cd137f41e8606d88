//! A running gateway's admin API, asked from the command line.
//!
//! Knows the token and never shows it. Invariants: redirects are not followed; waits and answers are bounded.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode, header};

use crate::audit::http::{Caller, Tls};
use crate::config::load::{SECRET_BYTES_MAX, read_bounded};
use crate::config::snapshot::ClientTls;

/// Where a gateway on this machine has its admin endpoint.
const ADMIN: &str = "http://127.0.0.1:9090";

/// Where the gateway is, and how to come in.
#[derive(Debug, Default, Args)]
pub(super) struct AdminArgs {
    /// The admin endpoint of a running gateway, such as http://127.0.0.1:9090
    #[arg(long, value_name = "URL")]
    pub(super) admin: Option<String>,
    /// A file with its token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Its token, best left in the environment
    #[arg(
        long,
        value_name = "TOKEN",
        env = "YUMEN_ADMIN_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
}

#[derive(serde::Deserialize)]
struct Refusal {
    error: Told,
}

#[derive(serde::Deserialize)]
struct Told {
    message: String,
}

impl AdminArgs {
    /// What the gateway answers to `GET path`, whose query is made of `pairs`. `None`: there is no such thing.
    pub(super) fn get(&self, path: &str, pairs: &[(&str, &str)]) -> anyhow::Result<Option<Bytes>> {
        let query: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let path = format!("{path}{mark}{}", query.join("&"));
        self.call(Method::GET, &path, Bytes::new())
    }

    /// What the gateway answers, at the usual address if none is given. `None`: there is no such thing.
    ///
    /// # Errors
    /// It does not answer, or refuses: then what it says.
    pub(super) fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Option<Bytes>> {
        let base = self.admin.as_deref().unwrap_or(ADMIN);
        let uri = format!("{}{path}", base.trim_end_matches('/'));
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(token) = self.token()? {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(body).map_err(|_| {
            anyhow::anyhow!("--admin: not an address such as http://127.0.0.1:9090")
        })?;
        let tls = crate::server::tls::client(&ClientTls::default(), false);
        let caller = Caller::new(Tls {
            client: tls.map_err(|_| anyhow::anyhow!("no roots to verify a certificate with"))?,
            server_name: None,
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let answer = runtime.block_on(caller.call(request));
        let answer = answer.with_context(|| format!("{base} does not answer"))?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer.into_body())),
            status => {
                let told = serde_json::from_slice::<Refusal>(answer.body());
                let told = told.map_or_else(|_| "no reason given".to_owned(), |t| t.error.message);
                bail!("{} {told}", status.as_u16())
            }
        }
    }

    fn token(&self) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.token_file else {
            return Ok(self.token.clone());
        };
        let bytes = read_bounded(path, SECRET_BYTES_MAX)
            .with_context(|| format!("`{}` cannot be read", path.display()))?;
        let text = String::from_utf8(bytes).context("the token is not text")?;
        Ok(Some(text.trim().to_owned()))
    }
}

/// A value as a path or a query has it.
pub(super) fn encoded(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
