//! What operators watch of a store.

use super::StoreError;
use async_trait::async_trait;
use latchkey_protocol::Millis;
use prometheus_client::metrics::histogram::Histogram;

/// What a store counts as it works.
#[derive(Clone, Debug)]
pub struct Meter {
    /// Calls that share one commit.
    pub groups: Histogram,
}

impl Default for Meter {
    fn default() -> Self {
        let doubling = std::iter::successors(Some(1.0), |size| Some(size * 2.0));
        Self { groups: Histogram::new(doubling.take(11)) }
    }
}

/// How much a store has to do.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Calls that wait to be written.
    pub queue: u64,
    /// Its pools of connections, if it has any.
    pub pools: Vec<PoolLoad>,
}

/// How much of a pool of connections is in use.
#[derive(Clone, Copy, Debug)]
pub struct PoolLoad {
    /// Its name.
    pub pool: &'static str,
    /// Connections that are open.
    pub open: u64,
    /// Of these, in use.
    pub used: u64,
    /// The most there may be.
    pub most: u64,
    /// Tasks that wait for one.
    pub waiting: u64,
}

/// What is counted by reading tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Keys that may still be used.
    pub live_keys: u64,
    /// Events that webhooks have not taken yet.
    pub outstanding: u64,
}

/// A store that can be watched.
#[async_trait]
pub trait Metered: Send + Sync {
    /// Handles on what it counts.
    fn meter(&self) -> Meter;

    /// What it has to do now. Costs nothing.
    fn load(&self) -> Load;

    /// Counts keys and events; keys that have not moved since `idle_since` do not count. Reads whole tables.
    async fn standing(&self, now: Millis, idle_since: Millis) -> Result<Standing, StoreError>;
}
