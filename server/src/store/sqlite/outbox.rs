//! The outbox: events are posted inside the transaction of what they tell, and settled one by one.

use super::SqliteStore;
use super::tx::Tx;
use crate::store::{
    Attempt, Due, DueEvents, Event, EventKind, Lane, Outbox, StoreError, Subject, Subscriptions,
    WebhookState,
};
use async_trait::async_trait;
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;
use tokio::sync::Notify;

/// What an event tells, beside its kind.
pub(super) struct Happened {
    pub(super) subject: Subject,
    pub(super) submission: Option<i64>,
    pub(super) key: Option<KeyId>,
    pub(super) at: Millis,
}

/// Posts an event to the webhooks of that host that want it. Costs nothing where nobody wants any.
pub(super) fn post(
    tx: &mut Tx<'_>,
    host: i64,
    kind: EventKind,
    happened: &Happened,
) -> Result<(), StoreError> {
    if tx.shared.subscribers.are_none() {
        return Ok(());
    }
    let name: String = tx
        .connection
        .prepare_cached("SELECT name FROM hosts WHERE id = ?")?
        .query_row([host], |row| row.get(0))?;
    for webhook in tx.shared.subscribers.wanting(&name, kind) {
        let (id, enabled) = known(tx.connection, &name, &webhook)?;
        write(tx.connection, id, enabled.then_some(happened.at), kind, happened)?;
        tx.posted = true;
    }
    Ok(())
}

/// The number of a webhook, which gets one with its first event, and whether it is enabled.
fn known(connection: &Connection, host: &str, name: &str) -> Result<(i64, bool), StoreError> {
    let found = connection
        .prepare_cached("SELECT id, disabled_at IS NULL FROM webhooks WHERE host = ? AND name = ?")?
        .query_row([host, name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some(found) => Ok(found),
        None => Ok(connection
            .prepare_cached("INSERT INTO webhooks (host, name) VALUES (?, ?) RETURNING id")?
            .query_row([host, name], |row| Ok((row.get(0)?, true)))?),
    }
}

fn write(
    connection: &Connection,
    webhook: i64,
    due_at: Option<Millis>,
    kind: EventKind,
    happened: &Happened,
) -> Result<(), StoreError> {
    let Subject { activity, user, .. } = happened.subject;
    // A lane that has something to do keeps its time: its first event may be waiting for a retry.
    let number: i64 = connection
        .prepare_cached(
            "INSERT INTO lanes (webhook, activity, last, sent, due_at) VALUES (?1, ?2, 1, 0, ?3)
             ON CONFLICT (webhook, activity) DO UPDATE
             SET last = last + 1, due_at = CASE WHEN ?3 IS NULL THEN NULL ELSE coalesce(due_at, ?3) END
             RETURNING last",
        )?
        .query_row(params![webhook, activity, due_at], |row| row.get(0))?;
    connection.prepare_cached("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?.execute(
        params![
            webhook,
            activity,
            number,
            kind.as_str(),
            user,
            happened.submission,
            happened.key.map(|key| key.0),
            happened.at,
        ],
    )?;
    Ok(())
}

#[async_trait]
impl Outbox for SqliteStore {
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
        let (host, webhook) = (host.to_owned(), webhook.to_owned());
        self.readers
            .run(move |connection| {
                let moment = connection.unchecked_transaction()?;
                due(&moment, &host, &webhook, now, limit)
            })
            .await
    }

    async fn settle(&self, due: &Due, attempt: Attempt, now: Millis) -> Result<(), StoreError> {
        let due = due.clone();
        self.writer.run(move |tx| settle(tx.connection, &due, &attempt, now)).await
    }

    async fn replay(
        &self,
        host: &str,
        webhook: &str,
        since: Millis,
        now: Millis,
    ) -> Result<u64, StoreError> {
        let (host, webhook) = (host.to_owned(), webhook.to_owned());
        self.writer
            .run(move |tx| {
                let (id, _) = known(tx.connection, &host, &webhook)?;
                tx.posted = true;
                replay(tx.connection, id, since, now)
            })
            .await
    }

    async fn webhooks(&self, host: &str) -> Result<Vec<WebhookState>, StoreError> {
        let host = host.to_owned();
        self.readers.run(move |connection| states(connection, &host)).await
    }
}

fn due(
    connection: &Connection,
    host: &str,
    webhook: &str,
    now: Millis,
    limit: u32,
) -> Result<DueEvents, StoreError> {
    let found: Option<(i64, Option<Millis>)> = connection
        .prepare_cached(
            "SELECT id, failing_since FROM webhooks
             WHERE host = ? AND name = ? AND disabled_at IS NULL",
        )?
        .query_row([host, webhook], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((webhook, failing_since)) = found else { return Ok(DueEvents::default()) };
    let mut statement = connection.prepare_cached(
        "SELECT o.event, u.key, a.key, o.submission, o.key, o.at,
                l.activity, o.number, l.sent, l.attempts, l.failing_since
         FROM lanes l
         JOIN outbox o ON o.webhook = l.webhook AND o.activity = l.activity AND o.number = l.sent + 1
         JOIN users u ON u.id = o.user JOIN activities a ON a.id = o.activity
         WHERE l.webhook = ? AND l.due_at <= ? ORDER BY l.due_at LIMIT ?",
    )?;
    let events = statement
        .query_map(params![webhook, now, limit], |row| {
            Ok(Due {
                event: event(row)?,
                lane: Lane { webhook, activity: row.get(6)? },
                number: row.get(7)?,
                after: row.get(8)?,
                attempts: row.get(9)?,
                failing_since: row.get(10)?,
                webhook_failing_since: failing_since,
            })
        })?
        .collect::<Result<_, _>>()?;
    let next_at = connection
        .prepare_cached("SELECT min(due_at) FROM lanes WHERE webhook = ? AND due_at > ?")?
        .query_row(params![webhook, now], |row| row.get(0))?;
    Ok(DueEvents { events, next_at })
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let kind: String = row.get(0)?;
    let unknown = || {
        let kind = format!("an event of the unknown kind {kind}").into();
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, kind)
    };
    Ok(Event {
        kind: EventKind::parse(&kind).ok_or_else(unknown)?,
        user: row.get(1)?,
        activity: row.get(2)?,
        submission: row.get(3)?,
        key: row.get::<_, Option<[u8; 16]>>(4)?.map(KeyId),
        at: row.get(5)?,
    })
}

fn settle(
    connection: &Connection,
    due: &Due,
    attempt: &Attempt,
    now: Millis,
) -> Result<(), StoreError> {
    let Due { lane: Lane { webhook, activity }, number, after, .. } = *due;
    let done = "UPDATE lanes SET sent = ?3, attempts = 0, failing_since = NULL,
                       due_at = CASE WHEN last > ?3 AND due_at IS NOT NULL THEN ?5 END
                WHERE webhook = ?1 AND activity = ?2 AND sent = ?4";
    let arrived = params![webhook, activity, number, after, now];
    match attempt {
        Attempt::Delivered => {
            connection.prepare_cached(done)?.execute(arrived)?;
            connection
                .prepare_cached(
                    "UPDATE webhooks SET failing_since = NULL, delivered_at = ?2 WHERE id = ?1",
                )?
                .execute([webhook, now])?;
        }
        Attempt::Failed { failure, retry_at } => {
            connection
                .prepare_cached(
                    "UPDATE lanes SET attempts = attempts + 1, due_at = ?5,
                            failing_since = coalesce(failing_since, ?4)
                     WHERE webhook = ?1 AND activity = ?2 AND sent = ?3 AND due_at IS NOT NULL",
                )?
                .execute(params![webhook, activity, after, now, retry_at])?;
            note(connection, webhook, failure, now)?;
        }
        Attempt::GivenUp { failure } => {
            connection.prepare_cached(done)?.execute(arrived)?;
            note(connection, webhook, failure, now)?;
        }
        Attempt::Disabled { failure } => {
            note(connection, webhook, failure, now)?;
            connection
                .prepare_cached(
                    "UPDATE webhooks SET disabled_at = ?2, disabled_for = ?3
                     WHERE id = ?1 AND disabled_at IS NULL",
                )?
                .execute(params![webhook, now, failure])?;
            connection
                .prepare_cached("UPDATE lanes SET due_at = NULL WHERE webhook = ?")?
                .execute([webhook])?;
        }
    }
    Ok(())
}

/// A failure, for whoever looks at the webhook's state.
fn note(
    connection: &Connection,
    webhook: i64,
    failure: &str,
    now: Millis,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE webhooks SET failed_at = ?2, failure = ?3,
                    failing_since = coalesce(failing_since, ?2) WHERE id = ?1",
        )?
        .execute(params![webhook, now, failure])?;
    Ok(())
}

fn replay(
    connection: &Connection,
    webhook: i64,
    since: Millis,
    now: Millis,
) -> Result<u64, StoreError> {
    let first: Vec<(i64, i64)> = connection
        .prepare_cached(
            "SELECT activity, min(number) FROM outbox WHERE webhook = ? AND at >= ?
             GROUP BY activity",
        )?
        .query_map([webhook, since], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut back = connection.prepare_cached(
        "UPDATE lanes SET sent = min(sent, ?3 - 1) WHERE webhook = ?1 AND activity = ?2",
    )?;
    for (activity, number) in first {
        back.execute([webhook, activity, number])?;
    }
    connection
        .prepare_cached(
            "UPDATE lanes SET attempts = 0, failing_since = NULL, due_at = ?2
             WHERE webhook = ?1 AND last > sent",
        )?
        .execute([webhook, now])?;
    connection
        .prepare_cached(
            "UPDATE webhooks SET disabled_at = NULL, disabled_for = NULL, failing_since = NULL
             WHERE id = ?",
        )?
        .execute([webhook])?;
    let waiting: i64 = connection
        .prepare_cached("SELECT coalesce(sum(last - sent), 0) FROM lanes WHERE webhook = ?")?
        .query_row([webhook], |row| row.get(0))?;
    Ok(waiting.unsigned_abs())
}

fn states(connection: &Connection, host: &str) -> Result<Vec<WebhookState>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT w.name, coalesce(sum(l.last - l.sent), 0), min(l.due_at), w.delivered_at,
                w.failing_since, w.failed_at, w.failure, w.disabled_at, w.disabled_for
         FROM webhooks w LEFT JOIN lanes l ON l.webhook = w.id
         WHERE w.host = ? GROUP BY w.id ORDER BY w.name",
    )?;
    let pair = |row: &Row<'_>, column| -> rusqlite::Result<Option<(Millis, String)>> {
        Ok(row.get::<_, Option<Millis>>(column)?.zip(row.get(column + 1)?))
    };
    let rows = statement.query_map([host], |row| {
        Ok(WebhookState {
            webhook: row.get(0)?,
            waiting: row.get::<_, i64>(1)?.unsigned_abs(),
            next_at: row.get(2)?,
            delivered_at: row.get(3)?,
            failing_since: row.get(4)?,
            failed: pair(row, 5)?,
            disabled: pair(row, 7)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How long events are kept, delivered or not.
const KEEP_EVENTS: Millis = 30 * 24 * 3600 * 1000;

/// Where the sweep stands in the outbox.
pub(super) type EventKey = (i64, i64, i64);

/// One step of the sweep through the outbox; where to go on.
pub(super) fn sweep(
    tx: &Tx<'_>,
    from: EventKey,
    step: u32,
    now: Millis,
) -> Result<Option<EventKey>, StoreError> {
    let rows: Vec<(EventKey, Millis)> = tx
        .connection
        .prepare_cached(
            "SELECT webhook, activity, number, at FROM outbox
             WHERE (webhook, activity, number) > (?, ?, ?)
             ORDER BY webhook, activity, number LIMIT ?",
        )?
        .query_map(params![from.0, from.1, from.2, step], |row| {
            Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut delete = tx
        .connection
        .prepare_cached("DELETE FROM outbox WHERE webhook = ? AND activity = ? AND number = ?")?;
    // A lane never waits for what is not there any more.
    let mut skip = tx.connection.prepare_cached(
        "UPDATE lanes SET sent = ?3, attempts = 0, failing_since = NULL,
                due_at = CASE WHEN last > ?3 THEN due_at END
         WHERE webhook = ?1 AND activity = ?2 AND sent < ?3",
    )?;
    for (key, _) in rows.iter().filter(|(_, at)| *at <= now - KEEP_EVENTS) {
        delete.execute(*key)?;
        skip.execute(*key)?;
    }
    let more = rows.len() == step as usize;
    Ok(rows.into_iter().last().filter(|_| more).map(|(key, _)| key))
}
