//! Documents that an attempt keeps: one row each, which is changed in place.

use super::tx::Tx;
use crate::state::{Document, Fault, changed};
use crate::store::{Rejected, StateChanged, StateRow, StateWrite, StoreError, Subject};
use latchkey_protocol::Millis;
use latchkey_protocol::payload::MAX_STATES;
use rusqlite::{Connection, OptionalExtension, params};

/// Reads a document. One that was never written reads as version 0.
pub(super) fn read(
    connection: &Connection,
    subject: Subject,
    name: &str,
) -> Result<StateRow, StoreError> {
    let Subject { activity, user, attempt } = subject;
    let found = connection
        .prepare_cached(
            "SELECT version, value, at FROM states
             WHERE activity = ? AND user = ? AND attempt = ? AND name = ?",
        )?
        .query_row(params![activity, user, attempt, name], |row| {
            Ok((Document { version: row.get(0)?, value: row.get(1)? }, Some(row.get(2)?)))
        })
        .optional()?;
    let (document, at) = found.unwrap_or_default();
    Ok(StateRow { name: name.to_owned(), document, at })
}

/// Writes a document.
pub(super) fn write(
    tx: &Tx<'_>,
    subject: Subject,
    write: &StateWrite,
    now: Millis,
) -> Result<StateChanged, Rejected> {
    let kept = read(tx.connection, subject, &write.name)?;
    let written = |version, at| StateChanged { name: write.name.clone(), version, at };
    let next = match changed(&kept.document, &write.change, write.if_version) {
        Ok(Some(next)) => next,
        Ok(None) => return Ok(written(kept.document.version, kept.at.unwrap_or(now))),
        Err(Fault::Conflict) => return Err(Rejected::VersionConflict(kept.document)),
        Err(Fault::TooLarge) => return Err(Rejected::StateTooLarge),
        Err(Fault::Damaged) => return Err(StoreError::Unreadable("a state".into()).into()),
    };
    if kept.document.version == 0 && full(tx.connection, subject)? {
        return Err(Rejected::TooManyStates);
    }
    let Subject { activity, user, attempt } = subject;
    tx.connection
        .prepare_cached("INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?, ?, ?)")
        .map_err(StoreError::from)?
        .execute(params![activity, user, attempt, write.name, next.version, next.value, now])
        .map_err(StoreError::from)?;
    Ok(written(next.version, now))
}

/// Whether the attempt may take no further name. Those of deleted documents count: their rows stay.
fn full(connection: &Connection, subject: Subject) -> Result<bool, StoreError> {
    let Subject { activity, user, attempt } = subject;
    Ok(connection
        .prepare_cached(
            "SELECT count(*) >= ?4 FROM states WHERE activity = ?1 AND user = ?2 AND attempt = ?3",
        )?
        .query_row(params![activity, user, attempt, MAX_STATES as i64], |row| row.get(0))?)
}

/// Forgets what everybody keeps in an activity, or one of them.
pub(super) fn forget(tx: &Tx<'_>, activity: i64, user: Option<i64>) -> Result<(), StoreError> {
    match user {
        None => tx
            .connection
            .prepare_cached("DELETE FROM states WHERE activity = ?")?
            .execute([activity])?,
        Some(user) => tx
            .connection
            .prepare_cached("DELETE FROM states WHERE activity = ? AND user = ?")?
            .execute([activity, user])?,
    };
    Ok(())
}

/// Forgets what a person keeps anywhere.
pub(super) fn forget_user(tx: &Tx<'_>, user: i64) -> Result<(), StoreError> {
    tx.connection.prepare_cached("DELETE FROM states WHERE user = ?")?.execute([user])?;
    Ok(())
}
