//! Where the audit log is copied to → what the shipping threads use.
//!
//! Opens no connection. Invariant: a lake that opens here opens at start, but for its directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lake::store::{CallError, Place};

use super::Files;
use crate::config::problem::{Severity, Step};
use crate::config::schema::{self, Config};
use crate::config::snapshot::{ClientTls, SiemTls};
use crate::secret::Secret;
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

/// Opens the object stores once, without a connection: whatever they miss among their options is known before anything is
/// served.
pub(super) fn stores(config: &Config, files: &mut Files<'_>) -> Option<()> {
    if let Some(lake) = &config.audit.lake {
        let steps: [Step; 2] = ["audit".into(), "lake".into()];
        store((&lake.url, &lake.options), &steps, files)?;
    }
    for (index, anchor) in config.audit.checkpoint.anchors.iter().enumerate() {
        if let Some(object) = &anchor.object {
            let at = ["audit", "checkpoint", "anchors"].map(Step::from);
            let steps = [&at[..], &[index.into()]].concat();
            store((object, &anchor.options), &steps, files)?;
        }
    }
    Some(())
}

fn store(
    (url, options): (&str, &BTreeMap<String, Secret>),
    steps: &[Step],
    files: &mut Files<'_>,
) -> Option<()> {
    if matches!(lake::store::place(url), Ok((Place::Directory, _))) {
        return Some(());
    }
    let nobody = Arc::new(|_| -> lake::store::Answer {
        Box::pin(std::future::ready(Err(CallError::Connect)))
    });
    match lake::store::open(url, &exposed(options), Path::new(""), nobody) {
        Ok(_) => Some(()),
        Err(error) => {
            let problem = files.doc.problem(Severity::Error, steps, error.to_string());
            files.problems.push(problem);
            None
        }
    }
}

/// Options of an object store with their values, for the one place that opens it.
#[must_use]
pub fn exposed(options: &BTreeMap<String, Secret>) -> Vec<(String, String)> {
    options
        .iter()
        .map(|(name, value)| (name.clone(), value.expose().to_owned()))
        .collect()
}
