//! `[[hosts]]`: the sites whose pages embed keys.

use super::WebhookConfig;
use crate::policy::is_origin;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;

/// `[[hosts]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostConfig {
    /// `iss` of its launch tokens.
    pub id: String,
    /// Its secrets.
    pub secrets: Vec<HostSecret>,
    /// Origins of its pages.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Whether its launches may name `null`, the origin of sandboxed frames.
    #[serde(default)]
    pub opaque_origins: bool,
    /// Whether it may send its secret itself instead of a signature, over HTTPS or loopback.
    #[serde(default)]
    pub bearer: bool,
    /// Whether its keys and requests are taken.
    #[serde(default = "on")]
    pub enabled: bool,
    /// The only users who may use its keys; any if absent.
    #[serde(default)]
    pub users: Option<Vec<String>>,
    /// Networks from which its keys may be used; empty for any.
    #[serde(default)]
    pub networks: Vec<String>,
    /// The same for single users, by the host's own primary key.
    #[serde(default)]
    pub user_networks: HashMap<String, Vec<String>>,
    /// Live keys of all its users, instead of `keys.per_host`.
    #[serde(default)]
    pub per_host: Option<u32>,
    /// Live keys of one of its users, instead of `keys.per_user`.
    #[serde(default)]
    pub per_user: Option<u32>,
    /// The version of the wire for its callers that do not say one; the newest if absent.
    #[serde(default)]
    pub version: Option<String>,
    /// `[[hosts.webhooks]]`
    #[serde(default)]
    pub webhooks: Vec<WebhookConfig>,
}

impl HostConfig {
    /// A host with one secret, its number 1, and all else by default.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secrets: vec![HostSecret { number: 1, secret: secret.into() }],
            origins: Vec::new(),
            opaque_origins: false,
            bearer: false,
            enabled: true,
            users: None,
            networks: Vec::new(),
            user_networks: HashMap::new(),
            per_host: None,
            per_user: None,
            version: None,
            webhooks: Vec::new(),
        }
    }
}

fn on() -> bool {
    true
}

/// A secret of a host.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSecret {
    /// Its number, in the `kid` of launch tokens.
    pub number: u32,
    /// 32 bytes or more in base64url.
    pub secret: String,
}

/// Shows the number only.
impl fmt::Debug for HostSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostSecret(number {} …)", self.number)
    }
}

pub(super) fn check_host(host: &HostConfig) -> Result<(), (&'static str, &'static str)> {
    let id_fits = (1..=64).contains(&host.id.len())
        && host.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !id_fits {
        return Err(("id", "must be 1 to 64 letters, digits, '-', '_' or '.'"));
    }
    if host.secrets.is_empty() {
        return Err(("secrets", "needs one at least: [{ number = 1, secret = \"…\" }]"));
    }
    for (at, secret) in host.secrets.iter().enumerate() {
        if secret_bytes(&secret.secret).is_none() {
            return Err(("secrets", "a secret is 32 bytes or more in base64url without padding"));
        }
        if host.secrets[..at].iter().any(|other| other.number == secret.number) {
            return Err(("secrets", "two secrets have the same number"));
        }
    }
    if !host.origins.iter().all(|origin| is_origin(origin)) {
        return Err(("origins", "write them as browsers do: https://school.example"));
    }
    Ok(())
}

/// The bytes of a secret in base64url; `None` if there are fewer than 32.
pub fn secret_bytes(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
    (bytes.len() >= 32).then_some(bytes)
}
