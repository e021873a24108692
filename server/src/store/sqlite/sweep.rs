//! Deletes what nobody can use any more, a few rows at a time.
//!
//! Neither keys nor operations have an index by age, since every index costs at each call. The sweep
//! walks the tables in the order of their keys instead, from where it stopped.

use super::outbox::{self, EventKey};
use super::tx::Tx;
use crate::store::StoreError;
use latchkey_protocol::Millis;
use rusqlite::params;

/// How long the result of a `log` call is kept. Those of grades are kept for ever.
const KEEP_OPERATIONS: Millis = 72 * 3600 * 1000;
/// How long a key that has ended is kept, for whoever asks why.
const KEEP_KEYS: Millis = 7 * 24 * 3600 * 1000;
/// Rows of a table looked at in one step: a millisecond or two of the writer's time.
const STEP: u32 = 2_000;

type OperationKey = (String, i64, i64, String);

/// Where the walk has come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    key: Vec<u8>,
    operation: OperationKey,
    event: EventKey,
}

/// One step; the place to go on from, or `None` when the walk has come to the end of all tables.
pub(super) fn step(tx: &Tx<'_>, from: &Place, now: Millis) -> Result<Option<Place>, StoreError> {
    let small = |sql: &str, before: Millis| -> Result<(), StoreError> {
        tx.connection.prepare_cached(sql)?.execute([before])?;
        Ok(())
    };
    small("DELETE FROM web_sessions WHERE expires_at <= ?", now)?;
    small("DELETE FROM ended_sessions WHERE at <= ?", now - KEEP_KEYS)?;
    let key = keys(tx, &from.key, now)?;
    let operation = operations(tx, &from.operation, now)?;
    let event = outbox::sweep(tx, from.event, STEP, now)?;
    Ok(match (key, operation, event) {
        (None, None, None) => None,
        // A table that is done stays at its end until the others are.
        (key, operation, event) => Some(Place {
            key: key.unwrap_or_else(|| vec![u8::MAX; 16]),
            operation: operation.unwrap_or_else(|| (char::MAX.to_string(), 0, 0, String::new())),
            event: event.unwrap_or((i64::MAX, 0, 0)),
        }),
    })
}

fn keys(tx: &Tx<'_>, from: &[u8], now: Millis) -> Result<Option<Vec<u8>>, StoreError> {
    let rows: Vec<(Vec<u8>, Millis)> = tx
        .connection
        .prepare_cached("SELECT id, ends_at FROM keys WHERE id > ? ORDER BY id LIMIT ?")?
        .query_map(params![from, STEP], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut delete = tx.connection.prepare_cached("DELETE FROM keys WHERE id = ?")?;
    for (id, _) in rows.iter().filter(|(_, ends_at)| *ends_at <= now - KEEP_KEYS) {
        delete.execute([id])?;
    }
    let more = rows.len() == STEP as usize;
    Ok(rows.into_iter().last().filter(|_| more).map(|(id, _)| id))
}

fn operations(
    tx: &Tx<'_>,
    from: &OperationKey,
    now: Millis,
) -> Result<Option<OperationKey>, StoreError> {
    let rows: Vec<(OperationKey, Millis)> = tx
        .connection
        .prepare_cached(
            "SELECT id, activity, user, function, at FROM operations
             WHERE (id, activity, user, function) > (?, ?, ?, ?)
             ORDER BY id, activity, user, function LIMIT ?",
        )?
        .query_map(params![from.0, from.1, from.2, from.3, STEP], |row| {
            Ok(((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), row.get(4)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut delete = tx.connection.prepare_cached(
        "DELETE FROM operations WHERE id = ? AND activity = ? AND user = ? AND function = ?",
    )?;
    let old =
        |(key, at): &&(OperationKey, Millis)| *at <= now - KEEP_OPERATIONS && key.3 != "grade";
    for ((id, activity, user, function), _) in rows.iter().filter(old) {
        delete.execute(params![id, activity, user, function])?;
    }
    let more = rows.len() == STEP as usize;
    Ok(rows.into_iter().last().filter(|_| more).map(|(key, _)| key))
}
