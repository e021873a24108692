//! Rulings on grades: written beside the submissions, which stay as they are.

use super::SqliteStore;
use super::outbox::{self, Happened};
use super::submissions::{Rules, perhaps, stood, tell_change, unword, write_standing};
use super::tx::Tx;
use super::{directory, feed, records};
use crate::grades::{Scored, Submission, Tally};
use crate::store::standing::Standing;
use crate::store::{
    EventKind, GradeItem, NewOverride, Ruling, RulingKind, RulingRefused, Rulings, StoreError,
    Subject,
};
use async_trait::async_trait;
use latchkey_protocol::Millis;
use latchkey_protocol::payload::{Given, Grading, Progress};
use rusqlite::{Connection, OptionalExtension, Row, params};

#[async_trait]
impl Rulings for SqliteStore {
    async fn rule(
        &self,
        host: &str,
        new: NewOverride,
        now: Millis,
    ) -> Result<(GradeItem, bool), RulingRefused> {
        let host = host.to_owned();
        self.writer.run(move |tx| settled(rule(tx, &host, &new, now))).await?
    }

    async fn void(
        &self,
        host: &str,
        submission: i64,
        reason: &str,
        by: Option<&str>,
        now: Millis,
    ) -> Result<(GradeItem, bool), RulingRefused> {
        let (host, reason, by) = (host.to_owned(), reason.to_owned(), by.map(str::to_owned));
        self.writer
            .run(move |tx| {
                let act =
                    Act { kind: RulingKind::Void, reason: Some(&reason), by: by.as_deref(), now };
                settled(void(tx, &host, submission, &act))
            })
            .await?
    }
}

type Ruled = Result<(GradeItem, bool), RulingRefused>;

/// A database that fails does so for the whole transaction; any other refusal is an answer.
fn settled(ruled: Ruled) -> Result<Ruled, StoreError> {
    match ruled {
        Err(RulingRefused::Store(error)) => Err(error),
        ruled => Ok(ruled),
    }
}

/// What is the same for every ruling.
struct Act<'a> {
    kind: RulingKind,
    reason: Option<&'a str>,
    by: Option<&'a str>,
    now: Millis,
}

fn rule(tx: &mut Tx<'_>, host: &str, new: &NewOverride, now: Millis) -> Ruled {
    let number = directory::host(tx, host)?;
    let find = |table, key: &str| directory::find(tx, table, number, key);
    let activity = find("activities", &new.activity)?.ok_or(RulingRefused::UnknownActivity)?;
    let user = find("users", &new.user)?.ok_or(RulingRefused::UnknownUser)?;
    let (rules, before) = stood(tx, activity, user)?;
    let given = new.given(rules.grades.max).map_err(RulingRefused::Score)?;
    let known = before.as_ref().and_then(|before| before.ruling);
    let known = known.map(|seq| ruling(tx.connection, seq)).transpose()?.flatten();
    if new.is_in_force(known.as_ref(), given) {
        return Ok((item(tx.connection, activity, user)?, false));
    }
    let kind = if given.is_some() { RulingKind::Override } else { RulingKind::Release };
    let act = Act { kind, reason: new.reason.as_deref(), by: new.by.as_deref(), now };
    let place = Place { activity, user };
    let seq = write(tx, place, &act, &Said { given, new: Some(new), submission: None })?;
    let after = Standing::ruled(before.as_ref(), rules.grades.max, given, seq);
    change(tx, place, &rules, before.as_ref(), &after, None, now)?;
    Ok((item(tx.connection, activity, user)?, true))
}

fn void(tx: &mut Tx<'_>, host: &str, submission: i64, act: &Act<'_>) -> Ruled {
    let found: Option<(i64, i64, bool)> = tx
        .connection
        .prepare_cached(
            "SELECT s.activity, s.user, v.ruling IS NOT NULL
             FROM submissions s JOIN activities a ON a.id = s.activity
             JOIN hosts h ON h.id = a.host LEFT JOIN voids v ON v.submission = s.seq
             WHERE s.seq = ? AND h.name = ?",
        )
        .map_err(StoreError::from)?
        .query_row(params![submission, host], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
        .map_err(StoreError::from)?;
    let Some((activity, user, done)) = found else { return Err(RulingRefused::UnknownSubmission) };
    if done {
        return Ok((item(tx.connection, activity, user)?, false));
    }
    let place = Place { activity, user };
    let said = Said { given: None, new: None, submission: Some(submission) };
    let seq = write(tx, place, act, &said)?;
    tx.connection
        .prepare_cached("INSERT INTO voids VALUES (?, ?)")
        .and_then(|mut insert| insert.execute([submission, seq]))
        .map_err(StoreError::from)?;
    let (rules, before) = stood(tx, activity, user)?;
    let last = before.as_ref().map_or(0, |before| before.last);
    let after = Standing {
        tally: recount(tx.connection, place, last, before.as_ref(), rules.grades.max)?,
        last,
        ruling: before.as_ref().and_then(|before| before.ruling),
    };
    let happened =
        Happened { subject: place.subject(), submission: Some(submission), key: None, at: act.now };
    outbox::post(tx, rules.host, EventKind::SubmissionVoided, &happened)?;
    change(tx, place, &rules, before.as_ref(), &after, Some(submission), act.now)?;
    Ok((item(tx.connection, activity, user)?, true))
}

/// A user in an activity.
#[derive(Clone, Copy)]
struct Place {
    activity: i64,
    user: i64,
}

impl Place {
    fn subject(self) -> Subject {
        Subject { activity: self.activity, user: self.user, attempt: 0 }
    }
}

/// What a ruling says.
struct Said<'a> {
    given: Option<(f64, f64)>,
    new: Option<&'a NewOverride>,
    submission: Option<i64>,
}

fn write(tx: &mut Tx<'_>, place: Place, act: &Act<'_>, said: &Said<'_>) -> Result<i64, StoreError> {
    let seq = tx.number();
    tx.connection
        .prepare_cached(
            "INSERT INTO rulings (seq, activity, user, kind, submission, score, max, feedback, scale,
                                  reason, by, at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            seq,
            place.activity,
            place.user,
            act.kind.word(),
            said.submission,
            said.given.map(|(score, _)| score),
            said.given.map(|(_, max)| max),
            said.new.and_then(|new| new.feedback.as_ref()),
            said.new.and_then(|new| new.scale.as_ref()),
            act.reason,
            act.by,
            act.now,
        ])?;
    Ok(seq)
}

/// Writes the standing that comes of a ruling, and tells of it.
fn change(
    tx: &mut Tx<'_>,
    place: Place,
    rules: &Rules,
    before: Option<&Standing>,
    after: &Standing,
    submission: Option<i64>,
    now: Millis,
) -> Result<(), StoreError> {
    write_standing(tx, place.activity, place.user, after, now)?;
    let happened = Happened { subject: place.subject(), submission, key: None, at: now };
    tell_change(tx, rules, before, after, &happened)
}

fn item(connection: &Connection, activity: i64, user: i64) -> Result<GradeItem, StoreError> {
    feed::grade(connection, activity, user)?
        .ok_or_else(|| StoreError::Unreadable("a standing is missing".into()))
}

/// Leaves a trace of a reset, so that the feed tells of the grade.
pub(super) fn note_reset(
    tx: &mut Tx<'_>,
    activity: i64,
    user: i64,
    now: Millis,
) -> Result<(), StoreError> {
    let act = Act { kind: RulingKind::Reset, reason: None, by: None, now };
    let said = Said { given: None, new: None, submission: None };
    write(tx, Place { activity, user }, &act, &said).map(drop)
}

/// A submission as it lies in its chain.
struct Link {
    previous: i64,
    scored: Scored,
    counts: bool,
    comment: Option<String>,
    clears: bool,
    progress: Option<Progress>,
    void: bool,
}

/// What the submissions of a chain come to since the last reset, without those that are void.
fn recount(
    connection: &Connection,
    place: Place,
    last: i64,
    before: Option<&Standing>,
    max: f64,
) -> Result<Tally, StoreError> {
    let reset: i64 = connection
        .prepare_cached(
            "SELECT coalesce(max(upto), 0) FROM resets WHERE activity = ? AND user IN (?, 0)",
        )?
        .query_row([place.activity, place.user], |row| row.get(0))?;
    let mut statement = connection.prepare_cached(
        "SELECT s.previous, s.score, s.max, s.sequence, s.grading, s.comment, s.clears, s.progress,
                v.ruling IS NOT NULL
         FROM submissions s LEFT JOIN voids v ON v.submission = s.seq WHERE s.seq = ?",
    )?;
    let mut links = Vec::new();
    let mut seq = last;
    while seq > reset {
        let link = statement.query_row([seq], link)?;
        seq = link.previous;
        links.push(link);
    }
    // The chain begins with the newest.
    let counted = links.iter().rev().filter(|link| !link.void).map(|link| Submission {
        scored: link.scored,
        counts: link.counts,
        comment: match &link.comment {
            Some(text) => Given::Value(text.as_str()),
            None if link.clears => Given::Null,
            None => Given::Absent,
        },
        progress: link.progress,
    });
    let mut tally = Tally::of(max, counted);
    tally.overridden = before.and_then(|before| before.tally.clone().rescaled(max).overridden);
    Ok(tally)
}

fn link(row: &Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link {
        previous: row.get(0)?,
        scored: Scored { score: row.get(1)?, max: row.get(2)?, sequence: row.get(3)? },
        counts: unword::<Grading>(row, 4)? == Grading::FullyGraded,
        comment: row.get(5)?,
        clears: row.get(6)?,
        progress: perhaps(row, 7)?,
        void: row.get(8)?,
    })
}

/// The ruling of that number.
fn ruling(connection: &Connection, seq: i64) -> Result<Option<Ruling>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT seq, score, max, feedback, scale, reason, by, at FROM rulings WHERE seq = ?",
        )?
        .query_row([seq], |row| records::ruling(row, 0))
        .optional()?
        .flatten())
}
