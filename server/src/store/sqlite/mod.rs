//! The store on one SQLite file: one thread that writes, with group commit, and a few that read.

pub mod backup;
mod cache;
mod calls;
mod directory;
mod entries;
mod feed;
mod held;
mod live;
mod meter;
pub(in crate::store) mod moving;
mod nonces;
mod operations;
mod outbox;
mod reader;
mod records;
mod rulings;
mod schema;
mod states;
mod submissions;
mod sweep;
mod tx;
mod writer;

use crate::store::subscribers::Subscribers;
use crate::store::{
    Done, Ended, EntryKind, KeyCall, KeyRecord, Keys, Meter, Nonces, Owner, Read, Records,
    Rejected, StandingRow, StoreError, Subject, SubmissionRow, Verdict, WebSessions,
};
use async_trait::async_trait;
use cache::{Grants, Heads, HiddenActivities, HostNames, KeyCache};
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use live::LiveKeys;
use reader::Readers;
use rusqlite::{OptionalExtension, params};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use writer::Writer;

/// What the writer and the readers share.
#[derive(Debug)]
pub(super) struct Shared {
    keys: KeyCache,
    grants: Grants,
    heads: Heads,
    hidden: HiddenActivities,
    hosts: HostNames,
    live: LiveKeys,
    subscribers: Subscribers,
    meter: Meter,
}

/// The store on one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    writer: Writer,
    readers: Readers,
    swept_to: Arc<Mutex<sweep::Place>>,
}

impl SqliteStore {
    /// Opens the file, made if it is not there, and brings it up to date. `group`: most jobs of one
    /// commit; 1 gives each a commit of its own.
    ///
    /// # Errors
    /// When the file cannot be opened, or was written by a newer version.
    pub fn open(path: &Path, group: usize) -> Result<(Self, Ended), StoreError> {
        let shared = Arc::new(Shared {
            keys: KeyCache::new(),
            grants: Grants::default(),
            heads: Heads::default(),
            hidden: HiddenActivities::default(),
            hosts: HostNames::default(),
            live: LiveKeys::default(),
            subscribers: Subscribers::default(),
            meter: Meter::default(),
        });
        let connection = schema::open_writer(path)?;
        shared.hidden.load(&connection)?;
        let (readers, readers_closed) = Readers::start(path)?;
        let (writer, ended) =
            Writer::start(connection, Arc::clone(&shared), group, readers_closed)?;
        Ok((Self { shared, writer, readers, swept_to: Arc::default() }, ended))
    }
}

#[async_trait]
impl Keys for SqliteStore {
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        if let Some(mut record) = self.shared.keys.get(&id) {
            record.hidden = self.shared.hidden.contains(record.subject.activity);
            return Ok(Some(record));
        }
        let shared = Arc::clone(&self.shared);
        // Not put into memory here: only the writer knows whether it is about to change.
        self.readers.run(move |connection| tx::read_key(connection, &shared, &id)).await
    }

    async fn call(&self, call: KeyCall) -> Result<Verdict, StoreError> {
        self.writer.run(move |tx| calls::call(tx, &call)).await
    }

    async fn read(&self, subject: Subject, read: Read) -> Result<Done, Rejected> {
        let shared = Arc::clone(&self.shared);
        self.readers
            .run(move |connection| Ok(calls::read(&shared, connection, subject, &read)))
            .await?
    }

    async fn revoke(
        &self,
        host: &str,
        id: KeyId,
        why: &str,
        now: Millis,
    ) -> Result<bool, StoreError> {
        let (host, why) = (host.to_owned(), why.to_owned());
        self.writer
            .run(move |tx| {
                let own = tx
                    .connection
                    .prepare_cached(
                        "SELECT 1 FROM keys k JOIN hosts h ON h.id = k.host
                         WHERE k.id = ? AND h.name = ?",
                    )?
                    .exists(params![id.0, host])?;
                if own { calls::revoke(tx, id, &why, now) } else { Ok(false) }
            })
            .await
    }

    async fn owner(&self, id: KeyId) -> Result<Option<Owner>, StoreError> {
        self.readers.run(move |connection| records::owner(connection, id)).await
    }

    async fn end_session(&self, host: &str, session: &str, now: Millis) -> Result<u64, StoreError> {
        let (host, session) = (host.to_owned(), session.to_owned());
        self.writer.run(move |tx| end_session(tx, &host, &session, now)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // The writer is the part that can be stuck; an empty transaction shows that it is not.
        self.writer.run(|_| Ok(())).await
    }
}

fn end_session(
    tx: &mut tx::Tx<'_>,
    host: &str,
    session: &str,
    now: Millis,
) -> Result<u64, StoreError> {
    let host = directory::host(tx, host)?;
    tx.connection
        .prepare_cached("INSERT OR IGNORE INTO ended_sessions VALUES (?, ?, ?)")?
        .execute(params![host, session, now])?;
    let live: Vec<[u8; 16]> = tx
        .connection
        .prepare_cached(
            "SELECT id FROM keys
             WHERE host = ? AND session = ? AND revoked_at IS NULL AND ends_at > ?",
        )?
        .query_map(params![host, session, now], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &live {
        calls::revoke(tx, KeyId(*id), "session ended", now)?;
    }
    Ok(live.len() as u64)
}

#[async_trait]
impl Nonces for SqliteStore {
    async fn spend_nonce(
        &self,
        host: &str,
        nonce: &str,
        until: Millis,
        now: Millis,
    ) -> Result<bool, StoreError> {
        let (host, nonce) = (host.to_owned(), nonce.to_owned());
        self.writer.run(move |tx| nonces::spend(tx, &host, &nonce, until, now)).await
    }
}

#[async_trait]
impl Records for SqliteStore {
    async fn standings(&self, host: &str, activity: &str) -> Result<Vec<StandingRow>, StoreError> {
        let (host, activity) = (host.to_owned(), activity.to_owned());
        self.readers
            .run(move |connection| match records::activity(connection, &host, &activity)? {
                Some(activity) => records::standings(connection, activity),
                None => Ok(Vec::new()),
            })
            .await
    }

    async fn submissions(
        &self,
        host: &str,
        activity: &str,
        user: &str,
        limit: u32,
    ) -> Result<Vec<SubmissionRow>, StoreError> {
        let (host, activity, user) = (host.to_owned(), activity.to_owned(), user.to_owned());
        self.readers
            .run(move |connection| match records::activity(connection, &host, &activity)? {
                Some(activity) => records::submissions(connection, activity, &host, &user, limit),
                None => Ok(Vec::new()),
            })
            .await
    }

    async fn entry_times(
        &self,
        host: &str,
        activity: &str,
        limit: u32,
    ) -> Result<Vec<(EntryKind, Millis)>, StoreError> {
        let (host, activity) = (host.to_owned(), activity.to_owned());
        let shared = Arc::clone(&self.shared);
        self.readers
            .run(move |connection| match records::activity(connection, &host, &activity)? {
                Some(activity) => records::entry_times(&shared, connection, activity, limit),
                None => Ok(Vec::new()),
            })
            .await
    }
}

#[async_trait]
impl WebSessions for SqliteStore {
    async fn create_web_session(
        &self,
        id: &str,
        record: &str,
        expires_at: Millis,
    ) -> Result<bool, StoreError> {
        let (id, record) = (id.to_owned(), record.to_owned());
        self.writer
            .run(move |tx| {
                let inserted = tx
                    .connection
                    .prepare_cached("INSERT OR IGNORE INTO web_sessions VALUES (?, ?, ?)")?
                    .execute(params![id, record, expires_at])?;
                Ok(inserted == 1)
            })
            .await
    }

    async fn save_web_session(
        &self,
        id: &str,
        record: &str,
        expires_at: Millis,
    ) -> Result<(), StoreError> {
        let (id, record) = (id.to_owned(), record.to_owned());
        self.writer
            .run(move |tx| {
                tx.connection
                    .prepare_cached(
                        "UPDATE web_sessions SET record = ?2, expires_at = ?3 WHERE id = ?1",
                    )?
                    .execute(params![id, record, expires_at])?;
                Ok(())
            })
            .await
    }

    async fn load_web_session(&self, id: &str, now: Millis) -> Result<Option<String>, StoreError> {
        let id = id.to_owned();
        self.readers
            .run(move |connection| {
                Ok(connection
                    .prepare_cached(
                        "SELECT record FROM web_sessions WHERE id = ? AND expires_at > ?",
                    )?
                    .query_row(params![id, now], |row| row.get(0))
                    .optional()?)
            })
            .await
    }

    async fn delete_web_session(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.writer
            .run(move |tx| {
                tx.connection
                    .prepare_cached("DELETE FROM web_sessions WHERE id = ?")?
                    .execute([&id])?;
                Ok(())
            })
            .await
    }

    async fn sweep(&self, now: Millis) -> Result<bool, StoreError> {
        let place = Arc::clone(&self.swept_to);
        self.writer
            .run(move |tx| {
                let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
                let next = sweep::step(tx, &place, now)?;
                let more = next.is_some();
                *place = next.unwrap_or_default();
                Ok(more)
            })
            .await
    }
}
