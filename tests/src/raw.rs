//! Bytes that no HTTP library would send, the shape of errors, and TLS settings of clients.

use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The codes of the contract.
const CODES: [&str; 15] = [
    "invalid_request",
    "invalid_api_key",
    "permission_denied",
    "model_not_found",
    "rate_limit_exceeded",
    "budget_exceeded",
    "policy_refused",
    "no_cleared_provider",
    "context_length_exceeded",
    "content_filtered",
    "request_too_large",
    "upstream_error",
    "upstream_timeout",
    "overloaded",
    "internal_error",
];

/// Panics unless `error` has the four fields of OpenAI's shape and a code of the contract.
#[track_caller]
pub fn check_error(error: &Value) {
    let fields: Vec<&String> = error
        .as_object()
        .unwrap_or_else(|| panic!("no error object: {error}"))
        .keys()
        .collect();
    assert_eq!(fields, ["code", "message", "param", "type"], "{error}");
    assert!(
        CODES.contains(&error["code"].as_str().unwrap_or_default()),
        "{error}"
    );
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "{error}"
    );
    assert!(
        error["type"].is_string() && (error["param"].is_null() || error["param"].is_string()),
        "{error}"
    );
}

/// What a raw connection brought.
#[derive(Debug)]
pub struct Raw {
    /// All bytes.
    pub bytes: Vec<u8>,
    /// Whether the gateway closed it (else it was merely quiet).
    pub closed: bool,
}

impl Raw {
    /// The replies in it.
    pub fn replies(&self) -> Vec<crate::message::Message> {
        crate::message::messages(&self.bytes).0
    }

    /// Their statuses.
    pub fn statuses(&self) -> Vec<u16> {
        self.replies()
            .iter()
            .map(crate::message::Message::status)
            .collect()
    }
}

/// Writes bytes to a new connection and reads until it closes, or is quiet for `quiet`.
pub async fn raw_for(to: SocketAddr, bytes: &[u8], quiet: Duration) -> Raw {
    let mut socket = TcpStream::connect(to).await.unwrap();
    socket.set_nodelay(true).unwrap();
    // The gateway may have said enough before it has read all.
    let _ = socket.write_all(bytes).await;
    read_quiet(&mut socket, quiet).await
}

/// The same with the usual patience.
pub async fn raw(to: SocketAddr, bytes: impl AsRef<[u8]>) -> Raw {
    raw_for(to, bytes.as_ref(), Duration::from_millis(700)).await
}

/// Reads until the connection closes, or is quiet for `quiet`.
pub async fn read_quiet(socket: &mut TcpStream, quiet: Duration) -> Raw {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 65536];
    loop {
        match tokio::time::timeout(quiet, socket.read(&mut chunk)).await {
            Err(_) => {
                return Raw {
                    bytes,
                    closed: false,
                };
            }
            Ok(Ok(read @ 1..)) => bytes.extend_from_slice(&chunk[..read]),
            Ok(_) => {
                return Raw {
                    bytes,
                    closed: true,
                };
            }
        }
    }
}

/// A TLS client's settings: what it trusts, who it is, which protocols it offers.
pub fn tls_client(
    ca: &rustls::pki_types::CertificateDer<'static>,
    identity: Option<(
        rustls::pki_types::CertificateDer<'static>,
        rustls::pki_types::PrivateKeyDer<'static>,
    )>,
    alpn: &[&str],
) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => builder.with_client_auth_cert(vec![cert], key).unwrap(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}
