//! Entries of the log, as they go in and out.

use latchkey_protocol::Millis;
use latchkey_protocol::launch::RecentScope;

/// A log entry to be written.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The client's id and the fingerprint of the entry.
    pub id: Option<(String, [u8; 16])>,
    /// What happened.
    pub event: String,
    /// JSON object.
    pub data: Option<String>,
    /// When, by the client's corrected clock.
    pub client_at: Option<Millis>,
}

/// Which entries to read.
#[derive(Clone, Debug)]
pub struct RecentQuery {
    /// Whose.
    pub scope: RecentScope,
    /// How many at most.
    pub limit: u32,
    /// Only older than this entry.
    pub before: Option<i64>,
    /// Only newer than this entry.
    pub since: Option<i64>,
    /// Only these kinds; empty for all.
    pub kinds: Vec<EntryKind>,
}

/// What an entry is. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Of `log`.
    Log = 0,
    /// Of `grade`.
    Grade = 1,
    /// A user's first launch.
    Join = 2,
}

/// A page of entries.
#[derive(Clone, Debug, Default)]
pub struct RecentPage {
    /// Newest first.
    pub entries: Vec<EntryRow>,
    /// Where the next page begins: entries before this one; `None` at the end.
    pub next: Option<i64>,
}

/// An entry as read.
#[derive(Clone, Debug)]
pub struct EntryRow {
    /// Its number.
    pub seq: i64,
    /// What it is.
    pub kind: EntryKind,
    /// Of a log entry.
    pub event: Option<String>,
    /// Of a log entry: JSON.
    pub data: Option<String>,
    /// Of a grade: score and maximum.
    pub score: Option<(f64, f64)>,
    /// The client's corrected time, else the server's.
    pub at: Millis,
    /// The user, by the store's number.
    pub user: i64,
    /// The user, by the host's key.
    pub user_key: String,
    /// The user's name.
    pub user_name: Option<String>,
}
