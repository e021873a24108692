//! `[webhooks]` and `[[hosts.webhooks]]`: who is told what happened, and how.

use super::sections::duration;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// `[webhooks]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksConfig {
    /// How long one attempt may take.
    #[serde(deserialize_with = "duration")]
    pub deadline: Duration,
    /// A webhook at which nothing arrives for so long is disabled.
    #[serde(deserialize_with = "duration")]
    pub disable_after: Duration,
    /// Networks to which messages may go although they are not of the public internet.
    pub networks: Vec<String>,
    /// PEM file of certificates to trust beside the system's; empty for none.
    pub authorities: PathBuf,
}

/// As in `server.toml`.
impl Default for WebhooksConfig {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(15),
            disable_after: Duration::from_secs(5 * 24 * 3600),
            networks: Vec::new(),
            authorities: PathBuf::new(),
        }
    }
}

/// `[[hosts.webhooks]]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Its id, unique within the host.
    pub id: String,
    /// Where messages go.
    pub url: String,
    /// Names of the events that it gets.
    pub events: Vec<String>,
    /// `whsec_…`
    pub secret: String,
    /// The one that it replaces, while the receiver may still know only that.
    #[serde(default)]
    pub former_secret: Option<String>,
}

/// Shows no secret, and of the URL nothing: it may hold one too.
impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookConfig({} {:?} …)", self.id, self.events)
    }
}
