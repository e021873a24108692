//! The outbox: events are posted inside the transaction of what they tell, and settled one by one.
//!
//! Several servers deliver at once. Whoever is given an event holds its lane for a while: another server gets
//! it only if the first neither settles it nor asks again.

mod due;
mod settle;

use super::numbers::{named, strands_of};
use super::sql::{self, transact};
use super::{PostgresStore, Shared};
use crate::store::{Attempt, Due, DueEvents, Outbox, StoreError, Subscriptions, WebhookState};
use async_trait::async_trait;
use latchkey_protocol::Millis;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio_postgres::Row;

/// Webhooks whose row is there.
#[derive(Debug, Default)]
pub(super) struct KnownWebhooks(Mutex<HashSet<i64>>);

impl KnownWebhooks {
    /// Whether the row of that webhook has been committed.
    pub(super) fn has(&self, webhook: i64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&webhook)
    }

    /// After the commit of events to these webhooks.
    pub(super) fn learn(&self, webhooks: impl IntoIterator<Item = i64>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(webhooks);
    }
}

#[async_trait]
impl Outbox for PostgresStore {
    fn subscribe(&self, subscriptions: Arc<Subscriptions>) {
        self.shared.subscribers.replace(subscriptions);
    }

    fn posted(&self) -> Arc<Notify> {
        self.shared.subscribers.posted()
    }

    async fn due(
        &self,
        host: &str,
        webhook: &str,
        now: Millis,
        limit: u32,
    ) -> Result<DueEvents, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else {
            return Ok(DueEvents::default());
        };
        let shared: &Shared = &self.shared;
        let webhook = named(host, webhook);
        let events = transact!(self, |tx| due::due(shared, &tx, webhook, now, limit).await)?;
        let Some(events) = events else { return Ok(DueEvents::default()) };
        let client = self.shared.client().await?;
        let next_at = due::next_at(shared, &client, webhook, now, events.len() < limit as usize);
        Ok(DueEvents { next_at: next_at.await?, events })
    }

    async fn settle(&self, due: &Due, attempt: Attempt, now: Millis) -> Result<(), StoreError> {
        transact!(self, |tx| settle::settle(&tx, due, &attempt, now).await)
    }

    async fn replay(
        &self,
        host: &str,
        webhook: &str,
        since: Millis,
        now: Millis,
    ) -> Result<u64, StoreError> {
        let host = self.shared.host(host).await?;
        let id = named(host, webhook);
        let waiting =
            transact!(self, |tx| settle::replay(&tx, host, (id, webhook), since, now).await)?;
        self.shared.notify(vec![id]);
        Ok(waiting)
    }

    async fn webhooks(&self, host: &str) -> Result<Vec<WebhookState>, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else { return Ok(Vec::new()) };
        let strands: &[i64] = &strands_of(host);
        let client = self.shared.client().await?;
        let sql =
            "SELECT w.name, coalesce(l.waiting, 0), l.next_at, w.delivered_at, w.failing_since,
                          w.failed_at, w.failure, w.disabled_at, w.disabled_for
                   FROM webhooks w LEFT JOIN (
                       SELECT webhook, sum(last - sent)::BIGINT AS waiting, min(due_at) AS next_at
                       FROM lanes WHERE strand = ANY($2) GROUP BY webhook) l ON l.webhook = w.id
                   WHERE w.host = $1 ORDER BY w.name COLLATE \"C\"";
        let rows = sql::rows(&client, sql, &[&host, &strands]).await?;
        rows.iter().map(state).collect()
    }
}

fn state(row: &Row) -> Result<WebhookState, StoreError> {
    let pair = |column| -> Result<Option<(Millis, String)>, StoreError> {
        Ok(row.try_get::<_, Option<Millis>>(column)?.zip(row.try_get(column + 1)?))
    };
    let disabled = pair(7)?;
    Ok(WebhookState {
        webhook: row.try_get(0)?,
        waiting: row.try_get::<_, i64>(1)?.unsigned_abs(),
        next_at: if disabled.is_none() { row.try_get(2)? } else { None },
        delivered_at: row.try_get(3)?,
        failing_since: row.try_get(4)?,
        failed: pair(5)?,
        disabled,
    })
}
