//! Opening the database file and bringing it up to date.

use crate::store::StoreError;
use crate::store::moving::UNFINISHED;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

/// The migrations, in order. The database remembers how many it has seen in `user_version`.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_start.sql"),
    include_str!("../../../migrations/sqlite/0002_hosts.sql"),
    include_str!("../../../migrations/sqlite/0003_feed.sql"),
    include_str!("../../../migrations/sqlite/0004_state.sql"),
];

/// The version of a database that has seen all of them.
pub(super) const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Prepared statements kept for each connection: more than there are.
const STATEMENTS: usize = 128;

/// The one connection that writes.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = open_to_fill(path)?;
    if is_being_filled(&connection)? {
        return Err(StoreError::Unreadable(UNFINISHED.into()));
    }
    Ok(connection)
}

/// Whether a copy into it was begun and not finished.
pub(super) fn is_being_filled(connection: &Connection) -> Result<bool, StoreError> {
    let there = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'moving'";
    Ok(connection.prepare_cached(there)?.exists([])?)
}

/// How many migrations a database has seen.
pub(super) fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// A connection that writes, of a copy too.
pub(super) fn open_to_fill(path: &Path) -> Result<Connection, StoreError> {
    own(path).map_err(|error| StoreError::Database(format!("{}: {error}", path.display())))?;
    let connection = Connection::open(path)?;
    // FULL: a commit is on disk when it returns. With many calls to a commit NORMAL gains nothing.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA wal_autocheckpoint = 4000;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -8192;",
    )?;
    settle(&connection)?;
    migrate(MIGRATIONS, &connection)?;
    Ok(connection)
}

/// Makes the file for its owner only; SQLite gives the files beside it the same mode.
fn own(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map(drop)
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch("PRAGMA mmap_size = 1073741824; PRAGMA cache_size = -8192;")?;
    settle(&connection)?;
    Ok(connection)
}

fn settle(connection: &Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // The bundled SQLite plans anew for each value bound to a key; our plans do not depend on values, and
    // reading twenty entries would be twenty plans.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Another process may hold the file for a moment, to back it up.
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(())
}

/// Brings the database up to date, for a program that knows these migrations.
fn migrate(known: &[&str], connection: &Connection) -> Result<(), StoreError> {
    let seen: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let seen = seen as usize;
    if seen > known.len() {
        return Err(StoreError::Unreadable(format!(
            "the database is at version {seen}, this program knows {}; use a newer one",
            known.len()
        )));
    }
    for (number, migration) in known.iter().enumerate().skip(seen) {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {migration} PRAGMA user_version = {}; COMMIT;",
            number + 1
        ))?;
    }
    Ok(())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        // Never the SQL with its values: an error text may end in a log.
        Self::Database(match error {
            rusqlite::Error::SqliteFailure(code, _) => code.to_string(),
            other => other.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(known: &[&str]) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        migrate(known, &connection).unwrap();
        connection
    }

    fn tables(connection: &Connection) -> Vec<String> {
        let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
        let mut shapes = connection.prepare(sql).unwrap();
        let shapes = shapes.query_map([], |row| row.get(0)).unwrap();
        shapes.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn every_older_database_becomes_the_newest() {
        let newest = tables(&database(MIGRATIONS));
        for seen in 1..MIGRATIONS.len() {
            let older = database(&MIGRATIONS[..seen]);
            assert_ne!(tables(&older), newest);
            migrate(MIGRATIONS, &older).unwrap();
            assert_eq!((version(&older).unwrap(), tables(&older)), (NEWEST, newest.clone()));
        }
    }

    #[test]
    fn a_newer_database_is_refused_and_left_as_it_is() {
        let newer: Vec<_> =
            MIGRATIONS.iter().copied().chain(["CREATE TABLE later (id);"]).collect();
        let newer = database(&newer);
        let refused = migrate(MIGRATIONS, &newer).unwrap_err().to_string();
        let words = format!("at version {}, this program knows {NEWEST}", NEWEST + 1);
        assert!(refused.contains(&words), "{refused}");
        assert_eq!(version(&newer).unwrap(), NEWEST + 1);
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_behind() {
        let older = database(MIGRATIONS);
        let before = tables(&older);
        let broken: Vec<_> =
            MIGRATIONS.iter().copied().chain(["CREATE TABLE later (id); nonsense;"]).collect();
        assert!(migrate(&broken, &older).is_err());
        drop(older.execute_batch("ROLLBACK"));
        assert_eq!((version(&older).unwrap(), tables(&older)), (NEWEST, before));
    }
}
