//! The secrets of a config: what `file:` refers to takes the reference's place.
//!
//! Invariants: every setting that holds a secret is named here once; its digest is kept, and no problem holds its text.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Loaded, SECRET_BYTES_MAX, read_bounded, said};
use crate::config::problem::{Problem, Severity, Step};
use crate::config::schema::{Audit, Checkpoint, Gate, Provider};
use crate::secret::Secret;

/// Replaces `file:` references by what the files hold.
pub(super) fn fetch_secrets(loaded: &mut Loaded) -> Vec<Problem> {
    let Loaded {
        config,
        doc,
        dir,
        files,
        digest: _,
        secrets,
    } = loaded;
    let mut problems = Vec::new();
    let mut fetch = |secret: &mut Secret, steps: &[Step]| {
        if let Some(path) = secret.file_reference().map(|path| dir.join(path)) {
            match read_secret(&path) {
                Ok(value) => *secret = value,
                Err(why) => {
                    let message = format!("`{}` {why}", doc.shown(steps));
                    problems.push(doc.problem(Severity::Error, steps, message));
                }
            }
            files.push(path);
        } else if secret.is_empty() {
            let message = "is empty; leave it out if it is not needed".into();
            problems.push(doc.problem(Severity::Error, steps, message));
        }
        if let Some(Step::Key(section)) = steps.first() {
            let digest = policies::access::token::digest(secret.expose().as_bytes());
            secrets.push((section.to_string(), digest));
        }
    };
    if let Some(token) = &mut config.admin.token {
        fetch(token, &["admin".into(), "token".into()]);
    }
    fetch(&mut config.state.store, &["state".into(), "store".into()]);
    if let Some(pepper) = &mut config.state.pepper {
        fetch(pepper, &["state".into(), "pepper".into()]);
    }
    if let Some(secret) = config
        .alerts
        .webhook
        .as_mut()
        .and_then(|hook| hook.secret.as_mut())
    {
        fetch(
            secret,
            &["alerts".into(), "webhook".into(), "secret".into()],
        );
    }
    fetch_checkpoint(&mut config.audit.checkpoint, &mut fetch);
    if let Some(pepper) = &mut config.policies.pepper {
        fetch(pepper, &["policies".into(), "pepper".into()]);
    }
    if let Some(key) = &mut config.audit.seal.key {
        fetch(key, &["audit".into(), "seal".into(), "key".into()]);
    }
    fetch_providers(&mut config.providers, &mut fetch);
    fetch_shipping(&mut config.audit, &mut fetch);
    fetch_gates(&mut config.policies.gates, &mut fetch);
    problems
}

fn fetch_providers(
    providers: &mut BTreeMap<String, Provider>,
    fetch: &mut impl FnMut(&mut Secret, &[Step]),
) {
    for (name, provider) in providers {
        let at = |field: &str| ["providers".into(), Step::from(name.as_str()), field.into()];
        if let Some(key) = &mut provider.api_key {
            fetch(key, &at("api_key"));
        }
        if let Some(key) = &mut provider.secret_key {
            fetch(key, &at("secret_key"));
        }
        if let Some(token) = &mut provider.session_token {
            fetch(token, &at("session_token"));
        }
        for (header, value) in &mut provider.headers {
            let mut steps = at("headers").to_vec();
            steps.push(header.as_str().into());
            fetch(value, &steps);
        }
    }
}

fn fetch_gates(gates: &mut [Gate], fetch: &mut impl FnMut(&mut Secret, &[Step])) {
    for (index, gate) in gates.iter_mut().enumerate() {
        for (header, value) in &mut gate.headers {
            let at: [Step; 5] = [
                "policies".into(),
                "gates".into(),
                index.into(),
                "headers".into(),
                header.as_str().into(),
            ];
            fetch(value, &at);
        }
    }
}

/// The secrets of the audit log's checkpoints.
fn fetch_checkpoint(checkpoint: &mut Checkpoint, fetch: &mut impl FnMut(&mut Secret, &[Step])) {
    if let Some(key) = &mut checkpoint.key {
        fetch(key, &["audit".into(), "checkpoint".into(), "key".into()]);
    }
    let at = ["audit", "checkpoint", "anchors"].map(Step::from);
    for (index, anchor) in checkpoint.anchors.iter_mut().enumerate() {
        if let Some(token) = &mut anchor.token {
            fetch(token, &[&at[..], &[index.into(), "token".into()]].concat());
        }
        for (option, value) in &mut anchor.options {
            let steps = [index.into(), "options".into(), option.as_str().into()];
            fetch(value, &[&at[..], &steps].concat());
        }
    }
}

/// The secrets of what the audit log is copied to.
fn fetch_shipping(audit: &mut Audit, fetch: &mut impl FnMut(&mut Secret, &[Step])) {
    if let Some(lake) = &mut audit.lake {
        for (option, value) in &mut lake.options {
            let at: [Step; 4] = [
                "audit".into(),
                "lake".into(),
                "options".into(),
                option.as_str().into(),
            ];
            fetch(value, &at);
        }
    }
    for (index, siem) in audit.siem.iter_mut().enumerate() {
        let at = |field: &str| {
            [
                "audit".into(),
                "siem".into(),
                index.into(),
                Step::from(field),
            ]
        };
        if let Some(token) = &mut siem.token {
            fetch(token, &at("token"));
        }
        for (header, value) in &mut siem.headers {
            let mut steps = at("headers").to_vec();
            steps.push(header.as_str().into());
            fetch(value, &steps);
        }
    }
}

fn read_secret(path: &Path) -> Result<Secret, String> {
    let mut bytes = read_bounded(path, SECRET_BYTES_MAX)
        .map_err(|error| format!("cannot be read: {}", said(&error)))?;
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not text".to_owned())?;
    if text.is_empty() {
        return Err("is empty".into());
    }
    Ok(Secret::new(text))
}
