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
use rusqlite::{Row, params};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer};

/// What an activity says about its grades, and whose it is.
pub(super) struct Rules {
    pub(super) host: i64,
    pub(super) grades: GradeRules,
}

/// A submission that is accepted, and what it comes to.
pub(super) struct Next {
    subject: Subject,
    rules: Rules,
    before: Option<Standing>,
    after: Standing,
    score: f64,
    max: f64,
}

impl Next {
    /// What its submitter is told.
    pub(super) fn receipt(&self) -> Submitted {
        self.after.receipt(&self.rules.grades, (self.score, self.max), self.subject.attempt)
    }
}

/// What a submission would come to, if it is the next change of all.
pub(super) fn next(tx: &Tx<'_>, key: &KeyRecord, new: &NewSubmission) -> Result<Next, Rejected> {
    let subject = key.subject;
    let (rules, before) = stood(tx, subject.activity, subject.user)?;
    let taken = Taken::by(&rules.grades, before.as_ref(), subject.attempt, new)?;
    let (score, max) = (taken.score, taken.max);
    Ok(Next { subject, rules, before, after: taken.standing(tx.newest() + 1), score, max })
}

/// Writes a submission and what it changes.
pub(super) fn submit(
    tx: &mut Tx<'_>,
    call: &KeyCall,
    new: &NewSubmission,
    next: &Next,
) -> Result<(), StoreError> {
    let Next { subject, rules, before, after, .. } = next;
    let seq = tx.append(&Line {
        subject: *subject,
        kind: EntryKind::Grade,
        at: call.now,
        client_at: new.client_at,
        event: None,
        data: None,
    })?;
    debug_assert_eq!(seq, after.last, "a submission takes the number that was told");
    insert(tx, call, new, next)?;
    write_standing(tx, subject.activity, subject.user, after, call.now)?;
    let happened = Happened { subject: *subject, submission: Some(seq), key: None, at: call.now };
    outbox::post(tx, rules.host, EventKind::SubmissionCreated, &happened)?;
    tell_change(tx, rules, before.as_ref(), after, &happened)
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

const INSERT: &str = "INSERT INTO submissions
     (seq, activity, user, attempt, previous, score, max, comment, progress, grading, sequence, key,
      at, client_at, clears)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

fn insert(tx: &Tx<'_>, call: &KeyCall, new: &NewSubmission, next: &Next) -> Result<(), StoreError> {
    let comment = match &new.comment {
        Given::Value(text) => Some(text),
        _ => None,
    };
    let values = params![
        next.after.last,
        next.subject.activity,
        next.subject.user,
        next.subject.attempt,
        next.before.as_ref().map_or(0, |before| before.last),
        next.score,
        next.max,
        comment,
        new.progress.map(word).transpose()?,
        word(new.grading)?,
        new.sequence,
        call.id.0,
        call.now,
        new.client_at,
        new.comment == Given::Null,
    ];
    tx.statement(INSERT, |statement| statement.execute(values))?;
    Ok(())
}

const STOOD: &str = "SELECT s.max, s.count, s.sum, s.highest, s.first, s.first_sequence, s.latest,
            s.latest_sequence, s.override, s.comment, s.progress, s.last, s.ruling,
            a.max, a.method, a.attempts, a.host
     FROM activities a LEFT JOIN standings s ON s.activity = a.id AND s.user = ?2
     WHERE a.id = ?1";

/// What an activity says about its grades, and how a user stands in it.
pub(super) fn stood(
    tx: &Tx<'_>,
    activity: i64,
    user: i64,
) -> Result<(Rules, Option<Standing>), StoreError> {
    let read = |row: &Row<'_>| {
        let known = match row.get(11)? {
            Some(last) => Some(Standing { tally: tally(row)?, last, ruling: row.get(12)? }),
            None => None,
        };
        let (max, method, attempts) = (row.get(13)?, unword(row, 14)?, row.get(15)?);
        let grades = GradeRules { max, method, attempts };
        Ok((Rules { host: row.get(16)?, grades }, known))
    };
    Ok(tx.statement(STOOD, |statement| statement.query_row([activity, user], read))?)
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

const STAND: &str = "INSERT OR REPLACE INTO standings
     (activity, user, max, count, sum, highest, first, first_sequence, latest, latest_sequence,
      override, comment, progress, last, updated_at, ruling)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Writes how a user stands in an activity.
pub(super) fn write_standing(
    tx: &Tx<'_>,
    activity: i64,
    user: i64,
    Standing { tally, last, ruling }: &Standing,
    now: i64,
) -> Result<(), StoreError> {
    let values = params![
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
    ];
    tx.statement(STAND, |statement| statement.execute(values))?;
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
