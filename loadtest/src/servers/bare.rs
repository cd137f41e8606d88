//! The bare hyper proxy: what every figure of the gateway is divided by.
//!
//! hyper's HTTP/1.1 server, hyper-util's pooled client, heads and frames passed on as they come, and nothing else.
//! It must never grow a feature: it is the floor. Invariant: TCP_NODELAY on both sides.

use anyhow::Context as _;
use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::convert::Infallible;
use std::net::SocketAddr;

type Reply = Response<Either<Incoming, Empty<Bytes>>>;

/// Serves until killed, forwarding everything to `upstream`.
pub(crate) async fn run(listen: SocketAddr, upstream: &Uri) -> anyhow::Result<()> {
    let authority = upstream
        .authority()
        .context("the upstream needs host and port")?
        .clone();
    let host = HeaderValue::from_str(authority.as_str())?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(usize::MAX)
        .build(connector);
    let service = service_fn(move |request: Request<Incoming>| {
        let (client, authority, host) = (client.clone(), authority.clone(), host.clone());
        async move { Ok::<_, Infallible>(forward(&client, authority, host, request).await) }
    });
    super::serve(listen, service).await
}

async fn forward(
    client: &Client<HttpConnector, Incoming>,
    authority: Authority,
    host: HeaderValue,
    mut request: Request<Incoming>,
) -> Reply {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    parts
        .path_and_query
        .get_or_insert_with(|| PathAndQuery::from_static("/"));
    let Ok(uri) = Uri::from_parts(parts) else {
        return bad_gateway();
    };
    *request.uri_mut() = uri;
    hop_by_hop(request.headers_mut());
    request.headers_mut().insert(header::HOST, host);
    match client.request(request).await {
        Ok(mut response) => {
            hop_by_hop(response.headers_mut());
            response.map(Either::Left)
        }
        Err(_) => bad_gateway(),
    }
}

/// Removes what belongs to one connection; hyper frames each side anew.
pub(crate) fn hop_by_hop(headers: &mut HeaderMap) {
    headers.remove(header::CONNECTION);
    headers.remove(header::TRANSFER_ENCODING);
}

fn bad_gateway() -> Reply {
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
