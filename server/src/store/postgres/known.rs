//! What a server remembers of keys: what never changes for as long as there is room, and where the rotation
//! stands for a second.

use super::Shared;
use super::numbers::{host_of, strand_of};
use super::remembered::{Bounded, Fleeting, SHARDS};
use super::sql;
use super::words::{count, sixteen};
use crate::keys::decide::Row;
use crate::store::{Grant, KeyRecord, StoreError, Subject};
use latchkey_protocol::token::KeyId;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long another server's change may go unseen. The transaction of a call sees it at once.
pub(super) const BELIEVED: Duration = Duration::from_secs(1);
/// Keys held in memory at the most.
const MAX_KEYS: usize = 400_000;

/// What never changes of a key.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) host: Arc<str>,
    pub(super) subject: Subject,
    pub(super) user: Box<str>,
    pub(super) activity: Box<str>,
    pub(super) grant: Arc<Grant>,
    pub(super) grant_id: [u8; 16],
}

impl Facts {
    /// The strand of all that is done with the key.
    pub(super) fn strand(&self) -> i64 {
        strand_of(self.subject.activity)
    }

    /// The key as others see it.
    pub(super) fn record(&self, row: Row, hidden: bool) -> KeyRecord {
        let (host, grant) = (Arc::clone(&self.host), Arc::clone(&self.grant));
        KeyRecord { host, subject: self.subject, grant, row, hidden }
    }
}

/// What is remembered of keys.
#[derive(Debug)]
pub(super) struct KnownKeys {
    facts: Bounded<KeyId, Arc<Facts>>,
    rows: Fleeting<KeyId, (Row, bool)>,
    grants: Bounded<[u8; 16], Arc<Grant>>,
}

impl KnownKeys {
    /// For rows that are believed for so long.
    pub(super) fn new(believed: Duration) -> Self {
        Self {
            facts: Bounded::new(MAX_KEYS),
            rows: Fleeting::new(believed),
            grants: Bounded::new(SHARDS * 64),
        }
    }

    /// The one copy of a grant.
    pub(super) fn grant(
        &self,
        id: [u8; 16],
        read: impl FnOnce() -> Option<Grant>,
    ) -> Option<Arc<Grant>> {
        if let Some(known) = self.grants.get(&id) {
            return Some(known);
        }
        let grant = Arc::new(read()?);
        self.grants.put(id, Arc::clone(&grant));
        Some(grant)
    }

    /// What never changes of a key, once it is committed.
    pub(super) fn learn(&self, id: KeyId, facts: Arc<Facts>) {
        self.facts.put(id, facts);
    }

    /// Where its rotation stood at `read_at`, and whether its activity was hidden.
    pub(super) fn remember(&self, id: KeyId, row: Row, hidden: bool, read_at: Instant) {
        self.rows.put(id, (row, hidden), read_at);
    }

    /// What was believed of its rotation is to be read again.
    pub(super) fn doubt_one(&self, id: &KeyId) {
        self.rows.remove(id);
    }

    /// The key is gone.
    pub(super) fn forget(&self, id: &KeyId) {
        self.rows.remove(id);
        self.facts.remove(id);
    }

    /// Whatever was believed of rotations is to be read again.
    pub(super) fn doubt(&self) {
        self.rows.clear();
    }

    fn believed(&self, id: &KeyId) -> Option<(Row, bool)> {
        self.rows.get(id, Instant::now())
    }
}

/// A key's place, and what else its row says.
const KEY: &str = "SELECT k.activity, k.user_id, k.attempt, k.grant_id, g.text, a.key, a.hidden,
        k.rotating, k.ends_at, k.hi, k.branch, k.prev_branch, k.advanced_at, k.revoked_at
    FROM keys k JOIN activities a ON a.strand = k.strand AND a.id = k.activity
    JOIN grants g ON g.id = k.grant_id WHERE k.strand = $1 AND k.id = $2";

/// The columns of [`read_row`], of the key `k`.
pub(super) const ROW: &str =
    "k.rotating, k.ends_at, k.hi, k.branch, k.prev_branch, k.advanced_at, k.revoked_at";

/// Reads the columns of [`ROW`], from the column `first` on.
pub(super) fn read_row(row: &tokio_postgres::Row, first: usize) -> Result<Row, StoreError> {
    Ok(Row {
        rotating: row.try_get(first)?,
        key_exp: row.try_get(first + 1)?,
        hi: count(row.try_get(first + 2)?)?,
        branch: row.try_get::<_, i64>(first + 3)?.to_be_bytes(),
        prev_branch: row.try_get::<_, Option<i64>>(first + 4)?.map(i64::to_be_bytes),
        advanced_at: row.try_get(first + 5)?,
        revoked: row.try_get::<_, Option<i64>>(first + 6)?.is_some(),
    })
}

impl Shared {
    /// The key of that id, perhaps a second old; `None` if there is none.
    pub(super) async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        if let Some((row, hidden)) = self.known.believed(&id)
            && let Some(facts) = self.known.facts.get(&id)
        {
            return Ok(Some(facts.record(row, hidden)));
        }
        let read_at = Instant::now();
        let Some((facts, row, hidden)) = self.read_key(id).await? else { return Ok(None) };
        self.known.remember(id, row, hidden, read_at);
        Ok(Some(facts.record(row, hidden)))
    }

    /// What never changes of a key; `None` if there is none.
    pub(super) async fn facts(&self, id: KeyId) -> Result<Option<Arc<Facts>>, StoreError> {
        match self.known.facts.get(&id) {
            Some(facts) => Ok(Some(facts)),
            None => Ok(self.read_key(id).await?.map(|(facts, ..)| facts)),
        }
    }

    async fn read_key(&self, id: KeyId) -> Result<Option<(Arc<Facts>, Row, bool)>, StoreError> {
        let client = self.client().await?;
        let known = self.known.facts.get(&id);
        let strand = match &known {
            Some(facts) => facts.strand(),
            None => {
                let place = "SELECT activity FROM key_places WHERE id = $1";
                let Some(row) = sql::row(&client, place, &[&&id.0[..]]).await? else {
                    return Ok(None);
                };
                strand_of(row.try_get(0)?)
            }
        };
        let Some(row) = sql::row(&client, KEY, &[&strand, &&id.0[..]]).await? else {
            return Ok(None);
        };
        let state = read_row(&row, 7)?;
        let hidden = row.try_get(6)?;
        if let Some(facts) = known {
            return Ok(Some((facts, state, hidden)));
        }
        let subject = Subject {
            activity: row.try_get(0)?,
            user: row.try_get(1)?,
            attempt: count(row.try_get(2)?)?,
        };
        let grant_id = sixteen(row.try_get(3)?)?;
        let text: &str = row.try_get(4)?;
        let grant = self.known.grant(grant_id, || serde_json::from_str(text).ok());
        let grant = grant.ok_or_else(|| StoreError::Unreadable("a grant".into()))?;
        let host = host_of(subject.activity);
        let name = "SELECT key FROM users WHERE host = $1 AND id = $2";
        let user = sql::row(&client, name, &[&host, &subject.user]).await?;
        let user = user.ok_or_else(|| StoreError::Unreadable("a user is missing".into()))?;
        // Given back before another is asked for.
        drop(client);
        let facts = Arc::new(Facts {
            host: self.hosts.name(&self.pool, host).await?,
            subject,
            user: user.try_get::<_, String>(0)?.into(),
            activity: row.try_get::<_, String>(5)?.into(),
            grant,
            grant_id,
        });
        self.known.learn(id, Arc::clone(&facts));
        Ok(Some((facts, state, hidden)))
    }
}
