//! Rulings on grades: written beside the submissions, which stay as they are.

use super::batch::{Batch, Happened};
use super::directory::{ACTIVITIES, Row, USERS, known};
use super::feed::one_grade;
use super::numbers::{strand_of, strand_of_key, strand_of_seq};
use super::records::{self, RULING};
use super::sql::{self, transact};
use super::submissions::{Rules, rules, standing};
use super::words::{perhaps, unword};
use super::{PostgresStore, Shared};
use crate::grades::{Scored, Submission, Tally};
use crate::store::standing::Standing;
use crate::store::{
    EventKind, GradeItem, NewOverride, Ruling, RulingKind, RulingRefused, Rulings, StoreError,
    Subject,
};
use async_trait::async_trait;
use deadpool_postgres::Transaction;
use latchkey_protocol::Millis;
use latchkey_protocol::payload::{Given, Grading};

#[async_trait]
impl Rulings for PostgresStore {
    async fn rule(
        &self,
        host: &str,
        new: NewOverride,
        now: Millis,
    ) -> Result<(GradeItem, bool), RulingRefused> {
        let number = self.shared.known_host(host).await?;
        let number = number.ok_or(RulingRefused::UnknownActivity)?;
        let shared: &Shared = &self.shared;
        let court = Court { shared, host: number, name: host, now };
        let ruled = transact!(self, |tx| settled(rule(&court, &tx, &new).await))?;
        self.pronounce(ruled)
    }

    async fn void(
        &self,
        host: &str,
        submission: i64,
        reason: &str,
        by: Option<&str>,
        now: Millis,
    ) -> Result<(GradeItem, bool), RulingRefused> {
        let number = self.shared.known_host(host).await?;
        // Numbers below 1 are nobody's, and would be looked for at another host.
        let number = number.filter(|_| submission > 0).ok_or(RulingRefused::UnknownSubmission)?;
        let shared: &Shared = &self.shared;
        let court = Court { shared, host: number, name: host, now };
        let said =
            Said { reason: Some(reason), by, submission: Some(submission), ..Said::default() };
        let ruled = transact!(self, |tx| settled(void(&court, &tx, submission, &said).await))?;
        self.pronounce(ruled)
    }
}

impl PostgresStore {
    /// After the commit.
    fn pronounce(&self, ruled: Ruled) -> Result<(GradeItem, bool), RulingRefused> {
        let (item, posted) = ruled?;
        let changed = posted.is_some();
        self.shared.notify(posted.unwrap_or_default());
        Ok((item, changed))
    }
}

/// The standing that comes of a ruling; if anything changed, the webhooks to which something was posted.
type Ruled = Result<(GradeItem, Option<Vec<i64>>), RulingRefused>;

/// A database that fails does so for the whole transaction; any other refusal is an answer.
fn settled(ruled: Ruled) -> Result<Ruled, StoreError> {
    match ruled {
        Err(RulingRefused::Store(error)) => Err(error),
        ruled => Ok(ruled),
    }
}

/// Where and when a ruling is made.
struct Court<'a> {
    shared: &'a Shared,
    host: i64,
    name: &'a str,
    now: Millis,
}

async fn rule(court: &Court<'_>, tx: &Transaction<'_>, new: &NewOverride) -> Ruled {
    let strand = strand_of_key(court.host, &new.activity);
    let mut batch = Batch::hold(tx, &[strand], court.now).await?;
    let there = |row: Option<Row>| row.filter(|row| !row.deleted).map(|row| row.id);
    let activity = there(known(tx, &ACTIVITIES, court.host, &new.activity).await?);
    let activity = activity.ok_or(RulingRefused::UnknownActivity)?;
    let user = there(known(tx, &USERS, court.host, &new.user).await?);
    let user = user.ok_or(RulingRefused::UnknownUser)?;
    let (rules, before) = tokio::try_join!(rules(tx, activity), standing(tx, activity, user))?;
    let given = new.given(rules.grades.max).map_err(RulingRefused::Score)?;
    let subject = Subject { activity, user, attempt: 0 };
    let known = in_force(tx, strand, before.as_ref()).await?;
    if new.is_in_force(known.as_ref(), given) {
        return Ok((item(court, tx, subject).await?, None));
    }
    let kind = if given.is_some() { RulingKind::Override } else { RulingKind::Release };
    let said = Said {
        given,
        feedback: new.feedback.as_deref(),
        scale: new.scale.as_deref(),
        reason: new.reason.as_deref(),
        by: new.by.as_deref(),
        submission: None,
    };
    let seq = batch.seq(strand)?;
    write(tx, seq, subject, kind, &said, court.now).await?;
    let after = Standing::ruled(before.as_ref(), rules.grades.max, given, seq);
    let happened = Happened { subject, submission: None, key: None, at: court.now };
    change(court, tx, batch, &rules, (before.as_ref(), after), &happened).await
}

/// The override in force.
async fn in_force(
    tx: &Transaction<'_>,
    strand: i64,
    standing: Option<&Standing>,
) -> Result<Option<Ruling>, StoreError> {
    let Some(seq) = standing.and_then(|standing| standing.ruling) else { return Ok(None) };
    let sql = format!("SELECT {RULING} FROM rulings r WHERE strand = $1 AND seq = $2");
    let found = sql::row(tx, &sql, &[&strand, &seq]).await?;
    Ok(found.map(|row| records::ruling(&row, 0)).transpose()?.flatten())
}

async fn void(court: &Court<'_>, tx: &Transaction<'_>, submission: i64, said: &Said<'_>) -> Ruled {
    let strand = strand_of_seq(court.host, submission);
    let mut batch = Batch::hold(tx, &[strand], court.now).await?;
    let sql = "SELECT s.activity, s.user_id, v.ruling IS NOT NULL FROM submissions s
               LEFT JOIN voids v ON v.strand = s.strand AND v.submission = s.seq
               WHERE s.strand = $1 AND s.seq = $2";
    let found = sql::row(tx, sql, &[&strand, &submission]).await?;
    let Some(row) = found else { return Err(RulingRefused::UnknownSubmission) };
    let read = || -> Result<_, StoreError> {
        let subject = Subject { activity: row.try_get(0)?, user: row.try_get(1)?, attempt: 0 };
        Ok((subject, row.try_get::<_, bool>(2)?))
    };
    let (subject, done) = read()?;
    if done {
        return Ok((item(court, tx, subject).await?, None));
    }
    let seq = batch.seq(strand)?;
    write(tx, seq, subject, RulingKind::Void, said, court.now).await?;
    let insert = "INSERT INTO voids (strand, submission, ruling) VALUES ($1, $2, $3)";
    sql::run(tx, insert, &[&strand, &submission, &seq]).await?;
    let rules = rules(tx, subject.activity).await?;
    let before = standing(tx, subject.activity, subject.user).await?;
    let after = Standing {
        tally: recount(tx, subject, before.as_ref(), rules.grades.max).await?,
        last: before.as_ref().map_or(0, |before| before.last),
        ruling: before.as_ref().and_then(|before| before.ruling),
    };
    let happened = Happened { subject, submission: Some(submission), key: None, at: court.now };
    batch.post(court.shared, court.name, EventKind::SubmissionVoided, &happened);
    change(court, tx, batch, &rules, (before.as_ref(), after), &happened).await
}

/// What a ruling says.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    given: Option<(f64, f64)>,
    submission: Option<i64>,
    feedback: Option<&'a str>,
    scale: Option<&'a str>,
    reason: Option<&'a str>,
    by: Option<&'a str>,
}

async fn write(
    tx: &Transaction<'_>,
    seq: i64,
    Subject { activity, user, .. }: Subject,
    kind: RulingKind,
    said: &Said<'_>,
    now: Millis,
) -> Result<(), StoreError> {
    let insert = "INSERT INTO rulings (strand, seq, activity, user_id, submission, score, max, at,
                                       kind, feedback, scale, reason, by)
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    let (score, max) = said.given.unzip();
    let values: sql::Values<'_> = &[
        &strand_of(activity),
        &seq,
        &activity,
        &user,
        &said.submission,
        &score,
        &max,
        &now,
        &kind.word(),
        &said.feedback,
        &said.scale,
        &said.reason,
        &said.by,
    ];
    sql::run(tx, insert, values).await.map(drop)
}

/// Leaves a trace of resets in an activity, by number and user, so that the feed tells of the grades.
pub(super) async fn note_resets(
    tx: &Transaction<'_>,
    activity: i64,
    noted: &[(i64, i64)],
    now: Millis,
) -> Result<(), StoreError> {
    let (seqs, users): (Vec<i64>, Vec<i64>) = noted.iter().copied().unzip();
    let insert = "INSERT INTO rulings (strand, seq, activity, user_id, at, kind)
                  SELECT $1, v.seq, $2, v.user_id, $3, $4
                  FROM unnest($5::BIGINT[], $6::BIGINT[]) AS v (seq, user_id)";
    let kind = RulingKind::Reset.word();
    let values: sql::Values<'_> = &[&strand_of(activity), &activity, &now, &kind, &seqs, &users];
    sql::run(tx, insert, values).await.map(drop)
}

/// Writes the standing that comes of a ruling, and tells of it.
async fn change(
    court: &Court<'_>,
    tx: &Transaction<'_>,
    mut batch: Batch,
    rules: &Rules,
    (before, after): (Option<&Standing>, Standing),
    happened: &Happened,
) -> Ruled {
    let subject = happened.subject;
    batch.tell_change(court.shared, court.name, rules, (before, &after), happened);
    batch.stand(subject.activity, subject.user, after, court.now);
    let posted = batch.flush(tx, court.shared).await?;
    Ok((item(court, tx, subject).await?, Some(posted)))
}

async fn item(
    court: &Court<'_>,
    tx: &Transaction<'_>,
    subject: Subject,
) -> Result<GradeItem, StoreError> {
    let found = one_grade(tx, court.host, subject.activity, subject.user).await?;
    found.ok_or_else(|| StoreError::Unreadable("a standing is missing".into()))
}

/// What the submissions of a user come to since the last reset, without those that are void.
async fn recount(
    tx: &Transaction<'_>,
    Subject { activity, user, .. }: Subject,
    before: Option<&Standing>,
    max: f64,
) -> Result<Tally, StoreError> {
    let sql = "SELECT s.score, s.max, s.sequence, s.grading, s.comment, s.clears, s.progress
               FROM submissions s
               WHERE s.strand = $1 AND s.activity = $2 AND s.user_id = $3
                 AND s.seq > coalesce((SELECT max(x.upto) FROM resets x
                     WHERE x.strand = $1 AND x.activity = $2 AND x.user_id IN ($3, 0)), 0)
                 AND NOT EXISTS (SELECT 1 FROM voids v
                     WHERE v.strand = $1 AND v.submission = s.seq)
               ORDER BY s.seq";
    let rows = sql::rows(tx, sql, &[&strand_of(activity), &activity, &user]).await?;
    let counted = rows.iter().map(|row| -> Result<_, StoreError> {
        Ok(Submission {
            scored: Scored {
                score: row.try_get(0)?,
                max: row.try_get(1)?,
                sequence: row.try_get(2)?,
            },
            counts: unword::<Grading>(row.try_get(3)?)? == Grading::FullyGraded,
            comment: match row.try_get::<_, Option<&str>>(4)? {
                Some(text) => Given::Value(text),
                None if row.try_get(5)? => Given::Null,
                None => Given::Absent,
            },
            progress: perhaps(row.try_get(6)?)?,
        })
    });
    let counted = counted.collect::<Result<Vec<_>, _>>()?;
    let mut tally = Tally::of(max, counted);
    tally.overridden = before.and_then(|before| before.tally.clone().rescaled(max).overridden);
    Ok(tally)
}
