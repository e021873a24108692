//! What a group of calls has to know, read at once when its strands are held.

use super::batch::{Batch, HOLD};
use super::group::Job;
use super::known::{ROW, read_row};
use super::limits::LiveCounts;
use super::numbers::{host_of, strand_of};
use super::sql;
use super::states::{self, Documents};
use super::submissions::{RULES, Rules, STANDING, read_rules, read_standing};
use super::words::{count, sixteen};
use crate::keys::decide::Row;
use crate::store::standing::Standing;
use crate::store::{Action, Operation, StoreError, Subject};
use deadpool_postgres::GenericClient;
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::Instant;

/// Strands that nobody holds are had in less.
const WAITED: Duration = Duration::from_millis(1);

/// A key as its row says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) row: Row,
    pub(super) subject: Subject,
    pub(super) grant_id: [u8; 16],
}

/// What an earlier request with the same id left.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    pub(super) content: [u8; 16],
    pub(super) outcome: String,
    pub(super) at: Millis,
}

/// Under what a result is saved.
pub(super) type OperationKey = (i64, i64, &'static str, String);

/// What is known of everything that the calls of a group are about.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) keys: HashMap<KeyId, Stored>,
    pub(super) activities: HashMap<i64, (Rules, bool)>,
    pub(super) standings: HashMap<(i64, i64), Standing>,
    pub(super) operations: HashMap<OperationKey, Earlier>,
    pub(super) documents: Documents,
    pub(super) joined: HashSet<(i64, i64)>,
    pub(super) ended_sessions: HashSet<(i64, String)>,
    pub(super) deleted_users: HashSet<i64>,
    /// Live keys of the web sessions and users of first uses.
    pub(super) live: LiveCounts,
}

/// The key under which the result of an operation is saved.
pub(super) fn operation_key(subject: Subject, operation: &Operation) -> OperationKey {
    (subject.activity, subject.user, operation.function, operation.id.clone())
}

/// The function under whose name the ids of single entries are kept.
pub(super) const ENTRY: &str = "entry";

static KEYS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT k.id, k.activity, k.user_id, k.attempt, k.grant_id, {ROW} FROM keys k
         JOIN unnest($1::BIGINT[], $2::BYTEA[]) AS v (strand, id)
         ON k.strand = v.strand AND k.id = v.id ORDER BY k.strand, k.id FOR UPDATE OF k"
    )
});

static ACTIVITIES: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT a.id, a.deleted_at IS NOT NULL, {RULES} FROM activities a
         JOIN unnest($1::BIGINT[], $2::BIGINT[]) AS v (strand, id)
         ON a.strand = v.strand AND a.id = v.id"
    )
});

static STANDINGS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {STANDING}, s.activity, s.user_id FROM standings s
         JOIN unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[]) AS v (strand, activity, user_id)
         ON s.strand = v.strand AND s.activity = v.activity AND s.user_id = v.user_id"
    )
});

const JOINED: &str = "SELECT j.activity, j.user_id FROM joins j
    JOIN unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[]) AS v (strand, activity, user_id)
    ON j.strand = v.strand AND j.activity = v.activity AND j.user_id = v.user_id";

const OPERATIONS: &str =
    "SELECT o.activity, o.user_id, o.function, o.id, o.content, o.outcome, o.at FROM operations o
    JOIN unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[], $5::TEXT[])
        AS v (strand, activity, user_id, function, id)
    ON o.strand = v.strand AND o.id = v.id AND o.activity = v.activity
        AND o.user_id = v.user_id AND o.function = v.function";

/// What is held and known of a group.
pub(super) struct Held {
    pub(super) loaded: Loaded,
    pub(super) batch: Batch,
    /// Whether others were holding strands.
    pub(super) waited: bool,
}

/// Begins a transaction, holds these strands and reads what the calls of a group are about. All that is asked is sent at
/// once: the database does one after the other, so that what is read is read when the strands are held. With `more`,
/// which tells what else goes along by then, nothing is read before they are.
pub(super) async fn hold(
    client: &impl GenericClient,
    jobs: &mut Vec<Job>,
    strands: &BTreeSet<i64>,
    more: Option<impl FnOnce(&[Job]) -> Vec<Job>>,
) -> Result<Held, StoreError> {
    prepare(client).await?;
    let mut first = Loaded::default();
    let starts_keys = jobs.iter().any(|job| job.start().is_some());
    if starts_keys {
        begin(client).await?;
        starts(client, jobs, &mut first).await?;
    }
    let strands: Vec<i64> = strands.iter().copied().collect();
    let now = jobs.iter().map(|job| job.call.now).max().unwrap_or_default();
    let holding = async {
        let (begun, batch) = tokio::try_join!(
            biased;
            async {
                if !starts_keys {
                    begin(client).await?;
                }
                Ok(Instant::now())
            },
            Batch::hold(client, &strands, now),
        )?;
        Ok((batch, begun.elapsed() > WAITED))
    };
    let ((batch, waited), loaded) = match more {
        None => tokio::try_join!(biased; holding, read(client, jobs, first))?,
        Some(more) => {
            let held = holding.await?;
            let more = more(jobs);
            jobs.extend(more);
            (held, read(client, jobs, first).await?)
        }
    };
    Ok(Held { loaded, batch, waited })
}

/// What calls are about whose strands are held, with what is known of them before.
async fn read(
    client: &impl GenericClient,
    jobs: &[Job],
    first: Loaded,
) -> Result<Loaded, StoreError> {
    let (keys, activities, standings, operations, joined, documents) = tokio::try_join!(
        biased;
        keys(client, jobs),
        activities(client, jobs),
        standings(client, jobs),
        operations(client, jobs),
        joined(client, jobs),
        states::load(client, jobs),
    )?;
    Ok(Loaded { keys, activities, standings, operations, joined, documents, ..first })
}

async fn begin(client: &impl GenericClient) -> Result<(), StoreError> {
    Ok(client.batch_execute("BEGIN").await?)
}

/// What is sent at once must not wait to be prepared: the order would be another.
async fn prepare(client: &impl GenericClient) -> Result<(), StoreError> {
    for sql in [HOLD, &*KEYS, &*ACTIVITIES, &*STANDINGS, JOINED, OPERATIONS, states::LOAD] {
        client.prepare_cached(sql).await?;
    }
    Ok(())
}

/// First uses hold the rows of their web session and user until the commit: whoever ends those changes them
/// before looking for keys, and other first uses wait until these can be counted.
async fn starts(
    tx: &impl GenericClient,
    jobs: &[Job],
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let starting: Vec<&Job> = jobs.iter().filter(|job| job.start().is_some()).collect();
    if starting.is_empty() {
        return Ok(());
    }
    let sessions: BTreeSet<(i64, &str, i64)> = starting
        .iter()
        .filter_map(|job| {
            let session = job.start()?.session.as_deref()?;
            Some((host_of(job.facts.subject.activity), session, job.call.now))
        })
        .collect();
    // The rows in one order, so that two servers do not wait for each other.
    let mut one_each: Vec<(i64, &str, i64)> = sessions.into_iter().collect();
    one_each.dedup_by_key(|(host, session, _)| (*host, *session));
    if !one_each.is_empty() {
        let hosts: Vec<i64> = one_each.iter().map(|(host, ..)| *host).collect();
        let names: Vec<&str> = one_each.iter().map(|(_, session, _)| *session).collect();
        let times: Vec<i64> = one_each.iter().map(|(.., now)| *now).collect();
        let insert = "INSERT INTO host_sessions (host, session, seen_at)
            SELECT * FROM unnest($1::BIGINT[], $2::TEXT[], $3::BIGINT[])
            ON CONFLICT (host, session) DO UPDATE
            SET seen_at = greatest(host_sessions.seen_at, excluded.seen_at)
            RETURNING host, session, ended_at IS NOT NULL";
        for row in sql::rows(tx, insert, &[&hosts, &names, &times]).await? {
            if row.try_get(2)? {
                loaded.ended_sessions.insert((row.try_get(0)?, row.try_get(1)?));
            }
        }
    }
    let users: BTreeSet<i64> = starting.iter().map(|job| job.facts.subject.user).collect();
    let users: Vec<i64> = users.into_iter().collect();
    let hosts: Vec<i64> = users.iter().map(|user| host_of(*user)).collect();
    let hold = "SELECT u.id, u.deleted_at IS NOT NULL FROM users u
        JOIN unnest($1::BIGINT[], $2::BIGINT[]) AS v (host, id) ON u.host = v.host AND u.id = v.id
        ORDER BY u.host, u.id FOR UPDATE OF u";
    for row in sql::rows(tx, hold, &[&hosts, &users]).await? {
        if row.try_get(1)? {
            loaded.deleted_users.insert(row.try_get(0)?);
        }
    }
    // Nobody else starts a key of these while their rows are held: what is counted now stays true.
    loaded.live = LiveCounts::read(tx, &starting).await?;
    Ok(())
}

async fn keys(tx: &impl GenericClient, jobs: &[Job]) -> Result<HashMap<KeyId, Stored>, StoreError> {
    let strands: Vec<i64> = jobs.iter().map(|job| job.facts.strand()).collect();
    let ids: Vec<&[u8]> = jobs.iter().map(|job| &job.call.id.0[..]).collect();
    let mut found = HashMap::new();
    for row in sql::rows(tx, &KEYS, &[&strands, &ids]).await? {
        let subject = Subject {
            activity: row.try_get(1)?,
            user: row.try_get(2)?,
            attempt: count(row.try_get(3)?)?,
        };
        let grant_id = sixteen(row.try_get(4)?)?;
        let stored = Stored { row: read_row(&row, 5)?, subject, grant_id };
        found.insert(KeyId(sixteen(row.try_get(0)?)?), stored);
    }
    Ok(found)
}

async fn activities(
    tx: &impl GenericClient,
    jobs: &[Job],
) -> Result<HashMap<i64, (Rules, bool)>, StoreError> {
    let ids: BTreeSet<i64> = jobs.iter().map(|job| job.facts.subject.activity).collect();
    let ids: Vec<i64> = ids.into_iter().collect();
    let strands: Vec<i64> = ids.iter().map(|id| strand_of(*id)).collect();
    let mut found = HashMap::new();
    for row in sql::rows(tx, &ACTIVITIES, &[&strands, &ids]).await? {
        found.insert(row.try_get(0)?, (read_rules(&row, 2)?, row.try_get(1)?));
    }
    Ok(found)
}

async fn standings(
    tx: &impl GenericClient,
    jobs: &[Job],
) -> Result<HashMap<(i64, i64), Standing>, StoreError> {
    let submits =
        |job: &&Job| job.call.work.iter().any(|work| matches!(work.action, Action::Submit(_)));
    let wanted: BTreeSet<(i64, i64)> = jobs.iter().filter(submits).map(Job::place).collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let (strands, activities, users) = places(&wanted);
    let mut found = HashMap::new();
    for row in sql::rows(tx, &STANDINGS, &[&strands, &activities, &users]).await? {
        found.insert((row.try_get(13)?, row.try_get(14)?), read_standing(&row, 0)?);
    }
    Ok(found)
}

async fn joined(tx: &impl GenericClient, jobs: &[Job]) -> Result<HashSet<(i64, i64)>, StoreError> {
    let starting = jobs.iter().filter(|job| job.start().is_some());
    let wanted: BTreeSet<(i64, i64)> = starting.map(Job::place).collect();
    if wanted.is_empty() {
        return Ok(HashSet::new());
    }
    let (strands, activities, users) = places(&wanted);
    let rows = sql::rows(tx, JOINED, &[&strands, &activities, &users]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

fn places(wanted: &BTreeSet<(i64, i64)>) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let strands = wanted.iter().map(|(activity, _)| strand_of(*activity)).collect();
    let activities = wanted.iter().map(|(activity, _)| *activity).collect();
    (strands, activities, wanted.iter().map(|(_, user)| *user).collect())
}

async fn operations(
    tx: &impl GenericClient,
    jobs: &[Job],
) -> Result<HashMap<OperationKey, Earlier>, StoreError> {
    let mut wanted: Vec<(i64, i64, i64, &'static str, &str)> = Vec::new();
    for job in jobs {
        let (activity, user) = job.place();
        let mut want = |function, id| {
            wanted.push((strand_of(activity), activity, user, function, id));
        };
        for work in &job.call.work {
            if let Some(operation) = &work.operation {
                want(operation.function, operation.id.as_str());
            }
            if let Action::Append(entries) = &work.action {
                let ids = entries.iter().filter_map(|entry| entry.id.as_ref());
                ids.for_each(|(id, _)| want(ENTRY, id.as_str()));
            }
        }
    }
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let values: sql::Values<'_> = &[
        &wanted.iter().map(|row| row.0).collect::<Vec<_>>(),
        &wanted.iter().map(|row| row.1).collect::<Vec<_>>(),
        &wanted.iter().map(|row| row.2).collect::<Vec<_>>(),
        &wanted.iter().map(|row| row.3).collect::<Vec<_>>(),
        &wanted.iter().map(|row| row.4).collect::<Vec<_>>(),
    ];
    let functions: BTreeSet<&'static str> = wanted.iter().map(|row| row.3).collect();
    let mut found = HashMap::new();
    for row in sql::rows(tx, OPERATIONS, values).await? {
        let name: &str = row.try_get(2)?;
        let Some(function) = functions.get(name) else { continue };
        let key = (row.try_get(0)?, row.try_get(1)?, *function, row.try_get(3)?);
        let (content, outcome) = (sixteen(row.try_get(4)?)?, row.try_get(5)?);
        found.insert(key, Earlier { content, outcome, at: row.try_get(6)? });
    }
    Ok(found)
}
