//! The gates of section `policies` → what the pipeline asks.
//!
//! Opens no connection. Invariant: a gate's endpoint is its own, so that no connection is shared with a provider.

use std::sync::Arc;

use super::Files;
use crate::config::address::{Scheme, parse_base_url};
use crate::config::problem::Step;
use crate::config::schema::{self, Config};
use crate::config::snapshot::{ClientTls, Gate, Grades};
use crate::upstream::client::Endpoint;
use crate::upstream::connect::Found;

/// Most connections to one gate that a worker keeps idle.
const IDLE_MAX: usize = 32;

pub(super) fn build(config: &Config, grades: &Grades, files: &mut Files<'_>) -> Option<Vec<Gate>> {
    let gates = config.policies.gates.iter().enumerate();
    gates
        .map(|(at, gate)| build_gate(at, gate, grades, files))
        .collect()
}

fn build_gate(
    at: usize,
    from: &schema::Gate,
    grades: &Grades,
    files: &mut Files<'_>,
) -> Option<Gate> {
    let (origin, path) = parse_base_url(&from.url).ok()?;
    let tls = match origin.scheme {
        Scheme::Http => None,
        Scheme::Https => {
            let steps: [Step; 4] = ["policies".into(), "gates".into(), at.into(), "url".into()];
            let made = crate::server::tls::client(&ClientTls::default(), false);
            Some(files.usable(&steps, made)?)
        }
    };
    let mut headers = Vec::with_capacity(from.headers.len());
    for (header, value) in &from.headers {
        let header = http::HeaderName::try_from(header.as_str()).ok()?;
        let mut value = http::HeaderValue::from_str(value.expose()).ok()?;
        value.set_sensitive(true);
        headers.push((header, value));
    }
    let clearance = match &from.clearance {
        Some(name) => grades.find(name)?,
        None if origin.host.is_private() => grades.highest(),
        None => wire::Grade::LOWEST,
    };
    Some(Gate {
        name: from.name.as_str().into(),
        shape: from.shape,
        timeout: from.timeout.0,
        on_error: from.on_error,
        clearance,
        endpoint: Arc::new(Endpoint {
            // A space and a colon stand in no provider's name.
            key: format!(": gate {} {origin}", from.name).into(),
            host: origin.host.bare(),
            port: origin.port,
            authority: origin.authority(),
            tls,
            server_name: None,
            http2: false,
            idle_max: IDLE_MAX,
            found: Found::default(),
        }),
        path: if path.is_empty() { "/".into() } else { path },
        headers,
    })
}
