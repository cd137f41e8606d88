//! Asking a provider for its list of models.
//!
//! Sends nothing of a request: a credential, and a path of the vendor's. Invariants: an exchange ends within [`LIST_TIME`]; no
//! more than [`LIST_BYTES_MAX`] are read; redirects are not followed; a fault holds no text of the vendor's.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use adapters::listing::{self, Listing};
use adapters::vendor::{self, Call, Head, Parts};
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderValue, Method};
use journal::Durable;
use wire::json::{self, Value};
use wire::{Fault, Kind, Rope};

use crate::config::snapshot::Provider;
use crate::upstream::client::{Bounds, Client, Reply};
use crate::upstream::request::{self, Request};

/// Time for one list, the connection included.
pub const LIST_TIME: Duration = Duration::from_secs(10);
/// Longest list.
const LIST_BYTES_MAX: usize = 4 << 20;
/// Bounds of a call that is no request's.
pub const BOUNDS: Bounds = Bounds {
    connect: Duration::from_secs(5),
    keep_idle: Duration::from_secs(30),
    header_bytes: 64 << 10,
};

/// The models that a provider says it has.
///
/// # Errors
/// As for a request to it; reason `no_listing` if its vendor has none, or it does not answer with one.
pub async fn fetch(
    client: &Arc<Client>,
    provider: &Provider,
    now_ms: i64,
) -> Result<Listing, Fault> {
    let late = |_| Fault::new(Kind::FirstByteTimeout).reason("list_timeout");
    let asking = ask(client, provider, now_ms);
    tokio::time::timeout(LIST_TIME, asking)
        .await
        .map_err(late)?
}

async fn ask(client: &Arc<Client>, provider: &Provider, now_ms: i64) -> Result<Listing, Fault> {
    let vendor = provider.adapter.ok_or(Kind::Bug)?.0;
    let none = || Fault::new(Kind::UpstreamError).reason("no_listing");
    let path = vendor.listing().ok_or_else(none)?;
    let mut parts = Parts::default();
    let dialect = vendor.speaks().first().ok_or(Kind::Bug)?.id();
    let call = Call {
        model: "",
        stream: false,
        dialect,
        asks: adapters::Asks::Reply,
        multimodal: false,
        cap: None,
        request_id: "",
        now_ms,
        token: None,
        host: &provider.host,
        base_path: &provider.base_path,
    };
    vendor.prepare(&call, &provider.credential(), &mut parts)?;
    let mut headers = parts.headers;
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let agent = concat!("yumen/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in &provider.headers {
        headers.insert(name.clone(), value.clone());
    }
    let path = vendor::join_path(&provider.base_path, path);
    let request = Request {
        head: request::Head::new(Method::GET, path, headers),
        body: Rope::new(),
        after: Durable::NOW,
        alone: true,
    };
    let reply = client.send(&provider.endpoint, &BOUNDS, &request).await?;
    let (head, body) = read(reply, LIST_BYTES_MAX, || ()).await?;
    // A server that has no such path says so in a form of its own.
    if matches!(head.status, 404 | 405 | 501) {
        return Err(none());
    }
    let tape = json::scan(&body, &json::Limits::default()).ok();
    let root = tape.as_ref().and_then(|tape| Value::root(tape, &body));
    let vendors = Head {
        status: head.status,
        headers: &head.headers,
        now_ms,
    };
    match vendor.fault(&vendors, root) {
        // Nothing was asked that could be wrong but for the list itself.
        Some(fault) if fault.kind() == Kind::UpstreamRejected => return Err(none()),
        Some(fault) => return Err(fault),
        None => {}
    }
    root.filter(|_| head.status == 200)
        .and_then(listing::read)
        .ok_or_else(none)
}

/// A reply's head and its whole body; each piece that comes is told of.
///
/// # Errors
/// `Malformed` for a body beyond `most`, and those of reading.
pub async fn read(
    reply: Reply,
    most: usize,
    mut heard: impl FnMut(),
) -> Result<(crate::upstream::reply::Head, Vec<u8>), Fault> {
    let Reply { head, mut body } = reply;
    let mut bytes = Vec::new();
    while let Some(piece) = poll_fn(|cx| body.poll_data(cx)).await {
        bytes.extend_from_slice(&piece?);
        heard();
        if bytes.len() > most {
            return Err(Fault::new(Kind::Malformed).reason("too_long"));
        }
    }
    Ok((head, bytes))
}
