//! Saved results: an operation that is asked for again is answered as it was, and not done again.

use super::tx::Tx;
use crate::store::{Done, Operation, Rejected, Replayable, StoreError, Subject};
use latchkey_protocol::Millis;
use rusqlite::{OptionalExtension, params};

const FIND: &str = "SELECT content, outcome, at FROM operations
     WHERE id = ? AND activity = ? AND user = ? AND function = ?";
const SAVE: &str = "INSERT INTO operations VALUES (?, ?, ?, ?, ?, ?, ?)";
const RENEW: &str = "INSERT OR REPLACE INTO operations VALUES (?, ?, ?, ?, ?, ?, ?)";
const RESERVE: &str = "INSERT OR IGNORE INTO operations VALUES (?, ?, ?, ?, ?, ?, ?)";

/// What an earlier request with the same id left.
pub(super) struct Saved {
    pub(super) content: [u8; 16],
    pub(super) outcome: String,
    pub(super) at: Millis,
}

impl Saved {
    /// What is answered to an operation with the same id.
    pub(super) fn again(&self, operation: &Operation) -> Result<Replayable, Rejected> {
        if self.content != operation.content {
            return Err(Rejected::IdReused(None));
        }
        let done = serde_json::from_str(&self.outcome)
            .map_err(|_| StoreError::Unreadable("a saved result".into()))?;
        Ok(Replayable { done, replayed: true })
    }
}

/// A result as it is saved.
pub(super) fn outcome(done: &Done) -> Result<String, StoreError> {
    serde_json::to_string(done)
        .map_err(|_| StoreError::Unreadable("a result cannot be written".into()))
}

pub(super) fn find(
    tx: &Tx<'_>,
    subject: Subject,
    operation: &Operation,
) -> Result<Option<Saved>, StoreError> {
    let values = params![operation.id, subject.activity, subject.user, operation.function];
    let found = tx.statement(FIND, |statement| {
        let saved = |row: &rusqlite::Row<'_>| {
            Ok(Saved { content: row.get(0)?, outcome: row.get(1)?, at: row.get(2)? })
        };
        statement.query_row(values, saved).optional()
    });
    Ok(found?)
}

pub(super) fn save(
    tx: &Tx<'_>,
    subject: Subject,
    operation: &Operation,
    outcome: &str,
    now: Millis,
) -> Result<(), StoreError> {
    // Only what is told by its content stands there already: a client's own id is never replaced.
    let insert = if operation.within.is_none() { SAVE } else { RENEW };
    write(tx, insert, subject, operation, outcome, now)?;
    Ok(())
}

/// Saves the outcome of an operation that is about to be done, or finds that it was done before. One search
/// for what is nearly always new, where looking first and saving then would be two.
pub(super) fn reserve(
    tx: &Tx<'_>,
    subject: Subject,
    operation: &Operation,
    outcome: &str,
    now: Millis,
) -> Result<Option<Saved>, StoreError> {
    match write(tx, RESERVE, subject, operation, outcome, now)? {
        0 => find(tx, subject, operation),
        _ => Ok(None),
    }
}

/// Takes back what was reserved for an operation that is not done after all.
pub(super) fn release(
    tx: &Tx<'_>,
    subject: Subject,
    operation: &Operation,
) -> Result<(), StoreError> {
    tx.connection
        .prepare_cached(
            "DELETE FROM operations WHERE id = ? AND activity = ? AND user = ? AND function = ?",
        )?
        .execute(params![operation.id, subject.activity, subject.user, operation.function])?;
    Ok(())
}

fn write(
    tx: &Tx<'_>,
    insert: &'static str,
    subject: Subject,
    operation: &Operation,
    outcome: &str,
    now: Millis,
) -> Result<usize, StoreError> {
    let values = params![
        operation.id,
        subject.activity,
        subject.user,
        operation.function,
        operation.content,
        outcome,
        now,
    ];
    Ok(tx.statement(insert, |statement| statement.execute(values))?)
}
