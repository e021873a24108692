//! A PostgreSQL database as an end of a copy.

use super::migrate::{MIGRATIONS, migrate};
use super::numbers::{STRANDS, beginning_of, count_of, host_of, month_of, strand_of, strands_of};
use super::{connect, months, sql};
use crate::store::StoreError;
use crate::store::moving::{
    Division, Given, MoveError, PART, Role, Row, Source, TABLES, Table, Target, UNFINISHED, Value,
};
use bytes::BytesMut;
use deadpool_postgres::{Client, Pool, Transaction};
use latchkey_protocol::Millis;
use std::collections::HashSet;
use std::error::Error;
use tokio::runtime::Runtime;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// Nothing here is a call that somebody waits for.
const SETTINGS: &str = "SET statement_timeout = 0; SET lock_timeout = 0;
    SET idle_in_transaction_session_timeout = 0";
/// All that is read is of one moment.
const MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Where a copy notes how far it has come.
const NOTE: &str = "CREATE TABLE moving (one BIGINT PRIMARY KEY, come TEXT NOT NULL)";
/// Rows fetched at once where there are very many small ones.
const FETCH: i64 = 50_000;

/// An end of a copy.
pub(in crate::store) struct PostgresEnd {
    client: Client,
    url: String,
    /// Months that are known to have their part of the log.
    months: HashSet<i64>,
    /// Last, since the connection is closed on it.
    runtime: Runtime,
}

impl PostgresEnd {
    /// The data as it is now, whoever writes on.
    pub(in crate::store) fn source(url: &str) -> Result<Self, MoveError> {
        let source = Self::reading(url)?;
        match source.version()? {
            None => return Err(MoveError::NoSource),
            Some(found) => check_version(found, "source")?,
        }
        if source.runtime.block_on(is_being_filled(&source.client))? {
            return Err(MoveError::Unfinished);
        }
        Ok(source)
    }

    fn reading(url: &str) -> Result<Self, MoveError> {
        let end = Self::connected(url)?;
        end.runtime.block_on(end.client.batch_execute(MOMENT)).map_err(StoreError::from)?;
        Ok(end)
    }

    /// A database to be filled, brought up to date if it is empty.
    pub(in crate::store) fn target(url: &str, now: Millis) -> Result<Self, MoveError> {
        let mut end = Self::connected(url)?;
        if let Some(found) = end.version()? {
            check_version(found, "target")?;
        }
        end.runtime.block_on(migrate(&mut end.client, now))?;
        Ok(end)
    }

    fn connected(url: &str) -> Result<Self, MoveError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| StoreError::Database(error.to_string()))?;
        let client = runtime.block_on(async {
            let client = pool(url)?.get().await?;
            client.batch_execute(SETTINGS).await?;
            Ok::<_, StoreError>(client)
        })?;
        Ok(Self { client, url: url.to_owned(), months: HashSet::new(), runtime })
    }

    /// How many migrations it has seen; `None` if it is no database of ours.
    fn version(&self) -> Result<Option<i64>, StoreError> {
        self.runtime.block_on(async {
            let there = "SELECT 1 FROM pg_tables WHERE tablename = 'schema_version'
                         AND schemaname = ANY(current_schemas(false))";
            if sql::row(&self.client, there, &[]).await?.is_none() {
                return Ok(None);
            }
            let found = sql::row(&self.client, "SELECT version FROM schema_version", &[]).await?;
            Ok(found.map(|row| row.try_get(0)).transpose()?)
        })
    }
}

/// The one connection.
fn pool(url: &str) -> Result<Pool, StoreError> {
    connect::Target::of(url)?.pool(1)
}

/// Whether a copy into it was begun and not finished.
async fn is_being_filled(client: &Client) -> Result<bool, StoreError> {
    let there = "SELECT 1 FROM pg_tables WHERE tablename = 'moving'
                 AND schemaname = ANY(current_schemas(false))";
    Ok(sql::row(client, there, &[]).await?.is_some())
}

/// No server opens what a copy has not finished.
pub(super) async fn refuse_unfinished(client: &Client) -> Result<(), StoreError> {
    if is_being_filled(client).await? {
        return Err(StoreError::Unreadable(UNFINISHED.into()));
    }
    Ok(())
}

fn check_version(found: i64, which: &'static str) -> Result<(), MoveError> {
    let known = MIGRATIONS.len() as i64;
    if found == known { Ok(()) } else { Err(MoveError::Version { which, found, known }) }
}

/// What the table is called here, and which of its rows there are elsewhere.
fn name(table: &Table) -> (&'static str, &'static str) {
    match table.name {
        // A row without an end is only there to be held.
        "ended_sessions" => ("host_sessions", "t.ended_at IS NOT NULL"),
        other => (other, "TRUE"),
    }
}

/// What a column is called here.
fn column<'a>(table: &Table, column: &'a str) -> &'a str {
    match (table.name, column) {
        ("ended_sessions", "at") => "ended_at",
        (_, "user") => "user_id",
        (_, "grant") => "grant_id",
        _ => column,
    }
}

/// How a column is read.
fn read_as(table: &Table, name: &str) -> String {
    match (table.name, name) {
        ("activities", "host") => format!("(t.strand / {STRANDS})"),
        ("voids", "activity") => "(SELECT s.activity FROM submissions s
            WHERE s.strand = t.strand AND s.seq = t.submission)"
            .into(),
        _ => format!("t.\"{}\"", column(table, name)),
    }
}

/// The columns that are there, of those of a row.
fn kept(table: &Table) -> Vec<usize> {
    let gone = |column: &str| {
        matches!((table.name, column), ("activities", "host") | ("voids", "activity"))
    };
    (0..table.columns.len()).filter(|at| !gone(table.columns[*at].0)).collect()
}

fn kind(role: Role) -> Type {
    match role {
        Role::Small => Type::INT2,
        Role::Real => Type::FLOAT8,
        Role::Bool => Type::BOOL,
        Role::Text | Role::Outcome => Type::TEXT,
        Role::Bytes | Role::Grant => Type::BYTEA,
        _ => Type::INT8,
    }
}

/// The columns by which a row is placed here and its values: before the key, and of no other backend.
fn place(table: &Table, row: &Row) -> Vec<(&'static str, Value)> {
    let number = |name| table.number(row, name).unwrap_or_default();
    match table.place {
        Division::Nowhere if table.name == "ended_sessions" => {
            vec![("seen_at", Value::Int(number("at")))]
        }
        Division::Nowhere => Vec::new(),
        Division::Host if table.name == "sections" => {
            vec![("host", Value::Int(host_of(number("course"))))]
        }
        // It is a column of its own.
        Division::Host => Vec::new(),
        Division::Strand if table.name == "activities" => {
            vec![("strand", Value::Int(strand_of(number("id"))))]
        }
        Division::Strand => vec![("strand", Value::Int(strand_of(number("activity"))))],
    }
}

/// The primary key: how it is written, and its values in a row.
fn key(table: &Table, row: Option<&Row>) -> (Vec<String>, Vec<Value>) {
    let mut names: Vec<_> =
        table.columns[..table.key].iter().map(|(name, _)| read_as(table, name)).collect();
    let mut values = row.map(|row| row[..table.key].to_vec()).unwrap_or_default();
    let first = match table.place {
        Division::Nowhere => return (names, values),
        Division::Host => "t.host",
        Division::Strand => "t.strand",
    };
    names.insert(0, first.into());
    if let Some(row) = row {
        let placed = place(table, row).into_iter().next().map(|(_, value)| value);
        let host = || Value::Int(table.number(row, "host").unwrap_or_default());
        values.insert(0, placed.unwrap_or_else(host));
    }
    (names, values)
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *kind == Type::BOOL => (*number != 0).to_sql(kind, out),
            Self::Int(number) if *kind == Type::INT2 => i16::try_from(*number)?.to_sql(kind, out),
            Self::Int(number) => number.to_sql(kind, out),
            Self::Real(number) => number.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl FromSql<'_> for Value {
    fn from_sql(kind: &Type, raw: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *kind {
            Type::INT8 => Self::Int(i64::from_sql(kind, raw)?),
            Type::INT2 => Self::Int(i16::from_sql(kind, raw)?.into()),
            Type::BOOL => Self::Int(bool::from_sql(kind, raw)?.into()),
            Type::FLOAT8 => Self::Real(f64::from_sql(kind, raw)?),
            Type::BYTEA => Self::Bytes(raw.to_vec()),
            _ => Self::Text(String::from_sql(kind, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Source for PostgresEnd {
    fn has(&self, _: &Table) -> bool {
        true
    }

    fn count(&mut self, table: &Table) -> Result<u64, MoveError> {
        let (name, only) = name(table);
        let count = format!("SELECT count(*) FROM {name} t WHERE {only}");
        let count = self.runtime.block_on(sql::row(&self.client, &count, &[]))?;
        let count = count.map_or(Ok(0_i64), |row| row.try_get(0)).map_err(StoreError::from)?;
        Ok(count.unsigned_abs())
    }

    fn rows(&mut self, table: &Table, after: Option<&Row>) -> Result<Vec<Row>, MoveError> {
        let read: Vec<_> = table.columns.iter().map(|(name, _)| read_as(table, name)).collect();
        let (name, only) = name(table);
        let (key, values) = key(table, after);
        let places: Vec<_> = (1..=values.len()).map(|at| format!("${at}")).collect();
        let (key, places) = (key.join(", "), places.join(", "));
        let beyond = after.map(|_| format!("AND ({key}) > ({places})")).unwrap_or_default();
        let sql = format!(
            "SELECT {} FROM {name} t WHERE {only} {beyond} ORDER BY {key} LIMIT {PART}",
            read.join(", ")
        );
        let values: Vec<&(dyn ToSql + Sync)> =
            values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let rows = self.runtime.block_on(sql::rows(&self.client, &sql, &values))?;
        let row = |row: &tokio_postgres::Row| (0..row.len()).map(|at| row.try_get(at)).collect();
        let rows: Result<_, tokio_postgres::Error> = rows.iter().map(row).collect();
        Ok(rows.map_err(StoreError::from)?)
    }

    fn given(
        &mut self,
        each: &mut dyn FnMut(Given) -> Result<(), MoveError>,
    ) -> Result<(), MoveError> {
        let declare = "DECLARE given NO SCROLL CURSOR FOR
            SELECT strand, seq, at FROM entries UNION ALL
            SELECT strand, seq, at FROM submissions UNION ALL
            SELECT strand, seq, at FROM rulings ORDER BY 1, 2";
        let run = |sql: &str| self.runtime.block_on(self.client.batch_execute(sql));
        run(declare).map_err(StoreError::from)?;
        let fetch = format!("FETCH {FETCH} FROM given");
        loop {
            let rows = self.runtime.block_on(sql::rows(&self.client, &fetch, &[]))?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let get = || -> Result<_, tokio_postgres::Error> {
                    Ok(Given { strand: row.try_get(0)?, seq: row.try_get(1)?, at: row.try_get(2)? })
                };
                each(get().map_err(StoreError::from)?)?;
            }
        }
        Ok(run("CLOSE given").map_err(StoreError::from)?)
    }
}

impl Target for PostgresEnd {
    fn has(&self, table: &Table) -> bool {
        Source::has(self, table)
    }

    fn begun(&mut self) -> Result<Option<String>, MoveError> {
        let filled = self.runtime.block_on(is_being_filled(&self.client))?;
        if filled {
            let come = sql::row(&self.client, "SELECT come FROM moving", &[]);
            let come = self.runtime.block_on(come)?;
            return Ok(come.map(|row| row.try_get(0)).transpose().map_err(StoreError::from)?);
        }
        for table in TABLES {
            let any = format!("SELECT 1 FROM {} LIMIT 1", name(table).0);
            if self.runtime.block_on(sql::row(&self.client, &any, &[]))?.is_some() {
                return Err(MoveError::NotEmpty(table.name));
            }
        }
        self.runtime.block_on(self.client.batch_execute(NOTE)).map_err(StoreError::from)?;
        Ok(None)
    }

    fn write(&mut self, table: &Table, rows: &[Row], come: &str) -> Result<(), MoveError> {
        let (client, months) = (&mut self.client, &mut self.months);
        Ok(self.runtime.block_on(async {
            let transaction = client.transaction().await?;
            if table.name == "entries" {
                let seqs = rows.iter().filter_map(|row| table.number(row, "seq"));
                for month in seqs.map(month_of) {
                    if months.insert(month) {
                        months::make(&transaction, beginning_of(month)).await?;
                    }
                }
            }
            fill(&transaction, table, rows).await?;
            let note = "INSERT INTO moving VALUES (1, $1)
                        ON CONFLICT (one) DO UPDATE SET come = excluded.come";
            sql::run(&transaction, note, &[&come]).await?;
            transaction.commit().await?;
            Ok::<_, StoreError>(())
        })?)
    }

    fn settle(&mut self) -> Result<(), MoveError> {
        let client = &mut self.client;
        Ok(self.runtime.block_on(async {
            let transaction = client.transaction().await?;
            settle(&transaction).await?;
            transaction.commit().await?;
            client.batch_execute("ANALYZE").await?;
            Ok::<_, StoreError>(())
        })?)
    }

    fn written(&self) -> Result<Box<dyn Source>, MoveError> {
        Ok(Box::new(Self::reading(&self.url)?))
    }

    fn finish(&mut self) -> Result<(), MoveError> {
        let end = self.client.batch_execute("DROP TABLE moving");
        Ok(self.runtime.block_on(end).map_err(StoreError::from)?)
    }
}

async fn fill(tx: &Transaction<'_>, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
    let Some(first) = rows.first() else { return Ok(()) };
    let kept = kept(table);
    let more: Vec<_> = place(table, first).into_iter().map(|(name, _)| name.to_owned()).collect();
    let quoted = |at: &usize| format!("\"{}\"", column(table, table.columns[*at].0));
    let names: Vec<_> = more.iter().cloned().chain(kept.iter().map(quoted)).collect();
    let mut types = vec![Type::INT8; more.len()];
    types.extend(kept.iter().map(|at| kind(table.columns[*at].1)));
    let copy = format!("COPY {} ({}) FROM STDIN BINARY", name(table).0, names.join(", "));
    let sink = tx.copy_in(&copy).await?;
    let writer = BinaryCopyInWriter::new(sink, &types);
    tokio::pin!(writer);
    for row in rows {
        let placed = place(table, row);
        let values = placed.iter().map(|(_, value)| value);
        let values = values.chain(kept.iter().map(|at| &row[*at]));
        let values: Vec<&(dyn ToSql + Sync)> =
            values.map(|value| value as &(dyn ToSql + Sync)).collect();
        writer.as_mut().write(&values).await?;
    }
    writer.finish().await?;
    Ok(())
}

/// Counters, places of keys and who has joined: again what they were before if it is done twice.
async fn settle(tx: &Transaction<'_>) -> Result<(), StoreError> {
    let places = "INSERT INTO key_places (id, activity, ends_at)
                  SELECT id, activity, ends_at FROM keys ON CONFLICT DO NOTHING";
    sql::run(tx, places, &[]).await?;
    for from in ["entries", "submissions", "keys"] {
        let joins = format!(
            "INSERT INTO joins (strand, activity, user_id)
             SELECT DISTINCT strand, activity, user_id FROM {from} ON CONFLICT DO NOTHING"
        );
        sql::run(tx, &joins, &[]).await?;
    }
    for host in sql::rows(tx, "SELECT id FROM hosts", &[]).await? {
        let host: i64 = host.try_get(0)?;
        let strands: &[i64] = &strands_of(host);
        let last = "SELECT greatest(
                (SELECT max(id) FROM users WHERE host = $1),
                (SELECT max(id) FROM courses WHERE host = $1),
                (SELECT max(id) FROM sections WHERE host = $1),
                (SELECT max(id) FROM enrolments WHERE host = $1),
                (SELECT max(id) FROM activities WHERE strand = ANY($2)))";
        let last = sql::row(tx, last, &[&host, &strands]).await?;
        let last: Option<i64> = last.map(|row| row.try_get(0)).transpose()?.flatten();
        let insert = "INSERT INTO numbers (host, last) VALUES ($1, $2)
                      ON CONFLICT (host) DO UPDATE SET last = excluded.last";
        sql::run(tx, insert, &[&host, &last.map_or(0, count_of)]).await?;
        for strand in strands {
            let last = "SELECT greatest(
                    (SELECT max(seq) FROM entries WHERE strand = $1),
                    (SELECT max(seq) FROM submissions WHERE strand = $1),
                    (SELECT max(seq) FROM rulings WHERE strand = $1),
                    (SELECT max(upto) FROM resets WHERE strand = $1), 0)";
            let last = sql::row(tx, last, &[strand]).await?;
            let last: i64 = last.map_or(Ok(0), |row| row.try_get(0))?;
            let insert = "INSERT INTO counters (strand, last) VALUES ($1, $2)
                          ON CONFLICT (strand) DO UPDATE SET last = excluded.last";
            sql::run(tx, insert, &[strand, &(last / STRANDS)]).await?;
        }
    }
    Ok(())
}
