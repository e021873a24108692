//! Bringing what only grows while servers go on writing to the source.
//!
//! A pass brings all that was there when it began, beyond the marks of the one before, compares it and moves the
//! marks. What is up to a mark never changes: it is never read again, only counted. A pass that was interrupted is
//! ended first, up to where it was to come.

use super::come::{Ahead, Come, Marks, Span, between, text};
use super::ends::{Kept, Source, Target};
use super::fill::{Stretch, fill};
use super::table::{Sum, Table};
use super::translation::Translation;
use super::{Compared, Ends, MoveError, Phase, Watch};
use std::collections::BTreeMap;

/// Numbers kept in one transaction.
const KEEP: usize = 50_000;

/// Whether what was brought is still what the source has, as far as can be told without reading it: how many rows
/// there are, and the newest of them. A source that was taken back and has gone on since has others there.
pub(super) fn check(ends: &mut Ends<'_>, ahead: &Ahead) -> Result<(), MoveError> {
    let spans = between(&Marks::new(), &ahead.past);
    for table in ends.growing() {
        let there = Stretch::of(ends.source.as_mut(), table, &spans)?;
        if there.rows != ahead.sum(table.name).rows {
            return Err(MoveError::Changed);
        }
    }
    let newest = newest(ends, &ahead.past)?;
    if newest == ahead.newest { Ok(()) } else { Err(MoveError::Changed) }
}

/// Brings all that is there, in one pass or, after an interruption, in two; what each table has come to. Where
/// something differs the marks stay.
pub(super) fn bring(
    ends: &mut Ends<'_>,
    ahead: &mut Ahead,
    translation: &mut Translation,
    come: Come,
    watch: &mut dyn Watch,
) -> Result<Vec<Compared>, MoveError> {
    ends.target.note(&text(ahead)?, &text(&come)?)?;
    let growing = ends.growing();
    keep(ends.target.as_mut(), &translation.fresh(&growing))?;
    if let Some(upto) = ahead.upto.clone() {
        let compared = pass(ends, ahead, translation, upto, come, watch)?;
        if !compared.iter().all(Compared::is_same) {
            return Ok(compared);
        }
    }
    let upto = ends.source.upto()?;
    if between(&ahead.past, &upto).is_empty() {
        return Ok(brought(&growing, ahead));
    }
    ahead.upto = Some(upto.clone());
    let come = Come::default();
    ends.target.note(&text(ahead)?, &text(&come)?)?;
    pass(ends, ahead, translation, upto, come, watch)
}

/// Brings what is beyond the marks up to these, compares it and moves the marks.
fn pass(
    ends: &mut Ends<'_>,
    ahead: &mut Ahead,
    translation: &mut Translation,
    upto: Marks,
    mut come: Come,
    watch: &mut dyn Watch,
) -> Result<Vec<Compared>, MoveError> {
    let (growing, spans) = (ends.growing(), between(&ahead.past, &upto));
    let fresh = translation.learn(ends.source.as_mut(), &spans)?;
    keep(ends.target.as_mut(), &fresh)?;
    let stretches = stretches(ends.source.as_mut(), &growing, &spans)?;
    let rows = stretches.iter().map(|it| it.rows).sum();
    watch.begin(Phase::Copying, rows, !come.table.is_empty());
    let (source, target) = (ends.source.as_mut(), ends.target.as_mut());
    fill(source, ends.from_kind, target, &stretches, translation, &mut come, watch)?;
    ends.target.link(&ahead.there)?;

    watch.begin(Phase::Comparing, rows, false);
    let (mut source, mut written) = (ends.source_again()?, ends.target.written()?);
    let there = written.upto()?;
    let new = between(&ahead.there, &there);
    let mut compared = Vec::new();
    for stretch in &stretches {
        let (table, before) = (stretch.table, ahead.sum(stretch.table.name));
        let was = stretch.sum(source.as_mut(), ends.from_kind, translation, &mut |rows| {
            watch.done(table.name, rows);
        })?;
        let is = Stretch::of(written.as_mut(), table, &new)?;
        let is = is.sum(written.as_mut(), ends.to_kind, &Translation::Same, &mut |_| ())?;
        let (source, target) = (before.and(was), before.and(is));
        compared.push(Compared { table: table.name, source, target });
    }
    if compared.iter().all(Compared::is_same) {
        let sums = compared.iter().map(|it| (it.table.to_owned(), it.source));
        ahead.sums = sums.collect();
        ahead.past.extend(spans.iter().map(|span| (span.strand, span.upto)));
        ahead.there.extend(new.iter().map(|span| (span.strand, span.upto)));
        ahead.newest = newest(ends, &ahead.past)?;
        ahead.numbering = translation.numbering();
        ahead.upto = None;
        ends.target.note(&text(ahead)?, &text(&Come::default())?)?;
    }
    Ok(compared)
}

/// What is there and was compared.
fn brought(growing: &[&'static Table], ahead: &Ahead) -> Vec<Compared> {
    let of = |table: &&'static Table| {
        let sum = ahead.sum(table.name);
        Compared { table: table.name, source: sum, target: sum }
    };
    growing.iter().map(of).collect()
}

fn keep(target: &mut dyn Target, numbers: &[Kept]) -> Result<(), MoveError> {
    numbers.chunks(KEEP).try_for_each(|part| target.keep(part))
}

fn stretches(
    source: &mut dyn Source,
    tables: &[&'static Table],
    spans: &[Span],
) -> Result<Vec<Stretch>, MoveError> {
    tables.iter().map(|table| Stretch::of(source, table, spans)).collect()
}

/// What the rows at the marks come to, each table's.
fn newest(ends: &mut Ends<'_>, marks: &Marks) -> Result<BTreeMap<String, Sum>, MoveError> {
    let at = |(&strand, &upto): (&i64, &i64)| Span { strand, past: upto - 1, upto };
    let spans: Vec<_> = marks.iter().map(at).collect();
    let (tables, kind) = (ends.growing(), ends.from_kind);
    let source = ends.source.as_mut();
    let mut sums = BTreeMap::new();
    for stretch in stretches(source, &tables, &spans)?.into_iter().filter(|it| it.rows > 0) {
        let sum = stretch.sum(source, kind, &Translation::Same, &mut |_| ())?;
        sums.insert(stretch.table.name.to_owned(), sum);
    }
    Ok(sums)
}
