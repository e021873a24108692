//! Webhooks: hosts are told what happened, by the rules of [Standard Webhooks](https://www.standardwebhooks.com).
//!
//! Events are written by the store in the transaction of what they tell ([`crate::store::Outbox`]). Here they
//! are delivered:
//!
//! * `message` — what is sent, and under which id; [`signature`] — how the receiver knows that it is ours;
//!   [`schedule`] — when to try again; [`address`] — where nothing is ever sent. All of it pure.
//! * `send` — one attempt; `delivery` — the loop around it, which [`crate::serve`] runs.

pub mod address;
pub(crate) mod delivery;
mod message;
pub mod schedule;
mod send;
pub mod signature;

use crate::config::{Config, ConfigError};
use crate::store::{EventKind, Subscription, Subscriptions};
use latchkey_protocol::Millis;
use latchkey_protocol::mac::Signer;
use schedule::Rule;
use send::{Client, Target};
use std::sync::Arc;

/// A webhook as configured.
#[derive(Debug)]
pub(crate) struct Hook {
    /// Id of its host.
    pub(crate) host: String,
    /// Its own id.
    pub(crate) id: String,
    /// What it wants.
    pub(crate) events: Vec<EventKind>,
    target: Target,
    /// The secret in use, and the one that it replaces.
    signers: Vec<Signer>,
}

/// All webhooks of the settings in force, and how they are served.
#[derive(Debug)]
pub(crate) struct Webhooks {
    pub(crate) hooks: Vec<Arc<Hook>>,
    rule: Rule,
    client: Client,
}

impl Webhooks {
    /// As the settings say.
    ///
    /// # Errors
    /// Names the setting that is at fault.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let settings = &config.webhooks;
        let mut hooks = Vec::new();
        for (at, host) in config.hosts.iter().enumerate() {
            for (number, webhook) in host.webhooks.iter().enumerate() {
                let setting = |name: &str| format!("hosts[{at}].webhooks[{number}].{name}");
                let hook = webhook
                    .checked()
                    .map_err(|(name, problem)| ConfigError::value(setting(name), problem))?;
                if host.webhooks[..number].iter().any(|other| other.id == webhook.id) {
                    return Err(ConfigError::value(setting("id"), "two webhooks have this id"));
                }
                hooks.push(Arc::new(Hook {
                    host: host.id.clone(),
                    id: webhook.id.clone(),
                    events: hook.events,
                    target: hook.target,
                    signers: hook.signers,
                }));
            }
        }
        let disable_after = Millis::try_from(settings.disable_after.as_millis());
        let rule = Rule { disable_after: disable_after.unwrap_or(Millis::MAX) };
        let encrypted = hooks.iter().any(|hook| hook.target.encrypted);
        Ok(Self { client: Client::new(settings, encrypted)?, hooks, rule })
    }

    /// Which events the store is to write.
    pub(crate) fn subscriptions(&self) -> Arc<Subscriptions> {
        let mut wanted = Subscriptions::new();
        for hook in &self.hooks {
            let subscription =
                Subscription { webhook: hook.id.clone(), events: hook.events.clone() };
            wanted.entry(hook.host.clone()).or_default().push(subscription);
        }
        Arc::new(wanted)
    }

    /// Those of a host.
    pub(crate) fn of(&self, host: &str) -> impl Iterator<Item = &Arc<Hook>> {
        self.hooks.iter().filter(move |hook| hook.host == host)
    }
}

impl Hook {
    /// Where it is, for whoever looks at its state.
    pub(crate) fn url(&self) -> &str {
        &self.target.url
    }
}

/// The parts of a webhook's settings that were read and found good.
pub(crate) struct Checked {
    events: Vec<EventKind>,
    target: Target,
    signers: Vec<Signer>,
}

impl crate::config::WebhookConfig {
    /// What comes of the settings; else which is at fault, and what to write instead.
    pub(crate) fn checked(&self) -> Result<Checked, (&'static str, String)> {
        let fits = (1..=64).contains(&self.id.len())
            && self.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !fits {
            return Err(("id", "must be 1 to 64 letters, digits, '-' or '_'".into()));
        }
        let mut events = Vec::new();
        for name in &self.events {
            let known = EventKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>();
            let kind = EventKind::parse(name)
                .ok_or_else(|| ("events", format!("the events are {}", known.join(", "))))?;
            events.push(kind);
        }
        if events.is_empty() {
            return Err(("events", "name one at least, as in \"grade.changed\"".into()));
        }
        let target = Target::parse(&self.url).ok_or_else(|| {
            ("url", "write it as in https://school.example/hooks, without a login".to_owned())
        })?;
        let signer = |name, text: &str| {
            let secret = signature::secret(text).ok_or_else(|| {
                (name, "write \"whsec_\" and 24 to 64 bytes in base64 behind it".to_owned())
            })?;
            Ok(Signer::new(&secret))
        };
        let mut signers = vec![signer("secret", &self.secret)?];
        if let Some(former) = &self.former_secret {
            signers.push(signer("former_secret", former)?);
        }
        Ok(Checked { events, target, signers })
    }
}
