//! Keys as their host sees them: whose, what for, how long. Never a token.

use super::{Grant, StoreError};
use async_trait::async_trait;
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use std::sync::Arc;

/// A key of a host.
#[derive(Clone, Debug)]
pub struct HeldKey {
    /// Its id.
    pub id: KeyId,
    /// The user, by the host's key.
    pub user: String,
    /// The activity, by the host's key.
    pub activity: String,
    /// The attempt it is for.
    pub attempt: u32,
    /// The host's web session.
    pub session: Option<String>,
    /// What it may do.
    pub grant: Arc<Grant>,
    /// Whether its token changes.
    pub rotating: bool,
    /// When it was started.
    pub created_at: Millis,
    /// When its generation last moved.
    pub advanced_at: Millis,
    /// Its absolute end.
    pub ends_at: Millis,
    /// When it was ended before that, and why.
    pub revoked: Option<(Millis, String)>,
}

/// Which keys are wanted: of all that is given here, and one at least is.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Of that user.
    pub user: Option<String>,
    /// In that activity.
    pub activity: Option<String>,
    /// Launched in that web session.
    pub session: Option<String>,
    /// Only those whose id stands behind this one.
    pub after: Option<KeyId>,
    /// How many at most.
    pub limit: u32,
}

/// Keys as their host sees them.
#[async_trait]
pub trait HeldKeys: Send + Sync {
    /// Live keys in the order of their ids: not ended, and those that rotate moved after `idle_since`.
    async fn live_keys(
        &self,
        host: &str,
        filter: KeyFilter,
        idle_since: Millis,
        now: Millis,
    ) -> Result<Vec<HeldKey>, StoreError>;

    /// A key of that host, ended or not; `None` if there is none.
    async fn held_key(&self, host: &str, id: KeyId) -> Result<Option<HeldKey>, StoreError>;
}
