//! The database under a journey: SQLite in the server's folder, or PostgreSQL with `STORE_UNDER_TEST=postgres`.

use latchkey_cluster::Database as Postgres;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// As another program may read it.
#[derive(Clone)]
pub(crate) enum Database {
    File(PathBuf),
    Postgres(Arc<Postgres>),
}

impl Database {
    /// A fresh one for a server with that data folder.
    pub(crate) fn fresh(data: &Path) -> Self {
        match std::env::var("STORE_UNDER_TEST").as_deref() {
            Err(_) | Ok("" | "sqlite") => Self::File(data.join("latchkey.db")),
            Ok("postgres") => Self::Postgres(Arc::new(Postgres::new())),
            Ok(other) => panic!("STORE_UNDER_TEST is sqlite or postgres, not {other}"),
        }
    }

    /// The setting `store.url`.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::File(file) => format!("sqlite:{}", file.display()),
            Self::Postgres(database) => database.url().to_owned(),
        }
    }

    /// The column that tells the user: a word that PostgreSQL keeps for itself.
    pub(crate) fn user(&self) -> &'static str {
        match self {
            Self::File(_) => "user",
            Self::Postgres(_) => "user_id",
        }
    }

    /// The rows of a query, each value as its text; NULL is empty.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let file = match self {
            Self::Postgres(database) => return database.rows(sql),
            Self::File(file) => file,
        };
        let connection =
            Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let text = |value| match value {
            Value::Null => String::new(),
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => number.to_string(),
            Value::Text(text) => text,
            Value::Blob(bytes) => format!("{bytes:?}"),
        };
        let read = |row: &rusqlite::Row<'_>| {
            (0..columns).map(|column| row.get(column).map(text)).collect()
        };
        statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
    }
}
