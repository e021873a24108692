//! The log: appending to its chains and walking them.

use super::cache::Chain;
use super::tx::{Line, Tx};
use super::{operations, states};
use crate::store::{
    Done, EntryKind, EntryRow, KeyRecord, NewEntry, Operation, Read, RecentPage, RecentQuery,
    Rejected, StoreError, Subject,
};
use latchkey_protocol::Millis;
use latchkey_protocol::launch::RecentScope;
use rusqlite::{Connection, OptionalExtension, Row};

/// Entries looked at for one page at the most: a rare kind in a long log gives a short page and a
/// cursor, not a long wait.
const MAX_STEPS: usize = 2_000;

/// Writes entries; the number of each, which for a repeated id is that of the first.
pub(super) fn append(
    tx: &mut Tx<'_>,
    key: &KeyRecord,
    new: &[NewEntry],
    now: Millis,
) -> Result<Vec<i64>, Rejected> {
    let (seqs, fresh) = number(tx, key.subject, new, now)?;
    for at in fresh {
        let entry = &new[at];
        let seq = tx.append(&Line {
            subject: key.subject,
            kind: EntryKind::Log,
            at: now,
            client_at: entry.client_at,
            event: Some(&entry.event),
            data: entry.data.as_deref(),
        })?;
        debug_assert_eq!(seq, seqs[at], "entries take the numbers that were told");
    }
    Ok(seqs)
}

/// The number of each entry, and which of them are new. All ids are held against the store before any line
/// is written, so that a refusal leaves no part of the call behind.
fn number(
    tx: &Tx<'_>,
    subject: Subject,
    new: &[NewEntry],
    now: Millis,
) -> Result<(Vec<i64>, Vec<usize>), Rejected> {
    let (mut seqs, mut fresh) = (Vec::with_capacity(new.len()), Vec::with_capacity(new.len()));
    let mut reserved: Vec<Operation> = Vec::new();
    for (at, entry) in new.iter().enumerate() {
        let next = tx.newest() + 1 + fresh.len() as i64;
        if let Some((id, content)) = entry.id.clone() {
            let operation = Operation { id, function: "entry", content, within: None };
            match operations::reserve(tx, subject, &operation, &next.to_string(), now)? {
                None => reserved.push(operation),
                Some(saved) if saved.content == operation.content => {
                    let seq = saved.outcome.parse();
                    seqs.push(seq.map_err(|_| StoreError::Unreadable("an entry's number".into()))?);
                    continue;
                }
                Some(_) => {
                    for operation in &reserved {
                        operations::release(tx, subject, operation)?;
                    }
                    return Err(Rejected::IdReused(Some(at)));
                }
            }
        }
        seqs.push(next);
        fresh.push(at);
    }
    Ok((seqs, fresh))
}

/// Reads for a key; `head` tells where a chain begins.
pub(super) fn read(
    connection: &Connection,
    subject: Subject,
    read: &Read,
    head: impl Fn(Chain) -> Result<i64, StoreError>,
) -> Result<Done, Rejected> {
    match read {
        Read::Recent(query) => recent(connection, subject, query, head).map(Done::Recent),
        Read::State(name) => Ok(Done::State(states::read(connection, subject, name)?)),
        Read::Entry { seq, scope } => {
            let found = entry(connection, *seq)?;
            let row = found.filter(|found| in_scope(found, subject, *scope));
            row.map(|found| Done::Entry(found.row)).ok_or(Rejected::NotFound)
        }
    }
}

fn recent(
    connection: &Connection,
    subject: Subject,
    query: &RecentQuery,
    head: impl Fn(Chain) -> Result<i64, StoreError>,
) -> Result<RecentPage, Rejected> {
    let own = query.scope == RecentScope::Own;
    let chain = (subject.activity, if own { subject.user } else { 0 });
    let known = |seq, name| {
        let found = entry(connection, seq)?;
        found.filter(|found| in_scope(found, subject, query.scope)).ok_or(Rejected::BadCursor(name))
    };
    let mut seq = match query.before {
        Some(before) => known(before, "before")?.previous(own),
        None => head(chain)?,
    };
    let oldest = match query.since {
        Some(since) => known(since, "since")?.row.seq,
        None => 0,
    };
    let mut page = RecentPage::default();
    let mut last = None;
    for _ in 0..MAX_STEPS {
        if seq <= oldest {
            return Ok(page);
        }
        if page.entries.len() == query.limit as usize {
            break;
        }
        let Some(found) = entry(connection, seq)? else {
            return Err(StoreError::Unreadable(format!("entry {seq} is missing")).into());
        };
        last = Some(seq);
        seq = found.previous(own);
        if query.kinds.is_empty() || query.kinds.contains(&found.row.kind) {
            page.entries.push(found.row);
        }
    }
    page.next = (seq > oldest).then_some(last).flatten();
    Ok(page)
}

/// An entry with what places it.
struct Found {
    row: EntryRow,
    activity: i64,
    previous: i64,
    previous_own: i64,
}

impl Found {
    fn previous(&self, own: bool) -> i64 {
        if own { self.previous_own } else { self.previous }
    }
}

fn in_scope(found: &Found, subject: Subject, scope: RecentScope) -> bool {
    found.activity == subject.activity
        && (scope == RecentScope::Activity || found.row.user == subject.user)
}

fn entry(connection: &Connection, seq: i64) -> Result<Option<Found>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT e.activity, e.user, e.kind, e.previous, e.previous_own,
                    coalesce(e.client_at, e.at), e.event, e.data, u.key, u.name
             FROM entries e JOIN users u ON u.id = e.user WHERE e.seq = ?",
        )?
        .query_row([seq], |row| {
            Ok(Found {
                activity: row.get(0)?,
                previous: row.get(3)?,
                previous_own: row.get(4)?,
                row: EntryRow {
                    seq,
                    kind: kind(row, 2)?,
                    event: row.get(6)?,
                    data: row.get(7)?,
                    score: None,
                    at: row.get(5)?,
                    user: row.get(1)?,
                    user_key: row.get(8)?,
                    user_name: row.get(9)?,
                },
            })
        })
        .optional()?;
    let Some(mut found) = found else {
        return Ok(None);
    };
    if found.row.kind == EntryKind::Grade {
        found.row.score = connection
            .prepare_cached("SELECT score, max FROM submissions WHERE seq = ?")?
            .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
    }
    Ok(Some(found))
}

pub(super) fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<EntryKind> {
    match row.get(column)? {
        0 => Ok(EntryKind::Log),
        1 => Ok(EntryKind::Grade),
        2 => Ok(EntryKind::Join),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
    }
}
