//! What a host reads back.

use super::Shared;
use super::entries::kind;
use super::submissions::{perhaps, tally, unword};
use crate::store::{EntryKind, Owner, Ruling, StandingRow, StoreError, SubmissionRow};
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use rusqlite::{Connection, OptionalExtension, Row, params};

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

/// The columns of [`standing_row`], from the standing `s`, its override `r`, and `u` and `a`.
pub(super) const STANDING: &str = "s.max, s.count, s.sum, s.highest, s.first, s.first_sequence,
    s.latest, s.latest_sequence, s.override, s.comment, s.progress,
    u.key, u.name, a.method, s.updated_at, a.max,
    r.seq, r.score, r.max, r.feedback, r.scale, r.reason, r.by, r.at";

/// Reads the columns of [`STANDING`].
pub(super) fn standing_row(row: &Row<'_>) -> rusqlite::Result<StandingRow> {
    Ok(StandingRow {
        tally: tally(row)?.rescaled(row.get(15)?),
        user: row.get(11)?,
        name: row.get(12)?,
        method: unword(row, 13)?,
        updated_at: row.get(14)?,
        ruling: ruling(row, 16)?,
    })
}

/// The columns of [`submission_row`], from the submission `s` and the ruling `r` that made it void.
pub(super) const SUBMISSION: &str = "s.seq, s.score, s.max, s.attempt, s.comment, s.progress,
    s.grading, s.at, s.client_at, r.seq, r.score, r.max, r.feedback, r.scale, r.reason, r.by, r.at,
    s.seq <= coalesce((SELECT max(upto) FROM resets x
                       WHERE x.activity = s.activity AND x.user IN (s.user, 0)), 0) AS reset";

/// Reads the columns of [`SUBMISSION`].
pub(super) fn submission_row(row: &Row<'_>) -> rusqlite::Result<SubmissionRow> {
    Ok(SubmissionRow {
        seq: row.get(0)?,
        score: row.get(1)?,
        max: row.get(2)?,
        attempt: row.get(3)?,
        comment: row.get(4)?,
        progress: perhaps(row, 5)?,
        grading: unword(row, 6)?,
        at: row.get(7)?,
        client_at: row.get(8)?,
        voided: ruling(row, 9)?,
        reset: row.get("reset")?,
    })
}

/// A ruling from eight columns, if there is one.
pub(super) fn ruling(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Ruling>> {
    let Some(seq) = row.get(first)? else { return Ok(None) };
    Ok(Some(Ruling {
        seq,
        score: row.get::<_, Option<f64>>(first + 1)?.zip(row.get(first + 2)?),
        feedback: row.get(first + 3)?,
        scale: row.get(first + 4)?,
        reason: row.get(first + 5)?,
        by: row.get(first + 6)?,
        at: row.get(first + 7)?,
    }))
}

pub(super) fn standings(
    connection: &Connection,
    activity: i64,
) -> Result<Vec<StandingRow>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {STANDING} FROM standings s
         JOIN users u ON u.id = s.user JOIN activities a ON a.id = s.activity
         LEFT JOIN rulings r ON r.seq = s.ruling
         WHERE s.activity = ? ORDER BY coalesce(u.name, u.key), u.key"
    ))?;
    let rows = statement.query_map([activity], standing_row)?;
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
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {SUBMISSION}, s.previous FROM submissions s
         LEFT JOIN voids v ON v.submission = s.seq LEFT JOIN rulings r ON r.seq = v.ruling
         WHERE s.seq = ?"
    ))?;
    let mut rows = Vec::new();
    let mut seq = newest.unwrap_or(0);
    while seq > 0 && rows.len() < limit as usize {
        let found = statement.query_row([seq], |row| {
            seq = row.get("previous")?;
            submission_row(row)
        })?;
        rows.push(found);
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
