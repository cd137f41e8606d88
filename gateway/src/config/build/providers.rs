//! Providers: accounts at vendors with their addresses, credentials and TLS.
//!
//! Reads certificates through [`Files`], opens no connection. Invariant: values of headers are marked as sensitive.

use std::sync::Arc;

use super::pem::Files;
use super::{endpoint, resolve};
use crate::config::address::{Scheme, parse_base_url};
use crate::config::problem::Step;
use crate::config::schema::{self, Config, Location};
use crate::config::snapshot::{Adapter, Credential, Grades, Provider};
use crate::config::vendors::VendorBook;

/// All providers, in the order of their names.
pub(super) fn all(
    config: &Config,
    grades: &Grades,
    book: &dyn VendorBook,
    files: &mut Files<'_>,
) -> Option<Vec<Arc<Provider>>> {
    let mut providers = Vec::with_capacity(config.providers.len());
    for (name, provider) in &config.providers {
        let built = one(name, provider, grades, book, files)?;
        providers.push(Arc::new(built));
    }
    Some(providers)
}

fn one(
    name: &str,
    from: &schema::Provider,
    grades: &Grades,
    book: &dyn VendorBook,
    files: &mut Files<'_>,
) -> Option<Provider> {
    let info = book.info(&from.vendor)?;
    let url = info.base_url(from.base_url.as_deref(), from.region.as_deref())?;
    let (origin, base_path) = parse_base_url(&url).ok()?;
    let (tls, server_name) = match origin.scheme {
        Scheme::Http => (None, None),
        Scheme::Https => {
            let tls = files.client_tls(name, &from.tls)?;
            let at = ["providers".into(), Step::from(name), "tls".into()];
            let config = files.usable(&at, crate::server::tls::client(&tls, from.http2))?;
            (Some(config), tls.server_name.map(String::from))
        }
    };
    let endpoint = Arc::new(endpoint::api(name, from, &origin, (tls, server_name)));
    let token_endpoint = match info.token_url(from.token_url.as_deref(), from.region.as_deref()) {
        None => Arc::clone(&endpoint),
        Some(url) => endpoint::tokens(name, from, &url, files)?,
    };
    let mut headers = Vec::with_capacity(from.headers.len());
    for (header, value) in &from.headers {
        let header = http::HeaderName::try_from(header.as_str()).ok()?;
        let mut value = http::HeaderValue::from_str(value.expose()).ok()?;
        // Keeps it out of Debug, and out of HTTP/2's compression table.
        value.set_sensitive(true);
        headers.push((header, value));
    }
    let mode = |auth: &str| info.auth_modes.iter().copied().find(|mode| *mode == auth);
    let location = match (from.location, info.self_hosted) {
        (Some(location), _) => location,
        (None, true) => Location::SelfHosted,
        (None, false) => Location::Domestic,
    };
    Some(Provider {
        name: name.into(),
        vendor: info.name,
        adapter: adapters::vendor(info.name).map(Adapter),
        host: origin.authority(),
        origin,
        base_path,
        token_key: Arc::clone(&endpoint.key),
        token_endpoint,
        endpoint,
        credential: Credential {
            api_key: from.api_key.clone(),
            secret_key: from.secret_key.clone(),
            session_token: from.session_token.clone(),
            app_id: from.app_id.as_deref().map(Into::into),
            region: from.region.as_deref().map(Into::into),
            auth: from.auth.as_deref().and_then(mode),
        },
        location,
        clearance: resolve(grades, from.clearance.as_deref())?,
        http2: from.http2,
        headers,
        max_connections: from.max_connections,
    })
}

/// Tells a changed credential or TLS setting from an unchanged one without showing it.
pub(super) fn fingerprint(from: &schema::Provider) -> String {
    let secret = |secret: &Option<crate::secret::Secret>| {
        secret
            .as_ref()
            .map_or_else(String::new, |secret| secret.expose().to_owned())
    };
    let all = format!(
        "{}\0{}\0{}\0{:?}\0{:?}\0{}\0{:?}\0{:?}",
        secret(&from.api_key),
        secret(&from.secret_key),
        secret(&from.session_token),
        from.auth,
        from.tls,
        from.http2,
        from.region,
        from.token_url
    );
    let digest = ::policies::access::token::digest(all.as_bytes());
    ::policies::access::token::show_digest(&digest)
        .chars()
        .skip(7)
        .take(16)
        .collect()
}
