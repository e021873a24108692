//! The store on PostgreSQL, for one server or many: what is done in a strand of a host is done one after the
//! other, whoever does it. `docs/adr/0014-postgres-shape.md` tells why it has this shape.
//!
//! Read `numbers.rs` first, then `batch.rs` (how anything is written) and `calls.rs` (how a call is decided).

mod batch;
mod calls;
mod connect;
mod directory;
mod entries;
mod feed;
mod flush;
mod group;
mod held;
mod hosts;
mod keys;
mod known;
mod launch;
mod limits;
mod load;
mod meter;
mod migrate;
mod months;
pub(in crate::store) mod moving;
mod nonces;
mod notices;
pub(in crate::store) mod numbers;
mod outbox;
mod records;
mod remembered;
mod rulings;
mod sql;
mod states;
mod submissions;
#[cfg(test)]
mod subset;
mod sweep;
mod waiting;
mod web_sessions;
mod words;

use crate::store::subscribers::Subscribers;
use crate::store::{Ended, Meter, StoreError};
use deadpool_postgres::{Client, Pool};
use group::Writers;
use hosts::Hosts;
use known::KnownKeys;
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use notices::{Notice, Notices};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How much of a database one server takes.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Most calls of one commit; 1 gives each a commit of its own.
    pub group: usize,
    /// Connections that write calls: so many groups may be under way at the same time.
    pub writers: usize,
    /// Connections for everything else.
    pub connections: usize,
    /// Whole months of the log that are kept beside the present one; 0 for all.
    pub keep_log: u32,
}

/// What all parts of the store share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Connections for everything but the groups of calls.
    pool: Pool,
    /// Connections for the groups of calls.
    writers: Pool,
    hosts: Hosts,
    known: KnownKeys,
    live: limits::LiveKeys,
    subscribers: Subscribers,
    webhooks: outbox::KnownWebhooks,
    meter: Meter,
    /// Which server this is, to tell its claims from others'.
    server: i64,
    /// Whole months of the log that are kept beside the present one; 0 for all.
    keep_log: u32,
    notices: Notices,
    /// Goes with the last task that does something.
    _ended: oneshot::Sender<()>,
}

impl Shared {
    /// A connection, once one is free.
    async fn client(&self) -> Result<Client, StoreError> {
        Ok(self.pool.get().await?)
    }

    /// The number of a host, if it has one.
    async fn known_host(&self, name: &str) -> Result<Option<i64>, StoreError> {
        self.hosts.known(&self.pool, name).await
    }

    /// The number of a host, made if it is new. Not from within a transaction.
    async fn host(&self, name: &str) -> Result<i64, StoreError> {
        self.hosts.number(&self.pool, name).await
    }

    /// A number for something new that a host calls `key`. Not from within a transaction; one that is then
    /// not used is lost, and nothing with it.
    async fn number(&self, host: i64, key: &str) -> Result<i64, StoreError> {
        Ok(numbers::number(host, self.hosts.count(&self.pool, host).await?, key))
    }

    /// The same for many things at once.
    async fn numbers(&self, host: i64, keys: &[&str]) -> Result<Vec<i64>, StoreError> {
        let counts = self.hosts.counts(&self.pool, host, keys.len()).await?;
        Ok(counts.zip(keys).map(|(count, key)| numbers::number(host, count, key)).collect())
    }

    /// After the commit of events to these webhooks.
    fn notify(&self, posted: Vec<i64>) {
        if !posted.is_empty() {
            self.webhooks.learn(posted);
            self.subscribers.notify();
        }
    }

    /// After keys were ended or activities hidden here: this server sees it at once, others when they are told, or
    /// within a second.
    fn doubt(&self) {
        self.known.doubt();
        self.notices.send(Notice::All);
    }

    /// After one key was ended here.
    fn doubt_one(&self, id: KeyId) {
        self.known.doubt_one(&id);
        self.notices.send(Notice::Key(id));
    }
}

/// The store on PostgreSQL.
pub struct PostgresStore {
    shared: Arc<Shared>,
    share: Share,
    tasks: OnceLock<Writers>,
    /// For the task that talks to other servers, once it is started.
    talk: Mutex<Option<(connect::Target, notices::Waiting)>>,
    swept_to: Mutex<sweep::Place>,
}

impl PostgresStore {
    /// Brings the database of that URL up to date and opens it. Blocks until that is done; the connections
    /// themselves are made when they are needed, and belong to the runtime that needs them. `server`: a random number.
    ///
    /// # Errors
    /// When it cannot be reached or used, or was made by a newer version.
    pub fn open(
        url: &str,
        share: Share,
        server: i64,
        now: Millis,
    ) -> Result<(Self, Ended), StoreError> {
        Self::believing(known::BELIEVED, url, share, server, now)
    }

    /// The same, with another time for which a key's row is believed.
    pub(super) fn believing(
        believed: Duration,
        url: &str,
        share: Share,
        server: i64,
        now: Millis,
    ) -> Result<(Self, Ended), StoreError> {
        let target = connect::Target::of(url)?;
        // A runtime of its own: the caller may be a task of another one.
        let migrated = std::thread::scope(|scope| {
            scope.spawn(|| migrate::alone(&target, now)).join().map_err(|_| StoreError::Closed)
        });
        migrated??;
        let (open, ended) = oneshot::channel();
        let (notices, waiting) = Notices::new();
        let shared = Arc::new(Shared {
            pool: target.pool(share.connections.max(1))?,
            writers: target.pool(share.writers.max(1) + 1)?,
            hosts: Hosts::default(),
            known: KnownKeys::new(believed),
            live: limits::LiveKeys::default(),
            subscribers: Subscribers::default(),
            webhooks: outbox::KnownWebhooks::default(),
            meter: Meter::default(),
            server,
            keep_log: share.keep_log,
            notices,
            _ended: open,
        });
        let talk = Mutex::new(Some((target, waiting)));
        let (tasks, swept_to) = Default::default();
        Ok((Self { shared, share, tasks, talk, swept_to }, ended))
    }

    /// The tasks that write, started by the first who needs them, with the one that talks to other servers.
    fn writers(&self) -> &Writers {
        self.tasks.get_or_init(|| {
            let talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some((target, waiting)) = talk {
                let (shared, server) = (Arc::downgrade(&self.shared), self.shared.server);
                tokio::spawn(notices::exchange(shared, target, server, waiting));
            }
            Writers::start(&self.shared, self.share.writers, self.share.group)
        })
    }
}
