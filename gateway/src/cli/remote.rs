//! A running gateway's admin API, asked from the command line.
//!
//! Knows the token and never shows it. Invariants: redirects are not followed; waits and answers are bounded.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::{Request, StatusCode, header};

use crate::audit::http::{Caller, Tls};
use crate::config::load::{SECRET_BYTES_MAX, read_bounded};
use crate::config::snapshot::ClientTls;

/// Where the gateway is, and how to come in.
#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    /// The admin endpoint of a running gateway, such as http://127.0.0.1:9090
    #[arg(long, value_name = "URL")]
    pub(super) admin: Option<String>,
    /// A file with its token
    #[arg(long, value_name = "FILE", requires = "admin")]
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

impl AdminArgs {
    /// What the gateway answers to `GET path`, whose query is made of `pairs`. `None`: there is no such thing.
    pub(super) fn get(&self, path: &str, pairs: &[(&str, &str)]) -> anyhow::Result<Option<Bytes>> {
        let base = self.admin.as_deref().context("no --admin")?;
        let query: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let uri = format!(
            "{}{path}{mark}{}",
            base.trim_end_matches('/'),
            query.join("&")
        );
        let mut request = Request::get(uri);
        if let Some(token) = self.token()? {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Bytes::new()).map_err(|_| {
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
            StatusCode::OK => Ok(Some(answer.into_body())),
            StatusCode::NOT_FOUND => Ok(None),
            status => {
                #[derive(serde::Deserialize)]
                struct Refusal {
                    error: Told,
                }
                #[derive(serde::Deserialize)]
                struct Told {
                    message: String,
                }
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

/// A value as a query has it.
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
