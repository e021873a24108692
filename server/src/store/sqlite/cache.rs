//! What the writer knows and the readers may see: keys and the beginnings of the log's chains.

use crate::store::{Grant, KeyRecord, StoreError};
use latchkey_protocol::token::KeyId;
use rusqlite::{Connection, OptionalExtension};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

/// Keys held in memory at the most; a key that is not is read from its row.
const MAX_KEYS: usize = 1_000_000;
const SHARDS: usize = 64;

/// Keys as last committed. Bounded: a full shard is emptied, since each of its rows can be read again.
#[derive(Debug)]
pub(super) struct KeyCache {
    shards: Vec<RwLock<HashMap<KeyId, KeyRecord>>>,
    hasher: RandomState,
}

impl KeyCache {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn get(&self, id: &KeyId) -> Option<KeyRecord> {
        self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(super) fn put(&self, id: KeyId, record: KeyRecord) {
        let mut shard = self.shard(&id).write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= MAX_KEYS / SHARDS && !shard.contains_key(&id) {
            shard.clear();
        }
        shard.insert(id, record);
    }

    fn shard(&self, id: &KeyId) -> &RwLock<HashMap<KeyId, KeyRecord>> {
        // The ids come from hosts: a keyed hash spreads them whatever they are.
        &self.shards[(self.hasher.hash_one(id) % SHARDS as u64) as usize]
    }
}

/// Grants shared by the keys that hold them.
#[derive(Debug, Default)]
pub(super) struct Grants(Mutex<HashMap<i64, Weak<Grant>>>);

impl Grants {
    /// The grant of that number, read if no key in memory holds it.
    pub(super) fn get(&self, connection: &Connection, id: i64) -> Result<Arc<Grant>, StoreError> {
        if let Some(grant) = self.lock().get(&id).and_then(Weak::upgrade) {
            return Ok(grant);
        }
        let text: String = connection
            .prepare_cached("SELECT text FROM grants WHERE id = ?")?
            .query_row([id], |row| row.get(0))?;
        let grant: Grant = serde_json::from_str(&text)
            .map_err(|_| StoreError::Unreadable(format!("grant {id}")))?;
        Ok(self.share(id, grant))
    }

    /// The number of a grant and the one copy of it, stored if it is new.
    pub(super) fn intern(
        &self,
        connection: &Connection,
        grant: &Grant,
    ) -> Result<(i64, Arc<Grant>), StoreError> {
        let text = serde_json::to_string(grant)
            .map_err(|_| StoreError::Unreadable("a grant cannot be written".into()))?;
        let known: Option<i64> = connection
            .prepare_cached("SELECT id FROM grants WHERE text = ?")?
            .query_row([&text], |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => connection
                .prepare_cached("INSERT INTO grants (text) VALUES (?) RETURNING id")?
                .query_row([&text], |row| row.get(0))?,
        };
        if let Some(shared) = self.lock().get(&id).and_then(Weak::upgrade) {
            return Ok((id, shared));
        }
        Ok((id, self.share(id, grant.clone())))
    }

    fn share(&self, id: i64, grant: Grant) -> Arc<Grant> {
        let grant = Arc::new(grant);
        let mut known = self.lock();
        if known.len() >= 4096 {
            known.retain(|_, grant| grant.strong_count() > 0);
        }
        known.insert(id, Arc::downgrade(&grant));
        grant
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Weak<Grant>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names of hosts, one copy of each. By the text and not by the number: a number whose transaction is
/// rolled back goes to another host.
#[derive(Debug, Default)]
pub(super) struct HostNames(Mutex<HashSet<Arc<str>>>);

impl HostNames {
    /// The one copy of a name.
    pub(super) fn share(&self, name: &str) -> Arc<str> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.get(name) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = name.into();
        known.insert(Arc::clone(&shared));
        shared
    }
}

/// A chain of the log: an activity's (user 0), or that of a user in it.
pub(super) type Chain = (i64, i64);

/// The newest entry of each chain that the table does not know yet, and of some that it does.
#[derive(Debug, Default)]
pub(super) struct Heads(Mutex<HashMap<Chain, i64>>);

impl Heads {
    /// The newest entry of a chain; 0 if it has none.
    ///
    /// Memory is asked before the table: an entry leaves memory only after the table has it, so a
    /// reader that finds nothing here finds it there.
    pub(super) fn get(&self, connection: &Connection, chain: Chain) -> Result<i64, StoreError> {
        if let Some(seq) = self.lock().get(&chain) {
            return Ok(*seq);
        }
        let seq = connection
            .prepare_cached("SELECT seq FROM heads WHERE activity = ? AND user = ?")?
            .query_row(chain, |row| row.get(0))
            .optional()?;
        Ok(seq.unwrap_or(0))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<Chain, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Activities that are hidden. Few are, so a call asks a counter first.
#[derive(Debug, Default)]
pub(super) struct HiddenActivities {
    count: AtomicUsize,
    numbers: RwLock<HashSet<i64>>,
}

impl HiddenActivities {
    /// Reads which are.
    pub(super) fn load(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut statement = connection.prepare("SELECT id FROM activities WHERE hidden = 1")?;
        for number in statement.query_map([], |row| row.get(0))? {
            self.set(number?, true);
        }
        Ok(())
    }

    /// Whether that one is.
    pub(super) fn contains(&self, activity: i64) -> bool {
        self.count.load(Ordering::Acquire) > 0
            && self.numbers.read().unwrap_or_else(PoisonError::into_inner).contains(&activity)
    }

    /// From now on it is, or is not.
    pub(super) fn set(&self, activity: i64, hidden: bool) {
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        if hidden {
            numbers.insert(activity);
        } else {
            numbers.remove(&activity);
        }
        self.count.store(numbers.len(), Ordering::Release);
    }
}
