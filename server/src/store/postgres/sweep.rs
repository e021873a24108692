//! Deletes what nobody can use any more, a few rows at a time, and makes next month's part of the log.
//!
//! Neither keys nor operations have an index by age, since every index costs at each call. The sweep walks the tables
//! in the order of their keys instead, from where it stopped. Every server does: what one has deleted the others
//! do not find.

use super::nonces;
use super::sql::{self, Values, transact};
use super::{PostgresStore, months};
use crate::store::StoreError;
use deadpool_postgres::Client;
use latchkey_protocol::Millis;
use std::sync::PoisonError;

/// How long the result of a `log` call is kept. Those of grades are kept for ever.
const KEEP_OPERATIONS: Millis = 72 * 3600 * 1000;
/// How long a key that has ended is kept, for whoever asks why.
const KEEP_KEYS: Millis = 7 * 24 * 3600 * 1000;
/// How long events are kept, delivered or not.
const KEEP_EVENTS: Millis = 30 * 24 * 3600 * 1000;
/// Rows of a table looked at in one step.
const STEP: i64 = 2_000;

/// Where the walk has come to, in each table; `None` at its end.
#[derive(Clone, Debug)]
pub(super) struct Place {
    key: Option<(i64, Vec<u8>)>,
    place: Option<Vec<u8>>,
    operation: Option<(i64, String, i64, i64, String)>,
    event: Option<(i64, i64, i64, i64)>,
    begun: bool,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            key: Some((0, Vec::new())),
            place: Some(Vec::new()),
            operation: Some((0, String::new(), 0, 0, String::new())),
            event: Some((0, 0, 0, 0)),
            begun: false,
        }
    }
}

impl PostgresStore {
    /// One step of the walk; `true` until it has come round.
    pub(super) async fn sweep_on(&self, now: Millis) -> Result<bool, StoreError> {
        let mut place = self.swept_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !place.begun {
            transact!(self, |tx| months::make(&tx, now).await)?;
            if self.shared.keep_log > 0 {
                transact!(self, |tx| months::drop_before(&tx, self.shared.keep_log, now).await)?;
            }
            place.begun = true;
        }
        let client = self.shared.client().await?;
        for (sql, before) in [
            ("DELETE FROM web_sessions WHERE expires_at <= $1", now),
            ("DELETE FROM host_sessions WHERE seen_at <= $1", now - KEEP_KEYS),
            ("DELETE FROM nonces WHERE until < $1", now - nonces::KEEP),
        ] {
            sql::run(&client, sql, &[&before]).await?;
        }
        if let Some(from) = place.key.take() {
            place.key = keys(&client, from, now).await?;
        }
        if let Some(from) = place.place.take() {
            place.place = places(&client, from, now).await?;
        }
        if let Some(from) = place.operation.take() {
            place.operation = operations(&client, from, now).await?;
        }
        if let Some(from) = place.event.take() {
            place.event = events(&client, from, now).await?;
        }
        let more = place.key.is_some()
            || place.place.is_some()
            || place.operation.is_some()
            || place.event.is_some();
        let next = if more { place } else { Place::default() };
        *self.swept_to.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(more)
    }
}

async fn window(
    client: &Client,
    sql: &str,
    values: Values<'_>,
) -> Result<(Vec<tokio_postgres::Row>, bool), StoreError> {
    let rows = sql::rows(client, sql, values).await?;
    let more = rows.len() as i64 == STEP;
    Ok((rows, more))
}

async fn keys(
    client: &Client,
    from: (i64, Vec<u8>),
    now: Millis,
) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let look = "SELECT strand, id, ends_at FROM keys WHERE (strand, id) > ($1, $2)
                ORDER BY strand, id LIMIT $3";
    let (rows, more) = window(client, look, &[&from.0, &from.1, &STEP]).await?;
    let (mut strands, mut ids, mut last) = (Vec::new(), Vec::new(), None);
    for row in rows {
        let (strand, id): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        if row.try_get::<_, i64>(2)? <= now - KEEP_KEYS {
            strands.push(strand);
            ids.push(id.clone());
        }
        last = Some((strand, id));
    }
    let delete = "DELETE FROM keys k USING unnest($1::BIGINT[], $2::BYTEA[]) AS v (strand, id)
                  WHERE k.strand = v.strand AND k.id = v.id";
    if !ids.is_empty() {
        sql::run(client, delete, &[&strands, &ids]).await?;
    }
    Ok(last.filter(|_| more))
}

async fn places(
    client: &Client,
    from: Vec<u8>,
    now: Millis,
) -> Result<Option<Vec<u8>>, StoreError> {
    let look = "SELECT id, ends_at FROM key_places WHERE id > $1 ORDER BY id LIMIT $2";
    let (rows, more) = window(client, look, &[&from, &STEP]).await?;
    let (mut ids, mut last) = (Vec::new(), None);
    for row in rows {
        let id: Vec<u8> = row.try_get(0)?;
        if row.try_get::<_, i64>(1)? <= now - KEEP_KEYS {
            ids.push(id.clone());
        }
        last = Some(id);
    }
    if !ids.is_empty() {
        sql::run(client, "DELETE FROM key_places WHERE id = ANY($1)", &[&ids]).await?;
    }
    Ok(last.filter(|_| more))
}

async fn operations(
    client: &Client,
    from: (i64, String, i64, i64, String),
    now: Millis,
) -> Result<Option<(i64, String, i64, i64, String)>, StoreError> {
    let look = "SELECT strand, id, activity, user_id, function, at FROM operations
                WHERE (strand, id, activity, user_id, function) > ($1, $2, $3, $4, $5)
                ORDER BY strand, id, activity, user_id, function LIMIT $6";
    let values: Values<'_> = &[&from.0, &from.1, &from.2, &from.3, &from.4, &STEP];
    let (rows, more) = window(client, look, values).await?;
    let (mut old, mut last) = (Vec::new(), None);
    for row in rows {
        let key: (i64, String, i64, i64, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        if row.try_get::<_, i64>(5)? <= now - KEEP_OPERATIONS && key.4 != "grade" {
            old.push(key.clone());
        }
        last = Some(key);
    }
    let delete = "DELETE FROM operations o
        USING unnest($1::BIGINT[], $2::TEXT[], $3::BIGINT[], $4::BIGINT[], $5::TEXT[])
            AS v (strand, id, activity, user_id, function)
        WHERE o.strand = v.strand AND o.id = v.id AND o.activity = v.activity
          AND o.user_id = v.user_id AND o.function = v.function";
    if !old.is_empty() {
        let values: Values<'_> = &[
            &old.iter().map(|key| key.0).collect::<Vec<_>>(),
            &old.iter().map(|key| key.1.as_str()).collect::<Vec<_>>(),
            &old.iter().map(|key| key.2).collect::<Vec<_>>(),
            &old.iter().map(|key| key.3).collect::<Vec<_>>(),
            &old.iter().map(|key| key.4.as_str()).collect::<Vec<_>>(),
        ];
        sql::run(client, delete, values).await?;
    }
    Ok(last.filter(|_| more))
}

async fn events(
    client: &Client,
    from: (i64, i64, i64, i64),
    now: Millis,
) -> Result<Option<(i64, i64, i64, i64)>, StoreError> {
    let look = "SELECT strand, webhook, activity, number, at FROM outbox
                WHERE (strand, webhook, activity, number) > ($1, $2, $3, $4)
                ORDER BY strand, webhook, activity, number LIMIT $5";
    let (rows, more) = window(client, look, &[&from.0, &from.1, &from.2, &from.3, &STEP]).await?;
    let mut last = None;
    for row in rows {
        let key: (i64, i64, i64, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        last = Some(key);
        if row.try_get::<_, i64>(4)? > now - KEEP_EVENTS {
            continue;
        }
        let values: Values<'_> = &[&key.0, &key.1, &key.2, &key.3];
        let delete = "DELETE FROM outbox
                      WHERE strand = $1 AND webhook = $2 AND activity = $3 AND number = $4";
        sql::run(client, delete, values).await?;
        // A lane never waits for what is not there any more.
        let skip = "UPDATE lanes SET sent = $4, attempts = 0, failing_since = NULL,
                           due_at = CASE WHEN last > $4 THEN due_at END
                    WHERE strand = $1 AND webhook = $2 AND activity = $3 AND sent < $4";
        sql::run(client, skip, values).await?;
    }
    Ok(last.filter(|_| more))
}
