//! The head of a request, whichever protocol brought it. Not to be printed: it holds credentials.

use http::request::Parts;
use http::{Method, Uri, Version};
use wire::Headers;

/// What a request's head says.
pub struct Head {
    /// Its method.
    pub method: Method,
    /// Its target.
    pub uri: Uri,
    /// The protocol.
    pub version: Version,
    /// Its headers, in order.
    pub headers: Headers,
    /// Why its framing is in doubt, if it is.
    pub odd: Option<Odd>,
}

/// A sentence for the client on what its framing has two meanings by.
#[derive(Clone, Copy, Debug)]
pub struct Odd(pub &'static str);

impl From<Parts> for Head {
    fn from(parts: Parts) -> Self {
        Self {
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            headers: parts.headers.into(),
            odd: None,
        }
    }
}
