//! What no setting may be, and what to write instead.

use super::hosts::check_host;
use super::{Config, ConfigError, LimitsConfig};
use crate::legacy::crossdomain;
use crate::policy::{Rules, is_origin};
use crate::webhooks::Webhooks;
use std::time::Duration;

/// More threads than any machine has cores.
const MOST_THREADS: usize = 1024;

impl Config {
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        self.windows().validate().map_err(|error| {
            let setting = match error.setting() {
                "late" => "late_window",
                "idle" => "idle_limit",
                other => other,
            };
            ConfigError::value(format!("keys.{setting}"), error.to_string())
        })?;
        let lifetimes = [
            ("keys.start_limit", self.keys.start_limit),
            ("keys.lifetime", self.keys.lifetime),
            ("keys.max_lifetime", self.keys.max_lifetime),
            ("keys.fixed_lifetime", self.keys.fixed_lifetime),
            ("limits.read_deadline", self.limits.read_deadline),
        ];
        if let Some((setting, _)) = lifetimes.iter().find(|(_, length)| length.is_zero()) {
            return Err(ConfigError::value(*setting, "must be longer than nothing"));
        }
        if self.keys.start_limit > Duration::from_secs(3600) {
            return Err(ConfigError::value("keys.start_limit", "must not be above an hour"));
        }
        let LimitsConfig { burst, per_second, user_burst, user_per_second, .. } = self.limits;
        let LimitsConfig { host_burst, host_per_second, .. } = self.limits;
        let LimitsConfig { requests_burst, requests_per_second, .. } = self.limits;
        for (name, burst, per_second) in [
            ("", burst, per_second),
            ("user_", user_burst, user_per_second),
            ("host_", host_burst, host_per_second),
            ("requests_", requests_burst, requests_per_second),
        ] {
            if burst > 0 && per_second == 0 {
                let problem = format!(
                    "must be above 0 where limits.{name}burst is; a burst of 0 sets no limit"
                );
                return Err(ConfigError::value(format!("limits.{name}per_second"), problem));
            }
        }
        if self.threads > MOST_THREADS {
            return Err(ConfigError::value("threads", format!("must not be above {MOST_THREADS}")));
        }
        if !self.public_url.is_empty() && !is_origin(&self.public_url) {
            let problem = "write it as in https://latch.example, with nothing behind the host";
            return Err(ConfigError::value("public_url", problem));
        }
        for (at, host) in self.hosts.iter().enumerate() {
            check_host(host).map_err(|(name, problem)| {
                ConfigError::value(format!("hosts[{at}].{name}"), problem)
            })?;
            if self.hosts[..at].iter().any(|other| other.id == host.id) {
                let problem = "two hosts have this id: give each one of its own";
                return Err(ConfigError::value(format!("hosts[{at}].id"), problem));
            }
        }
        self.check_tls()?;
        if self.store.keep_log > 0 && self.store.url.starts_with("sqlite:") {
            let problem = "SQLite keeps its log whole, as one chain: leave it 0, or use PostgreSQL";
            return Err(ConfigError::value("store.keep_log", problem));
        }
        // Networks, functions, roles: what can be compiled is good.
        Rules::new(&self)?;
        Webhooks::new(&self)?;
        self.check_webhooks()?;
        self.check_legacy()?;
        self.metrics_address()?;
        if !self.tracing.otlp.is_empty() {
            crate::traces::address(&self.tracing.otlp)?;
        }
        Ok(self)
    }

    fn check_webhooks(&self) -> Result<(), ConfigError> {
        let (deadline, end) = (self.webhooks.deadline, self.webhooks.disable_after);
        if deadline.is_zero() {
            return Err(ConfigError::value("webhooks.deadline", "must be longer than nothing"));
        }
        // Events are kept for thirty days: one that is tried for longer would be lost without a word.
        if end.is_zero() || end > Duration::from_secs(30 * 24 * 3600) {
            let problem = "must be longer than nothing and not above 30 days";
            return Err(ConfigError::value("webhooks.disable_after", problem));
        }
        Ok(())
    }

    fn check_legacy(&self) -> Result<(), ConfigError> {
        let mut domains = self.legacy.flash_domains.iter();
        match domains.position(|domain| !crossdomain::is_domain(domain)) {
            None => Ok(()),
            Some(at) => {
                let setting = format!("legacy.flash_domains[{at}]");
                let problem = "write one exact name, as in films.example: no *, scheme or port";
                Err(ConfigError::value(setting, problem))
            }
        }
    }

    fn check_tls(&self) -> Result<(), ConfigError> {
        let missing = |path: &std::path::Path| path.as_os_str().is_empty();
        for (name, path) in [("certificate", &self.tls.certificate), ("key", &self.tls.key)] {
            if self.tls.is_on() && missing(path) {
                let problem = "TLS needs both certificate and key: name a PEM file here too";
                return Err(ConfigError::value(format!("tls.{name}"), problem));
            }
        }
        Ok(())
    }
}
