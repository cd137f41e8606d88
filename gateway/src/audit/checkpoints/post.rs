//! One POST to a place of the config, and its answer.
//!
//! Knows HTTP, and no checkpoint. Invariants: an exchange ends within `EXCHANGE_MAX`; no more than `ANSWER_BYTES_MAX` of an answer
//! are read; redirects are not followed; errors show neither token nor path.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderValue, Method, header};

use crate::config::address::{Scheme, parse_base_url};
use crate::config::snapshot::ClientTls;
use crate::secret::Secret;
use crate::upstream::client::{Bounds, Client, Endpoint};
use crate::upstream::connect::Found;
use crate::upstream::request::{Head, Request};
use wire::Headers;

/// Time for one exchange, the connection included.
const EXCHANGE_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const BOUNDS: Bounds = Bounds {
    connect: Duration::from_secs(5),
    keep_idle: Duration::from_secs(60),
    header_bytes: 64 << 10,
};

/// A place that is posted to.
pub(super) struct Post {
    client: Arc<Client>,
    endpoint: Arc<Endpoint>,
    head: Arc<Head>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Post {
    /// A place at `url`, to which `suffix` is appended.
    pub(super) fn new(url: &str, suffix: &str, token: Option<&Secret>) -> anyhow::Result<Self> {
        let (origin, path) = parse_base_url(url).map_err(anyhow::Error::msg)?;
        let tls = match origin.scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let made = crate::server::tls::client(&ClientTls::default(), false);
                Some(made.map_err(|_| anyhow::anyhow!("no roots to verify a certificate with"))?)
            }
        };
        let mut headers = Headers::new();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .context("a token that cannot stand in a header")?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let path = format!("{}{suffix}", path.trim_end_matches('/'));
        let path = if path.is_empty() { "/".into() } else { path };
        Ok(Self {
            client: Arc::default(),
            endpoint: Arc::new(Endpoint {
                key: format!(": checkpoints {origin}").into(),
                host: origin.host.bare(),
                port: origin.port,
                authority: origin.authority(),
                tls,
                server_name: None,
                http2: false,
                idle_max: 1,
                found: Found::default(),
            }),
            head: Head::new(Method::POST, path, headers),
        })
    }

    /// Sends a body.
    pub(super) async fn send(&self, body: String) -> anyhow::Result<Answer> {
        let exchange = self.exchange(body);
        tokio::time::timeout(EXCHANGE_MAX, exchange)
            .await
            .context("no answer in time")?
    }

    async fn exchange(&self, body: String) -> anyhow::Result<Answer> {
        let request = Request {
            head: Arc::clone(&self.head),
            body: body.into_bytes().into(),
            after: journal::Durable::NOW,
            alone: true,
        };
        let failed = |fault: wire::Fault| anyhow::anyhow!("{}", fault.why());
        let sent = self.client.send(&self.endpoint, &BOUNDS, &request);
        let mut reply = sent.await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(piece) = poll_fn(|cx| reply.body.poll_data(cx)).await {
            body.extend_from_slice(&piece.map_err(failed)?);
            anyhow::ensure!(body.len() <= ANSWER_BYTES_MAX, "too long an answer");
        }
        Ok(Answer {
            status: reply.head.status,
            body,
        })
    }
}
