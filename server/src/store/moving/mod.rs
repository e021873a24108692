//! Moving all data from one store to another, of the same kind or the other.
//!
//! Rows are read in the order of their keys, translated ([`translation`]) and written in parts. Each part is one
//! transaction, with a note of how far the copy has come: one that was interrupted goes on there. At the end both
//! stores are read again and compared table by table, as they are then: so a server that was still
//! writing to the source is found out.

mod ends;
mod table;
mod translation;

pub(in crate::store) use ends::{PART, Source, Target};
pub use table::Sum;
pub(in crate::store) use table::{JOINS, Place as Division, Role, Row, TABLES, Table, Value};
pub(in crate::store) use translation::Given;

use super::StoreError;
use super::open::Place;
use super::postgres::moving::PostgresEnd;
use super::sqlite::moving::SqliteEnd;
use latchkey_protocol::Millis;
use serde::{Deserialize, Serialize};
use std::sync::mpsc;
use thiserror::Error;
use translation::Translation;

/// What a server says of a database that is not whole yet.
pub(in crate::store) const UNFINISHED: &str =
    "a copy into this database was not finished: run latchkey copy again, or empty it";

/// Why data cannot be moved.
#[derive(Debug, Error)]
pub enum MoveError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Source and target are the same.
    #[error("the source and the target are the same database")]
    Same,
    /// There is no database to copy.
    #[error("there is no Latchkey database at the source")]
    NoSource,
    /// One of them was made by another version.
    #[error(
        "the {which} is at schema version {found}, this program's is {known}: bring it up to date by starting \
         its server once, or use the program that fits"
    )]
    Version {
        /// Source or target.
        which: &'static str,
        /// Its version.
        found: i64,
        /// This program's.
        known: i64,
    },
    /// The source is itself the target of a copy that was not finished.
    #[error("the source holds a part of a copy that was not finished")]
    Unfinished,
    /// The target holds other data.
    #[error("the target holds other data ({0}): give it an empty one")]
    NotEmpty(&'static str),
    /// The source is not what an interrupted copy began with.
    #[error(
        "the source has changed since the copy into this target was begun: empty the target and begin anew"
    )]
    Changed,
    /// More than PostgreSQL's numbers have room for.
    #[error("the log has more than 4,294,967,295 numbers, which PostgreSQL's do not hold")]
    TooManyChanges,
    /// Something that a copy does not come back from.
    #[error("the thread that reads has failed")]
    Reader,
}

/// Which kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    Sqlite,
    Postgres,
}

/// What a copy is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Counting the source and reading its numbers.
    Counting,
    /// Writing the target.
    Copying,
    /// Reading both again.
    Comparing,
}

/// Somebody who is told how a copy gets on.
pub trait Watch {
    /// A phase begins, with that many rows to come; `resumed`: it goes on where an earlier copy stopped.
    fn begin(&mut self, phase: Phase, rows: u64, resumed: bool);
    /// So many rows more of a table are done.
    fn done(&mut self, table: &'static str, rows: u64);
}

/// What a table came to at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Its name.
    pub table: &'static str,
    /// What was to come.
    pub source: Sum,
    /// What is there.
    pub target: Sum,
}

impl Compared {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.source == self.target
    }
}

/// How far a copy has come. Kept in the target.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Come {
    /// Rows of each table of the source when it was begun.
    counts: Vec<(String, u64)>,
    /// The table at which it is, and the last row of the source that was written.
    table: String,
    after: Option<Row>,
}

/// Copies everything; what each table came to. A target in which something differs stays closed to servers.
///
/// # Errors
/// [`MoveError`]. What was written stays: the same again goes on.
pub fn copy(
    from: &Place,
    to: &Place,
    now: Millis,
    watch: &mut dyn Watch,
) -> Result<Vec<Compared>, MoveError> {
    if from == to {
        return Err(MoveError::Same);
    }
    watch.begin(Phase::Counting, 0, false);
    let (mut source, mut target) = (source(from)?, target(to, now)?);
    let tables: Vec<_> =
        TABLES.iter().filter(|table| source.has(table) && target.has(table)).collect();
    let mut counts = Vec::new();
    for table in &tables {
        counts.push((table.name.to_owned(), source.count(table)?));
    }
    let come: Option<Come> = match target.begun()? {
        None => None,
        Some(text) => Some(serde_json::from_str(&text).map_err(|_| MoveError::Changed)?),
    };
    if come.as_ref().is_some_and(|come| come.counts != counts) {
        return Err(MoveError::Changed);
    }
    let translation = Translation::between(source.as_mut(), kind(from), kind(to))?;
    let total = counts.iter().map(|(_, rows)| rows).sum();
    watch.begin(Phase::Copying, total, come.is_some());
    let come = come.unwrap_or(Come { counts, ..Come::default() });
    fill(source, target.as_mut(), &tables, &translation, come, watch)?;
    target.settle()?;

    watch.begin(Phase::Comparing, total, false);
    let (mut source, mut written) = (self::source(from)?, target.written()?);
    let mut compared = Vec::with_capacity(tables.len());
    for table in tables {
        let (mut was, mut is) = (Sum::default(), Sum::default());
        each(written.as_mut(), table, |row| {
            is.add(&row);
            Ok(())
        })?;
        each_part(source.as_mut(), table, |rows| {
            watch.done(table.name, rows.len() as u64);
            rows.into_iter().try_for_each(|row| {
                was.add(&translation.row(table, row)?);
                Ok(())
            })
        })?;
        compared.push(Compared { table: table.name, source: was, target: is });
    }
    if compared.iter().all(Compared::is_same) {
        target.finish()?;
    }
    Ok(compared)
}

fn kind(place: &Place) -> Kind {
    match place {
        Place::Sqlite(_) => Kind::Sqlite,
        Place::Postgres(_) => Kind::Postgres,
    }
}

fn source(place: &Place) -> Result<Box<dyn Source>, MoveError> {
    Ok(match place {
        Place::Sqlite(file) => Box::new(SqliteEnd::source(file)?),
        Place::Postgres(url) => Box::new(PostgresEnd::source(url)?),
    })
}

fn target(place: &Place, now: Millis) -> Result<Box<dyn Target>, MoveError> {
    Ok(match place {
        Place::Sqlite(file) => Box::new(SqliteEnd::target(file)?),
        Place::Postgres(url) => Box::new(PostgresEnd::target(url, now)?),
    })
}

/// A part that has been read and translated.
struct Part {
    table: &'static Table,
    rows: Vec<Row>,
    /// The last of them as the source has it.
    last: Row,
}

/// Fills the target from where the copy has come to. One thread reads and translates while this one writes.
fn fill(
    mut source: Box<dyn Source>,
    target: &mut dyn Target,
    tables: &[&'static Table],
    translation: &Translation,
    mut come: Come,
    watch: &mut dyn Watch,
) -> Result<(), MoveError> {
    let first = tables.iter().position(|table| table.name == come.table).unwrap_or(0);
    for (table, (_, rows)) in tables.iter().zip(&come.counts).take(first) {
        watch.done(table.name, *rows);
    }
    let mut after = come.after.take();
    std::thread::scope(|scope| {
        let (give, take) = mpsc::sync_channel::<Result<Part, MoveError>>(4);
        let reader = scope.spawn(move || {
            for table in &tables[first..] {
                let mut after = after.take();
                loop {
                    let part = read(source.as_mut(), table, after.as_ref(), translation);
                    match part.transpose() {
                        None => break,
                        Some(part) => {
                            after = part.as_ref().ok().map(|part| part.last.clone());
                            let failed = part.is_err();
                            // Nobody takes it any more once writing has failed.
                            if give.send(part).is_err() || failed {
                                return;
                            }
                        }
                    }
                }
            }
        });
        for part in &take {
            let Part { table, rows, last } = part?;
            table.name.clone_into(&mut come.table);
            come.after = Some(last);
            let text = serde_json::to_string(&come).map_err(|_| MoveError::Changed)?;
            target.write(table, &rows, &text)?;
            watch.done(table.name, rows.len() as u64);
        }
        reader.join().map_err(|_| MoveError::Reader)
    })
}

fn read(
    source: &mut dyn Source,
    table: &'static Table,
    after: Option<&Row>,
    translation: &Translation,
) -> Result<Option<Part>, MoveError> {
    let rows = source.rows(table, after)?;
    let Some(last) = rows.last().cloned() else { return Ok(None) };
    let rows = rows.into_iter().map(|row| translation.row(table, row));
    Ok(Some(Part { table, rows: rows.collect::<Result<_, _>>()?, last }))
}

fn each_part(
    source: &mut dyn Source,
    table: &Table,
    mut with: impl FnMut(Vec<Row>) -> Result<(), MoveError>,
) -> Result<(), MoveError> {
    let mut after = None;
    loop {
        let rows = source.rows(table, after.as_ref())?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.clone());
        with(rows)?;
    }
}

/// Every row of a table, in the order of its key.
fn each(
    source: &mut dyn Source,
    table: &Table,
    mut with: impl FnMut(Row) -> Result<(), MoveError>,
) -> Result<(), MoveError> {
    each_part(source, table, |rows| rows.into_iter().try_for_each(&mut with))
}
