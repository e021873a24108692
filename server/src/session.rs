//! Login sessions of a host that is built on this library: tower-sessions over our own store.

use crate::store::{SharedStore, StoreError};
use async_trait::async_trait;
use latchkey_protocol::Millis;
use std::fmt;
use std::sync::Arc;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

use crate::clock::Clock;

/// Keeps login sessions where keys and grades are, so that one backup holds all.
#[derive(Clone)]
pub struct WebSessionStore {
    store: SharedStore,
    clock: Arc<dyn Clock>,
}

impl WebSessionStore {
    /// Sessions in the store of that server.
    pub fn new(latchkey: &crate::Latchkey) -> Self {
        Self { store: Arc::clone(&latchkey.store), clock: Arc::clone(&latchkey.clock) }
    }
}

impl fmt::Debug for WebSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebSessionStore")
    }
}

/// How often a new id is drawn when one is taken. Of 128 random bits the first never is.
const DRAWS: usize = 8;

#[async_trait]
impl SessionStore for WebSessionStore {
    async fn create(&self, record: &mut Record) -> Result<()> {
        for _ in 0..DRAWS {
            let (text, ends) = (encode(record)?, ends(record));
            let id = record.id.to_string();
            if self.store.create_web_session(&id, &text, ends).await.map_err(backend)? {
                return Ok(());
            }
            record.id = Id::default();
        }
        Err(Error::Backend("no free session id".into()))
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let (text, ends) = (encode(record)?, ends(record));
        self.store.save_web_session(&record.id.to_string(), &text, ends).await.map_err(backend)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let now = self.clock.now();
        let text = self.store.load_web_session(&id.to_string(), now).await.map_err(backend)?;
        text.map(|text| {
            serde_json::from_str(&text).map_err(|error| Error::Decode(error.to_string()))
        })
        .transpose()
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.store.delete_web_session(&id.to_string()).await.map_err(backend)
    }
}

fn encode(record: &Record) -> Result<String> {
    serde_json::to_string(record).map_err(|error| Error::Encode(error.to_string()))
}

fn ends(record: &Record) -> Millis {
    record.expiry_date.unix_timestamp().saturating_mul(1000)
}

fn backend(error: StoreError) -> Error {
    Error::Backend(error.to_string())
}
