//! Connections: where to, by what means, and how long anything may take.

use crate::store::StoreError;
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts,
};
use futures_util::StreamExt;
use futures_util::stream;
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A server that does not answer for this long is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// Waiting for a free connection of the pool.
const WAIT: Duration = Duration::from_secs(5);
/// A machine that has gone says nothing: what was sent and is not acknowledged for so long, or a silence that
/// probes do not break, ends a connection.
const UNHEARD: Duration = Duration::from_secs(10);
/// The time before a probe, and between two of them.
const PROBE: Duration = Duration::from_secs(3);
/// A server that was cut off or stands still must not hold a strand for long, nor one statement the others. All of it
/// well below what clients wait for, `keys.client_deadline`.
///
/// Every query here is meant to go by its index. Plans are kept for as long as a connection, and those that were made while
/// the tables were empty would read them whole once they are full. They are kept from the first time on: to plan a
/// statement over arrays anew each time takes longer than to run it. An engine that does not know one of these is not asked.
const SETTINGS: &str = "SET statement_timeout = '8s'; SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '5s';
    SELECT set_config(s.name, v.setting, FALSE) FROM pg_settings s
    JOIN (VALUES ('enable_seqscan', 'off'), ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'),
        ('jit', 'off'), ('plan_cache_mode', 'force_generic_plan')) AS v (name, setting)
    ON s.name = v.name";

/// A database, and how its servers show who they are.
pub(super) struct Target {
    config: Config,
    /// None for a socket of the file system: there is no TLS on it, and no name to check.
    tls: Option<MakeRustlsConnect>,
}

/// What a server tells of its own accord.
pub(super) type Told = stream::BoxStream<'static, Result<AsyncMessage, Error>>;

fn unreadable(why: impl std::fmt::Display) -> StoreError {
    StoreError::Database(format!("store.url: {why}"))
}

impl Target {
    /// Reads the URL of a database.
    pub(super) fn of(url: &str) -> Result<Self, StoreError> {
        let (url, roots) = without_tls(url)?;
        // The driver's own text may repeat a part of the URL, and that the password.
        let mut config = Config::from_str(&url)
            .map_err(|_| unreadable("write it as in postgres://user:password@host/database"))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("latchkey");
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNHEARD);
        }
        config.keepalives_idle(PROBE).keepalives_interval(PROBE).keepalives_retries(2);
        // Of several hosts, the one that takes writes; a standby is none.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let is_socket = |host: &Host| matches!(host, Host::Unix(_));
        let tls = match config.get_hosts().iter().all(is_socket) {
            true => None,
            false => Some(tls(roots)?),
        };
        Ok(Self { config, tls })
    }

    /// Connections to it, `size` at the most, opened when they are needed.
    pub(super) fn pool(&self, size: usize) -> Result<Pool, StoreError> {
        let method = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match &self.tls {
            None => Manager::from_config(self.config.clone(), NoTls, method),
            Some(tls) => Manager::from_config(self.config.clone(), tls.clone(), method),
        };
        let settle = Hook::async_fn(|client, _| {
            Box::pin(
                async move { client.batch_execute(SETTINGS).await.map_err(HookError::Backend) },
            )
        });
        Pool::builder(manager)
            .max_size(size)
            .timeouts(Timeouts { wait: Some(WAIT), create: Some(2 * CONNECT), recycle: None })
            .runtime(Runtime::Tokio1)
            .post_create(settle)
            .build()
            .map_err(|error| StoreError::Database(error.to_string()))
    }

    /// One connection beside the pools, and what the server tells on it. Nothing moves on it unless that is read.
    pub(super) async fn listen(&self) -> Result<(Client, Told), StoreError> {
        let mut config = self.config.clone();
        config.application_name("latchkey notices");
        Ok(match &self.tls {
            None => told(config.connect(NoTls).await?),
            Some(tls) => told(config.connect(tls.clone()).await?),
        })
    }
}

fn told<S, T>((client, mut connection): (Client, Connection<S, T>)) -> (Client, Told)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    (client, stream::poll_fn(move |context| connection.poll_message(context)).boxed())
}

/// The URL without what the driver does not know: TLS that checks who the server is, as this program always does,
/// and the file with the authority that says so.
fn without_tls(url: &str) -> Result<(String, Option<PathBuf>), StoreError> {
    let Some((place, query)) = url.split_once('?') else { return Ok((url.to_owned(), None)) };
    let (mut kept, mut roots) = (Vec::new(), None);
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", "verify-full")) => kept.push("sslmode=require"),
            Some(("sslrootcert", file)) => {
                let file = percent_decode_str(file).decode_utf8();
                roots =
                    Some(file.map_err(|_| unreadable("sslrootcert is no UTF-8"))?.as_ref().into());
            }
            _ => kept.push(pair),
        }
    }
    Ok((format!("{place}?{}", kept.join("&")), roots))
}

/// TLS, where the URL asks for it or the server offers it: by the authorities of that file, else by the system's. The
/// certificate is always checked, and the name on it.
fn tls(roots: Option<PathBuf>) -> Result<MakeRustlsConnect, StoreError> {
    let mut store = RootCertStore::empty();
    match roots {
        None => {
            let system = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(system.certs);
        }
        Some(file) => {
            let mut read = || -> Result<usize, String> {
                let certificates =
                    CertificateDer::pem_file_iter(&file).map_err(|error| error.to_string())?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|error| error.to_string())?;
                    store.add(certificate).map_err(|error| error.to_string())?;
                }
                Ok(store.len())
            };
            let name = file.display().to_string();
            match read() {
                Ok(0) => return Err(unreadable(format!("sslrootcert: no certificate in {name}"))),
                Ok(_) => {}
                Err(error) => return Err(unreadable(format!("sslrootcert: {name}: {error}"))),
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Database(error.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_does_not_know_is_taken_out() {
        for (url, rest, roots) in [
            ("postgres://a@b/c", "postgres://a@b/c", None),
            ("postgres://a@b/c?sslmode=require", "postgres://a@b/c?sslmode=require", None),
            ("postgres://a@b/c?sslmode=verify-full", "postgres://a@b/c?sslmode=require", None),
            (
                "postgres://a@b/c?x=1&sslrootcert=/etc/my%20ca.pem&sslmode=verify-full",
                "postgres://a@b/c?x=1&sslmode=require",
                Some("/etc/my ca.pem"),
            ),
        ] {
            let (left, file) = without_tls(url).unwrap();
            assert_eq!((left.as_str(), file), (rest, roots.map(PathBuf::from)), "{url}");
        }
    }

    #[test]
    fn a_fault_is_named_without_the_password() {
        for (url, words) in [
            ("postgres://a:geheim@b:port/c", "write it as in"),
            ("postgres://a:geheim@b/c?sslmode=maybe", "write it as in"),
            ("postgres://a:geheim@b/c?sslrootcert=/nowhere/ca.pem", "/nowhere/ca.pem"),
            ("postgres://a:geheim@b/c?sslrootcert=/dev/null", "no certificate in /dev/null"),
        ] {
            let error = Target::of(url).err().unwrap().to_string();
            assert!(error.contains(words) && error.contains("store.url"), "{error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
