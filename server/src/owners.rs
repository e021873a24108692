//! Whose a key is, for hosts whose rules ask for the user.

use crate::store::{Store, StoreError};
use latchkey_protocol::token::KeyId;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Keys remembered at the most; then all are forgotten, since each can be asked for again.
const MAX: usize = 65_536;

/// Users of keys, by the host's own primary key. A key never changes hands, so what is known stays true.
#[derive(Debug, Default)]
pub(crate) struct Owners(RwLock<HashMap<KeyId, Arc<str>>>);

impl Owners {
    /// The user of a key that has a row; `None` if it has none.
    pub(crate) async fn of(
        &self,
        id: KeyId,
        store: &dyn Store,
    ) -> Result<Option<Arc<str>>, StoreError> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let Some(owner) = store.owner(id).await? else { return Ok(None) };
        let user: Arc<str> = owner.user.into();
        let mut owners = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if owners.len() >= MAX {
            owners.clear();
        }
        owners.insert(id, Arc::clone(&user));
        Ok(Some(user))
    }
}
