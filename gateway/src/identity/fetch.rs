//! An issuer's keys, from the place where it publishes them (OpenID Connect Discovery 1.0, RFC 7517).
//!
//! Must never follow a redirect, nor take keys from an issuer other than the configured one. Invariants: what is fetched
//! and how long that takes is bounded; only `https`, but for a host that is this machine.

use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Request, StatusCode, Uri};
use serde::Deserialize;

use super::jwt::Keys;
use crate::audit::http::{Caller, Tls};
use crate::config::address::{Scheme, parse_base_url};

/// Time for all of it (threat model, section 10).
const TIME: Duration = Duration::from_secs(3);
/// Longest document.
const BYTES_MAX: usize = 1 << 20;
/// Where the document about an issuer lies, below the issuer's own URL.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Where keys are to be had.
#[derive(Clone, Debug)]
pub struct Source {
    /// The issuer, as its tokens name it.
    pub issuer: String,
    /// Where its keys are, if it need not be asked.
    pub jwks_url: Option<String>,
    /// TLS to it.
    pub tls: Tls,
}

/// Fetches the keys.
///
/// # Errors
/// Why not, for our own log.
pub(super) async fn keys(source: &Source) -> Result<Keys, String> {
    tokio::time::timeout(TIME, fetch(source))
        .await
        .unwrap_or_else(|_| Err("no answer in time".into()))
}

async fn fetch(source: &Source) -> Result<Keys, String> {
    let caller = Caller::bounded(source.tls.clone(), BYTES_MAX);
    let url = match &source.jwks_url {
        Some(url) => url.clone(),
        None => discovered(source, &caller).await?,
    };
    let body = get(&caller, &url).await?;
    Keys::read(&body).map_err(str::to_owned)
}

async fn discovered(source: &Source, caller: &Caller) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }
    let issuer = &source.issuer;
    let url = format!("{}{DISCOVERY}", issuer.trim_end_matches('/'));
    let body = get(caller, &url).await?;
    let document: Document = serde_json::from_slice(&body)
        .map_err(|_| "the issuer's document has no issuer or jwks_uri".to_owned())?;
    // Else one tenant of a provider could speak for another.
    if document.issuer != *issuer {
        return Err("the issuer's document is about another issuer".into());
    }
    same_care(issuer, &document.jwks_uri)?;
    Ok(document.jwks_uri)
}

/// Whoever is asked by TLS may not send us where there is none, be it on this machine.
fn same_care(issuer: &str, jwks_uri: &str) -> Result<(), String> {
    let is_tls = |url: &str| {
        url.get(..8)
            .is_some_and(|begin| begin.eq_ignore_ascii_case("https://"))
    };
    if is_tls(issuer) && !is_tls(jwks_uri) {
        return Err("the issuer's document names keys that are not fetched by https".into());
    }
    Ok(())
}

async fn get(caller: &Caller, url: &str) -> Result<Bytes, String> {
    if !is_safe(url) {
        return Err("keys are fetched by https only".into());
    }
    let uri: Uri = url.parse().map_err(|_| "not a URL".to_owned())?;
    let mut request = Request::get(uri)
        .body(Bytes::new())
        .map_err(|_| "not a URL".to_owned())?;
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(ACCEPT, json);
    let answer = caller.call(request).await;
    let answer = answer.map_err(|error| format!("not reached: {error:?}"))?;
    if answer.status() != StatusCode::OK {
        return Err(format!("answered {}", answer.status().as_u16()));
    }
    Ok(answer.into_body())
}

/// Whether what comes from there can be trusted as far as TLS goes.
#[must_use]
pub fn is_safe(url: &str) -> bool {
    let (bare, _) = url.split_once('?').unwrap_or((url, ""));
    parse_base_url(bare)
        .is_ok_and(|(origin, _)| origin.scheme == Scheme::Https || origin.host.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_with_tls_has_keys_with_tls() {
        for (issuer, keys, safe) in [
            (
                "https://sso.example.com",
                "https://sso.example.com/jwks",
                true,
            ),
            (
                "https://sso.example.com",
                "HTTPS://keys.example.com/jwks",
                true,
            ),
            (
                "https://sso.example.com",
                "http://127.0.0.1:8080/jwks",
                false,
            ),
            ("https://sso.example.com", "http://localhost/jwks", false),
            (
                "HTTPS://sso.example.com",
                "http://sso.example.com/jwks",
                false,
            ),
            ("https://sso.example.com", "", false),
            ("http://127.0.0.1:1", "http://127.0.0.1:2/jwks", true),
            ("http://127.0.0.1:1", "https://sso.example.com/jwks", true),
        ] {
            assert_eq!(same_care(issuer, keys).is_ok(), safe, "{issuer} {keys}");
        }
    }

    #[test]
    fn only_tls_or_this_machine() {
        for (url, safe) in [
            ("https://sso.example.com", true),
            ("https://sso.example.com/realms/a/keys?x=1", true),
            ("http://127.0.0.1:8081/realm", true),
            ("http://localhost:1", true),
            ("http://sso.example.com", false),
            ("http://169.254.169.254/latest", false),
            ("file:///etc/passwd", false),
            ("https://u:p@h", false),
            ("", false),
        ] {
            assert_eq!(is_safe(url), safe, "{url}");
        }
    }
}
