//! What a plugin asks for.

use latchkey_protocol::payload::{Kind, RecentInput};

/// Which entries of the activity's log are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(pub(crate) RecentInput);

impl Query {
    /// The newest 20.
    pub fn new() -> Self {
        Self::default()
    }

    /// The newest `limit`, 1 to 100.
    pub fn newest(limit: u32) -> Self {
        Self(RecentInput { limit: Some(limit), ..RecentInput::default() })
    }

    /// Only what is older than a cursor: an item's id, or `next` of the page before.
    #[must_use]
    pub fn before(mut self, cursor: impl Into<String>) -> Self {
        self.0.before = Some(cursor.into());
        self
    }

    /// Only what is newer than a cursor.
    #[must_use]
    pub fn since(mut self, cursor: impl Into<String>) -> Self {
        self.0.since = Some(cursor.into());
        self
    }

    /// Only these kinds.
    #[must_use]
    pub fn kinds(mut self, kinds: impl Into<Vec<Kind>>) -> Self {
        self.0.kinds = Some(kinds.into());
        self
    }
}
