//! A SQLite file as an end of a copy.

mod chains;
mod kept;
mod values;

use super::schema;
use crate::store::StoreError;
use crate::store::moving::{
    Former, Given, JOINS, Kept, Left, Marks, MoveError, PART, Role, Row, Source, Span, TABLES,
    Table, Target, Value,
};
use chains::Chains;
use rusqlite::{Connection, OptionalExtension, Params, params_from_iter};
use std::path::{Path, PathBuf};
use values::value;

/// Pages that the filling keeps in memory, in KiB.
const CACHE: &str = "PRAGMA cache_size = -131072;";
/// Where a copy notes how far it has come. One that was begun by an older program has the first only.
const NOTES: &str = "
    CREATE TABLE IF NOT EXISTS moving (come TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS moving_ahead (note TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS moving_numbers (
      of     TEXT NOT NULL,
      strand INTEGER NOT NULL,
      old    INTEGER NOT NULL,
      new    INTEGER NOT NULL,
      PRIMARY KEY (of, strand, old)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS moving_heads (
      activity INTEGER NOT NULL,
      user     INTEGER NOT NULL,
      seq      INTEGER NOT NULL,
      PRIMARY KEY (activity, user)
    ) STRICT, WITHOUT ROWID;";
/// All at once: that the first is there says that the copy is not finished.
const END: &str = "BEGIN IMMEDIATE;
    DROP TABLE moving_heads; DROP TABLE moving_numbers; DROP TABLE moving_ahead; DROP TABLE moving;
    COMMIT; PRAGMA wal_checkpoint(TRUNCATE);";

/// An end of a copy.
#[derive(Debug)]
pub(in crate::store) struct SqliteEnd {
    connection: Connection,
    file: PathBuf,
    chains: Chains,
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
        Self { connection, file: file.to_owned(), chains: Chains::default() }
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

    /// Rows of a table, each as its columns' values.
    fn read(&self, table: &Table, sql: &str, values: impl Params) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(values, |row| {
            let columns = table.columns.iter().enumerate();
            columns.map(|(at, (_, role))| value(*role, row.get_ref(at)?)).collect()
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The one text of a table that holds a note.
    fn note_in(&self, sql: &str) -> Result<Option<String>, StoreError> {
        Ok(self.connection.query_row(sql, [], |row| row.get(0)).optional()?)
    }

    fn put(&mut self, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
        let mut insert = self.connection.prepare_cached(&insert(table))?;
        for row in rows {
            let mut values: Vec<Value> = row.clone();
            for ((_, role), value) in table.columns.iter().zip(&mut values) {
                if let (Role::Branch, Value::Int(branch)) = (role, &*value) {
                    *value = Value::Bytes(branch.to_be_bytes().to_vec());
                }
            }
            values.extend(self.chains.links(table, row).into_iter().map(Value::Int));
            insert.execute(params_from_iter(values))?;
        }
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
        Ok(self.read(table, &sql, params_from_iter(values))?)
    }

    fn upto(&mut self) -> Result<Marks, MoveError> {
        let sql = "SELECT max((SELECT coalesce(max(seq), 0) FROM entries),
                              (SELECT coalesce(max(seq), 0) FROM submissions),
                              (SELECT coalesce(max(seq), 0) FROM rulings))";
        let upto: i64 =
            self.connection.query_row(sql, [], |row| row.get(0)).map_err(StoreError::from)?;
        Ok(Marks::from([(0, upto)]))
    }

    fn counts(&mut self, table: &Table, spans: &[Span]) -> Result<Marks, MoveError> {
        let sql = format!("SELECT count(*) FROM {} WHERE seq > ? AND seq <= ?", table.name);
        let mut counts = Marks::new();
        for span in spans.iter().filter(|span| span.strand == 0) {
            let count = self.connection.query_row(&sql, [span.past, span.upto], |row| row.get(0));
            let count: i64 = count.map_err(StoreError::from)?;
            if count > 0 {
                counts.insert(0, count);
            }
        }
        Ok(counts)
    }

    fn grown(&mut self, table: &Table, span: Span, most: usize) -> Result<Vec<Row>, MoveError> {
        let read: Vec<_> = table.columns.iter().map(|(column, _)| read_as(table, column)).collect();
        let sql = format!(
            "SELECT {} FROM {} t WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
            read.join(", "),
            table.name
        );
        Ok(self.read(table, &sql, (span.past, span.upto, most as i64))?)
    }

    fn given(
        &mut self,
        span: Span,
        each: &mut dyn FnMut(Given) -> Result<(), MoveError>,
    ) -> Result<(), MoveError> {
        let sql = "SELECT seq, at FROM entries WHERE seq > ?1 AND seq <= ?2 UNION ALL
                   SELECT seq, at FROM rulings WHERE seq > ?1 AND seq <= ?2 ORDER BY seq";
        let mut all = self.connection.prepare(sql).map_err(StoreError::from)?;
        let mut rows = all.query([span.past, span.upto]).map_err(StoreError::from)?;
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

    fn begun(&mut self) -> Result<Left, MoveError> {
        let filled = schema::is_being_filled(&self.connection)?;
        if filled {
            self.connection.execute_batch(NOTES).map_err(StoreError::from)?;
            self.chains = Chains::recover(&self.connection)?;
            return Ok(Left {
                come: self.note_in("SELECT come FROM moving")?,
                ahead: self.note_in("SELECT note FROM moving_ahead")?,
            });
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
        self.connection.execute_batch(NOTES).map_err(StoreError::from)?;
        Ok(Left::default())
    }

    fn note(&mut self, ahead: &str, come: &str) -> Result<(), MoveError> {
        let note = || -> Result<(), StoreError> {
            self.connection
                .execute_batch("BEGIN IMMEDIATE; DELETE FROM moving; DELETE FROM moving_ahead;")?;
            self.connection.execute("INSERT INTO moving VALUES (?)", [come])?;
            self.connection.execute("INSERT INTO moving_ahead VALUES (?)", [ahead])?;
            Ok(self.connection.execute_batch("COMMIT")?)
        };
        Ok(note()?)
    }

    fn keep(&mut self, numbers: &[Kept]) -> Result<(), MoveError> {
        Ok(kept::keep(&self.connection, numbers)?)
    }

    fn kept(&mut self, of: &'static str) -> Result<Vec<(i64, i64)>, MoveError> {
        Ok(kept::kept(&self.connection, of)?)
    }

    fn former(&self) -> Result<Option<Box<dyn Former>>, MoveError> {
        Ok(Some(Box::new(kept::InFile::open(&self.file)?)))
    }

    fn clear(&mut self, tables: &[&'static Table]) -> Result<(), MoveError> {
        let deletes: String =
            tables.iter().map(|table| format!("DELETE FROM {};", table.name)).collect();
        let sql = format!("BEGIN IMMEDIATE; {deletes} COMMIT;");
        Ok(self.connection.execute_batch(&sql).map_err(StoreError::from)?)
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

    fn link(&mut self, _: &Marks) -> Result<(), MoveError> {
        Ok(self.chains.write(&self.connection)?)
    }

    fn settle(&mut self) -> Result<(), MoveError> {
        Ok(())
    }

    fn written(&self) -> Result<Box<dyn Source>, MoveError> {
        Ok(Box::new(Self::reading(&self.file)?))
    }

    fn finish(&mut self) -> Result<(), MoveError> {
        Ok(self.connection.execute_batch(END).map_err(StoreError::from)?)
    }
}
