//! A request to a provider: its head, as it is written over HTTP/1.1, and its body.
//!
//! Knows no socket. A head is made once and sent as often as it fits: what of a vendor's requests is always the same is kept
//! with the target (`config::snapshot::Target::heads`), written out.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use http::Method;
use journal::Durable;
use wire::{Headers, Rope};

use super::client::Endpoint;

/// A request ready to be written.
#[derive(Debug)]
pub struct Request {
    /// Its head.
    pub head: Arc<Head>,
    /// The body; cloned, never copied.
    pub body: Rope,
    /// The record of this request: not a byte is written before it is as durable as the config asks.
    pub after: Durable,
    /// Nothing else will go out in this turn of the worker: it is not waited for.
    pub alone: bool,
}

/// The head of requests to one endpoint. Its `Debug` prints nothing: it holds credentials.
pub struct Head {
    /// Method.
    pub method: Method,
    /// Absolute path and query; may hold a secret.
    pub path_and_query: String,
    /// Headers without host, length and connection. They were validated when they became `HeaderValue`s.
    pub headers: Headers,
    written: OnceLock<Bytes>,
}

impl Head {
    /// A head of its own.
    #[must_use]
    pub fn new(method: Method, path_and_query: String, headers: Headers) -> Arc<Self> {
        Arc::new(Self {
            method,
            path_and_query,
            headers,
            written: OnceLock::new(),
        })
    }

    /// Request line and headers, but for those of the body.
    pub(super) fn opening(&self, endpoint: &Endpoint) -> &Bytes {
        self.written.get_or_init(|| {
            let method = self.method.as_str().as_bytes();
            let (path, host) = (
                self.path_and_query.as_bytes(),
                endpoint.authority.as_bytes(),
            );
            let mut head = [method, b" ", path, b" HTTP/1.1\r\nhost: ", host, b"\r\n"].concat();
            for (name, value) in self.headers.iter() {
                for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                    head.extend_from_slice(part);
                }
            }
            head.into()
        })
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Head(***)")
    }
}

thread_local! {
    /// Memory for the next heads: one piece serves many.
    static SPARE: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// As many bytes are got at once.
const SPARE_BYTES: usize = 8 << 10;

/// The whole head. `length`: of the body; `None`: it comes in chunks.
pub(super) fn head_bytes(endpoint: &Endpoint, head: &Head, length: Option<u64>) -> Rope {
    /// A header's name and 20 digits, or a coding; the ends of lines.
    const FRAMING_BYTES: usize = 48;
    let opening = head.opening(endpoint);
    let mut bytes = SPARE.take();
    let wanted = opening.len() + FRAMING_BYTES;
    if bytes.capacity() < wanted {
        bytes.reserve(wanted.max(SPARE_BYTES));
    }
    bytes.extend_from_slice(opening);
    match length {
        Some(length) => {
            bytes.extend_from_slice(b"content-length: ");
            bytes.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        }
        None => bytes.extend_from_slice(b"transfer-encoding: chunked"),
    }
    bytes.extend_from_slice(b"\r\n\r\n");
    let whole = bytes.split().freeze();
    SPARE.set(bytes);
    whole.into()
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, AUTHORIZATION};
    use http::{HeaderValue, Method};

    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint {
            key: Arc::from("k"),
            host: "h".to_owned(),
            port: 81,
            authority: "h:81".to_owned(),
            tls: None,
            server_name: None,
            http2: false,
            idle_max: 0,
            found: Default::default(),
        }
    }

    #[test]
    fn a_head_is_written_alike_each_time() {
        let headers = Headers::from_iter([(ACCEPT, HeaderValue::from_static("*/*"))]);
        let head = Head::new(Method::POST, "/v1/x?a=b".to_owned(), headers);
        let begins = "POST /v1/x?a=b HTTP/1.1\r\nhost: h:81\r\naccept: */*\r\n";
        // More than one piece of memory holds.
        for length in (0..1000).map(Some).chain([None]) {
            let ends = match length {
                Some(length) => format!("content-length: {length}\r\n\r\n"),
                None => "transfer-encoding: chunked\r\n\r\n".to_owned(),
            };
            let bytes = head_bytes(&endpoint(), &head, length).into_bytes();
            assert_eq!(bytes, format!("{begins}{ends}"));
        }
    }

    #[test]
    fn a_head_is_not_printed() {
        let mut secret = HeaderValue::from_static("Bearer sk-1");
        secret.set_sensitive(true);
        let headers = Headers::from_iter([(AUTHORIZATION, secret)]);
        let head = Head::new(Method::POST, "/?key=sk-2".to_owned(), headers);
        assert_eq!(format!("{head:?}"), "Head(***)");
    }
}
