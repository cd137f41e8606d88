//! Certificates and private keys, out of the PEM files that a config names.
//!
//! Invariants: every file is bounded, and remembered even if it cannot be used, so that a change of it is seen; a key that
//! does not fit its certificate is refused.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::load::{Doc, SECRET_BYTES_MAX, read_bounded, said};
use crate::config::problem::{Problem, Severity, Step};
use crate::config::schema;
use crate::config::snapshot::{ClientTls, Identity, ServerTls};
use crate::server::certificate;

const DAY_MS: u64 = 24 * 3600 * 1000;
/// How many days before it expires a certificate is warned of.
const EXPIRY_DAYS: u64 = 14;

/// When the first certificate of a chain ends, in Unix milliseconds.
pub(super) fn first_end_ms(chain: &[CertificateDer<'_>]) -> Option<u64> {
    chain.iter().filter_map(certificate::ends_ms).min()
}

/// Reads the PEM files a config names, and remembers which.
pub(super) struct Files<'a> {
    pub(super) doc: &'a Doc,
    pub(super) dir: &'a Path,
    pub(super) read: Vec<PathBuf>,
    /// Errors, and warnings of what ends soon.
    pub(super) problems: Vec<Problem>,
    pub(super) now_ms: u64,
}

impl Files<'_> {
    pub(super) fn fail<T>(&mut self, steps: &[Step], message: String) -> Option<T> {
        let problem = self.doc.problem(Severity::Error, steps, message);
        self.problems.push(problem);
        None
    }

    fn bytes(&mut self, steps: &[Step], path: &str) -> Option<Vec<u8>> {
        let path = self.dir.join(path);
        let bytes = read_bounded(&path, SECRET_BYTES_MAX);
        self.read.push(path);
        match bytes {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let message = format!(
                    "`{}` cannot be read: {}",
                    self.doc.shown(steps),
                    said(&error)
                );
                self.fail(steps, message)
            }
        }
    }

    pub(super) fn certs(
        &mut self,
        steps: &[Step],
        path: &str,
    ) -> Option<Vec<CertificateDer<'static>>> {
        let bytes = self.bytes(steps, path)?;
        let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match certs {
            Ok(certs) if !certs.is_empty() => Some(certs),
            _ => self.fail(
                steps,
                format!("`{}` holds no PEM certificate", self.doc.shown(steps)),
            ),
        }
    }

    pub(super) fn identity(
        &mut self,
        cert: (&[Step], &str),
        key: (&[Step], &str),
    ) -> Option<Identity> {
        let certs = self.certs(cert.0, cert.1);
        let bytes = self.bytes(key.0, key.1)?;
        let Ok(parsed) = PrivateKeyDer::from_pem_slice(&bytes) else {
            let shown = self.doc.shown(key.0);
            return self.fail(key.0, format!("`{shown}` holds no PEM private key"));
        };
        let certs = certs?;
        self.look_at_end(cert.0, &certs);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        match CertifiedKey::from_der(certs.clone(), parsed.clone_key(), &provider) {
            Ok(_) => Some(Identity { certs, key: parsed }),
            Err(_) => self.fail(key.0, "the private key does not fit the certificate".into()),
        }
    }

    /// Warns of a certificate that nobody accepts any more, or soon.
    fn look_at_end(&mut self, steps: &[Step], certs: &[CertificateDer<'_>]) {
        let Some(end) = first_end_ms(certs) else {
            return;
        };
        let left = end.saturating_sub(self.now_ms);
        let message = match left / DAY_MS {
            _ if left == 0 => "the certificate has expired: nobody accepts it any more".to_owned(),
            0 => "the certificate expires within a day".to_owned(),
            days if days < EXPIRY_DAYS => format!("the certificate expires in {days} days"),
            _ => return,
        };
        let problem = self.doc.problem(Severity::Warning, steps, message);
        self.problems.push(problem);
    }

    pub(super) fn usable<T>(
        &mut self,
        steps: &[Step],
        made: Result<T, crate::server::tls::Unusable>,
    ) -> Option<T> {
        match made {
            Ok(made) => Some(made),
            Err(error) => self.fail(steps, error.to_string()),
        }
    }

    pub(super) fn server_tls(&mut self, from: &schema::ServerTls) -> Option<ServerTls> {
        let at = |field: &str| ["tls".into(), Step::from(field)];
        let client_ca = match &from.client_ca {
            Some(path) => Some(self.certs(&at("client_ca"), path)?),
            None => None,
        };
        let identity = self.identity((&at("cert"), &from.cert), (&at("key"), &from.key))?;
        Some(ServerTls {
            identity,
            client_ca,
            client_cert: from.client_cert,
        })
    }

    pub(super) fn client_tls(&mut self, name: &str, from: &schema::ClientTls) -> Option<ClientTls> {
        let at = |field: &str| {
            [
                "providers".into(),
                Step::from(name),
                "tls".into(),
                field.into(),
            ]
        };
        let ca = match &from.ca {
            Some(path) => Some(self.certs(&at("ca"), path)?),
            None => None,
        };
        let identity = match (&from.client_cert, &from.client_key) {
            (Some(cert), Some(key)) => {
                Some(self.identity((&at("client_cert"), cert), (&at("client_key"), key))?)
            }
            _ => None,
        };
        Some(ClientTls {
            ca,
            identity,
            server_name: from.server_name.as_deref().map(Into::into),
            insecure_skip_verify: from.insecure_skip_verify_dangerous,
        })
    }
}
