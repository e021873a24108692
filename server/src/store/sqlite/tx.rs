//! One transaction of the writer: what it has changed is seen by its later jobs at once and by
//! everybody else after the commit.

use super::Shared;
use super::cache::{Chain, Heads};
use crate::keys::decide::Row;
use crate::store::{EntryKind, KeyRecord, StoreError, Subject};
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// A transaction under way.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a Connection,
    pub(super) shared: &'a Shared,
    statements: RefCell<Vec<(&'static str, CachedStatement<'a>)>>,
    keys: HashMap<KeyId, KeyRecord>,
    heads: HashMap<Chain, i64>,
    hidden: HashMap<i64, bool>,
    last_seq: i64,
    /// Whether an event was written: whoever delivers is told after the commit.
    pub(super) posted: bool,
}

/// A line of the log to be written.
pub(super) struct Line<'a> {
    pub(super) subject: Subject,
    pub(super) kind: EntryKind,
    pub(super) at: Millis,
    pub(super) client_at: Option<Millis>,
    pub(super) event: Option<&'a str>,
    pub(super) data: Option<&'a str>,
}

const APPEND: &str = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a Connection, shared: &'a Shared, last_seq: i64) -> Self {
        let (statements, keys, heads, hidden) = Default::default();
        Self { connection, shared, statements, keys, heads, hidden, last_seq, posted: false }
    }

    /// Runs one of the few statements of most calls: looked up once in a transaction, however many calls it has.
    pub(super) fn statement<R>(
        &self,
        sql: &'static str,
        run: impl FnOnce(&mut CachedStatement<'a>) -> rusqlite::Result<R>,
    ) -> rusqlite::Result<R> {
        let mut known = self.statements.borrow_mut();
        let at = match known.iter().position(|(known, _)| std::ptr::eq(*known, sql)) {
            Some(at) => at,
            None => {
                known.push((sql, self.connection.prepare_cached(sql)?));
                known.len() - 1
            }
        };
        run(&mut known[at].1)
    }

    /// The key as this transaction sees it. The writer alone changes keys, so its memory is the row.
    pub(super) fn key(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreError> {
        match self.keys.get(id) {
            Some(record) => Ok(Some(record.clone())),
            None => match self.shared.keys.get(id) {
                Some(record) => Ok(Some(record)),
                None => self.key_afresh(id),
            },
        }
    }

    /// The key by its row, whatever memory says.
    pub(super) fn key_afresh(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreError> {
        read_key(self.connection, self.shared, id)
    }

    /// Remembers how a key stands, to be seen by others after the commit.
    pub(super) fn remember_key(&mut self, id: KeyId, record: KeyRecord) {
        self.keys.insert(id, record);
    }

    /// Hides or shows an activity, to be seen by others after the commit.
    pub(super) fn hide(&mut self, activity: i64, hidden: bool) {
        self.hidden.insert(activity, hidden);
    }

    /// Whether an activity is hidden as this transaction sees it.
    pub(super) fn is_hidden(&self, activity: i64) -> bool {
        match self.hidden.get(&activity) {
            Some(hidden) => *hidden,
            None => self.shared.hidden.contains(activity),
        }
    }

    /// The number of the newest change so far.
    pub(super) fn newest(&self) -> i64 {
        self.last_seq
    }

    /// The newest entry of a chain; 0 if it has none.
    pub(super) fn head(&self, chain: Chain) -> Result<i64, StoreError> {
        match self.heads.get(&chain) {
            Some(seq) => Ok(*seq),
            None => self.shared.heads.get(self.connection, chain),
        }
    }

    /// The next number of the sequence of all changes, for what is no line of the log.
    pub(super) fn number(&mut self) -> i64 {
        self.last_seq += 1;
        self.last_seq
    }

    /// Appends a line to the log and to its two chains; its number.
    pub(super) fn append(&mut self, line: &Line<'_>) -> Result<i64, StoreError> {
        let Subject { activity, user, attempt } = line.subject;
        let (whole, own) = ((activity, 0), (activity, user));
        let seq = self.number();
        let values = params![
            seq,
            activity,
            user,
            line.kind as i64,
            attempt,
            self.head(whole)?,
            self.head(own)?,
            line.at,
            line.client_at,
            line.event,
            line.data,
        ];
        self.statement(APPEND, |statement| statement.execute(values))?;
        self.heads.insert(whole, seq);
        self.heads.insert(own, seq);
        Ok(seq)
    }

    /// After the commit: lets everybody see it. The number of the newest entry.
    pub(super) fn publish(self, flush: &mut HeadFlush) -> i64 {
        for (id, record) in self.keys {
            self.shared.keys.put(id, record);
        }
        for (activity, hidden) in self.hidden {
            self.shared.hidden.set(activity, hidden);
        }
        if !self.heads.is_empty() {
            flush.dirty.extend(self.heads.keys());
            self.shared.heads.lock().extend(self.heads);
        }
        if self.posted {
            self.shared.subscribers.notify();
        }
        flush.newest = self.last_seq;
        self.last_seq
    }
}

/// Reads a key's row.
pub(super) fn read_key(
    connection: &Connection,
    shared: &Shared,
    id: &KeyId,
) -> Result<Option<KeyRecord>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT user, activity, attempt, \"grant\", rotating, ends_at, hi, branch,
                    prev_branch, advanced_at, revoked_at IS NOT NULL,
                    (SELECT name FROM hosts WHERE hosts.id = keys.host)
             FROM keys WHERE id = ?",
        )?
        .query_row([id.0], |row| {
            let subject =
                Subject { user: row.get(0)?, activity: row.get(1)?, attempt: row.get(2)? };
            let place = Row {
                rotating: row.get(4)?,
                key_exp: row.get(5)?,
                hi: row.get(6)?,
                branch: row.get(7)?,
                prev_branch: row.get(8)?,
                advanced_at: row.get(9)?,
                revoked: row.get(10)?,
            };
            let host = shared.hosts.share(row.get_ref(11)?.as_str()?);
            Ok((subject, row.get::<_, i64>(3)?, place, host))
        })
        .optional()?;
    let Some((subject, grant, row, host)) = found else {
        return Ok(None);
    };
    let grant = shared.grants.get(connection, grant)?;
    let hidden = shared.hidden.contains(subject.activity);
    Ok(Some(KeyRecord { host, subject, grant, row, hidden }))
}

/// Entries between two writings of the chains' beginnings. Each is written in the order of its
/// table, so the longer the interval, the more of them share a page; a start reads at most about this many
/// entries back.
const INTERVAL: i64 = 200_000;
/// Beginnings written in one transaction, so that no call waits long behind them.
const STEP: usize = 1_000;
/// Beginnings kept in memory after they are written.
const KEEP: usize = 400_000;

/// Writes the beginnings of the chains to their table, a little at a time.
#[derive(Debug, Default)]
pub(super) struct HeadFlush {
    dirty: HashSet<Chain>,
    newest: i64,
    written_upto: i64,
    /// What is being written, in reverse order, and the entry up to which it counts.
    round: Option<(Vec<Chain>, i64)>,
    /// How much of the round the transaction under way has written.
    stepped: Option<usize>,
}

impl HeadFlush {
    /// Reads what the table does not know yet from the log.
    pub(super) fn recover(
        connection: &Connection,
        heads: &Heads,
        newest: i64,
    ) -> Result<Self, StoreError> {
        let written_upto = connection.query_row(
            "SELECT value FROM marks WHERE name = 'heads_upto'",
            [],
            |row| row.get(0),
        )?;
        let mut known = heads.lock();
        let mut tail = connection
            .prepare("SELECT seq, activity, user FROM entries WHERE seq > ? ORDER BY seq")?;
        let mut rows = tail.query([written_upto])?;
        while let Some(row) = rows.next()? {
            let (seq, activity, user) = (row.get(0)?, row.get(1)?, row.get(2)?);
            known.insert((activity, 0), seq);
            known.insert((activity, user), seq);
        }
        let dirty = known.keys().copied().collect();
        Ok(Self { dirty, newest, written_upto, ..Self::default() })
    }

    /// Writes the next few, inside the transaction.
    pub(super) fn step(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        if self.round.is_none() {
            if self.newest - self.written_upto < INTERVAL {
                return Ok(());
            }
            let mut chains: Vec<_> = self.dirty.drain().collect();
            chains.sort_unstable_by(|a, b| b.cmp(a));
            self.round = Some((chains, self.newest));
        }
        let Some((chains, upto)) = &self.round else {
            return Ok(());
        };
        let count = chains.len().min(STEP);
        let mut write = tx.connection.prepare_cached(
            "INSERT INTO heads VALUES (?1, ?2, ?3)
             ON CONFLICT (activity, user) DO UPDATE SET seq = ?3",
        )?;
        for chain in chains.iter().rev().take(count) {
            write.execute((chain.0, chain.1, tx.head(*chain)?))?;
        }
        if count == chains.len() {
            tx.connection
                .prepare_cached("UPDATE marks SET value = ? WHERE name = 'heads_upto'")?
                .execute([upto])?;
        }
        self.stepped = Some(count);
        Ok(())
    }

    /// After the commit: the step is done.
    pub(super) fn settle(&mut self, heads: &Heads) {
        let (Some(count), Some((chains, upto))) = (self.stepped.take(), &mut self.round) else {
            return;
        };
        let left = chains.len() - count;
        let written = chains.split_off(left);
        let mut known = heads.lock();
        if known.len() > KEEP {
            for chain in written.iter().filter(|chain| !self.dirty.contains(chain)) {
                known.remove(chain);
            }
        }
        if left == 0 {
            self.written_upto = *upto;
            self.round = None;
        }
    }

    /// After a rollback: the step was not done and will be taken again.
    pub(super) fn forget_step(&mut self) {
        self.stepped = None;
    }
}
