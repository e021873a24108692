//! A SQLite file as an end of a copy.

use super::cache::Chain;
use super::schema;
use crate::store::StoreError;
use crate::store::moving::{
    Given, JOINS, MoveError, PART, Role, Row, Source, TABLES, Table, Target, Value,
};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql, params_from_iter};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Pages that the filling keeps in memory, in KiB.
const CACHE: &str = "PRAGMA cache_size = -131072;";
/// Where a copy notes how far it has come.
const NOTE: &str = "CREATE TABLE moving (come TEXT NOT NULL) STRICT";

/// An end of a copy.
#[derive(Debug)]
pub(in crate::store) struct SqliteEnd {
    connection: Connection,
    file: PathBuf,
    /// The newest entry of each chain so far; read again from the log by a copy that goes on.
    heads: HashMap<Chain, i64>,
    /// The newest submission of each user in an activity.
    submissions: HashMap<Chain, i64>,
}

impl SqliteEnd {
    /// The data as it is now, whoever writes on.
    pub(in crate::store) fn source(file: &Path) -> Result<Self, MoveError> {
        if !file.is_file() {
            return Err(MoveError::NoSource);
        }
        let source = Self::reading(file)?;
        check_version(&source.connection, "source")?;
        if schema::is_being_filled(&source.connection)? {
            return Err(MoveError::Unfinished);
        }
        Ok(source)
    }

    fn reading(file: &Path) -> Result<Self, MoveError> {
        let connection = schema::open_reader(file)?;
        connection.execute_batch("BEGIN").map_err(StoreError::from)?;
        Ok(Self::new(connection, file))
    }

    fn new(connection: Connection, file: &Path) -> Self {
        let (heads, submissions) = Default::default();
        Self { connection, file: file.to_owned(), heads, submissions }
    }

    /// A file to be filled, made if it is not there.
    pub(in crate::store) fn target(file: &Path) -> Result<Self, MoveError> {
        if file.is_file() && std::fs::metadata(file).is_ok_and(|it| it.len() > 0) {
            check_version(&schema::open_reader(file)?, "target")?;
        }
        if let Some(folder) = file.parent() {
            crate::secrets::make_folder(folder)
                .map_err(|error| StoreError::Database(error.to_string()))?;
        }
        let connection = schema::open_to_fill(file)?;
        connection.execute_batch(CACHE).map_err(StoreError::from)?;
        Ok(Self::new(connection, file))
    }

    /// Reads the chains of what an interrupted copy has written.
    fn recover(&mut self) -> Result<(), StoreError> {
        let mut tail = self
            .connection
            .prepare("SELECT activity, user, seq FROM entries ORDER BY activity, seq")?;
        let mut rows = tail.query([])?;
        while let Some(row) = rows.next()? {
            let (activity, user, seq) = (row.get(0)?, row.get(1)?, row.get(2)?);
            self.heads.insert((activity, 0), seq);
            self.heads.insert((activity, user), seq);
        }
        let mut tail = self
            .connection
            .prepare("SELECT activity, user, max(seq) FROM submissions GROUP BY 1, 2")?;
        let mut rows = tail.query([])?;
        while let Some(row) = rows.next()? {
            self.submissions.insert((row.get(0)?, row.get(1)?), row.get(2)?);
        }
        Ok(())
    }

    fn put(&mut self, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
        let mut insert = self.connection.prepare_cached(&insert(table))?;
        let chain = |row: &Row| {
            let number = |name| table.number(row, name).unwrap_or_default();
            (number("activity"), number("user"), number("seq"))
        };
        for row in rows {
            let mut values: Vec<Value> = row.clone();
            for ((_, role), value) in table.columns.iter().zip(&mut values) {
                if let (Role::Branch, Value::Int(branch)) = (role, &*value) {
                    *value = Value::Bytes(branch.to_be_bytes().to_vec());
                }
            }
            match table.name {
                "entries" => {
                    let (activity, user, seq) = chain(row);
                    for link in [(activity, 0), (activity, user)] {
                        let previous = self.heads.insert(link, seq).unwrap_or(0);
                        values.push(Value::Int(previous));
                    }
                }
                "submissions" => {
                    let (activity, user, seq) = chain(row);
                    let previous = self.submissions.insert((activity, user), seq).unwrap_or(0);
                    values.push(Value::Int(previous));
                }
                _ => {}
            }
            insert.execute(params_from_iter(values))?;
        }
        Ok(())
    }

    /// The beginnings of all chains, and that the table knows them.
    fn put_heads(&self) -> Result<(), StoreError> {
        let mut heads: Vec<_> = self.heads.iter().collect();
        heads.sort_unstable();
        self.connection.execute_batch("BEGIN IMMEDIATE; DELETE FROM heads;")?;
        let mut insert = self.connection.prepare("INSERT INTO heads VALUES (?, ?, ?)")?;
        for ((activity, user), seq) in heads {
            insert.execute((activity, user, seq))?;
        }
        self.connection.execute_batch(
            "UPDATE marks SET value = (SELECT coalesce(max(seq), 0) FROM entries)
             WHERE name = 'heads_upto';
             COMMIT;",
        )?;
        Ok(())
    }
}

fn check_version(connection: &Connection, which: &'static str) -> Result<(), MoveError> {
    let found = schema::version(connection)?;
    if found == schema::NEWEST {
        return Ok(());
    }
    if which == "source" && found == 0 {
        return Err(MoveError::NoSource);
    }
    Err(MoveError::Version { which, found, known: schema::NEWEST })
}

/// How a column is read.
fn read_as(table: &Table, column: &str) -> String {
    match (table.name, column) {
        ("webhooks", "host") => "(SELECT h.id FROM hosts h WHERE h.name = t.host)".into(),
        ("voids", "activity") => {
            "(SELECT s.activity FROM submissions s WHERE s.seq = t.submission)".into()
        }
        _ => format!("t.\"{column}\""),
    }
}

/// A row in the order of the table's columns.
fn insert(table: &Table) -> String {
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (at, (column, _)) in table.columns.iter().enumerate() {
        let value = format!("?{}", at + 1);
        match (table.name, *column) {
            // It has no such column.
            ("voids", "activity") => continue,
            ("webhooks", "host") => {
                values.push(format!("(SELECT h.name FROM hosts h WHERE h.id = {value})"));
            }
            _ => values.push(value),
        }
        names.push(format!("\"{column}\""));
    }
    let more = table.columns.len();
    match table.name {
        "entries" => {
            names.extend(["previous".into(), "previous_own".into()]);
            values.extend([format!("?{}", more + 1), format!("?{}", more + 2)]);
        }
        "submissions" => {
            names.push("previous".into());
            values.push(format!("?{}", more + 1));
        }
        "keys" => {
            let activity = table.at("activity").unwrap_or_default() + 1;
            names.push("host".into());
            values.push(format!("(SELECT a.host FROM activities a WHERE a.id = ?{activity})"));
        }
        _ => {}
    }
    format!("INSERT INTO {} ({}) VALUES ({})", table.name, names.join(", "), values.join(", "))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn value(role: Role, found: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match (role, found) {
        (_, ValueRef::Null) => Value::Null,
        (Role::Branch, ValueRef::Blob(bytes)) => {
            let branch =
                bytes.try_into().map_err(|_| rusqlite::types::FromSqlError::InvalidType)?;
            Value::Int(i64::from_be_bytes(branch))
        }
        (_, ValueRef::Integer(number)) => Value::Int(number),
        (_, ValueRef::Real(number)) => Value::Real(number),
        (_, ValueRef::Text(_)) => Value::Text(found.as_str()?.to_owned()),
        (_, ValueRef::Blob(bytes)) => Value::Bytes(bytes.to_vec()),
    })
}

impl Source for SqliteEnd {
    fn has(&self, table: &Table) -> bool {
        table.name != JOINS
    }

    fn count(&mut self, table: &Table) -> Result<u64, MoveError> {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let count: i64 =
            self.connection.query_row(&sql, [], |row| row.get(0)).map_err(StoreError::from)?;
        Ok(count.unsigned_abs())
    }

    fn rows(&mut self, table: &Table, after: Option<&Row>) -> Result<Vec<Row>, MoveError> {
        let read: Vec<_> = table.columns.iter().map(|(column, _)| read_as(table, column)).collect();
        let key = read[..table.key].join(", ");
        let places = vec!["?"; table.key].join(", ");
        let beyond = after.map(|_| format!("WHERE ({key}) > ({places})")).unwrap_or_default();
        let sql = format!(
            "SELECT {} FROM {} t {beyond} ORDER BY {key} LIMIT {PART}",
            read.join(", "),
            table.name
        );
        let values = after.map(|row| row[..table.key].to_vec()).unwrap_or_default();
        let get = || -> Result<Vec<Row>, StoreError> {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), |row| {
                let columns = table.columns.iter().enumerate();
                columns.map(|(at, (_, role))| value(*role, row.get_ref(at)?)).collect()
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        Ok(get()?)
    }

    fn given(
        &mut self,
        each: &mut dyn FnMut(Given) -> Result<(), MoveError>,
    ) -> Result<(), MoveError> {
        let mut all = self
            .connection
            .prepare(
                "SELECT seq, at FROM entries UNION ALL SELECT seq, at FROM rulings ORDER BY seq",
            )
            .map_err(StoreError::from)?;
        let mut rows = all.query([]).map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            let get = || Ok(Given { strand: 0, seq: row.get(0)?, at: row.get(1)? });
            each(get().map_err(|error: rusqlite::Error| StoreError::from(error))?)?;
        }
        Ok(())
    }
}

impl Target for SqliteEnd {
    fn has(&self, table: &Table) -> bool {
        Source::has(self, table)
    }

    fn begun(&mut self) -> Result<Option<String>, MoveError> {
        if schema::is_being_filled(&self.connection)? {
            let come: Option<String> = self
                .connection
                .query_row("SELECT come FROM moving", [], |row| row.get(0))
                .optional()
                .map_err(StoreError::from)?;
            self.recover()?;
            return Ok(come);
        }
        for table in TABLES.iter().filter(|table| Source::has(self, table)) {
            let sql = format!("SELECT 1 FROM {} LIMIT 1", table.name);
            let found: Option<i64> = self
                .connection
                .query_row(&sql, [], |row| row.get(0))
                .optional()
                .map_err(StoreError::from)?;
            if found.is_some() {
                return Err(MoveError::NotEmpty(table.name));
            }
        }
        self.connection.execute_batch(NOTE).map_err(StoreError::from)?;
        Ok(None)
    }

    fn write(&mut self, table: &Table, rows: &[Row], come: &str) -> Result<(), MoveError> {
        let mut all = || -> Result<(), StoreError> {
            self.connection.execute_batch("BEGIN IMMEDIATE; DELETE FROM moving;")?;
            self.connection.prepare_cached("INSERT INTO moving VALUES (?)")?.execute([come])?;
            self.put(table, rows)?;
            self.connection.execute_batch("COMMIT")?;
            Ok(())
        };
        // A copy does not go on after a failure: the transaction goes with the connection.
        Ok(all()?)
    }

    fn settle(&mut self) -> Result<(), MoveError> {
        self.put_heads()?;
        Ok(())
    }

    fn written(&self) -> Result<Box<dyn Source>, MoveError> {
        Ok(Box::new(Self::reading(&self.file)?))
    }

    fn finish(&mut self) -> Result<(), MoveError> {
        let end = "DROP TABLE moving; PRAGMA wal_checkpoint(TRUNCATE);";
        Ok(self.connection.execute_batch(end).map_err(StoreError::from)?)
    }
}
