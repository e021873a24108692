//! Who wants events, and who is told that there are some.

use super::{EventKind, Subscriptions};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Notify;

/// Webhooks as the settings in force have them, and the loop that delivers to them.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    wanted: RwLock<Arc<Subscriptions>>,
    posted: Arc<Notify>,
}

impl Subscribers {
    /// From now on it is these.
    pub(super) fn replace(&self, subscriptions: Arc<Subscriptions>) {
        *self.wanted.write().unwrap_or_else(PoisonError::into_inner) = subscriptions;
    }

    /// Whether anybody wants anything.
    pub(super) fn are_none(&self) -> bool {
        self.wanted.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Names of the webhooks of that host that want such events.
    pub(super) fn wanting(&self, host: &str, kind: EventKind) -> Vec<String> {
        let wanted = self.wanted.read().unwrap_or_else(PoisonError::into_inner);
        let webhooks = wanted.get(host).map_or(&[][..], Vec::as_slice);
        let wanting = webhooks.iter().filter(|webhook| webhook.events.contains(&kind));
        wanting.map(|webhook| webhook.webhook.clone()).collect()
    }

    /// Notified after each commit that wrote an event.
    pub(super) fn posted(&self) -> Arc<Notify> {
        Arc::clone(&self.posted)
    }

    /// After the commit of an event.
    pub(super) fn notify(&self) {
        self.posted.notify_one();
    }
}
