//! Hosts that a provider is reached at: its API, and where its tokens are given if that is another one.
//!
//! Reads certificates through [`Files`], opens nothing.

use std::sync::Arc;

use super::Files;
use super::providers::fingerprint;
use crate::config::address::{Origin, Scheme, parse_base_url};
use crate::config::problem::Step;
use crate::config::schema;
use crate::upstream::client::Endpoint;
use crate::upstream::connect::Found;

/// Where a provider's API is.
pub(super) fn api(
    name: &str,
    from: &schema::Provider,
    origin: &Origin,
    (tls, server_name): (Option<Arc<rustls::ClientConfig>>, Option<String>),
) -> Endpoint {
    Endpoint {
        key: format!("{name} {} {}", origin.authority(), fingerprint(from)).into(),
        host: origin.host.bare(),
        port: origin.port,
        authority: origin.authority(),
        tls,
        server_name,
        http2: from.http2,
        idle_max: from.max_connections as usize,
        found: Found::default(),
    }
}

/// Where tokens are given: a host with a name and a protocol of its own. At a place of the operator's `tls` says who is
/// trusted, as at the provider's; at the vendor's own nobody but the system's authorities, whatever is let pass elsewhere.
pub(super) fn tokens(
    name: &str,
    from: &schema::Provider,
    url: &str,
    files: &mut Files<'_>,
) -> Option<Arc<Endpoint>> {
    let (origin, _) = parse_base_url(url).ok()?;
    let tls = match origin.scheme {
        Scheme::Http => None,
        Scheme::Https => {
            let tls = match from.token_url {
                Some(_) => files.client_tls(name, &from.tls)?,
                None => files.client_tls(name, &schema::ClientTls::default())?,
            };
            let at = ["providers".into(), Step::from(name), "tls".into()];
            Some(files.usable(&at, crate::server::tls::client(&tls, false))?)
        }
    };
    let made = api(name, from, &origin, (tls, None));
    Some(Arc::new(Endpoint {
        key: format!("{} token", made.key).into(),
        http2: false,
        ..made
    }))
}
