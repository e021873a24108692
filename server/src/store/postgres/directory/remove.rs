//! Deleting, and starting attempts again. Both end keys in the same transaction.

use super::super::Shared;
use super::super::batch::{Batch, Happened};
use super::super::numbers::{strand_of, strand_of_key, strands_of};
use super::super::rulings::note_resets;
use super::super::sql::{self, Values};
use super::super::states;
use super::super::submissions::{STANDING, read_standing, rules};
use super::{ACTIVITIES, COURSES, ENROLMENTS, Row, USERS, known};
use crate::grades::Tally;
use crate::store::standing::Standing;
use crate::store::{Kind, Removed, Reset, StoreError, Subject};
use deadpool_postgres::Transaction;
use latchkey_protocol::Millis;

/// The whole of [`crate::store::Directory::remove`].
pub(super) async fn remove(
    tx: &Transaction<'_>,
    host: i64,
    kind: Kind,
    key: &str,
    now: Millis,
) -> Result<Option<Removed>, StoreError> {
    let (table, strands) = match kind {
        Kind::Users => (&USERS, strands_of(host).to_vec()),
        Kind::Courses => (&COURSES, strands_of(host).to_vec()),
        Kind::Enrolments => (&ENROLMENTS, strands_of(host).to_vec()),
        Kind::Activities => (&ACTIVITIES, vec![strand_of_key(host, key)]),
    };
    if matches!(kind, Kind::Courses | Kind::Activities) {
        // Nothing is numbered. But no call or first use is under way in what is held.
        Batch::hold(tx, &strands, now).await?;
    }
    let Some(Row { id, deleted: false }) = known(tx, table, host, key).await? else {
        return Ok(None);
    };
    let ending = Ending { tx, strands, now };
    match kind {
        Kind::Users => user(&ending, host, id).await,
        Kind::Courses => course(&ending, host, id).await,
        Kind::Activities => {
            let keys_ended = activities(&ending, &[id], "activity deleted").await?;
            Ok(Some(Removed { keys_ended, ..Removed::default() }))
        }
        Kind::Enrolments => enrolment(&ending, host, id).await,
    }
}

/// Where keys end, and when.
struct Ending<'a> {
    tx: &'a Transaction<'a>,
    strands: Vec<i64>,
    now: Millis,
}

impl Ending<'_> {
    /// Ends the live keys of a condition, of which the first value is `$5`; how many there were.
    async fn keys(
        &self,
        condition: &str,
        condition_values: Values<'_>,
        why: &str,
    ) -> Result<u64, StoreError> {
        // Held in the order in which everybody holds keys.
        let sql = format!(
            "WITH live AS (
                 SELECT strand, id FROM keys
                 WHERE strand = ANY($1) AND ends_at > $2 AND revoked_at IS NULL AND {condition}
                 ORDER BY strand, id FOR UPDATE)
             UPDATE keys k SET revoked_at = $3, revoked_for = $4 FROM live
             WHERE k.strand = live.strand AND k.id = live.id"
        );
        let mut values: Vec<_> = Vec::from(&[] as Values<'_>);
        let first: Values<'_> = &[&self.strands, &self.now, &self.now, &why];
        values.extend(first);
        values.extend(condition_values);
        sql::run(self.tx, &sql, &values).await
    }
}

/// What is known of a person goes for good; the number stays, since log and grades refer to it.
async fn user(ending: &Ending<'_>, host: i64, id: i64) -> Result<Option<Removed>, StoreError> {
    let Ending { tx, strands, now } = ending;
    // Calls hold keys first, and first uses then the user. Whoever does so is let through.
    let wait = "SELECT 1 FROM keys WHERE strand = ANY($1) AND user_id = $2 AND ends_at > $3
                ORDER BY strand, id FOR UPDATE";
    sql::rows(*tx, wait, &[strands, &id, now]).await?;
    // From here on a first use finds that there is no such user.
    let erase = "UPDATE users SET name = NULL, username = NULL, email = NULL, idnumber = NULL,
                        said = 0, deleted_at = $3
                 WHERE host = $1 AND id = $2 AND deleted_at IS NULL";
    if sql::run(*tx, erase, &[&host, &id, now]).await? == 0 {
        return Ok(None);
    }
    let keys_ended = ending.keys("user_id = $5", &[&id], "user deleted").await?;
    states::forget_user(tx, strands, id).await?;
    let leave = "DELETE FROM enrolments WHERE host = $1 AND user_id = $2";
    let enrolments = sql::run(*tx, leave, &[&host, &id]).await?;
    Ok(Some(Removed { keys_ended, activities: 0, enrolments }))
}

async fn course(ending: &Ending<'_>, host: i64, id: i64) -> Result<Option<Removed>, StoreError> {
    let Ending { tx, strands, now } = ending;
    // First, so that no activity comes into the course any more.
    let end = "UPDATE courses SET said = 0, deleted_at = $3 WHERE host = $1 AND id = $2";
    sql::run(*tx, end, &[&host, &id, now]).await?;
    let of = "SELECT id FROM activities
              WHERE strand = ANY($1) AND course = $2 AND deleted_at IS NULL";
    let numbers: Vec<i64> = sql::rows(*tx, of, &[strands, &id])
        .await?
        .iter()
        .map(|row| Ok(row.try_get(0)?))
        .collect::<Result<_, StoreError>>()?;
    let keys_ended = activities(ending, &numbers, "course deleted").await?;
    let leave = "UPDATE activities SET section = NULL WHERE strand = ANY($1) AND course = $2";
    sql::run(*tx, leave, &[strands, &id]).await?;
    sql::run(*tx, "DELETE FROM sections WHERE host = $1 AND course = $2", &[&host, &id]).await?;
    let leave = "DELETE FROM enrolments WHERE host = $1 AND course = $2";
    let enrolments = sql::run(*tx, leave, &[&host, &id]).await?;
    Ok(Some(Removed { keys_ended, activities: numbers.len() as u64, enrolments }))
}

/// Deletes activities; how many live keys ended.
async fn activities(ending: &Ending<'_>, numbers: &[i64], why: &str) -> Result<u64, StoreError> {
    let end = "UPDATE activities SET said = 0, hidden = FALSE, deleted_at = $3
               WHERE strand = ANY($1) AND id = ANY($2)";
    sql::run(ending.tx, end, &[&ending.strands, &numbers, &ending.now]).await?;
    let ended = ending.keys("activity = ANY($5)", &[&numbers], why).await?;
    states::forget(ending.tx, &ending.strands, numbers, None).await?;
    Ok(ended)
}

/// Ends the user's keys in the course, unless another enrolment holds them.
async fn enrolment(ending: &Ending<'_>, host: i64, id: i64) -> Result<Option<Removed>, StoreError> {
    let Ending { tx, strands, .. } = ending;
    let delete = "DELETE FROM enrolments WHERE host = $1 AND id = $2 RETURNING user_id, course";
    let Some(row) = sql::row(*tx, delete, &[&host, &id]).await? else {
        return Ok(None);
    };
    let (user, course): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let another =
        "SELECT 1 FROM enrolments WHERE host = $1 AND user_id = $2 AND course = $3 LIMIT 1";
    if sql::row(*tx, another, &[&host, &user, &course]).await?.is_some() {
        return Ok(Some(Removed::default()));
    }
    let of = "SELECT id FROM activities WHERE strand = ANY($1) AND course = $2";
    let numbers: Vec<i64> = sql::rows(*tx, of, &[strands, &course])
        .await?
        .iter()
        .map(|row| Ok(row.try_get(0)?))
        .collect::<Result<_, StoreError>>()?;
    let whose = "user_id = $5 AND activity = ANY($6)";
    let keys_ended = ending.keys(whose, &[&user, &numbers], "enrolment deleted").await?;
    Ok(Some(Removed { keys_ended, ..Removed::default() }))
}

/// Whose attempts start again, and in what.
pub(super) struct Whom<'a> {
    pub(super) host: i64,
    pub(super) name: &'a str,
    pub(super) activity: &'a str,
    pub(super) user: Option<&'a str>,
}

/// The whole of [`crate::store::Directory::reset`], and the webhooks to which something was posted.
pub(super) async fn reset(
    shared: &Shared,
    tx: &Transaction<'_>,
    whom: &Whom<'_>,
    now: Millis,
) -> Result<Option<(Reset, Vec<i64>)>, StoreError> {
    let strand = strand_of_key(whom.host, whom.activity);
    let mut batch = Batch::hold(tx, &[strand], now).await?;
    let found = known(tx, &ACTIVITIES, whom.host, whom.activity).await?;
    let Some(Row { id: activity, deleted: false }) = found else { return Ok(None) };
    let user = match whom.user {
        None => None,
        Some(key) => match known(tx, &USERS, whom.host, key).await? {
            Some(Row { id, deleted: false }) => Some(id),
            _ => return Ok(None),
        },
    };
    let mark =
        "INSERT INTO resets (strand, activity, user_id, upto, at) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (strand, activity, user_id)
                DO UPDATE SET upto = excluded.upto, at = excluded.at";
    let upto = batch.newest(strand);
    sql::run(tx, mark, &[&strand, &activity, &user.unwrap_or(0), &upto, &now]).await?;
    let rules = rules(tx, activity).await?;
    let sql = format!(
        "SELECT {STANDING}, s.user_id FROM standings s WHERE strand = $1 AND activity = $2
         AND ($3::BIGINT IS NULL OR user_id = $3) ORDER BY s.user_id"
    );
    let mut noted = Vec::new();
    for row in sql::rows(tx, &sql, &[&strand, &activity, &user]).await? {
        let (before, user) = (read_standing(&row, 0)?, row.try_get(13)?);
        let after =
            Standing { tally: Tally::new(rules.grades.max), last: before.last, ruling: None };
        noted.push((batch.seq(strand)?, user));
        let subject = Subject { activity, user, attempt: 0 };
        let happened = Happened { subject, submission: None, key: None, at: now };
        batch.tell_change(shared, whom.name, &rules, (Some(&before), &after), &happened);
        batch.stand(activity, user, after, now);
    }
    note_resets(tx, activity, &noted, now).await?;
    let ending = Ending { tx, strands: vec![strand_of(activity)], now };
    let keys_ended = match user {
        None => ending.keys("activity = $5", &[&activity], "reset").await?,
        Some(user) => {
            ending.keys("activity = $5 AND user_id = $6", &[&activity, &user], "reset").await?
        }
    };
    states::forget(tx, &[strand], &[activity], user).await?;
    let posted = batch.flush(tx, shared).await?;
    Ok(Some((Reset { standings: noted.len() as u64, keys_ended }, posted)))
}
