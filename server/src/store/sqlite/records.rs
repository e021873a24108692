//! What a host reads back.

use super::Shared;
use super::entries::kind;
use super::submissions::{tally, unword};
use crate::store::{EntryKind, Owner, StandingRow, StoreError, SubmissionRow};
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use rusqlite::{Connection, OptionalExtension, params};

/// The number of an activity, if the host has one of that key.
pub(super) fn activity(
    connection: &Connection,
    host: &str,
    key: &str,
) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT a.id FROM activities a JOIN hosts h ON h.id = a.host
             WHERE h.name = ? AND a.key = ?",
        )?
        .query_row([host, key], |row| row.get(0))
        .optional()?)
}

/// Whose key that is.
pub(super) fn owner(connection: &Connection, id: KeyId) -> Result<Option<Owner>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT h.name, u.key, a.key, k.attempt FROM keys k
             JOIN hosts h ON h.id = k.host JOIN users u ON u.id = k.user
             JOIN activities a ON a.id = k.activity WHERE k.id = ?",
        )?
        .query_row([id.0], |row| {
            Ok(Owner {
                host: row.get(0)?,
                user: row.get(1)?,
                activity: row.get(2)?,
                attempt: row.get(3)?,
            })
        })
        .optional()?)
}

pub(super) fn standings(
    connection: &Connection,
    activity: i64,
) -> Result<Vec<StandingRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT s.max, s.count, s.sum, s.highest, s.first, s.first_sequence, s.latest,
                s.latest_sequence, s.override, s.comment, s.progress,
                u.key, u.name, a.method, s.updated_at, a.max
         FROM standings s JOIN users u ON u.id = s.user JOIN activities a ON a.id = s.activity
         WHERE s.activity = ? ORDER BY coalesce(u.name, u.key), u.key",
    )?;
    let rows = statement.query_map([activity], |row| {
        Ok(StandingRow {
            tally: tally(row)?.rescaled(row.get(15)?),
            user: row.get(11)?,
            name: row.get(12)?,
            method: unword(row, 13)?,
            updated_at: row.get(14)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn submissions(
    connection: &Connection,
    activity: i64,
    host: &str,
    user: &str,
    limit: u32,
) -> Result<Vec<SubmissionRow>, StoreError> {
    let newest: Option<i64> = connection
        .prepare_cached(
            "SELECT s.last FROM standings s
             JOIN users u ON u.id = s.user JOIN hosts h ON h.id = u.host
             WHERE s.activity = ? AND h.name = ? AND u.key = ?",
        )?
        .query_row(params![activity, host, user], |row| row.get(0))
        .optional()?;
    let mut statement = connection.prepare_cached(
        "SELECT previous, score, max, attempt, comment, progress, grading, at, client_at
         FROM submissions WHERE seq = ?",
    )?;
    let mut rows = Vec::new();
    let mut seq = newest.unwrap_or(0);
    while seq > 0 && rows.len() < limit as usize {
        let (previous, found) = statement.query_row([seq], |row| {
            let progress = match row.get_ref(5)? {
                rusqlite::types::ValueRef::Null => None,
                _ => Some(unword(row, 5)?),
            };
            let found = SubmissionRow {
                seq,
                score: row.get(1)?,
                max: row.get(2)?,
                attempt: row.get(3)?,
                comment: row.get(4)?,
                progress,
                grading: unword(row, 6)?,
                at: row.get(7)?,
                client_at: row.get(8)?,
            };
            Ok((row.get(0)?, found))
        })?;
        rows.push(found);
        seq = previous;
    }
    Ok(rows)
}

pub(super) fn entry_times(
    shared: &Shared,
    connection: &Connection,
    activity: i64,
    limit: u32,
) -> Result<Vec<(EntryKind, Millis)>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT previous, kind, at FROM entries WHERE seq = ?")?;
    let mut times = Vec::new();
    let mut seq = shared.heads.get(connection, (activity, 0))?;
    while seq > 0 && times.len() < limit as usize {
        let (previous, kind, at) =
            statement.query_row([seq], |row| Ok((row.get(0)?, kind(row, 1)?, row.get(2)?)))?;
        times.push((kind, at));
        seq = previous;
    }
    Ok(times)
}
