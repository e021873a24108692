//! Grades: submissions, which are only ever added, and the standing they come to.

use super::outbox::{self, Happened};
use super::tx::{Line, Tx};
use crate::grades::{self, ScoreError, Scored, Submission, Tally};
use crate::store::{
    EntryKind, EventKind, KeyCall, KeyRecord, NewSubmission, Rejected, StoreError, Subject,
    Submitted,
};
use latchkey_protocol::launch::GradeMethod;
use latchkey_protocol::payload::{Given, Grading, Progress};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer};

/// What an activity says about its grades.
pub(super) struct Rules {
    pub(super) host: i64,
    pub(super) max: f64,
    pub(super) method: GradeMethod,
    attempts: Option<u32>,
}

/// The row of a standing.
pub(super) struct Standing {
    pub(super) tally: Tally,
    /// The newest submission; 0 for none.
    pub(super) last: i64,
    /// The override in force.
    pub(super) ruling: Option<i64>,
}

impl Standing {
    /// What somebody sees of it: if this differs, the grade has changed.
    fn shown(&self, method: GradeMethod) -> (Option<f64>, f64, Option<&str>, Option<Progress>) {
        let Tally { max, comment, progress, .. } = &self.tally;
        (self.tally.standing(method), *max, comment.as_deref(), *progress)
    }
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
    let known = standing(tx.connection, subject.activity, subject.user)?;
    let (mut tally, last, ruling) = match &known {
        Some(known) => (known.tally.clone().rescaled(rules.max), known.last, known.ruling),
        None => (Tally::new(rules.max), 0, None),
    };
    let comment = match &new.comment {
        Given::Absent => Given::Absent,
        Given::Null => Given::Null,
        Given::Value(text) => Given::Value(text.as_str()),
    };
    tally.take(&Submission {
        scored: Scored { score, max, sequence: new.sequence },
        counts: new.grading == Grading::FullyGraded,
        comment,
        progress: new.progress,
    });
    let seq = tx.append(&Line {
        subject,
        kind: EntryKind::Grade,
        at: call.now,
        client_at: new.client_at,
        event: None,
        data: None,
    })?;
    insert(tx, call, new, &Kept { seq, subject, previous: last, score, max })?;
    let now_stands = Standing { tally, last: seq, ruling };
    write_standing(tx.connection, subject.activity, subject.user, &now_stands, call.now)?;
    let happened = Happened { subject, submission: Some(seq), key: None, at: call.now };
    outbox::post(tx, rules.host, EventKind::SubmissionCreated, &happened)?;
    tell_change(tx, &rules, known.as_ref(), &now_stands, &happened)?;
    let tally = now_stands.tally;
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

/// Posts that a grade has changed, if it has.
pub(super) fn tell_change(
    tx: &mut Tx<'_>,
    rules: &Rules,
    before: Option<&Standing>,
    after: &Standing,
    happened: &Happened,
) -> Result<(), StoreError> {
    let unchanged = before.is_some_and(|before| {
        before.shown(rules.method) == after.shown(rules.method) && before.ruling == after.ruling
    });
    if unchanged {
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

/// What an activity says about its grades.
pub(super) fn rules(connection: &Connection, activity: i64) -> Result<Rules, StoreError> {
    Ok(connection
        .prepare_cached("SELECT max, method, attempts, host FROM activities WHERE id = ?")?
        .query_row([activity], |row| {
            Ok(Rules {
                max: row.get(0)?,
                method: unword(row, 1)?,
                attempts: row.get(2)?,
                host: row.get(3)?,
            })
        })?)
}

/// How a user stands in an activity.
pub(super) fn standing(
    connection: &Connection,
    activity: i64,
    user: i64,
) -> Result<Option<Standing>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT max, count, sum, highest, first, first_sequence, latest, latest_sequence,
                    override, comment, progress, last, ruling
             FROM standings WHERE activity = ? AND user = ?",
        )?
        .query_row([activity, user], |row| {
            Ok(Standing { tally: tally(row)?, last: row.get(11)?, ruling: row.get(12)? })
        })
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
