//! Numbers that one run of a copy keeps for the next.

use crate::store::StoreError;
use crate::store::moving::{CHANGES, Former, Kept, MoveError};
use crate::store::sqlite::schema;
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;

pub(super) fn keep(connection: &Connection, numbers: &[Kept]) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO moving_numbers VALUES (?, ?, ?, ?)")?;
    for Kept { of, strand, old, new } in numbers {
        insert.execute((of, strand, old, new))?;
    }
    Ok(connection.execute_batch("COMMIT")?)
}

pub(super) fn kept(connection: &Connection, of: &str) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut all = connection.prepare("SELECT old, new FROM moving_numbers WHERE of = ?")?;
    let all = all.query_map([of], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(all.collect::<Result<_, _>>()?)
}

/// Changes, looked up one by one: there may be very many, and few are asked for.
#[derive(Debug)]
pub(super) struct InFile(Connection);

impl InFile {
    pub(super) fn open(file: &Path) -> Result<Self, StoreError> {
        Ok(Self(schema::open_reader(file)?))
    }
}

impl Former for InFile {
    fn last(&self, strand: i64, old: i64) -> Result<Option<i64>, MoveError> {
        let find = || -> Result<Option<i64>, StoreError> {
            let sql = "SELECT new FROM moving_numbers
                       WHERE of = ? AND strand = ? AND old <= ? ORDER BY old DESC LIMIT 1";
            let mut last = self.0.prepare_cached(sql)?;
            Ok(last.query_row((CHANGES, strand, old), |row| row.get(0)).optional()?)
        };
        Ok(find()?)
    }
}
