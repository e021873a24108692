//! TLS by the server itself.

use crate::config::{ConfigError, TlsConfig};
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// Present in the extensions of a request whose connection is TLS. A site that serves
/// [`crate::router::router`] over TLS of its own lays it over the router:
/// `router.layer(axum::Extension(OverTls))`.
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

/// The certificate that connections are taken with. New connections see a new one at once.
#[derive(Clone, Debug)]
pub(crate) struct Tls(RustlsConfig);

impl Tls {
    pub(crate) fn new(certificate: Arc<ServerConfig>) -> Self {
        Self(RustlsConfig::from_config(certificate))
    }

    pub(crate) fn replace(&self, certificate: Arc<ServerConfig>) {
        self.0.reload_from_config(certificate);
    }

    pub(crate) fn config(&self) -> RustlsConfig {
        self.0.clone()
    }
}

/// Reads the files; `None` where the server speaks plain HTTP.
///
/// # Errors
/// Names the setting whose file cannot be read, is not what it should be or does not fit the other.
pub(crate) fn read(config: &TlsConfig) -> Result<Option<Arc<ServerConfig>>, ConfigError> {
    if !config.is_on() {
        return Ok(None);
    }
    let chain = CertificateDer::pem_file_iter(&config.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable("certificate", &config.certificate, &error))?;
    if chain.is_empty() {
        return Err(unreadable("certificate", &config.certificate, &pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(&config.key)
        .map_err(|error| unreadable("key", &config.key, &error))?;
    // Named, so that it does not matter what other crates of the program may have compiled in.
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, key))
        .map_err(|error| {
            let problem = format!("certificate and key cannot be used together: {error}");
            ConfigError::value("tls.certificate", problem)
        })?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(server)))
}

/// Says which file and why; nothing of what is in it.
fn unreadable(name: &str, path: &Path, error: &pem::Error) -> ConfigError {
    let why = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "holds none; it must be in PEM form".to_owned(),
        _ => "is not in PEM form".to_owned(),
    };
    ConfigError::value(format!("tls.{name}"), format!("{}: {why}", path.display()))
}
