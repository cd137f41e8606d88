//! Lines by `POST`, as `application/x-ndjson` (CEF: `text/plain`).
//!
//! Invariant: any answer but a 2xx means that nothing arrived.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::{Line, Refused};
use crate::audit::http::Caller;
use crate::config::schema::{Siem, SiemFormat};

pub(super) struct Poster {
    caller: Caller,
    url: String,
    headers: HeaderMap,
}

impl Poster {
    pub(super) fn new(config: &Siem, caller: Caller) -> Option<Self> {
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            headers.insert(
                HeaderName::try_from(name.as_str()).ok()?,
                secret(value.expose())?,
            );
        }
        if let Some(token) = &config.token {
            headers.insert(
                AUTHORIZATION,
                secret(&format!("Bearer {}", token.expose()))?,
            );
        }
        let kind = match config.format {
            SiemFormat::Cef => "text/plain; charset=utf-8",
            SiemFormat::Json | SiemFormat::Ocsf => "application/x-ndjson",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Some(Self {
            caller,
            url: config.url.clone()?,
            headers,
        })
    }

    pub(super) async fn send(&mut self, lines: &[Line]) -> Result<(), Refused> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut request = Request::post(&self.url)
            .body(super::body(lines))
            .map_err(|_| lake::store::CallError::Malformed)?;
        request.headers_mut().extend(self.headers.clone());
        let answer = self.caller.call(request).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(Refused::Status(answer.status()))
    }
}

/// A header's value that nothing shows.
pub(super) fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
