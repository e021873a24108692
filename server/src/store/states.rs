//! Documents that an attempt keeps, as they go in and out.

use crate::state::{Change, Document};
use crate::store::Rejected;
use latchkey_protocol::Millis;
use serde::{Deserialize, Serialize};

/// A write to a document of the key's attempt.
#[derive(Clone, Debug)]
pub struct StateWrite {
    /// Its name.
    pub name: String,
    /// What is to be done.
    pub change: Change,
    /// Only at this version.
    pub if_version: Option<u64>,
}

/// A document of the key's attempt as it was when a call was made up.
#[derive(Clone, Debug)]
pub struct StateSeen {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
}

impl StateSeen {
    /// Whether it still is as it was.
    ///
    /// # Errors
    /// [`Rejected::VersionConflict`], if somebody has written it.
    pub fn still(&self, kept: Document) -> Result<(), Rejected> {
        if kept.is_at(self.version) { Ok(()) } else { Err(Rejected::VersionConflict(kept)) }
    }
}

/// A document as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRow {
    /// Its name.
    pub name: String,
    /// The document and its version.
    pub document: Document,
    /// When it was last written; `None` if never.
    pub at: Option<Millis>,
}

/// A document as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChanged {
    /// Its name.
    pub name: String,
    /// Its version now.
    pub version: u32,
    /// When it was last written.
    pub at: Millis,
}
