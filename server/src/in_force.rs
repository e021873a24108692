//! The settings in force: everything that a reload replaces, replaced at once.
//!
//! A request takes one share of this when it comes in and is answered by it to its end, whatever is
//! reloaded meanwhile.

use crate::config::Config;
use crate::keys::decide::Windows;
use crate::keys::launch::Lifetimes;
use crate::latchkey::StartError;
use crate::legacy::crossdomain::CrossDomain;
use crate::policy::Rules;
use crate::secrets::Secrets;
use crate::store::KeyLimits;
use crate::webhooks::Webhooks;
use std::sync::Arc;
use std::time::Duration;

/// The settings in force. Those that are not here are read at start only.
#[derive(Debug)]
pub(crate) struct InForce {
    /// What the operator allows.
    pub(crate) rules: Rules,
    /// Secrets and origins of hosts, and the keyring.
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) windows: Windows,
    pub(crate) key_limits: KeyLimits,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) start_limit: Duration,
    pub(crate) body_limit: usize,
    pub(crate) public_url: Arc<str>,
    /// Whether the key of a form may stand in its address.
    pub(crate) query_key: bool,
    /// What `crossdomain.xml` says.
    pub(crate) crossdomain: CrossDomain,
    /// Whom to tell what happened.
    pub(crate) webhooks: Webhooks,
}

impl InForce {
    pub(crate) fn new(config: &Config, secrets: Secrets) -> Result<Self, StartError> {
        let public_url = match config.public_url.as_str() {
            "" if config.tls.is_on() => format!("https://{}", config.listen).into(),
            "" => format!("http://{}", config.listen).into(),
            url => url.into(),
        };
        Ok(Self {
            rules: Rules::new(config)?,
            secrets: Arc::new(secrets),
            windows: config.windows(),
            key_limits: config.key_limits(),
            lifetimes: config.lifetimes(),
            start_limit: config.keys.start_limit,
            body_limit: config.limits.body,
            query_key: config.legacy.query_key,
            crossdomain: CrossDomain::new(config),
            public_url,
            webhooks: Webhooks::new(config)?,
        })
    }
}
