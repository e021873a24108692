//! Grades: submissions, which are only ever added, and the standing they come to.

use super::tx::{Line, Tx};
use crate::grades::{self, ScoreError, Scored, Tally};
use crate::store::{
    EntryKind, KeyCall, KeyRecord, NewSubmission, Rejected, StoreError, Subject, Submitted,
};
use latchkey_protocol::launch::GradeMethod;
use latchkey_protocol::payload::{Given, Grading};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer};

/// What an activity says about its grades.
struct Rules {
    max: f64,
    method: GradeMethod,
    attempts: Option<u32>,
}

/// Writes a submission and what it changes.
pub(super) fn submit(
    tx: &mut Tx<'_>,
    key: &KeyRecord,
    call: &KeyCall,
    new: &NewSubmission,
) -> Result<Submitted, Rejected> {
    let subject = key.subject;
    let rules = rules(tx.connection, subject.activity)?;
    if rules.attempts.is_some_and(|attempts| subject.attempt > attempts) {
        return Err(Rejected::NoAttemptsLeft);
    }
    let (score, max) =
        grades::accept(new.score, new.max, rules.max).map_err(|error| match error {
            ScoreError::Negative => Rejected::ScoreNegative,
            ScoreError::AboveMax => Rejected::ScoreAboveMax,
            ScoreError::BadMax => Rejected::BadMax,
        })?;
    let (mut tally, last) = match read_tally(tx.connection, subject)? {
        Some((tally, last)) => (tally.rescaled(rules.max), last),
        None => (Tally::new(rules.max), 0),
    };
    let comment = settle(&mut tally, new);
    if new.grading == Grading::FullyGraded {
        tally.add(Scored { score, max, sequence: new.sequence });
    }
    let seq = tx.append(&Line {
        subject,
        kind: EntryKind::Grade,
        at: call.now,
        client_at: new.client_at,
        event: None,
        data: None,
    })?;
    insert(tx, call, new, &Kept { seq, subject, previous: last, score, max, comment })?;
    write_tally(tx.connection, subject, &tally, seq, call.now)?;
    Ok(Submitted {
        seq,
        score,
        max,
        attempt: subject.attempt,
        standing: tally.standing(rules.method),
        standing_max: rules.max,
        method: rules.method,
        overridden: tally.overridden.is_some(),
        attempts: rules.attempts,
    })
}

/// A submission as it is kept, beside what was asked.
struct Kept {
    seq: i64,
    subject: Subject,
    previous: i64,
    score: f64,
    max: f64,
    comment: Option<String>,
}

fn insert(tx: &Tx<'_>, call: &KeyCall, new: &NewSubmission, kept: &Kept) -> Result<(), StoreError> {
    tx.connection
        .prepare_cached(
            "INSERT INTO submissions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            kept.seq,
            kept.subject.activity,
            kept.subject.user,
            kept.subject.attempt,
            kept.previous,
            kept.score,
            kept.max,
            kept.comment,
            new.progress.map(word).transpose()?,
            word(new.grading)?,
            new.sequence,
            call.id.0,
            call.now,
            new.client_at,
        ])?;
    Ok(())
}

/// Comment and progress follow the newest submission; one that arrives late does not turn them back. The
/// comment as the submission itself keeps it.
fn settle(tally: &mut Tally, new: &NewSubmission) -> Option<String> {
    let newest = tally.is_newest(new.sequence);
    if newest && new.progress.is_some() {
        tally.progress = new.progress;
    }
    let comment = match &new.comment {
        Given::Absent => return None,
        Given::Null => None,
        Given::Value(text) => Some(text.clone()),
    };
    if newest {
        tally.comment.clone_from(&comment);
    }
    comment
}

fn rules(connection: &Connection, activity: i64) -> Result<Rules, StoreError> {
    Ok(connection
        .prepare_cached("SELECT max, method, attempts FROM activities WHERE id = ?")?
        .query_row([activity], |row| {
            Ok(Rules { max: row.get(0)?, method: unword(row, 1)?, attempts: row.get(2)? })
        })?)
}

fn read_tally(
    connection: &Connection,
    subject: Subject,
) -> Result<Option<(Tally, i64)>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT max, count, sum, highest, first, first_sequence, latest, latest_sequence,
                    override, comment, progress, last
             FROM standings WHERE activity = ? AND user = ?",
        )?
        .query_row([subject.activity, subject.user], |row| Ok((tally(row)?, row.get(11)?)))
        .optional()?)
}

/// Reads a tally from the first eleven columns.
pub(super) fn tally(row: &Row<'_>) -> rusqlite::Result<Tally> {
    Ok(Tally {
        max: row.get(0)?,
        count: row.get(1)?,
        sum: row.get(2)?,
        highest: row.get(3)?,
        first: (row.get(4)?, row.get(5)?),
        latest: (row.get(6)?, row.get(7)?),
        overridden: row.get(8)?,
        comment: row.get(9)?,
        progress: match row.get_ref(10)? {
            rusqlite::types::ValueRef::Null => None,
            _ => Some(unword(row, 10)?),
        },
    })
}

fn write_tally(
    connection: &Connection,
    subject: Subject,
    tally: &Tally,
    last: i64,
    now: i64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO standings
             (activity, user, max, count, sum, highest, first, first_sequence, latest,
              latest_sequence, override, comment, progress, last, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            subject.activity,
            subject.user,
            tally.max,
            tally.count,
            tally.sum,
            tally.highest,
            tally.first.0,
            tally.first.1,
            tally.latest.0,
            tally.latest.1,
            tally.overridden,
            tally.comment,
            tally.progress.map(word).transpose()?,
            last,
            now,
        ])?;
    Ok(())
}

/// The word of an enum, as on the wire.
pub(super) fn word(value: impl Serialize) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(StoreError::Unreadable("a value has no word".into())),
    }
}

/// The enum of a word.
pub(super) fn unword<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let word = row.get_ref(column)?.as_str()?;
    T::deserialize(word.into_deserializer()).map_err(|error: serde::de::value::Error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}
