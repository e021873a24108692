//! What a host reads back.

use super::directory::{ACTIVITIES, USERS, known};
use super::numbers::strand_of;
use super::submissions::{STANDING, tally};
use super::words::{count, kind, perhaps, unword};
use super::{PostgresStore, sql};
use crate::store::{EntryKind, Records, Ruling, StandingRow, StoreError, SubmissionRow};
use async_trait::async_trait;
use latchkey_protocol::Millis;
use latchkey_protocol::launch::GradeMethod;
use tokio_postgres::Row;

/// The columns of [`standing_row`], from the standing `s` and its override `r`.
pub(super) fn standing_columns() -> String {
    format!("{STANDING}, s.updated_at, {RULING}")
}

/// How many columns [`standing_row`] reads.
pub(super) const STANDING_COLUMNS: usize = 14 + RULING_COLUMNS;

/// Whose standing, and by which rules.
pub(super) struct Whose {
    pub(super) user: String,
    pub(super) name: Option<String>,
    pub(super) method: GradeMethod,
    pub(super) max: f64,
}

/// Reads the columns of [`standing_columns`].
pub(super) fn standing_row(row: &Row, whose: Whose) -> Result<StandingRow, StoreError> {
    Ok(StandingRow {
        tally: tally(row, 0)?.rescaled(whose.max),
        user: whose.user,
        name: whose.name,
        method: whose.method,
        updated_at: row.try_get(13)?,
        ruling: ruling(row, 14)?,
    })
}

/// The columns of [`submission_row`], from the submission `s` and the ruling `r` that made it void.
pub(super) fn submission_columns() -> String {
    format!(
        "s.seq, s.score, s.max, s.attempt, s.comment, s.progress, s.grading, s.at, s.client_at,
         s.seq <= coalesce((SELECT max(x.upto) FROM resets x
                            WHERE x.strand = s.strand AND x.activity = s.activity
                              AND x.user_id IN (s.user_id, 0)), 0), {RULING}"
    )
}

/// What a submission is void by: to be joined to the submission `s`.
pub(super) const VOID: &str = "LEFT JOIN voids v ON v.strand = s.strand AND v.submission = s.seq
     LEFT JOIN rulings r ON r.strand = v.strand AND r.seq = v.ruling";

/// How many columns [`submission_row`] reads.
pub(super) const SUBMISSION_COLUMNS: usize = 10 + RULING_COLUMNS;

/// Reads the columns of [`submission_columns`].
pub(super) fn submission_row(row: &Row) -> Result<SubmissionRow, StoreError> {
    Ok(SubmissionRow {
        seq: row.try_get(0)?,
        score: row.try_get(1)?,
        max: row.try_get(2)?,
        attempt: count(row.try_get(3)?)?,
        comment: row.try_get(4)?,
        progress: perhaps(row.try_get(5)?)?,
        grading: unword(row.try_get(6)?)?,
        at: row.try_get(7)?,
        client_at: row.try_get(8)?,
        reset: row.try_get(9)?,
        voided: ruling(row, 10)?,
    })
}

/// The columns of [`ruling`], from the ruling `r`.
pub(super) const RULING: &str = "r.seq, r.score, r.max, r.feedback, r.scale, r.reason, r.by, r.at";

const RULING_COLUMNS: usize = 8;

/// Reads the columns of [`RULING`] from `first` on, if there is a ruling.
pub(super) fn ruling(row: &Row, first: usize) -> Result<Option<Ruling>, StoreError> {
    let Some(seq) = row.try_get(first)? else { return Ok(None) };
    Ok(Some(Ruling {
        seq,
        score: row.try_get::<_, Option<f64>>(first + 1)?.zip(row.try_get(first + 2)?),
        feedback: row.try_get(first + 3)?,
        scale: row.try_get(first + 4)?,
        reason: row.try_get(first + 5)?,
        by: row.try_get(first + 6)?,
        at: row.try_get(first + 7)?,
    }))
}

#[async_trait]
impl Records for PostgresStore {
    async fn standings(&self, host: &str, activity: &str) -> Result<Vec<StandingRow>, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else { return Ok(Vec::new()) };
        let client = self.shared.client().await?;
        let Some(activity) = known(&client, &ACTIVITIES, host, activity).await? else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT {}, u.key, u.name, a.method, a.max FROM standings s
             JOIN activities a ON a.strand = s.strand AND a.id = s.activity
             JOIN users u ON u.host = $3 AND u.id = s.user_id
             LEFT JOIN rulings r ON r.strand = s.strand AND r.seq = s.ruling
             WHERE s.strand = $1 AND s.activity = $2
             ORDER BY coalesce(u.name, u.key) COLLATE \"C\", u.key",
            standing_columns()
        );
        let rows =
            sql::rows(&client, &sql, &[&strand_of(activity.id), &activity.id, &host]).await?;
        let read = |row: &Row| {
            let whose = Whose {
                user: row.try_get(STANDING_COLUMNS)?,
                name: row.try_get(STANDING_COLUMNS + 1)?,
                method: unword(row.try_get(STANDING_COLUMNS + 2)?)?,
                max: row.try_get(STANDING_COLUMNS + 3)?,
            };
            standing_row(row, whose)
        };
        rows.iter().map(read).collect()
    }

    async fn submissions(
        &self,
        host: &str,
        activity: &str,
        user: &str,
        limit: u32,
    ) -> Result<Vec<SubmissionRow>, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else { return Ok(Vec::new()) };
        let client = self.shared.client().await?;
        let (activity, user) = tokio::try_join!(
            known(&client, &ACTIVITIES, host, activity),
            known(&client, &USERS, host, user),
        )?;
        let (Some(activity), Some(user)) = (activity, user) else { return Ok(Vec::new()) };
        let sql = format!(
            "SELECT {} FROM submissions s {VOID}
             WHERE s.strand = $1 AND s.activity = $2 AND s.user_id = $3
             ORDER BY s.seq DESC LIMIT $4",
            submission_columns()
        );
        let (strand, limit) = (strand_of(activity.id), i64::from(limit));
        let rows = sql::rows(&client, &sql, &[&strand, &activity.id, &user.id, &limit]).await?;
        rows.iter().map(submission_row).collect()
    }

    async fn entry_times(
        &self,
        host: &str,
        activity: &str,
        limit: u32,
    ) -> Result<Vec<(EntryKind, Millis)>, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else { return Ok(Vec::new()) };
        let client = self.shared.client().await?;
        let Some(activity) = known(&client, &ACTIVITIES, host, activity).await? else {
            return Ok(Vec::new());
        };
        let sql = "SELECT kind, at FROM entries WHERE strand = $1 AND activity = $2
                   ORDER BY seq DESC LIMIT $3";
        let (strand, limit) = (strand_of(activity.id), i64::from(limit));
        let rows = sql::rows(&client, sql, &[&strand, &activity.id, &limit]).await?;
        rows.iter().map(|row| Ok((kind(row.try_get(0)?)?, row.try_get(1)?))).collect()
    }
}
