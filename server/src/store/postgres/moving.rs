//! A PostgreSQL database as an end of a copy.

mod growth;
mod settle;
mod turn;
mod values;

use super::migrate::{MIGRATIONS, migrate};
use super::numbers::{STRANDS, beginning_of, host_of, month_of, strand_of};
use super::{connect, months, sql};
use crate::store::StoreError;
use crate::store::moving::{
    Division, Former, Given, Kept, Left, Marks, MoveError, PART, Row, Source, Span, TABLES, Table,
    Target, UNFINISHED, Value,
};
use deadpool_postgres::{Client, Pool, Transaction};
use latchkey_protocol::Millis;
use std::collections::HashSet;
use tokio::runtime::Runtime;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use values::kind;

/// Nothing here is a call that somebody waits for.
const SETTINGS: &str = "SET statement_timeout = 0; SET lock_timeout = 0;
    SET idle_in_transaction_session_timeout = 0";
/// All that is read is of one moment.
const MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Where a copy notes how far it has come. One that was begun by an older program has the first only.
const NOTES: &str = "
    CREATE TABLE IF NOT EXISTS moving (one BIGINT PRIMARY KEY, come TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS moving_ahead (one BIGINT PRIMARY KEY, note TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS moving_numbers (
      of     TEXT NOT NULL,
      strand BIGINT NOT NULL,
      old    BIGINT NOT NULL,
      new    BIGINT NOT NULL,
      PRIMARY KEY (of, strand, old)
    );
    CREATE TABLE IF NOT EXISTS moving_turn (one BIGINT PRIMARY KEY, turn BIGINT NOT NULL)";
const COME: &str = "INSERT INTO moving VALUES (1, $1)
    ON CONFLICT (one) DO UPDATE SET come = excluded.come";
const AHEAD: &str = "INSERT INTO moving_ahead VALUES (1, $1)
    ON CONFLICT (one) DO UPDATE SET note = excluded.note";

/// An end of a copy.
pub(in crate::store) struct PostgresEnd {
    client: Client,
    url: String,
    /// Months that are known to have their part of the log.
    months: HashSet<i64>,
    /// Of a target that is being filled.
    turn: i64,
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
        Ok(Self { client, url: url.to_owned(), months: HashSet::new(), turn: 0, runtime })
    }

    /// Rows as their values.
    fn read(&self, sql: &str, values: sql::Values<'_>) -> Result<Vec<Row>, StoreError> {
        let rows = self.runtime.block_on(sql::rows(&self.client, sql, values))?;
        let row = |row: &tokio_postgres::Row| (0..row.len()).map(|at| row.try_get(at)).collect();
        Ok(rows.iter().map(row).collect::<Result<_, tokio_postgres::Error>>()?)
    }

    /// The one text of a table that holds a note.
    fn note_in(&self, sql: &str) -> Result<Option<String>, StoreError> {
        let note = self.runtime.block_on(sql::row(&self.client, sql, &[]))?;
        Ok(note.map(|row| row.try_get(0)).transpose()?)
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
        Ok(self.read(&sql, &values)?)
    }

    fn upto(&mut self) -> Result<Marks, MoveError> {
        Ok(self.runtime.block_on(growth::upto(&self.client))?)
    }

    fn counts(&mut self, table: &Table, spans: &[Span]) -> Result<Marks, MoveError> {
        Ok(self.runtime.block_on(growth::counts(&self.client, table, spans))?)
    }

    fn grown(&mut self, table: &Table, span: Span, most: usize) -> Result<Vec<Row>, MoveError> {
        let read: Vec<_> = table.columns.iter().map(|(name, _)| read_as(table, name)).collect();
        let sql = format!(
            "SELECT {} FROM {} t
             WHERE t.strand = $1 AND t.seq > $2 AND t.seq <= $3 ORDER BY t.seq LIMIT $4",
            read.join(", "),
            table.name
        );
        Ok(self.read(&sql, &[&span.strand, &span.past, &span.upto, &(most as i64)])?)
    }

    fn given(
        &mut self,
        mut span: Span,
        each: &mut dyn FnMut(Given) -> Result<(), MoveError>,
    ) -> Result<(), MoveError> {
        loop {
            let given = self.runtime.block_on(growth::given(&self.client, span))?;
            let Some(last) = given.last() else { return Ok(()) };
            // What has the same number as the last has been told by that.
            span.past = last.seq;
            given.into_iter().try_for_each(&mut *each)?;
        }
    }
}

impl Target for PostgresEnd {
    fn has(&self, table: &Table) -> bool {
        Source::has(self, table)
    }

    fn begun(&mut self) -> Result<Left, MoveError> {
        if !self.runtime.block_on(is_being_filled(&self.client))? {
            for table in TABLES {
                let any = format!("SELECT 1 FROM {} LIMIT 1", name(table).0);
                if self.runtime.block_on(sql::row(&self.client, &any, &[]))?.is_some() {
                    return Err(MoveError::NotEmpty(table.name));
                }
            }
        }
        self.runtime.block_on(self.client.batch_execute(NOTES)).map_err(StoreError::from)?;
        self.turn = self.runtime.block_on(turn::take(&self.client))?;
        Ok(Left {
            come: self.note_in("SELECT come FROM moving")?,
            ahead: self.note_in("SELECT note FROM moving_ahead")?,
        })
    }

    fn note(&mut self, ahead: &str, come: &str) -> Result<(), MoveError> {
        turn::within(&self.runtime, &mut self.client, self.turn, async |transaction| {
            sql::run(transaction, COME, &[&come]).await?;
            sql::run(transaction, AHEAD, &[&ahead]).await?;
            Ok(())
        })
    }

    fn keep(&mut self, numbers: &[Kept]) -> Result<(), MoveError> {
        turn::within(&self.runtime, &mut self.client, self.turn, async |transaction| {
            growth::keep(transaction, numbers).await
        })
    }

    fn kept(&mut self, of: &'static str) -> Result<Vec<(i64, i64)>, MoveError> {
        Ok(self.runtime.block_on(growth::kept(&self.client, of))?)
    }

    fn former(&self) -> Result<Option<Box<dyn Former>>, MoveError> {
        Ok(None)
    }

    fn clear(&mut self, tables: &[&'static Table]) -> Result<(), MoveError> {
        let names = tables.iter().map(|table| name(table).0);
        // Places of keys are made from the keys.
        let deletes = names.chain(["key_places"]).map(|name| format!("DELETE FROM {name};"));
        let deletes: String = deletes.collect();
        turn::within(&self.runtime, &mut self.client, self.turn, async |transaction| {
            Ok(transaction.batch_execute(&deletes).await?)
        })
    }

    fn write(&mut self, table: &Table, rows: &[Row], come: &str) -> Result<(), MoveError> {
        let months = &mut self.months;
        turn::within(&self.runtime, &mut self.client, self.turn, async |transaction| {
            if table.name == "entries" {
                let seqs = rows.iter().filter_map(|row| table.number(row, "seq"));
                for month in seqs.map(month_of) {
                    if months.insert(month) {
                        months::make(transaction, beginning_of(month)).await?;
                    }
                }
            }
            fill(transaction, table, rows).await?;
            sql::run(transaction, COME, &[&come]).await?;
            Ok(())
        })
    }

    fn link(&mut self, past: &Marks) -> Result<(), MoveError> {
        Ok(self.runtime.block_on(settle::link(&self.client, past))?)
    }

    fn settle(&mut self) -> Result<(), MoveError> {
        turn::within(&self.runtime, &mut self.client, self.turn, async |transaction| {
            settle::settle(transaction).await
        })?;
        let analyze = self.client.batch_execute("ANALYZE");
        Ok(self.runtime.block_on(analyze).map_err(StoreError::from)?)
    }

    fn written(&self) -> Result<Box<dyn Source>, MoveError> {
        Ok(Box::new(Self::reading(&self.url)?))
    }

    fn finish(&mut self) -> Result<(), MoveError> {
        // All at once: that the first is there says that the copy is not finished.
        let end = "DROP TABLE moving, moving_ahead, moving_numbers, moving_turn";
        turn::within(&self.runtime, &mut self.client, self.turn, async |transaction| {
            Ok(transaction.batch_execute(end).await?)
        })
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
