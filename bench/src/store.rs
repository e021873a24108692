//! The databases under the measured server: files in their data folders, or databases of a PostgreSQL that runs for
//! the bench alone, durable as it is by default.

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use latchkey_cluster::Cluster;
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The file inside a data folder.
const FILE: &str = "latchkey.db";
/// As a machine of this size would be set up: a part of its memory, so that what is written is not written out to
/// make room, and a log that is not cut short in a window.
const SETTINGS: [&str; 5] = [
    "shared_buffers=2GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=15min",
    "max_connections=100",
    "synchronous_commit=on",
];

/// Which kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A file.
    Sqlite,
    /// A server of its own, on the same cores.
    Postgres,
}

/// Databases, by the data folder of the server that uses them.
pub(crate) enum Store {
    /// Each in its folder.
    Sqlite,
    /// Each in one server.
    Postgres(Box<Postgres>),
}

/// A running PostgreSQL.
pub(crate) struct Postgres {
    cluster: Cluster,
    names: Mutex<HashMap<PathBuf, String>>,
}

impl Store {
    pub(crate) fn start(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => Self::Sqlite,
            Kind::Postgres => {
                let (cluster, names) = (Cluster::start(&SETTINGS, ""), Mutex::default());
                Self::Postgres(Box::new(Postgres { cluster, names }))
            }
        }
    }

    /// The setting `store.url` of the server with that data folder.
    pub(crate) async fn url(&self, data: &Path) -> Result<String> {
        match self {
            Self::Sqlite => Ok(format!("sqlite:{FILE}")),
            Self::Postgres(postgres) => postgres.url(data).await,
        }
    }

    /// Lets the server with the data folder `second` use the database of the one with `first`.
    pub(crate) fn share(&self, first: &Path, second: &Path) -> Result<()> {
        let Self::Postgres(postgres) = self else { bail!("a file is for one server") };
        let mut names = postgres.names.lock().unwrap_or_else(PoisonError::into_inner);
        let name = names.get(first).context("a server that has no database")?.clone();
        names.insert(second.to_owned(), name);
        Ok(())
    }

    /// A connection to the database of the server with that data folder.
    pub(crate) async fn connect(&self, data: &Path) -> Result<tokio_postgres::Client> {
        match self {
            Self::Sqlite => bail!("a file takes no connections"),
            Self::Postgres(postgres) => connect(&postgres.url(data).await?).await,
        }
    }

    /// The process from which those of the database come, if it has some of its own.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Sqlite => None,
            Self::Postgres(postgres) => Some(postgres.cluster.pid()),
        }
    }

    /// The numbers that these queries give, of the server with that data folder; none if it never had a store.
    pub(crate) async fn counts(&self, data: &Path, queries: &[&str]) -> Result<Option<Vec<u64>>> {
        let postgres = match self {
            Self::Sqlite => return counts_of_file(&data.join(FILE), queries),
            Self::Postgres(postgres) => postgres,
        };
        if !postgres.has(data) {
            return Ok(None);
        }
        let client = connect(&postgres.url(data).await?).await?;
        let mut counts = Vec::new();
        for query in queries {
            let count: i64 = client.query_one(*query, &[]).await?.try_get(0)?;
            counts.push(u64::try_from(count)?);
        }
        Ok(Some(counts))
    }
}

impl Postgres {
    fn has(&self, data: &Path) -> bool {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).contains_key(data)
    }

    async fn url(&self, data: &Path) -> Result<String> {
        let (name, new) = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = format!("bench_{}", names.len());
            let new = !names.contains_key(data);
            (names.entry(data.to_owned()).or_insert(fresh).clone(), new)
        };
        let url = &self.cluster.url;
        if new {
            connect(url).await?.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        }
        Ok(url.replacen("/postgres?", &format!("/{name}?"), 1))
    }
}

async fn connect(url: &str) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn counts_of_file(file: &Path, queries: &[&str]) -> Result<Option<Vec<u64>>> {
    if !file.exists() {
        return Ok(None);
    }
    let store = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| file.display().to_string())?;
    let count = |sql: &&str| -> Result<u64> {
        let rows: i64 =
            store.query_row(sql, [], |row| row.get(0)).with_context(|| (*sql).to_owned())?;
        Ok(u64::try_from(rows)?)
    };
    queries.iter().map(count).collect::<Result<_>>().map(Some)
}
