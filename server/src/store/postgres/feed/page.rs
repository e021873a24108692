//! What a page shows, read at once: the rows by their numbers, and then whom and what they are about.
//!
//! The two are not joined by the database: how many rows a list of numbers will find it can only guess, and a wrong
//! guess would walk whole activities. Nor do joins between strands and hosts suit one that is divided.

use super::super::numbers::strand_of;
use super::super::records::{
    STANDING_COLUMNS, SUBMISSION_COLUMNS, VOID, Whose, standing_columns, standing_row,
    submission_columns, submission_row,
};
use super::super::sql;
use super::super::words::{count, kind, unword};
use super::walk::Change;
use crate::store::{About, GradeItem, LogItem, StoreError, SubmissionItem};
use deadpool_postgres::GenericClient;
use latchkey_protocol::launch::GradeMethod;
use std::collections::{HashMap, HashSet};
use tokio_postgres::Row;

/// What users, activities and courses are called.
struct Names {
    users: HashMap<i64, (String, Option<String>)>,
    activities: HashMap<i64, Activity>,
    courses: HashMap<i64, String>,
}

struct Activity {
    key: String,
    course: Option<i64>,
    max: f64,
    method: GradeMethod,
}

impl Names {
    /// Of the activities and users in two columns of some rows.
    async fn of(
        client: &impl GenericClient,
        host: i64,
        rows: &[Row],
        (activity, user): (usize, usize),
    ) -> Result<Self, StoreError> {
        let column = |at: usize| -> Result<Vec<i64>, StoreError> {
            let distinct = rows.iter().map(|row| row.try_get(at));
            Ok(distinct.collect::<Result<HashSet<i64>, _>>()?.into_iter().collect())
        };
        let (numbers, users) = (column(activity)?, column(user)?);
        let strands: Vec<i64> = numbers.iter().map(|number| strand_of(*number)).collect();
        let named = "SELECT id, key, name FROM users WHERE host = $1 AND id = ANY($2)";
        let placed = "SELECT id, key, course, max, method FROM activities WHERE (strand, id) IN
                          (SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[]))";
        let named = sql::rows(client, named, &[&host, &users]).await?;
        let placed = sql::rows(client, placed, &[&strands, &numbers]).await?;
        let read = |row: &Row| -> Result<_, StoreError> {
            let (key, course) = (row.try_get(1)?, row.try_get(2)?);
            let (max, method) = (row.try_get(3)?, unword(row.try_get(4)?)?);
            Ok((row.try_get(0)?, Activity { key, course, max, method }))
        };
        let activities = placed.iter().map(read).collect::<Result<HashMap<_, _>, _>>()?;
        let within: HashSet<i64> = activities.values().filter_map(|one| one.course).collect();
        let within: Vec<i64> = within.into_iter().collect();
        let courses = match within.is_empty() {
            true => Vec::new(),
            false => {
                let called = "SELECT id, key FROM courses WHERE host = $1 AND id = ANY($2)";
                sql::rows(client, called, &[&host, &within]).await?
            }
        };
        let user = |row: &Row| -> Result<_, StoreError> {
            Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)))
        };
        let course =
            |row: &Row| -> Result<_, StoreError> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        Ok(Self {
            users: named.iter().map(user).collect::<Result<_, _>>()?,
            activities,
            courses: courses.iter().map(course).collect::<Result<_, _>>()?,
        })
    }

    /// Whom and what a row is about, and by which rules.
    fn about(&self, activity: i64, user: i64) -> Result<(About, Whose), StoreError> {
        let missing = |what| StoreError::Unreadable(format!("{what} is missing"));
        let activity = self.activities.get(&activity).ok_or_else(|| missing("an activity"))?;
        let (user, name) = self.users.get(&user).ok_or_else(|| missing("a user"))?;
        let about = About {
            user: user.clone(),
            name: name.clone(),
            activity: activity.key.clone(),
            course: activity.course.and_then(|course| self.courses.get(&course).cloned()),
        };
        let Activity { method, max, .. } = *activity;
        Ok((about, Whose { user: user.clone(), name: name.clone(), method, max }))
    }
}

/// The standings that changed, each as it is now, in the order of the changes.
pub(super) async fn grades(
    client: &impl GenericClient,
    host: i64,
    changes: &[Change],
) -> Result<Vec<GradeItem>, StoreError> {
    let whose: Vec<(i64, i64)> =
        changes.iter().map(|change| (change.activity, change.user)).collect();
    let mut found = grades_of(client, host, &whose).await?;
    Ok(whose.iter().filter_map(|whose| found.remove(whose)).collect())
}

/// The standings of these activities and users.
async fn grades_of(
    client: &impl GenericClient,
    host: i64,
    whose: &[(i64, i64)],
) -> Result<HashMap<(i64, i64), GradeItem>, StoreError> {
    if whose.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!(
        "SELECT {}, s.activity, s.user_id
         FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[]) AS w (strand, activity, user_id)
         JOIN standings s ON s.strand = w.strand AND s.activity = w.activity
                         AND s.user_id = w.user_id
         LEFT JOIN rulings r ON r.strand = s.strand AND r.seq = s.ruling",
        standing_columns()
    );
    let (activities, users): (Vec<i64>, Vec<i64>) = whose.iter().copied().unzip();
    let strands: Vec<i64> = activities.iter().map(|activity| strand_of(*activity)).collect();
    let rows = sql::rows(client, &sql, &[&strands, &activities, &users]).await?;
    let at = (STANDING_COLUMNS, STANDING_COLUMNS + 1);
    let names = Names::of(client, host, &rows, at).await?;
    let read = |row: &Row| -> Result<_, StoreError> {
        let whose = (row.try_get(at.0)?, row.try_get(at.1)?);
        let (about, rules) = names.about(whose.0, whose.1)?;
        Ok((whose, GradeItem { about, standing: standing_row(row, rules)? }))
    };
    rows.iter().map(read).collect()
}

/// One standing.
pub(in super::super) async fn one_grade(
    client: &impl GenericClient,
    host: i64,
    activity: i64,
    user: i64,
) -> Result<Option<GradeItem>, StoreError> {
    Ok(grades_of(client, host, &[(activity, user)]).await?.remove(&(activity, user)))
}

/// The submissions that were made or made void, in the order of the changes.
pub(super) async fn submissions(
    client: &impl GenericClient,
    host: i64,
    changes: &[Change],
) -> Result<Vec<SubmissionItem>, StoreError> {
    // A ruling is in the strand of its submission.
    let places = changes.iter().map(|change| (strand_of(change.activity), change.about));
    let mut found = submissions_at(client, host, &places.collect::<Vec<_>>()).await?;
    Ok(changes.iter().filter_map(|change| found.remove(&change.about)).collect())
}

/// The submissions of these strands and numbers, by number.
pub(super) async fn submissions_at(
    client: &impl GenericClient,
    host: i64,
    places: &[(i64, i64)],
) -> Result<HashMap<i64, SubmissionItem>, StoreError> {
    if places.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!(
        "SELECT {}, s.activity, s.user_id
         FROM unnest($1::BIGINT[], $2::BIGINT[]) AS w (strand, seq)
         JOIN submissions s ON s.strand = w.strand AND s.seq = w.seq {VOID}",
        submission_columns()
    );
    let (strands, seqs): (Vec<i64>, Vec<i64>) = places.iter().copied().unzip();
    let rows = sql::rows(client, &sql, &[&strands, &seqs]).await?;
    let at = (SUBMISSION_COLUMNS, SUBMISSION_COLUMNS + 1);
    let names = Names::of(client, host, &rows, at).await?;
    let read = |row: &Row| -> Result<_, StoreError> {
        let (about, _) = names.about(row.try_get(at.0)?, row.try_get(at.1)?)?;
        let item = SubmissionItem { about, row: submission_row(row)? };
        Ok((item.row.seq, item))
    };
    rows.iter().map(read).collect()
}

/// The entries, in the order of the changes.
pub(super) async fn entries(
    client: &impl GenericClient,
    host: i64,
    changes: &[Change],
) -> Result<Vec<LogItem>, StoreError> {
    let places = changes.iter().map(|change| (strand_of(change.activity), change.seq));
    let mut found = entries_at(client, host, &places.collect::<Vec<_>>()).await?;
    Ok(changes.iter().filter_map(|change| found.remove(&change.seq)).collect())
}

/// The entries of these strands and numbers, by number.
pub(super) async fn entries_at(
    client: &impl GenericClient,
    host: i64,
    places: &[(i64, i64)],
) -> Result<HashMap<i64, LogItem>, StoreError> {
    if places.is_empty() {
        return Ok(HashMap::new());
    }
    // An entry of a grade has the number of its submission.
    let sql = "SELECT e.seq, e.kind, e.attempt, e.event, e.data, e.at, e.client_at, g.score, g.max,
                      e.activity, e.user_id
               FROM unnest($1::BIGINT[], $2::BIGINT[]) AS w (strand, seq)
               JOIN entries e ON e.strand = w.strand AND e.seq = w.seq
               LEFT JOIN submissions g ON g.strand = e.strand AND g.seq = e.seq";
    let (strands, seqs): (Vec<i64>, Vec<i64>) = places.iter().copied().unzip();
    let rows = sql::rows(client, sql, &[&strands, &seqs]).await?;
    let names = Names::of(client, host, &rows, (9, 10)).await?;
    let read = |row: &Row| -> Result<_, StoreError> {
        let (seq, (about, _)) = (row.try_get(0)?, names.about(row.try_get(9)?, row.try_get(10)?)?);
        let item = LogItem {
            seq,
            about,
            kind: kind(row.try_get(1)?)?,
            attempt: count(row.try_get(2)?)?,
            event: row.try_get(3)?,
            data: row.try_get(4)?,
            at: row.try_get(5)?,
            client_at: row.try_get(6)?,
            score: row.try_get::<_, Option<f64>>(7)?.zip(row.try_get(8)?),
        };
        Ok((seq, item))
    };
    rows.iter().map(read).collect()
}
