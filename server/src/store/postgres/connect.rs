//! Connections: where to, by what means, and how long anything may take.

use crate::store::StoreError;
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts,
};
use rustls::{ClientConfig, RootCertStore};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A server that does not answer for this long is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// Waiting for a free connection of the pool.
const WAIT: Duration = Duration::from_secs(10);
/// A client that was cut off must not hold a key for long, nor one statement the others.
const SETTINGS: &str = "SET statement_timeout = '15s'; SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '15s'";

/// Reads the URL of a database.
pub(super) fn parse(url: &str) -> Result<Config, StoreError> {
    let unreadable = |why: String| StoreError::Database(format!("store.url: {why}"));
    // The driver's own text may repeat a part of the URL, and that the password.
    let mut config = Config::from_str(url)
        .map_err(|_| unreadable("write it as in postgres://user:password@host/database".into()))?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_application_name().is_none() {
        config.application_name("latchkey");
    }
    // Of several hosts, the one that takes writes; a standby is none.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    Ok(config)
}

/// Connections to that database, `size` at the most, opened when they are needed.
pub(super) fn pool(config: &Config, size: usize) -> Result<Pool, StoreError> {
    let method = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let is_socket = |host: &Host| matches!(host, Host::Unix(_));
    // There is no TLS on a socket of the file system, and no name to check.
    let manager = if config.get_hosts().iter().all(is_socket) {
        Manager::from_config(config.clone(), NoTls, method)
    } else {
        Manager::from_config(config.clone(), tls()?, method)
    };
    let settle = Hook::async_fn(|client, _| {
        Box::pin(async move { client.batch_execute(SETTINGS).await.map_err(HookError::Backend) })
    });
    Pool::builder(manager)
        .max_size(size)
        .timeouts(Timeouts { wait: Some(WAIT), create: Some(2 * CONNECT), recycle: None })
        .runtime(Runtime::Tokio1)
        .post_create(settle)
        .build()
        .map_err(|error| StoreError::Database(error.to_string()))
}

/// TLS by the system's certificates, where the URL asks for it (`sslmode=require`) or the server offers it.
fn tls() -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Database(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
