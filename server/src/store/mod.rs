//! What is kept, behind small traits.
//!
//! Conventions, for every backend:
//!
//! * A call that returns `Ok` is on disk. A call that returns [`StoreError`] may or may not be; the
//!   operation ids make it safe to send again.
//! * [`Keys::call`] is one transaction: the confirmation of a token and the effects of its call
//!   commit together or not at all. A revocation commits by itself before the refusal is returned.
//! * [`Keys::key`] may answer from a cache, and so may say *yes*; only [`Keys::call`], which reads
//!   the row afresh, may say *no*.
//! * Nothing here knows tokens, secrets or HTTP. Everything is found by host first.
//! * Entries and submissions are append-only.
//!
//! `contract.rs` is the behaviour in tests, run against each backend.

mod directory;
mod entries;
mod feed;
mod held;
mod meter;
mod model;
pub mod moving;
mod open;
mod outbox;
pub mod postgres;
pub mod sqlite;
mod standing;
mod states;
mod subscribers;

#[cfg(test)]
mod contract;

pub use directory::*;
pub use entries::*;
pub use feed::*;
pub use held::*;
pub use meter::*;
pub use model::*;
pub use open::*;
pub use outbox::*;
pub use states::*;

use async_trait::async_trait;
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use std::sync::Arc;
use thiserror::Error;

/// The store as the rest of the server holds it.
pub type SharedStore = Arc<dyn Store>;

/// Why the store could not do its work. Never the caller's fault, and always worth a retry.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// The database refused or failed.
    #[error("database: {0}")]
    Database(String),
    /// Another transaction was in the way. Nothing was written.
    #[error("database: {0}")]
    Contended(String),
    /// The database could not be reached, or no longer.
    #[error("database: {0}")]
    Unreachable(String),
    /// The database cannot do it now: its disk is full, or somebody holds what is needed for longer than may be
    /// waited. Nothing was written.
    #[error("database: {0}")]
    Unable(String),
    /// Something stored cannot be read: another version wrote it, or it is damaged.
    #[error("stored data cannot be read: {0}")]
    Unreadable(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the database answers, and takes no writes: a standby, or a file that may not be written. Told by the
    /// texts, which are the drivers' own and of this program.
    pub fn is_read_only(&self) -> bool {
        let (Self::Database(told) | Self::Contended(told) | Self::Unreachable(told)) = self else {
            return false;
        };
        ["(25006)", "does not allow writes", "readonly database"].iter().any(|it| told.contains(it))
    }
}

/// Resolves when everything that was accepted is on disk and the store is closed.
pub type Ended = tokio::sync::oneshot::Receiver<()>;

/// All that a backend is.
pub trait Store:
    Keys + Nonces + Records + WebSessions + Rulings + Feeds + Outbox + Directory + HeldKeys + Metered
{
}
impl<T> Store for T where
    T: Keys
        + Nonces
        + Records
        + WebSessions
        + Rulings
        + Feeds
        + Outbox
        + Directory
        + HeldKeys
        + Metered
{
}

/// Keys and what is done with them.
#[async_trait]
pub trait Keys: Send + Sync {
    /// The key of that id, perhaps a moment old; `None` if there is none.
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError>;

    /// Reads the key afresh, decides, and does the work, in one transaction.
    async fn call(&self, call: KeyCall) -> Result<Verdict, StoreError>;

    /// Only reads, for a key that has already been found good.
    async fn read(&self, subject: Subject, read: Read) -> Result<Done, Rejected>;

    /// Ends a key of that host; whether there was a live one.
    async fn revoke(
        &self,
        host: &str,
        id: KeyId,
        why: &str,
        now: Millis,
    ) -> Result<bool, StoreError>;

    /// Whose key that is, ended or not; `None` if there is none.
    async fn owner(&self, id: KeyId) -> Result<Option<Owner>, StoreError>;

    /// Ends a web session of that host with all keys launched in it, those that are still to be
    /// used first included; how many live keys there were.
    async fn end_session(&self, host: &str, session: &str, now: Millis) -> Result<u64, StoreError>;

    /// Whether the database answers, for readiness.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// What makes a signed request of a host good once.
#[async_trait]
pub trait Nonces: Send + Sync {
    /// Remembers a nonce of that host until its signature is too old; `false` if it was known.
    ///
    /// Kept with everything else, so that neither a restart nor a second server makes it good again: one
    /// `INSERT` that a unique key refuses. The rate of each host bounds how many there are.
    async fn spend_nonce(
        &self,
        host: &str,
        nonce: &str,
        until: Millis,
        now: Millis,
    ) -> Result<bool, StoreError>;
}

/// What a host reads back.
#[async_trait]
pub trait Records: Send + Sync {
    /// The standing of every user who has one in that activity, by name.
    async fn standings(&self, host: &str, activity: &str) -> Result<Vec<StandingRow>, StoreError>;

    /// Every submission of that user there, newest first, at most `limit`.
    async fn submissions(
        &self,
        host: &str,
        activity: &str,
        user: &str,
        limit: u32,
    ) -> Result<Vec<SubmissionRow>, StoreError>;

    /// Times of the newest entries of that activity, newest first, at most `limit`.
    async fn entry_times(
        &self,
        host: &str,
        activity: &str,
        limit: u32,
    ) -> Result<Vec<(EntryKind, Millis)>, StoreError>;
}

/// Login sessions of a host that is built on this library.
#[async_trait]
pub trait WebSessions: Send + Sync {
    /// Stores a new session; `false` if the id is taken, and then nothing is changed.
    async fn create_web_session(
        &self,
        id: &str,
        record: &str,
        expires_at: Millis,
    ) -> Result<bool, StoreError>;

    /// Changes a session. One that was deleted meanwhile stays deleted: a request that began before a
    /// logout must not bring the login back.
    async fn save_web_session(
        &self,
        id: &str,
        record: &str,
        expires_at: Millis,
    ) -> Result<(), StoreError>;

    /// The session's record unless it has expired at `now`.
    async fn load_web_session(&self, id: &str, now: Millis) -> Result<Option<String>, StoreError>;

    /// Forgets a session; no matter if there is none.
    async fn delete_web_session(&self, id: &str) -> Result<(), StoreError>;

    /// Sweeps what nobody can use any more: expired web sessions, keys ended for a week,
    /// operations of `log` older than 72 hours. One short step of a walk through the tables; `true`
    /// until the walk has come round.
    async fn sweep(&self, now: Millis) -> Result<bool, StoreError>;
}
