//! Reading one end part by part, and filling the other with it.

use super::come::{Come, Span, text};
use super::ends::{PART, Source, Target};
use super::table::{Row, Sum, Table};
use super::translation::Translation;
use super::{Kind, MoveError, Watch};
use crate::store::postgres::numbers::strand_of;
use std::sync::mpsc;

/// What is read of a table.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) table: &'static Table,
    /// How many rows that is.
    pub(super) rows: u64,
    /// Where they are, strand by strand; everywhere without.
    pub(super) spans: Option<Vec<Span>>,
}

impl Stretch {
    /// All of a table.
    pub(super) fn whole(table: &'static Table, rows: u64) -> Self {
        Self { table, rows, spans: None }
    }

    /// The spans in which a table that grows has rows.
    pub(super) fn of(
        source: &mut dyn Source,
        table: &'static Table,
        spans: &[Span],
    ) -> Result<Self, MoveError> {
        let counts = source.counts(table, spans)?;
        let there = spans.iter().copied().filter(|span| counts.contains_key(&span.strand));
        let rows = counts.values().map(|count| count.unsigned_abs()).sum();
        Ok(Self { table, rows, spans: Some(there.collect()) })
    }

    /// The next rows after that one, at most [`PART`]; none at the end.
    fn part(
        &self,
        source: &mut dyn Source,
        kind: Kind,
        after: Option<&Row>,
    ) -> Result<Vec<Row>, MoveError> {
        let Some(spans) = &self.spans else { return source.rows(self.table, after) };
        let number = |row: &Row, name| self.table.number(row, name).unwrap_or_default();
        let after = after.map(|row| match kind {
            Kind::Sqlite => (0, number(row, "seq")),
            Kind::Postgres => (strand_of(number(row, "activity")), number(row, "seq")),
        });
        let mut rows = Vec::new();
        for mut span in spans.iter().copied() {
            match after {
                Some((strand, _)) if span.strand < strand => continue,
                Some((strand, seq)) if span.strand == strand => span.past = span.past.max(seq),
                _ => {}
            }
            rows.append(&mut source.grown(self.table, span, PART - rows.len())?);
            if rows.len() == PART {
                break;
            }
        }
        Ok(rows)
    }

    /// Hands on all rows, part by part.
    pub(super) fn each_part(
        &self,
        source: &mut dyn Source,
        kind: Kind,
        mut with: impl FnMut(Vec<Row>) -> Result<(), MoveError>,
    ) -> Result<(), MoveError> {
        let mut after = None;
        loop {
            let rows = self.part(source, kind, after.as_ref())?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.clone());
            with(rows)?;
        }
    }

    /// What the rows come to, as they are; each part's length is told.
    pub(super) fn sum(
        &self,
        source: &mut dyn Source,
        kind: Kind,
        translation: &Translation,
        told: &mut dyn FnMut(u64),
    ) -> Result<Sum, MoveError> {
        let mut sum = Sum::default();
        self.each_part(source, kind, |rows| {
            told(rows.len() as u64);
            rows.into_iter().try_for_each(|row| {
                sum.add(&translation.row(self.table, row)?);
                Ok(())
            })
        })?;
        Ok(sum)
    }
}

/// Every row of a table, in the order of its key.
pub(super) fn each(
    source: &mut dyn Source,
    table: &'static Table,
    mut with: impl FnMut(Row) -> Result<(), MoveError>,
) -> Result<(), MoveError> {
    // Of a whole table the kind does not matter.
    Stretch::whole(table, 0)
        .each_part(source, Kind::Sqlite, |rows| rows.into_iter().try_for_each(&mut with))
}

/// A part that has been read and translated.
struct Part {
    table: &'static Table,
    rows: Vec<Row>,
    /// The last of them as the source has it.
    last: Row,
}

/// Fills the target from where the copy has come to. One thread reads and translates while this one writes.
pub(super) fn fill(
    source: &mut dyn Source,
    kind: Kind,
    target: &mut dyn Target,
    stretches: &[Stretch],
    translation: &mut Translation,
    come: &mut Come,
    watch: &mut dyn Watch,
) -> Result<(), MoveError> {
    let first = stretches.iter().position(|it| it.table.name == come.table).unwrap_or(0);
    for stretch in &stretches[..first] {
        watch.done(stretch.table.name, stretch.rows);
    }
    let mut after = come.after.take();
    std::thread::scope(|scope| {
        let (give, take) = mpsc::sync_channel::<Result<Part, MoveError>>(4);
        let reader = scope.spawn(move || {
            for stretch in &stretches[first..] {
                let mut after = after.take();
                loop {
                    let part = read(source, kind, stretch, after.as_ref(), translation);
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
            target.write(table, &rows, &text(come)?)?;
            watch.done(table.name, rows.len() as u64);
        }
        reader.join().map_err(|_| MoveError::Reader)
    })
}

fn read(
    source: &mut dyn Source,
    kind: Kind,
    stretch: &Stretch,
    after: Option<&Row>,
    translation: &Translation,
) -> Result<Option<Part>, MoveError> {
    let rows = stretch.part(source, kind, after)?;
    let Some(last) = rows.last().cloned() else { return Ok(None) };
    let rows = rows.into_iter().map(|row| translation.row(stretch.table, row));
    Ok(Some(Part { table: stretch.table, rows: rows.collect::<Result<_, _>>()?, last }))
}
