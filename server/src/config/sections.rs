//! The tables of `server.toml` that are not hosts.

use crate::store::postgres::Share;
use crate::store::without_password;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A way to talk to the server, which `protocols` switches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Calls of keys as JSON.
    Json,
    /// Signed requests of hosts.
    Host,
    /// Calls of keys as forms, for Flash movies.
    Form,
    /// AICC content.
    Hacp,
    /// SCORM runtimes that commit by themselves.
    Scorm,
}

/// The header by which trusted proxies tell whom they speak for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, and with it `X-Forwarded-Proto`.
    #[serde(rename = "x-forwarded-for")]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    #[serde(rename = "forwarded")]
    Forwarded,
}

/// `[tls]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file: the certificate and those that lead to its root. Empty with `key`: no TLS.
    pub certificate: PathBuf,
    /// PEM file: its private key.
    pub key: PathBuf,
}

impl TlsConfig {
    /// Whether the server speaks TLS itself.
    pub fn is_on(&self) -> bool {
        !self.certificate.as_os_str().is_empty() || !self.key.as_os_str().is_empty()
    }
}

/// `[store]`
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// Which database, and where. May hold a password.
    pub url: String,
    /// Most calls that share one commit.
    pub group: usize,
    /// Of PostgreSQL: connections that write calls.
    pub writers: usize,
    /// Of PostgreSQL: connections for everything else.
    pub connections: usize,
    /// Of PostgreSQL: months of the log that are kept beside the one that is; 0 for all.
    pub keep_log: u32,
}

impl StoreConfig {
    /// How much of the database this server takes.
    pub fn share(&self) -> Share {
        let Self { group, writers, connections, keep_log, .. } = *self;
        Share { group, writers, connections, keep_log }
    }
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("url", &without_password(&self.url))
            .field("share", &self.share())
            .finish()
    }
}

/// `[keys]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// How long a superseded token works.
    #[serde(deserialize_with = "duration")]
    pub late_window: Duration,
    /// Age at which a generation is offered its successor.
    #[serde(deserialize_with = "duration")]
    pub rotate_after: Duration,
    /// When a client gives a request up.
    #[serde(deserialize_with = "duration")]
    pub client_deadline: Duration,
    /// When an unused key dies.
    #[serde(deserialize_with = "duration")]
    pub idle_limit: Duration,
    /// How long a launch token minted here waits.
    #[serde(deserialize_with = "duration")]
    pub start_limit: Duration,
    /// Life of a key whose launch does not say.
    #[serde(deserialize_with = "duration")]
    pub lifetime: Duration,
    /// The most a launch may say.
    #[serde(deserialize_with = "duration")]
    pub max_lifetime: Duration,
    /// The most for a key whose token never changes.
    #[serde(deserialize_with = "duration")]
    pub fixed_lifetime: Duration,
    /// Live keys of one web session.
    pub per_session: u32,
    /// Live keys of one user.
    pub per_user: u32,
    /// Live keys of all users of a host; 0 for no limit.
    pub per_host: u32,
    /// Thefts that lock a web session and activity.
    pub thefts: u32,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Largest body, bytes.
    pub body: usize,
    /// How long head and body may take.
    #[serde(deserialize_with = "duration")]
    pub read_deadline: Duration,
    /// Calls of one key at once; 0 for no limit.
    pub burst: u32,
    /// Calls of one key a second.
    pub per_second: u32,
    /// Calls of one user at once, whatever the key; 0 for no limit.
    pub user_burst: u32,
    /// Calls of one user a second.
    pub user_per_second: u32,
    /// Calls of all keys of one host at once; 0 for no limit.
    pub host_burst: u32,
    /// Calls of all keys of one host a second.
    pub host_per_second: u32,
    /// Largest body of a host's request, bytes.
    pub host_body: usize,
    /// Signed requests of one host at once; 0 for no limit.
    pub requests_burst: u32,
    /// Signed requests of one host a second.
    pub requests_per_second: u32,
}

/// `[legacy]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegacyConfig {
    /// Whether the key of a form may stand in the query of its address.
    pub query_key: bool,
    /// Domains whose movies may ask, by `crossdomain.xml`.
    pub flash_domains: Vec<String>,
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Address where Prometheus asks; empty: none.
    pub listen: String,
}

/// `[tracing]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracingConfig {
    /// Address of a collector; empty: none.
    pub otlp: String,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// From which level on.
    pub level: String,
    /// In which form.
    pub format: LogFormat,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|_| serde::de::Error::custom("expected a duration as in \"30s\", \"15m\", \"8h\""))
}
