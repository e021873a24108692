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
mod migrate;
mod nonces;
mod numbers;
mod outbox;
mod records;
mod rulings;
mod sql;
mod states;
mod submissions;
mod sweep;
mod web_sessions;
mod words;

use crate::store::{Ended, StoreError};
use deadpool_postgres::{Client, Pool};
use group::Writers;
use hosts::Hosts;
use known::KnownKeys;
use latchkey_protocol::Millis;
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;

/// How much of a database one server takes.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Most calls of one commit; 1 gives each a commit of its own.
    pub group: usize,
    /// Connections that write calls, each for some of the strands.
    pub writers: usize,
    /// Connections for everything else.
    pub connections: usize,
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
    subscribers: outbox::Subscribers,
    /// Which server this is, to tell its claims from others'.
    server: i64,
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
            self.subscribers.notify(posted);
        }
    }

    /// After keys were ended or activities hidden here: this server sees it at once, others within a second.
    fn doubt(&self) {
        self.known.doubt();
    }
}

/// The store on PostgreSQL.
#[derive(Debug)]
pub struct PostgresStore {
    shared: Arc<Shared>,
    share: Share,
    writers: OnceLock<Writers>,
    swept_to: std::sync::Mutex<sweep::Place>,
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
        let config = connect::parse(url)?;
        // A runtime of its own: the caller may be a task of another one.
        let migrated = std::thread::scope(|scope| {
            scope.spawn(|| migrate::alone(&config, now)).join().map_err(|_| StoreError::Closed)
        });
        migrated??;
        let (open, ended) = oneshot::channel();
        let shared = Arc::new(Shared {
            pool: connect::pool(&config, share.connections.max(1))?,
            writers: connect::pool(&config, share.writers.max(1) + 1)?,
            hosts: Hosts::default(),
            known: KnownKeys::new(),
            live: limits::LiveKeys::default(),
            subscribers: outbox::Subscribers::default(),
            server,
            _ended: open,
        });
        let (writers, swept_to) = Default::default();
        Ok((Self { shared, share, writers, swept_to }, ended))
    }

    /// The tasks that write, started by the first who needs them.
    fn writers(&self) -> &Writers {
        self.writers
            .get_or_init(|| Writers::start(&self.shared, self.share.writers, self.share.group))
    }
}
