//! How attempts ended, and sending again.

use super::super::numbers::{host_of, strand_of, strands_of};
use super::super::sql;
use crate::store::{Attempt, Due, Lane, StoreError};
use deadpool_postgres::Transaction;
use latchkey_protocol::Millis;

/// Goes on behind an event, unless the lane was set back or another server was faster.
const DONE: &str = "UPDATE lanes SET sent = $4, attempts = 0, failing_since = NULL,
        due_at = CASE WHEN last > $4 THEN $6::BIGINT END, claimed_by = NULL, claimed_until = NULL
    WHERE strand = $1 AND webhook = $2 AND activity = $3 AND sent = $5";

const AGAIN: &str = "UPDATE lanes SET attempts = attempts + 1, due_at = $6,
        failing_since = coalesce(failing_since, $5), claimed_by = NULL, claimed_until = NULL
    WHERE strand = $1 AND webhook = $2 AND activity = $3 AND sent = $4";

/// The whole of [`crate::store::Outbox::settle`].
pub(super) async fn settle(
    tx: &Transaction<'_>,
    due: &Due,
    attempt: &Attempt,
    now: Millis,
) -> Result<(), StoreError> {
    let Due { lane: Lane { webhook, activity }, number, after, .. } = *due;
    let (host, strand) = (host_of(webhook), strand_of(activity));
    let done: sql::Values<'_> = &[&strand, &webhook, &activity, &number, &after, &now];
    match attempt {
        Attempt::Delivered => {
            sql::run(tx, DONE, done).await?;
            let well = "UPDATE webhooks SET failing_since = NULL, delivered_at = $3
                        WHERE host = $1 AND id = $2";
            sql::run(tx, well, &[&host, &webhook, &now]).await?;
        }
        Attempt::Failed { failure, retry_at } => {
            let again: sql::Values<'_> = &[&strand, &webhook, &activity, &after, &now, retry_at];
            sql::run(tx, AGAIN, again).await?;
            note(tx, webhook, failure, now).await?;
        }
        Attempt::GivenUp { failure } => {
            sql::run(tx, DONE, done).await?;
            note(tx, webhook, failure, now).await?;
        }
        Attempt::Disabled { failure } => {
            note(tx, webhook, failure, now).await?;
            // Its lanes keep what they know: nothing of a disabled webhook is due.
            let disable = "UPDATE webhooks SET disabled_at = $3, disabled_for = $4
                           WHERE host = $1 AND id = $2 AND disabled_at IS NULL";
            sql::run(tx, disable, &[&host, &webhook, &now, failure]).await?;
        }
    }
    Ok(())
}

/// A failure, for whoever looks at the webhook's state.
async fn note(
    tx: &Transaction<'_>,
    webhook: i64,
    failure: &str,
    now: Millis,
) -> Result<(), StoreError> {
    let note = "UPDATE webhooks SET failed_at = $3, failure = $4,
                       failing_since = coalesce(failing_since, $3)
                WHERE host = $1 AND id = $2";
    sql::run(tx, note, &[&host_of(webhook), &webhook, &now, &failure]).await.map(drop)
}

/// The whole of [`crate::store::Outbox::replay`].
pub(super) async fn replay(
    tx: &Transaction<'_>,
    host: i64,
    (webhook, name): (i64, &str),
    since: Millis,
    now: Millis,
) -> Result<u64, StoreError> {
    let insert = "INSERT INTO webhooks (host, id, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    sql::run(tx, insert, &[&host, &webhook, &name]).await?;
    let strands: &[i64] = &strands_of(host);
    let back = "UPDATE lanes l SET sent = f.first - 1
                FROM (SELECT strand, activity, min(number) AS first FROM outbox
                      WHERE strand = ANY($1) AND webhook = $2 AND at >= $3
                      GROUP BY strand, activity) f
                WHERE l.strand = f.strand AND l.webhook = $2 AND l.activity = f.activity
                  AND l.sent >= f.first";
    sql::run(tx, back, &[&strands, &webhook, &since]).await?;
    let at_once = "UPDATE lanes SET attempts = 0, failing_since = NULL, due_at = $3
                   WHERE strand = ANY($1) AND webhook = $2 AND last > sent";
    sql::run(tx, at_once, &[&strands, &webhook, &now]).await?;
    let enable = "UPDATE webhooks SET disabled_at = NULL, disabled_for = NULL, failing_since = NULL
                  WHERE host = $1 AND id = $2";
    sql::run(tx, enable, &[&host, &webhook]).await?;
    let waiting = "SELECT coalesce(sum(last - sent), 0)::BIGINT FROM lanes
                   WHERE strand = ANY($1) AND webhook = $2";
    let row = sql::row(tx, waiting, &[&strands, &webhook]).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get::<_, i64>(0))?.unsigned_abs())
}
