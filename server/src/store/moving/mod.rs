//! Moving all data from one store to another, of the same kind or the other.
//!
//! Rows are read in the order of their keys, translated ([`translation`]) and written in parts. Each part is one
//! transaction, with a note of how far the copy has come: one that was interrupted goes on there. At the end both
//! stores are read again and compared table by table, as they are then: so a server that was still
//! writing to the source is found out.
//!
//! The tables that only grow may be brought [`ahead`], while servers go on. A copy into such a target brings the
//! rest of them, and all others whole.

mod ahead;
mod changes;
mod come;
mod ends;
mod fill;
mod table;
mod translation;

pub(in crate::store) use changes::CHANGES;
pub(in crate::store) use come::{Marks, Span};
pub(in crate::store) use ends::{Former, Kept, Left, PART, Source, Target};
pub use table::Sum;
pub(in crate::store) use table::{JOINS, Place as Division, Role, Row, TABLES, Table, Value};
pub(in crate::store) use translation::Given;

use super::StoreError;
use super::open::Place;
use super::postgres::moving::PostgresEnd;
use super::sqlite::moving::SqliteEnd;
use come::{Ahead, Come};
use fill::{Stretch, fill};
use latchkey_protocol::Millis;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use translation::{Numbering, Translation, Way};

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
    /// A copy has begun with everything at once.
    #[error(
        "a copy into this target was begun without --ahead: go on without it, or empty the target"
    )]
    BegunWhole,
    /// The target is another's to fill.
    #[error(
        "another copy into this target has begun, and has taken over what this one had written: wait for its end"
    )]
    Overtaken,
    /// More than PostgreSQL's numbers have room for.
    #[error("the log has more than 4,294,967,295 numbers, which PostgreSQL's do not hold")]
    TooManyChanges,
    /// Something that a copy does not come back from.
    #[error("the thread that reads has failed")]
    Reader,
}

/// Which kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Both ends of a copy.
struct Ends<'a> {
    from: &'a Place,
    source: Box<dyn Source>,
    target: Box<dyn Target>,
    from_kind: Kind,
    to_kind: Kind,
    /// What both have.
    tables: Vec<&'static Table>,
}

impl<'a> Ends<'a> {
    fn open(from: &'a Place, to: &'a Place, now: Millis) -> Result<Self, MoveError> {
        if from == to {
            return Err(MoveError::Same);
        }
        let (source, target) = (source(from)?, target(to, now)?);
        let tables = TABLES.iter().filter(|table| source.has(table) && target.has(table)).collect();
        Ok(Self { from, source, target, from_kind: kind(from), to_kind: kind(to), tables })
    }

    /// The source as it is now.
    fn source_again(&self) -> Result<Box<dyn Source>, MoveError> {
        source(self.from)
    }

    fn growing(&self) -> Vec<&'static Table> {
        self.tables.iter().copied().filter(|table| table.grows).collect()
    }

    fn translation(
        &mut self,
        tables: &[&'static Table],
        numbering: &Numbering,
    ) -> Result<Translation, MoveError> {
        let way = Way { from: self.from_kind, to: self.to_kind, tables };
        Translation::between(self.source.as_mut(), self.target.as_mut(), way, numbering)
    }

    /// How many rows of each of those tables there are.
    fn counts(&mut self, tables: &[&'static Table]) -> Result<Vec<(String, u64)>, MoveError> {
        let count = |table: &&'static Table| Ok((table.name.to_owned(), self.source.count(table)?));
        tables.iter().map(count).collect()
    }
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
    let (mut ends, left, come) = begin(from, to, now, watch)?;
    if let Some(ahead) = &left.ahead {
        let ahead = Ahead::read(ahead, ends.from_kind)?;
        return copy_rest(&mut ends, ahead, come.unwrap_or_default(), watch);
    }
    let tables = ends.tables.clone();
    let counts = ends.counts(&tables)?;
    if come.as_ref().is_some_and(|come| come.counts != counts) {
        return Err(MoveError::Changed);
    }
    let mut translation = ends.translation(&tables, &Numbering::default())?;
    let all = come::between(&Marks::new(), &ends.source.upto()?);
    translation.learn(ends.source.as_mut(), &all)?;
    let resumed = come.is_some();
    let come = come.unwrap_or(Come { counts, ..Come::default() });
    let rows = write(&mut ends, &tables, &mut translation, come, resumed, watch)?;
    ends.target.link(&Marks::new())?;
    ends.target.settle()?;

    let compared = compare(&ends, &tables, &translation, rows, watch)?;
    if compared.iter().all(Compared::is_same) {
        ends.target.finish()?;
    }
    Ok(compared)
}

/// Brings what only grows into a target that stays closed, while servers may go on writing to the source; what of it
/// is there. A [`copy`] brings the rest.
///
/// # Errors
/// [`MoveError`]. What was written stays: the same again goes on.
pub fn ahead(
    from: &Place,
    to: &Place,
    now: Millis,
    watch: &mut dyn Watch,
) -> Result<Vec<Compared>, MoveError> {
    let (mut ends, left, come) = begin(from, to, now, watch)?;
    let mut ahead = match (&left.ahead, &come) {
        (Some(ahead), _) => Ahead::read(ahead, ends.from_kind)?,
        (None, None) => Ahead::new(ends.from_kind),
        (None, Some(_)) => return Err(MoveError::BegunWhole),
    };
    ahead::check(&mut ends, &ahead)?;
    let growing = ends.growing();
    let mut translation = ends.translation(&growing, &ahead.numbering)?;
    ahead::bring(&mut ends, &mut ahead, &mut translation, come.unwrap_or_default(), watch)
}

/// Ends what was brought ahead: what has come since, and all tables that do not only grow. Of those nothing is left
/// of an earlier try, since servers may have gone on after it.
fn copy_rest(
    ends: &mut Ends<'_>,
    mut ahead: Ahead,
    come: Come,
    watch: &mut dyn Watch,
) -> Result<Vec<Compared>, MoveError> {
    ahead::check(ends, &ahead)?;
    let mut translation = ends.translation(&ends.tables.clone(), &ahead.numbering)?;
    let brought = ahead::bring(ends, &mut ahead, &mut translation, come, watch)?;
    if !brought.iter().all(Compared::is_same) {
        return Ok(brought);
    }
    let others: Vec<_> = ends.tables.iter().copied().filter(|table| !table.grows).collect();
    ends.target.clear(&others)?;
    let come = Come { counts: ends.counts(&others)?, ..Come::default() };
    let rows = write(ends, &others, &mut translation, come, false, watch)?;
    ends.target.settle()?;

    let mut compared = compare(ends, &others, &translation, rows, watch)?;
    let (mut source, mut written) = (ends.source_again()?, ends.target.written()?);
    for Compared { table: name, source: mut was, target: mut is } in brought {
        // What was compared before cannot have changed; that nothing has gone or come is counted.
        let Some(table) = table::table(name) else { continue };
        (was.rows, is.rows) = (source.count(table)?, written.count(table)?);
        compared.push(Compared { table: name, source: was, target: is });
    }
    let place = |it: &Compared| TABLES.iter().position(|table| table.name == it.table);
    compared.sort_by_key(place);
    if compared.iter().all(Compared::is_same) {
        ends.target.finish()?;
    }
    Ok(compared)
}

/// Opens both ends; what earlier runs have left in the target, and how far one has come.
fn begin<'a>(
    from: &'a Place,
    to: &'a Place,
    now: Millis,
    watch: &mut dyn Watch,
) -> Result<(Ends<'a>, Left, Option<Come>), MoveError> {
    watch.begin(Phase::Counting, 0, false);
    let mut ends = Ends::open(from, to, now)?;
    let left = ends.target.begun()?;
    let come = left.come.as_deref().map(serde_json::from_str).transpose();
    let come = come.map_err(|_| MoveError::Changed)?;
    Ok((ends, left, come))
}

/// Writes those tables whole, from where the copy has come to; how many rows they have.
fn write(
    ends: &mut Ends<'_>,
    tables: &[&'static Table],
    translation: &mut Translation,
    mut come: Come,
    resumed: bool,
    watch: &mut dyn Watch,
) -> Result<u64, MoveError> {
    let stretches: Vec<_> =
        tables.iter().zip(&come.counts).map(|(table, it)| Stretch::whole(table, it.1)).collect();
    let rows = stretches.iter().map(|it| it.rows).sum();
    watch.begin(Phase::Copying, rows, resumed);
    let (source, target) = (ends.source.as_mut(), ends.target.as_mut());
    fill(source, ends.from_kind, target, &stretches, translation, &mut come, watch)?;
    Ok(rows)
}

/// Reads those tables at both ends, as they are now.
fn compare(
    ends: &Ends<'_>,
    tables: &[&'static Table],
    translation: &Translation,
    rows: u64,
    watch: &mut dyn Watch,
) -> Result<Vec<Compared>, MoveError> {
    let (mut source, mut written) = (ends.source_again()?, ends.target.written()?);
    watch.begin(Phase::Comparing, rows, false);
    let mut compared = Vec::with_capacity(tables.len());
    for table in tables {
        let all = Stretch::whole(table, 0);
        let same = Translation::Same;
        let target = all.sum(written.as_mut(), ends.to_kind, &same, &mut |_| ())?;
        let source = all.sum(source.as_mut(), ends.from_kind, translation, &mut |rows| {
            watch.done(table.name, rows);
        })?;
        compared.push(Compared { table: table.name, source, target });
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
