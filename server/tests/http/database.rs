//! The database under a server of a test: SQLite in its folder, or PostgreSQL with `STORE_UNDER_TEST=postgres`.

use latchkey_cluster::Database as Postgres;
use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// As another program may open it.
#[derive(Clone)]
pub(crate) enum Database {
    File(PathBuf),
    Postgres(Arc<Postgres>),
}

/// Whether the tests run on PostgreSQL.
pub(crate) fn on_postgres() -> bool {
    match std::env::var("STORE_UNDER_TEST").as_deref() {
        Err(_) | Ok("" | "sqlite") => false,
        Ok("postgres") => true,
        Ok(other) => panic!("STORE_UNDER_TEST is sqlite or postgres, not {other}"),
    }
}

impl Database {
    /// A fresh one in that file.
    pub(crate) fn file(file: &Path) -> Self {
        Self::File(file.to_owned())
    }

    /// A fresh one on PostgreSQL, whatever the tests run on.
    pub(crate) fn postgres() -> Self {
        Self::Postgres(Arc::new(Postgres::new()))
    }

    /// A fresh one for a server with that data folder.
    pub(crate) fn fresh(data: &Path) -> Self {
        if on_postgres() {
            Self::Postgres(Arc::new(Postgres::new()))
        } else {
            Self::File(data.join("latchkey.db"))
        }
    }

    /// The setting `store.url`.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::File(file) => format!("sqlite:{}", file.display()),
            Self::Postgres(database) => database.url().to_owned(),
        }
    }

    /// Runs SQL.
    pub(crate) fn execute(&self, sql: &str) {
        match self {
            Self::File(file) => {
                rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
            }
            Self::Postgres(database) => database.execute(sql),
        }
    }

    /// The rows of a query, each value as its text.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        match self {
            Self::File(file) => {
                let connection = rusqlite::Connection::open(file).unwrap();
                let mut statement = connection.prepare(sql).unwrap();
                let columns = statement.column_count();
                let text = |row: &rusqlite::Row<'_>, column| {
                    let value: rusqlite::types::Value = row.get(column)?;
                    Ok(match value {
                        rusqlite::types::Value::Integer(number) => number.to_string(),
                        rusqlite::types::Value::Real(number) => number.to_string(),
                        rusqlite::types::Value::Text(text) => text,
                        other => format!("{other:?}"),
                    })
                };
                let rows = statement
                    .query_map([], |row| (0..columns).map(|column| text(row, column)).collect());
                rows.unwrap().collect::<Result<_, _>>().unwrap()
            }
            Self::Postgres(database) => database.rows(sql),
        }
    }

    /// A number.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.rows(sql)[0][0].parse().unwrap()
    }

    /// Keeps every call waiting until it is dropped.
    pub(crate) fn hold(&self) -> Box<dyn Any> {
        match self {
            Self::File(file) => {
                let connection = rusqlite::Connection::open(file).unwrap();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                Box::new(connection)
            }
            Self::Postgres(database) => {
                Box::new(database.hold("LOCK TABLE counters IN EXCLUSIVE MODE"))
            }
        }
    }
}
