//! Grades: what an activity says of them, and the standing they come to.

use super::numbers::strand_of;
use super::sql;
use super::words::{count, perhaps, unword};
use crate::grades::Tally;
use crate::store::StoreError;
use crate::store::standing::{GradeRules, Standing};
use deadpool_postgres::GenericClient;
use tokio_postgres::Row;

/// What an activity says about its grades, and whether it is hidden.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rules {
    pub(super) grades: GradeRules,
    pub(super) hidden: bool,
}

/// The columns of [`read_rules`], of the activity `a`.
pub(super) const RULES: &str = "a.max, a.method, a.attempts, a.hidden";

/// Reads the columns of [`RULES`], from the column `first` on.
pub(super) fn read_rules(row: &Row, first: usize) -> Result<Rules, StoreError> {
    let grades = GradeRules {
        max: row.try_get(first)?,
        method: unword(row.try_get(first + 1)?)?,
        attempts: row.try_get::<_, Option<i64>>(first + 2)?.map(count).transpose()?,
    };
    Ok(Rules { grades, hidden: row.try_get(first + 3)? })
}

/// What an activity says about its grades.
pub(super) async fn rules(client: &impl GenericClient, activity: i64) -> Result<Rules, StoreError> {
    let sql = format!("SELECT {RULES} FROM activities a WHERE strand = $1 AND id = $2");
    let found = sql::row(client, &sql, &[&strand_of(activity), &activity]).await?;
    let row = found.ok_or_else(|| StoreError::Unreadable("an activity is missing".into()))?;
    read_rules(&row, 0)
}

/// The columns of [`read_standing`], of the standing `s`.
pub(super) const STANDING: &str = "s.max, s.count, s.sum, s.highest, s.first, s.first_sequence,
    s.latest, s.latest_sequence, s.override, s.comment, s.progress, s.last, s.ruling";

/// Reads the columns of [`STANDING`], from the column `first` on.
pub(super) fn read_standing(row: &Row, first: usize) -> Result<Standing, StoreError> {
    Ok(Standing {
        tally: tally(row, first)?,
        last: row.try_get(first + 11)?,
        ruling: row.try_get(first + 12)?,
    })
}

/// Reads the first eleven columns of [`STANDING`].
pub(super) fn tally(row: &Row, first: usize) -> Result<Tally, StoreError> {
    Ok(Tally {
        max: row.try_get(first)?,
        count: count(row.try_get(first + 1)?)?,
        sum: row.try_get(first + 2)?,
        highest: row.try_get(first + 3)?,
        first: (row.try_get(first + 4)?, row.try_get(first + 5)?),
        latest: (row.try_get(first + 6)?, row.try_get(first + 7)?),
        overridden: row.try_get(first + 8)?,
        comment: row.try_get(first + 9)?,
        progress: perhaps(row.try_get(first + 10)?)?,
    })
}

/// How a user stands in an activity.
pub(super) async fn standing(
    client: &impl GenericClient,
    activity: i64,
    user: i64,
) -> Result<Option<Standing>, StoreError> {
    let sql = format!(
        "SELECT {STANDING} FROM standings s WHERE strand = $1 AND activity = $2 AND user_id = $3"
    );
    let found = sql::row(client, &sql, &[&strand_of(activity), &activity, &user]).await?;
    found.map(|row| read_standing(&row, 0)).transpose()
}
