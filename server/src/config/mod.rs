//! Settings: the embedded `server.toml`, then a file, then the environment.

mod checks;
mod error;
mod hosts;
mod sections;
mod shown;
#[cfg(test)]
mod tests;
mod webhooks;

pub use error::ConfigError;
pub use hosts::{HostConfig, HostSecret, secret_bytes};
pub use sections::{
    KeysConfig, LegacyConfig, LimitsConfig, LogConfig, LogFormat, MetricsConfig, Protocol,
    ProxyHeader, StoreConfig, TlsConfig, TracingConfig,
};
pub use webhooks::{WebhookConfig, WebhooksConfig};

use crate::keys::decide::Windows;
use crate::keys::launch::Lifetimes;
use crate::store::{KeyLimits, Place};
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use latchkey_protocol::Millis;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The defaults, and the manual.
pub const DEFAULTS: &str = include_str!("../../server.toml");

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// How browsers reach the server; empty for its address.
    pub public_url: String,
    /// Folder for the database and the secrets.
    pub data: PathBuf,
    /// Threads that answer requests; 0 for one less than there are cores.
    pub threads: usize,
    /// Whether anything but the health of the server is answered.
    pub enabled: bool,
    /// Which ways to talk to the server are open.
    pub protocols: Vec<Protocol>,
    /// Which functions any key may call.
    pub functions: Vec<String>,
    /// Networks from which anything may be asked; empty for any.
    pub networks: Vec<String>,
    /// Networks of the proxies that are believed.
    pub trusted_proxies: Vec<String>,
    /// What they say it with.
    pub proxy_header: ProxyHeader,
    /// Whether requests that came over plain HTTP are refused.
    pub require_https: bool,
    /// How long `/readyz` tells that the server stops before it takes no more connections.
    #[serde(deserialize_with = "sections::duration")]
    pub drain: Duration,
    /// `[capabilities]`: what each role may call; no role is restricted if empty.
    #[serde(default)]
    pub capabilities: BTreeMap<String, Vec<String>>,
    /// `[tls]`
    pub tls: TlsConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[keys]`
    pub keys: KeysConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[metrics]`
    pub metrics: MetricsConfig,
    /// `[tracing]`
    pub tracing: TracingConfig,
    /// `[legacy]`
    pub legacy: LegacyConfig,
    /// `[webhooks]`
    pub webhooks: WebhooksConfig,
    /// `[[hosts]]`
    #[serde(default)]
    pub hosts: Vec<HostConfig>,
}

/// The settings as they are laid over each other.
fn layers(file: Option<&Path>, environment: Env) -> Result<Figment, ConfigError> {
    let mut figment = Figment::from(Toml::string(DEFAULTS));
    if let Some(file) = file {
        if !file.is_file() {
            return Err(ConfigError::NoFile(file.to_owned()));
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    Ok(figment.merge(environment))
}

/// The layer of the environment. LATCHKEY_CONFIG names the file itself.
fn environment() -> Env {
    Env::prefixed("LATCHKEY_").ignore(&["config"]).split("__")
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

impl Config {
    /// The layers together, checked.
    ///
    /// # Errors
    /// Names the setting that is at fault.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::layered(file, environment())
    }

    fn layered(file: Option<&Path>, environment: Env) -> Result<Self, ConfigError> {
        layers(file, environment)?
            .extract::<Self>()
            .map_err(|error| ConfigError::Unreadable(Box::new(error)))?
            .checked()
    }

    /// The settings that differ and are read at start only, by name.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        [
            ("listen", self.listen != new.listen),
            ("data", self.data != new.data),
            ("threads", self.threads != new.threads),
            ("store.url", self.store.url != new.store.url),
            ("store.group", self.store.group != new.store.group),
            ("store.writers", self.store.writers != new.store.writers),
            ("store.connections", self.store.connections != new.store.connections),
            ("store.keep_log", self.store.keep_log != new.store.keep_log),
            ("log.level", self.log.level != new.log.level),
            ("log.format", self.log.format != new.log.format),
            ("limits.read_deadline", self.limits.read_deadline != new.limits.read_deadline),
            ("drain", self.drain != new.drain),
            ("metrics.listen", self.metrics != new.metrics),
            ("tracing.otlp", self.tracing != new.tracing),
            ("limits.host_body", self.limits.host_body != new.limits.host_body),
            ("tls", self.tls.is_on() != new.tls.is_on()),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }

    /// Where Prometheus asks, if it may.
    ///
    /// # Errors
    /// When the setting is no address.
    pub fn metrics_address(&self) -> Result<Option<SocketAddr>, ConfigError> {
        match self.metrics.listen.as_str() {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| ConfigError::value("metrics.listen", "write it as in 127.0.0.1:9464")),
        }
    }

    /// How many threads answer requests on a machine of so many cores.
    pub fn threads_on(&self, cores: usize) -> usize {
        match self.threads {
            0 => cores.saturating_sub(1).max(1),
            threads => threads,
        }
    }

    /// The windows of the rotation rule.
    pub fn windows(&self) -> Windows {
        Windows {
            late: millis(self.keys.late_window),
            rotate_after: millis(self.keys.rotate_after),
            idle: millis(self.keys.idle_limit),
            client_deadline: millis(self.keys.client_deadline),
        }
    }

    /// How long keys live.
    pub fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            default: millis(self.keys.lifetime),
            max: millis(self.keys.max_lifetime),
            fixed: millis(self.keys.fixed_lifetime),
        }
    }

    /// How many keys there may be.
    pub fn key_limits(&self) -> KeyLimits {
        KeyLimits {
            per_session: self.keys.per_session,
            per_user: self.keys.per_user,
            per_host: self.keys.per_host,
            thefts: self.keys.thefts,
        }
    }

    /// Whether the files that the settings name can be used.
    ///
    /// # Errors
    /// Names the setting whose file cannot.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        crate::tls::read(&self.tls).map(drop)
    }

    /// The database of `store.url`.
    ///
    /// # Errors
    /// When the URL names none that is known.
    pub fn store_place(&self) -> Result<Place, ConfigError> {
        let problem =
            "write it as in \"sqlite:latchkey.db\" or \"postgres://user:password@host/database\"";
        Place::of(&self.store.url, &self.data)
            .ok_or_else(|| ConfigError::value("store.url", problem))
    }
}
