//! Reading the log: the newest of an activity, by index.

use super::Shared;
use super::numbers::{host_of, strand_of};
use super::sql;
use super::states;
use super::words::kind;
use crate::store::{
    Done, EntryKind, EntryRow, Read, RecentPage, RecentQuery, Rejected, StoreError, Subject,
};
use deadpool_postgres::Client;
use latchkey_protocol::launch::RecentScope;
use std::collections::HashMap;
use tokio_postgres::Row;

/// Entries looked at for one page at the most: a rare kind in a long log gives a short page and a
/// cursor, not a long wait.
const MAX_STEPS: usize = 2_000;
/// Entries read at once where only some kinds are wanted.
const STRIDE: usize = 500;

const COLUMNS: &str = "seq, kind, coalesce(client_at, at), user_id, event, data, score, max";

impl Shared {
    /// Reads for a key. `upto`: nothing newer than this entry.
    pub(super) async fn read(
        &self,
        subject: Subject,
        read: &Read,
        upto: i64,
    ) -> Result<Done, Rejected> {
        let client = self.client().await?;
        match read {
            Read::Recent(query) => Ok(Done::Recent(recent(&client, subject, query, upto).await?)),
            Read::State(name) => Ok(Done::State(states::read(&client, subject, name).await?)),
            Read::Entry { seq, scope } => {
                let found = entry(&client, subject, *seq, *scope).await?;
                let mut found = vec![found.ok_or(Rejected::NotFound)?];
                complete(&client, subject, &mut found).await?;
                found.pop().map(Done::Entry).ok_or(Rejected::NotFound)
            }
        }
    }
}

async fn recent(
    client: &Client,
    subject: Subject,
    query: &RecentQuery,
    upto: i64,
) -> Result<RecentPage, Rejected> {
    let mut below = upto.saturating_add(1);
    if let Some(before) = query.before {
        let known = entry(client, subject, before, query.scope).await?;
        below = below.min(known.ok_or(Rejected::BadCursor("before"))?.seq);
    }
    let oldest = match query.since {
        Some(since) => {
            let known = entry(client, subject, since, query.scope).await?;
            known.ok_or(Rejected::BadCursor("since"))?.seq
        }
        None => 0,
    };
    let limit = query.limit as usize;
    let stride = if query.kinds.is_empty() { limit + 1 } else { STRIDE.max(limit + 1) };
    let (mut page, mut steps, mut last) = (RecentPage::default(), 0, None);
    'walk: while steps < MAX_STEPS {
        let rows = stretch(client, subject, query, (oldest, below), stride).await?;
        for row in &rows {
            // The one after the last tells only that there is one.
            if page.entries.len() == limit || steps == MAX_STEPS {
                page.next = last;
                break 'walk;
            }
            let found = read_entry(row)?;
            steps += 1;
            last = Some(found.seq);
            below = found.seq;
            if query.kinds.is_empty() || query.kinds.contains(&found.kind) {
                page.entries.push(found);
            }
        }
        if rows.len() < stride {
            last = None;
            break;
        }
    }
    if steps == MAX_STEPS && page.next.is_none() && last.is_some() {
        let more = stretch(client, subject, query, (oldest, below), 1).await?;
        page.next = last.filter(|_| !more.is_empty());
    }
    complete(client, subject, &mut page.entries).await?;
    Ok(page)
}

/// The next entries of an activity, or of a user in it, newest first: between `oldest` and `below`.
async fn stretch(
    client: &Client,
    subject: Subject,
    query: &RecentQuery,
    (oldest, below): (i64, i64),
    count: usize,
) -> Result<Vec<Row>, StoreError> {
    let strand = strand_of(subject.activity);
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let whole = format!(
        "SELECT {COLUMNS} FROM entries WHERE strand = $1 AND activity = $2 AND seq > $3 AND seq < $4
         ORDER BY seq DESC LIMIT $5"
    );
    let own = format!(
        "SELECT {COLUMNS} FROM entries WHERE strand = $1 AND activity = $2 AND user_id = $6
         AND seq > $3 AND seq < $4 ORDER BY seq DESC LIMIT $5"
    );
    match query.scope {
        RecentScope::Activity => {
            sql::rows(client, &whole, &[&strand, &subject.activity, &oldest, &below, &count]).await
        }
        RecentScope::Own => {
            let values: sql::Values<'_> =
                &[&strand, &subject.activity, &oldest, &below, &count, &subject.user];
            sql::rows(client, &own, values).await
        }
    }
}

/// An entry of the key's activity, and in its scope.
async fn entry(
    client: &Client,
    subject: Subject,
    seq: i64,
    scope: RecentScope,
) -> Result<Option<EntryRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS}, activity FROM entries WHERE strand = $1 AND seq = $2");
    let found = sql::row(client, &sql, &[&strand_of(subject.activity), &seq]).await?;
    let Some(row) = found else { return Ok(None) };
    let found = read_entry(&row)?;
    let own = scope == RecentScope::Activity || found.user == subject.user;
    Ok((row.try_get::<_, i64>(8)? == subject.activity && own).then_some(found))
}

/// Reads [`COLUMNS`]; names, and scores that it does not tell, are filled in by [`complete`].
fn read_entry(row: &Row) -> Result<EntryRow, StoreError> {
    Ok(EntryRow {
        seq: row.try_get(0)?,
        kind: kind(row.try_get(1)?)?,
        at: row.try_get(2)?,
        user: row.try_get(3)?,
        event: row.try_get(4)?,
        data: row.try_get(5)?,
        score: row.try_get::<_, Option<f64>>(6)?.zip(row.try_get(7)?),
        user_key: String::new(),
        user_name: None,
    })
}

/// Names of users: of another table, and of another shard, so asked for by themselves. Scores of grades that were written
/// before entries told them, or came from another database.
async fn complete(
    client: &Client,
    subject: Subject,
    entries: &mut [EntryRow],
) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let untold = |entry: &&EntryRow| entry.kind == EntryKind::Grade && entry.score.is_none();
    let untold: Vec<i64> = entries.iter().filter(untold).map(|entry| entry.seq).collect();
    let mut users: Vec<i64> = entries.iter().map(|entry| entry.user).collect();
    users.sort_unstable();
    users.dedup();
    let host = host_of(subject.activity);
    let (scores, names) = tokio::try_join!(
        async {
            if untold.is_empty() {
                return Ok(Vec::new());
            }
            let sql = "SELECT seq, score, max FROM submissions WHERE strand = $1 AND seq = ANY($2)";
            sql::rows(client, sql, &[&strand_of(subject.activity), &untold]).await
        },
        async {
            let sql = "SELECT id, key, name FROM users WHERE host = $1 AND id = ANY($2)";
            sql::rows(client, sql, &[&host, &users]).await
        },
    )?;
    let mut by_seq = HashMap::new();
    for row in scores {
        by_seq.insert(row.try_get::<_, i64>(0)?, (row.try_get(1)?, row.try_get(2)?));
    }
    let mut by_user: HashMap<i64, (String, Option<String>)> = HashMap::new();
    for row in names {
        by_user.insert(row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?));
    }
    for entry in entries {
        entry.score = entry.score.or_else(|| by_seq.get(&entry.seq).copied());
        let user = by_user.get(&entry.user).cloned();
        (entry.user_key, entry.user_name) =
            user.ok_or_else(|| StoreError::Unreadable("a user is missing".into()))?;
    }
    Ok(())
}
