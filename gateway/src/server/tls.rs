//! TLS settings, from files to rustls.
//!
//! TLS 1.2 and 1.3 with rustls's own suites. Verification of an upstream is turned off only for one provider, by a
//! setting whose name says what it does.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

/// What is wrong with a certificate or key; names the file, never its contents.
#[derive(Debug)]
pub struct Unusable(pub String);

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn unusable(path: &Path, error: impl std::fmt::Display) -> Unusable {
    Unusable(format!("{}: {error}", path.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| unusable(path, error))?;
    if Vec::is_empty(&found) { Err(unusable(path, "no certificate in it")) } else { Ok(found) }
}

fn roots(path: &Path) -> Result<RootCertStore, Unusable> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|error| unusable(path, error))?;
    }
    Ok(store)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Unusable> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unusable(path, error))
}

/// The downstream side: certificate, key, and the authority of client certificates if they are asked for.
///
/// # Errors
/// [`Unusable`].
pub fn server(cert: &Path, key_file: &Path, client_ca: Option<&Path>) -> Result<Arc<ServerConfig>, Unusable> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(|error| unusable(cert, error))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| unusable(ca, error))?)
        }
    };
    let mut config = builder.with_single_cert(certificates(cert)?, key(key_file)?).map_err(|error| unusable(cert, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What a provider's TLS may need.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings<'a> {
    /// Authority to trust instead of the system's.
    pub ca: Option<&'a Path>,
    /// Our certificate and its key.
    pub identity: Option<(&'a Path, &'a Path)>,
    /// Offer HTTP/2.
    pub http2: bool,
    /// Verify nothing. Dangerous.
    pub insecure: bool,
}

/// The upstream side.
///
/// # Errors
/// [`Unusable`].
pub fn client(settings: &ClientSettings<'_>) -> Result<Arc<ClientConfig>, Unusable> {
    let system = |error: &dyn std::fmt::Display| Unusable(format!("system certificates: {error}"));
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(|error| system(&error))?;
    let store = match settings.ca {
        Some(ca) => roots(ca)?,
        None => {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            store
        }
    };
    let builder = if settings.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider())))
    } else {
        builder.with_root_certificates(store)
    };
    let mut config = match settings.identity {
        None => builder.with_no_client_auth(),
        Some((cert, key_file)) => builder.with_client_auth_cert(certificates(cert)?, key(key_file)?).map_err(|error| unusable(cert, error))?,
    };
    config.alpn_protocols = if settings.http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(Arc::new(config))
}

/// Accepts any certificate: only for `insecure_skip_verify_dangerous`.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, message: &[u8], cert: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(&self, message: &[u8], cert: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
