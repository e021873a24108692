//! Sending what a batch has gathered: one statement over arrays for each table, all on their way at once.

mod grades;

use self::grades::{STANDINGS, SUBMISSIONS};
use super::Shared;
use super::batch::{Batch, Posted, Saved};
use super::group::Failure;
use super::numbers::{host_of, strand_of};
use super::sql::{self, Values};
use crate::store::StoreError;
use deadpool_postgres::GenericClient;
use std::collections::BTreeMap;

const COUNTERS: &str = "UPDATE counters c SET last = v.last
    FROM unnest($1::BIGINT[], $2::BIGINT[]) AS v (strand, last) WHERE c.strand = v.strand";

const MOVES: &str = "UPDATE keys k SET hi = v.hi, branch = v.branch, prev_branch = v.prev_branch,
        advanced_at = v.advanced_at
    FROM unnest($1::BIGINT[], $2::BYTEA[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[],
                $7::BIGINT[], $8::BIGINT[])
        AS v (strand, id, expected_hi, expected_branch, hi, branch, prev_branch, advanced_at)
    WHERE k.strand = v.strand AND k.id = v.id AND k.hi = v.expected_hi
      AND k.branch = v.expected_branch AND k.revoked_at IS NULL";

const PLACES: &str = "INSERT INTO key_places (id, activity, ends_at)
    SELECT * FROM unnest($1::BYTEA[], $2::BIGINT[], $3::BIGINT[])";

const KEYS: &str =
    "INSERT INTO keys (strand, activity, user_id, attempt, created_at, ends_at, advanced_at,
        hi, branch, prev_branch, rotating, id, grant_id, session)
    SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[],
        $6::BIGINT[], $7::BIGINT[], $8::BIGINT[], $9::BIGINT[], $10::BIGINT[], $11::BOOLEAN[],
        $12::BYTEA[], $13::BYTEA[], $14::TEXT[])";

const ENDED: &str = "UPDATE keys k SET revoked_at = v.at, revoked_for = v.why
    FROM unnest($1::BIGINT[], $2::BYTEA[], $3::BIGINT[], $4::TEXT[]) AS v (strand, id, at, why)
    WHERE k.strand = v.strand AND k.id = v.id AND k.revoked_at IS NULL";

const JOINS: &str = "INSERT INTO joins (strand, activity, user_id)
    SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[])";

const ENTRIES: &str = "INSERT INTO entries
        (strand, seq, activity, user_id, attempt, at, client_at, kind, event, data, score, max)
    SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[],
        $6::BIGINT[], $7::BIGINT[], $8::SMALLINT[], $9::TEXT[], $10::TEXT[],
        $11::DOUBLE PRECISION[], $12::DOUBLE PRECISION[])";

const OPERATIONS: &str = "INSERT INTO operations
        (strand, activity, user_id, at, id, function, content, outcome)
    SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::TEXT[],
        $6::TEXT[], $7::BYTEA[], $8::TEXT[])";

const RENEWED: &str = "INSERT INTO operations
        (strand, activity, user_id, at, id, function, content, outcome)
    SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::TEXT[],
        $6::TEXT[], $7::BYTEA[], $8::TEXT[])
    ON CONFLICT (strand, id, activity, user_id, function) DO UPDATE SET
        at = excluded.at, content = excluded.content, outcome = excluded.outcome";

const STATES: &str =
    "INSERT INTO states (strand, activity, user_id, attempt, version, at, name, value)
    SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[],
        $6::BIGINT[], $7::TEXT[], $8::TEXT[])
    ON CONFLICT (strand, activity, user_id, attempt, name) DO UPDATE SET
        version = excluded.version, at = excluded.at, value = excluded.value";

const LANES: &str = "INSERT INTO lanes (strand, webhook, activity, last, sent, due_at)
    SELECT strand, webhook, activity, last, 0, due_at
    FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[])
        AS v (strand, webhook, activity, last, due_at)
    ON CONFLICT (strand, webhook, activity) DO UPDATE
    SET last = lanes.last + excluded.last, due_at = coalesce(lanes.due_at, excluded.due_at)
    RETURNING webhook, activity, last";

const OUTBOX: &str = "INSERT INTO outbox
        (strand, webhook, activity, number, user_id, submission, at, key, event)
    SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[],
        $6::BIGINT[], $7::BIGINT[], $8::BYTEA[], $9::TEXT[])";

/// A commit that waits for standbys must not be cut short: the server would report success for what no standby has.
const COMMIT: &str = "SET LOCAL statement_timeout = 0; COMMIT";

impl Batch {
    /// Writes everything and commits, which is sent along with the last write where nothing is to be looked at in
    /// between; the webhooks to which events were posted.
    pub(super) async fn commit(
        self,
        client: &impl GenericClient,
        shared: &Shared,
    ) -> Result<Vec<i64>, Failure> {
        let looked_at = !(self.moves.is_empty() && self.events.is_empty());
        let unknown = |error: StoreError| Failure {
            unknown: !matches!(error, StoreError::Contended(_)),
            error,
        };
        if looked_at {
            let posted = self.flush(client, shared).await?;
            client.batch_execute(COMMIT).await.map_err(|error| unknown(error.into()))?;
            return Ok(posted);
        }
        self.prepare(client).await?;
        let (written, committed) = tokio::join!(
            biased;
            self.flush(client, shared),
            client.batch_execute(COMMIT),
        );
        // A statement that the database refused has undone the transaction; a connection that went has perhaps
        // committed it before.
        let posted = written.map_err(|error| Failure {
            unknown: matches!(error, StoreError::Unreachable(_)),
            error,
        })?;
        committed.map_err(|error| unknown(error.into()))?;
        Ok(posted)
    }

    /// What is sent at once must not wait to be prepared: the order would be another.
    async fn prepare(&self, client: &impl GenericClient) -> Result<(), StoreError> {
        for (sql, rows) in [
            (COUNTERS, self.counts.len()),
            (PLACES, self.keys.len()),
            (KEYS, self.keys.len()),
            (ENDED, self.ended.len()),
            (JOINS, self.joins.len()),
            (ENTRIES, self.entries.len()),
            (SUBMISSIONS, self.submissions.len()),
            (STANDINGS, self.standings.len()),
            (OPERATIONS, self.results.len()),
            (RENEWED, self.renewed.len()),
            (STATES, self.documents.len()),
        ] {
            if rows > 0 {
                client.prepare_cached(sql).await?;
            }
        }
        Ok(())
    }

    /// Writes everything; the webhooks to which events were posted, for [`Shared::notify`] after the commit.
    pub(super) async fn flush(
        self,
        transaction: &impl GenericClient,
        shared: &Shared,
    ) -> Result<Vec<i64>, StoreError> {
        tokio::try_join!(
            biased;
            self.flush_counters(transaction),
            self.flush_keys(transaction),
            self.flush_moves(transaction),
            self.flush_ended(transaction),
            self.flush_joins(transaction),
            self.flush_entries(transaction),
            self.flush_submissions(transaction),
            self.flush_standings(transaction),
            save(transaction, OPERATIONS, self.results.iter().collect()),
            save(transaction, RENEWED, self.renewed.values().collect()),
            self.flush_documents(transaction),
        )?;
        if !self.events.is_empty() {
            flush_events(transaction, shared, &self.events).await?;
        }
        Ok(self.events.iter().map(|event| event.webhook).collect())
    }

    async fn flush_counters(&self, transaction: &impl GenericClient) -> Result<(), StoreError> {
        let moved: Vec<_> = self.counts.iter().filter(|(_, (_, moved))| *moved).collect();
        let values: Values<'_> =
            &[&column(&moved, |(strand, _)| **strand), &column(&moved, |(_, (count, _))| *count)];
        many(transaction, COUNTERS, moved.len(), values).await.map(drop)
    }

    async fn flush_keys(&self, transaction: &impl GenericClient) -> Result<(), StoreError> {
        let keys = &self.keys;
        let branch = |branch: &[u8; 8]| i64::from_be_bytes(*branch);
        let places: Values<'_> = &[
            &column(keys, |key| &key.id.0[..]),
            &column(keys, |key| key.subject.activity),
            &column(keys, |key| key.row.key_exp),
        ];
        let values: Values<'_> = &[
            &column(keys, |key| strand_of(key.subject.activity)),
            &column(keys, |key| key.subject.activity),
            &column(keys, |key| key.subject.user),
            &column(keys, |key| i64::from(key.subject.attempt)),
            &column(keys, |key| key.at),
            &column(keys, |key| key.row.key_exp),
            &column(keys, |key| key.row.advanced_at),
            &column(keys, |key| i64::from(key.row.hi)),
            &column(keys, |key| branch(&key.row.branch)),
            &column(keys, |key| key.row.prev_branch.as_ref().map(branch)),
            &column(keys, |key| key.row.rotating),
            &column(keys, |key| &key.id.0[..]),
            &column(keys, |key| &key.grant_id[..]),
            &column(keys, |key| key.session.as_deref()),
        ];
        tokio::try_join!(
            many(transaction, PLACES, keys.len(), places),
            many(transaction, KEYS, keys.len(), values),
        )
        .map(drop)
    }

    async fn flush_ended(&self, transaction: &impl GenericClient) -> Result<(), StoreError> {
        let values: Values<'_> = &[
            &column(&self.ended, |ended| ended.strand),
            &column(&self.ended, |ended| &ended.id.0[..]),
            &column(&self.ended, |ended| ended.at),
            &column(&self.ended, |ended| ended.why),
        ];
        many(transaction, ENDED, self.ended.len(), values).await.map(drop)
    }

    async fn flush_joins(&self, transaction: &impl GenericClient) -> Result<(), StoreError> {
        let values: Values<'_> = &[
            &column(&self.joins, |(activity, _)| strand_of(*activity)),
            &column(&self.joins, |(activity, _)| *activity),
            &column(&self.joins, |(_, user)| *user),
        ];
        many(transaction, JOINS, self.joins.len(), values).await.map(drop)
    }

    async fn flush_moves(&self, transaction: &impl GenericClient) -> Result<(), StoreError> {
        let moves = &self.moves;
        let branch = |branch: &[u8; 8]| i64::from_be_bytes(*branch);
        let changed = many(
            transaction,
            MOVES,
            moves.len(),
            &[
                &column(moves, |(strand, ..)| *strand),
                &column(moves, |(_, id, _)| &id.0[..]),
                &column(moves, |(.., next)| i64::from(next.expected_hi)),
                &column(moves, |(.., next)| branch(&next.expected_branch)),
                &column(moves, |(.., next)| i64::from(next.hi)),
                &column(moves, |(.., next)| branch(&next.branch)),
                &column(moves, |(.., next)| next.prev_branch.as_ref().map(branch)),
                &column(moves, |(.., next)| next.advanced_at),
            ],
        )
        .await?;
        if changed != moves.len() as u64 {
            return Err(StoreError::Contended("a key changed meanwhile".into()));
        }
        Ok(())
    }

    async fn flush_entries(&self, transaction: &impl GenericClient) -> Result<(), StoreError> {
        let lines = &self.entries;
        let values: Values<'_> = &[
            &column(lines, |(_, line)| strand_of(line.subject.activity)),
            &column(lines, |(seq, _)| *seq),
            &column(lines, |(_, line)| line.subject.activity),
            &column(lines, |(_, line)| line.subject.user),
            &column(lines, |(_, line)| i64::from(line.subject.attempt)),
            &column(lines, |(_, line)| line.at),
            &column(lines, |(_, line)| line.client_at),
            &column(lines, |(_, line)| line.kind as i16),
            &column(lines, |(_, line)| line.event.as_deref()),
            &column(lines, |(_, line)| line.data.as_deref()),
            &column(lines, |(_, line)| line.score.map(|(score, _)| score)),
            &column(lines, |(_, line)| line.score.map(|(_, max)| max)),
        ];
        many(transaction, ENTRIES, lines.len(), values).await.map(drop)
    }

    async fn flush_documents(&self, transaction: &impl GenericClient) -> Result<(), StoreError> {
        let rows: Vec<_> = self.documents.iter().collect();
        let values: Values<'_> = &[
            &column(&rows, |(((activity, ..), _), _)| strand_of(*activity)),
            &column(&rows, |(((activity, ..), _), _)| *activity),
            &column(&rows, |(((_, user, _), _), _)| *user),
            &column(&rows, |(((.., attempt), _), _)| i64::from(*attempt)),
            &column(&rows, |(_, (document, _))| i64::from(document.version)),
            &column(&rows, |(_, (_, at))| *at),
            &column(&rows, |((_, name), _)| name.as_str()),
            &column(&rows, |(_, (document, _))| document.value.as_deref()),
        ];
        many(transaction, STATES, rows.len(), values).await.map(drop)
    }
}

async fn save(
    transaction: &impl GenericClient,
    sql: &str,
    saved: Vec<&Saved>,
) -> Result<(), StoreError> {
    let values: Values<'_> = &[
        &column(&saved, |saved| strand_of(saved.subject.activity)),
        &column(&saved, |saved| saved.subject.activity),
        &column(&saved, |saved| saved.subject.user),
        &column(&saved, |saved| saved.at),
        &column(&saved, |saved| saved.operation.id.as_str()),
        &column(&saved, |saved| saved.operation.function),
        &column(&saved, |saved| &saved.operation.content[..]),
        &column(&saved, |saved| saved.outcome.as_str()),
    ];
    many(transaction, sql, saved.len(), values).await.map(drop)
}

async fn flush_events(
    transaction: &impl GenericClient,
    shared: &Shared,
    events: &[Posted],
) -> Result<(), StoreError> {
    for event in events {
        let host = host_of(event.webhook);
        if !shared.webhooks.has(event.webhook) {
            // Once for each server that posts to it.
            let note = "INSERT INTO webhooks (host, id, name) VALUES ($1, $2, $3)
                        ON CONFLICT DO NOTHING";
            sql::run(transaction, note, &[&host, &event.webhook, &event.name]).await?;
        }
    }
    let mut lanes: BTreeMap<(i64, i64), (i64, i64)> = BTreeMap::new();
    for event in events {
        let key = (event.happened.subject.activity, event.webhook);
        lanes.entry(key).or_insert((0, event.happened.at)).0 += 1;
    }
    let lanes: Vec<_> = lanes.into_iter().collect();
    let rows = sql::rows(
        transaction,
        LANES,
        &[
            &column(&lanes, |((activity, _), _)| strand_of(*activity)),
            &column(&lanes, |((_, webhook), _)| *webhook),
            &column(&lanes, |((activity, _), _)| *activity),
            &column(&lanes, |(_, (count, _))| *count),
            &column(&lanes, |(_, (_, at))| *at),
        ],
    )
    .await?;
    let counts: BTreeMap<_, _> = lanes.into_iter().collect();
    let mut numbers = BTreeMap::new();
    for row in rows {
        let key: (i64, i64) = (row.try_get(1)?, row.try_get(0)?);
        let count = counts.get(&key).map_or(0, |(count, _)| *count);
        numbers.insert(key, row.try_get::<_, i64>(2)? - count);
    }
    let number = |event: &Posted| {
        let last = numbers.entry((event.happened.subject.activity, event.webhook)).or_default();
        *last += 1;
        *last
    };
    let number: Vec<i64> = events.iter().map(number).collect();
    let values: Values<'_> = &[
        &column(events, |event| strand_of(event.happened.subject.activity)),
        &column(events, |event| event.webhook),
        &column(events, |event| event.happened.subject.activity),
        &number,
        &column(events, |event| event.happened.subject.user),
        &column(events, |event| event.happened.submission),
        &column(events, |event| event.happened.at),
        &column(events, |event| event.happened.key.as_ref().map(|key| &key.0[..])),
        &column(events, |event| event.kind.as_str()),
    ];
    many(transaction, OUTBOX, events.len(), values).await.map(drop)
}

/// One column of many rows.
fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Runs a statement over arrays unless they are empty.
async fn many(
    transaction: &impl GenericClient,
    sql: &str,
    rows: usize,
    values: Values<'_>,
) -> Result<u64, StoreError> {
    if rows == 0 {
        return Ok(0);
    }
    sql::run(transaction, sql, values).await
}
