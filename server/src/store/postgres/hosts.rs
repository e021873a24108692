//! Hosts by name, and the counts of what they have. Neither ever changes, so both are remembered.

use super::numbers::strands_of;
use super::sql;
use crate::store::StoreError;
use deadpool_postgres::Pool;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts that a server takes at once.
const BLOCK: i64 = 64;

/// What is known of hosts.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    by_name: Mutex<HashMap<String, i64>>,
    by_number: Mutex<HashMap<i64, Arc<str>>>,
    counts: Mutex<HashMap<i64, std::ops::Range<i64>>>,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hosts {
    /// The number of a host, if it has one.
    pub(super) async fn known(&self, pool: &Pool, name: &str) -> Result<Option<i64>, StoreError> {
        if let Some(host) = held(&self.by_name).get(name) {
            return Ok(Some(*host));
        }
        let client = pool.get().await?;
        let found = sql::row(&client, "SELECT id FROM hosts WHERE name = $1", &[&name]).await?;
        let Some(row) = found else { return Ok(None) };
        let host = row.try_get(0)?;
        held(&self.by_name).insert(name.to_owned(), host);
        Ok(Some(host))
    }

    /// The number of a host, which gets one if it has none. Not to be asked for from within a transaction: what it
    /// writes is committed by itself.
    pub(super) async fn number(&self, pool: &Pool, name: &str) -> Result<i64, StoreError> {
        let mut tries = sql::Tries::default();
        loop {
            if let Some(host) = self.known(pool, name).await? {
                return Ok(host);
            }
            // If somebody else was faster, theirs is read.
            if let Err(error) = make(pool, name).await
                && !tries.again(&error).await
            {
                return Err(error);
            }
        }
    }

    /// The name of the host of that number, one copy of it.
    pub(super) async fn name(&self, pool: &Pool, host: i64) -> Result<Arc<str>, StoreError> {
        if let Some(name) = held(&self.by_number).get(&host) {
            return Ok(Arc::clone(name));
        }
        let client = pool.get().await?;
        let found = sql::row(&client, "SELECT name FROM hosts WHERE id = $1", &[&host]).await?;
        let row = found.ok_or_else(|| StoreError::Unreadable(format!("host {host} is missing")))?;
        let name: Arc<str> = row.try_get::<_, &str>(0)?.into();
        held(&self.by_number).insert(host, Arc::clone(&name));
        Ok(name)
    }

    /// A fresh count for something of that host. Committed by itself, in blocks: some are never used.
    pub(super) async fn count(&self, pool: &Pool, host: i64) -> Result<i64, StoreError> {
        if let Some(count) = held(&self.counts).get_mut(&host).and_then(Iterator::next) {
            return Ok(count);
        }
        let client = pool.get().await?;
        let take = "UPDATE numbers SET last = last + $2 WHERE host = $1 RETURNING last";
        let found = sql::row(&client, take, &[&host, &BLOCK]).await?;
        let row = found.ok_or_else(|| StoreError::Unreadable(format!("host {host} is missing")))?;
        let last: i64 = row.try_get(0)?;
        let first = last - BLOCK + 1;
        // What another task fetched meanwhile is left unused.
        held(&self.counts).insert(host, first + 1..last + 1);
        Ok(first)
    }

    /// As many fresh counts for things of that host. Committed by itself.
    pub(super) async fn counts(
        &self,
        pool: &Pool,
        host: i64,
        many: usize,
    ) -> Result<std::ops::Range<i64>, StoreError> {
        let many = i64::try_from(many).unwrap_or(i64::MAX);
        let client = pool.get().await?;
        let take = "UPDATE numbers SET last = last + $2 WHERE host = $1 RETURNING last";
        let found = sql::row(&client, take, &[&host, &many]).await?;
        let row = found.ok_or_else(|| StoreError::Unreadable(format!("host {host} is missing")))?;
        let last: i64 = row.try_get(0)?;
        Ok(last - many + 1..last + 1)
    }
}

/// Makes a host with all that is there once for each.
async fn make(pool: &Pool, name: &str) -> Result<(), StoreError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    let insert = "INSERT INTO hosts (id, name) SELECT coalesce(max(id), 0) + 1, $1 FROM hosts
                  RETURNING id";
    let row = sql::row(&transaction, insert, &[&name]).await?;
    let row = row.ok_or_else(|| StoreError::Unreadable("a host was not made".into()))?;
    let host: i64 = row.try_get(0)?;
    sql::run(&transaction, "INSERT INTO numbers (host, last) VALUES ($1, 0)", &[&host]).await?;
    let strands: &[i64] = &strands_of(host);
    let counters = "INSERT INTO counters SELECT strand, 0 FROM unnest($1::BIGINT[]) AS s (strand)";
    sql::run(&transaction, counters, &[&strands]).await?;
    transaction.commit().await?;
    Ok(())
}
