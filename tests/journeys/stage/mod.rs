//! The machinery of the journeys.
//!
//! [`world`] puts it together: a `server` (here, or as a program of its own that can be killed), a [`host`]
//! whose pages embed keys, a [`proxy`] between the browser and the API, and a [`browser`] with its
//! tabs. [`books`] compares beliefs with the [`database`]; [`thief`] uses keys that are not his.

pub(crate) mod aicc;
pub(crate) mod books;
pub(crate) mod browser;
pub(crate) mod database;
pub(crate) mod exercise;
pub(crate) mod films;
pub(crate) mod frames;
pub(crate) mod hands;
pub(crate) mod host;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod runtimes;
pub(crate) mod tab;
pub(crate) mod thief;
pub(crate) mod wire;
pub(crate) mod world;

use std::time::Duration;

/// After this long a condition that does not come is a failure. Far above what a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
/// How often a condition is looked at again where nothing tells of a change.
pub(crate) const GLANCE: Duration = Duration::from_millis(25);

/// Waits for something that nothing tells of; whether it has come.
pub(crate) async fn comes(is_there: impl AsyncFn() -> bool) -> bool {
    comes_within(PATIENCE, is_there).await
}

/// The same with another patience.
pub(crate) async fn comes_within(patience: Duration, is_there: impl AsyncFn() -> bool) -> bool {
    let come = async {
        while !is_there().await {
            tokio::time::sleep(GLANCE).await;
        }
    };
    tokio::time::timeout(patience, come).await.is_ok()
}
