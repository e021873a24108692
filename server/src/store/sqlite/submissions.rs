//! Grades: submissions, which are only ever added, and the standing they come to.

use super::outbox::{self, Happened};
use super::tx::{Line, Tx};
use crate::grades::Tally;
use crate::store::standing::{GradeRules, Standing, Taken};
use crate::store::{
    EntryKind, EventKind, KeyCall, KeyRecord, NewSubmission, Rejected, StoreError, Subject,
    Submitted,
};
use latchkey_protocol::payload::Given;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer};

/// What an activity says about its grades, and whose it is.
pub(super) struct Rules {
    pub(super) host: i64,
    pub(super) grades: GradeRules,
}

/// Writes a submission and what it changes.
pub(super) fn submit(
    tx: &mut Tx<'_>,
    key: &KeyRecord,
    call: &KeyCall,
    new: &NewSubmission,
) -> Result<Submitted, Rejected> {
    let subject = key.subject;
    let (rules, known) = stood(tx.connection, subject.activity, subject.user)?;
    let taken = Taken::by(&rules.grades, known.as_ref(), subject.attempt, new)?;
    let (score, max) = (taken.score, taken.max);
    let seq = tx.append(&Line {
        subject,
        kind: EntryKind::Grade,
        at: call.now,
        client_at: new.client_at,
        event: None,
        data: None,
    })?;
    let previous = known.as_ref().map_or(0, |known| known.last);
    insert(tx, call, new, &Kept { seq, subject, previous, score, max })?;
    let now_stands = taken.standing(seq);
    write_standing(tx.connection, subject.activity, subject.user, &now_stands, call.now)?;
    let happened = Happened { subject, submission: Some(seq), key: None, at: call.now };
    outbox::post(tx, rules.host, EventKind::SubmissionCreated, &happened)?;
    tell_change(tx, &rules, known.as_ref(), &now_stands, &happened)?;
    Ok(now_stands.receipt(&rules.grades, (score, max), subject.attempt))
}

/// Posts that a grade has changed, if it has.
pub(super) fn tell_change(
    tx: &mut Tx<'_>,
    rules: &Rules,
    before: Option<&Standing>,
    after: &Standing,
    happened: &Happened,
) -> Result<(), StoreError> {
    if !after.differs(before, rules.grades.method) {
        return Ok(());
    }
    outbox::post(tx, rules.host, EventKind::GradeChanged, happened)
}

/// A submission as it is kept, beside what was asked.
struct Kept {
    seq: i64,
    subject: Subject,
    previous: i64,
    score: f64,
    max: f64,
}

fn insert(tx: &Tx<'_>, call: &KeyCall, new: &NewSubmission, kept: &Kept) -> Result<(), StoreError> {
    let comment = match &new.comment {
        Given::Value(text) => Some(text),
        _ => None,
    };
    tx.connection
        .prepare_cached(
            "INSERT INTO submissions
             (seq, activity, user, attempt, previous, score, max, comment, progress, grading,
              sequence, key, at, client_at, clears)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            kept.seq,
            kept.subject.activity,
            kept.subject.user,
            kept.subject.attempt,
            kept.previous,
            kept.score,
            kept.max,
            comment,
            new.progress.map(word).transpose()?,
            word(new.grading)?,
            new.sequence,
            call.id.0,
            call.now,
            new.client_at,
            new.comment == Given::Null,
        ])?;
    Ok(())
}

/// What an activity says about its grades, and how a user stands in it.
pub(super) fn stood(
    connection: &Connection,
    activity: i64,
    user: i64,
) -> Result<(Rules, Option<Standing>), StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT s.max, s.count, s.sum, s.highest, s.first, s.first_sequence, s.latest,
                    s.latest_sequence, s.override, s.comment, s.progress, s.last, s.ruling,
                    a.max, a.method, a.attempts, a.host
             FROM activities a LEFT JOIN standings s ON s.activity = a.id AND s.user = ?2
             WHERE a.id = ?1",
        )?
        .query_row([activity, user], |row| {
            let known = match row.get(11)? {
                Some(last) => Some(Standing { tally: tally(row)?, last, ruling: row.get(12)? }),
                None => None,
            };
            let (max, method, attempts) = (row.get(13)?, unword(row, 14)?, row.get(15)?);
            let grades = GradeRules { max, method, attempts };
            Ok((Rules { host: row.get(16)?, grades }, known))
        })?)
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
        progress: perhaps(row, 10)?,
    })
}

/// Writes how a user stands in an activity.
pub(super) fn write_standing(
    connection: &Connection,
    activity: i64,
    user: i64,
    Standing { tally, last, ruling }: &Standing,
    now: i64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO standings
             (activity, user, max, count, sum, highest, first, first_sequence, latest,
              latest_sequence, override, comment, progress, last, updated_at, ruling)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            activity,
            user,
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
            ruling,
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

/// The enum of a word that may be missing.
pub(super) fn perhaps<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => unword(row, column).map(Some),
    }
}
