//! What is to be delivered, by this server.

use super::super::Shared;
use super::super::numbers::{host_of, strand_of, strands_of};
use super::super::sql;
use super::super::words::{count, sixteen};
use crate::store::{Due, Event, EventKind, Lane, StoreError};
use deadpool_postgres::{Client, Transaction};
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use std::collections::HashMap;
use tokio_postgres::Row;

/// How long a lane is held. The loop that delivers asks again every few seconds while something is under way, and so
/// holds it longer; the events of a server that dies wait for this, and so long may clocks differ without harm.
const LEASE: Millis = 15_000;
/// A lane that is held for less than this is held anew.
const RENEWED: Millis = 12_000;

/// The first events of lanes that are due and that no other server holds. `$2`: the strands; `$4`: now; `$5`: this
/// server.
const FIRST: &str = "SELECT o.event, u.key, a.key, o.submission, o.key, o.at,
        l.activity, o.number, l.sent, l.attempts, l.failing_since, l.claimed_by, l.claimed_until
    FROM lanes l
    JOIN outbox o ON o.strand = l.strand AND o.webhook = l.webhook AND o.activity = l.activity
                 AND o.number = l.sent + 1
    JOIN users u ON u.host = $1 AND u.id = o.user_id
    JOIN activities a ON a.strand = l.strand AND a.id = l.activity
    WHERE l.strand = ANY($2) AND l.webhook = $3 AND l.due_at <= $4
      AND (l.claimed_by IS NULL OR l.claimed_by = $5 OR l.claimed_until <= $4)
    ORDER BY l.due_at LIMIT $6";

/// Holds lanes that are still as they were found.
const CLAIM: &str = "UPDATE lanes l SET claimed_by = $5, claimed_until = $6
    FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[]) AS v (strand, activity, sent)
    WHERE l.strand = v.strand AND l.webhook = $7 AND l.activity = v.activity
      AND l.sent = v.sent AND l.due_at <= $4
      AND (l.claimed_by IS NULL OR l.claimed_by = $5 OR l.claimed_until <= $4)
    RETURNING l.activity, l.attempts, l.failing_since";

/// What is due and now this server's; `None` if nothing is to be sent to that webhook.
pub(super) async fn due(
    shared: &Shared,
    tx: &Transaction<'_>,
    webhook: i64,
    now: Millis,
    limit: u32,
) -> Result<Option<Vec<Due>>, StoreError> {
    let host = host_of(webhook);
    let enabled = "SELECT failing_since FROM webhooks
                   WHERE host = $1 AND id = $2 AND disabled_at IS NULL";
    let Some(row) = sql::row(tx, enabled, &[&host, &webhook]).await? else { return Ok(None) };
    let failing_since: Option<Millis> = row.try_get(0)?;
    let strands: &[i64] = &strands_of(host);
    let limit = i64::from(limit);
    let values: sql::Values<'_> = &[&host, &strands, &webhook, &now, &shared.server, &limit];
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for row in sql::rows(tx, FIRST, values).await? {
        let due = Due {
            event: event(&row)?,
            lane: Lane { webhook, activity: row.try_get(6)? },
            number: row.try_get(7)?,
            after: row.try_get(8)?,
            attempts: count(row.try_get(9)?)?,
            failing_since: row.try_get(10)?,
            webhook_failing_since: failing_since,
        };
        // What is held for a good while yet need not be written again.
        let holder: Option<i64> = row.try_get(11)?;
        let until: Option<Millis> = row.try_get(12)?;
        if holder != Some(shared.server) || until.is_none_or(|until| until < now + RENEWED) {
            open.push((due.lane.activity, due.after));
        }
        found.push(due);
    }
    if !open.is_empty() {
        claim(shared, tx, webhook, now, open, &mut found).await?;
    }
    Ok(Some(found))
}

/// Holds the open lanes, and drops what another server was faster to hold.
async fn claim(
    shared: &Shared,
    tx: &Transaction<'_>,
    webhook: i64,
    now: Millis,
    mut open: Vec<(i64, i64)>,
    found: &mut Vec<Due>,
) -> Result<(), StoreError> {
    // In the order in which everybody holds lanes.
    open.sort_unstable();
    let (activities, sent): (Vec<i64>, Vec<i64>) = open.into_iter().unzip();
    let strands: Vec<i64> = activities.iter().map(|activity| strand_of(*activity)).collect();
    let until = now + LEASE;
    let values: sql::Values<'_> =
        &[&strands, &activities, &sent, &now, &shared.server, &until, &webhook];
    let mut claimed = HashMap::<i64, (u32, Option<Millis>)>::new();
    for row in sql::rows(tx, CLAIM, values).await? {
        claimed.insert(row.try_get(0)?, (count(row.try_get(1)?)?, row.try_get(2)?));
    }
    found.retain_mut(|due| match claimed.get(&due.lane.activity) {
        Some((attempts, failing_since)) => {
            (due.attempts, due.failing_since) = (*attempts, *failing_since);
            true
        }
        None => activities.binary_search(&due.lane.activity).is_err(),
    });
    Ok(())
}

/// When something will be due that is not yet; with `held`, also when what another server holds may be taken.
pub(super) async fn next_at(
    shared: &Shared,
    client: &Client,
    webhook: i64,
    now: Millis,
    held: bool,
) -> Result<Option<Millis>, StoreError> {
    let strands: &[i64] = &strands_of(host_of(webhook));
    let later = "SELECT min(due_at) FROM lanes
                 WHERE strand = ANY($1) AND webhook = $2 AND due_at > $3";
    let row = sql::row(client, later, &[&strands, &webhook, &now]).await?;
    let mut next: Option<Millis> = row.map(|row| row.try_get(0)).transpose()?.flatten();
    if held {
        let released = "SELECT min(claimed_until) FROM lanes
                        WHERE strand = ANY($1) AND webhook = $2 AND due_at <= $3
                          AND claimed_by <> $4 AND claimed_until > $3";
        let values: sql::Values<'_> = &[&strands, &webhook, &now, &shared.server];
        let row = sql::row(client, released, values).await?;
        let released: Option<Millis> = row.map(|row| row.try_get(0)).transpose()?.flatten();
        next = next.into_iter().chain(released).min();
    }
    Ok(next)
}

fn event(row: &Row) -> Result<Event, StoreError> {
    let kind: &str = row.try_get(0)?;
    let kind = EventKind::parse(kind)
        .ok_or_else(|| StoreError::Unreadable(format!("an event of the unknown kind {kind}")))?;
    let key: Option<&[u8]> = row.try_get(4)?;
    Ok(Event {
        kind,
        user: row.try_get(1)?,
        activity: row.try_get(2)?,
        submission: row.try_get(3)?,
        key: key.map(|key| sixteen(key).map(KeyId)).transpose()?,
        at: row.try_get(5)?,
    })
}
