//! Where the audit log is copied to → what the shipping threads use.
//!
//! Opens no connection. Invariant: a lake that opens here opens at start, but for its directory.

use std::path::Path;
use std::sync::Arc;

use lake::store::{CallError, Place};

use super::Files;
use crate::config::problem::{Severity, Step};
use crate::config::schema::{self, Config};
use crate::config::snapshot::{ClientTls, SiemTls};
use crate::server::tls;

/// TLS of every tool, in the config's order.
pub(super) fn siem(config: &Config, files: &mut Files<'_>) -> Option<Vec<SiemTls>> {
    let tools = config.audit.siem.iter().enumerate();
    tools
        .map(|(at, tool)| siem_tls(at, &tool.tls, files))
        .collect()
}

fn siem_tls(index: usize, from: &schema::ClientTls, files: &mut Files<'_>) -> Option<SiemTls> {
    let at = |field: &str| -> [Step; 5] {
        [
            "audit".into(),
            "siem".into(),
            index.into(),
            "tls".into(),
            field.into(),
        ]
    };
    let ca = match &from.ca {
        Some(path) => Some(files.certs(&at("ca"), path)?),
        None => None,
    };
    let identity = match (&from.client_cert, &from.client_key) {
        (Some(cert), Some(key)) => {
            Some(files.identity((&at("client_cert"), cert), (&at("client_key"), key))?)
        }
        _ => None,
    };
    let settings = ClientTls {
        ca,
        identity,
        server_name: None,
        insecure_skip_verify: from.insecure_skip_verify_dangerous,
    };
    Some(SiemTls {
        client: files.usable(&at("ca"), tls::client(&settings, false))?,
        server_name: from.server_name.as_deref().map(Into::into),
    })
}

/// Opens the lake once, without a connection: whatever the store misses among its options is known before anything is served.
pub(super) fn lake(config: &Config, files: &mut Files<'_>) -> Option<()> {
    let Some(lake) = &config.audit.lake else {
        return Some(());
    };
    if matches!(lake::store::place(&lake.url), Ok((Place::Directory, _))) {
        return Some(());
    }
    let nobody = Arc::new(|_| -> lake::store::Answer {
        Box::pin(std::future::ready(Err(CallError::Connect)))
    });
    match lake::store::open(&lake.url, &lake.exposed(), Path::new(""), nobody) {
        Ok(_) => Some(()),
        Err(error) => {
            let steps = ["audit".into(), "lake".into()];
            let problem = files
                .doc
                .problem(Severity::Error, &steps, error.to_string());
            files.problems.push(problem);
            None
        }
    }
}

impl schema::Lake {
    /// The options with their values, for the one place that opens the store.
    #[must_use]
    pub fn exposed(&self) -> Vec<(String, String)> {
        let options = self.options.iter();
        options
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect()
    }
}
