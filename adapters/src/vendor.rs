//! What a vendor is: where its API lies, how it is signed, which dialects it speaks, what its errors mean.
//!
//! A vendor is one file and one line in [`crate::VENDORS`]. It never sees a client, a policy or a socket: it fills in
//! parts of a request and reads facts out of replies.

use std::time::Duration;

use bytes::Bytes;
use wire::json::Value;
use wire::{Fault, Headers, Rope};

use crate::dialect::{Dialect, DialectId};
use crate::frames::Frames;
use crate::frames::aws::EventStream;
use crate::operation::Operation;
use crate::places::Asks;
use crate::quirks::Quirks;

/// What the config must know of a vendor.
#[derive(Clone, Copy, Debug)]
pub struct VendorInfo {
    /// The name in `providers.*.vendor`.
    pub name: &'static str,
    /// Where the API lies if the config does not say; `None`: the config must.
    pub default_base_url: Option<&'static str>,
    /// Whether `api_key` must be given.
    pub needs_api_key: bool,
    /// Whether `secret_key` must be given.
    pub needs_secret_key: bool,
    /// Whether `region` must be given; it may stand as `{region}` in `default_base_url`.
    pub needs_region: bool,
    /// Whether `app_id` must be given.
    pub needs_app_id: bool,
    /// A runtime of one's own (default location `self_hosted`).
    pub self_hosted: bool,
    /// Values that `auth` may take, the default first; empty: `auth` may not be given.
    pub auth_modes: &'static [&'static str],
    /// Chat goes over a WebSocket: [`Vendor::prepare`] names where it is opened, the body is one message, and each message
    /// that comes is an event.
    pub websocket: bool,
}

/// One attempt to be made, as far as a vendor and a dialect must know it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The target's model name.
    pub model: &'a str,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// The dialect that is spoken with the upstream.
    pub dialect: DialectId,
    /// What is asked for.
    pub asks: Asks,
    /// Whether any message holds something else than text (some vendors use another path).
    pub multimodal: bool,
    /// Tokens that a reply may have at most, if the request does not say: what a budget has left.
    pub cap: Option<u64>,
    /// Our id of this request; unique for each attempt's record.
    pub request_id: &'a str,
    /// Wall clock, milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// The token fetched for this credential, for vendors with a [`TokenFlow`].
    pub token: Option<&'a str>,
    /// The provider's `host` header as it will be sent, port included where it is not the default; signed by some vendors.
    pub host: &'a str,
    /// The path of the provider's base URL; signed by some vendors.
    pub base_path: &'a str,
}

/// A provider's credential. Its `Debug` prints nothing.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    /// `api_key`; empty if none.
    pub api_key: &'a str,
    /// `secret_key`; empty if none.
    pub secret_key: &'a str,
    /// `app_id`; empty if none.
    pub app_id: &'a str,
    /// `session_token`, beside a key that is temporary; empty if none.
    pub session_token: &'a str,
    /// `region`; empty if none.
    pub region: &'a str,
    /// `auth`; empty if not given.
    pub auth: &'a str,
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(***)")
    }
}

/// What a vendor adds to a request. `content-type`, `content-length` and `host` are the client's business.
#[derive(Debug, Default)]
pub struct Parts {
    /// Path after the provider's base path, percent-encoded, beginning with `/`. The two are joined by [`join_path`].
    pub path: String,
    /// An end of the base path in the place of which `path` stands, where the base path ends so; empty: none.
    pub instead_of: &'static str,
    /// Query without `?`, percent-encoded; may hold a secret, so it is never logged.
    pub query: String,
    /// Headers.
    pub headers: Headers,
}

impl Parts {
    /// The whole path, behind the provider's base path.
    #[must_use]
    pub fn path_behind(&self, base: &str) -> String {
        let base = base.trim_end_matches('/');
        join_path(
            base.strip_suffix(self.instead_of).unwrap_or(base),
            &self.path,
        )
    }
}

/// The head of an upstream's reply.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: &'a Headers,
    /// Wall clock, milliseconds since the Unix epoch (for `retry-after` dates).
    pub now_ms: i64,
}

/// How a reply's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// Amazon's binary event stream.
    AwsEvents,
    /// One JSON document.
    Json,
    /// Something else: an error page, most likely.
    Other,
}

impl Framing {
    /// What turns a stream that is framed so into one of events; `None`: it is one.
    #[must_use]
    pub fn frames(self) -> Option<Box<dyn Frames>> {
        match self {
            Self::AwsEvents => Some(Box::new(EventStream::default())),
            Self::Sse | Self::Json | Self::Other => None,
        }
    }

    /// Whether it is a stream.
    #[must_use]
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Sse | Self::AwsEvents)
    }
}

/// The kind of a provider: whose wire protocol.
pub trait Vendor: Sync {
    /// Facts for the config.
    fn info(&self) -> &'static VendorInfo;

    /// The dialects it speaks, best first; never empty.
    fn speaks(&self) -> &'static [&'static dyn Dialect];

    /// Path, query, headers, signature.
    ///
    /// # Errors
    /// `UpstreamError` (reason `auth_failed`) if the credential cannot be used as configured; the detail says why.
    fn prepare(
        &self,
        call: &Call<'_>,
        credential: &Credential<'_>,
        parts: &mut Parts,
    ) -> Result<(), Fault>;

    /// Whether [`Vendor::prepare`] makes the same of every request for a reply to text that names this credential, in the same
    /// dialect, for the same model and of the same `stream`, and [`Vendor::sign`] adds nothing: then it is asked once.
    fn is_constant(&self, _credential: &Credential<'_>) -> bool {
        false
    }

    /// The body as it goes up, where the credential has a say in it; `body` is what the dialect wrote.
    fn body(&self, _credential: &Credential<'_>, body: &Rope) -> Rope {
        body.clone()
    }

    /// Signs a request whose body counts too, once all else of it is known. `path` is the whole one, as it will be sent.
    ///
    /// # Errors
    /// `UpstreamError` (reason `auth_failed`) if the credential cannot be used as configured; the detail says why.
    fn sign(
        &self,
        _call: &Call<'_>,
        _credential: &Credential<'_>,
        (_path, _body): (&str, &Rope),
        _headers: &mut Headers,
    ) -> Result<(), Fault> {
        Ok(())
    }

    /// How the body of this reply is framed; the default goes by `content-type`.
    fn framing(&self, head: &Head<'_>) -> Framing {
        framing_by_content_type(head.headers)
    }

    /// Fields that differ from the dialect as written, for this model.
    fn quirks(&self, model: &str) -> &'static Quirks;

    /// How it does what is no chat, for this model; `None`: it does not.
    fn operation(&self, _asks: Asks, _model: &str) -> Option<&'static Operation> {
        None
    }

    /// Whether it counts tokens of a request ([`Asks::Count`]) in the dialects that ask for that.
    fn counts(&self) -> bool {
        false
    }

    /// What went wrong, by the vendor's own codes, also on status 200; `None`: nothing did. `root` is the body (or the
    /// event's data) if it is JSON. Never called with the intent of quoting: the fault must hold no vendor text.
    fn fault(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Option<Fault>;

    /// The path of its list of models, behind the base path as [`Parts::path`]; signed as a request is. `None`: it has none that
    /// we know of.
    fn listing(&self) -> Option<&'static str> {
        None
    }

    /// What whoever serves it should look at when it does not answer as it should; empty if there is nothing special.
    fn hint(&self) -> &'static str {
        ""
    }

    /// How to fetch a token, for vendors that want one.
    fn token_flow(&self) -> Option<&'static dyn TokenFlow> {
        None
    }

    /// Whether this credential needs a token of [`Vendor::token_flow`] at all: in some `auth` modes it does not.
    fn wants_token(&self, _credential: &Credential<'_>) -> bool {
        self.token_flow().is_some()
    }

    /// Whether the next attempt with this credential proves it anew, by a token or a signature. If not, one that was refused
    /// is not asked with again.
    fn renews(&self, _credential: &Credential<'_>) -> bool {
        true
    }
}

/// Fetching and reading an expiring token. The gateway keeps it, single-flight, one per credential.
pub trait TokenFlow: Sync {
    /// Where tokens are given, if not at the provider's own origin: `https://host`, in which `{region}` may stand. A
    /// provider's `token_url` replaces it.
    fn office(&self) -> Option<&'static str> {
        None
    }

    /// The request for a token.
    fn request(&self, credential: &Credential<'_>) -> TokenRequest;

    /// Reads the reply.
    ///
    /// # Errors
    /// `UpstreamError` (reason `auth_failed`), not retryable, when the credential is refused.
    fn read(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Result<Token, Fault>;
}

/// A request for a token.
pub struct TokenRequest {
    /// HTTP method.
    pub method: http::Method,
    /// Absolute path and query; holds secrets.
    pub path_and_query: String,
    /// JSON, or nothing; holds secrets.
    pub body: Bytes,
}

/// A token and how long it may be used.
pub struct Token {
    /// The token.
    pub value: String,
    /// From now.
    pub lifetime: Duration,
}

/// The path to ask for: the base URL's path, then the vendor's. Where the base ends in a version (`/v1`, `/api/v3`), the
/// vendor's own leading `/v1` gives way, so that `http://host:8000` and `http://host:8000/v1` are the same base.
#[must_use]
pub fn join_path(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    let last = base
        .rfind('/')
        .and_then(|slash| base.get(slash + 1..))
        .unwrap_or(base);
    let is_version = last.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_digit())
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let path = match path.strip_prefix("/v1/") {
        Some(_) if is_version => path.get(3..).unwrap_or(path),
        _ => path,
    };
    [base, path].concat()
}

/// By `content-type`; parameters and case are ignored.
#[must_use]
pub fn framing_by_content_type(headers: &Headers) -> Framing {
    let kind = headers
        .get(&http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("text/event-stream") {
        Framing::Sse
    } else if kind.eq_ignore_ascii_case("application/vnd.amazon.eventstream") {
        Framing::AwsEvents
    } else if kind.eq_ignore_ascii_case("application/json") {
        Framing::Json
    } else {
        Framing::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join() {
        for (base, path, want) in [
            ("", "/v1/chat/completions", "/v1/chat/completions"),
            ("/", "/v1/chat/completions", "/v1/chat/completions"),
            ("/v1", "/v1/chat/completions", "/v1/chat/completions"),
            ("/v1/", "/v1/chat/completions", "/v1/chat/completions"),
            (
                "/gpu/v1",
                "/v1/chat/completions",
                "/gpu/v1/chat/completions",
            ),
            (
                "/api/v3",
                "/v1/chat/completions",
                "/api/v3/chat/completions",
            ),
            (
                "/openai",
                "/v1/chat/completions",
                "/openai/v1/chat/completions",
            ),
            ("/vllm", "/v1/chat/completions", "/vllm/v1/chat/completions"),
            (
                "/api/paas/v4",
                "/chat/completions",
                "/api/paas/v4/chat/completions",
            ),
            ("/api/v1", "/services/x", "/api/v1/services/x"),
        ] {
            assert_eq!(join_path(base, path), want, "{base} + {path}");
        }
    }

    #[test]
    fn a_credential_shows_nothing() {
        let credential = Credential {
            api_key: "sk-secret",
            secret_key: "s3cret",
            app_id: "",
            session_token: "",
            region: "",
            auth: "",
        };
        assert_eq!(format!("{credential:?}"), "Credential(***)");
    }
}
